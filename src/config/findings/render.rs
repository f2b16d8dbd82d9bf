//! Findings for people, in the graphical form of miette.

use super::code::FindingSeverity;
use super::finding::Finding;
use crate::config::source::SourceMap;
use crate::units::{plural, show_count};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceSpan};
use std::fmt;

const MAX_PRINTED: usize = 50;

/// The findings for people: miette's graphical form for the first fifty, and a line of totals.
pub(crate) fn render(findings: &[Finding], sources: &SourceMap, color: bool, width: usize) -> String {
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width.clamp(40, 400))
        .without_syntax_highlighting();
    let mut out = String::new();
    for finding in findings.iter().take(MAX_PRINTED) {
        let shown = MietteReport { finding, sources };
        if handler.render_report(&mut out, &shown).is_err() {
            out = format!("{out}{shown:?}: {shown}\n");
        }
        out.push('\n');
    }
    out = out.replace(HYPHEN, "-").replace(SLASH, "/");
    if !findings.is_empty() {
        out.push_str(&totals(findings));
        out.push('\n');
    }
    out
}

/// Placeholders for `-` and `/` while miette wraps lines: it would break paths and names at them.
const HYPHEN: char = '\u{e000}';
const SLASH: char = '\u{e001}';

fn unbroken(text: &str) -> String {
    text.replace('-', "\u{e000}").replace('/', "\u{e001}")
}

fn totals(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count() as u64;
    let (errors, warnings) = (count(FindingSeverity::Error), count(FindingSeverity::Warning));
    let parts = [(errors, "error", "errors"), (warnings, "warning", "warnings")];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, one, many)| plural(count, one, many)).collect();
    let mut line = parts.join(", ");
    if findings.len() > MAX_PRINTED {
        let all = show_count(findings.len() as u64);
        line = format!("{line}; the first {MAX_PRINTED} of {all} are shown");
    }
    line
}

struct MietteReport<'a> {
    finding: &'a Finding,
    sources: &'a SourceMap,
}

impl fmt::Display for MietteReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&unbroken(&self.finding.message))
    }
}

impl fmt::Debug for MietteReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.finding.code.id(), self.finding.code.slug())
    }
}

impl std::error::Error for MietteReport<'_> {}

impl miette::Diagnostic for MietteReport<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{self:?}")))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            FindingSeverity::Error => miette::Severity::Error,
            FindingSeverity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.finding.help.as_ref()?;
        Some(Box::new(unbroken(help)))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.sources)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = self.finding.span();
        Some(Box::new(self.finding.labels.iter().map(move |label| {
            let drawn = self.sources.drawable(label.span);
            let span = SourceSpan::new(drawn.start.into(), drawn.len());
            let text = (!label.text.is_empty()).then(|| unbroken(&label.text));
            if label.span == primary {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        })))
    }
}
