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
        for (number, panel) in values.chunks_exact_mut((depth * width).max(1)).enumerate() {
            let first = number * width;
            let lanes = width.min(columns - first);
            // In the order in which the numbers lie.
            if b.has_rows() {
                for (row, to) in panel.chunks_exact_mut(width).enumerate() {
                    to[..lanes].copy_from_slice(&b.row(row)[first..first + lanes]);
                }
            } else {
                for lane in 0..lanes {
                    for (row, to) in panel.chunks_exact_mut(width).enumerate() {
                        to[lane] = b.at(row, first + lane);
                    }
                }
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

/// The left side of a product that is transposed: `[depth, width]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left<'a> {
    pub values: &'a [f32],
    pub width: usize,
    /// With `Some(steps)`, each row stands for the one before it, and the first of every `steps` rows for zeros.
    pub before: Option<usize>,
}

impl Left<'_> {
    /// Row `k`; nothing where it is zeros.
    #[inline(always)]
    fn row(&self, k: usize) -> &[f32] {
        let at = match self.before {
            None => k,
            Some(steps) if k.is_multiple_of(steps) => return &[],
            Some(_) => k - 1,
        };
        &self.values[at * self.width..][..self.width]
    }
}

/// `out += a^T b`, where `a` is `[depth, rows]` and `b` `[depth, columns]`.
pub(crate) fn add_transposed_product(
    out: &mut [f32],
    a: &[f32],
    rows: usize,
    b: &[f32],
    columns: usize,
) {
    let a = Left {
        values: a,
        width: rows,
        before: None,
    };
    add_transposed_products(&mut [(out, a)], b, columns);
}

/// `out += a^T b` for several `a` and one `b`, which is `[depth, columns]`.
pub(crate) fn add_transposed_products(
    products: &mut [(&mut [f32], Left)],
    b: &[f32],
    columns: usize,
) {
    let depth = b.len() / columns.max(1);
    for (out, a) in products.iter() {
        assert_eq!(out.len(), a.width * columns, "length of the result");
        assert_eq!(a.values.len(), a.width * depth, "inner lengths");
    }
    if depth > 0 {
        multiply_transposed(products, b, columns);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn multiply_transposed(products: &mut [(&mut [f32], Left)], b: &[f32], columns: usize) {
    match_target! {
        "x86_64+avx512f+avx512vl" => multiply_transposed_by::<8, 32, true>(products, b, columns),
        "x86_64+avx2+fma" => multiply_transposed_by::<4, 16, true>(products, b, columns),
        "aarch64+neon" => multiply_transposed_by::<4, 16, true>(products, b, columns),
        _ => multiply_transposed_by::<4, 8, false>(products, b, columns),
    }
}

/// Rows that are multiplied at a time.
const DEPTH: usize = 128;

/// Some rows of both sides at a time, laid out so that a panel of either is read in order. Read where they stand, numbers that are needed one after
/// the other would lie a whole row apart, in the same few places of the nearest cache.
#[inline(always)]
fn multiply_transposed_by<const R: usize, const W: usize, const FMA: bool>(
    products: &mut [(&mut [f32], Left)],
    b: &[f32],
    columns: usize,
) {
    let deepest = DEPTH.min(b.len() / columns);
    let groups: usize = products.iter().map(|(_, a)| a.width.div_ceil(R)).sum();
    let mut left = vec![0.0; groups * deepest * R];
    let mut right = vec![0.0; deepest * W];
    for (block, b) in b.chunks(DEPTH * columns).enumerate() {
        let depth = b.len() / columns;
        let left = &mut left[..groups * depth * R];
        let mut panels = left.chunks_exact_mut(depth * R);
        for (_, a) in products.iter() {
            for first in (0..a.width).step_by(R) {
                let lanes = first..a.width.min(first + R);
                let rows = panels
                    .next()
                    .into_iter()
                    .flat_map(|p| p.as_chunks_mut::<R>().0);
                for (row, to) in rows.enumerate() {
                    let from = a.row(block * DEPTH + row);
                    load_some(to, from.get(lanes.clone()).unwrap_or_default());
                }
            }
        }
        let right = &mut right[..depth * W];
        for first in (0..columns).step_by(W) {
            let lanes = first..columns.min(first + W);
            let rows = right.as_chunks_mut::<W>().0.iter_mut();
            rows.zip(b.chunks_exact(columns))
                .for_each(|(to, from)| load_some(to, &from[lanes.clone()]));
            let mut panels = left.chunks_exact(depth * R);
            for (out, a) in products.iter_mut() {
                for row in (0..a.width).step_by(R) {
                    let panel = panels.next().unwrap_or_default();
                    let rows = row..a.width.min(row + R);
                    add_tile::<R, W, FMA>(out, columns, [panel, right], rows, lanes.clone());
                }
            }
        }
    }
}

/// A whole vector is copied without a call; behind a shorter one stand zeros.
#[inline(always)]
fn load_some<const N: usize>(to: &mut [f32; N], from: &[f32]) {
    if from.len() < N {
        to.fill(0.0);
    }
    load(to, from);
}

/// Adds the product of two panels to some rows and columns of `out`.
#[inline(always)]
fn add_tile<const R: usize, const W: usize, const FMA: bool>(
    out: &mut [f32],
    columns: usize,
    [left, right]: [&[f32]; 2],
    rows: std::ops::Range<usize>,
    lanes: std::ops::Range<usize>,
) {
    let mut sums = [[0f32; W]; R];
    let reach = left.len() - R + 1;
    let mut a: [&[f32]; R] = [&[]; R];
    for (row, slice) in a.iter_mut().enumerate() {
        *slice = &left[row..][..reach];
    }
    tile::<R, W, FMA>(&mut sums, a, R, right);
    for (row, sums) in rows.zip(&sums) {
        let out = &mut out[row * columns..][lanes.clone()];
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
        let sizes = [
            (1, 1, 1),
            (3, 8, 40),
            (2, 9, 32),
            (0, 3, 2),
            (5, 19, 7),
            (261, 9, 33),
        ];
        for (depth, rows, columns) in sizes {
            let a: Vec<f32> = (0..depth * rows).map(|i| (i % 7) as f32).collect();
            let b: Vec<f32> = (0..depth * columns).map(|i| (i % 5) as f32).collect();
            let (mut out, mut of_before) = (vec![1.0; rows * columns], vec![2.0; rows * columns]);
            let of = |before| Left {
                values: &a,
                width: rows,
                before,
            };
            let mut products = [
                (out.as_mut_slice(), of(None)),
                (of_before.as_mut_slice(), of(Some(3))),
            ];
            add_transposed_products(&mut products, &b, columns);
            for row in 0..rows {
                for column in 0..columns {
                    let at = |k: usize, of: usize| a[of * rows + row] * b[k * columns + column];
                    let own: f32 = (0..depth).map(|k| at(k, k)).sum();
                    let later = (0..depth).filter(|k| k % 3 > 0);
                    let before: f32 = later.map(|k| at(k, k - 1)).sum();
                    let place = row * columns + column;
                    assert_eq!((out[place], of_before[place]), (1.0 + own, 2.0 + before));
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
