//! Series from files, whole and broken.
#![allow(clippy::unwrap_used)]

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
    for (place, (result, expected)) in cases.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "case {place}: {error}"
        );
        assert!(!error.hints().is_empty());
    }
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
            std::fs::write(folder.path().join("adjacency.csv"), &bytes).unwrap();
            let _ = read(folder.path(), &SeriesOptions::default());
        }
    }
}
