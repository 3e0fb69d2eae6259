//! The reader of WAV files: linear samples of 8, 16, 24 and 32 bits and floating-point ones of 32 and 64, any number of channels.
//!
//! IBM & Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991 (RIFF WAVE); Microsoft, "Multiple Channel Audio Data and WAVE
//! Files", 2007 (the extensible format).

/// Channels of a recording at most.
const MOST_CHANNELS: u16 = 256;
const LINEAR: u16 = 1;
const FLOATING: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recording {
    /// Moments a second.
    pub rate: u32,
    /// One after another, each as long as the others: numbers from -1 to 1, as far as a float does not say more.
    pub channels: Vec<Vec<f32>>,
    /// Moments that the header promises and the file does not hold.
    pub lost: u64,
}

struct Format {
    floating: bool,
    channels: usize,
    rate: u32,
    /// Bytes of one sample of one channel.
    size: usize,
}

/// Reads the bytes of a file.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn read(bytes: &[u8]) -> Result<Recording, String> {
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    let head = bytes.get(..12).ok_or("it is too short for a recording")?;
    if &head[..4] == b"RF64" {
        return Err("it is of the form RF64, which is not read; save it as WAV".into());
    }
    if &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        return Err("it is no WAV file: `RIFF` and `WAVE` do not stand at its beginning".into());
    }
    let mut format = None;
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        let promised = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let rest = &bytes[at + 8..];
        let length = usize::try_from(promised)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let body = &rest[..length];
        match &head[..4] {
            b"fmt " => format = Some(read_format(body)?),
            b"data" => {
                let format = format.ok_or("its samples come before what they are")?;
                // Writers that were cut off promise nothing, or all.
                let open = promised == 0 || promised == u64::from(u32::MAX);
                let body = if open { rest } else { body };
                let step = format.channels * format.size;
                let moments = body.len() / step;
                let lost = if open {
                    0
                } else {
                    promised / step as u64 - moments as u64
                };
                return Ok(Recording {
                    rate: format.rate,
                    channels: samples(&body[..moments * step], &format),
                    lost,
                });
            }
            _ => {}
        }
        // Chunks begin at even places.
        at = at + 8 + length + length % 2;
    }
    match format {
        Some(_) => Err("it ends before its samples".into()),
        None => Err("it does not say what its samples are".into()),
    }
}

