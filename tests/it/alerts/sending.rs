//! The sender with the real store: time is what the test says, and so is the other side.

use chrono::{DateTime, TimeDelta, Utc};
use opsrun::alert::sender::Deliver;
use opsrun::alert::sender::GIVE_UP_AFTER;
use opsrun::alert::sender::OutboxSender;
use opsrun::channel::answer::Delivery;
use opsrun::channel::message::{Message, MessageKind, MessageOrigin};
use opsrun::model::Channel;
use opsrun::model::Value;
use opsrun::model::channel::{ChannelKind, RateLimit, Severity, WebChannel, WebService};
use opsrun::run::State;
use opsrun::store::Store;
use opsrun::store::outbox::{ClaimRequest, MessageState, OutboxClaim};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

/// Answers as it is told to, and remembers what it was given.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Delivery>>,
    given: RefCell<Vec<(String, Message)>>,
}

impl Deliver for Script {
    async fn deliver(&self, channel: &Channel, message: &Message, _to: &[String]) -> Delivery {
        self.given.borrow_mut().push((channel.name.clone(), message.clone()));
        self.answers.borrow_mut().pop_front().unwrap_or(Delivery::Sent {
            answer: "200 OK".to_owned(),
        })
    }
}

fn retry(after: Option<u64>) -> Delivery {
    Delivery::Retry {
        after: after.map(Duration::from_secs),
        why: "503 with hunter2 in it".to_owned(),
    }
}

fn dead() -> Delivery {
    Delivery::Dead {
        why: "404 Not Found".to_owned(),
    }
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    channels: Vec<Channel>,
    script: Script,
    now: Cell<DateTime<Utc>>,
    random: Cell<f64>,
    log: RefCell<Vec<String>>,
}

