use candor_core::Seed;
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::kolmogorov_smirnov::two_sample;
use crate::labelled::{check_finite, check_length};

const INSTRUMENT: &str = "test for a shifted batch";

/// What some numbers that a model says of units (confidence, probabilities, strangeness) look like on usual units.
///
/// A batch is compared with them number by number (two-sample Kolmogorov-Smirnov), and the least p-value is multiplied by their number
/// (Bonferroni), so that a batch of usual units is called shifted with at most the stated probability, however many
/// numbers there are. It assumes that the units of a batch are independent of each other: a batch of one patient, or of
/// one hour, differs from the whole without anything being wrong with it.
///
/// # Reference
/// Rabanser, Günnemann & Lipton 2019, sections 3.2 and 3.3: univariate tests on what a classifier says, with Bonferroni's
/// correction, found shifts of inputs as well as anything else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShiftReference {
    columns: Vec<ReferenceColumn>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReferenceColumn {
    name: String,
    /// Sorted.
    values: Vec<f32>,
}

/// One number on a batch against usual units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnShift {
    /// The number.
    pub name: String,
    /// The greatest distance between the two distribution functions, 0 to 1.
    pub statistic: f64,
    /// Its p-value, times the number of columns, at most 1.
    pub p_value: f64,
}

/// A batch against usual units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchShift {
    /// Units of the batch.
    pub units: usize,
    /// The probability at which a batch of usual units is called shifted, at most.
    pub level: f64,
    /// Probability of so great a difference or more for usual units, corrected for the number of columns.
    pub p_value: f64,
    /// Whether it is at most the level.
    pub shifted: bool,
    /// Each number, the most different first.
    pub columns: Vec<ColumnShift>,
}

impl ShiftReference {
    /// Units that a batch must have to be judged: 20.
    pub const LEAST_UNITS: usize = 20;

    /// Usual units that are kept at most: 500.
    pub const MOST_UNITS: usize = 500;

    /// The level by default: one false alarm in a hundred batches.
    pub const LEVEL: f64 = 0.01;

    /// Keeps named columns, one number a unit each. Units must be ones that the model did not learn from, as the units of batches will
    /// be. Columns in which a number is not finite are left out, since they cannot be compared.
    ///
    /// # Errors
    /// When columns differ in length, or there are fewer than 20 units.
    pub fn new(
        columns: &[(String, Vec<f64>)],
        seed: Seed,
    ) -> Result<ShiftReference, ChallengeError> {
        let units = columns.first().map_or(0, |c| c.1.len());
        if units < ShiftReference::LEAST_UNITS {
            return Err(ChallengeError::TooFew {
                instrument: INSTRUMENT,
                what: "usual units",
                needed: ShiftReference::LEAST_UNITS,
                got: units,
            });
        }
        let most = ShiftReference::MOST_UNITS.min(units);
        let mut chosen = sample(&mut seed.stream("shift", &[]), units, most).into_vec();
        chosen.sort_unstable();
        let mut kept = Vec::with_capacity(columns.len());
        for (name, values) in columns {
            check_length(INSTRUMENT, "numbers in a column", units, values.len())?;
            if values.iter().any(|v| !(*v as f32).is_finite()) {
                continue;
            }
            let mut values: Vec<f32> = chosen.iter().map(|&i| values[i] as f32).collect();
            values.sort_by(f32::total_cmp);
            kept.push(ReferenceColumn {
                name: name.clone(),
                values,
            });
        }
        Ok(ShiftReference { columns: kept })
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|c| c.name.as_str()).collect()
    }

    /// Compares a batch; `None` when it has fewer than 20 units, or there is nothing to compare. Columns are found by name; those that
    /// the reference lacks are not looked at.
    ///
    /// # Errors
    /// When a column of the reference is missing or of another length, or a number is not finite.
    pub fn test(
        &self,
        columns: &[(String, Vec<f64>)],
        level: f64,
    ) -> Result<Option<BatchShift>, ChallengeError> {
        crate::error::open_unit(INSTRUMENT, "the level", level)?;
        let units = columns.first().map_or(0, |c| c.1.len());
        if units < ShiftReference::LEAST_UNITS || self.columns.is_empty() {
            return Ok(None);
        }
        let count = self.columns.len() as f64;
        let mut judged = Vec::with_capacity(self.columns.len());
        for reference in &self.columns {
            let found = columns.iter().find(|(name, _)| *name == reference.name);
            let values = found.map_or(&[][..], |(_, values)| values);
            check_length(INSTRUMENT, "numbers in a column", units, values.len())?;
            check_finite(INSTRUMENT, "number", 1, values)?;
            let mut values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            values.sort_by(f32::total_cmp);
            let test = two_sample(&reference.values, &values);
            judged.push(ColumnShift {
                name: reference.name.clone(),
                statistic: test.statistic,
                p_value: (test.p_value * count).min(1.0),
            });
        }
        judged.sort_by(|a, b| {
            a.p_value
                .total_cmp(&b.p_value)
                .then(b.statistic.total_cmp(&a.statistic))
        });
        let p_value = judged.first().map_or(1.0, |c| c.p_value);
        Ok(Some(BatchShift {
            units,
            level,
            p_value,
            shifted: p_value <= level,
            columns: judged,
        }))
    }
}

