//! What all channels that speak HTTP have in common: answers, waits, redirects, and everything that is no answer.

use super::{LONG, SECRET, at_once, channel, dead, deliver, message, retry, secret, sent, stalls, web};
use crate::support::ca::Ca;
use crate::support::stub::{self, Stub, answer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opsrun::channel::answer::Delivery;
use opsrun::channel::message::{Message, MessageKind};
use opsrun::model::Channel;
use opsrun::model::channel::{ChannelKind, WebChannel, WebService};
use opsrun::model::command::{SecretSource, Value};
use opsrun::run::State;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Long enough for a request, on a machine with much to do, and no longer than it must be.
const BRIEF: Duration = Duration::from_secs(4);

/// What makes a server's path secret, as it stands in a URL.
pub const PATH: &str = "T0000-hunter2-B0000";

/// Every kind, at that server, with all the secrets that it can have.
pub fn every(origin: &str, ca_file: Option<&Path>) -> Vec<Channel> {
    let url = || ("url", secret(&format!("{origin}/{PATH}")));
    let kinds = vec![
        web(WebService::Webhook, [url(), ("hmac", secret(SECRET))]),
        web(WebService::Slack, [url()]),
        web(WebService::Discord, [url()]),
        web(
            WebService::Telegram,
            [
                ("token", secret("123:hunter2-hunter2")),
                ("chat", Value::Plain("-100".to_owned())),
                ("api-url", Value::Plain(origin.to_owned())),
            ],
        ),
        web(WebService::Ntfy, [url(), ("token", secret(SECRET))]),
        web(WebService::Pagerduty, [("routing-key", secret(SECRET)), url()]),
        web(WebService::Healthchecks, [url()]),
    ];
    let kinds = kinds.into_iter().map(|kind| match kind {
        ChannelKind::Web(web) => ChannelKind::Web(WebChannel {
            headers: if web.service == WebService::Webhook {
                vec![("Authorization".to_owned(), secret(SECRET))]
            } else {
                Vec::new()
            },
            ca_file: ca_file.map(Path::to_owned),
            ..web
        }),
        other => other,
    });
    kinds.map(channel).collect()
}

pub fn at(stub: &Stub) -> Vec<Channel> {
    every(&format!("http://{}", stub.address), None)
}

/// News that every kind passes on.
pub fn news(channel: &Channel) -> Message {
    if channel.kind.word() == "healthchecks" {
        Message {
            kind: MessageKind::RunFinished,
            state: Some(State::Failed),
            ..message()
        }
    } else {
        message()
    }
}

/// What comes of it with every kind.
fn all(stub: &Stub) -> Vec<Delivery> {
    at_once(at(stub), |channel| deliver(&channel, &news(&channel)))
}

/// With every kind, within that time.
fn each(stub: &Stub, attempt: impl Fn(&dyn Fn(Duration) -> Delivery) + Sync) {
    at_once(at(stub), |channel| {
        let message = news(&channel);
        attempt(&|timeout| {
            let channel = Channel {
                timeout,
                ..channel.clone()
            };
            deliver(&channel, &message)
        });
    });
}

#[test]
fn the_status_decides() {
    for status in [200, 201, 202, 204] {
        let stub = stub::answers(answer(&format!("{status} Fine"), "", ""));
        for delivery in all(&stub) {
            sent(&delivery, &format!("status {status}"));
        }
        assert_eq!(stub.received.try_iter().count(), 7);
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let stub = stub::answers(answer(&format!("{status} Later"), "", "not now\nreally"));
        for delivery in all(&stub) {
            assert_eq!(retry(&delivery, &format!("status {status}")), None);
        }
    }
    for status in [400, 401, 403, 404, 405, 410, 413, 422] {
        let stub = stub::answers(answer(&format!("{status} Never"), "", "<html>never</html>"));
        for delivery in all(&stub) {
            dead(&delivery, &format!("status {status}"));
            assert!(!format!("{delivery:?}").contains("html"), "{delivery:?}");
        }
    }
}

#[test]
fn who_says_when_is_heeded() {
    for (headers, seconds) in [
        ("Retry-After: 37\r\n", Some(37)),
        ("Retry-After: 9999999\r\n", Some(86_400)),
        (
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\n",
            Some(120),
        ),
        ("Retry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\n", Some(0)),
        ("Retry-After: soon\r\n", None),
    ] {
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            let stub = stub::answers(answer(status, headers, ""));
            for delivery in all(&stub) {
                assert_eq!(
                    retry(&delivery, "status "),
                    seconds.map(Duration::from_secs),
                    "{headers}"
                );
            }
        }
    }
}

