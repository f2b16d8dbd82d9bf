//! Characters that KDL does not allow, that no one sees, and a file that declares itself KDL 1.

use super::repairer::Repairer;
use crate::config::findings::{Code, excerpt};
use crate::config::syntax::lexer::{self, Token};

/// Characters without a width: no word of an ops file has one, and no one can see why it is unknown.
const INVISIBLE: [char; 5] = ['\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}'];

/// What KDL allows nowhere, apart from a byte order mark at the start.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl Repairer<'_> {
    /// `/- kdl-version 1`.
    pub(super) fn old_version(&mut self) {
        let lead = self.text.len() - self.text.trim_start_matches('\u{feff}').trim_start().len();
        let rest = self.slice(lead..);
        if let Some(after) = rest.strip_prefix("/-").map(str::trim_start)
            && let Some(version) = after.strip_prefix("kdl-version").map(str::trim_start)
            && version.starts_with('1')
        {
            let end = lead + lexer::first_line(rest).len();
            let message = "this file declares KDL 1";
            self.report(Code::Version, lead..end, message, "ops files use KDL 2");
            self.help("write `/- kdl-version 2`, or delete the line");
        }
    }

    /// Replaces every forbidden character, and reports the first.
    pub(super) fn characters(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.blank_out(0..'\u{feff}'.len_utf8());
        }
        let mut first = true;
        for (at, c) in self.text.char_indices() {
            if !is_forbidden(c) || at == 0 && c == '\u{feff}' {
                continue;
            }
            let end = at + c.len_utf8();
            self.placeholder(at..end);
            if !std::mem::take(&mut first) {
                continue;
            }
            let message = format!("invalid character U+{:04X}", c as u32);
            self.syntax_error(at..end, message, "not allowed in an ops file");
            self.help(match c {
                '\0' => "delete it; if every second byte is U+0000, the file is UTF-16: \
                         convert it with `iconv -f UTF-16 -t UTF-8 OLD > NEW`"
                    .to_owned(),
                '\u{feff}' => "delete it: it marks the start of a file, so two files were joined here".to_owned(),
                c => format!("delete it; inside a quoted string, write `\\u{{{:x}}}`", c as u32),
            });
            if c == '\u{feff}' {
                self.fix(&[(at, end, "")]);
            }
        }
    }

    /// A word with invisible characters: without them it is a word like others. True when it was one.
    pub(super) fn invisible(&mut self, token: Token) -> bool {
        let word = self.text_of(token);
        let Some((at, c)) = word.char_indices().find(|(_, c)| INVISIBLE.contains(c)) else {
            return false;
        };
        let visible: String = word.chars().filter(|c| !INVISIBLE.contains(c)).collect();
        let start = token.start + at;
        let message = format!("invisible character U+{:04X} in a word", c as u32);
        self.syntax_error(start..start + c.len_utf8(), message, "invisible here");
        self.help(if visible.is_empty() {
            "delete it".to_owned()
        } else {
            format!("delete it: write `{}`", excerpt(&visible))
        });
        self.fix(&[(token.start, token.end, &visible)]);
        if visible.is_empty() {
            self.blank_out(token);
        } else {
            self.placeholder(token);
        }
        true
    }
}
