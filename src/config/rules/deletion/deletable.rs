//! What a retention may delete, as conditions on paths.
//!
//! Takes a retention and its backup, gives a [`Deletable`]: the automata of their patterns, and the conditions for "stored by
//! the backup" and "may be deleted".
//! Invariant: [`Deletable::deletable`] holds for every path that cleanup could ever delete by that class.

use crate::config::rules::deletion::path_cache::{PathSetCache, term};
use crate::config::rules::deletion::path_sets::{PathCondition, PathSet};
use crate::config::rules::names::ResolvedRetention;
use crate::model::Keep;
use std::path::Path;
use std::rc::Rc;

/// What a retention may delete below the source of its backup.
pub struct Deletable<'a> {
    pub claim: &'a ResolvedRetention<'a>,
    pub source: &'a Path,
    pub valid: PathSet,
    /// `None`: everything.
    pub include: Option<PathSet>,
    pub exclude: PathSet,
    pub spared: PathSet,
    pub finite: Vec<PathSet>,
    pub forever: Vec<PathSet>,
    /// False when an automaton was too large: nothing about it can be decided.
    pub decidable: bool,
}

impl<'a> Deletable<'a> {
    pub fn new(claim: &'a ResolvedRetention<'a>, sets: &PathSetCache) -> Option<Self> {
        let backup = claim.backup;
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
            source: &backup.source.as_ref()?.value,
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
    pub fn stored(&self, prefix: &Rc<[u8]>) -> Vec<PathCondition> {
        let mut terms = vec![term(&self.exclude, prefix, false)];
        terms.extend(self.include.as_ref().map(|set| term(set, prefix, true)));
        terms
    }

    /// What one finite class may delete; `prefix` is put before every path.
    pub fn deletable(&self, class: &PathSet, prefix: &Rc<[u8]>) -> Vec<PathCondition> {
        let mut terms = self.stored(prefix);
        terms.push(term(class, prefix, true));
        terms.push(term(&self.spared, prefix, false));
        terms.extend(self.forever.iter().map(|set| term(set, prefix, false)));
        terms
    }
}
