use super::*;
use crate::{
    AdamW, AdamWConfig, Gate, Normalisation, Normalised, Truth, Window, average_pool, batch_norm,
    convolution, cross_entropy, fold, gated, gru, layer_norm, max_pool, normalised_convolution,
    relu,
};

/// A case whose two forms are functions of the inputs and of whether the portable one is meant.
fn case(
    inputs: Vec<Vec<f64>>,
    reference: impl Fn(&[Vec<f64>]) -> Vec<f64> + 'static,
    call: impl Fn(&[Tensor<1>], bool) -> Tensor<1> + Clone + Sync + 'static,
) -> Case {
    let portable = call.clone();
    Case {
        inputs,
        reference: Box::new(reference),
        kernel: Box::new(move |values| call(&values, false)),
        portable: Box::new(move |values| portable(&values, true)),
    }
}

/// Numbers that are at least a hundredth apart, in random order, so that no finite difference crosses a tie or, off zero, a kink.
fn apart(rng: &mut dyn Rng, count: usize) -> Vec<f64> {
    let mut values: Vec<f64> = (0..count)
        .map(|i| f64::from((i as f32 - count as f32 / 2.0 + 0.4) * 0.013))
        .collect();
    for i in (1..count).rev() {
        values.swap(i, rng.random_range(0..=i));
    }
    values
}

#[test]
fn a_gated_recurrence_is_right() {
    check("GRU", |rng, number| {
        let (batch, steps, inputs, hidden) = match number {
            0 => (1, 1, 1, 1),
            _ => (
                rng.random_range(1..40usize),
                rng.random_range(1..6usize),
                rng.random_range(1..9usize),
                rng.random_range(1..9usize),
            ),
        };
        let lengths: Option<Vec<usize>> = rng
            .random::<bool>()
            .then(|| (0..batch).map(|_| rng.random_range(0..=steps)).collect());
        let l = lengths.clone();
        let reference = move |values: &[Vec<f64>]| {
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let mut out = vec![0.0; batch * steps * hidden];
            for b in 0..batch {
                let mut h = vec![0.0; hidden];
                for t in 0..l.as_ref().map_or(steps, |l| l[b]) {
                    let x = &values[0][(b * steps + t) * inputs..][..inputs];
                    let from_x = |k: usize| -> f64 {
                        let terms = x.iter().enumerate();
                        terms.map(|(i, x)| x * values[1][i * 3 * hidden + k]).sum()
                    };
                    let from_h = |k: usize| -> f64 {
                        let terms = h.iter().enumerate();
                        terms.map(|(j, h)| h * values[2][j * 3 * hidden + k]).sum()
                    };
                    let next = (0..hidden).map(|k| {
                        let gate = |g: usize| from_x(g * hidden + k) + values[3][g * hidden + k];
                        let r = sigmoid(gate(0) + from_h(k));
                        let z = sigmoid(gate(1) + from_h(hidden + k));
                        let recalled = from_h(2 * hidden + k) + values[3][3 * hidden + k];
                        let n = (gate(2) + r * recalled).tanh();
                        (1.0 - z) * n + z * h[k]
                    });
                    let next: Vec<f64> = next.collect();
                    out[(b * steps + t) * hidden..][..hidden].copy_from_slice(&next);
                    h = next;
                }
            }
            out
        };
        let inputs_of = vec![
            numbers(rng, batch * steps * inputs),
            numbers(rng, inputs * 3 * hidden),
            numbers(rng, hidden * 3 * hidden),
            numbers(rng, 4 * hidden),
        ];
        case(inputs_of, reference, move |values, portable| {
            let x = shaped(&values[0], [batch, steps, inputs]);
            let w = shaped(&values[1], [inputs, 3 * hidden]);
            let u = shaped(&values[2], [hidden, 3 * hidden]);
            let b = values[3].clone();
            if portable {
                let lengths = lengths.clone().unwrap_or_else(|| vec![steps; batch]);
                flat(<crate::gru::Gru as crate::recurrence::Cell>::portable(
                    x, w, u, b, &lengths,
                ))
            } else {
                flat(gru(x, w, u, b, lengths.as_deref()).unwrap())
            }
        })
    });
}

