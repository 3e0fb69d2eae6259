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

/// Eigenvalues of a symmetric matrix `[n, n]`, the greatest in size first, by Jacobi's rotations.
pub(crate) fn spectrum(mut matrix: Vec<f64>, n: usize) -> Vec<f64> {
    const SWEEPS: usize = 12;
    let total: f64 = matrix.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let mut off = 0.0;
        for p in 0..n {
            for q in p + 1..n {
                let apq = matrix[p * n + q];
                off += apq * apq;
                if apq * apq <= 1e-24 * total {
                    continue;
                }
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * apq);
                let sign = if theta >= 0.0 { 1.0 } else { -1.0 };
                let tangent = sign / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                // Both rows at once; then the columns, which are the same numbers.
                let (above, below) = matrix.split_at_mut(q * n);
                for (x, y) in above[p * n..(p + 1) * n].iter_mut().zip(&mut below[..n]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
                for row in matrix.chunks_exact_mut(n) {
                    let (x, y) = (row[p], row[q]);
                    row[p] = cosine * x - sine * y;
                    row[q] = sine * x + cosine * y;
                }
            }
        }
        if off <= 1e-18 * total {
            break;
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| matrix[i * n + i]).collect();
    values.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    values
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
    }
}
