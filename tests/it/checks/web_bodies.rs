//! Bodies: JSON that is as expected and JSON that is not, too much of it, too little, too deep.

use super::expect;
use super::web::at;
use crate::support::stub::{self, answer};
use opsrun::run::State;

#[test]
fn values_in_the_body_are_compared() {
    let body = r#"{"status":"UP","db":{"lag":3,"hosts":["a","b"]},"token":"hunter2"}"#;
    let stub = stub::answers(answer("200 OK", "", body));
    let ok = at(&stub)
        .json("/status", "UP")
        .json("/db/lag", 3)
        .json("/db/hosts/1", "b");
    expect(&ok.ask(), State::Ok, "status 200 in ");
    expect(
        &at(&stub).json("/status", "DOWN").ask(),
        State::Critical,
        "`/status` is \"UP\", expected \"DOWN\"",
    );
    expect(
        &at(&stub).json("/db/lag", "3").ask(),
        State::Critical,
        "`/db/lag` is 3, expected \"3\"",
    );
    expect(
        &at(&stub).json("/db", true).ask(),
        State::Critical,
        "`/db` is an object, expected true",
    );
    expect(
        &at(&stub).json("/token", "x").ask(),
        State::Critical,
        "`/token` is \"***\", expected \"x\"",
    );
    let two = at(&stub).json("/none", 1).json("/status", "DOWN").ask();
    expect(&two, State::Critical, "`/none` is missing, expected 1; and 1 more");
    assert_eq!(two.details.len(), 2);
}

#[test]
fn what_is_no_json_is_critical() {
    for body in ["<html>", "", "{\"status\":", "{\"status\":\"UP\"} x"] {
        let stub = stub::answers(answer("200 OK", "", body));
        expect(
            &at(&stub).json("/status", "UP").ask(),
            State::Critical,
            "the body is not JSON: ",
        );
        expect(&at(&stub).ask(), State::Ok, "status 200");
    }
}

#[test]
fn deep_json_does_not_overflow_the_stack() {
    let bomb = "[".repeat(1_000_000);
    let stub = stub::answers(answer("200 OK", "", &bomb));
    expect(&at(&stub).json("/0", 1).ask(), State::Critical, "recursion limit");
}

#[test]
fn a_body_that_is_cut_is_critical() {
    let short = stub::answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":\"UP\"}");
    expect(&at(&short).ask(), State::Critical, &short.address.to_string());
    let chunk = stub::answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    assert_eq!(at(&chunk).ask().state, State::Critical);
    let endless = "x".repeat(1 << 20);
    for flood in [
        format!("5;{endless}"),
        format!("0\r\nX: {endless}"),
        format!("{:0>99}", 5),
    ] {
        let flood = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{flood}");
        assert_eq!(at(&stub::answers(flood)).ask().state, State::Critical);
    }
    let nonsense = stub::answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab");
    assert_eq!(at(&nonsense).ask().state, State::Critical);
    // More than was announced is not read.
    let long = stub::answers("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntruefalse");
    expect(&at(&long).json("", true).ask(), State::Ok, "status 200");
}

/// What is read of a body that never ends, or ends after 100 MB.
#[test]
fn large_bodies_are_not_read_whole() {
    for (length, most) in [("", usize::MAX), ("Content-Length: 104857600\r\n", 104_857_600)] {
        let stub = stub::http(move |_, wire, record| {
            let _ = wire.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes());
            let written = stub::pour(wire, &[b'1'; 8_192], most);
            let _ = record.send(written.to_string());
        });
        let poured = || {
            stub.received.recv().unwrap();
            let written: usize = stub.received.recv().unwrap().parse().unwrap();
            assert!(written < 64 << 20, "{written}");
        };
        expect(&at(&stub).ask(), State::Ok, "; of the body only 1.0 MiB were read");
        poured();
        let outcome = at(&stub).json("", 1).ask();
        expect(&outcome, State::Unknown, "; the body is larger than 1.0 MiB");
        poured();
    }
}

#[test]
fn a_body_of_exactly_the_limit_is_whole() {
    let body = format!("\"{}\"", "x".repeat((1 << 20) - 2));
    let stub = stub::answers(answer("200 OK", "", &body));
    let outcome = at(&stub).json("", "y").ask();
    expect(
        &outcome,
        State::Critical,
        &format!("the document is \"{}…\", expected \"y\"", "x".repeat(80)),
    );
}
