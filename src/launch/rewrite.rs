//! Changing a file that a person wrote, as they asked: formatting an ops file, mending one, beginning one.
//!
//! Takes a path with the text that was read there and the text that shall stand there. Must not know what either
//! means. Invariant: what comes back as an error left the file as it was.

use super::LaunchError;
use crate::tree::rewrite as tree;
use std::path::Path;

/// Replaces the text `old` at `path` by `new`: whole, durably, under the same owner and mode; a symlink stays one.
/// Refused when `old` does not stand there any more.
pub fn rewrite(path: &Path, old: &[u8], new: &[u8]) -> Result<(), LaunchError> {
    Ok(tree::rewrite(path, old, new)?)
}

/// Makes a new file with this text and of this mode, as far as the user's mask allows it. Refused when something of that name is there.
pub fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<(), LaunchError> {
    Ok(tree::write_new(path, text, mode)?)
}
