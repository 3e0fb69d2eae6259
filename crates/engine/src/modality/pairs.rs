//! Pairs of nodes of a graph: which of them are edges.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{
    Column, ReadOptions, Role, Schema, SchemaOptions, Source, Split, Table, Values, infer_schema,
    read_table,
};
use candor_graph::{
    Disturbance, DrawnPairs, Graph, GraphOptions, GraphUnits, PairChange, PairLearner, PairUnits,
    ReadGraph, SparseFeatures, canonical_id, edge_columns, features_shuffled,
    features_shuffled_apart,
};
use candor_table::TableEncoder;
use candor_train::{Learner, Units};
use serde_json::Value;

use super::graph::{Described, EDGES, Kept, MOST_KEPT, described};
use super::{
    Input, Inputs, Material, Opened, ReaderError, Readers, disturbance_named, malformed, to_json,
};
use crate::{EngineError, FitSettings, Subject};

/// Edges that are predicted at most, and as many pairs that are none: enough to tell models apart; the others are seen by all.
const MOST_EDGES: usize = 20_000;
/// Edges, and pairs that are none, below which nothing can be learned.
const FEWEST_EDGES: usize = 20;
/// The columns of the table of pairs.
const ENDS: [&str; 2] = ["source", "target"];
const ABSENT: &str = "absent";
const PRESENT: &str = "present";

fn refused(problem: String) -> EngineError {
    EngineError::Setting {
        setting: "target",
        problem,
    }
}

/// Whether the edges of a graph are asked for, and not a column of its nodes.
pub(super) fn asked_for(settings: &FitSettings, nodes: &Table) -> bool {
    settings.target == [EDGES] && nodes.column(EDGES).is_none()
}

/// Draws the pairs of a graph that was read.
pub(super) fn open(
    read: ReadGraph,
    options: GraphOptions,
    settings: &FitSettings,
) -> Result<Opened, EngineError> {
    let ReadGraph {
        table: nodes,
        id_column,
        ids,
        graph,
        apart,
        mut facts,
        findings,
        ..
    } = read;
    // Whoever leads to whom, and how strongly: they are joined.
    let plain = graph.weights().is_none() && !graph.is_directed();
    let (graph, _) = Graph::new(ids.len(), graph.edges(), None, false);
    let seed = settings.seed.derive("pairs", &[]);
    let drawn = DrawnPairs::draw(&graph, MOST_EDGES, seed);
    let edges = drawn.pairs.len() / 2;
    if edges < FEWEST_EDGES {
        return Err(refused(format!(
            "`{}` has {} nodes and {} edges: {edges} edges can be held against as many pairs that are none, and {FEWEST_EDGES} is the fewest",
            settings.source,
            ids.len(),
            graph.edges().len()
        )));
    }
    facts.notes.push(format!(
        "pairs of nodes are predicted: {edges} edges and as many pairs, drawn at random, that are none; a model sees the other {} edges and \
         those of its own training part, never one that it is judged on",
        drawn.others.len()
    ));
    if !plain {
        facts
            .notes
            .push("directions and weights of edges are not looked at".into());
    }
    let word = |joined: &bool| u32::from(*joined);
    let end = |place: usize| Column {
        name: ENDS[place].to_owned(),
        values: Values::Text {
            codes: drawn.pairs.iter().map(|pair| pair[place]).collect(),
            dictionary: ids.clone(),
        },
    };
    let table = Table {
        columns: vec![
            end(0),
            end(1),
            Column {
                name: EDGES.to_owned(),
                values: Values::Text {
                    codes: drawn.joined.iter().map(word).collect(),
                    dictionary: vec![ABSENT.to_owned(), PRESENT.to_owned()],
                },
            },
        ],
    };
    (facts.rows, facts.source_rows) = (table.rows(), table.rows());
    facts.columns = nodes.columns.len();
    let (apart, names) = apart.unzip();
    Ok(Opened {
        table,
        facts,
        test: None,
        test_rows: 0,
        findings,
        material: Box::new(Pairs {
            nodes,
            id_column,
            ids,
            graph,
            apart,
            names: names.flatten(),
            drawn,
            options,
            memory: settings.memory,
        }),
    })
}

/// A unit is a pair of nodes.
struct Pairs {
    /// A row a node.
    nodes: Table,
    id_column: String,
    ids: Vec<String>,
    /// All edges.
    graph: Graph,
    apart: Option<SparseFeatures>,
    /// Of the features that were given apart.
    names: Option<Vec<String>>,
    drawn: DrawnPairs,
    options: GraphOptions,
    memory: Option<u64>,
}

