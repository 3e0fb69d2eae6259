use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Target, Task, UncertaintyMethod};
use candor_design::{Choice, DesignError, Space};
use candor_kernels::relu;
use candor_nn::{
    AttentionBlock, AttentionBlockConfig, CategoricalEmbedding, CategoricalEmbeddingConfig, Head,
    HeadConfig, HeadKind, LayerNorm, LayerNormConfig, Linear, LinearConfig, Pass,
    PeriodicEmbedding, PeriodicEmbeddingConfig, PiecewiseLinearEmbedding,
    PiecewiseLinearEmbeddingConfig, QUANTILE_LEVELS, RankOneAdapter, RankOneAdapterConfig, dropout,
};
use candor_train::{Network, Output, Recipe};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Preparation, TableBatch};

/// The layers between the encoded row and the embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backbone {
    /// Linear layers with ReLU.
    Mlp,
    /// Blocks around a residual path (Gorishniy et al., NeurIPS 2021, section 3.2; layer norm in place of batch norm,
    /// so that no row influences another).
    Residual,
    /// An MLP whose members share all weights but an adapter and the head (TabM-mini, Gorishniy et al., ICLR 2025).
    Tabm,
    /// Attention between columns (FT-Transformer, Gorishniy et al., NeurIPS 2021, section 3.3).
    Attention,
}

/// How numbers enter the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// As they are, scaled.
    Plain,
    /// By their place among the bins of each column.
    Piecewise,
    /// By sines and cosines of learned frequencies.
    Periodic,
}

/// Which predictive distribution a network gives of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberDistribution {
    /// Normal distributions.
    Gaussian,
    /// Quantiles, whatever the shape of the noise.
    Quantile,
}

/// One network for tables, with its training: everything that a search may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkDesign {
    /// The backbone.
    #[serde(rename = "model")]
    pub backbone: Backbone,
    /// Layers or blocks.
    pub layers: usize,
    /// Width of a layer, or length of a token.
    pub width: usize,
    /// Share of values dropped after each layer in training.
    pub dropout: f64,
    /// How numbers enter.
    pub numbers: Numbers,
    /// Length of the vector of one number (piecewise and periodic).
    pub number_width: usize,
    /// Bins of the piecewise-linear code.
    pub bins: usize,
    /// Standard deviation of the initial frequencies (periodic).
    pub sigma: f64,
    /// Length of the vector of one category.
    pub category_width: usize,
    /// Whether numbers are mapped to a normal distribution by their quantiles, else standardised.
    pub quantile: bool,
    /// Members of the efficient ensemble.
    pub members: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Label smoothing (classification).
    pub label_smoothing: f64,
    /// The predictive distribution (regression). Of quantiles only ensembles tell doubt: other methods take a normal distribution.
    pub distribution: NumberDistribution,
    /// How the network says what it does not know.
    pub uncertainty: UncertaintyMethod,
    /// The price of evidence where it is wrong (lambda), for evidential networks; what the papers use when not given: 1 for classes, 0.01
    /// for numbers.
    pub evidence_price: Option<f64>,
}

impl Default for NetworkDesign {
    fn default() -> NetworkDesign {
        NetworkDesign {
            backbone: Backbone::Mlp,
            layers: 2,
            width: 128,
            dropout: 0.1,
            numbers: Numbers::Plain,
            number_width: 8,
            bins: 16,
            sigma: 0.1,
            category_width: 8,
            quantile: true,
            members: 8,
            learning_rate: 3e-3,
            weight_decay: 1e-2,
            label_smoothing: 0.0,
            distribution: NumberDistribution::Gaussian,
            uncertainty: UncertaintyMethod::Ensemble,
            evidence_price: None,
        }
    }
}

