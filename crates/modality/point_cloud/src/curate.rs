//! What is wrong with shapes before anything is learned from them.

use std::collections::BTreeMap;

use candor_core::{Evidence, Finding, Severity};
use rayon::prelude::*;

use crate::intrinsic::{DESCRIPTORS, covariance};
use crate::symmetric::{eigenvalues, eigenvector};
use crate::{Cloud, CloudUnits};

/// The kind of finding about shapes that are in two parts.
pub const ACROSS: &str = "shapes-across-parts";
/// The kinds of findings, in their order.
const KINDS: [&str; 10] = [
    "duplicate-shapes",
    "near-duplicate-shapes",
    "contradicting-shapes",
    "flat-shapes",
    "sparse-shapes",
    "different-scales",
    "outlier-points",
    "uneven-density",
    "mixed-orientation",
    ACROSS,
];

/// Points below which a shape is hardly one.
const SPARSE: usize = 32;
/// The least deviation along a principal axis, as a share of all, below which a shape is a sheet or a thread.
const FLAT: f32 = 0.01;
/// Radii further from the median than this factor are of another unit.
const SCALE: f64 = 20.0;
/// A point is an outlier if it is so many times farther from its nearest neighbours than the median point.
const OUTLYING: f32 = 8.0;
/// Points of a shape more or fewer than the median by this factor.
const DENSITY: f64 = 4.0;
/// Mean distance of points to the other shape, of equal position, size and direction, in radii: below it two shapes are nearly the same.
/// Evenly spread samples of one surface with 256 points are 0.03 apart.
const NEAR: f32 = 0.012;
/// Shapes above which near copies are looked for among the most alike only.
const COMPARED: usize = 8;
/// Points by which two shapes are compared.
const COMPARED_POINTS: usize = 256;
/// Share of shapes from which a finding is a warning.
const MANY: f64 = 0.05;

/// The kinds of findings, which can be turned off.
pub fn cloud_check_names() -> &'static [&'static str] {
    &KINDS
}

/// Shapes of a class from which on directions are compared.
const DIRECTED: usize = 16;
/// A shape is long if its middle deviation is at most this share of the greatest: then its longest axis is well known.
const LONG: f64 = 0.8;
/// Alignment of the longest axes of a class, 1/3 (any direction) to 1 (one direction), below which they are said to lie anyhow.
const ALIGNED: f64 = 0.6;

/// Exact and near copies, copies with other classes, flat and sparse shapes, other units, points far from all others, other densities; and
/// copies across the parts of a split.
///
/// `classes` are the classes by shape, where shapes have one. `parts` says of each shape whether it is learned from (0) or set aside (any other
/// number); it is empty when the shapes are not split yet, and then nothing is said of parts.
///
/// Near copies are looked for among the eight shapes whose descriptors are most alike, and told by the mean distance of their points as
/// they stand, so that one shape in two poses is none.
pub fn curate_clouds(clouds: &CloudUnits, classes: Option<&[u32]>, parts: &[u8]) -> Vec<Finding> {
    let all = clouds.clouds();
    let count = all.len();
    let firsts = firsts(all);
    let near = near_pairs(clouds, &firsts);
    if !parts.is_empty() {
        let part = |shape: usize| parts.get(shape).copied().unwrap_or(0);
        let mut across: Vec<usize> = near
            .iter()
            .copied()
            .chain((0..count).map(|shape| (firsts[shape], shape)))
            .filter(|&(a, b)| (part(a) == 0) != (part(b) == 0))
            .map(|(a, b)| if part(a) == 0 { b } else { a })
            .collect();
        across.sort_unstable();
        across.dedup();
        let aside = parts.iter().filter(|part| **part != 0).count();
        return shown(
            ACROSS,
            &across,
            aside,
            "shapes that are set aside are the same as one that is learned from",
            "remove copies, or name what they have in common with `--group`: test scores are too good because of them",
        )
        .into_iter()
        .collect();
    }
    let usable = |shape: &usize| !all[*shape].is_empty();
    let where_true = |is: &dyn Fn(&Cloud) -> bool| -> Vec<usize> {
        (0..count)
            .filter(usable)
            .filter(|&shape| is(&all[shape]))
            .collect()
    };
    let median = |of: &dyn Fn(&Cloud) -> f64| -> f64 {
        let mut values: Vec<f64> = all.iter().filter(|c| !c.is_empty()).map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(1.0)
    };
    let (radius, points) = (median(&Cloud::radius), median(&|c| c.given() as f64));
    let beyond = |value: f64, middle: f64, factor: f64| {
        let ratio = value / middle.max(f64::MIN_POSITIVE);
        ratio > factor || ratio < 1.0 / factor
    };
    let mut later: Vec<usize> = near.iter().map(|&(a, b)| a.max(b)).collect();
    later.sort_unstable();
    later.dedup();
    let contradicting = classes.map_or(Vec::new(), |classes| {
        let other = |&shape: &usize| classes.get(shape) != classes.get(firsts[shape]);
        (0..count).filter(other).collect()
    });
    let outlying: Vec<bool> = all.par_iter().map(has_outliers).collect();
    let found = [
        (
            "duplicate-shapes",
            (0..count).filter(|&shape| firsts[shape] != shape).collect(),
            "shapes are exact copies of earlier ones (moved or scaled, maybe)",
            "remove them; copies on both sides of a split make scores too good",
        ),
        (
            "near-duplicate-shapes",
            later,
            "shapes are nearly the same as other ones",
            "if they are scans of one thing, name the thing in a manifest and keep it together with `--group`",
        ),
        (
            "contradicting-shapes",
            contradicting,
            "shapes have an exact copy with another class: no model can be right on both",
            "check their classes",
        ),
        (
            "flat-shapes",
            where_true(&|cloud| cloud.len() > 2 && is_flat(cloud)),
            "shapes are a sheet or a thread: they have no extent in one direction",
            "look whether a coordinate was lost in export",
        ),
        (
            "sparse-shapes",
            where_true(&|cloud| cloud.len() < SPARSE),
            "shapes have fewer than 32 points",
            "sample them more densely, or remove them",
        ),
        (
            "different-scales",
            where_true(&|cloud| beyond(cloud.radius(), radius, SCALE)),
            "shapes are more than 20 times larger or smaller than the median shape",
            "look whether they are in another unit; size itself is not looked at",
        ),
        (
            "outlier-points",
            (0..count).filter(|&shape| outlying[shape]).collect(),
            "shapes have points far from all their others",
            "remove stray points: the shape is scaled by its farthest point",
        ),
        (
            "uneven-density",
            where_true(&|cloud| beyond(cloud.given() as f64, points, DENSITY)),
            "shapes have over four times as many points as the median shape, or less than a quarter",
            "look whether densities differ between classes: then a model learns the scanner and not the class",
        ),
    ];
    found
        .into_iter()
        .filter_map(|(kind, rows, what, remedy)| shown(kind, &rows, count, what, remedy))
        .chain(mixed_orientation(all, classes))
        .collect()
}

