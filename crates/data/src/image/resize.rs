use super::ImageSize;
use super::decode::Picture;

/// The share of each input pixel in one output pixel.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// The picture with the shape `size`, `[channels, height, width]`. Shrinking averages all pixels that a new one covers
/// (a triangle filter as wide as the new pixel), enlarging interpolates linearly; the aspect is not kept. The
/// arithmetic is done in one order, so the result is the same on every machine.
pub(super) fn fitted(picture: Picture, size: ImageSize) -> Vec<u8> {
    let picture = if size.channels == 1 {
        picture.into_grey()
    } else {
        picture
    };
    let planes = if (picture.height, picture.width) == (size.height, size.width) {
        planes(&picture)
    } else {
        resized(&picture, size.height, size.width)
    };
    if picture.channels == size.channels {
        planes
    } else {
        planes.repeat(size.channels)
    }
}

/// `[height, width, channels]` to `[channels, height, width]`.
fn planes(picture: &Picture) -> Vec<u8> {
    (0..picture.channels)
        .flat_map(|channel| {
            picture
                .pixels
                .iter()
                .skip(channel)
                .step_by(picture.channels)
                .copied()
        })
        .collect()
}

fn resized(picture: &Picture, height: usize, width: usize) -> Vec<u8> {
    let channels = picture.channels;
    let row_length = picture.width * channels;
    let columns = taps(picture.width, width);
    let mut planes = vec![0; channels * height * width];
    let mut row = vec![0.0_f32; row_length];
    for (y, vertical) in taps(picture.height, height).iter().enumerate() {
        row.fill(0.0);
        let rows = picture.pixels.chunks_exact(row_length).skip(vertical.first);
        for (weight, source) in vertical.weights.iter().zip(rows) {
            for (sum, &value) in row.iter_mut().zip(source) {
                *sum += weight * f32::from(value);
            }
        }
        for (x, horizontal) in columns.iter().enumerate() {
            for channel in 0..channels {
                let values = row[horizontal.first * channels + channel..]
                    .iter()
                    .step_by(channels);
                let sum: f32 = horizontal
                    .weights
                    .iter()
                    .zip(values)
                    .map(|(w, v)| w * v)
                    .sum();
                planes[(channel * height + y) * width + x] = sum.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    planes
}

/// The triangle filter from `from` pixels to `to` pixels along one side.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let radius = scale.max(1.0);
    (0..to)
        .map(|at| {
            let centre = (at as f64 + 0.5) * scale;
            let first = (centre - radius).floor().max(0.0) as usize;
            let last = ((centre + radius).ceil() as usize).min(from);
            let weight = |i: usize| (1.0 - ((i as f64 + 0.5 - centre) / radius).abs()).max(0.0);
            let sum: f64 = (first..last).map(weight).sum();
            Taps {
                first,
                weights: (first..last).map(|i| (weight(i) / sum) as f32).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize, pixels: Vec<u8>) -> Picture {
        Picture {
            width,
            height,
            channels: 1,
            pixels,
        }
    }

    fn size(channels: usize, height: usize, width: usize) -> ImageSize {
        ImageSize {
            channels,
            height,
            width,
        }
    }

    #[test]
    fn shrinking_averages_and_enlarging_interpolates() {
        // Two pixels to four: 0, a quarter and three quarters of the way, 1.
        let wide = fitted(grey(1, 2, vec![0, 200]), size(1, 1, 4));
        assert_eq!(wide, [0, 50, 150, 200]);
        // Four to two: the triangle of radius 2 around 1 weighs 3/4, 3/4, 1/4 (of 7/4), mirrored.
        let narrow = fitted(grey(1, 4, vec![0, 0, 140, 140]), size(1, 1, 2));
        assert_eq!(narrow, [20, 120]);
        // To one pixel: every pixel counts.
        assert_eq!(
            fitted(grey(2, 2, vec![10, 20, 30, 40]), size(1, 1, 1)),
            [25]
        );
    }

    #[test]
    fn a_constant_picture_stays_constant_at_every_size() {
        for (height, width) in [(1, 1), (3, 7), (50, 2), (64, 64)] {
            let picture = grey(9, 13, vec![77; 9 * 13]);
            let made = fitted(picture, size(1, height, width));
            assert_eq!(made, vec![77; height * width]);
        }
    }

    #[test]
    fn channels_become_planes_are_repeated_or_weighed() {
        let colour = Picture {
            width: 2,
            height: 1,
            channels: 3,
            pixels: vec![255, 0, 0, 1, 2, 3],
        };
        assert_eq!(fitted(colour.clone(), size(3, 1, 2)), [255, 1, 0, 2, 0, 3]);
        // 0.299 of 255 is 76.
        assert_eq!(fitted(colour, size(1, 1, 2)), [76, 2]);
        assert_eq!(
            fitted(grey(1, 2, vec![5, 6]), size(3, 1, 2)),
            [5, 6, 5, 6, 5, 6]
        );
    }
}
