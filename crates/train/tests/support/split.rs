//! Whether what is said of doubt is true: the model's part falls with data, that of the data is their noise and follows it. And whether what has no
//! rule is learned by heart and says nothing of others.
#![allow(dead_code, clippy::print_stdout)]

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_train::{Assignment, FittedMember, Learner, Units};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Networks of an ensemble.
const MEMBERS: u64 = 4;

/// A standard normal number (Box & Muller).
pub fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * rng.random_range(0.0..std::f32::consts::TAU).cos()
}

/// Units, some of which are learned from.
pub struct Problem {
    pub learner: Box<dyn Learner>,
    pub units: Units,
    pub targets: Targets,
    /// Units of a group that is learned from, or not, as one: the points of a scan, the nodes at one time.
    pub each: usize,
    pub design: Design,
}

/// Groups that are learned from at first, watched in training, and held out; and steps of a training.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub learned: usize,
    pub watched: usize,
    pub held: usize,
    pub steps: usize,
    /// What may be left of the model's part, a standard deviation, where there is four times as much to learn from.
    pub left: f64,
    /// How far the data's part may be from the noise, as a share of it, where there is four times as much to learn from as at first.
    pub apart: f64,
}

/// Standard deviations that an ensemble states of what it did not learn from.
#[derive(Debug, Clone, Copy)]
struct Parts {
    data: f64,
    model: f64,
}

impl Problem {
    fn target(&self) -> Target {
        let (task, classes): (_, &[&str]) = match &self.targets {
            Targets::Classes(_) => (Task::Binary, &["a", "b"]),
            _ => (Task::Regression, &[]),
        };
        let width = match &self.targets {
            Targets::Values { width, .. } => *width,
            _ => 1,
        };
        Target {
            task,
            names: (0..width).map(|i| format!("y{i}")).collect(),
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        }
    }

    /// Units of the groups from the first to before the last.
    fn groups(&self, first: usize, last: usize) -> Vec<usize> {
        (first * self.each..last * self.each).collect()
    }

    fn fit(&self, train: &[usize], validation: &[usize], seed: u64, steps: usize) -> FittedMember {
        let target = self.target();
        let metric = match target.task {
            Task::Regression => Metric::Nll,
            _ => Metric::LogLoss,
        };
        let fitted = self.learner.fit(&Assignment {
            design: &self.design,
            units: &self.units,
            targets: &self.targets,
            target: &target,
            metric,
            train,
            validation,
            seed: Seed(seed),
            clock: &Clock::unlimited().with_steps(Some(steps)),
        });
        fitted.unwrap()
    }

    /// What an ensemble on the first so many groups states of the last ones.
    fn parts(&self, learned: usize, sizes: Sizes) -> Parts {
        let end = self.units.len() / self.each;
        let start = end - sizes.held;
        let held = self.groups(start, end);
        let watched = self.groups(start - sizes.watched, start);
        let train = self.groups(0, learned);
        let said: Vec<(Vec<f32>, Vec<f32>)> = (0..MEMBERS)
            .map(|seed| {
                let fitted = self.fit(&train, &watched, seed, sizes.steps);
                let said = fitted.member.predict(&self.units, &held).unwrap();
                match said.mixture().unwrap() {
                    Distribution::Gaussian { mean, variance, .. } => (mean, variance),
                    other => panic!("numbers have a normal distribution, not {other:?}"),
                }
            })
            .collect();
        let (mut data, mut model) = (0.0, 0.0);
        let (m, cells) = (MEMBERS as f64, said[0].0.len());
        for cell in 0..cells {
            let of = |values: &dyn Fn(usize) -> f32| -> Vec<f64> {
                (0..said.len()).map(|i| f64::from(values(i))).collect()
            };
            let means = of(&|i| said[i].0[cell]);
            let mean = means.iter().sum::<f64>() / m;
            model += means.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (m - 1.0);
            data += of(&|i| said[i].1[cell]).iter().sum::<f64>() / m;
        }
        Parts {
            data: (data / cells as f64).sqrt(),
            model: (model / cells as f64).sqrt(),
        }
    }
}

/// `of` makes units of which a number is known up to normal noise of a standard deviation. With one, four and sixteen times the units to learn from the
/// model's part falls each time and that of the data stays; with twice the noise that of the data doubles, and the model's part grows less.
pub fn the_split_is_real(of: &dyn Fn(f32) -> Problem, noise: f32, sizes: Sizes) {
    let problem = of(noise);
    let [few, more, many] = [1, 4, 16].map(|times| problem.parts(times * sizes.learned, sizes));
    let twice = of(2.0 * noise).parts(16 * sizes.learned, sizes);
    let said = format!("x1 {few:?}, x4 {more:?}, x16 {many:?}; noise doubled {twice:?}");
    println!("{said}");
    assert!(sizes.left <= 1.0);
    for (before, after) in [(few, more), (more, many)] {
        assert!(after.model < sizes.left * before.model, "{said}");
    }
    // Of few units the rule itself is not learned yet, and what is not learned stands there as noise.
    for (parts, most) in [(more, sizes.apart), (many, 0.1)] {
        assert!((parts.data / f64::from(noise) - 1.0).abs() < most, "{said}");
    }
    assert!((1.8..2.2).contains(&(twice.data / many.data)), "{said}");
}

/// A network learns labels by heart that were thrown like coins, and says nothing of others.
pub fn coins_are_learned_by_heart(problem: Problem, learned: usize, steps: usize) {
    let mut rng = Seed(9).stream("coins", &[]);
    let labels = (0..problem.units.len()).map(|_| rng.random_range(0..2));
    let problem = Problem {
        targets: Targets::Classes(labels.collect()),
        ..problem
    };
    let train = problem.groups(0, learned);
    let others = problem.groups(learned, problem.units.len() / problem.each);
    let fitted = problem.fit(&train, &[], 1, steps);
    let right = |units: &[usize]| {
        let said = fitted.member.predict(&problem.units, units).unwrap();
        let truth = problem.targets.select(units);
        Metric::Accuracy
            .score(&said.mixture().unwrap(), &truth)
            .unwrap()
    };
    assert!(right(&train) >= 0.99, "{}", right(&train));
    // Four standard errors.
    let most = 2.0 / (others.len() as f64).sqrt();
    assert!((right(&others) - 0.5).abs() < most, "{}", right(&others));
}
