/// What is wrong with a file, in words.
pub(super) type Fault = String;

/// Sizes of the numbers in a file that say where something lies and how long it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub offset: usize,
    pub length: usize,
}

/// Bytes that are read from the front; little-endian.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    sizes: Sizes,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(rest: &'a [u8], sizes: Sizes) -> Bytes<'a> {
        Bytes { rest, sizes }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        if count > self.rest.len() {
            return Err("it ends too early".into());
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    /// A number of so many bytes, at most 8.
    pub(super) fn uint(&mut self, size: usize) -> Result<u64, Fault> {
        let taken = self.take(size)?;
        Ok(taken
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(self.uint(2)? as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(self.uint(4)? as u32)
    }

    /// How long something is.
    pub(super) fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.uint(self.sizes.length)?).map_err(|_| "a length is too large".into())
    }

    /// Where something lies; `None` where nothing does.
    pub(super) fn address(&mut self) -> Result<Option<u64>, Fault> {
        let size = self.sizes.offset;
        let address = self.uint(size)?;
        let nowhere = u64::MAX >> (64 - 8 * size);
        Ok((address != nowhere).then_some(address))
    }

    pub(super) fn expect(&mut self, signature: &[u8]) -> Result<(), Fault> {
        match self.take(signature.len())? == signature {
            true => Ok(()),
            false => Err(format!(
                "`{}` is not where it should be",
                String::from_utf8_lossy(signature)
            )),
        }
    }
}

/// The text before the first zero byte.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
