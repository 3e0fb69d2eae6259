use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use candor_core::{Clock, Distribution, Seed, Stop, Targets, UncertaintyMethod};
use candor_kernels::KernelError;
use candor_nn::{BatchStatistics, HeadKind, Pass, Weights, WeightsError};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::optimizer::Stepper;
use crate::{
    Assignment, Batches, Doubt, DoubtingNetwork, FittedMember, Member, MemberError, Network,
    Recipe, Snapshots, TargetScale, predict, watched_loss,
};

/// What training watches.
pub struct Validation<'a> {
    /// Units that the gradients never see. May be empty: then training runs all its epochs.
    pub units: &'a [usize],
    /// The loss of a prediction of these units, smaller is better.
    pub loss: &'a dyn Fn(&Distribution) -> f64,
}

/// One look at the validation units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Passes over the training units so far.
    pub epoch: f64,
    /// Mean training loss since the last look; NaN when it was no number.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_loss: f64,
    /// Loss on validation; NaN when there are no validation units.
    #[serde(deserialize_with = "number_or_nan")]
    pub validation_loss: f64,
}

/// JSON knows no NaN: it is written as `null`.
fn number_or_nan<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

/// A trained network's weights, and how it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The weights that were best on validation (the last ones when there is none).
    pub weights: Weights,
    /// All looks at validation.
    pub history: Vec<Evaluation>,
    /// How often training fell into numbers that are not finite and went on from the last good weights at half the rate.
    pub recoveries: usize,
    /// Whether time ran out before the recipe was done.
    pub stopped_early: bool,
}

impl Trained {
    /// The trained weights in a network of the same form.
    ///
    /// # Errors
    /// When it has another form; a fault in the network's definition.
    pub fn network<N: Module>(&self, untrained: N) -> Result<N, MemberError> {
        let network = self.weights.load_into(untrained);
        network.map_err(|e| MemberError::Training(e.to_string()))
    }

    /// A member that was made of it, and how that went.
    pub fn member(self, member: impl Member + 'static) -> FittedMember {
        FittedMember {
            member: Box::new(member),
            warnings: self.warnings(),
            history: self.history,
            stopped_early: self.stopped_early,
        }
    }

    /// What went otherwise than planned and was handled, in words.
    pub fn warnings(&self) -> Vec<String> {
        let recovered = (self.recoveries > 0).then(|| {
            format!(
                "training met numbers that are not finite {} times and went on at a lower learning rate",
                self.recoveries
            )
        });
        recovered.into_iter().collect()
    }
}

/// Training that did not give a network.
#[derive(Debug, Error)]
pub enum TrainError {
    /// There are no units to learn from.
    #[error("no units to train on")]
    NoUnits,
    /// Losses stay infinite or undefined even at a much smaller learning rate.
    #[error(
        "the loss is not a finite number even at learning rate {learning_rate:.1e} (step {step})"
    )]
    Diverged {
        /// The last rate tried.
        learning_rate: f64,
        /// The step at which it was given up.
        step: usize,
    },
    /// The work was stopped before there was anything to keep.
    #[error("stopped before the first validation")]
    Stopped(Stop),
    /// Weights do not fit; a fault in the network's definition.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Targets do not fit what the network gives.
    #[error(transparent)]
    Loss(#[from] KernelError),
}

/// Attempts at half the learning rate before training is given up.
const RECOVERIES: usize = 4;
/// Share of the time until a deadline that training may use.
const TRAINING_SHARE: f64 = 0.95;
/// Looks at validation that must fit before the deadline once the steps are done: the last one, and the predictions that the
/// caller asks for.
const LOOKS_LEFT: f64 = 2.0;
/// What a forward pass costs, as a share of a step.
const FORWARD_SHARE: f64 = 1.0 / 3.0;
/// Share of the steps' cost that looks at validation may add: more units to look at than to learn from are looked at less often than once
/// an epoch.
const LOOKING_SHARE: f64 = 0.15;
/// The moving average is updated once in so many steps: reading all weights costs about a tenth of a step.
const AVERAGE_EVERY: usize = 4;
/// Fewer steps than this between two looks at validation would spend more on looking than on learning.
const STEPS_BETWEEN_LOOKS: usize = 12;

