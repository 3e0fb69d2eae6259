//! Shapes in space, from a folder to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use support::{candor, command, parts_known_from_foreign, result_of};

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

/// Points of a kind of shape, of random size, turned at random about two axes.
fn points(kind: &str, drawn: &mut Drawn) -> Vec<[f32; 3]> {
    let tau = std::f32::consts::TAU;
    let size = [0, 1, 2].map(|_| 0.8 + 0.4 * drawn.next());
    let (a, b) = (tau * drawn.next(), tau * drawn.next());
    let shape = |drawn: &mut Drawn| -> [f32; 3] {
        let (u, v) = (tau * drawn.next(), tau * drawn.next());
        match kind {
            "ring" => {
                let r = 1.0 + 0.3 * v.cos();
                [r * u.cos(), r * u.sin(), 0.3 * v.sin()]
            }
            "rod" => [0.15 * u.cos(), 0.15 * u.sin(), 2.0 * drawn.next() - 1.0],
            "noise" => [0, 1, 2].map(|_| 2.0 * drawn.next() - 1.0),
            "helix" => [
                (2.0 * u).cos(),
                (2.0 * u).sin(),
                u / tau * 3.0 + 0.05 * v.sin(),
            ],
            "cross" => {
                let along = 2.0 * drawn.next() - 1.0;
                let mut p = [0.1 * u.cos(), 0.1 * u.sin(), 0.1 * v.cos()];
                p[(v * 10.0) as usize % 3] = along;
                p
            }
            _ => {
                let z = 2.0 * drawn.next() - 1.0;
                let r = (1.0 - z * z).sqrt();
                [r * u.cos(), r * u.sin(), z]
            }
        }
    };
    let turned = |[x, y, z]: [f32; 3]| {
        let (x, y) = (a.cos() * x - a.sin() * y, a.sin() * x + a.cos() * y);
        [x, b.cos() * y - b.sin() * z, b.sin() * y + b.cos() * z]
    };
    (0..200)
        .map(|_| {
            let p = shape(drawn);
            turned([p[0] * size[0], p[1] * size[1], p[2] * size[2]])
        })
        .collect()
}

