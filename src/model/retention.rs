//! What a retention may delete: a pure decision, with a reason for every file.
//!
//! Takes a retention, a listing in walk order, the moment, and three questions about single files (is it in
//! what the backup covers, is it on hold, is it one of opsrun's own); gives one [`Verdict`] for each entry.
//! Knows nothing of copies: a verdict of [`Verdict::Delete`] makes a file a candidate, no more.
//! Invariant: only a regular file that a class matches, that nothing excludes, whose time is plausible, that
//! is old enough, not among the newest, not protected, not held and covered by the backup is a candidate.

use super::keyword::KeywordMatcher;
use super::pattern::{PatternSet, Selection, Selector};
use super::{Keep, Matches, Retention};
use crate::entry::{Entry, EntryKind};
pub use crate::keep_reason::KeepReason;
use crate::path::RelPath;
use serde::{Deserialize, Serialize};

/// Why a file of a class stays for now, as the retention wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stays {
    /// Younger than its class keeps it.
    Young,
    /// Its class keeps forever.
    Forever,
    /// Among the newest of its class.
    Newest,
    /// Its class lets it go, another retention does not.
    OtherRetention,
}

/// What a retention says of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No class matches it, or it is a directory: never touched.
    Unmatched,
    /// The retention excludes it: never touched.
    Excluded,
    /// It stays for now. The class is an index into [`Retention::classes`].
    Stays(usize, Stays),
    /// It is kept, with the reason.
    Kept(usize, KeepReason),
    /// It may go once a proven copy holds it.
    Delete(usize),
}

impl Verdict {
    pub fn class(self) -> Option<usize> {
        match self {
            Self::Unmatched | Self::Excluded => None,
            Self::Stays(class, _) | Self::Kept(class, _) | Self::Delete(class) => Some(class),
        }
    }
}

/// Nanoseconds since the epoch before which no file time is believed: 1 January 1980.
const EARLIEST_NS: i128 = 315_532_800 * 1_000_000_000;

/// What [`decide`] needs to know about the world.
pub struct Circumstances<'a> {
    /// The moment, nanoseconds since the Unix epoch.
    pub now_ns: i128,
    pub covered: &'a Selection,
    pub held: &'a dyn Fn(&RelPath) -> bool,
    /// Does the file belong to opsrun?
    pub protected: &'a dyn Fn(&Entry) -> bool,
}

/// A verdict for each of `entries`, which are in walk order.
pub fn decide(retention: &Retention, entries: &[Entry], about: &Circumstances<'_>) -> Vec<Verdict> {
    let mut judge = RetentionJudge::new(retention, about);
    let mut verdicts = Vec::with_capacity(entries.len());
    let mut ranked: Vec<Vec<(i128, usize)>> = vec![Vec::new(); retention.classes.len()];

    for (at, entry) in entries.iter().enumerate() {
        let verdict = judge.verdict(entry);
        let times = [KeepReason::Future, KeepReason::ImplausibleTime, KeepReason::Special];
        let unranked = matches!(verdict, Verdict::Kept(_, reason) if times.contains(&reason));
        if !unranked && let Some(rank) = verdict.class().and_then(|class| ranked.get_mut(class)) {
            rank.push((entry.identity.mtime_ns, at));
        }
        verdicts.push(verdict);
    }

    for (class, mut rank) in ranked.into_iter().enumerate() {
        let newest = retention.classes.get(class).map_or(0, |c| c.keep_newest as usize);
        if newest == 0 {
            continue;
        }
        // Entries are in path order, so the index decides a tie like the path.
        rank.sort_unstable();
        for (_, at) in rank.into_iter().rev().take(newest) {
            if let Some(verdict) = verdicts.get_mut(at) {
                *verdict = verdict.among_newest();
            }
        }
    }
    verdicts
}

/// What a retention says of one file at a time, compiled: everything but who is among the newest.
pub struct RetentionJudge<'a> {
    retention: &'a Retention,
    about: &'a Circumstances<'a>,
    covered: Selector,
    excluded: Selector,
    classes: Classifier,
}

impl<'a> RetentionJudge<'a> {
    pub fn new(retention: &'a Retention, about: &'a Circumstances<'a>) -> Self {
        Self {
            retention,
            about,
            covered: Selector::new(about.covered),
            excluded: Selector::new(&Selection {
                include: Vec::new(),
                exclude: retention.exclude.clone(),
            }),
            classes: Classifier::new(retention),
        }
    }

