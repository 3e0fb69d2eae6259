use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use candor_baselines::{FeatureKind, Matrix};
use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{ReadOptions, Role, Schema, Source, Split, Table, read_table};
use candor_graph::curate::{Homophily, degree_drift, duplicate_findings, duplicates};
use candor_graph::{
    CollectionSource, Disturbance, GivenParts, Graph, GraphError, GraphLearner, GraphOptions,
    GraphSource, GraphUnits, NeighbourRule, NodeFeatures, ReadGraph, SparseFeatures, Unit,
    canonical_id, edges_rewired, features_shuffled, features_shuffled_apart, read_collection,
    read_graph,
};
use candor_table::TableEncoder;
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::graph_explanation::explained;
use super::{
    Asked, Explanation, Input, Inputs, Material, Opened, ReaderError, Readers, disturbance_named,
    malformed, neighbours, pairs, parts_of, to_json,
};
use crate::{EngineError, FitSettings, Subject};

/// What the edges are called among the parts whose worth is measured.
pub(super) const EDGES: &str = "edges";
/// Groups of features that were given apart, at most, whose worth is measured.
const GROUPS: usize = 16;
/// Numbers of a graph up to which a bundle keeps it.
pub(super) const MOST_KEPT: usize = 2_000_000;

/// The graph of a source, if it holds one.
pub(super) fn detect(source: &str) -> Option<GraphSource> {
    GraphSource::detect(Path::new(source))
}

/// Reads the graph.
pub(super) fn open(source: &GraphSource, settings: &FitSettings) -> Result<Opened, EngineError> {
    let options = options(settings)?;
    let read = read_graph(source, &options)?;
    if pairs::asked_for(settings, &read.table) {
        return pairs::open(read, options, settings);
    }
    let ReadGraph {
        table,
        id_column,
        ids,
        graph,
        apart,
        parts,
        facts,
        findings,
    } = read;
    let (apart, names) = apart.unzip();
    Ok(Opened {
        table,
        facts,
        test: None,
        test_rows: 0,
        findings,
        material: Box::new(Nodes {
            graph,
            ids,
            apart,
            names: names.flatten(),
            id_column,
            parts,
            options,
            memory: settings.memory,
        }),
    })
}

/// How the graphs of a source are read.
pub(super) fn options(settings: &FitSettings) -> Result<GraphOptions, EngineError> {
    if settings.test.is_some() {
        return Err(EngineError::Setting {
            setting: "test",
            problem:
                "graphs have their test part in themselves: name it in a column `split`, or in masks"
                    .into(),
        });
    }
    Ok(GraphOptions {
        tables: settings.read.clone(),
        directed: settings.directed.unwrap_or(false),
        mask: settings.mask,
        ignore: settings.ignore.clone(),
    })
}

/// A unit is a node.
struct Nodes {
    graph: Graph,
    ids: Vec<String>,
    id_column: String,
    apart: Option<SparseFeatures>,
    /// Of the features that were given apart.
    names: Option<Vec<String>>,
    parts: Option<GivenParts>,
    options: GraphOptions,
    memory: Option<u64>,
}

impl Nodes {
    /// Columns of the table that are features.
    fn columns<'a>(&self, schema: &'a Schema) -> Vec<&'a str> {
        let features = schema.with_role(Role::Feature);
        let names = features.map(|column| column.name.as_str());
        names.filter(|name| *name != self.id_column).collect()
    }
}

impl Material for Nodes {
    fn modality(&self) -> Modality {
        Modality::Graph
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table has a node a row, in no order, and not all of what is known of it.
        vec!["contradictions", "drift", "duplicates", "near-duplicates"]
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        let columns = self.columns(schema);
        let firsts = duplicates(&self.graph, table, &columns, self.apart.as_ref());
        let Some(split) = split else {
            let mut findings = duplicate_findings("nodes", &firsts, None);
            if let Targets::Classes(classes) = targets {
                let target = schema.with_role(Role::Target).next();
                let target = target.and_then(|column| table.column(&column.name));
                let known = |node: usize| target.is_some_and(|c| !c.values.is_missing(node));
                let classes: Vec<Option<u32>> = classes
                    .iter()
                    .enumerate()
                    .map(|(node, &class)| known(node).then_some(class))
                    .collect();
                let homophily = Homophily::measure(&self.graph, &classes, Seed(0));
                findings.extend(homophily.map(|h| h.finding()));
            }
            return findings;
        };
        let parts = parts_of(self.graph.nodes(), split);
        let mut findings = duplicate_findings("nodes", &firsts, Some(&parts));
        let development = split.development();
        findings.extend(degree_drift(&self.graph, &development, &split.test));
        findings
    }

