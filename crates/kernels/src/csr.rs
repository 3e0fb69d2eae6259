use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::KernelError;

const NAME: &str = "sparse matrix";

/// The places of a sparse matrix's entries, row by row (compressed sparse rows). For a graph: row `i` lists the nodes that
/// send a message to node `i`.
///
/// Entries are numbered in this order. An entry may occur more than once; both then count. Cloning shares everything.
#[derive(Debug, Clone)]
pub struct Csr(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rows: usize,
    columns: usize,
    /// `rows + 1` places; row `i` holds the entries `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    /// Column of each entry.
    indices: Vec<u32>,
    /// The matrix mirrored, with the number that each of its entries has here. Made when first needed.
    mirrored: OnceLock<(Csr, Vec<u32>)>,
    /// Weights of the entries that were given last, and the same in the order of the mirrored matrix.
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    given: Arc<[f32]>,
    mirrored: Arc<[f32]>,
}

impl Csr {
    /// From the starts of the rows and the column of each entry.
    ///
    /// # Errors
    /// When the starts do not rise from 0 to the number of entries, or a column is outside.
    pub fn new(columns: usize, starts: Vec<usize>, indices: Vec<u32>) -> Result<Csr, KernelError> {
        let Some(rows) = starts.len().checked_sub(1) else {
            return Err(KernelError::shape(
                NAME,
                "number of row starts",
                "at least 1",
                0,
            ));
        };
        if starts[0] != 0 || !starts.is_sorted() || starts[rows] != indices.len() {
            return Err(KernelError::shape(
                NAME,
                "row starts",
                format!("0 rising to {}", indices.len()),
                format!("{} to {}", starts[0], starts[rows]),
            ));
        }
        check_indices(indices.iter().copied(), columns)?;
        Ok(Csr::trusted(columns, starts, indices))
    }

    /// From pairs of row and column. Also gives the number of each pair's entry, in the order of the pairs.
    ///
    /// # Errors
    /// When a row or column is outside.
    pub fn from_pairs(
        rows: usize,
        columns: usize,
        pairs: &[(u32, u32)],
    ) -> Result<(Csr, Vec<u32>), KernelError> {
        let row_of = pairs.iter().map(|&(row, _)| row);
        check_indices(row_of.clone(), rows)?;
        check_indices(pairs.iter().map(|&(_, column)| column), columns)?;
        let (starts, entry_of) = counting_order(rows, row_of);
        let mut indices = vec![0; pairs.len()];
        for (&(_, column), &entry) in pairs.iter().zip(&entry_of) {
            indices[entry as usize] = column;
        }
        Ok((Csr::trusted(columns, starts, indices), entry_of))
    }

    fn trusted(columns: usize, starts: Vec<usize>, indices: Vec<u32>) -> Csr {
        Csr(Arc::new(Inner {
            rows: starts.len() - 1,
            columns,
            starts,
            indices,
            mirrored: OnceLock::new(),
            known: Mutex::new(None),
        }))
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.0.rows
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.0.columns
    }

    /// Entries.
    pub fn entries(&self) -> usize {
        self.0.indices.len()
    }

    /// The numbers of a row's entries.
    pub fn row(&self, row: usize) -> Range<usize> {
        self.0.starts[row]..self.0.starts[row + 1]
    }

    /// Where each row's entries begin, and the number of all entries.
    pub fn starts(&self) -> &[usize] {
        &self.0.starts
    }

    /// The column of each entry.
    pub fn indices(&self) -> &[u32] {
        &self.0.indices
    }

    /// Entries of a row, for each row.
    pub fn degrees(&self) -> Vec<usize> {
        self.0.starts.windows(2).map(|w| w[1] - w[0]).collect()
    }

    /// The matrix with rows and columns exchanged, and the number that each of its entries has in this one.
    pub fn mirrored(&self) -> (&Csr, &[u32]) {
        let (mirrored, numbers) = self.0.mirrored.get_or_init(|| {
            let (starts, entry_of) = counting_order(self.columns(), self.indices().iter().copied());
            let (mut indices, mut numbers) = (vec![0; self.entries()], vec![0; self.entries()]);
            for row in 0..self.rows() {
                for entry in self.row(row) {
                    let there = entry_of[entry] as usize;
                    indices[there] = row as u32;
                    numbers[there] = entry as u32;
                }
            }
            (Csr::trusted(self.rows(), starts, indices), numbers)
        });
        (mirrored, numbers)
    }

    /// The weights of the entries in the order of the mirrored matrix: those of a fixed graph are sorted once for all steps. None where
    /// they are so many that a copy of them would weigh more than the time it saves.
    pub(crate) fn mirrored_weights(&self, weights: &Arc<[f32]>) -> Option<Arc<[f32]>> {
        if weights.len() > MOST_COPIED {
            return None;
        }
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known
            && Arc::ptr_eq(&known.given, weights)
        {
            return Some(known.mirrored.clone());
        }
        let (_, places) = self.mirrored();
        let mirrored: Arc<[f32]> = places.iter().map(|&p| weights[p as usize]).collect();
        *known = Some(Known {
            given: weights.clone(),
            mirrored: mirrored.clone(),
        });
        Some(mirrored)
    }

