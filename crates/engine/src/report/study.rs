use std::collections::BTreeMap;

use candor_core::Metric;
use candor_core::wording::figure;
use candor_design::{ChoicePolicy, PolicyCourse};

use super::Report;
use super::block::{Block, Grid, Picture, Section, number, text};
use super::svg::{Axis, Plot, Shaded, shades};
use crate::Standing;

/// Choices of a controller that are drawn.
const CHOICES_SHOWN: usize = 10;
/// Trials on all data below which there is no course to show.
const LEAST: usize = 3;

/// How the search went: the best score against designs and against time, who proposed what, and networks made by hand beside designed ones.
pub(super) fn section(report: &Report) -> Option<Section> {
    let mut trials: Vec<&Standing> = report.designed.leaderboard.iter().collect();
    trials.sort_by_key(|standing| standing.trial);
    if trials.iter().filter(|s| s.complete).count() < LEAST {
        return None;
    }
    let mut blocks = vec![
        Block::Picture(course(&trials, report.metric, false)),
        Block::Picture(course(&trials, report.metric, true)),
        Block::Grid(origins(&trials, report.metric)),
    ];
    blocks.extend(by_hand(&trials, report.metric).map(Block::Picture));
    blocks.extend(
        report
            .designed
            .policy
            .as_ref()
            .map(policy)
            .map(Block::Picture),
    );
    Some(Section {
        id: "search",
        title: "The search",
        lead: format!(
            "Designs made by hand were tried first; after them the sampler \"{}\" proposed.",
            report.settings.sampler
        ),
        blocks,
    })
}

/// The best score so far, against the number of designs or the seconds of work that went into them.
fn course(trials: &[&Standing], metric: Metric, by_time: bool) -> Picture {
    let (mut spent, mut best) = (0.0, None::<f64>);
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (place, trial) in trials.iter().enumerate() {
        spent += trial.seconds;
        let score = trial
            .score
            .filter(|score| trial.complete && score.is_finite());
        if let Some(score) = score {
            let better = best.is_none_or(|best| metric.as_loss(score) < metric.as_loss(best));
            best = if better { Some(score) } else { best };
        }
        let at = if by_time { spent } else { place as f64 + 1.0 };
        points.extend(best.map(|best| (at, best)));
    }
    let (title, axis) = if by_time {
        ("The best score against time", "seconds of work")
    } else {
        ("The best score against designs", "designs tried")
    };
    let svg = Plot::new(
        Axis::around(axis, points.iter().map(|p| p.0)),
        Axis::around(metric.name(), points.iter().map(|p| p.1)),
    )
    .line("k1", &points)
    .to_svg(title);
    Picture {
        title: title.to_owned(),
        svg,
        keys: vec![("k1", "best design on all data so far".into())],
        caption: "Designs that were given up early count as tried, not as best.".into(),
    }
}

/// For each origin, how many designs were tried, and how good the best of them is.
fn origins(trials: &[&Standing], metric: Metric) -> Grid {
    let mut origins: BTreeMap<&str, (usize, Option<f64>)> = BTreeMap::new();
    for trial in trials {
        let (tried, best) = origins.entry(trial.origin.as_str()).or_default();
        *tried += 1;
        let score = trial
            .score
            .filter(|score| trial.complete && score.is_finite());
        let better =
            |score: &f64| best.is_none_or(|best| metric.as_loss(*score) < metric.as_loss(best));
        *best = score.filter(better).or(*best);
    }
    let rows = origins.into_iter().map(|(origin, (tried, best))| {
        let best = best.map_or_else(|| "–".into(), figure);
        vec![text(origin), number(tried.to_string()), number(best)]
    });
    Grid {
        head: vec!["proposed by", "designs", metric.name()],
        rows: rows.collect(),
    }
}

/// What the controller preferred in the choices on which it settled most, as it learned.
fn policy(course: &PolicyCourse) -> Picture {
    let mut choices: Vec<&ChoicePolicy> = course.choices.iter().collect();
    choices.sort_by(|a, b| b.sharpness().total_cmp(&a.sharpness()));
    let group = |choice: &&ChoicePolicy| Shaded {
        name: choice.name.clone(),
        lines: choice
            .values
            .iter()
            .enumerate()
            .map(|(value, name)| {
                let at = |stop: &Vec<f32>| stop.get(value).copied();
                (name.clone(), choice.probabilities.iter().map(at).collect())
            })
            .collect(),
    };
    let shown = choices.iter().take(CHOICES_SHOWN);
    let columns: Vec<String> = course.seen.iter().map(ToString::to_string).collect();
    let title = "What the controller came to prefer";
    Picture {
        title: title.to_owned(),
        svg: shades(title, &columns, &shown.map(group).collect::<Vec<_>>()),
        keys: Vec::new(),
        caption: format!(
            "The probability of each value, the darker the greater, after as many results as the head of the column says. Of {} choices those on \
             which it settled most.",
            choices.len()
        ),
    }
}

/// Networks on all data, score against parameters; those made by hand are marked.
fn by_hand(trials: &[&Standing], metric: Metric) -> Option<Picture> {
    let networks = trials.iter().filter(|s| s.network && s.complete);
    let mut points: Vec<(f64, f64, String, bool)> = networks
        .filter_map(|s| {
            let (score, parameters) = (s.score?, s.parameters? as f64);
            let sound = score.is_finite() && parameters > 0.0;
            sound.then(|| {
                (
                    parameters,
                    score,
                    format!("{}: {}", s.name, figure(score)),
                    s.origin == "hand-made",
                )
            })
        })
        .collect();
    let made = points.iter().filter(|p| p.3).count();
    if made == 0 || made == points.len() {
        return None;
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = f64::INFINITY;
    let mut edge = Vec::new();
    for (parameters, score, ..) in &points {
        if metric.as_loss(*score) < least {
            least = metric.as_loss(*score);
            edge.push((*parameters, *score));
        }
    }
    let of = |by_hand: bool| -> Vec<(f64, f64, String)> {
        let of = points.iter().filter(|p| p.3 == by_hand);
        of.map(|p| (p.0, p.1, p.2.clone())).collect()
    };
    let title = "Networks: designed and made by hand";
    let svg = Plot::new(
        Axis::log("numbers learned", points.iter().map(|p| p.0)),
        Axis::around(metric.name(), points.iter().map(|p| p.1)),
    )
    .line("k3", &edge)
    .dots("k1", &of(false))
    .dots("k2", &of(true))
    .to_svg(title);
    Some(Picture {
        title: title.to_owned(),
        svg,
        keys: vec![
            ("k1", "proposed by the search".into()),
            ("k2", "made by hand".into()),
            ("k3", "no network is both smaller and better".into()),
        ],
        caption: "Only networks that were trained on all data.".into(),
    })
}
