//! Readers of graphs meet anything.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use candor_core::Hints;
use candor_graph::{
    CollectionSource, GraphError, GraphOptions, GraphSource, ReadGraph, read_collection, read_graph,
};
use proptest::prelude::*;

fn read_file(name: &str, bytes: &[u8]) -> Result<ReadGraph, GraphError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let source = GraphSource::detect(&path).unwrap();
    read_graph(&source, &GraphOptions::default())
}

/// Whatever was read holds together.
fn sound(read: &ReadGraph) {
    assert_eq!(read.ids.len(), read.graph.nodes());
    assert_eq!(read.table.rows(), read.graph.nodes());
    assert_eq!(read.graph.check(), Ok(()));
}

const GRAPHML: &str = r#"<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="d0" for="node" attr.name="colour" attr.type="string"><default>red</default></key>
  <key id="d1" for="edge" attr.name="weight" attr.type="double"/>
  <key id="d2" for="node" attr.name="size" attr.type="int"/>
  <graph edgedefault="directed">
    <node id="a"><data key="d0">blue</data><data key="d2">3</data></node>
    <node id="b"/><node id="c"><data key="d2">4</data></node>
    <edge source="a" target="b"><data key="d1">0.5</data></edge>
    <edge source="b" target="c"/><edge source="c" target="c"/>
  </graph>
</graphml>"#;

const GML: &str = "graph [ directed 0 node [ id 1 club \"x\" ] node [ id 2 club \"y\" ] node [ id 3 ] edge [ source 1 target 2 ] \
                   edge [ source 2 target 1 ] edge [ source 2 target 3 value 4 ] ]";

#[test]
fn graphml_and_gml_are_read_with_their_attributes() {
    let read = read_file("x.graphml", GRAPHML.as_bytes()).unwrap();
    sound(&read);
    assert_eq!(read.graph.edges(), [(0, 1), (1, 2)]);
    assert_eq!(read.graph.weights(), Some([0.5, 1.0].as_slice()));
    let names: Vec<&str> = read.table.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "colour", "size"]);
    let colours: Vec<_> = (0..3)
        .map(|n| read.table.columns[1].values.text(n))
        .collect();
    assert_eq!(colours, ["blue", "red", "red"].map(|c| Some(c.to_owned())));
    assert!(read.table.columns[2].values.is_missing(1));
    assert!(
        read.facts
            .notes
            .iter()
            .any(|note| note.contains("directed=true"))
    );

    let read = read_file("x.gml", GML.as_bytes()).unwrap();
    sound(&read);
    assert_eq!(
        (read.graph.edges().len(), read.facts.format.as_str()),
        (2, "GML")
    );
    assert!(read.table.columns[1].values.is_missing(2));
}

#[test]
fn faults_are_told_with_what_to_do() {
    let cases: [(&str, &[u8], &str); 8] = [
        ("a.graphml", b"<graphml>", "no XML"),
        ("a.graphml", b"<html></html>", "not `html`"),
        ("a.graphml", b"<graphml/>", "no `graph`"),
        (
            "a.graphml",
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><graphml/>",
            "no XML",
        ),
        ("a.graphml", b"\xff\xfe<", "UTF-8"),
        (
            "a.gml",
            b"graph [ node [ id 1 ] node [ id 1 ] ]",
            "repeat the id",
        ),
        (
            "a.gml",
            b"graph [ node [ id 1 ] edge [ source 1 target 9 ] ]",
            "`9`",
        ),
        ("a.gml", b"graph [ node [ id 1 ] node [ id 2 ] ]", "no edge"),
    ];
    for (name, bytes, part) in cases {
        let error = read_file(name, bytes).unwrap_err();
        assert!(error.to_string().contains(part), "{error}: {part}");
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn depth_does_not_end_the_stack() {
    let deep = format!("<graphml>{}", "<graph>".repeat(100_000));
    assert!(read_file("deep.graphml", deep.as_bytes()).is_err());
    let closed = format!("{deep}{}</graphml>", "</graph>".repeat(100_000));
    assert!(read_file("deep.graphml", closed.as_bytes()).is_err());
}

/// A text with some of its bytes changed, cut out, or doubled.
fn damaged(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..text.len(), any::<u8>(), 0..3u8);
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (place, byte, kind) in changes {
            let place = place % bytes.len().max(1);
            match kind {
                0 => bytes[place] = byte,
                1 => drop(bytes.drain(place..(place + 9).min(bytes.len()))),
                _ => bytes.insert(place, byte),
            }
            if bytes.is_empty() {
                return bytes;
            }
        }
        bytes
    })
}

/// Cells that tables of graphs hold, and some that they should not.
fn cells() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..6u32).prop_map(|id| id.to_string()),
        "[a-c,\"\\n ]{0,6}",
        Just("1.5".to_owned()),
        Just("1e300".to_owned()),
        Just("-0".to_owned()),
        Just("NaN".to_owned()),
        Just("train".to_owned()),
        any::<String>(),
    ]
}

fn lines(header: &'static str) -> impl Strategy<Value = String> {
    let width = header.split(',').count();
    let line = prop::collection::vec(cells(), width).prop_map(|cells| cells.join(","));
    prop::collection::vec(line, 0..12)
        .prop_map(move |lines| format!("{header}\n{}\n", lines.join("\n")))
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

proptest! {
    #[test]
    fn damaged_graphml_never_panics(bytes in damaged(GRAPHML)) {
        if let Ok(read) = read_file("x.graphml", &bytes) {
            sound(&read);
        }
    }

    #[test]
    fn damaged_gml_never_panics(bytes in damaged(GML)) {
        if let Ok(read) = read_file("x.gml", &bytes) {
            sound(&read);
        }
    }

    #[test]
    fn any_two_tables_never_panic(
        nodes in lines("id,size,split"),
        edges in lines("source,target,weight"),
        features in lines("node,feature,value"),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = [("nodes.csv", &*nodes), ("edges.csv", &*edges), ("features.csv", &*features)];
        write(folder.path(), &files);
        let source = GraphSource::detect(folder.path()).unwrap();
        if let Ok(read) = read_graph(&source, &GraphOptions::default()) {
            sound(&read);
        }
    }

    #[test]
    fn any_three_tables_of_many_graphs_never_panic(
        graphs in lines("graph,label"),
        nodes in lines("graph,id,size"),
        edges in lines("graph,source,target"),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = [("graphs.csv", &*graphs), ("nodes.csv", &*nodes), ("edges.csv", &*edges)];
        write(folder.path(), &files);
        let source = CollectionSource::detect(folder.path()).unwrap();
        if let Ok(read) = read_collection(&source, &GraphOptions::default()) {
            assert_eq!(read.graph.check(), Ok(()));
            assert_eq!(read.starts.last(), Some(&read.graph.nodes()));
            assert_eq!((read.starts.len(), read.table.rows()), (read.ids.len() + 1, read.ids.len()));
        }
    }

    #[test]
    fn archives_that_are_none_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        // A zip's mark first, so that its reader looks further.
        let marked = [b"PK\x03\x04".as_slice(), &bytes].concat();
        std::fs::write(&path, marked).unwrap();
        if let Some(source) = GraphSource::detect(&path) {
            let _ = read_graph(&source, &GraphOptions::default());
        }
    }
}
