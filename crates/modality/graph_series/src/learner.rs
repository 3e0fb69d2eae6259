use burn::tensor::Device;
use candor_core::{Clock, Distribution, Seed, Targets};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_train::{
    Assignment, Features, FittedMember, HandMade, Learner, Member, MemberError, MemberPrediction,
    SavedMember, Units, Validation, fit, predict, watched_loss,
};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::{LONG, Patches};
use crate::design::SHORT;
use crate::prepare::moving;
use crate::{
    Anchor, Body, BoostedKnown, BoostedLags, LagRegression, Preparation, Rule, RuleModel,
    SensorGraph, SeriesDesign, SeriesNetwork, SeriesUnits, WindowData, space,
};

/// Trains and reads the models of series: networks, rules, and a regression.
pub struct SeriesLearner {
    space: Space,
    graph: bool,
    /// Whether their edges change with time.
    moving: bool,
    /// Whether they are counts.
    counts: bool,
    periods: Vec<usize>,
    history: usize,
    nodes: usize,
}

/// Parameters of a network at most.
const MOST_PARAMETERS: usize = 1 << 28;
/// Series up to which edges between all of them are learned.
const MOST_LEARNED: usize = 2_000;
/// Numbers of a batch of windows that is predicted at once, about.
const AT_ONCE: usize = 1 << 22;

impl SeriesLearner {
    /// For series of which so much is known.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(units: &SeriesUnits) -> Result<SeriesLearner, DesignError> {
        let series = &units.series;
        Ok(SeriesLearner {
            space: space(series.are_joined(), units.history)?,
            graph: series.are_joined(),
            moving: series.flows.is_some(),
            counts: series.are_counts(),
            periods: series.calendar.periods.clone(),
            history: units.history,
            nodes: units.nodes(),
        })
    }

    /// One that only reads members.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn reader() -> Result<SeriesLearner, DesignError> {
        Ok(SeriesLearner {
            space: space(false, SHORT)?,
            graph: false,
            moving: false,
            counts: false,
            periods: Vec::new(),
            history: SHORT,
            nodes: 1,
        })
    }
}

/// What a design stands for.
enum Model {
    Rule { rule: Rule, long: bool },
    Regression { history: usize, senders: bool },
    Boosting { history: usize },
    Network(SeriesDesign),
}

fn model_of(design: &Design) -> Result<Model, MemberError> {
    let name = design
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if let Some((rule, _)) = Rule::ALL.into_iter().find(|(_, rule)| *rule == name) {
        let long = design.get("long").and_then(Value::as_bool).unwrap_or(false);
        return Ok(Model::Rule { rule, long });
    }
    if name == "regression" {
        let history = design.get("history").and_then(Value::as_u64).unwrap_or(0) as usize;
        let senders = design
            .get("senders")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        return Ok(Model::Regression { history, senders });
    }
    if name == "boosting" {
        let history = design.get("history").and_then(Value::as_u64).unwrap_or(0) as usize;
        return Ok(Model::Boosting { history });
    }
    let read: SeriesDesign = design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    read.check().map_err(MemberError::Design)?;
    Ok(Model::Network(read))
}

