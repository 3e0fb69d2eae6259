use candor_core::Seed;
use rand::seq::index::sample;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ChallengeError;
use crate::empirical::quantile_linear;
use crate::labelled::{check_finite, check_length};

const BANK: &str = "neighbour bank";
const DETECTOR: &str = "strange-input detector";

/// Queries whose distances are computed together: each prototype is then loaded once for all of them.
const BLOCK: usize = 16;

/// How rows are placed before distances are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// On the unit sphere, for embeddings: only the direction counts (Sun et al. 2022, section 3). A
    /// zero row stays zero, at distance 1 from every other.
    Direction,
    /// Centred and scaled column by column, then compressed by the inverse hyperbolic sine, for inputs:
    /// magnitudes that an embedding forgets count, and one heavy-tailed column does not drown the others.
    Standardised {
        /// Means of the columns.
        centre: Vec<f32>,
        /// Standard deviations. A constant column gets the mean of the others' (1 without others).
        scale: Vec<f32>,
    },
}

impl Space {
    fn standardise(rows: &[f32], width: usize) -> Space {
        let n = (rows.len() / width) as f64;
        let moment = |column: usize, f: &dyn Fn(f64) -> f64| {
            let cells = rows.iter().skip(column).step_by(width);
            cells.map(|&v| f(f64::from(v))).sum::<f64>() / n
        };
        let centre: Vec<f64> = (0..width).map(|c| moment(c, &|v| v)).collect();
        let sd = |c: usize| moment(c, &|v| (v - centre[c]).powi(2)).sqrt();
        let spread: Vec<f64> = (0..width).map(sd).collect();
        let varying: Vec<f64> = spread.iter().copied().filter(|s| *s > 0.0).collect();
        let usual = match varying.len() {
            0 => 1.0,
            count => varying.iter().sum::<f64>() / count as f64,
        };
        let scale = spread.iter().map(|&s| if s > 0.0 { s } else { usual });
        Space::Standardised {
            centre: centre.iter().map(|&c| c as f32).collect(),
            // Stays a divisor in 32 bits.
            scale: scale.map(|s| (s as f32).max(f32::MIN_POSITIVE)).collect(),
        }
    }

    /// Places rows, in place.
    fn place(&self, rows: &mut [f32], width: usize) {
        for row in rows.chunks_exact_mut(width) {
            match self {
                Space::Direction => {
                    let squares: f64 = row.iter().map(|&v| f64::from(v).powi(2)).sum();
                    if squares > 0.0 {
                        let norm = squares.sqrt();
                        row.iter_mut()
                            .for_each(|v| *v = (f64::from(*v) / norm) as f32);
                    }
                }
                Space::Standardised { centre, scale } => {
                    for ((v, &c), &s) in row.iter_mut().zip(centre).zip(scale) {
                        let z = (f64::from(*v) - f64::from(c)) / f64::from(s);
                        *v = z.asinh() as f32;
                    }
                }
            }
        }
    }
}

/// Prototypes of the training rows; the score of a row is its distance to the k-th nearest of them.
///
/// When there are more rows than `max_prototypes`, a uniform random sample is kept. The distance to a
/// k-th neighbour estimates a density, which a uniform sample keeps up to a factor; greedy
/// coverings (k-centre, k-means++) prefer outliers as prototypes, so that strange inputs find
/// neighbours, and cost rows x prototypes x width.
///
/// The bank holds training rows or their embeddings: treat it as confidential as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnnBank {
    width: usize,
    k: usize,
    space: Space,
    prototypes: Vec<f32>,
    /// Distance within which 95 % of the prototypes have their k-th nearest other one.
    typical: f64,
}

impl KnnBank {
    /// Prototypes by default: 2,000.
    pub const MAX_PROTOTYPES: usize = 2000;

    /// Neighbours by default: the nearest one. On digits 0 to 6 against 7 to 9, the area under the ROC curve
    /// falls steadily from 1 to 50 neighbours.
    pub const NEIGHBOURS: usize = 1;

