use candor_core::Task;
use candor_design::{Choice, Design, DesignError, Space};
use candor_train::Recipe;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use crate::body::Readout;
use crate::{Aggregator, Rule};

/// The layers between a node's input and its embedding; the name in a design is the value of `model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Layers that do not look at edges.
    Mlp,
    /// Graph convolution (Kipf & Welling 2017).
    Gcn,
    /// A node beside its neighbours (Hamilton et al. 2017).
    Sage,
    /// Attention between neighbours (Brody et al. 2022).
    Gatv2,
    /// Sums of neighbours (Xu et al. 2019).
    Gin,
    /// Predict, then pass on (Gasteiger et al. 2019).
    Appnp,
    /// Deep convolution that keeps to its input (Chen et al. 2020).
    Gcnii,
}

/// Bodies that look at edges.
const ON_EDGES: [&str; 6] = ["gcn", "sage", "gatv2", "gin", "gcnii", "appnp"];
/// Bodies for whole graphs: all but the one that passes on what is said of nodes.
const OF_GRAPHS: [&str; 6] = ["mlp", "gcn", "sage", "gatv2", "gin", "gcnii"];

impl Body {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 7] = ["mlp", "gcn", "sage", "gatv2", "gin", "appnp", "gcnii"];

    /// How messages are weighed; `None` where edges are not looked at.
    pub fn rule(self) -> Option<Rule> {
        match self {
            Body::Mlp => None,
            Body::Gcn | Body::Appnp | Body::Gcnii => Some(Rule::Symmetric),
            Body::Sage => Some(Rule::Mean),
            Body::Gin => Some(Rule::Sum),
            Body::Gatv2 => Some(Rule::Learned),
        }
    }
}

/// What one prediction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A node of a graph.
    Node,
    /// One of many graphs.
    Graph,
    /// Two nodes of a graph.
    Pair,
}

/// What is made of two nodes to tell whether they are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// The product of what is made of each, number by number, beside what is known of the pair, and a layer on that.
    Product,
    /// The inner product alone (Kipf & Welling 2016).
    Inner,
}

impl Decoder {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 2] = ["product", "inner"];
}

/// Whether what a layer is given is added to what it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Residual {
    /// It is not.
    None,
    /// Through a linear map.
    Linear,
    /// Through a linear map, and as it is, too.
    Skip,
}

impl Residual {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 3] = ["none", "linear", "skip"];
}

/// By its name; bundles of earlier versions say `true` for the linear map.
fn residual<'de, D: Deserializer<'de>>(from: D) -> Result<Residual, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Name(Residual),
        Linear(bool),
    }
    Ok(match Said::deserialize(from)? {
        Said::Name(residual) => residual,
        Said::Linear(true) => Residual::Linear,
        Said::Linear(false) => Residual::None,
    })
}

/// What is brought to one mean and one spread after each layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Nothing.
    None,
    /// The features of each node (Ba, Kiros & Hinton 2016).
    Layer,
    /// Each feature over the nodes of its graph (Cai et al. 2021).
    Graph,
}

impl Norm {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 3] = ["none", "layer", "graph"];
}

/// By its name; bundles of earlier versions say `true` for that of layers.
fn norm<'de, D: Deserializer<'de>>(from: D) -> Result<Norm, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Name(Norm),
        Layer(bool),
    }
    Ok(match Said::deserialize(from)? {
        Said::Name(norm) => norm,
        Said::Layer(true) => Norm::Layer,
        Said::Layer(false) => Norm::None,
    })
}

/// How a network gathers what its nodes rest on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gathering {
    /// How messages are weighed, if edges are looked at.
    pub rule: Option<Rule>,
    /// Edges from a node to the farthest that its prediction rests on.
    pub steps: usize,
    /// Share of edges that each step of training drops.
    pub edge_dropout: f64,
    /// Share of the numbers of a sparse input that each step of training drops.
    pub input_dropout: f64,
    /// Senders of a node that a step of training looks at, at most; `None` where each looks at the whole graph.
    pub senders: Option<usize>,
    /// Whether what is said of a node rests on its whole graph, however far away.
    pub whole: bool,
}

