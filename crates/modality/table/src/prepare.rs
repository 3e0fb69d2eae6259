use burn::tensor::{Device, Int, Tensor, TensorData};
use candor_baselines::{FeatureKind, Matrix};
use candor_core::Targets;
use candor_train::{Batches, TargetScale};
use serde::{Deserialize, Serialize};
use statrs::function::erf::erf_inv;

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// Numeric features, in the order of the matrix.
    pub numeric: Vec<NumericPreparation>,
    /// Categorical features, in the order of the matrix.
    pub categorical: Vec<CategoricalPreparation>,
    /// How numeric targets are scaled.
    pub target_scale: TargetScale,
}

/// How one numeric feature is imputed and scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericPreparation {
    /// Its place in the matrix.
    pub feature: usize,
    /// The median, which stands for missing cells.
    pub median: f32,
    /// Mean.
    pub mean: f32,
    /// Standard deviation; 1 for a constant.
    pub sd: f32,
    /// Values at evenly spaced quantiles, ascending and distinct; they map the feature to a normal distribution.
    pub quantiles: Vec<f32>,
    /// Whether cells were missing, so that an indicator is added.
    pub indicator: bool,
}

/// How one categorical feature finds its rows in the embedding table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalPreparation {
    /// Its place in the matrix.
    pub feature: usize,
    /// For each code its row; 0 (unknown) for codes that the training part does not hold.
    pub rows: Vec<u32>,
    /// Rows, row 0 included.
    pub size: usize,
}

/// Quantiles kept per feature (Gorishniy et al. 2021 use up to 1000; finer ones are within noise here).
const QUANTILES: usize = 129;
/// Scaled values are cut here, so that a wild cell cannot drown a row; about once in 10⁶ under a normal law.
const CUT: f32 = 5.0;

impl Preparation {
    /// Fits on the rows `train` of the matrix.
    pub fn fit(matrix: &Matrix, targets: &Targets, train: &[usize]) -> Preparation {
        let (mut numeric, mut categorical) = (Vec::new(), Vec::new());
        for (feature, kind) in matrix.columns().iter().enumerate() {
            let cells = train
                .iter()
                .map(|&row| matrix.values()[row * matrix.columns().len() + feature]);
            match kind {
                FeatureKind::Numeric => numeric.push(fit_numeric(feature, cells.collect())),
                FeatureKind::Categorical { cardinality } => {
                    categorical.push(fit_categorical(feature, *cardinality as usize, cells));
                }
            }
        }
        Preparation {
            numeric,
            categorical,
            target_scale: TargetScale::fit(targets, train),
        }
    }

    /// Width of the plain numeric part: one value a numeric feature, then one an indicator.
    pub fn plain_width(&self) -> usize {
        self.numeric.len() + self.numeric.iter().filter(|n| n.indicator).count()
    }

    /// Edges of the bins of the piecewise-linear code, `bins + 1` a numeric feature, in scaled units.
    ///
    /// Every feature has the same number of bins, so that one product serves all; features with fewer distinct values have
    /// bins of no width at the end, which code as zero.
    pub fn bin_edges(&self, bins: usize, quantile: bool) -> Vec<Vec<f32>> {
        let edges = |n: &NumericPreparation| {
            let last = n.quantiles.len() - 1;
            let mut edges: Vec<f32> = (0..=bins)
                .map(|i| n.scaled(n.quantiles[(i * last + bins / 2) / bins], quantile))
                .collect();
            edges.dedup();
            let end = edges.last().copied().unwrap_or(0.0);
            edges.resize(bins + 1, end);
            edges
        };
        self.numeric.iter().map(edges).collect()
    }

