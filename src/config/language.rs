//! Sets of relative paths as automata: is a combination of patterns empty, and if not, which path shows it.
//!
//! Takes patterns, gives [`PathSet`]s (anchored dense DFAs) and [`search`], a breadth-first walk through their
//! product. Knows nothing of backups or findings.
//! Invariant: [`Answer::Witness`] and [`Answer::Empty`] are exact; what is too large to be searched is
//! [`Answer::Unknown`]. A witness is a valid relative path, as short as possible and printable if it can be.
//!
//! The product of automata and breadth-first search for a shortest word are textbook (Hopcroft, Motwani, Ullman:
//! Introduction to Automata Theory, 4.2).

use crate::model::pattern::Pattern;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// Largest automaton and largest effort to build one, in bytes.
const LARGEST: usize = 2 * 1024 * 1024;
/// Most states of a product that are looked at.
const MOST_STATES: usize = 60_000;

/// Every valid relative path: components that are not empty, not `.` and not `..`.
const VALID: &str = r"(?:[^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+)(?:/(?:[^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+))*";

/// A set of paths.
#[derive(Debug, Clone)]
pub(super) struct PathSet(Rc<dense::DFA<Vec<u32>>>);

impl PathSet {
    /// Paths that one of the patterns matches; with `below`, also everything below such a path.
    pub(super) fn globs<'a>(patterns: impl Iterator<Item = &'a Pattern>, below: bool) -> Option<Self> {
        let parts: Vec<&str> = patterns.map(|pattern| body(pattern.to_regex())).collect();
        if parts.is_empty() {
            return Self::build(r"[^\x00-\xff]");
        }
        let tail = if below { "(?:/.*)?" } else { "" };
        Self::build(&format!("^(?:{}){tail}$", parts.join("|")))
    }

    /// Paths that contain a text, compared without ASCII case.
    pub(super) fn keyword(word: &str) -> Option<Self> {
        let mut regex = "^.*".to_owned();
        for byte in word.bytes() {
            let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
            regex.push_str(&format!(r"[\x{lower:02x}\x{upper:02x}]"));
        }
        Self::build(&(regex + ".*$"))
    }

    /// Every valid relative path.
    pub(super) fn valid() -> Option<Self> {
        Self::build(&format!("^(?:{VALID})$"))
    }

    fn build(regex: &str) -> Option<Self> {
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .dfa_size_limit(Some(LARGEST))
                    .determinize_size_limit(Some(LARGEST)),
            )
            .syntax(
                syntax::Config::new()
                    .unicode(false)
                    .utf8(false)
                    .dot_matches_new_line(true),
            )
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(LARGEST)))
            .build(regex)
            .ok()?;
        Some(Self(Rc::new(dfa)))
    }

    /// The state after reading `prefix`.
    fn start(&self, prefix: &[u8]) -> Option<StateID> {
        let config = start::Config::new().anchored(Anchored::Yes);
        let mut state = self.0.start_state(&config).ok()?;
        for byte in prefix {
            state = self.0.next_state(state, *byte);
        }
        Some(state)
    }

    fn accepts(&self, state: StateID) -> bool {
        self.0.is_match_state(self.0.next_eoi_state(state))
    }
}

/// The inside of an anchored expression as globset writes it.
fn body(regex: &str) -> &str {
    let regex = regex.strip_prefix("(?-u)").unwrap_or(regex);
    let regex = regex.strip_prefix('^').unwrap_or(regex);
    regex.strip_suffix('$').unwrap_or(regex)
}

/// One condition of a [`search`]: the path, behind `prefix`, is in the set, or is not.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) set: PathSet,
    pub(super) prefix: Rc<[u8]>,
    /// Whether the path must be in the set or must not be.
    pub(super) wanted: bool,
}

impl Term {
    /// True when this very path meets the condition.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        let mut whole = self.prefix.to_vec();
        whole.extend_from_slice(path);
        self.set
            .start(&whole)
            .is_some_and(|state| self.set.accepts(state) == self.wanted)
    }
}

/// What a [`search`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A shortest path that meets all conditions.
    Witness(Vec<u8>),
    /// There is none.
    Empty,
    /// The search was given up.
    Unknown,
}

