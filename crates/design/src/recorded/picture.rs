use std::fmt::Write;

use super::SamplerSummary;

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
/// The first evaluations, whose figures would press the rest together, are left out: one in this many.
const LEFT_OUT: usize = 20;

/// A picture of the reported figure against evaluations: a line a sampler, with the 95 % confidence band of its mean.
pub fn curves_svg(summaries: &[SamplerSummary], title: &str, figure: &str) -> String {
    let evaluations = summaries.iter().map(|s| s.curve.len()).max().unwrap_or(0);
    let first = evaluations / LEFT_OUT;
    let band = |s: &SamplerSummary, at: usize, side: f64| s.curve[at] + side * s.curve_interval[at];
    let ends = summaries.iter().flat_map(|s| {
        (first..s.curve.len()).flat_map(move |at| [band(s, at, -1.0), band(s, at, 1.0)])
    });
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| {
        (low.min(y), high.max(y))
    });
    let room = if high > low { 0.05 * (high - low) } else { 1.0 };
    let scale = Scale {
        x: (first as f64 + 1.0, evaluations.max(first + 2) as f64),
        y: (low - room, high + room),
    };
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>
<text x="{LEFT}" y="22" font-size="15">{}</text>
"#,
        escape(title)
    );
    scale.draw_axes(&mut svg, figure);
    for (i, summary) in summaries.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let places = || first..summary.curve.len();
        let upper = places().map(|at| (at, band(summary, at, 1.0)));
        let lower = places().rev().map(|at| (at, band(summary, at, -1.0)));
        let line = places().map(|at| (at, summary.curve[at]));
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
            escape(&summary.sampler)
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

    fn path(&self, points: impl Iterator<Item = (usize, f64)>) -> String {
        let place = |(at, y): (usize, f64)| {
            let (x, y) = self.at(at as f64 + 1.0, y);
            format!("{x:.1},{y:.1}")
        };
        points.map(place).collect::<Vec<_>>().join(" ")
    }

    fn draw_axes(&self, svg: &mut String, figure: &str) {
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
<text x="{}" y="{}" text-anchor="middle">evaluated designs</text>
<text x="16" y="{}" text-anchor="middle" transform="rotate(-90 16 {})">{}</text>"##,
            f64::midpoint(LEFT, right),
            HEIGHT - 10.0,
            f64::midpoint(TOP, bottom),
            f64::midpoint(TOP, bottom),
            escape(figure)
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
