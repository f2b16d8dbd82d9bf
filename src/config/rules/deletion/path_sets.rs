//! Sets of relative paths as automata: is a combination of patterns empty, and if not, which path shows it.
//!
//! Takes patterns, gives [`PathSet`]s (anchored dense DFAs) and [`search`], a breadth-first walk through their
//! product. Knows nothing of backups or findings.
//! Invariant: [`SearchResult::Witness`] and [`SearchResult::Empty`] are exact; what is too large to be searched is
//! [`SearchResult::Unknown`]. A witness is a valid relative path, as short as possible and printable if it can be.
//!
//! The product of automata and breadth-first search for a shortest word are textbook (Hopcroft, Motwani, Ullman:
//! Introduction to Automata Theory, 4.2).

use super::keyword_regex;
use crate::model::pattern::Pattern;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Largest automaton and largest effort to build one, in bytes.
const MAX_AUTOMATON_BYTES: usize = 2 * 1024 * 1024;
/// Most states of a product that are looked at.
const MAX_PRODUCT_STATES: usize = 60_000;

/// Most keywords whose automata are remembered.
const MAX_KEYWORDS: usize = 100;

/// Every valid relative path: components that are not empty, not `.` and not `..`.
const VALID: &str = r"(?:[^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+)(?:/(?:[^/.\x00][^/\x00]*|\.[^/.\x00][^/\x00]*|\.\.[^/\x00]+))*";

/// A component that begins with a letter or digit and holds no blanks or odd signs.
const USUAL: &str = "[A-Za-z0-9][A-Za-z0-9._-]*";

#[derive(Debug, Clone)]
pub struct PathSet(Arc<dense::DFA<Vec<u32>>>);

impl PathSet {
    /// Paths that one of the patterns matches; with `below`, also everything below such a path.
    pub fn globs<'a>(patterns: impl Iterator<Item = &'a Pattern>, below: bool) -> Option<Self> {
        let parts: Vec<&str> = patterns.map(|pattern| body(pattern.to_regex())).collect();
        if parts.is_empty() {
            return Self::build(r"[^\x00-\xff]");
        }
        let tail = if below { "(?:/.*)?" } else { "" };
        Self::build(&format!("^(?:{}){tail}$", parts.join("|")))
    }

    /// Paths that contain a keyword.
    pub fn keyword(word: &str) -> Option<Self> {
        // Building one takes long, and a daemon reads the same file again and again.
        static KNOWN: LazyLock<Mutex<HashMap<String, Option<PathSet>>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KEYWORDS {
            known.clear();
        }
        let set = known.entry(word.to_owned()).or_insert_with(|| {
            let regex = keyword_regex::regex(word)?;
            Self::build(&format!("^{regex}$"))
        });
        set.clone()
    }

    /// Every valid relative path.
    pub fn valid() -> Option<Self> {
        static SET: LazyLock<Option<PathSet>> = LazyLock::new(|| PathSet::build(&format!("^(?:{VALID})$")));
        SET.clone()
    }

    /// Paths as people write them: preferred as witnesses.
    fn usual() -> Option<Self> {
        static SET: LazyLock<Option<PathSet>> = LazyLock::new(|| PathSet::build(&format!("^{USUAL}(?:/{USUAL})*$")));
        SET.clone()
    }

    /// Paths that one of the patterns matches, each with what is below it or without.
    pub fn mixed<'a>(patterns: impl Iterator<Item = (&'a Pattern, bool)>) -> Option<Self> {
        let parts: Vec<String> = patterns
            .map(|(pattern, below)| {
                let tail = if below { "(?:/.*)?" } else { "" };
                format!("(?:{}){tail}", body(pattern.to_regex()))
            })
            .collect();
        Self::build(&format!("^(?:{})$", parts.join("|")))
    }

    fn build(regex: &str) -> Option<Self> {
        let dense = dense::Config::new()
            .start_kind(StartKind::Anchored)
            // After a word was found, states differ only in what they found of it again: they are one.
            .minimize(true)
            .dfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .determinize_size_limit(Some(MAX_AUTOMATON_BYTES));
        let syntax = syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true);
        let nfa = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(MAX_AUTOMATON_BYTES));
        let mut builder = dense::Builder::new();
        let dfa = builder
            .configure(dense)
            .syntax(syntax)
            .thompson(nfa)
            .build(regex)
            .ok()?;
        Some(Self(Arc::new(dfa)))
    }

    /// The same for clones, and for no other set that lives at the same time.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
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
pub struct PathCondition {
    pub set: PathSet,
    pub prefix: Rc<[u8]>,
    /// Whether the path must be in the set or must not be.
    pub wanted: bool,
}

