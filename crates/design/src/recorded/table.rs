use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use candor_core::did_you_mean;
use serde_json::{Number, Value};

use crate::space::Cube;
use crate::{Choice, Design, DesignError, Space};

/// Results of designs that were all trained before.
///
/// The designs are the rows. The space is made of the values that occur: a column of numbers with at least three values is an ordered choice,
/// any other a categorical one. A choice with empty cells is conditional where an earlier choice tells when it is
/// empty; else being empty is one of its values.
pub struct Recorded {
    name: String,
    space: Space,
    rows: Vec<RecordedRow>,
    designs: Vec<Design>,
    points: Vec<Vec<f64>>,
    /// Which row a point belongs to, by [`Cube::key`].
    index: Arc<HashMap<u64, usize>>,
    /// Whether so few of the space's designs are recorded that a suggestion stands for the nearest recorded one.
    sparse: bool,
    larger_is_better: bool,
}

/// The figures of one design.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordedRow {
    /// What the search sees.
    pub score: f64,
    /// What is reported of the design with the best score.
    pub report: f64,
    /// What a design costs, such as its parameters; 0 without such a column.
    pub cost: f64,
    /// The network: rows that share it are one network and count once.
    pub network: usize,
}

/// Which columns of a table mean what.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Roles {
    /// The choices, in the order in which they are made.
    pub choices: Vec<String>,
    /// Those of them whose numbers have no order.
    pub unordered: Vec<String>,
    /// What the search sees.
    pub score: String,
    /// What is reported of the design with the best score; the score itself when `None`.
    pub report: Option<String>,
    /// What a design costs.
    pub cost: Option<String>,
    /// Rows with the same value are the same network.
    pub network: Option<String>,
    /// Whether smaller scores are better.
    pub minimise: bool,
}

/// Below this share of recorded designs, drawing until one is recorded is too slow.
const SPARSE: f64 = 0.05;
/// Distinct numbers from which on a column of numbers has an order.
const ORDERED_FROM: usize = 3;

impl Recorded {
    /// The table whose rows of cells stand under `header`; `name` is what errors call it.
    ///
    /// # Errors
    /// [`DesignError::Recorded`] when a column is missing or has two roles, a cell that must be a number is none, two rows hold one
    /// design, or there are fewer than two designs.
    pub fn new(
        name: &str,
        header: &[String],
        rows: &[Vec<String>],
        roles: &Roles,
    ) -> Result<Recorded, DesignError> {
        let reader = Reader { name, header, rows };
        let choices = reader.choices(roles)?;
        let figures = reader.figures(roles)?;
        let designs = reader.designs(&choices);
        if designs.len() < 2 {
            return Err(reader.refuse(
                format!("holds {} design", designs.len()),
                "a search needs at least two rows",
            ));
        }
        let space = Space::new(choices)?;
        let cube = Cube::new(&space);
        let points: Vec<Vec<f64>> = designs.iter().map(|design| cube.point(design)).collect();
        let mut index = HashMap::with_capacity(points.len());
        for (row, point) in points.iter().enumerate() {
            if let Some(earlier) = index.insert(Cube::key(point), row) {
                return Err(reader.refuse(
                    format!(
                        "rows {} and {} hold the same design, `{}`",
                        earlier + 1,
                        row + 1,
                        designs[row]
                    ),
                    "average such rows, or add the column that tells them apart to `--choices`",
                ));
            }
        }
        let index = Arc::new(index);
        let size = space.size().unwrap_or(u128::MAX) as f64;
        let sparse = (designs.len() as f64) < SPARSE * size;
        let whole = designs.len() as f64 >= size;
        let space = if sparse || whole {
            space
        } else {
            let (known, plain) = (Arc::clone(&index), space.clone());
            space.with_rule(format!("recorded in {name}"), move |design| {
                known.contains_key(&Cube::key(&Cube::new(&plain).point(design)))
            })
        };
        Ok(Recorded {
            name: name.to_owned(),
            space,
            rows: figures,
            designs,
            points,
            index,
            sparse,
            larger_is_better: !roles.minimise,
        })
    }

    /// What errors call the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The designs that a search chooses from.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The figures of all designs.
    pub fn rows(&self) -> &[RecordedRow] {
        &self.rows
    }

    /// The design of a row.
    pub fn design(&self, row: usize) -> &Design {
        &self.designs[row]
    }

    /// Networks, each counted once.
    pub fn networks(&self) -> usize {
        let networks: BTreeSet<usize> = self.rows.iter().map(|row| row.network).collect();
        networks.len()
    }