impl NetworkDesign {
    /// Why the design cannot be built, if so. Saved designs come from outside and are checked before anything is allocated.
    pub fn check(&self) -> Result<(), String> {
        let bound = |what: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(format!("{what} is {value}, outside {low} to {high}"))
        };
        bound("`layers`", self.layers, 1, 32)?;
        bound("`width`", self.width, 1, 4096)?;
        bound("`number_width`", self.number_width, 1, 256)?;
        bound("`bins`", self.bins, 1, 128)?;
        bound("`category_width`", self.category_width, 1, 256)?;
        bound("`members`", self.members, 1, 64)?;
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(format!("`dropout` is {}, outside 0 to 1", self.dropout));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(format!(
                "`label_smoothing` is {}, outside 0 to 1",
                self.label_smoothing
            ));
        }
        if self.backbone == Backbone::Attention && !self.width.is_multiple_of(HEADS) {
            return Err(format!(
                "`width` is {}, not a multiple of {HEADS} heads",
                self.width
            ));
        }
        Ok(())
    }

    /// The recipe of its training on `rows` training rows.
    pub fn recipe(&self, rows: usize) -> Recipe {
        // About 16 steps an epoch on small data; larger batches cost less time a row.
        let batch_size = (rows / 16).next_power_of_two().clamp(16, 512);
        let steps_per_epoch = rows.div_ceil(batch_size).max(1);
        Recipe {
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            batch_size,
            // Small sets need many passes, large ones few: 3,000 steps either way.
            epochs: (3000 / steps_per_epoch).clamp(25, 200),
            ..Recipe::default()
        }
    }

    /// The predictive distribution and its loss for a target.
    pub fn head(&self, target: &Target) -> HeadKind {
        let quantiles = self.distribution == NumberDistribution::Quantile;
        let evidential = (self.uncertainty == UncertaintyMethod::Evidential)
            .then(|| HeadKind::evidential(target, self.evidence_price));
        match (target.task, self.uncertainty, evidential.flatten()) {
            (_, _, Some(evidential)) => evidential,
            (Task::Regression, UncertaintyMethod::Ensemble, None) if quantiles => {
                HeadKind::Quantile {
                    width: target.width(),
                    levels: QUANTILE_LEVELS.to_vec(),
                }
            }
            _ => HeadKind::for_target(target, self.label_smoothing),
        }
    }

    pub(crate) fn inner_members(&self) -> usize {
        if self.backbone == Backbone::Tabm {
            self.members
        } else {
            1
        }
    }

    /// Builds the network for the rows that `preparation` describes.
    pub fn init(
        &self,
        preparation: &Preparation,
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> TableNetwork {
        let numeric = preparation.numeric.len();
        let attention = self.backbone == Backbone::Attention;
        let number_width = if attention {
            self.width
        } else {
            self.number_width
        };
        let category_width = if attention {
            self.width
        } else {
            self.category_width
        };
        let mut input = 0;
        let piecewise =
            (numeric > 0 && (self.numbers == Numbers::Piecewise || attention)).then(|| {
                let config = PiecewiseLinearEmbeddingConfig {
                    columns: numeric,
                    bins: self.bins,
                    width: number_width,
                };
                input += numeric * number_width;
                config.init(stream, device)
            });
        let periodic =
            (numeric > 0 && self.numbers == Numbers::Periodic && !attention).then(|| {
                let config = PeriodicEmbeddingConfig {
                    columns: numeric,
                    frequencies: PERIODIC_FREQUENCIES,
                    sigma: self.sigma,
                    width: number_width,
                };
                input += numeric * number_width;
                config.init(stream, device)
            });
        let categories = (!preparation.categorical.is_empty()).then(|| {
            let cardinalities: Vec<usize> =
                preparation.categorical.iter().map(|c| c.size).collect();
            input += cardinalities.len() * category_width;
            CategoricalEmbeddingConfig {
                cardinalities,
                width: category_width,
            }
            .init(stream, device)
        });
        // Plain numbers stand beside their embeddings: cheap, and extrapolation stays linear.
        let plain_width = preparation.plain_width();
        input += plain_width;

        let width = self.width;
        let mut linear = |input, output| LinearConfig { input, output }.init(stream, device);
        let mut layers = Vec::new();
        let mut second_layers = Vec::new();
        match self.backbone {
            Backbone::Mlp | Backbone::Tabm => {
                for layer in 0..self.layers {
                    layers.push(linear(if layer == 0 { input } else { width }, width));
                }
            }
            Backbone::Residual => {
                layers.push(linear(input, width));
                for _ in 0..self.layers {
                    layers.push(linear(width, 2 * width));
                    second_layers.push(linear(2 * width, width));
                }
            }
            // Plain numbers and indicators enter through the token that is read at the end.
            Backbone::Attention => layers.push(linear(plain_width.max(1), width)),
        }
        let norms = match self.backbone {
            Backbone::Mlp | Backbone::Tabm => 0,
            Backbone::Residual => self.layers + 1,
            Backbone::Attention => 1,
        };
        let blocks = if attention { self.layers } else { 0 };
        let block = AttentionBlockConfig {
            width,
            heads: HEADS,
            dropout: self.dropout,
        };
        let members = self.inner_members();
        TableNetwork {
            piecewise,
            periodic,
            categories,
            adapter: (self.backbone == Backbone::Tabm).then(|| {
                RankOneAdapterConfig {
                    members,
                    width: input,
                }
                .init(stream, device)
            }),
            layers,
            second_layers,
            norms: (0..norms)
                .map(|_| LayerNormConfig { width }.init(device))
                .collect(),
            blocks: (0..blocks).map(|_| block.init(stream, device)).collect(),
            read: attention.then(|| {
                let start = TensorData::new(vec![0f32; width], [1, 1, width]);
                Param::from_data(start, device)
            }),
            head: HeadConfig {
                members,
                input: width,
                kind: head.clone(),
            }
            .init(stream, device),
            dropout: self.dropout,
            width,
        }
    }
}

