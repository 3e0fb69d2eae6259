//! Models of series, of every kind.
#![allow(clippy::unwrap_used)]

use candor_core::{Clock, Distribution, Metric, Seed, Target, Targets, Task};
use candor_design::Design;
use candor_graph_series::{
    Anchor, Body, Calendar, Disturbance, EdgeChange, Flows, KnownAhead, SensorGraph, Series,
    SeriesDesign, SeriesLearner, SeriesUnits, moments_shuffled, others_exchanged, part_in_time,
    windows_exchanged,
};
use candor_train::{Assignment, FittedMember, Learner, Member, MemberError};
use proptest::prelude::*;
use rand::RngExt;

const NODES: usize = 4;
const STEPS: usize = 150;
const HISTORY: usize = 12;

/// Series of a day of 12 steps, each of which follows the one before it on a ring.
fn series() -> Series {
    let stream = &mut Seed(3).stream("series", &[]);
    let mut values = vec![0.0f32; NODES * STEPS];
    for t in 0..STEPS {
        for node in 0..NODES {
            let wave = (t as f32 / 12.0 * std::f32::consts::TAU).sin() * (1.0 + node as f32);
            let before = |node: usize| {
                if t > 0 {
                    values[(t - 1) * NODES + node]
                } else {
                    0.0
                }
            };
            let pulled = 0.8 * before((node + 1) % NODES) + 0.1 * before(node);
            values[t * NODES + node] = wave + pulled + stream.random_range(-0.3..0.3);
        }
    }
    let ring: Vec<(u32, u32, f32)> = (0..NODES as u32)
        .map(|n| ((n + 1) % NODES as u32, n, 1.0))
        .collect();
    Series {
        nodes: (0..NODES).map(|n| format!("n{n}")).collect(),
        values,
        calendar: Calendar {
            start: None,
            step: None,
            periods: vec![12],
            phase: 0,
        },
        graph: Some(SensorGraph::new(NODES, &ring)),
        flows: None,
        known: None,
        places: None,
    }
}

fn units_of(series: Series) -> SeriesUnits {
    SeriesUnits::learnable(series, HISTORY, vec![1, 2, 4], 1)
}

fn target() -> Target {
    Target {
        task: Task::Regression,
        names: vec!["t+1".into(), "t+2".into(), "t+4".into()],
        classes: Vec::new(),
    }
}

fn networks() -> Vec<SeriesDesign> {
    let of = |name: &str| SeriesDesign {
        body: serde_json::from_value(name.into()).unwrap(),
        width: 8,
        layers: 2,
        identity: 4,
        epochs: 2,
        ..SeriesDesign::default()
    };
    Body::NAMES.into_iter().map(of).collect()
}

fn designs() -> Vec<Design> {
    let rules = [
        "trivial",
        "last_value",
        "window_mean",
        "seasonal_naive",
        "history_average",
        "smoothing",
        "growth",
    ];
    let rules = rules
        .into_iter()
        .map(|model| Design::new().with("model", model));
    let regression = |senders: bool| {
        Design::new()
            .with("model", "regression")
            .with("history", 6)
            .with("senders", senders)
    };
    rules
        .chain([regression(false), regression(true)])
        .chain([Design::new().with("model", "boosting").with("history", 6)])
        .chain(networks().iter().map(SeriesDesign::to_design))
        .collect()
}

fn fitted_on(
    design: &Design,
    units: &SeriesUnits,
    train: &[usize],
    validation: &[usize],
) -> Result<FittedMember, MemberError> {
    let targets = units.truth();
    SeriesLearner::new(units).unwrap().fit(&Assignment {
        design,
        units: &units.clone().units(),
        targets: &targets,
        target: &target(),
        metric: Metric::Mae,
        train,
        validation,
        seed: Seed(1),
        clock: &Clock::unlimited(),
    })
}

/// Train and validation units.
fn parts(units: &SeriesUnits) -> (Vec<usize>, Vec<usize>) {
    let parts = part_in_time(units, 0.2).unwrap();
    let rows = |windows: &[usize]| {
        windows
            .iter()
            .flat_map(|w| w * NODES..(w + 1) * NODES)
            .collect()
    };
    (rows(&parts.train), rows(&parts.validation))
}

fn fitted(design: &Design, units: &SeriesUnits) -> FittedMember {
    let (train, validation) = parts(units);
    fitted_on(design, units, &train, &validation).unwrap()
}

