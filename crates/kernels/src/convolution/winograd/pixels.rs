//! From planes to pixels with their channels side by side, and back.

use crate::lanes::copy_short;

/// Rows and columns of a block, and of vectors wherever they are that long.
const SIDE: usize = 16;
type Block = [f32; SIDE * SIDE];

/// Rows and columns of a block change places: as cards are shuffled, the numbers of one half go between those of the other, which turns
/// the bits of their places round by one; loops that long become shuffles of vectors.
#[inline(always)]
fn turn(block: &mut Block) {
    let mut other = [0f32; SIDE * SIDE];
    for _ in 0..SIDE.ilog2() / 2 {
        shuffle(block, &mut other);
        shuffle(&other, block);
    }
}

#[inline(always)]
fn shuffle(from: &Block, to: &mut Block) {
    let (low, high) = from.split_at(SIDE * SIDE / 2);
    for (i, pair) in to.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        pair[0] = low[i];
        pair[1] = high[i];
    }
}

/// Some neighbouring pixels of planes, `planes[plane * distance + first..]`, to `pixels[pixel * pitch + plane]`; zero from the last plane
/// up to a multiple of 16.
#[inline(always)]
pub(super) fn from_planes(
    planes: &[f32],
    distance: usize,
    first: usize,
    pixels: &mut [f32],
    pitch: usize,
) {
    let count = pixels.len() / pitch;
    let number = planes.len() / distance;
    for plane in (0..number).step_by(SIDE) {
        for pixel in (0..count).step_by(SIDE) {
            let many = SIDE.min(count - pixel);
            let mut block = [0f32; SIDE * SIDE];
            for (i, row) in block
                .as_chunks_mut::<SIDE>()
                .0
                .iter_mut()
                .enumerate()
                .take(number - plane)
            {
                let from = &planes[(plane + i) * distance + first + pixel..];
                match from.first_chunk::<SIDE>() {
                    Some(from) => *row = *from,
                    None => copy_short(row, &from[..many]),
                }
            }
            turn(&mut block);
            for (i, row) in block.as_chunks::<SIDE>().0.iter().enumerate().take(many) {
                pixels[(pixel + i) * pitch + plane..][..SIDE].copy_from_slice(row);
            }
        }
    }
}

/// The other way, from `pixels[pixel * pitch + lane..]` to `count` pixels of each plane from `first` on; a block may be read beyond the
/// last pixel.
#[inline(always)]
pub(super) fn to_planes(
    pixels: &[f32],
    pitch: usize,
    count: usize,
    planes: &mut [&mut [f32]],
    first: usize,
) {
    for (number, planes) in planes.chunks_mut(SIDE).enumerate() {
        for pixel in (0..count).step_by(SIDE) {
            let many = SIDE.min(count - pixel);
            let mut block = [0f32; SIDE * SIDE];
            for (i, row) in block.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
                row.copy_from_slice(&pixels[(pixel + i) * pitch + number * SIDE..][..SIDE]);
            }
            turn(&mut block);
            for (plane, row) in planes.iter_mut().zip(block.as_chunks::<SIDE>().0) {
                let to = &mut plane[first + pixel..][..many];
                match to.first_chunk_mut::<SIDE>() {
                    Some(to) => *to = *row,
                    None => copy_short(to, row),
                }
            }
        }
    }
}

/// Pixels with their channels side by side, `[count, channels]`, to channels, `[channels, distance]`; both in whole blocks of 16.
#[inline(always)]
pub(super) fn to_rows(pixels: &[f32], channels: usize, rows: &mut [f32], distance: usize) {
    for channel in (0..channels).step_by(SIDE) {
        for pixel in (0..distance).step_by(SIDE) {
            let mut block = [0f32; SIDE * SIDE];
            for (i, row) in block.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
                row.copy_from_slice(&pixels[(pixel + i) * channels + channel..][..SIDE]);
            }
            turn(&mut block);
            for (i, row) in block.as_chunks::<SIDE>().0.iter().enumerate() {
                rows[(channel + i) * distance + pixel..][..SIDE].copy_from_slice(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_of_every_number_and_size_come_back() {
        for (planes, size, first, count) in [
            (1usize, 1, 0, 1),
            (8, 8, 0, 8),
            (13, 21, 2, 19),
            (16, 9, 0, 9),
        ] {
            let values: Vec<f32> = (0..planes * size).map(|i| i as f32).collect();
            let pitch = planes.next_multiple_of(16);
            let mut pixels = vec![f32::NAN; (count + 16) * pitch];
            from_planes(&values, size, first, &mut pixels[..count * pitch], pitch);
            for (pixel, row) in pixels.chunks(pitch).take(count).enumerate() {
                for (plane, &value) in row.iter().enumerate() {
                    let expected = if plane < planes {
                        values[plane * size + first + pixel]
                    } else {
                        0.0
                    };
                    assert_eq!(value, expected);
                }
            }
            let mut back = vec![f32::NAN; planes * size];
            let mut strips: Vec<&mut [f32]> = back.chunks_mut(size).collect();
            to_planes(&pixels, pitch, count, &mut strips, first);
            for (i, (a, b)) in back.iter().zip(&values).enumerate() {
                let inside = (first..first + count).contains(&(i % size));
                assert!(if inside { a == b } else { a.is_nan() });
            }
        }
    }

    #[test]
    fn channels_become_rows() {
        let pixels: Vec<f32> = (0..48 * 32).map(|i| i as f32).collect();
        let mut rows = vec![f32::NAN; 48 * 32];
        to_rows(&pixels, 32, &mut rows, 48);
        for (i, &value) in rows.iter().enumerate() {
            assert_eq!(value, pixels[i % 48 * 32 + i / 48]);
        }
    }
}
