//! A [`KeywordMatcher`](crate::model::keyword::KeywordMatcher) as a regular expression over the bytes of a path.
//!
//! Takes the word, gives an expression that matches exactly the paths that contain it. A letter of the folded word can be
//! written in several ways, and a character such as `ß` can be several letters, of which the word may need only some: a
//! graph from the begin of the word to its end, each edge a text that a path may have there.
//! Invariant: [`regex`] agrees with the keyword on every path; a word that is too large gives none.

use crate::model::keyword::{fold, is_mark, joins};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

/// Characters whose fold is another text. Between these ranges are ideographs, private use and what has no capitals.
const FOLDED_RANGES: [RangeInclusive<char>; 5] = [
    '\u{41}'..='\u{33ff}',
    '\u{a000}'..='\u{abff}',
    '\u{d7b0}'..='\u{d7ff}',
    '\u{f900}'..='\u{1ffff}',
    '\u{2f800}'..='\u{2fa1f}',
];
const HANGUL: RangeInclusive<char> = '\u{ac00}'..='\u{d7a3}';

/// Longest letter with marks, most ways to write one, and longest expression, in bytes.
const MAX_LETTER: usize = 6;
const MAX_SPELLINGS: usize = 400;
const MAX_REGEX: usize = 64 * 1024;

/// Most letters that one character folds to.
const MAX_LETTERS_PER_CHARACTER: usize = 3;

/// An expression without anchors for the whole path.
pub(super) fn regex(word: &str) -> Option<String> {
    let word = fold(word);
    if word.is_empty() || word.first().copied().is_none_or(joins) {
        return None;
    }
    let graph = SpellingGraph::new(&word)?;
    let mut parts = Vec::new();
    if let Some(whole) = graph.paths(0, false, &mut HashMap::new())? {
        // Only behind a mark does it matter what follows; the automaton is a hundred times larger for it.
        parts.push(if word.last().copied().is_some_and(is_mark) {
            format!("{whole}(?:{}.*)?", NO_MARK.as_str())
        } else {
            format!("{whole}.*")
        });
    }
    if let Some(within) = graph.paths(0, true, &mut HashMap::new())? {
        parts.push(format!("{within}.*"));
    }
    let regex = format!(".*(?:{})", parts.join("|"));
    (regex.len() <= MAX_REGEX).then_some(regex)
}

/// By the first character of their fold, the characters that fold to another text, with that text.
struct Folds {
    by_first: HashMap<char, Vec<(char, Vec<char>)>>,
    /// Those that fold to more than one letter.
    several: Vec<(char, Vec<char>)>,
    /// Those that begin with a mark on the letter before.
    marks: Vec<char>,
}

static FOLDS: LazyLock<Folds> = LazyLock::new(|| Folds::of(FOLDED_RANGES.into_iter()));
static HANGUL_FOLDS: LazyLock<Folds> = LazyLock::new(|| Folds::of(std::iter::once(HANGUL)));

impl Folds {
    fn of(ranges: impl Iterator<Item = RangeInclusive<char>>) -> Self {
        let mut folds = Self {
            by_first: HashMap::new(),
            several: Vec::new(),
            marks: Vec::new(),
        };
        for c in ranges.flatten() {
            let folded = fold(c.encode_utf8(&mut [0; 4]));
            let Some(first) = folded.first().copied() else {
                continue;
            };
            if is_mark(first) {
                folds.marks.push(c);
            }
            if folded == [c] {
                continue;
            }
            if folded.iter().filter(|c| !joins(**c)).count() > 1 {
                folds.several.push((c, folded.clone()));
            }
            folds.by_first.entry(first).or_default().push((c, folded));
        }
        folds
    }
}

