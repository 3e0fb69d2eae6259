use std::collections::BTreeMap;

use candor_challenge::DieboldMariano;
use candor_core::Distribution;
use candor_core::wording::{figure, percent};

use crate::EngineError;
use crate::designed::Designed;
use crate::objective::BASELINE;
use crate::trained::{Candidate, mixed_folds};

/// Probability at which an ensemble counts as better than a simple rule.
const BETTER_P: f64 = 0.05;

/// Candidates and their weights.
type Weights = Vec<(usize, f64)>;

impl Designed {
    /// Of forecasts, the best rule or regression alone where the ensemble is not significantly better than it over the origins that they were chosen
    /// on; and why, in words. What is chosen by chance on a few weeks is behind the rule in the next ones.
    pub(crate) fn simpler_if_as_good(
        &self,
        candidates: &[Candidate],
        chosen: Weights,
    ) -> Result<(Weights, Option<String>), EngineError> {
        let prepared = &self.prepared;
        let classical = |c: &Candidate| !c.standing.network && c.standing.origin == BASELINE;
        // The best first.
        let rule = candidates.iter().position(classical);
        let (Some(rule), Some(origins)) = (rule, prepared.subject.origins(&[])) else {
            return Ok((chosen, None));
        };
        let alone = vec![(rule, 1.0)];
        if chosen == alone {
            return Ok((chosen, None));
        }
        let (ensemble, simple) = (
            self.losses(&mixed_folds(candidates, &chosen)?),
            self.losses(&mixed_folds(candidates, &alone)?),
        );
        let differences: Vec<f64> = ensemble
            .iter()
            .filter_map(|(origin, loss)| Some(loss - simple.get(origin)?))
            .filter(|difference| difference.is_finite())
            .collect();
        let furthest = origins.ahead.last().copied().unwrap_or(1);
        let name = &candidates[rule].standing.name;
        let why = match DieboldMariano::of(&differences, furthest) {
            Ok(test) if test.p_first_better < BETTER_P => return Ok((chosen, None)),
            Ok(test) => format!(
                "{name} alone is deployed: over the {} origins that were chosen on, the {} of the ensemble is not significantly better (difference {}, \
                 probability by chance {})",
                test.origins,
                prepared.metric.name(),
                figure(test.mean),
                percent(test.p_first_better)
            ),
            Err(_) => format!(
                "{name} alone is deployed: {} origins of forecasts {furthest} steps ahead are too few to show that an ensemble is better",
                differences.len()
            ),
        };
        Ok((alone, Some(why)))
    }

    /// The metric as a loss at each origin, of what is said of the validation units of each fold.
    fn losses(&self, folds: &[(usize, Distribution)]) -> BTreeMap<i64, f64> {
        let prepared = &self.prepared;
        let mut losses = BTreeMap::new();
        for (fold, said) in folds {
            let rows = &prepared.split.folds[*fold].validation;
            let Some(origins) = prepared.subject.origins(rows) else {
                continue;
            };
            let mut places: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
            for (place, origin) in origins.moments.iter().enumerate() {
                places.entry(*origin).or_default().push(place);
            }
            for (origin, places) in places {
                let rows: Vec<usize> = places.iter().map(|&place| rows[place]).collect();
                let (said, truth) = (said.select(&places), prepared.targets.select(&rows));
                if let Ok(score) = prepared.metric.score(&said, &truth) {
                    losses.insert(origin, prepared.metric.as_loss(score));
                }
            }
        }
        losses
    }
}
