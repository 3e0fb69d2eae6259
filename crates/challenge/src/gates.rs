use candor_core::{Finding, Outcome, Severity, Task, UncertaintyMethod, Verdict};
use serde::{Deserialize, Serialize};

use crate::{
    AcceptedRisk, CalibrationError, CoverageReport, Detection, Gate, IntervalCalibration,
    Memorisation, PairedComparison, SliceKind, Uncertainty,
};
use candor_core::wording::{Words, figure, percent};

/// What a model must reach before it ships: one threshold a challenge, each of which a person can set.
///
/// A verdict fails only on evidence: figures of few units are not held against a model, and not for it either.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gates {
    /// Test units below which nothing is judged. Default 30.
    pub least_units: usize,
    /// p-value at which the model counts as better than one that knows only frequencies or the mean. Default 0.05.
    pub better_p: f64,
    /// Greatest expected calibration error of classes, unless chance explains more. Default 0.05.
    pub calibration_error: f64,
    /// Greatest mean miscalibration of central intervals, unless chance explains more. Default 0.05.
    pub interval_miscalibration: f64,
    /// p-value below which a coverage counts as less than promised. Default 0.01.
    pub coverage_p: f64,
    /// Least area under the ROC curve of real against shuffled units. Default 0.6.
    pub strangeness_auroc: f64,
    /// Greatest share of real test units that are refused as strange. Default 0.05.
    pub false_alarms: f64,
}

impl Default for Gates {
    fn default() -> Gates {
        Gates {
            least_units: 30,
            better_p: 0.05,
            calibration_error: 0.05,
            interval_miscalibration: 0.05,
            coverage_p: 0.01,
            strangeness_auroc: 0.6,
            false_alarms: 0.05,
        }
    }
}

/// Who compares figures with gates and says the result in the words of a modality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jury {
    /// The thresholds.
    pub gates: Gates,
    /// What units and their parts are called.
    pub words: Words,
}

impl Jury {
    /// Whether the model learned anything: it against the trivial baseline on test units.
    pub fn generalisation(&self, against_trivial: &PairedComparison, units: usize) -> Verdict {
        let Words { rows, columns, .. } = self.words;
        const NAME: &str = "generalisation";
        if units < self.gates.least_units {
            return self.too_few(NAME, units);
        }
        let better = against_trivial.first_is_better()
            && against_trivial.is_significant(self.gates.better_p);
        let (model, trivial) = (
            figure(against_trivial.first),
            figure(against_trivial.second),
        );
        let metric = against_trivial.metric.name();
        let direction = if against_trivial.metric.greater_is_better() {
            "higher"
        } else {
            "lower"
        };
        let reason = if better {
            format!(
                "On data that it never saw, the model's {metric} is {model}; that of somebody who always gives the same \
                 answer, the best such one, is {trivial} ({direction} is better)."
            )
        } else {
            format!(
                "The model ({metric} {model}) is not clearly better than somebody who always gives the same answer \
                 ({trivial}): the {columns} may say nothing about the target, or there are too few {rows}."
            )
        };
        verdict(
            NAME,
            better,
            Some(against_trivial.p_value),
            Some(self.gates.better_p),
            reason,
        )
    }

    /// The model against the best classical model. Says who wins; never fails, since the winner is in the ensemble.
    pub fn baselines(&self, name: &str, against_best: &PairedComparison) -> Verdict {
        let Words { rows, .. } = self.words;
        let (model, best) = (figure(against_best.first), figure(against_best.second));
        let metric = against_best.metric.name();
        let significant = against_best.is_significant(self.gates.better_p);
        let reason = match (against_best.first_is_better(), significant) {
            (true, true) => format!("The model ({metric} {model}) beats {name} alone ({best})."),
            (false, true) => format!(
                "{name} alone ({metric} {best}) beats the whole model ({model}): for these data the simpler model is the \
                 better choice."
            ),
            (_, false) => format!(
                "The model ({metric} {model}) and {name} alone ({best}) cannot be told apart on these test {rows}."
            ),
        };
        Verdict {
            challenge: "baselines".into(),
            outcome: Outcome::Pass,
            value: Some(against_best.difference.estimate),
            threshold: None,
            reason,
        }
    }

