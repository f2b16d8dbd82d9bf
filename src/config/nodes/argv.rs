//! A program and its arguments: `command` and `from-command`.
//!
//! Takes a checked node, gives the words; reports shell language where no shell reads it (OPS7003).

use super::checked_node::CheckedNode;
use super::decoder::Decoder;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::syntax::kdl_string;

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
    let plain = node.spec_name == "command";
    if let [line] = words
        && line.trim().contains(char::is_whitespace)
    {
        let split: Vec<String> = line.split_whitespace().map(kdl_string).collect();
        let finding = Finding::new(
            Code::ShellInArgv,
            first.span,
            "one argument contains a whole command line",
            "run as the name of one program",
        );
        let split = excerpt(&split.join(" "));
        let needs_shell = line.contains(['|', '>', '<', ';', '&', '$', '`', '*', '"', '\'']);
        findings.push(finding.help(match (plain, needs_shell) {
            (true, true) => format!("write `shell {}`", excerpt(&kdl_string(line))),
            (true, false) => format!("write `command {split}`, or `shell {}`", excerpt(&kdl_string(line))),
            (false, true) => format!("write `from-command \"sh\" \"-c\" {}`", excerpt(&kdl_string(line))),
            (false, false) => format!("write `from-command {split}`"),
        }));
        return;
    }
    // `find … -exec … ;` and the like.
    let runs = words
        .iter()
        .any(|word| matches!(word.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"));
    let operator = node
        .args
        .iter()
        .zip(words)
        .skip(1)
        .find(|(_, word)| OPERATORS.contains(&word.as_str()) && !(runs && *word == ";"));
    if operator.is_none() {
        expansions(node, words, plain, findings);
    }
    if let Some((arg, word)) = operator {
        let line: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
        let line = kdl_string(&line.join(" "));
        findings.push(
            Finding::new(
                Code::ShellInArgv,
                arg.span,
                format!("`{word}` has a meaning in a shell only"),
                "passed as an argument unchanged",
            )
            .help(if plain {
                format!("write `shell {}`", excerpt(&line))
            } else {
                format!("write `from-command \"sh\" \"-c\" {}`", excerpt(&line))
            }),
        );
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

fn expansions(node: &CheckedNode, words: &[String], plain: bool, findings: &mut Vec<Finding>) {
    let program = |word: &String| INTERPRETERS.contains(&word.rsplit('/').next().unwrap_or_default());
    // A program that runs another one may run a shell.
    if words
        .iter()
        .any(|word| program(word) || matches!(word.as_str(), "-c" | "-e" | "-lc" | "-ec" | "--eval"))
    {
        return;
    }
    let mut rest = node.args.iter().zip(words).skip(1);
    let Some((arg, word)) = rest.find(|(_, word)| expands(word)) else {
        return;
    };
    let line: Vec<String> = words
        .iter()
        .map(|word| {
            if expands(word) && !word.starts_with("~/") {
                kdl_string(word)
            } else if word.starts_with("~/") {
                format!("~/{}", for_shell(word.get(2..).unwrap_or_default()))
            } else {
                for_shell(word)
            }
        })
        .collect();
    let line = excerpt(&kdl_string(&line.join(" ")));
    findings.push(
        Finding::new(
            Code::ShellInArgv,
            arg.span,
            format!("only a shell expands `{}`", excerpt(word)),
            "passed as an argument unchanged",
        )
        .help(if plain {
            format!("write `shell {line}`")
        } else {
            format!("write `from-command \"sh\" \"-c\" {line}`")
        }),
    );
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
