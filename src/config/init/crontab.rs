//! A crontab → an ops file: every entry becomes a target that runs at the same times.
//!
//! Takes the text of a crontab and where it comes from. Comments stay comments; a line that cannot be translated becomes a
//! comment with the reason. Every target is checked before it is written: the message of the check is the reason.
//! Invariant: each line of the crontab is in the text, and the text is valid.

use super::command::{self, CronCommand};
use super::crontab_line::{CronTime, CrontabLine, line};
use super::find_delete::find_delete;
use super::ping::{self, without_pings};
use crate::channel::spec;
use crate::config::findings::Code;
use crate::config::nodes::suggested_variable;
use crate::config::syntax::{is_plain, kdl_string};
use crate::config::{format, load_text, secrets};
use crate::model::channel::WebService;
use std::collections::HashSet;
use std::path::Path;

/// Where a crontab comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrontabOrigin {
    /// The sixth column names a user, as in `/etc/crontab`.
    pub users: bool,
    pub user: Option<String>,
    pub home: Option<String>,
    /// The IANA name of its time zone.
    pub timezone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedCrontab {
    pub text: String,
    pub targets: usize,
    /// Lines that became comments; each has its reason.
    pub left: usize,
}

const HEAD: &[&str] = &[
    "Made from a crontab by `opsrun init --from crontab`. Lines that could not be translated are comments below.",
    "",
    "cron runs commands with little more than HOME, LOGNAME, SHELL and PATH=/usr/bin:/bin; opsrun passes on its own",
    "environment. cron mails the output of a command; `opsrun history` shows it.",
];

pub fn crontab(text: &[u8], setting: &CrontabOrigin) -> TranslatedCrontab {
    let mut writer = Writer {
        home: setting.home.clone(),
        setting: setting.clone(),
        ..Writer::default()
    };
    writer.head();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    writer.secrets = known_secrets(text, setting.users);
    for bytes in text.split(|b| *b == b'\n') {
        match std::str::from_utf8(bytes) {
            Ok(text) => writer.line(text.trim_end_matches('\r')),
            Err(_) => writer.leave(&String::from_utf8_lossy(bytes), "not valid UTF-8"),
        }
    }
    let text = writer.out.join("\n") + "\n";
    TranslatedCrontab {
        text: format::format(&text).unwrap_or(text),
        targets: writer.targets,
        left: writer.left,
    }
}

