use crate::BaselineError;

/// What the values of one column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// Ordered numbers; infinities are kept and lie beyond every number.
    Numeric,
    /// Codes `0..cardinality` without order; every other value counts as missing.
    Categorical {
        /// The number of categories, at most 2^24.
        cardinality: u32,
    },
}

impl FeatureKind {
    /// The kind in one word.
    pub fn name(self) -> &'static str {
        match self {
            FeatureKind::Numeric => "numeric",
            FeatureKind::Categorical { .. } => "categorical",
        }
    }
}

/// Features of a set of units: `[rows, columns]`, row-major. A missing value is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: Vec<FeatureKind>,
    values: Vec<f32>,
}

impl Matrix {
    /// Categories that an `f32` counts exactly.
    pub const MAX_CARDINALITY: u32 = 1 << 24;

    /// Gathers the values of `rows` units.
    ///
    /// # Errors
    /// When `values` does not hold `rows` times `columns` numbers, or a column has more categories than
    /// [`Matrix::MAX_CARDINALITY`].
    pub fn new(
        rows: usize,
        columns: Vec<FeatureKind>,
        values: Vec<f32>,
    ) -> Result<Matrix, BaselineError> {
        if rows.checked_mul(columns.len()) != Some(values.len()) {
            return Err(BaselineError::Shape {
                rows,
                columns: columns.len(),
                got: values.len(),
            });
        }
        for (column, kind) in columns.iter().enumerate() {
            if let FeatureKind::Categorical { cardinality } = *kind
                && cardinality > Matrix::MAX_CARDINALITY
            {
                let most = Matrix::MAX_CARDINALITY;
                return Err(BaselineError::Cardinality {
                    column,
                    cardinality,
                    most,
                });
            }
        }
        Ok(Matrix {
            rows,
            columns,
            values,
        })
    }

    /// The number of units.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The kinds of the columns.
    pub fn columns(&self) -> &[FeatureKind] {
        &self.columns
    }

    /// All values `[rows, columns]`, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of one unit.
    ///
    /// # Panics
    /// When `row` is not below [`Matrix::rows`].
    pub fn row(&self, row: usize) -> &[f32] {
        let width = self.columns.len();
        &self.values[row * width..(row + 1) * width]
    }

    /// The given rows, which must be inside the matrix, in that order.
    pub(crate) fn select(&self, rows: &[usize]) -> Matrix {
        let mut values = Vec::with_capacity(rows.len() * self.columns.len());
        rows.iter()
            .for_each(|&row| values.extend_from_slice(self.row(row)));
        Matrix {
            rows: rows.len(),
            columns: self.columns.clone(),
            values,
        }
    }

    /// Refuses row numbers that are outside the matrix.
    pub(crate) fn check_rows(&self, rows: &[usize]) -> Result<(), BaselineError> {
        match rows.iter().find(|&&row| row >= self.rows) {
            Some(&row) => Err(BaselineError::Row {
                row,
                rows: self.rows,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_must_hold_what_its_shape_says() {
        let numeric = vec![FeatureKind::Numeric; 2];
        assert!(Matrix::new(2, numeric.clone(), vec![0.0; 4]).is_ok());
        let error = Matrix::new(2, numeric.clone(), vec![0.0; 3]).unwrap_err();
        assert_eq!(
            error,
            BaselineError::Shape {
                rows: 2,
                columns: 2,
                got: 3
            }
        );
        assert!(Matrix::new(usize::MAX, numeric, vec![]).is_err());
        let many = vec![FeatureKind::Categorical {
            cardinality: (1 << 24) + 1,
        }];
        assert!(matches!(
            Matrix::new(0, many, vec![]),
            Err(BaselineError::Cardinality { column: 0, .. })
        ));
    }
}
