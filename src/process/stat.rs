//! `/proc/N/stat`: what the kernel says of one process.
//!
//! Invariant: the name of a process, which may hold anything, is never taken for another field.

use rustix::process::getpid;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    pub(super) state: u8,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Ticks from the start of the system to its own. With its number, no other process of this start of the system has it.
    pub start: u64,
}

impl ProcessStat {
    /// `N (name) state parent group session …`; the start is field 22.
    pub(super) fn parse(stat: &[u8]) -> Option<Self> {
        let end = stat.iter().rposition(|b| *b == b')')?;
        let rest = String::from_utf8_lossy(stat.get(end + 1..)?).into_owned();
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Self {
            state: *fields.first()?.as_bytes().first()?,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// `None` where there is no such process, or it may not be seen.
    pub fn of(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// A zombie is not alive: it only waits for its parent, which may be one that never asks.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// True when `/proc` shows the processes of this PID namespace. It may be missing, or be another namespace's.
pub fn proc_is_own() -> bool {
    let own = getpid().as_raw_nonzero().get().to_string();
    std::fs::read_link("/proc/self").is_ok_and(|target| target == Path::new(&own))
}

/// All processes that `/proc` shows. `None` where it cannot be listed.
pub(super) fn all() -> Option<impl Iterator<Item = (i32, ProcessStat)>> {
    let entries = std::fs::read_dir("/proc").ok()?;
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Some(numbers.filter_map(|pid: i32| Some((pid, ProcessStat::of(pid)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0";

    fn parse(text: &str) -> Option<(bool, i32, i32, i32, u64)> {
        let stat = ProcessStat::parse(text.as_bytes())?;
        Some((stat.is_alive(), stat.parent, stat.group, stat.session, stat.start))
    }

    #[test]
    fn a_name_cannot_pretend_to_be_a_group() {
        let of = |start: &str| parse(&format!("{start} {REST}"));
        assert_eq!(of("7 (sh) S 1 42 43"), Some((true, 1, 42, 43, 777)));
        assert_eq!(of("7 (sh) Z 1 42 43"), Some((false, 1, 42, 43, 777)));
        assert_eq!(of("7 (x) S 1 42) S 1 44 45"), Some((true, 1, 44, 45, 777)));
        assert_eq!(of("7 (sh"), None);
        assert_eq!(parse("7 (sh) S 1 42 43"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_is_among_all() {
        let own = getpid().as_raw_nonzero().get();
        assert!(proc_is_own());
        let found = all().unwrap().find(|(pid, _)| *pid == own).unwrap().1;
        assert!(found.is_alive());
        assert_eq!(ProcessStat::of(own).unwrap().start, found.start);
    }
}
