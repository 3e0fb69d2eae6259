//! Little-endian, bounds-checked reading and writing of fitted models.

use crate::BaselineError;

/// Appends values to a growing buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.raw(&value.to_le_bytes());
    }

    /// Seven bits a byte, low first: small numbers take one byte.
    pub(crate) fn count(&mut self, value: usize) {
        let mut rest = value as u64;
        while rest >= 0x80 {
            self.u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.u8(rest as u8);
    }

    /// A counted list of numbers.
    pub(crate) fn f32s(&mut self, values: &[f32]) {
        self.count(values.len());
        values.iter().for_each(|&value| self.f32(value));
    }
}

/// Reads what a [`Writer`] wrote; anything else is an error, never a panic.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// The error that says where reading stands.
    pub(crate) fn corrupt(&self, reason: &'static str) -> BaselineError {
        BaselineError::Corrupt {
            at: self.at,
            reason,
        }
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], BaselineError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest
            .get(..length)
            .ok_or_else(|| self.corrupt("it ends too early"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BaselineError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, BaselineError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, BaselineError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, BaselineError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, BaselineError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A finite number.
    pub(crate) fn f32(&mut self) -> Result<f32, BaselineError> {
        let value = f32::from_le_bytes(self.array()?);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(self.corrupt("a number is not finite"))
        }
    }

    /// A number of up to 32 bits, seven a byte.
    pub(crate) fn number(&mut self) -> Result<usize, BaselineError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let small =
                    u32::try_from(value).map_err(|_| self.corrupt("a number is too large"))?;
                return Ok(small as usize);
            }
        }
        Err(self.corrupt("a number is too long"))
    }

    /// The length of a list whose items take at least `item_bytes` each: checked against what is left, so
    /// that a damaged length cannot ask for memory.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize, BaselineError> {
        let count = self.number()?;
        let left = self.bytes.len() - self.at;
        if count.saturating_mul(item_bytes) > left {
            return Err(self.corrupt("a list is longer than the file"));
        }
        Ok(count)
    }

    pub(crate) fn f32s(&mut self) -> Result<Vec<f32>, BaselineError> {
        let count = self.count(4)?;
        (0..count).map(|_| self.f32()).collect()
    }

    /// Refuses bytes after the end.
    pub(crate) fn end(&self) -> Result<(), BaselineError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.corrupt("bytes follow the end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        for count in [0, 127, 128, 70_000, u32::MAX as usize] {
            writer.count(count);
        }
        writer.f32s(&[1.5, -0.0]);
        let bytes = writer.finish();
        assert_eq!(&bytes[..4], &[0, 127, 0x80, 1]);
        let mut reader = Reader::new(&bytes);
        for count in [0, 127, 128, 70_000, u32::MAX as usize] {
            assert_eq!(reader.number(), Ok(count));
        }
        assert_eq!(reader.f32s().unwrap()[1].to_bits(), (-0.0f32).to_bits());
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn lengths_beyond_the_end_are_refused_before_memory_is_taken() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        assert!(matches!(reader.f32s(), Err(BaselineError::Corrupt { .. })));
        assert!(matches!(
            Reader::new(&[0xff; 6]).number(),
            Err(BaselineError::Corrupt { .. })
        ));
        assert!(matches!(
            Reader::new(&[]).u8(),
            Err(BaselineError::Corrupt { at: 0, .. })
        ));
    }
}
