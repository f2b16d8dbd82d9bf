//! Lists of other languages over several lines: `[` to `]`, commas at the ends of lines, lines `- value`.
//!
//! Takes the tokens of a file before the scan does, gives one finding a list with all of its values after the setting's
//! name, and makes one line of it.
//! Invariant: the values of a repaired list are still read.

use super::lists::{INVALID_LIST, LIST_SIGNS};
use super::repairer::Repairer;
use crate::config::findings::excerpt;
use crate::config::syntax::bare_word::{kdl_string, needs_quotes};
use crate::config::syntax::lexer::{self, Token, TokenKind};
use std::ops::Range;

/// Tokens of a list over several lines.
const MAX_LIST_TOKENS: usize = 2_000;

/// A list over several lines.
struct MultilineList {
    /// The indices of its values.
    values: Vec<usize>,
    /// The first token after the name and the first after the list.
    from: usize,
    to: usize,
    /// There are comments among the values.
    commented: bool,
    label: &'static str,
}

impl MultilineList {
    fn new(from: usize, to: usize, label: &'static str) -> Self {
        Self {
            values: Vec::new(),
            from,
            to,
            commented: false,
            label,
        }
    }

    /// Adds the value at an index, with which the list may end.
    fn add(&mut self, number: usize) {
        self.values.push(number);
        self.to = number + 1;
    }
}

