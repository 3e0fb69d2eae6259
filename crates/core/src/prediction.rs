use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{QuantileFunction, normal_quantile};

/// True values of a set of units, in unit order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Targets {
    /// One class index a unit.
    Classes(Vec<u32>),
    /// `[units, width]`, row-major: whether each label applies; `None` where nobody knows.
    Labels {
        /// Labels per unit.
        width: usize,
        /// What is known.
        values: Vec<Option<bool>>,
    },
    /// `[units, width]`, row-major, in the target's own units.
    Values {
        /// Numbers per unit.
        width: usize,
        /// The numbers.
        values: Vec<f32>,
    },
}

impl Targets {
    /// The number of units.
    pub fn len(&self) -> usize {
        match self {
            Targets::Classes(classes) => classes.len(),
            Targets::Labels { width, values } => values.len() / (*width).max(1),
            Targets::Values { width, values } => values.len() / (*width).max(1),
        }
    }

    /// Whether there are no units.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The units at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Targets {
        match self {
            Targets::Classes(classes) => {
                Targets::Classes(indices.iter().map(|&i| classes[i]).collect())
            }
            Targets::Labels { width, values } => Targets::Labels {
                width: *width,
                values: select_rows(values, *width, indices),
            },
            Targets::Values { width, values } => Targets::Values {
                width: *width,
                values: select_rows(values, *width, indices),
            },
        }
    }
}

/// What one model says of each unit: the parameters of a predictive distribution, in unit order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Distribution {
    /// Class probabilities `[units, classes]`, row-major; each row sums to 1.
    Categorical {
        /// Columns.
        classes: usize,
        /// The probabilities.
        probabilities: Vec<f32>,
    },
    /// Probabilities `[units, width]`, row-major, that each label applies; labels are independent given the unit.
    Bernoulli {
        /// Labels per unit.
        width: usize,
        /// The probabilities, 0 to 1.
        probabilities: Vec<f32>,
    },
    /// Independent normal distributions `[units, width]`, row-major, in the target's own units.
    Gaussian {
        /// Numbers per unit.
        width: usize,
        /// Means.
        mean: Vec<f32>,
        /// Variances, positive.
        variance: Vec<f32>,
    },
    /// Quantiles `[units, width, levels]`, row-major, in the target's own units; what lies between and beyond them
    /// says [`QuantileFunction`].
    Quantiles {
        /// Numbers per unit.
        width: usize,
        /// Levels, ascending, between 0 and 1; at least two.
        levels: Vec<f32>,
        /// The quantiles, ascending for each number of each unit.
        values: Vec<f32>,
    },
}

/// Distributions that cannot be combined or judged.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PredictionError {
    /// The two sides have different kinds, widths or lengths.
    #[error("predictions do not fit: expected {expected}, got {got}")]
    Mismatch {
        /// What was needed.
        expected: String,
        /// What came.
        got: String,
    },
    /// There is nothing to combine.
    #[error("no members to combine")]
    NoMembers,
}

impl Distribution {
    /// The number of units.
    pub fn len(&self) -> usize {
        let (row, numbers) = self.block();
        numbers.len() / row.max(1)
    }

    /// Whether there are no units.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Columns: classes, labels, or numbers per unit.
    pub fn width(&self) -> usize {
        match self {
            Distribution::Categorical { classes, .. } => *classes,
            Distribution::Bernoulli { width, .. }
            | Distribution::Gaussian { width, .. }
            | Distribution::Quantiles { width, .. } => *width,
        }
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        let second = self.second_block().into_iter().flatten();
        self.block().1.iter().chain(second).all(|v| v.is_finite())
    }

