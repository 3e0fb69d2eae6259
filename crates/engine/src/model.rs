use std::path::{Path, PathBuf};

use candor_core::{Modality, Step};
use candor_data::{ReadOptions, Source, Table, read_table};
use candor_deploy::{Answer, Bundle, DeployError, Parts, Predictor};
use candor_table::{TableEncoder, TableLearner, TableUnits};

use crate::EngineError;

/// A deployed model, ready to predict. Cheap to share between threads.
pub struct Model {
    predictor: Predictor,
    encoder: TableEncoder,
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
        if bundle.parts.modality != Modality::Table {
            return Err(EngineError::Deploy(DeployError::Damaged {
                bundle: folder,
                file: "bundle.json".into(),
                problem: format!(
                    "this version does not know how to read a {}",
                    bundle.parts.modality.name()
                ),
            }));
        }
        let encoder = serde_json::from_value(bundle.parts.input.clone());
        let encoder: TableEncoder = encoder.map_err(|error| DeployError::Damaged {
            bundle: folder.clone(),
            file: "bundle.json".into(),
            problem: format!("the encoding of columns: {error}"),
        })?;
        let (card, task) = (bundle.card.clone(), bundle.parts.target.task);
        let predictor = Predictor::load(bundle, &TableLearner::new(task)?)?;
        Ok(Model {
            predictor,
            encoder,
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

    /// The model card, as Markdown.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Names of the columns that rows must have.
    pub fn columns(&self) -> Vec<&str> {
        self.encoder.columns()
    }

    /// How each column is read.
    pub fn encoder(&self) -> &TableEncoder {
        &self.encoder
    }

    /// Answers for all rows of a table, in order.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn predict(&self, table: &Table) -> Result<Vec<Answer>, EngineError> {
        let matrix = self.encoder.encode(table)?;
        Ok(self
            .predictor
            .answers(&TableUnits::units(matrix, Vec::new()))?)
    }

    /// Answers as a table, one row a unit: `row`, `prediction`, `probability_<class>` and `set` for classes,
    /// `prediction_<label>`, `probability_<label>` and `set_<label>` for labels, `mean`, `sd`,
    /// `lower` and `upper` for numbers (with the target's name when there are several), then confidence, uncertainty and
    /// its two parts, `strangeness_p`, `abstained` and `reason`.
    pub fn table_of(&self, answers: &[Answer]) -> Table {
        crate::answers::table_of(&self.parts().target, answers)
    }

    /// Reads the columns of the model from a source. A source that lacks some gives the error of [`Model::predict`].
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn read(&self, source: &str, options: &ReadOptions) -> Result<Table, EngineError> {
        Ok(read_table(&Source::parse(source)?, options)?.table)
    }
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
