//! What a model gives away of the units that it learned from, whether its gate keeps its promise, and which score tells
//! strange inputs best.

use candor_challenge::{
    Detection, Mahalanobis, MembershipInference, PromiseReport, ShiftReference,
};
use candor_core::{Clock, Targets};
use candor_deploy::{Answer, batch_columns, mixture};
use candor_train::Units;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{CONTROL_UNITS, ChallengeResult, Judge, shuffled_targets};
use crate::EngineError;
use crate::trained::sample;

/// Divisions over which the promise of the gate is tested, and test units that are divided, at most.
const RESPLITS: usize = 200;
const RESPLIT_UNITS: usize = 5_000;
/// So many times as much time as the predictions of the test part took must be left for the attack on membership.
const MEMBERSHIP_SHARE: u32 = 4;
/// Units that were learned from, and others, that the attack on membership looks at, at most.
const ATTACKED: usize = 1_000;
/// Training units that the distributions of embeddings are fitted to, at most.
const EMBEDDED: usize = 1_000;

/// Shares of the training units whose targets are shuffled, for the randomisation curve.
const RANDOMISED: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// A network that was trained on partly shuffled targets (Zhang et al. 2017, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RandomisedPoint {
    /// The share of the training units whose targets were shuffled between them.
    pub share: f64,
    /// The metric on the targets that it was trained on.
    pub train: f64,
    /// The metric on true targets of test units.
    pub test: f64,
}

/// A score that tells strange inputs, on the same units as the deployed one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorScore {
    /// The score, in words.
    pub name: String,
    /// How well it tells them.
    pub detection: Detection,
}

