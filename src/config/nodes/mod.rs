//! The nodes of ops files: one file per node, with its rows of the language, its struct, its decoding and its lowering.
//!
//! The way of a node: `reader` checks the values of a KDL node against its row ([`ROOT`] has them all) and gives a
//! `CheckedNode`; the function of the node's file decodes it; `document` holds the results, `rules` check them together, and
//! its `lower` makes the model of them.
//! - `ops` `import` `target` `check` `backup` `retention` `assertion` `schedule` `channel`: nodes at the top of a file
//! - `job`: what all jobs share · `command` `argv` `text_or_secret` `allow`: parts of several nodes
//! - `check/`: the probes · `channel/`: the delivery methods · `exactly_one`: a check has one probe, a channel one method
//!
//! A new setting is one file here, and its field in the model. The head of `check` says which files a new probe is.

pub(in crate::config) mod allow;
mod argv;
mod assertion;
mod backup;
pub(in crate::config) mod channel;
pub(in crate::config) mod check;
mod checked_node;
mod command;
mod decoder;
pub(in crate::config) mod document;
mod exactly_one;
mod import;
pub(in crate::config) mod job;
pub(in crate::config) mod ops;
pub(in crate::config) mod reader;
mod retention;
mod schedule;
mod stdout_file;
mod target;
mod text_or_secret;

pub(in crate::config) use assertion::{AssertedNode, AssertionNode, Expectation, FileNode, assertion};
pub(in crate::config) use backup::{BackupNode, backup};
pub(in crate::config) use channel::channel;
pub(in crate::config) use check::{CheckNode, check};
pub(in crate::config) use decoder::{Decoder, HostObject, HostReference, SearchPath};
pub(in crate::config) use import::import;
pub(in crate::config) use job::{JobLinks, JobNode};
pub(in crate::config) use ops::{OpsNode, lower_ops, ops};
pub(in crate::config) use retention::{ClassNode, RetentionNode, retention};
pub(in crate::config) use schedule::{DstNode, RhythmNode, ScheduleNode, schedule};
pub(in crate::config) use target::target;
pub(in crate::config) use text_or_secret::suggested_variable;

use crate::config::language::spec::{Args, Spec, node};

/// The whole language: what may be written in an ops file.
pub(in crate::config) const ROOT: Spec = node("file", Args::None).doc("an ops file").block(&[&[
    ops::OPS,
    import::IMPORT,
    target::TARGET,
    check::CHECK,
    backup::BACKUP,
    retention::RETENTION,
    assertion::ASSERT,
    schedule::SCHEDULE,
    channel::CHANNEL,
]]);

/// Names that occur at the top of a file only: one of them at the left margin begins a new node. `schedule` is not one of
/// them: jobs name their schedule by the same word.
pub(in crate::config) const TOP_NAMES: &[&str] = &[
    "ops",
    "import",
    "target",
    "check",
    "backup",
    "retention",
    "assert",
    "channel",
];

#[cfg(test)]
mod tests;
