//! Every kernel against a plain 64-bit reference: values, gradients by finite differences, the portable form, and the same bits
//! whatever the number of threads.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use burn::Tensor;
use burn::tensor::{Device, TensorData};
use candor_core::Seed;
use rand::{Rng, RngExt};

use super::*;

/// Random shapes on which each kernel is tried.
const SHAPES: u64 = 50;
/// Coordinates of each input whose derivative is measured, at most.
const COORDINATES: usize = 24;
const STEP: f64 = 1e-5;

type Reference = dyn Fn(&[Vec<f64>]) -> Vec<f64>;
type Operation = dyn Fn(Vec<Tensor<1>>) -> Tensor<1>;
type SharedOperation = dyn Fn(Vec<Tensor<1>>) -> Tensor<1> + Sync;

/// One call: the inputs, the reference, and the two forms of the operation on flat tensors.
struct Case {
    inputs: Vec<Vec<f64>>,
    reference: Box<Reference>,
    kernel: Box<SharedOperation>,
    portable: Box<Operation>,
}

/// Value and gradients, as numbers.
fn differentiate(
    inputs: &[Vec<f64>],
    operation: &Operation,
    direction: &[f64],
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let device = Device::flex().autodiff();
    let leaf = |values: &Vec<f64>| {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        let length = values.len();
        Tensor::<1>::from_data(TensorData::new(values, [length]), &device).require_grad()
    };
    let leaves: Vec<Tensor<1>> = inputs.iter().map(leaf).collect();
    // A matrix without entries gives zeros that do not depend on anything; the sum keeps the gradients defined.
    let nothing = leaves.iter().map(|leaf| leaf.clone().sum() * 0.0);
    let nothing = nothing.reduce(|a, b| a + b).unwrap();
    let output = operation(leaves.clone()) + nothing;
    let direction: Vec<f32> = direction.iter().map(|&d| d as f32).collect();
    let length = direction.len();
    let direction = Tensor::<1>::from_data(TensorData::new(direction, [length]), &device);
    let gradients = (output.clone() * direction).sum().backward();
    let numbers = |t: Tensor<1>| t.into_data().try_to_vec::<f32>().unwrap();
    let found = leaves
        .iter()
        .map(|leaf| numbers(leaf.grad(&gradients).unwrap()));
    let found = found.collect();
    (numbers(output), found)
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

fn close(what: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let apart = norm(got.iter().zip(expected).map(|(g, e)| f64::from(*g) - e));
    let size = norm(expected.iter().copied()).max(1e-3);
    assert!(apart <= 1e-3 * size, "{what}: {apart} of {size}");
}

fn check(name: &str, cases: impl Fn(&mut dyn Rng, u64) -> Case) {
    for number in 0..SHAPES {
        let mut rng = Seed(number).stream(name, &[]);
        let case = cases(&mut rng, number);
        let expected = (case.reference)(&case.inputs);
        let direction: Vec<f64> = expected
            .iter()
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let what = |part: &str| format!("{name} {number}, {part}");

        let (value, gradients) = differentiate(&case.inputs, &*case.kernel, &direction);
        close(&what("value"), &value, &expected);
        let along = |inputs: &[Vec<f64>]| -> f64 {
            let value = (case.reference)(inputs);
            value.iter().zip(&direction).map(|(v, d)| v * d).sum()
        };
        for (i, gradient) in gradients.iter().enumerate() {
            let every = gradient.len().div_ceil(COORDINATES).max(1);
            let places: Vec<usize> = (0..gradient.len()).step_by(every).collect();
            let mut inputs = case.inputs.clone();
            let measured = places.iter().map(|&place| {
                let centre = inputs[i][place];
                let mut at = |offset: f64| {
                    inputs[i][place] = centre + offset;
                    let value = along(&inputs);
                    inputs[i][place] = centre;
                    value
                };
                (at(STEP) - at(-STEP)) / (2.0 * STEP)
            });
            let measured: Vec<f64> = measured.collect();
            let computed: Vec<f32> = places.iter().map(|&place| gradient[place]).collect();
            close(
                &what(&format!("gradient of input {i}")),
                &computed,
                &measured,
            );
        }

        let (portable, of_portable) = differentiate(&case.inputs, &*case.portable, &direction);
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        close(&what("portable value"), &portable, &wide(&value));
        for (i, (a, b)) in of_portable.iter().zip(&gradients).enumerate() {
            close(&what(&format!("portable gradient {i}")), a, &wide(b));
        }

        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let (inputs, direction) = (&case.inputs, &direction);
            let kernel = &case.kernel;
            let again = pool
                .unwrap()
                .install(|| differentiate(inputs, &**kernel, direction));
            assert_eq!(
                again,
                (value.clone(), gradients.clone()),
                "{}",
                what("threads")
            );
        }
    }
}

