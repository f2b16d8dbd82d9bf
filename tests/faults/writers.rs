//! Another program changes the tree, at every call that opsrun makes.
//!
//! opsrun is stopped before the call. Meanwhile a file that it is about to copy or delete is written to, replaced or
//! held open, or its directory becomes a symlink. What the other program wrote must exist afterwards, and nothing
//! outside may change, even if the change is hidden (times are set back).
//! A writer that opens the file while opsrun holds a lease would have to wait, and gives up. The file may then go.

use super::checker::{Expect, problems, unpack_all};
use super::sample::{described, sample};
use super::scenario::{self, Case, Scenario, Snapshot};
use super::sweep::{Sweep, apply};
use super::tracer::{End, Fault, Trace, run_while};
use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The file that is changed: one that has expired.
const VICTIM: &[u8] = b"raw/2026/old-1.jsonl";

/// What the other program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// Appends, and sets the time back.
    Append,
    /// Writes other bytes of the same length in place, and sets the time back.
    Overwrite,
    /// Renames another file of the same length and time over it.
    Replace,
    /// Cuts it short, and sets the time back.
    Shorten,
    /// Opens it, and writes only after opsrun has ended.
    Hold,
    /// Puts a symlink to a directory outside, with a file of that name, in the place of its directory.
    SwapDirectory,
    /// Puts a symlink to a file outside in its place.
    SwapFile,
    /// Makes a file of the same name where the victim was already taken away.
    ComeBack,
}

const CHANGES: [Change; 8] = [
    Change::Append,
    Change::Overwrite,
    Change::Replace,
    Change::Shorten,
    Change::Hold,
    Change::SwapDirectory,
    Change::SwapFile,
    Change::ComeBack,
];

/// The expected content after a change, and what remains to be done after opsrun has ended.
#[derive(Default)]
struct Done {
    content: Option<Vec<u8>>,
    held: Option<File>,
    swapped: bool,
}

impl Change {
    /// Does it, if it is possible at this moment.
    fn happen(self, case: &Case, before: &Snapshot) -> Done {
        let (victim, bait) = (case.source().join(OsStr::from_bytes(VICTIM)), case.root().join("bait"));
        let old = &before[VICTIM];
        let mut done = Done::default();
        let there = std::fs::symlink_metadata(&victim).is_ok();
        let times = || FileTimes::new().set_modified(std::fs::metadata(&victim).unwrap().modified().unwrap());
        // Opening a file under a lease would wait.
        let open = || File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&victim);
        match self {
            Self::ComeBack if there => {}
            Self::ComeBack => {
                std::fs::write(&victim, "a new file").unwrap();
                done.content = Some(b"a new file".to_vec());
            }
            _ if !there => {}
            Self::Append | Self::Overwrite | Self::Shorten => {
                let times = times();
                let Ok(file) = open() else { return done };
                let mut content = old.clone();
                match self {
                    Self::Append => content.extend_from_slice(b"one more line\n"),
                    Self::Overwrite => content.reverse(),
                    _ => content.truncate(old.len() / 2),
                }
                file.set_len(content.len() as u64).unwrap();
                file.write_all_at(&content, 0).unwrap();
                file.set_times(times).unwrap();
                done.content = Some(content);
            }
            Self::Replace => {
                let content: Vec<u8> = old.iter().rev().copied().collect();
                let other = case.root().join("other");
                std::fs::write(&other, &content).unwrap();
                File::options()
                    .write(true)
                    .open(&other)
                    .unwrap()
                    .set_times(times())
                    .unwrap();
                std::fs::rename(&other, &victim).unwrap();
                done.content = Some(content);
            }
            Self::Hold => {
                let Ok(file) = open() else { return done };
                done.content = Some([old.as_slice(), b"written later\n"].concat());
                done.held = Some(file);
            }
            Self::SwapDirectory => {
                let (dir, aside) = swapped_dir(case);
                std::fs::rename(&dir, aside).unwrap();
                std::os::unix::fs::symlink(&bait, &dir).unwrap();
                done.swapped = true;
            }
            Self::SwapFile => {
                std::fs::remove_file(&victim).unwrap();
                std::os::unix::fs::symlink(bait.join("old-1.jsonl"), &victim).unwrap();
                let link = [b"-> ", bait.join("old-1.jsonl").as_os_str().as_bytes()].concat();
                done.content = Some(link);
            }
        }
        done
    }
}

fn swapped_dir(case: &Case) -> (PathBuf, PathBuf) {
    (case.source().join("raw/2026"), case.source().join("raw/2026.aside"))
}