/// Heads of the attention.
const HEADS: usize = 4;
/// Frequencies of the periodic embedding (Gorishniy et al. 2022 search 1 to 100).
const PERIODIC_FREQUENCIES: usize = 16;

/// A network for tables; which parts it has depends on its [`NetworkDesign`].
#[derive(Module, Debug)]
pub struct TableNetwork {
    piecewise: Option<PiecewiseLinearEmbedding>,
    periodic: Option<PeriodicEmbedding>,
    categories: Option<CategoricalEmbedding>,
    adapter: Option<RankOneAdapter>,
    layers: Vec<Linear>,
    second_layers: Vec<Linear>,
    norms: Vec<LayerNorm>,
    blocks: Vec<AttentionBlock>,
    read: Option<Param<Tensor<3>>>,
    head: Head,
    dropout: f64,
    width: usize,
}

impl Network for TableNetwork {
    type Batch = TableBatch;

    fn forward(&self, batch: &TableBatch, pass: &mut Pass) -> Output {
        let embedding = if let Some(read) = &self.read {
            self.attend(batch, read.val(), pass)
        } else if self.second_layers.is_empty() {
            self.mlp(self.encode(batch), pass)
        } else {
            self.residual(self.encode(batch), pass)
        };
        Output {
            raw: self.head.forward(embedding.clone()),
            embedding,
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }
}

impl TableNetwork {
    /// `[1, units, input]`: all columns side by side.
    fn encode(&self, batch: &TableBatch) -> Tensor<3> {
        let mut parts = self.embedded_columns(batch);
        if let Some(periodic) = &self.periodic {
            let numeric = periodic.columns();
            parts.push(periodic.forward(batch.plain.clone().narrow(1, 0, numeric)));
        }
        if batch.plain.dims()[1] > 0 {
            parts.push(batch.plain.clone().unsqueeze());
        }
        let x = Tensor::cat(parts, 2);
        match &self.adapter {
            Some(adapter) => adapter.forward(x),
            None => x,
        }
    }

    fn embedded_columns(&self, batch: &TableBatch) -> Vec<Tensor<3>> {
        let piecewise = self.piecewise.as_ref().zip(batch.codes.as_ref());
        let numbers = piecewise.map(|(layer, codes)| layer.forward(codes.clone()));
        let categories = self.categories.as_ref().zip(batch.categorical.as_ref());
        let categories = categories.map(|(layer, rows)| layer.forward(rows.clone()));
        numbers.into_iter().chain(categories).collect()
    }

