//! What happens at the edges: one class, too few rows, constant embeddings, equal members, broken numbers. Each has a defined
//! result or an error that says what is wrong.
#![allow(clippy::unwrap_used)]

use candor_challenge::{
    CalibrationError, ChallengeError, ConformalClassifier, ConformalMethod, ConformalRegressor,
    Correctness, Gate, KnnBank, LabelReview, MembershipInference, OodDetector, Recalibration,
    RiskCoverage, Temperature, Uncertainty,
};
use candor_core::{Distribution, Hints, Seed, Targets};

fn classes(rows: &[[f32; 2]]) -> Distribution {
    Distribution::Categorical {
        classes: 2,
        probabilities: rows.as_flattened().to_vec(),
    }
}

fn normal(mean: Vec<f32>) -> Distribution {
    Distribution::Gaussian {
        width: 1,
        variance: vec![1.0; mean.len()],
        mean,
    }
}

fn values(values: Vec<f32>) -> Targets {
    Targets::Values { width: 1, values }
}

#[test]
fn one_class_in_calibration() {
    let predicted = classes(&[[0.9, 0.1]; 200]);
    let truth = Targets::Classes(vec![0; 200]);
    // The prior holds the temperature back, however often the model is right.
    let temperature = Temperature::fit(&predicted, &truth).unwrap();
    assert!(
        (0.1..1.0).contains(&temperature.value),
        "{}",
        temperature.value
    );
    // The class that calibration never saw can still be in a set.
    let sets =
        ConformalClassifier::fit(ConformalMethod::Aps, 0.1, &predicted, &truth, Seed(0)).unwrap();
    let set = sets.predict(&classes(&[[0.1, 0.9]])).unwrap();
    assert!(set[0].contains(&1), "{set:?}");
    let error = CalibrationError::measure(&predicted, &truth, Seed(0)).unwrap();
    assert!((error.expected - 0.1).abs() < 1e-6);
    assert!(
        LabelReview::of(&predicted, None, &truth)
            .unwrap()
            .suspects
            .is_empty()
    );
    // One class in all: its probability is always 1.
    let alone = Distribution::Categorical {
        classes: 1,
        probabilities: vec![1.0; 30],
    };
    let truth = Targets::Classes(vec![0; 30]);
    let fitted = Recalibration::fit(&alone, &truth).unwrap();
    assert_eq!(fitted.apply(&alone).unwrap(), alone);
    assert!(
        LabelReview::of(&alone, None, &truth)
            .unwrap()
            .suspects
            .is_empty()
    );
}

#[test]
fn fewer_calibration_rows_than_the_quantile_needs() {
    // 90 % needs 9 rows: with 8 the promise can only be kept by everything.
    let truth = |n: usize| values((0..n).map(|i| i as f32).collect());
    for (n, finite) in [(8, false), (9, true)] {
        let fitted = ConformalRegressor::fit(0.1, &normal(vec![0.0; n]), &truth(n)).unwrap();
        assert_eq!(fitted.thresholds[0].is_some(), finite, "{n}");
        let (low, high) = fitted.predict(&normal(vec![3.0])).unwrap()[0];
        assert_eq!(low.is_finite() && high.is_finite(), finite, "{n}");
    }
    let few = ConformalClassifier::fit(
        ConformalMethod::RAPS,
        0.1,
        &classes(&[[0.9, 0.1]; 8]),
        &Targets::Classes(vec![0; 8]),
        Seed(0),
    )
    .unwrap();
    assert_eq!(few.predict(&classes(&[[0.99, 0.01]])).unwrap(), [[0, 1]]);
    // A gate of few rows promises nothing and says so.
    let gate = Gate::fit(&[0.99; 10], &[false; 10], 0.05, 0.05).unwrap();
    assert!(!gate.guaranteed);
}

#[test]
fn constant_embeddings_tell_nothing_and_break_nothing() {
    let rows = vec![0.5f32; 40];
    for bank in [
        KnnBank::fit(&rows, 4, 1, 100, Seed(0)).unwrap(),
        KnnBank::fit_standardised(&rows, 4, 1, 100, Seed(0)).unwrap(),
    ] {
        let detector = OodDetector::calibrate(vec![bank], &[&rows[..20]]).unwrap();
        let same = detector.score(&[&rows[..4]]).unwrap()[0];
        assert_eq!(detector.p_value(same), 1.0);
        let other = detector.score(&[&[0.5, 0.5, 0.5, -9.0]]).unwrap()[0];
        assert!(other.is_finite() && detector.p_value(other) < 1.0);
        // NaN in an embedding is as strange as can be.
        let broken = detector.score(&[&[f32::NAN; 4]]).unwrap()[0];
        assert_eq!(detector.p_value(broken), detector.calibration().smallest());
    }
}

#[test]
fn equal_members_have_no_doubt_of_the_model() {
    let member = classes(&[[0.7, 0.3], [0.0, 1.0]]);
    let split = Uncertainty::decompose(&[(0.5, &member), (0.5, &member), (1.0, &member)]).unwrap();
    assert!(
        split.epistemic.iter().all(|e| (0.0..1e-12).contains(e)),
        "{:?}",
        split.epistemic
    );
    assert_eq!(split.epistemic_share(), [0.0, 0.0]);
    let alone = Uncertainty::decompose(&[(1.0, &normal(vec![1.0, 2.0]))]).unwrap();
    assert_eq!(alone.epistemic, [0.0, 0.0]);
    assert!((alone.effective_members - 1.0).abs() < 1e-12);
    // Confidences that are all equal order nothing: the risk is the whole risk everywhere.
    let curve = RiskCoverage::of(
        &[0.7; 10],
        &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0],
    )
    .unwrap();
    assert!((curve.aurc - 0.5).abs() < 1e-12);
}

#[test]
fn broken_numbers_are_refused_with_their_place() {
    let broken = classes(&[[0.5, 0.5], [f32::NAN, 0.5]]);
    let truth = Targets::Classes(vec![0, 1]);
    let errors: Vec<ChallengeError> = [
        Temperature::fit(&broken, &truth).map(|_| ()),
        Recalibration::fit(&broken, &truth).map(|_| ()),
        CalibrationError::measure(&broken, &truth, Seed(0)).map(|_| ()),
        ConformalClassifier::fit(ConformalMethod::Lac, 0.1, &broken, &truth, Seed(0)).map(|_| ()),
        Correctness::TopClass.confidence(&broken).map(|_| ()),
        Uncertainty::decompose(&[(1.0, &broken)]).map(|_| ()),
        LabelReview::of(&broken, None, &truth).map(|_| ()),
        MembershipInference::losses(&broken, &truth).map(|_| ()),
    ]
    .into_iter()
    .map(|result| result.unwrap_err())
    .collect();
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("unit 2") && text.contains("NaN"), "{text}");
        assert!(error.hints()[0].contains("diverged"), "{:?}", error.hints());
    }
    let broken = normal(vec![1.0, f32::INFINITY]);
    let error = LabelReview::of(&broken, None, &values(vec![1.0, 2.0])).unwrap_err();
    assert!(error.to_string().contains("the mean of unit 2"), "{error}");
}
