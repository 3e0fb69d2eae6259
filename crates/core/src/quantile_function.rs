/// One predictive distribution known by its quantiles: linear between them, exponential beyond the outer two.
///
/// The density of a tail starts at that of the neighbouring piece, so that the distribution function
/// `F` has no kink of its own there: below the first quantile `F(y) = tau_1 exp((y - q_1) / s)` with
/// `s = tau_1 (q_2 - q_1) / (tau_2 - tau_1)`, and mirrored above the last. Mean, variance, density and CRPS are
/// then finite and in closed form.
///
/// Equal neighbours are a jump of `F`. All results are in the units of the values.
///
/// # Reference
/// Park, Maddix, Aubet, Kan, Gasthaus & Wang, "Learning Quantile Functions without Quantile Crossing for
/// Distribution-free Time Series Forecasting", AISTATS 2022, section 3: linear pieces with exponential tails. There the rates of the
/// tails are learned; here they follow from the outer pieces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileFunction<'a> {
    levels: &'a [f32],
    values: &'a [f32],
}

/// Newton steps and bisections at most when a mixture is inverted.
const STEPS: usize = 80;
/// How far from its level the quantile of a mixture may be.
const LEVEL_ERROR: f64 = 1e-9;

impl<'a> QuantileFunction<'a> {
    /// Whether levels can be used: two or more, between 0 and 1, each greater than the one before.
    pub fn are_levels(levels: &[f32]) -> bool {
        levels.len() >= 2
            && levels.iter().all(|level| *level > 0.0 && *level < 1.0)
            && levels.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// The distribution whose quantiles at `levels` are `values`; `None` when there are not as many of each, the levels
    /// cannot be used, or the values descend or are not finite.
    pub fn new(levels: &'a [f32], values: &'a [f32]) -> Option<QuantileFunction<'a>> {
        let sound = levels.len() == values.len()
            && QuantileFunction::are_levels(levels)
            && values.iter().all(|value| value.is_finite())
            && values.windows(2).all(|pair| pair[0] <= pair[1]);
        sound.then_some(QuantileFunction { levels, values })
    }