    /// A bank of embeddings `[rows, width]`, by direction.
    ///
    /// `k` is limited to the number of prototypes.
    ///
    /// # Errors
    /// When there is no row or no column, rows are not whole, a number is not finite, or `k` or
    /// `max_prototypes` is zero.
    pub fn fit(
        embeddings: &[f32],
        width: usize,
        k: usize,
        max_prototypes: usize,
        seed: Seed,
    ) -> Result<KnnBank, ChallengeError> {
        check_rows(embeddings, width)?;
        KnnBank::in_space(Space::Direction, embeddings, width, k, max_prototypes, seed)
    }

    /// A bank of input rows `[rows, width]`, standardised: the companion of a bank of embeddings.
    ///
    /// # Errors
    /// As [`KnnBank::fit`].
    pub fn fit_standardised(
        inputs: &[f32],
        width: usize,
        k: usize,
        max_prototypes: usize,
        seed: Seed,
    ) -> Result<KnnBank, ChallengeError> {
        check_rows(inputs, width)?;
        let space = Space::standardise(inputs, width);
        KnnBank::in_space(space, inputs, width, k, max_prototypes, seed)
    }

    fn in_space(
        space: Space,
        rows: &[f32],
        width: usize,
        k: usize,
        max_prototypes: usize,
        seed: Seed,
    ) -> Result<KnnBank, ChallengeError> {
        for (name, value) in [("k", k), ("the number of prototypes", max_prototypes)] {
            if value == 0 {
                return Err(ChallengeError::Setting {
                    instrument: BANK,
                    name,
                    value: 0.0,
                    range: "1 or more",
                });
            }
        }
        let n = rows.len() / width;
        let mut prototypes = Vec::with_capacity(n.min(max_prototypes) * width);
        for row in chosen_rows(n, max_prototypes, seed) {
            prototypes.extend_from_slice(&rows[row * width..(row + 1) * width]);
        }
        space.place(&mut prototypes, width);
        let mut bank = KnnBank {
            width,
            k: k.min(n.min(max_prototypes)),
            space,
            prototypes,
            typical: 1.0,
        };
        bank.typical = bank.typical_distance();
        Ok(bank)
    }

    /// Columns of the rows that it takes.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of prototypes, 1 or more.
    pub fn prototypes(&self) -> usize {
        self.prototypes.len() / self.width
    }

    /// How rows are placed.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The distance of each row `[rows, width]` to its k-th nearest prototype: greater is stranger.
    /// Infinite for a row with a number that is not finite.
    ///
    /// # Errors
    /// When rows are not whole.
    pub fn score(&self, rows: &[f32]) -> Result<Vec<f64>, ChallengeError> {
        let whole = rows.len() / self.width * self.width;
        check_length(BANK, "numbers in whole rows", whole, rows.len())?;
        let mut placed = rows.to_vec();
        self.space.place(&mut placed, self.width);
        Ok(self.distances(&placed, self.k))
    }

    /// The 95 % quantile of the prototypes' distances to their k-th nearest other prototype.
    fn typical_distance(&self) -> f64 {
        if self.prototypes() < 2 {
            return 1.0;
        }
        // Each finds itself first, at distance zero.
        let k = (self.k + 1).min(self.prototypes());
        let mut distances = self.distances(&self.prototypes, k);
        distances.sort_by(f64::total_cmp);
        let typical = quantile_linear(&distances, 0.95);
        let greatest = distances.last().copied().unwrap_or(0.0);
        // Where most rows have an equal twin, the greatest distance; where all have, one.
        match (typical > 0.0, greatest > 0.0) {
            (true, _) => typical,
            (false, true) => greatest,
            (false, false) => 1.0,
        }
    }

    /// Distances of placed rows to their k-th nearest prototype.
    fn distances(&self, placed: &[f32], k: usize) -> Vec<f64> {
        let blocks = placed.par_chunks(BLOCK * self.width);
        let parts: Vec<Vec<f64>> = blocks.map(|block| self.block_distances(block, k)).collect();
        parts.concat()
    }

