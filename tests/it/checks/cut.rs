//! Connections that end too early: the message names the stage that was reached, and TLS only where its handshake failed.

use super::expect;
use super::web::{at, to};
use crate::support::ca::{Ca, configured};
use crate::support::stub::{self, Stub};
use opsrun::run::{Outcome, State};
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

const HALF_HEADERS: &str = "HTTP/1.1 200 OK\r\nContent-";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc";
const IN_A_CHUNK: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
const AFTER_A_CHUNK: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";

/// What is said when this is all that comes, and then the end of the connection or its reset.
const CASES: [(&str, &str, &str); 5] = [
    (
        "",
        "the server closed the connection without an answer",
        "the connection was reset before an answer came",
    ),
    (
        HALF_HEADERS,
        "the answer ended within its headers",
        "the connection was reset within the headers of the answer",
    ),
    (
        LENGTH,
        "the answer ended after 3 of 100,000 bytes",
        "the connection was reset after 3 of 100,000 bytes of the answer",
    ),
    (
        IN_A_CHUNK,
        "the answer broke off after 2 bytes",
        "the connection was reset after 2 bytes of the answer",
    ),
    (
        AFTER_A_CHUNK,
        "the answer broke off after 2 bytes",
        "the connection was reset after 2 bytes of the answer",
    ),
];

/// Sends this and resets the connection: the kernel does when it is closed before all of the request was read.
fn resets_after(answer: &'static str) -> Stub {
    stub::serve(move |mut stream, _| {
        let _ = stream.read_exact(&mut [0; 8]);
        let _ = stream.write_all(answer.as_bytes());
    })
}

/// The same over TLS; with the end that the protocol asks for, or without.
fn tls_ends_after(ca: &Ca, answer: &'static str, proper: bool) -> Stub {
    let (leaf, key) = ca.issue(&["127.0.0.1"], -1, 90);
    let config = Arc::new(configured(leaf, key));
    stub::serve(move |stream, _| {
        let mut wire = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        if stub::request(&mut wire).is_some() {
            let _ = wire.write_all(answer.as_bytes());
            if proper {
                wire.conn.send_close_notify();
            }
            let _ = wire.flush();
        }
    })
}

#[track_caller]
fn speaks_not_of_tls(outcome: &Outcome) {
    let text = format!("{outcome:?}").to_lowercase();
    for word in ["tls", "handshake", "certificate"] {
        assert!(!text.contains(word), "{outcome:?}");
    }
}

#[test]
fn the_stage_that_was_reached_is_named() {
    for (answer, closed, reset) in CASES {
        let outcome = at(&stub::answers(answer)).ask();
        expect(&outcome, State::Critical, &format!(": {closed}"));
        speaks_not_of_tls(&outcome);
        let outcome = at(&resets_after(answer)).ask();
        expect(&outcome, State::Critical, &format!(": {reset}"));
        speaks_not_of_tls(&outcome);
    }
    let shut = stub::serve(|stream, _| drop(stream));
    let outcome = at(&shut).ask();
    assert_eq!(outcome.state, State::Critical, "{outcome:?}");
    speaks_not_of_tls(&outcome);
}

#[test]
fn over_https_only_a_handshake_is_called_one() {
    let ca = Ca::new();
    let ask = |stub: &Stub| {
        let mut question = to(format!("https://{}/", stub.address));
        question.probe.ca_file = Some(ca.file());
        question.ask()
    };
    for (answer, closed, _) in CASES {
        for proper in [true, false] {
            let outcome = ask(&tls_ends_after(&ca, answer, proper));
            expect(&outcome, State::Critical, &format!(": {closed}"));
            speaks_not_of_tls(&outcome);
        }
    }
    let shut = stub::serve(|mut stream, _| {
        // All of the client's first message, however long it is.
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut rest).unwrap();
    });
    expect(
        &ask(&shut),
        State::Critical,
        "the TLS handshake failed: the server closed the connection",
    );
    expect(
        &ask(&resets_after("")),
        State::Critical,
        "the TLS handshake failed: the connection was reset",
    );
}
