//! A program that wrote to a file between the last look at it and its removal.
//!
//! Takes the open file that has just lost its name, and what was expected of it; gives a [`LateWriter`] when its content is
//! not what was proven, and writes that content back as a new file. Under a lease nothing can have been written while the
//! lease is unbroken; where it is broken, the writer gets the time to end.
//! Invariant: what the open file holds when this is done is what was proven, or is in the new file.

use super::super::attributes::{copy_xattrs, times};
use super::super::handle::{Dir, TreeError, content_hash, identity_of, regular};
use super::super::lease::{Lease, Refused};
use super::super::leftovers::PART;
use super::super::naming::rename_noreplace;
use crate::clock::Stopwatch;
use crate::entry::Identity;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Longest time between the last byte read under a lease and the unlink. While the content is read the lease is
/// given back at the first sign of a writer.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(1);

/// How long a writer may take to end. It has waited for the lease until now; one that needs longer keeps the file open on
/// purpose.
const WRITER_TIME: Duration = Duration::from_secs(5);

/// How the file differs from what was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LateWriter {
    /// It wrote, and is done.
    Done,
    /// It still has the file open.
    Open,
}

impl LateWriter {
    /// After the path.
    pub(super) fn remark(self) -> &'static str {
        match self {
            Self::Done => "was written to while it was removed: it was written back, as a new file",
            Self::Open => {
                "was written to while it was removed: it was written back, as a new file. A program still has the old file open: \
                 what it writes from now on is lost unless it opens the file again"
            }
        }
    }
}

/// Looks at a file after its unlink. `since` was set after its content was read, which had this SHA-256.
pub(super) fn late_writer(
    file: &File,
    (identity, sha256): (&Identity, [u8; 32]),
    lease: Option<Lease<'_>>,
    since: Stopwatch,
) -> Option<LateWriter> {
    let quiet = match &lease {
        Some(lease) => lease.unbroken(),
        // Times alone prove little, but there was hardly a moment.
        None => since.elapsed() < LEASE_TIME && looks_alike(file, identity),
    };
    if quiet {
        return None;
    }
    let leased = lease.is_some();
    // Until it is given back the writer waits.
    drop(lease);
    let (ended, _lease) = if leased { wait(file) } else { (true, None) };
    let size = regular(file).ok().flatten().map(|now| now.size);
    let hash = size
        .filter(|size| *size == identity.size)
        .and_then(|size| content_hash(file, size, &|| true));
    match (ended, hash == Some(sha256)) {
        (true, true) => None,
        (true, false) => Some(LateWriter::Done),
        (false, _) => Some(LateWriter::Open),
    }
}

fn looks_alike(file: &File, proven: &Identity) -> bool {
    matches!(regular(file), Ok(Some(now)) if (now.size, now.mtime_ns) == (proven.size, proven.mtime_ns))
}

/// Waits until no program has it open for writing; then none can open it again, for it has no name.
fn wait(file: &File) -> (bool, Option<Lease<'_>>) {
    let since = Stopwatch::set();
    loop {
        match Lease::take(file) {
            Ok(lease) => return (true, Some(lease)),
            Err(Refused::InUse) if since.elapsed() < WRITER_TIME => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => return (false, None),
        }
    }
}

/// Writes the content of `file`, which has no name any more, to the new file `name`, durably, with the owner, mode, times
/// and attributes of the old one as far as they can be set. It has that name only when it is whole.
pub(super) fn write_back(file: &File, dir: &Dir, name: &str) -> Result<(), TreeError> {
    let part = format!("{}{PART}", name.strip_suffix(".q").unwrap_or(name));
    let fail = |e: std::io::Error| TreeError::at("write back", &dir.path().join(&part), e);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(dir, part.as_str(), flags, Mode::from_raw_mode(0o600));
    let mut new = File::from(made.map_err(|e| fail(e.into()))?);
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(n) => {
                new.write_all(buffer.get(..n).unwrap_or_default()).map_err(fail)?;
                at += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(fail(e)),
        }
    }
    let stat = rustix::fs::fstat(file).map_err(|e| fail(e.into()))?;
    // The content is what counts: of what follows, nothing is worth losing it.
    let _ = rustix::fs::fchown(&new, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    copy_xattrs(file, &new);
    let _ = rustix::fs::fchmod(&new, Mode::from_raw_mode(stat.st_mode & 0o7777));
    let _ = rustix::fs::futimens(&new, &times(identity_of(&stat).mtime_ns));
    new.sync_all().map_err(fail)?;
    rename_noreplace((dir, part.as_bytes()), (dir, name.as_bytes())).map_err(|e| fail(e.into()))?;
    dir.sync()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests play the part of other programs")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_back_has_its_name_when_it_is_whole() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("7.q"), "written late").unwrap();
        let file = File::open(temp.path().join("7.q")).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o640)).unwrap();
        // The name is taken: what there is of it stays under the other one.
        assert!(write_back(&file, &dir, "7.q").is_err());
        assert_eq!(dir.names().unwrap().len(), 2);
        assert_eq!(std::fs::read(temp.path().join("7.part")).unwrap(), b"written late");
        for name in ["7.q", "7.part"] {
            rustix::fs::renameat(&dir, name, &dir, "8.q").unwrap();
        }
        write_back(&file, &dir, "7.q").unwrap();
        assert_eq!(std::fs::read(temp.path().join("7.q")).unwrap(), b"written late");
        let mode = std::fs::metadata(temp.path().join("7.q")).unwrap().permissions().mode();
        assert_eq!((mode & 0o7777, dir.names().unwrap().len()), (0o640, 2));
    }
}
