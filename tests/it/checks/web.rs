//! Answers of web servers: status, time, headers, and everything that is no answer.

use super::{LONG, expect, expect_stall, in_time, none};
use crate::support::stub::{self, Stub, answer};
use opsrun::exec::action::check::http;
use opsrun::model::check::{BodyValue, HttpProbe, Levels};
use opsrun::model::command::{SecretSource, Value};
use opsrun::run::{Outcome, State};
use opsrun::signal::Stop;
use secrecy::SecretString;
use std::time::Duration;

/// A question, to be changed by the test.
pub struct Question {
    pub probe: HttpProbe,
    pub url: String,
    pub headers: Vec<(String, SecretString)>,
    pub limit: Duration,
}

/// GET with nothing special.
pub fn to(url: impl Into<String>) -> Question {
    let url = url.into();
    Question {
        probe: HttpProbe {
            url: Value::Plain(url.clone()),
            headers: Vec::new(),
            status: Vec::new(),
            latency: none(),
            json: Vec::new(),
            ca_file: None,
        },
        url,
        headers: Vec::new(),
        limit: LONG,
    }
}

pub fn at(stub: &Stub) -> Question {
    to(format!("http://{}/health", stub.address))
}

impl Question {
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub fn json(mut self, pointer: &str, expected: impl Into<serde_json::Value>) -> Self {
        self.probe.json.push(BodyValue {
            pointer: pointer.to_owned(),
            value: expected.into(),
        });
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn ask(self) -> Outcome {
        in_time(self.asked_until(&Stop::new().unwrap()))
    }

    async fn asked_until(self, stop: &Stop) -> Outcome {
        let redact = |text: &str| text.replace("hunter2", "***");
        http::probe(&self.probe, &self.url.into(), &self.headers, self.limit, &redact, stop).await
    }
}

#[test]
fn the_status_is_held_against_what_is_expected() {
    let ok = stub::answers(answer("204 No Content", "", ""));
    expect(&at(&ok).ask(), State::Ok, "status 204 in ");
    let request = ok.received.recv().unwrap();
    assert!(request.starts_with("GET /health HTTP/1.1\r\n"), "{request}");
    let agent = concat!("user-agent: opsrun/", env!("CARGO_PKG_VERSION"));
    assert!(request.contains(agent), "{request}");

    let bad = stub::answers(answer("503 Service Unavailable", "", "{}"));
    expect(&at(&bad).ask(), State::Critical, "status 503, expected 200 to 299");
    let mut question = at(&bad);
    question.probe.status = vec![200, 204];
    expect(&question.ask(), State::Critical, "status 503, expected 200 or 204");
    let mut question = at(&bad);
    question.probe.status = vec![200, 503];
    expect(&question.ask(), State::Ok, "status 503 in ");
}

#[test]
fn the_time_is_held_against_the_levels() {
    let stub = stub::answers(answer("200 OK", "", "fine"));
    let mut question = at(&stub);
    question.probe.latency = Levels {
        warn: Some(Duration::from_nanos(1)),
        critical: Some(LONG),
    };
    expect(&question.ask(), State::Warning, "status 200 in ");
    let mut question = at(&stub);
    question.probe.latency.critical = Some(Duration::from_nanos(1));
    expect(&question.ask(), State::Critical, ", critical from ");
}

#[test]
fn headers_are_sent_and_their_values_never_shown() {
    let stub = stub::answers(answer("200 OK", "", ""));
    let question = at(&stub).header("Authorization", "Bearer hunter2").header("X-Two", "ü");
    expect(&question.ask(), State::Ok, "status 200");
    let request = stub.received.recv().unwrap();
    assert!(request.contains("authorization: Bearer hunter2\r\n"), "{request}");
    assert!(request.contains("x-two: ü\r\n"), "{request}");

    let outcome = at(&stub).header("X-Token", "one\r\nX-Two: two").ask();
    expect(
        &outcome,
        State::Unknown,
        "the value of the header `X-Token` is not valid",
    );
    assert!(!format!("{outcome:?}").contains("two"), "{outcome:?}");
    let outcome = at(&stub).header("X Token\u{1b}", "one").ask();
    expect(
        &outcome,
        State::Unknown,
        "the name of the header `X Token\\u{1b}` is not valid",
    );
}

#[test]
fn stalls_end_in_time() {
    let before = stub::stalls_after("");
    let no_answer = format!("{}: no answer", before.address);
    expect_stall(&no_answer, |limit| at(&before).within(limit).ask());
    let within = stub::stalls_after("HTTP/1.1 200 OK\r\nContent-Le");
    expect_stall("the headers of the answer did not end", |limit| {
        at(&within).within(limit).ask()
    });
    let body = stub::stalls_after("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    expect_stall("the body did not end", |limit| at(&body).within(limit).ask());
    let chunks = stub::stalls_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n");
    expect_stall("the body did not end", |limit| at(&chunks).within(limit).ask());
    let mute = stub::serve(|mut stream, _| stub::stall(&mut stream));
    expect_stall("no answer", |limit| at(&mute).within(limit).ask());
}

#[test]
fn a_stop_ends_the_wait_for_an_answer() {
    let stub = stub::stalls_after("");
    let outcome = in_time(async {
        let stop = Stop::new().unwrap();
        let asker = stop.clone();
        // Once the request has arrived, the probe waits for nothing but the answer.
        let told = stub.received;
        let thread = std::thread::spawn(move || {
            told.recv().unwrap();
            asker.ask();
        });
        let question = to(format!("http://{}/", stub.address));
        let outcome = question.asked_until(&stop).await;
        thread.join().unwrap();
        outcome
    });
    expect(&outcome, State::Interrupted, "stopped");
}

#[test]
fn what_is_no_http_is_critical() {
    for garbage in [
        "\0\x01\x02garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
    ] {
        let stub = stub::answers(garbage);
        expect(&at(&stub).ask(), State::Critical, "no valid HTTP answer: ");
    }
}

#[test]
fn endless_headers_are_not_read_for_ever() {
    let stub = stub::http(|_, wire, record| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ");
        let written = stub::pour(wire, &[b'x'; 8_192], 1 << 30);
        let _ = record.send(written.to_string());
    });
    expect(&at(&stub).ask(), State::Critical, "no valid HTTP answer: ");
    stub.received.recv().unwrap();
    let written: usize = stub.received.recv().unwrap().parse().unwrap();
    assert!(written < 64 << 20, "{written}");

    let stub = stub::http(|_, wire, record| {
        let _ = wire.write_all(b"HTTP/1.1 200 OK\r\n");
        let written = stub::pour(wire, "X-Many: x\r\n".repeat(1_000).as_bytes(), 1 << 30);
        let _ = record.send(written.to_string());
    });
    expect(&at(&stub).ask(), State::Critical, "no valid HTTP answer: ");
    stub.received.recv().unwrap();
    let written: usize = stub.received.recv().unwrap().parse().unwrap();
    assert!(written < 64 << 20, "{written}");
}

/// Answers that are none yet, for ever: they must not keep the timeout from being looked at.
#[test]
fn endless_interim_answers_end_in_time() {
    let stub = stub::http(|_, wire, record| {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
        stub::pour(wire, interim.as_bytes(), usize::MAX);
        let _ = record.send(String::new());
    });
    expect_stall("the headers of the answer did not end", |limit| {
        at(&stub).within(limit).ask()
    });
    // The connection was closed.
    stub.received.recv().unwrap();
    stub.received.recv().unwrap();
}

#[test]
fn a_secret_url_is_not_even_named_by_its_host() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://user:hunter2@127.0.0.1:{port}/hunter2?token=hunter2");
    let refused = to(&url).ask();
    expect(
        &refused,
        State::Critical,
        &format!("127.0.0.1:{port}: connection refused"),
    );
    assert!(!format!("{refused:?}").contains("token"), "{refused:?}");

    let mut question = to(&url);
    question.probe.url = Value::Secret(SecretSource::Env("URL".to_owned()));
    let refused = question.ask();
    expect(&refused, State::Critical, "the server: connection refused");
    assert!(!format!("{refused:?}").contains("127.0.0.1"), "{refused:?}");
}

#[test]
fn what_is_no_url_is_unknown_and_not_repeated() {
    for url in [
        "",
        "hunter3",
        "http://",
        "ftp://hunter3/",
        "http://[hunter3",
        "file:///hunter3",
        "http://h:99999/hunter3",
    ] {
        let outcome = to(url).ask();
        expect(&outcome, State::Unknown, "the URL is not valid: ");
        assert!(!format!("{outcome:?}").contains("hunter3"), "{outcome:?}");
    }
}
