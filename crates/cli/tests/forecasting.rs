//! Series, from a folder to forecasts.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use support::{candor, result_of, strange};

const NODES: usize = 5;

/// Numbers that look drawn, the same each time (the mixing steps of SplitMix64), from -0.5 to 0.5.
fn drawn(n: u64) -> f64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) % 10_000) as f64 / 10_000.0 - 0.5
}

/// Hours of a ring of series with a day's wave, each of which follows the one before it by an hour.
fn hours(count: usize) -> Vec<[f64; NODES]> {
    let mut rows: Vec<[f64; NODES]> = Vec::new();
    for t in 0..count {
        let before = rows.last().copied().unwrap_or([0.0; NODES]);
        let mut row = [0.0; NODES];
        for (node, value) in row.iter_mut().enumerate() {
            let wave = (t as f64 / 24.0 * std::f64::consts::TAU + node as f64).sin();
            *value =
                0.5 * wave + 0.9 * before[(node + 1) % NODES] + drawn((t * NODES + node) as u64);
        }
        rows.push(row);
    }
    rows
}

fn table(rows: &[[f64; NODES]], from: usize) -> String {
    let mut text = "date,s0,s1,s2,s3,s4\n".to_owned();
    for (i, row) in rows.iter().enumerate() {
        let t = from + i;
        let (month, day, hour) = (1 + t / 24 / 28, 1 + t / 24 % 28, t % 24);
        // February of 2023 has 28 days, as every month of this calendar: the first two are enough.
        write!(text, "2023-{:02}-{day:02} {hour:02}:00", month + 1).unwrap();
        row.iter().for_each(|v| write!(text, ",{v:.4}").unwrap());
        text.push('\n');
    }
    text
}