impl Material for Pairs {
    fn modality(&self) -> Modality {
        Modality::GraphPairs
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table says which nodes a pair is of, and nothing of them.
        vec!["contradictions", "drift", "duplicates", "near-duplicates"]
    }

    fn own_columns(&self) -> Vec<&str> {
        let columns = self.nodes.columns.iter();
        columns.map(|column| column.name.as_str()).collect()
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        ENDS.iter()
            .for_each(|end| schema.set_role(end, Role::Ignored));
        Vec::new()
    }

    fn findings(
        &self,
        _table: &Table,
        _schema: &Schema,
        _targets: &Targets,
        _split: Option<&Split>,
    ) -> Vec<Finding> {
        Vec::new()
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        development: &[usize],
    ) -> Result<Value, EngineError> {
        let ignored = self.options.ignore.iter();
        let known = ignored.filter(|name| self.nodes.column(name).is_some());
        let options = SchemaOptions {
            ignore: known.cloned().collect(),
            ..SchemaOptions::default()
        };
        let mut schema = infer_schema(&self.nodes, &options)?;
        schema.set_role(&self.id_column, Role::Ignored);
        let pairs = development.iter().map(|&pair| self.drawn.pairs[pair]);
        let mut learned: Vec<usize> = pairs.flatten().map(|node| node as usize).collect();
        learned.sort_unstable();
        learned.dedup();
        let encoder = match schema.with_role(Role::Feature).next() {
            Some(_) => Some(TableEncoder::fit(&self.nodes, &schema, &learned)?),
            None => None,
        };
        let features = encoder.as_ref().map_or(0, |e| e.feature_names().len());
        let apart = self.apart.as_ref().map_or(0, SparseFeatures::entries);
        let kept = 2 * self.graph.edges().len() + features * self.ids.len() + 2 * apart;
        if kept > MOST_KEPT {
            return Err(refused(format!(
                "a bundle keeps the graph to answer for its pairs, {kept} numbers, and {MOST_KEPT} is the most; leave columns out with \
                 `--ignore`, or take a part of the graph"
            )));
        }
        to_json(&Described {
            id_column: self.id_column.clone(),
            encoder,
            apart: self.apart.as_ref().map(SparseFeatures::width),
            names: self.names.clone(),
            options: self.options.clone(),
            ..Described::default()
        })
    }

    fn most_folds(&self) -> Option<usize> {
        // The whole graph is computed for each.
        Some(3)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        let pairs = self.drawn.pairs.len().max(1);
        let apart = self.apart.as_ref().map_or(0, SparseFeatures::entries);
        let nodes = self.ids.len() * self.nodes.columns.len();
        4 + (2 * self.graph.edges().len() + apart + nodes).div_ceil(pairs)
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
        if target.classes != [ABSENT, PRESENT] {
            return Err(malformed(
                "what is predicted of pairs is not whether they are edges".into(),
            ));
        }
        let features = described.features(&self.nodes, self.ids.len(), self.apart)?;
        let whole = GraphUnits::whole(self.graph, features, self.ids);
        // Edges that are predicted are seen by nobody who did not learn from them.
        let (others, _) = Graph::new(whole.graph.nodes(), &self.drawn.others, None, false);
        let seen = GraphUnits {
            graph: Arc::new(others),
            ..whole.clone()
        };
        Ok(Box::new(PairSubject {
            learner: learner(self.memory)?,
            units: PairUnits::new(seen, self.drawn.pairs).units(),
            whole,
            described,
        }))
    }
}

fn learner(memory: Option<u64>) -> Result<PairLearner, EngineError> {
    let learner = PairLearner::new()?;
    Ok(match memory {
        Some(memory) => learner.within(memory),
        None => learner,
    })
}

/// How a deployed model reads pairs.
struct PairInput {
    kept: GraphUnits,
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let damaged = |problem: &str| ReaderError::Damaged(problem.to_owned());
    if task != Task::Binary {
        return Err(damaged("a pair is an edge or is none"));
    }
    let described = described(input).map_err(ReaderError::Damaged)?;
    let kept = described.kept.as_ref().map(Kept::units).transpose();
    let kept = kept.map_err(ReaderError::Damaged)?;
    let kept = kept.ok_or_else(|| damaged("its graph is lost"))?;
    let learner = learner(None).map_err(ReaderError::Engine)?;
    Ok((Box::new(PairInput { kept }), Box::new(learner)))
}

