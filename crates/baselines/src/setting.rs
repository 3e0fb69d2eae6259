use crate::BaselineError;

/// Refuses a setting that is not a number or lies outside `least..=most`.
pub(crate) fn within(
    name: &'static str,
    value: f64,
    least: f64,
    most: f64,
    range: &'static str,
) -> Result<(), BaselineError> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(BaselineError::Setting { name, value, range })
}

/// Refuses a count below `least`.
pub(crate) fn at_least(
    name: &'static str,
    value: usize,
    least: usize,
    range: &'static str,
) -> Result<(), BaselineError> {
    within(name, value as f64, least as f64, f64::INFINITY, range)
}

/// Refuses a share that is not in `(0, 1]`.
pub(crate) fn share(name: &'static str, value: f64) -> Result<(), BaselineError> {
    within(name, value, f64::MIN_POSITIVE, 1.0, "above 0 and at most 1")
}
