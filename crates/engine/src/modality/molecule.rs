use std::path::Path;

use candor_core::{Finding, Modality, Seed, Target, Targets, Task};
use candor_data::{Column, ReadOptions, Schema, Source, Split, Table, Values, read_table};
use candor_molecule::{
    AtomFeatures, Fingerprint, FingerprintBank, Limits, Molecule, MoleculeLearner, MoleculeUnits,
    StructureChange, Survey, Unusable, atom_kinds, atom_weights, atoms_masked, atoms_shuffled,
    curate_structures, draw, find_structures, is_molecule_file, kind_shuffled, murcko_scaffold,
    read_molecules, scaffold_groups, structure_check_names, structures, structures_across,
    structures_changed,
};
use candor_train::{Learner, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::joined;
use super::{
    Explanation, Input, Inputs, Material, Opened, ReaderError, Readers, ValueOf, disturbance_named,
    leave_out_others, malformed, rows_by_targets, to_json,
};
use crate::subject::Nearness;
use crate::{EngineError, FitSettings, Subject};

/// Whether a source is a file of molecules by its name.
pub(super) fn is_file(source: &str) -> bool {
    is_molecule_file(Path::new(source))
}

/// Reads a file of molecules, and below its molecules those of the second source.
pub(super) fn open(settings: &FitSettings) -> Result<Opened, EngineError> {
    let first = read_molecules(&Source::parse(&settings.source)?, &settings.read, None)?;
    let (mut table, mut test) = (first.table, None);
    let own = table.rows();
    if let Some(path) = &settings.test {
        let more = read_molecules(&Source::parse(path)?, &settings.read, None)?;
        table = joined(table, &more.table)?;
        test = Some(more.facts);
    }
    let (column, reason) = (first.structures.name, first.structures.reason);
    Ok(opened(
        Opened {
            test_rows: table.rows() - own,
            table,
            facts: first.facts,
            test,
            findings: Vec::new(),
            material: Box::new(Molecules::default()),
        },
        column,
        &reason,
    ))
}

/// The same table with molecules as its units, if one of its columns holds structures and nobody said that it is for something else.
pub(super) fn claim(table: Opened, settings: &FitSettings) -> Opened {
    let Ok(found) = find_structures(&table.table) else {
        return table;
    };
    let taken = settings
        .target
        .iter()
        .chain(&settings.ignore)
        .chain(&settings.group)
        .chain(&settings.time_column);
    if taken.into_iter().any(|column| *column == found.name) {
        return table;
    }
    opened(table, found.name, &found.reason)
}

fn opened(mut from: Opened, column: String, reason: &str) -> Opened {
    // First, since the last column is what is predicted where nobody says.
    let columns = &mut from.table.columns;
    if let Some(place) = columns.iter().position(|c| c.name == column) {
        columns[..=place].rotate_right(1);
    }
    from.facts.notes.push(format!(
        "`{column}` holds structures, so that each row is a molecule ({reason}); `--ignore {column}` makes it a table again"
    ));
    let strings = from.table.column(&column).map(|c| structures(&c.values));
    let survey = Survey::of(&strings.unwrap_or_default(), Limits::default());
    from.material = Box::new(Molecules { column, survey });
    from
}

/// A unit is the structure of a row.
#[derive(Default)]
struct Molecules {
    /// The column of structures.
    column: String,
    survey: Survey,
}

/// The kind of finding about columns that are not looked at.
const BESIDE: &str = "columns-beside-structures";

/// What the table's checks look for in columns, and what the survey of structures says better.
const UNFIT: [&str; 9] = [
    "constant",
    "contradictions",
    "drift",
    "duplicates",
    "high-cardinality",
    "id",
    "missing",
    "near-duplicates",
    "rare-categories",
];

impl Material for Molecules {
    fn modality(&self) -> Modality {
        Modality::Molecule
    }

    fn unfit_checks(&self) -> Vec<&'static str> {
        UNFIT.to_vec()
    }

    fn own_checks(&self) -> Vec<&'static str> {
        let mut names = structure_check_names().to_vec();
        names.push(BESIDE);
        names
    }

    fn settle(&self, schema: &mut Schema) -> Vec<Finding> {
        let remedy = format!(
            "models of molecules see the structure alone; `--ignore {}` makes models of a table that see the other columns instead",
            self.column
        );
        leave_out_others(schema, &self.column, BESIDE, "beside the structure", remedy)
    }

    fn findings(
        &self,
        table: &Table,
        schema: &Schema,
        targets: &Targets,
        split: Option<&Split>,
    ) -> Vec<Finding> {
        if let Some(split) = split {
            return structures_across(&self.survey, split, &self.column);
        }
        let without = rows_by_targets(table, schema, |row, columns| match targets {
            // A molecule counts as long as one of its labels is known.
            Targets::Labels { .. } => columns.iter().all(|values| values.is_missing(row)),
            _ => columns.iter().any(|values| values.is_missing(row)),
        });
        curate_structures(&self.survey, targets, &without, &self.column, &[])
    }

    fn unusable(&self) -> Vec<(usize, String)> {
        self.survey.unusable()
    }

    fn scaffolds(&self, table: &Table) -> Option<Vec<u32>> {
        let column = table.column(&self.column)?;
        Some(scaffold_groups(&structures(&column.values)))
    }

    fn input(
        &self,
        _table: &Table,
        _schema: &Schema,
        _development: &[usize],
    ) -> Result<Value, EngineError> {
        to_json(&Described {
            column: self.column.clone(),
            features: AtomFeatures::default(),
        })
    }

    fn most_folds(&self) -> Option<usize> {
        Some(MOST_FOLDS)
    }

    fn cells(&self, _schema: &Schema) -> usize {
        CELLS
    }

    fn subject(
        self: Box<Self>,
        input: &Value,
        table: &Table,
        _learnable: Vec<usize>,
        target: &Target,
        _seconds: Option<f64>,
    ) -> Result<Box<dyn Subject>, EngineError> {
        let described = described(input).map_err(malformed)?;
        let column = table.column(&described.column);
        let strings: Vec<Option<String>> = column
            .map(|column| structures(&column.values))
            .unwrap_or_default()
            .into_iter()
            .map(|text| text.map(str::to_owned))
            .collect();
        let (units, _) = described.units(&borrowed(&strings));
        Ok(Box::new(MoleculeSubject {
            learner: MoleculeLearner::new(described.features, target.task)?,
            units,
            strings,
            described,
        }))
    }
}

