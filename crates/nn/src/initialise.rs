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
