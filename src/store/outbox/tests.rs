//! The outbox against real files.

use super::*;
use crate::channel::answer::RecipientResults;
use crate::channel::message::{DIGEST, MessageKind, MessageOrigin};
use crate::model::channel::Severity;
use crate::run::{Event, Record};
use crate::store::schema::make_older;
use chrono::TimeDelta;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const RUN: &str = "01JD0000000000000000000000";
const LEASE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// A message for a channel.
type Addressed<'a> = (&'a str, Message);

fn new<'a>(id: &str, channel: &'a str, key: &str, seconds: i64) -> Addressed<'a> {
    let origin = MessageOrigin {
        ops: "o".to_owned(),
        host: "h".to_owned(),
    };
    let message = Message::new(&origin, key, MessageKind::Trouble, Severity::Critical, "", at(seconds));
    let id = id.to_owned();
    (channel, Message { id, ..message })
}

fn put(ledger: &Ledger<'_>, (channel, message): &Addressed<'_>, state: MessageState) -> rusqlite::Result<()> {
    ledger.enqueue(channel, message, state)
}

fn enqueue(store: &Store, messages: &[Addressed<'_>]) {
    store
        .write_alerts(&mut |ledger| {
            let mut messages = messages.iter();
            messages.try_for_each(|message| put(ledger, message, MessageState::Pending))
        })
        .unwrap();
}

fn request(channel: &str, seconds: i64) -> ClaimRequest<'_> {
    ClaimRequest {
        channel,
        now: at(seconds),
        lease: LEASE,
        rate_limit: None,
        key_by_key: false,
        gather: TimeDelta::zero(),
    }
}

/// The id and the lease of what is given.
fn one(store: &Store, request: &ClaimRequest<'_>) -> Option<(String, String)> {
    match store.claim_message(request).unwrap() {
        OutboxClaim::One(claimed) => Some((claimed.message.id, claimed.lease)),
        OutboxClaim::Nothing(_) => None,
        OutboxClaim::Several(messages) => panic!("{messages:?}"),
    }
}

fn sent() -> Settlement {
    Settlement::Sent {
        note: None,
        relays: Vec::new(),
    }
}

fn dead(why: &str) -> Settlement {
    Settlement::Dead {
        why: why.to_owned(),
        relay: None,
    }
}

fn states(store: &Store) -> Vec<(String, MessageState)> {
    let rows = store.messages(&MessageState::ALL, 1000).unwrap();
    rows.into_iter().map(|row| (row.id, row.state)).collect()
}

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn messages_of_a_key_are_given_in_order_one_at_a_time() {
    let (_dir, store) = open();
    enqueue(
        &store,
        &[
            new("1", "c", "k", 0),
            new("2", "c", "k", 1),
            new("3", "c", "other", 2),
            new("4", "d", "k", 3),
        ],
    );
    let (first, lease) = one(&store, &request("c", 5)).unwrap();
    assert_eq!(first, "1");
    let (third, other) = one(&store, &request("c", 5)).unwrap();
    assert_eq!(third, "3");
    assert_eq!(one(&store, &request("c", 5)), None);
    store.settle_message("3", &other, &sent(), at(5)).unwrap();
    assert_eq!(one(&store, &request("d", 5)).unwrap().0, "4");
    let retry = Settlement::Retry {
        due: at(100),
        pause_until: None,
        recipients: None,
        progress: false,
        why: "busy".to_owned(),
    };
    store.settle_message("1", &lease, &retry, at(6)).unwrap();
    // The second waits for the first, however long that takes; no sender needs to look before it is due.
    assert!(
        matches!(store.claim_message(&request("c", 7)).unwrap(), OutboxClaim::Nothing(Some(until)) if until == at(100))
    );
    let (again, lease) = one(&store, &request("c", 100)).unwrap();
    assert_eq!(again, "1");
    store.settle_message("1", &lease, &sent(), at(101)).unwrap();
    assert_eq!(one(&store, &request("c", 101)).unwrap().0, "2");
    let rows = store.messages(&[MessageState::Sent], 10).unwrap();
    assert_eq!((rows[0].attempts, rows[0].first_attempt_at), (2, Some(at(6))));
}

