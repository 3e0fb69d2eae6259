//! The training loop on networks so small that each run takes a moment.
#![allow(clippy::unwrap_used)] // A helper that panics fails its test, as it should.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Clock, Distribution, Interrupt, Metric, Seed, Stop, Targets};
use candor_nn::{Head, HeadConfig, HeadKind, Linear, LinearConfig, Pass, Weights, dropout};
use candor_train::{
    Batches, Evaluation, Network, Output, Recipe, TrainError, Trained, Validation, fit, predict,
};

/// A linear body and a head.
#[derive(Module, Debug)]
struct Line {
    body: Linear,
    head: Head,
    dropout: f64,
}

impl Network for Line {
    type Batch = Tensor<3>;

    fn forward(&self, batch: &Tensor<3>, pass: &mut Pass) -> Output {
        let embedding = dropout(self.body.forward(batch.clone()), self.dropout, pass);
        Output {
            raw: self.head.forward(embedding.clone()),
            embedding,
        }
    }
}

/// One number a unit. Keeps a record of the batches that were asked for.
struct Points {
    values: Vec<f32>,
    /// Which of the training batches hold no numbers, counted from 0.
    spoiled: BTreeSet<usize>,
    trained_on: RefCell<Vec<Vec<usize>>>,
    judged_on: RefCell<Vec<Vec<usize>>>,
}

impl Batches for Points {
    type Batch = Tensor<3>;

    fn batch(&self, indices: &[usize], device: &Device) -> Tensor<3> {
        let mut values: Vec<f32> = indices.iter().map(|&i| self.values[i]).collect();
        // Only training differentiates.
        let training = device.is_autodiff();
        let record = if training {
            &self.trained_on
        } else {
            &self.judged_on
        };
        if training && self.spoiled.contains(&record.borrow().len()) {
            values.fill(f32::NAN);
        }
        record.borrow_mut().push(indices.to_vec());
        Tensor::from_data(TensorData::new(values, [1, indices.len(), 1]), device)
    }
}

/// All that `fit` takes, for a test to change before it trains.
struct Problem {
    data: Points,
    targets: Targets,
    units: Vec<usize>,
    validation: Vec<usize>,
    head: HeadKind,
    dropout: f64,
    recipe: Recipe,
    seed: Seed,
    clock: Clock,
}

impl Problem {
    /// `y = 2 x - 1` for `x` from -1 to 1; each fourth unit is kept for validation.
    fn line(units: usize) -> Problem {
        let values: Vec<f32> = (0..units)
            .map(|i| 2.0 * i as f32 / units as f32 - 1.0)
            .collect();
        let (validation, units) = (0..units).partition(|i| i % 4 == 3);
        Problem {
            targets: Targets::Values {
                width: 1,
                values: values.iter().map(|x| 2.0 * x - 1.0).collect(),
            },
            data: Points {
                values,
                spoiled: BTreeSet::new(),
                trained_on: RefCell::default(),
                judged_on: RefCell::default(),
            },
            units,
            validation,
            head: HeadKind::Gaussian {
                width: 1,
                beta: 0.5,
            },
            dropout: 0.0,
            recipe: Recipe {
                learning_rate: 0.02,
                batch_size: 8,
                epochs: 60,
                ..Recipe::default()
            },
            seed: Seed(1),
            clock: Clock::unlimited(),
        }
    }

    /// Steps that are alike: one unit, all in each step, a constant learning rate, the last weights returned.
    fn steady(steps: usize) -> Problem {
        let problem = Problem::line(4);
        Problem {
            units: vec![0],
            validation: Vec::new(),
            recipe: Recipe {
                epochs: steps,
                warmup: 0.0,
                final_rate: 1.0,
                averaging: 0.0,
                ..problem.recipe.clone()
            },
            ..problem
        }
    }

    fn network(&self, device: &Device) -> Line {
        let mut stream = self.seed.stream("init", &[]);
        let body = LinearConfig {
            input: 1,
            output: 4,
        };
        let head = HeadConfig {
            members: 1,
            input: 4,
            kind: self.head.clone(),
        };
        Line {
            body: body.init(&mut stream, device),
            head: head.init(&mut stream, device),
            dropout: self.dropout,
        }
    }

