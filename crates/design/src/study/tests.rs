use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use candor_core::{Interrupt, Listener, Seed};
use rand::RngExt;
use serde_json::json;

use super::*;
use crate::{Choice, SamplerKind, leaderboard, pareto_front};

fn space() -> Space {
    Space::new(vec![
        Choice::categorical("kind", ["mlp", "residual"]),
        Choice::log_integers("width", 4, 256),
        Choice::integers("depth", 1, 5).when("kind", ["residual"]),
        Choice::reals("dropout", 0.0, 0.5),
    ])
    .unwrap()
}

fn settings(jobs: usize) -> StudySettings {
    let hand_made = Design::new()
        .with("kind", "mlp")
        .with("width", 4)
        .with("dropout", 0.5);
    StudySettings {
        jobs,
        trials: Some(40),
        rungs: 3,
        first: vec![
            First::hand_made(hand_made),
            First::baseline(Design::new().with("baseline", "majority")),
        ],
        ..StudySettings::new("test", Seed(11))
    }
}

/// A loss that depends on the design and falls with the rung; every ninth design fails.
fn score(assignment: &Assignment) -> Evaluation {
    let number = |name: &str| {
        assignment
            .design
            .get(name)
            .and_then(Value::as_f64)
            .unwrap_or(0.0)
    };
    if assignment.design.hash().is_multiple_of(9) {
        return Evaluation::Failed {
            reason: "diverged".to_owned(),
        };
    }
    let loss = (number("width").max(1.0).ln() - 4.0).abs()
        + number("dropout")
        + 1.0 / (1.0 + number("depth"));
    let loss = loss / (1.0 + assignment.rung as f64);
    Evaluation::Scored {
        loss,
        score: -loss,
        parameters: number("width") as u64,
        detail: json!({"rung": assignment.rung}),
    }
}

/// Evaluates by a function of the assignment.
struct By<F>(F);

impl<F: Fn(&Assignment, &Clock) -> Evaluation + Sync> Objective for By<F> {
    fn evaluate(&self, assignment: &Assignment, clock: &Clock) -> Evaluation {
        (self.0)(assignment, clock)
    }
}

fn study(settings: &StudySettings, store: &mut Store, objective: &dyn Objective) -> StudyOutcome {
    run(
        &space(),
        settings,
        store,
        objective,
        &Clock::unlimited(),
        &Events::none(),
    )
    .unwrap()
}

fn without_times(outcome: StudyOutcome) -> Vec<JobRecord> {
    let untimed = |record| JobRecord {
        seconds: 0.0,
        ..record
    };
    outcome.records.into_iter().map(untimed).collect()
}

fn expected() -> Vec<JobRecord> {
    let outcome = study(
        &settings(1),
        &mut Store::in_memory().unwrap(),
        &By(|a: &_, _: &_| score(a)),
    );
    assert_eq!(outcome.stopped, None);
    // A loss that only shrinks from rung to rung keeps its order.
    for agreement in &outcome.agreements {
        assert!(agreement.risen.is_none_or(|r| r > 0.999), "{agreement:?}");
    }
    assert_eq!(outcome.agreements.len(), 2);
    assert!(outcome.agreements[0].trials > 8);
    without_times(outcome)
}

#[test]
fn the_number_of_threads_and_their_speed_change_nothing() {
    let expected = expected();
    for (jobs, noise) in [(1, 0), (2, 1), (2, 2), (4, 3), (16, 4)] {
        let objective = By(|assignment: &Assignment, _: &Clock| {
            let mut rng = Seed(noise).stream("sleep", &[assignment.job as u64]);
            std::thread::sleep(Duration::from_micros(rng.random_range(0..4000)));
            score(assignment)
        });
        let outcome = study(
            &settings(jobs),
            &mut Store::in_memory().unwrap(),
            &objective,
        );
        assert_eq!(without_times(outcome), expected, "{jobs} jobs");
    }
}

