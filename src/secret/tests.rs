//! Secrets fetched from real sources, and found again in every form and place.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn env(name: &str) -> Value {
    Value::Secret(SecretSource::Env(name.to_owned()))
}

fn file(path: &Path) -> Value {
    Value::Secret(SecretSource::File(path.to_owned()))
}

fn sh(line: &str) -> Value {
    let words = ["/bin/sh", "-c", line].map(str::to_owned).to_vec();
    Value::Secret(SecretSource::Command(words, PathBuf::from("/")))
}

fn reveal(value: &Value) -> Result<String, SecretError> {
    block(Vault::default().reveal(value, &Stop::default())).map(|secret| secret.expose_secret().to_owned())
}

fn why(value: &Value) -> String {
    let error = reveal(value).unwrap_err();
    assert!(!error.help().is_empty());
    error.to_string()
}

#[test]
fn from_a_variable() {
    assert_eq!(reveal(&env("PATH")).ok(), std::env::var("PATH").ok());
    assert_eq!(
        why(&env("OPSRUN_TEST_NOT_SET")),
        "cannot fetch the secret from the variable `OPSRUN_TEST_NOT_SET`: it is not set"
    );
}

#[test]
fn from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let holding = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        file(&path)
    };
    assert_eq!(reveal(&holding(b"s3cret\n")).unwrap(), "s3cret");
    assert_eq!(reveal(&holding(b"s3cret\r\n")).unwrap(), "s3cret");
    assert_eq!(reveal(&holding(b" two\nlines \n\n")).unwrap(), " two\nlines \n");
    let longest = vec![b'x'; 64 * 1024];
    assert_eq!(
        reveal(&holding(&[&longest, b"\n".as_slice()].concat())).unwrap().len(),
        65536
    );
    let place = format!("cannot fetch the secret from the file `{}`: ", path.display());
    for (content, reason) in [
        (b"".as_slice(), "it is empty"),
        (b"\n", "it is empty"),
        (b"hunter2\0", "it contains a NUL byte"),
        (b"hunter2\xff", "it is not UTF-8 text"),
        (&[&longest, b"y".as_slice()].concat(), "it is longer than 64 KiB"),
    ] {
        let message = why(&holding(content));
        assert_eq!(message.strip_prefix(&place), Some(reason));
    }
    assert!(why(&file(dir.path())).ends_with("it is not a regular file"));
    assert!(why(&file(&dir.path().join("none"))).contains("it cannot be read: No such file"));
    let pipe = dir.path().join("pipe");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    assert!(why(&file(&pipe)).ends_with("it is not a regular file"));
}

#[test]
fn from_a_command() {
    assert_eq!(reveal(&sh("echo noise >&2; echo s3cret")).unwrap(), "s3cret");
    let long = "head -c 65536 /dev/zero | tr '\\0' x; echo";
    assert_eq!(reveal(&sh(long)).unwrap().len(), 65536);
    for (line, reason) in [
        ("echo hunter2; exit 3", "exit code 3"),
        ("echo hunter2; kill -9 $$", "killed by signal 9 (KILL)"),
        ("echo hunter2 >&2", "it is empty"),
        ("printf 'hunter2\\000'", "it contains a NUL byte"),
        ("yes hunter2 | head -c 100000", "it is longer than 64 KiB"),
    ] {
        let error = reveal(&sh(line)).unwrap_err();
        assert_eq!(error.why.to_string(), reason);
        assert_eq!(
            error.from,
            format!("the command `/bin/sh -c {}`", crate::process::quoted(line))
        );
        assert!(!format!("{:?}", error.why).contains("hunter2"));
    }
    let missing = Value::Secret(SecretSource::Command(
        vec!["no-such-program-here".to_owned()],
        PathBuf::from("/"),
    ));
    assert!(why(&missing).ends_with("the program does not exist"));
    let nothing = Value::Secret(SecretSource::Command(Vec::new(), PathBuf::from("/")));
    assert!(reveal(&nothing).is_err());
}

#[test]
fn asked_to_stop_while_a_source_is_asked() {
    let stop = Stop::new().unwrap();
    stop.ask();
    let error = block(Vault::default().reveal(&sh("exec sleep 1000"), &stop)).unwrap_err();
    assert!(error.is_stop());
    let error = block(Vault::default().reveal(&file(Path::new("/no/such/token")), &stop)).unwrap_err();
    assert!(error.is_stop());
}

