use std::time::Duration;

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task, UncertaintyMethod};
use candor_data::Fold;
use candor_design::{Assignment, Design, Evaluation, JobRecord, Objective};
use candor_train::{FittedMember, Learner, MemberError, Units};
use serde_json::json;

use crate::fidelity::Fidelity;
use crate::trial_folder::{KeptMember, TrialFolder};

/// Who proposed a baseline, on the leaderboard.
pub(crate) const BASELINE: &str = "baseline";

/// Trains a design on the folds of a rung and scores it on their validation units.
pub(crate) struct FoldObjective<'a> {
    pub learner: &'a dyn Learner,
    pub units: &'a Units,
    pub targets: &'a Targets,
    pub target: &'a Target,
    pub metric: Metric,
    pub folds: &'a [Fold],
    pub fidelity: &'a Fidelity,
    pub folder: &'a TrialFolder,
    /// How long one member may train.
    pub allowance: Option<Duration>,
    /// The same of a baseline.
    pub baseline_allowance: Option<Duration>,
    /// How networks say what they do not know.
    pub uncertainty: UncertaintyMethod,
    pub seed: Seed,
}

impl FoldObjective<'_> {
    /// The member of one fold: the one that was kept, or a new one, which is kept.
    fn member(
        &self,
        assignment: &Assignment,
        fold: usize,
        clock: &Clock,
    ) -> Result<KeptMember, Trouble> {
        let (trial, rung) = (assignment.trial, assignment.rung);
        let place = self.fidelity.place(rung, fold);
        if let Some(kept) = self.folder.kept(trial, &place) {
            return Ok(kept);
        }
        let seed = self.seed.derive("member", &[trial as u64, fold as u64]);
        let train = self.training_rows(rung, fold, seed);
        let validation = &self.folds[fold].validation;
        let own = self
            .time_for(assignment)
            .map_or_else(|| clock.clone(), |time| clock.within(time));
        let fitted = self.fit(&assignment.design, &train, validation, seed, &own);
        let fitted = fitted.map_err(|error| match error {
            MemberError::Stopped(_) if clock.stop().is_none() => Trouble::Failed(
                "its share of the time was over before it had learned anything".into(),
            ),
            other => other.into(),
        })?;
        let said = fitted.member.predict(self.units, validation)?.mixture()?;
        let kept = KeptMember::new(&fitted, said)?;
        self.folder.keep(trial, &place, &kept)?;
        Ok(kept)
    }

    /// How long one member may train at the rung.
    fn time_for(&self, assignment: &Assignment) -> Option<Duration> {
        let allowance = match assignment.origin.as_str() {
            BASELINE => self.baseline_allowance,
            _ => self.allowance,
        };
        allowance.map(|a| a.mul_f64(self.fidelity.time_share(assignment.rung)))
    }

    /// The design of a trial as it should be trained for long; as it is where what was trained cannot be asked.
    pub(crate) fn for_long(&self, record: &JobRecord) -> Design {
        let asked = || {
            let kept = self
                .folder
                .kept(record.trial, &self.fidelity.place(record.rung, 0))?;
            let member = self.learner.load(&kept.description, &kept.numbers).ok()?;
            let held_out = &self.folds.first()?.validation;
            let (design, targets) = (&record.design, self.targets);
            let design = self
                .learner
                .for_long(design, &*member, self.units, held_out, targets);
            design.ok()
        };
        asked().unwrap_or_else(|| record.design.clone())
    }

    fn training_rows(&self, rung: usize, fold: usize, seed: Seed) -> Vec<usize> {
        let rows = &self.folds[fold].train;
        let keep = self.fidelity.rows(rung, rows.len());
        if keep < rows.len() {
            return self.learner.fewer(rows, keep, seed);
        }
        rows.clone()
    }

    pub(crate) fn fit(
        &self,
        design: &Design,
        train: &[usize],
        validation: &[usize],
        seed: Seed,
        clock: &Clock,
    ) -> Result<FittedMember, MemberError> {
        let asked = match self.uncertainty {
            UncertaintyMethod::Ensemble => design.clone(),
            method => design.clone().with("uncertainty", method.name()),
        };
        self.learner.fit(&candor_train::Assignment {
            design: &asked,
            units: self.units,
            targets: self.targets,
            target: self.target,
            metric: self.metric,
            train,
            validation,
            seed,
            clock,
        })
    }

    fn evaluate_folds(
        &self,
        assignment: &Assignment,
        clock: &Clock,
    ) -> Result<Evaluation, Trouble> {
        let mut said = Vec::new();
        let (mut parameters, mut warnings, mut history) = (0, Vec::new(), Vec::new());
        let (mut network, mut cut) = (false, false);
        for fold in 0..self.fidelity.folds(assignment.rung) {
            if clock.stop().is_some() {
                return Err(Trouble::Stopped);
            }
            let time = self.time_for(assignment).zip(clock.remaining());
            cut |= time.is_some_and(|(wanted, left)| left < wanted);
            let kept = self.member(assignment, fold, clock)?;
            parameters += kept.parameters;
            network = kept.network;
            warnings.extend(kept.warnings);
            if fold == 0 {
                history = kept.history;
            }
            said.push((fold, kept.validation));
        }
        let parts: Vec<(usize, &Distribution)> = said.iter().map(|(fold, d)| (*fold, d)).collect();
        let Some(score) = mean_score(self.metric, &parts, self.targets, self.folds) else {
            return Err(Trouble::Failed(format!(
                "{} is undefined on every fold",
                self.metric.name()
            )));
        };
        warnings.sort();
        warnings.dedup();
        Ok(Evaluation::Scored {
            loss: selection_loss(
                self.metric,
                self.target.task,
                &parts,
                self.targets,
                self.folds,
            ),
            score,
            parameters,
            detail: json!({ "folds": said.len(), "network": network, "cut": cut, "warnings": warnings, "history": history }),
        })
    }
}

