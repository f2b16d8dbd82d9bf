//! Holds the layer table of the source and fails on a path that breaks it.
//!
//! A room is a file or a folder directly below `src/`. It may use rooms of lower layers only, besides the
//! exceptions named here; `tree`, which deletes, is open to few; standard output and error belong to `cli` and
//! `report`. Reads the source as text: comments, literals and test modules are left out, then every
//! `crate::room`, `crate::{room, …}`, `opsrun::room` and `super::super::room` counts as a use.
#![expect(clippy::unwrap_used, reason = "a test: it stops at what it did not expect")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which layer every room is on. Change it when the design asks for it, with the reason in the same commit.
const LAYERS: &[(&str, u8)] = &[
    ("units", 0),
    ("clock", 0),
    ("path", 0),
    ("entry", 0),
    ("kept", 0),
    ("signal", 0),
    ("blocking", 0),
    ("model", 1),
    ("process", 1),
    ("tree", 1),
    ("net", 1),
    ("config", 2),
    ("secret", 2),
    ("archive", 2),
    ("plan", 2),
    ("run", 3),
    ("exec", 4),
    ("store", 4),
    ("report", 4),
    ("alert", 4),
    ("launch", 5),
    ("daemon", 5),
    ("inspect", 5),
    ("cli", 6),
    ("main", 6),
];

/// Uses within one layer that are meant.
const MEANT: &[(&str, &str, &str)] = &[
    ("entry", "path", "an entry has a path"),
    ("plan", "archive", "a plan names copies; it reads their types only"),
    ("daemon", "launch", "a due job is launched as `apply` does it"),
    ("inspect", "daemon", "answers come from the decisions of the daemon"),
    ("inspect", "launch", "errors of a run are errors of an answer"),
    (
        "report",
        "alert",
        "messages are shown, and their schema printed; it reads their types only",
    ),
    ("main", "cli", "it is all that main does"),
];

/// Who may reach the room that unlinks and renames.
const MAY_USE_TREE: &[&str] = &["archive", "exec", "launch"];

/// Who may write to standard output and error.
const MAY_WRITE: &[&str] = &["cli", "report", "main"];

/// How a program writes to its standard streams.
const WRITES: &[&str] = &["stdout", "stderr", "println", "eprintln", "print", "eprint", "dbg"];

fn layer(room: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == room).map(|(_, layer)| *layer)
}

/// What is wrong with one file, given its path below `src` without the extension, by component.
fn violations(module: &[&str], text: &str) -> Vec<String> {
    let [room, ..] = module else { return Vec::new() };
    if *room == "lib" {
        return Vec::new();
    }
    let Some(own) = layer(room) else {
        return vec![format!("`{room}` is no room of the layer table")];
    };
    let tokens = without_tests(&tokens(&code(text)));
    let mut wrong = Vec::new();
    for used in uses(module, &tokens) {
        let Some(theirs) = layer(&used) else {
            wrong.push(format!("`{room}` uses `{used}`, which is no room of the layer table"));
            continue;
        };
        let meant = MEANT.iter().any(|(from, to, _)| (*from, *to) == (*room, &*used));
        if used != *room && theirs >= own && !meant {
            wrong.push(format!("`{room}` (layer {own}) uses `{used}` (layer {theirs})"));
        }
        if used == "tree" && used != *room && !MAY_USE_TREE.contains(room) {
            wrong.push(format!("`{room}` uses `tree`, which is open to {MAY_USE_TREE:?} only"));
        }
    }
    if !MAY_WRITE.contains(room) {
        for three in tokens.windows(3) {
            // A method of that name gives a child its streams.
            if let [before, name, next] = three
                && before != "."
                && WRITES.contains(&name.as_str())
                && (next == "(" || next == "!")
            {
                wrong.push(format!("`{room}` writes to a standard stream: `{name}`"));
            }
        }
    }
    wrong
}

