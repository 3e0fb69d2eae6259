/// The product of two vectors, summed in blocks so that long ones lose nothing.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    const BLOCK: usize = 512;
    let mut total = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut lanes = [0.0f32; LANES];
        let (whole_a, rest_a) = a.as_chunks::<LANES>();
        let (whole_b, rest_b) = b.as_chunks::<LANES>();
        for (a, b) in whole_a.iter().zip(whole_b) {
            for lane in 0..LANES {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        let rest = rest_a.iter().zip(rest_b);
        total += rest
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>();
    }
    total
}

fn dot64(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// `A + s I = L L'` for a symmetric matrix.
pub(crate) struct Cholesky {
    size: usize,
    /// `[size, size]`, of which what lies right of the diagonal is not used.
    lower: Vec<f64>,
}

impl Cholesky {
    /// `None` when the sum is not positive definite.
    pub fn new(matrix: &[f64], size: usize, added: f64) -> Option<Cholesky> {
        let mut lower = matrix.to_vec();
        for i in 0..size {
            let (above, rest) = lower.split_at_mut(i * size);
            let row = &mut rest[..size];
            for j in 0..i {
                let other = &above[j * size..j * size + j + 1];
                row[j] = (row[j] - dot64(&row[..j], &other[..j])) / other[j];
            }
            let left = row[i] + added - dot64(&row[..i], &row[..i]);
            if left.is_nan() || left <= 0.0 {
                return None;
            }
            row[i] = left.sqrt();
        }
        Some(Cholesky { size, lower })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.lower[i * self.size..i * self.size + i + 1]
    }

    /// `L^-1 b`.
    fn forwards(&self, b: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut x: Vec<f64> = Vec::with_capacity(self.size);
        for (i, b) in b.take(self.size).enumerate() {
            let row = self.row(i);
            x.push((b - dot64(&row[..i], &x)) / row[i]);
        }
        x
    }

    /// `(A + s I)^-1 b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.forwards(b.iter().copied());
        for i in (0..x.len()).rev() {
            let row = self.row(i);
            x[i] /= row[i];
            let solved = x[i];
            for (x, &l) in x[..i].iter_mut().zip(row) {
                *x -= solved * l;
            }
        }
        x
    }

    /// `b' (A + s I)^-1 b`.
    pub fn squared_length(&self, b: &[f32]) -> f64 {
        let x = self.forwards(b.iter().map(|&b| f64::from(b)));
        dot64(&x, &x)
    }

    /// The diagonal of the inverse.
    pub fn inverse_diagonal(&self) -> Vec<f64> {
        let size = self.size;
        // Row i of the inverse of L, from those above it.
        let mut inverse = vec![0.0; size * size];
        let mut diagonal = vec![0.0; size];
        for i in 0..size {
            let row = self.row(i);
            let (above, rest) = inverse.split_at_mut(i * size);
            let own = &mut rest[..=i];
            for (k, &l) in row[..i].iter().enumerate() {
                for (x, &known) in own[..=k].iter_mut().zip(&above[k * size..k * size + k + 1]) {
                    *x -= l * known;
                }
            }
            own[i] = 1.0;
            for (sum, x) in diagonal.iter_mut().zip(own.iter_mut()) {
                *x /= row[i];
                *sum += *x * *x;
            }
        }
        diagonal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_solve_and_inverses_invert() {
        let size = 9;
        let vector =
            |i: usize| -> Vec<f64> { (0..size).map(|j| ((i * 7 + j * j) % 11) as f64).collect() };
        let mut matrix = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..size {
                matrix[i * size + j] = dot64(&vector(i), &vector(j));
            }
        }
        let factor = Cholesky::new(&matrix, size, 2.0).unwrap();
        let diagonal = factor.inverse_diagonal();
        for i in 0..size {
            let unit: Vec<f64> = (0..size).map(|j| f64::from(u8::from(i == j))).collect();
            let column = factor.solve(&unit);
            assert!((column[i] - diagonal[i]).abs() < 1e-10);
            let narrow: Vec<f32> = unit.iter().map(|&u| u as f32).collect();
            assert!((factor.squared_length(&narrow) - diagonal[i]).abs() < 1e-10);
            for j in 0..size {
                let row = &matrix[j * size..(j + 1) * size];
                let product = dot64(row, &column) + 2.0 * column[j];
                assert!((product - unit[j]).abs() < 1e-8);
            }
        }
        assert!(Cholesky::new(&[-1.0], 1, 0.5).is_none());
    }

    #[test]
    fn products_are_exact_enough() {
        let a: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let exact: f64 = a.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert!((dot(&a, &a) - exact).abs() < 1e-4);
        assert_eq!(dot(&[], &[]), 0.0);
    }
}
