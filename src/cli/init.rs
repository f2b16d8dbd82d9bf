//! `opsrun init`: writes a first ops file, or one made of a crontab.
//!
//! Takes the name of a file that shall be, or `-` for stdout; a crontab from a file, stdin or `crontab -l`. Says on
//! stderr what became of it.
//! Invariant: a file that is there is replaced only with `--force`.

use super::args::InitArgs;
use super::exit::{self, Exit, Failure};
use super::terminal::Terminal;
use crate::config::init::{CrontabOrigin, STARTER, TranslatedCrontab, crontab, names_users};
use crate::config::{self, LoadError};
use crate::launch;
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::units::plural;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

pub fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let translated = match &args.from[..] {
        [] => None,
        [kind, rest @ ..] if kind == OsStr::new("crontab") => {
            let from = rest.first().map(Path::new);
            let text = read(from)?;
            if from.is_some() && !args.system && !args.no_system && names_users(&text, &users()) {
                return Err(Failure::new(
                    Exit::Usage,
                    "the crontab seems to have a column for users: every command begins with one".to_owned(),
                    Some("add --system, as for /etc/crontab, or --no-system when these are programs"),
                ));
            }
            Some(crontab(&text, &here(args.system)))
        }
        [kind, ..] => {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "`{}` is nothing that an ops file can be made of",
                    shown(Path::new(kind))
                ),
                Some("write `--from crontab`, perhaps with the file that holds it"),
            ));
        }
    };
    let text = translated
        .as_ref()
        .map_or(STARTER, |translated| translated.text.as_str());
    if args.file == Path::new("-") {
        output::to_stdout(text)?;
    } else {
        write(&args.file, text, args.force, translated.is_some())?;
    }
    if terminal.detail > Detail::Quiet {
        output::to_stderr(&told(&args.file, translated.as_ref()));
    }
    Ok(Exit::Done.into())
}

/// What is made of a crontab is for its owner alone, until they have read it: no list of secrets is complete.
fn write(file: &Path, text: &str, force: bool, private: bool) -> Result<(), Failure> {
    if force {
        match config::text_of(file) {
            Ok(old) => return Ok(launch::rewrite(file, &old, text.as_bytes())?),
            Err(LoadError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mode = if private { 0o600 } else { 0o666 };
    Ok(launch::write_new(file, text.as_bytes(), mode)?)
}

/// The crontab: of a file, of stdin, or of the user.
fn read(from: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match from {
        None => Ok(launch::crontab(&exit::stop()?)?),
        Some(path) => {
            let stdin = path == Path::new("-");
            let (name, bytes) = if stdin {
                ("stdin".to_owned(), bounded(std::io::stdin().lock()))
            } else {
                (format!("`{}`", shown(path)), File::open(path).and_then(bounded))
            };
            let failure = |message| {
                let help = "name the file that holds the crontab, or `-`";
                Failure::new(Exit::NoInput, message, Some(help).filter(|_| !stdin))
            };
            match bytes {
                Ok(bytes) if bytes.len() as u64 > LONGEST => Err(failure(format!("{name} is longer than 4 MiB"))),
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(failure(format!("cannot read {name}: {error}"))),
            }
        }
    }
}

const LONGEST: u64 = 4 * 1024 * 1024;

/// All, but not more than just beyond the limit.
fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The users of this host by name, as far as its file has them.
fn users() -> Vec<String> {
    let bytes = File::open("/etc/passwd").and_then(bounded).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
    names.chain(["root".to_owned()]).collect()
}

/// What cron knows of this place without being told.
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

/// Of the system: where the link `/etc/localtime` leads.
fn timezone() -> Option<String> {
    let link = std::fs::read_link("/etc/localtime").ok()?;
    let (_, zone) = link.to_str()?.split_once("zoneinfo/")?;
    Some(zone.to_owned())
}

fn told(file: &Path, translated: Option<&TranslatedCrontab>) -> String {
    let to = if file == Path::new("-") {
        String::new()
    } else {
        format!("{}: ", shown(file))
    };
    let Some(done) = translated else {
        return if to.is_empty() {
            to
        } else {
            format!("{to}written; `opsrun check` says whether it is right\n")
        };
    };
    let targets = plural(done.targets as u64, "target", "targets");
    let left = match done.left as u64 {
        0 => String::new(),
        left => format!(", {}", plural(left, "line left as a comment", "lines left as comments")),
    };
    format!("{to}{targets}{left}\n")
}