/// Batch normalisation in 64 bits.
pub(super) fn normalise(
    x: &[f64],
    channels: usize,
    pixels: usize,
    scale: &[f64],
    shift: &[f64],
    then: Normalisation,
) -> Vec<f64> {
    let channel = |place: usize| place / pixels % channels;
    let of = |c: usize| {
        x.iter()
            .enumerate()
            .filter(move |(i, _)| channel(*i) == c)
            .map(|(_, v)| *v)
    };
    let moments: Vec<(f64, f64)> = (0..channels)
        .map(|c| {
            let count = of(c).count() as f64;
            let mean = of(c).sum::<f64>() / count;
            (mean, of(c).map(|v| (v - mean).powi(2)).sum::<f64>() / count)
        })
        .collect();
    let one = |(place, v): (usize, &f64)| {
        let c = channel(place);
        let (mean, variance) = moments[c];
        let y = (v - mean) / (variance + f64::from(then.epsilon)).sqrt() * scale[c] + shift[c];
        if then.relu { y.max(0.0) } else { y }
    };
    x.iter().enumerate().map(one).collect()
}

fn then(rng: &mut dyn Rng) -> Normalisation {
    Normalisation {
        epsilon: 0.1,
        relu: rng.random(),
    }
}

/// Shifts far from the kink of the ReLU: a channel is cut as a whole, or not at all.
fn clear_shifts(rng: &mut dyn Rng, count: usize) -> Vec<f64> {
    let sign = |rng: &mut dyn Rng| if rng.random::<bool>() { 1.0 } else { -1.0 };
    (0..count).map(|_| sign(rng) * 9.0).collect()
}

#[test]
fn batches_are_normalised_right() {
    check("batch normalisation", |rng, number| {
        let [batch, channels, height, width] = match number {
            0 => [2, 1, 1, 1],
            _ => [2, 1, 1, 1].map(|low| rng.random_range(low..8usize)),
        };
        let (shape, pixels) = ([batch, channels, height, width], height * width);
        let mut then = then(rng);
        // Every third without being kept from the kink: there the 32-bit and 64-bit sides may differ at single places, so
        // without the ReLU.
        let shifts = if number % 3 == 0 {
            then.relu = false;
            numbers(rng, channels)
        } else {
            clear_shifts(rng, channels)
        };
        let inputs = vec![
            numbers(rng, batch * channels * pixels),
            numbers(rng, channels),
            shifts,
        ];
        let reference = move |values: &[Vec<f64>]| {
            normalise(&values[0], channels, pixels, &values[1], &values[2], then)
        };
        case(inputs, reference, move |values, portable| {
            let (x, scale, shift) = (
                shaped(&values[0], shape),
                values[1].clone(),
                values[2].clone(),
            );
            let found = if portable {
                crate::convolution::portable_norm(x, scale, shift, then)
            } else {
                batch_norm(x, scale, shift, then).unwrap()
            };
            flat(found.output)
        })
    });
}

#[test]
fn where_a_normalised_result_is_cut_the_gradient_stops() {
    // One channel: -1 and 1 are their own standard scores; the first becomes -1 + 0.5, which is cut.
    let device = Device::flex().autodiff();
    let x = Tensor::<4>::from_data([[[[-1.0f32]]], [[[1.0]]]], &device);
    let scale = Tensor::<1>::from_data([1.0f32], &device).require_grad();
    let shift = Tensor::<1>::from_data([0.5f32], &device).require_grad();
    let then = Normalisation {
        epsilon: 1e-12,
        relu: true,
    };
    let Normalised {
        output,
        mean,
        variance,
    } = batch_norm(x, scale.clone(), shift.clone(), then).unwrap();
    assert_eq!((mean, variance), (vec![0.0], vec![1.0]));
    let gradients = output.clone().sum().backward();
    let numbers = |t: Tensor<1>| t.into_data().try_to_vec::<f32>().unwrap();
    assert_eq!(numbers(flat(output)), [0.0, 1.5]);
    assert_eq!(numbers(shift.grad(&gradients).unwrap()), [1.0]);
    assert_eq!(numbers(scale.grad(&gradients).unwrap()), [1.0]);
}

