//! Data before any network sees them: readers by format, type inference, curation and splits.

mod table;

pub use table::{Column, ColumnKind, ColumnSchema, Role, Schema, Table, Values};
