use burn::tensor::Device;
use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Distribution, Seed, Targets, Task};
use candor_design::{Choice, Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_table::{TableLearner, TableUnits};
use candor_train::{
    Assignment, Features, FittedMember, HandMade, Learner, Member, MemberError, MemberPrediction,
    NetworkPrediction, Recipe, SavedMember, Units, Validation, fit, predict, watched_loss,
};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prepare::input_width;
use super::{PointPreparation, PointUnits, PreparedPoints, SegmentNetwork};
use crate::design::{OF_CLASSES, of_body};
use crate::{BodyKind, CloudDesign, Rotation, Seen};

/// Trains and reads the models of points: networks, and classical baselines on what the surroundings of a point are like.
pub struct PointLearner {
    space: Space,
    task: Task,
    /// Baselines are those of tables.
    tables: TableLearner,
    /// Where the points of each scan begin, and the number of all.
    starts: Vec<usize>,
}

/// Models of tables that see surroundings.
const BASELINES: [&str; 5] = ["trivial", "linear", "boosting", "forest", "extra_trees"];
/// Points that a model of tables learns from at most, drawn at random.
const MOST_ROWS: usize = 60_000;
/// Scans that early stopping looks at, at equal steps.
const WATCHED: usize = 48;
/// Scans that are predicted before their answers are picked out, about.
const SCANS_AT_ONCE: usize = 64;

impl PointLearner {
    /// With the full design space, for points that come scan by scan: `starts` is where each begins, and the number of all.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(task: Task, starts: &[usize]) -> Result<PointLearner, DesignError> {
        Ok(PointLearner {
            space: segment_space(task)?,
            task,
            tables: TableLearner::new(task)?,
            starts: starts.to_vec(),
        })
    }
}

/// Bodies that see single points.
const BODIES: [&str; 3] = ["edge_convolutions", "point_net", "set_abstraction"];

/// The designs that a search for points may try.
///
/// # Errors
/// Never for the fixed choices below.
pub fn segment_space(task: Task) -> Result<Space, DesignError> {
    let when = |choice: Choice, name: &str| {
        let bodies = of_body(name).unwrap_or_default().iter().copied();
        choice.when("model", bodies.filter(|body| BODIES.contains(body)))
    };
    let flags = || [false, true];
    let mut choices = vec![
        Choice::categorical("model", BODIES),
        Choice::categorical("width", [16, 24, 32, 48, 64]),
        when(Choice::integers("depth", 2, 4), "depth"),
        when(
            Choice::categorical("neighbours", [8, 12, 16, 24]),
            "neighbours",
        ),
        when(Choice::categorical("dynamic", flags()), "dynamic"),
        Choice::categorical("points", [256, 512, 1024]),
        Choice::categorical("seen", ["both", "intrinsic", "coordinates"]),
        Choice::categorical("dropout", [0.0, 0.1, 0.3]),
        Choice::categorical("rotation", ["any", "upright", "fixed"]),
        Choice::categorical("jitter", [0.0, 0.005, 0.01]),
        Choice::categorical("stretch", [0.0, 0.1, 0.3]),
        Choice::categorical("drop", [0.0, 0.3, 0.6]),
        Choice::categorical("votes", [1, 2]),
        Choice::log_reals("learning_rate", 5e-4, 8e-3),
        Choice::log_reals("weight_decay", 1e-3, 0.3),
    ];
    if task.is_classification() {
        choices.push(Choice::categorical(OF_CLASSES[0], [0.0, 0.1]));
    }
    Space::new(choices)
}

/// Choices of shapes that networks for points do not have.
const OF_SHAPES: [&str; 2] = ["descriptors", "transform"];

/// How a design is trained on so many scans.
fn recipe(design: &CloudDesign, scans: usize) -> Recipe {
    let batch_size = (scans / 16).next_power_of_two().clamp(2, 8);
    let steps_per_epoch = scans.div_ceil(batch_size).max(1);
    Recipe {
        batch_size,
        epochs: (1500 / steps_per_epoch).clamp(8, 160),
        ..design.recipe(scans)
    }
}

