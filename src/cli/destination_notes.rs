//! Notes about destinations: missing ones, broken copies, and files that are not copies.
//!
//! Invariant: a missing destination is reported at every level of detail.

use super::exit::{Exit, Failure};
use super::file::CopyLocation;
use super::terminal::Terminal;
use crate::archive::CopyName;
use crate::error_chain::error_chain;
use crate::launch::copies::{self, CopyDirectory};
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::report::shared::style::one_line;
use crate::units::plural;
use std::collections::BTreeSet;

/// Names listed in one note.
const MAX_NAMES: usize = 5;

/// Reports destinations that earlier runs wrote to and that are missing now. True if there is one.
pub fn missing(source: &CopyLocation, backup: Option<&str>, terminal: &Terminal) -> bool {
    let Some(model) = source.model() else {
        return false;
    };
    match copies::lost(model, backup) {
        Ok(lost) => {
            for gone in &lost {
                let message = format!("backup:{}: `{}` {}", gone.backup, shown(&gone.path), gone.why);
                Failure::new(Exit::Failed, message, Some("check that its disk is mounted")).print(terminal.err);
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
        let of_wanted = |name: &&str| {
            let name = CopyName::parse(name).or_else(|| CopyName::of_file(name));
            backup.is_none_or(|backup| name.is_some_and(|name| name.backup() == backup))
        };
        let found = &place.catalogue;
        let at = shown(&place.path);
        let broken: Vec<&str> = found
            .broken
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(of_wanted)
            .collect();
        if !broken.is_empty() {
            let count = plural(broken.len() as u64, "copy is", "copies are");
            note(&format!("`{at}`: {count} broken: {}", list(&broken)), terminal);
        }
        let orphans: Vec<&str> = found.orphans.iter().map(String::as_str).filter(of_wanted).collect();
        if !orphans.is_empty() {
            let count = plural(orphans.len() as u64, "file", "files");
            let text = format!("`{at}`: {count} without a manifest: {}", list(&orphans));
            note(&text, terminal);
        }
        let foreign = found.foreign.iter().filter(|name| *name != "lost+found").count();
        if foreign > 0 {
            let count = plural(foreign as u64, "other file", "other files");
            note(&format!("`{at}`: {count} among the copies"), terminal);
        }
    }
}

fn list(names: &[&str]) -> String {
    let first: Vec<String> = names.iter().take(MAX_NAMES).map(|name| one_line(name)).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn note(text: &str, terminal: &Terminal) {
    if terminal.detail > Detail::Quiet {
        let word = terminal.err.warn("note:");
        output::to_stderr(&[&word, " ", &one_line(text), "\n"].concat());
    }
}
