use std::collections::BTreeMap;

use crate::read::thinning::Thinning;

/// Which pictures fit into `bytes` when one takes `each`: evenly spaced ones of each group (a class of a part), and at
/// least one of each. The second value says so, when some are left out.
pub(super) fn kept<G: Ord + Copy>(
    groups: &[G],
    each: usize,
    bytes: u64,
) -> (Vec<bool>, Option<String>) {
    let all = groups.len();
    let room = bytes / each.max(1) as u64;
    if all as u64 <= room {
        return (vec![true; all], None);
    }
    let mut counts: BTreeMap<G, usize> = BTreeMap::new();
    for group in groups {
        *counts.entry(*group).or_default() += 1;
    }
    let share = room as f64 / all as f64;
    let mut spacing: BTreeMap<G, (usize, Thinning)> = counts
        .into_iter()
        .map(|(group, count)| {
            let keep = ((count as f64 * share).floor() as usize).max(1);
            (group, (0, Thinning::to(count, keep)))
        })
        .collect();
    let mut keeps = |group: &G| {
        spacing.get_mut(group).is_some_and(|(row, thinning)| {
            *row += 1;
            thinning.keeps(*row - 1)
        })
    };
    let kept: Vec<bool> = groups.iter().map(&mut keeps).collect();
    let note = format!(
        "the pictures would take about {} MB and may take {}: {} of {all}, evenly spaced in each class, were read; raise `--memory` to read all",
        (all as u64 * each as u64).div_ceil(1_000_000),
        bytes.div_ceil(1_000_000),
        kept.iter().filter(|kept| **kept).count(),
    );
    (kept, Some(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_keeps_its_share_and_at_least_one() {
        let groups: Vec<u8> = (0..103)
            .map(|i| if i < 3 { 9 } else { (i % 2) as u8 })
            .collect();
        let (kept, note) = kept(&groups, 10, 300);
        let of = |group: u8| {
            let chosen = groups.iter().zip(&kept);
            chosen.filter(|(g, kept)| **g == group && **kept).count()
        };
        assert_eq!((of(0), of(1), of(9)), (14, 14, 1));
        assert!(note.unwrap().contains("29 of 103"));
    }

    #[test]
    fn what_fits_is_kept() {
        assert_eq!(kept(&[0, 0], 5, 10), (vec![true, true], None));
        // Not even one fits: one of each group is still read.
        assert_eq!(kept(&[0, 0, 1], 5, 1).0, [false, true, true]);
    }
}
