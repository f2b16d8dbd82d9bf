//! The forms of single values on the command line.
//!
//! Takes text, gives values; used by clap, whose error names the flag around ours. Knows no commands.
//! Invariant: what the ops file accepts as a duration is accepted here, and nothing is guessed.

use super::args::{FindingsFormat, Wanted};
use crate::model::job::InvalidJobName;
use crate::model::{JobKind, JobName, StepName};
use crate::units::{UnitError, parse_duration};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With its offset: RFC 3339.
    Exact(DateTime<Utc>),
    /// Without: in the time zone of the ops file.
    Local(NaiveDateTime),
}

impl Moment {
    /// The instant; of a time that a clock change repeats the first, of one that it skips the end of the gap.
    #[must_use]
    pub fn resolve(self, zone: chrono_tz::Tz) -> DateTime<Utc> {
        let local = match self {
            Self::Exact(at) => return at,
            Self::Local(local) => local,
        };
        // No gap of any zone is longer than a day.
        (0..=24 * 60)
            .find_map(|minutes| {
                let later = local.checked_add_signed(chrono::TimeDelta::minutes(minutes))?;
                zone.from_local_datetime(&later).earliest()
            })
            .map_or_else(|| local.and_utc(), |at| at.to_utc())
    }
}

/// `json`, `json=findings.json`, `json=-`.
pub fn wanted(text: &str) -> Result<Wanted, String> {
    let (word, path) = match text.split_once('=') {
        Some((word, path)) => (word, Some(path)),
        None => (text, None),
    };
    let format = FindingsFormat::ALL.into_iter().find(|format| format.word() == word);
    match (format, path) {
        (None, _) => Err("formats are text, json, github, sarif and junit".to_owned()),
        (Some(_), Some("")) => Err(format!("a path is missing: `{word}={word}.out`")),
        (Some(format), path) => Ok(Wanted {
            format,
            path: path.filter(|path| *path != "-").map(Into::into),
        }),
    }
}

/// `2026-11-23T21:00:00+09:00`, or `2026-11-23`, `2026-11-23 21:00`, `2026-11-23 21:00:30`.
pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::Exact(at.to_utc()));
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(Moment::Local(date.and_time(NaiveTime::MIN)));
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
        .ok_or_else(|| "use `2026-11-23`, `2026-11-23 21:00` or `2026-11-23T21:00:00+09:00`".to_owned())
}

pub fn span(text: &str) -> Result<(Moment, Moment), String> {
    let (from, until) = text
        .split_once("..")
        .ok_or_else(|| "use two moments, as in `2026-12-24..2026-12-27`".to_owned())?;
    Ok((moment(from)?, moment(until)?))
}

/// A duration, as in the ops file; `0s` is none.
pub fn wait(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) => Ok(duration),
        Err(UnitError::Zero) => Ok(Duration::ZERO),
        Err(error) => Err(explain(&error, "`90s` or `5m`")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold(pub Option<Duration>);

/// `7d`, or `none`.
pub fn hold(text: &str) -> Result<Hold, String> {
    if text == "none" {
        return Ok(Hold(None));
    }
    parse_duration(text)
        .map(|duration| Hold(Some(duration)))
        .map_err(|error| explain(&error, "`7d` or `none`"))
}

fn explain(error: &UnitError, examples: &str) -> String {
    match error {
        UnitError::Unit { found, allowed } if found.is_empty() => {
            format!("the unit is missing: use one of {allowed}, as in {examples}")
        }
        other => format!("{other}, as in {examples}"),
    }
}

pub fn retention(text: &str) -> Result<JobName, String> {
    match text.parse::<JobName>() {
        Ok(job) if job.kind == JobKind::Retention && crate::units::check_name(&job.name).is_ok() => Ok(job),
        _ => Err("name one retention, as in `retention:observer`".to_owned()),
    }
}

/// `kind:name`; who names a step is told its job.
pub fn job(text: &str) -> Result<JobName, String> {
    text.parse()
        .map_err(|error: InvalidJobName| match text.parse::<StepName>() {
            Ok(step) => format!("that is a step: name its job, `{}`", step.job()),
            Err(_) => error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_and_without_an_offset() {
        let zone = chrono_tz::Asia::Seoul;
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
    fn clock_changes_have_an_answer() {
        let zone = chrono_tz::Europe::Berlin;
        let at = |text: &str| moment(text).unwrap().resolve(zone).to_rfc3339();
        assert_eq!(at("2026-03-29 02:30"), "2026-03-29T01:00:00+00:00");
        assert_eq!(at("2026-10-25 02:30"), "2026-10-25T00:30:00+00:00");
    }

    #[test]
    fn a_step_is_no_job() {
        assert_eq!(job("backup:a").unwrap().to_string(), "backup:a");
        assert!(job("verify:a").unwrap_err().ends_with("`backup:a`"));
        assert!(job("cleanup:a").unwrap_err().ends_with("`retention:a`"));
        assert!(job("a").unwrap_err().contains("kind:name"));
    }

    #[test]
    fn waits_and_holds() {
        assert_eq!(wait("0s"), Ok(Duration::ZERO));
        assert_eq!(wait("5m"), Ok(Duration::from_mins(5)));
        assert!(wait("5").is_err());
        assert_eq!(hold("none"), Ok(Hold(None)));
        assert_eq!(hold("7d"), Ok(Hold(Some(Duration::from_hours(168)))));
        assert!(hold("0s").is_err());
        assert!(retention("retention:a").is_ok());
        assert!(retention("backup:a").is_err());
    }
}
