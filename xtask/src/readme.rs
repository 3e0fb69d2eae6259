//! README's commands, held to what the binary does.
//!
//! Examples are the lines behind `$` in `console` blocks, and the rows of a table that begin with
//! `candor` as code. Each `candor VERB --flag` must be in that verb's help, each `cargo xtask` command
//! must exist. A block marked `console check` is also run, in an empty folder; the lines shown under a
//! command must appear in its output in that order, `...` standing for anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::temporary::TemporaryFolder;
use crate::workspace::Workspace;

const XTASK_COMMANDS: &[&str] = &["validate", "size", "deps"];
const REPAIR: &str = "change README.md or the program, then `cargo xtask validate readme`";

/// A command, and what the page says it prints.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    line: usize,
    command: String,
    expected: Vec<String>,
    run: bool,
}

impl Example {
    fn new(line: usize, command: &str, run: bool) -> Example {
        Example {
            line,
            command: command.to_string(),
            expected: Vec::new(),
            run,
        }
    }
}

/// Checks every example of README.md against the release binary.
pub fn check(workspace: &Workspace) -> Result<(), Failure> {
    if !workspace.has("candor-cli")? {
        println!("skipped: `candor-cli` is no member of the workspace yet");
        return Ok(());
    }
    let page = workspace.root().join("README.md");
    let text = std::fs::read_to_string(&page).map_err(|error| Failure::file(&page, &error))?;
    let binary = workspace.built_binary(&workspace.target()?);
    if !binary.is_file() {
        return Err(Failure::new(
            format!("there is no `{}`", binary.display()),
            "cargo build --release --package candor-cli",
        ));
    }
    let folder = TemporaryFolder::new("readme")?;
    let mut helps = BTreeMap::new();
    let examples = examples(&text);
    for example in &examples {
        known(example, &binary, &mut helps)
            .and_then(|()| {
                if example.run {
                    perform(example, &binary, folder.path())
                } else {
                    Ok(())
                }
            })
            .map_err(|what| Failure::new(format!("README.md:{}: {what}", example.line), REPAIR))?;
    }
    let run = examples.iter().filter(|example| example.run).count();
    println!("{} commands, {run} of them run", examples.len());
    Ok(())
}

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    // `Some(run)` inside a console block.
    let mut block = None;
    for (i, line) in text.lines().enumerate() {
        if let Some(information) = line.strip_prefix("```") {
            let mut words = information.split_whitespace();
            block = match (block, words.next()) {
                (None, Some("console")) => Some(words.any(|word| word == "check")),
                _ => None,
            };
        } else if let Some(run) = block {
            match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push(Example::new(i + 1, command, run)),
                (None, Some(example)) if !line.trim().is_empty() => {
                    example.expected.push(line.trim().to_string());
                }
                _ => {}
            }
        } else if let Some(command) = table_command(line) {
            examples.push(Example::new(i + 1, command, false));
        }
    }
    examples
}

/// The command in a table's row "| `candor fit SOURCE` | ... |".
fn table_command(line: &str) -> Option<&str> {
    let (command, _) = line.strip_prefix("| `")?.split_once('`')?;
    command.starts_with("candor ").then_some(command)
}

/// Whether the verbs and flags of a command exist.
fn known(
    example: &Example,
    binary: &Path,
    helps: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    for part in example.command.split(['|', '&', ';', '>']) {
        let words: Vec<&str> = part.split_whitespace().collect();
        if let ["cargo", "xtask", command, ..] = words[..]
            && !XTASK_COMMANDS.contains(&command)
        {
            return Err(format!("`cargo xtask {command}` does not exist"));
        }
        let Some((verb, flags)) = candor_call(&words) else {
            continue;
        };
        if !helps.contains_key(verb) {
            helps.insert(verb.to_string(), help(binary, verb)?);
        }
        let help = &helps[verb];
        if let Some(flag) = flags.iter().find(|flag| !mentions(help, flag)) {
            return Err(format!("`candor {verb}` has no `{flag}`"));
        }
    }
    Ok(())
}

/// The verb and the long flags of a call of the binary, also through `cargo run`. The verb may be a
/// flag, as in `candor --version`.
fn candor_call<'a>(words: &[&'a str]) -> Option<(&'a str, Vec<&'a str>)> {
    let rest = match words {
        ["candor", rest @ ..] => rest,
        ["cargo", "run", rest @ ..] if rest.contains(&"candor-cli") => {
            let dashes = rest.iter().position(|word| *word == "--")?;
            &rest[dashes + 1..]
        }
        _ => return None,
    };
    let (verb, rest) = rest.split_first()?;
    let flags = rest
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap_or(word));
    Some((verb, flags.collect()))
}

