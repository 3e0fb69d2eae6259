use burn::tensor::Device;
use candor_baselines::Matrix;
use candor_core::{Seed, Task, UncertaintyMethod};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, SavedDoubt, SavedMember, TargetScale, ThinnedNetworks, Units, fit_assigned,
    predict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Body, Explanation, GraphDesign, GraphNetwork, GraphUnits, LabelPropagation, Norm, Preparation,
    PreparedGraph, Readout, Residual, Unit, described_graphs, space,
};

/// Trains and reads the models of graphs: networks, label propagation, and the classical models of tables, which see no edges.
pub struct GraphLearner {
    space: Space,
    tables: TableLearner,
    task: Task,
    unit: Unit,
    memory: u64,
    inductive: bool,
}

/// Parameters of a network at most.
const MOST_PARAMETERS: usize = 1 << 28;
/// Graphs that sums over nodes are standardised on, at most.
const SETTLING: usize = 2048;
/// Bytes that a step of training may take, where nobody says how many.
pub(crate) const MEMORY: u64 = 4 << 30;

impl GraphLearner {
    /// Predicts nodes, or whole graphs, with the full design space of a task. For pairs of nodes there is [`crate::PairLearner`].
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(task: Task, unit: Unit) -> Result<GraphLearner, DesignError> {
        Ok(GraphLearner {
            space: space(task, unit)?,
            tables: TableLearner::new(task)?,
            task,
            unit,
            memory: MEMORY,
            inductive: false,
        })
    }

    /// What the prediction of a unit rests on, if a saved member is a network. `place` is the class, label or number that is explained; where
    /// it is not given, the likeliest class, and of labels and numbers all.
    ///
    /// # Errors
    /// When the member is damaged, or the units do not fit it.
    pub fn explain(
        description: &Value,
        numbers: &[u8],
        units: &Units,
        index: usize,
        place: Option<usize>,
    ) -> Result<Option<Explanation>, MemberError> {
        let description: Description = serde_json::from_value(description.clone())
            .map_err(|e| MemberError::Malformed(format!("its description: {e}")))?;
        let Description::Network {
            design,
            preparation,
            head,
            doubt,
        } = description
        else {
            return Ok(None);
        };
        let device = Device::flex().autodiff();
        let network = loaded(&design, &preparation, &head, &doubt, numbers, &device)?.network;
        let units = units.get::<GraphUnits>()?;
        preparation
            .check_features(&units.features)
            .map_err(MemberError::Malformed)?;
        let data = prepared(&design, &preparation, units);
        let sources = preparation.sources();
        Ok(Some(Explanation::learn(
            &network, &data, index, &head, &sources, place,
        )))
    }

    /// With so many bytes for a step of training, 4 GiB else: where one on the whole graph would take more, steps look at samples of it.
    pub fn within(self, memory: u64) -> GraphLearner {
        GraphLearner { memory, ..self }
    }

    /// For a graph to which nodes are added later, which must not change what is said of others: nothing is normalised over the whole
    /// graph.
    pub fn inductive(self) -> GraphLearner {
        GraphLearner {
            inductive: true,
            ..self
        }
    }
}

/// What a design stands for.
enum Model {
    Table,
    Propagation,
    Network(GraphDesign),
}

fn model_of(design: &Design) -> Result<Model, MemberError> {
    match design.get("model").and_then(Value::as_str) {
        Some("trivial" | "linear" | "boosting") => Ok(Model::Table),
        Some("label_propagation") => Ok(Model::Propagation),
        _ => {
            let read: GraphDesign = design
                .decode()
                .map_err(|e| MemberError::Design(e.to_string()))?;
            read.check().map_err(MemberError::Design)?;
            Ok(Model::Network(read))
        }
    }
}

