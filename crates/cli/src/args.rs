use std::path::PathBuf;

use candor::core::{Metric, Task, UncertaintyMethod};
use candor::data::SplitRule;
use candor::design::SamplerKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

const STATUS: &str = "Exit status: 0 done, every gate passed; 1 done, a gate failed; 2 could not be done; 130 interrupted.";

/// Raw data to a designed, trained, challenged and deployed model that says when it does not know.
#[derive(Parser)]
#[command(name = "candor", version, after_help = STATUS)]
pub(crate) struct Candor {
    /// Results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress; errors and results only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// All seven steps: data to a deployed model.
    Fit(Box<FitArgs>),
    /// The first four steps: designs alone. With `--table`, a search over recorded results.
    #[command(mut_arg("source", |source| source.required(false).default_value("")))]
    Search(Box<SearchArgs>),
    /// What the data are, and what is wrong with them; nothing is trained or written.
    Check(DataArgs),
    /// Predictions with uncertainty, set or interval, and abstention.
    Predict(PredictArgs),
    /// What the prediction of one node, graph or molecule rests on: edges and features, or atoms.
    Explain(ExplainArgs),
    /// The best molecules of a library by the prediction of a bundle, with doubt, strangeness and nearest known molecule.
    Screen(ScreenArgs),
    /// An HTTP service: POST /predict, GET /health, /model, /metrics.
    Serve(ServeArgs),
    /// The models of a run, best first.
    Leaderboard(LeaderboardArgs),
    /// Where the report of a run is, and what it says in short.
    Report(RunArgs),
    /// Goes on with a run that was stopped or killed.
    Resume(RunArgs),
    /// The runs in a folder.
    Runs(RunsArgs),
    /// The built-in data sets.
    Datasets,
    /// The limits of neural networks, shown by short studies: each makes a claim and says whether its figures bear it out.
    Lab(LabArgs),
    /// What Candor finds on this machine.
    Doctor,
}

/// Which studies, and how.
#[derive(Args)]
pub(crate) struct LabArgs {
    /// Studies; all when none is named.
    #[arg(value_enum)]
    pub studies: Vec<StudyName>,
    /// All randomness.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How often everything random is drawn anew.
    #[arg(long, default_value_t = 3)]
    pub repeats: usize,
    /// Pictures in colour for `colorize`: a folder or an archive with a folder a class.
    #[arg(long, value_name = "SOURCE")]
    pub pictures: Option<PathBuf>,
    /// Networks trained side by side; as many as there are threads when not given.
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Folder for the page and the figures.
    #[arg(long, default_value = "runs/lab")]
    pub out: PathBuf,
}

/// The studies by their names.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum StudyName {
    /// One hidden layer fits anything, and promises nothing beyond.
    Approximate,
    /// Networks learn random labels by heart.
    Randomize,
    /// A curve outside of the range that was learned from.
    Beyond,
    /// Doubt of the data against doubt of the model.
    TwoKinds,
    /// Bad data against bad models.
    Garbage,
    /// Colours of grey pictures, and the training pictures that they come from; needs `--pictures`.
    Colorize,
}

