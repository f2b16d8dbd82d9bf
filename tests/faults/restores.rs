//! A restore under faults: at no moment is half a file under its final name.
//!
//! After a kill at any call, each path has nothing, what it had before, or its whole content; the next restore finishes
//! the job, gives directories their modes, and leaves nothing behind. No file gets its name before a sync covered it, and
//! none after its sync failed.

use super::checker::snapshot;
use super::sample::{described, sample_calls};
use super::scenario::{self, Case, Snapshot};
use super::sweep::{apply, binary};
use super::tracer::{Call, End, Fault, Program, Trace, run};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// Who restores: directories without the right to write mean nothing to root.
const USER: u32 = 65534;

/// A copy, and where it is restored to.
struct World {
    case: Case,
    before: Snapshot,
}

impl World {
    fn new(scenario: usize) -> Self {
        let mut scenario = scenario::all().swap_remove(scenario);
        // Nothing is deleted: the copy is of everything.
        let retention = scenario.ops.find("retention").unwrap();
        scenario.ops = &scenario.ops[..retention];
        let case = scenario.lay_out();
        let closed = case.source().join("raw");
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
        let world = Self {
            case,
            before: scenario.snapshot(),
        };
        world.own(&world.case.source());
        let done = Command::new(binary())
            .args(apply(&world.case).args)
            .current_dir(world.case.root())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        world.own(world.case.root());
        world
    }

    /// Gives everything below a path to the user.
    fn own(&self, root: &Path) {
        if nix::unistd::geteuid().is_root() {
            super::system(
                "chown",
                &["-hR", "65534:65534", root.to_str().unwrap()],
                self.case.root(),
            );
            chown(root, Some(USER), Some(USER)).unwrap();
        }
    }

    /// A target with a file to be replaced, in a directory without the right to write.
    fn lay_out(&self) {
        let out = self.case.root().join("out");
        let _ = super::system("rm", &["-rf", "out"], self.case.root());
        std::fs::create_dir_all(out.join("raw/2026")).unwrap();
        std::fs::write(out.join("raw/2026/old-1.jsonl"), "old").unwrap();
        std::fs::set_permissions(out.join("raw"), PermissionsExt::from_mode(0o555)).unwrap();
        self.own(&out);
    }

    fn program(&self) -> Program {
        let from = if self.case.root().join("copies/of/data").exists() {
            "copies/of/data"
        } else {
            "copies"
        };
        let restore = ["restore", "--force", "--threads", "1", "--from", from, "--to", "out"];
        let root = nix::unistd::geteuid().is_root();
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let (path, mut args): (_, Vec<std::ffi::OsString>) = if root {
            let args = user.map(Into::into).into_iter().chain([binary().into()]).collect();
            ("/usr/bin/setpriv".into(), args)
        } else {
            (binary(), Vec::new())
        };
        args.extend(restore.map(Into::into));
        Program {
            path,
            args,
            dir: self.case.root().to_owned(),
            lacks: Vec::new(),
        }
    }

    /// What is wrong right now: each path has nothing, what it had, or its whole content.
    fn halves(&self) -> Vec<String> {
        let now = snapshot(&self.case.root().join("out"));
        let fine = |path: &Vec<u8>, content: &Vec<u8>| {
            self.before.get(path) == Some(content) || (content == b"old" && path == b"raw/2026/old-1.jsonl")
        };
        let halves = now.iter().filter(|(path, content)| !fine(path, content));
        halves
            .map(|(path, _)| format!("half of `{}`", path.escape_ascii()))
            .collect()
    }

    /// What is wrong after a restore that was not disturbed.
    fn unfinished(&self) -> Vec<String> {
        let program = self.program();
        let done = Command::new(&program.path)
            .args(&program.args)
            .current_dir(&program.dir)
            .output()
            .unwrap();
        let mut wrong = Vec::new();
        if !done.status.success() {
            wrong.push(format!(
                "the next ended with {}: {}",
                done.status,
                String::from_utf8_lossy(&done.stderr)
            ));
        }
        let out = self.case.root().join("out");
        if snapshot(&out) != self.before {
            wrong.push("the next did not restore everything".to_owned());
        }
        let mut stack = vec![out.clone()];
        while let Some(dir) = stack.pop() {
            for item in std::fs::read_dir(dir).unwrap() {
                let path = item.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with(".opsrun-") {
                    wrong.push(format!("left behind: {}", path.display()));
                }
                if path.is_dir() && !path.is_symlink() {
                    let source = self.case.source().join(path.strip_prefix(&out).unwrap());
                    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
                    if mode(&path) != mode(&source) {
                        wrong.push(format!("{} has mode {:o}", path.display(), mode(&path)));
                    }
                    stack.push(path);
                }
            }
        }
        wrong
    }

