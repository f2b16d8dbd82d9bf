//! The form of a copy that is a tree of plain files: written, proven and read.
//!
//! The files stand at their paths below `<copy>.tree`, so that `cp -a` restores them; list and manifest stand beside
//! it as they do beside an archive. What did not change since the newest complete tree may share its data.
//!
//! - `write`: source → unpublished tree; `file`: one file of it; `share`: with the tree before
//! - `prove`: tree → [`Seals`]
//! - `read`: tree → restored content
//! - `attributes`: what of mode, owner, time and extended attributes a tree carries
//!
//! Invariant: what is shared is read back and hashed like all the rest; nothing recorded earlier is taken for true.

mod attributes;
mod file;
mod prove;
mod read;
mod share;
mod write;

pub use prove::{Proving, Seals, prove};
pub use read::TreeReader;
pub use write::write;