    /// Whether stated probabilities happen as often as stated.
    pub fn calibration_of_classes(&self, error: &CalibrationError) -> Verdict {
        const NAME: &str = "calibration";
        if error.units < self.gates.least_units {
            return self.too_few(NAME, error.units);
        }
        let sure = error
            .bins
            .iter()
            .filter(|bin| bin.count > 0)
            .max_by_key(|bin| bin.count);
        let example = sure.map_or_else(String::new, |bin| {
            format!(
                "When the model says about {}, it is right {} of the time on data it never saw. ",
                percent(bin.confidence),
                percent(bin.accuracy)
            )
        });
        let by_chance = error.within_null();
        let good = error.expected <= self.gates.calibration_error || by_chance;
        let what = match (good, by_chance) {
            (true, true) => "no more than chance alone produces",
            (true, false) => "within the limit",
            (false, _) => "too much: do not take its probabilities at their word",
        };
        let reason = format!(
            "{example}Over all, what it says and what happens differ by {}: {what}.",
            percent(error.expected)
        );
        verdict(
            NAME,
            good,
            Some(error.expected),
            Some(self.gates.calibration_error),
            reason,
        )
    }

    /// Whether stated spreads are as wide as errors are.
    pub fn calibration_of_numbers(&self, intervals: &IntervalCalibration) -> Verdict {
        const NAME: &str = "calibration";
        if intervals.units < self.gates.least_units {
            return self.too_few(NAME, intervals.units);
        }
        let shown = intervals.levels.iter().min_by(|a, b| {
            (a.expected - 0.8)
                .abs()
                .total_cmp(&(b.expected - 0.8).abs())
        });
        let example = shown.map_or_else(String::new, |level| {
            format!(
                "Ranges that should hold {} of the true values hold {}. ",
                percent(level.expected),
                percent(level.observed)
            )
        });
        let value = intervals.mean_absolute_miscalibration;
        let good = value <= self.gates.interval_miscalibration || intervals.within_null();
        let what = if good {
            "that is close enough"
        } else {
            "its stated spread cannot be relied on"
        };
        let reason = format!(
            "{example}Over all levels they differ by {}: {what}.",
            percent(value)
        );
        verdict(
            NAME,
            good,
            Some(value),
            Some(self.gates.interval_miscalibration),
            reason,
        )
    }

    /// Whether sets or intervals keep their promise.
    pub fn coverage(&self, report: &CoverageReport) -> Verdict {
        let Words { rows, .. } = self.words;
        const NAME: &str = "coverage";
        if report.units < self.gates.least_units {
            return self.too_few(NAME, report.units);
        }
        let kept = report.p_low >= self.gates.coverage_p;
        let worst = [SliceKind::Class, SliceKind::Group]
            .into_iter()
            .filter_map(|kind| report.worst(kind));
        let worst = worst.min_by(|a, b| a.interval.upper.total_cmp(&b.interval.upper));
        let worst = worst.map_or_else(String::new, |slice| {
            format!(
                " The lowest part is `{}`: {} of {}.",
                slice.name,
                percent(slice.coverage),
                slice.units
            )
        });
        let what = if kept {
            "which is what was promised, give or take chance"
        } else {
            "which is less than chance explains: these differ from those that the promise was made on"
        };
        let reason = format!(
            "The sets or ranges hold the truth for {} of the test {rows} ({} promised), {what}.{worst}",
            percent(report.marginal),
            percent(report.promised)
        );
        verdict(
            NAME,
            kept,
            Some(report.marginal),
            Some(report.promised),
            reason,
        )
    }

    /// Whether ranges of forecasts that follow what came keep their promise; beside them those that stay as they were calibrated.
    pub fn coverage_in_the_long_run(
        &self,
        followed: &CoverageReport,
        fixed: &CoverageReport,
    ) -> Verdict {
        let Words { rows, .. } = self.words;
        const NAME: &str = "coverage";
        if followed.units < self.gates.least_units {
            return self.too_few(NAME, followed.units);
        }
        let kept = followed.p_low >= self.gates.coverage_p;
        let what = match kept {
            true => "which is what was promised, give or take chance",
            false => {
                "which is less than chance explains: the test part changes faster than they follow, or is too short for a promise of the long run"
            }
        };
        let reason = format!(
            "Ranges whose level follows what came hold the truth for {} of the test {rows} ({} promised), {what}. As they were calibrated, \
             without following, they would hold {}.",
            percent(followed.marginal),
            percent(followed.promised),
            percent(fixed.marginal)
        );
        verdict(
            NAME,
            kept,
            Some(followed.marginal),
            Some(followed.promised),
            reason,
        )
    }

