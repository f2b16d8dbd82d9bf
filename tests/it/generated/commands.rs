//! The table of commands in Markdown, for the reference.
//!
//! Takes what clap knows; gives a row per command: usage, purpose, and its own options.
//! Invariant: every command has a row.

use clap::{Arg, Command, CommandFactory};
use opsrun::cli::args::Cli;

pub(super) fn commands() -> String {
    let program = Cli::command();
    let rows = program.get_subcommands().flat_map(|command| {
        let parts: Vec<&Command> = command.get_subcommands().collect();
        let within = parts.iter().map(|part| row(&format!("{} ", command.get_name()), part));
        let alone = parts.is_empty().then(|| row("", command));
        alone.into_iter().chain(within).collect::<Vec<_>>()
    });
    "| command | does | options |\n|---|---|---|\n".to_owned() + &rows.collect::<String>()
}

fn row(before: &str, command: &Command) -> String {
    let positional = |argument: &Arg| format!(" [{}{}]", value(argument), if many(argument) { "…" } else { "" });
    let arguments: String = command.get_positionals().map(positional).collect();
    let typed = format!("opsrun {before}{}{arguments}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let own = command
        .get_opts()
        .filter(|argument| !argument.is_global_set() && !argument.is_hide_set());
    let options: Vec<String> = own.filter_map(option).collect();
    format!("| `{typed}` | {about} | {} |\n", options.join(", "))
}

fn many(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|count| count.max_values() > 1)
}

fn value(argument: &Arg) -> String {
    argument
        .get_value_names()
        .and_then(|names| names.first())
        .map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string)
}

fn option(argument: &Arg) -> Option<String> {
    let name = argument.get_long()?;
    if !argument.get_action().takes_values() {
        return Some(format!("`--{name}`"));
    }
    let words = argument.get_possible_values();
    let words: Vec<&str> = words.iter().map(clap::builder::PossibleValue::get_name).collect();
    let value = if words.is_empty() {
        value(argument)
    } else {
        words.join("\\|")
    };
    Some(format!("`--{name} {value}`"))
}

mod tests {
    use super::commands;

    #[test]
    fn commands_are_shown_as_they_are_typed() {
        let table = commands();
        assert!(
            table.contains("\n| `opsrun explain [CODE…]` | Explain a finding"),
            "{table}"
        );
        assert!(
            table.contains("\n| `opsrun alerts test [CHANNEL…]` | Send a test"),
            "{table}"
        );
        assert!(table.contains("`--lock-wait DURATION`"), "{table}");
        assert!(table.contains("`--format text\\|dot\\|mermaid`"), "{table}");
        assert!(table.contains("`--json`") && !table.contains("--color"), "{table}");
        assert!(
            table.lines().all(|line| line.matches("`--json`").count() <= 1),
            "{table}"
        );
        assert!(
            table
                .lines()
                .all(|line| line.replace("\\|", "").matches('|').count() == 4),
            "{table}"
        );
    }
}