/// Whether long shapes of one class lie in different directions.
fn mixed_orientation(all: &[Cloud], classes: Option<&[u32]>) -> Option<Finding> {
    let mut axes: BTreeMap<u32, (usize, [f64; 6])> = BTreeMap::new();
    for (shape, cloud) in all
        .iter()
        .enumerate()
        .filter(|(_, cloud)| cloud.len() >= SPARSE)
    {
        let moments = covariance(cloud.points().chunks_exact(3));
        let values = eigenvalues(moments);
        if values[1].max(0.0).sqrt() > LONG * values[2].max(0.0).sqrt() {
            continue;
        }
        let Some([x, y, z]) = eigenvector(moments, values[2]) else {
            continue;
        };
        let class = classes.and_then(|classes| classes.get(shape)).copied();
        let (count, sums) = axes.entry(class.unwrap_or(0)).or_default();
        *count += 1;
        // An axis has no sign; its products have none either.
        for (sum, product) in sums
            .iter_mut()
            .zip([x * x, x * y, x * z, y * y, y * z, z * z])
        {
            *sum += product;
        }
    }
    let (mut shapes, mut aligned) = (0, 0.0);
    for (count, sums) in axes.into_values().filter(|(count, _)| *count >= DIRECTED) {
        shapes += count;
        aligned += eigenvalues(sums)[2];
    }
    let alignment = aligned / shapes.max(1) as f64;
    (shapes > 0 && alignment < ALIGNED).then(|| Finding {
        kind: "mixed-orientation".to_owned(),
        severity: Severity::Note,
        columns: Vec::new(),
        message: format!("{shapes} long shapes lie in different directions from others of their class"),
        evidence: Evidence {
            rows: Vec::new(),
            count: shapes,
            figure: format!("alignment of their longest axes {alignment:.2}, of 0.33 (any) to 1 (one direction)"),
        },
        remedy: "turn them alike if the direction is known and tells something; else models that do not see directions are best".to_owned(),
        action: None,
    })
}

/// A finding about some shapes; none when there are none.
fn shown(kind: &str, rows: &[usize], all: usize, what: &str, remedy: &str) -> Option<Finding> {
    const SHOWN: usize = 20;
    if rows.is_empty() {
        return None;
    }
    let many = rows.len() as f64 > MANY * all as f64;
    Some(Finding {
        kind: kind.to_owned(),
        severity: if many {
            Severity::Warning
        } else {
            Severity::Note
        },
        columns: Vec::new(),
        message: format!("{} of {all} {what}", rows.len()),
        evidence: Evidence {
            rows: rows.iter().take(SHOWN).map(|row| row + 1).collect(),
            count: rows.len(),
            figure: format!("{:.1} %", 100.0 * rows.len() as f64 / all.max(1) as f64),
        },
        remedy: remedy.to_owned(),
        action: None,
    })
}

