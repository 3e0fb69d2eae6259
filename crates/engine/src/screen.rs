use std::cmp::Ordering;
use std::collections::HashSet;
use std::path::Path;

use candor_core::{Event, Events, Modality, Seed, Step};
use candor_data::{Column, ReadOptions, Source, Table, Values};
use candor_deploy::{Answer, Prediction};
use candor_molecule::{
    Fingerprint, FingerprintBank, Library, LibraryEntry, Molecule, Reader, Space, canonical_key,
    diverse, read_molecules, structures,
};
use serde::{Deserialize, Serialize};

use crate::explained::{default_place, name_of_place, named_place};
use crate::{EngineError, Explanation, Model, PreparedResult, RunFolder, SourceResult};

/// How a library of molecules is ranked.
#[derive(Debug, Clone, PartialEq)]
pub struct ScreenSettings {
    /// The column of structures; found when not given.
    pub column: Option<String>,
    /// A file of molecules that are known already; those that the model learned from when not given, if the run folder is at hand.
    pub known: Option<String>,
    /// The class, label or target that is ranked by; the last class, or the first label or target, when not given.
    pub by: Option<String>,
    /// Whether the lowest come first.
    pub lowest: bool,
    /// Candidates that are kept.
    pub top: usize,
    /// Candidates that are picked to differ from each other.
    pub picks: usize,
    /// Structures whose place in the ranking is told, however they are written.
    pub find: Vec<String>,
    /// Whether picks and what was found are explained.
    pub explain: bool,
    /// All randomness: which candidate is picked first.
    pub seed: Seed,
}

impl Default for ScreenSettings {
    fn default() -> ScreenSettings {
        ScreenSettings {
            column: None,
            known: None,
            by: None,
            lowest: false,
            top: 100,
            picks: 10,
            find: Vec::new(),
            explain: false,
            seed: Seed(0),
        }
    }
}

/// A structure that was looked for in a library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// As it was asked for.
    pub asked: String,
    /// Where it is, stereoisomers included, the best first, with their ranks among all; empty where the library does not have it.
    pub places: Vec<Candidate>,
}

/// A molecule of a library, ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// 1 is the best.
    pub rank: usize,
    /// Its row in the library, from 1.
    pub row: usize,
    /// What the library calls it.
    pub name: Option<String>,
    /// Its structure as the library has it.
    pub structure: String,
    /// What is ranked by: a probability, or the mean of a number.
    pub value: f64,
    /// For numbers, the standard deviation of the predictive distribution.
    pub sd: Option<f64>,
    /// The part of the uncertainty that lies in the model.
    pub epistemic: f64,
    /// The share of usual molecules that are at least as strange.
    pub strangeness_p: Option<f64>,
    /// Why the model would give no answer, in words.
    pub reason: Option<String>,
    /// Tanimoto similarity to the nearest known molecule, and that molecule.
    pub nearest: Option<(f64, String)>,
    /// Whether it is a known molecule, stereoisomers included.
    pub known: bool,
    /// Whether its nearest known molecule is less similar than [`NOVEL`].
    #[serde(default)]
    pub novel: bool,
    /// Its number among those that were picked to differ from each other, from 1.
    pub pick: Option<usize>,
}

/// A ranked library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Screened {
    /// What is ranked by.
    pub by: String,
    /// Molecules that were ranked.
    pub ranked: usize,
    /// Rows that could not be read.
    pub unreadable: usize,
    /// Where the known molecules come from; `None` when there are none.
    pub known: Option<String>,
    /// The best, in order.
    pub candidates: Vec<Candidate>,
    /// What was looked for.
    #[serde(default)]
    pub found: Vec<Found>,
    /// What the values of picks and of what was found rest on, if asked for: rows of the library and explanations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanations: Vec<(usize, Explanation)>,
}

