use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

use candor_core::{Finding, Severity};
use rayon::prelude::*;

use super::Images;
use super::thumbnail::Thumbnails;
use crate::curate::row_keys::Fnv;
use crate::curate::{evidence, notice, percent};

/// The distance of a correlation of 0.998, below which two pictures always show the same.
const ALWAYS: f32 = 0.063;
/// The distance of a correlation of 0.96, above which they never do.
const FARTHEST: f32 = 0.283;
/// How much closer than the last of its [`NEAREST`] a picture is to a copy of it. Photographs are far from one another,
/// outlines on an empty ground are not: one distance does not serve both. By eye, on CIFAR-10 and Fashion-MNIST.
const CLOSER: f32 = 0.4;
/// Other pictures that are kept of each.
const NEAREST: usize = 8;
/// Neighbours in the order of the hashes that each picture is compared with.
const NEIGHBOURS: usize = 8;
/// Rotations of the hash by which pictures are ordered: a bit that differs hides a pair in the orders that it leads.
const ORDERS: u32 = 8;
/// Share of pictures from which a finding is a warning.
const MANY: f64 = 0.05;

/// What is wrong with pictures before anything is learned from them: constant ones, exact and near copies, copies with
/// other classes, copies across the parts of a split.
///
/// `classes` are the classes by picture, where pictures have one. `parts` says of each picture whether it is learned from (0)
/// or set aside (any other number); it is empty when the pictures are not split yet.
///
/// Near copies are found by perceptual hashes, put in order by eight rotations of their bits; each picture is compared with
/// its 8 next in each order, so the work grows with the number of pictures and hardly more. What is compared are
/// thumbnails of 16 x 16 pixels, whatever their brightness and contrast. Two pictures are near copies when these correlate
/// by 0.998, or by 0.96 and the two are much closer to each other than to others like them (a ratio of distances, as in
/// D. G. Lowe, *Distinctive image features from scale-invariant keypoints*, IJCV 60, 2004, section 7.1). Some pairs are missed,
/// above all where many copies crowd.
pub fn curate_images(images: &Images, classes: Option<&[u32]>, parts: &[u8]) -> Vec<Finding> {
    let constant = constant(images);
    let firsts = firsts(images, &constant);
    let near = near_pairs(images, &firsts, &constant);
    let all = images.len();
    let where_true = |is: &dyn Fn(usize) -> bool| (0..all).filter(|&i| is(i)).collect::<Vec<_>>();
    let mut near_copies: Vec<usize> = near.iter().map(|(_, later)| *later).collect();
    near_copies.sort_unstable();
    near_copies.dedup();
    let set_aside = parts.iter().filter(|part| **part != 0).count();
    let found = [
        (
            "constant-pictures",
            where_true(&|i| constant[i]),
            all,
            "pictures have the same value in every pixel",
            "look whether they were exported rightly; nothing can be learned from them",
        ),
        (
            "duplicate-pictures",
            where_true(&|i| firsts[i] != i),
            all,
            "pictures are exact copies of earlier ones",
            "remove them; copies on both sides of a split make scores too good",
        ),
        (
            "near-duplicate-pictures",
            near_copies,
            all,
            "pictures are nearly the same as earlier ones (scaled, brightened or stored anew)",
            "if they are takes of one scene, name the scene in a manifest and keep it together with `--group`",
        ),
        (
            "contradicting-pictures",
            classes.map_or(Vec::new(), |classes| contradicting(&firsts, classes)),
            all,
            "pictures have an exact copy with another class: no model can be right on both",
            "check their classes",
        ),
        (
            "pictures-across-parts",
            if parts.is_empty() {
                Vec::new()
            } else {
                across(&firsts, &near, parts)
            },
            set_aside,
            "pictures that are set aside show the same as one that is learned from",
            "remove copies, or name what they have in common with `--group`: test scores are too good because of them",
        ),
    ];
    found
        .into_iter()
        .filter_map(|(kind, rows, of, what, remedy)| shown(kind, &rows, of, what, remedy))
        .collect()
}

/// A finding about some pictures; none when there are none.
fn shown(kind: &str, rows: &[usize], all: usize, what: &str, remedy: &str) -> Option<Finding> {
    if rows.is_empty() {
        return None;
    }
    let share = percent(rows.len(), all);
    let severity = if rows.len() as f64 > MANY * all as f64 {
        Severity::Warning
    } else {
        Severity::Note
    };
    Some(notice(
        kind,
        severity,
        Vec::new(),
        format!("{} of {all} {what}", rows.len()),
        evidence(rows, share),
        remedy,
    ))
}

