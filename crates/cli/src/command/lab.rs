use candor::core::Seed;
use candor::{Experiment, LabSettings, Study, Test};
use serde::Serialize;

use crate::Ending;
use crate::args::{LabArgs, StudyName};
use crate::command::fit;
use crate::failure::Failure;
use crate::{output, progress};

#[derive(Serialize)]
struct Found<'a> {
    page: String,
    bears_out: bool,
    #[serde(flatten)]
    study: &'a Study,
}

/// Runs the studies that were named, or all.
pub(crate) fn run(args: &LabArgs, json: bool, quiet: bool) -> Result<Ending, Failure> {
    let mut experiments: Vec<Experiment> = Vec::new();
    for experiment in args.studies.iter().map(experiment) {
        if !experiments.contains(&experiment) {
            experiments.push(experiment);
        }
    }
    if experiments.is_empty() {
        experiments = Experiment::ALL.to_vec();
        // What cannot be done is not asked for.
        experiments.retain(|e| *e != Experiment::Colorize || args.pictures.is_some());
    }
    let default = LabSettings::default();
    let settings = LabSettings {
        seed: Seed(args.seed),
        repeats: args.repeats,
        pictures: args.pictures.clone(),
        jobs: args.jobs.unwrap_or(default.jobs),
    };
    let interrupt = fit::on_ctrl_c()?;
    let events = progress::events(quiet, None);
    let studies = candor::lab(&experiments, &settings, &args.out, &interrupt, &events)?;
    let page = args.out.join("lab.html").display().to_string();
    if json {
        let found = |study| Found {
            page: page.clone(),
            bears_out: Study::bears_out(study),
            study,
        };
        output::json(&studies.iter().map(found).collect::<Vec<_>>())?;
    } else {
        let texts: Vec<String> = studies.iter().map(text).collect();
        output::result(&format!("{}\n\npage: {page}", texts.join("\n\n")));
    }
    if studies.iter().all(Study::bears_out) {
        Ok(Ending::Done)
    } else {
        Ok(Ending::No)
    }
}

fn experiment(name: &StudyName) -> Experiment {
    match name {
        StudyName::Approximate => Experiment::Approximate,
        StudyName::Randomize => Experiment::Randomize,
        StudyName::Beyond => Experiment::Beyond,
        StudyName::TwoKinds => Experiment::TwoKinds,
        StudyName::Garbage => Experiment::Garbage,
        StudyName::Colorize => Experiment::Colorize,
    }
}

fn text(study: &Study) -> String {
    let rows: Vec<Vec<String>> = study.tests.iter().map(row).collect();
    format!(
        "{}: {}\nclaim: {}\n{}\n{}: {}",
        study.experiment.name(),
        study.experiment.question(),
        study.claim,
        output::columns(&["measured", "value", "claimed", ""], &rows),
        if study.bears_out() {
            "borne out"
        } else {
            "NOT borne out"
        },
        study.lesson
    )
}

fn row(test: &Test) -> Vec<String> {
    vec![
        test.what.to_owned(),
        output::figure(Some(test.value)),
        test.bounds(),
        if test.holds() { "" } else { "NOT as claimed" }.to_owned(),
    ]
}
