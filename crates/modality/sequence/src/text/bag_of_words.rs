use std::collections::HashMap;

use candor_core::{Distribution, Targets};
use candor_train::{MemberError, TargetScale};
use serde::{Deserialize, Serialize};

use super::data::TextUnits;
use super::design::Weighting;
use super::words::{Word, pair};
use crate::ridge::{Answer, Link, temperature, truth};

/// A linear model on words and pairs of words.
///
/// It is a ridge regression, solved by conjugate gradients, whose strength the validation texts choose; without any, every tenth text to
/// learn from does, and the model is fitted anew on all of them.
///
/// # Reference
/// Wang & Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012, for [`Weighting::NaiveBayes`]; Hestenes &
/// Stiefel 1952 for the solver.
#[derive(Debug)]
pub(crate) struct BagOfWords {
    weighting: Weighting,
    answer: Answer,
    /// Words and pairs that are known, ascending.
    known: Vec<Word>,
    /// How much each counts by its rarity.
    rarity: Vec<f32>,
    /// `[outputs, known + 1]`, the constant last.
    weights: Vec<f32>,
}

/// What is kept of it beside its numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BagDescription {
    weighting: Weighting,
    answer: Answer,
    known: usize,
}

/// Texts that a word must stand in.
const FEWEST: u32 = 2;
/// Words and pairs at most, the commonest.
const MOST: usize = 400_000;
/// Strengths as shares of the mean squared length of a row; the first where nothing tells them apart.
const STRENGTHS: [f64; 7] = [0.3, 1.0, 0.1, 3.0, 0.03, 10.0, 0.01];
const ITERATIONS: usize = 80;
const EXACT: f64 = 1e-4;

/// Places of known words with their values.
type Row = Vec<(u32, f32)>;

/// How often each word and pair stands in a text, by ascending hash.
fn counts(words: &[Word]) -> Vec<(Word, u32)> {
    let pairs = words.windows(2).map(|two| pair(two[0], two[1]));
    let mut all: Vec<Word> = words.iter().copied().chain(pairs).collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len() as u32))
        .collect()
}