fn numbers(rng: &mut dyn Rng, count: usize) -> Vec<f64> {
    // Exact in 32 bits, so that both sides see the same numbers.
    (0..count)
        .map(|_| f64::from(rng.random_range(-1.0f32..1.0)))
        .collect()
}

/// A sparse matrix with empty rows and repeated entries; the first shapes are the smallest there are.
fn matrix(rng: &mut dyn Rng, number: u64) -> Csr {
    let (rows, columns, most) = match number {
        0 => (1, 1, 1),
        1 => (1, 1, 0),
        2 => (5, 3, 0),
        _ => (
            rng.random_range(1..60usize),
            rng.random_range(1..60usize),
            400,
        ),
    };
    let count = if number == 0 {
        1
    } else {
        rng.random_range(0..=most)
    };
    let pairs: Vec<(u32, u32)> = (0..count)
        .map(|_| {
            (
                rng.random_range(0..rows as u32),
                rng.random_range(0..columns as u32),
            )
        })
        .collect();
    Csr::from_pairs(rows, columns, &pairs).unwrap().0
}

/// Widths with and without remainders of the blocks of the inner loops.
fn width(rng: &mut dyn Rng) -> usize {
    let known = [1, 3, 16, 17, 64, 70, 130];
    known[rng.random_range(0..known.len())]
}

fn entries(matrix: &Csr) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    let of_row = |row| matrix.row(row).map(move |entry| (row, entry));
    (0..matrix.rows())
        .flat_map(of_row)
        .map(|(row, entry)| (row, entry, matrix.indices()[entry] as usize))
}

fn shaped<const D: usize>(tensor: &Tensor<1>, shape: [usize; D]) -> Tensor<D> {
    tensor.clone().reshape(shape)
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let length = tensor.shape().num_elements();
    tensor.reshape([length])
}

#[test]
fn sparse_products_are_right() {
    check("sparse product", |rng, number| {
        let matrix = matrix(rng, number);
        let width = width(rng);
        let weights: Option<Arc<[f32]>> = rng.random::<bool>().then(|| {
            let weights = numbers(rng, matrix.entries());
            weights.iter().map(|&w| w as f32).collect()
        });
        let shape = [matrix.columns(), width];
        let (m, w) = (matrix.clone(), weights.clone());
        let reference = move |inputs: &[Vec<f64>]| {
            let mut y = vec![0.0; m.rows() * width];
            for (row, entry, column) in entries(&m) {
                let weight = w.as_ref().map_or(1.0, |w| f64::from(w[entry]));
                for f in 0..width {
                    y[row * width + f] += weight * inputs[0][column * width + f];
                }
            }
            y
        };
        let (m, w) = (matrix.clone(), weights.clone());
        let portable = move |inputs: Vec<Tensor<1>>| {
            flat(portable::sparse_product(
                &m,
                w.as_deref(),
                shaped(&inputs[0], shape),
            ))
        };
        let inputs = vec![numbers(rng, matrix.columns() * width)];
        let kernel = move |inputs: Vec<Tensor<1>>| {
            let x = shaped(&inputs[0], shape);
            flat(match &weights {
                None => sparse_product(&matrix, x).unwrap(),
                Some(weights) => weighted_sparse_product(&matrix, weights, x).unwrap(),
            })
        };
        Case {
            inputs,
            reference: Box::new(reference),
            kernel: Box::new(kernel),
            portable: Box::new(portable),
        }
    });
}

