//! A cron line: five fields with crontab meaning, and the wall-clock times that match.
//!
//! Takes text, gives a [`Cron`] or every mistake in it. Wall-clock times are counted in seconds since
//! 1970-01-01 00:00 *on the wall*: which instants they are is for `wall`. The `cron` crate finds the days, as
//! if all were UTC; hours and minutes are two sets. Invariant: times lie in the years 1970 to 2100; nothing loops longer.

use super::field::{Field, KINDS, Mistake};
use chrono::DateTime;
use std::fmt;
use std::ops::Range;

/// A cron line that was understood.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    /// Bit n for minute n.
    minutes: u64,
    /// Bit n for hour n.
    hours: u64,
    /// The days on which it runs: those of any of these, which match at midnight.
    days: Vec<::cron::Schedule>,
    every_day: bool,
    fixed: bool,
    both_days: bool,
    never: bool,
    uneven: Vec<(Range<usize>, String)>,
}

/// Something wrong with a part of a cron line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    /// First byte of the part, on a character boundary.
    pub start: usize,
    /// The byte behind the part, on a character boundary.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right there.
    pub label: String,
    /// What to write instead.
    pub help: String,
}

const DAY: i64 = 86_400;
/// 2100-12-31, in days since 1970-01-01: the last day that the crate knows.
const LAST_DAY: i64 = 47_846;

/// What crontab's names for whole lines stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Cron {
    /// Reads a line; every field's mistakes are reported at once.
    pub fn parse(text: &str) -> Result<Self, Vec<CronError>> {
        let words = words(text);
        if let Some(mistake) = shape(text, &words) {
            return Err(vec![mistake.into()]);
        }
        let mut mistakes = Vec::new();
        let fields: Vec<Field> = KINDS
            .iter()
            .zip(&words)
            .map(|(kind, (start, word))| kind.parse(word, *start, &mut mistakes))
            .collect();
        if !mistakes.is_empty() {
            return Err(with_the_line(text, mistakes));
        }
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(vec![unexpected(text)]);
        };
        let list = |field: &Field, map: fn(u32) -> u32| {
            let numbers: Vec<String> = field.list().map(|n| map(n).to_string()).collect();
            numbers.join(",")
        };
        let same = |n| n;
        // The crate counts the days of the week from 1, Sunday first.
        let (day_list, month_list, weekday_list) = (list(day, same), list(month, same), list(weekday, |n| n % 7 + 1));
        let both_days = !day.starred && !weekday.starred;
        let lines = if both_days {
            vec![
                format!("0 0 0 {day_list} {month_list} *"),
                format!("0 0 0 * {month_list} {weekday_list}"),
            ]
        } else {
            vec![format!("0 0 0 {day_list} {month_list} {weekday_list}")]
        };
        let days: Result<Vec<::cron::Schedule>, _> = lines.iter().map(|line| line.parse()).collect();
        let days = days.map_err(|_| vec![unexpected(text)])?;
        let mut cron = Self {
            text: words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" "),
            minutes: minute.values,
            hours: hour.values,
            days,
            every_day: day.values.count_ones() == 31
                && month.values.count_ones() == 12
                && weekday.values.count_ones() == 7,
            fixed: !minute.starred && !hour.starred,
            both_days,
            never: false,
            uneven: fields.iter().flat_map(|field| field.uneven.clone()).collect(),
        };
        cron.never = cron.at_or_after(0).is_none();
        Ok(cron)
    }

    /// No date matches, such as on 30 February.
    #[must_use]
    pub fn never_fires(&self) -> bool {
        self.never
    }

    /// Neither day field starts with `*`: either of them may match.
    #[must_use]
    pub fn both_days_restricted(&self) -> bool {
        self.both_days
    }

    /// Steps that are not what they seem: where they stand in the text that was read, and what they really do.
    #[must_use]
    pub fn uneven_steps(&self) -> Vec<(Range<usize>, String)> {
        self.uneven.clone()
    }

    /// Neither the minute nor the hour starts with `*`: times of the day, which a change of clocks may skip or repeat.
    #[must_use]
    pub fn fixed_time(&self) -> bool {
        self.fixed
    }

    /// The first matching time on the wall at or after that one.
    pub(super) fn at_or_after(&self, wall: i64) -> Option<i64> {
        let minute = wall.max(0).checked_add(59)?.div_euclid(60);
        let day = minute / 1440;
        let within = if self.day_matches(day) {
            self.minute_at_or_after((minute % 1440) as u32)
                .map(|found| (day, found))
        } else {
            None
        };
        let (day, found) = match within {
            Some(found) => found,
            None => (self.day_at_or_after(day + 1)?, self.first_minute()),
        };
        Some(day * DAY + i64::from(found) * 60)
    }

    /// The last matching time on the wall at or before that one.
    pub(super) fn at_or_before(&self, wall: i64) -> Option<i64> {
        if wall < 0 {
            return None;
        }
        let minute = wall.min((LAST_DAY + 1) * DAY - 1) / 60;
        let day = minute / 1440;
        let within = if self.day_matches(day) {
            self.minute_at_or_before((minute % 1440) as u32)
                .map(|found| (day, found))
        } else {
            None
        };
        let (day, found) = match within {
            Some(found) => found,
            None => (self.day_at_or_before(day - 1)?, self.minute_at_or_before(1439)?),
        };
        Some(day * DAY + i64::from(found) * 60)
    }

    /// The first matching minute of a day.
    pub(super) fn first_minute(&self) -> u32 {
        self.hours.trailing_zeros() * 60 + self.minutes.trailing_zeros()
    }

    /// The matching minutes of a day, in order.
    pub(super) fn minutes_of_day(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(self.minute_at_or_after(0), |last| self.minute_at_or_after(last + 1))
    }

    fn minute_at_or_after(&self, minute: u32) -> Option<u32> {
        if minute >= 1440 {
            return None;
        }
        let (hour, minute) = (minute / 60, minute % 60);
        if self.hours >> hour & 1 == 1 {
            let rest = self.minutes >> minute;
            if rest != 0 {
                return Some(hour * 60 + minute + rest.trailing_zeros());
            }
        }
        let later = self.hours >> (hour + 1);
        (later != 0).then(|| (hour + 1 + later.trailing_zeros()) * 60 + self.minutes.trailing_zeros())
    }

    fn minute_at_or_before(&self, minute: u32) -> Option<u32> {
        let last = |bits: u64| bits.checked_ilog2();
        let (hour, minute) = (minute / 60, minute % 60);
        if self.hours >> hour & 1 == 1
            && let Some(found) = last(self.minutes & (u64::MAX >> (63 - minute)))
        {
            return Some(hour * 60 + found);
        }
        let earlier = last(self.hours & ((1 << hour) - 1))?;
        Some(earlier * 60 + last(self.minutes)?)
    }

    fn day_matches(&self, day: i64) -> bool {
        if !(0..=LAST_DAY).contains(&day) {
            return false;
        }
        self.every_day
            || DateTime::from_timestamp(day * DAY, 0)
                .is_some_and(|midnight| self.days.iter().any(|days| days.includes(midnight)))
    }

    fn day_at_or_after(&self, day: i64) -> Option<i64> {
        if day > LAST_DAY {
            return None;
        }
        if self.day_matches(day) {
            return Some(day);
        }
        let start = DateTime::from_timestamp(day.max(0) * DAY, 0)?;
        let first = |days: &::cron::Schedule| days.after(&start).next();
        let found = self.days.iter().filter_map(first).min()?;
        Some(found.timestamp().div_euclid(DAY))
    }

    fn day_at_or_before(&self, day: i64) -> Option<i64> {
        if day < 0 {
            return None;
        }
        if self.day_matches(day) {
            return Some(day);
        }
        let start = DateTime::from_timestamp(day.min(LAST_DAY) * DAY, 0)?;
        let last = |days: &::cron::Schedule| days.after(&start).next_back();
        let found = self.days.iter().filter_map(last).max()?;
        Some(found.timestamp().div_euclid(DAY))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl From<Mistake> for CronError {
    fn from(mistake: Mistake) -> Self {
        Self {
            start: mistake.at.start,
            end: mistake.at.end,
            message: mistake.message,
            label: mistake.label,
            help: mistake.help,
        }
    }
}

/// The words of a line, with where each one starts.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split(char::is_whitespace) {
        if !word.is_empty() {
            found.push((at, word));
        }
        at += word.len();
        at += text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
    }
    found
}

