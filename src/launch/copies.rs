//! The copies in destinations, and verifying them again.
//!
//! Takes the destinations of a model, or one directory alone, without ops file and state. Changes nothing.

use super::{LaunchError, own_writer};
use crate::archive::{self, Catalogue, CatalogueCopy, CopyName, CopyOwner, Marker, OwnWriter};
use crate::exec::{Deadline, step_progress::StepProgress};
use crate::file_system::Abilities;
use crate::model::{Backup, Model};
use crate::path::{Shown, shown};
use crate::run::Progress;
use crate::signal::Stop;
use crate::store::Store;
use crate::tree::Dir;
use crate::units::{joined, plural};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A destination with its copies.
#[derive(Debug)]
pub struct CopyDirectory {
    pub path: PathBuf,
    pub dir: Dir,
    pub catalogue: Catalogue,
    /// The backups with copies in it, wanted or not.
    pub backups: BTreeSet<String>,
    /// The wanted copies, newest first by backup.
    pub copies: Vec<CatalogueCopy>,
    /// Copies of other writers that were left aside.
    pub others: Vec<CopyGroup>,
}

/// What one writer copied from one source for one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyGroup {
    pub ops: String,
    pub backup: String,
    pub host: String,
    pub owner: CopyOwner,
    pub source: PathBuf,
    pub copies: u64,
    /// When the newest was begun.
    pub newest: DateTime<Utc>,
}

impl fmt::Display for CopyGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (copies, host) = (plural(self.copies, "copy", "copies"), Shown(self.host.as_bytes()));
        write!(
            f,
            "{copies} of backup `{}` of host `{host}`, source `{}`",
            self.backup,
            shown(&self.source)
        )
    }
}

/// What to look at in the destinations.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyChoice<'a> {
    /// Only this backup.
    pub backup: Option<&'a str>,
    /// Only this copy, which may be named by one of its files.
    pub copy: Option<&'a str>,
    /// Only this writer: its id, the beginning of it, or a host. `None` is the writer of the ops file, or without one all.
    pub writer: Option<&'a str>,
}

impl CopyDirectory {
    /// Copies of a backup (all when `None`) that cannot be used, with the reason.
    pub fn broken(&self, backup: Option<&str>) -> impl Iterator<Item = &(CopyName, String)> {
        let broken = self.catalogue.broken.iter();
        broken.filter(move |(name, _)| backup.is_none_or(|backup| name.backup() == backup))
    }
}

/// The copies in the directory `from`, or in the destinations of a model, as far as they are chosen.
pub fn places(
    from: Option<&Path>,
    model: Option<&Model>,
    choice: CopyChoice<'_>,
    stop: &Stop,
) -> Result<Vec<CopyDirectory>, LaunchError> {
    let CopyChoice { backup, copy, writer } = choice;
    let mut places = Vec::new();
    let own = match model {
        Some(model) => {
            let store = Store::open_or_empty(&model.ops.state_dir)?;
            Some(own_writer::known(model, &store)?)
        }
        None => None,
    };
    let own = own.as_ref();
    let is_chosen = |c: &CatalogueCopy| match (copy, writer, own) {
        (_, Some(writer), _) => c.owner.answers_to(writer, &c.manifest.host),
        (None, None, Some(own)) => c.owner == CopyOwner::Writer(own.writer.id.clone()),
        (Some(_), None, _) | (None, None, None) => true,
    };
    match (from, model) {
        (None, None) => {}
        (Some(path), _) => {
            let of_backup = |c: &CatalogueCopy| backup.is_none_or(|b| c.name.backup() == b);
            let place = place(path, stop, own, of_backup, is_chosen)?;
            if let Some(name) = backup.filter(|_| place.copies.is_empty()) {
                known(path, &place, name)?;
            }
            places.push(place);
        }
        (None, Some(model)) => {
            if let Some(name) = backup.filter(|name| model.backup(name).is_none()) {
                let names: Vec<&String> = model.backups.iter().map(|b| &b.name).collect();
                return Err(LaunchError::Usage {
                    message: format!("there is no backup `{name}`"),
                    help: format!("backups are: {}", joined(&names)),
                });
            }
            for job in wanted_of(model, backup).filter(|job| job.to.exists()) {
                let of_backup =
                    |c: &CatalogueCopy| c.manifest.backup_id == job.name && c.manifest.ops_name == model.ops.name;
                places.push(place(&job.to, stop, own, of_backup, is_chosen)?);
            }
        }
    }
    if let Some(writer) = writer {
        one_writer(&places, writer)?;
    }
    if let Some(text) = copy {
        let wanted = copy_name(text);
        for place in &mut places {
            place.copies.retain(|c| c.name.to_string() == wanted);
        }
        let broken = |place: &CopyDirectory| place.broken(None).any(|(name, _)| name.to_string() == wanted);
        if !places.iter().any(|place| !place.copies.is_empty() || broken(place)) {
            return Err(LaunchError::Usage {
                message: format!("there is no copy `{text}`"),
                help: "`opsrun list` shows the copies".to_owned(),
            });
        }
    }
    Ok(places)
}

