//! House rules that neither rustfmt nor clippy knows.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::workspace::{Workspace, captured};

/// Files larger than this do not belong into the repository.
const LARGEST_BYTES: u64 = 1 << 20;

/// File stems that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

/// First parts of paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["root", "home", "work", "Users"];

/// Beginnings of paths that documents may name only while they exist.
const REPOSITORY_FOLDERS: &[&str] = &["crates/", "xtask/", "docs/", "benches/", ".ci/"];

/// Checks every file that git tracks or would track.
pub fn tidy(workspace: &Workspace) -> Result<(), Failure> {
    let listing = captured({
        let mut git = workspace.program("git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        git
    })?;
    let mut paths: Vec<&str> = listing
        .split('\0')
        .filter(|path| !path.is_empty())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let mut complaints = Vec::new();
    for path in &paths {
        complaints.extend(file(workspace.root(), path)?);
    }
    if complaints.is_empty() {
        println!("{} files", paths.len());
        return Ok(());
    }
    Err(Failure::new(
        complaints.join("\n"),
        "change the files named above, then `cargo xtask validate tidy`",
    ))
}

fn file(root: &Path, path: &str) -> Result<Vec<String>, Failure> {
    let full = root.join(path);
    // A deleted file stays in the index until the deletion is committed.
    let Ok(metadata) = fs::symlink_metadata(&full) else {
        return Ok(Vec::new());
    };
    let mut complaints: Vec<String> = name_complaint(path).into_iter().collect();
    if metadata.len() > LARGEST_BYTES {
        complaints.push(format!(
            "{path}: {} bytes, more than {LARGEST_BYTES}",
            metadata.len()
        ));
    } else if metadata.is_file() {
        let bytes = fs::read(&full).map_err(|error| Failure::file(&full, &error))?;
        // What is not UTF-8 is data.
        if let Ok(text) = String::from_utf8(bytes) {
            complaints.extend(text_complaints(path, &text));
            if path.ends_with(".md") {
                complaints.extend(lost_paths(root, path, &text));
            }
        }
    }
    Ok(complaints)
}

fn name_complaint(path: &str) -> Option<String> {
    let stem = Path::new(path).file_stem()?.to_str()?;
    EMPTY_NAMES
        .contains(&stem)
        .then(|| format!("{path}: name it after what is in it, not `{stem}`"))
}

fn text_complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints: Vec<String> = text
        .lines()
        .enumerate()
        .filter_map(|(i, line)| Some((i + 1, machine_path(line)?)))
        .map(|(number, found)| format!("{path}:{number}: `{found}` is a path of one machine"))
        .collect();
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "Cargo.toml" && text.lines().any(|line| line.trim() == "[package]") {
        complaints.extend(manifest_complaints(path, text));
    }
    if name.ends_with(".rs") {
        complaints.extend(documentation_complaint(path, text));
        complaints.extend(unsafe_complaint(path, text));
    }
    complaints
}

/// The one folder whose sources may hold unsafe code.
const UNSAFE_FOLDER: &str = "crates/kernels/";

fn unsafe_complaint(path: &str, text: &str) -> Option<String> {
    // Put together, so that this file does not hold it.
    let lifted = concat!("unsafe", "_code");
    (!path.starts_with(UNSAFE_FOLDER) && text.contains(lifted))
        .then(|| format!("{path}: unsafe code belongs into `{UNSAFE_FOLDER}`"))
}

/// Paths of the repository, in code marks, that a document names and that do not exist.
fn lost_paths(root: &Path, path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (i, line) in text.lines().enumerate() {
        // Every second piece lies between two marks.
        for code in line.split('`').skip(1).step_by(2) {
            let names_a_path = REPOSITORY_FOLDERS.iter().any(|f| code.starts_with(f));
            if names_a_path && !code.contains(' ') && !root.join(code).exists() {
                complaints.push(format!("{path}:{}: there is no `{code}`", i + 1));
            }
        }
    }
    complaints
}

/// A path that begins with one of [`MACHINE_FOLDERS`].
fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().find_map(|folder| {
        let start = format!("/{folder}");
        line.match_indices(&start).find_map(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + start.len()..].chars().next();
            // `a/home` and `https://host/home` go on from something; `/homes` is another word.
            let inside = before.is_some_and(|c| c.is_alphanumeric() || "/._-}>~*".contains(c));
            let longer = after.is_some_and(|c| c.is_alphanumeric() || "._-".contains(c));
            (!inside && !longer).then(|| start.clone())
        })
    })
}

