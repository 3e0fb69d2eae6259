use burn::tensor::Device;
use candor_core::{Distribution, Targets};
use candor_nn::{HeadKind, Pass, Weights};

use super::SelfDoubt;
use super::symmetric::{Spectrum, spectrum};
use crate::predict::{entropy, raw_of};
use crate::{Batches, MemberError, Network, NetworkPrediction};

/// Units that the curvature is measured on, at most; what they tell is scaled up.
const UNITS: usize = 20_000;
/// Precisions of the prior that are tried: powers of ten in twentieths, from 10^-4 to 10^6.
const PRECISIONS: (i32, i32) = (-80, 120);
/// `pi / 8`, with which a probit is nearest to a logistic curve (MacKay 1992, equation 24).
const PROBIT: f64 = std::f64::consts::FRAC_PI_8;

/// A normal distribution of the weights of a network's last layer about those that were learned. Everything before it is held for certain,
/// so that normalisation, recurrence and the like do not matter.
///
/// *Classes*: the curvature is factorised into the second moments of what the last layer sees, with a one for the offset, and the mean
/// covariance of the classes (`A ⊗ G`); both are diagonalised once, so that a unit costs `O(d² + d K)`, and no covariance over all
/// weights is ever formed. Logits are normal then, and the probability of a class follows from the pairwise differences of logits in
/// closed form. What adds the same to all logits changes no probability and is left out.
/// *Labels and numbers*: the curvature of each output by itself, exactly, with the noise that the network tells of each unit taken as given;
/// a number stays normal, and its variance is the sum of noise and doubt.
///
/// The precision of the prior, one for all weights of the layer, maximises the marginal likelihood. For classes and labels it is never less than
/// that of a prior as wide as the learned weights themselves: where a network knows its units by heart the curvature is near nothing,
/// the posterior is not normal, and the marginal likelihood would widen the prior until every answer is a doubt.
///
/// # Reference
/// MacKay, "The Evidence Framework Applied to Classification Networks", 1992 (probit, evidence); Ritter, Botev & Barber, ICLR 2018 (factors);
/// Daxberger et al., "Laplace Redux", NeurIPS 2021; Lu, Ie & Sha, "Mean-Field Approximation to the Gaussian-Softmax Integral", 2020,
/// equation 9 (several classes by pairs).
#[derive(Debug, Clone, PartialEq)]
pub struct LastLayerLaplace {
    /// The chosen precision of the prior.
    pub prior_precision: f64,
    members: Vec<Posterior>,
}

/// Of one member inside the network. 32-bit, so that it is the same when saved and loaded.
#[derive(Debug, Clone, PartialEq)]
struct Posterior {
    /// Numbers that the last layer sees, with the one for the offset.
    width: usize,
    /// Eigenvectors of the curvature `[bases, width, width]`: one basis for all classes, else one for each output.
    bases: Vec<f32>,
    /// Variance along each eigenvector `[outputs, width]`, for each direction of the logits, label or number.
    scales: Vec<f32>,
    /// Directions of the logits `[classes - 1, classes]`, orthonormal; empty for labels and numbers.
    directions: Vec<f32>,
}

/// The curvature of one member before a prior is added: `(basis, eigenvalues, multipliers)` for each output.
struct Curvature {
    width: usize,
    bases: Vec<Spectrum>,
    /// What eigenvalues are multiplied by, one for each output; `bases` are one, or as many.
    multipliers: Vec<f64>,
    directions: Vec<f64>,
    /// Squared norm of the learned weights that this is about.
    norm: f64,
}

