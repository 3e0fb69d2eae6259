use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A parameter drawn uniformly from `[-bound, bound]`.
pub(crate) fn uniform<const D: usize>(
    shape: [usize; D],
    bound: f32,
    stream: &mut ChaCha8Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| (stream.random::<f32>() * 2.0 - 1.0) * bound)
        .collect();
    Param::from_data(TensorData::new(values, shape), device)
}

/// A parameter drawn from a normal distribution of mean 0 (Box & Muller 1958).
pub(crate) fn normal<const D: usize>(
    shape: [usize; D],
    sd: f32,
    stream: &mut ChaCha8Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let count: usize = shape.iter().product();
    let draw = |stream: &mut ChaCha8Rng| {
        let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * stream.random::<f64>();
        (radius * angle.cos()) as f32 * sd
    };
    let values: Vec<f32> = (0..count).map(|_| draw(stream)).collect();
    Param::from_data(TensorData::new(values, shape), device)
}

/// A parameter of equal values.
pub(crate) fn constant<const D: usize>(
    shape: [usize; D],
    value: f32,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    Param::from_data(TensorData::new(vec![value; count], shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::wide;
    use candor_core::Seed;

    /// Mean and standard deviation.
    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        (mean, (square / values.len() as f64).sqrt())
    }

    #[test]
    fn uniform_values_fill_their_interval() {
        let mut stream = Seed(0).stream("uniform", &[]);
        let values = wide(&uniform([100, 100], 0.3, &mut stream, &Device::flex()).val());
        assert!(values.iter().all(|v| v.abs() <= 0.3 + 1e-7));
        let (mean, sd) = moments(&values);
        // The standard deviation is 0.3 / sqrt(3) = 0.1732, and that of the mean of 10,000 a hundredth of it.
        assert!(mean.abs() < 4.0 * 0.00173 && (sd - 0.1732).abs() < 0.004);
    }

    #[test]
    fn normal_values_have_the_variance_and_the_tails_of_the_law() {
        let mut stream = Seed(0).stream("normal", &[]);
        let values = wide(&normal([10_000], 2.0, &mut stream, &Device::flex()).val());
        let (mean, sd) = moments(&values);
        assert!(mean.abs() < 4.0 * 0.02 && (sd - 2.0).abs() < 4.0 * 0.0142);
        // 4.55 % lie beyond two standard deviations; the count's own is 21.
        let beyond = values.iter().filter(|v| v.abs() > 4.0).count() as f64;
        assert!((beyond - 455.0).abs() < 4.0 * 21.0);
    }

    #[test]
    fn the_same_stream_gives_the_same_parameter() {
        let draw = |seed: u64| {
            let mut stream = Seed(seed).stream("init", &[]);
            let first = uniform([5], 1.0, &mut stream, &Device::flex()).val();
            let second = normal([5], 1.0, &mut stream, &Device::flex()).val();
            [wide(&first), wide(&second)]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
