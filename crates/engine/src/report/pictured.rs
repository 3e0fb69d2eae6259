use super::block::{Block, Picture, Section};
use crate::pictured::Kind;
use crate::report::Report;

/// Some test units, as pictures.
pub(super) fn section(report: &Report) -> Option<Section> {
    let shown = &report.challenged.pictures;
    if shown.is_empty() {
        return None;
    }
    let words = report.words();
    let pictures = shown.iter().map(|shown| {
        let kind = match shown.kind {
            Kind::Right => "right",
            Kind::Wrong => "wrong",
            Kind::Unsure => "unsure",
        };
        let caption = match shown.predicted == shown.truth {
            true => format!("It is one: {}", shown.truth),
            false => format!("It is: {}", shown.truth),
        };
        Block::Picture(Picture {
            title: format!(
                "{kind}: {}, {:.0} %",
                shown.predicted,
                100.0 * shown.probability
            ),
            svg: shown.svg.clone(),
            keys: Vec::new(),
            caption,
        })
    });
    Some(Section {
        id: "pictures",
        title: "Some of them",
        lead: format!(
            "Test {}: of those that were told right the surest, of those that were told wrong the surest, and those of which the model is least \
             sure.",
            words.rows
        ),
        blocks: pictures.collect(),
    })
}
