//! Ways in which one network doubts itself, where the right answer is known.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test, as it should.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Distribution, Seed, Targets, UncertaintyMethod};
use candor_nn::{Head, HeadConfig, HeadKind, Pass, Weights, dropout};
use candor_train::{
    Batches, Doubt, Network, NetworkPrediction, Output, SelfDoubt, ThinnedNetworks,
};
use rand::RngExt;

const WIDTH: usize = 3;

/// Only a head: what is known of it is known of the whole network.
#[derive(Module, Debug)]
struct OnlyHead {
    head: Head,
    dropout: f64,
}

impl Network for OnlyHead {
    type Batch = Tensor<3>;

    fn forward(&self, batch: &Tensor<3>, pass: &mut Pass) -> Output {
        let embedding = dropout(batch.clone(), self.dropout, pass);
        Output {
            raw: self.head.forward(embedding.clone()),
            embedding,
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }
}

struct Rows(Vec<[f32; WIDTH]>);

/// Targets of units whose values do not matter.
const ALL_KNOWN: Targets = Targets::Classes(Vec::new());

impl Batches for Rows {
    type Batch = Tensor<3>;

    fn batch(&self, indices: &[usize], device: &Device) -> Tensor<3> {
        let values: Vec<f32> = indices.iter().flat_map(|&i| self.0[i]).collect();
        Tensor::from_data(TensorData::new(values, [1, indices.len(), WIDTH]), device)
    }

