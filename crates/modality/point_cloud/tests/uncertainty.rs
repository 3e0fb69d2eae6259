//! What is said of uncertainty is true of shapes and of points: what lies in the model falls with data, what lies in the data does not, and follows
//! its noise. And what has no rule is learned by heart, and says nothing of others.
#![allow(clippy::unwrap_used)]

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_point_cloud::{Cloud, CloudLearner, CloudUnits, KEPT, PointLearner, PointUnits, Scan};
use candor_train::{Assignment, Learner, Units};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const MEMBERS: u64 = 4;

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * rng.random_range(0.0..std::f32::consts::TAU).cos()
}

/// Units of scans or shapes of which a number is known up to noise; the last `held` shapes are held out.
struct Problem {
    units: Units,
    targets: Targets,
    /// Units of a scan or shape.
    each: usize,
    learner: Box<dyn Learner>,
    design: Design,
}

fn number() -> Target {
    Target {
        task: Task::Regression,
        names: vec!["y".into()],
        classes: Vec::new(),
    }
}

fn design() -> Design {
    Design::new()
        .with("model", "point_net")
        .with("width", 16)
        .with("points", 64)
        .with("dropout", 0.0)
        .with("jitter", 0.0)
        .with("stretch", 0.0)
        .with("drop", 0.0)
        .with("votes", 1)
        .with("rotation", "fixed")
        .with("learning_rate", 0.005)
}

impl Problem {
    /// Points in a ball; of each a smooth function of its place is known, with noise.
    fn points(scans: usize, noise: f32) -> Problem {
        const POINTS: usize = 24;
        let mut rng = Seed(1).stream("points", &[]);
        let mut values = Vec::new();
        let scan = |_| {
            let at: Vec<f32> = (0..3 * POINTS)
                .map(|_| rng.random_range(-0.6f32..0.6))
                .collect();
            for p in at.chunks_exact(3) {
                values.push((3.0 * p[0]).sin() + p[2] + noise * normal(&mut rng));
            }
            Scan::new(at, Vec::new())
        };
        let scans: Vec<Scan> = (0..scans).map(scan).collect();
        let points = PointUnits::new(scans, Vec::new());
        Problem {
            learner: Box::new(PointLearner::new(Task::Regression, points.starts()).unwrap()),
            units: points.units(),
            targets: Targets::Values { width: 1, values },
            each: POINTS,
            design: design().with("seen", "coordinates"),
        }
    }

    /// Ellipsoids; of each how flat it is is known, with noise.
    fn shapes(count: usize, noise: f32) -> Problem {
        let mut rng = Seed(2).stream("shapes", &[]);
        let mut values = Vec::new();
        let shape = |_| {
            let flat = rng.random_range(0.1f32..1.0);
            values.push(3.0 * flat + noise * normal(&mut rng));
            let points: Vec<f32> = (0..64)
                .flat_map(|_| {
                    let p: [f32; 3] = std::array::from_fn(|_| normal(&mut rng));
                    let r = p.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-3);
                    [p[0] / r, p[1] / r, flat * p[2] / r]
                })
                .collect();
            Cloud::from_flat(&points, KEPT).unwrap()
        };
        let clouds: Vec<Cloud> = (0..count).map(shape).collect();
        Problem {
            units: CloudUnits::units(clouds),
            targets: Targets::Values { width: 1, values },
            each: 1,
            learner: Box::new(CloudLearner::new(Task::Regression).unwrap()),
            design: design()
                .with("seen", "coordinates")
                .with("descriptors", false),
        }
    }

    /// Deviations that an ensemble on the first so many shapes states of the last `held`: of the data, and of the model.
    fn split(&self, learned: usize, watched: usize, held: usize) -> (f64, f64) {
        let all = self.units.len() / self.each;
        let of =
            |from: usize, to: usize| (from * self.each..to * self.each).collect::<Vec<usize>>();
        let (train, held) = (of(0, learned), of(all - held, all));
        let watched = of(
            all - held.len() / self.each - watched,
            all - held.len() / self.each,
        );
        let mut said = Vec::new();
        for seed in 0..MEMBERS {
            let fitted = self.learner.fit(&Assignment {
                design: &self.design,
                units: &self.units,
                targets: &self.targets,
                target: &number(),
                metric: Metric::Nll,
                train: &train,
                validation: &watched,
                seed: Seed(seed),
                clock: &Clock::unlimited().with_steps(Some(400)),
            });
            let fitted = fitted.unwrap();
            said.push(
                fitted
                    .member
                    .predict(&self.units, &held)
                    .unwrap()
                    .mixture()
                    .unwrap(),
            );
        }
        let (mut data, mut model) = (0.0, 0.0);
        for unit in 0..held.len() {
            let (mut sum, mut squares, mut inside) = (0.0, 0.0, 0.0);
            for said in &said {
                let Distribution::Gaussian { mean, variance, .. } = said else {
                    panic!("not numbers")
                };
                let mean = f64::from(mean[unit]);
                sum += mean;
                squares += mean * mean;
                inside += f64::from(variance[unit]);
            }
            let m = MEMBERS as f64;
            data += inside / m / held.len() as f64;
            model += (squares / m - (sum / m) * (sum / m)) * m / (m - 1.0) / held.len() as f64;
        }
        (data.sqrt(), model.max(0.0).sqrt())
    }
}

