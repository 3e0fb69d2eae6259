/// Keeps evenly spaced rows: `keep` of `rows`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thinning {
    rows: u64,
    keep: u64,
}

impl Thinning {
    /// Keeps every row.
    pub(crate) fn all(rows: usize) -> Thinning {
        Thinning::to(rows, rows)
    }

    /// Keeps `keep` of `rows`.
    pub(crate) fn to(rows: usize, keep: usize) -> Thinning {
        Thinning {
            rows: rows as u64,
            keep: keep.min(rows) as u64,
        }
    }

    /// Keeps as many rows as fit when all of them take `bytes`, and says so.
    pub(crate) fn to_fit(
        rows: usize,
        bytes: u64,
        limit: Option<u64>,
        notes: &mut Vec<String>,
    ) -> Thinning {
        let Some(limit) = limit.filter(|&limit| bytes > limit) else {
            return Thinning::all(rows);
        };
        let keep = ((rows as f64) * (limit as f64 / bytes as f64))
            .floor()
            .max(1.0) as usize;
        notes.push(format!(
            "the table would take about {} MB and may take {}: {keep} evenly spaced rows of {rows} were read; raise `--memory` to read all",
            megabytes(bytes),
            megabytes(limit)
        ));
        Thinning::to(rows, keep)
    }

    /// Whether the row with this index, from 0, is kept.
    pub(crate) fn keeps(self, row: usize) -> bool {
        let row = row as u64;
        let share =
            |r: u64| (u128::from(r) * u128::from(self.keep) / u128::from(self.rows.max(1))) as u64;
        share(row + 1) > share(row)
    }

    /// The number of rows kept.
    pub(crate) fn kept(self) -> usize {
        self.keep as usize
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_rows_are_as_many_as_said_and_evenly_spaced() {
        for (rows, keep) in [(10, 10), (10, 3), (7, 2), (1000, 333), (5, 0)] {
            let thinning = Thinning::to(rows, keep);
            let kept: Vec<usize> = (0..rows).filter(|&r| thinning.keeps(r)).collect();
            assert_eq!(kept.len(), keep);
            let gaps: Vec<usize> = kept.windows(2).map(|w| w[1] - w[0]).collect();
            let spread = gaps.iter().max().unwrap_or(&0) - gaps.iter().min().unwrap_or(&0);
            assert!(spread <= 1, "{kept:?}");
        }
    }
}
