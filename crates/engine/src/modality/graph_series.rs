use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{
    Column, EncodedTargets, Fold, ReadOptions, Role, Schema, Source, Split, SplitRule, Table,
    TargetDecision, Values, read_table,
};
use candor_graph_series::{
    Calendar, Disturbance, ReadSeries, Series, SeriesError, SeriesLearner, SeriesOptions,
    SeriesSource, SeriesUnits, drift, moments_shuffled, others_exchanged, part_in_time,
    read_series, series_of, windows_exchanged,
};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Input, Inputs, Material, OF_NAMES, Opened, Past, ReaderError, Readers, Replayable,
    disturbance_named, edge_changes, malformed, to_json,
};
use crate::{EngineError, FitSettings, Groups, Origins, SeriesForecasts, Subject};

/// Columns of the table of units.
const TIME: &str = "time";
const NODE: &str = "node";
/// Parts whose worth is measured.
const READINGS: &str = "readings";
const OTHERS: &str = "readings of other series";
/// True values that are held, about: origins are taken at wider steps where there would be more.
const MOST_TRUTHS: usize = 40_000_000;
/// Numbers of series up to which a bundle keeps their end.
const MOST_KEPT: usize = 2_000_000;
/// Moments whose flows a bundle keeps: those that a forecast rests on.
const FLOWS_KEPT: usize = 7;
/// Longest periods before the origin that a rule looks at.
const PERIODS_BACK: usize = 3;
/// Moments at the end of what was learned from by which it is found in other series without times.
const MATCHED: usize = 3;
/// Past forecasts that are checked before a prediction, and their origins, at most.
const MOST_CHECKED: usize = 100_000;
const MOST_ORIGINS: usize = 1_000;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The series of a source, if it holds some or is asked for them.
pub(super) fn detect(settings: &FitSettings) -> Option<SeriesSource> {
    SeriesSource::detect(Path::new(&settings.source), !settings.horizon.is_empty())
}

/// Reads the series, and cuts them into units.
pub(super) fn open(source: &SeriesSource, settings: &FitSettings) -> Result<Opened, EngineError> {
    check_settings(settings)?;
    let options = SeriesOptions {
        tables: settings.read.clone(),
        time_column: settings.time_column.clone(),
        ignore: settings.ignore.clone(),
        keep_zeros: settings.without.iter().any(|name| name == "dead-readings"),
        series: settings.series.clone(),
        reading: settings.target.first().cloned(),
        known_ahead: settings.known_ahead.clone(),
    };
    let ReadSeries {
        series,
        time_column,
        long,
        mut facts,
        mut findings,
    } = read_series(source, &options)?;
    findings.extend(drift(&series));
    let steps = series.steps();
    let horizons = horizons(settings, &series.calendar, steps);
    let furthest = horizons.last().copied().unwrap_or(1);
    let history = settings
        .history
        .unwrap_or_else(|| history(&series.calendar, furthest, steps));
    // A window in each of three parts, none of which predicts what another does.
    let needed = history + 3 * furthest + 1;
    if steps < needed {
        return Err(SeriesError::TooShort {
            path: source.path().to_owned(),
            steps,
            needed,
            history,
            horizon: furthest,
        }
        .into());
    }
    let truths = (steps - furthest) * series.nodes.len() * horizons.len();
    let stride = truths.div_ceil(MOST_TRUTHS).max(1);
    facts.notes.push(format!(
        "{steps} moments of {} series; {} are predicted from {history} moments{}",
        series.nodes.len(),
        told(&horizons),
        match stride {
            1 => String::new(),
            stride => format!("; one origin in {stride} is taken, so that they fit into memory"),
        }
    ));
    let units = SeriesUnits::learnable(series, history, horizons, stride);
    let table = table_of(&units);
    facts.rows = table.rows();
    facts.columns = table.columns.len();
    Ok(Opened {
        table,
        facts,
        test: None,
        test_rows: 0,
        findings,
        material: Box::new(Forecasts {
            units,
            several: matches!(source, SeriesSource::Several(_)),
            time_column,
            options: SeriesOptions {
                series: long.as_ref().map(|long| long.series.clone()),
                reading: long.map(|long| long.reading),
                ..options
            },
        }),
    })
}

