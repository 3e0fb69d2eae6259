use candor_data::{ImageSize, Images};
use candor_design::Choice;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::design::Reader;

/// How pictures are changed at random in training, each time anew; the label stays.
///
/// Each change is a claim about the world that a search tests: shifted, mirrored, partly hidden or differently lit pictures still show
/// the same thing. So none is taken for granted: digits, say, must not be mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augmentation {
    /// Shifts by up to an eighth of the picture each way; what comes in is the mirrored edge.
    pub crop: bool,
    /// Left and right change places, in half of the pictures.
    pub flip: bool,
    /// A square of about a third of the side shows the mean of the training pictures (DeVries & Taylor 2017).
    pub cutout: bool,
    /// Brightness, contrast and saturation change by up to a fifth; pictures with three channels only.
    pub colour: bool,
}

impl Augmentation {
    /// Nothing is changed.
    pub const NONE: Augmentation = Augmentation {
        crop: false,
        flip: false,
        cutout: false,
        colour: false,
    };

    pub(crate) fn choices(size: ImageSize) -> Vec<Choice> {
        let flags = || [true, false];
        let mut choices = vec![
            Choice::categorical("crop", flags()),
            Choice::categorical("flip", flags()),
            Choice::categorical("cutout", flags()),
        ];
        if size.channels == 3 {
            choices.push(Choice::categorical("colour", flags()));
        }
        choices
    }

    pub(crate) fn read(reader: &Reader) -> Result<Augmentation, String> {
        Ok(Augmentation {
            crop: reader.flag("crop", true)?,
            flip: reader.flag("flip", false)?,
            cutout: reader.flag("cutout", false)?,
            colour: reader.flag("colour", false)?,
        })
    }

    /// Writes one picture `[channels, height, width]`, changed at random, to `out`; `fill` is what a hidden square shows of each channel.
    pub fn apply(
        &self,
        picture: &[u8],
        size: ImageSize,
        fill: &[u8],
        stream: &mut ChaCha8Rng,
        out: &mut [u8],
    ) {
        let reach = |side: usize| (side / 8).min(side.saturating_sub(1)) as i32;
        let mut shift = |side: usize| {
            let reach = reach(side);
            if self.crop && reach > 0 {
                stream.random_range(-reach..=reach) as isize
            } else {
                0
            }
        };
        let (down, right) = (shift(size.height), shift(size.width));
        let mirrored = self.flip && stream.random::<bool>();
        let columns: Vec<usize> = (0..size.width)
            .map(|column| {
                let from = reflected(column as isize + right, size.width);
                if mirrored {
                    size.width - 1 - from
                } else {
                    from
                }
            })
            .collect();
        let rows = out.chunks_exact_mut(size.width).enumerate();
        for (line, out) in rows {
            let (channel, row) = (line / size.height, line % size.height);
            let from = channel * size.height + reflected(row as isize + down, size.height);
            let from = &picture[from * size.width..][..size.width];
            for (out, &column) in out.iter_mut().zip(&columns) {
                *out = from[column];
            }
        }
        if self.colour && size.channels == 3 {
            relight(out, stream);
        }
        if self.cutout {
            hide(out, size, fill, stream);
        }
    }
}

/// Some pictures with left and right exchanged.
pub(crate) fn mirrored(images: &Images, indices: &[usize]) -> Images {
    let size = images.size();
    let pictures = indices.iter().filter_map(|&index| images.get(index));
    let rows = pictures.flat_map(|picture| picture.chunks_exact(size.width));
    let pixels = rows.flat_map(|row| row.iter().rev().copied()).collect();
    Images::new(size, pixels).unwrap_or_else(|| unreachable!("whole pictures of this size"))
}

/// A place inside, mirrored at the edges (which are not doubled).
fn reflected(place: isize, side: usize) -> usize {
    let last = side as isize - 1;
    let place = place.abs();
    (if place > last {
        2 * last - place
    } else {
        place
    })
    .clamp(0, last) as usize
}

/// Hides a square around a random pixel.
fn hide(out: &mut [u8], size: ImageSize, fill: &[u8], stream: &mut ChaCha8Rng) {
    let side = size.height.min(size.width).div_ceil(3);
    let mut range = |length: usize| {
        let middle = stream.random_range(0..length);
        middle.saturating_sub(side / 2)..(middle + side - side / 2).min(length)
    };
    let (rows, columns) = (range(size.height), range(size.width));
    for (plane, &fill) in out.chunks_exact_mut(size.height * size.width).zip(fill) {
        for row in rows.clone() {
            plane[row * size.width..][columns.clone()].fill(fill);
        }
    }
}

