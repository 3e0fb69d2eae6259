//! Times one classical model on a CSV file of numbers, for comparison with other implementations.
//!
//! ```text
//! cargo run --release -p candor-baselines --example fit_csv -- boosting binary 100 train.csv test.csv
//! ```
//!
//! The models are `boosting`, `forest` and `extra-trees`; the tasks `binary`, `multiclass` and `regression`;
//! the number is that of iterations or trees. Files have no header, an empty cell is missing, and the
//! last column is the target. Prints one JSON line: seconds and the task's default metric on the test rows.
#![expect(clippy::print_stdout, reason = "its result is the point of it")]

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use candor_baselines::{
    BaselineConfig, BinnedMatrix, Bins, BoostingConfig, Dataset, FeatureKind, ForestConfig, Matrix,
    fit,
};
use candor_core::{Clock, Metric, Seed, Targets, Task};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, task, count, train, test] = arguments.as_slice() else {
        return Err("give a model, a task, a number, a training file and a test file".into());
    };
    let (task, count) = (Task::from_str(task)?, count.parse()?);
    let config = config(model, count)?;
    let ((matrix, targets), (test_matrix, test_targets)) = (read(train, task)?, read(test, task)?);
    let outputs = match &targets {
        Targets::Classes(classes) => classes.iter().max().map_or(2, |&c| c as usize + 1),
        Targets::Labels { width, .. } | Targets::Values { width, .. } => *width,
    };
    let rows: Vec<usize> = (0..matrix.rows()).collect();

    let started = Instant::now();
    let bins = Arc::new(Bins::fit(&matrix, &rows, 255)?);
    let binned = BinnedMatrix::new(&matrix, bins)?;
    let bin_seconds = started.elapsed().as_secs_f64();
    let dataset = Dataset {
        matrix: &matrix,
        binned: &binned,
        targets: &targets,
        outputs,
    };
    let fitted = fit(&config, &dataset, &rows, &[], Seed(0), &Clock::unlimited())?;
    let fit_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let predicted = fitted.model.predict(&test_matrix)?;
    let predict_seconds = started.elapsed().as_secs_f64();

    let metric = Metric::default_for(task);
    let score = metric.score(&predicted, &test_targets)?;
    let bytes = fitted.model.to_bytes().len();
    println!(
        "{{\"bin_seconds\":{bin_seconds:.4},\"fit_seconds\":{fit_seconds:.4},\
         \"predict_seconds\":{predict_seconds:.4},\"{metric}\":{score:.5},\"bytes\":{bytes}}}"
    );
    Ok(())
}

/// Settings under which the peers do the same work.
fn config(model: &str, count: usize) -> Result<BaselineConfig, Box<dyn Error>> {
    let forest = |config: ForestConfig| {
        BaselineConfig::Forest(ForestConfig {
            trees: count,
            ..config
        })
    };
    match model {
        "boosting" => Ok(BaselineConfig::Boosting(BoostingConfig {
            iterations: count,
            learning_rate: 0.1,
            l2: 0.0,
            ..BoostingConfig::default()
        })),
        "forest" => Ok(forest(ForestConfig::default())),
        "extra-trees" => Ok(forest(ForestConfig::extra_trees())),
        _ => Err(format!("unknown model `{model}`: boosting, forest or extra-trees").into()),
    }
}

fn read(path: &str, task: Task) -> Result<(Matrix, Targets), Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{path}`: {error}"))?;
    let (mut values, mut truth) = (Vec::new(), Vec::new());
    let mut width = 0;
    for line in text.lines() {
        let number = |cell: &str| {
            if cell.is_empty() {
                Ok(f32::NAN)
            } else {
                cell.parse()
            }
        };
        let mut row = line
            .split(',')
            .map(number)
            .collect::<Result<Vec<f32>, _>>()?;
        truth.extend(row.pop());
        width = row.len();
        values.extend(row);
    }
    let matrix = Matrix::new(truth.len(), vec![FeatureKind::Numeric; width], values)?;
    let targets = if task.is_classification() {
        Targets::Classes(truth.iter().map(|&class| class as u32).collect())
    } else {
        Targets::Values {
            width: 1,
            values: truth,
        }
    };
    Ok((matrix, targets))
}
