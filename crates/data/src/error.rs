use std::io;
use std::path::PathBuf;

use candor_core::{Hints, Task};
use thiserror::Error;

/// What stops data from being read, understood or split.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// `@name` is not a built-in set.
    #[error("no built-in data set is called `@{name}`{suggestion}")]
    UnknownBuiltin {
        /// What was asked for, without `@`.
        name: String,
        /// `; did you mean ...?`, or empty.
        suggestion: String,
    },
    /// Nothing lies at the path.
    #[error("`{}` does not exist{suggestion}", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
        /// `; did you mean ...?`, or empty.
        suggestion: String,
    },
    /// A folder where one file was needed.
    #[error("`{}` is a folder, not a table", path.display())]
    IsDirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// The file cannot be opened or read to its end.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A known format that is not a table for us.
    #[error("`{}` is {what}, which is not a table that can be read here", path.display())]
    UnsupportedFormat {
        /// The path as given.
        path: PathBuf,
        /// The format, with its article.
        what: &'static str,
    },
    /// No bytes, or only blank lines.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The path as given.
        path: PathBuf,
    },
    /// Column names without rows.
    #[error("`{}` has a header of {columns} columns and no rows", path.display())]
    HeaderOnly {
        /// The path as given.
        path: PathBuf,
        /// Names in the header.
        columns: usize,
    },
    /// Bytes that no text has.
    #[error("`{}` is not text: {detail}", path.display())]
    Binary {
        /// The path as given.
        path: PathBuf,
        /// What was seen and where.
        detail: String,
    },
    /// A quotation mark that is never closed.
    #[error("`{}`, row {row}: a quotation mark opens here and is not closed", path.display())]
    UnclosedQuote {
        /// The path as given.
        path: PathBuf,
        /// Row of data, from 1.
        row: usize,
    },
    /// Too many rows have another number of cells than the table has columns.
    #[error(
        "`{}`: {ragged} of {rows} rows do not have {expected} cells (first: row {first_row}, {first_cells} cells)",
        path.display()
    )]
    Ragged {
        /// The path as given.
        path: PathBuf,
        /// Rows of another width.
        ragged: usize,
        /// Rows in all.
        rows: usize,
        /// Columns of the table.
        expected: usize,
        /// The first such row, from 1.
        first_row: usize,
        /// Its cells.
        first_cells: usize,
    },
    /// The text cannot be cut into cells.
    #[error("`{}` cannot be read as delimited text", path.display())]
    Csv {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// The file claims to be Parquet and cannot be decoded.
    #[error("`{}` cannot be read as Parquet", path.display())]
    Parquet {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// The file claims to be Arrow IPC (or Arrow data inside Parquet) and cannot be decoded.
    #[error("`{}` cannot be read as Arrow", path.display())]
    Arrow {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: arrow_schema::ArrowError,
    },
    /// The file claims to be HDF5, and no table can be had from it.
    #[error("`{}` cannot be read as HDF5: {problem}", path.display())]
    Hdf5 {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The decoder gave up on damaged contents.
    #[error("`{}` is damaged: its {format} decoder gave up", path.display())]
    Damaged {
        /// The path as given.
        path: PathBuf,
        /// The format.
        format: &'static str,
    },
    /// The file has columns, and none can be used.
    #[error("`{}` has no column of numbers, texts or dates", path.display())]
    NoColumns {
        /// The path as given.
        path: PathBuf,
    },
    /// A named column is absent.
    #[error("there is no column `{column}` (asked for by {wanted_by}){suggestion}")]
    UnknownColumn {
        /// The name.
        column: String,
        /// The option that names it.
        wanted_by: &'static str,
        /// `; did you mean ...?`, or empty.
        suggestion: String,
        /// The columns there are.
        known: Vec<String>,
    },
    /// One column was given two roles.
    #[error("column `{column}` cannot be both {first} and {second}")]
    RoleConflict {
        /// The column.
        column: String,
        /// One role.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A set that a package of the operating system would bring.
    #[error("`@{name}` is not installed: there is no `{}`", folder.display())]
    NotInstalled {
        /// What was asked for, without `@`.
        name: String,
        /// The Debian package.
        package: String,
        /// Where it puts the set.
        folder: PathBuf,
    },
    /// A built-in set of pictures where a table was needed.
    #[error("`@{name}` holds pictures, not a table")]
    BuiltinPictures {
        /// What was asked for, without `@`.
        name: String,
    },
    /// No picture file.
    #[error("there are no pictures in `{}`{}", path.display(), passed_over(*others))]
    NoPictures {
        /// The path as given.
        path: PathBuf,
        /// Files that are no pictures.
        others: usize,
    },
    /// Pictures to learn from, without classes.
    #[error("nothing says which classes the pictures of `{}` belong to", path.display())]
    NoClasses {
        /// The path as given.
        path: PathBuf,
    },
    /// Pictures of one class.
    #[error("all pictures of `{}` are of one class, `{class}`: there is nothing to tell apart", path.display())]
    OneClass {
        /// The path as given.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Too many pictures, or any where none may be, cannot be read.
    #[error("{corrupt} of {pictures} pictures of `{}` cannot be read: {examples}", path.display())]
    CorruptPictures {
        /// The path as given.
        path: PathBuf,
        /// Pictures that cannot be read.
        corrupt: usize,
        /// Pictures in all.
        pictures: usize,
        /// The first ten, each with the reason.
        examples: String,
        /// Whether they are too many whatever the policy.
        too_many: bool,
    },
    /// An IDX file that is not what it says.
    #[error("`{}` cannot be read as IDX: {detail}", path.display())]
    Idx {
        /// The path as given.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A tar archive that cannot be unpacked.
    #[error("`{}` cannot be read as a tar archive", path.display())]
    Archive {
        /// The path as given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No column can be predicted.
    #[error("no column can serve as target: {reason}")]
    NoTarget {
        /// Why.
        reason: String,
    },
    /// The target has no values at all.
    #[error("target `{column}` has no usable value in any of {rows} rows")]
    TargetMissing {
        /// The column.
        column: String,
        /// Rows of the table.
        rows: usize,
    },
    /// The target has one value only.
    #[error("target `{column}` is always `{value}`: there is nothing to learn")]
    ConstantTarget {
        /// The column.
        column: String,
        /// Its value.
        value: String,
    },
    /// A target of text in which nearly every row is its own class.
    #[error(
        "target `{column}` has {classes} classes in {rows} rows: too few rows a class to learn from"
    )]
    TooManyClasses {
        /// The column.
        column: String,
        /// Distinct values.
        classes: usize,
        /// Rows with a value.
        rows: usize,
    },
    /// The asked task does not fit the target.
    #[error("task `{task}` does not fit target `{column}`: {reason}")]
    TaskMismatch {
        /// The task.
        task: Task,
        /// The column.
        column: String,
        /// Why.
        reason: String,
    },
    /// Several targets that are neither all labels nor all numbers.
    #[error("the targets do not make one task: {reason}")]
    MixedTargets {
        /// What does not go together.
        reason: String,
    },
    /// A class that was not among those learned.
    #[error("target `{column}`, row {row}: class `{class}` is not one of {}", known.join(", "))]
    UnknownClass {
        /// The column.
        column: String,
        /// The class found.
        class: String,
        /// Row of data, from 1.
        row: usize,
        /// The classes known.
        known: Vec<String>,
    },
    /// No check has that name.
    #[error("there is no check called `{name}`{suggestion}")]
    UnknownCheck {
        /// The name.
        name: String,
        /// `; did you mean ...?`, or empty.
        suggestion: String,
    },
    /// Not enough rows to split.
    #[error("{rows} rows with a target: at least {needed} are needed")]
    TooFewRows {
        /// Rows there are.
        rows: usize,
        /// Rows needed.
        needed: usize,
    },
    /// Each class has one row besides the test part.
    #[error(
        "of the {rows} rows besides the test part none can be held out to choose on: no class has two of them"
    )]
    NothingToValidate {
        /// Rows besides the test part.
        rows: usize,
    },
    /// Not enough groups to split.
    #[error("the rows form {groups} groups: at least {needed} are needed so that no group is cut")]
    TooFewGroups {
        /// Groups there are.
        groups: usize,
        /// Groups needed.
        needed: usize,
    },
    /// Not enough distinct moments to split.
    #[error("the rows lie at {moments} distinct moments: too few to put a later part aside")]
    TooFewMoments {
        /// Distinct moments.
        moments: usize,
    },
    /// The rule needs something that was not given.
    #[error("a {rule} split needs {needs}")]
    SplitNeeds {
        /// The rule.
        rule: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// An option is outside its range.
    #[error("`{option}` is {value}: it must be {allowed}")]
    OutOfRange {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl Hints for DataError {
    fn hints(&self) -> Vec<String> {
        match self {
            DataError::UnknownBuiltin { .. } => vec![format!(
                "built in are {}, and pictures {}; a path to a file is written without `@`",
                crate::builtin_names().map(|n| format!("`@{n}`")).join(", "),
                crate::image_builtin_names()
                    .map(|n| format!("`@{n}`"))
                    .join(", ")
            )],
            DataError::NotFound { .. } => {
                hint("check the path; built-in data sets are written with `@`, as in `@iris`")
            }
            DataError::IsDirectory { .. } => {
                hint("name one file inside it: .csv, .tsv, .csv.gz, .parquet, .arrow or .feather")
            }
            DataError::Unreadable { .. } => {
                hint("check that you may read the file and that it was copied whole")
            }
            DataError::UnsupportedFormat { .. } => {
                hint("save the table as CSV or Parquet and name that file")
            }
            DataError::Empty { .. } => hint("check that the file was written and copied whole"),
            DataError::HeaderOnly { .. } => hint(
                "check that the export contains rows; if the only line is data, pass `--header false`",
            ),
            DataError::Binary { .. } => hint(
                "save the table as CSV in UTF-8 or as Parquet; if it is compressed, use gzip (.csv.gz)",
            ),
            DataError::UnclosedQuote { .. } => {
                hint("close the quotation mark there, or double it where it belongs to the text")
            }
            DataError::Ragged { .. } => hint(
                "if the delimiter was guessed wrong, name it with `--delimiter`; otherwise quote cells that contain it",
            ),
            DataError::Csv { .. } => hint("check the row that the cause names"),
            DataError::Hdf5 { .. } => hint(
                "read are data frames that pandas wrote with `to_hdf(..., format=\"fixed\")`, plain or packed by zlib, and plain data sets; \
                 else save the table as CSV or Parquet",
            ),
            DataError::Parquet { .. } | DataError::Arrow { .. } | DataError::Damaged { .. } => {
                hint(
                    "write or copy the file again; compression may be none, Snappy, gzip or LZ4 (Arrow: none or LZ4)",
                )
            }
            DataError::NoColumns { .. } => {
                hint("flatten lists, structs and binary columns before saving the table")
            }
            DataError::UnknownColumn { known, .. } => {
                vec![format!("the columns are {}", listed(known))]
            }
            DataError::RoleConflict { .. } => hint("give each column one role"),
            DataError::NotInstalled { package, .. } => vec![format!(
                "install the package (`apt install {package}`), or name a folder that holds the set's files"
            )],
            DataError::BuiltinPictures { .. } => {
                hint("name a table here, or use it where pictures are read")
            }
            DataError::NoPictures { .. } => {
                hint("pictures are read from PNG, JPEG, TIFF, BMP, GIF and WebP files")
            }
            DataError::NoClasses { .. } => hint(
                "put the pictures of each class into a folder of its name, or name files and classes in a CSV; IDX pictures need the file of their labels beside them",
            ),
            DataError::OneClass { .. } => hint(
                "add a folder of pictures of another class; name the folder that holds the class folders, not one of them",
            ),
            DataError::CorruptPictures { too_many, .. } => hint(if *too_many {
                "so many are no accident: check that the files were copied whole and are pictures"
            } else {
                "copy or remove these files, or let unreadable pictures be left out"
            }),
            DataError::Idx { .. } | DataError::Archive { .. } => {
                hint("copy or download the file again")
            }
            DataError::NoTarget { .. } => hint("name the column to predict with `--target`"),
            DataError::TargetMissing { .. } => hint(
                "choose another target with `--target`, or check the markers of missing values",
            ),
            DataError::ConstantTarget { .. } => {
                hint("choose another target with `--target`, or add rows with other outcomes")
            }
            DataError::TooManyClasses { .. } => hint(
                "choose another target with `--target`, or merge classes; if it holds numbers, clean it so that every value is one",
            ),
            DataError::TaskMismatch { .. } => {
                hint("leave `--task` out to let it follow from the data")
            }
            DataError::MixedTargets { .. } => hint(
                "predict labels (columns of the same two values each) in one run and numbers in another; columns of numbers alone \
                 are predicted as numbers, whatever they hold, with `--task regression`",
            ),
            DataError::UnknownClass { .. } => {
                hint("correct the row, or fit again on data that contain this class")
            }
            DataError::UnknownCheck { .. } => vec![format!(
                "the checks are {}",
                listed(
                    &crate::check_names()
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                )
            )],
            DataError::TooFewRows { .. } => hint("add rows: nothing can be tested on so few"),
            DataError::NothingToValidate { .. } => hint("add rows, or lower `--test-share`"),
            DataError::TooFewGroups { .. } => {
                hint("choose a finer group column, or leave `--group` out if rows are independent")
            }
            DataError::TooFewMoments { .. } => {
                hint("choose a finer time column, or leave `--time-column` out")
            }
            DataError::SplitNeeds { .. } => hint("give it, or choose another split"),
            DataError::OutOfRange { .. } => hint("change the option"),
        }
    }
}

fn passed_over(others: usize) -> String {
    match others {
        0 => String::new(),
        _ => format!("; {others} files are no pictures"),
    }
}

fn hint(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

/// At most twenty names in backticks, then how many more.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