/// A wrong number of fields, or a line that is no fields at all.
fn shape(text: &str, words: &[(usize, &str)]) -> Option<Mistake> {
    let (first, last) = match words {
        [] => {
            return Some(Mistake {
                at: 0..text.len(),
                message: "a cron line has five fields, and here is none".to_owned(),
                label: "minute, hour, day of the month, month, day of the week".to_owned(),
                help: "write for example `cron \"0 3 * * *\"` for every day at 03:00".to_owned(),
                fix: None,
            });
        }
        [first, .., last] => (first, last),
        [only] => (only, only),
    };
    let all = first.0..last.0 + last.1.len();
    if first.1.starts_with('@') {
        return Some(nickname(words, first, all));
    }
    let count = words.len();
    let line = |words: &[(usize, &str)]| words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
    let valid = |line: String| Cron::parse(&line).is_ok().then_some(line);
    if count < 5 {
        let stars = " *".repeat(5 - count);
        let meant = valid(format!("{}{stars}", line(words)));
        return Some(Mistake {
            at: all,
            message: format!(
                "a cron line has five fields, and here {} {count}",
                if count == 1 { "is" } else { "are" }
            ),
            label: "minute, hour, day of the month, month, day of the week".to_owned(),
            help: match meant {
                Some(meant) => format!("write all five, `*` for any: `cron \"{meant}\"`"),
                None => "write all five, `*` for any: `cron \"0 3 * * *\"` is every day at 03:00".to_owned(),
            },
            fix: None,
        });
    }
    (count > 5).then(|| too_many(words, first, last, all))
}

