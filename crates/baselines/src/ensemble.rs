use crate::bytes::{Reader, Writer};
use crate::encoder::Encoder;
use crate::tree::Tree;
use crate::{BaselineError, Matrix};

/// Rows that pass through one tree before the next: nodes stay in the cache for many rows, rows for many trees.
const BLOCK: usize = 2048;

/// Trees whose leaf values are added up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TreeEnsemble {
    pub(crate) encoder: Encoder,
    /// Width of the sums.
    pub(crate) outputs: usize,
    pub(crate) members: Vec<Member>,
}

/// A tree and the first output that it adds to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) output: usize,
    pub(crate) tree: Tree,
}

impl Member {
    /// Adds the leaf values of encoded rows to `sums`, `[rows, outputs]`.
    pub(crate) fn add(&self, rows: &[f32], width: usize, outputs: usize, sums: &mut [f64]) {
        let sums = sums.chunks_exact_mut(outputs.max(1)).enumerate();
        if let (1, 1) = (outputs, self.tree.outputs()) {
            // One number a row: without the inner loop this is a third faster.
            sums.for_each(|(i, sum)| {
                sum[0] += f64::from(self.tree.leaf(&rows[i * width..(i + 1) * width])[0])
            });
            return;
        }
        for (i, sum) in sums {
            let leaf = self.tree.leaf(&rows[i * width..(i + 1) * width]);
            for (sum, &value) in sum[self.output..].iter_mut().zip(leaf) {
                *sum += f64::from(value);
            }
        }
    }
}

impl TreeEnsemble {
    /// The sum of the leaf values of every row, `[rows, outputs]`.
    pub(crate) fn sum(&self, matrix: &Matrix) -> Result<Vec<f64>, BaselineError> {
        self.encoder.check(matrix)?;
        let mut sums = vec![0.0; matrix.rows() * self.outputs];
        for start in (0..matrix.rows()).step_by(BLOCK) {
            let end = (start + BLOCK).min(matrix.rows());
            let rows = self.encoder.block(matrix, start..end);
            let sums = &mut sums[start * self.outputs..end * self.outputs];
            for member in &self.members {
                member.add(&rows, self.encoder.width(), self.outputs, sums);
            }
        }
        Ok(sums)
    }

    /// Thresholds, category sets and leaf values.
    pub(crate) fn parameters(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.tree.parameters())
            .sum()
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        self.encoder.write(to);
        to.count(self.outputs);
        to.count(self.members.len());
        for member in &self.members {
            to.count(member.output);
            member.tree.write(to);
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<TreeEnsemble, BaselineError> {
        let encoder = Encoder::read(from)?;
        let outputs = from.number()?;
        let count = from.count(3)?;
        let mut members = Vec::new();
        for _ in 0..count {
            let output = from.number()?;
            let tree = Tree::read(from, &encoder)?;
            if tree.outputs() == 0 || output + tree.outputs() > outputs {
                return Err(from.corrupt("a tree has outputs that the model lacks"));
            }
            members.push(Member { output, tree });
        }
        Ok(TreeEnsemble {
            encoder,
            outputs,
            members,
        })
    }
}
