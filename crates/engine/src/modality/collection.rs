use std::path::Path;

use candor_core::{Finding, Modality, Target, Targets};
use candor_data::{Role, Schema, SchemaOptions, Split, Table, infer_schema};
use candor_graph::curate::{duplicate_findings, same_graphs};
use candor_graph::{
    CollectionSource, GivenParts, Graph, GraphOptions, GraphUnits, ReadCollection, Unit,
    read_collection,
};
use candor_table::TableEncoder;
use serde_json::Value;

use super::graph::{Described, GraphSubject, described, learner, options};
use super::{Material, Opened, leave_out_others, malformed, parts_of, to_json};
use crate::{EngineError, FitSettings, Subject};

/// The many graphs of a source, if it holds them.
pub(super) fn detect(source: &str) -> Option<CollectionSource> {
    CollectionSource::detect(Path::new(source))
}

/// Reads many graphs.
pub(super) fn open(
    source: &CollectionSource,
    settings: &FitSettings,
) -> Result<Opened, EngineError> {
    let options = options(settings)?;
    let read = read_collection(source, &options)?;
    let empty = read.empty();
    let ReadCollection {
        table,
        id_column,
        ids,
        nodes,
        starts,
        graph,
        parts,
        facts,
        findings,
    } = read;
    Ok(Opened {
        table,
        facts,
        test: None,
        test_rows: 0,
        findings,
        material: Box::new(Graphs {
            graph,
            ids,
            nodes,
            starts,
            empty,
            id_column,
            parts,
            options,
            memory: settings.memory,
        }),
    })
}

/// A unit is one of many graphs.
struct Graphs {
    graph: Graph,
    ids: Vec<String>,
    id_column: String,
    /// A row a node.
    nodes: Table,
    /// Where the nodes of each graph begin, and the number of all.
    starts: Vec<usize>,
    /// Graphs without nodes.
    empty: Vec<usize>,
    parts: Option<GivenParts>,
    options: GraphOptions,
    memory: Option<u64>,
}

/// The kind of finding about columns that are not looked at.
const BESIDE: &str = "columns-beside-graphs";

impl Material for Graphs {
    fn modality(&self) -> Modality {
        Modality::GraphSet
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table names graphs, and says nothing of what is in them.
        vec!["contradictions", "drift", "duplicates", "near-duplicates"]
    }

    fn own_checks(&self) -> Vec<&'static str> {
        vec![BESIDE]
    }

    fn own_columns(&self) -> Vec<&str> {
        let columns = self.nodes.columns.iter();
        columns.map(|column| column.name.as_str()).collect()
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        leave_out_others(
            schema,
            &self.id_column,
            BESIDE,
            "of the table of graphs",
            "models of graphs see nodes and edges; give each node what is known of its graph"
                .to_owned(),
        )
    }

    fn findings(
        &self,
        _table: &Table,
        _schema: &Schema,
        _targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        let firsts = same_graphs(&self.graph, &self.starts, &self.nodes);
        let Some(split) = split else {
            return duplicate_findings("graphs", &firsts, None);
        };
        let parts = parts_of(self.ids.len(), split);
        duplicate_findings("graphs", &firsts, Some(&parts))
    }

    fn unusable(&self) -> Vec<(usize, String)> {
        let empty = self.empty.iter();
        empty
            .map(|&graph| (graph, "the graph has no node".to_owned()))
            .collect()
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError> {
        let encoder = match self.nodes.columns.is_empty() {
            true => None,
            false => {
                let ignored = self.options.ignore.iter();
                let known = ignored.filter(|name| self.nodes.column(name).is_some());
                let options = SchemaOptions {
                    ignore: known.cloned().collect(),
                    ..SchemaOptions::default()
                };
                let schema = infer_schema(&self.nodes, &options)?;
                let learned: Vec<usize> = development
                    .iter()
                    .flat_map(|&graph| self.starts[graph]..self.starts[graph + 1])
                    .collect();
                match schema.with_role(Role::Feature).next() {
                    Some(_) => Some(TableEncoder::fit(&self.nodes, &schema, &learned)?),
                    None => None,
                }
            }
        };
        to_json(&Described {
            id_column: self.id_column.clone(),
            encoder,
            apart: None,
            names: None,
            options: self.options.clone(),
            kept: None,
            rule: None,
        })
    }

    fn given_parts(&self) -> Option<&GivenParts> {
        self.parts.as_ref()
    }

    fn most_folds(&self) -> Option<usize> {
        Some(5)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        let columns = self.nodes.columns.len() + 1;
        let all = self.graph.nodes() * columns + 2 * self.graph.edges().len();
        all.div_ceil(self.ids.len().max(1))
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        _table: &Table,
        _learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let described = described(input).map_err(malformed)?;
        let features = described.features(&self.nodes, self.graph.nodes(), None)?;
        let units = GraphUnits::collection(self.graph, features, self.ids, self.starts);
        Ok(Box::new(GraphSubject {
            learner: learner(target.task, Unit::Graph, self.memory)?,
            units: units.units(),
            described,
        }))
    }
}
