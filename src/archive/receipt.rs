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
use crate::units::show_size;
use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read};

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

/// What a receipt says, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptSummary {
    /// How many paths it names.
    pub paths: u64,
    /// Deletions by time.
    pub at: BTreeMap<DateTime<Utc>, u64>,
    pub runs: BTreeSet<String>,
}

/// The longest line that is read: a path of the largest size, escaped, and the rest.
const MAX_LINE: u64 = 256 * 1024;

/// A receipt that names more runs, or more moments, is none of opsrun.
const MAX_RUNS: usize = 100_000;

/// A run's id, in bytes.
const MAX_RUN_ID: usize = 64;

/// What is done with a line, given parsed and as it is.
type EachLine<'a> = &'a mut dyn FnMut(ReceiptLine, &[u8]) -> Result<(), CopyError>;

/// Calls `each` with every line of a copy's receipt, in order. One line at a time is in memory.
/// False when there is no receipt.
fn each_line(destination: &Dir, name: &CopyName, each: EachLine<'_>) -> Result<bool, CopyError> {
    let own = name.receipt();
    let Some(file) = if_there(destination.open_file(own.as_bytes(), true))? else {
        return Ok(false);
    };
    let size = file.metadata().map_err(|e| CopyError::io("read", &own, e))?.len();
    // A run died while it named the first edition.
    if size == 0 {
        return Ok(true);
    }
    let damaged = |what: String| CopyError::damaged(&own, what);
    let mut text = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = text.by_ref().take(MAX_LINE);
        let n = limited
            .read_until(b'\n', &mut line)
            .map_err(|e| damaged(e.to_string()))?;
        if n == 0 {
            return Ok(true);
        }
        if n as u64 == MAX_LINE {
            return Err(damaged(format!("a line is longer than {}", show_size(MAX_LINE))));
        }
        let parsed: ReceiptLine = serde_json::from_slice(line.trim_ascii_end())
            .map_err(|e| damaged(format!("a line is not a valid deletion ({e})")))?;
        if parsed.run.len() > MAX_RUN_ID {
            return Err(damaged(
                "a line is not a valid deletion (its run has no valid id)".to_owned(),
            ));
        }
        each(parsed, line.trim_ascii_end())?;
    }
}

