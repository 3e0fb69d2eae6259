//! Licence expressions, as crates write them in `license`.
//!
//! Grammar: alternatives joined by `OR` (or, in old crates, `/`), each a conjunction joined by `AND`
//! of names or expressions in parentheses. `WITH EXCEPTION` belongs to the name before it.

/// The first licence that an expression asks for and `allowed` refuses, on the most favourable
/// reading; `None` when the expression is satisfied.
pub fn refused(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<String> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        allowed,
    };
    let answer = reader.alternatives();
    match reader.words.first() {
        Some(rest) if answer.is_none() => Some((*rest).to_string()),
        _ => answer,
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn eat(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn alternatives(&mut self) -> Option<String> {
        let mut answer = self.conjunction();
        while self.eat("OR") {
            let other = self.conjunction();
            answer = answer.and(other);
        }
        answer
    }

    fn conjunction(&mut self) -> Option<String> {
        let mut answer = self.term();
        while self.eat("AND") {
            let other = self.term();
            answer = answer.or(other);
        }
        answer
    }

    fn term(&mut self) -> Option<String> {
        if self.eat("(") {
            let answer = self.alternatives();
            return if self.eat(")") {
                answer
            } else {
                Some("(".to_string())
            };
        }
        let Some((name, rest)) = self.words.split_first() else {
            return Some("no licence".to_string());
        };
        let mut name = (*name).to_string();
        self.words = rest;
        if let ["WITH", exception, ..] = self.words {
            name = format!("{name} WITH {exception}");
            self.words = &self.words[2..];
        }
        if (self.allowed)(&name) {
            None
        } else {
            Some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_their_authors_mean_them() {
        let allowed = |name: &str| matches!(name, "MIT" | "Zlib" | "A WITH E" | "Unicode-3.0");
        let cases: &[(&str, Option<&str>)] = &[
            ("MIT", None),
            ("GPL-3.0", Some("GPL-3.0")),
            ("GPL-3.0 OR MIT", None),
            ("GPL-3.0/MIT", None),
            ("GPL-3.0 / MIT", None),
            ("GPL-3.0 AND MIT", Some("GPL-3.0")),
            // AND binds closer than OR.
            ("GPL-3.0 OR MIT AND Zlib", None),
            ("MIT AND GPL-3.0 OR GPL-2.0", Some("GPL-2.0")),
            ("(GPL-3.0 OR MIT) AND Unicode-3.0", None),
            ("(GPL-3.0 OR MIT) AND GPL-2.0", Some("GPL-2.0")),
            ("A WITH E", None),
            ("A", Some("A")),
            ("A WITH F OR GPL-3.0", Some("GPL-3.0")),
            // Nothing stated and broken expressions are refused, not passed over.
            ("", Some("no licence")),
            ("MIT OR", None),
            ("MIT AND", Some("no licence")),
            ("(MIT", Some("(")),
            ("MIT )", Some(")")),
            ("MIT Zlib", Some("Zlib")),
        ];
        for (expression, expected) in cases {
            assert_eq!(
                refused(expression, &allowed).as_deref(),
                *expected,
                "{expression:?}"
            );
        }
    }
}
