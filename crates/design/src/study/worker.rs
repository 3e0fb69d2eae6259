use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use candor_core::Clock;

use super::{Assignment, Evaluation, Objective};
use crate::DesignError;

/// Stack of a worker's thread: dropping the graph of a deep network recurses.
const STACK_BYTES: usize = 16 << 20;

/// Evaluates one job at a time.
pub(super) struct Worker {
    /// One thread, so that parallel loops inside an evaluation stay on it: two jobs then share two
    /// cores without disturbing each other, and sums are added in one order.
    pool: rayon::ThreadPool,
}

/// A job that a worker has done with.
pub(super) struct Finished {
    pub(super) assignment: Assignment,
    pub(super) evaluation: Evaluation,
    pub(super) seconds: f64,
}

/// Starts the threads of `count` workers.
pub(super) fn start(count: usize) -> Result<Vec<Worker>, DesignError> {
    (0..count)
        .map(|i| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .stack_size(STACK_BYTES)
                .thread_name(move |_| format!("trial-worker-{i}"))
                .build();
            pool.map(|pool| Worker { pool })
                .map_err(|source| DesignError::Threads {
                    threads: count,
                    source,
                })
        })
        .collect()
}

impl Worker {
    /// Evaluates what it is assigned until the channel is closed.
    pub(super) fn work(
        &self,
        objective: &dyn Objective,
        clock: &Clock,
        assigned: &Mutex<Receiver<Assignment>>,
        finish: &Sender<Finished>,
    ) {
        loop {
            let next = assigned
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv();
            let Ok(assignment) = next else { return };
            let started = Instant::now();
            let evaluation = catch_unwind(AssertUnwindSafe(|| {
                self.pool.install(|| objective.evaluate(&assignment, clock))
            }));
            let finished = Finished {
                evaluation: evaluation.unwrap_or_else(|panic| Evaluation::Failed {
                    reason: format!("panic: {}", message(&*panic)),
                }),
                seconds: started.elapsed().as_secs_f64(),
                assignment,
            };
            if finish.send(finished).is_err() {
                return;
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