    /// The units at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Distribution {
        let mut selected = self.zeros_like(0);
        let row = self.block().0;
        let pick = |from: &[f32]| select_rows(from, row, indices);
        *selected.block_mut() = pick(self.block().1);
        if let (Some(to), Some(from)) = (selected.second_block_mut(), self.second_block()) {
            *to = pick(from);
        }
        selected
    }

    /// An empty distribution of the same kind for `units` units, filled with zeros.
    ///
    /// Out-of-fold predictions are gathered into it with [`Distribution::put`].
    pub fn zeros_like(&self, units: usize) -> Distribution {
        let zeros = vec![0.0; units * self.block().0];
        match self {
            Distribution::Categorical { classes, .. } => Distribution::Categorical {
                classes: *classes,
                probabilities: zeros,
            },
            Distribution::Bernoulli { width, .. } => Distribution::Bernoulli {
                width: *width,
                probabilities: zeros,
            },
            Distribution::Gaussian { width, .. } => Distribution::Gaussian {
                width: *width,
                mean: zeros.clone(),
                variance: zeros,
            },
            Distribution::Quantiles { width, levels, .. } => Distribution::Quantiles {
                width: *width,
                levels: levels.clone(),
                values: zeros,
            },
        }
    }

    /// Numbers a unit, and the numbers; of a normal distribution its means.
    fn block(&self) -> (usize, &Vec<f32>) {
        match self {
            Distribution::Categorical {
                classes,
                probabilities,
            } => (*classes, probabilities),
            Distribution::Bernoulli {
                width,
                probabilities,
            } => (*width, probabilities),
            Distribution::Gaussian { width, mean, .. } => (*width, mean),
            Distribution::Quantiles {
                width,
                levels,
                values,
            } => (width * levels.len(), values),
        }
    }

    fn block_mut(&mut self) -> &mut Vec<f32> {
        match self {
            Distribution::Categorical { probabilities, .. }
            | Distribution::Bernoulli { probabilities, .. } => probabilities,
            Distribution::Gaussian { mean, .. } => mean,
            Distribution::Quantiles { values, .. } => values,
        }
    }

    /// The variances of normal distributions, which are shaped as their means are.
    fn second_block(&self) -> Option<&Vec<f32>> {
        match self {
            Distribution::Gaussian { variance, .. } => Some(variance),
            _ => None,
        }
    }

    fn second_block_mut(&mut self) -> Option<&mut Vec<f32>> {
        match self {
            Distribution::Gaussian { variance, .. } => Some(variance),
            _ => None,
        }
    }

    /// Adds the units of `more` behind those that are here.
    ///
    /// # Errors
    /// When kinds or widths differ.
    pub fn append(&mut self, more: &Distribution) -> Result<(), PredictionError> {
        self.check_kind(more)?;
        self.block_mut().extend(more.block().1);
        if let (Some(to), Some(from)) = (self.second_block_mut(), more.second_block()) {
            to.extend(from);
        }
        Ok(())
    }

    /// Writes the rows of `part` to the units `indices`.
    ///
    /// # Errors
    /// When kinds or widths differ, or `part` does not have one row an index.
    pub fn put(&mut self, indices: &[usize], part: &Distribution) -> Result<(), PredictionError> {
        self.check_kind(part)?;
        if part.len() != indices.len() {
            return Err(mismatch(
                format!("{} units", indices.len()),
                format!("{} units", part.len()),
            ));
        }
        let row = self.block().0;
        put_rows(self.block_mut(), row, indices, part.block().1);
        if let (Some(to), Some(from)) = (self.second_block_mut(), part.second_block()) {
            put_rows(to, row, indices, from);
        }
        Ok(())
    }

    /// The weighted mixture of several members' distributions, in one distribution.
    ///
    /// Classes and labels: the mean of the probabilities. Normal distributions: the moments of the mixture, that is
    /// mean `E[mu]` and variance `E[sigma^2] + Var[mu]` (Lakshminarayanan et al. 2017, section 2.4).
    /// Quantiles: the distribution functions are averaged and read at the same levels. Averaging the quantiles at equal levels
    /// instead (Vincentization) would be sharper and would forget how far the members are apart (Lichtendahl,
    /// Grushka-Cockayne & Winkler 2013, section 3); so a disagreement widens the mixture, as it does for normal distributions.
    /// Normal distributions beside quantiles enter by their own quantiles. Weights need not sum to one.
    ///
    /// # Errors
    /// When there are no members, or their kinds, widths, levels or lengths differ.
    pub fn mixture(members: &[(f64, &Distribution)]) -> Result<Distribution, PredictionError> {
        let (_, first) = members.first().ok_or(PredictionError::NoMembers)?;
        let levels = members.iter().find_map(|(_, member)| match member {
            Distribution::Quantiles { levels, .. } => Some(levels),
            _ => None,
        });
        if let Some(levels) = levels {
            return mixture_at_levels(members, levels);
        }
        for (_, member) in members {
            first.check_alike(member)?;
        }
        let total: f64 = members.iter().map(|(weight, _)| weight).sum();
        let mut mixed = first.zeros_like(first.len());
        match &mut mixed {
            Distribution::Categorical { .. } | Distribution::Bernoulli { .. } => {
                let mut sum = vec![0.0f64; mixed.block().1.len()];
                for (weight, member) in members {
                    sum.iter_mut()
                        .zip(member.block().1)
                        .for_each(|(s, &p)| *s += weight / total * f64::from(p));
                }
                *mixed.block_mut() = sum.into_iter().map(|s| s as f32).collect();
            }
            Distribution::Gaussian { mean, variance, .. } => {
                let mut first_moment = vec![0.0f64; mean.len()];
                for (weight, member) in members {
                    if let Distribution::Gaussian { mean: m, .. } = member {
                        first_moment
                            .iter_mut()
                            .zip(m)
                            .for_each(|(s, &m)| *s += weight / total * f64::from(m));
                    }
                }
                // Around the mean, not from raw moments: those cancel when |mu| is large.
                let mut central = vec![0.0f64; mean.len()];
                for (weight, member) in members {
                    if let Distribution::Gaussian {
                        mean: m,
                        variance: v,
                        ..
                    } = member
                    {
                        for (i, c) in central.iter_mut().enumerate() {
                            let off = f64::from(m[i]) - first_moment[i];
                            *c += weight / total * (f64::from(v[i]) + off * off);
                        }
                    }
                }
                for i in 0..mean.len() {
                    mean[i] = first_moment[i] as f32;
                    variance[i] = central[i] as f32;
                }
            }
            Distribution::Quantiles { .. } => {}
        }
        Ok(mixed)
    }

    /// Numbers by their quantiles at `levels`: normal distributions, and quantiles that are at these levels already.
    ///
    /// # Errors
    /// When predictions are of classes, or at other levels.
    pub fn at_levels(&self, levels: &[f32]) -> Result<Distribution, PredictionError> {
        match self {
            Distribution::Gaussian {
                width,
                mean,
                variance,
            } => {
                let z: Vec<f64> = levels
                    .iter()
                    .map(|&level| normal_quantile(f64::from(level)))
                    .collect();
                let cells = mean.iter().zip(variance);
                let values = cells.flat_map(|(&mean, &variance)| {
                    let (mean, sd) = (f64::from(mean), f64::from(variance).max(0.0).sqrt());
                    z.iter().map(move |z| (mean + sd * z) as f32)
                });
                Ok(Distribution::Quantiles {
                    width: *width,
                    values: values.collect(),
                    levels: levels.to_vec(),
                })
            }
            Distribution::Quantiles { levels: own, .. } if own == levels => Ok(self.clone()),
            other => Err(mismatch(
                format!("numbers, or quantiles at {levels:?}"),
                other.describe(),
            )),
        }
    }

    /// Numbers by mean and variance alone, as normal distributions with these moments; what is none of numbers stays as it is.
    ///
    /// Enough for scores that look at the mean only, and far cheaper to mix.
    pub fn by_moments(&self) -> Distribution {
        let Distribution::Quantiles {
            width,
            levels,
            values,
        } = self
        else {
            return self.clone();
        };
        let cells = values.chunks_exact(levels.len().max(1));
        let (mean, variance) = cells
            .map(|values| QuantileFunction::trusted(levels, values).moments())
            .map(|(mean, variance)| (mean as f32, variance as f32))
            .unzip();
        Distribution::Gaussian {
            width: *width,
            mean,
            variance,
        }
    }

    /// The most probable class of each unit (the first of equals); `None` for labels and numbers.
    pub fn classes(&self) -> Option<Vec<u32>> {
        let Distribution::Categorical {
            classes,
            probabilities,
        } = self
        else {
            return None;
        };
        Some(
            probabilities
                .chunks_exact((*classes).max(1))
                .map(argmax)
                .collect(),
        )
    }

    fn check_kind(&self, other: &Distribution) -> Result<(), PredictionError> {
        let same = match (self, other) {
            (
                Distribution::Quantiles { levels, .. },
                Distribution::Quantiles { levels: others, .. },
            ) => levels == others,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        };
        if same && self.width() == other.width() {
            return Ok(());
        }
        Err(mismatch(self.describe(), other.describe()))
    }

    /// The same kind, width and number of units.
    fn check_alike(&self, other: &Distribution) -> Result<(), PredictionError> {
        self.check_kind(other)?;
        if self.len() == other.len() {
            return Ok(());
        }
        let (expected, got) = (self.len(), other.len());
        Err(mismatch(
            format!("{expected} units"),
            format!("{got} units"),
        ))
    }

    fn describe(&self) -> String {
        match self {
            Distribution::Categorical { classes, .. } => {
                format!("probabilities of {classes} classes")
            }
            Distribution::Bernoulli { width, .. } => format!("probabilities of {width} labels"),
            Distribution::Gaussian { width, .. } => {
                format!("means and variances of {width} targets")
            }
            Distribution::Quantiles { width, levels, .. } => {
                format!("{} quantiles of {width} targets", levels.len())
            }
        }
    }
}

