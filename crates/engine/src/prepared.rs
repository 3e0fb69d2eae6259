use std::collections::{BTreeMap, BTreeSet};

use candor_core::{Event, Metric, Step, Target, Targets, did_you_mean};
use candor_data::{Fold, Role, Split, SplitOptions, SplitRule, Table, split, time_values};
use candor_design::{Design, Options, Space};
use candor_graph::GivenParts;
use candor_train::{HandMade, Learner};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;
use crate::curated::{Curated, split_seed};
use crate::fidelity::Fidelity;
use crate::{EngineError, Subject};

/// State 3: units, parted before anything is learned from them.
pub(crate) struct Prepared {
    pub table: Table,
    pub subject: Box<dyn Subject>,
    /// The designs that a search may try.
    pub space: Space,
    /// Those that stand in every search.
    pub hand_made: Vec<HandMade>,
    pub targets: Targets,
    pub target: Target,
    pub metric: Metric,
    pub split: Split,
    pub fidelity: Fidelity,
    pub curated: CuratedFacts,
    /// Columns about people.
    pub sensitive: Vec<String>,
}

/// What later steps need to know of the earlier ones.
#[derive(Debug, Clone)]
pub(crate) struct CuratedFacts {
    pub source: crate::sourced::SourceResult,
    pub curation: candor_data::Curation,
}

impl Prepared {
    /// Of so many folds those whose members are deployed: all; of forecasts only the first, since members of earlier rounds know less.
    pub fn deployed_folds(&self, folds: usize) -> usize {
        match self.subject.origins(&[]) {
            Some(_) => folds.min(1),
            None => folds,
        }
    }
}

/// What is kept of step 3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparedResult {
    /// The parts.
    pub split: Split,
    /// How raw data become units.
    pub input: Value,
    /// What is optimised.
    pub metric: Metric,
    /// What was found across the parts.
    pub findings: Vec<candor_core::Finding>,
}

impl Curated {
    /// Parts the rows and fixes how they become units.
    pub fn prepare(self, context: &Context) -> Result<Prepared, EngineError> {
        let target = self.source.decision.target.clone();
        let result = context.step(Step::Prepared, &[], || {
            let split = self.parts(context)?;
            let (table, schema) = (&self.table, &self.schema);
            let material = self.material.as_ref();
            let mut findings = material.findings(table, schema, &self.targets, Some(&split));
            findings.retain(|finding| !context.settings.without.contains(&finding.kind));
            for finding in &findings {
                context.events.emit(Event::Found {
                    finding: finding.clone(),
                });
            }
            let input = material.input(table, schema, &split.development())?;
            let metric = context
                .settings
                .metric
                .unwrap_or(Metric::default_for(target.task));
            Ok(PreparedResult {
                split,
                input,
                metric,
                findings,
            })
        })?;
        context.understood(format!(
            "{} split: {}",
            result.split.rule, result.split.reason
        ));
        let split = result.split;
        let learnable = split.development();
        let (table, input) = (&self.table, &result.input);
        let seconds = context.settings.time.map(|time| time * NETWORK_SHARE);
        let subject = self
            .material
            .subject(input, table, learnable, &target, seconds)?;
        let (space, hand_made) = tried(subject.learner(), &context.settings.models)?;
        let method = context.settings.uncertainty;
        let known = subject.learner().uncertainty_methods();
        let unknown = (!known.contains(&method)).then(|| {
            let names: Vec<&str> = known.iter().map(|method| method.name()).collect();
            format!(
                "networks for this kind of data tell doubt by {} only, not by {method}",
                names.join(", ")
            )
        });
        let refused = method.refusal(target.task, target.width(), split.development().len());
        if let Some(problem) = unknown.or(refused) {
            let setting = "uncertainty";
            return Err(EngineError::Setting { setting, problem });
        }
        let train = split.folds.first().map_or(0, |fold| fold.train.len());
        let mut curation = self.curation;
        curation.findings.extend(result.findings);
        let about_people = self
            .schema
            .columns
            .iter()
            .filter(|c| c.sensitive && c.role != Role::Target);
        Ok(Prepared {
            fidelity: Fidelity::new(split.folds.len(), train),
            sensitive: about_people.map(|c| c.name.clone()).collect(),
            subject,
            space,
            hand_made,
            table: self.table,
            targets: self.targets,
            target,
            metric: result.metric,
            split,
            curated: CuratedFacts {
                source: self.source,
                curation,
            },
        })
    }

