use std::time::Duration;

use candor_core::{Clock, Seed, Step, Task, UncertaintyMethod};
use candor_design::{
    First, JobRecord, JobResult, PolicyCourse, Store, StudySettings, label, leaderboard,
    policy_course, run,
};
use candor_train::Evaluation;
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::context::Context;
use crate::finalists::{Finalists, ORIGIN};
use crate::objective::{BASELINE, FoldObjective};
use crate::prepared::Prepared;
use crate::trial_folder::TrialFolder;

/// What is kept of the time for the ensemble and the challenges beside a share of it: some seconds, and seconds for each row, of which no
/// more count than the ensemble is chosen and judged on. Measured on tables of 100 to 1,500,000 rows.
const RESERVED_SECONDS: f64 = 2.6;
const RESERVED_PER_ROW: f64 = 4e-5;
const RESERVED_ROWS: usize = 100_000;
/// The search has at least this share of the time, however large the table.
const LEAST_SEARCH_SHARE: f64 = 0.5;

/// Share of all training that the search has where its best networks are trained once more.
const SEARCH_SHARE: f64 = 0.25;

/// Share of the search, over all threads, that one trial may use.
const TRIAL_SHARE: f64 = 0.2;
/// The same of a baseline where networks are trained once more: it is there to be beaten, not to take their time.
const BASELINE_SHARE: f64 = 0.05;

/// State 4: designs that were tried.
pub(crate) struct Designed {
    pub prepared: Prepared,
    pub result: DesignedResult,
    pub trials: TrialFolder,
}

/// What is kept of step 4.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesignedResult {
    /// Every trial at its highest rung, best first.
    pub leaderboard: Vec<Standing>,
    /// Jobs that were done, failures included.
    pub jobs: usize,
    /// Whether the clock ended the search.
    pub out_of_time: bool,
    /// How the policy of a controller changed, where one proposed.
    #[serde(default)]
    pub policy: Option<PolicyCourse>,
}

/// One line of the leaderboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The trial.
    pub trial: usize,
    /// A short name: that of a hand-made design, or the design itself.
    pub name: String,
    /// The design.
    pub design: candor_design::Design,
    /// What proposed it.
    pub origin: String,
    /// Whether it is a network (else a classical model).
    pub network: bool,
    /// Its highest rung, from 0.
    pub rung: usize,
    /// Whether that is the top rung.
    pub complete: bool,
    /// What selection minimised.
    pub loss: Option<f64>,
    /// The metric on validation, the mean over folds.
    pub score: Option<f64>,
    /// Numbers that were learned, over its folds.
    pub parameters: Option<u64>,
    /// Seconds over all its jobs.
    pub seconds: f64,
    /// Why it failed.
    pub failure: Option<String>,
    /// Things that went otherwise than planned.
    pub warnings: Vec<String>,
    /// The learning curve of its first fold.
    pub history: Vec<Evaluation>,
}

impl Prepared {
    /// Searches designs.
    pub fn design(self, context: &Context) -> Result<Designed, EngineError> {
        let folder = context.folder.step(Step::Designed);
        let trials = TrialFolder::new(&folder);
        let result = context.step(Step::Designed, &[], || {
            std::fs::create_dir_all(&folder).map_err(EngineError::file("create", &folder))?;
            let settings = &context.settings;
            let training = self.training_clock(context);
            let clock = self.search_clock(&training);
            let study = StudySettings {
                jobs: settings.jobs,
                trials: settings.trials,
                rungs: self.fidelity.rungs(),
                first: self.first(),
                sampler: settings.sampler,
                ..StudySettings::new("fit", settings.seed.derive("study", &[]))
            };
            let seed = settings.seed.derive("members", &[]);
            let objective = FoldObjective {
                uncertainty: settings.uncertainty,
                ..self.objective(&trials, &clock, seed, settings.jobs)
            };
            let mut store = Store::open(&folder.join("study.db"))?;
            let events = context.events.clone();
            let outcome = run(&self.space, &study, &mut store, &objective, &clock, &events)?;
            store.close()?;
            context.go_on()?;
            let out_of_time = outcome.stopped.is_some();
            let mut records = outcome.records;
            let policy = policy_course(&self.space, &study, &records);
            let objective = FoldObjective {
                allowance: None,
                baseline_allowance: None,
                ..objective
            };
            let finalists = Finalists {
                count: self.subject.finalists(),
                rung: self.fidelity.top(),
                metric: self.metric,
                for_long: &|record| objective.for_long(record),
                objective: &objective,
                jobs: settings.jobs,
                clock: &training,
                events: &context.events,
            };
            records.extend(finalists.train(&records)?);
            context.go_on()?;
            Ok(DesignedResult {
                policy,
                ..self.judge(&records, out_of_time)
            })
        })?;
        Ok(Designed {
            prepared: self,
            result,
            trials,
        })
    }

