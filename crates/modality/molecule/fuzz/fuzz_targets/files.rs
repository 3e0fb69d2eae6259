//! Whatever the bytes of a file of molecules: a table or an error. The first byte chooses the kind of file.
#![no_main]

use candor_data::{ReadOptions, Source};
use candor_molecule::{Library, read_molecules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let names = ["a.sdf", "a.smi", "a.csv"];
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let path = folder.path().join(names[usize::from(*kind) % names.len()]);
    if std::fs::write(&path, content).is_err() {
        return;
    }
    let _ = read_molecules(&Source::File(path.clone()), &ReadOptions::default(), None);
    if let Ok(mut library) = Library::open(&path, None) {
        while library.next(64).is_ok_and(|entries| !entries.is_empty()) {}
    }
});
