//! Which designs there are: an ordered list of choices, possibly conditional.

mod choice;
mod cube;
mod options;
mod size;

use std::fmt;
use std::sync::Arc;

use candor_core::did_you_mean;
use rand::{Rng, RngExt};
use serde_json::Value;

pub use choice::{Choice, Condition};
pub(crate) use cube::{Axis, Cube};
pub use options::Options;

use crate::{Design, DesignError, label};

/// Draws before a rule is taken to exclude everything. At one valid design in a hundred, all these
/// draws fail once in 23,000 searches.
const TRIES: usize = 1000;

/// Spaces up to this size are listed in full where drawing at random finds nothing new.
pub(crate) const LISTED: usize = 4096;

/// An ordered list of choices that yields designs.
///
/// ```
/// use candor_design::{Choice, Space};
/// use candor_core::Seed;
/// let space = Space::new(vec![
///     Choice::categorical("kind", ["mlp", "residual"]),
///     Choice::integers("depth", 1, 4),
///     Choice::reals("dropout", 0.0, 0.5).when("kind", ["residual"]),
/// ])?;
/// let design = space.sample(&mut Seed(1).stream("example", &[]))?;
/// assert!(space.check(&design).is_ok());
/// # Ok::<(), candor_design::DesignError>(())
/// ```
#[derive(Clone)]
pub struct Space {
    choices: Vec<Choice>,
    rule: Option<Rule>,
    standard: Option<Standard>,
}

/// Gives the design that stands for all designs of one network.
type Standard = Arc<dyn Fn(&Design) -> Design + Send + Sync>;

#[derive(Clone)]
struct Rule {
    words: String,
    holds: Arc<dyn Fn(&Design) -> bool + Send + Sync>,
}

impl Space {
    /// The space of these choices.
    ///
    /// # Errors
    /// When there are no choices, two have one name, a choice has no options, a range is empty or not
    /// finite, or a condition names a choice that is not earlier or a value that it cannot take.
    pub fn new(choices: Vec<Choice>) -> Result<Space, DesignError> {
        if choices.is_empty() {
            return Err(DesignError::BadChoice {
                choice: String::new(),
                problem: "there must be at least one choice".to_owned(),
            });
        }
        let mut checked: Vec<Choice> = Vec::with_capacity(choices.len());
        for choice in choices {
            let choice = choice.check(&checked)?;
            checked.push(choice);
        }
        Ok(Space {
            choices: checked,
            rule: None,
            standard: None,
        })
    }

    /// The same space without the designs for which `holds` is false. `words` says the rule in errors,
    /// and stands for it when a stored study is compared with this one.
    pub fn with_rule(
        mut self,
        words: impl Into<String>,
        holds: impl Fn(&Design) -> bool + Send + Sync + 'static,
    ) -> Space {
        self.rule = Some(Rule {
            words: words.into(),
            holds: Arc::new(holds),
        });
        self
    }

    /// The same space, where designs for which `standard` gives the same design name the same network: a study trains it once.
    pub fn with_standard(
        mut self,
        standard: impl Fn(&Design) -> Design + Send + Sync + 'static,
    ) -> Space {
        self.standard = Some(Arc::new(standard));
        self
    }

