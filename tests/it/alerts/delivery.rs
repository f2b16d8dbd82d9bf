//! Random messages over channels that work, are away, ask for time or refuse, with restarts in between, against the real
//! store; and what must hold whatever happens.
//!
//! The other side is simulated: it knows its mode and each recipient's, and records what it was given.

use chrono::{DateTime, TimeDelta, Utc};
use opsrun::alert::sender::{Deliver, OutboxSender};
use opsrun::channel::answer::{Delivery, RecipientResults};
use opsrun::channel::message::{Message, MessageKind, MessageOrigin};
use opsrun::model::Channel;
use opsrun::model::Value;
use opsrun::model::channel::{ChannelKind, Email, MailTls, RateLimit, Severity, WebChannel, WebService};
use opsrun::model::check::Address;
use opsrun::run::State;
use opsrun::store::Store;
use opsrun::store::outbox::MessageState;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

const CHANNELS: [&str; 4] = ["chat", "mail", "hook", "alive"];
const RECIPIENTS: [&str; 3] = ["a@example.com", "b@example.com", "c@example.com"];
const LIMIT: (u32, i64) = (3, 600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Works,
    Away,
    /// It asks for so many seconds.
    Busy(u64),
    Refuses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Later,
    Never,
}

#[derive(Debug, Clone)]
enum Op {
    /// A channel, a key, and whether it is a recovery.
    Tell(usize, usize, bool),
    Mode(usize, Mode),
    Mood(usize, Mood),
    Pass(i64),
    Flush,
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let mode = prop_oneof![
        4 => Just(Mode::Works),
        3 => Just(Mode::Away),
        1 => (1_u64..20_000).prop_map(Mode::Busy),
        1 => Just(Mode::Refuses),
    ];
    let mood = prop_oneof![3 => Just(Mood::Takes), 2 => Just(Mood::Later), 1 => Just(Mood::Never)];
    let op = prop_oneof![
        8 => (0..CHANNELS.len(), 0_usize..3, any::<bool>()).prop_map(|(to, key, over)| Op::Tell(to, key, over)),
        2 => (0..CHANNELS.len(), mode).prop_map(|(of, mode)| Op::Mode(of, mode)),
        2 => (0..RECIPIENTS.len(), mood).prop_map(|(of, mood)| Op::Mood(of, mood)),
        3 => prop_oneof![0_i64..30, 30_i64..2_000, 2_000_i64..90_000].prop_map(Op::Pass),
        5 => Just(Op::Flush),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 1..60)
}

/// One message that was given to a receiver, and whether it took it.
#[derive(Debug, Clone)]
struct Given {
    at: DateTime<Utc>,
    channel: String,
    /// An address; empty where a channel has one receiver.
    to: String,
    message: Message,
    taken: bool,
}

struct Others {
    now: Cell<DateTime<Utc>>,
    modes: RefCell<[Mode; 4]>,
    moods: RefCell<[Mood; 3]>,
    given: RefCell<Vec<Given>>,
    /// Until when a channel asked to be left alone.
    pauses: RefCell<BTreeMap<String, DateTime<Utc>>>,
}

impl Others {
    fn answer(&self, channel: &str, to: &[String]) -> Delivery {
        let place = CHANNELS.iter().position(|known| *known == channel).unwrap();
        match self.modes.borrow()[place] {
            Mode::Away => return Delivery::retry("away"),
            Mode::Busy(seconds) => {
                let pause = TimeDelta::seconds(i64::try_from(seconds.min(3600)).unwrap());
                self.pauses
                    .borrow_mut()
                    .insert(channel.to_owned(), self.now.get() + pause);
                return Delivery::Retry {
                    after: Some(Duration::from_secs(seconds)),
                    why: "busy".to_owned(),
                };
            }
            Mode::Refuses => return Delivery::dead("no"),
            Mode::Works => {}
        }
        let moods = self.moods.borrow();
        let mood = |to: &&String| moods[RECIPIENTS.iter().position(|known| known == to).unwrap()];
        let of = |wanted| to.iter().filter(move |to| mood(to) == wanted).cloned();
        let results = RecipientResults {
            taken: of(Mood::Takes).collect(),
            refused: of(Mood::Never).map(|to| (to, "550".to_owned())).collect(),
        };
        if results.taken.len() == to.len() {
            return Delivery::Sent { answer: String::new() };
        }
        if results == RecipientResults::default() {
            return Delivery::retry("450");
        }
        Delivery::Partial {
            results,
            why: "450".to_owned(),
        }
    }
}

