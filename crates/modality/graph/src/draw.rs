//! Explanations as pictures.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use candor_core::Seed;
use rand::RngExt;

use crate::{Explanation, InputSource};

/// Pixels of the drawing of edges, and of that of features beside it.
const SIZE: [f64; 2] = [520.0, 400.0];
const BARS: f64 = 280.0;
/// Pixels around it.
const MARGIN: f64 = 36.0;
/// Edges and features that are drawn, at most.
const MOST_EDGES: usize = 30;
const MOST_FEATURES: usize = 12;
/// Rounds of the layout.
const ROUNDS: usize = 300;

/// An explanation with the names of what is in it.
pub struct Drawing<'a> {
    /// What is drawn.
    pub explanation: &'a Explanation,
    /// What a node is called.
    pub node: &'a dyn Fn(u32) -> String,
    /// What a feature is called.
    pub feature: &'a dyn Fn(InputSource) -> String,
    /// What was explained, in a sentence.
    pub title: &'a str,
}

/// The explanation as one SVG element, in the colour of the text around it: the thirty edges of the greatest worth, the wider and darker the
/// more, the node that was explained filled; beside it the twelve features of the greatest worth.
pub fn draw(drawing: &Drawing) -> String {
    let explanation = drawing.explanation;
    let edges = &explanation.edges[..explanation.edges.len().min(MOST_EDGES)];
    let mut nodes: Vec<u32> = edges.iter().flat_map(|&(a, b, _)| [a, b]).collect();
    nodes.extend(explanation.node);
    nodes.sort_unstable();
    nodes.dedup();
    let place_of: BTreeMap<u32, usize> = nodes.iter().enumerate().map(|(i, &n)| (n, i)).collect();
    let joined: Vec<[usize; 2]> = edges
        .iter()
        .map(|(a, b, _)| [place_of[a], place_of[b]])
        .collect();
    let places = spread(nodes.len(), &joined);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\" stroke-linecap=\"round\"><title>{}</title>",
        SIZE[0] + BARS,
        SIZE[1],
        escaped(drawing.title)
    );
    for (ends, (_, _, worth)) in joined.iter().zip(edges) {
        let [[x1, y1], [x2, y2]] = ends.map(|end| places[end]);
        let (width, opacity) = (1.0 + 5.0 * worth, 0.15 + 0.85 * worth);
        let _ = write!(
            svg,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"currentColor\" \
             stroke-width=\"{width:.1}\" stroke-opacity=\"{opacity:.2}\"/>"
        );
    }
    for (node, [x, y]) in nodes.iter().zip(&places) {
        let fill = if Some(*node) == explanation.node {
            "#d55e00"
        } else {
            "#9ecae1"
        };
        let label = escaped(&(drawing.node)(*node));
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"{fill}\" stroke=\"currentColor\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"currentColor\">{label}</text>",
            x + 10.0,
            y + 4.0
        );
    }
    bars(drawing, &mut svg);
    svg.push_str("</svg>");
    svg
}

fn bars(drawing: &Drawing, svg: &mut String) {
    let features = drawing.explanation.features.iter().take(MOST_FEATURES);
    for (row, (source, worth)) in features.enumerate() {
        let y = MARGIN + 28.0 * row as f64;
        let name = escaped(&(drawing.feature)(*source));
        let width = (BARS - MARGIN) * f64::from(*worth);
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{y:.1}\" fill=\"currentColor\">{name} ({worth:.2})</text>\
             <rect x=\"{:.0}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"8\" fill=\"#d55e00\"/>",
            SIZE[0],
            SIZE[0],
            y + 4.0
        );
    }
}

fn escaped(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    short
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Places for nodes: edges pull, all nodes push each other away, less and less far.
///
/// # Reference
/// Fruchterman & Reingold, "Graph Drawing by Force-directed Placement", 1991, figure 1; the result is scaled to the picture.
fn spread(nodes: usize, edges: &[[usize; 2]]) -> Vec<[f64; 2]> {
    let stream = &mut Seed(0).stream("layout", &[]);
    let mut places: Vec<[f64; 2]> = (0..nodes)
        .map(|_| [stream.random::<f64>(), stream.random::<f64>()])
        .collect();
    let ideal = (1.0 / nodes.max(1) as f64).sqrt();
    for round in 0..ROUNDS {
        let furthest = 0.1 * (1.0 - round as f64 / ROUNDS as f64);
        let mut moves = vec![[0f64; 2]; nodes];
        let mut force = |a: usize, b: usize, strength: &dyn Fn(f64) -> f64| {
            let away = [places[a][0] - places[b][0], places[a][1] - places[b][1]];
            let distance = away[0].hypot(away[1]).max(1e-6);
            for axis in 0..2 {
                let part = away[axis] / distance * strength(distance);
                moves[a][axis] += part;
                moves[b][axis] -= part;
            }
        };
        for a in 0..nodes {
            for b in a + 1..nodes {
                force(a, b, &|distance| ideal * ideal / distance);
            }
        }
        for &[a, b] in edges {
            force(a, b, &|distance| -distance * distance / ideal);
        }
        for (place, change) in places.iter_mut().zip(moves) {
            let length = change[0].hypot(change[1]).max(1e-9);
            for axis in 0..2 {
                place[axis] += change[axis] / length * length.min(furthest);
            }
        }
    }
    let bound = |axis: usize, better: fn(f64, f64) -> f64, from: f64| {
        places.iter().map(|place| place[axis]).fold(from, better)
    };
    let low = [0, 1].map(|axis| bound(axis, f64::min, f64::INFINITY));
    let high = [0, 1].map(|axis| bound(axis, f64::max, f64::NEG_INFINITY));
    let scaled = |place: &[f64; 2]| {
        [0, 1].map(|axis| {
            let extent = high[axis] - low[axis];
            let share = if extent > 0.0 {
                (place[axis] - low[axis]) / extent
            } else {
                0.5
            };
            // Room for the label of a node at the right.
            let right = if axis == 0 { 2.0 * MARGIN } else { MARGIN };
            MARGIN + share * (SIZE[axis] - MARGIN - right)
        })
    };
    places.iter().map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_names_what_matters_and_escapes_it() {
        let explanation = Explanation {
            node: Some(4),
            nodes: vec![4, 1, 2],
            edges: vec![(1, 4, 0.9), (2, 4, 0.1)],
            features: vec![(InputSource::Table(0), 0.8), (InputSource::Apart(3), 0.2)],
        };
        let picture = draw(&Drawing {
            explanation: &explanation,
            node: &|node| format!("<{node}>"),
            feature: &|source| format!("{source:?} & more"),
            title: "why",
        });
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
        for part in [
            "&lt;4&gt;",
            "Table(0) &amp; more (0.80)",
            "stroke-width=\"5.5\"",
            "#d55e00",
        ] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        assert!(!picture.contains("NaN") && !picture.contains("<4>"));
        assert_eq!(picture.matches("<line").count(), 2);
    }

    #[test]
    fn a_lone_node_is_drawn_in_the_middle() {
        assert_eq!(spread(1, &[]).len(), 1);
        let [x, y] = spread(1, &[])[0];
        assert!(x.is_finite() && y.is_finite());
        assert!(spread(0, &[]).is_empty());
        // Of a path the ends lie further apart than neighbours.
        let path = spread(4, &[[0, 1], [1, 2], [2, 3]]);
        let apart = |a: usize, b: usize| (path[a][0] - path[b][0]).hypot(path[a][1] - path[b][1]);
        assert!(apart(0, 3) > apart(0, 1) && apart(0, 3) > apart(1, 2));
    }
}
