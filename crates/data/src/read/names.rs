use std::collections::HashSet;

/// Column names, trimmed, made non-empty and unique; what was changed goes to `notes`.
pub(crate) fn unique_names(raw: Vec<String>, notes: &mut Vec<String>) -> Vec<String> {
    let mut taken: HashSet<String> = raw.iter().map(|name| name.trim().to_owned()).collect();
    let mut used: HashSet<String> = HashSet::with_capacity(raw.len());
    let mut names = Vec::with_capacity(raw.len());
    let mut empty = Vec::new();
    let mut repeated = Vec::new();
    for (i, name) in raw.into_iter().enumerate() {
        let trimmed = name.trim();
        let fresh = if trimmed.is_empty() {
            let made = free_name(&format!("c{}", i + 1), &mut taken, false);
            empty.push(made.clone());
            made
        } else if used.contains(trimmed) {
            let made = free_name(trimmed, &mut taken, true);
            repeated.push(made.clone());
            made
        } else {
            trimmed.to_owned()
        };
        used.insert(fresh.clone());
        names.push(fresh);
    }
    note(notes, "columns without a name were called", &empty);
    note(
        notes,
        "columns with a name already used were called",
        &repeated,
    );
    names
}

/// `name`, or `name_2`, `name_3`, ... until none has it.
fn free_name(name: &str, taken: &mut HashSet<String>, numbered: bool) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    if numbered || taken.contains(&candidate) {
        loop {
            number += 1;
            candidate = format!("{name}_{number}");
            if !taken.contains(&candidate) {
                break;
            }
        }
    }
    taken.insert(candidate.clone());
    candidate
}

fn note(notes: &mut Vec<String>, what: &str, names: &[String]) {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return;
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more alike"),
    };
    notes.push(format!("{} {what} {}{more}", names.len(), shown.join(", ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_unique_without_stealing_a_name_that_exists() {
        let mut notes = Vec::new();
        let raw = ["a", "a", "a_2", "", " b ", "c4"]
            .map(str::to_owned)
            .to_vec();
        let names = unique_names(raw, &mut notes);
        assert_eq!(names, ["a", "a_3", "a_2", "c4_2", "b", "c4"]);
        assert_eq!(notes.len(), 2);
        let distinct: HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}