#[test]
fn graph_convolutions_are_right() {
    check("graph convolution", |rng, number| {
        let mut matrix = matrix(rng, number);
        if number % 3 == 0 {
            // Square, so that gradients are written over each other, of more rows than one block.
            let nodes = rng.random_range(1..300usize);
            let place = |rng: &mut dyn Rng| rng.random_range(0..nodes as u32);
            let pairs: Vec<(u32, u32)> = (0..600).map(|_| (place(rng), place(rng))).collect();
            matrix = Csr::from_pairs(nodes, nodes, &pairs).unwrap().0;
        }
        let [inputs, outputs] = match number {
            3 => [20, 150],
            6 => [150, 150],
            _ => [0, 1].map(|_| rng.random_range(1..40usize)),
        };
        let relu = rng.random::<bool>();
        let weights: Option<Arc<[f32]>> = rng.random::<bool>().then(|| {
            let weights = numbers(rng, matrix.entries());
            weights.iter().map(|&w| w as f32).collect()
        });
        let shapes = ([matrix.columns(), inputs], [inputs, outputs]);
        let mut operands = vec![
            numbers(rng, matrix.columns() * inputs),
            numbers(rng, inputs * outputs),
        ];
        if rng.random::<bool>() {
            operands.push(numbers(rng, outputs));
        }
        let (m, w) = (matrix.clone(), weights.clone());
        let reference = move |operands: &[Vec<f64>]| {
            let bias = |o: usize| operands.get(2).map_or(0.0, |bias| bias[o]);
            let mut y: Vec<f64> = (0..m.rows() * outputs).map(|i| bias(i % outputs)).collect();
            for (row, entry, column) in entries(&m) {
                let weight = w.as_ref().map_or(1.0, |w| f64::from(w[entry]));
                for (i, o) in (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o))) {
                    y[row * outputs + o] +=
                        weight * operands[0][column * inputs + i] * operands[1][i * outputs + o];
                }
            }
            let cut = |y: f64| if relu { y.max(0.0) } else { y };
            y.into_iter().map(cut).collect()
        };
        let arguments = move |operands: &[Tensor<1>]| {
            let (x, weight) = (
                shaped(&operands[0], shapes.0),
                shaped(&operands[1], shapes.1),
            );
            (x, weight, operands.get(2).cloned())
        };
        let (m, w) = (matrix.clone(), weights.clone());
        Case {
            inputs: operands,
            reference: Box::new(reference),
            kernel: Box::new(move |operands| {
                let (x, weight, bias) = arguments(&operands);
                // Of a value that nothing else holds, the gradient is written over it.
                let x = x * 1.0;
                flat(graph_convolution(&matrix, weights.as_ref(), x, weight, bias, relu).unwrap())
            }),
            portable: Box::new(move |operands| {
                let (x, weight, bias) = arguments(&operands);
                flat(crate::graph_convolution::portable(
                    &m,
                    w.as_ref(),
                    x,
                    weight,
                    bias,
                    relu,
                ))
            }),
        }
    });
}

#[test]
fn values_that_someone_still_holds_are_not_written_over() {
    let device = Device::flex().autodiff();
    let matrix = Csr::from_pairs(2, 2, &[(0, 0), (0, 1), (1, 1)]).unwrap().0;
    let values = |t: &Tensor<2>| t.to_data().try_to_vec::<f32>().unwrap();
    let x = Tensor::<2>::from_data([[1.0f32, -2.0], [3.0, 4.0]], &device).require_grad();
    let weight = Tensor::<2>::from_data([[1.0f32, 0.0], [0.0, 1.0]], &device).require_grad();
    let doubled = x.clone() * 2.0;
    let cut = relu(doubled.clone());
    assert_eq!(values(&doubled), [2.0, -4.0, 6.0, 8.0]);
    let y = graph_convolution(&matrix, None, cut.clone(), weight.clone(), None, true).unwrap();
    let gradients = (y * cut.clone()).sum().backward();
    assert_eq!(values(&doubled), [2.0, -4.0, 6.0, 8.0]);
    assert_eq!(values(&cut), [2.0, 0.0, 6.0, 8.0]);
    // y = A c W, and the sum of y c has for c the gradient A c + A^T c, for W c^T A^T c.
    let of_x = x.grad(&gradients).unwrap();
    assert_eq!(values(&of_x), [20.0, 0.0, 28.0, 32.0]);
    let of_weight = weight.grad(&gradients).unwrap();
    assert_eq!(values(&of_weight), [52.0, 48.0, 64.0, 64.0]);
}

