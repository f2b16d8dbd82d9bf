//! The findings of assertions that fail: what happens to the file, which line decides it, and what to change.
//!
//! Invariant: the first label is the asserted file; every other label points at a line that decides.

use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::{AssertionNode, BackupNode, ClassNode, Expectation, FileNode};
use crate::config::rules::names::ResolvedRetention;
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
fn failed(node: &AssertionNode, file: &FileNode, message: String, label: &str) -> Finding {
    let finding = Finding::new(Code::AssertionFailed, file.span, message, label);
    finding.also(node.claim.as_ref().map(|claim| claim.span), "this assertion fails")
}

/// The file, with its age when the assertion gives one.
fn described(file: &FileNode) -> String {
    let shown = excerpt(&file.path.to_string());
    match &file.age {
        Some(age) => format!("`{shown}`, {} old,", show_duration(age.value)),
        None => format!("`{shown}`"),
    }
}

/// A verdict that is not expected, or comes from another class.
pub(super) fn of_retention(
    claim: &ResolvedRetention<'_>,
    question: &AssertionCase<'_>,
    verdict: Verdict,
    matching: &[usize],
) -> Finding {
    let (node, file, expected) = (question.node, question.file, question.expected.word());
    let classes = &claim.node.classes;
    let decides = verdict.class().and_then(|class| classes.get(class));
    let name = decides.map_or("", ClassNode::shown_name);
    let what = described(file);
    let (retention, backup) = (claim.node.name(), claim.backup.name());
    let message = match verdict {
        Verdict::Unmatched => format!("{what} is never touched: no class of retention `{retention}` matches it"),
        Verdict::Excluded => format!("{what} is never touched: retention `{retention}` excludes it"),
        Verdict::Stays(_, Stays::Young) => format!("{what} is kept: class `{name}` keeps it {}", keeps(decides)),
        Verdict::Stays(_, Stays::Forever) => format!("{what} is kept: class `{name}` keeps it forever"),
        Verdict::Stays(_, Stays::Newest) => {
            let newest = decides.map_or(0, |class| class.keep_newest);
            format!("{what} is kept: it is one of the newest {newest} files of class `{name}`")
        }
        Verdict::Stays(_, Stays::OtherRetention) => format!("{what} is kept: another retention keeps it longer"),
        Verdict::Kept(_, KeepReason::NotCovered) => format!("{what} is kept: backup `{backup}` does not store it"),
        Verdict::Kept(_, reason) => format!("{what} is kept: {}", reason.meaning()),
        Verdict::Delete(_) => {
            let expires = if file.age.is_some() { "has expired" } else { "expires" };
            format!("{what} {expires}: class `{name}` keeps it {}", keeps(decides))
        }
    };
    let label = match question.class.and_then(|class| classes.get(class)) {
        Some(other) => format!("expected to be {expected} by class `{}`", other.shown_name()),
        None => format!("expected to be {expected}"),
    };
    let mut finding = failed(node, file, message, &label);
    if let Some(class) = decides {
        finding = finding.also(keep_span(class), format!("applies: {}", why(class, &file.path)));
    }
    finding = match verdict {
        Verdict::Unmatched => finding.also(claim.node.job.name_span(), "has no class that matches it"),
        Verdict::Excluded => {
            let by = taking(&claim.node.exclude, &file.path);
            finding.also(by.map(|by| by.span), "excluded here")
        }
        Verdict::Kept(_, KeepReason::NotCovered) => left_out(finding, claim.backup, &file.path),
        Verdict::Stays(..) | Verdict::Kept(..) | Verdict::Delete(_) => finding,
    };
    let others = matching
        .iter()
        .filter(|at| decides.is_some() && Some(**at) != verdict.class());
    for class in others.filter_map(|at| classes.get(*at)).take(3) {
        let label = format!("also matches ({}), but the longest time applies", keeps(Some(class)));
        finding = finding.also(keep_span(class), label);
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
        Verdict::Kept(_, KeepReason::NotCovered) => {
            format!(
                "only copied files are deleted: include it in backup `{}`, {else_say}",
                claim.backup.name()
            )
        }
        Verdict::Stays(..) | Verdict::Kept(..) if question.expected == Expectation::Expired => {
            format!("shorten `keep` of class `{class}`, or change its globs, {else_say}")
        }
        Verdict::Delete(_) if question.expected == Expectation::Kept => {
            format!("extend `keep` of class `{class}`, or add `exclude \"{shown}\"` to the retention, {else_say}")
        }
        Verdict::Stays(..) | Verdict::Kept(..) | Verdict::Delete(_) => {
            format!("change the globs of class `{class}`, or add `exclude \"{shown}\"` to the retention, {else_say}")
        }
    }
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
    let matches =
        |glob: &&Spanned<Pattern>| PatternSet::new(std::slice::from_ref(&glob.value)).matches(path.as_bytes());
    let hit = class.globs.iter().find(matches);
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
fn left_out(finding: Finding, place: &BackupNode, path: &RelPath) -> Finding {
    if let Some(by) = taking(&place.exclude, path) {
        return finding.also(by.span, "excluded here");
    }
    match taking(&place.include, path) {
        Some(_) => finding,
        None => finding.also(Spanned::whole(&place.include), "not included here"),
    }
}

/// A file that a backup stores and should not, or the reverse.
pub(super) fn of_backup(
    place: &BackupNode,
    node: &AssertionNode,
    file: &FileNode,
    standing: SelectionState,
    stored: bool,
) -> Finding {
    let (what, name) = (described(file), place.name());
    if stored {
        let message = format!("{what} is stored by backup `{name}`");
        let (span, label) = match (taking(&place.include, &file.path), &place.source) {
            (Some(by), _) => (by.span, "included here"),
            (None, Some(source)) => (source.span, "includes everything in this directory"),
            (None, None) => (place.job.head, "includes everything in this directory"),
        };
        return failed(node, file, message, "expected to be left out")
            .also(span, label)
            .help(format!(
                "add `exclude \"{}\"` to the backup, or write `expect \"stored\"` if this is intended",
                excerpt(&file.path.to_string())
            ));
    }
    let label = "expected to be stored";
    let otherwise = "or write `expect \"left-out\"` if this is intended";
    if standing.selected() {
        let message = format!("{what} is not stored by backup `{name}`: no retention deletes it");
        let finding = only_expired(failed(node, file, message, label), place);
        return finding.help(format!("write `contents \"all\"`, {otherwise}"));
    }
    let (does, change) = if standing.excluded {
        ("excludes", "narrow `exclude`")
    } else {
        ("does not include", "extend `include`")
    };
    let message = format!("{what} is left out: backup `{name}` {does} it");
    let finding = failed(node, file, message, label);
    left_out(finding, place, &file.path).help(format!("{change} of the backup, {otherwise}"))
}

fn only_expired(finding: Finding, place: &BackupNode) -> Finding {
    let contents = place.contents.as_ref().map(|contents| contents.span);
    finding.also(contents, "stores only files that a retention may delete now")
}

/// What is stored depends on the age, and none is given.
pub(super) fn ageless(place: &BackupNode, file: &FileNode) -> Finding {
    let message = format!(
        "whether backup `{}` stores a file depends on the age of the file",
        place.name()
    );
    let finding = Finding::new(Code::Missing, file.span, message, "missing `age=`");
    let path = excerpt(&file.path.to_string());
    only_expired(finding, place).help(format!("write how old it is: `file \"{path}\" age=\"30d\"`"))
}

pub(super) fn as_expected(expected: Expectation, verdict: Verdict) -> bool {
    match expected {
        Expectation::Expired => matches!(verdict, Verdict::Delete(_)),
        Expectation::Kept => !matches!(verdict, Verdict::Delete(_)),
        Expectation::Untouched => matches!(verdict, Verdict::Unmatched | Verdict::Excluded),
        Expectation::Stored | Expectation::LeftOut => true,
    }
}
