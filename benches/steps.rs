//! What the engine itself costs per step: many targets that do nothing, beside `xargs -P` that runs the same command
//! as often.
//!
//! `cargo bench --bench steps -- [--targets N] [--runs N]`. Both start `/bin/true` N times, with as many at once as
//! there are cores, alternately; their medians are compared. opsrun's time includes reading the ops file, recording
//! every beginning and end durably, and keeping what was printed; its peer does none of that.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it stops at what it did not expect, takes times, starts programs and prints"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A directory that is removed whatever happens.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays lies below `target`.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn main() {
    let (mut targets, mut runs) = (1000, 5);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|v| v.parse::<usize>().ok()).filter(|n| *n > 0);
            value.unwrap_or_else(|| panic!("{arg} needs a number"))
        };
        match arg.as_str() {
            "--targets" => targets = number(),
            "--runs" => runs = number(),
            // Given by cargo.
            "--bench" => {}
            other => panic!("{other}: not an option; there are --targets N and --runs N"),
        }
    }
    let scratch = Scratch(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("steps-{}", std::process::id())));
    std::fs::create_dir_all(&scratch.0).unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = String::new();
    for n in 0..targets {
        writeln!(text, "target \"t{n}\" {{ command \"/bin/true\"; }}").unwrap();
    }
    std::fs::write(scratch.0.join("ops.kdl"), text).unwrap();

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let _ = std::fs::remove_dir_all(scratch.0.join(".opsrun"));
        ours.push(timed(
            Command::new(env!("CARGO_BIN_EXE_opsrun"))
                .args(["apply", "--yes", "--quiet"])
                .current_dir(&scratch.0),
        ));
        let numbers = format!("seq {targets} | xargs -P {cores} -n 1 /bin/true");
        theirs.push(timed(Command::new("sh").args(["-c", &numbers])));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let per = |time: Duration| time.as_secs_f64() * 1e6 / targets as f64;
    println!("{targets} commands, {cores} at once, {runs} alternate runs each, medians");
    println!("  opsrun  {ours:>9.2?}  {:>7.0} µs a step", per(ours));
    println!("  xargs   {theirs:>9.2?}  {:>7.0} µs a command", per(theirs));
    println!("  ratio   {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());
}

fn timed(command: &mut Command) -> Duration {
    let since = Instant::now();
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
    since.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
