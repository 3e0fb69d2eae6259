mod cost;
mod followed;
mod forecasts;
mod layout;
mod trust;

use std::time::{Duration, Instant};

use candor_challenge::{
    AbstentionRule, AcceptedRisk, Bootstrap, CalibrationError, CoverageReport, Detection, Interval,
    IntervalCalibration, Jury, LabelRiskControl, MembershipInference, Memorisation, MissedLabels,
    PairedComparison, PromiseReport, RiskCoverage, ShiftReference, Slice, Uncertainty,
};
use candor_core::wording::figure;
use candor_core::{
    Clock, Distribution, Event, Metric, Modality, Outcome, Seed, Step, Targets, Verdict,
};
use candor_deploy::{Answer, Bundle, Conformal, LoadedMember, Predictor, mixture};
use candor_train::{Assignment, MemberError, Units};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::by_part::{PartTable, by_group, by_target};
use crate::by_shape::{by_category, by_class, parts_of_categories};
use crate::context::Context;
use crate::designed::Standing;
use crate::explained::{default_place, explained_values, name_of_place};
use crate::objective::BASELINE;
use crate::pictured::{Pictured, chosen};
use crate::trained::{Trained, sample};
use crate::{EngineError, Explanation, Nearness};
use cost::Stopwatch;
pub use cost::{CostSeconds, Costs};
pub use followed::FollowedCoverage;
pub use forecasts::{CurvePlace, ForecastPictures, SeriesCurve, SeriesFigures, SeriesMap, Told};
pub use trust::{DetectorScore, RandomisedPoint};

/// Test units on which importance is measured.
const IMPORTANCE_UNITS: usize = 1_000;
/// Columns whose importance is measured at most; the first ones.
const IMPORTANCE_COLUMNS: usize = 100;
/// Units that are told from made-up ones by a model that learns from both, where the detector does not.
const APART_UNITS: usize = 2_000;
/// Test units that are disturbed, and how strongly, of 5.
const ROBUSTNESS_UNITS: usize = 500;
const SEVERITIES: [u8; 3] = [1, 3, 5];
/// Test units with the highest values that are explained, and as many with the lowest.
const EXPLAINED: usize = 3;
/// Training units of the memorisation control: enough to show it, few enough to be quick.
const CONTROL_UNITS: usize = 500;
/// Shares of the training units of the learning curve.
const CURVE: [f64; 4] = [0.125, 0.25, 0.5, 1.0];
/// Bins of difficulty for coverage.
const DIFFICULTY_BINS: usize = 4;

/// State 6: a model that was judged on units that nothing was fitted to.
pub(crate) struct Challenged {
    pub trained: Trained,
    pub result: ChallengeResult,
}

/// What is kept of step 6.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChallengeResult {
    /// Test units.
    pub units: usize,
    /// Each metric with its interval.
    pub scores: Vec<Score>,
    /// The metric of single trials on the test units: baselines, and the best network alone.
    pub others: Vec<OtherScore>,
    /// Against the trivial baseline.
    pub against_trivial: Option<PairedComparison>,
    /// Against the best classical model on validation.
    pub against_best: Option<(String, PairedComparison)>,
    /// Calibration of classes before and after recalibration.
    pub calibration: Option<(CalibrationError, CalibrationError)>,
    /// Calibration of numbers before and after recalibration.
    pub intervals: Option<(IntervalCalibration, IntervalCalibration)>,
    /// Sets or intervals.
    pub coverage: Option<CoverageReport>,
    /// For forecasts: intervals that follow what came, over the test part.
    #[serde(default)]
    pub followed: Option<FollowedCoverage>,
    /// Mean uncertainty: total, aleatoric, epistemic.
    pub uncertainty: Option<[f64; 3]>,
    /// Real test units against shuffled ones, and the share of real ones that are refused.
    pub strangeness: Option<(Detection, f64)>,
    /// Risk of the most confident, by share accepted.
    pub risk_coverage: Option<RiskCoverage>,
    /// What the gate lets pass, and the share of units without an answer.
    pub accepted: Option<(AcceptedRisk, f64)>,
    /// The metric on test units to which common things happened.
    pub robustness: Vec<Disturbed>,
    /// The metric on test units by how near they are to what was learned from, a table for each measure.
    #[serde(default)]
    pub distances: Vec<NearnessTable>,
    /// The metric target by target, and on groups of units.
    #[serde(default)]
    pub parts: Vec<PartTable>,
    /// For forecasts of series: each series with its error and its doubt, and some of them drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecasts: Option<ForecastPictures>,
    /// What the metric loses when a column is shuffled, the most important first.
    pub importance: Vec<Importance>,
    /// What the predictions of some test units rest on, where the modality can draw it: the highest values, and the lowest.
    #[serde(default)]
    pub explanations: Vec<Explained>,
    /// Some test units, where the modality has pictures of them.
    #[serde(default)]
    pub pictures: Vec<Pictured>,
    /// The metric on validation against training units.
    pub learning_curve: Vec<CurvePoint>,
    /// The control with shuffled targets.
    pub memorisation: Option<Memorisation>,
    /// Whether a unit's loss tells that the model learned from it.
    #[serde(default)]
    pub membership: Option<MembershipInference>,
    /// Whether gates keep their promise over many divisions of the test units.
    #[serde(default)]
    pub promise: Option<PromiseReport>,
    /// A network on targets of which more and more are shuffled; empty unless a person asked for it.
    #[serde(default)]
    pub randomisation: Vec<RandomisedPoint>,
    /// Scores of strangeness beside each other, on the same real and made-up units.
    #[serde(default)]
    pub detectors: Vec<DetectorScore>,
    /// For labels: what the lists miss.
    #[serde(default)]
    pub lists: Option<(LabelRiskControl, MissedLabels)>,
    /// What usual units look like; `None` with too few of them.
    #[serde(default)]
    pub shift: Option<ShiftReference>,
    /// What it cost; `None` in runs of before it was measured.
    #[serde(default)]
    pub costs: Option<Costs>,
    /// All verdicts.
    pub verdicts: Vec<Verdict>,
}

