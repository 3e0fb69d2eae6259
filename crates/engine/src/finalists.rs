use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use candor_core::{Clock, Event, Events, Metric};
use candor_design::{
    Assignment, Design, DesignError, Evaluation, JobRecord, JobResult, Objective, label,
    leaderboard,
};

use crate::EngineError;

/// Who proposed a finalist, on the leaderboard.
pub(crate) const ORIGIN: &str = "finalist";
/// Stack of a thread that trains: dropping the graph of a deep network recurses.
const STACK_BYTES: usize = 16 << 20;
/// A network that is so many times as far from perfect as the best, where both learned from as much, is not worth a place.
const WORSE: f64 = 1.1;
/// A network with a smaller share of the best one's parameters has less to gain from a long training.
const LEAST_SIZE: f64 = 0.75;
/// Rounds of finalists at most: what more networks add to an ensemble shrinks, and each makes predictions slower.
const MOST_ROUNDS: usize = 3;
/// Another round must fit into the time that is left with so much to spare.
const TO_SPARE: f64 = 1.15;

/// Trains the best networks of a search once more, from fresh seeds and with the time that was kept for it, and returns them as
/// trials that follow those of the search. Where too few are good, the best has their places, too: two networks that differ in nothing
/// but their seeds are an ensemble (Lakshminarayanan et al. 2017).
///
/// Where one network takes minutes, the search can only train each for a short while, and its winners are worth more than that. (Zoph et
/// al., "Learning Transferable Architectures", 2018, train their best cells anew, too.) A training ends when its design says so. Where that leaves
/// time for as many more, there is another round.
pub(crate) struct Finalists<'a> {
    /// How many.
    pub count: usize,
    /// The highest rung.
    pub rung: usize,
    /// What selection minimises is this metric as a loss.
    pub metric: Metric,
    pub objective: &'a dyn Objective,
    /// The design of a trial as it should be trained for long.
    pub for_long: &'a (dyn Fn(&JobRecord) -> Design + Sync),
    /// Trained side by side, one thread each.
    pub jobs: usize,
    pub clock: &'a Clock,
    pub events: &'a Events,
}