/// A molecule whose Tanimoto similarity to each known one, by Morgan fingerprints, is below this is unlike all that the model learned from: the bound by
/// which Stokes et al. ("A deep learning approach to antibiotic discovery", 2020) chose candidates of new kinds.
pub const NOVEL: f64 = 0.4;
/// Molecules that are predicted at a time.
const AT_ONCE: usize = 2_048;

/// Ranks the molecules of a library by what a model predicts of them, in memory that does not grow with the library.
///
/// # Errors
/// When the model is not one of molecules, `by` is none of its classes, labels or targets, or the library cannot be read.
pub fn screen(
    bundle: &Path,
    library: &Path,
    settings: &ScreenSettings,
    events: &Events,
) -> Result<Screened, EngineError> {
    let model = Model::load(bundle)?;
    if model.parts().modality != Modality::Molecule {
        return Err(EngineError::WrongModality {
            what: format!("the training data of `{}`", model.parts().name),
            expected: Modality::Molecule,
        });
    }
    let (place, by) = ranked_by(&model, settings.by.as_deref())?;
    let mut sought = Sought::look(&model, library, place, settings)?;
    let mut library = Library::open(library, settings.column.as_deref())?;
    let mut best = Best::new(settings);
    let (mut ranked, mut unreadable) = (0, 0);
    loop {
        let entries = library.next(AT_ONCE)?;
        if entries.is_empty() {
            break;
        }
        let answers = model.predict(&model.rows(&table_of(&model, &entries))?)?;
        for (entry, answer) in entries.into_iter().zip(answers) {
            match value_of(&answer, place).zip(entry.structure.clone()) {
                Some(((value, sd), structure)) => {
                    ranked += 1;
                    sought.meet(entry.row, value);
                    best.offer(candidate(entry, structure, &answer, value, sd));
                }
                None => unreadable += 1,
            }
        }
        events.emit(Event::Progress {
            done: ranked + unreadable,
            total: None,
            time_used: None,
        });
    }
    let known = known(bundle, settings)?;
    if known.is_none() {
        events.emit(Event::Warned {
            message: "the molecules that the model learned from are not at hand, so that nothing is said of the nearest one; name a file of them with `--known`".into(),
        });
    }
    let mut candidates = best.ordered();
    for (place, candidate) in candidates.iter_mut().enumerate() {
        candidate.rank = place + 1;
    }
    let reference = Known::of(
        known
            .as_ref()
            .map_or(&[][..], |(_, texts)| texts.as_slice()),
    );
    let mut found = sought.found;
    let places = found.iter_mut().flat_map(|found| &mut found.places);
    reference.compare(places);
    finish(&mut candidates, &reference, settings);
    for found in &mut found {
        found.places.sort_by_key(|place| place.rank);
    }
    let mut explanations = Vec::new();
    if settings.explain {
        let picks = candidates
            .iter()
            .filter(|candidate| candidate.pick.is_some());
        let asked = found.iter().flat_map(|found| &found.places);
        for candidate in picks.chain(asked) {
            let explanation = model.explain(&candidate.structure, place)?;
            explanations.extend(explanation.map(|explanation| (candidate.row, explanation)));
        }
    }
    Ok(Screened {
        by,
        ranked,
        unreadable,
        known: known.map(|(source, _)| source),
        candidates,
        found,
        explanations,
    })
}

/// Molecules of the library that have a structure that was asked for; how many stand before each of them is counted as the others are met.
struct Sought {
    found: Vec<Found>,
    lowest: bool,
}

