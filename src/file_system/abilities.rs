//! What the file system of a directory can do for the copies in it. Plain data, which `probe` finds out.
//!
//! Invariant: the default lacks nothing.

/// How a file gets another name in a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Naming {
    /// `RENAME_NOREPLACE`.
    #[default]
    Rename,
    /// A second name, then the first one goes.
    Link,
    /// Over an empty file that was made for it.
    Reserve,
}

/// What a file system can do for the copies in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    pub naming: Naming,
    /// Files can be made durable.
    pub sync_files: bool,
    /// What has a name in a directory can be made durable.
    pub sync_dirs: bool,
    /// Files that are open for writing can be locked.
    pub locks: bool,
    /// Files can have several names, with one inode.
    pub links: bool,
    pub symlinks: bool,
    /// Times are kept to the nanosecond.
    pub times: bool,
    /// Permission bits are kept.
    pub modes: bool,
    pub attributes: bool,
    /// Names of 255 bytes.
    pub long_names: bool,
    /// What was never written takes no space.
    pub holes: bool,
}

impl Default for Abilities {
    /// All of them, as on ext4.
    fn default() -> Self {
        Self {
            naming: Naming::Rename,
            sync_files: true,
            sync_dirs: true,
            locks: true,
            links: true,
            symlinks: true,
            times: true,
            modes: true,
            attributes: true,
            long_names: true,
            holes: true,
        }
    }
}

impl Abilities {
    /// True when nothing that is written can be lost by a power cut once it was synced.
    pub fn durable(&self) -> bool {
        self.sync_files && self.sync_dirs
    }

    /// What is missing, as nouns, and what follows from it.
    pub fn lacking(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            (
                self.sync_files,
                "fsync of files",
                "a copy may be lost by a power cut, so nothing is deleted because of it",
            ),
            (
                self.sync_dirs,
                "fsync of directories",
                "a copy may be lost by a power cut, so nothing is deleted because of it",
            ),
            (
                self.locks,
                "file locks",
                "two hosts that write there at once do not notice each other",
            ),
            (
                self.long_names,
                "names of 255 bytes",
                "a tree cannot contain files with longer names",
            ),
        ];
        let lacking = all.into_iter().filter(|(can, ..)| !can);
        lacking.map(|(_, what, follows)| (what, follows)).collect()
    }

    /// What a tree of plain files lacks there; an archive has all of it inside.
    pub fn lost_in_trees(&self) -> Vec<&'static str> {
        let all = [
            (self.links, "hard links"),
            (self.symlinks, "symbolic links"),
            (self.times, "times to the nanosecond"),
            (self.modes, "permission bits"),
            (self.attributes, "extended attributes"),
            (self.holes, "holes"),
        ];
        all.into_iter().filter(|(can, _)| !can).map(|(_, what)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let poor = Abilities {
            naming: Naming::Reserve,
            sync_dirs: false,
            links: false,
            ..Abilities::default()
        };
        let names: Vec<&str> = poor.lacking().into_iter().map(|(what, _)| what).collect();
        assert_eq!(names, ["fsync of directories"]);
        assert_eq!(poor.lost_in_trees(), ["hard links"]);
        assert!(!poor.durable());
    }
}
