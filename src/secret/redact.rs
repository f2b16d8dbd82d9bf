//! Taking secrets out of a stream of bytes.
//!
//! Takes all forms of all secrets ([`Matcher`]) and a text in any pieces ([`Redactor`]), gives the text with
//! `[secret]` in their place. Whatever a form covers goes, also where forms overlap: one mark replaces all
//! that is connected. Of a long form only its beginning is searched for; from there on it is followed byte by byte, so that
//! the automaton stays small, and a long secret goes as far as it was printed.
//! Invariant: what is given out can be no part of a form that ends later.

use crate::process::Sieve;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Replaces a secret.
pub(super) const MARK: &[u8] = b"[secret]";
/// How much of a form is searched for.
pub(super) const BEGINNING: usize = 256;

#[derive(Default)]
pub(super) struct Matcher {
    automaton: Option<(NFA, StateID)>,
    /// By pattern: its length, and how the forms that begin with it go on.
    patterns: Vec<(usize, Vec<Vec<u8>>)>,
    /// The length of the longest pattern.
    longest: usize,
}

impl Matcher {
    pub(super) fn new(forms: &BTreeSet<Vec<u8>>) -> Self {
        let mut beginnings: BTreeMap<&[u8], Vec<Vec<u8>>> = BTreeMap::new();
        for form in forms {
            let (beginning, rest) = form.split_at(form.len().min(BEGINNING));
            let rests = beginnings.entry(beginning).or_default();
            if !rest.is_empty() {
                rests.push(rest.to_vec());
            }
        }
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(beginnings.keys())
            .ok()
            .and_then(|automaton| {
                let start = automaton.start_state(Anchored::No).ok()?;
                Some((automaton, start))
            });
        Self {
            automaton,
            longest: beginnings.keys().map(|b| b.len()).max().unwrap_or(0),
            patterns: beginnings.into_iter().map(|(b, rests)| (b.len(), rests)).collect(),
        }
    }
}

/// Takes secrets out of a text that comes in pieces.
#[derive(Default)]
pub struct Redactor {
    matcher: Arc<Matcher>,
    state: Option<StateID>,
    /// What came and was not given out, from position `from` on.
    held: Vec<u8>,
    from: usize,
    /// Position behind the last byte that came.
    at: usize,
    /// What is to be marked, in order and apart from each other.
    covered: VecDeque<(usize, usize)>,
    /// To where the last mark that was given out reaches.
    marked: usize,
    following: Vec<Followed>,
    /// Something came that could not be searched.
    withheld: bool,
}

/// A long form, whose beginning was found.
struct Followed {
    start: usize,
    pattern: usize,
    rest: usize,
    matched: usize,
}

impl Redactor {
    pub(super) fn new(matcher: Arc<Matcher>) -> Self {
        Self {
            state: matcher.automaton.as_ref().map(|(_, start)| *start),
            matcher,
            ..Self::default()
        }
    }

    fn search(&mut self, piece: &[u8]) {
        let matcher = Arc::clone(&self.matcher);
        let (Some((automaton, _)), Some(mut state)) = (&matcher.automaton, self.state) else {
            return;
        };
        for byte in piece {
            self.at += 1;
            if !self.following.is_empty() {
                self.follow(&matcher, *byte);
            }
            state = automaton.next_state(Anchored::No, state, *byte);
            if !automaton.is_special(state) || !automaton.is_match(state) {
                continue;
            }
            for index in 0..automaton.match_len(state) {
                let pattern = automaton.match_pattern(state, index).as_usize();
                let Some((length, rests)) = matcher.patterns.get(pattern) else {
                    continue;
                };
                let start = self.at.saturating_sub(*length);
                self.cover(start);
                self.following.extend((0..rests.len()).map(|rest| Followed {
                    start,
                    pattern,
                    rest,
                    matched: 0,
                }));
            }
        }
        self.state = Some(state);
    }

    /// Goes on with the forms whose beginnings were found, as far as they agree with what comes.
    fn follow(&mut self, matcher: &Matcher, byte: u8) {
        let mut following = std::mem::take(&mut self.following);
        following.retain_mut(|followed| {
            let rests = matcher.patterns.get(followed.pattern).map(|(_, rests)| rests);
            let rest = rests.and_then(|rests| rests.get(followed.rest));
            let agrees = rest.and_then(|rest| rest.get(followed.matched)) == Some(&byte);
            if agrees {
                followed.matched += 1;
                self.cover(followed.start);
            }
            agrees
        });
        self.following = following;
    }

    /// Everything from `start` to here is secret.
    fn cover(&mut self, mut start: usize) {
        while let Some((from, _)) = self.covered.pop_back_if(|(_, to)| *to > start) {
            start = start.min(from);
        }
        if start < self.marked {
            self.marked = self.at;
        } else {
            self.covered.push_back((start, self.at));
        }
    }

    /// Gives out what is before `to`.
    fn give(&mut self, to: usize, kept: &mut Vec<u8>) {
        let mut at = self.from;
        let plain = |from: usize, to: usize| {
            self.held
                .get(from.saturating_sub(self.from)..to.saturating_sub(self.from))
                .unwrap_or_default()
        };
        while let Some((start, end)) = self.covered.pop_front_if(|(start, _)| *start < to) {
            kept.extend_from_slice(plain(at.max(self.marked), start));
            kept.extend_from_slice(MARK);
            self.marked = end;
            at = end;
        }
        kept.extend_from_slice(plain(at.max(self.marked), to));
        self.held.drain(..to.saturating_sub(self.from).min(self.held.len()));
        self.from = to.max(self.from);
    }
}

impl Sieve for Redactor {
    fn feed(&mut self, piece: &[u8], kept: &mut Vec<u8>) {
        if self.matcher.patterns.is_empty() {
            kept.extend_from_slice(piece);
            return;
        }
        if self.state.is_none() {
            // There are secrets, but no way to search for them: nothing may be shown.
            self.withheld = true;
            return;
        }
        self.held.extend_from_slice(piece);
        self.search(piece);
        // A form that ends with the next byte begins here at the earliest.
        let open = self.matcher.longest.saturating_sub(1);
        self.give(self.at.saturating_sub(open), kept);
    }

    fn finish(&mut self, kept: &mut Vec<u8>) {
        self.give(self.at, kept);
        if self.withheld {
            kept.extend_from_slice(MARK);
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_that_cannot_be_searched() {
        let blind = Matcher {
            patterns: vec![(1, Vec::new())],
            ..Matcher::default()
        };
        let mut redactor = Redactor::new(Arc::new(blind));
        let mut kept = Vec::new();
        redactor.feed(b"hunter2", &mut kept);
        redactor.finish(&mut kept);
        assert_eq!(kept, b"[secret]");
    }
}
