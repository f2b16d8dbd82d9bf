//! The program against servers that are away for days, ask for time, or refuse one recipient for now.
//!
//! Each command is a process of its own, and the wall clock is set between them.

use crate::channels::smtp::{Rules, Server};
use crate::support::clock::TestClock;
use crate::support::stub::{self, Stub};
use crate::support::workspace::{Workspace, output_of};
use chrono::TimeDelta;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn clock() -> TestClock {
    TestClock::new(1, "2031-05-06T07:00:30Z".parse().unwrap())
}

fn ends(world: &Workspace, clock: &TestClock, code: i32, args: &[&str]) -> String {
    let mut command = world.command(args);
    clock.rule(&mut command);
    output_of(&command.output().unwrap(), code)
}

fn mail(server: &Server) -> String {
    let to = ["ops", "boss", "team", "gone"]
        .map(|name| format!("\"{name}@example.com\""))
        .join(" ");
    format!(
        r#"
channel "mail" {{ email {{ to {to}; from "o@example.com"; smtp "127.0.0.1:{}" tls="none"; }}; }}
target "t" {{ command "/bin/sh" "-c" "test ! -e broken"; }}
"#,
        server.address.port()
    )
}

#[test]
fn each_recipient_gets_a_mail_once_across_restarts() {
    let clock = clock();
    let server = Rules::in_clear()
        .says("RCPT TO:<boss@", "450 4.2.0 grey")
        .says("RCPT TO:<team@", "421 4.3.2 not now")
        .says("RCPT TO:<gone@", "550 5.1.1 unknown")
        .serve();
    let world = Workspace::new(&mail(&server));
    world.touch("broken");
    let said = ends(&world, &clock, 1, &["apply", "--yes"]);
    assert!(
        said.contains("was refused for gone@example.com: 550 5.1.1 unknown"),
        "{said}"
    );
    assert_eq!(server.mail().to, ["ops@example.com"]);
    // The next news is for those first who have this mail.
    world.remove("broken");
    ends(&world, &clock, 0, &["apply", "--yes"]);
    assert_eq!(server.mail().to, ["ops@example.com"]);
    for (rules, to) in [
        (
            Rules::in_clear().says("RCPT TO:<team@", "452 4.2.2 full"),
            "boss@example.com",
        ),
        (Rules::in_clear(), "team@example.com"),
    ] {
        let server = rules.serve();
        world.ops(&mail(&server));
        clock.step(TimeDelta::hours(2));
        let mut command = world.command(&["alerts", "replay"]);
        clock.rule(&mut command);
        command.output().unwrap();
        // The trouble, and then the recovery.
        let mails: Vec<_> = server.told.try_iter().map(Result::unwrap).collect();
        let subjects: Vec<bool> = mails.iter().map(|mail| mail.content.contains("recovered")).collect();
        assert_eq!(subjects, [false, true]);
        assert!(mails.iter().all(|mail| mail.to.contains(&to.to_owned())), "{mails:?}");
        assert_eq!(mails[0].to, [to]);
    }
    assert_eq!(
        ends(&world, &clock, 0, &["alerts", "list"]),
        "all alerts are delivered\n"
    );
    let all = ends(&world, &clock, 0, &["alerts", "list", "--all"]);
    assert!(all.contains("refused for gone@example.com: 550 5.1.1 unknown"), "{all}");
}

/// A server that answers so until it works.
fn server(first: &'static str) -> (Stub, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&works);
    let server = stub::http(move |_, wire, _| {
        let ok = stub::answer("200 OK", "", "ok");
        let _ = wire.write_all(if now.load(Ordering::SeqCst) {
            ok.as_bytes()
        } else {
            first.as_bytes()
        });
    });
    (server, works)
}

/// The jobs that the server was notified of by now.
fn jobs(server: &Stub) -> Vec<String> {
    let job = |request: String| {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let message: serde_json::Value = serde_json::from_str(body).unwrap();
        message["key"].as_str().unwrap().to_owned()
    };
    server.received.try_iter().map(job).collect()
}

const BUSY: &str =
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn hook(server: &Stub) -> String {
    let targets = ["a", "b", "c"].map(|name| format!("target \"{name}\" {{ command \"false\"; }}\n"));
    format!(
        "channel \"hook\" {{ webhook {{ url \"http://{}/\"; }}; fallback \"file\"; }}\n\
         channel \"file\" {{ shell \"cat >> fell; echo >> fell\"; min-severity \"critical\"; }}\n{}",
        server.address,
        targets
            .concat()
            .replace("command \"false\";", "command \"false\"; notify \"hook\";")
    )
}

#[test]
fn a_server_that_asks_for_hours_gets_them_and_then_everything_in_order() {
    let clock = clock();
    let (server, works) = server(BUSY);
    let world = Workspace::new(&hook(&server));
    ends(&world, &clock, 1, &["apply", "--yes", "--only", "target:a"]);
    assert_eq!(jobs(&server), ["target:a"]);
    // It asked to be left alone: also for what is new.
    clock.step(TimeDelta::minutes(50));
    ends(&world, &clock, 1, &["apply", "--yes", "--only", "target:b"]);
    assert_eq!(jobs(&server), Vec::<String>::new());
    works.store(true, Ordering::SeqCst);
    // After an hour something new is tried, and brings the rest.
    clock.step(TimeDelta::minutes(11));
    ends(&world, &clock, 1, &["apply", "--yes", "--only", "target:c"]);
    let jobs = jobs(&server);
    assert_eq!(jobs[0], "target:b");
    let rest: std::collections::BTreeSet<&str> = jobs[1..].iter().map(String::as_str).collect();
    assert_eq!(rest, ["target:a", "target:c"].into());
    assert_eq!(
        ends(&world, &clock, 0, &["alerts", "list"]),
        "all alerts are delivered\n"
    );
}

#[test]
fn a_server_that_is_away_for_days_costs_a_detour_and_no_alert() {
    let clock = clock();
    let (server, works) = server(AWAY);
    let world = Workspace::new(&hook(&server));
    ends(&world, &clock, 1, &["apply", "--yes", "--only", "target:a"]);
    // Time alone gives nothing up: there must have been attempts.
    for _ in 0..7 {
        clock.step(TimeDelta::hours(9));
        ends(&world, &clock, 1, &["alerts", "replay"]);
    }
    ends(&world, &clock, 1, &["apply", "--yes", "--only", "target:b"]);
    clock.step(TimeDelta::hours(20));
    let said = ends(&world, &clock, 1, &["alerts", "replay"]);
    assert!(
        said.contains("for more than 3 days; handed to the fallback file"),
        "{said}"
    );
    // One more look sends it there, if the other channel was served first.
    ends(&world, &clock, 1, &["alerts", "replay"]);
    let fell = std::fs::read_to_string(world.at("fell")).unwrap();
    assert!(
        fell.contains("target:a") && fell.contains("channel hook gave it up: status 503"),
        "{fell}"
    );
    assert!(!fell.contains("target:b"), "{fell}");
    works.store(true, Ordering::SeqCst);
    jobs(&server);
    ends(&world, &clock, 1, &["apply", "--yes", "--only", "target:c"]);
    assert_eq!(jobs(&server), ["target:c", "target:b"]);
    assert!(ends(&world, &clock, 0, &["alerts", "list"]).contains("dead"));
    ends(&world, &clock, 0, &["alerts", "replay", "--dead"]);
    assert_eq!(jobs(&server), ["target:a"]);
}
