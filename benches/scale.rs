//! How long a proven backup takes, and how much memory, beside `tar | pigz` on the same data.
//!
//! `cargo bench --bench scale -- [--files N] [--runs N]`. Two workloads, generated from a seed below
//! `target/tmp` and removed afterwards: many small files of JSON lines in dated folders, and one sparse file
//! over 8 GiB. Both programs run alternately; their medians are compared. opsrun's time includes hashing,
//! syncing, reading the copy back and comparing every byte; its peer does none of that.
//! Peak memory is measured by starting every program through this one: the largest process below it counts.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it stops at what it did not expect, takes times, starts programs and prints"
)]

mod support;

use nix::sys::resource::{UsageWho, getrusage};
use std::fs::{File, FileTimes};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use support::{Scratch, median, options};

/// First argument of the process that starts a program and reports what it used.
const MEASURE: &str = "--measure";

const MIB: u64 = 1 << 20;

/// One run of a program.
#[derive(Clone, Copy)]
struct Usage {
    wall: Duration,
    /// Bytes.
    peak: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == MEASURE) {
        return measure(&args[1..]);
    }
    let [files, runs] = options([("files", 100_000), ("runs", 3)]);
    let scratch = Scratch::new("scale");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores, {runs} alternate runs each, medians\n");

    let small = scratch.0.join("small");
    let (files, bytes) = small_files(&small.join("data"), files as u64);
    println!(
        "small files: {files} files, {:.1} MiB in dated folders",
        bytes as f64 / MIB as f64
    );
    compare(&small, runs, "");

    let sparse = scratch.0.join("sparse");
    let (size, data) = sparse_file(&sparse.join("data"));
    println!(
        "sparse file: {:.1} GiB, of which {} MiB are data",
        size as f64 / f64::from(1 << 30),
        data / MIB
    );
    compare(&sparse, runs, "--sparse ");
}

/// Runs both programs alternately on `dir/data` and prints what came out.
fn compare(dir: &Path, runs: usize, tar_flags: &str) {
    std::fs::write(
        dir.join("ops.kdl"),
        "backup \"scale\" {\n    source \"data\"\n    to \"copies\"\n    contents \"all\"\n}\n",
    )
    .unwrap();
    let found = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let gzip = if found("pigz") {
        "pigz"
    } else {
        println!("  pigz is not installed: gzip is used instead, which uses one core");
        "gzip"
    };
    let opsrun: Vec<String> = [env!("CARGO_BIN_EXE_opsrun"), "apply", "--yes", "--quiet", "ops.kdl"]
        .map(str::to_owned)
        .to_vec();
    let script = format!("mkdir copies && tar {tar_flags}-cf - data | {gzip} > copies/peer.tar.gz");
    let peer: Vec<String> = ["sh", "-c", &script].map(str::to_owned).to_vec();

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_sizes, mut their_size) = ((0, 0), 0);
    read_all(&dir.join("data"));
    for _ in 0..runs {
        ours.push(run(&opsrun, dir));
        our_sizes = (
            size_of(dir, "copies", ".tar.gz"),
            size_of(dir, "copies", ".files.jsonl.gz"),
        );
        clear(dir);
        theirs.push(run(&peer, dir));
        their_size = size_of(dir, "copies", ".tar.gz");
        clear(dir);
    }
    let (a, b) = (summary(&ours), summary(&theirs));
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    let row = |name: &str, usage: Usage, size: u64| {
        println!(
            "  {name:<12} {:>8.2} s   archive {:>9.2} MiB   peak memory {:>7.1} MiB",
            usage.wall.as_secs_f64(),
            mib(size),
            mib(usage.peak)
        );
    };
    row("opsrun", a, our_sizes.0);
    row(&format!("tar | {gzip}"), b, their_size);
    println!(
        "  time {:.2} of its peer, archive {:.2}; the file list beside it {:.2} MiB\n",
        a.wall.as_secs_f64() / b.wall.as_secs_f64(),
        our_sizes.0 as f64 / their_size as f64,
        mib(our_sizes.1)
    );
}

/// The run with the median time, with the highest peak of all.
fn summary(runs: &[Usage]) -> Usage {
    Usage {
        wall: median(runs.iter().map(|run| run.wall).collect()),
        peak: runs.iter().map(|run| run.peak).max().unwrap(),
    }
}

