use candor_core::{Distribution, Seed, Targets};
use serde::{Deserialize, Serialize};

use super::{finite, quantile};
use crate::ChallengeError;
use crate::error::open_unit;
use crate::labelled::{Classified, Probabilities, check_length};

const INSTRUMENT: &str = "conformal classifier";

/// How strange a class is for a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum ConformalMethod {
    /// `1 - p`: the smallest sets on average, but hard rows get sets that are too small, and a row
    /// whose every class is improbable gets the empty set, which is an abstention (Sadinle et al. 2019).
    Lac,
    /// The probability above the class, and a random part of its own: sets grow with the difficulty of
    /// the row (Romano et al. 2020, equations 5 to 8).
    Aps,
    /// APS with a penalty on long sets (Angelopoulos et al. 2021, equation 4).
    Raps {
        /// Added for each class beyond the free ones; 0 or more.
        penalty: f64,
        /// Classes without penalty.
        free_classes: usize,
    },
}

impl ConformalMethod {
    /// RAPS as used by default: a tenth for each class after the first.
    pub const RAPS: ConformalMethod = ConformalMethod::Raps {
        penalty: 0.1,
        free_classes: 1,
    };

    /// The penalty on the class of this rank (the most probable is 1).
    fn penalty(self, rank: usize) -> f64 {
        match self {
            ConformalMethod::Raps {
                penalty,
                free_classes,
            } => penalty * rank.saturating_sub(free_classes) as f64,
            ConformalMethod::Lac | ConformalMethod::Aps => 0.0,
        }
    }
}

/// Prediction sets that hold the true class with probability at least `1 - alpha`.
///
/// The promise is marginal (over rows and calibration sets, not for each class or group: see
/// [`crate::CoverageReport`]) and needs calibration rows that nothing else was fitted on.
///
/// The random part of APS and RAPS is a number in [0, 1) that a hash makes of the seed and of the row's
/// probabilities, each kept to 11 binary digits. So a row gets the same set alone, in any batch and
/// in any order, and rounding noise of the network seldom changes it. The score is then one fixed function of
/// (row, class), which is all that exchangeability asks for; calibration uses the same function.
///
/// LAC may return the empty set. APS and RAPS always keep the most probable class: with an accurate
/// model, exact coverage would need empty sets for rows picked at random. Coverage is then above the promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformalClassifier {
    /// The score.
    pub method: ConformalMethod,
    /// The promised probability of missing the truth, between 0 and 1.
    pub alpha: f64,
    /// Classes with a score at most this are in the set; `None` when there were too few calibration
    /// rows for the promise: every class is then in every set.
    pub threshold: Option<f64>,
    /// Classes of the model.
    pub classes: usize,
    /// Calibration rows.
    pub calibration_units: usize,
    /// Seed of the random part.
    pub seed: Seed,
}

impl ConformalClassifier {
    /// Calibrates on rows that nothing else was fitted on.
    ///
    /// # Errors
    /// When predictions are not probabilities or do not fit the truth, there are no rows, `alpha` is not
    /// between 0 and 1, or the penalty is negative.
    pub fn fit(
        method: ConformalMethod,
        alpha: f64,
        predicted: &Distribution,
        truth: &Targets,
        seed: Seed,
    ) -> Result<ConformalClassifier, ChallengeError> {
        open_unit(INSTRUMENT, "alpha", alpha)?;
        check_penalty(method)?;
        let classified = Classified::parse(INSTRUMENT, predicted, truth)?;
        let true_scores: Vec<f64> = classified
            .rows()
            .map(|(row, label)| class_scores(method, seed, row)[label])
            .collect();
        Ok(ConformalClassifier {
            method,
            alpha,
            threshold: finite(quantile(&true_scores, alpha)),
            classes: classified.probabilities.classes,
            calibration_units: classified.len(),
            seed,
        })
    }

    /// The set of each row, most probable class first. Depends on the row alone.
    ///
    /// # Errors
    /// When predictions are not probabilities of as many classes.
    pub fn predict(&self, predicted: &Distribution) -> Result<Vec<Vec<u32>>, ChallengeError> {
        let rows = Probabilities::parse(INSTRUMENT, predicted)?;
        check_length(INSTRUMENT, "classes", self.classes, rows.classes)?;
        Ok(rows.rows().map(|row| self.set(row)).collect())
    }

    /// The score of every class of each row, `[units, classes]`: greater is stranger.
    ///
    /// # Errors
    /// As [`ConformalClassifier::predict`].
    pub fn scores(&self, predicted: &Distribution) -> Result<Vec<f64>, ChallengeError> {
        let rows = Probabilities::parse(INSTRUMENT, predicted)?;
        check_length(INSTRUMENT, "classes", self.classes, rows.classes)?;
        let scores = |row| class_scores(self.method, self.seed, row);
        Ok(rows.rows().flat_map(scores).collect())
    }

