//! Findings as workflow commands of GitHub Actions: `::error file=…,line=…::message`.
//!
//! Takes a [`Checked`], gives a line a finding, errors first. A step may annotate ten times a severity; what is over goes
//! unseen without a word, so the tenth says how many more there are.
//! Invariant: a line is one command: what GitHub reads as the end of a property or of the line is escaped.
//!
//! The escapes are those of `@actions/core`, which GitHub's own actions use.

use crate::config::findings::FindingSeverity;
use crate::report::findings::Checked;
use crate::report::findings::prose;
use crate::report::findings::word;
use crate::units::plural;
use std::fmt::Write as _;

/// Annotations of one severity that a step may make.
const MOST: usize = 10;

#[must_use]
pub fn text(checked: &Checked) -> String {
    let mut out = String::new();
    for severity in [FindingSeverity::Error, FindingSeverity::Warning] {
        let mut commands: Vec<(String, Vec<String>)> = Vec::new();
        if severity == FindingSeverity::Error {
            for unread in &checked.unread {
                let mut lines = vec![unread.message.clone()];
                lines.extend(unread.help.iter().map(|help| format!("help: {help}")));
                commands.push((format!("file={}", property(&unread.name)), lines));
            }
        }
        for row in checked.rows.iter().filter(|row| row.severity == severity) {
            let at = &row.place;
            // GitHub takes no columns where a place goes over several lines.
            let columns = if at.line == at.end_line {
                format!(",col={},endColumn={}", at.column, at.end_column)
            } else {
                String::new()
            };
            let (file, line, end) = (property(&at.file), at.line, at.end_line);
            let properties = format!("file={file},line={line},endLine={end}{columns}");
            let title = format!("{} {}", row.code.id(), row.code.slug());
            commands.push((format!("{properties},title={}", property(&title)), prose(row)));
        }
        let over = commands.len().saturating_sub(MOST);
        for (at, (properties, mut lines)) in commands.into_iter().take(MOST).enumerate() {
            if over > 0 && at + 1 == MOST {
                let more = plural(over as u64, "more", "more");
                lines.push(format!("{more} of this severity: GitHub shows {MOST} of a step"));
            }
            let told = message(&lines.join("\n"));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "::{} {properties}::{told}", word(severity));
        }
    }
    out
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use std::path::Path;

    fn said(name: &str, text: &str) -> String {
        let mut checked = Checked::default();
        checked.add(Path::new(name), &load_text(Path::new(name), text.as_bytes().to_vec()));
        super::text(&checked)
    }

    #[test]
    fn nothing_ends_a_command_early() {
        let said = said("a%0A,b:c\n::error::x.kdl", "targte \"a::b%\" { command \"x\"; }\n");
        let start = "::error file=a%250A%2Cb%3Ac\\n%3A%3Aerror%3A%3Ax.kdl,line=1,";
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.lines().all(|line| line.starts_with(start)), "{said}");
        assert!(said.contains(",title=OPS2001 unknown-node::there is no"), "{said}");
        assert!(said.contains("::`a::b%25` is no name"), "{said}");
    }

    #[test]
    fn errors_come_first_and_the_tenth_says_how_many_more() {
        let mut text = "backup \"a\" { source \"/srv/a\"; to \"/backup/a\"; }\nretention \"a\" backup=\"a\" { class \"x\" \"x/**\" keep=\"1d\"; }\n".to_owned();
        for n in 0..13 {
            text = text + "check \"c" + &n.to_string() + "\" { tcpp \"127.0.0.1:1\"; }\n";
        }
        let said = said("ops.kdl", &text);
        let errors = said.lines().filter(|line| line.starts_with("::error ")).count();
        assert_eq!(errors, 10, "{said}");
        assert!(said.lines().nth(9).unwrap().contains("more of this severity"), "{said}");
        assert!(said.lines().nth(10).unwrap().starts_with("::warning "), "{said}");
    }
}
