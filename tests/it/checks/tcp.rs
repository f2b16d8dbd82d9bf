//! Connections: made, refused, never made, to names that are none.

use super::{LONG, SHORT, block_on, expect, expect_stall, in_time, none};
use crate::support::stub;
use opsrun::exec::action::check::tcp;
use opsrun::model::check::{Address, Levels};
use opsrun::run::State;
use opsrun::signal::Stop;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};

fn at(host: &str, port: u16) -> Address {
    Address {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn a_connection_is_made_and_its_time_judged() {
    let stub = stub::serve(|mut stream, _| stub::stall(&mut stream));
    let stop = Stop::new().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let outcome = block_on(tcp::probe(&at(host, stub.address.port()), &none(), LONG, &stop));
        expect(&outcome, State::Ok, "connected in ");
    }
    let levels = Levels {
        warn: Some(Duration::from_nanos(1)),
        critical: None,
    };
    let outcome = block_on(tcp::probe(&at("127.0.0.1", stub.address.port()), &levels, LONG, &stop));
    expect(&outcome, State::Warning, ", warning from ");
}

#[test]
fn a_refusal_is_critical() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let stop = Stop::new().unwrap();
    let outcome = in_time(tcp::probe(&at("127.0.0.1", port), &none(), LONG, &stop));
    expect(
        &outcome,
        State::Critical,
        &format!("127.0.0.1:{port}: connection refused"),
    );
    assert!(outcome.help.unwrap().contains("nothing listens there"));
}

#[test]
fn a_name_that_is_none_is_critical_in_time() {
    let stop = Stop::new().unwrap();
    let outcome = in_time(tcp::probe(&at("no-such-host.invalid", 80), &none(), SHORT, &stop));
    // A resolver without a network may say nothing for long.
    expect(&outcome, State::Critical, "no-such-host.invalid:80: the name c");
    let outcome = in_time(tcp::probe(&at("bad name\u{1b}[2J\0", 80), &none(), SHORT, &stop));
    assert_eq!(outcome.state, State::Critical);
    assert!(!outcome.summary.contains(['\u{1b}', '\0']), "{outcome:?}");
}

/// A listener whose queue is full: nobody accepts, and the system lets nobody else in.
async fn full() -> (SocketAddr, Vec<TcpStream>, tokio::net::TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 64, "the queue does not fill");
    }
    (address, waiting, listener)
}

#[test]
fn a_server_that_accepts_no_more_is_critical_in_time() {
    expect_stall("no connection", |limit| {
        in_time(async {
            let (address, _waiting, _listener) = full().await;
            let stop = Stop::new().unwrap();
            tcp::probe(&at("127.0.0.1", address.port()), &none(), limit, &stop).await
        })
    });
}

#[test]
fn a_stop_ends_the_wait_for_a_connection() {
    let outcome = in_time(async {
        let (address, _waiting, _listener) = full().await;
        let stop = Stop::new().unwrap();
        let address = at("127.0.0.1", address.port());
        let none = none();
        let probe = tcp::probe(&address, &none, LONG, &stop);
        // The probe is polled first: it waits for the connection when it is told to stop.
        let (outcome, ()) = tokio::join!(probe, async { stop.ask() });
        outcome
    });
    expect(&outcome, State::Interrupted, "stopped");
}
