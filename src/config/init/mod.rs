//! Ops files that are written for somebody: a first one, and one made of a crontab.
//!
//! Takes nothing, or a crontab; gives the text of an ops file in its usual form.
//! - `entry`: the lines of a crontab · `command`: how what cron gives to a shell is run here, and what it is called
//! - `crontab`: the whole, line by line
//!
//! Must not know where the text goes. Invariant: the text is valid, and no secret stands in it.

mod command;
mod crontab;
mod entry;

pub use crontab::{CrontabOrigin, TranslatedCrontab, crontab, names_users};

/// The file that `opsrun init` writes.
pub const STARTER: &str = include_str!("starter.kdl");

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if plain(c) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out + "\""
}

/// May stand in a file as it is, and changes nothing about how a line is seen.
fn plain(c: char) -> bool {
    let direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !direction && !crate::config::syntax::lexer::is_newline(c) && c != '\u{feff}'
}

fn remark(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => " ".to_owned(),
        c if plain(c) => c.to_string(),
        c => format!("\\u{{{:x}}}", c as u32),
    };
    let text: String = text.chars().map(shown).collect();
    format!("// {}", text.trim_end()).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
