//! What a restore brings back from which copy.
//!
//! Without paths: everything of the newest complete copy. With paths: each from the newest copy that contains it. The list
//! of a copy is read once, for all PATHs in all their readings; what they mean is decided when all copies are read.
//! What is remembered of a path is its hash, and that only where several copies may contain it: a list is as long as its
//! writer likes.

use crate::archive::file_entry::{FileEntry, FileEntryKind};
use crate::archive::{self, CatalogueCopy, PathHash, path_hash};
use crate::launch::LaunchError;
use crate::launch::copies::CopyDirectory;
use crate::model::Model;
use crate::model::pattern::{Pattern, PatternSet};
use crate::path::{RelPath, Shown, unshown};
use crate::signal::Stop;
use crate::units::show_count;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One PATH as it was typed, for one backup.
struct RequestedPath {
    /// Its place among those that were typed.
    at: usize,
    /// As a name: a name may contain a `*` of its own.
    exact: RelPath,
    glob: Option<PatternSet>,
    /// As a name with the escapes that opsrun prints; counts only if no copy contains the name as typed.
    escaped: Option<RelPath>,
}

impl RequestedPath {
    /// `Ok(None)` for an absolute path outside all `sources`.
    fn new<'p>(
        at: usize,
        text: &OsStr,
        mut sources: impl Iterator<Item = &'p PathBuf>,
    ) -> Result<Option<Self>, LaunchError> {
        let path = Path::new(text);
        let below = match sources.find_map(|source| path.strip_prefix(source).ok()) {
            Some(rest) => rest,
            None if path.is_absolute() => return Ok(None),
            None => path,
        };
        let bytes = below.as_os_str().as_bytes();
        let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
        let exact = RelPath::new(bytes).ok_or_else(|| outside(text))?;
        let glob = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.contains(['*', '?', '[', '{']))
            .and_then(|text| Pattern::new(text).ok())
            .map(|pattern| PatternSet::new(&[pattern]));
        let escaped = RelPath::new(&unshown(bytes)).filter(|escaped| *escaped != exact);
        Ok(Some(Self {
            at,
            exact,
            glob,
            escaped,
        }))
    }

    /// How it must be read to lead to `path`.
    fn reading(&self, path: &RelPath) -> Option<Reading> {
        let matches =
            |set: &PatternSet| set.matches(path.as_bytes()) || path.ancestors().any(|ancestor| set.matches(ancestor));
        if path.is_within(&self.exact) {
            Some(Reading::Name)
        } else if self.glob.as_ref().is_some_and(matches) {
            Some(Reading::Pattern)
        } else if self.escaped.as_ref().is_some_and(|escaped| path.is_within(escaped)) {
            Some(Reading::Escaped)
        } else {
            None
        }
    }
}

/// How a PATH can be read. The first that leads to something, in any copy, is what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Name,
    Pattern,
    Escaped,
}

/// The newest copy that contains a path, by its place among the copies.
#[derive(Clone, Copy)]
struct PathMatch {
    copy: usize,
    is_dir: bool,
    size: u64,
}

/// So many paths of several copies are compared; they need about a gigabyte.
const MAX_PATHS: usize = 25_000_000;

/// What one PATH leads to, read in one way. With one copy only it is empty: there is nothing to compare.
type PathMatches = HashMap<PathHash, PathMatch>;

/// What each PATH leads to, in each reading.
#[derive(Default)]
struct FoundPaths {
    matches: BTreeMap<(usize, Reading), PathMatches>,
    /// How many there are in all.
    count: usize,
}

impl FoundPaths {
    /// Keeps the first of each path. `false` when there would be more than `most`.
    fn add(&mut self, key: (usize, Reading), path: PathHash, found: PathMatch, most: usize) -> bool {
        let matches = self.matches.entry(key).or_default();
        if !matches.contains_key(&path) {
            if self.count >= most {
                return false;
            }
            self.count += 1;
            matches.insert(path, found);
        }
        true
    }
}

fn outside(text: &OsStr) -> LaunchError {
    LaunchError::Missing {
        message: format!("`{}` is not a path below a source", Shown(text.as_bytes())),
        help: "write it relative to the source, or absolutely and below it".to_owned(),
    }
}

/// The copies of one backup, and what comes from each.
pub(super) struct BackupSelection<'a> {
    pub(super) place: &'a CopyDirectory,
    pub(super) backup: &'a str,
    /// The source in the ops file, if the backup is there.
    pub(super) source: Option<PathBuf>,
    pub(super) copies: Vec<&'a CatalogueCopy>,
    /// What the PATHs mean, by the source that a copy was made of.
    requested: BTreeMap<PathBuf, Vec<RequestedPath>>,
    found: FoundPaths,
    /// How each PATH is read.
    readings: BTreeMap<usize, Reading>,
    /// The newest copy of each path, where there are several copies.
    newest: PathMatches,
    /// In the order of `copies`: only those from which something comes.
    pub(super) shares: Vec<CopyShare<'a>>,
}

