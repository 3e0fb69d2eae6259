//! Predictions whose every number has been checked, so that the instruments index without fear.

use candor_core::{Distribution, QuantileFunction, Targets};

use crate::ChallengeError;
use crate::interval_calibration::normal_cdf;

/// How far a row of 32-bit probabilities may be from summing to 1.
const SUM_TOLERANCE: f64 = 1e-3;

/// Class probabilities `[units, classes]`: finite, not negative, each row summing to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probabilities<'a> {
    pub classes: usize,
    values: &'a [f32],
}

impl<'a> Probabilities<'a> {
    pub fn parse(
        instrument: &'static str,
        predicted: &'a Distribution,
    ) -> Result<Probabilities<'a>, ChallengeError> {
        let Distribution::Categorical {
            classes,
            probabilities,
        } = predicted
        else {
            return Err(ChallengeError::WrongKind {
                instrument,
                expected: "probabilities of classes",
                got: kind_of(predicted),
            });
        };
        let (classes, values) = (*classes, probabilities.as_slice());
        check_rectangular(instrument, classes, values.len())?;
        for (i, row) in values.chunks_exact(classes.max(1)).enumerate() {
            let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
            let negative = row.iter().any(|&p| p < 0.0);
            if !sum.is_finite() || negative || (sum - 1.0).abs() > SUM_TOLERANCE {
                let unit = i + 1;
                return Err(ChallengeError::NotProbabilities {
                    instrument,
                    unit,
                    sum,
                });
            }
        }
        Ok(Probabilities { classes, values })
    }

    pub fn len(&self) -> usize {
        self.values.len() / self.classes.max(1)
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.values.chunks_exact(self.classes.max(1))
    }
}

/// Probabilities of labels `[units, width]`, each from 0 to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelProbabilities<'a> {
    pub width: usize,
    values: &'a [f32],
}

impl<'a> LabelProbabilities<'a> {
    pub fn parse(
        instrument: &'static str,
        predicted: &'a Distribution,
    ) -> Result<LabelProbabilities<'a>, ChallengeError> {
        let Distribution::Bernoulli {
            width,
            probabilities,
        } = predicted
        else {
            return Err(ChallengeError::WrongKind {
                instrument,
                expected: "probabilities of labels",
                got: kind_of(predicted),
            });
        };
        check_rectangular(instrument, *width, probabilities.len())?;
        check_finite(instrument, "probability", *width, probabilities)?;
        if let Some(i) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(ChallengeError::Setting {
                instrument,
                name: "a label's probability",
                value: f64::from(probabilities[i]),
                range: "between 0 and 1",
            });
        }
        Ok(LabelProbabilities {
            width: *width,
            values: probabilities,
        })
    }

    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The probabilities of each unit.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// One label as two classes, of which the second means that it applies.
    pub fn as_classes(&self, label: usize) -> Distribution {
        two_classes(self.values.iter().skip(label).step_by(self.width.max(1)))
    }

    /// All labels of all units as two classes, row-major.
    pub fn pooled(&self) -> Distribution {
        two_classes(self.values.iter())
    }
}

fn two_classes<'p>(probabilities: impl Iterator<Item = &'p f32>) -> Distribution {
    Distribution::Categorical {
        classes: 2,
        probabilities: probabilities.flat_map(|&p| [1.0 - p, p]).collect(),
    }
}

/// Probabilities of labels beside what is known of them, at least one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labelled<'a> {
    pub probabilities: LabelProbabilities<'a>,
    values: &'a [Option<bool>],
}