fn check_settings(settings: &FitSettings) -> Result<(), EngineError> {
    let refuse = |setting, problem: &str| {
        Err(EngineError::Setting {
            setting,
            problem: problem.to_owned(),
        })
    };
    if settings.test.is_some() {
        return refuse(
            "test",
            "the last moments of series are their test part: say how many with `--test-share`",
        );
    }
    if settings.target.len() > 1 {
        return refuse(
            "target",
            "one column is forecast, of each series that `--series` tells apart",
        );
    }
    if settings.group.is_some() {
        return refuse("group", "series are parted in time alone");
    }
    if settings.task.is_some_and(|task| task != Task::Regression) {
        return refuse("task", "series are numbers: regression");
    }
    if settings.split.is_some_and(|rule| rule != SplitRule::Time) {
        return refuse("split", "series are parted in time alone");
    }
    Ok(())
}

/// The steps ahead: as asked, else an hour of minutes, a day of hours, a week of days, a month of weeks.
fn horizons(settings: &FitSettings, calendar: &Calendar, steps: usize) -> Vec<usize> {
    match settings.horizon.as_slice() {
        [] => {
            let usual = match calendar.step {
                Some(step) if step >= 7.0 * DAY => 4,
                Some(step) if step >= DAY => 7,
                Some(step) if step >= HOUR => 24,
                _ => 12,
            };
            (1..=usual.min(steps / 20).max(1)).collect()
        }
        [furthest] => (1..=*furthest).collect(),
        several => several.to_vec(),
    }
}

/// How far models look back: an hour of minutes, a week of hours and days; three and a half times a long horizon.
fn history(calendar: &Calendar, furthest: usize, steps: usize) -> usize {
    let season = match calendar.step {
        Some(step) if step >= HOUR => calendar.periods.last().copied().unwrap_or(0),
        _ => 0,
    };
    let for_long = if furthest >= 48 { 7 * furthest / 2 } else { 0 };
    let wanted = furthest.max(12).max(season).max(for_long);
    wanted.min(steps / 8).max(1)
}

fn told(horizons: &[usize]) -> String {
    let consecutive = horizons.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match horizons {
        [one] => format!("step {one} ahead"),
        [first, .., last] if consecutive => format!("steps {first} to {last} ahead"),
        several => {
            let several: Vec<String> = several.iter().map(usize::to_string).collect();
            format!("steps {} ahead", several.join(", "))
        }
    }
}

/// A row a unit: the time of its origin, in seconds since 1970 where times are known, else its number; and its node.
fn table_of(units: &SeriesUnits) -> Table {
    let calendar = &units.series.calendar;
    let time = |end: u32| match (calendar.start, calendar.step) {
        (Some(start), Some(step)) => start + f64::from(end) * step,
        _ => f64::from(end),
    };
    let times = units
        .which
        .iter()
        .map(|(window, _)| time(units.windows[*window as usize].end));
    Table {
        columns: vec![
            Column {
                name: TIME.to_owned(),
                values: Values::Numeric(times.collect()),
            },
            Column {
                name: NODE.to_owned(),
                values: Values::Text {
                    codes: units.which.iter().map(|(_, node)| *node).collect(),
                    dictionary: units.series.nodes.clone(),
                },
            },
        ],
    }
}

/// A unit is a node at an origin.
struct Forecasts {
    units: SeriesUnits,
    several: bool,
    time_column: Option<String>,
    options: SeriesOptions,
}

impl Material for Forecasts {
    fn modality(&self) -> Modality {
        Modality::GraphSeries
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        // The table only says which units there are.
        [&OF_NAMES[..], &["infinite", "sensitive", "target-leakage"]].concat()
    }

    fn findings(
        &self,
        _table: &Table,
        _schema: &Schema,
        _targets: &Targets,
        _split: Option<&Split>,
    ) -> Vec<Finding> {
        Vec::new()
    }