#[test]
fn what_others_write_at_any_call_is_not_lost() {
    for scenario in scenario::all() {
        let one_in = match scenario.name {
            // What others do to the source does not depend on the form of the copy.
            "trees" => 40,
            _ => 16,
        };
        let sweep = Sweep::new(scenario);
        let trace = sweep.undisturbed();
        let calls = (1..).zip(&trace.calls);
        let points = calls.flat_map(|(n, call)| CHANGES.map(|change| (change, n, call.name)));
        let all = trace.calls.len() * CHANGES.len();
        let cases = sample(points, one_in, |(change, _, call)| (*change, *call));
        let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            let mut ready = std::collections::VecDeque::new();
            while let Some((change, n, _)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                while ready.len() < 3 {
                    ready.push_back(sweep.scenario.lay_out());
                }
                let Some(case) = ready.pop_front() else { break };
                wrong
                    .lock()
                    .unwrap()
                    .extend(try_one(&case, &sweep.scenario, &sweep.before, *change, *n));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
        });
        let wrong = wrong.into_inner().unwrap();
        let cases = described(cases.len(), all);
        eprintln!("writers, `{}`: {cases}", sweep.scenario.name);
        let first = &wrong[..wrong.len().min(12)];
        assert!(
            wrong.is_empty(),
            "{} wrong of {cases}:\n{}",
            wrong.len(),
            first.join("\n")
        );
    }
}

fn try_one(case: &Case, scenario: &Scenario, before: &Snapshot, change: Change, n: usize) -> Option<String> {
    // A file outside that looks just like the victim.
    let bait = case.root().join("bait");
    std::fs::create_dir(&bait).unwrap();
    let precious = before[VICTIM].clone();
    std::fs::write(bait.join("old-1.jsonl"), &precious).unwrap();
    let victim = case.source().join(OsStr::from_bytes(VICTIM));
    let age = std::fs::metadata(&victim).unwrap().modified().unwrap();
    let file = File::options().write(true).open(bait.join("old-1.jsonl")).unwrap();
    file.set_times(FileTimes::new().set_modified(age)).unwrap();
    case.settle();

    let program = apply(case);
    let mut done = Done::default();
    let trace = run_while(&program, Fault::Meanwhile(n), &case.scratch(), &mut || {
        done = change.happen(case, before);
    });
    if let Some(mut file) = done.held.take() {
        use std::io::Seek;
        file.seek(std::io::SeekFrom::End(0)).unwrap();
        file.write_all(b"written later\n").unwrap();
    }
    let mut expected = before.clone();
    if let Some(content) = done.content {
        expected.insert(VICTIM.to_vec(), content);
    }
    let mut wrong = judge(&trace);
    let swap_back = || {
        let (dir, aside) = swapped_dir(case);
        if done.swapped && dir.is_symlink() {
            std::fs::remove_file(&dir).unwrap();
            std::fs::rename(aside, dir).unwrap();
        }
    };
    swap_back();
    let look = || {
        let mut wrong = problems(case, scenario, &expected, Expect::NothingLost);
        if change == Change::ComeBack {
            // The new file is there, and so is the old one, somewhere.
            wrong.extend(problems(case, scenario, before, Expect::NothingLost));
        }
        if done.swapped {
            // What was copied and deleted under its name aside is not lost.
            wrong.retain(|problem| !copied_aside(case, before, problem));
        }
        wrong
    };
    wrong.extend(look());
    // Nor is anything lost by the run that comes next.
    let after = Command::new(&program.path)
        .args(&program.args)
        .current_dir(&program.dir)
        .output()
        .unwrap();
    wrong.extend(look());
    // An old file stays in quarantine while another file has its name.
    let stuck = change == Change::ComeBack && after.status.code() == Some(1);
    if !stuck && !matches!(after.status.code(), Some(0 | 4)) {
        let stderr = String::from_utf8_lossy(&after.stderr);
        wrong.push(format!(
            "the next run ended with {:?}: {}",
            after.status.code(),
            stderr.trim()
        ));
    }
    if std::fs::read(bait.join("old-1.jsonl")).ok() != Some(precious) {
        wrong.push("the file outside was touched".to_owned());
    }
    (!wrong.is_empty()).then(|| {
        format!(
            "scenario `{}`, {change:?} before call {n} ({}); it ended with {:?}:\n    {}\n  its output: {}",
            scenario.name,
            trace.hit.as_deref().unwrap_or("none"),
            trace.end,
            wrong.join("\n    "),
            trace.stderr.trim()
        )
    })
}

/// Whether a problem is about a file that a committed copy holds under the name it had for a while.
fn copied_aside(case: &Case, before: &Snapshot, problem: &str) -> bool {
    let copies = unpack_all(case, &mut Vec::new());
    before.iter().any(|(path, content)| {
        let Some(name) = path.strip_prefix(b"raw/2026/") else {
            return false;
        };
        let aside = [b"raw/2026.aside/", name].concat();
        problem == format!("LOST: `{}` is nowhere", path.escape_ascii())
            && copies.iter().any(|copy| copy.get(&aside) == Some(content))
    })
}

fn judge(trace: &Trace) -> Vec<String> {
    let mut wrong = Vec::new();
    if trace.hung {
        wrong.push("it had to be killed: it went on and on".to_owned());
    }
    if trace.stderr.contains("panicked") {
        wrong.push("it panicked".to_owned());
    }
    match trace.end {
        End::Signal(signal) => wrong.push(format!("it died of {signal}")),
        End::Code(0 | 1 | 3 | 4) => {}
        End::Code(code) => wrong.push(format!("it ended with {code}")),
    }
    wrong
}
