use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, Schema};

use super::arrow_columns::ArrowColumns;
use super::fingerprint::fingerprint;
use super::thinning::Thinning;
use crate::DataError;
use crate::source::{Read, ReadOptions, SourceFacts};

/// Reads an Arrow IPC file (Feather version 2): its magic, then a stream, then a footer that only serves to find
/// batches out of order.
pub(crate) fn read_file(path: &Path, options: &ReadOptions) -> Result<Read, DataError> {
    read_with(path, options, true)
}

/// Reads an Arrow IPC stream.
pub(crate) fn read_stream(path: &Path, options: &ReadOptions) -> Result<Read, DataError> {
    read_with(path, options, false)
}

/// Where the stream inside a file begins: at the first message, after the magic and zeros up to 8 or 64 bytes.
fn start_of_stream(file: &mut impl io::Read) -> io::Result<u64> {
    let mut head = Vec::new();
    file.take(128).read_to_end(&mut head)?;
    let words = head.chunks_exact(8).skip(1);
    let zeros = words
        .take_while(|word| word.iter().all(|byte| *byte == 0))
        .count();
    Ok(8 + 8 * zeros as u64)
}

/// A reader of the stream, once every length that it states was seen to fit.
fn open(file: File, has_magic: bool) -> Opened {
    let bytes = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let start = if has_magic {
        start_of_stream(&mut file)?
    } else {
        0
    };
    file.seek(SeekFrom::Start(start))?;
    check_lengths(&mut file, bytes)?;
    file.seek(SeekFrom::Start(start))?;
    let reader = StreamReader::try_new(file, None)?;
    Ok((reader.schema().as_ref().clone(), Box::new(reader)))
}

/// Bytes that one byte of a compressed buffer can stand for: LZ4 reaches 255.
const MOST_COMPRESSION: u64 = 256;