/// Which pictures have one value per channel.
fn constant(images: &Images) -> Vec<bool> {
    let size = images.size();
    let plane = size.height * size.width;
    let is_constant = |picture: &[u8]| {
        plane > 1
            && picture
                .chunks(plane)
                .all(|channel| channel.iter().all(|value| *value == channel[0]))
    };
    images
        .pixels()
        .par_chunks(size.len())
        .map(is_constant)
        .collect()
}

/// For each picture the first that is equal to it, often itself.
fn firsts(images: &Images, constant: &[bool]) -> Vec<usize> {
    let hash = |picture: &[u8]| {
        let mut hasher = Fnv::default();
        hasher.write(picture);
        hasher.finish()
    };
    let hashes: Vec<u64> = images
        .pixels()
        .par_chunks(images.size().len())
        .map(hash)
        .collect();
    let mut known: HashMap<u64, usize, Fnv> = HashMap::with_hasher(Fnv::default());
    let first = |(i, hash)| {
        let first = *known.entry(hash).or_insert(i);
        let equal = !constant[i] && images.get(first) == images.get(i);
        if equal { first } else { i }
    };
    hashes.into_iter().enumerate().map(first).collect()
}

/// The pairs of pictures that show the same, the earlier one first, without those that are equal or constant.
fn near_pairs(images: &Images, firsts: &[usize], constant: &[bool]) -> Vec<(usize, usize)> {
    let thumbnails = Thumbnails::of(images);
    let distinct: Vec<usize> = (0..images.len())
        .filter(|&i| firsts[i] == i && !constant[i])
        .collect();
    let nearest = nearest(&thumbnails, distinct);
    let usual = |i: usize| nearest[i][NEAREST - 1].0;
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (a, others) in nearest.iter().enumerate() {
        for &(distance, b) in others.iter().filter(|other| other.0 <= FARTHEST) {
            if distance <= ALWAYS || distance <= CLOSER * usual(a).min(usual(b)) {
                pairs.push((a.min(b), a.max(b)));
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// The nearest other pictures that were seen of each, by distance; what is not known is as far as what is unrelated.
type Nearest = [(f32, usize); NEAREST];

/// Compares each picture with its neighbours in several orders of the hashes.
fn nearest(thumbnails: &Thumbnails, pictures: Vec<usize>) -> Vec<Nearest> {
    const UNRELATED: (f32, usize) = (std::f32::consts::SQRT_2, usize::MAX);
    let mut nearest = vec![[UNRELATED; NEAREST]; thumbnails.hashes.len()];
    let mut ordered = pictures;
    for order in 0..ORDERS {
        let turned = |i: usize| thumbnails.hashes[i].rotate_left(order * u64::BITS / ORDERS);
        ordered.par_sort_unstable_by_key(|&i| (turned(i), i));
        let distances: Vec<[f32; NEIGHBOURS]> = (0..ordered.len())
            .into_par_iter()
            .map(|at| {
                let mut distances = [0.0; NEIGHBOURS];
                for (distance, b) in distances.iter_mut().zip(&ordered[at + 1..]) {
                    *distance = thumbnails.distance(ordered[at], *b);
                }
                distances
            })
            .collect();
        for (at, distances) in distances.iter().enumerate() {
            for (&distance, &b) in distances.iter().zip(&ordered[at + 1..]) {
                insert(&mut nearest[ordered[at]], (distance, b));
                insert(&mut nearest[b], (distance, ordered[at]));
            }
        }
    }
    nearest
}

fn insert(nearest: &mut Nearest, other: (f32, usize)) {
    if other.0 >= nearest[NEAREST - 1].0 || nearest.iter().any(|(_, i)| *i == other.1) {
        return;
    }
    let mut at = NEAREST - 1;
    while at > 0 && nearest[at - 1].0 > other.0 {
        nearest[at] = nearest[at - 1];
        at -= 1;
    }
    nearest[at] = other;
}

/// The pictures that have an equal one with another class.
fn contradicting(firsts: &[usize], classes: &[u32]) -> Vec<usize> {
    let differs =
        |(i, first): (usize, &usize)| (classes.get(i) != classes.get(*first)).then_some(*first);
    let groups: HashSet<usize> = firsts.iter().enumerate().filter_map(differs).collect();
    (0..firsts.len())
        .filter(|&i| groups.contains(&firsts[i]))
        .collect()
}

/// The pictures set aside that are equal or near to one that is learned from.
fn across(firsts: &[usize], near: &[(usize, usize)], parts: &[u8]) -> Vec<usize> {
    let learned = |i: usize| parts.get(i) == Some(&0);
    let mut known = vec![false; firsts.len()];
    for (i, &first) in firsts.iter().enumerate() {
        known[first] |= learned(i);
    }
    let mut shown = known.clone();
    for &(a, b) in near {
        shown[a] |= known[b];
        shown[b] |= known[a];
    }
    (0..firsts.len())
        .filter(|&i| !learned(i) && shown[firsts[i]])
        .collect()
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::Rng;

    use super::*;
    use crate::ImageSize;

    const SIZE: ImageSize = ImageSize {
        channels: 3,
        height: 24,
        width: 32,
    };

    /// Pictures of soft shapes, different from each other.
    fn shapes(count: usize) -> Vec<Vec<u8>> {
        let mut random = Seed(7).stream("shapes", &[]);
        let mut uniform = |low: f64, high: f64| {
            low + (high - low) * (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..count)
            .map(|_| {
                let waves: Vec<[f64; 5]> = (0..6)
                    .map(|_| {
                        [
                            uniform(0.0, 0.6),
                            uniform(0.0, 0.6),
                            uniform(0.0, 6.3),
                            uniform(5.0, 25.0),
                            uniform(0.0, 6.3),
                        ]
                    })
                    .collect();
                (0..SIZE.len())
                    .map(|i| {
                        let (x, y) = (i % SIZE.width, i / SIZE.width % SIZE.height);
                        let channel = (i / SIZE.width / SIZE.height) as f64;
                        let wave = |[a, b, c, d, e]: &[f64; 5]| {
                            d * (a * x as f64 + b * y as f64 + c + e * channel).sin()
                        };
                        (128.0 + waves.iter().map(wave).sum::<f64>()).clamp(0.0, 255.0) as u8
                    })
                    .collect()
            })
            .collect()
    }

    fn look(pictures: &[Vec<u8>], classes: Option<&[u32]>, parts: &[u8]) -> Vec<Finding> {
        let images = Images::new(SIZE, pictures.concat()).unwrap();
        curate_images(&images, classes, parts)
    }

    fn rows(findings: &[Finding], kind: &str) -> Vec<usize> {
        let found = findings.iter().find(|finding| finding.kind == kind);
        found.map_or(Vec::new(), |finding| finding.evidence.rows.clone())
    }

    #[test]
    fn different_pictures_have_no_findings() {
        let classes: Vec<u32> = (0..500).map(|i| i % 3).collect();
        let parts: Vec<u8> = (0..500).map(|i| u8::from(i % 5 == 0)).collect();
        assert_eq!(look(&shapes(500), Some(&classes), &parts), []);
        assert_eq!(look(&[], None, &[]), []);
    }

    #[test]
    fn copies_are_found_among_many_with_their_classes_and_parts() {
        let mut pictures = shapes(300);
        // 301 equals 5 and has another class; 302 is 6 brightened; 303 is 7 with noise; 304 and 305 are constant.
        pictures.push(pictures[4].clone());
        pictures.push(pictures[5].iter().map(|v| v.saturating_add(12)).collect());
        let noisy = |(i, v): (usize, &u8)| if i % 7 == 0 { v.saturating_sub(9) } else { *v };
        pictures.push(pictures[6].iter().enumerate().map(noisy).collect());
        pictures.push(vec![9; SIZE.len()]);
        pictures.push(vec![9; SIZE.len()]);
        let mut classes = vec![0; 305];
        classes[300] = 1;
        let mut parts = vec![0; 305];
        parts[5] = 1;
        parts[300] = 1;
        parts[304] = 1;
        let findings = look(&pictures, Some(&classes), &parts);
        assert_eq!(rows(&findings, "constant-pictures"), [304, 305]);
        assert_eq!(rows(&findings, "duplicate-pictures"), [301]);
        assert_eq!(rows(&findings, "near-duplicate-pictures"), [302, 303]);
        assert_eq!(rows(&findings, "contradicting-pictures"), [5, 301]);
        // 6 is set aside and its brightened copy is learned from.
        assert_eq!(rows(&findings, "pictures-across-parts"), [6, 301]);
        assert_eq!(findings.len(), 5);
    }

    #[test]
    fn copies_that_crowd_one_another_are_all_counted() {
        let one = shapes(1).remove(0);
        let findings = look(&vec![one; 100], None, &[]);
        let duplicates = findings.iter().find(|f| f.kind == "duplicate-pictures");
        assert_eq!(duplicates.map(|f| f.evidence.count), Some(99));
        assert_eq!(findings.len(), 1);
    }
}