fn ply(points: &[[f32; 3]]) -> Vec<u8> {
    let mut bytes = format!(
        "ply\nformat binary_little_endian 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\nend_header\n",
        points.len()
    )
    .into_bytes();
    bytes.extend(points.iter().flatten().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// Rings, rods and spheres, `count` of each.
fn shapes(folder: &Path, count: usize) {
    let mut drawn = Drawn(5);
    for class in ["ring", "rod", "sphere"] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for i in 0..count {
            let points = points(class, &mut drawn);
            std::fs::write(folder.join(class).join(format!("{i}.ply")), ply(&points)).unwrap();
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_folder_of_shapes_becomes_a_model_that_answers_and_knows_strange_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shapes(&at.join("shapes"), 40);
    // A shape that cannot be read is reported, not fatal.
    std::fs::write(at.join("shapes/ring/broken.ply"), b"ply\nnothing more").unwrap();
    let check = candor(at, &["check", "shapes", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "point_cloud");
    assert!(check.out.contains("broken.ply"), "{}", check.out);

    let fit = candor(
        at,
        &[
            "fit", "shapes", "--trials", "4", "--seed", "2", "--set", "steps=80", "--out", "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "120 shapes",
        "points dropped",
        "density falls off",
        "one side not seen",
        "octant",
        "the points of a shape",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }

    let judged = &result_of(&at.join("r"))[2];
    assert!(
        !judged["memorisation"].is_null() && !judged["pictures"].as_array().unwrap().is_empty()
    );

    let said = candor(at, &["predict", "r", "shapes/rod", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out);
    let answers = answers.as_array().unwrap();
    let right = answers.iter().filter(|a| a["prediction"]["class"] == "rod");
    assert!(right.count() >= 36, "of 40 rods");

    // Shapes of nothing that was learned.
    let mut drawn = Drawn(8);
    std::fs::create_dir(at.join("noise")).unwrap();
    for i in 0..20 {
        let points = points("noise", &mut drawn);
        std::fs::write(at.join(format!("noise/{i}.ply")), ply(&points)).unwrap();
    }
    let strange = json(&candor(at, &["predict", "r", "noise", "--format", "json"]).out);
    let refused = strange.as_array().unwrap().iter();
    let refused = refused.filter(|a| !a["abstained"].is_null()).count();
    assert!(
        refused >= 15,
        "{refused} of 20 shapes of noise were refused"
    );

    std::fs::create_dir(at.join("foreign")).unwrap();
    for i in 0..20 {
        let points = points(["helix", "cross"][i % 2], &mut drawn);
        std::fs::write(at.join(format!("foreign/{i}.ply")), ply(&points)).unwrap();
    }
    parts_known_from_foreign(at, "r", "shapes/rod", "foreign");

    let shape = std::fs::read(at.join("shapes/rod/0.ply")).unwrap();
    let served = served(at, &shape);
    let first = answers.iter().find(|a| a["row"] == 1).unwrap();
    assert_eq!(served["answers"][0]["prediction"], first["prediction"]);
}

/// What the service says of one shape.
fn served(at: &Path, shape: &[u8]) -> Value {
    let mut child = command(at, &["serve", "r", "--address", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap();
    let mut stream = TcpStream::connect(address.split(';').next().unwrap()).unwrap();
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: model/ply\r\ncontent-length: {}\r\n\r\n",
        shape.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(shape).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    json(said.split("\r\n\r\n").nth(1).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_networks_with_one_job_and_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shapes(&at.join("shapes"), 12);
    for jobs in ["1", "2"] {
        let out = format!("r{jobs}");
        let fit = candor(
            at,
            &[
                "fit", "shapes", "--trials", "3", "--set", "steps=40", "--jobs", jobs, "--out",
                &out,
            ],
        );
        assert!(fit.status <= 1, "{}", fit.err);
    }
    assert_eq!(result_of(&at.join("r1")), result_of(&at.join("r2")));
}

#[test]
fn shapes_that_make_no_task_end_with_status_2_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    shapes(&at.join("shapes"), 2);
    let write = |path: &str, bytes: &[u8]| {
        let path = at.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let ring = std::fs::read(at.join("shapes/ring/0.ply")).unwrap();
    (0..20).for_each(|i| write(&format!("one/ring/{i}.ply"), &ring));
    (0..3).for_each(|i| write(&format!("loose/{i}.ply"), &ring));
    for class in ["a", "b"] {
        let mut off = String::from("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n");
        let _ = writeln!(off, "3 0 1 {}", 999);
        write(&format!("faces/{class}/1.off"), off.as_bytes());
        write(&format!("cut/{class}/1.ply"), &ring[..ring.len() / 2]);
        write(&format!("point/{class}/1.xyz"), b"1 2 3\n");
        write(&format!("nan/{class}/1.xyz"), b"nan 1 2\ninf 1 2\n1 1 1\n");
        write(&format!("equal/{class}/1.xyz"), b"1 2 3\n1 2 3\n1 2 3\n");
    }
    write("arrays.npz", b"PK\x05\x06 and no more");
    for (i, (source, part)) in [
        ("one", "all shapes"),
        ("loose", "no classes"),
        ("faces", "a face names point 999, there are 3"),
        ("cut", "it ends after"),
        ("point", "a single point"),
        ("nan", "no finite numbers"),
        ("equal", "all at one place"),
        ("shapes", "6"),
        ("arrays.npz", "arrays.npz"),
    ]
    .into_iter()
    .enumerate()
    {
        let said = candor(
            at,
            &["fit", source, "--trials", "2", "--out", &format!("r{i}")],
        );
        assert_eq!(said.status, 2, "{source}: {}", said.err);
        assert!(said.err.contains(part), "{source}: {}", said.err);
    }
}
