use candor_core::did_you_mean;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answers to a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Options {
    /// One of these values, which have no order.
    Categorical(Vec<Value>),
    /// One of these values, which stand in order from one end to the other.
    Ordered(Vec<Value>),
    /// An integer of a range within ±2^53.
    Integers {
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
        /// Whether each factor is as likely as any other, instead of each difference.
        log: bool,
    },
    /// A real of a range.
    Reals {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether each factor is as likely as any other, instead of each difference.
        log: bool,
    },
}

/// Integers up to here are exact as `f64`.
const EXACT: i64 = 1 << 53;

/// The greatest coordinate.
pub(super) const BELOW_ONE: f64 = 1.0 - f64::EPSILON;

/// Draws of another number before the next one is taken.
const TRIES: usize = 32;

impl Options {
    /// How many there are; `None` for a range of reals.
    pub fn len(&self) -> Option<u64> {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => Some(values.len() as u64),
            Options::Integers { low, high, .. } => Some(high.abs_diff(*low) + 1),
            Options::Reals { low, high, .. } => (low == high).then_some(1),
        }
    }

    /// Whether there are none. Never so in a [`Space`](crate::Space).
    pub fn is_empty(&self) -> bool {
        matches!(self, Options::Categorical(values) | Options::Ordered(values) if values.is_empty())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => check_distinct(values),
            Options::Integers { low, high, log } => {
                if *low < -EXACT || *high > EXACT {
                    return Err("needs integers within ±2^53".to_owned());
                }
                check_range(*low as f64, *high as f64, *log)
            }
            Options::Reals { low, high, log } => check_range(*low, *high, *log),
        }
    }

    /// The value in the form in which it is drawn, or what is wrong with it.
    pub(super) fn accept(&self, value: &Value) -> Result<Value, String> {
        let accepted = match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                values.iter().find(|v| same(v, value)).cloned()
            }
            Options::Integers { low, high, .. } => integer(value)
                .filter(|n| (low..=high).contains(&n))
                .map(Value::from),
            Options::Reals { low, high, .. } => value
                .as_f64()
                .filter(|x| (low..=high).contains(&x))
                .map(Value::from),
        };
        accepted
            .ok_or_else(|| format!("is `{}`, but must be {}", text(value), self.expected(value)))
    }

    /// All values; empty for a range of reals that holds more than one.
    pub(crate) fn values(&self) -> Vec<Value> {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => values.clone(),
            Options::Integers { low, high, .. } => (*low..=*high).map(Value::from).collect(),
            Options::Reals { low, high, .. } if low == high => vec![Value::from(*low)],
            Options::Reals { .. } => Vec::new(),
        }
    }

    /// The value at `u` of `[0, 1)`: uniform when `u` is.
    pub(crate) fn at(&self, u: f64) -> Value {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                let index = (u * values.len() as f64) as usize;
                values[index.min(values.len() - 1)].clone()
            }
            Options::Integers { low, high, log } => {
                // Each integer owns the interval up to the next one.
                let place = between(*low as f64, *high as f64 + 1.0, *log, u).floor();
                Value::from((place as i64).clamp(*low, *high))
            }
            Options::Reals { low, high, log } => {
                Value::from(between(*low, *high, *log, u).clamp(*low, *high))
            }
        }
    }

    /// Another value. There must be one.
    pub(super) fn other<R: Rng>(&self, value: &Value, rng: &mut R) -> Value {
        if let Options::Categorical(values) = self {
            let others: Vec<&Value> = values.iter().filter(|v| *v != value).collect();
            return others[rng.random_range(0..others.len())].clone();
        }
        let here = self.unit(value);
        for _ in 0..TRIES {
            let u = if rng.random::<bool>() {
                rng.random()
            } else {
                fold(here + rng.random_range(-0.25..0.25))
            };
            let candidate = self.at(u);
            if candidate != *value {
                return candidate;
            }
        }
        self.at(if here < 0.5 { 0.999_999 } else { 0.0 })
    }

    /// Where in `[0, 1)` a value lies, that of a finite range in the middle of its interval: the inverse of
    /// [`Options::at`]. 0 for a value that is not one of these.
    pub(super) fn unit(&self, value: &Value) -> f64 {
        let (low, high, log, x) = match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                let index = values.iter().position(|v| v == value);
                return index.map_or(0.0, |index| (index as f64 + 0.5) / values.len() as f64);
            }
            Options::Integers { low, high, log } => (
                *low as f64,
                *high as f64 + 1.0,
                *log,
                value.as_f64().unwrap_or(*low as f64) + 0.5,
            ),
            Options::Reals { low, high, log } => {
                (*low, *high, *log, value.as_f64().unwrap_or(*low))
            }
        };
        if low >= high {
            return 0.0;
        }
        let u = if log {
            (x.ln() - low.ln()) / (high.ln() - low.ln())
        } else {
            (x - low) / (high - low)
        };
        u.clamp(0.0, BELOW_ONE)
    }

    /// The value at `u`, counted from the first; 0 for reals.
    pub(super) fn level(&self, u: f64) -> usize {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                ((u * values.len() as f64) as usize).min(values.len() - 1)
            }
            Options::Integers { low, high, log } => {
                let place = between(*low as f64, *high as f64 + 1.0, *log, u).floor();
                (place as i64).clamp(*low, *high).abs_diff(*low) as usize
            }
            Options::Reals { .. } => 0,
        }
    }

    /// The middle of the interval of a value that is counted from the first; 0 for reals.
    pub(super) fn centre(&self, level: usize) -> f64 {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                (level as f64 + 0.5) / values.len() as f64
            }
            Options::Integers { low, .. } => self.unit(&Value::from(low + level as i64)),
            Options::Reals { .. } => 0.0,
        }
    }

    /// The middle of the interval that belongs to the value at `u`; `u` itself for reals.
    pub(super) fn snap(&self, u: f64) -> f64 {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                (self.level(u) as f64 + 0.5) / values.len() as f64
            }
            Options::Integers { .. } => self.unit(&self.at(u)),
            Options::Reals { .. } => u,
        }
    }

    fn expected(&self, got: &Value) -> String {
        match self {
            Options::Categorical(values) | Options::Ordered(values) => {
                let texts: Vec<String> = values.iter().map(text).collect();
                format!(
                    "one of {}{}",
                    texts.join(", "),
                    did_you_mean(&text(got), &texts)
                )
            }
            Options::Integers { low, high, .. } => format!("an integer from {low} to {high}"),
            Options::Reals { low, high, .. } => format!("a number from {low} to {high}"),
        }
    }
}

