//! LAS, versions 1.0 to 1.4, and its compressed form LAZ (ASPRS, LAS specification 1.4 R15; the decoder is `laz`).

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use laz::{LasZipCompressor, LasZipDecompressor, LazItemRecordBuilder, LazVlr, LazVlrBuilder};

use super::geometry::{Channels, Geometry, MOST_POINTS, PointLabels};

/// Points that are read at a time.
const AT_ONCE: u64 = 65_536;
/// Bytes before the points at most.
const MOST_HEAD: u64 = 64 << 20;
/// Bytes of a record at most.
const MOST_RECORD: usize = 4_096;
/// Who wrote the record that says how points are compressed, and its number.
const LASZIP: (&[u8], u16) = (b"laszip encoded", 22_204);
/// The class of points that were never classified.
const NEVER: u8 = 0;
/// Classes by their codes (ASPRS, LAS specification 1.4 R15, table 17).
const CLASSES: [(u8, &str); 17] = [
    (1, "unclassified"),
    (2, "ground"),
    (3, "low vegetation"),
    (4, "medium vegetation"),
    (5, "high vegetation"),
    (6, "building"),
    (7, "low noise"),
    (9, "water"),
    (10, "rail"),
    (11, "road surface"),
    (13, "wire guard"),
    (14, "wire conductor"),
    (15, "transmission tower"),
    (16, "wire connector"),
    (17, "bridge deck"),
    (18, "high noise"),
    (19, "overhead structure"),
];

/// What a code of a class means; codes without a meaning are called by their number.
fn class_name(code: u8) -> String {
    let known = CLASSES.iter().find(|(known, _)| *known == code);
    known.map_or_else(|| format!("class {code}"), |(_, name)| (*name).to_owned())
}

/// The code of a class by its name.
pub fn class_code(name: &str) -> Option<u8> {
    let known = CLASSES.iter().find(|(_, known)| *known == name);
    known
        .map(|(code, _)| *code)
        .or_else(|| name.strip_prefix("class ").unwrap_or(name).parse().ok())
}

/// Whether bytes begin as a LAS or LAZ file.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"LASF")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn f64_at(bytes: &[u8], at: usize) -> f64 {
    f64::from_bits(u64_at(bytes, at))
}

/// Bytes of a record of each point format, and where its colour stands.
const FORMATS: [(usize, Option<usize>); 11] = [
    (20, None),
    (28, None),
    (26, Some(20)),
    (34, Some(28)),
    (57, None),
    (63, Some(28)),
    (30, None),
    (36, Some(30)),
    (38, Some(30)),
    (59, None),
    (67, Some(30)),
];
/// The first format of the newer kind, whose class has a whole byte.
const NEWER: usize = 6;

/// What stands before the points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LasHead {
    /// All bytes before the points.
    pub bytes: Vec<u8>,
    format: usize,
    /// Bytes of a record.
    pub record: usize,
    total: u64,
    scale: [f64; 3],
    offset: [f64; 3],
    bounds: [[f64; 3]; 2],
    /// How the points are compressed, if they are.
    pub compressed: Option<LazVlr>,
}

