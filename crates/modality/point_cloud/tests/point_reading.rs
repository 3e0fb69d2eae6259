//! Labelled points in the formats and layouts in which they are published.
#![allow(clippy::unwrap_used)]

mod solids;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use candor_core::Seed;
use candor_point_cloud::{
    CloudError, CloudOptions, CloudSource, Geometry, PointOptions, PointRules, PointSource,
    ReadPoints, read_asked, read_clouds, read_points,
};
use solids::{PARTS, View, ply, solid};

const VIEW: View = View {
    points: 60,
    any: false,
    noise: 0.0,
    occluded: false,
};

fn write(root: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn read(path: &Path) -> ReadPoints {
    let source = PointSource::detect(path, false).unwrap();
    read_points(&source, &PointOptions::default()).unwrap()
}

fn texts(read: &ReadPoints, column: &str) -> Vec<Option<String>> {
    let values = &read.table.column(column).unwrap().values;
    (0..read.table.rows()).map(|row| values.text(row)).collect()
}

/// A table of texts: `x y z`, what else is said, and the label.
fn lines(geometry: &Geometry, middle: &str, label: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for (n, [x, y, z]) in geometry.points.iter().enumerate() {
        let _ = writeln!(text, "{x:.6} {y:.6} {z:.6}{middle}{}", label(n));
    }
    text
}

fn code(geometry: &Geometry, n: usize) -> u32 {
    geometry.labels.as_ref().unwrap().codes[n]
}

#[test]
fn files_with_a_label_a_point_are_read_whatever_their_format() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for n in 0..3 {
        let shape = solid(n, Seed(1), VIEW);
        write(root, &format!("ply/{n}.ply"), ply(&shape));
        let named = lines(&shape, " ", |i| PARTS[code(&shape, i) as usize].to_owned());
        let named = format!("x y z class\n{named}");
        write(root, &format!("csv/{n}.csv"), named.replace(' ', ","));
        let pcd = format!(
            "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z label\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 60\nHEIGHT 1\nPOINTS 60\nDATA ascii\n{}",
            lines(&shape, " ", |i| code(&shape, i).to_string())
        );
        write(root, &format!("pcd/{n}.pcd"), pcd);
    }
    let plys = read(&root.join("ply"));
    assert_eq!((plys.table.rows(), plys.points.scans().len()), (180, 3));
    assert_eq!(plys.facts.default_target.as_deref(), Some("label"));
    assert_eq!(texts(&plys, "shape")[60].as_deref(), Some("1.ply"));
    let pcds = read(&root.join("pcd"));
    assert_eq!(texts(&pcds, "label"), texts(&plys, "label"));
    let csvs = read(&root.join("csv"));
    let named: Vec<Option<String>> = texts(&plys, "label")
        .into_iter()
        .map(|code| Some(PARTS[code?.parse::<usize>().ok()?].to_owned()))
        .collect();
    assert_eq!(texts(&csvs, "label"), named);
    // To predict, labels are not needed, and all points are answered for.
    let bare = Geometry {
        labels: None,
        ..solid(7, Seed(1), VIEW)
    };
    write(root, "bare.ply", ply(&bare));
    let source = PointSource::certainly(&root.join("bare.ply")).unwrap();
    let rules = PointRules {
        kept: 25,
        ..plys.rules
    };
    let asked = read_asked(&source, &rules).unwrap();
    assert_eq!((asked.points.len(), asked.points.scans().len()), (60, 3));
    assert!(PointSource::detect(&root.join("bare.ply"), true).is_none());
}

#[test]
fn shapenetpart_is_read_as_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        root,
        "synsetoffset2category.txt",
        "Mug\t03797390\nTable\t04379243\n",
    );
    let mut tested = Vec::new();
    for n in 0..8u64 {
        let kind = n % 2;
        let shape = solid(kind + 4 * n, Seed(2), VIEW);
        let synset = ["03797390", "04379243"][kind as usize];
        let text = lines(&shape, " 0.0 0.6 -0.8 ", |i| {
            format!("{}.000000", 36 + code(&shape, i))
        });
        write(root, &format!("{synset}/shape{n}.txt"), text);
        if n > 5 {
            tested.push(format!("\"shape_data/{synset}/shape{n}\""));
        }
    }
    let json = format!("[{}]", tested.join(", "));
    write(root, "train_test_split/shuffled_test_file_list.json", json);
    write(root, "train_test_split/shuffled_train_file_list.json", "[]");
    let read = read(root);
    assert_eq!(
        (
            read.facts.format.as_str(),
            read.table.rows(),
            read.test_rows
        ),
        ("ShapeNetPart", 480, 120)
    );
    let channels = ["nx", "ny", "nz", "category Mug", "category Table"];
    assert_eq!(read.rules.channels, channels);
    let row = read.points.described(&[0]);
    assert_eq!(row[row.len() - 5..], [0.0, 0.6, -0.8, 1.0, 0.0]);
    assert!(texts(&read, "label").contains(&Some("37".to_owned())));
    // The test part lies behind, and no shape lies in both.
    let shapes = texts(&read, "shape");
    let (learned, tested) = shapes.split_at(360);
    assert!(tested.iter().all(|shape| !learned.contains(shape)));
}