#[test]
fn a_source_is_asked_once() {
    let dir = tempfile::tempdir().unwrap();
    let asked = dir.path().join("asked");
    let value = sh(&format!("echo x >> {}; echo s3cret", asked.display()));
    let vault = Vault::default();
    let stop = Stop::default();
    block(async {
        let (one, two) = tokio::join!(vault.reveal(&value, &stop), vault.reveal(&value, &stop));
        assert_eq!(one.unwrap().expose_secret(), two.unwrap().expose_secret());
        vault.reveal(&value, &stop).await.unwrap();
    });
    assert_eq!(std::fs::read_to_string(asked).unwrap(), "x\n");
}

#[test]
fn a_failure_is_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let (vault, stop) = (Vault::default(), Stop::default());
    assert!(block(vault.reveal(&file(&path), &stop)).is_err());
    std::fs::write(&path, "s3cret").unwrap();
    assert!(block(vault.reveal(&file(&path), &stop)).is_ok());
    assert_eq!(vault.redact("a s3cret b"), "a [secret] b");
}

#[test]
fn plain_values_are_no_secrets() {
    let vault = Vault::default();
    let live = Value::Plain("live".to_owned());
    let shown = block(vault.reveal(&live, &Stop::default())).unwrap();
    assert_eq!(shown.expose_secret(), "live");
    assert_eq!(vault.redact("is it live?"), "is it live?");
}

#[test]
fn what_is_in_the_environment_is_known_before_it_is_needed() {
    let values = [env("PATH"), env("OPSRUN_TEST_NOT_SET")];
    let path = std::env::var("PATH").unwrap();
    let vault = Vault::expecting(&values);
    block(vault.foresee(&Stop::default()));
    assert_eq!(vault.redact(&format!("PATH={path}.")), "PATH=[secret].");
    let revealed = block(vault.reveal(&values[0], &Stop::default())).unwrap();
    assert_eq!(revealed.expose_secret(), path);
}

#[test]
fn nothing_shows_a_secret() {
    let vault = holding(&["hunter2"]);
    assert!(!format!("{vault:?} {:?}", vault.redactor()).contains("hunter2"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let mut options = std::fs::OpenOptions::new();
    let mut token = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut token, b"hunter2\0").unwrap();
    let error = reveal(&file(&path)).unwrap_err();
    assert!(!format!("{error:?} {error} {}", error.help()).contains("hunter2"));
}

fn holding(secrets: &[&str]) -> Vault {
    let vault = Vault::default();
    for secret in secrets {
        vault.remember(&SecretString::from(*secret));
    }
    vault
}

/// Redacted in pieces, cut at these places.
fn in_pieces(vault: &Vault, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    let (mut redactor, mut kept) = (vault.redactor(), Vec::new());
    for pair in cuts.windows(2) {
        redactor.feed(&text[pair[0]..pair[1]], &mut kept);
    }
    redactor.finish(&mut kept);
    kept
}

#[test]
fn overlapping_secrets_go_together() {
    let vault = holding(&["abcdef", "defghi", "xyz"]);
    assert_eq!(vault.redact("-abcdefghi-"), "-[secret]-");
    assert_eq!(vault.redact("abcdefabcdef"), "[secret][secret]");
    assert_eq!(vault.redact("xyzxyz eHl6"), "[secret][secret] eHl6");
    let vault = holding(&["token", "token-and-more"]);
    assert_eq!(
        vault.redact("token-and-mor token-and-more"),
        "[secret]-and-mor [secret]"
    );
}

#[test]
fn a_long_secret_goes_as_far_as_it_was_printed() {
    let key = (0..5000).fold(String::new(), |key, n| key + &format!("{n:x}-"));
    let other = format!("{}other", &key[..4000]);
    let vault = holding(&[&key, &other]);
    assert_eq!(vault.redact(&format!("<{key}>")), "<[secret]>");
    assert_eq!(vault.redact(&format!("<{other}>")), "<[secret]>");
    assert_eq!(vault.redact(&format!("<{}>{key}", &key[..3000])), "<[secret]>[secret]");
    let encoded = STANDARD.encode(format!("{key}!"));
    assert!(vault.redact(&encoded).len() < 20);
}

/// What programs make of a secret, each by an encoder of its own.
fn encoded(secret: &str, how: usize) -> String {
    let bytes = secret.as_bytes();
    let each = |shown: &dyn Fn(u8) -> String| bytes.iter().map(|b| shown(*b)).collect::<String>();
    match how % 17 {
        0 => secret.to_owned(),
        1 => STANDARD.encode(bytes),
        2 => STANDARD_NO_PAD.encode(bytes),
        3 => URL_SAFE.encode(bytes),
        4 => URL_SAFE_NO_PAD.encode(bytes),
        5 => each(&|b| format!("{b:02x}")),
        6 => each(&|b| format!("{b:02X}")),
        7 => each(&|b| format!("%{b:02X}")),
        8 => each(&|b| format!("%{b:02x}")),
        9 => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
        10 => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(" "),
        11 => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"),
        12 => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":"),
        13 => {
            let lines = bytes.chunks(16);
            let lines = lines.map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "));
            lines.collect::<Vec<_>>().join("\n ")
        }
        14 => secret
            .chars()
            .map(|c| match c {
                '&' => "&amp;".to_owned(),
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                '"' => "&quot;".to_owned(),
                c => c.to_string(),
            })
            .collect(),
        15 => each(&|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        }),
        _ => {
            let quoted = serde_json::to_string(secret).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

/// Without the letters of which secrets and their encodings are made.
fn filler() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['·', '–', '\n', '→', '|', '\u{0}']), 1..12)
        .prop_map(|chars| chars.into_iter().collect())
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9+/=_ \"\\\\%&<>äß€😀-]{4,40}",
        "[a-c]{4,600}",
        "[a-z]{8,20}\n[a-z]{8,20}"
    ]
}