    fn mlp(&self, mut x: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        for layer in &self.layers {
            x = dropout(relu(layer.forward(x)), self.dropout, pass);
        }
        x
    }

    fn residual(&self, x: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        let mut x = self.layers[0].forward(x);
        for (block, second) in self.second_layers.iter().enumerate() {
            let hidden = relu(self.layers[block + 1].forward(self.norms[block].forward(x.clone())));
            x = x + second.forward(dropout(hidden, self.dropout, pass));
        }
        relu(self.norms[self.second_layers.len()].forward(x))
    }

    fn attend(&self, batch: &TableBatch, read: Tensor<3>, pass: &mut Pass) -> Tensor<3> {
        let units = batch.plain.dims()[0];
        let width = self.width;
        let plain: Tensor<3> = if batch.plain.dims()[1] > 0 {
            batch.plain.clone().unsqueeze()
        } else {
            Tensor::zeros([1, units, 1], &batch.plain.device())
        };
        let mut tokens = vec![read + self.layers[0].forward(plain).reshape([units, 1, width])];
        for columns in self.embedded_columns(batch) {
            let count = columns.dims()[2] / width;
            tokens.push(columns.reshape([units, count, width]));
        }
        let mut x = Tensor::cat(tokens, 1);
        for block in &self.blocks {
            x = block.forward(x, pass);
        }
        let read: Tensor<3> = x.narrow(1, 0, 1).reshape([1, units, width]);
        relu(self.norms[0].forward(read))
    }
}

/// The designs that a search over tables may try for a task: networks, boosting and forests.
///
/// # Errors
/// Never for the fixed choices below.
pub fn space(task: Task) -> Result<Space, DesignError> {
    let networks = ["mlp", "residual", "tabm", "attention"];
    let embedding = ["mlp", "residual", "tabm"];
    let trees = ["boosting", "forest", "extra_trees"];
    let mut choices = vec![
        Choice::categorical(
            "model",
            [
                "mlp",
                "residual",
                "tabm",
                "attention",
                "boosting",
                "forest",
                "extra_trees",
            ],
        ),
        Choice::integers("layers", 1, 4).when("model", networks),
        Choice::categorical("width", [32, 64, 128, 256]).when("model", networks),
        Choice::categorical("dropout", [0.0, 0.1, 0.2, 0.35, 0.5]).when("model", networks),
        Choice::categorical("numbers", ["plain", "piecewise", "periodic"]).when("model", embedding),
        Choice::categorical("number_width", [4, 8, 16]).when("numbers", ["piecewise", "periodic"]),
        Choice::categorical("bins", [8, 16, 32]).when("numbers", ["piecewise"]),
        Choice::log_reals("sigma", 0.02, 2.0).when("numbers", ["periodic"]),
        Choice::categorical("category_width", [4, 8, 16]).when("model", embedding),
        Choice::categorical("quantile", [true, false]).when("model", networks),
        Choice::log_reals("learning_rate", 5e-4, 1e-2).when("model", networks),
        Choice::log_reals("weight_decay", 1e-4, 0.3).when("model", networks),
        Choice::categorical("label_smoothing", [0.0, 0.05]).when("model", networks),
        Choice::log_reals("boosting_rate", 0.02, 0.2).when("model", ["boosting"]),
        Choice::log_integers("max_leaves", 4, 64).when("model", ["boosting"]),
        Choice::log_integers("min_leaf_rows", 1, 32).when("model", trees),
        Choice::log_reals("l2", 0.01, 30.0).when("model", ["boosting"]),
        Choice::reals("row_share", 0.5, 1.0).when("model", ["boosting"]),
        Choice::reals("column_share", 0.3, 1.0).when("model", ["boosting"]),
        Choice::reals("feature_share", 0.1, 1.0).when("model", ["forest", "extra_trees"]),
    ];
    if task == Task::Regression {
        let distributions = ["gaussian", "quantile"];
        choices.push(Choice::categorical("distribution", distributions).when("model", networks));
    }
    Space::new(choices)
}
