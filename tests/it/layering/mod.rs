//! Enforces the structure of the source: layers between rooms, no circles between files, one type per name.
//!
//! A room is a file or a folder directly below `src/`. The table in `src/lib.rs` gives its layer. A room uses lower
//! layers only, besides the exceptions listed here; `tree`, which deletes, is open to few rooms; only `cli` and
//! `report` write to standard output and error. No file imports, through however many others, from itself, and no
//! two types that another file can see share a name. The test reads the source as text: it skips comments, literals
//! and test modules. An import counts for the file that defines the item, whichever module re-exports it.
#![expect(clippy::unwrap_used, reason = "a test: it stops at what it did not expect")]

mod layers;
mod tokens;

use layers::{layer_table, violations};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokens::{SourceFile, source_files};

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
}

fn layers() -> BTreeMap<String, u8> {
    layer_table(&std::fs::read_to_string(root().join("src/lib.rs")).unwrap())
}

fn sources() -> Vec<SourceFile> {
    source_files(Path::new(&root()))
}

#[test]
fn every_room_uses_lower_layers_only() {
    let table = layers();
    let files = sources();
    let wrong = files.iter().flat_map(|file| {
        let found = violations(&table, file);
        found
            .into_iter()
            .map(|violation| format!("{}: {violation}", file.name()))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planted_layer_violations_are_found() {
    let table = layers();
    let one = |path: &[&str], text: &str| violations(&table, &SourceFile::new(path, text)).len();
    assert_eq!(one(&["model", "mod"], "use crate::units::Size;"), 0);
    assert_eq!(one(&["model", "mod"], "use crate::plan::Plan;"), 1);
    assert_eq!(one(&["model"], "fn f() -> crate::config::Finding { todo() }"), 1);
    assert_eq!(one(&["model"], "use crate::{units::{a, b}, plan, run::Event};"), 2);
    assert_eq!(one(&["model", "retention"], "use super::super::exec::Engine;"), 1);
    assert_eq!(one(&["model", "retention"], "use super::pattern::Pattern;"), 0);
    assert_eq!(one(&["model", "mod"], "use super::exec::Engine;"), 1);
    assert_eq!(
        one(&["exec", "action", "cleanup"], "use super::super::super::store::Store;"),
        1
    );
    assert_eq!(
        one(&["exec", "action", "cleanup"], "use super::super::watch::Watch;"),
        0
    );
    assert_eq!(one(&["store", "mod"], "use crate::report::Terminal;"), 1);
    assert_eq!(one(&["store", "mod"], "use crate::tree::lock::Lock;"), 1);
    assert_eq!(one(&["launch"], "use crate::tree::lock::Lock;"), 0);
    assert_eq!(one(&["plan", "build"], "use crate::archive::Manifest;"), 0);
    assert_eq!(one(&["archive", "mod"], "use crate::plan::Plan;"), 1);
    assert_eq!(one(&["exec", "mod"], "; println!(\"{}\", 1);"), 1);
    assert_eq!(one(&["exec", "mod"], "command.stdout(Stdio::null());"), 0);
    assert_eq!(one(&["exec", "mod"], "let mut out = std::io::stdout().lock();"), 1);
    assert_eq!(one(&["report", "mod"], "let mut out = std::io::stdout().lock();"), 0);
    assert_eq!(one(&["attic", "mod"], ""), 1);
}

#[test]
fn comments_literals_and_tests_are_not_uses() {
    let table = layers();
    let one = |text: &str| violations(&table, &SourceFile::new(&["model"], text)).len();
    assert_eq!(one("// crate::exec::X\n/* crate::exec /* nested */ crate::cli */"), 0);
    assert_eq!(
        one("let a = \"crate::exec \\\" crate::exec\"; let b = r#\"crate::exec \"quoted\"\"#;"),
        0
    );
    assert_eq!(one("let c = '\"'; use crate::exec::X; let d = '\"';"), 1);
    assert_eq!(one("fn f<'a>(x: &'a str) { let c = '\\''; crate::exec::g(x) }"), 1);
    assert_eq!(
        one("#[cfg(test)]\nmod tests { use crate::exec::X; fn f() { { } } }\nuse crate::units::Y;"),
        0
    );
    assert_eq!(one("#[cfg(test)]\nuse crate::exec::X;\nuse crate::cli::Y;"), 1);
}

#[test]
fn the_layer_table_is_read_from_the_documentation() {
    let table = layer_table(
        "//! | layer | room |\n//! |---|---|\n//! | 0 | [`units`] [`clock`] | values |\n//! | 3 | [`run`] | events |",
    );
    let expected: BTreeMap<String, u8> = [("units", 0), ("clock", 0), ("run", 3), ("main", u8::MAX)]
        .map(|(room, layer)| (room.to_owned(), layer))
        .into();
    assert_eq!(table, expected);
}
