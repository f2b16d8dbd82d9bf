//! The corpus of findings: every file of `tests/findings` yields exactly the code that it is named after, and
//! looks as its snapshot says; every file of `tests/findings/good` yields nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use opsrun::config::findings::Code;
use opsrun::config::{self, CheckOptions, Loaded};
use std::collections::BTreeSet;

mod formats;
mod mended;
mod told;

use std::path::{Path, PathBuf};

fn files(dir: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "kdl"))
        .collect();
    files.sort();
    files
}

/// The bad ones: those in `host` are about the machine, and looked at with `--host`.
fn corpus() -> Vec<PathBuf> {
    [files("tests/findings"), files("tests/findings/host")].concat()
}

/// Clocks change at dates, and what is said of them names the next ones: it must be the same every day.
fn look(path: &Path) -> CheckOptions {
    CheckOptions {
        now: "2026-11-25T12:00:00Z".parse().unwrap(),
        host: path.starts_with("tests/findings/host"),
    }
}

fn load(path: &Path) -> Loaded {
    let text = std::fs::read(path).unwrap();
    config::check(path, text, look(path))
}

fn codes(loaded: &Loaded) -> BTreeSet<&'static str> {
    loaded.findings.iter().map(|finding| finding.code.id()).collect()
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn each_file_yields_the_code_it_is_named_after() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for path in corpus() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let loaded = load(&path);
        let text = loaded.render(false, 100);
        let wanted = stem.split('-').next().unwrap();
        if wanted != "many" {
            let found = codes(&loaded);
            let slug = loaded.findings.first().map_or("", |finding| finding.code.slug());
            if found != BTreeSet::from([wanted]) || !stem[wanted.len() + 1..].starts_with(slug) {
                wrong.push(format!("{stem}: {found:?} {slug}\n{text}"));
            }
            seen.extend(found);
        }
        assert_eq!(loaded.model.is_some(), loaded.errors() == 0, "{}", path.display());
        insta::with_settings!({ snapshot_path => "../findings/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(stem, text);
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // Zone data are in the environment, not in a file: the program is asked about them in `cli::zones`.
    let all: BTreeSet<&str> = Code::ALL
        .iter()
        .map(|code| code.id())
        .filter(|code| *code != "OPS4008")
        .collect();
    assert_eq!(seen, all, "a code without a file");
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn good_files_yield_nothing() {
    for path in files("tests/findings/good") {
        let loaded = load(&path);
        assert!(
            loaded.findings.is_empty(),
            "{}\n{}",
            path.display(),
            loaded.render(false, 100)
        );
        assert!(loaded.model.is_some());
        assert_eq!(loaded.render(true, 100), "");
    }
}

#[test]
fn no_secret_is_shown() {
    for (file, secrets) in [
        ("many-secrets", &["hunter2"][..]),
        (
            "OPS7001-secret-literal-1",
            &["horse", "4711", "wJalr", "en-one", "swordfish", "b2Jz", "eyJ"],
        ),
        ("OPS7001-secret-literal-3", &["hunter2", "47110815"]),
        ("OPS7001-secret-literal-4", &["hunter2"]),
        ("OPS7001-secret-literal-2", &["ghp_", "xoxb", "AKIA", "b3Blb", "eyJ"]),
    ] {
        let path = Path::new("tests/findings").join(file).with_extension("kdl");
        let loaded = load(&path);
        let mut shown = loaded.render(false, 400) + &loaded.render(true, 40) + &formats::all(&path, &loaded);
        shown += &mended::diff(&path);
        for finding in &loaded.findings {
            let labels = finding
                .labels
                .iter()
                .map(|label| format!("{} {}", label.text, loaded.text(label.span)));
            shown.extend(labels);
            shown.extend([format!("{finding:?}")]);
        }
        for secret in secrets {
            assert!(!shown.contains(secret), "{file}: {secret}");
        }
    }
}
