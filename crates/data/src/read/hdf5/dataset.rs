use std::io::Read;

use flate2::read::ZlibDecoder;

use super::bytes::{Bytes, Fault};
use super::datatype::Datatype;
use super::file::Hdf5;

/// Bytes that one stored byte may become: deflate writes at best 1,032 for one.
const MOST_EXPANSION: usize = 1_100;
/// Steps from the root of a tree of chunks to its leaves, at most.
const DEEPEST: u8 = 16;

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER: u16 = 3;

/// Where the cells of a data set lie.
enum Layout<'a> {
    Compact(&'a [u8]),
    /// One after another; `None` where none was written.
    Contiguous(Option<u64>),
    /// Pieces of a shape each, in a tree.
    Chunked {
        tree: Option<u64>,
        chunk: Vec<usize>,
    },
    /// One piece; stored so long.
    OneChunk {
        address: Option<u64>,
        chunk: Vec<usize>,
        stored: Option<usize>,
        mask: u32,
    },
}

/// Cells of one type in a grid.
///
/// # Reference
/// The HDF Group, "HDF5 File Format Specification Version 3.0", IV.A.2. Read are compact, contiguous and chunked layouts (trees of version 1, and
/// a single chunk), filters deflate, shuffle and Fletcher's checksum, which is not looked at.
pub(super) struct Dataset<'a> {
    pub shape: Vec<usize>,
    pub datatype: Datatype,
    layout: Layout<'a>,
    /// Number and first value of each, in the order of writing.
    filters: Vec<(u16, usize)>,
}

