//! The findings of assertions that fail: what happens to the file, which line decides it, and what to change.
//!
//! Invariant: the first label is the asserted file; every other label points at a line that decides.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::{AssertionNode, ClassNode, Expectation, FileNode};
use crate::config::rules::resolved::{ResolvedBackup, ResolvedRetention};
use crate::config::source::{Span, Spanned};
use crate::keep_reason::KeepReason;
use crate::model::Keep;
use crate::model::pattern::{Pattern, PatternSet, Selection, SelectionState, Selector};
use crate::model::retention::{Stays, Verdict};
use crate::path::RelPath;
use crate::units::show_duration;

pub(super) struct AssertionCase<'a> {
    pub(super) node: &'a AssertionNode,
    pub(super) file: &'a FileNode,
    pub(super) expected: Expectation,
    /// An index into the classes of the retention.
    pub(super) class: Option<usize>,
}

/// The finding without what decides it.
fn failed(node: &AssertionNode, file: &FileNode, message: String, label: String) -> Finding {
    let finding = Finding::new(Code::AssertionFailed, file.span, message, label);
    match &node.claim {
        Some(claim) => finding.also(claim.span, "this assertion fails"),
        None => finding,
    }
}

/// `8d old`, when the assertion says so.
fn aged(file: &FileNode) -> String {
    file.age
        .as_ref()
        .map_or_else(String::new, |age| format!(", {} old,", show_duration(age.value)))
}

/// A verdict that is not expected, or comes from another class.
pub(super) fn of_retention(
    claim: &ResolvedRetention<'_>,
    question: &AssertionCase<'_>,
    verdict: Verdict,
    matching: &[usize],
) -> Finding {
    let AssertionCase {
        node,
        file,
        expected,
        class: wanted,
    } = question;
    let shown = excerpt(&file.path.to_string());
    let classes = &claim.node.classes;
    let decides = verdict.class().and_then(|class| classes.get(class));
    let name = decides.map_or("", class_name);
    let what = format!("`{shown}`{}", aged(file));
    let message = match verdict {
        Verdict::Unmatched => format!(
            "{what} is never touched: no class of retention `{}` matches it",
            claim.name
        ),
        Verdict::Excluded => format!("{what} is never touched: retention `{}` excludes it", claim.name),
        Verdict::Stays(_, Stays::Young) => {
            format!("{what} is kept: class `{name}` keeps it {}", keeps(decides))
        }
        Verdict::Stays(_, Stays::Forever) => format!("{what} is kept: class `{name}` keeps it forever"),
        Verdict::Stays(_, Stays::Newest) => {
            let newest = decides.map_or(0, |class| class.keep_newest);
            format!("{what} is kept: it is one of the newest {newest} files of class `{name}`")
        }
        Verdict::Kept(_, KeepReason::NotCovered) => {
            format!("{what} is kept: backup `{}` does not store it", claim.backup.name)
        }
        Verdict::Kept(_, reason) => format!("{what} is kept: {}", reason.meaning()),
        Verdict::Delete(_) => {
            let expires = if file.age.is_some() { "has expired" } else { "expires" };
            format!("{what} {expires}: class `{name}` keeps it {}", keeps(decides))
        }
    };
    let other = wanted.and_then(|class| classes.get(class));
    let label = match other {
        Some(other) => format!("expected to be {} by class `{}`", expected.word(), class_name(other)),
        None => format!("expected to be {}", expected.word()),
    };
    let mut finding = failed(node, file, message, label);
    if let Some(class) = decides {
        finding = finding.also(keep_span(class), format!("applies: {}", why(class, &file.path)));
    }
    match verdict {
        Verdict::Unmatched => {
            let span = claim
                .node
                .job
                .name
                .as_ref()
                .map_or(claim.node.job.head, |name| name.span);
            finding = finding.also(span, "has no class that matches it");
        }
        Verdict::Excluded => {
            if let Some(by) = taking(&claim.node.exclude, &file.path) {
                finding = finding.also(by.span, "excluded here");
            }
        }
        Verdict::Kept(_, KeepReason::NotCovered) => finding = left_out(finding, claim.backup, &file.path),
        _ => {}
    }
    for class in matching
        .iter()
        .filter(|at| Some(**at) != verdict.class())
        .filter_map(|at| classes.get(*at))
        .take(3)
    {
        if decides.is_some() {
            finding = finding.also(
                keep_span(class),
                format!("also matches ({}), but the longest time applies", keeps(Some(class))),
            );
        }
    }
    finding.help(advice(question, verdict, name, claim))
}

fn advice(question: &AssertionCase<'_>, verdict: Verdict, class: &str, claim: &ResolvedRetention<'_>) -> String {
    let shown = excerpt(&question.file.path.to_string());
    let is = match verdict {
        Verdict::Unmatched | Verdict::Excluded => Expectation::Untouched,
        Verdict::Delete(_) => Expectation::Expired,
        Verdict::Stays(..) | Verdict::Kept(..) => Expectation::Kept,
    };
    let else_say = format!("or write `expect \"{}\"` if this is intended", is.word());
    if as_expected(question.expected, verdict) {
        return if class.is_empty() {
            "change the class so that it matches the file, or remove `class=`".to_owned()
        } else {
            format!("fix the classes, or write `class=\"{class}\"` if this is intended")
        };
    }
    match verdict {
        Verdict::Unmatched => {
            let glob = match shown.rsplit_once('/') {
                Some((dir, _)) => format!("{dir}/**"),
                None => shown,
            };
            format!("add a class, for example `class \"old\" \"{glob}\" keep=\"7d\"`, {else_say}")
        }
        Verdict::Excluded => format!("narrow `exclude` of the retention, {else_say}"),
        Verdict::Stays(_, Stays::Newest) => format!("lower `keep-newest` of class `{class}`, {else_say}"),
        Verdict::Kept(_, KeepReason::NotCovered) => format!(
            "only copied files are deleted: include it in backup `{}`, {else_say}",
            claim.backup.name
        ),
        Verdict::Stays(..) | Verdict::Kept(..) if question.expected == Expectation::Expired => {
            format!("shorten `keep` of class `{class}`, or change its globs, {else_say}")
        }
        Verdict::Delete(_) if question.expected == Expectation::Kept => {
            format!("extend `keep` of class `{class}`, or add `exclude \"{shown}\"` to the retention, {else_say}")
        }
        _ => format!("change the globs of class `{class}`, or add `exclude \"{shown}\"` to the retention, {else_say}"),
    }
}

