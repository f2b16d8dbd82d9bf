//! Damage to a copy is found, and never restored.
//!
//! One bit flipped, or the end cut off, anywhere in the archive or the file list: `verify` must find it. The
//! same in the manifest too: what `restore` brings back must be right to the byte, or it must say that it failed.

use super::checker::snapshot;
use super::sample::{described, sample};
use super::scenario::{self, Case, Content, Scenario, Snapshot};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// In the short form, so many bits and so many lengths of each file.
const POINTS: usize = 60;

#[derive(Clone, Copy)]
enum Damage {
    /// The bit of this number is flipped.
    Flip(usize),
    /// Only so many bytes are left.
    Cut(usize),
}

fn opsrun(args: &[&str], dir: &Path) -> Output {
    Command::new(super::sweep::binary())
        .args(args)
        .args(["--threads", "1"])
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// A small tree, backed up, and what can be restored from its copy.
fn prepared() -> (Case, Vec<(PathBuf, Vec<u8>)>, Snapshot) {
    let full = scenario::all().swap_remove(1);
    let small = Scenario {
        items: full
            .items
            .iter()
            .filter(|item| is_small(&item.content))
            .cloned()
            .collect(),
        ..full
    };
    let before = small.snapshot();
    let case = small.lay_out();
    case.settle();
    let done = opsrun(&["apply", "--yes", "ops.kdl"], case.root());
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let destination = case.root().join("copies/of/data");
    let entries = std::fs::read_dir(destination).unwrap().map(|e| e.unwrap().path());
    let files = entries.map(|path| (path.file_name().unwrap().into(), std::fs::read(&path).unwrap()));
    let files = files.collect();
    (case, files, before)
}

fn is_small(content: &Content) -> bool {
    match content {
        Content::Bytes(bytes) => bytes.len() < 10_000,
        Content::Sparse(..) => false,
        Content::HardLink(_) | Content::Symlink(_) => true,
    }
}

/// Numbers below `most`; of every bit of a byte as many.
fn spread(most: usize) -> Vec<usize> {
    sample(0..most, (most / POINTS).max(1), |n| n % 8)
}

#[test]
fn damage_is_found_and_never_restored() {
    let (case, files, before) = prepared();
    let kind = |name: &Path, ending: &str| name.to_str().unwrap().ends_with(ending);
    let (mut cases, mut all): (Vec<(usize, bool, Damage)>, usize) = (Vec::new(), 0);
    for (at, (name, bytes)) in files.iter().enumerate() {
        let data = kind(name, ".tar.gz") || kind(name, ".files.jsonl.gz");
        if data || kind(name, ".manifest.json") {
            cases.extend(
                spread(bytes.len() * 8)
                    .into_iter()
                    .map(|bit| (at, data, Damage::Flip(bit))),
            );
            cases.extend(spread(bytes.len()).into_iter().map(|len| (at, data, Damage::Cut(len))));
            all += bytes.len() * 9;
        }
    }
    assert!(cases.len() > 6 * POINTS);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let dir = tempfile::tempdir_in(case.root()).unwrap();
        while let Some((at, data, damage)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(problem) = try_one(dir.path(), &files, *at, *data, *damage, &before) {
                wrong.lock().unwrap().push(problem);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let wrong = wrong.into_inner().unwrap();
    let cases = described(cases.len(), all);
    eprintln!("damage: {cases}");
    assert!(
        wrong.is_empty(),
        "{} wrong of {cases}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
}

fn try_one(
    dir: &Path,
    files: &[(PathBuf, Vec<u8>)],
    at: usize,
    data: bool,
    damage: Damage,
    before: &Snapshot,
) -> Option<String> {
    let (copies, restored) = (dir.join("copies"), dir.join("restored"));
    for (n, (name, bytes)) in files.iter().enumerate() {
        let mut bytes = bytes.clone();
        match damage {
            Damage::Flip(bit) if n == at => bytes[bit / 8] ^= 1 << (bit % 8),
            Damage::Cut(len) if n == at => bytes.truncate(len),
            _ => {}
        }
        std::fs::create_dir_all(&copies).unwrap();
        std::fs::write(copies.join(name), bytes).unwrap();
    }
    let mut wrong = Vec::new();
    let mut judge = |what: &str, done: &Output, may_succeed: bool| {
        let stderr = String::from_utf8_lossy(&done.stderr);
        let code = done.status.code();
        if code.is_none() || code == Some(70) || stderr.contains("panicked") || (code == Some(0) && !may_succeed) {
            wrong.push(format!("{what} ended with {code:?}: {}", stderr.trim()));
        }
    };
    let verified = opsrun(&["verify", "--from", "copies"], dir);
    judge("verify", &verified, !data);
    let done = opsrun(&["restore", "--from", "copies", "--to", "restored"], dir);
    judge("restore", &done, true);
    let back = snapshot(&restored);
    for (path, bytes) in &back {
        if before.get(path) != Some(bytes) {
            wrong.push(format!("`{}` was restored with other content", path.escape_ascii()));
        }
    }
    if done.status.success() && back.len() != before.len() {
        wrong.push(format!(
            "restore claims success with {} of {} files",
            back.len(),
            before.len()
        ));
    }
    std::fs::remove_dir_all(&copies).unwrap();
    let _ = std::fs::remove_dir_all(&restored);
    let damage = match damage {
        Damage::Flip(bit) => format!("bit {} of byte {} flipped", bit % 8, bit / 8),
        Damage::Cut(len) => format!("cut off after {len} bytes"),
    };
    (!wrong.is_empty()).then(|| format!("{}, {damage}: {}", files[at].0.display(), wrong.join("; ")))
}
