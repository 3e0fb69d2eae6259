use candor::FitSettings;
use candor::core::Seed;
use serde_json::Value;

use crate::args::{DataArgs, FitArgs};
use crate::failure::Failure;

/// Settings of a fit: defaults, then the file, then single settings, then options.
pub(crate) fn of_fit(args: &FitArgs) -> Result<FitSettings, Failure> {
    let mut settings = base(args)?;
    data(&args.data, &mut settings);
    settings.test = args.test.clone().or(settings.test);
    settings.metric = args.metric.or(settings.metric);
    settings.time = args.time.or(settings.time);
    settings.trials = args.trials.or(settings.trials);
    settings.steps = args.steps.or(settings.steps);
    settings.split = args.split.or(settings.split);
    settings.jobs = args.jobs.unwrap_or(settings.jobs);
    settings.folds = args.folds.or(settings.folds);
    settings.test_share = args.test_share.unwrap_or(settings.test_share);
    if !args.models.is_empty() {
        settings.models.clone_from(&args.models);
    }
    settings.sampler = args.sampler.unwrap_or(settings.sampler);
    settings.uncertainty = args.uncertainty.unwrap_or(settings.uncertainty);
    settings.coverage = args.coverage.unwrap_or(settings.coverage);
    settings.tolerance = args.tolerance.or(settings.tolerance);
    settings.risk = args.risk.unwrap_or(settings.risk);
    if settings.time.is_none() && settings.trials.is_none() {
        settings.time = Some(args.preset.seconds());
    }
    Ok(settings)
}

/// Settings of a check.
pub(crate) fn of_check(args: &DataArgs) -> FitSettings {
    let mut settings = FitSettings::default();
    data(args, &mut settings);
    settings
}

fn data(args: &DataArgs, settings: &mut FitSettings) {
    let several = |given: &Vec<String>, to: &mut Vec<String>| {
        if !given.is_empty() {
            to.clone_from(given);
        }
    };
    settings.source.clone_from(&args.source);
    several(&args.target, &mut settings.target);
    several(&args.sensitive, &mut settings.sensitive);
    several(&args.ignore, &mut settings.ignore);
    several(&args.known_ahead, &mut settings.known_ahead);
    several(&args.keep, &mut settings.keep);
    several(&args.without, &mut settings.without);
    several(&args.missing, &mut settings.read.missing);
    settings.task = args.task.or(settings.task);
    settings.group = args.group.clone().or(settings.group.take());
    settings.time_column = args.time_column.clone().or(settings.time_column.take());
    settings.read.delimiter = args.delimiter.or(settings.read.delimiter);
    settings.read.header = args.header.or(settings.read.header);
    settings.neighbours = args.neighbours.or(settings.neighbours);
    if !args.horizon.is_empty() {
        settings.horizon.clone_from(&args.horizon);
    }
    settings.series = args.series.clone().or(settings.series.take());
    settings.series_in_rows |= args.series_in_rows;
    settings.history = args.history.or(settings.history);
    settings.image_size = args.image_size.or(settings.image_size);
    settings.memory = args.memory.or(settings.memory);
    settings.labels = args.labels.clone().or(settings.labels.take());
    settings.seed = args.seed.map_or(settings.seed, Seed);
}

fn base(args: &FitArgs) -> Result<FitSettings, Failure> {
    let unusable = |what: &str, e: &dyn std::fmt::Display| {
        Failure::new(
            format!("{what}: {e}"),
            "`run.json` of any run shows all settings with their names",
        )
    };
    let mut value = serde_json::to_value(FitSettings::default())
        .map_err(|e| unusable("the default settings", &e))?;
    if let Some(path) = &args.config {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(format!("cannot read {name}: {e}"), "check the path"))?;
        let given: Value = serde_json::from_str(&text).map_err(|e| unusable(&name, &e))?;
        merge(&mut value, given);
        serde_json::from_value::<FitSettings>(value.clone()).map_err(|e| unusable(&name, &e))?;
    }
    for pair in &args.set {
        let (key, text) = pair.split_once('=').ok_or_else(|| {
            Failure::new(
                format!("`--set {pair}` has no `=`"),
                "write `--set KEY=VALUE`",
            )
        })?;
        let mut place = &mut value;
        for part in key.split('.') {
            place = place.get_mut(part).ok_or_else(|| {
                unusable(&format!("`--set {pair}`"), &format!("no setting `{key}`"))
            })?;
        }
        *place = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        serde_json::from_value::<FitSettings>(value.clone())
            .map_err(|e| unusable(&format!("`--set {pair}`"), &e))?;
    }
    serde_json::from_value(value).map_err(|e| unusable("the settings", &e))
}

/// Lays `given` over `value`, object by object.
fn merge(value: &mut Value, given: Value) {
    match (value, given) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, new) in new {
                merge(old.entry(key).or_insert(Value::Null), new);
            }
        }
        (old, new) => *old = new,
    }
}
