use std::sync::Arc;

use crate::encoder::Categories;
use crate::setting::within;
use crate::{BaselineError, FeatureKind, Matrix};

/// Rows that quantiles are estimated from at most; more only cost time.
const QUANTILE_ROWS: usize = 200_000;

/// How raw values of each column fall into at most 255 bins, and one more for missing values.
///
/// A numeric column is cut midway between distinct values: between all of them where they are few, else
/// so that bins hold about equally many rows. A categorical column has one bin a category for the 254
/// most frequent; the others count as missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    pub(crate) columns: Vec<ColumnBins>,
}

/// The bins of one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnBins {
    /// Bin `i` holds values `x` with `cuts[i - 1] < x <= cuts[i]`.
    Numeric {
        /// Ascending; one fewer than there are bins of values.
        cuts: Vec<f32>,
        /// The middle of the values seen in each bin.
        centres: Vec<f32>,
    },
    /// One bin a category.
    Categorical(Categories),
}

impl ColumnBins {
    /// Bins of values, without that of missing values; its number is that of the missing bin.
    pub(crate) fn values(&self) -> usize {
        match self {
            ColumnBins::Numeric { centres, .. } => centres.len(),
            ColumnBins::Categorical(categories) => categories.bins(),
        }
    }

    fn bin(&self, value: f32) -> u8 {
        let bin = match self {
            ColumnBins::Numeric { cuts, .. } if !value.is_nan() => {
                Some(cuts.partition_point(|&cut| cut < value))
            }
            ColumnBins::Numeric { .. } => None,
            ColumnBins::Categorical(categories) => categories.bin(value).map(usize::from),
        };
        // A column without any known value has no bin of values: what comes later is as good as missing.
        bin.unwrap_or(self.values()).min(self.values()) as u8
    }
}

impl Bins {
    /// Fits the bins on some rows. No labels are looked at, so all rows of development may be used.
    ///
    /// # Errors
    /// When a row is outside the matrix or `max_bins` outside 2 to 255.
    pub fn fit(matrix: &Matrix, rows: &[usize], max_bins: usize) -> Result<Bins, BaselineError> {
        matrix.check_rows(rows)?;
        within("max_bins", max_bins as f64, 2.0, 255.0, "2 to 255")?;
        let width = matrix.columns().len();
        let step = rows.len().div_ceil(QUANTILE_ROWS).max(1);
        let fit_column = |(column, kind): (usize, &FeatureKind)| {
            let cells = |step| {
                rows.iter()
                    .step_by(step)
                    .map(move |&r| matrix.values()[r * width + column])
            };
            match *kind {
                FeatureKind::Numeric => {
                    let known = cells(step).filter(|value| !value.is_nan());
                    numeric_bins(
                        known.map(|v| v.clamp(f32::MIN, f32::MAX)).collect(),
                        max_bins,
                    )
                }
                FeatureKind::Categorical { cardinality } => {
                    ColumnBins::Categorical(Categories::fit(cardinality, cells(1)))
                }
            }
        };
        let columns = matrix
            .columns()
            .iter()
            .enumerate()
            .map(fit_column)
            .collect();
        Ok(Bins { columns })
    }

    /// Refuses a matrix of other columns.
    pub(crate) fn check(&self, matrix: &Matrix) -> Result<(), BaselineError> {
        let (expected, got) = (self.columns.len(), matrix.columns().len());
        if expected != got {
            return Err(BaselineError::Columns { expected, got });
        }
        for (column, (bins, kind)) in self.columns.iter().zip(matrix.columns()).enumerate() {
            let expected = match bins {
                ColumnBins::Numeric { .. } => "numeric",
                ColumnBins::Categorical(_) => "categorical",
            };
            if expected != kind.name() {
                return Err(BaselineError::ColumnKind {
                    column,
                    expected,
                    got: kind.name(),
                });
            }
        }
        Ok(())
    }
}

/// Groups sorted distinct values into bins of about equal weight; a heavy value has a bin of its own.
fn numeric_bins(mut known: Vec<f32>, max_bins: usize) -> ColumnBins {
    known.sort_unstable_by(f32::total_cmp);
    let mut distinct: Vec<(f32, usize)> = Vec::new();
    for value in known.iter().copied() {
        match distinct.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => distinct.push((value, 1)),
        }
    }
    let groups = group(&distinct, known.len(), max_bins);
    let ends = |&(first, last): &(usize, usize)| (distinct[first].0, distinct[last].0);
    let spans: Vec<(f32, f32)> = groups.iter().map(ends).collect();
    ColumnBins::Numeric {
        cuts: spans
            .windows(2)
            .map(|pair| cut_between(pair[0].1, pair[1].0))
            .collect(),
        centres: spans.iter().map(|&(low, high)| middle(low, high)).collect(),
    }
}

/// First and last distinct value of each bin.
fn group(distinct: &[(f32, usize)], total: usize, max_bins: usize) -> Vec<(usize, usize)> {
    if distinct.len() <= max_bins {
        return (0..distinct.len()).map(|i| (i, i)).collect();
    }
    let mut groups = Vec::with_capacity(max_bins);
    let (mut first, mut held, mut rest) = (0, 0, total);
    for (i, &(_, count)) in distinct.iter().enumerate() {
        let open = max_bins - groups.len();
        let target = (rest as f64 / open as f64).max(1.0);
        if held > 0 && open > 1 && (held + count) as f64 - target > target - held as f64 {
            groups.push((first, i - 1));
            rest -= held;
            (first, held) = (i, 0);
        }
        held += count;
    }
    groups.push((first, distinct.len() - 1));
    groups
}

