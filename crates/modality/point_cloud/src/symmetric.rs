//! Eigenvalues of small symmetric matrices.

/// Eigenvalues of a symmetric matrix of 3 x 3, ascending, given as `[xx, xy, xz, yy, yz, zz]`.
///
/// # Reference
/// Smith, "Eigenvalues of a symmetric 3 x 3 matrix", Communications of the ACM 4(4), 1961.
pub(crate) fn eigenvalues([xx, xy, xz, yy, yz, zz]: [f64; 6]) -> [f64; 3] {
    let mean = (xx + yy + zz) / 3.0;
    let off = xy * xy + xz * xz + yz * yz;
    let (a, b, c) = (xx - mean, yy - mean, zz - mean);
    let spread = ((a * a + b * b + c * c + 2.0 * off) / 6.0).sqrt();
    if spread <= 1e-300 {
        return [mean; 3];
    }
    let determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz);
    let half = (determinant / (2.0 * spread.powi(3))).clamp(-1.0, 1.0);
    let angle = half.acos() / 3.0;
    let third = 2.0 * std::f64::consts::PI / 3.0;
    let greatest = mean + 2.0 * spread * angle.cos();
    let least = mean + 2.0 * spread * (angle + third).cos();
    [least, 3.0 * mean - greatest - least, greatest]
}

/// A unit eigenvector to a simple eigenvalue of the same; `None` where the eigenvalue is not simple.
pub(crate) fn eigenvector([xx, xy, xz, yy, yz, zz]: [f64; 6], value: f64) -> Option<[f64; 3]> {
    let rows = [
        [xx - value, xy, xz],
        [xy, yy - value, yz],
        [xz, yz, zz - value],
    ];
    let cross = |a: [f64; 3], b: [f64; 3]| {
        [
            a[1] * b[2] - a[2] * b[1],
            a[2] * b[0] - a[0] * b[2],
            a[0] * b[1] - a[1] * b[0],
        ]
    };
    let square = |v: &[f64; 3]| v.iter().map(|x| x * x).sum::<f64>();
    // The row space has two dimensions; of the three products of its rows the longest is the most exact.
    let candidates = [
        cross(rows[0], rows[1]),
        cross(rows[0], rows[2]),
        cross(rows[1], rows[2]),
    ];
    let best = candidates
        .into_iter()
        .max_by(|a, b| square(a).total_cmp(&square(b)))?;
    let scale = rows.iter().map(square).sum::<f64>();
    let norm = square(&best);
    (norm > 1e-16 * scale * scale).then(|| best.map(|x| x / norm.sqrt()))
}

/// Eigenvalues of a symmetric matrix `[n, n]`, the greatest in size first.
///
/// # Reference
/// Golub & Van Loan, "Matrix Computations", 4th edition, algorithms 8.3.1 (Householder's tridiagonal form) and 8.3.3 (the symmetric QR algorithm).
pub(crate) fn spectrum(mut matrix: Vec<f64>, n: usize) -> Vec<f64> {
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, n);
    diagonalise(&mut diagonal, &mut beside);
    diagonal.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    diagonal
}

/// A tridiagonal matrix of the same eigenvalues: its diagonal, and what stands beside it.
fn tridiagonal(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut beside = vec![0.0; n.saturating_sub(1)];
    for k in 0..n.saturating_sub(1) {
        let row = &matrix[k * n + k + 1..(k + 1) * n];
        let norm = dot(row, row).sqrt();
        // The row is mirrored onto its first axis, to the side where nothing cancels.
        let image = if row[0] > 0.0 { -norm } else { norm };
        let mut mirror = row.to_vec();
        mirror[0] -= image;
        let square = dot(&mirror, &mirror);
        beside[k] = image;
        if square <= f64::MIN_POSITIVE {
            continue;
        }
        let factor = 2.0 / square;
        let below = matrix[(k + 1) * n..].chunks_exact(n);
        let mut turned: Vec<f64> = below
            .map(|row| factor * dot(&row[k + 1..], &mirror))
            .collect();
        let half = 0.5 * factor * dot(&turned, &mirror);
        for (turned, mirror) in turned.iter_mut().zip(&mirror) {
            *turned -= half * mirror;
        }
        let below = matrix[(k + 1) * n..].chunks_exact_mut(n);
        for (row, (a, b)) in below.zip(mirror.iter().zip(&turned)) {
            let pairs = mirror.iter().zip(&turned);
            for (x, (mirror, turned)) in row[k + 1..].iter_mut().zip(pairs) {
                *x -= a * turned + b * mirror;
            }
        }
    }
    ((0..n).map(|k| matrix[k * n + k]).collect(), beside)
}

