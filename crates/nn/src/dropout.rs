use burn::tensor::{Tensor, TensorData};
use rand::Rng;

use crate::Pass;

/// Sets each value to zero with probability `rate` in training, and scales the others by
/// `1 / (1 - rate)`; does nothing in evaluation.
///
/// # Reference
/// Srivastava et al., JMLR 15, 2014 (inverted scaling).
pub fn dropout(x: Tensor<3>, rate: f64, pass: &mut Pass) -> Tensor<3> {
    let Some(stream) = pass.stream().filter(|_| rate > 0.0) else {
        return x;
    };
    let shape = x.dims();
    let count: usize = shape.iter().product();
    let keep = (1.0 / (1.0 - rate)) as f32;
    // Two values from each draw of 64 bits.
    let threshold = (rate * f64::from(u32::MAX)) as u32;
    let mut mask = Vec::with_capacity(count + 1);
    while mask.len() < count {
        let bits = stream.next_u64();
        for half in [bits as u32, (bits >> 32) as u32] {
            mask.push(if half < threshold { 0.0 } else { keep });
        }
    }
    mask.truncate(count);
    let device = x.device();
    x * Tensor::from_data(TensorData::new(mask, shape), &device)
}