    fn own_checks(&self) -> Vec<&'static str> {
        vec![
            "dead-readings",
            "level-shift",
            "missing-moments",
            "missing-readings",
            "moments-without-flows",
            "negative-counts",
            "nodes-only-in-flows",
            "nodes-without-flows",
            "other-columns",
            "periods",
            "series-begin-late",
            "spread-change",
            "stood-still",
        ]
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        schema.set_role(TIME, Role::Time);
        schema.set_role(NODE, Role::Group);
        Vec::new()
    }

    fn own_target(&self) -> Option<TargetDecision> {
        let name = |ahead: &usize| format!("t+{ahead}");
        Some(TargetDecision {
            target: Target {
                task: Task::Regression,
                names: self.units.horizons.iter().map(name).collect(),
                classes: Vec::new(),
            },
            reason: "what each series will be so many steps later".to_owned(),
        })
    }

    fn own_targets(&self) -> Option<EncodedTargets> {
        let targets = self.units.truth();
        let missing_rows = match &targets {
            Targets::Values { width, values } => {
                let rows = values.chunks_exact(*width).enumerate();
                rows.filter(|(_, row)| row.iter().any(|v| !v.is_finite()))
                    .map(|(row, _)| row)
                    .collect()
            }
            _ => Vec::new(),
        };
        Some(EncodedTargets {
            targets,
            missing_rows,
        })
    }

    fn own_split(
        &self,
        excluded: &BTreeSet<usize>,
        test_share: f64,
    ) -> Result<Option<Split>, EngineError> {
        let parts =
            part_in_time(&self.units, test_share).map_err(|problem| EngineError::Setting {
                setting: "horizon",
                problem,
            })?;
        let nodes = self.units.nodes();
        let rows = |windows: &[usize]| -> Vec<usize> {
            let all = windows.iter().flat_map(|w| w * nodes..(w + 1) * nodes);
            all.filter(|row| !excluded.contains(row)).collect()
        };
        let (train, validation) = (rows(&parts.train), rows(&parts.validation));
        let earlier = parts.earlier.iter().filter_map(|(train, validation)| {
            let (train, validation) = (rows(train), rows(validation));
            (!train.is_empty() && !validation.is_empty()).then_some(Fold { train, validation })
        });
        let earlier: Vec<Fold> = earlier.collect();
        let (calibration, test) = (rows(&parts.calibration), rows(&parts.test));
        if train.is_empty() || validation.is_empty() {
            return Err(EngineError::Setting {
                setting: "horizon",
                problem: "too many readings are missing: no unit is known whole in the earlier or the later part".into(),
            });
        }
        let rolled = match earlier.len() {
            0 => String::new(),
            more => format!(
                "; and {more} rounds earlier, so that designs are chosen from rolling origins; the members of the latest round are deployed"
            ),
        };
        let [a, b, c, d] = [
            &parts.train,
            &parts.validation,
            &parts.calibration,
            &parts.test,
        ]
        .map(Vec::len);
        Ok(Some(Split {
            rule: SplitRule::Time,
            reason: format!(
                "in time: {a} origins are learned from, the {b} after them choose, {c} calibrate, the last {d} are tested on; between two \
                 parts there is a gap as long as the furthest horizon{rolled}"
            ),
            // The latest is the first: it is the one that short trainings learn from, and that is deployed.
            folds: std::iter::once(Fold { train, validation })
                .chain(earlier)
                .collect(),
            calibration,
            test,
        }))
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        _development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&self.described(None))
    }

    fn most_folds(&self) -> Option<usize> {
        Some(1)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        self.units.history
    }

    fn subject(
        self: Box<Self>,
        _input: &Value,
        _table: &Table,
        _learnable: Vec<usize>,
        _target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let described = self.described(None);
        Ok(Box::new(SeriesSubject {
            learner: SeriesLearner::new(&self.units)?,
            described,
            several: self.several,
            units: self.units.units(),
        }))
    }
}

impl Forecasts {
    fn described(&self, kept: Option<Series>) -> Described {
        let series = &self.units.series;
        Described {
            nodes: series.nodes.clone(),
            time_column: self.time_column.clone(),
            calendar: series.calendar.clone(),
            history: self.units.history,
            horizons: self.units.horizons.to_vec(),
            options: self.options.clone(),
            kept,
            until: last_time(series),
            edges: Vec::new(),
        }
    }
}

/// When the last moment of some series is, where times are known.
fn last_time(series: &Series) -> Option<f64> {
    let (start, step) = series.calendar.start.zip(series.calendar.step)?;
    Some(start + series.steps().saturating_sub(1) as f64 * step)
}

/// What a bundle knows of its series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Described {
    nodes: Vec<String>,
    time_column: Option<String>,
    /// Of what was learned from.
    calendar: Calendar,
    history: usize,
    horizons: Vec<usize>,
    options: SeriesOptions,
    /// The end of the series that were learned from, as far as a forecast rests on it.
    kept: Option<Series>,
    /// When the last moment of the series that were learned from was, in seconds since 1970, where times are known.
    #[serde(default)]
    until: Option<f64>,
    /// What goes between the series, if anything does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    edges: Vec<edge_changes::Range>,
}

