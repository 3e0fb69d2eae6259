use std::path::Path;

use csv::StringRecord;

use super::dialect::{Dialect, Separator};
use super::names::unique_names;
use super::number::NumberForm;
use super::profile::{ColumnProfile, ColumnType};
use super::text_column::TextColumn;
use super::text_file::TextFile;
use super::thinning::Thinning;
use crate::DataError;
use crate::source::{MissingMarkers, Read, ReadOptions, SourceFacts};
use crate::table::{Column, Table, Values, choose_columns};

/// Share of rows of another width above which the delimiter is rather wrong than the rows.
const RAGGED_LIMIT: f64 = 0.05;
/// Line ends inside one quoted cell above which the quotation mark is taken as never closed.
const LINES_IN_CELL: usize = 1000;

/// Reads delimited text in three passes, none of which holds the cells as text: bytes (encoding,
/// fingerprint), types, and values into typed columns.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Read, DataError> {
    let file = TextFile::inspect(path)?;
    let markers = MissingMarkers::new(&options.missing);
    let dialect = Dialect::detect(file.open()?, path, options, &markers)?;
    let mut notes = Vec::new();
    let text = DelimitedText {
        path,
        file: &file,
        dialect: &dialect,
        markers: &markers,
    };
    let mut records = text.records()?;
    let names = unique_names(records.take_names(dialect.width), &mut notes);
    let chosen = choose_columns(&names, options.columns.as_deref())?;
    let survey = text.survey(records, &chosen)?;
    if dialect.header.found && survey.rows == 0 {
        return Err(DataError::HeaderOnly {
            path: path.to_owned(),
            columns: dialect.width,
        });
    }
    survey
        .ragged
        .judge(path, survey.rows, dialect.width, &mut notes)?;
    let european = dialect.separator == Separator::Character(b';');
    let mut kinds = Vec::with_capacity(chosen.len());
    let mut bytes = 0;
    for (profile, &column) in survey.profiles.iter().zip(&chosen) {
        let (kind, note) = profile.decide(&names[column], european);
        notes.extend(note);
        bytes += profile.bytes(kind, survey.rows);
        kinds.push(kind);
    }
    let thinning = Thinning::to_fit(survey.rows, bytes, options.table_bytes(), &mut notes);
    let table = text.fill(&names, &chosen, &kinds, thinning)?;
    let facts = SourceFacts {
        format: if file.gzip { "csv (gzip)" } else { "csv" }.to_owned(),
        encoding: Some(file.encoding_name()),
        delimiter: match dialect.separator {
            Separator::Character(c) => Some(char::from(c)),
            Separator::Blanks => None,
        },
        header: Some(dialect.header.clone()),
        source_rows: survey.rows + survey.ragged.count,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        notes,
        ..SourceFacts::default()
    };
    Ok(Read { table, facts })
}

/// A text whose dialect is known.
struct DelimitedText<'a> {
    path: &'a Path,
    file: &'a TextFile,
    dialect: &'a Dialect,
    markers: &'a MissingMarkers,
}

/// What the pass over all cells tells.
struct Survey {
    rows: usize,
    profiles: Vec<ColumnProfile>,
    ragged: Ragged,
}

