//! [`LeftOut`]: what a copy leaves out by itself, without a pattern or an error.
//!
//! Takes what the listing and the reading came upon, gives counts, and lines for people when they change.
//! Invariant: bounded, however many mounts there are.

use crate::entry::EntryKind;
use crate::path::RelPath;
use crate::units::{joined, plural};
use serde::{Deserialize, Serialize};

/// Mount points that are named; the rest is counted.
pub const MAX_NAMED_MOUNTS: usize = 100;

/// Mount points that a line for people names.
const MAX_MOUNTS_IN_LINE: usize = 10;

/// Mounts below the source that were not entered, and selected entries that cannot be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Directories and files that are mount points: the first [`MAX_NAMED_MOUNTS`] of them.
    pub mounts: Vec<RelPath>,
    pub mounts_total: u64,
    pub sockets: u64,
    pub fifos: u64,
    /// Block and character devices.
    pub devices: u64,
}

impl LeftOut {
    pub fn mount(&mut self, path: RelPath) {
        self.mounts_total += 1;
        if self.mounts.len() < MAX_NAMED_MOUNTS {
            self.mounts.push(path);
        }
    }

    /// Counts an entry of a kind that cannot be stored; ignores the others.
    pub fn special(&mut self, kind: EntryKind) {
        match kind {
            EntryKind::Socket => self.sockets += 1,
            EntryKind::Fifo => self.fifos += 1,
            EntryKind::Device => self.devices += 1,
            EntryKind::File | EntryKind::Dir | EntryKind::Symlink => {}
        }
    }

    pub fn specials(&self) -> u64 {
        self.sockets + self.fifos + self.devices
    }

    pub fn is_empty(&self) -> bool {
        self.mounts_total == 0 && self.specials() == 0
    }

    /// A line for people, if this differs from what the copy before left out. Of that `None` is unknown.
    pub fn change(&self, before: Option<&Self>) -> Option<String> {
        match before {
            Some(before) if before == self => None,
            None if self.is_empty() => None,
            _ if self.is_empty() => Some("no mount point and no special file is left out now".to_owned()),
            _ => Some(format!("left out: {}", joined(&self.parts()))),
        }
    }

    /// What is left out, by kind: `2 pipes`.
    pub fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.mounts_total > 0 {
            let named = self.mounts.iter().take(MAX_MOUNTS_IN_LINE);
            let named: Vec<String> = named.map(|path| format!("`{path}`")).collect();
            let more = match self.mounts_total.saturating_sub(named.len() as u64) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let word = if self.mounts_total == 1 {
                "mount point"
            } else {
                "mount points"
            };
            parts.push(format!("{word} {}{more}", joined(&named)));
        }
        for (count, one, many) in [
            (self.sockets, "socket", "sockets"),
            (self.fifos, "pipe", "pipes"),
            (self.devices, "device", "devices"),
        ] {
            if count > 0 {
                parts.push(plural(count, one, many));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(mounts: usize, fifos: u64) -> LeftOut {
        let mut left = LeftOut {
            fifos,
            ..LeftOut::default()
        };
        for n in 0..mounts {
            left.mount(RelPath::new(format!("m{n:03}").as_bytes()).unwrap());
        }
        left
    }

    #[test]
    fn a_change_is_a_line_and_the_same_again_is_none() {
        let (none, some) = (LeftOut::default(), left_out(1, 2));
        assert_eq!(some.change(None).unwrap(), "left out: mount point `m000`, 2 pipes");
        assert_eq!(some.change(Some(&none)), some.change(None));
        assert_eq!(some.change(Some(&some)), None);
        assert_eq!(none.change(None), None);
        let gone = "no mount point and no special file is left out now";
        assert_eq!(none.change(Some(&some)).unwrap(), gone);
    }

    #[test]
    fn many_mounts_are_counted_and_few_are_named() {
        let many = left_out(MAX_NAMED_MOUNTS + 7, 0);
        assert_eq!(many.mounts.len(), MAX_NAMED_MOUNTS);
        let line = many.change(None).unwrap();
        assert!(line.ends_with("`m009` and 97 more"), "{line}");
        assert!(many.change(Some(&left_out(MAX_NAMED_MOUNTS + 8, 0))).is_some());
    }
}
