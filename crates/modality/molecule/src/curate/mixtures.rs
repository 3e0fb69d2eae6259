use candor_core::Finding;

use super::{Check, Context, by_share, evidence, percent};

/// Salts, solvates and mixtures: several molecules in one structure.
pub(super) struct Mixtures;

impl Check for Mixtures {
    fn run(&self, context: &Context) -> Vec<Finding> {
        let rows: Vec<usize> = context
            .survey
            .seen()
            .filter(|(_, seen)| seen.parts > 1)
            .map(|(row, _)| row)
            .collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let share = percent(rows.len(), context.survey.rows.len());
        vec![Finding {
            kind: "mixtures".to_owned(),
            severity: by_share(rows.len(), context.survey.rows.len()),
            columns: vec![context.column.to_owned()],
            message: format!(
                "{} structures ({share}) hold several molecules: salts, solvates or mixtures",
                rows.len()
            ),
            evidence: evidence(&rows, share),
            remedy: "strip counter-ions if the effect is that of the main molecule; a salt and its free form count as \
                     different molecules here"
                .to_owned(),
            action: None,
        }]
    }
}
