use std::collections::HashMap;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use candor_core::{Distribution, Targets};
use candor_nn::{
    After, CategoricalEmbedding, CategoricalEmbeddingConfig, Convolution, ConvolutionConfig, Head,
    HeadConfig, HeadKind, Pass,
};
use candor_train::{Batches, Network, Output, TargetScale};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::data::TextUnits;
use super::design::{TextBody, TextDesign};
use super::words::{Word, pair};

/// Words of a text that a network sees, at most.
const MOST_WORDS: usize = 512;
/// Words that have a vector of their own, the commonest.
const VOCABULARY: usize = 20_000;
/// Texts that a pair of words must stand in to have a vector: what stands in one alone would only name it.
const FEWEST_PAIRS: u32 = 3;
/// Numbers that distances between texts are measured on.
pub(crate) const DESCRIPTORS: usize = 3 + BUCKETS;
const BUCKETS: usize = 48;

/// What a network needs to know of the training part: fitted on it alone, and saved with the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TextPreparation {
    /// Words with a vector of their own, ascending.
    pub known: Vec<Word>,
    /// The same of pairs of words.
    pub pairs: Vec<Word>,
    /// Words of a text that a network sees: of longer ones the first and the last half of them.
    pub length: usize,
    /// Mean and standard deviation of each descriptor.
    pub descriptors: Vec<(f32, f32)>,
    pub target_scale: TargetScale,
}

impl TextPreparation {
    pub fn fit(texts: &TextUnits, targets: &Targets, train: &[usize]) -> TextPreparation {
        let known = common(train.iter().map(|&unit| texts.words(unit).to_vec()), 2);
        let pairs_of = |&unit: &usize| pairs(texts.words(unit)).collect();
        let pairs = common(train.iter().map(pairs_of), FEWEST_PAIRS);
        let longest = train.iter().map(|&unit| texts.words(unit).len()).max();
        let mut fitted = TextPreparation {
            known,
            pairs,
            length: longest.unwrap_or(0).clamp(2, MOST_WORDS),
            descriptors: vec![(0.0, 1.0); DESCRIPTORS],
            target_scale: TargetScale::fit(targets, train),
        };
        let count = train.len().max(1) as f64;
        let plain = fitted.standardised(texts, train);
        fitted.descriptors = (0..DESCRIPTORS)
            .map(|place| {
                let own = || {
                    plain
                        .iter()
                        .skip(place)
                        .step_by(DESCRIPTORS)
                        .map(|&v| f64::from(v))
                };
                let mean = own().sum::<f64>() / count;
                let variance = own().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                let sd = if variance > 1e-12 {
                    variance.sqrt()
                } else {
                    1.0
                };
                (mean as f32, sd as f32)
            })
            .collect();
        fitted
    }

    pub fn check(&self) -> Result<(), String> {
        let damaged = |(mean, sd): &(f32, f32)| !mean.is_finite() || !sd.is_finite() || *sd <= 0.0;
        let sound = |words: &[Word]| words.len() <= VOCABULARY && words.is_sorted_by(|a, b| a < b);
        if !sound(&self.known) || !sound(&self.pairs) || !(2..=MOST_WORDS).contains(&self.length) {
            return Err("its words are damaged".into());
        }
        if self.descriptors.len() != DESCRIPTORS || self.descriptors.iter().any(damaged) {
            return Err("scaling of the descriptors is damaged".into());
        }
        self.target_scale.check()
    }

    pub fn restored(&self, said: Distribution) -> Distribution {
        self.target_scale.unscale(said)
    }

