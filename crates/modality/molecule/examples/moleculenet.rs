//! Trains one design for molecules on one table, by the protocol of MoleculeNet: random 80/10/10 parts by a seed, the best epoch on the
//! validation part, the test part looked at once.
//!
//! ```text
//! cargo run --release -p candor-molecule --example moleculenet -- esol.csv --target logS --seeds 0,1,2
//!     --design '{"model": "bond_messages", "depth": 4}'   # changes to Chemprop's defaults, or a baseline such as boosting
//!     --target '["a, b", "c"]'                            # columns as JSON, where names hold commas
//!     --split scaffold                                    # by Murcko scaffold, balanced
//!     --members 5                                         # the mean of so many networks; with a list of designs, of each in turn
//!     --validation                                        # the test part is not looked at
//!     --parts FILE                                        # writes the rows of the parts as JSON, for others to learn from
//!     --rank LIBRARY --find SMILES                        # the place of a structure among those of a file, by the first class or label
//! ```
//!
//! Prints one JSON line a seed: scores (root mean squared error for numbers, else the area under the ROC curve, the mean over labels),
//! seconds, and molecules a second in training (each counted as often as it was shown) and in prediction from strings.
#![expect(clippy::print_stdout, reason = "its result is the point of it")]

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::time::Instant;

use candor_core::{Clock, Distribution, Metric, Seed, Task};
use candor_data::{
    ReadOptions, SchemaOptions, Source, decide_target, encode_targets, infer_schema,
};
use candor_design::Design;
use candor_molecule::{
    AtomFeatures, Library, Limits, Molecule, MoleculeDesign, MoleculeLearner, MoleculeUnits,
    ScaffoldParts, ScaffoldRule, Space, canonical_key, read_molecules, scaffold_groups,
    scaffold_parts, structures,
};
use candor_train::{Assignment, FittedMember, Learner};
use rand::seq::SliceRandom;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    let source = read_molecules(
        &Source::parse(&options.file)?,
        &ReadOptions::default(),
        None,
    )?;
    let table = source.table;
    let schema = infer_schema(&table, &SchemaOptions::default())?;
    let named: Vec<String> = match options.of("target")? {
        // Names may hold commas themselves.
        list if list.starts_with('[') => serde_json::from_str(list)?,
        list => list.split(',').map(str::to_owned).collect(),
    };
    let target = decide_target(&table, &schema, &named, None, None)?.target;
    let encoded = encode_targets(&table, &target)?;
    let column = table
        .column(&source.structures.name)
        .ok_or("no structures")?;
    let strings = structures(&column.values);
    let features = AtomFeatures::default();
    let (units, unusable) = MoleculeUnits::read(&strings, features, Limits::default());
    let unfit = |row: &usize| {
        unusable.iter().any(|(unit, _)| unit == row) || encoded.missing_rows.contains(row)
    };
    let rows: Vec<usize> = (0..table.rows()).filter(|row| !unfit(row)).collect();
    let metric = match target.task {
        Task::Regression => Metric::Rmse,
        _ => Metric::RocAuc,
    };
    let learner = MoleculeLearner::new(features, target.task)?;
    let designs = options.designs()?;
    for seed in options.of("seeds").unwrap_or("0").split(',') {
        let seed = Seed(seed.parse()?);
        let parts = options.parts(&strings, &rows, seed)?;
        if let Ok(path) = options.of("parts") {
            let parts = json!({
                "train": parts.train, "validation": parts.validation, "test": parts.test,
            });
            std::fs::write(path, parts.to_string())?;
        }
        let members: u64 = options.of("members").unwrap_or("1").parse()?;
        let members = members.max(designs.len() as u64);
        let started = Instant::now();
        let fit = |member: u64| {
            learner.fit(&Assignment {
                design: &designs[member as usize % designs.len()],
                units: &units,
                targets: &encoded.targets,
                target: &target,
                metric,
                train: &parts.train,
                validation: &parts.validation,
                seed: seed.derive("member", &[member]),
                clock: &Clock::unlimited(),
            })
        };
        let fitted: Vec<FittedMember> = (0..members).map(fit).collect::<Result<_, _>>()?;
        let fit_seconds = started.elapsed().as_secs_f64();
        let last = |member: &FittedMember| member.history.last().map_or(0.0, |h| h.epoch);
        let epochs: f64 = fitted.iter().map(last).sum();
        let score = |part: &[usize]| -> Result<f64, Box<dyn Error>> {
            let said: Vec<Distribution> = fitted
                .iter()
                .map(|member| {
                    let said = member.member.predict(&units, part)?;
                    Ok::<_, Box<dyn Error>>(said.mixture()?)
                })
                .collect::<Result<_, _>>()?;
            let mixed: Vec<(f64, &Distribution)> = said.iter().map(|said| (1.0, said)).collect();
            let mixed = Distribution::mixture(&mixed)?;
            Ok(metric.score(&mixed, &encoded.targets.select(part))?)
        };
        let mut line = json!({
            "seed": seed.0,
            "rows": [parts.train.len(), parts.validation.len(), parts.test.len()],
            "metric": metric.name(),
            "validation": score(&parts.validation)?,
            "epochs": epochs / members as f64,
            "seconds": fit_seconds,
            "trained_a_second": epochs * parts.train.len() as f64 / fit_seconds,
            "predicted_a_second": predicted_a_second(&fitted[0], &strings, features)?,
        });
        if !options.flags.contains_key("validation") {
            line["test"] = json!(score(&parts.test)?);
        }
        if let Ok(library) = options.of("rank") {
            let (rank, ranked) = rank(&fitted, library, options.of("find")?, features)?;
            line["rank"] = json!([rank, ranked]);
        }
        println!("{line}");
    }
    Ok(())
}

