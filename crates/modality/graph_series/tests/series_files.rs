//! Series from files, whole and broken.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fmt::Write;
use std::path::Path;

use candor_core::Hints;
use candor_graph_series::{ReadSeries, SeriesError, SeriesOptions, SeriesSource, read_series};

fn hourly(rows: usize) -> String {
    let mut text = "date,a,b,c\n".to_owned();
    for t in 0..rows {
        let (day, hour) = (1 + t / 24, t % 24);
        writeln!(
            text,
            "2024-03-{day:02} {hour:02}:00:00,{},{},{}",
            t % 24,
            50 + t % 7,
            t
        )
        .unwrap();
    }
    text
}

fn read(folder: &Path, options: &SeriesOptions) -> Result<ReadSeries, SeriesError> {
    read_series(&SeriesSource::detect(folder, false).unwrap(), options)
}

fn of(files: &[(&str, &str)]) -> Result<ReadSeries, SeriesError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    read(folder.path(), &SeriesOptions::default())
}

/// Each fails, says so in these words, and says what to do.
fn each_is_said<T: std::fmt::Debug>(
    cases: impl IntoIterator<Item = (Result<T, SeriesError>, &'static str)>,
) {
    for (place, (result, expected)) in cases.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "case {place}: {error}"
        );
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn a_folder_with_a_matrix_is_series_on_a_graph() {
    let found = of(&[
        ("values.csv", &hourly(120)),
        ("adjacency.csv", "1,0.5,0\n0,1,0\n0,2,1\n"),
    ])
    .unwrap();
    let series = found.series;
    assert_eq!(series.nodes, ["a", "b", "c"]);
    assert_eq!(series.steps(), 120);
    assert_eq!(series.at(25, 0), 1.0);
    assert!(series.at(120, 0).is_nan() && series.at(-1, 0).is_nan());
    assert_eq!(series.calendar.periods, [24]);
    assert_eq!(series.calendar.step, Some(3600.0));
    let graph = series.graph.unwrap();
    assert_eq!(graph.edges, [(0, 1), (2, 1)]);
    assert_eq!(found.time_column.as_deref(), Some("date"));
}

#[test]
fn edges_and_places_join_series_by_name_or_number() {
    let values = hourly(48);
    let edges = |text: &str| {
        of(&[("values.csv", &values), ("edges.csv", text)]).map(|r| r.series.graph.unwrap().edges)
    };
    assert_eq!(
        edges("from,to,weight\na,c,2\nc,a,1\na,a,9\n").unwrap(),
        [(0, 2), (2, 0)]
    );
    assert_eq!(edges("from,to\n0,2\n1,0\n").unwrap(), [(0, 2), (1, 0)]);
    let error = edges("from,to\na,z\n").unwrap_err();
    assert!(
        error.to_string().contains("row 1: there is no series `z`"),
        "{error}"
    );
    let places = of(&[
        ("values.csv", &values),
        ("coordinates.csv", "name,x,y\na,0,0\nb,0,1\nc,100,0\n"),
    ]);
    assert_eq!(
        places.unwrap().series.graph.unwrap().edges,
        [(0, 1), (1, 0)]
    );
}

#[test]
fn places_are_kept_for_maps_and_are_no_fault_where_they_join_nothing() {
    let values = hourly(48);
    let beside = |places: &str| {
        let edges = ("edges.csv", "from,to\n0,2\n");
        of(&[("values.csv", &values), edges, ("coordinates.csv", places)]).unwrap()
    };
    let read = beside("name,x,y\nc,100,0\na,0,0\nb,0,1\n");
    assert_eq!(read.series.graph.as_ref().unwrap().edges, [(0, 2)]);
    let places = vec![(0.0, 0.0), (0.0, 1.0), (100.0, 0.0)];
    assert_eq!(read.series.places, Some(places));
    // A tenth of a degree to the east at a latitude of 60 degrees is half of one to the north, in metres.
    let read = beside("name,lat,lon\na,60,0.1\nb,60.1,0\nc,60,0\n");
    let places = read.series.places.unwrap();
    assert!((places[0].0 / (places[1].1 - places[2].1) - 0.5).abs() < 1e-9);
    let read = beside("name,x,y\na,0,0\n");
    assert_eq!(read.series.places, None);
    let told = |note: &String| note.contains("series `b` has no place");
    assert!(read.facts.notes.iter().any(told), "{:?}", read.facts.notes);
}

/// Hours of two sites, the second of which begins four hours later and lacks its last hour; the rows in any order.
fn long(rows: usize) -> String {
    let mut lines = Vec::new();
    for t in 0..rows {
        let (day, hour) = (1 + t / 24, t % 24);
        let when = format!("2024-03-{day:02} {hour:02}:00:00");
        lines.push(format!("north,{when},{},7", t % 24));
        if t >= 4 && t + 1 < rows {
            lines.push(format!("south,{when},{},8", 50 + t % 7));
        }
    }
    lines.sort_by_key(|line| {
        line.len() * 31 % 7 + line.bytes().map(usize::from).sum::<usize>() % 13
    });
    format!("site,when,load,sensor\n{}\n", lines.join("\n"))
}

#[test]
fn a_row_for_each_series_and_moment_becomes_a_column_a_series() {
    let folder = tempfile::tempdir().unwrap();
    let of = |text: &str, change: &dyn Fn(&mut SeriesOptions)| {
        std::fs::write(folder.path().join("values.csv"), text).unwrap();
        let mut options = SeriesOptions {
            reading: Some("load".into()),
            ..SeriesOptions::default()
        };
        change(&mut options);
        read(folder.path(), &options)
    };
    let text = long(72);
    let found = of(&text, &|_| ()).unwrap();
    let columns = found.long.unwrap();
    assert_eq!(
        (columns.series.as_str(), columns.reading.as_str()),
        ("site", "load")
    );
    assert_eq!(found.time_column.as_deref(), Some("when"));
    let series = found.series;
    let place = |name: &str| series.nodes.iter().position(|n| n == name).unwrap();
    let (north, south) = (place("north"), place("south"));
    assert_eq!((series.nodes.len(), series.steps()), (2, 72));
    assert_eq!(series.at(25, north), 1.0);
    assert_eq!(series.at(25, south), 54.0);
    assert!(series.at(3, south).is_nan() && series.at(71, south).is_nan());
    assert_eq!(series.at(71, north), 23.0);
    assert_eq!(series.calendar.periods, [24]);
    let kinds: Vec<&str> = found.findings.iter().map(|f| f.kind.as_str()).collect();
    assert!(kinds.contains(&"other-columns"), "{kinds:?}");

    // Series that are numbered are found, too: the sensor is as good a name as the site, and comes later.
    let numbered = text.replace("north", "1").replace("south", "2");
    let found = of(&numbered, &|o| o.series = Some("sensor".into())).unwrap();
    assert_eq!(found.series.nodes.len(), 2);
    let found = of(&numbered, &|_| ()).unwrap();
    assert_eq!(found.long.unwrap().series, "site");

    let twice = format!("{text}north,2024-03-02 05:00:00,1,7\n");
    let nameless = text.replacen("south", "", 1);
    let cases = [
        (
            of(&text, &|o| o.reading = None),
            "several columns of numbers (`load`, `sensor`)",
        ),
        (
            of(&text, &|o| o.reading = Some("laod".into())),
            "did you mean `load`?",
        ),
        (
            of(&text, &|o| o.reading = Some("when".into())),
            "tells the time or the series",
        ),
        (
            of(&text, &|o| o.series = Some("sit".into())),
            "did you mean `site`?",
        ),
        (
            of(&twice, &|o| o.series = Some("site".into())),
            "`north` has a reading at `2024-03-02 05:00:00` already",
        ),
        (
            of(&nameless, &|o| o.series = Some("site".into())),
            "does not say which series",
        ),
        (of(&hourly(48), &|_| ()), "all series are predicted"),
        (
            of("site,load\na,1\nb,2\n", &|o| o.series = Some("site".into())),
            "no column is one of times",
        ),
    ];
    each_is_said(cases);
}

#[test]
fn what_is_known_ahead_reaches_beyond_the_last_reading() {
    let folder = tempfile::tempdir().unwrap();
    let of = |text: &str, known: &[&str]| {
        std::fs::write(folder.path().join("values.csv"), text).unwrap();
        let options = SeriesOptions {
            known_ahead: known.iter().map(|name| (*name).to_owned()).collect(),
            ..SeriesOptions::default()
        };
        read(folder.path(), &options)
    };
    // Two days of one series; of the third only what is known ahead, and one row is missing.
    let mut text = "date,a,sale,heat\n".to_owned();
    for t in (0..72).filter(|t| *t != 50) {
        let (day, hour) = (1 + t / 24, t % 24);
        let reading = if t < 48 {
            (t % 24).to_string()
        } else {
            String::new()
        };
        writeln!(
            text,
            "2024-03-{day:02} {hour:02}:00:00,{reading},{},{t}.5",
            t % 2
        )
        .unwrap();
    }
    let series = of(&text, &["heat", "sale"]).unwrap().series;
    assert_eq!(
        (series.nodes.as_slice(), series.steps()),
        (&["a".to_owned()][..], 48)
    );
    let known = series.known.unwrap();
    assert_eq!((known.names.len(), known.moments()), (2, 72));
    assert_eq!((known.at(71, 0, 0), known.at(71, 1, 0)), (71.5, 1.0));
    assert!(known.at(50, 0, 0).is_nan() && known.at(72, 0, 0).is_nan());

    // A row for each series and moment: each series has its own.
    let mut text = "shop,date,sold,price\n".to_owned();
    for t in 0..60 {
        for shop in 0..3 {
            let (day, hour) = (1 + t / 24, t % 24);
            let sold = if t < 48 {
                (t + shop).to_string()
            } else {
                String::new()
            };
            writeln!(
                text,
                "s{shop},2024-03-{day:02} {hour:02}:00:00,{sold},{}",
                t * 10 + shop
            )
            .unwrap();
        }
    }
    let found = of(&text, &["price"]).unwrap();
    assert_eq!(found.long.unwrap().reading, "sold");
    let series = found.series;
    assert_eq!((series.nodes.len(), series.steps()), (3, 48));
    let known = series.known.unwrap();
    assert_eq!((known.series, known.moments()), (3, 60));
    assert_eq!((known.at(59, 0, 2), known.at(3, 0, 1)), (592.0, 31.0));

    // A series that is left out takes along what was known of it.
    let options = SeriesOptions {
        known_ahead: vec!["price".into()],
        ignore: vec!["s1".into()],
        ..SeriesOptions::default()
    };
    let series = read(folder.path(), &options).unwrap().series;
    assert_eq!(series.nodes, ["s0", "s2"]);
    assert_eq!(series.known.unwrap().at(59, 0, 1), 592.0);

    let cases = [
        (of(&text, &["prize"]), "did you mean `price`?"),
        (
            of(&text.replace(",10\n", ",ten\n"), &["price"]),
            "`price` holds no numbers",
        ),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn moments_without_a_row_are_filled_in() {
    let whole = hourly(60);
    let kept: Vec<&str> = whole
        .lines()
        .enumerate()
        .filter(|(i, _)| *i != 11 && *i != 12)
        .map(|(_, l)| l)
        .collect();
    let found = of(&[("values.csv", &kept.join("\n"))]).unwrap();
    assert_eq!(found.series.steps(), 60);
    assert!(found.series.at(10, 0).is_nan() && found.series.at(11, 0).is_nan());
    assert_eq!(found.series.at(12, 2), 12.0);
    let kinds: Vec<&str> = found.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, ["missing-moments", "missing-readings", "periods"]);
}

#[test]
fn what_is_wrong_is_said_with_its_row() {
    let base = hourly(48);
    let lines: Vec<&str> = base.lines().collect();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        change(&mut lines);
        of(&[("values.csv", &lines.join("\n"))]).map(|_| ())
    };
    let matrix = |text: &str| of(&[("values.csv", &base), ("adjacency.csv", text)]).map(|_| ());
    type Case = (Result<(), SeriesError>, &'static str);
    let cases: [Case; 9] = [
        (with(&|l| l.swap(5, 9)), "row 6"),
        (with(&|l| l[7] = l[6].clone()), "row 7"),
        (
            with(&|l| l[20] = l[20].replace(":00:00", ":17:00")),
            "row 20: 1.28 hours after the row before it",
        ),
        (
            with(&|l| l[30] = l[30].replace("2024-03-02", "soon")),
            "row 30",
        ),
        (
            with(&|l| {
                for digit in 0..7 {
                    l.iter_mut().for_each(|l| {
                        *l = l.replace(&format!(",5{digit},"), &format!(",x{digit},"))
                    });
                }
            }),
            "`b` holds no numbers",
        ),
        (
            matrix("1,0\n0,1\n"),
            "2 rows and 2 columns, where there are 3 series",
        ),
        (matrix("1,0,0\n0,1,-2\n0,0,1\n"), "row 2, column 3"),
        (matrix("1,0,0\n0,1,x\n0,0,1\n"), "column 3 holds no numbers"),
        (
            of(&[("values.csv", "date\n2024-03-01\n2024-03-02\n")]).map(|_| ()),
            "no column of numbers",
        ),
    ];
    each_is_said(cases);
}

/// 30 days of cases; the first has none for long.
fn daily() -> String {
    let mut text = "date,a,b,c\n".to_owned();
    for day in 1..=30 {
        let a = if (5..10).contains(&day) { 0 } else { 90 + day };
        writeln!(text, "2020-04-{day:02},{a},{day},7").unwrap();
    }
    text
}

#[test]
fn edges_that_change_with_time_are_read_and_who_is_in_one_table_alone_is_told() {
    let moving = "date,from,to,people\n2020-04-02,a,b,3\n2020-04-02,a,a,50\n2020-04-02,z,b,9\n2020-04-03,b,a,2.5\n2020-05-01,a,b,1\n";
    let found = of(&[("values.csv", &daily()), ("mobility.csv", moving)]).unwrap();
    let series = found.series;
    assert_eq!(series.calendar.periods, [7]);
    assert!(series.graph.is_none() && series.are_joined() && series.are_counts());
    // Days without cases are no dead sensor.
    assert_eq!(series.at(6, 0), 0.0);
    let flows = series.flows.unwrap();
    assert_eq!(flows.steps(), 30);
    assert_eq!(flows.at(1), [(0, 0, 50.0), (0, 1, 3.0)]);
    assert_eq!(flows.at(2), [(1, 0, 2.5)]);
    let of_kind = |kind: &str| found.findings.iter().find(|f| f.kind == kind).unwrap();
    assert_eq!(of_kind("nodes-only-in-flows").columns, ["z"]);
    assert_eq!(of_kind("nodes-without-flows").columns, ["c"]);
    assert!(
        of_kind("moments-without-flows")
            .message
            .starts_with("28 of 30 moments")
    );
}

#[test]
fn what_is_wrong_with_edges_that_change_is_said() {
    let with = |values: &str, moving: &str| {
        let error = of(&[("values.csv", values), ("mobility.csv", moving)]).unwrap_err();
        assert!(!error.hints().is_empty());
        error.to_string()
    };
    let values = daily();
    let cases = [
        (
            with(&values, "date,from,to\n2020-04-02,a,b\n"),
            "it needs four",
        ),
        (
            with(&values, "date,from,to,people\n2020-04-02,x,y,1\n"),
            "none of its names",
        ),
        (
            with(&values, "date,from,to,people\n2021-04-02,a,b,1\n"),
            "none of its times",
        ),
        (
            with(&values, "date,from,to,people\n2020-04-02,a,b,-1\n"),
            "row 1: a flow cannot be -1",
        ),
        (
            with(
                &values,
                "date,from,to,people\n2020-04-02,a,b,1\nsoon,a,b,1\n",
            ),
            "row 2: `soon`",
        ),
        (
            with(&values, "date,from,to,people\n2020-04-02,a,b,many\n"),
            "`people` holds no numbers",
        ),
        (
            with(
                "a,b\n1,2\n3,4\n5,6\n",
                "date,from,to,people\n2020-04-02,a,b,1\n",
            ),
            "those of the series are not known",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}");
    }
}

/// A frame that pandas wrote: 48 moments of four sensors, one of which does not read four times.
fn published(folder: &Path) -> std::path::PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/tests/files/metr-la.h5");
    let path = folder.join("metr-la.h5");
    std::fs::copy(from, &path).unwrap();
    path
}

fn kinds(found: &ReadSeries) -> Vec<&str> {
    found.findings.iter().map(|f| f.kind.as_str()).collect()
}

#[test]
fn a_published_frame_with_distances_beside_it_is_series_on_a_graph() {
    let folder = tempfile::tempdir().unwrap();
    let path = published(folder.path());
    let read = |path: &Path| {
        read_series(
            &SeriesSource::detect(path, true).unwrap(),
            &SeriesOptions::default(),
        )
    };
    let alone = read(&path).unwrap();
    assert_eq!(alone.series.nodes, ["773869", "767541", "767542", "717447"]);
    assert_eq!(
        (alone.series.steps(), alone.series.calendar.step),
        (48, Some(300.0))
    );
    assert!(alone.series.graph.is_none());
    assert_eq!(alone.time_column.as_deref(), Some("time"));
    assert!(kinds(&alone).contains(&"dead-readings"));
    assert!(alone.series.at(11, 2).is_nan());

    // As published: also of places that are no series, from each place to itself, and for other cities.
    let distances = "from,to,cost\n773869,773869,0\n773869,767541,100\n767541,767542,2000\n767542,773869,9000\n1,773869,5\n";
    std::fs::write(folder.path().join("distances_la_2012.csv"), distances).unwrap();
    std::fs::write(
        folder.path().join("distances_bay_2017.csv"),
        "from,to,cost\n400001,400017,5\n",
    )
    .unwrap();
    let found = read(&path).unwrap();
    let graph = found.series.graph.unwrap();
    // The standard deviation of 0, 100, 2,000 and 9,000 is 3,681; only the first three are nearer than 1.5 of it.
    assert_eq!(graph.edges, [(0, 1), (1, 2)]);
    assert!(
        (graph.weights[1] - (-(2000f32 / 3681.4).powi(2)).exp()).abs() < 1e-3,
        "{graph:?}"
    );
    let notes = found.facts.notes.join("; ");
    assert!(
        notes.contains("1 rows name places that are no series"),
        "{notes}"
    );
    assert!(notes.contains("1 of 4 series have no distance"), "{notes}");

    // A matrix says more than distances; of the wrong size it is refused.
    let matrix = folder.path().join("adjacency.csv");
    std::fs::write(&matrix, "1,0,0,0\n0,1,1,0\n0,0,1,0\n0,0,0,1\n").unwrap();
    assert_eq!(read(&path).unwrap().series.graph.unwrap().edges, [(1, 2)]);
    std::fs::write(&matrix, "1,0\n0,1\n").unwrap();
    assert!(
        read(&path)
            .unwrap_err()
            .to_string()
            .contains("where there are 4 series")
    );
    std::fs::remove_file(&matrix).unwrap();
    std::fs::remove_file(folder.path().join("distances_la_2012.csv")).unwrap();
    assert!(
        read(&path)
            .unwrap_err()
            .to_string()
            .contains("none of its names")
    );
    std::fs::write(
        folder.path().join("distances_bay_2017.csv"),
        "from,to,cost\n773869,767541,-5\n",
    )
    .unwrap();
    assert!(
        read(&path)
            .unwrap_err()
            .to_string()
            .contains("row 1: a distance cannot be -5")
    );

    // In a folder, under the name of values.
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::rename(&path, inside.join("values.h5")).unwrap();
    std::fs::write(inside.join("edges.csv"), "from,to\n773869,767541\n").unwrap();
    assert_eq!(read(&inside).unwrap().series.graph.unwrap().edges, [(0, 1)]);
}

#[test]
fn recorded_data_sets_of_the_archive_are_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let sets = [
        ("chickenpox_hungary/chickenpox.json.gz", 521, "BACS", 82, 20),
        ("pedalme_london/pedalme_london.json.gz", 35, "0", 210, 15),
    ];
    for (name, steps, first, edges, nodes) in sets {
        let path = data.join(name);
        let Some(source) = SeriesSource::detect(&path, false) else {
            eprintln!("skipped: there is no {}", path.display());
            continue;
        };
        let found = read_series(&source, &SeriesOptions::default()).unwrap();
        let graph = found.series.graph.as_ref().unwrap();
        assert_eq!(
            (
                found.series.steps(),
                found.series.nodes[0].as_str(),
                graph.edges.len(),
                graph.nodes
            ),
            (steps, first, edges, nodes),
            "{name}"
        );
    }
}