/// Looks for a path that meets every condition.
pub(super) fn search(terms: &[Term]) -> Answer {
    let Some(start) = terms
        .iter()
        .map(|term| term.set.start(&term.prefix))
        .collect::<Option<Vec<_>>>()
    else {
        return Answer::Unknown;
    };
    let letters = letters(terms);
    // Per state: the state before it and the byte that led here.
    let mut states: Vec<(Vec<StateID>, usize, u8)> = Vec::new();
    let mut known: HashMap<Vec<StateID>, ()> = HashMap::new();
    let mut queue = VecDeque::new();
    known.insert(start.clone(), ());
    states.push((start, 0, 0));
    queue.push_back(0_usize);
    while let Some(at) = queue.pop_front() {
        let Some((state, _, _)) = states.get(at).cloned() else {
            return Answer::Unknown;
        };
        for &letter in &letters {
            let next: Vec<StateID> = terms
                .iter()
                .zip(&state)
                .map(|(term, state)| term.set.0.next_state(*state, letter))
                .collect();
            let lost = terms
                .iter()
                .zip(&next)
                .any(|(term, state)| term.wanted && term.set.0.is_dead_state(*state));
            if lost || known.contains_key(&next) {
                continue;
            }
            let found = terms
                .iter()
                .zip(&next)
                .all(|(term, state)| term.set.accepts(*state) == term.wanted);
            known.insert(next.clone(), ());
            states.push((next, at, letter));
            if found {
                return Answer::Witness(spell(&states));
            }
            if states.len() > MOST_STATES {
                return Answer::Unknown;
            }
            queue.push_back(states.len() - 1);
        }
    }
    Answer::Empty
}

/// The bytes that lead to the last state.
fn spell(states: &[(Vec<StateID>, usize, u8)]) -> Vec<u8> {
    let mut path = Vec::new();
    let mut at = states.len() - 1;
    while at != 0 {
        let Some((_, before, byte)) = states.get(at) else {
            break;
        };
        path.push(*byte);
        at = *before;
    }
    path.reverse();
    path
}

/// One byte for each class of bytes that no automaton tells apart: the most readable of the class, in the order in
/// which they should be tried.
fn letters(terms: &[Term]) -> Vec<u8> {
    let readable = (b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(b'A'..=b'Z')
        .chain(*b"._-/")
        .chain(b' '..=b'~')
        .chain(0..=255);
    let mut seen: HashMap<Vec<u8>, ()> = HashMap::new();
    let mut letters = Vec::new();
    for byte in readable {
        let class: Vec<u8> = terms.iter().map(|term| term.set.0.byte_classes().get(byte)).collect();
        if seen.insert(class, ()).is_none() {
            letters.push(byte);
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(texts: &[&str], below: bool) -> PathSet {
        let patterns: Vec<Pattern> = texts.iter().map(|t| Pattern::new(t).unwrap()).collect();
        PathSet::globs(patterns.iter(), below).unwrap()
    }

    fn term(set: PathSet, wanted: bool) -> Term {
        Term {
            set,
            prefix: Rc::from([]),
            wanted,
        }
    }

    fn ask(sets: Vec<(PathSet, bool)>) -> Option<String> {
        let mut terms = vec![term(PathSet::valid().unwrap(), true)];
        terms.extend(sets.into_iter().map(|(set, wanted)| term(set, wanted)));
        match search(&terms) {
            Answer::Witness(path) => Some(String::from_utf8(path).unwrap()),
            Answer::Empty => None,
            Answer::Unknown => panic!("unknown"),
        }
    }

    #[test]
    fn shortest_witnesses() {
        assert_eq!(ask(vec![(globs(&["*.csv"], false), true)]).as_deref(), Some(".csv"));
        assert_eq!(ask(vec![(globs(&["raw/**"], false), true)]).as_deref(), Some("raw/a"));
        assert_eq!(ask(vec![(globs(&["**"], false), true)]).as_deref(), Some("a"));
        assert_eq!(
            ask(vec![(PathSet::keyword("Raw").unwrap(), true)]).as_deref(),
            Some("raw")
        );
    }

    #[test]
    fn emptiness_is_exact() {
        let csv = || globs(&["*.csv"], false);
        assert_eq!(ask(vec![(csv(), true), (globs(&["*.json"], false), true)]), None);
        assert_eq!(ask(vec![(csv(), true), (globs(&["**"], true), false)]), None);
        assert_eq!(
            ask(vec![
                (globs(&["raw/*.csv"], false), true),
                (globs(&["raw"], true), false)
            ]),
            None
        );
        assert_eq!(
            ask(vec![(globs(&["raw/*"], false), true), (globs(&["*.csv"], true), false)]).as_deref(),
            Some("raw/a")
        );
        // A directory that is excluded takes what is below it.
        assert_eq!(
            ask(vec![
                (csv(), true),
                (globs(&["tmp"], true), false),
                (globs(&["tmp/**"], false), true)
            ]),
            None
        );
    }

    #[test]
    fn no_pattern_is_the_empty_set() {
        assert_eq!(ask(vec![(globs(&[], true), true)]), None);
    }

    #[test]
    fn never_a_dot_component() {
        assert_eq!(
            ask(vec![(globs(&["?"], false), true), (globs(&["[a-z]"], false), false)]).as_deref(),
            Some("0")
        );
        let witness = ask(vec![(globs(&["\\.*"], false), true)]).unwrap();
        assert_eq!(witness, ".a");
    }
}