/// Trains a network with warm-up and cosine, keeps a moving average of the weights, validates
/// it, and returns the best.
///
/// The result depends on the arguments and the seed alone, unless the clock has a deadline: then the schedule of the
/// learning rate is run through by that time, if the steps are not done before. Where the clock allows fewer steps than the recipe has, the
/// schedule is run through in those.
///
/// # Errors
/// When there is nothing to train on, training diverges, or it is stopped too early.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a part of the statement of the problem"
)]
pub fn fit<N: Network, B: Batches<Batch = N::Batch>>(
    network: N,
    data: &B,
    targets: &Targets,
    units: &[usize],
    validation: &Validation,
    head: &HeadKind,
    recipe: &Recipe,
    seed: Seed,
    clock: &Clock,
) -> Result<Trained, TrainError> {
    if units.is_empty() {
        return Err(TrainError::NoUnits);
    }
    let device = Device::flex().autodiff();
    let plain = Device::flex();
    let mut order = units.to_vec();
    let mut shuffling = seed.stream("shuffle", &[]);
    let mut dropping = seed.stream("dropout", &[]);
    let mut changing = seed.stream("augmentation", &[]);

    let batch_size = recipe.batch_size.clamp(1, units.len());
    // A last batch that is much smaller than the others would be a very noisy step: all have one size, give or take a unit.
    let steps_per_epoch = (units.len() as f64 / batch_size as f64).round().max(1.0) as usize;
    let start_of = |batch: usize| batch * units.len() / steps_per_epoch;
    let total_steps = steps_per_epoch * recipe.epochs.max(1);
    let total_steps = clock
        .steps()
        .map_or(total_steps, |most| total_steps.min(most.max(1)));
    // In steps. On one graph it costs what a step does, however many nodes are asked for.
    let cost_of_look = match steps_per_epoch {
        1 => FORWARD_SHARE,
        _ => FORWARD_SHARE * validation.units.len() as f64 / batch_size as f64,
    };
    let look_every = STEPS_BETWEEN_LOOKS
        .max((cost_of_look / LOOKING_SHARE) as usize)
        .min(total_steps)
        .max(steps_per_epoch);

    // The moments of evaluation rest on the same units each time, so that looks can be compared.
    let settling = settling_units(units, batch_size, seed);
    let mut network = network;
    let mut stepper = Stepper::new(recipe);
    let mut average = Weights::of(&network);
    let mut averaged_at = 0;
    let mut good = average.clone();
    let mut best: Option<(f64, Weights)> = None;
    let mut since_best = 0;
    let mut history = Vec::new();
    let (mut recoveries, mut rate_scale, mut stopped_early) = (0, 1.0, false);
    let (mut loss_sum, mut loss_count) = (0.0, 0usize);
    let started = Instant::now();
    let allowed = clock
        .remaining()
        .map(|r| r.mul_f64(TRAINING_SHARE).as_secs_f64());
    // Seconds that a look at validation takes: estimated from the first step, then measured.
    let mut look_seconds: Option<f64> = None;
    let time_used = |look_seconds: Option<f64>| {
        let steps = |a: f64| (a - LOOKS_LEFT * look_seconds.unwrap_or(0.0)).max(1e-9);
        allowed.map_or(0.0, |a| started.elapsed().as_secs_f64() / steps(a))
    };
    let one_step = 1.0 / total_steps as f64;

    for step in 0..total_steps {
        if let Some(stop) = clock.stop() {
            if stop == Stop::Interrupted || best.is_none() {
                return Err(TrainError::Stopped(stop));
            }
            stopped_early = true;
            break;
        }
        let place = step % steps_per_epoch;
        if place == 0 {
            order.shuffle(&mut shuffling);
        }
        let batch = &order[start_of(place)..start_of(place + 1)];
        let made = data.training_batch(batch, &mut changing, &device);
        let output = network.forward(&made, &mut Pass::training(&mut dropping));
        let weights = data.class_weights();
        let rows = data.answered(&made, batch);
        let used = time_used(look_seconds);
        let done = (step as f64 * one_step).max(used.min(1.0));
        let judge = head.annealed(done);
        let loss = loss(&judge, output.raw, targets, &rows, weights, &device)?;
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let rate = recipe.learning_rate_at(done, one_step) * rate_scale;
        if !value.is_finite() {
            recoveries += 1;
            if recoveries > RECOVERIES {
                return Err(TrainError::Diverged {
                    learning_rate: rate,
                    step,
                });
            }
            rate_scale *= 0.5;
            network = good.load_into(network)?;
            average = good.clone();
            averaged_at = step + 1;
            stepper = Stepper::new(recipe);
            continue;
        }
        (loss_sum, loss_count) = (loss_sum + value, loss_count + 1);
        let loss = match network.penalty() {
            Some(penalty) => loss + penalty,
            None => loss,
        };
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = stepper.step(rate, network, gradients);
        if look_seconds.is_none() {
            let batches = validation.units.len() as f64 / batch.len() as f64;
            let estimate = FORWARD_SHARE * batches * started.elapsed().as_secs_f64();
            let left = clock.remaining();
            if left.is_some_and(|left| estimate > left.as_secs_f64()) {
                return Err(TrainError::Stopped(Stop::OutOfTime));
            }
            look_seconds = Some(estimate);
        }

        let last = step + 1 == total_steps || time_used(look_seconds) >= 1.0;
        let look = (step + 1) % look_every == 0 || last;
        if recipe.averaging > 0.0 && ((step + 1) % AVERAGE_EVERY == 0 || look) {
            // Early on, a long average would still hold the random start.
            let decay = recipe.averaging.min((1 + step) as f64 / (10 + step) as f64);
            let share = 1.0 - decay.powi((step + 1 - averaged_at) as i32);
            average.move_towards(&Weights::of(&network), share as f32);
            averaged_at = step + 1;
        }
        if !look {
            continue;
        }
        let mut candidate = if recipe.averaging > 0.0 {
            average.clone()
        } else {
            Weights::of(&network)
        };
        let looking = Instant::now();
        if network.normalises_by_batch() && candidate.is_finite() {
            let settled = settled(
                candidate.load_into(network.valid())?,
                data,
                &settling,
                &plain,
            );
            candidate = Weights::of(&settled);
        }
        let train_loss = loss_sum / loss_count.max(1) as f64;
        (loss_sum, loss_count) = (0.0, 0);
        let mut validation_loss = f64::NAN;
        if candidate.is_finite() {
            good = Weights::of(&network);
            if validation.units.is_empty() {
                best = Some((f64::NAN, candidate));
            } else {
                let judged = candidate.load_into(network.valid())?;
                let predicted = predict(&judged, data, validation.units, head, &plain);
                validation_loss = predicted
                    .mixture()
                    .map_or(f64::NAN, |p| (validation.loss)(&p));
                look_seconds = Some(looking.elapsed().as_secs_f64());
                since_best += 1;
                if validation_loss.is_finite()
                    && best
                        .as_ref()
                        .is_none_or(|(loss, _)| validation_loss < *loss)
                {
                    best = Some((validation_loss, candidate));
                    since_best = 0;
                }
            }
        }
        let epoch = (step + 1) as f64 / steps_per_epoch as f64;
        history.push(Evaluation {
            epoch,
            train_loss,
            validation_loss,
        });
        stopped_early = last && step + 1 < total_steps;
        if last || since_best >= recipe.patience.max(1) {
            break;
        }
    }
    let Some((_, weights)) = best else {
        return Err(TrainError::Diverged {
            learning_rate: recipe.learning_rate,
            step: total_steps,
        });
    };
    Ok(Trained {
        weights,
        history,
        recoveries,
        stopped_early,
    })
}

