use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Options;
use crate::{Design, DesignError};

/// One question that a design answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The name, the same as the field of the configuration.
    pub name: String,
    /// The answers that there are.
    pub options: Options,
    /// When the question arises; `None` for always.
    pub when: Option<Condition>,
}

/// A choice arises only when an earlier choice is active and has one of these values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The earlier choice, not one of reals. It may itself be conditional.
    pub choice: String,
    /// The values.
    pub values: Vec<Value>,
}

impl Choice {
    /// One of some values.
    pub fn categorical<V: Into<Value>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Choice {
        let options = Options::Categorical(values.into_iter().map(Into::into).collect());
        Choice::always(name.into(), options)
    }

    /// One of some values that stand in order: small to large, weak to strong.
    pub fn ordered<V: Into<Value>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Choice {
        let options = Options::Ordered(values.into_iter().map(Into::into).collect());
        Choice::always(name.into(), options)
    }

    /// An integer of `low ..= high`, each as likely.
    pub fn integers(name: impl Into<String>, low: i64, high: i64) -> Choice {
        let log = false;
        Choice::always(name.into(), Options::Integers { low, high, log })
    }

    /// An integer of `low ..= high` on a logarithmic scale.
    pub fn log_integers(name: impl Into<String>, low: i64, high: i64) -> Choice {
        let log = true;
        Choice::always(name.into(), Options::Integers { low, high, log })
    }

    /// A real of `low ..= high`, uniform.
    pub fn reals(name: impl Into<String>, low: f64, high: f64) -> Choice {
        let log = false;
        Choice::always(name.into(), Options::Reals { low, high, log })
    }

    /// A real of `low ..= high` on a logarithmic scale.
    pub fn log_reals(name: impl Into<String>, low: f64, high: f64) -> Choice {
        let log = true;
        Choice::always(name.into(), Options::Reals { low, high, log })
    }

    /// The same choice, arising only when the earlier choice `choice` has one of `values`.
    pub fn when<V: Into<Value>>(
        mut self,
        choice: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Choice {
        self.when = Some(Condition {
            choice: choice.into(),
            values: values.into_iter().map(Into::into).collect(),
        });
        self
    }

    fn always(name: String, options: Options) -> Choice {
        Choice {
            name,
            options,
            when: None,
        }
    }

    /// The choice with the values of its condition in the form in which they are drawn.
    pub(super) fn check(mut self, earlier: &[Choice]) -> Result<Choice, DesignError> {
        if self.name.is_empty() {
            return Err(self.refuse("needs a name"));
        }
        if earlier.iter().any(|other| other.name == self.name) {
            return Err(self.refuse("is named twice"));
        }
        self.options
            .check()
            .map_err(|problem| self.refuse(problem))?;
        let Some(condition) = self.when.clone() else {
            return Ok(self);
        };
        let parent = earlier.iter().find(|c| c.name == condition.choice);
        let values = condition.resolve(parent);
        let values = values.map_err(|problem| self.refuse(problem))?;
        self.when = Some(Condition {
            values,
            ..condition
        });
        Ok(self)
    }

    /// Whether the question arises, given the answers to all earlier ones.
    pub(super) fn is_active(&self, design: &Design) -> bool {
        self.when.as_ref().is_none_or(|condition| {
            design
                .get(&condition.choice)
                .is_some_and(|value| condition.values.contains(value))
        })
    }

    pub(super) fn why_inactive(&self) -> String {
        match &self.when {
            Some(condition) => {
                let values: Vec<String> =
                    condition.values.iter().map(super::options::text).collect();
                format!(
                    "is not active: it needs `{}` = {}",
                    condition.choice,
                    values.join(" or ")
                )
            }
            None => "is not active".to_owned(),
        }
    }

    fn refuse(&self, problem: impl Into<String>) -> DesignError {
        DesignError::BadChoice {
            choice: self.name.clone(),
            problem: problem.into(),
        }
    }
}

impl Condition {
    /// The values as the earlier choice draws them.
    fn resolve(&self, parent: Option<&Choice>) -> Result<Vec<Value>, String> {
        let name = &self.choice;
        let parent =
            parent.ok_or_else(|| format!("depends on `{name}`, which is not an earlier choice"))?;
        if matches!(parent.options, Options::Reals { .. }) {
            return Err(format!(
                "depends on the real `{name}`, which hardly ever equals a value"
            ));
        }
        if self.values.is_empty() {
            return Err(format!("depends on `{name}` having no values"));
        }
        self.values
            .iter()
            .map(|value| {
                parent
                    .options
                    .accept(value)
                    .map_err(|problem| format!("depends on `{name}`, which {problem}"))
            })
            .collect()
    }
}
