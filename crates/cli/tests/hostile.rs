//! Inputs that no sane person writes, and that arrive every day. Each ends in a sound run, or with status 2 and a message
//! that says what, where and what to do. The messages are kept in a snapshot.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use support::candor;

/// A source, by name.
enum Input {
    Bytes(Vec<u8>),
    /// Nothing is written.
    None,
}

fn text(text: impl Into<String>) -> Input {
    Input::Bytes(text.into().into_bytes())
}

/// A table of two numbers and a class that depends on them.
fn table(rows: usize) -> String {
    let mut text = String::from("a,b,y\n");
    for i in 0..rows {
        let (a, b) = ((i * 7919 % 101) as f64 / 10.0, (i * 104_729 % 97) as f64);
        let class = if a * 10.0 + b > 90.0 { "up" } else { "down" };
        let _ = writeln!(text, "{a},{b},{class}");
    }
    text
}

/// The table with one thing changed in each line after the header.
fn changed(rows: usize, change: impl Fn(usize, &str) -> String) -> String {
    let table = table(rows);
    let mut lines = table.lines();
    let mut text = format!("{}\n", lines.next().unwrap());
    for (i, line) in lines.enumerate() {
        let _ = writeln!(text, "{}", change(i, line));
    }
    text
}

fn wide(rows: usize, columns: usize) -> String {
    let mut text: String = (0..columns).map(|c| format!("c{c},")).collect();
    text.push_str("y\n");
    for r in 0..rows {
        for c in 0..columns {
            let _ = write!(text, "{},", (r * 31 + c * 17 + r * c) % 1009);
        }
        let _ = writeln!(text, "{}", ["no", "yes"][r % 2]);
    }
    text
}

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xFF, 0xFE].into_iter().chain(units).collect()
}