    /// The same without a look at the numbers, which [`QuantileFunction::new`] or their maker has checked.
    pub(crate) fn trusted(levels: &'a [f32], values: &'a [f32]) -> QuantileFunction<'a> {
        QuantileFunction { levels, values }
    }

    fn level(&self, k: usize) -> f64 {
        f64::from(self.levels[k])
    }

    fn value(&self, k: usize) -> f64 {
        f64::from(self.values[k])
    }

    fn last(&self) -> usize {
        self.values.len() - 1
    }

    /// Mean excess of the lower tail.
    fn lower_scale(&self) -> f64 {
        self.level(0) * (self.value(1) - self.value(0)) / (self.level(1) - self.level(0))
    }

    /// Mean excess of the upper tail.
    fn upper_scale(&self) -> f64 {
        let (k, before) = (self.last(), self.last() - 1);
        (1.0 - self.level(k)) * (self.value(k) - self.value(before))
            / (self.level(k) - self.level(before))
    }

    /// Width, probability and place of each linear piece: `(a, b, F(a), F(b))`.
    fn pieces(&self) -> impl Iterator<Item = (f64, f64, f64, f64)> {
        (1..self.values.len()).map(|k| {
            let (a, b) = (self.value(k - 1), self.value(k));
            (a, b, self.level(k - 1), self.level(k))
        })
    }

    /// The quantile at `level`, between 0 and 1.
    pub fn quantile(&self, level: f64) -> f64 {
        let last = self.last();
        if level <= self.level(0) {
            return self.value(0) + self.lower_scale() * (level / self.level(0)).ln();
        }
        if level >= self.level(last) {
            let share = (1.0 - level) / (1.0 - self.level(last));
            return self.value(last) - self.upper_scale() * share.ln();
        }
        let k = self.levels.partition_point(|&l| f64::from(l) <= level);
        let share = (level - self.level(k - 1)) / (self.level(k) - self.level(k - 1));
        self.value(k - 1) + share * (self.value(k) - self.value(k - 1))
    }

    /// `F(y)`, and the density there; a tail or piece without width has the density of one that is very narrow.
    fn cumulative_and_density(&self, y: f64) -> (f64, f64) {
        let least = f64::from(f32::MIN_POSITIVE);
        let k = self.values.partition_point(|&v| f64::from(v) <= y);
        if k == 0 {
            let scale = self.lower_scale().max(least);
            let cumulative = self.level(0) * ((y - self.value(0)) / scale).exp();
            return (cumulative, cumulative / scale);
        }
        if k > self.last() {
            let scale = self.upper_scale().max(least);
            let above = (1.0 - self.level(k - 1)) * ((self.value(k - 1) - y) / scale).exp();
            return (1.0 - above, above / scale);
        }
        // `values[k]` is above y and `values[k - 1]` is not: the piece has a width.
        let density = (self.level(k) - self.level(k - 1)) / (self.value(k) - self.value(k - 1));
        (
            self.level(k - 1) + density * (y - self.value(k - 1)),
            density,
        )
    }

    /// The probability of a value of at most `y`.
    pub fn cumulative(&self, y: f64) -> f64 {
        self.cumulative_and_density(y).0
    }

    /// The logarithm of the density at `y`, finite everywhere.
    pub fn log_density(&self, y: f64) -> f64 {
        let least = f64::from(f32::MIN_POSITIVE);
        let last = self.last();
        if y < self.value(0) {
            let scale = self.lower_scale().max(least);
            return (self.level(0) / scale).ln() + (y - self.value(0)) / scale;
        }
        if y >= self.value(last) {
            let scale = self.upper_scale().max(least);
            return ((1.0 - self.level(last)) / scale).ln() + (self.value(last) - y) / scale;
        }
        self.cumulative_and_density(y).1.ln()
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        let inside: f64 = self
            .pieces()
            .map(|(a, b, low, high)| (high - low) * 0.5 * (a + b))
            .sum();
        let last = self.last();
        self.level(0) * (self.value(0) - self.lower_scale())
            + inside
            + (1.0 - self.level(last)) * (self.value(last) + self.upper_scale())
    }

    /// Mean and variance.
    pub fn moments(&self) -> (f64, f64) {
        let mean = self.mean();
        let (lower, upper) = (self.lower_scale(), self.upper_scale());
        let (first, last) = (self.value(0), self.value(self.last()));
        let (below, above) = (self.level(0), 1.0 - self.level(self.last()));
        // Around the mean: raw moments would cancel when the mean is large.
        let tail = |end: f64, scale: f64| (end - mean).powi(2) + scale * scale;
        let spread: f64 = self
            .pieces()
            .map(|(a, b, low, high)| {
                let (a, b) = (a - mean, b - mean);
                (high - low) * (a * a + a * b + b * b) / 3.0
            })
            .sum();
        let variance =
            below * tail(first - lower, lower) + spread + above * tail(last + upper, upper);
        (mean, variance)
    }

    /// Continuous ranked probability score of the true value `y`: the integral of `(F(x) - 1{x >= y})^2`.
    ///
    /// It is twice the pinball loss averaged over all levels (Gneiting & Ranjan 2011, equation 7).
    pub fn crps(&self, y: f64) -> f64 {
        let (lower, upper) = (self.lower_scale(), self.upper_scale());
        let (first, last) = (self.value(0), self.value(self.last()));
        let (below, above) = (self.level(0), 1.0 - self.level(self.last()));
        // Squares of a probability that falls off from `edge` to `at` over an exponential tail, and of its complement.
        let decayed = |scale: f64, at: f64| 0.5 * scale * at * at;
        let complement = |length: f64, scale: f64, edge: f64, at: f64| {
            length - 2.0 * scale * (edge - at) + 0.5 * scale * (edge * edge - at * at)
        };
        let mut score = 0.0;
        if y < first {
            let at = self.cumulative(y);
            score += decayed(lower, at) + complement(first - y, lower, below, at);
        } else {
            score += decayed(lower, below);
        }
        let linear = |length: f64, a: f64, b: f64| length * (a * a + a * b + b * b) / 3.0;
        for (a, b, low, high) in self.pieces() {
            let cut = y.clamp(a, b);
            let at = if b > a {
                low + (high - low) * (cut - a) / (b - a)
            } else {
                low
            };
            score += linear(cut - a, low, at) + linear(b - cut, 1.0 - at, 1.0 - high);
        }
        if y > last {
            let at = 1.0 - self.cumulative(y);
            score + decayed(upper, at) + complement(y - last, upper, above, at)
        } else {
            score + decayed(upper, above)
        }
    }

    /// Writes the quantiles of the mixture of `members` to `out`, at their common levels; weights sum to 1.
    ///
    /// The distribution functions are averaged and inverted: Newton's method from the average of the quantiles,
    /// guarded by bisection between the least and the greatest of them.
    pub(crate) fn mix(members: &[(f64, QuantileFunction)], out: &mut [f32]) {
        let mut least = f32::NEG_INFINITY;
        for (k, out) in out.iter_mut().enumerate() {
            let of_members = || members.iter().map(|(_, member)| member.value(k));
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for value in of_members() {
                (low, high) = (low.min(value), high.max(value));
            }
            let weighted: f64 = members.iter().map(|(w, member)| w * member.value(k)).sum();
            if !weighted.is_finite() {
                *out = f32::NAN;
                continue;
            }
            let mut y = weighted.max(low).min(high);
            let level = members.first().map_or(0.5, |(_, member)| member.level(k));
            for _ in 0..STEPS {
                let (mut cumulative, mut density) = (0.0, 0.0);
                for (weight, member) in members {
                    let (f, d) = member.cumulative_and_density(y);
                    (cumulative, density) = (cumulative + weight * f, density + weight * d);
                }
                let gap = cumulative - level;
                if gap.abs() <= LEVEL_ERROR || low >= high {
                    break;
                }
                if gap < 0.0 {
                    low = y;
                } else {
                    high = y;
                }
                let newton = y - gap / density;
                let next = if newton > low && newton < high {
                    newton
                } else {
                    f64::midpoint(low, high)
                };
                if next == y {
                    break;
                }
                y = next;
            }
            // Neighbours that differ by less than the rounding stay in order.
            least = least.max(y as f32);
            *out = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [f32; 3] = [0.25, 0.5, 0.75];

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-6, "{got}, not {expected}");
    }

    #[test]
    fn a_distribution_worked_by_hand() {
        // Quantiles 0, 1, 3: densities 1/4 and 1/8, so tails of mean excess 1 and 2.
        let f = QuantileFunction::new(&LEVELS, &[0.0, 1.0, 3.0]).unwrap();
        for (level, value) in [
            (0.25, 0.0),
            (0.375, 0.5),
            (0.5, 1.0),
            (0.625, 2.0),
            (0.75, 3.0),
        ] {
            close(f.quantile(level), value);
            close(f.cumulative(value), level);
        }
        // A mean excess beyond the outer quantiles, 1/e of their tails is left.
        let e = std::f64::consts::E;
        close(f.cumulative(-1.0), 0.25 / e);
        close(f.cumulative(5.0), 1.0 - 0.25 / e);
        close(f.quantile(0.25 / e), -1.0);
        close(f.quantile(1.0 - 0.25 / e), 5.0);
        close(f.log_density(-1.0), (0.25 / e).ln());
        close(f.log_density(0.5), 0.25f64.ln());
        close(f.log_density(2.0), 0.125f64.ln());
        close(f.log_density(5.0), (0.125 / e).ln());
        // Quarters with means -1, 1/2, 2 and 5; second moments 2, 1/3, 13/3 and 29.
        let (mean, variance) = f.moments();
        close(mean, 6.5 / 4.0);
        close(
            variance,
            (2.0 + 1.0 / 3.0 + 13.0 / 3.0 + 29.0) / 4.0 - (6.5f64 / 4.0).powi(2),
        );
    }

    #[test]
    fn the_score_is_the_integral_of_the_squared_difference() {
        let f = QuantileFunction::new(&LEVELS, &[0.0, 1.0, 3.0]).unwrap();
        for y in [-3.0, 0.0, 0.4, 1.0, 2.5, 3.0, 9.0] {
            let step = 1e-3;
            let integral: f64 = (-40_000..100_000)
                .map(|i| (f64::from(i) + 0.5) * step)
                .map(|x| (f.cumulative(x) - f64::from(u8::from(x >= y))).powi(2) * step)
                .sum();
            assert!(
                (f.crps(y) - integral).abs() < 2e-3,
                "{y}: {} {integral}",
                f.crps(y)
            );
        }
    }

    #[test]
    fn a_mixture_inverts_the_average_of_the_distribution_functions() {
        let (a, b) = ([0.0, 1.0, 3.0], [10.0, 10.5, 14.0]);
        let members = [
            (0.3, QuantileFunction::trusted(&LEVELS, &a)),
            (0.7, QuantileFunction::trusted(&LEVELS, &b)),
        ];
        let mut out = [0.0; 3];
        QuantileFunction::mix(&members, &mut out);
        for (value, level) in out.iter().zip(LEVELS) {
            let cumulative: f64 = members
                .iter()
                .map(|(w, m)| w * m.cumulative(f64::from(*value)))
                .sum();
            close(cumulative, f64::from(level));
        }
        // Members that agree change nothing, jumps included.
        for values in [a, [2.0, 2.0, 2.0], [0.0, 5.0, 5.0]] {
            let member = QuantileFunction::trusted(&LEVELS, &values);
            QuantileFunction::mix(&[(0.5, member), (0.5, member)], &mut out);
            assert_eq!(out, values);
        }
    }

    #[test]
    fn a_member_that_is_no_number_shows_in_the_mixture() {
        let (a, b) = ([0.0, f32::NAN, 3.0], [0.0, 1.0, 3.0]);
        let members = [&a, &b].map(|values| (0.5, QuantileFunction::trusted(&LEVELS, values)));
        let mut out = [0.0; 3];
        QuantileFunction::mix(&members, &mut out);
        assert!(out[1].is_nan(), "{out:?}");
    }

    #[test]
    fn jumps_have_defined_results() {
        let f = QuantileFunction::new(&LEVELS, &[2.0, 2.0, 2.0]).unwrap();
        assert_eq!(f.moments(), (2.0, 0.0));
        assert_eq!((f.cumulative(1.9), f.crps(2.0)), (0.0, 0.0));
        close(f.crps(5.0), 3.0);
        close(f.crps(1.0), 1.0);
        for y in [1.0, 2.0, 3.0] {
            assert!(f.log_density(y).is_finite());
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let cases: [(&[f32], &[f32]); 6] = [
            (&[0.5], &[1.0]),
            (&[0.25, 0.5], &[1.0]),
            (&[0.5, 0.25], &[1.0, 2.0]),
            (&[0.0, 0.5], &[1.0, 2.0]),
            (&[0.25, 0.5], &[2.0, 1.0]),
            (&[0.25, 0.5], &[1.0, f32::NAN]),
        ];
        for (levels, values) in cases {
            assert_eq!(
                QuantileFunction::new(levels, values),
                None,
                "{levels:?} {values:?}"
            );
        }
    }
}
