use rand::{Rng, RngExt};

use super::options::BELOW_ONE;
use super::{Options, Space};
use crate::Design;

/// Finite choices with more values than this are searched as if they were reals.
const MOST_LEVELS: u64 = 64;

/// A space as samplers that count see it: one axis of the unit cube a choice.
///
/// A point has one coordinate a choice, in `[0, 1)`, NaN where the choice is not active. Coordinates of finite choices
/// are always those of [`Space::to_unit`].
pub(crate) struct Cube<'a> {
    space: &'a Space,
    pub(crate) axes: Vec<Axis<'a>>,
}

/// One choice.
pub(crate) struct Axis<'a> {
    options: &'a Options,
    /// The number of values, where there are few enough to count them.
    pub(crate) levels: Option<usize>,
    /// Whether neighbouring coordinates mean similar designs.
    pub(crate) ordered: bool,
    /// The earlier axis and the coordinates of it for which this one is active.
    parent: Option<(usize, Vec<f64>)>,
}

impl Axis<'_> {
    /// The value at a coordinate, counted from 0. Only where there are levels.
    pub(crate) fn level(&self, u: f64) -> usize {
        self.options.level(u)
    }

    /// The coordinate of a value that is counted from 0. Only where there are levels.
    pub(crate) fn centre(&self, level: usize) -> f64 {
        self.options.centre(level)
    }

    /// The coordinate that stands for the value at `u`.
    pub(crate) fn snap(&self, u: f64) -> f64 {
        self.options.snap(u.clamp(0.0, BELOW_ONE))
    }

    /// Whether there is something to choose.
    pub(crate) fn is_open(&self) -> bool {
        self.options.len() != Some(1)
    }
}

impl<'a> Cube<'a> {
    pub(crate) fn new(space: &'a Space) -> Cube<'a> {
        let axes = space.choices.iter().map(|choice| {
            let parent = choice.when.as_ref().and_then(|condition| {
                let parent = space
                    .choices
                    .iter()
                    .position(|c| c.name == condition.choice)?;
                let options = &space.choices[parent].options;
                let places = condition.values.iter().map(|value| options.unit(value));
                Some((parent, places.collect()))
            });
            let few = choice.options.len().filter(|&count| count <= MOST_LEVELS);
            Axis {
                options: &choice.options,
                levels: few.map(|count| count as usize),
                ordered: !matches!(choice.options, Options::Categorical(_)),
                parent,
            }
        });
        Cube {
            space,
            axes: axes.collect(),
        }
    }

    /// Whether a choice is active, given the coordinates of all earlier ones.
    pub(crate) fn is_active(&self, axis: usize, point: &[f64]) -> bool {
        let parent = &self.axes[axis].parent;
        parent
            .as_ref()
            .is_none_or(|(parent, places)| places.contains(&point[*parent]))
    }

    /// The point whose active choices lie where `place` says, asked in order.
    pub(crate) fn build(&self, mut place: impl FnMut(usize, &Axis) -> f64) -> Vec<f64> {
        let mut point = Vec::with_capacity(self.axes.len());
        for (i, axis) in self.axes.iter().enumerate() {
            let u = if self.is_active(i, &point) {
                axis.snap(place(i, axis))
            } else {
                f64::NAN
            };
            point.push(u);
        }
        point
    }

    /// A point drawn uniformly, one active choice after the other.
    pub(crate) fn sample<R: Rng>(&self, rng: &mut R) -> Vec<f64> {
        self.build(|_, _| rng.random())
    }

    /// The design at a point; `None` when the space's rule excludes it.
    pub(crate) fn design(&self, point: &[f64]) -> Option<Design> {
        let design = self.space.build(|i, choice| {
            choice
                .options
                .at(if point[i].is_nan() { 0.0 } else { point[i] })
        });
        self.space.allows(&design).then_some(design)
    }

    /// Where a design lies.
    pub(crate) fn point(&self, design: &Design) -> Vec<f64> {
        let places = self.space.to_unit(design);
        places.into_iter().map(|u| u.unwrap_or(f64::NAN)).collect()
    }

    /// A number that points share when they are equal to nine digits.
    pub(crate) fn key(point: &[f64]) -> u64 {
        point.iter().fold(0xcbf2_9ce4_8422_2325, |hash, u| {
            let place = if u.is_nan() {
                u64::MAX
            } else {
                (u * 1e9).round() as u64
            };
            let mixed = (hash ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ (mixed >> 29)
        })
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;
    use crate::Choice;

    #[test]
    fn points_of_the_cube_are_designs_and_know_which_choices_are_active() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["a", "b"]),
            Choice::ordered("width", [8, 32, 128]).when("kind", ["b"]),
            Choice::log_integers("units", 1, 900),
            Choice::reals("rate", 0.0, 1.0).when("width", [32, 128]),
        ])
        .unwrap();
        let cube = Cube::new(&space);
        assert_eq!(cube.axes[1].levels, Some(3));
        assert_eq!(cube.axes[2].levels, None);
        assert!(cube.axes[1].ordered && !cube.axes[0].ordered);
        let mut rng = Seed(3).stream("test", &[]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let point = cube.sample(&mut rng);
            let design = cube.design(&point).unwrap();
            assert_eq!(space.check(&design).unwrap(), design);
            assert_eq!(point[1].is_nan(), design.get("width").is_none());
            assert_eq!(Cube::key(&cube.point(&design)), Cube::key(&point));
            seen.insert((point[0] < 0.5, point[3].is_nan()));
        }
        assert_eq!(seen.len(), 3, "`a` never has a rate, `b` sometimes");
    }
}
