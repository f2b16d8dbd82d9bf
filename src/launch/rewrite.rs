//! Changing a file that a person wrote: to format, fix or create an ops file.
//!
//! Takes a path with its old and its new text, and does not interpret them.
//! Invariant: after an error the file is as it was.

use super::LaunchError;
use crate::tree::rewrite as tree;
use std::path::Path;

/// Replaces the text `old` at `path` by `new`: whole, durably, under the same owner and mode; a symlink stays one.
/// Refused if the file no longer holds `old`.
pub fn rewrite(path: &Path, old: &[u8], new: &[u8]) -> Result<(), LaunchError> {
    Ok(tree::rewrite(path, old, new)?)
}

/// Makes a new file with this text and of this mode, as far as the user's mask allows it. Refused when something of that name is there.
pub fn write_new(path: &Path, text: &[u8], mode: u32) -> Result<(), LaunchError> {
    Ok(tree::write_new(path, text, mode)?)
}