/// The place, from 1, of a structure among those of a library that can be read, by the mean probability of the first class or label, and
/// how many there are.
fn rank(
    fitted: &[FittedMember],
    library: &str,
    find: &str,
    features: AtomFeatures,
) -> Result<(usize, usize), Box<dyn Error>> {
    let key = |smiles: &str| {
        let molecule = Molecule::from_smiles(smiles).ok()?;
        Some(canonical_key(&molecule, Space::Ignored))
    };
    let wanted = key(find).ok_or("the structure to find cannot be read")?;
    let mut library = Library::open(library.as_ref(), None)?;
    let entries = library.next(usize::MAX)?;
    let strings: Vec<Option<&str>> = entries.iter().map(|e| e.structure.as_deref()).collect();
    let (units, unusable) = MoleculeUnits::read(&strings, features, Limits::default());
    let unusable: HashSet<usize> = unusable.iter().map(|(unit, _)| *unit).collect();
    let usable: Vec<usize> = (0..strings.len())
        .filter(|u| !unusable.contains(u))
        .collect();
    let mut sums = vec![0.0_f32; usable.len()];
    for member in fitted {
        let said = member.member.predict(&units, &usable)?.mixture()?;
        let (probabilities, columns, wanted) = match said {
            // The second of two classes is the one that is asked for.
            Distribution::Categorical {
                probabilities,
                classes,
            } => (probabilities, classes, 1),
            Distribution::Bernoulli {
                probabilities,
                width,
            } => (probabilities, width, 0),
            _ => return Err("numbers are not ranked".into()),
        };
        for (sum, row) in sums.iter_mut().zip(probabilities.chunks(columns)) {
            *sum += row[wanted];
        }
    }
    let place = usable
        .iter()
        .position(|&unit| strings[unit].and_then(key) == Some(wanted))
        .ok_or("the structure is not in the library")?;
    let before = sums.iter().filter(|&&sum| sum > sums[place]).count();
    Ok((before + 1, usable.len()))
}

/// Molecules a second from strings to predictions of one member.
fn predicted_a_second(
    member: &FittedMember,
    strings: &[Option<&str>],
    features: AtomFeatures,
) -> Result<f64, Box<dyn Error>> {
    let started = Instant::now();
    let (units, _) = MoleculeUnits::read(strings, features, Limits::default());
    let all: Vec<usize> = (0..strings.len()).collect();
    member.member.predict(&units, &all)?;
    Ok(strings.len() as f64 / started.elapsed().as_secs_f64())
}

struct Options {
    file: String,
    flags: HashMap<String, String>,
}

impl Options {
    fn read() -> Result<Options, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let file = arguments.next().ok_or("give a table of molecules")?;
        let mut flags = HashMap::new();
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").ok_or("options begin with --")?;
            let value = match name {
                "validation" => String::new(),
                _ => arguments.next().ok_or("an option needs a value")?,
            };
            flags.insert(name.to_owned(), value);
        }
        Ok(Options { file, flags })
    }

    fn of(&self, name: &str) -> Result<&str, Box<dyn Error>> {
        let value = self.flags.get(name).map(String::as_str);
        value.ok_or_else(|| format!("--{name} is missing").into())
    }

    /// The designs that members of an ensemble have in turn.
    fn designs(&self) -> Result<Vec<Design>, Box<dyn Error>> {
        match serde_json::from_str(self.of("design").unwrap_or("{}"))? {
            Value::Array(all) if !all.is_empty() => all.iter().map(design).collect(),
            one => Ok(vec![design(&one)?]),
        }
    }

    fn parts(
        &self,
        strings: &[Option<&str>],
        rows: &[usize],
        seed: Seed,
    ) -> Result<ScaffoldParts, Box<dyn Error>> {
        match self.of("split").unwrap_or("random") {
            "random" => {
                let mut rows = rows.to_vec();
                rows.shuffle(&mut seed.stream("split", &[]));
                let (train, rest) = rows.split_at(rows.len() * 8 / 10);
                let (validation, test) = rest.split_at(rest.len() / 2);
                let [train, validation, test] = [train, validation, test].map(|part| {
                    let mut part = part.to_vec();
                    part.sort_unstable();
                    part
                });
                Ok(ScaffoldParts {
                    train,
                    validation,
                    test,
                })
            }
            "scaffold" => {
                let groups = scaffold_groups(strings);
                let rule = ScaffoldRule::Balanced(seed);
                Ok(scaffold_parts(&groups, rows, 0.8, 0.1, rule))
            }
            "scaffold_largest_first" => {
                let groups = scaffold_groups(strings);
                let rule = ScaffoldRule::LargestFirst;
                Ok(scaffold_parts(&groups, rows, 0.8, 0.1, rule))
            }
            other => Err(format!("no split `{other}`").into()),
        }
    }
}

/// Chemprop's defaults with what is asked for changed.
fn design(changes: &Value) -> Result<Design, Box<dyn Error>> {
    let changes = changes
        .as_object()
        .ok_or("a design of --design is no JSON object")?;
    let model = changes.get("model").and_then(Value::as_str);
    let defaults = serde_json::to_value(MoleculeDesign::default())?;
    let mut fields = match model {
        Some("trivial" | "linear" | "boosting" | "forest") => serde_json::Map::new(),
        _ => defaults.as_object().cloned().unwrap_or_default(),
    };
    fields.extend(changes.clone());
    let design = Design::new();
    Ok(fields
        .into_iter()
        .fold(design, |design, (name, value)| design.with(name, value)))
}