    /// The same space where the choice `name` has no other values than these; choices that then never arise are left out.
    ///
    /// ```
    /// use candor_design::{Choice, Space};
    /// let space = Space::new(vec![
    ///     Choice::categorical("kind", ["mlp", "residual"]),
    ///     Choice::integers("depth", 1, 4).when("kind", ["residual"]),
    /// ])?;
    /// assert_eq!(space.only("kind", ["mlp"])?.size(), Some(1));
    /// # Ok::<(), candor_design::DesignError>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such choice, it has no list of values, it cannot have one of these, or there are none.
    pub fn only<V: Into<Value>>(
        &self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Space, DesignError> {
        let refuse = |problem: String| DesignError::BadChoice {
            choice: name.to_owned(),
            problem,
        };
        let wanted: Vec<Value> = values.into_iter().map(Into::into).collect();
        let mut kept: Vec<Choice> = Vec::with_capacity(self.choices.len());
        let mut found = false;
        for choice in &self.choices {
            let mut choice = choice.clone();
            if choice.name == name {
                found = true;
                if let Some(problem) = wanted.iter().find_map(|v| choice.options.accept(v).err()) {
                    return Err(refuse(problem));
                }
                let (Options::Categorical(values) | Options::Ordered(values)) = &mut choice.options
                else {
                    return Err(refuse("is a range, not a list of values".to_owned()));
                };
                values.retain(|value| wanted.contains(value));
            }
            if let Some(condition) = &mut choice.when {
                let parent = kept.iter().find(|other| other.name == condition.choice);
                let possible = parent.map(|parent| parent.options.values());
                let possible = possible.unwrap_or_default();
                condition.values.retain(|value| possible.contains(value));
                if condition.values.is_empty() {
                    continue;
                }
            }
            kept.push(choice);
        }
        if !found {
            return Err(refuse("is no choice of this space".to_owned()));
        }
        Ok(Space {
            choices: Space::new(kept)?.choices,
            ..self.clone()
        })
    }

    /// The text that designs of the same network share.
    pub fn identity(&self, design: &Design) -> String {
        match &self.standard {
            Some(standard) => standard(design).canonical(),
            None => design.canonical(),
        }
    }

    /// The choices in order.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The rule in words; `None` without one.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_ref().map(|rule| rule.words.as_str())
    }

    /// Parses a design: the same design with its choices in the space's order and each value in the
    /// form in which the space draws it (`1` becomes `1.0` where reals are asked for).
    ///
    /// # Errors
    /// When a value is missing, unknown, out of range or not active, or the rule excludes the design.
    pub fn check(&self, design: &Design) -> Result<Design, DesignError> {
        let refuse = |choice: &str, problem: String| DesignError::NotInSpace {
            design: label(design),
            choice: choice.to_owned(),
            problem,
        };
        let names: Vec<&str> = self.choices.iter().map(|c| c.name.as_str()).collect();
        if let Some((name, _)) = design.iter().find(|(name, _)| !names.contains(name)) {
            let problem = format!("is unknown{}", did_you_mean(name, &names));
            return Err(refuse(name, problem));
        }
        let mut parsed = Design::new();
        for choice in &self.choices {
            match (choice.is_active(&parsed), design.get(&choice.name)) {
                (true, Some(value)) => {
                    let value = choice
                        .options
                        .accept(value)
                        .map_err(|problem| refuse(&choice.name, problem))?;
                    parsed = parsed.with(choice.name.as_str(), value);
                }
                (true, None) => return Err(refuse(&choice.name, "is missing".to_owned())),
                (false, Some(_)) => return Err(refuse(&choice.name, choice.why_inactive())),
                (false, None) => {}
            }
        }
        match &self.rule {
            Some(rule) if !(rule.holds)(&parsed) => Err(DesignError::Excluded {
                design: label(design),
                rule: rule.words.clone(),
            }),
            _ => Ok(parsed),
        }
    }

    /// The number of designs, the rule left aside; `None` when a choice of reals makes it infinite.
    /// Numbers beyond `u128` are cut to its maximum.
    pub fn size(&self) -> Option<u128> {
        size::size(&self.choices)
    }

    /// All designs that satisfy the rule, in lexicographic order of the choices; `None` when there are
    /// more than `limit` before the rule is applied.
    pub fn designs(&self, limit: usize) -> Option<Vec<Design>> {
        if self.size()? > limit as u128 {
            return None;
        }
        let mut partial = vec![Design::new()];
        for choice in &self.choices {
            let values = choice.options.values();
            partial = partial
                .into_iter()
                .flat_map(|design| extend(design, choice, &values))
                .collect();
        }
        partial.retain(|design| self.allows(design));
        Some(partial)
    }

