//! [`ContentHash`]: SHA-256 of a file's logical content, from the bytes that the archive stores of it.
//!
//! Takes stored bytes in order, fills holes with zeros: the same hash that `sha256sum` gives for the file.

use super::file_entry::FileEntry;
use super::progress::CopyProgress;
use super::read_source::read_full;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The most segments of data that a list may name for one file.
const MAX_SEGMENTS: usize = 1 << 20;

/// No file can be larger: the kernel counts its bytes with a sign.
const MAX_FILE_SIZE: u64 = i64::MAX as u64;

pub struct ContentHash<'a> {
    hash: Sha256,
    segments: Vec<(u64, u64)>,
    place: (usize, u64),
    hashed: u64,
    size: u64,
    /// Asked while holes are hashed, which may be huge.
    progress: &'a dyn CopyProgress,
    stopped: bool,
}

impl<'a> ContentHash<'a> {
    pub fn new(row: &FileEntry, progress: &'a dyn CopyProgress) -> Self {
        Self {
            progress,
            stopped: false,
            hash: Sha256::new(),
            segments: row.segments(),
            place: (0, 0),
            hashed: 0,
            size: row.size,
        }
    }

    /// True when its size is one that a file can have, and the data segments are in order, within it, and not too many.
    pub fn plausible(row: &FileEntry) -> bool {
        let mut end = 0_u64;
        let few = row.sparse.as_ref().is_none_or(|all| all.len() <= MAX_SEGMENTS);
        few && row.size <= MAX_FILE_SIZE
            && row.sparse.iter().flatten().all(|(offset, length)| {
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
            let left = usize::try_from(length - self.place.1).unwrap_or(usize::MAX);
            let take = left.min(data.len());
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

    /// `None` when it was asked to stop.
    pub fn finish(mut self) -> Option<[u8; 32]> {
        self.zeros(self.size);
        (!self.stopped).then(|| self.hash.finalize().into())
    }

    fn zeros(&mut self, until: u64) {
        let mut pieces = 0_u32;
        while self.hashed < until && !self.stopped {
            pieces = pieces.wrapping_add(1);
            self.stopped = pieces.is_multiple_of(64) && self.progress.stop();
            let left = usize::try_from(until - self.hashed).unwrap_or(usize::MAX);
            let n = left.min(ZEROS.len());
            self.hash.update(ZEROS.get(..n).unwrap_or_default());
            self.hashed += n as u64;
        }
    }
}

/// Hashes the content of a file, and passes its data segments on in pieces. Where it is shorter than its row says, zeros
/// take the place of the rest, and the answer is false. `None` for the hash when it was asked to stop.
pub fn pour<E>(
    from: &File,
    row: &FileEntry,
    progress: &dyn CopyProgress,
    unread: impl Fn(io::Error) -> E,
    mut put: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(Option<[u8; 32]>, bool), E> {
    let (mut hash, mut whole) = (ContentHash::new(row, progress), true);
    let most = usize::try_from(row.size).unwrap_or(usize::MAX).min(256 * 1024);
    let mut buffer = vec![0; most];
    for (offset, length) in row.segments() {
        let mut done = 0;
        while done < length {
            let take = usize::try_from(length - done).unwrap_or(usize::MAX).min(most);
            let piece = buffer.get_mut(..take).unwrap_or_default();
            let got = read_full(from, piece, offset + done).map_err(&unread)?;
            piece.get_mut(got..).unwrap_or_default().fill(0);
            whole &= got == take;
            hash.push(piece, &mut put)?;
            done += take as u64;
        }
    }
    Ok((hash.finish(), whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped;

    impl CopyProgress for Stopped {
        fn stop(&self) -> bool {
            true
        }
        fn advance(&self, _: u64, _: u64) {}
    }

    #[test]
    fn hashing_a_huge_hole_ends_when_it_is_asked_to_and_proves_nothing() {
        let row = serde_json::json!({
            "path": "a", "type": "file", "size": MAX_FILE_SIZE, "mode": 0, "uid": 0, "gid": 0, "mtime_ns": 0, "ctime_ns": 0,
            "dev": 0, "ino": 0, "nlink": 1, "member": 0, "offset": 0, "sparse": [[0, 2]], "state": "ok",
        });
        let row: FileEntry = serde_json::from_value(row).unwrap();
        assert!(ContentHash::plausible(&row));
        let mut hash = ContentHash::new(&row, &Stopped);
        hash.push(b"ab", |_, _| Ok::<(), ()>(())).unwrap();
        assert_eq!(hash.finish(), None);
    }
}
