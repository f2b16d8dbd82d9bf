//! Clocks that run a hundredfold, step, or stand: for programs that are linked dynamically.
//!
//! `clock.c` is compiled with `cc`, which rustc links with, and preloaded. All programs started with one [`TestClock`], and
//! their children, see the same time.

use chrono::{DateTime, TimeDelta, Utc};
use nix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the fields of `struct control` begin.
const SHIFT: u64 = 24;
const FROZEN: u64 = 32;

pub struct TestClock {
    dir: tempfile::TempDir,
    control: File,
    anchor: i64,
    rate: i64,
    wall: i64,
}

impl TestClock {
    /// Runs `rate` times as fast as the real one, from `start` on.
    pub fn new(rate: u32, start: DateTime<Utc>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clock");
        let control = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let clock = Self {
            dir,
            control,
            anchor: monotonic(),
            rate: i64::from(rate),
            wall: start.timestamp_nanos_opt().unwrap(),
        };
        for (n, field) in [clock.anchor, clock.rate, clock.wall, 0, 0].into_iter().enumerate() {
            clock.set(n as u64 * 8, field);
        }
        clock
    }

    /// The program and its children will live by this clock.
    pub fn rule(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library());
        command.env("OPSRUN_TEST_CLOCK", self.dir.path().join("clock"));
    }

    /// What a program sees on its wall clock.
    pub fn now(&self) -> DateTime<Utc> {
        let frozen = self.get(FROZEN);
        let running = self.wall + (monotonic() - self.anchor) * self.rate + self.get(SHIFT);
        DateTime::from_timestamp_nanos(if frozen == 0 { running } else { frozen })
    }

    /// Sets the wall clock forward, or back.
    pub fn step(&self, by: TimeDelta) {
        self.set(SHIFT, self.get(SHIFT) + by.num_nanoseconds().unwrap());
    }

    /// The wall clock stands still from now on; the other clocks go on.
    pub fn freeze(&self) {
        self.set(FROZEN, self.now().timestamp_nanos_opt().unwrap());
    }

    /// The wall clock goes on, and was right all the time.
    pub fn thaw(&self) {
        self.set(FROZEN, 0);
    }

    fn get(&self, at: u64) -> i64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        i64::from_ne_bytes(bytes)
    }

    fn set(&self, at: u64, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }
}

fn monotonic() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// The compiled library: once for all tests of a process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock.c");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (made, library) = (
            dir.join(format!("clock-{}.so", std::process::id())),
            dir.join("clock.so"),
        );
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]);
        let status = cc.args([&made, &source]).status().unwrap();
        assert!(status.success(), "cc cannot build {}", source.display());
        // Another process may have loaded an earlier one: it is replaced, not written to.
        std::fs::rename(made, &library).unwrap();
        library
    })
}
