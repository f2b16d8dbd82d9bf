//! Pages about findings, for a terminal.
//!
//! Invariant: an example can be copied from the screen: it has no colour and is not wrapped.

use crate::config::findings::explain::{Example, Page, page};
use crate::config::findings::{Code, FindingSeverity};
use crate::report::shared::style::Style;
use crate::report::shared::wrap::wrap;

/// If the width of the screen is unknown.
const DEFAULT_WIDTH: usize = 80;
/// Longer lines are hard to read.
const MAX_WIDTH: usize = 100;
const MIN_WIDTH: usize = 24;

pub fn pages(codes: &[Code], style: Style, width: Option<usize>) -> String {
    let pages: Vec<String> = codes.iter().map(|code| one(&page(*code), style, width)).collect();
    pages.join("\n")
}

fn one(page: &Page, style: Style, width: Option<usize>) -> String {
    let columns = width.unwrap_or(DEFAULT_WIDTH).min(MAX_WIDTH);
    let prose = |text: &str| wrap(text, Some(columns)).join("\n") + "\n\n";
    let code = page.code;
    let name = style.bold(format!("{code} {}", code.slug()));
    let mut text = format!("{name} ({})\n\n", severity(code, 0, style));
    for paragraph in &page.meaning {
        text += &prose(paragraph);
    }
    text += &prose(&format!("Why: {}", page.why));
    for example in &page.examples {
        text += &shown(example, style);
    }
    text.trim_end().to_owned() + "\n"
}

fn severity(code: Code, width: usize, style: Style) -> String {
    let word = format!("{:<width$}", code.severity().word());
    match code.severity() {
        FindingSeverity::Error => style.bad(word),
        FindingSeverity::Warning => style.warn(word),
    }
}

fn shown(example: &Example, style: Style) -> String {
    let heading = match (example.yields.is_empty(), example.host) {
        (true, _) => style.good("Right:"),
        (false, false) => style.bad("Wrong:"),
        (false, true) => style.bad("Wrong, found by `opsrun check --host`:"),
    };
    let lines: Vec<String> = example.text.lines().map(|line| format!("    {line}")).collect();
    format!("{heading}\n\n{}\n\n", lines.join("\n"))
}

/// Every code with its title, wrapped on a narrow screen.
pub fn codes(style: Style, width: Option<usize>) -> String {
    let longest = Code::ALL.iter().map(|code| code.slug().len()).max().unwrap_or_default();
    let before = "OPS0000  warning  ".len() + longest + "  ".len();
    let left = width.map(|columns| columns.saturating_sub(before).max(MIN_WIDTH));
    let line = |code: &Code| {
        let severity = severity(*code, "warning".len(), style);
        let about = wrap(code.title(), left).join(&format!("\n{:before$}", ""));
        format!("{}  {severity}  {:longest$}  {about}\n", style.name(code), code.slug())
    };
    Code::ALL.iter().map(line).collect()
}

/// A line that says where to read more; empty if nothing was found.
pub fn pointer(found: impl Iterator<Item = Code>, style: Style) -> String {
    let mut codes: Vec<Code> = found.collect();
    codes.sort_unstable();
    codes.dedup();
    match codes.as_slice() {
        [] => String::new(),
        [only] => style.dim(format!("for details, run `opsrun explain {only}`")) + "\n",
        [first, ..] => {
            style.dim(format!(
                "for details, run `opsrun explain CODE`, such as `opsrun explain {first}`"
            )) + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_and_examples_are_not() {
        let text = pages(Code::ALL, Style::PLAIN, Some(50));
        for line in text.lines().filter(|line| !line.starts_with("    ")) {
            // A single word may be longer; none is.
            assert!(line.chars().count() <= 50, "{line}");
        }
        for code in Code::ALL {
            for example in page(*code).examples {
                for line in example.text.lines() {
                    assert!(text.contains(&format!("    {line}\n")), "{line}");
                }
            }
        }
        let list = codes(Style::PLAIN, Some(80));
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
        assert_eq!(codes(Style::PLAIN, None).lines().count(), Code::ALL.len());
        let wide = pages(&[Code::Syntax], Style::PLAIN, Some(500));
        assert!(wide.lines().all(|line| line.chars().count() <= MAX_WIDTH));
    }

    #[test]
    fn colour_changes_nothing_else() {
        let painted = pages(Code::ALL, Style::new(true), None);
        let mut plain = String::new();
        for (at, part) in painted.split('\u{1b}').enumerate() {
            plain += if at == 0 { part } else { part.split_once('m').unwrap().1 };
        }
        assert_eq!(plain, pages(Code::ALL, Style::PLAIN, None));
    }

    #[test]
    fn the_pointer_names_one_code() {
        let pointed = |codes: &[Code]| pointer(codes.iter().copied(), Style::PLAIN);
        assert_eq!(pointed(&[]), "");
        assert_eq!(
            pointed(&[Code::Cycle, Code::Cycle]),
            "for details, run `opsrun explain OPS3003`\n"
        );
        assert_eq!(
            pointed(&[Code::Cycle, Code::Syntax]),
            "for details, run `opsrun explain CODE`, such as `opsrun explain OPS1001`\n"
        );
    }
}