    fn block_distances(&self, block: &[f32], k: usize) -> Vec<f64> {
        let count = self.prototypes();
        let queries: Vec<&[f32]> = block.chunks_exact(self.width).collect();
        let mut squared = vec![0.0f32; queries.len() * count];
        for (j, prototype) in self.prototypes.chunks_exact(self.width).enumerate() {
            for (i, query) in queries.iter().enumerate() {
                squared[i * count + j] = squared_distance(query, prototype);
            }
        }
        squared
            .chunks_exact_mut(count)
            .map(|row| {
                let kth = *row.select_nth_unstable_by(k - 1, f32::total_cmp).1;
                if kth.is_nan() {
                    f64::INFINITY
                } else {
                    f64::from(kth).sqrt()
                }
            })
            .collect()
    }
}

/// In eight lanes, which the compiler turns into vector instructions; the order of additions is fixed.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut lanes = [0.0f32; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_blocks.remainder().iter().zip(b_blocks.remainder());
    let rest: f32 = rest.map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        for i in 0..LANES {
            let difference = a[i] - b[i];
            lanes[i] += difference * difference;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// All rows in order, or a uniform sample of them in order.
fn chosen_rows(n: usize, most: usize, seed: Seed) -> Vec<usize> {
    if n <= most {
        return (0..n).collect();
    }
    let mut chosen = sample(&mut seed.stream("prototypes", &[]), n, most).into_vec();
    chosen.sort_unstable();
    chosen
}

fn check_rows(rows: &[f32], width: usize) -> Result<(), ChallengeError> {
    for (what, got) in [("columns", width), ("numbers", rows.len())] {
        if got == 0 {
            return Err(ChallengeError::TooFew {
                instrument: BANK,
                what,
                needed: 1,
                got,
            });
        }
    }
    check_length(
        BANK,
        "numbers in whole rows",
        rows.len() / width * width,
        rows.len(),
    )?;
    check_finite(BANK, "embedding", width, rows)
}

/// Turns a score into the probability that a usual unit is at least as strange.
///
/// For exchangeable units the p-value is valid: at most a share `p` of the usual units gets `p` or less
/// (Bates et al. 2023, section 2.1). The smallest possible is `1 / (n + 1)`: with 50 held-out units
/// nothing can be refused at 1 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformalPValue {
    /// Scores of held-out usual units, sorted.
    scores: Vec<f64>,
}

impl ConformalPValue {
    /// Takes the scores of usual units on which the score was not fitted.
    ///
    /// # Errors
    /// When there are none, or one is not finite.
    pub fn calibrate(scores: &[f64]) -> Result<ConformalPValue, ChallengeError> {
        check_finite(DETECTOR, "score", 1, scores)?;
        if scores.is_empty() {
            return Err(ChallengeError::TooFew {
                instrument: DETECTOR,
                what: "held-out units",
                needed: 1,
                got: 0,
            });
        }
        let mut scores = scores.to_vec();
        scores.sort_by(f64::total_cmp);
        Ok(ConformalPValue { scores })
    }

    /// `(1 + #{held-out >= score}) / (n + 1)`. NaN counts as infinitely strange.
    pub fn p_value(&self, score: f64) -> f64 {
        ConformalPValue::pooled([(self, score)])
    }

    /// The p-value of a unit that several detectors look at, each calibrated on the held-out units of its own fold: all
    /// held-out units are counted together, each against the score of its own detector (cross-conformal p-value, Vovk
    /// 2015, equation 8). Close to valid in practice; in theory up to a factor of two.
    pub fn pooled<'a>(parts: impl IntoIterator<Item = (&'a ConformalPValue, f64)>) -> f64 {
        let (mut at_least, mut units) = (0, 0);
        for (part, score) in parts {
            at_least += part.at_least(score);
            units += part.scores.len();
        }
        (1 + at_least) as f64 / (1 + units) as f64
    }

    /// Held-out units that are at least as strange.
    fn at_least(&self, score: f64) -> usize {
        let below = if score.is_nan() {
            self.scores.len()
        } else {
            self.scores.partition_point(|s| *s < score)
        };
        self.scores.len() - below
    }

    /// Held-out units.
    pub fn units(&self) -> usize {
        self.scores.len()
    }

    /// The smallest possible p-value, `1 / (n + 1)`.
    pub fn smallest(&self) -> f64 {
        1.0 / (1 + self.scores.len()) as f64
    }
}

