//! Data before any network sees them: readers by format, type inference, curation and splits.

mod arrays;
mod curate;
mod date;
mod error;
mod folders;
mod image;
mod infer;
mod read;
mod source;
mod split;
mod table;
mod target;
mod write;

pub use arrays::{Array, ArrayValues, array_names, hdf5_shapes, is_hdf5_name, read_arrays};
pub use curate::{CurateOptions, Curation, check_names, curate, duplicates_across};
pub use date::{DateOrder, moment_text, parse_date, parse_date_in, time_values};
pub use error::DataError;
pub use folders::{FileInFolder, FilesInFolders, files_in_folders, part_named};
pub use image::{
    CorruptPolicy, ImageOptions, ImageSize, ImageSource, Images, ReadImages, curate_images,
    image_builtin_names, read_images,
};
pub use infer::{SchemaOptions, infer_schema};
pub use read::fingerprint::fingerprint_bytes;
pub use read::number::number_of;
pub use source::{
    DEFAULT_MISSING, HeaderFact, Read, ReadOptions, Source, SourceFacts, builtin_names, read_table,
};
pub use split::{Fold, Split, SplitOptions, SplitRule, split};
pub use table::{Column, ColumnKind, ColumnSchema, Role, Schema, Table, Values};
pub use target::{EncodedTargets, TargetDecision, decide_target, encode_targets};
pub use write::{csv_bytes, parquet_bytes};
