use candor_design::Design;

use crate::body::{Block, Cell, CellsConfig, LayerConfig, LayersConfig};
use crate::{Body, ImageDesign};

/// The design that stands for all designs of the same network: sides of a block in order, blocks and layers in the least order that
/// keeps each after those that it takes. What cannot be read stays as it is.
///
/// Equal networks have equal canonical designs, and so equal [`Design::hash`]. (The converse holds but for the random start: their
/// weights are drawn in another order.)
pub fn canonical(design: &Design) -> Design {
    match ImageDesign::read(design).map(|read| read.body) {
        Ok(Body::Cells(cells)) => {
            let canonical = CellsConfig {
                normal: canonical_cell(&cells.normal),
                reduction: canonical_cell(&cells.reduction),
                ..cells
            };
            canonical.write(design.clone())
        }
        Ok(Body::Layers(layers)) => canonical_layers(&layers).write(design.clone()),
        _ => design.clone(),
    }
}

fn canonical_cell(cell: &Cell) -> Cell {
    let blocks = &cell.blocks;
    let renamed = |block: usize, places: &[Option<usize>]| -> Option<Block> {
        let mut sides = blocks[block].sides;
        for (input, _) in &mut sides {
            if *input >= 2 {
                *input = places[*input - 2]? + 2;
            }
        }
        sides.sort();
        Some(Block { sides })
    };
    let mut uses = vec![Vec::new(); blocks.len()];
    for (user, block) in blocks.iter().enumerate() {
        for (input, operation) in block.sides {
            if input >= 2 {
                uses[input - 2].push((user, operation));
            }
        }
    }
    Cell {
        blocks: least_order(blocks.len(), &renamed, &mut uses),
    }
}

fn canonical_layers(config: &LayersConfig) -> LayersConfig {
    let layers = &config.layers;
    let renamed = |layer: usize, places: &[Option<usize>]| -> Option<LayerConfig> {
        let inputs = layers[layer].inputs.iter().map(|&input| places[input]);
        let mut inputs: Vec<usize> = inputs.collect::<Option<_>>()?;
        inputs.sort_unstable();
        Some(LayerConfig {
            inputs,
            ..layers[layer].clone()
        })
    };
    let mut uses = vec![Vec::new(); layers.len()];
    for (user, layer) in layers.iter().enumerate() {
        layer
            .inputs
            .iter()
            .for_each(|&input| uses[input].push(user));
    }
    LayersConfig {
        layers: least_order(layers.len(), &renamed, &mut uses),
    }
}

/// Describes a node, given the new places of those before it; `None` while one that it takes has no place.
type Renamed<'a, N> = &'a dyn Fn(usize, &[Option<usize>]) -> Option<N>;

/// Steps of the search for the least order; only designs far outside of the space need more, and they keep an order that is valid.
const STEPS: usize = 20_000;

/// The nodes of a graph in the order whose sequence of descriptions is the least, each node after those that it takes.
///
/// Nodes that may come next and have one description are tried in turn, unless they have the same `uses`: then it does not matter which is first.
fn least_order<N: Ord + Clone, U: Ord>(
    count: usize,
    renamed: Renamed<N>,
    uses: &mut [Vec<U>],
) -> Vec<N> {
    uses.iter_mut().for_each(|uses| uses.sort());
    let mut search = Search {
        renamed,
        uses,
        places: vec![None; count],
        sequence: Vec::with_capacity(count),
        best: None,
        steps: 0,
    };
    search.extend();
    search.best.unwrap_or_default()
}

struct Search<'a, N, U> {
    renamed: Renamed<'a, N>,
    uses: &'a [Vec<U>],
    places: Vec<Option<usize>>,
    sequence: Vec<N>,
    best: Option<Vec<N>>,
    steps: usize,
}

