//! `opsrun init`: writes a first ops file, or one made of a crontab.
//!
//! Takes the name of a file that shall be, or `-` for stdout; a crontab from a file, stdin or `crontab -l`. Says on
//! stderr what became of it.
//! Invariant: a file that is there is replaced only with `--force`.

use super::args::InitArgs;
use super::exit::{self, Exit, Failure};
use super::terminal::Terminal;
use crate::config::begin::{STARTER, Setting, Translated, crontab};
use crate::config::{self, LoadError};
use crate::launch;
use crate::path::shown;
use crate::report::lines::Detail;
use crate::report::output;
use crate::units::plural;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Runs it.
pub fn run(args: &InitArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let translated = match &args.from[..] {
        [] => None,
        [kind, rest @ ..] if kind == OsStr::new("crontab") => {
            let text = read(rest.first().map(Path::new))?;
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
        write(&args.file, text, args.force)?;
    }
    if terminal.detail > Detail::Quiet {
        output::to_stderr(&told(&args.file, translated.as_ref()));
    }
    Ok(Exit::Done.into())
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    if force {
        match config::text_of(file) {
            Ok(old) => return Ok(launch::rewrite(file, &old, text.as_bytes())?),
            Err(LoadError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(launch::write_new(file, text.as_bytes())?)
}

/// The crontab: of a file, of stdin, or of the user.
fn read(from: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match from {
        None => Ok(launch::crontab(&exit::stop()?)?),
        Some(path) if path == Path::new("-") => {
            let mut text = Vec::new();
            match std::io::stdin().lock().read_to_end(&mut text) {
                Ok(_) => Ok(text),
                Err(error) => Err(Failure::new(Exit::NoInput, format!("cannot read stdin: {error}"), None)),
            }
        }
        Some(path) => std::fs::read(path).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", shown(path));
            Failure::new(
                Exit::NoInput,
                message,
                Some("name the file that holds the crontab, or `-`"),
            )
        }),
    }
}

/// What cron knows of this place without being told.
fn here(system: bool) -> Setting {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let root = rustix::process::getuid().is_root();
    Setting {
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

fn told(file: &Path, translated: Option<&Translated>) -> String {
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
