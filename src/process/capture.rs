//! What is kept of an output of any length: its beginning and its end.
//!
//! Takes bytes in any pieces, gives a [`Captured`] of bounded size. What comes passes a [`Sieve`] first, so that
//! nothing that it takes out can survive at a border: neither between pieces nor where the middle is dropped.
//! Knows nothing of processes. Invariant: memory stays bounded by what is to be kept and by one piece.

use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureLimits {
    pub head: usize,
    pub tail: usize,
}

impl Default for CaptureLimits {
    fn default() -> Self {
        let (head, tail) = (8 * 1024, 8 * 1024);
        Self { head, tail }
    }
}

/// Removes secrets from an output.
pub trait Sieve {
    /// Takes the next piece; appends what may be kept, now or with a later piece.
    fn feed(&mut self, piece: &[u8], kept: &mut Vec<u8>);
    /// Nothing more comes: appends the rest.
    fn finish(&mut self, kept: &mut Vec<u8>);
}

pub trait Sift {
    fn sieve(&self) -> Box<dyn Sieve>;
}

#[derive(Debug, Clone, Copy)]
pub struct Unsifted;

impl Sift for Unsifted {
    fn sieve(&self) -> Box<dyn Sieve> {
        Box::new(Self)
    }
}

impl Sieve for Unsifted {
    fn feed(&mut self, piece: &[u8], kept: &mut Vec<u8>) {
        kept.extend_from_slice(piece);
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}
}

/// What was kept. Bytes as they came, NUL and control characters too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The beginning; all of it when nothing was dropped.
    pub head: Vec<u8>,
    /// Bytes that were dropped behind it.
    pub dropped: u64,
    /// The end, when something was dropped.
    pub tail: Vec<u8>,
}

pub(super) struct Capture {
    keep: CaptureLimits,
    sieve: Box<dyn Sieve>,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
    /// What passed the sieve, for a moment.
    passed: Vec<u8>,
}

impl Capture {
    pub(super) fn new(keep: CaptureLimits, sieve: Box<dyn Sieve>) -> Self {
        Self {
            keep,
            sieve,
            head: Vec::new(),
            tail: VecDeque::new(),
            dropped: 0,
            passed: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.sieve.feed(piece, &mut self.passed);
        self.store();
    }

    fn store(&mut self) {
        let room = self.keep.head.saturating_sub(self.head.len());
        let (first, rest) = self.passed.split_at(room.min(self.passed.len()));
        self.head.extend_from_slice(first);
        // Of a long piece only its end has a chance.
        let surplus = rest.len().saturating_sub(self.keep.tail);
        let last = rest.get(surplus..).unwrap_or_default();
        let out = (self.tail.len() + last.len()).saturating_sub(self.keep.tail);
        self.tail.drain(..out);
        self.tail.extend(last);
        self.dropped += (surplus + out) as u64;
        self.passed.clear();
    }

    pub(super) fn finish(mut self) -> Captured {
        self.sieve.finish(&mut self.passed);
        self.store();
        let (mut head, mut tail, mut dropped) = (self.head, Vec::from(self.tail), self.dropped);
        if dropped == 0 {
            head.append(&mut tail);
            return Captured { head, dropped, tail };
        }
        // Neither border goes through a character.
        let whole = head.len() - incomplete(&head);
        dropped += (head.len() - whole) as u64;
        head.truncate(whole);
        let torn = tail.iter().take(3).take_while(|b| is_continuation(**b)).count();
        dropped += torn as u64;
        tail.drain(..torn);
        Captured { head, dropped, tail }
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// How many bytes at the end begin a UTF-8 character that goes on behind it.
fn incomplete(bytes: &[u8]) -> usize {
    let continued = bytes.iter().rev().take(3).take_while(|b| is_continuation(**b)).count();
    let needed = match bytes.iter().rev().nth(continued) {
        Some(0b1100_0000..=0b1101_1111) => 2,
        Some(0b1110_0000..=0b1110_1111) => 3,
        Some(0b1111_0000..=0b1111_0111) => 4,
        _ => 0,
    };
    if continued + 1 < needed { continued + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEEP: CaptureLimits = CaptureLimits { head: 10, tail: 7 };

    fn captured<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Captured {
        let mut capture = Capture::new(KEEP, Unsifted.sieve());
        for piece in pieces {
            capture.feed(piece);
        }
        capture.finish()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let all = captured([b"0123456789".as_slice(), b"abcdefg"]);
        assert_eq!(
            (all.head.as_slice(), all.dropped, all.tail.len()),
            (b"0123456789abcdefg".as_slice(), 0, 0)
        );
        let more = captured([b"0123456789abcdefgh".as_slice()]);
        assert_eq!(more.head, b"0123456789");
        assert_eq!(more.dropped, 1);
        assert_eq!(more.tail, b"bcdefgh");
    }

    #[test]
    fn no_character_is_cut() {
        // The 10th byte of the beginning and the 7th from the end are within a character.
        let text = "123456789€, and much more, and then ünd €€";
        let cut = captured([text.as_bytes()]);
        assert_eq!(std::str::from_utf8(&cut.head), Ok("123456789"));
        assert_eq!(std::str::from_utf8(&cut.tail), Ok(" €€"));
        assert_eq!(cut.head.len() + cut.dropped as usize + cut.tail.len(), text.len());
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "\\PC{0,60}", cuts in prop::collection::vec(0_usize..200, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let whole = captured([bytes]);
            prop_assert_eq!(&captured(pieces), &whole);
            prop_assert_eq!(whole.head.len() + whole.dropped as usize + whole.tail.len(), bytes.len());
            prop_assert!(bytes.starts_with(&whole.head) && bytes.ends_with(&whole.tail));
            prop_assert!(std::str::from_utf8(&whole.head).is_ok() && std::str::from_utf8(&whole.tail).is_ok());
        }
    }
}