/// Several banks with one score and one p-value.
///
/// Distances are in units of a bank's typical distance (the 95 % quantile between training rows). Those in the embeddings of several networks are
/// averaged: what one network finds usual by chance, another does not. The score of a unit is the greatest of that mean and of the distances
/// in inputs: a unit is as strange as it is in the space where
/// it is strangest. The typical distances come from training rows alone, so the combined score is a fixed
/// function when it is calibrated, and its p-value is as valid as that of a single bank, without
/// any correction for the number of banks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodDetector {
    banks: Vec<KnnBank>,
    calibration: ConformalPValue,
}

impl OodDetector {
    /// Calibrates on held-out usual units: for each bank their rows in its space, unit by unit.
    ///
    /// # Errors
    /// When there are no banks or no units, rows do not fit the banks, or a number is not finite.
    pub fn calibrate(
        banks: Vec<KnnBank>,
        held_out: &[&[f32]],
    ) -> Result<OodDetector, ChallengeError> {
        let scores = combined(&banks, held_out)?;
        Ok(OodDetector {
            calibration: ConformalPValue::calibrate(&scores)?,
            banks,
        })
    }

    /// The banks, in the order in which rows are given.
    pub fn banks(&self) -> &[KnnBank] {
        &self.banks
    }

    /// What the held-out units showed.
    pub fn calibration(&self) -> &ConformalPValue {
        &self.calibration
    }

    /// The combined score of each unit: greater is stranger, about 1 at the edge of the usual.
    ///
    /// # Errors
    /// When rows do not fit the banks.
    pub fn score(&self, rows: &[&[f32]]) -> Result<Vec<f64>, ChallengeError> {
        combined(&self.banks, rows)
    }

    /// The p-value of a combined score.
    pub fn p_value(&self, score: f64) -> f64 {
        self.calibration.p_value(score)
    }
}

