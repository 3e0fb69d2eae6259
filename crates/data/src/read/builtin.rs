//! Data sets that are part of the program.
//!
//! | name | rows x features | target | source and licence |
//! | --- | --- | --- | --- |
//! | `iris` | 150 x 4 | `species`, 3 classes | R. A. Fisher (1936), UCI Machine Learning Repository, CC BY 4.0 |
//! | `digits` | 1797 x 64 | `digit`, 10 classes | E. Alpaydin, C. Kaynak (1998), test part of *Optical Recognition of Handwritten Digits*, UCI, CC BY 4.0 |
//! | `breast-cancer` | 569 x 30 | `diagnosis`, 2 classes | W. Wolberg, O. Mangasarian, N. Street, W. Street (1993), *Breast Cancer Wisconsin (Diagnostic)*, UCI, CC BY 4.0 |
//! | `diabetes` | 442 x 10 | `progression` | B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, *Least Angle Regression*, Annals of Statistics 32 (2004); no licence stated |
//! | `boston` | 506 x 13 | `MEDV` | D. Harrison, D. Rubinfeld, *Hedonic housing prices and the demand for clean air* (1978), StatLib; no licence stated |
//!
//! The numbers are those of crate `smartcore` (Apache-2.0), which holds them in 32 bits, row by row.

use smartcore::dataset::{Dataset, boston, breast_cancer, diabetes, digits, iris};

use super::fingerprint::fingerprint_bytes;
use super::text_column::TextColumn;
use crate::DataError;
use crate::source::{Read, ReadOptions, SourceFacts};
use crate::table::{Column, Table, Values, choose_columns};

/// The names as written after `@`.
pub(crate) const NAMES: [&str; 5] = ["iris", "digits", "breast-cancer", "diabetes", "boston"];

const IRIS_FEATURES: [&str; 4] = [
    "sepal length (cm)",
    "sepal width (cm)",
    "petal length (cm)",
    "petal width (cm)",
];
const IRIS_CLASSES: [&str; 3] = ["setosa", "versicolor", "virginica"];
/// The set codes malignant as 0 and benign as 1.
const CANCER_CLASSES: [&str; 2] = ["malignant", "benign"];
const CANCER_MEASURES: [&str; 10] = [
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
];
const DIABETES_FEATURES: [&str; 10] = [
    "age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6",
];
const BOSTON_FEATURES: [&str; 13] = [
    "CRIM", "ZN", "INDUS", "CHAS", "NOX", "RM", "AGE", "DIS", "RAD", "TAX", "PTRATIO", "B", "LSTAT",
];
const BOSTON_CAVEAT: &str = "column `B` of this set was built from the share of Black residents on the assumption that segregation raises prices, and the original could not be reproduced; use the set to compare methods, not to study housing";

/// Reads a built-in set. The class of a row is a word where the classes have names.
pub(crate) fn read(name: &str, options: &ReadOptions) -> Result<Read, DataError> {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    match name {
        "iris" => {
            let set = iris::load_dataset();
            let labels = words(set.target.iter().map(|&c| c as usize), &IRIS_CLASSES);
            assemble(&set, owned(&IRIS_FEATURES), "species", labels, options)
        }
        "digits" => {
            let set = digits::load_dataset();
            let labels = Values::Numeric(set.target.iter().copied().map(decimal).collect());
            assemble(&set, digit_features(), "digit", labels, options)
        }
        "breast-cancer" => {
            let set = breast_cancer::load_dataset();
            let labels = words(set.target.iter().map(|&c| c as usize), &CANCER_CLASSES);
            assemble(&set, cancer_features(), "diagnosis", labels, options)
        }
        "diabetes" => {
            let set = diabetes::load_dataset();
            let values = Values::Numeric(set.target.iter().map(|&v| f64::from(v)).collect());
            let mut read = assemble(
                &set,
                owned(&DIABETES_FEATURES),
                "progression",
                values,
                options,
            )?;
            read.facts.notes.push(
                "the features of this set were centred and scaled by those who published it"
                    .to_owned(),
            );
            Ok(read)
        }
        "boston" => {
            let set = boston::load_dataset();
            let values = Values::Numeric(set.target.iter().copied().map(decimal).collect());
            let mut read = assemble(&set, owned(&BOSTON_FEATURES), "MEDV", values, options)?;
            read.facts.notes.push(BOSTON_CAVEAT.to_owned());
            Ok(read)
        }
        unknown => Err(DataError::UnknownBuiltin {
            name: unknown.to_owned(),
            suggestion: candor_core::did_you_mean(unknown, &NAMES),
        }),
    }
}

