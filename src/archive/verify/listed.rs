//! [`ListReader`]: a file list read in order, with all that can be told wrong from it alone.
//!
//! Takes the open list and the manifest, gives row after row. Knows nothing of the content.
//! Invariant: rows come in path order, each path once, none contradicts itself, and links lead to files before them
//! in the same state.

use super::super::content::ContentHash;
use super::super::error::CopyError;
use super::super::header::link_path;
use super::super::list::read_member;
use super::super::manifest::Manifest;
use super::super::row::{Row, RowKind, hex, parse_hex};
use crate::entry::Identity;
use crate::path::RelPath;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;

/// Reads the list in order, and checks all that can be told from it alone.
pub struct ListReader<'a> {
    file: &'a File,
    name: &'a str,
    manifest: &'a Manifest,
    next: usize,
    rows: std::iter::Peekable<std::vec::IntoIter<Row>>,
    hash: Sha256,
    digests: Vec<[u8; 32]>,
    last: Option<RelPath>,
    count: u64,
    bytes: u64,
    torn: u64,
    /// Files with several names, for the links that may follow.
    linked: HashMap<RelPath, (Identity, Option<String>)>,
}

impl<'a> ListReader<'a> {
    pub fn new(file: &'a File, name: &'a str, manifest: &'a Manifest) -> Self {
        Self {
            file,
            name,
            manifest,
            next: 0,
            rows: Vec::new().into_iter().peekable(),
            hash: Sha256::new(),
            digests: Vec::new(),
            last: None,
            count: 0,
            bytes: 0,
            torn: 0,
            linked: HashMap::new(),
        }
    }

    /// The next row, if there is one.
    pub fn peek(&mut self) -> Result<Option<&Row>, CopyError> {
        while self.rows.peek().is_none() {
            let Some(member) = self.manifest.list_members.get(self.next) else {
                return Ok(None);
            };
            let (packed, rows) = read_member(self.file, self.name, member)?;
            self.hash.update(&packed);
            self.digests.push(Sha256::digest(&packed).into());
            if rows.first().map(|row| &row.path) != Some(&member.3) {
                return Err(CopyError::damaged(
                    self.name,
                    "a member does not begin where the manifest says",
                ));
            }
            for row in &rows {
                self.check(row)
                    .map_err(|what| CopyError::damaged(self.name, format!("`{}`: {what}", row.path)))?;
            }
            self.next += 1;
            self.rows = rows.into_iter().peekable();
        }
        Ok(self.rows.peek())
    }

    /// Takes the row that was peeked at.
    pub fn take(&mut self) -> Option<Row> {
        self.rows.next()
    }

    fn check(&mut self, row: &Row) -> Result<(), &'static str> {
        if self.last.as_ref().is_some_and(|last| *last >= row.path) {
            return Err("it is out of order, or named twice");
        }
        self.last = Some(row.path.clone());
        self.count += 1;
        self.bytes = self.bytes.saturating_add(row.size);
        self.torn += u64::from(row.is_torn());
        let has_hash = row.sha256.as_deref().and_then(parse_hex).is_some();
        let fine = match row.kind {
            RowKind::File => has_hash && row.link.is_none() && ContentHash::plausible(row),
            RowKind::Hardlink => has_hash && row.link.is_some() && row.sparse.is_none(),
            RowKind::Symlink => row.link.is_some() && row.size == 0 && row.sparse.is_none(),
            RowKind::Dir => row.link.is_none() && row.size == 0 && row.sparse.is_none(),
        };
        if !fine {
            return Err("it contradicts itself");
        }
        match row.kind {
            RowKind::File if row.nlink > 1 => {
                self.linked
                    .insert(row.path.clone(), (row.identity(), row.sha256.clone()));
            }
            RowKind::Hardlink => {
                let target = link_path(row).ok_or("its link leads nowhere")?;
                let known = self.linked.get(&target).ok_or("it is a link to no file before it")?;
                if *known != (row.identity(), row.sha256.clone()) {
                    return Err("it is a link to a file in another state");
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends it: it must be whole, and what the manifest says. Gives the SHA-256 of each member.
    pub fn finish(&mut self) -> Result<Vec<[u8; 32]>, CopyError> {
        let damaged = |what: &str| Err(CopyError::damaged(self.name, what));
        if hex(&self.hash.clone().finalize()) != self.manifest.list_checksum {
            return damaged("its checksum does not match");
        }
        if (self.count, self.bytes, self.torn) != (self.manifest.record_count, self.manifest.bytes, self.manifest.torn)
        {
            return damaged("it does not hold what the manifest says");
        }
        Ok(std::mem::take(&mut self.digests))
    }
}