#[test]
fn products_with_learned_weights_are_right() {
    check("attention product", |rng, number| {
        let mut matrix = matrix(rng, number);
        if matrix.entries() == 0 {
            matrix = Csr::from_pairs(2, 2, &[(1, 0)]).unwrap().0;
        }
        let (heads, per_head) = (rng.random_range(1..4usize), width(rng));
        let width = heads * per_head;
        let shapes = ([matrix.entries(), heads], [matrix.columns(), width]);
        let m = matrix.clone();
        let reference = move |inputs: &[Vec<f64>]| {
            let mut y = vec![0.0; m.rows() * width];
            for (row, entry, column) in entries(&m) {
                for f in 0..width {
                    y[row * width + f] +=
                        inputs[0][entry * heads + f / per_head] * inputs[1][column * width + f];
                }
            }
            y
        };
        let m = matrix.clone();
        let portable = move |inputs: Vec<Tensor<1>>| {
            let (w, x) = (shaped(&inputs[0], shapes.0), shaped(&inputs[1], shapes.1));
            flat(portable::attention_product(&m, w, x))
        };
        Case {
            inputs: vec![
                numbers(rng, matrix.entries() * heads),
                numbers(rng, matrix.columns() * width),
            ],
            reference: Box::new(reference),
            kernel: Box::new(move |inputs| {
                let (w, x) = (shaped(&inputs[0], shapes.0), shaped(&inputs[1], shapes.1));
                flat(attention_product(&matrix, w, x).unwrap())
            }),
            portable: Box::new(portable),
        }
    });
}

#[test]
fn scores_on_edges_are_right() {
    check("edge scores", |rng, number| {
        let mut matrix = matrix(rng, number);
        if matrix.entries() == 0 {
            matrix = Csr::from_pairs(2, 3, &[(1, 2)]).unwrap().0;
        }
        let (heads, per_head) = (rng.random_range(1..4usize), width(rng));
        let width = heads * per_head;
        let shapes = ([matrix.rows(), width], [matrix.columns(), width]);
        let m = matrix.clone();
        let reference = move |inputs: &[Vec<f64>]| {
            let mut s = vec![0.0; m.entries() * heads];
            for (row, entry, column) in entries(&m) {
                for f in 0..width {
                    s[entry * heads + f / per_head] +=
                        inputs[0][row * width + f] * inputs[1][column * width + f];
                }
            }
            s
        };
        let m = matrix.clone();
        let portable = move |inputs: Vec<Tensor<1>>| {
            let (q, k) = (shaped(&inputs[0], shapes.0), shaped(&inputs[1], shapes.1));
            flat(portable::edge_scores(&m, heads, q, k))
        };
        Case {
            inputs: vec![
                numbers(rng, matrix.rows() * width),
                numbers(rng, matrix.columns() * width),
            ],
            reference: Box::new(reference),
            kernel: Box::new(move |inputs| {
                let (q, k) = (shaped(&inputs[0], shapes.0), shaped(&inputs[1], shapes.1));
                flat(edge_scores(&matrix, heads, q, k).unwrap())
            }),
            portable: Box::new(portable),
        }
    });
}

#[test]
fn additive_scores_on_edges_are_right() {
    check("additive scores", |rng, number| {
        let mut matrix = matrix(rng, number);
        if matrix.entries() == 0 {
            matrix = Csr::from_pairs(2, 3, &[(1, 2)]).unwrap().0;
        }
        let (heads, per_head) = (rng.random_range(1..4usize), width(rng));
        let width = heads * per_head;
        let shapes = ([matrix.rows(), width], [matrix.columns(), width]);
        let m = matrix.clone();
        let reference = move |inputs: &[Vec<f64>]| {
            let mut s = vec![0.0; m.entries() * heads];
            for (row, entry, column) in entries(&m) {
                for f in 0..width {
                    let z = inputs[0][row * width + f] + inputs[1][column * width + f];
                    let leaky = if z > 0.0 { z } else { 0.2 * z };
                    s[entry * heads + f / per_head] += inputs[2][f] * leaky;
                }
            }
            s
        };
        let tensors = move |inputs: &[Tensor<1>]| {
            let (q, k) = (shaped(&inputs[0], shapes.0), shaped(&inputs[1], shapes.1));
            (q, k, inputs[2].clone())
        };
        let m = matrix.clone();
        let portable = move |inputs: Vec<Tensor<1>>| {
            let (q, k, a) = tensors(&inputs);
            flat(portable::additive_scores(&m, heads, q, k, a))
        };
        Case {
            inputs: vec![
                numbers(rng, matrix.rows() * width),
                numbers(rng, matrix.columns() * width),
                numbers(rng, width),
            ],
            reference: Box::new(reference),
            kernel: Box::new(move |inputs| {
                let (q, k, a) = tensors(&inputs);
                flat(additive_scores(&matrix, heads, q, k, a).unwrap())
            }),
            portable: Box::new(portable),
        }
    });
}

