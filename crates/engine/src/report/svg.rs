use std::fmt::Write;

use candor_core::wording::figure;

/// As wide as a small phone, so that letters there are as large as those of the text.
pub(super) const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 42.0;

/// One axis: its ends in data, and whether it is logarithmic.
#[derive(Clone)]
pub(crate) struct Axis {
    label: String,
    low: f64,
    high: f64,
    log: bool,
    percent: bool,
}

impl Axis {
    /// From 0 % to 100 %.
    pub fn share(label: &str) -> Axis {
        Axis {
            label: label.into(),
            low: 0.0,
            high: 1.0,
            log: false,
            percent: true,
        }
    }

    /// Shares from 0 up to what is needed.
    pub fn share_up_to(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let high = values.fold(0.01, f64::max).min(1.0);
        Axis {
            high: high * 1.05,
            ..Axis::share(label)
        }
    }

    /// As wide as the values, with some room.
    pub fn around(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let (mut low, mut high) = ends(values);
        let room = match high - low {
            0.0 => low.abs().max(1.0) * 0.05,
            range => range * 0.05,
        };
        (low, high) = (low - room, high + room);
        Axis {
            label: label.into(),
            low,
            high,
            log: false,
            percent: false,
        }
    }

    /// Logarithmic, for positive values.
    pub fn log(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let (low, high) = ends(values.filter(|v| *v > 0.0));
        Axis {
            label: label.into(),
            low: low.max(f64::MIN_POSITIVE) / 1.2,
            high: high.max(f64::MIN_POSITIVE) * 1.2,
            log: true,
            percent: false,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let place = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let (first, last) = (self.low.log10().ceil(), self.high.log10().floor());
            let step = ((last - first) / 4.0).ceil().max(1.0);
            let count = ((last - first) / step).floor();
            if count >= 1.0 {
                return (0..=count as usize)
                    .map(|i| 10f64.powf(first + i as f64 * step))
                    .collect();
            }
            return vec![self.low * 1.2, self.high / 1.2];
        }
        let raw = (self.high - self.low) / 4.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|s| s * power)
            .find(|s| *s >= raw)
            .unwrap_or(raw);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }

    fn shown(&self, value: f64) -> String {
        if self.percent {
            let text = format!("{:.1}", 100.0 * value);
            return format!("{} %", text.trim_end_matches(".0"));
        }
        let size = value.abs();
        if size >= 1e6 {
            return format!("{} M", trimmed(&figure(value / 1e6)));
        }
        if size >= 1e4 {
            return format!("{} k", trimmed(&figure(value / 1e3)));
        }
        trimmed(&figure(value))
    }
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

