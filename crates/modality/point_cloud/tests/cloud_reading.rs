//! Shapes from files: folders, manifests, archives, and what is wrong with them.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use candor_core::Hints;
use candor_data::Values;
use candor_point_cloud::{
    CloudError, CloudOptions, CloudSource, ReadClouds, parse_shape, read_clouds,
};
use proptest::prelude::*;

const LABELLED: fn() -> CloudOptions = || CloudOptions {
    labelled: true,
    ..CloudOptions::default()
};

/// A box as OFF.
fn off([x, y, z]: [f32; 3]) -> String {
    let mut text = String::from("OFF\n8 6 0\n");
    for corner in 0..8u8 {
        let at = |axis: u8, side: f32| if corner >> axis & 1 == 1 { side } else { 0.0 };
        let _ = writeln!(text, "{} {} {}", at(0, x), at(1, y), at(2, z));
    }
    text + "4 0 1 3 2\n4 4 5 7 6\n4 0 1 5 4\n4 2 3 7 6\n4 0 2 6 4\n4 1 3 7 5\n"
}

fn xyz(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        let t = i as f32;
        let _ = writeln!(text, "{} {} {}", t.sin(), t.cos(), 0.01 * t);
        text
    })
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn read(path: &Path, options: &CloudOptions) -> Result<ReadClouds, CloudError> {
    read_clouds(&CloudSource::detect(path).unwrap(), options)
}

fn cells(read: &ReadClouds, column: &str) -> Vec<Option<String>> {
    let values: &Values = &read.table.column(column).unwrap().values;
    (0..values.len()).map(|row| values.text(row)).collect()
}

#[test]
fn folders_name_classes_and_parts_and_meshes_are_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for i in 1..=10 {
        write(
            &at.join(format!("train/box/{i}.off")),
            off([1.0, 2.0, i as f32]),
        );
        write(&at.join(format!("train/coil/{i}.xyz")), xyz(40 + i));
    }
    write(&at.join("test/coil/9.xyz"), xyz(70));
    write(&at.join("train/box/readme.md"), "no shape");
    write(&at.join("train/box/11.off"), "OFF\n8 6 0\n0 0 0\n");
    let found = read(at, &LABELLED()).unwrap();
    assert_eq!((found.clouds.len(), found.test_rows), (21, 1));
    assert_eq!(found.facts.default_target.as_deref(), Some("class"));
    assert_eq!(
        cells(&found, "shape")[20].as_deref(),
        Some("test/coil/9.xyz")
    );
    assert_eq!(cells(&found, "class")[9].as_deref(), Some("box"));
    let finding = &found.findings[0];
    assert_eq!(finding.kind, "unreadable-shapes");
    assert!(
        finding
            .message
            .contains("train/box/11.off` (damaged OFF: it ends after 1 of 8 points)"),
        "{}",
        finding.message
    );
    assert_eq!((found.clouds[0].len(), found.clouds[10].len()), (1024, 41));
    // The same again, and by other names of the same bytes.
    let again = read(at, &LABELLED()).unwrap();
    assert_eq!(found.facts, again.facts);
    assert!(
        found
            .clouds
            .iter()
            .zip(&again.clouds)
            .all(|(a, b)| a.points() == b.points())
    );
    let alone = read_clouds(
        &CloudSource::certainly(&at.join("train/box/3.off")).unwrap(),
        &CloudOptions::default(),
    )
    .unwrap();
    assert_eq!(alone.clouds[0].points(), found.clouds[2].points());
}

#[test]
fn manifests_keep_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut text = String::from("file,weight,split\n");
    for i in 0..12 {
        write(&at.join(format!("all/{i}.xyz")), xyz(30 + i));
        let part = if i < 9 { "train" } else { "test" };
        let _ = writeln!(text, "all/{i}.xyz,{i}.5,{part}");
    }
    write(&at.join("list.csv"), text);
    let found = read(&at.join("list.csv"), &LABELLED()).unwrap();
    assert_eq!((found.clouds.len(), found.test_rows), (12, 3));
    assert!(
        matches!(&found.table.column("weight").unwrap().values, Values::Numeric(v) if v[11] == 11.5)
    );
    assert!(found.table.column("split").is_none());
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

