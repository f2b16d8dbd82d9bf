//! Text for people uses the words of man pages and RFCs: a list of other words may not appear in it.
//!
//! Reads string literals and comments of `src` (without its tests), `--help` of every command, the documents, the
//! examples, the schemas and the snapshots. Text in backquotes and placeholders such as `{name}` are not read: they
//! are code, or quote the user. Reports every place at once, each with what to write instead.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and it starts programs"
)]

use clap::CommandFactory;
use opsrun::cli::args::Cli;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Words or phrases that may not appear, separated by `|`, and what to write instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("told|tell|tells|telling", "notify, report, show, distinguish"),
    ("said|saying", "reported, printed, set"),
    ("stand|stands|stood|standing", "is, appears, means"),
    ("mend|mends|mended|mending|mendable", "fix, repair"),
    ("anew", "again"),
    ("whoever|whomever|whosoever", "name who"),
    ("nobody|somebody", "no one, someone; or name who"),
    ("for ever", "forever"),
    ("that of|those of", "name it again"),
    ("of ours|of one's own|of its own accord", "our, your own, by itself"),
    ("leads nowhere|lead nowhere", "has no effect, has no destination"),
    ("is no|are no|was no|were no", "is not a, is not"),
    ("be it", "or"),
    ("lest", "so that … not"),
    ("thereof|wherein|therein|whereof|hence", "its, in which, so"),
    ("shall", "must, will"),
    ("made up for|make up for|makes up for", "caught up"),
    ("come to nothing|comes to nothing", "fail, have no effect"),
    ("pays no heed|pay no heed|is heeded", "ignores, honours"),
];

/// Longer phrases that make a forbidden one good English.
const GOOD: &[&str] = &[
    "there is no",
    "there are no",
    "there was no",
    "there were no",
    "is no longer",
    "are no longer",
    "was no longer",
    "were no longer",
    "is no more than",
    "is no later than",
    "is no older than",
    "is no newer than",
];

/// Places where a forbidden phrase is meant: part of the path, the phrase, and the reason.
const MEANT: &[(&str, &str, &str)] = &[(
    "src/alert/decide.rs",
    "told",
    "a field of states that are already stored",
)];

#[derive(Debug, PartialEq)]
struct Found {
    line: usize,
    phrase: &'static str,
    instead: &'static str,
}

/// A word in lower case, or none where something ends a phrase: punctuation, code, a placeholder.
type Token = (usize, Option<String>);

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '`' => code_span(rest),
            '{' => placeholder(rest),
            _ if c.is_alphanumeric() || c == '_' => {
                let end = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '\'' | '’'));
                rest.find(end).unwrap_or(rest.len())
            }
            _ => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(taken);
        if c.is_alphanumeric() || c == '_' {
            found.push((line, Some(piece.to_lowercase().replace('’', "'"))));
        } else if !c.is_whitespace() {
            found.push((line, None));
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    found
}

/// The length of the code in backquotes that begins here. Fences, and quotes that nothing closes, are punctuation.
fn code_span(text: &str) -> usize {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    let inside = &paragraph[ticks..];
    match inside.find('`').filter(|_| ticks == 1) {
        Some(end) => end + 2,
        None => ticks,
    }
}

/// The length of a placeholder of a format string that begins here, such as `{name}` or `{0:>5}`.
fn placeholder(text: &str) -> usize {
    let inside = |c: char| c.is_alphanumeric() || "_.:?#<>^+$*-".contains(c);
    let name = text[1..].find(|c| !inside(c)).unwrap_or(0);
    if text[1 + name..].starts_with('}') { name + 2 } else { 1 }
}

fn begins_with(tokens: &[Token], phrase: &str) -> bool {
    let mut words = tokens.iter().map(|(_, word)| word.as_deref());
    phrase.split(' ').all(|word| words.next() == Some(Some(word)))
}

fn first_word(phrase: &str) -> &str {
    phrase.split(' ').next().unwrap_or(phrase)
}

/// The forbidden phrases, each with what to write instead, by their first words.
static BY_FIRST_WORD: LazyLock<HashMap<&str, Vec<(&str, &str)>>> = LazyLock::new(|| {
    let mut found: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for (list, instead) in FORBIDDEN {
        for phrase in list.split('|') {
            found.entry(first_word(phrase)).or_default().push((phrase, instead));
        }
    }
    found
});

