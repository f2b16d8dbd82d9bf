//! What checking an ops file costs, beside what the `kdl` crate alone needs to parse the same text.
//!
//! `cargo bench --bench check -- [--jobs N] [--mistakes N] [--runs N]`. A file of N jobs is checked and parsed in one
//! process, alternately, and the medians of their CPU times are compared, after a file of a quarter of the size, to show the
//! growth. Then the same jobs with a mistake in each are checked and rendered. The last line is the peak memory of the
//! process.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement: it stops at what it did not expect, and prints"
)]

mod support;

use opsrun::config::load_text;
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use support::{median, options};

fn main() {
    let [jobs, mistakes, runs] = options([("jobs", 10_000), ("mistakes", 10_000), ("runs", 7)]);
    println!("medians of {runs} alternate runs in one process, CPU time");
    let text = file(jobs, "");
    if let Some(finding) = load(&text).first() {
        panic!("the file has findings: {finding:?}");
    }
    compare(&format!("{} jobs", jobs / 4), &file(jobs / 4, ""), runs);
    compare(&format!("{jobs} jobs"), &text, runs);

    let wrong = file(mistakes, "    timeot \"5m\"\n");
    let slips = file(mistakes, "    timeout = 5m\n");
    for (name, text) in [("misspelt names", &wrong), ("slips of the hand", &slips)] {
        let times = (0..runs).map(|_| timed(|| drop(black_box(rendered(text))))).collect();
        let time = median(times);
        println!(
            "  {mistakes} {name}: {time:.2?} to check and render, {}",
            per(time, mistakes)
        );
    }
    if let Some(peak) = peak() {
        println!("  most memory of the whole process: {peak}");
    }
}

/// Jobs of every kind, as people write them, each with `extra`.
fn file(jobs: usize, extra: &str) -> String {
    let mut text = String::new();
    for n in 0..jobs {
        let (kind, last) = (n % 4, n.saturating_sub(n % 4));
        // Writing to a string cannot fail.
        let _ = match kind {
            0 => write!(
                text,
                "// Is the feed of {n} alive?\ncheck \"c{n}\" {{\n    file-age \"/run/{n}/heartbeat\" warn=\"60s\" critical=\"90s\"\n    timeout \"5s\"\n{extra}}}\n\n"
            ),
            1 => write!(
                text,
                "target \"t{n}\" {{\n    command \"python3\" \"-m\" \"pipeline\" \"--once\"   // no shell\n    cwd \"/srv/{n}\"\n    env \"MODE\" \"live\"\n    needs \"check:c{last}\"\n{extra}}}\n\n"
            ),
            2 => write!(
                text,
                "backup \"b{n}\" {{\n    source \"/srv/data/{n}\"\n    include \"daily/**\" \"raw/**\"\n    to \"/backup/{n}\"\n    contents \"expired\"\n    needs \"target:t{}\"\n{extra}}}\n\n",
                last + 1
            ),
            _ => write!(
                text,
                "retention \"r{n}\" backup=\"b{}\" {{\n    class \"raw\" \"raw/**\" keep=\"7d\"\n    class \"old\" \"daily/**\" keep=\"30d\" keep-newest=24\n    max-delete files=1000 share=\"50%\"\n{extra}}}\n\n",
                last + 2
            ),
        };
    }
    text
}

fn load(text: &str) -> Vec<opsrun::config::findings::Finding> {
    load_text(Path::new("ops.kdl"), text.as_bytes().to_vec()).findings
}

fn rendered(text: &str) -> String {
    load_text(Path::new("ops.kdl"), text.as_bytes().to_vec()).render(false, 100)
}

fn parsed(text: &str) -> usize {
    kdl::KdlDocument::parse_v2(text).map_or(0, |document| document.nodes().len())
}

fn compare(name: &str, text: &str, runs: usize) {
    let before = peak();
    assert!(parsed(text) > 0, "the kdl crate refuses the file");
    let alone = peak();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        theirs.push(timed(|| {
            black_box(parsed(text));
        }));
        ours.push(timed(|| drop(black_box(load(text)))));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let lines = text.lines().count();
    println!("  {name}, {lines} lines, {} KiB", text.len() / 1024);
    println!("    kdl alone  {theirs:>9.2?}  {}", per(theirs, lines));
    println!("    opsrun     {ours:>9.2?}  {}", per(ours, lines));
    println!("    ratio      {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());
    if let (Some(before), Some(alone), Some(after)) = (before, alone, peak()) {
        println!("    most memory: {before} before, {alone} after parsing, {after} after checking");
    }
}

/// The peak memory of this process so far.
fn peak() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

/// In CPU time of this thread: what else the machine does is left out.
fn timed(work: impl FnOnce()) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    };
    let since = now();
    work();
    now().saturating_sub(since)
}

fn per(time: Duration, lines: usize) -> String {
    format!("{:.2} µs each", time.as_secs_f64() * 1e6 / lines as f64)
}
