//! A page about each code: what it means, why it matters, a wrong file and a right one.
//!
//! Takes a [`Code`], or the text that a user typed for one, gives a [`Page`]. The texts are the Markdown files beside this
//! one: the meaning, then a paragraph that starts with `**Why:**`, then blocks of KDL. The first line of a wrong block names
//! the codes it yields (`kdl bad=OPS2001`), and `host` when only `check --host` finds them.
//! Invariant: every code has a page; wrong examples yield exactly their codes, right ones nothing.

use crate::config::findings::Code;
use crate::config::language::suggest::nearest;

/// The start of the paragraph about why it matters.
const WHY: &str = "**Why:** ";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub code: Code,
    /// Paragraphs without line ends.
    pub meaning: Vec<String>,
    /// Without line ends.
    pub why: String,
    /// First the wrong ones, then the right ones.
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Ends with a line end.
    pub text: &'static str,
    /// The ids of its findings; none for a right example.
    pub yields: Vec<&'static str>,
    /// True when only `opsrun check --host` finds them.
    pub host: bool,
}

pub fn page(code: Code) -> Page {
    let mut page = Page {
        code,
        meaning: Vec::new(),
        why: String::new(),
        examples: Vec::new(),
    };
    // Between fences prose and blocks take turns.
    let mut parts = code.page().split("```");
    let prose = parts.next().unwrap_or_default();
    for paragraph in prose.split("\n\n") {
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.strip_prefix(WHY) {
            Some(why) => page.why.push_str(why),
            None if line.is_empty() => {}
            None => page.meaning.push(line),
        }
    }
    for block in parts.step_by(2) {
        let (info, text) = block.split_once('\n').unwrap_or((block, ""));
        let mut words = info.split(' ');
        let yields = words.find_map(|word| Some(word.strip_prefix("bad=")?.split(',').collect()));
        page.examples.push(Example {
            text,
            yields: yields.unwrap_or_default(),
            host: words.next() == Some("host"),
        });
    }
    page
}

/// The code with this id, these digits or this slug, in any case.
///
/// # Errors
/// The nearest code, if any.
pub fn find(typed: &str) -> Result<Code, Option<Code>> {
    let typed = typed.trim().to_ascii_lowercase();
    let all = || Code::ALL.iter().copied();
    let digits = |code: Code| code.id().trim_start_matches(|c: char| !c.is_ascii_digit());
    let is = |code: &Code| code.id().eq_ignore_ascii_case(&typed) || code.slug() == typed || digits(*code) == typed;
    if let Some(code) = all().find(is) {
        return Ok(code);
    }
    let names = all().flat_map(|code| [code.id(), code.slug()]);
    let near = nearest(&typed, names);
    Err(near.and_then(|near| all().find(|code| code.id() == near || code.slug() == near)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use std::path::Path;

    #[test]
    fn every_page_has_all_its_parts() {
        for code in Code::ALL {
            let page = page(*code);
            assert!(!page.meaning.is_empty(), "{code} has no meaning");
            assert!(page.why.len() > 40, "{code} has no reason");
            let wrong = page.examples.iter().take_while(|example| !example.yields.is_empty());
            let wrong = wrong.count();
            assert!(
                wrong > 0 && wrong < page.examples.len(),
                "{code}: a wrong one, then a right one"
            );
            assert!(
                page.examples[wrong..].iter().all(|example| example.yields.is_empty()),
                "{code}"
            );
            // Neither screens nor pages are wider.
            assert!(code.page().lines().all(|line| line.chars().count() <= 120), "{code}");
        }
    }

    #[test]
    fn examples_yield_what_they_say() {
        for code in Code::ALL {
            for example in page(*code).examples {
                let loaded = load_text(Path::new("/nowhere/ops.kdl"), example.text.as_bytes().to_vec());
                let mut found: Vec<&str> = loaded.findings.iter().map(|finding| finding.code.id()).collect();
                found.dedup();
                let shown = loaded.render(false, 100);
                // The host is checked in tests of its own.
                let wanted = if example.host {
                    Vec::new()
                } else {
                    example.yields.clone()
                };
                assert_eq!(found, wanted, "{code}\n{}{shown}", example.text);
                assert!(example.yields.first().is_none_or(|first| *first == code.id()), "{code}");
            }
        }
    }

    #[test]
    fn codes_are_found_by_id_and_slug() {
        for code in Code::ALL {
            assert_eq!(find(code.id()), Ok(*code));
            assert_eq!(find(&code.id().to_lowercase()), Ok(*code));
            assert_eq!(find(&code.slug().to_uppercase()), Ok(*code));
        }
        assert_eq!(find("5001"), Ok(Code::RetentionWithoutBackup));
        assert_eq!(find("no-max-delet"), Err(Some(Code::NoMaxDelete)));
        assert_eq!(find("frobnicate"), Err(None));
        assert_eq!(find(""), Err(None));
    }
}
