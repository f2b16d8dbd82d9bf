//! Which process serves an ops file, and where it keeps the state.
//!
//! `serve` holds a shared lock on the ops file itself: that needs no place to write, follows the file into containers, and
//! is gone with the process. Who holds it, and the database that it has open, is in `/proc`.
//! Invariant: without the lock nothing is served, whatever `/proc` shows. Another program's lock is not a daemon's.

use crate::path::shown;
use crate::store::FILE_NAME;
use crate::tree::lock::{self, Lock, Patience};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another command may hold the lock that it asks with.
const ASKING: Duration = Duration::from_millis(500);

/// A process that serves an ops file with another state than this one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherServer {
    pub file: PathBuf,
    /// `None` where it is not visible: another user's, or in another container.
    pub pid: Option<u32>,
    pub state: Option<PathBuf>,
}

impl fmt::Display for OtherServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => write!(f, "another process")?,
        }
        write!(f, " serves `{}` with another state", shown(&self.file))?;
        match &self.state {
            Some(state) => write!(f, ", in `{}`", shown(state)),
            None => Ok(()),
        }
    }
}

impl OtherServer {
    pub fn help(&self) -> String {
        match &self.state {
            Some(state) => format!("to use its state, add `--state-dir {}`", shown(state)),
            None => "as root, this command shows where its state is; it may also be in another container".to_owned(),
        }
    }
}

/// Held while this process serves a file.
#[derive(Debug)]
pub struct ServerMark {
    _lock: Lock,
}

/// In the directory of a state: locked while a process serves with it.
const MARK: &str = "served";

/// Marks the file as served by this process. `None` where the file system has no locks.
pub fn mark(file: &Path) -> Option<ServerMark> {
    let lock = lock::share_file(file, within(ASKING)).ok()?;
    Some(ServerMark { _lock: lock })
}

/// Marks a state as the one of a process that serves.
pub fn mark_state(dir: &Path) -> Option<ServerMark> {
    let path = dir.join(MARK);
    let made = OpenOptions::new().create(true).append(true).mode(0o644).open(&path);
    made.ok().and_then(|_| mark(&path))
}

fn within(wait: Duration) -> Patience<'static> {
    Patience { wait, stop: &|| false }
}

/// The process that serves this file with another state than the one in `state_dir`.
pub fn elsewhere(file: &Path, state_dir: &Path) -> Option<OtherServer> {
    // At once: mostly nothing serves it, or a process that can be seen.
    if !lock::is_locked(file, within(Duration::ZERO)).ok()? {
        return None;
    }
    let found = fs::metadata(file).ok()?;
    let own = fs::canonicalize(state_dir).ok();
    let (mut known, mut hidden) = (false, None);
    for pid in processes() {
        match Process::look(pid, (found.dev(), found.ino())) {
            Process::Serves(Some(state)) if own.as_ref() == Some(&state) => known = true,
            Process::Serves(state) => {
                let (file, pid) = (file.to_owned(), Some(pid));
                return Some(OtherServer { file, pid, state });
            }
            Process::LocksOnly => known = true,
            Process::Hidden => hidden = hidden.or(Some(pid)),
            Process::Unrelated => {}
        }
    }
    if known || lock::is_locked(&state_dir.join(MARK), within(Duration::ZERO)).unwrap_or(false) {
        return None;
    }
    // Another command may have held the lock for a moment, to ask as this one does.
    if !lock::is_locked(file, within(ASKING)).ok()? {
        return None;
    }
    let file = file.to_owned();
    Some(OtherServer {
        file,
        pid: hidden,
        state: None,
    })
}

/// What a process has to do with an ops file.
enum Process {
    /// With the directory of the state that it has open.
    Serves(Option<PathBuf>),
    /// Another program, or a command that asks.
    LocksOnly,
    /// An opsrun of another user.
    Hidden,
    Unrelated,
}

impl Process {
    fn look(pid: u32, file: (u64, u64)) -> Self {
        let base = PathBuf::from(format!("/proc/{pid}"));
        let is_opsrun = || fs::read(base.join("comm")).is_ok_and(|name| name.starts_with(b"opsrun"));
        let Ok(open) = fs::read_dir(base.join("fd")) else {
            return if is_opsrun() { Self::Hidden } else { Self::Unrelated };
        };
        let (mut locks, mut state) = (false, None);
        for fd in open.flatten() {
            let path = fd.path();
            let same = fs::metadata(&path).is_ok_and(|found| (found.dev(), found.ino()) == file);
            if same {
                let info = fs::read_to_string(base.join("fdinfo").join(fd.file_name())).unwrap_or_default();
                locks |= info
                    .lines()
                    .any(|line| line.starts_with("lock:") && line.contains(" FLOCK "));
            }
            let target = fs::read_link(&path).unwrap_or_default();
            if target.file_name().is_some_and(|name| name == FILE_NAME) {
                state = target.parent().map(Path::to_owned);
            }
        }
        match (locks, state) {
            (false, _) => Self::Unrelated,
            (true, None) if !is_opsrun() => Self::LocksOnly,
            (true, state) => Self::Serves(state),
        }
    }
}

/// Every process but this one.
fn processes() -> impl Iterator<Item = u32> {
    let own = std::process::id();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(move |pid| *pid != own)
}
