//! Copies: written, read back, published, listed, restored.
//!
//! Takes listed entries and open directories, gives committed copies and proofs of what they hold. Knows nothing
//! about jobs, plans or retentions.
//!
//! A copy is an archive or a tree of plain files ([`form`]); list, manifest, receipt and guarantees are the same.
//!
//! | step | files |
//! |---|---|
//! | source → copy | [`mod@write`], [`job`], `read_source` (files may change), `pipeline` (many cores, one order) |
//! | what is stored | [`manifest`], [`left_out`], [`top_directory`], [`file_entry`], `attributes`, `posix_acl`, `file_list`, `header` (tar), `gzip_member`, [`name`] |
//! | copy → proof | [`mod@verify`], `content` |
//! | copy → files | [`mod@restore`] |
//! | all three for trees | `tree_form` |
//! | beside the copies | [`receipt`], [`catalogue`], `destination`, [`writer`] (whose copies) |
//!
//! Invariant: a copy counts only once its manifest has its final name; it gets that name only after every byte was
//! read back.

mod attributes;
pub mod catalogue;
mod content;
mod destination;
mod error;
pub mod file_entry;
mod file_list;
pub mod form;
mod gzip_member;
mod header;
pub mod job;
pub mod left_out;
pub mod manifest;
pub mod name;
mod pipeline;
mod posix_acl;
pub mod progress;
mod read_source;
pub mod receipt;
pub mod restore;
pub mod top_directory;
mod tree_form;
pub mod verify;
pub mod write;
pub mod writer;

pub use catalogue::{Catalogue, CatalogueCopy, MARKER, Marker, locate, rows};
pub use destination::try_destination;
pub use error::CopyError;
pub use file_entry::{Evidence, FileEntry, parse_hex};
pub use file_list::FileEntries;
pub use form::{CopyForm, clear_debris};
pub use job::{ManifestFacts, WriteJob, WrittenCopy};
pub use left_out::LeftOut;
pub use manifest::{CopyContents, Incomplete, Manifest};
pub use name::CopyName;
pub use receipt::Deletion;
pub use restore::{
    LostAttribute, PathHash, RestoreOptions, RestoreReport, TargetOrigin, finish_again, path_hash, restore,
};
pub use verify::{ProvenDraft, VerifiedCopy, publish, verify, verify_committed};
pub use write::write;
pub use writer::{CopyOwner, OwnWriter, Writer};
