use std::sync::Mutex;
use std::time::Instant;

use candor_core::{Clock, Event, Events};
use candor_design::{
    Assignment, Design, DesignError, Evaluation, JobRecord, JobResult, Objective, label,
    leaderboard,
};

use crate::EngineError;

/// Who proposed a finalist, on the leaderboard.
pub(crate) const ORIGIN: &str = "finalist";
/// Stack of a thread that trains: dropping the graph of a deep network recurses.
const STACK_BYTES: usize = 16 << 20;

/// Trains the best networks of a search once more, from fresh seeds and with the time that was kept for it, and returns them as
/// trials that follow those of the search.
///
/// Where one network takes minutes, the search can only train each for a short while, and its winners are worth more than that. (Zoph et
/// al., "Learning Transferable Architectures", 2018, train their best cells anew, too.)
pub(crate) struct Finalists<'a> {
    /// How many.
    pub count: usize,
    /// The highest rung.
    pub rung: usize,
    pub objective: &'a dyn Objective,
    /// Trained side by side, one thread each.
    pub jobs: usize,
    pub clock: &'a Clock,
    pub events: &'a Events,
}

impl Finalists<'_> {
    pub fn train(&self, records: &[JobRecord]) -> Result<Vec<JobRecord>, EngineError> {
        let designs = self.designs(records);
        let next = |of: fn(&JobRecord) -> usize| records.iter().map(of).max().map_or(0, |n| n + 1);
        let (job, trial) = (next(|r| r.job), next(|r| r.trial));
        let assignments = designs
            .into_iter()
            .enumerate()
            .map(|(i, design)| Assignment {
                job: job + i,
                trial: trial + i,
                rung: self.rung,
                design,
                origin: ORIGIN.to_owned(),
            });
        let waiting = Mutex::new(assignments.collect::<Vec<_>>().into_iter());
        let done = Mutex::new(Vec::new());
        let work = || -> Result<(), EngineError> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .stack_size(STACK_BYTES)
                .build()
                .map_err(|source| DesignError::Threads { threads: 1, source })?;
            loop {
                let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                let Some(assignment) = next else {
                    return Ok(());
                };
                let record = self.one(assignment, &pool);
                if let (Some(record), Ok(mut done)) = (record, done.lock()) {
                    done.push(record);
                }
            }
        };
        std::thread::scope(|scope| {
            let threads = (0..self.jobs.min(self.count)).map(|_| scope.spawn(work));
            let threads: Vec<_> = threads.collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(EngineError::NothingTrained("a panic".into())))
            })
        })?;
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_by_key(|record| record.job);
        Ok(done)
    }

    /// The best networks, in order; those that were trained on everything first.
    fn designs(&self, records: &[JobRecord]) -> Vec<Design> {
        let network = |record: &&JobRecord| match &record.result {
            JobResult::Scored { detail, .. } => detail["network"].as_bool() == Some(true),
            JobResult::Failed { .. } => false,
        };
        let best = leaderboard(records).into_iter().filter(network);
        best.take(self.count).map(|r| r.design.clone()).collect()
    }

    /// `None` when the clock stopped it before there was anything to keep.
    fn one(&self, assignment: Assignment, pool: &rayon::ThreadPool) -> Option<JobRecord> {
        let started = Instant::now();
        let result = match pool.install(|| self.objective.evaluate(&assignment, self.clock)) {
            Evaluation::Scored {
                loss,
                score,
                parameters,
                detail,
            } if loss.is_finite() && score.is_finite() => JobResult::Scored {
                loss,
                score,
                parameters,
                detail,
            },
            Evaluation::Scored { .. } => JobResult::Failed {
                reason: "its score is not a finite number".into(),
            },
            Evaluation::Failed { reason } => JobResult::Failed { reason },
            Evaluation::Stopped => return None,
        };
        let record = JobRecord {
            job: assignment.job,
            trial: assignment.trial,
            rung: assignment.rung,
            design: assignment.design,
            origin: assignment.origin,
            result,
            seconds: started.elapsed().as_secs_f64(),
        };
        self.events.emit(Event::TrialFinished {
            trial: record.trial,
            design: format!("finalist {}", label(&record.design)),
            score: record.score(),
            seconds: record.seconds,
            failure: record.failure().map(str::to_owned),
        });
        Some(record)
    }
}