    /// Whether a suggestion stands for the nearest recorded design, because few designs of the space are recorded.
    pub fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// A figure of the score's or the report's kind, turned so that smaller is better.
    pub fn loss(&self, figure: f64) -> f64 {
        if self.larger_is_better {
            -figure
        } else {
            figure
        }
    }

    /// The row that a suggestion stands for; among those for which `free` holds where few designs are recorded.
    pub(super) fn row_of(
        &self,
        cube: &Cube,
        design: &Design,
        free: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let point = cube.point(design);
        let exact = self.index.get(&Cube::key(&point)).copied();
        if !self.sparse || exact.is_some() {
            return exact;
        }
        let near = (0..self.rows.len()).filter(|&row| free(row));
        near.map(|row| (distance(cube, &point, &self.points[row]), row))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, row)| row)
    }
}

/// The choices in which two points differ; for ordered ones by how far, at most 1.
fn distance(cube: &Cube, a: &[f64], b: &[f64]) -> f64 {
    let differ = |axis: usize| match (a[axis].is_nan(), b[axis].is_nan()) {
        (true, true) => 0.0,
        (false, false) if cube.axes[axis].ordered => (a[axis] - b[axis]).abs(),
        (false, false) => f64::from(u8::from(a[axis] != b[axis])),
        _ => 1.0,
    };
    (0..cube.axes.len()).map(differ).sum()
}

/// The cells with what errors need to say of them.
struct Reader<'a> {
    name: &'a str,
    header: &'a [String],
    rows: &'a [Vec<String>],
}

