//! Notes about destinations: missing ones, broken copies, and files that are not copies.
//!
//! Invariant: a missing destination is reported at every level of detail.

use super::exit::{Exit, Failure};
use super::terminal::Terminal;
use crate::archive::CopyName;
use crate::error_chain::error_chain;
use crate::launch::copies::{self, CopyDirectory};
use crate::model::Model;
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::report::shared::style::one_line;
use crate::units::plural;
use std::collections::BTreeSet;

/// Names listed in one note.
const MAX_NAMES: usize = 5;

/// Reports destinations that earlier runs wrote to and that are missing now. True if there is one.
pub fn missing(model: Option<&Model>, backup: Option<&str>, terminal: &Terminal) -> bool {
    match model.map_or(Ok(Vec::new()), |model| copies::lost(model, backup)) {
        Ok(lost) => {
            for message in &lost {
                Failure::new(Exit::Failed, message.as_str(), Some("check that its disk is mounted"))
                    .print(terminal.err);
            }
            !lost.is_empty()
        }
        Err(error) => {
            let error = error_chain(&error);
            note(&format!("cannot check for missing destinations: {error}"), terminal);
            false
        }
    }
}

/// Reports broken copies, and files that do not belong to a copy.
pub fn other_files(places: &[CopyDirectory], backup: Option<&str>, terminal: &Terminal) {
    let mut seen = BTreeSet::new();
    for place in places {
        if place.dir.id().is_ok_and(|id| !seen.insert(id)) {
            continue;
        }
        let found = &place.catalogue;
        let at = shown(&place.path);
        let broken: Vec<String> = place.broken(backup).map(|(name, _)| name.to_string()).collect();
        if !broken.is_empty() {
            let count = plural(broken.len() as u64, "copy is", "copies are");
            note(&format!("`{at}`: {count} broken: {}", list(&broken)), terminal);
        }
        let of_wanted = |name: &&String| {
            let copy = CopyName::of_file(name);
            backup.is_none_or(|backup| copy.is_some_and(|copy| copy.backup() == backup))
        };
        let orphans: Vec<String> = found.orphans.iter().filter(of_wanted).cloned().collect();
        if !orphans.is_empty() {
            let count = plural(orphans.len() as u64, "file", "files");
            note(
                &format!("`{at}`: {count} without a manifest: {}", list(&orphans)),
                terminal,
            );
        }
        let foreign = found.foreign.iter().filter(|name| *name != "lost+found").count();
        if foreign > 0 {
            let count = plural(foreign as u64, "other file", "other files");
            note(&format!("`{at}`: {count} among the copies"), terminal);
        }
    }
}

/// Reports copies of other machines, which were left aside.
pub fn other_groups(places: &[CopyDirectory], terminal: &Terminal) {
    for group in copies::others(places).iter().take(MAX_NAMES) {
        note(
            &format!("{group}: not used; `--writer {}` names them", group.owner),
            terminal,
        );
    }
}

fn list(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(MAX_NAMES).map(|name| one_line(name)).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn note(text: &str, terminal: &Terminal) {
    if terminal.detail > Detail::Quiet {
        let word = terminal.err.warn("note:");
        output::to_stderr(&format!("{word} {}\n", one_line(text)));
    }
}