/// A network takes about half a minute on a thousand molecules; three folds tell about as well as eight which design is better.
const MOST_FOLDS: usize = 3;
/// What a molecule costs, in cells of a table.
const CELLS: usize = 1000;

fn borrowed(strings: &[Option<String>]) -> Vec<Option<&str>> {
    strings.iter().map(Option::as_deref).collect()
}

/// What a bundle knows of its molecules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Described {
    /// The column of structures.
    column: String,
    /// What atoms are described by.
    features: AtomFeatures,
}

impl Described {
    fn units(&self, strings: &[Option<&str>]) -> (Units, Vec<Unusable>) {
        MoleculeUnits::read(strings, self.features, Limits::default())
    }

    /// Molecules by the structures in a column; they are called by their strings.
    fn inputs(&self, column: &Column) -> Inputs {
        let strings = structures(&column.values);
        // What numbers are in a file of structures is told as text.
        let texts: Vec<Option<String>> = match &column.values {
            Values::Numeric(numbers) => (0..numbers.len())
                .map(|row| column.values.text(row))
                .collect(),
            Values::Text { .. } => strings.iter().map(|text| text.map(str::to_owned)).collect(),
        };
        let (units, unusable) = self.units(&borrowed(&texts));
        let why = |(unit, error): Unusable| {
            let why = error.map_or_else(
                || "There is no structure.".to_owned(),
                |error| format!("The structure cannot be read: {error}."),
            );
            (unit, why)
        };
        Inputs {
            units,
            names: Some(texts.into_iter().map(Option::unwrap_or_default).collect()),
            unreadable: unusable.into_iter().map(why).collect(),
        }
    }
}

fn described(input: &Value) -> Result<Described, String> {
    serde_json::from_value(input.clone()).map_err(|e| format!("how structures are read: {e}"))
}

pub(super) fn reader(input: &Value, task: Task) -> Result<Readers, ReaderError> {
    let described = described(input).map_err(ReaderError::Damaged)?;
    let learner = MoleculeLearner::new(described.features, task);
    let learner = learner.map_err(|e| ReaderError::Engine(e.into()))?;
    Ok((Box::new(described), Box::new(learner)))
}

impl Input for Described {
    fn columns(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        let source = Source::parse(source)?;
        if let Source::File(path) = &source
            && is_molecule_file(path)
        {
            let read = read_molecules(&source, options, None)?;
            let column = read.table.column(&read.structures.name);
            return column
                .map(|column| self.inputs(column))
                .ok_or_else(|| malformed("a file of molecules without its structures".into()));
        }
        self.rows(&read_table(&source, options)?.table)
    }

    fn explained(&self, text: &str, value: ValueOf) -> Result<Option<Explanation>, EngineError> {
        let molecule = Molecule::from_smiles(text).map_err(|error| {
            malformed(format!("the structure `{text}` cannot be read: {error}"))
        })?;
        let values = value(&atoms_masked(&molecule, self.features))?;
        let weights = atom_weights(&values);
        Ok(Some(Explanation {
            unit: text.to_owned(),
            value: values.first().copied().unwrap_or(f64::NAN),
            svg: draw(&molecule, Some(&weights)),
            weights,
            edges: Vec::new(),
            features: Vec::new(),
            masked_share: None,
        }))
    }

