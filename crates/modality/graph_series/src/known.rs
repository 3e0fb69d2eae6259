use serde::{Deserialize, Serialize};

use crate::series::gaps;

/// What is known ahead of time beside the readings of series: prices, holidays, weather as it was forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownAhead {
    /// The columns.
    pub names: Vec<String>,
    /// Series that have values of their own; 1 where all share them.
    pub series: usize,
    /// `[moments, columns, series]`, row-major, moments after the last reading included; NaN where nothing is known.
    #[serde(with = "gaps")]
    pub values: Vec<f32>,
}

impl KnownAhead {
    fn width(&self) -> usize {
        self.names.len() * self.series
    }

    /// Moments, those to come included.
    pub fn moments(&self) -> usize {
        self.values.len() / self.width().max(1)
    }

    /// What a column says of a series at a moment; NaN where that is not known.
    pub fn at(&self, moment: i64, column: usize, node: usize) -> f32 {
        let node = if self.series == 1 { 0 } else { node };
        let moment = usize::try_from(moment).ok();
        let place = moment.map(|moment| moment * self.width() + column * self.series + node);
        let value = place.and_then(|place| self.values.get(place));
        value.copied().unwrap_or(f32::NAN)
    }

    /// Without the moments before `from`.
    pub fn tail(&self, from: usize) -> KnownAhead {
        let from = (from * self.width()).min(self.values.len());
        KnownAhead {
            values: self.values[from..].to_vec(),
            ..self.clone()
        }
    }

    /// Of the series at `places` alone.
    pub fn picked(&self, places: &[usize]) -> KnownAhead {
        if self.series == 1 {
            return self.clone();
        }
        let columns = self.values.chunks_exact(self.series);
        KnownAhead {
            names: self.names.clone(),
            series: places.len(),
            values: columns
                .flat_map(|column| places.iter().map(|&place| column[place]))
                .collect(),
        }
    }

    /// Why this cannot be used with so many series, if so: it may come from a damaged file.
    ///
    /// # Errors
    /// The fault, in words.
    pub fn check(&self, nodes: usize) -> Result<(), String> {
        let fits = self.series == 1 || self.series == nodes;
        match fits && self.width() > 0 && self.values.len().is_multiple_of(self.width()) {
            true => Ok(()),
            false => Err("what is known ahead of its series is damaged".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_moment_column_and_series() {
        let own = KnownAhead {
            names: vec!["price".into(), "heat".into()],
            series: 3,
            values: (0..24).map(|v| v as f32).collect(),
        };
        assert_eq!(own.moments(), 4);
        assert_eq!(own.at(2, 1, 2), 17.0);
        assert!(own.at(4, 0, 0).is_nan() && own.at(-1, 0, 0).is_nan());
        assert_eq!(own.tail(2).at(0, 1, 2), 17.0);
        assert_eq!(own.tail(9).moments(), 0);
        let picked = own.picked(&[2, 0]);
        assert_eq!((picked.at(2, 1, 0), picked.at(2, 1, 1)), (17.0, 15.0));
        assert!(own.check(3).is_ok() && own.check(2).is_err());
        let shared = KnownAhead {
            names: vec!["holiday".into()],
            series: 1,
            values: vec![0.0, 1.0],
        };
        assert_eq!(shared.at(1, 0, 7), 1.0);
        assert_eq!(shared.picked(&[4, 5]), shared);
        assert!(shared.check(9).is_ok());
    }
}
