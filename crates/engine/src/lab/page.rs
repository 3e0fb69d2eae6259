use candor_core::wording::figure;

use super::{Figures, LabSettings, Study, Test};
use crate::EngineError;
use crate::report::{Block, Grid, Page, Picture, Section, Shown, number, text};

/// The studies as one self-contained page.
pub(super) fn to_html(studies: &[Study], settings: &LabSettings) -> Result<String, EngineError> {
    let borne_out = studies.iter().filter(|study| study.bears_out()).count();
    let all = borne_out == studies.len();
    let page = Page {
        name: "The limits of neural networks".into(),
        kind: "studies",
        class: if all { "pass" } else { "fail" },
        headline: format!(
            "The figures bear out {borne_out} of {} claims",
            studies.len()
        ),
        lead: format!(
            "Short studies on data that are part of the program; seed {}, everything random drawn {} times. The bounds are \
             part of the program and the same for every seed.",
            settings.seed.0, settings.repeats
        ),
        facts: Vec::new(),
        verdicts: studies.iter().map(shown).collect(),
        sections: studies.iter().map(section).collect(),
        version: env!("CARGO_PKG_VERSION"),
    };
    page.html()
}

fn shown(study: &Study) -> Shown {
    let (class, word) = if study.bears_out() {
        ("pass", "borne out")
    } else {
        ("fail", "not borne out")
    };
    Shown {
        class,
        word,
        question: study.experiment.question().into(),
        reason: study.claim.into(),
    }
}

fn section(study: &Study) -> Section {
    let mut blocks = vec![Block::Text(study.method.clone()), Block::Grid(tests(study))];
    blocks.extend(study.pictures.iter().map(|drawing| {
        let key = |(class, meaning): &(&'static str, &'static str)| (*class, (*meaning).to_owned());
        Block::Picture(Picture {
            title: drawing.title.into(),
            svg: drawing.svg.clone(),
            keys: drawing.keys.iter().map(key).collect(),
            caption: drawing.caption.into(),
        })
    }));
    blocks.extend(study.tables.iter().map(|figures| Block::Folded {
        summary: figures.title.into(),
        grid: grid(figures),
    }));
    blocks.push(Block::Text(study.lesson.into()));
    Section {
        id: study.experiment.name(),
        title: study.experiment.question(),
        lead: study.claim.into(),
        blocks,
    }
}

fn tests(study: &Study) -> Grid {
    let row = |test: &Test| {
        vec![
            text(test.what),
            number(figure(test.value)),
            text(test.bounds()),
            text(if test.holds() {
                "as claimed"
            } else {
                "NOT as claimed"
            }),
        ]
    };
    Grid {
        head: vec!["measured", "value", "claimed", ""],
        rows: study.tests.iter().map(row).collect(),
    }
}

fn grid(figures: &Figures) -> Grid {
    let row = |(name, values): &(String, Vec<f64>)| {
        let values = values.iter().map(|v| number(figure(*v)));
        std::iter::once(text(name.clone())).chain(values).collect()
    };
    Grid {
        head: figures.head.clone(),
        rows: figures.rows.iter().map(row).collect(),
    }
}