/// The forbidden phrases of a text.
fn find(text: &str) -> Vec<Found> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, (line, word)) in tokens.iter().enumerate() {
        let candidates = word.as_deref().and_then(|word| BY_FIRST_WORD.get(word));
        for (phrase, instead) in candidates.into_iter().flatten() {
            let good = GOOD.iter().any(|good| {
                let before = good.split(' ').take_while(|word| *word != first_word(phrase));
                let start = at.checked_sub(before.count());
                start.is_some_and(|start| begins_with(&tokens[start..], good))
            });
            if !good && begins_with(&tokens[at..], phrase) {
                found.push(Found {
                    line: *line,
                    phrase,
                    instead,
                });
            }
        }
    }
    found
}

/// The comments and string literals of a Rust file, on their lines. Code between them becomes punctuation, so that
/// a phrase may cross the lines of one comment but not from one literal to the next.
fn prose(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (taken, shown) = if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            let text = rest[..end].trim_start_matches('/').trim_start_matches('!');
            (end, text.to_owned())
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            (end, rest[..end].to_owned())
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            let end = rest[start..].find(&close).map_or(rest.len(), |end| start + end);
            let taken = (end + close.len()).min(rest.len());
            (taken, format!("\u{1}{}\u{1}", &rest[start..end]))
        } else if c == '"' {
            let end = string_end(rest);
            (end, format!("\u{1}{}\u{1}", unescaped(&rest[1..end - 1])))
        } else if c == '\'' {
            (character(rest), "\u{1}".to_owned())
        } else if c.is_whitespace() {
            (c.len_utf8(), c.to_string())
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            (end.unwrap_or(rest.len()), "\u{1}".to_owned())
        } else {
            (c.len_utf8(), "\u{1}".to_owned())
        };
        out.push_str(&shown);
        rest = &rest[taken..];
    }
    out
}

/// How many `#` the raw string that begins here has.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A literal as people read it: escapes become punctuation, a line that goes on stays one sentence.
fn unescaped(literal: &str) -> String {
    let mut out = String::new();
    let mut chars = literal.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('\n') => out.push('\n'),
                Some('\'') => out.push('\''),
                _ => out.push('\u{1}'),
            },
            (c, _) => out.push(c),
        }
    }
    out
}

/// The length of a character literal, or of the quote alone where a lifetime begins.
fn character(text: &str) -> usize {
    if let Some(escape) = text.strip_prefix("'\\") {
        let end = escape.chars().next().map_or(0, char::len_utf8);
        return escape[end..].find('\'').map_or(1, |close| 2 + end + close + 1);
    }
    let length = text[1..].chars().next().map_or(0, char::len_utf8);
    if length > 0 && text[1 + length..].starts_with('\'') {
        length + 2
    } else {
        1
    }
}

/// What is not a test in a file of `src`.
fn without_tests(source: &str) -> &str {
    let tests = source.find("\n#[cfg(test)]\nmod tests {");
    tests.map_or(source, |at| &source[..at])
}

/// The section of the changelog about what is not released, with the lines before it left empty.
fn unreleased(changelog: &str) -> String {
    let start = changelog.find("## [Unreleased]").unwrap();
    let end = changelog[start + 3..]
        .find("\n## ")
        .map_or(changelog.len(), |end| start + 3 + end);
    "\n".repeat(changelog[..start].matches('\n').count()) + &changelog[start..end]
}

/// A snapshot without its head, which names the test.
fn snapshot(text: &str) -> String {
    let body = text.splitn(3, "---\n").nth(2).unwrap_or(text);
    "\n".repeat(text.matches('\n').count() - body.matches('\n').count()) + body
}

fn files(dir: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending = vec![root.join(dir)];
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path);
            found.push((name.to_str().unwrap().replace('\\', "/"), text));
        }
    }
    found.sort();
    found
}

fn ends_with(path: &str, extension: &str) -> bool {
    PathBuf::from(path).extension().is_some_and(|found| found == extension)
}

/// All text for people, by the place where it is written.
fn texts() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (path, text) in files("src") {
        let test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if ends_with(&path, "rs") && !test {
            all.push((path, prose(without_tests(&text))));
        } else if ends_with(&path, "md") {
            all.push((path, text));
        } else if ends_with(&path, "snap") {
            all.push((path, snapshot(&text)));
        }
    }
    for dir in ["README.md", "docs", "examples", "schemas", ".pre-commit-hooks.yaml"] {
        all.extend(files(dir));
    }
    for (path, text) in files("tests") {
        if ends_with(&path, "snap") {
            all.push((path, snapshot(&text)));
        } else if ends_with(&path, "kdl") {
            all.push((path, text));
        }
    }
    all.extend(
        files("CHANGELOG.md")
            .into_iter()
            .map(|(path, text)| (path, unreleased(&text))),
    );
    let mut command = Cli::command();
    command.build();
    help(&command, &mut Vec::new(), &mut all);
    all
}