impl Reader<'_> {
    fn refuse(&self, problem: impl Into<String>, hint: impl Into<String>) -> DesignError {
        DesignError::Recorded {
            table: self.name.to_owned(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    fn column(&self, name: &str, option: &str) -> Result<usize, DesignError> {
        let found = self.header.iter().position(|known| known == name);
        found.ok_or_else(|| {
            self.refuse(
                format!("has no column `{name}`{}", did_you_mean(name, self.header)),
                format!("give `{option}` one of: {}", self.header.join(", ")),
            )
        })
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        self.rows[row].get(column).map_or("", |cell| cell.trim())
    }

    /// The choices, each with the values that occur and the condition under which it is never empty.
    fn choices(&self, roles: &Roles) -> Result<Vec<Choice>, DesignError> {
        if roles.choices.is_empty() {
            return Err(self.refuse("needs choices", "name them with `--choices a,b,c`"));
        }
        let mut columns = Vec::new();
        for (place, name) in roles.choices.iter().enumerate() {
            if roles.choices[..place].contains(name) {
                return Err(self.refuse(
                    format!("column `{name}` is named twice in `--choices`"),
                    "name it once",
                ));
            }
            columns.push(self.column(name, "--choices")?);
        }
        if let Some(stray) = roles
            .unordered
            .iter()
            .find(|name| !roles.choices.contains(name))
        {
            return Err(self.refuse(
                format!("column `{stray}` of `--unordered` is no choice"),
                "name columns of `--choices`",
            ));
        }
        let choices = columns.iter().enumerate().map(|(place, &column)| {
            let name = &self.header[column];
            let when = self.condition(&columns[..place], column);
            let values = self.values(column, when.is_some());
            let numbers = values.iter().all(Value::is_number) && values.len() >= ORDERED_FROM;
            let choice = if numbers && !roles.unordered.contains(name) {
                Choice::ordered(name, values)
            } else {
                Choice::categorical(name, values)
            };
            match when {
                Some((parent, values)) => choice.when(&self.header[parent], values),
                None => choice,
            }
        });
        Ok(choices.collect())
    }

    /// The values of a column, numbers by size, texts by letters; without the empty one when the choice is conditional.
    fn values(&self, column: usize, conditional: bool) -> Vec<Value> {
        let cells = (0..self.rows.len()).map(|row| self.cell(row, column));
        let texts: BTreeSet<&str> = cells
            .filter(|cell| !(conditional && cell.is_empty()))
            .collect();
        let numbers: Option<Vec<f64>> = texts.iter().map(|text| number(text)).collect();
        match numbers {
            Some(mut numbers) => {
                numbers.sort_by(f64::total_cmp);
                numbers.dedup();
                numbers.into_iter().map(json_number).collect()
            }
            None => texts.into_iter().map(Value::from).collect(),
        }
    }

    /// The earlier column, with its values, that tells when a column is not empty.
    fn condition(&self, earlier: &[usize], column: usize) -> Option<(usize, Vec<Value>)> {
        if (0..self.rows.len()).all(|row| !self.cell(row, column).is_empty()) {
            return None;
        }
        earlier.iter().rev().find_map(|&parent| {
            let mut filled: BTreeMap<&str, bool> = BTreeMap::new();
            for row in 0..self.rows.len() {
                let here = !self.cell(row, column).is_empty();
                if *filled.entry(self.cell(row, parent)).or_insert(here) != here {
                    return None;
                }
            }
            // A parent that is itself not active makes its child inactive, too.
            let with: Vec<&str> = filled
                .into_iter()
                .filter(|(_, here)| *here)
                .map(|(v, _)| v)
                .collect();
            let numbers = self.values(parent, true).iter().all(Value::is_number);
            let value = |text: &&str| match number(text) {
                Some(number) if numbers => json_number(number),
                _ => Value::from(*text),
            };
            (!with.is_empty() && !with.contains(&""))
                .then(|| (parent, with.iter().map(value).collect()))
        })
    }

    fn designs(&self, choices: &[Choice]) -> Vec<Design> {
        let columns: Vec<Option<usize>> = choices
            .iter()
            .map(|choice| self.header.iter().position(|name| *name == choice.name))
            .collect();
        let design = |row: usize| {
            let mut design = Design::new();
            for (choice, column) in choices.iter().zip(&columns) {
                let cell = column.map_or("", |column| self.cell(row, column));
                let numbers = match &choice.options {
                    crate::Options::Ordered(values) | crate::Options::Categorical(values) => {
                        values.iter().all(Value::is_number)
                    }
                    _ => false,
                };
                let value = match number(cell) {
                    Some(number) if numbers => json_number(number),
                    _ if cell.is_empty() && choice.when.is_some() => continue,
                    _ => Value::from(cell),
                };
                design = design.with(choice.name.as_str(), value);
            }
            design
        };
        (0..self.rows.len()).map(design).collect()
    }

    fn figures(&self, roles: &Roles) -> Result<Vec<RecordedRow>, DesignError> {
        let named = [
            ("--score", Some(&roles.score)),
            ("--report", roles.report.as_ref()),
            ("--cost", roles.cost.as_ref()),
        ];
        for (option, name) in named {
            if let Some(name) = name.filter(|name| roles.choices.contains(name)) {
                return Err(self.refuse(
                    format!("column `{name}` is a choice and `{option}` at once"),
                    "a design must not hold its own result: leave the column out of `--choices`",
                ));
            }
        }
        let score = self.numbers(&roles.score, "--score")?;
        let report = match &roles.report {
            Some(name) => self.numbers(name, "--report")?,
            None => score.clone(),
        };
        let cost = match &roles.cost {
            Some(name) => self.numbers(name, "--cost")?,
            None => vec![0.0; score.len()],
        };
        let networks = match &roles.network {
            Some(name) => self.networks(self.column(name, "--network")?),
            None => (0..score.len()).collect(),
        };
        let rows = (0..score.len()).map(|row| RecordedRow {
            score: score[row],
            report: report[row],
            cost: cost[row],
            network: networks[row],
        });
        Ok(rows.collect())
    }

    fn networks(&self, column: usize) -> Vec<usize> {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        (0..self.rows.len())
            .map(|row| {
                let next = known.len();
                *known.entry(self.cell(row, column)).or_insert(next)
            })
            .collect()
    }

    fn numbers(&self, name: &str, option: &str) -> Result<Vec<f64>, DesignError> {
        let column = self.column(name, option)?;
        let parsed: Vec<Option<f64>> = (0..self.rows.len())
            .map(|row| number(self.cell(row, column)))
            .collect();
        let wrong = parsed.iter().filter(|number| number.is_none()).count();
        if let Some(first) = parsed.iter().position(Option::is_none) {
            return Err(self.refuse(
                format!(
                    "column `{name}` must hold finite numbers, {wrong} of {} cells do not (first: row {}, `{}`)",
                    parsed.len(),
                    first + 1,
                    self.cell(first, column)
                ),
                format!("leave such rows out, or give `{option}` another column"),
            ));
        }
        Ok(parsed.into_iter().flatten().collect())
    }
}

/// A finite number.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whole numbers without a fraction.
fn json_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
pub(super) mod tests {
    use candor_core::{Hints, Seed};

    use super::*;

    pub(crate) fn roles(choices: &[&str], score: &str) -> Roles {
        Roles {
            choices: choices.iter().map(ToString::to_string).collect(),
            score: score.to_owned(),
            ..Roles::default()
        }
    }

    fn cells(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let mut lines = text
            .lines()
            .map(|line| line.split(',').map(String::from).collect());
        (lines.next().unwrap_or_default(), lines.collect())
    }

    /// 60 designs: a depth only where the kind is `deep`, a width in order.
    pub(crate) fn table() -> Recorded {
        let mut text = String::from("kind,depth,width,val,test,size\n");
        for width in [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096] {
            for (kind, depths) in [("plain", vec![""]), ("deep", vec!["1", "2", "3", "4", "5"])] {
                for depth in depths {
                    let d: f64 = depth.parse().unwrap_or(2.5);
                    let val = 90.0 - (f64::from(width).log2() - 8.0).abs() - (d - 3.0).abs();
                    text += &format!("{kind},{depth},{width},{val},{},{}\n", val + 2.0, width * 3);
                }
            }
        }
        let (header, rows) = cells(&text);
        let roles = Roles {
            report: Some("test".to_owned()),
            cost: Some("size".to_owned()),
            ..roles(&["kind", "depth", "width"], "val")
        };
        Recorded::new("t", &header, &rows, &roles).unwrap()
    }

    #[test]
    fn empty_cells_make_a_choice_conditional_and_numbers_an_order() {
        let table = table();
        let choices = table.space().choices();
        assert_eq!(choices[0], Choice::categorical("kind", ["deep", "plain"]));
        assert_eq!(
            choices[1],
            Choice::ordered("depth", [1, 2, 3, 4, 5]).when("kind", ["deep"])
        );
        assert!(matches!(&choices[2].options, crate::Options::Ordered(v) if v.len() == 10));
        assert_eq!(table.space().size(), Some(60));
        assert!(!table.is_sparse() && table.space().rule().is_none());
        let cube = Cube::new(table.space());
        for row in 0..60 {
            assert_eq!(table.row_of(&cube, table.design(row), |_| true), Some(row));
        }
    }

    #[test]
    fn a_table_with_gaps_yields_only_what_it_holds() {
        let (header, mut rows) = cells("a,b,c,s\n");
        for i in 0..64usize {
            if i % 3 != 0 {
                let cell = |n: usize| ["p", "q", "r", "s"][n % 4].to_owned();
                rows.push(vec![cell(i), cell(i / 4), cell(i / 16), i.to_string()]);
            }
        }
        let table = Recorded::new("t", &header, &rows, &roles(&["a", "b", "c"], "s")).unwrap();
        assert_eq!(table.space().rule(), Some("recorded in t"));
        let cube = Cube::new(table.space());
        let mut rng = Seed(1).stream("test", &[]);
        for _ in 0..100 {
            let design = table.space().sample(&mut rng).unwrap();
            assert!(table.row_of(&cube, &design, |_| true).is_some());
        }
    }

    #[test]
    fn tables_that_cannot_be_searched_are_refused_with_what_where_and_what_to_do() {
        let plain = "a,b,s,t\nx,1,3,9\nx,2,4,8\ny,1,5,7\ny,2,6,6\n";
        let cases: [(&str, Roles, &str, &str); 9] = [
            (
                plain,
                roles(&["a", "c"], "s"),
                "has no column `c`",
                "`--choices` one of: a, b, s, t",
            ),
            (
                plain,
                roles(&["a", "b"], "scor"),
                "has no column `scor`",
                "`--score` one of",
            ),
            (
                plain,
                roles(&["a", "a"], "s"),
                "`a` is named twice",
                "name it once",
            ),
            (plain, roles(&[], "s"), "needs choices", "--choices a,b,c"),
            (
                plain,
                roles(&["a", "b", "s"], "s"),
                "is a choice and `--score` at once",
                "leave the column out",
            ),
            (
                plain,
                roles(&["a"], "s"),
                "rows 1 and 2 hold the same design, `a=x`",
                "average such rows",
            ),
            (
                "a,s\nx,1\ny,n/a\nz,NaN\n",
                roles(&["a"], "s"),
                "column `s` must hold finite numbers, 2 of 3 cells do not (first: row 2, `n/a`)",
                "leave such rows out",
            ),
            (
                "a,s\nx,1\n",
                roles(&["a"], "s"),
                "holds 1 design",
                "at least two rows",
            ),
            (
                "a,s\nx,1\ny\n",
                roles(&["a"], "s"),
                "(first: row 2, ``)",
                "leave such rows out",
            ),
        ];
        for (text, roles, problem, hint) in cases {
            let (header, rows) = cells(text);
            let Err(error) = Recorded::new("t", &header, &rows, &roles) else {
                panic!("`{problem}` was not noticed");
            };
            assert!(
                error.to_string().contains(problem),
                "`{error}` lacks `{problem}`"
            );
            assert!(
                error.hints()[0].contains(hint),
                "`{}` lacks `{hint}`",
                error.hints()[0]
            );
        }
    }
}
