//! The reader of `.ts` files, the format of the UCR and UEA archives.
//!
//! Bagnall et al., "The UEA multivariate time series classification archive, 2018", arXiv 1811.00075. A header of lines that begin with `@`,
//! then one series a line: channels parted by `:`, readings by `,`, the class or the number to predict behind the last `:`. A missing
//! reading is `?`. With timestamps, a reading is `(time,value)`.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use candor_core::did_you_mean;
use candor_data::{Column, SourceFacts, Table, Values, fingerprint_bytes};
use flate2::read::MultiGzDecoder;

use crate::{SequenceError, SeriesSet};

/// Bytes of values of a file, where nobody says how much memory there is.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes of a line at most.
const LONGEST_LINE: u64 = 1 << 28;
/// The column of classes.
pub const CLASS: &str = "class";
/// The column of numbers to predict.
pub const TARGET: &str = "target";
/// The column of lengths.
pub const LENGTH: &str = "length";

/// Series that were read, one row of the table each.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSeries {
    /// The series.
    pub series: SeriesSet,
    /// Their lengths, and what is to be predicted of them if the file says so.
    pub table: Table,
    /// How they were read.
    pub facts: SourceFacts,
}

/// Whether a file holds series by its name and its first line: `.ts` is also the name of programs and films.
pub fn is_series_file(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase());
    let named = name.is_some_and(|n| n.ends_with(".ts") || n.ends_with(".ts.gz"));
    named && path.is_file()
}

/// Reads a `.ts` file, plain or gzip; the values take at most a quarter of `memory` bytes.
///
/// # Errors
/// The file cannot be read, is not of this format (with the line), or takes more memory than it may.
pub fn read_series(path: &Path, memory: Option<u64>) -> Result<ReadSeries, SequenceError> {
    let unreadable = |source| SequenceError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let limit = memory.map_or(MOST_BYTES, |bytes| (bytes / 4).max(1));
    let too_large = || SequenceError::TooLarge {
        path: path.to_owned(),
        limit_mib: limit.div_ceil(1 << 20),
    };
    let mut stored = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut stored)
        .map_err(unreadable)?;
    if stored.len() as u64 > limit {
        return Err(too_large());
    }
    let (bytes, sha256) = fingerprint_bytes(&stored);
    let gzip = stored.starts_with(&[0x1f, 0x8b]);
    let mut parser = Parser::new(path, limit);
    if gzip {
        parser.read(BufReader::new(MultiGzDecoder::new(Cursor::new(stored))))?;
    } else {
        parser.read(Cursor::new(stored))?;
    }
    let facts = SourceFacts {
        source: path.display().to_string(),
        format: if gzip { "ts (gzip)" } else { "ts" }.to_owned(),
        encoding: None,
        delimiter: None,
        header: None,
        rows: 0,
        source_rows: 0,
        columns: 0,
        bytes,
        sha256,
        default_target: None,
        notes: Vec::new(),
    };
    parser.finish(facts)
}

/// What the header says.
#[derive(Debug, Default)]
struct Header {
    timestamps: bool,
    univariate: Option<bool>,
    dimensions: Option<usize>,
    equal_length: Option<bool>,
    series_length: Option<usize>,
    labels: LabelKind,
}

#[derive(Debug, Default, PartialEq)]
enum LabelKind {
    #[default]
    None,
    /// One of these; any where none are named.
    Classes(Vec<String>),
    Numbers,
}

struct Parser<'a> {
    path: &'a Path,
    limit: u64,
    header: Header,
    line: usize,
    in_data: bool,
    series: Option<SeriesSet>,
    classes: Vec<Option<String>>,
    numbers: Vec<f64>,
    /// Series whose channels have several lengths.
    ragged: usize,
    /// Readings that are numbers without size.
    endless: usize,
    /// Series whose times do not ascend.
    unordered: usize,
}

