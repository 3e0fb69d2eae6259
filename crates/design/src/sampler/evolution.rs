use std::collections::BTreeMap;

use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use crate::{Design, DesignError, Observation, Sampler, Space};

/// Regularised evolution: mutates the winner of a tournament among the most recent trials, so that
/// every trial dies of age, however good it was.
///
/// Trials that failed take part as the worst. Two trials are compared at the highest rung at which both
/// were scored. Until the population is full, designs are drawn at random.
///
/// # Reference
/// Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search", Algorithm 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evolution {
    /// P: the number of most recent trials that live; at least 1.
    pub population: usize,
    /// S: the number of them that meet in a tournament; at least 1.
    pub tournament: usize,
}

impl Default for Evolution {
    /// 20 and 5: a quarter meets, as in the paper (100 and 25), in a population that a study of some
    /// fifty trials can fill.
    fn default() -> Evolution {
        Evolution {
            population: 20,
            tournament: 5,
        }
    }
}

/// A living trial: its design and its losses by rung, `None` once a job of it failed.
struct Individual<'a> {
    design: &'a Design,
    losses: Option<BTreeMap<usize, f64>>,
}

impl Individual<'_> {
    fn beats(&self, other: &Individual) -> bool {
        match (&self.losses, &other.losses) {
            (Some(mine), Some(theirs)) => mine
                .iter()
                .rev()
                .find_map(|(rung, mine)| Some(mine < theirs.get(rung)?))
                .unwrap_or(false),
            (mine, theirs) => mine.is_some() && theirs.is_none(),
        }
    }
}

impl Sampler for Evolution {
    fn name(&self) -> &'static str {
        "evolution"
    }

    fn suggest(
        &mut self,
        space: &Space,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError> {
        let living = self.living(history);
        if living.is_empty() || living.len() < self.population {
            return space.sample(rng);
        }
        let contestants = sample(rng, living.len(), self.tournament.clamp(1, living.len()));
        let winner = contestants
            .into_iter()
            .map(|i| &living[i])
            .reduce(|best, next| if next.beats(best) { next } else { best });
        match winner {
            Some(winner) if winner.losses.is_some() => match space.mutate(winner.design, rng) {
                Err(DesignError::NoNeighbour { .. }) => space.sample(rng),
                mutated => mutated,
            },
            _ => space.sample(rng),
        }
    }
}

