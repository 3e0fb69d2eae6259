//! Files of molecules, sound and damaged.

use candor_data::{DataError, ReadOptions, Source};
use candor_molecule::{
    Molecule, MoleculeSource, SourceError, Space, canonical_key, read_molecules, structures,
};

/// Writes a file and reads it.
fn read(name: &str, content: &str) -> Result<MoleculeSource, SourceError> {
    let unwritable = |source| DataError::Unreadable {
        path: name.into(),
        source,
    };
    let folder = tempfile::tempdir().map_err(unwritable)?;
    let path = folder.path().join(name);
    std::fs::write(&path, content).map_err(unwritable)?;
    read_molecules(&Source::File(path), &ReadOptions::default(), None)
}

/// `None` where the text is no molecule.
fn key(text: &str) -> Option<u128> {
    let molecule = Molecule::from_smiles(text).ok()?;
    Some(canonical_key(&molecule, Space::Counts))
}

fn record(name: &str, atoms: &[(&str, i32)], bonds: &[(usize, usize, u8)], rest: &str) -> String {
    let mut text = format!(
        "{name}\n  made\n\n{:3}{:3}  0  0  0  0  0  0  0  0999 V2000\n",
        atoms.len(),
        bonds.len()
    );
    for (symbol, charge) in atoms {
        let code = if *charge == 0 { 0 } else { 4 - charge };
        text += &format!(
            "    0.0000    0.0000    0.0000 {symbol:<3} 0{code:3}  0  0  0  0  0  0  0  0  0  0\n"
        );
    }
    for (a, b, order) in bonds {
        text += &format!("{a:3}{b:3}{order:3}  0\n");
    }
    text + rest
}

fn phenol() -> String {
    let atoms = [
        ("O", 0),
        ("C", 0),
        ("C", 0),
        ("C", 0),
        ("C", 0),
        ("C", 0),
        ("C", 0),
    ];
    let bonds = [
        (1, 2, 1),
        (2, 3, 2),
        (3, 4, 1),
        (4, 5, 2),
        (5, 6, 1),
        (6, 7, 2),
        (7, 2, 1),
    ];
    record(
        "phenol",
        &atoms,
        &bonds,
        "M  END\n> <pKa>\n9.99\n\n> 7 <colour>\nwhite\n\n$$$$\n",
    )
}

fn acetate() -> String {
    let atoms = [("C", 0), ("C", 0), ("O", 0), ("O", -1), ("Na", 0), ("H", 0)];
    let bonds = [(1, 2, 1), (2, 3, 2), (2, 4, 1), (1, 6, 1)];
    record(
        "sodium acetate",
        &atoms,
        &bonds,
        "M  CHG  2   4  -1   5   1\nM  END\n> <pKa>\nN/A\n\n$$$$\n",
    )
}

#[test]
fn the_column_of_structures_is_found_with_a_reason() {
    let rows: String = [
        "CC(=O)Oc1ccccc1",
        "CCCCCO",
        "c1ccccc1N",
        "CC(C)CC",
        "OCC(O)CO",
    ]
    .iter()
    .enumerate()
    .map(|(i, s)| format!("substance {i},CO,{s},{i}.5\n"))
    .collect();
    let found = read("table.csv", &format!("label,state,notation,y\n{rows}")).unwrap();
    assert_eq!(found.structures.name, "notation");
    assert!(
        found.structures.reason.contains("5 of 5 different texts"),
        "{}",
        found.structures.reason
    );
    let none = read("table.csv", "label,y\nalpha,1\nbeta,2\ngamma,3\n").unwrap_err();
    let message = none.to_string();
    assert!(
        message.contains("no column") && message.contains("`label`: 0 of 3"),
        "{message}"
    );
}

#[test]
fn a_column_that_is_named_is_taken_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "drawing,label\nCCO,x1\nCCN,x2\nCCC,x3\n").unwrap();
    let source = Source::File(path);
    let read = |column| read_molecules(&source, &ReadOptions::default(), Some(column));
    assert_eq!(read("drawing").unwrap().structures.name, "drawing");
    assert!(matches!(
        read("label"),
        Err(SourceError::NotStructures { .. })
    ));
    assert!(
        read("drawings")
            .unwrap_err()
            .to_string()
            .contains("did you mean `drawing`")
    );
}

#[test]
fn smi_files_have_strings_and_names() {
    let found = read(
        "drugs.smi",
        "smiles name\nCCO  ethyl alcohol\n\n# a remark\nc1ccccc1\tbenzene\nC1CC\n",
    )
    .unwrap();
    assert_eq!(found.table.rows(), 3);
    let texts = structures(&found.table.column("smiles").unwrap().values);
    assert_eq!(texts, [Some("CCO"), Some("c1ccccc1"), Some("C1CC")]);
    let names = structures(&found.table.column("name").unwrap().values);
    assert_eq!(names, [Some("ethyl alcohol"), Some("benzene"), None]);
    assert_eq!(found.facts.sha256.len(), 64);
}

#[test]
fn sdf_files_have_structures_and_properties() {
    let found = read("two.sdf", &(phenol() + &acetate())).unwrap();
    let texts = structures(&found.table.column("smiles").unwrap().values);
    assert!(key(texts[0].unwrap()).is_some());
    assert_eq!(key(texts[0].unwrap()), key("Oc1ccccc1"));
    assert_eq!(key(texts[1].unwrap()), key("CC(=O)[O-].[Na+]"));
    let candor_data::Values::Numeric(pka) = &found.table.column("pKa").unwrap().values else {
        panic!("pKa is a number")
    };
    assert_eq!(pka[0], 9.99);
    assert!(pka[1].is_nan());
    assert_eq!(
        found
            .table
            .column("colour")
            .unwrap()
            .values
            .text(0)
            .unwrap(),
        "white"
    );
    assert!(found.damaged.is_empty());
}

#[test]
fn damaged_records_are_named_by_their_line() {
    let sound = phenol();
    let cases = [
        // More atoms than lines.
        (sound.replacen("  7  7", " 90  7", 1), "line"),
        // Fewer atoms, so that an atom is read as a bond.
        (
            sound.replacen("  7  7", "  6  7", 1),
            "line 11: two atoms and an order describe a bond",
        ),
        (
            sound.replacen("  7  7", "  x  7", 1),
            "line 4: the number of atoms",
        ),
        (sound.replacen("V2000", "V3000", 1), "line 4: version V3000"),
        (
            sound.replacen("  6  7  2", "  6 77  2", 1),
            "atoms that there are not",
        ),
        (
            sound.replacen(" O   0", " Xx  0", 1),
            "line 5: this element is not known",
        ),
        // Truncated in the middle of the bonds.
        (sound[..sound.len() / 2].to_owned(), "line"),
    ];
    for (text, part) in cases {
        let error = read("one.sdf", &text).unwrap_err();
        assert!(matches!(error, SourceError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    // One in many is left out and listed.
    let many = sound.repeat(30) + &sound.replacen("  7  7", " 90  7", 1) + &sound;
    let found = read("many.sdf", &many).unwrap();
    assert_eq!(found.table.rows(), 32);
    assert_eq!(found.damaged.len(), 1);
    assert_eq!(found.damaged[0].0, 30);
    assert!(read("empty.sdf", " \n").is_err());
}

#[test]
fn cut_sdf_files_never_panic() {
    let whole = phenol() + &acetate();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.sdf");
    for end in (0..whole.len()).step_by(3) {
        std::fs::write(&path, &whole[..end]).unwrap();
        let _ = read_molecules(&Source::File(path.clone()), &ReadOptions::default(), None);
    }
}
