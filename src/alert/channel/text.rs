//! A message in words, as long as there is room.
//!
//! Takes a message, how much room there is, and how characters are counted and written there; gives lines: the title,
//! what happened, single things, what to try, and where and when it was. Where it becomes too long, the last of the
//! single things go first.
//! Pure. Invariant: never more than there is room for, and no line holds a control character.

use crate::alert::message::Message;
use crate::model::channel::Severity;

/// How much room there is, and how a text is written there.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// So much.
    pub(super) most: usize,
    /// Of this.
    pub(super) size: fn(char) -> usize,
    /// What is written for a character of the message.
    pub(super) write: fn(char, &mut String),
}

/// What is written for a character where all of them stand for themselves.
pub(super) fn plainly(c: char, out: &mut String) {
    out.push(c);
}

/// In one character: how grave it is.
pub(super) fn mark(message: &Message) -> char {
    match message.severity {
        _ if message.is_over() => '🟢',
        Severity::Critical => '🔴',
        Severity::Warning => '🟠',
        Severity::Info => '🔵',
    }
}

/// The whole message, its title first.
pub(super) fn whole(message: &Message, room: Room) -> String {
    lines(message, Some(format!("{} {}", mark(message), message.title())), room)
}

/// The message without its title.
pub(super) fn body(message: &Message, room: Room) -> String {
    lines(message, None, room)
}

/// The title, at most so many characters.
pub(super) fn title(message: &Message, most: usize) -> String {
    line(&message.title(), most)
}

/// Any text in one line, at most so many characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let room = Room {
        most,
        size: |_| 1,
        write: plainly,
    };
    written(text, room)
}

fn lines(message: &Message, title: Option<String>, room: Room) -> String {
    // In the order of the text, each with its turn to get room.
    let mut all: Vec<(usize, String)> = Vec::new();
    all.extend(title.map(|title| (0, title)));
    all.push((2, message.summary.clone()));
    all.extend(message.details.iter().map(|detail| (4, format!("• {detail}"))));
    all.extend(message.help.iter().map(|help| (3, format!("→ {help}"))));
    all.push((1, footer(message)));
    let mut turns: Vec<usize> = (0..all.len()).collect();
    turns.sort_by_key(|at| all.get(*at).map(|(turn, _)| *turn));

    let mut left = room.most;
    let mut kept: Vec<(usize, String)> = Vec::new();
    for at in turns {
        let Some((turn, line)) = all.get(at) else {
            continue;
        };
        let newline = if kept.is_empty() { 0 } else { (room.size)('\n') };
        // The title leaves room for the others.
        let most = if *turn == 0 {
            left / 2
        } else {
            left.saturating_sub(newline)
        };
        let line = written(line, Room { most, ..room });
        if !line.is_empty() {
            left -= newline + line.chars().map(room.size).sum::<usize>();
            kept.push((at, line));
        }
    }
    kept.sort_by_key(|(at, _)| *at);
    let lines: Vec<String> = kept.into_iter().map(|(_, line)| line).collect();
    lines.join("\n")
}

/// Where and when it was.
fn footer(message: &Message) -> String {
    let at = message.at.format("%Y-%m-%d %H:%M:%S UTC");
    match &message.run {
        Some(run) => format!("{} · {at} · run {run}", message.host),
        None => format!("{} · {at}", message.host),
    }
}

/// One line as it is written there, cut with `…` to what there is room for; nothing when there is none.
fn written(line: &str, room: Room) -> String {
    let ellipsis = (room.size)('…');
    let (mut used, mut out, mut cut) = (0, String::new(), None);
    for c in line.chars().map(|c| if is_blank(c) { ' ' } else { c }) {
        let before = out.len();
        (room.write)(c, &mut out);
        let size: usize = out.get(before..).unwrap_or_default().chars().map(room.size).sum();
        if used + size > room.most {
            out.truncate(cut.unwrap_or(0));
            if room.most >= ellipsis {
                out.push('…');
            }
            return out;
        }
        // From here on there may be no room for the mark.
        if used + ellipsis <= room.most {
            cut = Some(before);
        }
        used += size;
    }
    out
}

/// What would move a cursor or break a line.
fn is_blank(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use proptest::prelude::*;

    const UTF16: Room = Room {
        most: 400,
        size: char::len_utf16,
        write: plainly,
    };

    #[test]
    fn a_message_in_words() {
        insta::assert_snapshot!(whole(&samples::trouble(), UTF16), @r"
        🔴 [shop] check:broker is critical
        127.0.0.1:5672: connection refused
        • 3 of 3 attempts
        → nothing listens there: check host and port
        web1 · 2026-03-01 12:00:00 UTC · run 01KJN8ZQ3V0000000000000000
        ");
        insta::assert_snapshot!(whole(&samples::recovery(), UTF16), @r"
        🟢 [shop] check:broker recovered: ok
        connected in 2 ms
        web1 · 2026-03-01 12:00:00 UTC · run 01KJN8ZQ3V0000000000000000
        ");
        insta::assert_snapshot!(body(&samples::probe(), UTF16), @r"
        this is a test: nothing is wrong
        web1 · 2026-03-01 12:00:00 UTC
        ");
    }

    #[test]
    fn what_is_long_loses_single_things_first() {
        let mut long = samples::trouble();
        long.details = (0..10).map(|n| format!("{n} {}", "x".repeat(60))).collect();
        insta::assert_snapshot!(whole(&long, Room { most: 300, ..UTF16 }), @r"
        🔴 [shop] check:broker is critical
        127.0.0.1:5672: connection refused
        • 0 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        • 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        → nothing listens there: check host and port
        web1 · 2026-03-01 12:00:00 UTC · run 01KJN8ZQ3V0000000000000000
        ");
    }

    proptest! {
        #[test]
        fn there_is_always_room(
            summary in "\\PC{0,80}|(?s).{0,80}",
            details in prop::collection::vec("(?s).{0,80}", 0..5),
            most in 0_usize..200,
            bytes in any::<bool>(),
        ) {
            let message = Message { summary, details, ..samples::trouble() };
            let doubling = |c, out: &mut String| { out.push('\\'); out.push(c); };
            let size = if bytes { char::len_utf8 } else { char::len_utf16 };
            for write in [plainly as fn(char, &mut String), doubling] {
                let text = whole(&message, Room { most, size, write });
                prop_assert!(text.chars().map(size).sum::<usize>() <= most);
                prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
                let lines = 5 + message.details.len();
                prop_assert!(text.lines().count() <= lines);
            }
            prop_assert!(title(&message, most).chars().count() <= most);
        }
    }
}
