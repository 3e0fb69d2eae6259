//! The one-dimensional transforms of F(4, 3), each over as many lanes at a time as a vector has (Lavin & Gray 2016, section 4.3); a
//! two-dimensional one is one along the columns and one along the rows.

use crate::lanes::fused;

/// `B^T d`: six neighbouring numbers of the input.
#[inline(always)]
pub(super) fn input<const L: usize, const FMA: bool>(d: [&[f32; L]; 6]) -> [[f32; L]; 6] {
    let mut t = [[0f32; L]; 6];
    for lane in 0..L {
        let even = fused::<FMA>(-4.0, d[2][lane], d[4][lane]);
        let odd = fused::<FMA>(-4.0, d[1][lane], d[3][lane]);
        let (even_2, odd_2) = (d[4][lane] - d[2][lane], d[3][lane] - d[1][lane]);
        t[0][lane] = fused::<FMA>(4.0, d[0][lane], fused::<FMA>(-5.0, d[2][lane], d[4][lane]));
        t[1][lane] = even + odd;
        t[2][lane] = even - odd;
        t[3][lane] = fused::<FMA>(2.0, odd_2, even_2);
        t[4][lane] = fused::<FMA>(-2.0, odd_2, even_2);
        t[5][lane] = fused::<FMA>(4.0, d[1][lane], fused::<FMA>(-5.0, d[3][lane], d[5][lane]));
    }
    t
}

/// `A^T m`: four neighbouring results from their six products.
#[inline(always)]
pub(super) fn output<const L: usize, const FMA: bool>(m: [&[f32; L]; 6]) -> [[f32; L]; 4] {
    let mut y = [[0f32; L]; 4];
    for lane in 0..L {
        let (sum, difference) = (m[1][lane] + m[2][lane], m[1][lane] - m[2][lane]);
        let (sum_2, difference_2) = (m[3][lane] + m[4][lane], m[3][lane] - m[4][lane]);
        y[0][lane] = m[0][lane] + sum + sum_2;
        y[1][lane] = fused::<FMA>(2.0, difference_2, difference);
        y[2][lane] = fused::<FMA>(4.0, sum_2, sum);
        y[3][lane] = fused::<FMA>(8.0, difference_2, difference) + m[5][lane];
    }
    y
}

/// `G g`: the three numbers of a kernel.
#[inline(always)]
pub(super) fn kernel<const L: usize, const FMA: bool>(g: [&[f32; L]; 3]) -> [[f32; L]; 6] {
    let mut u = [[0f32; L]; 6];
    for lane in 0..L {
        let ends = g[0][lane] + g[2][lane];
        let ends_2 = fused::<FMA>(4.0, g[2][lane], g[0][lane]);
        u[0][lane] = 0.25 * g[0][lane];
        u[1][lane] = (ends + g[1][lane]) * (-1.0 / 6.0);
        u[2][lane] = (ends - g[1][lane]) * (-1.0 / 6.0);
        u[3][lane] = fused::<FMA>(2.0, g[1][lane], ends_2) * (1.0 / 24.0);
        u[4][lane] = fused::<FMA>(-2.0, g[1][lane], ends_2) * (1.0 / 24.0);
        u[5][lane] = g[2][lane];
    }
    u
}

/// `A y`, the transpose of [`output`]: the gradient of the products.
#[inline(always)]
pub(super) fn gradient<const L: usize, const FMA: bool>(y: [&[f32; L]; 4]) -> [[f32; L]; 6] {
    let mut z = [[0f32; L]; 6];
    for lane in 0..L {
        let (even, odd) = (y[0][lane] + y[2][lane], y[1][lane] + y[3][lane]);
        let even_2 = fused::<FMA>(4.0, y[2][lane], y[0][lane]);
        let odd_2 = fused::<FMA>(4.0, y[3][lane], y[1][lane]);
        z[0][lane] = y[0][lane];
        z[1][lane] = even + odd;
        z[2][lane] = even - odd;
        z[3][lane] = fused::<FMA>(2.0, odd_2, even_2);
        z[4][lane] = fused::<FMA>(-2.0, odd_2, even_2);
        z[5][lane] = y[3][lane];
    }
    z
}

/// `G^T m`, the transpose of [`kernel`]: the gradient of a kernel.
#[inline(always)]
pub(super) fn kernel_gradient<const L: usize, const FMA: bool>(m: [&[f32; L]; 6]) -> [[f32; L]; 3] {
    let mut g = [[0f32; L]; 3];
    for lane in 0..L {
        let (sum, difference) = (
            (m[1][lane] + m[2][lane]) * (-1.0 / 6.0),
            (m[2][lane] - m[1][lane]) * (1.0 / 6.0),
        );
        let (sum_2, difference_2) = (m[3][lane] + m[4][lane], m[3][lane] - m[4][lane]);
        g[0][lane] = fused::<FMA>(0.25, m[0][lane], fused::<FMA>(1.0 / 24.0, sum_2, sum));
        g[1][lane] = fused::<FMA>(1.0 / 12.0, difference_2, difference);
        g[2][lane] = fused::<FMA>(1.0 / 6.0, sum_2, sum) + m[5][lane];
    }
    g
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transforms written as the paper has them.
    const INPUT: [[f32; 6]; 6] = [
        [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
        [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
        [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
        [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
        [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
        [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
    ];
    const KERNEL: [[f32; 3]; 6] = [
        [0.25, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    const OUTPUT: [[f32; 6]; 4] = [
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        [0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
        [0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
        [0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
    ];

    fn transpose<const N: usize, const M: usize>(a: [[f32; N]; M]) -> [[f32; M]; N] {
        std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
    }

    /// Every column of a matrix, by the transform of a unit vector.
    fn agrees<const N: usize, const M: usize>(
        matrix: [[f32; N]; M],
        transform: impl Fn([&[f32; 1]; N]) -> [[f32; 1]; M],
    ) {
        for column in 0..N {
            let unit: [[f32; 1]; N] = std::array::from_fn(|i| [f32::from(u8::from(i == column))]);
            let found = transform(unit.each_ref());
            for (row, found) in matrix.iter().zip(found) {
                assert!((row[column] - found[0]).abs() < 1e-7, "{row:?} {column}");
            }
        }
    }

    #[test]
    fn each_transform_is_its_matrix() {
        agrees(INPUT, input::<1, false>);
        agrees(INPUT, input::<1, true>);
        agrees(OUTPUT, output::<1, true>);
        agrees(KERNEL, kernel::<1, true>);
        agrees(transpose(OUTPUT), gradient::<1, true>);
        agrees(transpose(KERNEL), kernel_gradient::<1, true>);
    }
}
