//! The licences of everything that is compiled into the workspace.
//!
//! The list comes from `cargo tree`, not from `cargo metadata`: the latter also names packages
//! behind features that nobody turned on.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::spdx;
use crate::workspace::{Workspace, captured};

/// Licences that a dependency may have, each with the reason why it goes with `MIT OR Apache-2.0`.
const ALLOWED: &[(&str, &str)] = &[
    ("MIT", "our own"),
    ("Apache-2.0", "our own"),
    (
        "Apache-2.0 WITH LLVM-exception",
        "Apache-2.0 that asks for less of binaries",
    ),
    ("BSD-2-Clause", "permissive: keep the notice"),
    (
        "BSD-3-Clause",
        "permissive: keep the notice, no endorsement",
    ),
    ("ISC", "permissive: keep the notice"),
    ("Zlib", "permissive: no notice needed in binaries"),
    ("0BSD", "permissive without conditions"),
    ("Unlicense", "public domain"),
    ("BSL-1.0", "permissive: no notice needed in binaries"),
    ("Unicode-3.0", "permissive: Unicode's tables"),
    (
        "MPL-2.0",
        "copyleft by file: we change none of its files, and link to the source",
    ),
];

/// Refuses a dependency whose licence is not on the list.
pub fn audit(workspace: &Workspace) -> Result<(), Failure> {
    let tree = captured(workspace.cargo([
        "tree",
        "--workspace",
        "--locked",
        "--edges=normal,build,dev",
        "--prefix=none",
        "--format={p}\t{l}",
    ]))?;
    let packages = parse(&tree);
    let refusals: Vec<String> = packages
        .iter()
        .filter_map(|(package, licence)| refusal(package, licence))
        .collect();
    if refusals.is_empty() {
        println!(
            "{} packages, all under licences on the list",
            packages.len()
        );
        return Ok(());
    }
    Err(Failure::new(
        refusals.join("\n"),
        "choose another dependency, or add the licence with its reason to xtask/src/licences.rs",
    ))
}

/// Package (name and version) to licence expression.
fn parse(tree: &str) -> BTreeMap<String, String> {
    tree.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(package, licence)| {
            // `name v1.2.3 (proc-macro)` or `name v1.2.3 (path)`: the first two words say enough.
            let package = package.split(' ').take(2).collect::<Vec<_>>().join(" ");
            // `(*)` marks a package that was listed before.
            let licence = licence.trim_end_matches("(*)").trim_end();
            (package, licence.to_string())
        })
        .collect()
}

fn refusal(package: &str, licence: &str) -> Option<String> {
    let allowed = |name: &str| ALLOWED.iter().any(|(known, _)| *known == name);
    spdx::refused(licence, &allowed)
        .map(|refused| format!("`{package}` is under `{licence}`: {refused} is not on the list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_packages_are_one_and_their_marks_are_no_part_of_the_licence() {
        let tree = "a v1.0.0 (proc-macro)\tMIT\na v1.0.0 (proc-macro)\tMIT (*)\nb v2.0.0\t\n";
        let packages = parse(tree);
        assert_eq!(packages.len(), 2);
        assert_eq!(packages["a v1.0.0"], "MIT");
        assert_eq!(packages["b v2.0.0"], "");
    }

    #[test]
    fn only_listed_licences_pass() {
        assert_eq!(refusal("a v1.0.0", "MIT OR GPL-3.0"), None);
        assert_eq!(
            refusal("a v1.0.0", "GPL-3.0").as_deref(),
            Some("`a v1.0.0` is under `GPL-3.0`: GPL-3.0 is not on the list")
        );
        assert!(refusal("a v1.0.0", "").is_some());
    }
}
