use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::notebook::{Notebook, Trials};
use crate::space::{Axis, Cube};
use crate::{Design, DesignError, Observation, Sampler, Space};

/// Draws of a neighbour before a neighbourhood is taken to be tried in full.
const TRIES: usize = 48;
/// Designs whose neighbourhoods are looked through for a suggestion.
const CENTRES: usize = 8;
/// Designs drawn at random before the search begins.
const START: usize = 10;

/// Local search: tries the untried neighbours of the best design; when there is none left, those of the second best, and so on.
///
/// A neighbour differs in one active choice. The first designs are drawn at random.
///
/// # Reference
/// White et al. 2020, "Exploring the Loss Landscape in Neural Architecture Search" (local search, "query until lower"). There a
/// local optimum ends the search and a new start is drawn; here the next best design of the history goes on, which costs no
/// evaluations of random designs.
#[derive(Default)]
pub struct LocalSearch {
    notebook: Notebook,
}

impl Sampler for LocalSearch {
    fn name(&self) -> &'static str {
        "local_search"
    }

    fn suggest(
        &mut self,
        space: &Space,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError> {
        let cube = Cube::new(space);
        let trials = self.notebook.read(space, &cube, history);
        if trials.all.len() < START {
            return space.sample(rng);
        }
        let order = trials.ranked();
        neighbour_of_best(&cube, &trials, &order, rng).map_or_else(|| space.sample(rng), Ok)
    }
}

/// An untried, valid neighbour of the first of `order` that has one; failed trials have none.
pub(super) fn neighbour_of_best(
    cube: &Cube,
    trials: &Trials,
    order: &[usize],
    rng: &mut ChaCha8Rng,
) -> Option<Design> {
    let scored = order.iter().filter(|&&i| trials.all[i].loss.is_finite());
    scored.take(CENTRES).find_map(|&i| {
        (0..TRIES).find_map(|_| {
            let neighbour = untried_neighbour(cube, trials, &trials.all[i].point, rng)?;
            cube.design(&neighbour)
        })
    })
}

/// One draw of a neighbour of a point; `None` when it was tried before, or there is nothing to change.
pub(super) fn untried_neighbour(
    cube: &Cube,
    trials: &Trials,
    point: &[f64],
    rng: &mut ChaCha8Rng,
) -> Option<Vec<f64>> {
    let open: Vec<usize> = (0..cube.axes.len())
        .filter(|&axis| !point[axis].is_nan() && cube.axes[axis].is_open())
        .collect();
    if open.is_empty() {
        return None;
    }
    let changed = open[rng.random_range(0..open.len())];
    let neighbour = step(cube, point, changed, rng);
    (!trials.seen.contains(&Cube::key(&neighbour))).then_some(neighbour)
}

/// The point with another value on one axis; axes that become active are drawn.
///
/// A value without order is replaced by any other. One with order moves to a fresh place half of the time, else nearby: by a
/// distance drawn log-uniformly between a hundredth and a quarter of the range, at least to the next value.
fn step(cube: &Cube, point: &[f64], changed: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    cube.build(|i, axis| {
        let here = point[i];
        if here.is_nan() {
            rng.random()
        } else if i == changed {
            another(axis, here, rng)
        } else {
            here
        }
    })
}

/// Another coordinate of an axis.
fn another(axis: &Axis, here: f64, rng: &mut ChaCha8Rng) -> f64 {
    let nearby =
        axis.ordered && axis.levels.is_none_or(|levels| levels > 3) && rng.random::<bool>();
    let distance = 0.01 * 25f64.powf(rng.random());
    let up = rng.random::<bool>();
    match (axis.levels, nearby) {
        (None, false) => rng.random(),
        (None, true) => {
            let there = (if up { here + distance } else { here - distance }).abs();
            if there >= 1.0 { 2.0 - there } else { there }
        }
        (Some(levels), false) => {
            let level = axis.level(here);
            let other = rng.random_range(0..levels - 1);
            axis.centre(other + usize::from(other >= level))
        }
        (Some(levels), true) => {
            let level = axis.level(here);
            let steps = (distance * levels as f64).round().max(1.0) as usize;
            let up = level < steps || (up && level + steps < levels);
            axis.centre(if up {
                (level + steps).min(levels - 1)
            } else {
                level - steps
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;
    use crate::Choice;

    #[test]
    fn steps_stay_in_the_space_and_reach_all_of_a_neighbourhood() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["a", "b", "c"]),
            Choice::integers("depth", 1, 9),
            Choice::reals("rate", 0.0, 1.0).when("kind", ["a"]),
        ])
        .unwrap();
        let cube = Cube::new(&space);
        let mut rng = Seed(1).stream("test", &[]);
        let here = [cube.axes[0].centre(0), cube.axes[1].centre(8), 0.5];
        let mut depths = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let depth = step(&cube, &here, 1, &mut rng);
            assert!((depth[0], depth[2]) == (here[0], here[2]));
            depths.insert(cube.axes[1].level(depth[1]));
            let kind = step(&cube, &here, 0, &mut rng);
            assert!(kind[0] != here[0] && kind[1] == here[1] && kind[2].is_nan());
            let rate = step(&cube, &here, 2, &mut rng);
            assert!((0.0..1.0).contains(&rate[2]) && rate[2] != 0.5);
        }
        assert!((0..8).all(|level| depths.contains(&level)));
    }

    #[test]
    fn the_second_best_goes_on_where_the_best_has_no_untried_neighbour() {
        let space = Space::new(vec![
            Choice::categorical("x", [0, 1, 2]),
            Choice::categorical("y", [0, 1, 2]),
        ])
        .unwrap();
        let cube = Cube::new(&space);
        let tried = [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), (1, 1), (2, 2)];
        let history: Vec<Observation> = tried
            .iter()
            .enumerate()
            .map(|(trial, (x, y))| Observation {
                trial,
                design: Design::new().with("x", *x).with("y", *y),
                rung: 0,
                loss: Some(trial as f64),
                parameters: 1,
            })
            .collect();
        let mut notebook = Notebook::default();
        let trials = notebook.read(&space, &cube, &history);
        let order = trials.ranked();
        let mut rng = Seed(1).stream("test", &[]);
        // All neighbours of (0, 0) are tried; (1, 0) has one that is not: (1, 2).
        let next = neighbour_of_best(&cube, &trials, &order, &mut rng).unwrap();
        assert_eq!(next, Design::new().with("x", 1).with("y", 2));
    }
}
