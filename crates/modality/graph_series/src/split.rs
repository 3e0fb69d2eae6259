use crate::SeriesUnits;

/// Windows from which calibration has a part of its own.
const CALIBRATION_FROM: usize = 4_000;
/// Shares of the moments before the test part.
const CALIBRATION: f64 = 0.1;
const VALIDATION: f64 = 0.15;
/// Windows before the test part below which models are chosen from rolling origins: one stretch of so few says too little.
const ROLLING_BELOW: usize = 500;
/// Share of them that are origins to choose on, and the rounds in which models are fitted anew, at most.
const ROLLED: f64 = 0.4;
const ROUNDS: usize = 5;
/// Windows that the earliest round learns from, at least.
const LEAST_LEARNED: usize = 5;

/// Windows in each part, ascending in time: each part is later than those before it, and no moment that is predicted in one is predicted in
/// another, or lies before the origin of a window of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// What is learned from.
    pub train: Vec<usize>,
    /// What to stop and choose on.
    pub validation: Vec<usize>,
    /// Where data are few, earlier rounds of the same, the latest first: what was known by then, and the origins until the next round. Their
    /// validation windows are others, and predict moments that later ones learn from.
    pub earlier: Vec<(Vec<usize>, Vec<usize>)>,
    /// For promises; empty where data are few.
    pub calibration: Vec<usize>,
    /// What is looked at once.
    pub test: Vec<usize>,
}

/// Parts windows in time. The moments are cut, and a window belongs to the part in which all that it predicts lies; windows that predict over a
/// cut are in none, so that a model of one part knows nothing that a later part is asked about. What a window looks back on may lie in
/// an earlier part, as it will in use.
///
/// With fewer than 500 windows to learn from and to choose on, the last two fifths of them are origins to choose on, in up to five rounds: models of
/// each learn from the windows whose truth was known at its first origin (rolling origins, Tashman 2000). The latest round are
/// the parts `train` and `validation`.
///
/// # Errors
/// When a part is empty, in words.
pub fn part_in_time(units: &SeriesUnits, test_share: f64) -> Result<Parts, String> {
    let furthest = units.horizons.last().copied().unwrap_or(1);
    let steps = units.series.steps();
    let asked = (steps as f64 * (1.0 - test_share)).round() as usize;
    // A test part holds a whole forecast, if there is one.
    let test_from = match test_share > 0.0 {
        true => asked.min(steps.saturating_sub(furthest)),
        false => asked,
    };
    let first = units.windows.first().map_or(0, |w| w.end as usize + 1);
    let inside = |from: usize, to: usize| -> Vec<usize> {
        let windows = units.windows.iter().enumerate();
        let chosen = windows.filter(|(_, w)| {
            let end = w.end as usize;
            end + 1 >= from && end + furthest < to
        });
        chosen.map(|(place, _)| place).collect()
    };
    let development = inside(0, test_from).len();
    let span = test_from.saturating_sub(first);
    let cut = |share: f64| (span as f64 * share).ceil() as usize;
    let own = |share: f64| cut(share).max(furthest);
    let calibration_from = match development >= CALIBRATION_FROM {
        true => test_from.saturating_sub(own(CALIBRATION)),
        false => test_from,
    };
    let validation_from = calibration_from.saturating_sub(own(VALIDATION));
    let mut rounds = match development < ROLLING_BELOW {
        true => rolled(units, &inside(0, test_from)),
        false => Vec::new(),
    };
    if rounds.is_empty() {
        let validation = inside(validation_from, calibration_from);
        rounds.push((inside(0, validation_from), validation));
    }
    let (train, validation) = rounds.remove(0);
    let parts = Parts {
        train,
        validation,
        earlier: rounds,
        calibration: inside(calibration_from, test_from),
        test: inside(test_from, usize::MAX),
    };
    let lacking = match &parts {
        parts if parts.train.is_empty() => Some("train"),
        parts if parts.validation.is_empty() => Some("validation"),
        parts if parts.test.is_empty() && test_share > 0.0 => Some("test"),
        _ => None,
    };
    match lacking {
        None => Ok(parts),
        Some(part) => Err(format!(
            "of {steps} moments none is left for the {part} part when nothing that one part predicts may lie in another"
        )),
    }
}

