//! What a listing knows about one thing in a tree at one moment.
//!
//! Plain values, made by `tree`, read by `model` (what expires), `plan` (what is shown) and `archive`
//! (what is copied). Knows nothing of how they were read.
//! Invariant: [`Identity`] is complete: two equal identities on a file system whose ctime can be
//! trusted mean the same content.

use crate::path::RelPath;

/// Identifies one state of a file: device, inode, size and both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device number of the file system.
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    /// Last change of the content, in nanoseconds since the Unix epoch.
    pub mtime_ns: i128,
    /// Last change of content or metadata, in nanoseconds since the Unix epoch.
    pub ctime_ns: i128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryKind {
    File,
    Dir,
    /// A symbolic link: copied as a link, never followed, never deleted.
    Symlink,
    Fifo,
    Socket,
    /// A block or character device.
    Device,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, relative to the source.
    pub path: RelPath,
    pub kind: EntryKind,
    /// Permission bits (`07777`).
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub nlink: u32,
    /// 512-byte blocks in use: fewer than the size needs when the file is sparse.
    pub blocks: u64,
    pub identity: Identity,
}
