//! Backups and retentions with their paths and references resolved: what most rules look at.
//!
//! Invariant: paths are absolute, without `.` and `..`; they are not followed on disk.

use crate::config::nodes::{BackupNode, RetentionNode};
use crate::config::source::Spanned;
use std::path::PathBuf;

/// A backup whose paths are resolved.
#[derive(Debug)]
pub(in crate::config) struct ResolvedBackup<'a> {
    pub(in crate::config) node: &'a BackupNode,
    pub(in crate::config) name: &'a str,
    pub(in crate::config) source: Option<PathBuf>,
    pub(in crate::config) to: Option<PathBuf>,
}

/// A retention whose backup is known.
#[derive(Debug)]
pub(in crate::config) struct ResolvedRetention<'a> {
    pub(in crate::config) node: &'a RetentionNode,
    pub(in crate::config) name: &'a str,
    pub(in crate::config) backup: &'a ResolvedBackup<'a>,
}

pub(super) fn resolve(node: &BackupNode) -> ResolvedBackup<'_> {
    let path = |path: &Option<Spanned<PathBuf>>| path.as_ref().map(|path| path.value.clone());
    ResolvedBackup {
        node,
        name: node.job.name.as_ref().map_or("", |name| name.value.as_str()),
        source: path(&node.source),
        to: path(&node.to),
    }
}