    /// A design drawn by choosing uniformly (log-uniformly where the range says so), one active choice
    /// after the other.
    ///
    /// # Errors
    /// [`DesignError::Infeasible`] when no valid design is found.
    pub fn sample<R: Rng>(&self, rng: &mut R) -> Result<Design, DesignError> {
        for _ in 0..TRIES {
            let design = self.build(|_, choice| choice.options.at(rng.random()));
            if self.allows(&design) {
                return Ok(design);
            }
        }
        let mut listed = self.designs(LISTED).unwrap_or_default();
        if listed.is_empty() {
            return Err(DesignError::Infeasible {
                rule: self.rule().unwrap_or_default().to_owned(),
                tries: TRIES,
            });
        }
        Ok(listed.swap_remove(rng.random_range(0..listed.len())))
    }

    /// A valid design that differs from `design` in one active choice; choices that become active with
    /// it are drawn, those that become inactive are dropped.
    ///
    /// A number moves to a fresh place half of the time, else by at most a quarter of its range.
    ///
    /// # Errors
    /// When `design` is not in the space, or no valid neighbour is found.
    pub fn mutate<R: Rng>(&self, design: &Design, rng: &mut R) -> Result<Design, DesignError> {
        let design = self.check(design)?;
        let open: Vec<&Choice> = self
            .choices
            .iter()
            .filter(|choice| choice.options.len() != Some(1) && design.get(&choice.name).is_some())
            .collect();
        for _ in 0..if open.is_empty() { 0 } else { TRIES } {
            let changed = open[rng.random_range(0..open.len())];
            let neighbour = self.build(|_, choice| match design.get(&choice.name) {
                Some(value) if choice.name == changed.name => choice.options.other(value, rng),
                Some(value) => value.clone(),
                None => choice.options.at(rng.random()),
            });
            if self.allows(&neighbour) {
                return Ok(neighbour);
            }
        }
        Err(DesignError::NoNeighbour {
            design: label(&design),
        })
    }

    /// The design at a point of the unit cube: one coordinate in `[0, 1)` a choice, those of inactive
    /// choices unused. Maps low-discrepancy sequences to designs.
    ///
    /// # Errors
    /// When the number of coordinates is wrong, one is out of range, or the rule excludes the design.
    pub fn from_unit(&self, point: &[f64]) -> Result<Design, DesignError> {
        if point.len() != self.choices.len() {
            let (expected, got) = (self.choices.len(), point.len());
            let problem = format!("{expected} choices, {got} coordinates");
            return Err(DesignError::BadCoordinates { problem });
        }
        if let Some((i, value)) = point
            .iter()
            .enumerate()
            .find(|(_, u)| !(0.0..1.0).contains(*u))
        {
            let problem = format!(
                "{value} for choice `{}` is not in [0, 1)",
                self.choices[i].name
            );
            return Err(DesignError::BadCoordinates { problem });
        }
        let design = self.build(|i, choice| choice.options.at(point[i]));
        if self.allows(&design) {
            return Ok(design);
        }
        Err(DesignError::Excluded {
            design: label(&design),
            rule: self.rule().unwrap_or_default().to_owned(),
        })
    }

    /// Where in the unit cube a design of this space lies: one coordinate a choice, `None` for choices that are not active.
    /// A value of a finite range stands in the middle of its interval, so that [`Space::from_unit`] leads back.
    ///
    /// ```
    /// use candor_design::{Choice, Design, Space};
    /// let space = Space::new(vec![
    ///     Choice::categorical("kind", ["mlp", "residual"]),
    ///     Choice::integers("depth", 1, 4).when("kind", ["residual"]),
    /// ])?;
    /// let design = Design::new().with("kind", "residual").with("depth", 2);
    /// assert_eq!(space.to_unit(&design), [Some(0.75), Some(0.375)]);
    /// # Ok::<(), candor_design::DesignError>(())
    /// ```
    pub fn to_unit(&self, design: &Design) -> Vec<Option<f64>> {
        let place = |choice: &Choice| Some(choice.options.unit(design.get(&choice.name)?));
        self.choices.iter().map(place).collect()
    }

    /// The design whose active choices have the values that `value` gives them, asked in order.
    fn build(&self, mut value: impl FnMut(usize, &Choice) -> Value) -> Design {
        let mut design = Design::new();
        for (i, choice) in self.choices.iter().enumerate() {
            if choice.is_active(&design) {
                design = design.with(choice.name.as_str(), value(i, choice));
            }
        }
        design
    }

