//! What is wrong with texts, beyond what their table shows.

use std::collections::HashMap;

use candor_core::{Evidence, Finding, Severity, Targets};

use super::words::words;

const DUPLICATES: &str = "duplicate-texts";
const ACROSS: &str = "texts-across-parts";
const SHORT: &str = "short-texts";

/// The kinds of findings of [`curate_texts`] and [`texts_across`].
pub fn text_check_names() -> [&'static str; 3] {
    [DUPLICATES, ACROSS, SHORT]
}

/// Texts without a word, and why no model can learn from them.
pub fn unusable_texts<S: AsRef<str>>(texts: &[S]) -> Vec<(usize, String)> {
    let without = |text: &S| {
        !text
            .as_ref()
            .chars()
            .any(|c| !c.is_whitespace() && !c.is_control())
    };
    texts
        .iter()
        .enumerate()
        .filter(|(_, text)| without(text))
        .map(|(unit, _)| (unit, "the text is empty".to_owned()))
        .collect()
}

/// Groups of texts with the same words, each ascending, in the order of their first.
fn equal<S: AsRef<str>>(texts: &[S]) -> Vec<Vec<usize>> {
    let mut groups: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for (unit, text) in texts.iter().enumerate() {
        let words = words(text.as_ref());
        if !words.is_empty() {
            groups.entry(words).or_default().push(unit);
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    groups.sort();
    groups
}

fn finding(
    kind: &str,
    severity: Severity,
    units: &[usize],
    message: String,
    figure: String,
    remedy: &str,
) -> Finding {
    Finding {
        kind: kind.to_owned(),
        severity,
        columns: Vec::new(),
        message,
        evidence: Evidence {
            rows: units.iter().take(20).map(|unit| unit + 1).collect(),
            count: units.len(),
            figure,
        },
        remedy: remedy.to_owned(),
        action: None,
    }
}

/// Looks at all texts, whose targets are known but for `without`.
pub fn curate_texts<S: AsRef<str>>(
    texts: &[S],
    targets: &Targets,
    without: &[usize],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let groups = equal(texts);
    let further: Vec<usize> = groups.iter().flat_map(|g| &g[1..]).copied().collect();
    if !further.is_empty() {
        let differs = |group: &&Vec<usize>| match targets {
            Targets::Classes(classes) => {
                let known = group.iter().filter(|u| !without.contains(u));
                let mut own: Vec<u32> = known.map(|&u| classes[u]).collect();
                own.sort_unstable();
                own.dedup();
                own.len() > 1
            }
            _ => false,
        };
        let contradictions = groups.iter().filter(differs).count();
        let mut message = format!(
            "{} texts are word for word copies of another",
            further.len()
        );
        if contradictions > 0 {
            message.push_str(&format!(
                "; {contradictions} groups of copies have several classes"
            ));
        }
        findings.push(finding(
            DUPLICATES,
            if contradictions > 0 {
                Severity::Warning
            } else {
                Severity::Note
            },
            &further,
            message,
            format!("{} groups", groups.len()),
            "keep one of each; where classes differ, find out which is right",
        ));
    }
    let count = |text: &S| text.as_ref().split_whitespace().count();
    let short: Vec<usize> = (0..texts.len())
        .filter(|&unit| (1..3).contains(&count(&texts[unit])))
        .collect();
    if 20 * short.len() > texts.len() {
        findings.push(finding(
            SHORT,
            Severity::Note,
            &short,
            format!("{} texts have one or two words", short.len()),
            format!("{} of {}", short.len(), texts.len()),
            "make sure that texts were not cut off",
        ));
    }
    findings
}

/// Equal texts in several parts: 0 is learned from, 1 is tested on, 2 calibrates.
pub fn texts_across<S: AsRef<str>>(texts: &[S], parts: &[Option<u8>]) -> Vec<Finding> {
    let mut across = Vec::new();
    for group in equal(texts) {
        let mut seen: Vec<u8> = group
            .iter()
            .filter_map(|&unit| parts.get(unit).copied()?)
            .collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() > 1 {
            across.extend(group.into_iter().filter(|&unit| parts[unit] != Some(0)));
        }
    }
    across.sort_unstable();
    if across.is_empty() {
        return Vec::new();
    }
    vec![finding(
        ACROSS,
        Severity::Serious,
        &across,
        format!(
            "{} texts are judged on, and also learned from, word for word",
            across.len()
        ),
        format!("{} copies", across.len()),
        "leave the copies out of one part; the scores on that part flatter the model",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_empty_texts_are_found() {
        let texts = [
            "A good film",
            "a  GOOD film",
            " \n",
            "another one altogether",
            "b",
        ];
        let targets = Targets::Classes(vec![0, 1, 0, 1, 0]);
        let found = curate_texts(&texts, &targets, &[]);
        assert_eq!(found[0].kind, DUPLICATES);
        assert_eq!(found[0].evidence.rows, [2]);
        assert!(found[0].message.contains("several classes"));
        assert_eq!(found[1].kind, SHORT);
        assert_eq!(
            unusable_texts(&texts),
            [(2, "the text is empty".to_owned())]
        );
        let across = texts_across(&texts, &[Some(0), Some(1), Some(0), Some(0), None]);
        assert_eq!(across[0].evidence.rows, [2]);
        assert!(texts_across(&texts, &[Some(0); 5]).is_empty());
    }
}
