use burn::tensor::Device;
use candor_core::{Seed, Task, UncertaintyMethod};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, SavedDoubt, SavedMember, ThinnedNetworks, Units, fit_assigned,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::descriptors::{descriptor_matrix, descriptor_width};
use crate::design::{
    BodyKind, KernelDesign, OF_CLASSES, RANDOM_KERNELS, SequenceDesign, WITH_KERNEL,
};
use crate::kernel_member::{KernelDescription, KernelMember};
use crate::network::parameters;
use crate::{Preparation, PreparedSequences, SequenceNetwork, SequenceUnits, SeriesSet, space};

/// Trains and reads the models of series: networks, random kernels, and classical baselines on descriptors.
pub struct SequenceLearner {
    space: Space,
    task: Task,
    channels: usize,
    /// Baselines are those of tables, on descriptors.
    tables: TableLearner,
}

/// Parameters of a network at most.
const MOST_PARAMETERS: u64 = 1 << 28;
/// Models of tables that see descriptors.
const BASELINES: [&str; 4] = ["trivial", "linear", "boosting", "forest"];

impl SequenceLearner {
    /// With the full design space, for series of so many channels.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(channels: usize, task: Task) -> Result<SequenceLearner, DesignError> {
        Ok(SequenceLearner {
            space: space(task)?,
            task,
            channels,
            tables: TableLearner::new(task)?,
        })
    }
}

impl Learner for SequenceLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline =
            |name, model: &str| HandMade::baseline(name, Design::new().with("model", model));
        let kernels = |name: &'static str, kernels: &str, features: usize, scaling: &str| {
            let design = Design::new()
                .with("model", RANDOM_KERNELS)
                .with("kernels", kernels)
                .with("features", features)
                .with("scaling", scaling);
            HandMade::baseline(name, design)
        };
        let network =
            |name, design: SequenceDesign| HandMade::network(name, design_of(&design, self.task));
        let inception = SequenceDesign::default();
        vec![
            baseline("majority or mean", "trivial"),
            kernels(
                "random kernels (MiniRocket)",
                "minirocket",
                10_000,
                "training",
            ),
            // Early, so that a short search has a network, and with it a test for strange series.
            network("inception network, small", inception.clone()),
            baseline("linear on descriptors", "linear"),
            baseline("random forest on descriptors", "forest"),
            kernels(
                "random kernels (MultiRocket)",
                "multirocket",
                20_000,
                "training",
            ),
            kernels("random kernels (ROCKET)", "rocket", 10_000, "series"),
            kernels(
                "random kernels (MultiRocket), shapes alone",
                "multirocket",
                20_000,
                "series",
            ),
            network(
                "inception network (InceptionTime)",
                SequenceDesign {
                    width: 32,
                    depth: 6,
                    ..inception.clone()
                },
            ),
            network(
                "gated recurrent units",
                SequenceDesign {
                    body: BodyKind::Gru,
                    width: 64,
                    depth: 1,
                    learning_rate: 3e-3,
                    ..inception.clone()
                },
            ),
            network(
                "causal convolutions (TCN)",
                SequenceDesign {
                    body: BodyKind::CausalConvolutions,
                    width: 32,
                    depth: 5,
                    kernel: 5,
                    dropout: 0.1,
                    ..inception.clone()
                },
            ),
            baseline("gradient boosting on descriptors", "boosting"),
            network(
                "transformer on patches",
                SequenceDesign {
                    body: BodyKind::Patches,
                    width: 64,
                    depth: 3,
                    dropout: 0.1,
                    jitter: true,
                    learning_rate: 1e-3,
                    ..inception.clone()
                },
            ),
            network(
                "inception network on changed series",
                SequenceDesign {
                    jitter: true,
                    ..inception
                },
            ),
        ]
    }

    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &UncertaintyMethod::ALL
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let series = SequenceUnits::of_units(assignment.units, self.channels)?;
        match assignment.design.get("model").and_then(Value::as_str) {
            Some(name) if BASELINES.contains(&name) => self.fit_baseline(series, assignment),
            Some(RANDOM_KERNELS) => {
                let design: KernelDesign = assignment
                    .design
                    .decode()
                    .map_err(|e| MemberError::Design(e.to_string()))?;
                let member = KernelMember::fit(series, &design, assignment)?;
                Ok(FittedMember {
                    member: Box::new(Kernels(member)),
                    history: Vec::new(),
                    warnings: Vec::new(),
                    stopped_early: false,
                })
            }
            _ => fit_network(series, assignment),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
        let description: Description =
            serde_json::from_value(description.clone()).map_err(malformed)?;
        match description {
            Description::Baseline { channels, inner } => Ok(Box::new(BaselineMember {
                inner: self.tables.load(&inner, numbers)?,
                channels,
            })),
            Description::Kernels(description) => {
                let member = KernelMember::load(description, numbers);
                Ok(Box::new(Kernels(member.map_err(MemberError::Malformed)?)))
            }
            Description::Network {
                design,
                preparation,
                head,
                doubt,
            } => {
                preparation.check().map_err(MemberError::Malformed)?;
                head.check().map_err(MemberError::Malformed)?;
                let plan = Plan::new(design, &preparation, head).map_err(MemberError::Malformed)?;
                let network = plan.build(Seed(0), &Device::flex());
                Ok(Box::new(NetworkMember {
                    parameters: Weights::of(&network).count() as u64,
                    network: DoubtingNetwork::load(network, &doubt, numbers, &plan.head)?,
                    plan,
                    preparation,
                }))
            }
        }
    }
}

