//! What a directory can do as a destination, tried before it is one.

use crate::error_chain::error_chain;
use crate::file_system::Abilities;
use crate::tree::{Dir, probe};
use rustix::io::Errno;
use std::path::Path;

/// What the file system of an existing directory can do. `None` when there is no directory, or this user may not write there:
/// nothing is known then. An error says why no copy can be written there.
pub fn try_destination(path: &Path) -> Option<Result<Abilities, String>> {
    match probe::probe(&Dir::open(path).ok()?) {
        Ok(abilities) => Some(Ok(abilities)),
        Err(e) if matches!(e.errno(), Some(Errno::ACCESS | Errno::PERM)) => None,
        Err(e) => Some(Err(error_chain(&e.source))),
    }
}
