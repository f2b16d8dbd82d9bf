//! The syntax of single values on the command line.
//!
//! Invariant: durations have the syntax of the ops file.

use crate::model::job::InvalidJobName;
use crate::model::state::State;
use crate::model::{JobKind, JobName, StepName};
use crate::time_zone::Zone;
use crate::units::{UnitError, parse_duration};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::time::Duration;

/// The states in which a job can end, as JSON names them.
const OUTCOMES: [(&str, State); 11] = [
    ("ok", State::Ok),
    ("nothing", State::Nothing),
    ("partial", State::Partial),
    ("warning", State::Warning),
    ("critical", State::Critical),
    ("unknown", State::Unknown),
    ("refused", State::Refused),
    ("failed", State::Failed),
    ("no-space", State::NoSpace),
    ("blocked", State::Blocked),
    ("interrupted", State::Interrupted),
];

pub fn outcome() -> impl TypedValueParser<Value = State> {
    let state = |word: String| {
        let found = OUTCOMES.into_iter().find(|(known, _)| *known == word);
        found.map(|(_, state)| state).ok_or("unknown outcome")
    };
    PossibleValuesParser::new(OUTCOMES.map(|(word, _)| word)).try_map(state)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With an offset: RFC 3339.
    Exact(DateTime<Utc>),
    /// Without an offset: in the time zone of the ops file.
    Local(NaiveDateTime),
    /// A whole day there.
    Day(NaiveDate),
}

impl Moment {
    /// A day is its beginning. A repeated local time is the first of the two; a skipped one is the end of the gap.
    pub fn resolve(self, zone: &Zone) -> DateTime<Utc> {
        let local = match self {
            Self::Exact(at) => return at,
            Self::Local(local) => local,
            Self::Day(day) => day.and_time(NaiveTime::MIN),
        };
        zone.first_instant(local)
    }

    /// As a limit that is included: a day is its last nanosecond.
    pub fn resolve_end(self, zone: &Zone) -> DateTime<Utc> {
        match self {
            Self::Day(day) => match day.succ_opt() {
                Some(next) => Self::Day(next).resolve(zone) - chrono::TimeDelta::nanoseconds(1),
                None => DateTime::<Utc>::MAX_UTC,
            },
            Self::Exact(_) | Self::Local(_) => self.resolve(zone),
        }
    }
}

/// `2026-11-23T21:00:00+09:00`, or `2026-11-23`, `2026-11-23 21:00`, `2026-11-23 21:00:30`.
pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::Exact(at.to_utc()));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(Moment::Day(date));
    }
    let forms = [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
    ];
    let local = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    local
        .map(Moment::Local)
        .ok_or_else(|| "expected `2026-11-23`, `2026-11-23 21:00` or `2026-11-23T21:00:00+09:00`".to_owned())
}

pub fn span(text: &str) -> Result<(Moment, Moment), String> {
    let (from, until) = text
        .split_once("..")
        .ok_or_else(|| "expected two times, as in `2026-12-24..2026-12-27`".to_owned())?;
    Ok((moment(from)?, moment(until)?))
}

/// A duration; `0s` is allowed.
pub fn lock_wait(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) => Ok(duration),
        Err(UnitError::Zero) => Ok(Duration::ZERO),
        Err(error) => Err(explain(&error, "`90s` or `5m`")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldTime(pub Option<Duration>);

/// `7d`, or `none`.
pub fn hold_time(text: &str) -> Result<HoldTime, String> {
    if text == "none" {
        return Ok(HoldTime(None));
    }
    parse_duration(text)
        .map(|duration| HoldTime(Some(duration)))
        .map_err(|error| explain(&error, "`7d` or `none`"))
}

fn explain(error: &UnitError, examples: &str) -> String {
    match error {
        UnitError::Unit { found, allowed } if found.is_empty() => {
            format!("the unit is missing; use one of {allowed}, as in {examples}")
        }
        UnitError::Number(_) => format!("a duration starts with a number, as in {examples}"),
        other => format!("{other}, as in {examples}"),
    }
}

pub fn retention(text: &str) -> Result<JobName, String> {
    match text.parse::<JobName>() {
        Ok(job) if job.kind == JobKind::Retention && crate::units::check_name(&job.name).is_ok() => Ok(job),
        _ => Err("expected one retention, as in `retention:observer`".to_owned()),
    }
}

/// `kind:name`. The name of a step gives an error with the name of its job.
pub fn job(text: &str) -> Result<JobName, String> {
    text.parse()
        .map_err(|error: InvalidJobName| match text.parse::<StepName>() {
            Ok(step) => format!("`{step}` is a step; use its job, `{}`", step.job()),
            Err(_) => error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_and_without_an_offset() {
        let zone = &crate::time_zone::built_in("Asia/Seoul").unwrap();
        let at = |text: &str| moment(text).unwrap().resolve(zone).to_rfc3339();
        assert_eq!(at("2026-11-23T21:00:00+09:00"), "2026-11-23T12:00:00+00:00");
        assert_eq!(at("2026-11-23"), "2026-11-22T15:00:00+00:00");
        assert_eq!(at("2026-11-23 21:00"), "2026-11-23T12:00:00+00:00");
        assert_eq!(at("2026-11-23T21:00:30"), "2026-11-23T12:00:30+00:00");
        for bad in ["", "today", "2026-13-01", "2026-11-23 25:00", "1700000000"] {
            assert!(moment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn clock_changes_are_resolved() {
        let zone = &crate::time_zone::built_in("Europe/Berlin").unwrap();
        let at = |text: &str| moment(text).unwrap().resolve(zone).to_rfc3339();
        assert_eq!(at("2026-03-29 02:30"), "2026-03-29T01:00:00+00:00");
        assert_eq!(at("2026-10-25 02:30"), "2026-10-25T00:30:00+00:00");
    }

    #[test]
    fn a_step_is_not_a_job() {
        assert_eq!(job("backup:a").unwrap().to_string(), "backup:a");
        assert!(job("verify:a").unwrap_err().ends_with("`backup:a`"));
        assert!(job("cleanup:a").unwrap_err().ends_with("`retention:a`"));
        assert!(job("a").unwrap_err().contains("kind:name"));
    }

    #[test]
    fn waits_and_holds() {
        assert_eq!(lock_wait("0s"), Ok(Duration::ZERO));
        assert_eq!(lock_wait("5m"), Ok(Duration::from_mins(5)));
        assert!(lock_wait("5").is_err());
        assert_eq!(hold_time("none"), Ok(HoldTime(None)));
        assert_eq!(hold_time("7d"), Ok(HoldTime(Some(Duration::from_hours(168)))));
        assert!(hold_time("0s").is_err());
        assert!(retention("retention:a").is_ok());
        assert!(retention("backup:a").is_err());
    }
}
