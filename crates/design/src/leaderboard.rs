use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::JobRecord;

/// One record a trial, best first.
///
/// A trial stands with the highest rung at which it was scored. Higher rungs come first, because
/// losses of different rungs cannot be compared and a trial rises only by being among the best; then
/// smaller losses, fewer parameters, earlier trials. Trials that were never scored come last.
pub fn leaderboard(records: &[JobRecord]) -> Vec<&JobRecord> {
    let mut best: BTreeMap<usize, &JobRecord> = BTreeMap::new();
    for record in records {
        let standing = best.entry(record.trial).or_insert(record);
        if (record.loss().is_some(), record.rung) > (standing.loss().is_some(), standing.rung) {
            *standing = record;
        }
    }
    let mut rows: Vec<&JobRecord> = best.into_values().collect();
    rows.sort_by(|a, b| compare(a, b));
    rows
}

fn compare(a: &JobRecord, b: &JobRecord) -> Ordering {
    let by_result = match (a.loss(), b.loss()) {
        (Some(x), Some(y)) => b.rung.cmp(&a.rung).then(x.total_cmp(&y)),
        (a, b) => a.is_none().cmp(&b.is_none()),
    };
    by_result
        .then(a.parameters().cmp(&b.parameters()))
        .then(a.trial.cmp(&b.trial))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn rungs_then_losses_then_parameters_then_trials() {
        let records = [
            record(0, 0, 0.1, 10),
            record(1, 0, 0.5, 10),
            record(2, 0, f64::NAN, 0),
            record(3, 0, 0.4, 10),
            record(4, 0, 0.4, 5),
            record(5, 0, 0.4, 5),
            record(1, 1, 0.45, 10),
            record(0, 1, f64::NAN, 0), // scored below, failed above: stands with rung 0
        ];
        let rows: Vec<(usize, usize)> = leaderboard(&records)
            .iter()
            .map(|r| (r.trial, r.rung))
            .collect();
        assert_eq!(rows, [(1, 1), (0, 0), (4, 0), (5, 0), (3, 0), (2, 0)]);
        assert!(leaderboard(&[]).is_empty());
    }
}
