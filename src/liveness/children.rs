//! Commands that work, and what an opsrun that was killed left of them.
//!
//! Every command of a job has a file in `children/` from before its start until it was waited for: locked by opsrun, with the
//! step and the run, and with the trace that the child itself leaves before its program runs. A file that no opsrun
//! holds names a command without one; its process group is an [`Orphan`] as long as any of it lives.
//! Between fork and exec the child holds the lock too: there is no moment at which nothing is known of it.
//!
//! Numbers of groups mean nothing in another PID namespace. A container that ends takes its processes with it, so what
//! is known only there counts as gone; its file is kept for `MAX_UNKNOWN`, for an opsrun that is started there again.
//! Commands of channels and secrets have none: they belong to no job, and their time is bounded.
//! Invariant: a file is removed only when its group is known to be gone, or has been unknown for long.

use super::system::{Reach, System};
use super::{file_mode, place};
use crate::clock;
use crate::model::{JobName, StepName};
use crate::process::{GroupTrace, Ladder};
use crate::tree::TreeError;
use crate::tree::handle::Dir;
use crate::tree::held_file::{HeldFile, LockState, lock_state};
use crate::tree::publish::clear_debris;
use crate::units::joined;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// In the directory of the state.
const DIR: &str = "children";
/// Longest file that is read: a step and a run, and what the child wrote.
const MAX_BYTES: u64 = 8192;
/// How long the file of another PID namespace is kept.
const MAX_UNKNOWN: TimeDelta = TimeDelta::days(7);
/// Processes that are named.
const MAX_NAMED: usize = 8;

/// The commands of one run.
#[derive(Debug)]
pub struct Children {
    dir: Dir,
    run: String,
}

/// A command that is about to start, or at work.
#[derive(Debug)]
pub struct ChildMark(HeldFile);

/// What is left of a command whose opsrun is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub step: StepName,
    pub run: String,
    /// When the command was started.
    pub since: DateTime<Utc>,
    /// The processes of the group that live, at least one.
    pub pids: Vec<i32>,
    group: GroupTrace,
}

impl Children {
    /// In the directory of a state, which is there.
    pub fn of(state_dir: &Path, run: &str) -> Result<Self, TreeError> {
        let (dir, run) = (place(state_dir, DIR)?, run.to_owned());
        Ok(Self { dir, run })
    }

    /// To be called before a command of the step is started.
    pub fn mark(&self, step: &StepName) -> Result<ChildMark, TreeError> {
        let mark = HeldFile::create(&self.dir, file_mode(&self.dir))?;
        let since = clock::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let (run, system) = (&self.run, System::own());
        // Before the child can write: its trace follows the empty line.
        let text = format!("step {step}\nrun {run}\nsince {since}\nsystem {system}\n\n");
        match mark.file().as_ref().write_all(text.as_bytes()) {
            Ok(()) => Ok(ChildMark(mark)),
            Err(e) => {
                let fail = TreeError::at("write", &self.dir.path_of(mark.name().as_bytes()), e);
                mark.remove();
                Err(fail)
            }
        }
    }
}

impl ChildMark {
    /// Where the child leaves its trace.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(self.0.file())
    }

    /// The command has ended: nothing of it is to be found. Without this, what lives of its group is an orphan as soon as
    /// the file is closed.
    pub fn ended(self) {
        self.0.remove();
    }
}

impl Orphan {
    pub fn job(&self) -> JobName {
        self.step.job()
    }

    /// `pid 12, 13`.
    pub fn processes(&self) -> String {
        processes(&self.pids)
    }

    /// The number of the process group.
    pub fn group(&self) -> i32 {
        self.group.number()
    }

    /// TERM, and KILL for what is there after `kill_after`; at once when `hurry` says so.
    pub fn end(&self, kill_after: Duration, hurry: &dyn Fn() -> bool) -> Ladder {
        self.group.end(kill_after, hurry)
    }
}

impl fmt::Display for Orphan {
    /// The same as long as any of them works.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, group) = (&self.run, self.group());
        write!(f, "run {run} left processes at work: process group {group}")
    }
}

/// `pid 12, 13`.
pub fn processes(pids: &[i32]) -> String {
    let shown = pids.get(..MAX_NAMED).unwrap_or(pids);
    match pids.len() - shown.len() {
        0 => format!("pid {}", joined(shown)),
        more => format!("pid {} and {more} more", joined(shown)),
    }
}

/// What works without an opsrun, oldest first. What cannot be read is left out.
pub fn orphans(state_dir: &Path) -> Vec<Orphan> {
    let Ok(dir) = Dir::open(&state_dir.join(DIR)) else {
        return Vec::new();
    };
    let marks = unheld(&dir);
    let mut found: Vec<Orphan> = marks.into_iter().filter_map(|(_, mark)| mark?.orphan()).collect();
    found.sort_by(|a, b| (a.since, &a.step).cmp(&(b.since, &b.step)));
    found
}

/// Removes the files of groups that are gone. What cannot be removed stays for the next run.
pub fn clear(state_dir: &Path) {
    let Ok(dir) = Dir::open(&state_dir.join(DIR)) else {
        return;
    };
    for (name, mark) in unheld(&dir) {
        if mark.is_none_or(|mark| mark.is_over()) {
            let _ = clear_debris(&dir, name.as_bytes());
        }
    }
}

