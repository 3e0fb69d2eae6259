//! Sums, means and maxima over the entries of a row.

use super::*;

type OnPlain = fn(&[f64]) -> f64;
type OnTensor = fn(&Csr, Tensor<2>) -> Tensor<2>;

/// Holds `reduction`, of the values of one row's entries, against the kernel and its portable form.
fn reductions_are_right(name: &str, reduction: OnPlain, kernel: OnTensor, portable: OnTensor) {
    check(name, |rng, number| {
        let mut matrix = matrix(rng, number);
        if matrix.entries() == 0 {
            matrix = Csr::from_pairs(3, 1, &[(1, 0), (1, 0)]).unwrap().0;
        }
        let width = width(rng);
        let shape = [matrix.entries(), width];
        let m = matrix.clone();
        let reference = move |inputs: &[Vec<f64>]| {
            let of = |row: usize, f: usize| {
                let values: Vec<f64> = m.row(row).map(|e| inputs[0][e * width + f]).collect();
                if values.is_empty() {
                    0.0
                } else {
                    reduction(&values)
                }
            };
            let places = (0..m.rows()).flat_map(|row| (0..width).map(move |f| (row, f)));
            places.map(|(row, f)| of(row, f)).collect()
        };
        let m = matrix.clone();
        Case {
            inputs: vec![numbers(rng, matrix.entries() * width)],
            reference: Box::new(reference),
            kernel: Box::new(move |inputs| flat(kernel(&matrix, shaped(&inputs[0], shape)))),
            portable: Box::new(move |inputs| flat(portable(&m, shaped(&inputs[0], shape)))),
        }
    });
}

#[test]
fn sums_over_the_entries_of_a_row_are_right() {
    reductions_are_right(
        "segment sum",
        |values| values.iter().sum(),
        |matrix, x| segment_sum(matrix, x).unwrap(),
        portable::segment_sum,
    );
}

#[test]
fn means_over_the_entries_of_a_row_are_right() {
    reductions_are_right(
        "segment mean",
        |values| values.iter().sum::<f64>() / values.len() as f64,
        |matrix, x| segment_mean(matrix, x).unwrap(),
        portable::segment_mean,
    );
}

#[test]
fn maxima_over_the_entries_of_a_row_are_right() {
    reductions_are_right(
        "segment maximum",
        |values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        |matrix, x| segment_max(matrix, x).unwrap(),
        portable::segment_max,
    );
}

/// Four rows of one, no, three and one entries.
fn uneven() -> Csr {
    Csr::new(5, vec![0, 1, 1, 4, 5], vec![0, 1, 2, 3, 4]).unwrap()
}

fn column(values: [f32; 5]) -> Tensor<2> {
    let device = Device::flex().autodiff();
    Tensor::from_data(TensorData::new(values.to_vec(), [5, 1]), &device).require_grad()
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn reductions_by_hand() {
    let x = || column([5.0, 1.0, -4.0, 6.0, -7.0]);
    let matrix = uneven();
    assert_eq!(
        values(segment_sum(&matrix, x()).unwrap()),
        [5.0, 0.0, 3.0, -7.0]
    );
    assert_eq!(
        values(segment_mean(&matrix, x()).unwrap()),
        [5.0, 0.0, 1.0, -7.0]
    );
    assert_eq!(
        values(segment_max(&matrix, x()).unwrap()),
        [5.0, 0.0, 6.0, -7.0]
    );
}

#[test]
fn of_equal_values_the_first_gets_the_gradient() {
    let x = column([2.0, -1.0, 3.0, 3.0, 4.0]);
    let gradients = segment_max(&uneven(), x.clone()).unwrap().sum().backward();
    let found = x.grad(&gradients).unwrap();
    assert_eq!(values(found), [1.0, 0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn rows_without_entries_and_without_width_give_zeros() {
    let device = Device::flex();
    let empty = Csr::new(3, vec![0, 0, 0], vec![]).unwrap();
    for reduce in [segment_sum, segment_mean, segment_max] {
        let y = reduce(&empty, Tensor::zeros([0, 2], &device)).unwrap();
        assert_eq!(values(y), [0.0; 4]);
        let y = reduce(&uneven(), Tensor::zeros([5, 0], &device)).unwrap();
        assert_eq!(y.dims(), [4, 0]);
    }
}

#[test]
fn rows_that_do_not_fit_are_named() {
    let x = || Tensor::<2>::zeros([4, 2], &Device::flex());
    let cases = [
        (
            segment_sum(&uneven(), x()),
            "segment sum: rows of x should be 5, but is 4",
        ),
        (segment_mean(&uneven(), x()), "segment mean: rows of x"),
        (segment_max(&uneven(), x()), "segment maximum: rows of x"),
    ];
    for (result, part) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