/// A metric on the test units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The metric.
    pub metric: Metric,
    /// Its value and interval.
    pub interval: Interval,
}

/// A single trial on the test units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OtherScore {
    /// The trial's name.
    pub name: String,
    /// Whether it is a network.
    pub network: bool,
    /// The metric.
    pub value: f64,
}

/// Some test units to which something happened that does not change what is true of them; the first time, nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disturbed {
    /// What happened.
    pub disturbance: String,
    /// How strongly, 0 (not at all) to 5.
    pub severity: u8,
    /// The metric.
    pub score: f64,
    /// Share of the units without an answer.
    pub refused: f64,
}

/// Test units by how near they are to what was learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearnessTable {
    /// What is measured, in words that follow "by".
    pub what: String,
    /// The farthest first; none is empty.
    pub bins: Vec<NearnessBin>,
}

/// Test units that are about as near.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NearnessBin {
    /// The least nearness; `None` for the farthest.
    pub from: Option<f64>,
    /// Where the next bin begins; `None` for the nearest.
    pub to: Option<f64>,
    /// Units.
    pub units: usize,
    /// The metric; `None` where it is not defined (one class only).
    pub score: Option<f64>,
    /// Share of the units without an answer.
    pub refused: f64,
}

/// What the prediction of a test unit rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// What is explained, in words.
    pub what: String,
    /// What was predicted: a probability, or a number.
    pub predicted: f64,
    /// What is true; `None` where it is not known.
    pub truth: Option<String>,
    /// The drawing and its weights.
    pub explanation: Explanation,
}

/// What a column is worth to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The column.
    pub column: String,
    /// How much worse the metric is when its cells are shuffled between rows; in the metric's own units, positive is worse.
    pub loss: f64,
}

/// One point of the learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Training units.
    pub units: usize,
    /// The metric on the validation units of the first fold.
    pub score: f64,
}

/// What all challenges share.
struct Judge<'a> {
    trained: &'a Trained,
    context: &'a Context,
    predictor: Predictor,
    test: Vec<usize>,
    truth: Targets,
    /// Before and after recalibration.
    raw: Distribution,
    said: Distribution,
    answers: Vec<Answer>,
    /// Seconds that the predictions of the test part took.
    predicted: Duration,
    seed: Seed,
    metric: Metric,
    jury: Jury,
}

impl Trained {
    /// Judges the model on the test part, which nothing has looked at until now.
    pub fn challenge(self, context: &Context) -> Result<Challenged, EngineError> {
        let result = context.step(Step::Challenged, &[], || {
            if self.prepared.split.test.is_empty() {
                return Ok(ChallengeResult::empty());
            }
            let result = Judge::new(&self, context)?.judge()?;
            for verdict in &result.verdicts {
                context.events.emit(Event::Judged {
                    verdict: verdict.clone(),
                });
            }
            Ok(result)
        })?;
        Ok(Challenged {
            trained: self,
            result,
        })
    }
}

impl ChallengeResult {
    fn empty() -> ChallengeResult {
        ChallengeResult {
            units: 0,
            scores: Vec::new(),
            others: Vec::new(),
            against_trivial: None,
            against_best: None,
            calibration: None,
            intervals: None,
            coverage: None,
            followed: None,
            uncertainty: None,
            strangeness: None,
            risk_coverage: None,
            accepted: None,
            robustness: Vec::new(),
            distances: Vec::new(),
            parts: Vec::new(),
            forecasts: None,
            importance: Vec::new(),
            explanations: Vec::new(),
            pictures: Vec::new(),
            learning_curve: Vec::new(),
            memorisation: None,
            membership: None,
            promise: None,
            randomisation: Vec::new(),
            detectors: Vec::new(),
            lists: None,
            shift: None,
            costs: None,
            verdicts: Vec::new(),
        }
    }
}

/// Seconds that may be spent on what can be judged more or less thoroughly, however short the training was.
const LEAST_SECONDS: f64 = 5.0;