    fn parts(&self, context: &Context) -> Result<Split, EngineError> {
        let settings = &context.settings;
        let rows = self.table.rows();
        let of_role = |role| {
            self.schema
                .with_role(role)
                .next()
                .and_then(|c| self.table.column(&c.name))
        };
        let groups = match settings.split {
            Some(SplitRule::Scaffold) => self.material.scaffolds(&self.table),
            _ => of_role(Role::Group).map(|column| codes(column, rows)),
        };
        let time = of_role(Role::Time).map(time_values);
        let dropped = self.curation.dropped_rows.iter().map(|(row, _)| *row);
        let excluded: BTreeSet<usize> =
            self.without_target.iter().copied().chain(dropped).collect();
        if let Some(split) = self.material.own_split(&excluded, settings.test_share)? {
            return match settings.folds {
                Some(_) => Err(no_folds("these data are parted in their own way")),
                None => Ok(split),
            };
        }
        if let Some(given) = self.material.given_parts() {
            return self.as_given(given, excluded, groups.as_deref(), time.as_deref(), context);
        }
        let given = self.source.test_rows;
        let affordable = settings.time.map(|seconds| {
            let cells = rows * self.material.cells(&self.schema);
            affordable_folds(seconds * settings.jobs as f64, cells)
        });
        let options = SplitOptions {
            rule: settings.split,
            test_fraction: settings.test_share.min(MOST_TEST_ROWS / rows.max(1) as f64),
            folds: settings.folds,
            most_folds: affordable
                .into_iter()
                .chain(self.material.most_folds())
                .min()
                .filter(|_| settings.folds.is_none()),
            test_rows: (given > 0).then(|| (rows - given..rows).collect()),
            excluded: excluded.into_iter().collect(),
            ..SplitOptions::default()
        };
        let seed = split_seed(settings.seed);
        Ok(split(
            rows,
            &self.targets,
            groups.as_deref(),
            time.as_deref(),
            &options,
            seed,
        )?)
    }
}

impl Curated {
    /// The parts that the source gives. What it does not give is made of the units that it says are to be learned from.
    fn as_given(
        &self,
        given: &GivenParts,
        mut excluded: BTreeSet<usize>,
        groups: Option<&[u32]>,
        time: Option<&[f64]>,
        context: &Context,
    ) -> Result<Split, EngineError> {
        let usable = |units: &[usize]| -> Vec<usize> {
            let mut units: Vec<usize> = units.to_vec();
            units.retain(|unit| !excluded.contains(unit));
            units
        };
        let (train, validation) = (usable(&given.train), usable(&given.validation));
        let test = usable(&given.test);
        let folds = context.settings.folds;
        if !validation.is_empty() && !train.is_empty() {
            if folds.is_some() {
                return Err(no_folds("the source says what is learned from"));
            }
            return Ok(Split {
                rule: SplitRule::Given,
                reason: format!(
                    "the source says which units are learned from ({}), chosen on ({}) and tested on ({}); out-of-fold predictions \
                     serve for calibration",
                    train.len(),
                    validation.len(),
                    test.len()
                ),
                folds: vec![Fold { train, validation }],
                calibration: Vec::new(),
                test,
            });
        }
        let rows = self.table.rows();
        let known: BTreeSet<usize> = [train, validation, test.clone()]
            .concat()
            .into_iter()
            .collect();
        excluded.extend((0..rows).filter(|row| !known.contains(row)));
        let options = SplitOptions {
            test_fraction: context.settings.test_share,
            folds,
            most_folds: self.material.most_folds().filter(|_| folds.is_none()),
            test_rows: (!test.is_empty()).then_some(test),
            excluded: excluded.into_iter().collect(),
            ..SplitOptions::default()
        };
        let seed = split_seed(context.settings.seed);
        Ok(split(rows, &self.targets, groups, time, &options, seed)?)
    }
}