/// For each shape the first of which it is a copy, often itself: the same points to four digits, once position and size are gone.
fn firsts(clouds: &[Cloud]) -> Vec<usize> {
    let mut known = std::collections::HashMap::new();
    let key = |cloud: &Cloud| -> Vec<i16> {
        // The order of the points is that of the shape, not of the file; but equally far points may change places.
        let mut points: Vec<[i16; 3]> = cloud
            .points()
            .chunks_exact(3)
            .map(|p| [p[0], p[1], p[2]].map(|x| (x * 1e4).round() as i16))
            .collect();
        points.sort_unstable();
        points.concat()
    };
    clouds
        .iter()
        .enumerate()
        .map(|(place, cloud)| match cloud.is_empty() {
            true => place,
            false => *known.entry(key(cloud)).or_insert(place),
        })
        .collect()
}

/// Pairs of shapes that are nearly, and not exactly, the same.
fn near_pairs(clouds: &CloudUnits, firsts: &[usize]) -> Vec<(usize, usize)> {
    let all = clouds.clouds();
    let indices: Vec<usize> = (0..all.len())
        .filter(|&i| !all[i].is_empty() && firsts[i] == i)
        .collect();
    let descriptors = clouds.descriptors(&indices);
    let rows: Vec<&[f32]> = descriptors.chunks_exact(DESCRIPTORS).collect();
    let square =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let pairs = rows.par_iter().enumerate().flat_map_iter(|(i, own)| {
        let mut order: Vec<(f32, usize)> = (0..i).map(|j| (square(own, rows[j]), j)).collect();
        let kept = COMPARED.min(order.len());
        if kept > 0 && kept < order.len() {
            order.select_nth_unstable_by(kept - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        order.truncate(kept);
        order.sort_unstable_by_key(|(_, j)| *j);
        let near: Vec<(usize, usize)> = order
            .into_iter()
            .filter(|(_, j)| apart(&all[indices[i]], &all[indices[*j]]) < NEAR)
            .map(|(_, j)| (indices[j], indices[i]))
            .collect();
        near.into_iter()
    });
    pairs.collect()
}

/// The mean distance of the points of one shape to the other, both ways, the greater of the two.
fn apart(a: &Cloud, b: &Cloud) -> f32 {
    let first = |cloud: &Cloud| -> Vec<f32> {
        let end = 3 * cloud.len().min(COMPARED_POINTS);
        cloud.points()[..end].to_vec()
    };
    // A sample to all points that are kept: two samples of one surface are hardly apart then.
    let one_way = |from: &[f32], to: &Cloud| {
        let Ok(tree) = candor_kernels::KdTree::new(to.points(), 3, &[0, to.len()]) else {
            return f32::INFINITY;
        };
        let count = from.len() / 3;
        let Ok(near) = candor_kernels::k_nearest(&tree, from, &[0, count], 1) else {
            return f32::INFINITY;
        };
        let distance = |(p, &n): (&[f32], &u32)| {
            let q = &to.points()[3 * n as usize..3 * n as usize + 3];
            p.iter()
                .zip(q)
                .map(|(p, q)| (p - q) * (p - q))
                .sum::<f32>()
                .sqrt()
        };
        let sum: f32 = from.chunks_exact(3).zip(near.indices()).map(distance).sum();
        sum / count.max(1) as f32
    };
    one_way(&first(a), b).max(one_way(&first(b), a))
}

fn is_flat(cloud: &Cloud) -> bool {
    let shape = &cloud.intrinsic().shape;
    // Deviations along the principal axes, the least first: see `Intrinsic`.
    let place = crate::intrinsic::AXES;
    shape.get(place).is_some_and(|least| *least < FLAT)
}

/// Whether a point is much farther from its fourth neighbour than points are.
fn has_outliers(cloud: &Cloud) -> bool {
    const NEIGHBOUR: usize = 4;
    let count = cloud.len();
    if count < SPARSE {
        return false;
    }
    let points = cloud.points();
    let Ok(near) = candor_kernels::nearest_neighbours(points, 3, &[0, count], NEIGHBOUR + 1) else {
        return false;
    };
    let mut distances: Vec<f32> = (0..count)
        .map(|point| {
            let last = near.indices()[near.row(point)].last().copied().unwrap_or(0);
            crate::geodesic::air(points, point, last as usize)
        })
        .collect();
    distances.sort_by(f32::total_cmp);
    let middle = distances[count / 2];
    distances
        .last()
        .is_some_and(|last| middle > 0.0 && *last > OUTLYING * middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    fn blob(number: u64, flat: bool) -> Vec<f32> {
        let mut stream = Seed(number).stream("blob", &[]);
        (0..200)
            .flat_map(|_| {
                let [a, b] = [0, 1].map(|_| stream.random_range(0.0f32..6.3));
                let z = if flat { 0.0 } else { b.cos() };
                [
                    a.cos() * (1.5 + b.sin()),
                    a.sin() * (1.0 + number as f32 * 0.1),
                    z,
                ]
            })
            .collect()
    }

    fn kinds(clouds: Vec<Vec<f32>>, classes: Option<&[u32]>, parts: &[u8]) -> Vec<String> {
        let made = clouds
            .iter()
            .map(|points| Cloud::from_flat(points, 1024).unwrap());
        let units = CloudUnits::units(made.collect());
        let found = curate_clouds(CloudUnits::of(&units).unwrap(), classes, parts);
        found
            .into_iter()
            .map(|f| format!("{} {}", f.kind, f.evidence.count))
            .collect()
    }

    #[test]
    fn faults_that_were_put_in_are_found_and_nothing_else() {
        let clean: Vec<Vec<f32>> = (0..12).map(|n| blob(n, false)).collect();
        let none: [&str; 0] = [];
        assert_eq!(kinds(clean.clone(), None, &[]), none);
        let mut copied = clean.clone();
        let moved: Vec<f32> = clean[2].iter().map(|x| 2.0 * x + 1.0).collect();
        copied.push(moved);
        assert_eq!(kinds(copied.clone(), None, &[]), ["duplicate-shapes 1"]);
        let mut classes = vec![0; 13];
        assert_eq!(kinds(copied.clone(), Some(&classes), &[]).len(), 1);
        classes[12] = 1;
        let found = kinds(copied.clone(), Some(&classes), &[]);
        assert_eq!(found, ["duplicate-shapes 1", "contradicting-shapes 1"]);
        let mut parts = vec![0; 13];
        assert_eq!(kinds(copied.clone(), None, &parts), none);
        parts[12] = 1;
        assert_eq!(kinds(copied, None, &parts), ["shapes-across-parts 1"]);

        let mut odd = clean.clone();
        let mut stream = Seed(9).stream("noise", &[]);
        odd.push(
            clean[1]
                .iter()
                .map(|x| x + stream.random_range(-0.005f32..0.005))
                .collect(),
        );
        assert_eq!(kinds(odd, None, &[]), ["near-duplicate-shapes 1"]);
        let mut odd = clean.clone();
        odd.push(blob(20, true));
        assert_eq!(kinds(odd, None, &[]), ["flat-shapes 1"]);
        let mut odd = clean.clone();
        odd.push(blob(20, false).iter().map(|x| x * 1000.0).collect());
        assert_eq!(kinds(odd, None, &[]), ["different-scales 1"]);
        let mut odd = clean.clone();
        let mut far = blob(20, false);
        far.extend([30.0, 0.0, 0.0]);
        odd.push(far);
        assert_eq!(kinds(odd, None, &[]), ["outlier-points 1"]);
        let mut odd = clean;
        odd.push(blob(20, false)[..60].to_vec());
        assert_eq!(
            kinds(odd, None, &[]),
            ["sparse-shapes 1", "uneven-density 1"]
        );
    }

    #[test]
    fn shapes_that_lie_anyhow_are_told_from_shapes_that_lie_alike() {
        let rod = |number: u64, turned: bool| {
            let mut stream = Seed(number).stream("rod", &[]);
            let turn = match turned {
                true => crate::Rotation::Any.draw(&mut stream),
                false => crate::Rotation::Fixed.draw(&mut stream),
            };
            let mut points: Vec<f32> = (0..200)
                .flat_map(|_| {
                    let [a, b, c] = [0, 1, 2].map(|_| stream.random_range(-1.0f32..1.0));
                    [a, 0.3 * b, 0.2 * c]
                })
                .collect();
            crate::augmentation::turned(&mut points, &turn);
            points
        };
        let none: [&str; 0] = [];
        let alike = (0..20).map(|n| rod(n, false)).collect();
        assert_eq!(kinds(alike, None, &[]), none);
        let anyhow: Vec<Vec<f32>> = (0..20).map(|n| rod(n, true)).collect();
        assert_eq!(kinds(anyhow.clone(), None, &[]), ["mixed-orientation 20"]);
        // Of twenty classes none has enough.
        let classes: Vec<u32> = (0..20).collect();
        assert_eq!(kinds(anyhow, Some(&classes), &[]), none);
    }
}
