//! The generated parts of the documents.
//!
//! Takes a document and replaces the text between its marks: `<!-- begin settings backup -->` … `<!-- end -->`. `tables`
//! generates tables from the language, `pages` from the pages about findings; the caller handles other marks.
//! Invariant: nothing outside the marks changes, and filling twice gives the same document.

mod commands;
mod language;
mod pages;
mod tables;

use language::Vocabulary;

const BEGIN: &str = "<!-- begin ";
const BEGUN: &str = " -->\n";
const END: &str = "<!-- end -->";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    #[error("unknown mark `{0}`")]
    Unknown(String),
    #[error("the mark `{0}` has no end; write `{END}` on a line after it")]
    Open(String),
}

/// `document` with what belongs between its marks.
pub(super) fn fill(document: &str) -> Result<String, MarkError> {
    fill_with(document, &|_| None)
}

/// The same; `other` makes what belongs between further marks.
fn fill_with(document: &str, other: &dyn Fn(&str) -> Option<String>) -> Result<String, MarkError> {
    let language = Vocabulary::of_this_build();
    let mut filled = String::with_capacity(document.len());
    let mut rest = document;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let open = |mark: &str| MarkError::Open(mark.lines().next().unwrap_or_default().to_owned());
        let (mark, after) = after.split_once(BEGUN).ok_or_else(|| open(after))?;
        let (old, after) = after.split_once(END).ok_or_else(|| open(mark))?;
        if old.contains(BEGIN) {
            return Err(open(mark));
        }
        let made = generated(&language, mark)
            .or_else(|| other(mark))
            .ok_or_else(|| MarkError::Unknown(mark.to_owned()))?;
        // A table is one only behind a blank line.
        filled = filled + before + BEGIN + mark + BEGUN + "\n" + &made + "\n" + END;
        rest = after;
    }
    Ok(filled + rest)
}

fn generated(language: &Vocabulary, mark: &str) -> Option<String> {
    Some(match mark.split_once(' ') {
        Some(("settings", path)) => tables::settings(language, path, tables::find_node(language, path)?),
        Some(("choices", path)) => tables::choices(tables::find_node(language, path)?),
        Some(_) => return None,
        None => match mark {
            "sources" => tables::sources(language),
            "shared" => tables::shared(language),
            "forms" => tables::forms(language),
            "reasons" => tables::reasons(),
            "absent" => tables::absent(language),
            "codes" => pages::codes(),
            "commands" => commands::commands(),
            "pages" => pages::pages(),
            _ => return None,
        },
    })
}

mod tests {
    use super::*;

    fn one(mark: &str) -> Option<String> {
        (mark == "one").then(|| "new\n".to_owned())
    }

    #[test]
    fn only_text_between_marks_changes() {
        let document = "a\n<!-- begin one -->\nold\n<!-- end -->\nb <!-- c -->\n";
        let filled = fill_with(document, &one).unwrap();
        assert_eq!(filled, "a\n<!-- begin one -->\n\nnew\n\n<!-- end -->\nb <!-- c -->\n");
        assert_eq!(fill_with(&filled, &one), Ok(filled));
    }

    #[test]
    fn a_mark_that_is_wrong_is_said() {
        let fill = |document| fill_with(document, &one);
        assert_eq!(
            fill("<!-- begin two -->\n<!-- end -->"),
            Err(MarkError::Unknown("two".to_owned()))
        );
        for open in [
            "<!-- begin one -->\nno end",
            "<!-- begin one -->\n<!-- begin one -->\n<!-- end -->",
            "<!-- begin one",
        ] {
            assert!(matches!(fill(open), Err(MarkError::Open(_))), "{open}");
        }
    }

    #[test]
    fn every_reason_has_a_row() {
        let text = fill_with("<!-- begin reasons -->\n<!-- end -->", &one).unwrap();
        assert!(
            text.contains("| `torn` | changed while it was copied | 4 |\n"),
            "{text}"
        );
        assert!(text.contains("| `special` | not a regular file |  |\n"), "{text}");
        assert_eq!(text.matches("| `").count(), 14, "{text}");
    }

    #[test]
    fn every_setting_has_a_row_somewhere() {
        fn missing(nodes: &[language::NodeEntry], text: &str) {
            for node in nodes {
                assert!(text.contains(&format!("`{}`", node.name)), "{}", node.name);
                for property in &node.properties {
                    assert!(text.contains(&format!("`{}=`", property.name)), "{}", property.name);
                }
                missing(&node.children, text);
            }
        }

        let tops = Vocabulary::of_this_build().nodes;
        let marks = tops.iter().map(|node| format!("settings {}", node.name));
        let others = ["choices check", "choices channel", "shared", "sources"].map(str::to_owned);
        let marks = marks
            .chain(others)
            .map(|mark| format!("<!-- begin {mark} -->\n<!-- end -->"));
        let all: String = marks.collect();
        let text = fill_with(&all, &one).unwrap();
        for node in &tops {
            missing(&node.children, &text);
        }
    }
}
