use candor_challenge::{ConformalPValue, OodDetector, Uncertainty};
use candor_core::{Distribution, Task};
use candor_train::{Learner, Member, MemberError, MemberPrediction, Units};

use crate::{Answer, Bundle, Conformal, DeployError, Parts, Prediction, Strangeness};

/// Units predicted at a time: bounds the memory of a long table.
const BATCH: usize = 4096;

/// A member that is ready to predict.
pub struct LoadedMember {
    /// A name for people.
    pub name: String,
    /// Its share of the mixture.
    pub weight: f64,
    /// The model.
    pub member: Box<dyn Member>,
    /// Its detector of strange inputs, if it has one.
    pub detector: Option<OodDetector>,
}

/// A loaded model.
pub struct Predictor {
    parts: Parts,
    members: Vec<LoadedMember>,
}

/// The mixture and what its members say of some units.
struct Voices {
    mixture: Distribution,
    uncertainty: Uncertainty,
    strangeness: Option<Vec<Strangeness>>,
}

impl Predictor {
    /// Puts a model together. Weights need not sum to 1.
    pub fn new(parts: Parts, members: Vec<LoadedMember>) -> Predictor {
        Predictor { parts, members }
    }

    /// Loads the members of a bundle.
    ///
    /// # Errors
    /// When a member cannot be read.
    pub fn load(bundle: Bundle, learner: &dyn Learner) -> Result<Predictor, DeployError> {
        let load = |m: crate::BundleMember| match learner.load(&m.description, &m.numbers) {
            Ok(member) => Ok(LoadedMember {
                name: m.name,
                weight: m.weight,
                member,
                detector: m.detector,
            }),
            Err(source) => Err(DeployError::Member {
                name: m.name,
                source,
            }),
        };
        let members = bundle
            .members
            .into_iter()
            .map(load)
            .collect::<Result<_, _>>()?;
        Ok(Predictor::new(bundle.parts, members))
    }

    /// What the model is made of beside its members.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The members.
    pub fn members(&self) -> &[LoadedMember] {
        &self.members
    }

    /// Numbers that were learned, over all members.
    pub fn parameters(&self) -> u64 {
        self.members.iter().map(|m| m.member.parameters()).sum()
    }

    /// The recalibrated predictive distributions of all units: nothing else is computed.
    ///
    /// # Errors
    /// When the units do not fit the members.
    pub fn distribution(&self, units: &Units) -> Result<Distribution, DeployError> {
        let rows: Vec<usize> = (0..units.len()).collect();
        Ok(self
            .parts
            .recalibration
            .apply(&mixture(&self.members, units, &rows)?)?)
    }

    /// Everything there is to say of all units, in order.
    ///
    /// # Errors
    /// When the units do not fit the members.
    pub fn answers(&self, units: &Units) -> Result<Vec<Answer>, DeployError> {
        let rows: Vec<usize> = (0..units.len()).collect();
        self.answers_of(units, &rows)
    }

    /// Everything there is to say of the units `rows`, in that order.
    ///
    /// # Errors
    /// When the units do not fit the members.
    pub fn answers_of(&self, units: &Units, rows: &[usize]) -> Result<Vec<Answer>, DeployError> {
        let mut answers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(BATCH) {
            answers.extend(self.answer_batch(units, rows)?);
        }
        Ok(answers)
    }

    fn answer_batch(&self, units: &Units, rows: &[usize]) -> Result<Vec<Answer>, DeployError> {
        let Voices {
            mixture,
            uncertainty,
            strangeness,
        } = self.listen(units, rows)?;
        let mixture = self.parts.recalibration.apply(&mixture)?;
        let confidence = self.parts.correctness.confidence(&mixture)?;
        let share = uncertainty.epistemic_share();
        let predictions = self.predictions(&mixture)?;
        let task = self.parts.target.task;
        let answers = predictions.into_iter().enumerate().map(|(i, prediction)| {
            let strangeness = strangeness.as_ref().map(|s| s[i]);
            let p_value = strangeness.map_or(1.0, |s| s.p_value);
            let abstained = self
                .parts
                .abstention
                .decide(p_value, confidence[i], share[i]);
            Answer {
                row: rows[i] + 1,
                prediction,
                confidence: confidence[i],
                uncertainty: uncertainty.total[i],
                aleatoric: uncertainty.aleatoric[i],
                epistemic: uncertainty.epistemic[i],
                strangeness,
                abstained,
                reason: abstained.map(|reason| reason.in_words(task).to_owned()),
            }
        });
        Ok(answers.collect())
    }

