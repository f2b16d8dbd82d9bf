//! Enforces the structure of the source: layers between rooms, no circles between files, one type per name.
//!
//! A room is a file or a folder directly below `src/`. The table in `src/lib.rs` gives its layer. A room uses lower
//! layers only, besides the exceptions listed here; `tree`, which deletes, is open to few rooms; only `cli` and
//! `report` write to standard output and error. No file imports, through however many others, from itself, and no
//! two types that another file can see share a name. The test reads the source as text: it skips comments, literals
//! and test modules. An import counts for the file that defines the item, whichever module re-exports it.
#![expect(clippy::unwrap_used, reason = "a test: it stops at what it did not expect")]

mod circles;
mod layers;
mod tokens;
mod type_names;

use circles::circles;
use layers::{layer_table, violations};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokens::{SourceFile, source_files};
use type_names::shared_names;

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
fn no_file_imports_from_itself_through_others() {
    let found = circles(&sources());
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn no_two_visible_types_share_a_name() {
    let found = shared_names(&sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
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
fn planted_circles_are_found() {
    let count = |files: &[(&str, &str)]| {
        // The root and the room itself are modules, too.
        let files: Vec<SourceFile> = [("lib", "mod a;"), ("a/mod", "")]
            .iter()
            .filter(|(path, _)| files.iter().all(|(other, _)| other != path))
            .chain(files)
            .map(|(path, text)| SourceFile::new(&path.split('/').collect::<Vec<_>>(), text))
            .collect();
        circles(&files).len()
    };
    let one_way = [
        ("a/b", "use super::c::C; pub struct B;"),
        ("a/c", "pub struct C;"),
        ("a/mod", "mod b; mod c;"),
    ];
    assert_eq!(count(&one_way), 0);
    let both = [
        ("a/b", "use super::c::C; pub struct B;"),
        ("a/c", "pub struct C(crate::a::b::B);"),
    ];
    assert_eq!(count(&both), 1);
    // A re-export leads to the file that defines the item, and is not an import itself.
    let through = [
        ("a/mod", "mod b; mod c; pub use b::B; pub(crate) use c::C;"),
        ("a/b", "use super::C; pub struct B;"),
        ("a/c", "use crate::a::{self, B}; pub struct C;"),
    ];
    assert_eq!(count(&through), 1);
    let reexported = [
        ("a/mod", "mod b; pub use b::B; pub struct A;"),
        ("a/b", "use super::A; pub struct B;"),
    ];
    assert_eq!(count(&reexported), 0);
    // It is one where the parent uses the name itself.
    let used = [
        ("a/mod", "mod b; pub use b::B; pub struct A(B);"),
        ("a/b", "use super::A; pub struct B;"),
    ];
    assert_eq!(count(&used), 1);
    let three = [
        ("a/b", "use super::c::C; pub struct B;"),
        ("a/c", "pub type C = super::d::Deep;"),
        ("a/d", "pub use super::b::B as Other; pub struct Deep { b: Other }"),
    ];
    assert_eq!(count(&three), 1);
    let constants = [
        ("a/b", "pub const LIMIT: u8 = super::c::LIMIT;"),
        ("a/c", "use super::b; pub const LIMIT: u8 = b::LIMIT;"),
    ];
    assert_eq!(count(&constants), 1);
    let in_tests = [
        ("a/b", "use super::c::C; pub struct B;"),
        ("a/c", "pub struct C; #[cfg(test)] mod tests { use crate::a::b::B; }"),
    ];
    assert_eq!(count(&in_tests), 0);
}

#[test]
fn planted_shared_names_are_found() {
    let files = |first: &str, second: &str| {
        shared_names(&[SourceFile::new(&["a"], first), SourceFile::new(&["b"], second)]).len()
    };
    assert_eq!(files("pub struct Kind;", "pub enum Kind {}"), 1);
    assert_eq!(files("pub struct Kind;", "pub(in crate::b) type Kind = u8;"), 1);
    assert_eq!(files("pub struct Kind;", "enum Kind {}"), 0);
    assert_eq!(files("pub struct Kind;", "pub struct JobKind;"), 0);
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
