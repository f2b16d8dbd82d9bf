//! What a line for a shell does with its pipes: a pipe ends with the exit code of its last command.
//!
//! Takes a script, gives the first command whose failure a pipe hides, or the dump that a line writes to a file. Pipes within
//! `$(…)` are left alone: what they print is a word, and its exit code counts nowhere. Knows no KDL; starts nothing.

mod lexer;

pub use lexer::{ShellToken, tokens};

/// The command whose failure a pipe hides, as its first word; `None` where none does, or where `pipefail` is set.
pub fn hidden_failure(script: &str) -> Option<String> {
    // A script that reads it looks at the exit codes itself.
    if sets_pipefail(script) || script.contains("PIPESTATUS") {
        return None;
    }
    Pipes::default().first_hidden(&tokens(script))
}

/// True when a word `pipefail` follows `set -o`, `set -eo` and the like.
fn sets_pipefail(script: &str) -> bool {
    let tokens = tokens(script);
    let word = |at: usize| match tokens.get(at) {
        Some(ShellToken::Word { text, .. }) => text.as_str(),
        _ => "",
    };
    (0..tokens.len()).any(|at| {
        let mut options = (at + 1..).map(word).take_while(|word| !word.is_empty());
        word(at) == "set" && options.any(|option| option == "pipefail")
    })
}

/// Commands that cannot fail in a way that matters.
const SAFE: [&str; 5] = ["echo", "printf", ":", "true", "yes"];

/// Words before the command that is looked at.
const BEFORE: [&str; 12] = [
    "!", "{", "then", "else", "elif", "do", "if", "while", "until", "time", "exec", "command",
];

/// What is known of the place in a script.
#[derive(Default)]
struct Pipes {
    /// The words of the command that is under way.
    words: Vec<String>,
    /// It ended with a group, a loop or a condition: whether all in it is safe.
    group: Option<bool>,
    /// Groups that are open: whether all in each is safe, and whether it is a `case` that expects a pattern.
    open: Vec<Group>,
    /// The next word is the file of a redirection.
    redirection: bool,
}

struct Group {
    safe: bool,
    pattern: bool,
    case: bool,
}

impl Pipes {
    fn first_hidden(mut self, tokens: &[ShellToken]) -> Option<String> {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            if self.open.last().is_some_and(|group| group.pattern) {
                match token {
                    ShellToken::Sign(")") => self.patterns(false),
                    ShellToken::Word {
                        text, quoted: false, ..
                    } if text == "esac" => self.close(),
                    _ => {}
                }
                continue;
            }
            match token {
                ShellToken::Word { .. } if std::mem::take(&mut self.redirection) => {}
                ShellToken::Word { text, quoted, .. } => {
                    if self.words.is_empty() && text == "[[" {
                        at += skipped(tokens.get(at..)?, "]]");
                    }
                    self.word(text, *quoted);
                }
                ShellToken::Sign("(") if self.words.is_empty() && tokens.get(at) == Some(&ShellToken::Sign("(")) => {
                    // `((…))` counts.
                    let rest = tokens.get(at..).unwrap_or_default();
                    let ends = rest
                        .windows(2)
                        .position(|pair| pair == [ShellToken::Sign(")"), ShellToken::Sign(")")]);
                    at += ends.map_or(rest.len(), |end| end + 2);
                    self.words.push(":".to_owned());
                }
                ShellToken::Sign("(") => {
                    if self.words.len() == 1 && tokens.get(at) == Some(&ShellToken::Sign(")")) {
                        // `name()`: a function.
                        self.words.clear();
                        at += 1;
                    } else {
                        self.open(false);
                    }
                }
                ShellToken::Sign(")") => {
                    self.end();
                    self.close();
                }
                ShellToken::Sign(";;" | ";&" | ";;&") => {
                    self.end();
                    self.patterns(true);
                }
                ShellToken::Sign("|" | "|&") => {
                    if !self.is_safe() {
                        let shown = if self.group.is_some() { "(…)" } else { self.command() };
                        return Some(shown.to_owned());
                    }
                    self.end();
                }
                ShellToken::Sign("&&" | "||" | "&" | ";") | ShellToken::Newline => self.end(),
                ShellToken::Sign(_) => self.redirection = true,
            }
        }
        None
    }

    fn word(&mut self, text: &str, quoted: bool) {
        let first = self.words.iter().all(|word| BEFORE.contains(&word.as_str()));
        if !quoted && first {
            match text {
                "{" | "if" | "while" | "until" | "for" | "select" => self.open(false),
                "case" => self.open(true),
                "}" | "fi" | "done" | "esac" => {
                    self.end();
                    self.close();
                    return;
                }
                _ => {}
            }
        }
        if !quoted && text == "in" && self.words.first().is_some_and(|word| word == "case") {
            self.words.clear();
            self.patterns(true);
            return;
        }
        let assignment = text
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if !(first && assignment) {
            self.words.push(text.to_owned());
        }
    }

    fn open(&mut self, case: bool) {
        self.open.push(Group {
            safe: true,
            pattern: false,
            case,
        });
        self.group = None;
    }

    fn close(&mut self) {
        if let Some(group) = self.open.pop() {
            self.group = Some(group.safe);
            self.words.clear();
        }
    }

    /// The innermost `case` expects a pattern, or no longer.
    fn patterns(&mut self, pattern: bool) {
        if let Some(group) = self.open.last_mut().filter(|group| group.case) {
            group.pattern = pattern;
        }
    }

    /// The command that is under way; empty where there is none.
    fn command(&self) -> &str {
        let mut words = self.words.iter().map(String::as_str);
        words.find(|word| !BEFORE.contains(word)).unwrap_or_default()
    }

    fn is_safe(&self) -> bool {
        if let Some(safe) = self.group {
            return safe;
        }
        let command = self.command();
        // Without a file `cat` gives what it is given.
        let given = command == "cat" && self.words.last().is_some_and(|word| word == "cat");
        command.is_empty() || given || SAFE.contains(&command) || matches!(command, "for" | "select")
    }

    /// The command ends.
    fn end(&mut self) {
        if !self.is_safe() {
            for group in &mut self.open {
                group.safe = false;
            }
        }
        self.words.clear();
        self.group = None;
        self.redirection = false;
    }
}

