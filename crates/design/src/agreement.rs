use serde::{Deserialize, Serialize};

use crate::ranks::{normal_scores, ranks};
use crate::{Job, JobState};

/// How far a rung's ranking says what the next rung will say.
///
/// Only the best of a rung rise, and among the best ranks agree less than among all. So beside Spearman's correlation over the trials that were
/// scored at both rungs there is what a correlation of ranks would be over all trials of the lower one: that of the normal scores of the ranks,
/// corrected by the ratio of their spreads (Thorndike 1949, case 2). Promotions rest on that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The lower rung.
    pub rung: usize,
    /// Trials that were scored at it and at the next one.
    pub trials: usize,
    /// Spearman's correlation of their losses; `None` for fewer than 3 trials.
    pub risen: Option<f64>,
    /// The correlation of normal scores, corrected for the choice of those that rose.
    pub all: Option<f64>,
}

/// The correlation below which the ranking of a rung is not trusted.
pub const TRUSTED_FROM: f64 = 0.6;
/// Trials below which nothing is concluded: with 10, a correlation of 0 looks like 0.6 once in thirty times.
const LEAST_TRIALS: usize = 10;

impl Agreement {
    /// Whether the rung's ranking may decide who rises. It may until enough trials say otherwise.
    pub fn is_trusted(&self) -> bool {
        self.trials < LEAST_TRIALS || self.all.is_none_or(|all| all >= TRUSTED_FROM)
    }
}

/// The agreement of each rung with the next, for the rungs below `rungs - 1`.
pub fn agreements(jobs: &[Job], rungs: usize) -> Vec<Agreement> {
    (0..rungs.saturating_sub(1))
        .map(|rung| agreement(jobs, rung))
        .collect()
}

fn agreement(jobs: &[Job], rung: usize) -> Agreement {
    let below = scored(jobs, rung);
    let above = scored(jobs, rung + 1);
    let scores = normal_scores(below.iter().map(|(_, loss)| *loss));
    let risen = below
        .iter()
        .zip(&scores)
        .filter_map(|((trial, loss), score)| {
            let (_, next) = above.iter().find(|(other, _)| other == trial)?;
            Some((*loss, *score, *next))
        });
    let risen: Vec<(f64, f64, f64)> = risen.collect();
    let losses: Vec<f64> = risen.iter().map(|(loss, ..)| *loss).collect();
    let next: Vec<f64> = risen.iter().map(|(.., next)| *next).collect();
    let enough = risen.len() > 2;
    let spearman = enough
        .then(|| correlation(&ranks(&losses), &ranks(&next)))
        .flatten();
    // The correction takes the two losses as jointly normal, so it is made on normal scores.
    let risen_scores: Vec<f64> = risen.iter().map(|(_, score, _)| *score).collect();
    let wider = spread(&scores) / spread(&risen_scores);
    let next_scores = normal_scores(next.iter().copied());
    let normal = enough
        .then(|| correlation(&risen_scores, &next_scores))
        .flatten();
    Agreement {
        rung,
        trials: risen.len(),
        risen: spearman,
        all: normal.map(|r| corrected(r, wider.max(1.0))),
    }
}

/// Trials and their losses at a rung, by trial.
fn scored(jobs: &[Job], rung: usize) -> Vec<(usize, f64)> {
    let mut scored: Vec<(usize, f64)> = jobs
        .iter()
        .filter(|job| job.rung == rung)
        .filter_map(|job| match job.state {
            JobState::Scored(loss) => Some((job.trial, loss)),
            JobState::Running | JobState::Failed => None,
        })
        .collect();
    scored.sort_by_key(|(trial, _)| *trial);
    scored
}

/// The correlation over all, from that over a part whose values are `wider` times less spread.
fn corrected(correlation: f64, wider: f64) -> f64 {
    let scaled = correlation * wider;
    scaled / (1.0 - correlation * correlation + scaled * scaled).sqrt()
}

/// Pearson's correlation; `None` where one side does not vary.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let product: f64 = x
        .iter()
        .zip(y)
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let scale = spread(x) * spread(y) * x.len() as f64;
    (scale > 0.0).then(|| product / scale)
}

/// The standard deviation.
fn spread(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    fn job(trial: usize, rung: usize, loss: f64) -> Job {
        Job {
            trial,
            rung,
            state: JobState::Scored(loss),
            always_promote: false,
        }
    }

    #[test]
    fn spearman_by_hand() {
        // Ranks below 1 2 3 4 5, above 2 1 3.5 5 3.5: products about the means 7, spreads 10 and 9.5.
        let above = [0.2, 0.1, 0.3, 0.4, 0.3];
        let jobs: Vec<Job> = (0..5)
            .flat_map(|t| [job(t, 0, t as f64), job(t, 1, above[t])])
            .collect();
        let agreement = agreements(&jobs, 2)[0];
        assert_eq!(agreement.trials, 5);
        let expected = 7.0 / (10f64 * 9.5).sqrt();
        assert!(
            (agreement.risen.unwrap() - expected).abs() < 1e-12,
            "{agreement:?}"
        );
        // Everything rose, so there is nothing to correct; five trials say too little for distrust.
        assert!((agreement.risen.unwrap() - agreement.all.unwrap()).abs() < 0.1);
        assert!(agreement.is_trusted());
        assert_eq!(agreements(&jobs[..4], 2)[0].risen, None);
        assert!(agreements(&jobs, 1).is_empty());
    }

    #[test]
    fn the_choice_of_the_best_is_corrected_for() {
        // Two rungs that share most of their variance; only the best third of the lower one rises.
        let mut rng = Seed(1).stream("test", &[]);
        let trials: Vec<(f64, f64)> = (0..3000)
            .map(|_| {
                let shared: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
                let mut own = || 0.6 * (0..12).map(|_| rng.random::<f64>()).sum::<f64>();
                (shared + own(), shared + own())
            })
            .collect();
        let jobs = |rises: &dyn Fn(f64) -> bool| -> Vec<Job> {
            let both = trials.iter().enumerate().map(|(t, &(low, high))| {
                let above = rises(low).then(|| job(t, 1, high));
                [Some(job(t, 0, low)), above]
            });
            both.flatten().flatten().collect()
        };
        let everything = agreements(&jobs(&|_| true), 2)[0];
        let best = agreements(&jobs(&|low| low < 9.0), 2)[0];
        let (truth, raw, fair) = (
            everything.all.unwrap(),
            best.risen.unwrap(),
            best.all.unwrap(),
        );
        assert!(best.trials > 500 && best.trials < 1500, "{}", best.trials);
        assert!(
            raw < truth - 0.15,
            "among the best {raw}, among all {truth}"
        );
        assert!(
            (fair - truth).abs() < 0.1,
            "corrected {fair}, among all {truth}"
        );
    }
}