/// One network for graphs, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GraphDesign {
    /// The body.
    #[serde(rename = "model")]
    pub body: Body,
    /// Layers, the head's included; of `gcnii` those of its deep part.
    pub layers: usize,
    /// Width of a layer.
    pub width: usize,
    /// Share of values dropped after each layer in training, and of the numbers of a sparse input.
    pub dropout: f64,
    /// Share of edges dropped in each step of training (Rong et al., ICLR 2020).
    pub edge_dropout: f64,
    /// Whether what a layer is given is added to what it makes.
    #[serde(deserialize_with = "residual")]
    pub residual: Residual,
    /// Whether the head sees the results of all layers.
    pub jumping: bool,
    /// How layers are normalised.
    #[serde(deserialize_with = "norm")]
    pub norm: Norm,
    /// Heads of attention (`gatv2`).
    pub heads: usize,
    /// What is made of neighbours (`sage`).
    pub aggregator: Aggregator,
    /// Steps of passing on (`appnp`).
    pub steps: usize,
    /// Share of the beginning in each step (`appnp`, `gcnii`).
    pub alpha: f64,
    /// How much the weights of deep layers count (`gcnii`).
    pub theta: f64,
    /// Whether the numbers of each node are divided by their sum, where they are sparse.
    pub by_rows: bool,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Share of the square of the weights in the loss, halved: as Adam's weight decay in the papers.
    pub weight_decay: f64,
    /// The same for the weights of deep layers (`gcnii`).
    pub inner_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
    /// Steps of training at most, each on the whole graph or on a sample of it.
    pub epochs: usize,
    /// Steps without a better validation loss after which training stops.
    pub patience: usize,
    /// Nodes that a step of training asks for, with a sample of the nodes around them; 0: all of the training part, in the whole graph.
    pub sample: usize,
    /// Senders of a node that such a sample holds, at most (Hamilton et al. 2017, section 3.1).
    pub senders: usize,
    /// What a graph is made of its nodes, where graphs are predicted.
    pub readout: Readout,
    /// What is made of two nodes, where pairs are predicted.
    pub decoder: Decoder,
    /// Graphs in a step of training, where graphs are predicted; `epochs` are then passes over all of them.
    pub batch: usize,
}

impl Default for GraphDesign {
    /// The network of Kipf & Welling 2017, section 5.2, with twice their steps, and more patience.
    fn default() -> GraphDesign {
        GraphDesign {
            body: Body::Gcn,
            layers: 2,
            width: 16,
            dropout: 0.5,
            edge_dropout: 0.0,
            residual: Residual::None,
            jumping: false,
            norm: Norm::None,
            heads: 8,
            aggregator: Aggregator::Mean,
            steps: 10,
            alpha: 0.1,
            theta: 0.5,
            by_rows: true,
            learning_rate: 0.01,
            weight_decay: 5e-4,
            inner_decay: 0.01,
            label_smoothing: 0.0,
            epochs: 400,
            patience: 120,
            sample: 0,
            senders: 10,
            readout: Readout::Mean,
            decoder: Decoder::Product,
            batch: 32,
        }
    }
}

/// Nodes that a step asks for where the whole graph is too large.
const SAMPLE: usize = 1024;
/// Looks at validation, a pass over the training part apart, without a better one after which steps on samples stop, at least.
const FEWEST_LOOKS: usize = 3;
/// Looks without a better one after which training on graphs stops: a look is a pass over them, or twelve steps where that is more.
const LOOKS_AT_GRAPHS: usize = 30;
/// Steps between two looks at validation (`candor_train::fit`, on batches of a whole graph).
const STEPS_BETWEEN_LOOKS: usize = 12;

/// Steps of training over all pairs, and pairs in a step at most.
const STEPS_OVER_PAIRS: usize = 4;
const MOST_PAIRS: usize = 8192;