fn check_distinct(values: &[Value]) -> Result<(), String> {
    if values.is_empty() {
        return Err("has no options".to_owned());
    }
    for (i, value) in values.iter().enumerate() {
        if values[..i].iter().any(|earlier| same(earlier, value)) {
            return Err(format!("`{}` is listed twice", text(value)));
        }
    }
    Ok(())
}

fn check_range(low: f64, high: f64, log: bool) -> Result<(), String> {
    if !low.is_finite() || !high.is_finite() || !(high - low).is_finite() {
        return Err(format!("the range {low} to {high} is not finite"));
    }
    if low > high {
        return Err(format!("the range {low} to {high} is empty"));
    }
    if log && low <= 0.0 {
        return Err(format!(
            "a logarithmic range must be above 0, not {low} to {high}"
        ));
    }
    Ok(())
}

fn between(low: f64, high: f64, log: bool, u: f64) -> f64 {
    if log {
        (low.ln() + u * (high.ln() - low.ln())).exp()
    } else {
        low + u * (high - low)
    }
}

/// Reflects a number of (-1, 2) at 0 and 1.
fn fold(u: f64) -> f64 {
    if u < 0.0 {
        -u
    } else if u >= 1.0 {
        2.0 - u
    } else {
        u
    }
}

/// Equality of JSON values for which 1 and 1.0 are the same.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        value
            .as_f64()
            .filter(|x| x.fract() == 0.0 && x.abs() <= EXACT as f64)
            .map(|x| x as i64)
    })
}

/// A value as a person writes it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_share_the_unit_interval() {
        let linear = Options::Integers {
            low: 1,
            high: 4,
            log: false,
        };
        for (u, expected) in [(0.0, 1), (0.249, 1), (0.25, 2), (0.5, 3), (0.999, 4)] {
            assert_eq!(linear.at(u), json!(expected), "u = {u}");
        }
        // ln 1 to ln 8 in three equal parts: 1, then 2 and 3, then 4 to 7
        let log = Options::Integers {
            low: 1,
            high: 7,
            log: true,
        };
        for (u, expected) in [
            (0.0, 1),
            (0.33, 1),
            (0.34, 2),
            (0.66, 3),
            (0.67, 4),
            (0.99, 7),
        ] {
            assert_eq!(log.at(u), json!(expected), "u = {u}");
        }
    }

    #[test]
    fn a_value_is_found_where_it_came_from() {
        let options = [
            Options::Integers {
                low: -3,
                high: 9,
                log: false,
            },
            Options::Integers {
                low: 1,
                high: 900,
                log: true,
            },
            Options::Reals {
                low: -1.0,
                high: 3.0,
                log: false,
            },
            Options::Reals {
                low: 1e-5,
                high: 1.0,
                log: true,
            },
        ];
        for options in options {
            for u in [0.0, 0.3, 0.6, 0.97] {
                let value = options.at(u);
                let back = options.at(options.unit(&value));
                let (value, back) = (value.as_f64().unwrap(), back.as_f64().unwrap());
                assert!(
                    (value - back).abs() <= 1e-12 * value.abs(),
                    "{options:?} at {u}"
                );
            }
        }
    }

    #[test]
    fn another_value_always_differs() {
        let mut rng = Seed(2).stream("test", &[]);
        let cases = [
            (
                Options::Categorical(vec![json!(null), json!("a")]),
                json!(null),
            ),
            (
                Options::Integers {
                    low: 0,
                    high: 1,
                    log: false,
                },
                json!(0),
            ),
            // almost all of the scale belongs to 1
            (
                Options::Integers {
                    low: 1,
                    high: 2,
                    log: true,
                },
                json!(1),
            ),
            (
                Options::Reals {
                    low: 0.0,
                    high: f64::MIN_POSITIVE,
                    log: false,
                },
                json!(0.0),
            ),
        ];
        for (options, value) in cases {
            for _ in 0..200 {
                let other = options.other(&value, &mut rng);
                assert_ne!(other, value);
                assert_eq!(options.accept(&other).as_ref(), Ok(&other));
            }
        }
    }
}
