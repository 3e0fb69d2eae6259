//! A whole set of shapes as it is published, where it lies beside the repository.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::Path;

use candor_core::{Clock, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_point_cloud::{
    CloudLearner, CloudOptions, CloudSource, CloudUnits, curate_clouds, read_clouds,
};
use candor_train::{Assignment, Learner};

/// SHREC 2011 (Lian et al.): 30 classes of 20 figures in different poses, 16 of each to learn from.
#[test]
fn figures_are_told_in_any_pose_by_a_linear_model_on_descriptors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../../shared/data/shrec11_split16/points1024.npz");
    if !path.is_file() {
        eprintln!("skipped: `shared/data/shrec11_split16` does not lie beside the repository");
        return;
    }
    let options = CloudOptions {
        labelled: true,
        ..CloudOptions::default()
    };
    let read = read_clouds(&CloudSource::detect(&path).unwrap(), &options).unwrap();
    assert_eq!((read.clouds.len(), read.test_rows), (600, 120));
    let values = &read.table.column("class").unwrap().values;
    let texts: Vec<String> = (0..600).map(|row| values.text(row).unwrap()).collect();
    let mut classes = texts.clone();
    classes.sort();
    classes.dedup();
    assert!(classes.len() == 30 && classes.contains(&"octopus".to_owned()));
    let labels = texts
        .iter()
        .map(|text| classes.binary_search(text).unwrap() as u32);
    let targets = Targets::Classes(labels.collect());
    let units = CloudUnits::units(read.clouds);
    let findings = curate_clouds(CloudUnits::of(&units).unwrap(), None, &[]);
    assert!(
        findings.iter().all(|f| f.kind == "mixed-orientation"),
        "{findings:?}"
    );
    let target = Target {
        task: Task::Multiclass,
        names: vec!["class".into()],
        classes,
    };
    let (train, test): (Vec<usize>, Vec<usize>) = ((0..480).collect(), (480..600).collect());
    let learner = CloudLearner::new(Task::Multiclass).unwrap();
    let fitted = learner.fit(&Assignment {
        design: &Design::new().with("model", "linear"),
        units: &units,
        targets: &targets,
        target: &target,
        metric: Metric::LogLoss,
        train: &train,
        validation: &[],
        seed: Seed(1),
        clock: &Clock::unlimited(),
    });
    let said = fitted
        .unwrap()
        .member
        .predict(&units, &test)
        .unwrap()
        .mixture()
        .unwrap();
    let accuracy = Metric::Accuracy
        .score(&said, &targets.select(&test))
        .unwrap();
    assert!(accuracy >= 0.97, "{accuracy}");
}
