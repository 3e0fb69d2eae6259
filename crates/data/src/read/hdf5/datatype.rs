use super::bytes::{Bytes, Fault};

/// What one cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer { signed: bool },
    Float,
    Text,
    VariableText,
}

/// How cells are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datatype {
    pub class: Class,
    /// Bytes of a cell.
    pub size: usize,
    big_endian: bool,
}

impl Datatype {
    pub(super) fn read(body: &mut Bytes<'_>) -> Result<Datatype, Fault> {
        let class = body.u8()? & 0xf;
        let bits = body.uint(3)?;
        let size = body.u32()? as usize;
        let big_endian = bits & 1 == 1;
        let number = |class: Class, sizes: &[usize]| match sizes.contains(&size) {
            true => Ok(Datatype {
                class,
                size,
                big_endian,
            }),
            false => Err(format!(
                "it holds numbers of {size} bytes, which are not read"
            )),
        };
        let what = match class {
            0 => {
                let signed = bits & 8 != 0;
                return number(Class::Integer { signed }, &[1, 2, 4, 8]);
            }
            1 => return number(Class::Float, &[4, 8]),
            // True or false, as PyTables writes it.
            4 if size == 1 => return number(Class::Integer { signed: false }, &[1]),
            3 if size > 0 => {
                return Ok(Datatype {
                    class: Class::Text,
                    size,
                    big_endian: false,
                });
            }
            // True or false, as h5py writes it: numbers with names.
            8 => return Datatype::read(body),
            9 if bits & 0xf == 1 && size >= 8 => {
                return Ok(Datatype {
                    class: Class::VariableText,
                    size,
                    big_endian: false,
                });
            }
            2 => "times",
            5 => "opaque bytes",
            6 => "rows of several columns",
            7 => "references",
            9 => "lists",
            10 => "arrays",
            _ => "something else",
        };
        Err(format!("it holds {what}, which are not read"))
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.class, Class::Text | Class::VariableText)
    }

    pub(super) fn is_variable_text(&self) -> bool {
        self.class == Class::VariableText
    }

    /// A number that lies in `cell`, whose length is the size. Integers beyond 2^53 are rounded; see [`Datatype::integer`].
    pub(super) fn number(&self, cell: &[u8]) -> f64 {
        match (self.class, self.size) {
            (Class::Float, 4) => f64::from(f32::from_bits(self.bits(cell) as u32)),
            (Class::Float, _) => f64::from_bits(self.bits(cell)),
            (Class::Integer { signed: false }, _) => self.bits(cell) as f64,
            _ => self.integer(cell) as f64,
        }
    }

    /// A whole number; of another one its bits.
    pub(super) fn integer(&self, cell: &[u8]) -> i64 {
        let shift = 64 - 8 * self.size.clamp(1, 8) as u32;
        let bits = self.bits(cell) as i64;
        match self.class {
            Class::Integer { signed: true } => bits << shift >> shift,
            _ => bits,
        }
    }

    fn bits(&self, cell: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self.big_endian {
            true => cell.iter().fold(0, add),
            false => cell.iter().rev().fold(0, add),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Sizes;
    use super::*;

    fn of(class: u8, bits: u8, size: u8) -> Result<Datatype, Fault> {
        let body = [0x10 | class, bits, 0, 0, size, 0, 0, 0];
        let sizes = Sizes {
            offset: 8,
            length: 8,
        };
        Datatype::read(&mut Bytes::new(&body, sizes))
    }

    #[test]
    fn numbers_are_read_in_both_orders_and_with_their_sign() {
        assert_eq!(of(0, 8, 2).unwrap().number(&[0xfe, 0xff]), -2.0);
        assert_eq!(of(0, 0, 2).unwrap().number(&[0xfe, 0xff]), 65_534.0);
        assert_eq!(of(0, 9, 2).unwrap().number(&[0xff, 0xfe]), -2.0);
        assert_eq!(of(1, 0, 4).unwrap().number(&1.5f32.to_le_bytes()), 1.5);
        assert_eq!(of(1, 1, 8).unwrap().number(&(-2.5f64).to_be_bytes()), -2.5);
        assert_eq!(
            of(0, 8, 8).unwrap().integer(&i64::MIN.to_le_bytes()),
            i64::MIN
        );
        assert!(of(1, 0, 2).unwrap_err().contains("2 bytes"));
        assert!(of(6, 0, 8).unwrap_err().contains("several columns"));
    }
}
