//! What can go wrong with texts in the world, and what models rest on.

use candor_core::Seed;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// What commonly happens to a text without changing what is true of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextChange {
    /// Two letters beside each other change places, in 4 % of the words a step of severity.
    Typing,
    /// Words are lost: 6 % a step of severity.
    LostWords,
    /// The end is cut off: 15 % a step of severity.
    CutOff,
    /// Other case: all letters are small or great. Models do not see it; what they say must not change.
    Case,
}

impl TextChange {
    /// All of them.
    pub const ALL: [TextChange; 4] = [
        TextChange::Typing,
        TextChange::LostWords,
        TextChange::CutOff,
        TextChange::Case,
    ];

    /// Its name, as it stands in the report.
    pub fn name(self) -> &'static str {
        match self {
            TextChange::Typing => "typing mistakes",
            TextChange::LostWords => "lost words",
            TextChange::CutOff => "the end cut off",
            TextChange::Case => "small or capital letters",
        }
    }
}

/// Texts, changed with a severity from 1 to 5.
pub fn texts_changed(texts: &[&str], change: TextChange, severity: u8, seed: Seed) -> Vec<String> {
    let severity = f64::from(severity.clamp(1, 5));
    let changed = |(place, text): (usize, &&str)| {
        let mut stream = seed.stream(change.name(), &[place as u64]);
        let words = || text.split_whitespace();
        match change {
            TextChange::Typing => {
                let typed = words().map(|word| match stream.random::<f64>() < 0.04 * severity {
                    true => swapped(word, &mut stream),
                    false => word.to_owned(),
                });
                typed.collect::<Vec<_>>().join(" ")
            }
            TextChange::LostWords => {
                let kept: Vec<&str> = words()
                    .filter(|_| stream.random::<f64>() >= 0.06 * severity)
                    .collect();
                kept.join(" ")
            }
            TextChange::CutOff => {
                let count = words().count();
                let kept = (count as f64 * (1.0 - 0.15 * severity)).ceil() as usize;
                words().take(kept).collect::<Vec<_>>().join(" ")
            }
            TextChange::Case if stream.random() => text.to_uppercase(),
            TextChange::Case => text.to_lowercase(),
        }
    };
    texts.iter().enumerate().map(changed).collect()
}

/// A word with two letters beside each other exchanged.
fn swapped(word: &str, stream: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.len() > 1 {
        let place = stream.random_range(0..letters.len() - 1);
        letters.swap(place, place + 1);
    }
    letters.into_iter().collect()
}

/// Texts, the letters of each in another order, so that no word is left.
pub fn letters_shuffled(texts: &[&str], seed: Seed) -> Vec<String> {
    let shuffled = |(place, text): (usize, &&str)| {
        let mut stream = seed.stream("letters", &[place as u64]);
        let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        letters.shuffle(&mut stream);
        let mut letters = letters.into_iter();
        let lengths = text.split_whitespace().map(|word| word.chars().count());
        let words: Vec<String> = lengths
            .map(|n| letters.by_ref().take(n).collect())
            .collect();
        words.join(" ")
    };
    texts.iter().enumerate().map(shuffled).collect()
}

/// Parts of a text whose worth is measured.
const PARTS: usize = 4;

/// Their names.
pub fn text_parts() -> Vec<String> {
    (1..=PARTS)
        .map(|part| format!("part {part} of {PARTS}"))
        .collect()
}

/// Texts with one part, named as by [`text_parts`], exchanged between them; `None` when there is no such part.
pub fn text_part_shuffled(texts: &[&str], part: &str, seed: Seed) -> Option<Vec<String>> {
    let place = text_parts().iter().position(|name| name == part)?;
    let cut = |text: &str| -> [Vec<String>; PARTS] {
        let words: Vec<&str> = text.split_whitespace().collect();
        std::array::from_fn(|part| {
            let range = part * words.len() / PARTS..(part + 1) * words.len() / PARTS;
            words[range].iter().map(|word| (*word).to_owned()).collect()
        })
    };
    let mut givers: Vec<usize> = (0..texts.len()).collect();
    givers.shuffle(&mut seed.stream("part", &[]));
    let mixed = texts.iter().zip(givers).map(|(text, giver)| {
        let mut own = cut(text);
        let mut given = cut(texts[giver]);
        own[place] = std::mem::take(&mut given[place]);
        own.concat().join(" ")
    });
    Some(mixed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 3] = [
        "The quick brown fox jumps over the lazy dog, and over the fence, and over the house behind it",
        "Nothing",
        "",
    ];

    #[test]
    fn changes_come_again_and_leave_texts_recognisable() {
        for change in TextChange::ALL {
            for severity in 1..=5 {
                let changed = texts_changed(&TEXTS, change, severity, Seed(1));
                assert_eq!(changed, texts_changed(&TEXTS, change, severity, Seed(1)));
                assert_eq!(changed.len(), 3);
                assert_eq!(changed[2], "");
            }
            let strong = texts_changed(&TEXTS, change, 5, Seed(1));
            assert_ne!(strong[0], TEXTS[0], "{change:?}");
        }
    }

    #[test]
    fn shuffled_letters_are_the_same_letters() {
        let shuffled = letters_shuffled(&TEXTS, Seed(2));
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        assert_ne!(shuffled[0], TEXTS[0]);
        assert_eq!(sorted(&shuffled[0]), sorted(TEXTS[0]));
    }

    #[test]
    fn one_part_is_exchanged() {
        let texts = ["a b c d e f g h", "1 2 3 4 5 6 7 8", "k l m n o p q r"];
        let mixed = text_part_shuffled(&texts, "part 2 of 4", Seed(3)).unwrap();
        assert!(
            mixed[0].starts_with("a b ") && mixed[0].ends_with(" e f g h"),
            "{mixed:?}"
        );
        assert_ne!(mixed, texts);
        assert!(text_part_shuffled(&texts, "part 5 of 4", Seed(3)).is_none());
    }
}
