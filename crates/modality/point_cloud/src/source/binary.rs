//! Numbers of fixed sizes in bytes.

/// A kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 => 8,
        }
    }

    /// The number in as many bytes; NaN when there are fewer.
    pub fn read(self, bytes: &[u8], big: bool) -> f64 {
        let size = self.size();
        let Some(bytes) = bytes.get(..size) else {
            return f64::NAN;
        };
        let mut wide = [0u8; 8];
        for (i, &byte) in bytes.iter().enumerate() {
            wide[if big { size - 1 - i } else { i }] = byte;
        }
        let bits = u64::from_le_bytes(wide);
        // Shifted up and down again, the sign comes along.
        let shift = 64 - 8 * size as u32;
        match self {
            Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 => {
                (((bits << shift) as i64) >> shift) as f64
            }
            Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => bits as f64,
            Kind::F32 => f64::from(f32::from_bits(bits as u32)),
            Kind::F64 => f64::from_bits(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_orders() {
        assert_eq!(Kind::I16.read(&[0xfe, 0xff], false), -2.0);
        assert_eq!(Kind::I16.read(&[0xff, 0xfe], true), -2.0);
        assert_eq!(Kind::U8.read(&[200], true), 200.0);
        assert_eq!(Kind::F32.read(&1.5f32.to_be_bytes(), true), 1.5);
        assert_eq!(Kind::F64.read(&(-2.5f64).to_le_bytes(), false), -2.5);
        assert!(Kind::I32.read(&[1, 2], false).is_nan());
    }
}