/// What the data are, and what is to be predicted.
#[derive(Args)]
pub(crate) struct DataArgs {
    /// A file (CSV, TSV, Parquet, Arrow; gzip allowed), `@name` of a built-in set; pictures: a folder with a folder a class, a CSV that
    /// names them, a tar archive, IDX files; molecules: a file with a column of SMILES strings, SMI, SDF; or a graph: a folder with
    /// `nodes.csv` and `edges.csv`, a GraphML, GML or `.npz` file; many graphs: a folder with `graphs.csv`, too; series that are told apart: a
    /// `.ts` file; series that go on: a folder with `values.csv`, see `--horizon`; texts: a folder with a folder a class; shapes: a folder with
    /// a folder a class of OFF, PLY, OBJ, STL, PCD or XYZ files, a CSV that names them, an `.npz` with `points`, or HDF5 files as those of
    /// ModelNet40.
    pub source: String,
    /// Of series: steps ahead to predict; one number means all until it, several with commas only those. A table (a row a moment, a column a
    /// series) is forecast if this is given; a folder with `values.csv`, and maybe `adjacency.csv`, always.
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    pub horizon: Vec<usize>,
    /// Of series: steps that models look back; decided from the data when not given.
    #[arg(long, value_name = "STEPS")]
    pub history: Option<usize>,
    /// Of a table with a row for each series and moment: the column that tells whose the row is. Whole series are told apart by `--target`, or
    /// forecast with `--horizon` (where it is found by itself).
    #[arg(long, value_name = "COLUMN")]
    pub series: Option<String>,
    /// Of series that are forecast: columns of numbers that are known ahead of time, such as prices, holidays or weather as it was forecast; with
    /// commas. Models see them at the moments that they forecast; to predict, give rows of these moments with the readings left empty.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub known_ahead: Vec<String>,
    /// Each row of the table is a series, its columns of numbers are the readings, in order.
    #[arg(long)]
    pub series_in_rows: bool,
    /// Column to predict; several with commas: labels where each has the same two values, else numbers. `edges` of a graph: which nodes are
    /// joined. Decided from the data when not given.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub target: Vec<String>,
    /// binary, multiclass, multilabel or regression; decided from the data when not given.
    #[arg(long, value_parser = task)]
    pub task: Option<Task>,
    /// Make a graph of a table: each row is joined to so many of the nearest rows that may be learned from, by its features.
    #[arg(long, value_name = "NUMBER")]
    pub neighbours: Option<usize>,
    /// Rows with the same value in this column stay in the same part.
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,
    /// Later rows (by this column) are predicted from earlier ones.
    #[arg(long, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// Columns about people that must be looked at with care; with commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub sensitive: Vec<String>,
    /// Columns that the model must not see; with commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Columns that curation must not leave out; with commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub keep: Vec<String>,
    /// Checks of the data to turn off, by the kind of their findings; with commas.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    pub without: Vec<String>,
    /// Character between cells; found when not given.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
    /// Whether the first row holds names; found when not given.
    #[arg(long, value_name = "true|false")]
    pub header: Option<bool>,
    /// Further texts that mean a missing value; with commas.
    #[arg(long, value_name = "TEXTS", value_delimiter = ',')]
    pub missing: Vec<String>,
    /// Pixels along the longer side to which pictures of several sizes, or large ones, are brought; 64 when not given.
    #[arg(long, value_name = "PIXELS")]
    pub image_size: Option<usize>,
    /// Memory that the run may take (such as 2GB). A table that needs more is read in evenly spaced rows.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Labels that you corrected: the `labels.csv` of an earlier run, with its column `label` filled in.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<String>,
    /// All randomness.
    #[arg(long)]
    pub seed: Option<u64>,
}

