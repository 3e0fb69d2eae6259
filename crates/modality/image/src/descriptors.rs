use candor_baselines::{BaselineError, FeatureKind, Matrix};
use candor_data::{ImageSize, Images};
use serde::{Deserialize, Serialize};

/// The numbers that classical models see of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    /// Means over the parts of a grid of at most 14 x 14, a channel each.
    Pixels,
    /// Means over a grid of at most 7 x 7, and for each part of a grid of at most 4 x 4 how much the brightness changes in each of
    /// eight directions.
    ///
    /// # Reference
    /// Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005; without overlapping blocks, each part's
    /// histogram scaled by that of the whole picture.
    PixelsAndGradients,
}

const PIXEL_GRID: usize = 14;
const SMALL_GRID: usize = 7;
const GRADIENT_GRID: usize = 4;
const DIRECTIONS: usize = 8;

impl Descriptor {
    /// One row a picture.
    ///
    /// # Errors
    /// Never for pictures that exist.
    pub fn matrix(self, images: &Images, indices: &[usize]) -> Result<Matrix, BaselineError> {
        let mut values = Vec::new();
        for picture in indices.iter().filter_map(|&unit| images.get(unit)) {
            self.describe(picture, images.size(), &mut values);
        }
        let width = self.length(images.size());
        Matrix::new(indices.len(), vec![FeatureKind::Numeric; width], values)
    }

    /// Numbers of a picture.
    pub fn length(self, size: ImageSize) -> usize {
        let cells = |most: usize| size.height.min(most) * size.width.min(most);
        match self {
            Descriptor::Pixels => size.channels * cells(PIXEL_GRID),
            Descriptor::PixelsAndGradients => {
                size.channels * cells(SMALL_GRID) + DIRECTIONS * cells(GRADIENT_GRID)
            }
        }
    }

    fn describe(self, picture: &[u8], size: ImageSize, values: &mut Vec<f32>) {
        let sides = [size.height, size.width];
        let most = match self {
            Descriptor::Pixels => PIXEL_GRID,
            Descriptor::PixelsAndGradients => SMALL_GRID,
        };
        for plane in picture.chunks_exact(sides[0] * sides[1]) {
            values.extend(shrunk(plane, sides, sides.map(|side| side.min(most))));
        }
        if self == Descriptor::PixelsAndGradients {
            values.extend(gradients(&grey(picture, size), sides));
        }
    }
}

/// The mean of the channels.
fn grey(picture: &[u8], size: ImageSize) -> Vec<f32> {
    let mut grey = vec![0.0; size.height * size.width];
    for plane in picture.chunks_exact(grey.len()) {
        grey.iter_mut()
            .zip(plane)
            .for_each(|(sum, &v)| *sum += f32::from(v) / size.channels as f32);
    }
    grey
}

/// Where each part of a side begins and ends.
fn part(index: usize, parts: usize, side: usize) -> std::ops::Range<usize> {
    index * side / parts..(index + 1) * side / parts
}

/// Means of a plane over a grid, row-major; the grid must not be finer than the plane.
pub(crate) fn shrunk(plane: &[u8], [height, width]: [usize; 2], grid: [usize; 2]) -> Vec<f32> {
    let mut values = Vec::with_capacity(grid[0] * grid[1]);
    for i in 0..grid[0] {
        let rows = part(i, grid[0], height);
        for j in 0..grid[1] {
            let columns = part(j, grid[1], width);
            let count = (rows.len() * columns.len()).max(1) as f32;
            let lines = rows.clone().map(|r| &plane[r * width..][columns.clone()]);
            let sum: u32 = lines.flatten().map(|&v| u32::from(v)).sum();
            values.push(sum as f32 / count);
        }
    }
    values
}

/// Histograms of directions over a grid, weighed by the length of the gradient, as shares of the mean part's sum.
fn gradients(grey: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let grid = [height.min(GRADIENT_GRID), width.min(GRADIENT_GRID)];
    let at = |row: usize, column: usize| grey[row * width + column];
    let mut values = Vec::with_capacity(grid[0] * grid[1] * DIRECTIONS);
    for i in 0..grid[0] {
        for j in 0..grid[1] {
            let mut histogram = [0f32; DIRECTIONS];
            for row in part(i, grid[0], height) {
                for column in part(j, grid[1], width) {
                    let next = |place: usize, side: usize| (place + 1).min(side - 1);
                    let down = at(next(row, height), column) - at(row.saturating_sub(1), column);
                    let right = at(row, next(column, width)) - at(row, column.saturating_sub(1));
                    // Opposite directions count as one: a half turn is divided.
                    let turn = down.atan2(right).rem_euclid(std::f32::consts::PI);
                    let place = turn / std::f32::consts::PI * DIRECTIONS as f32;
                    histogram[place as usize % DIRECTIONS] += down.hypot(right);
                }
            }
            values.extend(histogram);
        }
    }
    let mean = values.iter().sum::<f32>() / (grid[0] * grid[1]) as f32;
    if mean > 0.0 {
        values.iter_mut().for_each(|v| *v /= mean);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_holds_means() {
        let plane = [0, 2, 10, 10, 4, 6, 20, 20];
        assert_eq!(shrunk(&plane, [2, 4], [1, 2]), [3.0, 15.0]);
        assert_eq!(shrunk(&plane, [2, 4], [2, 4]), plane.map(f32::from));
        // Parts of different sizes.
        assert_eq!(shrunk(&[1, 2, 4], [1, 3], [1, 2]), [1.0, 3.0]);
    }

    #[test]
    fn an_edge_points_in_its_direction() {
        // Dark on the left, light on the right: the brightness changes along the row, which is direction 0.
        let upright: Vec<f32> = (0..16)
            .map(|i| if i % 4 < 2 { 0.0 } else { 90.0 })
            .collect();
        let found = gradients(&upright, [4, 4]);
        assert_eq!(found.len(), 4 * 4 * DIRECTIONS);
        let of = |direction: usize| {
            found
                .iter()
                .skip(direction)
                .step_by(DIRECTIONS)
                .sum::<f32>()
        };
        assert!((of(0) - 16.0).abs() < 1e-4 && (1..DIRECTIONS).all(|d| of(d) == 0.0));
        let lying: Vec<f32> = (0..16).map(|i| if i < 8 { 0.0 } else { 90.0 }).collect();
        let found = gradients(&lying, [4, 4]);
        let of = |direction: usize| {
            found
                .iter()
                .skip(direction)
                .step_by(DIRECTIONS)
                .sum::<f32>()
        };
        assert!((of(DIRECTIONS / 2) - 16.0).abs() < 1e-4);
        assert_eq!(gradients(&[7.0; 16], [4, 4]), [0.0; 4 * 4 * DIRECTIONS]);
    }

    #[test]
    fn every_picture_has_a_row_of_the_stated_length() {
        for (channels, height, width) in [(1, 1, 1), (3, 28, 20), (1, 5, 3)] {
            let size = ImageSize {
                channels,
                height,
                width,
            };
            let images = Images::new(size, vec![3; 2 * size.len()]).unwrap();
            for descriptor in [Descriptor::Pixels, Descriptor::PixelsAndGradients] {
                let matrix = descriptor.matrix(&images, &[1, 0, 1]).unwrap();
                assert_eq!(matrix.rows(), 3);
                assert_eq!(matrix.columns().len(), descriptor.length(size));
            }
        }
    }
}
