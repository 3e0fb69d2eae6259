use candor_core::Seed;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::local_search::{neighbour_of_best, untried_neighbour};
use super::notebook::{Notebook, Trial, Trials};
use super::sobol::Sobol;
use super::surrogate::{Surrogate, expected_improvement, mean};
use super::tpe::{candidates, promising};
use crate::ranks::normal_scores;
use crate::space::Cube;
use crate::{Design, DesignError, Observation, Sampler, Space, hypervolume};

/// The default: the mix that was measured to be best.
///
/// It starts with the points of a [`Sobol`](crate::Sobol) sequence. Then a Gaussian process over all trials chooses among candidates of
/// two kinds, draws from the density of the best ([`Tpe`](crate::Tpe)) and neighbours of the best ([`LocalSearch`](crate::LocalSearch)). Every other time
/// it takes the candidate of greatest expected improvement; else, among neighbours of designs on the front of loss and parameters, the one
/// that may widen the front most, so that a search also finds what small networks can do. Beyond 400 trials, where the process becomes slow, TPE and local
/// search take turns.
///
/// # Reference
/// Jones et al. 1998 (expected improvement); Emmerich et al. 2006 (improvement of the hypervolume).
pub struct Auto {
    notebook: Notebook,
    sobol: Sobol,
    surrogate: Option<Surrogate>,
}

/// Designs of the sequence at the start.
const START: usize = 10;
/// Candidates of each kind.
const CANDIDATES: usize = 24;
/// The best designs whose neighbours are candidates.
const BEST: usize = 10;
/// Trials up to which the surrogate decides: its work grows with their square.
const MOST_TRIALS: usize = 400;
/// How many standard deviations a candidate for the front may do better than expected.
const HOPE: f64 = 2.0;
/// The corner of the hypervolume: this share of the most parameters, and the normal score of a loss that three in ten trials exceed.
const CORNER: (f64, f64) = (1.05, 0.5);

impl Auto {
    /// The sampler; `seed` scrambles its first designs.
    pub fn new(seed: Seed) -> Auto {
        Auto {
            notebook: Notebook::default(),
            sobol: Sobol::new(seed),
            surrogate: None,
        }
    }

    /// Brings the surrogate up to the history, result by result: it does not depend on how often it was called.
    fn study(&mut self, space: &Space, cube: &Cube, history: &[Observation]) {
        if !self.notebook.holds(space, history) {
            self.notebook = Notebook::default();
            self.surrogate = None;
        }
        let surrogate = self.surrogate.get_or_insert_with(|| Surrogate::new(cube));
        for until in self.notebook.len() + 1..=history.len() {
            let trials = self.notebook.read(space, cube, &history[..until]);
            if trials.all.len() <= MOST_TRIALS {
                surrogate.take(cube, trials.all, START);
            }
        }
    }
}

impl Sampler for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn suggest(
        &mut self,
        space: &Space,
        history: &[Observation],
        rng: &mut ChaCha8Rng,
    ) -> Result<Design, DesignError> {
        let cube = Cube::new(space);
        self.study(space, &cube, history);
        let trials = self.notebook.read(space, &cube, history);
        if trials.all.len() < START {
            let next = self.sobol.next(space, &cube, history, rng);
            return next.map_or_else(|| space.sample(rng), Ok);
        }
        let order = trials.ranked();
        // Which of the two kinds of step comes next.
        let first = trials.all.len().is_multiple_of(2);
        let found = match &self.surrogate {
            Some(surrogate) if trials.all.len() <= MOST_TRIALS => {
                let model = Model::new(surrogate, trials);
                if first {
                    model.improve(&cube, &order, rng)
                } else {
                    model.widen(&cube, rng)
                }
            }
            _ if first => promising(&cube, &trials, &order, rng),
            _ => neighbour_of_best(&cube, &trials, &order, rng),
        };
        found.map_or_else(|| space.sample(rng), Ok)
    }
}

/// What the trials say of designs that were not tried.
struct Model<'a> {
    surrogate: &'a Surrogate,
    trials: Trials<'a>,
    /// Normal scores of the losses.
    scores: Vec<f64>,
}

