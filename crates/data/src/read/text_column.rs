use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Values;

/// Builds a text column, one cell after the other. Each distinct text is held once.
#[derive(Debug, Default)]
pub(crate) struct TextColumn {
    codes: Vec<u32>,
    dictionary: Vec<String>,
    /// Code by hash of the text; a taken slot of another text moves on to the next hash.
    slots: HashMap<u64, u32>,
}

impl TextColumn {
    pub(crate) fn with_capacity(rows: usize) -> TextColumn {
        TextColumn {
            codes: Vec::with_capacity(rows),
            ..TextColumn::default()
        }
    }

    /// Appends a trimmed text, or a missing cell.
    pub(crate) fn push(&mut self, text: Option<&str>) {
        let code = match text {
            None => Values::MISSING,
            Some(text) => self.code(text),
        };
        self.codes.push(code);
    }

    fn code(&mut self, text: &str) -> u32 {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let mut slot = hasher.finish();
        loop {
            match self.slots.get(&slot) {
                Some(&code) if self.dictionary[code as usize] == text => return code,
                Some(_) => slot = slot.wrapping_add(1),
                None => break,
            }
        }
        let code = self.dictionary.len() as u32;
        self.slots.insert(slot, code);
        self.dictionary.push(text.to_owned());
        code
    }

    pub(crate) fn finish(self) -> Values {
        Values::Text {
            codes: self.codes,
            dictionary: self.dictionary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_coded_in_order_of_first_appearance() {
        let mut column = TextColumn::with_capacity(4);
        for cell in [Some("b"), None, Some("a"), Some("b")] {
            column.push(cell);
        }
        let expected = Values::Text {
            codes: vec![0, Values::MISSING, 1, 0],
            dictionary: vec!["b".to_owned(), "a".to_owned()],
        };
        assert_eq!(column.finish(), expected);
    }
}