impl Described {
    /// The columns of a table with a row for each series and moment that tell the series and the reading, if the model was made from one.
    fn long(&self) -> Option<[&String; 2]> {
        let options = &self.options;
        Some([options.series.as_ref()?, options.reading.as_ref()?])
    }

    /// Moments that a forecast rests on.
    fn look_back(&self) -> usize {
        let longest = self.calendar.periods.last().copied().unwrap_or(0);
        let furthest = self.horizons.last().copied().unwrap_or(1);
        self.history.max(PERIODS_BACK * longest + furthest)
    }

    fn check(&self) -> Result<(), String> {
        self.calendar.check()?;
        let ascend = self.horizons.windows(2).all(|pair| pair[0] < pair[1]);
        let sound = !self.nodes.is_empty()
            && ascend
            && self.horizons.first().is_some_and(|h| *h > 0)
            && self.horizons.last().is_some_and(|h| *h <= 1 << 20)
            && (1..=1 << 20).contains(&self.history);
        match &self.kept {
            _ if !sound || !self.edges_are_sound() => {
                Err("what is known of its series is damaged".into())
            }
            Some(kept) if kept.nodes != self.nodes => {
                Err("the end of its series is damaged".into())
            }
            Some(kept) => kept.check(),
            None => Ok(()),
        }
    }

    fn edges_are_sound(&self) -> bool {
        let inside = |node: u32| (node as usize) < self.nodes.len();
        let sound = |&(from, to, least, most): &edge_changes::Range| {
            inside(from) && inside(to) && least.is_finite() && most.is_finite()
        };
        let ends = |range: &edge_changes::Range| (range.0, range.1);
        self.edges.iter().all(sound) && self.edges.is_sorted_by_key(ends)
    }

    /// What comes after the last moment of some series.
    fn inputs(&self, series: Series, nodes: Option<Vec<usize>>) -> Result<Inputs, EngineError> {
        let steps = series.steps();
        if steps < self.history {
            return Err(foreign(format!(
                "the model looks back {} moments, and {steps} are given",
                self.history
            )));
        }
        self.check_known(&series)?;
        let names = series.nodes.clone();
        let units =
            SeriesUnits::at_origins(series, self.history, self.horizons.clone(), &[steps - 1]);
        let asked = nodes.unwrap_or_else(|| (0..units.nodes()).collect());
        let units = units.only(&asked);
        let silent = |(_, node): &(usize, &usize)| {
            let mut seen = (0..units.history).map(|back| units.seen(0, back, **node));
            seen.all(|value| !value.is_finite())
        };
        let why = |(unit, _): (usize, &usize)| {
            (
                unit,
                "The series has no reading in all that the model looks back on.".to_owned(),
            )
        };
        let unreadable: BTreeMap<usize, String> =
            asked.iter().enumerate().filter(silent).map(why).collect();
        Ok(Inputs {
            names: Some(asked.iter().map(|&node| names[node].clone()).collect()),
            units: units.units(),
            unreadable,
        })
    }

    /// Whether what is known ahead reaches as far as a forecast from the last moment.
    fn check_known(&self, series: &Series) -> Result<(), EngineError> {
        let names = &self.options.known_ahead;
        let last = series.steps() as i64 - 1;
        for (column, name) in names.iter().enumerate() {
            let told = |ahead: usize| {
                let of = |node| {
                    series
                        .known
                        .as_ref()
                        .map(|k| k.at(last + ahead as i64, column, node))
                };
                (0..series.nodes.len()).any(|node| of(node).is_some_and(f32::is_finite))
            };
            if let Some(ahead) = self.horizons.iter().find(|&&ahead| !told(ahead)) {
                return Err(foreign(format!(
                    "`{name}` is known ahead of time, and its value at step {ahead} after the last reading is not given: add rows for the \
                     moments that are forecast, with `{}` filled in and the readings left empty",
                    names.join("`, `")
                )));
            }
        }
        Ok(())
    }

    /// The last moment of other series that the model was made from, if it can be told: by its time, else by its readings. Negative where they begin
    /// later.
    fn last_learned(&self, series: &Series) -> Option<i64> {
        if let (Some(until), Some(start), Some(step)) =
            (self.until, series.calendar.start, series.calendar.step)
        {
            return Some(((until - start) / step).round() as i64);
        }
        let kept = self.kept.as_ref()?;
        let nodes = self.nodes.len();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        let end = &kept.values[kept.values.len().saturating_sub(MATCHED * nodes)..];
        let (given, end) = (bits(&series.values), bits(end));
        // Compared by bits, so that what is missing equals what is missing.
        let found = (end.len()..=given.len())
            .rev()
            .filter(|to| to.is_multiple_of(nodes))
            .find(|to| given[to - end.len()..*to] == end)?;
        Some((found / nodes) as i64 - 1)
    }

