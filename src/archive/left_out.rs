//! [`LeftOut`]: what a backup does not copy by itself, although it is below the source.
//!
//! Counted while the source is listed, kept in the manifest, compared with the copy before.
//! Invariant: its size is bounded, whatever the source holds.

use crate::path::RelPath;
use serde::{Deserialize, Serialize};

/// How many mount points a manifest names; the rest is counted.
pub const MAX_NAMED_MOUNTS: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Directories that are mount points: at most [`MAX_NAMED_MOUNTS`], in path order.
    pub mounts: Vec<RelPath>,
    pub mounts_total: u64,
    /// Files that are mount points.
    pub mounted_files: u64,
    pub sockets: u64,
    pub fifos: u64,
    /// Block and character devices.
    pub devices: u64,
}
