//! Secrets planted wherever one can come from and wherever one can leak: none is found in anything that opsrun
//! keeps or says, in no encoding.

use crate::support::stub;
use crate::support::workspace::{Workspace, files};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::fs;

/// From the environment, a file, a command, a header, the path of an address.
const SECRETS: [&str; 5] = [
    "env-S3cr3t/with+odd=chars&é",
    "file-s3cret \"quoted\" 0815",
    "command-secret-%41-12345",
    "Bearer header-secret-67890",
    "url-secret-abcdef",
];

/// Everything by which one of them could be known again.
fn needles(secret: &str) -> Vec<Vec<u8>> {
    let mut found = vec![secret.as_bytes().to_vec()];
    for engine in [&STANDARD, &URL_SAFE] {
        // Encoded by itself and within a longer text, the characters that mix with its neighbours left out.
        for before in 0..3 {
            let text = [&b"xyz"[..before], secret.as_bytes(), &b"\n"[..]].concat();
            let encoded = engine.encode(text).into_bytes();
            found.push(encoded[4..encoded.len() - 8].to_vec());
        }
    }
    let percent = |upper: bool| -> Vec<u8> {
        let escape = |b: u8| match (b.is_ascii_alphanumeric() || b"-_.~".contains(&b), upper) {
            (true, _) => vec![b],
            (false, true) => format!("%{b:02X}").into_bytes(),
            (false, false) => format!("%{b:02x}").into_bytes(),
        };
        secret.bytes().flat_map(escape).collect()
    };
    found.push(percent(true));
    found.push(percent(false));
    found.push(
        serde_json::to_string(secret)
            .unwrap()
            .trim_matches('"')
            .as_bytes()
            .to_vec(),
    );
    let hexadecimal: Vec<String> = secret.bytes().map(|b| format!("{b:02x}")).collect();
    for between in ["", " ", ":"] {
        found.push(hexadecimal.join(between).into_bytes());
        found.push(hexadecimal.join(between).to_uppercase().into_bytes());
    }
    // The first line of a dump.
    found.push(hexadecimal[..16].join(" ").into_bytes());
    found
}

fn assert_clean(what: &str, bytes: &[u8]) {
    assert_clean_of(&SECRETS, what, bytes);
}

pub(super) fn assert_clean_of(secrets: &[&str], what: &str, bytes: &[u8]) {
    for secret in secrets {
        for needle in needles(secret) {
            let at = bytes.windows(needle.len()).position(|window| window == needle);
            assert!(
                at.is_none(),
                "{what} holds a secret as `{}`: …{}…",
                String::from_utf8_lossy(&needle),
                String::from_utf8_lossy(&bytes[at.unwrap().saturating_sub(60)..(at.unwrap() + 60).min(bytes.len())])
            );
        }
    }
}

/// Answers every request with the request, in the body and in a header.
fn echo_server() -> stub::Stub {
    stub::http(|request, wire, _| {
        let head: Vec<&str> = request.split("\r\n").take_while(|line| !line.is_empty()).collect();
        let body = serde_json::json!({ "state": head.join(" | ") }).to_string();
        let echo = format!("X-Echo: {}\r\n", head.join(" "));
        let _ = wire.write_all(stub::answer("200 OK", &echo, &body).as_bytes());
    })
}

