//! A crontab → an ops file: every entry a target that runs when cron ran it.
//!
//! Takes the text of a crontab and what is known of the place it comes from. Comments stay comments; what cannot be
//! translated stands as a comment with the reason. Every target is tried before it is taken: what the reader of
//! ops files refuses, its own words explain.
//! Invariant: each line of the crontab is found again in the text, and the text is valid.

use super::command::{self, Run};
use super::entry::{Line, When, line};
use super::{quoted, remark};
use crate::config::findings::{Code, FindingSeverity};
use crate::config::{format, load_text, secrets};
use std::collections::HashSet;
use std::path::Path;

/// Where a crontab comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrontabOrigin {
    /// The sixth column names a user, as in `/etc/crontab`.
    pub users: bool,
    pub user: Option<String>,
    pub home: Option<String>,
    /// Where its clock hangs: an IANA name.
    pub timezone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedCrontab {
    pub text: String,
    pub targets: usize,
    /// Lines that stand as comments, for a reason that is given there.
    pub left: usize,
}

const HEAD: &[&str] = &[
    "Made of a crontab by `opsrun init --from crontab`. Lines that could not be translated stand below as comments.",
    "",
    "cron gave its commands little more than HOME, LOGNAME, SHELL and PATH=/usr/bin:/bin; here they get the environment",
    "of opsrun. Where cron mailed what a command printed, `opsrun history` shows it.",
];

#[must_use]
pub fn crontab(text: &[u8], setting: &CrontabOrigin) -> TranslatedCrontab {
    let mut writer = Writer {
        setting,
        out: Vec::new(),
        names: HashSet::new(),
        shell: None,
        zone: None,
        home: setting.home.clone(),
        env: Vec::new(),
        secrets: Vec::new(),
        targets: 0,
        left: 0,
    };
    writer.head();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    writer.secrets = told(text, setting.users);
    for bytes in text.split(|b| *b == b'\n') {
        match std::str::from_utf8(bytes) {
            Ok(text) => writer.line(text.trim_end_matches('\r')),
            Err(_) => writer.leave(&String::from_utf8_lossy(bytes), "it is not UTF-8"),
        }
    }
    let text = writer.out.join("\n") + "\n";
    TranslatedCrontab {
        text: format::form(&text).unwrap_or(text),
        targets: writer.targets,
        left: writer.left,
    }
}

/// True when every command of a crontab begins with one of these users, and more follows: then it has a column for them.
#[must_use]
pub fn names_users(text: &[u8], users: &[String]) -> bool {
    let text = String::from_utf8_lossy(text);
    let commands = text.lines().filter_map(|text| match line(text, false) {
        Line::Entry { command, .. } => Some(command),
        _ => None,
    });
    let mut words = commands.map(|command| command.split_once([' ', '\t'])).peekable();
    words.peek().is_some()
        && words.all(|words| {
            words.is_some_and(|(first, rest)| {
                let option = rest.trim_start().starts_with('-');
                !option && users.iter().any(|user| user == first)
            })
        })
}

struct Writer<'a> {
    setting: &'a CrontabOrigin,
    out: Vec<String>,
    names: HashSet<String>,
    /// What the lines so far have set.
    shell: Option<String>,
    zone: Option<String>,
    home: Option<String>,
    env: Vec<(String, String)>,
    /// Values that the crontab itself names as secrets.
    secrets: Vec<String>,
    targets: usize,
    left: usize,
}

