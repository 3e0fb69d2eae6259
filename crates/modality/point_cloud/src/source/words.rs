//! Numbers in lines of text, with the place of what is wrong.

/// Lines of a text that hold something, without comments, each with its number from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.split('#').next().unwrap_or("").trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// A number in a word.
pub(super) fn number(word: &str, line: usize) -> Result<f64, String> {
    // What C writes for numbers that are none.
    let lower = word.to_ascii_lowercase();
    if lower.starts_with("nan") || lower.starts_with("-nan") {
        return Ok(f64::NAN);
    }
    word.parse()
        .map_err(|_| format!("line {line}: `{}` is no number", shown(word)))
}

/// A whole number of at least zero in a word.
pub(super) fn whole(word: &str, line: usize) -> Result<usize, String> {
    word.parse()
        .map_err(|_| format!("line {line}: `{}` is no whole number", shown(word)))
}

/// Three coordinates at the beginning of a line.
pub(super) fn point<'a>(
    mut words: impl Iterator<Item = &'a str>,
    line: usize,
) -> Result<[f64; 3], String> {
    let mut at = [0.0; 3];
    for at in &mut at {
        let word = words
            .next()
            .ok_or_else(|| format!("line {line}: a point needs three coordinates"))?;
        *at = number(word, line)?;
    }
    Ok(at)
}

/// The beginning of a word that may be long.
pub(super) fn shown(word: &str) -> String {
    const SHOWN: usize = 30;
    let mut shown: String = word.chars().take(SHOWN).collect();
    if shown.len() < word.len() {
        shown.push_str("...");
    }
    shown
}
