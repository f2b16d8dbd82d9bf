//! Receipts: which source files were deleted because a copy holds them.
//!
//! `<copy>.deleted.jsonl.gz` beside the manifest: one JSON line per deletion. Appending writes the whole receipt again,
//! longer, and replaces the old one; the same deletion is never listed twice.
//! Invariant: a receipt is only ever replaced by one with all its lines, and more.

use super::error::{CopyError, write_draft};
use super::file_entry::hex;
use super::gzip_member;
use super::name::CopyName;
use crate::path::RelPath;
use crate::tree::Dir;
use crate::tree::handle::if_there;
use crate::tree::publish::Draft;
use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    pub path: RelPath,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// Where it was, relative to the source.
    pub path: RelPath,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    pub run: String,
    pub at: DateTime<Utc>,
}

/// The lines of a copy's receipt; empty when there is none.
pub fn read(destination: &Dir, name: &CopyName) -> Result<Vec<ReceiptLine>, CopyError> {
    let own = name.receipt();
    let Some(file) = if_there(destination.open_file(own.as_bytes(), true))? else {
        return Ok(Vec::new());
    };
    let size = file.metadata().map_err(|e| CopyError::io("read", &own, e))?.len();
    // A run died while it named the first edition.
    if size == 0 {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    for line in BufReader::new(MultiGzDecoder::new(BufReader::new(file))).lines() {
        let line = line.map_err(|e| CopyError::damaged(&own, e.to_string()))?;
        let deletion = serde_json::from_str(&line);
        lines.push(deletion.map_err(|e| CopyError::damaged(&own, format!("a line is not a valid deletion ({e})")))?);
    }
    Ok(lines)
}

pub fn append(
    destination: &Dir,
    name: &CopyName,
    run: &str,
    at: DateTime<Utc>,
    deletions: &[Deletion],
) -> Result<(), CopyError> {
    let own = name.receipt();
    let mut lines = read(destination, name)?;
    let exists = destination.has(own.as_bytes())?;
    let known: HashSet<(RelPath, String)> = lines.iter().map(|l| (l.path.clone(), l.run.clone())).collect();
    let fresh: Vec<ReceiptLine> = deletions
        .iter()
        .filter(|d| !known.contains(&(d.path.clone(), run.to_owned())))
        .map(|d| ReceiptLine {
            path: d.path.clone(),
            sha256: hex(&d.sha256),
            run: run.to_owned(),
            at,
        })
        .collect();
    if fresh.is_empty() && exists {
        return Ok(());
    }
    lines.extend(fresh);
    let mut draft = Draft::create(destination, &own)?;
    let mut text = Vec::with_capacity(gzip_member::MEMBER_SIZE);
    for line in &lines {
        serde_json::to_writer(&mut text, line).map_err(|e| CopyError::io("write", &own, e.into()))?;
        text.push(b'\n');
        if text.len() >= gzip_member::MEMBER_SIZE {
            write_draft(&mut draft, &gzip_member::encode(&text, 6))?;
            text.clear();
        }
    }
    write_draft(&mut draft, &gzip_member::encode(&text, 6))?;
    draft.sync()?;
    if exists {
        draft.replace()?;
    } else {
        drop(draft.publish()?);
    }
    destination.sync()?;
    if destination.is_durable() {
        return Ok(());
    }
    // Without it on the disk the index of the quarantine must stay.
    Err(CopyError::io("sync", &own, Errno::OPNOTSUPP.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_never_repeats() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let name = CopyName::parse("a-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        let deletion = |path: &[u8]| Deletion {
            path: RelPath::new(path).unwrap(),
            sha256: [7; 32],
        };
        assert!(read(&dir, &name).unwrap().is_empty());
        let at = DateTime::UNIX_EPOCH;
        append(&dir, &name, "r1", at, &[deletion(b"a"), deletion(b"b\n\xff")]).unwrap();
        append(&dir, &name, "r1", at, &[deletion(b"a")]).unwrap();
        append(&dir, &name, "r2", at, &[deletion(b"c")]).unwrap();
        let lines = read(&dir, &name).unwrap();
        assert_eq!(
            lines.iter().map(|l| l.path.to_string()).collect::<Vec<_>>(),
            ["a", "b\\n\\xff", "c"]
        );
        assert_eq!(dir.names().unwrap().len(), 1);
    }
}
