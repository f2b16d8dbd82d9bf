//! `opsrun restore`: brings files back from copies.
//!
//! Takes paths or globs, an ops file or a destination, a moment and a target; prints as it goes.
//! Knows nothing of how a copy is read.
//! Invariant: without `--force` nothing that exists is replaced.

use super::args::{DEFAULT_FILE, RestoreArgs};
use super::exit::{self, Exit, Failure};
use super::file::Copies;
use super::remarks;
use super::terminal::Terminal;
use crate::launch::copies::{self, CopySource};
use crate::launch::restore::{self, RestoreRequest, RestoreResult};
use crate::report::copies::results::Outcomes;
use crate::report::copies::results::RestoredCopy;
use crate::report::run::progress::Bars;
use crate::report::shared::output;
use std::path::Path;

pub fn run(args: &RestoreArgs, terminal: &Terminal) -> Result<u8, Failure> {
    // With both, the ops file says where the state is and which source is meant.
    let from = args.copies.from.as_deref().filter(|_| args.file.is_none());
    let file = args.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    let place = Copies::find(file, from, Some(&args.place), terminal)?;
    let at = args.at.map(|at| at.resolve(place.zone()));
    let stop = exit::stop()?;
    let from = args.copies.from.as_deref().map_or(place.from(), CopySource::Directory);
    let places = copies::places(from, args.copies.backup.as_deref(), args.copy.as_deref())?;
    remarks::lost(&place, args.copies.backup.as_deref(), terminal);
    let wanted = RestoreRequest {
        paths: args.paths.clone(),
        at,
        to: args.to.clone(),
        force: args.force,
        hold: args.hold.0,
        threads: place.threads(args.threads),
    };
    let bars = Bars::new(terminal.progress());
    let mut outcomes = Outcomes::new(terminal.err, terminal.detail, place.zone());
    let mut failed = false;
    let mut each = |done: RestoreResult| {
        failed |= !done.restored.failed.is_empty();
        bars.print(&outcomes.restored(&copy_line(done)));
    };
    let unheld = restore::restore(&places, place.model(), &wanted, &stop, &bars, &mut each)?;
    output::to_stderr(&outcomes.all_restored());
    if !unheld.is_empty() {
        return Err(restore::none_holds(&unheld).into());
    }
    Ok(match (failed, outcomes.any_left()) {
        (true, _) => Exit::Failed.into(),
        (false, true) => Exit::Partial.into(),
        (false, false) => Exit::Done.into(),
    })
}

fn copy_line(done: RestoreResult) -> RestoredCopy {
    let restored = done.restored;
    let existing = restored.existing.iter().map(|path| {
        let why = "something else is there: --force replaces it".to_owned();
        (path.to_string(), why)
    });
    let failed = restored
        .failed
        .iter()
        .map(|(path, why)| (path.to_string(), why.clone()));
    RestoredCopy {
        copy: done.copy,
        target: done.target,
        files: restored.files,
        bytes: restored.bytes,
        links: restored.links,
        dirs: restored.dirs,
        already: restored.already,
        left: failed.chain(existing).collect(),
        notes: restored.notes,
        held_until: done.held_until,
    }
}
