//! What networks that doubt themselves must do, whatever their units are.

use candor_core::{Distribution, UncertaintyMethod};
use candor_design::Design;
use candor_train::{FittedMember, Learner, MemberPrediction, Units};

/// Fits each design with each of the methods, the default left out; members must doubt themselves, answer each unit by itself, and come back from their files.
/// Units are told alike whatever stands beside them up to `tolerance`, a share of their doubt.
pub fn every_method(
    learner: &dyn Learner,
    methods: &[UncertaintyMethod],
    designs: &[Design],
    fit: &dyn Fn(&Design) -> FittedMember,
    units: &Units,
    tolerance: f64,
) {
    let all: Vec<usize> = (0..units.len()).collect();
    let default = UncertaintyMethod::default();
    for method in methods.iter().filter(|method| **method != default) {
        assert!(learner.uncertainty_methods().contains(method));
        for design in designs {
            let case = format!("{method}: {design}");
            let fitted = fit(&design.clone().with("uncertainty", method.name()));
            let said = fitted.member.predict(units, &all).unwrap();
            let several = matches!(
                method,
                UncertaintyMethod::Dropout | UncertaintyMethod::Snapshots
            );
            assert_eq!(several, said.aleatoric.is_none(), "{case}");
            assert!(!several || said.members.len() > 1, "{case}");

            let (whole, inner) = doubts(&said);
            let epistemic: Vec<f64> = whole.iter().zip(&inner).map(|(w, i)| w - i).collect();
            let least = epistemic.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(least > -1e-5, "{case}: {least}");
            assert!(epistemic.iter().sum::<f64>() > 0.0, "{case}");
            assert!(inner.iter().all(|i| *i >= 0.0 && i.is_finite()), "{case}");

            // The last one: of rows, one far outside.
            let asked = units.len() - 1;
            let alone = fitted.member.predict(units, &[asked]).unwrap();
            let (one, inside) = doubts(&alone);
            let at = asked * one.len()..(asked + 1) * one.len();
            let among = whole[at.clone()].iter().chain(&inner[at]);
            for (alone, among) in one.iter().chain(&inside).zip(among) {
                let near = (alone - among).abs() < tolerance * among.abs().max(0.1);
                assert!(near, "{case}: {alone} {among}");
            }

            let saved = fitted.member.save().unwrap();
            let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
            assert_eq!(said, loaded.predict(units, &all).unwrap(), "{case}");
        }
    }
}

/// What each unit's answer holds: the whole doubt, and how much of it is in the data, over all members inside.
pub fn doubts(said: &MemberPrediction) -> (Vec<f64>, Vec<f64>) {
    let whole = said.mixture().unwrap();
    let mut inner = vec![0.0; of_units(&whole).len()];
    for (place, member) in said.members.iter().enumerate() {
        let own: Vec<f64> = match &said.aleatoric {
            Some(own) => own[place].iter().map(|v| f64::from(*v)).collect(),
            None => of_units(member),
        };
        let share = 1.0 / said.members.len() as f64;
        inner
            .iter_mut()
            .zip(own)
            .for_each(|(sum, own)| *sum += share * own);
    }
    (of_units(&whole), inner)
}

fn of_units(said: &Distribution) -> Vec<f64> {
    let entropy = |row: &[f32]| -> f64 {
        let positive = row.iter().map(|p| f64::from(*p)).filter(|p| *p > 0.0);
        -positive.map(|p| p * p.ln()).sum::<f64>()
    };
    match said {
        Distribution::Categorical {
            classes,
            probabilities,
        } => probabilities.chunks(*classes).map(entropy).collect(),
        Distribution::Bernoulli { probabilities, .. } => probabilities
            .iter()
            .map(|p| entropy(&[*p, 1.0 - p]))
            .collect(),
        Distribution::Gaussian { variance, .. } => variance.iter().map(|v| f64::from(*v)).collect(),
        Distribution::Quantiles { .. } => panic!("no method but the ensemble tells quantiles"),
    }
}
