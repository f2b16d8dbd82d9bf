//! Prose wrapped at a width.
//!
//! Invariant: no word is cut or lost; a word longer than the width has its own line.

/// Lines of at most `width` characters; one line if `width` is `None`.
pub fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn breaks_between_words_only() {
        assert_eq!(wrap("a bc def", Some(4)), ["a bc", "def"]);
        assert_eq!(wrap("a longword b", Some(3)), ["a", "longword", "b"]);
        assert_eq!(wrap("a bc def", None), ["a bc def"]);
        assert_eq!(wrap("", Some(4)), [""]);
    }
}
