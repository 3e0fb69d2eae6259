/// Eigenvalues and orthonormal eigenvectors of a symmetric matrix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spectrum {
    pub values: Vec<f64>,
    /// Eigenvectors, one after the other, in the order of the values.
    pub vectors: Vec<f64>,
}

/// Sweeps at most; quadratic convergence makes ten enough for any size that networks have.
const SWEEPS: usize = 30;
/// What is left beside the diagonal, as a share of the whole in squares, when sweeps end.
const LEFT: f64 = 1e-22;

/// Jacobi's cyclic rotations (Golub & Van Loan, "Matrix Computations", 4th edition, algorithm 8.5.3), O(n³) a sweep. `matrix` is
/// `[n, n]`, of which both triangles must be given.
pub(crate) fn spectrum(mut matrix: Vec<f64>, n: usize) -> Spectrum {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let whole: f64 = matrix.iter().map(|a| a * a).sum();
    for _ in 0..SWEEPS {
        let beside: f64 = (0..n)
            .flat_map(|p| (p + 1..n).map(move |q| (p, q)))
            .map(|(p, q)| matrix[p * n + q].powi(2))
            .sum();
        if beside <= LEFT * whole {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let off = matrix[p * n + q];
                if off == 0.0 {
                    continue;
                }
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                rotate_rows(&mut matrix, n, p, q, cosine, sine);
                for row in matrix.chunks_exact_mut(n) {
                    let (a, b) = (row[p], row[q]);
                    row[p] = cosine * a - sine * b;
                    row[q] = sine * a + cosine * b;
                }
                rotate_rows(&mut vectors, n, p, q, cosine, sine);
            }
        }
    }
    Spectrum {
        values: (0..n).map(|i| matrix[i * n + i]).collect(),
        vectors,
    }
}

fn rotate_rows(matrix: &mut [f64], n: usize, p: usize, q: usize, cosine: f64, sine: f64) {
    let (before, from_q) = matrix.split_at_mut(q * n);
    let (row_p, row_q) = (&mut before[p * n..(p + 1) * n], &mut from_q[..n]);
    for (a, b) in row_p.iter_mut().zip(row_q) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use rand::RngExt;

    #[test]
    fn a_matrix_is_put_together_again_from_its_spectrum() {
        for n in [1, 2, 3, 7, 24] {
            let mut stream = Seed(1).stream("symmetric", &[n as u64]);
            let mut matrix = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    let value = stream.random_range(-2.0..2.0);
                    (matrix[i * n + j], matrix[j * n + i]) = (value, value);
                }
            }
            let Spectrum { values, vectors } = spectrum(matrix.clone(), n);
            for i in 0..n {
                for j in 0..n {
                    let both = |k: usize| vectors[k * n + i] * vectors[k * n + j];
                    let back: f64 = (0..n).map(|k| values[k] * both(k)).sum();
                    let unit: f64 = (0..n).map(both).sum();
                    assert!((back - matrix[i * n + j]).abs() < 1e-10, "{n}: {back}");
                    assert!((unit - f64::from(u8::from(i == j))).abs() < 1e-10);
                }
            }
        }
        // Nothing at all, and equal values.
        assert_eq!(spectrum(vec![0.0; 4], 2).values, [0.0, 0.0]);
        assert_eq!(spectrum(vec![], 0).values, [0.0; 0]);
    }
}
