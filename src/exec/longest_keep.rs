//! The longest keep wins over all retentions that can hold a file: several of one backup, and of backups whose sources
//! overlap.
//!
//! Takes the listings and verdicts of all of them, and takes back the candidates that another retention keeps for now.
//! The same file of two listings is known by its directory (device and inode) and its name, whatever the paths are:
//! sources may lie in one another, or be the same by a bind mount.
//! Invariant: a candidate stays one only if no other retention that can hold the file says that it stays. A retention
//! can hold what its backup selects.

use crate::entry::{Entry, EntryKind};
use crate::model::pattern::Selector;
use crate::model::retention::{Circumstances, KeepReason, RetentionJudge, Stays, Verdict};
use crate::model::{Backup, Retention};
use crate::path::{RelPath, shown};
use crate::plan::facts::Scan;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};
use std::sync::Arc;

pub(super) type DirId = (u64, u64);

/// What the retentions of one backup say of its source.
pub(super) struct Claims<'a> {
    pub(super) backup: &'a Backup,
    pub(super) root: DirId,
    /// The directories above the source, the nearest first.
    pub(super) above: Vec<DirId>,
    /// Its path without symlinks, if it is known.
    pub(super) real_path: Option<PathBuf>,
    pub(super) scan: Arc<Scan>,
    pub(super) held: &'a HashSet<RelPath>,
    /// For each retention a verdict for each entry of the listing.
    pub(super) verdicts: Vec<(&'a Retention, Vec<Verdict>)>,
}

