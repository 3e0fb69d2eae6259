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
        "x86_64+avx512f+avx512vl" => sparse_rows_by::<256, true>(y, x, width, rows),
        "x86_64+avx2+fma" => sparse_rows_by::<64, true>(y, x, width, rows),
        "aarch64+neon" => sparse_rows_by::<64, true>(y, x, width, rows),
        _ => sparse_rows_by::<64, false>(y, x, width, rows),
    }
}

/// `MOST`: as many sums as fit into the registers.
#[inline(always)]
fn sparse_rows_by<const MOST: usize, const FMA: bool>(
    y: &mut [f32],
    x: &[f32],
    width: usize,
    rows: &Rows,
) {
    match rows.weights {
        None => weighted_rows::<MOST, FMA, false>(y, x, width, rows, &[]),
        Some(weights) => weighted_rows::<MOST, FMA, true>(y, x, width, rows, weights),
    }
}

#[inline(always)]
fn weighted_rows<const MOST: usize, const FMA: bool, const WEIGHTED: bool>(
    y: &mut [f32],
    x: &[f32],
    width: usize,
    rows: &Rows,
    weights: &[f32],
) {
    let (heads, head_width) = (rows.heads, width / rows.heads);
    let later = |place: usize| (place + AHEAD).min(rows.indices.len());
    // One head's weights of a row, where they do not stand in turn.
    let mut own = Vec::new();
    for (ends, y) in rows.starts.windows(2).zip(y.chunks_exact_mut(width)) {
        let at = ends[0]..ends[1];
        for (head, y) in y.chunks_exact_mut(head_width).enumerate() {
            let weights = match (WEIGHTED, rows.places, heads) {
                (false, _, _) => &[],
                (true, None, 1) => &weights[at.clone()],
                (true, None, _) => {
                    own.clear();
                    own.extend(at.clone().map(|entry| weights[entry * heads + head]));
                    own.as_slice()
                }
                (true, Some(places), _) => {
                    let places = places[at.clone()].iter();
                    own.clear();
                    own.extend(places.map(|&place| weights[place as usize * heads + head]));
                    own.as_slice()
                }
            };
            let entries = Entries {
                indices: &rows.indices[at.clone()],
                weights,
                later: &rows.indices[later(at.start)..later(at.end)],
                stride: rows.stride,
            };
            one_row::<MOST, FMA, WEIGHTED>(y, x, head * head_width, &entries);
        }
    }
}

/// Sets a row, or one head of it, to the sums over the entries of the numbers of `x` from `first` on.
#[inline(always)]
fn one_row<const MOST: usize, const FMA: bool, const WEIGHTED: bool>(
    y: &mut [f32],
    x: &[f32],
    first: usize,
    entries: &Entries,
) {
    let (mut offset, width) = (0, y.len());
    while offset + MOST <= width {
        sum_block::<MOST, FMA, WEIGHTED>(&mut y[offset..], x, first + offset, entries);
        offset += MOST;
    }
    while offset + 64 <= width {
        sum_block::<64, FMA, WEIGHTED>(&mut y[offset..], x, first + offset, entries);
        offset += 64;
    }
    while offset + LANES <= width {
        sum_block::<LANES, FMA, WEIGHTED>(&mut y[offset..], x, first + offset, entries);
        offset += LANES;
    }
    if offset + 8 < width {
        sum_rest::<LANES, FMA, WEIGHTED>(&mut y[offset..], x, first + offset, entries);
    } else if offset < width {
        sum_rest::<8, FMA, WEIGHTED>(&mut y[offset..], x, first + offset, entries);
    }
}

/// The entries of a row.
struct Entries<'a> {
    indices: &'a [u32],
    weights: &'a [f32],
    /// The columns that come [`AHEAD`] entries later.
    later: &'a [u32],
    stride: usize,
}

/// Entries after which a row of `x` will be needed when it is asked for: what a row takes to arrive from the memory.
const AHEAD: usize = 6;

/// `a b + c`, rounded once where the processor can.
#[inline(always)]
pub(crate) fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Sets `B` neighbouring numbers, those of `x` from `offset` on, to the sums over the entries, which are held in registers.
#[inline(always)]
fn sum_block<const B: usize, const FMA: bool, const WEIGHTED: bool>(
    y: &mut [f32],
    x: &[f32],
    offset: usize,
    entries: &Entries,
) {
    let mut sum = [0f32; B];
    for (entry, &column) in entries.indices.iter().enumerate() {
        // Narrow rows lie in the cache, and would wait for the question.
        if B > LANES
            && let Some(&later) = entries.later.get(entry)
        {
            for line in 0..B / LANES {
                prefetch(x, later as usize * entries.stride + offset + line * LANES);
            }
        }
        let x = &x[column as usize * entries.stride + offset..][..B];
        let w = if WEIGHTED {
            entries.weights[entry]
        } else {
            1.0
        };
        for lane in 0..B {
            sum[lane] = fused::<FMA>(w, x[lane], sum[lane]);
        }
    }
    y[..B].copy_from_slice(&sum);
}

/// Sets at most `B` numbers; whole vectors are read wherever there is enough left of `x`.
#[inline(always)]
fn sum_rest<const B: usize, const FMA: bool, const WEIGHTED: bool>(
    y: &mut [f32],
    x: &[f32],
    offset: usize,
    entries: &Entries,
) {
    let mut sum = [0f32; B];
    y.fill(0.0);
    for (entry, &column) in entries.indices.iter().enumerate() {
        let x = &x[column as usize * entries.stride + offset..];
        let w = if WEIGHTED {
            entries.weights[entry]
        } else {
            1.0
        };
        if let Some(x) = x.first_chunk::<B>() {
            for lane in 0..B {
                sum[lane] = fused::<FMA>(w, x[lane], sum[lane]);
            }
        } else {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = fused::<FMA>(w, x, *y);
            }
        }
    }
    for (y, s) in y.iter_mut().zip(sum) {
        *y += s;
    }
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

/// Copies as many numbers as both have. Lines of pictures are often too short for a call of the general copy to pay.
#[inline(always)]
pub(crate) fn copy_short(to: &mut [f32], from: &[f32]) {
    let length = to.len().min(from.len());
    let (mut to, mut from) = (&mut to[..length], &from[..length]);
    while to.len() >= 16 {
        (to, from) = copy_chunk::<16>(to, from);
    }
    (to, from) = copy_chunk::<8>(to, from);
    (to, from) = copy_chunk::<4>(to, from);
    (to, from) = copy_chunk::<2>(to, from);
    copy_chunk::<1>(to, from);
}

/// Copies `N` numbers if there are so many, and returns the rest.
#[inline(always)]
fn copy_chunk<'a, const N: usize>(
    to: &'a mut [f32],
    from: &'a [f32],
) -> (&'a mut [f32], &'a [f32]) {
    if to.len() < N || from.len() < N {
        return (to, from);
    }
    let ((a, to), (b, from)) = (to.split_at_mut(N), from.split_at(N));
    if let (Some(a), Some(b)) = (a.first_chunk_mut::<N>(), b.first_chunk::<N>()) {
        *a = *b;
    }
    (to, from)
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
