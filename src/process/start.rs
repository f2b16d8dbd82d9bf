//! From a command to a running process, or to a plain reason why there is none.
//!
//! Takes a [`Spawn`], gives its [`Leader`] and the reading ends of its output, or a [`SpawnError`].
//! The kernel says "no such file" for a missing program, a missing directory and a missing interpreter alike: what
//! it meant is found out afterwards. Invariant: a child has standard input from `/dev/null` or from us, outputs of its own, no
//! descriptor of opsrun, none of its [`SERVICE_VARIABLES`], no blocked signal, and the default SIGPIPE (which the standard library sets).

use super::capture::CaptureLimits;
use super::child_user::{self, ChildUser, ChildUserError};
use super::group::Leader;
use super::line;
use super::orphans::registered;
use super::trace;
use crate::error_chain::with_reason;
use crate::limits;
use crate::path::{Shown, shown};
use crate::user_database::{AccountError, RunAs};
use rustix::fs::Access;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use secrecy::{ExposeSecret, SecretString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::{Receiver, Sender};

/// What a service manager gives to opsrun alone: with it, a child could speak in the name of the service.
const SERVICE_VARIABLES: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

#[derive(Debug, Clone)]
pub struct Spawn {
    /// A path, or a name to be found in `PATH`.
    pub program: String,
    pub arguments: Vec<String>,
    /// Where it runs: absolute.
    pub cwd: PathBuf,
    /// Variables on top of what opsrun itself was given.
    pub env: Vec<(String, SecretString)>,
    /// As whom it runs, if not as opsrun. A user gets few of opsrun's variables: `child_user::KEPT`.
    pub run_as: Option<RunAs>,
    /// What it can read on its standard input; `None` is nothing.
    pub input: Option<Vec<u8>>,
    pub timeout: Option<Duration>,
    pub kill_after: Duration,
    pub streams: Streams,
    /// How much of each output is kept.
    pub keep: CaptureLimits,
    /// Into this file the child writes who it is before its program runs ([`super::GroupTrace`]).
    pub trace: Option<Arc<File>>,
}

impl Spawn {
    /// What was asked to run: the program with its arguments, in one line, as it is typed.
    pub fn line(&self) -> String {
        line::one_line(std::iter::once(&self.program).chain(&self.arguments))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Standard output and error into one, in the order in which they were written.
    Merged,
    Separate,
}

/// A child could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run `{}` in `{}`{}: {why}", Shown(program.as_bytes()), shown(cwd), as_whom(run_as.as_deref()))]
pub struct SpawnError {
    pub program: String,
    pub cwd: PathBuf,
    pub run_as: Option<Box<RunAs>>,
    #[source]
    pub why: SpawnFailure,
}

fn as_whom(run_as: Option<&RunAs>) -> String {
    run_as.map(|run_as| format!(" as {run_as}")).unwrap_or_default()
}

#[derive(Debug, thiserror::Error)]
pub enum SpawnFailure {
    #[error(transparent)]
    User(ChildUserError),
    #[error("the program does not exist")]
    NotFound,
    #[error("the interpreter that its first line names does not exist")]
    NoInterpreter,
    #[error("it is not executable")]
    NotExecutable,
    #[error("it is a directory")]
    IsADirectory,
    #[error("it is not a program that the system can run")]
    NoProgram,
    #[error("the directory does not exist")]
    NoDirectory,
    #[error("it is not a directory")]
    NotADirectory,
    #[error("the directory may not be entered")]
    ClosedDirectory,
    #[error("its arguments and variables are longer than the system allows")]
    TooLong,
    /// Arguments and variables end at a NUL.
    #[error("an argument or a variable contains a NUL byte")]
    Nul,
    #[error("the system cannot start more processes")]
    TooMany,
    /// Of open files.
    #[error("{0}")]
    Limit(String),
    #[error("{}", with_reason(.0))]
    Other(io::Error),
}

impl SpawnError {
    pub fn help(&self) -> &'static str {
        let other_user = self.run_as.as_ref().is_some_and(|run_as| run_as.user.is_some());
        match &self.why {
            SpawnFailure::User(ChildUserError::Account(AccountError::NoUser(_))) => {
                "create the user, or correct `user`"
            }
            SpawnFailure::User(ChildUserError::Account(AccountError::NoGroup(_))) => {
                "create the group, or correct `group`"
            }
            SpawnFailure::User(ChildUserError::Account(_)) => {
                "check the directory service that the system asks for users (`getent passwd`)"
            }
            SpawnFailure::User(ChildUserError::MayNotChange) => {
                "start opsrun as root, or with CAP_SETUID, CAP_SETGID and CAP_KILL; or delete `user` and `group`"
            }
            SpawnFailure::User(ChildUserError::ClosedDirectory) => {
                "let that user enter the directory and those above it, or write a `cwd` that it may enter"
            }
            SpawnFailure::User(ChildUserError::Other(_)) => "look at the limits and the sandbox that opsrun runs in",
            SpawnFailure::NotExecutable if other_user => {
                "let that user read and execute it, and enter the directories above it"
            }
            SpawnFailure::NotFound if self.program.contains('/') => "check the path of the program",
            SpawnFailure::NotFound => {
                "install it, add its directory to PATH where opsrun is started, or write its whole path"
            }
            SpawnFailure::NoInterpreter => "correct the first line of the script (`#!`), or install what it names",
            SpawnFailure::NotExecutable => {
                "make it executable (`chmod +x`); on a file system mounted `noexec`, run it by its interpreter"
            }
            SpawnFailure::IsADirectory => "name the program itself: a file, perhaps one in that directory",
            SpawnFailure::NoProgram => "begin a script with `#!/bin/sh`; a binary must be built for this machine",
            SpawnFailure::NoDirectory | SpawnFailure::NotADirectory => "create the directory, or correct `cwd`",
            SpawnFailure::ClosedDirectory => "let opsrun's user enter the directory, or correct `cwd`",
            SpawnFailure::TooLong => "hand over long values in a file",
            SpawnFailure::Nul => "remove the NUL byte",
            SpawnFailure::TooMany => {
                "run fewer steps at once (`concurrency`), or raise the limit of processes (`ulimit -u`, `TasksMax=` in a systemd \
                 unit, `--pids-limit` of a container)"
            }
            SpawnFailure::Limit(_) => "run fewer steps at once (`concurrency`), or raise the limit",
            SpawnFailure::Other(_) => "run the command by hand in that directory to see more",
        }
    }
}

/// Our ends of its streams.
pub(super) struct Ends {
    /// If it is given something to read.
    pub(super) stdin: Option<Sender>,
    pub(super) stdout: Receiver,
    pub(super) stderr: Option<Receiver>,
}

pub(super) fn error(spawn: &Spawn, why: SpawnFailure) -> SpawnError {
    SpawnError {
        program: spawn.program.clone(),
        cwd: spawn.cwd.clone(),
        run_as: spawn.run_as.clone().map(Box::new),
        why,
    }
}

pub(super) fn start(spawn: &Spawn, user: Option<&ChildUser>) -> Result<(Leader, Ends), SpawnError> {
    try_start(spawn, user).map_err(|cause| {
        let of_user = child_user::why(&cause).map(SpawnFailure::User);
        error(spawn, of_user.unwrap_or_else(|| why(spawn, cause)))
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
fn try_start(spawn: &Spawn, user: Option<&ChildUser>) -> io::Result<(Leader, Ends)> {
    let (stdout, out) = io::pipe()?;
    let (stderr, err) = match spawn.streams {
        Streams::Merged => (None, out.try_clone()?),
        Streams::Separate => io::pipe().map(|(stderr, err)| (Some(stderr), err))?,
    };
    let receiver = |end: io::PipeReader| Receiver::from_owned_fd(OwnedFd::from(end));
    let (given, stdin) = match spawn.input {
        Some(_) => {
            let (given, end) = io::pipe()?;
            (Stdio::from(given), Some(Sender::from_owned_fd(OwnedFd::from(end))?))
        }
        None => (Stdio::null(), None),
    };
    let ends = Ends {
        stdin,
        stdout: receiver(stdout)?,
        stderr: stderr.map(receiver).transpose()?,
    };
    let mut command = Command::new(&spawn.program);
    if let Some(user) = user {
        user.set_variables(&mut command);
    }
    for name in SERVICE_VARIABLES {
        command.env_remove(name);
    }
    command
        .args(&spawn.arguments)
        .current_dir(&spawn.cwd)
        .envs(spawn.env.iter().map(|(name, value)| (name, value.expose_secret())))
        .stdin(given)
        .stdout(out)
        .stderr(err);
    if user.is_some_and(ChildUser::is_another) {
        in_own_session(&mut command);
    } else {
        command.process_group(0);
    }
    if let Some(limits) = limits::open_files_of_children() {
        limited(&mut command, limits);
    }
    if let Some(file) = &spawn.trace {
        traced(&mut command, Arc::clone(file));
    }
    if let Some(user) = user {
        user.take(&mut command, &spawn.cwd)?;
    }
    let child = registered(|| unmasked(|| command.spawn()))?;
    // It holds the writing ends: with them open, no output would ever end.
    drop(command);
    Ok((Leader::new(child)?, ends))
}

/// Starts with these limits of open files. Programs that were made for few open files fail with many.
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
fn limited(command: &mut Command, limits: Rlimit) {
    let limit = move || setrlimit(Resource::Nofile, limits).map_err(io::Error::from);
    // SAFETY: it makes one system call, and neither allocates nor locks.
    unsafe { command.pre_exec(limit) };
}

/// Starts in a session of its own, and so in a group of its own: without a terminal. Through opsrun's terminal another user
/// could type commands (TIOCSTI) that the shell of opsrun's user runs.
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
fn in_own_session(command: &mut Command) {
    let begin = || rustix::process::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: it makes one system call, and neither allocates nor locks.
    unsafe { command.pre_exec(begin) };
}

/// Starts with a trace of the child in this file. Its process group is its own by then.
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
fn traced(command: &mut Command, file: Arc<File>) {
    // SAFETY: it makes system calls, and neither allocates nor locks.
    unsafe { command.pre_exec(move || trace::leave(&file)) };
}

/// Starts with no signal blocked: a child inherits what is, and would be deaf to TERM, or worse. What is blocked
/// here was blocked by the process that started opsrun.
#[expect(unsafe_code, reason = "no crate that is used offers the mask of a thread")]
fn unmasked<T>(start: impl FnOnce() -> T) -> T {
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` makes a set of the memory that it is given, and `pthread_sigmask` reads one set and
    // writes another, each alive and of the right type; neither keeps a pointer.
    let known = unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), before.as_mut_ptr()) == 0
    };
    let started = start();
    if known {
        // SAFETY: `before` was written by the successful call above, and lives until after this one.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    }
    started
}

fn why(spawn: &Spawn, cause: io::Error) -> SpawnFailure {
    if cause.kind() == io::ErrorKind::InvalidInput {
        return SpawnFailure::Nul;
    }
    match Errno::from_io_error(&cause) {
        Some(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => {
            directory(&spawn.cwd).unwrap_or_else(|| program(spawn, cause))
        }
        Some(Errno::NOEXEC) => SpawnFailure::NoProgram,
        Some(Errno::TOOBIG) => SpawnFailure::TooLong,
        Some(Errno::AGAIN) => SpawnFailure::TooMany,
        errno => match errno.and_then(limits::reached) {
            Some(limit) => SpawnFailure::Limit(limit),
            None => SpawnFailure::Other(cause),
        },
    }
}

fn directory(cwd: &Path) -> Option<SpawnFailure> {
    match std::fs::metadata(cwd) {
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Some(SpawnFailure::NoDirectory),
            io::ErrorKind::NotADirectory => Some(SpawnFailure::NotADirectory),
            io::ErrorKind::PermissionDenied => Some(SpawnFailure::ClosedDirectory),
            _ => None,
        },
        Ok(found) if !found.is_dir() => Some(SpawnFailure::NotADirectory),
        Ok(_) => {
            let closed = rustix::fs::access(cwd, Access::EXEC_OK).is_err();
            closed.then_some(SpawnFailure::ClosedDirectory)
        }
    }
}

/// What is wrong with the program, given that the directory is fine.
fn program(spawn: &Spawn, cause: io::Error) -> SpawnFailure {
    // A name alone was looked for elsewhere. A path that is not whole begins where the child does.
    let path = spawn.program.contains('/').then(|| spawn.cwd.join(&spawn.program));
    let path = path.as_deref();
    match Errno::from_io_error(&cause) {
        Some(Errno::NOENT) if path.is_some_and(Path::exists) => SpawnFailure::NoInterpreter,
        Some(Errno::NOENT | Errno::NOTDIR) => SpawnFailure::NotFound,
        Some(Errno::ACCESS) if path.is_some_and(Path::is_dir) => SpawnFailure::IsADirectory,
        Some(Errno::ACCESS) => SpawnFailure::NotExecutable,
        _ => SpawnFailure::Other(cause),
    }
}
