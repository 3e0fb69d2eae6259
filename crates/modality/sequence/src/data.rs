use candor_train::{MemberError, Units};

use crate::SeriesSet;

/// Series as the models of this modality take them.
#[derive(Debug)]
pub struct SequenceUnits {
    series: SeriesSet,
}

impl SequenceUnits {
    /// All series of a source.
    pub fn units(series: SeriesSet) -> Units {
        Units::new(series.len(), SequenceUnits { series })
    }

    /// The series.
    pub fn series(&self) -> &SeriesSet {
        &self.series
    }

    /// The series of units, if they have the channels that a model was made for.
    pub(crate) fn of_units(units: &Units, channels: usize) -> Result<&SeriesSet, MemberError> {
        let found = &units.get::<SequenceUnits>()?.series;
        if found.channels() == channels {
            return Ok(found);
        }
        Err(MemberError::Malformed(format!(
            "the model takes series of {channels} channels, these have {}",
            found.channels()
        )))
    }
}
