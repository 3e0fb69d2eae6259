//! What every model of molecules must do: learn what is there to learn, give the same again, and survive its files.
#![allow(clippy::unwrap_used)]

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_molecule::{
    AtomFeatures, Limits, Molecule, MoleculeLearner, MoleculeUnits, atom_weights, atoms_masked,
};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberError, Units};
use serde_json::{Value, json};

#[path = "../../../train/tests/support/doubting.rs"]
mod doubting;

/// Chains and rings with all pairs of some groups at their ends.
fn strings() -> Vec<String> {
    // Each as it is written before and after what it is bound to.
    let groups = [
        ("C", "C"),
        ("N", "N"),
        ("O", "O"),
        ("F", "F"),
        ("Cl", "Cl"),
        ("N#C", "C#N"),
        ("CN(C)", "N(C)C"),
        ("CO", "OC"),
        ("NC(=O)", "C(N)=O"),
        ("S", "S"),
    ];
    let mut strings = Vec::new();
    for (i, (before, _)) in groups.iter().enumerate() {
        for (_, after) in &groups[i..] {
            strings.push(format!("{before}C{after}"));
            strings.push(format!("{before}CCC{after}"));
            strings.push(format!("{before}C1CCC({after})CC1"));
            strings.push(format!("{before}c1ccc({after})cc1"));
        }
    }
    strings
}

fn read(strings: &[String]) -> Units {
    let texts: Vec<Option<&str>> = strings.iter().map(|text| Some(text.as_str())).collect();
    let (units, unusable) = MoleculeUnits::read(&texts, AtomFeatures::default(), Limits::default());
    assert!(unusable.is_empty(), "{unusable:?}");
    units
}

fn nitrogens(strings: &[String]) -> Vec<f32> {
    let count = |text: &String| {
        let molecule = Molecule::from_smiles(text).unwrap();
        let nitrogen = molecule.atoms().iter().filter(|atom| atom.number == 7);
        nitrogen.count() as f32
    };
    strings.iter().map(count).collect()
}

fn target(task: Task, names: &[&str], classes: usize) -> Target {
    Target {
        task,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        classes: (0..classes).map(|c| c.to_string()).collect(),
    }
}

struct Problem {
    units: Units,
    targets: Targets,
    target: Target,
    metric: Metric,
    train: Vec<usize>,
    validation: Vec<usize>,
}

impl Problem {
    /// How many nitrogen atoms a molecule has.
    fn counting() -> Problem {
        let strings = strings();
        let all = 0..strings.len();
        Problem {
            units: read(&strings),
            targets: Targets::Values {
                width: 1,
                values: nitrogens(&strings),
            },
            target: target(Task::Regression, &["nitrogens"], 0),
            metric: Metric::Rmse,
            train: all.clone().filter(|i| i % 4 != 0).collect(),
            validation: all.filter(|i| i % 4 == 0).collect(),
        }
    }

    fn fit(&self, design: &Design) -> Result<FittedMember, MemberError> {
        self.fit_with(design, Seed(5))
    }

    fn fit_with(&self, design: &Design, seed: Seed) -> Result<FittedMember, MemberError> {
        let learner = MoleculeLearner::new(AtomFeatures::default(), self.target.task).unwrap();
        learner.fit(&Assignment {
            design,
            units: &self.units,
            targets: &self.targets,
            target: &self.target,
            metric: self.metric,
            train: &self.train,
            validation: &self.validation,
            seed,
            clock: &Clock::unlimited(),
        })
    }

    fn score(&self, member: &dyn Member, part: &[usize]) -> f64 {
        let said = member.predict(&self.units, part).unwrap().mixture();
        let truth = self.targets.select(part);
        self.metric.score(&said.unwrap(), &truth).unwrap()
    }
}

/// A small design of each body.
fn designs() -> Vec<Design> {
    let design = |model: &str| Design::new().with("model", model).with("width", 32);
    vec![
        design("bond_messages").with("readout", "sum"),
        design("atom_messages").with("readout", "sum"),
        design("isomorphism")
            .with("readout", "sum")
            .with("depth", 2),
        design("fingerprint").with("descriptors", true),
    ]
}

fn baseline(model: &str) -> Design {
    Design::new().with("model", model)
}

#[test]
fn every_body_learns_to_count_an_element() {
    let problem = Problem::counting();
    let spread = Metric::Rmse;
    let trivial = problem.fit(&baseline("trivial")).unwrap();
    let nothing = problem.score(&*trivial.member, &problem.validation);
    assert!(nothing > 0.5, "{spread}: {nothing}");
    for design in designs() {
        let fitted = problem.fit(&design).unwrap();
        let score = problem.score(&*fitted.member, &problem.validation);
        // A fingerprint is made of hashes: what an environment holds must be learnt for each alone.
        let hashed = design.get("model").is_some_and(|m| m == "fingerprint");
        let most = if hashed { 0.4 } else { 0.2 };
        assert!(score < most, "{design}: {score}");
        assert!(fitted.member.is_network() && !fitted.stopped_early);
    }
}

