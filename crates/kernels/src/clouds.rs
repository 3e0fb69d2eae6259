//! Points in the plane or in space, of several clouds after each other: what is checked before they are searched or sampled.

use crate::KernelError;
use crate::error::{equal, finite};

/// How messages name a set of points.
pub(crate) struct Names {
    width: &'static str,
    length: &'static str,
    count: &'static str,
    values: &'static str,
}

pub(crate) const POINTS: Names = Names {
    width: "width of the points",
    length: "length of the points",
    count: "number of points",
    values: "the points",
};

pub(crate) const QUERIES: Names = Names {
    width: "width of the queries",
    length: "length of the queries",
    count: "number of queries",
    values: "the queries",
};

/// The number of points, or an error unless they are finite, of one to three coordinates, and as many as the clouds say.
pub(crate) fn check(
    operation: &'static str,
    names: &Names,
    points: &[f32],
    width: usize,
    clouds: &[usize],
) -> Result<usize, KernelError> {
    let count = clouds.last().copied().unwrap_or(0);
    let wrong = |what, expected: &str, got: String| KernelError::Shape {
        operation,
        what,
        expected: String::from(expected),
        got,
    };
    if !(1..=3).contains(&width) {
        return Err(wrong(names.width, "1, 2 or 3", width.to_string()));
    }
    let rising = "0, and never less than the one before";
    if let Some(first) = clouds.first().filter(|&&first| first != 0) {
        let got = format!("{first} first");
        return Err(wrong("starts of the clouds", rising, got));
    }
    if let Some(pair) = clouds.windows(2).find(|pair| pair[0] > pair[1]) {
        let got = format!("{} after {}", pair[1], pair[0]);
        return Err(wrong("starts of the clouds", rising, got));
    }
    let expected = count.saturating_mul(width);
    equal(operation, names.length, expected, points.len())?;
    // Points are numbered in 32 bits, and the last number is no point's.
    if u32::try_from(count).is_err() || count == u32::MAX as usize {
        let expected = format!("below {}", u32::MAX);
        return Err(wrong(names.count, &expected, count.to_string()));
    }
    finite(operation, names.values, points)?;
    Ok(count)
}

/// A point of one to three coordinates, in space.
#[inline(always)]
pub(crate) fn in_space(point: &[f32]) -> [f32; 3] {
    let mut at = [0.0; 3];
    for (at, &p) in at.iter_mut().zip(point) {
        *at = p;
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    /// Clouds of one to three coordinates: scattered, on a coarse grid (many equal distances, many equal points), on a line, all at
    /// one place, and so far apart that squares overflow. Width, starts, coordinates.
    pub(crate) fn clouds(number: u64) -> (usize, Vec<usize>, Vec<f32>) {
        let mut rng = Seed(number).stream("clouds", &[]);
        let width = rng.random_range(1..4usize);
        let mut starts = vec![0];
        for _ in 0..rng.random_range(1..4) {
            let sizes = [0, 1, 15, 16, 17, 33, 100, 400];
            let size = sizes[rng.random_range(0..sizes.len())];
            starts.push(starts.last().unwrap() + size);
        }
        let count = starts.last().unwrap() * width;
        let points = (0..count).map(|place| match number % 5 {
            0 => 100.0 + rng.random_range(-1.0f32..1.0),
            1 => rng.random_range(-3..4) as f32,
            2 if place % width > 0 => 0.5,
            2 => rng.random_range(-1.0f32..1.0),
            3 => -0.25,
            _ => 3e38 * rng.random_range(-1.0f32..1.0),
        });
        let points = points.collect();
        (width, starts, points)
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let check = |points: &[f32], width, clouds: &[usize]| {
            check("operation", &POINTS, points, width, clouds)
        };
        let cases = [
            (check(&[1.0; 4], 2, &[0, 3]), "length of the points"),
            (check(&[1.0; 4], 2, &[0, usize::MAX]), "length of the"),
            (check(&[1.0; 4], 2, &[1, 2]), "is 1 first"),
            (check(&[1.0; 4], 2, &[0, 2, 1]), "is 1 after 2"),
            (check(&[1.0; 4], 4, &[0, 1]), "1, 2 or 3, but is 4"),
            (check(&[], 0, &[0]), "1, 2 or 3, but is 0"),
            (check(&[1.0, f32::NAN], 1, &[0, 2]), "NaN at place 1"),
            (check(&[f32::INFINITY], 1, &[0, 1]), "inf at place 0"),
        ];
        for (result, part) in cases {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(check(&[], 3, &[]), Ok(0));
    }
}