impl GraphDesign {
    /// Why the design cannot be built, if so. Saved designs come from outside and are checked before anything is allocated.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let bound = |what: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(format!("{what} is {value}, outside {low} to {high}"))
        };
        bound("`layers`", self.layers, 2, 128)?;
        bound("`width`", self.width, 1, 4096)?;
        bound("`heads`", self.heads, 1, 64)?;
        bound("`steps`", self.steps, 1, 1000)?;
        bound("`epochs`", self.epochs, 1, 1_000_000)?;
        bound("`sample`", self.sample, 0, 1 << 24)?;
        bound("`senders`", self.senders, 1, 1 << 24)?;
        bound("`batch`", self.batch, 1, 1 << 24)?;
        let share = |what: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                return Ok(());
            }
            Err(format!("{what} is {value}, outside 0 to 1"))
        };
        share("`dropout`", self.dropout)?;
        share("`edge_dropout`", self.edge_dropout)?;
        share("`label_smoothing`", self.label_smoothing)?;
        share("`alpha`", self.alpha)?;
        let rates = [
            ("`theta`", self.theta),
            ("`learning_rate`", self.learning_rate),
            ("`weight_decay`", self.weight_decay),
            ("`inner_decay`", self.inner_decay),
        ];
        if let Some((what, value)) = rates.into_iter().find(|(_, v)| !(0.0..=100.0).contains(v)) {
            return Err(format!("{what} is {value}, outside 0 to 100"));
        }
        if self.body == Body::Gatv2 && !self.width.is_multiple_of(self.heads) {
            let (width, heads) = (self.width, self.heads);
            return Err(format!(
                "`width` is {width}, not a multiple of {heads} heads"
            ));
        }
        Ok(())
    }

    /// Whether the head sees what the last layer makes, else the sum over neighbours is taken once more before it.
    pub(crate) fn has_whole_layers(&self) -> bool {
        self.residual != Residual::None || self.jumping
    }

    /// How its network gathers what nodes rest on.
    pub fn gathering(&self) -> Gathering {
        Gathering {
            rule: self.body.rule(),
            steps: match self.body {
                Body::Mlp => 0,
                Body::Appnp => self.steps,
                _ => self.layers,
            },
            edge_dropout: self.edge_dropout,
            input_dropout: self.dropout,
            senders: (self.sample > 0).then_some(self.senders),
            whole: self.norm == Norm::Graph && !matches!(self.body, Body::Appnp | Body::Gcnii),
        }
    }

    /// About how many bytes a step of training takes on a whole graph, beside the graph: what layers make is kept for the gradients, and
    /// so is what attention gives each edge.
    pub fn bytes_of_step(&self, nodes: usize, edges: usize, input: usize) -> u64 {
        let layer = match self.body {
            Body::Gatv2 => nodes * self.width * 6 + edges * self.heads * 6,
            Body::Mlp | Body::Gcn => nodes * self.width * 4,
            Body::Sage | Body::Gin | Body::Gcnii | Body::Appnp => nodes * self.width * 6,
        };
        4 * (nodes * input + layer * self.layers) as u64
    }

    /// The same design, with steps on samples if one on the whole graph would take more than so many bytes. The moments of a sample are not
    /// those of its graph: nodes are then normalised by themselves.
    pub fn within(&self, memory: u64, nodes: usize, edges: usize, input: usize) -> GraphDesign {
        let fits = self.bytes_of_step(nodes, edges, input) <= memory;
        if self.sample > 0 || fits {
            return self.clone();
        }
        GraphDesign {
            sample: SAMPLE,
            ..self.without_graph_norm()
        }
    }

    /// The same design, with nodes normalised by themselves instead of over their graph.
    pub(crate) fn without_graph_norm(&self) -> GraphDesign {
        GraphDesign {
            norm: match self.norm {
                Norm::Graph => Norm::Layer,
                other => other,
            },
            ..self.clone()
        }
    }

    /// The recipe of its training on so many graphs, at a rate that falls.
    pub fn recipe_of_graphs(&self, graphs: usize) -> Recipe {
        Recipe {
            batch_size: self.batch,
            epochs: self.epochs,
            patience: LOOKS_AT_GRAPHS,
            final_rate: 0.1,
            ..self.recipe(graphs)
        }
    }

    /// The recipe of its training on so many pairs: a few steps an epoch, since each sees the graph without the pairs that it asks for.
    pub fn recipe_of_pairs(&self, pairs: usize) -> Recipe {
        let batch_size = match self.sample {
            0 => pairs.div_ceil(STEPS_OVER_PAIRS).clamp(1, MOST_PAIRS),
            sample => (sample / 2).max(1),
        };
        let steps_of_epoch = (pairs as f64 / batch_size as f64).round().max(1.0) as usize;
        let between_looks = steps_of_epoch.max(STEPS_BETWEEN_LOOKS);
        Recipe {
            batch_size,
            epochs: self.epochs.div_ceil(steps_of_epoch),
            patience: self.patience.div_ceil(between_looks).max(FEWEST_LOOKS),
            final_rate: 0.1,
            ..self.recipe(pairs)
        }
    }

    /// The recipe of its training on so many nodes, at one rate.
    pub fn recipe(&self, nodes: usize) -> Recipe {
        let batch_size = if self.sample == 0 { nodes } else { self.sample };
        let steps_of_epoch = (nodes as f64 / batch_size as f64).round().max(1.0) as usize;
        let between_looks = steps_of_epoch.max(STEPS_BETWEEN_LOOKS);
        let fewest = if self.sample == 0 { 1 } else { FEWEST_LOOKS };
        Recipe {
            learning_rate: self.learning_rate,
            // The papers' decay is part of the loss.
            weight_decay: 0.0,
            batch_size,
            epochs: self.epochs.div_ceil(steps_of_epoch),
            patience: self.patience.div_ceil(between_looks).max(fewest),
            warmup: 0.0,
            final_rate: 1.0,
            averaging: 0.0,
            gradient_norm: f64::from(f32::MAX),
            ..Recipe::default()
        }
    }

    /// The design's choices as a value of the space, without those that its body does not have.
    pub(crate) fn to_design(&self, task: Task, unit: Unit) -> Design {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            return Design::new();
        };
        let stacked = !matches!(self.body, Body::Appnp | Body::Gcnii);
        let keep = |name: &str| match name {
            "jumping" => stacked && self.body != Body::Mlp,
            "edge_dropout" => self.body != Body::Mlp,
            "heads" => self.body == Body::Gatv2,
            "aggregator" => self.body == Body::Sage,
            "steps" => self.body == Body::Appnp,
            "alpha" => !stacked,
            "theta" | "inner_decay" => self.body == Body::Gcnii,
            "patience" => self.patience != GraphDesign::default().patience,
            "sample" | "senders" => self.sample > 0,
            "readout" | "batch" => unit == Unit::Graph,
            "decoder" => unit == Unit::Pair,
            "residual" | "norm" => stacked,
            "label_smoothing" => task.is_classification(),
            _ => true,
        };
        let kept = fields.into_iter().filter(|(name, _)| keep(name));
        kept.fold(Design::new(), |design, (name, value)| {
            design.with(name, value)
        })
    }
}

