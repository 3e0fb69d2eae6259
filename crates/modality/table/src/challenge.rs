use candor_baselines::Matrix;
use candor_core::Seed;
use rand::seq::SliceRandom;

/// The given rows with one group of features (one column of the source) shuffled between them: what the model loses
/// then is what it owes to that column.
///
/// # Reference
/// Breiman, "Random Forests", 2001, section 10 (permutation importance).
pub fn column_shuffled(
    matrix: &Matrix,
    rows: &[usize],
    features: std::ops::Range<usize>,
    seed: Seed,
) -> Vec<f32> {
    let width = matrix.columns().len();
    let mut values: Vec<f32> = rows
        .iter()
        .flat_map(|&row| matrix.row(row).iter().copied())
        .collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.shuffle(&mut seed.stream("column", &[features.start as u64]));
    for (to, &from) in order.iter().enumerate() {
        let cells = &matrix.row(rows[from])[features.clone()];
        values[to * width + features.start..to * width + features.end].copy_from_slice(cells);
    }
    values
}

/// The given rows with every feature shuffled on its own: each cell is one that occurs, their combinations
/// are not. A model should notice that these rows are unlike its training data.
pub fn columns_shuffled_apart(matrix: &Matrix, rows: &[usize], seed: Seed) -> Vec<f32> {
    let width = matrix.columns().len();
    let mut values = vec![0.0; rows.len() * width];
    for feature in 0..width {
        let mut cells: Vec<f32> = rows.iter().map(|&row| matrix.row(row)[feature]).collect();
        cells.shuffle(&mut seed.stream("apart", &[feature as u64]));
        for (row, cell) in cells.into_iter().enumerate() {
            values[row * width + feature] = cell;
        }
    }
    values
}
