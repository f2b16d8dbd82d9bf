//! `opsrun init`: writes a first ops file, or converts a crontab.
//!
//! Takes the name of the new file, or `-` for stdout; a crontab from a file, stdin or `crontab -l`. Reports on stderr.
//! Invariant: an existing file is replaced only with `--force`.

use super::args::InitArgs;
use super::exit::{self, Exit, Failure};
use super::terminal::Terminal;
use crate::config::init::{CrontabOrigin, STARTER, TranslatedCrontab, crontab, names_users};
use crate::config::{self, LoadError};
use crate::launch::{self, rewrite, write_new};
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

pub fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let usage = |message, help| Err(Failure::new(Exit::Usage, message, Some(help)));
    let translated = match &args.from[..] {
        [] => None,
        [kind, rest @ ..] if kind == OsStr::new("crontab") => {
            let from = rest.first().map(Path::new);
            let text = read(from)?;
            if from.is_some() && !args.system && !args.no_system && names_users(&text, &users()) {
                return usage(
                    "the crontab seems to have a user column: every command starts with a user name".to_owned(),
                    "add --system, as for /etc/crontab, or --no-system if these are programs",
                );
            }
            Some(crontab(&text, &here(args.system)))
        }
        [kind, ..] => {
            let message = format!("cannot convert `{}`", shown(Path::new(kind)));
            return usage(message, "use `--from crontab`, or `--from crontab FILE`");
        }
    };
    let text = translated.as_ref().map_or(STARTER, |done| done.text.as_str());
    if args.file == Path::new("-") {
        output::to_stdout(text)?;
    } else {
        write(&args.file, text, args.force, translated.is_some())?;
    }
    if terminal.detail > Detail::Quiet {
        output::to_stderr(&summary(&args.file, translated.as_ref()));
    }
    Ok(Exit::Done.into())
}

/// A converted crontab is readable by its owner only, since it may contain a secret that was not recognised.
fn write(file: &Path, text: &str, force: bool, private: bool) -> Result<(), Failure> {
    if force {
        match config::text_of(file) {
            Ok(old) => return Ok(rewrite(file, &old, text.as_bytes())?),
            Err(LoadError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mode = if private { 0o600 } else { 0o666 };
    Ok(write_new(file, text.as_bytes(), mode)?)
}

fn read(from: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(path) = from else {
        return Ok(launch::crontab(&exit::stop()?)?);
    };
    let stdin = path == Path::new("-");
    let (name, bytes) = if stdin {
        ("stdin".to_owned(), bounded(std::io::stdin().lock()))
    } else {
        (format!("`{}`", shown(path)), File::open(path).and_then(bounded))
    };
    let message = match bytes {
        Ok(bytes) if bytes.len() as u64 <= MAX_CRONTAB_BYTES => return Ok(bytes),
        Ok(_) => format!("{name} is larger than 4 MiB"),
        Err(error) => format!("cannot read {name}: {error}"),
    };
    let help = "give the path of the crontab, or `-` for stdin";
    Err(Failure::new(Exit::NoInput, message, Some(help).filter(|_| !stdin)))
}

const MAX_CRONTAB_BYTES: u64 = 4 * 1024 * 1024;

/// Reads one byte more than the limit at most.
fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_CRONTAB_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The users in `/etc/passwd`.
fn users() -> Vec<String> {
    let bytes = File::open("/etc/passwd").and_then(bounded).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
    names.chain(["root".to_owned()]).collect()
}

/// The settings that cron takes from its environment.
fn here(system: bool) -> CrontabOrigin {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let root = rustix::process::getuid().is_root();
    CrontabOrigin {
        users: system,
        user: root
            .then(|| "root".to_owned())
            .or_else(|| variable("LOGNAME"))
            .or_else(|| variable("USER")),
        home: variable("HOME").filter(|_| !system),
        timezone: variable("TZ").or_else(timezone),
    }
}

/// The target of the link `/etc/localtime`.
fn timezone() -> Option<String> {
    let link = std::fs::read_link("/etc/localtime").ok()?;
    let (_, zone) = link.to_str()?.split_once("zoneinfo/")?;
    Some(zone.to_owned())
}

fn summary(file: &Path, translated: Option<&TranslatedCrontab>) -> String {
    let stdout = file == Path::new("-");
    let to = if stdout {
        String::new()
    } else {
        format!("{}: ", shown(file))
    };
    let Some(done) = translated else {
        let written = format!("{to}written; to validate it, run `opsrun check`\n");
        return if stdout { String::new() } else { written };
    };
    let targets = plural(done.targets as u64, "target", "targets");
    let left = match done.left as u64 {
        0 => String::new(),
        left => format!(", {}", plural(left, "line kept as a comment", "lines kept as comments")),
    };
    format!("{to}{targets}{left}\n")
}
