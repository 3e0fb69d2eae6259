use std::ops::Range;
use std::sync::{Arc, OnceLock};

use burn::Tensor;
use burn::tensor::activation;
use multiversion::multiversion;

use crate::array::{Array, View, pieces_of, spread, spread_with, unwritten};
use crate::csr::WORK;
use crate::error::{equal, finite};
use crate::extension::{Held, Keeps, Operation, is_cpu, run};
use crate::lanes::{Rows, add_scaled, sparse_rows};
use crate::sparse_product::mirrored_times;
use crate::tiles::{self, Panels, add_transposed_product};
use crate::{Csr, KernelError, portable};

const NAME: &str = "graph convolution";

/// `A x W + b`, with negative results set to 0 if `relu`, as one operation that needs little memory besides `x` and the result: where
/// `W` does not narrow, a few rows of `A x` at a time are made and used while they are in the cache; gradients are multiplied by `A` some
/// columns at a time, and written over what nobody else holds any more. What follows from the sign of the result is kept as bits.
///
/// # Shapes
/// `matrix`: `A`, with a fixed weight for each entry, or ones; `x`: `[columns, inputs]`; `weight`: `[inputs, outputs]`; `bias`:
/// `[outputs]`; the result: `[rows, outputs]`. A NaN stays one.
///
/// # Errors
/// When shapes do not fit, or a weight of an entry is not a finite number.
///
/// # Reference
/// Kipf & Welling 2017, equation 2, where `A` is the graph with loops, symmetrically normalised.
pub fn graph_convolution(
    matrix: &Csr,
    weights: Option<&Arc<[f32]>>,
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    relu: bool,
) -> Result<Tensor<2>, KernelError> {
    let ([rows, inputs], [weight_rows, outputs]) = (x.dims(), weight.dims());
    equal(NAME, "rows of x", matrix.columns(), rows)?;
    equal(NAME, "rows of the weights", inputs, weight_rows)?;
    if let Some(bias) = &bias {
        equal(NAME, "length of the bias", outputs, bias.dims()[0])?;
    }
    if let Some(weights) = weights {
        let entries = matrix.entries();
        equal(NAME, "number of entries' weights", entries, weights.len())?;
        finite(NAME, "the entries' weights", weights)?;
    }
    if !is_cpu(&x.device()) {
        return Ok(portable(matrix, weights, x, weight, bias, relu));
    }
    let operation = GraphConvolution {
        matrix: matrix.clone(),
        weights: weights.cloned(),
        relu,
        passed: OnceLock::new(),
    };
    let mut operands = vec![x.into_dispatch(), weight.into_dispatch()];
    operands.extend(bias.map(Tensor::into_dispatch));
    Ok(run(operands, operation))
}

pub(crate) fn portable(
    matrix: &Csr,
    weights: Option<&Arc<[f32]>>,
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    relu: bool,
) -> Tensor<2> {
    let mut y = portable::sparse_product(matrix, weights.map(|w| &**w), x.matmul(weight));
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    if relu { activation::relu(y) } else { y }
}

/// Inputs: `x`, weights, and the bias if there is one.
#[derive(Debug)]
struct GraphConvolution {
    matrix: Csr,
    /// Of the entries.
    weights: Option<Arc<[f32]>>,
    relu: bool,
    /// A bit for each result, row by row, the first in the lowest: whether it is above 0. The results themselves are the next
    /// layer's, which may want to write over them.
    passed: OnceLock<Vec<u8>>,
}

/// Rows that are multiplied while they are in the cache.
const BLOCK: usize = 64;
/// Columns of a gradient that are multiplied by the graph before the next.
const COLUMNS: usize = 64;
/// Sums of weight gradients, at most. Fixed, so that they do not depend on the number of threads.
const SUMS: usize = 16;

