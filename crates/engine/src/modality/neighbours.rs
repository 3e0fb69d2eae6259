//! A table as a graph: each row is a node, and a rule makes the edges.

use std::collections::BTreeMap;

use candor_baselines::Matrix;
use candor_core::{Evidence, Finding, Modality, Seed, Severity, Target, Targets};
use candor_data::{ReadOptions, Role, Schema, Source, Split, Table, duplicates_across, read_table};
use candor_graph::{GraphUnits, NeighbourRule, NodeFeatures, Unit, edges_rewired};
use candor_table::{TableEncoder, column_shuffled, columns_shuffled_apart};
use candor_train::{Learner, Units};
use serde_json::Value;

use super::graph::{Described, EDGES, GraphSubject, MOST_KEPT, described, learner};
use super::{Inputs, Material, Opened, malformed, table, to_json};
use crate::{EngineError, FitSettings, Subject};

/// The kind of finding that says where the edges come from.
const BY_RULE: &str = "edges-by-rule";

fn refused(problem: String) -> EngineError {
    EngineError::Setting {
        setting: "neighbours",
        problem,
    }
}

/// What is said where edges are asked for of a source that is no table.
pub(super) fn no_table(settings: &FitSettings) -> EngineError {
    refused(format!(
        "it makes edges between the rows of a table, and `{}` is something else",
        settings.source
    ))
}

/// Reads a table whose rows are joined to the `neighbours` nearest.
pub(super) fn open(settings: &FitSettings, neighbours: usize) -> Result<Opened, EngineError> {
    let mut opened = table::open(settings)?;
    let rule = format!(
        "each row receives from the {neighbours} nearest rows that may be learned from, by the distance of its features, standardised on these"
    );
    opened.facts.notes.push(format!(
        "the edges are made by a rule: {rule}; a new row is linked to them in the same way, so that the bundle holds these rows"
    ));
    opened.findings.push(Finding {
        kind: BY_RULE.to_owned(),
        severity: Severity::Note,
        columns: Vec::new(),
        message: format!("the edges are no data, but made by a rule: {rule}"),
        evidence: Evidence::default(),
        remedy: "hold the models beside those of the table alone, which see the same features: fit again without `--neighbours`".into(),
        action: None,
    });
    opened.material = Box::new(Rows {
        neighbours,
        memory: settings.memory,
    });
    Ok(opened)
}

/// A unit is a row.
struct Rows {
    neighbours: usize,
    memory: Option<u64>,
}

impl Material for Rows {
    fn modality(&self) -> Modality {
        Modality::Graph
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        vec![]
    }

    fn own_checks(&self) -> Vec<&'static str> {
        vec![BY_RULE]
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        _targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        split.map_or_else(Vec::new, |split| duplicates_across(table, schema, split))
    }

    fn input(
        &self,
        table: &Table,
        schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError> {
        let encoder = TableEncoder::fit(table, schema, development)?;
        let matrix = encoder.encode(table)?;
        let kept = matrix.values().len() + 2 * self.neighbours * matrix.rows();
        if kept > MOST_KEPT {
            return Err(refused(format!(
                "a bundle keeps the rows and their edges, {kept} numbers, and {MOST_KEPT} is the most; leave columns out with `--ignore`, ask \
                 for fewer neighbours, or take fewer rows"
            )));
        }
        let rule = NeighbourRule::fit(&matrix, self.neighbours, development).map_err(refused)?;
        to_json(&Described {
            encoder: Some(encoder),
            rule: Some(rule),
            ..Described::default()
        })
    }

    fn most_folds(&self) -> Option<usize> {
        Some(5)
    }

    fn cells(&self, schema: &Schema) -> usize {
        schema.with_role(Role::Feature).count() + 2 * self.neighbours
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        table: &Table,
        _learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let described = described(input).map_err(malformed)?;
        let Some(rule) = described.rule.clone() else {
            return Err(malformed("the rule that makes the edges is lost".into()));
        };
        let features: NodeFeatures = described.features(table, table.rows(), None)?;
        rule.check(&features.table).map_err(malformed)?;
        let graph = rule.graph(&features.table);
        let ids = (1..=table.rows()).map(|row| format!("row {row}"));
        let units = GraphUnits::whole(graph, features, ids.collect());
        Ok(Box::new(RowsSubject {
            rule,
            inner: GraphSubject {
                learner: learner(target.task, Unit::Node, self.memory)?.inductive(),
                units: units.units(),
                described,
            },
        }))
    }
}

/// Rows in the form in which they are predicted: beside those that a bundle keeps.
pub(super) fn inputs(
    described: &Described,
    kept: Option<&GraphUnits>,
    table: &Table,
) -> Result<Inputs, EngineError> {
    let parts = (&described.rule, &described.encoder, kept);
    let (Some(rule), Some(encoder), Some(kept)) = parts else {
        return Err(malformed(
            "the rows that its edges lead from are lost".into(),
        ));
    };
    let rows = encoder.encode(table)?;
    let units = rule.beside(kept, &rows).map_err(malformed)?;
    Ok(Inputs {
        units: units.units(),
        names: None,
        unreadable: BTreeMap::new(),
    })
}

/// Reads rows to predict.
pub(super) fn read(
    described: &Described,
    kept: Option<&GraphUnits>,
    source: &str,
    options: &ReadOptions,
) -> Result<Inputs, EngineError> {
    let read = read_table(&Source::parse(source)?, options)?;
    inputs(described, kept, &read.table)
}

/// Rows and the edges between them, as the pipeline sees them. Changed rows are linked anew, as new ones are.
struct RowsSubject {
    rule: NeighbourRule,
    inner: GraphSubject,
}

impl RowsSubject {
    fn changed(&self, rows: usize, values: Vec<f32>) -> Result<Units, EngineError> {
        let known = self.inner.graph()?;
        let columns = known.features.table.columns().to_vec();
        let rows = Matrix::new(rows, columns, values).map_err(|e| malformed(e.to_string()))?;
        let units = self.rule.beside(known, &rows).map_err(malformed)?;
        Ok(units.units())
    }
}

impl Subject for RowsSubject {
    fn learner(&self) -> &dyn Learner {
        self.inner.learner()
    }

    fn units(&self) -> &Units {
        self.inner.units()
    }

    fn input(&self) -> Result<Value, EngineError> {
        self.inner.input()
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let table = &self.inner.graph()?.features.table;
        self.changed(units.len(), columns_shuffled_apart(table, units, seed))
    }

    fn parts(&self) -> Vec<String> {
        self.inner.parts()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let graph = self.inner.graph()?;
        if part == EDGES {
            return Ok(edges_rewired(graph, units, seed).units());
        }
        let Some(encoder) = &self.inner.described.encoder else {
            return Err(malformed(format!("there is no part `{part}`")));
        };
        let features = encoder.features_of(part);
        let table = &graph.features.table;
        self.changed(units.len(), column_shuffled(table, units, features, seed))
    }
}
