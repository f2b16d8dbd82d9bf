//! [`ContentHash`]: SHA-256 of a file's logical content, from the bytes that the archive stores of it.
//!
//! Takes stored bytes in order, fills holes with zeros: the same hash that `sha256sum` gives for the file.

use super::file_entry::FileEntry;
use sha2::{Digest, Sha256};

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

pub struct ContentHash {
    hash: Sha256,
    segments: Vec<(u64, u64)>,
    place: (usize, u64),
    hashed: u64,
    size: u64,
}

impl ContentHash {
    pub fn new(row: &FileEntry) -> Self {
        Self {
            hash: Sha256::new(),
            segments: row.sparse.clone().unwrap_or_else(|| vec![(0, row.size)]),
            place: (0, 0),
            hashed: 0,
            size: row.size,
        }
    }

    /// True when the data segments are in order and within the size.
    pub fn plausible(row: &FileEntry) -> bool {
        let mut end = 0_u64;
        row.sparse.iter().flatten().all(|(offset, length)| {
            let fine = *offset >= end && offset.checked_add(*length).is_some_and(|e| e <= row.size);
            end = offset.saturating_add(*length);
            fine
        })
    }

    /// Stored bytes, in order. Calls `place` with each piece and its offset in the file.
    pub fn push<E>(&mut self, mut data: &[u8], mut place: impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
        while !data.is_empty() {
            let Some((offset, length)) = self.segments.get(self.place.0).copied() else {
                return Ok(());
            };
            self.zeros(offset);
            let take = usize::try_from(length - self.place.1)
                .unwrap_or(usize::MAX)
                .min(data.len());
            let (now, rest) = data.split_at(take);
            place(offset + self.place.1, now)?;
            self.hash.update(now);
            self.hashed += take as u64;
            self.place.1 += take as u64;
            if self.place.1 == length {
                self.place = (self.place.0 + 1, 0);
            }
            data = rest;
        }
        Ok(())
    }

    pub fn finish(mut self) -> [u8; 32] {
        self.zeros(self.size);
        self.hash.finalize().into()
    }

    fn zeros(&mut self, until: u64) {
        while self.hashed < until {
            let n = usize::try_from(until - self.hashed)
                .unwrap_or(usize::MAX)
                .min(ZEROS.len());
            self.hash.update(ZEROS.get(..n).unwrap_or_default());
            self.hashed += n as u64;
        }
    }
}
