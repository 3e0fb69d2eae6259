//! Many fingerprints at once: the nearest known molecule, and choices that differ from each other.

use rand::RngExt;

use candor_core::Seed;

use crate::fingerprint::{FINGERPRINT_WORDS, Fingerprint};

/// Fingerprints side by side, ordered by their number of set bits so that a search may leave out most of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FingerprintBank {
    /// `[fingerprints, FINGERPRINT_WORDS]`.
    words: Vec<u64>,
    ones: Vec<u32>,
    /// The number that each had when the bank was made.
    numbers: Vec<u32>,
}

/// A molecule of a bank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Its number, as the bank was given them.
    pub number: usize,
    /// Tanimoto similarity, 0 to 1.
    pub similarity: f64,
}

impl FingerprintBank {
    /// A bank of fingerprints, numbered from 0.
    pub fn new(fingerprints: &[Fingerprint]) -> FingerprintBank {
        let mut numbers: Vec<u32> = (0..fingerprints.len() as u32).collect();
        numbers.sort_by_key(|&number| fingerprints[number as usize].ones());
        let mut bank = FingerprintBank {
            words: Vec::with_capacity(fingerprints.len() * FINGERPRINT_WORDS),
            ones: Vec::with_capacity(fingerprints.len()),
            numbers,
        };
        for &number in &bank.numbers {
            let fingerprint = &fingerprints[number as usize];
            bank.words.extend_from_slice(fingerprint.words());
            bank.ones.push(fingerprint.ones());
        }
        bank
    }

    /// The number of fingerprints.
    pub fn len(&self) -> usize {
        self.ones.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ones.is_empty()
    }

    /// The most similar fingerprint; of equally similar ones that with the lowest number. `None` when the bank is empty.
    ///
    /// Two fingerprints with a and b bits are at most min(a, b) / max(a, b) similar, so the search goes outwards from those with
    /// as many bits as `query` and ends where that bound falls below what was found (Swamidass and Baldi, "Bounds and algorithms
    /// for fast exact searches of chemical fingerprints", J. Chem. Inf. Model. 47, 302 (2007)).
    pub fn nearest(&self, query: &Fingerprint) -> Option<Nearest> {
        let mut best: Option<Nearest> = None;
        let middle = self.ones.partition_point(|&ones| ones < query.ones());
        let (mut below, mut above) = (middle, middle);
        loop {
            let bound = |at: usize| bound(self.ones[at], query.ones());
            let down = below.checked_sub(1).map(|at| (bound(at), at));
            let up = (above < self.len()).then(|| (bound(above), above));
            let (most, at) = match (down, up) {
                (Some(down), Some(up)) if down.0 > up.0 => down,
                (_, Some(up)) => up,
                (Some(down), None) => down,
                (None, None) => return best,
            };
            if best.is_some_and(|best| most < best.similarity) {
                return best;
            }
            if at < middle {
                below = at;
            } else {
                above = at + 1;
            }
            let found = Nearest {
                number: self.numbers[at] as usize,
                similarity: self.similarity(at, query),
            };
            let better = best.is_none_or(|best| {
                found.similarity > best.similarity
                    || (found.similarity == best.similarity && found.number < best.number)
            });
            if better {
                best = Some(found);
            }
        }
    }

    /// All pairs at least as similar as `least`, as numbers in ascending order.
    pub fn similar_pairs(&self, least: f64) -> Vec<(usize, usize, f64)> {
        let mut pairs = Vec::new();
        for first in 0..self.len() {
            let words = self.row(first);
            for second in first + 1..self.len() {
                if bound(self.ones[first], self.ones[second]) < least {
                    break;
                }
                let similarity =
                    tanimoto(words, self.ones[first], self.row(second), self.ones[second]);
                if similarity >= least {
                    let (a, b) = (self.numbers[first], self.numbers[second]);
                    pairs.push((a.min(b) as usize, a.max(b) as usize, similarity));
                }
            }
        }
        pairs.sort_by_key(|&(a, b, _)| (a, b));
        pairs
    }

    fn row(&self, at: usize) -> &[u64] {
        &self.words[at * FINGERPRINT_WORDS..(at + 1) * FINGERPRINT_WORDS]
    }

    fn similarity(&self, at: usize, query: &Fingerprint) -> f64 {
        tanimoto(self.row(at), self.ones[at], query.words(), query.ones())
    }
}

