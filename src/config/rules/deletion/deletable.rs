//! What a retention may delete, as conditions on paths.
//!
//! Takes a retention and its backup, gives a [`Reach`]: the automata of their patterns and the terms that say "stored
//! by the backup" and "may be deleted". Builds and asks each automaton once, since many jobs share their patterns.
//! Invariant: [`Reach::deletable`] holds for every path that cleanup could ever delete by that class.

use crate::config::nodes::ClassNode;
use crate::config::rules::deletion::path_sets::{Answer, PathSet, Term, search};
use crate::config::rules::validate::Claim;
use crate::config::source::{Span, Spanned};
use crate::model::Keep;
use crate::model::pattern::Pattern;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

/// Automata by what they were built from, and what was asked of them: many jobs share their patterns.
#[derive(Default)]
pub(in crate::config) struct Sets {
    built: RefCell<HashMap<SetKey, Option<PathSet>>>,
    answers: RefCell<HashMap<Vec<TermKey>, Answer>>,
}

/// Which automaton, behind which prefix, and its sign.
type TermKey = (usize, Rc<[u8]>, bool);

type SetKey = (Vec<String>, u8);

impl Sets {
    fn get(&self, texts: Vec<String>, kind: u8, build: impl FnOnce() -> Option<PathSet>) -> Option<PathSet> {
        if let Some(known) = self.built.borrow().get(&(texts.clone(), kind)) {
            return known.clone();
        }
        let built = build();
        self.built.borrow_mut().insert((texts, kind), built.clone());
        built
    }

    pub(in crate::config) fn globs(&self, patterns: &[Spanned<Pattern>], below: bool) -> Option<PathSet> {
        let texts = patterns.iter().map(|p| p.value.as_str().to_owned()).collect();
        self.get(texts, u8::from(below), || {
            PathSet::globs(patterns.iter().map(|p| &p.value), below)
        })
    }

    pub(in crate::config) fn search(&self, terms: &[Term]) -> Answer {
        let key: Vec<TermKey> = terms
            .iter()
            .map(|term| (term.set.identity(), Rc::clone(&term.prefix), term.wanted))
            .collect();
        if let Some(known) = self.answers.borrow().get(&key) {
            return known.clone();
        }
        let answer = search(terms);
        self.answers.borrow_mut().insert(key, answer.clone());
        answer
    }

    /// `include "*.csv"` also takes all of a directory named `x.csv`, but nobody means that: the includes without what
    /// is below those that look like files. `None` when none does.
    pub(in crate::config) fn likely(&self, include: &[Spanned<Pattern>]) -> Option<PathSet> {
        let file_like = |pattern: &Pattern| {
            let last = pattern.as_str().rsplit('/').next().unwrap_or_default();
            last.get(1..).is_some_and(|rest| rest.contains('.'))
        };
        if !include.iter().any(|p| file_like(&p.value)) {
            return None;
        }
        let texts = include.iter().map(|p| p.value.as_str().to_owned()).collect();
        self.get(texts, 4, || {
            PathSet::mixed(include.iter().map(|p| (&p.value, !file_like(&p.value))))
        })
    }

    pub(in crate::config) fn class(&self, class: &ClassNode) -> Option<PathSet> {
        match &class.keyword {
            Some(word) => self.get(vec![word.value.clone()], 2, || PathSet::keyword(&word.value)),
            None => self.globs(&class.globs, false),
        }
    }
}

/// What a retention may delete below the source of its backup.
pub(in crate::config) struct Reach<'a> {
    pub(in crate::config) claim: &'a Claim<'a>,
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

impl<'a> Reach<'a> {
    pub(in crate::config) fn new(claim: &'a Claim<'a>, sets: &Sets) -> Option<Self> {
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
    pub(in crate::config) fn stored(&self, prefix: &Rc<[u8]>) -> Vec<Term> {
        let mut terms = vec![term(&self.exclude, prefix, false)];
        terms.extend(self.include.as_ref().map(|set| term(set, prefix, true)));
        terms
    }

    /// What one finite class may delete; `prefix` stands before every path.
    pub(in crate::config) fn deletable(&self, class: &PathSet, prefix: &Rc<[u8]>) -> Vec<Term> {
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

pub(in crate::config) fn term(set: &PathSet, prefix: &Rc<[u8]>, wanted: bool) -> Term {
    Term {
        set: set.clone(),
        prefix: Rc::clone(prefix),
        wanted,
    }
}

pub(in crate::config) fn no_prefix() -> Rc<[u8]> {
    Rc::from([])
}