/// Hourly times of a clock in a zone that is put forward on the last day of March 2024, and back on the 27th of October.
fn clock(from: &str, hours: &[u32], zones: Option<&[&str]>) -> String {
    let mut text = "date,a\n".to_owned();
    for (place, hour) in hours.iter().enumerate() {
        let zone = zones.map_or("", |zones| zones[place]);
        writeln!(text, "{from}T{hour:02}:00{zone},{place}").unwrap();
    }
    text
}

#[test]
fn an_hour_that_a_clock_leaves_out_is_a_gap_and_one_that_it_repeats_needs_its_zone() {
    let spring = of(&[(
        "values.csv",
        &clock("2024-03-31", &[0, 1, 3, 4, 5, 6], None),
    )])
    .unwrap();
    assert_eq!(spring.series.steps(), 7);
    assert!(spring.series.at(2, 0).is_nan() && kinds(&spring).contains(&"missing-moments"));
    let hours = [0, 1, 2, 2, 3, 4];
    let autumn = of(&[("values.csv", &clock("2024-10-27", &hours, None))]).unwrap_err();
    assert!(autumn.to_string().contains("row 4"), "{autumn}");
    assert!(
        autumn
            .hints()
            .iter()
            .any(|hint| hint.contains("clock was put back"))
    );
    // Of minutes the hour comes again from its beginning.
    let minutes =
        "date,a\n2024-10-27T02:30,1\n2024-10-27T02:45,2\n2024-10-27T02:00,3\n2024-10-27T02:15,4\n";
    let again = of(&[("values.csv", minutes)]).unwrap_err();
    assert!(
        again
            .hints()
            .iter()
            .any(|hint| hint.contains("clock was put back")),
        "{again}"
    );
    let zones = ["+02:00", "+02:00", "+02:00", "+01:00", "+01:00", "+01:00"];
    let zoned = of(&[("values.csv", &clock("2024-10-27", &hours, Some(&zones)))]).unwrap();
    assert_eq!(
        (zoned.series.steps(), zoned.series.calendar.step),
        (6, Some(3600.0))
    );
    // 00:00+02:00 is two hours before midnight of the world's time.
    assert_eq!(zoned.series.calendar.start, Some(1_729_980_000.0));
    assert!(!kinds(&zoned).contains(&"missing-moments"));
}

