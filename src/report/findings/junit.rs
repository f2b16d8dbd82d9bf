//! Findings as JUnit XML, for CI systems that show test results.
//!
//! One suite per file: a case per finding, or one that passed.
//! JUnit has no warnings: a finding that does not fail the check is a passed case with its text in `system-out`.
//! Invariant: the XML 1.0 is well-formed for any text.

use crate::config::findings::FindingSeverity;
use crate::report::findings::document::{FindingDocument, FindingsDocument};
use std::fmt::Write as _;

/// `fails`: whether a finding of this severity fails the check.
pub fn text(document: &FindingsDocument, fails: impl Fn(FindingSeverity) -> bool) -> String {
    let mut suites = String::new();
    let (mut cases, mut failed) = (0, 0);
    for name in document.all_files() {
        let in_file = document.findings.iter().filter(|finding| finding.place.file == name);
        let found: Vec<&FindingDocument> = in_file.collect();
        let bad = found.iter().filter(|finding| fails(finding.severity)).count();
        let count = found.len().max(1);
        cases += count;
        failed += bad;
        suite(&mut suites, name, count, bad, 0);
        if found.is_empty() {
            let _ = writeln!(suites, "    <testcase classname=\"{}\" name=\"valid\"/>", escaped(name));
        }
        for finding in found {
            case(&mut suites, finding, fails(finding.severity));
        }
        suites += "  </testsuite>\n";
    }
    for unread in &document.unread {
        suite(&mut suites, &unread.file, 1, 0, 1);
        let (name, message) = (escaped(&unread.file), escaped(&unread.message));
        let help = escaped(unread.help.as_deref().unwrap_or_default());
        let _ = writeln!(suites, "    <testcase classname=\"{name}\" name=\"readable\">");
        let _ = writeln!(
            suites,
            "      <error message=\"{message}\" type=\"unreadable\">{help}</error>"
        );
        suites += "    </testcase>\n  </testsuite>\n";
    }
    let errors = document.unread.len();
    cases += errors;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"opsrun check\" tests=\"{cases}\" failures=\"{failed}\" errors=\"{errors}\">\n{suites}</testsuites>\n"
    )
}

fn suite(out: &mut String, name: &str, tests: usize, failures: usize, errors: usize) {
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\">",
        escaped(name)
    );
}

fn case(out: &mut String, finding: &FindingDocument, fails: bool) {
    let at = &finding.place;
    let file = escaped(&at.file);
    let kind = format!("{} {}", finding.code, finding.slug);
    let mut lines = vec![format!("{}:{}:{}", at.file, at.line, at.column)];
    lines.extend(finding.lines());
    lines.extend(finding.related.iter().map(|related| {
        let (place, label) = (&related.place, &related.label);
        format!("{}:{}:{}: {label}", place.file, place.line, place.column)
    }));
    let body = escaped(&lines.join("\n"));
    let (line, name) = (at.line, escaped(&format!("{kind} at {}:{}", at.line, at.column)));
    let _ = write!(out, "    <testcase classname=\"{file}\" name=\"{name}\" ");
    let _ = writeln!(out, "file=\"{file}\" line=\"{line}\">");
    if fails {
        let message = escaped(&finding.message);
        let _ = writeln!(
            out,
            "      <failure message=\"{message}\" type=\"{kind}\">{body}</failure>"
        );
    } else {
        let severity = finding.severity.word();
        let _ = writeln!(out, "      <system-out>{severity}: {body}</system-out>");
    }
    *out += "    </testcase>\n";
}

/// For text and attributes. Characters that XML does not allow are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