fn traffic(folder: &Path, rows: &[[f64; NODES]]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("values.csv"), table(rows, 0)).unwrap();
    let mut matrix = String::new();
    for from in 0..NODES {
        let row: Vec<&str> = (0..NODES)
            .map(|to| if from == (to + 1) % NODES { "1" } else { "0" })
            .collect();
        writeln!(matrix, "{}", row.join(",")).unwrap();
    }
    std::fs::write(folder.join("adjacency.csv"), matrix).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn score_of(run: &Path, model: &str) -> f64 {
    let text = std::fs::read(run.join("4-designed/result.json")).unwrap();
    let board: Value = serde_json::from_slice(&text).unwrap();
    let trials = board["leaderboard"].as_array().unwrap().iter();
    let of = trials.filter(|trial| trial["design"]["model"] == model && trial["complete"] == true);
    of.filter_map(|trial| trial["score"].as_f64())
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn a_folder_of_values_and_a_matrix_becomes_a_model_that_forecasts() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let known = 24 * 28 - 3;
    let rows = hours(known + 40);
    traffic(&at.join("traffic"), &rows[..known]);
    let check = candor(at, &["check", "traffic", "--horizon", "3", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "graph_series");
    assert!(check.out.contains("repeat after 24"), "{}", check.out);

    let fit = [
        "fit",
        "traffic",
        "--horizon",
        "3",
        "--history",
        "12",
        "--trials",
        "15",
        "--steps",
        "90",
        "--metric",
        "mae",
        "--seed",
        "2",
    ];
    let run = candor(at, &[&fit[..], &["--jobs", "1", "--out", "r"]].concat());
    assert!(run.status <= 1, "{}", run.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "last value",
        "sensors stuck",
        "readings of other series",
        "t+3",
        "Where it errs",
        "By hour of the day of the last moment that was known",
        "those that are joined lie near each other",
        "How much the model doubts each series",
        "The worst series: s",
        "A series in the middle: s",
        "class=\"band k1\"",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    assert_eq!(report.matches("<circle class=\"node").count(), 2 * NODES);
    let hours: Vec<usize> = (0..24)
        .filter_map(|hour| report.find(&format!("<td>{hour:02}:00 to")))
        .collect();
    assert!(hours.len() == 24 && hours.is_sorted(), "{hours:?}");
    // Every rule and a network was tried; the model is not behind its rules on what chose it.
    let best_rule = [
        "last_value",
        "window_mean",
        "history_average",
        "seasonal_naive",
    ]
    .map(|rule| score_of(&at.join("r"), rule));
    let best_rule = best_rule.into_iter().fold(f64::INFINITY, f64::min);
    let trained: Value =
        serde_json::from_slice(&std::fs::read(at.join("r/5-trained/result.json")).unwrap())
            .unwrap();
    assert!(
        trained["score"].as_f64().unwrap() < 0.8 * best_rule,
        "{trained} {best_rule}"
    );
    assert!(score_of(&at.join("r"), "stid") < best_rule);

    // What comes after the last moment, against what came.
    let said = candor(at, &["predict", "r", "traffic", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out);
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), NODES);
    let mut error = 0.0;
    for (node, answer) in answers.iter().enumerate() {
        for ahead in 0..3 {
            error += (answer["prediction"]["mean"][ahead].as_f64().unwrap()
                - rows[known + ahead][node])
                .abs();
        }
        // The doubt of each horizon; the answer's own is their mean.
        for part in ["aleatoric", "epistemic"] {
            let each = answer["prediction"][part].as_array().unwrap();
            let mean = each.iter().filter_map(Value::as_f64).sum::<f64>() / 3.0;
            let whole = answer[part].as_f64().unwrap();
            assert!((mean - whole).abs() < 1e-9 * whole.abs().max(1.0));
        }
    }
    assert!(error / 15.0 < 0.8, "{error}");

    // The same from the end that the bundle keeps, by name; and from the last moments alone, in another order of columns.
    std::fs::write(at.join("asked.csv"), "node\ns3\ns1\n").unwrap();
    let said = candor(at, &["predict", "r", "asked.csv", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let asked = json(&said.out);
    assert_eq!(asked.as_array().unwrap().len(), 2);
    let mean = |answer: &Value| answer["prediction"]["mean"][0].as_f64().unwrap();
    assert!((mean(&asked[0]) - mean(&answers[3])).abs() < 1e-4);
    std::fs::write(
        at.join("last.csv"),
        table(&rows[known - 80..known], known - 80),
    )
    .unwrap();
    let said = candor(at, &["predict", "r", "last.csv", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!((mean(&json(&said.out)[2]) - mean(&answers[2])).abs() < 1e-3);

    // Series of the same names that are none of these: steps, and far too large waves.
    let foreign: Vec<[f64; NODES]> = (0..80)
        .map(|t| std::array::from_fn(|n| 25.0 * f64::from(u8::from(t / (2 + n) % 2 == 0)) - 12.0))
        .collect();
    std::fs::write(at.join("foreign.csv"), table(&foreign, known - 80)).unwrap();
    let (refused, of) = strange(&support::answers(at, "r", "last.csv"));
    assert!(
        refused <= 1,
        "{refused} of {of} series that go on were refused"
    );
    let (refused, of) = strange(&support::answers(at, "r", "foreign.csv"));
    assert!(
        refused >= 4,
        "{refused} of {of} foreign series were refused"
    );
    // A history that goes on: forecasts that can be checked move the level of the intervals, the further the more was missed. Nothing moves where
    // all was known when the model was made.
    let level = |name: &str, rows: &[[f64; NODES]]| -> Vec<f64> {
        std::fs::write(at.join(name), table(rows, known - 80)).unwrap();
        let said = candor(at, &["predict", "r", name, "--format", "json"]);
        assert_eq!(said.status, 0, "{}", said.err);
        let answer = &json(&said.out)[0]["prediction"];
        let level = answer["level"].as_array().unwrap().iter();
        level.map(|level| level.as_f64().unwrap()).collect()
    };
    let before = level("same.csv", &rows[known - 80..known]);
    assert_eq!(before.len(), 3);
    let mut jumping = rows[known - 80..known + 40].to_vec();
    let usual = level("usual.csv", &jumping);
    assert!(usual != before);
    for (place, row) in jumping.iter_mut().enumerate().skip(80) {
        let jump = if place % 2 == 0 { 9.0 } else { -9.0 };
        row.iter_mut().for_each(|value| *value += jump);
    }
    let missed = level("jumping.csv", &jumping);
    assert!(
        missed
            .iter()
            .zip(&usual)
            .all(|(missed, usual)| missed < usual),
        "{missed:?} {usual:?}"
    );
    let said = candor(at, &["predict", "r", "usual.csv", "--format", "csv"]);
    let head = said.out.lines().next().unwrap();
    assert!(
        head.contains("upper_t+3,level_t+3,aleatoric_t+3,epistemic_t+3"),
        "{head}"
    );

    // Readings that jump stand out, those that go on as usual do not.
    let told = |source: &str, options: &[&str]| {
        candor(
            at,
            &[&["predict", "r", source, "--anomalies"], options].concat(),
        )
    };
    let usual = told("usual.csv", &["--json"]);
    assert_eq!(usual.status, 0, "{}", usual.err);
    let usual = json(&usual.out);
    // All but the first twelve moments, which are looked back at.
    assert_eq!(usual["readings"].as_array().unwrap().len(), 108 * NODES);
    assert_eq!(usual["learned"], 68 * NODES);
    assert!(usual["found"].as_u64().unwrap() <= 4, "{usual}");
    let mut broken = rows[known - 80..known + 40].to_vec();
    broken[100][2] += 9.0;
    std::fs::write(at.join("broken.csv"), table(&broken, known - 80)).unwrap();
    let said = told("broken.csv", &["--out", "anomalies.csv"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let first = said
        .out
        .lines()
        .find(|line| line.starts_with("2023"))
        .unwrap();
    assert!(first.contains(" s2 "), "{}", said.out);
    let written = std::fs::read_to_string(at.join("anomalies.csv")).unwrap();
    let head = "time,series,reading,expected,lower,upper,p_value,q_value,anomalous";
    assert_eq!(written.lines().next(), Some(head));
    assert_eq!(written.lines().count(), 1 + 108 * NODES);
    let time = first.split_whitespace().next().unwrap();
    let row = written
        .lines()
        .find(|line| line.starts_with(&format!("{time},s2,")));
    assert!(row.is_some_and(|row| row.ends_with(",true")), "{row:?}");
    // The forecast of a reading does not know it.
    let expected = |written: &Value| written["readings"][88 * NODES + 2]["expected"].clone();
    let broken = json(&told("broken.csv", &["--json"]).out);
    assert_eq!(expected(&usual), expected(&broken));
    let refused = told("usual.csv", &["--false-alarms", "1.5"]);
    assert_eq!(refused.status, 2);
    assert!(refused.err.contains("between 0 and 1"), "{}", refused.err);

    // The same with two jobs.
    let again = candor(at, &[&fit[..], &["--jobs", "2", "--out", "again"]].concat());
    assert_eq!(again.status, run.status, "{}", again.err);
    assert!(result_of(&at.join("r")) == result_of(&at.join("again")));

    // Broken questions.
    let refused = |source: &str, text: &str, expected: &str| {
        std::fs::write(at.join(source), text).unwrap();
        let said = candor(at, &["predict", "r", source]);
        assert_eq!(said.status, 2, "{source}: {}", said.out);
        assert!(said.err.contains(expected), "{source}: {}", said.err);
    };
    refused("unknown.csv", "node\ns9\n", "no series `s9`");
    refused(
        "few.csv",
        &table(&rows[..5], 0),
        "looks back 12 moments, and 5 are given",
    );
    refused(
        "other.csv",
        &table(&rows[..80], 0).replace("s2", "x"),
        "`s2` is not there",
    );
    let untimed = table(&rows[..80], 0).replace("date", "s0x");
    refused("untimed.csv", &untimed, "no column of times (`date`)");
}

#[test]
fn cases_by_region_with_mobility_are_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let cases = at.join("cases");
    std::fs::create_dir(&cases).unwrap();
    let (mut values, mut moving) = (
        "date,s0,s1,s2\n".to_owned(),
        "date,from,to,people\n".to_owned(),
    );
    for day in 0..48 {
        // 24 days of March, and 24 of April.
        let date = match day < 24 {
            true => format!("2020-03-{:02}", 8 + day),
            false => format!("2020-04-{:02}", day - 23),
        };
        let wave = 200.0 * (-(day as f64 - 22.0).powi(2) / 200.0).exp();
        let weekday = if day % 7 < 2 { 0.6 } else { 1.0 };
        let of = |share: f64, n: u64| (wave * weekday * share + 4.0 * drawn(n) + 5.0).round();
        let n = 3 * day as u64;
        writeln!(
            values,
            "{date},{},{},{}",
            of(1.0, n),
            of(0.5, n + 1),
            of(0.2, n + 2)
        )
        .unwrap();
        writeln!(
            moving,
            "{date},s0,s0,900\n{date},s0,s1,{}\n{date},far,s0,3",
            50 + day
        )
        .unwrap();
    }
    std::fs::write(cases.join("values.csv"), values).unwrap();
    std::fs::write(cases.join("mobility.csv"), moving).unwrap();
    let places = "name,lat,lon\ns0,48.1,11.6\ns1,48.4,10.9\ns2,49.5,11.1\n";
    std::fs::write(cases.join("coordinates.csv"), places).unwrap();
    let check = candor(at, &["check", "cases", "--horizon", "5", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    for part in [
        "nodes-only-in-flows",
        "nodes-without-flows",
        "repeat after 7",
    ] {
        assert!(check.out.contains(part), "{part}: {}", check.out);
    }
    let fit = [
        "fit",
        "cases",
        "--horizon",
        "5",
        "--trials",
        "8",
        "--steps",
        "20",
        "--out",
        "r",
    ];
    let run = candor(at, &fit);
    assert!(run.status <= 1, "{}", run.err);
    assert!(score_of(&at.join("r"), "growth").is_finite());
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    let place = report.contains("a series in its place, north above");
    assert!(place && report.contains("lines show which act on each other"));
    let said = candor(at, &["predict", "r", "cases", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(json(&said.out).as_array().unwrap().len(), 3);
    // What the bundle keeps tells the same.
    std::fs::write(at.join("asked.csv"), "node\ns2\n").unwrap();
    let kept = candor(at, &["predict", "r", "asked.csv", "--format", "json"]);
    assert_eq!(kept.status, 0, "{}", kept.err);
    let mean = |answer: &Value| answer["prediction"]["mean"][4].as_f64().unwrap();
    let (whole, kept) = (mean(&json(&said.out)[2]), mean(&json(&kept.out)[0]));
    assert!(
        (whole - kept).abs() < 1e-3 * whole.abs().max(1.0),
        "{whole} {kept}"
    );
}

/// What a road that is closed would do, and less travel.
#[test]
fn other_edges_than_those_that_were_learned_from_are_tried_and_called_extrapolation() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    traffic(&at.join("traffic"), &hours(24 * 14));
    let fit = "fit traffic --horizon 2 --history 12 --trials 8 --steps 40 --metric mae --seed 2 --jobs 1 --models regression,dlinear --out r";
    let run = candor(at, &fit.split(' ').collect::<Vec<_>>());
    assert!(run.status <= 1, "{}", run.err);
    let asked = |changes: &[&str], json: bool| {
        let mut command = vec!["predict", "r", "traffic"];
        changes
            .iter()
            .for_each(|change| command.extend(["--change", change]));
        command.extend(json.then_some("--json"));
        candor(at, &command)
    };
    // Each series follows the next one on the ring.
    let told = asked(&["s1,s0"], true);
    assert_eq!(told.status, 0, "{}", told.err);
    let told = json(&told.out);
    assert_eq!(told["felt"], true);
    assert!(
        told["extrapolation"]
            .as_str()
            .unwrap()
            .contains("never changed")
    );
    let series = told["series"].as_array().unwrap();
    assert_eq!(series.len(), NODES);
    let moved = |place: usize| {
        let of = |what: &str| series[place][what][0].as_f64().unwrap();
        (of("changed") - of("mean")).abs()
    };
    assert!(
        moved(0) > 0.05 && moved(2) < 1e-9 && moved(3) < 1e-9,
        "{told}"
    );
    let text = asked(&["s1,s0"], false);
    assert!(text.out.starts_with("extrapolation: "), "{}", text.out);
    assert!(text.out.contains("difference"), "{}", text.out);
    for (change, expected) in [
        ("s0", "names no two series"),
        ("s0,s9", "there is no series `s9`"),
        (
            "s0,s2",
            "nothing goes where `s0,s2` says; from `s0` it goes to `s4`",
        ),
        ("s1,s0=-2", "is no factor"),
    ] {
        let refused = asked(&[change], false);
        assert_eq!(refused.status, 2, "{}", refused.out);
        assert!(refused.err.contains(expected), "{}", refused.err);
    }

    // As many as were seen before are no extrapolation; many more are.
    let mut moving = "date,from,to,people\n".to_owned();
    for hour in 0..24 * 14 {
        let date = format!("2023-02-{:02} {:02}:00", 1 + hour / 24, hour % 24);
        for to in 0..NODES {
            let people = 100 + 80 * (hour % 7) + 10 * to;
            writeln!(moving, "{date},s{},s{to},{people}", (to + 1) % NODES).unwrap();
        }
    }
    std::fs::remove_file(at.join("traffic/adjacency.csv")).unwrap();
    std::fs::write(at.join("traffic/mobility.csv"), moving).unwrap();
    let again = fit.replace("--out r", "--out r2");
    let run = candor(at, &again.split(' ').collect::<Vec<_>>());
    assert!(run.status <= 1, "{}", run.err);
    let of_flows = |change: &str| {
        let told = candor(
            at,
            &["predict", "r2", "traffic", "--change", change, "--json"],
        );
        assert_eq!(told.status, 0, "{}", told.err);
        json(&told.out)["extrapolation"].clone()
    };
    assert_eq!(of_flows("s1,s0=1"), Value::Null);
    let beyond = of_flows("*,s0=9");
    assert!(
        beyond
            .as_str()
            .unwrap()
            .contains("from `s1` to `s0`, where the model learned from 100.0 to 580.0"),
        "{beyond}"
    );
}

#[test]
fn several_folders_of_series_become_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let known = 24 * 14;
    let rows = hours(known);
    // The second begins two days later.
    traffic(&at.join("towns/north"), &rows);
    traffic(&at.join("towns/south"), &rows[..known - 48]);
    std::fs::write(at.join("towns/south/values.csv"), table(&rows[48..], 48)).unwrap();
    let fit = "fit towns --horizon 2 --history 12 --trials 8 --steps 40 --metric mae --seed 2 --jobs 1 --out r";
    let run = candor(at, &fit.split(' ').collect::<Vec<_>>());
    assert!(run.status <= 1, "{}", run.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "source, the worst first",
        "north/s3",
        "2 sources, one model: north, south",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }
    let said = candor(at, &["predict", "r", "towns", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    // The series at one moment are no sample of those at many.
    assert!(!said.err.contains("together differ"), "{}", said.err);
    let answers = json(&said.out);
    let names: Vec<&str> = answers
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|answer| answer["unit"].as_str())
        .collect();
    assert_eq!(
        (names.len(), names[0]),
        (2 * NODES, "north/s0"),
        "{}",
        said.out
    );

    // One of them alone is not what it was made from.
    let alone = candor(at, &["predict", "r", "towns/south"]);
    assert_eq!(alone.status, 2, "{}", alone.out);
    assert!(
        alone.err.contains("the series `north/s0` is not there"),
        "{}",
        alone.err
    );
    std::fs::write(
        at.join("towns/south/values.csv"),
        "s0,s1,s2,s3,s4\n1,2,3,4,5\n2,3,4,5,6\n",
    )
    .unwrap();
    let without = candor(at, &["fit", "towns", "--out", "s"]);
    assert_eq!(without.status, 2, "{}", without.out);
    assert!(without.err.contains("it has no times"), "{}", without.err);
}

#[test]
fn a_table_of_series_is_forecast_if_asked_and_broken_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("wide.csv"), table(&hours(240), 0)).unwrap();
    let check = candor(at, &["check", "wide.csv", "--horizon", "2,6", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "graph_series");
    assert_eq!(
        checked["source"]["decision"]["target"]["names"],
        serde_json::json!(["t+2", "t+6"])
    );
    let table_of_rows = candor(at, &["check", "wide.csv", "--json"]);
    assert_eq!(json(&table_of_rows.out)["source"]["modality"], "table");

    let refused = |arguments: &[&str], expected: &str| {
        let said = candor(
            at,
            &[&["fit", "wide.csv", "--trials", "1"], arguments].concat(),
        );
        assert_eq!(said.status, 2, "{arguments:?}: {}", said.out);
        assert!(said.err.contains(expected), "{arguments:?}: {}", said.err);
        // A run that came to nothing is in nobody's way.
        assert!(!at.join("runs/wide").exists(), "{arguments:?}");
    };
    refused(&["--horizon", "100"], "need at least");
    refused(&["--horizon", "3,2"], "ascend");
    refused(&["--horizon", "0"], "from 1");
    refused(
        &["--horizon", "3", "--target", "s1"],
        "all series are predicted",
    );
    refused(&["--horizon", "3", "--split", "random"], "in time alone");
    refused(
        &["--horizon", "3", "--time-column", "dat"],
        "did you mean `date`",
    );
    refused(&["--horizon", "3", "--task", "binary"], "regression");
    for source in ["nowhere.csv", "@iris", "."] {
        let said = candor(at, &["check", source, "--horizon", "3"]);
        assert_eq!(said.status, 2, "{source}: {}", said.out);
        assert!(
            said.err.contains("no series to forecast"),
            "{source}: {}",
            said.err
        );
    }
    std::fs::create_dir(at.join("broken")).unwrap();
    std::fs::write(at.join("broken/values.csv"), table(&hours(240), 0)).unwrap();
    std::fs::write(at.join("broken/adjacency.csv"), "1,0\n0,1\n").unwrap();
    let said = candor(at, &["check", "broken"]);
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(
        said.err.contains("where there are 5 series"),
        "{}",
        said.err
    );
}

#[test]
fn a_row_for_each_series_and_moment_is_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = hours(24 * 14);
    // The same as columns, and as rows of the last two days.
    let wide = table(&rows, 0);
    let long = |from: usize| {
        let mut text = "station,date,level,guard\n".to_owned();
        for node in 0..NODES {
            for line in wide.lines().skip(1 + from) {
                let cells: Vec<&str> = line.split(',').collect();
                writeln!(text, "s{node},{},{},{node}", cells[0], cells[1 + node]).unwrap();
            }
        }
        text
    };
    std::fs::write(at.join("long.csv"), long(0)).unwrap();
    std::fs::write(at.join("later.csv"), long(24 * 12)).unwrap();
    std::fs::write(at.join("wide.csv"), table(&rows[24 * 12..], 24 * 12)).unwrap();
    let fit = [
        "fit",
        "long.csv",
        "--horizon",
        "2",
        "--history",
        "12",
        "--trials",
        "4",
        "--steps",
        "20",
    ];
    let unclear = candor(at, &[&fit[..], &["--out", "r"]].concat());
    assert_eq!(unclear.status, 2, "{}", unclear.out);
    assert!(
        unclear.err.contains("say which one is forecast"),
        "{}",
        unclear.err
    );
    // The same folder can be asked for once the command is right.
    let run = candor(
        at,
        &[
            &fit[..],
            &["--target", "level", "--seed", "1", "--out", "r"],
        ]
        .concat(),
    );
    assert!(run.status <= 1, "{}", run.err);
    let says = |source: &str| {
        let said = candor(at, &["predict", "r", source, "--format", "json"]);
        assert_eq!(said.status, 0, "{}", said.err);
        let rows = json(&said.out).as_array().unwrap().clone();
        assert_eq!(rows.len(), NODES, "{}", said.out);
        rows.iter()
            .map(|row| row["prediction"].clone())
            .collect::<Vec<Value>>()
    };
    // What was learned from ends where these rows end, in either form.
    assert_eq!(says("later.csv"), says("wide.csv"));
}

#[test]
fn what_is_known_ahead_is_asked_for_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // What is sold follows the price of the same hour, which is drawn.
    let price = |t: usize| drawn(t as u64);
    let table = |from: usize, read: usize, known: usize| {
        let mut text = "date,sold,price\n".to_owned();
        for t in from..known {
            let sold = match t < read {
                true => format!("{:.4}", -4.0 * price(t) + 0.2 * drawn(t as u64 + 9_000)),
                false => String::new(),
            };
            let (day, hour) = (1 + t / 24, t % 24);
            writeln!(text, "2023-03-{day:02} {hour:02}:00,{sold},{:.4}", price(t)).unwrap();
        }
        text
    };
    std::fs::write(at.join("sales.csv"), table(0, 28 * 8, 28 * 8)).unwrap();
    let fit = |known: &[&str], out: &str| {
        let options = [
            "fit",
            "sales.csv",
            "--horizon",
            "3",
            "--history",
            "6",
            "--trials",
            "9",
            "--steps",
            "60",
            "--metric",
            "mae",
            "--out",
            out,
        ];
        candor(at, &[&options[..], known].concat())
    };
    let run = fit(&["--known-ahead", "price"], "r");
    assert!(run.status <= 1, "{}", run.err);
    let run = fit(&["--ignore", "price"], "blind");
    assert!(run.status <= 1, "{}", run.err);
    let error = |run: &str| {
        let text = std::fs::read(at.join(run).join("5-trained/result.json")).unwrap();
        let trained: Value = serde_json::from_slice(&text).unwrap();
        trained["score"].as_f64().unwrap()
    };
    assert!(
        error("r") < 0.5 * error("blind"),
        "{} {}",
        error("r"),
        error("blind")
    );

    // Without the prices of the hours that are forecast there is no answer.
    std::fs::write(at.join("now.csv"), table(28 * 7, 28 * 8, 28 * 8)).unwrap();
    let said = candor(at, &["predict", "r", "now.csv"]);
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(
        said.err.contains("at step 1 after the last reading"),
        "{}",
        said.err
    );
    std::fs::write(at.join("ahead.csv"), table(28 * 7, 28 * 8, 28 * 8 + 3)).unwrap();
    let said = candor(at, &["predict", "r", "ahead.csv", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answer = &json(&said.out)[0]["prediction"];
    for ahead in 0..3 {
        let (told, due) = (
            answer["mean"][ahead].as_f64().unwrap(),
            -4.0 * price(28 * 8 + ahead),
        );
        assert!((told - due).abs() < 1.2, "{ahead}: {told} {due}");
    }
    let elsewhere = candor(
        at,
        &[
            "fit",
            "sales.csv",
            "--target",
            "sold",
            "--known-ahead",
            "price",
        ],
    );
    assert_eq!(elsewhere.status, 2);
    assert!(elsewhere.err.contains("--horizon"), "{}", elsewhere.err);
}

/// Speeds of five stretches at five-minute steps, slow once a day.
fn speeds(folder: &Path, steps: usize) {
    std::fs::create_dir_all(folder).unwrap();
    let mut text = "time,a,b,c,d,e\n".to_owned();
    for t in 0..steps {
        write!(text, "{}", 1_700_006_400 + 300 * t).unwrap();
        for node in 0..NODES {
            let jam = ((t as f64 / 48.0 + 0.1 * node as f64) * std::f64::consts::TAU)
                .sin()
                .max(0.0);
            write!(
                text,
                ",{:.2}",
                60.0 - 30.0 * jam + 4.0 * drawn((NODES * t + node) as u64)
            )
            .unwrap();
        }
        text.push('\n');
    }
    std::fs::write(folder.join("values.csv"), text).unwrap();
}

#[test]
fn speeds_become_travel_times() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    speeds(&at.join("roads"), 480);
    let run = candor(
        at,
        &[
            "fit",
            "roads",
            "--horizon",
            "6",
            "--trials",
            "8",
            "--steps",
            "20",
            "--out",
            "r",
        ],
    );
    assert!(run.status <= 1, "{}", run.err);
    std::fs::write(
        at.join("lengths.csv"),
        "name,miles\na,2\nb,3\nc,1.5\nd,90\ne,0\n",
    )
    .unwrap();
    let asked = |path: &str, more: &[&str]| {
        let fixed = [
            "predict",
            "r",
            "roads",
            "--lengths",
            "lengths.csv",
            "--path",
            path,
        ];
        candor(at, &[&fixed[..], more].concat())
    };
    let said = asked("a,b,c", &["--json"]);
    let told = json(&said.out);
    let time = &told["time"];
    if said.status == 1 {
        // A model may know nothing of a stretch; then it says so.
        assert!(told["refused"].is_string(), "{told}");
    } else {
        assert_eq!(said.status, 0, "{}", said.err);
        let seconds = time["seconds"].as_f64().unwrap();
        // Between 6.5 miles at 66 and at 26 an hour.
        assert!((354.0..900.0).contains(&seconds), "{told}");
        let (low, high) = (
            time["interval"][0].as_f64().unwrap(),
            time["interval"][1].as_f64().unwrap(),
        );
        assert!(low <= seconds && seconds <= high && low < high, "{told}");
        assert_eq!(time["legs"].as_array().unwrap().len(), 3);
        let text = asked("a,b,c", &[]);
        assert!(
            text.out
                .contains("minutes; 90 % of the drawn journeys take"),
            "{}",
            text.out
        );
        assert_eq!(asked("a,b,c", &["--json"]).out, said.out);
        let alone = json(&asked("a,b,c", &["--json", "--dependence", "0"]).out);
        let width = |told: &Value| {
            told["time"]["interval"][1].as_f64().unwrap()
                - told["time"]["interval"][0].as_f64().unwrap()
        };
        assert!(width(&alone) < width(&told), "{alone} {told}");
    }
    // Ninety miles outlast half an hour.
    let far = asked("d", &["--json"]);
    assert_eq!(far.status, 1, "{}", far.err);
    assert!(json(&far.out)["refused"].is_string(), "{}", far.out);
    let refused = |path: &str, more: &[&str], expected: &str| {
        let said = asked(path, more);
        assert_eq!(said.status, 2, "{path} {more:?}: {}", said.out);
        assert!(said.err.contains(expected), "{path} {more:?}: {}", said.err);
    };
    refused("a,z", &[], "no length of `z`");
    refused(
        "a",
        &["--dependence", "2"],
        "the dependence (0 to 1) cannot be 2",
    );
    refused("a", &["--depart-in=-1"], "the time until the start");
    refused("a", &["--format", "json"], "cannot be used with");
    std::fs::write(at.join("lengths.csv"), "name,miles\ne,0\nz,1\n").unwrap();
    refused("z", &[], "no series `z`");
    refused("e", &[], "the length of `e` cannot be 0");
    let alone = candor(at, &["predict", "r", "roads", "--path", "a"]);
    assert_eq!(alone.status, 2, "{}", alone.out);
}

#[test]
fn published_frames_and_recorded_data_sets_are_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/tests/files/metr-la.h5");
    std::fs::copy(golden, at.join("metr-la.h5")).unwrap();
    std::fs::write(
        at.join("distances_la_2012.csv"),
        "from,to,cost\n773869,767541,500\n767541,767542,700\n767542,717447,2500\n",
    )
    .unwrap();
    let fit = [
        "fit",
        "metr-la.h5",
        "--horizon",
        "2",
        "--history",
        "4",
        "--trials",
        "6",
        "--steps",
        "20",
        "--out",
        "r",
    ];
    let run = candor(at, &fit);
    assert!(run.status <= 1, "{}", run.err);
    let said = candor(at, &["predict", "r", "metr-la.h5", "--format", "json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(json(&said.out).as_array().unwrap().len(), 4);

    let weeks: Vec<Vec<f64>> = (0..80)
        .map(|t| {
            (0..3)
                .map(|node| (t as f64 / 6.0).sin() + drawn(3 * t + node))
                .collect()
        })
        .collect();
    let weeks = serde_json::json!({"edges": [[0, 1], [1, 2]], "node_ids": {"n": 0, "m": 1, "o": 2}, "FX": weeks});
    std::fs::write(at.join("weeks.json"), weeks.to_string()).unwrap();
    let run = candor(
        at,
        &[
            "fit",
            "weeks.json",
            "--horizon",
            "1",
            "--history",
            "4",
            "--trials",
            "6",
            "--steps",
            "20",
            "--out",
            "w",
        ],
    );
    assert!(run.status <= 1, "{}", run.err);
    let said = candor(at, &["predict", "w", "weeks.json", "--format", "csv"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(said.out.lines().count(), 4, "{}", said.out);

    std::fs::write(at.join("weeks.json"), "{\"X\": [[1], [2]]").unwrap();
    std::fs::write(at.join("cut.h5"), b"\x89HDF\r\n\x1a\n\0").unwrap();
    for (source, expected) in [
        ("weeks.json", "it is no JSON"),
        ("cut.h5", "cannot be read as HDF5"),
    ] {
        let said = candor(at, &["check", source, "--horizon", "1"]);
        assert_eq!(said.status, 2, "{source}: {}", said.out);
        assert!(said.err.contains(expected), "{source}: {}", said.err);
    }
}
