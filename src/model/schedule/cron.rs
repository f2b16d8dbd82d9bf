//! A cron line: five fields with crontab meaning, and the wall-clock times that match.
//!
//! Takes text, gives a [`Cron`] or every mistake in it. Wall-clock times are counted in seconds since
//! 1970-01-01 00:00 *on the wall*: which instants they are is for `wall`. The `cron` crate finds the days, as
//! if all were UTC; hours and minutes are two sets. Invariant: times lie in the years 1970 to 2100; nothing loops longer.

use super::field::{CronError, Field, KINDS, UnevenStep, line, wrong};
use chrono::{DateTime, Datelike as _, Utc};
use std::fmt;

/// A cron line that was understood.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    /// The days on which it runs: all days that match any of these, at midnight.
    days: Vec<DayLine>,
    every_day: bool,
    fixed: bool,
    both_days: bool,
    never: bool,
    uneven: Vec<UnevenStep>,
}

/// Days that the crate finds.
#[derive(Debug, Clone)]
struct DayLine {
    calendar: ::cron::Schedule,
    /// Of these only the last ones of their months: the crate does not know `L`.
    last_days: bool,
}

const DAY: i64 = 86_400;
/// 2100-12-31, in days since 1970-01-01: the last day that the crate knows.
const LAST_DAY: i64 = 47_846;
impl Cron {
    /// The words of a line, if they are five good fields.
    pub(super) fn understand(words: &[(usize, &str)]) -> Result<Self, Vec<CronError>> {
        let mut mistakes = Vec::new();
        let fields: Vec<Field> = KINDS
            .iter()
            .zip(words)
            .map(|(kind, (start, word))| kind.parse(word, *start, &mut mistakes))
            .collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(vec![unexpected(words)]);
        };
        let days = day_lines(day, month, weekday).map_err(|_| vec![unexpected(words)])?;
        let mut cron = Self {
            text: line(words),
            minutes: minute.values,
            hours: hour.values,
            days,
            every_day: day.values.count_ones() == 31
                && month.values.count_ones() == 12
                && weekday.values.count_ones() == 7,
            fixed: !minute.starred && !hour.starred,
            both_days: !day.starred && !weekday.starred,
            never: false,
            uneven: fields.iter().flat_map(|field| field.uneven.clone()).collect(),
        };
        cron.never = cron.at_or_after(0).is_none();
        Ok(cron)
    }

    /// No date matches, such as on 30 February.
    pub fn never_fires(&self) -> bool {
        self.never
    }

    /// Neither day field starts with `*`: either of them may match.
    pub fn both_days_restricted(&self) -> bool {
        self.both_days
    }

    /// Steps that are not what they seem.
    pub fn uneven_steps(&self) -> &[UnevenStep] {
        &self.uneven
    }

    /// Neither the minute nor the hour starts with `*`: times of the day, which a change of clocks may skip or repeat.
    pub fn fixed_time(&self) -> bool {
        self.fixed
    }

    /// Some hours are left out.
    pub(super) fn names_hours(&self) -> bool {
        self.hours.count_ones() < 24
    }

    /// How many times of a day match.
    pub fn times_a_day(&self) -> u32 {
        self.hours.count_ones() * self.minutes.count_ones()
    }

    /// The first matching time on the wall at or after that one.
    pub(super) fn at_or_after(&self, wall: i64) -> Option<i64> {
        let minute = wall.max(0).checked_add(59)?.div_euclid(60);
        let day = minute / 1440;
        let today = self
            .day_matches(day)
            .then(|| self.minute_at_or_after((minute % 1440) as u32));
        let (day, found) = match today.flatten() {
            Some(found) => (day, found),
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
        let today = self
            .day_matches(day)
            .then(|| self.minute_at_or_before((minute % 1440) as u32));
        let (day, found) = match today.flatten() {
            Some(found) => (day, found),
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
        let first = |days: &DayLine| days.calendar.after(&start).find(|midnight| days.takes(*midnight));
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
        let last = |days: &DayLine| days.calendar.after(&start).rfind(|midnight| days.takes(*midnight));
        let found = self.days.iter().filter_map(last).max()?;
        Some(found.timestamp().div_euclid(DAY))
    }
}

impl DayLine {
    fn includes(&self, midnight: DateTime<Utc>) -> bool {
        self.calendar.includes(midnight) && self.takes(midnight)
    }

    fn takes(&self, midnight: DateTime<Utc>) -> bool {
        !self.last_days || midnight.date_naive().succ_opt().is_none_or(|next| next.day() == 1)
    }
}

/// The days of these fields as lines of the `cron` crate: those that match any of them. It counts the days of the week
/// from 1, Sunday first.
fn day_lines(day: &Field, month: &Field, weekday: &Field) -> Result<Vec<DayLine>, ::cron::error::Error> {
    let list = |field: &Field, map: fn(u32) -> u32| {
        let numbers: Vec<String> = field.list().map(|n| map(n).to_string()).collect();
        numbers.join(",")
    };
    let (months, weekdays) = (list(month, |n| n), list(weekday, |n| n % 7 + 1));
    let both_days = !day.starred && !weekday.starred;
    let of_dates = if both_days { "*" } else { &weekdays };
    let mut lines = Vec::new();
    let mut add = |days: &str, weekdays: &str, last_days| {
        let calendar = format!("0 0 0 {days} {months} {weekdays}").parse()?;
        lines.push(DayLine { calendar, last_days });
        Ok::<(), ::cron::error::Error>(())
    };
    if day.values != 0 {
        add(&list(day, |n| n), of_dates, false)?;
    }
    if day.last {
        add("28-31", of_dates, true)?;
    }
    if both_days {
        add("*", &weekdays, false)?;
    }
    Ok(lines)
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

/// The crate refuses what was understood here: cannot be, and is still not a reason to stop.
fn unexpected(words: &[(usize, &str)]) -> CronError {
    wrong(
        0..words.last().map_or(0, |last| last.0 + last.1.len()),
        "this line could not be made into a calendar",
        "it is understood, and still refused",
        "write it in simpler terms, such as `cron \"0 3 * * *\"`",
    )
}
