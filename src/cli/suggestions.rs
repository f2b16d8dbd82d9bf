//! Suggestions for commands and flags of other programs: `validate`, `run`, `apply --dry-run`, `check --json`.
//!
//! Invariant: the error itself stays unchanged.

use super::args::Cli;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Commands of other programs, and the equivalent here.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["validate", "lint", "verify-config", "test", "configtest"],
        "to validate an ops file, use `opsrun check`",
    ),
    (
        &["run", "start", "exec", "up", "backup", "prune"],
        "to see what would happen, use `opsrun plan`; to do it, use `opsrun apply`",
    ),
    (
        &["diff", "preview", "dry-run", "show"],
        "to see what would happen, use `opsrun plan`",
    ),
    (&["format"], "to format ops files, use `opsrun fmt`"),
    (&["logs", "log"], "to see the last run, use `opsrun history last`"),
    (&["snapshots", "ls"], "to list the copies, use `opsrun list`"),
];

/// Flags of other programs, the commands where they are expected, and the equivalent here.
const FLAGS: &[(&[&str], &[&str], &str)] = &[
    (
        &["--dry-run", "--dryrun", "-n", "--check", "--noop"],
        &["apply"],
        "to see what would happen, use `opsrun plan`",
    ),
    (&["--json"], &["check"], "use `--format json`"),
    (&["--sarif"], &["check"], "use `--format sarif`"),
    (&["--strict", "--werror"], &["check"], "use `--fail-on warning`"),
];

pub fn add(error: &mut clap::Error, typed: impl Iterator<Item = OsString>) {
    let named = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => named(ContextKind::InvalidSubcommand).and_then(|word| command(&word)),
        ErrorKind::UnknownArgument => named(ContextKind::InvalidArg).and_then(|flag| {
            let commands = Cli::command();
            let mut words = typed.filter_map(|word| word.into_string().ok());
            let chosen = words.find(|word| commands.find_subcommand(word).is_some())?;
            self::flag(&flag, &chosen)
        }),
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
}

fn command(word: &str) -> Option<&'static str> {
    let (_, tip) = COMMANDS.iter().find(|(words, _)| words.contains(&word))?;
    Some(tip)
}

fn flag(flag: &str, command: &str) -> Option<&'static str> {
    let flag = flag.split('=').next().unwrap_or(flag);
    let is_known = |flags: &[&str], commands: &[&str]| flags.contains(&flag) && commands.contains(&command);
    let (_, _, tip) = FLAGS.iter().find(|(flags, commands, _)| is_known(flags, commands))?;
    Some(tip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        let words = || line.split(' ').map(OsString::from);
        let mut error = Cli::command().try_get_matches_from(words()).unwrap_err();
        add(&mut error, words().skip(1));
        error.to_string()
    }

    #[test]
    fn the_equivalent_is_suggested() {
        for (line, wanted) in [
            ("opsrun validate", "tip: to validate an ops file, use `opsrun check`"),
            ("opsrun run", "tip: to see what would happen, use `opsrun plan`"),
            (
                "opsrun apply --dry-run",
                "tip: to see what would happen, use `opsrun plan`",
            ),
            ("opsrun check --json", "tip: use `--format json`"),
            ("opsrun --color=never check x.kdl --json", "tip: use `--format json`"),
        ] {
            let error = error(line);
            assert!(error.contains(wanted), "{line}: {error}");
        }
    }

    #[test]
    fn no_suggestion_hides_an_existing_command_or_flag() {
        let own = Cli::command();
        for (words, _) in COMMANDS {
            assert!(
                words.iter().all(|word| own.find_subcommand(word).is_none()),
                "{words:?}"
            );
        }
        for (flags, commands, _) in FLAGS {
            for command in *commands {
                let own = own.find_subcommand(command).unwrap();
                let long = |flag: &str| own.get_arguments().any(|arg| arg.get_long() == flag.strip_prefix("--"));
                assert!(
                    flags.iter().all(|flag| !flag.starts_with("--") || !long(flag)),
                    "{command}: {flags:?}"
                );
            }
        }
    }
}