fn assemble<Y>(
    set: &Dataset<f32, Y>,
    features: Vec<String>,
    target: &str,
    labels: Values,
    options: &ReadOptions,
) -> Result<Read, DataError> {
    let width = set.num_features;
    let feature = |(at, name): (usize, String)| Column {
        name,
        values: Values::Numeric(
            set.data
                .iter()
                .skip(at)
                .step_by(width)
                .copied()
                .map(decimal)
                .collect(),
        ),
    };
    let mut columns: Vec<Column> = features.into_iter().enumerate().map(feature).collect();
    columns.push(Column {
        name: target.to_owned(),
        values: labels,
    });
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let chosen = choose_columns(&names, options.columns.as_deref())?;
    let kept = chosen.iter().map(|&at| columns[at].clone()).collect();
    let stored: Vec<u8> = set.data.iter().flat_map(|v| v.to_le_bytes()).collect();
    let (bytes, sha256) = fingerprint_bytes(&stored);
    Ok(Read {
        table: Table { columns: kept },
        facts: SourceFacts {
            format: "built-in".to_owned(),
            source_rows: set.num_samples,
            bytes,
            sha256,
            default_target: Some(target.to_owned()),
            ..SourceFacts::default()
        },
    })
}

/// The decimal number that was rounded to 32 bits: 5.1, not 5.099999904632568.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn words(codes: impl Iterator<Item = usize>, classes: &[&str]) -> Values {
    let mut column = TextColumn::default();
    for code in codes {
        column.push(classes.get(code).copied());
    }
    column.finish()
}

fn digit_features() -> Vec<String> {
    (0..64)
        .map(|i| format!("pixel_{}_{}", i / 8, i % 8))
        .collect()
}

fn cancer_features() -> Vec<String> {
    let mean = CANCER_MEASURES.iter().map(|m| format!("mean {m}"));
    let error = CANCER_MEASURES.iter().map(|m| format!("{m} error"));
    let worst = CANCER_MEASURES.iter().map(|m| format!("worst {m}"));
    mean.chain(error).chain(worst).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, read_table};

    fn load(name: &str) -> Read {
        read_table(&Source::Builtin(name.to_owned()), &ReadOptions::default()).unwrap()
    }

    /// First row and target as published, and the number of rows of one class (or with one value).
    #[test]
    fn the_sets_are_those_that_were_published() {
        // name, rows, columns, (column, first value), first target, count of it
        let cases = [
            ("iris", 150, 5, ("petal length (cm)", "1.4"), "setosa", 50),
            ("digits", 1797, 65, ("pixel_0_2", "5"), "0", 178),
            (
                "breast-cancer",
                569,
                31,
                ("worst radius", "25.38"),
                "malignant",
                212,
            ),
            ("diabetes", 442, 11, ("bmi", "0.061696205"), "151", 3),
            ("boston", 506, 14, ("CRIM", "0.00632"), "24", 1),
        ];
        for (name, rows, columns, (column, first), target, count) in cases {
            let read = load(name);
            assert_eq!(
                (read.facts.rows, read.facts.columns),
                (rows, columns),
                "{name}"
            );
            assert_eq!(
                read.table.column(column).unwrap().values.text(0).unwrap(),
                first,
                "{name}"
            );
            let labels = read.facts.default_target.as_ref().unwrap();
            let labels = &read.table.column(labels).unwrap().values;
            assert_eq!(labels.text(0).unwrap(), target, "{name}");
            let same = (0..rows)
                .filter(|&r| labels.text(r).as_deref() == Some(target))
                .count();
            if count > 1 {
                assert_eq!(same, count, "{name}");
            }
        }
    }

    #[test]
    fn the_caveat_of_boston_is_said() {
        assert!(load("boston").facts.notes[0].contains("Black residents"));
    }
}