impl<'a> Labelled<'a> {
    pub fn parse(
        instrument: &'static str,
        predicted: &'a Distribution,
        truth: &'a Targets,
    ) -> Result<Labelled<'a>, ChallengeError> {
        let probabilities = LabelProbabilities::parse(instrument, predicted)?;
        let Targets::Labels { width, values } = truth else {
            return Err(ChallengeError::WrongKind {
                instrument,
                expected: "true labels",
                got: "another kind of target",
            });
        };
        check_length(instrument, "labels", probabilities.width, *width)?;
        check_rectangular(instrument, *width, values.len())?;
        check_units(instrument, probabilities.len(), truth.len())?;
        Ok(Labelled {
            probabilities,
            values,
        })
    }

    /// Each unit's probabilities and what is known of its labels.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&'a [f32], &'a [Option<bool>])> + use<'a> {
        let known = self.values.chunks_exact(self.probabilities.width.max(1));
        self.probabilities.rows().zip(known)
    }

    /// One label on the units where it is known, as two classes.
    pub fn known(&self, label: usize) -> (Distribution, Targets) {
        self.known_cells(|i| i % self.probabilities.width.max(1) == label)
    }

    /// All known labels of all units, as two classes.
    pub fn pooled(&self) -> (Distribution, Targets) {
        self.known_cells(|_| true)
    }

    fn known_cells(&self, wanted: impl Fn(usize) -> bool) -> (Distribution, Targets) {
        let cells = self.probabilities.values.iter().zip(self.values);
        let (said, truth): (Vec<&f32>, Vec<u32>) = cells
            .enumerate()
            .filter(|(i, _)| wanted(*i))
            .filter_map(|(_, (p, applies))| applies.map(|applies| (p, u32::from(applies))))
            .unzip();
        (two_classes(said.into_iter()), Targets::Classes(truth))
    }
}

/// What a prediction is of, for messages.
fn kind_of(predicted: &Distribution) -> &'static str {
    match predicted {
        Distribution::Categorical { .. } => "probabilities of classes",
        Distribution::Bernoulli { .. } => "probabilities of labels",
        Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => "predicted numbers",
    }
}

/// The most probable class (the first of equals) and its probability.
pub(crate) fn top(row: &[f32]) -> (usize, f64) {
    let best = (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best });
    (best, row.first().map_or(0.0, |_| f64::from(row[best])))
}

/// Probabilities beside the true classes, at least one unit, each class below `classes`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classified<'a> {
    pub probabilities: Probabilities<'a>,
    pub labels: &'a [u32],
}

impl<'a> Classified<'a> {
    pub fn parse(
        instrument: &'static str,
        predicted: &'a Distribution,
        truth: &'a Targets,
    ) -> Result<Classified<'a>, ChallengeError> {
        let probabilities = Probabilities::parse(instrument, predicted)?;
        let Targets::Classes(labels) = truth else {
            return Err(ChallengeError::WrongKind {
                instrument,
                expected: "true classes",
                got: "another kind of target",
            });
        };
        check_units(instrument, probabilities.len(), labels.len())?;
        let last = probabilities.classes.saturating_sub(1);
        if let Some(i) = labels.iter().position(|&label| label as usize > last) {
            return Err(ChallengeError::Label {
                instrument,
                unit: i + 1,
                label: labels[i],
                last,
            });
        }
        Ok(Classified {
            probabilities,
            labels,
        })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Each unit's probabilities and true class.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&'a [f32], usize)> + use<'a> {
        let labels = self.labels.iter().map(|&label| label as usize);
        self.probabilities.rows().zip(labels)
    }

    /// Each unit's top probability, and whether that class is the true one.
    pub fn confidence(&self) -> Vec<(f64, bool)> {
        self.rows()
            .map(|(row, label)| {
                let (class, confidence) = top(row);
                (confidence, class == label)
            })
            .collect()
    }
}

/// Predicted numbers `[units, width]`, as normal distributions (finite means; variances finite and not negative) or as
/// quantiles (finite, ascending).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a> {
    pub width: usize,
    kind: NumbersKind<'a>,
}

#[derive(Debug, Clone, Copy)]
enum NumbersKind<'a> {
    Normal {
        mean: &'a [f32],
        variance: &'a [f32],
    },
    Quantiles {
        levels: &'a [f32],
        values: &'a [f32],
    },
}

/// What is said of one number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number<'a> {
    Normal { mean: f64, sd: f64 },
    Quantiles(QuantileFunction<'a>),
}

impl<'a> Number<'a> {
    /// Mean and standard deviation. One of zero is raised, so that one can divide by it.
    pub fn moments(&self) -> (f64, f64) {
        match self {
            Number::Normal { mean, sd } => (*mean, *sd),
            Number::Quantiles(quantiles) => {
                let (mean, variance) = quantiles.moments();
                (mean, variance.max(f64::from(f32::MIN_POSITIVE)).sqrt())
            }
        }
    }

