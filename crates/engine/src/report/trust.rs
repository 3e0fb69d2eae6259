use candor_challenge::SliceKind;
use candor_core::wording::{Words, figure, percent};

use super::Report;
use super::block::{Block, Grid, Picture, Section, number, text};
use super::svg::{Axis, Plot};
use crate::RandomisedPoint;
use crate::label_review::REVIEW;

/// Labels that a person should look at again.
pub(super) fn labels(report: &Report) -> Option<Section> {
    let found = report.trained.labels.as_ref()?;
    let Words { row, rows, .. } = report.words();
    let looked = match found.units < found.of {
        true => format!(
            "{} of the {} {rows} that are learned from",
            found.units, found.of
        ),
        false => format!("the {} {rows} that are learned from", found.units),
    };
    let noise = found.noise.map_or_else(String::new, |noise| {
        format!(
            " The estimate for all of them is {} wrong labels; where classes overlap by nature it is too high.",
            percent(noise)
        )
    });
    let mut blocks = vec![Block::Text(format!(
        "{looked} were held against models that had not seen them. Of {} labels, {} look wrong.{noise}",
        found.labels, found.suspects
    ))];
    if found.suspects > 0 {
        let several = report.target.names.len() > 1;
        let lines = found.first.iter().map(|suspect| {
            let mut cells = vec![number(suspect.row.to_string())];
            if several {
                cells.push(text(&suspect.target));
            }
            cells.extend([
                text(&suspect.given),
                text(&suspect.suggested),
                number(percent(suspect.confidence)),
            ]);
            cells
        });
        let mut head = vec![row];
        if several {
            head.push("target");
        }
        head.extend(["given", "models say", "sure"]);
        blocks.push(Block::Folded {
            summary: format!("The {} surest of them", found.first.len()),
            grid: Grid {
                head,
                rows: lines.collect(),
            },
        });
        blocks.push(Block::Text(format!(
            "All of them, with reasons and what the data say of each, are in {REVIEW} beside this page. Look at them, write the right label \
             into the column `label` (or `unknown`; leave it empty where the label is right), and give the table back:"
        )));
        blocks.push(Block::Code(format!("candor fit SOURCE --labels {REVIEW}")));
        blocks.push(Block::Text(
            "Nothing was changed or left out by itself: a rare case that is right looks like an error, and errors that follow a rule \
             look right. Test data were not looked at, since correcting only what the model disagrees with would make its test kinder."
                .into(),
        ));
    }
    Some(Section {
        id: "labels",
        title: "Labels that may be wrong",
        lead: format!(
            "In well-known public data sets about 3 of 100 labels are wrong, and half of those that a method like this one lists \
             were confirmed by people. What is listed is worth a look, not a verdict on a {row}."
        ),
        blocks,
    })
}

/// Which score tells strange inputs best.
pub(super) fn detectors(report: &Report) -> Vec<Block> {
    let scores = &report.challenged.detectors;
    let Some(first) = scores.first() else {
        return Vec::new();
    };
    let rows = scores.iter().map(|score| {
        let detection = &score.detection;
        vec![
            text(&score.name),
            number(percent(detection.auroc)),
            number(percent(detection.fpr95)),
            number(percent(detection.aupr_inside)),
            number(percent(detection.aupr_outside)),
        ]
    });
    vec![
        Block::Text(format!(
            "Other scores on the same real and made-up {}: pairs in the right order (guessing: 50 %), made-up ones that pass when 95 % of the \
             real ones do (guessing: 95 %), and the mean precision in finding real and made-up ones ({} are made up). None of this was used \
             to choose the score.",
            report.words().rows,
            percent(first.detection.base_rate)
        )),
        Block::Grid(Grid {
            head: vec![
                "score",
                "right pairs",
                "passed at 95 %",
                "real found",
                "made-up found",
            ],
            rows: rows.collect(),
        }),
    ]
}

