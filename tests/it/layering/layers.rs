//! The layer table in `src/lib.rs`, and the uses that break it.

use super::tokens::{SourceFile, is_name};
use std::collections::{BTreeMap, BTreeSet};

/// Who may reach the room that unlinks and renames.
const MAY_USE_TREE: &[&str] = &["archive", "exec", "launch", "liveness"];

/// Who may write to standard output and error.
const MAY_WRITE: &[&str] = &["cli", "report", "main"];

/// How a program writes to its standard streams.
const WRITES: &[&str] = &["stdout", "stderr", "println", "eprintln", "print", "eprint", "dbg"];

/// The layer of every room, from the table in the documentation of the library.
///
/// A row is `| 2 | [`config`] [`archive`] | what it is |`.
pub(super) fn layer_table(lib: &str) -> BTreeMap<String, u8> {
    let mut layers = BTreeMap::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! |")) {
        let mut cells = row.split('|').map(str::trim);
        let (Some(Ok(layer)), Some(rooms)) = (cells.next().map(str::parse), cells.next()) else {
            continue;
        };
        for room in rooms.split_whitespace().filter_map(|word| word.strip_prefix("[`")) {
            let room = room.trim_end_matches("`]").to_owned();
            assert!(layers.insert(room.clone(), layer).is_none(), "`{room}` has two layers");
        }
    }
    layers.insert("main".to_owned(), u8::MAX);
    layers
}

/// What is wrong with one file, given its path below `src` without the extension, by component.
pub(super) fn violations(layers: &BTreeMap<String, u8>, file: &SourceFile) -> Vec<String> {
    let module: Vec<&str> = file.path.iter().map(String::as_str).collect();
    let [room, ..] = module.as_slice() else {
        return Vec::new();
    };
    if *room == "lib" {
        return Vec::new();
    }
    let Some(&own) = layers.get(*room) else {
        return vec![format!("`{room}` is not in the layer table of src/lib.rs")];
    };
    let tokens = &file.tokens;
    let mut wrong = Vec::new();
    for used in uses(&module, tokens) {
        let Some(&theirs) = layers.get(&used) else {
            wrong.push(format!(
                "`{room}` uses `{used}`, which is not in the layer table of src/lib.rs"
            ));
            continue;
        };
        if used != *room && theirs >= own {
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