/// Anything but a mark: another character, or bytes that are not UTF-8.
static NO_MARK: LazyLock<String> = LazyLock::new(|| {
    let mut class = String::new();
    for c in &FOLDS.marks {
        // Writing to a string cannot fail.
        let _ = write!(class, r"\x{{{:x}}}", u32::from(*c));
    }
    // As the table of well-formed UTF-8 byte sequences: what begins like one and goes on otherwise, or ends.
    let tail = r"\x80-\xbf";
    let invalid = [
        r"[\x80-\xc1\xf5-\xff]".to_owned(),
        cut(r"[\xc2-\xdf]", &[tail]),
        cut(r"\xe0", &[r"\xa0-\xbf", tail]),
        cut(r"[\xe1-\xec\xee\xef]", &[tail, tail]),
        cut(r"\xed", &[r"\x80-\x9f", tail]),
        cut(r"\xf0", &[r"\x90-\xbf", tail, tail]),
        cut(r"[\xf1-\xf3]", &[tail, tail, tail]),
        cut(r"\xf4", &[r"\x80-\x8f", tail, tail]),
    ];
    format!("(?:(?u:[^{class}])|{})", invalid.join("|"))
});

/// A character of several bytes that is not finished.
fn cut(first: &str, rest: &[&str]) -> String {
    let Some((next, rest)) = rest.split_first() else {
        return first.to_owned();
    };
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!("|{}", cut(&format!("[{next}]"), rest))
    };
    format!(r"{first}(?:\z|[^{next}]{more})")
}

/// The letters of a folded word, and the texts that lead from one of their borders to another.
struct SpellingGraph {
    /// Where letters begin; the last is the end of the word.
    borders: Vec<usize>,
    /// By border: the border after the text; `None` when the text has more letters than the word needs.
    edges: Vec<BTreeMap<Option<usize>, BTreeSet<String>>>,
}

impl SpellingGraph {
    fn new(word: &[char]) -> Option<Self> {
        let mut borders: Vec<usize> = (0..word.len())
            .filter(|at| !word.get(*at).copied().is_some_and(joins))
            .collect();
        borders.push(word.len());
        let mut graph = Self {
            edges: vec![BTreeMap::new(); borders.len()],
            borders,
        };
        for from in 0..graph.borders.len() - 1 {
            for to in from + 1..graph.borders.len().min(from + 1 + MAX_LETTERS_PER_CHARACTER) {
                let letters = graph.part(word, from, to);
                if to == from + 1 && letters.len() > MAX_LETTER {
                    return None;
                }
                let several = |c: &[char]| folds_in(c, letters);
                if to > from + 1 && !FOLDS.several.iter().any(|(_, folded)| several(folded)) {
                    continue;
                }
                for text in spellings(String::new(), letters, 0)? {
                    if to == from + 1 || !divisible(&text, letters) {
                        graph.add(from, Some(to), text);
                    }
                }
            }
        }
        graph.add_ends(word);
        for (c, folded) in &FOLDS.several {
            graph.add_parts(word, *c, folded)?;
        }
        Some(graph)
    }

