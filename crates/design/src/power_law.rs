/// A learning curve: the loss after an effort `t` (steps, epochs, rows) is about `floor + gain * t^-rate`.
///
/// # Reference
/// Cortes et al. 1993, "Learning Curves: Asymptotic Values and Rate of Convergence"; Domhan et al. 2015 (extrapolation to stop a training).
///
/// ```
/// use candor_design::PowerLaw;
/// let curve: Vec<(f64, f64)> = (1..=8).map(|t| (t as f64, 0.2 + 0.5 / (t as f64).sqrt())).collect();
/// let law = PowerLaw::fit(&curve).unwrap();
/// assert!((law.at(64.0) - (0.2 + 0.5 / 8.0)).abs() < 0.01);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// The loss after endless effort.
    pub floor: f64,
    /// What is above it after an effort of 1; not below 0.
    pub gain: f64,
    /// How fast that falls.
    pub rate: f64,
    /// Root of the mean squared difference between the points and the curve.
    pub error: f64,
}

/// Points below which three numbers cannot be told.
const LEAST_POINTS: usize = 4;
/// The rates that are tried: from almost a logarithm to a fast end.
const RATES: [f64; 12] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6, 2.2, 3.0];
/// How many errors a curve may turn out better than its law says.
const HOPE: f64 = 2.0;

impl PowerLaw {
    /// The law of least squares through the points, each an effort and the loss after it; `None` for fewer than four different efforts, or
    /// numbers that are not finite and efforts not above 0. A curve that rises is answered by its mean.
    pub fn fit(curve: &[(f64, f64)]) -> Option<PowerLaw> {
        let sound = |(t, loss): &(f64, f64)| t.is_finite() && *t > 0.0 && loss.is_finite();
        let mut efforts: Vec<f64> = curve.iter().map(|(t, _)| *t).collect();
        efforts.sort_by(f64::total_cmp);
        efforts.dedup();
        if efforts.len() < LEAST_POINTS || !curve.iter().all(sound) {
            return None;
        }
        let laws = RATES.map(|rate| with_rate(curve, rate));
        laws.into_iter().min_by(|a, b| a.error.total_cmp(&b.error))
    }

    /// The loss after an effort.
    pub fn at(&self, effort: f64) -> f64 {
        self.floor + self.gain * effort.powf(-self.rate)
    }

    /// Whether a training is not worth going on with: whether its curve, even if it turns out two errors better than extrapolated, ends above
    /// `best` after an effort of `until`. Never so where there are too few points.
    pub fn cannot_reach(curve: &[(f64, f64)], until: f64, best: f64) -> bool {
        PowerLaw::fit(curve).is_some_and(|law| law.at(until) - HOPE * law.error > best)
    }
}

/// The best floor and gain at a rate: a straight line in `t^-rate`.
fn with_rate(curve: &[(f64, f64)], rate: f64) -> PowerLaw {
    let count = curve.len() as f64;
    let points: Vec<(f64, f64)> = curve
        .iter()
        .map(|(t, loss)| (t.powf(-rate), *loss))
        .collect();
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let product: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let gain = if square > 0.0 {
        (product / square).max(0.0)
    } else {
        0.0
    };
    let floor = mean_y - gain * mean_x;
    let squares = points.iter().map(|(x, y)| (y - floor - gain * x).powi(2));
    PowerLaw {
        floor,
        gain,
        rate,
        error: (squares.sum::<f64>() / count).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use rand::RngExt;

    use super::*;

    #[test]
    fn noisy_curves_are_extrapolated_within_their_noise() {
        let mut rng = Seed(1).stream("test", &[]);
        for (floor, gain, rate) in [(0.1, 1.0, 0.5), (0.4, 0.3, 0.9), (0.0, 0.8, 0.2)] {
            let truth = |t: f64| floor + gain * t.powf(-rate);
            let curve: Vec<(f64, f64)> = (1..=20)
                .map(|t| {
                    (
                        f64::from(t),
                        truth(f64::from(t)) + rng.random_range(-0.005..0.005),
                    )
                })
                .collect();
            let law = PowerLaw::fit(&curve).unwrap();
            assert!((law.at(80.0) - truth(80.0)).abs() < 0.03, "{law:?}");
            assert!(!PowerLaw::cannot_reach(&curve, 80.0, truth(80.0)));
            assert!(PowerLaw::cannot_reach(&curve, 80.0, truth(80.0) - 0.1));
        }
    }

    #[test]
    fn curves_that_say_nothing_stop_nothing() {
        assert_eq!(PowerLaw::fit(&[(1.0, 0.5), (2.0, 0.4), (3.0, 0.3)]), None);
        assert_eq!(PowerLaw::fit(&[(1.0, 0.5); 9]), None);
        assert_eq!(
            PowerLaw::fit(&[(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.3), (4.0, 0.2)]),
            None
        );
        assert_eq!(
            PowerLaw::fit(&[(0.0, 0.5), (2.0, 0.4), (3.0, 0.3), (4.0, 0.2)]),
            None
        );
        assert!(!PowerLaw::cannot_reach(&[(1.0, 9.0)], 10.0, 0.0));
        let rising: Vec<(f64, f64)> = (1..9).map(|t| (f64::from(t), f64::from(t))).collect();
        let law = PowerLaw::fit(&rising).unwrap();
        assert_eq!((law.gain, law.at(100.0)), (0.0, 4.5));
    }
}
