//! What the patterns of backups and retentions mean together: classes that hold nothing, files that two retentions
//! would delete, copies and state that a retention could reach.
//!
//! Takes retentions whose backups are known, gives findings with a path that shows each. Uses `language` for the
//! answers; knows nothing of how they are found.
//! Invariant: an error is only reported with a proof; what cannot be decided is at most a warning.

use super::document::ClassNode;
use super::findings::{Code, Finding};
use super::language::{Answer, PathSet, Term, search};
use super::mend::one_line;
use super::paths::shown;
use super::source::{Sources, Span};
use super::validate::{Claim, Place};
use crate::model::{Keep, Ops};
use crate::path::Shown;
use crate::units::show_duration;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Most pairs of retentions that are compared: their number grows with the square.
const MOST_PAIRS: usize = 20_000;

/// OPS5002, OPS5004, OPS5005, OPS5007, OPS5014.
pub(super) fn judge(
    claims: &[Claim<'_>],
    places: &[Place<'_>],
    ops: &Ops,
    sources: &Sources,
    findings: &mut Vec<Finding>,
) {
    let sets = Sets::default();
    let reaches: Vec<Reach<'_>> = claims
        .iter()
        .filter(|claim| claim.node.patterns_known && claim.backup.node.patterns_known)
        .filter_map(|claim| Reach::new(claim, &sets))
        .collect();
    for reach in &reaches {
        classes(reach, &sets, findings);
        overlapping_classes(reach, &sets, findings);
    }
    own_files(&reaches, places, ops, sources, findings);
    pairs(&reaches, findings);
}

/// Automata by what they were built from: many jobs share their patterns.
#[derive(Default)]
struct Sets(RefCell<HashMap<(Vec<String>, u8), Option<PathSet>>>);

impl Sets {
    fn get(&self, texts: Vec<String>, kind: u8, build: impl FnOnce() -> Option<PathSet>) -> Option<PathSet> {
        if let Some(known) = self.0.borrow().get(&(texts.clone(), kind)) {
            return known.clone();
        }
        let built = build();
        self.0.borrow_mut().insert((texts, kind), built.clone());
        built
    }

    fn globs(
        &self,
        patterns: &[super::source::Spanned<crate::model::pattern::Pattern>],
        below: bool,
    ) -> Option<PathSet> {
        let texts = patterns.iter().map(|p| p.value.as_str().to_owned()).collect();
        self.get(texts, u8::from(below), || {
            PathSet::globs(patterns.iter().map(|p| &p.value), below)
        })
    }

    fn class(&self, class: &ClassNode) -> Option<PathSet> {
        match &class.keyword {
            Some(word) => self.get(vec![word.value.clone()], 2, || PathSet::keyword(&word.value)),
            None => self.globs(&class.globs, false),
        }
    }

    fn valid(&self) -> Option<PathSet> {
        self.get(Vec::new(), 3, PathSet::valid)
    }
}

/// What a retention may delete below the source of its backup.
struct Reach<'a> {
    claim: &'a Claim<'a>,
    source: &'a Path,
    valid: PathSet,
    /// `None`: everything.
    include: Option<PathSet>,
    exclude: PathSet,
    spared: PathSet,
    finite: Vec<PathSet>,
    forever: Vec<PathSet>,
    /// False when an automaton was too large: nothing about it can be decided.
    decidable: bool,
}

impl<'a> Reach<'a> {
    fn new(claim: &'a Claim<'a>, sets: &Sets) -> Option<Self> {
        let backup = claim.backup.node;
        let valid = sets.valid()?;
        let empty = || sets.globs(&[], false);
        let include = if backup.include.is_empty() {
            Some(None)
        } else {
            sets.globs(&backup.include, true).map(Some)
        };
        let exclude = sets.globs(&backup.exclude, true);
        let spared = sets.globs(&claim.node.exclude, true);
        let mut finite = Vec::new();
        let mut forever = Vec::new();
        let mut decidable = include.is_some() && exclude.is_some() && spared.is_some();
        for class in &claim.node.classes {
            match (sets.class(class), class.keep.as_ref().map(|keep| keep.value)) {
                (Some(set), Some(Keep::For(_))) => finite.push(set),
                (Some(set), Some(Keep::Forever)) => forever.push(set),
                _ => decidable = false,
            }
        }
        Some(Self {
            claim,
            source: claim.backup.source.as_deref()?,
            valid,
            include: include.unwrap_or_default(),
            exclude: exclude.or_else(empty)?,
            spared: spared.or_else(empty)?,
            finite,
            forever,
            decidable,
        })
    }

    /// What the backup stores, and nothing that the retention spares.
    fn stored(&self, prefix: &Rc<[u8]>) -> Vec<Term> {
        let mut terms = vec![term(&self.exclude, prefix, false)];
        terms.extend(self.include.as_ref().map(|set| term(set, prefix, true)));
        terms
    }

    /// What one finite class may delete; `prefix` stands before every path.
    fn deletable(&self, class: &PathSet, prefix: &Rc<[u8]>) -> Vec<Term> {
        let mut terms = self.stored(prefix);
        terms.push(term(class, prefix, true));
        terms.push(term(&self.spared, prefix, false));
        terms.extend(self.forever.iter().map(|set| term(set, prefix, false)));
        terms
    }

    fn name_span(&self) -> Span {
        self.claim
            .node
            .job
            .name
            .as_ref()
            .map_or(self.claim.node.job.head, |name| name.span)
    }
}

fn term(set: &PathSet, prefix: &Rc<[u8]>, wanted: bool) -> Term {
    Term {
        set: set.clone(),
        prefix: Rc::clone(prefix),
        wanted,
    }
}

fn no_prefix() -> Rc<[u8]> {
    Rc::from([])
}

fn sample(path: &[u8]) -> String {
    one_line(&Shown(path).to_string())
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
            search(&terms)
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
        let example = match search(&own) {
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
                    one_line(glob.value.as_str())
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
        partly(reach, class, &with, span, findings);
    }
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
        search(&terms)
    };
    for (at, second) in classes.iter().enumerate() {
        for first in classes.iter().take(at) {
            let (Some(a), Some(b)) = (&first.keep, &second.keep) else {
                continue;
            };
            if a.value == b.value || first.keyword.is_some() || second.keyword.is_some() || classes.len() > 50 {
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
            if ask(&long, &short, false) == Answer::Empty {
                continue;
            }
            let span = |class: &ClassNode| class.name.as_ref().map_or(class.head, |name| name.span);
            let keeps = |class: &ClassNode| {
                class
                    .keep
                    .as_ref()
                    .map_or_else(String::new, |keep| show_keep(keep.value))
            };
            let whole = ask(&short, &long, false) == Answer::Empty;
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
fn own_files(reaches: &[Reach<'_>], places: &[Place<'_>], ops: &Ops, sources: &Sources, findings: &mut Vec<Finding>) {
    let mut precious: Vec<(PathBuf, bool, String, Option<Span>)> = Vec::new();
    for place in places {
        if let Some(to) = &place.to {
            let span = place.node.to.as_ref().map(|to| to.span);
            precious.push((
                to.clone(),
                true,
                format!("the copies of the backup `{}`", place.name),
                span,
            ));
        }
    }
    precious.push((ops.state_dir.clone(), true, "the history of all runs".to_owned(), None));
    for file in sources.files() {
        precious.push((file.path.clone(), false, format!("the ops file `{}`", file.name), None));
    }
    for reach in reaches.iter().filter(|reach| reach.decidable) {
        for (path, is_dir, what, span) in &precious {
            let Ok(below) = path.strip_prefix(reach.source) else {
                continue;
            };
            let Some(witness) = reachable(reach, below, *is_dir) else {
                continue;
            };
            // Already an error of its own.
            if findings
                .iter()
                .any(|f| f.code == Code::DestinationOverlap && span.is_some_and(|s| f.span() == s))
            {
                continue;
            }
            let mut finding = Finding::new(
                Code::DeletesOwnFiles,
                reach.name_span(),
                format!("the retention `{}` may delete {what}", reach.claim.name),
                format!("may delete `{}`", one_line(&shown(&reach.source.join(&witness)))),
            );
            if let Some(span) = span {
                finding = finding.also(*span, "copies are written here");
            }
            let exclude = below.to_string_lossy();
            findings.push(finding.help(if below.as_os_str().is_empty() {
                "move it out of the source".to_owned()
            } else if *is_dir {
                format!("move it out of the source, or add `exclude \"{exclude}/**\"` to the retention")
            } else {
                format!("move it out of the source, or add `exclude \"{exclude}\"` to the retention")
            }));
        }
    }
}

/// A path that may be deleted: the one below the source, or for directories one that it holds.
fn reachable(reach: &Reach<'_>, below: &Path, is_dir: bool) -> Option<PathBuf> {
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
            if let Answer::Witness(path) = search(&terms) {
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
fn pairs(reaches: &[Reach<'_>], findings: &mut Vec<Finding>) {
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
            let answer = if asked > MOST_PAIRS || !outer.decidable || !inner.decidable {
                Answer::Unknown
            } else {
                common(outer, inner, below)
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
                            format!("`{}` belongs to both", one_line(&shown(&path))),
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

/// A path below the inner source that both may delete.
fn common(outer: &Reach<'_>, inner: &Reach<'_>, below: &Path) -> Answer {
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
            match search(&terms) {
                Answer::Witness(path) => return Answer::Witness(path),
                Answer::Unknown => unknown = true,
                Answer::Empty => {}
            }
        }
    }
    if unknown { Answer::Unknown } else { Answer::Empty }
}
