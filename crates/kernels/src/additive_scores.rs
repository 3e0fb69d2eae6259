use burn::Tensor;

use crate::array::{Array, View, pieces_of, spread};
use crate::error::{cut_by_heads, equal};
use crate::extension::{Keeps, Kernel, is_cpu, run};
use crate::portable;
use crate::{Csr, KernelError};

const NAME: &str = "additive scores";
/// Slope of the leaky ReLU below zero, as in the paper.
pub(crate) const SLOPE: f32 = 0.2;

/// `s[e, h] = a[h] . LeakyReLU(q[row(e), h] + k[column(e), h])`, with a slope of 0.2 below zero, without the sums of all edges ever being
/// held.
///
/// # Shapes
/// `q`: `[rows, heads * width]`; `k`: `[columns, heads * width]`; `a`: `[heads * width]`; the result: `[entries, heads]`.
///
/// # Errors
/// When the shapes do not fit, or there are no heads.
///
/// # Reference
/// Brody, Alon & Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, equation 7.
pub fn additive_scores(
    matrix: &Csr,
    heads: usize,
    q: Tensor<2>,
    k: Tensor<2>,
    a: Tensor<1>,
) -> Result<Tensor<2>, KernelError> {
    let ([q_rows, width], [k_rows, k_width]) = (q.dims(), k.dims());
    equal(NAME, "rows of q", matrix.rows(), q_rows)?;
    equal(NAME, "rows of k", matrix.columns(), k_rows)?;
    equal(NAME, "width of k", width, k_width)?;
    equal(NAME, "length of a", width, a.dims()[0])?;
    cut_by_heads(NAME, "width of q", heads, width)?;
    if !is_cpu(&q.device()) {
        return Ok(portable::additive_scores(matrix, heads, q, k, a));
    }
    let kernel = AdditiveScores {
        matrix: matrix.clone(),
        heads,
    };
    let operands = vec![q.into_dispatch(), k.into_dispatch(), a.into_dispatch()];
    Ok(run(operands, kernel))
}

/// Inputs: `q`, `k`, `a`.
#[derive(Debug)]
struct AdditiveScores {
    matrix: Csr,
    heads: usize,
}

impl Kernel for AdditiveScores {
    fn forward(&self, inputs: &[View], _keep: bool) -> Array {
        let (q, k, a) = (inputs[0], inputs[1], inputs[2].values);
        let (heads, width) = (self.heads, q.width());
        let mut scores = Array::zeros(&[self.matrix.entries(), heads]);
        if width == 0 {
            return scores;
        }
        let head_width = width / heads;
        let starts = self.matrix.starts();
        let parts = pieces_of(self.matrix.work(1, width), &mut scores.values, |range| {
            (starts[range.end] - starts[range.start]) * heads
        });
        spread(parts, |(range, part)| {
            let first = starts[range.start];
            for row in range {
                let q = &q.values[row * width..(row + 1) * width];
                for entry in self.matrix.row(row) {
                    let column = self.matrix.indices()[entry] as usize;
                    let k = &k.values[column * width..(column + 1) * width];
                    for head in 0..heads {
                        let at = head * head_width..(head + 1) * head_width;
                        let triples = q[at.clone()].iter().zip(&k[at.clone()]).zip(&a[at]);
                        part[(entry - first) * heads + head] =
                            triples.map(|((q, k), a)| a * leaky(q + k)).sum();
                    }
                }
            }
        });
        scores
    }

    fn keeps(&self) -> Keeps {
        Keeps::INPUTS
    }

    fn backward(
        &self,
        inputs: &[View],
        _output: View,
        gradient: View,
        wanted: &[bool],
    ) -> Vec<Array> {
        let (q, k, a) = (inputs[0], inputs[1], inputs[2].values);
        let width = q.width();
        let g = gradient.values;
        let towards = |matrix: &Csr, places: Option<&[u32]>, own: View, other: View| {
            self.gathered(matrix, places, own, other, g, |sum, g, z, f| {
                sum[f] += g * a[f] * if z > 0.0 { 1.0 } else { SLOPE };
            })
        };
        let by_q = Array::when(wanted[0], || towards(&self.matrix, None, q, k));
        let by_k = Array::when(wanted[1], || {
            let (mirrored, places) = self.matrix.mirrored();
            towards(mirrored, Some(places), k, q)
        });
        let by_a = Array::when(wanted[2], || {
            // The part of each row by itself, then all in the order of the rows: the same sum with any number of threads.
            let rows = self.gathered(&self.matrix, None, q, k, g, |sum, g, z, f| {
                sum[f] += g * leaky(z);
            });
            let mut found = Array::zeros(&[width]);
            for row in rows.values.chunks_exact(width.max(1)) {
                found
                    .values
                    .iter_mut()
                    .zip(row)
                    .for_each(|(to, g)| *to += g);
            }
            found
        });
        vec![by_q, by_k, by_a]
    }
}

impl AdditiveScores {
    /// For each row of a matrix, what `add` makes of the entries in it: of the gradient of an entry's score, the sum under the
    /// leaky ReLU and the feature.
    fn gathered(
        &self,
        matrix: &Csr,
        places: Option<&[u32]>,
        own: View,
        other: View,
        gradient: &[f32],
        add: impl Fn(&mut [f32], f32, f32, usize) + Sync,
    ) -> Array {
        let (heads, width) = (self.heads, own.width());
        let mut found = Array::zeros(&[matrix.rows(), width]);
        if width == 0 {
            return found;
        }
        let head_width = width / heads;
        let work = matrix.work(width, width);
        let parts = pieces_of(work, &mut found.values, |range| range.len() * width);
        spread(parts, |(range, part)| {
            for (row, sum) in range.zip(part.chunks_exact_mut(width)) {
                let own = &own.values[row * width..(row + 1) * width];
                for entry in matrix.row(row) {
                    let column = matrix.indices()[entry] as usize;
                    let other = &other.values[column * width..(column + 1) * width];
                    let place = places.map_or(entry, |places| places[entry] as usize);
                    for head in 0..heads {
                        let g = gradient[place * heads + head];
                        for f in head * head_width..(head + 1) * head_width {
                            add(sum, g, own[f] + other[f], f);
                        }
                    }
                }
            }
        });
        found
    }
}

#[inline(always)]
fn leaky(z: f32) -> f32 {
    if z > 0.0 { z } else { SLOPE * z }
}