    pub(crate) fn allows(&self, design: &Design) -> bool {
        self.rule.as_ref().is_none_or(|rule| (rule.holds)(design))
    }
}

/// The designs that follow from `design` by one more choice.
fn extend(design: Design, choice: &Choice, values: &[Value]) -> Vec<Design> {
    if !choice.is_active(&design) {
        return vec![design];
    }
    values
        .iter()
        .map(|value| design.clone().with(choice.name.as_str(), value.clone()))
        .collect()
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("choices", &self.choices)
            .field("rule", &self.rule())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Seed;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Nested conditions: `heads` needs `attention`, `head_width` needs `heads` = 2.
    fn nested() -> Space {
        Space::new(vec![
            Choice::categorical("kind", ["mlp", "attention"]),
            Choice::integers("heads", 1, 2).when("kind", ["attention"]),
            Choice::categorical("head_width", [16, 32, 64]).when("heads", [2]),
            Choice::integers("depth", 1, 4),
        ])
        .unwrap()
    }

    fn mixed() -> Space {
        Space::new(vec![
            Choice::categorical("kind", ["mlp", "residual", "attention"]),
            Choice::log_integers("width", 8, 512),
            Choice::integers("depth", 1, 6).when("kind", ["residual", "attention"]),
            Choice::categorical("gated", [true, false]).when("depth", [2, 3]),
            Choice::reals("dropout", 0.0, 0.5),
            Choice::log_reals("rate", 1e-4, 1e-1),
        ])
        .unwrap()
        .with_rule("wide or shallow", |design| {
            let number = |name: &str| design.get(name).and_then(Value::as_i64).unwrap_or(0);
            number("width") >= 32 || number("depth") <= 4
        })
    }

    #[test]
    fn spaces_that_make_no_sense_are_refused() {
        let kind = || Choice::categorical("kind", ["a", "b"]);
        let cases: Vec<(Vec<Choice>, &str)> = vec![
            (vec![], "at least one choice"),
            (vec![Choice::categorical("", ["a"])], "needs a name"),
            (vec![kind(), kind()], "is named twice"),
            (
                vec![Choice::categorical("kind", Vec::<String>::new())],
                "no options",
            ),
            (
                vec![Choice::categorical("kind", ["a", "a"])],
                "`a` is listed twice",
            ),
            (
                vec![Choice::categorical("n", [json!(1), json!(1.0)])],
                "`1.0` is listed twice",
            ),
            (vec![Choice::integers("n", 3, 2)], "3 to 2 is empty"),
            (vec![Choice::log_integers("n", 0, 2)], "above 0"),
            (vec![Choice::reals("x", 0.0, f64::INFINITY)], "finite"),
            (vec![Choice::reals("x", f64::NAN, 1.0)], "finite"),
            (vec![Choice::log_reals("x", 0.0, 1.0)], "above 0"),
            (
                vec![kind().when("later", ["x"])],
                "`later`, which is not an earlier choice",
            ),
            (
                vec![kind(), Choice::integers("n", 1, 2).when("kind", ["c"])],
                "`c`",
            ),
            (
                vec![
                    kind(),
                    Choice::integers("n", 1, 2).when("kind", Vec::<String>::new()),
                ],
                "no values",
            ),
            (
                vec![Choice::reals("x", 0.0, 1.0), kind().when("x", [0.5])],
                "depends on the real `x`",
            ),
        ];
        for (choices, expected) in cases {
            let error = Space::new(choices).unwrap_err().to_string();
            assert!(error.contains(expected), "`{error}` lacks `{expected}`");
        }
    }

    #[test]
    fn a_choice_is_narrowed_with_what_depends_on_it() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["mlp", "residual", "tree"]),
            Choice::categorical("numbers", ["plain", "periodic"]).when("kind", ["mlp", "residual"]),
            Choice::reals("sigma", 0.1, 1.0).when("numbers", ["periodic"]),
            Choice::integers("leaves", 2, 4).when("kind", ["tree"]),
        ])
        .unwrap()
        .with_rule("no plain residual networks", |design| {
            design.get("kind") != Some(&json!("residual"))
                || design.get("numbers") != Some(&json!("plain"))
        });
        let trees = space.only("kind", ["tree"]).unwrap();
        assert_eq!(trees.size(), Some(3));
        let both = space.only("kind", ["residual", "mlp"]).unwrap();
        let names: Vec<&str> = both.choices().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["kind", "numbers", "sigma"]);
        let stream = &mut Seed(1).stream("space", &[]);
        for _ in 0..50 {
            let design = both.sample(stream).unwrap();
            assert!(space.check(&design).is_ok(), "{design}");
        }
        for (name, value, problem) in [
            ("kind", "forest", "is `forest`, but must be"),
            ("sigma", "x", "is `x`, but must be"),
            ("depth", "x", "is no choice of this space"),
        ] {
            let error = space.only(name, [value]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let range = space.only("sigma", [0.5]).unwrap_err().to_string();
        assert!(range.contains("is a range"), "{range}");
        assert!(space.only("kind", Vec::<String>::new()).is_err());
    }

    #[test]
    fn designs_are_parsed_not_only_looked_at() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["mlp", "residual"]),
            Choice::integers("depth", 1, 4).when("kind", ["residual"]),
            Choice::reals("dropout", 0.0, 0.5),
        ])
        .unwrap();
        let design = Design::new()
            .with("dropout", 0)
            .with("depth", 2.0)
            .with("kind", "residual");
        let parsed = space.check(&design).unwrap();
        assert_eq!(
            serde_json::to_string(&parsed).unwrap(),
            r#"{"kind":"residual","depth":2,"dropout":0.0}"#
        );
        let base = Design::new().with("kind", "residual").with("dropout", 0.1);
        let cases = [
            (base.clone(), "choice `depth` is missing"),
            (
                base.clone().with("depth", 5),
                "is `5`, but must be an integer from 1 to 4",
            ),
            (
                base.clone().with("depth", 1.5),
                "is `1.5`, but must be an integer from 1 to 4",
            ),
            (
                base.clone().with("depth", 1).with("kind", "mlp"),
                "`depth` is not active",
            ),
            (
                base.clone().with("kind", "residal"),
                "did you mean `residual`?",
            ),
            (
                base.clone().with("dopth", 1),
                "`dopth` is unknown; did you mean `depth`?",
            ),
            (
                base.with("depth", 1).with("dropout", 0.6),
                "is `0.6`, but must be a number from 0 to 0.5",
            ),
        ];
        for (design, expected) in cases {
            let error = space.check(&design).unwrap_err().to_string();
            assert!(error.contains(expected), "`{error}` lacks `{expected}`");
        }
    }

    #[test]
    fn a_finite_space_knows_its_size_and_lists_itself() {
        // (mlp: 1) + (attention: heads 1: 1, heads 2: 3) = 5, times 4 depths
        let space = nested();
        assert_eq!(space.size(), Some(20));
        let designs = space.designs(20).unwrap();
        assert_eq!(designs.len(), 20);
        assert!(designs.iter().all(|design| space.check(design).is_ok()));
        assert!(space.designs(19).is_none());
        let deep = nested().with_rule("deep", |d| d.get("depth") == Some(&json!(4)));
        assert_eq!(deep.designs(20).unwrap().len(), 5);
        assert_eq!(mixed().size(), None);
    }

    #[test]
    fn the_size_of_many_gates_is_counted_without_listing_them() {
        // 60 switches, each of which opens a choice of 2: (1 + 2)^60
        let choices = (0..60).flat_map(|i| {
            let gate = format!("use_{i}");
            [
                Choice::categorical(gate.as_str(), [false, true]),
                Choice::integers(format!("n_{i}"), 1, 2).when(gate, [true]),
            ]
        });
        assert_eq!(
            Space::new(choices.collect()).unwrap().size(),
            Some(3u128.pow(60))
        );
    }

    #[test]
    fn uniform_draws_cover_a_space() {
        let space = nested();
        let mut rng = Seed(5).stream("test", &[]);
        let drawn: std::collections::BTreeSet<String> = (0..400)
            .map(|_| space.sample(&mut rng).unwrap().canonical())
            .collect();
        assert_eq!(drawn.len(), 20);
    }

    #[test]
    fn a_space_without_a_valid_design_is_an_error() {
        let empty = nested().with_rule("never", |_| false);
        let mut rng = Seed(0).stream("test", &[]);
        let error = empty.sample(&mut rng).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no valid design: after 1000 draws none satisfies the rule `never`"
        );
        assert_eq!(empty.designs(100).unwrap(), Vec::new());
    }

    #[test]
    fn a_rule_that_leaves_one_design_in_thousands_is_still_satisfied() {
        let space = Space::new(vec![Choice::integers("n", 1, 4000)])
            .unwrap()
            .with_rule("1234", |d| d.get("n") == Some(&json!(1234)));
        let mut rng = Seed(0).stream("test", &[]);
        assert_eq!(
            space.sample(&mut rng).unwrap(),
            Design::new().with("n", 1234)
        );
        let only = Design::new().with("n", 1234);
        assert!(matches!(
            space.mutate(&only, &mut rng),
            Err(DesignError::NoNeighbour { .. })
        ));
    }

    #[test]
    fn the_unit_cube_maps_onto_the_space() {
        let space = Space::new(vec![
            Choice::categorical("kind", ["a", "b"]),
            Choice::integers("n", 1, 4).when("kind", ["b"]),
            Choice::log_reals("x", 1.0, 100.0),
        ])
        .unwrap();
        let low = space.from_unit(&[0.0, 0.9, 0.0]).unwrap();
        assert_eq!(low, Design::new().with("kind", "a").with("x", 1.0));
        let middle = space.from_unit(&[0.5, 0.75, 0.5]).unwrap();
        assert_eq!(middle.get("n"), Some(&json!(4)));
        let x = middle.get("x").and_then(Value::as_f64).unwrap();
        assert!(
            (x - 10.0).abs() < 1e-9,
            "the geometric middle of 1 and 100 is 10, got {x}"
        );
        assert!(
            space
                .from_unit(&[0.5, 0.5])
                .unwrap_err()
                .to_string()
                .contains("3 choices")
        );
        assert!(
            space
                .from_unit(&[0.5, 1.0, 0.5])
                .unwrap_err()
                .to_string()
                .contains("`n`")
        );
        assert!(space.from_unit(&[f64::NAN, 0.0, 0.5]).is_err());
    }

    proptest! {
        #[test]
        fn mutations_are_valid_and_differ_in_one_choice(seed in any::<u64>(), steps in 1usize..20) {
            let space = mixed();
            let mut rng = Seed(seed).stream("test", &[]);
            let mut design = space.sample(&mut rng).unwrap();
            for _ in 0..steps {
                let next = space.mutate(&design, &mut rng).unwrap();
                prop_assert_eq!(&space.check(&next).unwrap(), &next);
                prop_assert_ne!(next.canonical(), design.canonical());
                let changed = design
                    .iter()
                    .filter(|(name, value)| next.get(name).is_some_and(|other| other != *value))
                    .count();
                prop_assert_eq!(changed, 1);
                design = next;
            }
        }

        #[test]
        fn designs_and_points_lead_to_each_other(seed in any::<u64>()) {
            let space = mixed();
            let design = space.sample(&mut Seed(seed).stream("test", &[])).unwrap();
            let point: Vec<f64> = space.to_unit(&design).iter().map(|u| u.unwrap_or(0.0)).collect();
            let back = space.from_unit(&point).unwrap();
            for (name, value) in design.iter() {
                match (value.as_f64(), back.get(name).and_then(Value::as_f64)) {
                    (Some(x), Some(y)) => prop_assert!((x - y).abs() <= 1e-12 * x.abs()),
                    _ => prop_assert_eq!(Some(value), back.get(name)),
                }
            }
        }

        #[test]
        fn every_point_of_the_unit_cube_is_a_design(point in proptest::collection::vec(0.0..1.0f64, 6)) {
            match mixed().from_unit(&point) {
                Ok(design) => prop_assert_eq!(mixed().check(&design).unwrap(), design),
                Err(error) => prop_assert!(matches!(error, DesignError::Excluded { .. }), "{}", error),
            }
        }
    }
}
