use burn::tensor::Device;
use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Seed, Stop, Task, UncertaintyMethod};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, SavedDoubt, SavedMember, ThinnedNetworks, Units, fit_assigned,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bag_of_words::{BagDescription, BagOfWords};
use super::data::TextUnits;
use super::design::{BAG_OF_WORDS, TextBody, TextDesign, Weighting, text_space};
use super::network::{DESCRIPTORS, PreparedTexts, TextNetwork, TextPreparation};

/// Trains and reads the models of texts: networks, linear models on words, and the trivial one.
pub struct TextLearner {
    space: Space,
    task: Task,
    tables: TableLearner,
}

impl TextLearner {
    /// With the full design space.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(task: Task) -> Result<TextLearner, DesignError> {
        Ok(TextLearner {
            space: text_space(task)?,
            task,
            tables: TableLearner::new(task)?,
        })
    }

    /// The trivial model sees nothing.
    fn fit_trivial(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let units = nothing(assignment.units.len())?;
        let fitted = self.tables.fit(&Assignment {
            units: &units,
            ..*assignment
        })?;
        Ok(FittedMember {
            member: Box::new(TrivialMember(fitted.member)),
            ..fitted
        })
    }
}

/// Rows that tell nothing.
fn nothing(rows: usize) -> Result<Units, MemberError> {
    let matrix = Matrix::new(rows, vec![FeatureKind::Numeric], vec![0.0; rows])
        .map_err(|e| MemberError::Training(e.to_string()))?;
    Ok(TableUnits::units(matrix, (0..rows).collect()))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BagChoices {
    weighting: Weighting,
}

impl Learner for TextLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let classes = self.task.is_classification();
        let bag = |name: &'static str, weighting: &str| {
            let design = Design::new().with("model", BAG_OF_WORDS);
            let design = match classes {
                true => design.with("weighting", weighting),
                false => design,
            };
            HandMade::baseline(name, design)
        };
        let network =
            |name, design: TextDesign| HandMade::network(name, design_of(&design, self.task));
        let mut designs = vec![
            HandMade::baseline("majority or mean", Design::new().with("model", "trivial")),
            bag("linear on words and pairs (tf-idf)", "rarity"),
            // Early, so that a short search has a network, and with it a test for strange texts.
            network("mean of word vectors", TextDesign::default()),
            network(
                "filters over words",
                TextDesign {
                    body: TextBody::Filters,
                    dropout: 0.5,
                    learning_rate: 2e-3,
                    ..TextDesign::default()
                },
            ),
        ];
        if classes {
            designs.push(bag(
                "linear on words and pairs (naive Bayes)",
                "naive_bayes",
            ));
        }
        designs
    }

    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &UncertaintyMethod::ALL
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let texts = assignment.units.get::<TextUnits>()?;
        match assignment.design.get("model").and_then(Value::as_str) {
            Some("trivial") => self.fit_trivial(assignment),
            Some(BAG_OF_WORDS) => fit_bag(texts, assignment),
            _ => fit_network(texts, assignment),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
        let description: Description =
            serde_json::from_value(description.clone()).map_err(malformed)?;
        match description {
            Description::Trivial { inner } => {
                Ok(Box::new(TrivialMember(self.tables.load(&inner, numbers)?)))
            }
            Description::Bag(description) => {
                let bag = BagOfWords::load(description, numbers).map_err(MemberError::Malformed)?;
                Ok(Box::new(BagMember(bag)))
            }
            Description::Network {
                design,
                preparation,
                head,
                doubt,
            } => {
                design.check().map_err(MemberError::Malformed)?;
                preparation.check().map_err(MemberError::Malformed)?;
                head.check().map_err(MemberError::Malformed)?;
                let network = build(&design, &preparation, &head, Seed(0), &Device::flex());
                Ok(Box::new(NetworkMember {
                    parameters: Weights::of(&network).count() as u64,
                    network: DoubtingNetwork::load(network, &doubt, numbers, &head)?,
                    design,
                    preparation,
                    head,
                }))
            }
        }
    }
}