impl Objective for FoldObjective<'_> {
    fn evaluate(&self, assignment: &Assignment, clock: &Clock) -> Evaluation {
        match self.evaluate_folds(assignment, clock) {
            Ok(evaluation) => evaluation,
            Err(Trouble::Stopped) => Evaluation::Stopped,
            Err(Trouble::Failed(reason)) => Evaluation::Failed { reason },
        }
    }
}

enum Trouble {
    Stopped,
    Failed(String),
}

impl From<MemberError> for Trouble {
    fn from(error: MemberError) -> Trouble {
        match error {
            MemberError::Stopped(_) => Trouble::Stopped,
            other => Trouble::Failed(other.to_string()),
        }
    }
}

impl From<candor_core::PredictionError> for Trouble {
    fn from(error: candor_core::PredictionError) -> Trouble {
        Trouble::Failed(error.to_string())
    }
}

impl From<crate::EngineError> for Trouble {
    fn from(error: crate::EngineError) -> Trouble {
        Trouble::Failed(error.to_string())
    }
}

/// The mean of a metric over folds on which it is defined.
pub(crate) fn mean_score(
    metric: Metric,
    said: &[(usize, &Distribution)],
    targets: &Targets,
    folds: &[Fold],
) -> Option<f64> {
    let score = |(fold, d): &(usize, &Distribution)| {
        metric
            .score(d, &targets.select(&folds[*fold].validation))
            .ok()
    };
    let scores: Vec<f64> = said
        .iter()
        .filter_map(score)
        .filter(|s| s.is_finite())
        .collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

/// How much the proper score counts beside a metric that moves in jumps.
const PROPER_SHARE: f64 = 0.02;

/// What selection minimises: the metric as a loss, the mean over folds. Ranks and hit rates, which many designs share on
/// few units, get a small share of the log loss, so that of two equal designs the better calibrated one wins.
pub(crate) fn selection_loss(
    metric: Metric,
    task: Task,
    said: &[(usize, &Distribution)],
    targets: &Targets,
    folds: &[Fold],
) -> f64 {
    let loss = mean_score(metric, said, targets, folds).map_or(f64::NAN, |s| metric.as_loss(s));
    if !(metric.jumps() && task.is_classification()) {
        return loss;
    }
    let proper = mean_score(Metric::LogLoss, said, targets, folds).unwrap_or(f64::NAN);
    loss + PROPER_SHARE * proper
}
