//! TLS servers that can be trusted and those that cannot, and what is no TLS at all.

use super::web::to;
use super::{LONG, SHORT, expect, expect_stall, in_time, none};
use crate::support::ca::{Ca, server, speak};
use crate::support::stub::{self, Stub, answer};
use opsrun::exec::action::check::tls_expiry::{self, ChainTrust};
use opsrun::model::check::{Address, Levels};
use opsrun::run::{Outcome, State};
use opsrun::signal::Stop;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn get(stub: &Stub, ca_file: Option<&Path>) -> Outcome {
    let mut question = to(format!("https://{}/", stub.address));
    question.probe.ca_file = ca_file.map(Path::to_owned);
    question.ask()
}

fn expiry_within(host: &str, stub: &Stub, ca_file: Option<&Path>, limit: Duration) -> Outcome {
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let left = Levels {
        warn: days(21),
        critical: days(7),
    };
    let address = Address {
        host: host.to_owned(),
        port: stub.address.port(),
    };
    in_time(tls_expiry::probe(
        &address,
        &left,
        ChainTrust::Verified(ca_file),
        limit,
        &Stop::new().unwrap(),
    ))
}

fn expiry(stub: &Stub, ca_file: Option<&Path>) -> Outcome {
    expiry_within("127.0.0.1", stub, ca_file, LONG)
}

fn fine() -> String {
    answer("200 OK", "", "{\"status\":\"UP\"}")
}

#[test]
fn a_server_is_trusted_by_its_ca() {
    let ca = Ca::new();
    let stub = ca.serve(&["127.0.0.1", "localhost"], -1, 90, fine());
    expect(&get(&stub, Some(&ca.file())), State::Ok, "status 200 in ");
    let outcome = expiry(&stub, Some(&ca.file()));
    expect(&outcome, State::Ok, "89d");
    expect(&outcome, State::Ok, " left, until ");
    let by_name = expiry_within("localhost", &stub, Some(&ca.file()), LONG);
    expect(&by_name, State::Ok, "89d");
}

#[test]
fn an_unknown_ca_is_critical() {
    let (ca, other) = (Ca::new(), Ca::named("another"));
    let stub = ca.serve(&["127.0.0.1"], -1, 90, fine());
    for file in [None, Some(other.file())] {
        let file = file.as_deref();
        let outcome = get(&stub, file);
        expect(
            &outcome,
            State::Critical,
            "its certificate is not trusted: unknown issuer",
        );
        assert!(outcome.help.unwrap().contains("`ca-file`"));
        let outcome = expiry(&stub, file);
        expect(
            &outcome,
            State::Critical,
            "the certificate is not trusted: unknown issuer",
        );
    }
    let anew = Ca::new();
    let outcome = get(&stub, Some(&anew.file()));
    expect(
        &outcome,
        State::Critical,
        "a CA of the same name as a trusted one issued it",
    );
    // No request was sent to a server that is not trusted.
    assert_eq!(stub.received.try_iter().count(), 0);
}

#[test]
fn a_certificate_for_another_name_is_critical() {
    let ca = Ca::new();
    let stub = ca.serve(&["a.example", "10.1.2.3"], -1, 90, fine());
    let wrong = "not trusted: wrong name: it is for a.example, 10.1.2.3, not for 127.0.0.1";
    expect(&get(&stub, Some(&ca.file())), State::Critical, wrong);
    expect(&expiry(&stub, Some(&ca.file())), State::Critical, wrong);
}

#[test]
fn expiry_is_judged() {
    let ca = Ca::new();
    let file = ca.file();
    let expired = ca.serve(&["127.0.0.1"], -90, -3, fine());
    expect(
        &get(&expired, Some(&file)),
        State::Critical,
        "not trusted: it expired on 2",
    );
    expect(
        &expiry(&expired, Some(&file)),
        State::Critical,
        "the certificate expired 3d",
    );
    let soon = ca.serve(&["127.0.0.1"], -90, 6, fine());
    expect(&expiry(&soon, Some(&file)), State::Critical, ", critical below 7d");
    let later = ca.serve(&["127.0.0.1"], -90, 15, fine());
    expect(&expiry(&later, Some(&file)), State::Warning, ", warning below 21d");
    let early = ca.serve(&["127.0.0.1"], 3, 90, fine());
    expect(
        &expiry(&early, Some(&file)),
        State::Critical,
        "not trusted: it is not valid before 2",
    );
}

