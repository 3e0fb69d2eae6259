use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart by people who see no red or no green, too (Okabe & Ito 2008).
const COLOURS: [&str; 7] = [
    "#0072b2", "#7f7f7f", "#999933", "#e69f00", "#009e73", "#cc79a7", "#d55e00",
];

/// One line of a picture, with what lies around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the legend says.
    pub name: String,
    /// From left to right.
    pub points: Vec<Band>,
}

/// A place on a [`Curve`], and how far the band reaches there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Place on the horizontal axis.
    pub x: f64,
    /// The line.
    pub y: f64,
    /// The band's lower side.
    pub low: f64,
    /// Its upper side.
    pub high: f64,
}

/// A picture of lines with bands around them; `across` and `up` name the axes.
pub fn curves_svg(curves: &[Curve], title: &str, across: &str, up: &str) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let range = |ends: &mut dyn Iterator<Item = f64>| {
        let far = (f64::INFINITY, f64::NEG_INFINITY);
        ends.fold(far, |(low, high), end| (low.min(end), high.max(end)))
    };
    let (left, right) = range(&mut points().map(|p| p.x));
    let (low, high) = range(&mut points().flat_map(|p| [p.low, p.high]));
    let room = if high > low { 0.05 * (high - low) } else { 1.0 };
    let scale = Scale {
        x: if right > left {
            (left, right)
        } else {
            (left, left + 1.0)
        },
        y: (low - room, high + room),
    };
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>
<text x="{LEFT}" y="22" font-size="15">{}</text>
"#,
        escape(title)
    );
    scale.draw_axes(&mut svg, across, up);
    for (i, curve) in curves.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let upper = curve.points.iter().map(|p| (p.x, p.high));
        let lower = curve.points.iter().rev().map(|p| (p.x, p.low));
        let line = curve.points.iter().map(|p| (p.x, p.y));
        let area = scale.path(upper.chain(lower));
        let line = scale.path(line);
        let _ = writeln!(
            svg,
            r#"<polygon points="{area}" fill="{colour}" fill-opacity="0.15"/><polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        );
        let y = TOP + 10.0 + 20.0 * i as f64;
        let x = WIDTH - RIGHT + 14.0;
        let _ = writeln!(
            svg,
            r#"<rect x="{x}" y="{}" width="14" height="4" fill="{colour}"/><text x="{}" y="{}">{}</text>"#,
            y - 6.0,
            x + 20.0,
            y,
            escape(&curve.name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Data to places in the picture.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
}

impl Scale {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (
            LEFT + (WIDTH - LEFT - RIGHT) * share(x, self.x),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share(y, self.y),
        )
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let place = |(x, y): (f64, f64)| {
            let (x, y) = self.at(x, y);
            format!("{x:.1},{y:.1}")
        };
        points.map(place).collect::<Vec<_>>().join(" ")
    }

    fn draw_axes(&self, svg: &mut String, across: &str, up: &str) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in ticks(self.y) {
            let (_, y) = self.at(self.x.0, tick);
            let _ = writeln!(
                svg,
                r##"<line x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"##,
                LEFT - 8.0,
                y + 4.0,
                short(tick)
            );
        }
        for tick in ticks(self.x) {
            let (x, _) = self.at(tick, self.y.0);
            let _ = writeln!(
                svg,
                r##"<line x1="{x:.1}" x2="{x:.1}" y1="{bottom}" y2="{}" stroke="#888"/><text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"##,
                bottom + 5.0,
                bottom + 20.0,
                short(tick)
            );
        }
        let _ = writeln!(
            svg,
            r##"<polyline points="{LEFT},{TOP} {LEFT},{bottom} {right},{bottom}" fill="none" stroke="#888"/>
<text x="{}" y="{}" text-anchor="middle">{}</text>
<text x="16" y="{}" text-anchor="middle" transform="rotate(-90 16 {})">{}</text>"##,
            f64::midpoint(LEFT, right),
            HEIGHT - 10.0,
            escape(across),
            f64::midpoint(TOP, bottom),
            f64::midpoint(TOP, bottom),
            escape(up)
        );
    }
}

/// Round numbers within a range, four to nine of them.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|s| s * power);
    let step = steps.into_iter().rev().find(|s| *s <= raw).unwrap_or(raw);
    if !step.is_finite() || step <= 0.0 {
        return Vec::new();
    }
    let (first, last) = (
        (low / step).ceil() as i64,
        (high / step + 1e-9).floor() as i64,
    );
    (first..=last).map(|i| i as f64 * step).collect()
}

fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_lie_within_the_range() {
        assert_eq!(ticks((0.0, 10.0)), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks((93.13, 94.31)).first(), Some(&93.2));
        assert!(ticks((1.0, 1.0)).is_empty());
        assert_eq!(
            [short(93.2), short(-0.0), short(1.6e6)],
            ["93.2", "0", "1600000"]
        );
    }
}