fn npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn arrays_hold_shapes_labels_and_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shapes.npz");
    let points: Vec<u8> = (0..6 * 50 * 3u16)
        // Halves between 1 and 2.
        .flat_map(|i| (0x3c00 | (i * 37 % 1024)).to_le_bytes())
        .collect();
    let label: Vec<u8> = [0i64, 1, 0, 1, 2, 0]
        .iter()
        .flat_map(|l| l.to_le_bytes())
        .collect();
    let arrays = [
        ("points", npy("<f2", "(6, 50, 3)", &points)),
        ("label", npy("<i8", "(6,)", &label)),
        ("train", npy("|b1", "(6,)", &[1, 0, 1, 1, 0, 1])),
    ];
    npz(&path, &arrays);
    write(&folder.path().join("classes.txt"), "cup\nbowl\n");
    let found = read(&path, &LABELLED()).unwrap();
    assert_eq!(found.test_rows, 2);
    let names: Vec<String> = cells(&found, "shape").into_iter().flatten().collect();
    assert_eq!(
        names,
        [
            "shape 0", "shape 2", "shape 3", "shape 5", "shape 1", "shape 4"
        ]
    );
    let classes: Vec<String> = cells(&found, "class").into_iter().flatten().collect();
    assert_eq!(classes, ["cup", "cup", "bowl", "cup", "bowl", "2"]);
    for (arrays, part) in [
        (
            vec![("points", npy("<f2", "(6, 50, 3)", &points[1..]))],
            "cut short",
        ),
        (
            vec![("points", npy("<f2", "(6, 75, 2)", &points))],
            "[shapes, points, 3]",
        ),
        (
            vec![arrays[0].clone(), ("label", npy("<i8", "(5,)", &label))],
            "of 5 shapes, there are 6",
        ),
        (
            vec![arrays[0].clone(), ("train", npy("|b1", "(5,)", &[1; 5]))],
            "for each of the 6",
        ),
        (
            vec![
                ("vertices", npy("<f4", "(0, 3)", &[])),
                ("vertex_offset", npy("<i8", "(2,)", &label)),
            ],
            "should rise",
        ),
    ] {
        npz(&path, &arrays);
        let error = read(&path, &LABELLED()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.hints().is_empty());
    }
}

/// Files as h5py 3 writes them, in the layout of `modelnet40_ply_hdf5_2048`: nine shapes to learn from in two files, three to test on.
const MODELNET: &str = "tests/files/modelnet40_ply_hdf5_2048";

fn modelnet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(MODELNET)
}

#[test]
fn modelnet40_in_hdf5_is_read_as_it_is_published() {
    let found = read(&modelnet(), &LABELLED()).unwrap();
    assert_eq!((found.clouds.len(), found.test_rows), (12, 3));
    let names: Vec<String> = cells(&found, "shape").into_iter().flatten().collect();
    assert_eq!(
        names[4..6],
        ["ply_data_train0.h5 4", "ply_data_train1.h5 0"]
    );
    assert_eq!(names[9], "ply_data_test0.h5 0");
    let classes: Vec<String> = cells(&found, "class").into_iter().flatten().collect();
    let expected = "ball square rod ball square rod ball square rod rod square ball";
    assert_eq!(classes.join(" "), expected);
    assert_eq!(found.facts.default_target.as_deref(), Some("class"));
    assert!(found.clouds.iter().all(|cloud| cloud.len() == 64));
    // One file alone has no part to test on; its numbers keep their names.
    let one = read(&modelnet().join("ply_data_test0.h5"), &LABELLED()).unwrap();
    assert_eq!((one.clouds.len(), one.test_rows), (3, 0));
    assert_eq!(cells(&one, "class")[0].as_deref(), Some("rod"));
    // A file of the set that is damaged, or of another kind, is named.
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(modelnet()).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let damaged = folder.path().join("ply_data_train1.h5");
    let whole = std::fs::read(&damaged).unwrap();
    write(&damaged, &whole[..whole.len() / 2]);
    let error = read(folder.path(), &LABELLED()).unwrap_err().to_string();
    assert!(error.contains("`ply_data_train1.h5`"), "{error}");
    // A table in HDF5 holds no shapes.
    let table = "../../data/tests/files/metr-la.h5";
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join(table);
    assert!(table.is_file());
    assert_eq!(CloudSource::detect(&table), None);
}

#[test]
fn what_makes_no_task_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("one/a/1.xyz"), xyz(9));
    write(&at.join("none/1.xyz"), xyz(9));
    for (name, text) in [
        ("1", "1 2 3\n"),
        ("2", ""),
        ("3", "1 1 1\n1 1 1\n"),
        ("4", "1 2 x\n"),
    ] {
        write(&at.join(format!("bad/a/{name}.xyz")), text);
        write(&at.join(format!("bad/b/{name}.xyz")), xyz(20));
    }
    for (name, part) in [
        ("one", "all shapes"),
        ("none", "no classes"),
        ("bad", "4 of the 8 shapes"),
    ] {
        let error = read(&at.join(name), &LABELLED()).unwrap_err();
        assert!(error.to_string().contains(part), "{name}: {error}");
        assert_eq!(error.hints().len(), 1);
    }
    let error = read(&at.join("bad"), &LABELLED()).unwrap_err().to_string();
    for part in ["a single point", "empty", "all at one place", "line 1: `x`"] {
        assert!(error.contains(part), "{error}");
    }
    // To be answered, each says what is wrong with itself.
    let found = read(&at.join("bad"), &CloudOptions::default()).unwrap();
    assert_eq!((found.clouds.len(), found.unreadable.len()), (8, 4));
    assert!(
        found.unreadable[&0].contains("a single point"),
        "{:?}",
        found.unreadable
    );
    // Nothing that is not one.
    assert_eq!(CloudSource::detect(&at.join("absent")), None);
    write(&at.join("table.csv"), "x,y,class\n1,2,a\n");
    assert_eq!(CloudSource::detect(&at.join("table.csv")), None);
    write(&at.join("many/a/1.obj"), "v 0 0 0\n");
    (0..9).for_each(|i| write(&at.join(format!("many/a/{i}.png")), ""));
    assert_eq!(CloudSource::detect(&at.join("many")), None);
}

