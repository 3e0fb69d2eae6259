//! Cheap filters: scores of a network that was not trained, from a few pictures.
//!
//! They cost one or two passes instead of a training, and are worth only what they add to the number of parameters, which is
//! therefore reported beside them.

use burn::tensor::{Device, Tensor};
use candor_core::Seed;
use candor_data::Images;
use candor_design::Design;
use candor_kernels::{Moves, convolution};
use candor_nn::{ConvolutionConfig, HeadKind, Pass};
use candor_train::{Batches, TargetScale};

use crate::{
    Augmentation, Counts, Graph, ImageDesign, ImageNetwork, Operation, Preparation, PreparedImages,
};

/// Scores of one design; a greater score promises a better network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilterScores {
    /// The number of parameters: the baseline that the others must beat.
    pub parameters: u64,
    /// The logarithm of the sum over all paths through the network of the products of their weights' sizes, each path counted once a
    /// weight (Tanaka et al. 2020; as a score of architectures Abdelfattah et al. 2021).
    pub synflow: f64,
    /// The logarithm of the determinant of the matrix that says for each two pictures how many ReLUs treat them alike (Mellor et al.,
    /// ICML 2021, equation 2): whether the untrained network tells pictures apart. Minus infinity when two are treated alike by all.
    pub nwot: f64,
    /// How little the gradients of the result with respect to each picture resemble each other: `-sum(ln(v + k) + 1 / (v + k))` over the
    /// eigenvalues v of their correlations (Mellor et al. 2020, section 3; Abdelfattah et al. 2021, section 3.3).
    pub jacov: f64,
}

/// Scores of a design on some pictures (32 to 128 are usual), its weights drawn from the seed.
///
/// # Errors
/// In words, when the design cannot be read or there are fewer than two pictures.
pub fn filter_scores(
    design: &Design,
    images: &Images,
    pictures: &[usize],
    outputs: usize,
    seed: Seed,
) -> Result<FilterScores, String> {
    if pictures.len() < 2 || pictures.iter().any(|&p| p >= images.len()) {
        return Err("needs at least two pictures that exist".into());
    }
    let graph = ImageDesign::read(design)?.body.graph(images.size());
    let head = HeadKind::Softmax {
        classes: outputs.max(1),
        label_smoothing: 0.0,
    };
    let preparation = Preparation {
        target_scale: TargetScale::default(),
        ..Preparation::fit(images, &candor_core::Targets::Classes(Vec::new()), pictures)
    };
    let data = PreparedImages::new(images, &preparation, Augmentation::NONE, pictures.len());
    let (nwot, jacov) = by_pictures(&graph, &head, &data, pictures, seed);
    Ok(FilterScores {
        parameters: Counts::of(&graph, outputs).parameters,
        synflow: synflow(&graph, outputs, seed),
        nwot,
        jacov,
    })
}

/// For each design, in how many comparisons with another one most of synflow, NWOT and jacov prefer it (Abdelfattah et al. 2021,
/// section 3.4), a tie counting half: a ranking in which no score's scale matters.
pub fn votes(scores: &[FilterScores]) -> Vec<f64> {
    let prefers = |a: &FilterScores, b: &FilterScores| -> f64 {
        let sides = [(a.synflow, b.synflow), (a.nwot, b.nwot), (a.jacov, b.jacov)];
        let sign = |(a, b): &(f64, f64)| i32::from(a > b) - i32::from(a < b);
        f64::from(sides.iter().map(sign).sum::<i32>().signum() + 1) / 2.0
    };
    let of = |(i, a): (usize, &FilterScores)| {
        let others = scores.iter().enumerate().filter(|(j, _)| *j != i);
        others.map(|(_, b)| prefers(a, b)).sum()
    };
    scores.iter().enumerate().map(of).collect()
}

