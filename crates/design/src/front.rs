use crate::JobRecord;

/// The Pareto front of loss against parameters among the jobs scored at `rung`, fewest parameters first.
///
/// A record is on the front when no other is at most as large and has at most its loss, one of them
/// strictly. Of equal points the earliest trial is kept.
pub fn pareto_front(records: &[JobRecord], rung: usize) -> Vec<&JobRecord> {
    let mut points: Vec<(u64, f64, &JobRecord)> = records
        .iter()
        .filter(|record| record.rung == rung)
        .filter_map(|record| Some((record.parameters()?, record.loss()?, record)))
        .collect();
    points.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then(a.1.total_cmp(&b.1))
            .then(a.2.trial.cmp(&b.2.trial))
    });
    let mut least = f64::INFINITY;
    points.retain(|&(_, loss, _)| {
        let better = loss < least;
        least = least.min(loss);
        better
    });
    points.into_iter().map(|(_, _, record)| record).collect()
}

/// The area that a set of points dominates up to a reference point, both axes to be minimised
/// (Zitzler & Thiele 1999). Points that do not dominate the reference add nothing.
///
/// ```
/// use candor_design::hypervolume;
/// // two rectangles, 2 x 1 and 1 x 2, that share a unit square
/// assert_eq!(hypervolume(&[(1.0, 2.0), (2.0, 1.0)], (3.0, 3.0)), 3.0);
/// ```
pub fn hypervolume(points: &[(f64, f64)], reference: (f64, f64)) -> f64 {
    let mut inside: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|&(x, y)| x < reference.0 && y < reference.1)
        .collect();
    inside.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut ceiling = reference.1;
    let mut area = 0.0;
    for (x, y) in inside {
        if y < ceiling {
            area += (reference.0 - x) * (ceiling - y);
            ceiling = y;
        }
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn the_front_holds_what_nothing_dominates() {
        let records = [
            record(0, 1, 0.5, 100),
            record(1, 1, 0.3, 200),
            record(2, 1, 0.4, 300), // larger and worse than 1
            record(3, 1, 0.5, 50),  // smaller than 0 and as good
            record(4, 1, 0.3, 200), // equal to 1, later
            record(5, 1, f64::NAN, 1),
            record(6, 0, 0.1, 1), // not trained as far
            record(7, 1, 0.2, 900),
        ];
        let front: Vec<usize> = pareto_front(&records, 1).iter().map(|r| r.trial).collect();
        assert_eq!(front, [3, 1, 7]);
        assert!(pareto_front(&records, 2).is_empty());
    }

    #[test]
    fn dominated_and_outer_points_add_no_volume() {
        let reference = (4.0, 4.0);
        assert_eq!(hypervolume(&[], reference), 0.0);
        assert_eq!(hypervolume(&[(1.0, 1.0)], reference), 9.0);
        assert_eq!(
            hypervolume(&[(1.0, 1.0), (2.0, 2.0), (0.0, 5.0), (1.0, 1.0)], reference),
            9.0
        );
    }
}
