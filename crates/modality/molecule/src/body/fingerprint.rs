use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{Pass, SparseLinear, SparseLinearConfig, dropout};
use rand_chacha::ChaCha8Rng;

use super::{BodyConfig, fits};
use crate::MoleculeGraph;
use crate::fingerprint::FINGERPRINT_BITS;

/// The first layer of an MLP on Morgan fingerprints: `relu(W log2(1 + counts) + b)`, in time that grows with the places that are hit.
///
/// # Reference
/// Rogers & Hahn, "Extended-connectivity fingerprints", J. Chem. Inf. Model. 50, 742 (2010); the network is what Mayr et al., Chem.
/// Sci. 9, 5441 (2018) compare graph networks with.
#[derive(Module, Debug)]
pub struct FingerprintLayer {
    layer: SparseLinear,
    #[module(skip)]
    dropout: f64,
}

impl FingerprintLayer {
    /// Draws the weights.
    pub fn new(config: BodyConfig, stream: &mut ChaCha8Rng, device: &Device) -> FingerprintLayer {
        let layer = SparseLinearConfig {
            input: FINGERPRINT_BITS,
            output: config.width,
            bias: true,
        };
        FingerprintLayer {
            layer: layer.init(stream, device),
            dropout: config.dropout,
        }
    }

    /// A vector for each molecule, `[molecules, width]`.
    pub fn forward(&self, graph: &MoleculeGraph, pass: &mut Pass) -> Tensor<2> {
        let seen = relu(fits(self.layer.forward(&graph.fingerprints())));
        dropout(seen, self.dropout, pass)
    }
}
