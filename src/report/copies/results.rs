//! The results of `verify` and `restore`, one line per copy.
//!
//! Takes one [`VerifyResult`] or [`RestoredCopy`] at a time, gives lines for people and a summary line.
//! Invariant: damage and skipped files are always shown, even in quiet mode.

use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::style::{Style, one_line};
use crate::units::{plural, show_count, show_size};
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// Skipped files that are listed by name.
const MAX_LISTED: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyResult {
    pub copy: String,
    pub records: u64,
    pub bytes: u64,
    /// What is wrong with it; `None` if it is intact.
    pub damage: Option<String>,
}

/// What was restored from one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredCopy {
    pub copy: String,
    pub target: PathBuf,
    pub files: u64,
    /// Size of these files.
    pub bytes: u64,
    /// Symlinks, and additional names of files.
    pub links: u64,
    pub dirs: u64,
    /// Files that existed with the same content.
    pub already: u64,
    /// Files that were skipped or could not be written: the escaped path, and why.
    pub left: Vec<(String, String)>,
    pub notes: Vec<String>,
    /// Until when retentions keep the files.
    pub held_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct RestoreTotals {
    files: u64,
    bytes: u64,
    links: u64,
    dirs: u64,
}

impl RestoreTotals {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.links += other.links;
        self.dirs += other.dirs;
    }

    /// Files and links; directories only without any.
    fn text(&self) -> String {
        let links = plural(self.links, "link", "links");
        match (self.files, self.links, self.dirs) {
            (0, 0, 1..) => plural(self.dirs, "directory", "directories"),
            (0, 1.., _) => links,
            (files, 0, _) => plural(files, "file", "files"),
            (files, ..) => format!("{} and {links}", plural(files, "file", "files")),
        }
    }
}

#[derive(Debug)]
pub struct CopyResults {
    style: Style,
    detail: Detail,
    zone: chrono_tz::Tz,
    intact: u64,
    damaged: u64,
    restored: RestoreTotals,
    left: u64,
}

impl CopyResults {
    pub fn new(style: Style, detail: Detail, zone: chrono_tz::Tz) -> Self {
        Self {
            style,
            detail,
            zone,
            intact: 0,
            damaged: 0,
            restored: RestoreTotals::default(),
            left: 0,
        }
    }

    pub fn verified(&mut self, found: &VerifyResult) -> String {
        let copy = one_line(&found.copy);
        if let Some(damage) = &found.damage {
            self.damaged += 1;
            return [&self.style.bad("damaged "), "  ", &copy, "  ", &one_line(damage), "\n"].concat();
        }
        self.intact += 1;
        let holds = format!(
            "{}, {}",
            plural(found.records, "entry", "entries"),
            show_size(found.bytes)
        );
        self.normal(&[&self.style.good("ok      "), "  ", &copy, "  ", &holds, "\n"].concat())
    }

    /// The summary of all verified copies.
    pub fn all_verified(&self) -> String {
        match (self.intact, self.damaged) {
            (0, 0) => "no copies\n".to_owned(),
            (intact, 0) => self.normal(&format!("{} intact\n", plural(intact, "copy", "copies"))),
            (intact, damaged) => format!(
                "{} damaged, {} intact\n",
                plural(damaged, "copy", "copies"),
                show_count(intact)
            ),
        }
    }

    pub fn any_damage(&self) -> bool {
        self.damaged > 0
    }

    pub fn restored(&mut self, done: &RestoredCopy) -> String {
        let totals = RestoreTotals {
            files: done.files,
            bytes: done.bytes,
            links: done.links,
            dirs: done.dirs,
        };
        self.restored.add(&totals);
        self.left += done.left.len() as u64;
        let files = format!("{} ({})", totals.text(), show_size(done.bytes));
        let already = match done.already {
            0 => String::new(),
            n => format!(", {} already there", show_count(n)),
        };
        let place = format!("{files}{already} → {}", shown(&done.target));
        let mut text = self.normal(&[&self.style.good("restored"), "  ", &done.copy, "  ", &place, "\n"].concat());
        for (path, why) in done.left.iter().take(MAX_LISTED) {
            let what = [
                &self.style.warn("skipped "),
                "  ",
                &one_line(path),
                "  ",
                &one_line(why),
                "\n",
            ]
            .concat();
            text += &what;
        }
        if let Some(more @ 1..) = done.left.len().checked_sub(MAX_LISTED) {
            text += &[
                &self.style.warn("skipped "),
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
            let line = format!("held      retentions keep these files until {until}\n");
            text += &self.normal(&line);
        }
        text
    }

    /// The summary of all restored copies.
    pub fn all_restored(&self) -> String {
        let line = format!("{} restored ({})", self.restored.text(), show_size(self.restored.bytes));
        match self.left {
            0 => self.normal(&(line + "\n")),
            n => format!("{line}; {} skipped\n", show_count(n)),
        }
    }

    /// True if a file was skipped or could not be written.
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

    fn text(detail: Detail) -> String {
        let mut results = CopyResults::new(Style::PLAIN, detail, chrono_tz::Asia::Seoul);
        let verified = |damage: Option<&str>| VerifyResult {
            copy: "observer-20261123T120000Z-01JD".to_owned(),
            records: 120,
            bytes: 3_355_443,
            damage: damage.map(str::to_owned),
        };
        let left = |n: u64| {
            (0..n)
                .map(|at| (format!("raw/{at}"), "already exists".to_owned()))
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
        let mut text = results.verified(&verified(None));
        text += &results.all_verified();
        text += &results.verified(&verified(Some("raw/a: its bytes differ\nfrom the list")));
        text += &results.all_verified();
        text += &results.restored(&restored(0));
        text += &results.all_restored();
        text += &results.restored(&restored(22));
        text + &results.all_restored()
    }

    #[test]
    fn results_of_verify_and_restore() {
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!("results", text(Detail::Normal));
            insta::assert_snapshot!("results_quiet", text(Detail::Quiet));
        });
    }
}
