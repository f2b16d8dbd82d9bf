//! What the patterns of backups and retentions mean together: classes that hold nothing, files that two retentions
//! would delete, copies and state that a retention could reach.
//!
//! Takes retentions whose backups are known, gives findings with a path that shows each. Uses `language` for the
//! answers; knows nothing of how they are found.
//! Invariant: an error is only reported with a proof; what cannot be decided is at most a warning.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::ClassNode;
use crate::config::rules::deletion::deletable::{Reach, Sets, no_prefix, term};
use crate::config::rules::deletion::path_sets::{Answer, PathSet, Term};
use crate::config::rules::deletion::protected_paths::Precious;
use crate::config::rules::validate::Claim;
use crate::config::source::Span;
use crate::config::source::paths::shown;
use crate::model::Keep;
use crate::path::Shown;
use crate::units::show_duration;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Most pairs of retentions that are compared: their number grows with the square.
const MOST_PAIRS: usize = 20_000;

/// Most classes of one retention that are compared with one another.
const MOST_CLASSES: usize = 50;

/// OPS5002, OPS5004, OPS5005, OPS5007, OPS5014. `empty` are the backups that were said to store nothing.
pub(in crate::config) fn judge(
    claims: &[Claim<'_>],
    sets: &Sets,
    precious: &[Precious],
    empty: &HashSet<&str>,
    findings: &mut Vec<Finding>,
) {
    let reaches: Vec<Reach<'_>> = claims
        .iter()
        .filter(|claim| claim.node.patterns_known && claim.backup.node.patterns_known)
        .filter(|claim| !empty.contains(claim.backup.name))
        .filter_map(|claim| Reach::new(claim, sets))
        .collect();
    for reach in &reaches {
        classes(reach, sets, findings);
        overlapping_classes(reach, sets, findings);
    }
    own_files(&reaches, sets, precious, findings);
    pairs(&reaches, sets, findings);
}

fn sample(path: &[u8]) -> String {
    excerpt(&Shown(path).to_string())
}

fn class_name(class: &ClassNode) -> &str {
    class.name.as_ref().map_or("…", |name| name.value.as_str())
}

/// OPS5002 and OPS5014.
fn classes(reach: &Reach<'_>, sets: &Sets, findings: &mut Vec<Finding>) {
    let none = no_prefix();
    for class in &reach.claim.node.classes {
        let Some(set) = sets.class(class) else {
            continue;
        };
        let own = vec![term(&reach.valid, &none, true), term(&set, &none, true)];
        let with = |more: Vec<Term>| {
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
            Answer::Witness(path) => sample(&path),
            Answer::Empty => {
                findings.push(
                    Finding::new(
                        Code::EmptyClass,
                        span,
                        format!("no path can be in the class `{name}`"),
                        "holds nothing",
                    )
                    .help("mend its globs, or delete it"),
                );
                continue;
            }
            Answer::Unknown => continue,
        };
        if with(included()) == Answer::Empty {
            let mut finding = Finding::new(
                Code::EmptyClass,
                span,
                format!(
                    "the class `{name}` holds nothing that the backup `{}` includes",
                    reach.claim.backup.name
                ),
                format!("a file of it would be `{example}`"),
            )
            .help(match class.globs.first() {
                Some(glob) => format!(
                    "add \"{}\" to `include` of the backup, or delete the class: what is not copied is never deleted",
                    excerpt(glob.value.as_str())
                ),
                None => {
                    "widen `include` of the backup, or delete the class: what is not copied is never deleted".to_owned()
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
        if with(reach.stored(&none)) == Answer::Empty {
            let mut finding = Finding::new(
                Code::EmptyClass,
                span,
                format!(
                    "the backup `{}` excludes all that the class `{name}` holds",
                    reach.claim.backup.name
                ),
                format!("a file of it would be `{example}`"),
            )
            .help("narrow `exclude` of the backup, or delete the class: what is not copied is never deleted");
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
        if with(kept) == Answer::Empty {
            let mut finding = Finding::new(
                Code::EmptyClass,
                span,
                format!("the retention's own `exclude` takes all from the class `{name}`"),
                format!("a file of it would be `{example}`"),
            )
            .help("narrow `exclude` of the retention, or delete the class");
            if let (Some(first), Some(last)) = (reach.claim.node.exclude.first(), reach.claim.node.exclude.last()) {
                finding = finding.also(first.span.to(last.span), "excluded here");
            }
            findings.push(finding);
            continue;
        }
        if let Some(likely) = sets.likely(reach.claim.backup.node.include.as_slice())
            && with(vec![term(&likely, &none, true)]) == Answer::Empty
        {
            unlikely(reach, class, &with, span, findings);
            continue;
        }
        partly(reach, class, &with, span, findings);
    }
}

/// OPS5002 as a warning: not proven, since only odd names of directories would fill the class.
fn unlikely(
    reach: &Reach<'_>,
    class: &ClassNode,
    with: &dyn Fn(Vec<Term>) -> Answer,
    span: Span,
    findings: &mut Vec<Finding>,
) {
    let Answer::Witness(odd) = with(reach.stored(&no_prefix())) else {
        return;
    };
    let mut finding = Finding::new(
        Code::EmptyClass,
        span,
        format!(
            "the class `{}` holds next to nothing that the backup `{}` includes",
            class_name(class),
            reach.claim.backup.name
        ),
        format!("only something like `{}` would be", sample(&odd)),
    )
    .warning()
    .help(match class.globs.first() {
        Some(glob) => format!(
            "add \"{}\" to `include` of the backup, or delete the class",
            excerpt(glob.value.as_str())
        ),
        None => "widen `include` of the backup, or delete the class".to_owned(),
    });
    let include = &reach.claim.backup.node.include;
    if let (Some(first), Some(last)) = (include.first(), include.last()) {
        finding = finding.also(first.span.to(last.span), "includes no such files");
    }
    findings.push(finding);
}

/// OPS5014: only for globs that delete. A keyword is a filter over what there is, and "forever" deletes nothing.
fn partly(
    reach: &Reach<'_>,
    class: &ClassNode,
    with: &dyn Fn(Vec<Term>) -> Answer,
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
        Some(Answer::Witness(path)) => Answer::Witness(path),
        _ => with(vec![spared(), term(&reach.exclude, &none, true)]),
    };
    if let Answer::Witness(path) = answer {
        findings.push(
            Finding::new(
                Code::PartlyCovered,
                span,
                format!(
                    "the backup `{}` stores only a part of the class `{}`",
                    reach.claim.backup.name,
                    class_name(class)
                ),
                format!("`{}` would be kept whatever its age", sample(&path)),
            )
            .help(format!(
                "only copied files are deleted: let class and backup name the same files, or add `allow \"{}\" reason=\"…\"`",
                Code::PartlyCovered.slug()
            )),
        );
    }
}

/// OPS5007: two glob classes that share files, unless the narrower one keeps longer, as an exception does.
fn overlapping_classes(reach: &Reach<'_>, sets: &Sets, findings: &mut Vec<Finding>) {
    let none = no_prefix();
    let classes = &reach.claim.node.classes;
    let ask = |wanted: &PathSet, other: &PathSet, shared: bool| {
        let mut terms = vec![
            term(&reach.valid, &none, true),
            term(wanted, &none, true),
            term(other, &none, shared),
        ];
        terms.extend(reach.stored(&none));
        terms.push(term(&reach.spared, &none, false));
        sets.search(&terms)
    };
    let dead = dead_classes(reach, sets, findings);
    for (at, second) in classes.iter().enumerate() {
        for (before, first) in classes.iter().enumerate().take(at) {
            let (Some(a), Some(b)) = (&first.keep, &second.keep) else {
                continue;
            };
            if dead.contains(&if longer(a.value, b.value) { at } else { before }) {
                continue;
            }
            if a.value == b.value || first.keyword.is_some() || second.keyword.is_some() || classes.len() > MOST_CLASSES
            {
                continue;
            }
            let (longer, shorter) = if longer(a.value, b.value) {
                (first, second)
            } else {
                (second, first)
            };
            let (Some(long), Some(short)) = (sets.class(longer), sets.class(shorter)) else {
                continue;
            };
            let Answer::Witness(path) = ask(&long, &short, true) else {
                continue;
            };
            // A narrower class that keeps longer is an exception, and "forever" is always meant as one.
            let whole = ask(&short, &long, false) == Answer::Empty;
            let forever = longer.keep.as_ref().is_some_and(|keep| keep.value == Keep::Forever);
            if !whole && (forever || ask(&long, &short, false) == Answer::Empty) {
                continue;
            }
            let span = |class: &ClassNode| class.name.as_ref().map_or(class.head, |name| name.span);
            let keeps = |class: &ClassNode| {
                class
                    .keep
                    .as_ref()
                    .map_or_else(String::new, |keep| show_keep(keep.value))
            };
            let message = if whole {
                format!(
                    "the class `{}` decides nothing: `{}` holds all its files longer",
                    class_name(shorter),
                    class_name(longer)
                )
            } else {
                format!(
                    "the classes `{}` and `{}` share files and keep them differently",
                    class_name(first),
                    class_name(second)
                )
            };
            findings.push(
                Finding::new(
                    Code::ClassesOverlap,
                    span(second),
                    message,
                    format!("`{}` is in both, and is kept {}", sample(&path), keeps(longer)),
                )
                .also(span(first), format!("keeps {}", keeps(first)))
                .help("the longer keep wins: make the globs exclude each other if that is not what you mean"),
            );
        }
    }
}

/// OPS5007: classes all of whose files others hold longer, where that is more than a pair of globs can show. Gives them.
fn dead_classes(reach: &Reach<'_>, sets: &Sets, findings: &mut Vec<Finding>) -> HashSet<usize> {
    let none = no_prefix();
    let classes = &reach.claim.node.classes;
    let mut dead = HashSet::new();
    if classes.len() > MOST_CLASSES {
        return dead;
    }
    for (at, class) in classes.iter().enumerate() {
        let (Some(set), Some(keep)) = (sets.class(class), &class.keep) else {
            continue;
        };
        let longer: Vec<(&ClassNode, PathSet)> = classes
            .iter()
            .filter(|other| {
                let other = other.keep.as_ref();
                other.is_some_and(|other| other.value != keep.value && longer(other.value, keep.value))
            })
            .filter_map(|other| Some((other, sets.class(other)?)))
            .collect();
        let mut own = vec![term(&reach.valid, &none, true), term(&set, &none, true)];
        own.extend(reach.stored(&none));
        own.push(term(&reach.spared, &none, false));
        // Mostly a first file shows that the class decides something.
        let Answer::Witness(path) = sets.search(&own) else {
            continue;
        };
        if longer.iter().all(|(_, other)| term(other, &none, false).holds(&path)) {
            continue;
        }
        let covered = |by: &[(&ClassNode, PathSet)]| {
            let mut terms = own.clone();
            terms.extend(by.iter().map(|(_, other)| term(other, &none, false)));
            sets.search(&terms) == Answer::Empty
        };
        if !covered(&longer) {
            continue;
        }
        let alone = longer.iter().find(|one| covered(std::slice::from_ref(one)));
        let by = match alone {
            // Said of the pair.
            Some((other, _)) if other.keyword.is_none() && class.keyword.is_none() => continue,
            Some(one) => std::slice::from_ref(one),
            None => &longer,
        };
        dead.insert(at);
        let names: Vec<String> = by.iter().map(|(other, _)| format!("`{}`", class_name(other))).collect();
        let span = |class: &ClassNode| class.name.as_ref().map_or(class.head, |name| name.span);
        let mut finding = Finding::new(
            Code::ClassesOverlap,
            span(class),
            match names.as_slice() {
                [one] => format!(
                    "the class `{}` decides nothing: {one} holds all its files longer",
                    class_name(class)
                ),
                all => format!(
                    "the class `{}` decides nothing: {} together hold all its files longer",
                    class_name(class),
                    all.join(" and ")
                ),
            },
            format!("`{}` would be one of them", sample(&path)),
        );
        for (other, _) in by.iter().take(4) {
            let keeps = other
                .keep
                .as_ref()
                .map_or_else(String::new, |keep| show_keep(keep.value));
            finding = finding.also(span(other), format!("keeps {keeps}"));
        }
        findings.push(finding.help("the longer keep wins: let the others not match its files, or delete the class"));
    }
    dead
}

fn longer(a: Keep, b: Keep) -> bool {
    match (a, b) {
        (Keep::Forever, _) => true,
        (_, Keep::Forever) => false,
        (Keep::For(a), Keep::For(b)) => a > b,
    }
}

fn show_keep(keep: Keep) -> String {
    match keep {
        Keep::Forever => "forever".to_owned(),
        Keep::For(duration) => show_duration(duration),
    }
}

/// OPS5004.
fn own_files(reaches: &[Reach<'_>], sets: &Sets, precious: &[Precious], findings: &mut Vec<Finding>) {
    let overlaps: HashSet<Span> = findings
        .iter()
        .filter(|finding| finding.code == Code::DestinationOverlap)
        .map(Finding::span)
        .collect();
    let mut asked = 0_usize;
    for reach in reaches.iter().filter(|reach| reach.decidable) {
        let from = precious.partition_point(|one| one.path.as_path() < reach.source);
        for one in precious.iter().skip(from) {
            let Ok(below) = one.path.strip_prefix(reach.source) else {
                break;
            };
            // Very many warnings say no more than some.
            asked += usize::from(!one.vital);
            if !one.vital && asked > MOST_PAIRS {
                continue;
            }
            let Some(witness) = reachable(reach, below, one.is_dir, sets) else {
                continue;
            };
            // Already an error of its own.
            if one.named.is_some_and(|(span, _)| overlaps.contains(&span)) {
                continue;
            }
            findings.push(reached(reach, one, below, &witness));
        }
    }
}

fn reached(reach: &Reach<'_>, one: &Precious, below: &Path, witness: &Path) -> Finding {
    let mut finding = Finding::new(
        Code::DeletesOwnFiles,
        reach.name_span(),
        format!("the retention `{}` may delete {}", reach.claim.name, one.what),
        format!("may delete `{}`", excerpt(&shown(&reach.source.join(witness)))),
    );
    let source = reach.claim.backup.node.source.as_ref();
    match (one.named, source) {
        (Some((span, label)), _) => finding = finding.also(span, label),
        (None, Some(source)) if one.is_dir => finding = finding.also(source.span, "holds it"),
        _ => {}
    }
    if !one.vital {
        finding = finding.warning();
    }
    let exclude = below.to_string_lossy();
    finding.help(if below.as_os_str().is_empty() {
        "move it out of the source".to_owned()
    } else if one.is_dir {
        // A plan is refused as long as the backup would read it, whatever the retention spares.
        format!("move it out of the source, or add `exclude \"{exclude}\"` to the backup")
    } else {
        format!("move it out of the source, or add `exclude \"{exclude}\"` to the retention")
    })
}

/// A path that may be deleted: the one below the source, or for directories one that it holds.
fn reachable(reach: &Reach<'_>, below: &Path, is_dir: bool, sets: &Sets) -> Option<PathBuf> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut prefix = below.as_os_str().as_bytes().to_vec();
    if is_dir {
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let prefix: Rc<[u8]> = Rc::from(prefix);
        for class in &reach.finite {
            let mut terms = vec![term(&reach.valid, &no_prefix(), true)];
            terms.extend(reach.deletable(class, &prefix));
            if let Answer::Witness(path) = sets.search(&terms) {
                return Some(below.join(std::ffi::OsString::from_vec(path)));
            }
        }
        return None;
    }
    let hit = reach.finite.iter().any(|class| {
        reach
            .deletable(class, &no_prefix())
            .iter()
            .all(|term| term.holds(&prefix))
    });
    hit.then(|| below.to_path_buf())
}

/// OPS5005.
fn pairs(reaches: &[Reach<'_>], sets: &Sets, findings: &mut Vec<Finding>) {
    // Only retentions whose sources are one above the other can meet: in order of sources those follow each other.
    let mut order: Vec<&Reach<'_>> = reaches.iter().collect();
    order.sort_by(|a, b| (a.source, a.name_span().start).cmp(&(b.source, b.name_span().start)));
    let mut asked = 0_usize;
    for (at, outer) in order.iter().enumerate() {
        for inner in order.iter().skip(at + 1) {
            let Ok(below) = inner.source.strip_prefix(outer.source) else {
                break;
            };
            asked += 1;
            if asked > MOST_PAIRS {
                findings.push(too_many(inner));
                return;
            }
            let answer = if !outer.decidable || !inner.decidable {
                Answer::Unknown
            } else {
                common(outer, inner, below, sets)
            };
            let (first, second) = if outer.name_span().start <= inner.name_span().start {
                (outer, inner)
            } else {
                (inner, outer)
            };
            match answer {
                Answer::Empty => {}
                Answer::Witness(path) => {
                    use std::os::unix::ffi::OsStringExt;
                    let path = inner.source.join(std::ffi::OsString::from_vec(path));
                    findings.push(
                        Finding::new(
                            Code::RetentionsOverlap,
                            second.name_span(),
                            format!(
                                "the retentions `{}` and `{}` may delete the same files",
                                first.claim.name, second.claim.name
                            ),
                            format!("`{}` belongs to both", excerpt(&shown(&path))),
                        )
                        .also(first.name_span(), "the other one")
                        .help("let one of them `exclude` what the other one cleans, or make one retention of both"),
                    );
                }
                Answer::Unknown => findings.push(
                    Finding::new(
                        Code::RetentionsOverlap,
                        second.name_span(),
                        format!(
                            "it could not be proven that the retentions `{}` and `{}` never delete the same files",
                            first.claim.name, second.claim.name
                        ),
                        "the patterns are too large to be compared",
                    )
                    .also(first.name_span(), "the other one")
                    .warning()
                    .help("use fewer or simpler globs, or make one retention of both"),
                ),
            }
        }
    }
}

fn too_many(reach: &Reach<'_>) -> Finding {
    Finding::new(
        Code::RetentionsOverlap,
        reach.name_span(),
        "it could not be proven that no two retentions delete the same files",
        "too many of them share their sources: not compared from here on",
    )
    .warning()
    .help("give retentions sources of their own, or make one retention of several")
}

/// A path below the inner source that both may delete.
fn common(outer: &Reach<'_>, inner: &Reach<'_>, below: &Path, sets: &Sets) -> Answer {
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
                Answer::Witness(path) => return Answer::Witness(path),
                Answer::Unknown => unknown = true,
                Answer::Empty => {}
            }
        }
    }
    if unknown { Answer::Unknown } else { Answer::Empty }
}