#[test]
fn the_doubt_of_points_is_split_as_it_should_be() {
    let problem = Problem::points(192 + 64, 0.3);
    let [a, b, c] = [12, 48, 192].map(|learned| problem.split(learned, 24, 40));
    assert!(a.1 > b.1 && b.1 > c.1, "{a:?} {b:?} {c:?}");
    // What lies in the data is what was put there, at any size but the smallest.
    for (data, _) in [b, c] {
        assert!((0.27..0.36).contains(&data), "{a:?} {b:?} {c:?}");
    }
    let twice = Problem::points(192 + 64, 0.6).split(192, 24, 40);
    let ratio = twice.0 / c.0;
    assert!((1.8..2.2).contains(&ratio), "{twice:?} {c:?}");
}

#[test]
fn the_doubt_of_shapes_is_split_as_it_should_be() {
    let problem = Problem::shapes(480 + 160, 0.3);
    let [a, b, c] = [30, 120, 480].map(|learned| problem.split(learned, 60, 100));
    assert!(a.1 > b.1 && b.1 > c.1, "{a:?} {b:?} {c:?}");
    for (data, _) in [b, c] {
        assert!((0.26..0.38).contains(&data), "{a:?} {b:?} {c:?}");
    }
    let twice = Problem::shapes(480 + 160, 0.6).split(480, 60, 100);
    let ratio = twice.0 / c.0;
    assert!((1.7..2.3).contains(&ratio), "{twice:?} {c:?}");
}

#[test]
fn labels_without_a_rule_are_learned_by_heart_and_say_nothing_of_others() {
    let mut problem = Problem::points(40, 0.0);
    let mut rng = Seed(9).stream("labels", &[]);
    let labels: Vec<u32> = (0..problem.units.len())
        .map(|_| rng.random_range(0..2))
        .collect();
    problem.targets = Targets::Classes(labels);
    let points = PointUnits::of(&problem.units).unwrap();
    let learner = PointLearner::new(Task::Binary, points.starts()).unwrap();
    let design = design()
        .with("model", "edge_convolutions")
        .with("width", 48)
        .with("depth", 3)
        .with("neighbours", 6)
        .with("weight_decay", 0.001);
    let target = Target {
        task: Task::Binary,
        names: vec!["y".into()],
        classes: vec!["a".into(), "b".into()],
    };
    let train: Vec<usize> = (0..8 * problem.each).collect();
    let other: Vec<usize> = (8 * problem.each..problem.units.len()).collect();
    let fitted = learner.fit(&Assignment {
        design: &design,
        units: &problem.units,
        targets: &problem.targets,
        target: &target,
        metric: Metric::Accuracy,
        train: &train,
        validation: &[],
        seed: Seed(1),
        clock: &Clock::unlimited().with_steps(Some(600)),
    });
    let fitted = fitted.unwrap();
    let score = |units: &[usize]| {
        let said = fitted.member.predict(&problem.units, units).unwrap();
        let said = said.mixture().unwrap();
        Metric::Accuracy
            .score(&said, &problem.targets.select(units))
            .unwrap()
    };
    assert!(score(&train) >= 0.99, "{}", score(&train));
    // 768 points: four standard errors about a half.
    assert!((score(&other) - 0.5).abs() < 0.075, "{}", score(&other));
}
