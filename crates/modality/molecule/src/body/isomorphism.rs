use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{
    LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass, SparseLinear, SparseLinearConfig,
    dropout,
};
use rand_chacha::ChaCha8Rng;

use super::{BodyConfig, fits};
use crate::MoleculeGraph;
use crate::features::BOND_WIDTH;

/// A graph isomorphism network with features of bonds (GIN).
///
/// Each of `depth` layers gives an atom an MLP of the sum over itself, its neighbours and its bonds. Layer normalisation stands in
/// place of batch normalisation, so that no molecule influences another, and each layer adds to what was there.
///
/// # Reference
/// Xu et al., "How powerful are graph neural networks?", ICLR 2019, equation 4.1 with epsilon 0; bonds as in Hu et al., "Strategies for
/// pre-training graph neural networks", ICLR 2020, appendix A.
#[derive(Module, Debug)]
pub struct Isomorphism {
    input: SparseLinear,
    layers: Vec<Layer>,
    #[module(skip)]
    dropout: f64,
}

#[derive(Module, Debug)]
struct Layer {
    sums: SparseLinear,
    bonds: SparseLinear,
    second: Linear,
    norm: LayerNorm,
}

impl Isomorphism {
    /// Draws the weights.
    pub fn new(config: BodyConfig, stream: &mut ChaCha8Rng, device: &Device) -> Isomorphism {
        let width = config.width;
        let sparse = |input: usize, bias: bool, stream: &mut ChaCha8Rng| {
            let config = SparseLinearConfig {
                input,
                output: width,
                bias,
            };
            config.init(stream, device)
        };
        let input = sparse(config.atom_width, true, stream);
        let layers = (0..config.depth).map(|_| Layer {
            sums: sparse(width, true, stream),
            bonds: sparse(BOND_WIDTH, false, stream),
            second: LinearConfig {
                input: width,
                output: width,
            }
            .init(stream, device),
            norm: LayerNormConfig { width }.init(device),
        });
        Isomorphism {
            input,
            layers: layers.collect(),
            dropout: config.dropout,
        }
    }

    /// A vector for each atom, `[atoms, width]`.
    pub fn forward(&self, graph: &MoleculeGraph, pass: &mut Pass) -> Tensor<2> {
        let (around, bonds) = (graph.neighbours(true), graph.sums_of_bonds());
        let mut atoms = fits(self.input.forward(&graph.atoms()));
        for layer in &self.layers {
            let sums = fits(layer.sums.forward_sums(&around, atoms.clone()));
            let inside = relu(sums + fits(layer.bonds.forward(&bonds)));
            let [rows, width] = inside.dims();
            let after = layer.second.forward(inside.reshape([1, rows, width]));
            let after: Tensor<2> = layer.norm.forward(after).reshape([rows, width]);
            atoms = atoms + dropout(relu(after), self.dropout, pass);
        }
        atoms
    }
}