impl BagOfWords {
    pub fn fit(
        texts: &TextUnits,
        weighting: Weighting,
        targets: &Targets,
        outputs: usize,
        (train, validation): (&[usize], &[usize]),
        stop: &dyn Fn() -> bool,
    ) -> Option<Result<BagOfWords, MemberError>> {
        let mut occurs: HashMap<Word, u32> = HashMap::new();
        for &unit in train {
            for (word, _) in counts(texts.words(unit)) {
                *occurs.entry(word).or_default() += 1;
            }
        }
        let mut common: Vec<(Word, u32)> =
            occurs.into_iter().filter(|(_, n)| *n >= FEWEST).collect();
        if common.is_empty() {
            let why = "no word stands in two texts";
            return Some(Err(MemberError::Training(why.into())));
        }
        common.sort_unstable_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
        common.truncate(MOST);
        common.sort_unstable();
        let count = train.len() as f32;
        let mut bag = BagOfWords {
            weighting,
            answer: Answer::Classes {
                classes: outputs,
                scale: 1.0,
            },
            rarity: common
                .iter()
                .map(|&(_, n)| ((1.0 + count) / (1.0 + n as f32)).ln() + 1.0)
                .collect(),
            known: common.into_iter().map(|(word, _)| word).collect(),
            weights: Vec::new(),
        };
        let scale = TargetScale::fit(targets, train);
        let scaled = scale.scale(targets);
        // Held out to choose the strength.
        let (learn, held): (Vec<usize>, Vec<usize>) = if validation.is_empty() && train.len() >= 20
        {
            let (held, learn): (Vec<_>, Vec<_>) =
                train.iter().enumerate().partition(|(i, _)| i % 10 == 9);
            let units =
                |part: Vec<(usize, &usize)>| part.into_iter().map(|(_, &unit)| unit).collect();
            (units(learn), units(held))
        } else {
            (train.to_vec(), validation.to_vec())
        };
        let held_targets = targets.select(&held);
        let held_truth = truth(&scaled.select(&held), outputs);
        let rows_of = |bag: &BagOfWords, units: &[usize]| -> Vec<Row> {
            units
                .iter()
                .map(|&unit| bag.row(texts.words(unit)))
                .collect()
        };
        let (learn_rows, held_rows) = (rows_of(&bag, &learn), rows_of(&bag, &held));
        let learn_truth = truth(&scaled.select(&learn), outputs);
        let mut best: Option<(f64, f64, Answer, Vec<f32>)> = None;
        for strength in STRENGTHS {
            bag.weights = bag.solve(&learn_rows, &learn_truth, strength, stop)?;
            let scores: Vec<Vec<f64>> = held_rows.iter().map(|row| bag.scores(row)).collect();
            let by_output: Vec<Vec<f64>> = (0..outputs)
                .map(|k| scores.iter().map(|row| row[k]).collect())
                .collect();
            let (answer, loss) = judged(&by_output, &held_targets, &held_truth, &scale);
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                let weights = std::mem::take(&mut bag.weights);
                best = Some((loss, strength, answer, weights));
            }
        }
        let (_, strength, answer, weights) = best?;
        bag.weights = match learn.len() == train.len() {
            true => weights,
            false => {
                let all = truth(&scaled.select(train), outputs);
                bag.solve(&rows_of(&bag, train), &all, strength, stop)?
            }
        };
        bag.answer = answer;
        Some(Ok(bag))
    }

    /// Weights for one strength.
    fn solve(
        &self,
        rows: &[Row],
        truth: &[Vec<f64>],
        strength: f64,
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<f32>> {
        let mut weights = Vec::with_capacity(truth.len() * (self.known.len() + 1));
        for truth in truth {
            let ratios = match self.weighting {
                Weighting::Rarity => None,
                Weighting::NaiveBayes => Some(ratios(rows, truth, self.known.len())),
            };
            let own: Vec<Row>;
            let rows = match &ratios {
                None => rows,
                Some(ratios) => {
                    let weighted = |row: &Row| {
                        row.iter()
                            .map(|&(p, v)| (p, v * ratios[p as usize]))
                            .collect()
                    };
                    own = rows.iter().map(weighted).collect();
                    &own
                }
            };
            let mut solved = ridge(rows, truth, self.known.len(), strength, stop)?;
            if let Some(ratios) = ratios {
                solved
                    .iter_mut()
                    .zip(ratios)
                    .for_each(|(weight, ratio)| *weight *= ratio);
            }
            weights.extend(solved);
        }
        Some(weights)
    }

    /// A text as numbers, of length 1.
    fn row(&self, words: &[Word]) -> Row {
        let mut row: Row = Vec::new();
        for (word, count) in counts(words) {
            if let Ok(place) = self.known.binary_search(&word) {
                let value = match self.weighting {
                    Weighting::Rarity => (1.0 + (count as f32).ln()) * self.rarity[place],
                    Weighting::NaiveBayes => 1.0,
                };
                row.push((place as u32, value));
            }
        }
        let length = row.iter().map(|(_, v)| v * v).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|(_, value)| *value /= length);
        }
        row
    }

    fn scores(&self, row: &[(u32, f32)]) -> Vec<f64> {
        let own = self.weights.chunks_exact(self.known.len() + 1);
        own.map(|weights| {
            let sum: f64 = row
                .iter()
                .map(|&(place, value)| f64::from(weights[place as usize]) * f64::from(value))
                .sum();
            sum + weights.last().map_or(0.0, |&constant| f64::from(constant))
        })
        .collect()
    }

    pub fn predict(&self, texts: &TextUnits, indices: &[usize]) -> Distribution {
        let scores: Vec<Vec<f64>> = indices
            .iter()
            .map(|&unit| self.scores(&self.row(texts.words(unit))))
            .collect();
        self.answer.distribution(&scores)
    }

    pub fn parameters(&self) -> u64 {
        self.weights.len() as u64
    }

    pub fn description(&self) -> BagDescription {
        BagDescription {
            weighting: self.weighting,
            answer: self.answer.clone(),
            known: self.known.len(),
        }
    }

    /// Known words, how much each counts, then the weights, as little-endian numbers.
    pub fn numbers(&self) -> Vec<u8> {
        let words = self.known.iter().flat_map(|word| word.to_le_bytes());
        let rest = self
            .rarity
            .iter()
            .chain(&self.weights)
            .flat_map(|n| n.to_le_bytes());
        words.chain(rest).collect()
    }

    /// One that was saved.
    pub fn load(description: BagDescription, numbers: &[u8]) -> Result<BagOfWords, String> {
        description.answer.check()?;
        let known = description.known;
        let (words, rest) = numbers.as_chunks::<4>();
        let outputs = description.answer.outputs();
        let wanted = (known + 1)
            .checked_mul(outputs)
            .and_then(|w| w.checked_add(known.checked_mul(2)?));
        if known > MOST || !rest.is_empty() || wanted != Some(words.len()) {
            return Err("its numbers are cut off".into());
        }
        let number = |&bytes: &[u8; 4]| f32::from_le_bytes(bytes);
        let bag = BagOfWords {
            weighting: description.weighting,
            answer: description.answer,
            known: words[..known]
                .iter()
                .map(|&bytes| Word::from_le_bytes(bytes))
                .collect(),
            rarity: words[known..2 * known].iter().map(number).collect(),
            weights: words[2 * known..].iter().map(number).collect(),
        };
        let all = bag.rarity.iter().chain(&bag.weights);
        let ascend = bag.known.is_sorted_by(|a, b| a < b);
        if !ascend || all.into_iter().any(|n| !n.is_finite()) {
            return Err("its words are damaged".into());
        }
        Ok(bag)
    }
}

