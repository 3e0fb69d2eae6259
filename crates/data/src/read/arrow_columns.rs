use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, Schema, TimeUnit};

use super::names::unique_names;
use super::text_column::TextColumn;
use super::thinning::Thinning;
use crate::DataError;
use crate::date::{iso_day, iso_moment};
use crate::source::{MissingMarkers, ReadOptions};
use crate::table::{Column, Table, Values, choose_columns};

/// The columns of an Arrow schema that can be held, and under which names.
#[derive(Debug)]
pub(crate) struct ArrowColumns {
    /// Indices into the source's top-level columns, ascending.
    pub(crate) indices: Vec<usize>,
    names: Vec<String>,
    textual: Vec<bool>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
}

impl ArrowColumns {
    /// Chooses columns; those of nested or binary types are left out with a note.
    ///
    /// # Errors
    /// A named column is absent. The list may come out empty.
    pub(crate) fn choose(
        schema: &Schema,
        options: &ReadOptions,
    ) -> Result<ArrowColumns, DataError> {
        let mut notes = Vec::new();
        let raw = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let names = unique_names(raw, &mut notes);
        let mut columns = ArrowColumns {
            indices: Vec::new(),
            names: Vec::new(),
            textual: Vec::new(),
            notes,
        };
        for index in choose_columns(&names, options.columns.as_deref())? {
            let data_type = schema.field(index).data_type();
            match holds_text(data_type) {
                Some(textual) => {
                    columns.indices.push(index);
                    columns.names.push(names[index].clone());
                    columns.textual.push(textual);
                }
                None => columns.notes.push(format!(
                    "column `{}` of type {data_type} cannot be held in a table and was left out",
                    names[index]
                )),
            }
        }
        Ok(columns)
    }

    /// Bytes of the numbers and codes of `rows` rows, without the distinct texts.
    pub(crate) fn bytes(&self, rows: usize) -> u64 {
        let row: u64 = self
            .textual
            .iter()
            .map(|&text| if text { 4 } else { 8 })
            .sum();
        row * rows as u64
    }

    /// Starts filling.
    pub(crate) fn filling(self, options: &ReadOptions) -> ArrowFilling {
        let columns = self
            .names
            .into_iter()
            .zip(&self.textual)
            .map(|(name, &textual)| {
                let filling = if textual {
                    Filling::Text(TextColumn::default())
                } else {
                    Filling::Number(Vec::new())
                };
                (name, filling)
            })
            .collect();
        ArrowFilling {
            columns,
            markers: MissingMarkers::new(&options.missing),
            rows: 0,
        }
    }
}

/// Typed columns being filled from record batches.
pub(crate) struct ArrowFilling {
    columns: Vec<(String, Filling)>,
    markers: MissingMarkers,
    rows: usize,
}

enum Filling {
    Number(Vec<f64>),
    Text(TextColumn),
}

impl ArrowFilling {
    /// Appends the kept rows of a batch that has the chosen columns, in their order.
    pub(crate) fn push(&mut self, batch: &RecordBatch, thinning: Thinning) {
        let kept: Vec<usize> = (0..batch.num_rows())
            .filter(|&row| thinning.keeps(self.rows + row))
            .collect();
        for ((_, filling), array) in self.columns.iter_mut().zip(batch.columns()) {
            match filling {
                Filling::Number(values) => {
                    let read = numbers(array);
                    let cell = |&row: &usize| read.get(row).copied().unwrap_or(f64::NAN);
                    values.extend(kept.iter().map(cell));
                }
                Filling::Text(column) => {
                    for_each_text(array, &kept, &mut |text| {
                        let trimmed = text.map(str::trim);
                        column.push(trimmed.filter(|text| !self.markers.contains(text)));
                    });
                }
            }
        }
        self.rows += batch.num_rows();
    }

    /// Rows seen, kept or not.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The table, and notes on columns whose numbers are not exact.
    pub(crate) fn finish(self, notes: &mut Vec<String>) -> Table {
        // The largest whole number below which all are exact in 64 bits.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let columns = self.columns.into_iter().map(|(name, filling)| {
            let values = match filling {
                Filling::Text(column) => column.finish(),
                Filling::Number(values) => {
                    if values.iter().any(|v| v.is_finite() && v.fract() == 0.0 && v.abs() > EXACT) {
                        notes.push(format!(
                            "column `{name}` holds whole numbers beyond 2^53, which were rounded; if they are codes, store them as text"
                        ));
                    }
                    Values::Numeric(values)
                }
            };
            Column { name, values }
        });
        Table {
            columns: columns.collect(),
        }
    }
}

/// Whether a type is held as text; `None` when it cannot be held.
fn holds_text(data_type: &DataType) -> Option<bool> {
    match data_type {
        DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(_, _) => Some(true),
        DataType::Dictionary(_, values) => holds_text(values),
        DataType::Null
        | DataType::Duration(_)
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => Some(false),
        other => other.is_numeric().then_some(false),
    }
}