impl<'a> Parser<'a> {
    fn new(path: &'a Path, limit: u64) -> Parser<'a> {
        Parser {
            path,
            limit,
            header: Header::default(),
            line: 0,
            in_data: false,
            series: None,
            classes: Vec::new(),
            numbers: Vec::new(),
            ragged: 0,
            endless: 0,
            unordered: 0,
        }
    }

    fn fault(&self, problem: impl Into<String>, repair: &'static str) -> SequenceError {
        SequenceError::Line {
            path: self.path.to_owned(),
            line: self.line,
            problem: problem.into(),
            repair,
        }
    }

    fn content(&self, problem: impl Into<String>, repair: &'static str) -> SequenceError {
        SequenceError::Content {
            path: self.path.to_owned(),
            problem: problem.into(),
            repair,
        }
    }

    fn read(&mut self, mut from: impl BufRead) -> Result<(), SequenceError> {
        let longest = LONGEST_LINE.min(self.limit.saturating_mul(4)).max(1 << 16);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = (&mut from).take(longest);
            let read = limited.read_until(b'\n', &mut line).map_err(|source| {
                SequenceError::Unreadable {
                    path: self.path.to_owned(),
                    source,
                }
            })?;
            if read == 0 {
                return Ok(());
            }
            self.line += 1;
            if read as u64 == longest && !line.ends_with(b"\n") {
                return Err(self.fault(
                    format!("it is longer than {} MiB", longest >> 20),
                    "check that the file is of series, one a line",
                ));
            }
            let start = if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") {
                3
            } else {
                0
            };
            let Ok(text) = std::str::from_utf8(&line[start..]) else {
                return Err(self.fault(
                    "it is not text",
                    "a `.ts` file of series is text that begins with `@problemName`; save it as UTF-8",
                ));
            };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') || text.starts_with('%') {
                continue;
            }
            if self.in_data {
                self.data(text)?;
            } else {
                self.header(text)?;
            }
        }
    }

    fn header(&mut self, text: &str) -> Result<(), SequenceError> {
        const REPAIR: &str = "see the header of a file of the UCR and UEA archives: lines such as `@univariate true` and `@classLabel true a b`, \
                              then `@data`, then one series a line";
        let Some(rest) = text.strip_prefix('@') else {
            return Err(self.fault(
                format!(
                    "`{}` stands before `@data` and does not begin with `@`",
                    short(text)
                ),
                REPAIR,
            ));
        };
        let mut words = rest.split_whitespace();
        let name = words.next().unwrap_or_default().to_lowercase();
        let rest: Vec<&str> = words.collect();
        let truth = |given: Option<&&str>| match given.map(|w| w.to_lowercase()).as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let boolean = || {
            truth(rest.first()).ok_or_else(|| {
                self.fault(format!("`@{name}` is neither `true` nor `false`"), REPAIR)
            })
        };
        let count = || match rest.first().and_then(|w| w.parse::<usize>().ok()) {
            Some(count) if count > 0 => Ok(count),
            _ => Err(self.fault(format!("`@{name}` is no whole number above 0"), REPAIR)),
        };
        match name.as_str() {
            "timestamps" => self.header.timestamps = boolean()?,
            "univariate" => self.header.univariate = Some(boolean()?),
            "equallength" => self.header.equal_length = Some(boolean()?),
            "dimension" | "dimensions" => self.header.dimensions = Some(count()?),
            "serieslength" => self.header.series_length = Some(count()?),
            "classlabel" if boolean()? => {
                let classes = rest[1..].iter().map(|&class| class.to_owned());
                self.header.labels = LabelKind::Classes(classes.collect());
            }
            "targetlabel" if boolean()? => self.header.labels = LabelKind::Numbers,
            "data" => {
                if let (Some(true), Some(count @ 2..)) =
                    (self.header.univariate, self.header.dimensions)
                {
                    return Err(self.fault(
                        format!(
                            "`@univariate true` and `@dimensions {count}` contradict each other"
                        ),
                        "correct the header",
                    ));
                }
                self.in_data = true;
            }
            // `@problemName`, `@missing`, and what other writers add.
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, text: &str) -> Result<(), SequenceError> {
        let mut parts = parts(text, self.header.timestamps);
        let label = match self.header.labels {
            LabelKind::None => None,
            _ => {
                if parts.len() < 2 {
                    return Err(self.fault(
                        "there is no label behind a `:`",
                        "put the class or the number to predict behind the last `:`, or `?` where it is not known",
                    ));
                }
                parts.pop()
            }
        };
        let wanted = match self.header.univariate {
            Some(true) => Some(1),
            _ => self.header.dimensions,
        };
        let wanted = wanted.or(self.series.as_ref().map(SeriesSet::channels));
        if let Some(wanted) = wanted.filter(|&wanted| wanted != parts.len()) {
            return Err(self.fault(
                format!("it has {} channels, where {wanted} were expected", parts.len()),
                "channels are parted by `:`; give every series the same number, that of `@dimensions`",
            ));
        }
        let mut channels = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            let channel = if self.header.timestamps {
                self.stamped(part, place)?
            } else {
                self.readings(part, place)?
            };
            channels.push(channel);
        }
        let lengths = || channels.iter().map(Vec::len);
        self.ragged += usize::from(lengths().max() != lengths().min());
        let numbers = lengths().max().unwrap_or(0).saturating_mul(channels.len());
        let held = self.series.as_ref().map_or(0, SeriesSet::numbers);
        if (held.saturating_add(numbers) as u64).saturating_mul(4) > self.limit {
            return Err(SequenceError::TooLarge {
                path: self.path.to_owned(),
                limit_mib: self.limit.div_ceil(1 << 20),
            });
        }
        self.label(label)?;
        let count = channels.len();
        let series = self.series.get_or_insert_with(|| SeriesSet::new(count));
        series.push(&channels);
        Ok(())
    }

    fn label(&mut self, label: Option<&str>) -> Result<(), SequenceError> {
        let Some(label) = label else { return Ok(()) };
        let label = label.trim();
        let unknown = label.is_empty() || label == "?";
        match &self.header.labels {
            LabelKind::None => {}
            LabelKind::Numbers => {
                let number = match label.parse::<f64>() {
                    Ok(number) if number.is_finite() => number,
                    _ if unknown || label.eq_ignore_ascii_case("nan") => f64::NAN,
                    _ => {
                        return Err(self.fault(
                            format!("`{}` is no number to predict", short(label)),
                            "write the number behind the last `:`, or `?` where it is not known",
                        ));
                    }
                };
                self.numbers.push(number);
            }
            LabelKind::Classes(known) => {
                if !unknown && !known.is_empty() && !known.iter().any(|class| class == label) {
                    return Err(self.fault(
                        format!(
                            "the class `{}` is not one of `@classLabel`{}",
                            short(label),
                            did_you_mean(label, known)
                        ),
                        "correct the class, or add it to the line `@classLabel`",
                    ));
                }
                self.classes.push((!unknown).then(|| label.to_owned()));
            }
        }
        Ok(())
    }

    fn number(&mut self, text: &str, channel: usize, place: usize) -> Result<f32, SequenceError> {
        let text = text.trim();
        match text.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(value) => {
                self.endless += usize::from(!value.is_nan());
                Ok(f32::NAN)
            }
            Err(_) if text == "?" || text.is_empty() => Ok(f32::NAN),
            Err(_) => Err(self.fault(
                format!(
                    "channel {}, reading {}: `{}` is no number",
                    channel + 1,
                    place + 1,
                    short(text)
                ),
                "write numbers with a point, parted by commas, and `?` for a missing reading",
            )),
        }
    }

    fn readings(&mut self, text: &str, channel: usize) -> Result<Vec<f32>, SequenceError> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let readings = text.split(',').enumerate();
        readings
            .map(|(place, text)| self.number(text, channel, place))
            .collect()
    }

    /// Readings with their times, of which only the order counts.
    fn stamped(&mut self, text: &str, channel: usize) -> Result<Vec<f32>, SequenceError> {
        const REPAIR: &str = "with `@timestamps true` a reading is `(time,value)`; without times, say `@timestamps false`";
        let mut values = Vec::new();
        let mut rest = text.trim();
        let mut before: Option<f64> = None;
        let mut ascend = true;
        while !rest.is_empty() {
            let inside = rest.strip_prefix('(').and_then(|r| r.split_once(')'));
            let Some((pair, after)) = inside else {
                return Err(self.fault(
                    format!(
                        "channel {}: `{}` is no reading with a time",
                        channel + 1,
                        short(rest)
                    ),
                    REPAIR,
                ));
            };
            let Some((time, value)) = pair.rsplit_once(',') else {
                return Err(self.fault(
                    format!(
                        "channel {}: `({})` has no time and value",
                        channel + 1,
                        short(pair)
                    ),
                    REPAIR,
                ));
            };
            if let Ok(time) = time.trim().parse::<f64>() {
                ascend &= before.is_none_or(|before| time > before);
                before = Some(time);
            }
            let place = values.len();
            values.push(self.number(value, channel, place)?);
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        self.unordered += usize::from(!ascend);
        Ok(values)
    }

    fn finish(self, facts: SourceFacts) -> Result<ReadSeries, SequenceError> {
        if !self.in_data {
            return Err(self.content(
                "there is no line `@data`",
                "a `.ts` file of series has a header of lines that begin with `@`, the last of which is `@data`",
            ));
        }
        let Some(series) = self.series else {
            return Err(self.content(
                "there is no series behind `@data`",
                "give one series a line",
            ));
        };
        let count = series.len();
        let lengths: Vec<f64> = (0..count).map(|unit| series.length(unit) as f64).collect();
        let mut notes = Vec::new();
        let mut note = |text: String| notes.push(text);
        let shortest = lengths.iter().copied().fold(f64::INFINITY, f64::min);
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        match series.channels() {
            1 => note(format!("series of {}", span(shortest, longest))),
            channels => note(format!(
                "series of {channels} channels, {}",
                span(shortest, longest)
            )),
        }
        let says_equal = self.header.equal_length == Some(true);
        if says_equal && shortest < longest {
            note("the header says `@equalLength true`, and the lengths differ; they are taken as they are".into());
        } else if let Some(said) = self.header.series_length
            && (shortest, longest) != (said as f64, said as f64)
        {
            note(format!(
                "the header says `@seriesLength {said}`, which is not so; lengths are taken as they are"
            ));
        }
        if self.ragged > 0 {
            note(format!(
                "channels of {} series have several lengths; shorter ones end with missing readings",
                self.ragged
            ));
        }
        if self.endless > 0 {
            note(format!(
                "{} readings that are infinite count as missing",
                self.endless
            ));
        }
        if self.unordered > 0 {
            note(format!(
                "times of {} channels do not ascend; readings are taken in the order of the file",
                self.unordered
            ));
        } else if self.header.timestamps {
            note("of the times of readings only the order is used".into());
        }
        let mut columns = vec![Column {
            name: LENGTH.to_owned(),
            values: Values::Numeric(lengths),
        }];
        let target = match self.header.labels {
            LabelKind::None => None,
            LabelKind::Classes(_) => {
                columns.push(Column {
                    name: CLASS.to_owned(),
                    values: Values::texts(self.classes),
                });
                Some(CLASS.to_owned())
            }
            LabelKind::Numbers => {
                columns.push(Column {
                    name: TARGET.to_owned(),
                    values: Values::Numeric(self.numbers),
                });
                Some(TARGET.to_owned())
            }
        };
        Ok(ReadSeries {
            series,
            facts: SourceFacts {
                rows: count,
                source_rows: count,
                columns: columns.len(),
                default_target: target,
                notes,
                ..facts
            },
            table: Table { columns },
        })
    }
}

fn span(shortest: f64, longest: f64) -> String {
    if shortest == longest {
        format!("{longest} readings")
    } else {
        format!("{shortest} to {longest} readings")
    }
}

/// Parts between colons; with timestamps, colons in parentheses belong to the time.
fn parts(text: &str, timestamps: bool) -> Vec<&str> {
    if !timestamps {
        return text.split(':').collect();
    }
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => inside = true,
            b')' => inside = false,
            b':' if !inside => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The beginning of a text, for messages.
fn short(text: &str) -> String {
    const SHOWN: usize = 24;
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .filter(|c| !c.is_control())
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}
