//! Labelled shapes made of solids: mugs, tables, lamps and chairs of random measures, as a scanner sees them.
#![allow(dead_code, reason = "each user takes a part of it")]

use candor_core::Seed;
use candor_point_cloud::{Geometry, PointLabels};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What the solids are made of.
pub const PARTS: [&str; 9] = [
    "body", "handle", "top", "leg", "base", "pole", "shade", "seat", "back",
];

/// How a solid is seen.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Points of it.
    pub points: usize,
    /// Whether it may lie in any position; else it is turned about the upright alone.
    pub any: bool,
    /// Standard deviation of noise, in lengths of about a third of a solid.
    pub noise: f64,
    /// Whether only what is seen from one side is there.
    pub occluded: bool,
}

/// A surface of a part, and its area.
enum Piece {
    /// Centre, half of the measures.
    Block([f64; 3], [f64; 3]),
    /// Middle of the lower end, lower and upper radius, height.
    Tube([f64; 3], f64, f64, f64),
    /// Centre, radius.
    Disk([f64; 3], f64),
    /// Half a ring that stands upright: centre, radius of the ring, of its tube.
    HalfRing([f64; 3], f64, f64),
}

impl Piece {
    fn area(&self) -> f64 {
        let pi = std::f64::consts::PI;
        match *self {
            Piece::Block(_, [a, b, c]) => 8.0 * (a * b + b * c + c * a),
            Piece::Tube(_, low, high, height) => {
                pi * (low + high) * ((low - high).powi(2) + height * height).sqrt()
            }
            Piece::Disk(_, radius) => pi * radius * radius,
            Piece::HalfRing(_, ring, tube) => 2.0 * pi * pi * ring * tube,
        }
    }

    /// A point of the surface, evenly (of tubes and rings nearly).
    fn point(&self, rng: &mut ChaCha8Rng) -> [f64; 3] {
        let tau = std::f64::consts::TAU;
        match *self {
            Piece::Block(centre, half) => {
                let [a, b, c] = half;
                let faces = [b * c, c * a, a * b];
                let mut at = rng.random_range(0.0..faces.iter().sum::<f64>());
                let axis = faces
                    .iter()
                    .position(|face| {
                        at -= face;
                        at <= 0.0
                    })
                    .unwrap_or(2);
                let mut p: [f64; 3] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
                p[axis] = if rng.random::<bool>() { 1.0 } else { -1.0 };
                std::array::from_fn(|x| centre[x] + half[x] * p[x])
            }
            Piece::Tube(foot, low, high, height) => {
                let (t, angle) = (rng.random::<f64>(), rng.random_range(0.0..tau));
                let radius = low + t * (high - low);
                let (sin, cos) = angle.sin_cos();
                [
                    foot[0] + radius * cos,
                    foot[1] + radius * sin,
                    foot[2] + t * height,
                ]
            }
            Piece::Disk(centre, radius) => {
                let (r, angle) = (
                    radius * rng.random::<f64>().sqrt(),
                    rng.random_range(0.0..tau),
                );
                [
                    centre[0] + r * angle.cos(),
                    centre[1] + r * angle.sin(),
                    centre[2],
                ]
            }
            Piece::HalfRing(centre, ring, tube) => {
                let u = rng.random_range(-0.25 * tau..0.25 * tau);
                let v = rng.random_range(0.0..tau);
                let r = ring + tube * v.cos();
                [
                    centre[0] + r * u.cos(),
                    centre[1] + tube * v.sin(),
                    centre[2] + r * u.sin(),
                ]
            }
        }
    }
}

