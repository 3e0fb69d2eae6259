use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Agreement, agreements};

/// Asynchronous successive halving: which trial deserves more training.
///
/// # Reference
/// Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", Algorithm 2 (`get_job`):
/// from the highest rung down, promote the best trial that is among the best 1/eta of its rung and was
/// not promoted before; else begin a new trial. Three additions: trials marked `always_promote` rise
/// whatever their loss; from a rung whose ranking turns out to say little about the next one (see
/// [`Agreement`](crate::Agreement)) twice as many rise, so that less is decided on its word; and once no new trial can begin and nothing is running, the best of each rung
/// rises also where the rung holds fewer than eta trials, so that a short study has a result at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halving {
    /// One in how many is promoted; at least 2.
    pub eta: usize,
    /// The number of rungs; at least 1.
    pub rungs: usize,
}

/// One job as halving sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// The trial.
    pub trial: usize,
    /// The rung at which it is trained.
    pub rung: usize,
    /// What is known of it.
    pub state: JobState,
    /// Whether its trial rises whatever its loss.
    pub always_promote: bool,
}

/// What is known of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JobState {
    /// It has begun.
    Running,
    /// It ended with this loss.
    Scored(f64),
    /// It ended without one. Counts in its rung, is never promoted.
    Failed,
}

/// A trial to be trained at a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The trial.
    pub trial: usize,
    /// The rung to which it rises.
    pub rung: usize,
}

/// The finished trials of one rung.
#[derive(Default)]
struct Rung {
    finished: usize,
    /// Loss, trial, and whether it always rises.
    scored: Vec<(f64, usize, bool)>,
}

