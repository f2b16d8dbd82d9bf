//! `opsrun verify`: reads copies back and compares them with what was recorded.
//!
//! Takes an ops file or a destination and which copies; prints as it goes. Changes nothing but the store.
//! Invariant: damage ends with 1, whatever else was fine.

use super::args::VerifyArgs;
use super::exit::{self, Exit, Failure};
use super::file::Copies;
use super::remarks;
use super::terminal::Terminal;
use crate::archive::CopyName;
use crate::launch::copies::{self, CopyDirectory, Verification};
use crate::report::copies::results::CheckedCopy;
use crate::report::copies::results::Outcomes;
use crate::report::run::progress::Bars;
use crate::report::shared::output;

pub fn run(args: &VerifyArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let place = Copies::find(&args.file, args.copies.from.as_deref(), Some(&args.place), terminal)?;
    let stop = exit::stop()?;
    let gone = remarks::lost(&place, args.copies.backup.as_deref(), terminal);
    let places = copies::places(place.from(), args.copies.backup.as_deref(), args.copy.as_deref())?;
    let bars = Bars::new(terminal.progress());
    let mut outcomes = Outcomes::new(terminal.out, terminal.detail, place.zone());
    let mut failed: Option<Failure> = None;
    let mut each = |found: Verification| {
        let line = outcomes.checked(&CheckedCopy {
            copy: found.copy.to_string(),
            records: found.holds.0,
            bytes: found.holds.1,
            damage: found.damage.clone(),
        });
        let said = bars.hidden(|| output::to_stdout(&line)).map_err(Failure::from);
        let noted = place.model().map_or(Ok(()), |model| copies::remember(model, &found));
        if let Err(failure) = said.and(noted.map_err(Failure::from)) {
            failed.get_or_insert(failure);
        }
    };
    copies::verify(&places, place.threads(args.threads), &stop, &bars, &mut each)?;
    for (copy, damage) in unusable(&places, args) {
        let found = CheckedCopy {
            copy,
            records: 0,
            bytes: 0,
            damage: Some(damage),
        };
        output::to_stdout(&outcomes.checked(&found))?;
    }
    output::to_stdout(&outcomes.all_checked())?;
    if args.copy.is_none() {
        remarks::beside(&places, args.copies.backup.as_deref(), terminal);
    }
    match failed {
        _ if outcomes.any_damage() || (gone && failed.is_none()) => Ok(Exit::Failed.into()),
        Some(failure) => Err(failure),
        None => Ok(Exit::Done.into()),
    }
}

/// Copies that are so broken that they cannot even be opened; left out when others are asked for by name.
fn unusable(places: &[CopyDirectory], args: &VerifyArgs) -> Vec<(String, String)> {
    let copy = args.copy.as_deref().map(copies::copy_name);
    let wanted = |name: &str| {
        let backup = args.copies.backup.as_deref();
        copy.as_deref().is_none_or(|copy| copy == name)
            && backup.is_none_or(|backup| CopyName::parse(name).is_some_and(|parsed| parsed.backup() == backup))
    };
    let broken = places.iter().flat_map(|place| &place.catalogue.broken);
    broken.filter(|(name, _)| wanted(name)).cloned().collect()
}
