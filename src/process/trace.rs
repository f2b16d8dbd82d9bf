//! What a child leaves about itself, and the process group that is found again by it.
//!
//! The child writes its trace between fork and exec: before it does anything, and also if opsrun is killed in between. A
//! later opsrun finds by it what still works ([`GroupTrace::members`]), and may end it ([`GroupTrace::end`]).
//! The group decides, as with timeouts: a process that left it (`setsid`) does not belong to the job any more. Not an open
//! file that children inherit: LVM warns of it, `sudo` and `ssh` close it, and a service that a job starts would keep it.
//! Invariant: a group with the number of an earlier one is not taken for it as far as the kernel shows a difference: its
//! session, and when its leader began. A number is not given to a process while it is a group's.

use super::group::{KILLED, LOOKS, Ladder};
use super::stat::{self, ProcessStat};
use crate::clock::Stopwatch;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, getpid, kill_process_group, test_kill_process_group};
use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

/// The group of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTrace {
    leader: Pid,
    /// `None` where the child had no `/proc`.
    stat: Option<ProcessStat>,
}

/// Writes who this process is. To be called by a child before its program: it allocates nothing and takes no lock.
pub(super) fn leave(mut file: &File) -> io::Result<()> {
    let mut text = [0_u8; 1024];
    let own = getpid().as_raw_nonzero().get();
    let mut rest = text.as_mut_slice();
    // To a slice: digits and a line end.
    writeln!(rest, "{own}")?;
    let read = rustix::fs::open("/proc/self/stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|stat| rustix::io::read(stat, &mut *rest))
        .unwrap_or(0);
    let free = rest.len() - read;
    let length = text.len() - free;
    file.write_all(text.get(..length).unwrap_or_default())
}

impl GroupTrace {
    /// `None` unless a child wrote it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().position(|b| *b == b'\n')?;
        let (number, stat) = text.split_at(end);
        let leader: i32 = std::str::from_utf8(number).ok()?.parse().ok()?;
        if leader <= 1 {
            return None;
        }
        // A number of another namespace is of no use here: then the child saw the `/proc` of that one.
        let seen: String = format!("{leader} (");
        let stat = stat.get(1..).filter(|stat| stat.starts_with(seen.as_bytes()));
        Some(Self {
            leader: Pid::from_raw(leader)?,
            stat: stat.and_then(ProcessStat::parse),
        })
    }

    /// The number of the group, which is its first process's.
    pub fn number(&self) -> i32 {
        self.leader.as_raw_nonzero().get()
    }

    /// Its living processes, in the order of their numbers. Without a `/proc` of this PID namespace it has one if anything is
    /// left of it.
    pub fn members(&self) -> Vec<i32> {
        let (true, Some(all)) = (stat::proc_is_own(), stat::all()) else {
            return if self.exists() { vec![self.number()] } else { Vec::new() };
        };
        let mut members = Vec::new();
        for (pid, found) in all {
            if pid == self.number() && self.stat.is_some_and(|own| own.start != found.start) {
                // Another process has the number: the group had ended.
                return Vec::new();
            }
            let same = found.group == self.number() && self.stat.is_none_or(|own| own.session == found.session);
            if same && found.is_alive() {
                members.push(pid);
            }
        }
        members.sort_unstable();
        members
    }

    fn exists(&self) -> bool {
        // That it may not be signalled means that it is there.
        test_kill_process_group(self.leader) != Err(rustix::io::Errno::SRCH)
    }

    /// Ends it: TERM, and KILL for what is there after `kill_after`; at once when `hurry` says so.
    pub fn end(&self, kill_after: Duration, hurry: &dyn Fn() -> bool) -> Ladder {
        self.send(Signal::TERM);
        // A stopped process would only receive TERM once it is continued.
        self.send(Signal::CONT);
        if self.is_gone_within(kill_after, hurry) {
            return Ladder::Term;
        }
        self.send(Signal::KILL);
        if self.is_gone_within(KILLED, &|| false) {
            Ladder::Kill
        } else {
            Ladder::Survived
        }
    }

    fn send(&self, signal: Signal) {
        if !self.members().is_empty() {
            // What may not be signalled is counted as a survivor.
            let _ = kill_process_group(self.leader, signal);
        }
    }

    fn is_gone_within(&self, within: Duration, hurry: &dyn Fn() -> bool) -> bool {
        let since = Stopwatch::set();
        let (mut pause, longest) = LOOKS;
        while !self.members().is_empty() {
            let left = within.saturating_sub(since.elapsed());
            if left.is_zero() || hurry() {
                return false;
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(longest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _};

    #[test]
    fn only_what_a_child_wrote_is_a_trace() {
        let stat = "77 (opsrun) R 1 77 50 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        let found = GroupTrace::parse(format!("77\n{stat}\n").as_bytes()).unwrap();
        assert_eq!((found.number(), found.stat.map(|stat| stat.start)), (77, Some(777)));
        let elsewhere = GroupTrace::parse(format!("78\n{stat}\n").as_bytes()).unwrap();
        assert_eq!((elsewhere.number(), elsewhere.stat), (78, None));
        assert_eq!(GroupTrace::parse(b"78\n").unwrap().stat, None);
        for text in ["", "78", "x\n", "-5\n", "0\n", "1\n", "99999999999\n"] {
            assert_eq!(GroupTrace::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_group_is_found_by_number_session_and_start() {
        let mut file = tempfile::tempfile().unwrap();
        leave(&file).unwrap();
        file.seek(io::SeekFrom::Start(0)).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        let own = getpid().as_raw_nonzero().get();
        let trace = GroupTrace::parse(&text).unwrap();
        let seen = trace.stat.unwrap();
        assert_eq!((trace.number(), seen.start), (own, ProcessStat::of(own).unwrap().start));
        // The group of the tests may be led by another process.
        let start = ProcessStat::of(seen.group).map(|leader| leader.start);
        let members = |session: i32, start: u64| {
            let (leader, stat) = (
                Pid::from_raw(seen.group).unwrap(),
                ProcessStat { session, start, ..seen },
            );
            GroupTrace {
                leader,
                stat: Some(stat),
            }
            .members()
        };
        assert!(members(seen.session, start.unwrap_or(0)).contains(&own));
        assert!(!members(seen.session + 1, start.unwrap_or(0)).contains(&own));
        if let Some(start) = start {
            assert!(members(seen.session, start + 1).is_empty());
        }
    }
}
