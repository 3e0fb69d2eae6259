use std::fmt::Write;

use super::svg::{WIDTH, begin, escape};

const MARGIN: f64 = 12.0;
/// A drawing is at most so high, and at least.
const HIGH: f64 = 280.0;
const LOW: f64 = 60.0;
/// How full the colour of each fifth of the points is: darker on a light page, brighter on a dark one.
const SHADES: [f64; 5] = [0.12, 0.34, 0.56, 0.78, 1.0];

/// A point of a [`map`].
pub(super) struct Point {
    /// To the right and upward, in any unit.
    pub at: (f64, f64),
    /// The greater, the fuller the colour.
    pub rank: f64,
    /// What is shown on it.
    pub title: String,
}

/// Points as circles, a fifth of them in each shade, joined by thin lines, above the shades from `least` to `most`.
pub(super) fn map(
    title: &str,
    class: &str,
    points: &[Point],
    edges: &[(u32, u32)],
    [least, most]: [&str; 2],
) -> String {
    let (frame, height) = Frame::around(points);
    let mut svg = begin(height + 44.0, title);
    let places: Vec<(f64, f64)> = points.iter().map(|point| frame.place(point.at)).collect();
    let mut path = String::new();
    for &(a, b) in edges {
        if let (Some(a), Some(b)) = (places.get(a as usize), places.get(b as usize)) {
            let _ = write!(path, "M{:.1} {:.1}L{:.1} {:.1}", a.0, a.1, b.0, b.1);
        }
    }
    if !path.is_empty() {
        let _ = write!(svg, r#"<path class="joined" d="{path}"/>"#);
    }
    let radius = match points.len() {
        0..=30 => 7.0,
        31..=100 => 5.0,
        101..=250 => 3.5,
        _ => 2.5,
    };
    let shades = shades(points);
    // The fullest lie on top.
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&point| shades[point]);
    for point in order {
        let (x, y) = places[point];
        let _ = write!(
            svg,
            r#"<circle class="node {class}" cx="{x:.1}" cy="{y:.1}" r="{radius}" fill-opacity="{}"><title>{}</title></circle>"#,
            SHADES[shades[point]],
            escape(&points[point].title)
        );
    }
    let width = (WIDTH - 2.0 * MARGIN) / SHADES.len() as f64;
    for (shade, opacity) in SHADES.iter().enumerate() {
        let _ = write!(
            svg,
            r#"<rect class="node {class}" x="{:.1}" y="{:.1}" width="{width:.1}" height="10" fill-opacity="{opacity}"/>"#,
            MARGIN + width * shade as f64,
            height + 8.0
        );
    }
    for (x, anchor, text) in [(MARGIN, "start", least), (WIDTH - MARGIN, "end", most)] {
        let _ = write!(
            svg,
            r#"<text class="tick" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
            height + 33.0,
            escape(text)
        );
    }
    svg + "</svg>"
}

/// The fifth that each point falls into by its rank; points of the same rank fall into the same.
fn shades(points: &[Point]) -> Vec<usize> {
    let mut ranks: Vec<f64> = points.iter().map(|point| point.rank).collect();
    ranks.sort_by(f64::total_cmp);
    let fifths = SHADES.len();
    let edges: Vec<f64> = (1..fifths)
        .filter_map(|fifth| ranks.get(fifth * ranks.len() / fifths).copied())
        .collect();
    let shade = |point: &Point| edges.iter().filter(|edge| point.rank >= **edge).count();
    points.iter().map(shade).collect()
}

/// How places in the world become places in a drawing.
struct Frame {
    middle: (f64, f64),
    scale: f64,
    height: f64,
}

impl Frame {
    /// As large as the page allows, with the same scale both ways.
    fn around(points: &[Point]) -> (Frame, f64) {
        let range = |of: fn(&Point) -> f64| {
            let values = points.iter().map(of).filter(|v| v.is_finite());
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
            if low <= high { (low, high) } else { (0.0, 0.0) }
        };
        let (x, y) = (range(|p| p.at.0), range(|p| p.at.1));
        let scale_of = |room: f64, (low, high): (f64, f64)| match high - low {
            range if range > 0.0 => room / range,
            _ => f64::INFINITY,
        };
        let room = WIDTH - 2.0 * MARGIN;
        let scale = scale_of(room, x).min(scale_of(HIGH - 2.0 * MARGIN, y));
        let scale = if scale.is_finite() { scale } else { 0.0 };
        let height = ((y.1 - y.0) * scale + 2.0 * MARGIN).max(LOW);
        let middle = (f64::midpoint(x.0, x.1), f64::midpoint(y.0, y.1));
        let frame = Frame {
            middle,
            scale,
            height,
        };
        (frame, height)
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            WIDTH / 2.0 + (x - self.middle.0) * self.scale,
            self.height / 2.0 - (y - self.middle.1) * self.scale,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(at: &[(f64, f64)]) -> Vec<Point> {
        let point = |(rank, at): (usize, &(f64, f64))| Point {
            at: *at,
            rank: rank as f64,
            title: "<b>".into(),
        };
        at.iter().enumerate().map(point).collect()
    }

    #[test]
    fn a_fifth_of_the_points_has_each_shade() {
        let line: Vec<(f64, f64)> = (0..10).map(|n| (f64::from(n), 0.0)).collect();
        assert_eq!(shades(&points(&line)), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(shades(&points(&line[..2])), [2, 4]);
        let same = || Point {
            at: (0.0, 0.0),
            rank: 1.0,
            title: String::new(),
        };
        assert_eq!(shades(&[same(), same()]), [4, 4]);
    }

    #[test]
    fn north_is_up_and_nothing_leaves_the_drawing() {
        let points = points(&[(-200.0, 100.0), (200.0, 100.0), (0.0, -100.0)]);
        let (frame, height) = Frame::around(&points);
        let [west, east, south] = [0, 1, 2].map(|p: usize| frame.place(points[p].at));
        assert!(west.0 < south.0 && south.0 < east.0 && west.1 < south.1);
        for (x, y) in [west, east, south] {
            assert!((0.0..=WIDTH).contains(&x) && (0.0..=height).contains(&y));
        }
        let svg = map("t", "k1", &points, &[(0, 1), (0, 9)], ["least", "most"]);
        assert!(svg.contains("&lt;b&gt;") && svg.matches("<circle").count() == 3);
        assert_eq!(svg.matches('L').count(), 1);
    }

    #[test]
    fn points_in_one_place_do_not_break_a_drawing() {
        for at in [&[][..], &[(1.0, 1.0)], &[(1e300, 0.0), (1e300, 0.0)]] {
            let svg = map("t", "k1", &points(at), &[], ["", ""]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
