//! A program and its arguments: `command` and `from-command`.
//!
//! Takes a checked node, gives the words; reports shell language where no shell reads it (OPS7003).

use super::checked_node::CheckedNode;
use super::decoder::Decoder;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::source::Spanned;
use crate::config::syntax::kdl_string;
use crate::config::values::Datum;

/// Words that have a meaning in a shell, but not as an argument.
const OPERATORS: &[&str] = &[
    "|", "||", "|&", "&", "&&", ";", "<", ">", ">>", "<<", "&>", "2>", "2>>", "2>&1", "1>&2", ">&2",
];

/// Program and arguments; `None` when one of them is wrong.
pub fn argv(node: &CheckedNode, decoder: &mut Decoder<'_>) -> Option<Vec<String>> {
    let words = node.args.iter().map(|arg| Some(arg.value.text()?.to_owned()));
    let mut words = words.collect::<Option<Vec<String>>>()?;
    shell_language(node, &words, decoder.findings);
    let program = words.first_mut()?;
    *program = decoder.program(program, node.head)?;
    Some(words)
}

/// OPS7003.
fn shell_language(node: &CheckedNode, words: &[String], findings: &mut Vec<Finding>) {
    let Some(first) = node.args.first() else {
        return;
    };
    let report = |span, message: String, label, help: String| {
        Finding::new(Code::ShellInArgv, span, message, label).help(format!("write {help}"))
    };
    if let [line] = words
        && line.trim().contains(char::is_whitespace)
    {
        let split: Vec<String> = line.split_whitespace().map(kdl_string).collect();
        let split = format!("`{} {}`", node.spec_name, excerpt(&split.join(" ")));
        let shell = by_shell(node, line);
        let help = match (
            node.spec_name,
            line.contains(['|', '>', '<', ';', '&', '$', '`', '*', '"', '\'']),
        ) {
            (_, true) => shell,
            ("command", false) => format!("{split}, or {shell}"),
            (_, false) => split,
        };
        let message = "one argument contains a whole command line".to_owned();
        findings.push(report(first.span, message, "run as the name of one program", help));
        return;
    }
    // `find … -exec … ;` and the like.
    let runs = words
        .iter()
        .any(|word| matches!(word.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"));
    let mut rest = node.args.iter().zip(words).skip(1);
    let operator = rest.find(|(_, word)| OPERATORS.contains(&word.as_str()) && !(runs && *word == ";"));
    let (arg, message, line) = if let Some((arg, word)) = operator {
        let line: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
        (arg, format!("`{word}` has a meaning in a shell only"), line)
    } else if let Some((arg, word)) = expansion(node, words) {
        let line = words.iter().map(|word| match word.strip_prefix("~/") {
            Some(below) => format!("~/{}", for_shell(below)),
            None if expands(word) => kdl_string(word),
            None => for_shell(word),
        });
        (arg, format!("only a shell expands `{}`", excerpt(word)), line.collect())
    } else {
        return;
    };
    let help = by_shell(node, &line.join(" "));
    findings.push(report(arg.span, message, "passed as an argument unchanged", help));
}

/// The node that runs a line by a shell.
fn by_shell(node: &CheckedNode, line: &str) -> String {
    let line = excerpt(&kdl_string(line));
    if node.spec_name == "command" {
        format!("`shell {line}`")
    } else {
        format!("`from-command \"sh\" \"-c\" {line}`")
    }
}

/// Programs whose arguments are in a language of their own, or passed to a shell.
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "fish", "ssh", "su", "runuser", "watch", "parallel", "eval", "grep", "egrep",
    "fgrep", "zgrep", "rg", "sed", "awk", "gawk", "mawk", "jq", "yq", "perl", "python", "python3", "ruby", "node",
    "php", "psql", "mysql", "mariadb", "sqlite3", "mongosh", "mongo", "envsubst", "expect", "tclsh", "make", "kubectl",
    "pwsh", "tmux", "screen", "crontab", "xmllint", "curl",
];

/// `$HOME/x`, `$(date)`, `~/x`, and commands in backticks.
fn expands(word: &str) -> bool {
    let variable = |(at, _): (usize, &str)| {
        let before = word.get(..at).and_then(|before| before.chars().next_back());
        let after = word.get(at + 1..).unwrap_or_default();
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '\\' | '$' | '?' | '&'));
        let named = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let braced = after
            .strip_prefix('{')
            .is_some_and(|after| after.starts_with(|c: char| c.is_ascii_alphabetic()));
        begins && (named || braced) || before != Some('\\') && after.starts_with('(') && after.contains(')')
    };
    word.starts_with("~/") || word.match_indices('$').any(variable) || word.matches('`').count() == 2
}

/// The first argument that a shell would expand, of a program that is not one, and runs none.
fn expansion<'a>(node: &'a CheckedNode, words: &'a [String]) -> Option<(&'a Spanned<Datum>, &'a String)> {
    let program = |word: &String| INTERPRETERS.contains(&word.rsplit('/').next().unwrap_or_default());
    let runs = |word: &String| program(word) || matches!(word.as_str(), "-c" | "-e" | "-lc" | "-ec" | "--eval");
    if words.iter().any(runs) {
        return None;
    }
    let mut rest = node.args.iter().zip(words).skip(1);
    rest.find(|(_, word)| expands(word))
}

/// As one word of a shell command line; operators are not quoted.
fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if OPERATORS.contains(&word) || !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use std::path::Path;

    fn suggestions(command: &str) -> Vec<String> {
        let text = format!("target \"a\" {{\n    command {command}\n}}\n");
        let findings = load_text(Path::new("/ops.kdl"), text.into_bytes()).findings;
        let found = findings.into_iter().filter(|finding| finding.code == Code::ShellInArgv);
        found.filter_map(|finding| finding.help).collect()
    }

    #[test]
    fn what_only_a_shell_expands() {
        for (command, help) in [
            (
                r#""tar" "czf" "/b/app-$(date +%F).tgz" "$HOME/x""#,
                r#"tar czf \"/b/app-$(date +%F).tgz\" \"$HOME/x\""#,
            ),
            (r#""ls" "~/x""#, "ls ~/x"),
            (r#""cp" "a" "b-`date`""#, r#"cp a \"b-`date`\""#),
            (r#""cp" "${HOME}/a b" "c""#, r#"cp \"${HOME}/a b\" c"#),
        ] {
            assert_eq!(suggestions(command), [format!("write `shell \"{help}\"`")], "{command}");
        }
        for command in [
            r#""sh" "-c" "echo \"$1\"" "x" "$HOME""#,
            r#""docker" "exec" "db" "sh" "-c" "echo $HOME""#,
            r#""grep" "-E" "a$" "$HOME""#,
            r#""awk" "{print $NF}" "x""#,
            r#""jq" ".a as $x | $x" "f""#,
            r#""fetch" "https://a/?$filter=x""#,
            r#""tool" "pa$word" "costs $5" "a$" "x~/y" "\\$HOME""#,
        ] {
            assert_eq!(suggestions(command), [""; 0], "{command}");
        }
    }
}
