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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use crate::finite_differences::wrong_gradients;
    use crate::reference::{assert_close, numbers, shapes};
    use burn::tensor::TensorData;
    use candor_core::Seed;
    use rand::RngExt;

    fn config(cardinalities: &[usize], width: usize) -> CategoricalEmbeddingConfig {
        CategoricalEmbeddingConfig {
            cardinalities: cardinalities.to_vec(),
            width,
        }
    }

    #[test]
    fn columns_begin_where_the_one_before_ends() {
        // Cardinalities, offsets.
        let cases: [(&[usize], &[usize]); 4] = [
            (&[], &[]),
            (&[3], &[0]),
            (&[2, 5, 1], &[0, 2, 7]),
            (&[1, 1, 1], &[0, 1, 2]),
        ];
        for (cardinalities, offsets) in cases {
            assert_eq!(config(cardinalities, 4).offsets(), offsets);
        }
    }

    #[test]
    fn rows_of_the_table_stand_side_by_side() {
        let layer = config(&[2, 3], 2).init(&mut Seed(0).stream("table", &[]), &Device::flex());
        let table: Vec<f32> = (0..10).map(|v| v as f32).collect();
        let layer = Weights::stated(&[("table", &[5, 2], &table)])
            .load_into(layer)
            .unwrap();
        let rows = Tensor::from_data([[0, 4], [1, 2], [1, 4]], &Device::flex());
        let expected = [0.0, 1.0, 8.0, 9.0, 2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 8.0, 9.0];
        assert_close(&layer.forward(rows), [1, 3, 4], &expected);
    }

    #[test]
    fn rows_start_with_the_length_one_on_average() {
        let layer = config(&[600, 400], 4).init(&mut Seed(0).stream("table", &[]), &Device::flex());
        let table = Weights::of(&layer).values("table");
        assert_eq!(table.len(), 4000);
        let square = table.iter().map(|v| v * v).sum::<f64>() / 1000.0;
        // The mean of 1000 squared lengths has standard deviation sqrt(2 / 4 / 1000) = 0.022.
        assert!((square - 1.0).abs() < 0.09, "{square}");
    }

    #[test]
    fn a_row_gathers_the_gradients_of_all_units_that_use_it() {
        for ([units, columns, cardinality, width], mut stream) in shapes("categories") {
            let config = config(&vec![cardinality; columns], width);
            let layer = config.init(&mut stream, &Device::flex().autodiff());
            // More units than categories, so that rows repeat.
            let units = 2 * units;
            let rows: Vec<i32> = (0..units * columns)
                .map(|i| {
                    let row = config.offsets()[i % columns] + stream.random_range(0..cardinality);
                    row as i32
                })
                .collect();
            let nothing = numbers([1], &mut stream);
            let wrong = wrong_gradients(&layer, &nothing, &mut stream, |layer, x: Tensor<1>| {
                let rows = TensorData::new(rows.clone(), [units, columns]);
                layer.forward(Tensor::from_data(rows, &x.device()))
            });
            assert_eq!(wrong, [""; 0]);
        }
    }
}
