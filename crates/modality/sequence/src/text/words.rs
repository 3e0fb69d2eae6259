/// A word as models know it: its hash.
pub(crate) type Word = u32;

/// The words of a text, without regard to case, in order: runs of letters and digits, apostrophes inside them included; each other visible
/// character, and each of a script without spaces, is a word of its own.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    each_word(text, |word| words.push(hash(word)));
    words
}

/// Shows each word, in lower case.
pub(crate) fn each_word(text: &str, mut show: impl FnMut(&str)) {
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let alone = is_whole_word(character);
        let inside = matches!(character, '\'' | '\u{2019}')
            && !word.is_empty()
            && characters.peek().is_some_and(|next| next.is_alphanumeric());
        if character.is_alphanumeric() && !alone {
            word.extend(character.to_lowercase());
        } else if inside {
            word.push('\'');
        } else {
            if !word.is_empty() {
                show(&word);
                word.clear();
            }
            if !character.is_whitespace() && !character.is_control() {
                show(character.encode_utf8(&mut [0; 4]));
            }
        }
        // A run without an end, as in encoded files, is cut.
        if word.len() >= LONGEST {
            show(&word);
            word.clear();
        }
    }
    if !word.is_empty() {
        show(&word);
    }
}

/// Bytes of a word at most.
const LONGEST: usize = 64;

/// Characters of scripts without spaces between words.
fn is_whole_word(character: char) -> bool {
    matches!(u32::from(character), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// FNV-1a, spread.
pub(crate) fn hash(word: &str) -> Word {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in word.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    fold(hash)
}

/// The hash of two words behind each other.
pub(crate) fn pair(first: Word, second: Word) -> Word {
    fold((u64::from(first) << 32 | u64::from(second)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn fold(mut hash: u64) -> Word {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (hash ^ (hash >> 31)) as Word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let mut shown = Vec::new();
        each_word(text, |word| shown.push(word.to_owned()));
        shown
    }

    #[test]
    fn words_are_cut_as_a_person_would() {
        assert_eq!(
            shown("It isn't GOOD, é 3.5!"),
            ["it", "isn't", "good", ",", "é", "3", ".", "5", "!"]
        );
        assert_eq!(
            shown(" 'quoted' \u{4f60}\u{597d}"),
            ["'", "quoted", "'", "\u{4f60}", "\u{597d}"]
        );
        assert_eq!(shown(""), [] as [&str; 0]);
        assert_eq!(shown(&"a".repeat(200)).len(), 4);
        assert_eq!(words("Good good"), [hash("good"); 2]);
        assert_ne!(pair(1, 2), pair(2, 1));
    }
}