    /// The forecasts that could have been made since the model was made, as far as the series show what came of them; the latest ones.
    fn past(&self, given: &SeriesUnits) -> Option<Past> {
        let learned = self.last_learned(&given.series)?;
        let now = given.series.steps() as i64 - 1;
        let furthest = self.horizons.last().copied().unwrap_or(1) as i64;
        let most = (MOST_CHECKED / self.nodes.len()).clamp(1, MOST_ORIGINS) as i64;
        let first = (learned + 1 - furthest)
            .max(self.history as i64 - 1)
            .max(now - most)
            .max(0);
        if first >= now || learned >= now {
            return None;
        }
        let mut past = self.replayed(given, first as usize..now as usize);
        // What was known when the model was made teaches nothing new.
        if let Targets::Values { width, values } = &mut past.truth {
            let origins = &past.origins;
            for (cell, value) in values.iter_mut().enumerate() {
                let moment = origins.moments[cell / *width] + origins.ahead[cell % *width] as i64;
                if moment <= learned {
                    *value = f32::NAN;
                }
            }
        }
        Some(past)
    }

    /// The forecasts from some moments.
    fn replayed(&self, given: &SeriesUnits, origins: Range<usize>) -> Past {
        let units = SeriesUnits::at_origins(
            Series::clone(&given.series),
            self.history,
            self.horizons.clone(),
            &origins.collect::<Vec<_>>(),
        );
        Past {
            truth: units.truth(),
            origins: origins_of(&units, 0..units.which.len()),
            now: given.series.steps() as i64 - 1,
            units: units.units(),
        }
    }

    fn replayable(&self, given: &SeriesUnits) -> Replayable {
        let series = &given.series;
        let nearest = self.horizons.first().copied().unwrap_or(1);
        let first = self.history.saturating_sub(1);
        Replayable {
            names: series.nodes.clone(),
            origins: first..series.steps().saturating_sub(nearest).max(first),
            times: series.calendar.start.zip(series.calendar.step),
            learned: self.last_learned(series),
        }
    }

    /// Other series under the numbers of the model's.
    fn matched(&self, series: Series) -> Result<Series, EngineError> {
        if let (Some(own), Some(other)) = (self.calendar.step, series.calendar.step)
            && (own - other).abs() > 0.1 * own
        {
            return Err(foreign(format!(
                "the model was made from moments {own} seconds apart, these are {other} seconds apart"
            )));
        }
        if self.calendar.start.is_some() && series.calendar.start.is_none() {
            let column = self.time_column.as_deref().unwrap_or(TIME);
            return Err(foreign(format!(
                "the model knows days and weeks, and no column of times (`{column}`) is given"
            )));
        }
        let given = &series.nodes;
        let place = |name: &String| {
            given.iter().position(|other| other == name).ok_or_else(|| {
                let near = candor_core::did_you_mean(name, given);
                foreign(format!("the series `{name}` is not there{near}"))
            })
        };
        let places: Vec<usize> = self.nodes.iter().map(place).collect::<Result<_, _>>()?;
        let flows = series.flows.as_ref().map(|flows| flows.picked(&places));
        let known = series.known.as_ref().map(|known| known.picked(&places));
        let rows = series.values.chunks_exact(given.len());
        let values = rows
            .flat_map(|row| places.iter().map(|&from| row[from]))
            .collect();
        Ok(Series {
            nodes: self.nodes.clone(),
            values,
            // The periods are those that were learned.
            calendar: Calendar {
                periods: self.calendar.periods.clone(),
                ..series.calendar
            },
            graph: None,
            flows,
            known,
            places: None,
        })
    }
}

/// What goes between series: of edges that stay their weights, of others what went at least and at most.
fn edges_of(series: &Series) -> Vec<edge_changes::Range> {
    let ranges = match (&series.flows, &series.graph) {
        (Some(flows), _) => flows.ranges(),
        (None, Some(graph)) => {
            let edges = graph.edges.iter().zip(&graph.weights);
            edges.map(|(&(from, to), &w)| (from, to, w, w)).collect()
        }
        (None, None) => Vec::new(),
    };
    match ranges.len() <= MOST_KEPT {
        true => ranges,
        false => Vec::new(),
    }
}

