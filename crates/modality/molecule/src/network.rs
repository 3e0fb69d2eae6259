use burn::module::Module;
use burn::tensor::{Device, Tensor};
use candor_kernels::{Csr, attention_product, relu, segment_mean, segment_softmax, segment_sum};
use candor_nn::{Head, HeadConfig, HeadKind, Linear, LinearConfig, Pass};
use candor_train::{Network, Output};
use rand_chacha::ChaCha8Rng;

use crate::body::{Body, Seen, fits};
use crate::descriptors::DESCRIPTORS;
use crate::design::{BodyKind, Readout};
use crate::{MoleculeDesign, MoleculeGraph};

/// A network for molecules: a body, a readout over atoms, layers, and a head.
#[derive(Module, Debug)]
pub struct MoleculeNetwork {
    body: Body,
    /// Scores of atoms, for the attentive readout.
    scores: Option<Linear>,
    layers: Vec<Linear>,
    head: Head,
    #[module(skip)]
    readout: Readout,
    #[module(skip)]
    descriptors: bool,
    #[module(skip)]
    dropout: f64,
}

/// By what the sum over atoms is divided: Chemprop's.
const NORM: f32 = 100.0;

impl MoleculeNetwork {
    /// Draws the weights for atoms of `atom_width` features.
    pub fn new(
        design: &MoleculeDesign,
        atom_width: usize,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> MoleculeNetwork {
        let body = Body::new(design, atom_width, stream, device);
        let attentive =
            design.readout == Readout::Attentive && design.body != BodyKind::Fingerprint;
        let scores = attentive.then(|| {
            let config = LinearConfig {
                input: design.width,
                output: 1,
            };
            config.init(stream, device)
        });
        let mut input = design.width + if design.descriptors { DESCRIPTORS } else { 0 };
        let mut layers = Vec::with_capacity(design.layers);
        for _ in 0..design.layers {
            let config = LinearConfig {
                input,
                output: design.width,
            };
            layers.push(config.init(stream, device));
            input = design.width;
        }
        let head = HeadConfig {
            members: 1,
            input,
            kind: head.clone(),
        };
        MoleculeNetwork {
            body,
            scores,
            layers,
            head: head.init(stream, device),
            readout: design.readout,
            descriptors: design.descriptors,
            dropout: design.dropout,
        }
    }

    fn read_out(&self, atoms: Tensor<2>, molecules: &Csr) -> Tensor<2> {
        if let Some(scores) = &self.scores {
            let [count, width] = atoms.dims();
            let scored = scores.forward(atoms.clone().reshape([1, count, width]));
            let shares = fits(segment_softmax(molecules, scored.reshape([count, 1])));
            return fits(attention_product(molecules, shares, atoms));
        }
        match self.readout {
            Readout::Mean => fits(segment_mean(molecules, atoms)),
            Readout::Norm => fits(segment_sum(molecules, atoms)) / NORM,
            Readout::Sum | Readout::Attentive => fits(segment_sum(molecules, atoms)),
        }
    }
}

impl Network for MoleculeNetwork {
    type Batch = MoleculeGraph;

    fn forward(&self, graph: &MoleculeGraph, pass: &mut Pass) -> Output {
        let mut molecules = match self.body.forward(graph, pass) {
            Seen::Atoms(atoms) => self.read_out(atoms, &graph.atoms_of_molecules()),
            Seen::Molecules(molecules) => molecules,
        };
        if self.descriptors {
            molecules = Tensor::cat(vec![molecules, graph.descriptors()], 1);
        }
        let [count, width] = molecules.dims();
        let mut embedding: Tensor<3> = molecules.reshape([1, count, width]);
        for layer in &self.layers {
            let seen = relu(layer.forward(embedding));
            embedding = candor_nn::dropout(seen, self.dropout, pass);
        }
        Output {
            raw: self.head.forward(embedding.clone()),
            embedding,
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }
}

/// Parameters of a network, counted without building it.
pub(crate) fn parameters(design: &MoleculeDesign, atom_width: usize, head: &HeadKind) -> u64 {
    use crate::features::BOND_WIDTH;
    use crate::fingerprint::FINGERPRINT_BITS;
    let (w, atom, bond) = (design.width as u64, atom_width as u64, BOND_WIDTH as u64);
    let depth = design.depth as u64;
    let body = match design.body {
        BodyKind::BondMessages => (atom + bond) * w + w * w + atom * w + w * w + w,
        BodyKind::AtomMessages => atom * w + w * w + bond * w + atom * w + w * w + w,
        BodyKind::Isomorphism => {
            let layer = (w * w + w) + bond * w + (w * w + w) + 2 * w;
            atom * w + w + depth * layer
        }
        BodyKind::Fingerprint => FINGERPRINT_BITS as u64 * w + w,
    };
    let attentive = design.readout == Readout::Attentive && design.body != BodyKind::Fingerprint;
    let scores = if attentive { w + 1 } else { 0 };
    let mut input = w + if design.descriptors {
        DESCRIPTORS as u64
    } else {
        0
    };
    let mut layers = 0;
    for _ in 0..design.layers {
        layers += input * w + w;
        input = w;
    }
    body + scores + layers + (input + 1) * head.outputs() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AtomFeatures, Limits, MoleculeUnits, Preparation, PreparedMolecules};
    use candor_core::{Seed, Targets};
    use candor_nn::Weights;
    use candor_train::Batches;

