use std::sync::{Arc, OnceLock};

use burn::tensor::Device;
use candor_baselines::{
    Baseline, BaselineConfig, BaselineError, BinnedMatrix, Bins, BoostingConfig, Dataset,
    ForestConfig, LinearConfig, Matrix,
};
use candor_core::{Clock, Distribution, Seed, Stop, Targets, Task, UncertaintyMethod};
use candor_design::{Design, DesignError, Space};
use candor_nn::{HeadKind, Weights};
use candor_train::{
    Assignment, DoubtingNetwork, FittedMember, HandMade, Learner, Member, MemberError,
    MemberPrediction, SavedDoubt, SavedMember, ThinnedNetworks, Units, fit_assigned,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Backbone, NetworkDesign, NumberDistribution, Numbers, Preparation, PreparedTable, TableNetwork,
    space,
};

/// Rows as the models of this modality take them.
pub struct TableUnits {
    matrix: Matrix,
    learnable: Vec<usize>,
    binned: OnceLock<Result<BinnedMatrix, BaselineError>>,
}

impl TableUnits {
    /// All rows of a source; bins of trees are cut from the rows `learnable` alone.
    pub fn units(matrix: Matrix, learnable: Vec<usize>) -> Units {
        let rows = matrix.rows();
        Units::new(
            rows,
            TableUnits {
                matrix,
                learnable,
                binned: OnceLock::new(),
            },
        )
    }

    /// The encoded rows.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    fn binned(&self) -> Result<&BinnedMatrix, MemberError> {
        let cut = || {
            let bins = Bins::fit(&self.matrix, &self.learnable, 255)?;
            BinnedMatrix::new(&self.matrix, Arc::new(bins))
        };
        self.binned
            .get_or_init(cut)
            .as_ref()
            .map_err(|e| MemberError::Training(e.to_string()))
    }
}

/// Trains and reads the models of tables: networks and classical baselines.
pub struct TableLearner {
    space: Space,
    task: Task,
}

impl TableLearner {
    /// With the full design space of a task.
    ///
    /// # Errors
    /// Never for the space as it stands.
    pub fn new(task: Task) -> Result<TableLearner, DesignError> {
        let space = space(task)?;
        Ok(TableLearner { space, task })
    }
}

/// Trees of a boosted model at most, for each class.
const BOOSTING_ITERATIONS: usize = 4_000;

/// What a design stands for.
enum Model {
    Network(NetworkDesign),
    Baseline(BaselineConfig),
}

/// The choices of trees, under the names of the space.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct TreeChoices {
    boosting_rate: f64,
    max_leaves: usize,
    min_leaf_rows: Option<usize>,
    l2: f64,
    row_share: f64,
    column_share: f64,
    feature_share: Option<f64>,
}

impl Default for TreeChoices {
    fn default() -> TreeChoices {
        let boosting = BoostingConfig::default();
        TreeChoices {
            boosting_rate: boosting.learning_rate,
            max_leaves: boosting.max_leaves,
            min_leaf_rows: None,
            l2: boosting.l2,
            row_share: boosting.row_share,
            column_share: boosting.column_share,
            feature_share: None,
        }
    }
}

fn model_of(design: &Design) -> Result<Model, MemberError> {
    let refuse = |e: DesignError| MemberError::Design(e.to_string());
    let name = design
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let config = match name {
        "trivial" => BaselineConfig::Trivial,
        "linear" => BaselineConfig::Linear(LinearConfig::default()),
        "boosting" => {
            let chosen: TreeChoices = design.decode().map_err(refuse)?;
            let default = BoostingConfig::default();
            BaselineConfig::Boosting(BoostingConfig {
                // Validation ends it, not a number.
                iterations: BOOSTING_ITERATIONS,
                learning_rate: chosen.boosting_rate,
                max_leaves: chosen.max_leaves,
                min_leaf_rows: chosen.min_leaf_rows.unwrap_or(default.min_leaf_rows),
                l2: chosen.l2,
                row_share: chosen.row_share,
                column_share: chosen.column_share,
                ..default
            })
        }
        "forest" | "extra_trees" => {
            let chosen: TreeChoices = design.decode().map_err(refuse)?;
            let default = if name == "forest" {
                ForestConfig::default()
            } else {
                ForestConfig::extra_trees()
            };
            BaselineConfig::Forest(ForestConfig {
                max_features: chosen.feature_share.or(default.max_features),
                min_leaf_rows: chosen.min_leaf_rows.unwrap_or(default.min_leaf_rows),
                ..default
            })
        }
        _ => {
            let design: NetworkDesign = design.decode().map_err(refuse)?;
            design.check().map_err(MemberError::Design)?;
            return Ok(Model::Network(design));
        }
    };
    config
        .check()
        .map_err(|e| MemberError::Design(e.to_string()))?;
    Ok(Model::Baseline(config))
}