    fn fit_from(
        &self,
        network: Line,
        loss: &dyn Fn(&Distribution) -> f64,
    ) -> Result<Trained, TrainError> {
        fit(
            network,
            &self.data,
            &self.targets,
            &self.units,
            &Validation {
                units: &self.validation,
                loss,
            },
            &self.head,
            &self.recipe,
            self.seed,
            &self.clock,
        )
    }

    fn fit_with(&self, loss: &dyn Fn(&Distribution) -> f64) -> Result<Trained, TrainError> {
        self.fit_from(self.network(&Device::flex().autodiff()), loss)
    }

    /// Judged by the metric of the task.
    fn fit(&self) -> Result<Trained, TrainError> {
        self.fit_with(&|predicted| match self.targets {
            Targets::Values { .. } => self.score(Metric::Rmse, predicted),
            Targets::Classes(_) | Targets::Labels { .. } => self.score(Metric::LogLoss, predicted),
        })
    }

    fn score(&self, metric: Metric, predicted: &Distribution) -> f64 {
        let truth = self.targets.select(&self.validation);
        metric.score(predicted, &truth).unwrap()
    }

    /// What a network with these weights says of the validation units.
    fn predict(&self, weights: &Weights) -> Distribution {
        let device = Device::flex();
        let network = weights.load_into(self.network(&device)).unwrap();
        let predicted = predict(&network, &self.data, &self.validation, &self.head, &device);
        predicted.mixture().unwrap()
    }
}

/// The weights bit by bit.
fn bits(weights: &Weights) -> Vec<u8> {
    weights.to_safetensors().unwrap()
}

#[test]
fn a_line_is_learned() {
    let problem = Problem::line(64);
    let trained = problem.fit().unwrap();
    let predicted = problem.predict(&trained.weights);
    let rmse = problem.score(Metric::Rmse, &predicted);
    assert!(rmse < 0.05, "{rmse}");
    assert_eq!((trained.recoveries, trained.stopped_early), (0, false));
    let losses: Vec<f64> = trained.history.iter().map(|e| e.train_loss).collect();
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");
    // What is returned is what was best.
    let looks = trained.history.iter().map(|e| e.validation_loss);
    assert_eq!(rmse, looks.fold(f64::INFINITY, f64::min));
}

#[test]
fn two_classes_are_learned() {
    let mut problem = Problem::line(64);
    let classes = problem.data.values.iter().map(|x| u32::from(*x > 0.0));
    problem.targets = Targets::Classes(classes.collect());
    problem.head = HeadKind::Softmax {
        classes: 2,
        label_smoothing: 0.0,
    };
    let trained = problem.fit().unwrap();
    let predicted = problem.predict(&trained.weights);
    assert_eq!(problem.score(Metric::Accuracy, &predicted), 1.0);
}

#[test]
fn labels_are_learned_from_the_units_where_they_are_known() {
    let mut problem = Problem::line(64);
    // The first label is known everywhere; the second, its opposite, on every other unit of training, and false wherever it is not.
    let known = |i: usize| i % 4 == 3 || i.is_multiple_of(2);
    let labels = problem.data.values.iter().enumerate().flat_map(|(i, x)| {
        let applies = *x > 0.0;
        [Some(applies), known(i).then_some(!applies)]
    });
    problem.targets = Targets::Labels {
        width: 2,
        values: labels.collect(),
    };
    problem.head = HeadKind::Sigmoid {
        width: 2,
        label_smoothing: 0.0,
    };
    let trained = problem.fit().unwrap();
    let predicted = problem.predict(&trained.weights);
    assert_eq!(problem.score(Metric::Accuracy, &predicted), 1.0);
    assert_eq!(problem.score(Metric::F1, &predicted), 1.0);
}

#[test]
fn quantiles_of_a_line_with_noise_are_learned() {
    let mut problem = Problem::line(400);
    // Noise that is 0, 1/4, 1/2, 3/4 or 1 in turn: its median is 1/2 and its outer deciles are 0 and 1.
    let noisy = problem.data.values.iter().enumerate();
    problem.targets = Targets::Values {
        width: 1,
        values: noisy.map(|(i, x)| x + (i % 5) as f32 / 4.0).collect(),
    };
    problem.head = HeadKind::Quantile {
        width: 1,
        levels: vec![0.1, 0.5, 0.9],
    };
    let trained = problem
        .fit_with(&|p| problem.score(Metric::Crps, p))
        .unwrap();
    let Distribution::Quantiles { values, .. } = problem.predict(&trained.weights) else {
        panic!("a quantile head gives quantiles");
    };
    for (cell, &i) in values.chunks(3).zip(&problem.validation) {
        let x = problem.data.values[i];
        for (q, noise) in cell.iter().zip([0.0, 0.5, 1.0]) {
            assert!((q - x - noise).abs() < 0.2, "{x}: {cell:?}");
        }
    }
}

