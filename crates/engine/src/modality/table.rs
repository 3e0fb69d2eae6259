use std::collections::BTreeMap;

use candor_baselines::Matrix;
use candor_core::{Clock, Finding, Metric, Modality, Seed, Target, Targets, Task};
use candor_data::{
    Column, ReadOptions, Role, Schema, Source, Split, Table, duplicates_across, read_table,
};
use candor_design::Design;
use candor_table::{
    TableEncoder, TableLearner, TableUnits, column_shuffled, columns_shuffled_apart,
};
use candor_train::{Assignment, Learner, MemberError, Units};
use serde_json::Value;

use super::{Input, Inputs, Material, Opened, ReaderError, Readers, malformed, to_json};
use crate::{EngineError, FitSettings, Subject};

/// Reads the table, and below its rows those of the second one.
pub(super) fn open(settings: &FitSettings) -> Result<Opened, EngineError> {
    let options = ReadOptions {
        memory_bytes: settings.memory.or(settings.read.memory_bytes),
        ..settings.read.clone()
    };
    let read = read_table(&Source::parse(&settings.source)?, &options)?;
    let (mut table, mut test) = (read.table, None);
    let own = table.rows();
    if let Some(path) = &settings.test {
        let more = read_table(&Source::parse(path)?, &options)?;
        table = joined(table, &more.table)?;
        test = Some(more.facts);
    }
    Ok(Opened {
        test_rows: table.rows() - own,
        table,
        facts: read.facts,
        test,
        findings: Vec::new(),
        material: Box::new(Rows),
    })
}

/// A unit is a row: nothing is kept beside the table.
struct Rows;

impl Material for Rows {
    fn modality(&self) -> Modality {
        Modality::Table
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        vec![]
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        _targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        split.map_or_else(Vec::new, |split| duplicates_across(table, schema, split))
    }

    fn input(
        &self,
        table: &Table,
        schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&TableEncoder::fit(table, schema, development)?)
    }

    fn cells(&self, schema: &Schema) -> usize {
        schema.with_role(Role::Feature).count()
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        table: &Table,
        learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let encoder = encoder(input).map_err(malformed)?;
        let matrix = encoder.encode(table)?;
        Ok(Box::new(TableSubject {
            learner: TableLearner::new(target.task)?,
            units: TableUnits::units(matrix, learnable),
            encoder,
        }))
    }
}

fn encoder(input: &Value) -> Result<TableEncoder, String> {
    serde_json::from_value(input.clone()).map_err(|e| format!("the encoding of columns: {e}"))
}

/// How a deployed model reads rows.
struct TableInput {
    encoder: TableEncoder,
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let encoder = encoder(input).map_err(ReaderError::Damaged)?;
    let learner = TableLearner::new(task).map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(TableInput { encoder }), Box::new(learner)))
}

impl Input for TableInput {
    fn columns(&self) -> Vec<&str> {
        self.encoder.columns()
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        self.rows(&read_table(&Source::parse(source)?, options)?.table)
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        let matrix = self.encoder.encode(table)?;
        Ok(Inputs {
            units: TableUnits::units(matrix, Vec::new()),
            names: None,
            unreadable: BTreeMap::new(),
        })
    }
}

/// Rows from which it is tried to tell them from made-up ones.
const LEAST_APART: usize = 90;
/// Cells of these rows at most.
const MOST_APART: usize = 4_000_000;

/// A table as the pipeline sees it.
struct TableSubject {
    encoder: TableEncoder,
    learner: TableLearner,
    units: Units,
}