/// What held-out scores mean, and their loss.
fn judged(
    scores: &[Vec<f64>],
    targets: &Targets,
    truth: &[Vec<f64>],
    scale: &TargetScale,
) -> (Answer, f64) {
    let outputs = scores.len();
    let answer = match targets {
        Targets::Classes(_) => Answer::Classes {
            classes: outputs,
            scale: temperature(scores, targets, Link::Softmax),
        },
        Targets::Labels { .. } => Answer::Labels {
            labels: outputs,
            scale: temperature(scores, targets, Link::Sigmoid),
        },
        Targets::Values { .. } => {
            let variance = scores.iter().zip(truth).map(|(said, truth)| {
                let squares = said.iter().zip(truth).map(|(s, t)| (s - t).powi(2));
                (squares.sum::<f64>() / truth.len().max(1) as f64).clamp(1e-6, 1e6)
            });
            let variance: Vec<f64> = variance.collect();
            let loss = variance.iter().sum();
            let answer = Answer::Numbers {
                target_scale: scale.clone(),
                variance,
            };
            return (answer, loss);
        }
    };
    let rows: Vec<Vec<f64>> = (0..targets.len())
        .map(|row| scores.iter().map(|of| of[row]).collect())
        .collect();
    let said = answer.distribution(&rows);
    let loss = candor_core::Metric::LogLoss.score(&said, targets);
    (answer, loss.unwrap_or(0.0))
}

