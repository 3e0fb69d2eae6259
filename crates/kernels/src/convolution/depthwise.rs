use std::array::from_fn;

use multiversion::multiversion;

use super::padded::Correlation;

/// Outputs that are summed in registers.
const LANES: usize = 16;
/// Rows of them.
const ROWS: usize = 4;

/// `output`, `[planes, outputs]`, each plane with a kernel of its own.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn correlate(
    c: &Correlation,
    planes: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    padded: &mut Vec<f32>,
) {
    c.pad(planes, padded);
    let [height, width] = c.padded();
    let outputs = output.chunks_exact_mut(c.outputs());
    let kernels = weight.chunks_exact(c.kernel_places());
    for (plane, (output, kernel)) in outputs.zip(kernels).enumerate() {
        let bias = bias.map_or(0.0, |bias| bias[plane]);
        let padded = &padded[plane * height * width..];
        let mut y = 0;
        while y < c.output[0] {
            if y + ROWS <= c.output[0] {
                some_rows::<ROWS>(c, padded, kernel, bias, y, output);
                y += ROWS;
            } else {
                some_rows::<1>(c, padded, kernel, bias, y, output);
                y += 1;
            }
        }
    }
}

#[inline(always)]
fn some_rows<const R: usize>(
    c: &Correlation,
    padded: &[f32],
    kernel: &[f32],
    bias: f32,
    y: usize,
    output: &mut [f32],
) {
    let width = c.padded()[1];
    for x in (0..c.output[1]).step_by(LANES) {
        let mut sums = [[bias; LANES]; R];
        for ky in 0..c.kernel[0] {
            for kx in 0..c.kernel[1] {
                let w = kernel[ky * c.kernel[1] + kx];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let row = (y + r) * c.stride[0] + ky * c.dilation[0];
                    let from = &padded[row * width + x * c.stride[1] + kx * c.dilation[1]..];
                    if c.stride[1] == 1 {
                        let from = &from[..LANES];
                        for lane in 0..LANES {
                            sums[lane] += w * from[lane];
                        }
                    } else {
                        let from = from.iter().step_by(c.stride[1]);
                        sums.iter_mut()
                            .zip(from)
                            .for_each(|(sum, from)| *sum += w * from);
                    }
                }
            }
        }
        let count = LANES.min(c.output[1] - x);
        for (r, sums) in sums.iter().enumerate() {
            output[(y + r) * c.output[1] + x..][..count].copy_from_slice(&sums[..count]);
        }
    }
}

/// Adds to `sum`, `[planes, kernel]`, what planes and the gradient of their result contribute to the gradients of the weights.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
pub(super) fn weight_gradient(
    c: &Correlation,
    planes: &[f32],
    gradient: &[f32],
    sum: &mut [f32],
    padded: &mut Vec<f32>,
) {
    c.pad(planes, padded);
    let [height, width] = c.padded();
    // Rows of the gradient as whole vectors, zero beyond their ends.
    let row = c.output[1].next_multiple_of(LANES);
    let mut rows = vec![0.0; row * c.output[0]];
    let gradients = gradient.chunks_exact(c.outputs());
    let sums = sum.chunks_exact_mut(c.kernel_places());
    for (plane, (gradient, sum)) in gradients.zip(sums).enumerate() {
        let padded = &padded[plane * height * width..];
        for (to, from) in rows
            .chunks_exact_mut(row)
            .zip(gradient.chunks_exact(c.output[1]))
        {
            to[..from.len()].copy_from_slice(from);
        }
        for ky in 0..c.kernel[0] {
            let mut kx = 0;
            while kx < c.kernel[1] {
                let sum = &mut sum[ky * c.kernel[1] + kx..];
                let count = match c.kernel[1] - kx {
                    1 => some_places::<1>(c, padded, &rows, ky, kx, sum),
                    2 => some_places::<2>(c, padded, &rows, ky, kx, sum),
                    3 => some_places::<3>(c, padded, &rows, ky, kx, sum),
                    4 => some_places::<4>(c, padded, &rows, ky, kx, sum),
                    _ => some_places::<5>(c, padded, &rows, ky, kx, sum),
                };
                kx += count;
            }
        }
    }
}

/// `N` neighbouring places of the kernel; gives `N`.
#[inline(always)]
fn some_places<const N: usize>(
    c: &Correlation,
    padded: &[f32],
    rows: &[f32],
    ky: usize,
    kx: usize,
    sum: &mut [f32],
) -> usize {
    let width = c.padded()[1];
    let row = rows.len() / c.output[0];
    let mut sums = [[0f32; LANES]; N];
    for (y, gradient) in rows.chunks_exact(row).enumerate() {
        let from = (y * c.stride[0] + ky * c.dilation[0]) * width + kx * c.dilation[1];
        for (block, gradient) in gradient.as_chunks::<LANES>().0.iter().enumerate() {
            for (n, sums) in sums.iter_mut().enumerate() {
                let from = &padded[from + n * c.dilation[1] + block * LANES * c.stride[1]..];
                if c.stride[1] == 1 {
                    let from: &[f32; LANES] = &from_fn(|lane| from[..LANES][lane]);
                    for lane in 0..LANES {
                        sums[lane] += gradient[lane] * from[lane];
                    }
                } else {
                    let from = from.iter().step_by(c.stride[1]);
                    let pairs = gradient.iter().zip(from);
                    sums.iter_mut()
                        .zip(pairs)
                        .for_each(|(sum, (g, x))| *sum += g * x);
                }
            }
        }
    }
    for (to, sums) in sum.iter_mut().zip(&sums) {
        *to += sums.iter().sum::<f32>();
    }
    N
}
