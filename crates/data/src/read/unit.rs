//! Units around the numbers of a column: `$12.50`, `45 %`, `3.2 kg`.

use std::borrow::Cow;

/// What stands before and after a number. Units are told apart, never converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// A currency.
    before: String,
    /// A currency, a measure, or any other word; without the `s` of a plural.
    after: String,
}

/// Signs and codes of currencies; letters before a sign (`US$`) belong to it.
const CURRENCIES: [&str; 25] = [
    "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₴", "₪", "USD", "EUR", "GBP", "JPY", "CHF", "CNY",
    "INR", "AUD", "CAD", "SEK", "NOK", "DKK", "PLN", "CZK", "BRL",
];

/// What may follow a number without a space, alone or as in `km/h`. Anything else behind digits may as well be part of a code.
const MEASURES: [&str; 98] = [
    "%", "‰", "°", "°C", "°F", "K", "k", "M", "B", "bn", "kg", "g", "mg", "µg", "μg", "ug", "ng",
    "t", "lb", "oz", "km", "m", "dm", "cm", "mm", "µm", "μm", "um", "nm", "mi", "ft", "in", "yd",
    "m²", "m³", "cm²", "cm³", "km²", "ha", "d", "h", "hr", "min", "s", "sec", "ms", "µs", "μs",
    "us", "ns", "yr", "Hz", "kHz", "MHz", "GHz", "W", "kW", "MW", "GW", "kWh", "MWh", "V", "mV",
    "kV", "A", "mA", "J", "kJ", "MJ", "cal", "kcal", "N", "kN", "Pa", "hPa", "kPa", "MPa", "bar",
    "mbar", "psi", "mmHg", "L", "l", "dL", "mL", "ml", "gal", "mol", "mmol", "mM", "µM", "μM",
    "uM", "ppm", "ppb", "dB", "rpm", "mph",
];

impl Unit {
    /// The unit of a trimmed cell and the text of its number; `None` where no unit is recognised.
    pub(crate) fn of(cell: &str) -> Option<(Unit, Cow<'_, str>)> {
        let (sign, rest) = match cell.strip_prefix(['-', '+', '\u{2212}']) {
            Some(rest) => (&cell[..cell.len() - rest.len()], rest),
            None => ("", cell),
        };
        let digit = |c: char| c.is_ascii_digit();
        let (first, last) = (rest.find(digit)?, rest.rfind(digit)? + 1);
        // A sign or a decimal sign before the first digit is the number's.
        let before = rest[..first].trim_end_matches(['-', '+', '.', ',']);
        let (before, number, after) = (
            before.trim_end(),
            rest[before.len()..last].trim_start(),
            &rest[last..],
        );
        let word = after.trim_start();
        if before.is_empty() == word.is_empty()
            || !(before.is_empty() || is_currency(before))
            || !(word.is_empty() || is_measure(word, word.len() < after.len()))
        {
            return None;
        }
        let unit = Unit {
            before: before.to_owned(),
            after: singular(word).to_owned(),
        };
        let number = match sign {
            "" => Cow::Borrowed(number),
            // Neither readers of numbers nor people write two signs.
            _ if number.starts_with(['-', '+']) => return None,
            "+" => Cow::Borrowed(number),
            _ => Cow::Owned(format!("-{number}")),
        };
        Some((unit, number))
    }

    /// As it is written.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.before, self.after)
    }
}

fn is_currency(text: &str) -> bool {
    let letters = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    CURRENCIES.contains(&text)
        || (text.len() - letters.len() <= 2 && CURRENCIES[..10].contains(&letters))
}

/// Whether a text behind a number may be its unit; `apart` when a space is between them.
fn is_measure(text: &str, apart: bool) -> bool {
    let known = |part: &str| MEASURES.contains(&part) || MEASURES.contains(&singular(part));
    let letters = |c: char| c.is_alphabetic() || matches!(c, '/' | '²' | '³' | '°' | '%' | '·');
    is_currency(text)
        || text.split('/').all(known)
        || (apart && text.chars().count() > 1 && text.chars().all(letters))
}

/// `years` and `year` are one unit.
fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(one) if one.chars().count() > 1 && one.chars().all(char::is_alphabetic) => one,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_parted_from_numbers() {
        let cases = [
            ("$1,234.50", Some(("$", "1,234.50"))),
            ("-$5", Some(("$", "-5"))),
            ("$-5", Some(("$", "-5"))),
            ("$.50", Some(("$", ".50"))),
            ("US$ 12", Some(("US$", "12"))),
            ("EUR 1.234,50", Some(("EUR", "1.234,50"))),
            ("1 234,5 €", Some(("€", "1 234,5"))),
            ("45.3%", Some(("%", "45.3"))),
            ("-4 %", Some(("%", "-4"))),
            ("\u{2212}4 %", Some(("%", "-4"))),
            ("+1.5e-3 kg", Some(("kg", "1.5e-3"))),
            ("80km/h", Some(("km/h", "80"))),
            ("37.2°C", Some(("°C", "37.2"))),
            ("12 years", Some(("year", "12"))),
            ("1 year", Some(("year", "1"))),
            ("3hrs", Some(("hr", "3"))),
            ("7 people", Some(("people", "7"))),
            // Parts of codes, ranks, times and dates, and what is no number at all.
            ("12A4", None),
            ("3b", None),
            ("1st", None),
            ("A12", None),
            ("v1.2", None),
            ("2024-01-02", None),
            ("12 Main St", None),
            ("12", None),
            ("abc", None),
            ("$", None),
            ("$12 per", None),
            ("-$-5", None),
            ("", None),
        ];
        for (cell, expected) in cases {
            let found = Unit::of(cell);
            let found = found
                .as_ref()
                .map(|(unit, number)| (unit.name(), number.as_ref()));
            let found = found
                .as_ref()
                .map(|(unit, number)| (unit.as_str(), *number));
            assert_eq!(found, expected, "{cell:?}");
        }
    }
}
