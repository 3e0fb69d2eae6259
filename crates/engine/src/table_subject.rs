use candor_baselines::Matrix;
use candor_core::{Seed, Task};
use candor_table::{
    TableEncoder, TableLearner, TableUnits, column_shuffled, columns_shuffled_apart,
};
use candor_train::{Learner, MemberError, Units};
use serde_json::Value;

use crate::{EngineError, Subject};

/// A table as the pipeline sees it.
pub struct TableSubject {
    encoder: TableEncoder,
    learner: TableLearner,
    units: Units,
}

impl TableSubject {
    /// `learnable`: the rows that may be learned from; `task`: what is predicted, which says what can be designed.
    ///
    /// # Errors
    /// When the table does not fit the encoder.
    pub fn new(
        encoder: TableEncoder,
        table: &candor_data::Table,
        learnable: Vec<usize>,
        task: Task,
    ) -> Result<TableSubject, EngineError> {
        let matrix = encoder.encode(table)?;
        Ok(TableSubject {
            learner: TableLearner::new(task)?,
            units: TableUnits::units(matrix, learnable),
            encoder,
        })
    }

    fn matrix(&self) -> Result<&Matrix, EngineError> {
        Ok(self.units.get::<TableUnits>()?.matrix())
    }

    fn with_values(&self, rows: usize, values: Vec<f32>) -> Result<Units, EngineError> {
        let kinds = self.matrix()?.columns().to_vec();
        let matrix = Matrix::new(rows, kinds, values)
            .map_err(|error| MemberError::Training(error.to_string()))?;
        Ok(TableUnits::units(matrix, Vec::new()))
    }
}

impl Subject for TableSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        serde_json::to_value(&self.encoder)
            .map_err(|e| EngineError::Member(MemberError::Malformed(e.to_string())))
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        self.with_values(
            units.len(),
            columns_shuffled_apart(self.matrix()?, units, seed),
        )
    }

    fn parts(&self) -> Vec<String> {
        self.encoder
            .columns()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let features = self.encoder.features_of(part);
        self.with_values(
            units.len(),
            column_shuffled(self.matrix()?, units, features, seed),
        )
    }
}