#[test]
fn a_study_is_what_its_settings_say() {
    let records = expected();
    let trials: BTreeSet<usize> = records.iter().map(|r| r.trial).collect();
    assert_eq!(trials.len(), 40);
    let designs: BTreeSet<String> = records.iter().map(|r| r.design.canonical()).collect();
    assert_eq!(designs.len(), 40, "no design is tried twice");
    // A trial climbs rung by rung.
    for record in records.iter().filter(|r| r.rung > 0) {
        assert!(records.iter().any(|r| {
            (r.trial, r.rung) == (record.trial, record.rung - 1)
                && r.job + LAG <= record.job
                && r.loss().is_some()
        }));
    }
    let at = |rung: usize| records.iter().filter(|r| r.rung == rung).count();
    // At least one in three rises, and the marked ones; asynchronous promotion may err upwards.
    assert!(at(1) >= 13 && at(1) <= 24, "{} rose", at(1));
    assert!(at(2) >= at(1) / 3 && at(2) < at(1), "{} rose twice", at(2));
    for (trial, origin) in [(0, "hand-made"), (1, "baseline"), (39, "auto")] {
        assert!(
            records
                .iter()
                .any(|r| r.trial == trial && r.origin == origin)
        );
    }
    assert!(
        records.iter().any(|r| r.trial == 0 && r.rung == 2),
        "hand-made designs reach the top"
    );
    assert_eq!(leaderboard(&records).len(), 40);
    assert!(!pareto_front(&records, 2).is_empty());
}

#[test]
fn interrupted_at_any_moment_and_resumed_the_study_is_the_same() {
    let expected = expected();
    for seed in 0..6u64 {
        let mut moments = Seed(seed).stream("moments", &[]);
        let mut store = Store::in_memory().unwrap();
        let evaluated = AtomicUsize::new(0);
        let mut parts = 0;
        let outcome = loop {
            parts += 1;
            let clock = Clock::start(None, Duration::ZERO, Interrupt::default());
            let left = AtomicUsize::new(moments.random_range(1..12));
            let objective = By(|assignment: &Assignment, clock: &Clock| {
                std::thread::sleep(Duration::from_micros(300 * (assignment.job as u64 % 4)));
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    clock.interrupt().raise();
                }
                // Some notice the interruption in time, some finish first.
                if assignment.job.is_multiple_of(2) && clock.stop().is_some() {
                    return Evaluation::Stopped;
                }
                evaluated.fetch_add(1, Ordering::SeqCst);
                score(assignment)
            });
            let jobs = 1 + parts % 3;
            let outcome = run(
                &space(),
                &settings(jobs),
                &mut store,
                &objective,
                &clock,
                &Events::none(),
            )
            .unwrap();
            if outcome.stopped.is_none() {
                break outcome;
            }
            assert_eq!(outcome.stopped, Some(Stop::Interrupted));
            assert_eq!(outcome.records, store.jobs("test").unwrap());
        };
        assert!(parts > 3, "seed {seed} was interrupted only {parts} times");
        assert_eq!(without_times(outcome), expected, "seed {seed}");
        assert_eq!(
            evaluated.into_inner(),
            expected.len(),
            "finished jobs are not evaluated again"
        );
    }
}

#[test]
fn a_complete_study_is_complete_even_when_the_time_is_up() {
    let mut store = Store::in_memory().unwrap();
    study(&settings(2), &mut store, &By(|a: &_, _: &_| score(a)));
    let spent = Clock::start(Some(Duration::ZERO), Duration::ZERO, Interrupt::default());
    let never = By(|_: &_, _: &_| -> Evaluation { panic!("evaluated again") });
    let outcome = run(
        &space(),
        &settings(1),
        &mut store,
        &never,
        &spent,
        &Events::none(),
    )
    .unwrap();
    assert_eq!(outcome.stopped, None);
    assert_eq!(without_times(outcome), expected());
}

#[test]
fn the_clock_ends_a_study_without_a_budget() {
    let unlimited = StudySettings {
        trials: None,
        ..settings(2)
    };
    let mut store = Store::in_memory().unwrap();
    let clock = Clock::start(
        Some(Duration::from_millis(300)),
        Duration::ZERO,
        Interrupt::default(),
    );
    let objective = By(|a: &_, _: &_| {
        std::thread::sleep(Duration::from_millis(1));
        score(a)
    });
    let outcome = run(
        &space(),
        &unlimited,
        &mut store,
        &objective,
        &clock,
        &Events::none(),
    )
    .unwrap();
    assert_eq!(outcome.stopped, Some(Stop::OutOfTime));
    assert!(!outcome.records.is_empty());
}