impl TableLearner {
    /// Fits a model of tables on units of another kind: row `i` of `matrix` describes unit `asked[i]` of the assignment, and the first `learnt` rows are
    /// learned from, the others validated on. Bins of trees are cut from the former alone.
    ///
    /// # Errors
    /// As [`Learner::fit`].
    pub fn fit_described(
        &self,
        matrix: Matrix,
        asked: &[usize],
        learnt: usize,
        assignment: &Assignment,
    ) -> Result<FittedMember, MemberError> {
        self.fit(&Assignment {
            units: &TableUnits::units(matrix, (0..learnt).collect()),
            targets: &assignment.targets.select(asked),
            train: &(0..learnt).collect::<Vec<_>>(),
            validation: &(learnt..asked.len()).collect::<Vec<_>>(),
            ..*assignment
        })
    }
}

impl Learner for TableLearner {
    fn space(&self) -> &Space {
        &self.space
    }

    fn hand_made(&self) -> Vec<HandMade> {
        let baseline =
            |name, model: &str| HandMade::baseline(name, Design::new().with("model", model));
        let network =
            |name, design: NetworkDesign| HandMade::network(name, design_of(&design, self.task));
        let tabm = NetworkDesign {
            backbone: Backbone::Tabm,
            numbers: Numbers::Piecewise,
            ..NetworkDesign::default()
        };
        let mut designs = vec![
            baseline("majority or mean", "trivial"),
            baseline("linear", "linear"),
            // Early, so that a short search has a network, and with it a test for strange rows.
            network("MLP", NetworkDesign::default()),
            baseline("gradient boosting", "boosting"),
            baseline("random forest", "forest"),
            network("TabM with piecewise-linear numbers", tabm),
            baseline("extremely randomised trees", "extra_trees"),
            network(
                "residual network with periodic numbers",
                NetworkDesign {
                    backbone: Backbone::Residual,
                    numbers: Numbers::Periodic,
                    dropout: 0.2,
                    ..NetworkDesign::default()
                },
            ),
            network(
                "attention between columns",
                NetworkDesign {
                    backbone: Backbone::Attention,
                    width: 32,
                    learning_rate: 1e-3,
                    ..NetworkDesign::default()
                },
            ),
        ];
        if self.task == Task::Regression {
            let design = NetworkDesign {
                distribution: NumberDistribution::Quantile,
                ..NetworkDesign::default()
            };
            designs.push(network("MLP with quantiles", design));
        }
        designs
    }

    fn uncertainty_methods(&self) -> &'static [UncertaintyMethod] {
        &UncertaintyMethod::ALL
    }

    fn fit(&self, assignment: &Assignment) -> Result<FittedMember, MemberError> {
        match model_of(assignment.design)? {
            Model::Network(design) => fit_network(&design, assignment),
            Model::Baseline(config) => fit_baseline(&config, assignment),
        }
    }

    fn load(&self, description: &Value, numbers: &[u8]) -> Result<Box<dyn Member>, MemberError> {
        let malformed = |e: String| MemberError::Malformed(e);
        let description: Description = serde_json::from_value(description.clone())
            .map_err(|e| malformed(format!("its description: {e}")))?;
        match description {
            Description::Baseline => {
                let model = Baseline::from_bytes(numbers).map_err(|e| malformed(e.to_string()))?;
                Ok(Box::new(BaselineMember { model }))
            }
            Description::Labelwise { bytes } => {
                let mut rest = numbers;
                let mut models = Vec::new();
                for length in bytes {
                    let Some((model, more)) = rest.split_at_checked(length) else {
                        return Err(malformed("the models of its labels are cut short".into()));
                    };
                    models.push(Baseline::from_bytes(model).map_err(|e| malformed(e.to_string()))?);
                    rest = more;
                }
                if models.is_empty() || !rest.is_empty() {
                    return Err(malformed("it has more bytes than models of labels".into()));
                }
                Ok(Box::new(LabelwiseMember { models }))
            }
            Description::Network {
                design,
                preparation,
                head,
                doubt,
            } => {
                let design = *design;
                design.check().map_err(malformed)?;
                preparation.check().map_err(malformed)?;
                head.check().map_err(malformed)?;
                let network = build(&design, &preparation, &head, Seed(0), &Device::flex());
                Ok(Box::new(NetworkMember {
                    network: DoubtingNetwork::load(network, &doubt, numbers, &head)?,
                    design,
                    preparation,
                    head,
                }))
            }
        }
    }
}

