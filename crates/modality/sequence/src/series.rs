/// Series side by side in one block of memory: each has the same channels, and a length of its own.
///
/// A missing reading is NaN; no other value is without size.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSet {
    channels: usize,
    /// Where each series begins, and the number of all values.
    starts: Vec<usize>,
    values: Vec<f32>,
}

impl SeriesSet {
    /// None yet, of so many channels.
    pub fn new(channels: usize) -> SeriesSet {
        SeriesSet {
            channels: channels.max(1),
            starts: vec![0],
            values: Vec::new(),
        }
    }

    /// Series of one channel.
    pub fn of_one_channel(series: &[Vec<f32>]) -> SeriesSet {
        let mut set = SeriesSet::new(1);
        for one in series {
            set.push(&[one.as_slice()]);
        }
        set
    }

    /// Adds a series. Shorter channels end with missing readings, channels beyond those of the set are left out; what is no finite number
    /// is missing.
    pub fn push<C: AsRef<[f32]>>(&mut self, channels: &[C]) {
        let given = || channels.iter().take(self.channels).map(AsRef::as_ref);
        let length = given().map(<[f32]>::len).max().unwrap_or(0);
        for place in 0..self.channels {
            let start = self.values.len();
            if let Some(channel) = channels.get(place) {
                let values = channel.as_ref().iter();
                self.values
                    .extend(values.map(|&v| if v.is_finite() { v } else { f32::NAN }));
            }
            self.values.resize(start + length, f32::NAN);
        }
        self.starts.push(self.values.len());
    }

    /// Adds those of another set; `false`, and nothing is added, when it has other channels.
    pub fn append(&mut self, other: &SeriesSet) -> bool {
        if other.channels != self.channels {
            return false;
        }
        let end = self.values.len();
        self.values.extend_from_slice(&other.values);
        let starts = other.starts.iter().skip(1);
        self.starts.extend(starts.map(|start| end + start));
        true
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of channels, at least 1.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The number of moments of a series; 0 for one that is not there.
    pub fn length(&self, unit: usize) -> usize {
        self.unit(unit).len() / self.channels
    }

    /// A series, channel after channel; nothing for one that is not there.
    pub fn unit(&self, unit: usize) -> &[f32] {
        match (self.starts.get(unit), self.starts.get(unit + 1)) {
            (Some(&start), Some(&end)) => &self.values[start..end],
            _ => &[],
        }
    }

    /// The channels of a series.
    pub fn channels_of(&self, unit: usize) -> impl Iterator<Item = &[f32]> {
        let length = self.length(unit);
        let values = self.unit(unit);
        (0..self.channels).map(move |channel| &values[channel * length..(channel + 1) * length])
    }

    /// Whether some reading of the units is missing.
    pub fn has_gaps(&self, units: &[usize]) -> bool {
        units
            .iter()
            .any(|&unit| self.unit(unit).iter().any(|value| value.is_nan()))
    }

    /// Numbers that are kept.
    pub fn numbers(&self) -> usize {
        self.values.len()
    }
}

/// Fills missing readings of one channel on straight lines between those beside them; before the first and behind the last with these. A
/// channel without readings becomes zeros. Returns how many were missing.
pub fn fill_gaps(channel: &mut [f32]) -> usize {
    let mut missing = 0;
    let mut last: Option<usize> = None;
    for place in 0..channel.len() {
        let value = channel[place];
        if value.is_nan() {
            missing += 1;
            continue;
        }
        match last {
            None => channel[..place].fill(value),
            Some(before) if place - before > 1 => {
                let from = channel[before];
                let span = (place - before) as f32;
                let gap = channel[before + 1..place].iter_mut().zip(1u32..);
                gap.for_each(|(reading, steps)| {
                    let along = steps as f32 / span;
                    *reading = from * (1.0 - along) + value * along;
                });
            }
            Some(_) => {}
        }
        last = Some(place);
    }
    match last {
        Some(last) => {
            let value = channel[last];
            channel[last..].fill(value);
        }
        None => channel.fill(0.0),
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_keep_their_lengths_and_channels() {
        let mut set = SeriesSet::new(2);
        set.push(&[vec![1.0, 2.0, 3.0], vec![4.0, f32::INFINITY]]);
        set.push(&[vec![5.0], vec![6.0]]);
        assert_eq!((set.len(), set.length(0), set.length(1)), (2, 3, 1));
        let second: Vec<Vec<f32>> = set.channels_of(0).map(<[f32]>::to_vec).collect();
        assert_eq!(second[0], [1.0, 2.0, 3.0]);
        assert!(second[1][1].is_nan() && second[1][2].is_nan());
        assert!(set.has_gaps(&[0]) && !set.has_gaps(&[1]));
        let again = set.clone();
        assert!(set.append(&again));
        assert_eq!((set.len(), set.unit(3)), (4, &[5.0, 6.0][..]));
        assert!(!set.append(&SeriesSet::new(1)));
        assert!(set.unit(9).is_empty());
    }

    #[test]
    fn gaps_are_filled_on_straight_lines() {
        let nan = f32::NAN;
        let mut channel = [nan, 1.0, nan, nan, 4.0, nan];
        assert_eq!(fill_gaps(&mut channel), 4);
        assert_eq!(channel, [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]);
        let mut nothing = [nan; 3];
        assert_eq!(fill_gaps(&mut nothing), 3);
        assert_eq!(nothing, [0.0; 3]);
        assert_eq!(fill_gaps(&mut []), 0);
    }
}