/// The greatest similarity of fingerprints with so many bits.
fn bound(a: u32, b: u32) -> f64 {
    match a.max(b) {
        0 => 1.0,
        most => f64::from(a.min(b)) / f64::from(most),
    }
}

fn tanimoto(a: &[u64], ones_a: u32, b: &[u64], ones_b: u32) -> f64 {
    let both: u32 = a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum();
    match ones_a + ones_b - both {
        0 => 1.0,
        either => f64::from(both) / f64::from(either),
    }
}

/// Chooses `count` fingerprints that differ from each other: the first by lot, then always the one whose nearest choice is
/// farthest (MaxMin). Returns numbers in the order of choice; all of them when there are no more than `count`.
///
/// Kennard and Stone, "Computer aided design of experiments", Technometrics 11, 137 (1969).
pub fn diverse(fingerprints: &[Fingerprint], count: usize, seed: Seed) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(count.min(fingerprints.len()));
    if fingerprints.is_empty() || count == 0 {
        return chosen;
    }
    let mut next = seed
        .stream("diverse", &[])
        .random_range(0..fingerprints.len());
    // The similarity of each to the nearest choice; a choice itself is beyond any.
    let mut nearest = vec![-1.0f64; fingerprints.len()];
    loop {
        chosen.push(next);
        if chosen.len() == count.min(fingerprints.len()) {
            return chosen;
        }
        nearest[next] = f64::INFINITY;
        let mut farthest = f64::INFINITY;
        let last = next;
        for (index, fingerprint) in fingerprints.iter().enumerate() {
            if nearest[index].is_infinite() {
                continue;
            }
            nearest[index] = nearest[index].max(fingerprint.tanimoto(&fingerprints[last]));
            if nearest[index] < farthest {
                farthest = nearest[index];
                next = index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Molecule;

    fn fingerprints() -> Vec<Fingerprint> {
        let strings = [
            "CCO",
            "CCCO",
            "CCCCO",
            "c1ccccc1",
            "Cc1ccccc1",
            "CCc1ccccc1",
            "OC(=O)c1ccccc1",
            "C",
            "CC(=O)NC",
            "C1CCCCC1",
            "OCC(O)CO",
            "c1ccncc1",
        ];
        let of = |text: &&str| Fingerprint::of(&Molecule::from_smiles(text).unwrap());
        strings.iter().map(of).collect()
    }

    #[test]
    fn the_nearest_is_that_of_a_full_search() {
        let all = fingerprints();
        for (left_out, query) in all.iter().enumerate() {
            let rest: Vec<Fingerprint> = (0..all.len())
                .filter(|&i| i != left_out)
                .map(|i| all[i].clone())
                .collect();
            let found = FingerprintBank::new(&rest).nearest(query).unwrap();
            let best = rest
                .iter()
                .map(|other| query.tanimoto(other))
                .fold(0.0, f64::max);
            assert_eq!(found.similarity, best);
            let first = rest.iter().position(|other| query.tanimoto(other) == best);
            assert_eq!(Some(found.number), first);
        }
        assert_eq!(FingerprintBank::default().nearest(&all[0]), None);
    }

    #[test]
    fn similar_pairs_are_those_of_a_full_search() {
        let all = fingerprints();
        for least in [0.2, 0.4, 0.9] {
            let mut wanted = Vec::new();
            for i in 0..all.len() {
                for j in i + 1..all.len() {
                    let similarity = all[i].tanimoto(&all[j]);
                    if similarity >= least {
                        wanted.push((i, j, similarity));
                    }
                }
            }
            assert_eq!(FingerprintBank::new(&all).similar_pairs(least), wanted);
        }
    }

    #[test]
    fn choices_differ_and_each_is_the_farthest() {
        let all = fingerprints();
        let chosen = diverse(&all, 5, Seed(3));
        assert_eq!(chosen.len(), 5);
        for place in 1..chosen.len() {
            let nearest = |index: usize| {
                chosen[..place]
                    .iter()
                    .map(|&c| all[c].tanimoto(&all[index]))
                    .fold(0.0, f64::max)
            };
            let farthest = (0..all.len()).map(nearest).fold(f64::INFINITY, f64::min);
            assert_eq!(nearest(chosen[place]), farthest);
        }
        let mut every = diverse(&all, 100, Seed(3));
        every.sort_unstable();
        assert_eq!(every, (0..all.len()).collect::<Vec<_>>());
        assert!(diverse(&[], 3, Seed(1)).is_empty());
    }
}