    /// The quantiles, where they are what is said.
    pub fn quantiles(
        &self,
        instrument: &'static str,
    ) -> Result<QuantileFunction<'a>, ChallengeError> {
        match self {
            Number::Quantiles(quantiles) => Ok(*quantiles),
            Number::Normal { .. } => Err(ChallengeError::WrongKind {
                instrument,
                expected: "predicted quantiles",
                got: "means and variances",
            }),
        }
    }

    /// The probability of a value of at most `y`.
    pub fn cumulative(&self, y: f64) -> f64 {
        match self {
            Number::Normal { mean, sd } => normal_cdf((y - mean) / sd),
            Number::Quantiles(quantiles) => quantiles.cumulative(y),
        }
    }
}

impl<'a> Numbers<'a> {
    pub fn parse(
        instrument: &'static str,
        predicted: &'a Distribution,
    ) -> Result<Numbers<'a>, ChallengeError> {
        let (width, kind) = match predicted {
            Distribution::Gaussian {
                width,
                mean,
                variance,
            } => {
                check_rectangular(instrument, *width, mean.len())?;
                check_length(instrument, "variances", mean.len(), variance.len())?;
                check_finite(instrument, "mean", *width, mean)?;
                check_finite(instrument, "variance", *width, variance)?;
                if let Some(i) = variance.iter().position(|&v| v < 0.0) {
                    return Err(ChallengeError::Setting {
                        instrument,
                        name: "a predicted variance",
                        value: f64::from(variance[i]),
                        range: "zero or more",
                    });
                }
                (*width, NumbersKind::Normal { mean, variance })
            }
            Distribution::Quantiles {
                width,
                levels,
                values,
            } => {
                check_rectangular(instrument, *width * levels.len(), values.len())?;
                check_finite(instrument, "quantile", *width * levels.len(), values)?;
                let cells = values.chunks_exact(levels.len().max(1));
                if let Some(i) = cells
                    .map(|values| QuantileFunction::new(levels, values))
                    .position(|cell| cell.is_none())
                {
                    return Err(ChallengeError::Setting {
                        instrument,
                        name: "the number of a unit with its quantiles, or their levels, out of order",
                        value: (i / width + 1) as f64,
                        range: "no unit",
                    });
                }
                (*width, NumbersKind::Quantiles { levels, values })
            }
            Distribution::Categorical { .. } | Distribution::Bernoulli { .. } => {
                return Err(ChallengeError::WrongKind {
                    instrument,
                    expected: "predicted numbers",
                    got: kind_of(predicted),
                });
            }
        };
        Ok(Numbers { width, kind })
    }

    fn cell_count(&self) -> usize {
        match self.kind {
            NumbersKind::Normal { mean, .. } => mean.len(),
            NumbersKind::Quantiles { levels, values } => values.len() / levels.len().max(1),
        }
    }

    pub fn len(&self) -> usize {
        self.cell_count() / self.width.max(1)
    }

    /// What is said of each unit and target, row-major. A variance of zero is raised to the smallest normal 32-bit number, so that
    /// one can divide by it.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = Number<'a>> + use<'a> {
        let kind = self.kind;
        (0..self.cell_count()).map(move |i| match kind {
            NumbersKind::Normal { mean, variance } => Number::Normal {
                mean: f64::from(mean[i]),
                sd: f64::from(variance[i].max(f32::MIN_POSITIVE)).sqrt(),
            },
            NumbersKind::Quantiles { levels, values } => {
                let values = &values[i * levels.len()..(i + 1) * levels.len()];
                match QuantileFunction::new(levels, values) {
                    Some(quantiles) => Number::Quantiles(quantiles),
                    None => unreachable!("`parse` has checked it"),
                }
            }
        })
    }

    /// Mean and standard deviation of each unit and target, row-major.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + use<'a> {
        self.numbers().map(|number| number.moments())
    }
}

/// Predicted numbers beside the true values, at least one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured<'a> {
    pub numbers: Numbers<'a>,
    values: &'a [f32],
}

