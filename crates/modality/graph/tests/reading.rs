//! Graphs from folders and archives, good and bad.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;

use candor_core::Hints;
use candor_graph::{
    CollectionSource, GraphError, GraphOptions, GraphSource, ReadCollection, ReadGraph,
    read_collection, read_graph,
};

const NODES: &str = "id,colour,size,label\na,red,1,x\nb,blue,2,y\nc,red,,x\nd,blue,4,\n";
const EDGES: &str = "source,target\na,b\nb,a\nb,c\nc,c\nb,c\n";

fn read_with(files: &[(&str, &str)], options: &GraphOptions) -> Result<ReadGraph, GraphError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let source = GraphSource::detect(folder.path()).unwrap();
    read_graph(&source, options)
}

fn read(files: &[(&str, &str)]) -> Result<ReadGraph, GraphError> {
    read_with(files, &GraphOptions::default())
}

#[test]
fn a_folder_of_two_tables_is_a_graph() {
    let read = read(&[("nodes.csv", NODES), ("edges.csv", EDGES)]).unwrap();
    assert_eq!(read.ids, ["a", "b", "c", "d"]);
    assert_eq!(read.graph.edges(), [(0, 1), (1, 2)]);
    assert_eq!(
        (read.id_column.as_str(), read.table.columns.len()),
        ("id", 4)
    );
    let kinds: Vec<&str> = read.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, ["self-loops", "duplicate-edges", "isolated-nodes"]);
    assert!(
        read.facts.notes[0].contains("2 edges"),
        "{:?}",
        read.facts.notes
    );
    assert!(read.parts.is_none() && read.apart.is_none());
}

#[test]
fn ids_agree_between_programs_that_write_them_differently() {
    // Numbers with a point, as when a column once had a gap; texts beside numbers.
    let edges = "u,v\n1.0,2.0\n2.0,30.0\n";
    let read = read(&[
        ("nodes.csv", "node,y\n1,0\n2,1\n30,0\n"),
        ("edges.csv", edges),
    ])
    .unwrap();
    assert_eq!(read.graph.edges(), [(0, 1), (1, 2)]);
    let mixed = [
        ("nodes.csv", "node,y\nx,0\n2,1\n30.0,0\n"),
        ("edges.csv", "u,v\n2,30\nx,2\n"),
    ];
    let read = self::read(&mixed).unwrap();
    assert_eq!(read.graph.edges(), [(0, 1), (1, 2)]);
}

#[test]
fn weights_directions_features_and_parts_are_read() {
    let files = [
        (
            "nodes.csv",
            "id,y,split\n1,0,train\n2,1,val\n3,0,test\n4,1,\n",
        ),
        ("edges.csv", "from,to,weight\n1,2,0.5\n2,1,1.5\n3,4,2\n"),
        (
            "features.csv",
            "node,word,count\n1,sun,2\n3,moon,1\n3,sun,0\n",
        ),
    ];
    let both = read(&files).unwrap();
    assert_eq!(both.graph.weights(), Some([1.0, 2.0].as_slice()));
    let (features, names) = both.apart.unwrap();
    assert_eq!(names.unwrap(), ["moon", "sun"]);
    assert_eq!(features.row(0).collect::<Vec<_>>(), [(1, 2.0)]);
    assert_eq!(features.row(2).collect::<Vec<_>>(), [(0, 1.0)]);
    let parts = both.parts.unwrap();
    assert_eq!(
        (parts.train, parts.validation, parts.test),
        (vec![0], vec![1], vec![2])
    );
    assert!(
        both.table.column("split").is_none(),
        "no model sees the parts"
    );
    let options = GraphOptions {
        directed: true,
        ..GraphOptions::default()
    };
    let directed = read_with(&files, &options).unwrap();
    assert_eq!(directed.graph.edges(), [(0, 1), (1, 0), (2, 3)]);
    let options = GraphOptions {
        ignore: vec!["split".into()],
        ..GraphOptions::default()
    };
    assert!(read_with(&files, &options).unwrap().parts.is_none());
}

