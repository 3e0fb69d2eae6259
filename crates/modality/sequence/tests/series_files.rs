//! Files of series, as archives have them and as nobody should write them.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use candor_core::Hints;
use candor_data::Values;
use candor_sequence::{ReadSeries, SequenceError, is_series_file, read_series};
use proptest::prelude::*;

fn read(text: impl AsRef<[u8]>) -> Result<ReadSeries, SequenceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ts");
    std::fs::write(&path, text).unwrap();
    read_series(&path, None)
}

const HEADER: &str = "# a comment\n@problemName waves\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength false\n\
                      @classLabel true up down\n@data\n";

#[test]
fn channels_lengths_gaps_and_classes_are_read() {
    let text = format!("{HEADER}1,2,?:3,4,5:up\n\n1.5:-2e-1:down\n?:1:?\n");
    let read = read(text).unwrap();
    assert_eq!((read.series.len(), read.series.channels()), (3, 2));
    assert_eq!((read.series.length(0), read.series.length(1)), (3, 1));
    assert!(read.series.unit(0)[2].is_nan());
    assert_eq!(read.series.unit(1), [1.5, -0.2]);
    let class = &read.table.column("class").unwrap().values;
    assert_eq!(class.text(1).as_deref(), Some("down"));
    assert!(class.is_missing(2));
    assert_eq!(read.facts.default_target.as_deref(), Some("class"));
    assert!(
        read.facts.notes[0].contains("2 channels, 1 to 3 readings"),
        "{:?}",
        read.facts.notes
    );
}

#[test]
fn numbers_to_predict_times_and_files_without_labels_are_read() {
    let numbers = "@univariate true\n@targetLabel true\n@data\n1,2:0.5\n3,4:?\n";
    let read_numbers = read(numbers).unwrap();
    let Values::Numeric(target) = &read_numbers.table.column("target").unwrap().values else {
        panic!("numbers are numbers")
    };
    assert!(target[0] == 0.5 && target[1].is_nan());
    let times = "@timestamps true\n@classLabel true\n@data\n(0,1.5),(2020-01-01 10:00:00,2):(3,?):a\n(2,1),(1,2):(0,0):b\n";
    let read_times = read(times).unwrap();
    assert_eq!(read_times.series.channels(), 2);
    assert_eq!(read_times.series.unit(0)[..2], [1.5, 2.0]);
    let notes = read_times.facts.notes.join(" ");
    assert!(
        notes.contains("do not ascend") && notes.contains("several lengths"),
        "{notes}"
    );
    let without = read("@problemName x\n@classLabel false\n@data\n1,2,3\n").unwrap();
    assert_eq!(without.facts.default_target, None);
    assert_eq!(without.series.length(0), 3);
}

#[test]
fn compressed_files_are_read_and_told_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("X_TRAIN.ts.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(HEADER.as_bytes()).unwrap();
    packed.write_all(b"1:2:up\n").unwrap();
    let packed = packed.finish().unwrap();
    std::fs::write(&path, &packed).unwrap();
    assert!(is_series_file(&path) && !is_series_file(&folder.path().join("no.ts")));
    assert_eq!(read_series(&path, None).unwrap().series.len(), 1);
    std::fs::write(&path, &packed[..packed.len() - 12]).unwrap();
    assert!(matches!(
        read_series(&path, None),
        Err(SequenceError::Unreadable { .. })
    ));
}

#[test]
fn faults_say_where_what_and_what_to_do() {
    let cases = [
        ("", "there is no line `@data`"),
        ("@data\n", "no series behind"),
        (
            "let x: number = 3;\n",
            "line 1: `let x: number = 3;` stands before `@data`",
        ),
        ("@univariate maybe\n", "line 1: `@univariate` is neither"),
        (
            "@dimensions 0\n",
            "line 1: `@dimensions` is no whole number",
        ),
        (
            "@univariate true\n@dimensions 3\n@data\n",
            "line 3: `@univariate true` and `@dimensions 3` contradict",
        ),
        (
            "@classLabel true a b\n@data\n1,2\n",
            "line 3: there is no label",
        ),
        (
            "@classLabel true up down\n@data\n1,2:upp\n",
            "line 3: the class `upp` is not one of `@classLabel`; did you mean `up`?",
        ),
        (
            "@targetLabel true\n@data\n1,2:high\n",
            "line 3: `high` is no number to predict",
        ),
        (
            "@classLabel true a\n@data\n1,2:a\n1:2:a\n",
            "line 4: it has 2 channels, where 1 were expected",
        ),
        (
            "@univariate true\n@data\n1:2\n",
            "line 3: it has 2 channels, where 1 were expected",
        ),
        (
            "@data\n1,zwei,3\n",
            "line 2: channel 1, reading 2: `zwei` is no number",
        ),
        (
            "@timestamps true\n@data\n1,2\n",
            "line 3: channel 1: `1,2` is no reading with a time",
        ),
        (
            "@timestamps true\n@data\n(1)\n",
            "line 3: channel 1: `(1)` has no time and value",
        ),
    ];
    for (text, wanted) in cases {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(wanted), "{text}: {error}");
        assert!(!error.hints().is_empty(), "{error}");
    }
    let binary = read(b"\x47\x40\x00\xff\xfe\xfd").unwrap_err();
    assert!(
        binary.to_string().contains("line 1: it is not text"),
        "{binary}"
    );
    assert!(matches!(
        read_series(Path::new("/nowhere.ts"), None),
        Err(SequenceError::Unreadable { .. })
    ));
}

#[test]
fn memory_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ts.gz");
    // A few kilobytes that become a hundred megabytes.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"@data\n").unwrap();
    let line = "1,".repeat(1 << 16) + "1\n";
    for _ in 0..64 {
        packed.write_all(line.as_bytes()).unwrap();
    }
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    assert!(read_series(&path, Some(1 << 30)).is_ok());
    assert!(matches!(
        read_series(&path, Some(1 << 22)),
        Err(SequenceError::TooLarge { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_ends_the_program(text in "(@[a-z]{0,12} ?(true|false|[0-9a-z ]{0,8})?\n){0,5}(@data\n)?([-0-9.,:?()a-zé \n]{0,80})") {
        let _ = read(text);
    }

    #[test]
    fn no_bytes_end_the_program(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read([b"@data\n".as_slice(), &bytes].concat());
    }

    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec(proptest::collection::vec(any::<f32>(), 1..6), 1..6)) {
        let finite = |v: &f32| if v.is_finite() { *v } else { 0.5 };
        let values: Vec<Vec<f32>> = values.iter().map(|row| row.iter().map(finite).collect()).collect();
        let mut text = String::from("@classLabel true c\n@data\n");
        for row in &values {
            let words: Vec<String> = row.iter().map(|v| v.to_string()).collect();
            text.push_str(&format!("{}:c\n", words.join(",")));
        }
        let read = read(text).unwrap();
        for (unit, row) in values.iter().enumerate() {
            prop_assert_eq!(read.series.unit(unit), row.as_slice());
        }
    }
}
