use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::Tensor;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use multiversion::multiversion;

use crate::array::{Array, View, spread};
use crate::extension::{Kernel, is_cpu, run};

/// Settings of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decay per step of the mean of the gradient, 0 to 1.
    pub first_decay: f32,
    /// Decay per step of the mean of its square, 0 to 1.
    pub second_decay: f32,
    /// Added to the root of the latter, above 0.
    pub epsilon: f32,
    /// Share of a weight that is taken away in a step of learning rate 1, 0 or more.
    pub weight_decay: f32,
    /// Each parameter's gradient is scaled down to this norm, if there is one.
    pub gradient_norm: Option<f32>,
}

impl Default for AdamWConfig {
    fn default() -> AdamWConfig {
        AdamWConfig {
            first_decay: 0.9,
            second_decay: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            gradient_norm: None,
        }
    }
}

/// Adam with decoupled weight decay; each parameter is read and written once.
///
/// # Reference
/// Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
    moments: HashMap<ParamId, (i32, Moments)>,
}

/// Means of the gradient and of its square.
type Moments = Arc<Mutex<[Vec<f32>; 2]>>;

impl AdamW {
    /// Has seen no gradients yet.
    pub fn new(config: AdamWConfig) -> AdamW {
        AdamW {
            config,
            moments: HashMap::new(),
        }
    }

    /// The network after one step; parameters without a gradient stay as they are.
    pub fn step<M: Module>(&mut self, rate: f64, module: M, gradients: GradientsParams) -> M {
        module.map(&mut self.update(rate, gradients))
    }

    /// What [`AdamW::step`] does with each parameter.
    pub(crate) fn update(&mut self, rate: f64, gradients: GradientsParams) -> Update<'_> {
        Update {
            adamw: self,
            rate: rate as f32,
            gradients,
        }
    }
}

pub(crate) struct Update<'a> {
    adamw: &'a mut AdamW,
    rate: f32,
    pub gradients: GradientsParams,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let length = tensor.shape().num_elements();
        let empty = || {
            let zeros = || vec![0.0; length];
            (0, Arc::new(Mutex::new([zeros(), zeros()])))
        };
        let (steps, moments) = self.adamw.moments.entry(id).or_insert_with(empty);
        *steps += 1;
        let step = Step {
            config: self.adamw.config,
            rate: self.rate,
            steps: *steps,
            moments: moments.clone(),
        };
        Param::from_mapped_value(id, updated(tensor, gradient, step), mapper)
    }
}

/// A parameter after the step of an optimizer, of which the inputs are the parameter and its gradient.
///
/// On other devices by way of the CPU, where the optimizer keeps what it has seen.
pub(crate) fn updated<const D: usize>(
    tensor: Tensor<D>,
    gradient: Tensor<D>,
    step: impl Kernel + 'static,
) -> Tensor<D> {
    let wants_gradient = tensor.is_require_grad();
    let inner = tensor.inner();
    let device = inner.device();
    let updated = if is_cpu(&device) {
        run(vec![inner.into_dispatch(), gradient.into_dispatch()], step)
    } else {
        let host = burn::tensor::Device::flex();
        let on_host = |t: Tensor<D>| Tensor::<D>::from_data(t.into_data(), &host).into_dispatch();
        let updated: Tensor<D> = run(vec![on_host(inner), on_host(gradient)], step);
        Tensor::from_data(updated.into_data(), &device)
    };
    Tensor::from_inner(updated).set_require_grad(wants_gradient)
}

/// One step of one parameter. Inputs: the parameter, its gradient.
#[derive(Debug)]
struct Step {
    config: AdamWConfig,
    rate: f32,
    steps: i32,
    moments: Moments,
}

/// Numbers that a thread takes at a time.
const PIECE: usize = 1 << 15;

/// The numbers of a step that are the same for all weights.
#[derive(Clone, Copy)]
struct Factors {
    /// Scales the gradient down to the greatest norm.
    gradient: f32,
    /// What is left of a weight.
    kept: f32,
    /// The learning rate with the correction of the first moment.
    rate: f32,
    /// The correction of the root of the second.
    root: f32,
}

impl Step {
    fn factors(&self, norm: f64) -> Factors {
        let c = self.config;
        let most = c.gradient_norm.map_or(f64::INFINITY, f64::from);
        let correction = |decay: f32| 1.0 - f64::from(decay).powi(self.steps);
        Factors {
            gradient: if norm > most {
                (most / norm) as f32
            } else {
                1.0
            },
            kept: 1.0 - self.rate * c.weight_decay,
            rate: (f64::from(self.rate) / correction(c.first_decay)) as f32,
            root: (1.0 / correction(c.second_decay).sqrt()) as f32,
        }
    }
}

impl Kernel for Step {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let (weights, gradient) = (inputs[0].values, inputs[1].values);
        let mut norms = vec![0f64; gradient.len().div_ceil(PIECE)];
        if self.config.gradient_norm.is_some() {
            let parts = norms.iter_mut().zip(gradient.chunks(PIECE)).collect();
            spread(parts, |(norm, gradient)| {
                *norm = f64::from(crate::lanes::sum_of_squares(gradient, 0.0));
            });
        }
        let factors = self.factors(norms.iter().sum::<f64>().sqrt());
        let mut updated = Array::zeros(inputs[0].shape);
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, second] = &mut *moments;
        let moments = first.chunks_mut(PIECE).zip(second.chunks_mut(PIECE));
        let given = weights.chunks(PIECE).zip(gradient.chunks(PIECE));
        let parts = updated.values.chunks_mut(PIECE).zip(moments).zip(given);
        spread(
            parts.collect(),
            |((updated, (first, second)), (weights, gradient))| {
                update(
                    self.config,
                    factors,
                    updated,
                    first,
                    second,
                    weights,
                    gradient,
                );
            },
        );
        updated
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

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn update(
    config: AdamWConfig,
    factors: Factors,
    updated: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    weights: &[f32],
    gradient: &[f32],
) {
    let (a, b) = (config.first_decay, config.second_decay);
    let moments = first.iter_mut().zip(second);
    let given = weights.iter().zip(gradient);
    for ((updated, (first, second)), (weight, g)) in updated.iter_mut().zip(moments).zip(given) {
        let g = g * factors.gradient;
        *first = a * *first + (1.0 - a) * g;
        *second = b * *second + (1.0 - b) * g * g;
        let root = second.sqrt() * factors.root + config.epsilon;
        *updated = weight * factors.kept - factors.rate * *first / root;
    }
}