#[test]
fn several_numbers_a_unit_are_learned_each_in_its_place() {
    let mut problem = Problem::line(64);
    let pairs = problem.data.values.iter().flat_map(|x| [2.0 * x, -x]);
    problem.targets = Targets::Values {
        width: 2,
        values: pairs.collect(),
    };
    problem.head = HeadKind::Gaussian {
        width: 2,
        beta: 0.5,
    };
    let trained = problem.fit().unwrap();
    let rmse = problem.score(Metric::Rmse, &problem.predict(&trained.weights));
    assert!(rmse < 0.05, "{rmse}");
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let train = |dropout: f64, seed: u64| {
        let problem = Problem {
            dropout,
            seed: Seed(seed),
            ..Problem::line(32)
        };
        // From the same network, so that order and masks alone can differ.
        let network = Problem::line(32).network(&Device::flex().autodiff());
        let network = Line { dropout, ..network };
        let trained = problem.fit_from(network, &|p| problem.score(Metric::Rmse, p));
        let trained = trained.unwrap();
        (bits(&trained.weights), trained.history)
    };
    for dropout in [0.0, 0.3] {
        assert_eq!(train(dropout, 1), train(dropout, 1));
        assert_ne!(train(dropout, 1).0, train(dropout, 2).0);
    }
    // What is to be dropped in training is dropped.
    assert_ne!(train(0.0, 1).0, train(0.3, 1).0);
}

#[test]
fn training_stops_when_nothing_improves_and_returns_the_best() {
    let nan = f64::NAN;
    // Patience, losses that validation will see, the best of them; what lies beyond is not to be asked for.
    let cases: [(usize, &[f64], usize); 5] = [
        (3, &[5.0, 4.0, 3.0, 9.0, 8.0, 7.0], 2),
        // The first is the best; an equal loss is no improvement.
        (2, &[1.0, 1.0, 1.0], 0),
        // Not a number is no improvement, first or later.
        (2, &[nan, 5.0, nan, 4.0, nan, nan], 3),
        (1, &[5.0, 4.0, 4.5], 1),
        // None at all is as one.
        (0, &[5.0, 4.0, 4.5], 1),
    ];
    for averaging in [0.0, 0.9] {
        for (patience, losses, best) in cases {
            let mut problem = Problem::line(32);
            problem.recipe.averaging = averaging;
            problem.recipe.patience = patience;
            let seen = RefCell::new(Vec::new());
            let trained = problem.fit_with(&|predicted| {
                seen.borrow_mut().push(predicted.clone());
                losses[seen.borrow().len() - 1]
            });
            let (trained, seen) = (trained.unwrap(), seen.into_inner());
            assert_eq!(trained.history.len(), losses.len());
            for (look, loss) in trained.history.iter().zip(losses) {
                assert_eq!(look.validation_loss.to_bits(), loss.to_bits());
            }
            let predicted = problem.predict(&trained.weights);
            assert_eq!(predicted, seen[best]);
            assert_ne!(predicted, seen[losses.len() - 1]);
            // The recipe was ended by its own rule.
            assert!(!trained.stopped_early);
        }
    }
}

#[test]
fn without_validation_all_epochs_are_run_and_the_last_weights_returned() {
    for patience in [0, 1, 16] {
        let mut problem = Problem::line(32);
        problem.validation = Vec::new();
        problem.recipe.patience = patience;
        let trained = problem
            .fit_with(&|_| panic!("there is nothing to judge"))
            .unwrap();
        assert_eq!(trained.history.last().unwrap().epoch, 60.0);
        assert!(trained.history.iter().all(|e| e.validation_loss.is_nan()));
        assert!(problem.data.judged_on.borrow().is_empty());
        problem.validation = (0..32).collect();
        let rmse = problem.score(Metric::Rmse, &problem.predict(&trained.weights));
        assert!(rmse < 0.1, "{rmse}");
    }
}