/// The rooms that a file uses.
fn uses(module: &[&str], tokens: &[String]) -> BTreeSet<String> {
    let is = |at: usize, wanted: &str| tokens.get(at).is_some_and(|t| t == wanted);
    // `mod.rs` is the module of its folder.
    let depth = module.len() - usize::from(module.last() == Some(&"mod"));
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = at == 0 || !is(at - 1, "::");
        let root = if starts && (is(at, "crate") || is(at, "opsrun")) && is(at + 1, "::") {
            Some(at + 2)
        } else if starts && is(at, "super") {
            let supers = (0..tokens.len())
                .take_while(|n| is(at + 2 * n, "super") && is(at + 2 * n + 1, "::"))
                .count();
            let after = at + 2 * supers;
            (supers == depth).then_some(after)
        } else {
            None
        };
        if let Some(root) = root {
            if is(root, "{") {
                found.extend(heads(&tokens[root + 1..]));
            } else if let Some(room) = tokens.get(root).filter(|t| is_name(t)) {
                found.insert(room.clone());
            }
        }
        at += 1;
    }
    found
}

/// The first names in a group `{a::b, c, d::{e, f}}`, whose opening brace has been read.
fn heads(tokens: &[String]) -> Vec<String> {
    let (mut open, mut fresh, mut found) = (1, true, Vec::new());
    for token in tokens {
        match token.as_str() {
            "{" => open += 1,
            "}" => open -= 1,
            "," if open == 1 => fresh = true,
            name => {
                if open == 1 && fresh && is_name(name) {
                    found.push(name.to_owned());
                }
                fresh = false;
            }
        }
        if open == 0 {
            break;
        }
    }
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_') && token.chars().any(char::is_lowercase)
}

/// Leaves out what stands behind `#[cfg(test)]`: one item, to its closing brace or semicolon.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let marked = tokens
            .get(at..at + MARK.len())
            .is_some_and(|t| t.iter().eq(MARK.iter()));
        if !marked {
            kept.push(token.clone());
            at += 1;
            continue;
        }
        let mut open = 0;
        at += MARK.len();
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.as_str() {
                "{" => open += 1,
                "}" => open -= 1,
                _ => {}
            }
            if open == 0 && (token == "}" || token == ";") {
                break;
            }
        }
    }
    kept
}

/// Names, `::`, and every other character by itself.
fn tokens(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        found.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    found
}

/// The text with comments and literals blanked.
fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let is = |at: usize, wanted: &str| {
        chars[at.min(chars.len())..]
            .iter()
            .copied()
            .take(wanted.len())
            .eq(wanted.chars())
    };
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let from = at;
        let within_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        if is(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if is(at, "/*") {
            let mut open = 0;
            loop {
                if is(at, "/*") {
                    open += 1;
                    at += 2;
                } else if is(at, "*/") {
                    open -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if open == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some(hashes) = raw_string(&chars[at..]).filter(|_| !within_name) {
            let end = format!("\"{}", "#".repeat(hashes));
            at += chars[at..].iter().position(|c| *c == '"').unwrap() + 1;
            while at < chars.len() && !is(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if chars[at] == '\'' && (is(at + 1, "\\") || chars.get(at + 2) == Some(&'\'')) {
            // A character, not a lifetime.
            at += if is(at + 1, "\\") { 3 } else { 2 };
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        debug_assert!(at > from);
        out.push(' ');
    }
    out
}

/// How many hashes a raw string that begins here has.
fn raw_string(chars: &[char]) -> Option<usize> {
    let mut rest = chars.iter().copied().peekable();
    rest.next_if_eq(&'b');
    rest.next_if_eq(&'r')?;
    let hashes = std::iter::from_fn(|| rest.next_if_eq(&'#')).count();
    (rest.next() == Some('"')).then_some(hashes)
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut stack = vec![root.to_owned()];
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_room_keeps_to_its_layer() {
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("src");
    let mut wrong = Vec::new();
    for file in sources(&root) {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let module: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        // Files that hold tests only.
        if module.last() == Some(&"tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        wrong.extend(
            violations(&module, &text)
                .into_iter()
                .map(|v| format!("src/{}.rs: {v}", inside.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planted_violations_are_found() {
    let one = |module: &[&str], text: &str| violations(module, text).len();
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
fn comments_literals_and_tests_are_no_uses() {
    let one = |text: &str| violations(&["model"], text).len();
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