impl Operation for GraphConvolution {
    fn forward(&self, inputs: Vec<Held>, keep: bool) -> Array {
        let views: Vec<View> = inputs.iter().map(Held::view).collect();
        let (x, weight) = (views[0], views[1]);
        let [width, outputs] = [weight.shape[0], weight.shape[1]];
        let bias = views.get(2).map(|bias| bias.values);
        #[expect(
            unsafe_code,
            reason = "the pieces below are all rows, and each is written as a whole"
        )]
        let mut y = unsafe { Array::unwritten(&[self.matrix.rows(), outputs]) };
        if outputs == 0 {
            return y;
        }
        let bytes = if self.relu && keep {
            outputs.div_ceil(8)
        } else {
            0
        };
        let mut passed = vec![0u8; self.matrix.rows() * bytes];
        let panels = Panels::new(weight.matrix());
        let first = Order::of(width, outputs) == Order::GraphFirst;
        let multiplied = (!first).then(|| multiply(x, &panels, outputs));
        let work = match first {
            true => self.matrix.work_in_blocks(BLOCK, width * outputs, width),
            false => self.matrix.work(outputs, outputs),
        };
        let parts = pieces_of(work.clone(), &mut y.values, |range| range.len() * outputs);
        let bits = pieces_of(work, &mut passed, |range| range.len() * bytes);
        let parts = parts.into_iter().zip(bits).collect();
        spread_with(parts, Vec::new, |scratch, ((range, y), (_, passed))| {
            match &multiplied {
                Some(m) => self.gather(&self.matrix, None, range, y, &m.values, outputs),
                None => {
                    let blocks = y.chunks_mut(BLOCK * outputs).zip(blocks_of(range));
                    for (y, rows) in blocks {
                        scratch.resize(rows.len() * width, 0.0);
                        self.gather(&self.matrix, None, rows, scratch, x.values, width);
                        panels.multiply(rows_of(y, outputs), rows_of(scratch, width), false);
                    }
                }
            }
            finish(y, outputs, bias, self.relu, passed);
        });
        if bytes > 0 {
            // An operation runs forwards once.
            let _ = self.passed.set(passed);
        }
        y
    }

    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    fn backward(
        &self,
        inputs: Vec<Held>,
        _output: Held,
        gradient: Held,
        wanted: &[bool],
    ) -> Vec<Array> {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else {
            unreachable!("an operation is recorded with all its inputs")
        };
        let mut gradient = gradient.into_array();
        let of_bias = self.pass(&mut gradient);
        let mut found = if weight.view().values.is_empty() {
            [&x, &weight].map(|i| Array::zeros(i.view().shape)).to_vec()
        } else if wanted[0] || Order::of_shape(weight.view().shape) == Order::WeightsFirst {
            self.through_columns(x, weight.view(), gradient, wanted)
        } else {
            let of_weight = Array::when(wanted[1], || {
                self.through_rows(x.view(), weight.view().shape, &gradient)
            });
            vec![Array::zeros(&[1]), of_weight]
        };
        found.extend(inputs.next().map(|_| of_bias));
        found
    }
}

/// What is multiplied first: the narrower product is the cheaper one to gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `(A x) W`.
    GraphFirst,
    /// `A (x W)`.
    WeightsFirst,
}

impl Order {
    fn of(inputs: usize, outputs: usize) -> Order {
        if inputs <= outputs {
            Order::GraphFirst
        } else {
            Order::WeightsFirst
        }
    }

    fn of_shape(weight: &[usize]) -> Order {
        Order::of(weight[0], weight[1])
    }
}

impl GraphConvolution {
    /// Some rows of the product of a matrix, whose entries' weights stand at `places`, with columns of `x`, whose rows are `stride`
    /// apart.
    fn gather(
        &self,
        matrix: &Csr,
        places: Option<&[u32]>,
        rows: Range<usize>,
        y: &mut [f32],
        x: &[f32],
        stride: usize,
    ) {
        let width = y.len() / rows.len().max(1);
        if width == 0 {
            return;
        }
        let rows = Rows {
            starts: &matrix.starts()[rows.start..=rows.end],
            indices: matrix.indices(),
            places,
            weights: self.weights.as_deref(),
            heads: 1,
            stride,
        };
        sparse_rows(y, x, width, &rows);
    }

    /// Sets the gradient to 0 where the result was cut, and sums its rows.
    fn pass(&self, gradient: &mut Array) -> Array {
        let width = gradient.shape[1];
        let mut of_bias = Array::zeros(&[width]);
        if width == 0 {
            return of_bias;
        }
        let bytes = width.div_ceil(8);
        let passed = self.passed.get().map(Vec::as_slice).unwrap_or_default();
        let chunk = chunk_of(self.matrix.rows(), width);
        let mut sums = vec![vec![0.0; width]; self.matrix.rows().div_ceil(chunk)];
        let parts = gradient.values.chunks_mut(chunk * width).zip(&mut sums);
        spread(parts.enumerate().collect(), |(number, (gradient, sum))| {
            let first = number * chunk * bytes;
            for (row, gradient) in gradient.chunks_exact_mut(width).enumerate() {
                if !passed.is_empty() {
                    pass(gradient, &passed[first + row * bytes..][..bytes]);
                }
                add_scaled(sum, gradient, 1.0);
            }
        });
        for sum in sums {
            add_scaled(&mut of_bias.values, &sum, 1.0);
        }
        of_bias
    }

