//! Process 1 of a container inherits what its children leave behind, and must collect it.
//!
//! Every child that opsrun starts is registered from before its start until it was waited for. What else has ended as a child of
//! this process is an orphan: its exit code is of no use, and waiting for it frees its entry in the process table.
//! Invariant: no registered child is ever waited for here, nor one whose start is under way.

use super::stat::{self, ProcessStat};
use crate::signal::ChildBell;
use rustix::process::{Pid, WaitOptions, getpid, waitpid};
use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// Orphans often end together: one look for all that end within this time, and the next try when a start was under way.
const PAUSE: Duration = Duration::from_millis(100);

/// Children that were started and not yet waited for, counted by number: between the end of the wait for one and
/// [`forget`], the system may give its number to the next.
static CHILDREN: Mutex<BTreeMap<i32, u32>> = Mutex::new(BTreeMap::new());

/// Held for reading while a child is started: until it is registered, it looks like an orphan. Starts do not wait for each
/// other, since one may hang in a dead mount.
static STARTING: RwLock<()> = RwLock::new(());

/// Starts a child that is not an orphan.
pub(super) fn registered(start: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    let child = start()?;
    add(number(&child));
    Ok(child)
}

/// Forgets a child that was waited for.
pub(super) fn forget(child: &Child) {
    remove(number(child));
}

fn add(number: i32) {
    *children().entry(number).or_default() += 1;
}

fn remove(number: i32) {
    let mut children = children();
    if let Some(count) = children.get_mut(&number) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            children.remove(&number);
        }
    }
}

fn number(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or_default()
}

fn children() -> MutexGuard<'static, BTreeMap<i32, u32>> {
    // A map is never left half changed.
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects orphans from now on, in a thread of its own, if this is process 1.
pub fn collect() -> io::Result<()> {
    if !getpid().is_init() {
        return Ok(());
    }
    let bell = ChildBell::install()?;
    let collector = move || {
        loop {
            bell.wait();
            loop {
                std::thread::sleep(PAUSE);
                if collect_once() {
                    break;
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("orphans".to_owned())
        .spawn(collector)
        .map(drop)
}

/// False when it must be done again, since a child was being started.
fn collect_once() -> bool {
    let Ok(_none) = STARTING.try_write() else {
        return false;
    };
    let children = children();
    let orphan = |pid: &i32| !children.contains_key(pid);
    // Cheap, and needs no `/proc`. A child of opsrun that has ended stays first until its group is gone.
    while let Some(first) = first_ended().filter(orphan) {
        wait_for(first);
    }
    if first_ended().is_some() {
        ended_in_proc().into_iter().filter(orphan).for_each(wait_for);
    }
    true
}

fn wait_for(pid: i32) {
    // It has ended: this does not wait. If it is gone already, nothing is left to do.
    let _ = waitpid(Pid::from_raw(pid), WaitOptions::NOHANG);
}

/// The number of a child that has ended; it stays as it is.
#[expect(
    unsafe_code,
    reason = "the safe `waitid` of rustix does not say which child it is about"
)]
fn first_ended() -> Option<i32> {
    let mut found = MaybeUninit::<libc::siginfo_t>::zeroed();
    let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `waitid` writes a `siginfo_t` to this place or nothing, and keeps no pointer.
    let answer = unsafe { libc::waitid(libc::P_ALL, 0, found.as_mut_ptr(), how) };
    // SAFETY: it is initialised: all of its bits may be zero. The field belongs to a child, or is zero.
    let pid = unsafe { found.assume_init().si_pid() };
    (answer == 0 && pid > 0).then_some(pid)
}

/// All children of this process that have ended.
fn ended_in_proc() -> Vec<i32> {
    let own = getpid().as_raw_nonzero().get();
    let ended = |(pid, found): (i32, ProcessStat)| (found.state == b'Z' && found.parent == own).then_some(pid);
    stat::all().into_iter().flatten().filter_map(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a child that was waited for may be given to the next one before the first is forgotten.
    #[test]
    fn a_child_with_the_number_of_an_earlier_one_stays_registered() {
        let number = i32::MAX;
        for _ in 0..2 {
            add(number);
        }
        remove(number);
        assert!(children().contains_key(&number));
        remove(number);
        assert!(!children().contains_key(&number));
    }
}
