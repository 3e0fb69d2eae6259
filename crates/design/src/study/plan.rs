use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Assignment, First, LAG, StudySettings};
use crate::sampler::RETRIES;
use crate::space::LISTED;
use crate::{Design, DesignError, Halving, Job, JobRecord, JobState, Observation, Sampler, Space};

/// What happens next.
#[derive(Debug)]
pub(super) enum Decision {
    /// A job begins.
    Evaluate(Assignment),
    /// There is nothing to do until more is known: the job's number passes unused.
    Idle,
    /// Too little is known to decide on the next job.
    Wait,
    /// The study is complete.
    End,
}

/// Decides on one job after the other, each from the seed, the earlier decisions and the results that
/// are at least [`LAG`] jobs old.
pub(super) struct Plan<'a> {
    space: &'a Space,
    settings: &'a StudySettings,
    first: Vec<First>,
    halving: Halving,
    sampler: Box<dyn Sampler>,
    /// What each job trains; `None` for numbers that passed unused.
    jobs: Vec<Option<Job>>,
    trials: Vec<First>,
    tried: BTreeSet<String>,
    /// The results that the sampler may see, and the number of jobs up to which they were gathered.
    history: Vec<Observation>,
    visible: usize,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        space: &'a Space,
        settings: &'a StudySettings,
    ) -> Result<Plan<'a>, DesignError> {
        settings.check()?;
        let first = check_first(space, settings)?;
        if settings.trials.is_none_or(|trials| trials > first.len()) {
            // Before anything is trained: is there a valid design at all?
            space.sample(&mut settings.seed.stream("feasible", &[]))?;
        }
        Ok(Plan {
            space,
            settings,
            first,
            halving: Halving {
                eta: settings.eta,
                rungs: settings.rungs,
            },
            sampler: settings.sampler.build(settings.seed),
            jobs: Vec::new(),
            trials: Vec::new(),
            tried: BTreeSet::new(),
            history: Vec::new(),
            visible: 0,
        })
    }

    /// Decides on the next job, given the records of the finished ones.
    pub(super) fn decide(
        &mut self,
        records: &BTreeMap<usize, JobRecord>,
    ) -> Result<Decision, DesignError> {
        // Once nothing is running and nothing was begun, later decisions would see what this one saw.
        if self.jobs.len() >= LAG && self.jobs.iter().rev().take(LAG).all(Option::is_none) {
            return Ok(Decision::End);
        }
        let job = self.jobs.len();
        if !self.look(records, (job + 1).saturating_sub(LAG)) {
            return Ok(Decision::Wait);
        }
        let begun = self.next(job)?;
        self.jobs.push(begun.map(|(trial, rung)| Job {
            trial,
            rung,
            state: JobState::Running,
            always_promote: self.trials[trial].always_promote,
        }));
        Ok(begun.map_or(Decision::Idle, |(trial, rung)| {
            Decision::Evaluate(Assignment {
                job,
                trial,
                rung,
                design: self.trials[trial].design.clone(),
                origin: self.trials[trial].origin.clone(),
            })
        }))
    }

    /// All jobs that were decided on, with what is recorded of them.
    pub(super) fn jobs_until_now(&self, records: &BTreeMap<usize, JobRecord>) -> Vec<Job> {
        let decided = self.jobs.iter().enumerate();
        let known = decided.filter_map(|(number, job)| {
            let mut job = (*job)?;
            if let Some(record) = records.get(&number) {
                job.state = record.loss().map_or(JobState::Failed, JobState::Scored);
            }
            Some(job)
        });
        known.collect()
    }

    /// Takes in the results of the jobs before `until`; false when one is not there yet.
    fn look(&mut self, records: &BTreeMap<usize, JobRecord>, until: usize) -> bool {
        while self.visible < until {
            if let Some(job) = &mut self.jobs[self.visible] {
                let Some(record) = records.get(&self.visible) else {
                    return false;
                };
                job.state = record.loss().map_or(JobState::Failed, JobState::Scored);
                if !self.trials[job.trial].outside {
                    self.history.push(record.observation());
                }
            }
            self.visible += 1;
        }
        true
    }

    /// The trial and rung of the next job; `None` when there is nothing to do yet.
    fn next(&mut self, job: usize) -> Result<Option<(usize, usize)>, DesignError> {
        let jobs: Vec<Job> = self.jobs.iter().copied().flatten().collect();
        let full = self
            .settings
            .trials
            .is_some_and(|trials| self.trials.len() >= trials);
        if let Some(risen) = self.halving.promote(&jobs, full) {
            return Ok(Some((risen.trial, risen.rung)));
        }
        if full {
            return Ok(None);
        }
        let Some(trial) = self.propose(job)? else {
            let last = self.halving.promote(&jobs, true);
            return Ok(last.map(|risen| (risen.trial, risen.rung)));
        };
        self.tried.insert(self.space.identity(&trial.design));
        self.trials.push(trial);
        Ok(Some((self.trials.len() - 1, 0)))
    }

    /// A design that was not tried before; `None` when there is none left.
    fn propose(&mut self, job: usize) -> Result<Option<First>, DesignError> {
        if let Some(first) = self.first.get(self.trials.len()) {
            return Ok(Some(first.clone()));
        }
        let mut rng = self.settings.seed.stream("suggest", &[job as u64]);
        for _ in 0..RETRIES {
            let design = self.sampler.suggest(self.space, &self.history, &mut rng)?;
            let design = self.space.check(&design)?;
            if !self.tried.contains(&self.space.identity(&design)) {
                return Ok(Some(sampled(design, self.sampler.name())));
            }
        }
        let design = self.untried(&mut rng)?;
        Ok(design.map(|design| sampled(design, "random")))
    }

    /// A design drawn from those that are left: exact for small spaces, by drawing for others.
    fn untried(&self, rng: &mut ChaCha8Rng) -> Result<Option<Design>, DesignError> {
        if let Some(mut left) = self.space.designs(LISTED) {
            left.retain(|design| !self.tried.contains(&self.space.identity(design)));
            let chosen = (!left.is_empty()).then(|| rng.random_range(0..left.len()));
            return Ok(chosen.map(|i| left.swap_remove(i)));
        }
        for _ in 0..RETRIES {
            let design = self.space.sample(rng)?;
            if !self.tried.contains(&self.space.identity(&design)) {
                return Ok(Some(design));
            }
        }
        Ok(None)
    }
}

/// The first designs as the space writes them.
fn check_first(space: &Space, settings: &StudySettings) -> Result<Vec<First>, DesignError> {
    let mut known = BTreeSet::new();
    let mut checked = Vec::with_capacity(settings.first.len());
    for first in &settings.first {
        let mut first = first.clone();
        if !first.outside {
            first.design = space.check(&first.design)?;
        }
        if !known.insert(space.identity(&first.design)) {
            return Err(settings.refuse("first", format!("holds `{}` twice", first.design)));
        }
        checked.push(first);
    }
    Ok(checked)
}

fn sampled(design: Design, sampler: &str) -> First {
    First {
        design,
        origin: sampler.to_owned(),
        always_promote: false,
        outside: false,
    }
}
