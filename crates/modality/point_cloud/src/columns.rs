use candor_baselines::{BaselineError, FeatureKind, Matrix};

use crate::CloudUnits;
use crate::intrinsic::DESCRIPTORS;

/// Descriptors of some shapes as rows of a matrix, for the models of tables.
///
/// # Errors
/// Never for shapes that exist.
pub(crate) fn matrix(clouds: &CloudUnits, indices: &[usize]) -> Result<Matrix, BaselineError> {
    let values = clouds.descriptors(indices);
    Matrix::new(
        indices.len(),
        vec![FeatureKind::Numeric; DESCRIPTORS],
        values,
    )
}