impl Repairer<'_> {
    /// Makes one line of values of each list.
    pub(super) fn multiline_lists(&mut self, tokens: &mut [Token]) {
        let mut begin: Option<usize> = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at).copied() {
            match token.kind {
                TokenKind::Space | TokenKind::Comment { .. } | TokenKind::Paren | TokenKind::SlashDash => {}
                TokenKind::Newline | TokenKind::Semicolon | TokenKind::Open | TokenKind::Close => begin = None,
                TokenKind::Word { .. } | TokenKind::Text { .. } | TokenKind::Equals => {
                    let first = *begin.get_or_insert(at);
                    if let Some(list) = self.multiline_list(tokens, first, at) {
                        at = list.to;
                        self.flatten(tokens, first, &list);
                        continue;
                    }
                }
            }
            at += 1;
        }
    }

    fn multiline_list(&self, tokens: &[Token], first: usize, at: usize) -> Option<MultilineList> {
        let token = *tokens.get(at)?;
        let word = self.text_of(token);
        match token.kind {
            TokenKind::Word { .. } if at > first && word.starts_with('[') && !word.contains(']') => {
                let before = tokens.get(at - 1).copied()?;
                let sign = before.kind == TokenKind::Equals
                    || before.kind == TokenKind::Space && at >= 2 && tokens.get(at - 2)?.kind == TokenKind::Equals;
                self.bracketed(tokens, if sign { first + 1 } else { at }, at)
            }
            TokenKind::Word { .. } if at > first && word.ends_with(',') => self.comma_lines(tokens, first, at),
            TokenKind::Word { .. } if at == first && !word.starts_with('-') => self.dashed(tokens, at),
            _ => None,
        }
    }

    /// `[`, at `at`, to `]` on another line.
    fn bracketed(&self, tokens: &[Token], from: usize, at: usize) -> Option<MultilineList> {
        let mut list = MultilineList::new(from, at, "lists have no brackets");
        let mut newline = false;
        for (number, token) in tokens.iter().enumerate().skip(at).take(MAX_LIST_TOKENS) {
            match token.kind {
                TokenKind::Newline => newline = true,
                TokenKind::Space => {}
                TokenKind::Comment { .. } => list.commented = true,
                TokenKind::Text { closed: true, .. } => list.values.push(number),
                TokenKind::Word { .. } => {
                    let word = self.text_of(*token);
                    if number > at && word.starts_with('[') {
                        return None;
                    }
                    if !word.trim_matches(LIST_SIGNS).is_empty() {
                        list.values.push(number);
                    }
                    if word.contains(']') && !word.contains('[') {
                        list.to = number + 1;
                        return newline.then_some(list);
                    }
                }
                _ => return None,
            }
        }
        None
    }

    /// Lines that end with a comma, followed by lines with nothing but strings.
    fn comma_lines(&self, tokens: &[Token], first: usize, at: usize) -> Option<MultilineList> {
        let mut after = tokens
            .iter()
            .skip(at + 1)
            .filter(|token| token.kind != TokenKind::Space);
        if after.next()?.kind != TokenKind::Newline {
            return None;
        }
        let is_value = |number: &usize| {
            tokens.get(*number).is_some_and(|token| match token.kind {
                TokenKind::Text { .. } => true,
                TokenKind::Word { .. } => !self.text_of(*token).trim_matches(',').is_empty(),
                _ => false,
            })
        };
        let head: Vec<usize> = (first + 1..=at).filter(is_value).collect();
        let mut list = MultilineList::new(*head.first()?, at, "lists have no commas");
        list.values = head;
        let mut comma = true;
        let mut newline = false;
        for (number, token) in tokens.iter().enumerate().skip(at + 1).take(MAX_LIST_TOKENS) {
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Comment { .. } => list.commented = true,
                TokenKind::Newline if comma && !newline => newline = true,
                TokenKind::Text { closed: true, .. } if comma && newline => {
                    let next = tokens.get(number + 1..)?.iter().find(|t| t.kind != TokenKind::Space);
                    let key = next.is_some_and(|t| t.kind == TokenKind::Equals || self.text_of(*t).starts_with(':'));
                    if key {
                        return None;
                    }
                    list.add(number);
                    (comma, newline) = (false, false);
                }
                TokenKind::Word { .. } if !comma && self.text_of(*token) == "," => {
                    comma = true;
                    list.to = number + 1;
                }
                _ => break,
            }
        }
        (list.to > at).then_some(list)
    }

    /// A name alone on its line, followed by lines `- value`.
    fn dashed(&self, tokens: &[Token], at: usize) -> Option<MultilineList> {
        let mut list = MultilineList::new(at + 1, at, "lists have no dashes");
        // What is expected: 0 the end of the line, 1 a dash, 2 a value.
        let mut state = 0;
        for (number, token) in tokens.iter().enumerate().skip(at + 1).take(MAX_LIST_TOKENS) {
            match (token.kind, state) {
                (TokenKind::Space, _) => {}
                (TokenKind::Comment { .. }, _) => list.commented |= !list.values.is_empty(),
                (TokenKind::Newline, 0 | 1) => state = 1,
                (TokenKind::Word { .. }, 1) if self.text_of(*token) == "-" => state = 2,
                (TokenKind::Text { closed: true, .. } | TokenKind::Word { .. }, 2)
                    if !self.text_of(*token).ends_with(':') =>
                {
                    list.add(number);
                    state = 0;
                }
                (TokenKind::Semicolon | TokenKind::Close, 0 | 1)
                | (TokenKind::Word { .. } | TokenKind::Text { .. }, 1) => break,
                _ => return None,
            }
        }
        (!list.values.is_empty()).then_some(list)
    }

    /// Reports how the list is written, and makes one line of it.
    fn flatten(&mut self, tokens: &mut [Token], first: usize, list: &MultilineList) {
        let (Some(begin), Some(from), Some(last)) = (
            tokens.get(first).copied(),
            tokens.get(list.from).copied(),
            tokens.get(list.to - 1).copied(),
        ) else {
            return;
        };
        let mut head = tokens.get(first..list.from).unwrap_or_default().iter().rev();
        let head = head.find(|token| !matches!(token.kind, TokenKind::Space | TokenKind::Equals));
        let head_end = head.map_or(begin.end, |token| token.end);
        let name = self.slice(begin.start..head_end).trim_end_matches(':');
        let written = self.separated(tokens, &list.values);
        self.report_list(from.start..last.end, list.label);
        self.help(format!(
            "write `{}`",
            excerpt(&format!("{}{written}", name.trim_matches('"')))
        ));
        let name_end = begin.start + name.len();
        if !list.commented && !name.is_empty() {
            self.fix(&[(name_end, last.end, &written)]);
        }
        // What is between the values goes; commas and brackets that touched one are cut off already.
        self.blank_out(name_end..head_end);
        if let Some(begin) = tokens.get_mut(first)
            && begin.end == head_end
        {
            begin.end = name_end;
        }
        let mut at = head_end;
        for number in &list.values {
            if let Some(token) = tokens.get(*number).copied() {
                self.blank_out(at..token.start);
                at = token.end;
            }
        }
        self.blank_out(at..last.end);
        for (number, token) in tokens.iter_mut().enumerate().take(list.to).skip(list.from) {
            if list.values.binary_search(&number).is_err() {
                token.kind = TokenKind::Space;
            }
        }
    }

    /// Cuts the signs of lists off the values, and gives them as they must be written.
    fn separated(&mut self, tokens: &mut [Token], values: &[usize]) -> String {
        let mut written = String::new();
        for number in values {
            let Some(token) = tokens.get_mut(*number) else {
                continue;
            };
            let text = self.text_of(*token);
            written.push(' ');
            if matches!(token.kind, TokenKind::Text { .. }) {
                written.push_str(text);
                continue;
            }
            let bare = text.trim_matches(LIST_SIGNS);
            token.start += text.find(bare).unwrap_or(0);
            token.end = token.start + bare.len();
            if needs_quotes(bare) || bare.contains(',') || matches!(bare, "true" | "false" | "null") {
                written.push_str(&kdl_string(bare));
                let (raw, closed) = (true, true);
                token.kind = TokenKind::Text { raw, closed };
                self.placeholder(*token);
            } else {
                written.push_str(bare);
            }
        }
        written
    }

    /// Reports a list at its first line that is not empty.
    fn report_list(&mut self, range: Range<usize>, label: &'static str) {
        let text = self.slice(range.clone());
        let mut lines = text.split(lexer::is_newline).map(str::trim_end);
        let shown = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let start = range.start + text.find(shown).unwrap_or(0);
        let indent = shown.len() - shown.trim_start().len();
        self.syntax_error(start + indent..start + shown.len(), INVALID_LIST, label);
    }
}
