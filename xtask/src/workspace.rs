use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::failure::Failure;

/// The checkout that the commands work on.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that this program was built from.
    pub fn here() -> Result<Workspace, Failure> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        match manifest.parent() {
            Some(root) => Ok(Workspace {
                root: root.to_path_buf(),
            }),
            None => Err(Failure::new(
                "the workspace was not found",
                "run `cargo xtask` inside the checkout",
            )),
        }
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program that will run in the root.
    pub fn program(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs this program.
    pub fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = self.program(cargo);
        command.args(arguments);
        command
    }

    /// What cargo knows of the members, without their dependencies.
    fn metadata(&self) -> Result<serde_json::Value, Failure> {
        let command = self.cargo(["metadata", "--no-deps", "--format-version=1"]);
        let line = line(&command);
        serde_json::from_str(&captured(command)?)
            .map_err(|error| Failure::new(format!("`{line}` printed no JSON: {error}"), line))
    }

    /// Where cargo puts what it builds, whatever setting says so.
    pub fn target(&self) -> Result<PathBuf, Failure> {
        match self.metadata()?["target_directory"].as_str() {
            Some(target) => Ok(target.into()),
            None => Err(Failure::new(
                "`cargo metadata` names no target directory",
                "cargo metadata --no-deps",
            )),
        }
    }

    /// Whether a package of this name is a member.
    pub fn has(&self, package: &str) -> Result<bool, Failure> {
        let metadata = self.metadata()?;
        let mut packages = metadata["packages"].as_array().into_iter().flatten();
        Ok(packages.any(|member| member["name"] == package))
    }

    /// The release binary, built first where it is out of date.
    pub fn binary(&self) -> Result<PathBuf, Failure> {
        shown(self.cargo(["build", "--release", "--package", "candor-cli"]))?;
        Ok(self.built_binary(&self.target()?))
    }

    /// Where the release binary lies in a target directory.
    pub fn built_binary(&self, target: &Path) -> PathBuf {
        let name = format!("candor{}", std::env::consts::EXE_SUFFIX);
        target.join("release").join(name)
    }
}

/// Runs a program whose output goes to the terminal; its own command line is the repair.
pub fn shown(mut command: Command) -> Result<(), Failure> {
    let line = line(&command);
    let status = command.status().map_err(|error| missing(&line, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`{line}` ended with {status}"), line))
    }
}

/// Runs a program and returns its standard output.
pub fn captured(mut command: Command) -> Result<String, Failure> {
    let line = line(&command);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().map_err(|error| missing(&line, &error))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    Err(Failure::new(
        format!("`{line}` ended with {status}\n{}", said.trim_end()),
        line,
    ))
}

/// Whether a program runs and is content.
pub fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command line as a person would type it, environment first.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_stem().unwrap_or(program.as_os_str());
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_string_lossy(), value?.to_string_lossy())))
        .map(|(name, value)| format!("{name}={}", quoted(&value)));
    let words = std::iter::once(program)
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains(|c: char| c.is_whitespace() || "{}|;&'".contains(c)) {
        format!("\"{word}\"")
    } else {
        word.to_string()
    }
}

fn missing(line: &str, error: &std::io::Error) -> Failure {
    let program = line.split(' ').next().unwrap_or(line);
    Failure::new(
        format!("`{line}` did not start: {error}"),
        format!("install `{program}` and have it on PATH"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted() {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            line(&command),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps"
        );
    }

    #[test]
    fn a_failed_program_is_its_own_repair() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        let failure = shown(command).unwrap_err();
        assert_eq!(failure.repair, "sh -c \"exit 3\"");
        assert!(failure.what.contains('3'), "{}", failure.what);
    }

    #[test]
    fn members_are_known_by_name() {
        let workspace = Workspace::here().unwrap();
        assert!(workspace.has("xtask").unwrap());
        assert!(!workspace.has("xtas").unwrap());
    }

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        let workspace = Workspace::here().unwrap();
        let manifest = std::fs::read_to_string(workspace.root().join("Cargo.toml")).unwrap();
        assert!(manifest.starts_with("[workspace]"));
    }
}