#[test]
fn memory_bounds_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for i in 0..10 {
        write(&at.join(format!("{}/{i}.xyz", ["a", "b"][i % 2])), xyz(400));
    }
    let kept = |memory: u64| {
        let mut options = LABELLED();
        options.tables.memory_bytes = Some(memory);
        read(at, &options).map(|read| read.clouds[0].len())
    };
    assert_eq!(kept(1 << 30).unwrap(), 400);
    assert_eq!(kept(4 * 128 * 10 * 100).unwrap(), 100);
    assert!(matches!(kept(1000), Err(CloudError::Memory { .. })));
    // What a model asks for is kept whatever the memory.
    let asked = CloudOptions {
        kept: Some(50),
        ..LABELLED()
    };
    let found = read(at, &asked).unwrap();
    assert_eq!((found.clouds[0].len(), found.kept), (50, 50));
}

/// Files as they should be, of each format.
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let ply = |form: &str| {
        format!(
            "ply\nformat {form} 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nelement face 1\n\
             property list uchar int vertex_indices\nend_header\n"
        )
    };
    let numbers = |big: bool| -> Vec<u8> {
        let reals = [0.0f32, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let mut bytes: Vec<u8> = reals
            .iter()
            .flat_map(|x| {
                if big {
                    x.to_be_bytes()
                } else {
                    x.to_le_bytes()
                }
            })
            .collect();
        bytes.push(3);
        bytes.extend((0..3i32).flat_map(|x| {
            if big {
                x.to_be_bytes()
            } else {
                x.to_le_bytes()
            }
        }));
        bytes
    };
    let mut stl = vec![0u8; 80];
    stl.extend(1u32.to_le_bytes());
    stl.extend([0; 12]);
    stl.extend(numbers(false)[..36].iter());
    stl.extend([0; 2]);
    vec![
        ("a.off", off([1.0, 2.0, 3.0]).into_bytes()),
        ("a.ply", (ply("ascii") + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n").into_bytes()),
        ("a.ply", [ply("binary_little_endian").into_bytes(), numbers(false)].concat()),
        ("a.ply", [ply("binary_big_endian").into_bytes(), numbers(true)].concat()),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".to_vec()),
        ("a.stl", stl),
        ("a.stl", b"solid\nfacet\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendfacet\nendsolid\n".to_vec()),
        ("a.pcd", b"# .PCD v0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 2\nDATA ascii\n0 0 0\n1 1 1\n".to_vec()),
        ("a.xyz", xyz(9).into_bytes()),
    ]
}

#[test]
fn every_format_is_read() {
    for (name, bytes) in sound() {
        let read = parse_shape(&bytes, name);
        assert!(read.is_ok(), "{name}: {read:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_arrays_in_hdf5_are_read_or_refused(
        changes in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..6),
        kept in prop_oneof![4 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let mut bytes = std::fs::read(modelnet().join("ply_data_test0.h5")).unwrap();
        bytes.truncate((kept * bytes.len() as f64) as usize);
        let length = bytes.len() as f64;
        for (place, value) in changes {
            if let Some(byte) = bytes.get_mut((place * length) as usize) {
                *byte = value;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shapes.h5");
        write(&path, bytes);
        if let Some(source) = CloudSource::detect(&path)
            && let Ok(read) = read_clouds(&source, &LABELLED())
        {
            prop_assert_eq!(read.clouds.len(), read.table.rows());
        }
    }

    #[test]
    fn damaged_files_are_refused_or_read_but_never_stop_the_reader(
        file in 0..9usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let (name, mut bytes) = sound().swap_remove(file);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(geometry) = parse_shape(&bytes, name) {
            prop_assert!(geometry.points.len() > 1);
            prop_assert!(geometry.points.iter().flatten().all(|x| x.is_finite()));
            prop_assert!(geometry.faces.iter().flatten().all(|&c| (c as usize) < geometry.points.len()));
        }
    }

    #[test]
    fn any_bytes_of_any_name_are_answered(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "[-+ 0-9.eEnanvfOFF,;#\n]{0,200}",
        name in prop::sample::select(vec!["a.off", "a.ply", "a.obj", "a.stl", "a.pcd", "a.xyz", "a.csv", "posted"]),
    ) {
        let _ = parse_shape(&bytes, name);
        let _ = parse_shape(text.as_bytes(), name);
        let _ = parse_shape(format!("OFF\n{text}").as_bytes(), name);
        let _ = parse_shape(format!("ply\nformat ascii 1.0\nelement vertex {text}").as_bytes(), name);
    }
}
