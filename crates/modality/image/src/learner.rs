use std::collections::BTreeMap;

use burn::tensor::Device;
use candor_core::{Metric, Seed, Targets, Task, UncertaintyMethod};
use candor_data::{ImageSize, Images};
use candor_design::{Design, DesignError, Space};
use candor_nn::HeadKind;
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, NetworkPrediction, Recipe, SavedDoubt, SavedMember, Units, fit_assigned,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::augmentation::mirrored;
use crate::{
    Augmentation, Counts, Descriptor, Graph, ImageDesign, ImageNetwork, ImageUnits, Preparation,
    PreparedImages, space,
};

/// Trains and reads the models of pictures: networks, and classical baselines on simple descriptors.
pub struct ImageLearner {
    space: Space,
    size: ImageSize,
    /// Baselines are those of tables, on descriptors.
    tables: TableLearner,
}

/// Bytes of results that a network holds at a time when it predicts.
const PREDICTION_BYTES: u64 = 32 << 20;
/// Bytes of results that a training step holds, as long as its batch has more than [`LEAST_BATCH`] pictures.
const TRAINING_BYTES: u64 = 512 << 20;
/// Fewer pictures make poor moments.
const LEAST_BATCH: u64 = 8;
/// Bytes of results of one picture's training step at most: 2 GiB at eight pictures.
const MOST_BYTES: u64 = 256 << 20;
/// Held-out pictures that are looked at in a mirror, at most.
const MIRRORED: usize = 2000;
/// Share of what a network knows beyond chance that it must still know of mirrored pictures, of which it saw none, for both to show the
/// same. Measured after a minute: 0.73 on clothes, many of them shoes that all point to the left; 0.37 on handwritten digits.
const STILL_KNOWN: f64 = 0.6;
/// Parameters of a network at most.
const MOST_PARAMETERS: u64 = 1 << 28;

impl ImageLearner {
    /// With the full design space for pictures of a size.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(size: ImageSize, task: Task) -> Result<ImageLearner, DesignError> {
        Ok(ImageLearner {
            space: space(size)?,
            size,
            tables: TableLearner::new(task)?,
        })
    }

    /// The same with a search among networks of at most so many multiply-adds a picture: what is larger could not be trained in the time
    /// that there is. Designs by human hand stay.
    pub fn within(self, most: u64) -> ImageLearner {
        let size = self.size;
        let affordable = move |design: &Design| {
            // The head hardly counts.
            ImageDesign::read(design)
                .is_ok_and(|read| Counts::of(&read.body.graph(size), 1).multiply_adds <= most)
        };
        let words = format!("at most {most} multiply-adds a picture");
        ImageLearner {
            space: self.space.with_rule(words, affordable),
            ..self
        }
    }
}

/// What a baseline sees, if the design is one.
fn descriptor_of(design: &Design) -> Option<Descriptor> {
    match design.get("model").and_then(Value::as_str) {
        Some("trivial" | "linear") => Some(Descriptor::Pixels),
        Some("boosting") => Some(Descriptor::PixelsAndGradients),
        _ => None,
    }
}

