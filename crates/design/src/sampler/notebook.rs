use std::collections::{BTreeMap, HashSet};

use crate::space::Cube;
use crate::{Choice, Observation, Space};

/// What a sampler keeps of the history between calls, to save reading it again.
///
/// Reading compares what is kept with the history that is given, and starts afresh where they differ: what is read
/// depends on space and history alone.
#[derive(Default)]
pub(crate) struct Notebook {
    choices: Vec<Choice>,
    observations: Vec<Observation>,
    trials: Vec<Trial>,
    /// Where in `trials` the trial of a number is.
    places: BTreeMap<usize, usize>,
    seen: HashSet<u64>,
    /// Whether some trial was scored beyond rung 0.
    risen: bool,
}

/// All that is known of one trial.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// Its place in the unit cube.
    pub(crate) point: Vec<f64>,
    /// Smaller is better and comparable between all trials, see [`Notebook::read`]; infinite once a job failed.
    pub(crate) loss: f64,
    /// Trainable parameters; 0 when unknown.
    pub(crate) parameters: u64,
    /// The loss at each rung.
    losses: BTreeMap<usize, f64>,
    failed: bool,
}

/// The history as trials, in the order in which they began to be known.
#[derive(Clone, Copy)]
pub(crate) struct Trials<'a> {
    /// The trials.
    pub(crate) all: &'a [Trial],
    /// The keys of their points.
    pub(crate) seen: &'a HashSet<u64>,
}

impl Trials<'_> {
    /// The numbers of all trials, best first; of equal ones the earlier first.
    pub(crate) fn ranked(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by(|&a, &b| {
            self.all[a]
                .loss
                .total_cmp(&self.all[b].loss)
                .then(a.cmp(&b))
        });
        order
    }
}

impl Notebook {
    /// Reads a history.
    ///
    /// Losses of different rungs cannot be compared. So the trials that were scored at a higher rung keep the losses of the
    /// lowest rung as a set, and share them out anew by their order at the higher one: within each rung the
    /// order is that of its own losses, and a trial that did not rise is compared by what is known of it.
    pub(crate) fn read(
        &mut self,
        space: &Space,
        cube: &Cube,
        history: &[Observation],
    ) -> Trials<'_> {
        if !self.holds(space, history) {
            *self = Notebook {
                choices: space.choices().to_vec(),
                ..Notebook::default()
            };
        }
        for observation in &history[self.observations.len()..] {
            self.take(cube, observation);
        }
        if self.risen {
            self.deal();
        }
        Trials {
            all: &self.trials,
            seen: &self.seen,
        }
    }

    /// Whether all that is kept is the beginning of this history.
    pub(crate) fn holds(&self, space: &Space, history: &[Observation]) -> bool {
        self.observations.len() <= history.len()
            && self.choices == space.choices()
            && self
                .observations
                .iter()
                .zip(history)
                .all(|(a, b)| equal(a, b))
    }

    /// How many observations are kept.
    pub(crate) fn len(&self) -> usize {
        self.observations.len()
    }

    fn take(&mut self, cube: &Cube, observation: &Observation) {
        let place = *self.places.entry(observation.trial).or_insert_with(|| {
            let point = cube.point(&observation.design);
            self.seen.insert(Cube::key(&point));
            self.trials.push(Trial {
                point,
                loss: f64::INFINITY,
                parameters: 0,
                losses: BTreeMap::new(),
                failed: false,
            });
            self.trials.len() - 1
        });
        let trial = &mut self.trials[place];
        match observation.loss {
            Some(loss) => {
                trial.losses.insert(observation.rung, loss);
                trial.parameters = observation.parameters;
                self.risen |= trial.losses.len() > 1;
            }
            None => trial.failed = true,
        }
        trial.loss = trial.first_loss();
        self.observations.push(observation.clone());
    }

    fn deal(&mut self) {
        for trial in &mut self.trials {
            trial.loss = trial.first_loss();
        }
        let top = self
            .trials
            .iter()
            .filter_map(|t| t.losses.keys().last().copied());
        let top = top.max().unwrap_or(0);
        for rung in 1..=top {
            let mut here: Vec<usize> = (0..self.trials.len())
                .filter(|&i| {
                    self.trials[i].loss.is_finite() && self.trials[i].losses.contains_key(&rung)
                })
                .collect();
            let mut losses: Vec<f64> = here.iter().map(|&i| self.trials[i].loss).collect();
            losses.sort_by(f64::total_cmp);
            let loss = |i: usize| {
                self.trials[i]
                    .losses
                    .get(&rung)
                    .copied()
                    .unwrap_or(f64::INFINITY)
            };
            here.sort_by(|&a, &b| loss(a).total_cmp(&loss(b)).then(a.cmp(&b)));
            for (i, loss) in here.into_iter().zip(losses) {
                self.trials[i].loss = loss;
            }
        }
    }
}

/// Equality to the bit, with the values in the same order: cheaper than that of designs, and no less certain.
fn equal(a: &Observation, b: &Observation) -> bool {
    (a.trial, a.rung, a.loss, a.parameters) == (b.trial, b.rung, b.loss, b.parameters)
        && a.design.iter().eq(b.design.iter())
}

impl Trial {
    fn first_loss(&self) -> f64 {
        match self.losses.values().next() {
            Some(&loss) if !self.failed => loss,
            _ => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Design;

    fn seen(trial: usize, rung: usize, loss: Option<f64>) -> Observation {
        Observation {
            trial,
            design: Design::new().with("n", trial),
            rung,
            loss,
            parameters: 10,
        }
    }

    fn losses(notebook: &mut Notebook, history: &[Observation]) -> Vec<f64> {
        let space = Space::new(vec![Choice::integers("n", 0, 9)]).unwrap();
        let trials = notebook.read(&space, &Cube::new(&space), history);
        trials.all.iter().map(|trial| trial.loss).collect()
    }

    #[test]
    fn higher_rungs_share_out_the_losses_of_their_trials_anew() {
        let mut history = vec![
            seen(0, 0, Some(0.1)),
            seen(1, 0, Some(0.2)),
            seen(2, 0, Some(0.3)),
            seen(3, 0, Some(0.4)),
            seen(4, 0, None),
        ];
        let mut notebook = Notebook::default();
        assert_eq!(
            losses(&mut notebook, &history),
            [0.1, 0.2, 0.3, 0.4, f64::INFINITY]
        );
        // 0 and 2 rose, 2 is the better one there; 1 and 3 keep theirs
        history.extend([seen(0, 1, Some(0.09)), seen(2, 1, Some(0.05))]);
        assert_eq!(
            losses(&mut notebook, &history),
            [0.3, 0.2, 0.1, 0.4, f64::INFINITY]
        );
        // a trial that fails above is worth nothing
        history.push(seen(2, 2, None));
        assert_eq!(
            losses(&mut notebook, &history),
            [0.1, 0.2, f64::INFINITY, 0.4, f64::INFINITY]
        );
        // another history is read from its start
        assert_eq!(losses(&mut notebook, &history[1..3]), [0.2, 0.3]);
    }
}
