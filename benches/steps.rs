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

mod support;

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Scratch, median, options};

fn main() {
    let [targets, runs] = options([("targets", 1000), ("runs", 5)]);
    let scratch = Scratch::new("steps");
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