/// The surfaces of a solid of a kind (0 to 3), with the number of the part that each is of.
fn pieces(kind: usize, rng: &mut ChaCha8Rng) -> Vec<(u32, Piece)> {
    let mut m = |low: f64, high: f64| rng.random_range(low..high);
    match kind {
        0 => {
            let (radius, height) = (m(0.5, 0.8), m(1.0, 1.8));
            let ring = m(0.25, 0.35) * height;
            vec![
                (
                    0,
                    Piece::Tube([0.0; 3], radius, radius * m(0.9, 1.1), height),
                ),
                (0, Piece::Disk([0.0; 3], radius)),
                (
                    1,
                    Piece::HalfRing([radius, 0.0, 0.5 * height], ring, m(0.06, 0.1)),
                ),
            ]
        }
        1 => {
            let (a, b, height) = (m(0.7, 1.2), m(0.5, 1.0), m(0.8, 1.4));
            let (thick, leg) = (m(0.04, 0.08), m(0.05, 0.09));
            let mut all = vec![(2, Piece::Block([0.0, 0.0, height], [a, b, thick]))];
            for (x, y) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                let foot = [x * (a - 2.0 * leg), y * (b - 2.0 * leg), 0.0];
                all.push((3, Piece::Tube(foot, leg, leg, height)));
            }
            all
        }
        2 => {
            let (base, height) = (m(0.4, 0.6), m(1.4, 2.0));
            let shade = m(0.5, 0.8);
            vec![
                (4, Piece::Disk([0.0; 3], base)),
                (4, Piece::Tube([0.0; 3], base, 0.15, m(0.1, 0.2))),
                (5, Piece::Tube([0.0; 3], 0.06, 0.06, height)),
                (
                    6,
                    Piece::Tube([0.0, 0.0, 0.7 * height], shade, 0.5 * shade, 0.4 * height),
                ),
            ]
        }
        _ => {
            let (a, height, thick) = (m(0.5, 0.7), m(0.5, 0.8), m(0.04, 0.08));
            let (back, leg) = (m(0.5, 0.9), m(0.04, 0.07));
            let mut all = vec![
                (7, Piece::Block([0.0, 0.0, height], [a, a, thick])),
                (8, Piece::Block([-a, 0.0, height + back], [thick, a, back])),
            ];
            for (x, y) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                let foot = [x * (a - leg), y * (a - leg), 0.0];
                all.push((3, Piece::Tube(foot, leg, leg, height)));
            }
            all
        }
    }
}

/// A rotation: of all of space, or about the upright.
fn turn(any: bool, rng: &mut ChaCha8Rng) -> [[f64; 3]; 3] {
    let about = |axis: usize, angle: f64| {
        let (sin, cos) = angle.sin_cos();
        let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut m = [[0.0; 3]; 3];
        m[axis][axis] = 1.0;
        (m[a][a], m[b][b]) = (cos, cos);
        (m[a][b], m[b][a]) = (-sin, sin);
        m
    };
    let product = |x: [[f64; 3]; 3], y: [[f64; 3]; 3]| -> [[f64; 3]; 3] {
        std::array::from_fn(|i| {
            std::array::from_fn(|j| (0..3).map(|k| x[i][k] * y[k][j]).sum::<f64>())
        })
    };
    let mut angle = || rng.random_range(0.0..std::f64::consts::TAU);
    let upright = about(2, angle());
    if !any {
        return upright;
    }
    // Euler's angles with an even cosine are even over all rotations.
    let last = about(2, angle());
    let tilt = rng.random_range(-1.0f64..1.0).acos();
    product(last, product(about(0, tilt), upright))
}

/// Points of a labelled surface as a scanner sees them: turned, with noise, from one side. `extent` is about the length of the thing.
pub fn seen_by(surface: &Geometry, number: u64, seed: Seed, view: View, extent: f64) -> Geometry {
    let mut rng = seed.stream("scan", &[number]);
    let m = turn(view.any, &mut rng);
    let normal = |rng: &mut ChaCha8Rng| {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        radius * rng.random_range(0.0..std::f64::consts::TAU).cos()
    };
    let drawn = rand::seq::index::sample(
        &mut rng,
        surface.points.len(),
        surface.points.len().min(8 * view.points),
    );
    let drawn: Vec<usize> = drawn.into_vec();
    let mut points: Vec<[f64; 3]> = drawn
        .iter()
        .map(|&n| m.map(|row| row.iter().zip(surface.points[n]).map(|(a, b)| a * b).sum()))
        .collect();
    let mut kept: Vec<usize> = match view.occluded {
        true => {
            let scaled: Vec<[f64; 3]> =
                points.iter().map(|p| p.map(|x| x * 2.0 / extent)).collect();
            visible(&scaled, &mut rng)
        }
        false => (0..points.len()).collect(),
    };
    kept.truncate(view.points);
    for p in &mut points {
        p.iter_mut()
            .for_each(|x| *x += view.noise * normal(&mut rng));
    }
    let labels = surface.labels.as_ref();
    Geometry {
        points: kept.iter().map(|&n| points[n]).collect(),
        labels: labels.map(|labels| PointLabels {
            codes: kept.iter().map(|&n| labels.codes[drawn[n]]).collect(),
            names: labels.names.clone(),
        }),
        ..Geometry::default()
    }
}

