//! No text makes the reader panic, hang or point outside of the text.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::support::fuzzing;
use opsrun::config::{CheckOptions, Loaded, load_text};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const VALID: &str = include_str!("../findings/good/full.kdl");
const COMMENTS: &str = include_str!("../findings/good/comments.kdl");
const RUNNING: &str = include_str!("../findings/good/running.kdl");
const TIMING: &str = include_str!("../findings/good/timing.kdl");
const TELLING: &str = include_str!("../findings/OPS7001-secret-literal-3.kdl");
const SECRETS: &str = include_str!("../findings/OPS7001-secret-literal-1.kdl");

/// Four mistakes that have to do with nothing else.
const OTHER: &str = "target \"zz\" {\n    command \"a\"\n    timeot \"5m\"\n    timeout \"5x\"\n}\ncheck \"yy\" {\n    tcp \"h:1\"\n    fail-after 0\n    severity \"bad\"\n}\n";

fn load(text: &[u8]) -> Loaded {
    load_text(Path::new("ops.kdl"), text.to_vec())
}

fn sound(text: &[u8], loaded: &Loaded) {
    let shown = String::from_utf8_lossy(text);
    assert_eq!(loaded.model.is_some(), loaded.errors() == 0);
    assert!(
        loaded.findings.is_sorted_by_key(|finding| finding.span().start),
        "not in the order of the file"
    );
    for finding in &loaded.findings {
        assert!(!finding.labels.is_empty());
        assert!(!finding.message.ends_with('.') && !finding.message.is_empty());
        for label in &finding.labels {
            let span = label.span;
            assert!(
                span.start <= span.end && span.end <= shown.len(),
                "{span:?} {finding:?}"
            );
            assert!(
                shown.is_char_boundary(span.start) && shown.is_char_boundary(span.end),
                "{finding:?}"
            );
            assert!(loaded.location(span).is_some());
        }
    }
    let text = loaded.render(false, 100);
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
        "{text:?}"
    );
    assert_eq!(text.is_empty(), loaded.findings.is_empty());
}

#[expect(clippy::disallowed_methods, reason = "the test measures how long the reader takes")]
fn timed(text: &[u8], limit: Duration) -> Loaded {
    let start = Instant::now();
    let loaded = load(text);
    let rendered = loaded.render(false, 100);
    let took = start.elapsed();
    assert!(
        took < limit,
        "{} bytes took {took:?}: {:?}",
        text.len(),
        String::from_utf8_lossy(&text[..text.len().min(60)])
    );
    assert!(rendered.len() < 2_000_000, "{} bytes of findings", rendered.len());
    sound(text, &loaded);
    loaded
}

fn kdl_bits() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "backup",
        "retention",
        "ops",
        "import",
        "class",
        "keep",
        "source",
        "to",
        "include",
        "target",
        "check",
        "command",
        "shell",
        "env",
        "header",
        "needs",
        "assert",
        "expect",
        "file",
        "http",
        "tcp",
        "job",
        "retry",
        "schedule",
        "channel",
        "cron",
        "every",
        "dst",
        "missed",
        "notify",
        "slack",
        "email",
        "token",
        "silenced-by",
        "\"0 3 * * *\"",
        "\"*/7 2 30 2 MO\"",
        "\"check:a\"",
        "from-env=",
        "warn=",
        "\"target:a\"",
        "\"API_TOKEN\"",
        "\"https://u:p@h\"",
        "\"[::1]:1\"",
        "ghp_0123456789abcdefghij",
        " ",
        " ",
        "\n",
        "\r\n",
        "{",
        "}",
        "{ ",
        " }",
        ";",
        "=",
        "\"a\"",
        "\"",
        "\"\"\"",
        "#\"",
        "\"#",
        "\\",
        "/*",
        "*/",
        "//",
        "/-",
        "(",
        ")",
        "[",
        "]",
        ",",
        "5m",
        "7",
        "-1.5e3",
        "true",
        "#true",
        "#",
        "r\"x\"",
        "é",
        "\u{2028}",
        "\u{feff}",
        "\0",
        "'x'",
        "**/*.csv",
        "https://x",
        "\"30d\"",
        "\"\\u{41}\"",
        "\"\\x\"",
        "name:",
        "a.{b,c}",
        ";",
        "\n{",
        "\u{201c}",
        "\u{201d}",
        "host:/x",
    ]);
    prop::collection::vec(bits, 0..60).prop_map(|parts| parts.concat())
}