fn class_name(class: &ClassNode) -> &str {
    class.name.as_ref().map_or("…", |name| name.value.as_str())
}

fn keep_span(class: &ClassNode) -> Span {
    class.keep.as_ref().map_or(class.head, |keep| keep.span)
}

/// `for 30d`
fn keeps(class: Option<&ClassNode>) -> String {
    match class.and_then(|class| class.keep.as_ref()).map(|keep| keep.value) {
        Some(Keep::For(age)) => format!("for {}", show_duration(age)),
        Some(Keep::Forever) => "forever".to_owned(),
        None => String::new(),
    }
}

fn why(class: &ClassNode, path: &RelPath) -> String {
    if let Some(word) = &class.keyword {
        return format!("the path contains `{}`", excerpt(&word.value));
    }
    let hit = class
        .globs
        .iter()
        .find(|glob| PatternSet::new(std::slice::from_ref(&glob.value)).matches(path.as_bytes()));
    hit.map_or_else(String::new, |glob| {
        format!("`{}` matches", excerpt(glob.value.as_str()))
    })
}

/// The pattern that takes the path, or a directory above it.
fn taking<'a>(patterns: &'a [Spanned<Pattern>], path: &RelPath) -> Option<&'a Spanned<Pattern>> {
    patterns.iter().find(|pattern| {
        let mut selector = Selector::new(&Selection {
            include: vec![pattern.value.clone()],
            exclude: Vec::new(),
        });
        selector.standing(path).included
    })
}

/// Labels what keeps a path out of a backup.
fn left_out(finding: Finding, place: &ResolvedBackup<'_>, path: &RelPath) -> Finding {
    if let Some(by) = taking(&place.node.exclude, path) {
        return finding.also(by.span, "excluded here");
    }
    match (place.node.include.first(), place.node.include.last()) {
        (Some(first), Some(last)) if taking(&place.node.include, path).is_none() => {
            finding.also(first.span.to(last.span), "not included here")
        }
        _ => finding,
    }
}

/// A file that a backup stores and should not, or the reverse.
pub(super) fn of_backup(
    place: &ResolvedBackup<'_>,
    node: &AssertionNode,
    file: &FileNode,
    standing: SelectionState,
    stored: bool,
) -> Finding {
    let shown = excerpt(&file.path.to_string());
    let what = format!("`{shown}`{}", aged(file));
    if stored {
        let finding = failed(
            node,
            file,
            format!("{what} is stored by backup `{}`", place.name),
            "expected to be left out".to_owned(),
        );
        let (span, label) = match (taking(&place.node.include, &file.path), &place.node.source) {
            (Some(by), _) => (by.span, "included here"),
            (None, Some(source)) => (source.span, "includes everything in this directory"),
            (None, None) => (place.node.job.head, "includes everything in this directory"),
        };
        return finding.also(span, label).help(format!(
            "add `exclude \"{shown}\"` to the backup, or write `expect \"stored\"` if this is intended"
        ));
    }
    let label = "expected to be stored".to_owned();
    let otherwise = "or write `expect \"left-out\"` if this is intended";
    if standing.selected() {
        let mut finding = failed(
            node,
            file,
            format!(
                "{what} is not stored by backup `{}`: no retention deletes it",
                place.name
            ),
            label,
        );
        if let Some(contents) = &place.node.contents {
            finding = finding.also(contents.span, "stores only files that a retention may delete now");
        }
        return finding.help(format!("write `contents \"all\"`, {otherwise}"));
    }
    let finding = failed(
        node,
        file,
        format!(
            "{what} is left out: backup `{}` {} it",
            place.name,
            if standing.excluded {
                "excludes"
            } else {
                "does not include"
            }
        ),
        label,
    );
    let change = if standing.excluded {
        "narrow `exclude`"
    } else {
        "extend `include`"
    };
    left_out(finding, place, &file.path).help(format!("{change} of the backup, {otherwise}"))
}

/// What is stored depends on the age, and none is given.
pub(super) fn ageless(place: &ResolvedBackup<'_>, file: &FileNode) -> Finding {
    let finding = Finding::new(
        Code::Missing,
        file.span,
        format!(
            "whether backup `{}` stores a file depends on the age of the file",
            place.name
        ),
        "missing `age=`",
    );
    let finding = match &place.node.contents {
        Some(contents) => finding.also(contents.span, "stores only files that a retention may delete now"),
        None => finding,
    };
    finding.help(format!(
        "write how old it is: `file \"{}\" age=\"30d\"`",
        excerpt(&file.path.to_string())
    ))
}

pub(super) fn as_expected(expected: Expectation, verdict: Verdict) -> bool {
    match expected {
        Expectation::Expired => matches!(verdict, Verdict::Delete(_)),
        Expectation::Kept => !matches!(verdict, Verdict::Delete(_)),
        Expectation::Untouched => matches!(verdict, Verdict::Unmatched | Verdict::Excluded),
        Expectation::Stored | Expectation::LeftOut => true,
    }
}
