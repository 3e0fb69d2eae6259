//! What dependencies cost, read from the page that `cargo build --timings` writes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;
use crate::workspace::{Workspace, shown};

const SHOWN: usize = 10;

/// A package and the seconds spent on it: its library, build script and binaries together.
type Cost = (String, f64);

/// What a build cost.
#[derive(Debug, PartialEq)]
struct Costs {
    /// Dearest first; equal ones by name.
    packages: Vec<Cost>,
    /// Sum over packages.
    work_s: f64,
    /// From the first start to the last end.
    wall_s: f64,
}

/// Builds the binary from nothing, in a target directory of its own, and prints what it cost.
pub fn of_a_clean_build(workspace: &Workspace) -> Result<(), Failure> {
    let target = workspace.target()?.join("deps");
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(|error| Failure::file(&target, &error))?;
    }
    let mut build = workspace.cargo(["build", "--release", "--package", "candor-cli", "--timings"]);
    build.arg("--target-dir").arg(&target);
    shown(build)?;
    of_page(&target.join("cargo-timings").join("cargo-timing.html"))
}

/// Prints what the build behind a `--timings` page cost.
pub fn of_page(page: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(page).map_err(|error| Failure::file(page, &error))?;
    let costs = costs(&text).ok_or_else(|| {
        Failure::new(
            format!("`{}` holds no list of compiled units", page.display()),
            "give a page written by `cargo build --timings`, or none to build afresh",
        )
    })?;
    println!(
        "{:.0} s from start to end, {:.0} s of work on {} packages\n",
        costs.wall_s,
        costs.work_s,
        costs.packages.len()
    );
    println!("{:>7}  {:>5}  package", "seconds", "share");
    for (package, seconds) in costs.packages.iter().take(SHOWN) {
        let share = 100.0 * seconds / costs.work_s;
        println!("{seconds:>7.1}  {share:>4.1}%  {package}");
    }
    Ok(())
}

fn costs(page: &str) -> Option<Costs> {
    let (_, data) = page.split_once("UNIT_DATA = ")?;
    let units = serde_json::Deserializer::from_str(data)
        .into_iter::<Value>()
        .next()?
        .ok()?;
    let mut packages: BTreeMap<String, f64> = BTreeMap::new();
    let (mut first, mut last) = (f64::INFINITY, 0.0f64);
    for unit in units.as_array()? {
        let name = format!("{} {}", unit["name"].as_str()?, unit["version"].as_str()?);
        let (start, duration) = (unit["start"].as_f64()?, unit["duration"].as_f64()?);
        first = first.min(start);
        last = last.max(start + duration);
        *packages.entry(name).or_default() += duration;
    }
    let work_s = packages.values().sum();
    let mut packages: Vec<Cost> = packages.into_iter().collect();
    packages.sort_by(|a, b| b.1.total_cmp(&a.1));
    (!packages.is_empty()).then_some(Costs {
        packages,
        work_s,
        wall_s: last - first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<script>
const UNIT_DATA = [
  {"i": 0, "name": "a", "version": "1.0.0", "target": "", "start": 0.5, "duration": 1.0},
  {"i": 1, "name": "b", "version": "2.0.0", "target": "", "start": 0.5, "duration": 4.0},
  {"i": 2, "name": "a", "version": "1.0.0", "target": " build script", "start": 1.5, "duration": 5.0}
];
const CONCURRENCY_DATA = [];
</script>"#;

    #[test]
    fn units_of_one_package_are_added() {
        let costs = costs(PAGE).unwrap();
        assert_eq!(
            costs,
            Costs {
                packages: vec![("a 1.0.0".to_string(), 6.0), ("b 2.0.0".to_string(), 4.0)],
                work_s: 10.0,
                wall_s: 6.0,
            }
        );
    }

    #[test]
    fn pages_without_units_are_refused() {
        for page in [
            "",
            "UNIT_DATA = [];",
            "UNIT_DATA = [{\"name\": 1}];",
            "UNIT_DATA = [",
        ] {
            assert_eq!(costs(page), None, "{page:?}");
        }
    }
}