impl Halving {
    /// The next promotion; `None` when a new trial should begin.
    ///
    /// `exhausted`: no new trial can begin. Ties go to the earlier trial.
    pub fn promote(&self, jobs: &[Job], exhausted: bool) -> Option<Promotion> {
        let mut rungs: BTreeMap<usize, Rung> = BTreeMap::new();
        let mut highest: BTreeMap<usize, usize> = BTreeMap::new();
        let mut running = false;
        for job in jobs {
            let top = highest.entry(job.trial).or_default();
            *top = job.rung.max(*top);
            let rung = rungs.entry(job.rung).or_default();
            match job.state {
                JobState::Running => running = true,
                JobState::Failed => rung.finished += 1,
                JobState::Scored(loss) => {
                    rung.finished += 1;
                    rung.scored.push((loss, job.trial, job.always_promote));
                }
            }
        }
        let at_least = usize::from(exhausted && !running);
        let trusted: Vec<bool> = agreements(jobs, self.rungs)
            .iter()
            .map(Agreement::is_trusted)
            .collect();
        rungs
            .into_iter()
            .rev()
            .filter(|(rung, _)| rung + 1 < self.rungs)
            .find_map(|(rung, mut here)| {
                here.scored
                    .sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let share = if trusted.get(rung) == Some(&false) {
                    2
                } else {
                    1
                };
                let places = (share * here.finished / self.eta.max(2)).max(at_least);
                here.scored
                    .iter()
                    .enumerate()
                    .filter(|(place, (_, _, always))| *always || *place < places)
                    .find(|(_, (_, trial, _))| highest.get(trial) == Some(&rung))
                    .map(|(_, &(_, trial, _))| Promotion {
                        trial,
                        rung: rung + 1,
                    })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::JobState::{Failed, Running, Scored};
    use super::*;

    fn job(trial: usize, rung: usize, state: JobState) -> Job {
        Job {
            trial,
            rung,
            state,
            always_promote: false,
        }
    }

    const ETA_3: Halving = Halving { eta: 3, rungs: 3 };

    #[test]
    fn a_study_worked_by_hand() {
        let mut jobs = vec![
            job(0, 0, Scored(0.9)),
            job(1, 0, Scored(0.5)),
            job(2, 0, Running),
        ];
        let next = |jobs: &[Job]| ETA_3.promote(jobs, false).map(|p| (p.trial, p.rung));
        // two finished: a third of them is none
        assert_eq!(next(&jobs), None);
        // three finished: the best one rises
        jobs[2] = job(2, 0, Scored(0.7));
        assert_eq!(next(&jobs), Some((1, 1)));
        jobs.push(job(1, 1, Running));
        assert_eq!(next(&jobs), None);
        // six finished, two places: trials 3 (0.4) and 1 (0.5, risen already)
        jobs.extend([
            job(3, 0, Scored(0.4)),
            job(4, 0, Scored(0.6)),
            job(5, 0, Failed),
        ]);
        assert_eq!(next(&jobs), Some((3, 1)));
        jobs.push(job(3, 1, Scored(0.35)));
        // nine finished, three places: 3 and 1 have risen, 4 (0.6) rises; rung 1 has one finished
        jobs.extend([
            job(6, 0, Scored(0.8)),
            job(7, 0, Scored(0.95)),
            job(8, 0, Failed),
        ]);
        assert_eq!(next(&jobs), Some((4, 1)));
        jobs.push(job(4, 1, Scored(0.45)));
        assert_eq!(next(&jobs), None);
        // the third of rung 1 ends: the higher rung goes first, though rung 0 might have more
        jobs[3] = job(1, 1, Scored(0.3));
        assert_eq!(next(&jobs), Some((1, 2)));
        jobs.push(job(1, 2, Scored(0.2)));
        // nothing rises above the top rung
        assert_eq!(next(&jobs), None);
    }

    #[test]
    fn where_rungs_disagree_twice_as_many_rise() {
        // 30 trials, of which the best ten rose; what they did above is in the order of before, or in the opposite one.
        let jobs = |above: &dyn Fn(usize) -> f64| -> Vec<Job> {
            let low = (0..30).map(|t| job(t, 0, Scored(t as f64)));
            low.chain((0..10).map(|t| job(t, 1, Scored(above(t)))))
                .collect()
        };
        let two = Halving { eta: 3, rungs: 2 };
        assert_eq!(two.promote(&jobs(&|t| t as f64), false), None);
        let next = two.promote(&jobs(&|t| -(t as f64)), false);
        assert_eq!(next, Some(Promotion { trial: 10, rung: 1 }));
        let mut risen = jobs(&|t| -(t as f64));
        risen.extend((10..20).map(|t| job(t, 1, Running)));
        assert_eq!(two.promote(&risen, false), None, "twice as many, not all");
    }

    #[test]
    fn failures_never_rise() {
        let jobs = [job(0, 0, Failed), job(1, 0, Failed), job(2, 0, Failed)];
        assert_eq!(ETA_3.promote(&jobs, true), None);
    }

    #[test]
    fn marked_trials_rise_whatever_their_loss_unless_they_fail() {
        let mut jobs = vec![
            job(0, 0, Scored(9.0)),
            job(1, 0, Failed),
            job(2, 0, Scored(1.0)),
        ];
        jobs[0].always_promote = true;
        jobs[1].always_promote = true;
        // one place goes to trial 2, the best; then the marked one
        assert_eq!(
            ETA_3.promote(&jobs, false),
            Some(Promotion { trial: 2, rung: 1 })
        );
        jobs.push(job(2, 1, Running));
        assert_eq!(
            ETA_3.promote(&jobs, false),
            Some(Promotion { trial: 0, rung: 1 })
        );
        jobs.push(Job {
            always_promote: true,
            ..job(0, 1, Scored(8.0))
        });
        assert_eq!(
            ETA_3.promote(&jobs, false),
            Some(Promotion { trial: 0, rung: 2 })
        );
    }

    #[test]
    fn a_short_study_ends_with_a_result_at_the_top() {
        let mut jobs = vec![job(0, 0, Scored(0.2)), job(1, 0, Running)];
        // not while something runs that may be better
        assert_eq!(ETA_3.promote(&jobs, true), None);
        jobs[1] = job(1, 0, Scored(0.1));
        assert_eq!(ETA_3.promote(&jobs, false), None);
        for rung in [1, 2] {
            assert_eq!(
                ETA_3.promote(&jobs, true),
                Some(Promotion { trial: 1, rung })
            );
            jobs.push(job(1, rung, Scored(0.1)));
        }
        assert_eq!(ETA_3.promote(&jobs, true), None);
    }

    #[test]
    fn one_rung_promotes_nothing() {
        let jobs = [job(0, 0, Scored(0.2)), job(1, 0, Scored(0.1))];
        assert_eq!(Halving { eta: 2, rungs: 1 }.promote(&jobs, true), None);
    }
}