impl Input for PairInput {
    fn columns(&self) -> Vec<&str> {
        ENDS.to_vec()
    }

    /// A table of pairs of nodes of the graph that was learned from.
    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        if super::graph::detect(source).is_some() {
            return Err(EngineError::WrongModality {
                what: format!("the graph `{source}`"),
                expected: Modality::GraphPairs,
            });
        }
        let options = ReadOptions {
            // Among ids alone the names of the columns look like any of them.
            header: options.header.or(Some(true)),
            ..options.clone()
        };
        self.rows(&read_table(&Source::parse(source)?, &options)?.table)
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        let Some(ends) = edge_columns(table) else {
            return Err(EngineError::Rows(candor_table::RowError::MissingColumns {
                missing: ENDS.map(str::to_owned).to_vec(),
                suggestion: String::new(),
            }));
        };
        let numbered = self.kept.ids.iter().enumerate();
        let places: HashMap<&str, u32> = numbered.map(|(i, id)| (id.as_str(), i as u32)).collect();
        let (mut pairs, mut names) = (Vec::new(), Vec::new());
        let mut unreadable = BTreeMap::new();
        for row in 0..table.rows() {
            let said = ends.map(|end| {
                let values = &table.columns[end].values;
                let text = values.text(row).unwrap_or_default();
                let number = matches!(values, Values::Numeric(_));
                canonical_id(&text, number).unwrap_or(text)
            });
            let found = said.each_ref().map(|id| places.get(id.as_str()).copied());
            let pair = match found {
                [Some(a), Some(b)] if a != b => [a, b],
                [Some(_), Some(_)] => {
                    unreadable.insert(row, "It is one node, not two.".to_owned());
                    [0, 0]
                }
                [a, _] => {
                    let id = if a.is_none() { &said[0] } else { &said[1] };
                    unreadable.insert(row, format!("The graph has no node `{id}`."));
                    [0, 0]
                }
            };
            pairs.push(pair);
            names.push(said.join(" - "));
        }
        Ok(Inputs {
            // Of the graph that was learned from all edges are known by now.
            units: PairUnits::new(self.kept.clone(), pairs).units(),
            names: Some(names),
            unreadable,
        })
    }
}

/// Pairs as the pipeline sees them.
struct PairSubject {
    described: Described,
    learner: PairLearner,
    units: Units,
    /// The graph with all its edges, for the bundle.
    whole: GraphUnits,
}

impl PairSubject {
    fn pairs(&self) -> Result<&PairUnits, EngineError> {
        Ok(self.units.get::<PairUnits>()?)
    }

    fn changed(&self, units: &[usize], change: PairChange) -> Result<Units, EngineError> {
        let pairs = PairUnits {
            change: Some(change),
            ..self.pairs()?.at(units)
        };
        Ok(pairs.units())
    }

    /// Some units, where the features of their nodes are others.
    fn with_features(
        &self,
        units: &[usize],
        shuffled: impl Fn(&GraphUnits, &[usize]) -> GraphUnits,
    ) -> Result<Units, EngineError> {
        let pairs = self.pairs()?;
        let changed = shuffled(&pairs.graph, &pairs.nodes_at(units));
        let graph = GraphUnits {
            features: changed.features,
            ..pairs.graph.clone()
        };
        Ok(PairUnits {
            graph,
            ..pairs.at(units)
        }
        .units())
    }
}

impl Subject for PairSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&Described {
            kept: Kept::of(&self.whole),
            ..self.described.clone()
        })
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        // Where nodes have no features, what can be strange are edges.
        match self.whole.features.width() {
            0 => self.changed(units, PairChange::Rewired(seed)),
            _ => self.with_features(units, |graph, nodes| {
                features_shuffled_apart(graph, nodes, seed)
            }),
        }
    }

    fn parts(&self) -> Vec<String> {
        let parts = self.described.parts();
        std::iter::once(EDGES.to_owned()).chain(parts).collect()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        if part == EDGES {
            return self.changed(units, PairChange::Rewired(seed));
        }
        let (table, apart) = self.described.part(part)?;
        self.with_features(units, |graph, nodes| {
            features_shuffled(graph, nodes, table.clone(), apart.clone(), seed)
        })
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
        self.changed(units, PairChange::Disturbed(found, severity, seed))
    }
}
