use std::collections::HashSet;

use candor_core::Seed;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::notebook::Notebook;
use super::sobol_sequence::SobolSequence;
use crate::space::Cube;
use crate::{Design, DesignError, LAG, Observation, Sampler, Space};

/// Designs at the points of a scrambled Sobol sequence: spread more evenly over every choice, and over pairs of them, than independent
/// draws.
///
/// The points are those of one sequence for the whole study. A suggestion is one of the next few that were not tried yet, so that jobs
/// decided on from the same history rarely get the same one, and none is lost.
///
/// # Reference
/// Sobol 1967, "On the distribution of points in a cube"; Owen 1995 (scrambling).
pub struct Sobol {
    seed: Seed,
    notebook: Notebook,
    sequence: Option<SobolSequence>,
    /// The points that were worked out.
    points: Vec<Vec<f64>>,
}

/// Points that are looked through for a suggestion, for each trial of the history and besides.
const POINTS_A_TRIAL: usize = 4;
const MORE_POINTS: usize = 64;

impl Sobol {
    /// The sequence that `seed` scrambles.
    pub fn new(seed: Seed) -> Sobol {
        Sobol {
            seed,
            notebook: Notebook::default(),
            sequence: None,
            points: Vec::new(),
        }
    }

    /// The next design; `None` when the points that are looked through hold nothing new and valid.
    pub(super) fn next(
        &mut self,
        space: &Space,
        cube: &Cube,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Option<Design> {
        if !self.notebook.holds(space, history) {
            self.sequence = None;
            self.points.clear();
        }
        let trials = self.notebook.read(space, cube, history);
        let (axes, seed) = (cube.axes.len(), self.seed);
        let sequence = self
            .sequence
            .get_or_insert_with(|| SobolSequence::new(axes, seed));
        let mut met = HashSet::new();
        let mut new: Vec<usize> = Vec::with_capacity(LAG);
        for at in 0..POINTS_A_TRIAL * history.len() + MORE_POINTS {
            if at == self.points.len() {
                let point = cube.build(|axis, _| sequence.coordinate(at as u32, axis));
                self.points.push(point);
            }
            let key = Cube::key(&self.points[at]);
            let fresh = !trials.seen.contains(&key) && met.insert(key);
            if fresh && cube.design(&self.points[at]).is_some() {
                new.push(at);
            }
            if new.len() == LAG {
                break;
            }
        }
        if new.is_empty() {
            return None;
        }
        cube.design(&self.points[new[rng.random_range(0..new.len())]])
    }
}

impl Sampler for Sobol {
    fn name(&self) -> &'static str {
        "sobol"
    }

    fn suggest(
        &mut self,
        space: &Space,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError> {
        let cube = Cube::new(space);
        let next = self.next(space, &cube, history, rng);
        next.map_or_else(|| space.sample(rng), Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Choice;

    #[test]
    fn every_value_comes_up_about_as_often_as_every_other() {
        let space = Space::new(
            (0..6)
                .map(|i| Choice::integers(format!("x{i}"), 0, 4))
                .collect(),
        )
        .unwrap();
        let mut sampler = Sobol::new(Seed(5));
        let mut history = Vec::new();
        for trial in 0..50 {
            let mut rng = Seed(1).stream("test", &[trial as u64]);
            let design = sampler.suggest(&space, &history, &mut rng).unwrap();
            history.push(Observation {
                trial,
                design,
                rung: 0,
                loss: Some(1.0),
                parameters: 1,
            });
        }
        for i in 0..6 {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for seen in &history {
                let value = seen.design.get(&format!("x{i}")).unwrap().to_string();
                *counts.entry(value).or_default() += 1;
            }
            assert!(
                counts.len() == 5 && counts.values().all(|n| (7..=13).contains(n)),
                "choice {i}: {counts:?}"
            );
        }
    }
}
