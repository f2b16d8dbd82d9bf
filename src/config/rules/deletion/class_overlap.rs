//! Classes of one retention that match the same files and keep them differently (OPS5007).

use super::deletable::Deletable;
use super::empty_class::sample;
use super::path_cache::{PathSetCache, no_prefix, term};
use super::path_sets::{PathCondition, PathSet, SearchResult};
use crate::config::findings::{Code, Finding};
use crate::config::nodes::ClassNode;
use crate::model::Keep;
use crate::units::show_duration;
use std::collections::HashSet;

/// Most classes of one retention that are compared with one another.
const MAX_CLASSES: usize = 50;

/// OPS5007: classes that share files, unless the narrower one keeps longer, as an exception does.
pub fn overlapping_classes(reach: &Deletable<'_>, sets: &PathSetCache, findings: &mut Vec<Finding>) {
    let classes = &reach.claim.node.classes;
    if classes.len() > MAX_CLASSES {
        return;
    }
    let mut dead = HashSet::new();
    for (at, class) in classes.iter().enumerate() {
        if let Some(finding) = dead_class(reach, class, sets) {
            dead.insert(at);
            findings.push(finding);
        }
    }
    for (at, second) in classes.iter().enumerate() {
        for (before, first) in classes.iter().enumerate().take(at) {
            let (Some(a), Some(b)) = (&first.keep, &second.keep) else {
                continue;
            };
            let shorter = if longer(a.value, b.value) { at } else { before };
            if a.value != b.value && !dead.contains(&shorter) && first.keyword.is_none() && second.keyword.is_none() {
                findings.extend(overlapping_pair(reach, first, second, sets));
            }
        }
    }
}

/// What the retention covers of a class.
fn covered(reach: &Deletable<'_>, class: &PathSet) -> Vec<PathCondition> {
    let none = no_prefix();
    let mut terms = vec![term(&reach.valid, &none, true), term(class, &none, true)];
    terms.extend(reach.stored(&none));
    terms.push(term(&reach.spared, &none, false));
    terms
}

/// OPS5007 of two glob classes with a different `keep`.
fn overlapping_pair(
    reach: &Deletable<'_>,
    first: &ClassNode,
    second: &ClassNode,
    sets: &PathSetCache,
) -> Option<Finding> {
    let (long, short) = if longer(first.keep.as_ref()?.value, second.keep.as_ref()?.value) {
        (first, second)
    } else {
        (second, first)
    };
    let (longer, shorter) = (sets.class(long)?, sets.class(short)?);
    let ask = |wanted: &PathSet, other: &PathSet, shared: bool| {
        let mut terms = covered(reach, wanted);
        terms.push(term(other, &no_prefix(), shared));
        sets.search(&terms)
    };
    let SearchResult::Witness(path) = ask(&longer, &shorter, true) else {
        return None;
    };
    // A narrower class that keeps longer is an exception, and "forever" is always meant as one.
    let whole = ask(&shorter, &longer, false) == SearchResult::Empty;
    let forever = long.keep.as_ref().is_some_and(|keep| keep.value == Keep::Forever);
    if !whole && (forever || ask(&longer, &shorter, false) == SearchResult::Empty) {
        return None;
    }
    let message = if whole {
        no_effect(short, &format!("`{}` keeps", long.shown_name()))
    } else {
        format!(
            "classes `{}` and `{}` share files and keep them for different times",
            first.shown_name(),
            second.shown_name()
        )
    };
    let label = format!("`{}` is in both and is kept {}", sample(&path), keeps(long));
    Some(
        Finding::new(Code::ClassesOverlap, second.name_span(), message, label)
            .also(first.name_span(), format!("keeps {}", keeps(first)))
            .help("the longer time applies: change the globs so that they do not overlap, if this is not intended"),
    )
}

fn no_effect(class: &ClassNode, who_keeps: &str) -> String {
    format!(
        "class `{}` has no effect because {who_keeps} all of its files longer",
        class.shown_name()
    )
}

/// OPS5007: a class all of whose files others keep longer, where that is more than a pair of globs can show.
fn dead_class(reach: &Deletable<'_>, class: &ClassNode, sets: &PathSetCache) -> Option<Finding> {
    let keep = class.keep.as_ref()?.value;
    let own = covered(reach, &sets.class(class)?);
    let others = reach.claim.node.classes.iter().filter(|other| {
        let other = other.keep.as_ref();
        other.is_some_and(|other| other.value != keep && longer(other.value, keep))
    });
    let longer: Vec<(&ClassNode, PathCondition)> = others
        .filter_map(|other| Some((other, term(&sets.class(other)?, &no_prefix(), false))))
        .collect();
    // Mostly a first file shows that the class decides something.
    let SearchResult::Witness(path) = sets.search(&own) else {
        return None;
    };
    if longer.iter().all(|(_, other)| other.holds(&path)) {
        return None;
    }
    let covers = |by: &[(&ClassNode, PathCondition)]| {
        let terms: Vec<PathCondition> = own.iter().chain(by.iter().map(|(_, other)| other)).cloned().collect();
        sets.search(&terms) == SearchResult::Empty
    };
    if !covers(&longer) {
        return None;
    }
    let alone = longer.iter().find(|one| covers(std::slice::from_ref(one)));
    let by = match alone {
        // Reported for the pair.
        Some((other, _)) if other.keyword.is_none() && class.keyword.is_none() => return None,
        Some(one) => std::slice::from_ref(one),
        None => &longer,
    };
    let names: Vec<String> = by
        .iter()
        .map(|(other, _)| format!("`{}`", other.shown_name()))
        .collect();
    let message = match names.as_slice() {
        [one] => no_effect(class, &format!("{one} keeps")),
        all => no_effect(class, &format!("{} together keep", all.join(" and "))),
    };
    let label = format!("for example `{}`", sample(&path));
    let finding = Finding::new(Code::ClassesOverlap, class.name_span(), message, label).help(
        "the longer time applies: change the other classes so that they do not match its files, or delete this class",
    );
    let others = by.iter().take(4).map(|(other, _)| other);
    Some(others.fold(finding, |finding, other| {
        finding.also(other.name_span(), format!("keeps {}", keeps(other)))
    }))
}

fn longer(a: Keep, b: Keep) -> bool {
    match (a, b) {
        (Keep::Forever, _) => true,
        (_, Keep::Forever) => false,
        (Keep::For(a), Keep::For(b)) => a > b,
    }
}

/// `forever`, `30d`.
fn keeps(class: &ClassNode) -> String {
    match class.keep.as_ref().map(|keep| keep.value) {
        Some(Keep::Forever) => "forever".to_owned(),
        Some(Keep::For(duration)) => show_duration(duration),
        None => String::new(),
    }
}