#[test]
fn a_ca_that_serves_is_named_as_the_fault() {
    let ca = Ca::new();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    let file = ca.dir.path().join("own.pem");
    std::fs::write(&file, own.pem()).unwrap();
    let config = server()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let stub = speak(config, fine());
    let outcome = expiry(&stub, Some(&file));
    expect(&outcome, State::Critical, "it is a CA certificate, used for a server");
}

#[test]
fn a_server_that_wants_our_certificate_still_shows_its_own() {
    let ca = Ca::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (leaf, key) = ca.issue(&["127.0.0.1"], -1, 90);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![leaf], key)
            .unwrap();
        let stub = speak(config, fine());
        expect(&expiry(&stub, Some(&ca.file())), State::Ok, "89d");
        expect(
            &get(&stub, Some(&ca.file())),
            State::Critical,
            "the server requires a client certificate",
        );
    }
}

#[test]
fn what_is_no_tls_is_critical_in_time() {
    let plain = stub::serve(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        stub::stall(&mut stream);
    });
    expect(&expiry(&plain, None), State::Critical, "the server does not speak TLS");
    expect(&get(&plain, None), State::Critical, "the server does not speak TLS");

    let mute = stub::serve(|mut stream, _| stub::stall(&mut stream));
    expect_stall("no TLS handshake", |limit| {
        expiry_within("127.0.0.1", &mute, None, limit)
    });
    expect_stall("no TLS handshake", |limit| {
        to(format!("https://{}/", mute.address)).within(limit).ask()
    });

    let shut = stub::serve(|stream, _| drop(stream));
    let outcome = expiry(&shut, None);
    assert_eq!(outcome.state, State::Critical, "{outcome:?}");
}

#[test]
fn plain_http_does_not_reach_a_tls_server() {
    let ca = Ca::new();
    let stub = ca.serve(&["127.0.0.1"], -1, 90, fine());
    let outcome = to(format!("http://{}/", stub.address)).ask();
    expect(&outcome, State::Critical, "no valid HTTP answer");
}

#[test]
fn a_redirect_from_https_to_http_is_not_followed() {
    let ca = Ca::new();
    let plain = stub::answers(fine());
    let location = format!("Location: http://{}/\r\n", plain.address);
    let stub = ca.serve(&["127.0.0.1"], -1, 90, answer("302 Found", &location, ""));
    let outcome = get(&stub, Some(&ca.file()));
    expect(&outcome, State::Critical, "the server redirects from https to http");
    assert_eq!(plain.received.try_iter().count(), 0);
}

#[test]
fn a_ca_file_that_gives_nothing_leaves_unknown() {
    let ca = Ca::new();
    let stub = ca.serve(&["127.0.0.1"], -1, 90, fine());
    let at = |name: &str, text: &str| {
        let file = ca.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let cases = [
        (ca.dir.path().join("none.pem"), "none.pem` cannot be read: No such file"),
        (ca.dir.path().to_owned(), "cannot be read: Is a directory"),
        (at("empty.pem", ""), "empty.pem` contains no certificate"),
        (at("text.pem", "hello"), "text.pem` contains no certificate"),
        (
            at("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA"),
            "cut.pem` is not valid PEM",
        ),
        (
            at(
                "odd.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            "odd.pem` contains a certificate that cannot be read",
        ),
        (PathBuf::from("/dev/zero"), "/dev/zero` is larger than 8 MiB"),
    ];
    for (file, reason) in cases {
        expect(&get(&stub, Some(&file)), State::Unknown, reason);
        expect(&expiry(&stub, Some(&file)), State::Unknown, reason);
    }
}

#[test]
fn a_host_that_no_certificate_can_be_for_is_unknown() {
    let address = Address {
        host: "a b".to_owned(),
        port: 443,
    };
    let stop = Stop::new().unwrap();
    let outcome = in_time(tls_expiry::probe(
        &address,
        &none(),
        ChainTrust::Verified(None),
        SHORT,
        &stop,
    ));
    expect(&outcome, State::Unknown, "`a b` cannot be the name in a certificate");
}
