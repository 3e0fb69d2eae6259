//! Inner loops over neighbouring numbers, compiled once for each family of vector instructions and chosen at run time.

use multiversion::multiversion;
use multiversion::target::match_target;

/// Partial sums of a dot product.
const LANES: usize = 16;

/// Rows of a sparse product.
pub(crate) struct Rows<'a> {
    /// Where each of these rows' entries begin, and where the last one's end.
    pub starts: &'a [usize],
    /// The column of every entry of the matrix.
    pub indices: &'a [u32],
    /// The place of each entry's weight, when that is not its own number.
    pub places: Option<&'a [u32]>,
    /// `[entries, heads]`; ones when absent.
    pub weights: Option<&'a [f32]>,
    /// Parts of a row of `x` with weights of their own.
    pub heads: usize,
    /// Distance of the rows of `x`.
    pub stride: usize,
}

/// `y[i] = sum over entries e of row i: w[e] x[column(e)]`, each row being `width` numbers.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn sparse_rows(y: &mut [f32], x: &[f32], width: usize, rows: &Rows) {
    match_target! {
        "x86_64+avx512f+avx512vl" => sparse_rows_by::<256>(y, x, width, rows),
        _ => sparse_rows_by::<64>(y, x, width, rows),
    }
}

/// `MOST`: as many sums as fit into the registers.
#[inline(always)]
fn sparse_rows_by<const MOST: usize>(y: &mut [f32], x: &[f32], width: usize, rows: &Rows) {
    match (rows.weights, rows.places) {
        (None, _) => weighted_rows::<MOST>(y, x, width, rows, |_, _| 1.0),
        (Some(w), None) => {
            weighted_rows::<MOST>(y, x, width, rows, |entry, head| {
                w[entry * rows.heads + head]
            });
        }
        (Some(w), Some(places)) => {
            weighted_rows::<MOST>(y, x, width, rows, |entry, head| {
                w[places[entry] as usize * rows.heads + head]
            });
        }
    }
}

#[inline(always)]
fn weighted_rows<const MOST: usize>(
    y: &mut [f32],
    x: &[f32],
    width: usize,
    rows: &Rows,
    weight: impl Fn(usize, usize) -> f32 + Copy,
) {
    let head_width = width / rows.heads;
    let last = rows.indices.len().saturating_sub(1);
    for (row, y) in y.chunks_exact_mut(width).enumerate() {
        let entries = rows.starts[row]..rows.starts[row + 1];
        for (head, y) in y.chunks_exact_mut(head_width).enumerate() {
            let weighted = |offset: usize| {
                let place = move |entry: usize| {
                    rows.indices[entry] as usize * rows.stride + head * head_width + offset
                };
                let of = move |entry: usize| {
                    let later = place((entry + AHEAD).min(last));
                    (weight(entry, head), place(entry), later)
                };
                entries.clone().map(of)
            };
            let mut offset = 0;
            while offset + MOST <= head_width {
                sum_block::<MOST>(&mut y[offset..], x, weighted(offset));
                offset += MOST;
            }
            while offset + 64 <= head_width {
                sum_block::<64>(&mut y[offset..], x, weighted(offset));
                offset += 64;
            }
            while offset + LANES <= head_width {
                sum_block::<LANES>(&mut y[offset..], x, weighted(offset));
                offset += LANES;
            }
            if offset < head_width {
                sum_rest(&mut y[offset..], x, weighted(offset));
            }
        }
    }
}

/// Entries after which a row of `x` will be needed when it is asked for: what a row takes to arrive from the memory.
const AHEAD: usize = 6;

/// Sets `B` neighbouring numbers to the sums over the entries, which are held in registers.
#[inline(always)]
fn sum_block<const B: usize>(
    y: &mut [f32],
    x: &[f32],
    entries: impl Iterator<Item = (f32, usize, usize)>,
) {
    let mut sum = [0f32; B];
    for (w, at, later) in entries {
        if B > LANES {
            for line in 0..B / LANES {
                prefetch(x, later + line * LANES);
            }
        }
        let x = &x[at..at + B];
        for lane in 0..B {
            sum[lane] += w * x[lane];
        }
    }
    y[..B].copy_from_slice(&sum);
}

/// Asks for a number that will be needed soon.
#[inline(always)]
fn prefetch(x: &[f32], at: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(
            unsafe_code,
            reason = "the address is never followed: where it is no number of `x`, nothing happens"
        )]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(at).cast());
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (x, at);
}

/// Sets fewer than [`LANES`] numbers; whole vectors are read wherever there is enough left of `x`.
#[inline(always)]
fn sum_rest(y: &mut [f32], x: &[f32], entries: impl Iterator<Item = (f32, usize, usize)>) {
    let mut sum = [0f32; LANES];
    y.fill(0.0);
    for (w, at, _) in entries {
        if let Some(x) = x[at..].first_chunk::<LANES>() {
            for lane in 0..LANES {
                sum[lane] += w * x[lane];
            }
        } else {
            for (y, x) in y.iter_mut().zip(&x[at..]) {
                *y += w * x;
            }
        }
    }
    for (y, s) in y.iter_mut().zip(sum) {
        *y += s;
    }
}

/// The sum of products of two equally long slices, in sixteen partial sums.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_blocks
        .remainder()
        .iter()
        .zip(b_blocks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The sum of a slice, in sixteen partial sums.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] += block[lane];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// The sum of squares around a centre, in sixteen partial sums.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn sum_of_squares(values: &[f32], centre: f32) -> f32 {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let square = |value: f32| (value - centre) * (value - centre);
    let mut sums = [0f32; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] += square(block[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|&value| square(value)).sum::<f32>()
}

/// `y += w x`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn add_scaled(y: &mut [f32], x: &[f32], w: f32) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += w * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_product_of_every_length() {
        for length in 0..50 {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let expected: f32 = (0..length).map(|i| (i * i) as f32).sum();
            assert_eq!(dot(&a, &a), expected);
        }
    }

    #[test]
    fn rows_of_every_width_and_number_of_heads() {
        let indices = [2u32, 0, 2, 1];
        let starts = [0, 3, 3, 4];
        for heads in [1, 2, 3] {
            for head_width in [1, 15, 16, 17, 64, 65, 150] {
                let width = heads * head_width;
                let x: Vec<f32> = (0..3 * width).map(|i| (i % 13) as f32 - 6.0).collect();
                let weights: Vec<f32> = (0..4 * heads).map(|i| i as f32 * 0.5 - 1.0).collect();
                let places = [3u32, 1, 0, 2];
                let rows = Rows {
                    starts: &starts,
                    indices: &indices,
                    places: Some(&places),
                    weights: Some(&weights),
                    heads,
                    stride: width,
                };
                let mut y = vec![1.0; 3 * width];
                sparse_rows(&mut y, &x, width, &rows);
                for row in 0..3 {
                    for f in 0..width {
                        let term = |e: usize| {
                            let w = weights[places[e] as usize * heads + f / head_width];
                            w * x[indices[e] as usize * width + f]
                        };
                        let expected: f32 = (starts[row]..starts[row + 1]).map(term).sum::<f32>();
                        assert_eq!(
                            y[row * width + f],
                            expected,
                            "{heads} {head_width} {row} {f}"
                        );
                    }
                }
            }
        }
    }
}