    fn part<'a>(&self, word: &'a [char], from: usize, to: usize) -> &'a [char] {
        let border = |at: usize| self.borders.get(at).copied().unwrap_or(word.len());
        word.get(border(from)..border(to)).unwrap_or_default()
    }

    fn add(&mut self, from: usize, to: Option<usize>, text: String) {
        if let Some(edges) = self.edges.get_mut(from) {
            edges.entry(to).or_default().insert(text);
        }
    }

    /// Characters of which the word needs only the begin.
    fn add_ends(&mut self, word: &[char]) {
        let last = self.borders.len() - 1;
        for from in 0..last {
            let rest = self.part(word, from, last).to_vec();
            let goes_on = |folded: &[char]| folded.strip_prefix(&*rest).is_some_and(|more| ends_within(word, more));
            let (Some(first), folds) = (rest.first(), [&*FOLDS, &*HANGUL_FOLDS]) else {
                continue;
            };
            let hangul = usize::from(matches!(first, '\u{1100}'..='\u{115f}'));
            for folds in folds.into_iter().take(1 + hangul) {
                let all = folds.by_first.get(first).into_iter().flatten();
                let ends: Vec<char> = all.filter(|(_, folded)| goes_on(folded)).map(|(c, _)| *c).collect();
                for c in ends {
                    self.add(from, None, c.to_string());
                }
            }
        }
    }

    /// Characters of several letters of which the word needs only the last, or some between.
    fn add_parts(&mut self, word: &[char], c: char, folded: &[char]) -> Option<()> {
        let last = self.borders.len() - 1;
        let starts_letter = |at: usize| !folded.get(at).copied().is_some_and(joins);
        for skipped in (1..folded.len()).filter(|at| starts_letter(*at)) {
            let rest = folded.get(skipped..).unwrap_or_default();
            if rest.strip_prefix(word).is_some_and(|more| ends_within(word, more)) {
                self.add(0, None, c.to_string());
            }
            let letters = rest.iter().filter(|c| !joins(**c)).count();
            if letters <= last {
                let wanted = self.part(word, 0, letters);
                for text in spellings(c.to_string(), wanted, skipped)? {
                    self.add(0, Some(letters), text);
                }
            }
        }
        Some(())
    }

    /// The texts from a border to the end of the word, or into a character that goes on behind it. The outer `None`:
    /// too large.
    #[expect(clippy::option_option, reason = "too large, and none at all")]
    fn paths(&self, from: usize, within: bool, known: &mut HashMap<usize, Option<String>>) -> Option<Option<String>> {
        if from + 1 == self.borders.len() {
            return Some((!within).then(String::new));
        }
        if let Some(text) = known.get(&from) {
            return Some(text.clone());
        }
        let mut ways = Vec::new();
        for (to, texts) in self.edges.get(from).into_iter().flatten() {
            let rest = match to {
                Some(to) => self.paths(*to, within, known)?,
                None => within.then(String::new),
            };
            if let Some(rest) = rest {
                let texts: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
                ways.push(format!("(?:{}){rest}", texts.join("|")));
            }
        }
        let text = (!ways.is_empty()).then(|| format!("(?:{})", ways.join("|")));
        if text.as_ref().is_some_and(|text| text.len() > MAX_REGEX) {
            return None;
        }
        known.insert(from, text.clone());
        Some(text)
    }
}

/// True when the word ends before `more` within one character.
fn ends_within(word: &[char], more: &[char]) -> bool {
    let marked = word.last().copied().is_some_and(is_mark);
    more.first().is_some_and(|next| !marked || !is_mark(*next))
}

/// Every byte by its number: an expression over bytes knows no characters.
fn escaped(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!(r"\x{byte:02x}")).collect();
    bytes.concat()
}

/// True when `part` needs nothing that is not in `all`.
fn folds_in(part: &[char], all: &[char]) -> bool {
    without(all, part).is_some()
}

fn without(all: &[char], part: &[char]) -> Option<Vec<char>> {
    let mut rest = all.to_vec();
    for c in part {
        let at = rest.iter().position(|other| other == c)?;
        rest.remove(at);
    }
    Some(rest)
}

/// Every text that begins with `begun` and folds to `letters` behind the first `skipped` characters of its fold.
/// `None` when there are too many.
fn spellings(begun: String, letters: &[char], skipped: usize) -> Option<BTreeSet<String>> {
    let begun_fold = fold(&begun);
    let Some(rest) = without(letters, begun_fold.get(skipped..).unwrap_or_default()) else {
        return Some(BTreeSet::new());
    };
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut todo = vec![(begun, rest)];
    while let Some((text, rest)) = todo.pop() {
        if rest.is_empty() {
            if fold(&text).get(skipped..) == Some(letters) {
                found.insert(text);
            }
            continue;
        }
        let distinct: BTreeSet<char> = rest.iter().copied().collect();
        for first in distinct {
            let same = (fold(first.encode_utf8(&mut [0; 4])) == [first]).then(|| (first, vec![first]));
            let folds = FOLDS.by_first.get(&first).into_iter().flatten().cloned();
            let hangul = matches!(first, '\u{1100}'..='\u{11ff}');
            let hangul = hangul.then(|| HANGUL_FOLDS.by_first.get(&first)).flatten();
            for (c, folded) in same
                .into_iter()
                .chain(folds)
                .chain(hangul.into_iter().flatten().cloned())
            {
                let Some(rest) = without(&rest, &folded) else {
                    continue;
                };
                let text = format!("{text}{c}");
                if seen.insert(text.clone()) {
                    todo.push((text, rest));
                }
                if seen.len() > MAX_SPELLINGS * 8 {
                    return None;
                }
            }
        }
    }
    (found.len() <= MAX_SPELLINGS).then_some(found)
}

