//! The command of a crontab entry → how opsrun runs it, and its name.
//!
//! Gives program and arguments where no shell is needed, and a shell line otherwise; text after `%` is the command's
//! input. Knows nothing of schedules.
//! Invariant: a command that runs without a shell contains nothing that a shell would change.

use crate::config::shell;
use crate::config::syntax::kdl_string;
use crate::model::stdout_file::Compression;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CronCommand {
    Argv(Vec<String>),
    Shell(String),
    /// A line with a pipe that would hide a failure.
    Pipefail(String),
    Other(String, String),
    /// What it prints becomes a file.
    Dump(Vec<String>, String),
}

impl CronCommand {
    pub(super) fn line(&self) -> String {
        match self {
            Self::Argv(words) => {
                let words: Vec<String> = words.iter().map(|word| kdl_string(word)).collect();
                format!("command {}", words.join(" "))
            }
            Self::Shell(line) => format!("shell {}", kdl_string(line)),
            Self::Pipefail(line) => format!("shell {} pipefail=#true", kdl_string(line)),
            Self::Other(program, line) => {
                let known = matches!(program.rsplit('/').next(), Some("bash" | "zsh" | "ksh"));
                let pipefail = if known && shell::hidden_failure(line).is_some() {
                    " \"-o\" \"pipefail\""
                } else {
                    ""
                };
                format!("command {}{pipefail} \"-c\" {}", kdl_string(program), kdl_string(line))
            }
            Self::Dump(words, file) => {
                let words: Vec<String> = words.iter().map(|word| kdl_string(word)).collect();
                format!("command {}\nstdout {}", words.join(" "), kdl_string(file))
            }
        }
    }
}

/// The command and its input, apart.
pub(super) fn parts(command: &str) -> (String, Option<String>) {
    let mut line = String::new();
    let mut input: Option<String> = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        let text = input.as_mut().unwrap_or(&mut line);
        match c {
            '\\' if chars.next_if_eq(&'%').is_some() => text.push('%'),
            '%' => match input.as_mut() {
                Some(input) => input.push('\n'),
                None => input = Some(String::new()),
            },
            c => text.push(c),
        }
    }
    (line.trim().to_owned(), input)
}

/// How opsrun runs it; `shell` is the one that the crontab names.
pub(super) fn run(line: &str, input: Option<&str>, shell: Option<&str>) -> CronCommand {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if input.is_none() && needs_no_shell(&words) {
        return CronCommand::Argv(words.into_iter().map(str::to_owned).collect());
    }
    if input.is_none()
        && let Some(dump) = dump(line)
    {
        return dump;
    }
    let line = match input {
        None => line.to_owned(),
        Some(input) => {
            let lines: Vec<String> = input.split('\n').map(single_quoted).collect();
            format!("printf '%s\\n' {} | {{ {line}\n}}", lines.join(" "))
        }
    };
    match shell {
        Some(shell) if !matches!(shell, "" | "/bin/sh" | "sh" | "/usr/bin/sh") => {
            CronCommand::Other(shell.to_owned(), line)
        }
        _ if shell::hidden_failure(&line).is_some() => CronCommand::Pipefail(line),
        _ => CronCommand::Shell(line),
    }
}

/// Programs whose output is data, also where nothing compresses it.
const DUMPERS: &[&str] = &[
    "pg_dump",
    "pg_dumpall",
    "mysqldump",
    "mariadb-dump",
    "sqlite3",
    "mongodump",
    "slapcat",
    "influx",
];

