//! Classes of one retention that match the same files and keep them differently (OPS5007).

use super::deletable::Deletable;
use super::empty_class::{class_name, sample};
use super::path_cache::{PathSetCache, no_prefix, term};
use super::path_sets::{PathSet, SearchResult};
use crate::config::findings::{Code, Finding};
use crate::config::nodes::ClassNode;
use crate::model::Keep;
use crate::units::show_duration;
use std::collections::HashSet;

/// Most classes of one retention that are compared with one another.
const MAX_CLASSES: usize = 50;

/// OPS5007: two glob classes that share files, unless the narrower one keeps longer, as an exception does.
pub(in crate::config) fn overlapping_classes(reach: &Deletable<'_>, sets: &PathSetCache, findings: &mut Vec<Finding>) {
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
            if a.value == b.value || first.keyword.is_some() || second.keyword.is_some() || classes.len() > MAX_CLASSES
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
            let SearchResult::Witness(path) = ask(&long, &short, true) else {
                continue;
            };
            // A narrower class that keeps longer is an exception, and "forever" is always meant as one.
            let whole = ask(&short, &long, false) == SearchResult::Empty;
            let forever = longer.keep.as_ref().is_some_and(|keep| keep.value == Keep::Forever);
            if !whole && (forever || ask(&long, &short, false) == SearchResult::Empty) {
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
                    "class `{}` has no effect because `{}` keeps all of its files longer",
                    class_name(shorter),
                    class_name(longer)
                )
            } else {
                format!(
                    "classes `{}` and `{}` match the same files and keep them for different times",
                    class_name(first),
                    class_name(second)
                )
            };
            findings.push(
                Finding::new(
                    Code::ClassesOverlap,
                    span(second),
                    message,
                    format!("`{}` is in both and is kept {}", sample(&path), keeps(longer)),
                )
                .also(span(first), format!("keeps {}", keeps(first)))
                .help("the longer time applies: change the globs so that they do not overlap, if this is not intended"),
            );
        }
    }
}

/// OPS5007: classes all of whose files others hold longer, where that is more than a pair of globs can show. Gives them.
fn dead_classes(reach: &Deletable<'_>, sets: &PathSetCache, findings: &mut Vec<Finding>) -> HashSet<usize> {
    let none = no_prefix();
    let classes = &reach.claim.node.classes;
    let mut dead = HashSet::new();
    if classes.len() > MAX_CLASSES {
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
        let SearchResult::Witness(path) = sets.search(&own) else {
            continue;
        };
        if longer.iter().all(|(_, other)| term(other, &none, false).holds(&path)) {
            continue;
        }
        let covered = |by: &[(&ClassNode, PathSet)]| {
            let mut terms = own.clone();
            terms.extend(by.iter().map(|(_, other)| term(other, &none, false)));
            sets.search(&terms) == SearchResult::Empty
        };
        if !covered(&longer) {
            continue;
        }
        let alone = longer.iter().find(|one| covered(std::slice::from_ref(one)));
        let by = match alone {
            // Reported for the pair.
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
                    "class `{}` has no effect because {one} keeps all of its files longer",
                    class_name(class)
                ),
                all => format!(
                    "class `{}` has no effect because {} together keep all of its files longer",
                    class_name(class),
                    all.join(" and ")
                ),
            },
            format!("for example `{}`", sample(&path)),
        );
        for (other, _) in by.iter().take(4) {
            let keeps = other
                .keep
                .as_ref()
                .map_or_else(String::new, |keep| show_keep(keep.value));
            finding = finding.also(span(other), format!("keeps {keeps}"));
        }
        findings.push(finding.help("the longer time applies: change the other classes so that they do not match its files, or delete this class"));
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