fn combined(banks: &[KnnBank], rows: &[&[f32]]) -> Result<Vec<f64>, ChallengeError> {
    check_length(
        DETECTOR,
        "sets of rows, one a bank",
        banks.len(),
        rows.len(),
    )?;
    let (Some(first), Some(first_rows)) = (banks.first(), rows.first()) else {
        return Err(ChallengeError::TooFew {
            instrument: DETECTOR,
            what: "banks",
            needed: 1,
            got: 0,
        });
    };
    let units = first_rows.len() / first.width;
    let (mut mean, mut greatest) = (vec![0.0f64; units], vec![0.0f64; units]);
    let embeddings = banks.iter().filter(|bank| bank.space == Space::Direction);
    let share = 1.0 / embeddings.count().max(1) as f64;
    for (bank, rows) in banks.iter().zip(rows) {
        let scores = bank.score(rows)?;
        check_length(DETECTOR, "units in each set of rows", units, scores.len())?;
        for ((mean, greatest), score) in mean.iter_mut().zip(&mut greatest).zip(scores) {
            let score = score / bank.typical;
            match bank.space {
                Space::Direction => *mean += share * score,
                Space::Standardised { .. } => *greatest = greatest.max(score),
            }
        }
    }
    Ok(mean
        .into_iter()
        .zip(greatest)
        .map(|(mean, greatest)| mean.max(greatest))
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;
    use crate::{Detection, KsTest};

    /// Rows around the directions of the first three axes, with random lengths.
    fn directions(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = Seed(seed).stream("rows", &[]);
        let mut rows = Vec::new();
        for i in 0..n {
            let length: f32 = rng.random_range(0.5..2.0);
            for j in 0..4 {
                let noise: f32 = rng.random_range(-0.2..0.2);
                rows.push(length * (f32::from(u8::from(i % 3 == j)) + noise));
            }
        }
        rows
    }

    #[test]
    fn distances_worked_by_hand() {
        // Directions (1, 0) and (0, 1); a query of (3, 4) / 5 is at sqrt(.16 + .64) and sqrt(.36 + .04).
        let bank = |k| KnnBank::fit(&[2.0, 0.0, 0.0, 7.0], 2, k, 10, Seed(0)).unwrap();
        let nearest = bank(1).score(&[3.0, 4.0]).unwrap()[0];
        assert!((nearest - 0.4f64.sqrt()).abs() < 1e-6);
        let second = bank(2).score(&[3.0, 4.0]).unwrap()[0];
        assert!((second - 0.8f64.sqrt()).abs() < 1e-6);
        // More neighbours than prototypes: the farthest.
        assert_eq!(bank(9).score(&[3.0, 4.0]).unwrap()[0], second);
    }

    #[test]
    fn zero_and_broken_rows_have_defined_scores() {
        let bank = KnnBank::fit(&[2.0, 0.0, 0.0, 7.0], 2, 1, 10, Seed(0)).unwrap();
        let scores = bank
            .score(&[0.0, 0.0, f32::NAN, 1.0, f32::INFINITY, 1.0])
            .unwrap();
        assert_eq!(scores[0], 1.0);
        assert_eq!(scores[1..], [f64::INFINITY; 2]);
    }

    #[test]
    fn constant_columns_and_rows_can_be_left() {
        // The second column is constant: leaving it is as strange as in the first, whose sd is 1.
        let rows = [1.0, 5.0, 3.0, 5.0];
        let bank = KnnBank::fit_standardised(&rows, 2, 1, 10, Seed(0)).unwrap();
        let score = bank.score(&[1.0, 6.0]).unwrap()[0];
        assert!((score - 1f64.asinh()).abs() < 1e-6, "{score}");
        let constant = KnnBank::fit_standardised(&[4.0; 6], 2, 1, 10, Seed(0)).unwrap();
        assert_eq!(constant.score(&[4.0, 4.0]).unwrap(), [0.0]);
        let far = constant.score(&[1e30, 4.0]).unwrap()[0];
        assert!(far.is_finite() && far > 50.0);
    }

    #[test]
    fn strange_directions_are_detected_and_p_values_are_valid() {
        let bank = KnnBank::fit(&directions(300, 1), 4, 1, 2000, Seed(0)).unwrap();
        let detector = OodDetector::calibrate(vec![bank], &[&directions(199, 2)]).unwrap();
        let usual = detector.score(&[&directions(500, 3)]).unwrap();
        let strange: Vec<f32> = directions(100, 4).iter().map(|v| -v).collect();
        let strange = detector.score(&[&strange]).unwrap();
        assert!(Detection::of(&usual, &strange).unwrap().auroc > 0.99);
        let p: Vec<f64> = usual.iter().map(|&s| detector.p_value(s)).collect();
        assert!(KsTest::of(&p, |u| u).unwrap().statistic < 0.12);
        assert!((detector.p_value(f64::INFINITY) - 1.0 / 200.0).abs() < 1e-12);
    }

    #[test]
    fn a_second_bank_sees_what_the_first_forgets() {
        let train = directions(300, 1);
        let huge: Vec<f32> = directions(50, 2).iter().map(|v| 1000.0 * v).collect();
        let (usual, held_out) = (directions(200, 3), directions(200, 4));
        let direction = KnnBank::fit(&train, 4, 1, 2000, Seed(0)).unwrap();
        let input = KnnBank::fit_standardised(&train, 4, 1, 2000, Seed(0)).unwrap();
        let auroc = |banks: Vec<KnnBank>| {
            let rows = |rows| vec![rows; banks.len()];
            let (held_out, usual, huge) = (
                rows(held_out.as_slice()),
                rows(usual.as_slice()),
                rows(huge.as_slice()),
            );
            let detector = OodDetector::calibrate(banks, &held_out).unwrap();
            let score = |rows: &[&[f32]]| detector.score(rows).unwrap();
            Detection::of(&score(&usual), &score(&huge)).unwrap().auroc
        };
        assert!(auroc(vec![direction.clone()]) < 0.7);
        assert!(auroc(vec![direction, input]) > 0.99);
    }

    #[test]
    fn pooled_p_values_count_the_units_of_all_folds() {
        let first = ConformalPValue::calibrate(&[1.0, 2.0, 3.0]).unwrap();
        let second = ConformalPValue::calibrate(&[10.0, 20.0]).unwrap();
        // Two of three, and one of two.
        let p = ConformalPValue::pooled([(&first, 2.0), (&second, 15.0)]);
        assert!((p - 4.0 / 6.0).abs() < 1e-12, "{p}");
        let least = ConformalPValue::pooled([(&first, f64::NAN), (&second, f64::INFINITY)]);
        assert!((least - 1.0 / 6.0).abs() < 1e-12, "{least}");
    }

    #[test]
    fn p_values_worked_by_hand() {
        let calibration = ConformalPValue::calibrate(&[1.0, 2.0, 2.0, 3.0]).unwrap();
        let cases = [
            (0.5, 1.0),
            (2.0, 0.8),
            (2.5, 0.4),
            (9.0, 0.2),
            (f64::NAN, 0.2),
        ];
        for (score, p) in cases {
            assert!((calibration.p_value(score) - p).abs() < 1e-12, "{score}");
        }
        assert_eq!(calibration.smallest(), 0.2);
        assert!(ConformalPValue::calibrate(&[]).is_err());
        assert!(ConformalPValue::calibrate(&[f64::INFINITY]).is_err());
    }

    #[test]
    fn a_large_set_is_sampled_and_the_sample_depends_on_the_seed() {
        let rows = directions(500, 1);
        let fit = |seed| KnnBank::fit(&rows, 4, 1, 50, Seed(seed)).unwrap();
        assert_eq!(fit(1).prototypes(), 50);
        assert_eq!(fit(1), fit(1));
        assert_ne!(fit(1), fit(2));
        let json = serde_json::to_string(&fit(1)).unwrap();
        assert_eq!(serde_json::from_str::<KnnBank>(&json).unwrap(), fit(1));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fit = |rows: &[f32], width, k| KnnBank::fit(rows, width, k, 10, Seed(0));
        assert!(fit(&[], 2, 1).is_err());
        assert!(fit(&[1.0], 0, 1).is_err());
        assert!(fit(&[1.0; 3], 2, 1).is_err());
        assert!(fit(&[1.0; 2], 2, 0).is_err());
        assert!(fit(&[1.0, f32::NAN], 2, 1).is_err());
        let bank = fit(&[1.0, 2.0], 2, 1).unwrap();
        assert!(bank.score(&[1.0; 3]).is_err());
        assert!(OodDetector::calibrate(vec![], &[]).is_err());
        assert!(OodDetector::calibrate(vec![bank.clone()], &[]).is_err());
        assert!(OodDetector::calibrate(vec![bank.clone()], &[&[]]).is_err());
        let uneven: [&[f32]; 2] = [&[1.0; 2], &[1.0; 4]];
        assert!(OodDetector::calibrate(vec![bank.clone(), bank], &uneven).is_err());
    }

    proptest! {
        #[test]
        fn the_score_agrees_with_a_plain_search(
            rows in prop::collection::vec(-5.0f32..5.0, 11 * 9..=11 * 9), k in 1usize..9,
        ) {
            // 11 columns: one block of eight and a rest.
            let (bank_rows, queries) = rows.split_at(11 * 8);
            let bank = KnnBank::fit(bank_rows, 11, k, 100, Seed(0)).unwrap();
            let unit = |row: &[f32]| -> Vec<f64> {
                let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                row.iter().map(|v| f64::from(*v) / norm).collect()
            };
            let query = unit(queries);
            let mut plain: Vec<f64> = bank_rows
                .chunks(11)
                .map(|row| {
                    let pairs = unit(row).into_iter().zip(&query);
                    pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
                })
                .collect();
            plain.sort_by(f64::total_cmp);
            let found = bank.score(queries).unwrap()[0];
            prop_assert!((found - plain[k - 1]).abs() < 1e-5);
        }
    }
}