/// What the program prints for `--help` of a command and of those below it.
fn help(command: &clap::Command, path: &mut Vec<String>, all: &mut Vec<(String, String)>) {
    let done = Command::new(env!("CARGO_BIN_EXE_opsrun"))
        .args(&*path)
        .arg("--help")
        .output()
        .unwrap();
    assert!(done.status.success(), "opsrun {} --help", path.join(" "));
    let place = ["opsrun".to_owned(), path.join(" "), "--help".to_owned()];
    let place: Vec<String> = place.into_iter().filter(|part| !part.is_empty()).collect();
    all.push((place.join(" "), String::from_utf8(done.stdout).unwrap()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        path.push(below.get_name().to_owned());
        help(below, path, all);
        path.pop();
    }
}

#[test]
fn text_for_people_holds_no_forbidden_word() {
    let mut wrong = Vec::new();
    let mut used = vec![false; MEANT.len()];
    for (place, text) in texts() {
        for Found { line, phrase, instead } in find(&text) {
            let meant = MEANT
                .iter()
                .position(|(path, allowed, _)| place.contains(path) && *allowed == phrase);
            match meant {
                Some(at) => used[at] = true,
                None => wrong.push(format!("{place}:{line}: `{phrase}`: write {instead}")),
            }
        }
    }
    for ((path, phrase, _), used) in MEANT.iter().zip(used) {
        if !used {
            wrong.push(format!(
                "{path}: `{phrase}` is allowed, but does not appear: remove it from the list"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} forbidden words:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_planted_word_is_found() {
    let at = |text: &str| -> Vec<(usize, &str)> { find(text).iter().map(|found| (found.line, found.phrase)).collect() };
    assert_eq!(at("a file\nthat Nobody reads"), [(2, "nobody")]);
    assert_eq!(at("kept for\n  ever"), [(1, "for ever")]);
    assert_eq!(at("`x` is no size, and `{y}` is no file"), [(1, "is no"), (1, "is no")]);
    assert_eq!(
        at("it stands for what Somebody said, lest it be mended"),
        [(1, "stands"), (1, "somebody"), (1, "said"), (1, "lest"), (1, "mended"),]
    );
    for good in [
        "the standard, as `told`; there is no space left, and it is no longer here",
        "for, ever",
        "told_at and {told} and {told:>5}",
        "```\nrecommended\n```",
    ] {
        assert_eq!(at(good), [], "{good}");
    }

    let source = r##"
        //! A head of somebody
        /// kept for
        /// ever
        fn told(nobody: &'static str) -> char {
            let said = format!("{nobody} \"tells\" \
                it anew");
            let raw = r#"leads "nowhere" that of"#;
            let split = ["for", "ever"]; /* a mend */
            '"'; '\''; '\u{1f600}'; b'"'; "{is} no"
        }
    "##;
    assert_eq!(
        at(&prose(source)),
        [
            (2, "somebody"),
            (3, "for ever"),
            (6, "tells"),
            (7, "anew"),
            (8, "that of"),
            (9, "mend"),
        ]
    );
    let tested = "/// said\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    // told\n}\n";
    assert_eq!(at(&prose(without_tests(tested))), [(1, "said")]);
    assert_eq!(at(&snapshot("---\nsource: told.rs\n---\nhe\nsaid\n")), [(5, "said")]);
    assert_eq!(
        at(&unreleased("# Told\n\n## [Unreleased]\n\nanew\n\n## [1.0]\n\nsaid\n")),
        [(5, "anew")]
    );

    let all = texts();
    for place in [
        "README.md",
        "docs/alerts.md",
        "src/lib.rs",
        "opsrun --help",
        "opsrun alerts list --help",
    ] {
        assert!(all.iter().any(|(found, _)| found == place), "{place} is not read");
    }
    for part in [
        "/explain/OPS1001.md",
        "schemas/",
        "examples/observer/ops.kdl",
        "CHANGELOG.md",
        ".snap",
        ".service",
    ] {
        assert!(all.iter().any(|(found, _)| found.contains(part)), "{part} is not read");
    }
}
