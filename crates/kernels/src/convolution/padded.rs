use crate::lanes::copy_short;

/// A correlation of planes with small kernels, `output[y, x] = sum over planes, ky, kx of padded[y * stride + ky * dilation, ...]
/// kernel[ky, kx]`, where the padded planes are the given ones in a frame of zeros.
///
/// The first number of each pair is vertical.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    /// Planes that one output depends on.
    pub planes: usize,
    /// Size of a plane.
    pub pixels: [usize; 2],
    pub kernel: [usize; 2],
    pub output: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Where the first pixel of a plane stands in the padded one; what would stand outside is left out.
    pub start: [isize; 2],
    /// Distance of neighbouring pixels in the padded plane.
    pub spread: [usize; 2],
}

/// Numbers that may be read beyond the last one of the padded planes, so that vectors need no ends.
pub(super) const SLACK: usize = 64;

impl Correlation {
    /// Size of a padded plane: as far as the kernel reaches.
    pub fn padded(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            (self.output[axis].max(1) - 1) * self.stride[axis]
                + self.dilation[axis] * (self.kernel[axis] - 1)
                + 1
        })
    }

    pub fn kernel_places(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub fn outputs(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Numbers that one output depends on.
    pub fn depth(&self) -> usize {
        self.planes * self.kernel_places()
    }

    /// Where each number that the output at (0, 0) depends on stands in the padded planes.
    pub fn offsets(&self) -> Vec<usize> {
        let [height, width] = self.padded();
        let mut offsets = Vec::with_capacity(self.depth());
        for plane in 0..self.planes {
            for ky in 0..self.kernel[0] {
                for kx in 0..self.kernel[1] {
                    let row = plane * height + ky * self.dilation[0];
                    offsets.push(row * width + kx * self.dilation[1]);
                }
            }
        }
        offsets
    }

    /// Lays planes into their frames, with [`SLACK`] after the last one.
    pub fn pad(&self, planes: &[f32], padded: &mut Vec<f32>) {
        let [height, width] = self.padded();
        let count = planes.len() / (self.pixels[0] * self.pixels[1]).max(1);
        padded.clear();
        padded.resize(count * height * width + SLACK, 0.0);
        let inside = |axis: usize, size: usize| {
            // start + i * spread in 0..size
            let (start, spread) = (self.start[axis], self.spread[axis]);
            let first = ((-start).max(0) as usize).div_ceil(spread);
            let end = ((size as isize - start).max(0) as usize).div_ceil(spread);
            let range = first..end.min(self.pixels[axis]).max(first);
            (range, (start + (first * spread) as isize) as usize)
        };
        let (rows, top) = inside(0, height);
        let (columns, left) = inside(1, width);
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        for plane in 0..count {
            for (i, row) in rows.clone().enumerate() {
                let from = (plane * self.pixels[0] + row) * self.pixels[1];
                let from = &planes[from + columns.start..from + columns.end];
                let to = (plane * height + top + i * self.spread[0]) * width + left;
                if self.spread[1] == 1 {
                    copy_short(&mut padded[to..to + from.len()], from);
                } else {
                    let to = padded[to..].iter_mut().step_by(self.spread[1]);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}