/// Reads the receipt of a copy with `records` entries, up to what such a copy can have been relied on for.
pub fn summary(
    destination: &Dir,
    name: &CopyName,
    records: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<ReceiptSummary, CopyError> {
    let own = name.receipt();
    let most = records.saturating_mul(4).saturating_add(1000);
    let (mut found, mut lines) = (ReceiptSummary::default(), 0);
    // Hashes of paths: for a million of them, paths would need too much memory.
    let (hasher, mut paths) = (RandomState::new(), HashSet::new());
    each_line(destination, name, &mut |line, _| {
        lines += 1;
        if !go_on() {
            return Err(CopyError::Stopped);
        }
        *found.at.entry(line.at).or_default() += 1;
        paths.insert(hasher.hash_one(&line.path));
        if !found.runs.contains(&line.run) {
            found.runs.insert(line.run);
        }
        if lines > most || found.runs.len() > MAX_RUNS || found.at.len() > MAX_RUNS {
            return Err(CopyError::damaged(&own, "it names more deletions than there can be"));
        }
        Ok(())
    })?;
    found.paths = paths.len() as u64;
    Ok(found)
}

/// The paths that were deleted since then.
pub fn paths_since(destination: &Dir, name: &CopyName, since: DateTime<Utc>) -> Result<BTreeSet<RelPath>, CopyError> {
    let mut paths = BTreeSet::new();
    each_line(destination, name, &mut |line, _| {
        if line.at >= since {
            paths.insert(line.path);
        }
        Ok(())
    })?;
    Ok(paths)
}

/// Reads it to its end: it can be continued.
pub fn check(destination: &Dir, name: &CopyName) -> Result<(), CopyError> {
    each_line(destination, name, &mut |_, _| Ok(())).map(drop)
}

pub fn append(
    destination: &Dir,
    name: &CopyName,
    run: &str,
    at: DateTime<Utc>,
    deletions: &[Deletion],
) -> Result<(), CopyError> {
    let own = name.receipt();
    let mut fresh: BTreeMap<&RelPath, &Deletion> = deletions.iter().map(|d| (&d.path, d)).collect();
    let exists = each_line(destination, name, &mut |line, _| {
        if line.run == run {
            fresh.remove(&line.path);
        }
        Ok(())
    })?;
    if fresh.is_empty() && exists {
        return Ok(());
    }
    let mut draft = Draft::create(destination, &own)?;
    let mut text = Vec::with_capacity(gzip_member::MEMBER_SIZE);
    each_line(destination, name, &mut |_, line| put(&mut draft, &mut text, line))?;
    for deletion in deletions.iter().filter(|d| fresh.remove(&d.path).is_some()) {
        let line = ReceiptLine {
            path: deletion.path.clone(),
            sha256: hex(&deletion.sha256),
            run: run.to_owned(),
            at,
        };
        let line = serde_json::to_vec(&line).map_err(|e| CopyError::io("write", &own, e.into()))?;
        put(&mut draft, &mut text, &line)?;
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

/// Adds a line; `text` is what is not written yet.
fn put(draft: &mut Draft, text: &mut Vec<u8>, line: &[u8]) -> Result<(), CopyError> {
    text.extend_from_slice(line);
    text.push(b'\n');
    if text.len() >= gzip_member::MEMBER_SIZE {
        write_draft(draft, &gzip_member::encode(text, 6))?;
        text.clear();
    }
    Ok(())
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
        let lines = || {
            let mut paths = Vec::new();
            let there = each_line(&dir, &name, &mut |line, _| {
                paths.push(line.path.to_string());
                Ok(())
            });
            (there.unwrap(), paths)
        };
        assert_eq!(lines(), (false, Vec::new()));
        let at = DateTime::UNIX_EPOCH;
        append(&dir, &name, "r1", at, &[deletion(b"a"), deletion(b"b\n\xff")]).unwrap();
        append(&dir, &name, "r1", at, &[deletion(b"a")]).unwrap();
        append(&dir, &name, "r2", at, &[deletion(b"c")]).unwrap();
        assert_eq!(lines().1, ["a", "b\\n\\xff", "c"]);
        let found = summary(&dir, &name, 3, &|| true).unwrap();
        assert_eq!((found.paths, found.at[&at], found.runs.len()), (3, 3, 2));
        assert_eq!(dir.names().unwrap().len(), 1);
    }
    #[test]
    fn a_receipt_that_no_copy_has_is_refused_before_it_is_read_to_its_end() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let name = CopyName::parse("a-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        let write = |text: &str| {
            std::fs::write(
                temp.path().join(name.receipt()),
                gzip_member::encode(text.as_bytes(), 6),
            )
            .unwrap();
        };
        let ask = || summary(&dir, &name, 10, &|| true).unwrap_err().to_string();
        let line = |run: &str| {
            format!("{{\"path\":\"a\",\"sha256\":\"\",\"run\":\"{run}\",\"at\":\"2026-11-23T21:00:00Z\"}}\n")
        };
        write(&line("r").repeat(1040));
        assert_eq!(summary(&dir, &name, 10, &|| true).unwrap().paths, 1);
        assert!(matches!(summary(&dir, &name, 10, &|| false), Err(CopyError::Stopped)));
        write(&line("r").repeat(1041));
        assert!(ask().contains("more deletions than there can be"), "{}", ask());
        write(&line(&"r".repeat(65)));
        assert!(ask().contains("no valid id"), "{}", ask());
        write(&"x".repeat(300_000));
        assert!(ask().contains("longer than"), "{}", ask());
    }
}
