use proptest::prelude::*;

use super::*;

fn classes(n: usize, of: u32) -> Targets {
    Targets::Classes((0..n as u32).map(|i| i * i % of).collect())
}

/// Every row is in exactly one of test, calibration and development, and each fold parts the development rows.
fn check_complete(split: &Split, n: usize, rolling: bool) {
    let mut seen = vec![0; n];
    let outer = split.test.iter().chain(&split.calibration);
    for &row in outer.chain(&split.development()) {
        seen[row] += 1;
    }
    assert!(seen.iter().all(|count| *count == 1), "{seen:?}");
    let development = split.development();
    for fold in &split.folds {
        let mut rows: Vec<usize> = fold.train.iter().chain(&fold.validation).copied().collect();
        rows.sort_unstable();
        assert!(
            rows.windows(2).all(|pair| pair[0] < pair[1]),
            "a row is in both parts of a fold"
        );
        assert!(rolling || rows == development);
    }
}

#[test]
fn sizes_follow_the_rows() -> Result<(), DataError> {
    let cases = [
        (100, 8, 0),
        (1_000, 8, 0),
        (5_000, 5, 0),
        (20_000, 5, 1_600),
        (100_000, 1, 8_000),
    ];
    for (n, folds, calibration) in cases {
        let split = split(
            n,
            &classes(n, 3),
            None,
            None,
            &SplitOptions::default(),
            Seed(1),
        )?;
        check_complete(&split, n, false);
        assert_eq!(
            (split.folds.len(), split.calibration.len()),
            (folds, calibration),
            "{n} rows"
        );
        assert_eq!(split.test.len(), n / 5);
    }
    Ok(())
}

#[test]
fn one_validation_part_takes_no_more_than_it_needs() -> Result<(), DataError> {
    let once = SplitOptions {
        most_folds: Some(1),
        test_fraction: 0.0,
        calibration_fraction: Some(0.0),
        ..SplitOptions::default()
    };
    for (n, validation) in [(100, 20), (10_000, 2_000), (30_000, 4_000), (60_000, 6_000)] {
        let split = split(n, &classes(n, 3), None, None, &once, Seed(1))?;
        check_complete(&split, n, false);
        let found: Vec<usize> = split.folds.iter().map(|f| f.validation.len()).collect();
        assert_eq!(found, [validation], "{n} rows");
    }
    Ok(())
}

#[test]
fn classes_keep_their_shares() -> Result<(), DataError> {
    let n = 1000;
    let targets = Targets::Classes((0..n as u32).map(|i| u32::from(i % 10 == 0)).collect());
    let split = split(n, &targets, None, None, &SplitOptions::default(), Seed(5))?;
    let Targets::Classes(classes) = &targets else {
        return Ok(());
    };
    let ones = |rows: &[usize]| rows.iter().filter(|&&row| classes[row] == 1).count();
    assert!((19..=21).contains(&ones(&split.test)));
    for fold in &split.folds {
        assert!((9..=11).contains(&ones(&fold.validation)));
    }
    Ok(())
}

#[test]
fn a_class_of_one_row_is_in_every_training_part() -> Result<(), DataError> {
    for seed in 0..20 {
        let targets = Targets::Classes((0..60).map(|i| if i == 7 { 2 } else { i % 2 }).collect());
        let split = split(
            60,
            &targets,
            None,
            None,
            &SplitOptions::default(),
            Seed(seed),
        )?;
        assert!(split.folds.iter().all(|fold| fold.train.contains(&7)));
    }
    Ok(())
}

#[test]
fn given_test_rows_stay_what_they_are() -> Result<(), DataError> {
    let options = SplitOptions {
        test_rows: Some(vec![3, 1, 50]),
        excluded: vec![50, 60],
        ..SplitOptions::default()
    };
    let split = split(100, &classes(100, 2), None, None, &options, Seed(0))?;
    assert_eq!(
        (split.rule, split.test.as_slice()),
        (SplitRule::Given, &[1, 3][..])
    );
    assert_eq!(split.development().len(), 96);
    Ok(())
}

