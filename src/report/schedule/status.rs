//! What came of each job last, and what comes next, for `status`.
//!
//! Takes one [`JobRow`] a job, in file order, gives a table for people and a document for programs; its JSON Schema is
//! `schemas/status.schema.json`, and a test compares the two. Knows nothing of the store.
//! Invariant: of a job's steps the worst speaks for it; what is worst stands first.

use crate::model::StepName;
use crate::report::alerts::UndeliveredRow;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::table::Align::Left;
use crate::report::shared::table::{Cell, Tone, table};
use crate::report::shared::times;
use crate::run::{Outcome, State};
use crate::units::plural;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use std::time::Duration;

/// The number of the JSON format.
pub const FORMAT: u32 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub job: String,
    pub paused: bool,
    pub last: Option<Last>,
    /// Since when, and in which run, it is at work.
    pub running: Option<(String, DateTime<Utc>)>,
    /// When it runs next by its schedule, jitter included.
    pub next: Option<DateTime<Utc>>,
    /// It is left alone since it, or what it needs, failed too often of late.
    pub back_off: Option<BackOffRow>,
    /// The last instant of its schedule that should have been a run by now, and was none.
    pub overdue: Option<DateTime<Utc>>,
}

/// A target that failed too often of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackOffRow {
    /// `target:name`.
    pub target: String,
    /// How often it failed in a row.
    pub failures: u32,
    /// When it is tried again: RFC 3339, UTC.
    pub until: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub run: String,
    pub at: DateTime<Utc>,
    /// How long it took; `None` when it did not begin, or nobody knows.
    pub took: Option<Duration>,
    pub outcome: Outcome,
}

/// The outcome that speaks for a job whose steps ended so: the worst; of blocked ones the first, which names the
/// cause, and of other equals the last.
#[must_use]
pub fn speaker(outcomes: &[(StepName, Outcome)]) -> Option<Outcome> {
    let worst = outcomes.iter().rev().min_by_key(|(_, outcome)| rank(outcome.state))?;
    let cause = outcomes.iter().find(|(_, outcome)| outcome.state == State::Blocked);
    let told = cause.filter(|_| worst.1.state == State::Blocked).unwrap_or(worst);
    Some(told).map(|(_, outcome)| outcome.clone())
}

fn rank(state: State) -> u8 {
    match state {
        State::NoSpace => 0,
        State::Refused => 1,
        State::Failed => 2,
        State::Critical => 3,
        State::Interrupted => 4,
        State::Unknown => 5,
        State::Blocked => 6,
        State::Partial => 7,
        State::Warning => 8,
        // 9: jobs that never ran.
        State::Ok => 10,
        State::Nothing => 11,
        State::Paused => 12,
    }
}

/// Rank of what should have run: as what was interrupted.
const OVERDUE: u8 = 4;

/// Rank of what never ran: somebody should look at it, but nothing went wrong.
const NEVER: u8 = 9;

impl JobRow {
    /// True when somebody has to look at it. What is paused is meant to stand still.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        let state = self.last.as_ref().map(|last| last.outcome.state);
        let bad = state.is_some_and(|state| !state.opens() && state != State::Paused);
        !self.paused && (bad || self.overdue.is_some())
    }

    fn rank(&self) -> u8 {
        let rank = match &self.last {
            _ if self.paused => return rank(State::Paused),
            None => NEVER,
            Some(last) => rank(last.outcome.state),
        };
        rank.min(self.overdue.map_or(rank, |_| OVERDUE))
    }
}

/// Puts what is worst first; what is as bad stays in file order.
pub fn sort(rows: &mut [JobRow]) {
    rows.sort_by_key(JobRow::rank);
}

