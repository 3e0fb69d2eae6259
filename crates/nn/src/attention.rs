use burn::module::Module;
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass, dropout};

/// One block of a transformer: attention between the tokens of each unit, then a small network on
/// each token, both around a residual path and after a normalisation.
///
/// # Reference
/// Vaswani et al. 2017; the pre-normalised form, as used on tables by Gorishniy et al.,
/// "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionBlockConfig {
    /// Length of a token; a multiple of `heads`.
    pub width: usize,
    /// Parallel attentions.
    pub heads: usize,
    /// Share of values dropped in training, 0 to 1.
    pub dropout: f64,
}

/// See [`AttentionBlockConfig`].
#[derive(Module, Debug)]
pub struct AttentionBlock {
    norm_attention: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    join: Linear,
    norm_mlp: LayerNorm,
    expand: Linear,
    contract: Linear,
    heads: usize,
    dropout: f64,
}

impl AttentionBlockConfig {
    /// Weights as in [`LinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> AttentionBlock {
        let width = self.width;
        let mut linear = |input, output| LinearConfig { input, output }.init(stream, device);
        AttentionBlock {
            query: linear(width, width),
            key: linear(width, width),
            value: linear(width, width),
            join: linear(width, width),
            expand: linear(width, 2 * width),
            contract: linear(2 * width, width),
            norm_attention: LayerNormConfig { width }.init(device),
            norm_mlp: LayerNormConfig { width }.init(device),
            heads: self.heads,
            dropout: self.dropout,
        }
    }
}

impl AttentionBlock {
    /// `[units, tokens, width]`, unchanged in shape.
    pub fn forward(&self, x: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        let attended = self.attend(self.norm_attention.forward(x.clone()));
        let x = x + dropout(attended, self.dropout, pass);
        let hidden = gelu(self.expand.forward(self.norm_mlp.forward(x.clone())));
        x + self.contract.forward(dropout(hidden, self.dropout, pass))
    }

    fn attend(&self, x: Tensor<3>) -> Tensor<3> {
        let (q, k, v) = (
            self.query.forward(x.clone()),
            self.key.forward(x.clone()),
            self.value.forward(x),
        );
        let mixed = candor_kernels::attention(q, k, v, self.heads)
            .unwrap_or_else(|e| unreachable!("made for this width and these heads: {e}"));
        self.join.forward(mixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes, wide};
    use burn::tensor::TensorData;
    use candor_core::Seed;

    /// Gaussian error function by its Taylor series, exact to twelve digits where it is used.
    fn erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..80 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    /// The block on the tokens of one unit, in loops over the weights read out of it.
    struct Reference {
        weights: Weights,
        width: usize,
        heads: usize,
    }

    impl Reference {
        fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
            let weight = self.weights.values(&format!("{name}.weight"));
            let bias = self.weights.values(&format!("{name}.bias"));
            let output = bias.len();
            (0..output)
                .map(|o| {
                    bias[o]
                        + (0..x.len())
                            .map(|i| x[i] * weight[i * output + o])
                            .sum::<f64>()
                })
                .collect()
        }

        fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
            let scale = self.weights.values(&format!("{name}.scale"));
            let shift = self.weights.values(&format!("{name}.shift"));
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
            (0..x.len())
                .map(|i| (x[i] - mean) / (variance + 1e-5).sqrt() * scale[i] + shift[i])
                .collect()
        }

        fn attend(&self, tokens: &[Vec<f64>]) -> Vec<Vec<f64>> {
            let part = self.width / self.heads;
            let all = |name: &str| -> Vec<Vec<f64>> {
                tokens.iter().map(|x| self.linear(name, x)).collect()
            };
            let (q, k, v) = (all("query"), all("key"), all("value"));
            (0..tokens.len())
                .map(|t| {
                    let mut mixed = vec![0.0; self.width];
                    for h in 0..self.heads {
                        let inside = h * part..(h + 1) * part;
                        let score = |s: usize| {
                            let dot: f64 = inside.clone().map(|i| q[t][i] * k[s][i]).sum();
                            (dot / (part as f64).sqrt()).exp()
                        };
                        let total: f64 = (0..tokens.len()).map(score).sum();
                        for (s, value) in v.iter().enumerate() {
                            for i in inside.clone() {
                                mixed[i] += score(s) / total * value[i];
                            }
                        }
                    }
                    self.linear("join", &mixed)
                })
                .collect()
        }