    fn input(
        &self,
        table: &Table,
        schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError> {
        let mut schema = schema.clone();
        schema.set_role(&self.id_column, Role::Ignored);
        let encoder = match schema.with_role(Role::Feature).next() {
            Some(_) => Some(TableEncoder::fit(table, &schema, development)?),
            None => None,
        };
        to_json(&Described {
            id_column: self.id_column.clone(),
            encoder,
            apart: self.apart.as_ref().map(SparseFeatures::width),
            names: self.names.clone(),
            options: self.options.clone(),
            kept: None,
            rule: None,
        })
    }

    fn given_parts(&self) -> Option<&GivenParts> {
        self.parts.as_ref()
    }

    fn most_folds(&self) -> Option<usize> {
        // The whole graph is computed for each.
        Some(5)
    }

    fn cells(&self, schema: &Schema) -> usize {
        let nodes = self.graph.nodes().max(1);
        let apart = self.apart.as_ref().map_or(0, SparseFeatures::entries);
        self.columns(schema).len() + (apart + 2 * self.graph.edges().len()).div_ceil(nodes)
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
        let features = described.features(table, self.graph.nodes(), self.apart)?;
        let units = GraphUnits::whole(self.graph, features, self.ids);
        Ok(Box::new(GraphSubject {
            learner: learner(target.task, Unit::Node, self.memory)?,
            units: units.units(),
            described,
        }))
    }
}

/// Who learns from graphs, where a step of training may take so many bytes.
pub(super) fn learner(
    task: Task,
    unit: Unit,
    memory: Option<u64>,
) -> Result<GraphLearner, EngineError> {
    let learner = GraphLearner::new(task, unit)?;
    Ok(match memory {
        Some(memory) => learner.within(memory),
        None => learner,
    })
}

/// What a bundle knows of its graph, or of many graphs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Described {
    /// Of the nodes, or of the graphs.
    pub id_column: String,
    /// The columns of the table of nodes, where some are features.
    pub encoder: Option<TableEncoder>,
    /// How many features are given apart.
    pub apart: Option<usize>,
    /// Their names, where they have some.
    pub names: Option<Vec<String>>,
    pub options: GraphOptions,
    /// The graph that was learned from, where nodes are predicted, unless it is very large.
    pub kept: Option<Kept>,
    /// Where the edges are made between the rows of a table: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<NeighbourRule>,
}

/// A graph with all that is known of its nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    graph: Graph,
    ids: Vec<String>,
    /// The encoded table, row by row; what is missing has no number.
    table: Vec<Option<f32>>,
    /// Categories of each column of it; none for numbers.
    columns: Vec<Option<u32>>,
    apart: Option<SparseFeatures>,
}

impl Kept {
    pub fn of(units: &GraphUnits) -> Option<Kept> {
        if units.starts.is_some() {
            return None;
        }
        let features = &units.features;
        let apart = features.apart.as_ref().map_or(0, SparseFeatures::entries);
        let size = 2 * units.graph.edges().len() + features.table.values().len() + 2 * apart;
        (size <= MOST_KEPT).then(|| Kept {
            graph: (*units.graph).clone(),
            ids: (*units.ids).clone(),
            table: features
                .table
                .values()
                .iter()
                .map(|value| (!value.is_nan()).then_some(*value))
                .collect(),
            columns: features
                .table
                .columns()
                .iter()
                .map(|kind| match kind {
                    FeatureKind::Numeric => None,
                    FeatureKind::Categorical { cardinality } => Some(*cardinality),
                })
                .collect(),
            apart: features.apart.clone(),
        })
    }

    /// # Errors
    /// What is damaged, in words.
    pub fn units(&self) -> Result<GraphUnits, String> {
        self.graph.check()?;
        let nodes = self.graph.nodes();
        if self.ids.len() != nodes {
            return Err("the ids of its nodes are damaged".into());
        }
        if let Some(apart) = &self.apart {
            apart.check(nodes)?;
        }
        let kind = |cardinality: &Option<u32>| match *cardinality {
            None => FeatureKind::Numeric,
            Some(cardinality) => FeatureKind::Categorical { cardinality },
        };
        let columns = self.columns.iter().map(kind).collect();
        let values = self.table.iter().map(|value| value.unwrap_or(f32::NAN));
        let table = Matrix::new(nodes, columns, values.collect()).map_err(|e| e.to_string())?;
        let features = NodeFeatures {
            table,
            apart: self.apart.clone(),
        };
        Ok(GraphUnits::whole(
            self.graph.clone(),
            features,
            self.ids.clone(),
        ))
    }
}

