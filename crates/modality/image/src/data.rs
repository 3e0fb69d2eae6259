use candor_data::{ImageSize, Images};
use candor_train::{MemberError, Units};

/// Pictures as the models of this modality take them.
#[derive(Debug)]
pub struct ImageUnits {
    images: Images,
}

impl ImageUnits {
    /// All pictures of a source.
    pub fn units(images: Images) -> Units {
        Units::new(images.len(), ImageUnits { images })
    }

    /// The pictures.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// The pictures of units, if they have the size that a model was made for.
    pub(crate) fn of(units: &Units, size: ImageSize) -> Result<&Images, MemberError> {
        let images = &units.get::<ImageUnits>()?.images;
        if images.size() == size {
            return Ok(images);
        }
        Err(MemberError::Malformed(format!(
            "the model takes pictures of {size} (channels x height x width), these have {}",
            images.size()
        )))
    }
}
