//! Random secrets in every place that one can come from, repeated in every form: none is found in anything that opsrun
//! prints, nor in any file below its state.

use crate::support::stub::{self, Stub};
use crate::support::workspace::{Workspace, files};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Write as _;
use std::fs;

/// Where a secret comes from. Each has one of its own.
const PLACES: [&str; 8] = ["env", "file", "command", "param", "path", "login", "header", "channel"];

fn percent(text: &str, keep: &[u8]) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").unwrap();
        }
    }
    escaped
}

/// What servers and programs make of what they are given.
fn forms(text: &str) -> Vec<String> {
    let json = serde_json::to_string(text).unwrap();
    let hexadecimal: String = text
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    vec![
        text.to_owned(),
        percent(text, b"-._~"),
        percent(text, b"-._*").replace("%20", "+"),
        json.trim_matches('"').to_owned(),
        STANDARD.encode(text),
        STANDARD.encode(format!("me:{text}")),
        URL_SAFE_NO_PAD.encode(text),
        hexadecimal.clone(),
        hexadecimal.to_uppercase(),
    ]
}

/// Repeats the head of each request as it is, decoded, and in every form; fails.
fn echo() -> Stub {
    stub::http(|request, wire, _| {
        let head: Vec<&str> = request.split("\r\n").take_while(|line| !line.is_empty()).collect();
        let target = head[0].split(' ').nth(1).unwrap();
        let mut told = format!("cannot serve {target}");
        let decoded = String::from_utf8_lossy(&opsrun::units::percent_decoded(target)).into_owned();
        let values = target.split(['?', '&', '=', '/']).chain(
            head.iter()
                .filter_map(|line| line.split_once(": "))
                .map(|(_, value)| value),
        );
        for value in values {
            let value = String::from_utf8_lossy(&opsrun::units::percent_decoded(value)).into_owned();
            write!(told, " | {}", forms(&value).join(" ; ")).unwrap();
        }
        let told = format!("{told} | {decoded} | {}", head.join(" ")).replace(['\r', '\n'], " ");
        let _ = wire.write_all(stub::answer("500 Broken", "", &told).as_bytes());
    })
}

fn is_in(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn nowhere(secrets: &[String], server: &Stub) -> Result<(), TestCaseError> {
    let (place, secret) = (server.address, |place: &str| {
        let at = PLACES.iter().position(|known| *known == place).unwrap();
        secrets[at].as_str()
    });
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        target "prints" {
            shell "cat forms-env forms-file forms-command; cat forms-env >&2; exit 3"
            env "A" from-env="S_ENV"
            env "B" from-file="secret"
            env "C" { from-command "cat" "printed"; }
        }
        check "param" { http from-env="S_PARAM" { json "/x" eq=1; }; }
        check "path" { http from-env="S_PATH"; }
        check "login" { http from-env="S_LOGIN"; }
        check "header" { http from-env="S_PLAIN" { header "Authorization" from-env="S_HEADER"; }; }
        check "tells" { shell "cat forms-param forms-path forms-login forms-header; exit 2"; }
        channel "hook" { webhook { url from-env="S_CHANNEL"; }; }
        "#,
    );
    for (name, secret) in PLACES.iter().zip(secrets) {
        fs::write(world.at(&format!("forms-{name}")), forms(secret).join("\n") + "\n").unwrap();
    }
    fs::write(world.at("secret"), format!("{}\n", secret("file"))).unwrap();
    fs::write(world.at("printed"), secret("command")).unwrap();
    let escaped = |name: &str| percent(secret(name), b"-._~");
    let variables = [
        ("S_ENV", secret("env").to_owned()),
        (
            "S_PARAM",
            format!("http://{place}/in?room=ops&token={}", escaped("param")),
        ),
        ("S_PATH", format!("http://{place}/hooks/{}", escaped("path"))),
        ("S_LOGIN", format!("http://me:{}@{place}/x", escaped("login"))),
        ("S_PLAIN", format!("http://{place}/plain")),
        ("S_HEADER", format!("Bearer {}", secret("header"))),
        (
            "S_CHANNEL",
            format!("http://{place}/in?api_key={}&v=1", escaped("channel")),
        ),
    ];
    let runs: [&[&str]; 9] = [
        &["plan", "--json"],
        &["check", "--host"],
        &["apply", "--yes", "-vv"],
        &["apply", "--yes", "--json"],
        &["alerts", "list", "--all"],
        &["alerts", "list", "--all", "--json"],
        &["history", "last"],
        &["status", "--json"],
        &["why", "target:prints"],
    ];
    let clean = |what: &str, bytes: &[u8]| {
        for (place, secret) in PLACES.iter().zip(secrets) {
            for needle in forms(secret) {
                prop_assert!(
                    !is_in(bytes, &needle),
                    "{what} shows the secret of {place} as `{needle}`"
                );
            }
        }
        Ok(())
    };
    let mut said = Vec::new();
    for args in runs {
        let output = world.command(args).envs(variables.iter().cloned()).output().unwrap();
        clean(&format!("stdout of {args:?}"), &output.stdout)?;
        clean(&format!("stderr of {args:?}"), &output.stderr)?;
        said.extend(output.stdout);
        said.extend(output.stderr);
    }
    for (path, bytes) in files(&world.at(".opsrun")) {
        clean(&path, &bytes)?;
    }
    prop_assert!(is_in(&said, "[secret]"));
    Ok(())
}