#[test]
fn softmax_over_the_entries_of_a_row_is_right() {
    check("segment softmax", |rng, number| {
        let mut matrix = matrix(rng, number);
        if matrix.entries() == 0 {
            matrix = Csr::from_pairs(3, 1, &[(1, 0), (1, 0)]).unwrap().0;
        }
        let heads = rng.random_range(1..4usize);
        let shape = [matrix.entries(), heads];
        let m = matrix.clone();
        let reference = move |inputs: &[Vec<f64>]| {
            let mut sums = vec![0.0; m.rows() * heads];
            for (row, entry, _) in entries(&m) {
                for h in 0..heads {
                    sums[row * heads + h] += inputs[0][entry * heads + h].exp();
                }
            }
            let mut shares = vec![0.0; m.entries() * heads];
            for (row, entry, _) in entries(&m) {
                for h in 0..heads {
                    shares[entry * heads + h] =
                        inputs[0][entry * heads + h].exp() / sums[row * heads + h];
                }
            }
            shares
        };
        let m = matrix.clone();
        let portable = move |inputs: Vec<Tensor<1>>| {
            flat(portable::segment_softmax(&m, shaped(&inputs[0], shape)))
        };
        Case {
            inputs: vec![numbers(rng, matrix.entries() * heads)],
            reference: Box::new(reference),
            kernel: Box::new(move |inputs| {
                flat(segment_softmax(&matrix, shaped(&inputs[0], shape)).unwrap())
            }),
            portable: Box::new(portable),
        }
    });
}

#[test]
fn the_greatest_neighbour_is_right() {
    check("neighbour maximum", |rng, number| {
        let matrix = matrix(rng, number);
        let width = width(rng);
        let shape = [matrix.columns(), width];
        let m = matrix.clone();
        let reference = move |inputs: &[Vec<f64>]| {
            let mut y = vec![f64::NEG_INFINITY; m.rows() * width];
            for (row, _, column) in entries(&m) {
                for f in 0..width {
                    let y = &mut y[row * width + f];
                    *y = y.max(inputs[0][column * width + f]);
                }
            }
            y.iter()
                .map(|v| if v.is_finite() { *v } else { 0.0 })
                .collect()
        };
        let m = matrix.clone();
        let portable = move |inputs: Vec<Tensor<1>>| {
            flat(portable::neighbour_max(&m, shaped(&inputs[0], shape)))
        };
        Case {
            inputs: vec![numbers(rng, matrix.columns() * width)],
            reference: Box::new(reference),
            kernel: Box::new(move |inputs| {
                flat(neighbour_max(&matrix, shaped(&inputs[0], shape)).unwrap())
            }),
            portable: Box::new(portable),
        }
    });
}

#[test]
fn a_recurrence_is_right() {
    check("LSTM", |rng, number| {
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
                let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
                for t in 0..l.as_ref().map_or(steps, |l| l[b]) {
                    let gate = |k: usize| {
                        let x = (0..inputs).map(|i| {
                            values[0][(b * steps + t) * inputs + i] * values[1][i * 4 * hidden + k]
                        });
                        let u = (0..hidden).map(|j| h[j] * values[2][j * 4 * hidden + k]);
                        values[3][k] + x.sum::<f64>() + u.sum::<f64>()
                    };
                    let next: Vec<(f64, f64)> = (0..hidden)
                        .map(|k| {
                            let i = sigmoid(gate(k));
                            let f = sigmoid(gate(hidden + k));
                            let g = gate(2 * hidden + k).tanh();
                            let o = sigmoid(gate(3 * hidden + k));
                            let c = f * c[k] + i * g;
                            (c, o * c.tanh())
                        })
                        .collect();
                    for (k, (cell, state)) in next.into_iter().enumerate() {
                        (c[k], h[k]) = (cell, state);
                        out[(b * steps + t) * hidden + k] = state;
                    }
                }
            }
            out
        };
        let call = move |values: Vec<Tensor<1>>, portable: bool| {
            let x = shaped(&values[0], [batch, steps, inputs]);
            let w = shaped(&values[1], [inputs, 4 * hidden]);
            let u = shaped(&values[2], [hidden, 4 * hidden]);
            let b = values[3].clone();
            if portable {
                let lengths = lengths.clone().unwrap_or_else(|| vec![steps; batch]);
                flat(<lstm::Lstm as recurrence::Cell>::portable(
                    x, w, u, b, &lengths,
                ))
            } else {
                flat(lstm(x, w, u, b, lengths.as_deref()).unwrap())
            }
        };
        let portable = call.clone();
        Case {
            inputs: vec![
                numbers(rng, batch * steps * inputs),
                numbers(rng, inputs * 4 * hidden),
                numbers(rng, hidden * 4 * hidden),
                numbers(rng, 4 * hidden),
            ],
            reference: Box::new(reference),
            kernel: Box::new(move |values| call(values, false)),
            portable: Box::new(move |values| portable(values, true)),
        }
    });
}

