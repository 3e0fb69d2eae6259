use super::bytes::{Bytes, Fault, Sizes, text};
use super::dataset::Dataset;
use super::datatype::Datatype;

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// Blocks of an object's header, and nodes of the tree of a group's names, at most: a damaged file may lead in circles.
const MOST_BLOCKS: usize = 10_000;
/// Names in a group at most.
const MOST_NAMES: usize = 100_000;

const DATASPACE: u16 = 0x1;
const LINK_INFO: u16 = 0x2;
const DATATYPE: u16 = 0x3;
const LINK: u16 = 0x6;
const LAYOUT: u16 = 0x8;
const FILTERS: u16 = 0xb;
const ATTRIBUTE: u16 = 0xc;
const CONTINUATION: u16 = 0x10;
const SYMBOL_TABLE: u16 = 0x11;

/// An HDF5 file in memory, of which groups, attributes that are texts, and data sets are read.
///
/// # Reference
/// The HDF Group, "HDF5 File Format Specification Version 3.0". Read are superblocks 0 to 3, both versions of object headers, groups whose names
/// lie in symbol tables or in the header itself.
pub(super) struct Hdf5<'a> {
    bytes: &'a [u8],
    sizes: Sizes,
    root: u64,
}

/// What an object's header says.
#[derive(Default)]
pub(super) struct Object<'a> {
    messages: Vec<(u16, Bytes<'a>)>,
}

impl<'a> Hdf5<'a> {
    pub(super) fn open(file: &'a [u8]) -> Result<Hdf5<'a>, Fault> {
        // A block of the user's may lie before it: 512 bytes, or twice as many, and so on.
        let mut at = 0;
        while file.len() > at && !file[at..].starts_with(SIGNATURE) {
            at = (2 * at).max(512);
        }
        let start = file.get(at..).filter(|start| !start.is_empty());
        let start = start.ok_or("it has no HDF5 signature")?;
        let mut head = Bytes::new(
            start,
            Sizes {
                offset: 8,
                length: 8,
            },
        );
        head.expect(SIGNATURE)?;
        let version = head.u8()?;
        if version > 3 {
            return Err(format!(
                "its superblock has version {version}; 0 to 3 are read"
            ));
        }
        if version < 2 {
            head.take(4)?;
        }
        let sizes = Sizes {
            offset: usize::from(head.u8()?),
            length: usize::from(head.u8()?),
        };
        if ![sizes.offset, sizes.length]
            .iter()
            .all(|s| [2, 4, 8].contains(s))
        {
            return Err("the sizes of its addresses are damaged".into());
        }
        let skipped = match version {
            0 => 9,
            1 => 13,
            _ => 1,
        };
        head.take(skipped)?;
        let mut head = Bytes::new(head.take(head.left())?, sizes);
        let base = head.address()?.ok_or("it does not say where it begins")?;
        // In files with a block of the user's the base is where the superblock lies.
        let bytes = usize::try_from(base)
            .ok()
            .and_then(|base| file.get(base..))
            .ok_or("it begins behind its end")?;
        head.address()?;
        head.address()?;
        if version < 2 {
            head.address()?;
            head.address()?;
        }
        let root = head.address()?.ok_or("it has no root group")?;
        Ok(Hdf5 { bytes, sizes, root })
    }

    /// Bytes of the file, for bounds of what it can hold.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn at(&self, address: u64) -> Result<Bytes<'a>, Fault> {
        let rest = usize::try_from(address)
            .ok()
            .and_then(|at| self.bytes.get(at..));
        let rest = rest.ok_or("something lies behind its end")?;
        Ok(Bytes::new(rest, self.sizes))
    }

