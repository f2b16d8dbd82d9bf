//! [`KeywordMatcher`]: a text that paths contain or do not, whatever its capitals and however its accents are written.
//!
//! Takes the bytes of a path. Texts compare as Unicode's canonical caseless match does (full case folding between two
//! canonical decompositions), except that the iota below a Greek letter stays a mark. Turkish `ı` and `İ` fold as in
//! every language. Bytes that are not UTF-8 equal only themselves.
//! Invariant: a letter with a mark never equals the letter alone, but for the last letter of the word: what follows that
//! does not count, whether a mark or another letter.
//!
//! `config::rules::deletion::keyword_regex` says the same as a regular expression.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// The iota below: it would fold to a letter of its own, behind all other marks.
const IOTA_BELOW: char = '\u{345}';

/// Above every character: where a byte that is not UTF-8 goes.
const INVALID: u32 = 0x11_0000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordMatcher {
    folded: Vec<u32>,
    /// The same, when it is ASCII.
    ascii: Option<Vec<u8>>,
}

impl KeywordMatcher {
    pub fn new(word: &str) -> Self {
        Self {
            folded: fold_bytes(word.as_bytes()),
            ascii: word.is_ascii().then(|| word.to_ascii_lowercase().into_bytes()),
        }
    }

    pub fn is_in(&self, path: &[u8]) -> bool {
        if path.is_ascii() {
            // The fold of ASCII is ASCII; what other words fold to ASCII is compared as any other.
            if let Some(word) = &self.ascii {
                return path.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
            }
        }
        let path = fold_bytes(path);
        // Behind a mark no other mark may follow: their order says nothing.
        let is_mark = |code: Option<&u32>| code.copied().and_then(char::from_u32).is_some_and(is_mark);
        let marked = is_mark(self.folded.last());
        let ends = |at: usize| !marked || !is_mark(path.get(at));
        let mut parts = path.windows(self.folded.len().max(1)).enumerate();
        parts.any(|(at, part)| part == self.folded && ends(at + part.len()))
    }
}

/// True for what belongs to the letter before it: combining marks, and the later parts of a Hangul syllable.
pub fn joins(c: char) -> bool {
    let hangul = matches!(c, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7fb}');
    hangul || is_mark(c)
}

pub fn is_mark(c: char) -> bool {
    canonical_combining_class(c) != 0
}

/// What a text is compared by.
pub fn fold(text: &str) -> Vec<char> {
    let decomposed = text.chars().nfd();
    let folded = decomposed.flat_map(|c| {
        let keep = (c == IOTA_BELOW).then_some(c);
        let fold = (c != IOTA_BELOW).then_some(c).into_iter().default_case_fold();
        keep.into_iter().chain(fold)
    });
    folded.nfd().collect()
}

fn fold_bytes(bytes: &[u8]) -> Vec<u32> {
    let mut folded = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().is_ascii() {
            folded.extend(chunk.valid().bytes().map(|byte| u32::from(byte.to_ascii_lowercase())));
        } else {
            folded.extend(fold(chunk.valid()).into_iter().map(u32::from));
        }
        folded.extend(chunk.invalid().iter().map(|byte| INVALID + u32::from(*byte)));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(word: &str, path: &str) -> bool {
        KeywordMatcher::new(word).is_in(path.as_bytes())
    }

    #[test]
    fn capitals_of_every_alphabet_are_one() {
        for (word, path) in [
            ("decision", "a/DECISION-1.csv"),
            ("ärger", "raw-ÄRGER.csv"),
            ("ÄRGER", "raw-ärger.csv"),
            ("straße", "STRASSE/x"),
            ("STRASSE", "straße/x"),
            ("strasse", "STRAẞE"),
            ("решение", "РЕШЕНИЕ.txt"),
            ("σοφός", "ΣΟΦΌΣ"),
            ("kelvin", "\u{212a}elvin"),
            ("office", "o\u{fb03}ce"),
        ] {
            assert!(found(word, path), "{word} {path}");
        }
    }

    #[test]
    fn an_accent_may_be_written_either_way() {
        assert!(found("ärger", "A\u{308}rger"));
        assert!(found("a\u{308}rger", "ÄRGER"));
        // As Windows writes Vietnamese: one mark in the letter, the other behind it.
        assert!(found("luật", "lu\u{e2}\u{323}t"));
        assert!(found("한국어", "\u{1112}\u{1161}\u{11ab}국어"));
        assert!(!found("arger", "ärger"));
        assert!(!found("café", "cafe") && !found("cafe\u{301}", "cafe\u{301}\u{323}"));
        // What follows the word does not count.
        for path in ["resumé", "resume\u{301}", "resumes"] {
            assert!(found("resume", path), "{path}");
        }
        assert!(found("회의하", "회의한"));
    }

    /// In Turkish these are two letters, with and without a dot. Which language a name is in is not known.
    #[test]
    fn turkish_letters_fold_as_in_every_language() {
        assert!(found("ıslak", "ıSLAK"));
        assert!(!found("ıslak", "ISLAK"));
        assert!(found("islak", "ISLAK"));
        assert!(found("i\u{307}slak", "İSLAK"));
        assert!(!found("islak", "İSLAK"));
    }

    #[test]
    fn bytes_that_are_not_utf8_equal_only_themselves() {
        let word = KeywordMatcher::new("ärger");
        assert!(word.is_in(b"\xff\xc3\x84RGER\xfe"));
        assert!(!word.is_in(b"\xc4rger"));
        assert!(!KeywordMatcher::new("rger").is_in(b"\xc3\x84rge\xff"));
    }
}
