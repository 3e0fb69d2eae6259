//! Whatever the bytes of what joins series, of their values, or of a recorded data set: series or an error. The first byte chooses the file.
#![no_main]

use candor_graph_series::{SeriesOptions, SeriesSource, read_series};
use libfuzzer_sys::fuzz_target;

const VALUES: &str = "date,a,b\n2024-03-01,1,2\n2024-03-02,2,3\n2024-03-03,3,4\n2024-03-04,4,5\n";

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let names = [
        "values.csv", "adjacency.csv", "edges.csv", "distances.csv", "coordinates.csv", "mobility.csv", "weeks.json",
    ];
    let name = names[usize::from(*kind) % names.len()];
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let _ = std::fs::write(folder.path().join("values.csv"), VALUES);
    let path = folder.path().join(name);
    if std::fs::write(&path, content).is_err() {
        return;
    }
    let source = match name.ends_with(".json") {
        true => SeriesSource::Recorded(path),
        false => SeriesSource::Folder(folder.path().to_owned()),
    };
    let _ = read_series(&source, &SeriesOptions::default());
});
