//! `log`: the channel that always exists.
//!
//! Takes a message, gives the line that stands in the log. Where the log is, is for others to know.
//! Pure. Invariant: one line.

use crate::channel::line;
use crate::channel::message::Message;

const LONGEST: usize = 500;

pub fn line(message: &Message) -> String {
    let line = format!("{}: {}", message.title(), message.summary);
    format!("{}: {}", message.severity.word(), line::line(&line, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::samples;

    #[test]
    fn a_message_is_a_line() {
        assert_eq!(
            line(&samples::trouble()),
            "critical: [shop] check:broker is critical: 127.0.0.1:5672: connection refused"
        );
        let mut odd = samples::longest();
        odd.summary.insert_str(0, "a\r\nb\u{1b}[2J");
        let line = line(&odd);
        assert!(line.contains("is critical: a  b [2J"), "{line}");
        assert!(line.chars().count() < 520 && line.ends_with('…'), "{line}");
    }
}
