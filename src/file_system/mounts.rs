//! On which mount a path is.
//!
//! Invariant: what cannot be found out is not a mount of its own.

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, StatxFlags};
use std::path::Path;

/// True when `path`, or the nearest directory above it that exists, is on another mount than `/` and than `other`. An empty
/// mount point of a disk that is not mounted is not.
pub fn is_on_own_mount(path: &Path, other: &Path) -> bool {
    let (root, other) = (mount(Path::new("/")), mount(other));
    mount(path).is_some_and(|own| root.is_some_and(|root| root != own) && other != Some(own))
}

/// True when the file system of `path`, or of the nearest directory above it that exists, is mounted read-only.
pub fn refuses_writes(path: &Path) -> bool {
    let facts = path.ancestors().find_map(|above| rustix::fs::statvfs(above).ok());
    facts.is_some_and(|facts| facts.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Number of the mount, or of the device where the kernel has no numbers for mounts (before 5.8).
fn mount(path: &Path) -> Option<u64> {
    let stat = path.ancestors().find_map(|above| {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        rustix::fs::statx(
            CWD,
            above,
            AtFlags::empty(),
            StatxFlags::BASIC_STATS | StatxFlags::MNT_ID,
        )
        .ok()
    })?;
    if stat.stx_mask & StatxFlags::MNT_ID.bits() != 0 {
        return Some(stat.stx_mnt_id);
    }
    Some(rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_its_own_is_neither_the_root_nor_the_source() {
        let own = |path: &str, other: &str| is_on_own_mount(Path::new(path), Path::new(other));
        assert!(own("/proc/sys/not/there", "/"));
        assert!(!own("/", "/proc"));
        assert!(!own("/not/there", "/proc"));
        assert!(!own("/proc/sys", "/proc"));
        assert!(!refuses_writes(&std::env::temp_dir().join("not/there")));
    }
}