    fn set(&self, row: &[f32]) -> Vec<u32> {
        let order = descending(row);
        let Some(threshold) = self.threshold else {
            return order.into_iter().map(|class| class as u32).collect();
        };
        let scores = class_scores(self.method, self.seed, row);
        let keeps_top = !matches!(self.method, ConformalMethod::Lac);
        order
            .into_iter()
            .enumerate()
            .filter(|&(rank, class)| scores[class] <= threshold || (keeps_top && rank == 0))
            .map(|(_, class)| class as u32)
            .collect()
    }
}

pub(super) fn check_penalty(method: ConformalMethod) -> Result<(), ChallengeError> {
    match method {
        ConformalMethod::Raps { penalty, .. } if !(penalty.is_finite() && penalty >= 0.0) => {
            Err(ChallengeError::Setting {
                instrument: INSTRUMENT,
                name: "the penalty",
                value: penalty,
                range: "0 or more",
            })
        }
        _ => Ok(()),
    }
}

/// Classes by falling probability; the first of equals first.
pub(super) fn descending(row: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
    order
}

/// The score of each class of one row, in class order.
pub(super) fn class_scores(method: ConformalMethod, seed: Seed, row: &[f32]) -> Vec<f64> {
    if method == ConformalMethod::Lac {
        return row.iter().map(|&p| 1.0 - f64::from(p)).collect();
    }
    let part = random_part(seed, row);
    let mut scores = vec![0.0; row.len()];
    let mut above = 0.0;
    for (i, class) in descending(row).into_iter().enumerate() {
        let p = f64::from(row[class]);
        scores[class] = above + part * p + method.penalty(i + 1);
        above += p;
    }
    scores
}