#[test]
fn each_epoch_shows_each_unit_once_in_batches_of_nearly_one_size() {
    // Units, batch size, batches an epoch.
    let cases = [
        (1, 256, 1),
        (5, 256, 1),
        (5, 0, 5),
        (7, 1, 7),
        (10, 4, 3),
        (32, 8, 4),
        // Many small batches: what is too much for 100 batches of 3 is spread.
        (301, 3, 100),
    ];
    for (count, batch_size, batches) in cases {
        let mut problem = Problem::line(count + 2);
        // Not all units, and not from 0 on.
        problem.units = (2..count + 2).collect();
        problem.validation = vec![0, 1];
        problem.recipe.batch_size = batch_size;
        problem.recipe.epochs = 2;
        problem.fit().unwrap();
        let asked = problem.data.trained_on.borrow();
        assert_eq!(asked.len(), 2 * batches);
        for epoch in asked.chunks(batches) {
            let mut shown = epoch.concat();
            shown.sort_unstable();
            assert_eq!(
                shown, problem.units,
                "{count} units in batches of {batch_size}"
            );
            let sizes = epoch.iter().map(Vec::len);
            let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
            assert!(least + 1 >= most, "{least} to {most}");
        }
        let orders: Vec<Vec<usize>> = asked.chunks(batches).map(<[_]>::concat).collect();
        assert!(count < 7 || orders[0] != orders[1]);
        // Validation is judged and never learned from.
        let judged = problem.data.judged_on.borrow();
        assert!(!judged.is_empty() && judged.iter().all(|batch| *batch == [0, 1]));
    }
}

#[test]
fn the_average_of_the_weights_decays_by_the_step() {
    let weights_after = |steps: usize| Problem::steady(steps).fit().unwrap().weights;
    // With few steps behind it the average is short, whatever is asked for; 0.2 is never too long.
    for averaging in [0.2, 0.98] {
        let mut problem = Problem::steady(13);
        problem.recipe.averaging = averaging;
        let averaged = problem.fit().unwrap();
        // Looks after 12 steps and after the last one.
        assert_eq!(averaged.history.len(), 2);
        let mut expected = Weights::of(&problem.network(&Device::flex()));
        // The average is moved after so many steps, of which so many are new.
        for (steps, new) in [(4, 4), (8, 4), (12, 4), (13, 1)] {
            let decay = f64::min(averaging, steps as f64 / (steps as f64 + 9.0));
            let share = 1.0 - decay.powi(new);
            expected.move_towards(&weights_after(steps), share as f32);
        }
        assert_eq!(bits(&averaged.weights), bits(&expected));
        assert_ne!(bits(&averaged.weights), bits(&weights_after(13)));
    }
}

#[test]
fn many_validation_units_are_looked_at_less_often() {
    let first_look = |validation: usize| {
        let problem = Problem::line(256);
        let problem = Problem {
            units: (0..64).collect(),
            validation: (64..64 + validation).collect(),
            ..problem
        };
        problem.fit().unwrap().history[0].epoch
    };
    // Eight steps an epoch; at least twelve between two looks.
    assert_eq!(first_look(16), 1.5);
    // 192 units cost as much as eight steps, which 53 must carry.
    assert_eq!(first_look(192), 53.0 / 8.0);
}

#[test]
fn a_clock_with_fewer_steps_shortens_the_schedule() {
    let within = |steps: usize, most: Option<usize>| {
        let problem = Problem::steady(steps);
        let problem = Problem {
            clock: problem.clock.clone().with_steps(most),
            recipe: Recipe {
                final_rate: 0.1,
                ..problem.recipe.clone()
            },
            ..problem
        };
        let trained = problem.fit().unwrap();
        assert!(!trained.stopped_early);
        bits(&trained.weights)
    };
    assert_eq!(within(30, Some(13)), within(13, None));
    assert_eq!(within(13, Some(30)), within(13, None));
    assert_ne!(within(30, Some(13)), within(30, None));
}