impl Writer<'_> {
    fn head(&mut self) {
        self.out.extend(HEAD.iter().map(|line| remark(line)));
        self.out.push(String::new());
        if let Some(zone) = &self.setting.timezone {
            let block = format!("ops version=1 {{\n    timezone {}\n}}", quoted(zone));
            if refusal(&format!("{block}\n{PROBE}")).is_none() {
                self.out.extend([block, String::new()]);
                return;
            }
        }
        self.out.extend([
            remark("cron reads its lines by the clock of the system: name its time zone here."),
            "/-ops version=1 {\n    timezone \"Europe/Berlin\"\n}".to_owned(),
            String::new(),
        ]);
    }

    fn line(&mut self, text: &str) {
        match line(text, self.setting.users) {
            Line::Blank => self.out.push(String::new()),
            Line::Comment(comment) => {
                let comment = comment.strip_prefix(' ').unwrap_or(comment);
                let shown = if self.suspects(comment) {
                    format!("{} (a secret may stand in it: left out)", self.without_command(comment))
                } else {
                    comment.to_owned()
                };
                self.out.push(remark(&shown));
            }
            Line::Setting(name, value) => self.set(name, value),
            Line::Entry { when, user, command } => self.entry(text, &when, user, command),
            Line::Unknown => self.leave(text, "it is neither a setting nor five fields and a command"),
        }
    }

    /// A comment with its reason.
    fn leave(&mut self, text: &str, reason: &str) {
        self.left += 1;
        self.out.push(remark(&format!("Not translated: {reason}:")));
        let shown = if self.suspects(text) {
            self.without_command(text)
        } else {
            text.trim().to_owned()
        };
        self.out.push(remark(&format!("    {shown}")));
        self.out.push(String::new());
    }

    /// Whether there may be a secret in a line. Within the words for a shell they are looked for word by word, too.
    fn suspects(&self, text: &str) -> bool {
        let words = words(text);
        self.secrets.iter().any(|secret| text.contains(secret.as_str()))
            || secrets::masked(text) != text
            || secrets::masked(&words) != words
    }

    /// When it runs, and of the rest nothing.
    fn without_command(&self, text: &str) -> String {
        match line(text, self.setting.users) {
            Line::Entry { command, .. } => {
                let time = text.trim().strip_suffix(command).unwrap_or_default();
                format!("{time}…")
            }
            Line::Setting(name, _) => format!("{name}=…"),
            _ => "…".to_owned(),
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let said = match name {
            "SHELL" => {
                self.shell = Some(value.to_owned());
                "its shell runs the lines that need one"
            }
            "HOME" => {
                self.home = Some(value.to_owned());
                "targets run there: `cwd`"
            }
            "CRON_TZ" => {
                self.zone = Some(value.to_owned());
                "targets below have it as their time zone"
            }
            "MAILTO" | "MAILFROM" => "nothing is mailed by itself: a channel tells of what went wrong",
            "RANDOM_DELAY" => "a `schedule` has `jitter` for that",
            "LOGNAME" | "USER" => "opsrun runs commands as the user that runs it",
            _ => {
                self.env.retain(|(known, _)| known != name);
                self.env.push((name.to_owned(), value.to_owned()));
                "set for the targets below"
            }
        };
        if self.is_secret(name, value) {
            let said = "set for the targets below, from the environment; its value is left out of this file";
            self.out.push(remark(&format!("{name}=***: {said}")));
        } else {
            self.out.push(remark(&format!("{name}={value}: {said}")));
        }
    }

    fn entry(&mut self, text: &str, when: &When<'_>, user: Option<&str>, command: &str) {
        let fields = match when {
            When::Fields(fields) => fields.as_str(),
            When::Named(fields) => fields,
            When::Other("@reboot") => {
                let reason = "`@reboot` is no time of the clock; let a systemd unit or cron itself go on doing it";
                return self.leave(text, reason);
            }
            When::Other(_) => return self.leave(text, "its time has a name that is not known here"),
        };
        if fields.contains('~') {
            return self.leave(
                text,
                "`~` stands for a random time; write a fixed one, and `jitter` in a `schedule`",
            );
        }
        let fields = fields.strip_prefix('-').unwrap_or(fields);
        let (line, input) = command::parts(command);
        if line.is_empty() {
            return self.leave(text, "there is no command before `%`");
        }
        let name = self.free_name(&command::name(&line));
        let run = command::run(&line, input.as_deref(), self.shell.as_deref());
        let block = self.target(&name, fields, &run);
        if self.suspects(command) || self.suspects(&line) {
            return self.leave(text, SECRET);
        }
        if let Some(reason) = refusal(&block) {
            return self.leave(text, &reason);
        }
        self.names.insert(name);
        if input.is_some() {
            self.out.push(remark(
                "What stood behind `%` was the command's input, each further `%` a new line.",
            ));
        }
        match user {
            Some(user) if self.setting.user.as_deref() != Some(user) => {
                self.left += 1;
                let reason = format!("Taken out: it ran as {user}. Put it into an ops file that this user runs.");
                self.out.push(remark(&reason));
                self.out.extend([format!("/-{block}"), String::new()]);
            }
            _ => {
                self.targets += 1;
                self.out.extend([block, String::new()]);
            }
        }
    }

    fn target(&self, name: &str, fields: &str, run: &Run) -> String {
        let mut lines = vec![format!("target {} {{", quoted(name)), run.line()];
        if let Some(home) = &self.home {
            lines.push(format!("cwd {}", quoted(home)));
        }
        for (name, value) in &self.env {
            if self.is_secret(name, value) {
                lines.push(format!("env {} from-env={}", quoted(name), quoted(name)));
            } else {
                lines.push(env(name, value));
            }
        }
        let zone = self.zone.as_ref().map(|zone| format!(" timezone={}", quoted(zone)));
        lines.push(format!("cron {}{}", quoted(fields), zone.unwrap_or_default()));
        lines.push("}".to_owned());
        lines.join("\n")
    }

    fn is_secret(&self, name: &str, value: &str) -> bool {
        is_secret(name, value) || self.secrets.iter().any(|secret| value.contains(secret.as_str()))
    }

    fn free_name(&self, name: &str) -> String {
        if !self.names.contains(name) {
            return name.to_owned();
        }
        let mut number = 2_u32;
        loop {
            let numbered = format!("{name}-{number}");
            if !self.names.contains(&numbered) {
                return numbered;
            }
            number += 1;
        }
    }
}