/// When some units were forecast.
fn origins_of(series: &SeriesUnits, units: impl Iterator<Item = usize>) -> Origins {
    let end = |unit: usize| i64::from(series.windows[series.which[unit].0 as usize].end);
    Origins {
        moments: units.map(end).collect(),
        ahead: series.horizons.to_vec(),
        series: series.nodes(),
    }
}

/// By hour of the day where moments are shorter than a day, and by day of the week where they are shorter than a week and span two weeks: of the
/// last moments that were known to the forecasts.
fn by_clock(calendar: &Calendar, ends: &[i64]) -> Vec<Groups> {
    let Some((start, step)) = calendar.start.zip(calendar.step) else {
        return Vec::new();
    };
    // Times that were added up in steps lie a little before or behind whole hours.
    let whole = |end: &i64, unit: f64| ((start + *end as f64 * step) / unit + 1e-6).floor() as i64;
    let mut groups = Vec::new();
    if step < DAY {
        let hour = |hour: i64| format!("{hour:02}:00 to {hour:02}:59");
        let names = ends.iter().map(|end| hour(whole(end, HOUR).rem_euclid(24)));
        groups.push(Groups {
            what: "hour of the day of the last moment that was known",
            names: names.collect(),
            order: Some((0..24).map(hour).collect()),
        });
    }
    let span = ends.iter().max().zip(ends.iter().min());
    let span = span.map_or(0.0, |(last, first)| (last - first + 1) as f64 * step);
    if step < 7.0 * DAY && span >= 14.0 * DAY {
        // Day 0, the first of January 1970, was a Thursday.
        let day = |end: &i64| WEEKDAYS[(whole(end, DAY) + 3).rem_euclid(7) as usize].to_owned();
        groups.push(Groups {
            what: "day of the week of the last moment that was known",
            names: ends.iter().map(day).collect(),
            order: Some(WEEKDAYS.map(str::to_owned).to_vec()),
        });
    }
    groups
}

fn foreign(problem: String) -> EngineError {
    SeriesError::Foreign { problem }.into()
}

pub(super) fn reader(input: &Value) -> Result<Readers, ReaderError> {
    let described: Described = serde_json::from_value(input.clone())
        .map_err(|e| ReaderError::Damaged(format!("what is known of its series: {e}")))?;
    described.check().map_err(ReaderError::Damaged)?;
    let learner = SeriesLearner::reader().map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(SeriesInput { described }), Box::new(learner)))
}

/// How a deployed model reads series.
struct SeriesInput {
    described: Described,
}

impl Input for SeriesInput {
    fn past(&self, units: &Units) -> Result<Option<Past>, EngineError> {
        Ok(self.described.past(units.get::<SeriesUnits>()?))
    }

    fn replayable(&self, units: &Units) -> Result<Option<Replayable>, EngineError> {
        Ok(Some(self.described.replayable(units.get::<SeriesUnits>()?)))
    }

    fn replayed(&self, units: &Units, origins: Range<usize>) -> Result<Past, EngineError> {
        let given = units.get::<SeriesUnits>()?;
        Ok(self.described.replayed(given, origins))
    }

    fn columns(&self) -> Vec<&str> {
        let time = self.described.time_column.iter();
        let mut columns: Vec<&str> = match self.described.long() {
            Some(long) => time.chain(long).map(String::as_str).collect(),
            None => time
                .chain(&self.described.nodes)
                .map(String::as_str)
                .collect(),
        };
        columns.extend(
            self.described
                .options
                .known_ahead
                .iter()
                .map(String::as_str),
        );
        if self.described.kept.is_some() && !columns.contains(&NODE) {
            columns.push(NODE);
        }
        columns
    }

    fn changed(
        &self,
        units: &Units,
        changes: &[String],
    ) -> Result<(Units, Option<String>), EngineError> {
        let (nodes, edges) = (&self.described.nodes, &self.described.edges);
        if edges.is_empty() {
            return Err(EngineError::Setting {
                setting: "change",
                problem: "nothing joins the series of this model".to_owned(),
            });
        }
        let read = |text: &String| edge_changes::read(text, nodes, edges);
        let changes = changes.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let given = units.get::<SeriesUnits>()?;
        let extrapolation = edge_changes::extrapolation(&changes, given, nodes, edges);
        Ok((given.what_if(&changes).units(), extrapolation))
    }

