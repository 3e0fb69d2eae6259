//! The limits of neural networks as short studies: each makes a claim, measures on data, and says whether the figures bear the claim
//! out. They use what `candor fit` uses, and nothing else.

mod approximate;
mod beyond;
mod colorize;
mod garbage;
mod networks;
mod page;
mod randomize;
mod raster;
mod two_kinds;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candor_core::wording::figure;
use candor_core::{Clock, Event, Events, Interrupt, Seed};
use candor_deploy::write_file;
use serde::Serialize;

use crate::EngineError;

/// A study of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Experiment {
    /// One hidden layer fits anything, and promises nothing beyond what it was shown.
    Approximate,
    /// Networks learn random labels by heart.
    Randomize,
    /// A curve outside of the range that was learned from.
    Beyond,
    /// Doubt of the data against doubt of the model.
    TwoKinds,
    /// Bad data against bad models.
    Garbage,
    /// Colours of grey pictures, and the training pictures that they come from. Needs pictures.
    Colorize,
}

impl Experiment {
    /// All, in the order in which they are told.
    pub const ALL: [Experiment; 6] = [
        Experiment::Approximate,
        Experiment::Randomize,
        Experiment::Beyond,
        Experiment::TwoKinds,
        Experiment::Garbage,
        Experiment::Colorize,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            Experiment::Approximate => "approximate",
            Experiment::Randomize => "randomize",
            Experiment::Beyond => "beyond",
            Experiment::TwoKinds => "two-kinds",
            Experiment::Garbage => "garbage",
            Experiment::Colorize => "colorize",
        }
    }

    /// What it asks.
    pub fn question(self) -> &'static str {
        match self {
            Experiment::Approximate => "Can one hidden layer fit anything, and what is that worth?",
            Experiment::Randomize => {
                "Does a network that knows its training data by heart know anything?"
            }
            Experiment::Beyond => {
                "What does a network say outside of the range that it learned from?"
            }
            Experiment::TwoKinds => {
                "Is a picture of two things at once the same as a picture of neither?"
            }
            Experiment::Garbage => "Does a better model make up for worse data?",
            Experiment::Colorize => "Where does a network have its colours from?",
        }
    }

    fn run(self, bench: &Bench) -> Result<Study, EngineError> {
        match self {
            Experiment::Approximate => approximate::run(bench),
            Experiment::Randomize => randomize::run(bench),
            Experiment::Beyond => beyond::run(bench),
            Experiment::TwoKinds => two_kinds::run(bench),
            Experiment::Garbage => garbage::run(bench),
            Experiment::Colorize => colorize::run(bench),
        }
    }
}

/// What a study depends on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabSettings {
    /// All randomness.
    pub seed: Seed,
    /// How often everything random is drawn anew.
    pub repeats: usize,
    /// Pictures in colour for [`Experiment::Colorize`]: a folder or an archive with a folder a class.
    pub pictures: Option<PathBuf>,
    /// Networks trained side by side. The figures do not depend on it.
    #[serde(skip)]
    pub jobs: usize,
}

impl Default for LabSettings {
    fn default() -> LabSettings {
        LabSettings {
            seed: Seed(0),
            repeats: 3,
            pictures: None,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// What a study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// Which one.
    pub experiment: Experiment,
    /// What it claims, with the bounds that are tested.
    pub claim: &'static str,
    /// How it was done.
    pub method: String,
    /// What was measured against a bound.
    pub tests: Vec<Test>,
    /// What else was measured.
    pub tables: Vec<Figures>,
    /// Drawings.
    pub pictures: Vec<Drawing>,
    /// What that means for somebody who uses such networks.
    pub lesson: &'static str,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Study {
    /// Whether all that was tested is as claimed.
    pub fn bears_out(&self) -> bool {
        self.tests.iter().all(Test::holds)
    }
}

/// One figure and its bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// What was measured.
    pub what: &'static str,
    /// The figure.
    pub value: f64,
    /// Where it must lie; infinite where there is no bound.
    pub from: Option<f64>,
    /// As `from`.
    pub to: Option<f64>,
}

impl Test {
    fn at_least(what: &'static str, value: f64, from: f64) -> Test {
        Test {
            what,
            value,
            from: Some(from),
            to: None,
        }
    }

    fn at_most(what: &'static str, value: f64, to: f64) -> Test {
        Test {
            what,
            value,
            from: None,
            to: Some(to),
        }
    }

