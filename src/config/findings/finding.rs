//! A finding: an error or a warning, its places, and how to fix it.
//!
//! Knows nothing of KDL or of the language, only spans.
//! Invariant: every span lies on character boundaries.

use super::code::{Code, FindingSeverity};
use crate::config::source::Span;
use crate::path::Shown;
use std::fmt;

const MAX_EXCERPT: usize = 80;
const MAX_ADVICE: usize = 400;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    /// May be empty.
    pub text: String,
}

/// Edits that remove the cause of a finding: mechanical, and certainly what was meant.
#[derive(Clone, PartialEq, Eq)]
pub struct Fix {
    /// In a few words: `write "5m"`.
    pub title: String,
    /// Old spans and their new texts; in order, without overlaps, in one file.
    pub edits: Vec<(Span, String)>,
    /// The new text holds a secret, or replaces one.
    pub secret: bool,
}

/// Without the new texts, which may hold a secret.
impl fmt::Debug for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spans: Vec<Span> = self.edits.iter().map(|(span, _)| *span).collect();
        f.debug_struct("Fix")
            .field("title", &self.title)
            .field("edits", &spans)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub severity: FindingSeverity,
    /// A lower-case fragment without a full stop.
    pub message: String,
    /// The first is the place of the error; the others are related places, also in other files.
    pub labels: Vec<Label>,
    pub help: Option<String>,
    pub fix: Option<Fix>,
}

impl Finding {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        let text = label.into();
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: vec![Label { span, text }],
            help: None,
            fix: None,
        }
    }

    /// Offers to replace the text under `span`.
    pub(crate) fn fix(self, span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        self.fixes(Self::title(&text), vec![(span, text)])
    }

    /// The title of an edit that writes `text`.
    pub(crate) fn title(text: &str) -> String {
        match text.trim() {
            "" if text.is_empty() => "delete it".to_owned(),
            "" => "insert a space".to_owned(),
            shown => format!("write `{}`", excerpt(shown)),
        }
    }

    /// Offers several edits at once.
    pub(crate) fn fixes(mut self, title: impl Into<String>, edits: Vec<(Span, String)>) -> Self {
        self.fix = Some(Fix {
            title: title.into(),
            edits,
            secret: false,
        });
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a related place, if there is one.
    pub(crate) fn also(mut self, span: impl Into<Option<Span>>, label: impl Into<String>) -> Self {
        let text = label.into();
        self.labels.extend(span.into().map(|span| Label { span, text }));
        self
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = FindingSeverity::Warning;
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == FindingSeverity::Error
    }

    pub fn span(&self) -> Span {
        self.labels.first().map_or(Span::default(), |label| label.span)
    }
}

/// Findings in file order, without duplicates.
pub(crate) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (a.span().start, a.code, &a.message).cmp(&(b.span().start, b.code, &b.message)));
    findings.dedup();
    findings
}

/// Text of the user, as a message shows it: one line of at most [`MAX_EXCERPT`] characters.
pub(crate) fn excerpt(text: &str) -> String {
    shortened(text, MAX_EXCERPT)
}

/// Help that contains text of the user: long enough for a whole line to write.
pub(crate) fn advice_text(text: &str) -> String {
    shortened(text, MAX_ADVICE)
}

fn shortened(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most + 1).map_or(text.len(), |(at, _)| at);
    let text = text.get(..end).unwrap_or_default();
    let shown = Shown(text.as_bytes()).to_string().replace("\\\\", "\\");
    match shown.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or_default()),
        None => shown,
    }
}
