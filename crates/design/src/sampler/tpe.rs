use rand_chacha::ChaCha8Rng;

use super::notebook::{Notebook, Trials};
use super::parzen::{Parzen, places};
use crate::space::Cube;
use crate::{Design, DesignError, Observation, Sampler, Space};

/// The tree-structured Parzen estimator, multivariate: models where the best trials lie and where the others lie, draws candidates from
/// the first model, and takes the one at which the ratio of the two densities is greatest.
///
/// Failed trials count among the others. Candidates that were tried before are passed over. The first designs are drawn at random.
///
/// # Reference
/// Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; the numbers are those of Optuna's and BOHB's defaults: 10
/// trials at random, the best tenth (at most 25), 24 candidates.
#[derive(Default)]
pub struct Tpe {
    notebook: Notebook,
}

/// Trials drawn at random before the models are fitted.
const START: usize = 10;
/// Candidates drawn for each suggestion.
const CANDIDATES: usize = 24;
/// One in how many trials counts among the best, and how many at most.
const BEST_SHARE: usize = 10;
const MOST_BEST: usize = 25;
/// Other trials that the second model rests on at most.
const MOST_OTHERS: usize = 256;

impl Sampler for Tpe {
    fn name(&self) -> &'static str {
        "tpe"
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
        promising(&cube, &trials, &order, rng).map_or_else(|| space.sample(rng), Ok)
    }
}

/// The most promising untried candidate, see [`Tpe`]; `None` when all drawn ones were tried or are excluded.
pub(super) fn promising(
    cube: &Cube,
    trials: &Trials,
    order: &[usize],
    rng: &mut ChaCha8Rng,
) -> Option<Design> {
    let good = density(cube, trials, best(trials, order));
    // Their density is as well known from some of them, evenly spaced by rank.
    let others = &order[best(trials, order).len()..];
    let step = others.len().div_ceil(MOST_OTHERS).max(1);
    let others: Vec<usize> = others.iter().copied().step_by(step).collect();
    let others = density(cube, trials, &others);
    let drawn = untried(cube, trials, &good, CANDIDATES, rng);
    let mut candidates: Vec<(f64, Vec<f64>)> = drawn
        .into_iter()
        .map(|point| {
            let place = places(cube, &point);
            (others.density(&place) / good.density(&place), point)
        })
        .collect();
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    candidates.iter().find_map(|(_, point)| cube.design(point))
}

/// Draws from the density of the best, without those that were tried.
pub(super) fn candidates(
    cube: &Cube,
    trials: &Trials,
    order: &[usize],
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<f64>> {
    let good = density(cube, trials, best(trials, order));
    untried(cube, trials, &good, count, rng)
}

/// The best of the ranked trials; none that failed.
fn best<'a>(trials: &Trials, order: &'a [usize]) -> &'a [usize] {
    let scored = order.iter().filter(|&&i| trials.all[i].loss.is_finite());
    let count = order.len().div_ceil(BEST_SHARE).min(MOST_BEST);
    &order[..count.min(scored.count())]
}

fn density(cube: &Cube, trials: &Trials, of: &[usize]) -> Parzen {
    let place = |&i: &usize| places(cube, &trials.all[i].point);
    Parzen::new(cube, of.iter().map(place).collect())
}

fn untried(
    cube: &Cube,
    trials: &Trials,
    density: &Parzen,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<f64>> {
    let drawn = (0..count).map(|_| density.sample(cube, rng));
    drawn
        .filter(|point| !trials.seen.contains(&Cube::key(point)))
        .collect()
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use serde_json::Value;

    use super::*;
    use crate::{Choice, Random};

    #[test]
    fn it_follows_a_conditional_choice_and_beats_random() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["a", "b", "c", "d"]),
            Choice::reals("x", 0.0, 1.0).when("kind", ["b"]),
            Choice::reals("y", 0.0, 1.0),
        ])
        .unwrap();
        let loss = |design: &Design| {
            let number = |name: &str| design.get(name).and_then(Value::as_f64);
            let x = number("x").map_or(1.0, |x| (x - 0.2).abs());
            x + (number("y").unwrap_or(0.0) - 0.9).abs()
        };
        let best = |sampler: &mut dyn Sampler, seed: u64| {
            let mut history: Vec<Observation> = Vec::new();
            for trial in 0..60 {
                let mut rng = Seed(seed).stream("suggest", &[trial as u64]);
                let design = sampler.suggest(&space, &history, &mut rng).unwrap();
                let loss = Some(loss(&design));
                history.push(Observation {
                    trial,
                    design,
                    rung: 0,
                    loss,
                    parameters: 1,
                });
            }
            let losses = history.iter().filter_map(|seen| seen.loss);
            losses.fold(f64::INFINITY, f64::min)
        };
        let mean = |make: &dyn Fn() -> Box<dyn Sampler>| {
            (0..10).map(|seed| best(make().as_mut(), seed)).sum::<f64>() / 10.0
        };
        let (tpe, random) = (mean(&|| Box::<Tpe>::default()), mean(&|| Box::new(Random)));
        assert!(
            tpe < 0.5 * random,
            "mean best loss: TPE {tpe}, random {random}"
        );
    }
}