    /// `(A x)^T g`, where a few rows of `A x` are there at a time.
    fn through_rows(&self, x: View, shape: &[usize], gradient: &Array) -> Array {
        let [width, outputs] = [shape[0], shape[1]];
        let chunk = chunk_of(self.matrix.rows(), width * outputs);
        let mut sums = vec![Vec::new(); self.matrix.rows().div_ceil(chunk)];
        let parts = gradient.values.chunks(chunk * outputs).zip(&mut sums);
        let parts = parts.enumerate().collect();
        spread_with(parts, Vec::new, |scratch, (number, (gradient, sum))| {
            *sum = vec![0.0; width * outputs];
            let rows = number * chunk..number * chunk + gradient.len() / outputs;
            for (gradient, rows) in gradient.chunks(BLOCK * outputs).zip(blocks_of(rows)) {
                scratch.resize(rows.len() * width, 0.0);
                self.gather(&self.matrix, None, rows, scratch, x.values, width);
                add_transposed_product(sum, scratch, width, gradient, outputs);
            }
        });
        summed(shape, sums)
    }

    /// With `m = A^T g`: `m W^T` and `x^T m`. The first is written over `x` if nothing else holds it.
    fn through_columns(
        &self,
        mut x: Held,
        weight: View,
        gradient: Array,
        wanted: &[bool],
    ) -> Vec<Array> {
        let [width, outputs] = [weight.shape[0], weight.shape[1]];
        let m = self.mirrored_product(gradient);
        let own = if wanted[0] { x.take() } else { None };
        let shared = own.is_none().then_some(x.view().values);
        let mut of_x = own.unwrap_or_else(|| {
            let rows = if wanted[0] { x.view().shape[0] } else { 0 };
            #[expect(unsafe_code, reason = "all its rows are set below")]
            unsafe {
                Array::unwritten(&[rows, width])
            }
        });
        let panels = wanted[0].then(|| Panels::new(weight.matrix().transposed()));
        let chunk = chunk_of(self.matrix.columns(), width * outputs);
        let ranges = m.values.chunks(chunk * outputs).enumerate();
        let ranges = ranges.map(|(number, m)| number * chunk..number * chunk + m.len() / outputs);
        let parts = pieces_of(ranges, &mut of_x.values, |rows| {
            if wanted[0] { rows.len() * width } else { 0 }
        });
        let mut sums = vec![Vec::new(); parts.len()];
        let parts = parts.into_iter().zip(&mut sums).collect();
        spread(parts, |((range, of_x), sum)| {
            *sum = vec![0.0; if wanted[1] { width * outputs } else { 0 }];
            let first = range.start;
            for rows in blocks_of(range) {
                let m = &m.values[rows.start * outputs..rows.end * outputs];
                let own = (rows.start - first) * width..(rows.end - first) * width;
                if wanted[1] {
                    let x = match shared {
                        Some(x) => &x[rows.start * width..rows.end * width],
                        None => &of_x[own.clone()],
                    };
                    add_transposed_product(sum, x, width, m, outputs);
                }
                if let Some(panels) = &panels {
                    let of_x = &mut of_x[own];
                    panels.multiply(rows_of(of_x, width), rows_of(m, outputs), false);
                }
            }
        });
        let of_weight = Array::when(wanted[1], || summed(weight.shape, sums));
        vec![of_x, of_weight]
    }

