use crate::ChallengeError;
use crate::labelled::check_length;

const INSTRUMENT: &str = "energy score";

/// The energy `-T ln sum exp(z / T)` of each row of logits `[units, classes]`: greater is stranger.
///
/// It needs logits as the network gives them: probabilities have lost the sum that it is. A row that holds NaN, or whose greatest logit
/// is infinite, is infinitely strange.
///
/// # Reference
/// Liu et al. 2020, equation 4.
///
/// # Errors
/// When there is no class, rows are not whole, or the temperature is not positive and finite.
pub fn energy(
    logits: &[f32],
    classes: usize,
    temperature: f64,
) -> Result<Vec<f64>, ChallengeError> {
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(ChallengeError::Setting {
            instrument: INSTRUMENT,
            name: "the temperature",
            value: temperature,
            range: "more than 0",
        });
    }
    if classes == 0 {
        return Err(ChallengeError::TooFew {
            instrument: INSTRUMENT,
            what: "classes",
            needed: 1,
            got: 0,
        });
    }
    let whole = logits.len() / classes * classes;
    check_length(INSTRUMENT, "numbers in whole rows", whole, logits.len())?;
    let of_row = |row: &[f32]| {
        let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if row.iter().any(|z| z.is_nan()) || !greatest.is_finite() {
            return f64::INFINITY;
        }
        let greatest = f64::from(greatest);
        let sum: f64 = row
            .iter()
            .map(|&z| ((f64::from(z) - greatest) / temperature).exp())
            .sum();
        -(greatest + temperature * sum.ln())
    };
    Ok(logits.chunks_exact(classes).map(of_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energies_worked_by_hand() {
        let got = energy(&[0.0, 0.0, 1000.0, -1000.0], 2, 1.0).unwrap();
        assert!((got[0] + 2f64.ln()).abs() < 1e-12);
        assert_eq!(got[1], -1000.0);
        // T ln(2) at temperature 2; equal logits of 4.
        let got = energy(&[4.0, 4.0], 2, 2.0).unwrap();
        assert!((got[0] + 4.0 + 2.0 * 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn broken_logits_are_infinitely_strange() {
        let rows = [
            [f32::NAN, 1.0],
            [f32::INFINITY, 1.0],
            [f32::NEG_INFINITY, f32::NEG_INFINITY],
            [f32::NEG_INFINITY, 1.0],
        ];
        let got = energy(rows.as_flattened(), 2, 1.0).unwrap();
        assert_eq!(got, [f64::INFINITY, f64::INFINITY, f64::INFINITY, -1.0]);
        assert!(energy(&[1.0], 2, 1.0).is_err());
        assert!(energy(&[], 0, 1.0).is_err());
        assert!(energy(&[1.0, 2.0], 2, 0.0).is_err());
        assert!(energy(&[], 2, 1.0).unwrap().is_empty());
    }
}
