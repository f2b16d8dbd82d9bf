//! The lines of a crontab.
//!
//! Takes one line, gives what cron reads it as, by crontab(5) of Vixie cron and cronie. Checks no field.
//! Invariant: any other line is [`CrontabLine::Unknown`]; no line is dropped.

use crate::model::schedule::nickname;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CrontabLine<'a> {
    /// Blanks at most.
    Blank,
    Comment(&'a str),
    /// `NAME=value`.
    Setting(&'a str, &'a str),
    /// The user is known only in a crontab with a column for users.
    Entry {
        when: CronTime<'a>,
        user: Option<&'a str>,
        command: &'a str,
    },
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CronTime<'a> {
    /// Five fields, one blank between them.
    Fields(String),
    /// `@daily`, as its five fields.
    Named(&'static str),
    /// `@reboot`, or an unknown name.
    Other(&'a str),
}

/// `users`: the crontab has a column for users.
pub(super) fn line(text: &str, users: bool) -> CrontabLine<'_> {
    let text = text.trim_start_matches(BLANK);
    if text.trim().is_empty() {
        return CrontabLine::Blank;
    }
    if let Some(comment) = text.strip_prefix('#') {
        return CrontabLine::Comment(comment);
    }
    if let Some((name, value)) = setting(text) {
        return CrontabLine::Setting(name, value);
    }
    entry(text, users).unwrap_or(CrontabLine::Unknown)
}

const BLANK: [char; 2] = [' ', '\t'];

/// Name and value may be quoted, and there may be blanks around `=`.
fn setting(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let name = unquoted(name.trim_matches(BLANK));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((name, unquoted(value.trim_matches(BLANK).trim_end_matches('\r'))))
}

fn unquoted(text: &str) -> &str {
    let within = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

fn entry(text: &str, users: bool) -> Option<CrontabLine<'_>> {
    let mut rest = text;
    let when = if text.starts_with('@') {
        let name = word(&mut rest)?;
        nickname(name).map_or(CronTime::Other(name), CronTime::Named)
    } else {
        let mut fields = Vec::new();
        for _ in 0..5 {
            let field = word(&mut rest)?;
            // A field is made of numbers, names and a few signs.
            if !field.starts_with(|c: char| c.is_ascii_alphanumeric() || "*~-".contains(c)) {
                return None;
            }
            fields.push(field);
        }
        CronTime::Fields(fields.join(" "))
    };
    let user = if users { Some(word(&mut rest)?) } else { None };
    let command = rest.trim_matches(BLANK).trim_end_matches('\r');
    (!command.is_empty()).then_some(CrontabLine::Entry { when, user, command })
}

/// Removes and gives the first word, and the blanks after it.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest.find(BLANK).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start_matches(BLANK);
    (!word.is_empty()).then_some(word)
}