impl Sought {
    /// Looks through the library for what was asked for and predicts it; nothing else is predicted yet.
    fn look(
        model: &Model,
        library: &Path,
        place: usize,
        settings: &ScreenSettings,
    ) -> Result<Sought, EngineError> {
        let mut keys = Vec::new();
        for asked in &settings.find {
            let molecule = Molecule::from_smiles(asked).map_err(|error| EngineError::Setting {
                setting: "find",
                problem: format!("`{asked}` cannot be read: {error}"),
            })?;
            keys.push(canonical_key(&molecule, Space::Ignored));
        }
        let found = settings.find.iter().map(|asked| Found {
            asked: asked.clone(),
            places: Vec::new(),
        });
        let mut sought = Sought {
            found: found.collect(),
            lowest: settings.lowest,
        };
        if keys.is_empty() {
            return Ok(sought);
        }
        let mut library = Library::open(library, settings.column.as_deref())?;
        let mut reader = Reader::default();
        let mut molecule = Molecule::default();
        loop {
            let entries = library.next(AT_ONCE)?;
            if entries.is_empty() {
                return Ok(sought);
            }
            for entry in entries {
                let Some(structure) = entry.structure.clone() else {
                    continue;
                };
                if reader.read(&structure, &mut molecule).is_err() {
                    continue;
                }
                let key = canonical_key(&molecule, Space::Ignored);
                for (number, _) in keys.iter().enumerate().filter(|(_, asked)| **asked == key) {
                    let one = model.rows(&table_of(model, std::slice::from_ref(&entry)))?;
                    let answers = model.predict(&one)?;
                    let said = answers.first().and_then(|answer| {
                        let (value, sd) = value_of(answer, place)?;
                        Some(candidate(
                            entry.clone(),
                            structure.clone(),
                            answer,
                            value,
                            sd,
                        ))
                    });
                    sought.found[number]
                        .places
                        .extend(said.map(|said| Candidate { rank: 1, ..said }));
                }
            }
        }
    }

    /// Counts a molecule of the library that is ranked before those that were found.
    fn meet(&mut self, row: usize, value: f64) {
        for place in self.found.iter_mut().flat_map(|found| &mut found.places) {
            if before(self.lowest, (value, row), (place.value, place.row)).is_lt()
                && row != place.row
            {
                place.rank += 1;
            }
        }
    }
}

/// The order of two molecules, by value and row, in the ranking; of equal ones the earlier row comes first.
fn before(lowest: bool, a: (f64, usize), b: (f64, usize)) -> Ordering {
    let order = b.0.total_cmp(&a.0);
    let order = if lowest { order.reverse() } else { order };
    order.then(a.1.cmp(&b.1))
}

/// The place of what is ranked by among the classes, labels or targets, and its name.
fn ranked_by(model: &Model, by: Option<&str>) -> Result<(usize, String), EngineError> {
    let target = &model.parts().target;
    let place = match by {
        None => default_place(target),
        Some(by) => named_place(target, by)?,
    };
    Ok((place, name_of_place(target, place)))
}

/// What is ranked by, and for numbers its standard deviation; `None` for what could not be read.
fn value_of(answer: &Answer, place: usize) -> Option<(f64, Option<f64>)> {
    match &answer.prediction {
        Prediction::Class { probabilities, .. } | Prediction::Labels { probabilities, .. } => {
            Some((*probabilities.get(place)?, None))
        }
        Prediction::Number { mean, sd, .. } => Some((*mean.get(place)?, sd.get(place).copied())),
        Prediction::Nothing => None,
    }
}

fn table_of(model: &Model, entries: &[LibraryEntry]) -> Table {
    let mut dictionary = Vec::new();
    let codes = entries.iter().map(|entry| match &entry.structure {
        Some(structure) => {
            dictionary.push(structure.clone());
            dictionary.len() as u32 - 1
        }
        None => Values::MISSING,
    });
    let codes = codes.collect();
    let name = model.columns().first().copied().unwrap_or_default();
    Table {
        columns: vec![Column {
            name: name.to_owned(),
            values: Values::Text { codes, dictionary },
        }],
    }
}

fn candidate(
    entry: LibraryEntry,
    structure: String,
    answer: &Answer,
    value: f64,
    sd: Option<f64>,
) -> Candidate {
    Candidate {
        rank: 0,
        row: entry.row,
        name: entry.name,
        structure,
        value,
        sd,
        epistemic: answer.epistemic,
        strangeness_p: answer.strangeness.map(|s| s.p_value),
        reason: answer.reason.clone(),
        nearest: None,
        known: false,
        novel: false,
        pick: None,
    }
}

