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
use std::rc::Rc;

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
                SearchResult::Empty => {
                    // What is too large to be searched is decided file by file in the run.
                    let none = no_prefix();
                    let prefix = prefix(below);
                    let (outer, inner) = ((*outer, &prefix), (*inner, &none));
                    let kept = kept_forever(outer, inner, sets).map(|path| (outer, inner, path));
                    kept.or_else(|| kept_forever(inner, outer, sets).map(|path| (inner, outer, path)))
                        .map(|((deletes, _), (keeps, _), path)| {
                            let path = joined(order_source(deletes, keeps), path);
                            forever_elsewhere(deletes, keeps, &path)
                        })
                }
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

/// The source that lies in the other one.
fn order_source<'a>(a: &Deletable<'a>, b: &Deletable<'a>) -> &'a Path {
    if a.source.starts_with(b.source) {
        a.source
    } else {
        b.source
    }
}

fn forever_elsewhere(deletes: &Deletable<'_>, keeps: &Deletable<'_>, path: &Path) -> Finding {
    let (name, other) = (deletes.claim.node.name(), keeps.claim.node.name());
    let place = |reach: &Deletable<'_>| reach.claim.node.job.name_span();
    let message = format!("retention `{other}` keeps files forever that retention `{name}` would delete");
    let label = format!("matches `{}`, which is kept", excerpt(&shown(path)));
    Finding::new(Code::RetentionsOverlap, place(deletes), message, label)
        .warning()
        .also(place(keeps), "keeps it forever")
        .help(format!(
            "the longest time applies over both: exclude these files in `{name}`, or combine the two"
        ))
}

/// A path below the inner source that one may delete and the other keeps forever; each with what comes before the path.
fn kept_forever(
    (deletes, before): (&Deletable<'_>, &Rc<[u8]>),
    (keeps, kept_before): (&Deletable<'_>, &Rc<[u8]>),
    sets: &PathSetCache,
) -> Option<Vec<u8>> {
    for class in &deletes.finite {
        for forever in &keeps.forever {
            let mut terms = vec![term(&deletes.valid, &no_prefix(), true)];
            terms.extend(deletes.deletable(class, before));
            terms.extend(keeps.stored(kept_before));
            terms.push(term(&keeps.spared, kept_before, false));
            terms.push(term(forever, kept_before, true));
            if let SearchResult::Witness(path) = sets.search(&terms) {
                return Some(path);
            }
        }
    }
    None
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
