use crate::bytes::{Reader, Writer};
use crate::encoder::Encoder;
use crate::{BaselineError, Matrix};

/// Standardised numbers are cut off here: one absurd value must not decide a prediction.
const FARTHEST: f32 = 10.0;

/// Marks a missing category.
const NONE: u32 = u32::MAX;

/// How columns become the inputs of a linear model: numbers are standardised, missing ones become the mean;
/// a category becomes one input that is 1, a missing one all zeros.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OneHot {
    encoder: Encoder,
    /// Mean and reciprocal standard deviation of each numeric column, in order.
    moments: Vec<(f32, f32)>,
}

/// Inputs of some rows; those of categories are kept as indices.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) rows: usize,
    /// Numeric columns.
    numeric_width: usize,
    /// Categorical columns.
    categorical_width: usize,
    numeric: Vec<f32>,
    /// The input that is 1, or [`NONE`].
    categorical: Vec<u32>,
}

impl OneHot {
    pub(crate) fn fit(encoder: Encoder, matrix: &Matrix, rows: &[usize]) -> OneHot {
        let mut moments = Vec::new();
        for column in 0..encoder.width() {
            if encoder.categories(column).is_some() {
                continue;
            }
            let known = || {
                let cells = rows.iter().map(|&row| matrix.row(row)[column]);
                cells.filter(|value| value.is_finite()).map(f64::from)
            };
            let n = known().count().max(1) as f64;
            let mean = known().sum::<f64>() / n;
            let deviation = (known().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
            // A constant column carries nothing; rounding must not blow it up.
            let constant = deviation <= 1e-6 * mean.abs() || deviation < 1e-30;
            moments.push((
                mean as f32,
                if constant {
                    0.0
                } else {
                    deviation.recip() as f32
                },
            ));
        }
        OneHot { encoder, moments }
    }

    /// Inputs of a row, without the intercept.
    pub(crate) fn width(&self) -> usize {
        let bins = (0..self.encoder.width()).filter_map(|c| self.encoder.categories(c));
        self.moments.len() + bins.map(|categories| categories.bins()).sum::<usize>()
    }

    pub(crate) fn check(&self, matrix: &Matrix) -> Result<(), BaselineError> {
        self.encoder.check(matrix)
    }

    /// The inputs of some rows of a matrix that [`OneHot::check`] accepts.
    pub(crate) fn inputs(
        &self,
        matrix: &Matrix,
        rows: impl ExactSizeIterator<Item = usize>,
    ) -> Inputs {
        let (numeric_width, count) = (self.moments.len(), rows.len());
        let categorical_width = self.encoder.width() - numeric_width;
        let mut inputs = Inputs {
            rows: count,
            numeric_width,
            categorical_width,
            numeric: Vec::with_capacity(count * numeric_width),
            categorical: Vec::with_capacity(count * categorical_width),
        };
        for row in rows {
            let mut moments = self.moments.iter();
            let mut offset = numeric_width as u32;
            for (column, &value) in matrix.row(row).iter().enumerate() {
                match self.encoder.categories(column) {
                    None => {
                        let &(mean, scale) = moments.next().unwrap_or(&(0.0, 0.0));
                        inputs.numeric.push(standardise(value, mean, scale));
                    }
                    Some(categories) => {
                        let input = categories
                            .bin(value)
                            .map_or(NONE, |bin| offset + u32::from(bin));
                        inputs.categorical.push(input);
                        offset += categories.bins() as u32;
                    }
                }
            }
        }
        inputs
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        self.encoder.write(to);
        for &(mean, scale) in &self.moments {
            to.f32(mean);
            to.f32(scale);
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<OneHot, BaselineError> {
        let encoder = Encoder::read(from)?;
        let numeric = (0..encoder.width())
            .filter(|&c| encoder.categories(c).is_none())
            .count();
        let moments = (0..numeric).map(|_| Ok((from.f32()?, from.f32()?)));
        Ok(OneHot {
            moments: moments.collect::<Result<_, BaselineError>>()?,
            encoder,
        })
    }
}

fn standardise(value: f32, mean: f32, scale: f32) -> f32 {
    if value.is_nan() || scale == 0.0 {
        return 0.0;
    }
    ((value - mean) * scale).clamp(-FARTHEST, FARTHEST)
}

impl Inputs {
    /// `w · x + b` of one row; `weights` end with the intercept.
    pub(crate) fn dot(&self, row: usize, weights: &[f64]) -> f64 {
        let numeric = &self.numeric[row * self.numeric_width..(row + 1) * self.numeric_width];
        // Eight sums, so that the additions need not wait for each other.
        let mut sums = [0.0; 8];
        let (blocks, weight_blocks) = (
            numeric.chunks_exact(8),
            weights[..self.numeric_width].chunks_exact(8),
        );
        let rest = blocks.remainder().iter().zip(weight_blocks.remainder());
        let mut total: f64 = rest.map(|(&x, w)| f64::from(x) * w).sum();
        for (block, weights) in blocks.zip(weight_blocks) {
            for ((sum, &x), w) in sums.iter_mut().zip(block).zip(weights) {
                *sum += f64::from(x) * w;
            }
        }
        total += sums.iter().sum::<f64>();
        for &input in self.categories(row) {
            if input != NONE {
                total += weights[input as usize];
            }
        }
        total + weights.last().copied().unwrap_or(0.0)
    }

    /// Adds `factor` times the inputs of one row, and of the intercept.
    pub(crate) fn add(&self, row: usize, factor: f64, to: &mut [f64]) {
        let numeric = &self.numeric[row * self.numeric_width..(row + 1) * self.numeric_width];
        to.iter_mut()
            .zip(numeric)
            .for_each(|(to, &x)| *to += factor * f64::from(x));
        for &input in self.categories(row) {
            if input != NONE {
                to[input as usize] += factor;
            }
        }
        if let Some(intercept) = to.last_mut() {
            *intercept += factor;
        }
    }

    fn categories(&self, row: usize) -> &[u32] {
        &self.categorical[row * self.categorical_width..(row + 1) * self.categorical_width]
    }
}