impl LasHead {
    fn read(from: &mut (impl Read + Seek)) -> Result<LasHead, String> {
        let cut = |_| "its head is cut short".to_owned();
        let mut bytes = vec![0; 227];
        from.read_exact(&mut bytes).map_err(cut)?;
        if !begins(&bytes) {
            return Err("it does not begin with `LASF`".into());
        }
        let (major, minor) = (bytes[24], bytes[25]);
        if major != 1 || minor > 4 {
            return Err(format!(
                "version {major}.{minor} is not read; 1.0 to 1.4 are"
            ));
        }
        let points = u64::from(u32_at(&bytes, 96));
        let least: u16 = if minor == 4 { 375 } else { 227 };
        let head = u16_at(&bytes, 94);
        if head < least || points < u64::from(head) || points > MOST_HEAD {
            return Err(format!("its head says that points begin at byte {points}"));
        }
        from.by_ref()
            .take(points - 227)
            .read_to_end(&mut bytes)
            .map_err(cut)?;
        if bytes.len() as u64 != points {
            return Err("its head is cut short".into());
        }
        let id = bytes[104];
        // The two highest bits say that points are compressed.
        let (format, packed) = (usize::from(id & 0x3f), id & 0xc0 != 0);
        let Some(&(least, _)) = FORMATS.get(format) else {
            return Err(format!("point format {format} is not read"));
        };
        let record = usize::from(u16_at(&bytes, 105));
        if !(least..=MOST_RECORD).contains(&record) {
            return Err(format!("a record of format {format} has no {record} bytes"));
        }
        let compressed = match packed {
            true => Some(packing(&bytes, head, format, record, least)?),
            false => None,
        };
        let three = |at: usize| [at, at + 8, at + 16].map(|at| f64_at(&bytes, at));
        let bound = |at: usize| [at, at + 16, at + 32].map(|at| f64_at(&bytes, at));
        Ok(LasHead {
            total: match minor {
                4 => u64_at(&bytes, 247),
                _ => u64::from(u32_at(&bytes, 107)),
            },
            scale: three(131),
            offset: three(155),
            bounds: [bound(187), bound(179)],
            format,
            record,
            compressed,
            bytes,
        })
    }

    /// Whether a class may have any code, and not only those below 32.
    pub fn has_all_classes(&self) -> bool {
        self.format >= NEWER
    }

    /// Writes a class and user data into a record.
    pub fn tell(&self, record: &mut [u8], class: u8, user_data: u8) {
        match self.format >= NEWER {
            true => record[16] = class,
            false => record[15] = record[15] & 0xe0 | class & 0x1f,
        }
        record[17] = user_data;
    }

    fn class(&self, record: &[u8]) -> u8 {
        match self.format >= NEWER {
            true => record[16],
            false => record[15] & 0x1f,
        }
    }
}

/// How the points are compressed: said in one of the records behind the header.
fn packing(
    bytes: &[u8],
    header: u16,
    format: usize,
    record: usize,
    least: usize,
) -> Result<LazVlr, String> {
    let mut at = usize::from(header);
    for _ in 0..u32_at(bytes, 100) {
        let Some(found) = bytes.get(at..at + 54) else {
            break;
        };
        let length = usize::from(u16_at(found, 20));
        let data = bytes.get(at + 54..at + 54 + length);
        if found[2..18].starts_with(LASZIP.0) && u16_at(found, 18) == LASZIP.1 {
            let data = data.ok_or("what says how its points are compressed is cut short")?;
            let vlr = LazVlr::from_buffer(data).map_err(|e| e.to_string())?;
            // What the decoder trusts.
            let extra = (record - least) as u16;
            let asked = LazItemRecordBuilder::default_for_point_format_id(format as u8, extra)
                .map_err(|e| e.to_string())?;
            let same = vlr.items().len() == asked.len()
                && vlr
                    .items()
                    .iter()
                    .zip(&asked)
                    .all(|(a, b)| a.item_type() == b.item_type() && a.size() == b.size());
            return match same && vlr.chunk_size() > 0 {
                true => Ok(vlr),
                false => Err("its points are compressed as those of another format".into()),
            };
        }
        at += 54 + length;
    }
    Err("nothing says how its points are compressed".into())
}

enum Records<R: Read + Seek + Send + Sync + 'static> {
    Plain(R),
    Packed(Box<LasZipDecompressor<'static, R>>),
}

/// A LAS or LAZ file that is read piece by piece. Of each point coordinates, intensity, colour where the file has it, and class are read; points
/// that were never classified have no label.
pub struct LasPieces<R: Read + Seek + Send + Sync + 'static> {
    head: LasHead,
    records: Records<R>,
    /// Of the last piece.
    bytes: Vec<u8>,
    left: u64,
}