impl World {
    fn new(channels: Vec<Channel>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(dir.path()).unwrap(),
            _dir: dir,
            channels,
            script: Script::default(),
            now: Cell::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()),
            random: Cell::new(0.0),
            log: RefCell::default(),
        }
    }

    fn answers(&self, answers: impl IntoIterator<Item = Delivery>) {
        self.script.answers.borrow_mut().extend(answers);
    }

    fn tell(&self, channel: &str, key: &str, kind: MessageKind, state: State) -> String {
        let origin = MessageOrigin {
            ops: "o".to_owned(),
            host: "h".to_owned(),
        };
        let mut message = Message::new(&origin, key, kind, Severity::Critical, "it is so", self.now.get());
        message.state = Some(state);
        self.store
            .write_alerts(&mut |ledger| ledger.enqueue(channel, &message, MessageState::Pending))
            .unwrap();
        message.id
    }

    /// Sends what is due now; gives what was handed over, in short.
    fn flush(&self) -> Vec<String> {
        let from = self.script.given.borrow().len();
        let sender = OutboxSender {
            store: &self.store,
            deliver: &self.script,
            channels: &self.channels,
            clock: &|| self.now.get(),
            random: &|| self.random.get(),
            redact: &|text| text.replace("hunter2", "[secret]"),
            log: &|text| self.log.borrow_mut().push(text.to_owned()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(sender.flush(Duration::from_secs(60))).unwrap();
        let given = self.script.given.borrow();
        let short =
            |(channel, message): &(String, Message)| format!("{channel} {} {}", message.key, message.kind.word());
        given[from..].iter().map(short).collect()
    }

    fn pass(&self, seconds: i64) {
        self.now.set(self.now.get() + TimeDelta::seconds(seconds));
    }

    fn state(&self, id: &str) -> MessageState {
        self.store.messages_by_prefix(id).unwrap()[0].state
    }
}

fn web(service: WebService, setting: &'static str, value: &str) -> ChannelKind {
    ChannelKind::Web(WebChannel {
        service,
        settings: vec![(setting, Value::Plain(value.to_owned()))],
        headers: Vec::new(),
        ca_file: None,
    })
}

fn channel(name: &str) -> Channel {
    Channel {
        name: name.to_owned(),
        kind: web(WebService::Slack, "url", "https://localhost/"),
        min_severity: Severity::Warning,
        repeat: None,
        rate_limit: None,
        fallback: None,
        follows: None,
        timeout: Duration::from_secs(10),
    }
}

fn limited(name: &str, kind: Option<ChannelKind>, count: u32) -> Channel {
    let one = channel(name);
    Channel {
        kind: kind.unwrap_or(one.kind),
        rate_limit: Some(RateLimit {
            count,
            per: Duration::from_secs(3600),
        }),
        ..channel(name)
    }
}

#[test]
fn what_fails_is_tried_again_later_and_later_and_keeps_its_order() {
    let world = World::new(vec![channel("a"), channel("b")]);
    let first = world.tell("a", "k", MessageKind::Trouble, State::Critical);
    let second = world.tell("a", "k", MessageKind::Recovery, State::Ok);
    world.answers([retry(None)]);
    assert_eq!(world.flush(), ["a k trouble"]);
    let row = &world.store.messages_by_prefix(&first).unwrap()[0];
    assert_eq!(
        (row.attempts, row.due_at.0 - world.now.get()),
        (1, TimeDelta::seconds(10))
    );
    assert_eq!(row.last_error.as_deref(), Some("503 with [secret] in it"));
    // Another channel is not held up.
    world.tell("b", "k", MessageKind::Trouble, State::Critical);
    assert_eq!(world.flush(), ["b k trouble"]);
    world.pass(9);
    assert!(world.flush().is_empty());
    world.pass(1);
    world.answers([retry(None)]);
    world.random.set(1.0);
    assert_eq!(world.flush(), ["a k trouble"]);
    world.pass(9);
    assert!(world.flush().is_empty());
    world.pass(1);
    assert_eq!(world.flush(), ["a k trouble", "a k recovery"]);
    assert_eq!(
        (world.state(&first), world.state(&second)),
        (MessageState::Sent, MessageState::Sent)
    );
    // The same message each time: receivers can tell.
    let given = world.script.given.borrow();
    let ids: Vec<&str> = given
        .iter()
        .filter(|(c, m)| c == "a" && m.kind == MessageKind::Trouble && m.key == "k")
        .map(|(_, m)| &*m.id)
        .collect();
    assert_eq!(ids, [&first, &first, &first]);
}

#[test]
fn a_server_that_asks_for_time_gets_it_up_to_a_day() {
    let world = World::new(vec![channel("a")]);
    world.tell("a", "k", MessageKind::Trouble, State::Critical);
    world.tell("a", "other", MessageKind::Trouble, State::Critical);
    world.answers([retry(Some(300))]);
    assert_eq!(world.flush(), ["a k trouble"]);
    world.pass(299);
    assert!(world.flush().is_empty());
    world.pass(1);
    world.answers([Delivery::Sent { answer: String::new() }, retry(Some(1_000_000))]);
    assert_eq!(world.flush(), ["a other trouble", "a k trouble"]);
    world.pass(24 * 3600 - 1);
    assert!(world.flush().is_empty());
    world.pass(1);
    assert_eq!(world.flush(), ["a k trouble"]);
}

#[test]
fn what_cannot_be_delivered_is_given_up_aloud() {
    let world = World::new(vec![channel("a")]);
    let refused = world.tell("a", "k", MessageKind::Trouble, State::Critical);
    let later = world.tell("a", "k", MessageKind::Recovery, State::Ok);
    let stranger = world.tell("gone", "k", MessageKind::Trouble, State::Critical);
    world.answers([dead()]);
    assert_eq!(world.flush(), ["a k trouble", "a k recovery"]);
    assert_eq!(world.state(&refused), MessageState::Dead);
    assert_eq!(world.state(&later), MessageState::Sent);
    assert_eq!(world.state(&stranger), MessageState::Dead);
    let log = world.log.borrow();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(
        log[0].contains(&stranger) && log[0].contains("no channel of this name"),
        "{log:?}"
    );
    assert!(
        log[1].contains("404 Not Found; its text: [o] k is critical: it is so"),
        "{log:?}"
    );
}

#[test]
fn after_three_days_of_failures_it_is_given_up() {
    let world = World::new(vec![channel("a")]);
    let id = world.tell("a", "k", MessageKind::Trouble, State::Critical);
    // That nobody tried for a week is no failure.
    world.pass(7 * 86_400);
    let begun = world.now.get();
    let mut attempts = 0;
    while world.state(&id) == MessageState::Pending {
        world.answers([retry(None)]);
        attempts += world.flush().len();
        world.pass(600);
        assert!(world.now.get() - begun < TimeDelta::days(4));
    }
    assert_eq!(world.state(&id), MessageState::Dead);
    assert!(world.now.get() - begun > GIVE_UP_AFTER);
    assert!((70..120).contains(&attempts), "{attempts}");
    assert!(world.log.borrow()[0].contains("for more than 3 days"));
}

#[test]
fn what_is_too_much_comes_as_a_digest() {
    let world = World::new(vec![limited("a", None, 2)]);
    for key in ["one", "two", "three", "four", "three"] {
        let (kind, state) = if key == "three" && world.store.messages(&[MessageState::Pending], 9).unwrap().len() > 3 {
            (MessageKind::Recovery, State::Ok)
        } else {
            (MessageKind::Trouble, State::Critical)
        };
        world.tell("a", key, kind, state);
    }
    world.answers([Delivery::Sent { answer: String::new() }, retry(None)]);
    assert_eq!(world.flush(), ["a one trouble", "a digest digest"]);
    world.tell("a", "five", MessageKind::Trouble, State::Critical);
    world.answers([retry(None)]);
    assert_eq!(world.flush(), ["a digest digest"], "the digest is first");
    world.pass(20);
    assert_eq!(world.flush(), ["a digest digest"]);
    world.pass(3580);
    assert_eq!(world.flush(), ["a five trouble"]);
    let given = world.script.given.borrow();
    let digest = &given[3].1;
    assert_eq!(digest.count, Some(4));
    let parts: Vec<(&str, MessageKind)> = digest.parts.iter().map(|part| (&*part.key, part.kind)).collect();
    let trouble = MessageKind::Trouble;
    assert_eq!(
        parts,
        [("two", trouble), ("four", trouble), ("three", MessageKind::Recovery)]
    );
    assert_eq!(
        digest.title(),
        "[o] 2 jobs failed, all critical: two, four; 1 job recovered: three"
    );
    assert_eq!(world.store.messages(&[MessageState::Merged], 9).unwrap().len(), 4);
}

#[test]
fn after_an_outage_all_that_waits_comes_with_the_first_that_arrives() {
    let world = World::new(vec![channel("a")]);
    for key in ["k", "l"] {
        world.tell("a", key, MessageKind::Trouble, State::Critical);
        world.tell("a", key, MessageKind::Recovery, State::Ok);
    }
    for _ in 0..8 {
        world.answers([retry(None), retry(None)]);
        assert_eq!(world.flush().len(), 2);
        world.pass(4000);
    }
    world.answers([retry(None), retry(None)]);
    world.flush();
    world.pass(1);
    world.tell("a", "new", MessageKind::Trouble, State::Critical);
    assert_eq!(
        world.flush(),
        [
            "a new trouble",
            "a k trouble",
            "a k recovery",
            "a l trouble",
            "a l recovery"
        ]
    );
}

#[test]
fn what_one_channel_gives_up_another_gets_with_the_reason() {
    let backed = |name: &str, fallback: &str| Channel {
        fallback: Some(fallback.to_owned()),
        ..channel(name)
    };
    // A circle is an error in a file; a file may change while a message is on its way.
    let world = World::new(vec![backed("a", "b"), backed("b", "c"), backed("c", "a")]);
    world.tell("a", "k", MessageKind::Trouble, State::Critical);
    world.answers([dead(), dead(), dead()]);
    let given = [world.flush(), world.flush(), world.flush(), world.flush()].concat();
    assert_eq!(given, ["a k trouble", "b k trouble", "c k trouble"]);
    {
        let given = world.script.given.borrow();
        assert_eq!(given[1].1.details, ["channel a gave it up: 404 Not Found"]);
        assert_eq!(given[1].1.at, given[0].1.at);
        assert_ne!(given[1].1.id, given[0].1.id);
        let log = world.log.borrow();
        assert!(log[0].contains("404 Not Found; handed to the fallback b"), "{log:?}");
        assert!(!log[2].contains("fallback"), "{log:?}");
    }
    // The end of what it was given reaches the fallback too, though the channel works again.
    world.tell("a", "k", MessageKind::Recovery, State::Ok);
    world.tell("a", "other", MessageKind::Recovery, State::Ok);
    let given = [world.flush(), world.flush(), world.flush()].concat();
    assert_eq!(
        given,
        ["a k recovery", "a other recovery", "b k recovery", "c k recovery"]
    );
}

#[test]
fn the_end_of_what_a_fallback_was_given_reaches_it_out_of_a_digest_too() {
    let first = Channel {
        fallback: Some("b".to_owned()),
        ..limited("a", None, 1)
    };
    let world = World::new(vec![first, channel("b")]);
    let news = |key, kind, state| drop(world.tell("a", key, kind, state));
    news("k", MessageKind::Trouble, State::Critical);
    news("l", MessageKind::Trouble, State::Critical);
    world.answers([dead()]);
    let given = [world.flush(), world.flush()].concat();
    assert_eq!(given, ["a digest digest", "b digest digest"]);
    for key in ["k", "other"] {
        news(key, MessageKind::Recovery, State::Ok);
    }
    let given = [world.flush(), world.flush()].concat();
    assert_eq!(given, ["a digest digest", "b k recovery"]);
    // Once.
    world.pass(3600);
    for key in ["k", "l"] {
        news(key, MessageKind::Recovery, State::Ok);
    }
    let given = [world.flush(), world.flush()].concat();
    assert_eq!(given, ["a digest digest", "b l recovery"]);
}

#[test]
fn a_channel_that_follows_each_key_is_told_the_newest_of_each() {
    let kind = web(WebService::Pagerduty, "routing-key", "k");
    let world = World::new(vec![limited("duty", Some(kind), 1)]);
    world.tell("duty", "x", MessageKind::Trouble, State::Critical);
    assert_eq!(world.flush(), ["duty x trouble"]);
    for (key, kind) in [
        ("x", MessageKind::Trouble),
        ("y", MessageKind::Trouble),
        ("x", MessageKind::Recovery),
    ] {
        world.tell("duty", key, kind, State::Critical);
    }
    assert!(world.flush().is_empty());
    world.pass(3600);
    assert_eq!(world.flush(), ["duty y trouble"]);
    world.pass(3600);
    assert_eq!(world.flush(), ["duty x recovery"]);
    assert!(world.store.undelivered().unwrap().is_empty());
}

#[test]
fn two_senders_share_the_work_and_a_killed_one_loses_nothing() {
    let world = World::new(vec![channel("a")]);
    let id = world.tell("a", "k", MessageKind::Trouble, State::Critical);
    // A sender that was killed with the message in its hands.
    let request = ClaimRequest {
        channel: "a",
        now: world.now.get(),
        lease: Duration::from_secs(50),
        rate_limit: None,
        key_by_key: false,
        gather: TimeDelta::zero(),
    };
    let claim = world.store.claim_message(&request).unwrap();
    assert!(matches!(claim, OutboxClaim::One(_)));
    assert!(world.flush().is_empty());
    world.pass(50);
    assert_eq!(world.flush(), ["a k trouble"]);
    assert_eq!(world.state(&id), MessageState::Sent);
}
