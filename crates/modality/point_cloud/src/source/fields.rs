//! What the numbers of a point are, by their names.

use std::collections::HashMap;

use super::geometry::{Channels, Geometry, PointLabels};

/// What a named number of a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// A coordinate.
    Axis(usize),
    /// One of [`CHANNELS`].
    Channel(usize),
    /// What the point is part of.
    Label,
}

/// What may be known of a point beside its place: colour, normal, intensity of what came back.
pub(crate) const CHANNELS: [&str; 7] = ["red", "green", "blue", "nx", "ny", "nz", "intensity"];
/// Channels that mean something only together.
const GROUPS: [std::ops::Range<usize>; 3] = [0..3, 3..6, 6..7];

/// What a name stands for in PLY, PCD and headed texts; CloudCompare's names of scalar fields included.
pub(super) fn field(name: &str) -> Option<Field> {
    let name = name.trim_matches('"').to_ascii_lowercase();
    let name = name.strip_prefix("scalar_").unwrap_or(&name);
    Some(match name {
        "x" => Field::Axis(0),
        "y" => Field::Axis(1),
        "z" => Field::Axis(2),
        "red" | "r" | "diffuse_red" => Field::Channel(0),
        "green" | "g" | "diffuse_green" => Field::Channel(1),
        "blue" | "b" | "diffuse_blue" => Field::Channel(2),
        "nx" | "normal_x" => Field::Channel(3),
        "ny" | "normal_y" => Field::Channel(4),
        "nz" | "normal_z" => Field::Channel(5),
        "intensity" | "reflectance" => Field::Channel(6),
        "label" | "labels" | "class" | "classification" | "semantic" | "sem_class" | "seg"
        | "segment" | "part" | "part_label" | "point_label" => Field::Label,
        _ => return None,
    })
}

/// The names of labels that were met, and the label of each point.
#[derive(Debug, Default)]
pub(crate) struct LabelBook {
    words: HashMap<String, u32>,
    numbers: HashMap<u64, u32>,
    labels: PointLabels,
}

impl LabelBook {
    /// The place of a word among the labels; of nothing, or of what says that nobody knows, none.
    fn place(&mut self, word: &str) -> u32 {
        let word = word.trim_matches('"');
        if word.is_empty() || word.eq_ignore_ascii_case("nan") {
            return PointLabels::MISSING;
        }
        if let Some(&place) = self.words.get(word) {
            return place;
        }
        let place = self.labels.names.len() as u32;
        self.labels.names.push(word.to_owned());
        self.words.insert(word.to_owned(), place);
        place
    }

    /// The next point's label as a word.
    pub fn word(&mut self, word: &str) {
        // `33.000000` is what programs write for 33.
        match word.parse::<f64>() {
            Ok(number) => self.number(number),
            Err(_) => {
                let place = self.place(word);
                self.labels.codes.push(place);
            }
        }
    }

    /// The next point's label as a number; one that is not finite says that nobody knows.
    pub fn number(&mut self, number: f64) {
        if !number.is_finite() {
            self.labels.codes.push(PointLabels::MISSING);
            return;
        }
        let place = match self.numbers.get(&number.to_bits()) {
            Some(&place) => place,
            None => {
                let place = self.place(&(number + 0.0).to_string());
                self.numbers.insert(number.to_bits(), place);
                place
            }
        };
        self.labels.codes.push(place);
    }

    pub fn labels(self) -> PointLabels {
        self.labels
    }
}

/// Makes a geometry of points whose numbers have names.
#[derive(Debug)]
pub(super) struct Collector {
    fields: Vec<Option<Field>>,
    /// For each channel that is kept, where it stands in a row.
    kept: Vec<usize>,
    label: Option<usize>,
    book: LabelBook,
    pub geometry: Geometry,
}

