//! `opsrun list`: which copies are there.
//!
//! Takes an ops file or a destination, gives a table or JSON on stdout. Touches nothing.
//! Invariant: a copy that cannot be read is listed with the reason.

use super::args::ListArgs;
use super::exit::{Exit, Failure};
use super::file::Copies;
use super::plan::json;
use super::remarks;
use super::terminal::Terminal;
use crate::archive::{CatalogueCopy, CopyName};
use crate::launch::copies::{self, CopyDirectory};
use crate::report::copies::list::{CopyLine, CopyState, copies_text, document};
use crate::report::shared::output;
use crate::units::plural;

pub fn run(args: &ListArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let place = Copies::find(&args.file, args.copies.from.as_deref(), Some(&args.place), terminal)?;
    let wanted = args.copies.backup.as_deref();
    let places = copies::places(place.from(), wanted, None)?;
    let copies = lines(&places, wanted);
    let text = if args.json {
        json(&document(&copies))?
    } else {
        copies_text(&copies, place.zone(), terminal.out)
    };
    output::to_stdout(&text)?;
    remarks::beside(&places, wanted, terminal);
    let gone = remarks::lost(&place, wanted, terminal);
    Ok(if gone { Exit::Failed } else { Exit::Done }.into())
}

/// One line for each copy, and for each that cannot be used.
fn lines(places: &[CopyDirectory], wanted: Option<&str>) -> Vec<CopyLine> {
    let mut lines = Vec::new();
    for place in places {
        lines.extend(place.copies.iter().map(line));
        let of_wanted = |name: &str| {
            let parsed = CopyName::parse(name);
            wanted.is_none_or(|wanted| parsed.is_some_and(|parsed| parsed.backup() == wanted))
        };
        let broken = place.catalogue.broken.iter().filter(|(name, _)| of_wanted(name));
        lines.extend(broken.map(|(name, why)| CopyLine {
            copy: name.clone(),
            backup: CopyName::parse(name).map_or_else(String::new, |parsed| parsed.backup().to_owned()),
            at: None,
            files: 0,
            archive_bytes: 0,
            state: CopyState::Broken(why.clone()),
            deleted: 0,
        }));
    }
    lines
}

fn line(copy: &CatalogueCopy) -> CopyLine {
    let manifest = &copy.manifest;
    let state = match (&manifest.suspect, manifest.complete) {
        (Some(why), _) => CopyState::Suspect(why.clone()),
        (None, true) => CopyState::Complete,
        (None, false) => {
            let first = manifest.incomplete.first().map(|missing| {
                let path = missing
                    .path
                    .as_ref()
                    .map_or_else(|| "the source".to_owned(), ToString::to_string);
                format!(", first {path}: {}", missing.why)
            });
            let count = plural(manifest.incomplete_total, "entry is missing", "entries are missing");
            CopyState::Incomplete(count + &first.unwrap_or_default())
        }
    };
    CopyLine {
        copy: copy.name.to_string(),
        backup: manifest.backup_id.clone(),
        at: Some(manifest.backup_at),
        files: manifest.files,
        archive_bytes: manifest.archive_bytes,
        state,
        deleted: copy.deleted,
    }
}