    /// Why this preparation cannot be used, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        for n in &self.numeric {
            let finite = [n.median, n.mean, n.sd]
                .iter()
                .chain(&n.quantiles)
                .all(|v| v.is_finite());
            let ordered = n.quantiles.windows(2).all(|w| w[0] <= w[1]);
            if !finite || !ordered || n.sd <= 0.0 || n.quantiles.len() < 2 {
                return Err(format!("scaling of feature {} is damaged", n.feature));
            }
        }
        for c in &self.categorical {
            let most = Matrix::MAX_CARDINALITY as usize;
            if c.size > most || c.rows.iter().any(|&row| row as usize >= c.size) {
                return Err(format!("categories of feature {} are damaged", c.feature));
            }
        }
        self.target_scale.check()
    }

    /// Why rows of this shape cannot be prepared, if so.
    ///
    /// # Errors
    /// Names the feature that is not there.
    pub fn check_matrix(&self, matrix: &Matrix) -> Result<(), String> {
        let features = self.numeric.iter().map(|n| n.feature);
        let mut features = features.chain(self.categorical.iter().map(|c| c.feature));
        match features.find(|&feature| feature >= matrix.columns().len()) {
            Some(feature) => Err(format!(
                "the model needs feature {feature}, the rows do not have it"
            )),
            None => Ok(()),
        }
    }

    /// Prepares all rows of a matrix.
    pub fn apply(&self, matrix: &Matrix, quantile: bool) -> PreparedTable {
        let width = matrix.columns().len();
        let plain_width = self.plain_width();
        let mut plain = Vec::with_capacity(matrix.rows() * plain_width);
        let mut categorical = Vec::with_capacity(matrix.rows() * self.categorical.len());
        let mut offsets = Vec::with_capacity(self.categorical.len());
        let mut next = 0;
        for c in &self.categorical {
            offsets.push(next);
            next += c.size as i32;
        }
        for row in matrix.values().chunks_exact(width.max(1)) {
            plain.extend(
                self.numeric
                    .iter()
                    .map(|n| n.value(row[n.feature], quantile)),
            );
            let indicators = self.numeric.iter().filter(|n| n.indicator);
            plain.extend(indicators.map(|n| f32::from(u8::from(row[n.feature].is_nan()))));
            let coded = self.categorical.iter().zip(&offsets);
            categorical.extend(coded.map(|(c, offset)| offset + c.row(row[c.feature]) as i32));
        }
        PreparedTable {
            numeric: self.numeric.len(),
            plain_width,
            plain,
            categorical_width: self.categorical.len(),
            categorical,
            edges: Vec::new(),
        }
    }

    /// `[rows, width]` at the given rows: the standardised input, not clipped, with categories as agreement codes; for distances
    /// between rows.
    pub fn distances_input(&self, matrix: &Matrix, rows: &[usize]) -> (usize, Vec<f32>) {
        let width = matrix.columns().len();
        let out_width = self.plain_width() + self.categorical.len();
        let mut out = Vec::with_capacity(rows.len() * out_width);
        for &row in rows {
            let row = &matrix.values()[row * width..(row + 1) * width];
            out.extend(self.numeric.iter().map(|n| {
                let value = if row[n.feature].is_nan() {
                    n.median
                } else {
                    row[n.feature]
                };
                ((value - n.mean) / n.sd).clamp(-1e3, 1e3)
            }));
            let indicators = self.numeric.iter().filter(|n| n.indicator);
            out.extend(indicators.map(|n| f32::from(u8::from(row[n.feature].is_nan()))));
            // A category that training never saw is strange; known ones are all alike here.
            out.extend(
                self.categorical
                    .iter()
                    .map(|c| if c.row(row[c.feature]) == 0 { 3.0 } else { 0.0 }),
            );
        }
        (out_width, out)
    }
}

impl NumericPreparation {
    fn value(&self, cell: f32, quantile: bool) -> f32 {
        self.scaled(if cell.is_nan() { self.median } else { cell }, quantile)
    }

    fn scaled(&self, value: f32, quantile: bool) -> f32 {
        if !quantile || self.quantiles.len() < 3 {
            return ((value - self.mean) / self.sd).clamp(-CUT, CUT);
        }
        let last = (self.quantiles.len() - 1) as f32;
        let above = self.quantiles.partition_point(|&q| q < value);
        let rank = if above == 0 {
            0.0
        } else if above == self.quantiles.len() {
            last
        } else {
            let (low, high) = (self.quantiles[above - 1], self.quantiles[above]);
            (above - 1) as f32 + (value - low) / (high - low)
        };
        // Half a step away from 0 and 1, where the normal quantile is infinite.
        let share = (rank + 0.5) / (last + 1.0);
        (std::f64::consts::SQRT_2 * erf_inv(2.0 * f64::from(share) - 1.0)) as f32
    }
}