    /// What the doubt is made of. Informs; never fails.
    pub fn uncertainty(&self, uncertainty: &Uncertainty, method: UncertaintyMethod) -> Verdict {
        let Words { row, rows, .. } = self.words;
        let total: f64 = uncertainty.total.iter().sum();
        let epistemic: f64 = uncertainty.epistemic.iter().sum();
        if uncertainty.total.is_empty() || total <= 0.0 {
            return not_applicable(
                "uncertainty",
                format!("The model states no doubt on any test {row}."),
            );
        }
        let share = epistemic / total;
        let of_model = match method {
            UncertaintyMethod::Ensemble => format!("its members disagree; more {rows} would"),
            _ => format!("as told by the method `{method}`"),
        };
        let reason = format!(
            "{} of the doubt lies in the data themselves (more {rows} would not remove it), {} in the model ({of_model}).",
            percent(1.0 - share),
            percent(share)
        );
        Verdict {
            challenge: "uncertainty".into(),
            outcome: Outcome::Pass,
            value: Some(share),
            threshold: None,
            reason,
        }
    }

    /// Whether made-up inputs are told from real ones as well as the gate demands.
    pub fn sees_strangeness(&self, detection: &Detection) -> bool {
        detection.auroc >= self.gates.strangeness_auroc
    }

    /// Whether the model notices inputs that are unlike its training data. `apart` is how well a model that learned from both kinds tells
    /// made-up inputs from real ones (area under the ROC curve), where that is known: nobody can notice what is not there.
    pub fn strangeness(
        &self,
        detection: &Detection,
        false_alarms: f64,
        apart: Option<f64>,
    ) -> Verdict {
        let Words {
            rows,
            columns,
            strange,
            ..
        } = self.words;
        const NAME: &str = "strangeness";
        if detection.inside < self.gates.least_units {
            return self.too_few(NAME, detection.inside);
        }
        let quiet = false_alarms <= self.gates.false_alarms;
        let sees = self.sees_strangeness(detection);
        if let Some(apart) =
            apart.filter(|&apart| quiet && !sees && apart < self.gates.strangeness_auroc)
        {
            return not_applicable(
                NAME,
                format!(
                    "Made-up inputs ({strange}) are too much like real ones to prove anything: even a model that learned from both tells them \
                     apart {} of the time (half would be guessing), since the {columns} hardly depend on one another. {} of the real test \
                     {rows} are refused as strange.",
                    percent(apart),
                    percent(false_alarms)
                ),
            );
        }
        let reason = format!(
            "Made-up inputs ({strange}) are told from real ones {} of the time (half would be guessing); {} of the real \
             test {rows} are refused as strange{}.",
            percent(detection.auroc),
            percent(false_alarms),
            match (sees, quiet) {
                (true, true) => String::new(),
                (_, false) => ", which is too many".to_owned(),
                (false, true) => format!(
                    ", but made-up ones are hardly noticed: the {columns} hardly depend on one another, or the model would \
                     answer nonsense without a warning"
                ),
            }
        );
        verdict(
            NAME,
            quiet && sees,
            Some(detection.auroc),
            Some(self.gates.strangeness_auroc),
            reason,
        )
    }

    /// Whether the answers that are given are as seldom wrong as promised.
    pub fn abstention(
        &self,
        task: Task,
        gate: &Gate,
        accepted: &AcceptedRisk,
        refused: f64,
    ) -> Verdict {
        let Words { rows, .. } = self.words;
        const NAME: &str = "abstention";
        if accepted.units < self.gates.least_units {
            return self.too_few(NAME, accepted.units);
        }
        if gate.is_open() && task == Task::Multilabel {
            return not_applicable(
                NAME,
                format!(
                    "With several labels the model keeps silent label by label: where it does not know, a label's set holds both \
                     values. A whole answer is refused only for {rows} that are unlike its training data ({} of the test {rows}).",
                    percent(refused)
                ),
            );
        }
        if gate.is_open() {
            return not_applicable(
                NAME,
                format!(
                    "A number is right or wrong only within a tolerance. Without one the model refuses nothing but {rows} that \
                     are unlike its training data ({} of the test {rows}); give one with `--tolerance`, and it keeps silent where \
                     it would miss it too often.",
                    percent(refused)
                ),
            );
        }
        let Some(risk) = accepted.risk() else {
            return not_applicable(
                NAME,
                format!(
                    "The model is nowhere sure enough to promise that at most {} of its answers are wrong, so it answers \
                     nothing. Allow more risk with `--risk`, or give it more {rows}.",
                    percent(gate.target_risk)
                ),
            );
        };
        let kept = accepted.interval.lower <= gate.target_risk;
        let promise = if gate.guaranteed {
            "promised".to_owned()
        } else {
            format!("aimed at, too few {rows} for a promise")
        };
        let reason = format!(
            "The model says \"I do not know\" for {} of the test {rows}. Of the answers that it gives, {} are wrong ({} at \
             most {promise}).",
            percent(refused),
            percent(risk),
            percent(gate.target_risk)
        );
        verdict(NAME, kept, Some(risk), Some(gate.target_risk), reason)
    }

