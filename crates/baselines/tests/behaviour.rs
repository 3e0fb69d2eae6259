//! What every classical model must do, whatever it is given.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test, as it should.

use std::sync::Arc;
use std::time::Duration;

use candor_baselines::{
    Baseline, BaselineConfig, BaselineError, BinnedMatrix, Bins, BoostingConfig, Dataset,
    FeatureKind, Fitted, ForestConfig, LinearConfig, Matrix, fit,
};
use candor_core::{Clock, Distribution, Hints, Interrupt, Metric, Seed, Targets};
use proptest::prelude::*;
use rand::RngExt;

/// Features, their bins and the truth, owned.
struct Data {
    matrix: Matrix,
    binned: BinnedMatrix,
    targets: Targets,
    outputs: usize,
}

impl Data {
    fn new(columns: Vec<FeatureKind>, values: Vec<f32>, targets: Targets, outputs: usize) -> Data {
        let matrix = Matrix::new(targets.len(), columns, values).unwrap();
        let rows: Vec<usize> = (0..matrix.rows()).collect();
        let bins = Arc::new(Bins::fit(&matrix, &rows, 255).unwrap());
        let binned = BinnedMatrix::new(&matrix, bins).unwrap();
        Data {
            matrix,
            binned,
            targets,
            outputs,
        }
    }

    fn dataset(&self) -> Dataset<'_> {
        let Data {
            matrix,
            binned,
            targets,
            outputs,
        } = self;
        Dataset {
            matrix,
            binned,
            targets,
            outputs: *outputs,
        }
    }

    fn fit(&self, config: &BaselineConfig, train: &[usize], validation: &[usize]) -> Fitted {
        fit(
            config,
            &self.dataset(),
            train,
            validation,
            Seed(7),
            &Clock::unlimited(),
        )
        .unwrap()
    }

    fn score(&self, metric: Metric, model: &Baseline, rows: &[usize]) -> f64 {
        let predicted = model.predict(&self.matrix).unwrap().select(rows);
        metric
            .score(&predicted, &self.targets.select(rows))
            .unwrap()
    }
}

/// One of each, small enough for a test.
fn configs() -> Vec<BaselineConfig> {
    vec![
        BaselineConfig::Trivial,
        BaselineConfig::Linear(LinearConfig::default()),
        BaselineConfig::Boosting(boosting()),
        BaselineConfig::Boosting(BoostingConfig {
            row_share: 0.5,
            column_share: 0.6,
            node_column_share: 0.6,
            ..boosting()
        }),
        BaselineConfig::Forest(forest()),
        BaselineConfig::Forest(ForestConfig {
            trees: 20,
            ..ForestConfig::extra_trees()
        }),
        BaselineConfig::Forest(ForestConfig {
            max_leaves: Some(8),
            ..forest()
        }),
    ]
}

fn boosting() -> BoostingConfig {
    BoostingConfig {
        iterations: 30,
        learning_rate: 0.2,
        ..BoostingConfig::default()
    }
}

fn forest() -> ForestConfig {
    ForestConfig {
        trees: 20,
        ..ForestConfig::default()
    }
}

/// `rows` of two numbers and one category of `levels`, a tenth missing; the class or the value depends on the
/// sign of the product of the numbers and on the category.
fn mixed(rows: usize, levels: u32, outputs: usize, regression: bool) -> Data {
    let mut rng = Seed(11).stream("test data", &[]);
    let (mut values, mut classes, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let (a, b) = (rng.random::<f32>() - 0.5, rng.random::<f32>() - 0.5);
        let category = rng.random_range(0..levels);
        let signal = u32::from(a * b > 0.0) + category * 7 % levels % 2;
        classes.push(signal % outputs as u32);
        numbers.extend((0..outputs).map(|o| signal as f32 * 10.0 + o as f32));
        let row = [a, b, category as f32];
        values.extend(row.map(|v| if rng.random_bool(0.1) { f32::NAN } else { v }));
    }
    let kind = FeatureKind::Categorical {
        cardinality: levels,
    };
    let columns = vec![FeatureKind::Numeric, FeatureKind::Numeric, kind];
    let targets = match regression {
        true => Targets::Values {
            width: outputs,
            values: numbers,
        },
        false => Targets::Classes(classes),
    };
    Data::new(columns, values, targets, outputs)
}

