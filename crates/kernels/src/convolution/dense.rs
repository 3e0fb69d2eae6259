use multiversion::multiversion;
use multiversion::target::match_target;

use super::Scratch;
use super::padded::{Correlation, SLACK};
use crate::lanes::copy_short;
use crate::tiles::{load, panel_width, store, tile, tile_at};

/// A correlation as a matrix product whose right side, the image's columns, is read where it stands, or, where outputs have steps
/// between them, laid out a panel at a time; never as a whole.
pub(super) struct Plan {
    correlation: Correlation,
    offsets: Vec<usize>,
}

/// Neighbouring outputs of a row, inside a panel.
struct Run {
    lane: usize,
    length: usize,
    /// What its first output has to be offset by in the padded planes.
    base: usize,
}

impl Plan {
    pub fn new(correlation: Correlation) -> Plan {
        Plan {
            correlation,
            offsets: correlation.offsets(),
        }
    }

    /// `output`, `[filters, outputs]`, from planes and weights `[filters, depth]`.
    pub fn correlate(
        &self,
        planes: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.correlation.pad(planes, &mut scratch.padded);
        scratch.panel.clear();
        if self.correlation.stride != [1, 1] {
            let length = self.offsets.len().min(DEPTH) * panel_width() + SLACK;
            scratch.panel.resize(length, 0.0);
        }
        correlate(
            self,
            &scratch.padded,
            weight,
            bias,
            output,
            &mut scratch.panel,
        );
    }

    /// Numbers of a sum of weight gradients, see [`Plan::weight_gradient`].
    pub fn sum_length(&self, filters: usize) -> usize {
        filters.next_multiple_of(panel_width()) * self.offsets.len()
    }

    /// Adds to `sum` what planes and the gradient of their result, `[filters, outputs]`, contribute to the gradients of the weights:
    /// `[panels of filters, depth, width of a panel]`.
    pub fn weight_gradient(
        &self,
        planes: &[f32],
        gradient: &[f32],
        sum: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.correlation.pad(planes, &mut scratch.padded);
        transpose(
            gradient,
            self.correlation.outputs(),
            &mut scratch.transposed,
        );
        weight_gradient(self, &scratch.padded, &scratch.transposed, sum);
    }

    /// The rows of outputs that a panel from output `first` on consists of.
    fn runs(&self, first: usize, lanes: usize, runs: &mut Vec<Run>) {
        let Correlation { output, stride, .. } = self.correlation;
        let width = self.correlation.padded()[1];
        runs.clear();
        let mut lane = 0;
        while lane < lanes {
            let (y, x) = ((first + lane) / output[1], (first + lane) % output[1]);
            let length = (output[1] - x).min(lanes - lane);
            runs.push(Run {
                lane,
                length,
                base: y * stride[0] * width + x * stride[1],
            });
            lane += length;
        }
    }
}

