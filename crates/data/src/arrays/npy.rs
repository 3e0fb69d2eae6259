use super::{Array, ArrayValues as Values};

impl Array {
    /// Reads the bytes of a file of NumPy's format (`.npy`, versions 1 to 3).
    ///
    /// # Reference
    /// NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
    ///
    /// # Errors
    /// What is wrong, in words: never more memory is asked for than the bytes fill.
    pub(super) fn parse(bytes: &[u8]) -> Result<Array, String> {
        let short = || "it is cut short".to_owned();
        let rest = bytes
            .strip_prefix(b"\x93NUMPY")
            .ok_or("it does not begin as an array")?;
        let (version, rest) = rest.split_at_checked(2).ok_or_else(short)?;
        let (length, rest) = match version[0] {
            1 => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            other => return Err(format!("its version {other} is not known")),
        };
        let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
        let header = std::str::from_utf8(header).map_err(|_| "its header is no text")?;
        let kind = quoted(field(header, "descr")?).ok_or("its type is not a plain one")?;
        let by_columns = field(header, "fortran_order")?.starts_with("True");
        let shape = shape(field(header, "shape")?)?;
        let count = shape
            .iter()
            .try_fold(1usize, |count, &length| count.checked_mul(length))
            .ok_or("its shape is too large")?;
        let values = values(kind, count, data)?;
        Ok(if by_columns && shape.len() == 2 {
            Array {
                values: values.transposed(shape[1], shape[0]),
                shape,
            }
        } else if by_columns && shape.len() > 2 {
            return Err("an array of more than two axes should be stored row by row".into());
        } else {
            Array { shape, values }
        })
    }
}

impl Values {
    /// The matrix of `rows` x `columns` with its axes exchanged.
    fn transposed(self, rows: usize, columns: usize) -> Values {
        fn turn<T: Clone>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
            let places = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c));
            places.map(|place| values[place].clone()).collect()
        }
        match self {
            Values::Real(v) => Values::Real(turn(&v, rows, columns)),
            Values::Whole(v) => Values::Whole(turn(&v, rows, columns)),
            Values::Truth(v) => Values::Truth(turn(&v, rows, columns)),
            Values::Text(v) => Values::Text(turn(&v, rows, columns)),
        }
    }
}

/// What stands behind a name in the header, a dictionary of Python.
fn field<'a>(header: &'a str, name: &str) -> Result<&'a str, String> {
    let behind = ['\'', '"']
        .iter()
        .find_map(|quote| Some(header.split_once(&format!("{quote}{name}{quote}"))?.1));
    let behind = behind.and_then(|text| text.trim_start().strip_prefix(':'));
    behind
        .map(str::trim_start)
        .ok_or_else(|| format!("its header lacks `{name}`"))
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    Some(text[1..].split_once(quote)?.0)
}

fn shape(text: &str) -> Result<Vec<usize>, String> {
    let wrong = || "its shape cannot be read".to_owned();
    let inside = text
        .strip_prefix('(')
        .and_then(|text| Some(text.split_once(')')?.0))
        .ok_or_else(wrong)?;
    let lengths = inside.split(',').map(str::trim).filter(|l| !l.is_empty());
    lengths.map(|l| l.parse().map_err(|_| wrong())).collect()
}

fn values(kind: &str, count: usize, data: &[u8]) -> Result<Values, String> {
    let unknown =
        || format!("its type `{kind}` cannot be read: numbers, truth values and texts can");
    let mut letters = kind.chars();
    let order = letters.next().ok_or_else(unknown)?;
    let letter = letters.next().ok_or_else(unknown)?;
    let size: usize = letters.as_str().parse().map_err(|_| unknown())?;
    // Texts count characters of four bytes.
    let bytes = if letter == 'U' {
        4usize.saturating_mul(size)
    } else {
        size
    };
    let whole = bytes.checked_mul(count).ok_or("its shape is too large")?;
    let data = data.get(..whole).ok_or_else(|| {
        format!(
            "it is cut short: {whole} bytes are needed, {} are there",
            data.len()
        )
    })?;
    if bytes == 0 {
        return Err(unknown());
    }
    let little = match order {
        '<' | '|' => true,
        '>' => false,
        '=' => cfg!(target_endian = "little"),
        _ => return Err(unknown()),
    };
    let items = data.chunks_exact(bytes);
    let number = |item: &[u8]| {
        let mut wide = [0u8; 8];
        for (i, &byte) in item.iter().enumerate() {
            wide[if little { i } else { item.len() - 1 - i }] = byte;
        }
        u64::from_le_bytes(wide)
    };
    Ok(match (letter, size) {
        ('b', 1) => Values::Truth(items.map(|item| item[0] != 0).collect()),
        ('i', 1 | 2 | 4 | 8) => {
            // Shifted up and down again, the sign comes along.
            let shift = 64 - 8 * size as u32;
            Values::Whole(
                items
                    .map(|item| ((number(item) << shift) as i64) >> shift)
                    .collect(),
            )
        }
        ('u', 1 | 2 | 4 | 8) => {
            let number = |item| i64::try_from(number(item)).unwrap_or(i64::MAX);
            Values::Whole(items.map(number).collect())
        }
        ('f', 4) => Values::Real(
            items
                .map(|item| f32::from_bits(number(item) as u32).into())
                .collect(),
        ),
        ('f', 8) => Values::Real(items.map(|item| f64::from_bits(number(item))).collect()),
        ('f', 2) => Values::Real(items.map(|item| half(number(item) as u16)).collect()),
        ('S', _) => {
            let text = |item: &[u8]| {
                String::from_utf8_lossy(item)
                    .trim_end_matches('\0')
                    .to_owned()
            };
            Values::Text(items.map(text).collect())
        }
        ('U', _) => {
            let text = |item: &[u8]| {
                let points = item.chunks_exact(4).map(|point| number(point) as u32);
                let points = points.take_while(|&point| point != 0);
                points
                    .map(|p| char::from_u32(p).unwrap_or('\u{fffd}'))
                    .collect()
            };
            Values::Text(items.map(text).collect())
        }
        _ => return Err(unknown()),
    })
}

