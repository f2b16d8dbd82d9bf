//! Which ops file a command reads.
//!
//! Takes FILE and `-f`; without them `OPSRUN_FILE`, then the first default that is there.
//! Invariant: a file that was named is never replaced by another one.

use super::args::{DEFAULT_FILES, FILE_VARIABLE, FileArgs, FileFlag};
use super::exit::{Exit, Failure};
use crate::path::shown;
use crate::report::shared::advice::name_file;
use std::io;
use std::path::{Path, PathBuf};

impl FileArgs {
    pub fn path(&self) -> Result<PathBuf, Failure> {
        match (&self.positional, &self.flag) {
            (Some(one), Some(other)) if one != other => {
                let message = format!("two ops files are given: `{}` and `{}`", shown(one), shown(other));
                Err(Failure::new(Exit::Usage, message, Some("give one of them")))
            }
            (Some(path), _) | (None, Some(path)) => Ok(named(path)),
            (None, None) => default(),
        }
    }

    /// The option that was given, for a message.
    pub fn given(&self) -> bool {
        self.positional.is_some() || self.flag.is_some()
    }
}

impl FileFlag {
    pub fn path(&self) -> Result<PathBuf, Failure> {
        self.flag.as_deref().map_or_else(default, |path| Ok(named(path)))
    }
}

/// All that are named, each once; without any the default.
pub fn paths(positional: &[PathBuf], flags: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = positional.to_vec();
    for flag in flags {
        if !paths.contains(flag) {
            paths.push(flag.clone());
        }
    }
    if paths.is_empty() {
        paths.push(default()?);
    }
    Ok(paths)
}

fn named(path: &Path) -> PathBuf {
    name_file(path);
    path.to_owned()
}

fn default() -> Result<PathBuf, Failure> {
    if let Some(file) = std::env::var_os(FILE_VARIABLE).filter(|file| !file.is_empty()) {
        return Ok(file.into());
    }
    let absent = |path: &Path| std::fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    if let Some(found) = DEFAULT_FILES.iter().map(Path::new).find(|path| !absent(path)) {
        return Ok(found.to_owned());
    }
    let here = std::env::current_dir().unwrap_or_default();
    let places = DEFAULT_FILES
        .map(|path| format!("`{}`", shown(&here.join(path))))
        .join(" and ");
    let message =
        format!("no ops file is given, and neither {FILE_VARIABLE} nor a default names one: {places} are absent");
    let help = "give it with `-f FILE`, or write one with `opsrun init`";
    Err(Failure::new(Exit::NoInput, message, Some(help)))
}
