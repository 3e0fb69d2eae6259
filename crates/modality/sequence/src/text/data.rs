use candor_train::Units;

use super::words::{Word, words};

/// Texts as the models of this modality take them.
#[derive(Debug)]
pub struct TextUnits {
    /// Where each text begins, and the number of all words.
    starts: Vec<usize>,
    words: Vec<Word>,
}

impl TextUnits {
    /// Cuts texts into words.
    pub fn units<S: AsRef<str>>(texts: &[S]) -> Units {
        let mut units = TextUnits {
            starts: vec![0],
            words: Vec::new(),
        };
        for text in texts {
            units.words.extend(words(text.as_ref()));
            units.starts.push(units.words.len());
        }
        Units::new(texts.len(), units)
    }

    /// The words of a text; none for one that is not there.
    pub(crate) fn words(&self, unit: usize) -> &[Word] {
        match (self.starts.get(unit), self.starts.get(unit + 1)) {
            (Some(&start), Some(&end)) => &self.words[start..end],
            _ => &[],
        }
    }
}
