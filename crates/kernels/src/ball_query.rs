use crate::{Csr, KdTree, KernelError};

const NAME: &str = "ball query";

/// For each query the points of the cloud with the same place that are no farther than `radius`, the nearest first; of equally near
/// ones those that come first. At most `most` of them where that is given. A query that nothing is near gives an empty row.
///
/// # Arguments
/// `queries`: `[queries, width]`, row-major, as wide as the tree's points; `clouds`: where the queries of each cloud begin, and the
/// number of queries; `radius`: in the unit of the points. Its square is taken in 32 bits, as that of the distances.
///
/// # Reference
/// The grouping of PointNet++ (Qi et al. 2017, section 3.2), which takes the first points in the ball where this takes the nearest.
///
/// # Errors
/// When lengths or the number of clouds do not fit, `most` is zero, or the radius or a coordinate is not a finite number or the radius
/// is negative.
pub fn ball_query(
    tree: &KdTree,
    queries: &[f32],
    clouds: &[usize],
    radius: f32,
    most: Option<usize>,
) -> Result<Csr, KernelError> {
    let refused = |what, expected, got: String| KernelError::Shape {
        operation: NAME,
        what,
        expected: String::from(expected),
        got,
    };
    if !(radius.is_finite() && radius >= 0.0) {
        let got = radius.to_string();
        return Err(refused("radius", "a finite number, at least 0", got));
    }
    if most == Some(0) {
        let got = 0.to_string();
        return Err(refused("most neighbours", "at least 1", got));
    }
    let most = most.unwrap_or(usize::MAX);
    tree.search(NAME, queries, clouds, radius * radius, most)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clouds::tests::clouds;
    use crate::kd_tree::tests::exhaustive;

    #[test]
    fn neighbours_are_those_of_an_exhaustive_search() {
        for number in 0..100 {
            let (width, starts, points) = clouds(number);
            let tree = KdTree::new(&points, width, &starts).unwrap();
            for radius in [0.0, 0.3, 1.0, 2.0, 1e19, 3e38] {
                for most in [None, Some(1), Some(20)] {
                    let csr = ball_query(&tree, &points, &starts, radius, most).unwrap();
                    for cloud in starts.windows(2) {
                        for i in cloud[0]..cloud[1] {
                            let query = &points[i * width..(i + 1) * width];
                            let expected = exhaustive(&points, width, cloud[0]..cloud[1], query);
                            let expected: Vec<u32> = expected
                                .into_iter()
                                .filter(|(distance, _)| *distance <= radius * radius)
                                .map(|(_, number)| number)
                                .take(most.unwrap_or(usize::MAX))
                                .collect();
                            let got = &csr.indices()[csr.row(i)];
                            assert_eq!(got, expected, "clouds {number}, {radius}, {most:?}, {i}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_sphere_belongs_to_the_ball() {
        let points = [3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0];
        let tree = KdTree::new(&points, 3, &[0, 3]).unwrap();
        let queries = [0.0, 0.0, 0.0, 0.0, 50.0, 0.0];
        let csr = ball_query(&tree, &queries, &[0, 2], 5.0, None).unwrap();
        assert_eq!(csr.starts(), [0, 2, 2]);
        assert_eq!(csr.indices(), [1, 0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let tree = KdTree::new(&[1.0; 4], 2, &[0, 2]).unwrap();
        let ask = |radius, most| ball_query(&tree, &[1.0; 4], &[0, 2], radius, most);
        let cases = [
            (ask(-1.0, None), "radius should be a finite number"),
            (ask(f32::NAN, None), "but is NaN"),
            (ask(f32::INFINITY, None), "but is inf"),
            (ask(1.0, Some(0)), "at least 1"),
            (
                ball_query(&tree, &[1.0; 4], &[0, 1], 1.0, None),
                "length of the queries",
            ),
            (
                ball_query(&tree, &[f32::NAN; 4], &[0, 2], 1.0, None),
                "NaN at place 0",
            ),
        ];
        for (result, part) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with("ball query: "), "{message}");
            assert!(message.contains(part), "{message}");
        }
    }
}
