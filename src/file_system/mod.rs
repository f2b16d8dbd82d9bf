//! What a file system is known to do, and what it is called.
//!
//! Invariant: an unknown file system is trusted with nothing.

mod abilities;
mod capacity;
mod mounts;

pub use abilities::{Abilities, Naming};
pub use capacity::{Capacity, InodeCount};
pub use mounts::{is_on_own_mount, refuses_writes};
use rustix::fs::fstatfs;
use std::borrow::Cow;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File systems whose leases were seen to notice every writer, and whose syncs to keep what they say, by the magic number of statfs(2): ext2 to ext4, XFS, Btrfs
/// and tmpfs.
const TRUSTED: [u64; 4] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994];

/// Names of others, for messages.
const NAMES: [(u64, &str); 12] = [
    (0x794C_7630, "overlayfs"),
    (0x6573_5546, "FUSE"),
    (0x6969, "NFS"),
    (0xFF53_4D42, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9p"),
    (0x2FC1_2FC1, "ZFS"),
    (0xF2F5_2010, "F2FS"),
    (0xCA45_1A4E, "bcachefs"),
    (0x4D44, "FAT"),
    (0x2011_BAB0, "exFAT"),
    (0x6265_6572, "sysfs"),
];

/// The name of the file system when its leases may miss a program that has a file mapped for writing; `None` when they
/// miss no writer.
pub fn unreliable_leases(file: impl AsFd) -> Option<Cow<'static, str>> {
    let Some(magic) = magic(file) else {
        return Some("an unknown file system".into());
    };
    if TRUSTED.contains(&magic) {
        return None;
    }
    let name = NAMES.iter().find(|(number, _)| *number == magic);
    Some(name.map_or_else(
        || format!("a file system of type {magic:#x}").into(),
        |(_, name)| (*name).into(),
    ))
}

/// The mount points below a directory, as the kernel names them. None where `/proc` is missing.
pub fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(directory) = directory.canonicalize() else {
        return Vec::new();
    };
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    mount_points(&mounts)
        .filter(|mount| mount.starts_with(&directory) && *mount != directory)
        .collect()
}

/// The fifth field of each line: white space and backslashes are octal there.
fn mount_points(mounts: &[u8]) -> impl Iterator<Item = PathBuf> {
    let fields = mounts.split(|b| *b == b'\n');
    fields.filter_map(|line| {
        let field = line.split(|b| *b == b' ').nth(4)?;
        let mut path = Vec::new();
        let mut rest = field;
        while let Some((first, more)) = rest.split_first() {
            let octal = more.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
            match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
                Some(byte) if *first == b'\\' => {
                    path.push(byte);
                    rest = more.get(3..).unwrap_or_default();
                }
                _ => {
                    path.push(*first);
                    rest = more;
                }
            }
        }
        Some(PathBuf::from(OsString::from_vec(path)))
    })
}

/// True when one call makes all files of the file system durable. Elsewhere (FUSE), that call may say so and do nothing.
pub fn syncs_whole(file: impl AsFd) -> bool {
    magic(file).is_some_and(|magic| TRUSTED.contains(&magic))
}

fn magic(file: impl AsFd) -> Option<u64> {
    // The kernel's numbers have 32 bits; the field may be wider, or signed.
    fstatfs(file).ok().map(|answer| answer.f_type as u64 & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_blanks() {
        let lines = b"22 1 8:1 / / rw - ext4 /dev/sda rw\n23 22 8:2 / /a\\040b\\134 rw - ext4 /dev/sdb rw\n";
        let found: Vec<PathBuf> = mount_points(lines).collect();
        assert_eq!(found, [PathBuf::from("/"), PathBuf::from("/a b\\")]);
        assert!(mounts_below(Path::new("/")).contains(&PathBuf::from("/proc")));
        assert!(!mounts_below(Path::new("/proc")).contains(&PathBuf::from("/proc")));
    }

    #[test]
    fn what_was_not_tested_is_named() {
        let name = |path: &str| unreliable_leases(std::fs::File::open(path).unwrap());
        assert_eq!(name("/sys").as_deref(), Some("sysfs"));
        assert_eq!(name("/proc").as_deref(), Some("a file system of type 0x9fa0"));
        assert_eq!(name("/dev/shm"), None);
    }
}
