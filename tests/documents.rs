//! What the documents show must be true: every ops file in them is checked by the program.
//!
//! Takes the blocks marked `kdl` in `README.md`, `docs/assertions.md` and `docs/reference.md`. Those of the reference are
//! pieces of one file, put together here; the others stand each for a whole file.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

use std::path::Path;
use std::process::Command;

fn blocks(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let mut parts = text.split("```kdl\n");
    parts.next();
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

fn check(what: &str, text: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/none.kdl"), "// nothing yet\n").unwrap();
    std::fs::write(dir.path().join("ops.kdl"), text).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_opsrun"))
        .args(["check", "ops.kdl"])
        .current_dir(dir.path())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    assert_eq!(
        done.status.code(),
        Some(0),
        "{what}:\n{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn the_readme_shows_valid_files() {
    let found = blocks("README.md");
    assert!(!found.is_empty());
    for text in found {
        check("README.md", &text);
    }
}

#[test]
fn the_page_about_assertions_shows_valid_files() {
    let found = blocks("docs/assertions.md");
    assert!(!found.is_empty());
    for text in found {
        check("docs/assertions.md", &text);
    }
}

#[test]
fn the_reference_shows_the_pieces_of_a_valid_file() {
    let found = blocks("docs/reference.md");
    assert!(found.len() >= 4);
    check("docs/reference.md", &found.concat());
}
