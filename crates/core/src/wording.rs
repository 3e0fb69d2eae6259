//! Numbers as a person reads them, the same everywhere.

/// A share as a person reads it: `79.3 %`.
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    if (value - value.round()).abs() < 0.05 {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// A number to four significant digits.
pub fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [
            percent(0.7931),
            percent(0.9),
            percent(1.0),
            figure(0.012342),
            figure(1234.5),
            figure(0.0),
        ];
        assert_eq!(shown, ["79.3 %", "90 %", "100 %", "0.01234", "1234", "0"]);
    }
}