#[test]
fn classes_and_labels_with_gaps_are_learnt_by_heart() {
    let strings: Vec<String> = strings().into_iter().step_by(9).take(8).collect();
    let problem = |targets, target, metric| Problem {
        units: read(&strings),
        targets,
        target,
        metric,
        train: (0..8).collect(),
        validation: Vec::new(),
    };
    let classes = problem(
        Targets::Classes(vec![0, 1, 2, 0, 1, 2, 0, 1]),
        target(Task::Multiclass, &["y"], 3),
        Metric::Accuracy,
    );
    // Of the third label little is known.
    let labels = problem(
        Targets::Labels {
            width: 3,
            values: "ny?yn?nn?yyynynnn?yn?ny?"
                .chars()
                .map(|c| (c != '?').then_some(c == 'y'))
                .collect(),
        },
        target(Task::Multilabel, &["a", "b", "c"], 2),
        Metric::Accuracy,
    );
    for problem in [classes, labels] {
        for design in designs() {
            let design = design.with("weight_decay", 0.0).with("learning_rate", 3e-3);
            let fitted = problem.fit(&design).unwrap();
            let score = problem.score(&*fitted.member, &problem.train);
            assert_eq!(score, 1.0, "{design}");
        }
    }
}

#[test]
fn equal_molecules_get_one_prediction() {
    let problem = Problem::counting();
    let pairs = [
        ("OC(=O)c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)O"),
        ("C[C@H](N)C(=O)O", "OC(=O)[C@@H](N)C"),
        ("[Na+].[O-]C", "C[O-].[Na+]"),
    ];
    let first = read(&pairs.map(|(first, _)| first.to_owned()));
    let second = read(&pairs.map(|(_, second)| second.to_owned()));
    let all = [0, 1, 2];
    for design in designs()
        .into_iter()
        .chain([baseline("boosting"), baseline("linear")])
    {
        let member = problem.fit(&design).unwrap().member;
        let mean = |units: &Units| {
            let said = member.predict(units, &all).unwrap().mixture();
            let Distribution::Gaussian { mean, .. } = said.unwrap() else {
                panic!("numbers have a normal distribution")
            };
            mean
        };
        let differences = mean(&first).into_iter().zip(mean(&second));
        let most = differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-4, "{design}: {most}");
    }
}

#[test]
fn what_an_atom_weighs_is_what_the_model_learned_of_it() {
    let problem = Problem::counting();
    let text = "CN(C)c1ccc(CCO)cc1";
    let molecule = Molecule::from_smiles(text).unwrap();
    let masked = atoms_masked(&molecule, AtomFeatures::default());
    let all: Vec<usize> = (0..masked.len()).collect();
    for design in designs().into_iter().chain([baseline("boosting")]) {
        let member = problem.fit(&design).unwrap().member;
        let said = member.predict(&masked, &all).unwrap().mixture();
        let Distribution::Gaussian { mean, .. } = said.unwrap() else {
            panic!("numbers have a normal distribution")
        };
        let weights = atom_weights(&mean.into_iter().map(f64::from).collect::<Vec<_>>());
        assert_eq!(weights.len(), 12);
        let greatest = (0..12).max_by(|&a, &b| weights[a].total_cmp(&weights[b]));
        assert_eq!(greatest, Some(1), "{design}: {weights:?}");
        // Without the only nitrogen the model should count about none.
        assert!(weights[1] > 0.4, "{design}: {weights:?}");
    }
}

#[test]
fn rare_classes_may_count_more_and_probabilities_stay_those_of_the_data() {
    // One molecule in about ten has two nitrogen atoms.
    let strings = strings();
    let classes: Vec<u32> = nitrogens(&strings)
        .iter()
        .map(|&count| u32::from(count > 1.0))
        .collect();
    let share = classes.iter().sum::<u32>() as f32 / classes.len() as f32;
    assert!(share > 0.05 && share < 0.25, "{share}");
    let all = 0..strings.len();
    let problem = Problem {
        units: read(&strings),
        targets: Targets::Classes(classes),
        target: target(Task::Binary, &["y"], 2),
        metric: Metric::LogLoss,
        train: all.clone().filter(|i| i % 4 != 0).collect(),
        validation: all.filter(|i| i % 4 == 0).collect(),
    };
    for balance in [0.5, 1.0] {
        let design = designs()[0].clone().with("balance", balance);
        let member = problem.fit(&design).unwrap().member;
        let said = member.predict(&problem.units, &problem.validation);
        let Distribution::Categorical { probabilities, .. } = said.unwrap().mixture().unwrap()
        else {
            panic!("classes have probabilities")
        };
        let mean: f32 =
            probabilities.iter().skip(1).step_by(2).sum::<f32>() / problem.validation.len() as f32;
        assert!((mean - share).abs() < 0.06, "{balance}: {mean}, {share}");
        assert!(problem.score(&*member, &problem.validation) < 0.3);
        let saved = member.save().unwrap();
        let learner = MoleculeLearner::new(AtomFeatures::default(), Task::Binary).unwrap();
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        let again = loaded.predict(&problem.units, &problem.validation);
        let Distribution::Categorical {
            probabilities: p, ..
        } = again.unwrap().mixture().unwrap()
        else {
            panic!("classes have probabilities")
        };
        assert_eq!(p, probabilities);
    }
}

