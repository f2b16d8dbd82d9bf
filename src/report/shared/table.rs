//! Tables for people.
//!
//! Invariant: a cell is one line; no line ends with spaces.

use crate::report::shared::style::Style;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    Dim,
    Good,
    Warn,
    Bad,
    Name,
}

impl Cell {
    /// `text` must be one line.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }

    fn paint(&self, padded: &str, style: Style) -> String {
        match self.tone {
            Tone::Plain => padded.to_owned(),
            Tone::Dim => style.dim(padded),
            Tone::Good => style.good(padded),
            Tone::Warn => style.warn(padded),
            Tone::Bad => style.bad(padded),
            Tone::Name => style.name(padded),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

pub fn table<const N: usize>(heading: [&str; N], align: [Align; N], rows: &[[Cell; N]], style: Style) -> String {
    let mut widths = heading.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.chars().count());
        }
    }
    let heading = heading.map(|name| Cell::toned(name, Tone::Dim));
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        // Cells after the last word of a line are left out: spaces in colour could not be trimmed.
        let end = row
            .iter()
            .rposition(|cell| !cell.text.is_empty())
            .map_or(0, |at| at + 1);
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .zip(align)
            .take(end)
            .enumerate()
            .map(|(at, ((cell, width), align))| {
                let padded = match align {
                    Align::Right => format!("{:>width$}", cell.text),
                    Align::Left if at + 1 == end => cell.text.clone(),
                    Align::Left => format!("{:<width$}", cell.text),
                };
                cell.paint(&padded, style)
            })
            .collect();
        text.push_str(&cells.join("  "));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            ["a".into(), "1,000".into(), Cell::toned("bad", Tone::Bad)],
            ["long name".into(), "1".into(), "".into()],
        ];
        let align = [Align::Left, Align::Right, Align::Left];
        assert_eq!(
            table(["name", "n", "state"], align, &rows, Style::PLAIN),
            "name           n  state\na          1,000  bad\nlong name      1\n"
        );
        let colored = table(["name", "n", "state"], align, &rows, Style::new(true));
        assert!(colored.contains("\x1b[1;31mbad\x1b[0m\n"), "{colored}");
        assert!(colored.lines().all(|line| line.trim_end() == line));
    }
}