impl DelimitedText<'_> {
    fn records(&self) -> Result<Records<'_>, DataError> {
        let mut records = Records {
            path: self.path,
            reader: self.dialect.separator.reader(self.file.open()?),
            record: StringRecord::new(),
            width: self.dialect.width,
            rows: 0,
            ragged: Ragged::default(),
            names: None,
        };
        if self.dialect.header.found {
            records.read_header(self.dialect.header_lacks_first)?;
        }
        Ok(records)
    }

    fn survey(&self, mut records: Records<'_>, chosen: &[usize]) -> Result<Survey, DataError> {
        let mut profiles: Vec<ColumnProfile> =
            chosen.iter().map(|_| ColumnProfile::default()).collect();
        let mut row = 0;
        while records.advance()? {
            for (profile, &column) in profiles.iter_mut().zip(chosen) {
                let cell = &records.record[column];
                check_closed(cell, row + 1, self.path)?;
                profile.take(row, cell.trim(), self.markers);
            }
            row += 1;
        }
        Ok(Survey {
            rows: row,
            profiles,
            ragged: records.ragged,
        })
    }

    fn fill(
        &self,
        names: &[String],
        chosen: &[usize],
        kinds: &[ColumnType],
        thinning: Thinning,
    ) -> Result<Table, DataError> {
        let mut columns: Vec<Filling> = kinds
            .iter()
            .map(|&kind| Filling::new(kind, thinning.kept()))
            .collect();
        let mut records = self.records()?;
        let mut row = 0;
        while records.advance()? {
            if thinning.keeps(row) {
                for (column, &at) in columns.iter_mut().zip(chosen) {
                    column.push(records.record[at].trim(), self.markers);
                }
            }
            row += 1;
        }
        let columns = columns
            .into_iter()
            .zip(chosen)
            .map(|(filling, &at)| Column {
                name: names[at].clone(),
                values: filling.finish(),
            });
        Ok(Table {
            columns: columns.collect(),
        })
    }
}

/// A typed column being filled.
enum Filling {
    Number(NumberForm, Vec<f64>),
    Text(TextColumn),
}

impl Filling {
    fn new(kind: ColumnType, rows: usize) -> Filling {
        match kind {
            ColumnType::Number(form) => Filling::Number(form, Vec::with_capacity(rows)),
            ColumnType::Text => Filling::Text(TextColumn::with_capacity(rows)),
        }
    }

    fn push(&mut self, cell: &str, markers: &MissingMarkers) {
        let present = Some(cell).filter(|cell| !markers.contains(cell));
        match self {
            Filling::Number(form, values) => {
                let value = present.and_then(|cell| form.parse(cell));
                values.push(value.unwrap_or(f64::NAN));
            }
            Filling::Text(column) => column.push(present),
        }
    }

    fn finish(self) -> Values {
        match self {
            Filling::Number(_, values) => Values::Numeric(values),
            Filling::Text(column) => column.finish(),
        }
    }
}

/// The rows of full width, one at a time; others are counted and skipped.
struct Records<'a> {
    path: &'a Path,
    reader: csv::Reader<Box<dyn std::io::Read>>,
    record: StringRecord,
    width: usize,
    /// Rows seen after the header, ragged ones included.
    rows: usize,
    ragged: Ragged,
    names: Option<Vec<String>>,
}

impl Records<'_> {
    fn read(&mut self) -> Result<bool, DataError> {
        self.reader
            .read_record(&mut self.record)
            .map_err(|source| DataError::Csv {
                path: self.path.to_owned(),
                source,
            })
    }

    /// Takes the first row that is as wide as a header must be.
    fn read_header(&mut self, lacks_first: bool) -> Result<(), DataError> {
        let width = self.width - usize::from(lacks_first);
        while self.read()? {
            if self.record.len() == width {
                let first = lacks_first.then(|| "row_name".to_owned());
                let names = self.record.iter().map(str::to_owned);
                self.names = Some(first.into_iter().chain(names).collect());
                break;
            }
            self.ragged.before_header += 1;
        }
        Ok(())
    }

    fn take_names(&mut self, width: usize) -> Vec<String> {
        let made = || (1..=width).map(|i| format!("c{i}")).collect();
        self.names.take().unwrap_or_else(made)
    }

    /// Moves on to the next row of full width; `false` at the end.
    fn advance(&mut self) -> Result<bool, DataError> {
        while self.read()? {
            self.rows += 1;
            if self.record.len() == self.width {
                return Ok(true);
            }
            for cell in &self.record {
                check_closed(cell, self.rows, self.path)?;
            }
            self.ragged.add(self.rows, self.record.len());
        }
        Ok(false)
    }
}

/// A cell that swallowed many lines began with a quotation mark that is not closed.
fn check_closed(cell: &str, row: usize, path: &Path) -> Result<(), DataError> {
    let long = cell.len() > LINES_IN_CELL;
    if long && cell.bytes().filter(|&b| b == b'\n').count() > LINES_IN_CELL {
        return Err(DataError::UnclosedQuote {
            path: path.to_owned(),
            row,
        });
    }
    Ok(())
}

