//! Whatever the bytes of a source of labelled points: scans, or an error; and what is asked about is answered for point by point. The first byte
//! chooses the format by its name.
#![no_main]

use candor_point_cloud::{PointOptions, PointRules, PointSource, read_asked, read_points};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 7] = [
    "a.ply", "a.pcd", "a.csv", "a.xyz", "a.laz", "a.npz", "a.h5",
];

/// Panics of the LAZ decoder are caught where it is called. The fuzzer's own hook would end with them; only what leaves the target is a crash.
fn go_on_after_caught_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}

fuzz_target!(|bytes: &[u8]| {
    go_on_after_caught_panics();
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let name = NAMES[usize::from(*kind) % NAMES.len()];
    let path = folder.path().join(name);
    if std::fs::write(&path, content).is_err() {
        return;
    }
    let _ = PointSource::detect(&path, true);
    let Some(source) = PointSource::certainly(&path) else {
        return;
    };
    if let Ok(read) = read_points(&source, &PointOptions::default()) {
        assert_eq!(read.points.len(), read.table.rows());
    }
    let rules = PointRules {
        kept: 16,
        block: (kind % 2 == 0).then_some(0.5),
        channels: vec!["intensity".to_owned()],
    };
    if let Ok(asked) = read_asked(&source, &rules) {
        assert_eq!(asked.points.len(), asked.names.len());
    }
});
