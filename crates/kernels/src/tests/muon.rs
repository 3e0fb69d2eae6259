use burn::module::{Module, Param};
use burn::optim::GradientsParams;

use super::*;
use crate::muon::orthogonalised;

/// Row-major product of `a [rows, inner]` and `b [inner, columns]`.
fn times(a: &[f64], b: &[f64], inner: usize) -> Vec<f64> {
    let columns = b.len() / inner;
    let cell = |row: &[f64], column: usize| -> f64 {
        let terms = row.iter().enumerate();
        terms.map(|(k, a)| a * b[k * columns + column]).sum()
    };
    a.chunks_exact(inner)
        .flat_map(|row| (0..columns).map(move |column| cell(row, column)))
        .collect()
}

fn mirrored(a: &[f64], columns: usize) -> Vec<f64> {
    (0..columns)
        .flat_map(|column| a.iter().skip(column).step_by(columns).copied())
        .collect()
}

/// The iteration as it is published, `x = a x + (b A + c A A) x` with `A = x x'`, on the matrix lying on its longer side.
fn published(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    if rows > columns {
        let result = published(&mirrored(matrix, columns), columns, rows);
        return mirrored(&result, rows);
    }
    let size = norm(matrix.iter().copied());
    let mut x: Vec<f64> = matrix.iter().map(|v| v / size).collect();
    for _ in 0..5 {
        let gram = times(&x, &mirrored(&x, columns), columns);
        let square = times(&gram, &gram, rows);
        let weights: Vec<f64> = gram
            .iter()
            .zip(&square)
            .map(|(a, aa)| -4.7750 * a + 2.0315 * aa)
            .collect();
        let moved = times(&weights, &x, rows);
        x = x.iter().zip(&moved).map(|(x, m)| 3.4445 * x + m).collect();
    }
    x
}

fn drawn(rng: &mut dyn Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn as_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

#[test]
fn matrices_are_made_orthogonal_as_published() {
    for number in 0..SHAPES {
        let mut rng = Seed(number).stream("orthogonal", &[]);
        let (rows, columns) = match number {
            0 => (1, 1),
            1 => (1, 9),
            2 => (9, 1),
            _ => (rng.random_range(1..40), rng.random_range(1..40)),
        };
        let matrix = drawn(&mut rng, rows * columns);
        let got = orthogonalised(as_f32(&matrix), rows, columns);
        close("orthogonal", &got, &published(&matrix, rows, columns));
    }
    assert_eq!(orthogonalised(vec![0.0; 6], 2, 3), [0.0; 6]);
    assert!(orthogonalised(Vec::new(), 0, 3).is_empty());
}

#[test]
fn singular_values_end_near_one() {
    // Rows at right angles, of very different lengths: the singular values are those lengths.
    let lengths = [1.0, 0.5, 0.1, 0.03];
    let signs = [
        [1.0, 1.0, 1.0, 1.0],
        [1.0, -1.0, 1.0, -1.0],
        [1.0, 1.0, -1.0, -1.0],
        [1.0, -1.0, -1.0, 1.0],
    ];
    let rows = lengths.iter().zip(&signs);
    let matrix = rows.flat_map(|(length, row)| row.map(|sign| 0.5 * sign * length));
    let got = orthogonalised(as_f32(&matrix.collect::<Vec<f64>>()), 4, 4);
    let lengths: Vec<f64> = got
        .chunks_exact(4)
        .map(|row| norm(row.iter().map(|&v| f64::from(v))))
        .collect();
    assert!(
        lengths.iter().all(|l| (0.65..1.25).contains(l)),
        "{lengths:?}"
    );
}

#[derive(Module, Debug)]
struct Filters {
    filters: Param<Tensor<4>>,
    /// They see one channel.
    depthwise: Param<Tensor<4>>,
    shift: Param<Tensor<1>>,
}

#[test]
fn steps_of_muon_worked_in_64_bits() {
    let device = Device::flex().autodiff();
    let others = AdamWConfig {
        weight_decay: 0.1,
        ..AdamWConfig::default()
    };
    let config = MuonConfig {
        others,
        ..MuonConfig::default()
    };
    let mut rng = Seed(3).stream("muon", &[]);
    let (rows, columns) = (6, 3 * 2 * 2);
    let start = drawn(&mut rng, rows * columns);
    let leaf = |values: &[f64], shape: [usize; 4]| {
        let data = TensorData::new(as_f32(values), shape);
        Param::from_tensor(Tensor::from_data(data, &device))
    };
    let new = || Filters {
        filters: leaf(&start, [rows, 3, 2, 2]),
        depthwise: leaf(&start[..8], [2, 1, 2, 2]),
        shift: Param::from_tensor(Tensor::from_data([0.5, -1.0], &device)),
    };
    // The gradient of half the sum of squares of a weight + step.
    let gradients = |module: &Filters, step: i32| {
        let square = |sum: Tensor<1>| sum * 0.5;
        let far = |t: Tensor<4>| square((t + step as f32).powi_scalar(2).sum());
        let shift = square((module.shift.val() + step as f32).powi_scalar(2).sum());
        let loss = far(module.filters.val()) + far(module.depthwise.val()) + shift;
        GradientsParams::from_grads(loss.backward(), module)
    };
    let (mut muon, mut adamw) = (Muon::new(config), AdamW::new(others));
    let (mut module, mut beside) = (new(), new());
    let mut expected = start.clone();
    let mut sum = vec![0.0; expected.len()];
    for step in 1..=8 {
        let found = gradients(&module, step);
        module = muon.step(0.02, module, found);
        let found = gradients(&beside, step);
        beside = adamw.step(0.02, beside, found);
        let gradient: Vec<f64> = expected.iter().map(|w| w + f64::from(step)).collect();
        let mut ahead = Vec::new();
        for (sum, g) in sum.iter_mut().zip(&gradient) {
            *sum = 0.95 * *sum + g;
            ahead.push(g + 0.95 * *sum);
        }
        let direction = published(&ahead, rows, columns);
        for (weight, d) in expected.iter_mut().zip(&direction) {
            *weight = *weight * (1.0 - 0.02 * 0.1) - 0.02 * 0.2 * (columns as f64).sqrt() * d;
        }
    }
    let numbers = |t: Tensor<4>| t.into_data().try_to_vec::<f32>().unwrap();
    close("filters", &numbers(module.filters.val()), &expected);
    // All else moves as AdamW moves it.
    let same = |a: Tensor<4>, b: Tensor<4>| assert_eq!(numbers(a), numbers(b));
    same(module.depthwise.val(), beside.depthwise.val());
    same(
        module.shift.val().reshape([1, 1, 1, 2]),
        beside.shift.val().reshape([1, 1, 1, 2]),
    );
}
