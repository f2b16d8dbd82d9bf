//! [`Writer`]: the machine and the ops file that make copies. Several may share a destination; their copies are not mixed.
//!
//! A rotation group is what one writer copied from one source for one backup of one ops. Copies of format 3 name their
//! writer. Older ones belong to the writer whose store knows their run, else to the one on the host that they name.
//! Invariant: copies of two writers are never in one group.

use super::manifest::Manifest;
use super::name::CopyName;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// A machine with an ops file, as a destination lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Writer {
    /// 16 hexadecimal digits.
    pub id: String,
    pub host: String,
}

/// The writer that reads a destination, with what its store knows.
#[derive(Debug, Clone, Default)]
pub struct OwnWriter {
    pub writer: Writer,
    pub ops: String,
    /// Names of the copies that its store knows as published.
    pub published: HashSet<String>,
}

/// Whose copy it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CopyOwner {
    /// The id of a writer.
    Writer(String),
    /// A copy of format 1 or 2 whose writer is not known: its host.
    Host(String),
}

impl fmt::Display for CopyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Writer(name) | Self::Host(name)) = self;
        f.write_str(name)
    }
}

impl CopyOwner {
    /// `listed`: all writers that a destination knows, by its marker and by manifests of the same ops.
    pub(super) fn of(name: &CopyName, manifest: &Manifest, own: Option<&OwnWriter>, listed: &HashSet<Writer>) -> Self {
        if let Some(id) = &manifest.writer {
            return Self::Writer(id.clone());
        }
        let own = own.filter(|own| own.ops == manifest.ops_name);
        if let Some(own) = own
            && (own.published.contains(&name.to_string()) || own.writer.host == manifest.host)
        {
            return Self::Writer(own.writer.id.clone());
        }
        let mut same_host = listed.iter().filter(|writer| writer.host == manifest.host);
        match (same_host.next(), same_host.next()) {
            (Some(only), None) => Self::Writer(only.id.clone()),
            _ => Self::Host(manifest.host.clone()),
        }
    }

    /// True when `wanted` is this writer, the beginning of its id, or the host of the copy.
    pub fn answers_to(&self, wanted: &str, host: &str) -> bool {
        const MIN_PREFIX: usize = 4;
        match self {
            Self::Writer(id) if id.starts_with(wanted) && wanted.len() >= MIN_PREFIX => true,
            _ => host == wanted,
        }
    }
}
