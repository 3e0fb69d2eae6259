//! Whatever the bytes of a file of a graph: a graph or an error. The first byte chooses the kind of file.
#![no_main]

use candor_graph::{GraphOptions, GraphSource, read_graph};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let names = ["a.graphml", "a.gml", "a.npz"];
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let path = folder.path().join(names[usize::from(*kind) % names.len()]);
    if std::fs::write(&path, content).is_err() {
        return;
    }
    if let Some(source) = GraphSource::detect(&path)
        && let Ok(read) = read_graph(&source, &GraphOptions::default())
    {
        assert_eq!(read.graph.check(), Ok(()));
    }
});
