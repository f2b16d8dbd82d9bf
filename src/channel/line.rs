//! One line of text, as long as there is room.
//!
//! Takes any text and how much room there is, gives it in one line, cut with `…`.
//! Pure. Invariant: never more than there is room for, and no control character in it.

/// Characters of an answer or an error in a delivery.
const MAX_SHORT_LINE: usize = 200;

/// How much room there is, and how a text is written there.
#[derive(Clone, Copy)]
pub struct Room {
    pub most: usize,
    pub size: fn(char) -> usize,
    /// What is written for a character of the message.
    pub write: fn(char, &mut String),
}

pub fn plainly(c: char, out: &mut String) {
    out.push(c);
}

/// Any text in one line, at most so many characters.
pub fn line(text: &str, most: usize) -> String {
    let room = Room {
        most,
        size: |_| 1,
        write: plainly,
    };
    written(text, room)
}

/// Any text in one line of at most 200 characters.
pub fn short_line(text: &str) -> String {
    line(text.trim(), MAX_SHORT_LINE)
}

/// One line as it is written there, cut with `…` to what there is room for; nothing when there is none.
pub fn written(line: &str, room: Room) -> String {
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
    use super::*;

    #[test]
    fn lines_are_cut_at_characters() {
        assert_eq!(line("a\r\nb\u{202e}", 10), "a  b ");
        assert_eq!(line("äöü", 3), "äöü");
        assert_eq!(line("äöüß", 3), "äö…");
        assert_eq!(line("äöüß", 0), "");
        let doubled = Room {
            most: 5,
            size: char::len_utf8,
            write: |c, out| out.extend(['\\', c]),
        };
        assert_eq!(written("abc", doubled), "\\a…");
    }
}
