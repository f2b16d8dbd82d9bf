//! [`EvidenceReader`]: what the proven copies say about candidates.
//!
//! Takes candidates in path order, gives evidence for exactly their listed state, or the reason to keep them.

use crate::archive::{CopyError, Evidence, FileEntries, FileEntry, VerifiedCopy};
use crate::entry::Entry;
use crate::keep_reason::KeepReason;
use crate::path::RelPath;
use crate::tree::{Dir, Opener};
use std::fs::File;

/// A candidate and the evidence for it.
pub(super) struct ProvenFile<'a> {
    pub(super) entry: &'a Entry,
    pub(super) evidence: Evidence,
    /// Index of the copy that holds it.
    pub(super) copy: usize,
}

pub(super) struct EvidenceReader<'a> {
    copies: Vec<(&'a VerifiedCopy, Rows<'a>)>,
    opener: Opener<'a>,
}

impl<'a> EvidenceReader<'a> {
    pub(super) fn new(copies: &[&'a VerifiedCopy], source: &'a Dir, cross_mounts: bool) -> Self {
        Self {
            copies: copies.iter().map(|copy| (*copy, Rows::new(copy))).collect(),
            opener: Opener::new(source, cross_mounts),
        }
    }

    /// What the copy at this index proves about exactly the listed state of a file.
    pub(super) fn evidence(&mut self, entry: &Entry, copy: usize) -> Result<Result<Evidence, KeepReason>, CopyError> {
        let Some((copy, rows)) = self.copies.get_mut(copy) else {
            return Ok(Err(self.why_missing(entry, false)));
        };
        let Some(row) = rows.find(&entry.path)? else {
            let mut incomplete = copy.manifest().incomplete.iter();
            let unread = incomplete.any(|missing| missing.path.as_ref() == Some(&entry.path));
            return Ok(Err(self.why_missing(entry, unread)));
        };
        if row.is_torn() {
            return Ok(Err(KeepReason::Torn));
        }
        if row.fresh {
            return Ok(Err(KeepReason::TooFresh));
        }
        if row.xattrs_unread.is_some() {
            return Ok(Err(KeepReason::Unreadable));
        }
        let evidence = row.evidence().ok_or(KeepReason::NotCovered);
        // The decision to delete was made about the listed state, not about a later one.
        Ok(evidence.and_then(|evidence| {
            let same = evidence.identity == entry.identity;
            same.then_some(evidence).ok_or(KeepReason::Changed)
        }))
    }

    /// Why this run stored no copy of a file that it should have stored.
    pub(super) fn why_not_stored(&mut self, entry: &Entry) -> KeepReason {
        match self.exists(entry) {
            Some(false) => KeepReason::Vanished,
            Some(true) | None => KeepReason::Unreadable,
        }
    }

    fn why_missing(&mut self, entry: &Entry, unread: bool) -> KeepReason {
        match (unread, self.exists(entry).unwrap_or(false)) {
            (true, _) => KeepReason::Unreadable,
            (false, true) => KeepReason::NotCovered,
            (false, false) => KeepReason::Vanished,
        }
    }

    /// `None` when that cannot be found out.
    fn exists(&mut self, entry: &Entry) -> Option<bool> {
        let dir = self.opener.dir(&entry.path);
        dir.and_then(|dir| dir.has(entry.path.name())).ok()
    }
}

/// Rows of a copy, found in path order.
struct Rows<'a> {
    rows: FileEntries<'a, &'a File>,
    next: Option<FileEntry>,
}

impl<'a> Rows<'a> {
    fn new(copy: &'a VerifiedCopy) -> Self {
        Self {
            rows: copy.rows(),
            next: None,
        }
    }

    fn find(&mut self, path: &RelPath) -> Result<Option<FileEntry>, CopyError> {
        loop {
            match &self.next {
                Some(row) if row.path > *path => return Ok(None),
                Some(row) if row.path == *path => return Ok(self.next.take()),
                _ => match self.rows.next() {
                    Some(row) => self.next = Some(row?),
                    None => return Ok(None),
                },
            }
        }
    }
}
