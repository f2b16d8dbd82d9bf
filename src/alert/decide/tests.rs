//! Decisions, one by one; long random sequences are in `tests/it/alerts/decisions.rs`.

use super::State::{Blocked, Critical, Interrupted, Nothing, Ok, Partial, Paused, Unknown, Warning};
use super::*;
use std::time::Duration;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap()
}

fn listener(channel: &str, min_severity: Severity, repeat: Option<u64>) -> Subscriber {
    Subscriber {
        channel: channel.to_owned(),
        min_severity,
        repeat: repeat.map(|minutes| Duration::from_secs(60 * minutes)),
    }
}

fn rules(subscribers: Vec<Subscriber>) -> AlertRules {
    AlertRules {
        job: None,
        fail_after: 1,
        recover_after: 1,
        silenced_by: None,
        subscribers,
    }
}

fn outcome(state: State) -> Outcome {
    Outcome {
        state,
        summary: state.word().to_owned(),
        help: None,
        details: Vec::new(),
    }
}

/// What is done about results a minute apart, in short: `ops:trouble/critical`.
fn acts(rules: &AlertRules, key: &mut KeyState, results: &[(State, bool)], mut minute: i64) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (state, silenced) in results {
        let (after, acts) = key.after(rules, &outcome(*state), *silenced, at(minute));
        *key = after;
        all.push(acts.iter().map(shown).collect());
        minute += 1;
    }
    all
}

fn shown(act: &AlertAction) -> String {
    let said = |speech: &Notification| {
        let (kind, severity) = (speech.kind.word(), speech.severity.word());
        format!("{}:{kind}/{severity}", speech.channel)
    };
    match act {
        AlertAction::Notify(speech) => said(speech),
        AlertAction::Hold(speech) => format!("hold {}", said(speech)),
        AlertAction::Release(channel) => format!("release {channel}"),
        AlertAction::Drop(channel) => format!("drop {channel}"),
    }
}