    const READOUTS: [Readout; 4] = [
        Readout::Mean,
        Readout::Sum,
        Readout::Norm,
        Readout::Attentive,
    ];
    const BODIES: [BodyKind; 4] = [
        BodyKind::BondMessages,
        BodyKind::AtomMessages,
        BodyKind::Isomorphism,
        BodyKind::Fingerprint,
    ];

    fn designs() -> Vec<MoleculeDesign> {
        let all = BODIES.into_iter().flat_map(|body| {
            READOUTS.map(|readout| MoleculeDesign {
                body,
                readout,
                width: 12,
                layers: 2,
                descriptors: readout == Readout::Mean,
                ..MoleculeDesign::default()
            })
        });
        all.collect()
    }

    fn network(design: &MoleculeDesign) -> MoleculeNetwork {
        let mut stream = Seed(3).stream("weights", &[]);
        let head = HeadKind::Gaussian {
            width: 1,
            beta: 0.5,
        };
        MoleculeNetwork::new(
            design,
            AtomFeatures::Version2.width(),
            &head,
            &mut stream,
            &Device::flex(),
        )
    }

    /// Molecules side by side, descriptors a tenth of what they are.
    fn graph_of(strings: &[&str]) -> MoleculeGraph {
        let strings: Vec<Option<&str>> = strings.iter().copied().map(Some).collect();
        let (units, unusable) =
            MoleculeUnits::read(&strings, AtomFeatures::Version2, Limits::default());
        assert!(unusable.is_empty(), "{unusable:?}");
        let molecules = units.get::<MoleculeUnits>().unwrap();
        let all: Vec<usize> = (0..strings.len()).collect();
        let targets = Targets::Classes(vec![0; strings.len()]);
        let mut preparation = Preparation::fit(molecules, &targets, &all);
        preparation.descriptors = vec![(0.0, 10.0); DESCRIPTORS];
        PreparedMolecules::new(molecules, &preparation).batch(&all, &Device::flex())
    }

    /// What a network says of them.
    fn said(network: &MoleculeNetwork, strings: &[&str]) -> Vec<f32> {
        let output = network.forward(&graph_of(strings), &mut Pass::evaluation());
        output.raw.into_data().iter::<f32>().collect()
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
        a.len() == b.len() && a.iter().zip(b).all(near)
    }

    #[test]
    fn equal_molecules_are_seen_alike_and_different_ones_apart() {
        let pairs = [
            ("OC(=O)c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)O"),
            ("C[C@H](N)C(=O)O", "OC(=O)[C@@H](N)C"),
            ("F/C=C/Cl", "Cl/C=C/F"),
            ("[Na+].[O-]C", "C[O-].[Na+]"),
            ("Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CN1C(=O)N(C)c2ncn(C)c2C1=O"),
        ];
        for design in designs() {
            let network = network(&design);
            for (first, second) in pairs {
                let (a, b) = (said(&network, &[first]), said(&network, &[second]));
                assert!(close(&a, &b), "{design:?}: {first} {a:?}, {second} {b:?}");
            }
            let (a, b) = (said(&network, &["CCO"]), said(&network, &["COC"]));
            assert!(!close(&a, &b), "{design:?}");
        }
    }

    #[test]
    fn no_molecule_influences_another() {
        for design in designs() {
            let network = network(&design);
            let strings = ["C", "c1ccccc1C(=O)N", "[Na+].[Cl-]", "CC#N"];
            let together = said(&network, &strings);
            for (place, string) in strings.into_iter().enumerate() {
                let alone = said(&network, &[string]);
                assert!(
                    close(&alone, &together[2 * place..2 * place + 2]),
                    "{design:?} {string}"
                );
            }
        }
    }

    #[test]
    fn parameters_are_counted_as_they_are_built() {
        for design in designs() {
            let built = Weights::of(&network(&design)).count() as u64;
            let head = HeadKind::Gaussian {
                width: 1,
                beta: 0.5,
            };
            let counted = parameters(&design, AtomFeatures::Version2.width(), &head);
            assert_eq!(counted, built, "{design:?}");
        }
        // Chemprop 2.3.1 says so of its own default for one target (and one output, where ours has two).
        let head = HeadKind::Gaussian {
            width: 1,
            beta: 0.5,
        };
        let ours = parameters(&MoleculeDesign::default(), 72, &head);
        assert_eq!(ours - 301, 318_301);
    }

    /// What a body says of the last atom of a molecule.
    fn last_atom(body: BodyKind, depth: usize, text: &str) -> Vec<f32> {
        let network = network(&MoleculeDesign {
            body,
            depth,
            width: 16,
            ..MoleculeDesign::default()
        });
        let Seen::Atoms(atoms) = network
            .body
            .forward(&graph_of(&[text]), &mut Pass::evaluation())
        else {
            panic!("{body:?} sees atoms")
        };
        let [count, width] = atoms.dims();
        let values: Vec<f32> = atoms.into_data().iter().collect();
        values[(count - 1) * width..].to_vec()
    }

    #[test]
    fn each_step_carries_messages_one_bond_further() {
        // The ends of the chain are eight bonds apart.
        let (plain, changed) = ("CCCCCCCCC", "FCCCCCCCC");
        for body in [
            BodyKind::BondMessages,
            BodyKind::AtomMessages,
            BodyKind::Isomorphism,
        ] {
            let same = |depth| last_atom(body, depth, plain) == last_atom(body, depth, changed);
            assert!(same(1) && same(7), "{body:?}");
            assert!(!same(8), "{body:?}");
        }
    }
}
