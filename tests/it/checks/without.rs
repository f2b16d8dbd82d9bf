//! A build that speaks neither HTTP nor TLS says so.

use super::{LONG, block_on, expect, none};
use opsrun::exec::action::check::http;
use opsrun::exec::action::check::tls_expiry::{self, ChainTrust};
use opsrun::model::check::{Address, HttpProbe};
use opsrun::model::command::Value;
use opsrun::run::State;
use opsrun::signal::Stop;

#[test]
fn what_the_build_lacks_is_unknown() {
    let stop = Stop::new().unwrap();
    let probe = HttpProbe {
        url: Value::Plain("http://127.0.0.1/".to_owned()),
        headers: Vec::new(),
        status: Vec::new(),
        latency: none(),
        json: Vec::new(),
        ca_file: None,
    };
    let url = "http://127.0.0.1/".into();
    let outcome = block_on(http::probe(&probe, &url, &[], LONG, &str::to_owned, &stop));
    expect(&outcome, State::Unknown, "this build of opsrun cannot ask over HTTP");
    let address = Address {
        host: "127.0.0.1".to_owned(),
        port: 443,
    };
    let outcome = block_on(tls_expiry::probe(
        &address,
        &none(),
        ChainTrust::Unverified,
        LONG,
        &stop,
    ));
    expect(&outcome, State::Unknown, "this build of opsrun cannot ask over TLS");
}
