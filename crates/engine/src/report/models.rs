use candor_core::wording::{figure, percent};

use super::Report;
use super::block::{Block, Grid, Picture, Section, number, text};
use super::svg::{Axis, Plot};
use crate::Standing;

const SHOWN: usize = 25;

/// What was tried, and what was taken.
pub(super) fn section(report: &Report) -> Section {
    let rows = report.words().rows;
    let board = &report.designed.leaderboard;
    let complete = board.iter().filter(|s| s.complete).count();
    let failed = board.iter().filter(|s| s.failure.is_some()).count();
    let why = if report.designed.out_of_time {
        "Then the time for searching was up."
    } else {
        "Then the search was done."
    };
    let mut blocks = vec![
        Block::Text(format!(
            "{} designs were tried, {complete} of them on all data, {failed} failed. {why} Bad designs are given up early, \
             so that the time goes to good ones.",
            board.len()
        )),
        Block::Text("The model is a vote of:".into()),
        Block::Grid(voices(report)),
    ];
    let simpler = report.trained.simpler.iter();
    blocks.extend(simpler.map(|why| Block::Text(format!("{why}."))));
    blocks.extend(front(report).map(Block::Picture));
    blocks.push(Block::Grid(leaderboard(report)));
    if board.len() > SHOWN {
        blocks.push(Block::Text(format!(
            "The best {SHOWN} are shown; `candor leaderboard` lists all {}.",
            board.len()
        )));
    }
    blocks.extend(report.drawing.as_ref().map(|(name, svg)| {
        Block::Picture(Picture {
            title: format!("The best network: {name}"),
            svg: svg.clone(),
            keys: Vec::new(),
            caption: "What a unit passes through, from its input to the answer.".into(),
        })
    }));
    blocks.extend(training(report).map(Block::Picture));
    Section {
        id: "models",
        title: "The models",
        lead: format!(
            "Networks and classical models were compared on {rows} that they did not learn from; the test {rows} played no part."
        ),
        blocks,
    }
}

fn voices(report: &Report) -> Grid {
    let rows = report.trained.ensemble.iter().map(|voice| {
        vec![
            number(percent(voice.weight)),
            text(kind(voice.network)),
            text(&voice.name),
        ]
    });
    Grid {
        head: vec!["share", "kind", "model"],
        rows: rows.collect(),
    }
}

fn kind(network: bool) -> &'static str {
    if network { "network" } else { "classical" }
}

fn shown(value: Option<f64>) -> String {
    value
        .filter(|v| v.is_finite())
        .map_or_else(|| "–".into(), figure)
}

fn leaderboard(report: &Report) -> Grid {
    let rows = report.designed.leaderboard.iter().take(SHOWN);
    let rows = rows.enumerate().map(|(i, s)| {
        vec![
            number((i + 1).to_string()),
            text(&s.name),
            text(kind(s.network)),
            number(shown(s.score)),
            number(s.parameters.map_or_else(|| "–".into(), |p| p.to_string())),
            number(format!("{:.1}", s.seconds)),
            text(match (&s.failure, s.complete) {
                (Some(why), _) => format!("failed: {why}"),
                (None, true) => String::new(),
                (None, false) => "given up early".into(),
            }),
        ]
    });
    Grid {
        head: vec![
            "",
            "design",
            "kind",
            report.metric.name(),
            "numbers learned",
            "seconds",
            "",
        ],
        rows: rows.collect(),
    }
}

/// Quality against size, with the designs that no other beats in both.
fn front(report: &Report) -> Option<Picture> {
    let board = &report.designed.leaderboard;
    let point = |s: &Standing| {
        let (score, parameters) = (s.score?, s.parameters?);
        (s.complete && score.is_finite() && parameters > 0)
            .then(|| (parameters as f64, score, s.name.clone(), s.network))
    };
    let mut points: Vec<(f64, f64, String, bool)> = board.iter().filter_map(point).collect();
    if points.len() < 3 {
        return None;
    }
    let loss = |p: &(f64, f64, String, bool)| report.metric.as_loss(p.1);
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(loss(a).total_cmp(&loss(b))));
    let mut best = f64::INFINITY;
    let mut edge = Vec::new();
    for p in &points {
        if loss(p) < best {
            best = loss(p);
            edge.push((p.0, p.1));
        }
    }
    let of = |network: bool| -> Vec<(f64, f64, String)> {
        points
            .iter()
            .filter(|p| p.3 == network)
            .map(|p| (p.0, p.1, format!("{}: {}", p.2, figure(p.1))))
            .collect()
    };
    let title = "Quality against size".to_owned();
    let svg = Plot::new(
        Axis::log("numbers learned", points.iter().map(|p| p.0)),
        Axis::around(report.metric.name(), points.iter().map(|p| p.1)),
    )
    .line("k3", &edge)
    .dots("k1", &of(true))
    .dots("k2", &of(false))
    .to_svg(&title);
    Some(Picture {
        title,
        svg,
        keys: vec![
            ("k1", "network".into()),
            ("k2", "classical model".into()),
            ("k3", "no design is both smaller and better".into()),
        ],
        caption: format!(
            "Each dot is a design; {} is better.",
            if report.metric.greater_is_better() {
                "higher"
            } else {
                "lower"
            }
        ),
    })
}

/// The losses of the best network while it was trained.
fn training(report: &Report) -> Option<Picture> {
    let rows = report.words().rows;
    let board = &report.designed.leaderboard;
    let best = board
        .iter()
        .find(|s| s.complete && s.network && s.history.len() > 1)?;
    let line = |of: fn(&candor_train::Evaluation) -> f64| -> Vec<(f64, f64)> {
        best.history.iter().map(|e| (e.epoch, of(e))).collect()
    };
    let (train, validation) = (line(|e| e.train_loss), line(|e| e.validation_loss));
    let title = "How the best network learned".to_owned();
    let svg = Plot::new(
        Axis::around("passes over the data", train.iter().map(|p| p.0)),
        Axis::around("loss", train.iter().chain(&validation).map(|p| p.1)),
    )
    .line("k1", &train)
    .line("k2", &validation)
    .to_svg(&title);
    Some(Picture {
        title,
        svg,
        keys: vec![
            ("k1", format!("on the {rows} that it learns from")),
            ("k2", format!("on {rows} that it does not see")),
        ],
        caption: format!(
            "{}. Where the second line turns up, it begins to learn by heart; the weights are taken from its lowest point.",
            best.name
        ),
    })
}
