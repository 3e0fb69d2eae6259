//! Which trials the ensemble holds.

use candor_challenge::standard_deviation;
use candor_core::{Distribution, Metric, Seed};
use candor_data::Fold;
use candor_train::select_ensemble;
use rand::RngExt;

use crate::EngineError;
use crate::designed::Designed;
use crate::objective::selection_loss;
use crate::trained::{Candidate, joined};

/// Rounds of greedy selection.
const ROUNDS: usize = 40;
/// Held-out units on which ensembles of quantiles are compared, at most.
const QUANTILE_UNITS: usize = 1_000;
/// Held-out units up to which chance may have chosen the best trial; with more, the best is the best.
const FEW_UNITS: usize = 5_000;
/// Candidates whose mean is taken where they cannot be told apart, at most.
const MOST_TIED: usize = 3;
/// Samples of the held-out units from which the standard error of a difference is computed.
const SAMPLES: usize = 25;

impl Designed {
    /// Weights of the candidates, by greedy selection on their out-of-fold predictions. Where few units would choose one alone, the mean of it and of
    /// others that cannot be told from it is taken: which is the best is chance there.
    pub(crate) fn choose(
        &self,
        candidates: &[Candidate],
        distinct: usize,
        seed: Seed,
    ) -> Result<Vec<(usize, f64)>, EngineError> {
        let prepared = &self.prepared;
        let mut folds = prepared.split.folds.clone();
        let mut joined = candidates
            .iter()
            .map(|c| joined(&c.members))
            .collect::<Result<Vec<_>, _>>()?;
        folds.truncate(candidates[0].members.len());
        let quantiles = |said: &Distribution| matches!(said, Distribution::Quantiles { .. });
        if joined.iter().any(quantiles) {
            // Thousands of mixtures are tried, and one of quantiles takes a hundred times as long as one of moments. Scores that look
            // at the mean alone need no more than moments; the others are computed on fewer rows.
            if matches!(prepared.metric, Metric::Rmse | Metric::Mae | Metric::R2) {
                joined.iter_mut().for_each(|said| *said = said.by_moments());
            } else {
                let places = fewer(&mut folds, QUANTILE_UNITS);
                joined
                    .iter_mut()
                    .for_each(|said| *said = said.select(&places));
            }
        }
        let views: Vec<&Distribution> = joined.iter().collect();
        let loss_on = |mixed: &Distribution, folds: &[Fold]| {
            let parts = cut(mixed, folds);
            let parts: Vec<(usize, &Distribution)> = parts.iter().enumerate().collect();
            let (metric, task) = (prepared.metric, prepared.target.task);
            selection_loss(metric, task, &parts, &prepared.targets, folds)
        };
        let loss = |mixed: &Distribution| loss_on(mixed, &folds);
        let Some(ensemble) = select_ensemble(&views, loss, ROUNDS, distinct)? else {
            let why = "no prediction is a finite number".into();
            return Err(EngineError::NothingTrained(why));
        };
        let units: usize = folds.iter().map(|fold| fold.validation.len()).sum();
        if ensemble.members.len() > 1 || units > FEW_UNITS || distinct == 1 {
            return Ok(ensemble.members);
        }
        let mut level = tied(&views, &folds, prepared.metric.jumps(), seed, &loss_on);
        level.truncate(MOST_TIED.min(distinct));
        level.sort_unstable();
        let weight = 1.0 / level.len() as f64;
        Ok(level
            .into_iter()
            .map(|candidate| (candidate, weight))
            .collect())
    }
}

/// The candidates that are behind the best by no more than one standard error of the difference, the best first. Units are sampled anew within folds
/// (the bootstrap of Efron 1979), the same ones for all candidates. A metric that `jumps` may stand still where one unit more or less is wrong: there, at
/// least the weight of one unit counts as chance.
///
/// # Reference
/// The rule of one standard error: Breiman, Friedman, Olshen & Stone, "Classification and Regression Trees", 1984, section 3.4.3.
fn tied(
    said: &[&Distribution],
    folds: &[Fold],
    jumps: bool,
    seed: Seed,
    loss: &dyn Fn(&Distribution, &[Fold]) -> f64,
) -> Vec<usize> {
    let alone: Vec<f64> = said.iter().map(|said| loss(said, folds)).collect();
    let mut order: Vec<usize> = (0..said.len()).filter(|&i| alone[i].is_finite()).collect();
    order.sort_by(|&a, &b| alone[a].total_cmp(&alone[b]));
    let Some(&best) = order.first() else {
        return Vec::new();
    };
    let units: usize = folds.iter().map(|fold| fold.validation.len()).sum();
    let least = if jumps { 1.0 / units as f64 } else { 0.0 };
    let samples: Vec<(Vec<usize>, Vec<Fold>)> = (0..SAMPLES as u64)
        .map(|sample| resampled(folds, seed.derive("tied", &[sample])))
        .collect();
    let losses = |i: usize| -> Vec<f64> {
        let of = |(places, folds): &(Vec<usize>, Vec<Fold>)| loss(&said[i].select(places), folds);
        samples.iter().map(of).collect()
    };
    let of_best = losses(best);
    order.retain(|&i| {
        let behind = alone[i] - alone[best];
        if behind <= least {
            return true;
        }
        let pairs = losses(i).into_iter().zip(&of_best);
        let differences: Vec<f64> = pairs
            .map(|(loss, best)| loss - best)
            .filter(|difference| difference.is_finite())
            .collect();
        behind <= standard_deviation(&differences)
    });
    order
}