impl TableSubject {
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
        to_json(&self.encoder)
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        self.with_values(
            units.len(),
            columns_shuffled_apart(self.matrix()?, units, seed),
        )
    }

    fn told_apart(&self, units: &[usize], seed: Seed) -> Result<Option<f64>, EngineError> {
        let matrix = self.matrix()?;
        let most = MOST_APART / matrix.columns().len().max(1);
        let units = &units[..units.len().min(most)];
        if units.len() < LEAST_APART {
            return Ok(None);
        }
        let mut values: Vec<f32> = units
            .iter()
            .flat_map(|&row| matrix.row(row))
            .copied()
            .collect();
        values.extend(columns_shuffled_apart(matrix, units, seed));
        let count = units.len();
        // A row and the made-up one beside it are in the same part: a third learns, a third says when to stop, a third is told apart.
        let part = |part: usize| -> Vec<usize> {
            (0..2 * count)
                .filter(|row| row % count % 3 == part)
                .collect()
        };
        let (train, validation, held_out) = (part(0), part(1), part(2));
        let matrix = Matrix::new(2 * count, matrix.columns().to_vec(), values)
            .map_err(|error| MemberError::Training(error.to_string()))?;
        let all = TableUnits::units(matrix, train.clone());
        let targets = Targets::Classes((0..2 * count).map(|row| u32::from(row >= count)).collect());
        let target = Target {
            task: Task::Binary,
            names: vec!["origin".to_owned()],
            classes: vec!["real".to_owned(), "made up".to_owned()],
        };
        let fitted = TableLearner::new(Task::Binary)?.fit(&Assignment {
            design: &Design::new().with("model", "boosting"),
            units: &all,
            targets: &targets,
            target: &target,
            metric: Metric::RocAuc,
            train: &train,
            validation: &validation,
            seed,
            clock: &Clock::unlimited(),
        })?;
        let said = fitted.member.predict(&all, &held_out)?.mixture()?;
        Ok(Some(
            Metric::RocAuc.score(&said, &targets.select(&held_out))?,
        ))
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

/// The rows of `more` below those of `table`, column by column; columns that only `more` has are left out.
pub(super) fn joined(table: Table, more: &Table) -> Result<Table, EngineError> {
    let join = |column: Column| {
        let Some(other) = more.column(&column.name) else {
            return Err(EngineError::Setting {
                setting: "test",
                problem: format!("the file of test rows has no column `{}`", column.name),
            });
        };
        Ok(Column {
            name: column.name,
            values: column.values.followed_by(&other.values),
        })
    };
    Ok(Table {
        columns: table
            .columns
            .into_iter()
            .map(join)
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candor_data::{SchemaOptions, Values, infer_schema};

    /// How well rows of two columns, the second of which follows the first by so much, are told from made-up ones.
    fn apart(follows: f64) -> f64 {
        // The golden ratio and the root of two fill the unit square evenly, and have nothing to do with one another.
        let first: Vec<f64> = (0..600)
            .map(|i| (f64::from(i) * 0.618_033_988_749).fract())
            .collect();
        let second = (0..600).map(|i| {
            let own = (f64::from(i) * 0.414_213_562_373).fract();
            follows * first[i as usize] + (1.0 - follows) * own
        });
        let column = |name: &str, values: Vec<f64>| Column {
            name: name.to_owned(),
            values: Values::Numeric(values),
        };
        let table = Table {
            columns: vec![column("b", second.collect()), column("a", first)],
        };
        let schema = infer_schema(&table, &SchemaOptions::default()).unwrap();
        let rows: Vec<usize> = (0..600).collect();
        let encoder = TableEncoder::fit(&table, &schema, &rows).unwrap();
        let subject = TableSubject {
            units: TableUnits::units(encoder.encode(&table).unwrap(), rows.clone()),
            learner: TableLearner::new(Task::Regression).unwrap(),
            encoder,
        };
        subject.told_apart(&rows, Seed(1)).unwrap().unwrap()
    }

    #[test]
    fn rows_are_told_from_shuffled_ones_where_columns_depend_on_one_another() {
        let (independent, dependent) = (apart(0.0), apart(0.9));
        assert!(independent < 0.6, "{independent}");
        assert!(dependent > 0.8, "{dependent}");
    }
}
