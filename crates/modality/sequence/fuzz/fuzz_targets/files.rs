//! Whatever the bytes of a file of series, a recording or a table: series or an error. The first byte chooses the kind of file.
#![no_main]

use candor_data::ReadOptions;
use candor_sequence::{RecordingSource, read_recordings, read_series};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let names = ["a.ts", "a/1.wav", "a/1.csv"];
    let name = names[usize::from(*kind) % names.len()];
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let path = folder.path().join(name);
    let _ = path.parent().map(std::fs::create_dir_all);
    if std::fs::write(&path, content).is_err() {
        return;
    }
    if name.ends_with(".ts") {
        let _ = read_series(&path, None);
        return;
    }
    if let Some(source) = RecordingSource::detect(folder.path()) {
        let _ = read_recordings(&source, &ReadOptions::default(), Some(1 << 26), None);
    }
});