#[test]
fn s3dis_is_read_as_it_is_published_and_cut_into_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (area, rooms) in [("Area_1", 2), ("Area_5", 1)] {
        for room in 0..rooms {
            let at = format!("{area}/office_{room}/Annotations");
            let mut floor = String::new();
            let mut table = String::new();
            for n in 0..900 {
                let (x, y) = (f64::from(n % 30) * 0.1, f64::from(n / 30) * 0.1);
                let _ = writeln!(floor, "{x:.3} {y:.3} 0.000 200 190 {}", n % 200);
                if n % 9 == 0 {
                    let _ = writeln!(table, "{:.3} {:.3} 0.750 90 60 30", 0.4 * x, 0.4 * y);
                }
            }
            // As in a file of Area 5.
            let table = table.replacen("90 60", "90\u{10}60", 1);
            write(root, &format!("{at}/floor_1.txt"), floor);
            write(root, &format!("{at}/table_1.txt"), table);
        }
    }
    let read = read(root);
    assert_eq!(read.facts.format, "S3DIS");
    assert_eq!(read.rules.block, Some(1.0));
    assert_eq!(read.rules.channels, ["red", "green", "blue"]);
    // Nine blocks of a metre each; the test part is Area 5.
    assert_eq!(read.points.scans().len(), 27);
    assert_eq!((read.table.rows(), read.test_rows), (3000, 1000));
    let shape = &texts(&read, "shape")[0];
    assert!(
        shape
            .as_deref()
            .unwrap()
            .starts_with("Area_1/office_0 block"),
        "{shape:?}"
    );
    let labels = texts(&read, "label");
    assert_eq!(
        labels
            .iter()
            .filter(|l| l.as_deref() == Some("table"))
            .count(),
        300
    );
    // Every point of a scene is answered for, and seen twice.
    let source =
        PointSource::certainly(&root.join("Area_5/office_0/Annotations/floor_1.txt")).unwrap();
    let asked = read_asked(&source, &read.rules).unwrap();
    assert_eq!(asked.points.len(), 900);
    let again = asked.points.again().unwrap();
    for unit in 0..900 {
        assert!(asked.points.place(unit).unwrap() != again.place(unit).unwrap());
    }
}

#[test]
fn archives_say_by_their_shape_whether_labels_are_of_points() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parts.npz");
    let npy = |descr: &str, shape: &str, data: Vec<u8>| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    let shapes: Vec<Geometry> = (0..4).map(|n| solid(n, Seed(3), VIEW)).collect();
    let points = shapes.iter().flat_map(|s| s.points.iter().flatten());
    let points: Vec<u8> = points.flat_map(|x| (*x as f32).to_le_bytes()).collect();
    let labels = shapes
        .iter()
        .flat_map(|s| s.labels.as_ref().unwrap().codes.clone());
    let labels: Vec<u8> = labels.flat_map(|c| i64::from(c).to_le_bytes()).collect();
    let train: Vec<u8> = [1u8, 1, 1, 0].to_vec();
    let zip = |names: &[(&str, Vec<u8>)]| {
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, bytes) in names {
            let options = zip::write::SimpleFileOptions::default();
            archive.start_file(format!("{name}.npy"), options).unwrap();
            std::io::Write::write_all(&mut archive, bytes).unwrap();
        }
        archive.finish().unwrap();
    };
    let cloud = ("points", npy("<f4", "(4, 60, 3)", points));
    zip(&[
        cloud.clone(),
        ("label", npy("<i8", "(4, 60)", labels.clone())),
        ("train", npy("|b1", "(4,)", train)),
    ]);
    let read = read(&path);
    assert_eq!(
        (read.table.rows(), read.test_rows, read.points.scans().len()),
        (240, 60, 4)
    );
    // Too few labels are told, and labels of shapes are those of shapes.
    zip(&[
        cloud.clone(),
        (
            "point_label",
            npy("<i8", "(3, 60)", labels[..180 * 8].to_vec()),
        ),
    ]);
    assert!(PointSource::detect(&path, true).is_none());
    zip(&[
        cloud,
        ("label", npy("<i8", "(4,)", labels[..4 * 8].to_vec())),
    ]);
    assert!(PointSource::detect(&path, true).is_none());
    assert!(CloudSource::detect(&path).is_some());
}

