//! Bringing files back.
//!
//! Takes places with copies, what is wanted (paths, globs, a moment) and a target; gives what was restored, what
//! was left alone and what failed. Without paths: everything of the newest complete copy. With paths: each from
//! the newest copy that holds it.
//! Invariant: what comes from which copy is known before anything is written; files that are restored below a backup's source are on hold in the store before they appear there.

use super::LaunchError;
use super::copies::CopyDirectory;
use crate::archive::file_entry::FileEntryKind;
use crate::archive::{self, CatalogueCopy, CopyContents, CopyError, RestoreOptions, RestoreReport};
use crate::exec::{Deadline, step_progress::StepProgress};
use crate::model::pattern::{Pattern, PatternSet};
use crate::model::{Contents, Model};
use crate::path::{RelPath, Shown, unshown};
use crate::run::Progress;
use crate::signal::Stop;
use crate::store::Store;
use crate::tree::Dir;
use crate::tree::handle::create_dir_all;
use crate::tree::lock::{self, Patience};
use crate::tree::place::RestoreTarget;
use chrono::{DateTime, Utc};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Paths below the source, or globs; empty is everything of the newest complete copy.
    pub paths: Vec<OsString>,
    /// Only copies made until then.
    pub at: Option<DateTime<Utc>>,
    /// Where to; `None` is where it came from.
    pub to: Option<PathBuf>,
    pub force: bool,
    /// How long restored files are kept from deletion; `None` is not at all.
    pub hold: Option<Duration>,
    pub threads: usize,
}

/// What was done from one copy.
#[derive(Debug)]
pub struct RestoreResult {
    pub copy: String,
    pub target: PathBuf,
    pub restored: RestoreReport,
    /// When the hold ends, where one was set.
    pub held_until: Option<DateTime<Utc>>,
}

/// One PATH as it was typed, for one backup.
struct Ask {
    /// Its place among those that were typed.
    at: usize,
    /// As a name: a name may hold a `*` of its own.
    exact: RelPath,
    glob: Option<PatternSet>,
    /// As a name with the escapes that opsrun prints; counts only if no copy holds the name as typed.
    escaped: Option<RelPath>,
}

impl Ask {
    /// `Ok(None)` for an absolute path outside `source`.
    fn new(at: usize, text: &OsStr, source: &Path) -> Result<Option<Self>, LaunchError> {
        let below = Path::new(text);
        let below = match below.strip_prefix(source) {
            Ok(rest) => rest,
            Err(_) if below.is_absolute() => return Ok(None),
            Err(_) => below,
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

/// The copies of one backup, and what is to come from each.
struct Group<'a> {
    place: &'a CopyDirectory,
    backup: &'a str,
    source: PathBuf,
    copies: Vec<&'a CatalogueCopy>,
    asks: Vec<Ask>,
    /// In the order of `copies`: only those from which something comes.
    shares: Vec<Share<'a>>,
}

/// What comes from one copy.
struct Share<'a> {
    copy: &'a CatalogueCopy,
    paths: BTreeSet<RelPath>,
    /// Without directories, and their bytes.
    files: u64,
    bytes: u64,
}

impl<'a> Group<'a> {
    /// Finds out what comes from which copy, and notes in `hits` which PATHs led to something.
    fn share(&mut self, wanted: &RestoreRequest, hits: &mut BTreeSet<usize>) -> Result<(), LaunchError> {
        if wanted.paths.is_empty() {
            let complete = |c: &&&CatalogueCopy| c.manifest.complete && c.manifest.suspect.is_none();
            let newest = self.copies.iter().find(complete).copied();
            return newest.map_or(Ok(()), |copy| self.take(copy, &mut BTreeSet::new(), hits, true));
        }
        self.settle()?;
        let mut seen = BTreeSet::new();
        for copy in self.copies.clone() {
            self.take(copy, &mut seen, hits, false)?;
        }
        Ok(())
    }

