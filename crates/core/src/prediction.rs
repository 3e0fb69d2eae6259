use serde::{Deserialize, Serialize};
use thiserror::Error;

/// True values of a set of units, in unit order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Targets {
    /// One class index a unit.
    Classes(Vec<u32>),
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
    /// Independent normal distributions `[units, width]`, row-major, in the target's own units.
    Gaussian {
        /// Numbers per unit.
        width: usize,
        /// Means.
        mean: Vec<f32>,
        /// Variances, positive.
        variance: Vec<f32>,
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
        match self {
            Distribution::Categorical {
                classes,
                probabilities,
            } => probabilities.len() / (*classes).max(1),
            Distribution::Gaussian { width, mean, .. } => mean.len() / (*width).max(1),
        }
    }

    /// Whether there are no units.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Columns: classes, or numbers per unit.
    pub fn width(&self) -> usize {
        match self {
            Distribution::Categorical { classes, .. } => *classes,
            Distribution::Gaussian { width, .. } => *width,
        }
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        match self {
            Distribution::Categorical { probabilities, .. } => {
                probabilities.iter().all(|p| p.is_finite())
            }
            Distribution::Gaussian { mean, variance, .. } => {
                mean.iter().chain(variance).all(|v| v.is_finite())
            }
        }
    }

    /// The units at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Distribution {
        match self {
            Distribution::Categorical {
                classes,
                probabilities,
            } => Distribution::Categorical {
                classes: *classes,
                probabilities: select_rows(probabilities, *classes, indices),
            },
            Distribution::Gaussian {
                width,
                mean,
                variance,
            } => Distribution::Gaussian {
                width: *width,
                mean: select_rows(mean, *width, indices),
                variance: select_rows(variance, *width, indices),
            },
        }
    }

    /// An empty distribution of the same kind for `units` units, filled with zeros.
    ///
    /// Out-of-fold predictions are gathered into it with [`Distribution::put`].
    pub fn zeros_like(&self, units: usize) -> Distribution {
        match self {
            Distribution::Categorical { classes, .. } => Distribution::Categorical {
                classes: *classes,
                probabilities: vec![0.0; units * classes],
            },
            Distribution::Gaussian { width, .. } => Distribution::Gaussian {
                width: *width,
                mean: vec![0.0; units * width],
                variance: vec![0.0; units * width],
            },
        }
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
        match (self, part) {
            (
                Distribution::Categorical {
                    classes,
                    probabilities,
                },
                Distribution::Categorical {
                    probabilities: from,
                    ..
                },
            ) => put_rows(probabilities, *classes, indices, from),
            (
                Distribution::Gaussian {
                    width,
                    mean,
                    variance,
                },
                Distribution::Gaussian {
                    mean: from_mean,
                    variance: from_variance,
                    ..
                },
            ) => {
                put_rows(mean, *width, indices, from_mean);
                put_rows(variance, *width, indices, from_variance);
            }
            _ => unreachable!("kinds were checked"),
        }
        Ok(())
    }

    /// The weighted mixture of several members' distributions, in one distribution of the same kind.
    ///
    /// Classification: the mean of the probabilities. Regression: the moments of the mixture, that is
    /// mean `E[mu]` and variance `E[sigma^2] + Var[mu]` (Lakshminarayanan et al. 2017, section 2.4).
    /// Weights need not sum to one.
    ///
    /// # Errors
    /// When there are no members, or their kinds, widths or lengths differ.
    pub fn mixture(members: &[(f64, &Distribution)]) -> Result<Distribution, PredictionError> {
        let (_, first) = members.first().ok_or(PredictionError::NoMembers)?;
        for (_, member) in members {
            first.check_kind(member)?;
            if member.len() != first.len() {
                let (expected, got) = (first.len(), member.len());
                return Err(mismatch(
                    format!("{expected} units"),
                    format!("{got} units"),
                ));
            }
        }
        let total: f64 = members.iter().map(|(weight, _)| weight).sum();
        let mut mixed = first.zeros_like(first.len());
        match &mut mixed {
            Distribution::Categorical { probabilities, .. } => {
                let mut sum = vec![0.0f64; probabilities.len()];
                for (weight, member) in members {
                    if let Distribution::Categorical {
                        probabilities: p, ..
                    } = member
                    {
                        sum.iter_mut()
                            .zip(p)
                            .for_each(|(s, &p)| *s += weight / total * f64::from(p));
                    }
                }
                probabilities
                    .iter_mut()
                    .zip(sum)
                    .for_each(|(p, s)| *p = s as f32);
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
        }
        Ok(mixed)
    }

    /// The most probable class of each unit (the first of equals); `None` for regression.
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
        let same = matches!(
            (self, other),
            (
                Distribution::Categorical { .. },
                Distribution::Categorical { .. }
            ) | (Distribution::Gaussian { .. }, Distribution::Gaussian { .. })
        );
        if same && self.width() == other.width() {
            return Ok(());
        }
        Err(mismatch(self.describe(), other.describe()))
    }

    fn describe(&self) -> String {
        match self {
            Distribution::Categorical { classes, .. } => {
                format!("probabilities of {classes} classes")
            }
            Distribution::Gaussian { width, .. } => {
                format!("means and variances of {width} targets")
            }
        }
    }
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

fn select_rows(values: &[f32], width: usize, indices: &[usize]) -> Vec<f32> {
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