#[test]
fn convolutions_are_right() {
    check("convolution", |rng, number| {
        let groups = [1, 1, 2, 3][rng.random_range(0..4usize)];
        let depthwise = number % 4 == 3;
        let (batch, per_group, filters) = match number {
            0 => (1, 1, 1),
            _ => (
                rng.random_range(1..7usize),
                rng.random_range(1..4usize),
                rng.random_range(1..4usize),
            ),
        };
        let (groups, per_group, filters) = if depthwise {
            (per_group * 5, 1, 1)
        } else {
            (groups, per_group, filters)
        };
        let (channels, filters) = (groups * per_group, groups * filters);
        let pair = |rng: &mut dyn Rng, low: usize, high: usize| {
            [rng.random_range(low..high), rng.random_range(low..high)]
        };
        let moves = Moves {
            stride: pair(rng, 1, 3),
            padding: pair(rng, 0, 3),
            dilation: pair(rng, 1, 3),
            groups,
        };
        let kernel = pair(rng, 1, 4);
        let image = pair(rng, 5, 12);
        let size = |axis: usize| {
            (image[axis] + 2 * moves.padding[axis] - moves.dilation[axis] * (kernel[axis] - 1) - 1)
                / moves.stride[axis]
                + 1
        };
        let output = [size(0), size(1)];
        let with_bias = rng.random::<bool>();
        let reference = move |values: &[Vec<f64>]| {
            let mut out = Vec::new();
            for b in 0..batch {
                for f in 0..filters {
                    for oy in 0..output[0] {
                        for ox in 0..output[1] {
                            let mut sum = if with_bias { values[2][f] } else { 0.0 };
                            for c in 0..per_group {
                                let channel = f / (filters / groups) * per_group + c;
                                for ky in 0..kernel[0] {
                                    for kx in 0..kernel[1] {
                                        let y = oy * moves.stride[0] + ky * moves.dilation[0];
                                        let x = ox * moves.stride[1] + kx * moves.dilation[1];
                                        let y = y.checked_sub(moves.padding[0]);
                                        let x = x.checked_sub(moves.padding[1]);
                                        let (Some(y), Some(x)) = (y, x) else { continue };
                                        if y >= image[0] || x >= image[1] {
                                            continue;
                                        }
                                        let x = ((b * channels + channel) * image[0] + y)
                                            * image[1]
                                            + x;
                                        let w =
                                            ((f * per_group + c) * kernel[0] + ky) * kernel[1] + kx;
                                        sum += values[0][x] * values[1][w];
                                    }
                                }
                            }
                            out.push(sum);
                        }
                    }
                }
            }
            out
        };
        let call = move |values: Vec<Tensor<1>>, portable: bool| {
            let x = shaped(&values[0], [batch, channels, image[0], image[1]]);
            let w = shaped(&values[1], [filters, per_group, kernel[0], kernel[1]]);
            let bias = values.get(2).cloned();
            if portable {
                flat(convolution::portable(x, w, bias, moves))
            } else {
                flat(convolution(x, w, bias, moves).unwrap())
            }
        };
        let mut inputs = vec![
            numbers(rng, batch * channels * image[0] * image[1]),
            numbers(rng, filters * per_group * kernel[0] * kernel[1]),
        ];
        if with_bias {
            inputs.push(numbers(rng, filters));
        }
        Case {
            inputs,
            reference: Box::new(reference),
            kernel: Box::new(move |values| call(values, false)),
            portable: Box::new(move |values| call(values, true)),
        }
    });
}

