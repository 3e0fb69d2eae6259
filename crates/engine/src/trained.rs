use std::collections::BTreeMap;
use std::path::PathBuf;

use candor_challenge::{
    AbstentionRule, AdaptiveIntervals, ChallengeError, Correctness, ErrorLaw, Gate, Isotonic,
    KnnBank, LabelRiskControl, OodDetector, Recalibration, Surprise,
};
use candor_core::{Distribution, Seed, Step, Targets, Task, UncertaintyMethod};
use candor_deploy::{Bundle, BundleMember, Conformal, LoadedMember, Parts, mixture};
use candor_train::Features;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::designed::{Designed, Standing};
use crate::label_review::LabelFindings;
use crate::objective::mean_score;
use crate::prepared::Prepared;
use crate::sourced::name_of;
use crate::trial_folder::{KeptMember, TrialFolder};
use crate::{Calibrator, EngineError, SetsFor};

/// Trials that selection looks at, the best first: with more, chance chooses.
const CANDIDATES: usize = 40;
/// Folds whose members look for strange inputs.
const DETECTORS: usize = 8;
/// Most held-out units that a detector is calibrated on.
const DETECTOR_HELD_OUT: usize = 2_000;
/// Probability that the promise on wrong answers is broken.
const DELTA: f64 = 0.05;

/// State 5: an ensemble with its calibration, as a bundle without card.
pub(crate) struct Trained {
    pub prepared: Prepared,
    pub designed: crate::designed::DesignedResult,
    pub trials: TrialFolder,
    pub result: TrainedResult,
    /// Where the bundle is.
    pub bundle: PathBuf,
}

/// What is kept of step 5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedResult {
    /// Trials in the ensemble, the greatest weight first.
    pub ensemble: Vec<Voice>,
    /// The metric of the ensemble on validation, the mean over folds.
    pub score: Option<f64>,
    /// The same of its best trial alone.
    pub best_alone: Option<f64>,
    /// The network whose embeddings tell strange inputs.
    pub detector: Option<String>,
    /// Of forecasts: why one simple rule was taken and not an ensemble, if so.
    #[serde(default)]
    pub simpler: Option<String>,
    /// How calibration was done.
    pub calibration: String,
    /// How it says what it does not know.
    #[serde(default)]
    pub uncertainty: UncertaintyMethod,
    /// Labels that may be wrong; `None` in runs of before they were looked at.
    #[serde(default)]
    pub labels: Option<LabelFindings>,
}

/// One trial in the ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// The trial.
    pub trial: usize,
    /// Its name.
    pub name: String,
    /// Its share of the mixture.
    pub weight: f64,
    /// Whether it is a network.
    pub network: bool,
}

/// A trial's members, fold by fold.
pub(crate) struct Candidate<'a> {
    pub(crate) standing: &'a Standing,
    /// `(fold, member)`.
    pub(crate) members: Vec<(usize, KeptMember)>,
}

impl Designed {
    /// Chooses the ensemble and calibrates it.
    pub fn train(self, context: &Context) -> Result<Trained, EngineError> {
        let folder = context.folder.step(Step::Trained);
        let bundle = folder.join("bundle");
        let result = context.step(Step::Trained, &["bundle/bundle.json"], || {
            let mut candidates = self.candidates();
            let mut distinct = context.settings.ensemble;
            // One network that doubts itself, instead of several that disagree.
            if context.settings.uncertainty != UncertaintyMethod::Ensemble {
                candidates.retain(|candidate| candidate.standing.network);
                distinct = 1;
            }
            if candidates.is_empty() {
                let failures: Vec<String> = self
                    .result
                    .leaderboard
                    .iter()
                    .filter_map(|s| s.failure.clone())
                    .take(3)
                    .collect();
                let why = match failures.is_empty() {
                    true => "time ran out before the first design was done".to_owned(),
                    false => failures.join("; "),
                };
                return Err(EngineError::NothingTrained(why));
            }
            let chosen = self.choose(&candidates, distinct, context.settings.seed)?;
            let (chosen, simpler) = self.simpler_if_as_good(&candidates, chosen)?;
            let result = self.build(context, &candidates, &chosen, &bundle)?;
            Ok(TrainedResult { simpler, ..result })
        })?;
        if let Some(why) = &result.simpler {
            context.understood(why.clone());
        }
        for voice in &result.ensemble {
            let kind = if voice.network {
                "network"
            } else {
                "classical model"
            };
            context.understood(format!(
                "{:.0} % {} ({kind})",
                100.0 * voice.weight,
                voice.name
            ));
        }
        Ok(Trained {
            prepared: self.prepared,
            designed: self.result,
            trials: self.trials,
            result,
            bundle,
        })
    }