/// True when a shorter edge leads through a border within `letters`.
fn divisible(text: &str, letters: &[char]) -> bool {
    let borders = (1..letters.len()).filter(|at| !letters.get(*at).copied().is_some_and(joins));
    let cuts: Vec<(Vec<char>, Vec<char>)> = text
        .char_indices()
        .skip(1)
        .map(|(at, _)| text.split_at(at))
        .map(|(a, b)| (fold(a), fold(b)))
        .collect();
    let parts: Vec<(&[char], &[char])> = borders.map(|at| letters.split_at(at)).collect();
    cuts.iter().any(|(a, b)| parts.iter().any(|(x, y)| a == x && b == y))
}

#[cfg(test)]
mod tests {
    use super::super::path_cache::{no_prefix, term};
    use super::super::path_sets::PathSet;
    use super::*;
    use crate::model::keyword::KeywordMatcher;
    use proptest::prelude::*;

    #[test]
    fn nothing_outside_the_ranges_folds() {
        let within = |c: char| FOLDED_RANGES.iter().chain(&[HANGUL]).any(|range| range.contains(&c));
        for c in ('\0'..=char::MAX).filter(|c| !within(*c)) {
            let folded = fold(&c.to_string());
            assert_eq!(folded, [c], "{c:?}");
            assert!(!joins(c), "{c:?}");
        }
    }

    fn agrees(word: &str, path: &[u8]) -> bool {
        let Some(set) = PathSet::keyword(word) else {
            return false;
        };
        let automaton = term(&set, &no_prefix(), true).holds(path);
        assert_eq!(automaton, KeywordMatcher::new(word).is_in(path), "{word:?} {path:?}");
        automaton
    }

    #[test]
    fn the_automaton_finds_what_the_run_finds() {
        for (word, path) in [
            ("ärger", "raw-ÄRGER.csv"),
            ("ärger", "A\u{308}RGER"),
            ("straße", "STRASSE"),
            ("strasse", "straße"),
            ("stras", "straße"),
            ("sei", "straßei"),
            ("office", "o\u{fb03}ce"),
            ("fig", "\u{fb03}g"),
            ("luật", "LU\u{e2}\u{323}T"),
            ("한국어", "\u{1112}\u{1161}\u{11ab}국어"),
            ("resume", "resumé"),
            ("resume", "resume\u{301}"),
            ("회의하", "회의한"),
            ("ΐάω", "\u{1fd3}ΆΩ"),
        ] {
            assert!(agrees(word, path.as_bytes()), "{word} {path}");
        }
        for (word, path) in [("résumé", "résume\u{301}\u{323}"), ("arger", "ärger"), ("sei", "ßéi")] {
            assert!(!agrees(word, path.as_bytes()), "{word} {path}");
        }
    }

    fn letter() -> impl Strategy<Value = char> {
        let of =
            "aAsSßẞſfﬀﬃieäÄéê\u{1ec7}\u{301}\u{308}\u{323}\u{302}\u{344}ΐΣσςᾳ\u{345}İıI한하\u{1112}\u{1161}\u{11ab}x/-";
        prop::sample::select(of.chars().collect::<Vec<char>>())
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            9 => letter().prop_map(|c| c.to_string().into_bytes()),
            1 => prop::sample::select(vec![vec![0xff], vec![0xc3], vec![0xcc], vec![0xe1, 0xbb]]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// One text, folded by the run and read by the automaton; half of the paths contain a spelling of the word.
        #[test]
        fn the_automaton_and_the_run_agree(
            word in prop::collection::vec(letter(), 1..5),
            before in prop::collection::vec(piece(), 0..4),
            after in prop::collection::vec(piece(), 0..4),
            upper in any::<bool>(),
            with in any::<bool>(),
        ) {
            let word: String = word.into_iter().collect();
            let mut path = before.concat();
            if with {
                let spelled = if upper { word.to_uppercase() } else { word.clone() };
                path.extend_from_slice(spelled.as_bytes());
            }
            path.extend(after.concat());
            agrees(&word, &path);
        }
    }
}