/// NWOT and jacov, from one forward and one backward pass.
fn by_pictures(
    graph: &Graph,
    head: &HeadKind,
    data: &PreparedImages,
    pictures: &[usize],
    seed: Seed,
) -> (f64, f64) {
    let device = Device::flex().autodiff();
    let network = ImageNetwork::new(graph, head, &mut seed.stream("weights", &[]), &device);
    let count = pictures.len();
    let leaf = data.batch(pictures, &device).require_grad();
    let mut alike = vec![0f64; count * count];
    let mut stream = seed.stream("filters", &[]);
    let output = network.forward_seen(&leaf, &mut Pass::training(&mut stream), |node, result| {
        let positive = match node.operation {
            Operation::Relu => true,
            Operation::Convolution(config) => config.after == candor_nn::After::NormRelu,
            _ => false,
        };
        if positive {
            add_alike(result.clone().inner(), &mut alike);
        }
    });
    let gradients = output.raw.sum().backward();
    let gradient = leaf.grad(&gradients);
    let gradient: Vec<f64> = gradient.map_or(Vec::new(), |g| {
        g.into_data().iter::<f32>().map(f64::from).collect()
    });
    (log_determinant(alike, count), jacov(&gradient, count))
}

/// Adds for each two pictures the number of ReLUs that let both or neither pass.
fn add_alike(result: Tensor<4>, alike: &mut [f64]) {
    let [count, channels, height, width] = result.dims();
    let passed: Tensor<2> = result
        .reshape([count, channels * height * width])
        .greater_elem(0.0)
        .float();
    let stopped = passed.clone().neg() + 1.0;
    let both = passed.clone().matmul(passed.transpose());
    let both = both + stopped.clone().matmul(stopped.transpose());
    let both = both.into_data();
    alike
        .iter_mut()
        .zip(both.iter::<f32>())
        .for_each(|(sum, v)| *sum += f64::from(v));
}

/// The logarithm of the determinant of a symmetric matrix that has no negative eigenvalues, by elimination with the greatest pivot of
/// the diagonal; minus infinity when it is singular.
fn log_determinant(mut a: Vec<f64>, n: usize) -> f64 {
    let largest = (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max);
    let mut open: Vec<usize> = (0..n).collect();
    let mut sum = 0.0;
    while !open.is_empty() {
        let best = (0..open.len()).max_by(|&x, &y| {
            let of = |k: usize| a[open[k] * n + open[k]];
            of(x).total_cmp(&of(y))
        });
        let pivot = open.swap_remove(best.unwrap_or(0));
        let value = a[pivot * n + pivot];
        if value <= 1e-12 * largest || !value.is_finite() {
            return f64::NEG_INFINITY;
        }
        sum += value.ln();
        for &i in &open {
            let factor = a[i * n + pivot] / value;
            for &j in &open {
                a[i * n + j] -= factor * a[pivot * n + j];
            }
        }
    }
    sum
}

/// Added to eigenvalues (the constant of Mellor et al. 2020).
const SMALL: f64 = 1e-5;

fn jacov(gradients: &[f64], count: usize) -> f64 {
    let length = gradients.len() / count.max(1);
    if length == 0 {
        return f64::NEG_INFINITY;
    }
    let mut rows: Vec<Vec<f64>> = gradients
        .chunks_exact(length)
        .map(<[f64]>::to_vec)
        .collect();
    for row in &mut rows {
        let mean = row.iter().sum::<f64>() / length as f64;
        row.iter_mut().for_each(|v| *v -= mean);
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter_mut()
            .for_each(|v| *v /= norm.max(f64::MIN_POSITIVE));
    }
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let pairs = rows
        .iter()
        .flat_map(|a| rows.iter().map(move |b| product(a, b)));
    let values = eigenvalues(pairs.collect(), count);
    -values
        .iter()
        .map(|v| (v.max(0.0) + SMALL).ln() + 1.0 / (v.max(0.0) + SMALL))
        .sum::<f64>()
}

/// Eigenvalues of a symmetric matrix, by rotations (Jacobi 1846).
fn eigenvalues(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    const SWEEPS: usize = 30;
    for _ in 0..SWEEPS {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j].powi(2))
            .sum();
        if off < 1e-20 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, n, p, q);
            }
        }
    }
    (0..n).map(|i| a[i * n + i]).collect()
}

/// The rotation of rows and columns p and q after which they are apart.
fn rotate(a: &mut [f64], n: usize, p: usize, q: usize) {
    let between = a[p * n + q];
    if between == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * between);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let cosine = 1.0 / (t * t + 1.0).sqrt();
    let sine = t * cosine;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = cosine * x - sine * y;
        a[k * n + q] = sine * x + cosine * y;
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = cosine * x - sine * y;
        a[q * n + k] = sine * x + cosine * y;
    }
}