impl PathCondition {
    /// True when this very path meets the condition.
    pub fn holds(&self, path: &[u8]) -> bool {
        let mut whole = self.prefix.to_vec();
        whole.extend_from_slice(path);
        self.set
            .start(&whole)
            .is_some_and(|state| self.set.accepts(state) == self.wanted)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchResult {
    /// A shortest path that meets all conditions.
    Witness(Vec<u8>),
    Empty,
    Unknown,
}

/// Looks for a path that meets every condition; of several one that looks usual.
pub fn search(terms: &[PathCondition]) -> SearchResult {
    let answer = shortest(terms);
    if let SearchResult::Witness(_) = answer
        && let Some(usual) = PathSet::usual()
    {
        let mut terms = terms.to_vec();
        terms.push(PathCondition {
            set: usual,
            prefix: Rc::from([]),
            wanted: true,
        });
        if let better @ SearchResult::Witness(_) = shortest(&terms) {
            return better;
        }
    }
    answer
}

fn shortest(terms: &[PathCondition]) -> SearchResult {
    let start: Option<Vec<StateID>> = terms.iter().map(|term| term.set.start(&term.prefix)).collect();
    let Some(start) = start else {
        return SearchResult::Unknown;
    };
    let letters = letters(terms);
    let mut known = HashSet::from([start.clone()]);
    // In the order of the search, per state: the state before it and the byte that led here.
    let mut states: Vec<(Vec<StateID>, usize, u8)> = vec![(start, 0, 0)];
    let mut at = 0;
    while let Some((state, ..)) = states.get(at).cloned() {
        for &letter in &letters {
            let step = |(term, state): (&PathCondition, &StateID)| term.set.0.next_state(*state, letter);
            let next: Vec<StateID> = terms.iter().zip(&state).map(step).collect();
            let mut both = terms.iter().zip(&next);
            if both.any(|(term, state)| term.wanted && term.set.0.is_dead_state(*state)) || known.contains(&next) {
                continue;
            }
            let mut both = terms.iter().zip(&next);
            let found = both.all(|(term, state)| term.set.accepts(*state) == term.wanted);
            known.insert(next.clone());
            states.push((next, at, letter));
            if found {
                return SearchResult::Witness(spell(&states));
            }
            if states.len() > MAX_PRODUCT_STATES {
                return SearchResult::Unknown;
            }
        }
        at += 1;
    }
    SearchResult::Empty
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

/// One byte for each class of bytes that all automata treat alike: the most readable of the class, in the order in
/// which they should be tried.
fn letters(terms: &[PathCondition]) -> Vec<u8> {
    let readable = (b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(b'A'..=b'Z')
        .chain(*b"._-/")
        .chain(b' '..=b'~')
        .chain(0..=255);
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut letters = Vec::new();
    for byte in readable {
        let class: Vec<u8> = terms.iter().map(|term| term.set.0.byte_classes().get(byte)).collect();
        if seen.insert(class) {
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

    fn term(set: PathSet, wanted: bool) -> PathCondition {
        PathCondition {
            set,
            prefix: Rc::from([]),
            wanted,
        }
    }

    fn ask(sets: Vec<(PathSet, bool)>) -> Option<String> {
        let mut terms = vec![term(PathSet::valid().unwrap(), true)];
        terms.extend(sets.into_iter().map(|(set, wanted)| term(set, wanted)));
        match search(&terms) {
            SearchResult::Witness(path) => Some(String::from_utf8(path).unwrap()),
            SearchResult::Empty => None,
            SearchResult::Unknown => panic!("unknown"),
        }
    }

    #[test]
    fn shortest_witnesses() {
        assert_eq!(ask(vec![(globs(&["*.csv"], false), true)]).as_deref(), Some("a.csv"));
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

    /// The matchers that backups run with are the oracle.
    #[test]
    fn agrees_with_the_matchers() {
        use crate::model::pattern::{PatternSet, Selection, Selector};
        use crate::path::RelPath;
        let patterns = [
            "*",
            "**",
            "*.csv",
            "raw",
            "raw/*",
            "raw/**",
            "**/raw",
            "**/raw/**",
            "raw/**/*.csv",
            "?",
            "[a-c]",
            "[!a-c]*",
            "{a,b}*",
            "a\\*",
            ".*",
            "raw/?",
            "*/*",
            "**/*.csv",
            "r*w/x",
            "{raw,log}/**",
        ];
        let paths = [
            "a",
            "b",
            "d",
            ".a",
            "a*",
            "a.csv",
            ".csv",
            "raw",
            "raw/a",
            "raw/x",
            "raw/a.csv",
            "raw/x/a.csv",
            "x/raw",
            "x/raw/y",
            "x/raw/y/z.csv",
            "log/a",
            "raw.csv/a",
            "rw/x",
            "r-w/x",
            "r/w/x",
            "a/b",
            "a/b/c",
            "\n",
            "raw/\n",
            "\u{e9}",
            "raw/\u{e9}",
        ];
        for text in patterns {
            let pattern = Pattern::new(text).unwrap();
            let exact = term(PathSet::globs([&pattern].into_iter(), false).unwrap(), true);
            let below = term(PathSet::globs([&pattern].into_iter(), true).unwrap(), true);
            let matcher = PatternSet::new(std::slice::from_ref(&pattern));
            let mut selector = Selector::new(&Selection {
                include: vec![pattern],
                exclude: Vec::new(),
            });
            for path in paths {
                let rel = RelPath::new(path.as_bytes()).unwrap();
                assert_eq!(
                    exact.holds(path.as_bytes()),
                    matcher.matches(path.as_bytes()),
                    "{text} {path:?}"
                );
                assert_eq!(
                    below.holds(path.as_bytes()),
                    selector.standing(&rel).selected(),
                    "{text} {path:?}"
                );
            }
        }
    }
}