/// For each word, the logarithm of how much more often it stands in texts whose truth is above zero than in others.
fn ratios(rows: &[Row], truth: &[f64], width: usize) -> Vec<f32> {
    let mut counts = vec![[1.0f64; 2]; width];
    for (row, truth) in rows.iter().zip(truth) {
        let side = usize::from(*truth > 0.0);
        for &(place, _) in row {
            counts[place as usize][side] += 1.0;
        }
    }
    let sums = counts
        .iter()
        .fold([0.0; 2], |s, c| [s[0] + c[0], s[1] + c[1]]);
    let ratio = |[no, yes]: [f64; 2]| ((yes / sums[1]) / (no / sums[0])).ln() as f32;
    counts.into_iter().map(ratio).collect()
}

/// Weights and a constant of a ridge regression, `None` when `stop` says so: `(X X' + s) a = y - mean y`, and `w = X' a`.
fn ridge(
    rows: &[Row],
    truth: &[f64],
    width: usize,
    strength: f64,
    stop: &dyn Fn() -> bool,
) -> Option<Vec<f32>> {
    let count = rows.len().max(1) as f64;
    let mean = truth.iter().sum::<f64>() / count;
    let squares: f64 = rows
        .iter()
        .flatten()
        .map(|(_, v)| f64::from(*v).powi(2))
        .sum();
    let strength = strength * (squares / count).max(1e-12);
    let combined = |a: &[f64]| -> Vec<f64> {
        let mut sums = vec![0.0; width];
        for (row, a) in rows.iter().zip(a) {
            for &(place, value) in row {
                sums[place as usize] += a * f64::from(value);
            }
        }
        sums
    };
    let against = |w: &[f64]| -> Vec<f64> {
        let of = |row: &Row| row.iter().map(|&(p, v)| w[p as usize] * f64::from(v)).sum();
        rows.iter().map(of).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut left: Vec<f64> = truth.iter().map(|y| y - mean).collect();
    let mut solved = vec![0.0; left.len()];
    let mut along = left.clone();
    let mut size = dot(&left, &left);
    let enough = size * EXACT * EXACT;
    for _ in 0..ITERATIONS {
        if size <= enough || size == 0.0 {
            break;
        }
        if stop() {
            return None;
        }
        let mut image = against(&combined(&along));
        image
            .iter_mut()
            .zip(&along)
            .for_each(|(i, a)| *i += strength * a);
        let step = size / dot(&along, &image).max(1e-300);
        for ((s, l), (a, i)) in solved
            .iter_mut()
            .zip(&mut left)
            .zip(along.iter().zip(&image))
        {
            *s += step * a;
            *l -= step * i;
        }
        let next = dot(&left, &left);
        let share = next / size;
        along
            .iter_mut()
            .zip(&left)
            .for_each(|(a, l)| *a = l + share * *a);
        size = next;
    }
    let weights = combined(&solved);
    let said = against(&weights);
    let constant = truth.iter().zip(&said).map(|(y, s)| y - s).sum::<f64>() / count;
    Some(
        weights
            .into_iter()
            .chain([constant])
            .map(|w| w as f32)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ridge_worked_by_hand() {
        // Mean squared length 1, strength 1: one weight of sum x (y - mean) / (sum x^2 + 1) = 1 / 3, residuals have mean 0.
        let rows = vec![vec![(0, 1.0)], vec![(0, -1.0)]];
        let found = ridge(&rows, &[2.0, 1.0], 1, 1.0, &|| false).unwrap();
        assert!(
            (found[0] - 1.0 / 3.0).abs() < 1e-5 && (found[1] - 1.5).abs() < 1e-5,
            "{found:?}"
        );
        assert!(ridge(&rows, &[2.0, 1.0], 1, 1.0, &|| true).is_none());
    }

    #[test]
    fn words_that_speak_for_a_class_have_a_ratio_above_zero() {
        let rows = vec![vec![(0, 1.0), (1, 1.0)], vec![(0, 1.0)], vec![(2, 1.0)]];
        let found = ratios(&rows, &[1.0, 1.0, -1.0], 3);
        assert!(
            found[0] > found[1] && found[1] > 0.0 && found[2] < 0.0,
            "{found:?}"
        );
    }
}
