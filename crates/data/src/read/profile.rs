use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::number::{NumberForm, NumberStyle, is_code_like};
use super::unit::Unit;
use crate::source::MissingMarkers;

/// Distinct texts that are counted before a column is taken to have a different one in each row.
const DISTINCT_CAP: usize = 1 << 14;
/// Bytes of a distinct text beside its letters: dictionary entry, allocation, hash slot.
const TEXT_OVERHEAD: u64 = 64;
/// Share of numbers from which a column of text is suspected to hold numbers and a marker.
const MOSTLY: f64 = 0.95;

/// What one pass over a column of text tells: enough to choose its type and to know its size.
#[derive(Debug, Default)]
pub(crate) struct ColumnProfile {
    present: usize,
    failures: [usize; 5],
    first_failure: [Option<(usize, String)>; 5],
    code_like: usize,
    first_code: Option<(usize, String)>,
    whole: usize,
    texts: HashSet<u64>,
    text_bytes: u64,
    overflowed: bool,
    units: Units,
}

/// The units of a column's cells.
#[derive(Debug, Default)]
struct Units {
    /// That of all cells so far; a zero needs none.
    known: Option<Unit>,
    /// Numbers that are not written in each style.
    failures: [usize; 5],
    /// They differ, are missing, or what stands beside them is a code rather than a number.
    mixed: bool,
}

/// How a column will be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// As numbers.
    Number(NumberForm),
    /// As texts.
    Text,
}

impl ColumnProfile {
    /// Takes the trimmed cell of a row (from 0).
    pub(crate) fn take(&mut self, row: usize, cell: &str, markers: &MissingMarkers) {
        if markers.contains(cell) {
            return;
        }
        self.present += 1;
        self.units.take(cell);
        let digits = cell.bytes().all(|b| b.is_ascii_digit());
        if digits {
            self.whole += 1;
            if is_code_like(cell) {
                self.code_like += 1;
                self.first_code
                    .get_or_insert_with(|| (row, cell.to_owned()));
                self.count_text(cell);
            }
            return;
        }
        let mut plain = true;
        for (i, style) in NumberStyle::ALL.into_iter().enumerate() {
            if style.parse(cell).is_none() {
                self.failures[i] += 1;
                self.first_failure[i].get_or_insert_with(|| (row, cell.to_owned()));
                plain &= i != 0;
            }
        }
        if !plain {
            self.count_text(cell);
        }
    }

    fn count_text(&mut self, cell: &str) {
        if self.texts.len() >= DISTINCT_CAP {
            self.overflowed = true;
            self.text_bytes += cell.len() as u64 + TEXT_OVERHEAD;
            return;
        }
        let mut hasher = DefaultHasher::new();
        cell.hash(&mut hasher);
        if self.texts.insert(hasher.finish()) {
            self.text_bytes += cell.len() as u64 + TEXT_OVERHEAD;
        }
    }

    /// The type, and a note when a person should know of the choice.
    ///
    /// `european` says that `1,234` is rather a decimal number than a thousand: cells are separated
    /// by something else than a comma.
    pub(crate) fn decide(&self, name: &str, european: bool) -> (ColumnType, Option<String>) {
        if let Some((row, code)) = &self.first_code
            && self.whole == self.present
        {
            let note = format!(
                "column `{name}` was kept as text: its numbers are codes (row {}, `{code}`) that would lose digits",
                row + 1
            );
            return (ColumnType::Text, Some(note));
        }
        use NumberStyle::*;
        let order = if european {
            [
                Plain,
                DecimalComma,
                SpacedDecimalComma,
                CommaThousands,
                SpacedDecimalPoint,
            ]
        } else {
            [
                Plain,
                CommaThousands,
                SpacedDecimalPoint,
                DecimalComma,
                SpacedDecimalComma,
            ]
        };
        if let Some(style) = order.into_iter().find(|&s| self.failures[s as usize] == 0) {
            let note = (style != Plain).then(|| {
                format!(
                    "column `{name}` was read as numbers written like `{}`",
                    style.example()
                )
            });
            return (ColumnType::Number(NumberForm { style, unit: false }), note);
        }
        if let Some((unit, style)) = self.units.shared(order) {
            let note = format!(
                "column `{name}` was read as numbers of the unit `{}`, written like `{}`; units are not converted",
                unit.name(),
                style.example()
            );
            return (
                ColumnType::Number(NumberForm { style, unit: true }),
                Some(note),
            );
        }
        (ColumnType::Text, self.nearly_numbers(name))
    }

    /// A note when nearly all values are numbers: the rest may be a marker of missing values.
    fn nearly_numbers(&self, name: &str) -> Option<String> {
        let (best, &failures) = self.failures.iter().enumerate().min_by_key(|(_, f)| **f)?;
        let numbers = self.present - failures;
        if (numbers as f64) < MOSTLY * self.present as f64 {
            return None;
        }
        let (row, text) = self.first_failure[best].as_ref()?;
        Some(format!(
            "column `{name}` was kept as text though {numbers} of {} values are numbers (first other: row {}, `{text}`); if that means missing, pass `--missing {}`",
            self.present,
            row + 1,
            shell_word(text)
        ))
    }

