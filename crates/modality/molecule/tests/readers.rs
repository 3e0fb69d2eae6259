//! Whatever the bytes, the readers of files give molecules or an error.
#![allow(clippy::unwrap_used)]

use candor_data::{ReadOptions, Source};
use candor_molecule::{Library, read_molecules};
use proptest::prelude::*;

const RECORD: &str = concat!(
    "ethanol\n  made\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n",
    "    0.0000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0\n",
    "    0.0000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0\n",
    "    0.0000    0.0000    0.0000 O   0  0  0  0  0  0  0  0  0  0  0  0\n",
    "  1  2  1  0\n  2  3  1  0\nM  END\n> <y>\n1.5\n\n$$$$\n",
);
const TABLE: &str = "name,smiles,y\na,CCO,1\nb,\"c1ccccc1\",0\nc,,1\nd,C[C@H](N)C(=O)O,0\n";
const LINES: &str = "CCO ethanol\nc1ccccc1 benzene\n# nothing\n\nCC(=O)[O-].[Na+] acetate\n";

/// Reads bytes under a name in all ways there are.
fn read(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    if let Ok(read) = read_molecules(&Source::File(path.clone()), &ReadOptions::default(), None) {
        assert_eq!(read.facts.rows, read.table.rows());
        assert!(read.table.column(&read.structures.name).is_some());
    }
    if let Ok(mut library) = Library::open(&path, None) {
        let mut rows = 0;
        while let Ok(entries) = library.next(7) {
            if entries.is_empty() {
                break;
            }
            rows += entries.len();
            assert!(
                rows <= bytes.len() + 1,
                "{rows} rows of {} bytes",
                bytes.len()
            );
        }
    }
}

/// A text with some bytes replaced, and one piece of it put elsewhere.
fn damaged(
    text: &str,
    changes: &[(prop::sample::Index, u8)],
    cut: [prop::sample::Index; 3],
) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, byte) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    let [start, end, to] = cut.map(|cut| cut.index(bytes.len() + 1));
    let piece = bytes[start.min(end)..start.max(end)].to_vec();
    bytes.splice(to..to, piece);
    bytes
}

const NAMES: [&str; 6] = ["a.smi", "a.sdf", "a.mol", "a.csv", "a.smi.gz", "a.tsv"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_panic(name in 0..NAMES.len(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(NAMES[name], &bytes);
    }

    #[test]
    fn no_damaged_record_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<[prop::sample::Index; 3]>(),
    ) {
        read("a.sdf", &damaged(RECORD, &changes, cut));
    }

    /// Counts that promise more, or less, than there is.
    #[test]
    fn no_wrong_counts_panic(atoms in -9..1000i32, bonds in -9..1000i32) {
        let counts = format!("{atoms:3}{bonds:3}");
        read("a.sdf", RECORD.replacen("  3  2", &counts, 1).as_bytes());
    }

    #[test]
    fn no_damaged_table_panics(
        lines in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<[prop::sample::Index; 3]>(),
    ) {
        let (name, text) = if lines { ("a.smi", LINES) } else { ("a.csv", TABLE) };
        read(name, &damaged(text, &changes, cut));
    }
}

#[test]
fn what_is_not_damaged_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, rows) in [
        ("a.sdf", RECORD, 1),
        ("a.csv", TABLE, 4),
        ("a.smi", LINES, 3),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let read = read_molecules(&Source::File(path), &ReadOptions::default(), None).unwrap();
        assert_eq!((read.table.rows(), read.damaged.len()), (rows, 0), "{name}");
    }
}

#[test]
fn what_is_cut_short_is_read_as_far_as_it_goes() {
    for (name, text) in [("a.sdf", RECORD), ("a.csv", TABLE), ("a.smi", LINES)] {
        for end in 0..=text.len() {
            read(name, &text.as_bytes()[..end]);
        }
    }
}
