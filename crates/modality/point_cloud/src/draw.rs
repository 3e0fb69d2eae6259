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
    let (sin, cos) = TURN.sin_cos();
    let (down, up) = TILT.sin_cos();
    let mut dots: Vec<(f32, f32, f32, Option<f32>)> = cloud
        .points()
        .chunks_exact(3)
        .take(SHOWN)
        .enumerate()
        .map(|(place, p)| {
            let (x, y) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]);
            let (depth, height) = (up * y + down * p[2], up * p[2] - down * y);
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
}