impl Finalists<'_> {
    pub fn train(&self, records: &[JobRecord]) -> Result<Vec<JobRecord>, EngineError> {
        let chosen = finalists(records, self.count * MOST_ROUNDS, self.metric);
        let next = |of: fn(&JobRecord) -> usize| records.iter().map(of).max().map_or(0, |n| n + 1);
        let (job, trial) = (next(|r| r.job), next(|r| r.trial));
        // One that is trained several times is asked once.
        let mut for_long = BTreeMap::new();
        let mut done: Vec<JobRecord> = Vec::new();
        let mut last = None;
        for round in chosen.chunks(self.count.max(1)) {
            if last.is_some_and(|last| !self.fits(last)) {
                break;
            }
            let started = Instant::now();
            let before = done.len();
            let assignments = round.iter().enumerate().map(|(i, record)| {
                let design = || (self.for_long)(record);
                Assignment {
                    job: job + before + i,
                    trial: trial + before + i,
                    rung: self.rung,
                    design: for_long.entry(record.trial).or_insert_with(design).clone(),
                    origin: ORIGIN.to_owned(),
                }
            });
            let assignments: Vec<Assignment> = assignments.collect();
            done.extend(self.round(assignments)?);
            if done.len() < before + round.len() {
                break;
            }
            last = Some(started.elapsed());
        }
        Ok(done)
    }

    /// Whether another round fits into the time that is left, if time is limited, where the last one took so long.
    fn fits(&self, last: Duration) -> bool {
        let left = self.clock.remaining();
        left.is_some_and(|left| left >= last.mul_f64(TO_SPARE))
    }

    /// Trains some side by side. Those that the clock stopped before there was anything to keep are left out.
    fn round(&self, assignments: Vec<Assignment>) -> Result<Vec<JobRecord>, EngineError> {
        let count = assignments.len();
        let waiting = Mutex::new(assignments.into_iter());
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
            let threads = (0..self.jobs.min(count)).map(|_| scope.spawn(work));
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

/// So many networks: the best, then those that come close to it, then the best again.
///
/// Two networks are compared at the highest rung that both reached. A trial rises by being among the best of those that were done
/// before it, so that early ones rise which later ones would beat: the rung alone does not make a finalist.
/// After little training small networks do well: below the highest rung only one that is not much smaller than the best is close.
fn finalists(records: &[JobRecord], count: usize, metric: Metric) -> Vec<&JobRecord> {
    let network = |record: &&JobRecord| match &record.result {
        JobResult::Scored { detail, .. } => detail["network"].as_bool() == Some(true),
        JobResult::Failed { .. } => false,
    };
    let networks: Vec<&JobRecord> = leaderboard(records).into_iter().filter(network).collect();
    let Some((best, others)) = networks.split_first() else {
        return Vec::new();
    };
    // One that the end of the search cut short says nothing of what it is worth at that rung.
    let whole = |record: &&JobRecord| match &record.result {
        JobResult::Scored { detail, .. } => detail["cut"].as_bool() != Some(true),
        JobResult::Failed { .. } => false,
    };
    let losses: BTreeMap<(usize, usize), f64> = records
        .iter()
        .filter(whole)
        .filter_map(|record| Some(((record.trial, record.rung), record.loss()?)))
        .collect();
    let top = records.iter().map(|record| record.rung).max().unwrap_or(0);
    let size = |record: &JobRecord| record.parameters().unwrap_or(0) as f64;
    let perfect = metric.perfect().map(|value| metric.as_loss(value));
    // How far from perfect it is, as a multiple of how far the best is; without a perfect value whatever stands next is close.
    let distance = |record: &JobRecord| {
        let Some(perfect) = perfect else {
            return Some(1.0);
        };
        let at = |trial: usize, rung: usize| losses.get(&(trial, rung)).copied();
        (0..=record.rung).rev().find_map(|rung| {
            let (own, leading) = (at(record.trial, rung)?, at(best.trial, rung)?);
            let comparable = rung == top || size(record) >= LEAST_SIZE * size(best);
            let distance = (own - perfect) / (leading - perfect).max(f64::MIN_POSITIVE);
            Some(if comparable { distance } else { f64::INFINITY })
        })
    };
    let mut close: Vec<(f64, &JobRecord)> = others
        .iter()
        .filter_map(|&record| Some((distance(record)?, record)))
        .filter(|(distance, _)| *distance <= WORSE)
        .collect();
    // Of two that are as far, the one that stands higher.
    close.sort_by(|a, b| a.0.total_cmp(&b.0));
    std::iter::once(*best)
        .chain(close.into_iter().map(|(_, record)| record))
        .chain(std::iter::repeat(*best))
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use candor_core::Interrupt;

    use super::*;

    /// Network `trial` with an accuracy at each rung that it reached.
    fn trial(trial: usize, accuracies: &[f64]) -> Vec<JobRecord> {
        let record = |(rung, &score): (usize, &f64)| JobRecord {
            job: 10 * trial + rung,
            trial,
            rung,
            design: Design::new().with("trial", trial),
            origin: "random".to_owned(),
            result: JobResult::Scored {
                loss: -score,
                score,
                parameters: 1,
                detail: serde_json::json!({ "network": trial < 9 }),
            },
            seconds: 1.0,
        };
        accuracies.iter().enumerate().map(record).collect()
    }

    fn chosen(records: &[JobRecord], count: usize, metric: Metric) -> Vec<usize> {
        let finalists = finalists(records, count, metric);
        finalists.iter().map(|record| record.trial).collect()
    }

    /// Takes so long for each training.
    struct Slow(Duration);

    impl Objective for Slow {
        fn evaluate(&self, _assignment: &Assignment, _clock: &Clock) -> Evaluation {
            std::thread::sleep(self.0);
            Evaluation::Scored {
                loss: 0.1,
                score: 0.9,
                parameters: 1,
                detail: serde_json::Value::Null,
            }
        }
    }

    #[test]
    fn there_are_more_rounds_where_time_allows_and_none_without_a_limit() {
        let records = [trial(0, &[0.90]), trial(1, &[0.89])].concat();
        let trained = |limit: Option<Duration>| {
            let clock = Clock::start(limit, Duration::ZERO, Interrupt::default());
            let finalists = Finalists {
                count: 2,
                rung: 0,
                metric: Metric::Accuracy,
                objective: &Slow(Duration::from_millis(200)),
                for_long: &|record| record.design.clone(),
                jobs: 2,
                clock: &clock,
                events: &Events::none(),
            };
            let done = finalists.train(&records).unwrap();
            done.iter().map(|r| (r.trial, r.job)).collect::<Vec<_>>()
        };
        let once = [(2, 11), (3, 12)];
        assert_eq!(trained(None), once);
        assert_eq!(trained(Some(Duration::from_millis(100))), once);
        assert_eq!(
            trained(Some(Duration::from_secs(60))).len(),
            2 * MOST_ROUNDS
        );
    }

    #[test]
    fn the_best_then_what_comes_close_where_both_learned_as_much_then_the_best_again() {
        let records = [
            trial(0, &[0.80, 0.86, 0.90]),
            // rose early, and is 1.6 times as far from perfect
            trial(1, &[0.70, 0.80, 0.84]),
            // did not rise, for want of time
            trial(2, &[0.79]),
            trial(3, &[0.82, 0.855]),
            // a classical model
            trial(9, &[0.90, 0.90, 0.91]),
        ]
        .concat();
        assert_eq!(chosen(&records, 1, Metric::Accuracy), [0]);
        assert_eq!(chosen(&records, 4, Metric::Accuracy), [0, 3, 2, 0]);
        assert_eq!(chosen(&records[..6], 2, Metric::Accuracy), [0, 0]);
        assert_eq!(chosen(&records, 3, Metric::Nll), [0, 1, 3]);
        assert!(chosen(&records, 0, Metric::Accuracy).is_empty());
        // A small network that did as well after little training.
        let mut records = records;
        for record in &mut records {
            if let JobResult::Scored { parameters, .. } = &mut record.result {
                *parameters = if record.trial == 3 { 70 } else { 100 };
            }
        }
        assert_eq!(chosen(&records, 3, Metric::Accuracy), [0, 2, 0]);
        // It was ahead, and had no time for the last rung.
        let mut late = trial(4, &[0.82, 0.87, 0.80]);
        if let JobResult::Scored { detail, .. } = &mut late[2].result {
            detail["cut"] = true.into();
        }
        let records = [trial(0, &[0.80, 0.86, 0.90]), late].concat();
        assert_eq!(chosen(&records, 3, Metric::Accuracy), [0, 4, 0]);
        assert!(chosen(&trial(9, &[0.5]), 2, Metric::Accuracy).is_empty());
    }
}
