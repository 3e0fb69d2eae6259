use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::relu;
use candor_nn::{Pass, SparseLinear, SparseLinearConfig, dropout};
use rand_chacha::ChaCha8Rng;

use super::{BodyConfig, fits};
use crate::MoleculeGraph;
use crate::features::BOND_WIDTH;

/// Directed message passing on bonds (D-MPNN).
///
/// The hidden state of the bond from atom v to atom w begins as `h0 = relu(W_i [x_v, e_vw])`. In each of `depth - 1` steps it hears all
/// bonds that point to v but the one from w, so that no message turns back on its bond: `h = relu(h0 + W_h sum h_kv)`. Then each
/// atom hears its bonds: `relu(W_o [x_v, sum h_wv] + b)`.
///
/// # Reference
/// Yang et al., "Analyzing learned molecular representations for property prediction", J. Chem. Inf. Model. 59, 3370 (2019), equations
/// 4 to 8. `W_i` multiplies features as the sparse rows that they are; sum and product of a step are one operation.
#[derive(Module, Debug)]
pub struct BondMessages {
    input: SparseLinear,
    hidden: SparseLinear,
    output_of_atoms: SparseLinear,
    output_of_messages: SparseLinear,
    #[module(skip)]
    depth: usize,
    #[module(skip)]
    dropout: f64,
}

impl BondMessages {
    /// Draws the weights.
    pub fn new(config: BodyConfig, stream: &mut ChaCha8Rng, device: &Device) -> BondMessages {
        let mut layer = |input: usize, bias: bool| {
            let config = SparseLinearConfig {
                input,
                output: config.width,
                bias,
            };
            config.init(stream, device)
        };
        BondMessages {
            input: layer(config.atom_width + BOND_WIDTH, false),
            hidden: layer(config.width, false),
            output_of_atoms: layer(config.atom_width, false),
            output_of_messages: layer(config.width, true),
            depth: config.depth,
            dropout: config.dropout,
        }
    }

    /// A vector for each atom, `[atoms, width]`.
    pub fn forward(&self, graph: &MoleculeGraph, pass: &mut Pass) -> Tensor<2> {
        let first = fits(self.input.forward(&graph.sources_and_bonds()));
        let continued = graph.continued();
        let mut hidden = relu(first.clone());
        for _ in 1..self.depth {
            let heard = fits(self.hidden.forward_sums(&continued, hidden));
            hidden = dropout(relu(first.clone() + heard), self.dropout, pass);
        }
        let own = fits(self.output_of_atoms.forward(&graph.atoms()));
        let heard = fits(
            self.output_of_messages
                .forward_sums(&graph.arriving(), hidden),
        );
        dropout(relu(own + heard), self.dropout, pass)
    }
}