fn mixture_at_levels(
    members: &[(f64, &Distribution)],
    levels: &[f32],
) -> Result<Distribution, PredictionError> {
    let total: f64 = members.iter().map(|(weight, _)| weight).sum();
    let parts = members
        .iter()
        .map(|(weight, member)| Ok((weight / total, member.at_levels(levels)?)))
        .collect::<Result<Vec<_>, PredictionError>>()?;
    let (_, first) = parts.first().ok_or(PredictionError::NoMembers)?;
    for (_, part) in &parts {
        first.check_alike(part)?;
    }
    let mut mixed = first.zeros_like(first.len());
    let count = levels.len().max(1);
    let mut cell = Vec::with_capacity(parts.len());
    for (i, out) in mixed.block_mut().chunks_exact_mut(count).enumerate() {
        cell.clear();
        cell.extend(parts.iter().map(|(weight, part)| {
            let values = &part.block().1[i * count..(i + 1) * count];
            (*weight, QuantileFunction::trusted(levels, values))
        }));
        QuantileFunction::mix(&cell, out);
    }
    Ok(mixed)
}

fn argmax(row: &[f32]) -> u32 {
    let mut best = 0;
    for (i, &value) in row.iter().enumerate() {
        if value > row[best] {
            best = i;
        }
    }
    best as u32
}