impl Learner for SeriesLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline = HandMade::baseline;
        let rule = |model: &str| Design::new().with("model", model);
        let mut made = vec![
            baseline("mean of each series", rule("trivial")),
            baseline("last value", rule("last_value")),
            baseline("mean of the last readings", rule("window_mean")),
        ];
        if !self.periods.is_empty() {
            made.push(baseline(
                "what is usual at that time",
                rule("history_average"),
            ));
            made.push(baseline(
                "last period again",
                rule("seasonal_naive").with("long", false),
            ));
        }
        if self.periods.len() > 1 {
            made.push(baseline(
                "last long period again",
                rule("seasonal_naive").with("long", true),
            ));
        }
        if self.counts && crate::growth::has_places(&self.periods) {
            made.push(baseline("growth that fades", rule("growth")));
        }
        let regression = |history: usize, senders: bool| {
            Design::new()
                .with("model", "regression")
                .with("history", history)
                .with("senders", senders)
        };
        let short = SHORT.min(self.history);
        let lags = match self.history > SHORT {
            true => vec![0, short],
            false => vec![0],
        };
        for history in lags {
            made.push(baseline(
                if history == 0 {
                    "regression on lags"
                } else {
                    "regression on few lags"
                },
                regression(history, false),
            ));
        }
        if self.graph {
            made.push(baseline(
                "regression on lags and senders",
                regression(short, true),
            ));
        }
        let boosting = Design::new().with("model", "boosting");
        made.push(baseline(
            "gradient boosting on lags",
            boosting.with("history", short),
        ));
        made.push(baseline("exponential smoothing", rule("smoothing")));
        let network = |name, design: SeriesDesign| HandMade::network(name, design.to_design());
        let few = if self.history > SHORT { SHORT } else { 0 };
        let default = SeriesDesign::default();
        let seasonal = if self.periods.is_empty() {
            Anchor::Last
        } else {
            Anchor::LastAndUsual
        };
        made.push(network(
            "identity, window and time (STID)",
            SeriesDesign {
                history: few,
                ..default.clone()
            },
        ));
        made.push(network(
            "linear trend and remainder (DLinear)",
            SeriesDesign {
                body: Body::Dlinear,
                learning_rate: 5e-3,
                weight_decay: 1e-4,
                ..default.clone()
            },
        ));
        if self.history >= LONG {
            made.push(network(
                "transformer on patches (PatchTST)",
                SeriesDesign {
                    body: Body::Patches,
                    width: 16,
                    layers: 3,
                    dropout: 0.3,
                    learning_rate: 1e-3,
                    ..default.clone()
                },
            ));
        }
        if self.nodes > 1 && self.nodes <= MOST_LEARNED {
            made.push(network(
                "dilated convolution over learned edges (Graph WaveNet)",
                SeriesDesign {
                    body: Body::GraphWavenet,
                    history: few,
                    width: 32,
                    layers: 5,
                    ..default.clone()
                },
            ));
        }
        made.push(network(
            "recurrent unit (GRU)",
            SeriesDesign {
                body: Body::Gru,
                history: few,
                layers: 1,
                ..default.clone()
            },
        ));
        made.push(network(
            "identity, window and time, told from what is usual",
            SeriesDesign {
                history: few,
                anchor: seasonal,
                layers: 3,
                dropout: 0.2,
                ..default.clone()
            },
        ));
        if self.moving {
            made.push(network(
                "message passing over each day's edges, then memory (MPNN+LSTM)",
                SeriesDesign {
                    body: Body::MpnnLstm,
                    history: few,
                    width: 32,
                    ..default.clone()
                },
            ));
        }
        if self.graph {
            made.push(network(
                "convolution in time and over edges (STGCN)",
                SeriesDesign {
                    body: Body::Stgcn,
                    history: few,
                    width: 32,
                    ..default.clone()
                },
            ));
            made.push(network(
                "recurrent unit over edges (DCRNN)",
                SeriesDesign {
                    body: Body::Dcrnn,
                    history: few,
                    width: 32,
                    ..default
                },
            ));
        }
        made
    }

    /// Whole windows, so that a short training takes less.
    fn fewer(&self, rows: &[usize], keep: usize, seed: Seed) -> Vec<usize> {
        // Units stand window by window, each with all nodes.
        let mut windows: Vec<usize> = rows.iter().map(|row| row / self.nodes.max(1)).collect();
        windows.dedup();
        let count = windows.len();
        let kept = (count * keep)
            .div_ceil(rows.len().max(1))
            .clamp(1, count.max(1));
        windows.shuffle(&mut seed.stream("windows", &[]));
        windows.truncate(kept);
        windows.sort_unstable();
        let chosen = |row: &usize| windows.binary_search(&(row / self.nodes.max(1))).is_ok();
        rows.iter().copied().filter(chosen).collect()
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let units = SeriesUnits::to_learn_from(assignment.units)?;
        if assignment.train.is_empty() {
            return Err(MemberError::Training("no units to train on".into()));
        }
        let at_once = |member: Box<dyn Member>| FittedMember {
            member,
            history: Vec::new(),
            warnings: Vec::new(),
            stopped_early: false,
        };
        match model_of(assignment.design)? {
            Model::Rule { rule, long } => {
                let model = RuleModel::fit(rule, long, units, assignment.train);
                Ok(at_once(Box::new(RuleMember { model })))
            }
            Model::Regression { history, senders } => {
                let history = if history == 0 { units.history } else { history };
                let fitted = LagRegression::fit(
                    units,
                    assignment.train,
                    assignment.validation,
                    history,
                    senders,
                    assignment.clock,
                )
                .map_err(MemberError::Training)?;
                let model = finished(fitted, assignment.clock)?;
                Ok(at_once(Box::new(RegressionMember { model })))
            }
            Model::Boosting { history } => {
                let history = if history == 0 { units.history } else { history };
                let fitted = BoostedLags::fit(
                    units,
                    assignment.train,
                    assignment.validation,
                    history,
                    assignment.seed,
                    assignment.clock,
                )
                .map_err(MemberError::Training)?;
                let model = finished(fitted, assignment.clock)?;
                Ok(at_once(Box::new(BoostedMember { model })))
            }
            Model::Network(design) => fit_network(&design, assignment, units),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = MemberError::Malformed;
        let description: Description = serde_json::from_value(description.clone())
            .map_err(|e| malformed(format!("its description: {e}")))?;
        match description {
            Description::Rule => {
                let model: RuleModel =
                    serde_json::from_slice(numbers).map_err(|e| malformed(e.to_string()))?;
                model.check().map_err(malformed)?;
                Ok(Box::new(RuleMember { model }))
            }
            Description::Regression => {
                let model: LagRegression =
                    serde_json::from_slice(numbers).map_err(|e| malformed(e.to_string()))?;
                model.check().map_err(malformed)?;
                Ok(Box::new(RegressionMember { model }))
            }
            Description::Boosting { known } => {
                let model = BoostedLags::load(known, numbers).map_err(malformed)?;
                Ok(Box::new(BoostedMember { model }))
            }
            Description::Network {
                design,
                preparation,
                head,
            } => {
                design.check().map_err(malformed)?;
                preparation.check().map_err(malformed)?;
                head.check().map_err(malformed)?;
                if head.outputs() != 2 * preparation.nodes() * preparation.horizons.len() {
                    return Err(malformed("its head does not fit its series".into()));
                }
                let weights =
                    Weights::from_safetensors(numbers).map_err(|e| malformed(e.to_string()))?;
                let network =
                    build(&design, &preparation, Seed(0), &Device::flex()).map_err(malformed)?;
                let network = weights
                    .load_into(network)
                    .map_err(|e| malformed(e.to_string()))?;
                Ok(Box::new(NetworkMember {
                    design,
                    preparation,
                    head,
                    network,
                }))
            }
        }
    }
}