impl Learner for PointLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline =
            |name, model: &str| HandMade::baseline(name, Design::new().with("model", model));
        let network = |name, design: CloudDesign| {
            HandMade::network(name, design.as_choices(self.task, &OF_SHAPES))
        };
        let edges = CloudDesign {
            points: 512,
            descriptors: false,
            dropout: 0.1,
            rotation: Rotation::Upright,
            jitter: 0.005,
            drop: 0.3,
            votes: 1,
            learning_rate: 4e-3,
            label_smoothing: 0.0,
            ..CloudDesign::default()
        };
        vec![
            baseline("majority or mean", "trivial"),
            baseline("linear on surroundings", "linear"),
            // Early, so that a short search has a network, and with it a test for strange points.
            network("edge convolutions", edges.clone()),
            baseline("gradient boosting on surroundings", "boosting"),
            baseline("extremely randomised trees on surroundings", "extra_trees"),
            network(
                "edge convolutions in any position",
                CloudDesign {
                    rotation: Rotation::Any,
                    ..edges.clone()
                },
            ),
            network(
                "edge convolutions by what turning does not change",
                CloudDesign {
                    seen: Seen::Intrinsic,
                    ..edges.clone()
                },
            ),
            network(
                "balls and back (PointNet++)",
                CloudDesign {
                    body: BodyKind::SetAbstraction,
                    neighbours: 16,
                    ..edges.clone()
                },
            ),
            network(
                "points by themselves and the whole (PointNet)",
                CloudDesign {
                    body: BodyKind::PointNet,
                    ..edges.clone()
                },
            ),
            network(
                "edge convolutions (DGCNN) on coordinates as they stand",
                CloudDesign {
                    seen: Seen::Coordinates,
                    rotation: Rotation::Fixed,
                    dynamic: true,
                    ..edges
                },
            ),
        ]
    }

    /// Whole scans, so that a short training takes less.
    fn fewer(&self, rows: &[usize], keep: usize, seed: Seed) -> Vec<usize> {
        let scan_of = |row: &usize| self.starts.partition_point(|start| start <= row);
        let mut scans: Vec<usize> = rows.iter().map(scan_of).collect();
        scans.sort_unstable();
        scans.dedup();
        let count = scans.len();
        let kept = (count * keep)
            .div_ceil(rows.len().max(1))
            .clamp(1, count.max(1));
        scans.shuffle(&mut seed.stream("scans", &[]));
        scans.truncate(kept);
        scans.sort_unstable();
        let chosen = |row: &usize| scans.binary_search(&scan_of(row)).is_ok();
        rows.iter().copied().filter(chosen).collect()
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        let points = PointUnits::to_learn_from(assignment.units)?;
        match assignment.design.get("model").and_then(Value::as_str) {
            Some(name) if BASELINES.contains(&name) => self.fit_baseline(points, assignment),
            _ => fit_network(points, assignment),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: serde_json::Error| MemberError::Malformed(e.to_string());
        let description: Description =
            serde_json::from_value(description.clone()).map_err(malformed)?;
        match description {
            Description::Baseline { channels, inner } => Ok(Box::new(BaselineMember {
                channels,
                inner: self.tables.load(&inner, numbers)?,
            })),
            Description::Network {
                design,
                preparation,
                head,
            } => {
                preparation.check().map_err(MemberError::Malformed)?;
                head.check().map_err(MemberError::Malformed)?;
                design.check().map_err(MemberError::Malformed)?;
                let malformed = |e: candor_nn::WeightsError| MemberError::Malformed(e.to_string());
                let weights = Weights::from_safetensors(numbers).map_err(malformed)?;
                let network = build(&design, &preparation, &head, Seed(0), &Device::flex());
                let network = weights.load_into(network).map_err(malformed)?;
                Ok(Box::new(NetworkMember::new(
                    design,
                    preparation,
                    head,
                    network,
                )))
            }
        }
    }
}

#[allow(clippy::large_enum_variant, reason = "there is one of it a member")]
#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Baseline {
        /// What is known of points beside their places.
        channels: Vec<String>,
        /// The description of the model of tables.
        inner: Value,
    },
    Network {
        design: CloudDesign,
        preparation: PointPreparation,
        head: HeadKind,
    },
}

/// A model of tables on the surroundings of points.
struct BaselineMember {
    channels: Vec<String>,
    inner: Box<dyn Member>,
}

/// Surroundings and channels of points as rows.
fn rows_of(points: &PointUnits, indices: &[usize]) -> Result<Matrix, MemberError> {
    let kinds = vec![FeatureKind::Numeric; points.width()];
    Matrix::new(indices.len(), kinds, points.described(indices))
        .map_err(|e| MemberError::Training(e.to_string()))
}