/// True for a variable that may not stand in an ops file with its value.
fn is_secret(name: &str, value: &str) -> bool {
    let line = format!("target \"a\" {{\n    command \"a\"\n    {}\n}}\n", env(name, value));
    let loaded = load_text(Path::new("/ops.kdl"), line.into_bytes());
    loaded
        .findings
        .iter()
        .any(|finding| finding.code == Code::SecretLiteral)
}

/// Shorter values stand in too many places that have nothing to do with them.
const SHORTEST: usize = 5;

/// The values of what names a secret, in settings and commands, commented out or not.
fn told(text: &[u8], users: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    for text in text.lines() {
        let text = text.trim_start_matches(['#', ' ', '\t']);
        match line(text, users) {
            Line::Setting(name, value) if is_secret(name, value) => found.push(value.to_owned()),
            Line::Entry { command, .. } => {
                let arguments = secrets::literals(command).into_iter().filter(|found| found.sure);
                let values = arguments.filter_map(|found| command.get(found.start..found.end));
                found.extend(values.map(str::to_owned));
            }
            _ => {}
        }
    }
    found.retain(|value| value.len() >= SHORTEST);
    found.sort_unstable();
    found.dedup();
    found
}

/// A job to stand beside what is tried.
const PROBE: &str = "target \"a\" { command \"a\"; }\n";

const SECRET: &str =
    "a secret seems to stand in it; give it by `env \"NAME\" from-env=\"NAME\"` and use $NAME in a `shell` line";

/// The words of a command line as arguments.
fn words(line: &str) -> String {
    let words = line
        .split_ascii_whitespace()
        .map(|word| quoted(word.trim_matches(['"', '\''])));
    format!("command {}", words.collect::<Vec<_>>().join(" "))
}

fn env(name: &str, value: &str) -> String {
    format!("env {} {}", quoted(name), quoted(value))
}

/// Why a piece of an ops file is none.
fn refusal(text: &str) -> Option<String> {
    let loaded = load_text(Path::new("/ops.kdl"), text.as_bytes().to_vec());
    let error = loaded
        .findings
        .iter()
        .find(|finding| finding.severity == FindingSeverity::Error)?;
    Some(match error.code {
        Code::SecretLiteral => SECRET.to_owned(),
        _ => error.message.clone(),
    })
}
