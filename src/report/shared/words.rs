//! Jobs in words: command lines, probes and their levels, sources of secrets.
//!
//! Takes parts of the model, gives one line each. Reads no secret and no environment.
//! Invariant: a command line can be pasted into a shell; a secret is shown as its source; of other variables and headers
//! only the name is shown.

use crate::model::check::{Levels, Probe, Space};
use crate::model::{Check, Command, Contents, Job, Keep, Program, Retry, SecretSource, Value};
use crate::path::shown;
use crate::process::quoted;
use crate::units::{show_duration, show_size};
use std::path::PathBuf;
use std::time::Duration;

/// Program and arguments, quoted for a shell.
pub fn argv(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

pub fn program(program: &Program) -> String {
    match program {
        Program::Argv(words) => argv(words),
        Program::Shell(line) => format!("sh -c {}", quoted(line)),
    }
}

pub fn source(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("from env {name}"),
        SecretSource::File(path) => format!("from file {}", shown(path)),
        SecretSource::Command(words, _) => format!("from command {}", argv(words)),
    }
}

/// A plain value, or the source of a secret.
pub fn value(value: &Value) -> String {
    match value {
        Value::Plain(text) => text.clone(),
        Value::Secret(from) => source(from),
    }
}

/// Names of variables or headers, and the sources of those that are secret.
pub fn names(pairs: &[(String, Value)]) -> String {
    let one = |(name, value): &(String, Value)| match value {
        Value::Plain(_) => name.clone(),
        Value::Secret(from) => format!("{name} {}", source(from)),
    };
    let names: Vec<String> = pairs.iter().map(one).collect();
    names.join(", ")
}

pub fn probe(probe: &Probe) -> String {
    match probe {
        Probe::FileAge { path, .. } => format!("age of {}", shown(path)),
        Probe::DiskSpace { path, .. } => format!("free space at {}", shown(path)),
        Probe::Command(command) => program(&command.program),
        Probe::Tcp { address, .. } => format!("connection to {address}"),
        Probe::Http(http) => format!("GET {}", value(&http.url)),
        Probe::TlsExpiry { address, .. } => format!("certificate of {address}"),
        Probe::Job { job, .. } => format!("history of {job}"),
    }
}

/// The levels at which a check is a warning or critical; one line per measure.
pub fn levels(probe: &Probe) -> Vec<String> {
    let over = |what: &str, levels: &Levels<Duration>| level_line(what, levels, "from", |age| show_duration(*age));
    let lines = match probe {
        Probe::FileAge { age, .. } => vec![over("", age)],
        Probe::DiskSpace { free, .. } => vec![level_line("", free, "below", show_space)],
        Probe::Command(_) => Vec::new(),
        Probe::Tcp { latency, .. } => vec![over("latency: ", latency)],
        Probe::Http(http) => {
            let mut lines = vec![Some(status(&http.status)), over("latency: ", &http.latency)];
            let json = http.json.iter();
            lines
                .extend(json.map(|(pointer, value)| Some(format!("critical unless {pointer} of the body is {value}"))));
            lines
        }
        Probe::TlsExpiry { left, .. } => vec![level_line("", left, "with less than", |left| {
            format!("{} left", show_duration(*left))
        })],
        Probe::Job { age, duration, .. } => vec![over("age of the last success: ", age), over("duration: ", duration)],
    };
    lines.into_iter().flatten().collect()
}

/// A setting of a probe that `plan` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSetting {
    pub label: &'static str,
    pub text: String,
    /// The text contains a path, and is not wrapped.
    pub is_path: bool,
}

pub fn probe_settings(probe: &Probe) -> Vec<ProbeSetting> {
    let setting = |label, text, is_path| ProbeSetting { label, text, is_path };
    let trusts = |path: &PathBuf| setting("trusts", shown(path).to_string(), true);
    match probe {
        Probe::Command(command) => command_settings(command),
        Probe::Http(http) => {
            let headers = (!http.headers.is_empty()).then(|| setting("headers", names(&http.headers), false));
            headers.into_iter().chain(http.ca_file.as_ref().map(trusts)).collect()
        }
        Probe::TlsExpiry { ca_file, .. } => ca_file.iter().map(trusts).collect(),
        Probe::FileAge { .. } | Probe::DiskSpace { .. } | Probe::Tcp { .. } | Probe::Job { .. } => Vec::new(),
    }
}

pub fn command_settings(command: &Command) -> Vec<ProbeSetting> {
    let dir = ProbeSetting {
        label: "in",
        text: shown(&command.cwd).to_string(),
        is_path: true,
    };
    let env = (!command.env.is_empty()).then(|| ProbeSetting {
        label: "env",
        text: names(&command.env),
        is_path: false,
    });
    std::iter::once(dir).chain(env).collect()
}

pub fn check_limit(check: &Check) -> String {
    let limit = show_duration(check.timeout);
    if matches!(check.probe, Probe::Command(_)) {
        time_limit(&limit, check.kill_after)
    } else {
        limit
    }
}

fn status(codes: &[u16]) -> String {
    if codes.is_empty() {
        return "critical unless the status is 200 to 299".to_owned();
    }
    let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
    format!("critical unless the status is {}", codes.join(" or "))
}

