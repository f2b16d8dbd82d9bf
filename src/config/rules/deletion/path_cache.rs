//! Automata of patterns, each built and asked once: many jobs share their patterns.

use crate::config::nodes::ClassNode;
use crate::config::rules::deletion::path_sets::{PathCondition, PathSet, SearchResult, search};
use crate::config::source::Spanned;
use crate::model::pattern::Pattern;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Automata by what they were built from, and what was asked of them.
#[derive(Default)]
pub struct PathSetCache {
    built: RefCell<HashMap<PatternsKey, Option<PathSet>>>,
    answers: RefCell<HashMap<Vec<ConditionKey>, SearchResult>>,
}

/// Which automaton, behind which prefix, and its sign.
type ConditionKey = (usize, Rc<[u8]>, bool);

type PatternsKey = (Vec<String>, u8);

impl PathSetCache {
    fn get(&self, texts: Vec<String>, kind: u8, build: impl FnOnce() -> Option<PathSet>) -> Option<PathSet> {
        if let Some(known) = self.built.borrow().get(&(texts.clone(), kind)) {
            return known.clone();
        }
        let built = build();
        self.built.borrow_mut().insert((texts, kind), built.clone());
        built
    }

    pub fn globs(&self, patterns: &[Spanned<Pattern>], below: bool) -> Option<PathSet> {
        let texts = patterns.iter().map(|p| p.value.as_str().to_owned()).collect();
        let patterns = patterns.iter().map(|p| &p.value);
        self.get(texts, u8::from(below), || PathSet::globs(patterns, below))
    }

    pub fn search(&self, terms: &[PathCondition]) -> SearchResult {
        let key: Vec<ConditionKey> = terms
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

    /// `include "*.csv"` also takes all of a directory named `x.csv`, which is rarely intended: the includes without what
    /// is below those that look like files. `None` when none does.
    pub fn likely(&self, include: &[Spanned<Pattern>]) -> Option<PathSet> {
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

    pub fn class(&self, class: &ClassNode) -> Option<PathSet> {
        match &class.keyword {
            Some(word) => self.get(vec![word.value.clone()], 2, || PathSet::keyword(&word.value)),
            None => self.globs(&class.globs, false),
        }
    }
}

pub fn term(set: &PathSet, prefix: &Rc<[u8]>, wanted: bool) -> PathCondition {
    PathCondition {
        set: set.clone(),
        prefix: Rc::clone(prefix),
        wanted,
    }
}

pub fn no_prefix() -> Rc<[u8]> {
    Rc::from([])
}

/// What comes before paths below a directory.
pub fn prefix(dir: &Path) -> Rc<[u8]> {
    let mut prefix = dir.as_os_str().as_bytes().to_vec();
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    Rc::from(prefix)
}

pub fn joined(dir: &Path, witness: Vec<u8>) -> PathBuf {
    dir.join(OsString::from_vec(witness))
}