fn nickname(words: &[(usize, &str)], first: &(usize, &str), all: Range<usize>) -> Mistake {
    let name = first.1.to_ascii_lowercase();
    let meant = NICKNAMES.iter().find(|(known, _)| *known == name);
    let help = match (meant, name.as_str(), words) {
        (Some((_, line)), ..) => format!("write `cron \"{line}\"`"),
        (_, "@reboot", _) => {
            "nothing runs because the machine starts: let the unit that starts opsrun call `opsrun apply` first"
                .to_owned()
        }
        (_, "@every", [_, (_, period), ..]) if crate::units::parse_duration(period).is_ok() => {
            format!("write `every \"{period}\"` instead of `cron`")
        }
        (_, "@every", _) => "write `every \"5m\"` instead of `cron`".to_owned(),
        _ => "write five fields: `cron \"0 0 * * *\"` is every day at midnight".to_owned(),
    };
    Mistake {
        at: all,
        message: format!("`{}` is not five fields", first.1),
        label: "minute, hour, day of the month, month, day of the week".to_owned(),
        help,
        fix: None,
    }
}

fn too_many(words: &[(usize, &str)], first: &(usize, &str), last: &(usize, &str), all: Range<usize>) -> Mistake {
    let count = words.len();
    let line = |words: &[(usize, &str)]| words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
    let valid = |words: Option<&[(usize, &str)]>| {
        let line = line(words?);
        Cron::parse(&line).is_ok().then_some(line)
    };
    let end = |word: &(usize, &str)| word.0..word.0 + word.1.len();
    let year = last.1.len() == 4 && last.1.bytes().all(|b| b.is_ascii_digit());
    let only_stars = words.iter().skip(1).all(|(_, word)| *word == "*");
    let seconds = first
        .1
        .strip_prefix("*/")
        .filter(|n| n.parse().is_ok_and(|n| (1..=59).contains(&n)));
    let (at, label, help) = match (count, valid(words.get(1..6)), valid(words.get(..5))) {
        (6, _, Some(line)) if year => (
            end(last),
            "a year would be the sixth",
            format!("leave out the year: `cron \"{line}\"`, every year"),
        ),
        (6, _, _) if only_stars && (seconds.is_some() || first.1 == "*") => (
            end(first),
            "seconds would be the first",
            format!("write `every \"{}s\"` instead of `cron`", seconds.unwrap_or("1")),
        ),
        (6, Some(line), _) => (
            end(first),
            "seconds would be the first: a cron line has none",
            format!("leave out the seconds: `cron \"{line}\"`"),
        ),
        (7, Some(line), _) => (
            all,
            "seconds would be the first and a year the last: a cron line has neither",
            format!("leave out both: `cron \"{line}\"`"),
        ),
        (_, _, Some(line)) => (
            words.get(5).map_or(all.clone(), |sixth| sixth.0..all.end),
            "the day of the week is the last field",
            format!("write the times alone, `cron \"{line}\"`; what is to run stands in a `target`"),
        ),
        _ => (
            all,
            "minute, hour, day of the month, month, day of the week",
            "write five fields: `cron \"0 3 * * *\"` is every day at 03:00".to_owned(),
        ),
    };
    Mistake {
        at,
        message: format!("a cron line has five fields, and here are {count}"),
        label: label.to_owned(),
        help,
        fix: None,
    }
}

/// Adds the whole line to the helps, when it is known how to mend every mistake in it.
fn with_the_line(text: &str, mut mistakes: Vec<Mistake>) -> Vec<CronError> {
    mistakes.sort_by_key(|mistake| mistake.at.start);
    let mut mended = String::new();
    let mut at = 0;
    let mut known = true;
    for mistake in &mistakes {
        match (&mistake.fix, text.get(at..mistake.at.start)) {
            (Some(fix), Some(between)) => {
                mended.push_str(between);
                mended.push_str(fix);
                at = mistake.at.end;
            }
            _ => known = false,
        }
    }
    mended.push_str(text.get(at..).unwrap_or_default());
    // What is not mended wholly is not read again: it would come back here.
    let line = (known && mended != text).then(|| Cron::parse(&mended).ok()).flatten();
    let line = line.map(|cron| cron.to_string());
    let mut errors: Vec<CronError> = mistakes.into_iter().map(CronError::from).collect();
    if let Some(line) = line {
        for error in &mut errors {
            error.help = format!("{}: `cron \"{line}\"`", error.help);
        }
    }
    errors
}

/// The crate refuses what was understood here: cannot be, and is still no reason to stop.
fn unexpected(text: &str) -> CronError {
    CronError {
        start: 0,
        end: text.len(),
        message: "this line could not be made into a calendar".to_owned(),
        label: "it is understood, and still refused".to_owned(),
        help: "write it in simpler terms, such as `cron \"0 3 * * *\"`".to_owned(),
    }
}
