use std::collections::HashSet;

use candor_core::Seed;
use rand::RngExt;
use rayon::prelude::*;

use super::Recorded;
use crate::sampler::RETRIES;
use crate::space::Cube;
use crate::{DesignError, Observation, Sampler};

/// One search over a recorded table.
#[derive(Debug, Clone, PartialEq)]
pub struct Playback {
    /// The rows that were evaluated, in order. No network twice.
    pub rows: Vec<usize>,
    /// Suggestions that were refused because their network had been evaluated.
    pub refused: usize,
}

/// Searches a table with several seeds side by side, on the threads of the current rayon pool: `evaluations` designs each, one after the other, all
/// earlier results known. The result does not depend on the number of threads.
///
/// Seed `i` is derived from `seed`; `sampler` makes the sampler of each.
///
/// # Errors
/// [`DesignError::Recorded`] when the table holds fewer networks than evaluations; whatever a sampler reports.
pub fn play(
    table: &Recorded,
    sampler: &(dyn Fn(Seed) -> Box<dyn Sampler> + Sync),
    evaluations: usize,
    seeds: usize,
    seed: Seed,
) -> Result<Vec<Playback>, DesignError> {
    let networks = table.networks();
    if evaluations > networks {
        return Err(DesignError::Recorded {
            table: table.name().to_owned(),
            problem: format!(
                "holds {networks} networks, but {evaluations} evaluations are asked for"
            ),
            hint: format!("give `--evaluations` at most {networks}"),
        });
    }
    (0..seeds as u64)
        .into_par_iter()
        .map(|i| {
            let seed = seed.derive("playback", &[i]);
            play_once(table, sampler(seed).as_mut(), evaluations, seed)
        })
        .collect()
}

fn play_once(
    table: &Recorded,
    sampler: &mut dyn Sampler,
    evaluations: usize,
    seed: Seed,
) -> Result<Playback, DesignError> {
    let cube = Cube::new(table.space());
    let mut history: Vec<Observation> = Vec::with_capacity(evaluations);
    let mut known: HashSet<usize> = HashSet::with_capacity(evaluations);
    let mut playback = Playback {
        rows: Vec::with_capacity(evaluations),
        refused: 0,
    };
    for trial in 0..evaluations {
        let mut rng = seed.stream("suggest", &[trial as u64]);
        let mut found = None;
        for _ in 0..RETRIES {
            let design = sampler.suggest(table.space(), &history, &mut rng)?;
            let free = |row: usize| !known.contains(&table.rows()[row].network);
            found = table.row_of(&cube, &design, free).filter(|&row| free(row));
            if found.is_some() {
                break;
            }
            playback.refused += 1;
        }
        let row = found.or_else(|| any_free(table, &known, &mut rng));
        let Some(row) = row else { break };
        known.insert(table.rows()[row].network);
        playback.rows.push(row);
        history.push(Observation {
            trial,
            design: table.design(row).clone(),
            rung: 0,
            loss: Some(table.loss(table.rows()[row].score)),
            parameters: table.rows()[row].cost.max(0.0) as u64,
        });
    }
    Ok(playback)
}

/// A row drawn from those whose network is not known.
fn any_free(table: &Recorded, known: &HashSet<usize>, rng: &mut impl rand::Rng) -> Option<usize> {
    let free: Vec<usize> = (0..table.rows().len())
        .filter(|&row| !known.contains(&table.rows()[row].network))
        .collect();
    (!free.is_empty()).then(|| free[rng.random_range(0..free.len())])
}
