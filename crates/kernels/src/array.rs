use std::ops::Range;

/// Numbers with a shape, row-major, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub shape: &'a [usize],
    pub values: &'a [f32],
}

impl View<'_> {
    /// Length of the last axis.
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// Numbers with a shape, row-major, owned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Array {
    /// Zeros.
    pub fn zeros(shape: &[usize]) -> Array {
        Array {
            shape: shape.to_vec(),
            values: vec![0.0; shape.iter().product()],
        }
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