impl<'a> Model<'a> {
    fn new(surrogate: &'a Surrogate, trials: Trials<'a>) -> Model<'a> {
        Model {
            surrogate,
            trials,
            scores: normal_scores(trials.all.iter().map(|trial| trial.loss)),
        }
    }

    /// The candidate of greatest expected improvement on the best loss.
    fn improve(&self, cube: &Cube, order: &[usize], rng: &mut ChaCha8Rng) -> Option<Design> {
        let best = &order[..BEST.min(order.len())];
        let mut points = candidates(cube, &self.trials, order, CANDIDATES, rng);
        points.extend(self.neighbours(cube, best, rng));
        let least = self.scores.iter().copied().fold(f64::INFINITY, f64::min);
        let solved = self.surrogate.solve(&self.scores);
        let gain = |point: &[f64]| {
            let correlations = self.surrogate.correlations(cube, point);
            expected_improvement(self.surrogate.guess(&solved, correlations), least)
        };
        greatest(cube, points, gain)
    }

    /// The candidate that may add most to the area under the front of loss and parameters.
    fn widen(&self, cube: &Cube, rng: &mut ChaCha8Rng) -> Option<Design> {
        let most = self.trials.all.iter().map(|trial| trial.parameters).max();
        let most = most.unwrap_or(0).max(1) as f64;
        let size = |trial: &Trial| trial.parameters as f64 / most;
        let sizes: Vec<f64> = self.trials.all.iter().map(size).collect();
        let usual = sizes.iter().sum::<f64>() / sizes.len() as f64;
        let unusual: Vec<f64> = sizes.iter().map(|size| size - usual).collect();
        let (losses, unusual) = (
            self.surrogate.solve(&self.scores),
            self.surrogate.solve(&unusual),
        );
        let front = front(self.trials.all);
        let mut area: Vec<(f64, f64)> = front.iter().map(|&i| (sizes[i], self.scores[i])).collect();
        let before = hypervolume(&area, CORNER);
        let gain = |point: &[f64]| {
            let correlations = self.surrogate.correlations(cube, point);
            let size = (usual + mean(&unusual, &correlations)).max(0.0);
            let guess = self.surrogate.guess(&losses, correlations);
            area.push((size, guess.mean - HOPE * guess.sd));
            let gain = hypervolume(&area, CORNER) - before;
            area.pop();
            gain
        };
        greatest(cube, self.neighbours(cube, &front, rng), gain)
    }

    /// Untried neighbours of trials drawn from some.
    fn neighbours(&self, cube: &Cube, of: &[usize], rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        if of.is_empty() {
            return Vec::new();
        }
        let draw = |_| {
            let parent = &self.trials.all[of[rng.random_range(0..of.len())]];
            untried_neighbour(cube, &self.trials, &parent.point, rng)
        };
        (0..CANDIDATES).filter_map(draw).collect()
    }
}

/// The valid design of greatest gain; of equal ones the first.
fn greatest(
    cube: &Cube,
    points: Vec<Vec<f64>>,
    mut gain: impl FnMut(&[f64]) -> f64,
) -> Option<Design> {
    let mut gains: Vec<(f64, Vec<f64>)> = points.into_iter().map(|p| (gain(&p), p)).collect();
    gains.sort_by(|a, b| b.0.total_cmp(&a.0));
    gains.iter().find_map(|(_, point)| cube.design(point))
}

