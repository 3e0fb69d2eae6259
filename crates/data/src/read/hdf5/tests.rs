use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::{Source, read_table, time_values};

/// Frames that pandas 3.1 and PyTables 3.11 wrote: sensors by texts, plain; sensors by numbers, packed by zlib, in single precision.
const FILES: [&str; 2] = ["metr-la.h5", "pems-bay.h5"];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/files", name]
        .iter()
        .collect()
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<(String, Values)>, Fault> {
    columns_of(bytes, &ReadOptions::default(), &mut Vec::new())
}

#[test]
fn frames_of_pandas_are_tables() {
    let names: [&[&str]; 2] = [
        &["time", "773869", "767541", "767542", "717447"],
        &["time", "400001", "400017", "400030", "400040"],
    ];
    for ((file, names), rows) in FILES.into_iter().zip(names).zip([48, 45]) {
        let read = read_table(&Source::File(path(file)), &ReadOptions::default()).unwrap();
        let found: Vec<&str> = read.table.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(found, names);
        assert_eq!(
            (read.table.rows(), read.facts.format.as_str()),
            (rows, "HDF5")
        );
        let times = time_values(&read.table.columns[0]);
        // 2012-03-01; five minutes later.
        assert_eq!(times[..2], [1_330_560_000.0, 1_330_560_300.0]);
        let Values::Numeric(third) = &read.table.columns[3].values else {
            panic!("{file}: no numbers")
        };
        let told: Vec<f64> = third[..2]
            .iter()
            .map(|v| (v * 100.0).round() / 100.0)
            .collect();
        assert_eq!(told, [65.19, 65.44]);
        assert_eq!(third[10..14], [0.0; 4]);
    }
}

#[test]
fn what_is_no_table_is_said() {
    let whole = std::fs::read(path(FILES[0])).unwrap();
    let error = |bytes: &[u8]| read_bytes(bytes).unwrap_err();
    assert!(error(b"").contains("no HDF5 signature"));
    assert!(error(&whole[..8]).contains("ends too early"));
    for length in (9..whole.len() - 64).step_by(97) {
        error(&whole[..length]);
    }
    let mut other = whole.clone();
    other[8] = 9;
    assert!(error(&other).contains("superblock has version 9"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.h5");
    std::fs::write(&file, &whole[..4000]).unwrap();
    let error = read_table(&Source::File(file), &ReadOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("cannot be read as HDF5"),
        "{error}"
    );
    assert!(candor_core::Hints::hints(&error)[0].contains("to_hdf"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_are_read_or_refused(
        file in 0..FILES.len(),
        changes in proptest::collection::vec((0.0..1.0f64, any::<u8>(), 0..4u8), 1..6),
        kept in prop_oneof![4 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let mut bytes = std::fs::read(path(FILES[file])).unwrap();
        bytes.truncate((kept * bytes.len() as f64) as usize);
        let length = bytes.len();
        for (place, value, kind) in changes {
            if let Some(byte) = bytes.get_mut((place * length as f64) as usize) {
                *byte = match kind {
                    0 => 0xff,
                    1 => 0,
                    2 => *byte ^ (1 << (value % 8)),
                    _ => value,
                };
            }
        }
        if let Ok(columns) = read_bytes(&bytes) {
            let cells: usize = columns.iter().map(|(_, values)| values.len()).sum();
            prop_assert!(cells <= 1_100 * bytes.len());
        }
    }
}
