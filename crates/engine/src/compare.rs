use std::path::Path;
use std::time::Duration;

use candor_core::{Clock, Events, Interrupt, Metric, Step};
use candor_deploy::write_file;
use candor_design::{Band, Curve, JobRecord, SamplerKind, Store, StudySettings, run};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::pipeline::begin_or_go_on;
use crate::prepared::Prepared;
use crate::sourced::Sourced;
use crate::trial_folder::TrialFolder;
use crate::{EngineError, FitSettings};

/// Places at which a curve over time is drawn.
const PLACES: usize = 80;

/// Searches of several samplers over the same data, several seeds each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is compared, on validation units: the test part is not looked at.
    pub metric: Metric,
    /// The searches of the first sampler, then those of the next.
    pub searches: Vec<SearchOf>,
}

/// One search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchOf {
    /// The sampler.
    pub sampler: SamplerKind,
    /// Which of its seeds, from 0; the same number means the same seed for all samplers.
    pub seed: usize,
    /// Whether the clock ended it.
    pub out_of_time: bool,
    /// What was trained, in order.
    pub jobs: Vec<SearchJob>,
}

/// One training within a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchJob {
    /// The design's number in its search, from 0.
    pub trial: usize,
    /// Whether it learned from all that there is; else from a part, or it failed.
    pub complete: bool,
    /// The metric on validation units.
    pub score: Option<f64>,
    /// Numbers that were learned.
    pub parameters: Option<u64>,
    /// Seconds of one thread.
    pub seconds: f64,
}

/// What a sampler reached over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reached {
    /// The sampler.
    pub sampler: SamplerKind,
    /// Searches with a result.
    pub searches: usize,
    /// Best score of a search: mean over seeds.
    pub mean: f64,
    /// The worst seed.
    pub worst: f64,
    /// The best seed.
    pub best: f64,
    /// Designs tried in a search, mean.
    pub designs: f64,
    /// Seconds of work in a search, mean over seeds, summed over threads.
    pub seconds: f64,
}

