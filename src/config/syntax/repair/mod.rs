//! Text → text that the parser accepts, cut into top-level nodes, and a finding for every repair.
//!
//! Takes the text of one file. Common mistakes (`5m`, `# x`, `[a, b]`, bare `true`, a missing brace, an unquoted glob) are
//! reported and overwritten, byte for byte, so that one mistake hides no other. Comments become spaces: the parser's
//! handling of them recurses. Knows tokens, and of the language only which names are at the top of a file.
//! - `scan`: goes through the tokens, and calls `comments`, `operators`, `quotes`, `words`, `lists` and `characters`
//! - `multiline_lists` before it, `braces` and `pieces` after it · `repairer`: what they all write to
//!
//! Invariant: the repaired text is as long as the original, and every overwritten part of a value is marked as replaced.

mod braces;
mod characters;
mod comments;
mod lists;
mod multiline_lists;
mod operators;
mod pieces;
mod quotes;
mod repairer;
mod scan;
mod words;

pub use repairer::{Piece, RepairedText};

use crate::config::findings::Code;
use crate::config::syntax::{lexer, limits, other_formats};
use repairer::Repairer;

/// Repairs a text. Spans of findings start at `base`; `tops` are the names of top-level nodes.
pub fn repair(text: &str, base: usize, tops: &[&str]) -> RepairedText {
    let mut repairer = Repairer::new(text, base);
    let mut tokens = lexer::tokens(text);
    if let Some(found) = other_formats::detect(text, tops) {
        repairer.syntax_error(found.range, found.message, "ops files are written in KDL");
        repairer.help(found.help);
        return refused(repairer);
    }
    repairer.old_version();
    repairer.characters();
    repairer.multiline_lists(&mut tokens);
    repairer.braces_on_next_lines(&mut tokens);
    if repairer.exceeds_limits(&tokens) {
        return refused(repairer);
    }
    repairer.scan(&tokens);
    // Braces inside values and comments of other languages are gone by now.
    let mut tokens = repairer.tokens().unwrap_or(tokens);
    if repairer.braces(&tokens, tops) {
        tokens = repairer.tokens().unwrap_or(tokens);
    }
    // A `}` that is gone no longer ends a block.
    if repairer.exceeds_limits(&tokens) {
        return refused(repairer);
    }
    repairer.cut(&tokens, tops);
    repairer.finish()
}

fn refused(repairer: Repairer<'_>) -> RepairedText {
    RepairedText {
        refused: true,
        ..repairer.out
    }
}

impl Repairer<'_> {
    /// The tokens of the text as it is by now.
    fn tokens(&self) -> Option<Vec<lexer::Token>> {
        std::str::from_utf8(&self.bytes).ok().map(lexer::tokens)
    }

    fn exceeds_limits(&mut self, tokens: &[lexer::Token]) -> bool {
        let Some(excess) = limits::excess(tokens) else {
            return false;
        };
        self.report(Code::Limits, excess.token, excess.message, excess.label);
        self.help(excess.help);
        true
    }
}