/// Refuses a stream that states lengths which the file cannot hold: the decoder would ask for that much memory.
fn check_lengths(file: &mut (impl io::Read + Seek), bytes: u64) -> Result<(), ArrowError> {
    let damaged =
        |what: &str| ArrowError::IpcError(format!("a stated length does not fit the file: {what}"));
    loop {
        let mut word = [0; 4];
        if file.read_exact(&mut word).is_err() {
            return Ok(());
        }
        if word == [0xff; 4] && file.read_exact(&mut word).is_err() {
            return Ok(());
        }
        let length = u64::from(u32::from_le_bytes(word));
        if length == 0 {
            return Ok(());
        }
        let start = file.stream_position()?;
        if start + length > bytes {
            return Err(damaged("a message"));
        }
        let mut text = vec![0; length as usize];
        file.read_exact(&mut text)?;
        let message =
            arrow_ipc::root_as_message(&text).map_err(|e| ArrowError::IpcError(e.to_string()))?;
        let body = file.stream_position()?;
        let body_bytes = u64::try_from(message.bodyLength()).map_err(|_| damaged("a body"))?;
        let end = body.checked_add(body_bytes).filter(|end| *end <= bytes);
        let end = end.ok_or_else(|| damaged("a body"))?;
        let batch = message
            .header_as_record_batch()
            .or_else(|| message.header_as_dictionary_batch().and_then(|d| d.data()));
        if let Some(batch) = batch {
            let compressed = batch.compression().is_some();
            for buffer in batch.buffers().into_iter().flatten() {
                let (offset, length) = (buffer.offset(), buffer.length());
                let (Ok(offset), Ok(length)) = (u64::try_from(offset), u64::try_from(length))
                else {
                    return Err(damaged("a buffer"));
                };
                if offset
                    .checked_add(length)
                    .is_none_or(|end| end > body_bytes)
                {
                    return Err(damaged("a buffer"));
                }
                if compressed && length >= 8 {
                    file.seek(SeekFrom::Start(body + offset))?;
                    let mut word = [0; 8];
                    file.read_exact(&mut word)?;
                    let unpacked = i64::from_le_bytes(word);
                    if unpacked > 0 && unpacked as u64 > length.saturating_mul(MOST_COMPRESSION) {
                        return Err(damaged("a compressed buffer"));
                    }
                }
            }
        }
        file.seek(SeekFrom::Start(end))?;
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;
type Opened = Result<(Schema, Batches), ArrowError>;

fn read_with(path: &Path, options: &ReadOptions, has_magic: bool) -> Result<Read, DataError> {
    let (bytes, sha256) = fingerprint(path)?;
    if bytes == 0 {
        return Err(DataError::Empty {
            path: path.to_owned(),
        });
    }
    // As with Parquet, damage may end in a panic of the decoder.
    let mut read = catch_unwind(AssertUnwindSafe(|| decode(path, options, has_magic)))
        .unwrap_or_else(|_| {
            Err(DataError::Damaged {
                path: path.to_owned(),
                format: "Arrow",
            })
        })?;
    read.facts.bytes = bytes;
    read.facts.sha256 = sha256;
    Ok(read)
}

fn decode(path: &Path, options: &ReadOptions, has_magic: bool) -> Result<Read, DataError> {
    let damaged = |source| DataError::Arrow {
        path: path.to_owned(),
        source,
    };
    let opened = || {
        let file = File::open(path).map_err(|source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        open(file, has_magic).map_err(damaged)
    };
    let (schema, batches) = opened()?;
    // The number of rows is not stored: count them first.
    let mut rows = 0;
    for batch in batches {
        rows += batch.map_err(damaged)?.num_rows();
    }
    let mut columns = ArrowColumns::choose(&schema, options)?;
    if columns.indices.is_empty() {
        return Err(DataError::NoColumns {
            path: path.to_owned(),
        });
    }
    if rows == 0 {
        return Err(DataError::HeaderOnly {
            path: path.to_owned(),
            columns: columns.indices.len(),
        });
    }
    let mut notes = std::mem::take(&mut columns.notes);
    let size = columns.bytes(rows);
    let thinning = Thinning::to_fit(rows, size, options.table_bytes(), &mut notes);
    let indices = columns.indices.clone();
    let mut filling = columns.filling(options);
    for batch in opened()?.1 {
        let chosen = batch
            .and_then(|batch| batch.project(&indices))
            .map_err(damaged)?;
        filling.push(&chosen, thinning);
    }
    let table = filling.finish(&mut notes);
    let facts = SourceFacts {
        format: "arrow".to_owned(),
        source_rows: rows,
        notes,
        ..SourceFacts::default()
    };
    Ok(Read { table, facts })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, StringArray};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

    use super::*;
    use crate::{Source, read_table};

    fn batch() -> RecordBatch {
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "x",
                Arc::new(Float64Array::from(
                    (0..200).map(f64::from).collect::<Vec<_>>(),
                )),
            ),
            ("w", Arc::new(StringArray::from(vec!["a"; 200]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn file(compressed: bool) -> Vec<u8> {
        let batch = batch();
        let codec = compressed.then_some(CompressionType::LZ4_FRAME);
        let options = IpcWriteOptions::default()
            .try_with_compression(codec)
            .unwrap();
        let mut bytes = Vec::new();
        let mut writer =
            FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        bytes
    }

    fn read_bytes(bytes: &[u8], options: &ReadOptions) -> Result<Read, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.arrow");
        std::fs::write(&path, bytes).unwrap();
        read_table(&Source::File(path), options)
    }

    #[test]
    fn files_and_streams_give_the_same_table() {
        let batch = batch();
        let mut stream = Vec::new();
        let mut writer = StreamWriter::try_new(&mut stream, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        let tables: Vec<_> = [file(false), file(true), stream]
            .iter()
            .map(|bytes| read_bytes(bytes, &ReadOptions::default()).unwrap().table)
            .collect();
        assert_eq!(tables[0].rows(), 400);
        assert_eq!(tables[0], tables[1]);
        assert_eq!(tables[0], tables[2]);
    }

    #[test]
    fn too_large_a_table_is_thinned() {
        let options = ReadOptions {
            memory_bytes: Some(4 * 12 * 100),
            ..ReadOptions::default()
        };
        let read = read_bytes(&file(false), &options).unwrap();
        assert_eq!((read.facts.rows, read.facts.source_rows), (100, 400));
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let whole = file(true);
        for end in [6, 20, whole.len() / 2] {
            assert!(
                read_bytes(&whole[..end], &ReadOptions::default()).is_err(),
                "cut at {end}"
            );
        }
        for at in (0..whole.len()).step_by(11) {
            let mut altered = whole.clone();
            altered[at] ^= 0x55;
            let _ = read_bytes(&altered, &ReadOptions::default());
        }
    }
}
