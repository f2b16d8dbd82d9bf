//! The file system, by handle. The only room that unlinks, renames over or truncates.
//!
//! Takes an open directory ([`Dir`]) and paths below it, gives listings, opened files, published files
//! and proven removals. Knows nothing of jobs, plans or copies.
//! - [`probe`]: finding out what a file system can do
//! - [`handle`]: directories and files reached beneath a root, never through a symlink
//! - [`walk`]: a listing in walk order, iterative, one directory open at a time
//! - [`naming`]: another name for what exists, never over anything
//! - [`publish`]: files that appear whole or not at all, and the removal of our own debris
//! - [`draft_tree`]: whole directories that appear whole or not at all
//! - [`attributes`]: what such a directory's files carry besides their content
//! - [`debris`]: the removal of such a directory that was never published
//! - [`lease`]: no other process has the file open for writing
//! - [`quarantine`]: taking a name away, looking at what was taken, and only then removing it
//! - [`recovery`]: putting back what a run cut short left there
//! - [`place`]: putting restored things below a target, never outside, never over something, never before they are durable
//! - [`dir_journal`]: which directories a restore made or changed, for the next one
//! - [`leftovers`]: the removal of what a restore that died left
//! - [`output_file`]: what a command prints, as a file that appears whole or not at all
//! - `trusted_path`: a directory that no other user can swap for a symlink
//! - [`rewrite`]: files that a person wrote and asked us to change
//! - [`lock`]: one process at a time per source, destination and job
//! - [`held_file`]: files of our own that show by their lock that their process is there
//!
//! Invariant: every removal of a file that is not ours goes through [`quarantine`]; [`rewrite`] alone replaces one, by
//! another edition of it that its user asked for.

pub mod attributes;
pub mod debris;
pub mod dir_journal;
pub mod draft_tree;
pub mod handle;
pub mod held_file;
pub mod lease;
pub mod leftovers;
pub mod lock;
pub mod naming;
pub mod output_file;
pub mod place;
pub mod probe;
pub mod publish;
pub mod quarantine;
pub mod recovery;
pub mod rewrite;
mod trusted_path;
pub mod walk;

pub use handle::{Dir, Opener, TreeError};
