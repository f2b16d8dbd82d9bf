//! What looking at copies should not pass over in silence: destinations that are gone, and what lies beside copies.
//!
//! Takes places and an ops file, prints on stderr. Changes nothing.
//! Invariant: a destination that is gone is said whatever the level of detail.

use super::file::Copies;
use super::terminal::Terminal;
use crate::archive::CopyName;
use crate::launch::copies::{self, CopyDirectory};
use crate::path::shown;
use crate::report::run::lines::Detail;
use crate::report::shared::output;
use crate::report::shared::style::one_line;
use crate::units::plural;
use std::collections::BTreeSet;

/// Things named before the rest is counted.
const NAMED: usize = 5;

/// Says which destinations earlier runs wrote to and are not there now. True when there is one.
pub fn lost(place: &Copies, backup: Option<&str>, terminal: &Terminal) -> bool {
    let Some(model) = place.model() else {
        return false;
    };
    match copies::lost(model, backup) {
        Ok(lost) => {
            for gone in &lost {
                let message = format!("backup:{}: `{}` {}", gone.backup, shown(&gone.path), gone.why);
                output::failure(&message, Some("is its disk mounted?"), terminal.err);
            }
            !lost.is_empty()
        }
        Err(error) => {
            note(
                &format!(
                    "whether a destination is gone cannot be told: {}",
                    crate::error_chain::error_chain(&error)
                ),
                terminal,
            );
            false
        }
    }
}

/// Says what lies at the places and is no copy that can be used.
pub fn beside(places: &[CopyDirectory], backup: Option<&str>, terminal: &Terminal) {
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
            note(&format!("`{at}`: {count} broken: {}", some(&broken)), terminal);
        }
        let orphans: Vec<&str> = found.orphans.iter().map(String::as_str).filter(of_wanted).collect();
        if !orphans.is_empty() {
            let count = plural(orphans.len() as u64, "file belongs", "files belong");
            note(
                &format!(
                    "`{at}`: {count} to no copy, since the manifest is not there: {}",
                    some(&orphans)
                ),
                terminal,
            );
        }
        let foreign = found.foreign.iter().filter(|name| *name != "lost+found").count();
        if foreign > 0 {
            let count = plural(foreign as u64, "other file lies", "other files lie");
            note(&format!("`{at}`: {count} among the copies"), terminal);
        }
    }
}

fn some(names: &[&str]) -> String {
    let first: Vec<String> = names.iter().take(NAMED).map(|name| one_line(name)).collect();
    match names.len().saturating_sub(NAMED) {
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
