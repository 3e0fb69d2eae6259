use super::{Fold, Parts, Plan};
use crate::DataError;

/// Most folds with a rolling origin: each trains on less than the next.
const MOST_FOLDS: usize = 5;

/// The latest rows are the test part, those before it are for calibration, and each fold learns from rows that are
/// strictly earlier than those that it is judged on. Rows without a time count as the earliest.
pub(super) fn parts(plan: &Plan) -> Result<Parts, DataError> {
    let needs = DataError::SplitNeeds {
        rule: "time",
        needs: "a time column (`--time-column`)",
    };
    let time = plan.time.ok_or(needs)?;
    let moment = |row: usize| {
        if time[row].is_nan() {
            f64::NEG_INFINITY
        } else {
            time[row]
        }
    };
    let mut rows = plan.rows.clone();
    rows.sort_by(|&a, &b| moment(a).total_cmp(&moment(b)).then(a.cmp(&b)));
    // A cut at `place` is moved to the next place where the moment changes, so that no moment is on both sides.
    let cut = |rows: &[usize], place: usize| {
        let changes =
            |at: usize| at == 0 || at >= rows.len() || moment(rows[at - 1]) < moment(rows[at]);
        let later = (place..=rows.len())
            .find(|&at| changes(at))
            .unwrap_or(rows.len());
        if later < rows.len() || place >= rows.len() {
            return later;
        }
        (0..=place).rev().find(|&at| changes(at)).unwrap_or(0)
    };
    let test_from = cut(&rows, rows.len() - plan.test);
    let test = rows.split_off(test_from);
    let calibration_from = cut(&rows, rows.len().saturating_sub(plan.calibration));
    let calibration = rows.split_off(calibration_from);
    let folds = plan.folds.min(MOST_FOLDS);
    let cuts: Vec<usize> = if folds == 1 {
        vec![
            cut(&rows, rows.len().saturating_sub(plan.validation)),
            rows.len(),
        ]
    } else {
        (1..=folds + 1)
            .map(|i| cut(&rows, rows.len() * i / (folds + 1)))
            .collect()
    };
    let made = cuts
        .windows(2)
        .filter(|pair| pair[0] > 0 && pair[0] < pair[1]);
    let folds: Vec<Fold> = made
        .map(|pair| Fold {
            train: rows[..pair[0]].to_vec(),
            validation: rows[pair[0]..pair[1]].to_vec(),
        })
        .collect();
    if folds.is_empty() || (plan.test > 0 && test.is_empty()) {
        let mut moments: Vec<f64> = plan.rows.iter().map(|&row| moment(row)).collect();
        moments.sort_by(f64::total_cmp);
        moments.dedup();
        return Err(DataError::TooFewMoments {
            moments: moments.len(),
        });
    }
    Ok(Parts {
        test,
        calibration,
        folds,
    })
}
