//! Series that are files in folders: recordings and tables, whole and broken.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use candor_data::ReadOptions;
use candor_sequence::{
    CLASS, FILE, ReadRecordings, RecordingForm, RecordingSource, SequenceError, read_recordings,
};

/// A recording of linear samples of 16 bits.
fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels) * 2).to_le_bytes());
    bytes.extend((channels * 2).to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((2 * samples.len() as u32).to_le_bytes());
    samples
        .iter()
        .for_each(|sample| bytes.extend(sample.to_le_bytes()));
    bytes
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn read(folder: &Path) -> Result<ReadRecordings, SequenceError> {
    let source = RecordingSource::detect(folder).unwrap();
    read_recordings(&source, &ReadOptions::default(), None, None)
}

fn kinds(read: &ReadRecordings) -> Vec<&str> {
    read.findings.iter().map(|f| f.kind.as_str()).collect()
}

#[test]
fn recordings_in_folders_are_series_with_classes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "dog/1.wav", wav(8_000, 1, &[0, 16_384, -16_384]));
    write(at, "dog/2.WAV", wav(8_000, 1, &[8_192; 5]));
    write(at, "cat/1.wav", wav(8_000, 1, &[0; 4]));
    write(at, "readme.txt", "recordings of animals");
    let found = read(at).unwrap();
    assert_eq!((found.series.len(), found.series.channels()), (3, 1));
    assert_eq!(found.series.unit(1), [0.0, 0.5, -0.5]);
    let text = |column: &str, row: usize| found.table.column(column).unwrap().values.text(row);
    assert_eq!(text(FILE, 1).as_deref(), Some("dog/1.wav"));
    assert_eq!(
        (text(CLASS, 0), text(CLASS, 2)),
        (Some("cat".into()), Some("dog".into()))
    );
    assert_eq!(found.form.rate, Some(8_000));
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    assert_eq!(found.facts.default_target.as_deref(), Some(CLASS));

    // With parts.
    for (from, to) in [
        ("dog/1.wav", "train/dog/1.wav"),
        ("dog/2.WAV", "train/dog/2.wav"),
        ("cat/1.wav", "test/cat/1.wav"),
    ] {
        write(at, to, std::fs::read(at.join(from)).unwrap());
    }
    std::fs::remove_dir_all(at.join("dog")).unwrap();
    std::fs::remove_dir_all(at.join("cat")).unwrap();
    assert_eq!(read(at).unwrap().test_rows, 1);
}

#[test]
fn other_rates_channels_and_broken_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for i in 0..4 {
        write(at, &format!("a/{i}.wav"), wav(8_000, 1, &[1_000; 80]));
    }
    write(at, "b/rate.wav", wav(16_000, 1, &[1_000; 160]));
    write(at, "b/stereo.wav", wav(8_000, 2, &[2_000, 0].repeat(80)));
    write(at, "b/empty.wav", "");
    write(at, "b/none.wav", wav(8_000, 1, &[]));
    let whole = wav(8_000, 1, &[1_000; 80]);
    write(at, "b/cut.wav", &whole[..whole.len() - 60]);
    write(at, "b/text.wav", "this is no recording");
    let found = read(at).unwrap();
    assert_eq!(
        kinds(&found),
        [
            "unreadable-series",
            "truncated-recordings",
            "sample-rates",
            "channels-differ"
        ]
    );
    assert!(
        found.findings[0].message.starts_with("3 of 10 files"),
        "{}",
        found.findings[0].message
    );
    assert!(
        found.findings[2].message.contains("`b/rate.wav`"),
        "{}",
        found.findings[2].message
    );
    assert_eq!(found.form.rate, Some(8_000));
    let row = |name: &str| {
        let files = &found.table.column(FILE).unwrap().values;
        (0..10)
            .find(|&row| files.text(row).as_deref() == Some(name))
            .unwrap()
    };
    for (name, length) in [
        ("b/rate.wav", 80),
        ("b/stereo.wav", 80),
        ("b/cut.wav", 50),
        ("b/empty.wav", 0),
    ] {
        assert_eq!(found.series.length(row(name)), length, "{name}");
    }
    let level = 1_000.0 / 32_768.0;
    for name in ["b/rate.wav", "b/stereo.wav"] {
        let all = found.series.unit(row(name)).iter();
        assert!(all.clone().all(|v| (v - level).abs() < 1e-4), "{name}");
    }
    let whys: Vec<&str> = found
        .unreadable
        .iter()
        .map(|(_, why)| why.as_str())
        .collect();
    assert!(
        whys[0].contains("it is empty") && whys[1].contains("no samples"),
        "{whys:?}"
    );

    // For a model of one channel and this rate, one file alone.
    let form = found.form.clone();
    let one = RecordingSource::detect_plain(&at.join("b/stereo.wav"), &form).unwrap();
    let one = read_recordings(&one, &ReadOptions::default(), None, Some(&form)).unwrap();
    assert_eq!((one.series.len(), one.series.length(0)), (1, 80));
    let two = RecordingForm {
        channels: 2,
        ..form
    };
    let mono = RecordingSource::detect_plain(&at.join("a/0.wav"), &two).unwrap();
    let mono = read_recordings(&mono, &ReadOptions::default(), None, Some(&two)).unwrap();
    assert!(
        mono.unreadable[0].1.contains("1 channels, where 2"),
        "{:?}",
        mono.unreadable
    );
}

#[test]
fn tables_in_folders_are_series_of_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "walk/1.csv", "time,x,y\n0,1,5\n0.1,2,\n0.2,3,7\n");
    write(at, "walk/2.csv", "y,x\n1,2\n3,4\n");
    write(
        at,
        "run/1.csv",
        "time,x,y\n0,1,1\n0.3,2,2\n0.2,3,3\n0.2,4,4\n",
    );
    write(at, "run/2.csv", "time,x\n0,1\n");
    write(at, "run/3.csv", "time,x,y\n0,1,left\n");
    let found = read(at).unwrap();
    assert_eq!(found.form.names, ["x", "y"]);
    assert_eq!(kinds(&found), ["unreadable-series", "times-of-readings"]);
    assert_eq!(found.series.unit(4), [2.0, 4.0, 1.0, 3.0]);
    let first = found.series.unit(3);
    assert!(first[..4] == [1.0, 2.0, 3.0, 5.0] && first[4].is_nan());
    assert_eq!(found.unreadable.len(), 2);
    assert!(
        found.unreadable[0].1.contains("no column `y`"),
        "{:?}",
        found.unreadable
    );
    assert!(
        found.unreadable[1].1.contains("`y` holds no numbers"),
        "{:?}",
        found.unreadable
    );
}

#[test]
fn folders_of_something_else_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "values.csv", "a\n1\n");
    write(at, "more.csv", "a\n1\n");
    assert_eq!(RecordingSource::detect(at), None);
    write(at, "cat/1.png", "");
    write(at, "cat/2.png", "");
    write(at, "cat/meow.wav", "");
    assert_eq!(RecordingSource::detect(at), None);
    let broken = tempfile::tempdir().unwrap();
    write(broken.path(), "a/1.wav", "");
    write(broken.path(), "b/1.wav", "RIFF");
    let error = read(broken.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("none of its 2 files can be read"),
        "{error}"
    );
}