    /// Whether the pipeline is sound: a net that learned shuffled targets by heart must know nothing of true ones.
    pub fn memorisation(&self, control: &Memorisation) -> Verdict {
        let Words { rows, .. } = self.words;
        let metric = control.metric.name();
        let learned = format!(
            "Trained on shuffled targets, a network's {metric} is {} on the {rows} it was trained on",
            figure(control.train)
        );
        let sound = !control.leaks();
        let reason = if sound {
            format!(
                "{learned}, and {} on new {rows}, where guessing gives {}: so a high score on training {rows} proves nothing, \
                 and the test is sound.",
                figure(control.test),
                figure(control.chance)
            )
        } else {
            format!(
                "{learned}, and still {} on new {rows}, where it can only guess ({}): the true target reaches the model by a \
                 way that it must not.",
                figure(control.test),
                figure(control.chance)
            )
        };
        verdict(
            "memorisation",
            sound,
            Some(control.test),
            Some(control.chance),
            reason,
        )
    }

    fn too_few(&self, challenge: &str, units: usize) -> Verdict {
        let (Words { rows, .. }, least) = (self.words, self.gates.least_units);
        let reason =
            format!("Only {units} test {rows}: fewer than {least} prove nothing, for or against.");
        not_applicable(challenge, reason)
    }

    /// Whether a column gives the target away, as far as curation saw.
    pub fn leakage(&self, findings: &[Finding]) -> Verdict {
        let Words { column, .. } = self.words;
        let suspect: Vec<&Finding> = findings
            .iter()
            .filter(|f| {
                f.kind.contains("leak") && f.severity == Severity::Serious && f.action.is_none()
            })
            .collect();
        let reason = match suspect.first() {
            None => format!("No {column} that the model sees gives the target away."),
            Some(first) => first.message.clone(),
        };
        verdict(
            "leakage",
            suspect.is_empty(),
            Some(suspect.len() as f64),
            Some(0.0),
            reason,
        )
    }
}

fn verdict(
    challenge: &str,
    good: bool,
    value: Option<f64>,
    threshold: Option<f64>,
    reason: String,
) -> Verdict {
    let outcome = if good { Outcome::Pass } else { Outcome::Fail };
    Verdict {
        challenge: challenge.to_owned(),
        outcome,
        value,
        threshold,
        reason,
    }
}

