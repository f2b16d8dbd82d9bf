//! The process that began a run, and whether it is still there.
//!
//! Takes the directory of the state, gives a token for this process; later answers for any token ([`presence`]). A token is
//! `NUMBER START BOOT NAMESPACE LOCK`: the last names a file in `processes/` that the process keeps locked to its end.
//! Earlier versions wrote the first three words, and read no more of these.
//!
//! The lock decides. Where there is none (an earlier version, a file system without locks, a file that was cleared) the
//! number does, if it means a process here: with its start, in this start of the system and this PID namespace.
//! Invariant: a process that is there is never called gone, as long as its lock or its number can be asked.

use super::system::{Reach, System};
use super::{file_mode, place};
use crate::process::stat::{ProcessStat, proc_is_own};
use crate::tree::TreeError;
use crate::tree::handle::Dir;
use crate::tree::held_file::{HeldFile, LockState, lock_state};
use crate::tree::publish::clear_debris;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// In the directory of the state.
const DIR: &str = "processes";
/// In place of a word.
const NONE: &str = "-";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Present,
    Gone,
    /// Of another PID namespace or without a `/proc`, and without a lock.
    Unknown,
}

/// The locks of this process, each for one state, by device and inode of their directory. Held to its end: its runs have no
/// common owner that lives as long.
static LOCKS: Mutex<Vec<((u64, u64), HeldFile)>> = Mutex::new(Vec::new());

/// The token of this process in the state of this directory. The first one clears what dead processes left.
pub fn token(state_dir: &Path) -> String {
    let lock = held(state_dir).unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot lock a file of this process"
        );
        NONE.to_owned()
    });
    let number = std::process::id();
    let start = number_of(number).map_or_else(|| "unknown".to_owned(), |stat| stat.start.to_string());
    format!("{number} {start} {} {lock}", System::own())
}

/// The name of the file that this process keeps locked.
fn held(state_dir: &Path) -> Result<String, TreeError> {
    let dir = place(state_dir, DIR)?;
    let id = dir.id()?;
    // What is in it is never half changed.
    let mut locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    // A state that was deleted, or a file that was cleared by hand: no one finds the process by it.
    locks.retain(|(_, lock)| lock.in_place());
    if let Some((_, lock)) = locks.iter().find(|(of, _)| *of == id) {
        return Ok(lock.name().to_owned());
    }
    let lock = HeldFile::create(&dir, file_mode(&dir))?;
    let name = lock.name().to_owned();
    locks.push((id, lock));
    drop(locks);
    clear(&dir);
    Ok(name)
}

/// Removes the files that no process holds. What cannot be removed stays for the next process.
fn clear(dir: &Dir) {
    for name in dir.names().unwrap_or_default() {
        let _ = clear_debris(dir, &name);
    }
}

fn number_of(number: u32) -> Option<ProcessStat> {
    ProcessStat::of(i32::try_from(number).ok()?).filter(|_| proc_is_own())
}

/// Whether the process of a token is there.
pub fn presence(state_dir: &Path, token: &str) -> Presence {
    let mut words = token.split(' ');
    let (Some(number), Some(start), Some(boot)) = (words.next(), words.next(), words.next()) else {
        return Presence::Gone;
    };
    let (namespace, lock) = (words.next(), words.next().filter(|name| *name != NONE));
    let state = lock.map(|name| lock_state(&state_dir.join(DIR), name));
    match state {
        Some(LockState::Held) => return Presence::Present,
        Some(LockState::Free) => return Presence::Gone,
        Some(LockState::Missing | LockState::Unknown) | None => {}
    }
    match (by_number(number, start, boot, namespace), state) {
        // Who cleared it found that no process held it.
        (Presence::Unknown, Some(LockState::Missing)) => Presence::Gone,
        (found, _) => found,
    }
}

