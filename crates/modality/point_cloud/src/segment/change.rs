use std::collections::BTreeMap;

use candor_core::Seed;
use candor_train::Units;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{PointUnits, Scan};
use crate::CloudChange;
use crate::augmentation::{normal, turned};
use crate::challenge::{octant, seen_side, thinned};

/// The scans of some units, each changed with its points that are asked about; the units stand as before.
fn changed(
    points: &PointUnits,
    indices: &[usize],
    change: impl Fn(usize, &Scan, &[usize]) -> (Scan, Vec<usize>) + Sync,
) -> Units {
    let by_scan = points.by_scan(indices);
    let made: Vec<(Scan, Vec<usize>)> = by_scan
        .par_iter()
        .map(|(scan, units)| {
            let asked: Vec<usize> = units.iter().map(|(_, place)| *place).collect();
            change(*scan, &points.scans()[*scan], &asked)
        })
        .collect();
    let mut which = vec![usize::MAX; indices.len()];
    let mut from = 0;
    let mut scans = Vec::with_capacity(made.len());
    for ((_, units), (scan, places)) in by_scan.iter().zip(made) {
        for ((row, _), place) in units.iter().zip(places) {
            which[*row] = from + place;
        }
        from += scan.len();
        scans.push(scan);
    }
    PointUnits::new(scans, points.channels().to_vec())
        .only(which)
        .units()
}

/// Some points of a scan, those that are asked about among them, with their new places.
fn kept(scan: &Scan, asked: &[usize], mut wanted: Vec<usize>) -> (Scan, Vec<usize>) {
    wanted.extend_from_slice(asked);
    wanted.sort_unstable();
    wanted.dedup();
    let width = scan.channels().len() / scan.len().max(1);
    let rows = |values: &[f32], width: usize| -> Vec<f32> {
        wanted
            .iter()
            .flat_map(|&n| values[n * width..(n + 1) * width].iter().copied())
            .collect()
    };
    let made = Scan::new(rows(scan.points(), 3), rows(scan.channels(), width));
    let place = |asked: &usize| wanted.binary_search(asked).unwrap_or(0);
    (made, asked.iter().map(place).collect())
}

/// The units, in scans to which something happened with a severity from 1 to 5. Points that are asked about are never lost.
pub fn points_changed(
    points: &PointUnits,
    indices: &[usize],
    change: CloudChange,
    severity: u8,
    seed: Seed,
) -> Units {
    let step = f32::from(severity.clamp(1, 5)) / 5.0;
    let normals = points.normal();
    changed(points, indices, |number, scan, asked| {
        let mut stream = seed.stream(change.name(), &[number as u64, u64::from(severity)]);
        apply(change, step, scan, asked, normals, &mut stream)
    })
}

fn apply(
    change: CloudChange,
    step: f32,
    scan: &Scan,
    asked: &[usize],
    normals: Option<usize>,
    stream: &mut ChaCha8Rng,
) -> (Scan, Vec<usize>) {
    let count = scan.len();
    let width = scan.channels().len() / count.max(1);
    let mut at = scan.points().to_vec();
    let mut channels = scan.channels().to_vec();
    match change {
        CloudChange::Dropped => {
            let left = ((count as f32 * (1.0 - 0.9 * step)).round() as usize).min(count);
            let wanted = rand::seq::index::sample(stream, count, left).into_vec();
            return kept(scan, asked, wanted);
        }
        CloudChange::Occlusion => {
            let seen = seen_side(&at, step, stream);
            return kept(scan, asked, seen);
        }
        CloudChange::Density => {
            let left = thinned(&at, step, stream);
            return kept(scan, asked, left);
        }
        CloudChange::Jitter => {
            let deviation = 0.06 * step;
            at.iter_mut().for_each(|x| *x += deviation * normal(stream));
        }
        CloudChange::Rotation => {
            let turn = CloudChange::turn(step, stream);
            turned(&mut at, &turn);
            if let Some(normal) = normals {
                for row in channels.chunks_exact_mut(width) {
                    turned(&mut row[normal..normal + 3], &turn);
                }
            }
        }
        CloudChange::Outliers => {
            let more = (count as f32 * 0.2 * step).ceil() as usize;
            for _ in 0..more {
                at.extend((0..3).map(|_| stream.random_range(-1.0f32..1.0)));
                // What came back from nowhere looks like something of the scan.
                let other = stream.random_range(0..count);
                channels.extend_from_within(other * width..(other + 1) * width);
            }
        }
    }
    (Scan::new(at, channels), asked.to_vec())
}