    fn listen(&self, units: &Units, rows: &[usize]) -> Result<Voices, DeployError> {
        let mut said: Vec<(f64, Distribution)> = Vec::new();
        let mut detected: Vec<(&OodDetector, Vec<f64>)> = Vec::new();
        for member in &self.members {
            let MemberPrediction { members, features } = predict(member, units, rows)?;
            if let (Some(detector), Some(features)) = (&member.detector, &features) {
                let scores = detector.score(&[&features.embedding, &features.input])?;
                detected.push((detector, scores));
            }
            let weight = member.weight / members.len() as f64;
            if weight > 0.0 {
                said.extend(members.into_iter().map(|m| (weight, m)));
            }
        }
        let said: Vec<(f64, &Distribution)> = said.iter().map(|(w, d)| (*w, d)).collect();
        Ok(Voices {
            mixture: Distribution::mixture(&said)?,
            uncertainty: Uncertainty::decompose(&said)?,
            strangeness: strangeness(&detected),
        })
    }

    fn predictions(&self, mixture: &Distribution) -> Result<Vec<Prediction>, DeployError> {
        let target = &self.parts.target;
        let name = |class: u32| {
            target
                .classes
                .get(class as usize)
                .cloned()
                .unwrap_or_default()
        };
        match (mixture, &self.parts.conformal) {
            (
                Distribution::Categorical {
                    classes,
                    probabilities,
                },
                Conformal::Classifier(sets),
            ) => {
                let sets = sets.predict(mixture)?;
                let top = mixture.classes().unwrap_or_default();
                let rows = probabilities.chunks(*classes).zip(top).zip(sets);
                let prediction = rows.map(|((row, top), set)| Prediction::Class {
                    class: name(top),
                    probabilities: row.iter().map(|&p| f64::from(p)).collect(),
                    set: set.into_iter().map(name).collect(),
                });
                Ok(prediction.collect())
            }
            (
                Distribution::Gaussian {
                    width,
                    mean,
                    variance,
                },
                Conformal::Regressor(intervals),
            ) => {
                let ends = intervals.predict(mixture)?;
                let rows = mean
                    .chunks(*width)
                    .zip(variance.chunks(*width))
                    .zip(ends.chunks(*width));
                let prediction = rows.map(|((mean, variance), ends)| Prediction::Number {
                    mean: mean.iter().map(|&m| f64::from(m)).collect(),
                    sd: variance.iter().map(|&v| f64::from(v).sqrt()).collect(),
                    interval: ends
                        .iter()
                        .map(|&(low, high)| {
                            (low.is_finite() && high.is_finite()).then_some((low, high))
                        })
                        .collect(),
                });
                Ok(prediction.collect())
            }
            (Distribution::Categorical { .. }, Conformal::Regressor(_))
            | (Distribution::Gaussian { .. }, Conformal::Classifier(_)) => {
                Err(DeployError::Member {
                    name: self.parts.name.clone(),
                    source: MemberError::Malformed(
                        "it predicts numbers where classes are promised, or the reverse".into(),
                    ),
                })
            }
        }
    }

    /// Whether strange inputs can be told.
    pub fn detects_strangeness(&self) -> bool {
        self.members.iter().any(|m| m.detector.is_some())
    }

    /// The task.
    pub fn task(&self) -> Task {
        self.parts.target.task
    }
}

/// The weighted mixture of members on some units, in the order of `rows`, not recalibrated.
///
/// # Errors
/// When there is no unit, no member has a weight, or the units do not fit the members.
pub fn mixture(
    members: &[LoadedMember],
    units: &Units,
    rows: &[usize],
) -> Result<Distribution, DeployError> {
    let mut whole: Option<Distribution> = None;
    for (batch, chunk) in rows.chunks(BATCH).enumerate() {
        let said = members.iter().filter(|m| m.weight > 0.0).map(|m| {
            let said = predict(m, units, chunk)?.mixture()?;
            Ok((m.weight, said))
        });
        let said = said.collect::<Result<Vec<_>, DeployError>>()?;
        let parts: Vec<(f64, &Distribution)> = said.iter().map(|(w, d)| (*w, d)).collect();
        let mixture = Distribution::mixture(&parts)?;
        let places: Vec<usize> = (0..chunk.len()).map(|i| batch * BATCH + i).collect();
        whole
            .get_or_insert_with(|| mixture.zeros_like(rows.len()))
            .put(&places, &mixture)?;
    }
    whole.ok_or(DeployError::Prediction(
        candor_core::PredictionError::NoMembers,
    ))
}

fn predict(
    member: &LoadedMember,
    units: &Units,
    rows: &[usize],
) -> Result<MemberPrediction, DeployError> {
    let said = member.member.predict(units, rows);
    said.map_err(|source| DeployError::Member {
        name: member.name.clone(),
        source,
    })
}

/// Scores and p-values of features: the embedding first, then the prepared input.
/// The mean score over detectors, and their pooled p-value.
fn strangeness(detected: &[(&OodDetector, Vec<f64>)]) -> Option<Vec<Strangeness>> {
    let (_, first) = detected.first()?;
    let n = detected.len() as f64;
    let told = |i: usize| Strangeness {
        score: detected.iter().map(|(_, scores)| scores[i]).sum::<f64>() / n,
        p_value: ConformalPValue::pooled(
            detected
                .iter()
                .map(|(detector, scores)| (detector.calibration(), scores[i])),
        ),
    };
    Some((0..first.len()).map(told).collect())
}
