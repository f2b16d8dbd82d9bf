//! Random sequences of results, and what must hold whatever they are.
//!
//! The oracle looks at a whole sequence and counts in it; it has no state of its own.

use chrono::{DateTime, TimeDelta, Utc};
use opsrun::alert::decide::{
    AlertAction, FLAPPING_CHANGES, FLAPPING_WINDOW, KeyState, SETTLING_RESULTS, SETTLING_TIME, severity_of,
};
use opsrun::alert::rules::{AlertRules, Subscriber};
use opsrun::channel::message::MessageKind;
use opsrun::model::channel::{LOG, Severity};
use opsrun::run::{Outcome, State};
use proptest::prelude::*;
use std::time::Duration;

/// A result, minutes after the one before, while the silencing check is bad or not.
#[derive(Debug, Clone, Copy)]
struct Result_ {
    state: State,
    minutes: i64,
    silenced: bool,
}

fn states() -> impl Strategy<Value = State> {
    prop_oneof![
        4 => Just(State::Ok),
        1 => Just(State::Nothing),
        2 => Just(State::Warning),
        1 => Just(State::Partial),
        3 => Just(State::Critical),
        1 => Just(State::Unknown),
        1 => Just(State::Blocked),
        1 => Just(State::Interrupted),
        1 => Just(State::Paused),
    ]
}

fn results(silence: bool) -> impl Strategy<Value = Vec<Result_>> {
    let minutes = prop_oneof![3 => Just(0), 6 => 1..4_i64, 2 => 5..12_i64, 1 => 20..600_i64];
    let one = (states(), minutes, any::<bool>()).prop_map(move |(state, minutes, silenced)| Result_ {
        state,
        minutes,
        silenced: silence && silenced,
    });
    prop::collection::vec(one, 0..60)
}

/// One message: after which result, to whom.
#[derive(Debug, Clone)]
struct Said {
    after: usize,
    at: DateTime<Utc>,
    channel: String,
    kind: MessageKind,
    severity: Severity,
    state: State,
}

impl Said {
    fn well(&self) -> bool {
        severity_of(self.state).is_none()
            && !matches!(
                self.kind,
                MessageKind::Flapping | MessageKind::Trouble | MessageKind::Repeat
            )
    }
}

const MIN: [(&str, Severity); 3] = [
    ("all", Severity::Info),
    ("ops", Severity::Warning),
    ("page", Severity::Critical),
];

fn terms(fail_after: u32, recover_after: u32, repeat: Option<u64>) -> AlertRules {
    let listener = |(channel, min_severity): (&str, Severity)| Subscriber {
        channel: channel.to_owned(),
        min_severity,
        repeat: repeat
            .map(|minutes| Duration::from_secs(minutes * 60))
            .filter(|_| channel != LOG),
    };
    let all = [(LOG, Severity::Info)].into_iter().chain(MIN);
    AlertRules {
        job: None,
        fail_after,
        recover_after,
        silenced_by: None,
        subscribers: all.map(listener).collect(),
    }
}

/// Everything that was said, the state in the end, and whether each settled result found it flapping. What is held is
/// followed as an outbox would.
fn told(terms: &AlertRules, results: &[Result_]) -> (Vec<Said>, KeyState) {
    let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let mut key = KeyState::default();
    let mut said = Vec::new();
    let mut held: Vec<Said> = Vec::new();
    for (after, result) in results.iter().enumerate() {
        now += TimeDelta::minutes(result.minutes);
        let outcome = Outcome {
            state: result.state,
            summary: format!("result {after}"),
            help: None,
            details: Vec::new(),
        };
        let (next, acts) = key.after(terms, &outcome, result.silenced, now);
        // What is remembered goes through the store.
        key = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        assert_eq!(key, next);
        for act in acts {
            let one = |speech: opsrun::alert::decide::Notification| Said {
                after,
                at: now,
                channel: speech.channel,
                kind: speech.kind,
                severity: speech.severity,
                state: speech.state,
            };
            match act {
                AlertAction::Notify(speech) => said.push(one(speech)),
                AlertAction::Hold(speech) => {
                    assert!(result.silenced);
                    let one = one(speech);
                    assert!(
                        held.iter().all(|h| h.channel != one.channel),
                        "two held for one channel"
                    );
                    held.push(one);
                }
                AlertAction::Release(channel) => {
                    assert!(!result.silenced);
                    let place = held.iter().position(|h| h.channel == channel).unwrap();
                    let released = held.remove(place);
                    said.push(Said {
                        after,
                        at: now,
                        ..released
                    });
                }
                AlertAction::Drop(channel) => {
                    let place = held.iter().position(|h| h.channel == channel).unwrap();
                    held.remove(place);
                }
            }
        }
        assert_eq!(holds(&key), !held.is_empty());
    }
    (said, key)
}

/// Whether a message is held, as the store keeps it.
fn holds(key: &KeyState) -> bool {
    let json = serde_json::to_value(key).unwrap();
    !json["held"].as_object().unwrap().is_empty()
}

/// The settled severity after each result, counted from the whole sequence before it.
fn settled(results: &[Result_], fail_after: u32, recover_after: u32) -> Vec<Option<Severity>> {
    let mut all = Vec::new();
    let mut now: Option<Severity> = None;
    // Results that say something, newest last.
    let mut heard: Vec<Option<Severity>> = Vec::new();
    for result in results {
        let found = severity_of(result.state);
        let silent = match result.state {
            State::Paused => true,
            State::Blocked | State::Interrupted => now > found,
            _ => false,
        };
        if !silent {
            heard.push(found);
            let bad = heard.iter().rev().take_while(|found| found.is_some()).count() as u32;
            let good = heard.iter().rev().take_while(|found| found.is_none()).count() as u32;
            now = match (now, found) {
                (None, Some(_)) if bad < fail_after => None,
                (Some(_), None) if good < recover_after => now,
                _ => found,
            };
        }
        all.push(now);
    }
    all
}

