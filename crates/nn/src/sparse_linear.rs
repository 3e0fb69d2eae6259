use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use candor_kernels::{
    Csr, KernelError, graph_convolution, sparse_product, weighted_sparse_product,
};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::initialise;

/// An affine map of rows that have few numbers, or of sums of rows that a graph asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SparseLinearConfig {
    /// Features in.
    pub input: usize,
    /// Features out.
    pub output: usize,
    /// Whether something is added to the product.
    pub bias: bool,
}

/// See [`SparseLinearConfig`].
#[derive(Module, Debug)]
pub struct SparseLinear {
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
}

/// Rows of which most numbers are zero.
#[derive(Debug, Clone)]
pub struct SparseRows {
    /// Where the others stand.
    pub places: Csr,
    /// The others, in the order of the entries; ones when not given.
    pub values: Option<Arc<[f32]>>,
}

impl SparseLinearConfig {
    /// Weights and bias uniform in ±1/√input, as in [`crate::LinearConfig::init`].
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> SparseLinear {
        let bound = 1.0 / (self.input.max(1) as f32).sqrt();
        SparseLinear {
            weight: initialise::uniform([self.input, self.output], bound, stream, device),
            bias: self
                .bias
                .then(|| initialise::uniform([self.output], bound, stream, device)),
        }
    }
}

impl SparseLinear {
    /// `S W + b` for sparse rows `S`, in time that grows with the numbers that are not zero: `[rows, output]`.
    ///
    /// # Errors
    /// When the rows are not as long as the map takes them, or values are not as many as places or not finite.
    pub fn forward(&self, rows: &SparseRows) -> Result<Tensor<2>, KernelError> {
        let product = match &rows.values {
            Some(values) => weighted_sparse_product(&rows.places, values, self.weight.val())?,
            None => sparse_product(&rows.places, self.weight.val())?,
        };
        Ok(match &self.bias {
            Some(bias) => product + bias.val().unsqueeze(),
            None => product,
        })
    }

    /// `A x W + b` in one pass, where row `i` of `A x` is the sum of the rows of `x` that row `i` of the graph names:
    /// `[columns, input]` to `[rows, output]`.
    ///
    /// # Errors
    /// When `x` does not have a row for each column of the graph, or is not as wide as the map takes it.
    pub fn forward_sums(&self, graph: &Csr, x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
        let bias = self.bias.as_ref().map(Param::val);
        graph_convolution(graph, None, x, self.weight.val(), bias, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes};
    use candor_core::Seed;

    fn by_hand() -> SparseLinear {
        let config = SparseLinearConfig {
            input: 3,
            output: 2,
            bias: true,
        };
        let layer = config.init(&mut Seed(0).stream("sparse", &[]), &Device::flex());
        Weights::stated(&[
            ("weight", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ("bias", &[2], &[0.5, -0.5]),
        ])
        .load_into(layer)
        .unwrap()
    }

    #[test]
    fn sparse_rows_and_sums_worked_by_hand() {
        let layer = by_hand();
        // (2, 0, -1), nothing, (0, 1, 0).
        let places = Csr::new(3, vec![0, 2, 2, 3], vec![0, 2, 1]).unwrap();
        let rows = SparseRows {
            places: places.clone(),
            values: Some(Arc::from([2.0, -1.0, 1.0])),
        };
        let y = layer.forward(&rows).unwrap();
        assert_close(&y, [3, 2], &[-2.5, -2.5, 0.5, -0.5, 3.5, 3.5]);
        let ones = SparseRows {
            places,
            values: None,
        };
        let y = layer.forward(&ones).unwrap();
        assert_close(&y, [3, 2], &[6.5, 7.5, 0.5, -0.5, 3.5, 3.5]);

        // Two nodes; the first sums both, the second nothing.
        let graph = Csr::new(2, vec![0, 2, 2], vec![0, 1]).unwrap();
        let x = Tensor::from_data([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], &Device::flex());
        let y = layer.forward_sums(&graph, x).unwrap();
        assert_close(&y, [2, 2], &[9.5, 11.5, 0.5, -0.5]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for ([nodes, input, output], mut stream) in shapes("sparse linear") {
            let config = SparseLinearConfig {
                input,
                output,
                bias: nodes % 2 == 0,
            };
            let layer = config.init(&mut stream, &Device::flex().autodiff());
            // Each node hears from itself and from the one before it.
            let pairs: Vec<(u32, u32)> = (0..nodes as u32)
                .flat_map(|node| {
                    [
                        (node, node),
                        (node, (node + nodes as u32 - 1) % nodes as u32),
                    ]
                })
                .collect();
            let (graph, _) = Csr::from_pairs(nodes, nodes, &pairs).unwrap();
            let x = numbers([nodes, input], &mut stream);
            let wrong = wrong_gradients(&layer, &x, &mut stream, |layer, x| {
                layer.forward_sums(&graph, x).unwrap()
            });
            assert_eq!(wrong, [""; 0]);

            let starts = (0..=nodes).collect();
            let columns = (0..nodes).map(|node| (node % input) as u32).collect();
            let rows = SparseRows {
                places: Csr::new(input, starts, columns).unwrap(),
                values: Some((0..nodes).map(|node| 1.0 + node as f32).collect()),
            };
            let wrong = wrong_gradients(&layer, &x, &mut stream, |layer, _| {
                layer.forward(&rows).unwrap()
            });
            assert_eq!(wrong, [""; 0]);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let layer = by_hand();
        let graph = Csr::new(2, vec![0, 1], vec![1]).unwrap();
        let x = |rows, width| Tensor::<2>::zeros([rows, width], &Device::flex());
        assert!(layer.forward_sums(&graph, x(2, 2)).is_err());
        assert!(layer.forward_sums(&graph, x(3, 3)).is_err());
        let rows = SparseRows {
            places: graph,
            values: None,
        };
        assert!(layer.forward(&rows).is_err());
    }
}