    /// Length, shares of unknown and of different words, and how often words of each group stand there; standardised.
    pub fn standardised(&self, texts: &TextUnits, indices: &[usize]) -> Vec<f32> {
        let mut values = Vec::with_capacity(indices.len() * DESCRIPTORS);
        for &unit in indices {
            let words = texts.words(unit);
            let count = words.len().max(1) as f32;
            let unknown = words
                .iter()
                .filter(|w| self.known.binary_search(w).is_err())
                .count();
            let mut different = words.to_vec();
            different.sort_unstable();
            different.dedup();
            let mut groups = [0.0f32; BUCKETS];
            words
                .iter()
                .for_each(|&word| groups[word as usize % BUCKETS] += 1.0);
            let own = [
                count.ln(),
                unknown as f32 / count,
                different.len() as f32 / count,
            ]
            .into_iter()
            .chain(groups.map(|g| (g / count).sqrt()));
            let scaled = own
                .zip(&self.descriptors)
                .map(|(v, (mean, sd))| (v - mean) / sd);
            values.extend(scaled);
        }
        values
    }
}

/// Pairs of words behind each other.
fn pairs(words: &[Word]) -> impl Iterator<Item = Word> {
    words.windows(2).map(|two| pair(two[0], two[1]))
}

/// Words that stand in so many of the texts at least, the commonest, ascending.
fn common(texts: impl Iterator<Item = Vec<Word>>, fewest: u32) -> Vec<Word> {
    let mut occurs: HashMap<Word, u32> = HashMap::new();
    for mut own in texts {
        own.sort_unstable();
        own.dedup();
        for word in own {
            *occurs.entry(word).or_default() += 1;
        }
    }
    let enough = occurs.into_iter().filter(|(_, count)| *count >= fewest);
    let mut common: Vec<(Word, u32)> = enough.collect();
    common.sort_unstable_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
    common.truncate(VOCABULARY);
    let mut words: Vec<Word> = common.into_iter().map(|(word, _)| word).collect();
    words.sort_unstable();
    words
}

/// A batch of texts.
#[derive(Debug, Clone)]
pub struct TextBatch {
    /// `[units, words]`: places of words in the vocabulary, 0 for others.
    words: Tensor<2, Int>,
    /// `[units, words]`: places of pairs of words.
    pairs: Tensor<2, Int>,
    /// `[units, words]`: 1 where a text goes on, else 0.
    goes_on: Tensor<2>,
}

pub(crate) struct PreparedTexts<'a> {
    pub texts: &'a TextUnits,
    pub preparation: &'a TextPreparation,
}

impl Batches for PreparedTexts<'_> {
    type Batch = TextBatch;

    fn batch(&self, indices: &[usize], device: &Device) -> TextBatch {
        // One width for all batches, so that sums are the same whatever stands beside a text.
        let longest = self.preparation.length;
        let half = longest / 2;
        let cut = |&unit: &usize| -> Vec<Word> {
            let words = self.texts.words(unit);
            match words.len() {
                count if count <= longest => words.to_vec(),
                count => [&words[..half], &words[count - half..]].concat(),
            }
        };
        let cut: Vec<Vec<Word>> = indices.iter().map(cut).collect();
        let size = indices.len() * longest;
        let (mut words, mut pairs) = (vec![0i64; size], vec![0i64; size]);
        let mut goes_on = vec![0.0f32; size];
        for (number, text) in cut.iter().enumerate() {
            for (at, &word) in text.iter().enumerate() {
                let place = number * longest + at;
                let known = self.preparation.known.binary_search(&word);
                words[place] = known.map_or(0, |found| found as i64 + 1);
                if let Some(&next) = text.get(at + 1) {
                    let known = self.preparation.pairs.binary_search(&pair(word, next));
                    pairs[place] = known.map_or(0, |found| found as i64 + 1);
                }
                goes_on[place] = 1.0;
            }
        }
        let shape = [indices.len(), longest];
        TextBatch {
            words: Tensor::from_data(TensorData::new(words, shape), device),
            pairs: Tensor::from_data(TensorData::new(pairs, shape), device),
            goes_on: Tensor::from_data(TensorData::new(goes_on, shape), device),
        }
    }

    fn units_at_once(&self) -> usize {
        32
    }
}

/// A network for texts: vectors of words, what a body makes of them, and a head.
///
/// # Reference
/// Joulin et al., "Bag of tricks for efficient text classification", EACL 2017, for [`TextBody::Embeddings`]; Kim, "Convolutional neural networks for
/// sentence classification", EMNLP 2014, for [`TextBody::Filters`], with batch normalisation.
#[derive(Module, Debug)]
pub struct TextNetwork {
    words: CategoricalEmbedding,
    pairs: Option<CategoricalEmbedding>,
    filters: Vec<Convolution>,
    head: Head,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    width: usize,
}

