//! Retentions that may delete the same files (OPS5005).
//!
//! Invariant: an error is reported only with a proof; what cannot be decided is a warning.

use super::deletable::Deletable;
use super::path_cache::{PathSetCache, no_prefix, term};
use super::path_sets::SearchResult;
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::source::paths::shown;
use std::path::Path;
use std::rc::Rc;

/// Most pairs of retentions that are compared: their number grows with the square.
const MAX_PAIRS: usize = 20_000;

/// OPS5005.
pub(in crate::config) fn pairs(reaches: &[Deletable<'_>], sets: &PathSetCache, findings: &mut Vec<Finding>) {
    // Only retentions whose sources are one above the other can meet: in order of sources those follow each other.
    let mut order: Vec<&Deletable<'_>> = reaches.iter().collect();
    order.sort_by(|a, b| (a.source, a.name_span().start).cmp(&(b.source, b.name_span().start)));
    let mut asked = 0_usize;
    for (at, outer) in order.iter().enumerate() {
        for inner in order.iter().skip(at + 1) {
            let Ok(below) = inner.source.strip_prefix(outer.source) else {
                break;
            };
            asked += 1;
            if asked > MAX_PAIRS {
                findings.push(too_many(inner));
                return;
            }
            let answer = if !outer.decidable || !inner.decidable {
                SearchResult::Unknown
            } else {
                common(outer, inner, below, sets)
            };
            let (first, second) = if outer.name_span().start <= inner.name_span().start {
                (outer, inner)
            } else {
                (inner, outer)
            };
            match answer {
                SearchResult::Empty => {}
                SearchResult::Witness(path) => {
                    use std::os::unix::ffi::OsStringExt;
                    let path = inner.source.join(std::ffi::OsString::from_vec(path));
                    findings.push(
                        Finding::new(
                            Code::RetentionsOverlap,
                            second.name_span(),
                            format!(
                                "retentions `{}` and `{}` may delete the same files",
                                first.claim.name, second.claim.name
                            ),
                            format!("both match `{}`", excerpt(&shown(&path))),
                        )
                        .also(first.name_span(), "the other retention")
                        .help("exclude the files of the other retention in one of them, or combine the two"),
                    );
                }
                SearchResult::Unknown => findings.push(
                    Finding::new(
                        Code::RetentionsOverlap,
                        second.name_span(),
                        format!(
                            "cannot prove that retentions `{}` and `{}` never delete the same files",
                            first.claim.name, second.claim.name
                        ),
                        "the patterns are too large to compare",
                    )
                    .also(first.name_span(), "the other retention")
                    .warning()
                    .help("use fewer or simpler globs, or combine the two retentions"),
                ),
            }
        }
    }
}

fn too_many(reach: &Deletable<'_>) -> Finding {
    Finding::new(
        Code::RetentionsOverlap,
        reach.name_span(),
        "cannot prove that no two retentions delete the same files",
        "too many retentions share sources; not compared from here on",
    )
    .warning()
    .help("give retentions separate sources, or combine them")
}

/// A path below the inner source that both may delete.
fn common(outer: &Deletable<'_>, inner: &Deletable<'_>, below: &Path, sets: &PathSetCache) -> SearchResult {
    use std::os::unix::ffi::OsStrExt;
    let mut prefix = below.as_os_str().as_bytes().to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    let prefix: Rc<[u8]> = Rc::from(prefix);
    let mut unknown = false;
    for a in &outer.finite {
        for b in &inner.finite {
            let mut terms = vec![term(&inner.valid, &no_prefix(), true)];
            terms.extend(outer.deletable(a, &prefix));
            terms.extend(inner.deletable(b, &no_prefix()));
            match sets.search(&terms) {
                SearchResult::Witness(path) => return SearchResult::Witness(path),
                SearchResult::Unknown => unknown = true,
                SearchResult::Empty => {}
            }
        }
    }
    if unknown {
        SearchResult::Unknown
    } else {
        SearchResult::Empty
    }
}