impl<R: Read + Seek + Send + Sync + 'static> LasPieces<R> {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// In words: it is no LAS, of a version that is not known, or its head is damaged.
    pub fn new(mut from: R) -> Result<LasPieces<R>, String> {
        let head = LasHead::read(&mut from)?;
        let records = match &head.compressed {
            None => Records::Plain(from),
            Some(vlr) => {
                check_chunks(&mut from)?;
                let decoder = guarded(|| {
                    LasZipDecompressor::new(from, vlr.clone()).map_err(|e| e.to_string())
                })?;
                Records::Packed(Box::new(decoder))
            }
        };
        Ok(LasPieces {
            left: head.total,
            bytes: Vec::new(),
            records,
            head,
        })
    }

    /// Points of the file, as its head says.
    pub fn total(&self) -> u64 {
        self.head.total
    }

    /// The least and the greatest coordinates, as the head says.
    pub fn bounds(&self) -> [[f64; 3]; 2] {
        self.head.bounds
    }

    pub(crate) fn head(&self) -> &LasHead {
        &self.head
    }

    /// The records of the next points, as many as are read at a time; `None` behind the last.
    pub(crate) fn next_records(&mut self) -> Result<Option<&mut [u8]>, String> {
        let wanted = self.left.min(AT_ONCE);
        if wanted == 0 {
            return Ok(None);
        }
        let record = self.head.record;
        let done = self.head.total - self.left;
        let total = self.head.total;
        let bytes = &mut self.bytes;
        match &mut self.records {
            Records::Plain(from) => {
                bytes.clear();
                from.by_ref()
                    .take(wanted * record as u64)
                    .read_to_end(bytes)
                    .map_err(|e| e.to_string())?;
                if (bytes.len() as u64) < wanted * record as u64 {
                    let read = done + (bytes.len() / record) as u64;
                    return Err(format!("it ends after {read} of {total} points"));
                }
            }
            Records::Packed(decoder) => {
                bytes.resize(wanted as usize * record, 0);
                guarded(|| decoder.decompress_many(bytes).map_err(|e| e.to_string()))
                    .map_err(|e| format!("behind {done} of {total} points: {e}"))?;
            }
        }
        self.left -= wanted;
        Ok(Some(bytes.as_mut_slice()))
    }

    /// The next points, as many as are read at a time; `None` behind the last.
    ///
    /// # Errors
    /// In words: the file ends before the points that its head promises, or is damaged.
    pub fn next_piece(&mut self) -> Result<Option<Geometry>, String> {
        if self.next_records()?.is_none() {
            return Ok(None);
        }
        let head = &self.head;
        let colour = FORMATS[head.format].1;
        let mut names = vec!["intensity".to_owned()];
        if colour.is_some() {
            names.splice(0..0, ["red", "green", "blue"].map(str::to_owned));
        }
        let count = self.bytes.len() / head.record;
        let (mut points, mut values) = (Vec::with_capacity(count), Vec::with_capacity(4 * count));
        let mut places = [PointLabels::MISSING; 256];
        let mut labels = PointLabels::default();
        for record in self.bytes.chunks_exact(head.record) {
            points.push(std::array::from_fn(|axis| {
                let whole = u32_at(record, 4 * axis) as i32;
                f64::from(whole) * head.scale[axis] + head.offset[axis]
            }));
            if let Some(at) = colour {
                values.extend([at, at + 2, at + 4].map(|at| f32::from(u16_at(record, at))));
            }
            values.push(f32::from(u16_at(record, 12)));
            let code = head.class(record);
            let place = &mut places[usize::from(code)];
            if *place == PointLabels::MISSING && code != NEVER {
                *place = labels.names.len() as u32;
                labels.names.push(class_name(code));
            }
            labels.codes.push(*place);
        }
        Ok(Some(Geometry {
            points,
            faces: Vec::new(),
            channels: Channels { names, values },
            labels: Some(labels),
        }))
    }
}

/// Makes an error of a decoder that stops: it trusts the bytes of a stream.
fn guarded<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err("its compressed points are damaged".into()))
}