/// `[filters, outputs]` to `[panels of filters, outputs, width of a panel]`, zero beyond the last filter.
fn transpose(gradient: &[f32], outputs: usize, transposed: &mut Vec<f32>) {
    /// Outputs at a time, so that what is written stays in the nearest cache.
    const AT_ONCE: usize = 16;
    let width = panel_width();
    let filters = gradient.len() / outputs.max(1);
    transposed.clear();
    transposed.resize(filters.next_multiple_of(width) * outputs, 0.0);
    let panels = transposed.chunks_exact_mut(outputs * width);
    for (panel, gradient) in panels.zip(gradient.chunks(outputs * width)) {
        for (block, panel) in panel.chunks_mut(AT_ONCE * width).enumerate() {
            let count = panel.len() / width;
            for (lane, row) in gradient.chunks_exact(outputs).enumerate() {
                let row = &row[block * AT_ONCE..][..count];
                let lanes = panel[lane..].iter_mut().step_by(width);
                lanes.zip(row).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn correlate(
    plan: &Plan,
    padded: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    panel: &mut [f32],
) {
    match_target! {
        "x86_64+avx512f+avx512vl" => correlate_by::<8, 32, true>(plan, padded, weight, bias, output, panel),
        "x86_64+avx2+fma" => correlate_by::<4, 16, true>(plan, padded, weight, bias, output, panel),
        "aarch64+neon" => correlate_by::<4, 16, true>(plan, padded, weight, bias, output, panel),
        _ => correlate_by::<4, 8, false>(plan, padded, weight, bias, output, panel),
    }
}

#[inline(always)]
fn correlate_by<const R: usize, const W: usize, const FMA: bool>(
    plan: &Plan,
    padded: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    panel: &mut [f32],
) {
    if plan.correlation.stride == [1, 1] {
        return correlate_in_place::<R, W, FMA>(plan, padded, weight, bias, output);
    }
    let depth = plan.offsets.len();
    let outputs = plan.correlation.outputs();
    let filters = output.len() / outputs;
    let mut runs = Vec::new();
    for first in (0..outputs).step_by(W) {
        let lanes = W.min(outputs - first);
        plan.runs(first, lanes, &mut runs);
        // At least once, so that the bias is written.
        for start in (0..depth.max(1)).step_by(DEPTH) {
            let part = start..depth.min(start + DEPTH);
            lay_out::<W>(plan, padded, &plan.offsets[part.clone()], &runs, panel);
            let panel = &panel[..part.len() * W];
            let mut filter = 0;
            while filter < filters {
                let at = [filter, first, lanes, start, depth, outputs];
                if filter + R <= filters {
                    some_filters::<R, W, FMA>(panel, weight, bias, output, at);
                    filter += R;
                } else if filter + 2 <= filters {
                    some_filters::<2, W, FMA>(panel, weight, bias, output, at);
                    filter += 2;
                } else {
                    some_filters::<1, W, FMA>(panel, weight, bias, output, at);
                    filter += 1;
                }
            }
        }
    }
}

/// Without steps between outputs, the numbers that neighbouring outputs take stand side by side in the padded planes: nothing is laid
/// out. What is computed between the end of a line and the start of the next is thrown away.
#[inline(always)]
fn correlate_in_place<const R: usize, const W: usize, const FMA: bool>(
    plan: &Plan,
    padded: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    let depth = plan.offsets.len();
    let [lines, line] = plan.correlation.output;
    let outputs = lines * line;
    let filters = output.len() / outputs;
    let width = plan.correlation.padded()[1];
    let mut runs = Vec::new();
    for first in (0..(lines - 1) * width + line).step_by(W) {
        kept_runs(first, W, plan.correlation.output, width, &mut runs);
        for start in (0..depth.max(1)).step_by(DEPTH_IN_PLACE) {
            let part = start..depth.min(start + DEPTH_IN_PLACE);
            let place = Place {
                padded: &padded[first..],
                offsets: &plan.offsets[part],
                runs: &runs,
                weight,
                bias,
                start,
                depth,
                outputs,
            };
            let mut filter = 0;
            while filter < filters {
                if filter + R <= filters {
                    place.some_filters::<R, W, FMA>(output, filter);
                    filter += R;
                } else if filter + 2 <= filters {
                    place.some_filters::<2, W, FMA>(output, filter);
                    filter += 2;
                } else {
                    place.some_filters::<1, W, FMA>(output, filter);
                    filter += 1;
                }
            }
        }
    }
}

/// The outputs among `lanes` neighbouring places of lines that are `width` apart; `base` is their place in the output.
fn kept_runs(first: usize, lanes: usize, output: [usize; 2], width: usize, runs: &mut Vec<Run>) {
    runs.clear();
    let mut lane = 0;
    while lane < lanes {
        let (y, x) = ((first + lane) / width, (first + lane) % width);
        if y >= output[0] {
            return;
        }
        let length = output[1].saturating_sub(x).min(lanes - lane);
        if length > 0 {
            runs.push(Run {
                lane,
                length,
                base: y * output[1] + x,
            });
        }
        lane += if length > 0 { length } else { width - x };
    }
}

/// One panel of places, and a part of the depth.
struct Place<'a> {
    /// From the first place on.
    padded: &'a [f32],
    offsets: &'a [usize],
    runs: &'a [Run],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    start: usize,
    depth: usize,
    outputs: usize,
}

impl Place<'_> {
    /// Some filters: from the bias on, or, after the first part of the depth, from what is there.
    #[inline(always)]
    fn some_filters<const R: usize, const W: usize, const FMA: bool>(
        &self,
        output: &mut [f32],
        filter: usize,
    ) {
        let mut sums = [[0f32; W]; R];
        let mut rows: [&[f32]; R] = [&[]; R];
        for r in 0..R {
            let from = (filter + r) * self.depth + self.start;
            rows[r] = &self.weight[from..][..self.offsets.len()];
            if self.start > 0 {
                for run in self.runs {
                    let from = &output[(filter + r) * self.outputs + run.base..][..run.length];
                    copy_short(&mut sums[r][run.lane..], from);
                }
            } else if let Some(bias) = self.bias {
                sums[r] = [bias[filter + r]; W];
            }
        }
        tile_at::<R, W, FMA>(&mut sums, rows, self.padded, self.offsets);
        for r in 0..R {
            for run in self.runs {
                let to = &mut output[(filter + r) * self.outputs + run.base..][..run.length];
                copy_short(to, &sums[r][run.lane..]);
            }
        }
    }
}

/// Rows of a panel at a time, so that they stay in the nearest cache while all filters pass over them.
const DEPTH: usize = 256;
/// The same where rows stand in the planes, and share their cache lines with their neighbours.
const DEPTH_IN_PLACE: usize = 4 * DEPTH;

/// One panel of outputs of some filters: from the bias on, or, after the first rows, from what is there.
#[inline(always)]
fn some_filters<const R: usize, const W: usize, const FMA: bool>(
    panel: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    [filter, first, lanes, start, depth, outputs]: [usize; 6],
) {
    let mut sums = [[0f32; W]; R];
    let mut rows: [&[f32]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &weight[(filter + r) * depth + start..][..panel.len() / W];
        if start > 0 {
            load(
                &mut sums[r],
                &output[(filter + r) * outputs + first..][..lanes],
            );
        } else if let Some(bias) = bias {
            sums[r] = [bias[filter + r]; W];
        }
    }
    tile::<R, W, FMA>(&mut sums, rows, 1, panel);
    for r in 0..R {
        let to = &mut output[(filter + r) * outputs + first..][..lanes];
        store(to, &sums[r]);
    }
}

/// The columns of a panel of outputs: `[depth, W]`. Copies whole vectors: what a run writes too far belongs to later runs.
#[inline(always)]
fn lay_out<const W: usize>(
    plan: &Plan,
    padded: &[f32],
    offsets: &[usize],
    runs: &[Run],
    panel: &mut [f32],
) {
    let stride = plan.correlation.stride[1];
    for (d, &offset) in offsets.iter().enumerate() {
        for run in runs {
            let from = &padded[offset + run.base..];
            let to = &mut panel[d * W + run.lane..];
            if stride == 1 {
                let mut lane = 0;
                while lane + 16 <= run.length {
                    to[lane..lane + 16].copy_from_slice(&from[lane..lane + 16]);
                    lane += 16;
                }
                while lane < run.length {
                    to[lane..lane + 8].copy_from_slice(&from[lane..lane + 8]);
                    lane += 8;
                }
            } else {
                let from = from.iter().step_by(stride);
                let to = to[..run.length].iter_mut();
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma", "aarch64+neon"))]
fn weight_gradient(plan: &Plan, padded: &[f32], gradient: &[f32], sum: &mut [f32]) {
    match_target! {
        "x86_64+avx512f+avx512vl" => weight_gradient_by::<8, 32, true>(plan, padded, gradient, sum),
        "x86_64+avx2+fma" => weight_gradient_by::<4, 16, true>(plan, padded, gradient, sum),
        "aarch64+neon" => weight_gradient_by::<4, 16, true>(plan, padded, gradient, sum),
        _ => weight_gradient_by::<4, 8, false>(plan, padded, gradient, sum),
    }
}

#[inline(always)]
fn weight_gradient_by<const R: usize, const W: usize, const FMA: bool>(
    plan: &Plan,
    padded: &[f32],
    gradient: &[f32],
    sum: &mut [f32],
) {
    let (depth, outputs) = (plan.offsets.len(), plan.correlation.outputs());
    let line = plan.correlation.output[1];
    // Lines of a panel at a time, so that they stay in the nearest cache while all rows pass over them.
    let lines = (DEPTH / line).max(1);
    let panels = sum.chunks_exact_mut(depth * W);
    for (sum, gradient) in panels.zip(gradient.chunks_exact(outputs * W)) {
        for (block, gradient) in gradient.chunks(lines * line * W).enumerate() {
            let mut d = 0;
            while d < depth {
                if d + R <= depth {
                    some_depths::<R, W, FMA>(plan, padded, gradient, block * lines, d, sum);
                    d += R;
                } else {
                    some_depths::<1, W, FMA>(plan, padded, gradient, block * lines, d, sum);
                    d += 1;
                }
            }
        }
    }
}

/// Adds to `R` rows of a sum what some lines of outputs, from `first` on, contribute.
#[inline(always)]
fn some_depths<const R: usize, const W: usize, const FMA: bool>(
    plan: &Plan,
    padded: &[f32],
    gradient: &[f32],
    first: usize,
    d: usize,
    sum: &mut [f32],
) {
    let Correlation { output, stride, .. } = plan.correlation;
    let width = plan.correlation.padded()[1];
    let reach = (output[1] - 1) * stride[1] + 1;
    let mut sums = [[0f32; W]; R];
    for r in 0..R {
        sums[r].copy_from_slice(&sum[(d + r) * W..][..W]);
    }
    for (y, gradient) in gradient.chunks_exact(output[1] * W).enumerate() {
        let row = (first + y) * stride[0] * width;
        let mut rows: [&[f32]; R] = [&[]; R];
        for r in 0..R {
            rows[r] = &padded[plan.offsets[d + r] + row..][..reach];
        }
        tile::<R, W, FMA>(&mut sums, rows, stride[1], gradient);
    }
    for r in 0..R {
        sum[(d + r) * W..][..W].copy_from_slice(&sums[r]);
    }
}