/// As many units of each fold, drawn with replacement: their places among all units, fold after fold, and the folds.
fn resampled(folds: &[Fold], seed: Seed) -> (Vec<usize>, Vec<Fold>) {
    let mut stream = seed.stream("units", &[]);
    let (mut places, mut start) = (Vec::new(), 0);
    let mut drawn = folds.to_vec();
    for (fold, of) in drawn.iter_mut().zip(folds) {
        let units = &of.validation;
        for unit in &mut fold.validation {
            let place = stream.random_range(0..units.len());
            *unit = units[place];
            places.push(start + place);
        }
        start += units.len();
    }
    (places, drawn)
}

/// Leaves about `most` validation units in all folds together, at equal steps, and returns their places among all.
fn fewer(folds: &mut [Fold], most: usize) -> Vec<usize> {
    let all: usize = folds.iter().map(|fold| fold.validation.len()).sum();
    let step = all.div_ceil(most.max(1)).max(1);
    let (mut places, mut start) = (Vec::new(), 0);
    for fold in folds {
        let kept = (0..fold.validation.len()).step_by(step);
        places.extend(kept.map(|i| start + i));
        start += fold.validation.len();
        fold.validation = fold.validation.iter().copied().step_by(step).collect();
    }
    places
}

/// What is said of each fold's units, of what is said of all.
fn cut(whole: &Distribution, folds: &[Fold]) -> Vec<Distribution> {
    let mut start = 0;
    let part = |fold: &Fold| {
        let places: Vec<usize> = (start..start + fold.validation.len()).collect();
        start += places.len();
        whole.select(&places)
    };
    folds.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Targets;

    fn fold(validation: Vec<usize>) -> Fold {
        Fold {
            train: Vec::new(),
            validation,
        }
    }

    #[test]
    fn fewer_units_stay_in_their_folds_and_places() {
        let all = vec![fold((100..105).collect()), fold((200..204).collect())];
        let mut folds = all.clone();
        assert_eq!(fewer(&mut folds, 5), [0, 2, 4, 5, 7]);
        assert_eq!(folds, [fold(vec![100, 102, 104]), fold(vec![200, 202])]);
        let mut folds = all.clone();
        assert_eq!(fewer(&mut folds, 9), (0..9).collect::<Vec<_>>());
        assert_eq!(folds, all);
    }

    /// Candidates for numbers that are all 0: each is wrong by so much, alternately above and below, and of the first `off` units by 1 more.
    fn tied_of(errors: &[(f32, usize)], units: usize) -> Vec<usize> {
        let said: Vec<Distribution> = errors
            .iter()
            .map(|&(error, off)| {
                let mean = (0..units).map(|i| match i < off {
                    true => error + 1.0,
                    false => error * if i % 3 == 0 { 1.0 } else { 0.5 },
                });
                Distribution::Gaussian {
                    width: 1,
                    mean: mean.collect(),
                    variance: vec![1.0; units],
                }
            })
            .collect();
        let truth = Targets::Values {
            width: 1,
            values: vec![0.0; units],
        };
        let half = units / 2;
        let folds = [fold((0..half).collect()), fold((half..units).collect())];
        let loss = |said: &Distribution, folds: &[Fold]| {
            let parts = cut(said, folds);
            let scores = parts.iter().zip(folds).map(|(said, fold)| {
                Metric::Mae
                    .score(said, &truth.select(&fold.validation))
                    .unwrap()
            });
            scores.sum::<f64>() / folds.len() as f64
        };
        let views: Vec<&Distribution> = said.iter().collect();
        tied(&views, &folds, false, Seed(1), &loss)
    }

    #[test]
    fn what_chance_may_have_put_behind_the_best_is_tied_with_it() {
        // One unit of forty is off by 1: a difference of 1/40 with a standard error of as much. Half of them are not chance.
        assert_eq!(tied_of(&[(0.1, 20), (0.1, 1), (0.1, 0)], 40), [2, 1]);
        // The same share of many units is not chance.
        assert_eq!(tied_of(&[(0.1, 50), (0.1, 0)], 2_000), [1]);
        // Of candidates that err in the same places by more, the difference is certain.
        assert_eq!(tied_of(&[(0.1, 0), (0.2, 0)], 40), [0]);
    }

    #[test]
    fn samples_stay_within_their_folds() {
        let folds = [fold(vec![7, 8, 9]), fold(vec![1, 2])];
        let (places, drawn) = resampled(&folds, Seed(3));
        let all = [7, 8, 9, 1, 2];
        let units: Vec<usize> = drawn.iter().flat_map(|f| f.validation.clone()).collect();
        assert_eq!(units, places.iter().map(|&p| all[p]).collect::<Vec<_>>());
        assert!(places[..3].iter().all(|p| *p < 3) && places[3..].iter().all(|p| *p >= 3));
    }
}