/// What came of each job last.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "opsrun status, format 2"))]
pub struct StatusDocument {
    /// Number of this format: 2.
    pub format: u32,
    /// The `ops` name.
    pub ops: String,
    /// When it was asked: RFC 3339, UTC.
    pub at: String,
    /// False when a job's last result is one that somebody has to look at, or one is overdue.
    pub well: bool,
    /// Worst first, then in file order.
    pub jobs: Vec<JobDocument>,
    /// Alerts that are not delivered, by channel in the order of names.
    pub undelivered: Vec<UndeliveredRow>,
}

/// One job.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JobDocument {
    /// `kind:name`.
    pub job: String,
    /// It is left out of runs now.
    pub paused: bool,
    /// Since when it is at work: RFC 3339, UTC.
    pub running_since: Option<String>,
    /// When it runs next by its schedule, jitter included: RFC 3339, UTC. Null when it has none, or is paused.
    pub next_run: Option<String>,
    /// It is left alone for a while; null when it is not.
    pub back_off: Option<BackOffRow>,
    /// The last instant of its schedule that should have been a run by now, and was none: RFC 3339, UTC.
    pub overdue_since: Option<String>,
    /// What came of it last; null when it never ran.
    pub last: Option<LastDocument>,
}

/// What came of a job.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LastDocument {
    /// In which run.
    pub run: String,
    /// When it was settled: RFC 3339, UTC.
    pub at: String,
    /// How long it took; null when it did not begin, or nobody knows.
    pub millis: Option<u64>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// For programs; `rows` are sorted.
#[must_use]
pub fn document(ops: &str, rows: &[JobRow], undelivered: &[UndeliveredRow], now: DateTime<Utc>) -> StatusDocument {
    let stamp = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let last = |last: &Last| LastDocument {
        run: last.run.clone(),
        at: stamp(last.at),
        millis: last
            .took
            .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        outcome: last.outcome.clone(),
    };
    let one = |row: &JobRow| JobDocument {
        job: row.job.clone(),
        paused: row.paused,
        running_since: row.running.as_ref().map(|(_, since)| stamp(*since)),
        next_run: row.next.map(stamp),
        back_off: row.back_off.clone(),
        overdue_since: row.overdue.map(stamp),
        last: row.last.as_ref().map(last),
    };
    StatusDocument {
        format: FORMAT,
        ops: ops.to_owned(),
        at: stamp(now),
        well: !rows.iter().any(JobRow::is_bad),
        jobs: rows.iter().map(one).collect(),
        undelivered: undelivered.to_vec(),
    }
}

/// For people; `rows` are sorted.
#[must_use]
pub fn status_text(rows: &[JobRow], now: DateTime<Utc>, zone: chrono_tz::Tz, style: Style) -> String {
    if rows.is_empty() {
        return "no jobs\n".to_owned();
    }
    let rows: Vec<[Cell; 7]> = rows.iter().map(|row| cells(row, now, zone)).collect();
    let heading = [
        "job",
        "result",
        &format!("when ({zone})"),
        "ago",
        "took",
        "next",
        "summary",
    ];
    table(heading, [Left; 7], &rows, style)
}