    fn undisturbed(&self) -> Trace {
        self.lay_out();
        let trace = run(&self.program(), Fault::None, &self.case.scratch());
        assert_eq!(
            (trace.end, self.halves()),
            (End::Code(0), Vec::new()),
            "{}",
            trace.stderr
        );
        assert_eq!(self.unfinished(), Vec::<String>::new());
        trace
    }

    fn try_all(&self, faults: &[Fault], what: &str, all: usize) {
        let mut wrong = Vec::new();
        for fault in faults {
            self.lay_out();
            let trace = run(&self.program(), *fault, &self.case.scratch());
            let mut found = self.halves();
            if trace.hung || trace.stderr.contains("panicked") {
                found.push(format!("it hung or panicked: {}", trace.stderr));
            }
            if let (Fault::Fail(..), End::Code(0)) = (fault, trace.end)
                && trace.hit.as_ref().is_some_and(|hit| hit.contains("sync"))
            {
                found.push("a sync failed, and it claims success".to_owned());
            }
            found.extend(self.unfinished());
            if !found.is_empty() {
                wrong.push(format!(
                    "{fault:?} at {:?} ({:?}): {}",
                    trace.hit,
                    trace.end,
                    found.join("; ")
                ));
            }
        }
        let cases = described(faults.len(), all);
        eprintln!("{what}: {cases}");
        assert!(
            wrong.is_empty(),
            "{what}, {cases}:\n{}",
            wrong[..wrong.len().min(12)].join("\n")
        );
    }
}

#[test]
fn a_restore_that_is_killed_leaves_no_half_file_and_the_next_one_finishes() {
    for scenario in [1, 2] {
        let world = World::new(scenario);
        let trace = world.undisturbed();
        let before = sample_calls(&trace, 6, |_| true).into_iter().map(Fault::KillBefore);
        let torn = sample_calls(&trace, 6, |call| call.tearable)
            .into_iter()
            .map(Fault::KillTorn);
        let faults: Vec<Fault> = before.chain(torn).collect();
        world.try_all(&faults, "kills of a restore", trace.calls.len());
        let stops: Vec<Fault> = sample_calls(&trace, 8, |_| true)
            .into_iter()
            .map(Fault::Terminate)
            .collect();
        world.try_all(&stops, "SIGTERM to a restore", trace.calls.len());
    }
}

#[test]
fn what_could_not_be_made_durable_gets_no_name() {
    let world = World::new(1);
    let trace = world.undisturbed();
    let syncs = |call: &Call| matches!(call.name, "fsync" | "syncfs");
    let syncs = sample_calls(&trace, 1, syncs)
        .into_iter()
        .map(|n| Fault::Fail(n, Errno::EIO));
    let others = sample_calls(&trace, 4, |call| call.name != "write").into_iter();
    let faults: Vec<Fault> = syncs.chain(others.map(|n| Fault::Fail(n, Errno::ENOSPC))).collect();
    world.try_all(&faults, "errors in a restore", trace.calls.len());
}

/// Names that came before a sync covered the file, in the order of the calls.
fn named_too_early(calls: &[Call]) -> Vec<String> {
    let part = |call: &Call| {
        let name = call.target.rsplit('/').next().unwrap_or_default();
        let number = name.strip_suffix(".part").filter(|name| !name.ends_with("dirs"));
        number.filter(|name| name.starts_with(".opsrun-")).map(str::to_owned)
    };
    let (mut dirty, mut early) = (BTreeSet::new(), Vec::new());
    for call in calls {
        match (call.name, part(call)) {
            ("syncfs", _) => dirty.clear(),
            ("fsync" | "fdatasync", Some(name)) => drop(dirty.remove(&name)),
            ("openat" | "write" | "pwrite64" | "ftruncate" | "fchmod" | "fchown" | "fsetxattr", Some(name)) => {
                dirty.insert(name);
            }
            ("rename" | "renameat" | "renameat2" | "linkat", Some(name)) if dirty.contains(&name) => early.push(name),
            _ => {}
        }
    }
    early
}

#[test]
fn a_restored_file_has_its_name_only_when_it_is_durable() {
    for scenario in [1, 2] {
        let trace = World::new(scenario).undisturbed();
        let named = trace
            .calls
            .iter()
            .filter(|call| call.name.starts_with("rename") && call.target.strip_suffix(".part").is_some());
        assert!(named.count() >= 5);
        assert_eq!(named_too_early(&trace.calls), Vec::<String>::new());
        // The check itself: without the syncs it finds all of them.
        let without: Vec<Call> = trace
            .calls
            .iter()
            .filter(|call| !call.name.contains("sync"))
            .cloned()
            .collect();
        assert!(named_too_early(&without).len() >= 4);
    }
}
