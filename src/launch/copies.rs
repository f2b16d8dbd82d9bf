//! What lies in destinations, and proving it again.
//!
//! Takes the destinations of a model, or one directory alone; gives their copies, newest first, and what a
//! verification found. Needs no ops file and no state for the latter. Changes nothing.

use super::LaunchError;
use crate::archive::{self, Catalogue, CatalogueCopy, CopyName};
use crate::exec::{Deadline, watch::StepWatch};
use crate::model::Model;
use crate::run::Progress;
use crate::signal::Stop;
use crate::tree::Dir;
use chrono::Utc;
use std::path::{Path, PathBuf};

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub enum From<'a> {
    /// The destinations of a model's backups.
    Model(&'a Model),
    /// A destination alone.
    Directory(&'a Path),
}

/// A destination with its copies.
#[derive(Debug)]
pub struct Place {
    /// The directory.
    pub path: PathBuf,
    /// The open directory.
    pub dir: Dir,
    /// All that is there.
    pub catalogue: Catalogue,
    /// The wanted copies, newest first by backup.
    pub copies: Vec<CatalogueCopy>,
}

/// The places with the copies of the wanted backup (all when `None`) and of the wanted name.
pub fn places(from: From<'_>, backup: Option<&str>, copy: Option<&str>) -> Result<Vec<Place>, LaunchError> {
    let mut places = Vec::new();
    match from {
        From::Directory(path) => places.push(place(path, |c| backup.is_none_or(|b| c.name.backup() == b))?),
        From::Model(model) => {
            if let Some(name) = backup.filter(|name| model.backup(name).is_none()) {
                let names: Vec<&str> = model.backups.iter().map(|b| b.name.as_str()).collect();
                return Err(LaunchError::Missing {
                    message: format!("there is no backup `{name}`"),
                    help: format!("backups are: {}", names.join(", ")),
                });
            }
            for job in model
                .backups
                .iter()
                .filter(|b| backup.is_none_or(|name| b.name == name))
            {
                if !job.to.exists() {
                    continue;
                }
                places.push(place(&job.to, |c| {
                    c.manifest.backup_id == job.name && c.manifest.ops_name == model.ops.name
                })?);
            }
        }
    }
    if let Some(wanted) = copy {
        for place in &mut places {
            place.copies.retain(|c| c.name.to_string() == wanted);
        }
        if places.iter().all(|p| p.copies.is_empty()) {
            return Err(LaunchError::Missing {
                message: format!("there is no copy `{wanted}`"),
                help: "`opsrun list` shows the copies".to_owned(),
            });
        }
    }
    Ok(places)
}

fn place(path: &Path, wanted: impl Fn(&CatalogueCopy) -> bool) -> Result<Place, LaunchError> {
    let dir = Dir::open(path)?;
    let mut catalogue = Catalogue::read(&dir)?;
    let all = std::mem::take(&mut catalogue.copies);
    let copies = all.into_iter().filter(wanted).collect();
    Ok(Place {
        path: path.to_owned(),
        dir,
        catalogue,
        copies,
    })
}

/// What a verification found.
#[derive(Debug)]
pub struct Verification {
    /// The copy.
    pub copy: CopyName,
    /// Entries and bytes of content in it.
    pub holds: (u64, u64),
    /// `None` when it is sound.
    pub damage: Option<String>,
}

/// Reads copies back whole and compares them with their lists and manifests. `each` hears of every result.
pub fn verify(
    places: &[Place],
    threads: usize,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Verification),
) -> Result<(), LaunchError> {
    let deadline = Deadline::new(stop, None);
    for place in places {
        for copy in &place.copies {
            let manifest = &copy.manifest;
            progress.begin(&copy.name.to_string(), manifest.record_count, manifest.bytes);
            let watch = StepWatch::new(&deadline, progress);
            let result = archive::verify_committed(&place.dir, &copy.name, threads, &watch);
            progress.end();
            if let Some(signal) = stop.signal() {
                return Err(LaunchError::Signal(signal));
            }
            each(Verification {
                copy: copy.name.clone(),
                holds: (manifest.record_count, manifest.bytes),
                damage: result.err().map(|e| crate::exec::survey::chain(&e)),
            });
        }
    }
    Ok(())
}

/// Notes in the store what a verification found, when there is a store.
pub fn remember(model: &Model, found: &Verification) -> Result<(), LaunchError> {
    let store = crate::store::Store::open(&model.ops.state_dir)?;
    let detail = found.damage.as_deref().unwrap_or("");
    store.record_verification(
        &found.copy.to_string(),
        crate::clock::now().with_timezone(&Utc),
        found.damage.is_none(),
        detail,
    )?;
    Ok(())
}