/// Makes sure that the table of chunks is not larger than the file: the decoder takes memory for as many as it promises.
fn check_chunks(from: &mut (impl Read + Seek)) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("its compressed points cannot be found: {e}");
    let start = from.stream_position().map_err(failed)?;
    let end = from.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut number = |at: u64, bytes: u64| -> Result<Option<u64>, String> {
        if at.checked_add(bytes).is_none_or(|last| last > end) {
            return Ok(None);
        }
        let mut read = [0; 8];
        from.seek(SeekFrom::Start(at)).map_err(failed)?;
        from.read_exact(&mut read[..bytes as usize])
            .map_err(failed)?;
        Ok(Some(u64::from_le_bytes(read)))
    };
    // Where the table is stands before the points, or behind all where the writer could not go back.
    let before = |offset: &u64| (*offset as i64) > start as i64;
    let first = number(start, 8)?.filter(before);
    let table = match first {
        Some(table) => Some(table),
        None => number(end.saturating_sub(8), 8)?.filter(before),
    };
    let chunks = match table {
        Some(table) => number(table.saturating_add(4), 4)?,
        None => None,
    };
    if chunks.is_some_and(|chunks| chunks > end) {
        return Err("its table of chunks is damaged".into());
    }
    from.seek(SeekFrom::Start(start)).map_err(failed)?;
    Ok(())
}

/// A whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Geometry, String> {
    let mut pieces = LasPieces::new(Cursor::new(bytes.to_vec()))?;
    let total = pieces.total();
    if total > MOST_POINTS as u64 {
        return Err(format!("{total} points are more than can be read at once"));
    }
    let mut whole = Geometry::default();
    let mut labels = PointLabels::default();
    while let Some(piece) = pieces.next_piece()? {
        whole.channels.names = piece.channels.names;
        whole.points.extend(piece.points);
        whole.channels.values.extend(piece.channels.values);
        // Each piece names the classes that it meets.
        let own = piece.labels.unwrap_or_default();
        let mut places = Vec::with_capacity(own.names.len());
        for name in own.names {
            let known = labels.names.iter().position(|n| *n == name);
            let place = known.unwrap_or(labels.names.len());
            if known.is_none() {
                labels.names.push(name);
            }
            places.push(place as u32);
        }
        let code = |code: u32| {
            places
                .get(code as usize)
                .copied()
                .unwrap_or(PointLabels::MISSING)
        };
        labels.codes.extend(own.codes.into_iter().map(code));
    }
    whole.labels = (!labels.names.is_empty()).then_some(labels);
    Ok(whole)
}

enum Sink<W: Write + Seek + Send + Sync + 'static> {
    Plain(W),
    Packed(Box<LasZipCompressor<'static, W>>),
}

/// Writes records of points as LAS or LAZ.
pub struct LasWriter<W: Write + Seek + Send + Sync + 'static> {
    sink: Sink<W>,
    head: LasHead,
    count: u64,
}

/// What one unit of a written coordinate is, in units of the scene.
const WRITTEN_SCALE: f64 = 1e-3;

