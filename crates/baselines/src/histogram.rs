//! Histograms of gradients in fixed point.
//!
//! Sums of whole numbers are exact: the order of rows cannot change a tree, and subtracting one child from
//! its parent gives the other child to the last bit. A row's hessian and its count of one share one word.

use crate::bins::BinnedMatrix;

/// Gradient and hessian of one row, in fixed point.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Derivative {
    gradient: i32,
    hessian: u32,
}

/// Sums over the rows of one bin, in fixed point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bin {
    gradient: i64,
    /// The hessian above, the count of rows below.
    hessian_and_rows: u64,
}

impl Bin {
    #[inline]
    fn add(&mut self, derivative: Derivative, row_bits: u32) {
        self.gradient += i64::from(derivative.gradient);
        self.hessian_and_rows += (u64::from(derivative.hessian) << row_bits) + 1;
    }

    pub(crate) fn plus(self, other: Bin) -> Bin {
        Bin {
            gradient: self.gradient + other.gradient,
            hessian_and_rows: self.hessian_and_rows + other.hessian_and_rows,
        }
    }

    pub(crate) fn minus(self, other: Bin) -> Bin {
        Bin {
            gradient: self.gradient - other.gradient,
            hessian_and_rows: self.hessian_and_rows - other.hessian_and_rows,
        }
    }

    /// Whether no row fell into it.
    pub(crate) fn is_empty(self) -> bool {
        self.hessian_and_rows == 0
    }
}

/// Sums over some rows, in the units of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sums {
    pub(crate) gradient: f64,
    pub(crate) hessian: f64,
    pub(crate) rows: u64,
}

/// What one unit of the fixed point is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    gradient: f64,
    hessian: f64,
    row_bits: u32,
    row_mask: u64,
}

impl Scale {
    /// The finest steps for which the sum over all rows still fits: gradients in 31 bits, hessians in what
    /// the count leaves of 64 (36 bits for ten thousand rows, cut to 31; 24 for a million).
    pub(crate) fn fill(
        gradients: &[f64],
        hessians: &[f64],
        derivatives: &mut Vec<Derivative>,
    ) -> Scale {
        let row_bits = usize::BITS - gradients.len().leading_zeros();
        let hessian_bits = 31.min(64u32.saturating_sub(2 * row_bits)).max(1);
        let step = |values: &[f64], bits: u32| {
            let most = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
            if most > 0.0 {
                most / ((1u64 << bits) - 1) as f64
            } else {
                1.0
            }
        };
        let (gradient, hessian) = (step(gradients, 31), step(hessians, hessian_bits));
        let (per_gradient, per_hessian) = (gradient.recip(), hessian.recip());
        derivatives.clear();
        derivatives.extend(gradients.iter().zip(hessians).map(|(g, h)| Derivative {
            gradient: (g * per_gradient).round_ties_even() as i32,
            hessian: (h * per_hessian).round_ties_even() as u32,
        }));
        Scale {
            gradient,
            hessian,
            row_bits,
            row_mask: (1 << row_bits) - 1,
        }
    }

    #[inline]
    pub(crate) fn sums(&self, bin: Bin) -> Sums {
        Sums {
            gradient: bin.gradient as f64 * self.gradient,
            hessian: (bin.hessian_and_rows >> self.row_bits) as f64 * self.hessian,
            rows: bin.hessian_and_rows & self.row_mask,
        }
    }

    /// The sum over some rows.
    pub(crate) fn total(&self, derivatives: &[Derivative]) -> Bin {
        derivatives
            .iter()
            .fold(Bin::default(), |mut total, &derivative| {
                total.add(derivative, self.row_bits);
                total
            })
    }
}

/// Where the bins of each column lie in a leaf's histogram.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// First bin of each column, and the end.
    starts: Vec<usize>,
}

impl Layout {
    pub(crate) fn new(binned: &BinnedMatrix) -> Layout {
        let mut starts = vec![0];
        let mut end = 0;
        for column in &binned.bins().columns {
            end += column.values() + 1;
            starts.push(end);
        }
        Layout { starts }
    }