/// The trials that no other one beats in loss and parameters at once, fewest parameters first.
fn front(trials: &[Trial]) -> Vec<usize> {
    let mut front: Vec<usize> = (0..trials.len())
        .filter(|&i| trials[i].loss.is_finite())
        .collect();
    front.sort_by(|&a, &b| {
        let (a, b) = (&trials[a], &trials[b]);
        a.parameters
            .cmp(&b.parameters)
            .then(a.loss.total_cmp(&b.loss))
    });
    let mut least = f64::INFINITY;
    front.retain(|&i| {
        let better = trials[i].loss < least;
        least = least.min(trials[i].loss);
        better
    });
    front
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{Choice, Random};

    fn number(design: &Design, name: &str) -> f64 {
        design.get(name).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// Conditional, ordered and real choices; small designs lose less than large ones gain.
    fn space() -> Space {
        Space::new(vec![
            Choice::categorical("kind", ["plain", "deep", "wide"]),
            Choice::ordered("width", [8, 16, 32, 64, 128, 256]),
            Choice::integers("depth", 1, 8).when("kind", ["deep"]),
            Choice::reals("rate", 0.0, 1.0),
            Choice::log_reals("decay", 1e-5, 1.0).when("kind", ["deep", "wide"]),
            Choice::categorical("activation", ["relu", "gelu", "tanh"]),
        ])
        .unwrap()
    }

    fn observe(trial: usize, design: Design) -> Observation {
        let kind = design.get("kind").and_then(Value::as_str).unwrap_or("");
        let activation = design
            .get("activation")
            .and_then(Value::as_str)
            .unwrap_or("");
        let (width, depth) = (number(&design, "width"), number(&design, "depth").max(1.0));
        let mut loss = 1.0 / width.log2() + (number(&design, "rate") - 0.7).powi(2);
        loss += match kind {
            "deep" => {
                0.05 * (depth - 5.0).abs() + 0.02 * (number(&design, "decay").log10() + 3.0).abs()
            }
            "wide" => 0.1 + 0.02 * (number(&design, "decay").log10() + 1.0).abs(),
            _ => 0.2,
        };
        loss += if activation == "tanh" { 0.1 } else { 0.0 };
        let parameters = (width * width * depth) as u64;
        let failed = width == 256.0 && depth > 6.0;
        Observation {
            trial,
            design,
            rung: 0,
            loss: (!failed).then_some(loss),
            parameters,
        }
    }

    fn search(
        sampler: &mut dyn Sampler,
        space: &Space,
        seed: u64,
        trials: usize,
    ) -> Vec<Observation> {
        let mut history: Vec<Observation> = Vec::new();
        for trial in 0..trials {
            let mut rng = Seed(seed).stream("suggest", &[trial as u64]);
            let design = sampler.suggest(space, &history, &mut rng).unwrap();
            history.push(observe(trial, design));
        }
        history
    }

    fn area(history: &[Observation]) -> f64 {
        let scored = history
            .iter()
            .filter_map(|seen| Some((seen.parameters as f64, seen.loss?)));
        hypervolume(&scored.collect::<Vec<_>>(), (600_000.0, 1.0))
    }

    #[test]
    fn it_finds_better_designs_and_wider_fronts_than_random() {
        let space = space();
        let (mut loss, mut volume) = ([0.0; 2], [0.0; 2]);
        for seed in 0..6 {
            let searches = [
                search(&mut Auto::new(Seed(seed)), &space, seed, 60),
                search(&mut Random, &space, seed, 60),
            ];
            for (which, history) in searches.iter().enumerate() {
                let losses = history.iter().filter_map(|seen| seen.loss);
                loss[which] += losses.fold(f64::INFINITY, f64::min) / 6.0;
                volume[which] += area(history) / 6.0;
            }
        }
        assert!(
            loss[0] + 0.03 < loss[1],
            "mean best loss, auto and random: {loss:?}"
        );
        assert!(
            volume[0] > volume[1],
            "mean hypervolume, auto and random: {volume:?}"
        );
    }

    #[test]
    fn it_goes_on_where_everything_fails_and_beyond_its_surrogate() {
        let space = space();
        let mut rng = Seed(1).stream("test", &[]);
        let mut history: Vec<Observation> = (0..20)
            .map(|trial| Observation {
                loss: None,
                parameters: 0,
                ..observe(trial, space.sample(&mut rng).unwrap())
            })
            .collect();
        let design = Auto::new(Seed(1))
            .suggest(&space, &history, &mut rng)
            .unwrap();
        assert!(space.check(&design).is_ok());
        for trial in 20..MOST_TRIALS + 10 {
            history.push(observe(trial, space.sample(&mut rng).unwrap()));
        }
        let mut auto = Auto::new(Seed(1));
        for trial in MOST_TRIALS + 10..MOST_TRIALS + 30 {
            let design = auto.suggest(&space, &history, &mut rng).unwrap();
            assert!(space.check(&design).is_ok());
            history.push(observe(trial, design));
        }
    }
}
