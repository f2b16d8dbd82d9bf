//! What a retention may delete, as conditions on paths.
//!
//! Takes a retention and its backup, gives a [`Deletable`]: the automata of their patterns, and the conditions for "stored by
//! the backup" and "may be deleted".
//! Invariant: [`Deletable::deletable`] holds for every path that cleanup could ever delete by that class.

use crate::config::rules::deletion::path_cache::{PathSetCache, term};
use crate::config::rules::deletion::path_sets::{PathCondition, PathSet};
use crate::config::rules::resolved::ResolvedRetention;
use crate::config::source::Span;
use crate::model::Keep;
use std::path::Path;
use std::rc::Rc;

/// What a retention may delete below the source of its backup.
pub(in crate::config) struct Deletable<'a> {
    pub(in crate::config) claim: &'a ResolvedRetention<'a>,
    pub(in crate::config) source: &'a Path,
    pub(in crate::config) valid: PathSet,
    /// `None`: everything.
    pub(in crate::config) include: Option<PathSet>,
    pub(in crate::config) exclude: PathSet,
    pub(in crate::config) spared: PathSet,
    pub(in crate::config) finite: Vec<PathSet>,
    pub(in crate::config) forever: Vec<PathSet>,
    /// False when an automaton was too large: nothing about it can be decided.
    pub(in crate::config) decidable: bool,
}

impl<'a> Deletable<'a> {
    pub(in crate::config) fn new(claim: &'a ResolvedRetention<'a>, sets: &PathSetCache) -> Option<Self> {
        let backup = claim.backup.node;
        let valid = PathSet::valid()?;
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
    pub(in crate::config) fn stored(&self, prefix: &Rc<[u8]>) -> Vec<PathCondition> {
        let mut terms = vec![term(&self.exclude, prefix, false)];
        terms.extend(self.include.as_ref().map(|set| term(set, prefix, true)));
        terms
    }

    /// What one finite class may delete; `prefix` is put before every path.
    pub(in crate::config) fn deletable(&self, class: &PathSet, prefix: &Rc<[u8]>) -> Vec<PathCondition> {
        let mut terms = self.stored(prefix);
        terms.push(term(class, prefix, true));
        terms.push(term(&self.spared, prefix, false));
        terms.extend(self.forever.iter().map(|set| term(set, prefix, false)));
        terms
    }

    pub(in crate::config) fn name_span(&self) -> Span {
        self.claim
            .node
            .job
            .name
            .as_ref()
            .map_or(self.claim.node.job.head, |name| name.span)
    }
}