    fn explains(&self) -> bool {
        true
    }

    fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        // The column may have another name than in training, if it can be told by what it holds.
        let named = table.column(&self.column);
        let found = || {
            let found = find_structures(table).ok()?;
            table.column(&found.name)
        };
        let missing = || {
            EngineError::Rows(candor_table::RowError::MissingColumns {
                missing: vec![self.column.clone()],
                suggestion: String::new(),
            })
        };
        let column = named.or_else(found).ok_or_else(missing)?;
        Ok(self.inputs(column))
    }
}

/// For each molecule the greatest similarity to a known one, by what of them is compared; NaN where there is nothing to compare.
fn similarities(
    asked: &[Option<Molecule>],
    known: &[Option<Molecule>],
    compared: impl Fn(&Molecule) -> Option<Fingerprint>,
) -> Vec<f64> {
    let print = |molecule: &Option<Molecule>| compared(molecule.as_ref()?);
    let known: Vec<Fingerprint> = known.iter().filter_map(print).collect();
    let bank = FingerprintBank::new(&known);
    let similarity = |query: Option<Fingerprint>| {
        let nearest = query.and_then(|query| bank.nearest(&query));
        nearest.map_or(f64::NAN, |nearest| nearest.similarity)
    };
    asked
        .iter()
        .map(|molecule| similarity(print(molecule)))
        .collect()
}

/// Molecules as the pipeline sees them.
struct MoleculeSubject {
    described: Described,
    learner: MoleculeLearner,
    units: Units,
    strings: Vec<Option<String>>,
}

impl MoleculeSubject {
    fn strings_of(&self, units: &[usize]) -> Vec<Option<&str>> {
        let text = |&unit: &usize| self.strings.get(unit)?.as_deref();
        units.iter().map(text).collect()
    }
}

impl Subject for MoleculeSubject {
    fn learner(&self) -> &dyn Learner {
        &self.learner
    }

    fn units(&self) -> &Units {
        &self.units
    }

    fn input(&self) -> Result<Value, EngineError> {
        to_json(&self.described)
    }

    fn strange(&self, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let strings = self.strings_of(units);
        Ok(atoms_shuffled(&strings, self.described.features, seed))
    }

    fn parts(&self) -> Vec<String> {
        atom_kinds()
    }

    fn shuffled(&self, part: &str, units: &[usize], seed: Seed) -> Result<Units, EngineError> {
        let strings = self.strings_of(units);
        kind_shuffled(&strings, part, self.described.features, seed)
            .ok_or_else(|| malformed(format!("there is no kind of atom `{part}`")))
    }

    fn disturbances(&self) -> Vec<&'static str> {
        StructureChange::ALL.map(StructureChange::name).to_vec()
    }

    fn disturbed(
        &self,
        disturbance: &str,
        severity: u8,
        units: &[usize],
        seed: Seed,
    ) -> Result<Units, EngineError> {
        let change = disturbance_named(StructureChange::ALL, StructureChange::name, disturbance)?;
        let (strings, features) = (self.strings_of(units), self.described.features);
        Ok(structures_changed(
            &strings, change, severity, features, seed,
        ))
    }

    fn nearness(&self, units: &[usize], learned: &[usize]) -> Vec<Nearness> {
        let read = |units: &[usize]| -> Vec<Option<Molecule>> {
            let strings = self.strings_of(units).into_iter();
            let read = |text: Option<&str>| Molecule::from_smiles(text?).ok();
            strings.map(read).collect()
        };
        let (asked, known) = (read(units), read(learned));
        vec![
            Nearness {
                what: "the Tanimoto similarity (of Morgan fingerprints) to the most similar molecule that was learned from",
                values: similarities(&asked, &known, |molecule| Some(Fingerprint::of(molecule))),
                edges: vec![0.3, 0.5, 0.7],
            },
            Nearness {
                what: "the similarity of their scaffolds, the rings and what links them (1 and above: the scaffold was learned from; molecules \
                       without rings are left out)",
                values: similarities(&asked, &known, |molecule| {
                    let scaffold = murcko_scaffold(molecule).ok()?;
                    (!scaffold.atoms().is_empty()).then(|| Fingerprint::of(&scaffold))
                }),
                edges: vec![0.5, 1.0],
            },
        ]
    }

    fn explained(&self, unit: usize, value: ValueOf) -> Result<Option<Explanation>, EngineError> {
        match self.strings_of(&[unit]).first() {
            Some(Some(text)) => self.described.explained(text, value),
            _ => Ok(None),
        }
    }

    fn judging_share(&self) -> f64 {
        0.1
    }
}
