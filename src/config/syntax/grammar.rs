//! Is a piece of mended text a well-formed node? Asked before the parser, which recurses on every error it meets.
//!
//! Takes the tokens of one piece, gives the first slip of every statement. Linear, no recursion. Knows KDL's shape
//! (names, values, properties, blocks), not the language of ops files.
//! Invariant: text that passes makes the parser fail at most at the inside of a multi-line string.

use crate::config::findings::excerpt;
use crate::config::syntax::lexer::{Token, TokenKind};
use std::borrow::Cow;

/// A slip: where, what, a label, what to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Slip {
    pub(in crate::config) start: usize,
    pub(in crate::config) end: usize,
    pub(in crate::config) message: &'static str,
    pub(in crate::config) label: &'static str,
    pub(in crate::config) help: Cow<'static, str>,
    /// What would mend it, and where it belongs.
    pub(in crate::config) insert: Option<(usize, &'static str)>,
}

/// Most multi-line strings in one node: the parser recurses on those that are indented wrongly.
const MOST_MULTILINE: usize = 100;

/// Something follows a block on its line.
const ENDED: &str = "a node ends with its block";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Name,
    /// Behind the name, an argument or a property; true when it could be the key of a property.
    Entries(bool),
    /// Behind `key=`.
    Value,
    /// Behind a block that is commented out: only blocks may follow.
    Blocks,
    Closed,
    /// A slip was said: skip to the statement's end.
    Lost,
}

pub(in crate::config) fn slips(text: &str, tokens: &[Token]) -> Vec<Slip> {
    let mut found = Vec::new();
    let mut at = At::Name;
    // For every open block: what its statement is at when it closes.
    let mut open: Vec<At> = Vec::new();
    let mut spaced = true;
    let mut dashed = false;
    let mut annotated = 0_usize;
    let mut multiline = 0_usize;
    // Where the last token that is no blank ends.
    let mut behind = 0_usize;
    // Where it begins.
    let mut begins = 0_usize;
    for token in tokens {
        let shown = text.get(token.start..token.end).unwrap_or_default();
        let mut slip = |at: &mut At, message, label, help| {
            found.push(Slip {
                start: token.start,
                end: token.end,
                message,
                label,
                help: Cow::Borrowed(help),
                insert: (*at == At::Closed && message == ENDED).then_some((behind, ";")),
            });
            *at = At::Lost;
        };
        if annotated > 0 {
            // The inside and the end of `(type)`, which `mend` has checked.
            annotated -= 1;
            spaced = true;
            continue;
        }
        match token.kind {
            TokenKind::Space | TokenKind::Comment { .. } => {
                spaced = true;
                continue;
            }
            TokenKind::Newline | TokenKind::Semicolon => {
                if at == At::Value {
                    slip(
                        &mut at,
                        "a property has no value",
                        "the line ends here",
                        "write `key=\"…\"`, or leave it out",
                    );
                }
                if !(dashed && token.kind == TokenKind::Newline) {
                    at = At::Name;
                    dashed = false;
                }
            }
            TokenKind::Paren => {
                annotated = 2;
                if !spaced && at != At::Value {
                    slip(
                        &mut at,
                        "two values touch",
                        "directly behind another value",
                        "put a space between them",
                    );
                }
                continue;
            }
            TokenKind::SlashDash => match at {
                At::Lost => {}
                At::Value => slip(
                    &mut at,
                    "a property has no value",
                    "`/-` begins a comment",
                    "put `/-` before the key",
                ),
                _ if dashed => slip(&mut at, "`/-` stands twice", "again here", "delete one of them"),
                _ if !spaced && at != At::Name => {
                    slip(
                        &mut at,
                        "`/-` touches a value",
                        "directly behind it",
                        "put a space before `/-`",
                    );
                }
                _ => {
                    dashed = true;
                    spaced = true;
                    continue;
                }
            },
            TokenKind::Word { .. } | TokenKind::Text { .. } => {
                let plain = matches!(token.kind, TokenKind::Text { .. }) || !is_literal(shown);
                multiline += usize::from(shown.trim_start_matches('#').starts_with("\"\"\""));
                match at {
                    At::Lost => {}
                    _ if multiline > MOST_MULTILINE => {
                        slip(
                            &mut at,
                            "too many strings of several lines in one node",
                            "more than 100",
                            "use one line for each, in `\"…\"`",
                        );
                    }
                    _ if bad_multiline(shown) => slip(
                        &mut at,
                        "a `\"\"\"` string begins and ends on lines of its own",
                        "text stands beside the quotes",
                        "use `\"…\"` for one line, or put the text on lines of its own",
                    ),
                    At::Name if plain => at = At::Entries(false),
                    At::Name => slip(
                        &mut at,
                        "a node begins with a name",
                        "a value",
                        "write the setting's name first",
                    ),
                    At::Value => at = At::Entries(false),
                    At::Entries(_) if !spaced => {
                        slip(
                            &mut at,
                            "two values touch",
                            "directly behind another value",
                            "put a space between them, or quotes around all of it",
                        );
                        let before = text.get(begins..token.start).unwrap_or_default();
                        if let Some(slip) = found.last_mut()
                            && let Some(help) = apart(before, shown)
                        {
                            slip.help = Cow::Owned(help);
                        }
                    }
                    At::Entries(_) => at = At::Entries(plain),
                    At::Blocks | At::Closed => slip(
                        &mut at,
                        ENDED,
                        "still on the line of the `}`",
                        "put a `;` or a new line behind the `}`",
                    ),
                }
                dashed = false;
            }
            TokenKind::Equals => match at {
                At::Lost => {}
                At::Entries(true) => {
                    at = At::Value;
                    spaced = true;
                    continue;
                }
                _ => slip(
                    &mut at,
                    "an `=` without a key",
                    "nothing to set before it",
                    "write `key=\"value\"` without a second `=`",
                ),
            },
            TokenKind::Open => {
                let after = match at {
                    At::Lost => At::Lost,
                    At::Name => {
                        slip(
                            &mut at,
                            "a block has no node name",
                            "a name belongs before it",
                            "write `name { … }`",
                        );
                        At::Lost
                    }
                    At::Value => {
                        slip(
                            &mut at,
                            "a property has no value",
                            "a block begins here",
                            "write `key=\"…\" {`",
                        );
                        At::Lost
                    }
                    At::Closed if !dashed => {
                        slip(
                            &mut at,
                            "a node has two blocks",
                            "the second one",
                            "put all of it into one block",
                        );
                        At::Lost
                    }
                    At::Entries(_) | At::Blocks if dashed => At::Blocks,
                    At::Closed | At::Entries(_) | At::Blocks => At::Closed,
                };
                open.push(after);
                at = At::Name;
                dashed = false;
            }
            TokenKind::Close => {
                if at == At::Value || dashed {
                    slip(
                        &mut at,
                        "something is missing before the `}`",
                        "the block ends here",
                        "finish the line before it",
                    );
                }
                at = open.pop().unwrap_or(At::Lost);
                dashed = false;
            }
        }
        spaced = false;
        behind = token.end;
        begins = token.start;
    }
    if (at == At::Value || dashed)
        && let Some(last) = tokens.last()
    {
        found.push(Slip {
            start: last.start,
            end: last.end,
            message: "something is missing at the end of a node",
            label: "the last that was read",
            help: Cow::Borrowed("finish it, or delete the unfinished part"),
            insert: None,
        });
    }
    found
}

