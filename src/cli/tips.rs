//! What people type who know other programs: `validate`, `run`, `apply --dry-run`, `check --json`.
//!
//! Takes an error of the command line and what was typed, adds the call that was probably meant. Knows names, not what
//! commands do. Invariant: the error stays the error that it is; a tip is one line more.

use super::args::Cli;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Commands of other programs, and what does that here.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["validate", "lint", "verify-config", "test", "configtest"],
        "`opsrun check` says whether an ops file is right",
    ),
    (
        &["run", "start", "exec", "up", "backup", "prune"],
        "`opsrun plan` shows what would happen, and `opsrun apply` does it",
    ),
    (
        &["diff", "preview", "dry-run", "show"],
        "`opsrun plan` shows what would happen, without touching anything",
    ),
    (&["format"], "`opsrun fmt` brings ops files into their usual form"),
    (
        &["logs", "log"],
        "`opsrun history last` shows what happened in the last run",
    ),
    (&["snapshots", "ls"], "`opsrun list` shows the copies"),
];

/// Flags of other programs, and what does that here. The commands are those that have it; none: any.
const FLAGS: &[(&[&str], &[&str], &str)] = &[
    (
        &["--dry-run", "--dryrun", "-n", "--check", "--noop"],
        &["apply"],
        "`opsrun plan` shows what would happen, without touching anything",
    ),
    (&["--json"], &["check"], "write `--format json`"),
    (&["--sarif"], &["check"], "write `--format sarif`"),
    (&["--strict", "--werror"], &["check"], "write `--fail-on warning`"),
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
    let row = COMMANDS.iter().find(|(words, _)| words.contains(&word))?;
    Some(row.1)
}

fn flag(flag: &str, command: &str) -> Option<&'static str> {
    let flag = flag.split('=').next().unwrap_or(flag);
    let row = FLAGS
        .iter()
        .find(|(flags, commands, _)| flags.contains(&flag) && commands.contains(&command))?;
    Some(row.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let words = || line.split(' ').map(OsString::from);
        let mut error = Cli::command().try_get_matches_from(words()).unwrap_err();
        add(&mut error, words().skip(1));
        error.to_string()
    }

    #[test]
    fn what_was_meant_is_said() {
        for (line, wanted) in [
            ("opsrun validate", "tip: `opsrun check`"),
            ("opsrun run", "tip: `opsrun plan`"),
            ("opsrun apply --dry-run", "tip: `opsrun plan`"),
            ("opsrun check --json", "tip: write `--format json`"),
            ("opsrun --color=never check x.kdl --json", "tip: write `--format json`"),
        ] {
            let said = said(line);
            assert!(said.contains(wanted), "{line}: {said}");
        }
    }

    #[test]
    fn no_row_hides_what_there_is() {
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
