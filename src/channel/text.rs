//! A message in words, as long as there is room.
//!
//! Takes a message, how much room there is, and how characters are counted and written there; gives lines: the title,
//! what happened, single things, what to try, how to see the run, and where and when it was. Where it becomes too long, the last of the
//! single things go first.
//! Pure. Invariant: never more than there is room for, and no line holds a control character.

use super::line::{Room, line, written};
use super::message::Message;
use crate::model::channel::Severity;

/// In one character: how grave it is.
fn mark(message: &Message) -> char {
    match message.severity {
        _ if message.is_over() => '🟢',
        Severity::Critical => '🔴',
        Severity::Warning => '🟠',
        Severity::Info => '🔵',
    }
}

pub fn whole(message: &Message, room: Room) -> String {
    lines(message, Some(format!("{} {}", mark(message), message.title())), room)
}

/// The message without its title.
pub fn body(message: &Message, room: Room) -> String {
    lines(message, None, room)
}

/// The title, at most so many characters.
pub fn title(message: &Message, most: usize) -> String {
    line(&message.title(), most)
}

fn lines(message: &Message, title: Option<String>, room: Room) -> String {
    // In the order of the text, each with its turn to get room.
    let mut all: Vec<(usize, String)> = Vec::new();
    all.extend(title.map(|title| (0, title)));
    all.push((2, message.summary.clone()));
    all.extend(message.details.iter().map(|detail| (4, format!("• {detail}"))));
    all.extend(message.help.iter().map(|help| (3, format!("→ {help}"))));
    all.extend(message.show.iter().map(|show| (3, format!("to see the run: {show}"))));
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

fn footer(message: &Message) -> String {
    let at = message.at.format("%Y-%m-%d %H:%M:%S UTC");
    match &message.run {
        Some(run) => format!("{} · {at} · run {run}", message.host),
        None => format!("{} · {at}", message.host),
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::plainly;
    use super::super::tests as samples;
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
        to see the run: opsrun history 01KJN8ZQ3V0000000000000000
        web1 · 2026-03-01 12:00:00 UTC · run 01KJN8ZQ3V0000000000000000
        ");
        insta::assert_snapshot!(whole(&samples::recovery(), UTF16), @r"
        🟢 [shop] check:broker recovered: ok
        connected in 2 ms
        to see the run: opsrun history 01KJN8ZQ3V0000000000000000
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
        • 0 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        → nothing listens there: check host and port
        to see the run: opsrun history 01KJN8ZQ3V0000000000000000
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
                let lines = 6 + message.details.len();
                prop_assert!(text.lines().count() <= lines);
            }
            prop_assert!(title(&message, most).chars().count() <= most);
        }
    }
}
