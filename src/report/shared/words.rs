//! What jobs do, in words: command lines, questions and their limits, where secrets come from.
//!
//! Takes parts of the model, gives one line each. Reads no secret and no environment.
//! Invariant: a command line that is shown can be typed again; a secret is shown as where it comes from, and of a
//! variable or header that is none only the name.

use crate::model::check::{Levels, Probe, Space};
use crate::model::{Contents, Job, Keep, Program, Retry, SecretSource, Value};
use crate::path::shown;
use crate::process::quoted;
use crate::units::{show_duration, show_size};
use std::time::Duration;

/// Program and arguments, each as a shell would have to be given it.
#[must_use]
pub fn argv(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

#[must_use]
pub fn program(program: &Program) -> String {
    match program {
        Program::Argv(words) => argv(words),
        Program::Shell(line) => format!("sh -c {}", quoted(line)),
    }
}

/// Where a secret comes from.
#[must_use]
pub fn source(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("from env {name}"),
        SecretSource::File(path) => format!("from file {}", shown(path)),
        SecretSource::Command(words, _) => format!("from command {}", argv(words)),
    }
}

/// A value that may be read by anybody, or where the secret comes from.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::Plain(text) => text.clone(),
        Value::Secret(from) => source(from),
    }
}

/// Names of variables or headers; with those that are secret, where they come from.
#[must_use]
pub fn names(pairs: &[(String, Value)]) -> String {
    let one = |(name, value): &(String, Value)| match value {
        Value::Plain(_) => name.clone(),
        Value::Secret(from) => format!("{name} {}", source(from)),
    };
    let names: Vec<String> = pairs.iter().map(one).collect();
    names.join(", ")
}

#[must_use]
pub fn question(probe: &Probe) -> String {
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

/// From which answers on a check is a warning or critical; one line a measure.
#[must_use]
pub fn limits(probe: &Probe) -> Vec<String> {
    let over = |what: &str, levels: &Levels<Duration>| levelled(what, levels, "from", |age| show_duration(*age));
    let lines = match probe {
        Probe::FileAge { age, .. } => vec![over("", age)],
        Probe::DiskSpace { free, .. } => vec![levelled("", free, "below", show_space)],
        Probe::Command(_) => Vec::new(),
        Probe::Tcp { latency, .. } => vec![over("latency: ", latency)],
        Probe::Http(http) => {
            let mut lines = vec![Some(status(&http.status)), over("latency: ", &http.latency)];
            let json = http.json.iter();
            lines
                .extend(json.map(|(pointer, value)| Some(format!("critical unless {pointer} of the body is {value}"))));
            lines
        }
        Probe::TlsExpiry { left, .. } => vec![levelled("", left, "with less left than", |left| show_duration(*left))],
        Probe::Job { age, duration, .. } => vec![over("age of the last success: ", age), over("duration: ", duration)],
    };
    lines.into_iter().flatten().collect()
}

fn status(codes: &[u16]) -> String {
    if codes.is_empty() {
        return "critical unless the status is 200 to 299".to_owned();
    }
    let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
    format!("critical unless the status is {}", codes.join(" or "))
}

/// How much is free, as the ops file writes it.
#[must_use]
pub fn show_space(space: &Space) -> String {
    match space {
        Space::Percent(share) => format!("{share}%"),
        Space::Bytes(bytes) => show_size(*bytes),
    }
}

fn levelled<T>(what: &str, levels: &Levels<T>, from: &str, show: impl Fn(&T) -> String) -> Option<String> {
    let warn = levels.warn.as_ref().map(|at| format!("warning {from} {}", show(at)));
    let critical = levels
        .critical
        .as_ref()
        .map(|at| format!("critical {from} {}", show(at)));
    let both: Vec<String> = warn.into_iter().chain(critical).collect();
    (!both.is_empty()).then(|| format!("{what}{}", both.join(", ")))
}

#[must_use]
pub fn job(job: &Job<'_>) -> String {
    match job {
        Job::Check(check) => format!("asks: {}", question(&check.probe)),
        Job::Target(target) => format!("runs: {}", program(&target.command.program)),
        Job::Backup(backup) => {
            let what = match backup.contents {
                Contents::All => "",
                Contents::Expired => "what has expired in ",
            };
            format!("copies {what}{} to {}", shown(&backup.source), shown(&backup.to))
        }
        Job::Retention(retention) => {
            let one = |class: &crate::model::Class| match class.keep {
                Keep::Forever => format!("{} for ever", class.name),
                Keep::For(age) => format!("{} {}", class.name, show_duration(age)),
            };
            let classes: Vec<String> = retention.classes.iter().map(one).collect();
            format!("keeps {}", classes.join(", "))
        }
    }
}

/// A command's time limit, and how long it has to end by itself when that is over.
#[must_use]
pub fn limited(limit: &str, kill_after: Duration) -> String {
    format!(
        "{limit}; killed {} after it was told to stop",
        show_duration(kill_after)
    )
}

/// How often and when a failed attempt is repeated.
#[must_use]
pub fn repeated(retry: &Retry) -> String {
    let wait = show_duration(retry.wait);
    if retry.max == 1 {
        return format!("once, after {wait}");
    }
    let grows = if retry.factor > 1.0 && retry.cap > retry.wait {
        format!(
            ", each wait {} times the one before, at most {}",
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
    fn a_command_line_can_be_typed_again() {
        let words = ["ls", "it's", "backup:*", ""].map(str::to_owned);
        assert_eq!(argv(&words), r"ls 'it'\''s' 'backup:*' ''");
        assert_eq!(program(&Program::Shell("a | b".into())), "sh -c 'a | b'");
    }

    #[test]
    fn a_secret_is_where_it_comes_from() {
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
    fn questions_name_their_limits() {
        let minute = Duration::from_mins(1);
        let levels = |warn, critical| Levels { warn, critical };
        let age = Probe::FileAge {
            path: "/run/heartbeat".into(),
            age: levels(Some(minute), Some(minute * 2)),
        };
        assert_eq!(question(&age), "age of /run/heartbeat");
        assert_eq!(limits(&age), ["warning from 1m, critical from 2m"]);
        let disk = Probe::DiskSpace {
            path: "/data".into(),
            free: Levels {
                warn: Some(Space::Percent(25)),
                critical: None,
            },
        };
        assert_eq!(limits(&disk), ["warning below 25%"]);
        let address = || Address {
            host: "::1".into(),
            port: 443,
        };
        let tcp = Probe::Tcp {
            address: address(),
            latency: Levels::default(),
        };
        assert_eq!(
            (question(&tcp).as_str(), limits(&tcp).len()),
            ("connection to [::1]:443", 0)
        );
        let tls = Probe::TlsExpiry {
            address: address(),
            left: levels(None, Some(minute)),
            ca_file: None,
        };
        assert_eq!(limits(&tls), ["critical with less left than 1m"]);
        let http = Probe::Http(Box::new(HttpProbe {
            url: Value::Secret(SecretSource::Env("URL".into())),
            headers: Vec::new(),
            status: vec![200, 204],
            latency: levels(None, Some(minute)),
            json: vec![("/status".into(), "UP".into())],
            ca_file: None,
        }));
        assert_eq!(question(&http), "GET from env URL");
        assert_eq!(
            limits(&http),
            [
                "critical unless the status is 200 or 204",
                "latency: critical from 1m",
                "critical unless /status of the body is \"UP\""
            ]
        );
    }
}
