use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candor_core::{Evidence, Finding, Severity};
use candor_data::{Column, SourceFacts, Table};

use super::folder::{
    Files, GRAPHS, IDS, Matched, facts, ids_of, matched, named, named_ends, refuse_or_tell, table,
    take_parts, texts, unique_ids, weights,
};
use super::{GivenParts, GraphOptions, told};
use crate::features::places;
use crate::{Graph, GraphError};

/// A folder of many graphs: `graphs.csv` (a row a graph), `nodes.csv` (a row a node: its graph, its id in it, its features) and `edges.csv`
/// (a row an edge: its graph, the ids of its two nodes, maybe a weight); with the endings that one graph may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSource(PathBuf);

impl CollectionSource {
    /// Tells whether a folder has a table of graphs, and one of nodes or of edges.
    pub fn detect(path: &Path) -> Option<CollectionSource> {
        let files = Files::of(path);
        (files.graphs.is_some() && files.is_any()).then(|| CollectionSource(path.to_owned()))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Graphs that were read.
#[derive(Debug, Clone)]
pub struct ReadCollection {
    /// One row a graph: its id, then all that stands in the table of graphs.
    pub table: Table,
    /// The column of ids.
    pub id_column: String,
    /// The id of each graph, each once.
    pub ids: Vec<String>,
    /// One row a node, those of one graph after those of another, without the columns that name graph and node.
    pub nodes: Table,
    /// Where the nodes of each graph begin, and the number of all nodes.
    pub starts: Vec<usize>,
    /// The edges of all graphs.
    pub graph: Graph,
    /// What is learned from and what is tested on, where that was given.
    pub parts: Option<GivenParts>,
    /// How it was read.
    pub facts: SourceFacts,
    /// What was noticed while reading.
    pub findings: Vec<Finding>,
}

impl ReadCollection {
    /// Graphs without a node: nothing can be said of them.
    pub fn empty(&self) -> Vec<usize> {
        let ends = self.starts.windows(2).enumerate();
        ends.filter(|(_, ends)| ends[0] == ends[1])
            .map(|(graph, _)| graph)
            .collect()
    }
}

/// Reads many graphs.
///
/// # Errors
/// When a file cannot be read, ids repeat or are missing, more than one row in twenty names a graph or a node that does not exist, or no
/// graph has a node.
pub fn read_collection(
    source: &CollectionSource,
    options: &GraphOptions,
) -> Result<ReadCollection, GraphError> {
    let folder = source.path();
    let files = Files::of(folder);
    let lacks = |lacks| GraphError::HalfACollection {
        path: folder.to_owned(),
        lacks,
    };
    let graphs_path = files.graphs.ok_or_else(|| lacks("graphs"))?;
    let nodes_path = files.nodes.ok_or_else(|| lacks("nodes"))?;
    let edges_path = files.edges.ok_or_else(|| lacks("edges"))?;
    let graphs = table(&graphs_path, &options.tables)?;
    let nodes = table(&nodes_path, &options.tables)?;
    let edges = table(&edges_path, &options.tables)?;
    let mut findings = Vec::new();

    let mut table = graphs.table;
    let place = named(&table, GRAPHS.iter().chain(&IDS)).unwrap_or(0);
    let id_column = table.columns[place].name.clone();
    let ids = unique_ids(&graphs_path, &table.columns[place])?;
    table.columns[place].values = texts(&ids);
    let known = places(&ids);

    let found = Nodes::of(&nodes_path, &nodes.table, &ids, &known, &mut findings)?;
    if found.order.is_empty() {
        return Err(GraphError::NoNodes {
            path: folder.to_owned(),
            graphs: ids.len(),
        });
    }
    let pairs = found.edges(&edges_path, &edges.table, &known, &mut findings)?;
    let weights = weights(&edges_path, &edges.table, &pairs.rows)?;
    let count = found.order.len();
    let (graph, left_out) = Graph::new(count, &pairs.pairs, weights.as_deref(), options.directed);
    let parts = take_parts(&graphs_path, &mut table, options)?;
    let mut notes = vec![format!("{count} nodes in {} graphs", ids.len())];
    notes.extend(told(&graph, left_out));
    let facts = facts(
        folder,
        &table,
        [Some(&graphs.facts), Some(&nodes.facts), Some(&edges.facts)],
        notes,
    );
    let read = ReadCollection {
        nodes: found.features(&nodes.table),
        starts: found.starts,
        table,
        id_column,
        ids,
        graph,
        parts,
        facts,
        findings: Vec::new(),
    };
    findings.extend(empty_finding(&read.empty(), read.ids.len()));
    Ok(ReadCollection { findings, ..read })
}

/// The rows of a table of nodes, sorted by graph.
struct Nodes {
    /// The columns that name graph and node.
    columns: [usize; 2],
    /// The row of each node.
    order: Vec<usize>,
    starts: Vec<usize>,
    /// Where the node of a graph stands.
    place: HashMap<(u32, String), u32>,
}

impl Nodes {
    fn of(
        path: &Path,
        table: &Table,
        graphs: &[String],
        known: &HashMap<&str, u32>,
        findings: &mut Vec<Finding>,
    ) -> Result<Nodes, GraphError> {
        let graph_column = named(table, &GRAPHS).unwrap_or(0);
        let others = |place: &usize| *place != graph_column;
        let id_column = named(table, &IDS).filter(others);
        let id_column = id_column.unwrap_or(usize::from(graph_column == 0));
        if table.columns.len() < 2 {
            return Err(GraphError::Columns {
                path: path.to_owned(),
                needed: "two columns, the id of a graph and that of one of its nodes",
            });
        }
        let of_graph = ids_of(path, &table.columns[graph_column])?;
        let ids = ids_of(path, &table.columns[id_column])?;
        let (mut rows, mut dangling) = (Vec::new(), Vec::new());
        for (row, graph) in of_graph.iter().enumerate() {
            match known.get(graph.as_str()) {
                Some(&graph) => rows.push((graph, row)),
                None => dangling.push((row, graph)),
            }
        }
        refuse_or_tell(path, of_graph.len(), &dangling, findings)?;
        rows.sort_unstable();
        let mut nodes = Nodes {
            columns: [graph_column, id_column],
            order: Vec::with_capacity(rows.len()),
            starts: vec![0; graphs.len() + 1],
            place: HashMap::with_capacity(rows.len()),
        };
        for (place, (graph, row)) in rows.into_iter().enumerate() {
            let key = (graph, ids[row].clone());
            if nodes.place.insert(key, place as u32).is_some() {
                return Err(GraphError::DuplicateNode {
                    path: path.to_owned(),
                    row: row + 1,
                    graph: graphs[graph as usize].clone(),
                    id: ids[row].clone(),
                });
            }
            nodes.order.push(row);
            nodes.starts[graph as usize + 1] += 1;
        }
        for graph in 0..graphs.len() {
            nodes.starts[graph + 1] += nodes.starts[graph];
        }
        Ok(nodes)
    }

    /// The edges between nodes that exist.
    fn edges(
        &self,
        path: &Path,
        table: &Table,
        known: &HashMap<&str, u32>,
        findings: &mut Vec<Finding>,
    ) -> Result<Matched, GraphError> {
        let graph_column = named(table, &GRAPHS).unwrap_or(0);
        let [from, to] = named_ends(table).unwrap_or_else(|| {
            let mut others = (0..).filter(|place| *place != graph_column);
            [others.next(), others.next()].map(Option::unwrap_or_default)
        });
        let apart = from != to && from != graph_column && to != graph_column;
        if !apart || from.max(to) >= table.columns.len() {
            return Err(GraphError::Columns {
                path: path.to_owned(),
                needed: "three columns, the id of a graph and those of the two nodes of an edge",
            });
        }
        let column = |place: usize| ids_of(path, &table.columns[place]);
        let (graphs, first, second) = (column(graph_column)?, column(from)?, column(to)?);
        let ends = |row: usize| {
            let graph = *known.get(graphs[row].as_str()).ok_or(&graphs[row])?;
            let node = |id: &String| self.place.get(&(graph, id.clone())).copied();
            let first_node = node(&first[row]).ok_or(&first[row])?;
            Ok((first_node, node(&second[row]).ok_or(&second[row])?))
        };
        matched(path, graphs.len(), ends, findings)
    }

    /// The other columns, a row a node.
    fn features(&self, table: &Table) -> Table {
        let columns = table.columns.iter().enumerate();
        let others = columns.filter(|(place, _)| !self.columns.contains(place));
        Table {
            columns: others
                .map(|(_, column)| Column {
                    name: column.name.clone(),
                    values: column.values.select(&self.order),
                })
                .collect(),
        }
    }
}

fn empty_finding(empty: &[usize], graphs: usize) -> Option<Finding> {
    (!empty.is_empty()).then(|| Finding {
        kind: "graphs-without-nodes".into(),
        severity: Severity::Warning,
        columns: Vec::new(),
        message: format!("{} of {graphs} graphs have no node", empty.len()),
        evidence: Evidence {
            rows: empty.iter().take(20).map(|graph| graph + 1).collect(),
            count: empty.len(),
            figure: format!("{:.1} %", 100.0 * empty.len() as f64 / graphs as f64),
        },
        remedy: "add their nodes, or remove the rows".into(),
        action: Some("left out".into()),
    })
}
