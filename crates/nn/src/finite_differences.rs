//! Compares the gradients of automatic differentiation with central finite differences, in tests.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::head::floats;

/// Half-widths of the differences, tried in turn. The first drowns the rounding of 32-bit floats; the second is for
/// values that lie so near to a kink of ReLU that the first reaches over it.
const STEPS: [f32; 2] = [1e-2, 2e-3];
/// Relative difference that is taken for rounding.
const TOLERANCE: f64 = 1e-2;
/// Gradients smaller than this are held to the same absolute difference as this one.
const SMALL: f64 = 0.1;

/// The gradients that are wrong, in words; none when all agree.
///
/// Differentiates a random linear combination of the numbers that `forward` gives, with respect to each number of `x`
/// and each parameter of `module`. The module must be on a device with automatic differentiation, and `forward` must
/// give the same for the same arguments.
pub(crate) fn wrong_gradients<M: Module, const D: usize, const O: usize>(
    module: &M,
    x: &Tensor<D>,
    stream: &mut ChaCha8Rng,
    forward: impl Fn(&M, Tensor<D>) -> Tensor<O>,
) -> Vec<String> {
    let (plain, shape) = (module.valid(), x.dims());
    let output = forward(&plain, x.clone());
    let combination: Vec<f32> = (0..output.shape().num_elements())
        .map(|_| stream.random_range(0.5..1.5) * if stream.random() { 1.0 } else { -1.0 })
        .collect();
    let device = Device::flex().autodiff();
    let coefficients =
        Tensor::<O>::from_data(TensorData::new(combination.clone(), output.dims()), &device);
    let leaf = Tensor::<D>::from_data(x.to_data(), &device).require_grad();
    let gradients = (forward(module, leaf.clone()) * coefficients)
        .sum()
        .backward();
    // What a result does not depend on has no gradient at all.
    let of_x = leaf
        .grad(&gradients)
        .map_or(vec![0.0; shape.iter().product()], floats);
    let mut reader = Reader {
        gradients: &gradients,
        path: Vec::new(),
        found: Vec::new(),
    };
    module.visit(&mut reader);

    // In 64 bits, so that the sum adds no rounding of its own.
    let value = |module: &M, x: Tensor<D>| -> f64 {
        let output = floats(forward(module, x));
        let terms = output.iter().zip(&combination);
        terms.map(|(o, c)| f64::from(*o) * f64::from(*c)).sum()
    };
    let x_nudged = |place: usize, by: f32| {
        let mut values = floats(x.clone());
        values[place] += by;
        let x = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        value(&plain, x)
    };
    let parameter_nudged = |place: usize, by: f32| {
        let nudged = plain.clone().map(&mut Nudge { place, by, seen: 0 });
        value(&nudged, x.clone())
    };
    let inputs = of_x.iter().enumerate().filter_map(|(i, &gradient)| {
        let wrong = disagreement(f64::from(gradient), |by| x_nudged(i, by))?;
        Some(format!("input {i}: {wrong}"))
    });
    let parameters = reader.found.iter().enumerate();
    let parameters = parameters.filter_map(|(i, (name, gradient))| {
        let wrong = disagreement(f64::from(*gradient), |by| parameter_nudged(i, by))?;
        Some(format!("{name}: {wrong}"))
    });
    inputs.chain(parameters).collect()
}

/// What is wrong with a gradient of a function of the distance from where it was taken.
fn disagreement(gradient: f64, f: impl Fn(f32) -> f64) -> Option<String> {
    let differences = STEPS.map(|h| (f(h) - f(-h)) / (2.0 * f64::from(h)));
    // Written so that NaN agrees with nothing.
    let agrees = differences.iter().any(|difference| {
        let scale = gradient.abs().max(difference.abs()).max(SMALL);
        (gradient - difference).abs() <= TOLERANCE * scale
    });
    (!agrees).then(|| format!("gradient {gradient:.5}, finite differences {differences:.5?}"))
}

/// Reads the gradients of all parameters, each with the name of where it belongs.
struct Reader<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: Vec<(String, f32)>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let gradient = value
            .grad(self.gradients)
            .map_or(vec![0.0; value.shape().num_elements()], floats);
        let name = self.path.join(".");
        let named = gradient.into_iter().enumerate();
        self.found
            .extend(named.map(|(i, gradient)| (format!("{name} {i}"), gradient)));
    }
}

/// Moves one number among all parameters, counted in the order in which they are visited.
struct Nudge {
    place: usize,
    by: f32,
    seen: usize,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut values = floats(param.val());
        let here = self.place.checked_sub(self.seen);
        self.seen += values.len();
        match here.filter(|&i| i < values.len()) {
            Some(i) => param.map(|old| {
                values[i] += self.by;
                Tensor::from_data(TensorData::new(values, old.dims()), &old.device())
            }),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linear, LinearConfig};
    use burn::tensor::activation::relu;
    use candor_core::Seed;

    fn linear(stream: &mut ChaCha8Rng) -> Linear {
        let config = LinearConfig {
            input: 1,
            output: 2,
        };
        config.init(stream, &Device::flex().autodiff())
    }

    #[test]
    fn a_gradient_that_is_cut_is_found_where_it_is_cut() {
        let mut stream = Seed(0).stream("finite differences", &[]);
        let layer = linear(&mut stream);
        let x = Tensor::<3>::from_data([[[0.7], [-0.4]]], &Device::flex());
        let mut wrong = |forward: fn(&Linear, Tensor<3>) -> Tensor<3>| -> Vec<String> {
            wrong_gradients(&layer, &x, &mut stream, forward)
        };
        assert_eq!(wrong(|layer, x| layer.forward(x).powi_scalar(2)), [""; 0]);
        // Half of the product rule.
        let named = wrong(|_, x| x.clone() * x.detach());
        assert!(
            named.len() == 2 && named[1].starts_with("input 1:"),
            "{named:?}"
        );
        let named = wrong(|layer, x| layer.forward(x.clone()).detach() + x);
        assert_eq!(named.len(), 2 + 2 + 2, "{named:?}");
        assert!(named[3].starts_with("weight 1:") && named[5].starts_with("bias 1:"));
    }

    #[test]
    fn a_kink_nearby_is_no_fault() {
        let mut stream = Seed(1).stream("finite differences", &[]);
        let layer = linear(&mut stream);
        let x = Tensor::<1>::from_data([0.005, -0.005, 3.0], &Device::flex());
        let wrong = wrong_gradients(&layer, &x, &mut stream, |_, x| relu(x));
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn what_is_no_number_agrees_with_nothing() {
        assert_eq!(disagreement(2.0, |by| 2.0 * f64::from(by)), None);
        assert!(disagreement(f64::NAN, f64::from).is_some());
        assert!(disagreement(1.0, |_| f64::NAN).is_some());
    }
}