fn said(member: &dyn Member, units: &SeriesUnits, asked: &[usize]) -> (Vec<f32>, Vec<f32>) {
    let said = member
        .predict(&units.clone().units(), asked)
        .unwrap()
        .mixture()
        .unwrap();
    match said {
        Distribution::Gaussian { mean, variance, .. } => (mean, variance),
        other => panic!("{other:?}"),
    }
}

#[test]
fn saved_members_say_the_same_to_the_bit_and_so_do_other_questions() {
    let units = units_of(series());
    let learner = SeriesLearner::reader().unwrap();
    for design in designs() {
        let member = fitted(&design, &units).member;
        let all: Vec<usize> = (0..units.which.len()).collect();
        let before = said(&*member, &units, &all);
        let saved = member.save().unwrap();
        let loaded = learner.load(&saved.description, &saved.numbers).unwrap();
        assert_eq!(loaded.is_network(), member.is_network());
        assert!(before == said(&*loaded, &units, &all), "{design:?}");
        assert!(
            before.1.iter().all(|v| *v > 0.0) && before.0.iter().all(|v| v.is_finite()),
            "{design:?}"
        );
        let some = [371, 5, 100, 5];
        let after = said(&*loaded, &units, &some);
        for (place, unit) in some.into_iter().enumerate() {
            for h in 0..3 {
                let (here, there) = (after.0[place * 3 + h], before.0[unit * 3 + h]);
                assert!((here - there).abs() < 1e-4, "{design:?}: {here} {there}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_numbers_on_any_number_of_threads() {
    let units = units_of(series());
    let asked: Vec<usize> = (0..40).collect();
    for design in designs() {
        let of = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .stack_size(16 << 20)
                .build()
                .unwrap();
            pool.install(|| said(&*fitted(&design, &units).member, &units, &asked))
        };
        assert!(of(1) == of(2), "{design:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]

    /// Nothing that comes later changes what was learned or said before: neither weights, scales and profiles, nor a prediction.
    #[test]
    fn the_future_never_changes_the_past(noise in 1.0f32..50.0) {
        let units = units_of(series());
        let (train, validation) = parts(&units);
        // What validation predicts last is known when the model is chosen; all after it is changed.
        let last = units.windows[units.which[*validation.last().unwrap()].0 as usize].end as usize;
        let changed_from = last + 5;
        let mut other = series();
        let later = &mut other.values[changed_from * NODES..];
        later.iter_mut().enumerate().for_each(|(i, v)| *v += noise * ((i % 7) as f32 - 2.5));
        let other = units_of(other);
        let past: Vec<usize> = (0..units.which.len())
            .filter(|&i| (units.windows[units.which[i].0 as usize].end as usize) < changed_from)
            .collect();
        let later: Vec<usize> = (past.len()..units.which.len()).collect();
        for design in designs() {
            let known = fitted_on(&design, &units, &train, &validation).unwrap().member;
            let again = fitted_on(&design, &other, &train, &validation).unwrap().member;
            prop_assert!(said(&*known, &units, &past) == said(&*again, &other, &past), "{design:?}");
            // The change is one that a model that looks at its window sees.
            let model = design.get("model").and_then(|m| m.as_str()).unwrap();
            if !["trivial", "history_average"].contains(&model) {
                prop_assert!(said(&*known, &units, &later) != said(&*again, &other, &later), "{design:?}");
            }
        }
    }
}

/// Series of which the first is what another was a moment before: whom it follows changes every thirty moments, as the flows say. Also the
/// same with other flows from moment 120 on.
fn moving() -> (SeriesUnits, SeriesUnits) {
    let stream = &mut Seed(5).stream("moving", &[]);
    let sender = |t: usize| 1 + (t / 30) % (NODES - 1);
    let mut of = series();
    of.graph = None;
    of.calendar.periods.clear();
    for t in 0..STEPS {
        for node in 1..NODES {
            of.values[t * NODES + node] = stream.random_range(-1.0..1.0f32);
        }
        of.values[t * NODES] = match t {
            0 => 0.0,
            _ => of.values[(t - 1) * NODES + sender(t - 1)],
        };
    }
    let flow = |t: usize| vec![(sender(t) as u32, 0, 5.0f32)];
    let all: Vec<_> = (0..STEPS).map(flow).collect();
    let with = |moments: Vec<Vec<(u32, u32, f32)>>| {
        units_of(Series {
            flows: Some(Flows::new(NODES, moments)),
            ..of.clone()
        })
    };
    let mut changed = all.clone();
    changed[120..]
        .iter_mut()
        .for_each(|edges| *edges = vec![(2, 0, 1.0)]);
    (with(all), with(changed))
}

/// Models that know the flows of a window tell more than they do of their mean, and later flows change nothing that was said before.
#[test]
fn models_follow_edges_that_change_with_time() {
    let (moving, other) = moving();
    let regression = Design::new()
        .with("model", "regression")
        .with("history", 6)
        .with("senders", true);
    let network = SeriesDesign {
        body: Body::MpnnLstm,
        history: 6,
        width: 16,
        identity: 4,
        anchor: Anchor::None,
        dropout: 0.0,
        learning_rate: 1e-2,
        epochs: 60,
        ..SeriesDesign::default()
    };
    for design in [regression, network.to_design()] {
        let member = fitted(&design, &moving).member;
        let again = fitted(&design, &other).member;
        let asked: Vec<usize> = (0..moving.which.len())
            .filter(|&i| {
                let (window, node) = moving.which[i];
                node == 0 && moving.windows[window as usize].end < 120
            })
            .collect();
        let told = said(&*member, &moving, &asked).0;
        assert!(told == said(&*again, &other, &asked).0, "{design:?}");
        let error = |told: &[f32]| {
            let next = asked.iter().zip(told.chunks_exact(3)).map(|(&i, told)| {
                let end = i64::from(moving.windows[moving.which[i].0 as usize].end);
                f64::from(told[0] - moving.series.at(end + 1, 0)).abs()
            });
            next.sum::<f64>() / asked.len() as f64
        };
        let mut still = moving.clone();
        still.series = std::sync::Arc::new(Series {
            flows: None,
            known: None,
            ..(*moving.series).clone()
        });
        let without = said(&*member, &still, &asked).0;
        assert!(
            error(&told) < 0.75 * error(&without),
            "{design:?}: {} {}",
            error(&told),
            error(&without)
        );
    }
}

/// Other edges change what models over edges say, of the series where they lead; nothing else changes, and no change changes nothing.
#[test]
fn models_over_edges_tell_what_other_edges_would_bring() {
    let change = |from, to, factor| EdgeChange { from, to, factor };
    // Series 1 sends to series 0, and so on around the ring.
    let closed = [change(Some(1), Some(0), 0.0)];
    let units = units_of(series());
    let asked: Vec<usize> = (0..2 * NODES).collect();
    let changed_nodes = |member: &dyn Member, units: &SeriesUnits, changes: &[EdgeChange]| {
        let (now, then) = (
            said(member, units, &asked).0,
            said(member, &units.what_if(changes), &asked).0,
        );
        let pairs = now.chunks_exact(3).zip(then.chunks_exact(3));
        let changed = pairs.enumerate().filter(|(_, (now, then))| now != then);
        let mut nodes: Vec<usize> = changed.map(|(unit, _)| unit % NODES).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    };
    for design in designs() {
        let member = fitted(&design, &units).member;
        assert!(changed_nodes(&*member, &units, &[change(None, None, 1.0)]).is_empty());
        let met = changed_nodes(&*member, &units, &closed);
        match design.get("model").and_then(serde_json::Value::as_str) {
            // One step of one walk each way.
            Some("regression") if design.get("senders") == Some(&true.into()) => {
                assert_eq!(met, [0, 1], "{design}");
            }
            Some("dcrnn" | "graph_wavenet" | "stgcn") => assert!(met.contains(&0), "{design}"),
            _ => assert!(met.is_empty(), "{design}"),
        }
        // Nothing is learned from what was not.
        let refused = fitted_on(&design, &units.what_if(&closed), &asked, &[]);
        assert!(refused.is_err(), "{design}");
    }
    // Edges that change with time.
    let (moving, _) = moving();
    let network = SeriesDesign {
        body: Body::MpnnLstm,
        width: 8,
        epochs: 2,
        ..SeriesDesign::default()
    };
    let member = fitted(&network.to_design(), &moving).member;
    let sent_by_one = [change(Some(1), None, 0.0)];
    assert!(changed_nodes(&*member, &moving, &sent_by_one).contains(&0));
    assert!(changed_nodes(&*member, &moving, &[change(Some(3), Some(3), 0.0)]).is_empty());
}

#[test]
fn every_network_learns_eight_units_by_heart() {
    let units = units_of(series());
    let eight: Vec<usize> = (0..8).map(|i| i * 37 + 3).collect();
    let truth = units.truth().select(&eight);
    for design in networks() {
        let design = SeriesDesign {
            epochs: if design.body == Body::Dlinear {
                800
            } else {
                250
            },
            width: 16,
            dropout: 0.0,
            learning_rate: 1e-2,
            weight_decay: 0.0,
            ..design
        };
        let member = fitted_on(&design.to_design(), &units, &eight, &[])
            .unwrap()
            .member;
        let said = member
            .predict(&units.clone().units(), &eight)
            .unwrap()
            .mixture()
            .unwrap();
        let r2 = Metric::R2.score(&said, &truth).unwrap();
        // Inputs that hardly differ let a linear map learn slowly.
        let enough = if design.body == Body::Dlinear {
            0.95
        } else {
            0.99
        };
        assert!(r2 > enough, "{:?}: {r2}", design.body);
    }
}

#[test]
fn what_is_known_ahead_tells_what_is_to_come() {
    // Each series is twice what is pushed then, which nothing before it tells.
    let stream = &mut Seed(8).stream("pushed", &[]);
    let pushed: Vec<f32> = (0..STEPS + 4)
        .map(|_| stream.random_range(-1.0..1.0))
        .collect();
    let mut noise = || stream.random_range(-0.1f32..0.1);
    let plain = Series {
        values: (0..STEPS * NODES)
            .map(|i| 2.0 * pushed[i / NODES] + noise())
            .collect(),
        graph: None,
        ..series()
    };
    let told = Series {
        known: Some(KnownAhead {
            names: vec!["push".into()],
            series: 1,
            values: pushed,
        }),
        ..plain.clone()
    };
    let (plain, told) = (units_of(plain), units_of(told));
    let (train, validation) = parts(&told);
    let truth = told.truth().select(&validation);
    let regression = Design::new()
        .with("model", "regression")
        .with("history", 4)
        .with("senders", false);
    // DLinear and patches look at the window alone.
    let others = networks()
        .into_iter()
        .filter(|design| !matches!(design.body, Body::Dlinear | Body::Patches));
    let learned = others.map(|design| {
        let design = SeriesDesign {
            epochs: 40,
            width: 16,
            learning_rate: 1e-2,
            dropout: 0.0,
            ..design
        };
        design.to_design()
    });
    for design in std::iter::once(regression).chain(learned) {
        let error = |units: &SeriesUnits| {
            let member = fitted_on(&design, units, &train, &validation)
                .unwrap()
                .member;
            let said = member.predict(&units.clone().units(), &validation).unwrap();
            (
                Metric::Rmse
                    .score(&said.mixture().unwrap(), &truth)
                    .unwrap(),
                member,
            )
        };
        let ((with, member), (without, _)) = (error(&told), error(&plain));
        assert!(with < 0.5 * without, "{design:?}: {with} {without}");
        // A model that was told does not answer where it is not.
        assert!(
            member.predict(&plain.clone().units(), &validation).is_err(),
            "{design:?}"
        );
    }
}

#[test]
fn edges_tell_what_the_series_alone_does_not() {
    let units = units_of(series());
    let (train, validation) = parts(&units);
    let truth = units.truth().select(&validation);
    let of = |senders: bool| {
        let design = Design::new()
            .with("model", "regression")
            .with("history", 4)
            .with("senders", senders);
        let member = fitted_on(&design, &units, &train, &validation)
            .unwrap()
            .member;
        let said = member
            .predict(&units.clone().units(), &validation)
            .unwrap()
            .mixture()
            .unwrap();
        Metric::Rmse.score(&said, &truth).unwrap()
    };
    assert!(of(true) < 0.97 * of(false), "{} {}", of(true), of(false));
}

#[test]
fn missing_readings_constant_series_and_late_ones_give_numbers() {
    let mut broken = series();
    for t in 0..STEPS {
        broken.values[t * NODES] = 7.0;
        if t % 3 == 0 || (40..70).contains(&t) {
            broken.values[t * NODES + 1] = f32::NAN;
        }
        // Nothing of it is in the part that is learned from.
        if t < 135 {
            broken.values[t * NODES + 2] = f32::NAN;
        }
    }
    let units = units_of(broken);
    let (train, validation) = parts(&units);
    let targets = units.truth();
    let Targets::Values { values, .. } = &targets else {
        panic!()
    };
    let known = |i: &usize| values[i * 3..i * 3 + 3].iter().all(|v| v.is_finite());
    let of = |rows: Vec<usize>| -> Vec<usize> { rows.into_iter().filter(known).collect() };
    let (train, validation) = (of(train), of(validation));
    let all: Vec<usize> = (0..units.which.len()).collect();
    for design in designs() {
        let member = fitted_on(&design, &units, &train, &validation)
            .unwrap()
            .member;
        let (mean, variance) = said(&*member, &units, &all);
        assert!(mean.iter().all(|v| v.is_finite()), "{design:?}");
        assert!(
            variance.iter().all(|v| v.is_finite() && *v > 0.0),
            "{design:?}"
        );
    }
}

#[test]
fn the_spread_of_counts_grows_with_what_is_forecast() {
    let wave = |t: usize| 400.0 * (-((t as f32 - 80.0) / 30.0).powi(2)).exp();
    let mut counts = series();
    counts.calendar.periods = vec![7];
    for (place, value) in counts.values.iter_mut().enumerate() {
        let level = wave(place / NODES) + 10.0;
        *value = (level + (value.fract() - 0.2) * level.sqrt())
            .round()
            .max(0.0);
    }
    let units = units_of(counts);
    let member = fitted(&Design::new().with("model", "growth"), &units).member;
    let asked = [20 * NODES, 70 * NODES];
    let (mean, variance) = said(&*member, &units, &asked);
    let ratio = |values: &[f32]| values[3] / values[0];
    assert!(ratio(&mean) > 3.0, "{mean:?}");
    assert!(
        (ratio(&variance) / ratio(&mean) - 1.0).abs() < 1e-3,
        "{variance:?}"
    );
}

#[test]
fn disturbed_units_are_the_same_units_with_other_windows() {
    let units = units_of(series());
    let asked = [8usize, 9, 21, 300];
    let mut made = vec![
        moments_shuffled(&units, &asked, Seed(0)),
        windows_exchanged(&units, &asked, Seed(0)),
        others_exchanged(&units, &asked, Seed(0)),
    ];
    made.extend(Disturbance::ALL.map(|d| d.apply(&units, &asked, 5, Seed(0))));
    for made in made {
        assert_eq!(made.which.len(), asked.len());
        for (place, &unit) in asked.iter().enumerate() {
            let ((window, node), (before, same)) = (made.which[place], units.which[unit]);
            assert_eq!(node, same);
            assert_eq!(
                made.windows[window as usize].end,
                units.windows[before as usize].end
            );
        }
        let all: Vec<usize> = (0..asked.len()).collect();
        let design = &designs()[7];
        let (mean, _) = said(&*fitted(design, &units).member, &made, &all);
        assert!(mean.iter().all(|v| v.is_finite()));
        // Nobody learns from what was made up.
        assert!(matches!(
            fitted_on(design, &made, &all, &[]),
            Err(MemberError::Training(_))
        ));
    }
}

#[test]
fn damaged_members_are_refused_without_a_panic() {
    let units = units_of(series());
    let learner = SeriesLearner::reader().unwrap();
    for design in designs() {
        let saved = fitted(&design, &units).member.save().unwrap();
        for cut in [0, 1, saved.numbers.len() / 2, saved.numbers.len() - 1] {
            assert!(
                learner
                    .load(&saved.description, &saved.numbers[..cut])
                    .is_err(),
                "{design:?}"
            );
        }
        let damages: [(&str, serde_json::Value); 7] = [
            ("/preparation/history", 3.into()),
            ("/preparation/history", u64::MAX.into()),
            ("/preparation/horizons", serde_json::json!([4, 2])),
            ("/preparation/scales", serde_json::json!([[0.0, 0.0]])),
            ("/design/width", 1_000_000.into()),
            ("/design/model", "lstm".into()),
            ("/preparation/graph/edges", serde_json::json!([[0, 99]])),
        ];
        for (place, damage) in damages {
            let mut description = saved.description.clone();
            if let Some(found) = description.pointer_mut(place) {
                *found = damage;
                assert!(
                    learner.load(&description, &saved.numbers).is_err(),
                    "{design:?} {place}"
                );
            }
        }
    }
}
