use candor_challenge::{
    AdaptiveIntervals, ConformalPValue, OodDetector, Reason, TargetUncertainty, Uncertainty, Voice,
};
use candor_core::{Distribution, QuantileFunction, Task, UncertaintyMethod};
use candor_train::{Features, Learner, Member, MemberError, MemberPrediction, Units};

use crate::{Answer, Bundle, Conformal, DeployError, Parts, Prediction, Strangeness};

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
    /// Places of other members whose embeddings the detector looks at, too, in the order of its banks.
    pub witnesses: Vec<usize>,
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
                witnesses: m.witnesses,
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
        self.answers_at(units, rows, self.parts.adaptive.as_ref())
    }

    /// The same with intervals of forecasts as `adaptive` has them.
    ///
    /// # Errors
    /// When the units do not fit the members.
    pub fn answers_at(
        &self,
        units: &Units,
        rows: &[usize],
        adaptive: Option<&AdaptiveIntervals>,
    ) -> Result<Vec<Answer>, DeployError> {
        let mut answers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(units.at_once()) {
            answers.extend(self.answer_batch(units, rows, adaptive)?.1);
        }
        Ok(answers)
    }

    /// What [`mixture`] and [`Predictor::answers_of`] say, with the work of the second alone.
    ///
    /// # Errors
    /// When there is no unit, or the units do not fit the members.
    pub fn mixture_and_answers(
        &self,
        units: &Units,
        rows: &[usize],
    ) -> Result<(Distribution, Vec<Answer>), DeployError> {
        let mut whole: Option<Distribution> = None;
        let mut answers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(units.at_once()) {
            let (mixture, batch) = self.answer_batch(units, rows, self.parts.adaptive.as_ref())?;
            answers.extend(batch);
            match &mut whole {
                Some(whole) => whole.append(&mixture)?,
                None => whole = Some(mixture),
            }
        }
        let whole = whole.ok_or(candor_core::PredictionError::NoMembers)?;
        Ok((whole, answers))
    }

    /// The mixture before recalibration, and the answers.
    fn answer_batch(
        &self,
        units: &Units,
        rows: &[usize],
        adaptive: Option<&AdaptiveIntervals>,
    ) -> Result<(Distribution, Vec<Answer>), DeployError> {
        let Voices {
            mixture: raw,
            uncertainty,
            strangeness,
        } = self.listen(units, rows)?;
        let mixture = self.parts.recalibration.apply(&raw)?;
        let confidence = self.parts.correctness.confidence(&mixture)?;
        let share = uncertainty.epistemic_share();
        let mut predictions = self.predictions(&mixture, adaptive)?;
        if let Some(parts) = &uncertainty.per_target {
            tell_by_target(&mut predictions, parts);
        }
        let answers = predictions.into_iter().enumerate().map(|(i, prediction)| {
            let strangeness = strangeness.as_ref().map(|s| s[i]);
            let p_value = strangeness.map_or(1.0, |s| s.p_value);
            let abstained = self
                .parts
                .abstention
                .decide(p_value, confidence[i], share[i]);
            Answer {
                row: rows[i] + 1,
                unit: None,
                prediction,
                confidence: confidence[i],
                uncertainty: uncertainty.total[i],
                aleatoric: uncertainty.aleatoric[i],
                epistemic: uncertainty.epistemic[i],
                strangeness,
                abstained,
                reason: abstained.map(|reason| self.in_words(reason).to_owned()),
            }
        });
        let answers = answers.collect();
        Ok((raw, answers))
    }

    fn in_words(&self, reason: Reason) -> &'static str {
        match (reason, self.parts.uncertainty) {
            (Reason::MembersDisagree, method) if method != UncertaintyMethod::Ensemble => {
                "The model doubts what it learned about cases like this one: there were too few of them."
            }
            _ => reason.in_words(self.task()),
        }
    }

    fn listen(&self, units: &Units, rows: &[usize]) -> Result<Voices, DeployError> {
        let mut said: Vec<Said> = Vec::new();
        let mut seen: Vec<Option<Features>> = Vec::with_capacity(self.members.len());
        let members = || self.members.iter();
        for (place, member) in members().enumerate() {
            let mut prediction = predict(member, units, rows)?;
            let looked_at =
                member.detector.is_some() || members().any(|m| m.witnesses.contains(&place));
            seen.push(prediction.features.take().filter(|_| looked_at));
            if member.weight > 0.0 {
                said.extend(voices(member, prediction));
            }
        }
        let mut detected: Vec<(&OodDetector, Vec<f64>)> = Vec::new();
        for (member, own) in self.members.iter().zip(&seen) {
            if let (Some(detector), Some(own)) = (&member.detector, own) {
                let others = member
                    .witnesses
                    .iter()
                    .filter_map(|&w| seen.get(w)?.as_ref());
                let mut spaces: Vec<&[f32]> = vec![&own.embedding, &own.input];
                spaces.extend(others.map(|other| other.embedding.as_slice()));
                detected.push((detector, detector.score(&spaces)?));
            }
        }
        let voices: Vec<Voice> = said.iter().map(Said::voice).collect();
        Ok(Voices {
            mixture: mixed(&said)?,
            uncertainty: Uncertainty::of_voices(&voices)?,
            strangeness: strangeness(&detected),
        })
    }

    fn predictions(
        &self,
        mixture: &Distribution,
        adaptive: Option<&AdaptiveIntervals>,
    ) -> Result<Vec<Prediction>, DeployError> {
        let target = &self.parts.target;
        let name = |class: u32| {
            target
                .classes
                .get(class as usize)
                .cloned()
                .unwrap_or_default()
        };
        let followed = adaptive.map(|a| a.predict(mixture)).transpose()?;
        match (mixture, &self.parts.conformal) {
            (
                Distribution::Categorical {
                    classes,
                    probabilities,
                },
                conformal @ (Conformal::Classifier(_) | Conformal::ByClass(_)),
            ) => {
                let sets = conformal.sets_of_classes(mixture)?.unwrap_or_default();
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
                Distribution::Bernoulli {
                    width,
                    probabilities,
                },
                Conformal::LabelSets(sets),
            ) => {
                let sets = sets.predict(mixture)?;
                let lists = match &self.parts.lists {
                    Some(control) => control.predict(mixture)?,
                    None => vec![Vec::new(); sets.len() / (*width).max(1)],
                };
                let label = |label: u32| target.names.get(label as usize).cloned();
                let rows = probabilities.chunks(*width).zip(sets.chunks(*width));
                let rows = rows.zip(lists);
                let prediction = rows.map(|((row, sets), list)| Prediction::Labels {
                    list: list.into_iter().filter_map(label).collect(),
                    values: row.iter().map(|&p| name(u32::from(p > 0.5))).collect(),
                    probabilities: row.iter().map(|&p| f64::from(p)).collect(),
                    sets: sets
                        .iter()
                        .map(|set| set.iter().copied().map(name).collect())
                        .collect(),
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
                let moments: Vec<(f64, f64)> = mean
                    .iter()
                    .zip(variance)
                    .map(|(&mean, &variance)| (f64::from(mean), f64::from(variance)))
                    .collect();
                let ends = match followed {
                    Some(ends) => ends,
                    None => intervals.predict(mixture)?,
                };
                Ok(numbers(*width, &moments, &ends, adaptive))
            }
            (
                Distribution::Quantiles {
                    width,
                    levels,
                    values,
                },
                Conformal::QuantileRegressor(intervals),
            ) => {
                let ends = match followed {
                    Some(ends) => ends,
                    None => intervals.predict(mixture)?,
                };
                let cells = values.chunks(levels.len().max(1));
                let moments: Vec<(f64, f64)> = cells
                    .filter_map(|values| QuantileFunction::new(levels, values))
                    .map(|quantiles| quantiles.moments())
                    .collect();
                Ok(numbers(*width, &moments, &ends, adaptive))
            }
            _ => Err(DeployError::Member {
                name: self.parts.name.clone(),
                source: MemberError::Malformed(
                    "what it predicts is not what its sets or intervals are made for".into(),
                ),
            }),
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

/// One prediction a unit of means, variances and ends of intervals `[units, width]`.
fn numbers(
    width: usize,
    moments: &[(f64, f64)],
    ends: &[(f64, f64)],
    adaptive: Option<&AdaptiveIntervals>,
) -> Vec<Prediction> {
    let level = adaptive.map(AdaptiveIntervals::levels).unwrap_or_default();
    let rows = moments.chunks(width.max(1)).zip(ends.chunks(width.max(1)));
    let prediction = rows.map(|(moments, ends)| Prediction::Number {
        mean: moments.iter().map(|(mean, _)| *mean).collect(),
        sd: moments
            .iter()
            .map(|(_, variance)| variance.sqrt())
            .collect(),
        interval: ends
            .iter()
            .map(|&(low, high)| (low.is_finite() && high.is_finite()).then_some((low, high)))
            .collect(),
        level: level.clone(),
        aleatoric: Vec::new(),
        epistemic: Vec::new(),
    });
    prediction.collect()
}

/// Gives each prediction of several numbers the parts of the doubt in each of them.
fn tell_by_target(predictions: &mut [Prediction], parts: &TargetUncertainty) {
    if parts.width < 2 {
        return;
    }
    let data = parts.aleatoric.chunks_exact(parts.width);
    let model = parts.epistemic.chunks_exact(parts.width);
    for ((prediction, data), model) in predictions.iter_mut().zip(data).zip(model) {
        if let Prediction::Number {
            aleatoric,
            epistemic,
            ..
        } = prediction
        {
            (*aleatoric, *epistemic) = (data.to_vec(), model.to_vec());
        }
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
    for (batch, chunk) in rows.chunks(units.at_once()).enumerate() {
        let mut said = Vec::new();
        for member in members.iter().filter(|m| m.weight > 0.0) {
            said.extend(voices(member, predict(member, units, chunk)?));
        }
        let mixture = mixed(&said)?;
        let places: Vec<usize> = (0..chunk.len())
            .map(|i| batch * units.at_once() + i)
            .collect();
        whole
            .get_or_insert_with(|| mixture.zeros_like(rows.len()))
            .put(&places, &mixture)?;
    }
    whole.ok_or(DeployError::Prediction(
        candor_core::PredictionError::NoMembers,
    ))
}

/// What one member, or one inside a member, says.
struct Said {
    weight: f64,
    distribution: Distribution,
    /// See [`MemberPrediction::aleatoric`].
    aleatoric: Option<Vec<f32>>,
}

impl Said {
    fn voice(&self) -> Voice<'_> {
        Voice {
            weight: self.weight,
            said: &self.distribution,
            aleatoric: self.aleatoric.as_deref(),
        }
    }
}

fn mixed(said: &[Said]) -> Result<Distribution, candor_core::PredictionError> {
    let parts: Vec<(f64, &Distribution)> =
        said.iter().map(|s| (s.weight, &s.distribution)).collect();
    Distribution::mixture(&parts)
}

/// What a member says, each of the members inside it by itself, with its weight: quantiles of a mixture depend, by their rounding
/// to levels, on whether mixtures were mixed, so that everything mixes the same parts.
fn voices(member: &LoadedMember, said: MemberPrediction) -> Vec<Said> {
    let weight = member.weight / said.members.len() as f64;
    let mut own = said.aleatoric.into_iter().flatten();
    let said = said.members.into_iter().map(|distribution| Said {
        weight,
        distribution,
        aleatoric: own.next(),
    });
    said.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(width: usize, mean: &[f32], variance: &[f32]) -> Distribution {
        Distribution::Gaussian {
            width,
            mean: mean.to_vec(),
            variance: variance.to_vec(),
        }
    }

    fn told(width: usize, members: &[(f64, &Distribution)]) -> (Uncertainty, Vec<Prediction>) {
        let whole = Uncertainty::decompose(members).unwrap();
        let cells = whole.total.len() * width;
        let mut predictions = numbers(
            width,
            &vec![(0.0, 1.0); cells],
            &vec![(0.0, 1.0); cells],
            None,
        );
        tell_by_target(&mut predictions, whole.per_target.as_ref().unwrap());
        (whole, predictions)
    }

    #[test]
    fn the_parts_of_several_targets_have_the_whole_as_their_mean() {
        let a = normal(2, &[0.0, 0.0, 1.0, 5.0], &[1.0, 3.0, 2.0, 2.0]);
        let b = normal(2, &[2.0, 0.0, 1.0, 9.0], &[1.0, 5.0, 4.0, 2.0]);
        let (whole, predictions) = told(2, &[(1.0, &a), (1.0, &b)]);
        let expected = [([1.0, 4.0], [1.0, 0.0]), ([3.0, 2.0], [0.0, 4.0])];
        for (unit, (prediction, expected)) in predictions.iter().zip(expected).enumerate() {
            let Prediction::Number {
                aleatoric,
                epistemic,
                ..
            } = prediction
            else {
                panic!("{prediction:?}");
            };
            let near = |found: &[f64], expected: [f64; 2]| {
                let mut pairs = found.iter().zip(expected);
                found.len() == 2 && pairs.all(|(found, expected)| (found - expected).abs() < 1e-12)
            };
            assert!(near(aleatoric, expected.0) && near(epistemic, expected.1));
            let mean = |parts: &[f64]| parts.iter().sum::<f64>() / parts.len() as f64;
            assert!((mean(aleatoric) - whole.aleatoric[unit]).abs() < 1e-12);
            assert!((mean(epistemic) - whole.epistemic[unit]).abs() < 1e-12);
        }
    }

    #[test]
    fn one_target_says_no_more_than_its_answer() {
        let (_, predictions) = told(1, &[(1.0, &normal(1, &[0.0], &[1.0]))]);
        let text = serde_json::to_string(&predictions).unwrap();
        assert!(!text.contains("aleatoric"), "{text}");
        let old: Vec<Prediction> = serde_json::from_str(&text).unwrap();
        assert_eq!(old, predictions);
    }
}