/// What was fitted; `None` stands for what the clock stopped.
fn finished<M>(fitted: Option<M>, clock: &Clock) -> Result<M, MemberError> {
    fitted.ok_or_else(|| match clock.stop() {
        Some(stop) => MemberError::Stopped(stop),
        None => MemberError::Training("it was stopped".into()),
    })
}

/// The units of a source, if a member with this preparation can be asked of them.
fn units_for<'a>(
    preparation: &Preparation,
    units: &'a Units,
) -> Result<&'a SeriesUnits, MemberError> {
    let units = units.get::<SeriesUnits>()?;
    let fit = preparation.check_units(units);
    fit.map_err(MemberError::Malformed)?;
    Ok(units)
}

#[allow(clippy::large_enum_variant, reason = "there is one of it a member")]
#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Rule,
    Regression,
    Boosting {
        known: BoostedKnown,
    },
    Network {
        design: SeriesDesign,
        preparation: Preparation,
        head: HeadKind,
    },
}

fn saved_json<T: Serialize>(
    description: &Description,
    model: &T,
) -> Result<SavedMember, MemberError> {
    let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
    Ok(SavedMember {
        description: serde_json::to_value(description).map_err(malformed)?,
        // The description is `.json` already.
        extension: "numbers",
        numbers: serde_json::to_vec(model).map_err(malformed)?,
    })
}

fn alone(distribution: Distribution) -> MemberPrediction {
    MemberPrediction {
        aleatoric: None,
        members: vec![distribution],
        features: None,
    }
}

struct RuleMember {
    model: RuleModel,
}

impl Member for RuleMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.model.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units.get::<SeriesUnits>()?;
        self.model
            .check_units(units)
            .map_err(MemberError::Malformed)?;
        Ok(alone(self.model.predict(units, indices)))
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        saved_json(&Description::Rule, &self.model)
    }
}

struct RegressionMember {
    model: LagRegression,
}

impl Member for RegressionMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.model.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units_for(self.model.preparation(), units)?;
        Ok(alone(self.model.predict(units, indices)))
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        saved_json(&Description::Regression, &self.model)
    }
}

struct BoostedMember {
    model: BoostedLags,
}

impl Member for BoostedMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.model.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units_for(self.model.preparation(), units)?;
        let said = self.model.predict(units, indices);
        said.map(alone).map_err(MemberError::Malformed)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let (known, trees) = self.model.saved();
        let description = Description::Boosting {
            known: known.clone(),
        };
        Ok(SavedMember {
            description: serde_json::to_value(description)
                .map_err(|e| MemberError::Malformed(e.to_string()))?,
            extension: "numbers",
            numbers: trees,
        })
    }
}

