use thiserror::Error;

/// Arguments that an operation cannot work on. Nothing was computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KernelError {
    /// Two shapes that must fit do not.
    #[error("{operation}: {what} should be {expected}, but is {got}")]
    Shape {
        /// The operation.
        operation: &'static str,
        /// Which argument, and which part of it.
        what: &'static str,
        /// What was needed.
        expected: String,
        /// What came.
        got: String,
    },
    /// An index points outside.
    #[error("{operation}: index {index} at place {place} is outside 0..{bound}")]
    Index {
        /// The operation.
        operation: &'static str,
        /// Where the index stands.
        place: usize,
        /// The index.
        index: u64,
        /// What it must be below.
        bound: usize,
    },
    /// A number that must be finite is not.
    #[error("{operation}: {what} holds {value} at place {place}")]
    NotFinite {
        /// The operation.
        operation: &'static str,
        /// Which argument.
        what: &'static str,
        /// Where it stands.
        place: usize,
        /// The number, as text.
        value: String,
    },
}

impl KernelError {
    pub(crate) fn shape(
        operation: &'static str,
        what: &'static str,
        expected: impl std::fmt::Debug,
        got: impl std::fmt::Debug,
    ) -> KernelError {
        KernelError::Shape {
            operation,
            what,
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        }
    }
}

/// An error unless two lengths are equal.
pub(crate) fn equal(
    operation: &'static str,
    what: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), KernelError> {
    if expected == got {
        Ok(())
    } else {
        Err(KernelError::shape(operation, what, expected, got))
    }
}

/// An error unless a width can be cut into one equal part for each head.
pub(crate) fn cut_by_heads(
    operation: &'static str,
    what: &'static str,
    heads: usize,
    width: usize,
) -> Result<(), KernelError> {
    if heads > 0 && width.is_multiple_of(heads) {
        return Ok(());
    }
    let expected = format!("a multiple of {heads} heads");
    Err(KernelError::shape(operation, what, expected, width))
}

/// An error unless every number is finite.
pub(crate) fn finite(
    operation: &'static str,
    what: &'static str,
    values: &[f32],
) -> Result<(), KernelError> {
    // Without a way out the loop is one of vector instructions.
    if values.iter().fold(true, |all, v| all & v.is_finite()) {
        return Ok(());
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(place) => Err(KernelError::NotFinite {
            operation,
            what,
            place,
            value: values[place].to_string(),
        }),
    }
}
