use std::path::{Path, PathBuf};

use candor_challenge::{AdaptiveIntervals, BatchShift};
use candor_core::Step;
use candor_data::{ReadOptions, Table};
use candor_deploy::{Answer, Bundle, Parts, Prediction, Predictor, shift_in_words};
use candor_train::Units;
use serde::Serialize;

use crate::EngineError;
use crate::explained::{explained_values, likeliest, name_of_place, named_place};
use crate::modality::{Asked, Explanation, Input, Inputs, reader};

/// A deployed model, ready to predict. Cheap to share between threads.
pub struct Model {
    predictor: Predictor,
    input: Box<dyn Input>,
    card: String,
}

impl Model {
    /// Loads a bundle: its own folder, or the run folder that it is in. Needs no training data.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn load(path: &Path) -> Result<Model, EngineError> {
        let folder = bundle_folder(path);
        let bundle = Bundle::read(&folder)?;
        let (parts, card) = (&bundle.parts, bundle.card.clone());
        let (input, learner) = reader(parts.modality, &parts.input, parts.target.task)
            .map_err(|error| error.of(&folder))?;
        let predictor = Predictor::load(bundle, learner.as_ref())?;
        Ok(Model {
            predictor,
            input,
            card,
        })
    }

    /// What is known of the model beside its members.
    pub fn parts(&self) -> &Parts {
        self.predictor.parts()
    }

    /// The predictor.
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// How it reads what it is asked about.
    pub(crate) fn input(&self) -> &dyn Input {
        &*self.input
    }

    /// The model card, as Markdown.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Names of the columns that rows must have; empty when the model does not predict rows.
    pub fn columns(&self) -> Vec<&str> {
        self.input.columns()
    }

    /// Answers for all units, in order; a unit that could not be read gets one that says so.
    ///
    /// # Errors
    /// When the units are not of this model.
    pub fn predict(&self, inputs: &Inputs) -> Result<Vec<Answer>, EngineError> {
        let mut readable: Vec<usize> = (0..inputs.len())
            .filter(|unit| !inputs.unreadable.contains_key(unit))
            .collect();
        self.input.gather(inputs, &mut readable);
        let followed = self.followed(inputs)?;
        let mut answers = self
            .predictor
            .answers_at(&inputs.units, &readable, followed.as_ref())?;
        let unreadable = inputs.unreadable.iter();
        answers.extend(unreadable.map(|(unit, why)| Answer::unreadable(unit + 1, why)));
        answers.sort_by_key(|answer| answer.row);
        named(&mut answers, inputs);
        Ok(answers)
    }

    /// Intervals of forecasts after what the inputs show of earlier ones: each forecast that could have been made since the model was trained is
    /// made, and checked against what came. As the bundle has them where there is nothing to check; `None` where nothing is forecast.
    fn followed(&self, inputs: &Inputs) -> Result<Option<AdaptiveIntervals>, EngineError> {
        let Some(adaptive) = &self.parts().adaptive else {
            return Ok(None);
        };
        let mut adaptive = adaptive.clone();
        if let Some(past) = self.input.past(&inputs.units)? {
            let said = self.predictor.distribution(&past.units)?;
            let (truth, origins) = (&past.truth, &past.origins);
            adaptive.follow(&said, truth, &origins.moments, &origins.ahead, past.now)?;
        }
        Ok(Some(adaptive))
    }

    /// Compares the answers of a batch with those for units that the model was tested on, at `level`: the probability at which a batch of
    /// usual units is called shifted. `None` where that cannot be told: the batch has fewer than 20 units, or the bundle knows none.
    ///
    /// # Errors
    /// When `level` is not between 0 and 1.
    pub fn shift(&self, answers: &[Answer], level: f64) -> Result<Option<BatchShift>, EngineError> {
        Ok(self.predictor.shift(answers, level)?)
    }

    /// What a shifted batch means, in a sentence.
    pub fn shift_in_words(&self, shift: &BatchShift) -> String {
        shift_in_words(shift, self.parts().modality.words().rows)
    }

    /// Units of rows that are in memory.
    ///
    /// # Errors
    /// When a column is missing, or the model does not predict rows.
    pub fn rows(&self, table: &Table) -> Result<Inputs, EngineError> {
        self.input.rows(table)
    }

    /// Answers as a table, one row a unit: `row`, the name of the unit where it has one, `prediction`, `probability_<class>` and `set` for classes,
    /// `prediction_<label>`, `probability_<label>` and `set_<label>` for labels and the labels that are `listed`, `mean`, `sd`,
    /// `lower` and `upper` for numbers (with the target's name when there are several; for forecasts `level`, too: the level at which past
    /// errors are cut), then confidence, uncertainty and
    /// its two parts, `strangeness_p`, `abstained` and `reason`.
    pub fn table_of(&self, inputs: &Inputs, answers: &[Answer]) -> Table {
        crate::answers::table_of(&self.parts().target, inputs.names().is_some(), answers)
    }

    /// What the prediction of one unit rests on, drawn; `text` is the unit as a source has it, `place` that of the class, label or number
    /// that is explained. `None` where the modality has no such drawing.
    ///
    /// # Errors
    /// When the unit cannot be read.
    pub fn explain(&self, text: &str, place: usize) -> Result<Option<Explanation>, EngineError> {
        self.input.explained(text, &|units| {
            Ok(explained_values(
                &self.predictor.distribution(units)?,
                place,
            ))
        })
    }

    /// Of a model of series the seconds between two moments, where known, and the steps ahead that it forecasts.
    pub fn ahead(&self) -> Option<(Option<f64>, &[usize])> {
        self.input.ahead()
    }

    /// Whether it can be told what predictions of this kind of data rest on.
    pub fn explains(&self) -> bool {
        self.input.explains()
    }

    /// What the prediction of one of some units rests on. `by` names the class, label or number that is explained: the likeliest class, or the
    /// first label or number, when not given. `None` where there is no such explanation.
    ///
    /// # Errors
    /// When there is no such unit, class, label or number, or the unit could not be read.
    pub fn explain_unit(
        &self,
        inputs: &Inputs,
        unit: usize,
        by: Option<&str>,
    ) -> Result<Option<UnitExplained>, EngineError> {
        if let Some(why) = inputs.unreadable(unit) {
            return Err(EngineError::Setting {
                setting: "unit",
                problem: format!("it could not be read: {why}"),
            });
        }
        let followed = self.followed(inputs)?;
        let mut answers = self
            .predictor
            .answers_at(&inputs.units, &[unit], followed.as_ref())?;
        named(&mut answers, inputs);
        let Some(answer) = answers.into_iter().next() else {
            return Ok(None);
        };
        let target = &self.parts().target;
        let place = match (by, &answer.prediction) {
            (Some(by), _) => named_place(target, by)?,
            (None, Prediction::Class { probabilities, .. }) => likeliest(probabilities),
            (None, _) => 0,
        };
        let value = |units: &Units| {
            let said = self.predictor.distribution(units)?;
            Ok(explained_values(&said, place))
        };
        let explanation = self.input.explained_unit(&Asked {
            inputs,
            unit,
            place,
            value: &value,
            members: self.predictor.members(),
        })?;
        Ok(explanation.map(|explanation| UnitExplained {
            what: name_of_place(target, place),
            answer,
            explanation,
        }))
    }

    /// Reads the units of a source.
    ///
    /// # Errors
    /// When the source cannot be read, or lacks a column.
    pub fn read(&self, source: &str, options: &ReadOptions) -> Result<Inputs, EngineError> {
        self.input.read(source, options)
    }
}

/// Puts the names of units beside their numbers.
fn named(answers: &mut [Answer], inputs: &Inputs) {
    let Some(names) = inputs.names() else { return };
    for answer in answers {
        // Rows are counted from 1.
        answer.unit = names.get(answer.row - 1).cloned();
    }
}

/// What the prediction of one unit is, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitExplained {
    /// What is explained, in words.
    pub what: String,
    /// What is predicted.
    pub answer: Answer,
    /// What it rests on.
    pub explanation: Explanation,
}

/// The bundle that `path` means: itself, or that of the run folder.
fn bundle_folder(path: &Path) -> PathBuf {
    if path.join("bundle.json").exists() {
        return path.to_owned();
    }
    let inside = path.join(Step::Deployed.folder()).join("bundle");
    if inside.exists() || path.join("run.json").exists() {
        inside
    } else {
        path.to_owned()
    }
}