#[test]
fn views_that_are_not_contiguous_give_the_same() {
    let device = Device::flex();
    let (matrix, _) = Csr::from_pairs(3, 4, &[(0, 1), (0, 3), (2, 2), (2, 2)]).unwrap();
    let values: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let wide: Tensor<2> = Tensor::from_data(TensorData::new(values, [5, 4]), &device);
    // Columns of a row-major tensor: every second place, mirrored.
    let x = wide.transpose();
    let copied: Tensor<2> = Tensor::from_data(x.clone().into_data(), &device);
    let (a, b) = (
        sparse_product(&matrix, x.clone()),
        sparse_product(&matrix, copied.clone()),
    );
    a.unwrap()
        .into_data()
        .assert_eq(&b.unwrap().into_data(), true);
    let (a, b) = (neighbour_max(&matrix, x), neighbour_max(&matrix, copied));
    a.unwrap()
        .into_data()
        .assert_eq(&b.unwrap().into_data(), true);
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let device = Device::flex();
    let matrix = Csr::from_pairs(3, 2, &[(0, 1), (2, 0)]).unwrap().0;
    let zeros = |a, b| Tensor::<2>::zeros([a, b], &device);
    let cases = [
        (
            sparse_product(&matrix, zeros(3, 4)),
            "sparse product: rows of x",
        ),
        (
            graph_convolution(&matrix, None, zeros(3, 4), zeros(4, 1), None, true),
            "rows of x",
        ),
        (
            graph_convolution(&matrix, None, zeros(2, 4), zeros(3, 1), None, true),
            "rows of the weights",
        ),
        (
            graph_convolution(
                &matrix,
                None,
                zeros(2, 4),
                zeros(4, 1),
                Some(Tensor::zeros([2], &Device::flex())),
                true,
            ),
            "length of the bias",
        ),
        (
            graph_convolution(
                &matrix,
                Some(&Arc::from([f32::NAN, 1.0])),
                zeros(2, 4),
                zeros(4, 1),
                None,
                true,
            ),
            "entries' weights",
        ),
        (
            weighted_sparse_product(&matrix, &Arc::from([1.0]), zeros(2, 4)),
            "sparse product: number of weights",
        ),
        (
            weighted_sparse_product(&matrix, &Arc::from([1.0, f32::NAN]), zeros(2, 4)),
            "the weights holds NaN at place 1",
        ),
        (
            attention_product(&matrix, zeros(2, 0), zeros(2, 4)),
            "0 heads",
        ),
        (
            attention_product(&matrix, zeros(2, 3), zeros(2, 4)),
            "3 heads",
        ),
        (
            edge_scores(&matrix, 1, zeros(3, 4), zeros(2, 5)),
            "edge scores: width of k",
        ),
        (
            edge_scores(&matrix, 1, zeros(2, 4), zeros(2, 4)),
            "edge scores: rows of q",
        ),
        (
            segment_softmax(&matrix, zeros(3, 1)),
            "segment softmax: rows of the scores",
        ),
        (
            neighbour_max(&matrix, zeros(1, 1)),
            "neighbour maximum: rows of x",
        ),
    ];
    for (result, part) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let x = Tensor::<3>::zeros([2, 5, 3], &device);
    let bias = |n: usize| Tensor::<1>::zeros([n], &device);
    let call = |w, u, b, lengths| lstm(x.clone(), w, u, b, lengths).unwrap_err().to_string();
    let fits = || (zeros(3, 8), zeros(2, 8));
    let said = [
        call(zeros(3, 8), zeros(2, 9), bias(8), None),
        call(zeros(4, 8), zeros(2, 8), bias(8), None),
        call(fits().0, fits().1, bias(7), None),
        call(fits().0, fits().1, bias(8), Some(&[1])),
        call(fits().0, fits().1, bias(8), Some(&[1, 6])),
    ];
    for message in said {
        assert!(message.starts_with("LSTM: "), "{message}");
    }
}

mod layers;
mod muon;
mod segments;
mod winograd;
