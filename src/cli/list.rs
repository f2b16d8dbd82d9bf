//! `opsrun list`: the copies at the destinations.
//!
//! Invariant: an unreadable copy is listed with the reason.

use super::args::ListArgs;
use super::destination_notes;
use super::exit::{self, Exit, Failure};
use super::file::{model_of_copies, zone};
use super::terminal::{Terminal, print};
use crate::archive::CatalogueCopy;
use crate::launch::copies::{self, CopyDirectory, CopyGroup};
use crate::path::shown;
use crate::report::copies::list::{CopyDocument, CopyGroupDocument, CopyState, FORMAT, ListDocument, copies_text};
use crate::units::plural;

pub fn run(args: &ListArgs, terminal: &Terminal) -> Result<u8, Failure> {
    let (from, wanted) = (args.copies.from.as_deref(), args.copies.backup.as_deref());
    let model = model_of_copies(&args.file, from, &args.state, terminal)?;
    let model = model.as_ref();
    let places = copies::places(from, model, args.copies.choice(None), &exit::stop()?)?;
    let document = ListDocument {
        format: FORMAT,
        copies: rows(&places, wanted),
        others: other_groups(&places),
    };
    print(&document, args.json, |document| {
        copies_text(document, &zone(model), terminal.out)
    })?;
    destination_notes::other_files(&places, wanted, terminal);
    let missing = destination_notes::missing(model, wanted, terminal);
    Ok(if missing { Exit::Failed } else { Exit::Done }.into())
}

fn rows(places: &[CopyDirectory], wanted: Option<&str>) -> Vec<CopyDocument> {
    let mut rows = Vec::new();
    for place in places {
        rows.extend(place.copies.iter().map(row));
        rows.extend(place.broken(wanted).map(|(name, why)| CopyDocument {
            copy: name.to_string(),
            backup: name.backup().to_owned(),
            writer: None,
            host: None,
            source: None,
            at: None,
            files: 0,
            archive_bytes: 0,
            state: CopyState::Broken(why.clone()),
            deleted: 0,
        }));
    }
    rows
}

fn other_groups(places: &[CopyDirectory]) -> Vec<CopyGroupDocument> {
    let groups = copies::others(places).into_iter();
    let document = |group: CopyGroup| CopyGroupDocument {
        writer: group.owner.to_string(),
        host: group.host,
        ops: group.ops,
        backup: group.backup,
        source: shown(&group.source).to_string(),
        copies: group.copies,
        newest: group.newest,
    };
    groups.map(document).collect()
}

fn row(copy: &CatalogueCopy) -> CopyDocument {
    let manifest = &copy.manifest;
    let unread = manifest.unread_attributes.iter().map(ToString::to_string);
    let unread: Vec<String> = unread.collect();
    let state = match (&manifest.suspect, manifest.complete) {
        (Some(why), _) => CopyState::Suspect(why.clone()),
        // A file that is restored without its attributes is not what it was.
        (None, true) if !unread.is_empty() => CopyState::Incomplete(unread.join("; ")),
        (None, true) => CopyState::Complete,
        (None, false) => {
            let first = manifest.incomplete.first().map(|missing| {
                let path = missing.path.as_ref().map(ToString::to_string);
                let path = path.unwrap_or_else(|| "the source".to_owned());
                format!(", first {path}: {}", missing.why)
            });
            let count = plural(manifest.incomplete_total, "entry is missing", "entries are missing");
            let missing = count + &first.unwrap_or_default();
            CopyState::Incomplete([vec![missing], unread].concat().join("; "))
        }
    };
    CopyDocument {
        copy: copy.name.to_string(),
        backup: manifest.backup_id.clone(),
        writer: Some(copy.owner.to_string()),
        host: Some(manifest.host.clone()),
        source: Some(shown(&manifest.source_path()).to_string()),
        at: Some(manifest.backup_at),
        files: manifest.files,
        archive_bytes: manifest.archive_bytes,
        state,
        deleted: copy.deleted,
    }
}