#[test]
fn counts_below_zero_and_series_that_begin_late_are_told() {
    let mut text = "date,a,b,new\n".to_owned();
    for day in 1..=30 {
        let a = if day == 12 { -4 } else { 90 + day };
        let new = if day > 20 {
            day.to_string()
        } else {
            String::new()
        };
        writeln!(text, "2020-04-{day:02},{a},{day},{new}").unwrap();
    }
    let found = of(&[("values.csv", &text)]).unwrap();
    let of_kind = |kind: &str| found.findings.iter().find(|f| f.kind == kind).unwrap();
    assert_eq!(of_kind("negative-counts").columns, ["a"]);
    assert_eq!(found.series.at(11, 0), -4.0);
    assert_eq!(of_kind("series-begin-late").columns, ["new"]);
    assert!(
        of_kind("series-begin-late")
            .message
            .contains("moment 21 of 30")
    );
    // Degrees are of both signs.
    let degrees = text.replace(",1,", ",-1.5,");
    assert!(!kinds(&of(&[("values.csv", &degrees)]).unwrap()).contains(&"negative-counts"));
}

#[test]
fn a_frame_that_python_makes_now_is_read() {
    let python = std::env::var("CANDOR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = r#"
import sys
import numpy as np, pandas as pd, tables, h5py
times = pd.date_range("2017-01-01", periods=500, freq="5min")
values = np.round(60 + np.random.default_rng(1).normal(size=(500, 30)), 3)
frame = pd.DataFrame(values, index=times, columns=[str(400000 + i) for i in range(30)])
frame.to_hdf("plain.h5", key="speed", mode="w")
frame.to_hdf("packed.h5", key="df", mode="w", complevel=9, complib="zlib")
frame.to_hdf("blosc.h5", key="df", mode="w", complevel=5, complib="blosc")
frame.to_hdf("table.h5", key="df", mode="w", format="table")
frame.tz_localize("Europe/Paris").to_hdf("zone.h5", key="df", mode="w")
with h5py.File("own.h5", "w") as file:
    file.create_dataset("values", data=values, chunks=(37, 7), compression="gzip", shuffle=True, fletcher32=True)
    file["sensors"] = [str(400000 + i) for i in range(30)]
with h5py.File("latest.h5", "w", libver="latest") as file:
    file["values"] = values.astype(">f4")
frame.to_csv("same.csv", index_label="time")
"#;
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new(&python)
        .args(["-c", script])
        .current_dir(folder.path())
        .output();
    if !made.as_ref().is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("CANDOR_REQUIRE_TOOLS").is_none(),
            "`{python}` with pandas, PyTables and h5py is required: {made:?}"
        );
        eprintln!("skipped: `{python}` has no pandas, PyTables and h5py (set CANDOR_PYTHON)");
        return;
    }
    let read = |name: &str| {
        let source = SeriesSource::detect(&folder.path().join(name), true).unwrap();
        read_series(&source, &SeriesOptions::default())
    };
    let same = read("same.csv").unwrap().series;
    for name in ["plain.h5", "packed.h5"] {
        assert_eq!(read(name).unwrap().series, same, "{name}");
    }
    let own = read("own.h5").unwrap().series;
    assert_eq!((&own.values, &own.nodes), (&same.values, &same.nodes));
    assert_eq!(read("latest.h5").unwrap().series.values, same.values);
    let zoned = read("zone.h5").unwrap();
    assert_eq!(zoned.series.calendar.start, Some(1_483_228_800.0 - 3600.0));
    assert!(
        zoned
            .facts
            .notes
            .iter()
            .any(|note| note.contains("Europe/Paris")),
        "{:?}",
        zoned.facts.notes
    );
    for (name, expected) in [
        ("blosc.h5", "packed by Blosc"),
        ("table.h5", "format=\"fixed\""),
    ] {
        let error = read(name).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn bytes_of_any_kind_give_no_panic() {
    let stream = &mut candor_core::Seed(1).stream("bytes", &[]);
    for length in [0usize, 1, 3, 50, 400] {
        for _ in 0..20 {
            let alphabet = b"0123456789,.;-\n\nabcdate: \"\x00\xff";
            let bytes: Vec<u8> = (0..length)
                .map(|_| alphabet[rand::RngExt::random_range(&mut *stream, 0..alphabet.len())])
                .collect();
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("values.csv"), daily()).unwrap();
            let head = b"date,from,to,people\n2020-04-02,a,b,1\n";
            std::fs::write(
                folder.path().join("mobility.csv"),
                [&head[..], &bytes].concat(),
            )
            .unwrap();
            let _ = read(folder.path(), &SeriesOptions::default());
            std::fs::remove_file(folder.path().join("mobility.csv")).unwrap();
            std::fs::write(folder.path().join("values.csv"), &bytes).unwrap();
            std::fs::write(folder.path().join("edges.csv"), &bytes).unwrap();
            let _ = read(folder.path(), &SeriesOptions::default());
            std::fs::remove_file(folder.path().join("edges.csv")).unwrap();
            std::fs::write(folder.path().join("distances.csv"), &bytes).unwrap();
            let _ = read(folder.path(), &SeriesOptions::default());
            std::fs::write(folder.path().join("adjacency.csv"), &bytes).unwrap();
            let _ = read(folder.path(), &SeriesOptions::default());
            let recorded = folder.path().join("weeks.json");
            std::fs::write(
                &recorded,
                [b"{\"X\": [[1]], \"edges\": [", &bytes[..]].concat(),
            )
            .unwrap();
            let _ = read(&recorded, &SeriesOptions::default());
            let packed = folder.path().join("weeks.json.gz");
            std::fs::write(&packed, [&[0x1f, 0x8b, 8, 0], &bytes[..]].concat()).unwrap();
            let _ = read(&packed, &SeriesOptions::default());
        }
    }
}
