//! A survey from the air that is made up: hills with houses and trees, as a LAS or LAZ file with classes, for what is as large as that.
//!
//! Run with
//!
//! ```text
//! cargo run --release -p candor-point-cloud --example survey -- OUT.laz POINTS SEED
//! ```
//!
//! Ten points a square metre. Heights have noise of 3 cm; what is under a roof is not seen.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

use std::fs::File;
use std::io::BufWriter;

use candor_core::Seed;
use candor_point_cloud::{LasWriter, class_code};
use rand::RngExt;

/// Points a square metre.
const DENSITY: f64 = 10.0;
/// Houses and trees stand in cells of this length, at most one each.
const CELL: f64 = 24.0;

/// What stands in a cell: the same for every point of it.
struct Lot {
    house: bool,
    middle: [f64; 2],
    half: [f64; 2],
    height: f64,
}

impl Lot {
    fn of(cell: [i64; 2], seed: Seed) -> Lot {
        let mut rng = seed.stream("lot", &[cell[0] as u64, cell[1] as u64]);
        let middle = cell.map(|c| (c as f64 + rng.random_range(0.4..0.6)) * CELL);
        let house = rng.random::<f64>() < 0.55;
        let half = std::array::from_fn(|_| match house {
            true => rng.random_range(4.0..8.5),
            false => rng.random_range(3.5..9.0),
        });
        Lot {
            house,
            middle,
            half,
            height: rng.random_range(4.0..9.0),
        }
    }

    /// Height above the ground and class of what is seen at a place, if something stands there; `share` is drawn.
    fn at(&self, x: f64, y: f64, share: f64) -> Option<(f64, &'static str)> {
        let [u, v] = [
            (x - self.middle[0]) / self.half[0],
            (y - self.middle[1]) / self.half[1],
        ];
        if self.house {
            // A roof that rises towards its ridge.
            return (u.abs() < 1.0 && v.abs() < 1.0).then(|| {
                (
                    self.height + 0.35 * self.half[1] * (1.0 - v.abs()),
                    "building",
                )
            });
        }
        let inside = 1.0 - u * u - v * v;
        // Some of what falls on a crown comes back from the ground.
        (inside > 0.0 && share > 0.2).then(|| {
            let crown = 0.5 + 0.5 * share * inside.sqrt();
            (self.height * crown + 1.0, "high vegetation")
        })
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, points, seed] = arguments.as_slice() else {
        println!("arguments: OUT.las|laz POINTS SEED");
        return;
    };
    let (points, seed) = (points.parse::<u32>().unwrap(), Seed(seed.parse().unwrap()));
    let side = (f64::from(points) / DENSITY).sqrt();
    let packed = out.to_ascii_lowercase().ends_with(".laz");
    let file = BufWriter::new(File::create(out).unwrap());
    let bounds = [[0.0, 0.0, -40.0], [side, side, 60.0]];
    let mut writer = LasWriter::new(file, packed, points, bounds).unwrap();
    let mut rng = seed.stream("points", &[]);
    let lots = (side / CELL).ceil() as i64 + 1;
    let all: Vec<Lot> = (0..lots * lots)
        .map(|n| Lot::of([n % lots, n / lots], seed))
        .collect();
    // Line after line, as an aeroplane flies.
    let lines = (side / 4.0).ceil().max(1.0);
    for n in 0..points {
        let line = (f64::from(n) / f64::from(points) * lines).floor();
        let (x, y) = (
            rng.random_range(0.0..side),
            (line + rng.random::<f64>()) * side / lines,
        );
        let lot = &all[((y / CELL) as i64 * lots + (x / CELL) as i64) as usize];
        let ground = 12.0 * (x / 170.0).sin() + 9.0 * (y / 230.0).cos() + (x / 31.0).sin();
        let noise = 0.03 * (rng.random::<f64>() + rng.random::<f64>() - 1.0) * 2.45;
        let told = lot.at(x, y, rng.random());
        let (above, class) = told.unwrap_or((0.0, "ground"));
        let intensity = match class {
            "building" => rng.random_range(400..900),
            "ground" => rng.random_range(200..700),
            _ => rng.random_range(100..500),
        };
        let code = class_code(class).unwrap();
        writer
            .point([x, y, ground + above + noise], intensity, [0; 3], code)
            .unwrap();
    }
    writer.finish().unwrap();
    println!("{points} points on {side:.0} x {side:.0} metres");
}