struct NetworkMember {
    design: SeriesDesign,
    preparation: Preparation,
    head: HeadKind,
    network: SeriesNetwork,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        Weights::of(&self.network).count() as u64
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let p = &self.preparation;
        let units = units_for(p, units)?;
        let items = Items::of(units, indices);
        let data = items.data(units, p, &self.design);
        let all: Vec<usize> = (0..items.windows.len()).collect();
        let over = |graph: &SensorGraph| self.network.over(&graph.changed(&units.changes));
        let changed = match &p.graph {
            Some(graph) if !units.changes.is_empty() => {
                Some(over(graph).map_err(MemberError::Malformed)?)
            }
            _ => None,
        };
        let network = changed.as_ref().unwrap_or(&self.network);
        let predicted = predict(network, &data, &all, &self.head, &Device::flex());
        let members = predicted
            .members
            .into_iter()
            .map(|said| items.unscaled(said, units, p, self.design.anchor));
        let width = predicted.width / p.nodes();
        let mut embedding = Vec::with_capacity(indices.len() * width);
        let mut input = Vec::new();
        for &(item, node) in &items.places {
            let from = (item * p.nodes() + node) * width;
            embedding.extend(&predicted.embedding[from..from + width]);
            data.described(item, node, &mut input);
        }
        Ok(MemberPrediction {
            aleatoric: None,
            members: members.collect(),
            features: Some(Features {
                width,
                embedding,
                input_width: data.described_width(),
                input,
            }),
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let description = Description::Network {
            design: self.design.clone(),
            preparation: self.preparation.clone(),
            head: self.head.clone(),
        };
        SavedMember::of_network(&description, &self.network)
    }
}

/// The windows that some units stand in, each once, and where each unit is among them.
struct Items {
    windows: Vec<usize>,
    /// Item and node of each unit.
    places: Vec<(usize, usize)>,
}

impl Items {
    fn of(units: &SeriesUnits, indices: &[usize]) -> Items {
        let mut windows: Vec<usize> = indices.iter().map(|&i| units.which[i].0 as usize).collect();
        windows.sort_unstable();
        windows.dedup();
        let place = |&i: &usize| {
            let (window, node) = units.which[i];
            let item = windows.partition_point(|w| *w < window as usize);
            (item, node as usize)
        };
        Items {
            places: indices.iter().map(place).collect(),
            windows,
        }
    }

    fn data<'a>(
        &self,
        units: &'a SeriesUnits,
        preparation: &'a Preparation,
        design: &SeriesDesign,
    ) -> WindowData<'a> {
        let over_moving = design.body == Body::MpnnLstm && design.edges;
        let numbers = preparation.nodes() * preparation.history * (preparation.channels() + 32);
        WindowData {
            units,
            preparation,
            windows: self.windows.clone(),
            known: Vec::new(),
            at_once: (AT_ONCE / numbers.max(1)).clamp(1, 256),
            moving: over_moving
                .then(|| moving(units, preparation, &self.windows))
                .flatten(),
        }
    }

    /// What a network says of items, as what is said of units, in the units of the series.
    fn unscaled(
        &self,
        said: Distribution,
        units: &SeriesUnits,
        p: &Preparation,
        anchor: Anchor,
    ) -> Distribution {
        let Distribution::Gaussian { mean, variance, .. } = said else {
            unreachable!("the heads of series give normal distributions");
        };
        let width = p.horizons.len();
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        let (mut values, mut read) = (Vec::new(), Vec::new());
        for &(item, node) in &self.places {
            let window = self.windows[item];
            p.window(units, window, node, &mut values, &mut read);
            let anchors = p.anchors(
                anchor,
                units,
                window,
                node,
                values.last().copied().unwrap_or(0.0),
            );
            let (centre, sd) = p.scales[node];
            let from = (item * p.nodes() + node) * width;
            for (place, anchor) in anchors.into_iter().enumerate() {
                means.push(centre + sd * (anchor + mean[from + place]));
                variances.push(sd * sd * variance[from + place]);
            }
        }
        Distribution::Gaussian {
            width,
            mean: means,
            variance: variances,
        }
    }
}

