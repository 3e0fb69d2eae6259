use std::ops::Range;

use rayon::prelude::*;

use crate::matrix_product::Matrix;

/// Numbers with a shape, row-major, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub shape: &'a [usize],
    pub values: &'a [f32],
}

impl<'a> View<'a> {
    /// Length of the last axis.
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// All axes but the last as one.
    pub fn matrix(&self) -> Matrix<'a> {
        let rows = self.shape[..self.shape.len().saturating_sub(1)]
            .iter()
            .product();
        Matrix::new(self.values, rows, self.width())
    }

    /// Some rows of [`View::matrix`].
    pub fn rows(&self, rows: Range<usize>) -> &'a [f32] {
        &self.values[rows.start * self.width()..rows.end * self.width()]
    }
}

/// Numbers with a shape, row-major, owned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Numbers of which none means anything yet: large arrays that are written as a whole need not be cleared first.
///
/// # Safety
/// Every number must be written before any is read.
#[expect(
    unsafe_code,
    clippy::uninit_vec,
    reason = "any bits are a number, the capacity was asked for, and the caller promises to write before it reads"
)]
pub(crate) unsafe fn unwritten(length: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    unsafe { values.set_len(length) };
    values
}

impl Array {
    /// See [`unwritten`].
    ///
    /// # Safety
    /// Every number must be written before any is read.
    #[expect(unsafe_code, reason = "hands the promise on")]
    pub unsafe fn unwritten(shape: &[usize]) -> Array {
        Array {
            shape: shape.to_vec(),
            values: unsafe { unwritten(shape.iter().product()) },
        }
    }

    /// Zeros.
    pub fn zeros(shape: &[usize]) -> Array {
        Array {
            shape: shape.to_vec(),
            values: vec![0.0; shape.iter().product()],
        }
    }

    /// Zeros of the shape of each input.
    pub fn zeros_like(inputs: &[View]) -> Vec<Array> {
        let shapes = inputs.iter().map(|input| input.shape);
        shapes.map(Array::zeros).collect()
    }

    /// A gradient, or a stand-in where nobody asked for it.
    pub fn when(wanted: bool, gradient: impl FnOnce() -> Array) -> Array {
        if wanted {
            gradient()
        } else {
            Array::zeros(&[1])
        }
    }
}

/// Cuts `values` into one piece after the other, of the `length` of each range, for threads to fill.
pub(crate) fn pieces_of<T>(
    ranges: impl IntoIterator<Item = Range<usize>>,
    values: &mut [T],
    length: impl Fn(&Range<usize>) -> usize,
) -> Vec<(Range<usize>, &mut [T])> {
    let mut rest = values;
    let cut = |range: Range<usize>| {
        let (piece, after) = std::mem::take(&mut rest).split_at_mut(length(&range));
        rest = after;
        (range, piece)
    };
    ranges.into_iter().map(cut).collect()
}

/// Runs `work` on every part, on as many threads as there are; on the calling one alone where more would not help.
pub(crate) fn spread<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync + Send) {
    spread_with(parts, || (), |(), part| work(part));
}

/// [`spread`], where `scratch` makes what one thread reuses from part to part.
pub(crate) fn spread_with<T: Send, S>(
    parts: Vec<T>,
    scratch: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, T) + Sync + Send,
) {
    if parts.len() < 2 || rayon::current_num_threads() < 2 {
        let mut own = scratch();
        parts.into_iter().for_each(|part| work(&mut own, part));
    } else {
        parts.into_par_iter().for_each_init(scratch, work);
    }
}
