use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use candor_nn::{HeadKind, Pass};
use candor_train::Network;

use crate::prepare::{Input, InputSource};
use crate::{GraphBatch, GraphNetwork, PreparedGraph};

/// What one prediction rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The node that was explained; `None` for a whole graph.
    pub node: Option<u32>,
    /// The nodes that it can rest on.
    pub nodes: Vec<u32>,
    /// The edges between them, whichever way they lead, each with its worth from 0 to 1; the greatest first.
    pub edges: Vec<(u32, u32, f32)>,
    /// What nodes are described by, each with its worth from 0 to 1; the greatest first.
    pub features: Vec<(InputSource, f32)>,
}

/// Steps that the masks are learned in, and their learning rate.
const STEPS: usize = 200;
const RATE: f64 = 0.05;
/// What the masks cost beside what is lost of the prediction: the sum over edges, the mean entropy of edges, the mean over features, and their
/// mean entropy. The values are those of PyTorch Geometric's `GNNExplainer`.
const COST: [f64; 4] = [0.005, 1.0, 1.0, 0.1];

impl Explanation {
    /// Learns a mask over edges and one over features with which the network says nearly the same, while little is let through.
    ///
    /// The maximum over neighbours (`aggregator=max`) is not masked: of such a network edges have no worth. `place` is the class, label or
    /// number that is explained; where it is not given, the likeliest class, and of labels and numbers all.
    ///
    /// # Reference
    /// Ying, Bourgeois, You, Zitnik & Leskovec, "GNNExplainer: Generating Explanations for Graph Neural Networks", NeurIPS 2019,
    /// equations 4 and 5, with one mask over features for all nodes. Numbers are kept to by the squared distance of the raw outputs instead.
    pub(crate) fn learn(
        network: &GraphNetwork,
        data: &PreparedGraph,
        index: usize,
        head: &HeadKind,
        sources: &[InputSource],
        place: Option<usize>,
    ) -> Explanation {
        let device = Device::flex().autodiff();
        let (nodes, batch) = data.around(index, &device);
        let network = network.clone().no_grad();
        let said = Said::of(&network, &batch, head, place);
        let (known, entries) = edges_of(&batch);
        let entries: Tensor<1, Int> =
            Tensor::from_data(TensorData::from(entries.as_slice()), &device);
        let masked = |shares: &[Tensor<1>; 2]| masked(&batch, shares, &entries, &device);
        // A mask over nothing still has a place, which nothing looks at.
        let mut masks = [known.len().max(1), sources.len()].map(Mask::new);
        for step in 0..=STEPS {
            let logits = masks.each_ref().map(|mask| mask.tensor(&device));
            let shares = logits.each_ref().map(|l| activation::sigmoid(l.clone()));
            let lost = said.lost(&network, &masked(&shares));
            // First without costs: what does not move the prediction has no worth.
            let loss = if step == 0 {
                lost
            } else {
                lost + cost(&shares)
            };
            let gradients = loss.backward();
            for (mask, logits) in masks.iter_mut().zip(&logits) {
                let gradient = logits.grad(&gradients);
                let gradient: Option<Vec<f32>> =
                    gradient.map(|g| g.into_data().iter::<f32>().collect());
                mask.step(step, &gradient.unwrap_or_default());
            }
        }
        let [edges, features] = masks.map(|mask| mask.worth());
        let mut edges: Vec<(u32, u32, f32)> = known
            .iter()
            .zip(edges)
            .map(|(&(a, b), worth)| {
                let (a, b) = (nodes[a as usize], nodes[b as usize]);
                (a.min(b), a.max(b), worth)
            })
            .collect();
        edges.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
        let mut by_source: BTreeMap<InputSource, f32> = BTreeMap::new();
        for (&source, worth) in sources.iter().zip(features) {
            let greatest = by_source.entry(source).or_default();
            *greatest = greatest.max(worth);
        }
        let mut features: Vec<(InputSource, f32)> = by_source.into_iter().collect();
        features.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Explanation {
            node: data.node(index),
            nodes,
            edges,
            features,
        }
    }

    /// The weighted mean of what several networks rest on in one graph; `None` where no weight is above zero.
    pub fn mean(all: &[(f64, Explanation)]) -> Option<Explanation> {
        let (_, first) = all.first()?;
        let whole: f64 = all.iter().map(|(weight, _)| weight).sum();
        if whole <= 0.0 || !whole.is_finite() {
            return None;
        }
        let (mut edges, mut features) = (BTreeMap::new(), BTreeMap::new());
        let mut nodes = first.nodes.clone();
        for (weight, explanation) in all {
            let share = (weight / whole) as f32;
            for &(a, b, worth) in &explanation.edges {
                *edges.entry((a, b)).or_insert(0.0) += share * worth;
            }
            for &(source, worth) in &explanation.features {
                *features.entry(source).or_insert(0.0) += share * worth;
            }
            if explanation.nodes.len() > nodes.len() {
                nodes = explanation.nodes.clone();
            }
        }
        let mut edges: Vec<_> = edges.into_iter().map(|((a, b), w)| (a, b, w)).collect();
        edges.sort_by(|a, b| b.2.total_cmp(&a.2));
        let mut features: Vec<_> = features.into_iter().collect();
        features.sort_by(|a: &(InputSource, f32), b| b.1.total_cmp(&a.1));
        Some(Explanation {
            node: first.node,
            nodes,
            edges,
            features,
        })
    }
}

/// What the network says of the whole batch.
struct Said {
    raw: Tensor<2>,
    /// The class that is explained, where there is one of several.
    class: Option<usize>,
    /// Else the label or number, if it is one of them.
    place: Option<usize>,
}