fn middle(low: f32, high: f32) -> f32 {
    ((f64::from(low) + f64::from(high)) / 2.0) as f32
}

/// A cut with `low <= cut < high`, midway where rounding allows.
fn cut_between(low: f32, high: f32) -> f32 {
    let cut = middle(low, high);
    if cut < high { cut } else { low }
}

/// Bin numbers of a matrix, column-major, made once and shared by all folds and designs.
#[derive(Debug, Clone, PartialEq)]
pub struct BinnedMatrix {
    rows: usize,
    bins: Arc<Bins>,
    codes: Vec<u8>,
}

impl BinnedMatrix {
    /// Bins every row of a matrix.
    ///
    /// # Errors
    /// When the bins were fitted on other columns.
    pub fn new(matrix: &Matrix, bins: Arc<Bins>) -> Result<BinnedMatrix, BaselineError> {
        bins.check(matrix)?;
        let width = matrix.columns().len();
        let mut codes = Vec::with_capacity(matrix.values().len());
        for (column, bins) in bins.columns.iter().enumerate() {
            let cells = matrix.values().iter().skip(column).step_by(width.max(1));
            codes.extend(cells.map(|&value| bins.bin(value)));
        }
        Ok(BinnedMatrix {
            rows: matrix.rows(),
            bins,
            codes,
        })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The bins that were used.
    pub fn bins(&self) -> &Arc<Bins> {
        &self.bins
    }

    /// The bin of every row in one column.
    pub(crate) fn column(&self, column: usize) -> &[u8] {
        &self.codes[column * self.rows..(column + 1) * self.rows]
    }

    /// Gives the bins of one column other numbers.
    pub(crate) fn relabel(&mut self, column: usize, label: &[u8; 256]) {
        for code in &mut self.codes[column * self.rows..(column + 1) * self.rows] {
            *code = label[usize::from(*code)];
        }
    }

    /// The given rows, in that order: contiguous, so that growing a tree streams through them.
    pub(crate) fn select(&self, rows: &[usize]) -> BinnedMatrix {
        let mut codes = Vec::with_capacity(rows.len() * self.bins.columns.len());
        for column in 0..self.bins.columns.len() {
            let from = self.column(column);
            codes.extend(rows.iter().map(|&row| from[row]));
        }
        BinnedMatrix {
            rows: rows.len(),
            bins: Arc::clone(&self.bins),
            codes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(values: &[f32], max_bins: usize) -> ColumnBins {
        let matrix =
            Matrix::new(values.len(), vec![FeatureKind::Numeric], values.to_vec()).unwrap();
        let rows: Vec<usize> = (0..values.len()).collect();
        Bins::fit(&matrix, &rows, max_bins)
            .unwrap()
            .columns
            .remove(0)
    }

    #[test]
    fn few_distinct_values_are_cut_midway() {
        let ColumnBins::Numeric { cuts, centres } = numeric(&[3.0, 1.0, 2.0, 1.0, f32::NAN], 255)
        else {
            panic!("a numeric column");
        };
        assert_eq!(cuts, vec![1.5, 2.5]);
        assert_eq!(centres, vec![1.0, 2.0, 3.0]);
    }

    #[test]
    fn many_values_fall_into_bins_of_equal_weight() {
        let values: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let bins = numeric(&values, 10);
        let mut held = [0; 11];
        values
            .iter()
            .for_each(|&v| held[usize::from(bins.bin(v))] += 1);
        assert_eq!(held, [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0]);
    }

    #[test]
    fn a_heavy_value_does_not_take_its_neighbours_along() {
        let mut values = vec![0.0; 900];
        values.extend((1..=100).map(|i| i as f32));
        let bins = numeric(&values, 11);
        assert_eq!(bins.bin(0.0), 0);
        let bins_of_others: Vec<u8> = (1..=100).map(|i| bins.bin(i as f32)).collect();
        assert_eq!(bins_of_others[0], 1);
        assert_eq!(bins_of_others[99], 10);
    }

    #[test]
    fn missing_infinite_and_new_values_have_a_bin() {
        let bins = numeric(&[f32::NEG_INFINITY, 0.0, f32::INFINITY], 255);
        let cases = [
            (f32::NEG_INFINITY, 0),
            (0.0, 1),
            (-0.0, 1),
            (f32::INFINITY, 2),
            (f32::NAN, 3),
        ];
        for (value, bin) in cases {
            assert_eq!(bins.bin(value), bin, "{value}");
        }
        // Nothing known: everything is missing.
        let empty = numeric(&[f32::NAN], 255);
        assert_eq!(
            (empty.values(), empty.bin(1.0), empty.bin(f32::NAN)),
            (0, 0, 0)
        );
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let (low, high) = (1.0f32, 1.0f32.next_up());
        let bins = numeric(&[low, high], 255);
        assert_eq!((bins.bin(low), bins.bin(high)), (0, 1));
    }

    #[test]
    fn settings_and_rows_are_checked() {
        let matrix = Matrix::new(1, vec![FeatureKind::Numeric], vec![0.0]).unwrap();
        assert!(matches!(
            Bins::fit(&matrix, &[0], 256),
            Err(BaselineError::Setting { .. })
        ));
        assert_eq!(
            Bins::fit(&matrix, &[1], 255),
            Err(BaselineError::Row { row: 1, rows: 1 })
        );
        let bins = Arc::new(Bins::fit(&matrix, &[0], 255).unwrap());
        let other = Matrix::new(
            1,
            vec![FeatureKind::Categorical { cardinality: 2 }],
            vec![0.0],
        )
        .unwrap();
        assert!(matches!(
            BinnedMatrix::new(&other, bins),
            Err(BaselineError::ColumnKind { .. })
        ));
    }
}
