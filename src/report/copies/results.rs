//! The results of `verify` and `restore`, one line per copy.
//!
//! Takes one copy at a time, gives lines for people and a summary line.
//! Invariant: damage, skipped files and lost attributes are always shown, even in quiet mode.

use crate::archive::restore::MAX_NAMED;
use crate::archive::{LostAttribute, RestoreReport};
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::style::{Style, one_line};
use crate::report::shared::times;
use crate::time_zone::Zone;
use crate::units::{plural, show_count, show_size};
use chrono::{DateTime, Utc};
use std::fmt::Write as _;
use std::path::Path;

#[derive(Debug)]
pub struct CopyResults {
    style: Style,
    detail: Detail,
    zone: Zone,
    intact: u64,
    damaged: u64,
    /// The counts of all copies; without paths and notes.
    restored: RestoreReport,
    skipped: u64,
    lost: bool,
}

impl CopyResults {
    pub fn new(style: Style, detail: Detail, zone: Zone) -> Self {
        Self {
            style,
            detail,
            zone,
            intact: 0,
            damaged: 0,
            restored: RestoreReport::default(),
            skipped: 0,
            lost: false,
        }
    }

    /// Of one copy: its entries and their bytes, and what is wrong with it.
    pub fn verified(&mut self, copy: &str, (records, bytes): (u64, u64), damage: Option<&str>) -> String {
        let copy = one_line(copy);
        if let Some(damage) = damage {
            self.damaged += 1;
            return format!("{}  {copy}  {}\n", self.style.bad("damaged "), one_line(damage));
        }
        self.intact += 1;
        let (ok, records) = (self.style.good("ok      "), plural(records, "entry", "entries"));
        self.normal(format!("{ok}  {copy}  {records}, {}\n", show_size(bytes)))
    }

    pub fn all_verified(&self) -> String {
        match (self.intact, self.damaged) {
            (0, 0) => "no copies\n".to_owned(),
            (intact, 0) => self.normal(format!("{} intact\n", plural(intact, "copy", "copies"))),
            (intact, damaged) => {
                let damaged = plural(damaged, "copy", "copies");
                format!("{damaged} damaged, {} intact\n", show_count(intact))
            }
        }
    }

    pub fn any_damage(&self) -> bool {
        self.damaged > 0
    }

    /// Of one copy; `held_until`: until when retentions keep the files.
    pub fn restored(
        &mut self,
        copy: &str,
        target: &Path,
        done: &RestoreReport,
        held_until: Option<DateTime<Utc>>,
    ) -> String {
        self.restored.files += done.files;
        self.restored.bytes = self.restored.bytes.saturating_add(done.bytes);
        self.restored.links += done.links;
        self.restored.dirs += done.dirs;
        let same = match done.already {
            0 => String::new(),
            1 => "1 path already exists with the same content".to_owned(),
            n => format!("{} paths already exist with the same content", show_count(n)),
        };
        let target = shown(target);
        let mut text = self.normal(
            if done.already > 0 && (done.files, done.links, done.dirs) == (0, 0, 0) {
                format!("{}  {copy}  {same} in {target}\n", self.style.good("ok      "))
            } else {
                let (word, size) = (self.style.good("restored"), show_size(done.bytes));
                let also = if same.is_empty() { same } else { format!("; {same}") };
                format!("{word}  {copy}  {} ({size}) → {target}{also}\n", files(done))
            },
        );
        let existing = "another file exists; use --force to replace it";
        let failed = done.failed.first().iter().map(|(path, why)| (path, why.as_str()));
        let existing = done.existing.first().iter().map(|path| (path, existing));
        let skipped = done.failed.count() + done.existing.count();
        self.skipped += skipped;
        let word = self.style.warn("skipped ");
        for (path, why) in failed.chain(existing).take(MAX_NAMED) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word}  {}  {}", one_line(&path.to_string()), one_line(why));
        }
        if let Some(more @ 1..) = skipped.checked_sub(MAX_NAMED as u64) {
            let _ = writeln!(text, "{word}  and {} more", show_count(more));
        }
        for lost in &done.lost {
            let line = |word| format!("{}  {}\n", self.style.warn(word), one_line(&lost.to_string()));
            text += &if lost.is_loss() {
                line("lost    ")
            } else {
                self.normal(line("note    "))
            };
        }
        self.lost |= done.lost.iter().any(LostAttribute::is_loss);
        for note in &done.notes {
            text += &self.normal(format!("{}  {}\n", self.style.warn("note    "), one_line(note)));
        }
        if let Some(until) = held_until {
            let until = times::local_minute(until, &self.zone);
            text += &self.normal(format!("held      retentions keep these files until {until}\n"));
        }
        text
    }

    pub fn all_restored(&self) -> String {
        let all = &self.restored;
        let line = match (all.files, all.links, all.dirs) {
            (0, 0, 0) => "nothing restored".to_owned(),
            _ => format!("{} restored ({})", files(all), show_size(all.bytes)),
        };
        match self.skipped {
            0 => self.normal(line + "\n"),
            n => format!("{line}; {} skipped\n", show_count(n)),
        }
    }

    /// True if a file was skipped or could not be written.
    pub fn any_skipped(&self) -> bool {
        self.skipped > 0
    }

    /// True if restored entries lack attributes.
    pub fn any_lost(&self) -> bool {
        self.lost
    }

    fn normal(&self, text: String) -> String {
        if self.detail > Detail::Quiet {
            text
        } else {
            String::new()
        }
    }
}

/// Files and links; directories only without any.
fn files(done: &RestoreReport) -> String {
    let (files, links) = (plural(done.files, "file", "files"), plural(done.links, "link", "links"));
    match (done.files, done.links, done.dirs) {
        (0, 0, 1..) => plural(done.dirs, "directory", "directories"),
        (0, 1.., _) => links,
        (_, 0, _) => files,
        _ => format!("{files} and {links}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::restore::{AttributeKind, MadeDirs};
    use crate::path::RelPath;

    fn text(detail: Detail) -> String {
        let mut results = CopyResults::new(Style::PLAIN, detail, crate::time_zone::built_in("Asia/Seoul").unwrap());
        let copy = "observer-20261123T120000Z-01JD";
        let path = |at| RelPath::new(format!("raw/{at}").as_bytes()).unwrap();
        let lost = || LostAttribute {
            kind: AttributeKind::Owner,
            entries: 3,
            first: Some(path(0)),
        };
        let restored = |n: u64| RestoreReport {
            files: 3,
            bytes: 4096,
            links: u64::from(n > 0),
            dirs: 0,
            already: n,
            existing: (18..n).map(path).collect(),
            failed: (0..n.min(18))
                .map(|at| (path(at), "already exists".to_owned()))
                .collect(),
            made: MadeDirs::default(),
            lost: (n > 0).then(lost).into_iter().collect(),
            notes: vec!["a note".to_owned()],
            ended: None,
        };
        let target = Path::new("/srv/data");
        let until = "2026-11-30T12:00:00Z".parse().unwrap();
        let mut text = results.verified(copy, (120, 3_355_443), None);
        text += &results.all_verified();
        text += &results.verified(copy, (120, 3_355_443), Some("raw/a: its bytes differ\nfrom the list"));
        text += &results.all_verified();
        text += &results.restored(copy, target, &restored(0), Some(until));
        text += &results.all_restored();
        text += &results.restored(copy, target, &restored(22), None);
        let same = RestoreReport {
            already: 1,
            ..RestoreReport::default()
        };
        text += &results.restored(copy, target, &same, None);
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
