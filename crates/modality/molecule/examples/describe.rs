//! Says what is perceived of each SMILES string on standard input, one line each, for comparison with RDKit.
//!
//! Run with: `cargo run --release -p candor-molecule --example describe < strings.smi`

use std::io::{BufRead, Write};

use candor_molecule::{Molecule, Reader};

#[path = "../tests/describe/mod.rs"]
mod describe;

fn main() -> std::io::Result<()> {
    let mut reader = Reader::default();
    let mut molecule = Molecule::default();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for text in std::io::stdin().lock().lines() {
        match reader.read(&text?, &mut molecule) {
            Ok(()) => writeln!(out, "{}", describe::describe(&molecule))?,
            Err(error) => writeln!(out, "error\t{error}")?,
        }
    }
    Ok(())
}
