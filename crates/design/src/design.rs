use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{DesignError, label};

/// The value that names one network: the active choices of a space with their values.
///
/// It is written as a JSON object in the order of the choices. The order carries no meaning: two
/// designs are equal when they hold the same values under the same names.
///
/// ```
/// use candor_design::Design;
/// let design = Design::new().with("kind", "residual").with("depth", 3);
/// assert_eq!(design.canonical(), r#"{"depth":3,"kind":"residual"}"#);
/// assert_eq!(design, Design::new().with("depth", 3).with("kind", "residual"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Design {
    values: Vec<(String, Value)>,
}

impl Design {
    /// A design without any choice.
    pub fn new() -> Design {
        Design::default()
    }

    /// The same design with one more value; a value under the same name is replaced.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Design {
        let (name, value) = (name.into(), value.into());
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => self.values.push((name, value)),
        }
        self
    }

    /// The value of a choice; `None` when the choice is not active.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// The number of active choices.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no choice is active.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The JSON text that equal designs share: names sorted at every level, no white space.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        write_object(
            self.values.iter().map(|(name, value)| (name, value)),
            &mut text,
        );
        text
    }

    /// A hash of [`Design::canonical`] that does not change between versions and machines
    /// (FNV-1a, 64 bits).
    pub fn hash(&self) -> u64 {
        self.canonical()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
    }

    /// [`Design::hash`] as 16 hexadecimal digits: a short name for files and logs.
    pub fn fingerprint(&self) -> String {
        format!("{:016x}", self.hash())
    }

    /// The configuration that the design stands for: its JSON object read as `T`.
    ///
    /// # Errors
    /// When the object is not a valid `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DesignError> {
        let object: Map<String, Value> = self.values.iter().cloned().collect();
        serde_json::from_value(Value::Object(object)).map_err(|source| DesignError::Decode {
            design: label(self),
            wanted: short_name(std::any::type_name::<T>()),
            source,
        })
    }
}

impl PartialEq for Design {
    fn eq(&self, other: &Design) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(name, value)| other.get(name) == Some(value))
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&label(self))
    }
}

impl Serialize for Design {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in &self.values {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Design {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Design, D::Error> {
        deserializer.deserialize_map(DesignVisitor)
    }
}

struct DesignVisitor;

impl<'de> Visitor<'de> for DesignVisitor {
    type Value = Design;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of choices and their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Design, A::Error> {
        let mut design = Design::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if design.get(&name).is_some() {
                return Err(A::Error::custom(format!("choice `{name}` is given twice")));
            }
            design.values.push((name, value));
        }
        Ok(design)
    }
}

/// The last part of a type's path.
fn short_name(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap_or(path)
}

/// The JSON text of a value with sorted names.
pub(crate) fn canonical_value(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => write_object(map.iter(), text),
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_value(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn write_object<'a>(entries: impl Iterator<Item = (&'a String, &'a Value)>, text: &mut String) {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(name, _)| name.as_str());
    text.push('{');
    for (i, (name, value)) in entries.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&Value::from(name.as_str()).to_string());
        text.push(':');
        write_value(value, text);
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        kind: String,
        depth: usize,
        #[serde(default)]
        dropout: f64,
    }

    #[test]
    fn the_order_of_choices_survives_text_and_does_not_matter_for_identity() {
        let design = Design::new()
            .with("z", 1)
            .with("a", json!({"y": 1, "b": [2.5, null]}));
        let text = serde_json::to_string(&design).unwrap();
        let read: Design = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["z", "a"]
        );
        assert_eq!(design.canonical(), r#"{"a":{"b":[2.5,null],"y":1},"z":1}"#);
        assert_eq!(read, design);
        assert_ne!(design, design.clone().with("z", 2));
        assert_ne!(design, Design::new().with("z", 1));
    }

    #[test]
    fn the_hash_is_the_published_fnv_1a() {
        // FNV-1a of the two bytes `{}`, worked out by hand from offset basis and prime.
        let by_hand = [b'{', b'}']
            .iter()
            .fold(14_695_981_039_346_656_037u64, |h, &b| {
                (h ^ u64::from(b)).wrapping_mul(1_099_511_628_211)
            });
        assert_eq!(Design::new().hash(), by_hand);
        assert_eq!(Design::new().fingerprint().len(), 16);
    }

    #[test]
    fn a_choice_given_twice_is_refused() {
        let error = serde_json::from_str::<Design>(r#"{"a":1,"a":2}"#).unwrap_err();
        assert!(error.to_string().contains("choice `a` is given twice"));
    }

    #[test]
    fn a_design_decodes_to_its_configuration_or_says_why_not() {
        let design = Design::new().with("kind", "mlp").with("depth", 2);
        let config: Config = design.decode().unwrap();
        assert_eq!(
            config,
            Config {
                kind: "mlp".into(),
                depth: 2,
                dropout: 0.0
            }
        );
        let error = design.with("wdith", 8).decode::<Config>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "design `kind=mlp depth=2 wdith=8` is not a valid `Config`"
        );
    }
}
