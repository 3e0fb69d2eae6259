//! Texts, from a folder, an archive or a table to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use support::{candor, parts_known_from_foreign};

/// A sentence in which one word tells whether its writer was pleased.
fn sentence(i: usize) -> (String, &'static str) {
    let common = [
        "the", "room", "was", "near", "the", "station", "and", "we", "stayed", "for", "two",
        "nights",
    ];
    let pleased = i % 2 == 1;
    let telling = if pleased {
        ["lovely", "quiet"]
    } else {
        ["dirty", "noisy"]
    };
    let mut words: Vec<String> = (0..10)
        .map(|t| common[(i * 7919 + t * 104_729 + i * t) % common.len()].to_owned())
        .collect();
    words[i % 10] = telling[i / 2 % 2].to_owned();
    (
        format!("Guest {i} wrote: {}.", words.join(" ")),
        if pleased { "good" } else { "bad" },
    )
}

fn folder(at: &Path, range: std::ops::Range<usize>) {
    for i in range {
        let (text, class) = sentence(i);
        let folder = at.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{i:03}.txt")), text).unwrap();
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_folder_of_texts_becomes_a_model_that_answers() {
    let temporary = tempfile::tempdir().unwrap();
    let at = temporary.path();
    folder(&at.join("reviews"), 0..120);
    std::fs::write(at.join("reviews/bad/empty.txt"), " \n").unwrap();
    std::fs::write(at.join("reviews/bad/copy.txt"), sentence(0).0).unwrap();

    let check = candor(at, &["check", "reviews", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    assert_eq!(json(&check.out)["source"]["modality"], "text");
    assert!(check.out.contains("duplicate-texts"), "{}", check.out);

    let fit = candor(
        at,
        &[
            "fit", "reviews", "--trials", "3", "--steps", "30", "--seed", "2", "--out", "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in ["typing mistakes", "part 2 of 4", "122 texts"] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }

    // New texts side by side, one file, and rows of a table.
    std::fs::create_dir(at.join("new")).unwrap();
    for i in 200..220 {
        std::fs::write(at.join(format!("new/{i}.txt")), sentence(i).0).unwrap();
    }
    let said = candor(at, &["predict", "r", "new", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out);
    let right = (0..20)
        .filter(|&i| answers[i]["prediction"]["class"] == sentence(200 + i).1)
        .count();
    assert!(right >= 18, "{right} of 20: {}", answers[0]);
    // Texts of another kind, in another language and in none.
    std::fs::create_dir(at.join("foreign")).unwrap();
    for i in 0..20 {
        let text = match i % 2 {
            0 => format!(
                "fn f{i}(x: &[u8]) -> usize {{ x.iter().map(|b| *b as usize + {i}).sum() }}"
            ),
            _ => format!("Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae {i}"),
        };
        std::fs::write(at.join(format!("foreign/{i}.txt")), text).unwrap();
    }
    parts_known_from_foreign(at, "r", "new", "foreign");

    let one = json(&candor(at, &["predict", "r", "new/200.txt", "--format", "json"]).out);
    assert_eq!(one[0]["prediction"], answers[0]["prediction"]);
    std::fs::write(
        at.join("new.csv"),
        format!("text,n\n\"{}\",1\n,2\n", sentence(200).0),
    )
    .unwrap();
    let rows = json(&candor(at, &["predict", "r", "new.csv", "--format", "json"]).out);
    assert_eq!(rows[0]["prediction"], answers[0]["prediction"]);
    assert_eq!(rows[1]["abstained"], "unreadable");
}

#[test]
fn a_table_whose_rows_are_texts_is_told_by_itself() {
    let temporary = tempfile::tempdir().unwrap();
    let at = temporary.path();
    let mut csv = String::from("review,verdict\n");
    for i in 0..120 {
        let (text, class) = sentence(i);
        let _ = writeln!(csv, "\"{text}\",{class}");
    }
    std::fs::write(at.join("reviews.csv"), csv).unwrap();
    let check = candor(at, &["check", "reviews.csv", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "text");
    assert_eq!(
        checked["source"]["decision"]["target"]["names"][0],
        "verdict"
    );
    let table = candor(
        at,
        &[
            "check",
            "reviews.csv",
            "--ignore",
            "review",
            "--target",
            "verdict",
            "--json",
        ],
    );
    assert_eq!(
        json(&table.out)["source"]["modality"],
        "table",
        "{}",
        table.err
    );
}

#[test]
fn folders_and_archives_without_texts_end_with_status_2() {
    let temporary = tempfile::tempdir().unwrap();
    let at = temporary.path();
    std::fs::create_dir_all(at.join("empty/a")).unwrap();
    std::fs::write(at.join("broken.tar.gz"), [0x1f, 0x8b, 8, 0, 1, 2]).unwrap();
    std::fs::create_dir_all(at.join("one/only")).unwrap();
    std::fs::write(at.join("one/only/a.txt"), "a text").unwrap();
    for source in ["empty", "broken.tar.gz", "one"] {
        let said = candor(at, &["fit", source]);
        assert_eq!(said.status, 2, "{source}: {}", said.err);
    }
}
