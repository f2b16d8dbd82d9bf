//! `opsrun restore`: restores files from copies.
//!
//! Invariant: without `--force` no existing file is replaced.

use super::args::RestoreArgs;
use super::destination_notes;
use super::exit::{self, Exit, Failure};
use super::file::{copies_at, model, zone};
use super::question;
use super::terminal::Terminal;
use crate::launch::restore::{self, MovedSource, RestoreRequest, RestoreResult};
use crate::launch::{self, copies};
use crate::path::shown;
use crate::report::copies::results::CopyResults;
use crate::report::run::progress::ProgressBars;
use crate::report::shared::output;

pub fn run(args: &RestoreArgs, terminal: &Terminal) -> Result<u8, Failure> {
    // With both, the ops file gives the state and the source.
    let (from, backup) = (args.copies.from.as_deref(), args.copies.backup.as_deref());
    let model = match (from, &args.file.flag) {
        (Some(from), None) => copies_at(from).map(|()| None),
        _ => model(&args.file.path()?, Some(&args.state), terminal).map(Some),
    }?;
    let model = model.as_ref();
    let at = args.at.map(|at| at.resolve_end(&zone(model)));
    let stop = exit::stop()?;
    let places = copies::places(from, model, args.copies.choice(args.copy.as_deref()), &stop)?;
    destination_notes::missing(model, backup, terminal);
    if args.copy.is_none() && args.copies.writer.is_none() {
        restore::refuse_others_only(&places)?;
        destination_notes::other_groups(&places, terminal);
    }
    let request = RestoreRequest {
        paths: args.paths.clone(),
        at,
        to: args.to.clone(),
        force: args.force,
        numeric_owner: args.numeric_owner,
        hold: args.hold.0,
        threads: launch::threads(args.threads.count()),
    };
    let bars = ProgressBars::new(terminal.progress());
    let mut results = CopyResults::new(terminal.err, terminal.detail, zone(model));
    let mut failed = false;
    let mut each = |done: RestoreResult| {
        failed |= !done.restored.failed.is_empty();
        bars.print(&results.restored(&done.copy, &done.target, &done.restored, done.held_until));
    };
    let mut unasked = None;
    let mut confirm = |moved: &MovedSource| {
        let question = format!("Restore to {}? [y/N] ", shown(&moved.now));
        let instead = "give the target directory with --to";
        match question::ask(|| format!("{moved}\n"), question, instead, terminal, &|| stop.asked()) {
            Ok(answer) => answer == Some(true),
            Err(failure) => {
                unasked = Some(failure);
                false
            }
        }
    };
    let missing = restore::restore(&places, model, &request, &mut confirm, &stop, &bars, &mut each);
    let missing = unasked.map_or_else(|| missing.map_err(Failure::from), Err)?;
    output::to_stderr(&results.all_restored());
    if !missing.is_empty() {
        return Err(restore::no_copy_contains(&missing, at).into());
    }
    Ok(match (failed, results.any_skipped() || results.any_lost()) {
        (true, _) => Exit::Failed.into(),
        (false, true) => Exit::Partial.into(),
        (false, false) => Exit::Done.into(),
    })
}