/// Takes back candidates that other retentions keep. Returns by backup why this could not be decided.
pub(super) fn settle(
    claims: &mut [Claims<'_>],
    now_ns: i128,
    protected: &dyn Fn(&Entry) -> bool,
) -> BTreeMap<String, String> {
    let mut changes = Vec::new();
    let mut unclear = BTreeMap::new();
    let directories: Vec<Directories> = if claims.len() > 1 {
        claims.iter().map(Directories::of).collect()
    } else {
        Vec::new()
    };
    for (at, own) in claims.iter().enumerate() {
        let mut others = Vec::new();
        for (_, (other, theirs)) in claims
            .iter()
            .zip(&directories)
            .enumerate()
            .filter(|(other, _)| *other != at)
        {
            if let Some(why) = unreached(own, other, theirs) {
                unclear.entry(own.backup.name.clone()).or_insert(why);
            }
            others.push((other, theirs, Selector::new(&other.backup.select)));
        }
        let mine = directories.get(at);
        for (which, (_, verdicts)) in own.verdicts.iter().enumerate() {
            for (index, verdict) in verdicts.iter().enumerate() {
                let (Verdict::Delete(class), Some(entry)) = (verdict, own.scan.entries.get(index)) else {
                    continue;
                };
                let stays = Verdict::Stays(*class, Stays::OtherRetention);
                let mut same = own.verdicts.iter().filter_map(|(_, verdicts)| verdicts.get(index));
                if same.any(|verdict| matches!(verdict, Verdict::Stays(..))) {
                    changes.push((at, which, index, stays));
                    continue;
                }
                let Some(dir) = mine.and_then(|mine| mine.of_entry(entry)) else {
                    continue;
                };
                let kept = others.iter_mut().find_map(|(other, theirs, selector)| {
                    theirs.paths(dir).find_map(|path| {
                        let path = RelPath::join(path, entry.path.name())?;
                        other.keeps(&path, entry, selector, now_ns, protected)
                    })
                });
                match kept {
                    Some(OtherKeep::Held) => changes.push((at, which, index, Verdict::Kept(*class, KeepReason::Held))),
                    Some(OtherKeep::Stays) => changes.push((at, which, index, stays)),
                    None => {}
                }
            }
        }
    }
    for (at, which, index, verdict) in changes {
        let verdicts = claims.get_mut(at).and_then(|claims| claims.verdicts.get_mut(which));
        if let Some(old) = verdicts.and_then(|(_, verdicts)| verdicts.get_mut(index)) {
            *old = verdict;
        }
    }
    unclear
}

/// Why another source, which contains this one, did not see it, although its patterns may select something there.
fn unreached(own: &Claims<'_>, other: &Claims<'_>, theirs: &Directories) -> Option<String> {
    if theirs.by_id.contains_key(&own.root) || !own.above.contains(&other.root) {
        return None;
    }
    let mut selector = Selector::new(&other.backup.select);
    let problem = other.scan.problems.iter().find(|problem| {
        let dir = match &problem.path {
            None => Some(&other.root),
            Some(path) => theirs.by_path.get(path),
        };
        // What could not even be looked at may be a directory above this source.
        dir.is_none_or(|dir| {
            let steps = own.above.iter().position(|above| above == dir);
            steps.is_some_and(|steps| {
                let here = own.path_from(problem.path.as_ref(), steps + 1);
                here.is_none_or(|here| !selector.nothing_below(&here))
            })
        })
    })?;
    Some(format!(
        "the source `{}` of backup `{}` contains it and cannot be listed ({}: {}), so it is not known what its \
         retentions keep",
        shown(&other.backup.source),
        other.backup.name,
        problem.place(),
        problem.why
    ))
}

enum OtherKeep {
    Stays,
    Held,
}

impl Claims<'_> {
    /// The path of this source in another one, where the directory so many steps above it is at `dir`.
    fn path_from(&self, dir: Option<&RelPath>, steps: usize) -> Option<RelPath> {
        let components: Vec<Component<'_>> = self.real_path.as_ref()?.components().collect();
        let names = components.get(components.len().checked_sub(steps)?..)?;
        names.iter().try_fold(dir.cloned(), |at, name| {
            RelPath::join(at.as_ref(), name.as_os_str().as_bytes()).map(Some)
        })?
    }

    /// Whether a retention here keeps a file that another listing has; `path` is its path here.
    fn keeps(
        &self,
        path: &RelPath,
        entry: &Entry,
        selector: &mut Selector,
        now_ns: i128,
        protected: &dyn Fn(&Entry) -> bool,
    ) -> Option<OtherKeep> {
        if !selector.standing(path).selected() {
            return None;
        }
        if self.held.contains(path) {
            return Some(OtherKeep::Held);
        }
        let stays = if let Ok(index) = self.scan.entries.binary_search_by(|known| known.path.cmp(path)) {
            let mut verdicts = self.verdicts.iter().filter_map(|(_, verdicts)| verdicts.get(index));
            verdicts.any(|verdict| matches!(verdict, Verdict::Stays(..)))
        } else {
            // It was not there yet when this source was listed, so whether it is among the newest is not known.
            let about = Circumstances {
                now_ns,
                covered: &self.backup.select,
                held: &|path| self.held.contains(path),
                protected,
            };
            let entry = Entry {
                path: path.clone(),
                ..entry.clone()
            };
            self.verdicts.iter().any(|(retention, _)| {
                let verdict = RetentionJudge::new(retention, &about).verdict(&entry);
                let class = verdict.class().and_then(|class| retention.classes.get(class));
                matches!(verdict, Verdict::Stays(..)) || class.is_some_and(|class| class.keep_newest > 0)
            })
        };
        stays.then_some(OtherKeep::Stays)
    }
}

/// The directories of a listing; `None` is the source itself.
struct Directories {
    root: DirId,
    by_id: HashMap<DirId, Vec<Option<RelPath>>>,
    by_path: HashMap<RelPath, DirId>,
}

impl Directories {
    fn of(claims: &Claims<'_>) -> Self {
        let mut found = Self {
            root: claims.root,
            by_id: HashMap::from([(claims.root, vec![None])]),
            by_path: HashMap::new(),
        };
        for entry in claims.scan.entries.iter().filter(|entry| entry.kind == EntryKind::Dir) {
            let id = (entry.identity.dev, entry.identity.ino);
            found.by_id.entry(id).or_default().push(Some(entry.path.clone()));
            found.by_path.insert(entry.path.clone(), id);
        }
        found
    }

    /// The directory that an entry is in.
    fn of_entry(&self, entry: &Entry) -> Option<DirId> {
        match entry.path.parent() {
            None => Some(self.root),
            Some(parent) => self.by_path.get(&parent).copied(),
        }
    }

    fn paths(&self, dir: DirId) -> impl Iterator<Item = Option<&RelPath>> {
        self.by_id.get(&dir).into_iter().flatten().map(Option::as_ref)
    }
}

#[cfg(test)]
mod tests;
