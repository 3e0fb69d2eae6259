use std::collections::HashSet;
use std::path::Path;

use candor_core::{Event, Events, Modality, Seed, Step, Task};
use candor_data::{Column, ReadOptions, Source, Table, Values};
use candor_deploy::{Answer, Prediction};
use candor_molecule::{
    Fingerprint, FingerprintBank, Library, LibraryEntry, Molecule, Space, canonical_key, diverse,
    read_molecules, structures,
};
use serde::{Deserialize, Serialize};

use crate::{EngineError, Model, PreparedResult, RunFolder, SourceResult};

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
            seed: Seed(0),
        }
    }
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
}

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
    let candidates = finished(
        best.ordered(),
        known.as_ref().map(|(_, k)| k.as_slice()),
        settings,
    );
    Ok(Screened {
        by,
        ranked,
        unreadable,
        known: known.map(|(source, _)| source),
        candidates,
    })
}

/// The place of what is ranked by among the classes, labels or targets, and its name.
fn ranked_by(model: &Model, by: Option<&str>) -> Result<(usize, String), EngineError> {
    let target = &model.parts().target;
    let (names, default) = match target.task {
        Task::Binary | Task::Multiclass => {
            (&target.classes, target.classes.len().saturating_sub(1))
        }
        Task::Multilabel | Task::Regression => (&target.names, 0),
    };
    let place = match by {
        None => Some(default),
        Some(by) => names.iter().position(|name| name == by),
    };
    let found = place.and_then(|place| Some((place, names.get(place)?)));
    let (place, name) = found.ok_or_else(|| EngineError::Setting {
        setting: "by",
        problem: format!(
            "`{}` is none of {}",
            by.unwrap_or_default(),
            names.join(", ")
        ),
    })?;
    let name = match target.task {
        Task::Binary | Task::Multiclass => format!(
            "probability that {} is {name}",
            target.names.first().map_or("the target", String::as_str)
        ),
        Task::Multilabel => format!("probability of {name}"),
        Task::Regression => name.clone(),
    };
    Ok((place, name))
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
        self.held.sort_by(|a, b| {
            let order = b.value.total_cmp(&a.value);
            let order = if lowest { order.reverse() } else { order };
            order.then(a.row.cmp(&b.row))
        });
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

/// Candidates with their ranks, the nearest known molecule of each, and the picks.
fn finished(
    mut candidates: Vec<Candidate>,
    known: Option<&[String]>,
    settings: &ScreenSettings,
) -> Vec<Candidate> {
    let mut texts = Vec::new();
    let mut fingerprints = Vec::new();
    let mut keys = HashSet::new();
    for text in known.unwrap_or_default() {
        if let Ok(molecule) = Molecule::from_smiles(text) {
            texts.push(text);
            fingerprints.push(Fingerprint::of(&molecule));
            keys.insert(canonical_key(&molecule, Space::Ignored));
        }
    }
    let bank = FingerprintBank::new(&fingerprints);
    let mut own = Vec::with_capacity(candidates.len());
    for (place, candidate) in candidates.iter_mut().enumerate() {
        candidate.rank = place + 1;
        // It was read when it was predicted.
        let molecule = Molecule::from_smiles(&candidate.structure).unwrap_or_default();
        let fingerprint = Fingerprint::of(&molecule);
        candidate.nearest = bank
            .nearest(&fingerprint)
            .map(|nearest| (nearest.similarity, texts[nearest.number].clone()));
        candidate.known = keys.contains(&canonical_key(&molecule, Space::Ignored));
        own.push(fingerprint);
    }
    for (number, place) in diverse(&own, settings.picks, settings.seed)
        .into_iter()
        .enumerate()
    {
        candidates[place].pick = Some(number + 1);
    }
    candidates
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
    fn known_molecules_are_told_however_they_are_written() {
        let candidates = vec![candidate(1, "OCC", 2.0), candidate(2, "c1ccccc1Cl", 1.0)];
        let known = ["CCO".to_owned(), "Clc1ccccc1C".to_owned()];
        let settings = ScreenSettings::default();
        let found = finished(candidates.clone(), Some(&known), &settings);
        assert_eq!((found[0].rank, found[0].known), (1, true));
        assert_eq!(found[0].nearest, Some((1.0, "CCO".to_owned())));
        assert!(!found[1].known);
        let (similarity, nearest) = found[1].nearest.clone().unwrap();
        assert!(similarity > 0.2 && similarity < 1.0);
        assert_eq!(nearest, known[1]);
        assert!(found.iter().all(|c| c.pick.is_some()));
        let alone = finished(candidates, None, &settings);
        assert!(alone.iter().all(|c| c.nearest.is_none() && !c.known));
    }
}
