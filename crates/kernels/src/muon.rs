use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::Tensor;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;

use crate::adamw::{AdamW, AdamWConfig, Update, updated};
use crate::array::{Array, View};
use crate::extension::Kernel;
use crate::matrix_product::{Matrix, multiply};

/// Settings of Muon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MuonConfig {
    /// Share of the sum of gradients that is kept from step to step, 0 to 1.
    pub momentum: f32,
    /// Of all other parameters; its weight decay holds for filters, too.
    pub others: AdamWConfig,
}

impl Default for MuonConfig {
    fn default() -> MuonConfig {
        MuonConfig {
            momentum: 0.95,
            others: AdamWConfig::default(),
        }
    }
}

/// Momentum whose steps are made orthogonal: the filters of a convolution move by the nearest matrix, `[filters, channels x height x
/// width]`, with singular values of about 1, so that every direction among them learns as fast. All other parameters, and filters
/// that see a single channel, move by [`AdamW`].
///
/// A step is scaled by `0.2 sqrt(longer side)`, which gives it the root mean square that a step of AdamW usually has: one learning rate
/// and one weight decay serve both.
///
/// # Reference
/// Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale is that of Liu et al., "Muon is Scalable for
/// LLM Training", 2025, equation 4.
#[derive(Debug, Clone)]
pub struct Muon {
    config: MuonConfig,
    momenta: HashMap<ParamId, Momentum>,
    others: AdamW,
}

/// The sum of gradients.
type Momentum = Arc<Mutex<Vec<f32>>>;

impl Muon {
    /// Has seen no gradients yet.
    pub fn new(config: MuonConfig) -> Muon {
        Muon {
            config,
            momenta: HashMap::new(),
            others: AdamW::new(config.others),
        }
    }

    /// The network after one step; parameters without a gradient stay as they are.
    pub fn step<M: Module>(&mut self, rate: f64, module: M, gradients: GradientsParams) -> M {
        let others = self.others.update(rate, gradients);
        module.map(&mut Filters {
            config: self.config,
            momenta: &mut self.momenta,
            rate: rate as f32,
            others,
        })
    }
}

struct Filters<'a> {
    config: MuonConfig,
    momenta: &'a mut HashMap<ParamId, Momentum>,
    rate: f32,
    others: Update<'a>,
}

impl ModuleMapper for Filters<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.shape();
        if D != 4 || shape[1] < 2 {
            return self.others.map_float(param);
        }
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.others.gradients.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let empty = || Arc::new(Mutex::new(vec![0.0; shape.num_elements()]));
        let step = Step {
            kept: 1.0 - self.rate * self.config.others.weight_decay,
            momentum: self.config.momentum,
            rate: self.rate,
            sum: self.momenta.entry(id).or_insert_with(empty).clone(),
        };
        let updated = updated(tensor, gradient, step);
        Param::from_mapped_value(id, updated, mapper)
    }
}

/// One step of one parameter. Inputs: the parameter, its gradient.
#[derive(Debug)]
struct Step {
    /// What is left of a weight.
    kept: f32,
    momentum: f32,
    rate: f32,
    sum: Momentum,
}

impl Kernel for Step {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let (weights, gradient) = (inputs[0].values, inputs[1].values);
        let rows = inputs[0].shape[0];
        let columns = weights.len() / rows.max(1);
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = sum.iter_mut().zip(gradient).map(|(sum, g)| {
            *sum = self.momentum * *sum + g;
            // Nesterov's: the sum as it will be.
            g + self.momentum * *sum
        });
        let direction = orthogonalised(ahead.collect(), rows, columns);
        let rate = self.rate * 0.2 * (rows.max(columns) as f32).sqrt();
        let moved = weights.iter().zip(&direction);
        Array {
            shape: inputs[0].shape.to_vec(),
            values: moved.map(|(w, d)| w * self.kept - rate * d).collect(),
        }
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        _gradient: View,
        _wanted: &[bool],
    ) -> Vec<Array> {
        // A step is taken outside of any differentiation.
        Array::zeros_like(inputs)
    }
}

/// Steps of the iteration.
const STEPS: usize = 5;
/// Of `a x + b x^3 + c x^5`, which brings singular values of 0.01 to 1 into 0.7 to 1.2 in five steps (Jordan et al. 2024).
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// About the nearest matrix whose singular values are 1, row-major as `matrix`, by five steps of a Newton-Schulz iteration; zeros stay zeros.
pub(crate) fn orthogonalised(matrix: Vec<f32>, rows: usize, columns: usize) -> Vec<f32> {
    let norm = f64::from(crate::lanes::sum_of_squares(&matrix, 0.0)).sqrt() as f32;
    if norm == 0.0 {
        return matrix;
    }
    let short = rows.min(columns);
    let [a, b, c] = COEFFICIENTS;
    let mut x = matrix;
    x.iter_mut().for_each(|v| *v /= norm);
    let (mut gram, mut square) = (vec![0.0; short * short], vec![0.0; short * short]);
    let mut next = vec![0.0; x.len()];
    for _ in 0..STEPS {
        let own = Matrix::new(&x, rows, columns);
        // The products are taken along the longer side.
        let wide = if rows > columns {
            own.transposed()
        } else {
            own
        };
        multiply(&mut gram, wide, wide.transposed(), false);
        let powers = Matrix::new(&gram, short, short);
        multiply(&mut square, powers, powers, false);
        let polynomial = square.iter_mut().zip(&gram);
        polynomial.for_each(|(square, gram)| *square = b * gram + c * *square);
        (0..short).for_each(|i| square[i * (short + 1)] += a);
        let polynomial = Matrix::new(&square, short, short);
        if rows > columns {
            multiply(&mut next, own, polynomial, false);
        } else {
            multiply(&mut next, polynomial, own, false);
        }
        std::mem::swap(&mut x, &mut next);
    }
    x
}