    /// `A^T g`, written over `g` some columns after the other where it is as large.
    fn mirrored_product(&self, mut gradient: Array) -> Array {
        let (mirrored, places) = self.matrix.mirrored();
        let width = gradient.shape[1];
        if width <= COLUMNS || mirrored.rows() != mirrored.columns() {
            let view = View {
                shape: &gradient.shape,
                values: &gradient.values,
            };
            return mirrored_times(&self.matrix, self.weights.as_ref(), view);
        }
        #[expect(
            unsafe_code,
            reason = "of some columns, all rows are written before any is read"
        )]
        let mut columns = unsafe { unwritten(mirrored.rows() * COLUMNS) };
        for first in (0..width).step_by(COLUMNS) {
            let count = COLUMNS.min(width - first);
            let columns = &mut columns[..mirrored.rows() * count];
            let work = mirrored.work(count, count);
            let parts = pieces_of(work, columns, |range| range.len() * count);
            let x = &gradient.values[first..];
            spread(parts, |(range, part)| {
                self.gather(mirrored, Some(places), range, part, x, width);
            });
            let rows = chunk_of(mirrored.rows(), count);
            let parts = gradient.values.chunks_mut(rows * width);
            let parts = parts.zip(columns.chunks(rows * count)).collect();
            spread(parts, |(to, from): (&mut [f32], &[f32])| {
                for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(count)) {
                    to[first..first + count].copy_from_slice(from);
                }
            });
        }
        gradient
    }
}

/// `x W`.
fn multiply(x: View, panels: &Panels, outputs: usize) -> Array {
    let [rows, width] = [x.shape[0], x.shape[1]];
    #[expect(unsafe_code, reason = "the product sets every row")]
    let mut y = unsafe { Array::unwritten(&[rows, outputs]) };
    let chunk = (WORK / (width * outputs).max(1))
        .next_multiple_of(BLOCK)
        .max(BLOCK);
    let parts = y.values.chunks_mut(chunk * outputs);
    let parts = parts.zip(x.values.chunks((chunk * width).max(1))).collect();
    spread(parts, |(y, x): (&mut [f32], &[f32])| {
        panels.multiply(rows_of(y, outputs), rows_of(x, width), false);
    });
    y
}

/// Rows without gaps.
fn rows_of<T: AsRef<[f32]>>(values: T, width: usize) -> tiles::Rows<T> {
    tiles::Rows {
        count: values.as_ref().len() / width.max(1),
        values,
        stride: width,
    }
}

/// Ranges of [`BLOCK`] rows.
fn blocks_of(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(BLOCK)
        .map(move |first| first..(first + BLOCK).min(end))
}

/// Rows that one thread takes at a time where it makes one of at most [`SUMS`] sums.
fn chunk_of(rows: usize, cost_of_row: usize) -> usize {
    let worth_it = WORK / cost_of_row.max(1);
    rows.div_ceil(SUMS)
        .max(worth_it)
        .next_multiple_of(BLOCK)
        .max(BLOCK)
}

/// In the order of the sums.
fn summed(shape: &[usize], sums: Vec<Vec<f32>>) -> Array {
    let mut found = Array::zeros(shape);
    for sum in sums {
        add_scaled(&mut found.values, &sum, 1.0);
    }
    found
}

/// Adds the bias, cuts at 0, and notes what was above 0 if there is room for it.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn finish(y: &mut [f32], width: usize, bias: Option<&[f32]>, relu: bool, passed: &mut [u8]) {
    if let Some(bias) = bias {
        for y in y.chunks_exact_mut(width) {
            y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }
    if !relu {
        return;
    }
    y.iter_mut()
        .for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
    if passed.is_empty() {
        return;
    }
    let rows = y
        .chunks_exact(width)
        .zip(passed.chunks_exact_mut(width.div_ceil(8)));
    for (y, passed) in rows {
        let (whole, rest) = y.as_chunks::<8>();
        for (y, passed) in whole.iter().zip(passed.iter_mut()) {
            let mut bits = 0u32;
            for (lane, &y) in y.iter().enumerate() {
                bits |= if y > 0.0 { 1 << lane } else { 0 };
            }
            *passed = bits as u8;
        }
        if let (Some(passed), false) = (passed.last_mut(), rest.is_empty()) {
            let bits = rest.iter().enumerate();
            *passed = bits.fold(0, |bits, (lane, &y)| bits | (u8::from(y > 0.0) << lane));
        }
    }
}

/// Sets a row's gradient to 0 where the bit is not set.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn pass(gradient: &mut [f32], passed: &[u8]) {
    for (gradient, &passed) in gradient.chunks_mut(8).zip(passed) {
        for (lane, g) in gradient.iter_mut().enumerate() {
            *g = if passed >> lane & 1 == 1 { *g } else { 0.0 };
        }
    }
}