    /// The verdict, as if the entry were not among the newest of its class. Fast when asked in walk order.
    pub fn verdict(&mut self, entry: &Entry) -> Verdict {
        if entry.kind == EntryKind::Dir {
            return Verdict::Unmatched;
        }
        match self.classes.winner(&entry.path) {
            None => Verdict::Unmatched,
            Some(_) if self.excluded.standing(&entry.path).excluded => Verdict::Excluded,
            Some(class) => one(self.retention, class, entry, self.about, &mut self.covered),
        }
    }
}

impl Verdict {
    /// The same for a file that is among the newest of its class: it does not go.
    pub fn among_newest(self) -> Self {
        match self {
            Self::Delete(class) | Self::Kept(class, _) => Self::Stays(class, Stays::Newest),
            other => other,
        }
    }
}

fn one(
    retention: &Retention,
    class: usize,
    entry: &Entry,
    about: &Circumstances<'_>,
    covered: &mut Selector,
) -> Verdict {
    let keep = retention.classes.get(class).map_or(Keep::Forever, |c| c.keep);
    let mtime = entry.identity.mtime_ns;
    if entry.kind != EntryKind::File {
        return Verdict::Kept(class, KeepReason::Special);
    }
    if mtime > about.now_ns {
        return Verdict::Kept(class, KeepReason::Future);
    }
    if mtime < EARLIEST_NS {
        return Verdict::Kept(class, KeepReason::ImplausibleTime);
    }
    match keep {
        Keep::Forever => Verdict::Stays(class, Stays::Forever),
        Keep::For(age) if about.now_ns - mtime < i128::try_from(age.as_nanos()).unwrap_or(i128::MAX) => {
            Verdict::Stays(class, Stays::Young)
        }
        Keep::For(_) if (about.protected)(entry) => Verdict::Kept(class, KeepReason::Protected),
        Keep::For(_) if (about.held)(&entry.path) => Verdict::Kept(class, KeepReason::Held),
        Keep::For(_) if !covered.standing(&entry.path).selected() => Verdict::Kept(class, KeepReason::NotCovered),
        Keep::For(_) => Verdict::Delete(class),
    }
}

/// The classes of a retention, compiled.
pub struct Classifier {
    classes: Vec<(Compiled, Keep)>,
}

enum Compiled {
    Globs(PatternSet),
    Keyword(KeywordMatcher),
}

impl Classifier {
    pub fn new(retention: &Retention) -> Self {
        let compile = |matches: &Matches| match matches {
            Matches::Globs(globs) => Compiled::Globs(PatternSet::new(globs)),
            Matches::Keyword(word) => Compiled::Keyword(KeywordMatcher::new(word)),
        };
        Self {
            classes: retention
                .classes
                .iter()
                .map(|class| (compile(&class.matches), class.keep))
                .collect(),
        }
    }

    /// Every class that matches `path`, in file order.
    pub fn matching(&self, path: &RelPath) -> impl Iterator<Item = usize> {
        let bytes = path.as_bytes();
        self.classes.iter().enumerate().filter_map(move |(at, (compiled, _))| {
            let hit = match compiled {
                Compiled::Globs(set) => set.matches(bytes),
                Compiled::Keyword(word) => word.is_in(bytes),
            };
            hit.then_some(at)
        })
    }

    /// The class that wins `path`: of those that match, the one that keeps longest, the first in a tie.
    pub fn winner(&self, path: &RelPath) -> Option<usize> {
        let longest = |at: &usize| self.classes.get(*at).map(|(_, keep)| rank(*keep));
        let mut best: Option<usize> = None;
        for at in self.matching(path) {
            if best.is_none_or(|b| longest(&at) > longest(&b)) {
                best = Some(at);
            }
        }
        best
    }
}

