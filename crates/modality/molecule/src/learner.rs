use burn::tensor::Device;
use candor_core::{Seed, Task, UncertaintyMethod};
use candor_design::{Design, DesignError, Space};
use candor_nn::HeadKind;
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, SavedDoubt, SavedMember, ThinnedNetworks, Units, fit_assigned,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::descriptors::DESCRIPTORS;
use crate::design::OF_CLASSES;
use crate::network::parameters;
use crate::{
    AtomFeatures, BodyKind, ClassBalance, Columns, MoleculeDesign, MoleculeNetwork, MoleculeUnits,
    Preparation, PreparedMolecules, Readout, space,
};

/// Trains and reads the models of molecules: networks, and classical baselines on fingerprints and descriptors.
pub struct MoleculeLearner {
    space: Space,
    task: Task,
    features: AtomFeatures,
    /// Baselines are those of tables, on columns made of molecules.
    tables: TableLearner,
}

/// Parameters of a network at most.
const MOST_PARAMETERS: u64 = 1 << 28;
/// Models of tables that see molecules.
const BASELINES: [&str; 4] = ["trivial", "linear", "boosting", "forest"];

impl MoleculeLearner {
    /// With the full design space.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(features: AtomFeatures, task: Task) -> Result<MoleculeLearner, DesignError> {
        Ok(MoleculeLearner {
            space: space(task)?,
            task,
            features,
            tables: TableLearner::new(task)?,
        })
    }
}

impl Learner for MoleculeLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline =
            |name, model: &str| HandMade::baseline(name, Design::new().with("model", model));
        let network =
            |name, design: MoleculeDesign| HandMade::network(name, design_of(&design, self.task));
        let chemprop = MoleculeDesign::default();
        vec![
            baseline("majority or mean", "trivial"),
            baseline("linear on fingerprints and descriptors", "linear"),
            // Early, so that a short search has a network, and with it a test for strange molecules.
            network("directed message passing (D-MPNN)", chemprop.clone()),
            baseline(
                "gradient boosting on fingerprints and descriptors",
                "boosting",
            ),
            network(
                "the same with descriptors",
                MoleculeDesign {
                    descriptors: true,
                    readout: Readout::Mean,
                    ..chemprop.clone()
                },
            ),
            baseline("random forest on fingerprints and descriptors", "forest"),
            network(
                "isomorphism network (GIN) with bonds",
                MoleculeDesign {
                    body: BodyKind::Isomorphism,
                    width: 200,
                    readout: Readout::Mean,
                    dropout: 0.1,
                    ..chemprop.clone()
                },
            ),
            network(
                "MLP on fingerprints and descriptors",
                MoleculeDesign {
                    body: BodyKind::Fingerprint,
                    descriptors: true,
                    dropout: 0.2,
                    ..chemprop.clone()
                },
            ),
            network(
                "messages between atoms, attentive readout",
                MoleculeDesign {
                    body: BodyKind::AtomMessages,
                    readout: Readout::Attentive,
                    ..chemprop
                },
            ),
        ]
    }

    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &UncertaintyMethod::ALL
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let molecules = MoleculeUnits::of_units(assignment.units, self.features)?;
        let model = assignment.design.get("model").and_then(Value::as_str);
        if model.is_some_and(|name| BASELINES.contains(&name)) {
            return self.fit_baseline(molecules, assignment);
        }
        fit_network(molecules, assignment)
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
        let description: Description =
            serde_json::from_value(description.clone()).map_err(malformed)?;
        match description {
            Description::Baseline {
                features,
                columns,
                inner,
            } => {
                columns.check().map_err(MemberError::Malformed)?;
                let inner = self.tables.load(&inner, numbers)?;
                Ok(Box::new(BaselineMember {
                    inner,
                    columns,
                    features,
                }))
            }
            Description::Network {
                design,
                preparation,
                head,
                doubt,
            } => {
                preparation.check().map_err(MemberError::Malformed)?;
                head.check().map_err(MemberError::Malformed)?;
                let plan = Plan::new(design, preparation.features, head);
                let plan = plan.map_err(MemberError::Malformed)?;
                let network = plan.build(Seed(0), &Device::flex());
                Ok(Box::new(NetworkMember {
                    network: DoubtingNetwork::load(network, &doubt, numbers, &plan.head)?,
                    plan,
                    preparation,
                }))
            }
        }
    }
}