/// Runs the first three steps on a source, then one search for each sampler and seed, each with the whole time or number of trials of
/// the settings. The searches begin without designs made by hand, so that what is compared is the samplers.
///
/// Called again with the folder and the settings of a comparison that was stopped, it goes on with it.
///
/// # Errors
/// As [`fit`](crate::fit); when there is nothing to compare, or the folder holds something else.
pub fn compare(
    settings: &FitSettings,
    samplers: &[SamplerKind],
    seeds: usize,
    out: &Path,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<Comparison, EngineError> {
    if samplers.is_empty() || seeds == 0 {
        return Err(EngineError::Setting {
            setting: "samplers",
            problem: "a comparison needs at least one sampler and one seed".into(),
        });
    }
    let context = begin_or_go_on(settings, out, interrupt, events)?;
    let prepared = Sourced::read(&context)?
        .curate(&context)?
        .prepare(&context)?;
    let mut searches = Vec::with_capacity(samplers.len() * seeds);
    for &sampler in samplers {
        for seed in 0..seeds {
            searches.push(prepared.one_search(&context, sampler, seed)?);
        }
    }
    Ok(Comparison {
        metric: prepared.metric,
        searches,
    })
}

impl Prepared {
    fn one_search(
        &self,
        context: &Context,
        sampler: SamplerKind,
        seed: usize,
    ) -> Result<SearchOf, EngineError> {
        let settings = &context.settings;
        let folder = context
            .folder
            .step(Step::Designed)
            .join(format!("{}-{seed}", sampler.name()));
        let finished = folder.join("search.json");
        if let Ok(text) = std::fs::read(&finished)
            && let Ok(search) = serde_json::from_slice(&text)
        {
            return Ok(search);
        }
        context.go_on()?;
        context.understood(format!("{} with seed {seed}", sampler.name()));
        if settings.time.is_some() && folder.exists() {
            // How much of its time was spent is not known, and more would be unfair.
            std::fs::remove_dir_all(&folder).map_err(EngineError::file("remove", &folder))?;
        }
        std::fs::create_dir_all(&folder).map_err(EngineError::file("create", &folder))?;
        let limit = settings
            .time
            .and_then(|s| Duration::try_from_secs_f64(s).ok());
        let clock = Clock::start(limit, Duration::ZERO, context.clock.interrupt().clone())
            .with_steps(settings.steps);
        let seed_of = |name: &str| settings.seed.derive(name, &[seed as u64]);
        let study = StudySettings {
            jobs: settings.jobs,
            trials: settings.trials,
            rungs: self.fidelity.rungs(),
            sampler,
            ..StudySettings::new("compare", seed_of("study"))
        };
        let trials = TrialFolder::new(&folder);
        let objective = self.objective(&trials, &clock, seed_of("members"), settings.jobs);
        let mut store = Store::open(&folder.join("study.db"))?;
        let outcome = run(
            &self.space,
            &study,
            &mut store,
            &objective,
            &clock,
            &context.events,
        )?;
        store.close()?;
        context.go_on()?;
        let top = self.fidelity.top();
        let job = |record: &JobRecord| SearchJob {
            trial: record.trial,
            complete: record.rung == top && record.loss().is_some(),
            score: record.score(),
            parameters: record.parameters(),
            seconds: record.seconds,
        };
        let search = SearchOf {
            sampler,
            seed,
            out_of_time: outcome.stopped.is_some(),
            jobs: outcome.records.iter().map(job).collect(),
        };
        let text = serde_json::to_vec(&search)
            .map_err(|e| EngineError::file("write", &finished)(std::io::Error::other(e)))?;
        write_file(&finished, &text)?;
        trials.remove()?;
        Ok(search)
    }
}

impl Comparison {
    /// What each sampler reached, in the order of the searches; samplers without any result are left out.
    pub fn reached(&self) -> Vec<Reached> {
        let of = |searches: Vec<&SearchOf>| {
            let best: Vec<f64> = searches
                .iter()
                .filter_map(|search| self.course(search).last().map(|at| at.best))
                .collect();
            let mean =
                |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / searches.len() as f64;
            let (low, high) = range(&best)?;
            let up = self.metric.greater_is_better();
            Some(Reached {
                sampler: searches.first()?.sampler,
                searches: best.len(),
                mean: best.iter().sum::<f64>() / best.len() as f64,
                worst: if up { low } else { high },
                best: if up { high } else { low },
                designs: mean(&mut searches.iter().map(|s| s.designs() as f64)),
                seconds: mean(&mut searches.iter().map(|s| s.seconds())),
            })
        };
        self.by_sampler().into_iter().filter_map(of).collect()
    }

    /// The best score of a search against the designs that it had begun: mean over seeds, and the range.
    pub fn by_designs(&self) -> Vec<Curve> {
        let designs = |searches: &[&SearchOf]| {
            let fewest = searches.iter().map(|search| search.designs()).min();
            (1..=fewest.unwrap_or(0)).map(|n| n as f64).collect()
        };
        self.curves(designs, |at| at.designs as f64)
    }

    /// The best score of a search against the seconds of work that went into it, over all threads: mean over seeds, and the range.
    pub fn by_seconds(&self) -> Vec<Curve> {
        let seconds = |searches: &[&SearchOf]| {
            let shortest = searches.iter().map(|search| search.seconds());
            let shortest = shortest.fold(f64::INFINITY, f64::min);
            let place = |n: usize| shortest * n as f64 / PLACES as f64;
            (1..=PLACES).map(place).collect()
        };
        self.curves(seconds, |at| at.seconds)
    }

    /// Means over seeds at the given places, from the first place on at which all seeds have a score.
    fn curves(
        &self,
        places: impl Fn(&[&SearchOf]) -> Vec<f64>,
        along: impl Fn(&Course) -> f64,
    ) -> Vec<Curve> {
        let curve = |searches: Vec<&SearchOf>| {
            let courses: Vec<Vec<Course>> = searches.iter().map(|s| self.course(s)).collect();
            let at = |x: f64| {
                let so_far = |course: &Vec<Course>| {
                    let reached = course.iter().take_while(|at| along(at) <= x);
                    reached.last().map(|at| at.best)
                };
                let best: Option<Vec<f64>> = courses.iter().map(so_far).collect();
                let best = best?;
                let (low, high) = range(&best)?;
                let y = best.iter().sum::<f64>() / best.len() as f64;
                Some(Band { x, y, low, high })
            };
            Curve {
                name: searches.first().map_or("", |s| s.sampler.name()).to_owned(),
                points: places(&searches).into_iter().filter_map(at).collect(),
            }
        };
        self.by_sampler().into_iter().map(curve).collect()
    }

    fn by_sampler(&self) -> Vec<Vec<&SearchOf>> {
        let runs = self.searches.chunk_by(|a, b| a.sampler == b.sampler);
        runs.map(|run| run.iter().collect()).collect()
    }

    /// The best score on all data after each job, from the first one on.
    fn course(&self, search: &SearchOf) -> Vec<Course> {
        let (mut designs, mut seconds) = (0, 0.0);
        let mut best: Option<f64> = None;
        let mut course = Vec::new();
        for job in &search.jobs {
            designs = designs.max(job.trial + 1);
            seconds += job.seconds;
            if let Some(score) = job.score.filter(|s| job.complete && s.is_finite()) {
                let better =
                    best.is_none_or(|best| self.metric.as_loss(score) < self.metric.as_loss(best));
                best = if better { Some(score) } else { best };
            }
            course.extend(best.map(|best| Course {
                designs,
                seconds,
                best,
            }));
        }
        course
    }
}

impl SearchOf {
    fn designs(&self) -> usize {
        self.jobs.iter().map(|job| job.trial + 1).max().unwrap_or(0)
    }

    fn seconds(&self) -> f64 {
        self.jobs.iter().map(|job| job.seconds).sum()
    }
}

/// How far a search had come after a job.
struct Course {
    designs: usize,
    seconds: f64,
    best: f64,
}

fn range(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(sampler: SamplerKind, seed: usize, jobs: &[(usize, bool, f64)]) -> SearchOf {
        let job = |&(trial, complete, score): &(usize, bool, f64)| SearchJob {
            trial,
            complete,
            score: Some(score),
            parameters: Some(1),
            seconds: 2.0,
        };
        SearchOf {
            sampler,
            seed,
            out_of_time: false,
            jobs: jobs.iter().map(job).collect(),
        }
    }

    #[test]
    fn means_and_ranges_where_all_seeds_have_a_result() {
        let (auto, random) = (SamplerKind::Auto, SamplerKind::Random);
        let comparison = Comparison {
            metric: Metric::Rmse,
            searches: vec![
                // The first job is of a part of the data, and does not count.
                search(
                    auto,
                    0,
                    &[
                        (0, false, 0.1),
                        (0, true, 4.0),
                        (1, true, 5.0),
                        (2, true, 2.0),
                    ],
                ),
                search(auto, 1, &[(0, true, 6.0), (1, true, 4.0), (2, true, 4.5)]),
                search(random, 0, &[(0, true, 3.0)]),
                search(random, 1, &[(0, false, 1.0)]),
            ],
        };
        let designs = comparison.by_designs();
        let flat = |curve: &Curve| -> Vec<[f64; 4]> {
            let points = curve.points.iter();
            points.map(|p| [p.x, p.y, p.low, p.high]).collect()
        };
        assert_eq!(designs[0].name, "auto");
        assert_eq!(
            flat(&designs[0]),
            [
                [1.0, 5.0, 4.0, 6.0],
                [2.0, 4.0, 4.0, 4.0],
                [3.0, 3.0, 2.0, 4.0]
            ]
        );
        assert!(designs[1].points.is_empty(), "one seed has no result");
        let seconds = comparison.by_seconds();
        // Six seconds are the shorter search; the later first result came after four.
        assert_eq!(seconds[0].points.first().map(|p| p.x >= 4.0), Some(true));
        assert_eq!(
            seconds[0].points.last().map(|p| (p.x, p.y)),
            Some((6.0, 4.0))
        );
        let reached = comparison.reached();
        let auto = &reached[0];
        assert_eq!((auto.mean, auto.worst, auto.best), (3.0, 4.0, 2.0));
        assert_eq!((auto.searches, auto.designs, auto.seconds), (2, 3.0, 7.0));
        assert_eq!((reached[1].searches, reached[1].mean), (1, 3.0));
    }
}
