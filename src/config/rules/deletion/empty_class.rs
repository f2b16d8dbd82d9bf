//! Classes that match nothing that may be deleted (OPS5002), or that the backup stores only in part (OPS5014).
//!
//! Invariant: an error is reported only with a proof.

use super::deletable::Deletable;
use super::path_cache::{PathSetCache, no_prefix, term};
use super::path_sets::{PathCondition, SearchResult};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::ClassNode;
use crate::config::source::Span;
use crate::model::Keep;
use crate::path::Shown;

pub(super) fn sample(path: &[u8]) -> String {
    excerpt(&Shown(path).to_string())
}

pub(super) fn class_name(class: &ClassNode) -> &str {
    class.name.as_ref().map_or("…", |name| name.value.as_str())
}

/// OPS5002 and OPS5014.
pub(in crate::config) fn classes(reach: &Deletable<'_>, sets: &PathSetCache, findings: &mut Vec<Finding>) {
    let none = no_prefix();
    for class in &reach.claim.node.classes {
        let Some(set) = sets.class(class) else {
            continue;
        };
        let own = vec![term(&reach.valid, &none, true), term(&set, &none, true)];
        let with = |more: Vec<PathCondition>| {
            let mut terms = own.clone();
            terms.extend(more);
            sets.search(&terms)
        };
        let included = || {
            reach
                .include
                .iter()
                .map(|set| term(set, &none, true))
                .collect::<Vec<_>>()
        };
        let span = class.name.as_ref().map_or(class.head, |name| name.span);
        let name = class_name(class);
        let example = match sets.search(&own) {
            SearchResult::Witness(path) => sample(&path),
            SearchResult::Empty => {
                findings.push(
                    Finding::new(
                        Code::EmptyClass,
                        span,
                        format!("class `{name}` cannot match any path"),
                        "matches nothing",
                    )
                    .help("fix its globs, or delete it"),
                );
                continue;
            }
            SearchResult::Unknown => continue,
        };
        if with(included()) == SearchResult::Empty {
            let mut finding = Finding::new(
                Code::EmptyClass,
                span,
                format!(
                    "class `{name}` matches nothing that backup `{}` includes",
                    reach.claim.backup.name
                ),
                format!("matches for example `{example}`"),
            )
            .help(match class.globs.first() {
                Some(glob) => format!(
                    "add \"{}\" to `include` of the backup, or delete the class: files that are not copied are never deleted",
                    excerpt(glob.value.as_str())
                ),
                None => {
                    "extend `include` of the backup, or delete the class: files that are not copied are never deleted".to_owned()
                }
            });
            if let (Some(first), Some(last)) = (
                reach.claim.backup.node.include.first(),
                reach.claim.backup.node.include.last(),
            ) {
                finding = finding.also(first.span.to(last.span), format!("`{example}` is not included here"));
            }
            findings.push(finding);
            continue;
        }
        if with(reach.stored(&none)) == SearchResult::Empty {
            let mut finding = Finding::new(
                Code::EmptyClass,
                span,
                format!(
                    "backup `{}` excludes everything that class `{name}` matches",
                    reach.claim.backup.name
                ),
                format!("matches for example `{example}`"),
            )
            .help("narrow `exclude` of the backup, or delete the class: files that are not copied are never deleted");
            if let (Some(first), Some(last)) = (
                reach.claim.backup.node.exclude.first(),
                reach.claim.backup.node.exclude.last(),
            ) {
                finding = finding.also(first.span.to(last.span), "excluded here");
            }
            findings.push(finding);
            continue;
        }
        let mut kept = reach.stored(&none);
        kept.push(term(&reach.spared, &none, false));
        if with(kept) == SearchResult::Empty {
            let mut finding = Finding::new(
                Code::EmptyClass,
                span,
                format!("`exclude` of the retention excludes everything that class `{name}` matches"),
                format!("matches for example `{example}`"),
            )
            .help("narrow `exclude` of the retention, or delete the class");
            if let (Some(first), Some(last)) = (reach.claim.node.exclude.first(), reach.claim.node.exclude.last()) {
                finding = finding.also(first.span.to(last.span), "excluded here");
            }
            findings.push(finding);
            continue;
        }
        if let Some(likely) = sets.likely(reach.claim.backup.node.include.as_slice())
            && with(vec![term(&likely, &none, true)]) == SearchResult::Empty
        {
            unlikely(reach, class, &with, span, findings);
            continue;
        }
        partly(reach, class, &with, span, findings);
    }
}

/// OPS5002 as a warning: not proven, since only odd names of directories would fill the class.
fn unlikely(
    reach: &Deletable<'_>,
    class: &ClassNode,
    with: &dyn Fn(Vec<PathCondition>) -> SearchResult,
    span: Span,
    findings: &mut Vec<Finding>,
) {
    let SearchResult::Witness(odd) = with(reach.stored(&no_prefix())) else {
        return;
    };
    let mut finding = Finding::new(
        Code::EmptyClass,
        span,
        format!(
            "class `{}` matches almost nothing that backup `{}` includes",
            class_name(class),
            reach.claim.backup.name
        ),
        format!("it could match only paths such as `{}`", sample(&odd)),
    )
    .warning()
    .help(match class.globs.first() {
        Some(glob) => format!(
            "add \"{}\" to `include` of the backup, or delete the class",
            excerpt(glob.value.as_str())
        ),
        None => "extend `include` of the backup, or delete the class".to_owned(),
    });
    let include = &reach.claim.backup.node.include;
    if let (Some(first), Some(last)) = (include.first(), include.last()) {
        finding = finding.also(first.span.to(last.span), "does not include such files");
    }
    findings.push(finding);
}

/// OPS5014: only for globs that delete. A keyword is a filter over what there is, and "forever" deletes nothing.
fn partly(
    reach: &Deletable<'_>,
    class: &ClassNode,
    with: &dyn Fn(Vec<PathCondition>) -> SearchResult,
    span: Span,
    findings: &mut Vec<Finding>,
) {
    let none = no_prefix();
    let finite = class.keep.as_ref().is_some_and(|keep| keep.value != Keep::Forever);
    if class.keyword.is_some() || !finite {
        return;
    }
    let spared = || term(&reach.spared, &none, false);
    let outside = reach
        .include
        .as_ref()
        .map(|set| with(vec![spared(), term(set, &none, false)]));
    let answer = match outside {
        Some(SearchResult::Witness(path)) => SearchResult::Witness(path),
        _ => with(vec![spared(), term(&reach.exclude, &none, true)]),
    };
    if let SearchResult::Witness(path) = answer {
        findings.push(
            Finding::new(
                Code::PartlyCovered,
                span,
                format!(
                    "backup `{}` stores only a part of class `{}`",
                    reach.claim.backup.name,
                    class_name(class)
                ),
                format!("`{}` is never deleted, at any age", sample(&path)),
            )
            .help(format!(
                "only copied files are deleted: let class and backup match the same files, or add `allow \"{}\" reason=\"…\"`",
                Code::PartlyCovered.slug()
            )),
        );
    }
}
