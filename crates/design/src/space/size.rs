use std::collections::{BTreeMap, BTreeSet};

use super::Choice;
use crate::design::canonical_value;

/// The values of earlier choices on which later conditions depend; a choice that is inactive or has
/// a value that no condition mentions is left out.
type State = BTreeMap<usize, String>;

/// The number of designs; `None` when infinite.
///
/// Counted choice by choice. Partial designs that all later conditions see alike are counted once,
/// so that the work grows with the number of distinct states and not with the number of designs.
pub(super) fn size(choices: &[Choice]) -> Option<u128> {
    Counter {
        choices,
        known: BTreeMap::new(),
    }
    .count(0, State::new())
}

struct Counter<'a> {
    choices: &'a [Choice],
    known: BTreeMap<(usize, State), Option<u128>>,
}

impl Counter<'_> {
    /// The number of ways to complete a partial design from choice `index` on.
    fn count(&mut self, index: usize, mut state: State) -> Option<u128> {
        let Some(choice) = self.choices.get(index) else {
            return Some(1);
        };
        let choices = self.choices;
        state.retain(|&parent, _| !mentioned(choices, parent, index).is_empty());
        let key = (index, state);
        if let Some(&count) = self.known.get(&key) {
            return count;
        }
        let (_, state) = &key;
        let count = if self.is_active(choice, state) {
            self.count_active(index, state)
        } else {
            self.count(index + 1, state.clone())
        };
        self.known.insert(key, count);
        count
    }

    fn count_active(&mut self, index: usize, state: &State) -> Option<u128> {
        let options = u128::from(self.choices[index].options.len()?);
        let named = mentioned(self.choices, index, index + 1);
        let others = options - named.len() as u128;
        let mut total = 0u128;
        if others > 0 {
            total = others.saturating_mul(self.count(index + 1, state.clone())?);
        }
        for value in named {
            let mut state = state.clone();
            state.insert(index, value);
            total = total.saturating_add(self.count(index + 1, state)?);
        }
        Some(total)
    }

    fn is_active(&self, choice: &Choice, state: &State) -> bool {
        choice.when.as_ref().is_none_or(|condition| {
            self.choices
                .iter()
                .position(|parent| parent.name == condition.choice)
                .and_then(|parent| state.get(&parent))
                .is_some_and(|value| {
                    condition
                        .values
                        .iter()
                        .any(|v| canonical_value(v) == *value)
                })
        })
    }
}

/// The values of choice `parent` that conditions of the choices from `from` on mention.
fn mentioned(choices: &[Choice], parent: usize, from: usize) -> BTreeSet<String> {
    choices[from..]
        .iter()
        .filter_map(|choice| choice.when.as_ref())
        .filter(|condition| condition.choice == choices[parent].name)
        .flat_map(|condition| condition.values.iter().map(canonical_value))
        .collect()
}