#[test]
fn normalised_convolutions_are_convolutions_then_normalised() {
    check("normalised convolution", |rng, number| {
        let (batch, channels, filters) = (
            rng.random_range(2..9usize),
            rng.random_range(1..5usize),
            rng.random_range(1..12usize),
        );
        let depthwise = number % 4 == 3;
        let (groups, filters) = if depthwise {
            (channels, channels)
        } else {
            (1, filters)
        };
        let image = [rng.random_range(3..10usize), rng.random_range(3..40usize)];
        let moves = Moves {
            stride: [rng.random_range(1..3usize), rng.random_range(1..3usize)],
            groups,
            ..Moves::same([3, 3])
        };
        let output = [0, 1].map(|axis| (image[axis] - 1) / moves.stride[axis] + 1);
        let pixels = output[0] * output[1];
        let per_group = channels / groups;
        let then = then(rng);
        let inputs = vec![
            numbers(rng, batch * channels * image[0] * image[1]),
            numbers(rng, filters * per_group * 9),
            numbers(rng, filters),
            clear_shifts(rng, filters),
        ];
        let reference = move |values: &[Vec<f64>]| {
            let mut y = Vec::new();
            for b in 0..batch {
                for f in 0..filters {
                    for place in 0..pixels {
                        let (oy, ox) = (place / output[1], place % output[1]);
                        let mut sum = 0.0;
                        for c in 0..per_group {
                            let plane = b * channels + if depthwise { f } else { c };
                            for k in 0..9 {
                                let (y, x) =
                                    (oy * moves.stride[0] + k / 3, ox * moves.stride[1] + k % 3);
                                if y == 0 || x == 0 || y > image[0] || x > image[1] {
                                    continue;
                                }
                                let pixel = (plane * image[0] + y - 1) * image[1] + x - 1;
                                sum += values[0][pixel] * values[1][(f * per_group + c) * 9 + k];
                            }
                        }
                        y.push(sum);
                    }
                }
            }
            normalise(&y, filters, pixels, &values[2], &values[3], then)
        };
        case(inputs, reference, move |values, portable| {
            let x = shaped(&values[0], [batch, channels, image[0], image[1]]);
            let weight = shaped(&values[1], [filters, per_group, 3, 3]);
            let (scale, shift) = (values[2].clone(), values[3].clone());
            let found = if portable {
                let y = crate::convolution::portable(x, weight, None, moves);
                crate::convolution::portable_norm(y, scale, shift, then)
            } else {
                normalised_convolution(x, weight, scale, shift, moves, then).unwrap()
            };
            flat(found.output)
        })
    });
}

#[test]
fn a_folded_convolution_does_what_both_did() {
    let device = Device::flex();
    let mut rng = Seed(3).stream("fold", &[]);
    let mut random = |count: usize| {
        let values: Vec<f32> = numbers(&mut rng, count).iter().map(|&v| v as f32).collect();
        Tensor::<1>::from_data(TensorData::new(values, [count]), &device)
    };
    let x: Tensor<4> = random(5 * 3 * 36).reshape([5, 3, 6, 6]);
    let weight: Tensor<4> = random(4 * 27).reshape([4, 3, 3, 3]);
    let (scale, shift, then) = (random(4), random(4), Normalisation::default());
    let moves = Moves::same([3, 3]);
    let (s, b) = (scale.clone(), shift.clone());
    let trained = normalised_convolution(x.clone(), weight.clone(), s, b, moves, then).unwrap();
    let moment = |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values, [4]), &device);
    let (mean, variance) = (moment(trained.mean), moment(trained.variance));
    let (weight, bias) = fold(weight, scale, shift, mean, variance, then.epsilon).unwrap();
    let folded = relu(convolution(x, weight, Some(bias), moves).unwrap());
    let wide = |t: Tensor<4>| -> Vec<f64> { t.into_data().iter::<f64>().collect() };
    let folded: Vec<f32> = wide(folded).iter().map(|&v| v as f32).collect();
    close("folded", &folded, &wide(trained.output));
}

