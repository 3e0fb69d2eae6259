use candor_core::{Finding, Severity, Targets};
use candor_data::{Fold, Split, SplitRule};

use super::*;

fn survey(strings: &[&str]) -> Survey {
    let strings: Vec<Option<&str>> = strings
        .iter()
        .map(|text| (*text != "missing").then_some(*text))
        .collect();
    Survey::of(&strings, Limits::default())
}

fn numbers(values: &[f32]) -> Targets {
    Targets::Values {
        width: 1,
        values: values.to_vec(),
    }
}

fn find<'a>(findings: &'a [Finding], kind: &str) -> Option<&'a Finding> {
    findings.iter().find(|finding| finding.kind == kind)
}

#[test]
fn texts_that_are_no_molecules_are_left_out_and_listed() {
    let survey = survey(&[
        "CCO",
        "hello",
        "C(C)(C)(C)(C)C",
        "missing",
        "CCN",
        "CCC",
        "CCS",
    ]);
    let findings = curate_structures(&survey, &numbers(&[0.0; 7]), &[], "smiles", &[]);
    let unreadable = find(&findings, "unreadable-structures").unwrap();
    assert_eq!(unreadable.evidence.rows, [2]);
    assert!(
        unreadable.message.contains("of row 2: character 1"),
        "{}",
        unreadable.message
    );
    let impossible = find(&findings, "impossible-valences").unwrap();
    assert_eq!(impossible.evidence.rows, [3]);
    assert_eq!(
        find(&findings, "missing-structures").unwrap().evidence.rows,
        [4]
    );
    let rows: Vec<usize> = survey.unusable().iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [1, 2, 3]);
    let mostly_bad = super::tests::survey(&["x", "y", "CCO"]);
    let findings = curate_structures(&mostly_bad, &numbers(&[0.0; 3]), &[], "smiles", &[]);
    assert_eq!(
        find(&findings, "unreadable-structures").unwrap().severity,
        Severity::Serious
    );
    let silent = curate_structures(
        &mostly_bad,
        &numbers(&[0.0; 3]),
        &[],
        "smiles",
        &["unreadable-structures".to_owned()],
    );
    assert!(find(&silent, "unreadable-structures").is_none());
}

#[test]
fn one_molecule_written_twice_is_found_with_and_without_conflict() {
    let survey = survey(&["OCC", "c1ccccc1", "C(O)C", "C1=CC=CC=C1", "CCC"]);
    let findings = curate_structures(
        &survey,
        &Targets::Classes(vec![0, 1, 1, 1, 0]),
        &[],
        "s",
        &[],
    );
    assert_eq!(
        find(&findings, "duplicate-structures")
            .unwrap()
            .evidence
            .rows,
        [3, 4]
    );
    assert_eq!(
        find(&findings, "contradicting-structures")
            .unwrap()
            .evidence
            .rows,
        [1, 3]
    );
    // Numbers disagree when they are farther apart than half of their inner range.
    let findings = curate_structures(
        &survey,
        &numbers(&[0.0, 5.0, 0.4, 9.9, 10.0]),
        &[],
        "s",
        &[],
    );
    assert!(find(&findings, "contradicting-structures").is_none());
    let findings = curate_structures(
        &survey,
        &numbers(&[0.0, 5.0, 8.0, 5.1, 10.0]),
        &[],
        "s",
        &[],
    );
    assert_eq!(
        find(&findings, "contradicting-structures")
            .unwrap()
            .evidence
            .rows,
        [1, 3]
    );
    // What is said of a row without a target counts for nothing.
    let classes = Targets::Classes(vec![0, 1, 1, 1, 0]);
    let findings = curate_structures(&survey, &classes, &[2], "s", &[]);
    assert!(find(&findings, "contradicting-structures").is_none());
    // Labels that only one row knows do not contradict.
    let labels = Targets::Labels {
        width: 1,
        values: vec![Some(true), Some(true), None, Some(true), None],
    };
    let findings = curate_structures(&survey, &labels, &[], "s", &[]);
    assert!(find(&findings, "contradicting-structures").is_none());
}

#[test]
fn stereoisomers_salts_and_cliffs_are_found() {
    let survey = survey(&[
        "C[C@H](N)C(=O)O",
        "C[C@@H](N)C(=O)O",
        "CC(=O)[O-].[Na+]",
        "CCCCCCCCCCCCCCCCC(=O)O",
        "CCCCCCCCCCCCCCCC(=O)O",
        "c1ccccc1",
    ]);
    let findings = curate_structures(
        &survey,
        &Targets::Classes(vec![0, 0, 0, 1, 0, 1]),
        &[],
        "s",
        &[],
    );
    assert_eq!(
        find(&findings, "stereo-duplicates").unwrap().evidence.rows,
        [1, 2]
    );
    assert_eq!(find(&findings, "mixtures").unwrap().evidence.rows, [3]);
    let cliffs = find(&findings, "activity-cliffs").unwrap();
    assert!(
        cliffs.message.contains("rows 4 and 5"),
        "{}",
        cliffs.message
    );
    assert!(find(&findings, "duplicate-structures").is_none());
    let calm = curate_structures(
        &survey,
        &Targets::Classes(vec![0, 0, 0, 1, 1, 1]),
        &[],
        "s",
        &[],
    );
    assert!(find(&calm, "activity-cliffs").is_none());
}

#[test]
fn molecules_on_both_sides_of_a_split_are_found() {
    let survey = survey(&["CCO", "C[C@H](N)O", "OCC", "C[C@@H](N)O", "CCC", "missing"]);
    let split = |test: Vec<usize>| Split {
        rule: SplitRule::Random,
        reason: String::new(),
        folds: vec![Fold {
            train: vec![0, 5],
            validation: vec![1],
        }],
        calibration: Vec::new(),
        test,
    };
    let findings = structures_across(&survey, &split(vec![2, 3, 4]), "s");
    assert_eq!(findings[0].evidence.rows, [3, 4]);
    assert!(structures_across(&survey, &split(vec![4]), "s").is_empty());
}

#[test]
fn nothing_is_found_in_nothing() {
    let none = Survey::of(&[], Limits::default());
    assert!(curate_structures(&none, &numbers(&[]), &[], "s", &[]).is_empty());
}
