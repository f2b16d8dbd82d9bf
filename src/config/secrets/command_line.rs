//! Secrets in command lines that a name announces: `PGPASSWORD=…`, `--api-token …`.
//!
//! Takes text of any kind; gives the stretches that are secrets, and of each whether that is sure.
//! Invariant: what refers to a secret (`$TOKEN`, `@file`, `env:NAME`) is not one.

use super::names::{is_reference, is_trivial, names_secret};
use super::patterns::Literal;
use super::words::{self, LineWord, closing_quote, is_quote, value_end};
use crate::config::findings::excerpt;
use crate::config::nodes::suggested_variable;
use crate::config::values::is_variable;

/// Programs for which a text with `=` in it is only text.
const TEXT_TOOLS: [&str; 10] = ["grep", "egrep", "fgrep", "rg", "sed", "awk", "gawk", "jq", "yq", "perl"];

pub(super) fn find(text: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    for (base, line) in words::lines(text).filter(|(_, line)| line.contains(['-', '=', ':'])) {
        let words = words::words(line);
        let (mut covered, mut text_tool) = (0, false);
        for (at, word) in words.iter().enumerate() {
            text_tool = text_tool && !word.starts_command() || TEXT_TOOLS.contains(&word.text);
            if word.start >= covered
                && let Some((end, mut literal)) = named_value(line, &words, at, base)
            {
                literal.sure &= !text_tool;
                covered = end;
                found.push(literal);
            }
        }
    }
    found
}

