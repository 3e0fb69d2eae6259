//! Data before any network sees them: readers by format, type inference, curation and splits.

mod date;
mod error;
mod read;
mod source;
mod table;

pub use date::{DateOrder, parse_date, parse_date_in, time_values};
pub use error::DataError;
pub use source::{
    DEFAULT_MISSING, HeaderFact, Read, ReadOptions, Source, SourceFacts, builtin_names, read_table,
};
pub use table::{Column, ColumnKind, ColumnSchema, Role, Schema, Table, Values};
fn check_names() -> Vec<&'static str> {
    Vec::new()
}
