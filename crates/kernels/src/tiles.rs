//! Dense products whose right side is laid out in advance: sums of a few rows and a panel of columns stay in registers.

use multiversion::multiversion;
use multiversion::target::match_target;

use crate::matrix_product::Matrix;

/// Adds `b[k]` times what each result has for it, for every row `b[k]` of `W` numbers.
///
/// A macro, because a closure would not be compiled for the caller's instructions. What is summed is a copy that stays in registers,
/// which what the caller copies into or out of in parts does not.
macro_rules! add_products {
    ($sums:ident, $b:ident, $k:ident, $row:ident, $a:expr) => {
        let mut own = *$sums;
        for ($k, b) in $b.as_chunks::<W>().0.iter().enumerate() {
            for $row in 0..R {
                let a: f32 = $a;
                for lane in 0..W {
                    own[$row][lane] = if FMA {
                        a.mul_add(b[lane], own[$row][lane])
                    } else {
                        a * b[lane] + own[$row][lane]
                    };
                }
            }
        }
        *$sums = own;
    };
}

/// `sums[r] += sum over k of a[r][k * step] b[k]`, where `b` holds rows of `W` numbers.
#[inline(always)]
pub(crate) fn tile<const R: usize, const W: usize, const FMA: bool>(
    sums: &mut [[f32; W]; R],
    a: [&[f32]; R],
    step: usize,
    b: &[f32],
) {
    if step == 1 {
        // Of a length that the compiler sees to be enough.
        let depth = b.as_chunks::<W>().0.len();
        let mut rows: [&[f32]; R] = [&[]; R];
        for (slice, a) in rows.iter_mut().zip(a) {
            *slice = &a[..depth];
        }
        add_products!(sums, b, k, row, rows[row][k]);
    } else {
        add_products!(sums, b, k, row, a[row][k * step]);
    }
}

/// `sums[r] += sum over k of a[r][k] b[offsets[k]..]`: the rows of the right side stand anywhere, and may overlap.
#[inline(always)]
pub(crate) fn tile_at<const R: usize, const W: usize, const FMA: bool>(
    sums: &mut [[f32; W]; R],
    a: [&[f32]; R],
    b: &[f32],
    offsets: &[usize],
) {
    let mut rows: [&[f32]; R] = [&[]; R];
    for (slice, a) in rows.iter_mut().zip(a) {
        *slice = &a[..offsets.len()];
    }
    let mut own = *sums;
    for (k, &offset) in offsets.iter().enumerate() {
        let Some(b) = b[offset..].first_chunk::<W>() else {
            break;
        };
        for row in 0..R {
            let a = rows[row][k];
            for lane in 0..W {
                own[row][lane] = if FMA {
                    a.mul_add(b[lane], own[row][lane])
                } else {
                    a * b[lane] + own[row][lane]
                };
            }
        }
    }
    *sums = own;
}

/// Sums from at most as many numbers. A whole vector is copied without a call.
#[inline(always)]
pub(crate) fn load<const W: usize>(sums: &mut [f32; W], from: &[f32]) {
    match <&[f32; W]>::try_from(from) {
        Ok(from) => *sums = *from,
        Err(_) => sums[..from.len()].copy_from_slice(from),
    }
}

/// The other way.
#[inline(always)]
pub(crate) fn store<const W: usize>(to: &mut [f32], sums: &[f32; W]) {
    if let Ok(to) = <&mut [f32; W]>::try_from(&mut *to) {
        *to = *sums;
    } else {
        to.copy_from_slice(&sums[..to.len()]);
    }
}

/// The right side of a product, in panels of as many columns as the processor's registers favour.
#[derive(Debug)]
pub(crate) struct Panels {
    /// `[panels, depth, width of a panel]`, zero beyond the last column.
    values: Vec<f32>,
    depth: usize,
    columns: usize,
}

/// Some rows inside a slice: row `i` begins at `i * stride`.
pub(crate) struct Rows<T> {
    pub values: T,
    pub count: usize,
    pub stride: usize,
}

impl Panels {
    /// `b` is `[depth, columns]`.
    pub fn new(b: Matrix) -> Panels {
        let width = panel_width();
        let [depth, columns] = b.shape();
        let mut values = vec![0.0; columns.div_ceil(width) * depth * width];
        for column in 0..columns {
            let panel = &mut values[column / width * depth * width..];
            for row in 0..depth {
                panel[row * width + column % width] = b.at(row, column);
            }
        }
        Panels {
            values,
            depth,
            columns,
        }
    }

