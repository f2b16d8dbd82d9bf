//! Reading content from a tree: from the plain file, and hashed.
//!
//! Takes a row of the list, writes its content to an unnamed file and gives its hash. Knows nothing about targets.
//! Invariant: follows no symlink of the tree.

use super::super::content::pour;
use super::super::file_entry::FileEntry;
use super::super::progress::CopyProgress;
use crate::error_chain::error_chain;
use crate::tree::Dir;
use crate::tree::handle::regular;
use crate::tree::place::Unnamed;
use std::io;
use std::os::unix::fs::FileExt;

pub struct TreeReader {
    pub tree: Dir,
}

impl TreeReader {
    /// Writes the content of `row`, a file of its own, to `out`, and gives its hash; `None` when it was asked to stop.
    pub fn content(
        &self,
        row: &FileEntry,
        out: &Unnamed,
        progress: &dyn CopyProgress,
    ) -> Result<Option<[u8; 32]>, String> {
        let dir = self.tree.open_dir(row.path.parent_bytes(), false);
        let file = dir.and_then(|dir| dir.open_file(row.path.name(), false));
        let file = file.map_err(|e| error_chain(&e))?;
        if regular(&file).map_err(|e| e.to_string())?.map(|found| found.size) != Some(row.size) {
            return Err("it is not a file, or its size differs from the list".to_owned());
        }
        let text = |e: io::Error| e.to_string();
        let put = |at: u64, bytes: &[u8]| {
            if progress.stop() {
                return Err("stopped".to_owned());
            }
            out.file.write_all_at(bytes, at).map_err(text)
        };
        match pour(&file, row, progress, text, put)? {
            (hash, true) => Ok(hash),
            (_, false) => Err("it is shorter than in the list".to_owned()),
        }
    }
}
