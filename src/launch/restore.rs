//! Restoring files.
//!
//! Takes places with copies, what is wanted (paths, globs, a moment) and a target; gives what was restored, what was left
//! unchanged and what failed. `selection` decides what comes from which copy.
//! Invariant: that is known before anything is written; files that are restored below a backup's source are on hold in
//! the store before they appear there.

mod selection;

use super::LaunchError;
use super::copies::{self, CopyDirectory};
use crate::archive::file_entry::FileEntry;
use crate::archive::{self, CopyContents, CopyError, CopyOwner, RestoreOptions, RestoreReport, TargetOrigin};
use crate::exec::{Deadline, step_progress::StepProgress};
use crate::model::{Contents, Model};
use crate::path::{RelPath, Shown, shown};
use crate::run::Progress;
use crate::signal::Stop;
use crate::store::Store;
use crate::tree::Dir;
use crate::tree::handle::create_target;
use crate::tree::lock::{self, Patience};
use crate::tree::place::RestoreTarget;
use chrono::{DateTime, SecondsFormat, Utc};
use rustix::io::Errno;
use selection::{BackupSelection, CopyShare, by_backup, go_on, interpret};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Paths below the source, or globs; empty is everything of the newest complete copy.
    pub paths: Vec<OsString>,
    /// Only copies made until then.
    pub at: Option<DateTime<Utc>>,
    /// Where to; `None` is the source in the ops file.
    pub to: Option<PathBuf>,
    pub force: bool,
    /// Owners go by number, although their names are known here.
    pub numeric_owner: bool,
    /// How long restored files are kept from deletion; `None` is not at all.
    pub hold: Option<Duration>,
    pub threads: usize,
}

/// A copy of another directory than the one that the ops file names now.
#[derive(Debug)]
pub struct MovedSource {
    pub backup: String,
    pub copy: String,
    pub then: PathBuf,
    pub now: PathBuf,
}

impl fmt::Display for MovedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (then, now) = (shown(&self.then), shown(&self.now));
        write!(
            f,
            "copy `{}` was made of `{then}`, but the source of backup `{}` is `{now}`",
            self.copy, self.backup
        )
    }
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

/// Restores. `model` is there when an ops file is: then files that come under a source are put on hold.
/// Gives the PATHs that no copy contains, where others led to something.
pub fn restore(
    places: &[CopyDirectory],
    model: Option<&Model>,
    wanted: &RestoreRequest,
    confirm: &mut dyn FnMut(&MovedSource) -> bool,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(RestoreResult),
) -> Result<Vec<String>, LaunchError> {
    let mut selections = by_backup(places, model, &wanted.paths, wanted.at)?;
    refuse_several_writers(&selections)?;
    for selection in &mut selections {
        selection.read(wanted.paths.is_empty(), stop)?;
    }
    let hits = interpret(&mut selections, stop)?;
    selections.retain(|selection| !selection.shares.is_empty());
    let missing = wanted.paths.iter().enumerate().filter(|(at, _)| !hits.contains(at));
    let missing: Vec<String> = missing.map(|(_, text)| Shown(text.as_bytes()).to_string()).collect();
    if selections.is_empty() && wanted.paths.is_empty() {
        return Err(LaunchError::Missing {
            message: format!(
                "there is no complete copy to restore{}{}",
                made_until(wanted.at),
                broken(places)
            ),
            help: "`opsrun list` shows the copies".to_owned(),
        });
    }
    if selections.is_empty() {
        return Err(no_copy_contains(&missing, wanted.at));
    }
    if wanted.to.is_some() && selections.len() > 1 {
        let backups: BTreeSet<&str> = selections.iter().map(|selection| selection.backup).collect();
        let names: Vec<&str> = backups.into_iter().collect();
        return Err(LaunchError::Usage {
            message: "copies of several backups would be mixed in one directory".to_owned(),
            help: match names.len() {
                1 => "name one copy with --copy".to_owned(),
                _ => format!("name one with --backup: {}", names.join(", ")),
            },
        });
    }
    let mut targets = Vec::new();
    for selection in &selections {
        let target = match &wanted.to {
            Some(to) => to.clone(),
            None => source_of(selection, confirm, stop)?,
        };
        refuse_destination(&target, places, model)?;
        targets.push(target);
    }
    for (selection, target) in selections.iter().zip(targets) {
        write(selection, &target, model, wanted, stop, progress, each)?;
    }
    Ok(missing)
}