    fn units_at_once(&self) -> usize {
        7
    }
}

fn rows(count: usize) -> Rows {
    let mut stream = Seed(5).stream("rows", &[]);
    let mut row = |_| [0; WIDTH].map(|_| stream.random_range(-1.0..1.0f32));
    Rows((0..count).map(&mut row).collect())
}

fn network(kind: &HeadKind, dropout: f64) -> OnlyHead {
    network_of(kind, dropout, (1, WIDTH))
}

fn network_of(kind: &HeadKind, dropout: f64, (members, input): (usize, usize)) -> OnlyHead {
    let config = HeadConfig {
        members,
        input,
        kind: kind.clone(),
    };
    OnlyHead {
        head: config.init(&mut Seed(2).stream("head", &[]), &Device::flex()),
        dropout,
    }
}

/// The doubt of a network about itself, and its network.
fn doubted(
    method: UncertaintyMethod,
    kind: &HeadKind,
    data: &Rows,
    units: &[usize],
) -> (OnlyHead, Doubt) {
    let network = network(kind, 0.3);
    let (seed, device, known) = (Seed(1), Device::flex(), &ALL_KNOWN);
    let doubt = Doubt::fit(method, &network, data, known, units, kind, seed, &device).unwrap();
    (network, doubt)
}

fn said(network: &OnlyHead, doubt: &Doubt, kind: &HeadKind, data: &Rows) -> NetworkPrediction {
    let all: Vec<usize> = (0..data.0.len()).collect();
    doubt.predict(network, data, &all, kind, &Device::flex())
}

const NUMBERS: HeadKind = HeadKind::Gaussian {
    width: 1,
    beta: 0.5,
};

fn softmax(classes: usize) -> HeadKind {
    HeadKind::Softmax {
        classes,
        label_smoothing: 0.0,
    }
}

/// `x (Σ weight x xᵀ + precision)⁻¹ x` by elimination, rows with a one at their end.
fn variance(data: &Rows, weights: &[f64], precision: f64, at: &[f32; WIDTH]) -> f64 {
    const N: usize = WIDTH + 1;
    let with_one = |row: &[f32; WIDTH]| -> [f64; N] {
        std::array::from_fn(|i| row.get(i).map_or(1.0, |v| f64::from(*v)))
    };
    let mut a = [[0.0; N]; N];
    for (row, weight) in data.0.iter().zip(weights) {
        let x = with_one(row);
        (0..N).for_each(|i| (0..N).for_each(|j| a[i][j] += weight * x[i] * x[j]));
    }
    (0..N).for_each(|i| a[i][i] += precision);
    let x = with_one(at);
    let mut b = x;
    for i in 0..N {
        for k in i + 1..N {
            let by = a[k][i] / a[i][i];
            (i..N).for_each(|j| a[k][j] -= by * a[i][j]);
            b[k] -= by * b[i];
        }
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    x.iter().zip(b).map(|(x, b)| x * b).sum()
}

fn moments(said: &NetworkPrediction) -> (Vec<f64>, Vec<f64>) {
    let Distribution::Gaussian { mean, variance, .. } = &said.members[0] else {
        panic!("numbers are told by normal distributions")
    };
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect();
    (wide(mean), wide(variance))
}

fn probabilities(said: &NetworkPrediction) -> Vec<f64> {
    let (Distribution::Categorical { probabilities, .. }
    | Distribution::Bernoulli { probabilities, .. }) = &said.members[0]
    else {
        panic!("classes are told by probabilities")
    };
    probabilities.iter().map(|p| f64::from(*p)).collect()
}

#[test]
fn of_a_linear_network_the_approximation_is_bayesian_regression() {
    let data = rows(60);
    let units: Vec<usize> = (0..60).collect();
    let (network, doubt) = doubted(UncertaintyMethod::Laplace, &NUMBERS, &data, &units);
    let Doubt::Laplace(laplace) = &doubt else {
        panic!("asked for Laplace")
    };
    let plain = said(&network, &Doubt::OfHead, &NUMBERS, &data);
    let told = said(&network, &doubt, &NUMBERS, &data);
    let ((mean, noise), (told_mean, whole)) = (moments(&plain), moments(&told));
    assert_eq!(mean, told_mean);
    assert_eq!(told.embedding, plain.embedding);
    let own = &told.aleatoric.as_ref().unwrap()[0];
    let weights: Vec<f64> = noise.iter().map(|v| 1.0 / v).collect();
    for unit in 0..60 {
        let expected = variance(&data, &weights, laplace.prior_precision, &data.0[unit]);
        let got = whole[unit] - noise[unit];
        assert!(
            (got - expected).abs() < 1e-4 * whole[unit],
            "{got} {expected}"
        );
        assert!((f64::from(own[unit]) - noise[unit]).abs() < 1e-9);
    }
}

#[test]
fn of_two_classes_it_is_the_probit_of_the_difference_of_logits() {
    let data = rows(50);
    let units: Vec<usize> = (0..50).collect();
    let kind = softmax(2);
    let (network, doubt) = doubted(UncertaintyMethod::Laplace, &kind, &data, &units);
    let Doubt::Laplace(laplace) = &doubt else {
        panic!("asked for Laplace")
    };
    let plain = probabilities(&said(&network, &Doubt::OfHead, &kind, &data));
    let told = said(&network, &doubt, &kind, &data);
    let got = probabilities(&told);
    // The mean curvature of the difference, by factors: mean of p (1 - p) times the second moments. Each of the two columns of weights
    // has the prior, so that the difference has half its precision.
    let spread = plain.chunks(2).map(|p| p[0] * p[1]).sum::<f64>() / 50.0;
    let own = &told.aleatoric.as_ref().unwrap()[0];
    for unit in 0..50 {
        let p = plain[2 * unit];
        let logit = (p / (1.0 - p)).ln();
        let half = 0.5 * laplace.prior_precision;
        let doubt = variance(&data, &[spread; 50], half, &data.0[unit]);
        let shrunk = logit / (1.0 + std::f64::consts::PI / 8.0 * doubt).sqrt();
        let expected = 1.0 / (1.0 + (-shrunk).exp());
        assert!((got[2 * unit] - expected).abs() < 1e-4, "{unit}");
        let entropy = -got[2 * unit..2 * unit + 2]
            .iter()
            .map(|p| p * p.ln())
            .sum::<f64>();
        assert!((0.0..=entropy + 1e-6).contains(&f64::from(own[unit])));
    }
}

#[test]
fn doubt_of_the_last_layer_falls_with_data_and_rises_far_from_them() {
    let kinds = [
        NUMBERS,
        softmax(4),
        HeadKind::Sigmoid {
            width: 2,
            label_smoothing: 0.0,
        },
    ];
    for kind in kinds {
        // Four times the same units, and a unit far outside.
        let mut data = rows(40);
        data.0.push([30.0, -30.0, 30.0]);
        let few: Vec<usize> = (0..40).collect();
        let many = [&few[..], &few, &few, &few].concat();
        let epistemic = |units: &[usize]| -> Vec<f64> {
            let (network, doubt) = doubted(UncertaintyMethod::Laplace, &kind, &data, units);
            let told = said(&network, &doubt, &kind, &data);
            let own = &told.aleatoric.as_ref().unwrap()[0];
            let whole: Vec<f64> = match &told.members[0] {
                Distribution::Gaussian { variance, .. } => {
                    variance.iter().map(|v| f64::from(*v)).collect()
                }
                Distribution::Categorical { classes, .. } => {
                    let p = probabilities(&told);
                    let entropy = |row: &[f64]| -row.iter().map(|p| p * p.ln()).sum::<f64>();
                    p.chunks(*classes).map(entropy).collect()
                }
                _ => {
                    let entropy = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
                    probabilities(&told).into_iter().map(entropy).collect()
                }
            };
            let parts = whole.iter().zip(own);
            parts.map(|(all, own)| all - f64::from(*own)).collect()
        };
        let (of_few, of_many) = (epistemic(&few), epistemic(&many));
        let outputs = of_few.len() / data.0.len();
        let mean = |of: &[f64]| of[..40 * outputs].iter().sum::<f64>() / (40 * outputs) as f64;
        // With four times the units a quarter is left where the prior counts for nothing.
        assert!(mean(&of_many) < 0.75 * mean(&of_few), "{kind:?}");
        if kind == NUMBERS {
            assert!(of_few[40] > 50.0 * mean(&of_few), "{kind:?}");
        }
    }
}

#[test]
fn thinned_networks_answer_each_unit_by_itself_and_always_alike() {
    let data = rows(20);
    let kind = softmax(3);
    let (network, doubt) = doubted(UncertaintyMethod::Dropout, &kind, &data, &[0]);
    let all = said(&network, &doubt, &kind, &data);
    assert_eq!(all, said(&network, &doubt, &kind, &data));
    assert_eq!(all.members.len(), ThinnedNetworks::PASSES);
    assert!(all.members.iter().any(|m| *m != all.members[0]));
    // Alone, and in another order.
    let device = Device::flex();
    let alone = doubt.predict(&network, &data, &[13, 2], &kind, &device);
    let flat = |members: Vec<Distribution>| -> Vec<f32> {
        let each = members.into_iter().flat_map(|m| match m {
            Distribution::Categorical { probabilities, .. } => probabilities,
            _ => Vec::new(),
        });
        each.collect()
    };
    let picked = all.members.iter().map(|m| m.select(&[13, 2])).collect();
    let pairs = flat(alone.members).into_iter().zip(flat(picked));
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn what_is_saved_loads_bit_for_bit_and_what_is_damaged_is_refused() {
    let data = rows(30);
    let units: Vec<usize> = (0..30).collect();
    for (method, kind) in [
        (UncertaintyMethod::Ensemble, softmax(3)),
        (UncertaintyMethod::Laplace, softmax(3)),
        (UncertaintyMethod::Laplace, NUMBERS),
        (UncertaintyMethod::Dropout, NUMBERS),
    ] {
        let (network, doubt) = doubted(method, &kind, &data, &units);
        let mut weights = Weights::of(&network);
        let saved = doubt.save(&mut weights);
        let weights = Weights::from_safetensors(&weights.to_safetensors().unwrap()).unwrap();
        let loaded = Doubt::load(&saved, &weights, &network, &kind).unwrap();
        assert_eq!(loaded, doubt);
        let network = weights.load_into(self::network(&kind, 0.3)).unwrap();
        let (before, after) = (
            said(&network, &doubt, &kind, &data),
            said(&network, &loaded, &kind, &data),
        );
        assert_eq!(before, after);
        if method == UncertaintyMethod::Laplace {
            let bare = Weights::of(&network);
            assert!(Doubt::load(&saved, &bare, &network, &kind).is_err());
            let wider = network_of(&kind, 0.3, (1, WIDTH + 1));
            assert!(Doubt::load(&saved, &weights, &wider, &kind).is_err());
            let more = network_of(&kind, 0.3, (2, WIDTH));
            assert!(Doubt::load(&saved, &weights, &more, &kind).is_err());
            assert!(Doubt::load(&saved, &weights, &network, &softmax(7)).is_err());
        }
    }
    // A head whose distribution has no such approximation.
    let kind = HeadKind::Quantile {
        width: 1,
        levels: vec![0.1, 0.5, 0.9],
    };
    let network = network(&kind, 0.0);
    let (method, device) = (UncertaintyMethod::Laplace, Device::flex());
    let (seed, known) = (Seed(0), &ALL_KNOWN);
    let refused = Doubt::fit(method, &network, &data, known, &units, &kind, seed, &device);
    assert!(refused.unwrap_err().to_string().contains("does not fit"));
}

#[test]
fn constant_and_broken_embeddings_give_finite_doubt_and_errors() {
    let units: Vec<usize> = (0..20).collect();
    for kind in [NUMBERS, softmax(3)] {
        // One row again and again: nothing is known of other directions, and that is finite.
        let constant = Rows([vec![[0.5; WIDTH]; 20], vec![[3.0, -1.0, 0.0]]].concat());
        let (network, doubt) = doubted(UncertaintyMethod::Laplace, &kind, &constant, &units);
        let told = said(&network, &doubt, &kind, &constant);
        assert!(told.members[0].is_finite(), "{kind:?}");
        assert!(told.aleatoric.unwrap()[0].iter().all(|a| *a >= 0.0));
        let broken = Rows(vec![[f32::NAN; WIDTH]; 20]);
        let network = self::network(&kind, 0.0);
        let (method, device) = (UncertaintyMethod::Laplace, Device::flex());
        let (seed, known) = (Seed(0), &ALL_KNOWN);
        let refused = Doubt::fit(
            method, &network, &broken, known, &units, &kind, seed, &device,
        );
        let problem = refused.unwrap_err().to_string();
        assert!(problem.contains("not finite"), "{problem}");
        let nothing = Doubt::fit(
            method,
            &network,
            &constant,
            known,
            &[],
            &kind,
            seed,
            &device,
        );
        assert!(nothing.unwrap_err().to_string().contains("nothing"));
    }
}
