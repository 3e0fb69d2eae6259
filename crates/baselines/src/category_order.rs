use crate::bins::{BinnedMatrix, ColumnBins};
use crate::forest_split::Response;
use crate::tree::CategorySet;

/// Rows of the mean response that every category is thought to have besides its own: rare categories stay
/// in the middle of the order instead of at its ends, where they would look like discoveries.
const PRIOR_ROWS: f64 = 10.0;

/// Steps of the power iteration; the order of categories is settled long before.
const POWER_STEPS: usize = 30;

/// Categories of one column, from low to high response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CategoryOrder {
    bins: Vec<u8>,
}

impl CategoryOrder {
    /// The categories with ranks up to this one.
    pub(crate) fn up_to(&self, rank: usize) -> CategorySet {
        let mut set = CategorySet::default();
        self.bins
            .iter()
            .take(rank + 1)
            .for_each(|&bin| set.insert(bin));
        set
    }
}

/// Replaces the bins of categorical columns by ranks, so that a forest splits them like numbers.
///
/// With one output, categories are ordered by their mean response: the best split is then among the cuts
/// (Breiman et al. 1984, theorem 4.5). With several, by the first principal component of the means
/// (Coppersmith et al. 1999). The order is fixed for the whole forest (Wright and König 2019), which also
/// tells where to send a category that a node has not seen.
pub(crate) fn order_categories(
    binned: &mut BinnedMatrix,
    response: &Response,
    outputs: usize,
) -> Vec<Option<CategoryOrder>> {
    let mut orders = Vec::with_capacity(binned.bins().columns.len());
    for column in 0..binned.bins().columns.len() {
        let ColumnBins::Categorical(categories) = &binned.bins().columns[column] else {
            orders.push(None);
            continue;
        };
        let bins = categories.bins();
        let offsets = mean_offsets(binned.column(column), bins, response, outputs);
        let position = first_component(&offsets, outputs);
        let mut order: Vec<u8> = (0..bins).map(|bin| bin as u8).collect();
        order.sort_by(|&a, &b| position[usize::from(a)].total_cmp(&position[usize::from(b)]));
        let mut label = [bins as u8; 256];
        order
            .iter()
            .enumerate()
            .for_each(|(rank, &bin)| label[usize::from(bin)] = rank as u8);
        binned.relabel(column, &label);
        orders.push(Some(CategoryOrder { bins: order }));
    }
    orders
}

/// Rows, and the smoothed distance of the mean response from that of all rows, of each category.
fn mean_offsets(
    codes: &[u8],
    bins: usize,
    response: &Response,
    outputs: usize,
) -> Vec<(f64, Vec<f64>)> {
    let mut sums = vec![(0.0, vec![0.0; outputs]); bins + 1];
    for (row, &code) in codes.iter().enumerate() {
        let (count, sum) = &mut sums[usize::from(code)];
        *count += 1.0;
        match response {
            Response::Classes(labels) => sum[labels[row] as usize] += 1.0,
            Response::Values(values) => {
                let values = &values[row * outputs..(row + 1) * outputs];
                sum.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
    }
    let total = |output: usize| sums.iter().map(|(_, sum)| sum[output]).sum::<f64>();
    let means: Vec<f64> = (0..outputs)
        .map(|output| total(output) / codes.len().max(1) as f64)
        .collect();
    sums.truncate(bins);
    for (count, sum) in &mut sums {
        for (sum, mean) in sum.iter_mut().zip(&means) {
            *sum = (*sum - *count * mean) / (*count + PRIOR_ROWS);
        }
    }
    sums
}

/// The coordinate of each category along the direction in which the categories differ most.
fn first_component(offsets: &[(f64, Vec<f64>)], outputs: usize) -> Vec<f64> {
    let mut direction = vec![1.0; outputs];
    if outputs > 1 {
        let size = |(count, offset): &&(f64, Vec<f64>)| count * dot(offset, offset);
        if let Some((_, farthest)) = offsets.iter().max_by(|a, b| size(a).total_cmp(&size(b))) {
            direction.clone_from(farthest);
        }
        for _ in 0..POWER_STEPS {
            let mut next = vec![0.0; outputs];
            for (count, offset) in offsets {
                let along = count * dot(offset, &direction);
                next.iter_mut()
                    .zip(offset)
                    .for_each(|(next, o)| *next += along * o);
            }
            let length = dot(&next, &next).sqrt();
            if length == 0.0 {
                break;
            }
            direction = next.iter().map(|n| n / length).collect();
        }
    }
    offsets
        .iter()
        .map(|(_, offset)| dot(offset, &direction))
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Bins, FeatureKind, Matrix};

    fn binned(codes: &[f32]) -> BinnedMatrix {
        let kind = FeatureKind::Categorical { cardinality: 3 };
        let matrix = Matrix::new(codes.len(), vec![kind], codes.to_vec()).unwrap();
        let bins = Bins::fit(&matrix, &[], 255).unwrap();
        BinnedMatrix::new(&matrix, Arc::new(bins)).unwrap()
    }

    #[test]
    fn categories_become_ranks_of_their_mean() {
        let mut binned = binned(&[0.0, 1.0, 2.0, f32::NAN, 1.0]);
        let response = Response::Values(vec![5.0, 9.0, 1.0, 0.0, 9.0]);
        let orders = order_categories(&mut binned, &response, 1);
        // From low to high: 2, 0, 1; missing stays last.
        assert_eq!(binned.column(0), [1, 2, 0, 3, 2]);
        let set = orders[0].as_ref().unwrap().up_to(1);
        assert_eq!(
            [0, 1, 2, 3].map(|bin| set.contains(bin)),
            [true, false, true, false]
        );
    }

    #[test]
    fn with_classes_the_middle_category_lies_between_the_others() {
        let mut binned = binned(&[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        let response = Response::Classes(vec![0, 0, 2, 2, 0, 2]);
        order_categories(&mut binned, &response, 3);
        assert_eq!(binned.column(0)[4], 1);
    }
}
