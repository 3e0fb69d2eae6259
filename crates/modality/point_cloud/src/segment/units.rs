use std::sync::Arc;

use candor_train::{MemberError, Units};
use rayon::prelude::*;

use super::Scan;
use super::source::CATEGORY;
use super::surroundings::SURROUNDINGS;

/// Points that are predicted at a time: those of one scan should not be in two batches, or it is computed twice.
const AT_ONCE: usize = 1 << 17;

/// Points as the models of this modality take them: each is a unit, and is seen among those of its scan.
#[derive(Debug, Clone)]
pub struct PointUnits {
    scans: Arc<Vec<Scan>>,
    /// Where the points of each scan begin, and the number of all.
    starts: Arc<Vec<usize>>,
    /// Which points the units are; all, one scan after another, where it is not said.
    which: Option<Arc<Vec<usize>>>,
    /// The same points in other scans, where they are seen twice.
    again: Option<Arc<Vec<usize>>>,
    /// What is known of points beside their places.
    channels: Arc<Vec<String>>,
}

impl PointUnits {
    /// All points of some scans.
    pub fn new(scans: Vec<Scan>, channels: Vec<String>) -> PointUnits {
        let mut starts = vec![0];
        for scan in &scans {
            starts.push(starts[starts.len() - 1] + scan.len());
        }
        PointUnits {
            scans: Arc::new(scans),
            starts: Arc::new(starts),
            which: None,
            again: None,
            channels: Arc::new(channels),
        }
    }

    /// These points and behind them others, of which the same is known.
    pub fn with(&self, more: &PointUnits) -> PointUnits {
        let scans = self.scans.iter().chain(more.scans.iter()).cloned();
        PointUnits::new(scans.collect(), self.channels.to_vec())
    }

    /// The same scans, of whose points (by their numbers among all) these are the units.
    pub fn only(&self, which: Vec<usize>) -> PointUnits {
        PointUnits {
            which: Some(Arc::new(which)),
            again: None,
            ..self.clone()
        }
    }

    /// The same units, which are seen in other scans, too: `again` are their numbers among all points there.
    pub fn seen_again(self, again: Vec<usize>) -> PointUnits {
        PointUnits {
            again: Some(Arc::new(again)),
            ..self
        }
    }

    /// The units as they are seen the second time, if they are.
    pub fn again(&self) -> Option<PointUnits> {
        Some(PointUnits {
            which: self.again.clone().map(Some)?,
            again: None,
            ..self.clone()
        })
    }

    /// As the pipeline takes them.
    pub fn units(self) -> Units {
        Units::new(self.len(), self).taken_at_once(AT_ONCE)
    }

    /// The points of units.
    ///
    /// # Errors
    /// When the units belong to another modality.
    pub fn of(units: &Units) -> Result<&PointUnits, MemberError> {
        units.get::<PointUnits>()
    }

    /// The points of units, where they are all that there are.
    ///
    /// # Errors
    /// When the units belong to another modality, or are some of the points.
    pub fn to_learn_from(units: &Units) -> Result<&PointUnits, MemberError> {
        let points = PointUnits::of(units)?;
        match points.which {
            None => Ok(points),
            Some(_) => Err(MemberError::Training(
                "points can be learned from only as whole scans".into(),
            )),
        }
    }

    /// The number of units.
    pub fn len(&self) -> usize {
        match &self.which {
            Some(which) => which.len(),
            None => self.starts.last().copied().unwrap_or(0),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The scans.
    pub fn scans(&self) -> &[Scan] {
        &self.scans
    }

    /// Where the points of each scan begin, and the number of all.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// What is known of points beside their places.
    pub fn channels(&self) -> &Arc<Vec<String>> {
        &self.channels
    }

    /// A unit's scan, and its place in it.
    pub fn place(&self, unit: usize) -> Option<(usize, usize)> {
        let point = match &self.which {
            Some(which) => *which.get(unit)?,
            None => unit,
        };
        let scan = self.starts.partition_point(|&start| start <= point);
        (point < *self.starts.last()?).then(|| (scan - 1, point - self.starts[scan - 1]))
    }

    /// The category of a scan's shape, where that is known.
    pub fn category(&self, scan: usize) -> Option<&str> {
        let first = self.scans.get(scan)?.channels();
        let channels = self.channels.iter().zip(first);
        let mut categories = channels.filter(|(_, value)| **value == 1.0);
        categories.find_map(|(name, _)| name.strip_prefix(CATEGORY))
    }

    /// The units of each scan: its number, and for each its place among `indices` and its place in the scan. Scans in order.
    pub(crate) fn by_scan(&self, indices: &[usize]) -> Vec<(usize, Vec<(usize, usize)>)> {
        let mut found: Vec<(usize, usize, usize)> = indices
            .iter()
            .enumerate()
            .filter_map(|(row, &unit)| {
                let (scan, place) = self.place(unit)?;
                Some((scan, row, place))
            })
            .collect();
        found.sort_unstable();
        found
            .chunk_by(|a, b| a.0 == b.0)
            .map(|units| {
                let rows = units.iter().map(|&(_, row, place)| (row, place)).collect();
                (units[0].0, rows)
            })
            .collect()
    }

    /// Numbers of a row of [`PointUnits::described`].
    pub fn width(&self) -> usize {
        SURROUNDINGS + self.channels.len()
    }

    /// `[indices, width]`: surroundings and channels of units; zeros for those that are not there.
    pub fn described(&self, indices: &[usize]) -> Vec<f32> {
        let (width, channels) = (self.width(), self.channels.len());
        let by_scan = self.by_scan(indices);
        // Computed side by side where that was not done before.
        by_scan.par_iter().for_each(|(scan, _)| {
            self.scans[*scan].surroundings();
        });
        let mut rows = vec![0.0; indices.len() * width];
        for (scan, units) in by_scan {
            let scan = &self.scans[scan];
            for (row, place) in units {
                let row = &mut rows[row * width..(row + 1) * width];
                let own = &scan.surroundings()[place * SURROUNDINGS..(place + 1) * SURROUNDINGS];
                row[..SURROUNDINGS].copy_from_slice(own);
                let own = &scan.channels()[place * channels..(place + 1) * channels];
                row[SURROUNDINGS..].copy_from_slice(own);
            }
        }
        rows
    }

    /// Where the normal begins among the channels.
    pub(crate) fn normal(&self) -> Option<usize> {
        self.channels.iter().position(|name| name == "nx")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_know_their_scans() {
        let scan = |count: usize, value: f32| {
            let points = (0..3 * count).map(|i| i as f32 * value).collect();
            Scan::new(points, vec![value; count])
        };
        let points = PointUnits::new(
            vec![scan(2, 1.0), scan(0, 2.0), scan(3, 3.0)],
            vec!["intensity".into()],
        );
        assert_eq!(points.len(), 5);
        assert_eq!(points.place(1), Some((0, 1)));
        assert_eq!(points.place(2), Some((2, 0)));
        assert_eq!(points.place(5), None);
        let some = points.only(vec![4, 0, 3]);
        assert_eq!((some.len(), some.place(0)), (3, Some((2, 2))));
        assert_eq!(
            some.by_scan(&[0, 1, 2]),
            [(0, vec![(1, 0)]), (2, vec![(0, 2), (2, 1)])]
        );
        let rows = some.described(&[1, 0]);
        assert_eq!(rows.len(), 2 * some.width());
        assert_eq!(
            (rows[some.width() - 1], rows[2 * some.width() - 1]),
            (1.0, 3.0)
        );
        assert!(PointUnits::to_learn_from(&some.units()).is_err());
    }
}
