//! Backups that select nothing (OPS5019), and patterns of backups that select nothing (OPS5018).
//!
//! Invariant: reported only with a proof.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::BackupNode;
use crate::config::rules::deletion::path_cache::{PathSetCache, no_prefix, term};
use crate::config::rules::deletion::path_sets::{PathSet, SearchResult};
use crate::config::source::Spanned;
use crate::model::pattern::Pattern;
use std::collections::HashSet;

/// OPS5018 for patterns, OPS5019. Gives the backups that can store nothing.
pub fn check<'a>(backups: &'a [BackupNode], sets: &PathSetCache, findings: &mut Vec<Finding>) -> HashSet<&'a str> {
    let mut empty = HashSet::new();
    let Some(valid) = PathSet::valid() else {
        return empty;
    };
    let none = no_prefix();
    for node in backups {
        let Some(excluded) = Spanned::whole(&node.exclude) else {
            continue;
        };
        let Some(exclude) = sets.globs(&node.exclude, true).filter(|_| node.patterns_known) else {
            continue;
        };
        // Whether nothing of these patterns is left.
        let nothing = |patterns: &[Spanned<Pattern>]| {
            let mut terms = vec![term(&valid, &none, true), term(&exclude, &none, false)];
            if !patterns.is_empty() {
                let Some(set) = sets.globs(patterns, true) else {
                    return false;
                };
                terms.push(term(&set, &none, true));
            }
            sets.search(&terms) == SearchResult::Empty
        };
        if nothing(&node.include) {
            empty.insert(node.name());
            let message = format!("backup `{}` stores nothing", node.name());
            findings.push(
                Finding::new(
                    Code::EmptyBackup,
                    excluded,
                    message,
                    "excludes everything that is included",
                )
                .also(Spanned::whole(&node.include), "all of this is excluded")
                .help("narrow `exclude`: it takes precedence over `include`"),
            );
        } else if node.include.len() > 1 {
            let useless = node
                .include
                .iter()
                .filter(|pattern| nothing(std::slice::from_ref(pattern)));
            findings.extend(useless.map(|pattern| {
                let shown = excerpt(pattern.value.as_str());
                let message = format!("`{shown}` has no effect because all of it is excluded");
                Finding::new(Code::NoEffect, pattern.span, message, "stores nothing")
                    .also(excluded, "excluded here")
                    .help("`exclude` takes precedence over `include`: narrow it, or delete this pattern")
            }));
        }
    }
    empty
}