#[test]
fn no_secret_is_kept_or_shown() {
    let server = echo_server();
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "tells" {
            shell "for s in \"$A\" \"$B\" \"$C\"; do echo \"plain $s\"; printf %s \"$s\" | base64 -w0; echo; printf 'x%s' \"$s\" | base64 -w0; echo; printf 'xy%s' \"$s\" | base64 -w0 | tr '+/' '-_' >&2; echo; printf %s \"$s\" | od -An -tx1 -v | tr -d ' \\n'; echo; printf %s \"$s\" | od -An -tx1 -v | tr -d '\\n' | tr ' ' '%'; echo; printf %s \"$s\" | od -An -tx1 -v; printf %s \"$s\" | od -An -tx1 -v | tr -d '\n' | tr ' a-f' ':A-F'; echo; done; printf '%s' \"$A\" > got; env"
            env "A" from-env="PLANTED_A"
            env "B" from-file="secret-file"
            env "C" { from-command "sh" "-c" "cat command-file"; }
        }
        target "fails" {
            shell "echo \"$A is wrong\" >&2; exit 9"
            env "A" from-env="PLANTED_A"
            retry max=1 wait="1ms"
        }
        target "missing" {
            command "true"
            env "A" { from-command "sh" "-c" "cat command-file >&2; exit 1"; }
        }
        check "says" { command "sh" "-c" "echo \"bad: $A\"; echo more $A; exit 2" { env "A" from-env="PLANTED_A"; }; }
        check "web" {
            http from-env="PLANTED_URL" {
                header "Authorization" from-env="PLANTED_HEADER"
                json "/state" eq="well"
            }
        }
        check "gone" { http from-env="PLANTED_GONE"; }
        "#,
    );
    fs::write(world.at("secret-file"), format!("{}\n", SECRETS[1])).unwrap();
    fs::write(world.at("command-file"), format!("{}\n", SECRETS[2])).unwrap();
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        command
            .env("PLANTED_A", SECRETS[0])
            .env("PLANTED_HEADER", SECRETS[3])
            .env("PLANTED_URL", format!("http://{}/{}?x=1", server.address, SECRETS[4]))
            .env("PLANTED_GONE", format!("http://user:{0}@127.0.0.1:9/{0}", SECRETS[4]))
            .env("RUST_BACKTRACE", "1");
        command.output().unwrap()
    };
    let runs: [&[&str]; 15] = [
        &["check"],
        &["plan"],
        &["plan", "--json"],
        &["plan", "--format", "dot"],
        &["graph"],
        &["apply", "--yes", "-vv"],
        &["apply", "--yes", "--json", "--threads", "1"],
        &["apply", "--yes", "--quiet"],
        &["history"],
        &["history", "--json"],
        &["history", "last"],
        &["history", "last", "--json"],
        &["status"],
        &["status", "--json"],
        &["status", "--quiet"],
    ];
    let mut all = Vec::new();
    for args in runs {
        let out = run(args);
        assert!(
            out.status.code().is_some_and(|code| code < 2),
            "{args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        assert_clean(&format!("stdout of {args:?}"), &out.stdout);
        assert_clean(&format!("stderr of {args:?}"), &out.stderr);
        all.extend(out.stdout);
        all.extend(out.stderr);
    }
    for (path, bytes) in files(&world.at(".opsrun")) {
        assert_clean(&path, &bytes);
    }
    // The children got them, and something was said about each.
    assert_eq!(fs::read(world.at("got")).unwrap(), SECRETS[0].as_bytes());
    let text = String::from_utf8_lossy(&all);
    assert!(
        text.contains("plain [secret]") && text.contains("bad: [secret]"),
        "{text}"
    );
    assert!(text.contains("PLANTED_A"), "{text}");
}

/// A command prints what another job, which does not even run, will be given.
#[test]
fn secrets_of_jobs_that_do_not_run_are_hidden_too() {
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "publish" { command "true"; env "A" from-env="PLANTED_A"; env "B" from-file="secret-file"; }
        target "debug" { shell "env; cat secret-file"; }
        check "tells" { shell "echo it is $PLANTED_A; cat secret-file; exit 1"; }
        "#,
    );
    fs::write(world.at("secret-file"), SECRETS[1]).unwrap();
    for args in [&["--only", "target:debug"][..], &["--only", "check:tells", "--verbose"]] {
        let args = [&["apply", "--yes"][..], args].concat();
        let out = world.command(&args).env("PLANTED_A", SECRETS[0]).output().unwrap();
        assert_eq!(out.status.code(), Some(0));
        assert_clean("stdout", &out.stdout);
        assert_clean("stderr", &out.stderr);
    }
    assert!(world.ends(0, &["history", "last"]).contains("[secret]"));
    for (path, bytes) in files(&world.at(".opsrun")) {
        assert_clean(&path, &bytes);
    }
}

#[test]
fn the_needles_find_what_they_should() {
    for secret in SECRETS {
        let leaks = [
            format!("a {secret} b").into_bytes(),
            STANDARD.encode(format!("k={secret}\n")).into_bytes(),
            URL_SAFE.encode(format!("zz{secret}\n more")).into_bytes(),
        ];
        for leak in leaks {
            let found = needles(secret)
                .iter()
                .any(|needle| leak.windows(needle.len()).any(|w| w == needle));
            assert!(found, "{}", String::from_utf8_lossy(&leak));
        }
    }
}
