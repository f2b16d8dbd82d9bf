//! [`CopyForm`]: the two forms of a copy, an archive or a tree of plain files, and where they differ.
//!
//! Takes copies' names and open destinations, gives content: unpublished, or opened for reading. `write`, `verify` and
//! `restore` write, prove and read archives; `tree_form` does all three for trees.
//! Invariant: the form of a copy comes from its manifest, never from its name.

use super::error::CopyError;
use super::name::CopyName;
use crate::tree::Dir;
use crate::tree::debris::clear_tree;
use crate::tree::draft_tree::TreeDraft;
use crate::tree::publish::{self, DRAFT, Draft};
use std::fs::File;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyForm {
    Archive,
    Tree,
}

impl CopyForm {
    /// File name of the content of the copy `name`.
    pub fn content_name(self, name: &CopyName) -> String {
        match self {
            Self::Archive => name.archive(),
            Self::Tree => name.tree(),
        }
    }
}

/// Content under its temporary name.
#[derive(Debug)]
pub enum UnpublishedContent {
    Archive(Draft),
    Tree(TreeDraft),
}

impl UnpublishedContent {
    pub fn form(&self) -> CopyForm {
        match self {
            Self::Archive(_) => CopyForm::Archive,
            Self::Tree(_) => CopyForm::Tree,
        }
    }

    /// Opens what was written again, by its name.
    pub fn reopen(&self) -> Result<OpenContent, CopyError> {
        Ok(match self {
            Self::Archive(draft) => OpenContent::Archive(draft.reopen()?),
            Self::Tree(draft) => OpenContent::Tree(draft.reopen()?),
        })
    }
}

#[derive(Debug)]
pub enum OpenContent {
    Archive(File),
    /// The topmost directory of a tree.
    Tree(Dir),
}

impl OpenContent {
    /// The content of a committed copy.
    pub fn open(destination: &Dir, name: &CopyName, form: CopyForm) -> Result<Self, CopyError> {
        let own = form.content_name(name);
        Ok(match form {
            CopyForm::Archive => Self::Archive(destination.open_file(own.as_bytes(), true)?),
            CopyForm::Tree => Self::Tree(destination.open_dir(own.as_bytes(), true)?),
        })
    }
}

/// Removes a file or tree of a copy that a run left whose process is gone. Does nothing and returns `false` when another
/// process holds its lock, or when it is not what the name says.
pub fn clear_debris(destination: &Dir, file: &str) -> Result<bool, CopyError> {
    let tree = CopyName::of_file(file).is_some_and(|copy| file.strip_suffix(DRAFT).unwrap_or(file) == copy.tree());
    Ok(if tree {
        clear_tree(destination, file.as_bytes())?
    } else {
        publish::clear_dead_debris(destination, file.as_bytes())?
    })
}
