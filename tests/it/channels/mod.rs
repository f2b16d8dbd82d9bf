//! Channels against real servers and children of the test's own: what arrives there, and what comes of everything that
//! can go wrong on the way.
//!
//! Every server can misbehave; every delivery must end in its time, say what happened, and hold no secret. Servers stall
//! by reading until the other side closes, so nothing here sleeps.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it stops at what it did not expect"
)]

mod command;
#[cfg(feature = "email")]
mod mail;
#[cfg(feature = "email")]
mod mail_trouble;
#[cfg(feature = "http")]
mod shapes;
#[cfg(feature = "email")]
pub mod smtp;
#[cfg(feature = "http")]
mod web;
#[cfg(not(all(feature = "http", feature = "email")))]
mod without;

use crate::support::block_on;
use opsrun::alert::channel::ChannelSender;
use opsrun::alert::sender::Deliver as _;
use opsrun::channel::answer::Delivery;
use opsrun::channel::message::MessageOrigin;
use opsrun::channel::message::{Message, MessageKind};
use opsrun::model::Channel;
use opsrun::model::channel::{ChannelKind, Severity, WebChannel, WebService};
use opsrun::model::command::{SecretSource, Value};
use opsrun::run::State;
use opsrun::secret::Vault;
use opsrun::signal::Stop;
use std::time::{Duration, Instant};

/// Long enough for any answer on this machine.
const LONG: Duration = Duration::from_secs(60);
/// Nothing takes so long that ends when it should.
const BOUND: Duration = Duration::from_secs(20);

/// What must show nowhere.
const SECRET: &str = "hunter2-Zq9/+vW&x=7";

fn channel(kind: ChannelKind) -> Channel {
    Channel {
        name: "ops".to_owned(),
        kind,
        min_severity: Severity::Info,
        repeat: None,
        rate_limit: None,
        fallback: None,
        follows: None,
        timeout: LONG,
    }
}

fn web<const N: usize>(service: WebService, settings: [(&'static str, Value); N]) -> ChannelKind {
    ChannelKind::Web(WebChannel {
        service,
        settings: settings.into(),
        headers: Vec::new(),
        ca_file: None,
    })
}

fn message() -> Message {
    let origin = MessageOrigin {
        ops: "shop".to_owned(),
        host: "web1".to_owned(),
    };
    let at = "2026-03-01T12:00:00Z".parse().unwrap();
    let summary = "127.0.0.1:5672: connection refused; größer als erlaubt";
    Message {
        id: "01KJN8ZQ3V0000000000000001".to_owned(),
        state: Some(State::Critical),
        previous: Some(State::Ok),
        help: Some("check host and port".to_owned()),
        details: vec![".".to_owned(), "3 of 3 attempts".to_owned()],
        run: Some("01KJN8ZQ3V0000000000000000".to_owned()),
        ..Message::new(
            &origin,
            "check:broker",
            MessageKind::Trouble,
            Severity::Critical,
            summary,
            at,
        )
    }
}

/// A secret that a command prints.
fn secret(text: &str) -> Value {
    let words = ["/bin/echo", text].map(str::to_owned).into();
    Value::Secret(SecretSource::Command(words, "/".into()))
}

/// One attempt with secrets and signals of its own, which must end in its time and show no secret.
#[expect(clippy::disallowed_methods, reason = "a test of how long something takes")]
fn deliver(channel: &Channel, message: &Message) -> Delivery {
    let sender = ChannelSender::new(Vault::default(), Stop::new().unwrap());
    let began = Instant::now();
    let delivery = block_on(sender.deliver(channel, message, channel.recipients()));
    assert!(began.elapsed() < BOUND, "{:?}: {delivery:?}", began.elapsed());
    shows_no_secret(&format!("{delivery:?} {sender:?}"));
    delivery
}

/// Expects that a limit ends the wait for `what`. How long everything takes that must happen before depends on the
/// machine: a limit that was too short for that is doubled.
#[cfg(any(feature = "http", feature = "email"))]
#[track_caller]
fn stalls(what: &str, attempt: impl Fn(Duration) -> Delivery) {
    let mut limit = Duration::from_millis(500);
    loop {
        let delivery = attempt(limit);
        retry(&delivery, " within ");
        let told = format!("{what} within {}", opsrun::units::show_duration(limit));
        if format!("{delivery:?}").contains(&told) {
            return;
        }
        limit *= 2;
        assert!(limit < LONG, "{delivery:?}");
    }
}

/// All at once, in threads of their own: what waits for its end costs its time but once.
#[cfg(any(feature = "http", feature = "email"))]
fn at_once<T: Send, R: Send>(all: Vec<T>, each: impl Fn(T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = all.into_iter().map(|one| scope.spawn(|| each(one))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Not in any of the ways in which servers commonly repeat it.
#[track_caller]
fn shows_no_secret(text: &str) {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let percent = SECRET
        .replace('/', "%2F")
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let inner = |engine: &base64::engine::GeneralPurpose| {
        let whole = engine.encode(SECRET);
        whole[..whole.len() - 4].to_owned()
    };
    let forms = [
        SECRET.to_owned(),
        percent,
        inner(&STANDARD),
        inner(&URL_SAFE),
        "hunter2".to_owned(),
    ];
    for form in forms {
        assert!(!text.contains(&form), "`{form}` shows in {text}");
    }
}

#[track_caller]
fn sent(delivery: &Delivery, answer: &str) {
    match delivery {
        Delivery::Sent { answer: said } => assert!(said.contains(answer), "{delivery:?}"),
        _ => panic!("{delivery:?}"),
    }
}

#[track_caller]
fn retry(delivery: &Delivery, reason: &str) -> Option<Duration> {
    match delivery {
        Delivery::Retry { after, why } => {
            assert!(why.contains(reason), "{delivery:?}");
            *after
        }
        _ => panic!("{delivery:?}"),
    }
}

#[track_caller]
fn dead(delivery: &Delivery, reason: &str) {
    match delivery {
        Delivery::Dead { why } => assert!(why.contains(reason), "{delivery:?}"),
        _ => panic!("{delivery:?}"),
    }
}
