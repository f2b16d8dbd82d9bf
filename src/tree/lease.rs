//! Read leases: while one is held, no other process has the file open for writing, or can open it unnoticed.
//!
//! Takes an open file, gives a [`Lease`] or the reason why there is none. On the tested file systems the kernel
//! refuses the lease while any writer exists, even one that closed its descriptor and keeps a writable mapping. Elsewhere
//! it may not: the inode of an overlay, for one, knows nothing of who mapped the file below it.
//! The process must handle or ignore SIGIO, which announces a lease break and would end it otherwise.
//! Its unsafe code is one system call with integer arguments.

use crate::file_system::unreliable_leases;
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A writer has the file open or mapped, or may have it mapped: see [`crate::file_system`].
    InUse,
    /// Only the owner, or who has CAP_LEASE, may ask.
    Denied,
    /// The file system knows no leases, or the call failed otherwise.
    Failed(Errno),
}

/// A read lease, given back when dropped.
#[derive(Debug)]
pub struct Lease<'a>(&'a File);

impl<'a> Lease<'a> {
    /// Takes a read lease on a file that is open for reading only.
    pub fn take(file: &'a File) -> Result<Self, Refused> {
        if unreliable_leases(file).is_some() {
            return Err(Refused::InUse);
        }
        match lease(file, libc::F_SETLEASE, libc::F_RDLCK) {
            Ok(_) => Ok(Self(file)),
            Err(Errno::AGAIN) => Err(Refused::InUse),
            Err(Errno::ACCESS | Errno::PERM) => Err(Refused::Denied),
            Err(e) => Err(Refused::Failed(e)),
        }
    }

    /// True while no process has asked to write.
    pub fn unbroken(&self) -> bool {
        lease(self.0, libc::F_GETLEASE, 0) == Ok(libc::F_RDLCK)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Closing the file gives it back as well.
        let _ = lease(self.0, libc::F_SETLEASE, libc::F_UNLCK);
    }
}

#[expect(
    unsafe_code,
    reason = "no crate offers F_SETLEASE; the arguments are an open descriptor and integers"
)]
fn lease(file: &File, command: libc::c_int, argument: libc::c_int) -> Result<libc::c_int, Errno> {
    // SAFETY: fcntl with F_SETLEASE or F_GETLEASE takes an integer and touches no memory of this process; the
    // descriptor is valid for as long as `file` is borrowed.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
    if answer >= 0 {
        Ok(answer)
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt;

    /// Whatever the plan knew of it.
    #[test]
    fn is_refused_where_leases_may_miss_a_writer() {
        let file = File::open("/proc/version").unwrap();
        assert_eq!(Lease::take(&file).err(), Some(Refused::InUse));
    }

    #[test]
    fn is_refused_while_a_writer_lives_and_broken_by_a_new_one() {
        let io = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGIO, io).unwrap();
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        std::fs::write(&path, "x").unwrap();
        let writer = OpenOptions::new().append(true).open(&path).unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(Lease::take(&file).err(), Some(Refused::InUse));
        drop(writer);
        let lease = Lease::take(&file).unwrap();
        assert!(lease.unbroken());
        let late = OpenOptions::new()
            .append(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path);
        assert!(late.is_err());
        assert!(!lease.unbroken());
    }
}
