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
    let taps = || {
        let places = (0..c.kernel[0]).flat_map(|ky| (0..c.kernel[1]).map(move |kx| (ky, kx)));
        let offset = move |(ky, kx)| ky * c.dilation[0] * width + kx * c.dilation[1];
        places.map(offset).zip(kernel)
    };
    for x in (0..c.output[1]).step_by(LANES) {
        let first = y * c.stride[0] * width + x * c.stride[1];
        let row = c.stride[0] * width;
        let sums: [[f32; LANES]; R] = if c.stride[1] == 1 {
            neighbouring(padded, first, row, taps(), bias)
        } else {
            apart(padded, first, row, c.stride[1], taps(), bias)
        };
        let count = LANES.min(c.output[1] - x);
        for r in 0..R {
            let to = &mut output[(y + r) * c.output[1] + x..];
            if count == LANES {
                to[..LANES].copy_from_slice(&sums[r]);
            } else {
                (0..count).for_each(|lane| to[lane] = sums[r][lane]);
            }
        }
    }
}

/// Sums of weighted neighbours for `R` rows, from each place of the kernel's offset and weight.
#[inline(always)]
fn neighbouring<'a, const R: usize>(
    padded: &[f32],
    first: usize,
    row: usize,
    taps: impl Iterator<Item = (usize, &'a f32)>,
    bias: f32,
) -> [[f32; LANES]; R] {
    let mut sums = [[bias; LANES]; R];
    for (offset, &w) in taps {
        for r in 0..R {
            let from = &padded[first + offset + r * row..][..LANES];
            for lane in 0..LANES {
                sums[r][lane] += w * from[lane];
            }
        }
    }
    sums
}

/// The same where neighbours are `stride` apart.
#[inline(always)]
fn apart<'a, const R: usize>(
    padded: &[f32],
    first: usize,
    row: usize,
    stride: usize,
    taps: impl Iterator<Item = (usize, &'a f32)>,
    bias: f32,
) -> [[f32; LANES]; R] {
    let mut sums = [[bias; LANES]; R];
    for (offset, &w) in taps {
        for (r, sums) in sums.iter_mut().enumerate() {
            let from = padded[first + offset + r * row..].iter().step_by(stride);
            sums.iter_mut()
                .zip(from)
                .for_each(|(sum, from)| *sum += w * from);
        }
    }
    sums
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
    let first = ky * c.dilation[0] * width + kx * c.dilation[1];
    let lines = rows
        .chunks_exact(row)
        .zip((first..).step_by(c.stride[0] * width));
    let sums: [[f32; LANES]; N] = if c.stride[1] == 1 {
        products(padded, lines, c.dilation[1])
    } else {
        products_apart(padded, lines, c.dilation[1], c.stride[1])
    };
    for (to, sums) in sum.iter_mut().zip(&sums) {
        *to += sums.iter().sum::<f32>();
    }
    N
}

/// Products of lines of the gradient, and where they meet the padded plane, with what stands there and `dilation` further on, summed
/// in lanes.
#[inline(always)]
fn products<'a, const N: usize>(
    padded: &[f32],
    lines: impl Iterator<Item = (&'a [f32], usize)>,
    dilation: usize,
) -> [[f32; LANES]; N] {
    let mut sums = [[0f32; LANES]; N];
    for (gradient, from) in lines {
        for (block, gradient) in gradient.as_chunks::<LANES>().0.iter().enumerate() {
            for n in 0..N {
                let from = &padded[from + n * dilation + block * LANES..][..LANES];
                for lane in 0..LANES {
                    sums[n][lane] += gradient[lane] * from[lane];
                }
            }
        }
    }
    sums
}

/// The same where neighbours are `stride` apart.
#[inline(always)]
fn products_apart<'a, const N: usize>(
    padded: &[f32],
    lines: impl Iterator<Item = (&'a [f32], usize)>,
    dilation: usize,
    stride: usize,
) -> [[f32; LANES]; N] {
    let mut sums = [[0f32; LANES]; N];
    for (gradient, from) in lines {
        for (block, gradient) in gradient.as_chunks::<LANES>().0.iter().enumerate() {
            for (n, sums) in sums.iter_mut().enumerate() {
                let from = from + n * dilation + block * LANES * stride;
                let pairs = gradient.iter().zip(padded[from..].iter().step_by(stride));
                sums.iter_mut()
                    .zip(pairs)
                    .for_each(|(sum, (g, x))| *sum += g * x);
            }
        }
    }
    sums
}