impl Evolution {
    /// The most recent trials, oldest first.
    fn living<'a>(&self, history: &'a [Observation]) -> Vec<Individual<'a>> {
        let mut trials: Vec<usize> = history.iter().map(|seen| seen.trial).collect();
        trials.sort_unstable();
        trials.dedup();
        let living = &trials[trials.len().saturating_sub(self.population)..];
        let oldest = living.first().copied().unwrap_or(0);
        let mut living: BTreeMap<usize, Individual<'a>> = BTreeMap::new();
        for seen in history.iter().filter(|seen| seen.trial >= oldest) {
            let individual = living.entry(seen.trial).or_insert_with(|| Individual {
                design: &seen.design,
                losses: Some(BTreeMap::new()),
            });
            match (seen.loss, &mut individual.losses) {
                (Some(loss), Some(losses)) => {
                    losses.insert(seen.rung, loss);
                }
                (None, losses) => *losses = None,
                (Some(_), None) => {}
            }
        }
        living.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Choice, Random};

    fn seen(trial: usize, rung: usize, loss: Option<f64>) -> Observation {
        let design = Design::new().with("n", trial);
        Observation {
            trial,
            design,
            rung,
            loss,
            parameters: 1,
        }
    }

    #[test]
    fn trials_die_of_age_and_are_compared_at_a_common_rung() {
        let evolution = Evolution {
            population: 3,
            tournament: 3,
        };
        let history = [
            seen(0, 0, Some(0.01)), // the best of all, but too old
            seen(1, 0, Some(0.5)),
            seen(2, 0, Some(0.6)),
            seen(3, 0, None),
            seen(2, 1, Some(0.1)), // trained longer: says nothing against trial 1
        ];
        let living = evolution.living(&history);
        let trials: Vec<&Value> = living.iter().map(|i| i.design.get("n").unwrap()).collect();
        assert_eq!(trials, [&json!(1), &json!(2), &json!(3)]);
        assert!(living[0].beats(&living[1]) && !living[1].beats(&living[0]));
        assert!(living[1].beats(&living[2]) && !living[2].beats(&living[1]));
        assert!(!living[2].beats(&living[2]));
    }

    #[test]
    fn the_winner_of_a_full_tournament_is_the_parent() {
        let space = Space::new(
            (0..8)
                .map(|i| Choice::integers(format!("x{i}"), 0, 9))
                .collect(),
        )
        .unwrap();
        let mut rng = Seed(1).stream("test", &[]);
        let history: Vec<Observation> = (0..5)
            .map(|trial| Observation {
                trial,
                design: space.sample(&mut rng).unwrap(),
                rung: 0,
                loss: Some((trial as f64 - 3.0).abs()),
                parameters: 1,
            })
            .collect();
        let mut evolution = Evolution {
            population: 5,
            tournament: 5,
        };
        for _ in 0..20 {
            let child = evolution.suggest(&space, &history, &mut rng).unwrap();
            let parent = &history[3].design;
            let changed = child
                .iter()
                .filter(|(name, v)| parent.get(name) != Some(v))
                .count();
            assert_eq!(changed, 1);
        }
    }

    #[test]
    fn a_population_of_failures_is_left_for_random_designs() {
        let space = Space::new(vec![Choice::integers("n", 0, 1_000_000)]).unwrap();
        let history: Vec<_> = (0..20).map(|trial| seen(trial, 0, None)).collect();
        let rng = || Seed(4).stream("test", &[]);
        let mut after_draw = rng();
        let _ = sample(&mut after_draw, 20, 5);
        assert_eq!(
            Evolution::default()
                .suggest(&space, &history, &mut rng())
                .unwrap(),
            space.sample(&mut after_draw).unwrap()
        );
    }

    /// A rugged loss over ten digits: distance from a hidden design, with pairs that must agree.
    fn loss(design: &Design) -> f64 {
        let digit = |i: usize| {
            let name = format!("x{i}");
            design.get(&name).and_then(Value::as_f64).unwrap_or(0.0)
        };
        let distance: f64 = (0..10)
            .map(|i| (digit(i) - (3 * i % 10) as f64).abs())
            .sum();
        let discord: f64 = (0..9)
            .map(|i| f64::from((digit(i) + digit(i + 1)) % 2.0 == 0.0))
            .sum();
        distance + discord
    }

    fn best_of(sampler: &mut dyn Sampler, space: &Space, seed: u64, evaluations: usize) -> f64 {
        let mut history: Vec<Observation> = Vec::new();
        for trial in 0..evaluations {
            let mut rng = Seed(seed).stream("suggest", &[trial as u64]);
            let design = sampler.suggest(space, &history, &mut rng).unwrap();
            let loss = Some(loss(&design));
            history.push(Observation {
                trial,
                design,
                rung: 0,
                loss,
                parameters: 1,
            });
        }
        history
            .iter()
            .filter_map(|seen| seen.loss)
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn evolution_beats_random_at_equal_evaluations() {
        let space = Space::new(
            (0..10)
                .map(|i| Choice::integers(format!("x{i}"), 0, 9))
                .collect(),
        )
        .unwrap();
        let seeds = 12;
        let mean = |sampler: &mut dyn Sampler| {
            (0..seeds)
                .map(|seed| best_of(sampler, &space, seed, 150))
                .sum::<f64>()
                / seeds as f64
        };
        let (random, evolution) = (mean(&mut Random), mean(&mut Evolution::default()));
        assert!(
            evolution < 0.75 * random,
            "mean best loss after 150 evaluations: evolution {evolution}, random {random}"
        );
    }
}
