//! Every form of the findings: valid by its published schema, and as its snapshot says.

use super::{corpus, files, load};
use opsrun::cli::args::FailOn;
use opsrun::config::findings::FindingSeverity;
use opsrun::config::{self, Loaded};
use opsrun::report::findings::document::FindingsDocument;
use opsrun::report::findings::{github, junit, sarif};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn checked(path: &Path, loaded: &Loaded) -> FindingsDocument {
    let mut checked = FindingsDocument::default();
    checked.add(path, loaded);
    checked
}

/// All forms for programs, one behind the other.
pub fn all(path: &Path, loaded: &Loaded) -> String {
    forms(&checked(path, loaded))
}

fn forms(checked: &FindingsDocument) -> String {
    let parts = [
        ("json", checked.json()),
        ("github", github::text(checked)),
        ("sarif", sarif::text(checked)),
        ("junit", junit::text(checked, |severity| FailOn::Error.fails(severity))),
    ];
    parts.map(|(name, text)| format!("=== {name}\n{text}")).concat()
}

struct Schemas {
    findings: jsonschema::Validator,
    sarif: jsonschema::Validator,
}

impl Schemas {
    /// The schema of the findings is the one in `schemas/`, that of SARIF the published one.
    fn read() -> Self {
        let validator = |text: &str| jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap();
        Self {
            findings: validator(&std::fs::read_to_string("schemas/findings.schema.json").unwrap()),
            sarif: validator(&std::fs::read_to_string("tests/published/sarif-2.1.0.schema.json").unwrap()),
        }
    }

    fn hold(&self, what: &str, checked: &FindingsDocument) {
        for (name, schema, text) in [
            ("json", &self.findings, checked.json()),
            ("sarif", &self.sarif, sarif::text(checked)),
        ] {
            let value: Value = serde_json::from_str(&text).unwrap();
            let faults: Vec<String> = schema
                .iter_errors(&value)
                .map(|e| format!("{}: {e}", e.instance_path()))
                .collect();
            assert!(faults.is_empty(), "{what} {name}: {faults:#?}");
            tame(what, &text);
        }
        for failing in [FailOn::Error, FailOn::Warning, FailOn::Never] {
            let text = junit::text(checked, |severity| failing.fails(severity));
            tame(what, &text);
            let failures = elements(&text).iter().filter(|name| *name == "failure").count();
            let wanted = checked
                .findings
                .iter()
                .filter(|finding| failing.fails(finding.severity))
                .count();
            assert_eq!(failures, wanted, "{what}: {text}");
        }
        let text = github::text(checked);
        tame(what, &text);
        for line in text.lines() {
            let rest = line
                .strip_prefix("::error ")
                .or_else(|| line.strip_prefix("::warning "));
            let (properties, _) = rest.and_then(|rest| rest.split_once("::")).unwrap();
            for property in properties.split(',') {
                let (key, value) = property.split_once('=').unwrap();
                assert!(
                    ["file", "line", "endLine", "col", "endColumn", "title"].contains(&key) && !value.contains(':'),
                    "{what}: {line}"
                );
            }
        }
    }
}

/// Nothing steers a terminal.
fn tame(what: &str, text: &str) {
    let odd = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{what}: {text}");
}

/// The names of all elements of an XML document; fails where it is not well-formed.
fn elements(text: &str) -> Vec<String> {
    let mut rest = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .unwrap();
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let plain = |text: &str| {
        for part in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "apos;"];
            assert!(known.iter().any(|entity| part.starts_with(entity)), "{part}");
        }
        assert!(!text.contains(['<', '>', '\u{fffe}', '\u{ffff}']), "{text}");
    };
    while let Some((before, after)) = rest.split_once('<') {
        plain(before);
        assert!(before.trim().is_empty() || !open.is_empty());
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, alone) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut left = attributes.trim_start();
        let mut keys = BTreeSet::new();
        while !left.is_empty() {
            let (key, value) = left.split_once("=\"").unwrap();
            let (value, after) = value.split_once('"').unwrap();
            assert!(key.chars().all(char::is_alphanumeric) && keys.insert(key), "{tag}");
            plain(value);
            left = after.trim_start();
        }
        found.push(name.to_owned());
        if !alone {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{rest}");
    found
}

