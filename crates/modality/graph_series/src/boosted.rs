use std::sync::Arc;

use candor_baselines::{
    Baseline, BaselineConfig, BaselineError, BinnedMatrix, Bins, BoostingConfig, Dataset,
    FeatureKind, Matrix, fit,
};
use candor_core::{Clock, Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

use crate::regression::{Inputs, by_window};
use crate::rules::{of_nodes, variances};
use crate::{Preparation, SeriesUnits};

/// Horizons that have trees of their own, at most; what lies between them is told by a straight line.
const BOOSTED: usize = 6;
/// Units that are learned from, and that stop the boosting, at most.
const LEARNED: usize = 40_000;
const WATCHED: usize = 10_000;
const MOST_BINS: usize = 255;

/// Gradient boosting on lags, one model for all series: it sees what [`crate::LagRegression`] sees of a series, and tells how the series will differ from
/// its last reading.
#[derive(Debug, Clone, PartialEq)]
pub struct BoostedLags {
    known: BoostedKnown,
    trees: Baseline,
}

/// What is known beside the trees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoostedKnown {
    preparation: Preparation,
    /// Places of the horizons that have trees, ascending; the first and the last are among them.
    told: Vec<usize>,
    /// `[series, horizons]`: the mean square of the errors on the units that stopped the boosting.
    variances: Vec<f32>,
}

/// At most `most` of some indices, at equal steps.
fn some_of(indices: &[usize], most: usize) -> Vec<usize> {
    let step = indices.len().div_ceil(most).max(1);
    indices.iter().copied().step_by(step).collect()
}

impl BoostedLags {
    /// Fits to the units `train`; `validation` stops it. `None` when it was stopped.
    ///
    /// # Errors
    /// When no unit has all that it needs to be learned from.
    pub fn fit(
        units: &SeriesUnits,
        train: &[usize],
        validation: &[usize],
        history: usize,
        seed: Seed,
        clock: &Clock,
    ) -> Result<Option<BoostedLags>, String> {
        let preparation = Preparation::fit(units, train, history);
        let horizons = preparation.horizons.len();
        let count = horizons.min(BOOSTED);
        let told: Vec<usize> = (0..count)
            .map(|place| place * (horizons - 1) / (count - 1).max(1))
            .collect();
        let known = BoostedKnown {
            variances: vec![1.0; preparation.nodes() * horizons],
            preparation,
            told,
        };
        let (learned, mut truths) = known.learnable(units, &some_of(train, LEARNED));
        let (watched, of_watched) = known.learnable(units, &some_of(validation, WATCHED));
        truths.extend(of_watched);
        if learned.is_empty() {
            return Err("no training unit has all that it needs to be learned from".into());
        }
        let all = [&learned[..], &watched[..]].concat();
        let matrix = known.matrix(units, &all)?;
        let targets = Targets::Values {
            width: known.told.len(),
            values: truths,
        };
        let rows: Vec<usize> = (0..all.len()).collect();
        let (train_rows, watched_rows) = rows.split_at(learned.len());
        let words = |e: BaselineError| e.to_string();
        let bins = Bins::fit(&matrix, train_rows, MOST_BINS).map_err(words)?;
        let binned = BinnedMatrix::new(&matrix, Arc::new(bins)).map_err(words)?;
        let dataset = Dataset {
            matrix: &matrix,
            binned: &binned,
            targets: &targets,
            outputs: known.told.len(),
        };
        let config = BaselineConfig::Boosting(BoostingConfig {
            iterations: 300,
            patience: 20,
            learning_rate: 0.1,
            ..BoostingConfig::default()
        });
        let trees = match fit(&config, &dataset, train_rows, watched_rows, seed, clock) {
            Ok(fitted) => fitted.model,
            Err(_) if clock.stop().is_some() => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let judged = if watched.is_empty() { learned } else { watched };
        let mut model = BoostedLags { known, trees };
        let means = model.means(units, &judged)?;
        model.known.variances = variances(units, &judged, &means, |_| 1.0);
        Ok(Some(model))
    }

    /// The means of the units, `[units, horizons]`.
    fn means(&self, units: &SeriesUnits, indices: &[usize]) -> Result<Vec<f32>, String> {
        let known = &self.known;
        let (horizons, width) = (&known.preparation.horizons, known.told.len());
        let matrix = known.matrix(units, indices)?;
        let said = self.trees.predict(&matrix).map_err(|e| e.to_string())?;
        let Distribution::Gaussian { mean: apart, .. } = said else {
            return Err("its trees tell no numbers".into());
        };
        let mut means = Vec::with_capacity(indices.len() * horizons.len());
        for (row, (&index, apart)) in indices.iter().zip(apart.chunks_exact(width)).enumerate() {
            let (centre, sd) = known.preparation.scales[units.which[index].1 as usize];
            let last = matrix.row(row)[LAST];
            for place in 0..horizons.len() {
                let at = between(&known.told, horizons, place);
                let moved = match at {
                    Between::Told(k) => apart[k],
                    Between::Line(k, share) => apart[k] + share * (apart[k + 1] - apart[k]),
                };
                means.push(centre + sd * (last + moved));
            }
        }
        Ok(means)
    }

    /// What it says of the units at `indices`.
    ///
    /// # Errors
    /// When the units are of other series.
    pub fn predict(&self, units: &SeriesUnits, indices: &[usize]) -> Result<Distribution, String> {
        let width = self.known.preparation.horizons.len();
        Ok(Distribution::Gaussian {
            width,
            mean: self.means(units, indices)?,
            variance: of_nodes(&self.known.variances, width, units, indices),
        })
    }

    /// Numbers that were learned.
    pub fn parameters(&self) -> u64 {
        (self.trees.parameters() + self.known.variances.len()) as u64
    }

    /// What it was fitted with.
    pub fn preparation(&self) -> &Preparation {
        &self.known.preparation
    }

    /// What is known beside the trees, and the trees.
    pub fn saved(&self) -> (&BoostedKnown, Vec<u8>) {
        (&self.known, self.trees.to_bytes())
    }

    /// From what was saved.
    ///
    /// # Errors
    /// The fault, in words: it may come from a damaged file.
    pub fn load(known: BoostedKnown, trees: &[u8]) -> Result<BoostedLags, String> {
        known.preparation.check()?;
        let (nodes, horizons) = (known.preparation.nodes(), known.preparation.horizons.len());
        let told = known.told.first() == Some(&0)
            && known.told.last() == Some(&(horizons - 1))
            && known.told.is_sorted_by(|a, b| a < b);
        let variances = known.variances.len() == nodes * horizons
            && known.variances.iter().all(|v| v.is_finite() && *v > 0.0);
        if !told || !variances {
            return Err("its boosting is damaged".into());
        }
        let trees = Baseline::from_bytes(trees).map_err(|e| e.to_string())?;
        // A prediction of one row shows whether the trees are of as many columns and numbers.
        let width = known.inputs().width();
        let columns = vec![FeatureKind::Numeric; width];
        let row = Matrix::new(1, columns, vec![0.0; width]).map_err(|e| e.to_string())?;
        match trees.predict(&row).map_err(|e| e.to_string())? {
            Distribution::Gaussian { width, .. } if width == known.told.len() => {
                Ok(BoostedLags { known, trees })
            }
            _ => Err("its trees tell other numbers".into()),
        }
    }
}

/// The column of the last reading.
const LAST: usize = 1;

/// Where a horizon lies among those that have trees.
enum Between {
    /// It has trees.
    Told(usize),
    /// So far from one to the next.
    Line(usize, f32),
}

fn between(told: &[usize], horizons: &[usize], place: usize) -> Between {
    let next = told.partition_point(|t| *t < place);
    if told.get(next) == Some(&place) || next == 0 {
        return Between::Told(next.min(told.len() - 1));
    }
    let [from, to] = [told[next - 1], told[next.min(told.len() - 1)]].map(|t| horizons[t] as f32);
    let share = (horizons[place] as f32 - from) / (to - from).max(1.0);
    Between::Line(next - 1, share)
}

impl BoostedKnown {
    fn inputs(&self) -> Inputs<'_> {
        Inputs::of(&self.preparation, false, &[])
    }

