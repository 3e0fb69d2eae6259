//! Tables as bytes.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;

use crate::{Table, Values};

/// The table as CSV in UTF-8 with a header; a missing cell is empty.
///
/// # Errors
/// As [`csv::Writer`], which a table in memory does not cause.
pub fn csv_bytes(table: &Table) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| &column.name))?;
    for row in 0..table.rows() {
        let cells = table
            .columns
            .iter()
            .map(|c| c.values.text(row).unwrap_or_default());
        writer.write_record(cells)?;
    }
    writer
        .into_inner()
        .map_err(|e| std::io::Error::other(e.to_string()))
}

/// The table as a Parquet file, uncompressed; a missing cell is null.
///
/// # Errors
/// As [`ArrowWriter`], which a table in memory does not cause.
pub fn parquet_bytes(table: &Table) -> std::io::Result<Vec<u8>> {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|column| {
            let kind = match column.values {
                Values::Numeric(_) => DataType::Float64,
                Values::Text { .. } => DataType::Utf8,
            };
            Field::new(&column.name, kind, true)
        })
        .collect();
    let arrays: Vec<ArrayRef> = table
        .columns
        .iter()
        .map(|column| -> ArrayRef {
            match &column.values {
                Values::Numeric(values) => Arc::new(Float64Array::from_iter(
                    values.iter().map(|v| (!v.is_nan()).then_some(*v)),
                )),
                Values::Text { .. } => Arc::new(StringArray::from_iter(
                    (0..table.rows()).map(|row| column.values.text(row)),
                )),
            }
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(std::io::Error::other)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None)?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, ReadOptions, Source, read_table};

    #[test]
    fn written_tables_read_back_as_they_were() {
        let table = Table {
            columns: vec![
                Column {
                    name: "size, in cm".into(),
                    values: Values::Numeric(vec![1.5, f64::NAN, 3.0]),
                },
                Column {
                    name: "word".into(),
                    values: Values::Text {
                        codes: vec![0, 1, Values::MISSING],
                        dictionary: vec!["a \"b\"".into(), "ü\nv".into()],
                    },
                },
            ],
        };
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("t.csv", csv_bytes(&table).unwrap()),
            ("t.parquet", parquet_bytes(&table).unwrap()),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let read = read_table(&Source::File(path), &ReadOptions::default())
                .unwrap()
                .table;
            for (was, is) in table.columns.iter().zip(&read.columns) {
                assert_eq!(was.name, is.name);
                for row in 0..3 {
                    assert_eq!(
                        was.values.text(row),
                        is.values.text(row),
                        "{name} row {row}"
                    );
                }
            }
        }
    }
}
