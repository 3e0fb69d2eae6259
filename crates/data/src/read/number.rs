use super::unit::Unit;

/// How the numbers of a column are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberForm {
    /// How they are written.
    pub style: NumberStyle,
    /// Whether a unit stands beside them.
    pub unit: bool,
}

impl NumberForm {
    /// The number that a trimmed cell says, its unit left out.
    pub(crate) fn parse(self, cell: &str) -> Option<f64> {
        if self.unit
            && let Some((_, number)) = Unit::of(cell)
        {
            return self.style.parse(&number);
        }
        self.style.parse(cell)
    }
}

/// The number that a trimmed text says by itself, as `12.5`, `$12.5` or `12.5 kg`.
pub fn number_of(text: &str) -> Option<f64> {
    NumberForm {
        style: NumberStyle::Plain,
        unit: true,
    }
    .parse(text)
}

/// How numbers are written in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberStyle {
    /// `1234.5`, `1e-3`, `inf`.
    Plain,
    /// `1,234.5`.
    CommaThousands,
    /// `1.234,5` or `12,5`.
    DecimalComma,
    /// `1 234.5` or `1'234.5`.
    SpacedDecimalPoint,
    /// `1 234,5` or `1'234,5`.
    SpacedDecimalComma,
}

impl NumberStyle {
    /// Every style; the position is the index into tallies.
    pub(crate) const ALL: [NumberStyle; 5] = [
        NumberStyle::Plain,
        NumberStyle::CommaThousands,
        NumberStyle::DecimalComma,
        NumberStyle::SpacedDecimalPoint,
        NumberStyle::SpacedDecimalComma,
    ];

    /// An example for messages.
    pub(crate) fn example(self) -> &'static str {
        match self {
            NumberStyle::Plain => "1234.5",
            NumberStyle::CommaThousands => "1,234.5",
            NumberStyle::DecimalComma => "1.234,5",
            NumberStyle::SpacedDecimalPoint => "1 234.5",
            NumberStyle::SpacedDecimalComma => "1 234,5",
        }
    }

    /// The number that a trimmed cell says in this style; `None` when it says none (also for `NaN`).
    pub(crate) fn parse(self, text: &str) -> Option<f64> {
        match self {
            NumberStyle::Plain => text.parse().ok().filter(|v: &f64| !v.is_nan()),
            NumberStyle::CommaThousands => parse_grouped(text, |c| c == ',', '.'),
            NumberStyle::DecimalComma => parse_grouped(text, |c| c == '.', ','),
            NumberStyle::SpacedDecimalPoint => parse_grouped(text, is_spacing, '.'),
            NumberStyle::SpacedDecimalComma => parse_grouped(text, is_spacing, ','),
        }
    }
}

fn is_spacing(c: char) -> bool {
    // Space, no-break space, narrow no-break space, thin space, and the Swiss apostrophes.
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '\u{2019}'
    )
}

/// Sign, groups of three digits (or no groups), an optional fraction, an optional exponent.
fn parse_grouped(text: &str, is_group: impl Fn(char) -> bool, decimal: char) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (sign, unsigned) = match mantissa.strip_prefix(['-', '+']) {
        Some(rest) => (&mantissa[..1], rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once(decimal).unwrap_or((unsigned, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut digits = String::with_capacity(text.len());
    digits.push_str(sign);
    for (groups, group) in whole.split(is_group).enumerate() {
        let well_formed = match groups {
            0 => group.len() <= 3 || !whole.contains(|c: char| !c.is_ascii_digit()),
            _ => group.len() == 3,
        };
        if !well_formed || !group.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if groups == 0 && group.is_empty() && whole.len() > group.len() {
            return None;
        }
        digits.push_str(group);
    }
    if digits.len() == sign.len() && fraction.is_empty() {
        return None;
    }
    digits.push('.');
    digits.push_str(fraction);
    digits.push_str(exponent);
    digits.parse().ok()
}

/// Whether a number is written like a code: `00123` loses its zeros and 17 digits lose their last
/// ones when read as a number.
pub(crate) fn is_code_like(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().all(u8::is_ascii_digit);
    digits && ((bytes.len() > 1 && bytes[0] == b'0') || bytes.len() > 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_reads_its_own_numbers_only() {
        use NumberStyle::*;
        let cases: [(&str, [Option<f64>; 5]); 15] = [
            ("7", [Some(7.0); 5]),
            ("-1234", [Some(-1234.0); 5]),
            ("1.5", [Some(1.5), Some(1.5), None, Some(1.5), None]),
            (
                "1.500",
                [Some(1.5), Some(1.5), Some(1500.0), Some(1.5), None],
            ),
            ("1,5", [None, None, Some(1.5), None, Some(1.5)]),
            (
                "1,234",
                [None, Some(1234.0), Some(1.234), None, Some(1.234)],
            ),
            ("1,234.5", [None, Some(1234.5), None, None, None]),
            ("1.234,5", [None, None, Some(1234.5), None, None]),
            ("1 234", [None, None, None, Some(1234.0), Some(1234.0)]),
            ("1\u{202f}234,5", [None, None, None, None, Some(1234.5)]),
            ("1,23,456", [None; 5]),
            ("1234,567.0", [None; 5]),
            ("", [None; 5]),
            ("-", [None; 5]),
            ("12 abc", [None; 5]),
        ];
        for (text, expected) in cases {
            let got = [
                Plain,
                CommaThousands,
                DecimalComma,
                SpacedDecimalPoint,
                SpacedDecimalComma,
            ]
            .map(|style| style.parse(text));
            assert_eq!(got, expected, "{text:?}");
        }
        assert_eq!(Plain.parse("-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(Plain.parse("nan"), None);
        assert_eq!(CommaThousands.parse(",5"), None);
        assert_eq!(DecimalComma.parse("1.234,5e2"), Some(123_450.0));
    }

    #[test]
    fn codes_are_told_from_numbers() {
        for (text, code) in [
            ("007", true),
            ("0", false),
            ("0.5", false),
            ("12345678901234567", true),
            ("10", false),
        ] {
            assert_eq!(is_code_like(text), code, "{text}");
        }
    }
}
