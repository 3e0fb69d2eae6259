//! What a person reads, the same everywhere: numbers, and the names of things.

/// What the units of a modality and their parts are called in sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// What one prediction is about.
    pub row: &'static str,
    /// Several of them.
    pub rows: &'static str,
    /// A part of each unit, whose worth can be measured.
    pub column: &'static str,
    /// Several of them.
    pub columns: &'static str,
    /// Units that are unlike the training data though every part of them occurs there.
    pub strange: &'static str,
}

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