/// As many equal results as settle everything.
fn and_then(results: &[Result_], state: State, times: u32) -> Vec<Result_> {
    let equal = Result_ {
        state,
        minutes: 1,
        silenced: false,
    };
    results.iter().copied().chain((0..times).map(|_| equal)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_settled_severity_is_what_the_counts_say(results in results(true), fail in 1..4_u32, recover in 1..4_u32) {
        let (_, key) = told(&terms(fail, recover, None), &results);
        prop_assert_eq!(key.bad, settled(&results, fail, recover).last().copied().flatten());
    }

    #[test]
    fn the_last_word_is_how_things_stand(
        results in results(true),
        end in prop_oneof![Just(State::Ok), Just(State::Warning), Just(State::Critical)],
        fail in 1..4_u32,
        recover in 1..4_u32,
    ) {
        let results = and_then(&results, end, fail.max(recover).max(SETTLING_RESULTS) + 1);
        let (said, key) = told(&terms(fail, recover, None), &results);
        prop_assert!(!key.flapping);
        prop_assert!(!holds(&key));
        for (channel, min) in MIN.into_iter().chain([(LOG, Severity::Info)]) {
            let last = said.iter().rev().find(|said| said.channel == channel);
            match (last, severity_of(end)) {
                (None, None) => {}
                (None, Some(severity)) => prop_assert!(severity < min, "{channel} was never told"),
                (Some(last), None) => prop_assert!(last.well(), "{channel} was told last: {last:?}"),
                (Some(last), Some(severity)) if severity >= min => {
                    prop_assert!(!last.well() && last.kind != MessageKind::Flapping && last.severity == severity, "{last:?}");
                }
                // Less than it wants to hear: it knows that it is well again, or how it stands now.
                (Some(last), Some(severity)) => prop_assert!(last.well() || last.severity == severity, "{last:?}"),
            }
        }
    }

    #[test]
    fn nobody_hears_of_a_recovery_without_trouble_or_the_same_twice(
        results in results(true),
        fail in 1..4_u32,
        recover in 1..4_u32,
        repeat in prop::option::of(1..30_u64),
    ) {
        let (said, _) = told(&terms(fail, recover, repeat), &results);
        for channel in ["all", "ops", "page", LOG] {
            let mut before: Option<&Said> = None;
            for one in said.iter().filter(|said| said.channel == channel) {
                let well_before = before.is_none_or(Said::well);
                if one.well() {
                    prop_assert!(!well_before, "{channel}: well after {before:?}");
                } else if let Some(before) = before.filter(|before| !before.well()) {
                    let same = before.severity == one.severity && before.kind != MessageKind::Flapping && one.kind != MessageKind::Flapping;
                    prop_assert!(one.kind == MessageKind::Repeat || !same, "{before:?} and {one:?}");
                    if one.kind == MessageKind::Repeat {
                        let since = one.at - before.at;
                        prop_assert!(since >= TimeDelta::minutes(i64::try_from(repeat.unwrap()).unwrap()));
                    }
                } else {
                    prop_assert!(one.kind != MessageKind::Repeat);
                }
                before = Some(one);
            }
        }
    }

    #[test]
    fn trouble_needs_enough_bad_results_in_a_row(results in results(false), fail in 1..5_u32) {
        let (said, _) = told(&terms(fail, 1, None), &results);
        for first in said.iter().filter(|said| said.kind == MessageKind::Trouble) {
            let upto = &results[..=first.after];
            // Pauses say nothing, and neither does what is blocked or interrupted behind something worse.
            let bad = upto.iter().rev().filter(|r| r.state != State::Paused).take_while(|r| severity_of(r.state).is_some());
            prop_assert!(bad.count() as u32 >= fail, "{first:?}");
        }
    }

    #[test]
    fn while_silenced_only_good_news_gets_out(results in results(true), fail in 1..3_u32) {
        let (said, _) = told(&terms(fail, 1, Some(5)), &results);
        for one in said.iter().filter(|said| said.channel != LOG && results[said.after].silenced) {
            prop_assert!(one.well(), "{one:?}");
        }
    }

    #[test]
    fn no_channel_is_flooded(results in results(false)) {
        let (said, _) = told(&terms(1, 1, None), &results);
        // Within any window: the changes before it is flapping, that it is, and every settling needs equal results or time.
        for (place, first) in said.iter().enumerate() {
            let same = said[place..].iter().filter(|said| said.channel == first.channel);
            let within: Vec<&Said> = same.take_while(|said| said.at - first.at < SETTLING_TIME.min(FLAPPING_WINDOW)).collect();
            let settled = within.iter().filter(|said| said.kind == MessageKind::Settled).count();
            let flapped = within.iter().filter(|said| said.kind == MessageKind::Flapping).count();
            prop_assert!(within.len() <= (FLAPPING_CHANGES + 1) * (settled + flapped + 1), "{within:?}");
            prop_assert!(flapped <= settled + 1);
            // Only a quiet time begins a new flapping: until then a channel hears of each change before it, and of the
            // flapping once.
            prop_assert!(flapped <= 1, "{within:?}");
            let changes = within.iter().filter(|said| matches!(said.kind, MessageKind::Trouble | MessageKind::Recovery)).count();
            prop_assert!(changes < FLAPPING_CHANGES, "{within:?}");
        }
    }
}
