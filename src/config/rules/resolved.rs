//! Backups and retentions with their paths and references resolved: what most rules look at.
//!
//! Invariant: paths are absolute, without `.` and `..`; they are not followed on disk.

use crate::config::nodes::document::{BackupNode, RetentionNode};
use crate::config::source::{SourceMap, Spanned, paths};
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

pub(super) fn resolve<'a>(node: &'a BackupNode, sources: &SourceMap) -> ResolvedBackup<'a> {
    let resolve = |path: &Option<Spanned<PathBuf>>| {
        let path = path.as_ref()?;
        let dir = sources.file_of(path.span)?.dir();
        Some(paths::normal(&dir.join(&path.value)))
    };
    ResolvedBackup {
        node,
        name: node.job.name.as_ref().map_or("", |name| name.value.as_str()),
        source: resolve(&node.source),
        to: resolve(&node.to),
    }
}