fn design_of(design: &TextDesign, task: Task) -> Design {
    let Ok(Value::Object(fields)) = serde_json::to_value(design) else {
        return Design::new();
    };
    let filters = design.body == TextBody::Filters;
    fields
        .into_iter()
        .filter(|(name, _)| filters || name != "filters")
        .filter(|(name, _)| task.is_classification() || name != "label_smoothing")
        .fold(Design::new(), |design, (name, value)| {
            design.with(name, value)
        })
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Trivial {
        /// The description of the model of tables.
        inner: Value,
    },
    Bag(BagDescription),
    Network {
        design: TextDesign,
        preparation: TextPreparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

struct TrivialMember(Box<dyn Member>);

impl Member for TrivialMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.0.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        units.get::<TextUnits>()?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.0.predict(&nothing(indices.len())?, &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.0.save()?;
        let description = Description::Trivial {
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

struct BagMember(BagOfWords);

fn fit_bag(texts: &TextUnits, assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let choices: BagChoices = assignment
        .design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    if choices.weighting == Weighting::NaiveBayes && !assignment.target.task.is_classification() {
        return Err(MemberError::Design("numbers have no naive Bayes".into()));
    }
    let stop = || assignment.clock.stop().is_some();
    let bag = BagOfWords::fit(
        texts,
        choices.weighting,
        assignment.targets,
        assignment.target.width(),
        (assignment.train, assignment.validation),
        &stop,
    );
    let stopped = || {
        let stop = assignment.clock.stop();
        MemberError::Stopped(stop.unwrap_or(Stop::OutOfTime))
    };
    Ok(FittedMember {
        member: Box::new(BagMember(bag.ok_or_else(stopped)??)),
        history: Vec::new(),
        warnings: Vec::new(),
        stopped_early: false,
    })
}

impl Member for BagMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.0.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let texts = units.get::<TextUnits>()?;
        Ok(MemberPrediction {
            aleatoric: None,
            members: vec![self.0.predict(texts, indices)],
            features: None,
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        Ok(SavedMember {
            description: to_json(&Description::Bag(self.0.description()))?,
            extension: "words",
            numbers: self.0.numbers(),
        })
    }
}

struct NetworkMember {
    design: TextDesign,
    preparation: TextPreparation,
    head: HeadKind,
    network: DoubtingNetwork<TextNetwork>,
    parameters: u64,
}

fn build(
    design: &TextDesign,
    preparation: &TextPreparation,
    head: &HeadKind,
    seed: Seed,
    device: &Device,
) -> TextNetwork {
    let mut stream = seed.stream("weights", &[]);
    let known = (preparation.known.len(), preparation.pairs.len());
    TextNetwork::new(design, known, head, &mut stream, device)
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        self.parameters
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let texts = units.get::<TextUnits>()?;
        let prepared = PreparedTexts {
            texts,
            preparation: &self.preparation,
        };
        let predicted = self.network.predict(&prepared, indices, &self.head);
        Ok(predicted
            .restored(|said| self.preparation.restored(said))
            .described(DESCRIPTORS, self.preparation.standardised(texts, indices)))
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

fn fit_network(texts: &TextUnits, assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let mut design: TextDesign = assignment
        .design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    design.check().map_err(MemberError::Design)?;
    let method = assignment.uncertainty()?;
    let raised = ThinnedNetworks::raise(method, &mut design.dropout);
    let head = assignment.head(method, design.label_smoothing)?;
    let preparation = TextPreparation::fit(texts, assignment.targets, assignment.train);
    let data = PreparedTexts {
        texts,
        preparation: &preparation,
    };
    let (network, trained) = fit_assigned(
        assignment,
        |device| Ok(build(&design, &preparation, &head, assignment.seed, device)),
        &data,
        &preparation.target_scale,
        |said| preparation.restored(said),
        &head,
        method,
        &design.recipe(assignment.train.len()),
    )?;
    let parameters = trained.weights.count() as u64;
    let member = NetworkMember {
        parameters,
        network,
        design,
        preparation,
        head,
    };
    Ok(trained.member(member).warned(raised))
}