/// Changes brightness, contrast and saturation of a picture of three channels.
fn relight(out: &mut [u8], stream: &mut ChaCha8Rng) {
    let mut factor = || stream.random_range(0.8f32..1.2);
    let (brightness, contrast, saturation) = (factor(), factor(), factor());
    let mean = out.iter().map(|&v| f32::from(v)).sum::<f32>() / out.len().max(1) as f32;
    let pixels = out.len() / 3;
    let (red, rest) = out.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let colours = [*r, *g, *b].map(f32::from);
        let grey = colours.iter().sum::<f32>() / 3.0;
        let changed = colours.map(|v| {
            let v = grey + (v - grey) * saturation;
            ((mean + (v - mean) * contrast) * brightness).round() as u8
        });
        [*r, *g, *b] = changed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_core::Seed;

    const SIZE: ImageSize = ImageSize {
        channels: 3,
        height: 16,
        width: 24,
    };

    fn picture() -> Vec<u8> {
        (0..SIZE.len()).map(|i| (i * 7 % 251) as u8).collect()
    }

    fn applied(augmentation: Augmentation, seed: u64) -> Vec<u8> {
        let mut out = vec![0; SIZE.len()];
        let mut stream = Seed(seed).stream("augmentation", &[]);
        augmentation.apply(&picture(), SIZE, &[9, 8, 7], &mut stream, &mut out);
        out
    }

    #[test]
    fn a_policy_that_asks_for_nothing_changes_nothing() {
        assert_eq!(applied(Augmentation::NONE, 1), picture());
    }

    #[test]
    fn the_stream_decides_alone() {
        let all = Augmentation {
            crop: true,
            flip: true,
            cutout: true,
            colour: true,
        };
        assert_eq!(applied(all, 1), applied(all, 1));
        assert_ne!(applied(all, 1), applied(all, 2));
    }

    #[test]
    fn half_of_the_pictures_are_mirrored_and_twice_mirrored_is_the_picture() {
        let flip = Augmentation {
            flip: true,
            ..Augmentation::NONE
        };
        let mirrored: Vec<u8> = picture()
            .chunks_exact(SIZE.width)
            .flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>())
            .collect();
        let of: Vec<Vec<u8>> = (0..200).map(|seed| applied(flip, seed)).collect();
        let count = of.iter().filter(|p| **p == mirrored).count();
        assert!(of.iter().all(|p| *p == mirrored || *p == picture()));
        assert!((70..130).contains(&count), "{count}");
    }

    #[test]
    fn a_shift_reaches_an_eighth_and_mirrors_the_edge() {
        let crop = Augmentation {
            crop: true,
            ..Augmentation::NONE
        };
        let given = picture();
        let at = |p: &[u8], row: usize, column: usize| p[row * SIZE.width + column];
        let mut shifts = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let out = applied(crop, seed);
            let found =
                (-2isize..=2).flat_map(|down| (-3isize..=3).map(move |right| (down, right)));
            let fits = |&(down, right): &(isize, isize)| {
                (0..16).all(|row| {
                    (0..24).all(|column| {
                        let from = reflected(row as isize + down, 16);
                        let side = reflected(column as isize + right, 24);
                        at(&out, row, column) == at(&given, from, side)
                    })
                })
            };
            shifts.insert(found.into_iter().find(fits).unwrap());
        }
        assert!(shifts.len() > 25, "{}", shifts.len());
        assert_eq!(
            [-2, -1, 0, 15, 16, 17].map(|p| reflected(p, 16)),
            [2, 1, 0, 15, 14, 13]
        );
        assert_eq!(reflected(5, 1), 0);
    }

    #[test]
    fn a_hidden_square_shows_the_mean() {
        let cutout = Augmentation {
            cutout: true,
            ..Augmentation::NONE
        };
        for seed in 0..50 {
            let (out, given) = (applied(cutout, seed), picture());
            let pixels = SIZE.height * SIZE.width;
            for (channel, fill) in [9, 8, 7].into_iter().enumerate() {
                let plane = channel * pixels..(channel + 1) * pixels;
                let hidden = plane.filter(|&i| out[i] != given[i]).collect::<Vec<_>>();
                assert!(hidden.iter().all(|&i| out[i] == fill));
                assert!(!hidden.is_empty() && hidden.len() <= 36);
            }
        }
    }
}