fn loud(states: &[State]) -> Vec<(State, bool)> {
    states.iter().map(|state| (*state, false)).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn only_changes_are_told() {
    let rules = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    let sent = acts(
        &rules,
        &mut key,
        &loud(&[Ok, Critical, Unknown, Warning, Ok, Nothing]),
        0,
    );
    assert_eq!(sent[0], NOTHING);
    assert_eq!(sent[1], ["ops:trouble/critical"]);
    assert_eq!(sent[2], NOTHING);
    assert_eq!(sent[3], ["ops:trouble/warning"]);
    assert_eq!(sent[4], ["ops:recovery/warning"]);
    assert_eq!(sent[5], NOTHING);
}

#[test]
fn fail_after_and_recover_after_count_results_in_a_row() {
    let rules = AlertRules {
        fail_after: 3,
        recover_after: 2,
        ..rules(vec![listener("ops", Severity::Warning, None)])
    };
    let mut key = KeyState::default();
    let results = loud(&[
        Critical, Critical, Ok, Critical, Warning, Critical, Ok, Critical, Ok, Ok,
    ]);
    let sent = acts(&rules, &mut key, &results, 0);
    let spoken: Vec<usize> = (0..sent.len()).filter(|n| !sent[*n].is_empty()).collect();
    assert_eq!(spoken, [5, 9]);
    assert_eq!(sent[5], ["ops:trouble/critical"]);
    assert_eq!(sent[9], ["ops:recovery/critical"]);
}

#[test]
fn whoever_was_told_is_told_how_it_goes_on() {
    let rules = rules(vec![
        listener("page", Severity::Critical, None),
        listener("ops", Severity::Warning, None),
    ]);
    let mut key = KeyState::default();
    let sent = acts(&rules, &mut key, &loud(&[Partial, Critical, Partial, Ok]), 0);
    assert_eq!(sent[0], ["ops:trouble/warning"]);
    assert_eq!(sent[1], ["page:trouble/critical", "ops:trouble/critical"]);
    assert_eq!(sent[2], ["page:trouble/warning", "ops:trouble/warning"]);
    assert_eq!(sent[3].len(), 2);
}

#[test]
fn what_says_nothing_lessens_nothing() {
    let rules = rules(vec![listener("all", Severity::Info, None)]);
    let mut key = KeyState::default();
    let sent = acts(
        &rules,
        &mut key,
        &loud(&[Paused, Blocked, Critical, Blocked, Interrupted, Paused, Ok]),
        0,
    );
    assert_eq!(sent[1], ["all:trouble/info"]);
    assert_eq!(sent[2], ["all:trouble/critical"]);
    assert!(sent[3..6].iter().all(Vec::is_empty), "{sent:?}");
    assert_eq!(sent[6], ["all:recovery/critical"]);
}

#[test]
fn what_is_still_bad_is_repeated() {
    let rules = rules(vec![
        listener("ops", Severity::Warning, Some(5)),
        listener("once", Severity::Warning, None),
    ]);
    let mut key = KeyState::default();
    let sent = acts(&rules, &mut key, &loud(&[State::Critical; 12]), 0);
    let repeats: Vec<usize> = (1..sent.len()).filter(|n| !sent[*n].is_empty()).collect();
    assert_eq!(repeats, [5, 10]);
    assert_eq!(sent[5], ["ops:repeat/critical"]);
    // And without a result.
    let (_, acts) = key.later(&rules, false, at(14));
    assert!(acts.is_empty(), "{acts:?}");
    let (_, acts) = key.later(&rules, false, at(15));
    assert_eq!(acts.iter().map(shown).collect::<Vec<_>>(), ["ops:repeat/critical"]);
    // A clock that was set back neither repeats at once nor waits forever.
    let (key, acts) = key.later(&rules, false, at(-1000));
    assert!(acts.is_empty(), "{acts:?}");
    assert_eq!(key.later(&rules, false, at(-995)).1.len(), 1);
}

#[test]
fn flapping_is_told_once_and_then_how_it_settled() {
    let rules = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    let sent = acts(
        &rules,
        &mut key,
        &loud(&[Critical, Ok, Critical, Ok, Critical, Ok, Critical, Ok, Ok]),
        0,
    );
    assert_eq!(sent[4], ["ops:flapping/critical"]);
    assert!(key.flapping && sent[5..].iter().all(Vec::is_empty), "{sent:?}");
    let mut well = key.clone();
    assert_eq!(
        acts(&rules, &mut well, &loud(&[Ok, Ok, Critical]), 9),
        [vec!["ops:settled/critical".to_owned()], vec![], vec![]]
    );
    // Soon after it settled that is more of the same flapping; after a quiet time it is trouble.
    assert_eq!(
        acts(&rules, &mut well, &loud(&[Critical, Critical]), 12),
        [vec![], vec!["ops:settled/critical".to_owned()]]
    );
    assert_eq!(acts(&rules, &mut well, &loud(&[Ok]), 21), [["ops:recovery/critical"]]);
    let mut bad = key.clone();
    let sent = acts(&rules, &mut bad, &loud(&[Critical; 5]), 9);
    assert_eq!(sent[2], ["ops:settled/critical"]);
    // By time alone.
    let (quiet, acts_) = key.later(&rules, false, at(7 + 9));
    assert!(quiet.flapping && acts_.is_empty());
    let (quiet, acts_) = key.later(&rules, false, at(7 + 10));
    assert!(!quiet.flapping && quiet.is_idle(at(60)));
    assert_eq!(acts_.len(), 1);
    // If it settled without a result and then changes, the present state is reported once.
    let sent = acts(&rules, &mut key, &loud(&[Critical]), 1000);
    assert_eq!(sent, [["ops:settled/critical"]]);
}

#[test]
fn each_channel_that_heard_of_a_change_is_notified_of_the_flapping() {
    let rules = rules(vec![
        listener("page", Severity::Critical, None),
        listener("ops", Severity::Warning, None),
    ]);
    let results = loud(&[
        Critical,
        Ok,
        Critical,
        Ok,
        Interrupted,
        Warning,
        Warning,
        Critical,
        Ok,
        Critical,
        Ok,
    ]);
    let mut key = KeyState::default();
    let mut sent = Vec::new();
    for result in results {
        sent.extend(acts(&rules, &mut key, &[result], 0));
    }
    for channel in ["page", "ops"] {
        let heard: Vec<String> = sent
            .iter()
            .flatten()
            .filter_map(|act| act.strip_prefix(channel))
            .map(str::to_owned)
            .collect();
        let expected = [
            ":trouble/critical",
            ":recovery/critical",
            ":trouble/critical",
            ":recovery/critical",
            ":flapping/critical",
            ":settled/warning",
        ];
        assert_eq!(heard, expected, "{channel}");
    }
    assert!(key.flapping);
    assert_eq!(
        acts(&rules, &mut key, &loud(&[Ok, Ok]), 0)[1],
        ["ops:settled/warning", "page:settled/warning"]
    );
}

#[test]
fn a_channel_for_worse_trouble_joins_when_it_comes() {
    let rules = rules(vec![
        listener("page", Severity::Critical, None),
        listener("ops", Severity::Warning, None),
    ]);
    let mut key = KeyState::default();
    let results = loud(&[Warning, Ok, Warning, Ok, Warning, Ok, Critical, Ok, Critical]);
    let sent = acts(&rules, &mut key, &results, 0);
    assert_eq!(sent[4], ["ops:flapping/warning"]);
    assert_eq!(sent[6], ["page:flapping/critical"]);
    assert_eq!([&sent[5], &sent[7], &sent[8]], [&NOTHING; 3]);
}

#[test]
fn bursts_between_equal_results_do_not_restart_flapping() {
    let rules = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    let burst = loud(&[Critical, Ok, Critical, Ok, Critical, Ok, Ok, Ok]);
    let heard = |key: &mut KeyState, start| acts(&rules, key, &burst, start).concat();
    let first = heard(&mut key, 0);
    assert_eq!(first[4..], ["ops:flapping/critical", "ops:settled/critical"]);
    for n in 1..20 {
        assert_eq!(heard(&mut key, 8 * n), NOTHING, "{n}");
    }
    let (key, _) = key.later(&rules, false, at(8 * 20 + SETTLING_TIME.num_minutes()));
    assert_eq!(heard(&mut key.clone(), 8 * 20 + SETTLING_TIME.num_minutes()).len(), 6);
}

#[test]
fn a_state_of_an_earlier_version_is_read() {
    let text = r#"{"flapping": true, "changes": ["2027-01-15T08:00:00Z"], "bad": "critical"}"#;
    let key: KeyState = serde_json::from_str(text).unwrap();
    assert!(key.flapping && key.changes.len() == 1);
}

#[test]
fn slow_changes_are_no_flapping() {
    let rules = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    for n in 0..20 {
        let state = if n % 2 == 0 { State::Critical } else { State::Ok };
        let sent = acts(&rules, &mut key, &loud(&[state]), 8 * n);
        assert_eq!(sent[0].len(), 1, "{n}");
        assert!(!key.flapping);
    }
}

#[test]
fn trouble_is_held_while_another_is_the_cause() {
    let rules = rules(vec![
        listener(LOG, Severity::Info, None),
        listener("ops", Severity::Warning, None),
    ]);
    let mut key = KeyState::default();
    let sent = acts(
        &rules,
        &mut key,
        &[(Critical, true), (Warning, true), (Critical, true)],
        0,
    );
    assert_eq!(sent[0], ["log:trouble/critical", "hold ops:trouble/critical"]);
    assert_eq!(sent[1], ["log:trouble/warning", "drop ops", "hold ops:trouble/warning"]);
    assert!(!key.held.is_empty());
    let mut over = key.clone();
    // Over before any channel was notified.
    assert_eq!(
        acts(&rules, &mut over, &[(Ok, true)], 3),
        [["drop ops", "log:recovery/critical"]]
    );
    // Still bad when the cause is gone.
    let mut still = key.clone();
    let sent = acts(&rules, &mut still, &[(Critical, false), (Ok, true)], 3);
    assert_eq!(sent[0], ["release ops"]);
    assert_eq!(sent[1], ["log:recovery/critical", "ops:recovery/critical"]);
    let (_, acts_) = key.later(&rules, true, at(3));
    assert!(acts_.is_empty());
    let (_, acts_) = key.later(&rules, false, at(3));
    assert_eq!(acts_.iter().map(shown).collect::<Vec<_>>(), ["release ops"]);
}

#[test]
fn what_was_told_before_the_silence_is_not_told_again_after_it() {
    let rules = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    let results = [(Critical, false), (Warning, true), (Critical, true), (Critical, false)];
    let sent = acts(&rules, &mut key, &results, 0);
    assert_eq!(sent[1], ["hold ops:trouble/warning"]);
    assert_eq!(sent[2], ["drop ops"]);
    assert_eq!(sent[3], NOTHING);
}

#[test]
fn channels_that_are_gone_are_forgotten() {
    let both = rules(vec![
        listener("ops", Severity::Warning, None),
        listener("old", Severity::Warning, None),
    ]);
    let one = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    acts(&both, &mut key, &[(State::Critical, false)], 0);
    assert_eq!(
        acts(&one, &mut key, &loud(&[State::Ok]), 1),
        [["ops:recovery/critical"]]
    );
    let mut key = KeyState::default();
    acts(&both, &mut key, &[(State::Critical, true)], 0);
    assert_eq!(acts(&one, &mut key, &[(State::Critical, true)], 1), [["drop old"]]);
}

#[test]
fn a_state_reads_back_and_may_grow() {
    let rules = rules(vec![listener("ops", Severity::Warning, None)]);
    let mut key = KeyState::default();
    acts(&rules, &mut key, &loud(&[State::Critical, State::Ok, State::Failed]), 0);
    let text = serde_json::to_string(&key).unwrap();
    assert_eq!(serde_json::from_str::<KeyState>(&text).unwrap(), key);
    assert_eq!(
        serde_json::from_str::<KeyState>("{\"more\": 1}").unwrap(),
        KeyState::default()
    );
}