impl TextNetwork {
    /// Draws the weights, for so many known words and pairs of words.
    pub fn new(
        design: &TextDesign,
        (known, pairs): (usize, usize),
        head: &HeadKind,
        stream: &mut ChaCha8Rng,
        device: &Device,
    ) -> TextNetwork {
        let vectors = |count: usize| CategoricalEmbeddingConfig {
            cardinalities: vec![count + 1],
            width: design.width,
        };
        let words = vectors(known).init(stream, device);
        let bag = design.body == TextBody::Embeddings;
        let pairs = bag.then(|| vectors(pairs).init(stream, device));
        let filter = |length: usize| ConvolutionConfig {
            kernel: [1, length],
            after: After::NormRelu,
            ..ConvolutionConfig::new(design.width, design.filters, 1)
        };
        let lengths: &[usize] = if bag { &[] } else { &[3, 5] };
        let filters: Vec<Convolution> = lengths
            .iter()
            .map(|&length| filter(length).init(stream, device))
            .collect();
        let input = if bag {
            2 * design.width
        } else {
            filters.len() * design.filters
        };
        let head = HeadConfig {
            members: 1,
            input,
            kind: head.clone(),
        };
        TextNetwork {
            words,
            pairs,
            filters,
            head: head.init(stream, device),
            dropout: design.dropout,
            width: design.width,
        }
    }

    /// Vectors at places, zeros where a text has ended: `[units, words, width]`.
    fn vectors(
        &self,
        of: &CategoricalEmbedding,
        places: &Tensor<2, Int>,
        batch: &TextBatch,
    ) -> Tensor<3> {
        let [units, count] = places.dims();
        let vectors = of
            .forward(places.clone())
            .reshape([units, count, self.width]);
        vectors * batch.goes_on.clone().unsqueeze_dim(2)
    }
}

impl Network for TextNetwork {
    type Batch = TextBatch;

    fn forward(&self, batch: &TextBatch, pass: &mut Pass) -> Output {
        let [units, count] = batch.words.dims();
        let words = self.vectors(&self.words, &batch.words, batch);
        let seen: Tensor<2> = match &self.pairs {
            Some(pairs) => {
                let size = batch.goes_on.clone().sum_dim(1).clamp_min(1.0);
                let mean = |vectors: Tensor<3>| {
                    vectors.sum_dim(1).reshape([units, self.width]) / size.clone()
                };
                let both = self.vectors(pairs, &batch.pairs, batch);
                // The mean of many vectors is short.
                Tensor::cat(vec![mean(words), mean(both)], 1) * (self.width as f32).sqrt()
            }
            None => {
                let dropped = candor_nn::dropout(words, self.dropout, pass);
                let x: Tensor<4> = dropped.swap_dims(1, 2).unsqueeze_dim(2);
                let mask: Tensor<3> = batch.goes_on.clone().unsqueeze_dim(1);
                let mut greatest = Vec::with_capacity(self.filters.len());
                for filter in &self.filters {
                    let found = filter.forward(x.clone(), pass);
                    let [_, filters, _, _] = found.dims();
                    // Nothing is below zero behind a ReLU.
                    let found = found.reshape([units, filters, count]) * mask.clone();
                    greatest.push(found.max_dim(2).reshape([units, filters]));
                }
                Tensor::cat(greatest, 1)
            }
        };
        let [_, width] = seen.dims();
        let embedding: Tensor<3> = seen.reshape([1, units, width]);
        let dropped = candor_nn::dropout(embedding.clone(), self.dropout, pass);
        Output {
            raw: self.head.forward(dropped),
            embedding,
        }
    }

    fn last_layer(&self) -> Option<&Head> {
        Some(&self.head)
    }

    fn normalises_by_batch(&self) -> bool {
        !self.filters.is_empty()
    }
}