impl Collector {
    /// For rows of numbers with these names, those without a meaning included. Of names that say the same the first counts.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Collector {
        let fields: Vec<Option<Field>> = names.into_iter().map(field).collect();
        let at = |wanted: Field| fields.iter().position(|field| *field == Some(wanted));
        let mut channels = Channels::default();
        let mut kept = Vec::new();
        for group in GROUPS {
            let places: Vec<usize> = group
                .clone()
                .filter_map(|channel| at(Field::Channel(channel)))
                .collect();
            if places.len() == group.len() {
                channels
                    .names
                    .extend(group.map(|channel| CHANNELS[channel].to_owned()));
                kept.extend(places);
            }
        }
        Collector {
            kept,
            label: at(Field::Label),
            book: LabelBook::default(),
            geometry: Geometry {
                channels,
                ..Geometry::default()
            },
            fields,
        }
    }

    /// Where each coordinate stands in a row, if all three do.
    pub fn axes(&self) -> Option<[usize; 3]> {
        let at = |axis| {
            self.fields
                .iter()
                .position(|field| *field == Some(Field::Axis(axis)))
        };
        Some([at(0)?, at(1)?, at(2)?])
    }

    /// Where the label stands in a row.
    pub fn label(&self) -> Option<usize> {
        self.label
    }

    /// Whether a number of a row is looked at.
    pub fn reads(&self, place: usize) -> bool {
        self.fields.get(place).is_some_and(Option::is_some)
    }

    /// Adds a point: its place, and a row of numbers for the rest.
    pub fn push(&mut self, point: [f64; 3], row: &[f64]) {
        self.push_unlabelled(point, row);
        if let Some(place) = self.label {
            self.book
                .number(row.get(place).copied().unwrap_or(f64::NAN));
        }
    }

    /// The same where the label is a word.
    pub fn push_worded(&mut self, point: [f64; 3], row: &[f64], word: &str) {
        self.push_unlabelled(point, row);
        self.book.word(word);
    }

    fn push_unlabelled(&mut self, point: [f64; 3], row: &[f64]) {
        self.geometry.points.push(point);
        let value = |&place: &usize| row.get(place).copied().unwrap_or(f64::NAN) as f32;
        let values = self.kept.iter().map(value);
        self.geometry.channels.values.extend(values);
    }

    /// All that was added.
    pub fn finish(self) -> Geometry {
        Geometry {
            labels: self.label.is_some().then(|| self.book.labels()),
            ..self.geometry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_numbers_are_and_halves_of_a_colour_are_none() {
        let mut rows = Collector::new([
            "scalar_Label",
            "z",
            "x",
            "y",
            "odd",
            "red",
            "NX",
            "ny",
            "nz",
        ]);
        assert_eq!(rows.axes(), Some([2, 3, 1]));
        rows.push(
            [1.0, 2.0, 3.0],
            &[7.0, 3.0, 1.0, 2.0, 9.0, 255.0, 0.0, 0.0, 1.0],
        );
        rows.push(
            [1.0, 2.0, 4.0],
            &[f64::NAN, 4.0, 1.0, 2.0, 9.0, 255.0, 0.0, 1.0, 0.0],
        );
        let geometry = rows.finish();
        assert_eq!(geometry.channels.names, ["nx", "ny", "nz"]);
        assert_eq!(geometry.channels.values, [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        let labels = geometry.labels.unwrap();
        assert_eq!(
            (labels.codes, labels.names),
            (vec![0, PointLabels::MISSING], vec!["7".to_owned()])
        );
        assert!(Collector::new(["x", "y"]).axes().is_none());
    }

    #[test]
    fn one_label_has_one_name_however_it_is_written() {
        let mut book = LabelBook::default();
        for word in ["33", "33.000000", "leg", "\"leg\"", "", "nan", "-0"] {
            book.word(word);
        }
        let labels = book.labels();
        assert_eq!(labels.names, ["33", "leg", "0"]);
        let missing = PointLabels::MISSING;
        assert_eq!(labels.codes, [0, 0, 1, 1, missing, missing, 2]);
    }
}