#[derive(Args)]
pub(crate) struct FitArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// A second file, whose rows are the test part.
    #[arg(long, value_name = "FILE")]
    pub test: Option<String>,
    /// What to optimise; a proper score when not given.
    #[arg(long, value_parser = parse::<Metric>)]
    pub metric: Option<Metric>,
    /// Time for the whole run (30s, 10m, 1h), judging included.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub time: Option<f64>,
    /// Designs to try. Without `--time`, the run can be repeated to the bit.
    #[arg(long)]
    pub trials: Option<usize>,
    /// Steps of one network's training at most.
    #[arg(long)]
    pub steps: Option<usize>,
    /// The time, when neither `--time` nor `--trials` is given: 1, 5 or 30 minutes.
    #[arg(long, value_enum, default_value = "balanced")]
    pub preset: Preset,
    /// Trials side by side, one thread each; the number of cores, at most 4, when not given.
    #[arg(long)]
    pub jobs: Option<usize>,
    /// How rows are parted: random, stratified, group, scaffold (of molecules) or time; decided from the data when not given.
    #[arg(long, value_parser = parse::<SplitRule>)]
    pub split: Option<SplitRule>,
    /// Share of the rows that is kept for the last judgement, at most 50,000 rows.
    #[arg(long, value_name = "SHARE")]
    pub test_share: Option<f64>,
    /// Folds that each design is trained on, 1 to 20; the networks of all are deployed. Decided from the rows and the time when not given.
    #[arg(long, value_name = "COUNT")]
    pub folds: Option<usize>,
    /// Kinds of models that are tried, baselines included, such as `gcn,gatv2,linear`; with commas; all when not given.
    #[arg(long, value_name = "MODELS", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Who proposes designs: auto, random, sobol, evolution, tpe, local_search or controller; auto when not given.
    #[arg(long, value_parser = parse::<SamplerKind>)]
    pub sampler: Option<SamplerKind>,
    /// How networks say what they do not know: ensemble (several networks), or one network with laplace, dropout, evidential or snapshots; ensemble when
    /// not given. What each means, and where it is refused, is in the guide.
    #[arg(long, value_name = "METHOD", value_parser = parse::<UncertaintyMethod>)]
    pub uncertainty: Option<UncertaintyMethod>,
    /// Promised coverage of sets and intervals.
    #[arg(long, value_name = "SHARE")]
    pub coverage: Option<f64>,
    /// Promised share of wrong answers among those that are given, at most.
    #[arg(long, value_name = "SHARE")]
    pub risk: Option<f64>,
    /// For numbers: how far from the truth an answer may be and still be right.
    #[arg(long, value_name = "NUMBER")]
    pub tolerance: Option<f64>,
    /// Settings from a JSON file, such as the `settings` of a `run.json`; options given here win.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, such as `--set gates.calibration_error=0.02`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The run folder; `runs/NAME` when not given.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    pub fit: FitArgs,
    /// Compare these samplers; with commas. On data each search is given the whole of `--time` or `--trials` and begins without the
    /// designs made by hand; over a recorded table all samplers are compared when none is named.
    #[arg(long, value_name = "SAMPLERS", value_delimiter = ',', value_parser = parse::<SamplerKind>)]
    pub samplers: Vec<SamplerKind>,
    /// Searches of each sampler that is compared: 3 on data, 300 over a recorded table, when not given.
    #[arg(long, value_name = "NUMBER")]
    pub seeds: Option<usize>,
    /// A picture of the comparison: the score against designs; on data also, beside it as `NAME.seconds.svg`, against seconds of work.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Search this table of recorded results instead (CSV; gzip allowed), once for each seed and sampler.
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub table: Option<PathBuf>,
    #[command(flatten)]
    pub recorded: RecordedArgs,
}

/// What the columns of a recorded table mean, and how it is searched.
#[derive(Args)]
#[command(next_help_heading = "With --table")]
pub(crate) struct RecordedArgs {
    /// Columns that make up a design; with commas. Three or more numbers in a column are taken to stand in order.
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "table"
    )]
    pub choices: Vec<String>,
    /// Those of them whose numbers have no order; with commas.
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "table"
    )]
    pub unordered: Vec<String>,
    /// Column that the search sees.
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub score: Option<String>,
    /// Column that is reported of the design with the best score; the score when not given.
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub report: Option<String>,
    /// Column of what a design costs, such as its parameters.
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub cost: Option<String>,
    /// Column whose equal values mean one network, which then counts once.
    #[arg(long, value_name = "COLUMN", requires = "table")]
    pub network: Option<String>,
    /// Smaller scores are better.
    #[arg(long, requires = "table")]
    pub minimise: bool,
    /// Designs that each search evaluates.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub evaluations: usize,
    /// Where hypervolume begins, in the units of `--report`; the median of that column when not given.
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "cost",
        allow_negative_numbers = true
    )]
    pub reference_report: Option<f64>,
    /// Where hypervolume ends, in the units of `--cost`; a hundredth more than the greatest cost when not given.
    #[arg(long, value_name = "NUMBER", requires = "cost")]
    pub reference_cost: Option<f64>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Preset {
    Fast,
    Balanced,
    Thorough,
}

