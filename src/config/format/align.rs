//! Aligns the columns of tables, and comments at the ends of lines.
//!
//! Takes [`SourceLine`]s with one blank everywhere, sets some of the gaps wider. Two rules:
//! - Adjacent lines with the same node name are a table when the author started one: when two of them have a cell that
//!   starts at the same column, and one of these has several blanks before it. In a table all cells are aligned.
//! - Comments at the ends of adjacent lines of the same depth are aligned. So are others that were aligned, unless a blank
//!   line or another such comment is between them.
//!
//! Invariant: no gap is wider than [`MAX_GAP`], except before the continuation of a comment; aligned lines stay aligned.

use super::lines::{Chunk, INDENT, SourceLine, advance};
use crate::config::syntax::lexer::is_newline;
use std::ops::Range;

/// Blanks between two cells: the eye does not follow a wider gap.
const MAX_GAP: usize = 40;

pub(super) fn align(lines: &mut [SourceLine<'_>]) {
    for rows in tables(lines) {
        if let Some(rows) = lines.get_mut(rows) {
            table(rows);
        }
    }
    comments(lines);
}

/// Runs of at least two lines that may be the rows of a table.
fn tables(lines: &[SourceLine<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for at in 1..=lines.len() {
        let same_table = match (lines.get(at - 1), lines.get(at)) {
            (Some(above), Some(line)) => {
                !line.blank_before
                    && above.indent == line.indent
                    && row_name(above).is_some()
                    && row_name(above) == row_name(line)
            }
            _ => false,
        };
        if !same_table {
            if at - start > 1 {
                found.push(start..at);
            }
            start = at;
        }
    }
    found
}

/// The node name of a line that could be a row.
fn row_name<'a>(line: &'a SourceLine<'_>) -> Option<&'a str> {
    let name = &line.words.first()?.text;
    let one_line = |text: &str| !text.contains(|c: char| c == '\t' || is_newline(c));
    let row = line.whole && !line.opens && !name.starts_with(['}', ';']) && !name.starts_with("/*");
    (row && line.words.iter().all(|word| one_line(&word.text))).then_some(name)
}

/// Where the cells of a row start: its name, its first argument, all further ones together, each property, a block.
fn cells(row: &SourceLine<'_>) -> Vec<usize> {
    let words = &row.words;
    let continues = |at: usize| {
        let argument = |word: &Chunk<'_>| !word.property && !word.text.starts_with('{');
        at > 2 && words.get(at - 1..=at).is_some_and(|two| two.iter().all(argument))
    };
    (0..words.len()).filter(|at| !continues(*at)).collect()
}

fn table(rows: &mut [SourceLine<'_>]) {
    let cells: Vec<Vec<usize>> = rows.iter().map(cells).collect();
    // Number of the cell, its column, whether several blanks were before it.
    let mut begun: Vec<(usize, usize, bool)> = Vec::new();
    for (row, cells) in rows.iter().zip(&cells) {
        let words = cells.iter().enumerate().skip(1);
        begun.extend(words.filter_map(|(number, at)| {
            let word = row.words.get(*at)?;
            Some((number, word.column, word.blanks > 1))
        }));
    }
    begun.sort_unstable();
    let meant = begun.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let mut meant = meant.filter(|same| same.len() > 1 && same.iter().any(|(.., wide)| *wide));
    if meant.next().is_none() {
        return;
    }
    let longest = cells.iter().map(Vec::len).max().unwrap_or(0);
    let length = |row: usize, number: usize| match (rows.get(row), cells.get(row)) {
        (Some(row), Some(cells)) => length(row, cells, number),
        _ => 0,
    };
    let mut ends: Vec<usize> = (0..rows.len()).map(|row| length(row, 0)).collect();
    let mut gaps: Vec<(usize, usize, usize)> = Vec::new();
    let mut live: Vec<usize> = (0..rows.len()).collect();
    for number in 1..longest {
        live.retain(|row| cells.get(*row).is_some_and(|cells| cells.len() > number));
        let at = |row: &usize| ends.get(*row).copied().unwrap_or(0);
        let furthest = live.iter().map(at).max().unwrap_or(0);
        for row in &live {
            let Some(end) = ends.get_mut(*row) else { continue };
            let gap = furthest - *end + 1;
            if gap > MAX_GAP {
                return;
            }
            gaps.push((*row, number, gap));
            *end = furthest + 1 + length(*row, number);
        }
    }
    for (row, number, gap) in gaps {
        let word = cells.get(row).and_then(|cells| cells.get(number));
        let word = word.and_then(|at| rows.get_mut(row)?.words.get_mut(*at));
        if let Some(word) = word {
            word.gap = gap;
        }
    }
}

/// The width of a cell, with one blank between its words.
fn length(row: &SourceLine<'_>, cells: &[usize], number: usize) -> usize {
    let start = cells.get(number).copied().unwrap_or(0);
    let end = cells.get(number + 1).copied().unwrap_or(row.words.len());
    let words = row.words.get(start..end).unwrap_or_default();
    let letters: usize = words.iter().map(|word| word.text.chars().count()).sum();
    letters + words.len().saturating_sub(1)
}

#[derive(Default)]
struct CommentGroup {
    /// Their lines, and the ends of these.
    members: Vec<(usize, usize)>,
    min_end: usize,
    max_end: usize,
}

impl CommentGroup {
    fn takes(&self, end: usize) -> bool {
        self.max_end.max(end) - self.min_end.min(end) < MAX_GAP
    }

    fn add(&mut self, line: usize, end: usize) {
        if self.members.is_empty() {
            (self.min_end, self.max_end) = (end, end);
        }
        self.min_end = self.min_end.min(end);
        self.max_end = self.max_end.max(end);
        self.members.push((line, end));
    }

    fn close(&mut self, lines: &mut [SourceLine<'_>]) {
        for (at, end) in self.members.drain(..) {
            if let Some(comment) = lines.get_mut(at).and_then(|line| line.comment.as_mut()) {
                comment.gap = self.max_end - end + 1;
            }
        }
    }
}

fn comments(lines: &mut [SourceLine<'_>]) {
    let mut group = CommentGroup::default();
    // The last of these comments: its last line, its column, its depth.
    let mut last: Option<(usize, usize, usize)> = None;
    for at in 0..lines.len() {
        let Some(line) = lines.get(at) else { break };
        if line.blank_before || line.words.is_empty() && line.comment.is_none() {
            group.close(lines);
            last = None;
        }
        let Some(line) = lines.get(at) else { break };
        let Some(comment) = line.comment.as_ref().filter(|_| !line.continues) else {
            continue;
        };
        if comment.follows {
            if let Some((below, ..)) = last.as_mut().filter(|(below, ..)| *below + 1 == at) {
                *below = at;
                group.members.push((at, 0));
            }
            continue;
        }
        let end = end(line);
        let (column, indent) = (comment.column, line.indent);
        let linked = last.is_some_and(|(above, stood, deep)| above + 1 == at && deep == indent || stood == column);
        if !linked || !group.takes(end) {
            group.close(lines);
        }
        group.add(at, end);
        last = Some((at, column, indent));
    }
    group.close(lines);
}

/// The end of a line without its comment.
fn end(line: &SourceLine<'_>) -> usize {
    let mut column = line.indent * INDENT;
    for word in &line.words {
        column += word.gap;
        advance(&mut column, &word.text);
    }
    column
}
