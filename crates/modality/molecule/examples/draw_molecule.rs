//! Draws a molecule.
//!
//! Run with: `cargo run --release -p candor-molecule --example draw_molecule -- 'CC(=O)Oc1ccccc1C(=O)O' > aspirin.svg`

use std::io::Write;

use candor_molecule::{Molecule, draw};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).ok_or("give a SMILES string")?;
    let molecule = Molecule::from_smiles(&text)?;
    writeln!(std::io::stdout(), "{}", draw(&molecule, None))?;
    Ok(())
}
