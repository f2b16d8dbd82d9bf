//! Which processes of opsrun, and which process groups of their commands, are still there.
//!
//! A number of a process says little: it is given again, means another process in another PID namespace, and needs a `/proc`
//! to be looked up. Locks are asked first ([`crate::tree::held_file`]); numbers only where there are none.
//! - [`process_token`]: the process that began a run
//! - [`children`]: commands that work, and what an opsrun that was killed left of them
//! - `system`: this start of the system, and this PID namespace
//!
//! Knows nothing of the database. Invariant: where something cannot be known, the answer says so.

pub mod children;
pub mod process_token;
mod system;

use crate::tree::TreeError;
use crate::tree::handle::Dir;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// A directory in the one of the state, which is there; made where it is missing. The group reads it where it reads the state.
fn place(state_dir: &Path, name: &str) -> Result<Dir, TreeError> {
    let path = state_dir.join(name);
    match Dir::open(&path) {
        Err(e) if e.errno() == Some(rustix::io::Errno::NOENT) => {
            let fail = |e| TreeError::at("make the directory", &path, e);
            let mode = std::fs::metadata(state_dir).map_err(fail)?.mode() & 0o2750;
            match DirBuilder::new().mode(mode).create(&path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(fail(e)),
                _ => Dir::open(&path),
            }
        }
        opened => opened,
    }
}

/// Mode of a file in such a directory.
fn file_mode(dir: &Dir) -> u32 {
    let stat = rustix::fs::fstat(dir);
    if stat.is_ok_and(|stat| stat.st_mode & 0o040 != 0) {
        0o640
    } else {
        0o600
    }
}
