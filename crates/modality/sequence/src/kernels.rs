//! Random convolution kernels, and what is asked of their results: the features of a [`crate::ridge::Ridge`].

mod minirocket;
mod rocket;

pub use minirocket::{MiniRocket, Pooling};
pub use rocket::Rocket;

use serde::{Deserialize, Serialize};

/// Which kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelKind {
    /// [`MiniRocket`].
    Minirocket,
    /// [`MiniRocket`] on series and their differences, with four questions ([`Pooling::Four`]).
    Multirocket,
    /// [`Rocket`].
    Rocket,
}

/// Dilations and the like need at least this length.
pub(crate) const LEAST_LENGTH: usize = 9;

/// Steps along one series of which `taps` readings, `dilation` apart, are looked at: the `tap`-th of a result at `place` stands at `place +
/// (tap - taps / 2) dilation`. Adds `weight` times these readings to results; outside the series readings are zero.
pub(crate) fn add_shifted(results: &mut [f32], series: &[f32], shift: isize, weight: f32) {
    let length = series.len();
    let (to, from) = if shift >= 0 {
        (0, shift as usize)
    } else {
        (shift.unsigned_abs(), 0)
    };
    if to >= length || from >= length {
        return;
    }
    let count = length - to.max(from);
    for (result, value) in results[to..to + count]
        .iter_mut()
        .zip(&series[from..from + count])
    {
        *result += weight * value;
    }
}
