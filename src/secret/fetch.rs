//! Fetching a secret from where it is.
//!
//! Takes a [`SecretSource`], gives its text, or a [`SecretError`] that names the source and never holds anything
//! that came from it. Nothing that hangs holds anybody up.
//! Invariant: a secret is a text that is not empty and holds no NUL.

use crate::blocking;
use crate::model::SecretSource;
use crate::path::{Shown, shown};
use crate::process::{self, CaptureLimits, Ending, Spawn, SpawnError, Streams, Unsifted};
use crate::signal::Stop;
use secrecy::SecretString;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

const LONGEST: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
/// What it may take to end when it took too long.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// A secret could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch the secret from {from}: {why}")]
pub struct SecretError {
    /// Where it should come from: the variable, the file, the command.
    pub from: String,
    #[source]
    pub why: Why,
}

/// Why a secret could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// There is no such variable.
    #[error("it is not set")]
    Unset,
    #[error("it is empty")]
    Empty,
    #[error("it contains a NUL byte")]
    Nul,
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NoText,
    /// More than 64 KiB.
    #[error("it is longer than 64 KiB")]
    TooLong,
    #[error("it is not a regular file")]
    NoFile,
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The command cannot be started.
    #[error(transparent)]
    NotStarted(SpawnError),
    #[error("{0}")]
    Ended(Ending),
    #[error("opsrun was told to stop")]
    Stopped,
}

impl SecretError {
    #[must_use]
    pub fn help(&self) -> &'static str {
        match &self.why {
            Why::Unset => {
                "set the variable where opsrun is started; a service or a cron job has an environment of its own"
            }
            Why::Empty => "put the secret there",
            Why::Nul | Why::NoText => "store the secret as text; encode binary data, for example in base64",
            Why::TooLong => "check that it is the right one: a secret has at most 64 KiB",
            Why::NoFile => "name the file that holds the secret",
            Why::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "create the file, readable for opsrun's user only, or correct `from-file`"
            }
            Why::Unreadable(error) if error.kind() == io::ErrorKind::TimedOut => "check the file system that it is on",
            Why::Unreadable(_) => "let opsrun's user read the file",
            Why::NotStarted(error) => error.help(),
            Why::Ended(Ending::TimedOut(..)) => "the command has 30 s; make sure that it does not wait for input",
            Why::Ended(Ending::Exited(0)) => "the command must print the secret on standard output",
            Why::Stopped => "run it again",
            Why::Ended(_) => "run the command by hand as opsrun's user; it must exit with code 0",
        }
    }

    /// True when it was not fetched because opsrun was told to stop.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self.why, Why::Stopped | Why::Ended(Ending::Stopped(_)))
    }
}

pub(super) async fn fetch(source: &SecretSource, stop: &Stop) -> Result<SecretString, SecretError> {
    match source {
        SecretSource::Env(name) => variable(name),
        SecretSource::File(path) => content(path, stop).await.and_then(secret).map_err(|why| SecretError {
            from: format!("the file `{}`", shown(path)),
            why,
        }),
        SecretSource::Command(words, cwd) => {
            let spawn = asking(words, cwd);
            let printed = command(&spawn, stop).await;
            printed.and_then(secret).map_err(|why| SecretError {
                from: format!("the command `{}`", spawn.line()),
                why,
            })
        }
    }
}

pub(super) fn variable(name: &str) -> Result<SecretString, SecretError> {
    std::env::var_os(name)
        .ok_or(Why::Unset)
        .map(OsString::into_vec)
        .and_then(checked)
        .map_err(|why| SecretError {
            from: format!("the variable `{}`", Shown(name.as_bytes())),
            why,
        })
}

/// What a file holds; a file system that hangs holds nobody up for longer than a command may.
async fn content(path: &Path, stop: &Stop) -> Result<Vec<u8>, Why> {
    let about = shown(path).to_string();
    let read = blocking::call(&about, {
        let path = path.to_owned();
        move || file(&path)
    });
    tokio::select! {
        biased;
        () = stop.wait() => Err(Why::Stopped),
        read = tokio::time::timeout(TIMEOUT, read) => match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => Err(Why::Unreadable(io::Error::other(error))),
            Err(_) => Err(Why::Unreadable(io::ErrorKind::TimedOut.into())),
        },
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Why> {
    // A pipe without a writer would keep us for ever.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(nonblock);
    let file = options.open(path).map_err(Why::Unreadable)?;
    if !file.metadata().map_err(Why::Unreadable)?.is_file() {
        return Err(Why::NoFile);
    }
    let mut bytes = Vec::new();
    // Room for the end of the line, which does not count, and a byte that shows that there is more.
    file.take(LONGEST as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(Why::Unreadable)?;
    Ok(bytes)
}

fn asking(words: &[String], cwd: &Path) -> Spawn {
    let (program, arguments) = words
        .split_first()
        .map_or_else(Default::default, |(program, rest)| (program.clone(), rest.to_vec()));
    Spawn {
        program,
        arguments,
        cwd: cwd.to_owned(),
        env: Vec::new(),
        input: None,
        timeout: Some(TIMEOUT),
        kill_after: KILL_AFTER,
        streams: Streams::Separate,
        keep: CaptureLimits {
            head: LONGEST + 2,
            tail: 0,
        },
    }
}

async fn command(spawn: &Spawn, stop: &Stop) -> Result<Vec<u8>, Why> {
    let done = process::run(spawn, &Unsifted, stop).await.map_err(Why::NotStarted)?;
    match done.ending {
        Ending::Exited(0) if done.stdout.dropped > 0 => Err(Why::TooLong),
        Ending::Exited(0) => Ok(done.stdout.head),
        other => Err(Why::Ended(other)),
    }
}

fn secret(mut bytes: Vec<u8>) -> Result<SecretString, Why> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    checked(bytes)
}

fn checked(bytes: Vec<u8>) -> Result<SecretString, Why> {
    if bytes.is_empty() {
        Err(Why::Empty)
    } else if bytes.len() > LONGEST {
        Err(Why::TooLong)
    } else if bytes.contains(&0) {
        Err(Why::Nul)
    } else {
        // The error would hold the bytes.
        String::from_utf8(bytes)
            .map(SecretString::from)
            .map_err(|_| Why::NoText)
    }
}