impl Member for BaselineMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.inner.parameters()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        voted(PointUnits::of(units)?, |points| self.told(points, indices))
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let saved = self.inner.save()?;
        let description = Description::Baseline {
            channels: self.channels.clone(),
            inner: saved.description.clone(),
        };
        Ok(SavedMember {
            description: serde_json::to_value(description)
                .map_err(|e| MemberError::Malformed(e.to_string()))?,
            ..saved
        })
    }
}

/// What is said of points, the mean over both times where they are seen twice.
fn voted(
    points: &PointUnits,
    told: impl Fn(&PointUnits) -> Result<MemberPrediction, MemberError>,
) -> Result<MemberPrediction, MemberError> {
    let mut said = told(points)?;
    let Some(again) = points.again() else {
        return Ok(said);
    };
    let failed = |e: candor_core::PredictionError| MemberError::Training(e.to_string());
    let more = told(&again)?;
    let both = [
        said.mixture().map_err(failed)?,
        more.mixture().map_err(failed)?,
    ];
    let weighed: Vec<(f64, &Distribution)> = both.iter().map(|one| (1.0, one)).collect();
    said.members = vec![Distribution::mixture(&weighed).map_err(failed)?];
    if let (Some(own), Some(more)) = (&mut said.features, more.features) {
        let mean = |own: &mut [f32], more: &[f32]| {
            own.iter_mut()
                .zip(more)
                .for_each(|(a, b)| *a = 0.5 * (*a + b));
        };
        mean(&mut own.embedding, &more.embedding);
        mean(&mut own.input, &more.input);
    }
    Ok(said)
}

impl BaselineMember {
    fn told(
        &self,
        points: &PointUnits,
        indices: &[usize],
    ) -> Result<MemberPrediction, MemberError> {
        if **points.channels() != self.channels {
            return Err(MemberError::Malformed(
                "the model takes other channels than these points have".into(),
            ));
        }
        let all: Vec<usize> = (0..indices.len()).collect();
        let rows = TableUnits::units(rows_of(points, indices)?, all.clone());
        self.inner.predict(&rows, &all)
    }
}

/// Some of many units, drawn.
fn some(units: &[usize], most: usize, seed: Seed, purpose: &str) -> Vec<usize> {
    if units.len() <= most {
        return units.to_vec();
    }
    let mut stream = seed.stream(purpose, &[]);
    let drawn = rand::seq::index::sample(&mut stream, units.len(), most);
    let mut drawn: Vec<usize> = drawn.iter().map(|place| units[place]).collect();
    drawn.sort_unstable();
    drawn
}

impl PointLearner {
    /// Rows are made of the points that the fit asks for: first those to learn from, then those to validate on.
    fn fit_baseline(
        &self,
        points: &PointUnits,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        let train = some(assignment.train, MOST_ROWS, assignment.seed, "rows");
        let watched = some(
            assignment.validation,
            MOST_ROWS / 2,
            assignment.seed,
            "watched",
        );
        let asked = [train.as_slice(), &watched].concat();
        let rows = rows_of(points, &asked)?;
        let fitted = self
            .tables
            .fit_described(rows, &asked, train.len(), assignment)?;
        Ok(FittedMember {
            member: Box::new(BaselineMember {
                channels: points.channels().to_vec(),
                inner: fitted.member,
            }),
            ..fitted
        })
    }
}

fn build(
    design: &CloudDesign,
    preparation: &PointPreparation,
    head: &HeadKind,
    seed: Seed,
    device: &Device,
) -> SegmentNetwork {
    let input = input_width(design, &preparation.channels);
    let mut stream = seed.stream("weights", &[]);
    SegmentNetwork::new(design, input, head, &mut stream, device)
}

struct NetworkMember {
    design: CloudDesign,
    preparation: PointPreparation,
    head: HeadKind,
    network: SegmentNetwork,
    parameters: u64,
}

impl NetworkMember {
    fn new(
        design: CloudDesign,
        preparation: PointPreparation,
        head: HeadKind,
        network: SegmentNetwork,
    ) -> NetworkMember {
        NetworkMember {
            design,
            preparation,
            head,
            parameters: Weights::of(&network).count() as u64,
            network,
        }
    }

    /// What is said of all points of some scans, and their embeddings: the mean over the votes.
    fn said(&self, points: &PointUnits, scans: &[usize]) -> Result<NetworkPrediction, MemberError> {
        let device = Device::flex();
        let look = |vote: usize| {
            let data = PreparedPoints::new(points, &self.preparation, &self.design, &[]);
            let data = data.voting(vote);
            predict(&self.network, &data, scans, &self.head, &device)
        };
        NetworkPrediction::mean((0..self.design.votes.max(1)).map(look))
            .map_err(|e| MemberError::Training(e.to_string()))
    }

