use candor_core::Seed;
use candor_train::Units;
use rand::seq::SliceRandom;

use super::changed;
use crate::CloudUnits;

const OCTANTS: usize = 8;

/// The octant of a point: a bit an axis, set where the coordinate is positive.
pub(crate) fn octant(p: &[f32]) -> usize {
    p.iter()
        .enumerate()
        .map(|(axis, x)| usize::from(*x > 0.0) << axis)
        .sum()
}

/// Names of the eight parts of space about the centre of a shape.
pub fn octant_names() -> Vec<String> {
    let sign = |octant: usize, axis: usize| if octant >> axis & 1 == 1 { '+' } else { '-' };
    (0..OCTANTS)
        .map(|o| format!("octant {}x {}y {}z", sign(o, 0), sign(o, 1), sign(o, 2)))
        .collect()
}

/// Shapes in which one octant, counted as in [`octant_names`], holds the points of another shape among them: what the model loses then is what
/// it owes to that part.
///
/// # Reference
/// Breiman, "Random Forests", 2001, section 10 (permutation importance).
pub fn octant_shuffled(clouds: &CloudUnits, indices: &[usize], part: usize, seed: Seed) -> Units {
    let mut others = indices.to_vec();
    others.shuffle(&mut seed.stream("octant", &[part as u64]));
    let other_of: std::collections::BTreeMap<usize, usize> =
        indices.iter().copied().zip(others).collect();
    changed(clouds, indices, |index, points| {
        let other = other_of.get(&index).and_then(|&other| clouds.get(other));
        let other = other.map(|cloud| cloud.points()).unwrap_or_default();
        let own = points.chunks_exact(3).filter(|p| octant(p) != part);
        let foreign = other.chunks_exact(3).filter(|p| octant(p) == part);
        own.chain(foreign).flatten().copied().collect()
    })
}

/// Shapes whose octants changed places at random, each mirrored into its new one: each part is one that occurs, the whole is not. A model
/// should notice that these shapes are unlike its training data.
pub fn octants_exchanged(clouds: &CloudUnits, indices: &[usize], seed: Seed) -> Units {
    changed(clouds, indices, |index, points| {
        let mut places: Vec<usize> = (0..OCTANTS).collect();
        places.shuffle(&mut seed.stream("exchange", &[index as u64]));
        let moved = points.chunks_exact(3).flat_map(|p| {
            let to = places[octant(p)];
            let moved: [f32; 3] = std::array::from_fn(|axis| {
                // From the far side inwards: what was at the edge comes to the middle.
                let inwards = 1.0 - p[axis].abs();
                if to >> axis & 1 == 1 {
                    inwards
                } else {
                    -inwards
                }
            });
            moved
        });
        moved.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cloud;

    #[test]
    fn parts_come_from_other_shapes() {
        assert_eq!(octant_names()[5], "octant +x -y +z");
        let shape = |scale: f32| {
            let at = [-1.0f32, -0.5, 0.5, 1.0];
            let mut points = Vec::new();
            for x in at {
                for y in at {
                    for z in at {
                        points.extend([x, y * scale, z]);
                    }
                }
            }
            Cloud::from_flat(&points, 1024).unwrap()
        };
        let units = CloudUnits::units(vec![shape(1.0), shape(0.2)]);
        let clouds = CloudUnits::of(&units).unwrap();
        // Of two shapes some seed exchanges them.
        let exchanged = (0..20).any(|seed| {
            let mixed = octant_shuffled(clouds, &[0, 1], 7, Seed(seed));
            let mixed = CloudUnits::of(&mixed).unwrap();
            mixed.clouds()[0].len() == 64
                && mixed.clouds()[0].points() != clouds.clouds()[0].points()
        });
        assert!(exchanged);
        let strange = octants_exchanged(clouds, &[0], Seed(2));
        let strange = CloudUnits::of(&strange).unwrap();
        assert!(strange.clouds()[0].points() != clouds.clouds()[0].points());
    }
}
