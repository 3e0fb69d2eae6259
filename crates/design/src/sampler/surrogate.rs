use super::notebook::Trial;
use crate::ranks::normal_scores;
use crate::space::Cube;

/// A Gaussian process over designs: what a design that was not tried may be worth, from those that were.
///
/// Two designs are correlated by `exp(-sum of w d)` over the choices, where `d` is 1 for a choice of which the answers differ (or that only one of the
/// designs has), twice the distance of the coordinates for choices with an order, and else 0. The weights `w` and the noise (relative to the
/// signal) climb towards the greatest marginal likelihood, one pass whenever the number of trials has grown by half.
///
/// # Reference
/// Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", chapters 2 and 5.
#[derive(Debug, Clone)]
pub(super) struct Surrogate {
    weights: Vec<f64>,
    noise: f64,
    /// Trials at the last fit.
    fitted: usize,
    /// Trials taken in.
    count: usize,
    /// For each choice the coordinates of all trials, [`NOWHERE`] where it is not active.
    coordinates: Vec<Vec<f64>>,
    /// The lower triangle of the Cholesky factor of the correlations, row after row.
    factor: Vec<f64>,
}

/// A figure of a design that was not tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Guess {
    pub(super) mean: f64,
    pub(super) sd: f64,
}

/// A figure that is known of all trials, ready to be guessed elsewhere.
pub(super) struct Solved {
    coefficients: Vec<f64>,
    scale: f64,
}

/// One step of the climb.
#[derive(Clone, Copy)]
enum Move {
    AllWeights(f64),
    Weight(usize, f64),
    Noise(f64),
}

/// The weights of a space with one choice at the beginning; with more choices it is shared.
const WEIGHT: f64 = 2.0;
/// The noise at the beginning, and its least and greatest.
const NOISE: f64 = 0.1;
const NOISES: (f64, f64) = (1e-3, 1.0);
/// How strongly weights are held near where they begin: with few trials the likelihood alone would run away.
const HOLD: f64 = 0.1;
/// The coordinate of a choice that is not active.
const NOWHERE: f64 = -1.0;
/// No design is known better than to this share of the variance.
const LEAST_VARIANCE: f64 = 1e-9;

impl Surrogate {
    pub(super) fn new(cube: &Cube) -> Surrogate {
        let open = cube.axes.iter().filter(|axis| axis.is_open()).count();
        Surrogate {
            weights: vec![WEIGHT / open.max(1) as f64; cube.axes.len()],
            noise: NOISE,
            fitted: 0,
            count: 0,
            coordinates: vec![Vec::new(); cube.axes.len()],
            factor: Vec::new(),
        }
    }

    /// Takes in the trials that are new, and fits the weights when there are half as many again, `start` at least.
    pub(super) fn take(&mut self, cube: &Cube, trials: &[Trial], start: usize) {
        for trial in &trials[self.count..] {
            for (known, &u) in self.coordinates.iter_mut().zip(&trial.point) {
                known.push(somewhere(u));
            }
            self.extend(cube, self.count);
            self.count += 1;
        }
        if trials.len() >= start && 2 * trials.len() >= 3 * self.fitted {
            self.fitted = trials.len();
            self.fit(cube, &normal_scores(trials.iter().map(|trial| trial.loss)));
        }
    }

    /// The correlations of a place, given by its coordinate for each choice, with the first trials.
    fn correlate(&self, cube: &Cube, place: impl Fn(usize) -> f64, trials: usize) -> Vec<f64> {
        let mut sums = vec![0.0; trials];
        for (axis, known) in self.coordinates.iter().enumerate() {
            let (here, weight) = (place(axis), self.weights[axis]);
            let ordered = cube.axes[axis].ordered && here != NOWHERE;
            for (sum, &there) in sums.iter_mut().zip(known) {
                let apart = if ordered && there != NOWHERE {
                    2.0 * (there - here).abs()
                } else {
                    1.0
                };
                *sum += if there == here { 0.0 } else { weight * apart };
            }
        }
        sums.iter_mut().for_each(|sum| *sum = (-*sum).exp());
        sums
    }

    /// Adds the row of trial `at` to the factor.
    fn extend(&mut self, cube: &Cube, at: usize) {
        let mut row = self.correlate(cube, |axis| self.coordinates[axis][at], at);
        forward(&self.factor, &mut row);
        let explained: f64 = row.iter().map(|x| x * x).sum();
        row.push((1.0 + self.noise - explained).max(LEAST_VARIANCE).sqrt());
        self.factor.extend(row);
    }