fn by_number(number: &str, start: &str, boot: &str, namespace: Option<&str>) -> Presence {
    let Ok(number) = number.parse() else {
        return Presence::Gone;
    };
    let own = System::own();
    match System::parse(boot, namespace, &own).reach(&own) {
        Reach::Ended => Presence::Gone,
        Reach::Unknown => Presence::Unknown,
        Reach::Same if !proc_is_own() => Presence::Unknown,
        Reach::Same => match number_of(number) {
            Some(stat) if stat.is_alive() && stat.start.to_string() == start => Presence::Present,
            _ => Presence::Gone,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn state() -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().to_owned();
        (temp, path)
    }

    fn with(token: &str, at: usize, word: &str) -> String {
        let mut words: Vec<&str> = token.split(' ').collect();
        words[at] = word;
        words.join(" ")
    }

    #[test]
    fn the_lock_of_a_process_decides_whatever_its_number_says() {
        let (_temp, dir) = state();
        let own = token(&dir);
        assert_eq!(own, token(&dir), "one lock for all runs");
        assert_eq!(presence(&dir, &own), Presence::Present);
        for (at, word) in [(0, "1"), (1, "1"), (2, "elsewhere"), (3, "1")] {
            assert_eq!(presence(&dir, &with(&own, at, word)), Presence::Present, "{at}");
        }
        // Another process held this one: here, a file that no one holds.
        let free = place(&dir, DIR).and_then(|dir| HeldFile::create(&dir, 0o600)).unwrap();
        let dead = with(&own, 4, free.name());
        assert_eq!(presence(&dir, &dead), Presence::Present);
        drop(free);
        assert_eq!(presence(&dir, &dead), Presence::Gone);
    }

    #[test]
    fn without_a_lock_number_and_start_decide_where_they_mean_something() {
        let (_temp, dir) = state();
        let own = token(&dir);
        let words: Vec<&str> = own.split(' ').collect();
        let earlier_version = words[..3].join(" ");
        assert_eq!(presence(&dir, &earlier_version), Presence::Present);
        assert_eq!(presence(&dir, &with(&earlier_version, 1, "1")), Presence::Gone);
        assert_eq!(presence(&dir, &with(&earlier_version, 2, "elsewhere")), Presence::Gone);
        let unlocked = with(&own, 4, NONE);
        assert_eq!(presence(&dir, &unlocked), Presence::Present);
        assert_eq!(presence(&dir, &with(&unlocked, 1, "1")), Presence::Gone);
        assert_eq!(presence(&dir, &with(&unlocked, 2, "elsewhere")), Presence::Gone);
        assert_eq!(presence(&dir, &with(&unlocked, 3, "1")), Presence::Unknown);
        assert_eq!(presence(&dir, &with(&unlocked, 2, "unknown")), Presence::Unknown);
        let cleared = with(&own, 4, "01K00000000000000000000000");
        assert_eq!(presence(&dir, &cleared), Presence::Present);
        assert_eq!(presence(&dir, &with(&cleared, 3, "1")), Presence::Gone);
        for text in ["", "unknown", "1 0 elsewhere", "x 0 y z", "-1 0 y z -"] {
            assert_eq!(presence(&dir, text), Presence::Gone, "{text}");
        }
    }

    #[test]
    fn what_dead_processes_left_is_cleared_once_and_a_lost_lock_is_made_again() {
        let (_temp, dir) = state();
        let place = place(&dir, DIR).unwrap();
        drop(HeldFile::create(&place, 0o600).unwrap());
        let other = HeldFile::create(&place, 0o600).unwrap();
        let own = token(&dir);
        assert_eq!(place.names().unwrap().len(), 2, "its own and the other's");
        assert!(other.in_place());
        #[expect(clippy::disallowed_methods, reason = "plays a person who clears up")]
        std::fs::remove_file(dir.join(DIR).join(own.rsplit(' ').next().unwrap())).unwrap();
        assert_ne!(own, token(&dir));
        assert_eq!(presence(&dir, &own), Presence::Present, "by its number");
    }
}
