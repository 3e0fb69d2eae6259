//! What judging costs beside the training that is judged.

use std::time::Instant;

use candor_core::wording::{figure, percent};
use serde::{Deserialize, Serialize};

/// What judging took, and what it judged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Costs {
    /// All times, under a name that a comparison of two runs leaves out.
    pub seconds: CostSeconds,
}

/// Seconds of a run's parts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CostSeconds {
    /// The search and its trainings, divided by the trainings that went on side by side.
    pub training: f64,
    /// Each challenge, in order.
    pub challenges: Vec<(String, f64)>,
}

impl Costs {
    /// All challenges.
    pub fn judging(&self) -> f64 {
        self.seconds.challenges.iter().map(|(_, s)| s).sum()
    }

    /// In a sentence for people.
    pub fn in_words(&self) -> String {
        let (judging, training) = (self.judging(), self.seconds.training);
        let dearest = self.seconds.challenges.iter();
        let dearest = dearest.max_by(|a, b| a.1.total_cmp(&b.1));
        let dearest = dearest.map_or(String::new(), |(name, seconds)| {
            format!(" The dearest part: {name}, {} s.", figure(*seconds))
        });
        let share = match training > 0.0 {
            true => format!(
                ", {} of what the training took",
                percent(judging / training)
            ),
            false => String::new(),
        };
        format!("Judging took {} s{share}.{dearest}", figure(judging))
    }
}

/// Times one challenge after the other.
pub(super) struct Stopwatch {
    last: Instant,
    costs: Costs,
}

impl Stopwatch {
    /// `before`: what was done already, and its seconds.
    pub(super) fn start(training: f64, before: (&str, f64)) -> Stopwatch {
        Stopwatch {
            last: Instant::now(),
            costs: Costs {
                seconds: CostSeconds {
                    training,
                    challenges: vec![(before.0.to_owned(), before.1)],
                },
            },
        }
    }

    /// What was done since the last lap.
    pub(super) fn lap(&mut self, what: &str) {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let challenges = &mut self.costs.seconds.challenges;
        challenges.push((what.to_owned(), seconds));
    }

    pub(super) fn stop(self) -> Costs {
        self.costs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_and_the_dearest_part_are_told() {
        let costs = Costs {
            seconds: CostSeconds {
                training: 8.0,
                challenges: vec![("scores".into(), 0.5), ("importance".into(), 1.5)],
            },
        };
        assert!((costs.judging() - 2.0).abs() < 1e-12);
        let said = costs.in_words();
        for part in ["2", "25", "importance", "1.5"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!Costs::default().in_words().contains("NaN"));
    }
}
