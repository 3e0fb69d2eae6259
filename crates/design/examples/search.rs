//! The cost of a search itself, for `benches/peers/search.py`.
//!
//!     cargo run --release -p candor-design --example search
//!
//! Prints one JSON object: milliseconds of a durable trial (a trivial objective, one commit each, on disk), of the same in memory, and of
//! one suggestion of each sampler after 1,000 trials.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "an example may end where it is broken"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use candor_core::{Clock, Events, Seed};
use candor_design::{
    Assignment, Choice, Evaluation, Objective, Observation, SamplerKind, Space, Store,
    StudySettings, run,
};
use serde_json::{Value, json};

/// Trials of a study, and suggestions of a sampler, that are timed.
const TRIALS: usize = 200;
const SUGGESTIONS: usize = 20;
/// Trials that a sampler has seen before it is timed.
const SEEN: usize = 1000;

struct Trivial;

impl Objective for Trivial {
    fn evaluate(&self, assignment: &Assignment, _clock: &Clock) -> Evaluation {
        let x = assignment
            .design
            .get("rate_0")
            .and_then(Value::as_f64)
            .unwrap_or(0.0);
        Evaluation::Scored {
            loss: x,
            score: -x,
            parameters: 1,
            detail: Value::Null,
        }
    }
}

/// Ten choices, the same as in `search.py`.
fn space() -> Space {
    let mut choices = vec![Choice::categorical(
        "kind",
        ["mlp", "residual", "attention"],
    )];
    choices.extend((0..5).map(|i| Choice::log_integers(format!("width_{i}"), 8, 512)));
    choices.push(Choice::integers("depth", 1, 6));
    choices.extend((0..3).map(|i| Choice::reals(format!("rate_{i}"), 0.0, 0.5)));
    Space::new(choices).expect("the choices are sound")
}

fn milliseconds_a_trial(store: &mut Store, sampler: SamplerKind) -> f64 {
    let settings = StudySettings {
        trials: Some(TRIALS),
        sampler,
        ..StudySettings::new("example", Seed(1))
    };
    let begun = Instant::now();
    let outcome = run(
        &space(),
        &settings,
        store,
        &Trivial,
        &Clock::unlimited(),
        &Events::none(),
    );
    assert_eq!(outcome.expect("a study").records.len(), TRIALS);
    1000.0 * begun.elapsed().as_secs_f64() / TRIALS as f64
}

fn on_disk(path: &Path, sampler: SamplerKind) -> f64 {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    milliseconds_a_trial(&mut Store::open(path).expect("a new store"), sampler)
}

fn milliseconds_a_suggestion(sampler: SamplerKind) -> f64 {
    let (space, mut rng) = (space(), Seed(1).stream("example", &[]));
    let mut history: Vec<Observation> = (0..SEEN)
        .map(|trial| {
            let design = space.sample(&mut rng).expect("the space has no rule");
            observe(trial, design)
        })
        .collect();
    let mut sampler = sampler.build(Seed(1));
    let mut times: Vec<f64> = (0..=SUGGESTIONS)
        .map(|_| {
            let begun = Instant::now();
            let design = sampler
                .suggest(&space, &history, &mut rng)
                .expect("a design");
            let time = 1000.0 * begun.elapsed().as_secs_f64();
            history.push(observe(history.len(), design));
            time
        })
        .skip(1) // The first one reads 1,000 trials at once.
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn observe(trial: usize, design: candor_design::Design) -> Observation {
    let number = |name: &str| design.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let loss = number("rate_0") + (number("width_0").ln() - 4.0).abs();
    Observation {
        trial,
        design,
        rung: 0,
        loss: Some(loss),
        parameters: 1000 + trial as u64,
    }
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let path = Path::new(&folder).join("search-example.db");
    let suggestions: BTreeMap<&str, f64> = SamplerKind::ALL
        .into_iter()
        .map(|kind| (kind.name(), milliseconds_a_suggestion(kind)))
        .collect();
    let report = json!({
        "durable_trial_random": on_disk(&path, SamplerKind::Random),
        "durable_trial_auto": on_disk(&path, SamplerKind::Auto),
        "trial_in_memory_random": milliseconds_a_trial(&mut Store::in_memory().expect("a store"), SamplerKind::Random),
        "suggestion_at_1000": suggestions,
    });
    println!("{report}");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}
