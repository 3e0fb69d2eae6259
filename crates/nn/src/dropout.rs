use burn::tensor::Tensor;
use rand::Rng;

use crate::Pass;

/// Sets each value to zero with probability `rate` in training, and scales the others by
/// `1 / (1 - rate)`; does nothing in evaluation. In a thinned pass ([`Pass::thinned`]) one mask over the last axis, that of the
/// features, is drawn for all units.
///
/// # Reference
/// Srivastava et al., JMLR 15, 2014 (inverted scaling).
pub fn dropout<const D: usize>(x: Tensor<D>, rate: f64, pass: &mut Pass) -> Tensor<D> {
    dropout_of(x, D - 1, rate, pass)
}

/// [`dropout`] where the features are another axis than the last.
pub fn dropout_of<const D: usize>(
    x: Tensor<D>,
    features: usize,
    rate: f64,
    pass: &mut Pass,
) -> Tensor<D> {
    if rate <= 0.0 || x.dims().contains(&0) {
        return x;
    }
    if let Some(stream) = pass.thinning() {
        let mut shape = [1; D];
        shape[features] = x.dims()[features];
        let mask = Tensor::ones(shape, &x.device());
        return x * candor_kernels::dropout(mask, rate, stream.next_u64());
    }
    let Some(stream) = pass.stream() else {
        return x;
    };
    candor_kernels::dropout(x, rate, stream.next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linear;
    use crate::finite_differences::wrong_gradients;
    use crate::head::floats;
    use crate::reference::{numbers, shapes};
    use burn::tensor::Device;
    use candor_core::Seed;

    #[test]
    fn the_rate_is_dropped_and_the_rest_is_scaled_up() {
        // Rate, what is left of a one.
        for (rate, kept) in [(0.0, 1.0), (0.1, 1.0 / 0.9), (0.5, 2.0), (0.75, 4.0)] {
            let mut stream = Seed(0).stream("dropout", &[]);
            // An odd number, so that the last draw of 64 bits is used by half.
            let ones: Tensor<3> = Tensor::ones([3, 67, 101], &Device::flex());
            let y = floats(dropout(ones, rate, &mut Pass::training(&mut stream)));
            let dropped = y.iter().filter(|v| **v == 0.0).count() as f64;
            let others = y.iter().filter(|v| **v != 0.0);
            assert!(others.copied().all(|v| (v - kept as f32).abs() < 1e-6));
            let count = y.len() as f64;
            let deviation = (count * rate * (1.0 - rate)).sqrt();
            assert!(
                (dropped - count * rate).abs() <= 4.0 * deviation,
                "{rate}: {dropped}"
            );
        }
    }

    #[test]
    fn a_thinned_network_drops_the_same_features_of_all_units() {
        let ones = Tensor::ones([2, 5, 64], &Device::flex());
        let thinned = |x: Tensor<3>, features| -> Tensor<3> {
            let mut stream = Seed(0).stream("thinned", &[]);
            dropout_of(x, features, 0.5, &mut Pass::thinned(&mut stream))
        };
        let y = floats(thinned(ones.clone(), 2));
        let (first, dropped) = (&y[..64], y[..64].iter().filter(|v| **v == 0.0).count());
        assert!((10..54).contains(&dropped), "{dropped}");
        assert!(y.chunks(64).all(|row| row == first));
        let along = thinned(ones.clone().swap_dims(1, 2), 1).swap_dims(1, 2);
        assert_eq!(floats(along), y);
        assert_eq!(
            floats(dropout(ones, 0.5, &mut Pass::evaluation())),
            [1.0; 640]
        );
    }

    #[test]
    fn evaluation_changes_nothing() {
        let x = numbers([2, 3, 4], &mut Seed(0).stream("dropout", &[]));
        let y = dropout(x.clone(), 0.9, &mut Pass::evaluation());
        assert_eq!(floats(y), floats(x));
    }

    #[test]
    fn the_mask_depends_on_the_stream_alone() {
        let mask = |seed: u64| {
            let mut stream = Seed(seed).stream("dropout", &[]);
            let mut pass = Pass::training(&mut stream);
            let ones: Tensor<3> = Tensor::ones([1, 8, 8], &Device::flex());
            let first = floats(dropout(ones.clone(), 0.5, &mut pass));
            (first, floats(dropout(ones, 0.5, &mut pass)))
        };
        assert_eq!(mask(1), mask(1));
        assert_ne!(mask(1), mask(2));
        let (first, second) = mask(1);
        assert_ne!(first, second);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for (shape, mut stream) in shapes::<3>("dropout") {
            let x = numbers(shape, &mut stream);
            // The same mask in each pass.
            let wrong = wrong_gradients(&None::<Linear>, &x, &mut stream, |_, x| {
                let mut masks = Seed(3).stream("masks", &[]);
                dropout(x, 0.4, &mut Pass::training(&mut masks))
            });
            assert_eq!(wrong, [""; 0]);
        }
    }
}