#[test]
fn no_redirect_is_followed() {
    let other = stub::answers(answer("200 OK", "", ""));
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: http://{}/\r\n", other.address);
        let stub = stub::answers(answer(&format!("{status} Elsewhere"), &location, ""));
        for delivery in all(&stub) {
            // What moved for good stays so.
            if status == 301 || status == 308 {
                dead(&delivery, &format!("status {status}"));
            } else {
                retry(&delivery, &format!("status {status}"));
            }
        }
        assert_eq!(stub.received.try_iter().count(), 7);
    }
    assert_eq!(other.received.try_iter().count(), 0);
    // Nor one that leads to itself.
    let stub = stub::http(|_, wire, _| {
        let _ = wire.write_all(answer("302 Found", "Location: /\r\n", "").as_bytes());
    });
    for delivery in all(&stub) {
        retry(
            &delivery,
            "the server redirects, and redirects of a POST are not followed",
        );
    }
    assert_eq!(stub.received.try_iter().count(), 7);
}

#[test]
fn stalls_end_in_time() {
    each(&stub::stalls_after(""), |attempt| stalls("no answer", attempt));
    let half = "the headers of the answer did not end";
    each(&stub::stalls_after("HTTP/1.1 200 OK\r\nContent-Le"), |attempt| {
        stalls(half, attempt);
    });
    let mute = stub::serve(|mut stream, _| stub::stall(&mut stream));
    each(&mute, |attempt| stalls("no answer", attempt));
    // A head without the rest of its body is an answer.
    let taken = stub::stalls_after("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    each(&taken, |attempt| sent(&attempt(BRIEF), "status 200"));
    let refused = stub::stalls_after("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{");
    each(&refused, |attempt| dead(&attempt(BRIEF), "status 404"));
}

#[test]
fn what_is_no_answer_is_tried_again() {
    for garbage in [
        "",
        "HTTP/1.1 200 OK\r\nContent-",
        "\0\x01\x02garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
    ] {
        for delivery in all(&stub::answers(garbage)) {
            retry(&delivery, "");
        }
    }
    let shut = stub::serve(|stream, _| drop(stream));
    for delivery in all(&shut) {
        retry(&delivery, "");
    }
    for delivery in all(&stub::answers("")) {
        retry(&delivery, "the server closed the connection without an answer");
    }
    for delivery in all(&stub::answers("HTTP/1.1 200 OK\r\nContent-")) {
        retry(&delivery, "the answer ended within its headers");
    }
}

#[test]
fn endless_answers_are_not_read_for_ever() {
    let headers = stub::http(|_, wire, record| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ");
        let _ = record.send(stub::pour(wire, &[b'x'; 8_192], 1 << 30).to_string());
    });
    let bodies = stub::http(|_, wire, record| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let _ = record.send(stub::pour(wire, &[b'x'; 8_192], 1 << 30).to_string());
    });
    let chunks = stub::http(|_, wire, record| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let piece = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let _ = record.send(stub::pour(wire, piece.as_bytes(), 1 << 30).to_string());
    });
    for (stub, is_answer) in [(headers, false), (bodies, true), (chunks, true)] {
        for channel in at(&stub) {
            let delivery = deliver(&channel, &news(&channel));
            if is_answer {
                sent(&delivery, "status 200");
            } else {
                retry(&delivery, "no valid HTTP answer");
            }
            stub.received.recv().unwrap();
            let written: usize = stub.received.recv().unwrap().parse().unwrap();
            assert!(written < 64 << 20, "{written}");
        }
    }
}

#[test]
fn a_certificate_that_proves_nothing_is_named() {
    let (ca, another) = (Ca::new(), Ca::named("another"));
    let fine = || answer("200 OK", "", "");
    let all = |stub: &Stub, ca_file: PathBuf| {
        let channels = every(&format!("https://{}", stub.address), Some(&ca_file));
        let told = channels.iter().map(|channel| deliver(channel, &news(channel)));
        told.collect::<Vec<_>>()
    };
    let stub = ca.serve(&["127.0.0.1"], -1, 90, fine());
    for delivery in all(&stub, ca.file()) {
        sent(&delivery, "status 200");
    }
    assert_eq!(stub.received.try_iter().count(), 7);
    for delivery in all(&stub, another.file()) {
        retry(&delivery, "its certificate is not trusted: unknown issuer");
    }
    for delivery in all(&stub, "/no/such/ca.pem".into()) {
        retry(&delivery, "the CA file `/no/such/ca.pem` cannot be read");
    }
    assert_eq!(stub.received.try_iter().count(), 0);
    let wrong = ca.serve(&["a.example"], -1, 90, fine());
    for delivery in all(&wrong, ca.file()) {
        retry(&delivery, "its certificate is not trusted: wrong name");
    }
    let expired = ca.serve(&["127.0.0.1"], -90, -3, fine());
    for delivery in all(&expired, ca.file()) {
        retry(&delivery, "its certificate is not trusted: it expired on 2");
    }
}

