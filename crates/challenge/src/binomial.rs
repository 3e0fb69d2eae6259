use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

/// Regularised incomplete beta function `I_x(a, b)` for positive `a` and `b`.
///
/// Continued fraction by Lentz's method. Our own, because its number of terms grows as the square
/// root of `a + b`, so that a fixed number (as in most libraries) is silently wrong for large samples.
pub(crate) fn beta_regularised(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_regularised(b, a, 1.0 - x);
    }
    let ln_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    (ln_front.exp() / (a * continued_fraction(a, b, x))).clamp(0.0, 1.0)
}

/// The denominator `1 + d1/(1 + d2/(1 + ...))` of the incomplete beta function (DLMF 8.17.22).
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let terms = 200 + 10 * (a + b).sqrt() as usize;
    let (mut fraction, mut c, mut d) = (1.0, 1.0, 0.0);
    for j in 1..=2 * terms {
        let m = (j / 2) as f64;
        let numerator = if j % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 / nonzero(1.0 + numerator * d);
        c = nonzero(1.0 + numerator / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// Probability of at most `k` successes in `n` trials of probability `p`.
pub(crate) fn binomial_cdf(k: usize, n: usize, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    1.0 - beta_regularised(k as f64 + 1.0, (n - k) as f64, p)
}

/// `P(X <= 0), ..., P(X <= m)` of the beta-binomial law: `m` trials whose common probability is
/// Beta(a, b) distributed. With `b = 0` every trial succeeds.
pub(crate) fn beta_binomial_cdf(m: usize, a: f64, b: f64) -> Vec<f64> {
    if b <= 0.0 {
        return (0..=m).map(|k| f64::from(k == m)).collect();
    }
    let ln_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    let mass = |k: usize| {
        let (hits, misses) = (k as f64, (m - k) as f64);
        let ways = -ln_beta(hits + 1.0, misses + 1.0) - (m as f64 + 1.0).ln();
        (ways + ln_beta(hits + a, misses + b) - ln_beta(a, b)).exp()
    };
    let mut sum = 0.0;
    (0..=m)
        .map(|k| {
            sum += mass(k);
            sum.min(1.0)
        })
        .collect()
}

/// The exact interval of a share of units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProportionInterval {
    /// Lower end, 0 to 1.
    pub lower: f64,
    /// Upper end, 0 to 1.
    pub upper: f64,
}

/// The least upper bound that a share exceeds with probability at most `delta`, having seen
/// `successes` of `n` (Clopper & Pearson 1934, one-sided). 1 without any unit.
///
/// ```
/// // Without a single error in 59 units, the error is below 5 % with 95 % confidence: 0.95^59 < 0.05.
/// assert!(candor_challenge::clopper_pearson_upper(0, 59, 0.05) < 0.05);
/// assert!(candor_challenge::clopper_pearson_upper(0, 58, 0.05) > 0.05);
/// ```
pub fn clopper_pearson_upper(successes: usize, n: usize, delta: f64) -> f64 {
    if successes >= n {
        return 1.0;
    }
    // The distribution function falls from 1 to 0 as the share grows.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if binomial_cdf(successes, n, middle) > delta {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Exact two-sided interval of a share at confidence `level` (Clopper & Pearson 1934).
pub fn clopper_pearson(successes: usize, n: usize, level: f64) -> ProportionInterval {
    let tail = 0.5 * (1.0 - level);
    let failures = n.saturating_sub(successes);
    ProportionInterval {
        lower: 1.0 - clopper_pearson_upper(failures, n, tail),
        upper: clopper_pearson_upper(successes, n, tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incomplete_beta_function_at_known_points() {
        // I_x(1, 1) = x; I_x(2, 1) = x^2; I_x(1, 3) = 1 - (1 - x)^3; symmetric at one half.
        let cases = [
            (1.0, 1.0, 0.3, 0.3),
            (2.0, 1.0, 0.3, 0.09),
            (1.0, 3.0, 0.2, 1.0 - 0.512),
            (7.5, 7.5, 0.5, 0.5),
            (40_000.0, 40_000.0, 0.5, 0.5),
        ];
        for (a, b, x, expected) in cases {
            let got = beta_regularised(a, b, x);
            assert!((got - expected).abs() < 1e-10, "I_{x}({a}, {b}) = {got}");
        }
    }

    #[test]
    fn large_samples_agree_with_the_normal_law() {
        // One standard deviation below the mean: about 0.1587, the skew and continuity vanish.
        let (n, p) = (1_000_000usize, 0.1);
        let k = (n as f64 * p - (n as f64 * p * (1.0 - p)).sqrt()) as usize;
        assert!((binomial_cdf(k, n, p) - 0.1587).abs() < 1e-3);
    }

    #[test]
    fn the_binomial_distribution_by_hand() {
        // (1/2)^3 (1 + 3).
        assert!((binomial_cdf(1, 3, 0.5) - 0.5).abs() < 1e-12);
        assert_eq!(binomial_cdf(3, 3, 0.5), 1.0);
    }

    #[test]
    fn the_beta_binomial_law_by_hand() {
        // A uniform probability makes every count equally likely.
        let uniform = beta_binomial_cdf(3, 1.0, 1.0);
        for (k, p) in uniform.iter().enumerate() {
            assert!((p - (k + 1) as f64 / 4.0).abs() < 1e-12);
        }
        assert_eq!(beta_binomial_cdf(2, 6.0, 0.0), [0.0, 0.0, 1.0]);
        let large = beta_binomial_cdf(20_000, 901.0, 100.0);
        assert!((large[20_000] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn bounds_invert_the_tails() {
        // No success in n: 1 - delta^(1/n).
        let upper = clopper_pearson_upper(0, 20, 0.05);
        assert!((upper - (1.0 - 0.05f64.powf(1.0 / 20.0))).abs() < 1e-9);
        let both = clopper_pearson(8, 10, 0.95);
        assert!((both.lower - 0.4439).abs() < 1e-4 && (both.upper - 0.9748).abs() < 1e-4);
        let nothing = clopper_pearson(0, 0, 0.95);
        assert_eq!((nothing.lower, nothing.upper), (0.0, 1.0));
    }
}
