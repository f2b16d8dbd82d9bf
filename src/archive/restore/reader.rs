//! [`Reader`]: content out of a copy, whatever its form.
//!
//! Takes rows of the list, says which are best read together, and gives their content to unnamed files.
//! Invariant: succeeds only when the content has the hash that the list names.

use super::super::catalogue::CatalogueCopy;
use super::super::error::CopyError;
use super::super::form::Content;
use super::super::member::CUT;
use super::super::row::Row;
use super::super::tree_form::TreeReader;
use super::archive::ArchiveReader;
use crate::tree::Dir;
use crate::tree::place::Unnamed;

/// The most files of a tree that one worker takes at a time.
const TOGETHER: usize = 64;

pub enum Reader<'a> {
    Archive(ArchiveReader<'a>),
    Tree(TreeReader),
}

impl<'a> Reader<'a> {
    pub fn open(destination: &Dir, copy: &'a CatalogueCopy) -> Result<Self, CopyError> {
        Ok(match Content::open(destination, &copy.name, copy.manifest.form())? {
            Content::Archive(archive) => Self::Archive(ArchiveReader {
                archive,
                name: copy.name.archive(),
                manifest: &copy.manifest,
            }),
            Content::Tree(tree) => Self::Tree(TreeReader::new(tree)),
        })
    }

    /// True when `row` is a piece of work of its own.
    pub fn alone(&self, row: &Row) -> bool {
        match self {
            Self::Archive(reader) => reader.spans(row),
            Self::Tree(_) => row.stored() >= CUT as u64,
        }
    }

    /// True when `row` is best read after `before`, in one go.
    pub fn joins(&self, before: &[Row], row: &Row) -> bool {
        match self {
            Self::Archive(_) => before.first().is_none_or(|first| first.member == row.member),
            Self::Tree(_) => before.len() < TOGETHER,
        }
    }

    /// What is read once for all rows that are read together, the first of which is `row`.
    pub fn ahead(&self, row: &Row) -> Result<Vec<u8>, String> {
        match self {
            Self::Archive(reader) => reader.member(row.member),
            Self::Tree(_) => Ok(Vec::new()),
        }
    }

    /// Writes the content of `row` to `out`, given what was read ahead.
    pub fn content(&self, row: &Row, ahead: &[u8], out: &Unnamed<'_>) -> Result<(), String> {
        match self {
            Self::Archive(reader) => reader.content(row, ahead, out),
            Self::Tree(reader) => reader.content(row, out),
        }
    }
}