impl LastLayerLaplace {
    /// Measures the curvature on the units that the network learned from, `targets` being those of all units: labels that are not known tell nothing.
    ///
    /// # Errors
    /// When there are no units, the network does not end with a [`candor_nn::Head`] or with one that this does not fit, or predictions are no numbers.
    pub fn fit<N: Network, B: Batches<Batch = N::Batch>>(
        network: &N,
        data: &B,
        targets: &Targets,
        units: &[usize],
        head: &HeadKind,
        device: &Device,
    ) -> Result<LastLayerLaplace, MemberError> {
        let refuse = |why: &str| MemberError::Training(format!("Laplace's approximation: {why}"));
        let last_layer = network
            .last_layer()
            .ok_or_else(|| refuse("the network has no last layer of its own"))?;
        let outputs = match head {
            HeadKind::Softmax { classes, .. } => *classes,
            HeadKind::Sigmoid { width, .. }
            | HeadKind::Gaussian { width, .. }
            | HeadKind::Laplace { width } => *width,
            _ => return Err(refuse("it does not fit this predictive distribution")),
        };
        // Evenly, so that the order of the units does not matter much.
        let step = units.len().div_ceil(UNITS).max(1);
        let chosen: Vec<usize> = units.iter().copied().step_by(step).collect();
        if chosen.is_empty() || outputs == 0 {
            return Err(refuse("there is nothing to measure it on"));
        }
        let more = units.len() as f64 / chosen.len() as f64;
        let maps = last_layer.maps();
        let mut sums: Vec<Sums> = Vec::new();
        for chunk in chosen.chunks(data.units_at_once().max(1)) {
            let seen = network.forward(&data.batch(chunk, device), &mut Pass::evaluation());
            let [members, units, width] = seen.embedding.dims();
            let embedding: Vec<f32> = seen.embedding.into_data().iter::<f32>().collect();
            sums.resize_with(members, || Sums::new(head, width + 1, outputs));
            for (m, sums) in sums.iter_mut().enumerate() {
                let raw = raw_of(&seen.raw, m);
                let rows = embedding[m * units * width..][..units * width].chunks_exact(width);
                sums.add(head, &head.distribution(raw), rows, &|unit, label| {
                    is_known(targets, chunk[unit], label)
                });
            }
        }
        let curvatures: Vec<Curvature> = sums
            .into_iter()
            .zip(&maps)
            .map(|(sums, map)| sums.curvature(more, map))
            .collect();
        let sound = |c: &Curvature| {
            c.bases
                .iter()
                .flat_map(|b| &b.values)
                .all(|v| v.is_finite())
        };
        if !curvatures.iter().all(sound) {
            return Err(refuse("the curvature is not finite"));
        }
        let of_numbers = matches!(head, HeadKind::Gaussian { .. } | HeadKind::Laplace { .. });
        let prior_precision = best_precision(&curvatures, !of_numbers);
        let members = curvatures.iter().map(|c| c.posterior(prior_precision));
        Ok(LastLayerLaplace {
            prior_precision,
            members: members.collect(),
        })
    }

    /// The same weights with these tensors beside them.
    pub(super) fn write(&self, weights: &mut Weights) {
        for (m, member) in self.members.iter().enumerate() {
            let d = member.width;
            let outputs = member.scales.len() / d;
            let bases = member.bases.len() / (d * d);
            let mut put = |name: &str, shape: Vec<usize>, values: &[f32]| {
                weights.put(format!("doubt.{m}.{name}"), shape, values.to_vec());
            };
            put("bases", vec![bases, d, d], &member.bases);
            put("scales", vec![outputs, d], &member.scales);
            if !member.directions.is_empty() {
                put("directions", vec![outputs, outputs + 1], &member.directions);
            }
        }
    }

