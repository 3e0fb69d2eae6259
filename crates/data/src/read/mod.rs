//! One reader a format, and what they share.

pub(crate) mod arrow_columns;
pub(crate) mod arrow_ipc;
pub(crate) mod builtin;
pub(crate) mod delimited;
pub(crate) mod dialect;
pub(crate) mod fingerprint;
pub(crate) mod format;
pub(crate) mod hdf5;
pub(crate) mod names;
pub(crate) mod number;
pub(crate) mod parquet;
pub(crate) mod profile;
pub(crate) mod text_column;
pub(crate) mod text_file;
pub(crate) mod thinning;
pub(crate) mod unit;

pub(crate) use format::FileFormat;