/// The design's choices as a value of the space, without those that its model does not have.
fn design_of(network: &NetworkDesign, task: Task) -> Design {
    let attention = network.backbone == Backbone::Attention;
    let embedded = network.numbers != Numbers::Plain;
    let keep = |name: &str| match name {
        "numbers" | "category_width" => !attention,
        "number_width" => embedded && !attention,
        "bins" => network.numbers == Numbers::Piecewise && !attention,
        "sigma" => network.numbers == Numbers::Periodic && !attention,
        "distribution" => task == Task::Regression,
        "members" | "uncertainty" | "evidence_price" => false,
        _ => true,
    };
    let Ok(Value::Object(fields)) = serde_json::to_value(network) else {
        return Design::new();
    };
    fields
        .into_iter()
        .filter(|(name, _)| keep(name))
        .fold(Design::new(), |design, (name, value)| {
            design.with(name, value)
        })
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "snake_case")]
enum Description {
    Baseline,
    /// One classical model a label; their bytes stand one after the other.
    Labelwise {
        bytes: Vec<usize>,
    },
    Network {
        design: Box<NetworkDesign>,
        preparation: Preparation,
        head: HeadKind,
        #[serde(default)]
        doubt: SavedDoubt,
    },
}

struct BaselineMember {
    model: Baseline,
}

impl Member for BaselineMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.model.parameters() as u64
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let matrix = select(&units.get::<TableUnits>()?.matrix, indices)?;
        let predicted = self
            .model
            .predict(&matrix)
            .map_err(|e| MemberError::Malformed(e.to_string()))?;
        Ok(MemberPrediction {
            aleatoric: None,
            members: vec![predicted],
            features: None,
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        Ok(SavedMember {
            description: to_json(&Description::Baseline)?,
            extension: "trees",
            numbers: self.model.to_bytes(),
        })
    }
}

/// One classical model a label.
struct LabelwiseMember {
    models: Vec<Baseline>,
}

impl Member for LabelwiseMember {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.models
            .iter()
            .map(|model| model.parameters() as u64)
            .sum()
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let matrix = select(&units.get::<TableUnits>()?.matrix, indices)?;
        let width = self.models.len();
        let mut probabilities = vec![0.0; indices.len() * width];
        for (label, model) in self.models.iter().enumerate() {
            let said = model
                .predict(&matrix)
                .map_err(|e| MemberError::Malformed(e.to_string()))?;
            let Distribution::Categorical {
                classes: 2,
                probabilities: of_label,
            } = said
            else {
                return Err(MemberError::Malformed(
                    "the model of a label does not tell two classes apart".into(),
                ));
            };
            for (unit, row) in of_label.chunks_exact(2).enumerate() {
                probabilities[unit * width + label] = row[1];
            }
        }
        Ok(MemberPrediction {
            aleatoric: None,
            members: vec![Distribution::Bernoulli {
                width,
                probabilities,
            }],
            features: None,
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let models: Vec<Vec<u8>> = self.models.iter().map(Baseline::to_bytes).collect();
        let bytes = models.iter().map(Vec::len).collect();
        Ok(SavedMember {
            description: to_json(&Description::Labelwise { bytes })?,
            extension: "trees",
            numbers: models.concat(),
        })
    }
}

struct NetworkMember {
    design: NetworkDesign,
    preparation: Preparation,
    head: HeadKind,
    network: DoubtingNetwork<TableNetwork>,
}

impl Member for NetworkMember {
    fn is_network(&self) -> bool {
        true
    }

