//! Jobs that run, through the binary: what commands may do to the promise, what becomes of secrets, and how a run is
//! stopped.
//!
//! - [`again`]: a command in the run changes what is to be copied and deleted
//! - [`channel_secrets`]: nor those by which somebody is told, while the schedules run, too
//! - [`gates`]: what a closed gate leaves alone; one order with one thread; signals
//! - [`secrets`]: none appears anywhere
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: it stops at what it did not expect, and plays the part of other programs"
)]

mod again;
mod channel_secrets;
mod gates;
mod secrets;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

/// A directory with an ops file, and `data` beside it.
struct World {
    root: tempfile::TempDir,
}

impl World {
    fn new(ops: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        let world = Self { root };
        world.ops(ops);
        world
    }

    fn ops(&self, text: &str) {
        fs::write(self.at("ops.kdl"), text).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// A file in `data`, so many days old; its content is its path.
    fn file(&self, path: &str, days: u64) -> PathBuf {
        let path = self.at("data").join(path);
        fs::write(&path, path.as_os_str().as_encoded_bytes()).unwrap();
        let time = SystemTime::now() - Duration::from_secs(days * 86_400);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsrun"));
        command.args(args).current_dir(self.root.path()).env("NO_COLOR", "1");
        command
    }

    /// Runs opsrun; it must end with `code`. Gives all that it said.
    fn ends(&self, code: i32, args: &[&str]) -> String {
        said(&self.command(args).output().unwrap(), code)
    }

    fn apply(&self, code: i32) -> String {
        self.ends(code, &["apply", "--yes"])
    }

    /// Paths and contents of everything that the copies of a destination hold, by restoring them.
    fn restored(&self, backup: &str) -> BTreeMap<String, Vec<u8>> {
        let to = tempfile::tempdir().unwrap();
        let place = to.path().join("to");
        self.ends(
            0,
            &["restore", "--backup", backup, "**", "--to", place.to_str().unwrap()],
        );
        files(&place)
    }
}

/// Paths and contents below a directory.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    found
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap();
            (name.to_owned(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn said(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("panicked") && !text.contains("internal error"), "{text}");
    text
}
