//! Pictures: what they are once they are read.

mod images;

pub use images::{ImageSize, Images};
