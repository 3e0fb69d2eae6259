//! What every model of points must do: learn eight scans by heart, give the same again, survive its files, and not care for the order, the place
//! and the size of points.
#![allow(clippy::unwrap_used)]

mod solids;

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_point_cloud::{
    Frame, Geometry, PointLearner, PointRules, PointSource, PointUnits, Scan, read_asked,
};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberError, Units};
use rand::seq::SliceRandom;
use solids::{PARTS, View, ply, solid};

const VIEW: View = View {
    points: 96,
    any: false,
    noise: 0.005,
    occluded: false,
};

fn scan(geometry: &Geometry) -> Scan {
    let places: Vec<u32> = (0..geometry.points.len() as u32).collect();
    Scan::of(geometry, &places, &Frame::of(&geometry.points).unwrap())
}

struct Problem {
    units: Units,
    targets: Targets,
    target: Target,
    metric: Metric,
    clock: Clock,
    train: Vec<usize>,
}

impl Problem {
    fn solids(count: u64, view: View) -> Problem {
        let solids: Vec<Geometry> = (0..count).map(|n| solid(n, Seed(1), view)).collect();
        let codes = solids
            .iter()
            .flat_map(|s| s.labels.as_ref().unwrap().codes.clone());
        let targets = Targets::Classes(codes.collect());
        let points = PointUnits::new(solids.iter().map(scan).collect(), Vec::new());
        Problem {
            train: (0..points.len()).collect(),
            units: points.units(),
            targets,
            target: Target {
                task: Task::Multiclass,
                names: vec!["label".into()],
                classes: PARTS.map(str::to_owned).to_vec(),
            },
            metric: Metric::Accuracy,
            clock: Clock::unlimited(),
        }
    }

    /// For what does not depend on how well was learned.
    fn briefly(count: u64) -> Problem {
        Problem {
            clock: Clock::unlimited().with_steps(Some(12)),
            ..Problem::solids(count, VIEW)
        }
    }

    fn learner(&self) -> PointLearner {
        let points = PointUnits::of(&self.units).unwrap();
        PointLearner::new(self.target.task, points.starts()).unwrap()
    }

    fn fit(&self, design: &Design) -> Result<FittedMember, MemberError> {
        self.learner().fit(&Assignment {
            design,
            units: &self.units,
            targets: &self.targets,
            target: &self.target,
            metric: self.metric,
            train: &self.train,
            validation: &[],
            seed: Seed(5),
            clock: &self.clock,
        })
    }
}

/// A small design of each family, with nothing that keeps a network from learning by heart.
fn designs() -> Vec<Design> {
    let design = |model: &str| {
        Design::new()
            .with("model", model)
            .with("width", 16)
            .with("points", 96)
            .with("neighbours", 8)
            .with("dropout", 0.0)
            .with("jitter", 0.0)
            .with("stretch", 0.0)
            .with("drop", 0.0)
            .with("votes", 1)
            .with("rotation", "fixed")
            .with("label_smoothing", 0.0)
            .with("weight_decay", 0.001)
            .with("learning_rate", 0.005)
    };
    vec![
        design("edge_convolutions").with("depth", 2),
        design("edge_convolutions")
            .with("depth", 2)
            .with("dynamic", true)
            .with("seen", "coordinates")
            .with("votes", 2),
        design("point_net").with("points", 40),
        design("set_abstraction").with("rotation", "upright"),
    ]
}

fn said(member: &dyn Member, units: &Units) -> Distribution {
    let all: Vec<usize> = (0..units.len()).collect();
    member.predict(units, &all).unwrap().mixture().unwrap()
}

