use candor_train::{MemberError, Units};

use crate::Cloud;
use crate::intrinsic::DESCRIPTORS;

/// Shapes as the models of this modality take them.
#[derive(Debug)]
pub struct CloudUnits {
    clouds: Vec<Cloud>,
}

impl CloudUnits {
    /// All shapes of a source. Those that could not be read are empty, and no one should ask a model about them.
    pub fn units(clouds: Vec<Cloud>) -> Units {
        Units::new(clouds.len(), CloudUnits { clouds })
    }

    /// The shapes of units.
    ///
    /// # Errors
    /// When the units belong to another modality.
    pub fn of(units: &Units) -> Result<&CloudUnits, MemberError> {
        units.get::<CloudUnits>()
    }

    /// The shapes.
    pub fn clouds(&self) -> &[Cloud] {
        &self.clouds
    }

    /// A unit's shape, if there is one.
    pub fn get(&self, unit: usize) -> Option<&Cloud> {
        self.clouds.get(unit)
    }

    /// `[indices, DESCRIPTORS]`, computed side by side where that was not done before; zeros for a shape that is not there.
    pub fn descriptors(&self, indices: &[usize]) -> Vec<f32> {
        use rayon::prelude::*;
        let of = |unit: &usize| -> Vec<f32> {
            let found = self.get(*unit).map(|cloud| cloud.intrinsic().shape.clone());
            found
                .filter(|shape| shape.len() == DESCRIPTORS)
                .unwrap_or_else(|| vec![0.0; DESCRIPTORS])
        };
        indices.par_iter().map(of).collect::<Vec<_>>().concat()
    }
}