    /// How a unit differs from its last reading at the horizons that have trees, in the spreads of its series.
    fn truth(&self, units: &SeriesUnits, index: usize) -> Vec<f32> {
        let p = &self.preparation;
        let (window, node) = units.which[index];
        let (mut values, mut read) = (Vec::new(), Vec::new());
        p.window(
            units,
            window as usize,
            node as usize,
            &mut values,
            &mut read,
        );
        let last = values.last().copied().unwrap_or(0.0);
        let (mean, sd) = p.scales[node as usize];
        let end = i64::from(units.windows[window as usize].end);
        let of = |&place: &usize| {
            let moment = end + p.horizons[place] as i64;
            (units.series.at(moment, node as usize) - mean) / sd - last
        };
        self.told.iter().map(of).collect()
    }

    /// The units of which all is known that is told, and what is true of them.
    fn learnable(&self, units: &SeriesUnits, indices: &[usize]) -> (Vec<usize>, Vec<f32>) {
        let (mut whole, mut truths) = (Vec::new(), Vec::new());
        for &index in indices {
            let truth = self.truth(units, index);
            if truth.iter().all(|v| v.is_finite()) {
                whole.push(index);
                truths.extend(truth);
            }
        }
        (whole, truths)
    }

    /// What is seen of the units, a row each.
    fn matrix(&self, units: &SeriesUnits, indices: &[usize]) -> Result<Matrix, String> {
        let inputs = self.inputs();
        let width = inputs.width();
        let mut values = vec![0.0f32; indices.len() * width];
        let (mut windows, mut row, mut at) = (Vec::new(), Vec::new(), usize::MAX);
        for (window, node, place) in by_window(units, indices) {
            if at != window {
                inputs.windows(units, window, &mut windows);
                at = window;
            }
            inputs.row(units, window, node, &windows, &[], &mut row);
            values[place * width..(place + 1) * width].copy_from_slice(&row);
        }
        let columns = vec![FeatureKind::Numeric; width];
        Matrix::new(indices.len(), columns, values).map_err(|e| e.to_string())
    }
}
