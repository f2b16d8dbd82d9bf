//! Values that a name at the start of a statement, or after `env` and `header`, makes secret.
//!
//! Takes the text of a file, line by line, well-formed or not: names may be misspelt, quotes missing, values on the next
//! line. Gives the stretches to mask. What is too much masked does no harm.

use super::names::{
    NAMED_VALUES, is_node, is_reference, is_secret_setting, is_trivial, may_be_secret_setting, names_secret,
};
use super::words::{self, LineWord, value_end};
use crate::config::values::is_variable;

const TEXT_BLOCK: &str = "\"\"\"";

pub(super) fn find(text: &str) -> Vec<(usize, usize)> {
    let mut statements = Statements::default();
    for (base, line) in words::lines(text) {
        if statements.hides_block {
            let end = line.find(TEXT_BLOCK);
            statements.found.push((base, base + end.unwrap_or(line.len())));
            statements.hides_block = end.is_none();
        } else {
            statements.line(base, line);
        }
    }
    statements.found
}

#[derive(Default)]
struct Statements<'t> {
    found: Vec<(usize, usize)>,
    /// The first words of the nodes whose blocks are open.
    open: Vec<&'t str>,
    /// The statement before ended with the name of a secret, and the value may be in the next one.
    slipped: bool,
    /// A text over several lines is secret.
    hides_block: bool,
}

/// A word that begins the value after `=`, with or without a quote.
fn begins(word: &LineWord<'_>) -> bool {
    let before = word.gap.rsplit_once('=').map_or(word.gap, |(_, before)| before);
    matches!(before.trim(), "" | "\"" | "#\"" | "'")
}

impl<'t> Statements<'t> {
    fn line(&mut self, base: usize, line: &'t str) {
        let mut words = words::words(line);
        // Braces may follow the last word.
        let gap = line.get(words.last().map_or(0, LineWord::end)..).unwrap_or_default();
        words.push(LineWord {
            text: "",
            start: line.len(),
            gap,
        });
        // With a quote too few or too many nothing shows where a value ends.
        let odd = line.matches('"').count() % 2 == 1;
        let lead = words.first().map_or("", |first| first.gap);
        let comment = lead.contains(['/', '#']) && !lead.contains("/-");
        let depth = self.open.len();
        let (mut head, mut named, mut secret) = (None, false, false);
        let (mut quoted, mut covered) = (false, 0);
        for (at, word) in words.iter().enumerate() {
            for c in word.gap.chars() {
                quoted ^= c == '"';
                if quoted || !matches!(c, ';' | '{' | '}') {
                    continue;
                }
                match c {
                    '{' => self.open.push(head.unwrap_or_default()),
                    '}' => drop(self.open.pop()),
                    _ => {}
                }
                self.slipped = secret && covered == 0;
                (head, named, secret) = (None, false, secret && odd);
            }
            if word.text.is_empty() {
                break;
            }
            let name = word.text.trim_end_matches(':');
            let before = at.checked_sub(1).and_then(|before| words.get(before));
            let from = before.filter(|before| word.is_assigned() && before.text.starts_with("from-"));
            let is_source = word.text.starts_with("from-") && words.get(at + 1).is_some_and(LineWord::is_assigned);
            let hidden = match from {
                // If it is not a variable name, it may be the secret itself.
                Some(from) => from.text == "from-env" && !(is_variable(name.trim_start_matches('$')) && begins(word)),
                None => secret && !is_source || head.is_none() && std::mem::take(&mut self.slipped) && word.is_quoted(),
            };
            if hidden && word.start >= covered {
                let end = line.trim_end().len();
                covered = if odd { end } else { value_end(line, word) };
                let value = line.get(word.start..covered).unwrap_or_default();
                let span = (base + word.start, base + covered);
                self.found.extend((!is_trivial(value)).then_some(span));
            }
            let first = head.is_none();
            let start = *head.get_or_insert(name);
            let named_here = named || !comment && (first || !is_node(start));
            secret |= first && may_be_secret_setting(self.open.last().copied(), name)
                || odd && is_secret_setting(None, name)
                || named_here && !is_reference(name) && names_secret(name) && from.is_none();
            // An escape may be part of such a name.
            let near = words.get(at.saturating_sub(2)..at).unwrap_or_default();
            secret |= word.gap.ends_with('\\') && near.iter().any(|word| NAMED_VALUES.contains(&word.text));
            named |= NAMED_VALUES.contains(&name);
        }
        self.slipped |= secret && covered == 0;
        self.hides_block = secret && line.matches(TEXT_BLOCK).count() % 2 == 1;
        if comment {
            self.open.truncate(depth);
        }
    }
}