/// The worst part for its sets, the promise of its gate, and its lists of labels.
pub(super) fn promises(report: &Report) -> Vec<Block> {
    let judged = report.challenged;
    let Words { rows, .. } = report.words();
    let mut blocks = Vec::new();
    let served = judged.followed.as_ref().map(|followed| &followed.report);
    if let Some(coverage) = served.or(judged.coverage.as_ref()) {
        let kinds = [
            (SliceKind::Group, "group"),
            (SliceKind::Class, "true class"),
            (SliceKind::Difficulty, "level of difficulty"),
            (SliceKind::Target, "target"),
        ];
        let lines = kinds.iter().filter_map(|(kind, what)| {
            let slice = coverage.worst(*kind)?;
            Some(vec![
                text(*what),
                text(&slice.name),
                number(slice.units.to_string()),
                number(percent(slice.coverage)),
                number(format!(
                    "{} to {}",
                    percent(slice.interval.lower),
                    percent(slice.interval.upper)
                )),
            ])
        });
        let lines: Vec<_> = lines.collect();
        if !lines.is_empty() {
            blocks.push(Block::Text(format!(
                "The part of each kind for which sets or ranges hold the truth least often ({} promised over all {rows}):",
                percent(coverage.promised)
            )));
            blocks.push(Block::Grid(Grid {
                head: vec!["kind", "worst", rows, "hold", "interval"],
                rows: lines,
            }));
        }
    }
    if let Some((control, missed)) = &judged.lists {
        blocks.push(Block::Text(format!(
            "Its lists of labels miss {} of the labels that apply ({} at most promised, on average over {rows}); a list names {} labels.",
            percent(missed.missed),
            percent(control.alpha),
            figure(missed.listed)
        )));
    }
    if let Some(promise) = &judged.promise {
        let answer = match promise.promised {
            0 => format!(
                "none of {} had enough of them for a promise",
                promise.resplits
            ),
            _ => format!(
                "{} of {} made the promise, and in {} of these the other half had more wrong answers than promised ({} allowed; a measured \
                 share above the promise is not yet a broken one), surely so in {}",
                promise.promised,
                promise.resplits,
                promise.above,
                percent(promise.delta),
                promise.proven
            ),
        };
        blocks.push(Block::Text(format!(
            "The rule behind “I do not know” was tried on random halves of the test {rows}: {answer}."
        )));
    }
    blocks
}

/// A network on targets of which more and more are shuffled.
pub(super) fn randomisation(report: &Report) -> Option<Picture> {
    let points = &report.challenged.randomisation;
    if points.len() < 2 {
        return None;
    }
    let (units, metric) = (report.words().rows, report.metric.name());
    let line = |of: fn(&RandomisedPoint) -> f64| -> Vec<(f64, f64)> {
        points.iter().map(|p| (p.share, of(p))).collect()
    };
    let (train, test) = (line(|p| p.train), line(|p| p.test));
    let title = "The more answers are shuffled, the less it can learn".to_owned();
    let svg = Plot::new(
        Axis::share("share of shuffled answers"),
        Axis::around(metric, train.iter().chain(&test).map(|p| p.1)),
    )
    .line("k2", &train)
    .line("k1", &test)
    .to_svg(&title);
    Some(Picture {
        title,
        svg,
        keys: vec![
            ("k2", format!("on the {units} it was trained on")),
            ("k1", format!("on new {units}")),
        ],
        caption: format!(
            "{metric} of a network that was trained on {units} of which a growing share got shuffled answers. Where the first line stays good, the \
             network learns by heart what it cannot learn otherwise; how soon the second gets worse says how much noise in the labels it bears."
        ),
    })
}

/// What the model gives away of the units that it learned from.
pub(super) fn membership(report: &Report) -> Option<Block> {
    let attack = report.challenged.membership.as_ref()?;
    let Words { row, rows, .. } = report.words();
    let by_chance = attack.p_value > 0.01;
    let what = match (by_chance, attack.advantage < 0.1) {
        (true, _) => "no more than chance gives".to_owned(),
        (false, true) => "a little".to_owned(),
        (false, false) => {
            format!(
                "do not give the model to people who must not know which {rows} it learned from"
            )
        }
    };
    Some(Block::Text(format!(
        "Does it give away what it learned from? Somebody who knows a {row} and its true answer guesses that the model learned from it when the \
         error is small. At the best threshold this finds {} more of the {} {rows} that it learned from than it falsely names of {} others \
         (0 %: nothing leaks; 100 %: all): {what}. With one false name in a hundred it finds {}. Stronger attacks exist, so this is the \
         least that leaks.",
        percent(attack.advantage),
        attack.members,
        attack.others,
        percent(attack.found_at_1_percent)
    )))
}