/// The designs that a search may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(task: Task, unit: Unit) -> Result<Space, DesignError> {
    let stacked = ["mlp", "gcn", "sage", "gatv2", "gin"];
    let mut choices = match unit {
        Unit::Node => vec![
            Choice::categorical("model", Body::NAMES),
            Choice::integers("layers", 2, 16),
            Choice::categorical("width", [16, 32, 64, 128]),
            Choice::categorical("dropout", [0.0, 0.2, 0.35, 0.5, 0.6, 0.8]),
            Choice::categorical("edge_dropout", [0.0, 0.2, 0.5]).when("model", ON_EDGES),
            Choice::categorical("steps", [5, 10, 20]).when("model", ["appnp"]),
            Choice::categorical("alpha", [0.05, 0.1, 0.2, 0.5]).when("model", ["appnp", "gcnii"]),
            Choice::log_reals("learning_rate", 2e-3, 2e-2),
            Choice::log_reals("weight_decay", 1e-6, 1e-2),
            Choice::categorical("epochs", [400, 1200]),
        ],
        Unit::Graph => vec![
            Choice::categorical("model", OF_GRAPHS),
            Choice::integers("layers", 2, 8),
            Choice::categorical("width", [32, 64, 128]),
            Choice::categorical("dropout", [0.0, 0.2, 0.5]),
            Choice::categorical("edge_dropout", [0.0, 0.2])
                .when("model", ON_EDGES.into_iter().take(5)),
            Choice::categorical("alpha", [0.05, 0.1, 0.2, 0.5]).when("model", ["gcnii"]),
            Choice::categorical("readout", Readout::NAMES),
            Choice::log_reals("learning_rate", 5e-4, 1e-2),
            Choice::log_reals("weight_decay", 1e-7, 1e-3),
            Choice::categorical("epochs", [50, 150]),
            Choice::categorical("batch", [16, 32, 64]),
        ],
        Unit::Pair => vec![
            Choice::categorical("model", Body::NAMES),
            Choice::integers("layers", 2, 6),
            Choice::categorical("width", [32, 64, 128]),
            Choice::categorical("dropout", [0.0, 0.2, 0.5]),
            Choice::categorical("edge_dropout", [0.0, 0.2]).when("model", ON_EDGES),
            Choice::categorical("steps", [5, 10]).when("model", ["appnp"]),
            Choice::categorical("alpha", [0.05, 0.1, 0.2, 0.5]).when("model", ["appnp", "gcnii"]),
            Choice::categorical("decoder", Decoder::NAMES),
            Choice::log_reals("learning_rate", 1e-3, 2e-2),
            Choice::log_reals("weight_decay", 1e-7, 1e-3),
            Choice::categorical("epochs", [200, 400]),
        ],
    };
    choices.extend([
        Choice::categorical("residual", Residual::NAMES).when("model", stacked),
        Choice::categorical("norm", Norm::NAMES).when("model", stacked),
        Choice::categorical("jumping", [false, true])
            .when("model", ["gcn", "sage", "gatv2", "gin"]),
        Choice::categorical("heads", [1, 4, 8]).when("model", ["gatv2"]),
        Choice::categorical("aggregator", Aggregator::NAMES).when("model", ["sage"]),
        Choice::categorical("theta", [0.5, 1.0, 1.5]).when("model", ["gcnii"]),
        Choice::log_reals("inner_decay", 1e-4, 0.1).when("model", ["gcnii"]),
        Choice::categorical("by_rows", [true, false]),
    ]);
    if task.is_classification() {
        choices.push(Choice::categorical("label_smoothing", [0.0, 0.1]));
    }
    Space::new(choices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    #[test]
    fn every_point_of_the_space_can_be_built() {
        for (unit, known) in [
            (Unit::Node, Body::NAMES.len()),
            (Unit::Graph, OF_GRAPHS.len()),
            (Unit::Pair, Body::NAMES.len()),
        ] {
            let space = space(Task::Multiclass, unit).unwrap();
            let stream = &mut Seed(0).stream("space", &[]);
            let mut bodies = std::collections::BTreeSet::new();
            for _ in 0..300 {
                let design = space.sample(stream).unwrap();
                let read: GraphDesign = design.decode().unwrap();
                assert_eq!(read.check(), Ok(()), "{design:?}");
                bodies.insert(read.body as u8);
            }
            assert_eq!(bodies.len(), known);
        }
    }

    #[test]
    fn steps_look_at_samples_where_the_whole_graph_is_too_large() {
        let design = GraphDesign::default();
        let (nodes, edges) = (1_000_000, 10_000_000);
        let needed = design.bytes_of_step(nodes, edges, 16);
        let whole = design.within(needed, nodes, edges, 16);
        assert_eq!(whole, design);
        assert_eq!(whole.recipe(600_000).batch_size, 600_000);
        let sampled = design.within(needed - 1, nodes, edges, 16);
        let recipe = sampled.recipe(600_000);
        assert_eq!((recipe.batch_size, recipe.epochs), (1024, 1));
        assert_eq!(sampled.gathering().senders, Some(design.senders));
        // What a person says stands.
        let own = GraphDesign {
            sample: 64,
            ..design
        };
        assert_eq!(own.within(1, nodes, edges, 16), own);
    }

    #[test]
    fn residual_and_norm_are_names_or_as_earlier_versions_wrote_them() {
        let read = |text: &str| {
            let text = format!(r#"{{"residual": {text}}}"#);
            serde_json::from_str::<GraphDesign>(&text).map(|design| design.residual)
        };
        assert_eq!(read(r#""skip""#).unwrap(), Residual::Skip);
        assert_eq!(read("true").unwrap(), Residual::Linear);
        assert_eq!(read("false").unwrap(), Residual::None);
        assert!(read(r#""both""#).is_err());
        let read = |text: &str| {
            let text = format!(r#"{{"norm": {text}}}"#);
            serde_json::from_str::<GraphDesign>(&text).map(|design| design.norm)
        };
        assert_eq!(read(r#""graph""#).unwrap(), Norm::Graph);
        assert_eq!(read("true").unwrap(), Norm::Layer);
    }

    #[test]
    fn designs_out_of_range_are_refused() {
        let default = GraphDesign::default();
        let cases = [
            GraphDesign {
                layers: 1,
                ..default.clone()
            },
            GraphDesign {
                width: 0,
                ..default.clone()
            },
            GraphDesign {
                dropout: 1.0,
                ..default.clone()
            },
            GraphDesign {
                alpha: f64::NAN,
                ..default.clone()
            },
            GraphDesign {
                weight_decay: -1.0,
                ..default.clone()
            },
            GraphDesign {
                body: Body::Gatv2,
                heads: 5,
                ..default.clone()
            },
        ];
        for case in cases {
            assert!(case.check().is_err(), "{case:?}");
        }
    }
}
