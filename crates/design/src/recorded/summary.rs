use serde::Serialize;

use super::{Playback, Recorded};
use crate::{Band, Curve, hypervolume};

/// The first evaluations, whose figures would press the rest of a picture together, are left out: one in this many.
const LEFT_OUT: usize = 20;

/// What a sampler reached over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SamplerSummary {
    /// The sampler.
    pub sampler: String,
    /// Evaluated designs of each seed.
    pub evaluations: usize,
    /// Seeds.
    pub seeds: usize,
    /// Mean over seeds of the reported figure of the design with the best score.
    pub report: f64,
    /// Standard deviation over seeds.
    pub report_sd: f64,
    /// Half the width of the 95 % confidence interval of the mean.
    pub report_interval: f64,
    /// Mean over seeds of the best score.
    pub score: f64,
    /// Standard deviation over seeds.
    pub score_sd: f64,
    /// Share of the sampler's suggestions that were refused because their network had been evaluated.
    pub refused: f64,
    /// Mean over seeds of the hypervolume of the evaluated designs' front of report and cost, divided by that of the whole table; `None` without cost.
    pub hypervolume: Option<f64>,
    /// The same with the front chosen by score and cost, and then measured by report: what a person gets who sees scores only.
    pub hypervolume_chosen: Option<f64>,
    /// Mean reported figure of the best-scored design after 1, 2, ... evaluations.
    pub curve: Vec<f64>,
    /// Half the width of its 95 % confidence interval.
    pub curve_interval: Vec<f64>,
}

impl SamplerSummary {
    /// The reported figure against evaluations, with the 95 % confidence band of its mean.
    pub fn drawn(&self) -> Curve {
        let at = |(place, (&y, &interval)): (usize, (&f64, &f64))| Band {
            x: place as f64 + 1.0,
            y,
            low: y - interval,
            high: y + interval,
        };
        let points = self.curve.iter().zip(&self.curve_interval).enumerate();
        Curve {
            name: self.sampler.clone(),
            points: points.skip(self.curve.len() / LEFT_OUT).map(at).collect(),
        }
    }
}

/// The corner up to which hypervolumes are measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reference {
    /// In the units of the report.
    pub report: f64,
    /// In the units of the cost.
    pub cost: f64,
}

impl Reference {
    /// The median report, and a hundredth more than the greatest cost, of a table: what a poor and large design has.
    pub fn of(table: &Recorded) -> Reference {
        let mut reports: Vec<f64> = table.rows().iter().map(|row| row.report).collect();
        reports.sort_by(f64::total_cmp);
        let greatest = table.rows().iter().map(|row| row.cost).fold(0.0, f64::max);
        Reference {
            report: reports[reports.len() / 2],
            cost: 1.01 * greatest,
        }
    }
}

/// Sums up what one sampler did.
pub fn summarise(
    table: &Recorded,
    sampler: &str,
    playbacks: &[Playback],
    reference: Option<Reference>,
) -> SamplerSummary {
    let evaluations = playbacks.iter().map(|p| p.rows.len()).min().unwrap_or(0);
    let incumbents: Vec<Vec<usize>> = playbacks.iter().map(|p| incumbents(table, p)).collect();
    let figures = |at: usize, figure: &dyn Fn(usize) -> f64| -> Moments {
        Moments::of(incumbents.iter().map(|rows| figure(rows[at])))
    };
    let report = |row: usize| table.rows()[row].report;
    let score = |row: usize| table.rows()[row].score;
    let curve: Vec<Moments> = (0..evaluations).map(|at| figures(at, &report)).collect();
    let last = curve.last().copied().unwrap_or_default();
    let best = match evaluations {
        0 => Moments::default(),
        n => figures(n - 1, &score),
    };
    let (refused, accepted) = playbacks.iter().fold((0, 0), |(refused, accepted), p| {
        (refused + p.refused, accepted + p.rows.len())
    });
    let volume = |front: &dyn Fn(&Playback, Reference) -> f64| {
        let reference = reference?;
        let all: Vec<usize> = (0..table.rows().len()).collect();
        let whole = volume_of(table, &all, reference);
        let ratios = playbacks.iter().map(|p| front(p, reference) / whole);
        Some(Moments::of(ratios).mean).filter(|ratio| ratio.is_finite())
    };
    SamplerSummary {
        sampler: sampler.to_owned(),
        evaluations,
        seeds: playbacks.len(),
        report: last.mean,
        report_sd: last.sd,
        report_interval: last.interval,
        score: best.mean,
        score_sd: best.sd,
        refused: refused as f64 / (refused + accepted).max(1) as f64,
        hypervolume: volume(&|p, reference| volume_of(table, &p.rows, reference)),
        hypervolume_chosen: volume(&|p, reference| {
            volume_of(table, &chosen_front(table, &p.rows), reference)
        }),
        curve: curve.iter().map(|m| m.mean).collect(),
        curve_interval: curve.iter().map(|m| m.interval).collect(),
    }
}