#[test]
fn training_goes_on_from_the_last_good_weights_at_half_the_rate() {
    // The first look is after 12 steps, the second after 24. The step after the first look fails, and one later.
    let mut problem = Problem::steady(24);
    problem.data.spoiled = BTreeSet::from([12, 15]);
    let trained = problem.fit().unwrap();
    assert_eq!(trained.recoveries, 2);
    // The same by hand: two steps between the failures are lost, eight after them count.
    let good = Problem::steady(12).fit().unwrap().weights;
    let mut rest = Problem::steady(8);
    rest.recipe.learning_rate *= 0.25;
    let network = good
        .load_into(rest.network(&Device::flex().autodiff()))
        .unwrap();
    let expected = rest.fit_from(network, &|_| f64::NAN).unwrap();
    assert_eq!(bits(&trained.weights), bits(&expected.weights));
}

#[test]
fn the_average_starts_anew_from_the_last_good_weights() {
    // The first look is after 12 steps, the next one fails, and the last look is two steps later.
    let mut problem = Problem::steady(15);
    problem.recipe.averaging = 0.98;
    problem.data.spoiled = BTreeSet::from([12]);
    let averaged = problem.fit().unwrap().weights;
    let mut expected = Problem::steady(12).fit().unwrap().weights;
    let mut rest = Problem::steady(2);
    rest.recipe.learning_rate *= 0.5;
    let network = expected
        .load_into(rest.network(&Device::flex().autodiff()))
        .unwrap();
    let last = rest.fit_from(network, &|_| f64::NAN).unwrap().weights;
    let share = 1.0 - (15.0f64 / 24.0).powi(2);
    expected.move_towards(&last, share as f32);
    assert_eq!(bits(&averaged), bits(&expected));
}

#[test]
fn a_few_bad_batches_do_not_keep_a_line_from_being_learned() {
    let mut problem = Problem::line(64);
    problem.data.spoiled = BTreeSet::from([0, 30, 31, 100]);
    problem.recipe.epochs = 200;
    let trained = problem.fit().unwrap();
    assert_eq!(trained.recoveries, 4);
    assert!(trained.weights.is_finite());
    let rmse = problem.score(Metric::Rmse, &problem.predict(&trained.weights));
    assert!(rmse < 0.1, "{rmse}");
}

#[test]
fn losses_that_stay_infinite_or_undefined_are_reported() {
    let spoil = |problem: &mut Problem, value: f32| match &mut problem.targets {
        Targets::Values { values, .. } => values[0] = value,
        Targets::Classes(_) | Targets::Labels { .. } => unreachable!("a line has values"),
    };
    // What is wrong, and whether each step fails from the first on.
    type Change = Box<dyn Fn(&mut Problem)>;
    let cases: [(Change, bool); 5] = [
        (Box::new(move |p| spoil(p, f32::INFINITY)), true),
        (Box::new(move |p| spoil(p, f32::NAN)), true),
        (Box::new(|p| p.data.values[0] = f32::NAN), true),
        (Box::new(|p| p.data.values[0] = f32::NEG_INFINITY), true),
        // The first step succeeds, and leads to where squares overflow.
        (Box::new(|p| p.recipe.learning_rate = 1e30), false),
    ];
    for (change, at_once) in cases {
        let mut problem = Problem::steady(100);
        change(&mut problem);
        let error = problem.fit().unwrap_err();
        let TrainError::Diverged {
            learning_rate,
            step,
        } = error
        else {
            panic!("{error}");
        };
        // The fifth failure is one too many; the rate was halved four times.
        let expected = problem.recipe.learning_rate / 16.0;
        assert!((learning_rate / expected - 1.0).abs() < 1e-9);
        assert_eq!(step, if at_once { 4 } else { 9 });
        let message = error.to_string();
        assert!(
            message.starts_with("the loss is not a finite number"),
            "{message}"
        );
    }
}

#[test]
fn weights_that_are_no_numbers_are_never_returned() {
    // The only step succeeds, and its rate is infinite in 32 bits.
    for averaging in [0.0, 0.98] {
        let mut problem = Problem::steady(1);
        problem.recipe.learning_rate = 1e39;
        problem.recipe.averaging = averaging;
        let error = problem.fit().unwrap_err();
        assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    }
}

#[test]
fn a_validation_that_is_never_a_number_gives_an_error_and_no_weights() {
    let error = Problem::line(32).fit_with(&|_| f64::NAN).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}

