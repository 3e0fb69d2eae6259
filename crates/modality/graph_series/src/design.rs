use candor_core::Metric;
use candor_design::{Choice, Design, DesignError, Space};
use candor_nn::HeadKind;
use candor_train::Recipe;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a network looks at windows; the name in a design is the value of `model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A linear map of trend and remainder (Zeng et al. 2023).
    Dlinear,
    /// Layers that know the node and the time (Shao et al. 2022).
    Stid,
    /// A recurrent unit for each node, then a step over edges.
    Gru,
    /// A recurrent unit whose gates look over edges (Li et al. 2018).
    Dcrnn,
    /// Dilated convolution in time, then over edges that may be learned (Wu et al. 2019).
    GraphWavenet,
    /// Gated convolution in time around convolution over edges (Yu et al. 2018).
    Stgcn,
    /// Message passing over the edges of each moment, then a recurrent unit (Panagopoulos et al. 2021).
    MpnnLstm,
    /// A transformer on patches of the window of each series (Nie et al. 2023).
    Patches,
}

impl Body {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 8] = [
        "dlinear",
        "stid",
        "gru",
        "dcrnn",
        "graph_wavenet",
        "stgcn",
        "mpnn_lstm",
        "patches",
    ];
    /// Those that have a meaning without a graph.
    pub const WITHOUT_GRAPH: [&'static str; 5] =
        ["dlinear", "stid", "gru", "graph_wavenet", "patches"];
}

/// What a network tells the difference from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The mean of the series.
    None,
    /// The last reading.
    Last,
    /// What is usual at the time that is predicted.
    Usual,
    /// The last reading, changed as is usual from then to the time that is predicted.
    LastAndUsual,
}

impl Anchor {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 4] = ["none", "last", "usual", "last_and_usual"];

    /// Whether it moves with the last reading.
    pub fn follows_last(self) -> bool {
        matches!(self, Anchor::Last | Anchor::LastAndUsual)
    }
}

/// What a network is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// As the metric asks: absolute errors where it counts those, else squared ones.
    Metric,
    /// The likelihood of normal distributions.
    Normal,
    /// The likelihood of Laplace distributions: absolute errors.
    Laplace,
}

impl Loss {
    /// All of them, as a design names them.
    pub const NAMES: [&'static str; 3] = ["metric", "normal", "laplace"];

    /// The head that is trained on it; `width` numbers.
    pub fn head(self, metric: Metric, width: usize) -> HeadKind {
        match (self, metric) {
            (Loss::Laplace, _) | (Loss::Metric, Metric::Mae) => HeadKind::Laplace { width },
            (Loss::Metric, Metric::Rmse | Metric::R2) => HeadKind::Gaussian { width, beta: 1.0 },
            _ => HeadKind::Gaussian { width, beta: 0.5 },
        }
    }
}

/// One network for series, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesDesign {
    /// The body.
    #[serde(rename = "model")]
    pub body: Body,
    /// Moments that it looks back, of those that there are; 0: all.
    pub history: usize,
    /// Width of a layer.
    pub width: usize,
    /// Layers of the body.
    pub layers: usize,
    /// Numbers by which the network knows each node; 0: it does not.
    pub identity: usize,
    /// Whether the graph that is given is looked at.
    pub edges: bool,
    /// Whether edges are learned, too (`graph_wavenet`).
    pub learned_edges: bool,
    /// Whether a linear map of the window is added to what the layers say (Lai et al., SIGIR 2018, section 3.6).
    pub highway: bool,
    /// What it tells the difference from.
    pub anchor: Anchor,
    /// What it is trained on.
    pub loss: Loss,
    /// Share of values dropped after each layer in training.
    pub dropout: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Passes over the training windows at most.
    pub epochs: usize,
    /// Windows in a step.
    pub batch: usize,
}

impl Default for SeriesDesign {
    fn default() -> SeriesDesign {
        SeriesDesign {
            body: Body::Stid,
            history: 0,
            width: 64,
            layers: 2,
            identity: 16,
            edges: true,
            learned_edges: true,
            highway: true,
            anchor: Anchor::Last,
            loss: Loss::Metric,
            dropout: 0.1,
            learning_rate: 2e-3,
            weight_decay: 1e-3,
            epochs: 40,
            batch: 16,
        }
    }
}

/// Looks at validation without a better one after which training stops.
const PATIENCE: usize = 8;
/// Moments that recurrent and convolutional bodies look back in the designs made by hand.
pub(crate) const SHORT: usize = 12;

impl SeriesDesign {
    /// Why the design cannot be built, if so. Saved designs come from outside and are checked before anything is allocated.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn check(&self) -> Result<(), String> {
        let bounds = [
            ("`history`", self.history, 0, 1 << 16),
            ("`width`", self.width, 1, 1024),
            ("`layers`", self.layers, 1, 32),
            ("`identity`", self.identity, 0, 1024),
            ("`epochs`", self.epochs, 1, 1_000_000),
            ("`batch`", self.batch, 1, 1 << 20),
        ];
        if let Some((what, value, low, high)) = bounds
            .into_iter()
            .find(|(_, v, low, high)| !(low..=high).contains(&v))
        {
            return Err(format!("{what} is {value}, outside {low} to {high}"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(format!("`dropout` is {}, outside 0 to 1", self.dropout));
        }
        let rates = [
            ("`learning_rate`", self.learning_rate),
            ("`weight_decay`", self.weight_decay),
        ];
        match rates.into_iter().find(|(_, v)| !(0.0..=100.0).contains(v)) {
            Some((what, value)) => Err(format!("{what} is {value}, outside 0 to 100")),
            None => Ok(()),
        }
    }

    /// Moments that it looks back, of so many.
    pub fn history_of(&self, whole: usize) -> usize {
        match self.history {
            0 => whole,
            history => history.min(whole),
        }
    }

    /// The recipe of its training.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size: self.batch,
            epochs: self.epochs,
            patience: PATIENCE,
            final_rate: 0.02,
            gradient_norm: 5.0,
            ..Recipe::default()
        }
    }

    /// The design's choices as a value of the space, without those that its body does not have.
    pub fn to_design(&self) -> Design {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            return Design::new();
        };
        let keep = |name: &str| match name {
            "width" | "layers" | "identity" | "dropout" => self.body != Body::Dlinear,
            "highway" => !matches!(self.body, Body::Dlinear | Body::Patches),
            "edges" => !matches!(self.body, Body::Dlinear | Body::Stid | Body::Patches),
            "learned_edges" => self.body == Body::GraphWavenet,
            _ => true,
        };
        let kept = fields.into_iter().filter(|(name, _)| keep(name));
        kept.fold(Design::new(), |design, (name, value)| {
            design.with(name, value)
        })
    }
}

/// The designs that a search may try, for series with a graph or without, that look back so many moments.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(graph: bool, history: usize) -> Result<Space, DesignError> {
    let models: Vec<&str> = match graph {
        true => Body::NAMES.to_vec(),
        false => Body::WITHOUT_GRAPH.to_vec(),
    };
    let deep: Vec<&str> = models.iter().copied().filter(|m| *m != "dlinear").collect();
    let headed: Vec<&str> = deep.iter().copied().filter(|m| *m != "patches").collect();
    let over_edges: Vec<&str> = deep
        .iter()
        .copied()
        .filter(|m| !["stid", "patches"].contains(m))
        .collect();
    let mut histories = vec![0];
    histories.extend(
        [SHORT, 2 * SHORT, 4 * SHORT]
            .into_iter()
            .filter(|h| *h < history),
    );
    let mut choices = vec![
        Choice::categorical("model", models),
        Choice::categorical("history", histories),
        Choice::categorical("anchor", Anchor::NAMES),
        Choice::categorical("loss", Loss::NAMES),
        Choice::ordered("width", [16, 32, 64, 128]).when("model", deep.clone()),
        Choice::integers("layers", 1, 5).when("model", deep.clone()),
        Choice::ordered("identity", [0, 8, 16, 32]).when("model", deep.clone()),
        Choice::categorical("highway", [true, false]).when("model", headed),
        Choice::ordered("dropout", [0.0, 0.1, 0.3]).when("model", deep),
        Choice::log_reals("learning_rate", 3e-4, 1e-2),
        Choice::log_reals("weight_decay", 1e-5, 1e-1),
        Choice::ordered("epochs", [20, 40, 80]),
        Choice::ordered("batch", [8, 16, 32]),
    ];
    if graph {
        choices.push(Choice::categorical("edges", [true, false]).when("model", over_edges));
    }
    choices
        .push(Choice::categorical("learned_edges", [true, false]).when("model", ["graph_wavenet"]));
    Space::new(choices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    #[test]
    fn every_point_of_the_space_can_be_built() {
        for (graph, known) in [(true, 8), (false, 5)] {
            let space = space(graph, 48).unwrap();
            let stream = &mut Seed(0).stream("space", &[]);
            let mut bodies = std::collections::BTreeSet::new();
            for _ in 0..200 {
                let design = space.sample(stream).unwrap();
                let read: SeriesDesign = design.decode().unwrap();
                assert_eq!(read.check(), Ok(()), "{design:?}");
                bodies.insert(read.body as u8);
            }
            assert_eq!(bodies.len(), known);
        }
    }

    #[test]
    fn designs_out_of_range_are_refused() {
        let default = SeriesDesign::default();
        let cases = [
            SeriesDesign {
                width: 0,
                ..default.clone()
            },
            SeriesDesign {
                layers: 33,
                ..default.clone()
            },
            SeriesDesign {
                dropout: 1.0,
                ..default.clone()
            },
            SeriesDesign {
                learning_rate: f64::NAN,
                ..default.clone()
            },
        ];
        for case in cases {
            assert!(case.check().is_err(), "{case:?}");
        }
    }
}