/// Trains the network that `build` makes on the units of an assignment, as [`fit`] does: targets are learned in the units of `scale`, and `restored` brings
/// what is said of validation units back before the metric judges it. Gives the network with the best weights, without gradients, which says by
/// `method` what it does not know.
///
/// # Errors
/// When the network cannot be built, there is nothing to train on, training diverges, it is stopped too early, or the method does not fit the network.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a part of what a training is"
)]
pub fn fit_assigned<N: Network, B: Batches<Batch = N::Batch>>(
    assignment: &Assignment,
    build: impl Fn(&Device) -> Result<N, MemberError>,
    data: &B,
    scale: &TargetScale,
    restored: impl Fn(Distribution) -> Distribution,
    head: &HeadKind,
    method: UncertaintyMethod,
    recipe: &Recipe,
) -> Result<(DoubtingNetwork<N>, Trained), MemberError> {
    let truth = assignment.targets.select(assignment.validation);
    let loss = |predicted: &Distribution| {
        watched_loss(assignment.metric, &restored(predicted.clone()), &truth)
    };
    let (scaled, seed) = (scale.scale(assignment.targets), assignment.seed);
    let validation = Validation {
        units: assignment.validation,
        loss: &loss,
    };
    let train = |network: N, recipe: &Recipe, seed: Seed, clock: &Clock| {
        let (units, validation) = (assignment.train, &validation);
        fit(
            network, data, &scaled, units, validation, head, recipe, seed, clock,
        )
    };
    let states = match method {
        UncertaintyMethod::Snapshots => Snapshots::FURTHER,
        _ => 0,
    };
    // What a further state may take counts beside the first training.
    let first = Snapshots::PART as f64 / (Snapshots::PART + states) as f64;
    let start = build(&Device::flex().autodiff())?;
    let trained = train(start, recipe, seed, &assignment.clock.share(first))?;
    let mut further = Vec::new();
    let part = Recipe {
        epochs: recipe.epochs.div_ceil(Snapshots::PART),
        ..recipe.clone()
    };
    for place in 0..states {
        let before = further.last().unwrap_or(&trained.weights);
        let start = before
            .load_into(build(&Device::flex().autodiff())?)
            .map_err(|e| MemberError::Training(e.to_string()))?;
        let seed = seed.derive("state", &[place as u64]);
        let clock = assignment.clock.share(1.0 / (states - place) as f64);
        match train(start, &part, seed, &clock) {
            Ok(trained) => further.push(trained.weights),
            // The states that there are must do.
            Err(TrainError::Stopped(Stop::OutOfTime)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let device = Device::flex();
    let network = trained.network(build(&device)?)?;
    let (targets, units) = (assignment.targets, assignment.train);
    let doubt = match method {
        UncertaintyMethod::Snapshots => Doubt::Snapshots(Snapshots(further)),
        _ => Doubt::fit(method, &network, data, targets, units, head, seed, &device)?,
    };
    Ok((DoubtingNetwork { network, doubt }, trained))
}

/// Units that the moments of evaluation rest on, at most.
const SETTLING_UNITS: usize = 2048;

/// Batches of equal size, as in training, of units drawn once.
fn settling_units(units: &[usize], batch_size: usize, seed: Seed) -> Vec<Vec<usize>> {
    let mut drawn = units.to_vec();
    drawn.shuffle(&mut seed.stream("settling", &[]));
    let batches = SETTLING_UNITS.min(drawn.len()) / batch_size;
    let batches = drawn.chunks_exact(batch_size).take(batches.max(1));
    batches.map(<[usize]>::to_vec).collect()
}

/// The network with the moments that its weights have on these batches.
fn settled<N: Network, B: Batches<Batch = N::Batch>>(
    network: N,
    data: &B,
    batches: &[Vec<usize>],
    device: &Device,
) -> N {
    let mut found = BatchStatistics::default();
    for batch in batches {
        network.forward(
            &data.batch(batch, device),
            &mut Pass::statistics(&mut found),
        );
    }
    found.into_network(network)
}

fn loss(
    head: &HeadKind,
    raw: Tensor<3>,
    targets: &Targets,
    batch: &[usize],
    weights: Option<&[f32]>,
    device: &Device,
) -> Result<Tensor<1>, KernelError> {
    let weight = |place: usize| weights.map_or(1.0, |w| w.get(place).copied().unwrap_or(1.0));
    Ok(match targets {
        Targets::Classes(classes) => {
            let picked: Vec<u32> = batch.iter().map(|&i| classes[i]).collect();
            let counts = || picked.iter().map(|&class| weight(class as usize));
            let counts = weights.map(|_| counts().collect());
            head.loss_of_classes(raw, picked, counts)?
        }
        Targets::Labels { width, values } => {
            let rows = batch.iter().map(|&i| &values[i * width..(i + 1) * width]);
            let cells = rows.flat_map(|row| row.iter().enumerate());
            let table = |of: &dyn Fn(usize, Option<bool>) -> f32| -> Tensor<2> {
                let numbers: Vec<f32> = cells.clone().map(|(l, value)| of(l, *value)).collect();
                Tensor::from_data(TensorData::new(numbers, [batch.len(), *width]), device)
            };
            let applies = table(&|_, value| f32::from(u8::from(value == Some(true))));
            let counts = table(&|label, value| {
                value.map_or(0.0, |value| weight(2 * label + usize::from(value)))
            });
            head.loss_of_labels(raw, applies, counts)
        }
        Targets::Values { width, values } => {
            let picked: Vec<f32> = batch
                .iter()
                .flat_map(|&i| values[i * width..(i + 1) * width].iter().copied())
                .collect();
            let picked: Tensor<2> =
                Tensor::from_data(TensorData::new(picked, [batch.len(), *width]), device);
            head.loss_of_values(raw, picked)
        }
    })
}