impl<'a> Dataset<'a> {
    pub(super) fn read(
        shape: Vec<usize>,
        datatype: Datatype,
        mut layout: Bytes<'a>,
        filters: Option<Bytes<'a>>,
    ) -> Result<Dataset<'a>, Fault> {
        let version = layout.u8()?;
        if !(3..=5).contains(&version) {
            return Err(format!(
                "a data set's layout has version {version}; 3 and 4 are read"
            ));
        }
        let layout = match layout.u8()? {
            0 => {
                let size = usize::from(layout.u16()?);
                Layout::Compact(layout.take(size)?)
            }
            1 => Layout::Contiguous(layout.address()?),
            2 if version == 3 => {
                let rank = layout.u8()?;
                let tree = layout.address()?;
                let chunk = chunk(
                    rank,
                    |layout| Ok(layout.u32()? as usize),
                    &mut layout,
                    &shape,
                )?;
                Layout::Chunked { tree, chunk }
            }
            2 => {
                let flags = layout.u8()?;
                let rank = layout.u8()?;
                let size = usize::from(layout.u8()?.min(8));
                let length = |layout: &mut Bytes| {
                    usize::try_from(layout.uint(size)?).map_err(|_| "a chunk is too large".into())
                };
                let chunk = chunk(rank, length, &mut layout, &shape)?;
                if layout.u8()? != 1 {
                    return Err("its chunks are found in a way that is not read here; write it without `libver=\"latest\"`".into());
                }
                let (stored, mask) = match flags & 2 {
                    0 => (None, 0),
                    _ => (Some(layout.length()?), layout.u32()?),
                };
                Layout::OneChunk {
                    address: layout.address()?,
                    chunk,
                    stored,
                    mask,
                }
            }
            _ => return Err("its cells lie in other files".into()),
        };
        let filters = filters.map_or(Ok(Vec::new()), pipeline)?;
        Ok(Dataset {
            shape,
            datatype,
            layout,
            filters,
        })
    }

    /// All cells, in order, the last dimension the fastest.
    pub(super) fn cells(&self, file: &Hdf5<'a>) -> Result<Vec<u8>, Fault> {
        let size = self.datatype.size;
        let total = self.shape.iter().try_fold(size, |n, d| n.checked_mul(*d));
        let most = file.len().saturating_mul(MOST_EXPANSION);
        let total = total.filter(|total| *total <= most).ok_or_else(|| {
            format!(
                "it claims cells of a shape {:?}, more than such a file can hold",
                self.shape
            )
        })?;
        if total == 0 {
            return Ok(Vec::new());
        }
        let never = || "its cells were never written".to_owned();
        match &self.layout {
            Layout::Compact(cells) => Ok(cells.get(..total).ok_or_else(never)?.to_vec()),
            Layout::Contiguous(address) => {
                let mut cells = file.at(address.ok_or_else(never)?)?;
                Ok(cells.take(total)?.to_vec())
            }
            Layout::OneChunk {
                address,
                chunk,
                stored,
                mask,
            } => {
                let mut cells = vec![0; total];
                let stored = stored.unwrap_or(chunk.iter().product::<usize>().saturating_mul(size));
                let bytes = file.at(address.ok_or_else(never)?)?.take(stored)?;
                let unpacked = self.unpacked(bytes, *mask, chunk)?;
                self.place(&unpacked, &vec![0; chunk.len()], chunk, &mut cells);
                Ok(cells)
            }
            Layout::Chunked { tree, chunk } => {
                let mut cells = vec![0; total];
                let expected: usize = self
                    .shape
                    .iter()
                    .zip(chunk)
                    .map(|(whole, part)| whole.div_ceil(*part))
                    .product();
                // The least that an entry of the tree takes.
                if expected > file.len() / 24 {
                    return Err("it has more chunks than such a file can hold".into());
                }
                let (mut found, mut packed, mut read) = (0, 0usize, 0);
                let tree = tree.ok_or_else(never)?;
                let mut nodes = vec![(tree, DEEPEST)];
                while let Some((address, deepest)) = nodes.pop() {
                    read += 1;
                    let mut node = file.at(address)?;
                    node.expect(b"TREE")?;
                    let (kind, level) = (node.u8()?, node.u8()?);
                    let entries = node.u16()?;
                    if kind != 1 || level >= deepest || read > 2 * expected + usize::from(DEEPEST) {
                        return Err("its tree of chunks is damaged".into());
                    }
                    node.address()?;
                    node.address()?;
                    for _ in 0..entries {
                        let stored = node.u32()? as usize;
                        let mask = node.u32()?;
                        let mut start = Vec::with_capacity(chunk.len());
                        for _ in chunk {
                            start.push(usize::try_from(node.uint(8)?).unwrap_or(usize::MAX));
                        }
                        node.uint(8)?;
                        let child = node.address()?.ok_or("its tree of chunks ends nowhere")?;
                        if level > 0 {
                            nodes.push((child, level));
                            if nodes.len() > expected {
                                return Err("its tree of chunks is damaged".into());
                            }
                            continue;
                        }
                        (found, packed) = (found + 1, packed.saturating_add(stored));
                        let inside = start.iter().zip(&self.shape).all(|(at, whole)| at < whole);
                        let aligned = start.iter().zip(chunk).all(|(at, part)| at % part == 0);
                        if found > expected || packed > file.len() || !inside || !aligned {
                            return Err("its tree of chunks is damaged".into());
                        }
                        let bytes = file.at(child)?.take(stored)?;
                        let unpacked = self.unpacked(bytes, mask, chunk)?;
                        self.place(&unpacked, &start, chunk, &mut cells);
                    }
                }
                match found == expected {
                    true => Ok(cells),
                    false => Err(format!(
                        "{} of its {expected} chunks were never written",
                        expected - found
                    )),
                }
            }
        }
    }

    /// A chunk without its filters.
    fn unpacked(&self, stored: &[u8], mask: u32, chunk: &[usize]) -> Result<Vec<u8>, Fault> {
        let size = self.datatype.size;
        let cells = chunk.iter().try_fold(size, |n, d| n.checked_mul(*d));
        let most = stored
            .len()
            .saturating_mul(MOST_EXPANSION)
            .saturating_add(64);
        let whole = cells
            .filter(|n| *n <= most)
            .ok_or("a chunk claims more cells than it can hold")?;
        let mut bytes = stored.to_vec();
        for (place, (filter, value)) in self.filters.iter().enumerate().rev() {
            if mask >> place.min(31) & 1 == 1 {
                continue;
            }
            match *filter {
                DEFLATE => {
                    let mut plain = Vec::with_capacity(whole);
                    let mut decoder = ZlibDecoder::new(bytes.as_slice()).take(whole as u64 + 64);
                    decoder
                        .read_to_end(&mut plain)
                        .map_err(|e| format!("a chunk cannot be unpacked: {e}"))?;
                    bytes = plain;
                }
                SHUFFLE => bytes = in_order(&bytes, if *value == 0 { size } else { *value }),
                FLETCHER => bytes.truncate(bytes.len().saturating_sub(4)),
                other => return Err(unknown(other)),
            }
        }
        match bytes.len() >= whole {
            true => Ok(bytes),
            false => Err("a chunk holds fewer cells than it should".into()),
        }
    }

    /// Copies a chunk to its place; what lies outside of the grid is left out.
    fn place(&self, unpacked: &[u8], start: &[usize], chunk: &[usize], cells: &mut [u8]) {
        let size = self.datatype.size;
        let rank = chunk.len();
        let (Some(&last), Some(&width)) = (chunk.last(), self.shape.last()) else {
            return;
        };
        let run = last.min(width - start[rank - 1]) * size;
        let mut index = vec![0; rank];
        loop {
            let inside = (0..rank - 1).all(|d| start[d] + index[d] < self.shape[d]);
            if inside {
                let from = (0..rank).fold(0, |at, d| at * chunk[d] + index[d]) * size;
                let to = (0..rank).fold(0, |at, d| at * self.shape[d] + start[d] + index[d]) * size;
                cells[to..to + run].copy_from_slice(&unpacked[from..from + run]);
            }
            let Some(next) = (0..rank - 1).rev().find(|&d| index[d] + 1 < chunk[d]) else {
                return;
            };
            index[next] += 1;
            index[next + 1..].fill(0);
        }
    }
}