/// A number of 16 bits (IEEE 754).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(kind: &str, order: &str, shape: &str) -> String {
        format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
    }

    #[test]
    fn arrays_of_every_kind_are_read() {
        let read = |kind: &str, shape: &str, data: &[u8]| {
            Array::parse(&file(&header(kind, "False", shape), data)).unwrap()
        };
        let floats: Vec<u8> = [1.5f32, -2.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let array = read("<f4", "(2,)", &floats);
        assert_eq!(
            (array.shape, array.values),
            (vec![2], Values::Real(vec![1.5, -2.0]))
        );
        assert_eq!(
            read(">i2", "(1, 2)", &[0, 7, 255, 254]).values,
            Values::Whole(vec![7, -2])
        );
        assert_eq!(
            read("|u1", "(2,)", &[200, 1]).values,
            Values::Whole(vec![200, 1])
        );
        assert_eq!(
            read("|b1", "(2,)", &[0, 1]).values,
            Values::Truth(vec![false, true])
        );
        assert_eq!(
            read("|S3", "(2,)", b"ab\0cde").values,
            Values::Text(vec!["ab".into(), "cde".into()])
        );
        let texts: Vec<u8> = ['a', 'é', '\0', 'b']
            .iter()
            .flat_map(|c| (*c as u32).to_le_bytes())
            .collect();
        assert_eq!(
            read("<U2", "(2,)", &texts).values,
            Values::Text(vec!["aé".into(), String::new()])
        );
        assert_eq!(
            read("<f2", "(2,)", &[0, 0x3e, 0, 0xc0]).values,
            Values::Real(vec![1.5, -2.0])
        );
        assert_eq!(read("<i8", "()", &7i64.to_le_bytes()).shape, [0usize; 0]);
    }

    #[test]
    fn columns_that_run_first_are_turned() {
        let array =
            Array::parse(&file(&header("|u1", "True", "(2, 3)"), &[1, 4, 2, 5, 3, 6])).unwrap();
        assert_eq!(
            (array.shape, array.values),
            (vec![2, 3], Values::Whole(vec![1, 2, 3, 4, 5, 6]))
        );
    }

    #[test]
    fn damaged_arrays_are_named() {
        let cases = [
            (b"PK".to_vec(), "begin"),
            (file("{}", &[]), "descr"),
            (file(&header("<f4", "False", "(2,)"), &[0; 7]), "cut short"),
            (
                file(&header("<f4", "False", "(99999999999, 99999999999)"), &[]),
                "too large",
            ),
            (
                file(&header("|O", "False", "(2,)"), &[0; 16]),
                "cannot be read",
            ),
            (
                file(&header("|V8", "False", "(1,)"), &[0; 8]),
                "cannot be read",
            ),
            (file(&header("<U0", "False", "(4,)"), &[]), "cannot be read"),
            (file(&header("<f4", "False", "2"), &[0; 8]), "shape"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "cut short"),
            (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
        ];
        for (bytes, part) in cases {
            let error = Array::parse(&bytes).unwrap_err();
            assert!(error.contains(part), "{error}: {part}");
        }
        let whole = Array {
            shape: vec![2],
            values: Values::Whole(vec![0, 5]),
        };
        assert!(
            whole
                .places(5)
                .unwrap_err()
                .contains("5 is not one of 0..5")
        );
        assert_eq!(whole.places(6), Ok(vec![0, 5]));
    }
}