/// A tensor, and how it grows when all weights do, both with their common logarithmic scale: products of dozens of layers leave the
/// range of 32-bit floats.
#[derive(Clone)]
struct Grown {
    value: Tensor<4>,
    growth: Tensor<4>,
    scale: f64,
}

impl Grown {
    /// The same at a scale where the greatest number is 1.
    fn balanced(self) -> Grown {
        let greatest = f64::from(self.value.clone().max().into_scalar::<f32>());
        if greatest <= 0.0 || !greatest.is_finite() {
            return self;
        }
        let scale = self.scale + greatest.ln();
        self.at(scale)
    }

    fn at(self, scale: f64) -> Grown {
        let factor = (self.scale - scale).exp() as f32;
        Grown {
            value: self.value * factor,
            growth: self.growth * factor,
            scale,
        }
    }

    fn map(self, change: impl Fn(Tensor<4>) -> Tensor<4>) -> Grown {
        Grown {
            value: change(self.value),
            growth: change(self.growth),
            scale: self.scale,
        }
    }
}

/// With weights by their size, a picture of ones and neither normalisation nor ReLU, the network's result R is a sum over paths; the sum
/// over weights of `|w dR/dw|` is the rate at which R grows when all weights grow at one rate, which one forward pass gives.
///
/// Maxima are taken as means, since here all pixels grow alike.
fn synflow(graph: &Graph, outputs: usize, seed: Seed) -> f64 {
    let device = Device::flex();
    let head = HeadKind::Softmax {
        classes: outputs.max(1),
        label_smoothing: 0.0,
    };
    let network = ImageNetwork::new(graph, &head, &mut seed.stream("weights", &[]), &device);
    let size = graph.nodes()[0].shape;
    let picture = Grown {
        value: Tensor::ones([1, size.channels, size.height, size.width], &device),
        growth: Tensor::zeros([1, size.channels, size.height, size.width], &device),
        scale: 0.0,
    };
    let mut results: Vec<Grown> = Vec::new();
    let mut weights = network.kernels();
    for node in graph.nodes() {
        let inputs = || node.inputs.iter().map(|&input| results[input].clone());
        let first = || results[node.inputs[0]].clone();
        let result = match node.operation {
            Operation::Picture => picture.clone(),
            Operation::Relu => first(),
            Operation::MaxPool(config) | Operation::AveragePool(config) => {
                first().map(|x| crate::network::averaged(x, config))
            }
            Operation::Add | Operation::Concatenate => {
                let scale = inputs().map(|x| x.scale).fold(f64::NEG_INFINITY, f64::max);
                let parts: Vec<Grown> = inputs().map(|x| x.at(scale)).collect();
                let joined = |of: fn(&Grown) -> &Tensor<4>| {
                    let parts: Vec<Tensor<4>> = parts.iter().map(|p| of(p).clone()).collect();
                    crate::network::joined(node.operation, parts)
                };
                Grown {
                    value: joined(|p| &p.value),
                    growth: joined(|p| &p.growth),
                    scale,
                }
            }
            Operation::Convolution(config) => {
                let weight = weights.next().map(Tensor::abs);
                let weight = weight.unwrap_or_else(|| unreachable!("the network has them all"));
                let x = first();
                let grown = x.growth + x.value.clone();
                let convolve = |x: Tensor<4>| convolved(x, weight.clone(), config);
                Grown {
                    value: convolve(x.value),
                    growth: convolve(grown),
                    scale: x.scale,
                }
            }
        };
        results.push(result.balanced());
    }
    drop(weights);
    let Some(last) = results.pop() else {
        return f64::NEG_INFINITY;
    };
    // The head is one more layer of weights; all outputs are summed.
    let per_channel = network.head_sizes(&device);
    let mean_of = |x: Tensor<4>| -> Vec<f64> {
        let [_, channels, height, width] = x.dims();
        let pixels: Tensor<2> = x.reshape([channels, height * width]);
        let means = pixels.mean_dim(1).into_data();
        means.iter::<f32>().map(f64::from).collect()
    };
    let (value, growth) = (mean_of(last.value), mean_of(last.growth));
    let terms = value.iter().zip(&growth).zip(&per_channel);
    let total: f64 = terms.map(|((v, g), w)| (v + g) * w).sum();
    total.ln() + last.scale
}

