//! Secrets planted in every kind of channel, against servers that repeat all they are told, in every place of an answer
//! and encoded: none is found in anything that opsrun keeps or says, nor in what it sends where it does not belong.

use super::secrets::assert_clean_of;
use crate::support::stub;
use crate::support::workspace::{Workspace, files};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Variables, and what is in them.
const PLANTED: [(&str, &str); 9] = [
    ("PLANTED_PATH", "path-s3cret-0123456789"),
    ("PLANTED_HMAC", "hmac/S3cret+key=&with odd"),
    ("PLANTED_HEADER", "Bearer header-s3cret-98765"),
    ("PLANTED_TOKEN", "tk_ntfy-s3cret-abcdefgh"),
    ("PLANTED_BOT", "123456789:telegram-S3cret_token-abcdefgh"),
    ("PLANTED_ROUTING", "0123routing4567s3cret89abcdef000"),
    ("PLANTED_PASSWORD", "pass/w0rd+s3cret é &x"),
    ("PLANTED_ENV", "env-s3cret of the command"),
    ("PLANTED_GONE", "gone-s3cret-password-11"),
];

fn secrets() -> Vec<&'static str> {
    PLANTED.iter().map(|(_, secret)| *secret).collect()
}

/// How a body may hold what it repeats.
fn encoded(text: &str) -> String {
    let each = |one: fn(u8) -> String| text.bytes().map(one).collect::<Vec<_>>().concat();
    let hexadecimal = each(|b| format!("{b:02x}"));
    let percent = each(|b| format!("%{b:02X}"));
    format!("{} {hexadecimal} {percent} {text}", STANDARD.encode(text))
}

/// Repeats the request: in the status line, in headers, and in the body. The status is in the path.
fn web(mut stream: TcpStream, record: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head: Vec<String> = reader
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = reader.read_exact(&mut body);
    let _ = record.send(String::from_utf8_lossy(&body).into_owned());
    let target = head.first().cloned().unwrap_or_default();
    let status = [403, 429, 302, 500]
        .into_iter()
        .find(|status| target.contains(&format!("/{status}/")))
        .unwrap_or(200);
    let all = head.join(" ").replace(['\r', '\n'], " ") + " " + &String::from_utf8_lossy(&body).replace('\n', " ");
    let values: Vec<String> = head
        .iter()
        .map(|line| encoded(line.split_once(": ").map_or(line, |(_, value)| value)))
        .collect();
    let told = format!("{all} {}", values.join(" "));
    let ascii: String = all
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(1000)
        .collect();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} {ascii}\r\nX-Echo: {ascii}\r\nLocation: http://127.0.0.1:9/{}\r\nRetry-After: {ascii}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{told}",
        ascii.replace(' ', ""),
        told.len(),
    );
}