    /// What a search minimises that has the time of `clock` on so many threads.
    pub(crate) fn objective<'a>(
        &'a self,
        folder: &'a TrialFolder,
        clock: &Clock,
        seed: Seed,
        jobs: usize,
    ) -> FoldObjective<'a> {
        let baselines = match self.subject.finalists() {
            0 => TRIAL_SHARE,
            _ => BASELINE_SHARE,
        };
        FoldObjective {
            learner: self.subject.learner(),
            units: self.subject.units(),
            targets: &self.targets,
            target: &self.target,
            metric: self.metric,
            folds: &self.split.folds,
            fidelity: &self.fidelity,
            folder,
            allowance: self.allowance(clock, jobs, TRIAL_SHARE),
            baseline_allowance: self.allowance(clock, jobs, baselines),
            uncertainty: UncertaintyMethod::default(),
            seed,
        }
    }

    /// The clock of the search: the finalists need time, too.
    fn search_clock(&self, training: &Clock) -> Clock {
        match self.subject.finalists() {
            0 => training.clone(),
            _ => training.share(SEARCH_SHARE),
        }
    }

    /// The clock of all training: what comes after it needs time, too.
    fn training_clock(&self, context: &Context) -> Clock {
        let Some(left) = context.clock.remaining() else {
            return context.clock.clone();
        };
        // One classical model a label is read and judged for each of all labels.
        let labels = match self.target.task {
            Task::Multilabel => self.target.width(),
            _ => 1,
        };
        let rows = (self.table.rows() * labels).min(RESERVED_ROWS) as f64;
        let left = left.as_secs_f64().max(1e-9);
        let share = self.subject.judging_share();
        let reserved = share * left + RESERVED_SECONDS + RESERVED_PER_ROW * rows;
        context
            .clock
            .share((1.0 - reserved / left).max(LEAST_SEARCH_SHARE))
    }

    /// How long one member may train when time is limited, so that no trial takes the time of all others.
    fn allowance(&self, search: &Clock, jobs: usize, share: f64) -> Option<Duration> {
        let search = search.remaining()?;
        let threads = jobs as f64;
        let members = self.fidelity.folds(self.fidelity.top()) as f64;
        Some(search.mul_f64(share * threads / members))
    }

    fn first(&self) -> Vec<First> {
        // One network always rises: without any there is no test for strange rows. The others rise by merit.
        let mut networks = 0;
        let first = self.hand_made.iter().map(|h| {
            networks += usize::from(!h.baseline);
            let outside = self.space.check(&h.design).is_err();
            let origin = if h.baseline { BASELINE } else { "hand-made" };
            First {
                design: h.design.clone(),
                origin: origin.to_owned(),
                always_promote: h.in_full || (networks == 1 && !h.baseline),
                outside,
            }
        });
        first.collect()
    }

    fn judge(&self, records: &[JobRecord], out_of_time: bool) -> DesignedResult {
        let standing = |record: &JobRecord| {
            let by_hand = self.hand_made.iter().find(|h| h.design == record.design);
            let detail = match &record.result {
                JobResult::Scored { detail, .. } => detail.clone(),
                JobResult::Failed { .. } => serde_json::Value::Null,
            };
            let part = |name: &str| detail.get(name).cloned().unwrap_or_default();
            Standing {
                trial: record.trial,
                name: match by_hand {
                    Some(by_hand) if record.origin == ORIGIN => {
                        format!("{}, trained once more", by_hand.name)
                    }
                    Some(by_hand) => by_hand.name.to_owned(),
                    None => label(&record.design),
                },
                design: record.design.clone(),
                origin: record.origin.clone(),
                network: part("network").as_bool().unwrap_or(false),
                rung: record.rung,
                complete: record.rung == self.fidelity.top() && record.loss().is_some(),
                loss: record.loss(),
                score: record.score(),
                parameters: record.parameters(),
                seconds: records
                    .iter()
                    .filter(|r| r.trial == record.trial)
                    .map(|r| r.seconds)
                    .sum(),
                failure: record.failure().map(str::to_owned),
                warnings: serde_json::from_value(part("warnings")).unwrap_or_default(),
                history: serde_json::from_value(part("history")).unwrap_or_default(),
            }
        };
        DesignedResult {
            leaderboard: leaderboard(records).into_iter().map(standing).collect(),
            jobs: records.len(),
            out_of_time,
            policy: None,
        }
    }
}