/// How many tokens there are up to a word, and with it.
fn skipped(tokens: &[ShellToken], word: &str) -> usize {
    let found = tokens
        .iter()
        .position(|token| matches!(token, ShellToken::Word { text, .. } if text == word));
    found.map_or(tokens.len(), |at| at + 1)
}

/// A command whose output is compressed into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    pub argv: Vec<String>,
    /// As it is written: it may hold `$(date +%F)`.
    pub file: String,
    /// `.gz` or `.zst` by the compressor; empty without one.
    pub suffix: &'static str,
}

/// `pg_dump shop | gzip -9 > file`, or without a compressor, and nothing else: all that a `stdout` of a target can do.
pub fn dump(script: &str) -> Option<Dump> {
    let tokens = tokens(script);
    let [body @ .., ShellToken::Sign(">"), ShellToken::Word { text: file, .. }] = tokens.as_slice() else {
        return None;
    };
    let mut parts = body.split(|token| *token == ShellToken::Sign("|"));
    let (command, packer) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let suffix = match packer {
        None => "",
        Some([ShellToken::Word { text, plain: true, .. }, options @ ..]) => {
            let levels = options.iter().all(|option| {
                matches!(option, ShellToken::Word { text, plain: true, .. }
                    if matches!(text.as_str(), "-c" | "--stdout" | "-q" | "--fast" | "--best" | "-T0" | "-f")
                        || text.strip_prefix('-').is_some_and(|level| !level.is_empty() && level.bytes().all(|b| b.is_ascii_digit())))
            });
            match text.rsplit('/').next()? {
                "gzip" | "pigz" if levels => ".gz",
                "zstd" | "zstdmt" if levels => ".zst",
                _ => return None,
            }
        }
        Some(_) => return None,
    };
    let argv = command.iter().map(|token| match token {
        ShellToken::Word { text, plain: true, .. } => Some(text.clone()),
        _ => None,
    });
    let argv = argv.collect::<Option<Vec<String>>>()?;
    let program = argv.first()?;
    let runs = !program.is_empty() && !program.contains('=') && !BUILT_IN.contains(&program.as_str());
    runs.then(|| Dump {
        argv,
        file: file.clone(),
        suffix,
    })
}