/// All kinds of outcome: two and three classes, one and two targets.
fn all_outcomes(rows: usize) -> Vec<Data> {
    vec![
        mixed(rows, 4, 2, false),
        mixed(rows, 300, 3, false),
        mixed(rows, 12, 1, true),
        mixed(rows, 4, 2, true),
    ]
}

fn assert_sound(predicted: &Distribution, rows: usize) {
    assert_eq!(predicted.len(), rows);
    assert!(predicted.is_finite());
    match predicted {
        Distribution::Categorical {
            classes,
            probabilities,
        } => {
            assert!(probabilities.iter().all(|&p| p > 0.0 && p < 1.0));
            for row in probabilities.chunks_exact(*classes) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
            }
        }
        Distribution::Gaussian { variance, .. } => assert!(variance.iter().all(|&v| v > 0.0)),
        other => panic!("no baseline gives {other:?}"),
    }
}

#[test]
fn every_model_is_sound_repeatable_and_survives_its_bytes() {
    for data in all_outcomes(300) {
        let (train, validation): (Vec<usize>, Vec<usize>) = (0..300).partition(|row| row % 3 > 0);
        for config in configs() {
            let fitted = data.fit(&config, &train, &validation);
            let predicted = fitted.model.predict(&data.matrix).unwrap();
            assert_sound(&predicted, 300);
            assert!(!fitted.stopped_early);
            let bytes = fitted.model.to_bytes();
            assert_eq!(
                data.fit(&config, &train, &validation).model.to_bytes(),
                bytes,
                "{config:?}"
            );
            let read = Baseline::from_bytes(&bytes).unwrap();
            assert_eq!(read, fitted.model);
            assert_eq!(read.predict(&data.matrix).unwrap(), predicted);
            assert!(read.parameters() >= 1);
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(
                serde_json::from_str::<BaselineConfig>(&text).unwrap(),
                config
            );
        }
    }
}