#[test]
fn a_dangling_edge_among_many_is_left_out_and_told() {
    let nodes: String = (0..40).map(|i| format!("{i},{}\n", i % 2)).collect();
    let edges: String = (0..39).map(|i| format!("{i},{}\n", i + 1)).collect();
    let files = [
        ("nodes.csv", &*format!("id,label\n{nodes}")),
        ("edges.csv", &*format!("a,b\n{edges}7,99\n")),
    ];
    let read = read(&files).unwrap();
    assert_eq!(read.graph.edges().len(), 39);
    assert_eq!(read.findings[0].kind, "dangling-edges");
    assert_eq!(read.findings[0].evidence.rows, [40]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases: [(&str, &str, &str); 9] = [
        (
            NODES,
            "source,target\na,b\na,z\n",
            "1 of 2 rows name a node that does not exist (first: row 2, `z`)",
        ),
        (
            "id,label\na,x\nb,y\na,x\n",
            EDGES,
            "1 rows repeat the id of an earlier node (first: row 3, `a`)",
        ),
        (
            "id,label\n0.5,x\n1,y\n",
            "u,v\n1,1\n",
            "row 1: `0.5` in column `id` cannot be an id",
        ),
        (
            "id,label\n1,x\n,y\n3,x\n",
            "u,v\n1,3\n",
            "row 2: column `id` has no id",
        ),
        (NODES, "source,target\na,a\nb,b\n", "4 nodes and no edge"),
        (
            NODES,
            "source,target,weight\na,b,0\n",
            "row 1: the weight of an edge should be a positive number, not `0`",
        ),
        (NODES, "source,target,weight\na,b,\nb,c,1\n", "not missing"),
        (NODES, "source\na\nb\n", "two columns"),
        (NODES, "source,target\n", "no rows"),
    ];
    for (nodes, edges, part) in cases {
        let error = read(&[("nodes.csv", nodes), ("edges.csv", edges)]).unwrap_err();
        assert!(error.to_string().contains(part), "{error}: {part}");
        assert!(!error.hints().is_empty(), "{error}");
    }
    let half = read(&[("edges.csv", EDGES)]).unwrap_err();
    assert!(half.to_string().contains("none of nodes"), "{half}");
    let split = "id,label,split\na,x,train\nb,y,tset\nc,x,test\n";
    let error = read(&[("nodes.csv", split), ("edges.csv", EDGES)]).unwrap_err();
    assert!(error.to_string().contains("row 2: `tset`"), "{error}");
    let mask = GraphOptions {
        mask: Some(3),
        ..GraphOptions::default()
    };
    let error = read_with(&[("nodes.csv", NODES), ("edges.csv", EDGES)], &mask).unwrap_err();
    assert!(error.to_string().contains("set 3"), "{error}");
}

/// An array of NumPy's format.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn whole(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn archive(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), stored).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

fn read_arrays(arrays: &[(&str, Vec<u8>)], mask: Option<usize>) -> Result<ReadGraph, GraphError> {
    let folder = tempfile::tempdir().unwrap();
    archive(&folder.path().join("graph.npz"), arrays);
    let source = GraphSource::detect(folder.path()).unwrap();
    let options = GraphOptions {
        mask,
        ..GraphOptions::default()
    };
    read_graph(&source, &options)
}

#[test]
fn archives_of_the_usual_forms_are_the_same_graph() {
    let labels = || npy("<i4", "(3,)", &whole(&[0, 1, -1]));
    let features = || npy("|u1", "(3, 2)", &[1, 0, 0, 2, 0, 0]);
    let forms = [
        vec![
            ("edges", npy("<i4", "(2, 2)", &whole(&[0, 1, 1, 2]))),
            ("node_features", features()),
            ("node_labels", labels()),
        ],
        vec![
            (
                "edge_index",
                npy("<i4", "(2, 4)", &whole(&[0, 1, 1, 2, 1, 0, 2, 1])),
            ),
            ("x", features()),
            ("y", labels()),
        ],
        vec![
            ("adj_indptr", npy("<i4", "(4,)", &whole(&[0, 1, 2, 2]))),
            ("adj_indices", npy("<i4", "(2,)", &whole(&[1, 2]))),
            ("attr_indptr", npy("<i4", "(4,)", &whole(&[0, 1, 2, 2]))),
            ("attr_indices", npy("<i4", "(2,)", &whole(&[0, 1]))),
            ("attr_data", npy("<i4", "(2,)", &whole(&[1, 2]))),
            ("attr_shape", npy("<i4", "(2,)", &whole(&[3, 2]))),
            ("labels", labels()),
        ],
    ];
    for form in forms {
        let read = read_arrays(&form, None).unwrap();
        assert_eq!(read.graph.edges(), [(0, 1), (1, 2)]);
        let (features, _) = read.apart.unwrap();
        assert_eq!(features.width(), 2);
        assert_eq!(features.row(1).collect::<Vec<_>>(), [(1, 2.0)]);
        let label = &read.table.column("label").unwrap().values;
        assert_eq!(label.text(1).as_deref(), Some("1"));
        assert!(label.is_missing(2), "below zero is not known");
    }
}

#[test]
fn masks_are_those_of_the_set_that_is_asked_for() {
    let mask = |name: &'static str, bits: [u8; 6]| (name, npy("|b1", "(2, 3)", &bits));
    let arrays = |test: [u8; 6]| {
        vec![
            ("edges", npy("<i4", "(2, 2)", &whole(&[0, 1, 1, 2]))),
            ("y", npy("<i4", "(3,)", &whole(&[0, 1, 1]))),
            mask("train_masks", [1, 0, 0, 0, 1, 0]),
            mask("val_masks", [0, 1, 0, 0, 0, 1]),
            mask("test_masks", test),
        ]
    };
    let good = arrays([0, 0, 1, 1, 0, 0]);
    for (asked, expected) in [(None, [0, 1, 2]), (Some(1), [1, 2, 0])] {
        let parts = read_arrays(&good, asked).unwrap().parts.unwrap();
        assert_eq!(
            [parts.train[0], parts.validation[0], parts.test[0]],
            expected
        );
    }
    let error = read_arrays(&good, Some(2)).unwrap_err();
    assert!(error.to_string().contains("has 2 sets of masks"), "{error}");
    let error = read_arrays(&arrays([1, 0, 1, 1, 0, 0]), None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1 nodes into more than one part"),
        "{error}"
    );
}

#[test]
fn damaged_archives_are_named_and_foreign_ones_left_to_others() {
    let edges = |numbers: &[i32]| ("edges", npy("<i4", "(2, 2)", &whole(numbers)));
    let labels = ("y", npy("<i4", "(3,)", &whole(&[0, 1, 1])));
    let cases = [
        (
            vec![edges(&[0, 1, 1, 3]), labels.clone()],
            "array `edges`: 3 is not one of 0..3",
        ),
        (
            vec![edges(&[0, -1, 1, 2]), labels.clone()],
            "-1 is not one of",
        ),
        (vec![edges(&[0, 1, 1, 2])], "neither features nor labels"),
        (vec![edges(&[0, 0, 1, 1]), labels.clone()], "no edge"),
        (
            vec![("edges", npy("<i4", "(2, 2)", &[0; 3])), labels.clone()],
            "cut short",
        ),
        (
            vec![
                edges(&[0, 1, 1, 2]),
                labels.clone(),
                ("train_mask", npy("|b1", "(2,)", &[1, 0])),
            ],
            "a value for each of 3 nodes",
        ),
        (
            vec![
                edges(&[0, 1, 1, 2]),
                labels.clone(),
                ("edge_weight", npy("<i4", "(2,)", &whole(&[1, 0]))),
            ],
            "positive number",
        ),
    ];
    for (arrays, part) in cases {
        let error = read_arrays(&arrays, None).unwrap_err();
        assert!(error.to_string().contains(part), "{error}: {part}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("points.npz");
    archive(&path, &[("points", npy("<i4", "(3,)", &whole(&[0, 1, 2])))]);
    assert_eq!(GraphSource::detect(&path), None);
    std::fs::write(&path, b"PK\x03\x04 and no more").unwrap();
    assert_eq!(GraphSource::detect(&path), None);
    assert_eq!(GraphSource::detect(&folder.path().join("absent")), None);
}

fn read_many(files: &[(&str, &str)]) -> Result<ReadCollection, GraphError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let source = CollectionSource::detect(folder.path()).unwrap();
    read_collection(&source, &GraphOptions::default())
}

const GRAPHS: (&str, &str) = (
    "graphs.csv",
    "id,toxic,split\nm1,yes,train\nm2,no,test\nm3,no,\n",
);

#[test]
fn three_tables_are_many_graphs() {
    let nodes = "graph,id,element\nm2,1,C\nm1,1,N\nm2,2,O\nm1,x,C\n";
    let edges = "graph,source,target\nm1,1,x\nm2,2,1\nm2,1,2\n";
    let read = read_many(&[GRAPHS, ("nodes.csv", nodes), ("edges.csv", edges)]).unwrap();
    assert_eq!(read.ids, ["m1", "m2", "m3"]);
    assert_eq!(
        (read.starts.as_slice(), read.empty()),
        ([0, 2, 4, 4].as_slice(), vec![2])
    );
    assert_eq!(read.graph.edges(), [(0, 1), (2, 3)]);
    assert_eq!(read.nodes.columns.len(), 1);
    let elements: Vec<_> = (0..4)
        .map(|n| read.nodes.columns[0].values.text(n))
        .collect();
    assert_eq!(elements, ["N", "C", "C", "O"].map(|e| Some(e.to_owned())));
    assert_eq!(read.parts.unwrap().test, [1]);
    assert_eq!(read.table.columns.len(), 2);
    assert_eq!(read.findings[0].kind, "graphs-without-nodes");
}

#[test]
fn many_graphs_that_do_not_fit_together_are_refused() {
    let nodes = ("nodes.csv", "graph,id\nm1,1\nm1,2\n");
    let edges = ("edges.csv", "graph,source,target\nm1,1,2\n");
    let cases = [
        (vec![GRAPHS, nodes], "none of edges"),
        (vec![GRAPHS, edges], "none of nodes"),
        (
            vec![GRAPHS, ("nodes.csv", "graph,id\nm1,1\nm1,1\n"), edges],
            "a node `1` already",
        ),
        (
            vec![GRAPHS, ("nodes.csv", "graph,id\nm9,1\nm9,2\n"), edges],
            "`m9`",
        ),
        (
            vec![
                GRAPHS,
                nodes,
                ("edges.csv", "graph,source,target\nm1,1,7\n"),
            ],
            "`7`",
        ),
        (
            vec![GRAPHS, nodes, ("edges.csv", "source,target\n1,2\n")],
            "three columns",
        ),
        (
            vec![GRAPHS, ("nodes.csv", "graph\nm1\n"), edges],
            "two columns",
        ),
        (
            vec![("graphs.csv", "id,y\nm1,1\nm1,2\n"), nodes, edges],
            "repeat the id",
        ),
    ];
    for (files, part) in cases {
        let error = read_many(&files).unwrap_err();
        assert!(error.to_string().contains(part), "{error}: {part}");
        assert!(!error.hints().is_empty());
    }
}
