//! `command`, `shell`, and values that may be secret: readings become [`CommandNode`]s and [`TextNode`]s.
//!
//! Takes checked readings, gives nodes; reports a value with two sources or none, names given twice, and shell language
//! where no shell reads it (OPS7003).
//! Invariant: a text has exactly one source.

use super::{path, path_of, text};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::document::{ArgvNode, CommandNode, ProgramNode, TextNode};
use crate::config::nodes::reader::{Datum, Reading};
use crate::config::source::Span;
use std::collections::HashMap;

/// Words that mean something to a shell, and nothing to a program.
const OPERATORS: &[&str] = &[
    "|", "||", "|&", "&", "&&", ";", "<", ">", ">>", "<<", "&>", "2>", "2>>", "2>&1", "1>&2", ">&2",
];

/// `command` or `shell` itself; `None` when it is wrong. `place` holds `cwd` and `env`.
pub(super) fn command(reading: &Reading, place: &Reading, findings: &mut Vec<Finding>) -> Option<CommandNode> {
    let cwd = path(place, "cwd");
    let env = named(place, "env", false, findings);
    let program = if reading.spec_name == "shell" {
        ProgramNode::Shell(text(reading.args.first()?)?.value)
    } else {
        ProgramNode::Argv(argv(reading, findings)?)
    };
    Some(CommandNode { program, cwd, env })
}

/// Program and arguments of `command` or `from-command`.
fn argv(reading: &Reading, findings: &mut Vec<Finding>) -> Option<ArgvNode> {
    let words: Option<Vec<String>> = reading.args.iter().map(|arg| Some(text(arg)?.value)).collect();
    let words = words.filter(|words| !words.is_empty())?;
    shell_language(reading, &words, findings);
    Some(ArgvNode {
        words,
        span: reading.head,
    })
}