/// A mail server that lets nobody in, and says who tried.
fn mail(mut stream: TcpStream, _: &Sender<String>) {
    let _ = stream.write_all(b"220 mail\r\n");
    let reader = BufReader::new(stream.try_clone().unwrap());
    for line in reader.lines().map_while(Result::ok) {
        let plain = line
            .split_whitespace()
            .last()
            .and_then(|word| STANDARD.decode(word).ok());
        let answer = match line.split_whitespace().next() {
            Some("EHLO") => "250-mail\r\n250 AUTH PLAIN\r\n".to_owned(),
            Some("AUTH") => {
                let plain = String::from_utf8_lossy(&plain.unwrap_or_default()).replace('\0', " ");
                format!("454-not now: {line}\r\n454 you said {plain} {}\r\n", encoded(&plain))
            }
            _ => "250 ok\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Ends with the test, also with one that fails.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn no_secret_of_a_channel_is_kept_or_shown() {
    let (server, mail) = (stub::serve(web), stub::serve(mail));
    let (web, mail) = (server.address.port(), mail.address.port());
    let http = format!("http://127.0.0.1:{web}");
    let world = Workspace::with_data(&format!(
        r#"
        ops version=1 {{ name "t"; }}
        channel "taken" {{ webhook {{ url from-env="URL_200"; hmac from-env="PLANTED_HMAC"; header "Authorization" from-env="PLANTED_HEADER"; }}; }}
        channel "refused" {{ webhook {{ url from-env="URL_403"; hmac from-file="hmac"; header "Authorization" {{ from-command "cat" "header"; }}; }}; }}
        channel "later" {{ slack {{ url from-env="URL_429"; }}; }}
        channel "broken" {{ discord {{ url from-env="URL_500"; }}; }}
        channel "moved" {{ webhook {{ url from-env="URL_302"; }}; }}
        channel "bot" {{ telegram {{ token from-env="PLANTED_BOT"; chat "-100"; api-url "{http}/403/"; }}; }}
        channel "phone" {{ ntfy {{ url "{http}/500/topic"; token from-env="PLANTED_TOKEN"; }}; }}
        channel "duty" {{ pagerduty {{ routing-key from-env="PLANTED_ROUTING"; url "{http}/403/enqueue"; }}; }}
        channel "alive" {{ healthchecks {{ url from-env="URL_403"; }}; }}
        channel "gone" {{ webhook {{ url from-env="URL_GONE"; }}; }}
        channel "no-url" {{ webhook {{ url from-env="PLANTED_GONE"; }}; }}
        channel "mail" {{ email {{ to "a@example.com"; from "b@example.com"; smtp "127.0.0.1:{mail}" tls="none"; user "opsrun"; password from-env="PLANTED_PASSWORD"; }}; }}
        channel "program" {{ shell "cat > /dev/null; echo \"$S\"; env >&2; printf 'x%s' \"$S\" | base64 -w0 >&2; exit 1" {{ env "S" from-env="PLANTED_ENV"; }}; }}
        target "fails" {{ shell "env; env | base64 -w0; echo \"with $URL_403\" >&2; exit 3"; every "200ms"; }}
        check "says" {{ shell "echo \"not with $PLANTED_PASSWORD\"; env; exit 2"; every "200ms"; timeout "10s"; }}
        "#
    ));
    fs::write(world.at("hmac"), PLANTED[1].1).unwrap();
    fs::write(world.at("header"), PLANTED[2].1).unwrap();
    let secrets = secrets();
    let (path, gone) = (PLANTED[0].1, PLANTED[8].1);
    let command = |args: &[&str]| {
        let mut command = world.command(args);
        command
            .env_remove("JOURNAL_STREAM")
            .env_remove("NOTIFY_SOCKET")
            // The path is a secret as a part of addresses only.
            .envs(PLANTED.into_iter().skip(1))
            .env("URL_GONE", format!("http://user:{gone}@127.0.0.1:9/{gone}"))
            .env("RUST_BACKTRACE", "1");
        for status in ["200", "403", "429", "500", "302"] {
            command.env(format!("URL_{status}"), format!("{http}/{status}/{path}?x={path}"));
        }
        command
    };
    let mut said = Vec::new();
    let mut run = |args: &[&str], codes: &[i32]| {
        let out = command(args).output().unwrap();
        assert!(
            out.status.code().is_some_and(|code| codes.contains(&code)),
            "{args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        assert_clean_of(&secrets, &format!("stdout of {args:?}"), &out.stdout);
        assert_clean_of(&secrets, &format!("stderr of {args:?}"), &out.stderr);
        said.extend(out.stdout);
        said.extend(out.stderr);
    };
    run(&["alerts", "test", "-vv"], &[1]);

    // The schedules run until each channel was tried.
    let log = fs::File::create(world.at("serve.log")).unwrap();
    let mut daemon = Daemon(
        command(&["serve", "-vv"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let since = Instant::now();
    let tried = || {
        let db = rusqlite::Connection::open(world.at(".opsrun/t/opsrun.db")).ok()?;
        let count = "SELECT count(DISTINCT channel) FROM outbox WHERE attempts > 0 AND channel <> 'log'";
        db.query_row(count, [], |row| row.get::<_, u32>(0)).ok()
    };
    while tried().is_none_or(|tried| tried < 13) {
        assert!(since.elapsed() < Duration::from_secs(90), "{:?}", tried());
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(daemon.0.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(daemon.0.wait().unwrap().code(), Some(143));
    let log = fs::read(world.at("serve.log")).unwrap();
    assert_clean_of(&secrets, "what serve said", &log);

    run(&["apply", "--due", "--yes", "-vv"], &[0, 1, 3, 4]);
    let answers: [&[&str]; 16] = [
        &["check"],
        &["plan", "--json"],
        &["plan", "--next", "3"],
        &["graph"],
        &["alerts", "list", "--all"],
        &["alerts", "list", "--all", "--json"],
        &["alerts", "replay", "--dead"],
        &["history", "last"],
        &["history", "--json"],
        &["status"],
        &["status", "--json"],
        &["why", "target:fails"],
        &["why", "check:says", "--json"],
        &["simulate", "--from", "2026-03-28", "--to", "2026-03-29"],
        &["apply", "--yes", "--json"],
        &["apply", "--yes", "-vv"],
    ];
    for args in answers {
        run(args, &[0, 1, 3, 4]);
    }
    for (path, bytes) in files(&world.at(".opsrun")) {
        assert_clean_of(&secrets, &path, &bytes);
    }
    // Alerts arrived, and what they tell was cleaned. The routing key belongs into the body of its request.
    let got: String = server.received.try_iter().collect();
    let elsewhere: Vec<&str> = secrets
        .iter()
        .copied()
        .filter(|secret| *secret != PLANTED[5].1)
        .collect();
    assert_clean_of(&elsewhere, "bodies of requests", got.as_bytes());
    assert!(got.contains("target:fails") && got.contains("with [secret]"), "{got}");
    assert!(got.contains("not with [secret]"), "{got}");
    assert!(String::from_utf8_lossy(&said).contains("[secret]"));
}
