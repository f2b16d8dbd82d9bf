//! Reads one file, bounded in size and without waiting for a pipe.

use crate::config::syntax::limits::MAX_FILE_SIZE;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// The bytes of a file; of one that is too large, one byte more than the limit.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_FILE_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file. Reading a pipe without a writer would wait forever, so only those are opened that this process was
/// given: `/dev/stdin`, and `/dev/fd/N`, which a shell writes for `<(…)`.
fn open(path: &Path) -> io::Result<File> {
    let unblocked = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, unblocked, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    let what = if kind.is_fifo() {
        "a pipe"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        // A directory fails at the first read.
        return Ok(file);
    };
    let given = ["/dev/stdin", "/dev/fd", "/proc/self/fd"]
        .iter()
        .any(|dir| path.starts_with(dir));
    if !given {
        let why = format!("it is {what}, not a regular file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    // Opened again, so that only this reader waits for what is still being written.
    rustix::fs::fcntl_setfl(&file, OFlags::RDONLY)?;
    Ok(file)
}
