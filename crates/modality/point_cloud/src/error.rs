use std::path::PathBuf;

use candor_core::Hints;
use candor_data::DataError;
use thiserror::Error;

/// What stops shapes from being read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloudError {
    /// A folder, a manifest or a file cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// No file holds a shape.
    #[error("`{}` holds no shapes", path.display())]
    NoShapes {
        /// The source.
        path: PathBuf,
    },
    /// Shapes to learn from, without classes.
    #[error("the shapes of `{}` have no classes", path.display())]
    NoClasses {
        /// The source.
        path: PathBuf,
    },
    /// Shapes of one class.
    #[error("all shapes of `{}` are of class `{class}`", path.display())]
    OneClass {
        /// The source.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Points to learn from, without labels.
    #[error("no point of `{}` has a label", path.display())]
    NoLabels {
        /// The source.
        path: PathBuf,
    },
    /// Points of one label.
    #[error("all points of `{}` are labelled `{label}`", path.display())]
    OneLabel {
        /// The source.
        path: PathBuf,
        /// The label.
        label: String,
    },
    /// More points than are answered for at once.
    #[error("`{}` has more than {most} points", path.display())]
    TooManyPoints {
        /// The source.
        path: PathBuf,
        /// As many are answered for at once.
        most: usize,
    },
    /// More shapes than is sound cannot be read.
    #[error("{unreadable} of the {shapes} shapes of `{}` cannot be read: {examples}", path.display())]
    Unreadable {
        /// The source.
        path: PathBuf,
        /// Shapes that cannot be read.
        unreadable: usize,
        /// Shapes in all.
        shapes: usize,
        /// Some of them, with reasons.
        examples: String,
    },
    /// An archive of arrays that holds no shapes, or whose arrays do not fit each other.
    #[error("`{}`: {problem}", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// More shapes than fit into memory.
    #[error("the {shapes} shapes of `{}` do not fit into {bytes} bytes", path.display())]
    Memory {
        /// The source.
        path: PathBuf,
        /// Shapes.
        shapes: usize,
        /// What there is.
        bytes: u64,
    },
}

impl Hints for CloudError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            CloudError::Data(error) => return error.hints(),
            CloudError::NoShapes { .. } => {
                "give a folder of .off, .ply, .obj, .stl, .pcd, .xyz files (one folder a class), a CSV with a column of their paths, or an .npz \
                 with `points`"
            }
            CloudError::NoClasses { .. } => {
                "put the files of each class into a folder of its own, or give a CSV with their paths and what is to be predicted"
            }
            CloudError::OneClass { .. } => {
                "add shapes of other classes, each in a folder of its own"
            }
            CloudError::NoLabels { .. } => {
                "give each point a property `label` (PLY, PCD, a headed CSV), or an array `point_label` beside `points`"
            }
            CloudError::OneLabel { .. } => "add points of other labels",
            CloudError::TooManyPoints { .. } => "ask about fewer files at a time",
            CloudError::Unreadable { .. } => {
                "write these files anew; up to one in five is left out with a warning"
            }
            CloudError::Arrays { .. } => {
                "arrays need `points` (in HDF5 also `data`) of shape [shapes, points, 3], or `vertices`, `faces` and their offsets, and may have \
                 `label` and `train`"
            }
            CloudError::Memory { .. } => "give more with `--memory`, or fewer shapes",
        };
        vec![hint.to_owned()]
    }
}