fn cells(row: &JobRow, now: DateTime<Utc>, zone: chrono_tz::Tz) -> [Cell; 7] {
    let state = row.last.as_ref().map(|last| last.outcome.state);
    let result = match state {
        Some(state) if row.paused => Cell::toned(format!("paused ({})", state.word()), Tone::Dim),
        None if row.paused => Cell::toned("paused", Tone::Dim),
        _ if row.overdue.is_some() => Cell::toned(overdue(state), Tone::Bad),
        None => Cell::toned("never ran", Tone::Warn),
        Some(state) => Cell::toned(state.word(), tone(state)),
    };
    let mut said = Vec::new();
    if let Some(since) = row.overdue.filter(|_| !row.paused) {
        said.push(format!("was due at {} and did not begin", times::local(since, zone)));
    }
    if let Some(left) = &row.back_off {
        let until = times::local(left.until, zone);
        let whose = if left.target == row.job {
            String::new()
        } else {
            format!("{}: ", one_line(&left.target))
        };
        let failures = plural(left.failures.into(), "failure", "failures");
        said.push(format!("{whose}left alone until {until} after {failures}"));
    }
    if let Some((_, since)) = &row.running {
        said.push(format!("running for {}", times::ago(*since, now)));
    }
    said.extend(row.last.as_ref().map(|last| one_line(&last.outcome.summary)));
    let last = |show: &dyn Fn(&Last) -> String| row.last.as_ref().map(show).unwrap_or_default();
    [
        Cell::toned(one_line(&row.job), Tone::Name),
        result,
        last(&|last| times::local(last.at, zone)).into(),
        last(&|last| times::ago(last.at, now)).into(),
        last(&|last| last.took.map(times::took_of).unwrap_or_default()).into(),
        row.next.map(|next| times::local(next, zone)).unwrap_or_default().into(),
        said.join("; ").into(),
    ]
}

/// What is overdue is told beside what came of it last.
fn overdue(last: Option<State>) -> String {
    last.map_or_else(|| "overdue".to_owned(), |state| format!("overdue ({})", state.word()))
}

fn tone(state: State) -> Tone {
    match state {
        State::Ok | State::Nothing => Tone::Good,
        State::Partial | State::Warning | State::Blocked | State::Interrupted => Tone::Warn,
        State::Critical | State::Unknown | State::Refused | State::Failed | State::NoSpace => Tone::Bad,
        State::Paused => Tone::Dim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(state: State) -> Outcome {
        Outcome {
            state,
            summary: state.word().to_owned(),
            help: None,
            details: Vec::new(),
        }
    }

    fn row(job: &str, paused: bool, state: Option<State>) -> JobRow {
        JobRow {
            job: job.to_owned(),
            paused,
            last: state.map(|state| Last {
                run: "01JD".to_owned(),
                at: "2026-11-23T12:00:00Z".parse().unwrap(),
                took: None,
                outcome: outcome(state),
            }),
            running: None,
            next: None,
            back_off: None,
            overdue: None,
        }
    }

    #[test]
    fn the_worst_step_speaks_for_the_job() {
        let of = |states: &[State]| {
            let steps: Vec<_> = states
                .iter()
                .map(|state| ("check:a".parse().unwrap(), outcome(*state)))
                .collect();
            speaker(&steps).map(|outcome| outcome.state)
        };
        assert_eq!(of(&[State::Failed, State::Blocked]), Some(State::Failed));
        assert_eq!(of(&[State::Partial, State::Ok]), Some(State::Partial));
        assert_eq!(of(&[State::Nothing, State::Ok]), Some(State::Ok));
        assert_eq!(of(&[]), None);
        let steps = [
            ("backup:a".parse().unwrap(), outcome(State::Ok)),
            (
                "verify:a".parse().unwrap(),
                Outcome {
                    summary: "b".into(),
                    ..outcome(State::Ok)
                },
            ),
        ];
        assert_eq!(speaker(&steps).unwrap().summary, "b");
    }

    #[test]
    fn the_worst_job_stands_first_and_equals_in_file_order() {
        let mut rows = [
            row("a", false, Some(State::Ok)),
            row("b", false, None),
            row("c", false, Some(State::Critical)),
            row("d", true, Some(State::Failed)),
            row("e", false, Some(State::Critical)),
            row("f", false, Some(State::Warning)),
            JobRow {
                overdue: Some("2026-11-23T12:00:00Z".parse().unwrap()),
                ..row("g", false, Some(State::Ok))
            },
        ];
        sort(&mut rows);
        assert_eq!(
            rows.each_ref().map(|row| row.job.as_str()),
            ["c", "e", "g", "f", "b", "a", "d"]
        );
        assert_eq!(
            rows.map(|row| row.is_bad()),
            [true, true, true, false, false, false, false]
        );
    }
}
