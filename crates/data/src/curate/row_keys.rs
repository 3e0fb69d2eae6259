use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::{Column, Values};

/// 64-bit FNV-1a with the finaliser of SplitMix64: the same on every machine.
#[derive(Clone)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

impl BuildHasher for Fnv {
    type Hasher = Fnv;

    fn build_hasher(&self) -> Fnv {
        self.clone()
    }
}

/// A number for the contents of each row of some columns: equal rows have equal numbers, different ones almost surely
/// different numbers. Numbers are rounded to `digits` significant digits.
pub(super) fn row_keys(columns: &[&Column], rows: &[usize], digits: Option<i32>) -> Vec<u64> {
    let mut keys = vec![Fnv::default(); rows.len()];
    for column in columns {
        match &column.values {
            Values::Numeric(values) => {
                for (key, &row) in keys.iter_mut().zip(rows) {
                    let value = digits.map_or(values[row], |digits| rounded(values[row], digits));
                    // Minus zero is zero, and all missing cells are alike.
                    let value = if value.is_nan() {
                        f64::NAN
                    } else {
                        value + 0.0
                    };
                    key.write(&value.to_bits().to_le_bytes());
                }
            }
            Values::Text { codes, .. } => {
                for (key, &row) in keys.iter_mut().zip(rows) {
                    key.write(&codes[row].to_le_bytes());
                }
            }
        }
    }
    keys.iter().map(Fnv::finish).collect()
}

fn rounded(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(digits - 1 - value.abs().log10().floor() as i32);
    if scale.is_finite() && scale > 0.0 {
        (value * scale).round() / scale
    } else {
        value
    }
}

/// Rows that share a key, in the order of their first; each group has two rows or more.
pub(super) fn groups(keys: &[u64], rows: &[usize]) -> Vec<Vec<usize>> {
    let mut place: HashMap<u64, usize, Fnv> = HashMap::with_hasher(Fnv::default());
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (&key, &row) in keys.iter().zip(rows) {
        let at = *place.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(row);
    }
    groups.retain(|group| group.len() > 1);
    groups
}