    /// `out = a b`, or `out += a b`, row by row.
    pub fn multiply(&self, out: Rows<&mut [f32]>, a: Rows<&[f32]>, add: bool) {
        assert_eq!(out.count, a.count, "rows of the product");
        assert!(
            self.columns <= out.stride && self.depth <= a.stride,
            "rows overlap"
        );
        multiply(self, out, a, add);
    }
}

/// Columns of a panel.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn panel_width() -> usize {
    match_target! {
        "x86_64+avx512f+avx512vl" => 32,
        "x86_64+avx2+fma" => 16,
        "aarch64+neon" => 16,
        _ => 8,
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn multiply(panels: &Panels, out: Rows<&mut [f32]>, a: Rows<&[f32]>, add: bool) {
    match_target! {
        "x86_64+avx512f+avx512vl" => all_rows::<8, 32, true>(panels, out, a, add),
        "x86_64+avx2+fma" => all_rows::<4, 16, true>(panels, out, a, add),
        "aarch64+neon" => all_rows::<4, 16, true>(panels, out, a, add),
        _ => all_rows::<4, 8, false>(panels, out, a, add),
    }
}

#[inline(always)]
fn all_rows<const R: usize, const W: usize, const FMA: bool>(
    panels: &Panels,
    mut out: Rows<&mut [f32]>,
    a: Rows<&[f32]>,
    add: bool,
) {
    if panels.depth == 0 {
        if !add {
            (0..out.count)
                .for_each(|row| out.values[row * out.stride..][..panels.columns].fill(0.0));
        }
        return;
    }
    for (number, panel) in panels.values.chunks_exact(panels.depth * W).enumerate() {
        let columns = number * W..panels.columns.min((number + 1) * W);
        let mut row = 0;
        while row + R <= out.count {
            some_rows::<R, W, FMA>(panel, &mut out, &a, row, columns.clone(), add);
            row += R;
        }
        while row + 2 <= out.count {
            some_rows::<2, W, FMA>(panel, &mut out, &a, row, columns.clone(), add);
            row += 2;
        }
        if row < out.count {
            some_rows::<1, W, FMA>(panel, &mut out, &a, row, columns, add);
        }
    }
}

#[inline(always)]
fn some_rows<const R: usize, const W: usize, const FMA: bool>(
    panel: &[f32],
    out: &mut Rows<&mut [f32]>,
    a: &Rows<&[f32]>,
    first: usize,
    columns: std::ops::Range<usize>,
    add: bool,
) {
    let depth = panel.len() / W;
    let mut sums = [[0f32; W]; R];
    let place = |row: usize| (first + row) * out.stride + columns.start;
    if add {
        for (row, sums) in sums.iter_mut().enumerate() {
            load(sums, &out.values[place(row)..][..columns.len()]);
        }
    }
    let mut rows: [&[f32]; R] = [&[]; R];
    for (row, slice) in rows.iter_mut().enumerate() {
        *slice = &a.values[(first + row) * a.stride..][..depth];
    }
    tile::<R, W, FMA>(&mut sums, rows, 1, panel);
    for (row, sums) in sums.iter().enumerate() {
        store(&mut out.values[place(row)..][..columns.len()], sums);
    }
}

/// `a^T b`, where `a` is `[depth, rows]` and `b` `[depth, columns]`.
pub(crate) fn transposed_product(a: &[f32], rows: usize, b: &[f32], columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    add_transposed_product(&mut out, a, rows, b, columns);
    out
}

/// `out += a^T b`, see [`transposed_product`].
pub(crate) fn add_transposed_product(
    out: &mut [f32],
    a: &[f32],
    rows: usize,
    b: &[f32],
    columns: usize,
) {
    assert_eq!(out.len(), rows * columns, "length of the result");
    if !out.is_empty() {
        assert_eq!(a.len() / rows, b.len() / columns, "inner lengths");
        multiply_transposed(out, a, rows, b, columns);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn multiply_transposed(out: &mut [f32], a: &[f32], rows: usize, b: &[f32], columns: usize) {
    match_target! {
        "x86_64+avx512f+avx512vl" => multiply_transposed_by::<8, 32, true>(out, a, rows, b, columns),
        "x86_64+avx2+fma" => multiply_transposed_by::<4, 16, true>(out, a, rows, b, columns),
        "aarch64+neon" => multiply_transposed_by::<4, 16, true>(out, a, rows, b, columns),
        _ => multiply_transposed_by::<4, 8, false>(out, a, rows, b, columns),
    }
}

#[inline(always)]
fn multiply_transposed_by<const R: usize, const W: usize, const FMA: bool>(
    out: &mut [f32],
    a: &[f32],
    rows: usize,
    b: &[f32],
    columns: usize,
) {
    // Some rows of `b` at a time, so that a panel of them stays in the nearest cache.
    let mut panel = vec![0.0; DEPTH * W];
    let blocks = a.chunks(DEPTH * rows).zip(b.chunks(DEPTH * columns));
    for (a, b) in blocks {
        let panel = &mut panel[..b.len() / columns * W];
        for first in (0..columns).step_by(W) {
            let lanes = W.min(columns - first);
            let panel_rows = panel.chunks_exact_mut(W).zip(b.chunks_exact(columns));
            if lanes == W {
                panel_rows.for_each(|(to, from)| to.copy_from_slice(&from[first..first + W]));
            } else {
                panel_rows.for_each(|(to, from)| to[..lanes].copy_from_slice(&from[first..]));
            }
            let mut row = 0;
            while row < rows {
                if row + R <= rows {
                    columns_of::<R, W, FMA>(out, a, row, panel, [rows, columns, first, lanes]);
                    row += R;
                } else {
                    columns_of::<1, W, FMA>(out, a, row, panel, [rows, columns, first, lanes]);
                    row += 1;
                }
            }
        }
    }
}

/// Rows that are multiplied at a time.
const DEPTH: usize = 64;

/// Adds some rows' sums to one panel of `out`.
#[inline(always)]
fn columns_of<const R: usize, const W: usize, const FMA: bool>(
    out: &mut [f32],
    a: &[f32],
    row: usize,
    panel: &[f32],
    [rows, columns, first, lanes]: [usize; 4],
) {
    let place = |r: usize| (row + r) * columns + first;
    let mut sums = [[0f32; W]; R];
    let reach = (panel.len() / W - 1) * rows + 1;
    let mut a_columns: [&[f32]; R] = [&[]; R];
    for (r, slice) in a_columns.iter_mut().enumerate() {
        *slice = &a[row + r..][..reach];
    }
    tile::<R, W, FMA>(&mut sums, a_columns, rows, panel);
    for (r, sums) in sums.iter().enumerate() {
        let out = &mut out[place(r)..][..lanes];
        if let Ok(out) = <&mut [f32; W]>::try_from(&mut *out) {
            for lane in 0..W {
                out[lane] += sums[lane];
            }
        } else {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_with_a_mirrored_left_side() {
        for (depth, rows, columns) in [(1, 1, 1), (3, 8, 40), (2, 9, 32), (0, 3, 2), (5, 19, 7)] {
            let a: Vec<f32> = (0..depth * rows).map(|i| (i % 7) as f32).collect();
            let b: Vec<f32> = (0..depth * columns).map(|i| (i % 5) as f32).collect();
            let out = transposed_product(&a, rows, &b, columns);
            for row in 0..rows {
                for column in 0..columns {
                    let term = |k| a[k * rows + row] * b[k * columns + column];
                    let expected = (0..depth).map(term).sum::<f32>();
                    assert_eq!(out[row * columns + column], expected);
                }
            }
        }
    }

    #[test]
    fn products_of_every_number_of_rows_and_columns() {
        for rows in 0..20 {
            for (depth, columns) in [(1, 1), (3, 7), (5, 8), (0, 3), (4, 33), (2, 70)] {
                let a: Vec<f32> = (0..rows * (depth + 2)).map(|i| (i % 7) as f32).collect();
                let b: Vec<f32> = (0..depth * columns).map(|i| (i % 5) as f32).collect();
                let panels = Panels::new(Matrix::new(&b, depth, columns));
                for add in [false, true] {
                    let stride = columns + 1;
                    let mut out = vec![3.0; rows * stride];
                    let a_rows = Rows {
                        values: a.as_slice(),
                        count: rows,
                        stride: depth + 2,
                    };
                    let out_rows = Rows {
                        values: out.as_mut_slice(),
                        count: rows,
                        stride,
                    };
                    panels.multiply(out_rows, a_rows, add);
                    for row in 0..rows {
                        for column in 0..stride {
                            let term = |k| a[row * (depth + 2) + k] * b[k * columns + column];
                            let before = if add { 3.0 } else { 0.0 };
                            let expected = if column < columns {
                                before + (0..depth).map(term).sum::<f32>()
                            } else {
                                3.0
                            };
                            assert_eq!(out[row * stride + column], expected);
                        }
                    }
                }
            }
        }
    }
}
