//! Findings as workflow commands of GitHub Actions: `::error file=…,line=…::message`.
//!
//! Takes a [`FindingsDocument`], gives one line per finding, errors first. GitHub silently ignores all but ten
//! annotations of a severity per step, so the tenth counts the others.
//! Invariant: a line is one command: characters that end a property or a line are escaped, as in `@actions/core`, which
//! GitHub's own actions use.

use crate::config::findings::FindingSeverity;
use crate::report::findings::document::FindingsDocument;
use crate::units::plural;
use std::fmt::Write as _;

/// Per severity and step.
const MAX_ANNOTATIONS: usize = 10;

pub fn text(document: &FindingsDocument) -> String {
    let mut out = String::new();
    for severity in [FindingSeverity::Error, FindingSeverity::Warning] {
        let mut commands: Vec<(String, Vec<String>)> = Vec::new();
        for unread in document.unread.iter().filter(|_| severity == FindingSeverity::Error) {
            let help = unread.help.iter().map(|help| format!("help: {help}"));
            let lines = std::iter::once(unread.message.clone()).chain(help).collect();
            commands.push((format!("file={}", property(&unread.file)), lines));
        }
        for finding in document.findings.iter().filter(|finding| finding.severity == severity) {
            let at = &finding.place;
            // GitHub accepts columns only for a place within one line.
            let columns = (at.line == at.end_line).then(|| format!(",col={},endColumn={}", at.column, at.end_column));
            let columns = columns.unwrap_or_default();
            let (file, line, end) = (property(&at.file), at.line, at.end_line);
            let properties = format!("file={file},line={line},endLine={end}{columns}");
            let title = format!("{} {}", finding.code, finding.slug);
            commands.push((format!("{properties},title={}", property(&title)), finding.lines()));
        }
        let over = commands.len().saturating_sub(MAX_ANNOTATIONS);
        for (at, (properties, mut lines)) in commands.into_iter().take(MAX_ANNOTATIONS).enumerate() {
            if over > 0 && at + 1 == MAX_ANNOTATIONS {
                let more = plural(over as u64, "more", "more");
                lines.push(format!(
                    "{more} of this severity: GitHub shows {MAX_ANNOTATIONS} per step"
                ));
            }
            let text = message(&lines.join("\n"));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "::{} {properties}::{text}", severity.word());
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

    fn annotations(name: &str, text: &str) -> String {
        let mut document = FindingsDocument::default();
        document.add(Path::new(name), &load_text(Path::new(name), text.as_bytes().to_vec()));
        super::text(&document)
    }

    #[test]
    fn nothing_ends_a_command_early() {
        let text = annotations("a%0A,b:c\n::error::x.kdl", "targte \"a::b%\" { command \"x\"; }\n");
        let start = "::error file=a%250A%2Cb%3Ac\\n%3A%3Aerror%3A%3Ax.kdl,line=1,";
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.starts_with(start)), "{text}");
        assert!(text.contains(",title=OPS2001 unknown-node::unknown node"), "{text}");
        assert!(text.contains("::`a::b%25` is not a valid name"), "{text}");
    }

    #[test]
    fn errors_come_first_and_the_tenth_counts_the_others() {
        let mut text = "backup \"a\" { source \"/srv/a\"; to \"/backup/a\"; }\nretention \"a\" backup=\"a\" { class \"x\" \"x/**\" keep=\"1d\"; }\n".to_owned();
        for n in 0..13 {
            text = text + "check \"c" + &n.to_string() + "\" { tcpp \"127.0.0.1:1\"; }\n";
        }
        let text = annotations("ops.kdl", &text);
        let errors = text.lines().filter(|line| line.starts_with("::error ")).count();
        assert_eq!(errors, 10, "{text}");
        assert!(text.lines().nth(9).unwrap().contains("more of this severity"), "{text}");
        assert!(text.lines().nth(10).unwrap().starts_with("::warning "), "{text}");
    }
}
