use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use candor_kernels::Csr;

/// Numbers a node may have to be described as it is; more are hashed into so many.
const DESCRIBED: usize = 64;

/// The input of nodes: for each the numbers that are not zero, with their places.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Numbers of a node's input.
    pub width: usize,
    /// Where the numbers of each node begin, and the count of all.
    pub(crate) starts: Vec<usize>,
    /// The places and the numbers, places ascending in a node.
    pub(crate) cells: Vec<(u32, f32)>,
}

impl Rows {
    pub(crate) fn row(&self, node: usize) -> &[(u32, f32)] {
        &self.cells[self.starts[node]..self.starts[node + 1]]
    }

    pub(crate) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// The cosine of the angle between two rows; zero where one of them is.
    pub(crate) fn similarity(&self, a: usize, b: usize) -> f32 {
        let (x, y) = (self.row(a), self.row(b));
        let (mut from, mut to, mut inner) = (0, 0, 0.0);
        // Places ascend in a row.
        while let (Some(&(p, v)), Some(&(q, w))) = (x.get(from), y.get(to)) {
            match p.cmp(&q) {
                std::cmp::Ordering::Less => from += 1,
                std::cmp::Ordering::Greater => to += 1,
                std::cmp::Ordering::Equal => {
                    inner += v * w;
                    (from, to) = (from + 1, to + 1);
                }
            }
        }
        let square = |row: &[(u32, f32)]| row.iter().map(|(_, v)| v * v).sum::<f32>();
        let length = (square(x) * square(y)).sqrt();
        if length > 0.0 { inner / length } else { 0.0 }
    }

    /// Whether it pays to skip the zeros.
    pub(crate) fn is_sparse(&self) -> bool {
        self.width >= 32 && 5 * self.cells.len() < self.nodes() * self.width
    }

    pub(crate) fn dense(
        &self,
        nodes: impl ExactSizeIterator<Item = usize>,
        device: &Device,
    ) -> Tensor<2> {
        let shape = [nodes.len(), self.width];
        let mut values = vec![0f32; nodes.len() * self.width];
        for (row, node) in values.chunks_exact_mut(self.width).zip(nodes) {
            for &(place, value) in self.row(node) {
                row[place as usize] = value;
            }
        }
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// The places of the numbers of some nodes, and the numbers.
    pub(crate) fn sparse(&self, nodes: impl Iterator<Item = usize>) -> (Csr, Arc<[f32]>) {
        let (mut starts, mut places, mut values) = (vec![0], Vec::new(), Vec::new());
        for node in nodes {
            places.extend(self.row(node).iter().map(|(place, _)| *place));
            values.extend(self.row(node).iter().map(|(_, value)| *value));
            starts.push(places.len());
        }
        let csr = Csr::new(self.width, starts, places)
            .unwrap_or_else(|e| unreachable!("rows are made in order, inside the width: {e}"));
        (csr, values.into())
    }

    /// What distances between nodes are measured on: the input itself when it is short, else hashed into 64 numbers with signs; and the
    /// logarithm of the number of edges. The length of a row, and the rows of the given nodes.
    ///
    /// # Reference
    /// Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009, equation 2.
    pub(crate) fn described(&self, nodes: &[usize], degrees: &[usize]) -> (usize, Vec<f32>) {
        let hashed = self.width > DESCRIBED;
        let width = self.width.min(DESCRIBED) + 1;
        let mut values = vec![0f32; nodes.len() * width];
        for (row, &node) in values.chunks_exact_mut(width).zip(nodes) {
            for &(place, value) in self.row(node) {
                if hashed {
                    // The finaliser of SplitMix64 spreads the place.
                    let mut bits = u64::from(place).wrapping_add(0x9e37_79b9_7f4a_7c15);
                    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    bits ^= bits >> 31;
                    let sign = if bits >> 63 == 0 { 1.0 } else { -1.0 };
                    row[(bits % DESCRIBED as u64) as usize] += sign * value;
                } else {
                    row[place as usize] = value;
                }
            }
            row[width - 1] = (1.0 + degrees[node] as f32).ln();
        }
        (width, values)
    }
}
