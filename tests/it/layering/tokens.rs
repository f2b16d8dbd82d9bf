//! Rust source as tokens: names, `::` and single characters, without comments, literals and test modules.

use std::path::{Path, PathBuf};

/// One file of `src/`.
pub(super) struct SourceFile {
    /// Path below `src` without the extension, by component: `["config", "mod"]`.
    pub(super) path: Vec<String>,
    pub(super) tokens: Vec<String>,
}

impl SourceFile {
    pub(super) fn new(path: &[&str], text: &str) -> Self {
        Self {
            path: path.iter().map(|&part| part.to_owned()).collect(),
            tokens: tokens_of(text),
        }
    }

    /// `src/config/mod.rs`
    pub(super) fn name(&self) -> String {
        format!("src/{}.rs", self.path.join("/"))
    }

    /// The module that the file is: `mod.rs` is the module of its folder, `lib.rs` the root.
    pub(super) fn module(&self) -> &[String] {
        match self.path.split_last() {
            Some((last, folder)) if last == "mod" || (last == "lib" && folder.is_empty()) => folder,
            _ => &self.path,
        }
    }
}

/// Every file of `src/` but those that hold only tests, in order of their paths.
pub(super) fn source_files(root: &Path) -> Vec<SourceFile> {
    let src = root.join("src");
    let mut files = Vec::new();
    for path in rust_files(&src) {
        let inside = path.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        if !parts.contains(&"tests") {
            files.push(SourceFile::new(&parts, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

/// The tokens of a text that are the program.
pub(super) fn tokens_of(text: &str) -> Vec<String> {
    without_tests(&tokens(&code(text)))
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
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

pub(super) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_') && token.chars().any(char::is_lowercase)
}

/// Leaves out what follows `#[cfg(test)]`: one item, to its closing brace or semicolon.
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
