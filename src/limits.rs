//! Limits that the system sets on this process: open files, threads, the size of files.
//!
//! Takes an error, gives the limit that caused it, by the names that people know. Raises the limit of open files where the
//! system allows that.
//! Invariant: children start with the limits that opsrun was started with.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

/// Open files that a run needs besides its locks, generously.
pub const FILES_OF_A_RUN: u64 = 512;

/// Open files without which no run is begun: enough for a backup with its verification, and for a command.
const MIN_FILES: usize = 48;

/// Open files that are missing when something that needs a few of them has failed.
const FEW_FILES: usize = 8;

/// The limits of open files at the start, once they were raised.
static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// Raises the limit of open files to what is needed, as far as the system allows. If it does not, what cannot be opened
/// reports it.
pub fn raise_open_files(needed: u64) {
    let limits = limits_of(Resource::Nofile);
    if limits.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(limits.maximum.map_or(needed, |most| most.min(needed)));
    INHERITED.get_or_init(|| limits);
    let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limits });
}

/// The limits of open files that a child is to have; `None` when it inherits them anyway.
pub fn open_files_of_children() -> Option<Rlimit> {
    INHERITED.get().copied()
}

/// Why there are too few open files for any run; `None` when there are enough.
pub fn too_few_files() -> Option<String> {
    let missing = !can_open(MIN_FILES);
    missing.then(|| format!("{}; opsrun needs {MIN_FILES} more than it has open", open_files()))
}

/// True when the limit of open files is reached, or nearly: what failed has closed its own again.
pub fn is_out_of_files() -> bool {
    !can_open(FEW_FILES)
}

/// How many files may be open at once; `None` when that is not limited.
pub fn max_open_files() -> Option<u64> {
    limits_of(Resource::Nofile).current
}

/// True when files have a limit of size, whatever their file system allows.
pub fn has_file_size() -> bool {
    limits_of(Resource::Fsize).current.is_some()
}

/// The limit that made a call fail, with its names.
pub fn reached(errno: Errno) -> Option<String> {
    match errno {
        Errno::MFILE => Some(open_files()),
        Errno::NFILE => Some("the limit of open files of the whole system is reached (`fs.file-max`)".to_owned()),
        Errno::FBIG => {
            let size = limits_of(Resource::Fsize).current?;
            Some(format!(
                "files are limited to {size} bytes (`ulimit -f`, `LimitFSIZE=` in a systemd unit)"
            ))
        }
        _ => None,
    }
}

/// What is wrong when no thread can be started.
pub fn no_thread(error: &io::Error) -> String {
    if !matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::NOMEM)) {
        return format!("no thread could be started: {error}");
    }
    format!(
        "no thread could be started: {error}: raise the limit of processes and threads (`ulimit -u`, `TasksMax=` in a systemd \
         unit, `--pids-limit` of a container) or of memory"
    )
}

fn open_files() -> String {
    let most = max_open_files();
    let most = most.map_or_else(|| "few".to_owned(), |most| most.to_string());
    format!("open files are limited to {most} (`ulimit -n`, `LimitNOFILE=` in a systemd unit)")
}

/// False when the limit of open files does not allow so many more. Another failure says nothing about it.
fn can_open(count: usize) -> bool {
    let open = || {
        let one = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
        let more = (1..count).map(|_| rustix::io::fcntl_dupfd_cloexec(&one, 0));
        more.collect::<Result<Vec<OwnedFd>, Errno>>()
    };
    !matches!(open(), Err(Errno::MFILE | Errno::NFILE))
}

/// Not by `rustix`, which expects that the question is always allowed: a sandbox may refuse it. Then there is no limit.
#[expect(unsafe_code, reason = "no crate in use asks without a panic")]
fn limits_of(resource: Resource) -> Rlimit {
    let mut found = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    let which = match resource {
        Resource::Fsize => libc::RLIMIT_FSIZE,
        _ => libc::RLIMIT_NOFILE,
    };
    // SAFETY: it writes to this place or nothing, and keeps no pointer.
    let _ = unsafe { libc::getrlimit(which, &raw mut found) };
    let finite = |limit: libc::rlim_t| (limit != libc::RLIM_INFINITY).then_some(limit);
    Rlimit {
        current: finite(found.rlim_cur),
        maximum: finite(found.rlim_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_its_names() {
        assert!(reached(Errno::MFILE).is_some_and(|why| why.contains("`ulimit -n`") && why.contains("LimitNOFILE=")));
        assert!(reached(Errno::NFILE).is_some_and(|why| why.contains("fs.file-max")));
        assert_eq!(reached(Errno::NOENT), None);
        assert!(no_thread(&Errno::AGAIN.into()).contains("`ulimit -u`"));
        assert_eq!(too_few_files(), None);
        assert!(!is_out_of_files());
    }
}