#[test]
fn nothing_is_learned_from_no_units() {
    let mut problem = Problem::line(8);
    problem.units = Vec::new();
    let error = problem.fit().unwrap_err();
    assert!(matches!(error, TrainError::NoUnits), "{error}");
}

#[test]
fn one_unit_and_one_epoch_are_enough_to_return_something() {
    for epochs in [0, 1] {
        let mut problem = Problem::line(8);
        problem.units = vec![5];
        problem.recipe.epochs = epochs;
        let trained = problem.fit().unwrap();
        assert_eq!(trained.history.len(), 1);
        assert!(trained.weights.is_finite() && !trained.stopped_early);
    }
}

#[test]
fn an_interrupt_stops_before_the_first_step_and_after_any_look() {
    let problem = Problem::line(32);
    problem.clock.interrupt().raise();
    let error = problem.fit().unwrap_err();
    assert!(
        matches!(error, TrainError::Stopped(Stop::Interrupted)),
        "{error}"
    );
    assert!(problem.data.trained_on.borrow().is_empty());

    let problem = Problem::line(32);
    let looks = Cell::new(0);
    let result = problem.fit_with(&|_| {
        looks.set(looks.get() + 1);
        if looks.get() == 2 {
            problem.clock.interrupt().raise();
        }
        1.0
    });
    // There are weights to keep, but nobody waits for them.
    let error = result.unwrap_err();
    assert!(
        matches!(error, TrainError::Stopped(Stop::Interrupted)),
        "{error}"
    );
    assert_eq!(looks.get(), 2);
}

fn limited(limit: Duration) -> Clock {
    Clock::start(Some(limit), Duration::ZERO, Interrupt::default())
}

#[test]
fn training_without_end_ends_by_the_deadline_with_a_last_look() {
    let limit = Duration::from_millis(600);
    let looked_last = || {
        let mut problem = Problem::line(64);
        problem.recipe.epochs = 100_000_000;
        problem.recipe.patience = usize::MAX;
        problem.clock = limited(limit);
        let started = Instant::now();
        let trained = problem.fit().unwrap();
        // A busy machine may take long over the last step.
        assert!(started.elapsed() < limit + Duration::from_secs(2));
        assert!(trained.stopped_early);
        assert!(trained.weights.is_finite());
        let last = trained.history.last().unwrap();
        assert!(last.validation_loss.is_finite());
        // 48 units in steps of 8.
        let steps = problem.data.trained_on.borrow().len();
        steps < 600_000_000 && last.epoch == steps as f64 / 6.0
    };
    // A machine that stalls may miss the time that is kept for the last look, but hardly three times in a row.
    assert!((0..3).any(|_| looked_last()));
}

#[test]
fn what_was_good_is_kept_when_time_runs_out_between_looks() {
    let limit = Duration::from_millis(600);
    let mut problem = Problem::line(32);
    problem.clock = limited(limit);
    let trained = problem.fit_with(&|_| {
        std::thread::sleep(limit);
        1.0
    });
    let trained = trained.unwrap();
    assert!(trained.stopped_early);
    assert_eq!(trained.history.len(), 1);
}

#[test]
fn without_time_there_is_nothing_to_keep() {
    let mut problem = Problem::line(32);
    problem.clock = limited(Duration::ZERO);
    let error = problem.fit().unwrap_err();
    assert!(
        matches!(error, TrainError::Stopped(Stop::OutOfTime)),
        "{error}"
    );
}

#[test]
fn with_time_to_spare_the_recipe_is_done_in_full() {
    let mut problem = Problem::line(32);
    problem.recipe.patience = usize::MAX;
    problem.clock = limited(Duration::from_secs(600));
    let trained = problem.fit().unwrap();
    assert!(!trained.stopped_early);
    assert_eq!(trained.history.last().unwrap().epoch, 60.0);
}

#[test]
fn looks_survive_json_even_those_that_saw_no_number() {
    let look = Evaluation {
        epoch: 1.5,
        train_loss: f64::NAN,
        validation_loss: 0.1 + 0.2,
    };
    let json = serde_json::to_string(&look).unwrap();
    let read: Evaluation = serde_json::from_str(&json).unwrap();
    assert!(read.train_loss.is_nan());
    assert_eq!((read.epoch, read.validation_loss), (1.5, 0.1 + 0.2));
}