/// Commands that only a shell has.
const BUILT_IN: [&str; 10] = [
    "cd", "set", "eval", "exec", ".", "source", "export", "if", "for", "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_hides_what_is_before_it() {
        for (script, command) in [
            ("false | gzip >x.gz", "false"),
            ("a|b", "a"),
            ("a |& b", "a"),
            ("a |\n  b", "a"),
            ("a \\\n  | b", "a"),
            ("cd /x && dump x | gzip", "dump"),
            ("X=1 dump | b", "dump"),
            ("echo x | a | b", "a"),
            ("if ps | grep -q x; then y; fi", "ps"),
            ("! a | b", "a"),
            ("(a; b) | c", "(…)"),
            ("{ echo a; b; } | c", "(…)"),
            ("for f in *; do cat $f; done | sort", "(…)"),
            ("cat file | b", "cat"),
            ("\"$A\" | b", "\"$A\""),
            ("a 2>&1 | b", "a"),
            (">out a | b", "a"),
            ("case $1 in x|y) a | b;; esac", "a"),
            ("a | b || c", "a"),
            ("cat <<E\na | b\nE\nc | d", "c"),
            ("f() { a; }\nf | b", "f"),
            ("a & b | c", "b"),
            ("echo \"$(a)\" ; b | c", "b"),
            ("a >| b | c", "a"),
        ] {
            assert_eq!(hidden_failure(script).as_deref(), Some(command), "{script}");
        }
        for script in [
            "test -e x || echo no",
            "grep 'a|b' ops.kdl",
            "grep \"a|b\" c",
            "grep a\\|b c",
            "a # b | c",
            "set -o pipefail; a | b",
            "a | b; exit ${PIPESTATUS[0]}",
            "set -euo pipefail\na | b",
            "X=$(a | b)",
            "echo \"$(a | b)\"",
            "echo `a | b`",
            "echo ${X:-a|b}",
            "case $1 in a|b) c;; (d|e) f;; esac",
            "cat <<'E'\na | b\nE\n",
            "cat <<-E\n\ta | b\n\tE\nc",
            "cat <<E | psql\na\nE",
            "echo x | mail a",
            "printf '%s\\n' 'Hello' | { mail -s x y\n}",
            "{ echo a; printf b; } | c",
            "a >| b",
            "[[ x =~ a|b ]] && c",
            "((a | b)) && c",
            "a && b; c & d",
            "diff <(a | b) c",
            "",
            "'",
            "$(",
            "|",
        ] {
            assert_eq!(hidden_failure(script), None, "{script}");
        }
    }

    #[test]
    fn a_dump_is_a_command_and_a_file() {
        let found = |script: &str| dump(script).map(|dump| (dump.argv.join(" "), dump.file, dump.suffix));
        let is = |argv: &str, file: &str, suffix| Some((argv.to_owned(), file.to_owned(), suffix));
        assert_eq!(
            found("pg_dump -Fp 'my shop' | gzip -9 > /b/shop.sql.gz"),
            is("pg_dump -Fp my shop", "/b/shop.sql.gz", ".gz")
        );
        assert_eq!(
            found("/usr/bin/x|zstd -T0 >/b/x-$(date +%F).zst"),
            is("/usr/bin/x", "/b/x-$(date +%F).zst", ".zst")
        );
        assert_eq!(found("sqlite3 a .dump > b.sql"), is("sqlite3 a .dump", "b.sql", ""));
        for script in [
            "a | gzip",
            "a | gzip >> b",
            "a | b | gzip > c",
            "a $X | gzip > c",
            "a && b > c",
            "a > b 2>&1",
            "cd /x; a | gzip > b",
            "A=1 a | gzip > b",
            "a | gzip -d > b",
            "a < x > b",
            "a *.txt > b",
        ] {
            assert_eq!(found(script), None, "{script}");
        }
    }

    #[test]
    fn any_text_has_tokens() {
        use proptest::prelude::*;
        let bits = prop::sample::select(vec![
            "a", " ", "|", "&", ";", "\n", "'", "\"", "$(", "(", ")", "{", "}", "`", "\\", "<<", "E", "case ", " in ",
            "esac", "#", ">", "é", "[[", "]]", "if ", "fi", "${",
        ]);
        let texts = prop::collection::vec(bits, 0..40).prop_map(|bits| bits.concat());
        proptest!(ProptestConfig::with_cases(300), |(text in texts)| {
            let _ = hidden_failure(&text);
            let _ = dump(&text);
        });
    }
}
