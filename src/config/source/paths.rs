//! Paths of ops files, made absolute and shown.
//!
//! Takes paths as written, gives them absolute and without `.` and `..`, lexically: links are not followed. Messages show
//! them relative to the current directory when they are below it.
//! Invariant: [`normal`] of an absolute path is absolute and has no `.` or `..`.

use std::path::{Component, Path, PathBuf};

/// Absolute, from the current directory, and normal.
pub fn absolute(path: &Path) -> PathBuf {
    let full = std::path::absolute(path).unwrap_or_else(|_| Path::new("/").join(path));
    normal(&full)
}

/// Without `.`, `..` and doubled slashes.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// For messages: relative when it is below the current directory.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here
        .as_deref()
        .filter(|here| *here != Path::new("/"))
        .and_then(|here| path.strip_prefix(here).ok())
        .filter(|short| !short.as_os_str().is_empty());
    crate::path::shown(short.unwrap_or(path)).to_string()
}

/// A URL, `user@host:path`, `host:/path` or `\\\\host\\share`: not a directory of this machine.
pub fn is_remote(text: &str) -> bool {
    if text.starts_with("\\\\") {
        return true;
    }
    let Some((head, rest)) = text.split_once(':') else {
        return false;
    };
    let host = !head.is_empty() && !head.contains(['/', '\\']) && !head.chars().any(char::is_whitespace);
    host && (head.contains('@') || rest.starts_with('/'))
}

/// What to write into `setting` instead of a remote path.
pub fn mount_help(setting: &str) -> String {
    let example = if setting == "to" { "/mnt/backup" } else { "/mnt/data" };
    format!("write a local directory, such as `{setting} \"{example}\"`; mount remote storage there first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_has_no_dots() {
        for (given, wanted) in [("/a/./b//c/", "/a/b/c"), ("/a/../../b", "/b"), ("/", "/"), ("/..", "/")] {
            assert_eq!(normal(Path::new(given)), Path::new(wanted), "{given}");
        }
    }
}