    fn between(what: &'static str, value: f64, from: f64, to: f64) -> Test {
        Test {
            what,
            value,
            from: Some(from),
            to: Some(to),
        }
    }

    /// Its bounds in words.
    pub fn bounds(&self) -> String {
        match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{} to {}", figure(from), figure(to)),
            (Some(from), None) => format!("at least {}", figure(from)),
            (None, Some(to)) => format!("at most {}", figure(to)),
            (None, None) => "anything".into(),
        }
    }

    /// Whether the figure is within its bounds.
    pub fn holds(&self) -> bool {
        self.from.is_none_or(|from| self.value >= from) && self.to.is_none_or(|to| self.value <= to)
    }
}

/// A table of figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// What they are.
    pub title: &'static str,
    /// Names of the columns; the first names the rows.
    pub head: Vec<&'static str>,
    /// Name and figures of each row.
    pub rows: Vec<(String, Vec<f64>)>,
}

/// A drawing as SVG.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drawing {
    /// What it shows.
    pub title: &'static str,
    /// The drawing.
    pub svg: String,
    /// Class and meaning of each colour.
    pub keys: Vec<(&'static str, &'static str)>,
    /// How to read it.
    pub caption: &'static str,
}

fn drawing(
    title: &'static str,
    svg: String,
    keys: &[(&'static str, &'static str)],
    caption: &'static str,
) -> Drawing {
    Drawing {
        title,
        svg,
        keys: keys.to_vec(),
        caption,
    }
}

/// What every study is given.
struct Bench<'a> {
    settings: &'a LabSettings,
    clock: Clock,
    pool: rayon::ThreadPool,
    events: &'a Events,
}

/// Runs the studies, writes one JSON file for each as soon as it is done and `lab.html` for all into `out`, and returns what was found.
///
/// # Errors
/// When it is interrupted, settings make no sense, or a file cannot be written.
pub fn lab(
    experiments: &[Experiment],
    settings: &LabSettings,
    out: &Path,
    interrupt: &Interrupt,
    events: &Events,
) -> Result<Vec<Study>, EngineError> {
    if settings.repeats == 0 || settings.jobs == 0 {
        let problem = "must be at least 1".to_owned();
        let setting = if settings.jobs == 0 {
            "jobs"
        } else {
            "repeats"
        };
        return Err(EngineError::Setting { setting, problem });
    }
    std::fs::create_dir_all(out).map_err(EngineError::file("create", out))?;
    let bench = Bench {
        settings,
        clock: Clock::start(None, Duration::ZERO, interrupt.clone()),
        pool: rayon::ThreadPoolBuilder::new()
            .num_threads(settings.jobs)
            .build()
            .map_err(|e| EngineError::NothingTrained(e.to_string()))?,
        events,
    };
    let mut studies = Vec::new();
    for &experiment in experiments {
        studies.push(bench.study(experiment, out)?);
    }
    let page = page::to_html(&studies, settings)?;
    write_file(&out.join("lab.html"), page.as_bytes())?;
    Ok(studies)
}

/// A study with what it depends on, as it is written.
#[derive(Serialize)]
struct Kept<'a> {
    version: &'static str,
    settings: &'a LabSettings,
    bears_out: bool,
    study: &'a Study,
}

impl Bench<'_> {
    fn study(&self, experiment: Experiment, out: &Path) -> Result<Study, EngineError> {
        self.say(format!("{}: {}", experiment.name(), experiment.question()));
        let started = Instant::now();
        let mut study = experiment.run(self)?;
        study.seconds = started.elapsed().as_secs_f64();
        let path = out.join(format!("{}.json", experiment.name()));
        let text = serde_json::to_vec_pretty(&Kept {
            version: env!("CARGO_PKG_VERSION"),
            settings: self.settings,
            bears_out: study.bears_out(),
            study: &study,
        })
        .map_err(|e| EngineError::file("write", &path)(std::io::Error::other(e)))?;
        write_file(&path, &text)?;
        Ok(study)
    }

    fn say(&self, message: String) {
        self.events.emit(Event::Understood { message });
    }

    /// The seed of one repeat of a study.
    fn seed(&self, purpose: &str, repeat: usize) -> Seed {
        self.settings.seed.derive(purpose, &[repeat as u64])
    }

    /// So many pieces of a study are done.
    fn progress(&self, done: usize, total: usize) {
        self.events.emit(Event::Progress {
            done,
            total: Some(total),
            time_used: None,
        });
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