fn no_folds(why: &str) -> EngineError {
    EngineError::Setting {
        setting: "folds",
        problem: format!("cannot be chosen: {why}"),
    }
}

/// Share of the whole time that one network can have at most.
const NETWORK_SHARE: f64 = 0.5;

/// Rows of the test part at most, when Candor makes it: with so many no score has a standard error that matters, and the
/// others are better used for learning.
const MOST_TEST_ROWS: f64 = 50_000.0;

/// Table cells for which a second of one thread buys one fold: enough for about ten designs on it. Measured on tables of
/// 1,000 to 40,000 rows.
const CELLS_PER_SECOND: f64 = 5_000.0;

/// Folds that the time allows, when it is limited: a search that tries ten designs on one fold finds a better model than one
/// that tries two designs on five.
fn affordable_folds(thread_seconds: f64, cells: usize) -> usize {
    (CELLS_PER_SECOND * thread_seconds / cells.max(1) as f64).max(1.0) as usize
}

/// The space of a learner and its designs by hand, where only models of these kinds are tried; all when none is named.
fn tried(learner: &dyn Learner, models: &[String]) -> Result<(Space, Vec<HandMade>), EngineError> {
    let (space, mut hand_made) = (learner.space().clone(), learner.hand_made());
    if models.is_empty() {
        return Ok((space, hand_made));
    }
    let refuse = |problem| EngineError::Setting {
        setting: "models",
        problem,
    };
    let kind = |design: &Design| Some(design.get(MODEL)?.as_str()?.to_owned());
    let choice = space.choices().iter().find(|choice| choice.name == MODEL);
    let searched: Vec<String> = match choice.map(|choice| &choice.options) {
        Some(Options::Categorical(values) | Options::Ordered(values)) => values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => return Err(refuse("there is no list of models here".into())),
    };
    let mut known = searched.clone();
    known.extend(hand_made.iter().filter_map(|h| kind(&h.design)));
    known.sort();
    known.dedup();
    if let Some(unknown) = models.iter().find(|model| !known.contains(model)) {
        return Err(refuse(format!(
            "for these data there is no `{unknown}`, only {}{}",
            known.join(", "),
            did_you_mean(unknown, &known)
        )));
    }
    let values: Vec<&str> = models
        .iter()
        .filter(|model| searched.contains(model))
        .map(String::as_str)
        .collect();
    if values.is_empty() {
        return Err(refuse(format!(
            "a search needs at least one of {}",
            searched.join(", ")
        )));
    }
    hand_made.retain(|h| kind(&h.design).is_some_and(|kind| models.contains(&kind)));
    Ok((space.only(MODEL, values)?, hand_made))
}

/// The choice that says what kind a model is of.
const MODEL: &str = "model";

/// One number for each distinct text of a column; rows without one are groups of their own.
fn codes(column: &candor_data::Column, rows: usize) -> Vec<u32> {
    let mut places = BTreeMap::new();
    let mut next = 0;
    let mut fresh = || {
        next += 1;
        next - 1
    };
    let code = |row: usize| match column.values.text(row) {
        Some(text) => *places.entry(text).or_insert_with(&mut fresh),
        None => fresh(),
    };
    (0..rows).map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::affordable_folds;

    #[test]
    fn more_cells_or_less_time_mean_fewer_folds() {
        // 30 s and 2 min on two threads.
        assert_eq!(affordable_folds(60.0, 40_000 * 10), 1);
        assert_eq!(affordable_folds(240.0, 40_000 * 10), 3);
        assert!(affordable_folds(60.0, 8_000 * 4) >= 5);
        assert_eq!(affordable_folds(0.001, 0), 5);
    }
}
