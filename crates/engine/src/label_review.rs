use candor_challenge::{LabelReview, LabelValue, Suspect, Uncertainty};
use candor_core::wording::{figure, percent};
use candor_core::{Distribution, Target};
use candor_data::{Column, Table, Values, csv_bytes};
use candor_deploy::write_file;
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::context::Context;
use crate::designed::Designed;
use crate::trained::{Candidate, joined_distributions};

/// The table for a person, in the run folder.
pub(crate) const REVIEW: &str = "labels.csv";
/// Suspects that are written, at most: nobody looks at more.
const MOST_SUSPECTS: usize = 10_000;
/// Suspects that the report shows.
const SHOWN: usize = 20;
/// Columns of the data beside each suspect, at most.
const DATA_COLUMNS: usize = 20;

/// What was found when labels were held against models that had not seen them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelFindings {
    /// Units that were looked at: those that some models had not learned from, and that are no test.
    pub units: usize,
    /// Units that are learned from, in all.
    pub of: usize,
    /// Labels that were looked at, over all targets.
    pub labels: usize,
    /// Labels that are probably wrong.
    pub suspects: usize,
    /// Classes and labels: the estimated share that is wrong.
    pub noise: Option<f64>,
    /// The surest of them.
    pub first: Vec<ShownSuspect>,
}

/// A label that is probably wrong, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownSuspect {
    /// The unit, from 1, as findings count rows.
    pub row: usize,
    /// The column.
    pub target: String,
    /// What the data say.
    pub given: String,
    /// What models that had not seen the unit say.
    pub suggested: String,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Why, in a sentence.
    pub reason: String,
}

impl Designed {
    /// Holds the labels of the development part against the out-of-fold predictions of the ensemble, and writes the table for a person. The
    /// test part is left alone: correcting only what the model disagrees with would make its test kinder.
    pub(crate) fn review_labels(
        &self,
        context: &Context,
        candidates: &[Candidate],
        chosen: &[(usize, f64)],
    ) -> Result<LabelFindings, EngineError> {
        let prepared = &self.prepared;
        let (mut rows, mut said, mut spread) = (Vec::new(), Vec::new(), Vec::new());
        for place in 0..candidates[0].members.len() {
            let fold = candidates[0].members[place].0;
            rows.extend(&prepared.split.folds[fold].validation);
            let parts: Vec<(f64, &Distribution)> = chosen
                .iter()
                .map(|&(i, weight)| (weight, &candidates[i].members[place].1.validation))
                .collect();
            said.push(Distribution::mixture(&parts)?);
            if let Some(numbers) = Uncertainty::decompose(&parts)?.per_target {
                spread.extend(numbers.aleatoric.iter().map(|variance| variance.sqrt()));
            }
        }
        let said = joined_distributions(&said)?;
        let given = prepared.targets.select(&rows);
        let spread = (!spread.is_empty()).then_some(spread.as_slice());
        let review = LabelReview::of(&said, spread, &given)?;
        let units = prepared.curated.source.modality.words().row;
        let shown: Vec<ShownSuspect> = review
            .suspects
            .iter()
            .take(MOST_SUSPECTS)
            .map(|suspect| in_words(suspect, rows[suspect.unit], &prepared.target, units))
            .collect();
        let path = context.folder.path().join(REVIEW);
        let table = table_of(&shown, &prepared.table, &prepared.target);
        let bytes = csv_bytes(&table).map_err(EngineError::file("write", &path))?;
        write_file(&path, &bytes)?;
        let findings = LabelFindings {
            units: review.units,
            of: prepared.split.development().len(),
            labels: review.labels,
            suspects: review.suspects.len(),
            noise: review.noise,
            first: shown.into_iter().take(SHOWN).collect(),
        };
        if findings.suspects > 0 {
            context.understood(format!(
                "{} of {} labels look wrong; {} lists them for a person (nothing was changed)",
                findings.suspects,
                findings.labels,
                path.display()
            ));
        }
        Ok(findings)
    }
}

fn in_words(suspect: &Suspect, row: usize, target: &Target, unit: &str) -> ShownSuspect {
    let class = |i: usize| target.classes.get(i).cloned().unwrap_or_default();
    let text = |value: LabelValue| match value {
        LabelValue::Class(label) => class(label as usize),
        LabelValue::Applies(applies) => class(usize::from(applies)),
        LabelValue::Number(number) => (number as f32).to_string(),
    };
    let (given, suggested) = (text(suspect.given), text(suspect.suggested));
    let reason = match suspect.deviation {
        Some(deviation) => format!(
            "models that had not seen this {unit} expect about {}; what was given is {} times the usual scatter away",
            figure(suggested.parse().unwrap_or(f64::NAN)),
            figure(deviation.abs())
        ),
        None => format!(
            "models that had not seen this {unit} say `{suggested}` and give `{given}` a chance of {}",
            percent(1.0 - suspect.confidence)
        ),
    };
    let name = target.names.get(suspect.target).or(target.names.first());
    ShownSuspect {
        row: row + 1,
        target: name.cloned().unwrap_or_default(),
        given,
        suggested,
        confidence: suspect.confidence,
        reason,
    }
}

/// `row`, `target`, `given`, `suggested`, `confidence`, `reason`, an empty `label` for the person, and what the data say of the row.
fn table_of(suspects: &[ShownSuspect], data: &Table, target: &Target) -> Table {
    let texts = |name: &str, of: &dyn Fn(&ShownSuspect) -> Option<String>| {
        let mut dictionary = Vec::new();
        let codes = suspects.iter().map(of).map(|text| match text {
            Some(text) => {
                dictionary.push(text);
                dictionary.len() as u32 - 1
            }
            None => Values::MISSING,
        });
        let codes = codes.collect();
        Column {
            name: name.to_owned(),
            values: Values::Text { codes, dictionary },
        }
    };
    // As the data write it, so that the two can be compared when the table comes back.
    let given = |s: &ShownSuspect| data.column(&s.target)?.values.text(s.row - 1);
    let mut columns = vec![
        texts("row", &|s| Some(s.row.to_string())),
        texts("target", &|s| Some(s.target.clone())),
        texts("given", &given),
        texts("suggested", &|s| Some(s.suggested.clone())),
        texts("confidence", &|s| Some(format!("{:.4}", s.confidence))),
        texts("reason", &|s| Some(s.reason.clone())),
        texts("label", &|_| None),
    ];
    let others = data.columns.iter();
    let others = others.filter(|column| !target.names.contains(&column.name));
    for column in others.take(DATA_COLUMNS) {
        let name = format!("data: {}", column.name);
        columns.push(texts(&name, &|s| column.values.text(s.row - 1)));
    }
    Table { columns }
}
