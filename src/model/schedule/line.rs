//! Lines that are not five fields, and what to write instead of a wrong one.
//!
//! Takes the words of a line and the mistakes in them, gives mistakes with the line that was meant, where it is known.
//! Invariant: a line that is offered is one that would be accepted.

use super::cron::Cron;
use super::field::{CronError, KINDS, line, words, wrong};
use std::ops::Range;

const FIELDS: &str = "minute, hour, day of the month, month, day of the week";

/// The meaning of crontab's names for whole lines.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The five fields that a name such as `@daily` means, in any case.
pub fn nickname(name: &str) -> Option<&'static str> {
    let (_, line) = NICKNAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(line)
}

impl Cron {
    /// Reads a line; every field's mistakes are reported at once.
    pub fn parse(text: &str) -> Result<Self, Vec<CronError>> {
        let words = words(text);
        if let [(_, name)] = words.as_slice()
            && let Some(five) = nickname(name)
        {
            return Self::understand(&super::field::words(five));
        }
        if let Some(mistake) = shape(text, &words) {
            return Err(vec![mistake]);
        }
        Self::understand(&words).map_err(|mistakes| with_the_line(text, mistakes))
    }
}

/// A line that could be written instead, as it would be shown.
fn valid(text: &str) -> Option<String> {
    let words = words(text);
    let five = words.len() == KINDS.len() && Cron::understand(&words).is_ok();
    five.then(|| line(&words))
}

/// A wrong number of fields, or a line without fields.
fn shape(text: &str, words: &[(usize, &str)]) -> Option<CronError> {
    let (first, last) = match words {
        [] => {
            let message = "a cron line has five fields, but this one is empty";
            let help = "write for example `cron \"0 3 * * *\"` for every day at 03:00";
            return Some(wrong(0..text.len(), message, FIELDS, help));
        }
        [first, .., last] => (first, last),
        [only] => (only, only),
    };
    let all = first.0..last.0 + last.1.len();
    if first.1.starts_with('@') {
        return Some(named(words, first, all));
    }
    let count = words.len();
    if count < 5 {
        let stars = " *".repeat(5 - count);
        let meant = valid(&format!("{}{stars}", line(words)));
        let message = format!("a cron line has five fields, but this one has {count}");
        let help = match meant {
            Some(meant) => format!("write all five, `*` for any: `cron \"{meant}\"`"),
            None => "write all five, `*` for any: `cron \"0 3 * * *\"` is every day at 03:00".to_owned(),
        };
        return Some(wrong(all, message, FIELDS, help));
    }
    (count > 5).then(|| too_many(words, first, last, all))
}

fn named(words: &[(usize, &str)], first: &(usize, &str), all: Range<usize>) -> CronError {
    let help = match (nickname(first.1), first.1.to_ascii_lowercase().as_str(), words) {
        (Some(_), name, _) => format!("write the name alone, `cron \"{name}\"`; the command belongs in a `target`"),
        (_, "@reboot", _) => {
            "no schedule follows the start of the machine: let the unit that starts opsrun call `opsrun apply` first"
                .to_owned()
        }
        (_, "@every", [_, (_, period), ..]) if crate::units::parse_duration(period).is_ok() => {
            format!("write `every \"{period}\"` instead of `cron`")
        }
        (_, "@every", _) => "write `every \"5m\"` instead of `cron`".to_owned(),
        _ => "write five fields: `cron \"0 0 * * *\"` is every day at midnight".to_owned(),
    };
    let message = match nickname(first.1) {
        Some(_) => format!("`{}` is a whole cron line by itself", first.1),
        None => format!("`{}` does not name a clock time", first.1),
    };
    let label = "names: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually";
    wrong(all, message, label, help)
}