impl Described {
    /// Features of nodes as the model takes them, from a table and from what was given apart under these very numbers.
    pub fn features(
        &self,
        table: &Table,
        nodes: usize,
        apart: Option<SparseFeatures>,
    ) -> Result<NodeFeatures, EngineError> {
        let table = match &self.encoder {
            Some(encoder) => encoder.encode(table)?,
            None => {
                Matrix::new(nodes, Vec::new(), Vec::new()).map_err(|e| malformed(e.to_string()))?
            }
        };
        Ok(NodeFeatures { table, apart })
    }

    /// Which features that were given apart a part stands for.
    fn groups(&self) -> Vec<(String, Range<usize>)> {
        let width = self.apart.unwrap_or(0);
        let step = width.div_ceil(GROUPS).max(1);
        let starts = (0..width).step_by(step);
        let group = |start: usize| {
            let end = (start + step).min(width);
            let name = |place: usize| match &self.names {
                Some(names) => names[place].clone(),
                None => place.to_string(),
            };
            let name = match end - start {
                1 => format!("feature {}", name(start)),
                _ => format!("features {} to {}", name(start), name(end - 1)),
            };
            (name, start..end)
        };
        starts.map(group).collect()
    }

    /// What the features are called whose worth is measured.
    pub fn parts(&self) -> Vec<String> {
        let encoder = self.encoder.iter();
        let columns = encoder.flat_map(TableEncoder::columns).map(str::to_owned);
        let groups = self.groups().into_iter().map(|(name, _)| name);
        columns.chain(groups).collect()
    }

    /// The features of the table, and of those given apart, that a part stands for.
    pub fn part(&self, part: &str) -> Result<(Range<usize>, Range<usize>), EngineError> {
        if let Some((_, range)) = self.groups().into_iter().find(|(name, _)| name == part) {
            return Ok((0..0, range));
        }
        match &self.encoder {
            Some(encoder) => Ok((encoder.features_of(part), 0..0)),
            None => Err(malformed(format!("there is no part `{part}`"))),
        }
    }

    /// Features of another source under the numbers of the model's: by their names, where they have some.
    fn renamed(
        &self,
        nodes: usize,
        apart: Option<(SparseFeatures, Option<Vec<String>>)>,
    ) -> Result<Option<SparseFeatures>, EngineError> {
        let Some(width) = self.apart else {
            return Ok(None);
        };
        let Some((features, names)) = apart else {
            return Ok(Some(SparseFeatures::new(nodes, width, Vec::new())));
        };
        match (&self.names, names) {
            (Some(known), Some(names)) => {
                let places: std::collections::HashMap<&str, u32> = (0..)
                    .zip(known)
                    .map(|(i, name)| (name.as_str(), i))
                    .collect();
                let to: Vec<Option<u32>> = names
                    .iter()
                    .map(|name| places.get(name.as_str()).copied())
                    .collect();
                Ok(Some(features.renamed(&to, width)))
            }
            _ if features.width() == width => Ok(Some(features)),
            _ => Err(malformed(format!(
                "the model takes {width} features beside the table of nodes, the source has {}",
                features.width()
            ))),
        }
    }
}

pub(super) fn described(input: &Value) -> Result<Described, String> {
    serde_json::from_value(input.clone()).map_err(|e| format!("what is known of its graph: {e}"))
}

/// How a deployed model reads nodes.
struct GraphInput {
    described: Described,
    kept: Option<GraphUnits>,
    unit: Unit,
}

pub(super) fn reader(input: &Value, task: Task, unit: Unit) -> Result<Readers, ReaderError> {
    let described = described(input).map_err(ReaderError::Damaged)?;
    let kept = described.kept.as_ref().map(Kept::units).transpose();
    let kept = kept.map_err(ReaderError::Damaged)?;
    if let (Some(rule), Some(kept)) = (&described.rule, &kept) {
        let table = &kept.features.table;
        rule.check(table).map_err(ReaderError::Damaged)?;
    }
    let learner = learner(task, unit, None).map_err(ReaderError::Engine)?;
    let input = GraphInput {
        described,
        kept,
        unit,
    };
    Ok((Box::new(input), Box::new(learner)))
}

impl GraphInput {
    /// A folder of many graphs.
    fn collection(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        let Some(found) = CollectionSource::detect(Path::new(source)) else {
            return Err(EngineError::WrongModality {
                what: format!("`{source}`"),
                expected: Modality::GraphSet,
            });
        };
        let options = GraphOptions {
            tables: options.clone(),
            mask: None,
            ..self.described.options.clone()
        };
        let read = read_collection(&found, &options)?;
        let why = |graph| (graph, "The graph has no node.".to_owned());
        let unreadable = read.empty().into_iter().map(why).collect();
        let features = self
            .described
            .features(&read.nodes, read.graph.nodes(), None)?;
        let ids = read.ids.clone();
        let units = GraphUnits::collection(read.graph, features, read.ids, read.starts);
        Ok(Inputs {
            units: units.units(),
            names: Some(ids),
            unreadable,
        })
    }
}