    /// One pass of coordinate ascent on the marginal likelihood.
    fn fit(&mut self, cube: &Cube, scores: &[f64]) {
        let open = (0..self.weights.len()).filter(|&axis| cube.axes[axis].is_open());
        let alone = open.flat_map(|axis| [Move::Weight(axis, 2.5), Move::Weight(axis, 0.4)]);
        let moves = [
            Move::AllWeights(2.0),
            Move::AllWeights(0.5),
            Move::Noise(3.0),
            Move::Noise(1.0 / 3.0),
        ];
        let mut best = self.likelihood(scores);
        for step in moves.into_iter().chain(alone) {
            let moved = self.moved(cube, step);
            let likelihood = moved.likelihood(scores);
            if likelihood > best {
                best = likelihood;
                *self = moved;
            }
        }
    }

    fn moved(&self, cube: &Cube, step: Move) -> Surrogate {
        let mut moved = self.clone();
        match step {
            Move::AllWeights(factor) => moved.weights.iter_mut().for_each(|w| *w *= factor),
            Move::Weight(axis, factor) => moved.weights[axis] *= factor,
            Move::Noise(factor) => moved.noise = (moved.noise * factor).clamp(NOISES.0, NOISES.1),
        }
        moved.factor.clear();
        for at in 0..moved.count {
            moved.extend(cube, at);
        }
        moved
    }

    /// The logarithm of the marginal likelihood at the best scale, without constants, and of how far the weights went.
    fn likelihood(&self, scores: &[f64]) -> f64 {
        let mut whitened = scores.to_vec();
        forward(&self.factor, &mut whitened);
        let count = scores.len() as f64;
        let square = whitened.iter().map(|x| x * x).sum::<f64>() / count;
        let diagonal = (0..scores.len()).map(|row| self.factor[row * (row + 3) / 2].ln());
        let start = WEIGHT / self.weights.len() as f64;
        let held: f64 = self.weights.iter().map(|w| (w / start).ln().powi(2)).sum();
        -0.5 * count * square.max(LEAST_VARIANCE).ln() - diagonal.sum::<f64>() - HOLD * held
    }

    /// Prepares to guess a figure that is known of all trials, in their order.
    pub(super) fn solve(&self, figures: &[f64]) -> Solved {
        let mut coefficients = figures.to_vec();
        forward(&self.factor, &mut coefficients);
        let square = coefficients.iter().map(|x| x * x).sum::<f64>();
        backward(&self.factor, &mut coefficients);
        Solved {
            coefficients,
            scale: (square / figures.len().max(1) as f64).sqrt(),
        }
    }

    /// The correlations of a point with all trials.
    pub(super) fn correlations(&self, cube: &Cube, point: &[f64]) -> Vec<f64> {
        self.correlate(cube, |axis| somewhere(point[axis]), self.count)
    }

    /// The figure at a point, from its correlations.
    pub(super) fn guess(&self, solved: &Solved, mut correlations: Vec<f64>) -> Guess {
        let mean = mean(solved, &correlations);
        forward(&self.factor, &mut correlations);
        let explained: f64 = correlations.iter().map(|x| x * x).sum();
        Guess {
            mean,
            sd: solved.scale * (1.0 - explained).max(LEAST_VARIANCE).sqrt(),
        }
    }
}

/// The mean of a guess alone.
pub(super) fn mean(solved: &Solved, correlations: &[f64]) -> f64 {
    let terms = correlations.iter().zip(&solved.coefficients);
    terms.map(|(k, c)| k * c).sum()
}

fn somewhere(u: f64) -> f64 {
    if u.is_nan() { NOWHERE } else { u }
}

/// Solves `L x = y` in place, by the first rows of `L`.
fn forward(factor: &[f64], y: &mut [f64]) {
    let mut at = 0;
    for row in 0..y.len() {
        let (known, rest) = y.split_at_mut(row);
        rest[0] = (rest[0] - product(&factor[at..at + row], known)) / factor[at + row];
        at += row + 1;
    }
}

/// Solves `L^T x = y` in place.
fn backward(factor: &[f64], y: &mut [f64]) {
    for row in (0..y.len()).rev() {
        let at = row * (row + 1) / 2;
        let (rest, here) = y.split_at_mut(row);
        here[0] /= factor[at + row];
        for (x, l) in rest.iter_mut().zip(&factor[at..at + row]) {
            *x -= l * here[0];
        }
    }
}

