//! What an ops file may be at most, so that reading one stays cheap.
//!
//! Takes tokens, gives the first block that is nested too deeply. Linear, no recursion: this comes before anything
//! that recurses.

use crate::config::syntax::lexer::{Token, TokenKind};

/// Bytes of one file.
pub const MAX_FILE_SIZE: usize = 4 * 1024 * 1024;
pub const MAX_BLOCK_DEPTH: usize = 64;
/// The parser takes exponential time in the nesting of commented-out blocks.
const MAX_COMMENTED_OUT_DEPTH: usize = 2;

/// A block beyond a limit.
pub(super) struct NestingExcess {
    pub(super) token: Token,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: &'static str,
}

pub(super) fn excess(tokens: &[Token]) -> Option<NestingExcess> {
    // For every open block: whether a `/-` was before it in its node.
    let mut open: Vec<bool> = Vec::new();
    let mut commented_out = 0;
    let mut pending = false;
    let mut after_dash = false;
    for &token in tokens {
        if !token.is_blank() && token.kind != TokenKind::Newline {
            after_dash = token.kind == TokenKind::SlashDash;
        }
        match token.kind {
            TokenKind::SlashDash => pending = true,
            TokenKind::Semicolon => pending = false,
            // After `/-` lines may be skipped before what it comments out.
            TokenKind::Newline if !after_dash => pending = false,
            TokenKind::Open => {
                open.push(pending);
                commented_out += usize::from(pending);
                pending = false;
                if open.len() > MAX_BLOCK_DEPTH {
                    return Some(NestingExcess {
                        token,
                        message: format!("blocks are nested more than {MAX_BLOCK_DEPTH} levels deep"),
                        label: format!("level {} starts here", MAX_BLOCK_DEPTH + 1),
                        help: "an ops file needs three levels: look for a surplus `{` above",
                    });
                }
                if commented_out > MAX_COMMENTED_OUT_DEPTH {
                    return Some(NestingExcess {
                        token,
                        message: "commented-out blocks are nested too deeply".to_owned(),
                        label: format!("more than {MAX_COMMENTED_OUT_DEPTH} levels of `/-`"),
                        help: "delete the inner `/-`: the outer one already comments out the whole block",
                    });
                }
            }
            TokenKind::Close => {
                commented_out -= usize::from(open.pop().unwrap_or(false));
                pending = false;
            }
            TokenKind::Space
            | TokenKind::Newline
            | TokenKind::Equals
            | TokenKind::Paren
            | TokenKind::Comment { .. }
            | TokenKind::Text { .. }
            | TokenKind::Word { .. } => {}
        }
    }
    None
}