/// Refuses destinations whose copies are all of other machines: after the loss of a machine or of its state, a person
/// says which ones to restore.
pub fn refuse_others_only(places: &[CopyDirectory]) -> Result<(), LaunchError> {
    let others = copies::others(places);
    let [first, ..] = others.as_slice() else {
        return Ok(());
    };
    if places.iter().any(|place| !place.copies.is_empty()) {
        return Ok(());
    }
    let named: Vec<String> = others.iter().take(MAX_NAMED_GROUPS).map(ToString::to_string).collect();
    let more = match others.len().saturating_sub(MAX_NAMED_GROUPS) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let owners: BTreeSet<&CopyOwner> = others.iter().map(|group| &group.owner).collect();
    Err(LaunchError::Refused {
        message: format!("there are only copies of other machines: {}{more}", named.join("; ")),
        help: if owners.len() == 1 {
            format!("if these are what you want: `opsrun restore --writer {}`", first.owner)
        } else {
            let owners: Vec<String> = owners.iter().map(|owner| format!("`--writer {owner}`")).collect();
            format!("name the machine: {}", owners.join(" or "))
        },
    })
}

/// Copies of several machines would be mixed.
fn refuse_several_writers(selections: &[BackupSelection<'_>]) -> Result<(), LaunchError> {
    let all = selections.iter().flat_map(|selection| &selection.copies).copied();
    let mut groups = copies::groups(all);
    groups.dedup_by(|a, b| (&a.ops, &a.backup, &a.owner) == (&b.ops, &b.backup, &b.owner));
    let several = groups.iter().zip(groups.iter().skip(1));
    let mut several = several.filter(|(a, b)| (&a.ops, &a.backup) == (&b.ops, &b.backup));
    let Some((first, second)) = several.next() else {
        return Ok(());
    };
    Err(LaunchError::Refused {
        message: format!("copies of several machines would be mixed: {first}; {second}"),
        help: format!(
            "name one: `--writer {}` or `--writer {}`; `opsrun list` shows all",
            first.owner, second.owner
        ),
    })
}

const MAX_NAMED_GROUPS: usize = 5;

/// The first copy that cannot be used, and why.
fn broken(places: &[CopyDirectory]) -> String {
    let mut all = places.iter().flat_map(|place| place.broken(None));
    let Some((name, why)) = all.next() else {
        return String::new();
    };
    match all.count() {
        0 => format!("; copy `{name}` cannot be used: {why}"),
        more => format!("; copy `{name}` cannot be used: {why} (and {more} more)"),
    }
}

fn made_until(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| {
        format!(" made up to {} (--at)", at.to_rfc3339_opts(SecondsFormat::Secs, true))
    })
}

/// None of `paths` is in any copy made until then.
pub fn no_copy_contains(paths: &[String], at: Option<DateTime<Utc>>) -> LaunchError {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    LaunchError::Missing {
        message: format!("no copy{} contains {}", made_until(at), paths.join(", ")),
        help: "`opsrun list` shows the copies; a PATH is relative to the source, and `'**/NAME'` finds a name anywhere"
            .to_owned(),
    }
}

/// Refuses a target in a destination: restored files among copies would be mistaken for something else.
fn refuse_destination(target: &Path, places: &[CopyDirectory], model: Option<&Model>) -> Result<(), LaunchError> {
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
                    "`{}` is in the destination `{}`, which contains copies only",
                    shown(&target),
                    shown(dir)
                ),
                help: "give another directory with --to".to_owned(),
            });
        }
    }
    Ok(())
}

/// Where a restore goes without `--to`: where the ops file says. What a copy says decides nothing: it may come from another
/// machine, or be forged.
fn source_of(
    selection: &BackupSelection<'_>,
    confirm: &mut dyn FnMut(&MovedSource) -> bool,
    stop: &Stop,
) -> Result<PathBuf, LaunchError> {
    let Some(source) = &selection.source else {
        return Err(LaunchError::Refused {
            message: format!("no ops file says where the source of backup `{}` is", selection.backup),
            help: "give the target directory with --to, or the ops file of the backup with --file".to_owned(),
        });
    };
    let mut asked = BTreeSet::from([source.clone()]);
    for share in &selection.shares {
        let moved = MovedSource {
            backup: selection.backup.to_owned(),
            copy: share.copy.name.to_string(),
            then: share.copy.manifest.source_path(),
            now: source.clone(),
        };
        if !asked.insert(moved.then.clone()) || confirm(&moved) {
            continue;
        }
        return Err(match stop.signal() {
            Some(signal) => LaunchError::Signal(signal),
            None => LaunchError::Refused {
                message: moved.to_string(),
                help: format!("give the target directory: `--backup {} --to DIR`", moved.backup),
            },
        });
    }
    Ok(source.clone())
}

