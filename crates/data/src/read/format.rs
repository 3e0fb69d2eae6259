use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::DataError;

/// The formats that are read from files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    /// CSV, TSV and their kin, plain or gzip.
    Delimited,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC file, also called Feather version 2.
    ArrowFile,
    /// Arrow IPC stream.
    ArrowStream,
    /// HDF5.
    Hdf5,
}

/// First bytes of formats that people hand over by mistake.
const FOREIGN: [(&[u8], &str); 11] = [
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"FEA1", "a Feather file of version 1"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x93NUMPY", "a NumPy array"),
];

impl FileFormat {
    /// Tells the format by the first bytes.
    pub(crate) fn of(path: &Path) -> Result<FileFormat, DataError> {
        let unreadable = |source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut first = Vec::with_capacity(16);
        let file = File::open(path).map_err(unreadable)?;
        file.take(16).read_to_end(&mut first).map_err(unreadable)?;
        if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Err(DataError::UnsupportedFormat {
                path: path.to_owned(),
                what,
            });
        }
        Ok(if first.starts_with(b"PAR1") {
            FileFormat::Parquet
        } else if first.starts_with(b"ARROW1") {
            FileFormat::ArrowFile
        } else if first.starts_with(&[0xff; 4]) {
            // The continuation marker with which every encapsulated message begins.
            FileFormat::ArrowStream
        } else if first.starts_with(b"\x89HDF\r\n\x1a\n") {
            FileFormat::Hdf5
        } else {
            match path.extension().and_then(|e| e.to_str()) {
                Some("parquet") => FileFormat::Parquet,
                Some("arrow" | "feather") => FileFormat::ArrowFile,
                Some("h5" | "hdf5") => FileFormat::Hdf5,
                _ => FileFormat::Delimited,
            }
        })
    }
}