    /// Bytes that the column takes in memory over `rows` rows.
    pub(crate) fn bytes(&self, kind: ColumnType, rows: usize) -> u64 {
        match kind {
            ColumnType::Number(_) => 8 * rows as u64,
            ColumnType::Text => {
                // Numbers among texts were not counted: take each as a short distinct text, up to a
                // number above which they rather repeat.
                let uncounted = self.present - self.failures[0] - self.code_like;
                let numbers = uncounted.min(1 << 20) as u64;
                4 * rows as u64 + self.text_bytes + numbers * TEXT_OVERHEAD
            }
        }
    }

    /// Whether there are so many distinct texts that they were no longer told apart.
    #[cfg(test)]
    fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl Units {
    fn take(&mut self, cell: &str) {
        if self.mixed || cell == "0" {
            return;
        }
        match Unit::of(cell) {
            Some((unit, number))
                if !is_code_like(&number) && self.known.as_ref().is_none_or(|k| *k == unit) =>
            {
                for (style, failures) in NumberStyle::ALL.into_iter().zip(&mut self.failures) {
                    *failures += usize::from(style.parse(&number).is_none());
                }
                self.known = Some(unit);
            }
            _ => self.mixed = true,
        }
    }

    /// The unit that all cells share, and the first style that all are written in.
    fn shared(&self, order: [NumberStyle; 5]) -> Option<(&Unit, NumberStyle)> {
        let unit = self.known.as_ref().filter(|_| !self.mixed)?;
        let style = order
            .into_iter()
            .find(|&s| self.failures[s as usize] == 0)?;
        Some((unit, style))
    }
}

fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(cells: &[&str]) -> ColumnProfile {
        let markers = MissingMarkers::new(&[]);
        let mut profile = ColumnProfile::default();
        for (row, cell) in cells.iter().enumerate() {
            profile.take(row, cell, &markers);
        }
        profile
    }

    #[test]
    fn types_follow_from_all_cells() {
        use NumberStyle::*;
        let bare = |style| ColumnType::Number(NumberForm { style, unit: false });
        let of_unit = |style| ColumnType::Number(NumberForm { style, unit: true });
        let cases: [(&[&str], bool, ColumnType); 18] = [
            (&["1", "2.5", "", "inf"], false, bare(Plain)),
            (&["1,234", "2"], false, bare(CommaThousands)),
            (&["1,234", "2"], true, bare(DecimalComma)),
            (&["1.234,5", "2"], false, bare(DecimalComma)),
            (&["1 234", "2"], false, bare(SpacedDecimalPoint)),
            (&["01234", "99999"], false, ColumnType::Text),
            (&["1.5", "abc"], false, ColumnType::Text),
            (&["", "NA"], false, bare(Plain)),
            (&["0.5", "007"], false, bare(Plain)),
            (&["$12.50", "", "$3"], false, of_unit(Plain)),
            (&["$1,234.50", "-$3"], false, of_unit(CommaThousands)),
            (&["12,5 %", "0", "3 %"], true, of_unit(DecimalComma)),
            (&["1 year", "12 years"], false, of_unit(Plain)),
            (&["12 kg", "800 g"], false, ColumnType::Text),
            (&["12 kg", "800"], false, ColumnType::Text),
            (&["3 stars", "unrated"], false, ColumnType::Text),
            (&["007 m", "008 m"], false, ColumnType::Text),
            (&["10:30 h", "11:00 h"], false, ColumnType::Text),
        ];
        for (cells, european, expected) in cases {
            assert_eq!(
                profile(cells).decide("x", european).0,
                expected,
                "{cells:?}"
            );
        }
    }

    #[test]
    fn a_marker_among_numbers_is_pointed_at() {
        let mut cells = vec!["1.5"; 39];
        cells.insert(4, "not asked");
        let (kind, note) = profile(&cells).decide("dose", false);
        assert_eq!(kind, ColumnType::Text);
        let note = note.unwrap();
        assert!(
            note.contains("39 of 40")
                && note.contains("row 5")
                && note.contains("--missing 'not asked'"),
            "{note}"
        );
        assert_eq!(profile(&["1", "b", "c"]).decide("x", false).1, None);
    }

    #[test]
    fn the_size_of_a_column_of_distinct_texts_grows_with_its_rows() {
        let texts: Vec<String> = (0..2 * DISTINCT_CAP).map(|i| format!("name {i}")).collect();
        let cells: Vec<&str> = texts.iter().map(String::as_str).collect();
        let many = profile(&cells);
        assert!(many.overflowed());
        assert!(
            many.bytes(ColumnType::Text, cells.len())
                > 2 * DISTINCT_CAP as u64 * (4 + TEXT_OVERHEAD)
        );
        let few = profile(&vec!["a"; 1000]);
        assert_eq!(few.bytes(ColumnType::Text, 1000), 4000 + 1 + TEXT_OVERHEAD);
    }
}