    fn ahead(&self) -> Option<(Option<f64>, &[usize])> {
        Some((self.described.calendar.step, &self.described.horizons))
    }

    /// Series are read anew, and what comes after their last moment is answered; a table with a column `node` asks for what comes after the
    /// series that were learned from.
    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        let path = Path::new(source);
        let Some(found) = SeriesSource::detect(path, true) else {
            return self.rows(&read_table(&Source::parse(source)?, options)?.table);
        };
        let own = &self.described.options;
        let options = SeriesOptions {
            tables: ReadOptions {
                delimiter: options.delimiter.or(own.tables.delimiter),
                header: options.header.or(own.tables.header),
                missing: [own.tables.missing.clone(), options.missing.clone()].concat(),
                ..options.clone()
            },
            ..own.clone()
        };
        if let SeriesSource::File(path) = &found {
            let read = ReadOptions {
                header: options.tables.header.or(Some(true)),
                ..options.tables.clone()
            };
            return self.rows(&read_table(&Source::File(path.clone()), &read)?.table);
        }
        let read = read_series(&found, &options)?;
        self.described
            .inputs(self.described.matched(read.series)?, None)
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        let asked = table
            .column(NODE)
            .filter(|_| !self.described.nodes.iter().any(|n| n == NODE));
        if let (Some(column), Some(kept)) = (asked, &self.described.kept) {
            let place = |row: usize| {
                let name = column.values.text(row).unwrap_or_default();
                let known = &self.described.nodes;
                known
                    .iter()
                    .position(|other| *other == name)
                    .ok_or_else(|| {
                        foreign(format!(
                            "there is no series `{name}`{}",
                            candor_core::did_you_mean(&name, known)
                        ))
                    })
            };
            let nodes = (0..table.rows())
                .map(place)
                .collect::<Result<Vec<_>, _>>()?;
            return self.described.inputs(kept.clone(), Some(nodes));
        }
        let long = self.described.long();
        // What was learned from a row for each series and moment may be asked about with a column a series, too.
        let long = long.filter(|[series, _]| table.column(series).is_some());
        let known = |column: &Column| {
            let of_series = match long {
                Some(long) => long.contains(&&column.name),
                None => self.described.nodes.contains(&column.name),
            };
            of_series
                || self.described.time_column.as_ref() == Some(&column.name)
                || self.described.options.known_ahead.contains(&column.name)
        };
        let columns: Vec<Column> = table.columns.iter().filter(|c| known(c)).cloned().collect();
        if columns.is_empty() {
            return Err(EngineError::WrongModality {
                what: "a table without the series of the model".to_owned(),
                expected: Modality::GraphSeries,
            });
        }
        let time_column = self.described.time_column.clone();
        let options = SeriesOptions {
            time_column: time_column.filter(|name| columns.iter().any(|c| c.name == *name)),
            series: long.map(|[series, _]| series.clone()),
            reading: long.map(|[_, reading]| reading.clone()),
            ..self.described.options.clone()
        };
        let (series, _) = series_of(Table { columns }, "the rows", &options)?;
        self.described.inputs(self.described.matched(series)?, None)
    }
}

/// Series as the pipeline sees them.
struct SeriesSubject {
    described: Described,
    /// Whether the series are of several sources, which their names begin with.
    several: bool,
    learner: SeriesLearner,
    units: Units,
}

impl SeriesSubject {
    fn series(&self) -> Result<&SeriesUnits, EngineError> {
        Ok(self.units.get::<SeriesUnits>()?)
    }
}