/// What comes from one copy.
pub(super) struct CopyShare<'a> {
    pub(super) copy: &'a CatalogueCopy,
    /// Its place among the copies; `None` where all of it is wanted.
    place: Option<usize>,
    entries: u64,
    /// Without directories, and their bytes.
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl<'a> BackupSelection<'a> {
    /// Reads what the PATHs mean in the copies: an absolute one is below the source that a copy was made of, or else below
    /// the source in the ops file. Gives the PATHs that can be in some copy.
    fn request(&mut self, paths: &[OsString]) -> Result<BTreeSet<usize>, LaunchError> {
        let mut placed = BTreeSet::new();
        for copy in &self.copies {
            let recorded = copy.manifest.source_path();
            if self.requested.contains_key(&recorded) {
                continue;
            }
            let mut requested = Vec::new();
            for (at, text) in paths.iter().enumerate() {
                let sources = std::iter::once(&recorded).chain(&self.source);
                requested.extend(RequestedPath::new(at, text, sources)?);
            }
            placed.extend(requested.iter().map(|path| path.at));
            self.requested.insert(recorded, requested);
        }
        Ok(placed)
    }

    /// Reads the list of each copy once, the newest first. With `everything`, only the list of the newest complete copy.
    pub(super) fn read(&mut self, everything: bool, stop: &Stop) -> Result<(), LaunchError> {
        if everything {
            let complete = |c: &&&CatalogueCopy| c.manifest.complete && c.manifest.suspect.is_none();
            let Some(copy) = self.copies.iter().find(complete).copied() else {
                return Ok(());
            };
            let mut share = CopyShare::new(copy, None);
            for row in archive::rows(&self.place.dir, copy)? {
                go_on(stop)?;
                share.add_row(&row?);
            }
            self.shares.extend(Some(share).filter(|share| share.entries > 0));
            return Ok(());
        }
        let several = self.copies.len() > 1;
        for (number, copy) in self.copies.iter().enumerate() {
            let Some(requested) = self.requested.get(&copy.manifest.source_path()) else {
                continue;
            };
            for row in archive::rows(&self.place.dir, copy)? {
                go_on(stop)?;
                let row = row?;
                for path in requested {
                    let Some(reading) = path.reading(&row.path) else {
                        continue;
                    };
                    let key = (path.at, reading);
                    if !several {
                        self.found.matches.entry(key).or_default();
                        continue;
                    }
                    let found = PathMatch {
                        copy: number,
                        is_dir: row.kind == FileEntryKind::Dir,
                        size: row.size,
                    };
                    if !self.found.add(key, path_hash(&row.path), found, MAX_PATHS) {
                        return Err(too_many(self.backup));
                    }
                }
            }
        }
        Ok(())
    }

    /// Shares out what the PATHs lead to in their `readings`.
    fn share(&mut self, readings: &BTreeMap<usize, Reading>, stop: &Stop) -> Result<(), LaunchError> {
        self.readings.clone_from(readings);
        let found = std::mem::take(&mut self.found).matches.into_iter();
        let found = found.filter(|((at, reading), _)| readings.get(at) == Some(reading));
        let mut found = found.map(|(_, matches)| matches).peekable();
        if found.peek().is_none() {
            return Ok(());
        }
        let copies = self.copies.iter().enumerate();
        let mut shares: Vec<CopyShare<'a>> = copies.map(|(place, copy)| CopyShare::new(copy, Some(place))).collect();
        if let [share] = &mut *shares {
            for row in archive::rows(&self.place.dir, share.copy)? {
                go_on(stop)?;
                let row = row?;
                if self.is_requested(share.copy, &row.path) {
                    share.add_row(&row);
                }
            }
        }
        let mut newest = found.next().unwrap_or_default();
        for (path, found) in found.flatten() {
            let known = newest.entry(path).or_insert(found);
            if found.copy < known.copy {
                *known = found;
            }
        }
        for found in newest.values() {
            if let Some(share) = shares.get_mut(found.copy) {
                share.add(found.is_dir, found.size);
            }
        }
        self.newest = newest;
        self.shares.extend(shares.into_iter().filter(|share| share.entries > 0));
        Ok(())
    }

    /// True for a path of `copy` to which a PATH leads.
    fn is_requested(&self, copy: &CatalogueCopy, path: &RelPath) -> bool {
        let requested = self.requested.get(&copy.manifest.source_path());
        let mut requested = requested.into_iter().flatten();
        requested.any(|wanted| {
            let reading = self.readings.get(&wanted.at);
            reading.is_some() && wanted.reading(path).as_ref() == reading
        })
    }

    /// True for a path of a share's copy that comes from there.
    pub(super) fn is_in(&self, share: &CopyShare<'_>, path: &RelPath) -> bool {
        match share.place {
            None => true,
            Some(_) if self.copies.len() == 1 => self.is_requested(share.copy, path),
            Some(place) => self
                .newest
                .get(&path_hash(path))
                .is_some_and(|found| found.copy == place),
        }
    }
}