impl CategoricalPreparation {
    fn row(&self, code: f32) -> u32 {
        if code.is_nan() {
            0
        } else {
            self.rows.get(code as usize).copied().unwrap_or(0)
        }
    }
}

fn fit_numeric(feature: usize, cells: Vec<f32>) -> NumericPreparation {
    let total = cells.len();
    let mut known: Vec<f32> = cells.into_iter().filter(|v| !v.is_nan()).collect();
    let indicator = known.len() < total;
    known.sort_unstable_by(f32::total_cmp);
    let n = known.len();
    if n == 0 {
        let quantiles = vec![0.0, 0.0];
        return NumericPreparation {
            feature,
            median: 0.0,
            mean: 0.0,
            sd: 1.0,
            quantiles,
            indicator,
        };
    }
    let mean = known.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
    let variance = known
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n as f64;
    let sd = if variance > 0.0 {
        variance.sqrt() as f32
    } else {
        1.0
    };
    let mut quantiles: Vec<f32> = (0..QUANTILES)
        .map(|i| known[(i * (n - 1)) / (QUANTILES - 1)])
        .collect();
    quantiles.dedup();
    if quantiles.len() == 1 {
        quantiles.push(quantiles[0]);
    }
    NumericPreparation {
        feature,
        median: known[n / 2],
        mean: mean as f32,
        sd,
        quantiles,
        indicator,
    }
}

fn fit_categorical(
    feature: usize,
    cardinality: usize,
    cells: impl Iterator<Item = f32>,
) -> CategoricalPreparation {
    let mut seen = vec![false; cardinality];
    for code in cells.filter(|code| !code.is_nan()) {
        if let Some(seen) = seen.get_mut(code as usize) {
            *seen = true;
        }
    }
    let mut size = 1;
    let mut next = || {
        size += 1;
        size as u32 - 1
    };
    let rows = seen
        .iter()
        .map(|&seen| if seen { next() } else { 0 })
        .collect();
    CategoricalPreparation {
        feature,
        rows,
        size,
    }
}

/// Rows ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedTable {
    numeric: usize,
    plain_width: usize,
    plain: Vec<f32>,
    categorical_width: usize,
    categorical: Vec<i32>,
    edges: Vec<Vec<f32>>,
}

/// A batch of rows as [`crate::TableNetwork`] takes it.
#[derive(Debug, Clone)]
pub struct TableBatch {
    /// `[units, numeric + indicators]`.
    pub plain: Tensor<2>,
    /// Piecewise-linear codes `[numeric, units, bins]`, when the network asks for them.
    pub codes: Option<Tensor<3>>,
    /// Rows of the embedding table `[units, categorical]`, when there are categories.
    pub categorical: Option<Tensor<2, Int>>,
}

impl PreparedTable {
    /// The same rows, with piecewise-linear codes for these bin edges in every batch.
    pub fn with_edges(mut self, edges: Vec<Vec<f32>>) -> PreparedTable {
        self.edges = edges;
        self
    }
}

impl Batches for PreparedTable {
    type Batch = TableBatch;

    fn batch(&self, indices: &[usize], device: &Device) -> TableBatch {
        let units = indices.len();
        let mut plain = Vec::with_capacity(units * self.plain_width);
        for &i in indices {
            plain.extend_from_slice(&self.plain[i * self.plain_width..(i + 1) * self.plain_width]);
        }
        let codes = (!self.edges.is_empty()).then(|| {
            let bins = self.edges[0].len() - 1;
            let mut codes = Vec::with_capacity(self.numeric * units * bins);
            for (feature, edges) in self.edges.iter().enumerate() {
                for &i in indices {
                    piecewise_linear(
                        self.plain[i * self.plain_width + feature],
                        edges,
                        &mut codes,
                    );
                }
            }
            Tensor::from_data(TensorData::new(codes, [self.numeric, units, bins]), device)
        });
        let categorical = (self.categorical_width > 0).then(|| {
            let width = self.categorical_width;
            let mut rows = Vec::with_capacity(units * width);
            for &i in indices {
                rows.extend_from_slice(&self.categorical[i * width..(i + 1) * width]);
            }
            Tensor::from_data(TensorData::new(rows, [units, width]), device)
        });
        let plain = Tensor::from_data(TensorData::new(plain, [units, self.plain_width]), device);
        TableBatch {
            plain,
            codes,
            categorical,
        }
    }
}