#[test]
fn pooled_images_are_right() {
    check("pooling", |rng, number| {
        let [batch, channels] = [rng.random_range(1..4usize), rng.random_range(1..20usize)];
        let size = [rng.random_range(1..5usize), rng.random_range(1..5usize)];
        let window = Window {
            size,
            stride: [rng.random_range(1..5usize), rng.random_range(1..5usize)],
            padding: size.map(|size| rng.random_range(0..=size / 2)),
        };
        let image = [rng.random_range(4..10usize), rng.random_range(4..40usize)];
        let output = [0, 1].map(|axis| {
            (image[axis] + 2 * window.padding[axis] - size[axis]) / window.stride[axis] + 1
        });
        let (planes, pixels, greatest) = (batch * channels, image[0] * image[1], number % 2 == 0);
        let inputs = vec![apart(rng, planes * pixels)];
        let reference = move |values: &[Vec<f64>]| {
            let mut out = Vec::new();
            for plane in values[0].chunks(pixels) {
                for place in 0..output[0] * output[1] {
                    let inside = |axis: usize, place: usize| {
                        let start =
                            (place * window.stride[axis]) as isize - window.padding[axis] as isize;
                        let end = start + size[axis] as isize;
                        start.max(0) as usize..end.min(image[axis] as isize) as usize
                    };
                    let columns = inside(1, place % output[1]);
                    let rows = inside(0, place / output[1]);
                    let seen: Vec<f64> = rows
                        .flat_map(|y| columns.clone().map(move |x| plane[y * image[1] + x]))
                        .collect();
                    out.push(if greatest {
                        seen.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                    } else {
                        seen.iter().sum::<f64>() / seen.len() as f64
                    });
                }
            }
            out
        };
        case(inputs, reference, move |values, portable| {
            let x = shaped(&values[0], [batch, channels, image[0], image[1]]);
            flat(match (greatest, portable) {
                (true, false) => max_pool(x, window).unwrap(),
                (true, true) => crate::pool::portable_max(x, window),
                (false, false) => average_pool(x, window).unwrap(),
                (false, true) => crate::pool::portable_average(x, window),
            })
        })
    });
}

#[test]
fn no_numbers_and_infinities_are_pooled_without_harm() {
    let device = Device::flex();
    let pool = |values: [[f32; 4]; 2]| {
        let x: Tensor<4> = Tensor::<2>::from_data(values, &device).reshape([1, 1, 2, 4]);
        let pooled = max_pool(x, Window::new([2, 2])).unwrap();
        pooled.into_data().try_to_vec::<f32>().unwrap()
    };
    let (none, least) = (f32::NAN, f32::NEG_INFINITY);
    let found = pool([[none, none, least, least], [none, 1.0, least, least]]);
    assert_eq!(found, [1.0, least]);
    assert!(pool([[none; 4]; 2]).iter().all(|v| v.is_nan()));
}