/// True when every command of a crontab starts with one of these users, and more follows: it has a column for users.
pub fn names_users(text: &[u8], users: &[String]) -> bool {
    let text = String::from_utf8_lossy(text);
    let commands = text.lines().filter_map(|text| match line(text, false) {
        CrontabLine::Entry { command, .. } => Some(command),
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

#[derive(Default)]
struct Writer {
    setting: CrontabOrigin,
    out: Vec<String>,
    names: HashSet<String>,
    channels: HashSet<String>,
    /// Settings of the lines so far.
    shell: Option<String>,
    zone: Option<String>,
    /// `CRON_TZ` was set: `TZ` is a variable only.
    cron_zone: bool,
    home: Option<String>,
    env: Vec<(String, String)>,
    /// Values that the crontab itself names as secrets.
    secrets: Vec<String>,
    targets: usize,
    left: usize,
}

impl Writer {
    fn head(&mut self) {
        self.out.extend(HEAD.iter().map(|line| comment(line)));
        self.out.push(String::new());
        if let Some(zone) = &self.setting.timezone {
            let block = format!("ops version=1 {{\n    timezone {}\n}}", kdl_string(zone));
            if refusal(&format!("{block}\n{MINIMAL_JOB}")).is_none() {
                self.out.extend([block, String::new()]);
                return;
            }
        }
        self.out.extend([
            comment("cron uses the time zone of the system: name it here."),
            "/-ops version=1 {\n    timezone \"Europe/Berlin\"\n}".to_owned(),
            String::new(),
        ]);
    }

    fn line(&mut self, text: &str) {
        match line(text, self.setting.users) {
            CrontabLine::Blank => self.out.push(String::new()),
            CrontabLine::Comment(text) => {
                let text = text.strip_prefix(' ').unwrap_or(text);
                let shown = if self.suspects(text) {
                    format!("{} (left out: it may contain a secret)", self.without_command(text))
                } else {
                    text.to_owned()
                };
                self.out.push(comment(&shown));
            }
            CrontabLine::Setting(name, value) => self.set(name, value),
            CrontabLine::Entry { when, user, command } => self.entry(text, &when, user, command),
            CrontabLine::Unknown => self.leave(text, "neither a setting nor five fields and a command"),
        }
    }

    /// Writes a line as a comment, with the reason.
    fn leave(&mut self, text: &str, reason: &str) {
        self.left += 1;
        self.out.push(comment(&format!("Not translated: {reason}:")));
        let shown = if self.suspects(text) {
            self.without_command(text)
        } else {
            text.trim().to_owned()
        };
        self.out.push(comment(&format!("    {shown}")));
        self.out.push(String::new());
    }

    /// Whether a line may hold a secret. The words for a shell are also searched one by one.
    fn suspects(&self, text: &str) -> bool {
        let words = words(text);
        self.secrets.iter().any(|secret| text.contains(secret.as_str()))
            || ping::service(text).is_some()
            || secrets::masked(text) != text
            || secrets::masked(&words) != words
    }

    /// The time of an entry, without the rest.
    fn without_command(&self, text: &str) -> String {
        match line(text, self.setting.users) {
            CrontabLine::Entry { command, .. } => {
                let time = text.trim().strip_suffix(command).unwrap_or_default();
                format!("{time}…")
            }
            CrontabLine::Setting(name, _) => format!("{name}=…"),
            _ => "…".to_owned(),
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let effect = match name {
            "SHELL" => {
                self.shell = Some(value.to_owned());
                "the shell for lines that need one"
            }
            "HOME" => {
                self.home = Some(value.to_owned());
                "the working directory of targets: `cwd`"
            }
            "CRON_TZ" => {
                self.zone = Some(value.to_owned());
                self.cron_zone = true;
                "the time zone of the targets below"
            }
            "TZ" => {
                if !self.cron_zone {
                    self.zone = Some(value.to_owned());
                }
                self.env.retain(|(known, _)| known != name);
                self.env.push((name.to_owned(), value.to_owned()));
                "the time zone of the targets below, and set for them; some cron programs only set it: check the times"
            }
            "MAILTO" | "MAILFROM" => "opsrun mails no output: declare a `channel` for alerts",
            "RANDOM_DELAY" => "use `jitter` in a `schedule` instead",
            "LOGNAME" | "USER" => "opsrun runs commands as its own user, or as the `user` of a target",
            _ => {
                self.env.retain(|(known, _)| known != name);
                self.env.push((name.to_owned(), value.to_owned()));
                "set for the targets below"
            }
        };
        let (value, effect) = if self.is_secret(name, value) {
            (
                "***",
                "set for the targets below from the environment; its value is not in this file",
            )
        } else {
            (value, effect)
        };
        self.out.push(comment(&format!("{name}={value}: {effect}")));
    }

    fn entry(&mut self, text: &str, when: &CronTime<'_>, user: Option<&str>, command: &str) {
        let fields = match when {
            CronTime::Fields(fields) => fields.as_str(),
            CronTime::Named(fields) => fields,
            CronTime::Other("@reboot") => {
                let reason = "`@reboot` is not a time of day; use a systemd unit, or leave it to cron";
                return self.leave(text, reason);
            }
            CronTime::Other(_) => return self.leave(text, "unknown name of a time"),
        };
        if fields.contains('~') {
            let reason = "`~` means a random time; write a fixed time, and `jitter` in a `schedule`";
            return self.leave(text, reason);
        }
        let fields = fields.strip_prefix('-').unwrap_or(fields);
        let (line, input) = command::parts(command);
        if line.is_empty() {
            return self.leave(text, "no command before `%`");
        }
        let pingless = without_pings(&line).filter(|_| input.is_none());
        let services = pingless
            .as_ref()
            .map(|found| found.services.clone())
            .unwrap_or_default();
        let shown = pingless.as_ref().map_or(command, |found| &found.line);
        let line = pingless.as_ref().map_or(line.as_str(), |found| &found.line);
        if line.is_empty() {
            self.leave(text, "it only calls an address, which is a secret");
            return self.channels("alive", None, &services);
        }
        let name = self.free_name(&command::name(line));
        let run = command::run(line, input.as_deref(), self.shell.as_deref());
        let user = user.filter(|user| self.setting.user.as_deref() != Some(user));
        let block = self.target(&name, fields, user, &run);
        if self.suspects(shown) || self.suspects(line) {
            return self.leave(text, SECRET);
        }
        if let Some(reason) = refusal(&block) {
            return self.leave(text, &reason);
        }
        self.names.insert(name.clone());
        if let Some(deletion) = find_delete(line) {
            let jobs = deletion.jobs(&name, &self.schedule(fields));
            if refusal(&jobs.join("\n")).is_none() {
                let reason =
                    "it deletes files of which there may be no copy. A retention deletes what a verified copy holds";
                self.leave(text, reason);
                self.out.extend(jobs.map(|job| format!("/-{job}")));
                self.out.push(String::new());
                return self.channels(&name, None, &services);
            }
        }
        if !services.is_empty() {
            self.out.push(comment(
                "The call of an address was left out of this command: the address is a secret.",
            ));
        }
        if let CronCommand::Dump(_, file) = &run {
            let more = if file.contains("{time}") && !line.contains("date") {
                "Every run writes a file of its own; a retention can delete old ones. "
            } else {
                ""
            };
            self.out.push(comment(&format!(
                "{more}The file appears only when the command succeeds."
            )));
        }
        if input.is_some() {
            let reads = "cron reads the text after `%` as input, and each further `%` as a line break.";
            self.out.push(comment(reads));
        }
        self.targets += 1;
        self.out.extend([block, String::new()]);
        self.channels(&name, Some(&name), &services);
    }

    /// Channels in place of addresses that were left out, commented out until their variables are set.
    fn channels(&mut self, name: &str, target: Option<&str>, services: &[WebService]) {
        for service in services {
            let name = self.free_channel(&format!("{name}-{}", service.word()));
            let variable = suggested_variable(&format!("{name}-url"));
            let block = match (service, target) {
                (WebService::Healthchecks, Some(target)) => format!(
                    "channel {} {{\nhealthchecks {{\nurl from-env={}\njob {}\n}}\n}}",
                    kdl_string(&name),
                    kdl_string(&variable),
                    kdl_string(&format!("target:{target}")),
                ),
                (WebService::Healthchecks | WebService::Ntfy, _) => format!(
                    "channel {} {{\n{} {{ url from-env={}; }}\n}}",
                    kdl_string(&name),
                    service.word(),
                    kdl_string(&variable)
                ),
                (service, _) => format!("channel {} {{\n{}\n}}", kdl_string(&name), spec(*service).example),
            };
            let what = "In its place opsrun calls the address that a variable holds. Set it, and delete the `/-`:";
            self.out.extend([comment(what), format!("/-{block}"), String::new()]);
        }
    }

    fn free_channel(&mut self, name: &str) -> String {
        let mut short = name.to_owned();
        short.truncate(56);
        let numbered = (2_u32..).map(|number| format!("{short}-{number}"));
        let mut names = std::iter::once(short.clone()).chain(numbered);
        let free = names.find(|name| !self.channels.contains(name)).unwrap_or_default();
        self.channels.insert(free.clone());
        free
    }

    fn target(&self, name: &str, fields: &str, user: Option<&str>, run: &CronCommand) -> String {
        let mut lines = vec![format!("target {} {{", kdl_string(name)), run.line()];
        lines.extend(user.map(|user| format!("user {}", kdl_string(user))));
        if let Some(home) = &self.home {
            lines.push(format!("cwd {}", kdl_string(home)));
        }
        for (name, value) in &self.env {
            if self.is_secret(name, value) {
                lines.push(format!("env {} from-env={}", kdl_string(name), kdl_string(name)));
            } else {
                lines.push(env(name, value));
            }
        }
        lines.push(self.schedule(fields));
        lines.push("}".to_owned());
        lines.join("\n")
    }

    fn schedule(&self, fields: &str) -> String {
        let zone = self.zone.as_ref().map(|zone| format!(" timezone={}", kdl_string(zone)));
        format!("cron {}{}", kdl_string(fields), zone.unwrap_or_default())
    }

    fn is_secret(&self, name: &str, value: &str) -> bool {
        is_secret(name, value)
            || ping::service(value).is_some()
            || self.secrets.iter().any(|secret| value.contains(secret.as_str()))
    }

    fn free_name(&self, name: &str) -> String {
        let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| !self.names.contains(name)).unwrap_or_default()
    }
}

/// True for a variable whose value may not be in an ops file.
fn is_secret(name: &str, value: &str) -> bool {
    let line = format!("target \"a\" {{\n    command \"a\"\n    {}\n}}\n", env(name, value));
    let loaded = load_text(Path::new("/ops.kdl"), line.into_bytes());
    let mut findings = loaded.findings.iter();
    findings.any(|finding| finding.code == Code::SecretLiteral)
}

/// Shorter values are in too many other places.
const MIN_SECRET_LENGTH: usize = 5;

/// The values that settings and commands name as secrets, commented out or not.
fn known_secrets(text: &[u8], users: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    for text in text.lines() {
        let text = text.trim_start_matches(['#', ' ', '\t']);
        match line(text, users) {
            CrontabLine::Setting(name, value) if is_secret(name, value) || ping::service(value).is_some() => {
                found.push(value.to_owned());
            }
            CrontabLine::Entry { command, .. } => {
                let arguments = secrets::literals(command).into_iter().filter(|found| found.sure);
                let values = arguments.filter_map(|found| command.get(found.start..found.end));
                found.extend(values.map(str::to_owned));
            }
            _ => {}
        }
    }
    found.retain(|value| value.len() >= MIN_SECRET_LENGTH);
    found.sort_unstable();
    found.dedup();
    found
}

/// A job, so that a text without one is valid.
const MINIMAL_JOB: &str = "target \"a\" { command \"a\"; }\n";

const SECRET: &str =
    "it seems to contain a secret; pass it with `env \"NAME\" from-env=\"NAME\"`, and use $NAME in a `shell` line";

/// The words of a command line as arguments.
fn words(line: &str) -> String {
    let words = line
        .split_ascii_whitespace()
        .map(|word| kdl_string(word.trim_matches(['"', '\''])));
    format!("command {}", words.collect::<Vec<_>>().join(" "))
}

fn env(name: &str, value: &str) -> String {
    format!("env {} {}", kdl_string(name), kdl_string(value))
}

/// The first error of a piece of an ops file.
fn refusal(text: &str) -> Option<String> {
    let loaded = load_text(Path::new("/ops.kdl"), text.as_bytes().to_vec());
    let error = loaded.findings.iter().find(|finding| finding.is_error())?;
    Some(match error.code {
        Code::SecretLiteral => SECRET.to_owned(),
        _ => error.message.clone(),
    })
}

fn comment(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => " ".to_owned(),
        c if is_plain(c) => c.to_string(),
        c => format!("\\u{{{:x}}}", c as u32),
    };
    let text: String = text.chars().map(shown).collect();
    format!("// {}", text.trim_end()).trim_end().to_owned()
}
