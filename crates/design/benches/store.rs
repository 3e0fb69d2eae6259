//! Cost of the search itself, beside which training should be all that takes time.
//!
//! Run with `cargo bench -p candor-design`.

#![expect(clippy::expect_used, reason = "a benchmark may end where it is broken")]

use candor_core::Seed;
use candor_design::{
    Choice, Design, Halving, Job, JobRecord, JobResult, JobState, Observation, SamplerKind, Space,
    Store,
};
use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::json;

fn main() {
    divan::main();
}

/// Ten choices, as many as the design space of a modality has.
fn space() -> Space {
    let mut choices = vec![Choice::categorical(
        "kind",
        ["mlp", "residual", "attention"],
    )];
    choices.extend((0..5).map(|i| Choice::log_integers(format!("width_{i}"), 8, 512)));
    choices.push(Choice::integers("depth", 1, 6).when("kind", ["residual", "attention"]));
    choices.extend((0..3).map(|i| Choice::reals(format!("rate_{i}"), 0.0, 0.5)));
    Space::new(choices).expect("the choices are sound")
}

fn designs(count: usize) -> Vec<Design> {
    let (space, mut rng) = (space(), Seed(0).stream("bench", &[]));
    let draw = |_| space.sample(&mut rng).expect("the space has no rule");
    (0..count).map(draw).collect()
}

fn record(job: usize, design: Design) -> JobRecord {
    JobRecord {
        job,
        trial: job,
        rung: 0,
        design,
        origin: "random".to_owned(),
        result: JobResult::Scored {
            loss: 0.1,
            score: 0.9,
            parameters: 10_000,
            detail: json!({"epochs": 12, "curve": [0.5, 0.3, 0.2, 0.1]}),
        },
        seconds: 1.5,
    }
}

/// Finished trials made durable, each by its own commit.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn record_100_trials_durably(bencher: Bencher) {
    let designs = designs(100);
    bencher
        .counter(ItemsCount::new(100usize))
        .with_inputs(|| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut store = Store::open(&folder.path().join("study.db")).expect("a new store");
            store.begin("bench", &json!({})).expect("a new study");
            (folder, store)
        })
        .bench_refs(|(_, store)| {
            for (job, design) in designs.iter().enumerate() {
                store
                    .record("bench", &record(job, design.clone()))
                    .expect("a new job");
            }
        });
}

/// One suggestion after 1,000 trials.
#[divan::bench(args = SamplerKind::ALL)]
fn suggest_at_1000_trials(bencher: Bencher, kind: SamplerKind) {
    let history: Vec<Observation> = designs(1000)
        .into_iter()
        .enumerate()
        .map(|(trial, design)| Observation {
            trial,
            design,
            rung: 0,
            loss: Some((trial % 37) as f64),
            parameters: 1000,
        })
        .collect();
    let (space, mut sampler) = (space(), kind.build(Seed(1)));
    let mut rng = Seed(1).stream("bench", &[]);
    bencher.bench_local(|| sampler.suggest(&space, &history, &mut rng));
}

/// One decision of successive halving after 1,000 trials in three rungs.
#[divan::bench]
fn promote_at_1000_trials(bencher: Bencher) {
    let halving = Halving { eta: 3, rungs: 3 };
    let jobs: Vec<Job> = (0..1444)
        .map(|job| {
            let (trial, rung) = match job {
                0..1000 => (job, 0),
                1000..1333 => (job - 1000, 1),
                _ => (job - 1333, 2),
            };
            Job {
                trial,
                rung,
                state: JobState::Scored(trial as f64),
                always_promote: false,
            }
        })
        .collect();
    bencher.bench(|| halving.promote(divan::black_box(&jobs), false));
}
