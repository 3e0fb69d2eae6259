//! Parts that share no scaffold, so that a test asks for molecules of a new kind.

use std::collections::HashMap;

use candor_core::Seed;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::canonical::{Space, canonical_key};
use crate::molecule::Molecule;
use crate::reader::Reader;
use crate::scaffold::murcko_scaffold;

/// Rows that a thread takes at once.
const CHUNK: usize = 256;

/// The scaffold of each row, as the number of its group from 0 in order of first appearance; for the split rule `group`.
///
/// Molecules without rings have one scaffold together, as in Chemprop and DeepChem. Rows without a readable structure are groups
/// of their own, so that they bind nothing together.
pub fn scaffold_groups(strings: &[Option<&str>]) -> Vec<u32> {
    let keys: Vec<Option<u128>> = strings
        .par_chunks(CHUNK)
        .flat_map_iter(|chunk| {
            let mut reader = Reader::default();
            let mut molecule = Molecule::default();
            let key = move |text: &Option<&str>| {
                reader.read((*text)?, &mut molecule).ok()?;
                let scaffold = murcko_scaffold(&molecule).ok()?;
                Some(canonical_key(&scaffold, Space::Ignored))
            };
            chunk.iter().map(key).collect::<Vec<_>>()
        })
        .collect();
    let mut known: HashMap<u128, u32> = HashMap::new();
    let mut groups = 0;
    let mut fresh = || {
        groups += 1;
        groups - 1
    };
    keys.into_iter()
        .map(|key| match key {
            Some(key) => *known.entry(key).or_insert_with(&mut fresh),
            None => fresh(),
        })
        .collect()
}

/// How scaffolds are given to the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaffoldRule {
    /// The largest scaffolds first, to the training part as long as they fit, then to the validation part, then to the test
    /// part: DeepChem's deterministic split.
    LargestFirst,
    /// Scaffolds above half of the validation or test part go to the training part in an order by lot, then all others by lot
    /// as long as they fit: Chemprop's `scaffold_balanced`.
    Balanced(Seed),
}

/// Rows of the three parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScaffoldParts {
    /// To learn from, ascending.
    pub train: Vec<usize>,
    /// To stop and choose on, ascending.
    pub validation: Vec<usize>,
    /// Looked at once, ascending.
    pub test: Vec<usize>,
}

/// Parts `rows` by their groups (as [`scaffold_groups`] gives them), no group in two parts.
///
/// `train` and `validation` are shares of the rows, 0 to 1; the test part takes the rest.
///
/// # Panics
/// When a row has no group.
pub fn scaffold_parts(
    groups: &[u32],
    rows: &[usize],
    train: f64,
    validation: f64,
    rule: ScaffoldRule,
) -> ScaffoldParts {
    let mut by_group: Vec<Vec<usize>> = Vec::new();
    let mut place: HashMap<u32, usize> = HashMap::new();
    for &row in rows {
        let at = *place.entry(groups[row]).or_insert(by_group.len());
        if at == by_group.len() {
            by_group.push(Vec::new());
        }
        by_group[at].push(row);
    }
    let all = rows.len() as f64;
    let sizes = [
        all * train,
        all * validation,
        all * (1.0 - train - validation),
    ];
    match rule {
        ScaffoldRule::LargestFirst => {
            // Of equally large ones, that which begins later comes first.
            by_group.sort_by(|a, b| b.len().cmp(&a.len()).then(b[0].cmp(&a[0])));
        }
        ScaffoldRule::Balanced(seed) => {
            let is_large = |group: &Vec<usize>| {
                let size = group.len() as f64;
                size > sizes[1] / 2.0 || size > sizes[2] / 2.0
            };
            let (mut large, mut small): (Vec<_>, Vec<_>) = by_group.into_iter().partition(is_large);
            let mut stream = seed.stream("scaffold split", &[]);
            large.shuffle(&mut stream);
            small.shuffle(&mut stream);
            large.extend(small);
            by_group = large;
        }
    }
    let mut parts = ScaffoldParts::default();
    for group in by_group {
        let fits = |part: &Vec<usize>, size: f64| (part.len() + group.len()) as f64 <= size + 1e-9;
        if fits(&parts.train, sizes[0]) {
            parts.train.extend(group);
        } else if fits(&parts.validation, sizes[1]) {
            parts.validation.extend(group);
        } else {
            parts.test.extend(group);
        }
    }
    for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
        part.sort_unstable();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve benzenes, four pyridines, three chains, a naphthalene and two unreadable rows.
    fn strings() -> Vec<Option<&'static str>> {
        let benzenes = [
            "c1ccccc1",
            "Cc1ccccc1",
            "CCc1ccccc1",
            "Oc1ccccc1",
            "Nc1ccccc1",
            "Clc1ccccc1",
            "Brc1ccccc1",
            "Fc1ccccc1",
            "CCCc1ccccc1",
            "OCc1ccccc1",
            "NCc1ccccc1",
            "CC(=O)c1ccccc1",
        ];
        let others = [
            "c1ccncc1",
            "Cc1ccncc1",
            "Oc1ccncc1",
            "Nc1ccncc1",
            "CC",
            "CCO",
            "CCN",
            "c1ccc2ccccc2c1",
            "C1CC",
        ];
        let all = benzenes.into_iter().chain(others).map(Some);
        all.chain([None]).collect()
    }

    #[test]
    fn groups_are_scaffolds() {
        let groups = scaffold_groups(&strings());
        assert!(groups[..12].iter().all(|&g| g == 0));
        assert_eq!(&groups[12..], [1, 1, 1, 1, 2, 2, 2, 3, 4, 5]);
    }

    #[test]
    fn no_scaffold_is_cut_and_every_row_is_in_one_part() {
        let groups = scaffold_groups(&strings());
        let rows: Vec<usize> = (0..20).collect();
        for rule in [
            ScaffoldRule::LargestFirst,
            ScaffoldRule::Balanced(Seed(1)),
            ScaffoldRule::Balanced(Seed(2)),
        ] {
            let parts = scaffold_parts(&groups, &rows, 0.8, 0.1, rule);
            let mut all = [
                parts.train.clone(),
                parts.validation.clone(),
                parts.test.clone(),
            ]
            .concat();
            all.sort_unstable();
            assert_eq!(all, rows);
            let of = |part: &[usize]| {
                part.iter()
                    .map(|&r| groups[r])
                    .collect::<std::collections::HashSet<_>>()
            };
            assert!(of(&parts.train).is_disjoint(&of(&parts.test)));
            assert!(of(&parts.train).is_disjoint(&of(&parts.validation)));
            assert!(of(&parts.validation).is_disjoint(&of(&parts.test)));
            assert!(parts.train.len() <= 16);
        }
    }

    #[test]
    fn the_largest_first_is_deterministic_and_by_hand() {
        let groups = scaffold_groups(&strings());
        let rows: Vec<usize> = (0..20).collect();
        let parts = scaffold_parts(&groups, &rows, 0.8, 0.1, ScaffoldRule::LargestFirst);
        // 12 + 4 fill the training part; 3 chains do not fit into 2 rows of validation, the naphthalene does.
        assert_eq!(parts.train, (0..16).collect::<Vec<_>>());
        assert_eq!(parts.validation, [19]);
        assert_eq!(parts.test, [16, 17, 18]);
    }
}
