//! Series, from a file to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use support::{candor, command, parts_known_from_foreign, result_of};

const HEADER: &str = "@problemName pulses\n@univariate true\n@equalLength false\n@classLabel true early late\n@data\n";

/// A noisy pulse that comes early or late.
fn pulse(i: usize) -> (String, &'static str) {
    let late = i % 2 == 1;
    let length = 30 + i % 4;
    let start = if late { 18 } else { 4 };
    let reading = |t: usize| {
        let noise = ((i * 7919 + t * 104_729) % 97) as f64 / 300.0;
        noise
            + if (start..start + 6).contains(&t) {
                1.0
            } else {
                0.0
            }
    };
    let readings: Vec<String> = (0..length).map(|t| format!("{:.4}", reading(t))).collect();
    (readings.join(","), if late { "late" } else { "early" })
}

fn file(range: std::ops::Range<usize>, further: &str) -> String {
    let mut text = HEADER.to_owned();
    for i in range {
        let (readings, class) = pulse(i);
        let _ = writeln!(text, "{readings}:{class}");
    }
    text + further
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What the service says of a body of JSON.
fn served(at: &Path, body: &str) -> Value {
    let mut child = command(at, &["serve", "r", "--address", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap();
    let mut stream = TcpStream::connect(address.split(';').next().unwrap()).unwrap();
    let request = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    json(said.split("\r\n\r\n").nth(1).unwrap())
}

#[test]
fn a_file_of_series_becomes_a_model_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // A series without a reading, and a copy, beside sound ones with gaps.
    let (first, _) = pulse(0);
    let further = format!("?,?,?:early\n{first}:early\n?,{first}:early\n");
    std::fs::write(at.join("p_TRAIN.ts"), file(0..30, &further)).unwrap();
    std::fs::write(at.join("p_TEST.ts"), file(60..76, "")).unwrap();

    let check = candor(at, &["check", "p_TRAIN.ts", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "sequence");
    assert_eq!(checked["source"]["decision"]["target"]["names"][0], "class");
    for kind in ["duplicate-series", "missing-readings", "series-lengths"] {
        assert!(check.out.contains(kind), "{kind}: {}", check.out);
    }

    let fit = |out: &str, jobs: &str| {
        let options = [
            "--test",
            "p_TEST.ts",
            "--trials",
            "3",
            "--steps",
            "30",
            "--seed",
            "2",
        ];
        let mut arguments = vec!["fit", "p_TRAIN.ts", "--jobs", jobs, "--out", out];
        arguments.extend(options);
        candor(at, &arguments)
    };
    let fitted = fit("r", "1");
    assert!(fitted.status <= 1, "{}", fitted.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in ["uneven time", "shift in time", "stretch 3 of 8", "series"] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    assert!(fit("two", "2").status <= 1);
    assert_eq!(result_of(&at.join("r")), result_of(&at.join("two")));

    let answers = |text: &str| {
        std::fs::write(at.join("new.ts"), text).unwrap();
        let said = candor(at, &["predict", "r", "new.ts", "--format", "json"]);
        assert_eq!(said.status, 0, "{}", said.err);
        json(&said.out)
    };
    let said = answers(&file(60..76, ""));
    let right = (0..16)
        .filter(|&i| said[i]["prediction"]["class"] == pulse(60 + i).1)
        .count();
    assert!(right >= 14, "{right} of 16: {}", said[0]);
    // Without labels, and with a series that has no reading.
    let plain = format!("@classLabel false\n@data\n{}\n?,?\n", pulse(61).0);
    let plain = answers(&plain);
    assert_eq!(plain[0]["prediction"], said[1]["prediction"]);
    assert_eq!(plain[1]["abstained"], "unreadable");

    // Waves, and pulses upside down: no series of this kind.
    let mut foreign = "@classLabel false\n@data\n".to_owned();
    for i in 0..20 {
        let reading = |t: usize| match i % 2 {
            0 => (t as f64 * (0.8 + 0.02 * i as f64)).sin(),
            _ => -2.0 * f64::from(u8::from((10..16).contains(&t))),
        };
        let readings: Vec<String> = (0..32).map(|t| format!("{:.4}", reading(t))).collect();
        let _ = writeln!(foreign, "{}", readings.join(","));
    }
    std::fs::write(at.join("foreign.ts"), foreign).unwrap();
    std::fs::write(at.join("known.ts"), file(80..110, "")).unwrap();
    parts_known_from_foreign(at, "r", "known.ts", "foreign.ts");

    // A table of two series.
    let table = format!("id,series\na,\"{}\"\nb,\"?\"\n", pulse(61).0);
    std::fs::write(at.join("new.csv"), table).unwrap();
    let rows = json(&candor(at, &["predict", "r", "new.csv", "--format", "json"]).out);
    assert_eq!(rows[0]["prediction"], said[1]["prediction"]);
    assert_eq!(rows[1]["abstained"], "unreadable");

    let body = format!(
        r#"{{"rows": [{{"series": "{}"}}, {{"series": [{}]}}, {{"series": "one, two"}}]}}"#,
        pulse(61).0,
        pulse(61).0
    );
    let served = served(at, &body);
    for row in [0, 1] {
        let answer = &served["answers"][row]["prediction"];
        assert_eq!(answer["class"], "late", "{served}");
    }
    assert_eq!(served["answers"][2]["abstained"], "unreadable", "{served}");
}

#[test]
fn tables_of_series_become_models_that_answer() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let long = |range: std::ops::Range<usize>, named: bool| {
        let mut text = "machine,second,load,kind\n".to_owned();
        for i in range {
            let (readings, class) = pulse(i);
            for (t, reading) in readings.split(',').enumerate() {
                let _ = writeln!(
                    text,
                    "m{i},{t},{reading},{}",
                    if named { class } else { "" }
                );
            }
        }
        text
    };
    let wide = |range: std::ops::Range<usize>| {
        let columns: Vec<String> = (0..33).map(|t| format!("t{t}")).collect();
        let mut text = format!("{},kind\n", columns.join(","));
        for i in range {
            let (readings, class) = pulse(i);
            let mut cells: Vec<&str> = readings.split(',').collect();
            cells.resize(33, "");
            let _ = writeln!(text, "{},{class}", cells.join(","));
        }
        text
    };
    let fit = |source: &str, form: &[&str], out: &str| {
        let options = [
            "--target", "kind", "--trials", "3", "--steps", "30", "--seed", "2", "--out", out,
        ];
        candor(at, &[&["fit", source], form, &options].concat())
    };
    std::fs::write(at.join("long.csv"), long(0..60, true)).unwrap();
    std::fs::write(at.join("wide.csv"), wide(0..60)).unwrap();
    std::fs::write(at.join("new_long.csv"), long(60..76, false)).unwrap();
    std::fs::write(at.join("new_wide.csv"), wide(60..76)).unwrap();
    let run = fit(
        "long.csv",
        &["--series", "machine", "--time-column", "second"],
        "long",
    );
    assert!(run.status <= 1, "{}", run.err);
    let run = fit("wide.csv", &["--series-in-rows"], "wide");
    assert!(run.status <= 1, "{}", run.err);
    // The same series, whichever way they are written, make the same model.
    let chosen = |run: &str| {
        let text = std::fs::read(at.join(run).join("5-trained/result.json")).unwrap();
        let trained: Value = serde_json::from_slice(&text).unwrap();
        trained["score"].clone()
    };
    assert_eq!(chosen("long"), chosen("wide"));
    let (of_long, of_wide) = (
        support::answers(at, "long", "new_long.csv"),
        support::answers(at, "wide", "new_wide.csv"),
    );
    assert_eq!((of_long.len(), of_wide.len()), (16, 16));
    for (i, (long, wide)) in of_long.iter().zip(&of_wide).enumerate() {
        assert_eq!(long["prediction"], wide["prediction"], "{i}");
    }
    let right = (0..16).filter(|&i| of_long[i]["prediction"]["class"] == pulse(60 + i).1);
    assert!(right.count() >= 14, "{of_long:?}");
    assert_eq!(of_long[3]["unit"], "m63", "{}", of_long[3]);

    let refused = |form: &[&str], expected: &str| {
        let said = fit("long.csv", form, "refused");
        assert_eq!(said.status, 2, "{form:?}: {}", said.out);
        assert!(said.err.contains(expected), "{form:?}: {}", said.err);
    };
    refused(&["--series", "machin"], "did you mean `machine`?");
    refused(
        &["--series", "kind", "--ignore", "machine"],
        "tells the series",
    );
    refused(&["--series", "machine", "--series-in-rows"], "not both");
    let unsaid = candor(
        at,
        &["fit", "long.csv", "--series", "machine", "--out", "refused"],
    );
    assert!(
        unsaid.err.contains("which column is predicted"),
        "{}",
        unsaid.err
    );
}

#[test]
fn files_that_are_no_series_end_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("good.ts"), file(0..20, "")).unwrap();
    let two = "@classLabel true early late\n@data\n1,2:3,4:early\n2,3:4,5:late\n";
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("empty.ts", Vec::new(), "there is no line `@data`"),
        (
            "program.ts",
            b"export const x = 1;\n".to_vec(),
            "stands before `@data`",
        ),
        (
            "film.ts",
            vec![0x47, 0x40, 0xff, 0x0a, 0xfe],
            "it is not text",
        ),
        (
            "cut.ts",
            file(0..20, "1,2,3\n").into_bytes(),
            "there is no label",
        ),
        (
            "word.ts",
            file(0..20, "1,b,3:early\n").into_bytes(),
            "`b` is no number",
        ),
        (
            "class.ts",
            file(0..20, "1,2,3:erly\n").into_bytes(),
            "did you mean `early`?",
        ),
        (
            "nothing.ts",
            b"@classLabel false\n@data\n1,2\n2,3\n".to_vec(),
            "nothing says what is to be predicted",
        ),
        ("packed.ts.gz", vec![0x1f, 0x8b, 8, 0, 1, 2], "cannot read"),
    ];
    for (name, bytes, wanted) in cases {
        std::fs::write(at.join(name), bytes).unwrap();
        for verb in ["check", "fit"] {
            let said = candor(at, &[verb, name]);
            assert_eq!(said.status, 2, "{name}: {}", said.err);
            assert!(said.err.contains(wanted), "{name}: {}", said.err);
        }
    }
    std::fs::write(at.join("two.ts"), two).unwrap();
    let channels = candor(at, &["fit", "good.ts", "--test", "two.ts"]);
    assert_eq!(channels.status, 2, "{}", channels.err);
    assert!(channels.err.contains("2 channels"), "{}", channels.err);
    let gone = candor(at, &["fit", "gone.ts"]);
    assert_eq!(gone.status, 2);
    assert!(gone.err.contains("does not exist"), "{}", gone.err);
}

