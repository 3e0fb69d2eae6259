//! Whatever the bytes, the readers of labelled points give points or an error.
#![allow(clippy::unwrap_used)]

mod solids;

use std::io::Cursor;

use candor_core::Seed;
use candor_point_cloud::{
    Geometry, LasWriter, PointOptions, PointRules, PointSource, parse_shape, read_asked,
    read_points,
};
use proptest::prelude::*;
use solids::{View, ply, solid};

/// Reads bytes under a name in all ways there are.
fn read(name: &str, bytes: &[u8]) {
    if let Ok(shape) = parse_shape(bytes, name) {
        whole(&shape);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let Some(source) = PointSource::certainly(&path) else {
        return;
    };
    if let Ok(read) = read_points(&source, &PointOptions::default()) {
        assert_eq!(read.points.len(), read.table.rows());
    }
    for block in [None, Some(0.7)] {
        let rules = PointRules {
            kept: 16,
            block,
            channels: vec!["intensity".into()],
        };
        if let Ok(asked) = read_asked(&source, &rules) {
            assert_eq!(asked.points.len(), asked.names.len());
        }
    }
}

fn whole(shape: &Geometry) {
    let count = shape.points.len();
    assert!(count > 1 && shape.points.iter().flatten().all(|x| x.is_finite()));
    let width = shape.channels.names.len();
    assert_eq!(shape.channels.values.len(), count * width);
    let labels = shape.labels.as_ref();
    assert!(labels.is_none_or(|labels| labels.codes.len() == count));
}

fn plain() -> Geometry {
    let view = View {
        points: 20,
        any: false,
        noise: 0.0,
        occluded: false,
    };
    solid(3, Seed(1), view)
}

fn written(compressed: bool) -> Vec<u8> {
    let points = plain().points;
    let bounds = [[-4.0; 3], [4.0; 3]];
    let total = points.len() as u32;
    let mut writer = LasWriter::new(Cursor::new(Vec::new()), compressed, total, bounds).unwrap();
    for (n, at) in points.into_iter().enumerate() {
        writer
            .point(at, 5, [n as u16, 2, 3], 2 + (n % 3) as u8)
            .unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A file with some bytes replaced, and one piece of it put elsewhere.
fn damaged(
    file: &[u8],
    changes: &[(prop::sample::Index, u8)],
    cut: [prop::sample::Index; 3],
) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for (place, byte) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    let [start, end, to] = cut.map(|cut| cut.index(bytes.len() + 1));
    let piece = bytes[start.min(end)..start.max(end)].to_vec();
    bytes.splice(to..to, piece);
    bytes
}

const NAMES: [&str; 7] = [
    "a.ply", "a.pcd", "a.csv", "a.xyz", "a.las", "a.laz", "a.npz",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_panic(name in 0..NAMES.len(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(NAMES[name], &bytes);
    }

    #[test]
    fn no_damaged_text_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<[prop::sample::Index; 3]>(),
    ) {
        read("a.ply", &damaged(ply(&plain()).as_bytes(), &changes, cut));
    }

    #[test]
    fn no_damaged_scan_panics(
        compressed in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<[prop::sample::Index; 3]>(),
        moved in any::<bool>(),
    ) {
        let file = written(compressed);
        let whole = damaged(&file, &changes, cut);
        // With a piece moved hardly any head stays whole; without, the points are reached.
        let bytes = if moved { whole } else { whole[..file.len()].to_vec() };
        read("a.laz", &bytes);
    }

    #[test]
    fn no_damaged_points_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        compressed in any::<bool>(),
    ) {
        let mut bytes = written(compressed);
        let head = 227;
        for (place, byte) in changes {
            let place = head + place.index(bytes.len() - head);
            bytes[place] = byte;
        }
        read("a.laz", &bytes);
    }
}

#[test]
fn what_is_cut_short_is_an_error_or_read_as_far_as_it_goes() {
    for (name, file) in [
        ("a.ply", ply(&plain()).into_bytes()),
        ("a.las", written(false)),
        ("a.laz", written(true)),
    ] {
        assert!(parse_shape(&file, name).is_ok(), "{name}");
        for end in (0..file.len()).step_by(7) {
            read(name, &file[..end]);
        }
    }
}
