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

/// Searches a table with several seeds side by side on `threads` threads (0: as many as there are cores): `evaluations` designs each, one after
/// the other, all earlier results known. The result does not depend on the number of threads.
///
/// Seed `i` is derived from `seed`; `sampler` makes the sampler of each.
///
/// # Errors
/// [`DesignError::Recorded`] when the table holds fewer networks than evaluations, or one of the numbers is 0; when the threads cannot be
/// started; whatever a sampler reports.
pub fn play(
    table: &Recorded,
    sampler: &(dyn Fn(Seed) -> Box<dyn Sampler> + Sync),
    evaluations: usize,
    seeds: usize,
    seed: Seed,
    threads: usize,
) -> Result<Vec<Playback>, DesignError> {
    let networks = table.networks();
    let refuse = |problem: String, hint: String| DesignError::Recorded {
        table: table.name().to_owned(),
        problem,
        hint,
    };
    if evaluations > networks {
        return Err(refuse(
            format!("holds {networks} networks, but {evaluations} evaluations are asked for"),
            format!("give `--evaluations` at most {networks}"),
        ));
    }
    if evaluations == 0 || seeds == 0 {
        return Err(refuse(
            "cannot be searched with 0 evaluations or 0 seeds".to_owned(),
            "give `--evaluations` and `--seeds` at least 1".to_owned(),
        ));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| DesignError::Threads { threads, source })?;
    let once = |i: u64| {
        let seed = seed.derive("playback", &[i]);
        play_once(table, sampler(seed).as_mut(), evaluations, seed)
    };
    pool.install(|| (0..seeds as u64).into_par_iter().map(once).collect())
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

#[cfg(test)]
mod tests {
    use candor_core::Hints;

    use super::*;
    use crate::SamplerKind;
    use crate::recorded::Roles;
    use crate::recorded::table::tests::{roles, table};

    #[test]
    fn no_network_is_evaluated_twice_and_threads_change_nothing() {
        let table = table();
        for kind in SamplerKind::ALL {
            let search =
                |threads| play(&table, &|seed| kind.build(seed), 30, 6, Seed(1), threads).unwrap();
            let one = search(1);
            assert_eq!(one, search(2), "{kind}");
            for playback in &one {
                let rows: HashSet<usize> = playback.rows.iter().copied().collect();
                assert_eq!((rows.len(), playback.rows.len()), (30, 30), "{kind}");
            }
            assert!(one[0].rows != one[1].rows, "{kind}: seeds differ");
        }
    }

    #[test]
    fn rows_of_one_network_count_once() {
        let header: Vec<String> = ["a", "b", "score", "same"].map(String::from).to_vec();
        let rows: Vec<Vec<String>> = (0..16)
            .map(|i| {
                vec![
                    (i / 4).to_string(),
                    (i % 4).to_string(),
                    i.to_string(),
                    (i % 5).to_string(),
                ]
            })
            .collect();
        let roles = Roles {
            network: Some("same".to_owned()),
            ..roles(&["a", "b"], "score")
        };
        let table = Recorded::new("t", &header, &rows, &roles).unwrap();
        assert_eq!(table.networks(), 5);
        let random = |seed| SamplerKind::Random.build(seed);
        let all = play(&table, &random, 5, 3, Seed(1), 1).unwrap();
        for playback in all {
            let networks: HashSet<usize> = playback.rows.iter().map(|row| row % 5).collect();
            assert_eq!(networks.len(), 5);
        }
        let error = play(&table, &random, 6, 1, Seed(1), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "table `t` holds 5 networks, but 6 evaluations are asked for"
        );
        assert_eq!(error.hints(), ["give `--evaluations` at most 5"]);
        assert!(play(&table, &random, 0, 1, Seed(1), 1).is_err());
    }

    #[test]
    fn a_table_of_few_designs_is_searched_by_its_nearest_rows() {
        let mut rng = Seed(2).stream("test", &[]);
        let header: Vec<String> = ["x", "y", "score"].map(String::from).to_vec();
        let rows: Vec<Vec<String>> = (0..120)
            .map(|_| {
                let (x, y): (f64, f64) = (rng.random(), rng.random());
                vec![
                    x.to_string(),
                    y.to_string(),
                    (-(x - 0.3).abs() - y).to_string(),
                ]
            })
            .collect();
        let table = Recorded::new("t", &header, &rows, &roles(&["x", "y"], "score")).unwrap();
        assert!(table.is_sparse());
        let mean = |kind: SamplerKind| {
            let all = play(&table, &|seed| kind.build(seed), 40, 8, Seed(1), 0).unwrap();
            let best = |p: &Playback| {
                p.rows
                    .iter()
                    .map(|&r| table.rows()[r].score)
                    .fold(f64::NEG_INFINITY, f64::max)
            };
            all.iter().map(best).sum::<f64>() / 8.0
        };
        assert!(mean(SamplerKind::Auto) > mean(SamplerKind::Random));
        let all = play(
            &table,
            &|seed| SamplerKind::Tpe.build(seed),
            120,
            1,
            Seed(1),
            0,
        )
        .unwrap();
        assert_eq!(all[0].rows.len(), 120, "the whole table can be played");
    }
}