/// Rows of another width.
#[derive(Debug, Default)]
struct Ragged {
    count: usize,
    before_header: usize,
    /// Row (from 1) and cells of the first few.
    first: Vec<(usize, usize)>,
}

impl Ragged {
    fn add(&mut self, row: usize, cells: usize) {
        const SHOWN: usize = 5;
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push((row, cells));
        }
    }

    /// An error when there are too many, else notes.
    fn judge(
        &self,
        path: &Path,
        rows: usize,
        expected: usize,
        notes: &mut Vec<String>,
    ) -> Result<(), DataError> {
        if self.before_header > 0 {
            notes.push(format!(
                "{} lines before the header were skipped",
                self.before_header
            ));
        }
        let Some(&(first_row, first_cells)) = self.first.first() else {
            return Ok(());
        };
        let all = rows + self.count;
        // A single bad row in a tiny file is still a single bad row.
        if rows == 0 || (self.count > 1 && self.count as f64 > RAGGED_LIMIT * all as f64) {
            return Err(DataError::Ragged {
                path: path.to_owned(),
                ragged: self.count,
                rows: all,
                expected,
                first_row,
                first_cells,
            });
        }
        let shown: Vec<String> = self
            .first
            .iter()
            .map(|(row, cells)| format!("row {row} has {cells}"))
            .collect();
        notes.push(format!(
            "{} of {all} rows do not have {expected} cells and were skipped ({}); rows are numbered without them",
            self.count,
            shown.join(", ")
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{Source, read_table};

    fn read_text(text: &str, options: &ReadOptions) -> Result<Read, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        read_table(&Source::File(path), options)
    }

    fn numbers(read: &Read, column: &str) -> Vec<f64> {
        match &read.table.column(column).unwrap().values {
            Values::Numeric(values) => values.clone(),
            text => panic!("{column} is {text:?}"),
        }
    }

    #[test]
    fn columns_get_their_types() {
        let text = "age,name,when\n31,\"Doe, Jane\",2024-01-02\n,Bob,?\n4e1, Eve ,2024-01-04\n";
        let read = read_text(text, &ReadOptions::default()).unwrap();
        let ages = numbers(&read, "age");
        assert_eq!((ages[0], ages[1].is_nan(), ages[2]), (31.0, true, 40.0));
        let name = &read.table.column("name").unwrap().values;
        assert_eq!(name.text(0).unwrap(), "Doe, Jane");
        assert_eq!(name.text(2).unwrap(), "Eve");
        assert!(read.table.column("when").unwrap().values.is_missing(1));
        assert_eq!((read.facts.rows, read.facts.columns), (3, 3));
        assert!(read.facts.header.unwrap().found);
    }

    #[test]
    fn files_without_header_and_with_decimal_commas() {
        let read = read_text("1,5;a\n1.002,5;b\n", &ReadOptions::default()).unwrap();
        assert_eq!(numbers(&read, "c1"), [1.5, 1002.5]);
        assert!(
            read.facts.notes[0].contains("1.234,5"),
            "{:?}",
            read.facts.notes
        );
    }

    #[test]
    fn numbers_with_units_are_numbers() {
        let text = "$12.50,45.3%,3 kg\n\"$1,200\",0,2.5 kg\n,7%,800 g\n";
        let read = read_text(text, &ReadOptions::default()).unwrap();
        // The first row is no header, since the others hold numbers, too.
        let prices = numbers(&read, "c1");
        assert_eq!(prices[..2], [12.5, 1200.0]);
        assert!(prices[2].is_nan());
        assert_eq!(numbers(&read, "c2"), [45.3, 0.0, 7.0]);
        let mixed = &read.table.column("c3").unwrap().values;
        assert_eq!(mixed.text(2).unwrap(), "800 g");
        let notes = read.facts.notes.join("\n");
        assert!(
            notes.contains("the unit `$`") && notes.contains("the unit `%`"),
            "{notes}"
        );
    }

    #[test]
    fn few_ragged_rows_are_skipped_and_many_are_an_error() {
        let mut text = "a,b\n".to_owned();
        for i in 0..60 {
            text += &format!("{i},{i}\n");
            if i == 9 {
                text += "1,2,3\n";
            }
        }
        let read = read_text(&text, &ReadOptions::default()).unwrap();
        assert_eq!((read.facts.rows, read.facts.source_rows), (60, 61));
        assert!(
            read.facts.notes[0].contains("row 11 has 3"),
            "{:?}",
            read.facts.notes
        );
        let text = "a,b\n1,2\n3\n4,5\n6\n7,8\n";
        let error = read_text(text, &ReadOptions::default()).unwrap_err();
        assert!(
            matches!(
                error,
                DataError::Ragged {
                    ragged: 2,
                    rows: 5,
                    first_row: 2,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn hostile_files_are_errors() {
        let check = |text: &str| read_text(text, &ReadOptions::default());
        assert!(matches!(check(""), Err(DataError::Empty { .. })));
        assert!(matches!(
            check("a,b,c\n"),
            Err(DataError::HeaderOnly { columns: 3, .. })
        ));
        let open = format!("a,b\n1,2\n\"3,4\n{}", "5,6\n".repeat(2000));
        assert!(matches!(
            check(&open),
            Err(DataError::Ragged { .. } | DataError::UnclosedQuote { .. })
        ));
    }

    #[test]
    fn only_chosen_columns_are_read_and_unknown_ones_are_suggested() {
        let options = ReadOptions {
            columns: Some(vec!["weight".to_owned()]),
            ..ReadOptions::default()
        };
        let read = read_text("height,weight\n1,2\n", &options).unwrap();
        assert_eq!(read.table.columns.len(), 1);
        let options = ReadOptions {
            columns: Some(vec!["wieght".to_owned()]),
            ..ReadOptions::default()
        };
        let error = read_text("height,weight\n1,2\n", &options).unwrap_err();
        assert!(error.to_string().contains("`weight`"), "{error}");
    }

    #[test]
    fn a_table_above_its_memory_is_thinned_and_says_so() {
        let mut text = "x\n".to_owned();
        for i in 0..1000 {
            text += &format!("{i}\n");
        }
        let options = ReadOptions {
            memory_bytes: Some(16_000),
            ..ReadOptions::default()
        };
        let read = read_text(&text, &options).unwrap();
        assert_eq!(read.facts.rows, 500);
        assert_eq!(read.facts.source_rows, 1000);
        assert_eq!(numbers(&read, "x")[..3], [1.0, 3.0, 5.0]);
        assert!(
            read.facts.notes[0].contains("500 evenly spaced rows of 1000"),
            "{:?}",
            read.facts.notes
        );
    }

    #[test]
    fn gzip_gives_the_same_table() {
        let text = "a,b\n1,x\n2,y\n";
        let plain = read_text(text, &ReadOptions::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv.gz");
        let file = std::fs::File::create(&path).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let packed = read_table(&Source::File(path), &ReadOptions::default()).unwrap();
        assert_eq!(packed.table, plain.table);
        assert_ne!(packed.facts.sha256, plain.facts.sha256);
    }

    #[test]
    fn leading_zeros_and_a_mark_in_one_file() {
        let text = "zip,pay\n01234,\"1,200\"\n90210,\"12,000.5\"\n";
        let read = read_text(text, &ReadOptions::default()).unwrap();
        assert_eq!(
            read.table.column("zip").unwrap().values.text(0).unwrap(),
            "01234"
        );
        assert_eq!(numbers(&read, "pay"), [1200.0, 12000.5]);
        assert_eq!(read.facts.notes.len(), 2);
    }

    #[test]
    fn a_text_with_a_preamble_is_read() {
        let text = "report of May\nx,y\n1,2\n3,4\n5,6\n";
        let read = read_text(text, &ReadOptions::default()).unwrap();
        assert_eq!(numbers(&read, "y"), [2.0, 4.0, 6.0]);
        assert!(read.facts.notes[0].contains("before the header"));
    }
}
