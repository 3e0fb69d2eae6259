use rand::{Rng, RngExt};

use crate::space::{Axis, Cube};

/// A density over the unit cube: a mixture of the uniform density and of one product kernel around each of some points, all with
/// the same weight.
///
/// Densities are relative to the uniform one, so that products over many axes stay within the range of numbers. A kernel is
/// uniform on an axis that is not active at its point, so that conditional choices need no density of their own.
///
/// # Reference
/// Bergstra et al. 2011; multivariate as in Falkner et al. 2018 (BOHB); kernels of categories as in Aitchison & Aitken 1976.
pub(super) struct Parzen {
    axes: Vec<Kernels>,
    /// For each point, what [`Kernels`] needs to know of it on each axis.
    points: Vec<Vec<Place>>,
}

/// A kernel that is this far below the uniform density adds nothing that could be seen, whatever its other axes say.
const NOTHING: f64 = 1e-12;

/// Where a point lies on an axis.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The choice is not active.
    Nowhere,
    /// At a value, counted from 0.
    Level(usize),
    /// At a coordinate.
    Coordinate(f64),
}

/// The kernels of one axis.
enum Kernels {
    /// `density[a * levels + b]`: of value `b` under the kernel around value `a`.
    Levels { levels: usize, density: Vec<f64> },
    /// Normal distributions of this width, folded back at both ends of the axis.
    Line { width: f64 },
}

impl Parzen {
    /// The density around `points`, given as [`places`] gives them.
    pub(super) fn new(cube: &Cube, points: Vec<Vec<Place>>) -> Parzen {
        let open = cube.axes.iter().filter(|axis| axis.is_open()).count();
        let width = 0.2 * (points.len().max(1) as f64).powf(-1.0 / (open as f64 + 4.0));
        let axes = cube
            .axes
            .iter()
            .map(|axis| Kernels::new(axis, points.len(), width));
        Parzen {
            axes: axes.collect(),
            points,
        }
    }

    /// The density at a place, relative to the uniform one.
    pub(super) fn density(&self, place: &[Place]) -> f64 {
        let kernels = self.points.iter().map(|point| {
            let mut product = 1.0;
            for (kernels, (from, to)) in self.axes.iter().zip(point.iter().zip(place)) {
                product *= kernels.density(from, to);
                if product < NOTHING {
                    return 0.0;
                }
            }
            product
        });
        (1.0 + kernels.sum::<f64>()) / (1 + self.points.len()) as f64
    }

    /// A point drawn from the density.
    pub(super) fn sample<R: Rng>(&self, cube: &Cube, rng: &mut R) -> Vec<f64> {
        let component = rng.random_range(0..=self.points.len());
        let Some(around) = self.points.get(component) else {
            return cube.sample(rng);
        };
        cube.build(|i, axis| self.axes[i].sample(axis, around[i], rng))
    }
}

/// Where a point lies on each axis.
pub(super) fn places(cube: &Cube, point: &[f64]) -> Vec<Place> {
    let place = |(axis, &u): (&Axis, &f64)| match axis.levels {
        _ if u.is_nan() => Place::Nowhere,
        Some(_) => Place::Level(axis.level(u)),
        None => Place::Coordinate(u),
    };
    cube.axes.iter().zip(point).map(place).collect()
}

impl Kernels {
    fn new(axis: &Axis, points: usize, width: f64) -> Kernels {
        let Some(levels) = axis.levels else {
            return Kernels::Line { width };
        };
        let mut density = Vec::with_capacity(levels * levels);
        for from in 0..levels {
            let weight = |to: usize| {
                if axis.ordered {
                    let distance = (axis.centre(from) - axis.centre(to)) / width;
                    // A little for every value, so that the farthest ones are not ruled out.
                    (-0.5 * distance * distance).exp() + 0.01
                } else {
                    // One count at the point's value and one prior count shared by all, over all points.
                    f64::from(u8::from(from == to)) + 1.0 / (points + 1) as f64
                }
            };
            let total: f64 = (0..levels).map(weight).sum();
            density.extend((0..levels).map(|to| weight(to) * levels as f64 / total));
        }
        Kernels::Levels { levels, density }
    }

    fn density(&self, from: &Place, to: &Place) -> f64 {
        match (self, from, to) {
            (Kernels::Levels { levels, density }, Place::Level(from), Place::Level(to)) => {
                density[from * levels + to]
            }
            (Kernels::Line { width }, Place::Coordinate(from), Place::Coordinate(to)) => {
                let bell = |distance: f64| {
                    let z = distance / width;
                    if z.abs() > 6.0 {
                        0.0
                    } else {
                        (-0.5 * z * z).exp()
                    }
                };
                let folded = bell(from - to) + bell(from + to) + bell(2.0 - from - to);
                folded / (width * (2.0 * std::f64::consts::PI).sqrt())
            }
            _ => 1.0,
        }
    }

    /// A coordinate drawn from the kernel around a place.
    fn sample<R: Rng>(&self, axis: &Axis, around: Place, rng: &mut R) -> f64 {
        match (self, around) {
            (Kernels::Levels { levels, density }, Place::Level(from)) => {
                let mut left = rng.random::<f64>() * *levels as f64;
                let row = &density[from * levels..(from + 1) * levels];
                let drawn = row.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                axis.centre(drawn.unwrap_or(levels - 1))
            }
            (Kernels::Line { width }, Place::Coordinate(from)) => {
                let there = (from + width * normal(rng)).rem_euclid(2.0);
                if there >= 1.0 { 2.0 - there } else { there }
            }
            _ => rng.random(),
        }
    }
}

/// A draw of the standard normal distribution (Box & Muller 1958).
fn normal<R: Rng>(rng: &mut R) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;
    use crate::{Choice, Space};

    #[test]
    fn a_density_adds_up_to_one_and_is_what_is_drawn() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["a", "b", "c"]),
            Choice::ordered("width", [1, 2, 4, 8]).when("kind", ["a", "b"]),
            Choice::reals("rate", 0.0, 1.0),
        ])
        .unwrap();
        let cube = Cube::new(&space);
        let around: Vec<Vec<Place>> = [[0.5, 0.875, 0.05], [5.0 / 6.0, f64::NAN, 0.9]]
            .iter()
            .map(|point| places(&cube, point))
            .collect();
        let parzen = Parzen::new(&cube, around);
        let mut rng = Seed(1).stream("test", &[]);
        let count = 100_000;
        let (mut total, mut drawn, mut expected) = (0.0, 0.0, 0.0);
        let is_b_wide_low = |p: &[f64]| p[0] == 0.5 && p[1] > 0.8 && p[2] < 0.3;
        for _ in 0..count {
            let uniform = cube.sample(&mut rng);
            let density = parzen.density(&places(&cube, &uniform));
            total += density;
            expected += density * f64::from(u8::from(is_b_wide_low(&uniform)));
            drawn += f64::from(u8::from(is_b_wide_low(&parzen.sample(&cube, &mut rng))));
        }
        let count = f64::from(count);
        assert!(
            (total / count - 1.0).abs() < 0.03,
            "the integral is {}",
            total / count
        );
        assert!(
            ((drawn - expected) / count).abs() < 0.01,
            "drawn {}, by density {}",
            drawn / count,
            expected / count
        );
        assert!(drawn / count > 0.1);
    }
}
