//! Classes that match nothing that may be deleted (OPS5002), or that the backup stores only in part (OPS5014).
//!
//! Invariant: an error is reported only with a proof.

use super::deletable::Deletable;
use super::path_cache::{PathSetCache, no_prefix, term};
use super::path_sets::{PathCondition, SearchResult};
use crate::config::findings::{Code, Finding, excerpt};
use crate::config::nodes::ClassNode;
use crate::config::source::Spanned;
use crate::model::Keep;
use crate::path::Shown;

pub(super) fn sample(path: &[u8]) -> String {
    excerpt(&Shown(path).to_string())
}

/// OPS5002 and OPS5014.
pub fn classes(reach: &Deletable<'_>, sets: &PathSetCache, findings: &mut Vec<Finding>) {
    let none = no_prefix();
    for class in &reach.claim.node.classes {
        if let Some(set) = sets.class(class) {
            let own = vec![term(&reach.valid, &none, true), term(&set, &none, true)];
            let asked = AskedClass {
                reach,
                class,
                sets,
                own,
            };
            findings.extend(asked.judged());
        }
    }
}

struct AskedClass<'a> {
    reach: &'a Deletable<'a>,
    class: &'a ClassNode,
    sets: &'a PathSetCache,
    /// Valid paths of the class.
    own: Vec<PathCondition>,
}

impl AskedClass<'_> {
    /// Looks for a path of the class that also meets these conditions.
    fn search(&self, more: impl IntoIterator<Item = PathCondition>) -> SearchResult {
        let terms: Vec<PathCondition> = self.own.iter().cloned().chain(more).collect();
        self.sets.search(&terms)
    }

    fn is_empty(&self, more: impl IntoIterator<Item = PathCondition>) -> bool {
        self.search(more) == SearchResult::Empty
    }

    fn finding(&self, code: Code, message: String, label: String) -> Finding {
        Finding::new(code, self.class.name_span(), message, label)
    }

    fn judged(&self) -> Option<Finding> {
        let (reach, class) = (self.reach, self.class.shown_name());
        let (node, backup) = (reach.claim.backup, reach.claim.backup.name());
        let empty = |message, label| self.finding(Code::EmptyClass, message, label);
        let example = match self.search([]) {
            SearchResult::Witness(path) => sample(&path),
            SearchResult::Empty => {
                let message = format!("class `{class}` cannot match any path");
                return Some(empty(message, "matches nothing".to_owned()).help("fix its globs, or delete it"));
            }
            SearchResult::Unknown => return None,
        };
        let none = no_prefix();
        let label = format!("matches for example `{example}`");
        let never = "or delete the class: files that are not copied are never deleted";
        if self.is_empty(reach.include.as_ref().map(|set| term(set, &none, true))) {
            let message = format!("class `{class}` matches nothing that backup `{backup}` includes");
            let here = format!("`{example}` is not included here");
            let finding = empty(message, label).also(Spanned::whole(&node.include), here);
            return Some(finding.help(format!("{} of the backup, {never}", self.extend_include())));
        }
        if self.is_empty(reach.stored(&none)) {
            let message = format!("backup `{backup}` excludes everything that class `{class}` matches");
            let finding = empty(message, label).also(Spanned::whole(&node.exclude), "excluded here");
            return Some(finding.help(format!("narrow `exclude` of the backup, {never}")));
        }
        let spared = term(&reach.spared, &none, false);
        if self.is_empty(reach.stored(&none).into_iter().chain([spared])) {
            let message = format!("`exclude` of the retention excludes everything that class `{class}` matches");
            let finding = empty(message, label).also(Spanned::whole(&reach.claim.node.exclude), "excluded here");
            return Some(finding.help("narrow `exclude` of the retention, or delete the class"));
        }
        match self.sets.likely(&node.include) {
            Some(likely) if self.is_empty([term(&likely, &none, true)]) => self.unlikely(),
            _ => self.partly(),
        }
    }

    fn extend_include(&self) -> String {
        match self.class.globs.first() {
            Some(glob) => format!("add \"{}\" to `include`", excerpt(glob.value.as_str())),
            None => "extend `include`".to_owned(),
        }
    }

    /// OPS5002 as a warning: not proven, since only odd names of directories would fill the class.
    fn unlikely(&self) -> Option<Finding> {
        let SearchResult::Witness(odd) = self.search(self.reach.stored(&no_prefix())) else {
            return None;
        };
        let (class, node) = (self.class.shown_name(), self.reach.claim.backup);
        let message = format!(
            "class `{class}` matches almost nothing that backup `{}` includes",
            node.name()
        );
        let label = format!("it could match only paths such as `{}`", sample(&odd));
        Some(
            self.finding(Code::EmptyClass, message, label)
                .warning()
                .also(Spanned::whole(&node.include), "does not include such files")
                .help(format!("{} of the backup, or delete the class", self.extend_include())),
        )
    }

    /// OPS5014: only for globs that delete. A keyword is a filter over what there is, and "forever" deletes nothing.
    fn partly(&self) -> Option<Finding> {
        let (reach, none) = (self.reach, no_prefix());
        let finite = self.class.keep.as_ref().is_some_and(|keep| keep.value != Keep::Forever);
        if self.class.keyword.is_some() || !finite {
            return None;
        }
        let spared = || term(&reach.spared, &none, false);
        let outside = reach
            .include
            .as_ref()
            .map(|set| self.search([spared(), term(set, &none, false)]));
        let answer = match outside {
            Some(SearchResult::Witness(path)) => SearchResult::Witness(path),
            _ => self.search([spared(), term(&reach.exclude, &none, true)]),
        };
        let SearchResult::Witness(path) = answer else {
            return None;
        };
        let (class, backup) = (self.class.shown_name(), reach.claim.backup.name());
        let message = format!("backup `{backup}` stores only a part of class `{class}`");
        let label = format!("`{}` is never deleted, at any age", sample(&path));
        Some(self.finding(Code::PartlyCovered, message, label).help(format!(
            "only copied files are deleted: let class and backup match the same files, or add `allow \"{}\" reason=\"…\"`",
            Code::PartlyCovered.slug()
        )))
    }
}
