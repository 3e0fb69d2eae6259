use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use candor_nn::Linear;
use rand_chacha::ChaCha8Rng;

use super::linear;

/// Moments of the moving average.
const AVERAGE: usize = 25;

/// A linear map of the trend (a moving average) and another of the remainder, the same for all series.
///
/// # Reference
/// Zeng et al., "Are Transformers Effective for Time Series Forecasting?", AAAI 2023, section 4; one map for all series, as in the
/// experiments of the paper.
#[derive(Module, Debug)]
pub struct Dlinear {
    trend: Linear,
    remainder: Linear,
}

impl Dlinear {
    /// Draws the weights.
    pub fn new(
        history: usize,
        horizons: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Dlinear {
        Dlinear {
            trend: linear(history, horizons, stream, device),
            remainder: linear(history, horizons, stream, device),
        }
    }

    /// `[series, windows, history]` to `[series, windows, horizons]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [series, windows, history] = x.dims();
        let average = TensorData::new(average(history), [history, history]);
        let flat = x.clone().reshape([series * windows, history]);
        let trend = flat.matmul(Tensor::from_data(average, &x.device()));
        let trend = trend.reshape([series, windows, history]);
        self.trend.forward(trend.clone()) + self.remainder.forward(x - trend)
    }
}

/// `[from, to]`: the share of each moment in each mean; the ends are repeated beyond the window.
fn average(history: usize) -> Vec<f32> {
    let half = (AVERAGE / 2) as i64;
    let mut shares = vec![0.0; history * history];
    for to in 0..history as i64 {
        for beside in -half..=half {
            let from = (to + beside).clamp(0, history as i64 - 1);
            shares[from as usize * history + to as usize] += 1.0 / AVERAGE as f32;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_average_keeps_what_is_constant_and_the_middle_of_a_ramp() {
        let history = 60;
        let shares = average(history);
        let of = |values: &dyn Fn(usize) -> f32, to: usize| -> f32 {
            (0..history)
                .map(|from| values(from) * shares[from * history + to])
                .sum()
        };
        for to in [0, 30, 59] {
            assert!((of(&|_| 2.0, to) - 2.0).abs() < 1e-5);
        }
        assert!((of(&|t| t as f32, 30) - 30.0).abs() < 1e-4);
        assert!((of(&|t| t as f32, 0) - 78.0 / 25.0).abs() < 1e-4);
    }
}