    /// Rows in ranges of about equal work, for threads. The ranges do not depend on the number of threads.
    pub(crate) fn work(&self, cost_of_row: usize, cost_of_entry: usize) -> Vec<Range<usize>> {
        self.work_in_blocks(1, cost_of_row, cost_of_entry)
    }

    /// [`Csr::work`] in ranges of a multiple of `block` rows, except the last.
    pub(crate) fn work_in_blocks(
        &self,
        block: usize,
        cost_of_row: usize,
        cost_of_entry: usize,
    ) -> Vec<Range<usize>> {
        let whole = cost_of_row * self.rows() + cost_of_entry * self.entries();
        if whole < WORK && self.rows() > 0 {
            return std::iter::once(0..self.rows()).collect();
        }
        let mut ranges = Vec::new();
        let (mut start, mut cost) = (0, 0);
        for row in 0..self.rows() {
            cost += cost_of_row + cost_of_entry * self.row(row).len();
            if cost >= WORK && (row + 1 - start).is_multiple_of(block) {
                ranges.push(start..row + 1);
                (start, cost) = (row + 1, 0);
            }
        }
        if start < self.rows() {
            ranges.push(start..self.rows());
        }
        ranges
    }
}

/// See [`Csr::mirrored_weights`].
const MOST_COPIED: usize = 1 << 20;
/// Multiply-adds of one piece of work: about fifty microseconds, well above what waking a thread costs.
pub(crate) const WORK: usize = 1 << 18;

fn check_indices(indices: impl Iterator<Item = u32>, bound: usize) -> Result<(), KernelError> {
    let outside = |(_, index): &(usize, u32)| *index as usize >= bound;
    match indices.enumerate().find(outside) {
        None => Ok(()),
        Some((place, index)) => Err(KernelError::Index {
            operation: NAME,
            place,
            index: index.into(),
            bound,
        }),
    }
}

/// Sorts by key, equal keys in their order: where each key begins, and the place of each item.
fn counting_order(
    keys: usize,
    key_of: impl Iterator<Item = u32> + Clone,
) -> (Vec<usize>, Vec<u32>) {
    let mut starts = vec![0; keys + 1];
    for key in key_of.clone() {
        starts[key as usize + 1] += 1;
    }
    for key in 0..keys {
        starts[key + 1] += starts[key];
    }
    let mut next = starts.clone();
    let place_of = key_of
        .map(|key| {
            let place = next[key as usize];
            next[key as usize] += 1;
            place as u32
        })
        .collect();
    (starts, place_of)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_by_row_and_mirrored() {
        let pairs = [(2, 0), (0, 1), (2, 3), (0, 0), (2, 0)];
        let (csr, entry_of) = Csr::from_pairs(3, 4, &pairs).unwrap();
        assert_eq!(csr.starts(), [0, 2, 2, 5]);
        assert_eq!(csr.indices(), [1, 0, 0, 3, 0]);
        assert_eq!(entry_of, [2, 0, 3, 1, 4]);
        assert_eq!(csr.degrees(), [2, 0, 3]);
        let (mirrored, numbers) = csr.mirrored();
        assert_eq!(mirrored.starts(), [0, 3, 4, 4, 5]);
        assert_eq!(mirrored.indices(), [0, 2, 2, 0, 2]);
        assert_eq!(numbers, [1, 2, 4, 0, 3]);
    }

    #[test]
    fn work_covers_every_row_once() {
        let starts: Vec<usize> = (0..=5000).map(|i| i * 7).collect();
        let csr = Csr::new(1, starts, vec![0; 35_000]).unwrap();
        let ranges = csr.work(1, 256);
        assert!(ranges.len() > 10);
        assert_eq!(ranges[0].start, 0);
        assert!(ranges.windows(2).all(|w| w[0].end == w[1].start));
        assert_eq!(ranges.last().unwrap().end, 5000);
        let empty = Csr::new(3, vec![0], vec![]).unwrap();
        assert!(empty.work(1, 1).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let cases = [
            (Csr::new(2, vec![], vec![]), "row starts"),
            (Csr::new(2, vec![1, 1], vec![0]), "row starts"),
            (Csr::new(2, vec![0, 2, 1], vec![0]), "row starts"),
            (Csr::new(2, vec![0, 1], vec![0, 0]), "row starts"),
            (Csr::new(2, vec![0, 1], vec![2]), "outside 0..2"),
        ];
        for (result, part) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert!(Csr::from_pairs(2, 2, &[(2, 0)]).is_err());
        assert!(Csr::from_pairs(2, 2, &[(0, 2)]).is_err());
    }
}
