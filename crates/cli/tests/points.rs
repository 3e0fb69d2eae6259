//! Points of shapes, from a folder to an answer for each.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use support::{candor, result_of};

/// Numbers that look drawn, the same each time (the mixing steps of SplitMix64).
struct Drawn(u64);

impl Drawn {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// A sphere on a rod on a disk, of random measures, as points with the names of their parts.
fn sign(drawn: &mut Drawn) -> Vec<([f32; 3], &'static str)> {
    let tau = std::f32::consts::TAU;
    let (ball, high, foot) = (
        0.3 + 0.2 * drawn.next(),
        1.0 + drawn.next(),
        0.4 + 0.3 * drawn.next(),
    );
    (0..150)
        .map(|n| {
            let (u, t) = (tau * drawn.next(), drawn.next());
            match n % 3 {
                0 => {
                    let z = 2.0 * t - 1.0;
                    let r = ball * (1.0 - z * z).sqrt();
                    ([r * u.cos(), r * u.sin(), high + ball * z], "ball")
                }
                1 => ([0.05 * u.cos(), 0.05 * u.sin(), high * t], "rod"),
                _ => {
                    let r = foot * t.sqrt();
                    ([r * u.cos(), r * u.sin(), 0.0], "foot")
                }
            }
        })
        .collect()
}

fn write(path: &Path, points: &[([f32; 3], &str)], labelled: bool) {
    let mut text = String::from(if labelled { "x,y,z,label\n" } else { "x,y,z\n" });
    for ([x, y, z], part) in points {
        let _ = match labelled {
            true => writeln!(text, "{x},{y},{z},{part}"),
            false => writeln!(text, "{x},{y},{z}"),
        };
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_folder_of_labelled_shapes_becomes_a_model_that_answers_for_each_point() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut drawn = Drawn(3);
    for n in 0..40 {
        write(&at.join(format!("signs/{n}.csv")), &sign(&mut drawn), true);
    }
    let checked = json(&candor(at, &["check", "signs", "--json"]).out);
    assert_eq!(checked["source"]["modality"], "cloud_points");
    let fit = candor(
        at,
        &[
            "fit", "signs", "--trials", "4", "--seed", "2", "--set", "steps=60", "--out", "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "6000 points",
        "mean_iou",
        "By label, the intersection over union",
        "one side not seen",
        "from three sides",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    let judged = &result_of(&at.join("r"))[2];
    let scores = judged["scores"].as_array().unwrap();
    let iou = scores.iter().find(|s| s["metric"] == "mean_iou").unwrap();
    assert!(iou["interval"]["estimate"].as_f64().unwrap() > 0.8, "{iou}");

    let told = sign(&mut drawn);
    write(&at.join("new/sign.csv"), &told, false);
    let said = candor(at, &["predict", "r", "new/sign.csv", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out);
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), told.len());
    let right = answers.iter().zip(&told);
    let right = right.filter(|(answer, (_, part))| answer["prediction"]["class"] == *part);
    assert!(right.count() >= 125, "of 150 points");
    for answer in answers {
        let parts = ["aleatoric", "epistemic", "uncertainty"].map(|p| answer[p].as_f64().unwrap());
        assert!((parts[0] + parts[1] - parts[2]).abs() < 1e-6);
    }
    let csv = candor(at, &["predict", "r", "new"]).out;
    assert!(csv.lines().nth(7).unwrap().contains("sign.csv#7"), "{csv}");
}

#[test]
fn points_that_make_no_task_end_with_status_2_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut drawn = Drawn(4);
    let shape = sign(&mut drawn);
    let one: Vec<_> = shape.iter().map(|(p, _)| (*p, "all")).collect();
    write(&at.join("two/a.csv"), &shape, true);
    write(&at.join("two/b.csv"), &sign(&mut drawn), true);
    write(&at.join("one/a.csv"), &one, true);
    for (n, (source, part)) in [("two", "groups"), ("one", "all points of")]
        .into_iter()
        .enumerate()
    {
        let target = ["--target", "label"];
        let out = format!("r{n}");
        let arguments = [
            &["fit", source],
            target.as_slice(),
            &["--trials", "2", "--out", &out],
        ]
        .concat();
        let said = candor(at, &arguments);
        assert_eq!(said.status, 2, "{source}: {}", said.err);
        assert!(said.err.contains(part), "{source}: {}", said.err);
    }
}
