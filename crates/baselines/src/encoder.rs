use std::borrow::Cow;
use std::ops::Range;

use crate::bins::{Bins, ColumnBins};
use crate::bytes::{Reader, Writer};
use crate::{BaselineError, FeatureKind, Matrix};

/// Categories of one column that have a bin of their own.
const KEPT: usize = 254;

/// The bin of a category that has none.
const DROPPED: u8 = u8::MAX;

/// How the codes of one categorical column become bins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Categories {
    cardinality: u32,
    /// One bin a code; empty where every code is its own bin.
    bin_of: Vec<u8>,
}

impl Categories {
    /// Keeps the most frequent categories (the first of equals) where there are more than bins.
    pub(crate) fn fit(cardinality: u32, cells: impl Iterator<Item = f32>) -> Categories {
        if cardinality as usize <= KEPT {
            return Categories {
                cardinality,
                bin_of: Vec::new(),
            };
        }
        let mut counts = vec![0u32; cardinality as usize];
        cells
            .filter_map(|cell| code(cell, cardinality))
            .for_each(|c| counts[c] += 1);
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by_key(|&c| std::cmp::Reverse(counts[c]));
        let mut bin_of = vec![DROPPED; counts.len()];
        for (bin, &c) in order.iter().take(KEPT).enumerate() {
            bin_of[c] = bin as u8;
        }
        Categories {
            cardinality,
            bin_of,
        }
    }

    /// Bins there are.
    pub(crate) fn bins(&self) -> usize {
        (self.cardinality as usize).min(KEPT)
    }

    /// The bin of a raw value; `None` when it is missing, unknown or too rare.
    pub(crate) fn bin(&self, value: f32) -> Option<u8> {
        let code = code(value, self.cardinality)?;
        match self.bin_of.get(code) {
            None => Some(code as u8),
            Some(&DROPPED) => None,
            Some(&bin) => Some(bin),
        }
    }

    fn write(&self, to: &mut Writer) {
        to.u32(self.cardinality);
        to.raw(&self.bin_of);
    }

    fn read(from: &mut Reader<'_>) -> Result<Categories, BaselineError> {
        let cardinality = from.u32()?;
        if cardinality > Matrix::MAX_CARDINALITY {
            return Err(from.corrupt("too many categories"));
        }
        let stored = if cardinality as usize <= KEPT {
            0
        } else {
            cardinality as usize
        };
        let bin_of = from.raw(stored)?.to_vec();
        if bin_of
            .iter()
            .any(|&bin| bin != DROPPED && usize::from(bin) >= KEPT)
        {
            return Err(from.corrupt("a category has no such bin"));
        }
        Ok(Categories {
            cardinality,
            bin_of,
        })
    }
}

fn code(value: f32, cardinality: u32) -> Option<usize> {
    (value >= 0.0 && value < cardinality as f32).then_some(value as usize)
}

/// What a fitted model must know of the columns to read raw rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Encoder {
    /// `None` for a numeric column.
    columns: Vec<Option<Categories>>,
}

impl Encoder {
    pub(crate) fn new(bins: &Bins) -> Encoder {
        let column = |bins: &ColumnBins| match bins {
            ColumnBins::Numeric { .. } => None,
            ColumnBins::Categorical(categories) => Some(categories.clone()),
        };
        Encoder {
            columns: bins.columns.iter().map(column).collect(),
        }
    }

    /// The number of columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The categories of a column; `None` when it is numeric or there is no such column.
    pub(crate) fn categories(&self, column: usize) -> Option<&Categories> {
        self.columns.get(column).and_then(Option::as_ref)
    }

    /// Refuses a matrix of other columns.
    pub(crate) fn check(&self, matrix: &Matrix) -> Result<(), BaselineError> {
        let (expected, got) = (self.width(), matrix.columns().len());
        if expected != got {
            return Err(BaselineError::Columns { expected, got });
        }
        for (column, (known, kind)) in self.columns.iter().zip(matrix.columns()).enumerate() {
            if known.is_some() != matches!(kind, FeatureKind::Categorical { .. }) {
                let expected = if known.is_some() {
                    "categorical"
                } else {
                    "numeric"
                };
                return Err(BaselineError::ColumnKind {
                    column,
                    expected,
                    got: kind.name(),
                });
            }
        }
        Ok(())
    }

    /// Rows as models read them: numbers as they are, categories as bin numbers, NaN for missing.
    pub(crate) fn block<'m>(&self, matrix: &'m Matrix, rows: Range<usize>) -> Cow<'m, [f32]> {
        let width = self.width();
        let raw = &matrix.values()[rows.start * width..rows.end * width];
        if self.columns.iter().all(Option::is_none) {
            return Cow::Borrowed(raw);
        }
        let mut encoded = raw.to_vec();
        encoded
            .chunks_exact_mut(width)
            .for_each(|row| self.encode(row));
        Cow::Owned(encoded)
    }

    /// The given rows, encoded.
    pub(crate) fn gather(&self, matrix: &Matrix, rows: &[usize]) -> Vec<f32> {
        let mut encoded = Vec::with_capacity(rows.len() * self.width());
        for &row in rows {
            let start = encoded.len();
            encoded.extend_from_slice(matrix.row(row));
            self.encode(&mut encoded[start..]);
        }
        encoded
    }

    fn encode(&self, row: &mut [f32]) {
        for (value, column) in row.iter_mut().zip(&self.columns) {
            if let Some(categories) = column {
                *value = categories.bin(*value).map_or(f32::NAN, f32::from);
            }
        }
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.count(self.columns.len());
        for column in &self.columns {
            to.u8(u8::from(column.is_some()));
            if let Some(categories) = column {
                categories.write(to);
            }
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Encoder, BaselineError> {
        let count = from.count(1)?;
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            columns.push(match from.u8()? {
                0 => None,
                1 => Some(Categories::read(from)?),
                _ => return Err(from.corrupt("unknown kind of column")),
            });
        }
        Ok(Encoder { columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_categories_keep_their_codes() {
        let categories = Categories::fit(3, std::iter::empty());
        let cases = [
            (0.0, Some(0)),
            (2.0, Some(2)),
            (3.0, None),
            (-1.0, None),
            (f32::NAN, None),
            (f32::INFINITY, None),
        ];
        for (value, bin) in cases {
            assert_eq!(categories.bin(value), bin, "{value}");
        }
    }

    #[test]
    fn of_many_categories_the_frequent_have_bins() {
        // Code 299 is the most frequent, then 0; 253 bins remain for the codes 1 to 252 and one more.
        let cells = [299.0, 299.0, 299.0, 0.0, 0.0]
            .into_iter()
            .chain((1..253).map(|c| c as f32));
        let categories = Categories::fit(300, cells);
        assert_eq!(categories.bin(299.0), Some(0));
        assert_eq!(categories.bin(0.0), Some(1));
        assert_eq!(categories.bin(252.0), Some(253));
        assert_eq!(categories.bin(253.0), None);
    }
}