/// The units, in scans whose octants were exchanged: nothing is where it was, though each part is.
pub fn points_exchanged(points: &PointUnits, indices: &[usize], seed: Seed) -> Units {
    changed(points, indices, |number, scan, asked| {
        let mut places: Vec<usize> = (0..8).collect();
        places.shuffle(&mut seed.stream("exchange", &[number as u64]));
        let moved = scan.points().chunks_exact(3).flat_map(|p| {
            let to = places[octant(p)];
            std::array::from_fn::<f32, 3, _>(|axis| {
                let inwards = 1.0 - p[axis].abs();
                if to >> axis & 1 == 1 {
                    inwards
                } else {
                    -inwards
                }
            })
        });
        let scan = Scan::new(moved.collect(), scan.channels().to_vec());
        (scan, asked.to_vec())
    })
}

/// The units, in scans one octant of which is that of another scan; points that are asked about stay.
pub fn octant_of_points_shuffled(
    points: &PointUnits,
    indices: &[usize],
    part: usize,
    seed: Seed,
) -> Units {
    let mut scans: Vec<usize> = points
        .by_scan(indices)
        .iter()
        .map(|(scan, _)| *scan)
        .collect();
    let own = scans.clone();
    scans.shuffle(&mut seed.stream("octant", &[part as u64]));
    let other_of: BTreeMap<usize, usize> = own.into_iter().zip(scans).collect();
    changed(points, indices, |number, scan, asked| {
        let outside = |&n: &usize| octant(&scan.points()[3 * n..3 * n + 3]) != part;
        let (own, places) = kept(scan, asked, (0..scan.len()).filter(outside).collect());
        let other = &points.scans()[other_of.get(&number).copied().unwrap_or(number)];
        let inside = |&n: &usize| octant(&other.points()[3 * n..3 * n + 3]) == part;
        let (foreign, _) = kept(other, &[], (0..other.len()).filter(inside).collect());
        let join = |a: &[f32], b: &[f32]| [a, b].concat();
        let scan = Scan::new(
            join(own.points(), foreign.points()),
            join(own.channels(), foreign.channels()),
        );
        (scan, places)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> PointUnits {
        let mut stream = Seed(1).stream("cube", &[]);
        let scan = |stream: &mut ChaCha8Rng| {
            let at = (0..900)
                .map(|_| stream.random_range(-1.0f32..1.0))
                .collect();
            Scan::new(at, (0..300).map(|n| n as f32).collect())
        };
        let scans = vec![scan(&mut stream), scan(&mut stream), scan(&mut stream)];
        PointUnits::new(scans, vec!["intensity".into()])
    }

    #[test]
    fn units_stay_who_they_are() {
        let points = points();
        let asked = [707, 3, 299];
        let told = |units: &Units| -> Vec<f32> {
            let points = PointUnits::of(units).unwrap();
            let width = points.width();
            let rows = points.described(&[0, 1, 2]);
            rows.chunks_exact(width).map(|row| row[width - 1]).collect()
        };
        for change in CloudChange::ALL {
            for severity in [1, 5] {
                let made = points_changed(&points, &asked, change, severity, Seed(3));
                assert_eq!(told(&made), [107.0, 3.0, 299.0], "{}", change.name());
                let made = PointUnits::of(&made).unwrap();
                assert_eq!(made.scans().len(), 2);
                assert!(made.scans()[0].points() != points.scans()[0].points());
                let again = points_changed(&points, &asked, change, severity, Seed(3));
                let again = PointUnits::of(&again).unwrap();
                assert_eq!(made.scans()[1].points(), again.scans()[1].points());
            }
        }
        for made in [
            points_exchanged(&points, &asked, Seed(3)),
            octant_of_points_shuffled(&points, &asked, 5, Seed(3)),
        ] {
            assert_eq!(told(&made), [107.0, 3.0, 299.0]);
        }
    }
}
