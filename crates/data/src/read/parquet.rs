use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use super::arrow_columns::ArrowColumns;
use super::fingerprint::fingerprint;
use super::thinning::Thinning;
use crate::DataError;
use crate::source::{Read, ReadOptions, SourceFacts};

/// Reads Apache Parquet, batch by batch.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Read, DataError> {
    let (bytes, sha256) = fingerprint(path)?;
    if bytes == 0 {
        return Err(DataError::Empty {
            path: path.to_owned(),
        });
    }
    // The decoder checks most of what it reads and indexes by the rest: damage may end in a panic.
    let mut read =
        catch_unwind(AssertUnwindSafe(|| decode(path, options))).unwrap_or_else(|_| {
            Err(DataError::Damaged {
                path: path.to_owned(),
                format: "Parquet",
            })
        })?;
    read.facts.bytes = bytes;
    read.facts.sha256 = sha256;
    Ok(read)
}

fn decode(path: &Path, options: &ReadOptions) -> Result<Read, DataError> {
    let file = File::open(path).map_err(|source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |source| DataError::Parquet {
        path: path.to_owned(),
        source,
    };
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(damaged)?;
    let mut columns = ArrowColumns::choose(metadata.schema(), options)?;
    if columns.indices.is_empty() {
        return Err(DataError::NoColumns {
            path: path.to_owned(),
        });
    }
    let groups = metadata.metadata();
    let rows = usize::try_from(groups.file_metadata().num_rows()).unwrap_or(0);
    let mask = ProjectionMask::roots(
        groups.file_metadata().schema_descr(),
        columns.indices.iter().copied(),
    );
    let encoded: u64 = groups
        .row_groups()
        .iter()
        .flat_map(|group| group.columns().iter().enumerate())
        .filter(|(leaf, _)| mask.leaf_included(*leaf))
        .map(|(_, chunk)| chunk.uncompressed_size().max(0).unsigned_abs())
        .fold(0, u64::saturating_add);
    // Distinct texts are at most what is encoded.
    let size = columns.bytes(rows).saturating_add(encoded);
    let mut notes = std::mem::take(&mut columns.notes);
    let thinning = Thinning::to_fit(rows, size, options.table_bytes(), &mut notes);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .build()
        .map_err(damaged)?;
    let mut filling = columns.filling(options);
    for batch in reader {
        let batch = batch.map_err(|source| DataError::Arrow {
            path: path.to_owned(),
            source,
        })?;
        filling.push(&batch, thinning);
    }
    let source_rows = filling.rows();
    let table = filling.finish(&mut notes);
    if source_rows == 0 {
        return Err(DataError::HeaderOnly {
            path: path.to_owned(),
            columns: table.columns.len(),
        });
    }
    let facts = SourceFacts {
        format: "parquet".to_owned(),
        source_rows,
        notes,
        ..SourceFacts::default()
    };
    Ok(Read { table, facts })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int8Type;
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
        Float32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    };
    use parquet::arrow::ArrowWriter;
    use parquet::basic::Compression;
    use parquet::file::properties::WriterProperties;

    use super::*;
    use crate::{Source, Values, read_table};

    fn batch() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "count",
                Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)])),
            ),
            ("ratio", Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5]))),
            (
                "name",
                Arc::new(StringArray::from(vec![Some(" ann"), Some("NA"), None])),
            ),
            (
                "city",
                Arc::new(
                    ["rome", "oslo", "rome"]
                        .into_iter()
                        .collect::<DictionaryArray<Int8Type>>(),
                ),
            ),
            ("ok", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("day", Arc::new(Date32Array::from(vec![0, 19_786, -1]))),
            (
                "moment",
                Arc::new(TimestampMillisecondArray::from(vec![0, 1500, 60_000])),
            ),
            (
                "price",
                Arc::new(
                    Decimal128Array::from(vec![1234, -5, 0])
                        .with_precision_and_scale(10, 2)
                        .unwrap(),
                ),
            ),
            (
                "blob",
                Arc::new(BinaryArray::from(vec![&b"x"[..], b"y", b"z"])),
            ),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn written(compression: Compression) -> Vec<u8> {
        let mut bytes = Vec::new();
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .build();
        let batch = batch();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<Read, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        std::fs::write(&path, bytes).unwrap();
        read_table(&Source::File(path), &ReadOptions::default())
    }

    #[test]
    fn types_are_read() {
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::LZ4_RAW,
        ] {
            let read = read_bytes(&written(compression)).unwrap();
            let text = |name: &str, row: usize| read.table.column(name).unwrap().values.text(row);
            assert_eq!(text("count", 0).as_deref(), Some("7"));
            assert_eq!(text("count", 1), None);
            assert_eq!(text("ratio", 1).as_deref(), Some("1.5"));
            assert_eq!(text("name", 0).as_deref(), Some("ann"));
            assert_eq!((text("name", 1), text("name", 2)), (None, None));
            assert_eq!(text("city", 2).as_deref(), Some("rome"));
            assert_eq!(text("ok", 1).as_deref(), Some("false"));
            assert_eq!(text("day", 1).as_deref(), Some("2024-03-04"));
            assert_eq!(text("moment", 1).as_deref(), Some("1970-01-01T00:00:01.5"));
            assert_eq!(
                read.table.column("price").unwrap().values,
                Values::Numeric(vec![12.34, -0.05, 0.0])
            );
            assert!(
                read.facts.notes.iter().any(|n| n.contains("`blob`")),
                "{:?}",
                read.facts.notes
            );
            assert_eq!((read.facts.rows, read.facts.columns), (3, 8));
        }
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = written(Compression::SNAPPY);
        for end in [0, 1, 4, 11, whole.len() / 2, whole.len() - 1] {
            assert!(read_bytes(&whole[..end]).is_err(), "cut at {end}");
        }
        // A flipped byte may be harmless; it must not end the process.
        for at in (0..whole.len()).step_by(7) {
            let mut altered = whole.clone();
            altered[at] ^= 0x55;
            let _ = read_bytes(&altered);
        }
    }
}
