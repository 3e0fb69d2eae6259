use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use super::number::NumberStyle;
use super::unit::Unit;
use crate::DataError;
use crate::source::{HeaderFact, MissingMarkers, ReadOptions};

/// Bytes of text from which the dialect is told.
const SAMPLE_BYTES: usize = 1 << 18;
/// Rows of it that are looked at.
const SAMPLE_ROWS: usize = 500;
/// What stands between cells in the order in which ties are decided. A comma comes last because it
/// is also a decimal sign and occurs inside texts.
const DELIMITERS: [u8; 4] = [b'\t', b';', b'|', b','];

/// What separates cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// One character.
    Character(u8),
    /// Any number of blanks; blanks at the ends of a line separate nothing.
    Blanks,
}

/// How a text is cut into a header and cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dialect {
    /// What separates cells.
    pub(crate) separator: Separator,
    /// Cells in a row.
    pub(crate) width: usize,
    /// Whether the first row of that width holds names.
    pub(crate) header: HeaderFact,
    /// Whether the header lacks the name of the first column, as R writes tables with row names.
    pub(crate) header_lacks_first: bool,
}

impl Dialect {
    /// Tells the dialect from the beginning of the text.
    pub(crate) fn detect(
        text: Box<dyn Read>,
        path: &Path,
        options: &ReadOptions,
        markers: &MissingMarkers,
    ) -> Result<Dialect, DataError> {
        let sample = head(text).map_err(|source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let separator = match options.delimiter {
            Some(c) if c.is_ascii() && c != '"' && c != '\n' && c != '\r' => {
                Separator::Character(c as u8)
            }
            Some(c) => {
                return Err(DataError::OutOfRange {
                    option: "delimiter",
                    value: c.escape_default().to_string(),
                    allowed: "one ASCII character that is no quotation mark and no line end",
                });
            }
            None => detect_separator(&sample),
        };
        let rows = separator.rows(&sample);
        let Some(width) = modal_width(&rows).map(|(width, _)| width) else {
            return Err(DataError::Empty {
                path: path.to_owned(),
            });
        };
        // Of two columns, a first line with one cell is more likely a title.
        let lacking = width > 2 && rows.len() > 1 && rows[0].len() + 1 == width;
        let full: Vec<&Vec<String>> = rows.iter().filter(|row| row.len() == width).collect();
        let header = match options.header {
            Some(found) => fact(found, "as asked for"),
            None if lacking && !rows[0].iter().any(|c| is_number(c)) => {
                fact(true, "it has one name fewer than the rows have cells")
            }
            None => detect_header(&full, markers),
        };
        Ok(Dialect {
            separator,
            width,
            header_lacks_first: lacking && header.found,
            header,
        })
    }
}

impl Separator {
    /// A reader of records over UTF-8 text.
    pub(crate) fn reader<'a>(self, text: Box<dyn Read + 'a>) -> csv::Reader<Box<dyn Read + 'a>> {
        let mut builder = csv::ReaderBuilder::new();
        builder
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16);
        match self {
            Separator::Character(c) => builder.delimiter(c).from_reader(text),
            Separator::Blanks => builder
                .delimiter(b'\t')
                .quoting(false)
                .from_reader(Box::new(Squeezed::new(text))),
        }
    }

    fn rows(self, sample: &[u8]) -> Vec<Vec<String>> {
        self.reader(Box::new(sample))
            .records()
            .map_while(Result::ok)
            .take(SAMPLE_ROWS)
            .map(|record| record.iter().map(|cell| cell.trim().to_owned()).collect())
            .collect()
    }
}

/// The beginning of the text, up to its last whole line.
fn head(text: Box<dyn Read>) -> io::Result<Vec<u8>> {
    let mut sample = Vec::new();
    text.take(SAMPLE_BYTES as u64).read_to_end(&mut sample)?;
    if sample.len() == SAMPLE_BYTES
        && let Some(end) = sample.iter().rposition(|&b| b == b'\n')
    {
        sample.truncate(end + 1);
    }
    Ok(sample)
}