/// Turns a symmetric tridiagonal matrix until nothing stands beside its diagonal.
fn diagonalise(diagonal: &mut [f64], beside: &mut [f64]) {
    /// A few for each eigenvalue suffice.
    const MOST: usize = 60;
    let small = |d: &[f64], e: f64, at: usize| e.abs() <= 1e-16 * (d[at].abs() + d[at + 1].abs());
    let mut last = diagonal.len().saturating_sub(1);
    let mut left = MOST * diagonal.len();
    while last > 0 && left > 0 {
        let joined = (0..last)
            .rev()
            .take_while(|&k| !small(diagonal, beside[k], k));
        let first = last - joined.count();
        if first == last {
            last -= 1;
            continue;
        }
        left -= 1;
        // Wilkinson's shift: the eigenvalue of the last two rows that is nearer to the last.
        let (half, e) = (
            0.5 * (diagonal[last - 1] - diagonal[last]),
            beside[last - 1],
        );
        let shift = diagonal[last] - e * e / (half + half.hypot(e).copysign(half));
        let (mut x, mut z) = (diagonal[first] - shift, beside[first]);
        for k in first..last {
            let r = x.hypot(z);
            let (c, s) = if r > 0.0 { (x / r, z / r) } else { (1.0, 0.0) };
            if k > first {
                beside[k - 1] = r;
            }
            let (a, b, e) = (diagonal[k], diagonal[k + 1], beside[k]);
            diagonal[k] = c * c * a + 2.0 * c * s * e + s * s * b;
            diagonal[k + 1] = s * s * a - 2.0 * c * s * e + c * c * b;
            beside[k] = c * s * (b - a) + (c * c - s * s) * e;
            if k + 1 < last {
                (x, z) = (beside[k], s * beside[k + 1]);
                beside[k + 1] *= c;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_known_matrices() {
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(close(
            &eigenvalues([2.0, 0.0, 0.0, 3.0, 0.0, 1.0]),
            &[1.0, 2.0, 3.0]
        ));
        assert!(close(
            &eigenvalues([2.0, 1.0, 0.0, 2.0, 0.0, 5.0]),
            &[1.0, 3.0, 5.0]
        ));
        assert!(close(
            &eigenvalues([4.0, 0.0, 0.0, 4.0, 0.0, 4.0]),
            &[4.0; 3]
        ));
        let matrix = [2.0, 1.0, 0.5, 3.0, -0.3, 1.5];
        let values = eigenvalues(matrix);
        let vector = eigenvector(matrix, values[0]).unwrap();
        let [x, y, z] = vector;
        let product = [
            2.0 * x + y + 0.5 * z,
            x + 3.0 * y - 0.3 * z,
            0.5 * x - 0.3 * y + 1.5 * z,
        ];
        assert!(close(&product, &vector.map(|v| v * values[0])));
        assert!(eigenvector([1.0, 0.0, 0.0, 1.0, 0.0, 1.0], 1.0).is_none());
    }

    #[test]
    fn a_spectrum_agrees_with_trace_and_norm_and_a_known_matrix() {
        // The path of n nodes: 2 cos(pi k / (n + 1)).
        let n = 12;
        let mut path = vec![0.0; n * n];
        for i in 1..n {
            path[i * n + i - 1] = 1.0;
            path[(i - 1) * n + i] = 1.0;
        }
        let mut expected: Vec<f64> = (1..=n)
            .map(|k| 2.0 * (std::f64::consts::PI * k as f64 / (n as f64 + 1.0)).cos())
            .collect();
        expected.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
        let mut found = spectrum(path, n);
        let order = |a: &f64, b: &f64| a.total_cmp(b);
        found.sort_by(order);
        expected.sort_by(order);
        assert!(
            found
                .iter()
                .zip(&expected)
                .all(|(a, b)| (a - b).abs() < 1e-8),
            "{found:?}"
        );
        assert_eq!(spectrum(vec![0.0; 9], 3), [0.0; 3]);
        assert_eq!(spectrum(vec![4.0], 1), [4.0]);
        assert!(spectrum(Vec::new(), 0).is_empty());
        // Equal eigenvalues, and a full matrix: the ones of 5 x 5 plus 2 on the diagonal.
        let full = (0..25).map(|i| if i % 6 == 0 { 3.0 } else { 1.0 });
        let found = spectrum(full.collect(), 5);
        let expected = [7.0, 2.0, 2.0, 2.0, 2.0];
        let close = |(a, b): (&f64, f64)| (a - b).abs() < 1e-12;
        assert!(found.iter().zip(expected).all(close), "{found:?}");
    }
}