/// Levels for a stream of batches: over its whole life a false alarm comes with at most the probability of one batch alone.
///
/// The k-th batch is tested at `level / (k (k + 1))`, which sums to `level`; it holds whatever the dependence between batches is (they
/// share one reference). Late batches need clear evidence, so a watch is begun anew after an alarm was looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShiftWatch {
    /// Batches that were tested.
    pub tested: u64,
}

impl ShiftWatch {
    /// The level of the next batch.
    pub fn next_level(&mut self, level: f64) -> f64 {
        self.tested += 1;
        let k = self.tested as f64;
        level / (k * (k + 1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn batch(n: usize, columns: usize, number: u64, moved: f64) -> Vec<(String, Vec<f64>)> {
        let mut rng = Seed(2).stream("batch", &[number]);
        (0..columns)
            .map(|c| {
                let more = if c == 0 { moved } else { 0.0 };
                let values = (0..n).map(|_| rng.random::<f64>() + more).collect();
                (format!("column {c}"), values)
            })
            .collect()
    }

    #[test]
    fn false_alarms_stay_below_the_level_whatever_the_number_of_columns() {
        for columns in [1, 12] {
            let alarms = (0..400)
                .filter(|&i| {
                    let reference =
                        ShiftReference::new(&batch(300, columns, 2 * i, 0.0), Seed(0)).unwrap();
                    let test = reference.test(&batch(40, columns, 2 * i + 1, 0.0), 0.05);
                    test.unwrap().unwrap().shifted
                })
                .count();
            // 5 % of 400, and three standard deviations of that count.
            assert!(alarms <= 20 + 13, "{alarms} alarms with {columns} columns");
        }
    }

    #[test]
    fn a_moved_column_is_found_and_named() {
        let reference = ShiftReference::new(&batch(500, 8, 0, 0.0), Seed(0)).unwrap();
        let found = reference
            .test(&batch(100, 8, 1, 0.3), 0.01)
            .unwrap()
            .unwrap();
        assert!(
            found.shifted && found.columns[0].name == "column 0",
            "{found:?}"
        );
        assert!(found.columns[1].p_value > 0.01);
        let json = serde_json::to_string(&reference).unwrap();
        assert_eq!(
            serde_json::from_str::<ShiftReference>(&json).unwrap(),
            reference
        );
    }

    #[test]
    fn small_and_broken_batches() {
        let usual = batch(100, 2, 0, 0.0);
        let reference = ShiftReference::new(&usual, Seed(0)).unwrap();
        assert_eq!(reference.test(&batch(19, 2, 1, 9.0), 0.01).unwrap(), None);
        assert!(reference.test(&batch(30, 1, 1, 0.0), 0.01).is_err());
        let mut broken = batch(30, 2, 1, 0.0);
        broken[1].1[3] = f64::NAN;
        assert!(reference.test(&broken, 0.01).is_err());
        assert!(ShiftReference::new(&batch(5, 2, 0, 0.0), Seed(0)).is_err());
        assert!(ShiftReference::new(&[], Seed(0)).is_err());
        // What is not finite in the reference is not compared.
        let mut holed = usual.clone();
        holed[0].1[0] = f64::INFINITY;
        assert_eq!(
            ShiftReference::new(&holed, Seed(0)).unwrap().names(),
            ["column 1"]
        );
        // Constant numbers agree with themselves.
        let constant = vec![("c".to_owned(), vec![1.0; 50])];
        let test = ShiftReference::new(&constant, Seed(0))
            .unwrap()
            .test(&constant, 0.01);
        assert_eq!(test.unwrap().unwrap().p_value, 1.0);
    }

    #[test]
    fn a_stream_spends_its_level_once() {
        let mut watch = ShiftWatch::default();
        let spent: f64 = (0..10_000).map(|_| watch.next_level(0.01)).sum();
        assert!(spent < 0.01 && spent > 0.0099, "{spent}");
        // 200 streams of 20 batches: alarms in at most 5 %.
        let reference = ShiftReference::new(&batch(1000, 3, 77, 0.0), Seed(0)).unwrap();
        let alarmed = (0..200)
            .filter(|stream| {
                let mut watch = ShiftWatch::default();
                (0..20).any(|i| {
                    let level = watch.next_level(0.05);
                    let test = reference.test(&batch(50, 3, 1000 + stream * 20 + i, 0.0), level);
                    test.unwrap().unwrap().shifted
                })
            })
            .count();
        assert!(alarmed <= 10 + 9, "{alarmed}");
    }
}