/// A number in [0, 1) from the seed and the row.
fn random_part(seed: Seed, row: &[f32]) -> f64 {
    // 23 binary digits follow the leading one: 12 are dropped.
    const KEPT: u32 = !0xfff;
    let digits: Vec<u64> = row
        .iter()
        .map(|p| u64::from((p + 0.0).to_bits() & KEPT))
        .collect();
    let hash = seed.derive("conformal", &digits).0;
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;

    const METHODS: [ConformalMethod; 3] = [
        ConformalMethod::Lac,
        ConformalMethod::Aps,
        ConformalMethod::RAPS,
    ];

    fn three(p: &[[f32; 3]]) -> Distribution {
        Distribution::Categorical {
            classes: 3,
            probabilities: p.concat(),
        }
    }

    /// Rows of random difficulty whose labels are drawn from the stated probabilities.
    fn honest(n: usize, seed: u64) -> (Distribution, Targets) {
        let mut rng = Seed(seed).stream("honest", &[]);
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let sharp = rng.random_range(0.5..8.0f32);
            let raw: [f32; 3] = std::array::from_fn(|_| (sharp * rng.random::<f32>()).exp());
            let sum: f32 = raw.iter().sum();
            let row = raw.map(|v| v / sum);
            let u: f32 = rng.random();
            labels.push(u32::from(u > row[0]) + u32::from(u > row[0] + row[1]));
            rows.push(row);
        }
        (three(&rows), Targets::Classes(labels))
    }

    #[test]
    fn a_lac_threshold_worked_by_hand() {
        // Scores of the true class: .1 .2 .3 .6; alpha .4: rank ceil(5 * .6) = 3, so .3.
        let rows = [
            [0.9, 0.05, 0.05],
            [0.1, 0.8, 0.1],
            [0.2, 0.1, 0.7],
            [0.4, 0.3, 0.3],
        ];
        let truth = Targets::Classes(vec![0, 1, 2, 0]);
        let fitted =
            ConformalClassifier::fit(ConformalMethod::Lac, 0.4, &three(&rows), &truth, Seed(0));
        let fitted = fitted.unwrap();
        assert!((fitted.threshold.unwrap() - 0.3).abs() < 1e-6);
        let sets = fitted.predict(&three(&[[0.75, 0.2, 0.05], [0.4, 0.3, 0.3]]));
        // The second row has no class of at least 0.7: the empty set is an honest answer.
        assert_eq!(sets.unwrap(), vec![vec![0], vec![]]);
    }

    #[test]
    fn scores_of_aps_and_raps_worked_by_hand() {
        let row = [0.2f32, 0.5, 0.3];
        let u = random_part(Seed(4), &row);
        let expected = [0.8 + 0.2 * u, 0.5 * u, 0.5 + 0.3 * u];
        let penalties = [0.2, 0.0, 0.1];
        let aps = class_scores(ConformalMethod::Aps, Seed(4), &row);
        let raps = class_scores(ConformalMethod::RAPS, Seed(4), &row);
        for class in 0..3 {
            assert!((aps[class] - expected[class]).abs() < 1e-6);
            assert!((raps[class] - expected[class] - penalties[class]).abs() < 1e-6);
        }
    }

    #[test]
    fn the_random_part_is_uniform_and_blind_to_rounding_noise() {
        let mut parts: Vec<f64> = (0..2000)
            .map(|i| {
                let p = i as f32 / 2000.0;
                random_part(Seed(1), &[p, 1.0 - p])
            })
            .collect();
        parts.sort_by(f64::total_cmp);
        let test = crate::KsTest::of(&parts, |u| u).unwrap();
        assert!(test.p_value > 0.001, "{test:?}");
        let noisy = 0.3f32.next_up();
        let part = |p| random_part(Seed(1), &[p, 0.7]);
        assert_eq!(part(0.3), part(noisy));
    }

    #[test]
    fn sets_cover_as_promised_on_honest_scores() {
        let (calibration, labels) = honest(1999, 1);
        let (test, truth) = honest(8000, 2);
        let Targets::Classes(truth) = truth else {
            panic!("classes")
        };
        for method in METHODS {
            let fitted = ConformalClassifier::fit(method, 0.1, &calibration, &labels, Seed(7));
            let sets = fitted.unwrap().predict(&test).unwrap();
            let held = sets.iter().zip(&truth).filter(|(set, y)| set.contains(y));
            let coverage = held.count() as f64 / 8000.0;
            // Four standard errors of calibration and test together: 4 sqrt(.09 (1/2000 + 1/8000)).
            assert!(coverage > 0.9 - 0.03, "{method:?}: {coverage}");
            assert!(coverage < 0.9 + 0.03, "{method:?}: {coverage}");
        }
    }

    #[test]
    fn too_few_rows_give_every_class() {
        let rows = three(&[[0.9, 0.05, 0.05]]);
        for method in METHODS {
            let truth = Targets::Classes(vec![0]);
            let fitted = ConformalClassifier::fit(method, 0.1, &rows, &truth, Seed(0)).unwrap();
            assert_eq!(fitted.threshold, None);
            assert_eq!(fitted.predict(&rows).unwrap(), vec![vec![0, 1, 2]]);
            let json = serde_json::to_string(&fitted).unwrap();
            let back: ConformalClassifier = serde_json::from_str(&json).unwrap();
            assert_eq!(back, fitted);
        }
    }

    #[test]
    fn wrong_settings_and_shapes_are_refused() {
        let rows = three(&[[0.9, 0.05, 0.05]]);
        let truth = Targets::Classes(vec![0]);
        let fit = |method, alpha| ConformalClassifier::fit(method, alpha, &rows, &truth, Seed(0));
        assert!(fit(ConformalMethod::Lac, 0.0).is_err());
        assert!(fit(ConformalMethod::Lac, f64::NAN).is_err());
        let negative = ConformalMethod::Raps {
            penalty: -1.0,
            free_classes: 1,
        };
        assert!(fit(negative, 0.1).is_err());
        let two = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.5, 0.5],
        };
        assert!(
            fit(ConformalMethod::Lac, 0.1)
                .unwrap()
                .predict(&two)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn a_row_gets_the_same_set_alone_and_in_a_batch(seed in 0u64..50, pick in 0usize..40) {
            let (calibration, labels) = honest(40, seed);
            for method in METHODS {
                let fitted =
                    ConformalClassifier::fit(method, 0.2, &calibration, &labels, Seed(seed)).unwrap();
                let batch = fitted.predict(&calibration).unwrap();
                let alone = fitted.predict(&calibration.select(&[pick])).unwrap();
                prop_assert_eq!(&batch[pick], &alone[0]);
            }
        }

        #[test]
        fn aps_sets_hold_the_most_probable_classes(seed in 0u64..50) {
            let (calibration, labels) = honest(40, seed);
            for method in [ConformalMethod::Aps, ConformalMethod::RAPS] {
                let fitted =
                    ConformalClassifier::fit(method, 0.3, &calibration, &labels, Seed(seed)).unwrap();
                let Distribution::Categorical { probabilities, .. } = &calibration else {
                    panic!("classes")
                };
                let sets = fitted.predict(&calibration).unwrap();
                for (set, row) in sets.iter().zip(probabilities.chunks(3)) {
                    let first: Vec<u32> =
                        descending(row).into_iter().take(set.len()).map(|c| c as u32).collect();
                    prop_assert!(!set.is_empty());
                    prop_assert_eq!(set, &first);
                }
            }
        }
    }
}
