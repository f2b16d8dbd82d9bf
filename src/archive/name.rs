//! [`CopyName`]: the name of a copy and of its files.
//!
//! Takes a backup, a time and a run; gives `<backup>-<UTC stamp>-<run id>` and the names of the files of the copy. A
//! name says which file belongs to which copy; only the manifest says that it is a copy, and whose.
//! Invariant: [`CopyName::of_file`] accepts every file name that [`CopyName`] gives.

use chrono::{DateTime, NaiveDateTime, Utc};
use std::fmt;

const STAMP: &str = "%Y%m%dT%H%M%SZ";
const ARCHIVE: &str = ".tar.gz";
const TREE: &str = ".tree";
const LIST: &str = ".files.jsonl.gz";
const MANIFEST: &str = ".manifest.json";
const RECEIPT: &str = ".deleted.jsonl.gz";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyName {
    backup: String,
    stamp: String,
    run: String,
}

impl CopyName {
    pub fn new(backup: &str, at: DateTime<Utc>, run: &str) -> Self {
        Self {
            backup: backup.to_owned(),
            stamp: at.format(STAMP).to_string(),
            run: run.to_owned(),
        }
    }

    /// `None` when the name does not have exactly this form.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, run) = text.rsplit_once('-')?;
        let (backup, stamp) = rest.rsplit_once('-')?;
        crate::units::check_name(backup).ok()?;
        NaiveDateTime::parse_from_str(stamp, STAMP)
            .ok()
            .filter(|_| stamp.len() == 16)?;
        let base32 = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
        (run.len() == 26 && run.bytes().all(base32)).then(|| Self {
            backup: backup.to_owned(),
            stamp: stamp.to_owned(),
            run: run.to_owned(),
        })
    }

    /// The copy that a file of this name belongs to, final or being written.
    pub fn of_file(name: &str) -> Option<Self> {
        let name = name.strip_suffix(crate::tree::publish::DRAFT).unwrap_or(name);
        [ARCHIVE, TREE, LIST, MANIFEST, RECEIPT]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .and_then(Self::parse)
    }

    pub fn backup(&self) -> &str {
        &self.backup
    }

    pub fn run(&self) -> &str {
        &self.run
    }

    pub fn archive(&self) -> String {
        format!("{self}{ARCHIVE}")
    }

    pub fn tree(&self) -> String {
        format!("{self}{TREE}")
    }

    pub fn list(&self) -> String {
        format!("{self}{LIST}")
    }

    /// The manifest's file name: the commit point.
    pub fn manifest(&self) -> String {
        format!("{self}{MANIFEST}")
    }

    pub fn receipt(&self) -> String {
        format!("{self}{RECEIPT}")
    }
}

impl fmt::Display for CopyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.backup, self.stamp, self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        let at = DateTime::parse_from_rfc3339("2026-11-23T21:00:00Z").unwrap().to_utc();
        let name = CopyName::new("a-b", at, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(name.to_string(), "a-b-20261123T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(CopyName::parse(&name.to_string()), Some(name.clone()));
        let files = [name.archive(), name.tree(), name.tree() + ".tmp", name.list()];
        for file in files.into_iter().chain([name.manifest() + ".tmp", name.receipt()]) {
            assert_eq!(CopyName::of_file(&file), Some(name.clone()), "{file}");
        }
        for bad in [
            "",
            "a-b.tar.gz",
            "a-20261123T210000Z-X.tar.gz",
            "a-20261199T210000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV.tar.gz",
        ] {
            assert_eq!(CopyName::of_file(bad), None, "{bad}");
        }
    }
}