impl Preset {
    /// Seconds for the whole run.
    pub(crate) fn seconds(self) -> f64 {
        match self {
            Preset::Fast => 60.0,
            Preset::Balanced => 300.0,
            Preset::Thorough => 1800.0,
        }
    }
}

#[derive(Args)]
pub(crate) struct PredictArgs {
    /// A bundle, or a run folder.
    pub bundle: PathBuf,
    /// A file with the columns of the training data, `@name` of a built-in set, pictures for a model of pictures, a graph, or ids of
    /// nodes, for one of nodes, or a folder of graphs. A scene (LAS, LAZ) that is told point by point into `--out` (LAS, LAZ or CSV) may be larger than
    /// memory; given again after an interruption, the command goes on.
    pub source: String,
    /// How the answers are written; by the name of `--out` when not given, else CSV.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The file to write; standard output when not given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Memory that a scene may take, about (such as 2GB); 1GB when not given.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Character between cells; found when not given.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
    /// What if something else went from one series to another: `FROM,TO=FACTOR` multiplies what goes there; without a factor nothing goes there any more (a road is
    /// closed); `*` is any series. Forecasts as they are stand beside those that would be; with `--path`, the journey is the changed one.
    #[arg(long, value_name = "FROM,TO=FACTOR", conflicts_with_all = ["format", "out"])]
    pub change: Vec<String>,
    /// Of series that are forecast: which readings of the source stand out from what is forecast of them shortly before. A summary; with `--out`, every
    /// reading with its forecast, range, p-value and q-value.
    #[arg(long, conflicts_with_all = ["change", "path"])]
    pub anomalies: bool,
    /// Share of usual readings that may stand out by chance.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.001,
        requires = "anomalies"
    )]
    pub false_alarms: f64,
    /// Instead of forecasts of speeds, how long a journey takes along these series, in order, with commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "lengths", conflicts_with_all = ["format", "out"])]
    pub path: Vec<String>,
    /// A table with the name and the length of each stretch of the path, in the unit of length of the speeds.
    #[arg(long, value_name = "FILE", requires = "path")]
    pub lengths: Option<PathBuf>,
    /// The unit of time of the speeds.
    #[arg(long, value_enum, default_value_t = Per::Hour, requires = "path")]
    pub per: Per,
    /// Minutes between the last reading and the start of the journey.
    #[arg(long, value_name = "MINUTES", default_value_t = 0.0, requires = "path")]
    pub depart_in: f64,
    /// How alike errors of the forecast are on two stretches: 0 not at all, 1 wholly, which no truth exceeds.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, requires = "path")]
    pub dependence: f64,
    /// Of the journeys that are drawn.
    #[arg(long, default_value_t = 0, requires = "path")]
    pub seed: u64,
}

/// The unit of time of speeds.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Per {
    /// Miles or kilometres an hour.
    Hour,
    /// A minute.
    Minute,
    /// Metres a second.
    Second,
}

impl Per {
    /// Its seconds.
    pub(crate) fn seconds(self) -> f64 {
        match self {
            Per::Hour => 3_600.0,
            Per::Minute => 60.0,
            Per::Second => 1.0,
        }
    }
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// A bundle of a model of nodes, graphs or molecules, or a run folder.
    pub bundle: PathBuf,
    /// As for `predict`: a graph, ids of nodes, a folder of graphs, or molecules.
    pub source: String,
    /// The id of a node or graph, or a structure or its row (from 1); may be given several times.
    #[arg(long, value_name = "ID", required = true)]
    pub unit: Vec<String>,
    /// The class, label or target that is explained; the likeliest class, or the first label or target, when not given.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// A folder for drawings, as SVG, one a unit.
    #[arg(long, value_name = "FOLDER")]
    pub draw: Option<PathBuf>,
    /// Character between cells; found when not given.
    #[arg(long, value_name = "CHARACTER")]
    pub delimiter: Option<char>,
}

