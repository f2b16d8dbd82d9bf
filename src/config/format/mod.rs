//! The usual form of an ops file: only white space changes.
//!
//! Takes a text, gives it with four blanks a level, one between words, at most one blank line in a row, and columns
//! aligned where the author started to. Words, strings and comments stay as they are, byte for byte, and in order.
//! - `lines`: tokens → lines of words · `align`: tables and comments
//!
//! Knows the grammar of KDL, not the language of ops files; what the repairs or the parser report is refused here.
//! Invariant: the result means the same, and formatting it again changes nothing. Its meaning is compared before it is
//! returned.

mod align;
mod lines;

use crate::config::findings::Finding;
use crate::config::nodes::TOP_NAMES;
use crate::config::syntax::lexer::{self, TokenKind};
use crate::config::syntax::limits::MAX_FILE_SIZE;
use crate::config::syntax::parser;
use crate::config::syntax::repair::repair;
use crate::config::syntax::tree::{SyntaxNode, SyntaxValue};
use lines::{INDENT, SourceLine};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatFailure {
    /// It is not valid KDL.
    Invalid,
    /// It would be larger than a file may be.
    TooLarge,
    /// Its meaning would change: a bug of opsrun.
    Changed,
}

pub fn format(text: &str) -> Result<String, FormatFailure> {
    let nodes = nodes(text).ok_or(FormatFailure::Invalid)?;
    let new = reformatted(text).ok_or(FormatFailure::TooLarge)?;
    if new == text {
        return Ok(new);
    }
    let same = self::nodes(&new).is_some_and(|new| same_meaning(&nodes, &new));
    if same && words(text).eq(words(&new)) {
        Ok(new)
    } else {
        Err(FormatFailure::Changed)
    }
}

/// The new text, not yet compared. `None` when it is too large.
fn reformatted(text: &str) -> Option<String> {
    let (mark, body) = match text.strip_prefix(BOM) {
        Some(body) => (BOM, body),
        None => ("", text),
    };
    let tokens = lexer::tokens(body);
    let mut lines = lines::lines(body, &tokens);
    align::align(&mut lines);
    let breaks = tokens.iter().filter_map(|token| {
        let text = body.get(token.start..token.end)?;
        let ends = matches!(token.kind, TokenKind::Newline | TokenKind::Space) && text.ends_with(lexer::is_newline);
        ends.then(|| text.ends_with("\r\n"))
    });
    let mut breaks = breaks.peekable();
    let crlf = breaks.peek().is_some() && breaks.all(|crlf| crlf);
    let mut out = mark.to_owned();
    for line in &lines {
        draw(line, if crlf { "\r\n" } else { "\n" }, &mut out);
        if out.len() > MAX_FILE_SIZE {
            return None;
        }
    }
    Some(out)
}

/// Some editors put it at the start of a file.
const BOM: &str = "\u{feff}";

fn draw(line: &SourceLine<'_>, end: &str, out: &mut String) {
    let blanks = |count: usize, out: &mut String| out.extend(std::iter::repeat_n(' ', count));
    if line.blank_before {
        out.push_str(end);
    }
    if !line.words.is_empty() {
        blanks(line.indent * INDENT, out);
    }
    for word in &line.words {
        blanks(word.gap, out);
        out.push_str(&word.text);
    }
    if let Some(comment) = &line.comment {
        blanks(comment.gap, out);
        out.push_str(comment.text);
    }
    out.push_str(end);
}

/// The tree of a text; `None` when it is not valid KDL.
fn nodes(text: &str) -> Option<Vec<SyntaxNode>> {
    let repaired = repair(text, 0, TOP_NAMES);
    if repaired.refused || repaired.findings.iter().any(Finding::is_error) {
        return None;
    }
    let mut nodes = Vec::new();
    for piece in &repaired.pieces {
        nodes.extend(parser::parse(&repaired, piece, 0).ok()?);
    }
    Some(nodes)
}

/// Whether two trees differ in their spans only.
fn same_meaning(some: &[SyntaxNode], others: &[SyntaxNode]) -> bool {
    let value = |a: &SyntaxValue, b: &SyntaxValue| (&a.data, a.bare, a.annotated) == (&b.data, b.bare, b.annotated);
    some.len() == others.len()
        && some.iter().zip(others).all(|(a, b)| {
            (&a.name, a.annotated, a.args.len(), a.props.len()) == (&b.name, b.annotated, b.args.len(), b.props.len())
                && a.args.iter().zip(&b.args).all(|(a, b)| value(a, b))
                && a.props
                    .iter()
                    .zip(&b.props)
                    .all(|(a, b)| a.key == b.key && value(&a.value, &b.value))
                && match (&a.children, &b.children) {
                    (Some(a), Some(b)) => same_meaning(a, b),
                    (None, None) => true,
                    _ => false,
                }
        })
}

/// Everything but white space, in order; line comments without the blanks at their end.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let tokens = lexer::tokens(text).into_iter();
    tokens.flat_map(move |token| {
        let word = text.get(token.start..token.end).unwrap_or_default();
        let blank = |c| lexer::is_space(c) || lexer::is_newline(c);
        match token.kind {
            TokenKind::Space if word.starts_with('\\') => {
                let comment = word.get(1..).unwrap_or_default().trim_matches(blank);
                [Some("\\"), Some(comment).filter(|comment| !comment.is_empty())]
            }
            TokenKind::Space | TokenKind::Newline => [None, None],
            TokenKind::Comment { .. } if word.starts_with("//") => [Some(word.trim_end_matches(blank)), None],
            _ => [Some(word), None],
        }
        .into_iter()
        .flatten()
    })
}

#[cfg(test)]
mod tests;
