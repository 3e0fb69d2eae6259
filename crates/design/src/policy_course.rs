use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Controller, ControllerSettings, JobRecord, Observation, SamplerKind, Space, StudySettings,
};

/// Stops at which a policy is looked at.
const STOPS: usize = 8;

/// How the policy of a controller changed while it learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyCourse {
    /// Results that it had seen at each stop; the first stop is before any.
    pub seen: Vec<usize>,
    /// The choices that it was ever asked for, in the order of the space.
    pub choices: Vec<ChoicePolicy>,
}

/// What a policy prefers in one choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoicePolicy {
    /// The choice.
    pub name: String,
    /// Its values as text; of a range the middles of equal parts.
    pub values: Vec<String>,
    /// For each stop the probability of each value, a mean over designs drawn from the policy; empty where none of them asked for the choice.
    pub probabilities: Vec<Vec<f32>>,
}

impl ChoicePolicy {
    /// How far the policy has settled at the last stop: 0 where all values are as likely, 1 where one is certain.
    pub fn sharpness(&self) -> f32 {
        let last = self.probabilities.last().map_or(&[][..], Vec::as_slice);
        if last.len() < 2 {
            return 0.0;
        }
        let entropy: f32 = last.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        1.0 - entropy / (last.len() as f32).ln()
    }
}

/// The policy of a study's controller as it was after more and more of the study's results; `None` when another sampler proposed, or nothing
/// was trained.
pub fn policy_course(
    space: &Space,
    study: &StudySettings,
    records: &[JobRecord],
) -> Option<PolicyCourse> {
    if study.sampler != SamplerKind::Controller {
        return None;
    }
    let outside = |record: &JobRecord| study.first.get(record.trial).is_some_and(|f| f.outside);
    let in_order: BTreeMap<usize, &JobRecord> = records.iter().map(|r| (r.job, r)).collect();
    let history: Vec<Observation> = in_order
        .values()
        .filter(|record| !outside(record))
        .map(|record| record.observation())
        .collect();
    if history.is_empty() {
        return None;
    }
    let mut seen: Vec<usize> = (0..STOPS)
        .map(|stop| history.len() * stop / (STOPS - 1))
        .collect();
    seen.dedup();
    let mut controller = Controller::new(ControllerSettings::default(), study.seed);
    let stops: Vec<Vec<Vec<f32>>> = seen
        .iter()
        .map(|&seen| controller.preferences(space, &history[..seen]))
        .collect();
    let choices = space
        .choices()
        .iter()
        .enumerate()
        .filter_map(|(place, choice)| {
            let probabilities: Vec<Vec<f32>> =
                stops.iter().map(|stop| stop[place].clone()).collect();
            let count = probabilities
                .iter()
                .map(Vec::len)
                .max()
                .filter(|n| *n > 1)?;
            let listed = choice.options.values();
            let value = |n: usize| match listed.get(n) {
                Some(value) if listed.len() == count => value.clone(),
                _ => choice.options.at((n as f64 + 0.5) / count as f64),
            };
            Some(ChoicePolicy {
                name: choice.name.clone(),
                values: (0..count).map(|n| shown(&value(n))).collect(),
                probabilities,
            })
        });
    Some(PolicyCourse {
        choices: choices.collect(),
        seen,
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            candor_core::wording::figure(number.as_f64().unwrap_or(f64::NAN))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use serde_json::json;

    use super::*;
    use crate::{Choice, Design, JobResult};

    #[test]
    fn a_policy_that_sees_one_value_win_comes_to_prefer_it() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["good", "bad"]),
            Choice::integers("size", 1, 3),
            Choice::reals("rate", 0.0, 1.0),
        ])
        .unwrap();
        let record = |trial: usize| {
            let good = trial.is_multiple_of(2);
            JobRecord {
                job: trial,
                trial,
                rung: 0,
                design: Design::new()
                    .with("kind", if good { "good" } else { "bad" })
                    .with("size", 1 + trial % 3)
                    .with("rate", trial as f64 / 80.0),
                origin: "random".into(),
                result: JobResult::Scored {
                    loss: if good { 1.0 } else { 2.0 } + trial as f64 * 1e-3,
                    score: 0.0,
                    parameters: 10,
                    detail: json!({}),
                },
                seconds: 1.0,
            }
        };
        let records: Vec<JobRecord> = (0..80).map(record).collect();
        let mut study = StudySettings::new("s", Seed(3));
        assert_eq!(policy_course(&space, &study, &records), None);
        study.sampler = SamplerKind::Controller;
        assert_eq!(policy_course(&space, &study, &[]), None);
        let course = policy_course(&space, &study, &records).unwrap();
        assert_eq!((course.seen[0], course.seen.last()), (0, Some(&80)));
        let names: Vec<&str> = course.choices.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["kind", "size", "rate"]);
        let kind = &course.choices[0];
        assert_eq!(kind.values, ["good", "bad"]);
        let (first, last) = (&kind.probabilities[0], &kind.probabilities.last().unwrap());
        assert!((first[0] - 0.5).abs() < 0.2, "{first:?}");
        assert!(last[0] > 0.8, "{last:?}");
        assert!(kind.sharpness() > course.choices[1].sharpness());
        assert_eq!(course.choices[1].values, ["1", "2", "3"]);
        assert_eq!(course.choices[2].values.len(), 16);
    }
}