/// Name, source, further arguments of `candor fit`.
fn inputs() -> Vec<(&'static str, Input, Vec<&'static str>)> {
    let plain = || text(table(80));
    let all_rows = |cell: &str| {
        changed(60, |_, line| {
            format!("{cell},{}", line.split_once(',').unwrap().1)
        })
    };
    let target = |class: &dyn Fn(usize) -> String| {
        changed(60, |i, line| {
            format!("{},{}", line.rsplit_once(',').unwrap().0, class(i))
        })
    };
    vec![
        ("empty file", text(""), vec![]),
        ("blank lines only", text("\n\n  \n"), vec![]),
        ("header only", text("a,b,y\n"), vec![]),
        ("one row", text("a,b,y\n1,2,up\n"), vec![]),
        ("two rows", text("a,b,y\n1,2,up\n2,1,down\n"), vec![]),
        ("one class", text(target(&|_| "up".into())), vec![]),
        (
            "constant numeric target",
            text(target(&|_| "4.5".into())),
            vec!["--task", "regression"],
        ),
        (
            "all targets missing",
            text(target(&|_| String::new())),
            vec!["--target", "y"],
        ),
        ("a column without a value", text(all_rows("")), vec![]),
        (
            "nothing but missing cells",
            text("a,b,y\n".to_owned() + &",,\n".repeat(50)),
            vec![],
        ),
        ("10,000 columns, 100 rows", text(wide(100, 10_000)), vec![]),
        ("one ragged row", text(table(80) + "1,2\n"), vec![]),
        (
            "half of the rows ragged",
            text(changed(60, |i, line| {
                if i % 2 == 0 {
                    line.into()
                } else {
                    format!("{line},9,9")
                }
            })),
            vec![],
        ),
        (
            "Latin-1",
            Input::Bytes(
                table(80)
                    .replace("up", "\u{fc}p")
                    .chars()
                    .map(|c| c as u8)
                    .collect(),
            ),
            vec![],
        ),
        ("UTF-16 with mark", Input::Bytes(utf16(&table(80))), vec![]),
        (
            "bytes that are no UTF-8",
            Input::Bytes([table(80).into_bytes(), b"1,2,\xC3\x28\n".to_vec()].concat()),
            vec![],
        ),
        (
            "duplicate headers",
            text(table(80).replacen("a,b,y", "a,a,y", 1)),
            vec![],
        ),
        (
            "headers in other scripts",
            text(table(80).replacen("a,b,y", "höhe,温度,класс", 1)),
            vec![],
        ),
        (
            "empty headers",
            text(table(80).replacen("a,b,y", ",,", 1)),
            vec![],
        ),
        (
            "no header",
            text(table(80).replacen("a,b,y\n", "", 1)),
            vec![],
        ),
        (
            "headers with markup",
            text(table(80).replacen("a,b,y", "<script>alert(1)</script>,b,y", 1)),
            vec![],
        ),
        (
            "infinities",
            text(changed(60, |i, line| {
                if i % 9 == 0 {
                    format!("inf,{}", line.split_once(',').unwrap().1)
                } else {
                    line.into()
                }
            })),
            vec![],
        ),
        (
            "numbers beyond f64",
            text(changed(60, |i, line| {
                if i % 9 == 0 {
                    format!("1e999,{}", line.split_once(',').unwrap().1)
                } else {
                    line.into()
                }
            })),
            vec![],
        ),
        (
            "very large numbers",
            text(changed(60, |i, line| {
                format!("{}e300,{}", i + 1, line.split_once(',').unwrap().1)
            })),
            vec![],
        ),
        (
            "decimal commas",
            text(table(80).replace(',', ";").replace('.', ",")),
            vec![],
        ),
        (
            "numbers with units",
            text(changed(60, |_, line| line.replacen(',', " kg,", 1))),
            vec![],
        ),
        ("target that is not there", plain(), vec!["--target", "z"]),
        ("target named twice", plain(), vec!["--target", "y,y"]),
        (
            "a class of one row",
            text(target(&|i| {
                if i == 7 {
                    "rare".into()
                } else if i % 2 == 0 {
                    "up".into()
                } else {
                    "down".into()
                }
            })),
            vec![],
        ),
        (
            "every row a class of its own",
            text(target(&|i| format!("name {i}"))),
            vec!["--target", "y"],
        ),
        (
            "zero bytes inside",
            Input::Bytes(
                table(80)
                    .into_bytes()
                    .iter()
                    .enumerate()
                    .map(|(i, b)| if i == 300 { 0 } else { *b })
                    .collect(),
            ),
            vec![],
        ),
        (
            "random bytes",
            Input::Bytes(
                (0..5000u32)
                    .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
                    .collect(),
            ),
            vec![],
        ),
        (
            "a picture",
            Input::Bytes([b"\x89PNG\r\n\x1a\n".to_vec(), vec![7; 500]].concat()),
            vec![],
        ),
        (
            "a quote that does not end",
            text(table(80) + "1,\"2,up\n3,4,down\n"),
            vec![],
        ),
        (
            "a cell of a megabyte",
            text(table(80) + &format!("{},2,up\n", "x".repeat(1 << 20))),
            vec![],
        ),
        (
            "one column",
            text("y\n".to_owned() + &"up\ndown\n".repeat(40)),
            vec![],
        ),
        (
            "identifiers only",
            text(
                "id,y\n".to_owned()
                    + &(0..80)
                        .map(|i| format!("row-{i:05},{}\n", ["a", "b"][i % 2]))
                        .collect::<String>(),
            ),
            vec![],
        ),
        (
            "old Macintosh line ends",
            text(table(80).replace('\n', "\r")),
            vec![],
        ),
        (
            "impossible dates",
            text(
                "when,a,y\n".to_owned()
                    + &(0..80)
                        .map(|i| {
                            format!(
                                "2023-02-{:02},{},{}\n",
                                i % 40,
                                i % 13,
                                ["a", "b"][i % 13 / 7]
                            )
                        })
                        .collect::<String>(),
            ),
            vec![],
        ),
        (
            "truncated gzip",
            Input::Bytes(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]),
            vec![],
        ),
        (
            "truncated Parquet",
            Input::Bytes(b"PAR1\x00\x01\x02PAR1".to_vec()),
            vec![],
        ),
        (
            "truncated Arrow",
            Input::Bytes(b"ARROW1\x00\x00\xff\xff".to_vec()),
            vec![],
        ),
        ("file that is not there", Input::None, vec![]),
        ("metric of another task", plain(), vec!["--metric", "rmse"]),
        ("coverage beyond one", plain(), vec!["--coverage", "1.5"]),
        ("no jobs", plain(), vec!["--jobs", "0"]),
        ("unknown setting", plain(), vec!["--set", "ensembel=3"]),
        (
            "group column that is not there",
            plain(),
            vec!["--group", "patient"],
        ),
        (
            "tests file that lacks a column",
            plain(),
            vec!["--test", "other.csv"],
        ),
    ]
}

#[test]
fn messages_say_what_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("other.csv"), "a,y\n1,up\n2,down\n").unwrap();
    let mut said = String::new();
    for (i, (name, input, arguments)) in inputs().into_iter().enumerate() {
        if let Input::Bytes(bytes) = input {
            std::fs::write(at.join("rows.csv"), bytes).unwrap();
        } else {
            std::fs::remove_file(at.join("rows.csv")).unwrap();
        }
        let out = format!("run-{i}");
        let fixed = ["fit", "rows.csv", "--trials", "2", "--quiet", "--out", &out];
        let answer = candor(at, &[&fixed[..], &arguments].concat());
        record(&mut said, name, &answer, at);
        if answer.status == 2 {
            assert!(
                !at.join(&out).join("7-deployed/done.json").exists(),
                "{name}"
            );
        } else {
            assert!(at.join(&out).join("report.html").is_file(), "{name}");
            let report = std::fs::read_to_string(at.join(&out).join("report.html")).unwrap();
            assert!(!report.contains("<script>"), "{name}");
        }
    }
    insta::assert_snapshot!("inputs", said);
}