/// How far the value reaches into each bin, 0 to 1; the first and the last bin go on beyond their edge.
///
/// # Reference
/// Gorishniy, Rubachev & Babenko, NeurIPS 2022, equation 1.
fn piecewise_linear(value: f32, edges: &[f32], codes: &mut Vec<f32>) {
    let bins = edges.len() - 1;
    let used = edges.windows(2).take_while(|w| w[1] > w[0]).count();
    for (bin, edge) in edges.windows(2).enumerate() {
        let code = if bin >= used {
            0.0
        } else {
            let reach = (value - edge[0]) / (edge[1] - edge[0]);
            let low = if bin == 0 { f32::NEG_INFINITY } else { 0.0 };
            let high = if bin + 1 == used { f32::INFINITY } else { 1.0 };
            reach.clamp(low, high)
        };
        codes.push(code.clamp(-CUT, CUT));
    }
    debug_assert_eq!(codes.len() % bins, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_column(values: &[f32]) -> Matrix {
        Matrix::new(values.len(), vec![FeatureKind::Numeric], values.to_vec()).unwrap()
    }

    #[test]
    fn only_the_training_rows_are_seen() {
        let matrix = one_column(&[1.0, 3.0, 1000.0, f32::NAN]);
        let targets = Targets::Values {
            width: 1,
            values: vec![10.0, 20.0, 1e6, 1e6],
        };
        let fitted = Preparation::fit(&matrix, &targets, &[0, 1]);
        assert_eq!((fitted.numeric[0].mean, fitted.numeric[0].sd), (2.0, 1.0));
        assert!(!fitted.numeric[0].indicator);
        assert_eq!(fitted.target_scale, TargetScale(vec![(15.0, 5.0)]));
    }

    #[test]
    fn quantiles_map_to_a_normal_distribution() {
        let values: Vec<f32> = (0..1001).map(|i| (i as f32 / 1000.0).powi(5)).collect();
        let targets = Targets::Classes(vec![0; 1001]);
        let rows: Vec<usize> = (0..1001).collect();
        let fitted = Preparation::fit(&one_column(&values), &targets, &rows);
        let scaled: Vec<f32> = values
            .iter()
            .map(|&v| fitted.numeric[0].value(v, true))
            .collect();
        let mean = scaled.iter().sum::<f32>() / 1001.0;
        let sd = (scaled.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 1001.0).sqrt();
        assert!(
            mean.abs() < 0.02 && (sd - 1.0).abs() < 0.05,
            "mean {mean}, sd {sd}"
        );
        assert!(scaled.windows(2).all(|w| w[0] <= w[1]));
    }

    #[test]
    fn codes_add_up_to_the_place_of_the_value() {
        let edges = [0.0, 1.0, 3.0, 3.0];
        let code = |value: f32| {
            let mut codes = Vec::new();
            piecewise_linear(value, &edges, &mut codes);
            codes
        };
        assert_eq!(code(0.5), vec![0.5, 0.0, 0.0]);
        assert_eq!(code(2.0), vec![1.0, 0.5, 0.0]);
        // The outer bins go on, so that values outside differ from each other.
        assert_eq!(code(-1.0), vec![-1.0, 0.0, 0.0]);
        assert_eq!(code(5.0), vec![1.0, 2.0, 0.0]);
    }

    #[test]
    fn columns_without_any_value_do_no_harm() {
        let matrix = one_column(&[f32::NAN, f32::NAN]);
        let fitted = Preparation::fit(&matrix, &Targets::Classes(vec![0, 1]), &[0, 1]);
        let prepared = fitted.apply(&matrix, true);
        assert!(prepared.plain.iter().all(|v| v.is_finite()));
        assert!(fitted.bin_edges(4, true)[0].iter().all(|v| v.is_finite()));
    }
}
