use std::fmt;
use std::io;

use image::ImageError;

use super::decode::{MAX_FILE_BYTES, MAX_SIDE};

/// Why one picture cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A manifest names a file that is not there.
    Missing,
    /// A manifest names no file.
    Unnamed,
    /// The file cannot be opened.
    Unreadable(String),
    /// No bytes.
    Empty,
    /// More bytes than a picture has.
    LargeFile(u64),
    /// More pixels than are decoded.
    TooLarge(u32, u32),
    /// More bytes to decode than one picture may take.
    NeedsMemory(u32, u32),
    /// No format that is known here.
    Unknown,
    /// The decoder says what is wrong.
    Undecodable(String),
}

impl Fault {
    pub(super) fn from_io(error: &io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::NotFound => Fault::Missing,
            _ => Fault::Unreadable(error.to_string()),
        }
    }

    pub(super) fn from_image(error: &ImageError) -> Fault {
        /// Decoders quote what they found, which may be long.
        const SHOWN: usize = 120;
        let text = error.to_string().replace('\n', " ");
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        Fault::Undecodable(shown)
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
                MAX_FILE_BYTES / 1_000_000
            ),
            Fault::TooLarge(width, height) => write!(
                f,
                "{width} x {height} pixels, more than are decoded ({MAX_SIDE} a side)"
            ),
            Fault::NeedsMemory(width, height) => write!(
                f,
                "{width} x {height} pixels, more than fit into a picture's share of `--memory`"
            ),
            Fault::Unknown => write!(f, "no known format"),
            Fault::Undecodable(why) => write!(f, "damaged: {why}"),
        }
    }
}