/// The most frequent number of cells, and the share of rows that have it.
fn modal_width(rows: &[Vec<String>]) -> Option<(usize, f64)> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(row.len()).or_default() += 1;
    }
    let (&width, &count) = counts
        .iter()
        .max_by_key(|&(width, count)| (*count, *width))?;
    Some((width, count as f64 / rows.len() as f64))
}

fn detect_separator(sample: &[u8]) -> Separator {
    let mut best: Option<(f64, Separator)> = None;
    for delimiter in DELIMITERS {
        let separator = Separator::Character(delimiter);
        let Some((width, share)) = modal_width(&separator.rows(sample)) else {
            continue;
        };
        if width > 1 && best.is_none_or(|(s, _)| share > s) {
            best = Some((share, separator));
        }
    }
    match best {
        // Decimal commas and commas in sentences cut rows at random; blanks may do better.
        Some((share, separator)) if share >= 0.8 => separator,
        other => {
            if is_cut_by_blanks(sample) {
                Separator::Blanks
            } else {
                other.map_or(Separator::Character(b','), |(_, separator)| separator)
            }
        }
    }
}

/// Whether every line has the same number of words and most words are numbers.
fn is_cut_by_blanks(sample: &[u8]) -> bool {
    let rows = Separator::Blanks.rows(sample);
    let Some((width, share)) = modal_width(&rows) else {
        return false;
    };
    let cells = rows.iter().map(Vec::len).sum::<usize>();
    let numbers = rows.iter().flatten().filter(|cell| is_number(cell)).count();
    width > 1 && share > 0.95 && numbers * 2 > cells
}

fn is_number(text: &str) -> bool {
    let said = |number: &str| {
        NumberStyle::ALL
            .into_iter()
            .any(|style| style.parse(number).is_some())
    };
    said(text) || Unit::of(text).is_some_and(|(_, number)| said(&number))
}

/// A header is a first row unlike the rows below it.
fn detect_header(rows: &[&Vec<String>], markers: &MissingMarkers) -> HeaderFact {
    let Some((first, below)) = rows.split_first() else {
        return fact(false, "there is no row of full width");
    };
    if below.is_empty() {
        return if first.iter().any(|cell| is_number(cell)) {
            fact(false, "the only row holds numbers")
        } else {
            fact(true, "the only row holds no numbers")
        };
    }
    if counts_up(first) && !counts_up(below[0]) {
        return fact(true, "the first row counts the columns");
    }
    let (mut unlike, mut alike) = (0, 0);
    for (column, cell) in first.iter().enumerate() {
        if !is_numeric_column(below, column, markers) {
            continue;
        }
        if is_number(cell) {
            alike += 1;
        } else if !markers.contains(cell) {
            unlike += 1;
        }
    }
    if unlike > 0 && unlike >= alike {
        return fact(
            true,
            &format!("{unlike} of its cells are words above columns of numbers"),
        );
    }
    if alike > 0 {
        return fact(
            false,
            &format!("{alike} cells of the first row are numbers like those below"),
        );
    }
    let repeats = first
        .iter()
        .enumerate()
        .any(|(column, cell)| !cell.is_empty() && below.iter().any(|row| row[column] == *cell));
    if repeats {
        fact(false, "cells of the first row occur again below")
    } else {
        fact(true, "no cell of the first row occurs again below")
    }
}

/// Whether the cells that are numbers are three or more and consecutive, as unnamed columns are
/// written by data-frame libraries.
fn counts_up(row: &[String]) -> bool {
    let numbers: Vec<f64> = row
        .iter()
        .filter(|c| !c.is_empty())
        .filter_map(|c| c.parse::<i64>().ok())
        .map(|c| c as f64)
        .collect();
    numbers.len() >= 3
        && numbers.len() + 1 >= row.len()
        && (numbers[0] == 0.0 || numbers[0] == 1.0)
        && numbers.windows(2).all(|w| w[1] - w[0] == 1.0)
}

fn is_numeric_column(rows: &[&Vec<String>], column: usize, markers: &MissingMarkers) -> bool {
    let mut numbers = 0;
    for row in rows {
        let cell = row[column].as_str();
        if markers.contains(cell) {
            continue;
        }
        if !is_number(cell) {
            return false;
        }
        numbers += 1;
    }
    numbers > 0
}