/// The copy that `text` names: itself, or one of its files.
pub fn copy_name(text: &str) -> String {
    let file = Path::new(text).file_name().and_then(|name| name.to_str());
    file.and_then(CopyName::of_file)
        .map_or_else(|| text.to_owned(), |name| name.to_string())
}

fn wanted_of<'a>(model: &'a Model, backup: Option<&'a str>) -> impl Iterator<Item = &'a Backup> {
    let backups = model.backups.iter();
    backups.filter(move |job| backup.is_none_or(|name| job.name == name))
}

/// Refuses a backup without a copy in the directory, not even a broken one.
fn known(path: &Path, place: &CopyDirectory, name: &str) -> Result<(), LaunchError> {
    let mut names = place.backups.clone();
    names.extend(place.broken(None).map(|(name, _)| name.backup().to_owned()));
    if names.contains(name) {
        return Ok(());
    }
    let names: Vec<String> = names.into_iter().collect();
    Err(LaunchError::Usage {
        message: format!("`{}` contains no copy of a backup `{name}`", shown(path)),
        help: if names.is_empty() {
            "it contains no copies at all".to_owned()
        } else {
            format!("it contains copies of: {}", names.join(", "))
        },
    })
}

/// The destinations of the wanted backup (all when `None`) that an earlier run wrote to and that are missing now, each with
/// the reason.
pub fn lost(model: &Model, backup: Option<&str>) -> Result<Vec<String>, LaunchError> {
    let store = Store::open_or_empty(&model.ops.state_dir)?;
    let mut lost = Vec::new();
    for job in wanted_of(model, backup) {
        let Some(id) = store.marker_of(&job.name, &job.to)? else {
            continue;
        };
        let why = match Dir::open(&job.to).ok().map(|dir| Marker::read(&dir)) {
            None => "is not there",
            Some(Ok(None)) => "lacks the marker that it had",
            Some(Ok(Some(marker))) if marker.id != id => "has another marker than it had",
            // A marker that cannot be read is reported with the copies.
            Some(_) => continue,
        };
        lost.push(format!("backup:{}: `{}` {why}", job.name, shown(&job.to)));
    }
    Ok(lost)
}

/// Refuses a name that no writer has, or several.
fn one_writer(places: &[CopyDirectory], wanted: &str) -> Result<(), LaunchError> {
    let chosen = places.iter().flat_map(|place| &place.copies);
    let owners: BTreeSet<String> = chosen.map(|copy| copy.owner.to_string()).collect();
    let all = places.iter().flat_map(|place| &place.others);
    let all: BTreeSet<String> = all
        .map(|group| format!("{} (host {})", group.owner, Shown(group.host.as_bytes())))
        .collect();
    let others = || joined(&all.iter().collect::<Vec<_>>());
    match owners.len() {
        1 => Ok(()),
        0 => Err(LaunchError::Usage {
            message: format!("there are no copies of a writer `{wanted}`"),
            help: if all.is_empty() {
                "`opsrun list` shows the copies".to_owned()
            } else {
                format!("writers are: {}", others())
            },
        }),
        _ => Err(LaunchError::Usage {
            message: format!("several writers are called `{wanted}`"),
            help: format!("give the id: {}", joined(&owners.iter().collect::<Vec<_>>())),
        }),
    }
}