#[test]
fn a_lease_ends_and_a_lost_one_settles_nothing_but_delivery() {
    let (_dir, store) = open();
    enqueue(&store, &[new("1", "c", "k", 0)]);
    let (_, lost) = one(&store, &request("c", 0)).unwrap();
    assert_eq!(one(&store, &request("c", 59)), None);
    let (_, held) = one(&store, &request("c", 60)).unwrap();
    store.settle_message("1", &lost, &dead("late"), at(61)).unwrap();
    assert_eq!(states(&store), [("1".to_owned(), MessageState::Pending)]);
    // Nor does it delay the message that another sender has, or release it.
    let late = Settlement::Retry {
        due: at(9_000),
        pause_until: Some(at(9_000)),
        recipients: None,
        progress: false,
        why: "late".to_owned(),
    };
    store.settle_message("1", &lost, &late, at(61)).unwrap();
    let row = &store.messages_by_prefix("1").unwrap()[0];
    assert_eq!((row.due_at.0, row.attempts), (at(0), 0));
    assert_eq!(one(&store, &request("c", 62)), None);
    store.settle_message("1", &lost, &sent(), at(62)).unwrap();
    assert_eq!(states(&store), [("1".to_owned(), MessageState::Sent)]);
    store.settle_message("1", &held, &dead("later"), at(63)).unwrap();
    assert_eq!(states(&store), [("1".to_owned(), MessageState::Sent)]);
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_waiting() {
    let (_dir, store) = open();
    enqueue(&store, &[new("1", "c", "k", 1_000_000)]);
    assert!(one(&store, &request("c", 0)).is_some());
    // And a lease from the future is none.
    assert!(one(&store, &request("c", -1_000_000)).is_some());
    assert_eq!(one(&store, &request("c", -1_000_000)), None);
}

#[test]
fn a_server_that_asks_for_time_is_left_alone() {
    let (_dir, store) = open();
    enqueue(
        &store,
        &[new("1", "c", "a", 0), new("2", "c", "b", 0), new("3", "d", "a", 0)],
    );
    let (_, lease) = one(&store, &request("c", 0)).unwrap();
    let retry = Settlement::Retry {
        due: at(300),
        pause_until: Some(at(300)),
        recipients: None,
        progress: false,
        why: "429".to_owned(),
    };
    store.settle_message("1", &lease, &retry, at(1)).unwrap();
    assert!(
        matches!(store.claim_message(&request("c", 299)).unwrap(), OutboxClaim::Nothing(Some(until)) if until == at(300))
    );
    assert!(one(&store, &request("d", 2)).is_some());
    // What was not tried yet goes first: one that always fails holds up no other.
    assert_eq!(one(&store, &request("c", 300)).unwrap().0, "2");
}

#[test]
fn over_the_limit_messages_wait_and_are_joined() {
    let (_dir, store) = open();
    let limited = |seconds| ClaimRequest {
        rate_limit: Some((2, Duration::from_secs(3600))),
        ..request("c", seconds)
    };
    for (seconds, id) in [(10, "0"), (20, "1")] {
        enqueue(&store, &[new(id, "c", "k", 0)]);
        let (given, lease) = one(&store, &limited(seconds)).unwrap();
        assert_eq!(given, id);
        store.settle_message(&given, &lease, &sent(), at(seconds)).unwrap();
    }
    enqueue(
        &store,
        &["2", "3", "4"].map(|id| new(id, "c", if id == "4" { "other" } else { "k" }, 0)),
    );
    assert_eq!(
        store.claim_message(&limited(30)).unwrap(),
        OutboxClaim::Nothing(Some(at(3610)))
    );
    assert_eq!(
        store.claim_message(&limited(3609)).unwrap(),
        OutboxClaim::Nothing(Some(at(3610)))
    );
    let OutboxClaim::Several(rows) = store.claim_message(&limited(3610)).unwrap() else {
        panic!("not joined")
    };
    let joined: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!(joined, ["2", "3", "4"]);
    let by_key = ClaimRequest {
        key_by_key: true,
        ..limited(3610)
    };
    assert!(matches!(store.claim_message(&by_key).unwrap(), OutboxClaim::Several(rows) if rows.len() == 2));
    let digest = new("d", "c", DIGEST, 3610);
    assert!(store.merge_messages("c", &joined, Some(&digest.1), at(3610)).unwrap());
    assert!(!store.merge_messages("c", &joined, Some(&digest.1), at(3610)).unwrap());
    // What comes after the digest does not overtake it.
    enqueue(&store, &[new("5", "c", "new", 3611)]);
    let (given, lease) = one(&store, &limited(3611)).unwrap();
    assert_eq!(given, "d");
    assert_eq!(one(&store, &request("c", 3611)), None);
    store.settle_message("d", &lease, &sent(), at(3612)).unwrap();
    assert_eq!(one(&store, &limited(3620)).unwrap().0, "5");
}

#[test]
fn the_last_message_that_is_allowed_joins_all_that_wait() {
    let (_dir, store) = open();
    enqueue(&store, &["1", "2", "3", "4"].map(|id| new(id, "c", id, 0)));
    let limited = |seconds, gather| ClaimRequest {
        rate_limit: Some((2, Duration::from_secs(3600))),
        gather: TimeDelta::seconds(gather),
        ..request("c", seconds)
    };
    let (first, lease) = one(&store, &limited(1, 10)).unwrap();
    store.settle_message(&first, &lease, &sent(), at(1)).unwrap();
    // More may come: it is left open for a moment, and for no longer.
    assert_eq!(
        store.claim_message(&limited(9, 10)).unwrap(),
        OutboxClaim::Nothing(Some(at(10)))
    );
    let joined = |seconds, gather| match store.claim_message(&limited(seconds, gather)).unwrap() {
        OutboxClaim::Several(messages) => messages.into_iter().map(|message| message.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(joined(9, 0), ["2", "3", "4"]);
    assert_eq!(joined(10, 10), ["2", "3", "4"]);
    // A channel that tracks keys has nothing to gain from waiting.
    let by_key = ClaimRequest {
        key_by_key: true,
        ..limited(9, 10)
    };
    assert_eq!(one(&store, &by_key).unwrap().0, "2");
}

fn later(seconds: i64) -> Settlement {
    Settlement::Retry {
        due: at(seconds),
        pause_until: None,
        why: "503".to_owned(),
        recipients: None,
        progress: false,
    }
}

/// Gives the next message and settles it so.
fn settle_next(store: &Store, seconds: i64, settlement: &Settlement) -> Option<String> {
    let (id, lease) = one(store, &request("c", seconds))?;
    store.settle_message(&id, &lease, settlement, at(seconds)).unwrap();
    Some(id)
}

#[test]
fn a_delivery_that_works_makes_due_what_waits_oldest_first() {
    let (_dir, store) = open();
    enqueue(&store, &["1", "2", "3"].map(|id| new(id, "c", id, 0)));
    enqueue(&store, &[new("r", "c", "1", 1), new("d", "d", "1", 1)]);
    for _ in 0..3 {
        settle_next(&store, 2, &later(3_000)).unwrap();
    }
    assert_eq!(settle_next(&store, 3, &later(0)), None);
    enqueue(&store, &[new("4", "c", "4", 4), new("5", "c", "5", 4)]);
    assert_eq!(settle_next(&store, 4, &sent()).as_deref(), Some("4"));
    let order = std::iter::from_fn(|| settle_next(&store, 5, &sent()));
    assert_eq!(order.collect::<Vec<_>>(), ["1", "2", "3", "r", "5"]);
    assert_eq!(
        states(&store)
            .iter()
            .filter(|(_, state)| *state == MessageState::Pending)
            .count(),
        1
    );
}

#[test]
fn what_fails_by_itself_is_not_tried_with_every_other() {
    let (_dir, store) = open();
    enqueue(&store, &[new("bad", "c", "bad", 0)]);
    settle_next(&store, 1, &later(3_000)).unwrap();
    let mut tried = 0;
    for n in 0..10 {
        enqueue(&store, &[new(&format!("{n}"), "c", &format!("k{n}"), n)]);
        while let Some((id, lease)) = one(&store, &request("c", 2 + n)) {
            tried += u32::from(id == "bad");
            let settlement = if id == "bad" { later(3_000) } else { sent() };
            store.settle_message(&id, &lease, &settlement, at(2 + n)).unwrap();
        }
    }
    assert_eq!(tried, 1);
    // After trouble of the whole channel, once more.
    enqueue(&store, &[new("new", "c", "new", 20)]);
    assert_eq!(settle_next(&store, 20, &later(30)).as_deref(), Some("new"));
    assert_eq!(settle_next(&store, 30, &sent()).as_deref(), Some("new"));
    assert_eq!(settle_next(&store, 31, &later(3_000)).as_deref(), Some("bad"));
}

#[test]
fn news_makes_due_what_it_has_to_wait_for() {
    let (_dir, store) = open();
    enqueue(&store, &[new("1", "c", "k", 0), new("2", "c", "other", 0)]);
    settle_next(&store, 1, &later(3_000)).unwrap();
    settle_next(&store, 1, &later(3_000)).unwrap();
    enqueue(&store, &[new("3", "c", "k", 5)]);
    assert_eq!(settle_next(&store, 5, &later(3_000)).as_deref(), Some("1"));
    assert_eq!(settle_next(&store, 6, &sent()), None);
    // But not while the server asked to be left alone.
    let pause = Settlement::Retry {
        due: at(9_000),
        pause_until: Some(at(600)),
        why: "429".to_owned(),
        recipients: None,
        progress: false,
    };
    enqueue(&store, &[new("4", "c", "k", 7)]);
    assert_eq!(settle_next(&store, 7, &pause).as_deref(), Some("1"));
    enqueue(&store, &[new("5", "c", "new", 8)]);
    assert!(
        matches!(store.claim_message(&request("c", 599)).unwrap(), OutboxClaim::Nothing(Some(until)) if until == at(600))
    );
    assert_eq!(settle_next(&store, 600, &later(9_000)).as_deref(), Some("5"));
    store.replay(None, at(601)).unwrap();
    assert_eq!(settle_next(&store, 601, &sent()).as_deref(), Some("2"));
}

fn results(taken: &[&str], refused: &[&str]) -> RecipientResults {
    RecipientResults {
        taken: taken.iter().map(|to| (*to).to_owned()).collect(),
        refused: refused.iter().map(|to| ((*to).to_owned(), "550".to_owned())).collect(),
    }
}

fn partial(seconds: i64, results: RecipientResults) -> Settlement {
    Settlement::Retry {
        due: at(seconds),
        pause_until: None,
        why: "450".to_owned(),
        progress: !results.taken.is_empty(),
        recipients: Some(results),
    }
}

#[test]
fn a_recipient_that_waits_holds_up_nobody_else_and_keeps_the_order() {
    let (dir, store) = open();
    let all = ["a", "b", "c"].map(str::to_owned);
    enqueue(
        &store,
        &[new("1", "c", "k", 0), new("2", "c", "k", 0), new("3", "c", "other", 0)],
    );
    let claimed = |store: &Store, seconds| match store.claim_message(&request("c", seconds)).unwrap() {
        OutboxClaim::One(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    let first = claimed(&store, 1);
    assert_eq!(first.addressees(&all), all);
    let done = results(&["a"], &["c"]);
    store
        .settle_message("1", &first.lease, &partial(300, done.clone()), at(1))
        .unwrap();
    // `b` has to get the first one before the second.
    let second = claimed(&store, 2);
    assert_eq!(
        (second.message.id.as_str(), second.addressees(&all)),
        ("2", vec!["a".to_owned(), "c".to_owned()])
    );
    store
        .settle_message("2", &second.lease, &partial(3_000, results(&["a", "c"], &[])), at(2))
        .unwrap();
    let third = claimed(&store, 3);
    assert_eq!((third.message.id.as_str(), third.addressees(&all)), ("3", all.to_vec()));
    store.settle_message("3", &third.lease, &later(3_000), at(3)).unwrap();
    assert_eq!(one(&store, &request("c", 299)), None);
    // What is known survives a restart.
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let again = claimed(&store, 300);
    assert_eq!(
        (&again.recipients, again.addressees(&all)),
        (&done, vec!["b".to_owned()])
    );
    store.settle_message("1", &again.lease, &sent(), at(300)).unwrap();
    let second = claimed(&store, 301);
    assert_eq!(
        (second.message.id.as_str(), second.addressees(&all)),
        ("2", vec!["b".to_owned()])
    );
}

#[test]
fn a_partial_message_is_in_no_digest_and_counts_for_the_limit() {
    let (_dir, store) = open();
    let limited = |seconds| ClaimRequest {
        rate_limit: Some((2, Duration::from_secs(3600))),
        ..request("c", seconds)
    };
    enqueue(&store, &["1", "2", "3"].map(|id| new(id, "c", id, 0)));
    let (_, lease) = one(&store, &limited(1)).unwrap();
    store
        .settle_message("1", &lease, &partial(2, results(&["a"], &[])), at(1))
        .unwrap();
    let OutboxClaim::Several(rows) = store.claim_message(&limited(3)).unwrap() else {
        panic!("not joined")
    };
    let joined: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    assert_eq!(joined, ["2", "3"]);
    let digest = new("d", "c", DIGEST, 3);
    assert!(store.merge_messages("c", &joined, Some(&digest.1), at(3)).unwrap());
    let next = || match store.claim_message(&request("c", 3)).unwrap() {
        OutboxClaim::One(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    let (claimed, first) = (next(), next());
    assert_eq!((first.message.id.as_str(), claimed.message.id.as_str()), ("1", "d"));
    // Its recipients get the digest after what they wait for.
    assert_eq!(claimed.addressees(&["a".to_owned(), "b".to_owned()]), ["a"]);
    store
        .settle_message("d", &claimed.lease, &partial(3_000, results(&["a"], &[])), at(3))
        .unwrap();
    assert_eq!(one(&store, &request("c", 4)), None);
    store.settle_message("1", &first.lease, &sent(), at(4)).unwrap();
    assert_eq!(one(&store, &request("c", 4)).unwrap().0, "d");
}

#[test]
fn a_message_that_is_given_up_and_its_end_go_to_the_fallback() {
    let (_dir, store) = open();
    let relay = |id: &str, kind| {
        let (_, message) = new(id, "d", "k", 0);
        Some(Relay {
            channel: "d".to_owned(),
            message: Message { kind, ..message },
            given_up_by: vec!["c".to_owned()],
        })
    };
    let end = |id: &str| Settlement::Sent {
        note: None,
        relays: relay(id, MessageKind::Recovery).into_iter().collect(),
    };
    // Nobody there knows of trouble yet.
    enqueue(&store, &[new("0", "c", "k", 0)]);
    settle_next(&store, 0, &end("x")).unwrap();
    enqueue(&store, &[new("1", "c", "k", 0)]);
    let dead = Settlement::Dead {
        why: "404".to_owned(),
        relay: relay("t", MessageKind::Trouble).map(Box::new),
    };
    settle_next(&store, 1, &dead).unwrap();
    let OutboxClaim::One(given) = store.claim_message(&request("d", 1)).unwrap() else {
        panic!("nothing")
    };
    assert_eq!(
        (given.message.id.as_str(), given.given_up_by),
        ("t", vec!["c".to_owned()])
    );
    store.settle_message("t", &given.lease, &sent(), at(1)).unwrap();
    for id in ["r", "again"] {
        enqueue(&store, &[new(&format!("{id}-c"), "c", "k", 2)]);
        settle_next(&store, 2, &end(id)).unwrap();
    }
    let all = states(&store);
    let of_fallback: Vec<&str> = all
        .iter()
        .map(|(id, _)| id.as_str())
        .filter(|id| !id.contains(|c: char| c == '-' || c.is_ascii_digit()))
        .collect();
    assert_eq!(of_fallback, ["t", "r"]);
}

#[test]
fn what_is_in_somebodys_hands_is_not_merged() {
    let (_dir, store) = open();
    enqueue(&store, &[new("1", "c", "a", 0), new("2", "c", "b", 0)]);
    one(&store, &request("c", 0)).unwrap();
    let ids = ["1".to_owned(), "2".to_owned()];
    assert!(!store.merge_messages("c", &ids, None, at(1)).unwrap());
    assert_eq!(store.messages(&[MessageState::Pending], 10).unwrap().len(), 2);
}

#[test]
fn what_is_held_is_released_or_dropped() {
    let (_dir, store) = open();
    store
        .write_alerts(&mut |ledger| {
            put(ledger, &new("1", "c", "a", 0), MessageState::Held)?;
            put(ledger, &new("2", "c", "b", 0), MessageState::Held)?;
            put(ledger, &new("3", "log", "b", 0), MessageState::Sent)
        })
        .unwrap();
    assert_eq!(one(&store, &request("c", 9)), None);
    store
        .write_alerts(&mut |ledger| ledger.release("c", "a", at(10)))
        .unwrap();
    store
        .write_alerts(&mut |ledger| ledger.drop_held("c", "b", at(10)))
        .unwrap();
    assert_eq!(one(&store, &request("c", 10)).unwrap().0, "1");
    assert_eq!(
        states(&store)[1..],
        [
            ("2".to_owned(), MessageState::Dropped),
            ("3".to_owned(), MessageState::Sent)
        ]
    );
}

#[test]
fn the_dead_come_back_unless_they_were_overtaken() {
    let (_dir, store) = open();
    enqueue(
        &store,
        &[new("a1", "c", "a", 0), new("a2", "c", "a", 0), new("b1", "c", "b", 0)],
    );
    let dead = dead("404");
    for settlement in [&dead, &sent(), &dead] {
        let (id, lease) = one(&store, &request("c", 1)).unwrap();
        store.settle_message(&id, &lease, settlement, at(1)).unwrap();
    }
    let undelivered = store.undelivered().unwrap();
    assert_eq!(undelivered.len(), 1);
    assert_eq!((undelivered[0].dead, undelivered[0].pending), (2, 0));
    assert_eq!(undelivered[0].last_error.as_deref(), Some("404"));
    let done = store.replay(None, at(2)).unwrap();
    assert_eq!(
        (done.again, done.overtaken),
        (vec!["b1".to_owned()], vec!["a1".to_owned()])
    );
    assert_eq!(one(&store, &request("c", 2)).unwrap().0, "b1");
    // A named message is always sent again.
    let done = store
        .replay(Some(&["a1".to_owned(), "none".to_owned()]), at(3))
        .unwrap();
    assert_eq!(done.again, ["a1"]);
    assert_eq!(store.messages_by_prefix("a").unwrap().len(), 2);
    assert_eq!(store.undelivered().unwrap()[0].since, Some(at(0)));
}

#[test]
fn a_message_of_a_later_version_is_given_up() {
    let (_dir, store) = open();
    let new_ones = ["1", "2", "3", "4"].map(|id| new(id, "c", "k", 0));
    enqueue(&store, &new_ones);
    let unreadable = |id: &str| {
        let later = "UPDATE outbox SET json = '{\"format\": 2}' WHERE id = ?1";
        store.connection().execute(later, [id]).unwrap();
    };
    unreadable("1");
    let (second, lease) = one(&store, &request("c", 1)).unwrap();
    assert_eq!(second, "2");
    store.settle_message("2", &lease, &sent(), at(1)).unwrap();
    unreadable("3");
    let limited = |seconds| ClaimRequest {
        rate_limit: Some((1, Duration::from_secs(3600))),
        ..request("c", seconds)
    };
    assert!(matches!(
        store.claim_message(&limited(2)).unwrap(),
        OutboxClaim::Nothing(Some(_))
    ));
    // Of the two that waited for the rate limit only one can be read, so nothing is joined.
    assert_eq!(one(&store, &limited(3601)).unwrap().0, "4");
    let dead = store.messages(&[MessageState::Dead], 9).unwrap();
    let dead: Vec<(&str, bool)> = dead.iter().map(|row| (&*row.id, row.message.is_none())).collect();
    assert_eq!(dead, [("1", true), ("3", true)]);
}

#[test]
fn strangers_are_given_up() {
    let (_dir, store) = open();
    enqueue(
        &store,
        &[new("1", "gone", "a", 0), new("2", "c", "a", 0), new("3", "c", "b", 0)],
    );
    for _ in 0..2 {
        let (id, lease) = one(&store, &request("c", 1)).unwrap();
        store.settle_message(&id, &lease, &sent(), at(1)).unwrap();
    }
    let given_up = store.tidy_messages(&["c"], at(2)).unwrap();
    assert_eq!(given_up.len(), 1);
    assert_eq!((&*given_up[0].id, given_up[0].state), ("1", MessageState::Dead));
    assert!(store.tidy_messages(&["c"], at(3)).unwrap().is_empty());
    assert_eq!(states(&store).len(), 3);
}

#[test]
fn of_many_senders_each_message_has_one() {
    let (dir, store) = open();
    let messages: Vec<Addressed<'_>> = (0..60)
        .map(|n| new(&n.to_string(), "c", &(n % 20).to_string(), n))
        .collect();
    enqueue(&store, &messages);
    let claimed = AtomicU64::new(0);
    let all = std::thread::scope(|scope| {
        let send = || {
            let own = Store::open(dir.path()).unwrap();
            let mut mine = Vec::new();
            while let Some((id, lease)) = one(&own, &request("c", 100)) {
                claimed.fetch_add(1, Ordering::SeqCst);
                mine.push(id.clone());
                own.settle_message(&id, &lease, &sent(), at(100)).unwrap();
            }
            mine
        };
        let senders: Vec<_> = (0..3).map(|_| scope.spawn(send)).collect();
        let mut all: Vec<String> = senders.into_iter().flat_map(|s| s.join().unwrap()).collect();
        all.sort();
        all
    });
    let before = all.len();
    let mut once = all;
    once.dedup();
    assert_eq!((once.len(), before), (60, 60));
    assert!(states(&store).iter().all(|(_, state)| *state == MessageState::Sent));
}

/// The store's files as a kill would leave them.
fn crashed(from: &Path) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["opsrun.db", "opsrun.db-wal"] {
        std::fs::copy(from.join(name), dir.path().join(name)).unwrap();
    }
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

#[test]
fn an_event_and_what_is_told_of_it_are_there_together_or_not_at_all() {
    let (dir, store) = open();
    store.begin_run(RUN, "apply", at(0)).unwrap();
    let event = Event::StepStarted {
        step: "check:a".parse().unwrap(),
    };
    // Stopped after each statement in turn, as a kill between two of them would: nothing of it is there.
    for stop_after in 0..4 {
        let mut done = 0;
        let mut write = |ledger: &Ledger<'_>| {
            let mut step = |work: &dyn Fn() -> rusqlite::Result<()>| {
                if done == stop_after {
                    // As after a kill here: what another process finds.
                    let (_copy, again) = crashed(dir.path());
                    assert!(again.events_of(RUN).unwrap().is_empty());
                    assert!(states(&again).is_empty());
                    return Err(rusqlite::Error::InvalidQuery);
                }
                done += 1;
                work()
            };
            step(&|| ledger.remember_alert_state("check:a", "{}", at(0)))?;
            step(&|| put(ledger, &new("1", "c", "check:a", 0), MessageState::Pending))?;
            step(&|| put(ledger, &new("2", "d", "check:a", 0), MessageState::Held))?;
            step(&|| Ok(()))
        };
        let written = store
            .journal(RUN)
            .record_with_alerts(std::slice::from_ref(&event), &mut write);
        assert!(written.is_err());
        assert!(store.events_of(RUN).unwrap().is_empty());
        assert!(states(&store).is_empty());
    }
    let mut write = |ledger: &Ledger<'_>| {
        ledger.remember_alert_state("check:a", "{}", at(0))?;
        put(ledger, &new("1", "c", "check:a", 0), MessageState::Pending)
    };
    store.journal(RUN).record_with_alerts(&[event], &mut write).unwrap();
    let (_copy, again) = crashed(dir.path());
    assert_eq!(again.events_of(RUN).unwrap().len(), 1);
    assert_eq!(states(&again), [("1".to_owned(), MessageState::Pending)]);
    again
        .write_alerts(&mut |ledger| {
            assert_eq!(ledger.alert_state("check:a")?.as_deref(), Some("{}"));
            Ok(())
        })
        .unwrap();
    // Without alerts, events are recorded as well.
    let more = Event::StepStarted {
        step: "check:b".parse().unwrap(),
    };
    again.journal(RUN).record(&more).unwrap();
    assert_eq!(again.events_of(RUN).unwrap().len(), 2);
}

#[test]
fn a_run_that_was_cut_short_is_told_of_once() {
    let (_dir, store) = open();
    store.begin_run(RUN, "apply", at(0)).unwrap();
    let mut write = |ledger: &Ledger<'_>| put(ledger, &new("1", "c", "k", 0), MessageState::Pending);
    store.mark_interrupted(RUN, &mut write).unwrap();
    // A second mark would break the id, if it wrote alerts.
    store.mark_interrupted(RUN, &mut write).unwrap();
    assert_eq!(states(&store).len(), 1);
}

#[test]
fn a_state_of_before_has_nothing_to_deliver() {
    let dir = tempfile::tempdir().unwrap();
    make_older(&dir.path().join("opsrun.db"), 3);
    let old = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert!(old.undelivered().unwrap().is_empty());
    assert!(old.messages(&MessageState::ALL, 9).unwrap().is_empty());
    drop(old);
    let new = Store::open(dir.path()).unwrap();
    enqueue(&new, &[new_message()]);
    assert_eq!(new.undelivered().unwrap().len(), 1);
}

fn new_message() -> Addressed<'static> {
    new("1", "c", "k", 0)
}

#[test]
fn nothing_waits_for_a_time_that_a_wrong_clock_had_set() {
    let (_dir, store) = open();
    // Ten hours ahead: one is being sent, and that process is gone.
    enqueue(&store, &[new("1", "c", "k", 36_000), new("2", "c", "l", 36_000)]);
    assert!(one(&store, &request("c", 36_000)).is_some());
    assert_eq!(one(&store, &request("c", 0)), None);
    store.due_after_clock_was_set_back(at(0)).unwrap();
    let ids = [0, 1].map(|seconds| one(&store, &request("c", seconds)).unwrap().0);
    assert_eq!(ids, ["1", "2"], "a lease of that time counts no longer");
}