/// The design's choices as a value of the space, without those that its body or the task does not have.
fn design_of(design: &MoleculeDesign, task: Task) -> Design {
    let flat = design.body == BodyKind::Fingerprint;
    let Ok(Value::Object(fields)) = serde_json::to_value(design) else {
        return Design::new();
    };
    fields
        .into_iter()
        .filter(|(name, _)| !(flat && matches!(name.as_str(), "depth" | "readout")))
        .filter(|(name, _)| task.is_classification() || !OF_CLASSES.contains(&name.as_str()))
        .fold(Design::new(), |design, (name, value)| {
            design.with(name, value)
        })
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Baseline {
        features: AtomFeatures,
        columns: Columns,
        /// The description of the model of tables.
        inner: Value,
    },
    Network {
        design: MoleculeDesign,
        preparation: Preparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

/// A model of tables on columns made of molecules.
struct BaselineMember {
    inner: Box<dyn Member>,
    columns: Columns,
    features: AtomFeatures,
}

impl Member for BaselineMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let molecules = MoleculeUnits::of_units(units, self.features)?;
        let matrix = self
            .columns
            .matrix(molecules, indices)
            .map_err(|e| MemberError::Training(e.to_string()))?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.inner
            .predict(&TableUnits::units(matrix, all.clone()), &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description::Baseline {
            features: self.features,
            columns: self.columns.clone(),
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

impl MoleculeLearner {
    /// Rows are made of the molecules that the fit asks for: first those to learn from, then those to validate on.
    fn fit_baseline(
        &self,
        molecules: &MoleculeUnits,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        let columns = Columns::fit(molecules, assignment.train);
        let asked = [assignment.train, assignment.validation].concat();
        let matrix = columns
            .matrix(molecules, &asked)
            .map_err(|e| MemberError::Training(e.to_string()))?;
        let learnt = assignment.train.len();
        let fitted = self
            .tables
            .fit_described(matrix, &asked, learnt, assignment)?;
        Ok(FittedMember {
            member: Box::new(BaselineMember {
                inner: fitted.member,
                columns,
                features: self.features,
            }),
            ..fitted
        })
    }
}

/// A design for molecules with a head: all that a network is, but its weights.
struct Plan {
    design: MoleculeDesign,
    features: AtomFeatures,
    head: HeadKind,
    parameters: u64,
}

impl Plan {
    fn new(design: MoleculeDesign, features: AtomFeatures, head: HeadKind) -> Result<Plan, String> {
        design.check()?;
        let parameters = parameters(&design, features.width(), &head);
        if parameters > MOST_PARAMETERS {
            return Err(format!(
                "it has {parameters} parameters, more than {MOST_PARAMETERS}"
            ));
        }
        Ok(Plan {
            design,
            features,
            head,
            parameters,
        })
    }

    fn build(&self, seed: Seed, device: &Device) -> MoleculeNetwork {
        let mut stream = seed.stream("weights", &[]);
        let width = self.features.width();
        MoleculeNetwork::new(&self.design, width, &self.head, &mut stream, device)
    }
}

struct NetworkMember {
    plan: Plan,
    preparation: Preparation,
    network: DoubtingNetwork<MoleculeNetwork>,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        self.plan.parameters
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let molecules = MoleculeUnits::of_units(units, self.preparation.features)?;
        let prepared = PreparedMolecules::new(molecules, &self.preparation);
        let predicted = self.network.predict(&prepared, indices, &self.plan.head);
        Ok(predicted
            .restored(|said| self.preparation.restored(said))
            .described(
                DESCRIPTORS,
                self.preparation.standardised(molecules, indices),
            ))
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

fn fit_network(
    molecules: &MoleculeUnits,
    assignment: &Assignment,
) -> Result<FittedMember, MemberError> {
    let mut design: MoleculeDesign = assignment
        .design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    let method = assignment.uncertainty()?;
    let raised = ThinnedNetworks::raise(method, &mut design.dropout);
    let head = assignment.head(method, design.label_smoothing)?;
    let plan = Plan::new(design, molecules.features(), head).map_err(MemberError::Design)?;
    let balance = ClassBalance::fit(assignment.targets, assignment.train, plan.design.balance);
    let preparation = Preparation {
        class_balance: balance,
        ..Preparation::fit(molecules, assignment.targets, assignment.train)
    };
    let data = PreparedMolecules::new(molecules, &preparation);
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
    let member = NetworkMember {
        plan,
        preparation,
        network,
    };
    Ok(trained.member(member).warned(raised))
}