fn manifest_complaints(path: &str, text: &str) -> Vec<String> {
    let mut section = "";
    let (mut lints, mut licence) = (false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let line = line.replace(' ', "");
        lints |= section == "[lints]" && line == "workspace=true";
        licence |= section == "[package]" && line == "license.workspace=true";
    }
    let wanted = [
        (lints, "`[lints]` with `workspace = true`"),
        (licence, "`license.workspace = true`"),
    ];
    wanted
        .into_iter()
        .filter(|(found, _)| !found)
        .map(|(_, wanted)| format!("{path}: lacks {wanted}"))
        .collect()
}

/// The root of a crate says what the crate is; any other file has at least one documented item.
fn documentation_complaint(path: &str, text: &str) -> Option<String> {
    let has = |mark: &str| text.lines().any(|line| line.trim_start().starts_with(mark));
    let root = ["src/lib.rs", "src/main.rs"]
        .iter()
        .any(|end| path.ends_with(end));
    if root && !has("//!") {
        return Some(format!(
            "{path}: says not in a `//!` comment what the crate is"
        ));
    }
    (!has("//!") && !has("///")).then(|| format!("{path}: has no documentation comment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path of one machine, put together so that this file holds none.
    fn machine(folder: &str, rest: &str) -> String {
        format!("/{folder}{rest}")
    }

    #[test]
    fn paths_of_one_machine_are_found_where_a_path_begins() {
        let found = [
            machine("root", "/x"),
            format!("cd {}", machine("work", "")),
            format!("\"{}\"", machine("home", "/me")),
            format!("P={}", machine("Users", "/me/x")),
        ];
        for line in &found {
            assert!(machine_path(line).is_some(), "{line}");
        }
        let passed = [
            format!("a{}", machine("work", "/x")),
            format!("https://example.org{}", machine("home", "/x")),
            machine("homes", "/x"),
            machine("workspace", ""),
            format!("..{}", machine("root", "")),
            format!("{{target}}{}", machine("work", "")),
        ];
        for line in &passed {
            assert_eq!(machine_path(line), None, "{line}");
        }
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        let named = |stem: &str| name_complaint(&format!("crates/a/src/{stem}.rs"));
        assert!(named("utils").is_some() && named("common").is_some());
        assert!(named("common_words").is_none() && named("conformal").is_none());
    }

    #[test]
    fn a_crate_inherits_lints_and_licence() {
        let good =
            "[package]\nname = \"a\"\nlicense.workspace = true\n\n[lints]\nworkspace = true\n";
        assert_eq!(text_complaints("a/Cargo.toml", good), Vec::<String>::new());
        // `workspace = true` counts in its own section only.
        let bad = "[package]\nname = \"a\"\n\n[lints]\n\n[dependencies.b]\nworkspace = true\n";
        assert_eq!(text_complaints("a/Cargo.toml", bad).len(), 2);
        // A workspace manifest without a package has no lints of its own.
        assert!(text_complaints("Cargo.toml", "[workspace]\nmembers = []\n").is_empty());
    }

    #[test]
    fn code_without_the_usual_checks_stays_in_its_folder() {
        let text = concat!("#![allow(unsafe", "_code)]");
        assert!(unsafe_complaint("crates/nn/src/lib.rs", text).is_some());
        assert!(unsafe_complaint("crates/kernels/src/lib.rs", text).is_none());
        assert!(unsafe_complaint("crates/nn/src/lib.rs", "unsafe").is_none());
    }

    #[test]
    fn sources_are_documented() {
        let complains = |path, text| documentation_complaint(path, text).is_some();
        assert!(complains(
            "crates/a/src/lib.rs",
            "/// Item.\npub struct A;\n"
        ));
        assert!(!complains("crates/a/src/lib.rs", "//! A crate.\n"));
        assert!(complains(
            "crates/a/src/conformal.rs",
            "pub struct A; // no\n"
        ));
        assert!(!complains(
            "crates/a/src/conformal.rs",
            "mod b {\n    /// Item.\n    pub struct A;\n}\n"
        ));
    }

    #[test]
    fn documents_name_paths_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = "`xtask/src/tidy.rs`, xtask/none\nand `xtask/src/none.rs` (`docs/ x`, `a/b`)\n";
        assert_eq!(
            lost_paths(&root, "A.md", text),
            ["A.md:2: there is no `xtask/src/none.rs`"]
        );
    }

    #[test]
    fn large_files_are_refused_and_deleted_ones_are_not_missed() {
        let folder = crate::temporary::TemporaryFolder::new("tidy-test").unwrap();
        let large = fs::File::create(folder.path().join("large.bin")).unwrap();
        large.set_len(LARGEST_BYTES + 1).unwrap();
        fs::write(folder.path().join("data.bin"), [0xff, 0x00]).unwrap();
        assert_eq!(file(folder.path(), "large.bin").unwrap().len(), 1);
        assert_eq!(
            file(folder.path(), "data.bin").unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(
            file(folder.path(), "deleted.rs").unwrap(),
            Vec::<String>::new()
        );
    }
}
