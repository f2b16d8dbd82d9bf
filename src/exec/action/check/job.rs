//! How fresh and how slow another job is, by the history.
//!
//! Takes what the history says and the present, gives an outcome. Waits for nothing. Where the history knows no success of
//! a backup, its newest copy counts: the state may be lost, and the copies are all there.
//! Invariant: a job that never succeeded is critical where its freshness is asked for; where only the length of its
//! runs is asked for and none ended, it is unknown.

use super::measured;
use crate::exec::action::outcome;
use crate::exec::own_copies::NewestCopy;
use crate::model::JobName;
use crate::model::check::Levels;
use crate::run::{JobHistory, Outcome, State};
use chrono::{DateTime, TimeDelta, Utc};
use std::cmp::Reverse;
use std::time::Duration;

/// By how much a clock may be corrected without a word.
const BACK: TimeDelta = TimeDelta::seconds(60);

pub fn probe(
    job: &JobName,
    history: JobHistory,
    copy: Option<&NewestCopy>,
    age: &Levels<Duration>,
    duration: &Levels<Duration>,
    now: DateTime<Utc>,
) -> Outcome {
    let asked = |levels: &Levels<Duration>| levels.warn.is_some() || levels.critical.is_some();
    let mut found = Vec::new();
    // Without thresholds, everything known is reported.
    if asked(age) || !asked(duration) || history.succeeded_at.is_some() {
        found.push(freshness(job, history.succeeded_at, copy, age, now));
    }
    if asked(duration) || history.took.is_some() {
        found.push(match history.took {
            Some(took) => measured::from(took, |took| format!("last run took {took}"), duration),
            None => (State::Unknown, "no run has ended yet".to_owned()),
        });
    }
    // The worst first; what is equally bad stays in its order.
    found.sort_by_key(|(state, _)| Reverse(gravity(*state)));
    let state = found.first().map_or(State::Unknown, |(state, _)| *state);
    let texts: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
    outcome(state, texts.join("; "))
}

fn freshness(
    job: &JobName,
    succeeded_at: Option<DateTime<Utc>>,
    copy: Option<&NewestCopy>,
    age: &Levels<Duration>,
    now: DateTime<Utc>,
) -> (State, String) {
    match (succeeded_at, copy) {
        (Some(at), _) => aged("its last success", at, age, now, |age| {
            format!("last success {age} ago")
        }),
        (None, Some(NewestCopy::Found { at, .. })) => aged("its newest copy", *at, age, now, |age| {
            format!("newest copy {age} old, of a run that the history does not know")
        }),
        (None, Some(NewestCopy::Absent(why) | NewestCopy::Unreachable(why))) => (
            State::Unknown,
            format!("the history knows no success of {job}, and its copies cannot be read: {why}"),
        ),
        (None, Some(NewestCopy::Nothing) | None) => (State::Critical, format!("{job} never succeeded")),
    }
}

fn aged(
    what: &str,
    at: DateTime<Utc>,
    age: &Levels<Duration>,
    now: DateTime<Utc>,
    words: impl Fn(String) -> String,
) -> (State, String) {
    let passed = now.signed_duration_since(at);
    if passed < -BACK {
        let at = at.format("%Y-%m-%d %H:%M:%S UTC");
        return (State::Unknown, format!("{what} is in the future: {at}"));
    }
    measured::from(passed.to_std().unwrap_or_default(), words, age)
}

/// How bad, among what can be found here.
fn gravity(state: State) -> u8 {
    match state {
        State::Critical => 3,
        State::Unknown => 2,
        State::Warning => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Levels<Duration> = Levels {
        warn: None,
        critical: None,
    };
    const AGE: Levels<Duration> = Levels {
        warn: None,
        critical: Some(Duration::from_secs(600)),
    };
    const DURATION: Levels<Duration> = Levels {
        warn: Some(Duration::from_secs(2)),
        critical: None,
    };

    fn asked(
        ago: Option<i64>,
        took: Option<u64>,
        age: &Levels<Duration>,
        duration: &Levels<Duration>,
    ) -> (State, String) {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let history = JobHistory {
            succeeded_at: ago.map(|seconds| now - TimeDelta::seconds(seconds)),
            took: took.map(Duration::from_millis),
        };
        let outcome = probe(&"target:bad".parse().unwrap(), history, None, age, duration, now);
        (outcome.state, outcome.summary)
    }

    #[test]
    fn freshness_and_length_are_held_against_the_levels() {
        assert_eq!(
            asked(Some(30), Some(1_500), &AGE, &DURATION),
            (State::Ok, "last success 30s ago; last run took 1500ms".to_owned())
        );
        assert_eq!(
            asked(Some(30), Some(2_000), &AGE, &DURATION),
            (
                State::Warning,
                "last run took 2s, warning from 2s; last success 30s ago".to_owned()
            )
        );
        assert_eq!(
            asked(Some(600), Some(2_000), &AGE, &DURATION),
            (
                State::Critical,
                "last success 10m ago, critical from 10m; last run took 2s, warning from 2s".to_owned()
            )
        );
    }

    #[test]
    fn without_a_history_the_newest_copy_counts() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let of = |copy| {
            let job = "backup:b".parse().unwrap();
            let outcome = probe(&job, JobHistory::default(), Some(&copy), &AGE, &NONE, now);
            (outcome.state, outcome.summary)
        };
        let made = |ago| NewestCopy::Found {
            name: "b-1".to_owned(),
            run: "1".to_owned(),
            at: now - TimeDelta::seconds(ago),
        };
        let text = "newest copy 30s old, of a run that the history does not know";
        assert_eq!(of(made(30)), (State::Ok, text.to_owned()));
        assert_eq!(of(made(700)).0, State::Critical);
        assert_eq!(of(made(-61)).0, State::Unknown);
        assert_eq!(
            of(NewestCopy::Nothing),
            (State::Critical, "backup:b never succeeded".to_owned())
        );
        for lost in [
            NewestCopy::Absent("gone".to_owned()),
            NewestCopy::Unreachable("gone".to_owned()),
        ] {
            let (state, text) = of(lost);
            assert!(
                state == State::Unknown && text.ends_with("its copies cannot be read: gone"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_history_without_answers_is_never_ok() {
        assert_eq!(
            asked(None, None, &AGE, &NONE),
            (State::Critical, "target:bad never succeeded".to_owned())
        );
        assert_eq!(
            asked(None, None, &NONE, &DURATION),
            (State::Unknown, "no run has ended yet".to_owned())
        );
        assert_eq!(
            asked(None, None, &AGE, &DURATION),
            (
                State::Critical,
                "target:bad never succeeded; no run has ended yet".to_owned()
            )
        );
        assert_eq!(asked(None, None, &NONE, &NONE).0, State::Critical);
        assert_eq!(asked(Some(30), None, &AGE, &DURATION).0, State::Unknown);
        assert_eq!(
            asked(Some(-1), None, &AGE, &NONE),
            (State::Ok, "last success 0s ago".to_owned())
        );
        assert_eq!(
            asked(Some(-60), None, &AGE, &NONE).0,
            State::Ok,
            "the clock was corrected"
        );
        assert_eq!(asked(Some(-61), Some(5), &AGE, &DURATION).0, State::Unknown);
        assert_eq!(asked(None, Some(500), &NONE, &DURATION).0, State::Ok);
    }
}
