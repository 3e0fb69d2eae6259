use std::fmt;
use std::io;

/// Bytes of one file at most.
pub(crate) const MOST_BYTES: u64 = 512 << 20;

/// Why one shape cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A manifest names a file that is not there.
    Missing,
    /// A manifest names no file.
    Unnamed,
    /// The file cannot be opened.
    Unreadable(String),
    /// No bytes.
    Empty,
    /// More bytes than a shape has.
    LargeFile(u64),
    /// No format that is known here.
    Unknown,
    /// What is wrong in the file, and where.
    Damaged {
        /// The format.
        format: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No points.
    NoPoints,
    /// One point, which has no shape.
    OnePoint,
    /// So many points, all at one place.
    OnePlace(usize),
    /// A triangle names a point that is not there.
    Face {
        /// The place that it names, from 0.
        corner: u64,
        /// Points of the file.
        points: usize,
    },
    /// Too many coordinates are no finite numbers.
    NotFinite {
        /// Such points.
        unknown: usize,
        /// Points of the file.
        points: usize,
    },
}

impl Fault {
    pub(crate) fn from_io(error: &io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::NotFound => Fault::Missing,
            _ => Fault::Unreadable(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => write!(f, "does not exist"),
            Fault::Unnamed => write!(f, "no path given"),
            Fault::Unreadable(why) => write!(f, "cannot be opened: {why}"),
            Fault::Empty => write!(f, "empty"),
            Fault::LargeFile(bytes) => write!(
                f,
                "{} MB, more than {} MB",
                bytes.div_ceil(1_000_000),
                MOST_BYTES / 1_000_000
            ),
            Fault::Unknown => write!(f, "no known format"),
            Fault::Damaged { format, problem } => write!(f, "damaged {format}: {problem}"),
            Fault::NoPoints => write!(f, "no points"),
            Fault::OnePoint => write!(f, "a single point"),
            Fault::OnePlace(points) => write!(f, "{points} points, all at one place"),
            Fault::Face { corner, points } => {
                write!(f, "a face names point {corner}, there are {points}")
            }
            Fault::NotFinite { unknown, points } => {
                write!(
                    f,
                    "{unknown} of {points} points have coordinates that are no finite numbers"
                )
            }
        }
    }
}
