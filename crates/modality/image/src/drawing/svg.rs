use std::fmt::Write;

use candor_data::ImageSize;
use candor_design::Design;

use super::{Boxes, boxes_of};
use crate::ImageDesign;

/// As wide as a small phone, so that letters there are as large as those of the text.
const WIDTH: f64 = 360.0;
/// From one row of boxes to the next.
const ROW: f64 = 40.0;
const BOX_HEIGHT: f64 = 22.0;
/// Between boxes, and at the edges.
const GAP: f64 = 6.0;
/// Width of a letter in a box, at most.
const LETTER: f64 = 5.8;
/// Boxes in a row at most: more would not hold their words.
const BESIDE: usize = 5;

/// A design as a picture that reads from top to bottom: the two cells as graphs, or the operations as layers. It takes its colours
/// from the page (`--ink`, `--card`, `--edge`, `--k1`), or those of a light page.
///
/// # Errors
/// In words, when the design cannot be read.
pub fn drawing_svg(design: &Design, size: ImageSize) -> Result<String, String> {
    let body = ImageDesign::read(design)?.body;
    let mut inside = String::new();
    let mut top = 0.0;
    for boxes in boxes_of(&body, size) {
        top = draw(&boxes, top, &mut inside);
    }
    Ok(format!(
        "<svg viewBox=\"0 0 {WIDTH} {top:.0}\" role=\"img\" aria-label=\"The network\" \
         style=\"width:100%;max-width:30rem;font-family:system-ui,sans-serif\">{inside}</svg>"
    ))
}

/// Where the middle of each box is.
struct Place {
    x: f64,
    row: usize,
    width: f64,
}

fn draw(boxes: &Boxes, top: f64, out: &mut String) -> f64 {
    let mut top = top;
    if !boxes.title.is_empty() {
        top += 20.0;
        let _ = write!(
            out,
            "<text x=\"{GAP}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" \
             style=\"fill:var(--ink,#1d2329)\">{}</text>",
            top - 4.0,
            escaped(&boxes.title)
        );
    }
    let places = placed(boxes);
    let y = |row: usize| top + GAP + row as f64 * ROW;
    for (place, inputs) in places.iter().zip(&boxes.inputs) {
        for input in inputs {
            let from = &places[*input];
            edge(
                out,
                [from.x, y(from.row) + BOX_HEIGHT],
                [place.x, y(place.row)],
            );
        }
    }
    for (place, words) in places.iter().zip(&boxes.words) {
        let (left, upper) = (place.x - place.width / 2.0, y(place.row));
        let _ = write!(
            out,
            "<rect x=\"{left:.1}\" y=\"{upper:.1}\" width=\"{:.1}\" height=\"{BOX_HEIGHT}\" rx=\"5\" \
             style=\"fill:var(--card,#fff);stroke:var(--k1,#1264a8)\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10.5\" text-anchor=\"middle\" \
             style=\"fill:var(--ink,#1d2329)\">{}</text>",
            place.width,
            place.x,
            upper + 15.0,
            escaped(&fitting(words, place.width))
        );
    }
    let rows = places.iter().map(|p| p.row + 1).max().unwrap_or(0);
    y(rows) + GAP
}

/// An edge that bends where it leaves its column, and one that would run behind the boxes of its column goes around them.
fn edge(out: &mut String, [x0, y0]: [f64; 2], [x1, y1]: [f64; 2]) {
    /// How far around.
    const AROUND: f64 = 100.0;
    let bend = (y1 - y0).abs().min(ROW) * 0.5;
    let around = (x0 - x1).abs() < 4.0 && y1 - y0 > ROW;
    let beside = if around { AROUND } else { 0.0 };
    let _ = write!(
        out,
        "<path d=\"M{x0:.1} {y0:.1}C{:.1} {:.1} {:.1} {:.1} {x1:.1} {y1:.1}\" \
         style=\"fill:none;stroke:var(--soft,#5b6570);stroke-width:1.2\"/>",
        x0 + beside,
        y0 + bend,
        x1 + beside,
        y1 - bend
    );
}

/// Each box below all that it takes; boxes of one level side by side, in the order of those above them, in as many rows as they need.
fn placed(boxes: &Boxes) -> Vec<Place> {
    let mut levels: Vec<usize> = Vec::with_capacity(boxes.words.len());
    for inputs in &boxes.inputs {
        levels.push(inputs.iter().map(|&i| levels[i] + 1).max().unwrap_or(0));
    }
    let place = |_: &usize| Place {
        x: WIDTH / 2.0,
        row: 0,
        width: 0.0,
    };
    let mut places: Vec<Place> = levels.iter().map(place).collect();
    let mut row = 0;
    for level in 0..=levels.iter().copied().max().unwrap_or(0) {
        let wish = |b: usize| match boxes.inputs[b].as_slice() {
            [] => b as f64,
            inputs => inputs.iter().map(|&i| places[i].x).sum::<f64>() / inputs.len() as f64,
        };
        let here = (0..levels.len()).filter(|&b| levels[b] == level);
        let mut here: Vec<(f64, usize)> = here.map(|b| (wish(b), b)).collect();
        here.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for part in here.chunks(here.len().div_ceil(here.len().div_ceil(BESIDE)).max(1)) {
            let room = (WIDTH - GAP) / part.len() as f64;
            for (column, &(_, b)) in part.iter().enumerate() {
                let wanted = boxes.words[b].chars().count() as f64 * LETTER + 12.0;
                places[b] = Place {
                    x: GAP / 2.0 + (column as f64 + 0.5) * room,
                    row,
                    width: wanted.min(room - GAP),
                };
            }
            row += 1;
        }
    }
    places
}

/// The words as far as they fit.
fn fitting(words: &str, width: f64) -> String {
    let most = ((width - 6.0) / (LETTER * 0.9)).max(1.0) as usize;
    if words.chars().count() <= most {
        return words.to_owned();
    }
    let cut: String = words.chars().take(most.saturating_sub(1)).collect();
    format!("{cut}…")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
