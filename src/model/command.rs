//! Commands, and values that may be secret: what is run, where, with which environment.
//!
//! Invariant: a secret is where it comes from, never what it is; a model can be shown whole.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub program: Program,
    /// Where: absolute.
    pub cwd: PathBuf,
    /// Variables set on top of what opsrun itself was given, in file order.
    pub env: Vec<(String, Value)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Program and arguments, passed verbatim; a program with a `/` in it is absolute. Not empty.
    Argv(Vec<String>),
    Shell(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Plain(String),
    /// To be fetched when it is needed.
    Secret(SecretSource),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of opsrun.
    Env(String),
    /// A file, less the end of its last line; absolute.
    File(PathBuf),
    /// What a command prints, less the end of its last line. Program and arguments as in [`Program::Argv`];
    /// the directory that it runs in.
    Command(Vec<String>, PathBuf),
}

/// How often and when a failed attempt is repeated within one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Attempts after the first.
    pub max: u32,
    pub wait: Duration,
    /// By how much the wait grows from one to the next.
    pub factor: f64,
    pub cap: Duration,
}

impl Retry {
    /// The wait before repetition `n`, counted from 1: `wait · factor^(n-1)`, at most `cap`.
    pub fn wait_before(&self, n: u32) -> Duration {
        let grown = self.wait.as_secs_f64() * self.factor.powi(i32::try_from(n.saturating_sub(1)).unwrap_or(i32::MAX));
        // A float beyond what a duration holds, or none at all, is beyond the cap as well.
        Duration::try_from_secs_f64(grown).unwrap_or(self.cap).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap() {
        let retry = Retry {
            max: 9,
            wait: Duration::from_secs(2),
            factor: 2.0,
            cap: Duration::from_secs(30),
        };
        let seconds: Vec<u64> = (1..=6).map(|n| retry.wait_before(n).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        assert_eq!(retry.wait_before(u32::MAX), retry.cap);
    }
}