/// The clock of what can be judged more or less thoroughly: where time is limited, as much as the training took, at most.
fn judging_clock(clock: &Clock, seconds: f64) -> Clock {
    match clock.remaining() {
        Some(_) => clock.within(Duration::from_secs_f64(seconds.max(LEAST_SECONDS))),
        None => clock.clone(),
    }
}

impl<'a> Judge<'a> {
    fn new(trained: &'a Trained, context: &'a Context) -> Result<Judge<'a>, EngineError> {
        let prepared = &trained.prepared;
        let bundle = Bundle::read(&trained.bundle)?;
        let predictor = Predictor::load(bundle, prepared.subject.learner())?;
        let test = prepared.split.test.clone();
        let started = Instant::now();
        let (raw, answers) = predictor.mixture_and_answers(prepared.subject.units(), &test)?;
        let predicted = started.elapsed();
        let said = predictor.parts().recalibration.apply(&raw)?;
        Ok(Judge {
            trained,
            context,
            predictor,
            truth: prepared.targets.select(&test),
            test,
            raw,
            said,
            answers,
            predicted,
            seed: context.settings.seed.derive("challenge", &[]),
            metric: prepared.metric,
            jury: Jury {
                gates: context.settings.gates,
                words: prepared.curated.source.modality.words(),
            },
        })
    }

    fn judge(&self) -> Result<ChallengeResult, EngineError> {
        let mut result = ChallengeResult {
            units: self.test.len(),
            ..ChallengeResult::empty()
        };
        let jury = self.jury;
        let trained = self.trained.designed.leaderboard.iter();
        let training: f64 = trained.map(|standing| standing.seconds).sum();
        let training = training / self.context.settings.jobs.max(1) as f64;
        let predicted = self.predicted.as_secs_f64();
        let mut watch = Stopwatch::start(training, ("predictions", predicted));
        let clock = judging_clock(&self.context.clock, training - predicted);
        self.scores(&mut result);
        watch.lap("scores");
        self.compare(&mut result)?;
        watch.lap("other models");
        if let Some(against) = &result.against_trivial {
            result
                .verdicts
                .push(jury.generalisation(against, self.test.len()));
        }
        if let Some((name, against)) = &result.against_best {
            result.verdicts.push(jury.baselines(name, against));
        }
        self.calibration(&mut result)?;
        self.coverage(&mut result)?;
        self.lists(&mut result)?;
        watch.lap("calibration and coverage");
        self.answers(&mut result)?;
        watch.lap("abstention");
        self.context.go_on()?;
        self.strangeness(&mut result)?;
        watch.lap("strange inputs");
        self.nearness(&mut result)?;
        self.by_part(&mut result);
        result.forecasts = self.forecasts();
        watch.lap("nearness and parts");
        // What follows is bounded by time where the run is; without a limit it runs whole.
        self.membership(&mut result)?;
        watch.lap("membership");
        self.robustness(&mut result, &clock.share(0.2))?;
        watch.lap("robustness");
        self.memorisation(&mut result, &clock.share(0.3))?;
        watch.lap("memorisation");
        // Somebody asked for this one.
        self.randomisation(&mut result, &self.context.clock.share(0.3))?;
        watch.lap("randomisation");
        self.importance(&mut result, &clock.share(0.6))?;
        watch.lap("importance");
        self.explanations(&mut result, &clock.share(0.7))?;
        self.pictures(&mut result);
        watch.lap("explanations");
        self.learning_curve(&mut result, &clock.share(0.8))?;
        watch.lap("learning curve");
        self.context.go_on()?;
        result.costs = Some(watch.stop());
        result
            .verdicts
            .push(jury.leakage(&self.trained.prepared.curated.curation.findings));
        Ok(result)
    }

    /// Places of some units within the test part, at most so many.
    fn some_places(&self, most: usize, seed: Seed) -> Vec<usize> {
        let places: Vec<usize> = (0..self.test.len()).collect();
        sample(&places, most, seed)
    }

    fn scores(&self, result: &mut ChallengeResult) {
        let mut metrics = Metric::all_for(self.predictor.task());
        let modality = self.trained.prepared.curated.source.modality;
        if modality == Modality::CloudPoints && Metric::MeanIou.fits(self.predictor.task()) {
            metrics.insert(0, Metric::MeanIou);
        }
        let order =
            std::iter::once(self.metric).chain(metrics.into_iter().filter(|m| *m != self.metric));
        for metric in order {
            // A metric that is undefined here (one class only) is left out.
            let seed = self.seed.derive(metric.name(), &[]);
            if let Ok(interval) = Bootstrap::default().metric(metric, &self.said, &self.truth, seed)
            {
                result.scores.push(Score { metric, interval });
            }
        }
    }

    /// The model against single trials: the trivial one, the other classical ones, and the best network.
    fn compare(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        let board = &self.trained.designed.leaderboard;
        let trivial = board
            .iter()
            .find(|s| s.complete && s.design.get("model").is_some_and(|m| m == "trivial"));
        let mut classical = board
            .iter()
            .filter(|s| s.complete && !s.network && s.origin == BASELINE);
        let best = classical
            .next()
            .filter(|best| trivial.is_none_or(|t| t.trial != best.trial));
        let network = board.iter().find(|s| s.complete && s.network);
        let others = board
            .iter()
            .filter(|s| s.complete && s.origin == BASELINE)
            .chain(network);
        let others: Vec<&Standing> = others.collect();
        let said: Vec<Option<Distribution>> = others
            .par_iter()
            .map(|standing| self.alone(standing))
            .collect::<Result<_, _>>()?;
        for (standing, said) in others.into_iter().zip(said) {
            let Some(said) = said else {
                continue;
            };
            if let Ok(value) = self.metric.score(&said, &self.truth) {
                result.others.push(OtherScore {
                    name: standing.name.clone(),
                    network: standing.network,
                    value,
                });
            }
            let is = |other: Option<&Standing>| other.is_some_and(|o| o.trial == standing.trial);
            if is(trivial) {
                let metric = if self.predictor.task().is_classification() {
                    Metric::LogLoss
                } else {
                    Metric::Rmse
                };
                result.against_trivial = self.against(metric, &said);
            }
            if is(best) {
                result.against_best = self
                    .against(self.metric, &said)
                    .map(|a| (standing.name.clone(), a));
            }
        }
        Ok(())
    }

    fn against(&self, metric: Metric, other: &Distribution) -> Option<PairedComparison> {
        let seed = self.seed.derive("paired", &[]);
        PairedComparison::of(
            metric,
            &self.said,
            other,
            &self.truth,
            &Bootstrap::default(),
            seed,
        )
        .ok()
    }

    /// What one trial alone says of the test units: the mean over its folds.
    fn alone(&self, standing: &Standing) -> Result<Option<Distribution>, EngineError> {
        let prepared = &self.trained.prepared;
        let fidelity = &prepared.fidelity;
        let top = fidelity.top();
        let mut members = Vec::new();
        for fold in 0..prepared.deployed_folds(fidelity.folds(top)) {
            let Some(kept) = self
                .trained
                .trials
                .kept(standing.trial, &fidelity.place(top, fold))
            else {
                return Ok(None);
            };
            members.push(LoadedMember {
                name: standing.name.clone(),
                weight: 1.0,
                member: prepared
                    .subject
                    .learner()
                    .load(&kept.description, &kept.numbers)?,
                detector: None,
                witnesses: Vec::new(),
            });
        }
        Ok(Some(mixture(
            &members,
            prepared.subject.units(),
            &self.test,
        )?))
    }

    fn calibration(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        let jury = self.jury;
        let seed = self.seed.derive("calibration", &[]);
        if self.predictor.task().is_classification() {
            let before = CalibrationError::measure(&self.raw, &self.truth, seed)?;
            let after = CalibrationError::measure(&self.said, &self.truth, seed)?;
            result.verdicts.push(jury.calibration_of_classes(&after));
            result.calibration = Some((before, after));
        } else {
            let before = IntervalCalibration::measure(&self.raw, &self.truth, seed)?;
            let after = IntervalCalibration::measure(&self.said, &self.truth, seed)?;
            result.verdicts.push(jury.calibration_of_numbers(&after));
            result.intervals = Some((before, after));
        }
        Ok(())
    }

    fn coverage(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        let parts = self.predictor.parts();
        let mut slices = Slice::by_class(&self.truth, &parts.target.classes);
        for column in &self.trained.prepared.sensitive {
            if let Some(names) = self.groups(column) {
                slices.extend(Slice::by_group(&names));
            }
        }
        let difficulty: Vec<f64> = parts
            .correctness
            .confidence(&self.said)?
            .iter()
            .map(|c| 1.0 - c)
            .collect();
        slices.extend(Slice::by_difficulty(&difficulty, DIFFICULTY_BINS));
        let report = match &parts.conformal {
            Conformal::Classifier(c) => {
                CoverageReport::of_classifier(c, &self.said, &self.truth, &slices)?
            }
            Conformal::ByClass(c) => c.judge(&self.said, &self.truth, None, &slices)?,
            Conformal::LabelSets(l) => {
                let names = &parts.target.names;
                CoverageReport::of_label_sets(l, &self.said, &self.truth, names, &slices)?
            }
            Conformal::Regressor(r) => {
                CoverageReport::of_regressor(r, &self.said, &self.truth, &slices)?
            }
            Conformal::QuantileRegressor(r) => {
                CoverageReport::of_quantile_regressor(r, &self.said, &self.truth, &slices)?
            }
        };
        result.followed = self.followed(&slices)?;
        result.verdicts.push(match &result.followed {
            Some(followed) => self
                .jury
                .coverage_in_the_long_run(&followed.report, &report),
            None => self.jury.coverage(&report),
        });
        result.coverage = Some(report);
        Ok(())
    }

    /// `column=value` of each test unit; `None` for a column of many values.
    fn groups(&self, column: &str) -> Option<Vec<String>> {
        let cells = &self.trained.prepared.table.column(column)?.values;
        let name = |row: &usize| {
            format!(
                "{column}={}",
                cells.text(*row).unwrap_or_else(|| "missing".into())
            )
        };
        let names: Vec<String> = self.test.iter().map(name).collect();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        (distinct.len() <= 20).then_some(names)
    }

    fn answers(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        let parts = self.predictor.parts();
        let answers = &self.answers;
        let column = |of: fn(&Answer) -> f64| answers.iter().map(of).collect::<Vec<f64>>();
        let uncertainty = Uncertainty {
            total: column(|a| a.uncertainty),
            aleatoric: column(|a| a.aleatoric),
            epistemic: column(|a| a.epistemic),
            effective_members: self.predictor.members().len() as f64,
            per_target: None,
        };
        let jury = self.jury;
        let method = parts.uncertainty;
        result.verdicts.push(jury.uncertainty(&uncertainty, method));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        result.uncertainty = Some([
            mean(&uncertainty.total),
            mean(&uncertainty.aleatoric),
            mean(&uncertainty.epistemic),
        ]);
        let wrong = parts.correctness.wrong(&self.said, &self.truth)?;
        let confidence = column(|a| a.confidence);
        let loss: Vec<f64> = wrong.iter().map(|w| f64::from(u8::from(*w))).collect();
        self.promise(result, &confidence, &wrong)?;
        self.usual(result, answers);
        if !parts.abstention.gate.is_open() {
            result.risk_coverage = Some(RiskCoverage::of(&confidence, &loss)?);
        }
        // Refused as strange counts as refused: it gets no confidence.
        let gated = |a: &Answer| {
            if is_strange(a, &parts.abstention) {
                -1.0
            } else {
                a.confidence
            }
        };
        let accepted = parts
            .abstention
            .gate
            .judge(&column_of(answers, gated), &wrong)?;
        let refused =
            answers.iter().filter(|a| a.abstained.is_some()).count() as f64 / answers.len() as f64;
        result.verdicts.push(jury.abstention(
            parts.target.task,
            &parts.abstention.gate,
            &accepted,
            refused,
        ));
        result.accepted = Some((accepted, refused));
        Ok(())
    }

    fn strangeness(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        if !self.predictor.detects_strangeness() {
            return Ok(());
        }
        let subject = &self.trained.prepared.subject;
        let places = self.some_places(2_000, self.seed.derive("strange rows", &[]));
        let rows: Vec<usize> = places.iter().map(|&place| self.test[place]).collect();
        let strange = subject.strange(&rows, self.seed.derive("strange", &[]))?;
        let score = |answers: &[Answer]| -> Vec<f64> {
            answers
                .iter()
                .filter_map(|a| a.strangeness)
                .map(|s| s.score)
                .collect()
        };
        let real: Vec<Answer> = places.iter().map(|&p| self.answers[p].clone()).collect();
        let shuffled = self.predictor.answers(&strange)?;
        let rule = &self.predictor.parts().abstention;
        let refused =
            real.iter().filter(|a| is_strange(a, rule)).count() as f64 / real.len() as f64;
        let detection = Detection::of(&score(&real), &score(&shuffled))?;
        let apart = match self.jury.sees_strangeness(&detection) {
            true => None,
            false => {
                let seed = self.seed.derive("told apart", &[]);
                let learned = self.trained.prepared.split.development();
                subject.told_apart(&sample(&learned, APART_UNITS, seed), seed)?
            }
        };
        result
            .verdicts
            .push(self.jury.strangeness(&detection, refused, apart));
        result.strangeness = Some((detection, refused));
        self.detectors(result, &rows, &strange, (&real, &shuffled))
    }

    fn nearness(&self, result: &mut ChallengeResult) -> Result<(), EngineError> {
        let prepared = &self.trained.prepared;
        let subject = prepared.subject.as_ref();
        let measures = subject.nearness(&self.test, &prepared.split.development());
        if measures.is_empty() {
            return Ok(());
        }
        let tables = measures
            .iter()
            .map(|nearness| self.by_nearness(nearness, &self.answers));
        result.distances = tables.collect();
        Ok(())
    }

    /// Where it errs.
    fn by_part(&self, result: &mut ChallengeResult) {
        let prepared = &self.trained.prepared;
        let (metric, said, truth) = (self.metric, &self.said, &self.truth);
        result
            .parts
            .extend(by_target(metric, said, truth, &prepared.target.names));
        for groups in prepared.subject.groups(&self.test) {
            result.parts.extend(by_group(metric, said, truth, &groups));
        }
        if prepared.curated.source.modality == Modality::CloudPoints {
            let classes = &prepared.target.classes;
            result.parts.extend(by_class(said, truth, classes));
            let every: Vec<usize> = (0..prepared.targets.len()).collect();
            if let Some(shapes) = prepared.subject.shapes(&every) {
                let categories = shapes.iter().map(|(_, category)| *category);
                let known = parts_of_categories(categories, &prepared.targets);
                let shapes: Vec<_> = self.test.iter().map(|&unit| shapes[unit]).collect();
                result
                    .parts
                    .extend(by_category(said, truth, &shapes, &known));
            }
        }
    }

    /// The metric on test units that are about as near, the farthest first.
    fn by_nearness(&self, nearness: &Nearness, answers: &[Answer]) -> NearnessTable {
        let edges = &nearness.edges;
        let bin_of = |value: &f64| edges.iter().filter(|edge| value >= edge).count();
        let mut bins = Vec::new();
        for bin in 0..=edges.len() {
            let inside = nearness.values.iter().enumerate();
            let places: Vec<usize> = inside
                .filter(|(_, value)| !value.is_nan() && bin_of(value) == bin)
                .map(|(place, _)| place)
                .collect();
            if places.is_empty() {
                continue;
            }
            let (said, truth) = (self.said.select(&places), self.truth.select(&places));
            let refused = places.iter().filter(|&&p| answers[p].abstained.is_some());
            bins.push(NearnessBin {
                from: bin.checked_sub(1).map(|below| edges[below]),
                to: edges.get(bin).copied(),
                units: places.len(),
                score: self.metric.score(&said, &truth).ok(),
                refused: refused.count() as f64 / places.len() as f64,
            });
        }
        NearnessTable {
            what: nearness.what.to_owned(),
            bins,
        }
    }

    fn robustness(&self, result: &mut ChallengeResult, clock: &Clock) -> Result<(), EngineError> {
        let subject = &self.trained.prepared.subject;
        let disturbances = subject.disturbances();
        let seed = self.seed.derive("robustness rows", &[]);
        let places = self.some_places(ROBUSTNESS_UNITS, seed);
        let rows: Vec<usize> = places.iter().map(|&place| self.test[place]).collect();
        let truth = self.truth.select(&places);
        let of = |disturbance: &str, severity, said: &Distribution, answers: &[&Answer]| {
            let refused = answers.iter().filter(|a| a.abstained.is_some()).count();
            let score = self.metric.score(said, &truth).ok()?;
            Some(Disturbed {
                disturbance: disturbance.to_owned(),
                severity,
                score,
                refused: refused as f64 / answers.len().max(1) as f64,
            })
        };
        if !disturbances.is_empty() {
            let answers: Vec<&Answer> = places.iter().map(|&place| &self.answers[place]).collect();
            let clean = of("nothing", 0, &self.said.select(&places), &answers);
            result.robustness.extend(clean);
        }
        for disturbance in disturbances {
            for severity in SEVERITIES {
                if clock.stop().is_some() {
                    return Ok(());
                }
                let seed = self.seed.derive("disturbed", &[u64::from(severity)]);
                let units = subject.disturbed(disturbance, severity, &rows, seed)?;
                let all: Vec<usize> = (0..units.len()).collect();
                let (said, answers) = self.predictor.mixture_and_answers(&units, &all)?;
                let said = self.predictor.parts().recalibration.apply(&said)?;
                let answers: Vec<&Answer> = answers.iter().collect();
                let disturbed = of(disturbance, severity, &said, &answers);
                result.robustness.extend(disturbed);
            }
        }
        Ok(())
    }

    fn importance(&self, result: &mut ChallengeResult, clock: &Clock) -> Result<(), EngineError> {
        let subject = &self.trained.prepared.subject;
        let seed = self.seed.derive("importance rows", &[]);
        let places = self.some_places(IMPORTANCE_UNITS, seed);
        let rows: Vec<usize> = places.iter().map(|&place| self.test[place]).collect();
        let truth = self.truth.select(&places);
        let Ok(whole) = self.metric.score(&self.said.select(&places), &truth) else {
            return Ok(());
        };
        for column in subject.parts().into_iter().take(IMPORTANCE_COLUMNS) {
            if clock.stop().is_some() {
                break;
            }
            let shuffled = subject.shuffled(&column, &rows, self.seed.derive("importance", &[]))?;
            let score = self
                .metric
                .score(&self.predictor.distribution(&shuffled)?, &truth);
            if let Ok(score) = score {
                let loss = self.metric.as_loss(score) - self.metric.as_loss(whole);
                result.importance.push(Importance { column, loss });
            }
        }
        result.importance.sort_by(|a, b| b.loss.total_cmp(&a.loss));
        Ok(())
    }

    /// What the highest and the lowest predictions rest on.
    fn explanations(&self, result: &mut ChallengeResult, clock: &Clock) -> Result<(), EngineError> {
        let prepared = &self.trained.prepared;
        let place = default_place(&prepared.target);
        let values = explained_values(&self.said, place);
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        let lowest = order.split_off(EXPLAINED.min(order.len()));
        let lowest = lowest.into_iter().rev().take(EXPLAINED).rev();
        order.extend(lowest);
        let judge = |units: &Units| {
            let said = self.predictor.distribution(units)?;
            Ok::<_, EngineError>(explained_values(&said, place))
        };
        let classes = prepared.target.task.is_classification();
        for unit in order {
            if clock.stop().is_some() {
                break;
            }
            let explained = prepared.subject.explained(self.test[unit], &judge)?;
            let Some(explanation) = explained else {
                break;
            };
            let value = values[unit];
            result.explanations.push(Explained {
                what: name_of_place(&prepared.target, place),
                predicted: match classes {
                    true => 1.0 / (1.0 + (-value).exp()),
                    false => value,
                },
                truth: self.truth_of(unit, place),
                explanation,
            });
        }
        Ok(())
    }

    /// Some of the test units, as pictures.
    fn pictures(&self, result: &mut ChallengeResult) {
        let prepared = &self.trained.prepared;
        let name = |class: usize| prepared.target.classes.get(class).cloned();
        let answers = |units: &[usize]| {
            let answers = self.predictor.answers_of(prepared.subject.units(), units);
            answers.unwrap_or_default()
        };
        for (kind, unit, class, probability) in chosen(&self.said, &self.truth) {
            let Some(svg) = prepared.subject.picture(self.test[unit], &answers) else {
                return;
            };
            result.pictures.push(Pictured {
                kind,
                predicted: name(class).unwrap_or_default(),
                probability,
                truth: self.truth_of(unit, 0).unwrap_or_default(),
                svg,
            });
        }
    }

    /// What is true of a test unit: its class, whether the label in the place applies, or the number there.
    fn truth_of(&self, unit: usize, place: usize) -> Option<String> {
        let target = &self.trained.prepared.target;
        let class = |class: u32| target.classes.get(class as usize).cloned();
        match &self.truth {
            Targets::Classes(classes) => class(classes[unit]),
            Targets::Labels { width, values } => class(u32::from(values[unit * width + place]?)),
            Targets::Values { width, values } => {
                Some(figure(f64::from(values[unit * width + place])))
            }
        }
    }

    fn fit(
        &self,
        standing: &Standing,
        targets: &Targets,
        train: &[usize],
        validation: &[usize],
        clock: &Clock,
    ) -> Result<Option<candor_train::FittedMember>, EngineError> {
        let prepared = &self.trained.prepared;
        // Networks stop when the clock says so; a model in closed form comes too late as a whole.
        let fidelity = &prepared.fidelity;
        let before = standing.seconds / fidelity.folds(fidelity.top()).max(1) as f64;
        let share = train.len() as f64 / prepared.split.folds[0].train.len().max(1) as f64;
        let left = clock.remaining().map(|left| left.as_secs_f64());
        if !standing.network && left.is_some_and(|left| left < before * share) {
            return Ok(None);
        }
        let fitted = prepared.subject.learner().fit(&Assignment {
            design: &standing.design,
            units: prepared.subject.units(),
            targets,
            target: &prepared.target,
            metric: self.metric,
            train,
            validation,
            seed: self.seed.derive("fit", &[]),
            clock,
        });
        match fitted {
            Ok(fitted) if !fitted.stopped_early => Ok(Some(fitted)),
            Ok(_) | Err(MemberError::Stopped(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The network that controls are made with: the first that was tried in full, which is a small one. It shows as well as the best what they are there
    /// to show, and which it is does not depend on the seconds that each took.
    fn control_network(&self) -> Option<&Standing> {
        let board = &self.trained.designed.leaderboard;
        let networks = board.iter().filter(|s| s.complete && s.network);
        networks.min_by_key(|standing| standing.trial)
    }

    /// Trains a network's design on targets that were shuffled between the training units, without validation.
    fn memorisation(&self, result: &mut ChallengeResult, clock: &Clock) -> Result<(), EngineError> {
        let prepared = &self.trained.prepared;
        if let Some(reason) = prepared.subject.without_control() {
            result.verdicts.push(Verdict {
                challenge: "memorisation".to_owned(),
                outcome: Outcome::NotApplicable,
                value: None,
                threshold: None,
                reason: reason.to_owned(),
            });
            return Ok(());
        }
        let Some(standing) = self.control_network() else {
            return Ok(());
        };
        let train = sample(
            &prepared.split.folds[0].train,
            CONTROL_UNITS,
            self.seed.derive("control", &[]),
        );
        let targets = shuffled_targets(&prepared.targets, &train, self.seed);
        let Some(fitted) = self.fit(standing, &targets, &train, &[], clock)? else {
            return Ok(());
        };
        let said = |rows: &[usize]| -> Result<Distribution, EngineError> {
            Ok(fitted
                .member
                .predict(prepared.subject.units(), rows)?
                .mixture()?)
        };
        let (on_train, on_test) = (said(&train)?, said(&self.test)?);
        let epochs = fitted.history.last().map_or(0.0, |e| e.epoch);
        let learned = targets.select(&train);
        let control = match &self.truth {
            Targets::Classes(truth) => {
                let predicted = on_test.classes().unwrap_or_default();
                let right = predicted.iter().zip(truth).filter(|(a, b)| a == b).count();
                let commonest = (0..prepared.target.classes.len() as u32)
                    .map(|class| truth.iter().filter(|t| **t == class).count())
                    .max()
                    .unwrap_or(0);
                let train_score = Metric::Accuracy.score(&on_train, &learned)?;
                let chance = commonest as f64 / truth.len() as f64;
                Memorisation::of_classes(
                    train_score,
                    right,
                    truth.len(),
                    chance,
                    train.len(),
                    epochs,
                )
            }
            Targets::Labels { .. } => {
                let Some(control) = by_all_labels(&on_train, &learned, &on_test, &self.truth)
                else {
                    return Ok(());
                };
                let (train_score, right, units, chance) = control;
                Memorisation::of_classes(train_score, right, units, chance, train.len(), epochs)
            }
            Targets::Values { .. } => {
                let (Ok(on_train), Ok(on_test)) = (
                    Metric::R2.score(&on_train, &learned),
                    Metric::R2.score(&on_test, &self.truth),
                ) else {
                    return Ok(());
                };
                Memorisation::of_numbers(on_train, on_test, self.test.len(), train.len(), epochs)
            }
        };
        result.verdicts.push(self.jury.memorisation(&control));
        result.memorisation = Some(control);
        Ok(())
    }

    fn learning_curve(
        &self,
        result: &mut ChallengeResult,
        clock: &Clock,
    ) -> Result<(), EngineError> {
        let prepared = &self.trained.prepared;
        let Some(standing) = self
            .trained
            .designed
            .leaderboard
            .iter()
            .find(|s| s.complete)
        else {
            return Ok(());
        };
        let fold = &prepared.split.folds[0];
        let truth = prepared.targets.select(&fold.validation);
        for share in CURVE {
            let units = (fold.train.len() as f64 * share).round() as usize;
            if units < 20 || clock.stop().is_some() {
                continue;
            }
            let train = sample(&fold.train, units, self.seed.derive("curve", &[]));
            let Some(fitted) =
                self.fit(standing, &prepared.targets, &train, &fold.validation, clock)?
            else {
                break;
            };
            let said = fitted
                .member
                .predict(prepared.subject.units(), &fold.validation)?
                .mixture()?;
            if let Ok(score) = self.metric.score(&said, &truth) {
                result.learning_curve.push(CurvePoint {
                    units: train.len(),
                    score,
                });
            }
        }
        Ok(())
    }
}

/// The share of training units whose labels are all right, the number of such test units, the test units, and the share of the
/// commonest set of labels among them: of units whose labels are all known, since the labels of one unit are not
/// independent of each other. `None` when there are no such units.
fn by_all_labels(
    on_train: &Distribution,
    learned: &Targets,
    on_test: &Distribution,
    truth: &Targets,
) -> Option<(f64, usize, usize, f64)> {
    type Row = Vec<bool>;
    let rows = |said: &Distribution, truth: &Targets| -> Vec<(Row, Row)> {
        let (Distribution::Bernoulli { probabilities, .. }, Targets::Labels { width, values }) =
            (said, truth)
        else {
            return Vec::new();
        };
        let said = probabilities.chunks(*width).zip(values.chunks(*width));
        let known = said.filter_map(|(row, known)| {
            let known: Option<Row> = known.iter().copied().collect();
            Some((row.iter().map(|p| *p > 0.5).collect(), known?))
        });
        known.collect()
    };
    let right = |rows: &[(Row, Row)]| rows.iter().filter(|(said, is)| said == is).count();
    let (train, test) = (rows(on_train, learned), rows(on_test, truth));
    let mut counts = std::collections::BTreeMap::new();
    test.iter()
        .for_each(|(_, is)| *counts.entry(is).or_insert(0usize) += 1);
    let commonest = counts.values().max()?;
    (!train.is_empty()).then(|| {
        (
            right(&train) as f64 / train.len() as f64,
            right(&test),
            test.len(),
            *commonest as f64 / test.len() as f64,
        )
    })
}

fn is_strange(answer: &Answer, rule: &AbstentionRule) -> bool {
    answer
        .strangeness
        .is_some_and(|s| s.p_value < rule.ood_p_min)
}

fn column_of(answers: &[Answer], of: impl Fn(&Answer) -> f64) -> Vec<f64> {
    answers.iter().map(of).collect()
}

/// The targets with those of `rows` shuffled between them, once.
fn shuffled_targets(targets: &Targets, rows: &[usize], seed: Seed) -> Targets {
    let mut order = rows.to_vec();
    order.shuffle(&mut seed.stream("shuffled targets", &[]));
    let mut shuffled = targets.clone();
    for (&to, &from) in rows.iter().zip(&order) {
        match (&mut shuffled, targets) {
            (Targets::Classes(shuffled), Targets::Classes(classes)) => shuffled[to] = classes[from],
            (
                Targets::Labels {
                    values: shuffled, ..
                },
                Targets::Labels { width, values },
            ) => {
                let (to, from) = (to * width, from * width);
                shuffled[to..to + width].copy_from_slice(&values[from..from + width]);
            }
            (
                Targets::Values {
                    values: shuffled, ..
                },
                Targets::Values { width, values },
            ) => {
                let (to, from) = (to * width, from * width);
                shuffled[to..to + width].copy_from_slice(&values[from..from + width]);
            }
            _ => {}
        }
    }
    shuffled
}