impl<'a> Measured<'a> {
    pub fn parse(
        instrument: &'static str,
        predicted: &'a Distribution,
        truth: &'a Targets,
    ) -> Result<Measured<'a>, ChallengeError> {
        let numbers = Numbers::parse(instrument, predicted)?;
        let Targets::Values { width, values } = truth else {
            return Err(ChallengeError::WrongKind {
                instrument,
                expected: "true numbers",
                got: "another kind of target",
            });
        };
        check_length(instrument, "targets", numbers.width, *width)?;
        check_rectangular(instrument, *width, values.len())?;
        check_units(instrument, numbers.len(), truth.len())?;
        check_finite(instrument, "true value", *width, values)?;
        Ok(Measured { numbers, values })
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn width(&self) -> usize {
        self.numbers.width
    }

    /// Mean, standard deviation and true value of each unit and target, row-major.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = (f64, f64, f64)> + use<'a> {
        let cells = self.numbers.cells().zip(self.truth());
        cells.map(|((mean, sd), y)| (mean, sd, y))
    }

    /// The true value of each unit and target, row-major.
    pub fn truth(&self) -> impl ExactSizeIterator<Item = f64> + use<'a> {
        self.values.iter().map(|&y| f64::from(y))
    }

    /// What is said of each unit and target beside its true value, row-major.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = (Number<'a>, f64)> + use<'a> {
        self.numbers.numbers().zip(self.truth())
    }

    /// `(y - mu) / sigma` of each unit and target, row-major.
    pub fn standardised(&self) -> impl ExactSizeIterator<Item = f64> + use<'a> {
        self.cells().map(|(mean, sd, y)| (y - mean) / sd)
    }
}

/// Checks predictions of either kind against the truth; at least one unit.
pub(crate) fn check(
    instrument: &'static str,
    predicted: &Distribution,
    truth: &Targets,
) -> Result<(), ChallengeError> {
    match predicted {
        Distribution::Categorical { .. } => {
            Classified::parse(instrument, predicted, truth).map(|_| ())
        }
        Distribution::Bernoulli { .. } => Labelled::parse(instrument, predicted, truth).map(|_| ()),
        Distribution::Gaussian { .. } | Distribution::Quantiles { .. } => {
            Measured::parse(instrument, predicted, truth).map(|_| ())
        }
    }
}

/// Checks that two counts agree.
pub(crate) fn check_length(
    instrument: &'static str,
    what: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), ChallengeError> {
    if expected == got {
        return Ok(());
    }
    Err(ChallengeError::Lengths {
        instrument,
        what,
        expected,
        got,
    })
}

/// Checks that no number is NaN or infinite; `width` numbers belong to one unit.
pub(crate) fn check_finite<T: Copy + Into<f64>>(
    instrument: &'static str,
    what: &'static str,
    width: usize,
    values: &[T],
) -> Result<(), ChallengeError> {
    let broken = values.iter().position(|&v| !v.into().is_finite());
    match broken {
        None => Ok(()),
        Some(i) => Err(ChallengeError::NotFinite {
            instrument,
            what,
            unit: i / width.max(1) + 1,
            value: values[i].into(),
        }),
    }
}

fn check_units(
    instrument: &'static str,
    predictions: usize,
    targets: usize,
) -> Result<(), ChallengeError> {
    check_length(instrument, "true values", predictions, targets)?;
    if targets == 0 {
        return Err(ChallengeError::TooFew {
            instrument,
            what: "units",
            needed: 1,
            got: 0,
        });
    }
    Ok(())
}