/// Eight shapes of 48 points as h5py 3 writes them, in the layout of ShapeNetPart in HDF5: `data`, `label` and `pid`.
const PARTS_IN_HDF5: &str = "tests/files/shapenetpart_train0.h5";

#[test]
fn points_in_hdf5_have_labels_and_categories() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PARTS_IN_HDF5);
    let one = read(&file);
    assert_eq!((one.table.rows(), one.test_rows), (8 * 48, 0));
    assert_eq!(one.rules.channels, ["category 0", "category 1"]);
    assert_eq!(one.points.category(1), Some("1"));
    let labels: BTreeSet<String> = texts(&one, "label").into_iter().flatten().collect();
    assert_eq!(Vec::from_iter(labels), ["0", "1", "2", "3"]);
    // A folder of such files: what a name says is for testing is the test part.
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "ply_data_train0.h5",
        "ply_data_val0.h5",
        "ply_data_test0.h5",
    ] {
        std::fs::copy(&file, folder.path().join(name)).unwrap();
    }
    let all = read(folder.path());
    assert_eq!((all.table.rows(), all.test_rows), (3 * 8 * 48, 8 * 48));
    let shapes = texts(&all, "shape");
    let last = shapes.last().cloned().flatten();
    assert_eq!(last.as_deref(), Some("ply_data_test0.h5 7"));
    assert_ne!(one.facts.sha256, all.facts.sha256);
    let asked = PointSource::certainly(folder.path()).unwrap();
    let asked = read_asked(&asked, &all.rules).unwrap();
    assert_eq!(asked.files.len(), 3 * 8 + 1);
    // In natural order.
    assert_eq!(asked.names[0], "ply_data_test0.h5 0#1");
}

#[test]
fn modelnet_lies_in_parts_inside_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (class, height) in [("cup", 1.0), ("bed", 2.0)] {
        for n in 0..3 {
            let part = if n < 2 { "train" } else { "test" };
            // The counts stand on the first line, as in some files of ModelNet40.
            let off = format!("OFF4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 {height}\n3 0 1 2\n3 0 2 3\n");
            write(root, &format!("{class}/{part}/{class}_000{n}.off"), off);
        }
    }
    let options = CloudOptions {
        labelled: true,
        ..CloudOptions::default()
    };
    let read = read_clouds(&CloudSource::detect(root).unwrap(), &options).unwrap();
    assert_eq!((read.clouds.len(), read.test_rows), (6, 2));
}

#[test]
fn what_cannot_be_learned_from_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let shape = solid(1, Seed(4), VIEW);
    let one = Geometry {
        labels: shape.labels.clone().map(|mut labels| {
            labels.codes.iter_mut().for_each(|code| *code = 2);
            labels
        }),
        ..shape.clone()
    };
    write(root, "one/a.ply", ply(&one));
    let failed = |name: &str| {
        let source = PointSource::certainly(&root.join(name)).unwrap();
        read_points(&source, &PointOptions::default()).unwrap_err()
    };
    assert!(matches!(failed("one"), CloudError::OneLabel { label, .. } if label == "2"));
    write(
        root,
        "none/a.ply",
        ply(&Geometry {
            labels: None,
            ..shape.clone()
        }),
    );
    assert!(matches!(failed("none"), CloudError::NoLabels { .. }));
    let whole = ply(&shape);
    write(root, "cut/a.ply", &whole[..whole.len() / 2]);
    assert!(failed("cut").to_string().contains("it ends after"));
    // One of many is left out, and said.
    (0..9).for_each(|n| write(root, &format!("many/{n}.ply"), &whole));
    write(root, "many/9.ply", "ply\nnothing more");
    let read = read(&root.join("many"));
    assert_eq!((read.table.rows(), read.findings.len()), (9 * 60, 1));
    assert!(read.findings[0].message.contains("9.ply"));
    for text in [
        "1 2 3 1\n",
        "1 2 3 1\n1 2 3 2\n",
        "nan 1 2 1\n inf 0 0 2\n0 0 0 1\n",
        "",
    ] {
        write(root, "bad.xyz", text);
        let source = PointSource::certainly(&root.join("bad.xyz")).unwrap();
        assert!(
            read_points(&source, &PointOptions::default()).is_err(),
            "{text}"
        );
        let asked = read_asked(
            &source,
            &PointRules {
                kept: 9,
                block: None,
                channels: vec![],
            },
        );
        assert_eq!(asked.unwrap().unreadable.len(), 1, "{text}");
    }
}
