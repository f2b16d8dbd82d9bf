//! Advice names commands that work as they are written: with the ops file that this process was given.
//!
//! Takes text of opsrun with commands in backticks, such as `opsrun list`. Where the ops file was named on the command line,
//! they get `-f FILE`, since without it they would read another file.

use crate::process::quoted;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The ops file that was named on the command line.
static NAMED: OnceLock<PathBuf> = OnceLock::new();

/// Commands that read no ops file.
const WITHOUT_FILE: [&str; 4] = ["init", "explain", "schema", "completions"];

const COMMAND: &str = "`opsrun ";

/// Remembers the ops file that was named on the command line.
pub fn name_file(file: &Path) {
    // The first one: a process reads one ops file, or formats several.
    let _ = NAMED.set(file.to_owned());
}

pub fn advice(text: &str) -> String {
    NAMED
        .get()
        .map_or_else(|| text.to_owned(), |file| with_file(text, file))
}

fn with_file(text: &str, file: &Path) -> String {
    let mut parts = text.split(COMMAND);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += COMMAND;
        let command = part.split_once('`');
        let reads = |command: &str| {
            let first = command.split(' ').next().unwrap_or_default();
            !WITHOUT_FILE.contains(&first) && !command.contains(" -f ")
        };
        match command {
            Some((command, rest)) if reads(command) => {
                out.extend([command, " -f ", &quoted(&file.to_string_lossy()), "`", rest]);
            }
            _ => out += part,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_the_file_that_was_named() {
        let file = Path::new("conf/my ops.kdl");
        for (text, with) in [
            (
                "`opsrun list` shows them",
                "`opsrun list -f 'conf/my ops.kdl'` shows them",
            ),
            (
                "see `opsrun alerts list --all`, or `opsrun explain OPS1001`",
                "see `opsrun alerts list --all -f 'conf/my ops.kdl'`, or `opsrun explain OPS1001`",
            ),
            ("`opsrun check -f other.kdl`", "`opsrun check -f other.kdl`"),
            ("`opsrun is cut", "`opsrun is cut"),
            ("nothing to run", "nothing to run"),
        ] {
            assert_eq!(with_file(text, file), with);
        }
        assert_eq!(advice("`opsrun list`"), "`opsrun list`");
    }
}
