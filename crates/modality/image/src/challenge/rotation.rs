use candor_data::Images;

use super::changed;

/// Pictures turned about their centre, anticlockwise as one sees them; pixels in between are interpolated, and beyond the edge there is
/// the edge.
pub fn rotated(images: &Images, indices: &[usize], degrees: f32) -> Images {
    let size = images.size();
    let (height, width) = (size.height, size.width);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = |side: usize| (side as f32 - 1.0) / 2.0;
    let (middle_row, middle_column) = (centre(height), centre(width));
    changed(images, indices, |_, picture| {
        for plane in picture.chunks_exact_mut(height * width) {
            let given = plane.to_vec();
            for row in 0..height {
                for column in 0..width {
                    let (y, x) = (row as f32 - middle_row, column as f32 - middle_column);
                    let from = [
                        cos * y + sin * x + middle_row,
                        cos * x - sin * y + middle_column,
                    ];
                    plane[row * width + column] = between(&given, [height, width], from);
                }
            }
        }
    })
}

/// A plane at a place between pixels.
fn between(plane: &[u8], [height, width]: [usize; 2], [row, column]: [f32; 2]) -> u8 {
    let row = row.clamp(0.0, height as f32 - 1.0);
    let column = column.clamp(0.0, width as f32 - 1.0);
    let (upper, left) = (row.floor() as usize, column.floor() as usize);
    let (lower, right) = ((upper + 1).min(height - 1), (left + 1).min(width - 1));
    let (down, along) = (row.fract(), column.fract());
    let at = |row: usize, column: usize| f32::from(plane[row * width + column]);
    let of_row = |row: usize| at(row, left) * (1.0 - along) + at(row, right) * along;
    (of_row(upper) * (1.0 - down) + of_row(lower) * down).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_data::ImageSize;

    fn picture(height: usize, width: usize, pixels: &[u8]) -> Images {
        let size = ImageSize {
            channels: 1,
            height,
            width,
        };
        Images::new(size, pixels.to_vec()).unwrap()
    }

    #[test]
    fn a_quarter_turn_moves_pixels_as_on_paper() {
        let image = picture(2, 2, &[1, 2, 3, 4]);
        // Anticlockwise: the right column becomes the upper row.
        assert_eq!(rotated(&image, &[0], 90.0).pixels(), [2, 4, 1, 3]);
        assert_eq!(rotated(&image, &[0], 180.0).pixels(), [4, 3, 2, 1]);
        assert_eq!(rotated(&image, &[0, 0], 0.0).len(), 2);
        assert_eq!(rotated(&image, &[0], 360.0).pixels(), image.pixels());
    }

    #[test]
    fn a_constant_picture_stays_constant() {
        let image = picture(5, 7, &[77; 35]);
        assert_eq!(rotated(&image, &[0], 33.0).pixels(), image.pixels());
        assert!(rotated(&image, &[4], 33.0).is_empty());
    }
}
