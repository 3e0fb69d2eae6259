/// Errors that can say what to do.
pub trait Hints {
    /// Advice, one sentence each, most useful first. Printed after the cause chain.
    fn hints(&self) -> Vec<String>;
}

/// `; did you mean ...?` when one of `known` is close to `word`, else nothing.
///
/// ```
/// use candor_core::did_you_mean;
/// assert_eq!(did_you_mean("acuracy", &["accuracy", "rmse"]), "; did you mean `accuracy`?");
/// assert_eq!(did_you_mean("zzz", &["accuracy", "rmse"]), "");
/// ```
pub fn did_you_mean<S: AsRef<str>>(word: &str, known: &[S]) -> String {
    let lower = word.to_lowercase();
    known
        .iter()
        .map(|k| {
            (
                edit_distance(&lower, &k.as_ref().to_lowercase()),
                k.as_ref(),
            )
        })
        .filter(|(distance, k)| *distance < k.chars().count().min(word.chars().count()))
        .filter(|(distance, k)| *distance <= 1 + k.chars().count().min(word.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| format!("; did you mean `{k}`?"))
        .unwrap_or_default()
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