impl Subject for SeriesSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        let series = &self.series()?.series;
        let back = self.described.look_back();
        let kept = (back * series.nodes.len() <= MOST_KEPT).then(|| Series {
            graph: None,
            flows: series.flows.as_ref().map(|flows| {
                let from = series.steps().saturating_sub(back);
                flows.tail(from).only_last(FLOWS_KEPT)
            }),
            ..series.tail(back)
        });
        to_json(&Described {
            kept,
            edges: edges_of(series),
            ..self.described.clone()
        })
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        Ok(moments_shuffled(self.series()?, units, seed).units())
    }

    fn parts(&self) -> Vec<String> {
        let parts: &[&str] = if self.described.nodes.len() > 1 {
            &[READINGS, OTHERS]
        } else {
            &[READINGS]
        };
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let series = self.series()?;
        match part {
            READINGS => Ok(windows_exchanged(series, units, seed).units()),
            OTHERS => Ok(others_exchanged(series, units, seed).units()),
            other => Err(malformed(format!("there is no part `{other}`"))),
        }
    }

    fn disturbances(&self) -> Vec<&'static str> {
        Disturbance::ALL
            .into_iter()
            .map(Disturbance::name)
            .collect()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let found = disturbance_named(Disturbance::ALL, Disturbance::name, disturbance)?;
        Ok(found.apply(self.series()?, units, severity, seed).units())
    }

    fn groups(&self, units: &[usize]) -> Vec<Groups> {
        let Ok(series) = self.series() else {
            return Vec::new();
        };
        let name = |&unit: &usize| {
            let (_, node) = series.which[unit];
            series.series.nodes[node as usize].as_str()
        };
        let names = units.iter().map(|unit| name(unit).to_owned()).collect();
        let mut groups = vec![Groups::by_error("series, the worst first", names)];
        if self.several {
            let source = |unit| name(unit).split('/').next().unwrap_or_default();
            let sources = units.iter().map(|unit| source(unit).to_owned());
            groups.push(Groups::by_error(
                "source, the worst first",
                sources.collect(),
            ));
        }
        let ends = units.iter().map(|&unit| {
            let (window, _) = series.which[unit];
            i64::from(series.windows[window as usize].end)
        });
        let ends: Vec<i64> = ends.collect();
        groups.extend(by_clock(&series.series.calendar, &ends));
        groups
    }

    fn forecasts(&self, units: &[usize]) -> Option<SeriesForecasts> {
        let units_of = self.series().ok()?;
        let series = &units_of.series;
        let own;
        let graph = match (&series.graph, &series.flows) {
            (Some(graph), _) => Some(graph),
            (None, Some(flows)) => {
                own = flows.graph(0..series.steps());
                Some(&own)
            }
            (None, None) => None,
        };
        let edges = graph.map(|graph| {
            let weighted = graph.edges.iter().zip(&graph.weights);
            weighted.map(|(&(a, b), &weight)| (a, b, weight)).collect()
        });
        Some(SeriesForecasts {
            names: series.nodes.clone(),
            which: units
                .iter()
                .map(|&unit| units_of.which[unit].1 as usize)
                .collect(),
            places: series.places.clone(),
            edges,
            step_seconds: series
                .calendar
                .step
                .filter(|_| series.calendar.start.is_some()),
        })
    }

    fn origins(&self, units: &[usize]) -> Option<Origins> {
        Some(origins_of(self.series().ok()?, units.iter().copied()))
    }

    fn judging_share(&self) -> f64 {
        // Whole windows are computed for whatever is asked of them.
        0.25
    }

    fn without_control(&self) -> Option<&'static str> {
        Some(
            "Models of series tell the change from what was read last: one that has learned nothing predicts well, and so does one that was trained \
             on shuffled targets. That nothing of the future is seen is tested otherwise.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_weekdays_stand_in_the_order_of_time() {
        // From 22:00 on the first of January 1970, a Thursday, by hours.
        let calendar = Calendar::from_times(22.0 * HOUR, HOUR, 400);
        let groups = by_clock(&calendar, &[0, 1, 2, 13 * 24]);
        assert_eq!(groups.len(), 1);
        let hours = [
            "22:00 to 22:59",
            "23:00 to 23:59",
            "00:00 to 00:59",
            "22:00 to 22:59",
        ];
        assert_eq!(groups[0].names, hours);
        let order = groups[0].order.as_ref().unwrap();
        assert_eq!((order.len(), order.is_sorted()), (24, true));
        let groups = by_clock(&calendar, &[0, 2, 14 * 24]);
        assert_eq!(groups[1].names, ["Thursday", "Friday", "Thursday"]);
        // Days have no hours, weeks no days, and without times nobody knows.
        let names = |step: f64| -> Vec<&str> {
            let calendar = Calendar::from_times(0.0, step, 100);
            by_clock(&calendar, &[0, 50])
                .iter()
                .map(|groups| groups.what)
                .collect()
        };
        assert_eq!(
            names(DAY),
            ["day of the week of the last moment that was known"]
        );
        assert!(names(7.0 * DAY).is_empty());
        assert!(by_clock(&Calendar::from_values(&[]), &[0, 50]).is_empty());
    }
}
