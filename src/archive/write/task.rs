//! What passes through the pipeline of an archive: [`WriteTask`] before, [`CompressedTask`] after compression.

use super::super::file_entry::FileEntry;
use super::super::read_source::ReadFailure;

pub(super) enum WriteTask {
    /// Entries `from..to`.
    Batch { from: usize, to: usize },
    /// Plain bytes of a large file, one member.
    Piece(Vec<u8>, LargeFilePiece),
    /// Cut off what was written of the large file.
    Rollback,
    /// The large file could not be read: cut off what was written, and record why.
    Lost { at: usize, why: ReadFailure },
    /// The end of the archive, one member.
    Trailer,
}

pub(super) struct LargeFilePiece {
    /// The first piece: a checkpoint is taken before it.
    pub(super) first: bool,
    /// With the last piece: the row of the file.
    pub(super) row: Option<Box<FileEntry>>,
    pub(super) content: u64,
}

/// Compressed bytes and plain size.
pub(super) type PackedMember = (Vec<u8>, u64);

pub(super) enum CompressedTask {
    Batch(CompressedBatch),
    Piece(PackedMember, LargeFilePiece),
    Rollback,
    Lost { at: usize, why: ReadFailure },
    Trailer(PackedMember),
}

pub(super) struct CompressedBatch {
    pub(super) from: usize,
    pub(super) to: usize,
    /// `found` says which member holds which row.
    pub(super) members: Vec<PackedMember>,
    pub(super) found: Vec<(usize, Result<FileEntry, ReadFailure>)>,
    pub(super) content: u64,
}