impl Judge<'_> {
    /// Whether gates keep their promise over many divisions of the test units.
    pub(super) fn promise(
        &self,
        result: &mut ChallengeResult,
        confidence: &[f64],
        wrong: &[bool],
    ) -> Result<(), EngineError> {
        let gate = &self.predictor.parts().abstention.gate;
        if gate.is_open() || confidence.len() < 2 {
            return Ok(());
        }
        let places: Vec<usize> = (0..confidence.len()).collect();
        let seed = self.seed.derive("promise", &[]);
        let places = sample(&places, RESPLIT_UNITS, seed);
        let confidence: Vec<f64> = places.iter().map(|&p| confidence[p]).collect();
        let wrong: Vec<bool> = places.iter().map(|&p| wrong[p]).collect();
        let (risk, delta) = (gate.target_risk, gate.delta);
        let report = PromiseReport::of(&confidence, &wrong, risk, delta, RESPLITS, seed)?;
        result.promise = Some(report);
        Ok(())
    }

    /// What usual units look like, for batches that come later. Nothing is kept where a batch is no sample: the series at one moment, and the
    /// points of one shape, are alike, and always differ from those of many moments and shapes.
    pub(super) fn usual(&self, result: &mut ChallengeResult, answers: &[Answer]) {
        let subject = &self.trained.prepared.subject;
        if subject.origins(&self.test).is_some() || subject.shapes(&self.test).is_some() {
            return;
        }
        let columns = batch_columns(&self.predictor.parts().target, answers);
        // With too few test units nothing can be told of batches.
        result.shift = ShiftReference::new(&columns, self.seed.derive("usual", &[])).ok();
    }

    /// What the lists of labels miss.
    pub(super) fn lists(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        if let Some(control) = self.predictor.parts().lists {
            let missed = control.judge(&self.said, &self.truth)?;
            result.lists = Some((control, missed));
        }
        Ok(())
    }

    /// Whether the loss of a unit tells that the model learned from it.
    pub(super) fn membership(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        let prepared = &self.trained.prepared;
        let seed = self.seed.derive("membership", &[]);
        let members = sample(&prepared.split.development(), ATTACKED, seed);
        // Where a prediction of one unit is that of many, it may take as long as that of the test part.
        let left = self.context.clock.remaining();
        if members.is_empty() || left.is_some_and(|left| left < MEMBERSHIP_SHARE * self.predicted) {
            return Ok(());
        }
        let parts = self.predictor.parts();
        let said = mixture(self.predictor.members(), prepared.subject.units(), &members)?;
        let said = parts.recalibration.apply(&said)?;
        let inside = MembershipInference::losses(&said, &prepared.targets.select(&members))?;
        let places = self.some_places(ATTACKED, seed);
        let (others, truth) = (self.said.select(&places), self.truth.select(&places));
        let outside = MembershipInference::losses(&others, &truth)?;
        result.membership = Some(MembershipInference::of(&inside, &outside)?);
        Ok(())
    }

    /// Trains the network of controls on targets of which more and more are shuffled, when a person asked for it.
    pub(super) fn randomisation(
        &self,
        result: &mut ChallengeResult,
        clock: &Clock,
    ) -> Result<(), EngineError> {
        let prepared = &self.trained.prepared;
        let control = self.control_network();
        let Some(standing) = control.filter(|_| self.context.settings.randomisation) else {
            return Ok(());
        };
        let seed = self.seed.derive("randomisation", &[]);
        let train = sample(&prepared.split.folds[0].train, CONTROL_UNITS, seed);
        for share in RANDOMISED {
            let count = (share * train.len() as f64).round() as usize;
            let mut chosen = train.clone();
            chosen.shuffle(&mut seed.stream("randomised", &[]));
            chosen.truncate(count);
            let targets = shuffled_targets(&prepared.targets, &chosen, seed);
            let Some(fitted) = self.fit(standing, &targets, &train, &[], clock)? else {
                return Ok(());
            };
            let score = |rows: &[usize], truth: &Targets| -> Result<Option<f64>, EngineError> {
                let said = fitted.member.predict(prepared.subject.units(), rows)?;
                Ok(self.metric.score(&said.mixture()?, truth).ok())
            };
            let (on_train, on_test) = (
                score(&train, &targets.select(&train))?,
                score(&self.test, &self.truth)?,
            );
            if let (Some(train), Some(test)) = (on_train, on_test) {
                result
                    .randomisation
                    .push(RandomisedPoint { share, train, test });
            }
        }
        Ok(())
    }

    /// Other scores of strangeness on the same real (`rows`) and made-up units as the deployed one.
    pub(super) fn detectors(
        &self,
        result: &mut ChallengeResult,
        rows: &[usize],
        strange: &Units,
        (real, made_up): (&[Answer], &[Answer]),
    ) -> Result<(), EngineError> {
        let column = |answers: &[Answer], of: &dyn Fn(&Answer) -> f64| -> Vec<f64> {
            answers.iter().map(of).collect()
        };
        let mut add = |name: &str, inside: Vec<f64>, outside: Vec<f64>| {
            // A score that is not a number somewhere tells nothing.
            if let Ok(detection) = Detection::of(&inside, &outside) {
                let name = name.to_owned();
                result.detectors.push(DetectorScore { name, detection });
            }
        };
        let mut by_answer = |name: &str, of: &dyn Fn(&Answer) -> f64| {
            add(name, column(real, of), column(made_up, of));
        };
        by_answer("nearest neighbour (the one that is used)", &|a| {
            a.strangeness.map_or(f64::NAN, |s| s.score)
        });
        by_answer("members disagree", &|a| a.epistemic);
        by_answer("the model is unsure", &|a| 1.0 - a.confidence);
        // The first network with a detector, on units of its own training part.
        let prepared = &self.trained.prepared;
        let members = self.predictor.members().iter();
        let Some(member) = members.into_iter().find(|m| m.detector.is_some()) else {
            return Ok(());
        };
        let seed = self.seed.derive("embedded", &[]);
        let known = sample(&prepared.split.folds[0].train, EMBEDDED, seed);
        let features = |units: &Units, rows: &[usize]| {
            let said = member.member.predict(units, rows)?;
            Ok::<_, EngineError>(said.features)
        };
        let all: Vec<usize> = (0..strange.len()).collect();
        let units = prepared.subject.units();
        let (Some(known_features), Some(inside), Some(outside)) = (
            features(units, &known)?,
            features(units, rows)?,
            features(strange, &all)?,
        ) else {
            return Ok(());
        };
        let targets = prepared.targets.select(&known);
        let classes = match &targets {
            Targets::Classes(classes) => Some(classes.as_slice()),
            _ => None,
        };
        let width = known_features.width;
        let fitted = Mahalanobis::fit(&known_features.embedding, width, classes)?;
        let name = match classes {
            Some(_) => "relative Mahalanobis, one network",
            None => "Mahalanobis, one network",
        };
        let inside = fitted.score(&inside.embedding)?;
        add(name, inside, fitted.score(&outside.embedding)?);
        Ok(())
    }
}