#[test]
fn panics_and_losses_that_are_no_numbers_are_failures() {
    let objective = By(|assignment: &Assignment, _: &Clock| match assignment.job {
        0 => panic!("shape [3, 4] does not fit {}", 5),
        1 => Evaluation::Scored {
            loss: f64::NAN,
            score: 0.5,
            parameters: 1,
            detail: Value::Null,
        },
        2 => Evaluation::Scored {
            loss: 0.5,
            score: f64::INFINITY,
            parameters: 1,
            detail: Value::Null,
        },
        _ => score(assignment),
    });
    let mut store = Store::in_memory().unwrap();
    let outcome = study(&settings(2), &mut store, &objective);
    let reasons: Vec<_> = outcome.records[..3]
        .iter()
        .map(|r| r.failure().unwrap())
        .collect();
    assert_eq!(
        reasons,
        [
            "panic: shape [3, 4] does not fit 5",
            "loss NaN, score 0.5: not finite",
            "loss 0.5, score inf: not finite"
        ]
    );
    assert_eq!(store.jobs("test").unwrap(), outcome.records);
}

#[test]
fn parallel_loops_of_an_evaluation_stay_on_its_thread() {
    let objective = By(|assignment: &Assignment, _: &Clock| {
        let (a, b) = rayon::join(
            || std::thread::current().id(),
            || std::thread::current().id(),
        );
        assert_eq!((rayon::current_num_threads(), a == b), (1, true));
        score(assignment)
    });
    let outcome = study(&settings(4), &mut Store::in_memory().unwrap(), &objective);
    let panics = outcome
        .records
        .iter()
        .filter_map(|r| r.failure())
        .filter(|f| f.starts_with("panic"));
    assert_eq!(panics.count(), 0);
}

