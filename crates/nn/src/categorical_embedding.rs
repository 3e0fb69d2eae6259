use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::initialise;

/// A vector for each category of each column, in one table.
///
/// Row 0 of each column stands for missing and unseen categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalEmbeddingConfig {
    /// Categories of each column, row 0 included.
    pub cardinalities: Vec<usize>,
    /// Length of the vectors.
    pub width: usize,
}

/// See [`CategoricalEmbeddingConfig`].
#[derive(Module, Debug)]
pub struct CategoricalEmbedding {
    table: Param<Tensor<2>>,
}

impl CategoricalEmbeddingConfig {
    /// Rows are drawn from a normal distribution of variance 1 / width.
    pub fn init(&self, stream: &mut ChaCha8Rng, device: &Device) -> CategoricalEmbedding {
        let rows = self.cardinalities.iter().sum();
        let sd = 1.0 / (self.width.max(1) as f32).sqrt();
        CategoricalEmbedding {
            table: initialise::normal([rows, self.width], sd, stream, device),
        }
    }

    /// Where each column begins in the table.
    pub fn offsets(&self) -> Vec<usize> {
        let starts = self.cardinalities.iter().scan(0, |next, &size| {
            let start = *next;
            *next += size;
            Some(start)
        });
        starts.collect()
    }
}

impl CategoricalEmbedding {
    /// Rows of the table `[units, columns]` to vectors `[1, units, columns * width]`.
    pub fn forward(&self, rows: Tensor<2, Int>) -> Tensor<3> {
        let [units, columns] = rows.dims();
        let table = self.table.val();
        let [_, width] = table.dims();
        table
            .select(0, rows.reshape([units * columns]))
            .reshape([1, units, columns * width])
    }
}
