//! What targets and the checks that ask a command have in common: what a child printed, in lines for people.
//!
//! Takes bytes of any kind, and how a child ended; gives what can be shown. Knows nothing of retries.
//! Invariant: every line that it gives is one line, and short.

use super::outcome;
use crate::process::{Captured, Ending, Ladder};
use crate::run::{Outcome, State};
use crate::secret::SecretError;
use crate::signal::Stop;
use std::borrow::Cow;

/// No line of output is shown longer, in characters.
const LINE: usize = 200;

/// A secret that could not be fetched; `state` unless the run must stop.
pub(super) fn without_secret(error: &SecretError, state: State, stop: &Stop) -> Outcome {
    if error.is_stop() {
        return stopped(stop, "");
    }
    outcome(state, error.to_string()).with_help(error.help())
}

/// The outcome of a stop; `more` follows after a semicolon.
pub(super) fn stopped(stop: &Stop, more: &str) -> Outcome {
    let signal = stop.signal().map(|signal| super::interrupted(signal).summary);
    let summary = signal.unwrap_or_else(|| "stopped".to_owned());
    let between = if more.is_empty() { "" } else { "; " };
    outcome(State::Interrupted, format!("{summary}{between}{more}"))
}

/// What to do about a command that ended like this.
pub(super) fn advice(ending: Ending, shell: bool) -> &'static str {
    match ending {
        Ending::Exited(127) if shell => {
            "the shell did not find a program: check its name, and PATH where opsrun is started"
        }
        Ending::Exited(126) if shell => "the shell could not run a program: check that it is executable",
        Ending::Exited(_) => {
            "`opsrun history last` shows what it printed; if this code means success, add it to `ok-codes`"
        }
        Ending::Signalled(9) => "another process killed it, or the system did because memory ran out (see `dmesg`)",
        Ending::Signalled(_) => "`opsrun history last` shows what it printed; opsrun did not send the signal",
        Ending::TimedOut(_, Ladder::Survived) | Ending::Stopped(Ladder::Survived) => {
            "look for processes that wait for a device or a server (state D in `ps`), or that run as another user"
        }
        Ending::TimedOut(..) => "find out what is slow, or raise `timeout`",
        Ending::Stopped(_) => "run it again",
    }
}

/// The last lines of what was printed that are not empty, at most so many.
pub(super) fn last_lines(captured: &Captured, most: usize) -> Vec<String> {
    let all = [captured.head.as_slice(), &captured.tail];
    let part = all.into_iter().rfind(|part| !part.is_empty()).unwrap_or_default();
    let text = String::from_utf8_lossy(part);
    let lines: Vec<&str> = text.lines().collect();
    let mut last: Vec<String> = lines.into_iter().rev().filter_map(shown).take(most).collect();
    last.reverse();
    last
}

/// A line as a terminal would have left it: what a progress bar drew last, without colours; cut when it is long.
/// `None` when there is nothing in it.
pub(super) fn shown(line: &str) -> Option<String> {
    let plain = without_colours(line);
    let empty = |part: &str| part.chars().all(|c| c.is_control() || c.is_whitespace());
    let drawn = plain.split('\r').rfind(|part| !empty(part))?.trim_end();
    let mut chars = drawn.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = chars.by_ref().take(LINE).collect();
    if chars.next().is_none() {
        return Some(short);
    }
    let cut: String = short.chars().take(LINE - 1).collect();
    Some(cut + "…")
}

/// Without terminal sequences for colours, positions and titles.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            plain.push(c);
            continue;
        }
        let kind = chars.clone().next();
        if !matches!(kind, Some('[' | ']')) {
            continue;
        }
        chars.next();
        while let Some(c) = chars.next() {
            match (kind, c) {
                // To the first letter or sign that may end it.
                (Some('['), '@'..='~') | (_, '\u{7}') => break,
                // A title ends with a bell, or with this.
                (_, '\u{1b}') => {
                    chars.next();
                    break;
                }
                _ => {}
            }
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(head: &str, tail: &str) -> Captured {
        Captured {
            head: head.as_bytes().to_vec(),
            dropped: tail.len() as u64,
            tail: tail.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_last_lines_are_clean_and_few() {
        let printed = captured("one\n\n\x1b[31mtwo\x1b[0m\n 10%\r 50%\r100%\r\nth\0ree", "");
        assert_eq!(last_lines(&printed, 10), ["one", "two", "100%", "th ree"]);
        assert_eq!(last_lines(&printed, 2), ["100%", "th ree"]);
        assert_eq!(last_lines(&captured("begin\n", "in\nend\n"), 10), ["in", "end"]);
        assert!(last_lines(&captured("", ""), 10).is_empty());
        let long = last_lines(&captured(&"ä".repeat(300), ""), 1).remove(0);
        assert_eq!((long.chars().count(), long.ends_with("ä…")), (200, true));
        assert_eq!(shown(&"x".repeat(200)).unwrap().len(), 200);
        assert_eq!(shown("\x1b[").as_deref(), None);
        assert_eq!(shown("\0\0 \x07").as_deref(), None);
        assert_eq!(
            shown("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\").as_deref(),
            Some("ab")
        );
    }
}