/// Runs a program through this one, and gives what it used.
fn run(program: &[String], dir: &Path) -> Usage {
    let done = Command::new(std::env::current_exe().unwrap())
        .arg(MEASURE)
        .args(program)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{program:?} failed: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let printed = String::from_utf8(done.stdout).unwrap();
    let mut numbers = printed.split_whitespace().map(|n| n.parse::<u64>().unwrap());
    Usage {
        wall: Duration::from_nanos(numbers.next().unwrap()),
        peak: numbers.next().unwrap(),
    }
}

/// Starts a program, waits, prints nanoseconds and the peak memory in bytes of the largest process.
fn measure(program: &[String]) {
    let begun = Instant::now();
    let status = Command::new(&program[0])
        .args(&program[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let wall = begun.elapsed();
    assert!(status.success(), "{program:?} ended with {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    println!("{} {}", wall.as_nanos(), usage.max_rss() * 1024);
}

/// Removes what a run made.
fn clear(dir: &Path) {
    for made in ["copies", ".opsrun"] {
        if dir.join(made).exists() {
            std::fs::remove_dir_all(dir.join(made)).unwrap();
        }
    }
}

/// Bytes of the files in `dir/sub` whose names end so.
fn size_of(dir: &Path, sub: &str, ending: &str) -> u64 {
    let entries = std::fs::read_dir(dir.join(sub)).unwrap().map(|e| e.unwrap());
    let named = entries.filter(|e| e.file_name().to_str().unwrap().ends_with(ending));
    named.map(|e| e.metadata().unwrap().len()).sum()
}

/// Brings a small tree into the page cache. Sparse files are left as they are: their holes are not on any disk.
fn read_all(root: &Path) {
    let mut stack = vec![root.to_owned()];
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.metadata().unwrap().len() < MIB {
                std::fs::read(path).unwrap();
            }
        }
    }
}

/// Numbers that follow from a seed (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Files of 0.2 to 8 KiB, more of them small, 500 to a dated folder. Gives their number and bytes.
fn small_files(root: &Path, files: u64) -> (u64, u64) {
    let mut numbers = Numbers(0x5eed);
    let now = SystemTime::now();
    let mut bytes = 0;
    for n in 0..files {
        let day = n / 500;
        let dir = root.join(format!("2026/{:02}/{:02}", day / 28 % 12 + 1, day % 28 + 1));
        if n % 500 == 0 {
            std::fs::create_dir_all(&dir).unwrap();
        }
        // 0.2 KiB × 40^x with x even over 0..1: every octave holds as many files.
        let x = numbers.below(10_000) as f64 / 10_000.0;
        let size = (205.0 * 40_f64.powf(x)) as usize;
        let mut text = Vec::with_capacity(size + 200);
        while text.len() < size {
            writeln!(
                text,
                "{{\"at\":\"2026-11-{:02}T{:02}:{:02}:{:02}.{:06}Z\",\"symbol\":\"{}\",\"bid\":{},\"ask\":{},\"volume\":{:.4}}}",
                day % 28 + 1,
                numbers.below(24),
                numbers.below(60),
                numbers.below(60),
                numbers.below(1_000_000),
                ["KRW-BTC", "KRW-ETH", "KRW-XRP"][numbers.below(3) as usize],
                90_000_000 + numbers.below(2_000_000),
                90_000_000 + numbers.below(2_000_000),
                numbers.below(1_000_000) as f64 / 10_000.0
            )
            .unwrap();
        }
        bytes += text.len() as u64;
        let file = File::create(dir.join(format!("{n:06}.jsonl"))).unwrap();
        (&file).write_all(&text).unwrap();
        let age = Duration::from_nanos(day * 86_400_000_000_000 + numbers.below(86_400_000_000_000));
        file.set_times(FileTimes::new().set_modified(now - age)).unwrap();
    }
    (files, bytes)
}

/// One file of 9 GiB with data in sixteen places. Gives its size and the bytes of its data.
fn sparse_file(root: &Path) -> (u64, u64) {
    const SIZE: u64 = 9 << 30;
    const PLACES: u64 = 16;
    std::fs::create_dir_all(root).unwrap();
    let file = File::create(root.join("disk.img")).unwrap();
    file.set_len(SIZE).unwrap();
    let mut numbers = Numbers(0x5eed);
    for place in 0..PLACES {
        let block: Vec<u8> = (0..MIB / 8).flat_map(|_| numbers.next().to_le_bytes()).collect();
        file.write_all_at(&block, place * (SIZE / PLACES)).unwrap();
    }
    (SIZE, PLACES * MIB)
}
