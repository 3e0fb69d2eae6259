use candor_challenge::{
    CalibrationError, CoverageReport, IntervalCalibration, ReliabilityBin, SliceKind,
};
use candor_core::wording::{Words, figure, percent};
use candor_core::{Task, UncertaintyMethod};

use super::Report;
use super::block::{Block, Grid, Picture, Section, number, text};
use super::svg::{Axis, Bar, Plot, bars};
use super::trust;

const COLUMNS_SHOWN: usize = 15;

/// How good the answers are.
pub(super) fn quality(report: &Report) -> Option<Section> {
    let (judged, Words { rows, .. }) = (report.challenged, report.words());
    if judged.scores.is_empty() {
        return None;
    }
    let scores = judged.scores.iter().map(|s| {
        vec![
            text(s.metric.name()),
            number(figure(s.interval.estimate)),
            number(format!(
                "{} to {}",
                figure(s.interval.lower),
                figure(s.interval.upper)
            )),
            text(if s.metric.greater_is_better() {
                "higher is better"
            } else {
                "lower is better"
            }),
        ]
    });
    let mut blocks = vec![Block::Grid(Grid {
        head: vec!["measure", "value", "95 % interval", ""],
        rows: scores.collect(),
    })];
    blocks.extend(others(report).map(Block::Picture));
    blocks.extend(learning_curve(report).map(Block::Picture));
    blocks.extend(memorisation(report).map(Block::Picture));
    blocks.extend(trust::randomisation(report).map(Block::Picture));
    blocks.extend(trust::membership(report));
    Some(Section {
        id: "quality",
        title: "How good it is",
        lead: format!(
            "Measured on {} {rows} that nothing had seen before. The interval says how far chance alone could have moved a value.",
            judged.units
        ),
        blocks,
    })
}

/// Whether its doubts are right.
pub(super) fn doubt(report: &Report) -> Option<Section> {
    let judged = report.challenged;
    let Words { rows, strange, .. } = report.words();
    let mut blocks = Vec::new();
    if let Some((before, after)) = &judged.calibration {
        blocks.push(Block::Picture(reliability(before, after)));
    }
    if let Some((before, after)) = &judged.intervals {
        blocks.push(Block::Picture(levels(before, after)));
    }
    blocks.extend(coverage(report).map(Block::Picture));
    blocks.extend(risk_coverage(report).map(Block::Picture));
    blocks.extend(trust::promises(report));
    if let Some([total, aleatoric, epistemic]) = judged.uncertainty {
        let share = if total > 0.0 { epistemic / total } else { 0.0 };
        let method = report.trained.uncertainty;
        let of_model = match method {
            UncertaintyMethod::Ensemble => format!("its members disagree; more {rows} would help"),
            _ => format!("as told by the method `{method}`"),
        };
        blocks.push(Block::Text(format!(
            "Of the doubt in an average answer, {} lies in the data (it would not go away with more {rows} of the same kind) \
             and {} in the model ({of_model}). In figures: {} and {}.",
            percent(1.0 - share),
            percent(share),
            figure(aleatoric),
            figure(epistemic)
        )));
        blocks.push(Block::Text(method.meaning().to_owned()));
    }
    if let Some((detection, refused)) = &judged.strangeness {
        blocks.push(Block::Text(format!(
            "Strange inputs: {} real test {rows} were mixed with {} made-up ones ({strange}). A made-up one looked stranger \
             than a real one in {} of all pairs (guessing: 50 %). {} of the real ones were refused as strange.",
            detection.inside,
            detection.outside,
            percent(detection.auroc),
            percent(*refused)
        )));
    }
    blocks.extend(trust::detectors(report));
    (!blocks.is_empty()).then(|| Section {
        id: "doubt",
        title: "Whether its doubts can be trusted",
        lead: "A useful model knows how sure it may be, and keeps silent when it should.".into(),
        blocks,
    })
}

