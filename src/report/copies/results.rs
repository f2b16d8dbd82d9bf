//! What `verify` and `restore` found and did, a line a copy.
//!
//! Takes one [`CheckedCopy`] or [`RestoredCopy`] at a time, gives lines for people and a last line over all.
//! Knows nothing of how copies are read.
//! Invariant: damage and what was left alone are always said, also in quiet mode.

use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::style::{Style, one_line};
use crate::units::{plural, show_count, show_size};
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// Things named before the rest is counted.
const NAMED: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCopy {
    pub copy: String,
    pub records: u64,
    pub bytes: u64,
    /// What is wrong with it; `None` when it is sound.
    pub damage: Option<String>,
}

/// What was brought back from one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredCopy {
    pub copy: String,
    pub target: PathBuf,
    /// Files that were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Symlinks and further names of files that were made.
    pub links: u64,
    pub dirs: u64,
    /// Files that stood there already with the same content.
    pub already: u64,
    /// What was left alone or could not be written: the path, escaped, and why.
    pub left: Vec<(String, String)>,
    pub notes: Vec<String>,
    /// Until when retentions leave the files alone.
    pub held_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Brought {
    files: u64,
    bytes: u64,
    links: u64,
    dirs: u64,
}

impl Brought {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.links += other.links;
        self.dirs += other.dirs;
    }

    /// Files and links; directories only where there is nothing else to say.
    fn what(&self) -> String {
        let links = plural(self.links, "link", "links");
        match (self.files, self.links, self.dirs) {
            (0, 0, 1..) => plural(self.dirs, "directory", "directories"),
            (0, 1.., _) => links,
            (files, 0, _) => plural(files, "file", "files"),
            (files, ..) => format!("{} and {links}", plural(files, "file", "files")),
        }
    }
}

/// Says what was found, and remembers the sums.
#[derive(Debug)]
pub struct Outcomes {
    style: Style,
    detail: Detail,
    zone: chrono_tz::Tz,
    sound: u64,
    damaged: u64,
    restored: Brought,
    left: u64,
}

impl Outcomes {
    #[must_use]
    pub fn new(style: Style, detail: Detail, zone: chrono_tz::Tz) -> Self {
        Self {
            style,
            detail,
            zone,
            sound: 0,
            damaged: 0,
            restored: Brought::default(),
            left: 0,
        }
    }

    /// The line for a copy that was read back.
    pub fn checked(&mut self, found: &CheckedCopy) -> String {
        let copy = one_line(&found.copy);
        if let Some(damage) = &found.damage {
            self.damaged += 1;
            return [&self.style.bad("damaged "), "  ", &copy, "  ", &one_line(damage), "\n"].concat();
        }
        self.sound += 1;
        let holds = format!(
            "{}, {}",
            plural(found.records, "entry", "entries"),
            show_size(found.bytes)
        );
        self.normal(&[&self.style.good("ok      "), "  ", &copy, "  ", &holds, "\n"].concat())
    }

    /// The last line over all that was read back.
    #[must_use]
    pub fn all_checked(&self) -> String {
        match (self.sound, self.damaged) {
            (0, 0) => "no copies\n".to_owned(),
            (sound, 0) => {
                let verb = if sound == 1 { "is" } else { "are" };
                let line = format!("{} {verb} sound\n", plural(sound, "copy", "copies"));
                self.normal(&line)
            }
            (sound, damaged) => format!(
                "{} damaged, {} sound\n",
                plural(damaged, "copy", "copies"),
                show_count(sound)
            ),
        }
    }

    /// True when any copy was damaged.
    #[must_use]
    pub fn any_damage(&self) -> bool {
        self.damaged > 0
    }

    /// The lines for what was brought back from one copy.
    pub fn restored(&mut self, done: &RestoredCopy) -> String {
        let brought = Brought {
            files: done.files,
            bytes: done.bytes,
            links: done.links,
            dirs: done.dirs,
        };
        self.restored.add(&brought);
        self.left += done.left.len() as u64;
        let files = format!("{} ({})", brought.what(), show_size(done.bytes));
        let already = match done.already {
            0 => String::new(),
            n => format!(", {} there already", show_count(n)),
        };
        let place = format!("{files}{already} → {}", shown(&done.target));
        let mut text = self.normal(&[&self.style.good("restored"), "  ", &done.copy, "  ", &place, "\n"].concat());
        for (path, why) in done.left.iter().take(NAMED) {
            let what = [
                &self.style.warn("left    "),
                "  ",
                &one_line(path),
                "  ",
                &one_line(why),
                "\n",
            ]
            .concat();
            text += &what;
        }
        if let Some(more @ 1..) = done.left.len().checked_sub(NAMED) {
            text += &[
                &self.style.warn("left    "),
                "  and ",
                &show_count(more as u64),
                " more\n",
            ]
            .concat();
        }
        for note in &done.notes {
            let line = [&self.style.warn("note    "), "  ", &one_line(note), "\n"].concat();
            text += &self.normal(&line);
        }
        if let Some(until) = done.held_until {
            let until = until.with_timezone(&self.zone).format("%Y-%m-%d %H:%M");
            let line = format!("held      retentions leave these files alone until {until}\n");
            text += &self.normal(&line);
        }
        text
    }

    /// The last line over all that was brought back.
    #[must_use]
    pub fn all_restored(&self) -> String {
        let line = format!("{} restored ({})", self.restored.what(), show_size(self.restored.bytes));
        match self.left {
            0 => self.normal(&(line + "\n")),
            n => format!("{line}; {} left alone\n", show_count(n)),
        }
    }

    /// True when anything was left alone or could not be written.
    #[must_use]
    pub fn any_left(&self) -> bool {
        self.left > 0
    }

    fn normal(&self, text: &str) -> String {
        if self.detail > Detail::Quiet {
            text.to_owned()
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(detail: Detail) -> String {
        let mut outcomes = Outcomes::new(Style::PLAIN, detail, chrono_tz::Asia::Seoul);
        let checked = |damage: Option<&str>| CheckedCopy {
            copy: "observer-20261123T120000Z-01JD".to_owned(),
            records: 120,
            bytes: 3_355_443,
            damage: damage.map(str::to_owned),
        };
        let left = |n: u64| {
            (0..n)
                .map(|at| (format!("raw/{at}"), "exists already".to_owned()))
                .collect()
        };
        let restored = |n: u64| RestoredCopy {
            copy: "observer-20261123T120000Z-01JD".to_owned(),
            target: "/srv/data".into(),
            files: 3,
            bytes: 4096,
            links: u64::from(n > 0),
            dirs: 0,
            already: n,
            left: left(n),
            notes: vec!["a note".to_owned()],
            held_until: (n == 0).then(|| "2026-11-30T12:00:00Z".parse().unwrap()),
        };
        let mut text = outcomes.checked(&checked(None));
        text += &outcomes.all_checked();
        text += &outcomes.checked(&checked(Some("raw/a: its bytes differ\nfrom the list")));
        text += &outcomes.all_checked();
        text += &outcomes.restored(&restored(0));
        text += &outcomes.all_restored();
        text += &outcomes.restored(&restored(22));
        text + &outcomes.all_restored()
    }

    #[test]
    fn what_was_found_and_done() {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!("outcomes", told(Detail::Normal));
            insta::assert_snapshot!("outcomes_quiet", told(Detail::Quiet));
        });
    }
}