#[test]
fn rows_are_normalised_right() {
    check("layer normalisation", |rng, number| {
        let (rows, width) = match number {
            0 => (1, 1),
            _ => (rng.random_range(1..600usize), rng.random_range(2..70usize)),
        };
        let inputs = vec![
            numbers(rng, rows * width),
            numbers(rng, width),
            numbers(rng, width),
        ];
        let reference = move |values: &[Vec<f64>]| {
            let mut out = Vec::new();
            for row in values[0].chunks(width) {
                let mean = row.iter().sum::<f64>() / width as f64;
                let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
                let factors = values[1].iter().zip(&values[2]);
                let deviation = (variance + f64::from(0.1f32)).sqrt();
                out.extend(
                    row.iter()
                        .zip(factors)
                        .map(|(v, (scale, shift))| (v - mean) / deviation * scale + shift),
                );
            }
            out
        };
        case(inputs, reference, move |values, portable| {
            let x = shaped(&values[0], [rows, width]);
            let (scale, shift) = (values[1].clone(), values[2].clone());
            flat(if portable {
                crate::layer_norm::portable(x, scale, shift, 0.1)
            } else {
                layer_norm(x, scale, shift, 0.1).unwrap()
            })
        })
    });
}

#[test]
fn gates_are_right() {
    check("gate", |rng, number| {
        let (rows, width) = match number {
            0 => (1, 1),
            _ => (rng.random_range(1..40usize), rng.random_range(1..70usize)),
        };
        let gate = if number % 2 == 0 {
            Gate::Linear
        } else {
            Gate::Tanh
        };
        let inputs = vec![apart(rng, rows * 2 * width)];
        let reference = move |values: &[Vec<f64>]| {
            let of_row = |row: &[f64]| -> Vec<f64> {
                let pairs = row[..width].iter().zip(&row[width..]);
                let one = |(a, b): (&f64, &f64)| {
                    let a = if gate == Gate::Tanh { a.tanh() } else { *a };
                    a / (1.0 + (-b).exp())
                };
                pairs.map(one).collect()
            };
            values[0].chunks_exact(2 * width).flat_map(of_row).collect()
        };
        case(inputs, reference, move |values, portable| {
            let x = shaped(&values[0], [rows, 2 * width]);
            flat(if portable {
                crate::gated::portable(x, gate)
            } else {
                gated(x, gate).unwrap()
            })
        })
    });
    let device = Device::flex();
    assert!(gated(Tensor::<2>::zeros([2, 3], &device), Gate::Tanh).is_err());
}

#[test]
fn cross_entropies_are_right() {
    check("cross-entropy", |rng, number| {
        let (members, units, classes) = match number {
            0 => (1, 1, 1),
            _ => (
                rng.random_range(1..4usize),
                rng.random_range(1..300usize),
                rng.random_range(1..70usize),
            ),
        };
        let picked: Vec<u32> = (0..units)
            .map(|_| rng.random_range(0..classes as u32))
            .collect();
        let weights: Option<Arc<[f32]>> = (number % 2 == 1).then(|| {
            let weights = (0..units).map(|_| rng.random_range(0..3u8).into());
            weights.collect::<Vec<f32>>().into()
        });
        let truth = Truth {
            classes: picked.into(),
            weights,
            smoothing: if number % 3 == 0 { 0.0 } else { 0.2 },
        };
        let t = truth.clone();
        let reference = move |values: &[Vec<f64>]| {
            let (mut sum, mut total) = (0.0, 0.0);
            for (row, x) in values[0].chunks(classes).enumerate() {
                let log_sum = x.iter().map(|x| x.exp()).sum::<f64>().ln();
                let smoothing = f64::from(t.smoothing);
                let mean = x.iter().sum::<f64>() / classes as f64;
                let target =
                    (1.0 - smoothing) * x[t.classes[row % units] as usize] + smoothing * mean;
                let weight = t
                    .weights
                    .as_ref()
                    .map_or(1.0, |w| f64::from(w[row % units]));
                sum += weight * (log_sum - target);
                total += weight;
            }
            vec![if total > 0.0 { sum / total } else { 0.0 }]
        };
        let inputs = vec![numbers(rng, members * units * classes)];
        case(inputs, reference, move |values, portable| {
            let logits = shaped(&values[0], [members, units, classes]);
            if portable {
                crate::cross_entropy::portable(logits, &truth)
            } else {
                cross_entropy(logits, &truth).unwrap()
            }
        })
    });
}

