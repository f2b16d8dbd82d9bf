//! Backups that select nothing (OPS5019), and patterns of backups that select nothing (OPS5018).
//!
//! Invariant: reported only with a proof.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::rules::deletion::path_cache::{PathSetCache, no_prefix, term};
use crate::config::rules::deletion::path_sets::{PathSet, SearchResult};
use crate::config::rules::resolved::ResolvedBackup;
use crate::config::source::Spanned;
use crate::model::pattern::Pattern;
use std::collections::HashSet;

/// OPS5018 for patterns, OPS5019. Gives the backups that can store nothing.
pub(in crate::config) fn check<'a>(
    places: &[ResolvedBackup<'a>],
    sets: &PathSetCache,
    findings: &mut Vec<Finding>,
) -> HashSet<&'a str> {
    let mut empty = HashSet::new();
    let Some(valid) = PathSet::valid() else {
        return empty;
    };
    let none = no_prefix();
    for place in places {
        let node = place.node;
        let (Some(first), Some(last)) = (node.exclude.first(), node.exclude.last()) else {
            continue;
        };
        let Some(exclude) = sets.globs(&node.exclude, true).filter(|_| node.patterns_known) else {
            continue;
        };
        let excluded = first.span.to(last.span);
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
            empty.insert(place.name);
            let mut finding = Finding::new(
                Code::EmptyBackup,
                excluded,
                format!("backup `{}` stores nothing", place.name),
                "excludes everything that is included",
            );
            if let (Some(first), Some(last)) = (node.include.first(), node.include.last()) {
                finding = finding.also(first.span.to(last.span), "all of this is excluded");
            }
            findings.push(finding.help("narrow `exclude`: it takes precedence over `include`"));
            continue;
        }
        if node.include.len() < 2 {
            continue;
        }
        for pattern in &node.include {
            if !nothing(std::slice::from_ref(pattern)) {
                continue;
            }
            let shown = excerpt(pattern.value.as_str());
            findings.push(
                Finding::new(
                    Code::NoEffect,
                    pattern.span,
                    format!("`{shown}` has no effect because all of it is excluded"),
                    "stores nothing",
                )
                .also(excluded, "excluded here")
                .help("`exclude` takes precedence over `include`: narrow it, or delete this pattern"),
            );
        }
    }
    empty
}