impl Input for GraphInput {
    fn columns(&self) -> Vec<&str> {
        match (&self.kept, &self.described.rule) {
            (_, Some(_)) => {
                let encoder = self.described.encoder.as_ref();
                encoder.map(TableEncoder::columns).unwrap_or_default()
            }
            (Some(_), None) => vec![&self.described.id_column],
            (None, None) => Vec::new(),
        }
    }

    fn explains(&self) -> bool {
        true
    }

    fn explained_unit(&self, asked: &Asked) -> Result<Option<Explanation>, EngineError> {
        explained(&self.described, asked)
    }

    /// A graph is read anew, and all its nodes are answered for; a table names nodes of the graph that was learned from. Of many graphs
    /// each is answered for.
    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        if self.unit == Unit::Graph {
            return self.collection(source, options);
        }
        if self.described.rule.is_some() {
            return neighbours::read(&self.described, self.kept.as_ref(), source, options);
        }
        let Some(found) = detect(source) else {
            // A column of ids must be named; among words alone a name looks like any of them.
            let options = ReadOptions {
                header: options.header.or(Some(true)),
                ..options.clone()
            };
            return self.rows(&read_table(&Source::parse(source)?, &options)?.table);
        };
        let options = GraphOptions {
            tables: options.clone(),
            mask: None,
            ..self.described.options.clone()
        };
        let read = read_graph(&found, &options)?;
        let apart = self.described.renamed(read.ids.len(), read.apart)?;
        let features = self
            .described
            .features(&read.table, read.graph.nodes(), apart)?;
        let units = GraphUnits::whole(read.graph, features, read.ids.clone());
        Ok(Inputs {
            units: units.units(),
            names: Some(read.ids),
            unreadable: BTreeMap::new(),
        })
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        if self.described.rule.is_some() {
            return neighbours::inputs(&self.described, self.kept.as_ref(), table);
        }
        let (Some(kept), Some(column)) = (&self.kept, table.column(&self.described.id_column))
        else {
            return Err(EngineError::WrongModality {
                what: "a table without the ids of nodes".to_owned(),
                expected: match self.unit {
                    Unit::Node => Modality::Graph,
                    Unit::Graph => Modality::GraphSet,
                    Unit::Pair => Modality::GraphPairs,
                },
            });
        };
        let places: std::collections::HashMap<&str, usize> = kept
            .ids
            .iter()
            .enumerate()
            .map(|(i, id)| (id.as_str(), i))
            .collect();
        let number = matches!(column.values, candor_data::Values::Numeric(_));
        let (mut nodes, mut names, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..table.rows() {
            let text = column.values.text(row).unwrap_or_default();
            let id = canonical_id(&text, number).unwrap_or(text);
            match places.get(id.as_str()) {
                Some(&node) => nodes.push(node),
                None => unknown.push(id.clone()),
            }
            names.push(id);
        }
        if let Some(id) = unknown.first() {
            return Err(EngineError::Graph(GraphError::UnknownNodes {
                count: unknown.len(),
                id: id.clone(),
            }));
        }
        Ok(Inputs {
            units: kept.only(&nodes).units(),
            names: Some(names),
            unreadable: BTreeMap::new(),
        })
    }
}

/// A graph, or many, as the pipeline sees them.
pub(super) struct GraphSubject {
    pub described: Described,
    pub learner: GraphLearner,
    pub units: Units,
}

impl GraphSubject {
    pub fn graph(&self) -> Result<&GraphUnits, EngineError> {
        Ok(self.units.get::<GraphUnits>()?)
    }
}

impl Subject for GraphSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&Described {
            kept: Kept::of(self.graph()?),
            ..self.described.clone()
        })
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let graph = self.graph()?;
        // Where nodes have no features, what can be strange are edges.
        Ok(match graph.features.width() {
            0 => edges_rewired(graph, units, seed).units(),
            _ => features_shuffled_apart(graph, units, seed).units(),
        })
    }

    fn parts(&self) -> Vec<String> {
        let parts = self.described.parts();
        std::iter::once(EDGES.to_owned()).chain(parts).collect()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let graph = self.graph()?;
        if part == EDGES {
            return Ok(edges_rewired(graph, units, seed).units());
        }
        let (table, apart) = self.described.part(part)?;
        Ok(features_shuffled(graph, units, table, apart, seed).units())
    }

    fn disturbances(&self) -> Vec<&'static str> {
        Disturbance::ALL
            .into_iter()
            .map(Disturbance::name)
            .collect()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let found = disturbance_named(Disturbance::ALL, Disturbance::name, disturbance)?;
        Ok(found.apply(self.graph()?, units, severity, seed).units())
    }
}