fn not_applicable(challenge: &str, reason: String) -> Verdict {
    let challenge = challenge.to_owned();
    Verdict {
        challenge,
        outcome: Outcome::NotApplicable,
        value: None,
        threshold: None,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use candor_core::{Evidence, Modality, Seed, Targets};

    use super::*;
    use crate::Bootstrap;

    fn classes(p: &[f32]) -> candor_core::Distribution {
        let probabilities = p.iter().flat_map(|&p| [1.0 - p, p]).collect();
        candor_core::Distribution::Categorical {
            classes: 2,
            probabilities,
        }
    }

    fn jury() -> Jury {
        Jury {
            gates: Gates::default(),
            words: Modality::Table.words(),
        }
    }

    fn truth(n: usize) -> Targets {
        Targets::Classes((0..n as u32).map(|i| i % 2).collect())
    }

    #[test]
    fn what_nobody_could_tell_apart_proves_nothing() {
        let jury = Jury {
            gates: Gates::default(),
            words: candor_core::Modality::Table.words(),
        };
        let detection = Detection {
            auroc: 0.52,
            inside: 200,
            ..Detection::of(&[0.0, 1.0], &[0.0, 1.0]).unwrap()
        };
        let outcome = |auroc, alarms, apart| {
            let detection = Detection { auroc, ..detection };
            jury.strangeness(&detection, alarms, apart).outcome
        };
        assert_eq!(outcome(0.52, 0.01, None), Outcome::Fail);
        assert_eq!(outcome(0.52, 0.01, Some(0.9)), Outcome::Fail);
        assert_eq!(outcome(0.52, 0.01, Some(0.55)), Outcome::NotApplicable);
        // Too many real units are refused, whatever can be told apart.
        assert_eq!(outcome(0.52, 0.2, Some(0.55)), Outcome::Fail);
        assert_eq!(outcome(0.7, 0.01, None), Outcome::Pass);
    }

    #[test]
    fn a_model_that_knows_passes_and_one_that_guesses_fails() -> Result<(), crate::ChallengeError> {
        let n = 100;
        let sure: Vec<f32> = (0..n).map(|i| if i % 2 == 1 { 0.9 } else { 0.1 }).collect();
        let guess = vec![0.5; n];
        let judge = |model: &[f32]| -> Result<Verdict, crate::ChallengeError> {
            let compared = PairedComparison::of(
                candor_core::Metric::LogLoss,
                &classes(model),
                &classes(&vec![0.5; n]),
                &truth(n),
                &Bootstrap {
                    resamples: 200,
                    ..Bootstrap::default()
                },
                Seed(1),
            )?;
            Ok(jury().generalisation(&compared, n))
        };
        assert_eq!(judge(&sure)?.outcome, Outcome::Pass);
        assert_eq!(judge(&guess)?.outcome, Outcome::Fail);
        Ok(())
    }

    #[test]
    fn probabilities_that_lie_fail_and_few_units_prove_nothing() -> Result<(), crate::ChallengeError>
    {
        let judge = |n: usize, says: f32| {
            let error = CalibrationError::measure(&classes(&vec![says; n]), &truth(n), Seed(2))?;
            Ok::<_, crate::ChallengeError>(jury().calibration_of_classes(&error).outcome)
        };
        assert_eq!(judge(400, 0.99)?, Outcome::Fail);
        assert_eq!(judge(400, 0.51)?, Outcome::Pass);
        assert_eq!(judge(10, 0.99)?, Outcome::NotApplicable);
        Ok(())
    }

    #[test]
    fn the_promise_on_wrong_answers_is_judged_by_what_chance_allows()
    -> Result<(), crate::ChallengeError> {
        let gate = Gate {
            min_confidence: 0.8,
            target_risk: 0.05,
            delta: 0.05,
            guaranteed: true,
            coverage_on_calibration: 0.5,
            risk_on_calibration: 0.0,
            calibration_units: 100,
        };
        let judge = |wrong: usize, confidence: f64| {
            let wrong: Vec<bool> = (0..100).map(|i| i < wrong).collect();
            let accepted = gate.judge(&[confidence; 100], &wrong)?;
            Ok::<_, crate::ChallengeError>(
                jury()
                    .abstention(Task::Binary, &gate, &accepted, 0.0)
                    .outcome,
            )
        };
        assert_eq!(judge(6, 0.9)?, Outcome::Pass);
        assert_eq!(judge(20, 0.9)?, Outcome::Fail);
        assert_eq!(judge(20, 0.1)?, Outcome::NotApplicable);
        Ok(())
    }

    #[test]
    fn a_net_that_knows_true_targets_after_shuffled_ones_shows_a_leak() {
        let gates = jury();
        let honest = Memorisation::of_classes(1.0, 52, 100, 0.5, 400, 60.0);
        let leaking = Memorisation::of_classes(1.0, 80, 100, 0.5, 400, 60.0);
        assert_eq!(gates.memorisation(&honest).outcome, Outcome::Pass);
        assert_eq!(gates.memorisation(&leaking).outcome, Outcome::Fail);
        assert!(Memorisation::of_numbers(0.9, 0.5, 100, 400, 60.0).leaks());
    }

    #[test]
    fn leaks_count_until_something_is_done_about_them() {
        let leak = |action: Option<&str>| Finding {
            kind: "target-leakage".into(),
            severity: Severity::Serious,
            columns: vec!["x".into()],
            message: "`x` gives the target away".into(),
            evidence: Evidence::default(),
            remedy: String::new(),
            action: action.map(str::to_owned),
        };
        let gates = jury();
        assert_eq!(gates.leakage(&[leak(None)]).outcome, Outcome::Fail);
        assert_eq!(
            gates.leakage(&[leak(Some("left out"))]).outcome,
            Outcome::Pass
        );
    }
}
