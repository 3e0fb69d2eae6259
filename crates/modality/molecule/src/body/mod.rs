//! Bodies: how a network sees a molecule. One file a body.

mod atom_messages;
mod bond_messages;
mod fingerprint;
mod isomorphism;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_nn::Pass;
use rand_chacha::ChaCha8Rng;

pub use atom_messages::AtomMessages;
pub use bond_messages::BondMessages;
pub use fingerprint::FingerprintLayer;
pub use isomorphism::Isomorphism;

use crate::design::BodyKind;
use crate::{MoleculeDesign, MoleculeGraph};

/// What bodies are made by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BodyConfig {
    /// Features of an atom.
    pub atom_width: usize,
    /// Numbers of a message.
    pub width: usize,
    /// Bonds that a message can have come over, at least 1.
    pub depth: usize,
    /// Share of numbers that are dropped after each step in training.
    pub dropout: f64,
}

/// The body of one of the families.
#[derive(Module, Debug)]
pub enum Body {
    /// Messages on directed bonds.
    Bonds(BondMessages),
    /// Messages between atoms.
    Atoms(AtomMessages),
    /// A graph isomorphism network.
    Isomorphism(Isomorphism),
    /// No graph: the Morgan fingerprint.
    Fingerprint(FingerprintLayer),
}

/// What a body makes of a batch.
#[derive(Debug)]
pub enum Seen {
    /// A vector for each atom, still to be read out.
    Atoms(Tensor<2>),
    /// A vector for each molecule.
    Molecules(Tensor<2>),
}

impl Body {
    /// Draws the weights.
    pub(crate) fn new(
        design: &MoleculeDesign,
        atom_width: usize,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> Body {
        let config = BodyConfig {
            atom_width,
            width: design.width,
            depth: design.depth,
            dropout: design.dropout,
        };
        match design.body {
            BodyKind::BondMessages => Body::Bonds(BondMessages::new(config, stream, device)),
            BodyKind::AtomMessages => Body::Atoms(AtomMessages::new(config, stream, device)),
            BodyKind::Isomorphism => Body::Isomorphism(Isomorphism::new(config, stream, device)),
            BodyKind::Fingerprint => {
                Body::Fingerprint(FingerprintLayer::new(config, stream, device))
            }
        }
    }

    pub(crate) fn forward(&self, graph: &MoleculeGraph, pass: &mut Pass) -> Seen {
        match self {
            Body::Bonds(body) => Seen::Atoms(body.forward(graph, pass)),
            Body::Atoms(body) => Seen::Atoms(body.forward(graph, pass)),
            Body::Isomorphism(body) => Seen::Atoms(body.forward(graph, pass)),
            Body::Fingerprint(body) => Seen::Molecules(body.forward(graph, pass)),
        }
    }
}

/// What a layer gives that was made for the features of its graph.
pub(crate) fn fits<T>(result: Result<T, candor_kernels::KernelError>) -> T {
    result.unwrap_or_else(|e| unreachable!("the body was made for these features: {e}"))
}