fn rank(keep: Keep) -> u128 {
    match keep {
        Keep::Forever => u128::MAX,
        Keep::For(age) => age.as_nanos(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Identity;
    use crate::model::pattern::Pattern;
    use crate::model::{Budget, Class, InUse, JobSettings};
    use std::time::Duration;

    const DAY: i128 = 86_400 * 1_000_000_000;
    const NOW: i128 = 20_000 * DAY;

    fn class(name: &str, matches: Matches, keep: Keep, keep_newest: u32) -> Class {
        Class {
            name: name.to_owned(),
            matches,
            keep,
            keep_newest,
        }
    }

    fn globs(texts: &[&str]) -> Matches {
        Matches::Globs(texts.iter().map(|t| Pattern::new(t).unwrap()).collect())
    }

    fn days(n: u64) -> Keep {
        Keep::For(Duration::from_secs(n * 86_400))
    }

    fn retention(classes: Vec<Class>) -> Retention {
        Retention {
            name: "r".to_owned(),
            backup: "b".to_owned(),
            classes,
            exclude: Vec::new(),
            max_delete: Budget::default(),
            remove_empty_dirs: false,
            in_use: InUse::Keep,
            timeout: None,
            job: JobSettings::default(),
        }
    }

    fn file(path: &str, age_days: i128) -> Entry {
        Entry {
            path: RelPath::new(path.as_bytes()).unwrap(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            nlink: 1,
            blocks: 8,
            identity: Identity {
                dev: 1,
                ino: 1,
                size: 1,
                mtime_ns: NOW - age_days * DAY,
                ctime_ns: NOW,
            },
        }
    }

    fn ask(retention: &Retention, covered: &Selection, entries: &[Entry]) -> Vec<Verdict> {
        let about = Circumstances {
            now_ns: NOW,
            covered,
            held: &|path| path.as_bytes() == b"held",
            protected: &|entry| entry.path.as_bytes() == b"ops.kdl",
        };
        decide(retention, entries, &about)
    }

    #[test]
    fn expires_at_exactly_its_age() {
        let r = retention(vec![class("raw", globs(&["*"]), days(7), 0)]);
        let all = Selection::default();
        let mut just_under = file("a", 7);
        just_under.identity.mtime_ns += 1;
        assert_eq!(ask(&r, &all, &[file("a", 7)]), [Verdict::Delete(0)]);
        assert_eq!(ask(&r, &all, &[just_under]), [Verdict::Stays(0, Stays::Young)]);
    }

    #[test]
    fn the_longest_keep_wins() {
        let r = retention(vec![
            class("raw", globs(&["*"]), days(7), 0),
            class("decision", Matches::Keyword("DECision".to_owned()), Keep::Forever, 0),
            class("pattern", globs(&["*pattern*"]), days(30), 0),
        ]);
        let entries = [file("a", 10), file("b/x-Decision-pattern", 1000), file("pattern", 10)];
        let verdicts = ask(&r, &Selection::default(), &entries);
        assert_eq!(
            verdicts,
            [
                Verdict::Delete(0),
                Verdict::Stays(1, Stays::Forever),
                Verdict::Stays(2, Stays::Young)
            ]
        );
    }

    #[test]
    fn what_the_backup_does_not_cover_is_kept() {
        let r = retention(vec![class("raw", globs(&["*"]), days(7), 0)]);
        let covered = Selection {
            include: vec![Pattern::new("*.jsonl").unwrap()],
            exclude: vec![Pattern::new("tmp").unwrap()],
        };
        let entries = [file("a.bin", 9), file("a.jsonl", 9), file("tmp/a.jsonl", 9)];
        let kept = Verdict::Kept(0, KeepReason::NotCovered);
        assert_eq!(ask(&r, &covered, &entries), [kept, Verdict::Delete(0), kept]);
    }

    #[test]
    fn odd_times_never_expire_and_never_count_as_newest() {
        let r = retention(vec![class("raw", globs(&["*"]), days(7), 1)]);
        let entries = [file("a", 9), file("b", 8), file("future", -1), file("old", 19_999)];
        let verdicts = ask(&r, &Selection::default(), &entries);
        assert_eq!(
            verdicts,
            [
                Verdict::Delete(0),
                Verdict::Stays(0, Stays::Newest),
                Verdict::Kept(0, KeepReason::Future),
                Verdict::Kept(0, KeepReason::ImplausibleTime),
            ]
        );
    }

    #[test]
    fn held_protected_special_and_excluded() {
        let mut r = retention(vec![class("raw", globs(&["**"]), days(7), 0)]);
        r.exclude = vec![Pattern::new("pinned/**").unwrap()];
        let mut link = file("link", 9);
        link.kind = EntryKind::Symlink;
        let mut dir = file("pinned", 9);
        dir.kind = EntryKind::Dir;
        let entries = [file("held", 9), link, file("ops.kdl", 9), dir, file("pinned/x/y", 9)];
        let verdicts = ask(&r, &Selection::default(), &entries);
        assert_eq!(
            verdicts,
            [
                Verdict::Kept(0, KeepReason::Held),
                Verdict::Kept(0, KeepReason::Special),
                Verdict::Kept(0, KeepReason::Protected),
                Verdict::Unmatched,
                Verdict::Excluded,
            ]
        );
    }
}
