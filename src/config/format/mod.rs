//! An ops file in its usual form: white space as everybody has it, and nothing else changed.
//!
//! Takes a text, gives it with four blanks a level, one between words, at most one blank line in a row, and columns
//! aligned where their writer began to. Words, strings and comments stay as they are, byte for byte, and in order.
//! - `lines`: tokens → lines of words · `align`: which of them stand below one another · `width`: columns
//!
//! Knows the grammar of KDL, not the language of ops files; what `mend` or the parser refuse is refused here.
//! Invariant: the result means what the text meant, and is its own usual form. It is compared before it is given away.

mod align;
mod lines;
mod width;

use crate::config::findings::FindingSeverity;
use crate::config::nodes::TOP_NAMES;
use crate::config::source::import::LARGEST;
use crate::config::syntax::lexer::{self, TokenKind};
use crate::config::syntax::repair::mend;
use crate::config::syntax::tree::{self, SyntaxNode};
use lines::Line;

const INDENT: usize = 4;

/// Why a text has no usual form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Unformed {
    /// It is no KDL.
    Invalid,
    /// It would be larger than a file may be.
    TooLarge,
    /// It would have come to mean something else: a fault of ours.
    Changed,
}

pub(in crate::config) fn form(text: &str) -> Result<String, Unformed> {
    let nodes = nodes(text).ok_or(Unformed::Invalid)?;
    let formed = formed(text).ok_or(Unformed::TooLarge)?;
    if formed == text {
        return Ok(formed);
    }
    let same = self::nodes(&formed).is_some_and(|formed| alike(&nodes, &formed));
    if same && words(text).eq(words(&formed)) {
        Ok(formed)
    } else {
        Err(Unformed::Changed)
    }
}

/// White space changed, without another look. `None` when it grew too large.
fn formed(text: &str) -> Option<String> {
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
        if out.len() > LARGEST {
            return None;
        }
    }
    Some(out)
}

/// Some editors begin a file with it.
const BOM: &str = "\u{feff}";

fn draw(line: &Line<'_>, end: &str, out: &mut String) {
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
    if let Some(remark) = &line.remark {
        blanks(remark.gap, out);
        out.push_str(remark.text);
    }
    out.push_str(end);
}

/// What a text declares; `None` when it is no KDL.
fn nodes(text: &str) -> Option<Vec<SyntaxNode>> {
    let mended = mend::mend(text, 0, TOP_NAMES);
    let wrong = |severity| severity == FindingSeverity::Error;
    if mended.refused || mended.findings.iter().any(|finding| wrong(finding.severity)) {
        return None;
    }
    let mut nodes = Vec::new();
    for piece in &mended.pieces {
        nodes.extend(tree::parse(&mended, piece, 0).ok()?);
    }
    Some(nodes)
}

/// The same, wherever it stands.
fn alike(some: &[SyntaxNode], others: &[SyntaxNode]) -> bool {
    let value =
        |a: &tree::SyntaxValue, b: &tree::SyntaxValue| (&a.data, a.bare, a.annotated) == (&b.data, b.bare, b.annotated);
    some.len() == others.len()
        && some.iter().zip(others).all(|(a, b)| {
            (&a.name, a.annotated, a.args.len(), a.props.len()) == (&b.name, b.annotated, b.args.len(), b.props.len())
                && a.args.iter().zip(&b.args).all(|(a, b)| value(a, b))
                && a.props
                    .iter()
                    .zip(&b.props)
                    .all(|(a, b)| a.key == b.key && value(&a.value, &b.value))
                && match (&a.children, &b.children) {
                    (Some(a), Some(b)) => alike(a, b),
                    (None, None) => true,
                    _ => false,
                }
        })
}

/// All that is no white space, in order; of a comment to the end of its line what is no blank at its end.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let tokens = lexer::tokens(text).into_iter();
    tokens.flat_map(move |token| {
        let word = text.get(token.start..token.end).unwrap_or_default();
        let blank = |c| lexer::is_space(c) || lexer::is_newline(c);
        match token.kind {
            TokenKind::Space if word.starts_with('\\') => {
                let remark = word.get(1..).unwrap_or_default().trim_matches(blank);
                [Some("\\"), Some(remark).filter(|remark| !remark.is_empty())]
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