/// OPS7003.
fn shell_language(reading: &Reading, words: &[String], findings: &mut Vec<Finding>) {
    let Some(first) = reading.args.first() else {
        return;
    };
    let plain = reading.spec_name == "command";
    if let [line] = words
        && line.trim().contains(char::is_whitespace)
    {
        let split: Vec<String> = line.split_whitespace().map(quoted).collect();
        let finding = Finding::new(
            Code::ShellInArgv,
            first.span,
            "a whole command line stands in one argument",
            "taken as the name of one program",
        );
        let split = excerpt(&split.join(" "));
        let needs_shell = line.contains(['|', '>', '<', ';', '&', '$', '`', '*', '"', '\'']);
        findings.push(finding.help(match (plain, needs_shell) {
            (true, true) => format!("write `shell {}`", excerpt(&quoted(line))),
            (true, false) => format!("write `command {split}`, or `shell {}`", excerpt(&quoted(line))),
            (false, true) => format!("write `from-command \"sh\" \"-c\" {}`", excerpt(&quoted(line))),
            (false, false) => format!("write `from-command {split}`"),
        }));
        return;
    }
    // `find … -exec … ;` and what is like it.
    let runs = words
        .iter()
        .any(|word| matches!(word.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"));
    let operator = reading
        .args
        .iter()
        .zip(words)
        .skip(1)
        .find(|(_, word)| OPERATORS.contains(&word.as_str()) && !(runs && *word == ";"));
    if operator.is_none() {
        expansions(reading, words, plain, findings);
    }
    if let Some((arg, word)) = operator {
        let line: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
        let line = quoted(line.join(" "));
        findings.push(
            Finding::new(
                Code::ShellInArgv,
                arg.span,
                format!("`{word}` means something to a shell only"),
                "passed as an argument as it stands",
            )
            .help(if plain {
                format!("write `shell {}`", excerpt(&line))
            } else {
                format!("write `from-command \"sh\" \"-c\" {}`", excerpt(&line))
            }),
        );
    }
}

/// Programs to which an argument is a text of their own language, or that hand it to a shell.
const OF_TEXTS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "fish", "ssh", "su", "runuser", "watch", "parallel", "eval", "grep", "egrep",
    "fgrep", "zgrep", "rg", "sed", "awk", "gawk", "mawk", "jq", "yq", "perl", "python", "python3", "ruby", "node",
    "php", "psql", "mysql", "mariadb", "sqlite3", "mongosh", "mongo", "envsubst", "expect", "tclsh", "make", "kubectl",
    "pwsh", "tmux", "screen", "crontab", "xmllint", "curl",
];

/// `$HOME/x`, `$(date)`, `~/x`, and what stands in backticks.
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

fn expansions(reading: &Reading, words: &[String], plain: bool, findings: &mut Vec<Finding>) {
    let program = |word: &String| OF_TEXTS.contains(&word.rsplit('/').next().unwrap_or_default());
    // Whatever runs another program may run a shell.
    if words
        .iter()
        .any(|word| program(word) || matches!(word.as_str(), "-c" | "-e" | "-lc" | "-ec" | "--eval"))
    {
        return;
    }
    let mut rest = reading.args.iter().zip(words).skip(1);
    let Some((arg, word)) = rest.find(|(_, word)| expands(word)) else {
        return;
    };
    let line: Vec<String> = words
        .iter()
        .map(|word| {
            if expands(word) && !word.starts_with("~/") {
                quoted(word)
            } else if word.starts_with("~/") {
                format!("~/{}", for_shell(word.get(2..).unwrap_or_default()))
            } else {
                for_shell(word)
            }
        })
        .collect();
    let line = excerpt(&quoted(line.join(" ")));
    findings.push(
        Finding::new(
            Code::ShellInArgv,
            arg.span,
            format!("`{}` is expanded by a shell only", excerpt(word)),
            "passed as an argument as it stands",
        )
        .help(if plain {
            format!("write `shell {line}`")
        } else {
            format!("write `from-command \"sh\" \"-c\" {line}`")
        }),
    );
}

fn quoted(text: impl AsRef<str>) -> String {
    format!("\"{}\"", text.as_ref().replace('\\', "\\\\").replace('"', "\\\""))
}

/// As one word of a shell's line; operators stay what they are.
fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if OPERATORS.contains(&word) || !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// `env` or `header` nodes: names, each once, and their values.
pub(super) fn named(
    place: &Reading,
    child: &'static str,
    fold_case: bool,
    findings: &mut Vec<Finding>,
) -> Vec<(String, TextNode)> {
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut all = Vec::new();
    for node in place.children_named(child) {
        let name = node.args.first().and_then(text);
        let value = value(node, name.as_ref().map_or("…", |name| name.value.as_str()), 1, findings);
        let Some(name) = name else {
            continue;
        };
        let key = if fold_case {
            name.value.to_ascii_lowercase()
        } else {
            name.value.clone()
        };
        if let Some(first) = seen.get(&key) {
            findings.push(
                Finding::new(
                    Code::Repeated,
                    name.span,
                    format!("`{child} \"{}\"` is given twice", excerpt(&name.value)),
                    "again here",
                )
                .also(*first, "first here")
                .help("delete one of them"),
            );
            continue;
        }
        seen.insert(key, name.span);
        if let Some(value) = value {
            all.push((name.value, value));
        }
    }
    all
}

/// `header` nodes: each name once, and values of one line.
pub(super) fn headers(place: &Reading, findings: &mut Vec<Finding>) -> Vec<(String, TextNode)> {
    let headers = named(place, "header", true, findings);
    for header in place.children_named("header") {
        if let Some(value) = header.args.get(1).and_then(text)
            && value.value.chars().any(|c| c.is_control() && c != '\t')
        {
            findings.push(
                Finding::new(
                    Code::BadValue,
                    value.span,
                    "the value of a header is one line",
                    "holds the end of a line, or another invisible character",
                )
                .help("write it on one line, without `\\n`"),
            );
        }
    }
    headers
}

/// The value of `env`, `header`, `http` or a setting of a channel: the argument at `at`, or where a secret comes from.
pub(super) fn value(node: &Reading, name: &str, at: usize, findings: &mut Vec<Finding>) -> Option<TextNode> {
    let what = node.spec_name;
    let written = if at == 0 {
        what.to_owned()
    } else {
        format!("{what} \"{}\"", excerpt(name))
    };
    let variable = suggested_variable(name);
    let arg = node.args.get(at);
    let child = node.child("from-command");
    let props = node.props.iter().map(|(key, value)| (*key, value.span));
    let mut sources: Vec<(&str, Span)> = props.collect();
    sources.extend(child.map(|child| ("from-command", child.head)));
    if let Some(arg) = arg {
        sources.insert(0, ("", arg.span));
    }
    let program = child.and_then(|child| argv(child, findings));
    match sources.as_slice() {
        [] => {
            // Without a name it was said already that the node is incomplete.
            let unread = node.args.iter().any(|arg| arg.value == Datum::Bad);
            let incomplete = node.damaged || node.lost || unread || node.args.len() < at;
            if !incomplete {
                findings.push(
                    Finding::new(
                        Code::Missing,
                        node.head,
                        format!("`{written}` has no value"),
                        "needs a text, or where a secret comes from",
                    )
                    .help(format!(
                        "write `{written} \"…\"`, or `{written} from-env=\"{variable}\"` for a secret"
                    )),
                );
            }
            None
        }
        [_] => {
            if let Some(child) = child {
                let given = !child.args.is_empty();
                return program.filter(|_| given).map(TextNode::Command);
            }
            if let Some(arg) = arg {
                return text(arg).map(|text| TextNode::Plain(text.value));
            }
            if let Some(variable) = node.prop("from-env") {
                return text(variable).map(TextNode::Env);
            }
            node.prop("from-file").and_then(path_of).map(TextNode::File)
        }
        [(first, one), (second, other), ..] => {
            let finding = if first.is_empty() {
                Finding::new(
                    Code::SurplusArgument,
                    *other,
                    format!("`{written}` has a value and `{second}`"),
                    "where a secret comes from",
                )
                .also(*one, "the value")
                .help(format!(
                    "delete one: a secret is written `{written} from-env=\"{variable}\"` and nothing else"
                ))
            } else {
                Finding::new(
                    Code::Repeated,
                    *other,
                    format!("`{written}` has two sources: `{first}` and `{second}`"),
                    "the second",
                )
                .also(*one, "the first")
                .help(format!("keep one of them, such as `{written} from-env=\"{variable}\"`"))
            };
            findings.push(finding);
            None
        }
    }
}

/// A variable of that name, in the form in which variables are written.
pub(in crate::config) fn suggested_variable(name: &str) -> String {
    let fine = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(60).map(fine).collect();
    match name.trim_matches('_') {
        "" => "SECRET".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use std::path::Path;

    fn said(command: &str) -> Vec<String> {
        let text = format!("target \"a\" {{\n    command {command}\n}}\n");
        let findings = load_text(Path::new("/ops.kdl"), text.into_bytes()).findings;
        let doubts = findings.into_iter().filter(|finding| finding.code == Code::ShellInArgv);
        doubts.filter_map(|finding| finding.help).collect()
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
            assert_eq!(said(command), [format!("write `shell \"{help}\"`")], "{command}");
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
            assert_eq!(said(command), [""; 0], "{command}");
        }
    }
}
