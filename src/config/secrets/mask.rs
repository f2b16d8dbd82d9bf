//! The texts of findings without secrets: messages, labels, help, and the titles of fixes.
//!
//! Takes findings and the masked stretches of the files, and replaces every secret of those files in every text, whole or
//! cut short, by `…`. What builds a message knows nothing of it.
//! Invariant: of a secret of [`KNOWN_BY`] characters or more no text shows so many from its start.

use super::names::is_node;
use super::words::is_quote;
use crate::config::findings::Finding;
use crate::config::source::SourceMap;
use std::collections::{BTreeSet, HashMap};

/// So many characters are enough to know a secret by: the rest may have been cut or escaped. Shorter ones are replaced
/// only in what is quoted.
const KNOWN_BY: usize = 12;
/// Shorter ones are words like others, and are replaced only as whole words.
const MIN_PART: usize = 6;

/// `values` are what values of the files mean that are secrets, without escapes.
pub fn mask(findings: &mut [Finding], sources: &SourceMap, values: &[String]) {
    let masks = sources.masks();
    if masks.is_empty() {
        return;
    }
    let shown = masks.iter().map(|mask| sources.text(*mask));
    let secrets = Secrets::of(shown.chain(values.iter().map(String::as_str)));
    for finding in findings {
        secrets.mask(&mut finding.message);
        finding.help.iter_mut().for_each(|help| secrets.mask(help));
        for label in &mut finding.labels {
            secrets.mask(&mut label.text);
        }
        if let Some(fix) = &mut finding.fix {
            secrets.mask(&mut fix.title);
            // What a fix writes is mostly made of what it takes out.
            fix.secret = fix.edits.iter().any(|(span, text)| {
                let after = masks.partition_point(|mask| mask.end <= span.start);
                masks.get(after).is_some_and(|mask| mask.touches(*span)) || secrets.are_in(text)
            });
        }
    }
}

#[derive(Default)]
struct Secrets {
    /// By their first [`KNOWN_BY`] characters; of several with the same the longest.
    by_start: HashMap<String, String>,
    /// How many characters the keys have.
    lengths: BTreeSet<usize>,
}

impl Secrets {
    fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut secrets = Self::default();
        // A message has one line, and may hold what is between two quotes.
        let parts = |text: &'t str| {
            let parts = text.split(|c| is_quote(c) || c == '\n').map(str::trim);
            parts.filter(|part| part.len() >= MIN_PART && !is_node(part))
        };
        for text in texts.flat_map(|text| std::iter::once(text).chain(parts(text))) {
            let start = prefix(text, KNOWN_BY).unwrap_or(text);
            let longest = secrets.by_start.entry(start.to_owned()).or_default();
            if text.len() > longest.len() {
                secrets.lengths.insert(start.chars().count());
                text.clone_into(longest);
            }
        }
        secrets
    }

    fn are_in(&self, text: &str) -> bool {
        text.char_indices().any(|(at, _)| self.at(text, at, true).is_some())
    }

    fn mask(&self, text: &mut String) {
        let mut out = String::with_capacity(text.len());
        let (mut at, mut ticks, mut quotes) = (0, 0, 0);
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            if let Some(length) = self.at(text, at, ticks % 2 + quotes % 2 > 0) {
                out.push('…');
                at += length;
            } else {
                ticks += usize::from(c == '`');
                quotes += usize::from(c == '"');
                out.push(c);
                at += c.len_utf8();
            }
        }
        *text = out;
    }

    /// How many bytes of a text from a place on are a secret: never 0.
    fn at(&self, text: &str, at: usize, quoted: bool) -> Option<usize> {
        let (before, text) = text.split_at_checked(at)?;
        self.lengths.iter().rev().find_map(|length| {
            let start = prefix(text, *length)?;
            let secret = self.by_start.get(start)?;
            let rest = text.strip_prefix(secret.as_str());
            if *length == KNOWN_BY {
                // What was cut or escaped goes with it, up to the last quote after its start: the start may be a quote.
                let quote = text.rfind(['`', '"']).filter(|quote| *quote >= start.len());
                return Some(rest.map_or(quote.unwrap_or(text.len()), |_| secret.len()));
            }
            let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            let alone = edge(before.chars().next_back()) && edge(rest?.chars().next());
            (quoted && (*length >= MIN_PART || alone)).then_some(secret.len())
        })
    }
}

/// The first characters, when there are so many.
fn prefix(text: &str, chars: usize) -> Option<&str> {
    let (last, c) = text.char_indices().nth(chars.checked_sub(1)?)?;
    text.get(..last + c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_secrets_whole_or_cut() {
        let masked = |text: &str, secret: &str| {
            let mut text = text.to_owned();
            Secrets::of(std::iter::once(secret)).mask(&mut text);
            text
        };
        for (text, secret, without) in [
            ("write `env \"A\" \"hunter2\"`", "hunter2", "write `env \"A\" \"…\"`"),
            ("write `-phunter2`", "hunter2", "write `-p…`"),
            ("`0123456789abcdef…` is bad", "0123456789abcdefghij", "`…` is bad"),
            ("a value `a` in a file", "a", "a value `…` in a file"),
            ("a `0123456789a cut", "`0123456789abcdefghij", "a …"),
            ("is \"0123456789ab` cut", "\"0123456789abcdefghij", "is …` cut"),
            ("`X` holds a secret: `x secret`", "secret", "`X` holds a secret: `x …`"),
        ] {
            assert_eq!(masked(text, secret), without);
        }
    }
}
