//! [`CopyReader`]: reads content from a copy of either form.
//!
//! Takes rows of the list, says which are best read together, and writes their content to unnamed files.
//! Invariant: succeeds only when the content has the hash that the list names.

use super::super::catalogue::CatalogueCopy;
use super::super::content::ContentHash;
use super::super::error::CopyError;
use super::super::file_entry::FileEntry;
use super::super::form::OpenContent;
use super::super::gzip_member::MEMBER_SIZE;
use super::super::pipeline::MAX_BATCH_ENTRIES;
use super::super::progress::CopyProgress;
use super::super::tree_form::TreeReader;
use super::archive::ArchiveReader;
use crate::error_chain::error_chain;
use crate::tree::Dir;
use crate::tree::place::Unnamed;

pub enum CopyReader<'a> {
    Archive(ArchiveReader<'a>),
    Tree(TreeReader),
}

impl<'a> CopyReader<'a> {
    pub fn open(destination: &Dir, copy: &'a CatalogueCopy) -> Result<Self, CopyError> {
        Ok(
            match OpenContent::open(destination, &copy.name, copy.manifest.form())? {
                OpenContent::Archive(archive) => Self::Archive(ArchiveReader {
                    archive,
                    name: copy.name.archive(),
                    manifest: &copy.manifest,
                }),
                OpenContent::Tree(tree) => Self::Tree(TreeReader { tree }),
            },
        )
    }

    /// True when `row` is a batch of its own.
    pub fn alone(&self, row: &FileEntry) -> bool {
        match self {
            Self::Archive(reader) => reader.spans(row),
            Self::Tree(_) => row.stored() >= MEMBER_SIZE as u64,
        }
    }

    /// True when `row` is best read in one batch with `before`.
    pub fn joins(&self, before: &[FileEntry], row: &FileEntry) -> bool {
        match self {
            Self::Archive(_) => before.first().is_none_or(|first| first.member == row.member),
            Self::Tree(_) => before.len() < MAX_BATCH_ENTRIES,
        }
    }

    /// What is read once for a whole batch, whose first row is `row`.
    pub fn ahead(&self, row: &FileEntry) -> Result<Vec<u8>, String> {
        match self {
            Self::Archive(reader) => reader.member(row.member),
            Self::Tree(_) => Ok(Vec::new()),
        }
    }

    /// Writes the content of `row` to `out`; `ahead` comes from [`Self::ahead`].
    pub fn content(
        &self,
        row: &FileEntry,
        ahead: &[u8],
        out: &Unnamed,
        progress: &dyn CopyProgress,
    ) -> Result<(), String> {
        if !ContentHash::plausible(row) {
            return Err("its size or its data segments in the list are invalid".to_owned());
        }
        if row.sparse.is_some() {
            // First: a size that the file system cannot store is refused before anything is read.
            out.set_len(row.size).map_err(|e| error_chain(&e))?;
        }
        let (hash, place) = match self {
            Self::Archive(reader) => (reader.content(row, ahead, out, progress)?, "archive"),
            Self::Tree(reader) => (reader.content(row, out, progress)?, "copy"),
        };
        match hash {
            None => Err("stopped".to_owned()),
            hash if row.hash() == hash => Ok(()),
            Some(_) => Err(format!(
                "its content in the {place} differs from what was read from the source"
            )),
        }
    }
}