/// `mysqldump shop | gzip > /b/shop-$(date +%F).gz`: a file for every run.
fn dump(line: &str) -> Option<CronCommand> {
    let found = shell::dump(line)?;
    let program = found.argv.first()?.rsplit('/').next()?;
    if found.suffix.is_empty() && !DUMPERS.contains(&program) || found.argv.first()?.starts_with('.') {
        return None;
    }
    let mut file = found.file.trim_matches('"').to_owned();
    for (date, placeholder) in [
        ("$(date +%F)", "{date}"),
        ("$(date +%Y-%m-%d)", "{date}"),
        ("`date +%F`", "{date}"),
        ("$(date +%Y%m%d)", "{date}"),
        ("`date +%Y%m%d`", "{date}"),
        ("$(date +%F-%H%M)", "{time}"),
        ("$(date +%Y%m%d%H%M)", "{time}"),
        ("$(date +%Y%m%d-%H%M%S)", "{time}"),
        ("$(date +%s)", "{time}"),
    ] {
        file = file.replace(date, placeholder);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./{}+=@,".contains(c);
    if !file.starts_with('/') || file.starts_with("/dev/") || !file.chars().all(plain) {
        return None;
    }
    let (above, name) = file.rsplit_once('/')?;
    // No shell writes to a directory.
    if matches!(name, "" | "." | "..") {
        return None;
    }
    let mut name = name.to_owned();
    if !name.contains('{') {
        let at = name.find('.').filter(|at| *at > 0).unwrap_or(name.len());
        name.insert_str(at, "-{time}");
    }
    let wanted = Compression::of(&format!("x{}", found.suffix));
    if Compression::of(&name) != wanted {
        // A name says what the file holds.
        if Compression::of(&name) != Compression::None {
            return None;
        }
        name += found.suffix;
    }
    Some(CronCommand::Dump(found.argv, format!("{above}/{name}")))
}

fn single_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words that only a shell knows.
const SHELL_BUILTINS: &[&str] = &[
    ".", "!", "[", "alias", "bg", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export", "fg",
    "for", "function", "hash", "if", "jobs", "let", "local", "read", "return", "select", "set", "shift", "source",
    "test", "time", "times", "trap", "type", "ulimit", "umask", "unset", "until", "wait", "while",
];

fn needs_no_shell(words: &[&str]) -> bool {
    let plain = |word: &str| {
        word.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c))
    };
    words.first().is_some_and(|program| {
        // Relative paths start elsewhere in an ops file.
        let found = program.starts_with('/') || !program.contains('/');
        found && !program.contains('=') && !program.starts_with('-') && !SHELL_BUILTINS.contains(program)
    }) && words.iter().all(|word| plain(word))
}

/// Words before what is run, or between two commands.
const WRAPPERS: &str = "sudo doas nice ionice chrt nohup setsid timeout env flock time exec command chronic cronic \
     systemd-cat stdbuf test [ ] cd sleep if then while do . source umask export set !";

const INTERPRETERS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "python", "python2", "python3", "perl", "ruby", "node", "php", "java", "uv",
];

/// A name after what the command runs, `[a-z0-9][a-z0-9_-]*`.
pub(super) fn name(line: &str) -> String {
    let separators = |c: char| c.is_whitespace() || ";|&(){}<>\"'`$".contains(c);
    let mut words = line.split(separators).filter(|word| !word.is_empty());
    let mut script = false;
    // A directory follows `cd`, a file of settings follows `.`.
    let mut skip = false;
    let mut fallback = None;
    let found = words.find_map(|word| {
        let last = word.rsplit('/').find(|part| !part.is_empty()).unwrap_or(word);
        let option = word.starts_with(['-', '+']) || word.contains('=') || word.parse::<f64>().is_ok();
        let length = word.trim_end_matches(['s', 'm', 'h', 'd']);
        if option || length.parse::<f64>().is_ok() || word.starts_with("/dev/") {
            return None;
        }
        if std::mem::take(&mut skip) {
            return None;
        }
        if WRAPPERS.split(' ').any(|known| known == last) {
            skip = matches!(last, "cd" | "." | "source" | "flock");
            return None;
        }
        if INTERPRETERS.contains(&last) && !script {
            script = true;
            fallback = Some(last);
            return None;
        }
        Some(last)
    });
    let found = found.or(fallback).unwrap_or("job");
    let stem = found.split_once('.').map_or(found, |(stem, _)| stem);
    let stem = if stem.is_empty() { found } else { stem };
    let mut name = String::new();
    for c in stem.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() || (matches!(c, '_' | '-') && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(MAX_NAME_LENGTH);
    let name = name.trim_end_matches('-');
    if name.is_empty() { "job" } else { name }.to_owned()
}

/// Of a name: leaves room for a number at its end.
const MAX_NAME_LENGTH: usize = 56;