/// Some trained models: networks, and the baselines.
fn trained() -> (Problem, Vec<FittedMember>) {
    let problem = Problem::counting();
    let baselines = ["trivial", "linear", "boosting", "forest"].map(baseline);
    let designs = designs().into_iter().chain(baselines);
    let fitted = designs.map(|d| problem.fit(&d).unwrap()).collect();
    (problem, fitted)
}

#[test]
fn what_is_saved_predicts_the_same_and_damage_gives_errors() {
    let (problem, fitted) = trained();
    let learner = MoleculeLearner::new(AtomFeatures::default(), Task::Regression).unwrap();
    for fitted in &fitted {
        let saved = fitted.member.save().unwrap();
        let text = serde_json::to_string(&saved.description).unwrap();
        let description: Value = serde_json::from_str(&text).unwrap();
        let loaded = learner.load(&description, &saved.numbers).unwrap();
        assert_eq!(loaded.parameters(), fitted.member.parameters());
        let indices = [3, 0, 23, 3];
        let said = fitted.member.predict(&problem.units, &indices).unwrap();
        assert_eq!(loaded.predict(&problem.units, &indices).unwrap(), said);
        if let Some(features) = said.features {
            assert_eq!(features.embedding.len(), 4 * features.width);
            assert_eq!(features.input.len(), 4 * features.input_width);
        }
        assert!(loaded.predict(&problem.units, &[]).is_ok());
        let tables = Units::new(1, "no molecules");
        assert!(fitted.member.predict(&tables, &[0]).is_err());
        for cut in [0, 7, saved.numbers.len() / 2] {
            let cut = &saved.numbers[..cut.min(saved.numbers.len())];
            let _ = learner.load(&saved.description, cut);
        }
    }
    let saved = fitted[0].member.save().unwrap();
    let damages = [
        ("/design/width", json!(1_000_000)),
        ("/design/width", json!(-3)),
        ("/design/model", json!("bond")),
        ("/design/depth", json!(0)),
        ("/preparation/descriptors/0/1", json!(0.0)),
        ("/preparation/descriptors", json!([])),
        ("/head/width", json!(0)),
        ("/member", json!("nothing")),
    ];
    for (place, value) in damages {
        let mut description = saved.description.clone();
        *description.pointer_mut(place).unwrap() = value;
        let loaded = learner.load(&description, &saved.numbers);
        assert!(loaded.is_err(), "{place}");
    }
}

#[test]
fn the_same_seed_gives_the_same_on_any_number_of_threads() {
    let problem = Problem::counting();
    for design in designs() {
        let design = design.with("dropout", 0.2);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let numbers = || problem.fit(&design).unwrap().member.save().unwrap().numbers;
            pool.unwrap().install(numbers)
        };
        assert_eq!(on(1), on(2), "{design}");
    }
}

#[test]
fn hand_made_networks_are_in_the_space_and_baselines_come_first() {
    let learner = MoleculeLearner::new(AtomFeatures::default(), Task::Binary).unwrap();
    let designs = learner.hand_made();
    assert!(designs[0].baseline && designs[1].baseline);
    for made in designs.iter().filter(|made| !made.baseline) {
        assert_eq!(learner.space().check(&made.design).unwrap(), made.design);
    }
}

#[test]
fn molecules_without_bonds_and_without_atoms_are_learnt_without_fault() {
    let strings = ["C", "[Na+]", "O", "N", "[He]", "F", "Cl", "S"].map(Some);
    let mut strings = strings.to_vec();
    strings.push(None);
    strings.push(Some("this is no molecule"));
    let (units, unusable) =
        MoleculeUnits::read(&strings, AtomFeatures::default(), Limits::default());
    assert_eq!(unusable.iter().map(|u| u.0).collect::<Vec<_>>(), [8, 9]);
    let problem = Problem {
        units,
        targets: Targets::Classes((0..10).map(|i| i % 2).collect()),
        target: target(Task::Binary, &["y"], 2),
        metric: Metric::LogLoss,
        train: (0..10).collect(),
        validation: Vec::new(),
    };
    for design in designs() {
        for readout in ["mean", "attentive"] {
            let fitted = problem
                .fit(&design.clone().with("readout", readout))
                .unwrap();
            assert!(problem.score(&*fitted.member, &problem.train).is_finite());
        }
    }
}

#[test]
fn networks_that_doubt_themselves_do_so_for_each_molecule_and_come_back_from_files() {
    let problem = Problem::counting();
    let learner = MoleculeLearner::new(AtomFeatures::default(), Task::Regression).unwrap();
    let designs: Vec<Design> = designs()
        .into_iter()
        .map(|d| d.with("epochs", 5).with("dropout", 0.1))
        .collect();
    let fit = |design: &Design| problem.fit(design).unwrap();
    let methods = learner.uncertainty_methods();
    doubting::every_method(&learner, methods, &designs, &fit, &problem.units, 1e-3);
}
