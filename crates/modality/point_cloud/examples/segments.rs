//! Parts of shapes by networks and by models of tables on the surroundings of points: mean intersection over union on shapes that none of them saw.
//!
//! Run with
//!
//! ```text
//! cargo run --release -p candor-point-cloud --example segments -- solids SEEDS test [upright|any] '{"model":"extra_trees"}' '{"model":"edge_convolutions"}'
//! cargo run --release -p candor-point-cloud --example segments -- BUNNY.ply[.gz] SEEDS test any '{"model":"point_net"}'
//! ```
//!
//! `solids` are mugs, tables, lamps and chairs of random measures, seen from one side, with noise; `BUNNY` is a mesh whose scans (any position, one
//! side, noise) are parted into ears, head, feet and body by planes in the mesh's own frame. `validate` in place of `test` judges on other shapes of
//! the same kind. All is drawn anew for each seed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

#[path = "../tests/solids/mod.rs"]
mod solids;

use std::io::Read;
use std::time::Instant;

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task, class_ious};
use candor_design::Design;
use candor_point_cloud::{
    Frame, Geometry, PointLabels, PointLearner, PointUnits, Scan, parse_shape,
};
use candor_train::{Assignment, Learner};
use rand::RngExt;
use solids::{PARTS, View, seen_by, solid};

/// Points of a scan.
const POINTS: usize = 512;
/// Scans that are learned from, watched, and judged on.
const SCANS: [u64; 3] = [120, 24, 80];
const BUNNY: [&str; 4] = ["ears", "head", "feet", "body"];

/// Scans of solids, or of one mesh, and the names of their parts.
enum Data {
    Solids,
    Mesh(Geometry),
}

impl Data {
    fn names(&self) -> &'static [&'static str] {
        match self {
            Data::Solids => &PARTS,
            Data::Mesh(_) => &BUNNY,
        }
    }

    fn scan(&self, number: u64, seed: Seed, any: bool) -> Geometry {
        let view = View {
            points: POINTS,
            any,
            noise: 0.01,
            occluded: true,
        };
        match self {
            Data::Solids => solid(number, seed, view),
            Data::Mesh(mesh) => seen_by(
                mesh,
                number,
                seed,
                View {
                    noise: 0.0005,
                    ..view
                },
                0.16,
            ),
        }
    }
}

/// The part of a point of the bunny, in the mesh's frame (metres, `y` upwards, the head towards `-x`).
fn bunny_part([x, y, _]: [f64; 3]) -> u32 {
    if y > 0.145 {
        0
    } else if x < -0.035 && y > 0.095 {
        1
    } else if y < 0.05 {
        2
    } else {
        3
    }
}

