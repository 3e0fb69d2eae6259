use crate::{Csr, KdTree, KernelError};

const NAME: &str = "k nearest";

/// For each query the `k` nearest points of the cloud with the same place, the nearest first; of equally near ones those that come
/// first. With the points themselves as queries, a point is its own nearest.
///
/// # Arguments
/// `queries`: `[queries, width]`, row-major, as wide as the tree's points; `clouds`: where the queries of each cloud begin, and the
/// number of queries. A cloud of fewer than `k` points gives all of them.
///
/// In more than three dimensions use [`nearest_neighbours`](crate::nearest_neighbours).
///
/// # Errors
/// When lengths or the number of clouds do not fit, `k` is zero, or a coordinate is not a finite number.
pub fn k_nearest(
    tree: &KdTree,
    queries: &[f32],
    clouds: &[usize],
    k: usize,
) -> Result<Csr, KernelError> {
    if k == 0 {
        return Err(KernelError::shape(
            NAME,
            "number of neighbours",
            "at least 1",
            0,
        ));
    }
    tree.search(NAME, queries, clouds, f32::INFINITY, k)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;
    use crate::clouds::tests::clouds;
    use crate::kd_tree::tests::exhaustive;

    #[test]
    fn neighbours_are_those_of_an_exhaustive_search() {
        for number in 0..100 {
            let (width, starts, points) = clouds(number);
            let tree = KdTree::new(&points, width, &starts).unwrap();
            for k in [1, 3, 20, 150] {
                let csr = k_nearest(&tree, &points, &starts, k).unwrap();
                assert_eq!(csr.columns(), csr.rows());
                for cloud in starts.windows(2) {
                    for i in cloud[0]..cloud[1] {
                        let query = &points[i * width..(i + 1) * width];
                        let mut expected = exhaustive(&points, width, cloud[0]..cloud[1], query);
                        expected.truncate(k);
                        let expected: Vec<u32> = expected.into_iter().map(|(_, n)| n).collect();
                        let got = &csr.indices()[csr.row(i)];
                        assert_eq!(got, expected, "clouds {number}, k {k}, query {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn queries_need_not_be_points() {
        let tree = KdTree::new(&[0.0, 0.0, 3.0, 4.0, 9.0, 9.0], 2, &[0, 2, 3, 3]).unwrap();
        let queries = [2.9, 3.0, 0.0, -1.0, 5.0, 5.0, 1.0, 1.0];
        let csr = k_nearest(&tree, &queries, &[0, 2, 3, 4], 2).unwrap();
        assert_eq!(csr.starts(), [0, 2, 4, 5, 5]);
        assert_eq!(csr.indices(), [1, 0, 0, 1, 2]);
        assert_eq!(csr.columns(), 3);
    }

    #[test]
    fn a_cloud_at_one_place_is_not_searched_whole() {
        // Were it, this would take minutes.
        let count = 200_000;
        let tree = KdTree::new(&vec![0.5; count], 1, &[0, count]).unwrap();
        let csr = k_nearest(&tree, &vec![0.5; count], &[0, count], 2).unwrap();
        assert!((0..count).all(|i| csr.indices()[csr.row(i)] == [0, 1]));
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let mut rng = Seed(0).stream("points", &[]);
        let starts = [0, 3000, 3001, 30_000];
        let points: Vec<f32> = (0..3 * 30_000).map(|_| rng.random()).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let tree = KdTree::new(&points, 3, &starts).unwrap();
                let csr = k_nearest(&tree, &points, &starts, 7).unwrap();
                (csr.starts().to_vec(), csr.indices().to_vec())
            })
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let tree = KdTree::new(&[1.0; 4], 2, &[0, 2]).unwrap();
        let cases = [
            (k_nearest(&tree, &[1.0; 2], &[0, 1], 0), "at least 1"),
            (k_nearest(&tree, &[1.0; 3], &[0, 1], 1), "length of the"),
            (k_nearest(&tree, &[1.0; 2], &[0, 1, 1], 1), "number of cl"),
            (k_nearest(&tree, &[1.0, f32::NAN], &[0, 1], 1), "NaN at pl"),
        ];
        for (result, part) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with("k nearest: "), "{message}");
            assert!(message.contains(part), "{message}");
        }
        let nothing = KdTree::new(&[], 3, &[0]).unwrap();
        assert_eq!(k_nearest(&nothing, &[], &[], 5).unwrap().rows(), 0);
    }
}