fn read_format(body: &[u8]) -> Result<Format, String> {
    let word = |at: usize| Some(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let short = || "what its samples are is cut off".to_owned();
    let mut kind = word(0).ok_or_else(short)?;
    let channels = word(2).ok_or_else(short)?;
    let rate = word(4).zip(word(6)).ok_or_else(short)?;
    let rate = u32::from(rate.0) | u32::from(rate.1) << 16;
    let bits = word(14).ok_or_else(short)?;
    if kind == EXTENSIBLE {
        kind = word(24).ok_or_else(short)?;
    }
    if channels == 0 || channels > MOST_CHANNELS {
        return Err(format!(
            "it has {channels} channels; 1 to {MOST_CHANNELS} are read"
        ));
    }
    if rate == 0 {
        return Err("it has no samples a second".into());
    }
    let floating = match (kind, bits) {
        (LINEAR, 8 | 16 | 24 | 32) => false,
        (FLOATING, 32 | 64) => true,
        (LINEAR | FLOATING, bits) => {
            return Err(format!(
                "its samples have {bits} bits; 8, 16, 24 and 32 are read, floating ones of 32 and 64"
            ));
        }
        (kind, _) => {
            return Err(format!(
                "its samples are packed (format {kind}); save it as linear samples (PCM)"
            ));
        }
    };
    Ok(Format {
        floating,
        channels: usize::from(channels),
        rate,
        size: usize::from(bits / 8),
    })
}

fn samples(bytes: &[u8], format: &Format) -> Vec<Vec<f32>> {
    let one = |sample: &[u8]| match (format.floating, sample) {
        // Eight bits count from 0 to 255.
        (false, [a]) => (f32::from(*a) - 128.0) / 128.0,
        (false, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])) / 32_768.0,
        (false, [a, b, c]) => (i32::from_le_bytes([0, *a, *b, *c]) >> 8) as f32 / 8_388_608.0,
        (false, [a, b, c, d]) => i32::from_le_bytes([*a, *b, *c, *d]) as f32 / 2_147_483_648.0,
        (true, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
        (true, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
        _ => f32::NAN,
    };
    let step = format.channels * format.size;
    let channel = |place: usize| {
        let moments = bytes.chunks_exact(step);
        let of_channel =
            moments.map(|moment| &moment[place * format.size..(place + 1) * format.size]);
        of_channel.map(one).collect()
    };
    (0..format.channels).map(channel).collect()
}

/// Half the width of the kernel, in samples of the lower of two rates.
const REACH: f64 = 8.0;

/// The same at another rate: a sinc under a Hann window, which cuts what the new rate cannot hold.
pub(crate) fn resampled(channel: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || channel.is_empty() {
        return channel.to_vec();
    }
    let ratio = f64::from(to) / f64::from(from);
    let cut = ratio.min(1.0);
    let count = (channel.len() as f64 * ratio).round().max(1.0) as usize;
    let reach = REACH / cut;
    let sample = |place: usize| {
        let middle = place as f64 / ratio;
        let first = (middle - reach).ceil().max(0.0) as usize;
        let last = ((middle + reach).floor() as usize).min(channel.len() - 1);
        let (mut sum, mut weight) = (0.0, 0.0);
        for (near, value) in channel.iter().enumerate().take(last + 1).skip(first) {
            let distance = near as f64 - middle;
            let angle = std::f64::consts::PI * distance * cut;
            let sinc = if angle.abs() < 1e-9 {
                1.0
            } else {
                angle.sin() / angle
            };
            let window = 0.5 + 0.5 * (std::f64::consts::PI * distance / reach).cos();
            sum += sinc * window * f64::from(*value);
            weight += sinc * window;
        }
        (sum / weight) as f32
    };
    (0..count).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(kind: u16, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        for word in [kind, channels, 8_000, 0, 0, 0, 0, bits] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn samples_of_all_widths_are_numbers_from_minus_one_to_one() {
        let first = |kind: u16, bits: u16, data: &[u8]| {
            read(&file(kind, 1, bits, data)).unwrap().channels[0][0]
        };
        assert_eq!(first(LINEAR, 8, &[0]), -1.0);
        assert_eq!(first(LINEAR, 8, &[192]), 0.5);
        assert_eq!(first(LINEAR, 16, &(-16_384i16).to_le_bytes()), -0.5);
        assert_eq!(first(LINEAR, 24, &[0, 0, 0xc0]), -0.5);
        assert_eq!(first(LINEAR, 32, &(1i32 << 30).to_le_bytes()), 0.5);
        assert_eq!(first(FLOATING, 32, &0.25f32.to_le_bytes()), 0.25);
        assert_eq!(first(FLOATING, 64, &0.25f64.to_le_bytes()), 0.25);
        let two = read(&file(LINEAR, 2, 16, &[0, 0x40, 0, 0xc0, 0, 0x20, 0, 0])).unwrap();
        assert_eq!((two.rate, two.lost), (8_000, 0));
        assert_eq!(two.channels, [[0.5, 0.25], [-0.5, 0.0]]);
        let mut extensible = file(EXTENSIBLE, 1, 16, &[0, 0x40]);
        extensible[16] = 40;
        let rest = extensible.split_off(36);
        extensible.extend([0u8; 8]);
        extensible.extend([1, 0]);
        extensible.extend([0u8; 14]);
        extensible.extend(rest);
        assert_eq!(read(&extensible).unwrap().channels, [[0.5]]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let whole = file(LINEAR, 1, 16, &[1, 2, 3, 4]);
        let cut = read(&whole[..whole.len() - 3]).unwrap();
        assert_eq!((cut.channels[0].len(), cut.lost), (0, 2));
        let mut open = whole.clone();
        let at = open.len() - 8;
        open[at..at + 4].fill(0xff);
        assert_eq!(read(&open).unwrap().channels[0].len(), 2);
        let cases: [(&[u8], &str); 6] = [
            (b"", "empty"),
            (b"RIFF", "too short"),
            (b"MThd\0\0\0\x06\0\x01\0\x05\0", "no WAV file"),
            (&whole[..40], "ends before its samples"),
            (&whole[..12], "does not say what its samples are"),
            (&whole[..25], "cut off"),
        ];
        for (bytes, expected) in cases {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        assert!(
            read(&file(7, 1, 8, &[0]))
                .unwrap_err()
                .contains("packed (format 7)")
        );
        assert!(
            read(&file(LINEAR, 1, 12, &[0]))
                .unwrap_err()
                .contains("12 bits")
        );
        assert!(
            read(&file(LINEAR, 0, 16, &[0]))
                .unwrap_err()
                .contains("0 channels")
        );
    }

    #[test]
    fn another_rate_keeps_what_it_can_hold() {
        let tone = |rate: u32, pitch: f64| -> Vec<f32> {
            let angle = |t: u32| std::f64::consts::TAU * pitch * f64::from(t) / f64::from(rate);
            (0..rate / 10).map(|t| angle(t).sin() as f32).collect()
        };
        let far = |a: &[f32], b: &[f32]| {
            let inner = 100..a.len() - 100;
            let differences = inner.map(|i| (a[i] - b[i]).abs());
            differences.fold(0.0, f32::max)
        };
        for (from, to) in [(16_000, 8_000), (8_000, 16_000), (44_100, 16_000)] {
            let made = resampled(&tone(from, 440.0), from, to);
            let wanted = tone(to, 440.0);
            assert!(made.len().abs_diff(wanted.len()) <= 1);
            assert!(
                far(&wanted, &made) < 0.02,
                "{from} {to}: {}",
                far(&wanted, &made)
            );
        }
        // 7 kHz have no place at 8,000 samples a second, and must not sound as 1 kHz.
        let made = resampled(&tone(16_000, 7_000.0), 16_000, 8_000);
        assert!(made[100..700].iter().all(|v| v.abs() < 0.05));
        assert_eq!(resampled(&[0.5; 40], 3, 7), [0.5; 93]);
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_give_no_panic(
            place in 0..60usize, value in any::<u8>(), kept in 0..70usize, noise in proptest::collection::vec(any::<u8>(), 0..64)
        ) {
            let mut bytes = file(LINEAR, 2, 24, &noise);
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
            bytes.truncate(bytes.len().saturating_sub(70 - kept));
            if let Ok(recording) = read(&bytes) {
                let samples: usize = recording.channels.iter().map(Vec::len).sum();
                prop_assert!(samples <= bytes.len());
            }
            let _ = read(&noise);
        }
    }
}