/// The row with the best score after each evaluation; of equal ones the earlier.
fn incumbents(table: &Recorded, playback: &Playback) -> Vec<usize> {
    let loss = |row: usize| table.loss(table.rows()[row].score);
    let mut best: Option<usize> = None;
    let step = |&row: &usize| {
        let better = best.is_none_or(|best| loss(row) < loss(best));
        if better {
            best = Some(row);
        }
        best.unwrap_or(row)
    };
    playback.rows.iter().map(step).collect()
}

fn volume_of(table: &Recorded, rows: &[usize], reference: Reference) -> f64 {
    let point = |&row: &usize| {
        let row = &table.rows()[row];
        (row.cost, table.loss(row.report))
    };
    let points: Vec<(f64, f64)> = rows.iter().map(point).collect();
    hypervolume(&points, (reference.cost, table.loss(reference.report)))
}

/// The rows that no other one beats in score and cost at once.
fn chosen_front(table: &Recorded, rows: &[usize]) -> Vec<usize> {
    let figures = |row: usize| (table.rows()[row].cost, table.loss(table.rows()[row].score));
    let mut rows = rows.to_vec();
    rows.sort_by(|&a, &b| {
        let (a, b) = (figures(a), figures(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let mut least = f64::INFINITY;
    rows.retain(|&row| {
        let better = figures(row).1 < least;
        least = least.min(figures(row).1);
        better
    });
    rows
}

#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    mean: f64,
    sd: f64,
    interval: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Moments {
        let values: Vec<f64> = values.collect();
        let count = values.len() as f64;
        if values.is_empty() {
            return Moments::default();
        }
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let sd = if count > 1.0 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        };
        // The normal quantile; with few seeds the interval is somewhat too narrow, and one seed has none.
        let interval = 1.96 * sd / count.sqrt();
        Moments { mean, sd, interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::table::tests::table;

    #[test]
    fn figures_by_hand() {
        let table = table();
        let row = |width: usize, kind: usize| 6 * width + kind;
        // Scores by width 8, 16, 32, ...: the plain ones 84.5, 85.5, 86.5, ...; report is 2 more.
        let playbacks = [
            Playback {
                rows: vec![row(0, 0), row(2, 0), row(1, 0)],
                refused: 1,
            },
            Playback {
                rows: vec![row(1, 0), row(0, 0), row(3, 0)],
                refused: 0,
            },
        ];
        let reference = Reference {
            report: 80.0,
            cost: 300.0,
        };
        let summary = summarise(&table, "x", &playbacks, Some(reference));
        assert_eq!(summary.curve, [87.0, 88.0, 89.0]);
        assert_eq!((summary.report, summary.score), (89.0, 87.0));
        // Two values 1 apart: sd 0.7071, interval 1.96 / 2 of it times the square root of 2.
        assert!((summary.report_sd - 0.5f64.sqrt()).abs() < 1e-12);
        assert!((summary.report_interval - 0.98).abs() < 1e-12);
        assert!((summary.refused - 1.0 / 7.0).abs() < 1e-12);
        // Up to (300, 80): sizes 24, 48, 96 and reports 86.5, 87.5, 88.5 of the first seed.
        let first = (300.0 - 24.0) * 6.5 + (300.0 - 48.0) + (300.0 - 96.0);
        let second = (300.0 - 24.0) * 6.5 + (300.0 - 48.0) + 2.0 * (300.0 - 192.0);
        let whole = (300.0 - 24.0) * 7.0 + (300.0 - 48.0) + (300.0 - 96.0) + (300.0 - 192.0);
        let expected = (first + second) / 2.0 / whole;
        assert!((summary.hypervolume.unwrap() - expected).abs() < 1e-12);
        assert_eq!(summary.hypervolume_chosen, summary.hypervolume);
        assert_eq!(Reference::of(&table).cost, 1.01 * 3.0 * 4096.0);
    }
}
