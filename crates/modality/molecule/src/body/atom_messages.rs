use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{Pass, SparseLinear, SparseLinearConfig, dropout};
use rand_chacha::ChaCha8Rng;

use super::{BodyConfig, fits};
use crate::MoleculeGraph;
use crate::features::BOND_WIDTH;

/// Message passing between atoms.
///
/// An atom begins as `h0 = relu(W_i x_v)`; in each of `depth - 1` steps it hears its neighbours and the bonds to them, `h = relu(h0 +
/// W_h sum [h_u, e_uv])`; at last `relu(W_o [x_v, sum h_u] + b)`.
///
/// # Reference
/// Gilmer et al., "Neural message passing for quantum chemistry", ICML 2017, in the form of Chemprop's `AtomMessagePassing` (Heid et al.,
/// J. Chem. Inf. Model. 64, 9 (2024)): messages are linear in states and bonds.
#[derive(Module, Debug)]
pub struct AtomMessages {
    input: SparseLinear,
    hidden: SparseLinear,
    bonds: SparseLinear,
    output_of_atoms: SparseLinear,
    output_of_messages: SparseLinear,
    #[module(skip)]
    depth: usize,
    #[module(skip)]
    dropout: f64,
}

impl AtomMessages {
    /// Draws the weights.
    pub fn new(config: BodyConfig, stream: &mut ChaCha8Rng, device: &Device) -> AtomMessages {
        let mut layer = |input: usize, bias: bool| {
            let config = SparseLinearConfig {
                input,
                output: config.width,
                bias,
            };
            config.init(stream, device)
        };
        AtomMessages {
            input: layer(config.atom_width, false),
            hidden: layer(config.width, false),
            bonds: layer(BOND_WIDTH, false),
            output_of_atoms: layer(config.atom_width, false),
            output_of_messages: layer(config.width, true),
            depth: config.depth,
            dropout: config.dropout,
        }
    }

    /// A vector for each atom, `[atoms, width]`.
    pub fn forward(&self, graph: &MoleculeGraph, pass: &mut Pass) -> Tensor<2> {
        let (atoms, neighbours) = (graph.atoms(), graph.neighbours(false));
        let first = fits(self.input.forward(&atoms));
        let mut hidden = relu(first.clone());
        if self.depth > 1 {
            // What is heard of bonds is the same in every step.
            let constant = first + fits(self.bonds.forward(&graph.sums_of_bonds()));
            for _ in 1..self.depth {
                let heard = fits(self.hidden.forward_sums(&neighbours, hidden));
                hidden = dropout(relu(constant.clone() + heard), self.dropout, pass);
            }
        }
        let own = fits(self.output_of_atoms.forward(&atoms));
        let heard = fits(self.output_of_messages.forward_sums(&neighbours, hidden));
        dropout(relu(own + heard), self.dropout, pass)
    }
}