/// The sum of products, in four sums side by side: one sum alone would wait for itself.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (fours_a, rest_a) = a.as_chunks::<4>();
    let (fours_b, rest_b) = b.as_chunks::<4>();
    for (a, b) in fours_a.iter().zip(fours_b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// By how much a figure is expected to fall below `best`, counting 0 where it does not (Jones et al. 1998, equation 15). The normal distribution
/// function is that of Abramowitz & Stegun 1964, 26.2.17.
pub(super) fn expected_improvement(guess: Guess, best: f64) -> f64 {
    let z = (best - guess.mean) / guess.sd;
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let tail = density * series.iter().rev().fold(0.0, |sum, c| t * (sum + c));
    let below = if z >= 0.0 { 1.0 - tail } else { tail };
    guess.sd * (z * below + density)
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;

    use super::*;
    use crate::sampler::notebook::Notebook;
    use crate::{Choice, Observation, Space};

    fn space() -> Space {
        Space::new(vec![
            Choice::categorical("kind", ["a", "b", "c"]),
            Choice::ordered("width", [1, 2, 4, 8]).when("kind", ["a", "b"]),
            Choice::reals("rate", 0.0, 1.0),
        ])
        .unwrap()
    }

    fn surrogate(space: &Space, cube: &Cube, count: usize) -> (Surrogate, Vec<f64>) {
        let mut rng = Seed(4).stream("test", &[]);
        let history: Vec<Observation> = (0..count)
            .map(|trial| {
                let design = space.sample(&mut rng).unwrap();
                let number = |name: &str| design.get(name).and_then(|v| v.as_f64()).unwrap_or(0.0);
                let loss = (number("rate") - 0.3).abs() + 0.1 * number("width");
                Observation {
                    trial,
                    design,
                    rung: 0,
                    loss: Some(loss),
                    parameters: 1,
                }
            })
            .collect();
        let mut notebook = Notebook::default();
        let trials = notebook.read(space, cube, &history);
        let mut surrogate = Surrogate::new(cube);
        surrogate.take(cube, trials.all, 10);
        (surrogate, normal_scores(trials.all.iter().map(|t| t.loss)))
    }

    fn point(surrogate: &Surrogate, trial: usize) -> Vec<f64> {
        let coordinates = surrogate.coordinates.iter().map(|known| known[trial]);
        coordinates
            .map(|u| if u == NOWHERE { f64::NAN } else { u })
            .collect()
    }

    fn by_definition(surrogate: &Surrogate, cube: &Cube, a: &[f64], b: &[f64]) -> f64 {
        let exponent = (0..a.len()).map(|axis| {
            let apart = match (a[axis].is_nan(), b[axis].is_nan()) {
                (true, true) => 0.0,
                (false, false) if cube.axes[axis].ordered => 2.0 * (a[axis] - b[axis]).abs(),
                (false, false) => f64::from(u8::from(a[axis] != b[axis])),
                _ => 1.0,
            };
            surrogate.weights[axis] * apart
        });
        (-exponent.sum::<f64>()).exp()
    }

    #[test]
    fn the_factor_is_that_of_the_correlations_and_solves_them() {
        let space = space();
        let cube = Cube::new(&space);
        let (surrogate, scores) = surrogate(&space, &cube, 12);
        let row = |i: usize| &surrogate.factor[i * (i + 1) / 2..(i + 1) * (i + 2) / 2];
        let correlation = |i: usize, j: usize| {
            let (a, b) = (point(&surrogate, i), point(&surrogate, j));
            let noise = if i == j { surrogate.noise } else { 0.0 };
            by_definition(&surrogate, &cube, &a, &b) + noise
        };
        for i in 0..12 {
            for j in 0..=i {
                let product: f64 = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
                assert!((product - correlation(i, j)).abs() < 1e-12, "{i}, {j}");
            }
        }
        let solved = surrogate.solve(&scores);
        for (i, score) in scores.iter().enumerate() {
            let back: f64 = (0..12)
                .map(|j| correlation(i, j) * solved.coefficients[j])
                .sum();
            assert!((back - score).abs() < 1e-9);
        }
    }

    #[test]
    fn what_was_tried_is_known_and_what_is_far_is_not() {
        let space = space();
        let cube = Cube::new(&space);
        let (surrogate, scores) = surrogate(&space, &cube, 60);
        let solved = surrogate.solve(&scores);
        let guess = |point: &[f64]| surrogate.guess(&solved, surrogate.correlations(&cube, point));
        let (mut error, mut spread) = (0.0, 0.0);
        for (i, score) in scores.iter().enumerate() {
            let guess = guess(&point(&surrogate, i));
            error += (guess.mean - score).abs() / 60.0;
            spread += guess.sd / 60.0;
        }
        assert!(error < 0.3, "{error}");
        // Better and worse by the rate alone, at a value of it that was not tried.
        let (good, bad) = (
            guess(&[5.0 / 6.0, f64::NAN, 0.301]),
            guess(&[5.0 / 6.0, f64::NAN, 0.95]),
        );
        assert!(good.mean < bad.mean - 0.5, "{good:?} {bad:?}");
        assert!(good.sd > 0.0 && spread < solved.scale);
    }

    #[test]
    fn expected_improvement_by_hand() {
        let guess = Guess { mean: 0.0, sd: 1.0 };
        // The density at 0; half of the mean deviation of a standard normal.
        assert!((expected_improvement(guess, 0.0) - 0.398_942_3).abs() < 1e-6);
        assert!((expected_improvement(guess, 3.0) - 3.000_382).abs() < 1e-5);
        assert!(expected_improvement(guess, -3.0) < 4e-4);
    }
}