/// The numbers of an array; NaN where null. Durations are in seconds.
fn numbers(array: &ArrayRef) -> Vec<f64> {
    match array.data_type() {
        DataType::Int8 => primitive::<Int8Type>(array, f64::from),
        DataType::Int16 => primitive::<Int16Type>(array, f64::from),
        DataType::Int32 => primitive::<Int32Type>(array, f64::from),
        DataType::Int64 => primitive::<Int64Type>(array, |v| v as f64),
        DataType::UInt8 => primitive::<UInt8Type>(array, f64::from),
        DataType::UInt16 => primitive::<UInt16Type>(array, f64::from),
        DataType::UInt32 => primitive::<UInt32Type>(array, f64::from),
        DataType::UInt64 => primitive::<UInt64Type>(array, |v| v as f64),
        DataType::Float16 => primitive::<Float16Type>(array, f64::from),
        DataType::Float32 => primitive::<Float32Type>(array, f64::from),
        DataType::Float64 => primitive::<Float64Type>(array, |v| v),
        DataType::Decimal32(_, scale) => decimal::<Decimal32Type>(array, *scale),
        DataType::Decimal64(_, scale) => decimal::<Decimal64Type>(array, *scale),
        DataType::Decimal128(_, scale) => decimal::<Decimal128Type>(array, *scale),
        DataType::Decimal256(_, scale) => decimal::<Decimal256Type>(array, *scale),
        DataType::Duration(TimeUnit::Second) => {
            primitive::<DurationSecondType>(array, |v| v as f64)
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            primitive::<DurationMillisecondType>(array, |v| v as f64 / 1e3)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            primitive::<DurationMicrosecondType>(array, |v| v as f64 / 1e6)
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            primitive::<DurationNanosecondType>(array, |v| v as f64 / 1e9)
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let values = numbers(dictionary.values());
            dictionary_keys(array)
                .into_iter()
                .map(|key| key.and_then(|k| values.get(k).copied()).unwrap_or(f64::NAN))
                .collect()
        }
        _ => vec![f64::NAN; array.len()],
    }
}

fn primitive<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    to_number: impl Fn(T::Native) -> f64,
) -> Vec<f64> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array
        .iter()
        .map(|value| value.map_or(f64::NAN, &to_number))
        .collect()
}

/// Decimals go through their text, which is exact where a product with a power of ten is not.
fn decimal<T: arrow_array::types::DecimalType>(array: &ArrayRef, scale: i8) -> Vec<f64>
where
    T::Native: std::fmt::Display,
{
    primitive::<T>(array, |value| {
        format!("{value}e{}", -i32::from(scale))
            .parse()
            .unwrap_or(f64::NAN)
    })
}

/// The index into the dictionary's values of each row; `None` where null.
fn dictionary_keys(array: &ArrayRef) -> Vec<Option<usize>> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return vec![None; array.len()];
    }
    let keys = dictionary.normalized_keys();
    keys.into_iter()
        .enumerate()
        .map(|(row, key)| dictionary.keys().is_valid(row).then_some(key))
        .collect()
}

/// Hands the text of each of `rows` to `take`; `None` where null.
fn for_each_text(array: &ArrayRef, rows: &[usize], take: &mut dyn FnMut(Option<&str>)) {
    let valid = |row: usize| array.is_valid(row).then_some(row);
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            rows.iter()
                .for_each(|&r| take(valid(r).map(|r| texts.value(r))));
        }
        DataType::LargeUtf8 => {
            let texts = array.as_string::<i64>();
            rows.iter()
                .for_each(|&r| take(valid(r).map(|r| texts.value(r))));
        }
        DataType::Utf8View => {
            let texts = array.as_string_view();
            rows.iter()
                .for_each(|&r| take(valid(r).map(|r| texts.value(r))));
        }
        DataType::Boolean => {
            let values = array.as_boolean();
            rows.iter().for_each(|&r| {
                take(valid(r).map(|r| if values.value(r) { "true" } else { "false" }))
            });
        }
        DataType::Dictionary(_, _) => {
            let values = array.as_any_dictionary().values();
            let mut texts: Vec<Option<String>> = Vec::with_capacity(values.len());
            let all: Vec<usize> = (0..values.len()).collect();
            for_each_text(values, &all, &mut |text| {
                texts.push(text.map(str::to_owned))
            });
            let keys = dictionary_keys(array);
            rows.iter().for_each(|&r| {
                take(
                    keys[r]
                        .and_then(|key| texts.get(key))
                        .and_then(Option::as_deref),
                )
            });
        }
        _ => {
            let moments = moments(array);
            rows.iter()
                .for_each(|&r| take(moments.get(r).and_then(Option::as_deref)));
        }
    }
}

/// Dates, times and moments in ISO form.
fn moments(array: &ArrayRef) -> Vec<Option<String>> {
    const MS: i64 = 1_000;
    const US: i64 = 1_000_000;
    const NS: i64 = 1_000_000_000;
    match array.data_type() {
        DataType::Date32 => written::<Date32Type>(array, |v| iso_day(v.into())),
        DataType::Date64 => written::<Date64Type>(array, |v| iso_day(v.div_euclid(86_400_000))),
        DataType::Timestamp(TimeUnit::Second, _) => {
            written::<TimestampSecondType>(array, |v| iso_moment(v, 1))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            written::<TimestampMillisecondType>(array, |v| iso_moment(v, MS))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            written::<TimestampMicrosecondType>(array, |v| iso_moment(v, US))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            written::<TimestampNanosecondType>(array, |v| iso_moment(v, NS))
        }
        DataType::Time32(TimeUnit::Second) => {
            written::<Time32SecondType>(array, |v| clock(v.into(), 1))
        }
        DataType::Time32(_) => written::<Time32MillisecondType>(array, |v| clock(v.into(), MS)),
        DataType::Time64(TimeUnit::Microsecond) => {
            written::<Time64MicrosecondType>(array, |v| clock(v, US))
        }
        DataType::Time64(_) => written::<Time64NanosecondType>(array, |v| clock(v, NS)),
        _ => vec![None; array.len()],
    }
}

fn written<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native) -> String,
) -> Vec<Option<String>> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.iter().map(|value| value.map(&write)).collect()
}

/// The time of day without its date.
fn clock(count: i64, units: i64) -> String {
    let moment = iso_moment(count, units);
    moment
        .split_once('T')
        .map_or(moment.clone(), |(_, time)| time.to_owned())
}
