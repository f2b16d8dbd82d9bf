//! File systems that lack what ext4 has: kills, errors and a stopped process.
//!
//! The tracer refuses calls below a directory, each time, as FUSE and NFS do.

use super::checker::{Expect, problems};
use super::sample::{described, full, sample_calls};
use super::scenario::{self, Scenario};
use super::sweep::Sweep;
use super::tracer::{End, Fault, Program, run, run_while};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// In the source too: there the quarantine takes names away by a plain rename.
const NO_REPLACE_AT_ALL: (&str, &str, Errno) = ("renameat2", ".", Errno::EINVAL);

fn scenario(name: &str) -> Scenario {
    scenario::all().into_iter().find(|known| known.name == name).unwrap()
}

/// What is tried, and about how many of its calls.
fn poor() -> [(&'static str, Sweep, usize); 2] {
    let sweep = |name, lacks: &[_]| Sweep::without(scenario(name), lacks);
    [
        ("no RENAME_NOREPLACE", sweep("expired", &[NO_REPLACE_AT_ALL]), 12),
        ("no RENAME_NOREPLACE, trees", sweep("trees", &[NO_REPLACE_AT_ALL]), 24),
    ]
}

#[test]
fn a_kill_at_any_call_loses_nothing() {
    for (what, sweep, one_in) in poor() {
        let trace = sweep.undisturbed();
        let calls = sample_calls(&trace, one_in, |_| true);
        let faults: Vec<Fault> = calls.into_iter().map(Fault::KillBefore).collect();
        let name = format!("kills, {what}");
        sweep
            .try_all(&faults, None)
            .settle(&name, &described(faults.len(), trace.calls.len()));
    }
}

#[test]
fn an_error_at_any_call_loses_nothing() {
    for (what, sweep, one_in) in poor() {
        let trace = sweep.undisturbed();
        let errors = [Errno::EIO, Errno::ENOSPC];
        for errno in errors.into_iter().take(if full() { 2 } else { 1 }) {
            let calls = sample_calls(&trace, one_in * 2, |_| true);
            let faults: Vec<Fault> = calls.into_iter().map(|n| Fault::Fail(n, errno)).collect();
            let name = format!("{errno:?}, {what}");
            sweep
                .try_all(&faults, None)
                .settle(&name, &described(faults.len(), trace.calls.len()));
        }
    }
}

/// Names are taken by empty files there, which may replace nothing and may not stay.
#[test]
fn a_destination_with_neither_ends_in_a_true_state() {
    let lacks = ["copies", "back"]
        .map(|below| [("renameat2", below, Errno::EINVAL), ("linkat", below, Errno::EPERM)])
        .concat();
    for kind in ["expired", "trees"] {
        let sweep = Sweep::without(scenario(kind), &lacks);
        let mut case = sweep.scenario.lay_out();
        case.settle();
        let copies = case.root().join("copies");
        let ends = |case: &scenario::Case, args: &[&str]| {
            let program = Program {
                args: args.iter().map(Into::into).collect(),
                ..sweep.apply(case)
            };
            let trace = run(&program, Fault::None, &case.scratch());
            assert_eq!(trace.end, End::Code(0), "{kind}: {}{}", trace.stdout, trace.stderr);
            trace.stdout + &trace.stderr
        };
        let apply = ["apply", "--yes", "--threads", "1", "ops.kdl"];
        assert!(ends(&case, &apply).contains("deleted ("), "{kind}");
        let wrong = problems(&case, &sweep.scenario, &sweep.before, Expect::FinishedAndTidy);
        assert_eq!(wrong, Vec::<String>::new(), "{kind}");
        let first = super::checker::snapshot(&copies);
        ends(&case, &["verify"]);
        let new = case.source().join("raw/new.jsonl");
        std::fs::write(&new, "new").unwrap();
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(9 * 86_400);
        std::fs::File::open(&new).unwrap().set_modified(old).unwrap();
        case.relaid(std::time::SystemTime::now());
        case.settle();
        ends(&case, &apply);
        assert!(!new.exists(), "{kind}");
        let second = super::checker::snapshot(&copies);
        let is = |name: &[u8], end: &str| name.ends_with(end.as_bytes());
        for (name, content) in &first {
            assert!(
                second.get(name) == Some(content) || is(name, "opsrun.json"),
                "{kind}: {}",
                name.escape_ascii()
            );
        }
        for end in [".manifest.json", ".deleted.jsonl.gz"] {
            assert_eq!(second.keys().filter(|name| is(name, end)).count(), 2, "{kind}: {end}");
        }
        let half = second.iter().filter(|(name, content)| {
            let outside = !name.contains(&b'/') && content.is_empty();
            outside || is(name, ".tmp")
        });
        assert_eq!(half.count(), 0, "{kind}");
        assert!(ends(&case, &["verify"]).contains("2 copies intact"), "{kind}");
        ends(&case, &["restore", "**", "--to", "back"]);
        let (back, source) = (
            super::checker::snapshot(&case.root().join("back")),
            super::checker::snapshot(&case.source()),
        );
        for (path, content) in sweep.before.iter().filter(|(path, _)| !source.contains_key(*path)) {
            assert_eq!(back.get(path), Some(content), "{kind}: {}", path.escape_ascii());
        }
        assert!(
            back.get(b"raw/new.jsonl".as_slice()).is_some_and(|new| new == b"new"),
            "{kind}"
        );
    }
}

/// Copies are made, and nothing is deleted because of them.
#[test]
fn nothing_is_deleted_where_copies_cannot_be_made_durable() {
    for below in ["copies", "data"] {
        for errno in [Errno::EINVAL, Errno::EOPNOTSUPP, Errno::ENOSYS] {
            let scenario = scenario("expired");
            let sweep = Sweep::without(scenario, &[("fsync", below, errno)]);
            let case = sweep.scenario.lay_out();
            case.settle();
            // The first run makes the destination, the second one knows what it lacks before it begins.
            for _ in 0..2 {
                let trace = run(&sweep.apply(&case), Fault::None, &case.scratch());
                let text = trace.stdout + &trace.stderr;
                assert_eq!(trace.end, End::Code(3), "{below}, {errno:?}: {text}");
                assert!(text.contains("does not offer fsync"), "{text}");
                assert!(!text.contains("deleted ("), "{text}");
                let wrong = problems(&case, &sweep.scenario, &sweep.before, Expect::NothingLost);
                assert_eq!(wrong, Vec::<String>::new());
                assert_eq!(super::checker::snapshot(&case.source()), sweep.before);
                assert!(!case.source().join(".opsrun-quarantine").exists());
            }
            let names = std::fs::read_dir(case.root().join("copies")).unwrap();
            let manifest = |name: &OsStr| name.as_bytes().ends_with(b".manifest.json");
            assert!(
                names
                    .filter(|entry| manifest(&entry.as_ref().unwrap().file_name()))
                    .count()
                    > 0
            );
        }
    }
}

/// Where a file could not be put back, none is taken away.
#[test]
fn nothing_is_taken_away_in_a_source_without_links() {
    let lacks = [("renameat2", "data", Errno::EINVAL), ("linkat", "data", Errno::EPERM)];
    let sweep = Sweep::without(scenario("expired"), &lacks);
    let case = sweep.scenario.lay_out();
    case.settle();
    let trace = run(&sweep.apply(&case), Fault::None, &case.scratch());
    let text = trace.stdout + &trace.stderr;
    assert_eq!(trace.end, End::Code(4), "{text}");
    let why = "no file can be taken away safely in the source";
    assert!(text.contains(why) && text.contains("kept (not-permitted)"), "{text}");
    assert_eq!(super::checker::snapshot(&case.source()), sweep.before);
    assert!(!case.source().join(".opsrun-quarantine").exists());
}

/// What others do while files go by way of a plain rename.
#[test]
fn a_file_that_comes_in_between_is_not_replaced() {
    let sweep = Sweep::without(scenario("expired"), &[NO_REPLACE_AT_ALL]);
    let trace = sweep.undisturbed();
    let victim = b"raw/2026/old-1.jsonl";
    let renames = (1..).zip(&trace.calls).filter(|(_, call)| call.name == "renameat");
    let unlinks = (1..)
        .zip(&trace.calls)
        .filter(|(_, call)| call.name == "unlinkat" && call.file_kind == ".q");
    let points: Vec<usize> = renames.chain(unlinks).map(|(n, _)| n).collect();
    assert!(points.len() > 10, "{points:?}");
    for n in points {
        let case = sweep.scenario.lay_out();
        case.settle();
        let path = case.source().join(OsStr::from_bytes(victim));
        let mut written = false;
        let trace = run_while(&sweep.apply(&case), Fault::Meanwhile(n), &case.scratch(), &mut || {
            // Another file gets the name, whether the old one is still there or was just taken away.
            std::fs::write(path.with_extension("new"), "another file").unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
            written = true;
        });
        assert!(written, "{trace:?}");
        let mut expected = sweep.before.clone();
        expected.insert(victim.to_vec(), b"another file".to_vec());
        let wrong = problems(&case, &sweep.scenario, &expected, Expect::NothingLost);
        assert_eq!(wrong, Vec::<String>::new(), "before call {n}: {}", trace.stderr);
    }
}

mod host {
    /// `/proc/sys/fs/lease-break-time` is for root.
    mod root {
        use super::super::*;
        use std::io::Write;

        /// How long a lease holds off a writer; the old value comes back.
        struct LeaseBreakTime(String);

        const FILE: &str = "/proc/sys/fs/lease-break-time";

        impl LeaseBreakTime {
            fn seconds(seconds: u32) -> Self {
                let old = std::fs::read_to_string(FILE).unwrap();
                std::fs::write(FILE, seconds.to_string()).unwrap();
                Self(old)
            }
        }

        impl Drop for LeaseBreakTime {
            fn drop(&mut self) {
                let _ = std::fs::write(FILE, &self.0);
            }
        }

        /// The process is stopped between its last look and the unlink, longer than a lease lasts.
        #[test]
        #[ignore = "needs root, to shorten the time of a lease"]
        fn what_is_written_while_the_process_is_stopped_is_not_lost() {
            let ignoring = scenario::EXPIRED.replace("max-delete", "in-use \"ignore\"; max-delete");
            let ignoring: &'static str = Box::leak(ignoring.into_boxed_str());
            for ops in [scenario::EXPIRED, ignoring] {
                let sweep = Sweep::new(Scenario {
                    ops,
                    ..scenario("expired")
                });
                let trace = sweep.undisturbed();
                let unlinks = (1..)
                    .zip(&trace.calls)
                    .filter(|(_, c)| c.name == "unlinkat" && c.file_kind == ".q");
                let points: Vec<usize> = unlinks.map(|(n, _)| n).collect();
                assert!(points.len() >= 8, "{:?}", trace.calls);
                let _short = LeaseBreakTime::seconds(1);
                for n in [points[1], points[points.len() - 2]] {
                    let case = sweep.scenario.lay_out();
                    case.settle();
                    let mut written = None;
                    let trace = run_while(&sweep.apply(&case), Fault::Meanwhile(n), &case.scratch(), &mut || {
                        written = Some(write_to_quarantined(&case));
                    });
                    let text = trace.stdout + &trace.stderr;
                    let (old, new) = written.unwrap();
                    assert_eq!(trace.end, End::Code(4), "{text}");
                    assert!(text.contains("was written to while it was removed"), "{text}");
                    let mut expected = sweep.before.clone();
                    let path = expected.iter().find(|(_, content)| **content == old).unwrap().0.clone();
                    assert_eq!(
                        std::fs::read(case.source().join(OsStr::from_bytes(&path))).unwrap(),
                        new
                    );
                    expected.insert(path, new);
                    let wrong = problems(&case, &sweep.scenario, &expected, Expect::NothingLost);
                    assert_eq!(wrong, Vec::<String>::new(), "{text}");
                }
            }
        }

        /// Appends to the one file in quarantine. Opening it waits until its lease is broken.
        fn write_to_quarantined(case: &scenario::Case) -> (Vec<u8>, Vec<u8>) {
            let runs = std::fs::read_dir(case.source().join(".opsrun-quarantine")).unwrap();
            let run = runs.map(|run| run.unwrap().path()).next().unwrap();
            let names = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
            let taken = names
                .into_iter()
                .find(|path| path.extension() == Some(OsStr::new("q")))
                .unwrap();
            let old = std::fs::read(&taken).unwrap();
            let mut file = std::fs::File::options().append(true).open(&taken).unwrap();
            file.write_all(b"written at the last moment\n").unwrap();
            (old, std::fs::read(&taken).unwrap())
        }
    }
}
