use burn::tensor::Device;
use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Distribution, Seed, Targets, Task};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, Features, FittedMember, HandMade, Learner, Member, MemberError, MemberPrediction,
    SavedMember, TargetScale, Units, Validation, fit, predict, watched_loss,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::learner::MEMORY;
use crate::pair_network::{PairNetwork, PreparedPairs};
use crate::pair_numbers::{Neighbours, PAIR_NUMBERS, pair_numbers};
use crate::{Body, Decoder, GraphDesign, PairPreparation, PairUnits, Preparation, Unit, space};

/// Trains and reads models that tell whether two nodes are joined: networks, single numbers that are known for it, and models of tables on all of
/// these numbers.
pub struct PairLearner {
    space: Space,
    tables: TableLearner,
    memory: u64,
}

/// The task: a pair is an edge or is none.
const TASK: Task = Task::Binary;
/// Single numbers that are baselines, by the name of their model.
const SINGLE: [&str; 4] = [
    "common_neighbours",
    "adamic_adar",
    "resource_allocation",
    "preferential_attachment",
];
/// Parameters of a network at most.
const MOST_PARAMETERS: usize = 1 << 28;

impl PairLearner {
    /// With the full design space.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new() -> Result<PairLearner, DesignError> {
        Ok(PairLearner {
            space: space(TASK, Unit::Pair)?,
            tables: TableLearner::new(TASK)?,
            memory: MEMORY,
        })
    }

    /// With so many bytes for a step of training, 4 GiB else: where one on the whole graph would take more, steps look at samples of it.
    pub fn within(self, memory: u64) -> PairLearner {
        PairLearner { memory, ..self }
    }
}

/// What a design stands for.
enum Model {
    /// A model of tables on some of the pair numbers.
    Table(Design, Vec<usize>),
    Network(GraphDesign),
}

fn model_of(design: &Design) -> Result<Model, MemberError> {
    let all = || (0..PAIR_NUMBERS.len()).collect();
    let name = design.get("model").and_then(Value::as_str).unwrap_or("");
    if let Some(place) = PAIR_NUMBERS.iter().position(|number| *number == name) {
        // A logistic curve makes a probability of the number, and keeps its order.
        let linear = Design::new().with("model", "linear");
        return Ok(Model::Table(linear, vec![place]));
    }
    match name {
        "trivial" | "linear" | "boosting" => Ok(Model::Table(design.clone(), all())),
        _ => {
            let read: GraphDesign = design
                .decode()
                .map_err(|e| MemberError::Design(e.to_string()))?;
            read.check().map_err(MemberError::Design)?;
            Ok(Model::Network(read))
        }
    }
}

impl Learner for PairLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline = |name, model: &str| HandMade {
            in_full: model != "boosting",
            ..HandMade::baseline(name, Design::new().with("model", model))
        };
        let network =
            |name, design: GraphDesign| HandMade::network(name, design.to_design(TASK, Unit::Pair));
        let of = |body: Body| GraphDesign {
            body,
            width: 64,
            dropout: 0.2,
            weight_decay: 1e-5,
            learning_rate: 5e-3,
            ..GraphDesign::default()
        };
        let [common, adamic_adar, allocation, attachment] = SINGLE;
        vec![
            baseline("majority or mean", "trivial"),
            baseline("common neighbours", common),
            // Early, so that a short search has a network, and with it a test for strange pairs.
            network("graph convolution (GCN), products of nodes", of(Body::Gcn)),
            baseline("gradient boosting, on numbers of the pair", "boosting"),
            baseline("Adamic & Adar's index", adamic_adar),
            baseline("resource allocation", allocation),
            baseline("preferential attachment", attachment),
            baseline("linear, on numbers of the pair", "linear"),
            network(
                "a node beside its neighbours (GraphSAGE), products of nodes",
                of(Body::Sage),
            ),
            network(
                "inner products of a GCN (graph auto-encoder)",
                GraphDesign {
                    decoder: Decoder::Inner,
                    dropout: 0.0,
                    learning_rate: 0.01,
                    ..of(Body::Gcn)
                },
            ),
            network("nodes without edges, products of nodes", of(Body::Mlp)),
            network(
                "predict, then propagate (APPNP), products of nodes",
                of(Body::Appnp),
            ),
        ]
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        match model_of(assignment.design)? {
            Model::Table(design, columns) => self.fit_table(&design, columns, assignment),
            Model::Network(design) => fit_network(&design, assignment, self.memory),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = MemberError::Malformed;
        let description: Description = serde_json::from_value(description.clone())
            .map_err(|e| malformed(format!("its description: {e}")))?;
        let Description { sight, model } = description;
        sight.preparation.check().map_err(malformed)?;
        Ok(match model {
            ModelDescription::Table { inner, columns } => {
                if columns.iter().any(|&column| column >= PAIR_NUMBERS.len()) {
                    return Err(malformed("the numbers that it looks at".into()));
                }
                Box::new(TableMember {
                    inner: self.tables.load(&inner, numbers)?,
                    columns,
                    sight,
                })
            }
            ModelDescription::Network { design, head } => {
                design.check().map_err(malformed)?;
                head.check().map_err(malformed)?;
                let weights =
                    Weights::from_safetensors(numbers).map_err(|e| malformed(e.to_string()))?;
                let width = sight.preparation.nodes.width();
                let network =
                    build(&design, width, &head, Seed(0), &Device::flex()).map_err(malformed)?;
                let network = weights
                    .load_into(network)
                    .map_err(|e| malformed(e.to_string()))?;
                Box::new(NetworkMember {
                    network,
                    design,
                    head,
                    sight,
                })
            }
        })
    }
}

