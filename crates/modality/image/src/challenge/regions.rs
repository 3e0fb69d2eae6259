use std::ops::Range;

use candor_core::Seed;
use candor_data::{ImageSize, Images};
use rand::seq::SliceRandom;

use super::changed;

/// Parts of each side of the grid at most.
const PARTS: usize = 4;

fn part(index: usize, parts: usize, side: usize) -> Range<usize> {
    index * side / parts..(index + 1) * side / parts
}

fn grid(size: ImageSize) -> [usize; 2] {
    [size.height.min(PARTS), size.width.min(PARTS)]
}

/// The names of the regions of a picture: a grid of at most 4 x 4, row by row.
pub fn regions(size: ImageSize) -> Vec<String> {
    let [rows, columns] = grid(size);
    let name = |i: usize| format!("row {}, column {}", i / columns + 1, i % columns + 1);
    (0..rows * columns).map(name).collect()
}

/// Pictures in which one region, counted as in [`regions`], shows that of another picture among them: what the model loses then is what
/// it owes to that region. A region that does not exist changes nothing.
///
/// # Reference
/// Breiman, "Random Forests", 2001, section 10 (permutation importance).
pub fn region_shuffled(images: &Images, indices: &[usize], region: usize, seed: Seed) -> Images {
    let size = images.size();
    let [rows, columns] = grid(size);
    if region >= rows * columns {
        return changed(images, indices, |_, _| ());
    }
    let rows = part(region / columns, rows, size.height);
    let columns = part(region % columns, columns, size.width);
    let mut order: Vec<usize> = indices.to_vec();
    order.retain(|&i| i < images.len());
    order.shuffle(&mut seed.stream("region", &[region as u64]));
    let mut others = order.into_iter();
    changed(images, indices, |_, picture| {
        let Some(other) = others.next().and_then(|other| images.get(other)) else {
            return;
        };
        for channel in 0..size.channels {
            for row in rows.clone() {
                let line = (channel * size.height + row) * size.width;
                let at = line + columns.start..line + columns.end;
                picture[at.clone()].copy_from_slice(&other[at]);
            }
        }
    })
}

/// Pictures whose parts, of a grid of at most 4 x 4, changed places at random: each part is one that occurs, the whole is not. A
/// model should notice that these pictures are unlike its training data.
///
/// What does not fill a part at the lower and the right edge stays where it is.
pub fn patches_shuffled(images: &Images, indices: &[usize], seed: Seed) -> Images {
    let size = images.size();
    let [rows, columns] = grid(size);
    let (height, width) = (size.height / rows, size.width / columns);
    changed(images, indices, |index, picture| {
        let given = picture.to_vec();
        let mut order: Vec<usize> = (0..rows * columns).collect();
        order.shuffle(&mut seed.stream("patches", &[index as u64]));
        for (to, from) in order.into_iter().enumerate() {
            for channel in 0..size.channels {
                for line in 0..height {
                    let start = |patch: usize| {
                        let row = channel * size.height + patch / columns * height + line;
                        row * size.width + patch % columns * width
                    };
                    let source = &given[start(from)..start(from) + width];
                    picture[start(to)..start(to) + width].copy_from_slice(source);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ImageSize = ImageSize {
        channels: 2,
        height: 9,
        width: 8,
    };

    /// Pictures of which every byte says its picture.
    fn numbered(count: usize) -> Images {
        let of = |picture: usize| (0..SIZE.len()).map(move |i| (picture * 50 + i % 50) as u8);
        Images::new(SIZE, (0..count).flat_map(of).collect()).unwrap()
    }

    fn sorted(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    }

    #[test]
    fn a_shuffled_region_comes_from_the_others_and_the_rest_stays() {
        let images = numbered(5);
        let indices = [4, 0, 2, 3];
        let last = regions(SIZE).len() - 1;
        assert_eq!((last, regions(SIZE)[5].as_str()), (15, "row 2, column 2"));
        for region in [0, 6, last] {
            let shuffled = region_shuffled(&images, &indices, region, Seed(1));
            assert_eq!(shuffled.len(), 4);
            let whole = images.select(&indices).unwrap();
            assert_eq!(sorted(shuffled.pixels()), sorted(whole.pixels()));
            let differ = |i: &usize| shuffled.pixels()[*i] != whole.pixels()[*i];
            let changed: Vec<usize> = (0..whole.pixels().len()).filter(differ).collect();
            let (rows, columns) = (part(region / 4, 4, 9), part(region % 4, 4, 8));
            assert!(!changed.is_empty());
            assert!(
                changed
                    .iter()
                    .all(|i| rows.contains(&(i / 8 % 9)) && columns.contains(&(i % 8)))
            );
        }
        let same = region_shuffled(&images, &indices, 99, Seed(1));
        assert_eq!(Some(same), images.select(&indices));
    }

    #[test]
    fn shuffled_patches_keep_their_pixels() {
        let images = numbered(3);
        let shuffled = patches_shuffled(&images, &[2, 0], Seed(4));
        let whole = images.select(&[2, 0]).unwrap();
        assert_ne!(shuffled, whole);
        let length = SIZE.len();
        for (a, b) in shuffled
            .pixels()
            .chunks(length)
            .zip(whole.pixels().chunks(length))
        {
            assert_eq!(sorted(a), sorted(b));
        }
        // A picture is changed alike whatever stands beside it.
        let alone = patches_shuffled(&images, &[0], Seed(4));
        assert_eq!(alone.get(0), shuffled.get(1));
    }

    #[test]
    fn a_picture_of_one_pixel_has_one_region() {
        let size = ImageSize {
            channels: 1,
            height: 1,
            width: 1,
        };
        let images = Images::new(size, vec![7]).unwrap();
        assert_eq!(regions(size), ["row 1, column 1"]);
        assert_eq!(patches_shuffled(&images, &[0], Seed(1)), images);
        assert_eq!(region_shuffled(&images, &[0], 0, Seed(1)), images);
    }
}
