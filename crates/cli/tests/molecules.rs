//! Molecules, from a table to answers.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use support::{candor, command, parts_known_from_foreign, result_of};

/// Chains and rings with all pairs of some groups at their ends, and a number that grows with nitrogen.
fn molecules() -> Vec<(String, f64)> {
    // Each as it is written before and after what it is bound to, and what it adds.
    let groups = [
        ("C", "C", 0.0),
        ("N", "N", 1.0),
        ("O", "O", 0.2),
        ("F", "F", 0.0),
        ("Cl", "Cl", 0.1),
        ("N#C", "C#N", 1.1),
        ("CN(C)", "N(C)C", 1.2),
        ("CO", "OC", 0.1),
    ];
    let mut rows = Vec::new();
    for (i, (before, _, first)) in groups.iter().enumerate() {
        for (_, after, second) in &groups[i..] {
            let value = first + second;
            rows.push((format!("{before}CC{after}"), value));
            rows.push((format!("{before}CCCC{after}"), value));
            rows.push((format!("{before}C1CCC({after})CC1"), value + 0.5));
            rows.push((format!("{before}c1ccc({after})cc1"), value + 0.5));
        }
    }
    rows
}

fn csv(extra: &str) -> String {
    let rows = molecules().into_iter().enumerate().map(|(i, (smiles, y))| {
        // Another column, which models of molecules do not look at.
        format!("m{i},{},{smiles},{y}\n", i % 7)
    });
    format!("name,batch,smiles,y\n{}{extra}", rows.collect::<String>())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What the service says of a body of JSON.
fn served(at: &Path, body: &str) -> Value {
    let mut child = command(at, &["serve", "r", "--address", "127.0.0.1:0"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap();
    let mut stream = TcpStream::connect(address.split(';').next().unwrap()).unwrap();
    let request = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    json(said.split("\r\n\r\n").nth(1).unwrap())
}

#[test]
fn a_table_with_structures_becomes_a_model_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let long = "C".repeat(5_000);
    let broken = format!("broken,1,C1CC,0.5\nempty,2,,0.5\nlong,3,{long},0.5\n");
    std::fs::write(at.join("molecules.csv"), csv(&broken)).unwrap();

    let check = candor(at, &["check", "molecules.csv", "--json"]);
    assert_eq!(check.status, 0, "{}", check.err);
    let checked = json(&check.out);
    assert_eq!(checked["source"]["modality"], "molecule");
    assert_eq!(checked["source"]["decision"]["target"]["names"][0], "y");
    for kind in [
        "unreadable-structures",
        "missing-structures",
        "columns-beside-structures",
    ] {
        assert!(check.out.contains(kind), "{kind}: {}", check.out);
    }

    let fit = candor(
        at,
        &[
            "fit",
            "molecules.csv",
            "--trials",
            "3",
            "--seed",
            "2",
            "--out",
            "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    for part in [
        "147 molecules",
        "nitrogen",
        "added salt",
        "one atom exchanged",
        "scaffolds",
        "What single answers rest on",
    ] {
        assert!(report.contains(part), "the report lacks `{part}`");
    }

    // The columns beside the structure are not needed, and a row that cannot be read does not stop the others.
    let rows = "smiles\nNCCN\nCCCC\nNot a molecule\nNc1ccc(N)cc1\n";
    std::fs::write(at.join("new.csv"), rows).unwrap();
    let said = candor(at, &["predict", "r", "new.csv", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out)["answers"].take();
    let mean = |i: usize| answers[i]["prediction"]["mean"][0].as_f64().unwrap();
    assert!((mean(0) - 2.0).abs() < 0.6, "{}", mean(0));
    assert!(mean(1).abs() < 0.6, "{}", mean(1));
    assert!((mean(3) - 2.5).abs() < 0.6, "{}", mean(3));
    assert_eq!(answers[2]["prediction"]["kind"], "nothing");
    assert_eq!(answers[2]["abstained"], "unreadable");
    let reason = answers[2]["reason"].as_str().unwrap();
    assert!(reason.contains("cannot be read"), "{reason}");
    let table = candor(at, &["predict", "r", "new.csv"]);
    assert!(table.out.contains("Nc1ccc(N)cc1"), "{}", table.out);

    // Molecules of another world: drugs, a peptide, a fat, silicone.
    let foreign = "smiles\n\
        C[Si](C)(C)O[Si](C)(C)O[Si](C)(C)C\nCn1cnc2c1c(=O)n(C)c(=O)n2C\nNC(CS)C(=O)NCC(=O)NC(CCCNC(N)=N)C(=O)O\n\
        CCCCCCCCCCCCCCCCCC(=O)OCC(O)COC(=O)CCCCCCCCCCCCCCCCC\nCC12CCC3c4ccc(O)cc4CCC3C1CCC2O\nCC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O\n\
        FC(F)(F)c1ccc(cc1)S(=O)(=O)Nc1nccs1\nBrc1c(Br)c(Br)c(Br)c(Br)c1Br\nc1ccc2c(c1)ccc1c3ccccc3ccc21\n\
        OP(=O)(O)OP(=O)(O)O\n";
    std::fs::write(at.join("foreign.csv"), foreign).unwrap();
    parts_known_from_foreign(at, "r", "molecules.csv", "foreign.csv");

    // What a prediction rests on: nitrogen, here; by its structure, or by its row.
    let ask = ["explain", "r", "new.csv", "--unit", "NCCN", "--unit", "4"];
    let said = candor(at, &[&ask[..], &["--draw", "atoms", "--json"]].concat());
    assert_eq!(said.status, 0, "{}", said.err);
    let explained = json(&said.out);
    let weights = explained[0]["explanation"]["weights"].as_array().unwrap();
    let weight = |atom: usize| weights[atom].as_f64().unwrap();
    assert_eq!(weights.len(), 4);
    assert!(
        weight(0).min(weight(3)) > weight(1).max(weight(2)),
        "{weights:?}"
    );
    assert_eq!(explained[1]["explanation"]["unit"], "Nc1ccc(N)cc1");
    assert!(at.join("atoms/row-1.svg").is_file() && at.join("atoms/row-4.svg").is_file());
    let text = candor(at, &ask);
    assert!(
        text.out.contains("NCCN: ") && text.out.contains("atom"),
        "{}",
        text.out
    );
    for (unit, part) in [
        ("3", "cannot be read"),
        ("5", "none of"),
        ("CCCCC", "none of"),
    ] {
        let said = candor(at, &["explain", "r", "new.csv", "--unit", unit]);
        assert_eq!(said.status, 2, "{}", said.out);
        assert!(said.err.contains(part), "{}", said.err);
    }

    // The same molecules, written otherwise, in a file of molecules.
    std::fs::write(at.join("new.smi"), "C(CN)N first\nc1(ccc(cc1)N)N second\n").unwrap();
    let others = json(&candor(at, &["predict", "r", "new.smi", "--json"]).out)["answers"].take();
    let other = |i: usize| others[i]["prediction"]["mean"][0].as_f64().unwrap();
    assert!((other(0) - mean(0)).abs() < 1e-4);
    assert!((other(1) - mean(3)).abs() < 1e-4);

    let body = r#"{"rows": [{"smiles": "NCCN"}, {"smiles": "C(("}, {"smiles": null}]}"#;
    let served = served(at, body);
    let first = served["answers"][0]["prediction"]["mean"][0]
        .as_f64()
        .unwrap();
    assert!((first - mean(0)).abs() < 1e-4, "{served}");
    for row in [1, 2] {
        assert_eq!(
            served["answers"][row]["prediction"]["kind"], "nothing",
            "{served}"
        );
    }

    // A library, in which one molecule is looked for, written otherwise; one that is known, and one that is not there.
    let library: String = molecules()
        .iter()
        .enumerate()
        .map(|(i, (smiles, _))| format!("{smiles}\tm{i}\n"))
        .collect();
    std::fs::write(at.join("library.smi"), library + "OCCNc1ccc(N)cc1\tnew\n").unwrap();
    let screened = candor(
        at,
        &[
            "screen",
            "r",
            "library.smi",
            "--picks",
            "2",
            "--find",
            "c1cc(ccc1N)NCCO",
            "--find",
            "C(CN)N",
            "--find",
            "CC(C)(C)C",
            "--draw",
            "drawn",
            "--json",
        ],
    );
    assert_eq!(screened.status, 0, "{}", screened.err);
    let screened = json(&screened.out);
    let found = |i: usize| screened["found"][i]["places"].as_array().unwrap().clone();
    assert_eq!((found(0).len(), found(2).len()), (1, 0));
    let new = &found(0)[0];
    assert_eq!(new["row"], 145);
    assert_eq!(new["known"], false);
    let rank = new["rank"].as_u64().unwrap() as usize;
    if let Some(candidate) = screened["candidates"].as_array().unwrap().get(rank - 1) {
        assert_eq!(candidate["row"], 145, "{candidate}");
    }
    assert!(found(1)[0]["nearest"][0].as_f64().unwrap() > 0.1);
    let drawn = std::fs::read_to_string(at.join("drawn/row-145.svg")).unwrap();
    assert!(drawn.contains("<circle") && drawn.ends_with("</svg>"));
    assert_eq!(screened["explanations"].as_array().unwrap().len(), 4);
    let unreadable = candor(at, &["screen", "r", "library.smi", "--find", "C(("]);
    assert_eq!(unreadable.status, 2, "{}", unreadable.err);
    assert!(unreadable.err.contains("C(("), "{}", unreadable.err);

    let missing = "name\nNothing here\n";
    std::fs::write(at.join("missing.csv"), missing).unwrap();
    let said = candor(at, &["predict", "r", "missing.csv"]);
    assert_eq!(said.status, 2, "{}", said.err);
    assert!(said.err.contains("`smiles`"), "{}", said.err);
}

#[test]
fn the_same_seed_gives_the_same_networks_with_one_job_and_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let table = csv("");
    let few: Vec<&str> = table.lines().step_by(3).collect();
    std::fs::write(at.join("few.csv"), few.join("\n") + "\n").unwrap();
    for jobs in ["1", "2"] {
        let out = format!("r{jobs}");
        let fit = candor(
            at,
            &[
                "fit", "few.csv", "--trials", "3", "--jobs", jobs, "--out", &out,
            ],
        );
        assert!(fit.status <= 1, "{}", fit.err);
    }
    assert_eq!(result_of(&at.join("r1")), result_of(&at.join("r2")));
}

#[test]
fn scaffolds_are_kept_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Each ring by itself is a scaffold, and all chains are one.
    let rings = [
        "C1CC1", "C1CCC1", "C1CCCC1", "c1ccccc1", "c1ccncc1", "c1ccoc1", "c1ccsc1",
    ];
    let chains = ["", "C", "CC", "CCC", "O", "CO", "CCO", "N"];
    let mut table = "smiles,y\n".to_owned();
    for ring in rings.into_iter().chain(["CCCC"]) {
        for (i, chain) in chains.into_iter().enumerate() {
            table += &format!("{chain}{ring},{}\n", i + ring.len());
        }
    }
    std::fs::write(at.join("rings.csv"), table).unwrap();
    let arguments = [
        "search",
        "rings.csv",
        "--trials",
        "2",
        "--split",
        "scaffold",
        "--out",
        "r",
    ];
    let search = candor(at, &arguments);
    assert_eq!(search.status, 0, "{}", search.err);
    let prepared = std::fs::read_to_string(at.join("r/3-prepared/result.json")).unwrap();
    let split = &json(&prepared)["split"];
    assert_eq!(split["rule"], "scaffold");
    let test = split["test"].as_array().unwrap();
    // Each scaffold has eight molecules, one after the other.
    assert!(!test.is_empty() && test.len().is_multiple_of(8), "{test:?}");
    let scaffolds = |row: &Value| row.as_u64().unwrap() / 8;
    let inside: std::collections::BTreeSet<u64> = test.iter().map(scaffolds).collect();
    assert_eq!(test.len(), 8 * inside.len());

    let tables = "a,b,y\n".to_owned() + &"1,2,3\n4,5,6\n".repeat(20);
    std::fs::write(at.join("table.csv"), tables).unwrap();
    let arguments = [
        "search",
        "table.csv",
        "--trials",
        "2",
        "--split",
        "scaffold",
        "--out",
        "t",
    ];
    let said = candor(at, &arguments);
    assert_eq!(said.status, 2, "{}", said.err);
    assert!(said.err.contains("a column of molecules"), "{}", said.err);
}

#[test]
fn several_labels_with_gaps_become_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut table = "smiles,\"nitrogen, much\",ring,odd\n".to_owned();
    for (i, (smiles, value)) in molecules().into_iter().enumerate() {
        let much = u8::from(value > 1.0).to_string();
        let ring = u8::from(smiles.contains('1')).to_string();
        let gap = |text: String, every: usize| if i % every == 1 { String::new() } else { text };
        table += &format!("{smiles},{},{},{}\n", gap(much, 5), gap(ring, 7), i % 2);
    }
    std::fs::write(at.join("labels.csv"), table).unwrap();
    let fit = candor(
        at,
        &[
            "fit",
            "labels.csv",
            "--target",
            "nitrogen, much,ring",
            "--trials",
            "3",
            "--metric",
            "roc_auc",
            "--out",
            "r",
        ],
    );
    assert!(fit.status <= 1, "{}", fit.err);
    let report = std::fs::read_to_string(at.join("r/report.html")).unwrap();
    assert!(report.contains("What single answers rest on"));
    std::fs::write(at.join("new.smi"), "NCCN\nCCCC\nCc1ccc(C)cc1\n").unwrap();
    let said = candor(at, &["predict", "r", "new.smi", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let answers = json(&said.out)["answers"].take();
    let rings: Vec<f64> = (0..3)
        .map(|i| {
            answers[i]["prediction"]["probabilities"][1]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert!(rings[2] > rings[0] && rings[2] > rings[1], "{rings:?}");
    let by = ["screen", "r", "new.smi", "--by", "ring", "--json"];
    let screened = json(&candor(at, &by).out);
    assert_eq!(screened["candidates"][0]["row"], 3, "{screened}");
}

#[test]
fn what_is_no_table_of_molecules_stays_a_table_or_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let words = ["CO", "IN", "OH", "NO", "SC", "PA", "WI", "CN"];
    let rows = |text: &dyn Fn(usize) -> String| {
        let row = |i: usize| format!("{},{}\n", text(i), i % 5);
        "state,y\n".to_owned() + &(0..80).map(row).collect::<String>()
    };
    std::fs::write(at.join("states.csv"), rows(&|i| words[i % 8].to_owned())).unwrap();
    let check = json(&candor(at, &["check", "states.csv", "--json"]).out);
    assert_eq!(check["source"]["modality"], "table");

    // A person may say so, too.
    std::fs::write(at.join("molecules.csv"), csv("")).unwrap();
    let check = candor(
        at,
        &["check", "molecules.csv", "--ignore", "smiles", "--json"],
    );
    assert_eq!(json(&check.out)["source"]["modality"], "table");
    let off = ["check", "molecules.csv", "--without", "mixtures", "--json"];
    assert_eq!(candor(at, &off).status, 0);

    let labels: String = (0..40).map(|i| format!("C{}O,\n", "C".repeat(i))).collect();
    for (i, (name, text, part)) in [
        ("empty.smi", String::new(), "empty"),
        ("nothing.sdf", "no records here\n".to_owned(), "nothing.sdf"),
        ("unknown.csv", format!("smiles,y\n{labels}"), "y"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(at.join(name), text).unwrap();
        let out = format!("r{i}");
        let said = candor(
            at,
            &["fit", name, "--trials", "2", "--target", "y", "--out", &out],
        );
        assert_eq!(said.status, 2, "{name}: {}", said.err);
        assert!(said.err.contains(part), "{name}: {}", said.err);
    }
}

#[test]
fn one_network_of_molecules_may_doubt_itself() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("molecules.csv"), csv("")).unwrap();
    for method in ["laplace", "dropout"] {
        let fit = [
            "fit",
            "molecules.csv",
            "--trials",
            "3",
            "--steps",
            "60",
            "--out",
            method,
        ];
        let fit = candor(at, &[&fit[..], &["--uncertainty", method]].concat());
        assert!(fit.status <= 1, "{}", fit.err);
        let answers = support::answers(at, method, "molecules.csv");
        assert!(!answers.is_empty());
        for answer in answers {
            let part = |name: &str| answer[name].as_f64().unwrap();
            assert!(
                part("epistemic") > 0.0 && part("aleatoric") > 0.0,
                "{answer}"
            );
        }
    }
    let evidential = candor(at, &["fit", "molecules.csv", "--uncertainty", "evidential"]);
    assert_eq!(evidential.status, 2);
    assert!(
        evidential.err.contains("collapse on small data"),
        "{}",
        evidential.err
    );
}