/// The best candidates so far; at most twice as many are held as are kept.
struct Best {
    keep: usize,
    lowest: bool,
    held: Vec<Candidate>,
}

impl Best {
    fn new(settings: &ScreenSettings) -> Best {
        Best {
            keep: settings.top.max(1),
            lowest: settings.lowest,
            held: Vec::new(),
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        self.held.push(candidate);
        if self.held.len() >= 2 * self.keep {
            self.cut();
        }
    }

    /// Leaves the best, in order; of equal ones the earlier row comes first.
    fn cut(&mut self) {
        let lowest = self.lowest;
        self.held
            .sort_by(|a, b| before(lowest, (a.value, a.row), (b.value, b.row)));
        self.held.truncate(self.keep);
    }

    fn ordered(mut self) -> Vec<Candidate> {
        self.cut();
        self.held
    }
}

/// Known molecules and where they come from.
fn known(
    bundle: &Path,
    settings: &ScreenSettings,
) -> Result<Option<(String, Vec<String>)>, EngineError> {
    let all = |table: &Table, column: &str| -> Vec<Option<String>> {
        let column = table.column(column);
        let texts = column.map(|c| structures(&c.values)).unwrap_or_default();
        texts
            .into_iter()
            .map(|text| text.map(str::to_owned))
            .collect()
    };
    if let Some(path) = &settings.known {
        let read = read_molecules(&Source::parse(path)?, &ReadOptions::default(), None)?;
        let texts = all(&read.table, &read.structures.name);
        return Ok(Some((path.clone(), texts.into_iter().flatten().collect())));
    }
    // The run folder knows the source, and which of its rows were learned from.
    let Ok((run, of_run)) = RunFolder::open(bundle) else {
        return Ok(None);
    };
    let (Some(source), Some(prepared)) = (
        run.result::<SourceResult>(Step::Source),
        run.result::<PreparedResult>(Step::Prepared),
    ) else {
        return Ok(None);
    };
    let parsed = Source::parse(&of_run.source)?;
    let Ok(read) = read_molecules(&parsed, &of_run.read, None) else {
        return Ok(None);
    };
    if read.facts.sha256 != source.source.sha256 {
        return Ok(None);
    }
    let texts = all(&read.table, &read.structures.name);
    let learned = prepared.split.development().into_iter();
    let texts = learned.filter_map(|row| texts.get(row).cloned().flatten());
    Ok(Some((of_run.source, texts.collect())))
}

/// Molecules that are known.
struct Known<'a> {
    texts: Vec<&'a str>,
    bank: FingerprintBank,
    keys: HashSet<u128>,
}

impl<'a> Known<'a> {
    fn of(known: &'a [String]) -> Known<'a> {
        let (mut texts, mut fingerprints) = (Vec::new(), Vec::new());
        let mut keys = HashSet::new();
        for text in known {
            if let Ok(molecule) = Molecule::from_smiles(text) {
                texts.push(text.as_str());
                fingerprints.push(Fingerprint::of(&molecule));
                keys.insert(canonical_key(&molecule, Space::Ignored));
            }
        }
        Known {
            texts,
            bank: FingerprintBank::new(&fingerprints),
            keys,
        }
    }

    /// Tells candidates the nearest known molecule, and whether they are known; their fingerprints, in order.
    fn compare<'c>(&self, candidates: impl Iterator<Item = &'c mut Candidate>) -> Vec<Fingerprint> {
        let compared = candidates.map(|candidate| {
            // It was read when it was predicted.
            let molecule = Molecule::from_smiles(&candidate.structure).unwrap_or_default();
            let fingerprint = Fingerprint::of(&molecule);
            let nearest = self.bank.nearest(&fingerprint);
            candidate.novel = nearest
                .as_ref()
                .is_some_and(|found| found.similarity < NOVEL);
            candidate.nearest =
                nearest.map(|found| (found.similarity, self.texts[found.number].to_owned()));
            candidate.known = self
                .keys
                .contains(&canonical_key(&molecule, Space::Ignored));
            fingerprint
        });
        compared.collect()
    }
}

