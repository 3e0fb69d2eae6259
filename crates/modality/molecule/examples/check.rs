//! Says what is wrong with the structures of a file, without looking at any target.
//!
//! Run with: `cargo run --release -p candor-molecule --example check -- molecules.csv`

use std::io::Write;

use candor_core::Targets;
use candor_data::{ReadOptions, Source};
use candor_molecule::{
    Limits, Survey, curate_structures, read_molecules, scaffold_groups, structures,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a file of molecules")?;
    let read = read_molecules(&Source::parse(&path)?, &ReadOptions::default(), None)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "structures: column `{}` ({})",
        read.structures.name, read.structures.reason
    )?;
    let column = read.table.column(&read.structures.name);
    let strings = column
        .map(|column| structures(&column.values))
        .unwrap_or_default();
    let survey = Survey::of(&strings, Limits::default());
    let rows = strings.len();
    let every: Vec<usize> = (0..rows).collect();
    let targets = Targets::Classes(vec![0; rows]);
    for finding in curate_structures(&survey, &targets, &every, &read.structures.name, &[]) {
        writeln!(
            out,
            "{:?} {}: {}",
            finding.severity, finding.kind, finding.message
        )?;
    }
    let groups = scaffold_groups(&strings);
    let scaffolds = groups.iter().max().map_or(0, |most| most + 1);
    writeln!(out, "{rows} rows, {scaffolds} scaffolds")?;
    Ok(())
}
