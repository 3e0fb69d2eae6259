//! How many molecules are read and described a second, on one thread.
//!
//! Run with: `cargo run --release -p candor-molecule --example featurize -- strings.smi`, one string a line. Prints the number of
//! molecules and the seconds of each of five passes, in all and by step.

use std::time::Instant;

use candor_molecule::{AtomFeatures, Fingerprint, Molecule, MoleculeBatch, Reader};

/// Molecules in a batch.
const BATCH: usize = 64;

fn main() -> std::io::Result<()> {
    let Some(path) = std::env::args().nth(1) else {
        return Err(std::io::Error::other("name a file of SMILES strings"));
    };
    let text = std::fs::read_to_string(path)?;
    let strings: Vec<&str> = text.lines().collect();
    let mut reader = Reader::default();
    let mut molecule = Molecule::default();
    for _ in 0..5 {
        let mut batch = MoleculeBatch::default();
        let (mut molecules, mut atoms) = (0usize, 0usize);
        let start = Instant::now();
        for chunk in strings.chunks(BATCH) {
            batch.clear();
            for string in chunk {
                if reader.read(string, &mut molecule).is_ok() {
                    batch.push(&molecule, AtomFeatures::Version2);
                }
            }
            molecules += batch.len();
            atoms += batch.atoms();
        }
        let all = start.elapsed().as_secs_f64();
        let start = Instant::now();
        for string in &strings {
            std::hint::black_box(reader.read(string, &mut molecule).is_ok());
        }
        let read = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut ones = 0;
        for string in &strings {
            if reader.read(string, &mut molecule).is_ok() {
                ones += u64::from(Fingerprint::of(&molecule).ones());
            }
        }
        let fingerprint = start.elapsed().as_secs_f64();
        write_line(&format!(
            "molecules {molecules} atoms {atoms} bits {ones} read_and_features {all:.4} read {read:.4} read_and_fingerprint {fingerprint:.4}"
        ))?;
    }
    Ok(())
}

fn write_line(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}")
}