impl Said {
    fn of(
        network: &GraphNetwork,
        batch: &GraphBatch,
        head: &HeadKind,
        place: Option<usize>,
    ) -> Said {
        let raw = raw(network, batch).detach();
        let [_, outputs] = raw.dims();
        let place = place.filter(|&place| place < outputs);
        let class = matches!(head, HeadKind::Softmax { .. }).then(|| {
            let values: Vec<f32> = raw.to_data().iter().collect();
            let places = 0..values.len();
            let likeliest = places.max_by(|&a, &b| values[a].total_cmp(&values[b]));
            place.or(likeliest).unwrap_or_default()
        });
        Said { raw, class, place }
    }

    /// How much of it is lost on a masked batch.
    fn lost(&self, network: &GraphNetwork, batch: &GraphBatch) -> Tensor<1> {
        let raw = raw(network, batch);
        match self.class {
            Some(class) => -activation::log_softmax(raw, 1)
                .narrow(1, class, 1)
                .reshape([1]),
            None => {
                let mut apart = raw - self.raw.clone();
                if let Some(place) = self.place {
                    apart = apart.narrow(1, place, 1);
                }
                (apart.clone() * apart).mean()
            }
        }
    }
}

/// `[1, outputs]`.
fn raw(network: &GraphNetwork, batch: &GraphBatch) -> Tensor<2> {
    let raw = network.forward(batch, &mut Pass::evaluation()).raw;
    let [_, units, outputs] = raw.dims();
    raw.reshape([units, outputs])
}

/// The edges of a batch, whichever way they lead, by places; and for each entry the number of its edge, or, for what a node sends to itself,
/// one beyond the last place of the mask.
fn edges_of(batch: &GraphBatch) -> (Vec<(u32, u32)>, Vec<i32>) {
    let Some(messages) = &batch.messages else {
        return (Vec::new(), Vec::new());
    };
    let matrix = &messages.matrix;
    let rows = (0..matrix.rows()).flat_map(|row| matrix.row(row).map(move |e| (row as u32, e)));
    let ends = rows.map(|(to, entry)| (matrix.indices()[entry], to));
    let ends: Vec<(u32, u32)> = ends.map(|(a, b)| (a.min(b), a.max(b))).collect();
    let mut edges: Vec<(u32, u32)> = ends.iter().copied().filter(|(a, b)| a != b).collect();
    edges.sort_unstable();
    edges.dedup();
    let number = |edge: &(u32, u32)| edges.binary_search(edge).unwrap_or(edges.len().max(1)) as i32;
    let entries = ends.iter().map(number).collect();
    (edges, entries)
}

/// The batch with shares of its edges and of its features.
fn masked(
    batch: &GraphBatch,
    [edges, features]: &[Tensor<1>; 2],
    entries: &Tensor<1, Int>,
    device: &Device,
) -> GraphBatch {
    let mut masked = batch.clone();
    if let Input::Dense(x) = &batch.input {
        masked.input = Input::Dense(x.clone() * features.clone().unsqueeze());
    }
    if let Some(messages) = &mut masked.messages {
        let own = Tensor::<1>::ones([1], device);
        let shares = Tensor::cat(vec![edges.clone(), own], 0);
        let [count] = entries.dims();
        messages.mask = Some(shares.select(0, entries.clone()).reshape([count, 1]));
    }
    masked
}

/// See [`COST`].
fn cost([edges, features]: &[Tensor<1>; 2]) -> Tensor<1> {
    let entropy = |share: &Tensor<1>| {
        let rest = -share.clone() + 1.0;
        let plog = |p: Tensor<1>| p.clone() * (p + 1e-15).log();
        -(plog(share.clone()) + plog(rest)).mean()
    };
    features.clone().mean() * COST[2]
        + entropy(features) * COST[3]
        + edges.clone().sum() * COST[0]
        + entropy(edges) * COST[1]
}

/// The logits of a mask, learned by Adam (Kingma & Ba, ICLR 2015, algorithm 1).
struct Mask {
    logits: Vec<f32>,
    moments: [Vec<f32>; 2],
    /// What moves the prediction at all.
    alive: Vec<bool>,
}

impl Mask {
    fn new(length: usize) -> Mask {
        Mask {
            logits: vec![0.0; length],
            moments: [vec![0.0; length], vec![0.0; length]],
            alive: vec![false; length],
        }
    }

    fn tensor(&self, device: &Device) -> Tensor<1> {
        Tensor::from_data(TensorData::from(self.logits.as_slice()), device).require_grad()
    }

    /// Step 0 only tells what is alive.
    fn step(&mut self, step: usize, gradient: &[f32]) {
        if step == 0 {
            let alive = self.alive.iter_mut().zip(gradient);
            alive.for_each(|(alive, gradient)| *alive = *gradient != 0.0);
            return;
        }
        let [first, second] = &mut self.moments;
        let corrected = |decay: f64| (1.0 - decay.powi(step as i32)) as f32;
        let (one, two) = (corrected(0.9), corrected(0.999));
        for (place, &g) in gradient.iter().enumerate() {
            first[place] += 0.1 * (g - first[place]);
            second[place] += 0.001 * (g * g - second[place]);
            let move_by = (first[place] / one) / ((second[place] / two).sqrt() + 1e-8);
            self.logits[place] -= RATE as f32 * move_by;
        }
    }

    fn worth(&self) -> Vec<f32> {
        let logits = self.logits.iter().zip(&self.alive);
        let worth = logits.map(|(&logit, &alive)| {
            if alive {
                1.0 / (1.0 + (-logit).exp())
            } else {
                0.0
            }
        });
        worth.collect()
    }
}
