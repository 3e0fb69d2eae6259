use candor_core::{Distribution, Targets};
use candor_train::{Member, MemberError, MemberPrediction, SavedMember, Units};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::intrinsic::DESCRIPTORS;
use crate::{CloudUnits, Preparation};

/// The class of the most alike of the shapes that were learned from, by the distance of standardised descriptors: what a network has to beat.
///
/// The probability of a class falls with the distance of its nearest shape, as a normal density of the spread that nearest shapes of one
/// class have among those that were learned from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NearestShape {
    classes: usize,
    preparation: Preparation,
    labels: Vec<u32>,
    /// Squared distance at which a density has fallen to `exp(-1/2)`.
    spread: f32,
    /// `[labels, DESCRIPTORS]`: kept apart from the description.
    #[serde(skip)]
    known: Vec<f32>,
}

impl NearestShape {
    pub fn fit(
        clouds: &CloudUnits,
        targets: &Targets,
        train: &[usize],
        classes: usize,
    ) -> Result<NearestShape, MemberError> {
        let Targets::Classes(truth) = targets.select(train) else {
            return Err(MemberError::Design(
                "the nearest shape has a class only".into(),
            ));
        };
        let preparation = Preparation::fit(clouds, targets, train);
        let known = preparation.standardised(clouds, train);
        let rows: Vec<&[f32]> = known.chunks_exact(DESCRIPTORS).collect();
        let mut nearest: Vec<f32> = (0..rows.len())
            .filter_map(|i| {
                let alike = (0..rows.len()).filter(|&j| j != i && truth[j] == truth[i]);
                alike.map(|j| distance(rows[i], rows[j])).reduce(f32::min)
            })
            .collect();
        nearest.sort_by(f32::total_cmp);
        let spread = nearest.get(nearest.len() / 2).copied().unwrap_or(1.0);
        Ok(NearestShape {
            classes,
            preparation,
            labels: truth,
            spread: (spread / 4.0).max(1e-6),
            known,
        })
    }

    /// # Errors
    /// When the description or the numbers are damaged.
    pub fn load(description: &Value, numbers: &[u8]) -> Result<NearestShape, MemberError> {
        let malformed = |problem: &str| MemberError::Malformed(problem.to_owned());
        let mut read: NearestShape = serde_json::from_value(description.clone())
            .map_err(|e| MemberError::Malformed(e.to_string()))?;
        read.preparation.check().map_err(MemberError::Malformed)?;
        let classes = read.classes;
        if classes > 1 << 20 || read.labels.iter().any(|&label| label as usize >= classes) {
            return Err(malformed("a shape has a class that is not there"));
        }
        if !(read.spread.is_finite() && read.spread > 0.0) {
            return Err(malformed("the spread of shapes is damaged"));
        }
        if read.labels.is_empty() || numbers.len() != 4 * DESCRIPTORS * read.labels.len() {
            return Err(malformed("its shapes are cut short"));
        }
        let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        read.known = numbers.chunks_exact(4).map(number).collect();
        if read.known.iter().any(|v| !v.is_finite()) {
            return Err(malformed("its shapes are damaged"));
        }
        Ok(read)
    }
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

impl Member for NearestShape {
    fn is_network(&self) -> bool {
        false
    }

    fn parameters(&self) -> u64 {
        self.known.len() as u64
    }

    fn predict(&self, units: &Units, indices: &[usize]) -> Result<MemberPrediction, MemberError> {
        let clouds = CloudUnits::of(units)?;
        let asked = self.preparation.standardised(clouds, indices);
        let mut probabilities = Vec::with_capacity(indices.len() * self.classes);
        for row in asked.chunks_exact(DESCRIPTORS) {
            let mut nearest = vec![f32::INFINITY; self.classes];
            for (known, &label) in self.known.chunks_exact(DESCRIPTORS).zip(&self.labels) {
                let nearest = &mut nearest[label as usize];
                *nearest = nearest.min(distance(row, known));
            }
            let least = nearest.iter().copied().fold(f32::INFINITY, f32::min);
            let weights: Vec<f32> = nearest
                .iter()
                .map(|d| (-0.5 * (d - least) / self.spread).exp().max(1e-4))
                .collect();
            let sum: f32 = weights.iter().sum();
            probabilities.extend(weights.into_iter().map(|w| w / sum));
        }
        Ok(MemberPrediction {
            aleatoric: None,
            members: vec![Distribution::Categorical {
                classes: self.classes,
                probabilities,
            }],
            features: None,
        })
    }

    fn save(&self) -> Result<SavedMember, MemberError> {
        let inner =
            serde_json::to_value(self).map_err(|e| MemberError::Malformed(e.to_string()))?;
        let description = serde_json::json!({ "member": "nearest", "inner": inner });
        Ok(SavedMember {
            description,
            extension: "numbers",
            numbers: self.known.iter().flat_map(|v| v.to_le_bytes()).collect(),
        })
    }
}
