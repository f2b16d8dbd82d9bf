//! The copies in destinations, and verifying them again.
//!
//! Takes the destinations of a model, or one directory alone, without ops file and state. Changes nothing.

use super::LaunchError;
use crate::archive::{self, Catalogue, CatalogueCopy, CopyName, Marker};
use crate::exec::{Deadline, step_progress::StepProgress};
use crate::file_system::Abilities;
use crate::model::{Backup, Model};
use crate::path::shown;
use crate::run::Progress;
use crate::signal::Stop;
use crate::store::Store;
use crate::tree::Dir;
use crate::units::joined;
use std::collections::BTreeSet;
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
}

impl CopyDirectory {
    /// Copies of a backup (all when `None`) that cannot be used, with the reason.
    pub fn broken(&self, backup: Option<&str>) -> impl Iterator<Item = &(CopyName, String)> {
        let broken = self.catalogue.broken.iter();
        broken.filter(move |(name, _)| backup.is_none_or(|backup| name.backup() == backup))
    }
}

/// The copies in the directory `from`, or in the destinations of a model; only of the wanted backup (all when `None`) and
/// with the wanted name, which may be the name of one of a copy's files.
pub fn places(
    from: Option<&Path>,
    model: Option<&Model>,
    backup: Option<&str>,
    copy: Option<&str>,
    stop: &Stop,
) -> Result<Vec<CopyDirectory>, LaunchError> {
    let mut places = Vec::new();
    match (from, model) {
        (None, None) => {}
        (Some(path), _) => {
            let place = place(path, stop, |c| backup.is_none_or(|b| c.name.backup() == b))?;
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
                places.push(place(&job.to, stop, |c| {
                    c.manifest.backup_id == job.name && c.manifest.ops_name == model.ops.name
                })?);
            }
        }
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

fn place(path: &Path, stop: &Stop, wanted: impl Fn(&CatalogueCopy) -> bool) -> Result<CopyDirectory, LaunchError> {
    let mut dir = Dir::open(path)?;
    // Copies are read here: a sync that is not offered proves nothing less.
    dir.learn(Abilities::default());
    let catalogue = Catalogue::read_while(&dir, &|| !stop.asked());
    if let Some(signal) = stop.signal() {
        return Err(LaunchError::Signal(signal));
    }
    let mut catalogue = catalogue?;
    let all = std::mem::take(&mut catalogue.copies);
    let backups = all.iter().map(|copy| copy.name.backup().to_owned()).collect();
    let copies = all.into_iter().filter(wanted).collect();
    Ok(CopyDirectory {
        path: path.to_owned(),
        dir,
        catalogue,
        backups,
        copies,
    })
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