        fn forward(&self, tokens: &[Vec<f64>]) -> Vec<Vec<f64>> {
            let sum = |a: &[f64], b: Vec<f64>| -> Vec<f64> {
                a.iter().zip(b).map(|(a, b)| a + b).collect()
            };
            let normed: Vec<_> = tokens
                .iter()
                .map(|x| self.norm("norm_attention", x))
                .collect();
            let attended = self.attend(&normed);
            tokens
                .iter()
                .zip(attended)
                .map(|(x, attended)| {
                    let x = sum(x, attended);
                    let hidden = self.linear("expand", &self.norm("norm_mlp", &x));
                    let gelu = |x: &f64| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2));
                    let hidden: Vec<f64> = hidden.iter().map(gelu).collect();
                    sum(&x, self.linear("contract", &hidden))
                })
                .collect()
        }
    }

    fn config(width: usize, heads: usize) -> AttentionBlockConfig {
        AttentionBlockConfig {
            width,
            heads,
            dropout: 0.0,
        }
    }

    /// Numbers of which no two of a token are near, so that no normalisation divides by almost nothing.
    fn tokens(shape: [usize; 3], stream: &mut ChaCha8Rng) -> Tensor<3> {
        let slope = Tensor::arange(0..shape[2] as i64, &Device::flex()).float();
        numbers(shape, stream) + slope.unsqueeze()
    }

    #[test]
    fn the_series_of_the_error_function_is_right() {
        // Abramowitz & Stegun, table 7.1.
        for (x, value) in [(0.0, 0.0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9)] {
            assert!((erf(x) - value).abs() < 1e-10 && (erf(-x) + value).abs() < 1e-10);
        }
    }

    #[test]
    fn equals_the_formulas_in_loops() {
        for ([units, count, part, heads], mut stream) in shapes("attention in loops") {
            let width = part * heads;
            let block = config(width, heads).init(&mut stream, &Device::flex());
            let x = tokens([units, count, width], &mut stream);
            let weights = Weights::of(&block);
            let reference = Reference {
                weights,
                width,
                heads,
            };
            let values: Vec<Vec<f64>> = wide(&x).chunks(width).map(<[f64]>::to_vec).collect();
            let expected: Vec<f64> = values
                .chunks(count)
                .flat_map(|unit| reference.forward(unit).concat())
                .collect();
            let got = block.forward(x, &mut Pass::evaluation());
            assert_close(&got, [units, count, width], &expected);
        }
    }

    #[test]
    fn without_weights_only_the_residual_path_is_left() {
        let block = config(2, 1).init(&mut Seed(0).stream("attention", &[]), &Device::flex());
        let block = Weights::of(&block).zeroed().load_into(block).unwrap();
        let x = Tensor::from_data([[[1.0, 2.0], [3.0, 5.0]]], &Device::flex());
        let got = block.forward(x, &mut Pass::evaluation());
        assert_close(&got, [1, 2, 2], &[1.0, 2.0, 3.0, 5.0]);
    }

    #[test]
    fn units_are_kept_apart_and_tokens_have_no_order() {
        let mut stream = Seed(1).stream("attention", &[]);
        let block = config(6, 2).init(&mut stream, &Device::flex());
        let x = tokens([3, 4, 6], &mut stream);
        let whole = block.forward(x.clone(), &mut Pass::evaluation());
        let alone = block.forward(x.clone().narrow(0, 1, 1), &mut Pass::evaluation());
        assert_close(&alone, [1, 4, 6], &wide(&whole.clone().narrow(0, 1, 1)));
        let turned = block.forward(x.flip([1]), &mut Pass::evaluation());
        assert_close(&turned, [3, 4, 6], &wide(&whole.flip([1])));
    }

    #[test]
    fn dropout_acts_in_training_alone_and_follows_its_stream() {
        let mut stream = Seed(2).stream("attention", &[]);
        let config = AttentionBlockConfig {
            dropout: 0.5,
            ..config(4, 2)
        };
        let block = config.init(&mut stream, &Device::flex());
        let x = tokens([2, 3, 4], &mut stream);
        let train = |seed: u64| {
            let mut masks = Seed(seed).stream("masks", &[]);
            wide(&block.forward(x.clone(), &mut Pass::training(&mut masks)))
        };
        let judge = || wide(&block.forward(x.clone(), &mut Pass::evaluation()));
        assert_eq!(judge(), judge());
        assert_eq!(train(1), train(1));
        assert_ne!(train(1), train(2));
        assert_ne!(train(1), judge());
    }

    #[test]
    fn extreme_tokens_stay_finite() {
        let block = config(2, 1).init(&mut Seed(0).stream("attention", &[]), &Device::flex());
        let values = vec![1e4f32, -1e4, 1e4, 1e4, 0.0, 0.0];
        let x = Tensor::from_data(TensorData::new(values, [1, 3, 2]), &Device::flex());
        let got = wide(&block.forward(x, &mut Pass::evaluation()));
        assert!(got.iter().all(|v| v.is_finite()), "{got:?}");
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        // Units, tokens, width of a head, heads. A token is never one number wide: its normalisation is constant.
        let cases = [[1, 1, 2, 1], [1, 3, 1, 2], [2, 2, 3, 1], [2, 3, 2, 2]];
        for (case, [units, count, part, heads]) in (0..).zip(cases) {
            let mut stream = Seed(case).stream("attention gradients", &[]);
            let width = part * heads;
            let device = Device::flex().autodiff();
            let mut block = config(width, heads).init(&mut stream, &device);
            block.dropout = 0.3;
            let x = tokens([units, count, width], &mut stream);
            // The same masks in each pass.
            let wrong = wrong_gradients(&block, &x, &mut stream, |block, x| {
                let mut masks = Seed(case).stream("masks", &[]);
                block.forward(x, &mut Pass::training(&mut masks))
            });
            assert_eq!(wrong, [""; 0]);
        }
    }
}