impl Learner for ImageLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline = |name, model: &str| HandMade {
            in_full: model != "boosting",
            ..HandMade::baseline(name, Design::new().with("model", model))
        };
        let network = |name: &'static str, model: &str, width: usize| {
            let scaled = Design::new().with("model", model).with("width", width);
            let body = match model {
                "fast_residual" => scaled,
                "mobilenet" => scaled.with("depth", 2).with("expansion", 4),
                "convnext" => scaled.with("depth", 2).with("kernel", 5),
                _ => scaled.with("depth", 2),
            };
            let mut design = body
                // Few passes are worth more on pictures as they are.
                .with("crop", model != "fast_residual")
                .with("flip", false)
                .with("cutout", false);
            if self.size.channels == 3 {
                design = design.with("colour", false);
            }
            let design = design
                .with("optimizer", "muon")
                .with("learning_rate", 1e-2)
                .with("weight_decay", 0.05)
                .with("label_smoothing", 0.0);
            HandMade::network(name, design)
        };
        let fast = network("small fast residual network", "fast_residual", 24);
        let mirrored = fast.design.clone().with("flip", true);
        let mirrored = HandMade::network("the same, mirrored at random", mirrored);
        vec![
            baseline("majority or mean", "trivial"),
            baseline("linear on small pictures", "linear"),
            // Early, so that a short search has a network, and with it a test for strange pictures.
            fast,
            baseline("gradient boosting on pixels and gradients", "boosting"),
            mirrored,
            network("residual network (ResNet)", "resnet", 16),
            network("inverted residuals (MobileNet)", "mobilenet", 16),
            network("large depthwise kernels (ConvNeXt)", "convnext", 24),
        ]
    }

    /// With mirrored pictures, if what was trained without any still knows most of them: then they show what the others show, and a long
    /// training has twice as much to learn from.
    fn for_long(
        &self,
        design: &Design,
        trained: &dyn Member,
        units: &Units,
        held_out: &[usize],
        targets: &Targets,
    ) -> Result<Design, MemberError> {
        let read = ImageDesign::read(design).map_err(MemberError::Design)?;
        if read.augmentation.flip || !matches!(targets, Targets::Classes(_)) {
            return Ok(design.clone());
        }
        let looked_at: Vec<usize> = held_out
            .iter()
            .step_by(held_out.len().div_ceil(MIRRORED).max(1))
            .copied()
            .collect();
        let truth = targets.select(&looked_at);
        let right = |said: MemberPrediction| -> Result<f64, MemberError> {
            let failed = |e: &dyn std::fmt::Display| MemberError::Training(e.to_string());
            let said = said.mixture().map_err(|e| failed(&e))?;
            Metric::Accuracy
                .score(&said, &truth)
                .map_err(|e| failed(&e))
        };
        let mirrored = mirrored(ImageUnits::of(units, self.size)?, &looked_at);
        let all: Vec<usize> = (0..looked_at.len()).collect();
        let plain = right(trained.predict(units, &looked_at)?)?;
        let turned = right(trained.predict(&ImageUnits::units(mirrored), &all)?)?;
        let chance = greatest_share(&truth);
        let shows_the_same = plain > chance && turned - chance >= STILL_KNOWN * (plain - chance);
        Ok(if shows_the_same {
            design.clone().with("flip", true)
        } else {
            design.clone()
        })
    }

    /// No body for pictures drops features, so that none can be thinned.
    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &[
            UncertaintyMethod::Ensemble,
            UncertaintyMethod::Laplace,
            UncertaintyMethod::Evidential,
            UncertaintyMethod::Snapshots,
        ]
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let images = ImageUnits::of(assignment.units, self.size)?;
        match descriptor_of(assignment.design) {
            Some(descriptor) => self.fit_baseline(descriptor, images, assignment),
            None => fit_network(images, assignment),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
        let description: Description =
            serde_json::from_value(description.clone()).map_err(malformed)?;
        match description {
            Description::Baseline {
                descriptor,
                size,
                inner,
            } => {
                let inner = self.tables.load(&inner, numbers)?;
                Ok(Box::new(BaselineMember {
                    inner,
                    descriptor,
                    size,
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
                let plan =
                    Plan::new(&design, preparation.size, head).map_err(MemberError::Malformed)?;
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

#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Baseline {
        descriptor: Descriptor,
        size: ImageSize,
        /// The description of the model of tables.
        inner: Value,
    },
    Network {
        design: Design,
        preparation: Preparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

/// A model of tables on descriptors of pictures.
struct BaselineMember {
    inner: Box<dyn Member>,
    descriptor: Descriptor,
    size: ImageSize,
}

impl Member for BaselineMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let images = ImageUnits::of(units, self.size)?;
        let units = described(self.descriptor, images, indices)?;
        let all: Vec<usize> = (0..indices.len()).collect();
        self.inner.predict(&units, &all)
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description::Baseline {
            descriptor: self.descriptor,
            size: self.size,
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: to_json(&description)?,
            ..saved
        })
    }
}

/// Descriptors of some pictures, as rows of a table.
fn described(
    descriptor: Descriptor,
    images: &Images,
    indices: &[usize],
) -> Result<Units, MemberError> {
    let matrix = descriptor
        .matrix(images, indices)
        .map_err(|e| MemberError::Training(e.to_string()))?;
    Ok(TableUnits::units(matrix, (0..indices.len()).collect()))
}

impl ImageLearner {
    /// Only the pictures that the fit asks for are described: first those to learn from, then those to validate on.
    fn fit_baseline(
        &self,
        descriptor: Descriptor,
        images: &Images,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        let asked = [assignment.train, assignment.validation].concat();
        let matrix = descriptor
            .matrix(images, &asked)
            .map_err(|e| MemberError::Training(e.to_string()))?;
        let learnt = assignment.train.len();
        let fitted = self
            .tables
            .fit_described(matrix, &asked, learnt, assignment)?;
        Ok(FittedMember {
            member: Box::new(BaselineMember {
                inner: fitted.member,
                descriptor,
                size: self.size,
            }),
            ..fitted
        })
    }
}

/// The share of the most frequent class.
fn greatest_share(truth: &Targets) -> f64 {
    let Targets::Classes(classes) = truth else {
        return 1.0;
    };
    let mut counts = BTreeMap::new();
    classes
        .iter()
        .for_each(|class| *counts.entry(class).or_insert(0) += 1);
    let greatest = counts.into_values().max().unwrap_or(0);
    f64::from(greatest) / classes.len().max(1) as f64
}

/// A design for pictures of a size with a head: all that a network is, but its weights.
struct Plan {
    design: Design,
    read: ImageDesign,
    graph: Graph,
    counts: Counts,
    head: HeadKind,
}

impl Plan {
    fn new(design: &Design, size: ImageSize, head: HeadKind) -> Result<Plan, String> {
        let read = ImageDesign::read(design)?;
        let graph = read.body.graph(size);
        let counts = Counts::of(&graph, head.outputs());
        if counts.parameters > MOST_PARAMETERS || counts.activation_bytes > MOST_BYTES {
            return Err(format!(
                "it has {} parameters and holds {} bytes for a picture of {size}, more than {MOST_PARAMETERS} and {MOST_BYTES}",
                counts.parameters, counts.activation_bytes
            ));
        }
        Ok(Plan {
            design: design.clone(),
            read,
            graph,
            counts,
            head,
        })
    }

    fn build(&self, seed: Seed, device: &Device) -> ImageNetwork {
        let mut stream = seed.stream("weights", &[]);
        ImageNetwork::new(&self.graph, &self.head, &mut stream, device)
    }

    fn recipe(&self, pictures: usize) -> Recipe {
        let recipe = self.read.recipe(pictures);
        let fits = (TRAINING_BYTES / self.counts.activation_bytes.max(1)).max(LEAST_BATCH);
        Recipe {
            batch_size: recipe.batch_size.min(fits as usize),
            ..recipe
        }
    }

    fn units_at_once(&self) -> usize {
        (PREDICTION_BYTES / self.counts.activation_bytes.max(1)).clamp(8, 512) as usize
    }
}

struct NetworkMember {
    plan: Plan,
    preparation: Preparation,
    network: DoubtingNetwork<ImageNetwork>,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        self.plan.counts.parameters
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let images = ImageUnits::of(units, self.preparation.size)?;
        let prepared = || {
            PreparedImages::new(
                images,
                &self.preparation,
                Augmentation::NONE,
                self.plan.units_at_once(),
            )
        };
        let said = |pictures: PreparedImages| {
            let head = &self.plan.head;
            self.network.predict(&pictures, indices, head)
        };
        // It has learned that a mirrored picture shows the same, so that both may be asked.
        let mirrored = self.plan.read.augmentation.flip;
        let looks = [false, true].into_iter().take(1 + usize::from(mirrored));
        let looks = looks.map(|mirrored| match mirrored {
            true => said(prepared().mirrored()),
            false => said(prepared()),
        });
        let mean =
            NetworkPrediction::mean(looks).map_err(|e| MemberError::Training(e.to_string()))?;
        let scale = &self.preparation.target_scale;
        let (input_width, input) = self.preparation.small(images, indices);
        Ok(mean
            .restored(|said| scale.unscale(said))
            .described(input_width, input))
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

fn fit_network(images: &Images, assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let read = ImageDesign::read(assignment.design).map_err(MemberError::Design)?;
    let method = assignment.uncertainty()?;
    let head = assignment.head(method, read.label_smoothing)?;
    let plan = Plan::new(assignment.design, images.size(), head).map_err(MemberError::Design)?;
    let preparation = Preparation::fit(images, assignment.targets, assignment.train);
    let augmentation = plan.read.augmentation;
    let data = PreparedImages::new(images, &preparation, augmentation, plan.units_at_once());
    let (network, trained) = fit_assigned(
        assignment,
        |device| Ok(plan.build(assignment.seed, device)),
        &data,
        &preparation.target_scale,
        |said| preparation.target_scale.unscale(said),
        &plan.head,
        method,
        &plan.recipe(assignment.train.len()),
    )?;
    Ok(trained.member(NetworkMember {
        plan,
        preparation,
        network,
    }))
}