fn probabilities(said: &Distribution) -> Vec<f32> {
    match said {
        Distribution::Categorical { probabilities, .. } => probabilities.clone(),
        other => panic!("not classes: {other:?}"),
    }
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn every_model_learns_eight_scans_by_heart_and_comes_back_from_its_files() {
    let trees = Design::new().with("model", "extra_trees");
    for design in designs().into_iter().chain([trees]) {
        let problem = Problem {
            clock: Clock::unlimited().with_steps(Some(300)),
            ..Problem::solids(8, VIEW)
        };
        let fitted = problem.fit(&design).unwrap();
        let told = said(&*fitted.member, &problem.units);
        let score = problem.metric.score(&told, &problem.targets).unwrap();
        assert!(score >= 0.97, "{design}: {score}");
        let saved = fitted.member.save().unwrap();
        let learner = problem.learner();
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        let some = [700, 3, 5, 3, 96];
        assert_eq!(
            loaded.predict(&problem.units, &some).unwrap(),
            fitted.member.predict(&problem.units, &some).unwrap(),
            "{design}"
        );
        // Asked alone as among others.
        let alone = loaded
            .predict(&problem.units, &[96])
            .unwrap()
            .mixture()
            .unwrap();
        let among = probabilities(&told);
        let difference = apart(&probabilities(&alone), &among[96 * 9..97 * 9]);
        assert!(difference < 1e-5, "{design}: {difference}");
        // Files that are cut or filled with something else are refused.
        for numbers in [&saved.numbers[..saved.numbers.len() / 2], b"", b"nonsense"] {
            assert!(
                learner.load(&saved.description, numbers).is_err(),
                "{design}"
            );
        }
        assert!(loaded.predict(&Units::new(1, 0u8), &[0]).is_err());
        assert!(loaded.predict(&problem.units, &[]).is_ok());
        // Points of which other things are known are not its own.
        let other = PointUnits::new(
            vec![Scan::new(vec![0.0, 0.0, 0.0, 1.0, 0.0, 0.0], vec![1.0; 2])],
            vec!["intensity".into()],
        );
        assert!(loaded.predict(&other.units(), &[0]).is_err());
    }
}

#[test]
fn order_place_and_size_of_points_do_not_matter() {
    let problem = Problem::briefly(4);
    let folder = tempfile::tempdir().unwrap();
    let rules = PointRules {
        kept: 64,
        block: None,
        channels: Vec::new(),
    };
    let geometry = solid(
        3,
        Seed(9),
        View {
            points: 150,
            ..VIEW
        },
    );
    let mut order: Vec<usize> = (0..150).collect();
    let mut asked = |moved: bool| {
        if moved {
            order.shuffle(&mut Seed(2).stream("order", &[]));
        }
        let at = |&n: &usize| geometry.points[n].map(|x| if moved { 8.0 * x + 64.0 } else { x });
        let written = Geometry {
            points: order.iter().map(at).collect(),
            ..Geometry::default()
        };
        let path = folder.path().join("solid.ply");
        std::fs::write(&path, ply(&written)).unwrap();
        let asked = read_asked(&PointSource::certainly(&path).unwrap(), &rules).unwrap();
        assert_eq!(
            (asked.points.len(), asked.names[149].as_str()),
            (150, "solid.ply#150")
        );
        assert_eq!(asked.points.scans().len(), 3);
        (asked.points.units(), order.clone())
    };
    let (plain, _) = asked(false);
    let (moved, order) = asked(true);
    for design in designs() {
        let fitted = problem.fit(&design).unwrap();
        let (a, b) = (said(&*fitted.member, &plain), said(&*fitted.member, &moved));
        let difference = apart(&probabilities(&a.select(&order)), &probabilities(&b));
        assert!(difference < 1e-5, "{design}: {difference}");
    }
}

#[test]
fn the_same_seed_gives_the_same_network_whatever_the_threads() {
    let design = designs()
        .remove(0)
        .with("drop", 0.5)
        .with("rotation", "any")
        .with("jitter", 0.01);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            Problem::briefly(8)
                .fit(&design)
                .unwrap()
                .member
                .save()
                .unwrap()
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn every_hand_made_design_stands_in_the_space() {
    for task in [Task::Multiclass, Task::Regression] {
        let learner = PointLearner::new(task, &[]).unwrap();
        for made in learner
            .hand_made()
            .into_iter()
            .filter(|made| !made.baseline)
        {
            let place = learner.space().check(&made.design);
            assert!(place.is_ok(), "{}: {place:?}", made.name);
        }
    }
}

#[test]
fn what_may_not_be_learned_from_says_nothing() {
    // Points of some scans are labelled otherwise outside of the training part: nothing changes.
    let problem = Problem::briefly(6);
    let train: Vec<usize> = (0..problem.units.len()).filter(|n| n % 3 > 0).collect();
    let told = |targets: Targets| {
        let problem = Problem {
            targets,
            train: train.clone(),
            ..Problem::briefly(6)
        };
        let edges = designs().remove(0);
        problem.fit(&edges).unwrap().member.save().unwrap()
    };
    let Targets::Classes(classes) = &problem.targets else {
        unreachable!()
    };
    let wrong = classes.iter().enumerate();
    let wrong = wrong.map(|(n, class)| if n % 3 == 0 { 8 - class } else { *class });
    assert_eq!(
        told(problem.targets.clone()),
        told(Targets::Classes(wrong.collect()))
    );
}

#[test]
fn scans_of_few_points_are_answered() {
    let problem = Problem::briefly(4);
    let few =
        [1, 2, 3].map(|count| Scan::new((0..3 * count).map(|n| n as f32 * 0.1).collect(), vec![]));
    let few = PointUnits::new(few.to_vec(), vec![]).units();
    for design in designs() {
        let fitted = problem.fit(&design).unwrap();
        let said = probabilities(&said(&*fitted.member, &few));
        assert_eq!(said.len(), 6 * 9);
        assert!(said.iter().all(|p| p.is_finite()), "{said:?}");
    }
}

#[test]
fn shorter_trainings_take_whole_scans() {
    let problem = Problem::briefly(8);
    let rows: Vec<usize> = (96..problem.units.len()).collect();
    let kept = problem.learner().fewer(&rows, 200, Seed(1));
    assert_eq!(kept.len() % 96, 0);
    assert!((96..=288).contains(&kept.len()), "{}", kept.len());
}