    /// Bins of all columns.
    pub(crate) fn bins(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The bins of one column, that of missing values last.
    pub(crate) fn column<'h>(&self, histogram: &'h [Bin], column: usize) -> &'h [Bin] {
        &histogram[self.starts[column]..self.starts[column + 1]]
    }

    fn column_mut<'h>(&self, histogram: &'h mut [Bin], column: usize) -> &'h mut [Bin] {
        &mut histogram[self.starts[column]..self.starts[column + 1]]
    }

    /// Fills the bins of some columns with the sums over some rows.
    ///
    /// `rows` are `None` when they are all rows in order; `derivatives` are in the order of the rows.
    pub(crate) fn fill(
        &self,
        binned: &BinnedMatrix,
        columns: &[u32],
        rows: Option<&[u32]>,
        derivatives: &[Derivative],
        scale: &Scale,
        histogram: &mut [Bin],
    ) {
        let row_bits = scale.row_bits;
        // An array of 256 needs no bounds checks for a byte, and stays in the first-level cache.
        let mut bins = [Bin::default(); 256];
        for &column in columns {
            let codes = binned.column(column as usize);
            let target = self.column_mut(histogram, column as usize);
            bins[..target.len()].fill(Bin::default());
            match rows {
                None => codes
                    .iter()
                    .zip(derivatives)
                    .for_each(|(&code, &derivative)| {
                        bins[usize::from(code)].add(derivative, row_bits);
                    }),
                Some(rows) => rows
                    .iter()
                    .zip(derivatives)
                    .for_each(|(&row, &derivative)| {
                        bins[usize::from(codes[row as usize])].add(derivative, row_bits);
                    }),
            }
            target.copy_from_slice(&bins[..target.len()]);
        }
    }

    /// Turns the parent's histogram into that of one child by taking away the other's.
    pub(crate) fn subtract(&self, columns: &[u32], parent: &mut [Bin], child: &[Bin]) {
        for &column in columns {
            let child = self.column(child, column as usize);
            let parent = self.column_mut(parent, column as usize);
            parent
                .iter_mut()
                .zip(child)
                .for_each(|(p, &c)| *p = p.minus(c));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Bins, FeatureKind, Matrix};

    #[test]
    fn sums_are_those_of_the_rows_and_subtraction_is_exact() {
        let matrix =
            Matrix::new(4, vec![FeatureKind::Numeric], vec![1.0, 2.0, f32::NAN, 1.0]).unwrap();
        let bins = Arc::new(Bins::fit(&matrix, &[0, 1, 2, 3], 255).unwrap());
        let binned = BinnedMatrix::new(&matrix, bins).unwrap();
        let layout = Layout::new(&binned);
        let mut derivatives = Vec::new();
        let (g, h) = ([1.0, -2.0, 0.5, 0.25], [1.0, 0.5, 0.25, 0.125]);
        let scale = Scale::fill(&g, &h, &mut derivatives);
        let mut whole = vec![Bin::default(); layout.bins()];
        layout.fill(&binned, &[0], None, &derivatives, &scale, &mut whole);
        let sums: Vec<Sums> = whole.iter().map(|&bin| scale.sums(bin)).collect();
        let expected = [(1.25, 1.125, 2), (-2.0, 0.5, 1), (0.5, 0.25, 1)];
        for (got, (gradient, hessian, rows)) in sums.iter().zip(expected) {
            assert!((got.gradient - gradient).abs() < 1e-8 && (got.hessian - hessian).abs() < 1e-8);
            assert_eq!(got.rows, rows);
        }
        let mut part = vec![Bin::default(); layout.bins()];
        layout.fill(
            &binned,
            &[0],
            Some(&[3]),
            &derivatives[3..],
            &scale,
            &mut part,
        );
        let mut rest = whole.clone();
        layout.subtract(&[0], &mut rest, &part);
        let mut direct = vec![Bin::default(); layout.bins()];
        layout.fill(
            &binned,
            &[0],
            Some(&[0, 1, 2]),
            &derivatives[..3],
            &scale,
            &mut direct,
        );
        assert_eq!(rest, direct);
        assert_eq!(scale.sums(scale.total(&derivatives)).rows, 4);
    }

    #[test]
    fn a_column_of_one_huge_gradient_does_not_overflow() {
        let mut derivatives = Vec::new();
        let scale = Scale::fill(&vec![1e30; 1000], &vec![1e-30; 1000], &mut derivatives);
        let sums = scale.sums(scale.total(&derivatives));
        assert!((sums.gradient / 1e33 - 1.0).abs() < 1e-8);
        assert!((sums.hessian / 1e-27 - 1.0).abs() < 1e-8);
        assert_eq!(sums.rows, 1000);
    }
}
