//! A cron line: five fields with crontab meaning, and the wall-clock times that match.
//!
//! Takes text, gives a [`Cron`] or every mistake in it. Wall-clock times are counted in seconds since
//! 1970-01-01 00:00 *on the wall*: which instants they are is for `wall`. Every field is a set of numbers, and days are
//! tried one after the other. Invariant: times lie in the years 1970 to 2100; nothing loops longer.

use super::field::{CronError, Field, KINDS, UnevenStep, line, wrong};
use chrono::{Datelike as _, Months, NaiveDate};
use std::fmt;

/// A cron line that was understood.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    /// The last day of every month too.
    last_day: bool,
    months: u64,
    /// From Sunday, 0.
    weekdays: u64,
    fixed: bool,
    both_days: bool,
    never: bool,
    uneven: Vec<UnevenStep>,
}

const DAY: i64 = 86_400;
/// 2100-12-31, in days since 1970-01-01: the last day that is looked at.
const LAST_DAY: i64 = 47_846;
/// 1970-01-01 as chrono counts days.
const EPOCH: i32 = 719_163;

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
        let mut cron = Self {
            text: line(words),
            minutes: minute.values,
            hours: hour.values,
            days: day.values,
            last_day: day.last,
            months: month.values,
            weekdays: weekday.values,
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
        date(day).is_some_and(|date| self.matches(date))
    }

    fn matches(&self, date: NaiveDate) -> bool {
        let has = |set: u64, n: u32| set >> n & 1 == 1;
        let last = || self.last_day && date.day() == u32::from(date.num_days_in_month());
        let day = has(self.days, date.day()) || last();
        let weekday = has(self.weekdays, date.weekday().num_days_from_sunday());
        let found = if self.both_days { day || weekday } else { day && weekday };
        found && has(self.months, date.month())
    }

    fn day_at_or_after(&self, day: i64) -> Option<i64> {
        let mut day = day.max(0);
        while !self.never && day <= LAST_DAY {
            let date = date(day)?;
            if self.matches(date) {
                return Some(day);
            }
            day = if self.months >> date.month() & 1 == 1 {
                day + 1
            } else {
                number(date.with_day(1)?.checked_add_months(Months::new(1))?)
            };
        }
        None
    }

    fn day_at_or_before(&self, day: i64) -> Option<i64> {
        let mut day = day.min(LAST_DAY);
        while !self.never && day >= 0 {
            let date = date(day)?;
            if self.matches(date) {
                return Some(day);
            }
            day = if self.months >> date.month() & 1 == 1 {
                day - 1
            } else {
                number(date.with_day(1)?) - 1
            };
        }
        None
    }
}

/// The date of a day that is counted from 1970-01-01, of the years that are known.
fn date(day: i64) -> Option<NaiveDate> {
    let known = (0..=LAST_DAY).contains(&day);
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(day).ok().filter(|_| known)? + EPOCH)
}

fn number(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce() - EPOCH)
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

/// Not five fields after all: cannot be, and is still not a reason to stop.
fn unexpected(words: &[(usize, &str)]) -> CronError {
    wrong(
        0..words.last().map_or(0, |last| last.0 + last.1.len()),
        "this line is not five fields",
        "minute, hour, day of the month, month, day of the week",
        "write it in simpler terms, such as `cron \"0 3 * * *\"`",
    )
}
