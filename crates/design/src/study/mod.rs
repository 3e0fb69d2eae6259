//! The search itself: deterministic, asynchronous, resumable.

mod plan;
mod settings;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};

use candor_core::{Clock, Event, Events, Stop};
use serde_json::Value;

pub use settings::{First, StudySettings};

use crate::{
    Agreement, Design, DesignError, JobRecord, JobResult, Space, Store, agreements, label,
};
use plan::{Decision, Plan};
use worker::Finished;

/// How many jobs run ahead of what is known: job `s` is decided on from the results of the jobs
/// `0 ..= s - LAG` (and from what the later ones train), never from a result that merely happened to
/// arrive in time. So a study does not depend on the number of threads, on their speed, or on
/// interruptions. It is also the greatest number of jobs at a time. A greater lag would keep more
/// threads busy and let the search react later.
pub const LAG: usize = 4;

/// One job to be done: train this design as far as this rung says.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Number in the study, from 0.
    pub job: usize,
    /// The trial, from 0.
    pub trial: usize,
    /// How much training, from 0 to the study's rungs less one.
    pub rung: usize,
    /// The design.
    pub design: Design,
    /// Who proposed it: what [`First`] says, or the name of a sampler.
    pub origin: String,
}

/// How the evaluation of a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// With a score. A loss or score that is not finite is recorded as a failure.
    Scored {
        /// Smaller is better.
        loss: f64,
        /// In the metric's own direction.
        score: f64,
        /// Trainable parameters.
        parameters: u64,
        /// What else is to be kept with the job.
        detail: Value,
    },
    /// Without one: recorded, and not tried again.
    Failed {
        /// Why.
        reason: String,
    },
    /// The clock stopped it: not recorded, done again when the study is resumed.
    Stopped,
}

/// What a study minimises.
pub trait Objective: Sync {
    /// Trains and scores one design.
    ///
    /// Called from several threads, each inside a rayon pool of one thread. Must depend on the
    /// assignment alone and return [`Evaluation::Stopped`] soon after the clock says stop. A panic is
    /// caught and recorded as a failure.
    fn evaluate(&self, assignment: &Assignment, clock: &Clock) -> Evaluation;
}

/// What a study found.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyOutcome {
    /// All finished jobs in the order of their numbers, those of earlier parts of the study included.
    pub records: Vec<JobRecord>,
    /// Why the study ended early; `None` when it is complete.
    pub stopped: Option<Stop>,
    /// How far each rung but the last said what the next one would say, see [`Agreement`].
    pub agreements: Vec<Agreement>,
}

/// Runs a study to its end or until the clock stops it; goes on where an earlier run of it was stopped
/// or killed. Jobs in the store are replayed and not evaluated again.
///
/// A study is complete when its budget of trials is used up, or its finite space, and no promotion is
/// left; without a budget only the clock, or such a space, ends it. Emits [`Event::TrialFinished`] and
/// [`Event::Progress`] for every job evaluated here.
///
/// # Errors
/// When settings are out of range or not those of the stored study, a first design is not in the space,
/// the space has no valid design, the store fails, or a stored job is not the one decided on.
/// Running evaluations are awaited and recorded before an error is returned.
pub fn run(
    space: &Space,
    settings: &StudySettings,
    store: &mut Store,
    objective: &dyn Objective,
    clock: &Clock,
    events: &Events,
) -> Result<StudyOutcome, DesignError> {
    let plan = Plan::new(space, settings)?;
    store.begin(&settings.name, &settings.identity(space)?)?;
    let records: BTreeMap<usize, JobRecord> = store
        .jobs(&settings.name)?
        .into_iter()
        .map(|record| (record.job, record))
        .collect();
    let workers = worker::start(settings.jobs.min(LAG))?;
    let (assign, assigned) = mpsc::channel();
    let (finish, finished) = mpsc::channel();
    let assigned = Mutex::new(assigned);
    let coordinator = Coordinator {
        settings,
        clock,
        events,
        store,
        plan,
        begun: records.values().map(|record| record.trial).collect(),
        records,
        assign,
        finished,
        running: 0,
        workers: workers.len(),
    };
    std::thread::scope(|scope| {
        for worker in &workers {
            let (assigned, finish) = (&assigned, finish.clone());
            scope.spawn(move || worker.work(objective, clock, assigned, &finish));
        }
        // Ends with the coordinator, and with it the channel on which the workers wait.
        coordinator.coordinate()
    })
}

