//! What a model promises of digits, on 900 digits that nothing has seen.
#![allow(clippy::unwrap_used)]

use candor::core::{Events, Interrupt, Task};
use candor::{ChallengeResult, FitSettings, TrainedResult, fit};

/// Probability, below which a broken promise is not put down to chance.
const CHANCE: f64 = 0.01;

#[test]
fn confidence_coverage_and_risk_are_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    let settings = FitSettings {
        source: "@digits".into(),
        task: Some(Task::Multiclass),
        trials: Some(4),
        test_share: 0.5,
        ..FitSettings::default()
    };
    let run = folder.path().join("run");
    fit(&settings, &run, &Interrupt::default(), &Events::none()).unwrap();
    let result = std::fs::read(run.join("6-challenged/result.json")).unwrap();
    let result: ChallengeResult = serde_json::from_slice(&result).unwrap();
    assert!(result.units >= 890, "{}", result.units);

    let (_, after) = result.calibration.unwrap();
    assert!(
        after.expected <= 0.02 || after.within_null(),
        "calibration error {}, by chance up to {}",
        after.expected,
        after.null.q95
    );

    let coverage = result.coverage.unwrap();
    assert!(
        coverage.p_low > CHANCE,
        "{} covered of {} promised",
        coverage.marginal,
        coverage.promised
    );

    let (accepted, _) = result.accepted.unwrap();
    let risk = accepted.risk().unwrap();
    assert!(
        risk <= settings.risk || accepted.interval.lower <= settings.risk,
        "{} wrong of {} accepted, {} promised",
        accepted.wrong,
        accepted.accepted,
        settings.risk
    );
    assert!(accepted.coverage() > 0.5, "{}", accepted.coverage());

    // The rule behind it, over 200 divisions of the same digits.
    let promise = result.promise.unwrap();
    assert!(
        promise.promised >= 180 && promise.proven == 0,
        "{promise:?}"
    );
    assert!(
        promise.above as f64 <= 0.05 * 200.0 + 3.0 * 9.5f64.sqrt(),
        "{promise:?}"
    );
    // Digits are known so well that their losses say little of what was learned.
    let attack = result.membership.unwrap();
    assert!(
        attack.advantage < 0.5 && attack.members >= 700,
        "{attack:?}"
    );
    assert_eq!(result.detectors.len(), 4, "{:?}", result.detectors);
    // Labels of a public set are almost all right.
    let trained = std::fs::read(run.join("5-trained/result.json")).unwrap();
    let trained: TrainedResult = serde_json::from_slice(&trained).unwrap();
    let labels = trained.labels.unwrap();
    assert!(
        labels.units == labels.of && labels.suspects <= 18,
        "{labels:?}"
    );
}