/// The shape of a chunk; behind it comes the size of a cell.
fn chunk<'a>(
    rank: u8,
    length: impl Fn(&mut Bytes<'a>) -> Result<usize, Fault>,
    layout: &mut Bytes<'a>,
    shape: &[usize],
) -> Result<Vec<usize>, Fault> {
    let mut chunk = (0..rank)
        .map(|_| length(layout))
        .collect::<Result<Vec<_>, _>>()?;
    chunk.pop();
    match chunk.len() == shape.len() && !chunk.is_empty() && chunk.iter().all(|d| *d > 0) {
        true => Ok(chunk),
        false => Err("the shape of its chunks is damaged".into()),
    }
}

fn pipeline(mut body: Bytes<'_>) -> Result<Vec<(u16, usize)>, Fault> {
    let version = body.u8()?;
    let count = body.u8()?;
    body.take(if version == 1 { 6 } else { 0 })?;
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = body.u16()?;
        let named = version == 1 || id >= 256;
        let name = if named { usize::from(body.u16()?) } else { 0 };
        body.u16()?;
        let values = usize::from(body.u16()?);
        body.take(if version == 1 {
            name.next_multiple_of(8)
        } else {
            name
        })?;
        let mut numbers = body.take(4 * values)?.to_vec();
        body.take(if version == 1 && values % 2 == 1 {
            4
        } else {
            0
        })?;
        numbers.resize(numbers.len().max(4), 0);
        let first = u32::from_le_bytes([numbers[0], numbers[1], numbers[2], numbers[3]]);
        if ![DEFLATE, SHUFFLE, FLETCHER].contains(&id) {
            return Err(unknown(id));
        }
        filters.push((id, first as usize));
    }
    Ok(filters)
}

fn unknown(filter: u16) -> Fault {
    let name = match filter {
        4 => "szip",
        5 => "nbit",
        6 => "scale-offset",
        305 => "LZO",
        307 => "bzip2",
        32_000 => "LZF",
        32_001 => "Blosc",
        32_004 => "LZ4",
        32_008 => "bitshuffle",
        32_013 => "ZFP",
        32_015 => "Zstandard",
        32_026 => "Blosc2",
        other => {
            return format!(
                "it is packed by filter {other}, which is not read here; write it with `zlib`"
            );
        }
    };
    format!("it is packed by {name}, which is not read here; write it with `zlib`, or plain")
}

/// Bytes that were sorted by their place in a cell, as they were.
fn in_order(bytes: &[u8], size: usize) -> Vec<u8> {
    let count = bytes.len() / size.max(1);
    let mut plain = bytes.to_vec();
    if size > 1 {
        for (place, plane) in bytes[..count * size].chunks_exact(count.max(1)).enumerate() {
            for (cell, byte) in plane.iter().enumerate() {
                plain[cell * size + place] = *byte;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_bytes_are_put_back() {
        assert_eq!(in_order(&[1, 3, 5, 2, 4, 6, 9], 2), [1, 2, 3, 4, 5, 6, 9]);
        assert_eq!(in_order(&[1, 2], 4), [1, 2]);
        assert_eq!(in_order(&[], 4), [0u8; 0]);
    }
}
