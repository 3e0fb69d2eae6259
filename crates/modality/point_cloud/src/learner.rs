use burn::tensor::Device;
use candor_core::{Seed, Task, UncertaintyMethod};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, NetworkPrediction, SavedDoubt, SavedMember, ThinnedNetworks, Units,
    fit_assigned,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::columns::matrix;
use crate::intrinsic::DESCRIPTORS;
use crate::nearest_shape::NearestShape;
use crate::{
    BodyKind, CloudDesign, CloudNetwork, CloudUnits, Preparation, PreparedClouds, Rotation, Seen,
    space,
};

/// Trains and reads the models of shapes: networks, and classical baselines on descriptors.
pub struct CloudLearner {
    space: Space,
    task: Task,
    /// Baselines are those of tables, on descriptors.
    tables: TableLearner,
}

/// Models of tables that see descriptors.
const BASELINES: [&str; 5] = ["trivial", "linear", "boosting", "forest", "extra_trees"];
/// The most alike shape.
const NEAREST: &str = "nearest";

impl CloudLearner {
    /// With the full design space.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(task: Task) -> Result<CloudLearner, DesignError> {
        Ok(CloudLearner {
            space: space(task)?,
            task,
            tables: TableLearner::new(task)?,
        })
    }
}

impl Learner for CloudLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline =
            |name, model: &str| HandMade::baseline(name, Design::new().with("model", model));
        let network =
            |name, design: CloudDesign| HandMade::network(name, design.as_choices(self.task, &[]));
        let edges = CloudDesign::default();
        let alone = CloudDesign {
            body: BodyKind::PointNet,
            seen: Seen::Intrinsic,
            ..edges.clone()
        };
        let mut designs = vec![
            baseline("majority or mean", "trivial"),
            baseline("linear on descriptors", "linear"),
            // Early, so that a short search has a network, and with it a test for strange shapes.
            network(
                "points by what turning does not change (PointNet)",
                alone.clone(),
            ),
            baseline("extremely randomised trees on descriptors", "extra_trees"),
        ];
        if matches!(self.task, Task::Binary | Task::Multiclass) {
            designs.push(baseline("the most alike shape", NEAREST));
        }
        designs.extend([
            network(
                "edge convolutions by what turning does not change",
                CloudDesign {
                    seen: Seen::Intrinsic,
                    ..edges.clone()
                },
            ),
            network(
                "edge convolutions on shapes turned at random",
                edges.clone(),
            ),
            network(
                "edge convolutions (DGCNN) on coordinates as they stand",
                CloudDesign {
                    seen: Seen::Coordinates,
                    descriptors: false,
                    dynamic: true,
                    rotation: Rotation::Fixed,
                    points: 256,
                    ..edges.clone()
                },
            ),
            baseline("gradient boosting on descriptors", "boosting"),
            network(
                "PointNet with a learned turn",
                CloudDesign {
                    seen: Seen::Both,
                    transform: true,
                    ..alone
                },
            ),
            network(
                "set abstraction (PointNet++)",
                CloudDesign {
                    body: BodyKind::SetAbstraction,
                    points: 256,
                    neighbours: 16,
                    ..edges.clone()
                },
            ),
            network(
                "residual layers (PointMLP)",
                CloudDesign {
                    body: BodyKind::PointMlp,
                    points: 256,
                    ..edges
                },
            ),
        ]);
        designs
    }

    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &UncertaintyMethod::ALL
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let clouds = CloudUnits::of(assignment.units)?;
        match assignment.design.get("model").and_then(Value::as_str) {
            Some(name) if BASELINES.contains(&name) => self.fit_baseline(clouds, assignment),
            Some(NEAREST) => {
                let (targets, train) = (assignment.targets, assignment.train);
                let classes = assignment.target.width();
                Ok(FittedMember {
                    member: Box::new(NearestShape::fit(clouds, targets, train, classes)?),
                    history: Vec::new(),
                    warnings: Vec::new(),
                    stopped_early: false,
                })
            }
            _ => fit_network(clouds, assignment),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
        let description: Description =
            serde_json::from_value(description.clone()).map_err(malformed)?;
        match description {
            Description::Baseline { inner } => Ok(Box::new(BaselineMember {
                inner: self.tables.load(&inner, numbers)?,
            })),
            Description::Nearest { inner } => Ok(Box::new(NearestShape::load(&inner, numbers)?)),
            Description::Network {
                design,
                preparation,
                head,
                doubt,
            } => {
                preparation.check().map_err(MemberError::Malformed)?;
                head.check().map_err(MemberError::Malformed)?;
                design.check().map_err(MemberError::Malformed)?;
                let plan = Plan { design, head };
                let network = plan.build(Seed(0), &Device::flex());
                let network = DoubtingNetwork::load(network, &doubt, numbers, &plan.head)?;
                Ok(Box::new(NetworkMember::new(plan, preparation, network)))
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Baseline {
        /// The description of the model of tables.
        inner: Value,
    },
    Nearest {
        inner: Value,
    },
    Network {
        design: CloudDesign,
        preparation: Preparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

/// A model of tables on descriptors of shapes.
struct BaselineMember {
    inner: Box<dyn Member>,
}

impl Member for BaselineMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let matrix = matrix(CloudUnits::of(units)?, indices)
            .map_err(|e| MemberError::Training(e.to_string()))?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.inner
            .predict(&TableUnits::units(matrix, all.clone()), &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description::Baseline {
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

impl CloudLearner {
    /// Rows are made of the shapes that the fit asks for: first those to learn from, then those to validate on.
    fn fit_baseline(
        &self,
        clouds: &CloudUnits,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        let asked = [assignment.train, assignment.validation].concat();
        let matrix = matrix(clouds, &asked).map_err(|e| MemberError::Training(e.to_string()))?;
        let learnt = assignment.train.len();
        let fitted = self
            .tables
            .fit_described(matrix, &asked, learnt, assignment)?;
        Ok(FittedMember {
            member: Box::new(BaselineMember {
                inner: fitted.member,
            }),
            ..fitted
        })
    }
}

/// A design for shapes with a head: all that a network is, but its weights.
struct Plan {
    design: CloudDesign,
    head: HeadKind,
}

impl Plan {
    fn build(&self, seed: Seed, device: &Device) -> CloudNetwork {
        let mut stream = seed.stream("weights", &[]);
        CloudNetwork::new(&self.design, &self.head, &mut stream, device)
    }
}

struct NetworkMember {
    plan: Plan,
    preparation: Preparation,
    network: DoubtingNetwork<CloudNetwork>,
    parameters: u64,
}

impl NetworkMember {
    fn new(
        plan: Plan,
        preparation: Preparation,
        network: DoubtingNetwork<CloudNetwork>,
    ) -> NetworkMember {
        NetworkMember {
            plan,
            preparation,
            parameters: Weights::of(&network.network).count() as u64,
            network,
        }
    }
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        self.parameters
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let clouds = CloudUnits::of(units)?;
        let design = &self.plan.design;
        let look = |vote: usize| {
            let prepared = PreparedClouds::new(clouds, &self.preparation, design).voting(vote);
            self.network.predict(&prepared, indices, &self.plan.head)
        };
        let mean = NetworkPrediction::mean((0..design.votes.max(1)).map(look))
            .map_err(|e| MemberError::Training(e.to_string()))?;
        Ok(mean
            .restored(|said| self.preparation.target_scale.unscale(said))
            .described(DESCRIPTORS, self.preparation.standardised(clouds, indices)))
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let (weights, doubt) = self.network.save();
        let description = Description::Network {
            design: self.plan.design.clone(),
            preparation: self.preparation.clone(),
            head: self.plan.head.clone(),
            doubt,
        };
        SavedMember::of_weights(&description, &weights)
    }
}

fn fit_network(clouds: &CloudUnits, assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let mut design: CloudDesign = assignment
        .design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    design.check().map_err(MemberError::Design)?;
    let method = assignment.uncertainty()?;
    let raised = ThinnedNetworks::raise(method, &mut design.dropout);
    let head = assignment.head(method, design.label_smoothing)?;
    let plan = Plan { design, head };
    let preparation = Preparation::fit(clouds, assignment.targets, assignment.train);
    let data = PreparedClouds::new(clouds, &preparation, &plan.design);
    let (network, trained) = fit_assigned(
        assignment,
        |device| Ok(plan.build(assignment.seed, device)),
        &data,
        &preparation.target_scale,
        |said| preparation.target_scale.unscale(said),
        &plan.head,
        method,
        &plan.design.recipe(assignment.train.len()),
    )?;
    let member = NetworkMember::new(plan, preparation, network);
    Ok(trained.member(member).warned(raised))
}