/// By definition: all places of all forms, joined where they overlap.
fn by_definition(forms: &BTreeSet<Vec<u8>>, text: &[u8]) -> Vec<u8> {
    let mut secret = vec![false; text.len()];
    // Whether a byte and the one before it are within one place.
    let mut joined = vec![false; text.len() + 1];
    for form in forms {
        for start in 0..text.len() {
            if text[start..].starts_with(form) {
                secret[start..start + form.len()].fill(true);
                joined[start + 1..start + form.len()].fill(true);
            }
        }
    }
    let mut out = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        if !secret[at] {
            out.push(*byte);
        } else if !joined[at] {
            out.extend_from_slice(b"[secret]");
        }
    }
    out
}

proptest! {
    #[test]
    fn planted_secrets_are_found_in_any_form_and_pieces(
        secrets in prop::collection::vec(secret(), 1..4),
        plants in prop::collection::vec((filler(), any::<usize>(), any::<usize>()), 1..8),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let all: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let vault = holding(&all);
        let (mut text, mut wanted) = (String::new(), String::new());
        for (filler, which, how) in &plants {
            text += filler;
            text += &encoded(&secrets[which % secrets.len()], *how);
            wanted += filler;
            wanted += "[secret]";
        }
        let kept = in_pieces(&vault, text.as_bytes(), &cuts);
        prop_assert_eq!(String::from_utf8(kept).unwrap(), wanted);
    }

    #[test]
    fn a_secret_is_found_within_encoded_text(
        secret in "[a-zA-Z0-9+/äß€-]{4,60}",
        before in prop::collection::vec(any::<u8>(), 0..9),
        after in prop::collection::vec(any::<u8>(), 0..9),
        cuts in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let vault = holding(&[&secret]);
        let whole = [&before, secret.as_bytes(), &after].concat();
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let text = engine.encode(&whole);
            let kept = String::from_utf8(in_pieces(&vault, text.as_bytes(), &cuts)).unwrap();
            // Left are the characters that hold bits of the neighbours, and padding.
            let left = kept.replacen("[secret]", "", 1).trim_end_matches('=').len();
            prop_assert!(kept.contains("[secret]"));
            prop_assert!(left <= (before.len() * 8).div_ceil(6) + (after.len() * 8 + 4).div_ceil(6), "{} {}", text, kept);
        }
    }

    #[test]
    fn exactly_what_is_secret_goes(
        secrets in prop::collection::vec("[ab]{1,9}", 0..4),
        text in "[abc]{0,80}",
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let all: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let vault = holding(&all);
        let forms = lock(&vault.known).forms.clone();
        let wanted = by_definition(&forms, text.as_bytes());
        prop_assert_eq!(in_pieces(&vault, text.as_bytes(), &cuts), wanted);
    }

    #[test]
    fn text_without_secrets_is_unchanged(
        secrets in prop::collection::vec(secret(), 0..4),
        text in prop::collection::vec(any::<u8>(), 0..2000),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let all: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let vault = holding(&all);
        let forms = lock(&vault.known).forms.clone();
        let hit = forms.iter().any(|form| text.windows(form.len()).any(|window| window == form));
        prop_assume!(!hit);
        prop_assert_eq!(in_pieces(&vault, &text, &cuts), text);
    }
}
