//! `opsrun verify`: reads copies back and compares them with their records.
//!
//! Invariant: exits with 1 if a copy is damaged.

use super::args::VerifyArgs;
use super::destination_notes;
use super::exit::{self, Exit, Failure};
use super::file::{model_of_copies, zone};
use super::terminal::Terminal;
use crate::launch;
use crate::launch::copies::{self, Verification};
use crate::report::copies::results::CopyResults;
use crate::report::run::progress::ProgressBars;
use crate::report::shared::output;

pub fn run(args: &VerifyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (from, backup) = (args.copies.from.as_deref(), args.copies.backup.as_deref());
    let model = model_of_copies(&args.file, from, &args.state, terminal)?;
    let model = model.as_ref();
    let stop = exit::stop()?;
    let missing = destination_notes::missing(model, backup, terminal);
    let places = copies::places(from, model, args.copies.choice(args.copy.as_deref()), &stop)?;
    let bars = ProgressBars::new(terminal.progress());
    let mut results = CopyResults::new(terminal.out, terminal.detail, zone(model));
    let mut failed: Option<Failure> = None;
    let mut each = |found: Verification| {
        let line = results.verified(&found.copy.to_string(), found.contents, found.damage.as_deref());
        let printed = bars.hidden(|| output::to_stdout(&line)).map_err(Failure::from);
        let recorded = model.map_or(Ok(()), |model| copies::remember(model, &found));
        if let Err(failure) = printed.and(recorded.map_err(Failure::from)) {
            failed.get_or_insert(failure);
        }
    };
    copies::verify(&places, launch::threads(args.threads.count()), &stop, &bars, &mut each)?;
    let wanted = args.copy.as_deref().map(copies::copy_name);
    for (name, damage) in places.iter().flat_map(|place| place.broken(backup)) {
        let name = name.to_string();
        if wanted.as_ref().is_none_or(|wanted| *wanted == name) {
            output::to_stdout(&results.verified(&name, (0, 0), Some(damage)))?;
        }
    }
    output::to_stdout(&results.all_verified())?;
    if args.copy.is_none() {
        destination_notes::other_files(&places, backup, terminal);
        destination_notes::other_groups(&places, terminal);
    }
    match failed {
        _ if results.any_damage() || (missing && failed.is_none()) => Ok(Exit::Failed.into()),
        Some(failure) => Err(failure),
        None => Ok(Exit::Done.into()),
    }
}
