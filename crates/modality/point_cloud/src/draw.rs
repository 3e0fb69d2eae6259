use std::fmt::Write;

use crate::Cloud;

/// Points that a drawing shows at most.
const SHOWN: usize = 400;
const SIDE: f32 = 240.0;
/// The eye looks from the front right, a little from above.
const TURN: f32 = 0.6;
const TILT: f32 = 0.45;

/// A shape as SVG: points, the nearer the larger and the darker. With `weights`, one a point, orange ones speak for the value and blue ones
/// against it. Drawn for the reader's light or dark theme.
pub fn draw(cloud: &Cloud, weights: Option<&[f32]>) -> String {
    let mut dots: Vec<(f32, f32, f32, Option<f32>)> = cloud
        .points()
        .chunks_exact(3)
        .take(SHOWN)
        .enumerate()
        .map(|(place, p)| {
            let (depth, x, height) = projected(p, TURN);
            let weight = weights.map(|w| w.get(place).copied().unwrap_or(0.0));
            (depth, x, height, weight)
        })
        .collect();
    // What is far is drawn first.
    dots.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = dots
        .iter()
        .filter_map(|d| d.3)
        .map(f32::abs)
        .fold(0.0, f32::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIDE} {SIDE}\" width=\"{SIDE}\" height=\"{SIDE}\" role=\"img\" \
         aria-label=\"the points of a shape\">"
    );
    let half = SIDE / 2.0;
    for (depth, x, height, weight) in dots {
        let near = ((1.0 - depth) / 2.0).clamp(0.0, 1.0);
        let (cx, cy) = (half + 0.92 * half * x, half - 0.92 * half * height);
        let radius = 1.6 + 2.0 * near;
        let shade = 0.25 + 0.7 * near;
        let colour = match weight {
            None => "currentColor",
            Some(weight) if weight > 0.05 * most => "#d95f02",
            Some(weight) if weight < -0.05 * most => "#1f78b4",
            Some(_) => "#999",
        };
        let opacity = match weight {
            Some(weight) if most > 0.0 => shade * (0.35 + 0.65 * (weight.abs() / most)),
            _ => shade,
        };
        // A string is never full.
        let _ = write!(
            svg,
            "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{radius:.1}\" fill=\"{colour}\" opacity=\"{opacity:.2}\"/>"
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Colours of parts, which most people can tell apart (Okabe & Ito, 2008), by turns.
const COLOURS: [&str; 8] = [
    "#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7", "#bca000", "#888888",
];
/// Directions from which parts are shown, as turns about the upright.
const SIDES: [f32; 3] = [
    0.6,
    0.6 + std::f32::consts::FRAC_PI_3 * 2.0,
    0.6 - std::f32::consts::FRAC_PI_3 * 2.0,
];
/// Points of a view of parts at most, and the height of a line of the key.
const OF_PARTS: usize = 500;
const LINE: f32 = 16.0;

/// Points `[n, 3]` of a scan as SVG from three sides, each in the colour of its part (a name a point), the nearer the larger and the darker; below
/// them, where `unsure` has a number for each, the same points, the darker the higher it is. A ring is about the point `marked`.
pub fn draw_parts(
    points: &[f32],
    parts: &[String],
    unsure: Option<&[f32]>,
    marked: Option<usize>,
) -> String {
    let mut names: Vec<&String> = parts.iter().collect();
    names.sort();
    names.dedup();
    let rows = 1 + usize::from(unsure.is_some());
    let lines = names.len().div_ceil(3);
    let width = SIDE * SIDES.len() as f32;
    let height = SIDE * rows as f32 + LINE * (lines as f32 + 0.5);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"the points of a scan from three sides, by their parts\">"
    );
    let count = points.len() / 3;
    let step = count.div_ceil(OF_PARTS).max(1);
    let extent = points
        .iter()
        .fold(0.0f32, |most, x| most.max(x.abs()))
        .max(1e-6);
    let most = unsure.map_or(0.0, |u| {
        u.iter()
            .copied()
            .filter(|x| x.is_finite())
            .fold(1e-6, f32::max)
    });
    for (column, side) in SIDES.into_iter().enumerate() {
        let mut seen: Vec<(f32, f32, f32, usize)> = (0..count)
            .filter(|n| n % step == 0 || marked == Some(*n))
            .map(|n| {
                let (depth, x, height) = projected(&points[3 * n..3 * n + 3], side);
                (depth / extent, x / extent, height / extent, n)
            })
            .collect();
        // What is far is drawn first.
        seen.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.3.cmp(&b.3)));
        for row in 0..rows {
            let (left, top) = (SIDE * column as f32, SIDE * row as f32);
            for &(depth, x, height, n) in &seen {
                let near = ((1.0 - depth) / 2.0).clamp(0.0, 1.0);
                let half = SIDE / 2.0;
                let (cx, cy) = (
                    left + half + 0.6 * half * x,
                    top + half - 0.6 * half * height,
                );
                let radius = 1.8 + 1.8 * near;
                let (colour, opacity) = match (row, unsure) {
                    (1, Some(unsure)) => {
                        let share = unsure.get(n).copied().filter(|u| u.is_finite());
                        ("#d55e00", 0.06 + 0.9 * share.unwrap_or(0.0).max(0.0) / most)
                    }
                    _ => {
                        let name = parts
                            .get(n)
                            .and_then(|part| names.binary_search(&part).ok());
                        let colour = COLOURS[name.unwrap_or(COLOURS.len() - 1) % COLOURS.len()];
                        (colour, 0.35 + 0.6 * near)
                    }
                };
                // A string is never full.
                let _ = write!(
                    svg,
                    "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{radius:.1}\" fill=\"{colour}\" opacity=\"{opacity:.2}\"/>"
                );
                if marked == Some(n) {
                    let _ = write!(
                        svg,
                        "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"7\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"/>"
                    );
                }
            }
        }
    }
    for (place, name) in names.into_iter().enumerate() {
        let x = 12.0 + SIDE * (place % 3) as f32;
        let y = SIDE * rows as f32 + LINE * (place / 3) as f32 + 0.6 * LINE;
        let colour = COLOURS[place % COLOURS.len()];
        let _ = write!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\" font-size=\"12\" fill=\"currentColor\">{}</text>",
            x + 10.0,
            y + 4.0,
            escaped(name)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Depth, place to the right, and height of a point as the eye sees it, with the scan turned about the upright.
fn projected(p: &[f32], turn: f32) -> (f32, f32, f32) {
    let (sin, cos) = turn.sin_cos();
    let (down, up) = TILT.sin_cos();
    let (x, y) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]);
    (up * y + down * p[2], x, up * p[2] - down * y)
}

/// A text as XML may hold it.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_a_point() {
        let cloud = Cloud::from_flat(&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0, 1.0], 9).unwrap();
        let plain = draw(&cloud, None);
        assert_eq!(plain.matches("<circle").count(), 3);
        let told = draw(&cloud, Some(&[1.0, -1.0, 0.0]));
        assert!(told.contains("#d95f02") && told.contains("#1f78b4") && told.contains("#999"));
        assert!(!draw(&Cloud::default(), None).contains("circle"));
    }

    #[test]
    fn parts_are_shown_from_three_sides_with_a_key() {
        let points = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.0, 0.2];
        let parts = ["leg", "a<b", "leg"].map(str::to_owned);
        let plain = draw_parts(&points, &parts, None, None);
        assert_eq!(plain.matches("<circle").count(), 3 * 3 + 2);
        assert!(plain.contains("a&lt;b") && !plain.contains("a<b"));
        let told = draw_parts(&points, &parts, Some(&[0.0, f32::NAN, 1.0]), Some(1));
        assert_eq!(told.matches("<circle").count(), 2 * 3 * 3 + 2 * 3 + 2);
        assert!(!told.contains("NaN"));
        assert!(!draw_parts(&[], &[], None, None).contains("circle"));
    }
}