/// Decides, hands out, records: on one thread.
struct Coordinator<'a> {
    settings: &'a StudySettings,
    clock: &'a Clock,
    events: &'a Events,
    store: &'a mut Store,
    plan: Plan<'a>,
    records: BTreeMap<usize, JobRecord>,
    /// Trials with a finished job.
    begun: BTreeSet<usize>,
    assign: Sender<Assignment>,
    finished: Receiver<Finished>,
    running: usize,
    workers: usize,
}

impl Coordinator<'_> {
    fn coordinate(mut self) -> Result<StudyOutcome, DesignError> {
        let mut stopped = None;
        let mut failure = None;
        loop {
            if stopped.is_none() && failure.is_none() {
                match self.hand_out() {
                    Ok(stop) => stopped = stop,
                    Err(error) => failure = Some(error),
                }
            }
            if self.running == 0 {
                break;
            }
            let Ok(finished) = self.finished.recv() else {
                break;
            };
            self.running -= 1;
            match self.take(finished) {
                Ok(None) => {}
                Ok(stop) => stopped = stopped.or(stop),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(StudyOutcome {
                agreements: agreements(
                    &self.plan.jobs_until_now(&self.records),
                    self.settings.rungs,
                ),
                records: self.records.into_values().collect(),
                stopped,
            }),
        }
    }

    /// Decides on jobs while there are idle workers; the clock's reason when it stops that.
    fn hand_out(&mut self) -> Result<Option<Stop>, DesignError> {
        while self.running < self.workers {
            let assignment = match self.plan.decide(&self.records)? {
                Decision::Evaluate(assignment) => assignment,
                Decision::Idle => continue,
                Decision::Wait | Decision::End => return Ok(None),
            };
            if let Some(record) = self.records.get(&assignment.job) {
                self.check_replay(&assignment, record)?;
            } else if let Some(stop) = self.clock.stop() {
                return Ok(Some(stop));
            } else if self.assign.send(assignment).is_ok() {
                self.running += 1;
            }
        }
        Ok(None)
    }

    fn check_replay(&self, decided: &Assignment, stored: &JobRecord) -> Result<(), DesignError> {
        if (decided.trial, decided.rung, &decided.design)
            == (stored.trial, stored.rung, &stored.design)
        {
            return Ok(());
        }
        let show = |trial, rung, design| format!("trial {trial}, rung {rung}: {}", label(design));
        Err(DesignError::Diverged {
            study: self.settings.name.clone(),
            job: decided.job,
            stored: show(stored.trial, stored.rung, &stored.design),
            decided: show(decided.trial, decided.rung, &decided.design),
        })
    }

    /// Records a finished evaluation; why it stopped, when it did.
    fn take(&mut self, finished: Finished) -> Result<Option<Stop>, DesignError> {
        let Finished {
            assignment,
            evaluation,
            seconds,
        } = finished;
        let Some(result) = result_of(evaluation) else {
            return Ok(self.clock.stop().or(Some(Stop::Interrupted)));
        };
        let record = JobRecord {
            job: assignment.job,
            trial: assignment.trial,
            rung: assignment.rung,
            design: assignment.design,
            origin: assignment.origin,
            result,
            seconds,
        };
        self.store.record(&self.settings.name, &record)?;
        self.begun.insert(record.trial);
        self.tell(&record);
        self.records.insert(record.job, record);
        Ok(None)
    }

    fn tell(&self, record: &JobRecord) {
        self.events.emit(Event::TrialFinished {
            trial: record.trial,
            design: label(&record.design),
            score: record.score(),
            seconds: record.seconds,
            failure: record.failure().map(str::to_owned),
        });
        let elapsed = self.clock.elapsed().as_secs_f64();
        self.events.emit(Event::Progress {
            done: self.begun.len(),
            total: self.settings.trials,
            time_used: self.clock.remaining().map(|left| {
                let whole = elapsed + left.as_secs_f64();
                if whole > 0.0 { elapsed / whole } else { 1.0 }
            }),
        });
    }
}

/// What is recorded of an evaluation; `None` when nothing is.
fn result_of(evaluation: Evaluation) -> Option<JobResult> {
    match evaluation {
        Evaluation::Scored { loss, score, .. } if !loss.is_finite() || !score.is_finite() => {
            Some(JobResult::Failed {
                reason: format!("loss {loss}, score {score}: not finite"),
            })
        }
        Evaluation::Scored {
            loss,
            score,
            parameters,
            detail,
        } => Some(JobResult::Scored {
            loss,
            score,
            parameters,
            detail,
        }),
        Evaluation::Failed { reason } => Some(JobResult::Failed { reason }),
        Evaluation::Stopped => None,
    }
}

#[cfg(test)]
mod tests;
