//! Whatever the tables of a folder hold: one graph, many graphs, or an error. Bytes of 0 end a table; the first byte chooses
//! whether there are many graphs.
#![no_main]

use candor_graph::{CollectionSource, GraphOptions, GraphSource, read_collection, read_graph};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let many = kind % 2 == 1;
    let names = if many {
        ["graphs.csv", "nodes.csv", "edges.csv"]
    } else {
        ["nodes.csv", "edges.csv", "features.csv"]
    };
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    for (name, table) in names.iter().zip(content.split(|&byte| byte == 0)) {
        if std::fs::write(folder.path().join(name), table).is_err() {
            return;
        }
    }
    let options = GraphOptions::default();
    if many {
        if let Some(source) = CollectionSource::detect(folder.path())
            && let Ok(read) = read_collection(&source, &options)
        {
            assert_eq!(read.graph.check(), Ok(()));
        }
    } else if let Some(source) = GraphSource::detect(folder.path())
        && let Ok(read) = read_graph(&source, &options)
    {
        assert_eq!(read.graph.check(), Ok(()));
    }
});