/// Adds the nearest known molecule of each candidate, and the picks.
fn finish(candidates: &mut [Candidate], known: &Known, settings: &ScreenSettings) {
    let own = known.compare(candidates.iter_mut());
    let picked = diverse(&own, settings.picks, settings.seed);
    for (number, place) in picked.into_iter().enumerate() {
        candidates[place].pick = Some(number + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(row: usize, structure: &str, value: f64) -> Candidate {
        Candidate {
            rank: 0,
            row,
            name: None,
            structure: structure.to_owned(),
            value,
            sd: None,
            epistemic: 0.0,
            strangeness_p: None,
            reason: None,
            nearest: None,
            known: false,
            novel: false,
            pick: None,
        }
    }

    #[test]
    fn the_best_are_kept_whatever_the_order() {
        for lowest in [false, true] {
            let settings = ScreenSettings {
                top: 3,
                lowest,
                ..ScreenSettings::default()
            };
            let mut best = Best::new(&settings);
            for row in 1..=50 {
                best.offer(candidate(row, "C", ((row * 17) % 50) as f64));
            }
            let values: Vec<f64> = best.ordered().iter().map(|c| c.value).collect();
            let wanted = if lowest {
                [0.0, 1.0, 2.0]
            } else {
                [49.0, 48.0, 47.0]
            };
            assert_eq!(values, wanted);
        }
    }

    #[test]
    fn what_was_found_stands_behind_all_that_are_ranked_before_it() {
        let mut all: Vec<(usize, f64)> =
            (1..=50).map(|row| (row, ((row * 7) % 13) as f64)).collect();
        for lowest in [false, true] {
            let mut ordered = all.clone();
            ordered.sort_by(|a, b| before(lowest, (a.1, a.0), (b.1, b.0)));
            let places = [3, 17, 50].map(|row| Candidate {
                rank: 1,
                ..candidate(row, "C", ((row * 7) % 13) as f64)
            });
            let mut sought = Sought {
                found: vec![Found {
                    asked: "C".to_owned(),
                    places: places.to_vec(),
                }],
                lowest,
            };
            all.reverse();
            for &(row, value) in &all {
                sought.meet(row, value);
            }
            for place in &sought.found[0].places {
                assert_eq!(ordered[place.rank - 1].0, place.row);
            }
        }
    }

    #[test]
    fn known_molecules_are_told_however_they_are_written() {
        let candidates = vec![
            candidate(1, "OCC", 3.0),
            candidate(2, "c1ccccc1Cl", 2.0),
            candidate(3, "NS(N)(=O)=O", 1.0),
        ];
        let known = ["CCO".to_owned(), "Clc1ccccc1C".to_owned()];
        let settings = ScreenSettings::default();
        let mut found = candidates.clone();
        finish(&mut found, &Known::of(&known), &settings);
        assert!(found[0].known);
        assert_eq!(found[0].nearest, Some((1.0, "CCO".to_owned())));
        assert!(!found[1].known);
        let (similarity, nearest) = found[1].nearest.clone().unwrap();
        assert!(similarity > 0.2 && similarity < 1.0);
        assert_eq!(nearest, known[1]);
        assert!(!found[0].novel && found[2].novel, "{found:?}");
        assert!(found.iter().all(|c| c.pick.is_some()));
        let mut alone = candidates;
        finish(&mut alone, &Known::of(&[]), &settings);
        assert!(
            alone
                .iter()
                .all(|c| c.nearest.is_none() && !c.known && !c.novel)
        );
    }
}