/// The files that no opsrun holds, and what they say.
fn unheld(dir: &Dir) -> Vec<(String, Option<Unheld>)> {
    let names = dir.names().unwrap_or_default();
    let names = names
        .into_iter()
        .filter_map(|name| String::from_utf8(name.into_vec()).ok());
    let free = names.filter(|name| matches!(lock_state(dir.path(), name), LockState::Free));
    free.map(|name| {
        let read = dir.open_file(name.as_bytes(), true).ok().and_then(|file| {
            let mut text = Vec::new();
            file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
            Unheld::parse(&text)
        });
        (name, read)
    })
    .collect()
}

/// What the file of a command without an opsrun says.
#[derive(Debug)]
struct Unheld {
    step: StepName,
    run: String,
    since: DateTime<Utc>,
    system: System,
    /// `None` when the child did not come to leave one: it never ran its program.
    trace: Option<GroupTrace>,
}

impl Unheld {
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.windows(2).position(|two| two == b"\n\n")?;
        let (head, trace) = text.split_at(end);
        let head = std::str::from_utf8(head).ok()?;
        let value = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let (boot, namespace) = value("system")?.split_once(' ')?;
        Some(Self {
            step: value("step")?.parse().ok()?,
            run: value("run")?.to_owned(),
            since: value("since")?.parse().ok()?,
            system: System::parse(boot, Some(namespace), &System::own()),
            trace: GroupTrace::parse(trace.get(2..)?),
        })
    }

    fn orphan(self) -> Option<Orphan> {
        let pids = self.living()?;
        Some(Orphan {
            pids,
            step: self.step,
            run: self.run,
            since: self.since,
            group: self.trace?,
        })
    }

    fn living(&self) -> Option<Vec<i32>> {
        let same = self.system.reach(&System::own()) == Reach::Same;
        let pids = self.trace.as_ref().filter(|_| same)?.members();
        (!pids.is_empty()).then_some(pids)
    }

    fn is_over(&self) -> bool {
        match self.system.reach(&System::own()) {
            _ if self.trace.is_none() => true,
            Reach::Same => self.living().is_none(),
            Reach::Ended => true,
            Reach::Unknown => clock::now() - self.since > MAX_UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StepKind;

    const HEAD: &str = "step target:a\nrun R\nsince 2026-11-23T00:00:00.000Z\nsystem ";

    fn write(dir: &Path, name: &str, system: &str, trace: &str) {
        std::fs::write(dir.join(DIR).join(name), format!("{HEAD}{system}\n\n{trace}")).unwrap();
    }

    /// The group of this process, as a child of opsrun would have left it.
    fn own_trace() -> String {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let rest = stat.split_once(' ').unwrap().1;
        let leading = std::fs::read_to_string(format!("/proc/{group}/stat"));
        leading.map_or_else(
            |_| format!("{group}\n{group} {rest}"),
            |leading| format!("{group}\n{leading}"),
        )
    }

    #[test]
    fn a_command_is_an_orphan_once_no_opsrun_holds_its_file() {
        let temp = tempfile::tempdir().unwrap();
        let children = Children::of(temp.path(), "R").unwrap();
        let mark = children.mark(&StepName::new(StepKind::Target, "a")).unwrap();
        mark.file().as_ref().write_all(own_trace().as_bytes()).unwrap();
        assert!(orphans(temp.path()).is_empty(), "opsrun is there");
        let name = mark.0.name().to_owned();
        drop(mark);
        let found = orphans(temp.path());
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].job().to_string().as_str(), found[0].run.as_str()),
            ("target:a", "R")
        );
        assert!(found[0].pids.contains(&i32::try_from(std::process::id()).unwrap()));
        clear(temp.path());
        assert_eq!(
            lock_state(&temp.path().join(DIR), &name),
            LockState::Free,
            "it is still of use"
        );
        children.mark(&found[0].step).unwrap().ended();
        assert_eq!(children.dir.names().unwrap().len(), 1);
    }

    #[test]
    fn what_is_gone_is_cleared_and_what_is_unknown_is_kept_for_a_while() {
        let temp = tempfile::tempdir().unwrap();
        let children = Children::of(temp.path(), "R").unwrap();
        let own = System::own().to_string();
        let (boot, _) = own.split_once(' ').unwrap();
        let ended = "2147483647\n";
        write(temp.path(), "ended", &own, ended);
        write(temp.path(), "never-started", &own, "");
        write(temp.path(), "before-the-start", "other 1", &own_trace());
        write(temp.path(), "elsewhere-and-old", &format!("{boot} 1"), &own_trace());
        std::fs::write(temp.path().join(DIR).join("torn"), "step target:a\nru").unwrap();
        let recent = HEAD.replace("2026-11-23T00:00:00.000Z", &clock::now().to_rfc3339());
        let elsewhere = format!("{recent}{boot} 1\n\n{}", own_trace());
        std::fs::write(temp.path().join(DIR).join("elsewhere"), elsewhere).unwrap();
        assert!(orphans(temp.path()).is_empty());
        clear(temp.path());
        assert_eq!(children.dir.names().unwrap(), [Box::from(b"elsewhere".as_slice())]);
    }

    #[test]
    fn few_processes_are_named() {
        assert_eq!(processes(&[7]), "pid 7");
        assert_eq!(
            processes(&(1..=10).collect::<Vec<_>>()),
            "pid 1, 2, 3, 4, 5, 6, 7, 8 and 2 more"
        );
    }
}
