//! Reading content from a tree: from the plain file, and hashed.
//!
//! Takes a row of the list, writes its content to an unnamed file. Knows nothing about targets.
//! Invariant: succeeds only when the content has the hash that the list names; follows no symlink of the tree.

use super::super::content::ContentHash;
use super::super::file_entry::{FileEntry, parse_hex};
use super::super::read_source::read_full;
use crate::error_chain::error_chain;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::regular;
use crate::tree::place::Unnamed;
use std::os::unix::fs::FileExt;

pub struct TreeReader {
    tree: Dir,
}

impl TreeReader {
    pub fn new(tree: Dir) -> Self {
        Self { tree }
    }

    /// Writes the content of `row`, a file of its own, to `out`.
    pub fn content(&self, row: &FileEntry, out: &Unnamed) -> Result<(), String> {
        if !ContentHash::plausible(row) {
            return Err("its data segments in the list are invalid".to_owned());
        }

        let parent = row.path.parent();
        let dir = self
            .tree
            .open_dir(parent.as_ref().map_or(&[], RelPath::as_bytes), false);
        let file = dir
            .and_then(|dir| dir.open_file(row.path.name(), false))
            .map_err(|e| error_chain(&e))?;
        if regular(&file).map_err(|e| e.to_string())?.map(|found| found.size) != Some(row.size) {
            return Err("it is not a file, or its size differs from the list".to_owned());
        }
        let mut hash = ContentHash::new(row);
        let put = |at: u64, bytes: &[u8]| out.file.write_all_at(bytes, at).map_err(|e| e.to_string());
        let most = usize::try_from(row.size).unwrap_or(usize::MAX).min(256 * 1024);
        let mut buffer = vec![0; most];
        for (offset, length) in row.sparse.clone().unwrap_or_else(|| vec![(0, row.size)]) {
            let mut done = 0;
            while done < length {
                let take = usize::try_from(length - done).unwrap_or(usize::MAX).min(most);
                let piece = buffer.get_mut(..take).unwrap_or_default();
                if read_full(&file, piece, offset + done).map_err(|e| e.to_string())? != take {
                    return Err("it is shorter than in the list".to_owned());
                }
                hash.push(piece, put)?;
                done += take as u64;
            }
        }
        if row.sparse.is_some() {
            out.set_len(row.size).map_err(|e| error_chain(&e))?;
        }
        if row.sha256.as_deref().and_then(parse_hex) == Some(hash.finish()) {
            Ok(())
        } else {
            Err("its content in the copy differs from what was read from the source".to_owned())
        }
    }
}
