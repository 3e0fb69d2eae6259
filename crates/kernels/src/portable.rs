//! The same operations made of Burn's own: for devices other than the CPU, and as the reference of the tests.

use burn::Tensor;
use burn::tensor::activation::{leaky_relu, softmax};
use burn::tensor::{Bool, Device, IndexingUpdateOp, Int, TensorData};

use crate::Csr;
use crate::additive_scores::SLOPE;

fn integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

fn columns(matrix: &Csr, device: &Device) -> Tensor<1, Int> {
    integers(matrix.indices().iter().map(|&c| c as i32).collect(), device)
}

fn rows(matrix: &Csr, device: &Device) -> Tensor<1, Int> {
    let row_of = (0..matrix.rows()).flat_map(|row| matrix.row(row).map(move |_| row as i32));
    integers(row_of.collect(), device)
}

/// Sums messages `[entries, width]` by row.
fn gathered(matrix: &Csr, messages: Tensor<2>) -> Tensor<2> {
    let device = messages.device();
    let width = messages.dims()[1];
    let zeros = Tensor::zeros([matrix.rows(), width], &device);
    if matrix.entries() == 0 {
        return zeros;
    }
    zeros.select_assign(0, rows(matrix, &device), messages, IndexingUpdateOp::Add)
}

pub(crate) fn sparse_product(matrix: &Csr, weights: Option<&[f32]>, x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    let mut messages = x.select(0, columns(matrix, &device));
    if let Some(weights) = weights {
        let weights = TensorData::new(weights.to_vec(), [weights.len(), 1]);
        messages = messages * Tensor::from_data(weights, &device);
    }
    gathered(matrix, messages)
}

pub(crate) fn attention_product(matrix: &Csr, weights: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    let (entries, heads, width) = (matrix.entries(), weights.dims()[1], x.dims()[1]);
    let messages = x.clone().select(0, columns(matrix, &x.device()));
    let messages = messages.reshape([entries, heads, width / heads]);
    let messages: Tensor<3> = messages * weights.unsqueeze_dim(2);
    gathered(matrix, messages.reshape([entries, width]))
}

pub(crate) fn edge_scores(matrix: &Csr, heads: usize, q: Tensor<2>, k: Tensor<2>) -> Tensor<2> {
    let (entries, width) = (matrix.entries(), q.dims()[1]);
    let device = q.device();
    let products = q.select(0, rows(matrix, &device)) * k.select(0, columns(matrix, &device));
    let products: Tensor<3> = products.reshape([entries, heads, width / heads]);
    products.sum_dim(2).reshape([entries, heads])
}

pub(crate) fn additive_scores(
    matrix: &Csr,
    heads: usize,
    q: Tensor<2>,
    k: Tensor<2>,
    a: Tensor<1>,
) -> Tensor<2> {
    let (entries, width) = (matrix.entries(), q.dims()[1]);
    let device = q.device();
    let sums = q.select(0, rows(matrix, &device)) + k.select(0, columns(matrix, &device));
    let products = leaky_relu(sums, f64::from(SLOPE)) * a.unsqueeze();
    let products: Tensor<3> = products.reshape([entries, heads, width / heads]);
    products.sum_dim(2).reshape([entries, heads])
}

/// `[rows, most entries of a row]`: the entries of each row, and where there are none.
struct Padded {
    entries: Tensor<1, Int>,
    absent: Tensor<3, Bool>,
    longest: usize,
}

fn padded(matrix: &Csr, device: &Device) -> Padded {
    let longest = matrix.degrees().into_iter().max().unwrap_or(0).max(1);
    let (mut entries, mut absent) = (Vec::new(), Vec::new());
    for row in 0..matrix.rows() {
        let here = matrix.row(row);
        for place in 0..longest {
            let entry = here.start + place;
            absent.push(entry >= here.end);
            entries.push(if entry < here.end { entry as i32 } else { 0 });
        }
    }
    let absent = TensorData::new(absent, [matrix.rows(), longest, 1]);
    Padded {
        entries: integers(entries, device),
        absent: Tensor::from_data(absent, device),
        longest,
    }
}

pub(crate) fn segment_softmax(matrix: &Csr, scores: Tensor<2>) -> Tensor<2> {
    let heads = scores.dims()[1];
    let device = scores.device();
    if matrix.entries() == 0 {
        return scores;
    }
    let padded = padded(matrix, &device);
    let shape = [matrix.rows(), padded.longest, heads];
    let wide: Tensor<3> = scores.select(0, padded.entries).reshape(shape);
    let shares = softmax(wide.mask_fill(padded.absent.expand(shape), -1e30), 1);
    let place_of = (0..matrix.rows()).flat_map(|row| {
        let count = matrix.row(row).len();
        (0..count).map(move |place| (row * padded.longest + place) as i32)
    });
    let flat: Tensor<2> = shares.reshape([matrix.rows() * padded.longest, heads]);
    flat.select(0, integers(place_of.collect(), &device))
}

pub(crate) fn neighbour_max(matrix: &Csr, x: Tensor<2>) -> Tensor<2> {
    let columns = columns(matrix, &x.device());
    segment_max(matrix, x.select(0, columns))
}

pub(crate) fn segment_sum(matrix: &Csr, x: Tensor<2>) -> Tensor<2> {
    gathered(matrix, x)
}

pub(crate) fn segment_mean(matrix: &Csr, x: Tensor<2>) -> Tensor<2> {
    let degrees = matrix.degrees().into_iter();
    let shares: Vec<f32> = degrees.map(|d| 1.0 / d.max(1) as f32).collect();
    let shares = TensorData::new(shares, [matrix.rows(), 1]);
    let shares: Tensor<2> = Tensor::from_data(shares, &x.device());
    gathered(matrix, x) * shares
}

pub(crate) fn segment_max(matrix: &Csr, x: Tensor<2>) -> Tensor<2> {
    let width = x.dims()[1];
    let device = x.device();
    if matrix.entries() == 0 {
        return Tensor::zeros([matrix.rows(), width], &device);
    }
    let padded = padded(matrix, &device);
    let shape = [matrix.rows(), padded.longest, width];
    let wide: Tensor<3> = x.select(0, padded.entries).reshape(shape);
    let greatest = wide
        .mask_fill(padded.absent.expand(shape), f32::MIN)
        .max_dim(1)
        .reshape([matrix.rows(), width]);
    let empty: Vec<bool> = matrix.degrees().into_iter().map(|d| d == 0).collect();
    let empty: Tensor<2, Bool> =
        Tensor::from_data(TensorData::new(empty, [matrix.rows(), 1]), &device);
    greatest.mask_fill(empty.expand([matrix.rows(), width]), 0.0)
}
