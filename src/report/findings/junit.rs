//! Findings as JUnit XML, for CI systems that show test results.
//!
//! Takes a [`Checked`] and what counts as failure, gives one suite a file: a case a finding, or one that passed. JUnit knows no
//! warnings: what does not fail the check is a passed case that says its piece in `system-out`.
//! Invariant: well-formed XML 1.0 whatever the texts hold, since they hold no control characters.

use crate::report::findings::Checked;
use crate::report::findings::Failing;
use crate::report::findings::Row;
use crate::report::findings::prose;
use crate::report::findings::word;
use std::fmt::Write as _;

#[must_use]
pub fn text(checked: &Checked, failing: Failing) -> String {
    let mut suites = String::new();
    let (mut cases, mut failed) = (0, 0);
    for name in checked.all_files() {
        let rows: Vec<&Row> = checked.rows.iter().filter(|row| row.place.file == name).collect();
        let bad = rows.iter().filter(|row| failing.fails(row.severity)).count();
        let count = rows.len().max(1);
        cases += count;
        failed += bad;
        suite(&mut suites, name, count, bad, 0);
        if rows.is_empty() {
            let _ = writeln!(suites, "    <testcase classname=\"{}\" name=\"valid\"/>", escaped(name));
        }
        for row in rows {
            case(&mut suites, row, failing.fails(row.severity));
        }
        suites += "  </testsuite>\n";
    }
    for unread in &checked.unread {
        let name = escaped(&unread.name);
        suite(&mut suites, &unread.name, 1, 0, 1);
        let message = escaped(&unread.message);
        let help = escaped(unread.help.as_deref().unwrap_or_default());
        let _ = writeln!(
            suites,
            "    <testcase classname=\"{name}\" name=\"readable\">\n      \
             <error message=\"{message}\" type=\"unreadable\">{help}</error>\n    </testcase>\n  </testsuite>",
        );
    }
    let errors = checked.unread.len();
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

fn case(out: &mut String, row: &Row, fails: bool) {
    let at = &row.place;
    let file = escaped(&at.file);
    let kind = format!("{} {}", row.code.id(), row.code.slug());
    let mut lines = vec![format!("{}:{}:{}", at.file, at.line, at.column)];
    lines.extend(prose(row));
    lines.extend(
        row.related
            .iter()
            .map(|(place, label)| format!("{}:{}:{}: {label}", place.file, place.line, place.column)),
    );
    let body = escaped(&lines.join("\n"));
    let name = format!("{kind} at {}:{}", at.line, at.column);
    let _ = writeln!(
        out,
        "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\">",
        escaped(&name),
        at.line
    );
    if fails {
        let message = escaped(&row.message);
        let _ = writeln!(
            out,
            "      <failure message=\"{message}\" type=\"{kind}\">{body}</failure>"
        );
    } else {
        let severity = word(row.severity);
        let _ = writeln!(out, "      <system-out>{severity}: {body}</system-out>");
    }
    *out += "    </testcase>\n";
}

/// For text and attributes. The few characters that are left and that XML cannot hold are replaced.
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
