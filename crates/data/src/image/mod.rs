//! Pictures: where they come from, how they are read, what is wrong with them.
//!
//! | source | what it looks like |
//! | --- | --- |
//! | class folders | `photos/cat/1.jpg`, `photos/dog/old/2.png`; or `photos/train/cat/1.jpg`, `photos/test/cat/2.jpg` |
//! | manifest | a CSV with a column of paths, relative to it; all other columns are kept |
//! | IDX | `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-...`, plain or gzip |
//! | archive | a tar file, plain or gzip, of class folders; or `train.tar.gz` beside `test.tar.gz` |
//! | pictures | one file, or a folder of files without classes: to predict |
//! | `@fashion-mnist` | what the Debian package `dataset-fashion-mnist` installs |
//!
//! PNG, JPEG, TIFF, BMP, WebP and GIF (its first frame) are decoded, with limits on their sides and on the memory that a
//! decoder may take. Files are read twice, on all threads: once for their size and their hash, once for their pixels.

mod archive;
pub(crate) mod arrange;
mod builtin;
mod collection;
mod common_size;
mod curate;
mod decode;
mod fault;
mod idx;
mod images;
pub(crate) mod listing;
mod manifest;
mod natural_order;
mod options;
mod pictures;
mod read;
mod resize;
mod source;
mod store;
mod thin;
mod thumbnail;
mod unpacked;

#[cfg(test)]
mod tests;

pub(crate) use builtin::NAMES as BUILTIN_NAMES;
pub use builtin::image_builtin_names;
pub use curate::curate_images;
pub use images::{ImageSize, Images};
pub use options::{CorruptPolicy, ImageOptions};
pub use read::{ReadImages, read_images};
pub use source::ImageSource;