#[test]
fn damaged_bundles_and_rows_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("rows.csv"), table(120)).unwrap();
    let fit = [
        "fit", "rows.csv", "--trials", "3", "--quiet", "--out", "run",
    ];
    let done = candor(at, &fit);
    assert!(done.status <= 1, "{}", done.err);
    let bundle = at.join("run/7-deployed/bundle");
    let mut said = String::new();
    let mut damaged = |name: &str, file: &str, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let path = bundle.join(file);
        let before = std::fs::read(&path).unwrap();
        match change(before.clone()) {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let answer = candor(at, &["predict", "run", "rows.csv"]);
        assert_eq!(answer.status, 2, "{name}: {}", answer.err);
        record(&mut said, name, &answer, at);
        std::fs::write(&path, before).unwrap();
    };
    // Always at the same place, wherever the middle is.
    damaged("manifest cut short", "bundle.json", &|b| {
        Some(b[..10].to_vec())
    });
    damaged("manifest missing", "bundle.json", &|_| None);
    damaged("manifest empty", "bundle.json", &|_| Some(Vec::new()));
    let weights = format!("members/{}", weights_of(&bundle.join("members")));
    damaged("weights cut in half", &weights, &|b| {
        Some(b[..b.len() / 2].to_vec())
    });
    damaged("one bit of the weights changed", &weights, &|mut b| {
        let last = b.len() - 1;
        b[last] ^= 1;
        Some(b)
    });
    damaged("weights missing", &weights, &|_| None);
    damaged("format of the future", "bundle.json", &|b| {
        let text = String::from_utf8(b).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["format"] = 999.into();
        Some(serde_json::to_vec(&value).unwrap())
    });
    damaged("a witness that is not there", "bundle.json", &|b| {
        let text = String::from_utf8(b).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["members"][0]["witnesses"] = serde_json::json!([999]);
        Some(serde_json::to_vec(&value).unwrap())
    });
    assert_eq!(candor(at, &["predict", "run", "rows.csv"]).status, 0);

    let mut rows = |name: &str, text: &str, expected: i32| {
        std::fs::write(at.join("new.csv"), text).unwrap();
        let answer = candor(at, &["predict", "run", "new.csv"]);
        assert_eq!(answer.status, expected, "{name}: {}", answer.err);
        record(&mut said, name, &answer, at);
        answer.out.lines().count()
    };
    rows("rows without a column", "a\n1\n2\n", 2);
    rows("no rows at all", "", 2);
    assert_eq!(
        rows(
            "columns in another order, and one more",
            "z,b,a\n0,40,5\n",
            0
        ),
        2
    );
    assert_eq!(rows("a row without any value", "a,b\n,\n1,2\n", 0), 3);
    assert_eq!(
        rows("text where numbers were", "a,b\nmany,2\n1,few\n", 0),
        3
    );
    assert_eq!(
        rows("numbers far outside", "a,b\n1e30,-1e30\ninf,2\n", 0),
        3
    );
    for (name, arguments) in [
        ("no bundle", &["predict", ".", "rows.csv"][..]),
        ("no run", &["leaderboard", "."]),
        ("nothing to resume", &["resume", "nowhere"]),
        ("built-in set with a slip", &["check", "@irsi"]),
        ("a folder as source", &["check", "run"]),
        (
            "out is not empty",
            &["fit", "rows.csv", "--trials", "1", "--out", "."],
        ),
    ] {
        let answer = candor(at, arguments);
        assert_eq!(answer.status, 2, "{name}: {}", answer.err);
        record(&mut said, name, &answer, at);
    }
    insta::assert_snapshot!("bundles", said);
}

/// The first file of weights.
fn weights_of(members: &Path) -> String {
    let names = std::fs::read_dir(members).unwrap().map(|entry| {
        let entry = entry.unwrap();
        entry.file_name().to_string_lossy().into_owned()
    });
    let weights = names.filter(|n| n.ends_with(".safetensors") || n.ends_with(".trees"));
    weights.min().unwrap()
}

fn record(to: &mut String, name: &str, answer: &support::Said, folder: &Path) {
    let folder = folder.display().to_string();
    let message = answer.err.replace(&folder, "FOLDER");
    let message = message.trim();
    if answer.status == 2 {
        assert!(message.starts_with("error: "), "{name}: {message}");
        assert!(
            message.lines().count() >= 2,
            "{name} says not what to do: {message}"
        );
        let _ = writeln!(to, "## {name}: 2\n{message}\n");
    } else {
        let _ = writeln!(to, "## {name}: sound\n");
    }
}
