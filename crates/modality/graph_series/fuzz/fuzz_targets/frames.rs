//! Whatever the bytes of an HDF5 file: series or an error, and no more readings than such a file can hold.
#![no_main]

use candor_graph_series::{SeriesOptions, SeriesSource, read_series};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let path = folder.path().join("frame.h5");
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let _ = read_series(&SeriesSource::File(path), &SeriesOptions::default());
});