/// The design's choices as a value of the space, without those that its body or the task does not have.
fn design_of(design: &SequenceDesign, task: Task) -> Design {
    let Ok(Value::Object(fields)) = serde_json::to_value(design) else {
        return Design::new();
    };
    let model = fields
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let filtered = WITH_KERNEL.contains(&model);
    fields
        .iter()
        .filter(|(name, _)| filtered || *name != "kernel")
        .filter(|(name, _)| task.is_classification() || !OF_CLASSES.contains(&name.as_str()))
        .fold(Design::new(), |design, (name, value)| {
            design.with(name, value.clone())
        })
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Baseline {
        channels: usize,
        /// The description of the model of tables.
        inner: Value,
    },
    Kernels(KernelDescription),
    Network {
        design: SequenceDesign,
        preparation: Preparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

/// A model of tables on descriptors.
struct BaselineMember {
    inner: Box<dyn Member>,
    channels: usize,
}

impl Member for BaselineMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let series = SequenceUnits::of_units(units, self.channels)?;
        let matrix =
            descriptor_matrix(series, indices).map_err(|e| MemberError::Training(e.to_string()))?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.inner
            .predict(&TableUnits::units(matrix, all.clone()), &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description::Baseline {
            channels: self.channels,
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

impl SequenceLearner {
    /// Rows are made of the series that the fit asks for: first those to learn from, then those to validate on.
    fn fit_baseline(
        &self,
        series: &SeriesSet,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        let asked = [assignment.train, assignment.validation].concat();
        let matrix =
            descriptor_matrix(series, &asked).map_err(|e| MemberError::Training(e.to_string()))?;
        let learnt = assignment.train.len();
        let fitted = self
            .tables
            .fit_described(matrix, &asked, learnt, assignment)?;
        Ok(FittedMember {
            member: Box::new(BaselineMember {
                inner: fitted.member,
                channels: self.channels,
            }),
            ..fitted
        })
    }
}

/// Random kernels as a member.
struct Kernels(KernelMember);

impl Member for Kernels {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.0.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let series = SequenceUnits::of_units(units, self.0.channels())?;
        Ok(MemberPrediction {
            aleatoric: None,
            members: vec![self.0.predict(series, indices)],
            features: None,
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        Ok(SavedMember {
            description: to_json(&Description::Kernels(self.0.description()))?,
            extension: "kernels",
            numbers: self.0.numbers(),
        })
    }
}

/// A design for series with a head: all that a network is, but its weights.
struct Plan {
    design: SequenceDesign,
    seen: (usize, usize),
    head: HeadKind,
}

impl Plan {
    fn new(
        design: SequenceDesign,
        preparation: &Preparation,
        head: HeadKind,
    ) -> Result<Plan, String> {
        design.check()?;
        let seen = (preparation.channels(), preparation.length);
        let parameters = parameters(&design, seen, &head);
        if parameters > MOST_PARAMETERS {
            return Err(format!(
                "it has {parameters} parameters, more than {MOST_PARAMETERS}"
            ));
        }
        Ok(Plan { design, seen, head })
    }

    fn build(&self, seed: Seed, device: &Device) -> SequenceNetwork {
        let mut stream = seed.stream("weights", &[]);
        SequenceNetwork::new(&self.design, self.seen, &self.head, &mut stream, device)
    }
}

struct NetworkMember {
    plan: Plan,
    preparation: Preparation,
    network: DoubtingNetwork<SequenceNetwork>,
    parameters: u64,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        self.parameters
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let channels = self.preparation.scaler.channels.len();
        let series = SequenceUnits::of_units(units, channels)?;
        let prepared = PreparedSequences::new(series, &self.preparation, false);
        let predicted = self.network.predict(&prepared, indices, &self.plan.head);
        let input = self.preparation.standardised(series, indices);
        Ok(predicted
            .restored(|said| self.preparation.restored(said))
            .described(descriptor_width(channels), input))
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

fn fit_network(series: &SeriesSet, assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let mut design: SequenceDesign = assignment
        .design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    let method = assignment.uncertainty()?;
    let raised = ThinnedNetworks::raise(method, &mut design.dropout);
    let head = assignment.head(method, design.label_smoothing)?;
    let preparation =
        Preparation::fit(series, assignment.targets, assignment.train, design.scaling);
    let plan = Plan::new(design, &preparation, head).map_err(MemberError::Design)?;
    let data = PreparedSequences::new(series, &preparation, plan.design.jitter);
    let (network, trained) = fit_assigned(
        assignment,
        |device| Ok(plan.build(assignment.seed, device)),
        &data,
        &preparation.target_scale,
        |said| preparation.restored(said),
        &plan.head,
        method,
        &plan.design.recipe(assignment.train.len()),
    )?;
    let parameters = trained.weights.count() as u64;
    let member = NetworkMember {
        parameters,
        plan,
        preparation,
        network,
    };
    Ok(trained.member(member).warned(raised))
}