impl<N: Ord + Clone, U: Ord> Search<'_, N, U> {
    fn extend(&mut self) {
        self.steps += 1;
        if self.sequence.len() == self.places.len() {
            if self.best.as_ref().is_none_or(|best| self.sequence < *best) {
                self.best = Some(self.sequence.clone());
            }
            return;
        }
        let open = (0..self.places.len()).filter(|&node| self.places[node].is_none());
        let ready = open.filter_map(|node| Some(((self.renamed)(node, &self.places)?, node)));
        let ready: Vec<(N, usize)> = ready.collect();
        let Some(least) = ready.iter().map(|(name, _)| name).min().cloned() else {
            return;
        };
        let mut tried: Vec<usize> = Vec::new();
        for (_, node) in ready.into_iter().filter(|(name, _)| *name == least) {
            let twin = tried.iter().any(|&t| self.uses[t] == self.uses[node]);
            if twin || (self.best.is_some() && self.steps > STEPS) {
                continue;
            }
            tried.push(node);
            self.places[node] = Some(self.sequence.len());
            self.sequence.push(least.clone());
            self.extend();
            self.sequence.pop();
            self.places[node] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;
    use candor_data::ImageSize;
    use candor_design::Space;
    use rand::seq::SliceRandom;
    use rand::{Rng, RngExt};
    use serde_json::Value;

    use crate::{Counts, space};

    const SIZE: ImageSize = ImageSize {
        channels: 1,
        height: 12,
        width: 12,
    };

    /// A design of a family, drawn from the space.
    fn drawn(space: &Space, family: &str, rng: &mut impl Rng) -> Design {
        loop {
            let design = space.sample(rng).unwrap();
            if design.get("model").and_then(Value::as_str) == Some(family) {
                return design;
            }
        }
    }

    /// A random order in which each node comes after those that it takes.
    fn shuffled(inputs: &[Vec<usize>], rng: &mut impl Rng) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::new();
        while order.len() < inputs.len() {
            let ready = |node: &usize| {
                !order.contains(node) && inputs[*node].iter().all(|i| order.contains(i))
            };
            let mut ready: Vec<usize> = (0..inputs.len()).filter(ready).collect();
            ready.shuffle(rng);
            order.push(ready[0]);
        }
        order
    }

    fn shuffled_cell(cell: &Cell, rng: &mut impl Rng) -> Cell {
        let inputs: Vec<Vec<usize>> = cell
            .blocks
            .iter()
            .map(|b| {
                b.sides
                    .iter()
                    .filter(|s| s.0 >= 2)
                    .map(|s| s.0 - 2)
                    .collect()
            })
            .collect();
        let order = shuffled(&inputs, rng);
        let place = |old: usize| order.iter().position(|&o| o == old).unwrap();
        let block = |&old: &usize| {
            let mut sides = cell.blocks[old].sides;
            for (input, _) in &mut sides {
                if *input >= 2 {
                    *input = place(*input - 2) + 2;
                }
            }
            if rng.random() {
                sides.swap(0, 1);
            }
            Block { sides }
        };
        Cell {
            blocks: order.iter().map(block).collect(),
        }
    }

    #[test]
    fn equal_networks_have_one_canonical_design() {
        let space = space(SIZE).unwrap();
        let mut rng = Seed(5).stream("test", &[]);
        for _ in 0..40 {
            let design = drawn(&space, "cells", &mut rng);
            let Body::Cells(cells) = ImageDesign::read(&design).unwrap().body else {
                panic!("asked for cells")
            };
            let same = CellsConfig {
                normal: shuffled_cell(&cells.normal, &mut rng),
                reduction: shuffled_cell(&cells.reduction, &mut rng),
                ..cells
            };
            let same = same.write(design.clone());
            assert_eq!(canonical(&design), canonical(&same), "{design}\n{same}");
            let again = canonical(&canonical(&design));
            assert_eq!(canonical(&design).hash(), again.hash());
        }
        for _ in 0..40 {
            let design = drawn(&space, "layers", &mut rng);
            let Body::Layers(config) = ImageDesign::read(&design).unwrap().body else {
                panic!("asked for layers")
            };
            let inputs: Vec<Vec<usize>> = config.layers.iter().map(|l| l.inputs.clone()).collect();
            let order = shuffled(&inputs, &mut rng);
            let place = |old: usize| order.iter().position(|&o| o == old).unwrap();
            let layer = |&old: &usize| {
                let mut layer = config.layers[old].clone();
                layer.inputs.iter_mut().for_each(|i| *i = place(*i));
                layer.inputs.sort_unstable();
                layer
            };
            let same = LayersConfig {
                layers: order.iter().map(layer).collect(),
            };
            let same = same.write(design.clone());
            assert_eq!(canonical(&design), canonical(&same));
        }
    }

    #[test]
    fn a_canonical_design_is_in_the_space_and_costs_the_same() {
        let space = space(SIZE).unwrap();
        let mut rng = Seed(6).stream("test", &[]);
        for _ in 0..60 {
            let design = space.sample(&mut rng).unwrap();
            let canonical = canonical(&design);
            assert_eq!(space.check(&canonical).unwrap(), canonical);
            let counts =
                |d: &Design| Counts::of(&ImageDesign::read(d).unwrap().body.graph(SIZE), 10);
            assert_eq!(counts(&design), counts(&canonical), "{design}");
        }
    }

    #[test]
    fn twins_with_different_uses_are_told_apart() {
        // Two equal blocks; in the first cell the third block takes one twice, in the second each once.
        use crate::body::CellOperation::{Identity, MaxPool3, Separable3};
        let twin = Block {
            sides: [(0, Separable3), (1, Identity)],
        };
        let cell = |left: usize, right: usize| Cell {
            blocks: vec![
                twin,
                twin,
                Block {
                    sides: [(left, MaxPool3), (right, Separable3)],
                },
            ],
        };
        assert_eq!(canonical_cell(&cell(2, 3)), canonical_cell(&cell(3, 2)));
        assert_eq!(canonical_cell(&cell(2, 2)), canonical_cell(&cell(3, 3)));
        assert_ne!(canonical_cell(&cell(2, 2)), canonical_cell(&cell(2, 3)));
    }
}
