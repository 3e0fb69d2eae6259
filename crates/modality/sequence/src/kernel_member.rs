use candor_core::{Distribution, Seed, Stop};
use candor_train::{Assignment, MemberError};
use serde::{Deserialize, Serialize};

use crate::design::KernelDesign;
use crate::kernels::{KernelKind, MiniRocket, Pooling, Rocket};
use crate::ridge::{Answer, Ridge};
use crate::{Scaler, SeriesSet};

/// Random kernels with a ridge regression on their features.
#[derive(Debug)]
pub(crate) struct KernelMember {
    scaler: Scaler,
    kernels: Kernels,
    ridge: Ridge,
}

/// Kernels of one kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kernels {
    /// One set, or one on series and one on their differences.
    Minirocket(Vec<MiniRocket>),
    Rocket(Rocket),
}

/// What is kept of it beside its numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KernelDescription {
    scaler: Scaler,
    kernels: Kernels,
    answer: Answer,
}

/// Bytes of features at most: of many series fewer features are made.
const MOST_BYTES: usize = 1 << 30;
/// Features at most, where there are more series than that: those of MiniRocket's authors are for few thousands of series.
const OF_MANY: usize = 2_000;

impl Kernels {
    fn fit(
        scaled: &[Vec<f32>],
        (channels, length): (usize, usize),
        design: &KernelDesign,
        features: usize,
        seed: Seed,
    ) -> Kernels {
        let shape = (channels, length);
        let series = |number: usize| scaled[number].clone();
        let fit = |share: usize, differences: bool, pooling: Pooling| {
            let seed = seed.derive("kernels", &[u64::from(differences)]);
            let how = (differences, pooling);
            MiniRocket::fit(&series, scaled.len(), shape, features / share, how, seed)
        };
        match design.kernels {
            KernelKind::Minirocket => Kernels::Minirocket(vec![fit(1, false, Pooling::Share)]),
            KernelKind::Multirocket => Kernels::Minirocket(vec![
                fit(8, false, Pooling::Four),
                fit(8, true, Pooling::Four),
            ]),
            KernelKind::Rocket => Kernels::Rocket(Rocket::new(shape, features / 2, seed)),
        }
    }

    fn width(&self) -> usize {
        match self {
            Kernels::Minirocket(sets) => sets.iter().map(MiniRocket::width).sum(),
            Kernels::Rocket(kernels) => kernels.width(),
        }
    }

    /// One row a series; `None` when `stop` says so.
    fn features(&self, scaled: &[Vec<f32>], stop: &dyn Fn() -> bool) -> Option<Vec<Vec<f32>>> {
        match self {
            Kernels::Minirocket(sets) => {
                let row = |series: &Vec<f32>| {
                    let mut row = Vec::with_capacity(self.width());
                    sets.iter().for_each(|set| set.features(series, &mut row));
                    (!stop()).then_some(row)
                };
                scaled.iter().map(row).collect()
            }
            Kernels::Rocket(kernels) => kernels.features(scaled, stop),
        }
    }
}

impl KernelMember {
    pub fn fit(
        series: &SeriesSet,
        design: &KernelDesign,
        assignment: &Assignment,
    ) -> Result<KernelMember, MemberError> {
        design.check().map_err(MemberError::Design)?;
        let train = assignment.train;
        if train.is_empty() {
            return Err(MemberError::Training("no series to learn from".into()));
        }
        let scaler = Scaler::fit(series, train, design.scaling);
        let scaled: Vec<Vec<f32>> = train
            .iter()
            .map(|&unit| scaler.scaled(series, unit, false))
            .collect();
        let length = train.iter().map(|&unit| series.length(unit)).max();
        let shape = (series.channels(), length.unwrap_or(0));
        let mut features = design.features.min(MOST_BYTES / 4 / train.len());
        if train.len() > OF_MANY {
            features = features.min(OF_MANY);
        }
        let stop = || assignment.clock.stop().is_some();
        let stopped = || {
            let stop = assignment.clock.stop();
            MemberError::Stopped(stop.unwrap_or(Stop::OutOfTime))
        };
        let kernels = Kernels::fit(&scaled, shape, design, features, assignment.seed);
        let rows = kernels.features(&scaled, &stop).ok_or_else(stopped)?;
        let targets = assignment.targets.select(train);
        let outputs = assignment.target.width();
        let ridge = Ridge::fit(rows, &targets, outputs, &stop).ok_or_else(|| {
            match assignment.clock.stop() {
                Some(stop) => MemberError::Stopped(stop),
                None => MemberError::Training("the features of its kernels are not finite".into()),
            }
        })?;
        Ok(KernelMember {
            scaler,
            kernels,
            ridge,
        })
    }

    pub fn channels(&self) -> usize {
        self.scaler.channels.len()
    }

    pub fn parameters(&self) -> u64 {
        self.ridge.weights.len() as u64
    }

    pub fn predict(&self, series: &SeriesSet, indices: &[usize]) -> Distribution {
        /// Series whose features are held at a time.
        const AT_ONCE: usize = 64;
        let mut scores = Vec::with_capacity(indices.len());
        for some in indices.chunks(AT_ONCE) {
            let scaled: Vec<Vec<f32>> = some
                .iter()
                .map(|&unit| self.scaler.scaled(series, unit, false))
                .collect();
            let rows = self
                .kernels
                .features(&scaled, &|| false)
                .unwrap_or_default();
            scores.extend(rows.iter().map(|row| self.ridge.scores(row)));
        }
        self.ridge.distribution(&scores)
    }

    pub fn description(&self) -> KernelDescription {
        KernelDescription {
            scaler: self.scaler.clone(),
            kernels: self.kernels.clone(),
            answer: self.ridge.answer.clone(),
        }
    }

    /// Biases of the kernels, then the weights, as little-endian numbers.
    pub fn numbers(&self) -> Vec<u8> {
        let biases: Vec<f32> = match &self.kernels {
            Kernels::Minirocket(sets) => {
                sets.iter().flat_map(MiniRocket::biases).copied().collect()
            }
            Kernels::Rocket(_) => Vec::new(),
        };
        let all = biases.iter().chain(&self.ridge.weights);
        all.flat_map(|number| number.to_le_bytes()).collect()
    }

    /// One that was saved.
    pub fn load(description: KernelDescription, numbers: &[u8]) -> Result<KernelMember, String> {
        description.scaler.check()?;
        let (whole, rest) = numbers.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("its numbers are cut off".into());
        }
        let numbers: Vec<f32> = whole
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        let mut numbers = numbers.as_slice();
        let kernels = match description.kernels {
            Kernels::Minirocket(sets) => {
                let mut read = Vec::with_capacity(sets.len());
                for set in sets {
                    let count = set.bias_count()?;
                    let Some((own, others)) = numbers.split_at_checked(count) else {
                        return Err("its numbers are cut off".into());
                    };
                    numbers = others;
                    read.push(set.with_biases(own)?);
                }
                if read
                    .iter()
                    .any(|set| set.channels() != description.scaler.channels.len())
                {
                    return Err("its kernels see other channels".into());
                }
                Kernels::Minirocket(read)
            }
            Kernels::Rocket(kernels) => {
                kernels.check()?;
                if kernels.channels() != description.scaler.channels.len() {
                    return Err("its kernels see other channels".into());
                }
                Kernels::Rocket(kernels)
            }
        };
        let ridge = Ridge::from_parts(description.answer, numbers.to_vec(), kernels.width())?;
        Ok(KernelMember {
            scaler: description.scaler,
            kernels,
            ridge,
        })
    }
}