/// A recording of linear samples of 8 bits.
fn wav(rate: u32, samples: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    bytes.extend(rate.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend([1, 0, 8, 0]);
    bytes.extend(b"data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes
}

/// A tone of so many samples a wave.
fn tone(i: usize, wave: f64) -> Vec<u8> {
    let sample = |t: usize| {
        let noise = ((i * 7919 + t * 104_729) % 97) as f64 / 97.0 - 0.5;
        (128.0 + 80.0 * ((t + 3 * i) as f64 / wave * std::f64::consts::TAU).sin() + 30.0 * noise)
            as u8
    };
    (0..64 + i % 5).map(sample).collect()
}

#[test]
fn a_folder_of_recordings_becomes_a_model_that_hears() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (class, wave) in [("low", 24.0), ("high", 9.0)] {
        std::fs::create_dir_all(at.join("tones").join(class)).unwrap();
        for i in 0..16 {
            let path = at.join("tones").join(class).join(format!("{i}.wav"));
            std::fs::write(path, wav(8_000, &tone(i, wave))).unwrap();
        }
    }
    std::fs::write(at.join("tones/low/broken.wav"), "RIFF").unwrap();
    let check = candor(at, &["check", "tones", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    assert_eq!(json(&check.out)["source"]["modality"], "sequence");
    assert!(check.out.contains("unreadable-series"), "{}", check.out);
    let run = candor(
        at,
        &[
            "fit", "tones", "--trials", "3", "--steps", "20", "--seed", "1", "--out", "r",
        ],
    );
    assert!(run.status <= 1, "{}", run.err);
    std::fs::create_dir(at.join("new")).unwrap();
    std::fs::write(at.join("new/a.wav"), wav(8_000, &tone(91, 9.0))).unwrap();
    // At twice the rate it is the same tone.
    std::fs::write(at.join("new/b.wav"), wav(16_000, &tone(91, 48.0))).unwrap();
    std::fs::write(at.join("new/c.wav"), "").unwrap();
    let said = candor(at, &["predict", "r", "new", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let said = json(&said.out);
    assert_eq!(said[0]["prediction"]["class"], "high", "{said}");
    assert_eq!(said[1]["prediction"]["class"], "low", "{said}");
    assert!(
        said[2]["reason"].as_str().unwrap().contains("it is empty"),
        "{said}"
    );

    let refused = |expected: &str| {
        let said = candor(at, &["check", "tones"]);
        assert_eq!(said.status, 2, "{}", said.out);
        assert!(said.err.contains(expected), "{}", said.err);
    };
    std::fs::remove_dir_all(at.join("tones/high")).unwrap();
    refused("all its series are of one class, `low`");
    for i in 0..16 {
        let name = format!("{i}.wav");
        std::fs::rename(
            at.join("tones/low").join(&name),
            at.join("tones").join(&name),
        )
        .unwrap();
    }
    std::fs::remove_dir_all(at.join("tones/low")).unwrap();
    refused("nothing says which classes its series belong to");
}