fn select_rows<T: Copy>(values: &[T], width: usize, indices: &[usize]) -> Vec<T> {
    let mut selected = Vec::with_capacity(indices.len() * width);
    for &i in indices {
        selected.extend_from_slice(&values[i * width..(i + 1) * width]);
    }
    selected
}

fn put_rows(to: &mut [f32], width: usize, indices: &[usize], from: &[f32]) {
    for (row, &i) in from.chunks_exact(width.max(1)).zip(indices) {
        to[i * width..(i + 1) * width].copy_from_slice(row);
    }
}

fn mismatch(expected: String, got: String) -> PredictionError {
    PredictionError::Mismatch { expected, got }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variance_of_a_mixture_adds_the_spread_of_the_means() {
        let a = Distribution::Gaussian {
            width: 1,
            mean: vec![0.0],
            variance: vec![1.0],
        };
        let b = Distribution::Gaussian {
            width: 1,
            mean: vec![2.0],
            variance: vec![3.0],
        };
        let mixed = Distribution::mixture(&[(1.0, &a), (1.0, &b)]).unwrap();
        assert_eq!(
            mixed,
            Distribution::Gaussian {
                width: 1,
                mean: vec![1.0],
                variance: vec![3.0]
            }
        );
    }

    #[test]
    fn labels_are_selected_mixed_and_put_back() {
        let said = |probabilities: &[f32]| Distribution::Bernoulli {
            width: 2,
            probabilities: probabilities.to_vec(),
        };
        let (a, b) = (said(&[0.2, 1.0, 0.5, 0.0]), said(&[0.6, 1.0, 0.5, 0.5]));
        let mixed = Distribution::mixture(&[(3.0, &a), (1.0, &b)]).unwrap();
        assert_eq!(mixed, said(&[0.3, 1.0, 0.5, 0.125]));
        assert_eq!((mixed.len(), mixed.classes()), (2, None));
        let mut gathered = a.zeros_like(2);
        gathered.put(&[1], &a.select(&[1])).unwrap();
        gathered.put(&[0], &a.select(&[0])).unwrap();
        assert_eq!(gathered, a);
        let truth = Targets::Labels {
            width: 2,
            values: vec![Some(true), None, Some(false), Some(true)],
        };
        let last = Targets::Labels {
            width: 2,
            values: vec![Some(false), Some(true)],
        };
        assert_eq!((truth.len(), truth.select(&[1])), (2, last));
        let numbers = Distribution::Gaussian {
            width: 2,
            mean: vec![0.0; 4],
            variance: vec![1.0; 4],
        };
        assert!(Distribution::mixture(&[(1.0, &a), (1.0, &numbers)]).is_err());
    }

    #[test]
    fn members_that_do_not_fit_are_refused() {
        let a = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.5, 0.5],
        };
        let b = Distribution::Categorical {
            classes: 3,
            probabilities: vec![0.2, 0.3, 0.5],
        };
        assert!(matches!(
            Distribution::mixture(&[(1.0, &a), (1.0, &b)]),
            Err(PredictionError::Mismatch { .. })
        ));
        assert_eq!(Distribution::mixture(&[]), Err(PredictionError::NoMembers));
    }

    #[test]
    fn quantiles_mix_with_normal_distributions_and_widen_when_they_disagree() {
        let levels: Vec<f32> = (1..20).map(|i| i as f32 / 20.0).collect();
        let normal = |mean: f32| Distribution::Gaussian {
            width: 1,
            mean: vec![mean],
            variance: vec![1.0],
        };
        let quantiles = normal(0.0).at_levels(&levels).unwrap();
        let moments = |d: &Distribution| match d.by_moments() {
            Distribution::Gaussian { mean, variance, .. } => (mean[0], variance[0]),
            other => panic!("{other:?}"),
        };
        // The pieces and tails of 19 quantiles hold the variance to a few percent.
        let (mean, variance) = moments(&quantiles);
        assert!(
            mean.abs() < 1e-5 && (variance - 1.0).abs() < 0.06,
            "{variance}"
        );
        let far = normal(4.0);
        for members in [
            [(1.0, &quantiles), (1.0, &far)],
            [(1.0, &far), (1.0, &quantiles)],
        ] {
            // E[sigma^2] + Var[mu] = 1 + 4.
            let (mean, variance) = moments(&Distribution::mixture(&members).unwrap());
            assert!(
                (mean - 2.0).abs() < 0.02 && (variance - 5.0).abs() < 0.15,
                "{mean} {variance}"
            );
        }
        let alone = Distribution::mixture(&[(0.3, &quantiles)]).unwrap();
        assert_eq!(alone, quantiles);
        let others = normal(0.0).at_levels(&[0.2, 0.8]).unwrap();
        assert!(Distribution::mixture(&[(1.0, &quantiles), (1.0, &others)]).is_err());
        let longer = quantiles.select(&[0, 0]);
        assert_eq!(longer.len(), 2);
        assert!(Distribution::mixture(&[(1.0, &longer), (1.0, &far)]).is_err());
        let mut appended = quantiles.clone();
        appended.append(&quantiles).unwrap();
        assert_eq!(appended, longer);
        assert!(appended.append(&far).is_err());
    }

    #[test]
    fn parts_are_put_back_where_they_came_from() {
        let whole = Distribution::Categorical {
            classes: 2,
            probabilities: vec![0.1, 0.9, 0.2, 0.8, 0.7, 0.3],
        };
        let mut gathered = whole.zeros_like(3);
        gathered.put(&[2, 0], &whole.select(&[2, 0])).unwrap();
        gathered.put(&[1], &whole.select(&[1])).unwrap();
        assert_eq!(gathered, whole);
        assert_eq!(whole.classes(), Some(vec![1, 1, 0]));
    }
}