impl Learner for GraphLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline = |name, model: &str| HandMade {
            in_full: model != "boosting",
            ..HandMade::baseline(name, Design::new().with("model", model))
        };
        let network = |name, design: GraphDesign| {
            HandMade::network(name, design.to_design(self.task, self.unit))
        };
        let of = |body: Body| GraphDesign {
            body,
            width: 64,
            ..GraphDesign::default()
        };
        let deep = |body: Body| GraphDesign {
            layers: 5,
            dropout: 0.2,
            residual: Residual::Linear,
            norm: Norm::Layer,
            weight_decay: 1e-5,
            learning_rate: 5e-3,
            epochs: 1200,
            ..of(body)
        };
        if self.unit == Unit::Graph {
            let of = |body: Body, readout: Readout| GraphDesign {
                body,
                layers: 4,
                width: 64,
                dropout: 0.2,
                norm: Norm::Graph,
                weight_decay: 1e-6,
                learning_rate: 3e-3,
                epochs: 150,
                readout,
                ..GraphDesign::default()
            };
            return vec![
                baseline("majority or mean", "trivial"),
                baseline("linear, on the shape of graphs", "linear"),
                // Early, so that a short search has a network, and with it a test for strange graphs.
                network("sums of neighbours (GIN)", of(Body::Gin, Readout::Sum)),
                baseline("gradient boosting, on the shape of graphs", "boosting"),
                network("nodes without edges", of(Body::Mlp, Readout::Mean)),
                network(
                    "sums of neighbours (GIN), all layers",
                    GraphDesign {
                        jumping: true,
                        ..of(Body::Gin, Readout::Mean)
                    },
                ),
                network("graph convolution (GCN)", of(Body::Gcn, Readout::Mean)),
                network(
                    "a node beside its neighbours (GraphSAGE), with residuals",
                    GraphDesign {
                        residual: Residual::Linear,
                        ..of(Body::Sage, Readout::Max)
                    },
                ),
                network(
                    "attention between neighbours (GATv2)",
                    of(Body::Gatv2, Readout::Mean),
                ),
            ];
        }
        vec![
            baseline("majority or mean", "trivial"),
            baseline("linear, without edges", "linear"),
            baseline("label propagation", "label_propagation"),
            // Early, so that a short search has a network, and with it a test for strange nodes.
            network("graph convolution (GCN)", GraphDesign::default()),
            network("MLP without edges", of(Body::Mlp)),
            network("a node beside its neighbours (GraphSAGE)", of(Body::Sage)),
            baseline("gradient boosting, without edges", "boosting"),
            network("predict, then propagate (APPNP)", of(Body::Appnp)),
            network(
                "attention between neighbours (GATv2)",
                GraphDesign {
                    learning_rate: 5e-3,
                    ..of(Body::Gatv2)
                },
            ),
            network(
                "deep graph convolution, each feature normalised over the graph",
                GraphDesign {
                    layers: 10,
                    norm: Norm::Graph,
                    ..deep(Body::Gcn)
                },
            ),
            network("deep GraphSAGE with residuals", deep(Body::Sage)),
            network(
                "deep convolution that keeps to its input (GCNII)",
                GraphDesign {
                    layers: 16,
                    dropout: 0.6,
                    epochs: 1200,
                    ..of(Body::Gcnii)
                },
            ),
            network(
                "sums of neighbours (GIN)",
                GraphDesign {
                    norm: Norm::Layer,
                    ..of(Body::Gin)
                },
            ),
        ]
    }

    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &UncertaintyMethod::ALL
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let nodes_only = |what: &str| {
            let problem = format!("{what} says something of nodes, not of whole graphs");
            Err(MemberError::Design(problem))
        };
        match (model_of(assignment.design)?, self.unit) {
            (Model::Table, _) => self.fit_table(assignment),
            (Model::Propagation, Unit::Node) => fit_propagation(assignment),
            (Model::Propagation, _) => nodes_only("label propagation"),
            (Model::Network(design), Unit::Graph) if design.body == Body::Appnp => {
                nodes_only("`appnp`")
            }
            (Model::Network(design), _) => {
                let design = match self.inductive {
                    true => design.without_graph_norm(),
                    false => design,
                };
                fit_network(&design, assignment, self.memory)
            }
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = MemberError::Malformed;
        let description: Description = serde_json::from_value(description.clone())
            .map_err(|e| malformed(format!("its description: {e}")))?;
        match description {
            Description::Table { inner } => Ok(Box::new(TableMember {
                inner: self.tables.load(&inner, numbers)?,
            })),
            Description::Propagation => {
                let model: LabelPropagation =
                    serde_json::from_slice(numbers).map_err(|e| malformed(e.to_string()))?;
                model.check().map_err(malformed)?;
                Ok(Box::new(PropagationMember { model }))
            }
            Description::Network {
                design,
                preparation,
                head,
                doubt,
            } => {
                let device = Device::flex();
                let network = loaded(&design, &preparation, &head, &doubt, numbers, &device)?;
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

#[allow(clippy::large_enum_variant, reason = "there is one of it a member")]
#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Table {
        /// The description of the model of tables.
        inner: Value,
    },
    Propagation,
    Network {
        design: GraphDesign,
        preparation: Preparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

/// A model of tables on the features of nodes.
struct TableMember {
    inner: Box<dyn Member>,
}

impl Member for TableMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let rows = as_rows(units.get::<GraphUnits>()?, indices)?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.inner.predict(&rows, &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description::Table {
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

/// Some units as rows of a table, all of which may be learned from.
fn as_rows(units: &GraphUnits, indices: &[usize]) -> Result<Units, MemberError> {
    let matrix = matrix_of(units, indices)?;
    Ok(TableUnits::units(matrix, (0..indices.len()).collect()))
}

fn matrix_of(units: &GraphUnits, indices: &[usize]) -> Result<Matrix, MemberError> {
    match units.starts {
        None => {
            let nodes = units.nodes_at(indices);
            units.features.rows(&nodes, &units.graph.degrees())
        }
        Some(_) => described_graphs(units, indices),
    }
}

impl GraphLearner {
    /// Only the units that the fit asks for become rows: first those to learn from, then those to validate on.
    fn fit_table(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let units = GraphUnits::to_learn_from(assignment.units)?;
        let asked = [assignment.train, assignment.validation].concat();
        let matrix = matrix_of(units, &asked)?;
        let learnt = assignment.train.len();
        let fitted = self
            .tables
            .fit_described(matrix, &asked, learnt, assignment)?;
        Ok(FittedMember {
            member: Box::new(TableMember {
                inner: fitted.member,
            }),
            ..fitted
        })
    }
}

struct PropagationMember {
    model: LabelPropagation,
}

impl Member for PropagationMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.model.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units.get::<GraphUnits>()?;
        Ok(MemberPrediction {
            aleatoric: None,
            members: vec![self.model.predict(units, &units.nodes_at(indices))],
            features: None,
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let numbers =
            serde_json::to_vec(&self.model).map_err(|e| MemberError::Malformed(e.to_string()))?;
        Ok(SavedMember {
            description: to_json(&Description::Propagation)?,
            // Not `json`: that is the description, beside it in a bundle.
            extension: "labels",
            numbers,
        })
    }
}

fn fit_propagation(assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let units = GraphUnits::to_learn_from(assignment.units)?;
    let model = LabelPropagation::fit(
        units,
        assignment.targets,
        assignment.target.width(),
        assignment.train,
        assignment.validation,
    );
    Ok(FittedMember {
        member: Box::new(PropagationMember { model }),
        history: Vec::new(),
        warnings: Vec::new(),
        stopped_early: false,
    })
}

struct NetworkMember {
    design: GraphDesign,
    preparation: Preparation,
    head: HeadKind,
    network: DoubtingNetwork<GraphNetwork>,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        Weights::of(&self.network.network).count() as u64
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units.get::<GraphUnits>()?;
        self.preparation
            .check_features(&units.features)
            .map_err(MemberError::Malformed)?;
        let data = prepared(&self.design, &self.preparation, units);
        let predicted = self.network.predict(&data, indices, &self.head);
        let scale = self.preparation.target_scale();
        let (input_width, input) = data.described(indices);
        Ok(predicted
            .restored(|said| scale.unscale(said))
            .described(input_width, input))
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let (weights, doubt) = self.network.save();
        let description = Description::Network {
            design: self.design.clone(),
            preparation: self.preparation.clone(),
            head: self.head.clone(),
            doubt,
        };
        SavedMember::of_weights(&description, &weights)
    }
}

fn prepared<'a>(
    design: &GraphDesign,
    preparation: &Preparation,
    units: &'a GraphUnits,
) -> PreparedGraph<'a> {
    PreparedGraph::new(units, preparation, design.gathering())
}

fn build(
    design: &GraphDesign,
    preparation: &Preparation,
    head: &HeadKind,
    seed: Seed,
    device: &Device,
) -> Result<GraphNetwork, String> {
    let input = preparation.width();
    let widest = [
        input.saturating_mul(design.width),
        design.width * design.width * design.layers,
        head.outputs().saturating_mul(design.width * design.layers),
    ];
    if widest.iter().any(|count| *count > MOST_PARAMETERS) {
        return Err(format!(
            "a network of width {} on {input} features has more than {MOST_PARAMETERS} parameters",
            design.width
        ));
    }
    let mut stream = seed.stream("weights", &[]);
    Ok(GraphNetwork::new(design, input, head, &mut stream, device))
}

/// A saved network; all that is said of it is checked.
fn loaded(
    design: &GraphDesign,
    preparation: &Preparation,
    head: &HeadKind,
    doubt: &SavedDoubt,
    numbers: &[u8],
    device: &Device,
) -> Result<DoubtingNetwork<GraphNetwork>, MemberError> {
    let malformed = MemberError::Malformed;
    design.check().map_err(malformed)?;
    preparation.check().map_err(malformed)?;
    head.check().map_err(malformed)?;
    let network = build(design, preparation, head, Seed(0), device).map_err(malformed)?;
    DoubtingNetwork::load(network, doubt, numbers, head)
}

fn fit_network(
    design: &GraphDesign,
    assignment: &Assignment,
    memory: u64,
) -> Result<FittedMember, MemberError> {
    let units = GraphUnits::to_learn_from(assignment.units)?;
    let mut preparation = Preparation::fit(
        &units.features,
        &units.nodes_at(assignment.train),
        TargetScale::fit(assignment.targets, assignment.train),
        design.by_rows,
    );
    let (nodes, edges) = (units.graph.nodes(), units.graph.edges().len());
    let (mut design, recipe) = match units.starts {
        None => {
            let design = design.within(memory, nodes, edges, preparation.width());
            let recipe = design.recipe(assignment.train.len());
            (design, recipe)
        }
        Some(_) => (
            design.clone(),
            design.recipe_of_graphs(assignment.train.len()),
        ),
    };
    let method = assignment.uncertainty()?;
    let raised = ThinnedNetworks::raise(method, &mut design.dropout);
    let design = &design;
    let head = assignment.head(method, design.label_smoothing)?;
    if units.starts.is_some() && design.readout == Readout::Sum {
        let device = Device::flex();
        let network = build(design, &preparation, &head, assignment.seed, &device);
        let network = network.map_err(MemberError::Design)?;
        let first = &assignment.train[..assignment.train.len().min(SETTLING)];
        let data = prepared(design, &preparation, units);
        let said = predict(&network, &data, first, &head, &device);
        preparation.settle_readout(said.width, &said.embedding);
    }
    let data = prepared(design, &preparation, units);
    let scale = preparation.target_scale();
    let (network, trained) = fit_assigned(
        assignment,
        |device| {
            build(design, &preparation, &head, assignment.seed, device).map_err(MemberError::Design)
        },
        &data,
        scale,
        |said| scale.unscale(said),
        &head,
        method,
        &recipe,
    )?;
    let member = NetworkMember {
        design: design.clone(),
        preparation,
        head,
        network,
    };
    Ok(trained.member(member).warned(raised))
}
