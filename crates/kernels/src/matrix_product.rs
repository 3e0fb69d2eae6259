//! Dense products on plain numbers.

use gemm::Parallelism;

/// A matrix inside a slice, by strides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major, without gaps.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Matrix<'a> {
        Matrix::strided(values, rows, columns, columns, 1)
    }

    pub fn strided(
        values: &'a [f32],
        rows: usize,
        columns: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Matrix<'a> {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * row_stride + (columns - 1) * column_stride;
            assert!(last < values.len(), "{last} is outside {}", values.len());
        }
        Matrix {
            values,
            rows,
            columns,
            row_stride,
            column_stride,
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    pub fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.row_stride + column * self.column_stride]
    }

    /// Whether the numbers of a row lie side by side.
    pub fn has_rows(&self) -> bool {
        self.column_stride == 1
    }

    /// A row whose numbers lie side by side.
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(self.has_rows(), "the numbers of a row lie apart");
        &self.values[row * self.row_stride..][..self.columns]
    }

    pub fn transposed(self) -> Matrix<'a> {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a b`, or `out += a b`; `out` is row-major, `[a.rows, b.columns]`. On the calling thread.
pub(crate) fn multiply(out: &mut [f32], a: Matrix, b: Matrix, add: bool) {
    assert_eq!(out.len(), a.rows * b.columns, "length of the result");
    product(out, b.columns, a, b, add);
}

fn product(out: &mut [f32], stride: usize, a: Matrix, b: Matrix, add: bool) {
    assert_eq!(a.columns, b.rows, "inner lengths");
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    let needed = (a.rows - 1) * stride + b.columns;
    assert!(
        needed <= out.len(),
        "the result has {} places of {needed}",
        out.len()
    );
    if a.columns == 0 {
        if !add {
            out.fill(0.0);
        }
        return;
    }
    #[expect(
        unsafe_code,
        reason = "the product is called through pointers; `Matrix` checked that every place it reaches by its strides is inside \
                  its slice, and the last place that is written was compared with the length of `out` above"
    )]
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_by_hand_plain_and_mirrored() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 1.0];
        let (a, b) = (Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2));
        let mut out = [10.0; 4];
        multiply(&mut out, a, b, true);
        assert_eq!(out, [15.0, 15.0, 24.0, 21.0]);
        let mut out = [0.0; 9];
        multiply(&mut out, a.transposed(), b.transposed(), false);
        assert_eq!(out, [1.0, 6.0, 4.0, 2.0, 9.0, 5.0, 3.0, 12.0, 6.0]);
    }

    #[test]
    fn nothing_times_nothing() {
        multiply(
            &mut [],
            Matrix::new(&[], 0, 3),
            Matrix::new(&[0.0; 6], 3, 2),
            false,
        );
        let mut out = [5.0; 2];
        multiply(
            &mut out,
            Matrix::new(&[], 1, 0),
            Matrix::new(&[], 0, 2),
            false,
        );
        assert_eq!(out, [0.0; 2]);
    }
}
