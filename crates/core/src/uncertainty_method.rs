use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Task, did_you_mean};

/// How networks say what they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UncertaintyMethod {
    /// Several networks of several designs; what they disagree about is the doubt of the model (Lakshminarayanan et al. 2017).
    #[default]
    Ensemble,
    /// One network whose last layer is a normal distribution about its weights (MacKay 1992; Daxberger et al. 2021).
    Laplace,
    /// One network, thinned at random in several ways (Gal & Ghahramani 2016).
    Dropout,
    /// One network that tells the parameters of a distribution over distributions (Sensoy et al. 2018; Amini et al. 2020).
    Evidential,
    /// One network that came to rest several times in one training (Huang et al. 2017).
    Snapshots,
}

/// Rows that are learned from and judged on, below which evidential networks are refused: below it data are cross-fitted, because they
/// are few.
pub const EVIDENTIAL_LEAST_ROWS: usize = 2_000;
/// Classes above which evidential networks are refused: each class adds one unit of evidence that is not there.
pub const EVIDENTIAL_MOST_CLASSES: usize = 200;

impl UncertaintyMethod {
    /// Every method, the default first.
    pub const ALL: [UncertaintyMethod; 5] = [
        UncertaintyMethod::Ensemble,
        UncertaintyMethod::Laplace,
        UncertaintyMethod::Dropout,
        UncertaintyMethod::Evidential,
        UncertaintyMethod::Snapshots,
    ];

    /// The name as a person writes it.
    pub fn name(self) -> &'static str {
        match self {
            UncertaintyMethod::Ensemble => "ensemble",
            UncertaintyMethod::Laplace => "laplace",
            UncertaintyMethod::Dropout => "dropout",
            UncertaintyMethod::Evidential => "evidential",
            UncertaintyMethod::Snapshots => "snapshots",
        }
    }

    /// What its numbers mean, in sentences for people.
    pub fn meaning(self) -> &'static str {
        match self {
            UncertaintyMethod::Ensemble => {
                "Doubt of the model is what its members disagree about: the mutual information between class and member, or the variance of \
                 their means. With few members it is told too small on average, of M members (M - 1) / M of what many would tell. It is \
                 relative to this kind of model and training."
            }
            UncertaintyMethod::Laplace => {
                "Doubt of the model is what the data leave open of the last layer's weights, as a normal distribution about those that were \
                 learned, where everything before it is held for certain. How far weights may be from zero was chosen by the marginal \
                 likelihood. It grows with the distance of the last layer's input from that of the training data, and not with anything that \
                 layers before it do not tell apart."
            }
            UncertaintyMethod::Dropout => {
                "Doubt of the model is what the networks disagree about that are left when features are dropped at random as in training, \
                 the same features for all units. How large it is follows from the rate of dropout, which was chosen for accuracy: it does \
                 not vanish with more data, and is usually too small far from them. A score to rank by, with a meaning only after calibration."
            }
            UncertaintyMethod::Evidential => {
                "Doubt of the model is a relative score, not a probability, and not what more data would remove: nothing in the data fixes it, \
                 only the price of evidence does (lambda: 1 for classes, 0.01 for numbers), and it does not vanish with infinite data (Meinert et al. 2023; Bengs et al. \
                 2023; Juergens et al. 2024; Shen et al. 2024). Use it to rank, with the conformal sets and intervals for promises, and never \
                 as the only test for strange inputs."
            }
            UncertaintyMethod::Snapshots => {
                "Doubt of the model is what several states of one network disagree about, in each of which one training came to rest before it was \
                 set going again. They have a history in common and disagree less than networks that were trained apart, so the doubt is told \
                 too small, more so than by an ensemble of as many."
            }
        }
    }

    /// Why it must not be used on such data, if so. `classes` are those of a task of classes, `rows` those that are learned from and judged on.
    pub fn refusal(self, task: Task, classes: usize, rows: usize) -> Option<String> {
        if self != UncertaintyMethod::Evidential {
            return None;
        }
        if task == Task::Multilabel {
            return Some("evidential networks of several labels have no published form".into());
        }
        if rows < EVIDENTIAL_LEAST_ROWS {
            return Some(format!(
                "evidential networks collapse on small data: there are {rows} rows, and fewer than {EVIDENTIAL_LEAST_ROWS} are refused"
            ));
        }
        (task.is_classification() && classes > EVIDENTIAL_MOST_CLASSES).then(|| {
            format!(
                "with {classes} classes the flat prior outweighs the evidence; more than {EVIDENTIAL_MOST_CLASSES} are refused"
            )
        })
    }
}

impl FromStr for UncertaintyMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = UncertaintyMethod::ALL.map(UncertaintyMethod::name);
        UncertaintyMethod::ALL
            .into_iter()
            .find(|method| method.name() == text)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no way to tell doubt: {}{}",
                    names.join(", "),
                    did_you_mean(text, &names)
                )
            })
    }
}

impl std::fmt::Display for UncertaintyMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_evidential_networks_are_refused_and_only_where_they_mislead() {
        // Task, classes, rows, whether evidential networks are refused.
        let cases = [
            (Task::Binary, 2, 10_000, false),
            (Task::Binary, 2, 1_999, true),
            (Task::Multiclass, 200, 2_000, false),
            (Task::Multiclass, 201, 50_000, true),
            (Task::Multilabel, 3, 50_000, true),
            // Numbers have no classes, whatever stands there.
            (Task::Regression, 999, 2_000, false),
        ];
        for (task, classes, rows, refused) in cases {
            for method in UncertaintyMethod::ALL {
                let said = method.refusal(task, classes, rows);
                let expected = refused && method == UncertaintyMethod::Evidential;
                assert_eq!(said.is_some(), expected, "{method} {task} {classes} {rows}");
            }
        }
    }
}