impl Deliver for Others {
    async fn deliver(&self, channel: &Channel, message: &Message, to: &[String]) -> Delivery {
        if let Some(until) = self.pauses.borrow().get(&channel.name) {
            assert!(self.now.get() >= *until, "{} asked to be left alone", channel.name);
        }
        let answer = self.answer(&channel.name, to);
        let single = [String::new()];
        for to in if channel.recipients().is_empty() {
            &single[..]
        } else {
            to
        } {
            let taken = match &answer {
                Delivery::Sent { .. } => true,
                Delivery::Partial { results, .. } => results.taken.contains(to),
                Delivery::Retry { .. } | Delivery::Dead { .. } => false,
            };
            self.given.borrow_mut().push(Given {
                at: self.now.get(),
                channel: channel.name.clone(),
                to: to.clone(),
                message: message.clone(),
                taken,
            });
        }
        answer
    }
}

fn channel(name: &str, kind: ChannelKind) -> Channel {
    Channel {
        name: name.to_owned(),
        kind,
        min_severity: Severity::Info,
        repeat: None,
        rate_limit: None,
        fallback: None,
        follows: None,
        timeout: Duration::from_secs(10),
    }
}

fn web(service: WebService) -> ChannelKind {
    ChannelKind::Web(WebChannel {
        service,
        settings: vec![("url", Value::Plain("https://localhost/".to_owned()))],
        headers: Vec::new(),
        ca_file: None,
    })
}

/// `hook` falls back to `chat`, which is limited and falls back to `mail`.
fn channels() -> Vec<Channel> {
    let mail = ChannelKind::Email(Email {
        to: RECIPIENTS.map(str::to_owned).into(),
        from: "o@example.com".to_owned(),
        smtp: Address {
            host: "localhost".to_owned(),
            port: 25,
        },
        tls: MailTls::None,
        user: None,
        password: None,
        ca_file: None,
    });
    let chat = Channel {
        rate_limit: Some(RateLimit {
            count: LIMIT.0,
            per: Duration::from_secs(LIMIT.1.unsigned_abs()),
        }),
        fallback: Some("mail".to_owned()),
        ..channel("chat", web(WebService::Slack))
    };
    let hook = Channel {
        fallback: Some("chat".to_owned()),
        ..channel("hook", web(WebService::Webhook))
    };
    vec![
        chat,
        channel("mail", mail),
        hook,
        channel("alive", web(WebService::Healthchecks)),
    ]
}

struct World {
    dir: tempfile::TempDir,
    store: Store,
    channels: Vec<Channel>,
    others: Others,
    /// The last message of each channel and key.
    told: BTreeMap<(&'static str, String), usize>,
    count: usize,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(dir.path()).unwrap(),
            dir,
            channels: channels(),
            others: Others {
                now: Cell::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap()),
                modes: RefCell::new([Mode::Works; 4]),
                moods: RefCell::new([Mood::Takes; 3]),
                given: RefCell::default(),
                pauses: RefCell::default(),
            },
            told: BTreeMap::new(),
            count: 0,
        }
    }

    fn tell(&mut self, to: usize, key: usize, over: bool) {
        let channel = CHANNELS[to];
        // Runs have one key.
        let key = if channel == "alive" {
            "run".to_owned()
        } else {
            format!("{channel}-{key}")
        };
        let kind = match (channel, over) {
            ("alive", true) => MessageKind::RunFinished,
            ("alive", false) => MessageKind::RunStarted,
            (_, true) => MessageKind::Recovery,
            (_, false) => MessageKind::Trouble,
        };
        let origin = MessageOrigin {
            ops: "o".to_owned(),
            host: "h".to_owned(),
        };
        self.count += 1;
        let (summary, now) = (self.count.to_string(), self.others.now.get());
        let mut message = Message::new(&origin, &key, kind, Severity::Critical, &summary, now);
        message.state = Some(if over { State::Ok } else { State::Failed });
        self.store
            .write_alerts(&mut |ledger| ledger.enqueue(channel, &message, MessageState::Pending))
            .unwrap();
        self.told.insert((channel, key), self.count);
    }

    fn flush(&self) {
        let sender = OutboxSender {
            store: &self.store,
            deliver: &self.others,
            channels: &self.channels,
            clock: &|| self.others.now.get(),
            random: &|| 0.5,
            redact: &str::to_owned,
            log: &|_| {},
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(sender.flush(Duration::from_secs(600))).unwrap();
    }

    fn pass(&self, seconds: i64) {
        self.others.now.set(self.others.now.get() + TimeDelta::seconds(seconds));
    }

    fn act(&mut self, op: &Op) {
        match *op {
            Op::Tell(to, key, over) => self.tell(to, key, over),
            Op::Mode(of, mode) => self.others.modes.borrow_mut()[of] = mode,
            Op::Mood(of, mood) => self.others.moods.borrow_mut()[of] = mood,
            Op::Pass(seconds) => self.pass(seconds),
            Op::Flush => self.flush(),
            Op::Restart => self.store = Store::open(self.dir.path()).unwrap(),
        }
    }

    /// Everything works again, until nothing waits.
    fn end(&mut self) {
        *self.others.modes.borrow_mut() = [Mode::Works; 4];
        *self.others.moods.borrow_mut() = [Mood::Takes; 3];
        for _ in 0..40 {
            if self.store.messages(&[MessageState::Pending], 1000).unwrap().is_empty() {
                return;
            }
            self.pass(4000);
            self.flush();
        }
        panic!("{:?}", self.store.messages(&[MessageState::Pending], 1000).unwrap());
    }
}