/// Signs that encoders treat in different ways, words, and one sign that is not ASCII.
fn secret() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9+/=&%?#\"' <>;:@~.!*-]{5,24}[g-z][0-9é]"
        .prop_filter("begins or ends with a blank", |text| text.trim() == text)
}

#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn a_random_secret_is_shown_in_no_form() {
    let server = echo();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(3);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        max_shrink_iters: 8,
        ..Config::with_cases(cases)
    });
    let all = proptest::collection::vec(secret(), PLACES.len());
    runner.run(&all, |secrets| nowhere(&secrets, &server)).unwrap();
}

/// The shortest that a name such as `token=` still marks.
#[test]
#[cfg_attr(not(feature = "http"), ignore = "needs the feature http")]
fn a_parameter_of_an_address_is_a_secret_without_a_digit() {
    let server = stub::http(|request, wire, _| {
        let target = request.split(' ').nth(1).unwrap_or_default();
        let _ = wire.write_all(stub::answer("500 Broken", "", &format!("cannot POST {target}")).as_bytes());
    });
    let world = Workspace::with_data(
        r#"
        ops version=1 { name "t"; }
        channel "hook" { webhook { url from-env="HOOK"; }; }
        target "fails" { command "false"; }
        "#,
    )
    .with_env(
        "HOOK",
        &format!("http://{}/in?room=ops&token=SUPERSECRETQ", server.address),
    );
    let mut said = world.ends(1, &["apply", "--yes"]);
    said += &world.ends(0, &["alerts", "list", "--all"]);
    assert!(said.contains("cannot POST [secret]"), "{said}");
    assert!(!said.contains("SUPERSECRETQ"), "{said}");
    for (path, bytes) in files(&world.at(".opsrun")) {
        assert!(!is_in(&bytes, "SUPERSECRETQ"), "{path}");
    }
}

/// It is masked all the same, and the text cannot be read any more: the run says which one it is.
#[test]
fn a_secret_that_is_hardly_one_is_named() {
    let world = Workspace::new(
        r#"
        ops version=1 { name "t"; }
        target "t" {
            shell "echo catalog of a banana"
            env "KEY" from-env="SHORT_KEY"
            env "WORD" from-file="word"
            env "PRINTED" { from-command "echo" "zq"; }
        }
        channel "c" { shell "cat >/dev/null" { env "PIN" from-env="SHORT_PIN"; }; }
        "#,
    )
    .with_env("SHORT_KEY", "a")
    .with_env("SHORT_PIN", "zz9");
    fs::write(world.at("word"), "Password\n").unwrap();
    let run = world.ends(0, &["apply", "--yes"]);
    let host = world.ends(0, &["check", "--host"]);
    for (source, doubt) in [
        ("the variable `SHORT_KEY`", "has fewer than 4 bytes"),
        ("the variable `SHORT_PIN`", "has fewer than 4 bytes"),
        ("word`", "is a common word"),
    ] {
        for text in [&run, &host] {
            assert!(
                text.lines().any(|line| line.contains(source) && line.contains(doubt)),
                "{source}: {text}"
            );
        }
    }
    assert!(run.contains("the command `echo zq` has fewer than 4 bytes"), "{run}");
    let shown = world.ends(0, &["history", "last"]);
    assert!(
        !shown.contains("catalog") && shown.contains("c[secret]t[secret]log"),
        "{shown}"
    );
}