    /// The best trials whose members were judged on as many folds as those of the top rung, with their members. With one
    /// split these are trials of every rung: one that was trained on fewer rows is a model, too, and its score may be the best.
    fn candidates(&self) -> Vec<Candidate<'_>> {
        let fidelity = &self.prepared.fidelity;
        let folds = fidelity.folds(fidelity.top());
        let mut judged: Vec<&Standing> = self
            .result
            .leaderboard
            .iter()
            .filter(|s| s.loss.is_some_and(f64::is_finite) && fidelity.folds(s.rung) == folds)
            .collect();
        judged.sort_by(|a, b| {
            a.loss
                .unwrap_or(f64::NAN)
                .total_cmp(&b.loss.unwrap_or(f64::NAN))
        });
        let candidates = judged.into_iter().take(CANDIDATES).filter_map(|standing| {
            let members = self.members_of(standing)?;
            Some(Candidate { standing, members })
        });
        candidates.collect()
    }

    fn members_of(&self, standing: &Standing) -> Option<Vec<(usize, KeptMember)>> {
        let fidelity = &self.prepared.fidelity;
        let (trial, rung) = (standing.trial, standing.rung);
        let member = |fold| Some((fold, self.trials.kept(trial, &fidelity.place(rung, fold))?));
        (0..fidelity.folds(rung)).map(member).collect()
    }

    fn build(
        &self,
        context: &Context,
        candidates: &[Candidate],
        chosen: &[(usize, f64)],
        bundle: &std::path::Path,
    ) -> Result<TrainedResult, EngineError> {
        let seed = context.settings.seed;
        let mut members = Vec::new();
        let weight_of = |i: usize| {
            chosen
                .iter()
                .find(|(c, _)| *c == i)
                .map_or(0.0, |(_, w)| *w)
        };
        let best_network = (0..candidates.len()).find(|&i| candidates[i].standing.network);
        // Where members of networks stand, by fold; those of the best first.
        let mut networks: BTreeMap<usize, Vec<(usize, &KeptMember)>> = BTreeMap::new();
        for (i, candidate) in candidates.iter().enumerate() {
            let weight = weight_of(i);
            let detects = best_network == Some(i);
            if weight == 0.0 && !detects {
                continue;
            }
            let folds = self.prepared.deployed_folds(candidate.members.len());
            for (fold, kept) in candidate.members.iter().take(folds) {
                if weight == 0.0 && *fold >= DETECTORS {
                    continue;
                }
                if candidate.standing.network && *fold < DETECTORS {
                    let of_fold = networks.entry(*fold).or_default();
                    of_fold.push((members.len(), kept));
                }
                let name = format!("{}, fold {}", candidate.standing.name, fold + 1);
                members.push(BundleMember {
                    name,
                    weight: weight / folds as f64,
                    description: kept.description.clone(),
                    extension: kept.extension.clone(),
                    numbers: kept.numbers.clone(),
                    detector: None,
                    witnesses: Vec::new(),
                });
            }
        }
        for (fold, mut networks) in networks {
            networks.truncate(self.prepared.subject.detection().1);
            let seed = seed.derive("detector", &[fold as u64]);
            let kept: Vec<&KeptMember> = networks.iter().map(|(_, kept)| *kept).collect();
            let member = &mut members[networks[0].0];
            member.detector = self.detector(fold, &kept, seed)?;
            member.witnesses = networks[1..].iter().map(|(place, _)| *place).collect();
        }
        let (parts, calibration) = self.calibrate(context, candidates, chosen, &members)?;
        Bundle {
            parts,
            members,
            card: String::new(),
        }
        .write(bundle)?;
        let mut ensemble: Vec<Voice> = chosen
            .iter()
            .map(|&(i, weight)| Voice {
                trial: candidates[i].standing.trial,
                name: candidates[i].standing.name.clone(),
                weight,
                network: candidates[i].standing.network,
            })
            .collect();
        ensemble.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.trial.cmp(&b.trial)));
        Ok(TrainedResult {
            ensemble,
            score: self.score_of(candidates, chosen)?,
            best_alone: candidates[0].standing.score,
            detector: best_network.map(|i| candidates[i].standing.name.clone()),
            simpler: None,
            calibration,
            uncertainty: context.settings.uncertainty,
            labels: Some(self.review_labels(context, candidates, chosen)?),
        })
    }

    fn score_of(
        &self,
        candidates: &[Candidate],
        chosen: &[(usize, f64)],
    ) -> Result<Option<f64>, EngineError> {
        let folds = mixed_folds(candidates, chosen)?;
        let parts: Vec<(usize, &Distribution)> = folds.iter().map(|(fold, d)| (*fold, d)).collect();
        let prepared = &self.prepared;
        Ok(mean_score(
            prepared.metric,
            &parts,
            &prepared.targets,
            &prepared.split.folds,
        ))
    }

    /// A detector on what networks of one fold see of its training units, calibrated on its validation units: the embedding and the input of
    /// the first, and the embeddings of the others.
    fn detector(
        &self,
        fold: usize,
        networks: &[&KeptMember],
        seed: Seed,
    ) -> Result<Option<OodDetector>, EngineError> {
        let prepared = &self.prepared;
        let (parts, subject) = (&prepared.split.folds[fold], &prepared.subject);
        let (most, _) = subject.detection();
        let known = sample(&parts.train, most, seed.derive("known", &[]));
        let seed_of_held_out = seed.derive("held out", &[]);
        let held_out = sample(&parts.validation, DETECTOR_HELD_OUT, seed_of_held_out);
        let k = KnnBank::NEIGHBOURS;
        let (mut banks, mut seen) = (Vec::new(), Vec::new());
        for (place, kept) in networks.iter().enumerate() {
            let member = subject.learner().load(&kept.description, &kept.numbers)?;
            let features = |rows: &[usize]| -> Result<Option<Features>, EngineError> {
                Ok(member.predict(subject.units(), rows)?.features)
            };
            let (Some(known), Some(held_out)) = (features(&known)?, features(&held_out)?) else {
                return Ok(None);
            };
            banks.push(KnnBank::fit(&known.embedding, known.width, k, most, seed)?);
            seen.push(held_out.embedding);
            if place == 0 {
                let (input, width) = (&known.input, known.input_width);
                banks.push(KnnBank::fit_standardised(input, width, k, most, seed)?);
                seen.push(held_out.input);
            }
        }
        let seen: Vec<&[f32]> = seen.iter().map(Vec::as_slice).collect();
        Ok(Some(OodDetector::calibrate(banks, &seen)?))
    }

    /// Temperature, sets, gates: on the calibration part where there is one (one half for the temperature, the other for
    /// the promises), else on out-of-fold predictions.
    fn calibrate(
        &self,
        context: &Context,
        candidates: &[Candidate],
        chosen: &[(usize, f64)],
        members: &[BundleMember],
    ) -> Result<(Parts, String), EngineError> {
        let prepared = &self.prepared;
        let settings = &context.settings;
        let own = &prepared.split.calibration;
        let (first, second);
        // The rows of the second.
        let judged: Vec<usize>;
        let mut how;
        if own.is_empty() {
            let folds = mixed_folds(candidates, chosen)?;
            let rows: Vec<usize> = folds
                .iter()
                .flat_map(|(fold, _)| prepared.split.folds[*fold].validation.clone())
                .collect();
            let parts: Vec<Distribution> = folds.into_iter().map(|(_, d)| d).collect();
            let said = joined_distributions(&parts)?;
            let truth = prepared.targets.select(&rows);
            how = format!(
                "on out-of-fold predictions of {} rows (cross-conformal: coverage is met closely, without the exact \
                 guarantee of an untouched part)",
                rows.len()
            );
            first = (said.clone(), truth.clone());
            second = (said, truth);
            judged = rows;
        } else {
            let loaded = self.load(members)?;
            let mut order = own.clone();
            order.shuffle(&mut settings.seed.stream("calibration halves", &[]));
            let (a, b) = order.split_at(order.len() / 2);
            let said = |rows: &[usize]| -> Result<(Distribution, Targets), EngineError> {
                let said = mixture(&loaded, prepared.subject.units(), rows)?;
                Ok((said, prepared.targets.select(rows)))
            };
            how = format!(
                "on an untouched part: {} rows for the temperature, {} for sets and gates",
                a.len(),
                b.len()
            );
            (first, second) = (said(a)?, said(b)?);
            judged = b.to_vec();
        }
        let origins = prepared.subject.origins(&judged);
        let (recalibration, shape) = match origins {
            Some(_) if matches!(first.0, Distribution::Gaussian { .. }) => (
                Recalibration::ErrorLaw(ErrorLaw::fit(&first.0, &first.1)?),
                "; how errors are distributed about the mean is told by those that were seen, at each horizon",
            ),
            _ => recalibration(settings.calibrator, &first.0, &first.1)?,
        };
        how += shape;
        let said = recalibration.apply(&second.0)?;
        let truth = &second.1;
        let seed = settings.seed.derive("conformal", &[]);
        let fit_sets = match settings.sets {
            SetsFor::All => Conformal::fit,
            SetsFor::Class => Conformal::fit_by_class,
        };
        let alpha = 1.0 - settings.coverage;
        let conformal = fit_sets(alpha, &said, truth, seed)?;
        let adaptive = origins
            .map(|origins| AdaptiveIntervals::fit(alpha, &said, truth, origins.series))
            .transpose()?;
        let surprise = adaptive
            .as_ref()
            .map(|_| Surprise::fit(&said, truth, 0))
            .transpose()?;
        let development = prepared.targets.select(&prepared.split.development());
        let (correctness, gate) = match settings.tolerance {
            Some(tolerance) if !prepared.target.task.is_classification() => {
                let tolerance = vec![tolerance; prepared.target.width()];
                (Correctness::Within { tolerance }, None)
            }
            _ => {
                let share = Correctness::DEFAULT_SHARE;
                let correctness = Correctness::with_share(&development, share)?;
                // Nobody said how exact a number must be, or how many labels may be wrong: nothing to promise.
                let open = matches!(prepared.target.task, Task::Multilabel | Task::Regression);
                (correctness, open.then(|| Gate::open(settings.risk, DELTA)))
            }
        };
        let gate = match gate {
            Some(open) => open,
            None => {
                let confidence = correctness.confidence(&said)?;
                let wrong = correctness.wrong(&said, truth)?;
                Gate::fit(&confidence, &wrong, settings.risk, DELTA)?
            }
        };
        let detectors = members.iter().filter_map(|member| member.detector.as_ref());
        let held_out = detectors.map(|d| d.calibration().units()).sum();
        let parts = Parts {
            name: name_of(&settings.source),
            modality: prepared.curated.source.modality,
            target: prepared.target.clone(),
            metric: prepared.metric,
            input: prepared.subject.input()?,
            recalibration,
            conformal,
            adaptive,
            surprise,
            correctness,
            abstention: AbstentionRule::new(gate).calibrated_on(held_out),
            lists: match &said {
                Distribution::Bernoulli { .. } => Some(LabelRiskControl::fit(
                    1.0 - settings.coverage,
                    &said,
                    truth,
                )?),
                _ => None,
            },
            uncertainty: settings.uncertainty,
            shift: None,
        };
        Ok((parts, how))
    }

    fn load(&self, members: &[BundleMember]) -> Result<Vec<LoadedMember>, EngineError> {
        let learner = self.prepared.subject.learner();
        let load = |m: &BundleMember| {
            Ok(LoadedMember {
                name: m.name.clone(),
                weight: m.weight,
                member: learner.load(&m.description, &m.numbers)?,
                detector: None,
                witnesses: Vec::new(),
            })
        };
        members.iter().map(load).collect()
    }
}

