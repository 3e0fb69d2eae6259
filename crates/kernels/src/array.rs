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

    /// Stands for a gradient that nobody asked for.
    pub fn nothing() -> Array {
        Array {
            shape: vec![1],
            values: vec![0.0],
        }
    }
}