/// A valid file whose words change places, whose lines stand twice, and whose tokens grow.
fn shuffled() -> impl Strategy<Value = String> {
    let base = prop::sample::select(vec![VALID, COMMENTS, RUNNING, SECRETS]);
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..5);
    (base, prop::collection::vec(change, 1..6)).prop_map(|(base, changes)| {
        let mut parts: Vec<String> = base.split_inclusive([' ', '\n']).map(str::to_owned).collect();
        for (one, other, kind) in changes {
            let (one, other) = (one.index(parts.len()), other.index(parts.len()));
            match kind {
                0 => parts.swap(one, other),
                1 => {
                    let again = parts[one].clone();
                    parts.insert(other, again);
                }
                2 => {
                    parts.remove(one);
                    if parts.is_empty() {
                        parts.push(" ".to_owned());
                    }
                }
                3 => {
                    let line = parts.concat().lines().nth(one % 40).unwrap_or_default().to_owned();
                    parts.insert(other, format!("\n{line}\n"));
                }
                _ => {
                    let token = parts[one].trim().to_owned();
                    parts.insert(other, token.repeat(200));
                }
            }
        }
        parts.concat()
    })
}

/// One node with a slip in it, and nothing that could comment out what follows.
fn slipped() -> impl Strategy<Value = String> {
    let base = prop::sample::select(vec![
        "backup \"aa\" {\n    source \"/srv/aa\"\n    to \"/backup/aa\"\n    keep last=7 daily=14\n}\n",
        "target \"aa\" {\n    command \"true\" \"x\"\n    retry max=3 wait=\"2s\"\n}\n",
        "check \"aa\" {\n    http \"https://aa.example\" {\n        status 200\n    }\n    timeout \"5s\"\n}\n",
    ]);
    let slip = prop::sample::select(vec![
        "{", "}", "\"", "\\", "(", ")", "[", "]", ",", "=", ";", ":", "#", "'", "\u{201c}", "=>", "::", " - ", "5m ",
        "/*", "r#\"", "\"\"\"", "\u{200b}", "\u{feff}", "$", "@", "\n", "\t", "x: ", "[a,\n", "true ", "-- ", "\n}\n",
        "\n{\n",
    ]);
    (
        base,
        prop::collection::vec((any::<prop::sample::Index>(), slip, any::<bool>()), 1..4),
    )
        .prop_map(|(base, slips)| {
            let mut text = base.to_owned();
            for (at, slip, delete) in slips {
                // The name stays, so that the node is no other.
                let at = 11 + at.index(text.len() - 11);
                let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                if delete && let Some(c) = text[at..].chars().next() {
                    text.replace_range(at..at + c.len_utf8(), "");
                }
                text.insert_str(at, slip);
            }
            text
        })
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let base = prop::sample::select(vec![VALID, COMMENTS, RUNNING, TIMING, TELLING, SECRETS]);
    let change = (
        any::<prop::sample::Index>(),
        0_usize..4,
        prop_oneof![any::<u8>(), prop::sample::select(b"{}\"\\/*-#;= \n'[]".to_vec())],
    );
    (base, prop::collection::vec(change, 1..6)).prop_map(|(base, changes)| {
        let mut bytes = base.as_bytes().to_vec();
        for (at, kind, byte) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => {
                    bytes.remove(at);
                }
                _ => {
                    let end = (at + usize::from(byte)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
            if bytes.is_empty() {
                bytes.push(b' ');
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        timed(&bytes, Duration::from_secs(5));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        timed(text.as_bytes(), Duration::from_secs(5));
    }

    #[test]
    fn pieces_of_kdl(text in kdl_bits()) {
        timed(text.as_bytes(), Duration::from_secs(5));
    }

    #[test]
    fn mutations_of_valid_files(bytes in mutated()) {
        timed(&bytes, Duration::from_secs(5));
    }

    #[test]
    fn shuffles_of_valid_files(text in shuffled()) {
        timed(text.as_bytes(), Duration::from_secs(5));
    }

    /// What is wrong in one node takes nothing away from what is said of another.
    #[test]
    fn a_slip_hides_no_other_finding(slipped in slipped()) {
        prop_assume!(!slipped.contains("/-"));
        let alone = load(OTHER.as_bytes());
        prop_assert_eq!(alone.findings.len(), 4);
        let text = format!("{slipped}\n\n{OTHER}");
        let both = load(text.as_bytes());
        let shift = text.len() - OTHER.len();
        for finding in &alone.findings {
            let span = finding.span();
            let found = both.findings.iter().any(|other| {
                other.code == finding.code
                    && other.message == finding.message
                    && (other.span().start, other.span().end) == (span.start + shift, span.end + shift)
            });
            prop_assert!(found, "{finding:?}\n{text}\n{}", both.render(false, 100));
        }
    }
}

/// So it does in a channel. A slip within the name of a setting makes another setting of it.
#[test]
fn no_slip_shows_a_secret_of_a_channel() {
    for (setting, text) in [
        (
            "token",
            "channel \"a\" {\n    telegram { token \"hunter2-hunter2\"; chat \"-1\"; }\n}\n",
        ),
        (
            "password",
            "channel \"a\" {\n    email {\n        password \"hunter2-hunter2\"\n        user \"a\"\n    }\n}\n",
        ),
    ] {
        let secret = "\"hunter2-hunter2\"";
        let taken = [setting, secret].map(|part| (text.find(part).unwrap(), part.len()));
        let inside = |at: usize| taken.iter().any(|(start, len)| *start < at && at < start + len);
        for at in (0..=text.len()).filter(|at| !inside(*at)) {
            for slip in [
                "{", "}", "\"", "//", "/*", "#", ";", "=", " ", "\n", "[", ",", "x", "/-",
            ] {
                let (before, after) = text.split_at(at);
                let slipped = [before, slip, after].concat();
                let shown = load(slipped.as_bytes()).render(false, 200);
                assert!(!shown.contains("hunter2"), "{slipped}\n{shown}");
            }
        }
    }
}

/// A slip beside a secret makes it no less of one.
#[test]
fn no_slip_shows_a_secret() {
    const NAME: &str = "\"API_TOKEN\"";
    const SECRET: &str = "\"hunter2-hunter2\"";
    let text = format!("target \"a\" {{\n    command \"true\"\n    env {NAME} {SECRET}\n    timeout \"5m\"\n}}\n");
    let taken = [NAME, SECRET].map(|part| (text.find(part).unwrap(), part.len()));
    let inside = |at: usize| taken.iter().any(|(start, len)| *start < at && at < start + len);
    for at in (0..=text.len()).filter(|at| !inside(*at)) {
        for slip in [
            "{", "}", "\"", "\\", "/", "//", "/*", "*", "-", "#", ";", "=", " ", "\n", "'", "[", ",", "x", "5", "/-",
        ] {
            let (before, after) = text.split_at(at);
            let slipped = [before, slip, after].concat();
            let shown = load(slipped.as_bytes()).render(false, 200);
            assert!(!shown.contains("hunter2"), "{slipped}\n{shown}");
        }
    }
}

/// 96 bytes of this took the parser 28 s.
#[test]
fn nested_slashdashes_are_refused_at_once() {
    for unit in [
        "/-{",
        "/- {",
        "/-\n{",
        "/-a{",
        "/-a {\n",
        "a /-{",
        "a /-b /-{",
        "/-a{}/-{",
        "a{/-b{/-",
        "/-a{b;",
        "/-/*x*/{",
        "/-//\n{",
        "/-a\n{",
        "/-a\n/-b\n{",
        "a\n/-{",
    ] {
        for close in ["", "}"] {
            let text = unit.repeat(24) + &close.repeat(24);
            timed(text.as_bytes(), Duration::from_secs(1));
        }
    }
}

#[test]
fn hostile_texts_are_answered_in_time() {
    // Enough for what grows faster than the text to stand out against the limit.
    let large = 250_000;
    for unit in [
        "{",
        "}",
        "a{",
        "a {\n",
        "(",
        ")",
        "\"",
        "\"\"\"",
        "\"\"\"\n",
        "/*",
        "/* ",
        "*/",
        "//",
        "/-",
        "/- ",
        "\\",
        "\\\n",
        "#",
        "##",
        "# ",
        "#\"",
        "=",
        "= ",
        "a=",
        "a= ",
        "a=1 ",
        "a b ",
        "a ",
        "a\n",
        "a;",
        "\n",
        "\r",
        " ",
        "\t",
        "[",
        "[a, ",
        ",",
        "'",
        "'a ",
        "5m ",
        "5m\n",
        "*{",
        "*.{a",
        "a/*",
        "a//b ",
        "r\"",
        "r#",
        "\0",
        "é",
        "\u{2028}",
        "\"\\x",
        "\"a\"",
        "\"a\" ",
        "(a)",
        "(a)b ",
        "a;}",
        "backup ",
        "backup\n",
        "backup \"a\"\n",
        "backup \"a\" {\n",
        "backup{}\n",
        "import \"x\"\n",
        "retention \"a\" backup=\"b\"\n",
        "target \"a\"\n",
        "target \"a\" { command \"a\"; needs \"target:b\"; }\n",
        "check \"a\" { tcp \"a:1\"; tcp \"a:1\"; }\n",
        "assert \"a\" retention=\"b\" { file \"c\"; expect \"kept\"; }\n",
        "assert \"a\" backup=\"a\"\n",
        "env \"TOKEN\" \"x\"\n",
        "schedule \"a\" { cron \"0 3 30 2 *\"; }\n",
        "target \"a\" { command \"a\"; cron \"*/7 2 1 * 1\"; notify \"b\"; }\n",
        "channel \"a\" { slack { url \"https://b\"; }; }\n",
        "check \"a\" { tcp \"a:1\"; silenced-by \"check:a\"; }\n",
        "slack { url ",
        "token a ",
        "cron \"",
        "://hooks.slack.com/services/",
        "12345678:AA",
        "env TOKEN x ",
        "TOKEN=x ",
        "://a:b@",
        "://a:b",
        "ghp_",
        "-eyJ",
        "eyJaaaaaaaa.",
        "xoxb-",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\" ",
        "a{}",
        "a{};",
        "1 ",
        "1e",
        "#true ",
        "true ",
        "/-a\n",
        "/-a ",
        "a /-b ",
        "a /-{} ",
        "\u{feff}",
        "name: ",
        "name = ",
        "- ",
        ".",
        "..1",
        "; ",
        ";\n",
        "; a\n",
        "a\n{",
        "a\n{}\n",
        "a b\n\n{ c\n",
        "\u{201c}a ",
        "a \u{201c}",
        "a = [b, c]\n",
        "a = [",
        "a: [b\n",
        "a: b/c\n",
        "a = b/c ",
        "to s3://x\n",
        "a {\n# }\n",
        "/-a {\n# }\n",
        "/-a {\n; }\n",
        "a { '}' ",
        "/-a { \u{201c}}\u{201d} ",
        "[a\n",
        "a [b\n",
        "a [\"b\",\n",
        "a \"b\",\n",
        "a \"b\",\n\"c\"\n",
        "a\n- b\n",
        "a, ",
        "a,;",
        "a(",
        "a(b)",
        "a:b\n",
        "\"a\": ",
        "\"a\":\n",
        "a => ",
        "a => b\n",
        "\"a\n\"\n",
        "a \"b {\n",
        "a\"\n",
        "-- a\n",
        "a {\n b {\n}\n",
        "a {\n  }\n  b\n}\n",
        "backup\n  a\n",
        "backup \"a\":\n  b\n",
        "  }\n",
        "    {\n",
    ] {
        let text = unit.repeat(large / unit.len() / 20);
        timed(text.as_bytes(), Duration::from_secs(60));
        let inside = format!("backup \"a\" {{\n{text}\n}}\n");
        timed(inside.as_bytes(), Duration::from_secs(60));
    }
}

#[test]
fn depth_and_size_have_limits() {
    let nested = |depth: usize| format!("{}{}", "a {".repeat(depth), "}".repeat(depth));
    let codes = |text: &str| -> Vec<&str> { load(text.as_bytes()).findings.iter().map(|f| f.code.id()).collect() };
    assert_eq!(codes(&nested(64)), ["OPS2001"]);
    assert_eq!(codes(&nested(65)), ["OPS1004"]);
    assert_eq!(codes(&nested(100_000)), ["OPS1004"]);
    let comment = |len: usize| format!("//{}\n", "x".repeat(len - 3));
    assert_eq!(codes(&comment(4 * 1024 * 1024)), ["OPS3007"]);
    assert_eq!(codes(&comment(4 * 1024 * 1024 + 1)), ["OPS1004"]);
    assert_eq!(load(b"ops {\n    name \"a\xff\"\n}").findings[0].code.id(), "OPS1004");
}

fn many(count: usize, retention: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 0..count {
        write!(
            text,
            "backup \"b{n}\" {{\n    source \"/srv/data/{n}\"\n    to \"/backup/{n}\"\n}}\n{}",
            retention(n)
        )
        .unwrap();
    }
    text
}

#[test]
fn ten_thousand_jobs() {
    let text = many(5_000, |n| {
        format!(
            "retention \"r{n}\" backup=\"b{n}\" {{\n    class \"old\" \"*.csv\" keep=\"30d\"\n    max-delete files=10\n}}\n"
        )
    });
    let loaded = timed(text.as_bytes(), Duration::from_secs(60));
    assert_eq!(loaded.render(false, 100), "");
    let model = loaded.model.unwrap();
    assert_eq!((model.backups.len(), model.retentions.len()), (5_000, 5_000));
}

#[test]
fn thousands_of_findings() {
    let text = many(5_000, |n| {
        format!("retention \"r{n}\" backup=\"b{n}\" {{\n    class \"old\" \"/*.csv\" keep=30\n}}\n")
    });
    let loaded = timed(text.as_bytes(), Duration::from_secs(60));
    assert_eq!(loaded.errors(), 10_000);
    assert!(
        loaded
            .render(false, 100)
            .ends_with("10,000 errors, 5,000 warnings; the first 50 of 15,000 are shown\n")
    );
}

#[test]
fn thousands_of_slips() {
    for slip in [
        "    timeout = 5m\n",
        "    timeout: 5m\n",
        "    exclude [\"a\",\n \"b\"]\n",
        "    exclude\n      - a\n",
        "    exclude \"a\",\n \"b\"\n",
        "    to \"/x\n",
        "    }\n",
        "    floor(2)\n",
        "    # x\n",
        "    -- x\n",
        "    t\u{200b}o x\n",
    ] {
        let mut text = String::new();
        for n in 0..2_000 {
            write!(text, "backup \"b{n}\" {{\n    source \"/srv/{n}\"\n{slip}}}\n").unwrap();
        }
        let loaded = timed(text.as_bytes(), Duration::from_secs(60));
        assert!(loaded.errors() >= 2_000, "{slip}");
    }
}

/// Found by fuzzing: the quote that was put behind a raw string did not end it, and was put there again and again.
#[test]
fn the_fix_of_a_raw_string_ends_it() {
    let text = "target \"t\" {\n    command \"true\"\n}\ntarget #\"a \"b\" {\n    command \"true\"\n}\n";
    let look = CheckOptions {
        now: chrono::DateTime::UNIX_EPOCH,
        host: false,
    };
    let fixed = opsrun::config::findings::apply_fixes::fix(Path::new("ops.kdl"), text.as_bytes().to_vec(), false, look);
    assert_eq!(fixed.files.len(), 1);
    assert!(
        fixed.files[0].new.contains("target #\"a \"b\"\"# {"),
        "{}",
        fixed.files[0].new
    );
}

#[test]
fn huge_tokens_and_lines() {
    for (before, unit, after) in [
        ("target \"a\" { command \"", "x", "\"; }"),
        ("target \"a\" { command ", "x", "; }"),
        ("target \"a\" { command \"", "\\", "\"; }"),
        ("target \"a\" { command \"", "\\d", "\"; }"),
        ("target \"a\" { command #\"", "\"", "\"#; }"),
        ("target \"a\" { command ", "1", "; }"),
        ("target \"a\" { command ", "1,", "; }"),
        ("target \"a\" { command: ", "a,", "; }"),
        ("target \"a\" { command [", "\"a\",\n", "]; }"),
        ("target \"a\" { command ", "\"a\",\n", "; }"),
        ("target \"a\" { command\n", "- a\n", "; }"),
        ("target \"a\" { command \"a\" ", "é", "; }"),
        ("target \"a\" { command \"\"\"\n", "y\n", "\"\"\"; }"),
        ("// ", "z", "\ntarget \"a\" { command \"b\"; }"),
        ("target \"a\" { command \"a\"; }", " ", ""),
        ("target ", "(", "\"a\" { command \"a\"; }"),
        ("target \"a\" { command(", "b ", "); }"),
        ("target \"a\"\n", "  command \"b\"\n", "}"),
        ("", "target a {\n  b {\n}\n", ""),
        ("", "target a {\n  }\n  b\n}\n", ""),
        ("", "target a\n  b\n", ""),
        ("{\"", "a", "\": 1}"),
        ("[", "a", "]"),
    ] {
        let text = format!("{before}{}{after}", unit.repeat(120_000 / unit.len()));
        timed(text.as_bytes(), Duration::from_secs(60));
    }
}

#[test]
fn a_circle_of_thousands_is_one_finding() {
    let mut text = String::new();
    for n in 0..5_000 {
        let next = (n + 1) % 5_000;
        writeln!(
            text,
            "target \"t{n}\" {{ command \"true\"; needs \"target:t{next}\"; }}"
        )
        .unwrap();
    }
    let loaded = timed(text.as_bytes(), Duration::from_secs(60));
    let codes: Vec<&str> = loaded.findings.iter().map(|f| f.code.id()).collect();
    assert_eq!(codes, ["OPS3003"]);
    assert_eq!(loaded.findings[0].message, "5,000 jobs wait for each other in a cycle");
}

/// Schedules are the same few lines over and over, or each of its own.
#[test]
fn thousands_of_schedules() {
    let mut text = String::from("ops { timezone \"Europe/Berlin\"; }\n");
    for n in 0..3_000 {
        let (minute, hour) = (n % 60, 3 + n / 60 % 20);
        writeln!(
            text,
            "target \"t{n}\" {{ command \"true\"; cron \"{minute} {hour} * * *\"; timeout \"1h\"; }}\n\
             check \"c{n}\" {{ tcp \"a:1\"; schedule \"s{n}\"; }}\n\
             check \"d{n}\" {{ job \"target:t{n}\" {{ age critical=\"2d\"; }}; silenced-by \"check:c{n}\"; notify \"ops\"; }}\n\
             schedule \"s{n}\" {{ cron \"*/5 * * * *\"; }}"
        )
        .unwrap();
    }
    text.push_str("channel \"ops\" { command \"true\"; }\n");
    let loaded = timed(text.as_bytes(), Duration::from_secs(60));
    assert_eq!(loaded.render(false, 100), "");
    assert_eq!(loaded.model.unwrap().schedules.len(), 6_000);
}

/// A chain of gates: every check asks for the job that the next one opens.
#[test]
fn a_long_chain_of_gates_is_judged_in_time() {
    let mut text = String::new();
    for n in 0..3_000 {
        writeln!(
            text,
            "target \"t{n}\" {{ command \"true\"; needs \"check:c{n}\"; }}\n\
             check \"c{n}\" {{ job \"target:t{}\" {{ age critical=\"2d\"; }}; needs \"target:t{}\"; }}",
            n + 1,
            n + 1
        )
        .unwrap();
    }
    text.push_str("target \"t3000\" { command \"true\"; }\n");
    let loaded = timed(text.as_bytes(), Duration::from_secs(60));
    assert_eq!(loaded.render(false, 100), "");
}

#[test]
fn thousands_of_wrong_references() {
    let mut text = String::new();
    for n in 0..5_000 {
        writeln!(
            text,
            "target \"t{n}\" {{ command \"true\"; needs \"target:x{n}\" \"y{n}\"; schedule \"z{n}\"; notify \"w{n}\"; }}\n\
             schedule \"s{n}\" {{ every \"5m\"; }}\nchannel \"c{n}\" {{ command \"true\"; }}"
        )
        .unwrap();
    }
    let loaded = timed(text.as_bytes(), Duration::from_secs(60));
    assert_eq!(loaded.errors(), 20_000);
}

#[test]
fn a_brace_in_place_of_a_wide_line_end_is_shown_where_that_stood() {
    let text = "{/-\u{2028}backupbackup";
    sound(text.as_bytes(), &load(text.as_bytes()));
}

/// What the fuzzers ask, of all that they began with.
#[test]
fn the_corpus_of_the_fuzzers_holds() {
    let files = std::fs::read_dir("fuzz/corpus/check").unwrap();
    let texts: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(texts.len() >= 5);
    for text in &texts {
        fuzzing::check(text);
        fuzzing::fixed(text);
    }
}

/// One line of many secrets, and one of many words that `\` joins.
#[test]
fn many_secrets_on_one_line_are_found_in_time() {
    let one = format!("// {}\n", "PASSWORD=aaaa ".repeat(70_000));
    let mut joined = String::new();
    for n in 0..20_000 {
        let _ = writeln!(joined, "\"--password\" \"aaaa{n}\" \\");
    }
    let joined = format!("target \"a\" {{\n    command \"x\" \\\n{joined}\n}}\n");
    for unfinished in [
        "PASSWORD=\\\"$aaaa ",
        "PASSWORD=$aa'a ",
        "PASSWORD=\"`aaaa ",
        "PASSWORD=<aa'a ",
    ] {
        timed(
            format!("// {}\n", unfinished.repeat(40_000)).as_bytes(),
            Duration::from_secs(30),
        );
    }
    timed(one.as_bytes(), Duration::from_secs(30));
    timed(joined.as_bytes(), Duration::from_secs(30));
}

/// What a person types as a secret may begin with, or hold, what divides words.
#[test]
fn no_mark_in_a_secret_shows_it() {
    for line in [
        r#"command "x" "--password" "`Qw8rTz5yPl9""#,
        r#"command "x" "--password" "`Qw8rTz5yPl9" "--token" "`Zw8rTz5yPl9bb9Kq""#,
        r#"command "x"; env "API_TOKEN=aa'bb9Kq\"Zw""#,
        r#"command "x"; env "API_TOKEN" from-env="\"Qw8rTz5yPl9""#,
        r#"command "x"; env "API_TOKEN" from-env="`Qw8rTz5yPl9""#,
        r#"command "x"; env "API_TOKEN" from-env="\\Qw8rTz5yPl9""#,
    ] {
        let text = format!("target \"a\" {{ {line}; }}\nchannel \"c\" {{ telegram token=\"aa'bb9Kq\\\"Zw\"; }}\n");
        let shown = load(text.as_bytes()).render(false, 100);
        assert!(
            !["Qw8rTz5yPl9", "bb9Kq", "Zw\""].iter().any(|part| shown.contains(part)),
            "{line}\n{shown}"
        );
    }
}

/// A `\` at the end of a line takes the line end into the string.
#[test]
fn a_string_that_a_backslash_leads_on_is_closed_so_that_it_holds() {
    let text = "backup \"a\\\n {\n source \"/srv/a\"\n to \"/b\"\n}\n";
    let look = CheckOptions {
        now: chrono::DateTime::UNIX_EPOCH,
        host: false,
    };
    let name = Path::new("ops.kdl");
    let fixed = opsrun::config::findings::apply_fixes::fix(name, text.as_bytes().to_vec(), false, look);
    assert_eq!(
        (fixed.before.errors(), fixed.after.errors()),
        (1, 0),
        "{}",
        fixed.after.render(false, 100)
    );
}
