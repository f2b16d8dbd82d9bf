//! What the documents show must be true: every ops file in them is checked by the program, and what is made from
//! the program is what it makes now.
//!
//! Takes the blocks marked `kdl` in `README.md` and in everything in `docs/`. Those of `docs/reference.md` are pieces of one file,
//! put together here; every other one stands for a whole file. A block marked `kdl bad=CODE` must yield exactly that code, and
//! nothing when it says that only a look at the machine finds it (`kdl bad=CODE host`). The list of sabotages in
//! `tests/sabotage` names lines of the source: they must be there.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

use opsrun::report::reference;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block of a document.
struct Block {
    /// The codes that it must yield; none in one that is valid.
    yields: Vec<String>,
    /// They are found by a look at the machine alone.
    host: bool,
    text: String,
}

fn path(document: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(document)
}

fn blocks(document: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(path(document)).unwrap();
    let mut found = Vec::new();
    let mut parts = text.split("```");
    parts.next();
    for (at, part) in parts.step_by(2).enumerate() {
        let (info, text) = part.split_once('\n').unwrap_or((part, ""));
        let mut words = info.split(' ');
        if words.next() != Some("kdl") {
            continue;
        }
        let (mut yields, mut host) = (Vec::new(), false);
        for word in words {
            if word == "host" && !yields.is_empty() {
                host = true;
                continue;
            }
            let codes = word.strip_prefix("bad=");
            let codes = codes.unwrap_or_else(|| panic!("{document}, block {at}: `{word}` is no mark"));
            yields.extend(codes.split(',').map(str::to_owned));
        }
        found.push(Block {
            yields,
            host,
            text: text.to_owned(),
        });
    }
    assert_eq!(text.matches("```").count() % 2, 0, "{document}: a block is not closed");
    found
}

/// The documents that people read, by their paths from the root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(path("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .map(|path| format!("docs/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    found.extend(["README.md", "CHANGELOG.md"].map(str::to_owned));
    found.sort();
    found
}

/// Checks one file.
fn check(what: &str, block: &Block) {
    let dir = tempfile::tempdir().unwrap();
    if block.yields.is_empty() {
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        std::fs::write(dir.path().join("conf.d/none.kdl"), "// nothing yet\n").unwrap();
    }
    std::fs::write(dir.path().join("ops.kdl"), &block.text).unwrap();
    let loaded = opsrun::config::load(&dir.path().join("ops.kdl")).unwrap();
    let mut found: Vec<&str> = loaded.findings.iter().map(|finding| finding.code.id()).collect();
    found.dedup();
    let shown = loaded.render(false, 100);
    if block.yields.is_empty() {
        assert_eq!(loaded.errors(), 0, "{what}:\n{}\n{shown}", block.text);
    } else {
        let wanted = if block.host { &[][..] } else { &block.yields };
        assert_eq!(found, wanted, "{what}:\n{}\n{shown}", block.text);
    }
}

#[test]
fn every_block_is_what_it_says() {
    let mut wrong = 0;
    for document in documents() {
        let all = blocks(&document);
        if document == "docs/reference.md" {
            let (good, bad): (Vec<Block>, Vec<Block>) = all.into_iter().partition(|block| block.yields.is_empty());
            assert!(good.len() >= 4);
            let whole = Block {
                yields: Vec::new(),
                host: false,
                text: good.iter().map(|block| block.text.as_str()).collect(),
            };
            check(&document, &whole);
            for block in &bad {
                check(&document, block);
            }
            continue;
        }
        for block in &all {
            wrong += usize::from(!block.yields.is_empty());
            check(&document, block);
        }
        assert!(!all.is_empty() || !document.ends_with("README.md"));
    }
    assert!(
        wrong >= opsrun::config::findings::Code::ALL.len(),
        "every code has a wrong example"
    );
}

#[test]
fn the_readme_shows_files_that_the_program_takes() {
    for block in blocks("README.md") {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ops.kdl"), &block.text).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_opsrun"))
            .args(["check", "ops.kdl"])
            .current_dir(dir.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&said));
    }
}

/// `UPDATE_DOCS=1` rewrites what is generated.
#[test]
fn what_is_generated_is_what_the_program_makes() {
    let commands = |mark: &str| (mark == "commands").then(opsrun::cli::args::table::commands);
    let mut filled = 0;
    for document in documents() {
        let stands = std::fs::read_to_string(path(&document)).unwrap();
        let made = reference::fill(&stands, &commands).unwrap_or_else(|error| panic!("{document}: {error}"));
        filled += usize::from(stands.contains("<!-- begin "));
        if std::env::var_os("UPDATE_DOCS").is_some() && made != stands {
            std::fs::write(path(&document), &made).unwrap();
            continue;
        }
        assert!(made == stands, "{document} is out of date: run with UPDATE_DOCS=1");
    }
    assert_eq!(filled, 2, "the reference and the findings");
}

#[test]
fn every_sabotage_has_its_line() {
    let output = Command::new(path("tests/sabotage/run.sh"))
        .arg("--check")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "tests/sabotage/list.txt is out of step with the source:\n{said}"
    );
}
