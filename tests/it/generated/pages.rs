//! The findings in Markdown: a table of all, and a section for each.
//!
//! Takes the codes and their pages, gives text. Examples keep their expected findings, so that tests can check them.
//! Invariant: the table links to the sections.

use super::tables::line;
use opsrun::config::findings::explain::{Example, page};
use opsrun::config::findings::{Code, FindingSeverity};
use opsrun::report::shared::wrap::wrap;

const WIDTH: usize = 120;

fn letter(code: Code) -> &'static str {
    match code.severity() {
        FindingSeverity::Error => "E",
        FindingSeverity::Warning => "W",
    }
}

/// One row per code, with a link to its section in `docs/findings.md`.
pub(super) fn codes() -> String {
    let row = |code: &Code| {
        let (id, slug) = (code.id(), code.slug());
        let link = format!("[{id}](findings.md#{}-{slug})", id.to_ascii_lowercase());
        line(&[&link, letter(*code), &format!("`{slug}`"), code.title()])
    };
    let rows = Code::ALL.iter().map(row);
    "| code | | name | finding |\n|---|---|---|---|\n".to_owned() + &rows.collect::<String>()
}

pub(super) fn pages() -> String {
    let sections: Vec<String> = Code::ALL.iter().map(|code| section(*code)).collect();
    sections.join("\n")
}

fn section(code: Code) -> String {
    let page = page(code);
    let kind = match code.severity() {
        FindingSeverity::Error => "Error",
        FindingSeverity::Warning => "Warning",
    };
    let prose = |text: &str| wrap(text, Some(WIDTH)).join("\n") + "\n\n";
    let mut paragraphs = page.meaning.clone();
    if let Some(first) = paragraphs.first_mut() {
        *first = format!("*{kind}.* {first}");
    }
    paragraphs.push(format!("**Why:** {}", page.why));
    let mut text = format!("## {} {}\n\n", code.id(), code.slug());
    text.extend(paragraphs.iter().map(|paragraph| prose(paragraph)));
    let examples: Vec<String> = page.examples.iter().map(shown).collect();
    text + &examples.join("\n")
}

fn shown(example: &Example) -> String {
    let text = example.text;
    if example.yields.is_empty() {
        return format!("Right:\n\n```kdl\n{text}```\n");
    }
    let (found, host) = if example.host {
        (", found by `opsrun check --host`", " host")
    } else {
        ("", "")
    };
    format!(
        "Wrong{found}:\n\n```kdl bad={}{host}\n{text}```\n",
        example.yields.join(",")
    )
}