fn trimmed(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// A chart with two axes.
pub(crate) struct Plot {
    x: Axis,
    y: Axis,
    marks: String,
}

impl Plot {
    pub fn new(x: Axis, y: Axis) -> Plot {
        Plot {
            x,
            y,
            marks: String::new(),
        }
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let across = WIDTH - LEFT - RIGHT;
        let down = HEIGHT - TOP - BOTTOM;
        (
            LEFT + across * self.x.place(x),
            TOP + down * (1.0 - self.y.place(y)),
        )
    }

    /// A line through the points, in order; points that are not finite are left out.
    pub fn line(mut self, class: &str, points: &[(f64, f64)]) -> Plot {
        let finite = points.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        let path: Vec<String> = finite
            .map(|p| {
                let (x, y) = self.at(*p);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = write!(
            self.marks,
            r#"<polyline class="line {class}" points="{}"/>"#,
            path.join(" ")
        );
        self
    }

    /// What lies between two lines: `(x, low, high)` in order; points that are not finite are left out.
    pub fn band(mut self, class: &str, points: &[(f64, f64, f64)]) -> Plot {
        let finite = |&&(x, low, high): &&(f64, f64, f64)| {
            x.is_finite() && low.is_finite() && high.is_finite()
        };
        let above = points.iter().filter(finite).map(|p| (p.0, p.2));
        let below = points.iter().filter(finite).rev().map(|p| (p.0, p.1));
        let path: Vec<String> = above
            .chain(below)
            .map(|p| {
                let (x, y) = self.at(p);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = write!(
            self.marks,
            r#"<polygon class="band {class}" points="{}"/>"#,
            path.join(" ")
        );
        self
    }

    /// Dots, each with a text that is shown on it.
    pub fn dots(mut self, class: &str, points: &[(f64, f64, String)]) -> Plot {
        for (x, y, title) in points {
            if !(x.is_finite() && y.is_finite()) {
                continue;
            }
            let (x, y) = self.at((*x, *y));
            let _ = write!(
                self.marks,
                r#"<circle class="dot {class}" cx="{x:.1}" cy="{y:.1}" r="4"><title>{}</title></circle>"#,
                escape(title)
            );
        }
        self
    }

    /// A dashed line from one point to another.
    pub fn guide(mut self, from: (f64, f64), to: (f64, f64)) -> Plot {
        let ((x1, y1), (x2, y2)) = (self.at(from), self.at(to));
        let _ = write!(
            self.marks,
            r#"<line class="guide" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
        self
    }

    /// A dashed horizontal line.
    pub fn level(self, y: f64) -> Plot {
        let (low, high) = (self.x.low, self.x.high);
        self.guide((low, y), (high, y))
    }

    /// A dashed vertical line.
    pub fn upright(self, x: f64) -> Plot {
        let (low, high) = (self.y.low, self.y.high);
        self.guide((x, low), (x, high))
    }

    /// The drawing; `title` is what is read aloud.
    pub fn to_svg(&self, title: &str) -> String {
        let mut svg = begin(HEIGHT, title);
        for tick in self.x.ticks() {
            let (x, bottom) = self.at((tick, self.y.low));
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom:.1}"/><text class="tick" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 14.0,
                self.x.shown(tick)
            );
        }
        for tick in self.y.ticks() {
            let (left, y) = self.at((self.x.low, tick));
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{left:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                WIDTH - RIGHT,
                left - 5.0,
                y + 3.5,
                self.y.shown(tick)
            );
        }
        let middle = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        let _ = write!(
            svg,
            r#"<text class="label" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text><text class="label" transform="translate(11 {middle:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
            LEFT + (WIDTH - LEFT - RIGHT) / 2.0,
            HEIGHT - 8.0,
            escape(&self.x.label),
            escape(&self.y.label)
        );
        svg + &self.marks + "</svg>"
    }
}

/// One bar of [`bars`].
pub(crate) struct Bar {
    pub label: String,
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    pub class: &'static str,
    /// The value as text.
    pub shown: String,
}

/// Horizontal bars from `from`, each under its label; a dashed line at `reference`.
pub(crate) fn bars(rows: &[Bar], from: f64, reference: Option<f64>, title: &str) -> String {
    const ROW: f64 = 34.0;
    let all = rows
        .iter()
        .flat_map(|b| {
            let (low, high) = b.interval.unwrap_or((b.value, b.value));
            [b.value, low, high]
        })
        .chain(reference)
        .chain([from]);
    let (low, high) = ends(all);
    let range = if high > low { high - low } else { 1.0 };
    let across = |v: f64| 2.0 + (WIDTH - 4.0) * ((v - low) / range).clamp(0.0, 1.0);
    let height = ROW * rows.len() as f64 + 6.0;
    let mut svg = begin(height, title);
    for (i, bar) in rows.iter().enumerate() {
        let top = ROW * i as f64;
        let (start, end) = (across(from), across(bar.value));
        let _ = write!(
            svg,
            r#"<text class="label" x="2" y="{:.1}">{}</text><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{}</text><rect class="bar {}" x="{:.1}" y="{:.1}" width="{:.1}" height="11" rx="2"/>"#,
            top + 13.0,
            escape(&shortened(&bar.label, 38)),
            WIDTH - 2.0,
            top + 13.0,
            escape(&bar.shown),
            bar.class,
            start.min(end),
            top + 18.0,
            (end - start).abs().max(1.0)
        );
        if let Some((low, high)) = bar.interval {
            let y = top + 23.5;
            let _ = write!(
                svg,
                r#"<line class="whisker" x1="{:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
                across(low),
                across(high)
            );
        }
    }
    if let Some(reference) = reference {
        let x = across(reference);
        let _ = write!(
            svg,
            r#"<line class="guide" x1="{x:.1}" y1="0" x2="{x:.1}" y2="{height:.1}"/>"#
        );
    }
    svg + "</svg>"
}

/// Shares from 0 to 1 as darker and lighter cells: under the name of each group a line for each of its values, with a cell for each column.
/// Cells without a share stay empty.
pub(crate) fn shades(title: &str, columns: &[String], groups: &[Shaded]) -> String {
    const LINE: f64 = 13.0;
    const NAMES: f64 = 120.0;
    let lines: usize = groups.iter().map(|group| 1 + group.lines.len()).sum();
    let mut svg = begin(LINE * (lines as f64 + 1.5), title);
    let width = (WIDTH - NAMES - RIGHT) / columns.len().max(1) as f64;
    let left = |column: usize| NAMES + width * column as f64;
    let mut y = LINE;
    let text = |svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str| {
        let _ = write!(
            svg,
            r#"<text class="{class}" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
            y - 3.0,
            escape(&shortened(text, 24))
        );
    };
    for (column, name) in columns.iter().enumerate() {
        text(
            &mut svg,
            "tick",
            left(column) + width / 2.0,
            y,
            "middle",
            name,
        );
    }
    for group in groups {
        y += LINE;
        text(&mut svg, "label", 0.0, y, "start", &group.name);
        for (name, shares) in &group.lines {
            y += LINE;
            text(&mut svg, "tick", NAMES - 6.0, y, "end", name);
            for (column, share) in shares.iter().enumerate() {
                let Some(share) = share.filter(|s| s.is_finite()) else {
                    continue;
                };
                let _ = write!(
                    svg,
                    r#"<rect class="bar k1" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill-opacity="{:.2}"/>"#,
                    left(column) + 1.0,
                    y - LINE + 1.0,
                    width - 2.0,
                    LINE - 2.0,
                    share.clamp(0.0, 1.0)
                );
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

/// A group of lines of [`shades`].
pub(crate) struct Shaded {
    pub name: String,
    /// Name, and a share for each column.
    pub lines: Vec<(String, Vec<Option<f32>>)>,
}

pub(super) fn begin(height: f64, title: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{0}"><title>{0}</title>"#,
        escape(title)
    )
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most - 1).collect();
    format!("{start}…")
}

/// Text that may stand in an element or in quotes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Not allowed in a page at all.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::around("loss", [0.113, 0.693].into_iter());
        let ticks = axis.ticks();
        assert!((3..=7).contains(&ticks.len()), "{ticks:?}");
        assert!(ticks.iter().all(|t| *t >= axis.low && *t <= axis.high));
        assert_eq!(axis.shown(0.2), "0.2");
        let axis = Axis::log("numbers", [900.0, 1.2e6].into_iter());
        assert_eq!(axis.ticks(), [1e3, 1e4, 1e5, 1e6]);
        assert_eq!(axis.shown(1e5), "100 k");
    }

    #[test]
    fn values_without_range_or_number_do_not_break_a_drawing() {
        for values in [vec![], vec![f64::NAN], vec![2.0, 2.0], vec![0.0]] {
            for axis in [
                Axis::around("y", values.iter().copied()),
                Axis::log("y", values.iter().copied()),
            ] {
                let points: Vec<(f64, f64)> = values.iter().map(|v| (*v, *v)).collect();
                let svg = Plot::new(axis.clone(), axis)
                    .line("k1", &points)
                    .band(
                        "k1",
                        &values.iter().map(|v| (*v, *v, *v)).collect::<Vec<_>>(),
                    )
                    .to_svg("nothing");
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    #[test]
    fn names_from_the_data_cannot_leave_their_place() {
        let bar = Bar {
            label: "</text><script>alert(1)</script>".into(),
            value: 1.0,
            interval: None,
            class: "k1",
            shown: "\"1\"".into(),
        };
        let svg = bars(&[bar], 0.0, None, "a \"title\"");
        assert!(!svg.contains("<script>") && svg.contains("&quot;title&quot;"));
    }
}
