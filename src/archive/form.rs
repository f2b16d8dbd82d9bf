//! [`Form`]: the two forms of a copy, an archive or a tree of plain files, and where they must be told apart.
//!
//! Takes copies' names and open destinations, gives content: unpublished, or opened for reading. How content is
//! written, proven and read is in `write`, `verify` and `restore` for archives, in `tree_form` for trees.
//! Invariant: nobody asks a name what form a copy has; its manifest says so.

use super::error::CopyError;
use super::name::CopyName;
use crate::tree::Dir;
use crate::tree::debris::clear_tree;
use crate::tree::draft_tree::TreeDraft;
use crate::tree::publish::{self, DRAFT, Draft};
use std::fs::File;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Archive,
    Tree,
}

impl Form {
    /// What the content of the copy `name` is called in its destination.
    #[must_use]
    pub fn content_name(self, name: &CopyName) -> String {
        match self {
            Self::Archive => name.archive(),
            Self::Tree => name.tree(),
        }
    }
}

/// Content under its temporary name.
#[derive(Debug)]
pub enum Unpublished {
    Archive(Draft),
    Tree(TreeDraft),
}

impl Unpublished {
    pub fn form(&self) -> Form {
        match self {
            Self::Archive(_) => Form::Archive,
            Self::Tree(_) => Form::Tree,
        }
    }

    /// Opens what was written anew, by its name.
    pub fn reopen(&self) -> Result<Content, CopyError> {
        Ok(match self {
            Self::Archive(draft) => Content::Archive(draft.reopen()?),
            Self::Tree(draft) => Content::Tree(draft.reopen()?),
        })
    }

    pub fn publish(self) -> Result<(), CopyError> {
        match self {
            Self::Archive(draft) => drop(draft.publish()?),
            Self::Tree(draft) => draft.publish()?,
        }
        Ok(())
    }
}

#[derive(Debug)]
pub enum Content {
    Archive(File),
    /// The topmost directory of a tree.
    Tree(Dir),
}

impl Content {
    /// The content of a committed copy.
    pub fn open(destination: &Dir, name: &CopyName, form: Form) -> Result<Self, CopyError> {
        let own = form.content_name(name);
        Ok(match form {
            Form::Archive => Self::Archive(destination.open_file(own.as_bytes(), true)?),
            Form::Tree => Self::Tree(destination.open_dir(own.as_bytes(), true)?),
        })
    }
}

/// Removes one of the files, or the tree, that a run cut short left of a copy. Does nothing and says `false` when
/// somebody holds its lock, or when what stands there is not what the name says.
pub fn clear_debris(destination: &Dir, file: &str) -> Result<bool, CopyError> {
    let tree = CopyName::of_file(file).is_some_and(|copy| file.strip_suffix(DRAFT).unwrap_or(file) == copy.tree());
    Ok(if tree {
        clear_tree(destination, file.as_bytes())?
    } else {
        publish::clear_debris(destination, file.as_bytes())?
    })
}
