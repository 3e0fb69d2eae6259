//! Whole sets of pictures as they are published, where they lie beside the repository.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candor_data::{
    CorruptPolicy, ImageOptions, ImageSource, ReadImages, Values, curate_images, read_images,
};

/// A folder of the shared data; says so and gives nothing where it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if !path.is_dir() {
        eprintln!("skipped: `shared/data/{name}` does not lie beside the repository");
        return None;
    }
    Some(path)
}

fn read(path: &Path) -> ReadImages {
    let source = ImageSource::detect(path).unwrap().unwrap();
    let options = ImageOptions {
        labelled: true,
        corrupt: CorruptPolicy::Refuse,
        ..ImageOptions::default()
    };
    read_images(&source, &options).unwrap()
}

/// The classes by row, as numbers, and how many pictures each has.
fn classes(read: &ReadImages) -> (Vec<u32>, Vec<usize>) {
    let Values::Text { codes, dictionary } = &read.table.column("class").unwrap().values else {
        unreachable!("classes are words");
    };
    let mut counts = vec![0; dictionary.len()];
    codes.iter().for_each(|&code| counts[code as usize] += 1);
    (codes.clone(), counts)
}

/// The first rows are learned from, the given test part is set aside.
fn parts(read: &ReadImages) -> Vec<u8> {
    let development = read.images.len() - read.test_rows;
    (0..read.images.len())
        .map(|row| u8::from(row >= development))
        .collect()
}

/// How many pictures the findings are about, by kind.
fn found(read: &ReadImages) -> BTreeMap<String, usize> {
    let (classes, _) = classes(read);
    curate_images(&read.images, Some(&classes), &parts(read))
        .into_iter()
        .map(|finding| (finding.kind, finding.evidence.count))
        .collect()
}

#[test]
fn fashion_mnist() {
    let Some(folder) = shared("fashion_mnist") else {
        return;
    };
    let read = read(&folder);
    assert_eq!((read.images.len(), read.test_rows), (70_000, 10_000));
    assert_eq!(read.images.size().len(), 28 * 28);
    assert_eq!(classes(&read).1, [7000; 10]);
    let class = |row| {
        read.table
            .column("class")
            .unwrap()
            .values
            .text(row)
            .unwrap()
    };
    // The first training and the first test picture of the published set.
    assert_eq!(
        (class(0), class(60_000)),
        ("Ankle boot".to_owned(), "Ankle boot".to_owned())
    );
    assert_eq!(read.findings, []);
    // Takes of one product in several shades.
    let found = found(&read);
    assert!(
        (300..1000).contains(&found["near-duplicate-pictures"]),
        "{found:?}"
    );
    assert!(
        (50..250).contains(&found["pictures-across-parts"]),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn cifar_10() {
    let Some(folder) = shared("cifar10_jpg") else {
        return;
    };
    let read = read(&folder);
    assert_eq!((read.images.len(), read.test_rows), (60_000, 10_000));
    assert_eq!(read.images.size().len(), 3 * 32 * 32);
    assert_eq!(classes(&read).1, [6000; 10]);
    // Black and white photographs.
    assert_eq!(read.findings.len(), 1);
    assert_eq!(read.findings[0].kind, "mixed-colours");
    assert_eq!(read.findings[0].evidence.count, 729);
    // Known to hold copies: B. Barz, J. Denzler, *Do we train on test data?*, J. Imaging 6, 2020.
    let found = found(&read);
    assert!(
        (300..600).contains(&found["near-duplicate-pictures"]),
        "{found:?}"
    );
    assert!(
        (80..330).contains(&found["pictures-across-parts"]),
        "{found:?}"
    );
}

#[test]
fn the_test_half_of_mnist_alone() {
    let Some(folder) = shared("mnist_test") else {
        return;
    };
    let read = read(&folder);
    assert_eq!((read.images.len(), read.test_rows), (10_000, 0));
    assert_eq!(classes(&read).1.len(), 10);
    let class = |row| read.table.column("class").unwrap().values.text(row);
    assert_eq!(class(0), Some("7".to_owned()));
}