/// The value that the word at this place names, and where it ends in the line.
fn named_value(line: &str, words: &[LineWord<'_>], at: usize, base: usize) -> Option<(usize, Literal)> {
    let name = words.get(at)?;
    let value = words.get(at + 1).filter(|next| !next.starts_command())?;
    let option = name.text.starts_with('-');
    let listed = name.gap.ends_with(',') && name.text == "pass";
    // `NAME= program` assigns nothing.
    let blank = |gap: &str| {
        gap.rsplit_once('=')
            .is_some_and(|(_, rest)| rest.contains(char::is_whitespace))
    };
    let follows = if value.is_assigned() {
        !blank(value.gap)
    } else {
        option && !value.text.starts_with('-')
    };
    let reference = is_reference(name.text) || name.gap.ends_with("${") || name.text.starts_with("from-");
    if !follows || reference || !(listed || names_secret(name.text)) {
        return None;
    }
    // Before the end is looked for: it may be far, and many may be like this.
    if value.gap.contains(['$', '<']) || value.text.starts_with(['$', '<', '{']) {
        return None;
    }
    let before = at.checked_sub(1).and_then(|before| words.get(before));
    let mut end = value_end(line, value);
    // `"--password=two words"`: the quote before the name closes after the value, unless a script is in it.
    let script = before.is_some_and(|before| ["shell", "-c", "-lc", "-ec"].contains(&before.text));
    if value.is_assigned() && name.is_quoted() && !value.is_quoted() && !script {
        end = closing_quote(line, name.start).unwrap_or(end).max(end);
    }
    // A backtick within quotes that close before the next one is part of the value; else it begins a substitution.
    let outer = value.gap.strip_suffix('`').and_then(|gap| gap.chars().next_back());
    let inside = line.get(value.start..end)?;
    let lone = outer
        .filter(|quote| is_quote(*quote))
        .and_then(|quote| inside.find(quote));
    end = lone.map_or(end, |length| value.start + length);
    let text = line.get(value.start..end)?;
    let substituted = value.gap.ends_with('`') && lone.is_none() && line.get(end..)?.starts_with('`');
    if substituted || is_reference(text) || is_trivial(text) {
        return None;
    }
    let path = line.get(..value.start)?.ends_with(['/', '~']) || text.starts_with(['/', '~']) || text.starts_with("./");
    let plain = name.text.trim_start_matches('-');
    let variable = Some(plain.to_owned()).filter(|plain| is_variable(plain));
    let literal = Literal {
        start: base + value.start,
        end: base + end,
        sure: !path && !text.starts_with("id="),
        by_form: false,
        message: format!("`{}` gets a secret in plain text", excerpt(name.text)),
        variable: variable.unwrap_or_else(|| suggested_variable(plain)),
    };
    Some((end, literal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(&str, bool)> {
        let found = find(text);
        found
            .iter()
            .map(|found| (&text[found.start..found.end], found.sure))
            .collect()
    }

    #[test]
    fn in_lines_of_a_shell() {
        for (line, secret) in [
            ("wget --password=hunter2pass https://x", "hunter2pass"),
            ("wget --http-password hunter2pass https://x", "hunter2pass"),
            (
                "openssl enc -aes-256-cbc -pass pass:hunter2pass -in a",
                "pass:hunter2pass",
            ),
            ("keytool -storepass hunter2pass -list", "hunter2pass"),
            ("PGPASSWORD=hunter2pass pg_dump app", "hunter2pass"),
            ("cd /x && PGPASSWORD='hunter2 pass' pg_dump app", "hunter2 pass"),
            ("export API_KEY='x y'; run", "x y"),
            ("export API_KEY=\"hunter2 pass\"; run", "hunter2 pass"),
            ("docker run -e DB_PASSWORD=hunter2pass x", "hunter2pass"),
            ("mount -o username=a,password=hunter2pass //x /y", "hunter2pass"),
            ("mount -o user=a,pass=hunter2pass //x /y", "hunter2pass"),
            ("PGPASSWORD=pa'ss'word psql", "pa'ss'word"),
            ("sudo -u app tool --api-token hunter2pass", "hunter2pass"),
            ("command \"x\" \"--password\" \"`hunter2pass\"", "hunter2pass"),
            ("grep x y; PASSWORD=hunter2pass z", "hunter2pass"),
        ] {
            let expected = if secret.is_empty() {
                vec![]
            } else {
                vec![(secret, true)]
            };
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_none_or_not_sure() {
        for line in [
            "PGPASSWORD=$PW pg_dump app",
            "PGPASSWORD= pg_dump app",
            "PGPASSWORD=$(cat /run/pw) pg_dump app",
            "PGPASSWORD=`cat /run/pw` pg_dump app",
            "PGPASSWORD=\"`cat /run/pw`\" pg_dump app",
            "PGPASSFILE=/root/.pgpass pg_dump app",
            "rsync --password-file /etc/pw a b",
            "rsync --password-file=/etc/pw a b",
            "openssl enc -pass env:PW -in a",
            "openssl enc -pass file:/etc/pw -in a",
            "docker run -p 80:80 x",
            "docker login --password-stdin x",
            "mkdir -p /a/b",
            "ssh -p 2222 host",
            "grep 'PASSWORD=hunter2pass' /etc/x",
            "docker build --secret id=a,src=b .",
            "aws secretsmanager get-secret-value --secret-id prod/db",
            "tool --token /run/token",
            "a: b",
        ] {
            assert!(of(line).iter().all(|(_, sure)| !sure), "{line} {:?}", of(line));
        }
    }

    #[test]
    fn in_an_ops_file_and_its_comments() {
        for text in [
            "command \"tool\" \"--password=hunter2pass\"",
            "command \"tool\" \"--password=hunter2pass hunter2pass\"",
            "command \"tool\" \"--password\" \"hunter2pass\"",
            "command [\"tool\", \"--token\", \"hunter2pass\"]",
            "// run with PGPASSWORD=hunter2pass",
            "{\"token\": \"hunter2pass\"}",
        ] {
            let mut left = text.to_owned();
            for (found, _) in of(text) {
                left = left.replace(found, "");
            }
            assert!(!left.contains("hunter2pass"), "{text} {left}");
        }
    }
}
