use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use candor_kernels::{Csr, segment_mean};

/// Which nodes of a batch belong to which graph, where there are several.
#[derive(Debug, Clone)]
pub struct Graphs {
    /// A row for each graph, and an entry for each of its nodes, which lie after each other.
    pub rows: Csr,
    /// The graph of each node.
    pub of: Tensor<1, Int>,
    /// `[1, width]`: what is subtracted from sums over nodes, and what they are divided by.
    pub scale: Option<[Tensor<2>; 2]>,
}

/// Brings each feature to one mean and one spread over the nodes of a graph: `γ (x - α mean) / sqrt(variance + ε) + β`, where α is learned
/// and the variance is that about `α mean`. What all nodes share would else grow with each layer, until nodes look alike.
///
/// Moments are those of the graph itself, in training and in use: what is said of a node rests on all of its graph.
///
/// # Reference
/// Cai, Luo, Xu, He, Liu & Wang, "GraphNorm: A Principled Approach to Accelerating Graph Neural Network Training", ICML 2021, equation 6.
#[derive(Module, Debug)]
pub struct GraphNorm {
    scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    alpha: Param<Tensor<1>>,
}

/// Added to the variance.
const EPSILON: f64 = 1e-5;

impl GraphNorm {
    /// α and γ begin at one, β at zero.
    pub fn new(width: usize, device: &Device) -> GraphNorm {
        let constant = |value: f32| Param::from_data(vec![value; width].as_slice(), device);
        GraphNorm {
            scale: constant(1.0),
            shift: constant(0.0),
            alpha: constant(1.0),
        }
    }

    /// `[nodes, width]`, unchanged in shape.
    pub fn forward(&self, x: Tensor<2>, graphs: Option<&Graphs>) -> Tensor<2> {
        let alpha = self.alpha.val().unsqueeze();
        let centred = x.clone() - mean(x, graphs) * alpha;
        let variance = mean(centred.clone() * centred.clone(), graphs);
        centred / (variance + EPSILON).sqrt() * self.scale.val().unsqueeze()
            + self.shift.val().unsqueeze()
    }
}

/// `[1, width]` over all nodes, or `[nodes, width]`: for each the mean over its own graph.
fn mean(x: Tensor<2>, graphs: Option<&Graphs>) -> Tensor<2> {
    match graphs {
        None => x.mean_dim(0),
        Some(graphs) => segment_mean(&graphs.rows, x)
            .unwrap_or_else(|e| unreachable!("an entry for each node: {e}"))
            .select(0, graphs.of.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn each_graph_has_its_own_moments() {
        let device = Device::flex();
        let norm = GraphNorm::new(1, &device);
        let values = vec![1.0f32, 3.0, 10.0, 10.0, 16.0];
        let x = Tensor::<2>::from_data(TensorData::new(values, [5, 1]), &device);
        let graphs = Graphs {
            rows: Csr::new(5, vec![0, 2, 5], vec![0, 1, 2, 3, 4]).unwrap(),
            of: Tensor::from_data(TensorData::from([0, 0, 1, 1, 1]), &device),
            scale: None,
        };
        let found: Vec<f32> = norm
            .forward(x.clone(), Some(&graphs))
            .into_data()
            .iter()
            .collect();
        let root = 0.5f32.sqrt();
        for (found, expected) in found.iter().zip([-1.0, 1.0, -root, -root, 2.0 * root]) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
        // One graph: mean 8, and the mean squared distance from it 29.2.
        let one: Vec<f32> = norm.forward(x, None).into_data().iter().collect();
        assert!((one[4] - 8.0 / 29.2f32.sqrt()).abs() < 1e-4, "{one:?}");
    }
}