/// What a message says of keys: which is the newest of each.
fn says(message: &Message) -> Vec<(String, usize)> {
    match message.kind {
        MessageKind::Digest => {
            let parts = message.parts.iter();
            parts
                .map(|part| (part.key.clone(), part.summary.parse().unwrap()))
                .collect()
        }
        _ => vec![(message.key.clone(), message.summary.parse().unwrap())],
    }
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let given = world.others.given.borrow();
    let mut once = BTreeMap::new();
    let mut newest: BTreeMap<(&str, &str, String), usize> = BTreeMap::new();
    for one in given.iter().filter(|one| one.taken) {
        let before = once.insert((&one.message.id, &one.to), one);
        prop_assert!(before.is_none(), "twice: {before:?} {one:?}");
        for (key, n) in says(&one.message) {
            let before = newest.insert((&one.channel, &one.to, key), n);
            prop_assert!(
                before.is_none_or(|before| before < n),
                "out of order: {before:?} {one:?}"
            );
        }
    }
    // A recipient that refused a message for good is not asked again.
    let dead = world.store.messages(&[MessageState::Dead], 1000).unwrap();
    let chat: Vec<DateTime<Utc>> = given
        .iter()
        .filter(|one| one.channel == "chat" && one.taken)
        .map(|one| one.at)
        .collect();
    for at in &chat {
        let within = chat
            .iter()
            .filter(|other| *other <= at && *at - **other < TimeDelta::seconds(LIMIT.1));
        prop_assert!(within.count() <= LIMIT.0 as usize, "over the limit at {at}");
    }
    // The last message of each key has arrived, was given up, or was refused by that recipient.
    let all = world.store.messages(&MessageState::ALL, 1000).unwrap();
    for ((channel, key), n) in &world.told {
        let receivers: &[&str] = if *channel == "mail" { &RECIPIENTS } else { &[""] };
        let given_up = dead.iter().filter(|row| row.channel == *channel);
        let given_up = given_up
            .filter_map(|row| row.message.as_ref())
            .any(|message| says(message).contains(&(key.clone(), *n)));
        for to in receivers {
            let refused = all.iter().filter(|row| {
                row.channel == *channel
                    && row
                        .message
                        .as_ref()
                        .is_some_and(|m| says(m).contains(&(key.clone(), *n)))
            });
            let refused = refused
                .filter_map(|row| row.last_error.as_ref())
                .any(|why| why.contains(&format!("refused for {to}")));
            let arrived = newest.get(&(channel, to, key.clone())) == Some(n);
            prop_assert!(
                arrived || given_up || refused,
                "{channel} {key} {n} did not reach {to:?}"
            );
        }
        // What it gave up has a way on.
        if given_up && *channel == "hook" {
            let relayed = all
                .iter()
                .filter(|row| row.channel == "chat")
                .filter_map(|row| row.message.as_ref());
            prop_assert!(
                relayed.into_iter().any(|m| m.key == *key && m.summary == n.to_string()),
                "{key} {n} has no fallback"
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn messages_arrive_once_in_order_and_within_the_limit(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            world.act(op);
        }
        world.end();
        check(&world)?;
    }

    /// Whatever was tried before: when the server is back, one new message brings all that waits.
    #[test]
    fn the_first_message_after_an_outage_brings_all_that_waits(
        keys in prop::collection::vec(0_usize..3, 1..12),
        pauses in prop::collection::vec(10_i64..5_000, 0..12),
    ) {
        let mut world = World::new();
        world.others.modes.borrow_mut()[2] = Mode::Away;
        for (n, key) in keys.iter().enumerate() {
            world.tell(2, *key, n % 2 == 1);
            world.flush();
        }
        for pause in pauses {
            world.pass(pause);
            world.flush();
        }
        world.others.modes.borrow_mut()[2] = Mode::Works;
        world.tell(2, 0, false);
        world.flush();
        prop_assert!(world.store.messages(&[MessageState::Pending], 1000).unwrap().is_empty());
        check(&world)?;
    }
}