impl<W: Write + Seek + Send + Sync + 'static> LasWriter<W> {
    /// Writes records behind a head that is known.
    pub(crate) fn like(mut to: W, head: &LasHead) -> Result<LasWriter<W>, String> {
        let mut head = head.clone();
        if head.bytes[25] == 4 {
            // What stands behind the points is not written again.
            head.bytes[235..247].fill(0);
        }
        to.write_all(&head.bytes).map_err(|e| e.to_string())?;
        let sink = match &head.compressed {
            None => Sink::Plain(to),
            Some(vlr) => {
                let packed = LasZipCompressor::new(to, vlr.clone()).map_err(|e| e.to_string())?;
                Sink::Packed(Box::new(packed))
            }
        };
        Ok(LasWriter {
            sink,
            head,
            count: 0,
        })
    }

    /// Writes points with intensity, colour and class (version 1.2, point format 2), to a thousandth of the scene's unit. `bounds` are the least and the
    /// greatest coordinates, `total` is how many points will be written.
    ///
    /// # Errors
    /// When it cannot be written, in words.
    pub fn new(
        to: W,
        compressed: bool,
        total: u32,
        bounds: [[f64; 3]; 2],
    ) -> Result<LasWriter<W>, String> {
        let (format, record) = (2usize, FORMATS[2].0);
        let vlr = match compressed {
            true => {
                let builder = LazVlrBuilder::default().with_point_format(format as u8, 0);
                Some(builder.map_err(|e| e.to_string())?.build())
            }
            false => None,
        };
        let mut bytes = vec![0; 227];
        bytes[..4].copy_from_slice(b"LASF");
        (bytes[24], bytes[25]) = (1, 2);
        bytes[94..96].copy_from_slice(&227u16.to_le_bytes());
        if let Some(vlr) = &vlr {
            let mut data = Vec::new();
            vlr.write_to(&mut data).map_err(|e| e.to_string())?;
            let mut record = vec![0; 54];
            record[2..2 + LASZIP.0.len()].copy_from_slice(LASZIP.0);
            record[18..20].copy_from_slice(&LASZIP.1.to_le_bytes());
            record[20..22].copy_from_slice(&(data.len() as u16).to_le_bytes());
            bytes.extend(record);
            bytes.extend(data);
            bytes[100..104].copy_from_slice(&1u32.to_le_bytes());
        }
        let points = (bytes.len() as u32).to_le_bytes();
        bytes[96..100].copy_from_slice(&points);
        bytes[104] = format as u8 | if compressed { 0x80 } else { 0 };
        bytes[105..107].copy_from_slice(&(record as u16).to_le_bytes());
        bytes[107..111].copy_from_slice(&total.to_le_bytes());
        let [low, high] = bounds;
        for axis in 0..3 {
            let mut put = |at: usize, x: f64| bytes[at..at + 8].copy_from_slice(&x.to_le_bytes());
            put(131 + 8 * axis, WRITTEN_SCALE);
            put(155 + 8 * axis, low[axis]);
            put(179 + 16 * axis, high[axis]);
            put(187 + 16 * axis, low[axis]);
        }
        let head = LasHead {
            bytes,
            format,
            record,
            total: u64::from(total),
            scale: [WRITTEN_SCALE; 3],
            offset: low,
            bounds,
            compressed: vlr,
        };
        LasWriter::like(to, &head)
    }

    /// The next point.
    ///
    /// # Errors
    /// When it cannot be written, in words.
    pub fn point(
        &mut self,
        at: [f64; 3],
        intensity: u16,
        colour: [u16; 3],
        class: u8,
    ) -> Result<(), String> {
        let mut record = vec![0; self.head.record];
        for (axis, x) in at.into_iter().enumerate() {
            let whole = ((x - self.head.offset[axis]) / self.head.scale[axis]).round() as i32;
            record[4 * axis..4 * axis + 4].copy_from_slice(&whole.to_le_bytes());
        }
        record[12..14].copy_from_slice(&intensity.to_le_bytes());
        if let Some(at) = FORMATS[self.head.format].1 {
            for (place, value) in colour.into_iter().enumerate() {
                record[at + 2 * place..at + 2 * place + 2].copy_from_slice(&value.to_le_bytes());
            }
        }
        self.head.tell(&mut record, class, 0);
        self.records(&record)
    }

    /// The next records.
    pub(crate) fn records(&mut self, records: &[u8]) -> Result<(), String> {
        self.count += (records.len() / self.head.record) as u64;
        match &mut self.sink {
            Sink::Plain(to) => to.write_all(records),
            Sink::Packed(to) => to.compress_many(records),
        }
        .map_err(|e| e.to_string())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it cannot be written, or there are not as many points as were promised; in words.
    pub fn finish(self) -> Result<W, String> {
        if self.count != self.head.total {
            return Err(format!(
                "{} points were promised, {} were written",
                self.head.total, self.count
            ));
        }
        let mut to = match self.sink {
            Sink::Plain(to) => to,
            Sink::Packed(mut packed) => {
                packed.done().map_err(|e| e.to_string())?;
                packed.into_inner()
            }
        };
        to.flush().map_err(|e| e.to_string())?;
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(compressed: bool) -> Vec<u8> {
        let bounds = [[5e5, 0.0, -0.25], [5e5 + 49.0, 3.0, -0.25]];
        let mut writer = LasWriter::new(Cursor::new(Vec::new()), compressed, 50, bounds).unwrap();
        for i in 0..50u16 {
            let at = [5e5 + f64::from(i), 0.5 * f64::from(i % 7), -0.25];
            let class = [2, 6, 0][usize::from(i % 3)];
            writer.point(at, 10 * i, [i, 2 * i, 3], class).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn las_and_laz_tell_the_same() {
        let plain = parse(&written(false)).unwrap();
        let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(
            near(plain.points[13], [5e5 + 13.0, 3.0, -0.25]),
            "{:?}",
            plain.points[13]
        );
        let labels = plain.labels.as_ref().unwrap();
        let of = [0, 1, 2].map(|n| labels.of(n));
        assert_eq!(of, [Some("ground"), Some("building"), None]);
        assert_eq!(plain.channels.names, ["red", "green", "blue", "intensity"]);
        assert_eq!(
            plain.channels.values[13 * 4..14 * 4],
            [13.0, 26.0, 3.0, 130.0]
        );
        assert_eq!(parse(&written(true)).unwrap(), plain);
        assert!(written(true).len() < written(false).len());
        assert_eq!(class_code("building"), Some(6));
        assert_eq!(
            (class_code(&class_name(77)), class_code("leg")),
            (Some(77), None)
        );
    }

    /// A file of version 1.4 with points of the newer kind.
    #[test]
    fn points_of_the_newer_kind_are_read() {
        let mut bytes = vec![0; 375];
        bytes[..4].copy_from_slice(b"LASF");
        (bytes[24], bytes[25]) = (1, 4);
        bytes[94..96].copy_from_slice(&375u16.to_le_bytes());
        bytes[96..100].copy_from_slice(&375u32.to_le_bytes());
        bytes[104] = 7;
        // Two bytes more than the format asks for.
        bytes[105..107].copy_from_slice(&38u16.to_le_bytes());
        bytes[247..255].copy_from_slice(&2u64.to_le_bytes());
        (0..3).for_each(|axis| {
            bytes[131 + 8 * axis..139 + 8 * axis].copy_from_slice(&0.5f64.to_le_bytes())
        });
        for n in 1..3i32 {
            let mut record = vec![0; 38];
            (0..3).for_each(|axis| {
                record[4 * axis..4 * axis + 4].copy_from_slice(&(-n).to_le_bytes())
            });
            record[16] = 200;
            record[30..32].copy_from_slice(&9u16.to_le_bytes());
            bytes.extend(record);
        }
        let read = parse(&bytes).unwrap();
        assert_eq!(read.points, [[-0.5; 3], [-1.0; 3]]);
        assert_eq!(read.channels.values[..4], [9.0, 0.0, 0.0, 0.0]);
        assert_eq!(read.labels.unwrap().of(0), Some("class 200"));
    }

    #[test]
    fn what_is_cut_short_or_of_another_version_is_told() {
        for compressed in [false, true] {
            let whole = written(compressed);
            for cut in [0, 10, 100, 226, 230, whole.len() - 60] {
                assert!(parse(&whole[..cut]).is_err(), "{compressed} {cut}");
            }
            let mut other = whole.clone();
            (other[24], other[25]) = (2, 0);
            let error = parse(&other).unwrap_err();
            assert!(error.contains("version 2.0 is not read"), "{error}");
            let mut many = whole.clone();
            many[107..111].copy_from_slice(&19_000_000u32.to_le_bytes());
            assert!(parse(&many).is_err());
            let mut more = whole;
            more[107..111].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(parse(&more).unwrap_err().contains("more than can be read"));
        }
        // A table of chunks that promises more than the file can hold.
        let mut chunks = written(true);
        let start = u32_at(&chunks, 96) as usize;
        let table = u64_at(&chunks, start) as usize;
        chunks[table + 4..table + 8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(parse(&chunks).unwrap_err().contains("table of chunks"));
    }
}