#[test]
fn the_cross_entropy_of_hopeless_logits_is_finite() {
    let logits = Tensor::<2>::from_data([[1e4f32, -1e4], [-3e38, 3e38]], &Device::flex());
    let loss = cross_entropy(logits, &Truth::new([1, 1])).unwrap();
    assert_eq!(loss.into_scalar::<f32>(), 1e4);
}

#[test]
fn positive_numbers_pass() {
    check("ReLU", |rng, number| {
        let count = [1, 17, 70_000][number as usize % 3];
        let reference = |values: &[Vec<f64>]| values[0].iter().map(|v| v.max(0.0)).collect();
        let call = |values: &[Tensor<1>], portable: bool| {
            if portable {
                burn::tensor::activation::relu(values[0].clone())
            } else {
                relu(values[0].clone())
            }
        };
        case(vec![apart(rng, count)], reference, call)
    });
}

#[derive(burn::module::Module, Debug)]
struct Weight {
    weight: burn::module::Param<Tensor<2>>,
}

#[test]
fn steps_of_adamw_worked_in_64_bits() {
    let device = Device::flex().autodiff();
    for (weight_decay, gradient_norm) in [(0.0, None), (0.1, Some(0.5)), (0.1, Some(1e9))] {
        let config = AdamWConfig {
            weight_decay,
            gradient_norm,
            ..AdamWConfig::default()
        };
        let mut adamw = AdamW::new(config);
        let start = [[0.5f32, -1.0, 2.0], [0.0, 3.0, -0.25]];
        let mut module = Weight {
            weight: burn::module::Param::from_tensor(Tensor::from_data(start, &device)),
        };
        let mut expected: Vec<f64> = start.iter().flatten().map(|&v| f64::from(v)).collect();
        let (mut m, mut v) = (vec![0.0; 6], vec![0.0; 6]);
        for step in 1..=20 {
            // The gradient of half the sum of squares of weight + step.
            let loss = (module.weight.val() + step as f32).powi_scalar(2).sum() * 0.5;
            let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &module);
            module = adamw.step(0.05, module, gradients);
            let mut gradient: Vec<f64> = expected.iter().map(|w| w + f64::from(step)).collect();
            let norm = norm(gradient.iter().copied());
            let most = gradient_norm.map_or(f64::INFINITY, f64::from);
            gradient
                .iter_mut()
                .for_each(|g| *g *= (most / norm).min(1.0));
            for i in 0..6 {
                m[i] = 0.9 * m[i] + 0.1 * gradient[i];
                v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
                let mean = m[i] / (1.0 - 0.9f64.powi(step));
                let square = v[i] / (1.0 - 0.999f64.powi(step));
                expected[i] *= 1.0 - 0.05 * f64::from(weight_decay);
                expected[i] -= 0.05 * mean / (square.sqrt() + 1e-8);
            }
        }
        let got = module.weight.val().into_data().try_to_vec::<f32>().unwrap();
        for (got, expected) in got.iter().zip(&expected) {
            assert!(
                (f64::from(*got) - expected).abs() < 1e-4,
                "{got} {expected}"
            );
        }
    }
}