    /// What [`LastLayerLaplace::write`] wrote, if it fits the head.
    pub(super) fn read(
        weights: &Weights,
        members: usize,
        head: &HeadKind,
        prior_precision: f64,
    ) -> Result<LastLayerLaplace, MemberError> {
        let malformed = || MemberError::Malformed("its doubt of the last layer is damaged".into());
        let read = |m: usize| -> Option<Posterior> {
            let (shape, bases) = weights.get(&format!("doubt.{m}.bases"))?;
            let (_, scales) = weights.get(&format!("doubt.{m}.scales"))?;
            let directions = weights.get(&format!("doubt.{m}.directions"));
            let [count, width, again] = *shape else {
                return None;
            };
            let (expected, outputs) = match head {
                HeadKind::Softmax { classes, .. } => (1, classes.saturating_sub(1)),
                HeadKind::Sigmoid { width, .. }
                | HeadKind::Gaussian { width, .. }
                | HeadKind::Laplace { width } => (*width, *width),
                _ => return None,
            };
            let directions = directions.map_or(&[][..], |(_, values)| values);
            let classes = matches!(head, HeadKind::Softmax { .. });
            let across = if classes { outputs * (outputs + 1) } else { 0 };
            let sound = count == expected
                && width == again
                && scales.len() == outputs * width
                && scales.iter().all(|s| *s >= 0.0)
                && directions.len() == across;
            sound.then(|| Posterior {
                width,
                bases: bases.to_vec(),
                scales: scales.to_vec(),
                directions: directions.to_vec(),
            })
        };
        let members = (0..members).map(|m| read(m).ok_or_else(malformed));
        Ok(LastLayerLaplace {
            prior_precision,
            members: members.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the last layer sees as many numbers as it did.
    pub(super) fn fits(&self, width: usize) -> bool {
        self.members.iter().all(|m| m.width == width + 1)
    }
}

impl SelfDoubt for LastLayerLaplace {
    fn predict<N: Network, B: Batches<Batch = N::Batch>>(
        &self,
        network: &N,
        data: &B,
        indices: &[usize],
        head: &HeadKind,
        device: &Device,
    ) -> NetworkPrediction {
        NetworkPrediction::gather(network, data, indices, device, &mut |raw, embedding, m| {
            let member = &self.members[m.min(self.members.len() - 1)];
            let width = member.width - 1;
            let rows = embedding.chunks_exact(width);
            let logits: Vec<f32> = raw.clone().into_data().iter::<f32>().collect();
            let said = head.distribution(raw);
            let (said, own) = member.answer(said, &logits, rows);
            (said, Some(own))
        })
    }
}

/// Whether a label of a unit is known.
fn is_known(targets: &Targets, unit: usize, label: usize) -> bool {
    match targets {
        Targets::Labels { width, values } => {
            let value = values.get(unit * width + label);
            value.is_some_and(Option::is_some)
        }
        Targets::Classes(_) | Targets::Values { .. } => true,
    }
}

/// Sums over units from which the curvature follows.
struct Sums {
    width: usize,
    /// `[bases, width, width]`, lower triangles.
    moments: Vec<f64>,
    /// `[classes, classes]`, the sum of the covariances of the classes; empty for labels and numbers.
    covariance: Vec<f64>,
    outputs: usize,
    units: f64,
}

impl Sums {
    fn new(head: &HeadKind, width: usize, outputs: usize) -> Sums {
        let classes = matches!(head, HeadKind::Softmax { .. });
        let (bases, across) = if classes {
            (1, outputs * outputs)
        } else {
            (outputs, 0)
        };
        Sums {
            width,
            moments: vec![0.0; bases * width * width],
            covariance: vec![0.0; across],
            outputs,
            units: 0.0,
        }
    }

    fn add<'r>(
        &mut self,
        head: &HeadKind,
        said: &Distribution,
        rows: impl Iterator<Item = &'r [f32]>,
        known: &dyn Fn(usize, usize) -> bool,
    ) {
        // Of absolute errors the information about the middle is 1 / b², that is 2 over the variance.
        let information = if matches!(head, HeadKind::Laplace { .. }) {
            2.0
        } else {
            1.0
        };
        for (unit, row) in rows.enumerate() {
            let seen = with_one(row);
            self.units += 1.0;
            let weigh = |output: usize| match said {
                Distribution::Bernoulli {
                    width,
                    probabilities,
                } => {
                    let p = f64::from(probabilities[unit * width + output]);
                    if known(unit, output) {
                        p * (1.0 - p)
                    } else {
                        0.0
                    }
                }
                Distribution::Gaussian {
                    width, variance, ..
                } => information / f64::from(variance[unit * width + output]),
                _ => 1.0,
            };
            let area = self.width * self.width;
            for (output, moments) in self.moments.chunks_exact_mut(area).enumerate() {
                add_outer(moments, &seen, weigh(output));
            }
            if let Distribution::Categorical {
                classes,
                probabilities,
            } = said
            {
                let p = &probabilities[unit * classes..][..*classes];
                for (a, row) in self.covariance.chunks_exact_mut(*classes).enumerate() {
                    for (b, cell) in row.iter_mut().enumerate() {
                        let own = if a == b { f64::from(p[a]) } else { 0.0 };
                        *cell += own - f64::from(p[a]) * f64::from(p[b]);
                    }
                }
            }
        }
    }

    /// `more`: how many units each one stands for. `map`: the learned weights `[width, all outputs]`.
    fn curvature(self, more: f64, map: &[f64]) -> Curvature {
        let (d, outputs) = (self.width, self.outputs);
        let bases = self
            .moments
            .chunks_exact(d * d)
            .map(|lower| spectrum(whole(lower, d, more), d))
            .collect();
        let columns = map.len() / d;
        let square = |of: &dyn Fn(&[f64]) -> f64| map.chunks_exact(columns).map(of).sum::<f64>();
        if self.covariance.is_empty() {
            return Curvature {
                width: d,
                bases,
                multipliers: vec![1.0; outputs],
                directions: Vec::new(),
                norm: square(&|row| row[..outputs].iter().map(|w| w * w).sum()),
            };
        }
        // What adds the same to all logits is made the greatest direction, and left out.
        let mut mean: Vec<f64> = self.covariance.iter().map(|c| c / self.units).collect();
        let trace: f64 = (0..outputs).map(|k| mean[k * outputs + k]).sum();
        mean.iter_mut().for_each(|c| *c += trace + 1.0);
        let Spectrum { values, vectors } = spectrum(mean, outputs);
        let common = (0..outputs).max_by(|a, b| values[*a].total_cmp(&values[*b]));
        let kept = (0..outputs).filter(|k| Some(*k) != common);
        let pairs: Vec<(f64, &[f64])> = kept
            .map(|k| (values[k].max(0.0), &vectors[k * outputs..][..outputs]))
            .collect();
        Curvature {
            width: d,
            bases,
            multipliers: pairs.iter().map(|(value, _)| *value).collect(),
            directions: pairs.iter().flat_map(|(_, v)| v.iter().copied()).collect(),
            norm: square(&|row| {
                let sum: f64 = row.iter().sum();
                row.iter().map(|w| w * w).sum::<f64>() - sum * sum / columns as f64
            }),
        }
    }
}

impl Curvature {
    fn base(&self, output: usize) -> &Spectrum {
        &self.bases[output.min(self.bases.len() - 1)]
    }

    fn eigenvalues(&self) -> impl Iterator<Item = f64> {
        self.multipliers
            .iter()
            .enumerate()
            .flat_map(|(output, by)| {
                let values = self.base(output).values.iter();
                values.map(move |value| (value * by).max(0.0))
            })
    }

    fn posterior(&self, precision: f64) -> Posterior {
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        Posterior {
            width: self.width,
            bases: self.bases.iter().flat_map(|b| narrow(&b.vectors)).collect(),
            scales: self
                .eigenvalues()
                .map(|value| (1.0 / (value + precision)) as f32)
                .collect(),
            directions: narrow(&self.directions),
        }
    }
}

/// The precision with the greatest marginal likelihood: `½ P ln t - ½ t |w|² - ½ sum ln (h + t)` over the eigenvalues `h` of the curvature of
/// all members; what does not depend on it is left out (MacKay 1992, equation 17). `bounded`: at least `P / |w|²`, the precision under which
/// the learned weights are most probable.
fn best_precision(curvatures: &[Curvature], bounded: bool) -> f64 {
    let norm: f64 = curvatures.iter().map(|c| c.norm).sum();
    let evidence = |precision: f64| -> f64 {
        let of_value = |h: f64| precision.ln() - (h + precision).ln();
        let values = curvatures.iter().flat_map(Curvature::eigenvalues);
        0.5 * (values.map(of_value).sum::<f64>() - precision * norm)
    };
    let tried = (PRECISIONS.0..=PRECISIONS.1).map(|i| 10f64.powf(f64::from(i) / 20.0));
    let best = tried.max_by(|a, b| evidence(*a).total_cmp(&evidence(*b)));
    let count = curvatures.iter().flat_map(Curvature::eigenvalues).count() as f64;
    let least = if bounded {
        count / norm.max(f64::MIN_POSITIVE)
    } else {
        0.0
    };
    best.unwrap_or(1.0).max(least)
}

impl Posterior {
    /// The answer for some units with what the network itself says, and how much of its doubt is in the data.
    fn answer<'r>(
        &self,
        mut said: Distribution,
        logits: &[f32],
        rows: impl Iterator<Item = &'r [f32]>,
    ) -> (Distribution, Vec<f32>) {
        let variances: Vec<Vec<f64>> = rows.map(|row| self.variances(&with_one(row))).collect();
        let outputs = variances.first().map_or(1, Vec::len);
        let flat = variances.iter().flatten();
        let own = match &mut said {
            Distribution::Categorical {
                classes,
                probabilities,
            } => {
                let units = probabilities.chunks_exact_mut(*classes);
                let units = units.zip(logits.chunks_exact(*classes)).zip(&variances);
                units
                    .map(|((p, logits), along)| self.of_classes(p, logits, along))
                    .collect()
            }
            Distribution::Bernoulli { probabilities, .. } => {
                let cells = probabilities.iter_mut().zip(logits).zip(flat);
                cells
                    .map(|((p, x), v)| of_label(p, f64::from(*x), *v))
                    .collect()
            }
            Distribution::Gaussian { variance, .. } => {
                let own = variance.clone();
                let cells = variance.iter_mut().zip(flat);
                cells.for_each(|(variance, v)| *variance += *v as f32);
                own
            }
            Distribution::Quantiles { .. } => vec![0.0; variances.len() * outputs],
        };
        (said, own)
    }

    /// The variance of each output, or along each direction of the logits.
    fn variances(&self, seen: &[f64]) -> Vec<f64> {
        let d = self.width;
        let coordinates: Vec<Vec<f64>> = self
            .bases
            .chunks_exact(d * d)
            .map(|basis| basis.chunks_exact(d).map(|v| dot(v, seen)).collect())
            .collect();
        let along = |(output, scales): (usize, &[f32])| -> f64 {
            let coordinates = &coordinates[output.min(coordinates.len() - 1)];
            let terms = coordinates.iter().zip(scales);
            terms.map(|(c, s)| c * c * f64::from(*s)).sum()
        };
        self.scales.chunks_exact(d).enumerate().map(along).collect()
    }

    /// Probabilities of the classes in place, and the entropy that is in the data.
    ///
    /// The entropy has no closed form. Its share of the whole is that of the cubature of third degree, which evaluates the softmax at two points
    /// along each direction (Arasaratnam & Haykin 2009, section III): exact where nothing is doubted, and never more than all.
    fn of_classes(&self, p: &mut [f32], logits: &[f32], along: &[f64]) -> f32 {
        let k = p.len();
        let logits: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
        let direction = |j: usize| &self.directions[j * k..(j + 1) * k];
        let compared = |a: usize, b: usize| -> f64 {
            let apart = |(j, v): (usize, &f64)| {
                let apart = f64::from(direction(j)[b]) - f64::from(direction(j)[a]);
                v * apart * apart
            };
            let variance: f64 = along.iter().enumerate().map(apart).sum();
            (logits[b] - logits[a]) / (1.0 + PROBIT * variance).sqrt()
        };
        let mut told: Vec<f64> = (0..k)
            .map(|a| {
                let odds = (0..k).map(|b| compared(a, b).min(700.0).exp());
                1.0 / odds.sum::<f64>()
            })
            .collect();
        let sum: f64 = told.iter().sum();
        told.iter_mut().for_each(|value| *value /= sum);
        p.iter_mut().zip(&told).for_each(|(p, t)| *p = *t as f32);

        let (mut mean, mut inner, n) = (vec![0.0; k], 0.0, along.len() as f64);
        for (j, variance) in along.iter().enumerate() {
            for sign in [-1.0, 1.0] {
                let step = sign * (n * variance).sqrt();
                let moved = logits.iter().zip(direction(j));
                let at = softmax(moved.map(|(x, v)| x + step * f64::from(*v)));
                inner += entropy(&at) / (2.0 * n);
                mean.iter_mut()
                    .zip(&at)
                    .for_each(|(m, p)| *m += p / (2.0 * n));
            }
        }
        let outer = entropy(&mean);
        let share = if outer > 0.0 {
            (inner / outer).min(1.0)
        } else {
            1.0
        };
        (share * entropy(&told)) as f32
    }
}

/// The probability of a label in place, and the entropy that is in the data, as in [`Posterior::of_classes`].
fn of_label(p: &mut f32, logit: f64, variance: f64) -> f32 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let told = sigmoid(logit / (1.0 + PROBIT * variance).sqrt());
    *p = told as f32;
    let ends = [-1.0, 1.0].map(|sign| sigmoid(logit + sign * variance.sqrt()));
    let both = |p: f64| entropy(&[p, 1.0 - p]);
    let outer = both(0.5 * (ends[0] + ends[1]));
    let inner = 0.5 * (both(ends[0]) + both(ends[1]));
    let share = if outer > 0.0 {
        (inner / outer).min(1.0)
    } else {
        1.0
    };
    (share * both(told)) as f32
}

fn with_one(row: &[f32]) -> Vec<f64> {
    let seen = row.iter().map(|value| f64::from(*value));
    seen.chain(std::iter::once(1.0)).collect()
}

fn dot(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum()
}

/// Adds `weight x xᵀ` to the lower triangle.
fn add_outer(lower: &mut [f64], x: &[f64], weight: f64) {
    let d = x.len();
    for (i, row) in lower.chunks_exact_mut(d).enumerate() {
        let by = weight * x[i];
        row[..=i]
            .iter_mut()
            .zip(x)
            .for_each(|(cell, x)| *cell += by * x);
    }
}

/// Both triangles of a lower one, times a number.
fn whole(lower: &[f64], d: usize, by: f64) -> Vec<f64> {
    let at = |i: usize, j: usize| lower[i.max(j) * d + i.min(j)] * by;
    (0..d * d).map(|place| at(place / d, place % d)).collect()
}

fn softmax(logits: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let greatest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let odds: Vec<f64> = logits.map(|x| (x - greatest).exp()).collect();
    let sum: f64 = odds.iter().sum();
    odds.into_iter().map(|o| o / sum).collect()
}