fn too_many(backup: &str) -> LaunchError {
    LaunchError::Refused {
        message: format!(
            "the PATHs lead to more than {} entries in the copies of backup `{backup}`",
            show_count(MAX_PATHS as u64)
        ),
        help: "name one copy with --copy, or give PATHs that lead to less".to_owned(),
    }
}

impl<'a> CopyShare<'a> {
    fn new(copy: &'a CatalogueCopy, place: Option<usize>) -> Self {
        Self {
            copy,
            place,
            entries: 0,
            files: 0,
            bytes: 0,
        }
    }

    fn add_row(&mut self, row: &FileEntry) {
        self.add(row.kind == FileEntryKind::Dir, row.size);
    }

    fn add(&mut self, is_dir: bool, size: u64) {
        self.entries += 1;
        self.files += u64::from(!is_dir);
        self.bytes = self.bytes.saturating_add(size);
    }
}

pub(super) fn go_on(stop: &Stop) -> Result<(), LaunchError> {
    stop.signal().map_or(Ok(()), |signal| Err(LaunchError::Signal(signal)))
}

/// Decides what the PATHs mean and what comes from which copy. A PATH that a copy contains as typed is that name and not a
/// pattern; one that means nothing as typed is read with its escapes. Gives the PATHs that led to something.
pub(super) fn interpret(selections: &mut [BackupSelection<'_>], stop: &Stop) -> Result<BTreeSet<usize>, LaunchError> {
    let mut readings: BTreeMap<usize, Reading> = BTreeMap::new();
    for (at, reading) in selections.iter().flat_map(|selection| selection.found.matches.keys()) {
        let known = readings.entry(*at).or_insert(*reading);
        *known = (*known).min(*reading);
    }
    for selection in selections {
        selection.share(&readings, stop)?;
    }
    Ok(readings.into_keys().collect())
}

/// One destination may contain several backups; each has a source of its own.
pub(super) fn by_backup<'a>(
    places: &'a [CopyDirectory],
    model: Option<&Model>,
    paths: &[OsString],
    at: Option<DateTime<Utc>>,
) -> Result<Vec<BackupSelection<'a>>, LaunchError> {
    let mut selections = Vec::new();
    let mut placed: BTreeSet<usize> = BTreeSet::new();
    for place in places {
        let mut backups: BTreeMap<(&str, &str), Vec<&CatalogueCopy>> = BTreeMap::new();
        for copy in &place.copies {
            if at.is_none_or(|at| copy.manifest.backup_at <= at) {
                let key = (copy.name.backup(), copy.manifest.ops_name.as_str());
                backups.entry(key).or_default().push(copy);
            }
        }
        for ((backup, ops), mut copies) in backups {
            let model = model.filter(|model| model.ops.name == ops);
            let declared = model.and_then(|model| model.backups.iter().find(|declared| declared.name == backup));
            let source = declared.map(|declared| declared.source.clone());
            // Copies of an earlier source are another group: they count where there are no others.
            let is_of_source = |copy: &&CatalogueCopy| source.as_ref() == Some(&copy.manifest.source_path());
            if copies.iter().any(is_of_source) {
                copies.retain(is_of_source);
            }
            let mut selection = BackupSelection {
                place,
                backup,
                source,
                copies,
                requested: BTreeMap::new(),
                found: FoundPaths::default(),
                readings: BTreeMap::new(),
                newest: PathMatches::new(),
                shares: Vec::new(),
            };
            placed.extend(selection.request(paths)?);
            selections.push(selection);
        }
    }
    let mut paths = paths.iter().enumerate();
    match paths.find(|(at, _)| !placed.contains(at)) {
        Some((_, text)) if !selections.is_empty() => Err(outside(text)),
        _ => Ok(selections),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_path_is_kept_up_to_the_limit() {
        let mut found = FoundPaths::default();
        let at = |copy| PathMatch {
            copy,
            is_dir: false,
            size: 1,
        };
        let (one, other) = ((0, Reading::Name), (1, Reading::Pattern));
        assert!(found.add(one, [1; 16], at(0), 2));
        assert!(found.add(other, [1; 16], at(0), 2));
        // Known already.
        assert!(found.add(one, [1; 16], at(3), 2));
        assert!(!found.add(one, [2; 16], at(3), 2));
        assert_eq!(found.matches[&one][&[1; 16]].copy, 0);
        assert_eq!(found.matches[&one].len(), 1);
    }
}