fn too_many(words: &[(usize, &str)], first: &(usize, &str), last: &(usize, &str), all: Range<usize>) -> CronError {
    let count = words.len();
    let valid = |words: Option<&[(usize, &str)]>| valid(&line(words?));
    let end = |word: &(usize, &str)| word.0..word.0 + word.1.len();
    let year = last.1.len() == 4 && last.1.bytes().all(|b| b.is_ascii_digit());
    let only_stars = words.iter().skip(1).all(|(_, word)| *word == "*");
    let seconds = first.1.strip_prefix("*/");
    let seconds = seconds.filter(|n| n.parse().is_ok_and(|n| (1..=59).contains(&n)));
    let mut line_meant = None;
    let (at, label, help) = match (count, valid(words.get(1..6)), valid(words.get(..5))) {
        (6, _, Some(line)) if year => (
            end(last),
            "a cron line has no field for the year",
            format!("leave out the year: `cron \"{line}\"`, every year"),
        ),
        (6, _, _) if only_stars && (seconds.is_some() || first.1 == "*") => (
            end(first),
            "a cron line has no field for seconds",
            format!("write `every \"{}s\"` instead of `cron`", seconds.unwrap_or("1")),
        ),
        (6, Some(line), _) => (
            end(first),
            "a cron line has no field for seconds",
            match valid(words.get(..5)).filter(|first| *first != line) {
                // An hour in third place means that seconds come first.
                Some(other) if words.get(2).is_some_and(|(_, word)| *word != "*") => {
                    format!("`cron \"{line}\"` without the seconds, or `cron \"{other}\"`")
                }
                Some(other) => format!("`cron \"{other}\"`, or `cron \"{line}\"` if seconds came first"),
                None if first.1 == "0" => {
                    line_meant = Some(line.clone());
                    format!("leave out the seconds: `cron \"{line}\"`")
                }
                None => format!("`cron \"{line}\"` without the seconds: it runs at second 0 only"),
            },
        ),
        (7, Some(line), _) => (
            all,
            "a cron line has no fields for seconds and the year",
            format!("leave out both: `cron \"{line}\"`, at second 0 and every year"),
        ),
        (_, _, Some(line)) => (
            words.get(5).map_or(all.clone(), |sixth| sixth.0..all.end),
            "the day of the week is the last field",
            format!("write the times alone, `cron \"{line}\"`; the command belongs in a `target`"),
        ),
        _ => (
            all,
            FIELDS,
            "write five fields: `cron \"0 3 * * *\"` is every day at 03:00".to_owned(),
        ),
    };
    let message = format!("a cron line has five fields, but this one has {count}");
    CronError {
        line: line_meant,
        ..wrong(at, message, label, help)
    }
}

/// A time zone that other programs take in front of a line: `TZ=Europe/Berlin 30 4 * * *`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePrefix<'a> {
    /// As it is written: `TZ=Europe/Berlin`.
    pub text: &'a str,
    /// Where it starts in the line.
    pub start: usize,
    pub zone: &'a str,
    pub rest: &'a str,
}

pub fn zone_prefix(line: &str) -> Option<ZonePrefix<'_>> {
    let start = line.len() - line.trim_start().len();
    let whole = line.get(start..)?;
    let text = whole.get(..whole.find(char::is_whitespace).unwrap_or(whole.len()))?;
    let (name, zone) = text.split_once('=')?;
    if !["TZ", "CRON_TZ"].iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return None;
    }
    Some(ZonePrefix {
        text,
        start,
        zone: zone.trim_matches(['"', '\'']).trim_start_matches(':'),
        rest: whole.get(text.len()..)?.trim(),
    })
}

/// Adds the whole line to the help texts, when every mistake in it can be fixed.
fn with_the_line(text: &str, mut mistakes: Vec<CronError>) -> Vec<CronError> {
    mistakes.sort_by_key(|mistake| mistake.at.start);
    let mut fixed = String::new();
    let mut at = 0;
    let mut known = true;
    for mistake in &mistakes {
        match (&mistake.fix, text.get(at..mistake.at.start)) {
            (Some(fix), Some(between)) => {
                fixed.push_str(between);
                fixed.push_str(fix);
                at = mistake.at.end;
            }
            _ => known = false,
        }
    }
    fixed.push_str(text.get(at..).unwrap_or_default());
    let line = if known { valid(&fixed) } else { None };
    if let Some(line) = line {
        for mistake in &mut mistakes {
            mistake.help = format!("{}: `cron \"{line}\"`", mistake.help);
            mistake.line = Some(line.clone());
        }
    }
    mistakes
}
