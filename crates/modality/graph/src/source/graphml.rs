use std::collections::HashMap;

use roxmltree::{Document, Node};

use super::listed::{Item, Listed};

/// Reads GraphML: the nodes and edges of its first graph, with the data of their keys. Hyperedges, ports and graphs inside nodes are not
/// read.
///
/// # Errors
/// What is wrong, in words.
///
/// # Reference
/// Brandes et al., "GraphML Progress Report", Graph Drawing 2001; <http://graphml.graphdrawing.org/specification.html>.
pub(super) fn parse(text: &str) -> Result<Listed, String> {
    let document = Document::parse(text).map_err(|e| format!("it is no XML: {e}"))?;
    let root = document.root_element();
    if root.tag_name().name() != "graphml" {
        let found = root.tag_name().name();
        return Err(format!("its root should be `graphml`, not `{found}`"));
    }
    let keys: Vec<Key> = elements(root, "key").map(Key::of).collect();
    let mut graphs = elements(root, "graph");
    let graph = graphs.next().ok_or("it holds no `graph`")?;
    let mut listed = Listed {
        directed: graph.attribute("edgedefault") == Some("directed"),
        ..Listed::default()
    };
    let others = graphs.count();
    if others > 0 {
        listed
            .notes
            .push(format!("{others} more graphs in the file are not read"));
    }
    let by_id: HashMap<&str, &Key> = keys.iter().map(|key| (key.id, key)).collect();
    for node in elements(graph, "node") {
        let id = node.attribute("id").ok_or("a `node` has no `id`")?;
        listed.nodes.push(Item {
            id: id.to_owned(),
            attributes: data(node, "node", &keys, &by_id),
        });
    }
    for edge in elements(graph, "edge") {
        let end = |name: &str| {
            let end = edge.attribute(name).map(str::to_owned);
            end.ok_or_else(|| format!("an `edge` has no `{name}`"))
        };
        listed.ends.push([end("source")?, end("target")?]);
        listed.edges.push(Item {
            id: String::new(),
            attributes: data(edge, "edge", &keys, &by_id),
        });
    }
    let hyperedges = elements(graph, "hyperedge").count();
    if hyperedges > 0 {
        listed
            .notes
            .push(format!("{hyperedges} hyperedges are not read"));
    }
    Ok(listed)
}

struct Key<'a> {
    id: &'a str,
    /// The name of what it tells; its id where it has none.
    name: &'a str,
    /// `node`, `edge` or `all`, among others.
    of: &'a str,
    default: Option<&'a str>,
}

impl<'a> Key<'a> {
    fn of(key: Node<'a, '_>) -> Key<'a> {
        let id = key.attribute("id").unwrap_or_default();
        Key {
            id,
            name: key.attribute("attr.name").unwrap_or(id),
            of: key.attribute("for").unwrap_or("all"),
            default: elements(key, "default").next().and_then(|d| d.text()),
        }
    }
}

/// The children of a name.
fn elements<'a, 'input>(
    of: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    of.children()
        .filter(move |child| child.tag_name().name() == name)
}

/// Defaults first, then what is said: a later value of one name counts.
fn data(of: Node, kind: &str, keys: &[Key], by_id: &HashMap<&str, &Key>) -> Vec<(String, String)> {
    let defaults = keys.iter().filter_map(|key| {
        let value = key.default.filter(|_| key.of == kind || key.of == "all")?;
        Some((key.name.to_owned(), value.to_owned()))
    });
    let said = elements(of, "data").map(|data| {
        let key = data.attribute("key").unwrap_or_default();
        let name = by_id.get(key).map_or(key, |key| key.name);
        (name.to_owned(), data.text().unwrap_or_default().to_owned())
    });
    defaults.chain(said).collect()
}
