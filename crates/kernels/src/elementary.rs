//! Exponential, sigmoid and hyperbolic tangent without branches, so that loops over them become vector instructions.

/// Numbers that are computed at a time where several of these functions are taken of each. Of vectors of a fixed length the compiler makes vector
/// instructions throughout; of a loop over slices it computes the last vector number by number.
pub(crate) const LANES: usize = 16;

/// `a b + c`, rounded once where `FMA` says that the processor can.
#[inline(always)]
fn fused<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` with a relative error below 2e-7, for `x` cut to -87 to 88.
///
/// # Reference
/// Cody & Waite 1980: `x = n ln 2 + r`, a polynomial in `r` (coefficients of Moshier's Cephes), and `n` in the exponent.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = fused::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fused::<FMA>(n, 2.121_944_4e-4, fused::<FMA>(n, -0.693_359_4, x));
    let p = fused::<FMA>(1.987_569_1e-4, r, 1.398_199_9e-3);
    let p = fused::<FMA>(p, r, 8.333_452e-3);
    let p = fused::<FMA>(p, r, 4.166_579_6e-2);
    let p = fused::<FMA>(p, r, 0.166_666_66);
    let p = fused::<FMA>(p, r, 0.5);
    let p = fused::<FMA>(p * r, r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    p * f32::from_bits(((exponent + 127) << 23) as u32)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// The sigmoids of two numbers by one division, which is what a sigmoid waits for. Beyond 40 on either side they stay as there.
#[inline(always)]
pub(crate) fn sigmoids<const FMA: bool>(x: f32, y: f32) -> (f32, f32) {
    // So that the product below stays finite.
    let (x, y) = (x.clamp(-40.0, 40.0), y.clamp(-40.0, 40.0));
    let (a, b) = (1.0 + exp::<FMA>(-x), 1.0 + exp::<FMA>(-y));
    let inverse = 1.0 / (a * b);
    (b * inverse, a * inverse)
}

/// The hyperbolic tangent; an odd polynomial where `|x|` is small (Cephes), so that it is exact near zero, too.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let far = 2.0 / (1.0 + exp::<FMA>(-2.0 * x)) - 1.0;
    let s = x * x;
    let p = fused::<FMA>(-5.704_988_7e-3, s, 2.063_909e-2);
    let p = fused::<FMA>(p, s, -5.373_971_6e-2);
    let p = fused::<FMA>(p, s, 0.133_314_42);
    let p = fused::<FMA>(p, s, -0.333_332_8);
    let near = fused::<FMA>(p * s, x, x);
    if x.abs() < 0.625 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_64_bit_functions_everywhere() {
        close::<false>();
        close::<true>();
    }

    fn close<const FMA: bool>() {
        let mut worst = [0f64; 3];
        for i in -880_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x);
            let relative = (f64::from(exp::<FMA>(x)) / exact.exp() - 1.0).abs();
            if exact > -87.0 {
                worst[0] = worst[0].max(relative);
            }
            let expected = 1.0 / (1.0 + (-exact).exp());
            worst[1] = worst[1].max((f64::from(sigmoid::<FMA>(x)) - expected).abs());
            let (both, other) = sigmoids::<FMA>(x, -0.5 * x);
            let expected_other = 1.0 / (1.0 + (0.5 * exact).exp());
            worst[1] = worst[1].max((f64::from(both) - expected).abs());
            worst[1] = worst[1].max((f64::from(other) - expected_other).abs());
            worst[2] = worst[2].max((f64::from(tanh::<FMA>(x)) - exact.tanh()).abs());
        }
        assert!(
            worst[0] < 3e-7 && worst[1] < 2e-7 && worst[2] < 2e-7,
            "{worst:?}"
        );
    }

    #[test]
    fn ends_and_small_numbers() {
        assert!(
            exp::<false>(-1e30) < 1e-37
                && exp::<false>(1e30).is_finite()
                && exp::<false>(0.0) == 1.0
        );
        assert!((tanh::<false>(1e-6) / 1e-6 - 1.0).abs() < 1e-6);
        assert_eq!((tanh::<false>(1e9), tanh::<false>(-1e9)), (1.0, -1.0));
        assert!(
            exp::<false>(f32::NAN).is_nan()
                && tanh::<false>(f32::NAN).is_nan()
                && sigmoid::<false>(f32::NAN).is_nan()
                && sigmoids::<false>(f32::NAN, 0.0).0.is_nan()
        );
    }
}
