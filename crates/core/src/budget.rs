use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a run may cost. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Wall-clock time for the whole run.
    pub time: Option<Duration>,
    /// Resident memory.
    pub memory_bytes: Option<u64>,
    /// Number of trials in the search. With this limit and no time limit, results depend on the seed alone.
    pub trials: Option<usize>,
}

/// Why long work ended before it was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The person asked for it (Ctrl-C).
    Interrupted,
    /// The time is used up.
    OutOfTime,
}

/// A flag that one thread raises and long work looks at between its steps.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks all work that holds this flag to stop at its next checkpoint.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether stopping was asked for.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Started once a run; tells long work when it must stop.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    deadline: Option<Instant>,
    steps: Option<usize>,
    interrupt: Interrupt,
}

impl Clock {
    /// A clock that started now, `spent` of whose time was used by an earlier part of the same run.
    pub fn start(limit: Option<Duration>, spent: Duration, interrupt: Interrupt) -> Clock {
        let started = Instant::now();
        let deadline = limit.map(|limit| started + limit.saturating_sub(spent));
        Clock {
            started,
            deadline,
            steps: None,
            interrupt,
        }
    }

    /// The same clock for trainings of at most so many steps each.
    pub fn with_steps(self, steps: Option<usize>) -> Clock {
        Clock { steps, ..self }
    }

    /// A clock without any limit.
    pub fn unlimited() -> Clock {
        Clock::start(None, Duration::ZERO, Interrupt::default())
    }

    /// The same clock with an earlier deadline: the given share (0 to 1) of the time that is left.
    pub fn share(&self, fraction: f64) -> Clock {
        let now = Instant::now();
        let deadline = self.deadline.map(|d| {
            now + d
                .saturating_duration_since(now)
                .mul_f64(fraction.clamp(0.0, 1.0))
        });
        Clock {
            deadline,
            ..self.clone()
        }
    }

    /// The same clock with a deadline at most so far from now.
    pub fn within(&self, allowance: Duration) -> Clock {
        let end = Instant::now() + allowance;
        Clock {
            deadline: Some(self.deadline.map_or(end, |d| d.min(end))),
            ..self.clone()
        }
    }

    /// Time since the clock was started.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time until the deadline; `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Steps that one training may take; `None` is what its recipe says.
    pub fn steps(&self) -> Option<usize> {
        self.steps
    }

    /// Whether work must stop now, and why.
    pub fn stop(&self) -> Option<Stop> {
        if self.interrupt.is_raised() {
            return Some(Stop::Interrupted);
        }
        self.deadline
            .filter(|&d| Instant::now() >= d)
            .map(|_| Stop::OutOfTime)
    }

    /// The flag that Ctrl-C raises.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_stops_a_clock_without_a_deadline() {
        let clock = Clock::unlimited();
        assert_eq!(clock.stop(), None);
        clock.interrupt().raise();
        assert_eq!(clock.stop(), Some(Stop::Interrupted));
        assert_eq!(clock.share(0.5).stop(), Some(Stop::Interrupted));
    }

    #[test]
    fn time_that_an_earlier_part_spent_counts() {
        let limit = Duration::from_secs(5);
        let clock = Clock::start(Some(limit), limit, Interrupt::default());
        assert_eq!(clock.stop(), Some(Stop::OutOfTime));
    }
}