fn build(
    design: &SeriesDesign,
    preparation: &Preparation,
    seed: Seed,
    device: &Device,
) -> Result<SeriesNetwork, String> {
    let (nodes, history, width) = (preparation.nodes(), preparation.history, design.width);
    if design.body == Body::GraphWavenet && design.learned_edges && nodes > MOST_LEARNED {
        return Err(format!(
            "edges between all of {nodes} series cannot be learned, at most {MOST_LEARNED}"
        ));
    }
    let widest = [
        history
            .saturating_mul(preparation.channels())
            .saturating_mul(width),
        history.saturating_mul(history.max(preparation.horizons.len())),
        preparation.horizons.len().saturating_mul(width),
        nodes.saturating_mul(design.identity.max(1)),
        width * width * 8 * design.layers,
        match design.body {
            Body::Patches => Patches::head_weights(history, width, preparation.horizons.len()),
            _ => 0,
        },
    ];
    if widest.iter().any(|count| *count > MOST_PARAMETERS) {
        return Err(format!(
            "a network of this size has more than {MOST_PARAMETERS} parameters"
        ));
    }
    SeriesNetwork::new(
        design,
        preparation,
        &mut seed.stream("weights", &[]),
        device,
    )
}

/// Truths of items as a network learns them, `[items, series * horizons]`, and which are known and may be learned.
fn truths(
    items: &Items,
    learnt: usize,
    units: &SeriesUnits,
    targets: &Targets,
    asked: &[usize],
    p: &Preparation,
    anchor: Anchor,
) -> (Vec<f32>, Vec<bool>) {
    let (nodes, width) = (p.nodes(), p.horizons.len());
    let mut values = vec![0.0f32; items.windows.len() * nodes * width];
    let mut known = vec![false; values.len()];
    let Targets::Values { values: given, .. } = targets else {
        return (values, known);
    };
    let (mut window, mut read) = (Vec::new(), Vec::new());
    for (&unit, &(item, node)) in asked.iter().zip(&items.places).take(learnt) {
        p.window(units, items.windows[item], node, &mut window, &mut read);
        let last = window.last().copied().unwrap_or(0.0);
        let anchors = p.anchors(anchor, units, items.windows[item], node, last);
        let (centre, sd) = p.scales[node];
        let from = (item * nodes + node) * width;
        for (place, anchor) in anchors.into_iter().enumerate() {
            let truth = (given[unit * width + place] - centre) / sd - anchor;
            if truth.is_finite() {
                values[from + place] = truth;
                known[from + place] = true;
            }
        }
    }
    (values, known)
}

fn fit_network(
    design: &SeriesDesign,
    assignment: &Assignment,
    units: &SeriesUnits,
) -> Result<FittedMember, MemberError> {
    let preparation = Preparation::fit(units, assignment.train, design.history_of(units.history));
    let p = &preparation;
    let asked = [assignment.train, assignment.validation].concat();
    let items = Items::of(units, &asked);
    let learnt = assignment.train.len();
    let (values, known) = truths(
        &items,
        learnt,
        units,
        assignment.targets,
        &asked,
        p,
        design.anchor,
    );
    let width = p.nodes() * p.horizons.len();
    let targets = Targets::Values { width, values };
    let mut data = items.data(units, p, design);
    data.known = known;
    let of = |places: &[(usize, usize)]| {
        let mut chosen: Vec<usize> = places.iter().map(|(item, _)| *item).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    };
    let (train, validation) = (of(&items.places[..learnt]), of(&items.places[learnt..]));
    // What is watched is what is asked for, in the units of the series.
    let watched = Items {
        windows: validation.iter().map(|&item| items.windows[item]).collect(),
        places: items.places[learnt..]
            .iter()
            .map(|(item, node)| (validation.partition_point(|v| v < item), *node))
            .collect(),
    };
    let truth = assignment.targets.select(assignment.validation);
    let loss = |predicted: &Distribution| {
        let said = watched.unscaled(predicted.clone(), units, p, design.anchor);
        watched_loss(assignment.metric, &said, &truth)
    };
    let head = design.loss.head(assignment.metric, width);
    let made =
        |device: &Device| build(design, p, assignment.seed, device).map_err(MemberError::Design);
    let trained = fit(
        made(&Device::flex().autodiff())?,
        &data,
        &targets,
        &train,
        &Validation {
            units: &validation,
            loss: &loss,
        },
        &head,
        &design.recipe(),
        assignment.seed,
        assignment.clock,
    )?;
    let network = trained.network(made(&Device::flex())?)?;
    Ok(trained.member(NetworkMember {
        design: design.clone(),
        preparation: preparation.clone(),
        head,
        network,
    }))
}