pub fn show_space(space: &Space) -> String {
    match space {
        Space::Percent(share) => format!("{share}%"),
        Space::Bytes(bytes) => show_size(*bytes),
    }
}

fn level_line<T>(what: &str, levels: &Levels<T>, from: &str, show: impl Fn(&T) -> String) -> Option<String> {
    let warn = levels.warn.as_ref().map(|at| format!("warning {from} {}", show(at)));
    let critical = levels
        .critical
        .as_ref()
        .map(|at| format!("critical {from} {}", show(at)));
    let both: Vec<String> = warn.into_iter().chain(critical).collect();
    (!both.is_empty()).then(|| format!("{what}{}", both.join(", ")))
}

pub fn job(job: &Job<'_>) -> String {
    match job {
        Job::Check(check) => format!("checks {}", probe(&check.probe)),
        Job::Target(target) => format!("runs: {}", program(&target.command.program)),
        Job::Backup(backup) => {
            let what = match backup.contents {
                Contents::All => "",
                Contents::Expired => "expired files of ",
            };
            format!("copies {what}{} to {}", shown(&backup.source), shown(&backup.to))
        }
        Job::Retention(retention) => {
            let one = |class: &crate::model::Class| match class.keep {
                Keep::Forever => format!("{} forever", class.name),
                Keep::For(age) => format!("{} {}", class.name, show_duration(age)),
            };
            let classes: Vec<String> = retention.classes.iter().map(one).collect();
            format!("keeps {}", classes.join(", "))
        }
    }
}

/// The time limit of a command, and how long it has to end after SIGTERM.
pub fn time_limit(limit: &str, kill_after: Duration) -> String {
    format!("{limit}, then SIGTERM, and SIGKILL after {}", show_duration(kill_after))
}

/// How often and when a failed attempt is retried.
pub fn retries(retry: &Retry) -> String {
    let wait = show_duration(retry.wait);
    if retry.max == 1 {
        return format!("once, after {wait}");
    }
    let grows = if retry.factor > 1.0 && retry.cap > retry.wait {
        format!(
            ", each wait {} times the previous one, at most {}",
            retry.factor,
            show_duration(retry.cap)
        )
    } else {
        String::new()
    };
    format!("up to {} times, the first after {wait}{grows}", retry.max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::check::{Address, HttpProbe};

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let words = ["ls", "it's", "backup:*", ""].map(str::to_owned);
        assert_eq!(argv(&words), r"ls 'it'\''s' 'backup:*' ''");
        assert_eq!(program(&Program::Shell("a | b".into())), "sh -c 'a | b'");
    }

    #[test]
    fn a_secret_is_shown_as_its_source() {
        let secret = |source| Value::Secret(source);
        assert_eq!(value(&secret(SecretSource::Env("TOKEN".into()))), "from env TOKEN");
        assert_eq!(
            value(&secret(SecretSource::File("/run/pw".into()))),
            "from file /run/pw"
        );
        let command = SecretSource::Command(vec!["pass".into(), "show me".into()], "/".into());
        assert_eq!(value(&secret(command)), "from command pass 'show me'");
        let pairs = [
            ("MODE".to_owned(), Value::Plain("live".into())),
            ("TOKEN".to_owned(), secret(SecretSource::Env("OPS_TOKEN".into()))),
        ];
        assert_eq!(names(&pairs), "MODE, TOKEN from env OPS_TOKEN");
    }

    #[test]
    fn probes_have_levels() {
        let minute = Duration::from_mins(1);
        let at = |warn, critical| Levels { warn, critical };
        let age = Probe::FileAge {
            path: "/run/heartbeat".into(),
            age: at(Some(minute), Some(minute * 2)),
        };
        assert_eq!(probe(&age), "age of /run/heartbeat");
        assert_eq!(levels(&age), ["warning from 1m, critical from 2m"]);
        let disk = Probe::DiskSpace {
            path: "/data".into(),
            free: Levels {
                warn: Some(Space::Percent(25)),
                critical: None,
            },
        };
        assert_eq!(levels(&disk), ["warning below 25%"]);
        let address = || Address {
            host: "::1".into(),
            port: 443,
        };
        let tcp = Probe::Tcp {
            address: address(),
            latency: Levels::default(),
        };
        assert_eq!(
            (probe(&tcp).as_str(), levels(&tcp).len()),
            ("connection to [::1]:443", 0)
        );
        let tls = Probe::TlsExpiry {
            address: address(),
            left: at(None, Some(minute)),
            ca_file: None,
        };
        assert_eq!(levels(&tls), ["critical with less than 1m left"]);
        let http = Probe::Http(Box::new(HttpProbe {
            url: Value::Secret(SecretSource::Env("URL".into())),
            headers: Vec::new(),
            status: vec![200, 204],
            latency: at(None, Some(minute)),
            json: vec![("/status".into(), "UP".into())],
            ca_file: None,
        }));
        assert_eq!(probe(&http), "GET from env URL");
        assert_eq!(
            levels(&http),
            [
                "critical unless the status is 200 or 204",
                "latency: critical from 1m",
                "critical unless /status of the body is \"UP\""
            ]
        );
    }
}