#[derive(Args)]
pub(crate) struct ScreenArgs {
    /// A bundle of a model of molecules, or a run folder.
    pub bundle: PathBuf,
    /// A library: CSV or TSV with a column of SMILES strings, or SMI; gzip allowed. It may be larger than the memory.
    pub library: PathBuf,
    /// The file to write all candidates to (CSV).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Candidates to keep.
    #[arg(long, default_value_t = 100)]
    pub top: usize,
    /// Of them, how many are picked to differ from each other.
    #[arg(long, default_value_t = 10)]
    pub picks: usize,
    /// The class, label or target to rank by; the last class, or the first label or target, when not given.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// The lowest first.
    #[arg(long)]
    pub lowest: bool,
    /// The column of structures; found when not given.
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,
    /// Molecules that are known already; those that were learned from when not given, if BUNDLE is a run folder.
    #[arg(long, value_name = "FILE")]
    pub known: Option<String>,
    /// A structure (SMILES) whose place in the whole ranking is told, however the library writes it; may be given several times.
    #[arg(long, value_name = "STRUCTURE")]
    pub find: Vec<String>,
    /// A folder for drawings of the picks and of what was found, as SVG: which atoms speak for the value, and which against.
    #[arg(long, value_name = "FOLDER")]
    pub draw: Option<PathBuf>,
    /// Which candidate is picked first.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Csv,
    Json,
    Parquet,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// A bundle, or a run folder.
    pub bundle: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub address: std::net::SocketAddr,
    /// Requests that may wait; more are turned away with 503.
    #[arg(long, default_value_t = 64)]
    pub waiting: usize,
    /// Megabytes that a request may hold.
    #[arg(long, value_name = "MEGABYTES", default_value_t = 32)]
    pub body: usize,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// A run folder.
    pub run: PathBuf,
}

#[derive(Args)]
pub(crate) struct LeaderboardArgs {
    /// A run folder.
    pub run: PathBuf,
    /// Lines to show.
    #[arg(long, default_value_t = 20)]
    pub top: usize,
}

#[derive(Args)]
pub(crate) struct RunsArgs {
    /// The folder that holds runs.
    #[arg(default_value = "runs")]
    pub folder: PathBuf,
}

/// A task by its name; predicting edges is told by the target.
fn task(text: &str) -> Result<Task, String> {
    match text.replace('_', "-").as_str() {
        "link-prediction" | "links" | "edges" => {
            Err("edges of a graph are predicted with `--target edges`".into())
        }
        _ => parse(text),
    }
}

fn parse<T: std::str::FromStr<Err = String>>(text: &str) -> Result<T, String> {
    text.parse()
}

/// `90`, `90s`, `10m`, `1h`, `1h30m`.
fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no time; write 30s, 10m, 1h or 1h30m");
    let mut total = 0.0;
    let mut number = String::new();
    for c in text.trim().chars() {
        let unit = match c {
            '0'..='9' | '.' => {
                number.push(c);
                continue;
            }
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => return Err(wrong()),
        };
        total += unit * number.parse::<f64>().map_err(|_| wrong())?;
        number.clear();
    }
    if !number.is_empty() {
        total += number.parse::<f64>().map_err(|_| wrong())?;
    }
    if total > 0.0 { Ok(total) } else { Err(wrong()) }
}

/// `512MB`, `2GB`, `1.5GiB`, `1000000`.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write 512MB or 2GB");
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let number: f64 = trimmed[..end].parse().map_err(|_| wrong())?;
    let unit = match trimmed[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number * unit;
    if bytes >= 1.0 {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Candor::command().debug_assert();
    }

    #[test]
    fn times_and_sizes_as_people_write_them() {
        assert_eq!(seconds("30s"), Ok(30.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("2.5"), Ok(2.5));
        for wrong in ["", "s", "ten", "-3s", "0", "3x"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(task("binary"), Ok(Task::Binary));
        assert!(
            task("link-prediction")
                .unwrap_err()
                .contains("--target edges")
        );
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("1.5 GiB"), Ok(1_610_612_736));
        for wrong in ["", "GB", "0", "2TBs", "-1"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
