//! How much a file system holds, and how much of that is free.
//!
//! Takes the answer of statvfs(3). Free is what users other than root can still use.
//! Invariant: a file system that counts no inodes (Btrfs, FAT) has none here, never zero of them.

use rustix::fs::StatVfs;

/// Bytes of a file system, and its inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub free: u64,
    pub size: u64,
    /// `None` where every byte can be an inode.
    pub inodes: Option<InodeCount>,
}

/// How many files can be made, and how many there can be at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InodeCount {
    pub free: u64,
    pub all: u64,
}

impl From<StatVfs> for Capacity {
    fn from(found: StatVfs) -> Self {
        // Sizes are counted in fragments; some file systems name none.
        let unit = match found.f_frsize {
            0 => found.f_bsize,
            fragment => fragment,
        };
        let inodes = InodeCount {
            free: found.f_favail.min(found.f_files),
            all: found.f_files,
        };
        Self {
            free: found.f_bavail.saturating_mul(unit),
            size: found.f_blocks.saturating_mul(unit),
            inodes: (inodes.all > 0).then_some(inodes),
        }
    }
}

impl InodeCount {
    pub fn is_exhausted(self) -> bool {
        self.free == 0
    }
}
