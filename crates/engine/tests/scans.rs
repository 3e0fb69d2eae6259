//! A scene that is told tile by tile, stopped, and gone on with.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use candor::core::{Event, Events, Interrupt, Listener, Seed};
use candor::{EngineError, FitSettings, ScanSettings, Scanned, fit, scan};
use candor_point_cloud::LasWriter;
use rand::RngExt;

/// Ground with houses on it: about one point in four is on a roof.
fn scene(path: &Path, seed: u64, count: u32) {
    let mut rng = Seed(seed).stream("scene", &[]);
    let bounds = [[0.0, 0.0, -1.0], [80.0, 80.0, 12.0]];
    let compressed = path.extension().is_some_and(|e| e == "laz");
    let file = File::create(path).unwrap();
    let mut writer = LasWriter::new(file, compressed, count, bounds).unwrap();
    for _ in 0..count {
        let (x, y) = (
            rng.random_range(0.0..80.0f64),
            rng.random_range(0.0..80.0f64),
        );
        let roof = x % 20.0 < 10.0 && y % 20.0 < 10.0;
        let noise = rng.random_range(-0.1..0.1);
        let z = if roof { 6.0 } else { 0.3 * (0.1 * x).sin() } + noise;
        let class = if roof { 6 } else { 2 };
        writer
            .point([x, y, z], rng.random_range(0..99), [0; 3], class)
            .unwrap();
    }
    writer.finish().unwrap();
}

/// Raises an interrupt behind the second tile.
struct Impatient(Interrupt);

impl Listener for Impatient {
    fn hear(&self, event: &Event) {
        if matches!(event, Event::Progress { done: 2, .. }) {
            self.0.raise();
        }
    }
}

#[test]
fn a_scan_goes_on_where_it_was_stopped_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    scene(&at.join("learned.laz"), 1, 6_000);
    scene(&at.join("asked.laz"), 2, 12_000);
    let settings = FitSettings {
        source: at.join("learned.laz").display().to_string(),
        trials: Some(3),
        steps: Some(30),
        jobs: 1,
        ..FitSettings::default()
    };
    let run = at.join("run");
    fit(&settings, &run, &Interrupt::default(), &Events::none()).unwrap();
    // Room for a thousand points or so at a time.
    let small = ScanSettings { memory: 1 };
    let asked = at.join("asked.laz");
    let go = |out: &str, interrupt: &Interrupt, events: &Events| -> Result<Scanned, EngineError> {
        scan(&run, &asked, &at.join(out), &small, interrupt, events)
    };
    let whole = go("whole.laz", &Interrupt::default(), &Events::none()).unwrap();
    assert_eq!((whole.points, whole.found), (12_000, 0));
    assert!(whole.tiles > 3, "{whole:?}");
    let roofs = whole
        .classes
        .iter()
        .find(|(name, _)| name == "building")
        .unwrap()
        .1;
    assert!((2_500..3_500).contains(&roofs), "{whole:?}");

    let interrupt = Interrupt::default();
    let impatient = Events::none().with(Arc::new(Impatient(interrupt.clone())));
    let stopped = go("again.laz", &interrupt, &impatient).unwrap_err();
    assert!(stopped.is_interrupt(), "{stopped}");
    assert!(!at.join("again.laz").exists());
    let again = go("again.laz", &Interrupt::default(), &Events::none()).unwrap();
    assert_eq!((again.found, again.tiles), (2, whole.tiles));
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    assert!(read("again.laz") == read("whole.laz"));
    assert!(!at.join("again.laz.tiles").exists());
    // With room for all, each point is told alike.
    let large = ScanSettings::default();
    let all = scan(
        &run,
        &asked,
        &at.join("all.csv"),
        &large,
        &Interrupt::default(),
        &Events::none(),
    );
    let all = all.unwrap();
    assert_eq!(all.tiles, 1);
    // Give or take a point of which the model hardly knows, by rounding.
    for ((name, count), (_, before)) in all.classes.iter().zip(&whole.classes) {
        assert!(count.abs_diff(*before) <= 12, "{name}: {count}, {before}");
    }
    let csv = String::from_utf8(read("all.csv")).unwrap();
    assert_eq!(csv.lines().count(), 12_001);
    // A file of another kind is refused, and nothing is lost.
    let other = scan(
        &run,
        &asked,
        &at.join("other.las"),
        &small,
        &Interrupt::default(),
        &Events::none(),
    );
    assert!(other.unwrap_err().to_string().contains("`.laz`"));
}
