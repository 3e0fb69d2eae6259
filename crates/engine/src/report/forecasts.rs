use candor_core::wording::{figure, percent};

use super::Report;
use super::block::{Block, Picture, Section};
use super::map::{Point, map};
use super::svg::{Axis, Plot};
use crate::{CurvePlace, SeriesCurve, SeriesFigures, SeriesMap};

const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
/// Days up to which the time below a curve is told in hours.
const IN_HOURS: f64 = 4.0;

/// Forecasts, series by series.
pub(super) fn section(report: &Report) -> Option<Section> {
    let drawn = report.challenged.forecasts.as_ref()?;
    let mut pictures = Vec::new();
    if let Some(map) = &drawn.map {
        pictures.extend([errors(report, map), doubts(map)]);
    }
    let curves = drawn.curves.iter().filter(|curve| curve.told.len() > 1);
    pictures.extend(curves.map(|curve| of_curve(report, curve, drawn.ahead, drawn.step_seconds)));
    let blocks: Vec<Block> = pictures.into_iter().map(Block::Picture).collect();
    (!blocks.is_empty()).then(|| Section {
        id: "forecasts",
        title: "Forecasts, series by series",
        lead: "Where forecasts were far from what came, where the model expects to be far from it, and what that looks like. All of it is of the \
               test part, which nothing had learned from."
            .into(),
        blocks,
    })
}

fn errors(report: &Report, of: &SeriesMap) -> Picture {
    let metric = report.metric;
    let name = metric.name();
    let shown = |series: &SeriesFigures| figure(series.error);
    let title = format!("How far off each series is ({name})");
    let svg = drawn(
        of,
        "k2",
        &title,
        |s| metric.as_loss(s.error),
        shown,
        ["best", "worst"],
    );
    Picture {
        title,
        svg,
        keys: vec![("k2", "the fuller the colour, the worse".into())],
        caption: format!(
            "{} Point at a circle to see its name and figure.",
            what_it_shows(of)
        ),
    }
}

fn doubts(of: &SeriesMap) -> Picture {
    let title = "How much the model doubts each series".to_owned();
    let shown = |series: &SeriesFigures| figure(series.doubt);
    Picture {
        svg: drawn(of, "k1", &title, |s| s.doubt, shown, ["least", "most"]),
        title,
        keys: vec![("k1", "the fuller the colour, the more doubt".into())],
        caption: "How far from what comes the model expects its forecasts to be (a standard deviation, in the units of the series, averaged over \
                  the test part). Its colour should be full where that of the other map is: a model that errs where it is sure is one to beware of."
            .into(),
    }
}

fn what_it_shows(of: &SeriesMap) -> String {
    let places = if of.in_the_world {
        "Each circle is a series in its place, north above and east to the right"
    } else {
        "Each circle is a series; those that are joined lie near each other, and where on the page they lie says nothing else"
    };
    let lines = match of.edges.is_empty() {
        true => "",
        false => "; lines show which act on each other",
    };
    let left_out = match of.left_out {
        0 => String::new(),
        more => format!(" These are the worst: {more} better ones are not drawn."),
    };
    format!("{places}{lines}. A fifth of the series has each shade.{left_out}")
}

fn drawn(
    of: &SeriesMap,
    class: &str,
    title: &str,
    rank: impl Fn(&SeriesFigures) -> f64,
    shown: impl Fn(&SeriesFigures) -> String,
    [least, most]: [&str; 2],
) -> String {
    let points: Vec<Point> = of
        .series
        .iter()
        .map(|series| Point {
            at: series.at,
            rank: rank(series),
            title: format!("{}: {}", series.name, shown(series)),
        })
        .collect();
    let by_rank = |a: &&SeriesFigures, b: &&SeriesFigures| rank(a).total_cmp(&rank(b));
    let end = |word: &str, series: Option<&SeriesFigures>| {
        series.map_or_else(String::new, |series| format!("{word}: {}", shown(series)))
    };
    let least = end(least, of.series.iter().min_by(by_rank));
    let most = end(most, of.series.iter().max_by(by_rank));
    map(title, class, &points, &of.edges, [&least, &most])
}

fn of_curve(
    report: &Report,
    curve: &SeriesCurve,
    ahead: usize,
    step_seconds: Option<f64>,
) -> Picture {
    let which = match curve.place {
        CurvePlace::Only => "The series",
        CurvePlace::Worst => "The worst series",
        CurvePlace::Median => "A series in the middle",
        CurvePlace::Best => "The best series",
    };
    let title = format!("{which}: {}", curve.name);
    let moments = curve.told.iter().map(|told| told.moment);
    let first = moments.clone().min().unwrap_or(0);
    let span = moments.max().unwrap_or(0) - first;
    let (unit, length) = match step_seconds {
        None => ("moments", 1.0),
        Some(step) if span as f64 * step < IN_HOURS * DAY => ("hours", step / HOUR),
        Some(step) => ("days", step / DAY),
    };
    let x = |moment: i64| (moment - first) as f64 * length;
    let told = || curve.told.iter();
    let truth: Vec<(f64, f64)> = told().map(|t| (x(t.moment), t.truth)).collect();
    let mean: Vec<(f64, f64)> = told().map(|t| (x(t.moment), t.mean)).collect();
    let band: Vec<(f64, f64, f64)> = told()
        .filter_map(|t| t.interval.map(|(low, high)| (x(t.moment), low, high)))
        .collect();
    let values = truth.iter().chain(&mean).map(|point| point.1);
    let values = values.chain(band.iter().flat_map(|&(_, low, high)| [low, high]));
    let svg = Plot::new(
        Axis::around(
            &format!("{unit} since the first that is drawn"),
            truth.iter().map(|point| point.0),
        ),
        Axis::around("value", values),
    )
    .band("k1", &band)
    .line("k2", &truth)
    .line("k1", &mean)
    .to_svg(&title);
    let steps = match ahead {
        1 => "one step".to_owned(),
        ahead => format!("{ahead} steps"),
    };
    let promised = report
        .challenged
        .coverage
        .as_ref()
        .map_or_else(String::new, |coverage| {
            format!(
                " The range is meant to hold what comes in {} of all cases.",
                percent(coverage.promised)
            )
        });
    Picture {
        title,
        svg,
        keys: vec![
            ("k2", "what came".into()),
            ("k1", format!("forecast {steps} ahead, with its range")),
        ],
        caption: format!(
            "{} of this series on the whole test part: {}. Drawn are its last {} forecasts.{promised}",
            report.metric.name(),
            figure(curve.error),
            curve.told.len()
        ),
    }
}
