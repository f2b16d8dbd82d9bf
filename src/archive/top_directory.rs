//! [`TopDirectory`]: the source's own directory, as far as a copy keeps it.
//!
//! It is in the manifest. An entry of the archive would give mode and owner to the directory in which `tar xzf` unpacks.

use super::file_entry::{Bytes, Names};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopDirectory {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Last change of the content, nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
    #[serde(default)]
    pub names: Names,
    #[serde(default)]
    pub xattrs: BTreeMap<String, Bytes>,
    /// Why some of its extended attributes are missing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xattrs_unread: Option<String>,
}
