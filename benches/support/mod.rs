//! What the measurements share: options, medians, and a directory to work in.
#![allow(dead_code, reason = "each measurement uses a part of it")]

use std::path::{Path, PathBuf};

/// The values of options that each take a number, `--name N`, in the order of `defaults`.
pub fn options<const N: usize>(defaults: [(&str, usize); N]) -> [usize; N] {
    let names = || defaults.map(|(name, _)| format!("--{name} N")).join(", ");
    let mut values = defaults.map(|(_, default)| default);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        // cargo adds `--bench`.
        if arg == "--bench" {
            continue;
        }
        let at = defaults
            .iter()
            .position(|(name, _)| arg.strip_prefix("--") == Some(*name));
        let value = args.next().and_then(|v| v.parse().ok()).filter(|n| *n > 0);
        match (at, value) {
            (Some(at), Some(value)) => values[at] = value,
            (Some(_), None) => panic!("{arg} needs a number"),
            (None, _) => panic!("unknown option {arg}; the options are {}", names()),
        }
    }
    values
}

pub fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// A directory below `target`, removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a directory of our own, and nothing deep in it"
        )]
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