/// What is learned from and chosen on in each round, the latest first; none where there are too few windows for one round. `known`: windows before the
/// test part, ascending.
fn rolled(units: &SeriesUnits, known: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let furthest = units.horizons.last().copied().unwrap_or(1);
    let end = |window: usize| units.windows[window].end as usize;
    // Windows whose truth was known at an origin.
    let learned = |origin: usize| known.partition_point(|&w| end(w) + furthest <= end(origin));
    let wanted = (known.len() as f64 * ROLLED).ceil() as usize;
    let possible = known
        .iter()
        .filter(|&&origin| learned(origin) >= LEAST_LEARNED);
    let origins = &known[known.len() - wanted.min(possible.count())..];
    let each = origins.len().div_ceil(ROUNDS).max(1);
    // The latest round is a whole one.
    let rounds = origins.rchunks(each);
    rounds
        .map(|origins| (known[..learned(origins[0])].to_vec(), origins.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calendar, Series};

    fn units(steps: usize, history: usize, furthest: usize) -> SeriesUnits {
        let series = Series {
            nodes: vec!["a".into()],
            values: vec![0.0; steps],
            calendar: Calendar::from_values(&[]),
            graph: None,
            flows: None,
            known: None,
            places: None,
        };
        SeriesUnits::learnable(series, history, (1..=furthest).collect(), 1)
    }

    #[test]
    fn no_part_predicts_what_another_predicts_or_has_already_seen() {
        for (steps, history, furthest) in [(100, 12, 3), (10_000, 24, 12), (61, 7, 7)] {
            let units = units(steps, history, furthest);
            let parts = part_in_time(&units, 0.2).unwrap();
            assert_eq!(parts.calibration.is_empty(), steps < 5_000);
            let in_order = [
                &parts.train,
                &parts.validation,
                &parts.calibration,
                &parts.test,
            ];
            let in_order: Vec<_> = in_order.into_iter().filter(|p| !p.is_empty()).collect();
            for pair in in_order.windows(2) {
                let last = units.windows[*pair[0].last().unwrap()].end as usize;
                let first = units.windows[pair[1][0]].end as usize;
                assert!(last + furthest <= first, "{steps}: {last} {first}");
            }
            let first = units.windows[parts.test[0]].end as usize;
            assert_eq!(first + 1, (steps as f64 * 0.8).round() as usize);
            assert_eq!(
                units.windows[*parts.test.last().unwrap()].end as usize + furthest + 1,
                steps
            );
        }
    }

    #[test]
    fn few_windows_are_chosen_on_from_rolling_origins() {
        let units = units(61, 7, 14);
        let parts = part_in_time(&units, 0.25).unwrap();
        let end = |window: &usize| units.windows[*window].end as usize;
        let mut rounds = vec![(parts.train.clone(), parts.validation.clone())];
        rounds.extend(parts.earlier.clone());
        assert!(rounds.len() > 2, "{}", rounds.len());
        let mut before = usize::MAX;
        for (train, validation) in &rounds {
            assert!(train.len() >= LEAST_LEARNED);
            // What is learned from was known at the first origin.
            assert!(end(train.last().unwrap()) + 14 <= end(&validation[0]));
            // Each origin is in one round.
            assert!(end(validation.last().unwrap()) < before);
            before = end(&validation[0]);
        }
        let last = end(parts.validation.last().unwrap());
        assert_eq!(last + 14, end(&parts.test[0]));
        // Many windows have one stretch.
        let many = super::tests::units(2_000, 12, 3);
        assert!(part_in_time(&many, 0.2).unwrap().earlier.is_empty());
    }

    #[test]
    fn series_too_short_for_their_horizon_are_refused() {
        assert!(part_in_time(&units(30, 4, 12), 0.2).is_err());
        assert!(part_in_time(&units(12, 11, 1), 0.2).is_err());
    }
}
