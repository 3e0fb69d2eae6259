//! The modality `text`: one prediction is about one text.

mod bag_of_words;
mod challenge;
mod curate;
mod data;
mod design;
mod learner;
mod network;
mod source;
mod words;

pub use challenge::{TextChange, letters_shuffled, text_part_shuffled, text_parts, texts_changed};
pub use curate::{curate_texts, text_check_names, texts_across, unusable_texts};
pub use data::TextUnits;
pub use design::{TextBody, TextDesign, Weighting, text_space};
pub use learner::TextLearner;
pub use network::TextNetwork;
pub use source::{ReadTexts, TextSource, read_texts};