/// What a member sees of a graph: which of the pairs it learned from are edges, and how it reads nodes.
#[derive(Clone, Serialize, Deserialize)]
struct Sight {
    /// The graph that the edges belong to.
    origin: u64,
    learned: Vec<[u32; 2]>,
    preparation: PairPreparation,
}

#[derive(Serialize, Deserialize)]
struct Description {
    sight: Sight,
    model: ModelDescription,
}

#[allow(clippy::large_enum_variant, reason = "there is one of it a member")]
#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum ModelDescription {
    Table {
        /// The description of the model of tables.
        inner: Value,
        columns: Vec<usize>,
    },
    Network {
        design: GraphDesign,
        head: HeadKind,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

impl Sight {
    /// Of the units `train`: their edges are seen from now on, and their nodes scale the input.
    fn learn(
        units: &PairUnits,
        targets: &Targets,
        train: &[usize],
        by_rows: bool,
    ) -> Result<Sight, MemberError> {
        let Targets::Classes(classes) = targets else {
            return Err(MemberError::Training("a pair is an edge or is none".into()));
        };
        let all = units.nodes();
        let joined = train.iter().filter(|&&unit| classes[unit] == 1);
        let learned: Vec<[u32; 2]> = joined.map(|&unit| all[unit]).collect();
        let nodes = Preparation::fit(
            &units.graph.features,
            &units.nodes_at(train),
            TargetScale::default(),
            by_rows,
        );
        let origin = units.graph.origin;
        let seen = units.seen(&learned, origin);
        let rows = nodes.apply(&seen);
        let pairs: Vec<[u32; 2]> = train.iter().map(|&unit| all[unit]).collect();
        let numbers = pair_numbers(&Neighbours::new(&seen.graph), &rows, &pairs);
        Ok(Sight {
            origin,
            learned,
            preparation: PairPreparation::fit(nodes, &numbers),
        })
    }

    /// The pair numbers of all units, as rows of a table.
    fn matrix(&self, units: &PairUnits, columns: &[usize]) -> Result<Matrix, MemberError> {
        self.check(units)?;
        let seen = units.seen(&self.learned, self.origin);
        let rows = self.preparation.nodes.apply(&seen);
        let numbers = pair_numbers(&Neighbours::new(&seen.graph), &rows, &units.nodes());
        let rows = numbers.chunks_exact(PAIR_NUMBERS.len());
        let values = rows.flat_map(|row| columns.iter().map(|&column| row[column]));
        let kinds = vec![FeatureKind::Numeric; columns.len()];
        Matrix::new(units.which.len(), kinds, values.collect())
            .map_err(|e| MemberError::Training(e.to_string()))
    }

    fn check(&self, units: &PairUnits) -> Result<(), MemberError> {
        self.preparation
            .nodes
            .check_features(&units.graph.features)
            .map_err(MemberError::Malformed)
    }
}

/// A model of tables on pair numbers.
struct TableMember {
    inner: Box<dyn Member>,
    columns: Vec<usize>,
    sight: Sight,
}

impl Member for TableMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units.get::<PairUnits>()?.at(indices);
        let matrix = self.sight.matrix(&units, &self.columns)?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.inner
            .predict(&TableUnits::units(matrix, all.clone()), &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description {
            sight: self.sight.clone(),
            model: ModelDescription::Table {
                inner: saved.description.clone(),
                columns: self.columns.clone(),
            },
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

impl PairLearner {
    fn fit_table(
        &self,
        design: &Design,
        columns: Vec<usize>,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        let units = PairUnits::to_learn_from(assignment.units)?;
        let sight = Sight::learn(units, assignment.targets, assignment.train, true)?;
        let asked = [assignment.train, assignment.validation].concat();
        let matrix = sight.matrix(&units.at(&asked), &columns)?;
        let learnt = assignment.train.len();
        let assignment = Assignment {
            design,
            ..*assignment
        };
        let fitted = self
            .tables
            .fit_described(matrix, &asked, learnt, &assignment)?;
        Ok(FittedMember {
            member: Box::new(TableMember {
                inner: fitted.member,
                columns,
                sight,
            }),
            ..fitted
        })
    }
}

struct NetworkMember {
    network: PairNetwork,
    design: GraphDesign,
    head: HeadKind,
    sight: Sight,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        Weights::of(&self.network).count() as u64
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let units = units.get::<PairUnits>()?.at(indices);
        self.sight.check(&units)?;
        let seen = units.seen(&self.sight.learned, self.sight.origin);
        let data = PreparedPairs::new(&units, &seen, &self.sight.preparation, &self.design);
        let all: Vec<usize> = (0..indices.len()).collect();
        let predicted = predict(&self.network, &data, &all, &self.head, &Device::flex());
        let (input_width, input) = data.described();
        Ok(MemberPrediction {
            aleatoric: None,
            members: predicted.members,
            features: Some(Features {
                width: predicted.width,
                embedding: predicted.embedding,
                input_width,
                input,
            }),
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let description = Description {
            sight: self.sight.clone(),
            model: ModelDescription::Network {
                design: self.design.clone(),
                head: self.head.clone(),
            },
        };
        SavedMember::of_network(&description, &self.network)
    }
}

fn build(
    design: &GraphDesign,
    input: usize,
    head: &HeadKind,
    seed: Seed,
    device: &Device,
) -> Result<PairNetwork, String> {
    let widest = [
        input.saturating_mul(design.width),
        design.width * design.width * design.layers,
    ];
    if widest.iter().any(|count| *count > MOST_PARAMETERS) {
        return Err(format!(
            "a network of width {} on {input} features has more than {MOST_PARAMETERS} parameters",
            design.width
        ));
    }
    let mut stream = seed.stream("weights", &[]);
    Ok(PairNetwork::new(design, input, head, &mut stream, device))
}

fn fit_network(
    design: &GraphDesign,
    assignment: &Assignment,
    memory: u64,
) -> Result<FittedMember, MemberError> {
    let units = PairUnits::to_learn_from(assignment.units)?;
    let (train, validation) = (assignment.train, assignment.validation);
    let sight = Sight::learn(units, assignment.targets, train, design.by_rows)?;
    let seen = units.seen(&sight.learned, sight.origin);
    let (nodes, edges) = (seen.graph.nodes(), seen.graph.edges().len());
    let width = sight.preparation.nodes.width();
    // What a network says of a pair must not depend on which others are asked for, nor on edges far from it.
    let design = &design
        .without_graph_norm()
        .within(memory, nodes, edges, width);
    let recipe = design.recipe_of_pairs(train.len());
    let asked = [train, validation].concat();
    let data = PreparedPairs::new(&units.at(&asked), &seen, &sight.preparation, design);
    let targets = assignment.targets.select(&asked);
    let learnt: Vec<usize> = (0..train.len()).collect();
    let judged: Vec<usize> = (train.len()..asked.len()).collect();
    let head = HeadKind::Softmax {
        classes: 2,
        label_smoothing: design.label_smoothing,
    };
    let truth = assignment.targets.select(validation);
    let loss = |predicted: &Distribution| watched_loss(assignment.metric, predicted, &truth);
    let made = |device: &Device| {
        build(design, width, &head, assignment.seed, device).map_err(MemberError::Design)
    };
    let trained = fit(
        made(&Device::flex().autodiff())?,
        &data,
        &targets,
        &learnt,
        &Validation {
            units: &judged,
            loss: &loss,
        },
        &head,
        &recipe,
        assignment.seed,
        assignment.clock,
    )?;
    let network = trained.network(made(&Device::flex())?)?;
    Ok(trained.member(NetworkMember {
        network,
        design: design.clone(),
        head,
        sight,
    }))
}
