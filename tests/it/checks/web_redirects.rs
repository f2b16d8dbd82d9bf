//! Redirects: followed, but not for ever, not to where nobody should go, and not with what was meant for one server.

use super::expect;
use super::web::at;
use crate::support::stub::{self, answer};
use opsrun::run::State;

#[test]
fn redirects_on_the_same_server_keep_the_headers() {
    let stub = stub::http(|head, wire, _| {
        let text = if head.starts_with("GET /health ") {
            answer("302 Found", "Location: ../deep/er?x=1\r\n", "")
        } else {
            answer("200 OK", "", "true")
        };
        let _ = wire.write_all(text.as_bytes());
    });
    let outcome = at(&stub).header("Authorization", "Bearer hunter2").json("", true).ask();
    expect(&outcome, State::Ok, "status 200");
    stub.received.recv().unwrap();
    let second = stub.received.recv().unwrap();
    assert!(second.starts_with("GET /deep/er?x=1 "), "{second}");
    assert!(second.contains("Bearer hunter2"), "{second}");
}

#[test]
fn redirects_to_another_server_lose_the_headers() {
    let other = stub::answers(answer("401 Unauthorized", "", ""));
    let location = format!("Location: http://{}/x\r\n", other.address);
    let first = stub::answers(answer("307 Temporary Redirect", &location, ""));
    let outcome = at(&first)
        .header("Authorization", "Bearer hunter2")
        .header("X-Api-Key", "hunter2")
        .ask();
    expect(&outcome, State::Critical, "status 401, expected 200 to 299");
    assert!(outcome.help.unwrap().contains("is not given the headers"));
    assert!(first.received.recv().unwrap().contains("x-api-key: hunter2"));
    let arrived = other.received.recv().unwrap();
    assert!(!arrived.contains("hunter2"), "{arrived}");
}

#[test]
fn loops_end() {
    let stub = stub::answers(answer("301 Moved Permanently", "Location: /health\r\n", ""));
    let outcome = at(&stub).ask();
    expect(&outcome, State::Critical, "more than 5 redirects");
    drop(stub.received.recv().unwrap());
    assert_eq!(stub.received.try_iter().count(), 5);
}

#[test]
fn a_redirect_that_is_wanted_is_the_answer() {
    let stub = stub::answers(answer("302 Found", "Location: /login\r\n", ""));
    let mut question = at(&stub);
    question.probe.status = vec![302];
    expect(&question.ask(), State::Ok, "status 302 in ");
    assert_eq!(stub.received.try_iter().count(), 1);
    let without = stub::answers(answer("302 Found", "", ""));
    expect(&at(&without).ask(), State::Critical, "status 302, expected 200 to 299");
}

#[test]
fn redirects_to_nowhere_are_critical() {
    for location in [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http://[::",
        "javascript:1",
    ] {
        let stub = stub::answers(answer("302 Found", &format!("Location: {location}\r\n"), ""));
        expect(
            &at(&stub).ask(),
            State::Critical,
            "the server redirects to a URL that is not http or https",
        );
    }
}