/// The copies for which both questions are answered with yes; those for which only the first is are others.
fn place(
    path: &Path,
    stop: &Stop,
    own: Option<&OwnWriter>,
    of_backup: impl Fn(&CatalogueCopy) -> bool,
    is_chosen: impl Fn(&CatalogueCopy) -> bool,
) -> Result<CopyDirectory, LaunchError> {
    let mut dir = Dir::open(path)?;
    // Copies are read here: a sync that is not offered proves nothing less.
    dir.learn(Abilities::default());
    let catalogue = Catalogue::read_while(&dir, &|| !stop.asked());
    if let Some(signal) = stop.signal() {
        return Err(LaunchError::Signal(signal));
    }
    let mut catalogue = catalogue?;
    catalogue.assign(own);
    let all = std::mem::take(&mut catalogue.copies);
    let backups = all.iter().map(|copy| copy.name.backup().to_owned()).collect();
    let (copies, others): (Vec<_>, Vec<_>) = all.into_iter().filter(of_backup).partition(is_chosen);
    let others = groups(&others);
    Ok(CopyDirectory {
        path: path.to_owned(),
        dir,
        catalogue,
        backups,
        copies,
        others,
    })
}

/// The groups that copies are of.
pub fn groups<'a>(copies: impl IntoIterator<Item = &'a CatalogueCopy>) -> Vec<CopyGroup> {
    let mut groups: BTreeMap<(String, String, CopyOwner, PathBuf), CopyGroup> = BTreeMap::new();
    for copy in copies {
        let manifest = &copy.manifest;
        let (ops, backup, source) = (&manifest.ops_name, &manifest.backup_id, manifest.source_path());
        let key = (ops.clone(), backup.clone(), copy.owner.clone(), source.clone());
        let group = groups.entry(key).or_insert_with(|| CopyGroup {
            ops: ops.clone(),
            backup: backup.clone(),
            host: manifest.host.clone(),
            owner: copy.owner.clone(),
            source,
            copies: 0,
            newest: manifest.backup_at,
        });
        group.copies += 1;
        group.newest = group.newest.max(manifest.backup_at);
    }
    groups.into_values().collect()
}

/// The groups that were left aside, each once: several backups may have one destination.
pub fn others(places: &[CopyDirectory]) -> Vec<CopyGroup> {
    let mut seen: Vec<((u64, u64), &CopyGroup)> = Vec::new();
    for place in places {
        let id = place.dir.id().unwrap_or_default();
        for group in &place.others {
            if !seen.contains(&(id, group)) {
                seen.push((id, group));
            }
        }
    }
    seen.into_iter().map(|(_, group)| group.clone()).collect()
}

#[derive(Debug)]
pub struct Verification {
    pub copy: CopyName,
    /// Entries and bytes of content in it.
    pub contents: (u64, u64),
    /// `None` if it is intact.
    pub damage: Option<String>,
}

/// Reads copies back whole and compares them with their lists and manifests. `each` receives every result.
pub fn verify(
    places: &[CopyDirectory],
    threads: usize,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Verification),
) -> Result<(), LaunchError> {
    let deadline = Deadline::new(stop, None);
    for place in places {
        for copy in &place.copies {
            let manifest = &copy.manifest;
            progress.begin(0, &copy.name.to_string(), manifest.record_count, manifest.bytes);
            let watch = StepProgress::new(&deadline, progress, 0);
            let result = archive::verify_committed(&place.dir, &copy.name, threads, &watch);
            progress.end(0);
            if let Some(signal) = stop.signal() {
                return Err(LaunchError::Signal(signal));
            }
            each(Verification {
                copy: copy.name.clone(),
                contents: (manifest.record_count, manifest.bytes),
                damage: result.err().map(|e| crate::error_chain::error_chain(&e)),
            });
        }
    }
    Ok(())
}

/// Notes in the store what a verification found.
pub fn remember(model: &Model, found: &Verification) -> Result<(), LaunchError> {
    let store = Store::open(&model.ops.state_dir)?;
    let (copy, detail) = (found.copy.to_string(), found.damage.as_deref().unwrap_or(""));
    Ok(store.record_verification(&copy, crate::clock::now(), found.damage.is_none(), detail)?)
}
