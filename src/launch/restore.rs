//! Bringing files back.
//!
//! Takes places with copies, what is wanted (paths, globs, a moment) and a target; gives what was restored, what
//! was left alone and what failed. Without paths: everything of the newest complete copy. With paths: each from
//! the newest copy that holds it.
//! Invariant: files that are restored below a backup's source are on hold in the store before they appear there.

use super::LaunchError;
use super::copies::Place;
use crate::archive::{self, CatalogueCopy, Options, Restored};
use crate::exec::{Deadline, watch::StepWatch};
use crate::model::Model;
use crate::model::pattern::Pattern;
use crate::path::RelPath;
use crate::run::Progress;
use crate::signal::Stop;
use crate::store::Store;
use crate::tree::Dir;
use crate::tree::handle::create_dir_all;
use crate::tree::lock::{self, Patience};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Paths below the source, or globs; empty is everything of the newest complete copy.
    pub paths: Vec<String>,
    /// Only copies made until then.
    pub at: Option<DateTime<Utc>>,
    /// Where to; `None` is where it came from.
    pub to: Option<PathBuf>,
    /// Replace files that are there.
    pub force: bool,
    /// How long restored files are kept from deletion; `None` is not at all.
    pub hold: Option<Duration>,
    /// Threads.
    pub threads: usize,
}

/// What was done from one copy.
#[derive(Debug)]
pub struct Done {
    /// The copy.
    pub copy: String,
    /// Where to.
    pub target: PathBuf,
    /// What happened.
    pub restored: Restored,
    /// When the hold ends, where one was set.
    pub held_until: Option<DateTime<Utc>>,
}

/// Which paths are asked for.
struct Asked {
    exact: Vec<RelPath>,
    globs: Vec<(String, crate::model::pattern::PatternSet)>,
}

impl Asked {
    fn new(texts: &[String], source: &Path) -> Result<Self, LaunchError> {
        let mut asked = Self {
            exact: Vec::new(),
            globs: Vec::new(),
        };
        for text in texts {
            // An absolute path below the source, or one below the current directory's idea of it.
            let below = Path::new(text)
                .strip_prefix(source)
                .map_or(Path::new(text), |rest| rest);
            let bytes = below.as_os_str().as_bytes();
            let bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
            let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
            let Some(path) = RelPath::new(bytes) else {
                return Err(LaunchError::Missing {
                    message: format!("`{text}` is no path below `{}`", crate::path::shown(source)),
                    help: "write it relative to the source, as `opsrun plan --files` shows it".to_owned(),
                });
            };
            if text.contains(['*', '?', '[', '{'])
                && let Ok(pattern) = Pattern::new(&String::from_utf8_lossy(bytes))
            {
                asked
                    .globs
                    .push((text.clone(), crate::model::pattern::PatternSet::new(&[pattern])));
            }
            // A name may hold a `*` of its own.
            asked.exact.push(path);
        }
        Ok(asked)
    }

    fn wants(&self, path: &RelPath) -> bool {
        self.exact.is_empty()
            || self.exact.iter().any(|e| path.is_within(e))
            || self
                .globs
                .iter()
                .any(|(_, set)| set.matches(path.as_bytes()) || path.ancestors().any(|ancestor| set.matches(ancestor)))
    }
}

/// Restores. `model` is there when an ops file is: then files that come under a source are put on hold.
pub fn restore(
    places: &[Place],
    model: Option<&Model>,
    wanted: &Wanted,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Done),
) -> Result<(), LaunchError> {
    let eligible = |copy: &&CatalogueCopy| wanted.at.is_none_or(|at| copy.manifest.backup_at <= at);
    let mut any = false;
    for place in places {
        // One destination may hold several backups; each has a source of its own.
        let backups: BTreeSet<&str> = place.copies.iter().map(|c| c.name.backup()).collect();
        for backup in backups {
            let copies: Vec<&CatalogueCopy> = place
                .copies
                .iter()
                .filter(|c| c.name.backup() == backup)
                .filter(eligible)
                .collect();
            any |= from_backup(place, &copies, model, wanted, stop, progress, each)?;
        }
    }
    if any {
        return Ok(());
    }
    Err(LaunchError::Missing {
        message: if wanted.paths.is_empty() {
            "there is no complete copy to restore".to_owned()
        } else {
            format!(
                "no copy holds {}",
                wanted
                    .paths
                    .iter()
                    .map(|p| format!("`{p}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        },
        help: "`opsrun list` shows the copies".to_owned(),
    })
}

fn from_backup(
    place: &Place,
    copies: &[&CatalogueCopy],
    model: Option<&Model>,
    wanted: &Wanted,
    stop: &Stop,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Done),
) -> Result<bool, LaunchError> {
    let Some(newest) = copies.first() else {
        return Ok(false);
    };
    let source = newest.manifest.source_path();
    let asked = Asked::new(&wanted.paths, &source)?;
    let everything = wanted.paths.is_empty();
    let from: Vec<&CatalogueCopy> = if everything {
        copies
            .iter()
            .copied()
            .find(|c| c.manifest.complete && c.manifest.suspect.is_none())
            .into_iter()
            .collect()
    } else {
        copies.to_vec()
    };

    let mut target: Option<(Dir, lock::Lock)> = None;
    let target_path = wanted.to.clone().unwrap_or_else(|| source.clone());
    let mut seen: BTreeSet<RelPath> = BTreeSet::new();
    let mut any = false;
    for copy in from {
        if let Some(signal) = stop.signal() {
            return Err(LaunchError::Signal(signal));
        }
        // What of this copy: known before anything is written, for the holds.
        let (mut paths, mut bytes) = (BTreeSet::new(), 0);
        for row in archive::rows(&place.dir, copy)? {
            let row = row?;
            if asked.wants(row.path()) && !seen.contains(row.path()) {
                bytes += row.size();
                paths.insert(row.path().clone());
            }
        }
        if paths.is_empty() {
            continue;
        }
        any = true;
        if target.is_none() {
            let dir = create_dir_all(&target_path)?;
            let patience = Patience {
                wait: Duration::ZERO,
                stop: &|| stop.asked(),
            };
            // A cleanup there must not meet half-restored files.
            let lock = lock::lock_dir(&dir, patience)?;
            target = Some((dir, lock));
        }
        let Some((dir, _)) = &target else {
            continue;
        };
        let held_until = hold(model, wanted, dir, &paths)?;
        progress.begin(&copy.name.to_string(), paths.len() as u64, bytes);
        let deadline = Deadline::new(stop, None);
        let watch = StepWatch::new(&deadline, progress);
        let options = Options {
            force: wanted.force,
            threads: wanted.threads,
            chown: rustix::process::geteuid().is_root(),
        };
        let result = archive::restore(
            &place.dir,
            copy,
            &|row| paths.contains(row.path()),
            dir,
            &options,
            &watch,
        );
        progress.end();
        let restored = result?;
        seen.append(&mut paths);
        each(Done {
            copy: copy.name.to_string(),
            target: target_path.clone(),
            restored,
            held_until,
        });
    }
    Ok(any)
}

/// Sets holds where the target lies in a source of the model.
fn hold(
    model: Option<&Model>,
    wanted: &Wanted,
    target: &Dir,
    paths: &BTreeSet<RelPath>,
) -> Result<Option<DateTime<Utc>>, LaunchError> {
    let (Some(model), Some(time)) = (model, wanted.hold) else {
        return Ok(None);
    };
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