    fn parameters(&self) -> u64 {
        Weights::of(&self.network.network).count() as u64
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let matrix = select(&units.get::<TableUnits>()?.matrix, indices)?;
        self.preparation
            .check_matrix(&matrix)
            .map_err(MemberError::Malformed)?;
        let prepared = prepared(&self.design, &self.preparation, &matrix);
        let rows: Vec<usize> = (0..indices.len()).collect();
        let predicted = self.network.predict(&prepared, &rows, &self.head);
        let (input_width, input) = self.preparation.distances_input(&matrix, &rows);
        Ok(predicted
            .restored(|said| self.preparation.target_scale.unscale(said))
            .described(input_width, input))
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let (weights, doubt) = self.network.save();
        let description = Description::Network {
            design: Box::new(self.design.clone()),
            preparation: self.preparation.clone(),
            head: self.head.clone(),
            doubt,
        };
        SavedMember::of_weights(&description, &weights)
    }
}

fn to_json(description: &Description) -> Result<Value, MemberError> {
    serde_json::to_value(description).map_err(|e| MemberError::Malformed(e.to_string()))
}

fn select(matrix: &Matrix, rows: &[usize]) -> Result<Matrix, MemberError> {
    let values = rows
        .iter()
        .flat_map(|&row| matrix.row(row).iter().copied())
        .collect();
    Matrix::new(rows.len(), matrix.columns().to_vec(), values)
        .map_err(|e| MemberError::Training(e.to_string()))
}

fn prepared(design: &NetworkDesign, preparation: &Preparation, matrix: &Matrix) -> PreparedTable {
    let table = preparation.apply(matrix, design.quantile);
    let coded = design.numbers == Numbers::Piecewise || design.backbone == Backbone::Attention;
    if coded && !preparation.numeric.is_empty() {
        return table.with_edges(preparation.bin_edges(design.bins, design.quantile));
    }
    table
}

fn build(
    design: &NetworkDesign,
    preparation: &Preparation,
    head: &HeadKind,
    seed: Seed,
    device: &Device,
) -> TableNetwork {
    design.init(preparation, head, &mut seed.stream("weights", &[]), device)
}

fn fit_network(
    design: &NetworkDesign,
    assignment: &Assignment,
) -> Result<FittedMember, MemberError> {
    let matrix = &assignment.units.get::<TableUnits>()?.matrix;
    let mut design = design.clone();
    let raised = ThinnedNetworks::raise(design.uncertainty, &mut design.dropout);
    let design = &design;
    let preparation = Preparation::fit(matrix, assignment.targets, assignment.train);
    let data = prepared(design, &preparation, matrix);
    let head = design.head(assignment.target);
    let (network, trained) = fit_assigned(
        assignment,
        |device| Ok(build(design, &preparation, &head, assignment.seed, device)),
        &data,
        &preparation.target_scale,
        |said| preparation.target_scale.unscale(said),
        &head,
        design.uncertainty,
        &design.recipe(assignment.train.len()),
    )?;
    let member = NetworkMember {
        design: design.clone(),
        preparation,
        head,
        network,
    };
    Ok(trained.member(member).warned(raised))
}

fn fit_baseline(
    config: &BaselineConfig,
    assignment: &Assignment,
) -> Result<FittedMember, MemberError> {
    if let Targets::Labels { width, values } = assignment.targets {
        return fit_one_a_label(config, assignment, *width, values);
    }
    let units = assignment.units.get::<TableUnits>()?;
    let dataset = Dataset {
        matrix: &units.matrix,
        binned: units.binned()?,
        targets: assignment.targets,
        outputs: assignment.target.width(),
    };
    let (train, validation) = (assignment.train, assignment.validation);
    let fitted = candor_baselines::fit(
        config,
        &dataset,
        train,
        validation,
        assignment.seed,
        assignment.clock,
    )
    .map_err(|error| {
        stop_of(assignment.clock).map_or_else(
            || MemberError::Training(error.to_string()),
            MemberError::Stopped,
        )
    })?;
    Ok(FittedMember {
        member: Box::new(BaselineMember {
            model: fitted.model,
        }),
        history: Vec::new(),
        warnings: Vec::new(),
        stopped_early: fitted.stopped_early,
    })
}

/// A classical model of each label by itself, on the rows where it is known. Each may use its share of the time that is left.
fn fit_one_a_label(
    config: &BaselineConfig,
    assignment: &Assignment,
    width: usize,
    values: &[Option<bool>],
) -> Result<FittedMember, MemberError> {
    let units = assignment.units.get::<TableUnits>()?;
    let mut models = Vec::with_capacity(width);
    let mut stopped_early = false;
    for label in 0..width {
        let at = |row: usize| values[row * width + label];
        let classes = (0..units.matrix.rows()).map(|row| u32::from(at(row) == Some(true)));
        let targets = Targets::Classes(classes.collect());
        let known = |rows: &[usize]| -> Vec<usize> {
            rows.iter()
                .copied()
                .filter(|&row| at(row).is_some())
                .collect()
        };
        let train = known(assignment.train);
        if train.is_empty() {
            let name = assignment.target.names.get(label).cloned();
            return Err(MemberError::Training(format!(
                "no row to learn from knows the label `{}`; leave it out of `--target`",
                name.unwrap_or_default()
            )));
        }
        let dataset = Dataset {
            matrix: &units.matrix,
            binned: units.binned()?,
            targets: &targets,
            outputs: 2,
        };
        let clock = assignment.clock.share(1.0 / (width - label) as f64);
        let validation = known(assignment.validation);
        let seed = assignment.seed.derive("label", &[label as u64]);
        let fitted = candor_baselines::fit(config, &dataset, &train, &validation, seed, &clock);
        let fitted = fitted.map_err(|error| {
            stop_of(&clock).map_or_else(
                || MemberError::Training(error.to_string()),
                MemberError::Stopped,
            )
        })?;
        stopped_early |= fitted.stopped_early;
        models.push(fitted.model);
    }
    Ok(FittedMember {
        member: Box::new(LabelwiseMember { models }),
        history: Vec::new(),
        warnings: Vec::new(),
        stopped_early,
    })
}

fn stop_of(clock: &Clock) -> Option<Stop> {
    clock.stop()
}
