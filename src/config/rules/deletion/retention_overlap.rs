//! Retentions that may delete the same files (OPS5005).
//!
//! Invariant: an error is reported only with a proof; what cannot be decided is a warning.

use super::deletable::Deletable;
use super::path_cache::{PathSetCache, joined, no_prefix, prefix, term};
use super::path_sets::SearchResult;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::source::Span;
use crate::config::source::paths::shown;
use std::path::Path;

/// Most pairs of retentions that are compared: their number grows with the square.
const MAX_PAIRS: usize = 20_000;

/// OPS5005.
pub fn pairs(reaches: &[Deletable<'_>], sets: &PathSetCache, findings: &mut Vec<Finding>) {
    let place = |reach: &Deletable<'_>| reach.claim.node.job.name_span();
    // Only retentions whose sources are one above the other can meet: in order of sources those follow each other.
    let mut order: Vec<&Deletable<'_>> = reaches.iter().collect();
    order.sort_by_key(|reach| (reach.source, place(reach).start));
    let mut asked = 0_usize;
    for (at, outer) in order.iter().enumerate() {
        for inner in order.iter().skip(at + 1) {
            let Ok(below) = inner.source.strip_prefix(outer.source) else {
                break;
            };
            asked += 1;
            if asked > MAX_PAIRS {
                findings.push(too_many(place(inner)));
                return;
            }
            let answer = if outer.decidable && inner.decidable {
                common(outer, inner, below, sets)
            } else {
                SearchResult::Unknown
            };
            let (first, second) = if place(outer).start <= place(inner).start {
                (outer, inner)
            } else {
                (inner, outer)
            };
            let (a, b) = (first.claim.node.name(), second.claim.node.name());
            let finding = |message: String, label: String| {
                let finding = Finding::new(Code::RetentionsOverlap, place(second), message, label);
                finding.also(place(first), "the other retention")
            };
            findings.extend(match answer {
                SearchResult::Empty => None,
                SearchResult::Witness(path) => Some(
                    finding(
                        format!("retentions `{a}` and `{b}` may delete the same files"),
                        format!("both match `{}`", excerpt(&shown(&joined(inner.source, path)))),
                    )
                    .help("exclude the files of the other retention in one of them, or combine the two"),
                ),
                SearchResult::Unknown => Some(
                    finding(
                        format!("cannot prove that retentions `{a}` and `{b}` never delete the same files"),
                        "the patterns are too large to compare".to_owned(),
                    )
                    .warning()
                    .help("use fewer or simpler globs, or combine the two retentions"),
                ),
            });
        }
    }
}

fn too_many(span: Span) -> Finding {
    let message = "cannot prove that no two retentions delete the same files";
    let label = "too many retentions share sources; not compared from here on";
    let finding = Finding::new(Code::RetentionsOverlap, span, message, label).warning();
    finding.help("give retentions separate sources, or combine them")
}

/// A path below the inner source that both may delete.
fn common(outer: &Deletable<'_>, inner: &Deletable<'_>, below: &Path, sets: &PathSetCache) -> SearchResult {
    let prefix = prefix(below);
    let mut answer = SearchResult::Empty;
    for a in &outer.finite {
        for b in &inner.finite {
            let mut terms = vec![term(&inner.valid, &no_prefix(), true)];
            terms.extend(outer.deletable(a, &prefix));
            terms.extend(inner.deletable(b, &no_prefix()));
            match sets.search(&terms) {
                SearchResult::Witness(path) => return SearchResult::Witness(path),
                SearchResult::Unknown => answer = SearchResult::Unknown,
                SearchResult::Empty => {}
            }
        }
    }
    answer
}