/// Two values that touch, as two and as one; only where nothing in them is escaped.
fn apart(first: &str, second: &str) -> Option<String> {
    let plain = |value: &str| !value.contains(['\\', '#', '\n', '\r']) && value.matches('"').count() <= 2;
    let inside = |value: &str| value.trim_matches('"').to_owned();
    (plain(first) && plain(second)).then(|| {
        excerpt(&format!(
            "write `{first} {second}` for two, or `\"{}{}\"` for one",
            inside(first),
            inside(second)
        ))
    })
}

/// The nodes that `/-` comments out, each with the `;` that ends it: the parser takes no `;` behind one.
pub(in crate::config) fn commented_out(text: &str, tokens: &[Token]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    // The block that the node stands in, and where it begins.
    let mut inside: Option<(usize, usize)> = None;
    let mut depth = 0_usize;
    let mut begins = true;
    let mut dashed = false;
    let mut behind = 0;
    for token in tokens {
        match token.kind {
            TokenKind::Space | TokenKind::Comment { .. } => continue,
            // Lines may be skipped between `/-` and its node.
            TokenKind::Newline if dashed => continue,
            TokenKind::Newline | TokenKind::Semicolon => {
                let end = if token.kind == TokenKind::Semicolon {
                    token.end
                } else {
                    token.start
                };
                found.extend(inside.take_if(|(at, _)| *at == depth).map(|(_, start)| (start, end)));
                begins = true;
            }
            TokenKind::SlashDash if begins && inside.is_none() => inside = Some((depth, token.start)),
            TokenKind::Open => {
                depth += 1;
                begins = true;
            }
            TokenKind::Close => {
                found.extend(inside.take_if(|(at, _)| *at == depth).map(|(_, start)| (start, behind)));
                depth = depth.saturating_sub(1);
                begins = false;
            }
            _ => begins = false,
        }
        dashed = token.kind == TokenKind::SlashDash;
        behind = token.end;
    }
    found.extend(inside.map(|(_, start)| (start, text.len().min(behind))));
    found
}

/// Numbers and keywords, which can be no names.
fn is_literal(word: &str) -> bool {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    word.starts_with('#') || body.starts_with(|c: char| c.is_ascii_digit())
}

fn bad_multiline(shown: &str) -> bool {
    let inner = shown.trim_matches('#');
    let Some(body) = inner
        .strip_prefix("\"\"\"")
        .and_then(|body| body.strip_suffix("\"\"\""))
    else {
        return false;
    };
    let is_newline = crate::config::syntax::lexer::is_newline;
    let last = body.rsplit(is_newline).next().unwrap_or_default();
    !body.starts_with(is_newline) || !last.chars().all(crate::config::syntax::lexer::is_space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::lexer::tokens;

    fn count(text: &str) -> usize {
        slips(text, &tokens(text)).len()
    }

    #[test]
    fn well_formed_nodes_pass() {
        for text in [
            "a",
            "a 1 b=2 \"c\" d = \"e\" { f; g { h; } }",
            "a{b}",
            "/- a { b }",
            "a /- b c",
            "a /-{ b } { c }",
            "a { b } /- { c }",
            "/-\n a",
            "(t)a (u)\"b\" c=(v)d",
            "a \"\"\"\n b\n \"\"\"",
            "a /- b=1",
            "a { /- b; c }",
        ] {
            assert_eq!(slips(text, &tokens(text)), [], "{text}");
        }
    }

    #[test]
    fn slips_are_said_once_a_statement() {
        for text in [
            "{ a }",
            "a { b } c",
            "a=1",
            "a b=1=2",
            "a b= ",
            "a \"b\"\"c\"",
            "5 a",
            "#true",
            "a { b } { c }",
            "a /-",
            "/- /- a",
            "a \"\"\"b\"\"\"",
        ] {
            assert_eq!(count(text), 1, "{text}");
        }
        assert_eq!(count("a { { b }\n c=1; d }"), 2);
    }
}