#[test]
fn every_format_of_every_file_is_valid() {
    let schemas = Schemas::read();
    let mut together = FindingsDocument::default();
    for path in [corpus(), files("tests/findings/good")].concat() {
        let loaded = load(&path);
        let one = checked(&path, &loaded);
        let counts = (one.errors as usize, one.warnings as usize);
        assert_eq!(counts, (loaded.errors(), loaded.warnings()), "{}", path.display());
        schemas.hold(&path.display().to_string(), &one);
        together.add(&path, &loaded);
    }
    together.add_unread(
        Path::new("gone\n.kdl"),
        "cannot read `gone`: no such file",
        Some("name the file"),
    );
    schemas.hold("all", &together);
    let value: Value = serde_json::from_str(&together.json()).unwrap();
    assert_eq!(value["unread"][0]["file"], "gone\\n.kdl");
    assert_eq!(value["files"].as_array().unwrap().len(), together.files.len());
}

#[test]
#[cfg_attr(
    not(all(feature = "http", feature = "email")),
    ignore = "needs the features http and email"
)]
fn the_formats_match_their_snapshots() {
    let mut seen = BTreeSet::new();
    for path in corpus() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let code = stem.split('-').next().unwrap();
        if code == "many" || !seen.insert(code.to_owned()) {
            continue;
        }
        let version = format!("\": \"{}\"", env!("CARGO_PKG_VERSION"));
        // A few of them show how each form looks; that all of them are valid is asked elsewhere.
        let mut checked = checked(&path, &load(&path));
        checked.findings.truncate(2);
        let errors = checked
            .findings
            .iter()
            .filter(|finding| finding.severity == FindingSeverity::Error)
            .count() as u64;
        (checked.errors, checked.warnings) = (errors, checked.findings.len() as u64 - errors);
        let text = forms(&checked).replace(&version, "\": \"[version]\"");
        insta::with_settings!({ snapshot_path => "../../findings/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("{stem}.formats"), text);
        });
    }
}

#[test]
fn hostile_names_and_texts_break_no_format() {
    let schemas = Schemas::read();
    for name in [
        "a\nb.kdl",
        "\u{1b}[2J.kdl",
        "]]><x y='&'>\".kdl",
        "::error::a,b%0A.kdl",
        "../é \u{202e}.kdl",
        "[x](y).kdl",
    ] {
        for text in [
            "targte \"]]>\" { \u{1b}[31m }\n",
            "target \"a\u{0}\u{7f}\" { command \"[a](1)\" }\n<&'\"\n",
            "backup \"a%0A::error::\" { source \"\u{ffff}\"; sourec \"&amp;\"; to \u{85} }\n",
            "\u{feff}x\r\ny = \u{2028}\"\u{1b}\"\r\n",
        ] {
            let path = Path::new(name);
            let loaded = config::load_text(path, text.as_bytes().to_vec());
            assert!(loaded.errors() > 0, "{text:?}");
            schemas.hold(name, &checked(path, &loaded));
        }
    }
}

#[test]
fn what_two_files_import_is_found_once() {
    let temp = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(temp.path().join(name), text).unwrap();
    write("common.kdl", "targte \"a\" { command \"x\"; }\n");
    write("one.kdl", "import \"common.kdl\"\n");
    write("two.kdl", "import \"common.kdl\"\n");
    let mut checked = FindingsDocument::default();
    for name in ["one.kdl", "two.kdl"] {
        let path = temp.path().join(name);
        checked.add(&path, &config::load(&path).unwrap());
    }
    assert_eq!(checked.findings.len(), 1);
    assert_eq!(checked.files.iter().map(|file| file.errors).sum::<u64>(), 2);
    assert_eq!(checked.all_files().len(), 3);
    Schemas::read().hold("two roots", &checked);
}
