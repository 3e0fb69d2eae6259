use serde::{Deserialize, Serialize};

/// What the rungs of the search mean: how many folds a trial is trained on, or on what share of the rows.
///
/// With several folds, a promoted trial trains only the folds that it lacks, so that nothing is trained twice. With
/// one fold the rungs are shares of its training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Folds there are.
    folds: usize,
    /// Folds at each rung.
    at: Vec<usize>,
    /// Share of the training rows at each rung.
    share: Vec<f64>,
}

impl Fidelity {
    /// For this many folds.
    pub fn new(folds: usize, training_rows: usize) -> Fidelity {
        let (at, share) = match folds {
            0 | 1 if training_rows >= 9_000 => (vec![1; 3], vec![1.0 / 9.0, 1.0 / 3.0, 1.0]),
            0 | 1 => (vec![1], vec![1.0]),
            2 | 3 => (vec![1, folds], vec![1.0; 2]),
            _ => (vec![1, folds.div_ceil(3), folds], vec![1.0; 3]),
        };
        Fidelity {
            folds: folds.max(1),
            at,
            share,
        }
    }

    /// Rungs of the search.
    pub fn rungs(&self) -> usize {
        self.at.len()
    }

    /// The highest rung.
    pub fn top(&self) -> usize {
        self.at.len() - 1
    }

    /// Folds that are trained at a rung.
    pub fn folds(&self, rung: usize) -> usize {
        self.at[rung.min(self.top())]
    }

    /// Rows of `all` that are trained on at a rung.
    pub fn rows(&self, rung: usize, all: usize) -> usize {
        ((all as f64 * self.share[rung.min(self.top())]).ceil() as usize).min(all)
    }

    /// Share of a member's time that it may use at a rung: fewer rows take less.
    pub fn time_share(&self, rung: usize) -> f64 {
        self.share[rung.min(self.top())].max(0.25)
    }

    /// The name under which the member of a fold is kept. The same at all rungs where its training is the same.
    pub fn place(&self, rung: usize, fold: usize) -> String {
        let rung = rung.min(self.top());
        if self.share[rung] < 1.0 {
            format!("f{fold}-r{rung}")
        } else {
            format!("f{fold}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_or_rows_grow_with_the_rungs() {
        let cases = [
            (8, 500, vec![1, 3, 8], vec![500, 500, 500]),
            (5, 5_000, vec![1, 2, 5], vec![5_000; 3]),
            (2, 50, vec![1, 2], vec![50; 2]),
            (1, 90_000, vec![1, 1, 1], vec![10_000, 30_000, 90_000]),
            (1, 100, vec![1], vec![100]),
        ];
        for (folds, rows, at, trained) in cases {
            let fidelity = Fidelity::new(folds, rows);
            let rungs = 0..fidelity.rungs();
            assert_eq!(
                rungs.clone().map(|r| fidelity.folds(r)).collect::<Vec<_>>(),
                at
            );
            assert_eq!(
                rungs.map(|r| fidelity.rows(r, rows)).collect::<Vec<_>>(),
                trained
            );
        }
        let cut = Fidelity::new(1, 90_000);
        assert_ne!(cut.place(0, 0), cut.place(2, 0));
        let folded = Fidelity::new(8, 500);
        assert_eq!(folded.place(0, 0), folded.place(2, 0));
    }
}
