use std::collections::HashMap;
use std::path::Path;

use candor_data::{Column, SourceFacts, Table, Values, fingerprint_bytes};

use super::folder::{WEIGHTS, refuse_or_tell, take_parts, texts, unique};
use super::{GraphOptions, ReadGraph, told};
use crate::curate::structure_findings;
use crate::{Graph, GraphError};

/// What one file says of a graph: the common ground of the formats that list nodes and edges with attributes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Listed {
    /// The nodes.
    pub nodes: Vec<Item>,
    /// The edges: the ids of their two nodes are in `ends`.
    pub edges: Vec<Item>,
    pub ends: Vec<[String; 2]>,
    /// Whether the file says that edges lead one way.
    pub directed: bool,
    /// What was not read, in words.
    pub notes: Vec<String>,
}

/// A node or an edge.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Item {
    /// Of a node.
    pub id: String,
    /// Name and value of what is said of it; a later value of one name counts.
    pub attributes: Vec<(String, String)>,
}

impl Listed {
    /// The graph, as if its nodes and edges stood in two tables.
    pub fn graph(
        self,
        path: &Path,
        format: &str,
        bytes: &[u8],
        options: &GraphOptions,
    ) -> Result<ReadGraph, GraphError> {
        let id_column = "id".to_owned();
        let ids = unique(
            path,
            self.nodes.iter().map(|node| node.id.clone()).collect(),
        )?;
        let mut columns = vec![Column {
            name: id_column.clone(),
            values: texts(&ids),
        }];
        let (attributes, unread) = attributes(&self.nodes);
        columns.extend(attributes);
        let mut table = Table { columns };
        let known = crate::features::places(&ids);
        let (mut pairs, mut weights, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (ends, edge)) in self.ends.iter().zip(&self.edges).enumerate() {
            let [a, b] = ends.each_ref().map(|id| known.get(id.as_str()));
            match (a, b) {
                (Some(&a), Some(&b)) => {
                    pairs.push((a, b));
                    weights.push(weight(path, row, edge)?);
                }
                (None, _) => unknown.push((row, &ends[0])),
                _ => unknown.push((row, &ends[1])),
            }
        }
        let mut findings = Vec::new();
        refuse_or_tell(path, self.ends.len(), &unknown, &mut findings)?;
        let weights: Option<Vec<f32>> = match weights.iter().any(Option::is_some) {
            true => Some(weights.iter().map(|weight| weight.unwrap_or(1.0)).collect()),
            false => None,
        };
        let (graph, left_out) = Graph::new(ids.len(), &pairs, weights.as_deref(), options.directed);
        if graph.edges().is_empty() {
            return Err(GraphError::NoEdges {
                path: path.to_owned(),
                nodes: ids.len(),
            });
        }
        findings.extend(structure_findings(&graph, left_out));
        let mut notes = told(&graph, left_out);
        notes.extend(self.notes);
        if unread > 0 {
            notes.push(format!(
                "{unread} values of attributes that few nodes have are not read"
            ));
        }
        if self.directed && !options.directed {
            notes.push(
                "the file says that its edges lead one way: `--set directed=true` keeps to it"
                    .into(),
            );
        }
        let parts = take_parts(path, &mut table, options)?;
        let (size, sha256) = fingerprint_bytes(bytes);
        let facts = SourceFacts {
            source: path.display().to_string(),
            format: format.to_owned(),
            rows: table.rows(),
            source_rows: table.rows(),
            columns: table.columns.len(),
            bytes: size,
            sha256,
            notes,
            ..SourceFacts::default()
        };
        Ok(ReadGraph {
            table,
            id_column,
            ids,
            graph,
            apart: None,
            parts,
            facts,
            findings,
        })
    }
}

/// The weight of an edge, where it has one.
fn weight(path: &Path, row: usize, edge: &Item) -> Result<Option<f32>, GraphError> {
    let is_weight = |(name, _): &&(String, String)| {
        WEIGHTS
            .iter()
            .any(|weight| name.eq_ignore_ascii_case(weight))
    };
    let Some((_, text)) = edge.attributes.iter().rfind(is_weight) else {
        return Ok(None);
    };
    let value = text.trim().parse::<f32>().ok();
    let value = value.filter(|weight| weight.is_finite() && *weight > 0.0);
    value.map(Some).ok_or_else(|| GraphError::Weight {
        path: path.to_owned(),
        row: row + 1,
        value: format!("`{text}`"),
    })
}

/// Cells of all columns at most: a file may name an attribute of its own for each node.
const MOST_CELLS: usize = 1 << 26;

/// A column for each attribute of the nodes, in the order in which they first occur: numbers where all are. Also how many values were left
/// out because there are too many attributes.
fn attributes(nodes: &[Item]) -> (Vec<Column>, usize) {
    let mut place: HashMap<&str, usize> = HashMap::new();
    let mut cells: Vec<(&str, Vec<Option<&str>>)> = Vec::new();
    let mut unread = 0;
    for (row, node) in nodes.iter().enumerate() {
        for (name, value) in &node.attributes {
            let known = place.get(name.as_str()).copied();
            if known.is_none() && (cells.len() + 1) * nodes.len() > MOST_CELLS {
                unread += 1;
                continue;
            }
            let column = known.unwrap_or_else(|| {
                cells.push((name.as_str(), vec![None; nodes.len()]));
                place.insert(name, cells.len() - 1);
                cells.len() - 1
            });
            let value = value.trim();
            cells[column].1[row] = (!value.is_empty()).then_some(value);
        }
    }
    let mut taken = std::collections::HashSet::from(["id".to_owned()]);
    let column = |(name, cells): (&str, Vec<Option<&str>>)| {
        let mut name = name.to_owned();
        while !taken.insert(name.clone()) {
            name.push_str("_2");
        }
        Column {
            name,
            values: values(&cells),
        }
    };
    (cells.into_iter().map(column).collect(), unread)
}

fn values(cells: &[Option<&str>]) -> Values {
    let number = |cell: &Option<&str>| match cell {
        None => Some(f64::NAN),
        Some(text) => text.parse::<f64>().ok().filter(|value| !value.is_nan()),
    };
    if let Some(numbers) = cells.iter().map(number).collect::<Option<Vec<f64>>>() {
        return Values::Numeric(numbers);
    }
    let (mut dictionary, mut place): (Vec<String>, HashMap<&str, u32>) = Default::default();
    let mut codes = Vec::with_capacity(cells.len());
    for cell in cells {
        codes.push(match *cell {
            None => Values::MISSING,
            Some(text) => *place.entry(text).or_insert_with(|| {
                dictionary.push(text.to_owned());
                dictionary.len() as u32 - 1
            }),
        });
    }
    Values::Text { codes, dictionary }
}