#[test]
fn a_finite_space_is_tried_in_full_and_then_the_study_ends() {
    let small = Space::new(vec![
        Choice::categorical("kind", ["mlp", "residual"]),
        Choice::integers("depth", 1, 6).when("kind", ["residual"]),
    ])
    .unwrap();
    for sampler in SamplerKind::ALL {
        let settings = StudySettings {
            sampler,
            rungs: 2,
            ..StudySettings::new("small", Seed(0))
        };
        let mut store = Store::in_memory().unwrap();
        let objective = By(|a: &_, _: &_| score(a));
        let outcome = run(
            &small,
            &settings,
            &mut store,
            &objective,
            &Clock::unlimited(),
            &Events::none(),
        )
        .unwrap();
        assert_eq!(outcome.stopped, None);
        let trials = outcome.records.iter().filter(|r| r.rung == 0).count();
        assert_eq!(trials, 7, "{sampler}");
        assert!(outcome.records.iter().any(|r| r.rung == 1));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_trained() {
    let hand_made = |design: Design| vec![First::hand_made(design)];
    let mlp = Design::new()
        .with("kind", "mlp")
        .with("width", 8)
        .with("dropout", 0.1);
    let cases = [
        (
            StudySettings {
                jobs: 0,
                ..settings(1)
            },
            "setting `jobs` is 0, but must be at least 1",
        ),
        (
            StudySettings {
                trials: Some(0),
                ..settings(1)
            },
            "setting `trials` is 0",
        ),
        (
            StudySettings {
                rungs: 0,
                ..settings(1)
            },
            "setting `rungs` is 0",
        ),
        (
            StudySettings {
                eta: 1,
                ..settings(1)
            },
            "setting `eta` is 1, but must be at least 2",
        ),
        (
            StudySettings {
                name: String::new(),
                ..settings(1)
            },
            "setting `name` is empty",
        ),
        (
            StudySettings {
                first: hand_made(mlp.clone().with("depth", 1)),
                ..settings(1)
            },
            "`depth` is not active",
        ),
        (
            StudySettings {
                first: [hand_made(mlp.clone()), hand_made(mlp)].concat(),
                ..settings(1)
            },
            "holds `kind=mlp width=8 dropout=0.1` twice",
        ),
    ];
    let never = By(|_: &_, _: &_| -> Evaluation { panic!("evaluated") });
    let mut store = Store::in_memory().unwrap();
    let mut fails = |space: &Space, settings: &StudySettings| {
        run(
            space,
            settings,
            &mut store,
            &never,
            &Clock::unlimited(),
            &Events::none(),
        )
        .unwrap_err()
    };
    for (settings, expected) in cases {
        let error = fails(&space(), &settings).to_string();
        assert!(error.contains(expected), "`{error}` lacks `{expected}`");
    }
    let empty = space().with_rule("never", |_| false);
    let error = fails(
        &empty,
        &StudySettings {
            first: Vec::new(),
            ..settings(1)
        },
    );
    assert!(matches!(error, DesignError::Infeasible { .. }));
    assert_eq!(store.studies().unwrap(), Vec::<String>::new());
}

#[test]
fn a_stored_study_goes_on_only_as_it_was_begun() {
    let mut store = Store::in_memory().unwrap();
    let objective = By(|a: &_, _: &_| score(a));
    study(&settings(1), &mut store, &objective);
    let mut again = |space: &Space, settings: StudySettings| {
        run(
            space,
            &settings,
            &mut store,
            &objective,
            &Clock::unlimited(),
            &Events::none(),
        )
    };
    assert!(again(&space(), settings(4)).is_ok(), "threads may change");
    let other_seed = again(
        &space(),
        StudySettings {
            seed: Seed(12),
            ..settings(1)
        },
    )
    .unwrap_err();
    assert!(other_seed.to_string().contains("`seed` was 11, is 12"));
    let other_space = again(&space().with_rule("all", |_| true), settings(1)).unwrap_err();
    assert!(
        other_space
            .to_string()
            .contains("`rule` was null, is \"all\"")
    );
}

#[test]
fn a_stored_job_that_is_not_the_one_decided_on_is_noticed() {
    let mut store = Store::in_memory().unwrap();
    store
        .begin("test", &settings(1).identity(&space()).unwrap())
        .unwrap();
    store
        .record("test", &crate::record::tests::record(7, 0, 0.5, 1))
        .unwrap();
    let mut settings = settings(1);
    settings.trials = Some(40);
    let objective = By(|a: &_, _: &_| score(a));
    let error = run(
        &space(),
        &settings,
        &mut store,
        &objective,
        &Clock::unlimited(),
        &Events::none(),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("job 7 of study `test` is stored as `trial 7, rung 0: trial=7` but")
    );
    // what was evaluated before it was noticed is kept
    assert!(store.jobs("test").unwrap().len() >= 4);
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Listener for Recorder {
    fn hear(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[test]
fn every_job_evaluated_here_is_told() {
    let recorder = Arc::new(Recorder::default());
    let events = Events::none().with(recorder.clone());
    let mut store = Store::in_memory().unwrap();
    let objective = By(|a: &_, _: &_| score(a));
    let go = |store: &mut Store| {
        run(
            &space(),
            &settings(2),
            store,
            &objective,
            &Clock::unlimited(),
            &events,
        )
        .unwrap()
    };
    let outcome = go(&mut store);
    let told = recorder.0.lock().unwrap().clone();
    let finished = told
        .iter()
        .filter(|e| matches!(e, Event::TrialFinished { .. }))
        .count();
    assert_eq!(finished, outcome.records.len());
    assert_eq!(
        told.last(),
        Some(&Event::Progress {
            done: 40,
            total: Some(40),
            time_used: None
        })
    );
    go(&mut store);
    assert_eq!(
        recorder.0.lock().unwrap().len(),
        told.len(),
        "a replay tells nothing"
    );
}

#[test]
fn designs_of_one_network_are_trained_once() {
    let sides = ["a", "b"];
    let space = Space::new(vec![
        Choice::categorical("left", sides),
        Choice::categorical("right", sides),
    ])
    .unwrap()
    .with_standard(|design| {
        let mut sides = ["left", "right"].map(|name| design.get(name).cloned().unwrap_or_default());
        sides.sort_by_key(Value::to_string);
        let [left, right] = sides;
        Design::new().with("left", left).with("right", right)
    });
    let objective = By(|_: &Assignment, _: &Clock| Evaluation::Scored {
        loss: 1.0,
        score: 1.0,
        parameters: 1,
        detail: Value::Null,
    });
    let outcome = run(
        &space,
        &StudySettings::new("once", Seed(3)),
        &mut Store::in_memory().unwrap(),
        &objective,
        &Clock::unlimited(),
        &Events::none(),
    )
    .unwrap();
    let networks: BTreeSet<String> = outcome
        .records
        .iter()
        .map(|record| space.identity(&record.design))
        .collect();
    assert_eq!((outcome.records.len(), networks.len()), (3, 3));
}
