//! What maxima over the entries of a row have in common.

use multiversion::multiversion;

use crate::Csr;
use crate::array::{Array, View, pieces_of, spread};

/// The winner in a row without entries.
pub(crate) const NOBODY: u32 = u32::MAX;

/// The greatest of each row's rows of `x`, each feature by itself, zero where there are none, and which row of `x` each value came from:
/// of equal ones the first. A row of the matrix has the rows of `x` that `rows` names for its entries, or, without, those with
/// their numbers.
pub(crate) fn greatest(matrix: &Csr, rows: Option<&[u32]>, x: View) -> (Array, Vec<u32>) {
    let width = x.width();
    let mut y = Array::zeros(&[matrix.rows(), width]);
    let mut winners = vec![NOBODY; y.values.len()];
    if width == 0 {
        return (y, winners);
    }
    let work = matrix.work(width, width);
    let parts = pieces_of(work.clone(), &mut y.values, |range| range.len() * width);
    let won = pieces_of(work, &mut winners, |range| range.len() * width);
    let parts = parts.into_iter().zip(won).collect();
    spread(parts, |((range, y), (_, won))| {
        let starts = &matrix.starts()[range.start..=range.end];
        greatest_of_rows(y, won, x.values, width, starts, rows);
    });
    (y, winners)
}

/// Winners are written also where nobody asks for them: that costs less than a second form of the loop would.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn greatest_of_rows(
    y: &mut [f32],
    won: &mut [u32],
    x: &[f32],
    width: usize,
    starts: &[usize],
    rows: Option<&[u32]>,
) {
    let results = y.chunks_exact_mut(width).zip(won.chunks_exact_mut(width));
    for (ends, (y, won)) in starts.windows(2).zip(results) {
        for entry in ends[0]..ends[1] {
            let row = match rows {
                Some(rows) => rows[entry],
                None => entry as u32,
            };
            let x = &x[row as usize * width..][..width];
            if entry == ends[0] {
                y.copy_from_slice(x);
                won.fill(row);
                continue;
            }
            for ((y, won), &x) in y.iter_mut().zip(won.iter_mut()).zip(x) {
                let better = x > *y;
                *y = if better { x } else { *y };
                *won = if better { row } else { *won };
            }
        }
    }
}