#[test]
fn another_seed_gives_another_forest() {
    let data = mixed(200, 4, 2, false);
    let rows: Vec<usize> = (0..200).collect();
    let config = BaselineConfig::Forest(forest());
    let bytes = |seed| {
        let clock = Clock::unlimited();
        fit(&config, &data.dataset(), &rows, &[], Seed(seed), &clock)
            .unwrap()
            .model
            .to_bytes()
    };
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn trees_learn_what_a_line_cannot() {
    let data = mixed(2000, 4, 2, false);
    let (train, test): (Vec<usize>, Vec<usize>) = (0..2000).partition(|row| row % 4 > 0);
    let accuracy = |config: &BaselineConfig| {
        data.score(
            Metric::Accuracy,
            &data.fit(config, &train, &[]).model,
            &test,
        )
    };
    // A tenth of each column is missing, so that about 0.865 can be reached.
    assert!(accuracy(&BaselineConfig::Boosting(boosting())) > 0.8);
    assert!(
        accuracy(&BaselineConfig::Forest(ForestConfig {
            min_leaf_rows: 5,
            ..forest()
        })) > 0.8
    );
    assert!(accuracy(&BaselineConfig::Linear(LinearConfig::default())) < 0.65);
}

#[test]
fn a_forest_solves_xor_exactly() {
    // No single split gains anything here.
    let values = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let data = Data::new(
        vec![FeatureKind::Numeric; 2],
        values,
        Targets::Classes(vec![0, 1, 1, 0]),
        2,
    );
    let config = ForestConfig {
        bootstrap: false,
        ..forest()
    };
    let model = data
        .fit(&BaselineConfig::Forest(config), &[0, 1, 2, 3], &[])
        .model;
    let Distribution::Categorical { probabilities, .. } = model.predict(&data.matrix).unwrap()
    else {
        panic!("classes");
    };
    // All trees agree; the floor is 1e-4 over two classes.
    for (p, expected) in probabilities
        .chunks_exact(2)
        .zip([0.00005, 0.99995, 0.99995, 0.00005])
    {
        assert!((p[1] - expected).abs() < 1e-6, "{p:?}");
    }
}

#[test]
fn a_hundred_categories_are_learned_and_unseen_ones_are_missing() {
    let rows = 6000;
    let mut rng = Seed(2).stream("test data", &[]);
    let codes: Vec<f32> = (0..rows)
        .map(|_| rng.random_range(0..100u32) as f32)
        .collect();
    // Categories 0, 3, 6, ... are mostly of class 1.
    let class =
        |code: &f32, noise: f32| u32::from((*code as u32).is_multiple_of(3) == (noise < 0.95));
    let classes = codes.iter().map(|code| class(code, rng.random())).collect();
    let kind = FeatureKind::Categorical { cardinality: 100 };
    let data = Data::new(vec![kind], codes, Targets::Classes(classes), 2);
    let (train, test): (Vec<usize>, Vec<usize>) = (0..rows).partition(|row| row % 4 > 0);
    let unseen = Matrix::new(2, vec![kind], vec![f32::NAN, 500.0]).unwrap();
    for config in configs().iter().skip(1) {
        let model = data.fit(config, &train, &[]).model;
        let accuracy = data.score(Metric::Accuracy, &model, &test);
        assert!(accuracy > 0.92, "{config:?}: {accuracy}");
        let predicted = model.predict(&unseen).unwrap();
        assert_eq!(predicted.select(&[0]), predicted.select(&[1]));
    }
}

#[test]
fn rare_categories_do_not_make_a_forest_believe_noise() {
    // Every row has its own category; the target is a coin.
    let rows = 200;
    let mut rng = Seed(4).stream("test data", &[]);
    let classes: Vec<u32> = (0..rows).map(|_| u32::from(rng.random_bool(0.5))).collect();
    let values = (0..rows).flat_map(|row| [row as f32, 0.0]).collect();
    let kind = FeatureKind::Categorical { cardinality: rows };
    let data = Data::new(
        vec![kind, FeatureKind::Numeric],
        values,
        Targets::Classes(classes),
        2,
    );
    let (train, test): (Vec<usize>, Vec<usize>) = (0..rows as usize).partition(|row| row % 2 > 0);
    let model = data
        .fit(&BaselineConfig::Boosting(boosting()), &train, &[])
        .model;
    assert!(data.score(Metric::LogLoss, &model, &test) < 0.75);
}

#[test]
fn boosting_stops_where_validation_was_best() {
    let data = mixed(400, 4, 2, false);
    let (train, validation): (Vec<usize>, Vec<usize>) = (0..400).partition(|row| row % 2 > 0);
    let config = BoostingConfig {
        iterations: 2000,
        patience: 10,
        min_leaf_rows: 2,
        ..boosting()
    };
    let stopped = data.fit(
        &BaselineConfig::Boosting(config.clone()),
        &train,
        &validation,
    );
    let best = stopped
        .history
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let at = stopped
        .history
        .iter()
        .position(|&loss| loss == best)
        .unwrap()
        + 1;
    assert_eq!(stopped.history.len(), at + 10);
    // Exactly the first `at` iterations are kept.
    let exact = BoostingConfig {
        iterations: at,
        ..config
    };
    let exact = data.fit(&BaselineConfig::Boosting(exact), &train, &[]);
    assert_eq!(exact.model.to_bytes(), stopped.model.to_bytes());
    let loss = data.score(Metric::LogLoss, &stopped.model, &validation);
    assert!((loss - best).abs() < 1e-4, "{loss} {best}");
}

#[test]
fn an_interrupt_is_an_error_and_a_deadline_keeps_what_there_is() {
    let data = mixed(300, 4, 3, false);
    let rows: Vec<usize> = (0..300).collect();
    let interrupted = Clock::unlimited();
    interrupted.interrupt().raise();
    let late = Clock::start(Some(Duration::ZERO), Duration::ZERO, Interrupt::default());
    let dataset = data.dataset();
    for config in configs().iter().skip(1) {
        let run = |clock| fit(config, &dataset, &rows, &[], Seed(0), clock);
        assert_eq!(
            run(&interrupted).unwrap_err(),
            BaselineError::Interrupted,
            "{config:?}"
        );
        assert_eq!(
            run(&late).unwrap_err(),
            BaselineError::OutOfTime,
            "{config:?}"
        );
    }
    let late_trivial = fit(
        &BaselineConfig::Trivial,
        &dataset,
        &rows,
        &[],
        Seed(0),
        &late,
    );
    assert!(late_trivial.is_ok());
    // More trees than anybody has time for.
    let clock = |ms| {
        Clock::start(
            Some(Duration::from_millis(ms)),
            Duration::ZERO,
            Interrupt::default(),
        )
    };
    let endless = [
        BaselineConfig::Forest(ForestConfig {
            trees: usize::MAX >> 12,
            ..ForestConfig::default()
        }),
        BaselineConfig::Boosting(BoostingConfig {
            iterations: usize::MAX >> 12,
            ..boosting()
        }),
    ];
    for config in endless {
        let fitted = fit(&config, &dataset, &rows, &[], Seed(0), &clock(300)).unwrap();
        assert!(fitted.stopped_early, "{config:?}");
        assert_sound(&fitted.model.predict(&data.matrix).unwrap(), 300);
        assert!(fitted.model.parameters() > 10);
    }
}

#[test]
fn degenerate_data_give_sound_models() {
    let nan = f32::NAN;
    let numeric = |n| vec![FeatureKind::Numeric; n];
    let values = |values: &[f32]| Targets::Values {
        width: 1,
        values: values.to_vec(),
    };
    let classes = |classes: &[u32]| Targets::Classes(classes.to_vec());
    let infinite = vec![f32::INFINITY, f32::NEG_INFINITY, 1.0, f32::MAX];
    let cases = [
        (
            "one row",
            Data::new(numeric(1), vec![1.0], classes(&[1]), 2),
        ),
        (
            "one row to regress",
            Data::new(numeric(1), vec![1.0], values(&[5.0]), 1),
        ),
        (
            "all missing",
            Data::new(numeric(2), vec![nan; 8], classes(&[0, 1, 0, 1]), 2),
        ),
        (
            "all missing to regress",
            Data::new(numeric(2), vec![nan; 8], values(&[0.0, 1.0, 2.0, 3.0]), 1),
        ),
        (
            "constant target",
            Data::new(numeric(1), vec![1.0, 2.0, 3.0, 4.0], values(&[3.0; 4]), 1),
        ),
        (
            "one class",
            Data::new(numeric(1), vec![1.0, 2.0, 3.0], classes(&[2, 2, 2]), 4),
        ),
        (
            "infinities",
            Data::new(numeric(1), infinite, classes(&[0, 1, 1, 0]), 2),
        ),
        (
            "no columns",
            Data::new(numeric(0), vec![], classes(&[0, 1, 1]), 2),
        ),
        (
            "extreme targets",
            Data::new(numeric(1), vec![1.0, 2.0], values(&[f32::MAX, f32::MIN]), 1),
        ),
        (
            "tiny targets",
            Data::new(numeric(1), vec![1.0, 2.0], values(&[1e-40, 2e-40]), 1),
        ),
        ("no categories", {
            let kind = FeatureKind::Categorical { cardinality: 0 };
            Data::new(vec![kind], vec![nan, 0.0], classes(&[0, 1]), 2)
        }),
    ];
    let patient = BoostingConfig {
        min_leaf_rows: 1,
        ..boosting()
    };
    for (name, data) in cases {
        let rows: Vec<usize> = (0..data.matrix.rows()).collect();
        for config in configs()
            .into_iter()
            .chain([BaselineConfig::Boosting(patient.clone())])
        {
            for validation in [&rows[..], &[]] {
                let model = data.fit(&config, &rows, validation).model;
                assert_sound(&model.predict(&data.matrix).unwrap(), rows.len());
                let read = Baseline::from_bytes(&model.to_bytes());
                assert_eq!(read.as_ref(), Ok(&model), "{name}: {config:?}");
            }
        }
    }
}

#[test]
fn a_constant_target_is_predicted() {
    let targets = Targets::Values {
        width: 2,
        values: [3.0, -1.0].repeat(4),
    };
    let data = Data::new(
        vec![FeatureKind::Numeric],
        vec![1.0, 2.0, 3.0, 4.0],
        targets,
        2,
    );
    for config in configs() {
        let model = data.fit(&config, &[0, 1, 2, 3], &[]).model;
        let Distribution::Gaussian { mean, .. } = model.predict(&data.matrix).unwrap() else {
            panic!("numbers");
        };
        for row in mean.chunks_exact(2) {
            assert!(
                (row[0] - 3.0).abs() < 1e-5 && (row[1] + 1.0).abs() < 1e-5,
                "{config:?} {row:?}"
            );
        }
    }
}

#[test]
fn the_variance_is_the_mean_squared_residual_on_validation() {
    let targets = Targets::Values {
        width: 1,
        values: vec![0.0, 2.0, 4.0, -2.0],
    };
    let data = Data::new(vec![FeatureKind::Numeric], vec![0.0; 4], targets, 1);
    // Mean of the first two is 1; residuals of the last two are 3 and -3.
    let model = data.fit(&BaselineConfig::Trivial, &[0, 1], &[2, 3]).model;
    let expected = Distribution::Gaussian {
        width: 1,
        mean: vec![1.0; 4],
        variance: vec![9.0; 4],
    };
    assert_eq!(model.predict(&data.matrix).unwrap(), expected);
}

#[test]
fn trivial_says_the_shares_and_never_zero() {
    let data = Data::new(vec![], vec![], Targets::Classes(vec![0, 0, 0, 1]), 3);
    let model = data.fit(&BaselineConfig::Trivial, &[0, 1, 2, 3], &[]).model;
    let Distribution::Categorical { probabilities, .. } = model.predict(&data.matrix).unwrap()
    else {
        panic!("classes");
    };
    // The class without rows counts as half a row: 3 : 1 : 0.5.
    for (p, expected) in probabilities.iter().zip([3.0 / 4.5, 1.0 / 4.5, 0.5 / 4.5]) {
        assert!((p - expected).abs() < 1e-4, "{probabilities:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_advice() {
    let data = mixed(20, 4, 2, false);
    let other = mixed(10, 4, 2, false);
    let numbers = |value: f32| Targets::Values {
        width: 1,
        values: vec![value; 20],
    };
    let (infinite, finite) = (numbers(f32::INFINITY), numbers(0.0));
    let trivial = BaselineConfig::Trivial;
    let run = |dataset: &Dataset<'_>, train: &[usize]| {
        fit(&trivial, dataset, train, &[], Seed(0), &Clock::unlimited()).unwrap_err()
    };
    let whole = data.dataset();
    assert_eq!(run(&whole, &[]), BaselineError::NoRows);
    assert_eq!(run(&whole, &[20]), BaselineError::Row { row: 20, rows: 20 });
    let short = Dataset {
        targets: &other.targets,
        ..whole
    };
    assert!(matches!(
        run(&short, &[0]),
        BaselineError::Lengths {
            what: "targets",
            expected: 20,
            got: 10
        }
    ));
    let short = Dataset {
        binned: &other.binned,
        ..whole
    };
    assert!(matches!(
        run(&short, &[0]),
        BaselineError::Lengths { what: "bins", .. }
    ));
    assert!(matches!(
        run(
            &Dataset {
                outputs: 1,
                ..whole
            },
            &[0]
        ),
        BaselineError::Outputs { .. }
    ));
    let too_many = Targets::Classes(vec![5; 20]);
    let error = run(
        &Dataset {
            targets: &too_many,
            ..whole
        },
        &[3],
    );
    assert_eq!(
        error,
        BaselineError::Class {
            row: 3,
            class: 5,
            classes: 2
        }
    );
    assert_eq!(error.hints().len(), 1);
    let labels = Targets::Labels {
        width: 2,
        values: vec![Some(true); 40],
    };
    let error = run(
        &Dataset {
            targets: &labels,
            ..whole
        },
        &[3],
    );
    assert_eq!(error, BaselineError::Labels { labels: 2 });
    assert_eq!(error.hints().len(), 1);
    let error = run(
        &Dataset {
            targets: &infinite,
            outputs: 1,
            ..whole
        },
        &[3],
    );
    assert!(matches!(
        error,
        BaselineError::Target {
            row: 3,
            target: 0,
            ..
        }
    ));
    assert!(matches!(
        run(
            &Dataset {
                targets: &finite,
                ..whole
            },
            &[0]
        ),
        BaselineError::Outputs { .. }
    ));
}

#[test]
fn settings_outside_their_range_are_named() {
    let boosted = |config| BaselineConfig::Boosting(config);
    let base = BoostingConfig::default;
    let cases = [
        (
            "learning_rate",
            boosted(BoostingConfig {
                learning_rate: 0.0,
                ..base()
            }),
        ),
        (
            "row_share",
            boosted(BoostingConfig {
                row_share: 1.5,
                ..base()
            }),
        ),
        (
            "l2",
            boosted(BoostingConfig {
                l2: f64::NAN,
                ..base()
            }),
        ),
        (
            "max_leaves",
            boosted(BoostingConfig {
                max_leaves: 1,
                ..base()
            }),
        ),
        (
            "trees",
            BaselineConfig::Forest(ForestConfig {
                trees: 0,
                ..forest()
            }),
        ),
        (
            "max_features",
            BaselineConfig::Forest(ForestConfig {
                max_features: Some(-1.0),
                ..forest()
            }),
        ),
        (
            "l2",
            BaselineConfig::Linear(LinearConfig {
                l2: vec![],
                ..LinearConfig::default()
            }),
        ),
        (
            "l2",
            BaselineConfig::Linear(LinearConfig {
                l2: vec![0.0],
                ..LinearConfig::default()
            }),
        ),
    ];
    for (setting, config) in cases {
        match config.check() {
            Err(BaselineError::Setting { name, .. }) => assert_eq!(name, setting),
            other => panic!("{setting}: {other:?}"),
        }
    }
    for config in BaselineConfig::all() {
        assert_eq!(config.check(), Ok(()));
    }
    let unknown = serde_json::from_str::<BaselineConfig>(r#"{"kind":"boosting","leafs":3}"#);
    assert!(unknown.unwrap_err().to_string().contains("leafs"));
}

#[test]
fn a_model_refuses_other_columns() {
    let data = mixed(60, 4, 2, false);
    let rows: Vec<usize> = (0..60).collect();
    let fewer = Matrix::new(1, vec![FeatureKind::Numeric], vec![0.0]).unwrap();
    let other = Matrix::new(1, vec![FeatureKind::Numeric; 3], vec![0.0; 3]).unwrap();
    for config in configs() {
        let model = data.fit(&config, &rows, &[]).model;
        assert_eq!(
            model.predict(&fewer).unwrap_err(),
            BaselineError::Columns {
                expected: 3,
                got: 1
            }
        );
        if config != BaselineConfig::Trivial {
            let error = model.predict(&other).unwrap_err();
            assert!(
                matches!(error, BaselineError::ColumnKind { column: 2, .. }),
                "{config:?}"
            );
        }
    }
}

#[test]
fn newer_formats_are_named() {
    let data = mixed(20, 4, 2, false);
    let mut bytes = data
        .fit(&BaselineConfig::Trivial, &[0, 1], &[])
        .model
        .to_bytes();
    bytes[4] = 200;
    let error = Baseline::from_bytes(&bytes).unwrap_err();
    assert_eq!(
        error,
        BaselineError::Version {
            found: 200,
            supported: 1
        }
    );
    assert!(matches!(
        Baseline::from_bytes(b"PK"),
        Err(BaselineError::Corrupt { .. })
    ));
}

/// Small models of every kind and outcome, with the data they accept.
fn stored() -> Vec<(Vec<u8>, Matrix)> {
    let mut stored = Vec::new();
    for data in all_outcomes(80) {
        let rows: Vec<usize> = (0..80).collect();
        for config in configs() {
            stored.push((
                data.fit(&config, &rows, &[]).model.to_bytes(),
                data.matrix.clone(),
            ));
        }
    }
    stored
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn altered_bytes_are_an_error_or_a_model_that_still_runs(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (bytes, matrix) in stored() {
            let mut altered = bytes.clone();
            for (at, byte) in &changes {
                altered[at.index(bytes.len())] = *byte;
            }
            if let Ok(model) = Baseline::from_bytes(&altered)
                && let Ok(predicted) = model.predict(&matrix)
            {
                prop_assert_eq!(predicted.len(), matrix.rows());
            }
            prop_assert!(Baseline::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut with_head = b"CNBL\x01\x00".to_vec();
        with_head.extend(&bytes);
        let _ = Baseline::from_bytes(&with_head);
        prop_assert!(Baseline::from_bytes(&bytes).is_err());
    }

    #[test]
    fn any_numbers_are_learned_from_without_panic(
        cells in prop::collection::vec(prop_oneof![
            any::<f32>(),
            Just(f32::NAN),
            (0u32..5).prop_map(|v| v as f32),
        ], 60),
        classes in prop::collection::vec(0u32..3, 30),
    ) {
        let kind = FeatureKind::Categorical { cardinality: 4 };
        let data = Data::new(vec![FeatureKind::Numeric, kind], cells, Targets::Classes(classes), 3);
        let rows: Vec<usize> = (0..30).collect();
        for config in configs() {
            let model = data.fit(&config, &rows[..20], &rows[20..]).model;
            assert_sound(&model.predict(&data.matrix).unwrap(), 30);
        }
    }
}