    pub(super) fn root(&self) -> Result<Object<'a>, Fault> {
        self.object(self.root)
    }

    pub(super) fn object(&self, address: u64) -> Result<Object<'a>, Fault> {
        let mut head = self.at(address)?;
        let mut messages = Vec::new();
        let mut blocks = Vec::new();
        let second = head.expect(b"OHDR").is_ok();
        let mut ordered = false;
        if second {
            let (version, flags) = (head.u8()?, head.u8()?);
            if version != 2 {
                return Err(format!(
                    "an object's header has version {version}; 1 and 2 are read"
                ));
            }
            head.take(if flags & 0x20 == 0 { 0 } else { 16 })?;
            head.take(if flags & 0x10 == 0 { 0 } else { 4 })?;
            ordered = flags & 0x4 != 0;
            let size = head.uint(1 << (flags & 3))?;
            blocks.push(head.take(usize::try_from(size).map_err(|_| "a header is too long")?)?);
        } else {
            let mut head = self.at(address)?;
            let version = head.u8()?;
            if version != 1 {
                return Err(format!(
                    "an object's header has version {version}; 1 and 2 are read"
                ));
            }
            head.take(7)?;
            let size = head.u32()? as usize;
            head.take(4)?;
            blocks.push(head.take(size)?);
        }
        let mut read = 0;
        while let Some(block) = blocks.get(read) {
            read += 1;
            if read > MOST_BLOCKS {
                return Err("an object's header leads in circles".into());
            }
            let mut block = Bytes::new(block, self.sizes);
            let head = if second {
                4 + 2 * usize::from(ordered)
            } else {
                8
            };
            while block.left() >= head {
                let (kind, size, flags);
                if second {
                    kind = u16::from(block.u8()?);
                    size = block.u16()?;
                    flags = block.u8()?;
                    block.take(2 * usize::from(ordered))?;
                } else {
                    kind = block.u16()?;
                    size = block.u16()?;
                    flags = block.u8()?;
                    block.take(3)?;
                }
                let mut body = Bytes::new(block.take(usize::from(size))?, self.sizes);
                if kind == CONTINUATION {
                    let address = body.address()?.ok_or("a header goes on nowhere")?;
                    let length = body.length()?;
                    let mut next = self.at(address)?;
                    let mut next = Bytes::new(next.take(length)?, self.sizes);
                    if second {
                        next.expect(b"OCHK")?;
                        let inner = next.left().checked_sub(4).ok_or("a header is too short")?;
                        blocks.push(next.take(inner)?);
                    } else {
                        blocks.push(next.take(next.left())?);
                    }
                } else if flags & 0x2 == 0 {
                    messages.push((kind, body));
                } else if [DATATYPE, DATASPACE, FILTERS].contains(&kind) {
                    return Err("an object's type is kept elsewhere, which is not read".into());
                }
            }
        }
        Ok(Object { messages })
    }

    /// The names in a group and where their objects lie, in order of their names.
    pub(super) fn members(&self, group: &Object<'a>) -> Result<Vec<(String, u64)>, Fault> {
        let mut found = Vec::new();
        if let Some(mut table) = group.message(SYMBOL_TABLE) {
            let tree = table.address()?.ok_or("a group has no tree of names")?;
            let heap = table.address()?.ok_or("a group has no names")?;
            let names = self.local_heap(heap)?;
            let mut nodes = vec![tree];
            let mut read = 0;
            while let Some(address) = nodes.pop() {
                read += 1;
                if read > MOST_BLOCKS || found.len() > MOST_NAMES {
                    return Err("a group's tree of names leads in circles".into());
                }
                let mut node = self.at(address)?;
                if self.at(address)?.expect(b"SNOD").is_ok() {
                    node.take(6)?;
                    for _ in 0..node.u16()? {
                        let name =
                            usize::try_from(node.address()?.unwrap_or(0)).unwrap_or(usize::MAX);
                        let object = node.address()?;
                        // 2: a link to another name.
                        let cached = node.u32()?;
                        node.take(20)?;
                        if let Some(object) = object.filter(|_| cached != 2) {
                            let name = names.get(name..).ok_or("a name lies behind the names")?;
                            found.push((text(name), object));
                        }
                    }
                    continue;
                }
                node.expect(b"TREE")?;
                if node.u8()? != 0 {
                    return Err("a group's tree of names is none".into());
                }
                node.u8()?;
                let entries = node.u16()?;
                node.address()?;
                node.address()?;
                for _ in 0..entries {
                    node.length()?;
                    nodes.extend(node.address()?);
                }
            }
        }
        for mut link in group.all(LINK) {
            link.u8()?;
            let flags = link.u8()?;
            let kind = if flags & 0x8 == 0 { 0 } else { link.u8()? };
            link.take(if flags & 0x4 == 0 { 0 } else { 8 })?;
            link.take(usize::from(flags & 0x10 != 0))?;
            let length = link.uint(1 << (flags & 3))?;
            let name = link.take(usize::try_from(length).map_err(|_| "a name is too long")?)?;
            if kind == 0
                && let Some(object) = link.address()?
            {
                found.push((String::from_utf8_lossy(name).into_owned(), object));
            }
        }
        if let Some(mut info) = group.message(LINK_INFO) {
            info.u8()?;
            let flags = info.u8()?;
            info.take(if flags & 0x1 == 0 { 0 } else { 8 })?;
            if info.address()?.is_some() {
                return Err(
                    "a group keeps its many names in a form that is not read here; write it without `libver=\"latest\"`".into(),
                );
            }
        }
        found.sort();
        Ok(found)
    }

    fn local_heap(&self, address: u64) -> Result<&'a [u8], Fault> {
        let mut heap = self.at(address)?;
        heap.expect(b"HEAP")?;
        heap.take(4)?;
        let size = heap.length()?;
        heap.length()?;
        let data = heap.address()?.ok_or("a group has no names")?;
        self.at(data)?.take(size)
    }

    /// A data set, if an object is one.
    pub(super) fn dataset(&self, object: &Object<'a>) -> Result<Option<Dataset<'a>>, Fault> {
        let (Some(space), Some(kind), Some(layout)) = (
            object.message(DATASPACE),
            object.message(DATATYPE),
            object.message(LAYOUT),
        ) else {
            return Ok(None);
        };
        let mut kind = kind;
        let shape = shape(space)?;
        let datatype = Datatype::read(&mut kind)?;
        Dataset::read(shape, datatype, layout, object.message(FILTERS)).map(Some)
    }

    /// An attribute of an object that is one text.
    pub(super) fn attribute(&self, object: &Object<'a>, name: &str) -> Option<String> {
        let attributes = object.all(ATTRIBUTE);
        let mut found = attributes.filter_map(|body| self.text_of(body, name).ok().flatten());
        found.next()
    }

    fn text_of(&self, mut body: Bytes<'a>, wanted: &str) -> Result<Option<String>, Fault> {
        let version = body.u8()?;
        body.u8()?;
        let sizes = [body.u16()?, body.u16()?, body.u16()?].map(usize::from);
        body.take(usize::from(version == 3))?;
        let padded = |size: usize| {
            if version == 1 {
                size.next_multiple_of(8)
            } else {
                size
            }
        };
        let name = text(body.take(padded(sizes[0]))?);
        let mut kind = Bytes::new(body.take(padded(sizes[1]))?, self.sizes);
        let space = Bytes::new(body.take(padded(sizes[2]))?, self.sizes);
        if name != wanted {
            return Ok(None);
        }
        let datatype = Datatype::read(&mut kind)?;
        if shape(space)?.iter().any(|length| *length != 1) {
            return Ok(None);
        }
        let cell = body.take(datatype.size)?;
        Ok(self.texts(&datatype, cell)?.pop())
    }

    /// Texts of cells that lie one after another.
    pub(super) fn texts(&self, datatype: &Datatype, cells: &[u8]) -> Result<Vec<String>, Fault> {
        let cells = cells.chunks_exact(datatype.size.max(1));
        cells
            .map(|cell| match datatype.is_variable_text() {
                true => self.variable(cell),
                false => Ok(text(cell).trim_end().to_owned()),
            })
            .collect()
    }

    /// A text of the global heap.
    fn variable(&self, cell: &[u8]) -> Result<String, Fault> {
        let mut cell = Bytes::new(cell, self.sizes);
        let length = cell.u32()? as usize;
        let Some(address) = cell.address()?.filter(|a| *a != 0 && length > 0) else {
            return Ok(String::new());
        };
        let wanted = cell.u32()?;
        let mut heap = self.at(address)?;
        heap.expect(b"GCOL")?;
        heap.take(4)?;
        let size = heap.length()?;
        let head = 8 + self.sizes.length;
        let inner = size
            .checked_sub(head)
            .ok_or("a heap of texts is too short")?;
        let mut heap = Bytes::new(heap.take(inner)?, self.sizes);
        while heap.left() >= head {
            let index = heap.u16()?;
            heap.take(6)?;
            let size = heap.length()?;
            if u32::from(index) == wanted && index != 0 {
                let bytes = heap.take(size)?;
                return Ok(text(&bytes[..length.min(size)]));
            }
            if index == 0 {
                break;
            }
            let padded = size
                .checked_next_multiple_of(8)
                .ok_or("a text is too long")?;
            heap.take(padded)?;
        }
        Err("a text is not where it should be".into())
    }
}

impl<'a> Object<'a> {
    fn all(&self, kind: u16) -> impl Iterator<Item = Bytes<'a>> + '_ {
        let of_kind = self.messages.iter().filter(move |(k, _)| *k == kind);
        of_kind.map(|(_, body)| *body)
    }

    fn message(&self, kind: u16) -> Option<Bytes<'a>> {
        self.all(kind).next()
    }

    /// Whether it holds names.
    pub(super) fn is_group(&self) -> bool {
        let kinds = [SYMBOL_TABLE, LINK, LINK_INFO];
        self.messages.iter().any(|(kind, _)| kinds.contains(kind))
    }
}

fn shape(mut space: Bytes<'_>) -> Result<Vec<usize>, Fault> {
    let version = space.u8()?;
    let rank = space.u8()?;
    space.u8()?;
    match version {
        1 => space.take(5)?,
        2 => {
            // 2: no elements at all.
            if space.u8()? == 2 {
                return Ok(vec![0]);
            }
            &[]
        }
        other => {
            return Err(format!(
                "a data set's shape has version {other}; 1 and 2 are read"
            ));
        }
    };
    if rank > 32 {
        return Err("a data set has too many dimensions".into());
    }
    (0..rank).map(|_| space.length()).collect()
}