fn bunny(path: &str) -> Geometry {
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .unwrap();
        bytes = plain;
    }
    let mesh = parse_shape(&bytes, "bunny.ply").unwrap();
    // Points evenly over the surface, as a scanner sees them.
    let mut rng = Seed(0).stream("surface", &[]);
    let corners = |face: &[u32; 3]| face.map(|c| mesh.points[c as usize]);
    let area = |face: &[u32; 3]| {
        let [a, b, c] = corners(face);
        let u: [f64; 3] = std::array::from_fn(|x| b[x] - a[x]);
        let v: [f64; 3] = std::array::from_fn(|x| c[x] - a[x]);
        let n = [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ];
        n.iter().map(|x| x * x).sum::<f64>().sqrt()
    };
    let mut reached = 0.0;
    let sums: Vec<f64> = mesh
        .faces
        .iter()
        .map(|face| {
            reached += area(face);
            reached
        })
        .collect();
    let points: Vec<[f64; 3]> = (0..40_000)
        .map(|_| {
            let at = rng.random::<f64>() * reached;
            let face = sums
                .partition_point(|sum| *sum <= at)
                .min(mesh.faces.len() - 1);
            let [a, b, c] = corners(&mesh.faces[face]);
            let (root, along) = (rng.random::<f64>().sqrt(), rng.random::<f64>());
            let shares = [1.0 - root, root * (1.0 - along), root * along];
            std::array::from_fn(|x| shares[0] * a[x] + shares[1] * b[x] + shares[2] * c[x])
        })
        .collect();
    Geometry {
        labels: Some(PointLabels {
            codes: points.iter().map(|p| bunny_part(*p)).collect(),
            names: BUNNY.map(str::to_owned).to_vec(),
        }),
        points,
        ..Geometry::default()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, seeds, part, pose, designs @ ..] = arguments.as_slice() else {
        println!("arguments: solids|MESH SEEDS validate|test upright|any DESIGN...");
        return;
    };
    let data = match data.as_str() {
        "solids" => Data::Solids,
        path => Data::Mesh(bunny(path)),
    };
    let seeds: u64 = seeds.parse().unwrap();
    for design in designs {
        let design: Design = serde_json::from_str(design).unwrap();
        let (mut scores, mut ious) = (Vec::new(), vec![Vec::new(); data.names().len()]);
        let started = Instant::now();
        for seed in 0..seeds {
            // The test part is of streams that nothing else is drawn from.
            let judged = Seed(seed).derive(part, &[]);
            let (iou, accuracy, each) = run(&data, &design, Seed(seed), judged, pose == "any");
            println!("{design} seed {seed}: mIoU {iou:.4}, accuracy {accuracy:.4}");
            scores.push(iou);
            each.iter()
                .zip(&mut ious)
                .for_each(|(iou, all)| all.extend(*iou));
        }
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len().max(1) as f64;
        let m = mean(&scores);
        let spread = scores.iter().map(|s| (s - m).powi(2)).sum::<f64>();
        let spread = (spread / (scores.len() as f64 - 1.0).max(1.0)).sqrt();
        println!(
            "{design}: mIoU {m:.4}, standard deviation {spread:.4} over {seeds} seeds; {:.1} s a seed",
            started.elapsed().as_secs_f64() / seeds as f64
        );
        for (name, ious) in data.names().iter().zip(&ious) {
            println!("    {name}: {:.4}", mean(ious));
        }
    }
}

/// Mean intersection over union, accuracy, and the intersection over union of each part.
fn run(
    data: &Data,
    design: &Design,
    seed: Seed,
    judged: Seed,
    any: bool,
) -> (f64, f64, Vec<Option<f64>>) {
    let [learned, watched, tested] = SCANS;
    let learning = (0..learned + watched).map(|n| data.scan(n, seed.derive("learn", &[]), any));
    let testing = (0..tested).map(|n| data.scan(n, judged, any));
    let all: Vec<Geometry> = learning.chain(testing).collect();
    let codes: Vec<u32> = all
        .iter()
        .flat_map(|scan| scan.labels.as_ref().unwrap().codes.clone())
        .collect();
    let places: Vec<u32> = (0..POINTS as u32).collect();
    let scan = |g: &Geometry| Scan::of(g, &places, &Frame::of(&g.points).unwrap());
    let points = PointUnits::new(all.iter().map(scan).collect(), Vec::new());
    let of = |from: u64, to: u64| -> Vec<usize> {
        (from as usize * POINTS..to as usize * POINTS).collect()
    };
    let names = data.names();
    let target = Target {
        task: Task::Multiclass,
        names: vec!["part".into()],
        classes: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let learner = PointLearner::new(Task::Multiclass, points.starts()).unwrap();
    let targets = Targets::Classes(codes);
    let units = points.units();
    let test = of(learned + watched, learned + watched + tested);
    let fitted = learner
        .fit(&Assignment {
            design,
            units: &units,
            targets: &targets,
            target: &target,
            metric: Metric::LogLoss,
            train: &of(0, learned),
            validation: &of(learned, learned + watched),
            seed,
            clock: &Clock::unlimited(),
        })
        .unwrap();
    let said = fitted
        .member
        .predict(&units, &test)
        .unwrap()
        .mixture()
        .unwrap();
    let truth = targets.select(&test);
    let iou = Metric::MeanIou.score(&said, &truth).unwrap();
    let accuracy = Metric::Accuracy.score(&said, &truth).unwrap();
    let Targets::Classes(truth) = truth else {
        unreachable!()
    };
    let classes = match &said {
        Distribution::Categorical { .. } => said.classes().unwrap(),
        _ => unreachable!(),
    };
    (iou, accuracy, class_ious(names.len(), classes, truth))
}