/// The numbers of points that are seen from a direction: in each cell of a picture those that lie little behind the first.
fn visible(points: &[[f64; 3]], rng: &mut ChaCha8Rng) -> Vec<usize> {
    const CELLS: f64 = 14.0;
    const DEEP: f64 = 0.12;
    let m = turn(true, rng);
    let seen: Vec<[f64; 3]> = points
        .iter()
        .map(|p| m.map(|row| row.iter().zip(p).map(|(a, b)| a * b).sum()))
        .collect();
    let cell = |p: &[f64; 3]| {
        (
            (p[0] * CELLS / 3.0).floor() as i64,
            (p[1] * CELLS / 3.0).floor() as i64,
        )
    };
    let mut nearest = std::collections::HashMap::new();
    for p in &seen {
        let first = nearest.entry(cell(p)).or_insert(f64::INFINITY);
        *first = f64::min(*first, p[2]);
    }
    (0..points.len())
        .filter(|&n| seen[n][2] <= nearest[&cell(&seen[n])] + DEEP)
        .collect()
}

/// A solid: its kind is `number` by turns, all else is drawn.
pub fn solid(number: u64, seed: Seed, view: View) -> Geometry {
    let mut rng = seed.stream("solid", &[number]);
    let pieces = pieces((number % 4) as usize, &mut rng);
    let total: f64 = pieces.iter().map(|(_, piece)| piece.area()).sum();
    let m = turn(view.any, &mut rng);
    let normal = |rng: &mut ChaCha8Rng| {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        radius * rng.random_range(0.0..std::f64::consts::TAU).cos()
    };
    let (mut points, mut codes) = (Vec::new(), Vec::new());
    // What is hidden is made up for, so that a solid has the points that it is asked to have.
    while points.len() < view.points {
        let (mut more, mut parts) = (Vec::new(), Vec::new());
        for _ in 0..2 * view.points {
            let mut at = rng.random_range(0.0..total);
            let found = pieces.iter().find(|(_, piece)| {
                at -= piece.area();
                at <= 0.0
            });
            let (part, piece) = found.unwrap_or(&pieces[0]);
            let p = piece.point(&mut rng);
            let mut q: [f64; 3] = m.map(|row| row.iter().zip(p).map(|(a, b)| a * b).sum());
            q.iter_mut()
                .for_each(|x| *x += view.noise * normal(&mut rng));
            more.push(q);
            parts.push(*part);
        }
        let kept = match view.occluded {
            true => visible(&more, &mut seed.stream("eye", &[number])),
            false => (0..more.len()).collect(),
        };
        points.extend(kept.iter().map(|&n| more[n]));
        codes.extend(kept.iter().map(|&n| parts[n]));
    }
    points.truncate(view.points);
    codes.truncate(view.points);
    Geometry {
        points,
        labels: Some(PointLabels {
            codes,
            names: PARTS.map(str::to_owned).to_vec(),
        }),
        ..Geometry::default()
    }
}

/// A geometry with labels as a PLY file in text.
pub fn ply(geometry: &Geometry) -> String {
    use std::fmt::Write as _;
    let labels = geometry.labels.as_ref();
    let mut text = format!(
        "ply\nformat ascii 1.0\nelement vertex {}\nproperty double x\nproperty double y\nproperty double z\n{}end_header\n",
        geometry.points.len(),
        labels.map_or("", |_| "property int label\n"),
    );
    for (place, [x, y, z]) in geometry.points.iter().enumerate() {
        let _ = match labels {
            Some(labels) => writeln!(text, "{x} {y} {z} {}", labels.codes[place]),
            None => writeln!(text, "{x} {y} {z}"),
        };
    }
    text
}
