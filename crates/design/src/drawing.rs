use serde_json::Value;

use crate::Design;

/// A design in a few words: `key=value` in the order of its choices, reals to four significant digits.
///
/// ```
/// use candor_design::{Design, label};
/// let design = Design::new().with("kind", "residual").with("width", 128).with("rate", 0.00123456);
/// assert_eq!(label(&design), "kind=residual width=128 rate=0.001235");
/// ```
pub fn label(design: &Design) -> String {
    let words: Vec<String> = design
        .iter()
        .map(|(name, value)| format!("{name}={}", short(value)))
        .collect();
    words.join(" ")
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(real) if number.is_f64() => significant(real),
            _ => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(short).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

/// A number to four significant digits, in the shortest form.
fn significant(real: f64) -> String {
    let rounded: f64 = format!("{real:.3e}").parse().unwrap_or(real);
    if rounded != 0.0 && (rounded.abs() < 1e-4 || rounded.abs() >= 1e6) {
        format!("{rounded:e}")
    } else {
        rounded.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_short_and_exact_where_they_can_be() {
        let cases = [
            (json!(0.1), "0.1"),
            (json!(0.123456), "0.1235"),
            (json!(3.0), "3"),
            (json!(0.0), "0"),
            (json!(0.0000123456), "1.235e-5"),
            (json!(-2_500_000.0), "-2.5e6"),
            (json!(123_456), "123456"), // integers stay exact
            (json!(true), "true"),
            (json!(null), "null"),
            (json!("plr"), "plr"),
            (json!([64, 32]), "[64,32]"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(&value), expected, "{value}");
        }
        assert_eq!(label(&Design::new()), "");
    }
}