fn help(binary: &Path, verb: &str) -> Result<String, String> {
    let output = Command::new(binary)
        .args([verb, "--help"])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!(
            "`candor {verb} --help` ended with {}",
            output.status
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a help text has exactly this flag, not only a longer one.
fn mentions(help: &str, flag: &str) -> bool {
    help.match_indices(flag).any(|(at, _)| {
        let after = help[at + flag.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '-')
    })
}

/// Runs a command and compares what it prints. Status 1 is an answer ("no"), not a fault.
fn perform(example: &Example, binary: &Path, folder: &Path) -> Result<(), String> {
    let mut paths: Vec<_> = binary.parent().map(Path::to_path_buf).into_iter().collect();
    paths.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let paths = std::env::join_paths(paths).map_err(|error| error.to_string())?;
    println!("$ {}", example.command);
    let output = Command::new("sh")
        .args(["-c", &example.command])
        .current_dir(folder)
        .env("PATH", paths)
        .output()
        .map_err(|error| error.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!(
            "`{}` ended with {}\n{text}",
            example.command, output.status
        ));
    }
    match missing(&example.expected, &text) {
        None => Ok(()),
        Some(line) => Err(format!(
            "`{}` does not print `{line}`, but\n{text}",
            example.command
        )),
    }
}

/// The first expected line that is not found after the one before it.
fn missing<'a>(expected: &'a [String], text: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    let absent = |wanted: &&String| !lines.any(|line| matches(wanted, line.trim()));
    expected.iter().find(absent).map(String::as_str)
}

/// Whether a line is as the pattern says, `...` standing for any text.
fn matches(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once("...") else {
        return pattern == line;
    };
    let Some(mut line) = line.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split("...").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match line.find(piece) {
            Some(at) => line = &line[at + piece.len()..],
            None => return false,
        }
    }
    line.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_blocks_and_tables_hold_examples() {
        let text = "\
```rust
$ no
```
```console
$ candor fit a.csv
done
```
$ no
```console check
$ candor datasets

@iris
...
$ candor runs
```
| `candor check SOURCE` | says what the data are |
| `candor-core` | `candor nothing` |
";
        let found = examples(text);
        let summary: Vec<_> = found
            .iter()
            .map(|e| (e.line, e.command.as_str(), e.expected.len(), e.run))
            .collect();
        assert_eq!(
            summary,
            [
                (5, "candor fit a.csv", 1, false),
                (10, "candor datasets", 2, true),
                (14, "candor runs", 0, true),
                (16, "candor check SOURCE", 0, false),
            ]
        );
    }

    #[test]
    fn calls_of_the_binary_are_recognised() {
        let call = |text: &'static str| {
            candor_call(&text.split_whitespace().collect::<Vec<_>>())
                .map(|(verb, flags)| format!("{verb} {}", flags.join(" ")))
        };
        assert_eq!(
            call("candor fit a.csv --time 5s --set=x=1").as_deref(),
            Some("fit --time --set")
        );
        assert_eq!(
            call("cargo run --release -p candor-cli -- fit @iris --out x").as_deref(),
            Some("fit --out")
        );
        assert_eq!(call("cargo xtask validate"), None);
        assert_eq!(call("ls candor"), None);
    }

    #[cfg(unix)]
    #[test]
    fn verbs_and_flags_are_held_against_the_help() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TemporaryFolder::new("readme-help").unwrap();
        let binary = folder.path().join("candor");
        let script = "#!/bin/sh\n[ \"$1\" = fit ] && echo ' --out <DIR>' || exit 2\n";
        std::fs::write(&binary, script).unwrap();
        std::fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).unwrap();
        let known = |command| {
            known(
                &Example::new(1, command, false),
                &binary,
                &mut BTreeMap::new(),
            )
        };
        assert_eq!(
            known("candor fit a.csv --out x && cargo xtask size"),
            Ok(())
        );
        for (command, problem) in [
            (
                "candor fit a.csv --output x",
                "`candor fit` has no `--output`",
            ),
            ("candor fly SOURCE", "`candor fly --help` ended with"),
            ("cargo xtask fly", "`cargo xtask fly` does not exist"),
        ] {
            assert!(known(command).unwrap_err().contains(problem), "{command}");
        }
    }

    #[test]
    fn a_longer_flag_is_not_the_flag() {
        assert!(mentions("  --time <DURATION>", "--time"));
        assert!(!mentions("  --time-column <NAME>", "--time"));
        assert!(mentions("--time-column, --time", "--time"));
    }

    #[test]
    fn expected_lines_come_in_order_with_gaps() {
        let lines = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
        let output = "reading\nscore 0.93 of 1\ndone in 3 s\n";
        assert_eq!(missing(&lines("reading\ndone in ... s"), output), None);
        assert_eq!(missing(&lines("score ... of ...\ndone ..."), output), None);
        assert_eq!(
            missing(&lines("done ...\nreading"), output),
            Some("reading")
        );
        assert_eq!(
            missing(&lines("score ... of 2"), output),
            Some("score ... of 2")
        );
        assert!(!matches("a...b", "b...a") && matches("a...", "a") && !matches("aa...a", "aa"));
    }

    #[test]
    fn a_command_that_cannot_be_done_is_reported_with_its_output() {
        let folder = TemporaryFolder::new("readme-test").unwrap();
        let example = |command: &str, expected: &[&str]| Example {
            expected: expected.iter().map(|line| (*line).to_string()).collect(),
            ..Example::new(1, command, true)
        };
        let perform = |e: Example| perform(&e, Path::new("candor"), folder.path());
        assert_eq!(perform(example("echo yes; exit 1", &["yes"])), Ok(()));
        assert!(
            perform(example("echo why >&2; exit 2", &[]))
                .unwrap_err()
                .contains("why")
        );
        assert!(
            perform(example("echo no", &["yes"]))
                .unwrap_err()
                .contains("does not print")
        );
    }
}