/// The recalibration that a person asked for, as far as there are units for it, and what to say of it.
fn recalibration(
    calibrator: Calibrator,
    said: &Distribution,
    truth: &Targets,
) -> Result<(Recalibration, &'static str), EngineError> {
    let of_classes = matches!(
        said,
        Distribution::Categorical { .. } | Distribution::Bernoulli { .. }
    );
    if calibrator == Calibrator::Isotonic && of_classes {
        match Isotonic::fit(said, truth) {
            Ok(curves) => {
                let what = "; probabilities are bent by isotonic curves";
                return Ok((Recalibration::Isotonic(curves), what));
            }
            Err(ChallengeError::TooFew { .. }) => {
                let what = "; a temperature, since isotonic curves need 5,000 calibration rows";
                return Ok((Recalibration::fit(said, truth)?, what));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((Recalibration::fit(said, truth)?, ""))
}

/// The ensemble's out-of-fold predictions, fold by fold.
pub(crate) fn mixed_folds(
    candidates: &[Candidate],
    chosen: &[(usize, f64)],
) -> Result<Vec<(usize, Distribution)>, EngineError> {
    let folds = candidates[0].members.len();
    let mixed = |place: usize| {
        let parts: Vec<(f64, &Distribution)> = chosen
            .iter()
            .map(|&(i, w)| (w, &candidates[i].members[place].1.validation))
            .collect();
        Ok((
            candidates[0].members[place].0,
            Distribution::mixture(&parts)?,
        ))
    };
    (0..folds).map(mixed).collect()
}

/// The validation predictions of a trial, fold after fold.
pub(crate) fn joined(members: &[(usize, KeptMember)]) -> Result<Distribution, EngineError> {
    let parts: Vec<Distribution> = members.iter().map(|(_, m)| m.validation.clone()).collect();
    joined_distributions(&parts)
}

pub(crate) fn joined_distributions(parts: &[Distribution]) -> Result<Distribution, EngineError> {
    let units = parts.iter().map(Distribution::len).sum();
    let mut whole = parts[0].zeros_like(units);
    let mut start = 0;
    for part in parts {
        let places: Vec<usize> = (start..start + part.len()).collect();
        whole.put(&places, part)?;
        start += part.len();
    }
    Ok(whole)
}

pub(crate) fn sample(rows: &[usize], most: usize, seed: Seed) -> Vec<usize> {
    let mut rows = rows.to_vec();
    if rows.len() > most {
        rows.shuffle(&mut seed.stream("sample", &[]));
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}