/// Checks that `numbers` fill whole rows of `width` columns, of which there is at least one.
fn check_rectangular(
    instrument: &'static str,
    width: usize,
    numbers: usize,
) -> Result<(), ChallengeError> {
    if width == 0 {
        return Err(ChallengeError::TooFew {
            instrument,
            what: "predicted columns",
            needed: 1,
            got: 0,
        });
    }
    let whole = numbers / width * width;
    check_length(instrument, "numbers in whole rows", whole, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(p: &[f32]) -> Distribution {
        Distribution::Categorical {
            classes: 2,
            probabilities: p.to_vec(),
        }
    }

    fn normal(mean: f32, variance: f32) -> Distribution {
        Distribution::Gaussian {
            width: 1,
            mean: vec![mean],
            variance: vec![variance],
        }
    }

    fn labels_at(probabilities: &[f32]) -> Distribution {
        Distribution::Bernoulli {
            width: 2,
            probabilities: probabilities.to_vec(),
        }
    }

    fn known(values: &[Option<bool>]) -> Targets {
        Targets::Labels {
            width: 2,
            values: values.to_vec(),
        }
    }

    #[test]
    fn labels_become_classes_where_they_are_known() {
        let predicted = labels_at(&[0.25, 0.5, 0.75, 1.0]);
        let truth = known(&[Some(true), None, Some(false), Some(true)]);
        let labelled = Labelled::parse("test", &predicted, &truth).unwrap();
        let classes = |p: &[f32]| classes(p);
        assert_eq!(
            labelled.known(0),
            (
                classes(&[0.75, 0.25, 0.25, 0.75]),
                Targets::Classes(vec![1, 0])
            )
        );
        assert_eq!(
            labelled.known(1),
            (classes(&[0.0, 1.0]), Targets::Classes(vec![1]))
        );
        let pooled = classes(&[0.75, 0.25, 0.25, 0.75, 0.0, 1.0]);
        assert_eq!(labelled.pooled(), (pooled, Targets::Classes(vec![1, 0, 1])));
        assert_eq!(
            labelled.probabilities.as_classes(1),
            classes(&[0.5, 0.5, 0.0, 1.0])
        );
    }

    fn quantiles(values: &[f32]) -> Distribution {
        Distribution::Quantiles {
            width: 1,
            levels: vec![0.25, 0.75],
            values: values.to_vec(),
        }
    }

    #[test]
    fn broken_predictions_are_refused_with_the_place() {
        let labels = |l: &[u32]| Targets::Classes(l.to_vec());
        let number = |y: f32| Targets::Values {
            width: 1,
            values: vec![y],
        };
        let cases = [
            // Second row sums to 0.9.
            (
                classes(&[0.5, 0.5, 0.5, 0.4]),
                labels(&[0, 0]),
                "unit 2 are negative or sum to 0.9",
            ),
            (classes(&[1.5, -0.5]), labels(&[0]), "negative"),
            (classes(&[f32::NAN, 0.5]), labels(&[0]), "NaN"),
            // Half a row.
            (classes(&[0.5, 0.5, 0.5]), labels(&[0]), "whole rows"),
            (classes(&[0.5, 0.5]), labels(&[2]), "class 2"),
            (classes(&[0.5, 0.5]), labels(&[0, 1]), "expected 1"),
            (classes(&[]), labels(&[]), "at least 1 units"),
            (classes(&[0.5, 0.5]), number(1.0), "true classes"),
            (normal(0.0, -1.0), number(1.0), "zero or more"),
            (normal(f32::NAN, 1.0), number(1.0), "mean of unit 1 is NaN"),
            (
                normal(0.0, 1.0),
                number(f32::INFINITY),
                "true value of unit 1 is inf",
            ),
            (normal(0.0, 1.0), labels(&[0]), "true numbers"),
            (
                quantiles(&[0.0, 1.0, 2.0, 1.0]),
                Targets::Values {
                    width: 1,
                    values: vec![1.0, 1.0],
                },
                "out of order is 2",
            ),
            (quantiles(&[0.0]), number(1.0), "whole rows"),
            (
                labels_at(&[0.5, 1.5]),
                known(&[None, None]),
                "between 0 and 1",
            ),
            (
                labels_at(&[0.5, f32::NAN]),
                known(&[None, None]),
                "probability of unit 1 is NaN",
            ),
            (labels_at(&[0.5, 0.5]), labels(&[0]), "true labels"),
            (labels_at(&[0.5; 4]), known(&[None, None]), "expected 2"),
            (
                quantiles(&[0.0, f32::NAN]),
                number(1.0),
                "quantile of unit 1 is NaN",
            ),
        ];
        for (predicted, truth, part) in cases {
            let message = check("test", &predicted, &truth).unwrap_err().to_string();
            assert!(message.contains(part), "{message} should hold {part}");
        }
    }

    #[test]
    fn a_variance_of_zero_can_be_divided_by() {
        let predicted = normal(1.0, 0.0);
        let numbers = Numbers::parse("test", &predicted).unwrap();
        let (_, sd) = numbers.cells().next().unwrap();
        assert!(sd > 0.0 && (1.0 / sd).is_finite());
    }

    #[test]
    fn the_first_of_equal_probabilities_is_the_top() {
        assert_eq!(top(&[0.4, 0.4, 0.2]), (0, f64::from(0.4f32)));
    }
}
