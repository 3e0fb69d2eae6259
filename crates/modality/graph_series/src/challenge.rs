//! What can go wrong with series in the world.

use std::collections::HashMap;
use std::sync::Arc;

use candor_core::Seed;
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::{SeriesUnits, Window};

/// Something that happens to readings without changing what is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Some readings are not there.
    Missing,
    /// Readings are inexact.
    Noise,
    /// Some sensors repeat what they read at the beginning of the window.
    Stuck,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Disturbance; 3] =
        [Disturbance::Missing, Disturbance::Noise, Disturbance::Stuck];

    /// The name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Disturbance::Missing => "readings missing",
            Disturbance::Noise => "readings with noise",
            Disturbance::Stuck => "sensors stuck",
        }
    }

    /// The given units with windows in which it happened, with a severity from 1 to 5.
    pub fn apply(
        self,
        units: &SeriesUnits,
        indices: &[usize],
        severity: u8,
        seed: Seed,
    ) -> SeriesUnits {
        let nodes = units.nodes();
        let share = [0.05, 0.1, 0.2, 0.3, 0.5][usize::from(severity.clamp(1, 5)) - 1];
        each_window(units, indices, |window, values| {
            let stream = &mut seed.stream(self.name(), &[window as u64]);
            match self {
                Disturbance::Missing => {
                    for value in values.iter_mut() {
                        if stream.random_bool(share) {
                            *value = f32::NAN;
                        }
                    }
                }
                Disturbance::Noise => {
                    for node in 0..nodes {
                        let sd = spread(values, node, nodes);
                        for value in values.iter_mut().skip(node).step_by(nodes) {
                            // The sum of twelve draws is near a normal one.
                            let sum: f32 = (0..12).map(|_| stream.random_range(-0.5..0.5)).sum();
                            *value += share as f32 * sd * sum;
                        }
                    }
                }
                Disturbance::Stuck => {
                    for node in 0..nodes {
                        if stream.random_bool(share) {
                            let first = values[node];
                            values
                                .iter_mut()
                                .skip(node)
                                .step_by(nodes)
                                .for_each(|v| *v = first);
                        }
                    }
                }
            }
        })
    }
}

/// The standard deviation of what a series read in a window.
fn spread(values: &[f32], node: usize, nodes: usize) -> f32 {
    let known: Vec<f32> = values
        .iter()
        .skip(node)
        .step_by(nodes)
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    let count = known.len().max(1) as f32;
    let mean = known.iter().sum::<f32>() / count;
    (known.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt()
}

/// The given units, in whose windows each reading is one of the same series at the same place of another window, drawn for each place on its own:
/// every reading is one that occurs, their course is not. A model should notice that such windows are unlike those that it was trained on.
pub fn moments_shuffled(units: &SeriesUnits, indices: &[usize], seed: Seed) -> SeriesUnits {
    let nodes = units.nodes();
    let from = distinct(units, indices);
    let whole: Vec<Vec<f32>> = from.iter().map(|&window| seen(units, window)).collect();
    let stream = &mut seed.stream("moments", &[]);
    each_window(units, indices, |_, values| {
        for place in 0..values.len() / nodes.max(1) {
            for node in 0..nodes {
                let other = stream.random_range(0..whole.len());
                values[place * nodes + node] = whole[other][place * nodes + node];
            }
        }
    })
}

/// The given units, whose windows show what was read until another of their origins.
///
/// # Reference
/// Breiman, "Random Forests", 2001, section 10 (permutation importance).
pub fn windows_exchanged(units: &SeriesUnits, indices: &[usize], seed: Seed) -> SeriesUnits {
    let windows = distinct(units, indices);
    let mut others = windows.clone();
    others.shuffle(&mut seed.stream("windows", &[]));
    let to: HashMap<usize, usize> = windows.into_iter().zip(others).collect();
    each_window(units, indices, |window, values| {
        *values = seen(units, to.get(&window).copied().unwrap_or(window));
    })
}

/// The given units, each of which sees its own series as it was, and all others as they were until another of the origins.
pub fn others_exchanged(units: &SeriesUnits, indices: &[usize], seed: Seed) -> SeriesUnits {
    let nodes = units.nodes();
    let mut others: Vec<usize> = indices.to_vec();
    others.shuffle(&mut seed.stream("others", &[]));
    let mut windows = Vec::new();
    let mut which = Vec::new();
    for (&index, &other) in indices.iter().zip(&others) {
        let (window, node) = units.which[index];
        let own = seen(units, window as usize);
        let mut values = seen(units, units.which[other].0 as usize);
        values
            .iter_mut()
            .zip(&own)
            .skip(node as usize)
            .step_by(nodes)
            .for_each(|(v, own)| *v = *own);
        which.push((windows.len() as u32, node));
        windows.push(Window {
            end: units.windows[window as usize].end,
            changed: Some(Arc::new(values)),
        });
    }
    SeriesUnits {
        windows: Arc::new(windows),
        which: Arc::new(which),
        ..units.clone()
    }
}

/// `[history, series]`, as it is seen.
fn seen(units: &SeriesUnits, window: usize) -> Vec<f32> {
    let nodes = units.nodes();
    let moment = |back: usize| (0..nodes).map(move |node| units.seen(window, back, node));
    (0..units.history).rev().flat_map(moment).collect()
}

fn distinct(units: &SeriesUnits, indices: &[usize]) -> Vec<usize> {
    let mut windows: Vec<usize> = indices.iter().map(|&i| units.which[i].0 as usize).collect();
    windows.sort_unstable();
    windows.dedup();
    windows
}

/// The given units, in the same order, with changed windows.
fn each_window(
    units: &SeriesUnits,
    indices: &[usize],
    mut change: impl FnMut(usize, &mut Vec<f32>),
) -> SeriesUnits {
    let from = distinct(units, indices);
    let windows = from.iter().map(|&window| {
        let mut values = seen(units, window);
        change(window, &mut values);
        Window {
            end: units.windows[window].end,
            changed: Some(Arc::new(values)),
        }
    });
    let windows = windows.collect();
    let places: HashMap<usize, u32> = from.iter().copied().zip(0..).collect();
    let which = indices.iter().map(|&i| {
        let (window, node) = units.which[i];
        (places[&(window as usize)], node)
    });
    SeriesUnits {
        which: Arc::new(which.collect()),
        windows: Arc::new(windows),
        ..units.clone()
    }
}
