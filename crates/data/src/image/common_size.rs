use super::ImageSize;

/// The height and width to which pictures of several sizes are brought, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommonSize {
    pub height: usize,
    pub width: usize,
    /// One sentence.
    pub reason: String,
}

/// Decides on the common size of pictures, each `(height, width)`, of which there is at least one.
///
/// Pictures of one size keep it, unless their longer side is more than `longest`. Otherwise the aspect is the median
/// of the aspects, and the longer side the median of the longer sides, but at most `longest`: half of the pictures
/// would have to be enlarged beyond it, which adds no detail.
pub(super) fn common_size(sizes: &[(usize, usize)], longest: usize) -> CommonSize {
    let (height, width) = sizes.first().copied().unwrap_or((1, 1));
    let equal = sizes.iter().all(|size| *size == (height, width));
    if equal && height.max(width) <= longest {
        return CommonSize {
            height,
            width,
            reason: format!("all pictures have {height} x {width} pixels (height x width)"),
        };
    }
    let longer = median(sizes.iter().map(|&(h, w)| h.max(w) as f64).collect());
    let aspect = median(sizes.iter().map(|&(h, w)| w as f64 / h as f64).collect());
    let side = (longer.round() as usize).clamp(1, longest);
    let shorter = |share: f64| ((side as f64 * share).round() as usize).max(1);
    let (to_height, to_width) = if aspect >= 1.0 {
        (shorter(1.0 / aspect), side)
    } else {
        (side, shorter(aspect))
    };
    let why = if equal {
        format!("all have {height} x {width}")
    } else {
        let (low, high) = extremes(sizes);
        format!(
            "they have {} x {} to {} x {}, median aspect (width / height) {aspect:.2}, median longer side {longer:.0}",
            low.0, low.1, high.0, high.1
        )
    };
    let limit = if (longer.round() as usize) > longest {
        format!(
            ", and the longer side is limited to {longest}; raise `--image-size` to keep more detail"
        )
    } else {
        String::new()
    };
    CommonSize {
        height: to_height,
        width: to_width,
        reason: format!(
            "pictures are brought to {to_height} x {to_width} pixels (height x width): {why}{limit}"
        ),
    }
}

/// The middle value, the lower one of two; 1 when there are none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(1.0)
}

/// The sizes of least and of most pixels.
fn extremes(sizes: &[(usize, usize)]) -> ((usize, usize), (usize, usize)) {
    let by_area = |size: &&(usize, usize)| (size.0 * size.1, **size);
    let low = sizes.iter().min_by_key(by_area).copied();
    let high = sizes.iter().max_by_key(by_area).copied();
    (low.unwrap_or((1, 1)), high.unwrap_or((1, 1)))
}

/// The channels to which pictures are brought.
pub(super) fn channels(all_grey: bool) -> usize {
    if all_grey { 1 } else { 3 }
}

/// What a size that is asked for changes, in one sentence.
pub(super) fn asked(size: ImageSize) -> String {
    format!("pictures are brought to {size} (channels x height x width), as asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        // sizes (height, width), limit, expected
        type Case<'a> = (&'a [(usize, usize)], usize, (usize, usize));
        let cases: [Case; 7] = [
            (&[(28, 28), (28, 28)], 64, (28, 28)),
            // Equal and large: shrunk with their aspect.
            (&[(600, 800), (600, 800)], 64, (48, 64)),
            (&[(600, 800), (600, 800)], 1000, (600, 800)),
            // Two wide and one tall: wide.
            (&[(100, 200), (50, 100), (300, 100)], 64, (32, 64)),
            // Small pictures are not enlarged to the limit.
            (&[(10, 20), (11, 20), (20, 20)], 64, (11, 20)),
            // A line keeps at least one pixel.
            (&[(1, 5000)], 64, (1, 64)),
            (&[(1, 1)], 64, (1, 1)),
        ];
        for (sizes, longest, expected) in cases {
            let found = common_size(sizes, longest);
            assert_eq!((found.height, found.width), expected, "{}", found.reason);
        }
    }
}