fn convolved(x: Tensor<4>, weight: Tensor<4>, config: ConvolutionConfig) -> Tensor<4> {
    let moves = Moves {
        stride: config.stride,
        padding: config.padding(),
        dilation: config.dilation,
        groups: config.groups,
    };
    convolution(x, weight, None, moves)
        .unwrap_or_else(|e| unreachable!("the graph was made for this size: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use candor_data::ImageSize;
    use rand::RngExt;

    #[test]
    fn determinants_and_eigenvalues_worked_by_hand() {
        let a = vec![2.0, 1.0, 1.0, 2.0];
        assert!((log_determinant(a.clone(), 2) - 3f64.ln()).abs() < 1e-12);
        let mut values = eigenvalues(a, 2);
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12);
        let singular = vec![1.0, 1.0, 1.0, 1.0];
        assert_eq!(log_determinant(singular, 2), f64::NEG_INFINITY);
        let mut values = eigenvalues(vec![4.0, 1.0, 0.0, 1.0, 3.0, 1.0, 0.0, 1.0, 2.0], 3);
        values.sort_by(f64::total_cmp);
        // The trace and the determinant.
        assert!((values.iter().sum::<f64>() - 9.0).abs() < 1e-9);
        assert!((values.iter().product::<f64>() - 18.0).abs() < 1e-9);
    }

    #[test]
    fn synflow_is_the_sum_over_paths() {
        // A picture of one pixel: a chain of two pointwise layers and the head.
        let size = ImageSize {
            channels: 1,
            height: 1,
            width: 1,
        };
        let mut builder = GraphBuilder::new(size);
        let first = builder.pointwise(0, 3, 1, candor_nn::After::NormRelu);
        let second = builder.pointwise(first, 2, 1, candor_nn::After::NormRelu);
        let graph = builder.finish(second);
        let head = HeadKind::Softmax {
            classes: 4,
            label_smoothing: 0.0,
        };
        let mut stream = Seed(3).stream("weights", &[]);
        let network = ImageNetwork::new(&graph, &head, &mut stream, &Device::flex());
        let sizes: Vec<Vec<f64>> = network
            .kernels()
            .map(|k| k.abs().into_data().iter::<f32>().map(f64::from).collect())
            .collect();
        let head = network.head_sizes(&Device::flex());
        let mut paths = 0.0;
        for i in 0..3 {
            for j in 0..2 {
                paths += sizes[0][i] * sizes[1][j * 3 + i] * head[j];
            }
        }
        // Each path has three weights.
        let expected = (3.0 * paths).ln();
        assert!((synflow(&graph, 4, Seed(3)) - expected).abs() < 1e-5);
    }

    #[test]
    fn every_family_has_finite_scores_that_depend_on_the_seed_alone() {
        let size = ImageSize {
            channels: 3,
            height: 12,
            width: 12,
        };
        let mut rng = Seed(1).stream("pixels", &[]);
        let pixels = (0..8 * size.len()).map(|_| rng.random()).collect();
        let images = Images::new(size, pixels).unwrap();
        let pictures: Vec<usize> = (0..8).collect();
        let mut all = Vec::new();
        for family in crate::design::FAMILIES {
            let design = Design::new().with("model", family);
            let scores = filter_scores(&design, &images, &pictures, 10, Seed(2)).unwrap();
            let finite = [scores.synflow, scores.nwot, scores.jacov];
            assert!(finite.iter().all(|v| v.is_finite()), "{family}: {scores:?}");
            let again = filter_scores(&design, &images, &pictures, 10, Seed(2)).unwrap();
            assert_eq!(scores, again);
            all.push(scores);
        }
        let votes = votes(&all);
        let pairs = (all.len() * (all.len() - 1) / 2) as f64;
        assert!((votes.iter().sum::<f64>() - pairs).abs() < 1e-9);
        let design = Design::new().with("model", "resnet");
        assert!(filter_scores(&design, &images, &[1], 10, Seed(2)).is_err());
    }
}