#[test]
fn nobody_there_is_one_that_passes() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for channel in every(&origin, None) {
        retry(&deliver(&channel, &news(&channel)), "connection refused");
    }
    for channel in every("http://no-such-host.invalid", None) {
        let delivery = deliver(&channel, &news(&channel));
        retry(&delivery, "");
        // Telegram's is the only one whose address is no secret here.
        let named = format!("{delivery:?}").contains("no-such-host");
        assert_eq!(named, channel.kind.word() == "telegram", "{delivery:?}");
    }
}

/// Everything that it was asked, and every word of it in base64 and percent-encoded.
#[test]
fn a_server_that_repeats_what_it_hears_gives_nothing_away() {
    for status in ["200 OK", "400 Bad Request", "503 Busy"] {
        let stub = stub::http(move |request, wire, _| {
            let mut said = String::from("you said: ");
            for word in request.split([' ', '\r', '\n', '"', ',']).filter(|word| word.len() > 3) {
                let percent: String = word
                    .bytes()
                    .map(|b| match b {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
                        b => format!("%{b:02X}"),
                    })
                    .collect();
                said.extend([&STANDARD.encode(word), " ", &percent, " ", word, "; "]);
            }
            // What matters first: only the beginning is kept.
            let telling = request.find("hunter2").map_or(0, |at| at.saturating_sub(30));
            let beginning = request.get(telling..).unwrap_or_default().replace(['\r', '\n'], " ");
            let json = serde_json::json!({ "description": format!("{beginning} {said}") }).to_string();
            let body = format!("{beginning} {said}");
            let body = if request.contains("/sendMessage") { json } else { body };
            let _ = wire.write_all(answer(status, "", &body).as_bytes());
        });
        // `deliver` looks for them.
        for delivery in all(&stub) {
            assert!(format!("{delivery:?}").contains("status"), "{delivery:?}");
        }
    }
}

#[test]
fn what_is_no_url_is_dead_and_not_repeated() {
    for url in ["hunter2", "ftp://hunter2/", "http://[hunter2", "http://h:99999/hunter2"] {
        for channel in every(url, None) {
            dead(&deliver(&channel, &news(&channel)), "the URL is not valid");
        }
    }
    let stub = stub::answers(answer("200 OK", "", ""));
    let injected = channel(ChannelKind::Web(WebChannel {
        service: WebService::Webhook,
        settings: vec![("url", Value::Plain(format!("http://{}/", stub.address)))],
        headers: vec![("X-Token".to_owned(), secret("hunter2\u{1}hunter2"))],
        ca_file: None,
    }));
    dead(
        &deliver(&injected, &message()),
        "the value of the header `X-Token` is not valid",
    );
    assert_eq!(stub.received.try_iter().count(), 0);
}

#[test]
fn without_its_secret_nothing_is_asked() {
    let stub = stub::answers(answer("200 OK", "", ""));
    let unset = || Value::Secret(SecretSource::Env("OPS_NO_SUCH_VARIABLE".to_owned()));
    let url = || ("url", Value::Plain(format!("http://{}/a", stub.address)));
    let kinds = [
        web(WebService::Webhook, [url(), ("hmac", unset())]),
        ChannelKind::Web(WebChannel {
            service: WebService::Webhook,
            settings: vec![url()],
            headers: vec![("Authorization".to_owned(), unset())],
            ca_file: None,
        }),
        web(WebService::Ntfy, [url(), ("token", unset())]),
        web(WebService::Slack, [("url", unset())]),
    ];
    for kind in kinds {
        let delivery = deliver(&channel(kind), &message());
        retry(&delivery, "the variable `OPS_NO_SUCH_VARIABLE`: it is not set");
    }
    assert_eq!(stub.received.try_iter().count(), 0);
}

#[test]
fn a_wait_ends_with_a_stop() {
    use opsrun::alert::sender::Deliver as _;
    let stub = stub::stalls_after("");
    let stop = opsrun::signal::Stop::new().unwrap();
    let sender = opsrun::alert::channel::ChannelSender::new(opsrun::secret::Vault::default(), stop.clone());
    let slack = at(&stub).swap_remove(1);
    assert_eq!(slack.timeout, LONG);
    let told = stub.received;
    let thread = std::thread::spawn(move || {
        told.recv().unwrap();
        stop.ask();
    });
    let bounded = async { tokio::time::timeout(super::BOUND, sender.deliver(&slack, &message(), &[])).await };
    retry(&super::block_on(bounded).unwrap(), "opsrun was stopped");
    thread.join().unwrap();
}