    /// Interprets the escapes of a name that no copy holds as typed.
    fn settle(&mut self) -> Result<(), LaunchError> {
        let mut open: Vec<&mut Ask> = self.asks.iter_mut().filter(|ask| ask.escaped.is_some()).collect();
        for copy in &self.copies {
            if open.is_empty() {
                return Ok(());
            }
            for row in archive::rows(&self.place.dir, copy)? {
                let row = row?;
                open.retain(|ask| !ask.wants(&row.path));
            }
        }
        for ask in open {
            if let Some(escaped) = ask.escaped.take() {
                ask.exact = escaped;
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
        let mut share = Share {
            copy,
            paths: BTreeSet::new(),
            files: 0,
            bytes: 0,
        };
        for row in archive::rows(&self.place.dir, copy)? {
            let row = row?;
            let mut wanted = everything;
            for ask in self.asks.iter().filter(|ask| ask.wants(&row.path)) {
                hits.insert(ask.at);
                wanted = true;
            }
            if wanted && !seen.contains(&row.path) {
                share.files += u64::from(row.kind != FileEntryKind::Dir);
                share.bytes += row.size;
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

/// Restores. `model` is there when an ops file is: then files that come under a source are put on hold.
/// Gives the PATHs that no copy holds, where others led to something.
pub fn restore(
    places: &[CopyDirectory],
    model: Option<&Model>,
    wanted: &RestoreRequest,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(RestoreResult),
) -> Result<Vec<String>, LaunchError> {
    let mut groups = groups(places, wanted)?;
    let mut hits = BTreeSet::new();
    for group in &mut groups {
        if let Some(signal) = stop.signal() {
            return Err(LaunchError::Signal(signal));
        }
        group.share(wanted, &mut hits)?;
    }
    groups.retain(|group| !group.shares.is_empty());
    let unheld = wanted.paths.iter().enumerate().filter(|(at, _)| !hits.contains(at));
    let unheld: Vec<String> = unheld.map(|(_, text)| Shown(text.as_bytes()).to_string()).collect();
    if groups.is_empty() {
        return Err(if wanted.paths.is_empty() {
            LaunchError::Missing {
                message: "there is no complete copy to restore".to_owned(),
                help: "`opsrun list` shows the copies".to_owned(),
            }
        } else {
            none_holds(&unheld)
        });
    }
    if wanted.to.is_some() && groups.len() > 1 {
        let backups: BTreeSet<&str> = groups.iter().map(|group| group.backup).collect();
        let names: Vec<&str> = backups.into_iter().collect();
        return Err(LaunchError::Usage {
            message: "copies of several backups would be mixed in one directory".to_owned(),
            help: match names.len() {
                1 => "name one copy with --copy".to_owned(),
                _ => format!("name one with --backup: {}", names.join(", ")),
            },
        });
    }
    for group in &groups {
        let target = wanted.to.as_deref().unwrap_or(&group.source);
        apart(target, places, model)?;
    }
    for group in groups {
        write(group, model, wanted, stop, progress, each)?;
    }
    Ok(unheld)
}

/// That none of `paths` is in any copy.
pub fn none_holds(paths: &[String]) -> LaunchError {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    LaunchError::Missing {
        message: format!("no copy holds {}", paths.join(", ")),
        help: "`opsrun list` shows the copies; a PATH is relative to the source, and `'**/NAME'` finds a name anywhere"
            .to_owned(),
    }
}

/// One destination may hold several backups; each has a source of its own.
fn groups<'a>(places: &'a [CopyDirectory], wanted: &RestoreRequest) -> Result<Vec<Group<'a>>, LaunchError> {
    let mut groups = Vec::new();
    let mut placed = vec![false; wanted.paths.len()];
    for place in places {
        let mut backups: BTreeMap<(&str, &str), Vec<&CatalogueCopy>> = BTreeMap::new();
        for copy in &place.copies {
            if wanted.at.is_none_or(|at| copy.manifest.backup_at <= at) {
                let key = (copy.name.backup(), copy.manifest.ops_name.as_str());
                backups.entry(key).or_default().push(copy);
            }
        }
        for ((backup, _), copies) in backups {
            let source = copies.first().map(|c| c.manifest.source_path()).unwrap_or_default();
            let mut asks = Vec::new();
            for (at, text) in wanted.paths.iter().enumerate() {
                if let Some(ask) = Ask::new(at, text, &source)? {
                    asks.push(ask);
                    if let Some(placed) = placed.get_mut(at) {
                        *placed = true;
                    }
                }
            }
            groups.push(Group {
                place,
                backup,
                source,
                copies,
                asks,
                shares: Vec::new(),
            });
        }
    }
    if let Some((text, _)) = wanted.paths.iter().zip(&placed).find(|(_, placed)| !**placed)
        && !groups.is_empty()
    {
        return Err(outside(text));
    }
    Ok(groups)
}

/// Refuses a target in a destination: restored files among copies would be mistaken for something else.
fn apart(target: &Path, places: &[CopyDirectory], model: Option<&Model>) -> Result<(), LaunchError> {
    let mut destinations = Vec::new();
    for place in places {
        destinations.push(place.dir.id()?);
    }
    for backup in model.into_iter().flat_map(|model| &model.backups) {
        destinations.extend(Dir::open(&backup.to).and_then(|dir| dir.id()));
    }
    let target = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    // What is not there yet comes below what is.
    let there = target.ancestors().find_map(|dir| std::fs::canonicalize(dir).ok());
    for dir in there.iter().flat_map(|there| there.ancestors()) {
        if let Ok(id) = Dir::open(dir).and_then(|dir| dir.id())
            && destinations.contains(&id)
        {
            return Err(LaunchError::Usage {
                message: format!(
                    "`{}` lies in the destination `{}`, which holds copies only",
                    crate::path::shown(&target),
                    crate::path::shown(dir)
                ),
                help: "name a directory elsewhere with --to".to_owned(),
            });
        }
    }
    Ok(())
}

fn write(
    group: Group<'_>,
    model: Option<&Model>,
    wanted: &RestoreRequest,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(RestoreResult),
) -> Result<(), LaunchError> {
    let target_path = wanted.to.clone().unwrap_or(group.source);
    let dir = create_dir_all(&target_path)?;
    let patience = Patience {
        wait: Duration::ZERO,
        stop: &|| stop.asked(),
    };
    // A cleanup there must not meet half-restored files.
    let _lock = lock::lock_dir(&dir, patience)?;
    for share in group.shares {
        if let Some(signal) = stop.signal() {
            return Err(LaunchError::Signal(signal));
        }
        let held_until = hold(model, wanted, &dir, &share.paths)?;
        let copy = share.copy;
        progress.begin(0, &copy.name.to_string(), share.files, share.bytes);
        let deadline = Deadline::new(stop, None);
        let watch = StepProgress::new(&deadline, progress, 0);
        let options = RestoreOptions {
            force: wanted.force,
            threads: wanted.threads,
            chown: rustix::process::geteuid().is_root(),
        };
        let result = archive::restore(
            &group.place.dir,
            copy,
            &|row| share.paths.contains(&row.path),
            &dir,
            &options,
            &watch,
        );
        progress.end(0);
        let mut restored = match (result, stop.signal()) {
            (Err(CopyError::Stopped), Some(signal)) => return Err(LaunchError::Signal(signal)),
            (result, _) => result?,
        };
        if wanted.paths.is_empty() && copy.manifest.contents == CopyContents::Known(Contents::Expired) {
            restored.notes.push(
                "this copy holds only what had expired then; `opsrun restore '**'` brings back everything that any \
                 copy holds"
                    .to_owned(),
            );
        }
        each(RestoreResult {
            copy: copy.name.to_string(),
            target: target_path.clone(),
            restored,
            held_until,
        });
    }
    Ok(())
}

/// True when the restore will not write `path`, because something exists there or in its way.
fn exists_at(target: &RestoreTarget<'_>, path: &RelPath) -> bool {
    match target.existing(path) {
        Ok(found) => found.is_some(),
        Err(e) => matches!(e.errno(), Some(Errno::NOTDIR | Errno::LOOP)),
    }
}

/// Sets holds where the target lies in a source of the model, on what is not there yet, or with force on all.
fn hold(
    model: Option<&Model>,
    wanted: &RestoreRequest,
    target: &Dir,
    paths: &BTreeSet<RelPath>,
) -> Result<Option<DateTime<Utc>>, LaunchError> {
    let (Some(model), Some(time)) = (model, wanted.hold) else {
        return Ok(None);
    };
    let there = RestoreTarget::new(target, "", false);
    let paths: Vec<&RelPath> = paths
        .iter()
        .filter(|path| wanted.force || !exists_at(&there, path))
        .collect();
    if paths.is_empty() {
        return Ok(None);
    }
    let until = crate::clock::now() + chrono::TimeDelta::from_std(time).unwrap_or(chrono::TimeDelta::MAX / 2);
    // The target and what is above it, by identity: whatever names lead there.
    let mut chain: Vec<((u64, u64), PathBuf)> = vec![(target.id()?, PathBuf::new())];
    let resolved = std::fs::canonicalize(target.path()).unwrap_or_else(|_| target.path().to_owned());
    let mut below = PathBuf::new();
    for dir in resolved.ancestors() {
        if let Ok(handle) = Dir::open(dir)
            && let Ok(id) = handle.id()
        {
            chain.push((id, below.clone()));
        }
        if let Some(name) = dir.file_name() {
            below = Path::new(name).join(&below);
        }
    }
    let mut set = None;
    let mut store = None;
    for backup in &model.backups {
        let Ok(id) = Dir::open(&backup.source).and_then(|dir| dir.id()) else {
            continue;
        };
        let Some((_, prefix)) = chain.iter().find(|(at, _)| *at == id) else {
            continue;
        };
        let held: Vec<RelPath> = paths
            .iter()
            .filter_map(|path| RelPath::new(prefix.join(path.as_path()).as_os_str().as_bytes()))
            .collect();
        if store.is_none() {
            store = Some(Store::open(&model.ops.state_dir)?);
        }
        if let Some(store) = &store {
            store.add_holds(&backup.source, &held, until, "restore")?;
            set = Some(until);
        }
    }
    Ok(set)
}