fn write(
    selection: &BackupSelection<'_>,
    target: &Path,
    model: Option<&Model>,
    wanted: &RestoreRequest,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(RestoreResult),
) -> Result<(), LaunchError> {
    let (dir, made) = create_target(target)?;
    let patience = Patience {
        wait: Duration::ZERO,
        stop: &|| stop.asked(),
    };
    // A cleanup there must not meet half-restored files.
    let _lock = lock::lock_place(&dir, patience)?;
    let newest = selection.shares.iter().max_by_key(|share| share.copy.manifest.sequence);
    let top = newest.and_then(|share| share.copy.manifest.top.as_ref());
    let mut earlier = Vec::new();
    for (at, share) in selection.shares.iter().enumerate() {
        if let Some(signal) = stop.signal() {
            return Err(LaunchError::Signal(signal));
        }
        let held_until = hold(selection, share, model, wanted, &dir, stop)?;
        let copy = share.copy;
        progress.begin(0, &copy.name.to_string(), share.files, share.bytes);
        let deadline = Deadline::new(stop, None);
        let watch = StepProgress::new(&deadline, progress, 0);
        let options = RestoreOptions {
            force: wanted.force,
            threads: wanted.threads,
            numeric_owner: wanted.numeric_owner,
            target: if made {
                TargetOrigin::Made(top)
            } else {
                TargetOrigin::Existed
            },
        };
        let selected = |row: &FileEntry| selection.is_in(share, &row.path);
        let result = archive::restore(&selection.place.dir, copy, &selected, &dir, &options, &watch);
        progress.end(0);
        let mut restored = match (result, stop.signal()) {
            (Err(CopyError::Stopped), Some(signal)) => return Err(LaunchError::Signal(signal)),
            (result, _) => result?,
        };
        let ended = restored.ended.take();
        if ended.is_some() {
            let note = "it ended early: what was restored is whole and durable, and the same command restores the rest";
            restored.notes.push(note.to_owned());
        }
        if wanted.paths.is_empty() && copy.manifest.contents == CopyContents::Known(Contents::Expired) {
            let note = "this copy contains only what had expired then; to restore everything that any copy contains, run \
                         `opsrun restore '**'`";
            restored.notes.push(note.to_owned());
        }
        if at + 1 < selection.shares.len() {
            earlier.push((copy, std::mem::take(&mut restored.made)));
        } else {
            for (copy, made) in &earlier {
                let from = (&selection.place.dir, *copy);
                let again = archive::finish_again(from, made, &dir, &options, &watch)?;
                restored.failed.append(again.failed);
            }
        }
        each(RestoreResult {
            copy: copy.name.to_string(),
            target: target.to_owned(),
            restored,
            held_until,
        });
        match (ended, stop.signal()) {
            (None, _) => {}
            (Some(CopyError::Stopped), Some(signal)) => return Err(LaunchError::Signal(signal)),
            (Some(error), _) => return Err(error.into()),
        }
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

/// So many bytes of paths are put on hold at once.
const HELD_AT_ONCE: usize = 4 << 20;

/// Sets holds where the target lies in a source of the model, on what is not there yet, or with force on all.
fn hold(
    selection: &BackupSelection<'_>,
    share: &CopyShare<'_>,
    model: Option<&Model>,
    wanted: &RestoreRequest,
    target: &Dir,
    stop: &Stop,
) -> Result<Option<DateTime<Utc>>, LaunchError> {
    let (Some(model), Some(time)) = (model, wanted.hold) else {
        return Ok(None);
    };
    let sources = sources_above(model, target)?;
    if sources.is_empty() {
        return Ok(None);
    }
    let there = RestoreTarget::new(target, "", false);
    // It is later than the copy, whatever the clock says: one that is behind would end the hold as soon as it is right.
    let now = crate::clock::now().max(share.copy.manifest.backup_at);
    let until = now + chrono::TimeDelta::from_std(time).unwrap_or(chrono::TimeDelta::MAX / 2);
    let mut store = None;
    let mut add = |paths: &[RelPath]| -> Result<(), LaunchError> {
        let store = match &mut store {
            Some(store) => store,
            none => none.insert(Store::open(&model.ops.state_dir)?),
        };
        for (source, prefix) in &sources {
            let below = |path: &RelPath| RelPath::new(prefix.join(path.as_path()).as_os_str().as_bytes());
            let held: Vec<RelPath> = paths.iter().filter_map(below).collect();
            store.add_holds(source, &held, until, "restore")?;
        }
        Ok(())
    };
    let (mut paths, mut bytes, mut any) = (Vec::new(), 0, false);
    for row in archive::rows(&selection.place.dir, share.copy)? {
        go_on(stop)?;
        let path = row?.path;
        if !selection.is_in(share, &path) || !wanted.force && exists_at(&there, &path) {
            continue;
        }
        any = true;
        bytes += path.as_bytes().len() + size_of::<RelPath>();
        paths.push(path);
        if bytes >= HELD_AT_ONCE {
            add(&paths)?;
            paths.clear();
            bytes = 0;
        }
    }
    if !paths.is_empty() {
        add(&paths)?;
    }
    Ok(any.then_some(until))
}

/// The sources in which `target` lies, each with the path of the target below it: by identity, whatever names lead there.
fn sources_above<'m>(model: &'m Model, target: &Dir) -> Result<Vec<(&'m Path, PathBuf)>, LaunchError> {
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
    let mut sources = Vec::new();
    for backup in &model.backups {
        let Ok(id) = Dir::open(&backup.source).and_then(|dir| dir.id()) else {
            continue;
        };
        if let Some((_, prefix)) = chain.iter().find(|(at, _)| *at == id) {
            sources.push((&*backup.source, prefix.clone()));
        }
    }
    Ok(sources)
}
