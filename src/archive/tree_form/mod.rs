//! Copies that are trees of plain files: written, proven and read.
//!
//! The files are at their paths below `<copy>.tree`, so that `cp -a` restores them; list and manifest are beside it, as
//! for an archive. Files unchanged since the newest complete tree may share its data.
//!
//! - `write`: source → unpublished tree; `file_store`: one file of it; `share`: with the previous tree
//! - `prove`: tree → [`Seals`]
//! - `read`: tree → restored content
//! - `attributes`: which modes, owners, times and extended attributes a tree has
//!
//! Invariant: shared files are read back and hashed like all others; nothing recorded earlier is trusted.

mod attributes;
mod file_store;
mod prove;
mod read;
mod share;
mod write;

pub use attributes::gives_owners;
pub use prove::{Proving, Seals, prove};
pub use read::TreeReader;
pub use write::write;
