//! What a copy is: written, read back, published, listed, restored.
//!
//! Takes listed entries and open directories, gives committed copies and proofs of what they hold. Knows nothing
//! of jobs, plans or retentions.
//!
//! A copy is an archive or a tree of plain files ([`form`]); list, manifest, receipt and guarantees are the same.
//!
//! | way | files |
//! |---|---|
//! | source → copy | [`mod@write`], `intake` (reading what may change), `pipeline` (many cores, one order) |
//! | what is stored | [`manifest`], [`row`] and `list` (the file list), `header` (tar), `member` (gzip), [`name`] |
//! | copy → proof | [`mod@verify`], `content` |
//! | copy → files | [`mod@restore`] |
//! | all three for trees | `tree_form` |
//! | beside the copies | [`receipt`], [`catalogue`] |
//!
//! Invariant: a copy counts only from the moment on that its manifest has its final name, and it gets that only
//! after every byte was read back.

pub mod catalogue;
mod content;
mod error;
pub mod form;
mod header;
mod intake;
mod list;
pub mod manifest;
mod member;
pub mod name;
mod pipeline;
pub mod receipt;
pub mod restore;
pub mod row;
mod tree_form;
pub mod verify;
pub mod write;

pub use catalogue::{Catalogue, CatalogueCopy, MARKER, Marker, locate, rows};
pub use error::CopyError;
pub use form::{Form, clear_debris};
pub use list::Rows;
pub use manifest::{Incomplete, Manifest};
pub use name::CopyName;
pub use receipt::Deletion;
pub use restore::{Options, Restored, restore};
pub use row::{Evidence, Row, parse_hex};
pub use verify::{Checked, Verified, publish, verify, verify_committed};
pub use write::{About, Watch, WriteJob, Written, write};