fn fact(found: bool, reason: &str) -> HeaderFact {
    HeaderFact {
        found,
        reason: reason.to_owned(),
    }
}

/// Turns runs of blanks into one tab, and none at the ends of lines.
struct Squeezed<R> {
    inner: R,
    blank_pending: bool,
    line_begun: bool,
}

impl<R: Read> Squeezed<R> {
    fn new(inner: R) -> Self {
        Squeezed {
            inner,
            blank_pending: false,
            line_begun: false,
        }
    }
}

impl<R: Read> Read for Squeezed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Every byte yields at most one byte and at most one pending tab, so half the buffer fits.
        let room = (buffer.len() / 2).clamp(1, 1 << 14);
        if buffer.len() < 2 {
            return Err(io::Error::other("buffer too small"));
        }
        let mut chunk = [0; 1 << 14];
        loop {
            let n = self.inner.read(&mut chunk[..room])?;
            if n == 0 {
                return Ok(0);
            }
            let mut written = 0;
            for &byte in &chunk[..n] {
                match byte {
                    b' ' | b'\t' => self.blank_pending = self.line_begun,
                    b'\n' | b'\r' => {
                        (self.blank_pending, self.line_begun) = (false, false);
                        buffer[written] = byte;
                        written += 1;
                    }
                    _ => {
                        if std::mem::take(&mut self.blank_pending) {
                            buffer[written] = b'\t';
                            written += 1;
                        }
                        self.line_begun = true;
                        buffer[written] = byte;
                        written += 1;
                    }
                }
            }
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &'static str) -> Dialect {
        let markers = MissingMarkers::new(&[]);
        Dialect::detect(
            Box::new(text.as_bytes()),
            Path::new("x"),
            &ReadOptions::default(),
            &markers,
        )
        .unwrap()
    }

    #[test]
    fn separators_and_headers() {
        use Separator::{Blanks, Character};
        // text, separator, width, header found
        let cases: [(&'static str, Separator, usize, bool); 15] = [
            ("a,b\n1,2\n3,4\n", Character(b','), 2, true),
            ("a;b\n1,5;2,5\n3,5;4,5\n", Character(b';'), 2, true),
            ("1,5;2,5\n3,5;4,5\n", Character(b';'), 2, false),
            ("a\tb\n1\tx, y\n2\tz\n", Character(b'\t'), 2, true),
            ("a|b\n1|2\n", Character(b'|'), 2, true),
            (
                "5.1,3.5,setosa\n4.9,3.0,setosa\n",
                Character(b','),
                3,
                false,
            ),
            ("?,3.5,setosa\n4.9,3.0,setosa\n", Character(b','), 3, false),
            ("M,F\nM,M\nF,M\n", Character(b','), 2, false),
            ("name,city\nAnn,Rome\nBob,Oslo\n", Character(b','), 2, true),
            (",0,1,2\n0,5,6,7\n1,9,9,9\n", Character(b','), 4, true),
            ("x\n1\n2\n", Character(b','), 1, true),
            ("1\n2\n", Character(b','), 1, false),
            (" 1.0  2.0   3\n 4.0 5.0 6\n", Blanks, 3, false),
            ("a,b\n\"1,000\",2\n\"2,000\",3\n", Character(b','), 2, true),
            ("some title\na,b\n1,2\n3,4\n", Character(b','), 2, true),
        ];
        for (text, separator, width, header) in cases {
            let got = detect(text);
            assert_eq!(
                (got.separator, got.width, got.header.found),
                (separator, width, header),
                "{text:?}: {got:?}"
            );
        }
    }

    #[test]
    fn a_header_one_name_short_belongs_to_row_names() {
        let got = detect("x y\nr1 1 2\nr2 3 4\n");
        assert!(!got.header_lacks_first || got.width == 3);
        let got = detect("x\ty\nr1\t1\t2\nr2\t3\t4\n");
        assert!(got.header.found && got.header_lacks_first);
        assert_eq!(got.width, 3);
    }
}