/// How good it is far from what it learned from.
pub(super) fn nearness(report: &Report) -> Option<Section> {
    let units = report.words().rows;
    let mut blocks = Vec::new();
    for found in &report.challenged.distances {
        let rows = found.bins.iter().map(|bin| {
            let range = match (bin.from, bin.to) {
                (None, Some(to)) => format!("below {to}"),
                (Some(from), None) => format!("{from} and above"),
                (Some(from), Some(to)) => format!("{from} to below {to}"),
                (None, None) => "all".to_owned(),
            };
            vec![
                text(range),
                number(bin.units.to_string()),
                number(bin.score.map_or("not defined".to_owned(), figure)),
                number(percent(bin.refused)),
            ]
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            continue;
        }
        let head = vec!["nearness", units, report.metric.name(), "refused"];
        blocks.push(Block::Text(format!("By {}:", found.what)));
        blocks.push(Block::Grid(Grid { head, rows }));
    }
    (!blocks.is_empty()).then(|| Section {
        id: "nearness",
        title: "Far from what it learned from",
        lead: format!(
            "Test {units} by how near they are to what was learned from. A model that only remembers is good near what it knows and bad elsewhere."
        ),
        blocks,
    })
}

/// Where it errs.
pub(super) fn by_part(report: &Report) -> Option<Section> {
    let units = report.words().rows;
    let mut blocks = Vec::new();
    for found in &report.challenged.parts {
        let rows = found.parts.iter().map(|part| {
            vec![
                text(part.name.clone()),
                number(part.units.to_string()),
                number(figure(part.score)),
            ]
        });
        let (what, figure) = match &found.figure {
            Some(figure) => (format!("By {}, the {figure}:", found.what), "figure"),
            None => (format!("By {}:", found.what), report.metric.name()),
        };
        let head = vec!["part", units, figure];
        blocks.push(Block::Text(what));
        blocks.push(Block::Grid(Grid {
            head,
            rows: rows.collect(),
        }));
    }
    (!blocks.is_empty()).then(|| Section {
        id: "parts",
        title: "Where it errs",
        lead:
            "The same model, part by part: one figure for all hides where it cannot be relied on."
                .into(),
        blocks,
    })
}

/// What is left of it when common things happen to its input.
pub(super) fn robustness(report: &Report) -> Option<Section> {
    let judged = report.challenged;
    let mut names: Vec<&str> = judged
        .robustness
        .iter()
        .filter(|d| d.severity > 0)
        .map(|d| d.disturbance.as_str())
        .collect();
    names.dedup();
    let clean = judged.robustness.iter().find(|d| d.severity == 0)?;
    let rows = names.iter().map(|name| {
        let of_name = judged.robustness.iter().filter(|d| d.disturbance == *name);
        let cells = of_name.map(|d| {
            number(format!(
                "{} ({} refused)",
                figure(d.score),
                percent(d.refused)
            ))
        });
        std::iter::once(text(*name))
            .chain(cells)
            .collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.filter(|row| row.len() == 4).collect();
    if rows.is_empty() {
        return None;
    }
    let head = vec!["what happens", "slightly", "clearly", "strongly"];
    Some(Section {
        id: "robustness",
        title: "When the input is not as clean",
        lead: format!(
            "{} on some test {} to which common things happened that do not change what is true of them; {} on the same ones as they \
             are ({} refused). A model that knows its limits refuses more as it gets worse.",
            report.metric.name(),
            report.words().rows,
            figure(clean.score),
            percent(clean.refused)
        ),
        blocks: vec![Block::Grid(Grid { head, rows })],
    })
}

/// What single answers rest on.
pub(super) fn explanations(report: &Report) -> Option<Section> {
    let explained = &report.challenged.explanations;
    let what = &explained.first()?.what;
    let unit = report.words().row;
    let pictures = explained.iter().map(|explained| {
        let truth = explained.truth.as_ref();
        Block::Picture(Picture {
            title: format!("{}: {}", explained.what, figure(explained.predicted)),
            svg: explained.explanation.svg.clone(),
            keys: Vec::new(),
            caption: match truth {
                Some(truth) => format!("{} (true: {truth})", explained.explanation.unit),
                None => explained.explanation.unit.clone(),
            },
        })
    });
    Some(Section {
        id: "explanations",
        title: "What single answers rest on",
        lead: format!(
            "The test {} with the highest and the lowest {what}. Each part of a {unit} in turn was hidden from the model: what is orange speaks \
             for the value, which falls without it; what is blue speaks against. This says what the model looks at, not what is true.",
            report.words().rows
        ),
        blocks: pictures.collect(),
    })
}

/// What the model looks at.
pub(super) fn importance(report: &Report) -> Option<Section> {
    let judged = report.challenged;
    let Words {
        rows: units,
        column,
        columns,
        ..
    } = report.words();
    let rows: Vec<Bar> = judged
        .importance
        .iter()
        .take(COLUMNS_SHOWN)
        .map(|i| Bar {
            label: i.column.clone(),
            value: i.loss,
            interval: None,
            class: "k1",
            shown: figure(i.loss),
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let metric = report.metric.name();
    let title = format!("What each {column} is worth");
    let more = judged.importance.len().saturating_sub(rows.len());
    let more = match more {
        0 => String::new(),
        more => format!(" {more} more {columns} matter less."),
    };
    let picture = Picture {
        svg: bars(&rows, 0.0, None, &title),
        title,
        keys: Vec::new(),
        caption: format!(
            "How much worse {metric} gets when what a {column} holds is shuffled between {units}.{more} Of several {columns} \
             that say the same each stands in for the others, and so each of them can look unimportant."
        ),
    };
    Some(Section {
        id: "importance",
        title: "What it looks at",
        lead: "What the model uses is not what causes the outcome.".into(),
        blocks: vec![Block::Picture(picture)],
    })
}

fn others(report: &Report) -> Option<Picture> {
    let (judged, units) = (report.challenged, report.words().rows);
    let own = judged.scores.iter().find(|s| s.metric == report.metric)?;
    let mut rows = vec![Bar {
        label: "the model".into(),
        value: own.interval.estimate,
        interval: Some((own.interval.lower, own.interval.upper)),
        class: "k1",
        shown: figure(own.interval.estimate),
    }];
    rows.extend(
        judged
            .others
            .iter()
            .filter(|o| o.value.is_finite())
            .map(|o| Bar {
                label: o.name.clone(),
                value: o.value,
                interval: None,
                class: "k2",
                shown: figure(o.value),
            }),
    );
    let title = "Beside simpler models".to_owned();
    Some(Picture {
        svg: bars(&rows, 0.0, Some(own.interval.estimate), &title),
        title,
        keys: vec![
            ("k1", "the model".into()),
            ("k2", "one design alone".into()),
        ],
        caption: format!(
            "{} on the test {units}, {} is better. The thin line is the 95 % interval.",
            report.metric.name(),
            if report.metric.greater_is_better() {
                "longer"
            } else {
                "shorter"
            }
        ),
    })
}

fn learning_curve(report: &Report) -> Option<Picture> {
    let Words { rows, .. } = report.words();
    let points: Vec<(f64, f64)> = report
        .challenged
        .learning_curve
        .iter()
        .map(|p| (p.units as f64, p.score))
        .collect();
    if points.len() < 2 {
        return None;
    }
    let title = format!("Would more {rows} help?");
    let named: Vec<(f64, f64, String)> = points
        .iter()
        .map(|p| (p.0, p.1, format!("{} {rows}: {}", p.0, figure(p.1))))
        .collect();
    let svg = Plot::new(
        Axis::log(&format!("{rows} to learn from"), points.iter().map(|p| p.0)),
        Axis::around(report.metric.name(), points.iter().map(|p| p.1)),
    )
    .line("k1", &points)
    .dots("k1", &named)
    .to_svg(&title);
    Some(Picture {
        title,
        svg,
        keys: Vec::new(),
        caption: format!(
            "The best design, trained on parts of the {rows}. Where the line still moves at its right end, more {rows} would \
             help."
        ),
    })
}

fn memorisation(report: &Report) -> Option<Picture> {
    let control = report.challenged.memorisation.as_ref()?;
    let units = report.words().rows;
    let bar = |label: &str, value: f64, class| Bar {
        label: label.into(),
        value,
        interval: None,
        class,
        shown: figure(value),
    };
    let rows = [
        bar(
            &format!("on the {units} that it learned by heart"),
            control.train,
            "k2",
        ),
        bar(&format!("on new {units}"), control.test, "k1"),
        bar("guessing", control.chance, "k3"),
    ];
    let title = "A control: the same network on shuffled answers".to_owned();
    Some(Picture {
        svg: bars(&rows, 0.0, None, &title),
        title,
        keys: Vec::new(),
        caption: format!(
            "{} after training on {} {units} whose answers were shuffled, so that there is nothing to learn. A network can learn \
             them by heart all the same; only new {units} show what a model is worth.",
            control.metric.name(),
            control.training_units
        ),
    })
}

fn reliability(before: &CalibrationError, after: &CalibrationError) -> Picture {
    let points = |bins: &[ReliabilityBin]| -> Vec<(f64, f64, String)> {
        bins.iter()
            .filter(|b| b.count > 0)
            .map(|b| {
                let title = format!(
                    "said {}, right {} of {}",
                    percent(b.confidence),
                    percent(b.accuracy),
                    b.count
                );
                (b.confidence, b.accuracy, title)
            })
            .collect()
    };
    let line = |points: &[(f64, f64, String)]| -> Vec<(f64, f64)> {
        points.iter().map(|p| (p.0, p.1)).collect()
    };
    let (raw, said) = (points(&before.bins), points(&after.bins));
    let title = "How sure it says it is, and how often it is right".to_owned();
    let svg = Plot::new(Axis::share("says that it is sure"), Axis::share("is right"))
        .guide((0.0, 0.0), (1.0, 1.0))
        .line("k2", &line(&raw))
        .line("k1", &line(&said))
        .dots("k1", &said)
        .to_svg(&title);
    Picture {
        title,
        svg,
        keys: vec![
            ("k1", "after calibration".into()),
            ("k2", "before".into()),
            ("k3", "perfect".into()),
        ],
        caption: format!(
            "Expected calibration error {} (before: {}); a perfect model shows up to {} on so few of them by chance.",
            percent(after.expected),
            percent(before.expected),
            percent(after.null.q95)
        ),
    }
}

fn levels(before: &IntervalCalibration, after: &IntervalCalibration) -> Picture {
    let line = |c: &IntervalCalibration| -> Vec<(f64, f64)> {
        c.levels.iter().map(|l| (l.expected, l.observed)).collect()
    };
    let dots: Vec<(f64, f64, String)> = after
        .levels
        .iter()
        .map(|l| {
            let title = format!(
                "ranges that should hold {} hold {}",
                percent(l.expected),
                percent(l.observed)
            );
            (l.expected, l.observed, title)
        })
        .collect();
    let title = "How often its ranges hold the truth".to_owned();
    let svg = Plot::new(Axis::share("should hold"), Axis::share("hold"))
        .guide((0.0, 0.0), (1.0, 1.0))
        .line("k2", &line(before))
        .line("k1", &line(after))
        .dots("k1", &dots)
        .to_svg(&title);
    Picture {
        title,
        svg,
        keys: vec![
            ("k1", "after calibration".into()),
            ("k2", "before".into()),
            ("k3", "perfect".into()),
        ],
        caption: "Below the dashed line the model is too sure of itself, above it too timid."
            .into(),
    }
}

fn coverage(report: &Report) -> Option<Picture> {
    let fixed = report.challenged.coverage.as_ref()?;
    let followed = report.challenged.followed.as_ref();
    let coverage = followed.map_or(fixed, |followed| &followed.report);
    let units = report.words().rows;
    let whole = |label: String, of: &CoverageReport| Bar {
        label,
        value: of.marginal,
        interval: None,
        class: "k1",
        shown: percent(of.marginal),
    };
    let mut rows = vec![whole(
        format!("all {} test {units}", coverage.units),
        coverage,
    )];
    if followed.is_some() {
        rows.push(whole("the same, as calibrated".into(), fixed));
    }
    rows.extend(coverage.slices.iter().take(24).map(|slice| {
        let what = match slice.kind {
            SliceKind::Class => "true class ",
            SliceKind::Group | SliceKind::Difficulty | SliceKind::Target => "",
        };
        Bar {
            label: format!("{what}{} ({} {units})", slice.name, slice.units),
            value: slice.coverage,
            interval: Some((slice.interval.lower, slice.interval.upper)),
            class: "k2",
            shown: percent(slice.coverage),
        }
    }));
    let size = coverage.mean_size.map_or_else(String::new, |size| {
        if report.target.task == Task::Multilabel {
            format!(
                " On average the set of a label holds {} of its two values; both mean that the label is not known.",
                figure(size)
            )
        } else if report.target.task.is_classification() {
            format!(" On average a set names {} classes.", figure(size))
        } else {
            format!(" On average a range is {} wide.", figure(size))
        }
    });
    let levels = followed.map_or_else(String::new, |followed| {
        let ends = followed.levels.iter();
        let low = ends.clone().map(|l| l.0).fold(f64::INFINITY, f64::min);
        let high = ends.map(|l| l.1).fold(f64::NEG_INFINITY, f64::max);
        format!(
            " Ranges follow what came: after each moment whose truth has become known, the level of each horizon moves against the share that was \
             missed. It lay between {} and {} ({} to begin with); the promise is one of the long run, not of each moment.",
            percent(low),
            percent(high),
            percent(1.0 - coverage.promised)
        )
    });
    let title = "How often its sets and ranges hold the truth".to_owned();
    Some(Picture {
        svg: bars(&rows, 0.0, Some(coverage.promised), &title),
        title,
        keys: Vec::new(),
        caption: format!(
            "Promised: {} over all {units} (dashed line). Single groups can get less than the whole; the thin lines show how \
             much chance there is in each.{size}{levels}",
            percent(coverage.promised)
        ),
    })
}

fn risk_coverage(report: &Report) -> Option<Picture> {
    let curve = report.challenged.risk_coverage.as_ref()?;
    let Words { rows, .. } = report.words();
    let points: Vec<(f64, f64)> = curve.points.iter().map(|p| (p.coverage, p.risk)).collect();
    let title = "Fewer answers, fewer errors".to_owned();
    let mut plot = Plot::new(
        Axis::share(&format!("share of {rows} that get an answer")),
        Axis::share_up_to(
            "wrong answers",
            points.iter().map(|p| p.1).chain([report.settings.risk]),
        ),
    )
    .level(report.settings.risk)
    .line("k1", &points);
    let mut taken = String::new();
    if let Some((accepted, _)) = &report.challenged.accepted {
        plot = plot.upright(accepted.coverage());
        taken = format!(
            " The model answers {} of the {rows} (upright line).",
            percent(accepted.coverage())
        );
    }
    Some(Picture {
        svg: plot.to_svg(&title),
        title,
        keys: Vec::new(),
        caption: format!(
            "The surest answers come first, from the left. At most {} wrong answers are wanted (level line).{taken}",
            percent(report.settings.risk)
        ),
    })
}
