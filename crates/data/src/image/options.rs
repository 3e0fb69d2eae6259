use serde::{Deserialize, Serialize};

use super::ImageSize;

/// What is done with pictures that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CorruptPolicy {
    /// They are left out and reported; more than a fifth of all pictures is an error.
    #[default]
    Skip,
    /// One is an error.
    Refuse,
}

/// How pictures are read. The default decides everything from the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageOptions {
    /// The shape to which all pictures are brought, as a network that exists asks for it; decided when `None`.
    pub size: Option<ImageSize>,
    /// The most pixels along the longer side of the shape that is decided, at least 1; 64 when `None`.
    pub longest_side: Option<usize>,
    /// Memory of the whole process, in bytes; 8 GB when `None`. The pictures take at most a quarter of it, because
    /// later steps hold copies; when they need more, evenly spaced pictures of each class are read and a note says so.
    pub memory_bytes: Option<u64>,
    /// What is done with pictures that cannot be read.
    pub corrupt: CorruptPolicy,
    /// Whether the pictures are to be learned from: then folders, archives and IDX files must tell at least two classes.
    pub labelled: bool,
}

/// Memory that is assumed where none is given.
const ASSUMED_BYTES: u64 = 8_000_000_000;

impl ImageOptions {
    /// The bytes that the pictures may take.
    pub(super) fn pixel_bytes(&self) -> u64 {
        (self.memory_bytes.unwrap_or(ASSUMED_BYTES) / 4).max(1)
    }

    /// The bytes that decoding one picture may take: several are decoded at a time.
    pub(super) fn decoder_bytes(&self) -> u64 {
        const MOST: u64 = 512 << 20;
        const LEAST: u64 = 8 << 20;
        (self.memory_bytes.unwrap_or(ASSUMED_BYTES) / 8).clamp(LEAST, MOST)
    }

    /// The most pixels along the longer side.
    pub(super) fn longest(&self) -> usize {
        /// Detail enough for most classes, and a network that learns in minutes on a CPU.
        const LONGEST_SIDE: usize = 64;
        self.longest_side.unwrap_or(LONGEST_SIDE).max(1)
    }
}
