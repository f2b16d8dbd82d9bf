//! What a restore brings back from which copy.
//!
//! Without paths: everything of the newest complete copy. With paths: each from the newest copy that contains it.

use crate::archive::file_entry::FileEntryKind;
use crate::archive::{self, CatalogueCopy};
use crate::launch::LaunchError;
use crate::launch::copies::CopyDirectory;
use crate::model::Model;
use crate::model::pattern::{Pattern, PatternSet};
use crate::path::{RelPath, Shown, unshown};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
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

    fn wants(&self, path: &RelPath) -> bool {
        path.is_within(&self.exact)
            || self.glob.as_ref().is_some_and(|set| {
                set.matches(path.as_bytes()) || path.ancestors().any(|ancestor| set.matches(ancestor))
            })
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
    paths: &'a [OsString],
    /// PATHs that some copy contains as typed.
    names: BTreeSet<usize>,
    /// PATHs that mean nothing as typed.
    escaped: BTreeSet<usize>,
    /// In the order of `copies`: only those from which something comes.
    pub(super) shares: Vec<CopyShare<'a>>,
}

/// What comes from one copy.
pub(super) struct CopyShare<'a> {
    pub(super) copy: &'a CatalogueCopy,
    pub(super) paths: BTreeSet<RelPath>,
    /// Without directories, and their bytes.
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl<'a> BackupSelection<'a> {
    /// What the PATHs mean in one copy: an absolute one is below the source that this copy was made of, or else below the
    /// source in the ops file.
    fn requested(&self, copy: &CatalogueCopy) -> Result<Vec<RequestedPath>, LaunchError> {
        let recorded = copy.manifest.source_path();
        let mut requested = Vec::new();
        for (at, text) in self.paths.iter().enumerate() {
            let sources = std::iter::once(&recorded).chain(&self.source);
            let Some(mut path) = RequestedPath::new(at, text, sources)? else {
                continue;
            };
            path.glob = path.glob.filter(|_| !self.names.contains(&at));
            if let Some(escaped) = path.escaped.take_if(|_| self.escaped.contains(&at)) {
                path.exact = escaped;
            }
            requested.push(path);
        }
        Ok(requested)
    }

    /// Finds out what comes from which copy, and notes in `hits` which PATHs led to something.
    pub(super) fn share(&mut self, everything: bool, hits: &mut BTreeSet<usize>) -> Result<(), LaunchError> {
        if everything {
            let complete = |c: &&&CatalogueCopy| c.manifest.complete && c.manifest.suspect.is_none();
            let newest = self.copies.iter().find(complete).copied();
            return newest.map_or(Ok(()), |copy| self.take(copy, &mut BTreeSet::new(), hits, true));
        }
        let mut seen = BTreeSet::new();
        for copy in self.copies.clone() {
            self.take(copy, &mut seen, hits, false)?;
        }
        Ok(())
    }

    /// Adds to `names` the PATHs that a copy contains as typed, and to `patterns` those that match as a pattern.
    fn interpret(&self, names: &mut BTreeSet<usize>, patterns: &mut BTreeSet<usize>) -> Result<(), LaunchError> {
        for copy in &self.copies {
            let mut open = self.requested(copy)?;
            open.retain(|path| (path.glob.is_some() || path.escaped.is_some()) && !names.contains(&path.at));
            if open.is_empty() {
                continue;
            }
            for row in archive::rows(&self.place.dir, copy)? {
                let row = row?;
                for path in open.iter().filter(|path| path.wants(&row.path)) {
                    let is_name = row.path.is_within(&path.exact);
                    if is_name { &mut *names } else { &mut *patterns }.insert(path.at);
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        copy: &'a CatalogueCopy,
        seen: &mut BTreeSet<RelPath>,
        hits: &mut BTreeSet<usize>,
        everything: bool,
    ) -> Result<(), LaunchError> {
        let mut share = CopyShare {
            copy,
            paths: BTreeSet::new(),
            files: 0,
            bytes: 0,
        };
        let requested = self.requested(copy)?;
        for row in archive::rows(&self.place.dir, copy)? {
            let row = row?;
            let mut wanted = everything;
            for path in requested.iter().filter(|path| path.wants(&row.path)) {
                hits.insert(path.at);
                wanted = true;
            }
            if wanted && !seen.contains(&row.path) {
                share.files += u64::from(row.kind != FileEntryKind::Dir);
                share.bytes = share.bytes.saturating_add(row.size);
                share.paths.insert(row.path.clone());
            }
        }
        if !everything {
            seen.extend(share.paths.iter().cloned());
        }
        if !share.paths.is_empty() {
            self.shares.push(share);
        }
        Ok(())
    }
}

/// A PATH that a copy contains as typed is that name and no pattern; one that means nothing as typed is read with its
/// escapes.
pub(super) fn interpret(selections: &mut [BackupSelection<'_>]) -> Result<(), LaunchError> {
    let (mut names, mut patterns) = (BTreeSet::new(), BTreeSet::new());
    for selection in &*selections {
        selection.interpret(&mut names, &mut patterns)?;
    }
    for selection in selections {
        let meaningless = |at: &usize| !names.contains(at) && !patterns.contains(at);
        selection.escaped = (0..selection.paths.len()).filter(meaningless).collect();
        selection.names.clone_from(&names);
    }
    Ok(())
}

/// One destination may contain several backups; each has a source of its own.
pub(super) fn by_backup<'a>(
    places: &'a [CopyDirectory],
    model: Option<&Model>,
    paths: &'a [OsString],
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
            let selection = BackupSelection {
                place,
                backup,
                source,
                copies,
                paths,
                names: BTreeSet::new(),
                escaped: BTreeSet::new(),
                shares: Vec::new(),
            };
            for copy in &selection.copies {
                placed.extend(selection.requested(copy)?.iter().map(|path| path.at));
            }
            selections.push(selection);
        }
    }
    let mut paths = paths.iter().enumerate();
    match paths.find(|(at, _)| !placed.contains(at)) {
        Some((_, text)) if !selections.is_empty() => Err(outside(text)),
        _ => Ok(selections),
    }
}