#[test]
fn what_cannot_be_split_is_refused() {
    let with = |n: usize, groups: Option<&[u32]>, time: Option<&[f64]>, options: SplitOptions| {
        split(n, &classes(n, 2), groups, time, &options, Seed(0)).map_err(|e| e.to_string())
    };
    let ruled = |rule| SplitOptions {
        rule: Some(rule),
        ..SplitOptions::default()
    };
    let cases = [
        (
            with(9, None, None, SplitOptions::default()),
            "9 rows with a target: at least 10",
        ),
        (
            with(50, None, None, ruled(SplitRule::Group)),
            "needs a group column",
        ),
        (
            with(50, None, None, ruled(SplitRule::Given)),
            "needs a file of test rows",
        ),
        (
            with(50, Some(&[0; 50]), None, SplitOptions::default()),
            "1 groups",
        ),
        (
            with(50, None, Some(&[0.0; 50]), SplitOptions::default()),
            "1 distinct moments",
        ),
        (
            with(
                50,
                None,
                None,
                SplitOptions {
                    test_fraction: 0.95,
                    ..SplitOptions::default()
                },
            ),
            "test share",
        ),
    ];
    for (found, message) in cases {
        let error = found.err().unwrap_or_default();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn where_each_class_has_one_row_nothing_can_be_validated() {
    let options = SplitOptions {
        rule: Some(SplitRule::Stratified),
        test_fraction: 0.0,
        ..SplitOptions::default()
    };
    let each = Targets::Classes((0..12).collect());
    let error = split(12, &each, None, None, &options, Seed(0)).unwrap_err();
    assert!(error.to_string().contains("no class has two"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_by_lot_are_complete_and_repeatable(n in 10usize..400, of in 2u32..9, seed: u64, share in 0.0f64..0.6) {
        let options = SplitOptions { test_fraction: share, ..SplitOptions::default() };
        let make = || split(n, &classes(n, of), None, None, &options, Seed(seed));
        if let Ok(made) = make() {
            check_complete(&made, n, false);
            prop_assert_eq!(Ok(made), make().map_err(|e| e.to_string()));
        }
    }

    #[test]
    fn numbers_are_split_too(n in 10usize..300, seed: u64) {
        let values = (0..n).map(|i| (i * 37 % 101) as f32).collect();
        let targets = Targets::Values { width: 1, values };
        if let Ok(made) = split(n, &targets, None, None, &SplitOptions::default(), Seed(seed)) {
            check_complete(&made, n, false);
        }
    }

    #[test]
    fn no_group_is_cut(n in 40usize..300, of in 8u32..30, seed: u64) {
        let groups: Vec<u32> = (0..n as u32).map(|i| (i * i + 3 * i) % of).collect();
        if let Ok(made) = split(n, &classes(n, 2), Some(&groups), None, &SplitOptions::default(), Seed(seed)) {
            check_complete(&made, n, false);
            let of = |rows: &[usize]| rows.iter().map(|&row| groups[row]).collect::<BTreeSet<_>>();
            prop_assert!(of(&made.test).is_disjoint(&of(&made.development())));
            for fold in &made.folds {
                prop_assert!(of(&fold.train).is_disjoint(&of(&fold.validation)));
            }
        }
    }

    #[test]
    fn the_future_is_never_learned_from(n in 30usize..300, moments in 8usize..100, seed: u64) {
        let time: Vec<f64> = (0..n).map(|i| (i * 7 % moments) as f64).collect();
        if let Ok(made) = split(n, &classes(n, 2), None, Some(&time), &SplitOptions::default(), Seed(seed)) {
            check_complete(&made, n, true);
            let last = |rows: &[usize]| rows.iter().map(|&row| time[row]).fold(f64::MIN, f64::max);
            let first = |rows: &[usize]| rows.iter().map(|&row| time[row]).fold(f64::MAX, f64::min);
            prop_assert!(last(&made.development()) < first(&made.test));
            for fold in &made.folds {
                prop_assert!(last(&fold.train) < first(&fold.validation));
            }
        }
    }
}

#[test]
fn a_rare_label_is_in_every_part() {
    let n = 600;
    let values = (0..n).flat_map(|i| [Some(i % 2 == 0), Some(i % 50 == 1), None]);
    let targets = Targets::Labels {
        width: 3,
        values: values.collect(),
    };
    let options = SplitOptions::default();
    let split = split(n, &targets, None, None, &options, Seed(2)).unwrap();
    let rare = |rows: &[usize]| rows.iter().filter(|row| **row % 50 == 1).count();
    // Twelve rows, a fifth of them for the test.
    assert!(
        (2..=3).contains(&rare(&split.test)),
        "{}",
        rare(&split.test)
    );
    assert!(
        split
            .folds
            .iter()
            .all(|fold| rare(&fold.validation) >= 1 && rare(&fold.train) >= 5)
    );
}