#[test]
fn layers_name_what_does_not_fit() {
    let device = Device::flex();
    let images = || Tensor::<4>::zeros([2, 3, 4, 4], &device);
    let line = |length| Tensor::<1>::zeros([length], &device);
    let none = Normalisation {
        epsilon: 0.0,
        relu: false,
    };
    let window = |size, stride, padding| Window {
        size: [size; 2],
        stride: [stride; 2],
        padding: [padding; 2],
    };
    let logits = || Tensor::<2>::zeros([4, 3], &device);
    let weighted = |weights: &[f32]| Truth {
        weights: Some(weights.into()),
        ..Truth::new([0, 1])
    };
    let weights = Tensor::<4>::zeros([5, 3, 3, 3], &device);
    let messages = [
        (
            batch_norm(images(), line(2), line(3), none).map(|_| ()),
            "length of the scale",
        ),
        (
            batch_norm(images(), line(3), line(2), none).map(|_| ()),
            "length of the shift",
        ),
        (
            batch_norm(images(), line(3), line(3), none).map(|_| ()),
            "epsilon",
        ),
        (
            normalised_convolution(
                images(),
                weights.clone(),
                line(3),
                line(5),
                Moves::default(),
                none,
            )
            .map(|_| ()),
            "length of the scale",
        ),
        (
            fold(weights, line(5), line(5), line(4), line(5), 1e-5).map(|_| ()),
            "length of the mean",
        ),
        (
            max_pool(images(), window(0, 1, 0)).map(|_| ()),
            "at least 1",
        ),
        (
            max_pool(images(), window(2, 0, 0)).map(|_| ()),
            "at least 1",
        ),
        (
            average_pool(images(), window(3, 1, 2)).map(|_| ()),
            "padding",
        ),
        (
            average_pool(images(), window(7, 1, 1)).map(|_| ()),
            "padded image",
        ),
        (
            layer_norm(logits(), line(2), line(3), 0.1).map(|_| ()),
            "length of the scale",
        ),
        (
            layer_norm(logits(), line(3), line(3), f32::NAN).map(|_| ()),
            "epsilon",
        ),
        (
            cross_entropy(logits(), &Truth::new([0, 1, 2])).map(|_| ()),
            "number of rows",
        ),
        (
            cross_entropy(logits(), &Truth::new([])).map(|_| ()),
            "number of rows",
        ),
        (
            cross_entropy(logits(), &Truth::new([0, 3])).map(|_| ()),
            "outside 0..3",
        ),
        (
            cross_entropy(logits(), &weighted(&[1.0])).map(|_| ()),
            "weights",
        ),
        (
            cross_entropy(logits(), &weighted(&[1.0, -1.0])).map(|_| ()),
            "none negative",
        ),
        (
            cross_entropy(logits(), &weighted(&[1.0, f32::NAN])).map(|_| ()),
            "NaN at place 1",
        ),
        (
            crate::attention(
                Tensor::zeros([2, 3, 4], &device),
                Tensor::zeros([2, 3, 4], &device),
                Tensor::zeros([2, 2, 4], &device),
                2,
            )
            .map(|_| ()),
            "attention: the values",
        ),
        (
            gru(
                Tensor::zeros([2, 3, 4], &device),
                logits(),
                logits(),
                line(4),
                None,
            )
            .map(|_| ()),
            "GRU",
        ),
    ];
    for (result, part) in messages {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn tokens_attend_to_each_other_right() {
    check("attention", |rng, number| {
        let [units, tokens, heads, head] = match number {
            0 => [1, 1, 1, 1],
            _ => [4, 40, 4, 9].map(|most| rng.random_range(1..most)),
        };
        let width = heads * head;
        let (shape, length) = ([units, tokens, width], units * tokens * width);
        let reference = move |values: &[Vec<f64>]| {
            let mut out = vec![0.0; length];
            let at =
                |unit: usize, token: usize, h: usize| (unit * tokens + token) * width + h * head;
            for unit in 0..units {
                for (h, i) in (0..heads).flat_map(|h| (0..tokens).map(move |i| (h, i))) {
                    let score = |j: usize| -> f64 {
                        let (q, k) = (&values[0][at(unit, i, h)..], &values[1][at(unit, j, h)..]);
                        let terms = q[..head].iter().zip(k).map(|(q, k)| q * k);
                        (terms.sum::<f64>() / (head as f64).sqrt()).exp()
                    };
                    let total: f64 = (0..tokens).map(score).sum();
                    for j in 0..tokens {
                        let weight = score(j) / total;
                        for d in 0..head {
                            out[at(unit, i, h) + d] += weight * values[2][at(unit, j, h) + d];
                        }
                    }
                }
            }
            out
        };
        let inputs = (0..3).map(|_| numbers(rng, length)).collect();
        case(inputs, reference, move |values, portable| {
            let [q, k, v] = [0, 1, 2].map(|i| shaped(&values[i], shape));
            flat(if portable {
                crate::attention::portable(q, k, v, heads)
            } else {
                crate::attention(q, k, v, heads).unwrap()
            })
        })
    });
}

#[test]
fn dropped_values_are_those_whose_gradient_is_dropped() {
    let device = Device::flex().autodiff();
    for (rate, key) in [(0.1, 1u64), (0.5, u64::MAX), (0.9, 77)] {
        let x = Tensor::<2>::ones([301, 333], &device).require_grad();
        let y = crate::dropout(x.clone(), rate, key);
        let gradients = y.clone().sum().backward();
        let numbers = |t: Tensor<2>| t.into_data().try_to_vec::<f32>().unwrap();
        let (y, g) = (numbers(y), numbers(x.grad(&gradients).unwrap()));
        assert_eq!(y, g);
        let kept = (1.0 / (1.0 - rate)) as f32;
        assert!(y.iter().all(|&v| v == 0.0 || v == kept));
        let share = |values: &[f32]| {
            values.iter().filter(|&&v| v == 0.0).count() as f64 / values.len() as f64
        };
        let count = y.len() as f64;
        let deviation = |count: f64| (rate * (1.0 - rate) / count).sqrt();
        assert!(
            (share(&y) - rate).abs() < 4.0 * deviation(count),
            "{rate} {}",
            share(&y)
        );
        // Neighbours, neighbours a row apart, and the same places under the next key know nothing of each other.
        let other = numbers(crate::dropout(
            Tensor::ones([301, 333], &device),
            rate,
            key.wrapping_add(1),
        ));
        for (a, b) in [(&y[1..], &y[..]), (&y[333..], &y[..]), (&y[..], &other[..])] {
            let both = a
                .iter()
                .zip(b)
                .filter(|(a, b)| **a == 0.0 && **b == 0.0)
                .count();
            let expected = rate * rate;
            let spread = 4.0 * (expected * (1.0 - expected) / a.len() as f64).sqrt() * 1.5;
            let found = both as f64 / a.len().min(b.len()) as f64;
            assert!(
                (found - expected).abs() < spread,
                "{rate}: {found} {expected}"
            );
        }
    }
}

#[test]
fn a_convolution_along_one_axis_worked_by_hand() {
    let device = Device::flex();
    let line = || Tensor::<3>::from_data([[[1.0f32, 2.0, 4.0, 8.0]]], &device);
    let weight = || Tensor::<3>::from_data([[[1.0f32, -1.0]]], &device);
    let moves = |stride, padding| Moves {
        stride: [1, stride],
        padding: [0, padding],
        ..Moves::default()
    };
    let numbers = |t: Tensor<3>| t.into_data().try_to_vec::<f32>().unwrap();
    let plain = crate::convolution_1d(line(), weight(), None, Moves::default()).unwrap();
    assert_eq!(numbers(plain), [-1.0, -2.0, -4.0]);
    let bias = Tensor::<1>::from_data([10.0f32], &device);
    let apart = crate::convolution_1d(line(), weight(), Some(bias), moves(2, 1)).unwrap();
    assert_eq!(apart.dims(), [1, 1, 3]);
    assert_eq!(numbers(apart), [9.0, 8.0, 18.0]);
    let wrong = Moves {
        padding: [1, 0],
        ..Moves::default()
    };
    let message = crate::convolution_1d(line(), weight(), None, wrong)
        .unwrap_err()
        .to_string();
    assert!(message.contains("across"), "{message}");
}
