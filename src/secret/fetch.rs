//! Fetching a secret from where it is.
//!
//! Takes a [`SecretSource`], gives its text, or a [`SecretError`] that names the source and never holds anything
//! that came from it. Every fetch has a time limit.
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

const MAX_SECRET_BYTES: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to end after the timeout.
const KILL_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("cannot fetch the secret from {from}: {why}")]
pub struct SecretError {
    /// Where it should come from: the variable, the file, the command.
    pub from: String,
    #[source]
    pub why: SecretErrorReason,
}

/// Why a secret could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SecretErrorReason {
    #[error("it is not set")]
    Unset,
    #[error("it is empty")]
    Empty,
    #[error("it contains a NUL byte")]
    Nul,
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("it is longer than 64 KiB")]
    TooLong,
    #[error("it is not a regular file")]
    NotFile,
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    NotStarted(SpawnError),
    #[error("{0}")]
    Ended(Ending),
    #[error("opsrun was asked to stop")]
    Stopped,
}

impl SecretError {
    pub fn help(&self) -> &'static str {
        use SecretErrorReason as Reason;
        match &self.why {
            Reason::Unset => "set the variable where opsrun starts; services and cron jobs have their own environment",
            Reason::Empty => "store the secret there",
            Reason::Nul | Reason::NotText => "store the secret as text; encode binary data, for example in base64",
            Reason::TooLong => "check the source: a secret has at most 64 KiB",
            Reason::NotFile => "use the file that contains the secret",
            Reason::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "create the file, readable only by the user of opsrun, or fix `from-file`"
            }
            Reason::Unreadable(error) if error.kind() == io::ErrorKind::TimedOut => "check its file system",
            Reason::Unreadable(_) => "make the file readable for the user of opsrun",
            Reason::NotStarted(error) => error.help(),
            Reason::Ended(Ending::TimedOut(..)) => "the command has 30 s; make sure that it does not wait for input",
            Reason::Ended(Ending::Exited(0)) => "the command must print the secret on standard output",
            Reason::Stopped => "run it again",
            Reason::Ended(_) => "run the command by hand as the user of opsrun; it must exit with code 0",
        }
    }

    /// True when it was not fetched because opsrun was asked to stop.
    pub fn is_stop(&self) -> bool {
        matches!(
            self.why,
            SecretErrorReason::Stopped | SecretErrorReason::Ended(Ending::Stopped(_))
        )
    }
}

/// The source, for people.
pub(super) fn named(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("the variable `{}`", Shown(name.as_bytes())),
        SecretSource::File(path) => format!("the file `{}`", shown(path)),
        SecretSource::Command(words, cwd) => format!("the command `{}`", asking(words, cwd).line()),
    }
}

pub(super) async fn fetch(source: &SecretSource, stop: &Stop) -> Result<SecretString, SecretError> {
    match source {
        SecretSource::Env(name) => variable(name),
        SecretSource::File(path) => content(path, stop).await.and_then(secret).map_err(|why| SecretError {
            from: named(source),
            why,
        }),
        SecretSource::Command(words, cwd) => {
            let spawn = asking(words, cwd);
            let printed = command(&spawn, stop).await;
            printed.and_then(secret).map_err(|why| SecretError {
                from: named(source),
                why,
            })
        }
    }
}

pub(super) fn variable(name: &str) -> Result<SecretString, SecretError> {
    std::env::var_os(name)
        .ok_or(SecretErrorReason::Unset)
        .map(OsString::into_vec)
        .and_then(checked)
        .map_err(|why| SecretError {
            from: named(&SecretSource::Env(name.to_owned())),
            why,
        })
}

/// The content of a file; a file system that hangs gets no more time than a command.
async fn content(path: &Path, stop: &Stop) -> Result<Vec<u8>, SecretErrorReason> {
    let about = shown(path).to_string();
    let read = blocking::call(&about, {
        let path = path.to_owned();
        move || file(&path)
    });
    tokio::select! {
        biased;
        () = stop.wait() => Err(SecretErrorReason::Stopped),
        read = tokio::time::timeout(TIMEOUT, read) => match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => Err(SecretErrorReason::Unreadable(io::Error::other(error))),
            Err(_) => Err(SecretErrorReason::Unreadable(io::ErrorKind::TimedOut.into())),
        },
    }
}

fn file(path: &Path) -> Result<Vec<u8>, SecretErrorReason> {
    // Opening a pipe without a writer would wait forever.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(nonblock);
    let file = options.open(path).map_err(SecretErrorReason::Unreadable)?;
    if !file.metadata().map_err(SecretErrorReason::Unreadable)?.is_file() {
        return Err(SecretErrorReason::NotFile);
    }
    let mut bytes = Vec::new();
    // Room for the end of the line, which does not count, and one byte more to see that the file is too long.
    file.take(MAX_SECRET_BYTES as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(SecretErrorReason::Unreadable)?;
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
        run_as: None,
        input: None,
        timeout: Some(TIMEOUT),
        kill_after: KILL_AFTER,
        streams: Streams::Separate,
        keep: CaptureLimits {
            head: MAX_SECRET_BYTES + 2,
            tail: 0,
        },
        trace: None,
    }
}

async fn command(spawn: &Spawn, stop: &Stop) -> Result<Vec<u8>, SecretErrorReason> {
    let done = process::run(spawn, &Unsifted, stop)
        .await
        .map_err(SecretErrorReason::NotStarted)?;
    match done.ending {
        Ending::Exited(0) if done.stdout.dropped > 0 => Err(SecretErrorReason::TooLong),
        Ending::Exited(0) => Ok(done.stdout.head),
        other => Err(SecretErrorReason::Ended(other)),
    }
}

fn secret(mut bytes: Vec<u8>) -> Result<SecretString, SecretErrorReason> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    checked(bytes)
}

fn checked(bytes: Vec<u8>) -> Result<SecretString, SecretErrorReason> {
    if bytes.is_empty() {
        Err(SecretErrorReason::Empty)
    } else if bytes.len() > MAX_SECRET_BYTES {
        Err(SecretErrorReason::TooLong)
    } else if bytes.contains(&0) {
        Err(SecretErrorReason::Nul)
    } else {
        // The error would hold the bytes.
        String::from_utf8(bytes)
            .map(SecretString::from)
            .map_err(|_| SecretErrorReason::NotText)
    }
}