    fn told(
        &self,
        points: &PointUnits,
        indices: &[usize],
    ) -> Result<MemberPrediction, MemberError> {
        self.preparation
            .check_points(points)
            .map_err(MemberError::Malformed)?;
        let failed = |e: candor_core::PredictionError| MemberError::Training(e.to_string());
        let by_scan = points.by_scan(indices);
        let mut whole: Option<(Distribution, Vec<f32>, usize)> = None;
        for some in by_scan.chunks(SCANS_AT_ONCE) {
            let scans: Vec<usize> = some.iter().map(|(scan, _)| *scan).collect();
            let seen = self.said(points, &scans)?;
            let (said, embedding, width) =
                (seen.mixture().map_err(failed)?, seen.embedding, seen.width);
            // Rows of what was said stand scan by scan.
            let (mut from, mut rows, mut asked) = (0, Vec::new(), Vec::new());
            for (scan, units) in some {
                for (row, place) in units {
                    rows.push(*row);
                    asked.push(from + place);
                }
                from += points.scans()[*scan].len();
            }
            let (all, embeddings, _) = whole.get_or_insert_with(|| {
                (
                    said.zeros_like(indices.len()),
                    vec![0.0; indices.len() * width],
                    width,
                )
            });
            all.put(&rows, &said.select(&asked)).map_err(failed)?;
            for (row, asked) in rows.iter().zip(&asked) {
                embeddings[row * width..(row + 1) * width]
                    .copy_from_slice(&embedding[asked * width..(asked + 1) * width]);
            }
        }
        let Some((said, embedding, width)) = whole else {
            // Nobody is asked: the form of an answer, without units.
            let seen = predict(
                &self.network,
                &PreparedPoints::new(points, &self.preparation, &self.design, &[]),
                &[],
                &self.head,
                &Device::flex(),
            );
            return Ok(MemberPrediction {
                members: seen.members,
                aleatoric: None,
                features: None,
            });
        };
        Ok(MemberPrediction {
            members: vec![self.preparation.target_scale.unscale(said)],
            aleatoric: None,
            features: Some(Features {
                width,
                embedding,
                input_width: points.width(),
                input: self.preparation.standardised(points, indices),
            }),
        })
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
        voted(PointUnits::of(units)?, |points| self.told(points, indices))
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

fn fit_network(points: &PointUnits, assignment: &Assignment) -> Result<FittedMember, MemberError> {
    let design: CloudDesign = assignment
        .design
        .decode()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    design.check().map_err(MemberError::Design)?;
    let head = HeadKind::for_target(assignment.target, design.label_smoothing);
    let preparation = PointPreparation::fit(points, assignment.targets, assignment.train);
    let data = PreparedPoints::new(points, &preparation, &design, assignment.train);
    let scans_of = |units: &[usize]| -> Vec<usize> {
        points
            .by_scan(units)
            .into_iter()
            .map(|(scan, _)| scan)
            .collect()
    };
    let train = scans_of(assignment.train);
    // A unit of training is a scan, and what is watched are the points of some scans that may be looked at.
    let all = points.by_scan(assignment.validation);
    let step = all.len().div_ceil(WATCHED).max(1);
    let (mut from, mut scans, mut places, mut watched) = (0, Vec::new(), Vec::new(), Vec::new());
    for (scan, units) in all.into_iter().step_by(step) {
        for (row, place) in units {
            watched.push(assignment.validation[row]);
            places.push(from + place);
        }
        scans.push(scan);
        from += points.scans()[scan].len();
    }
    let truth: Targets = assignment.targets.select(&watched);
    let scale = &preparation.target_scale;
    let loss = |predicted: &Distribution| {
        let said = scale.unscale(predicted.select(&places));
        watched_loss(assignment.metric, &said, &truth)
    };
    let validation = Validation {
        units: &scans,
        loss: &loss,
    };
    let trained = fit(
        build(
            &design,
            &preparation,
            &head,
            assignment.seed,
            &Device::flex().autodiff(),
        ),
        &data,
        &scale.scale(assignment.targets),
        &train,
        &validation,
        &head,
        &recipe(&design, train.len()),
        assignment.seed,
        assignment.clock,
    )?;
    let network = trained.network(build(
        &design,
        &preparation,
        &head,
        assignment.seed,
        &Device::flex(),
    ))?;
    Ok(trained.member(NetworkMember::new(design, preparation, head, network)))
}
