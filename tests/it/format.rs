//! The usual form of an ops file changes white space and nothing else, whatever the text; and what stands in this
//! repository is in it.
//!
//! Means: the parser of KDL itself, not what opsrun makes of its result; and the text without its white space.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it stops at what it did not expect"
)]

use kdl::{KdlDocument, KdlNode};
use opsrun::config::{self, FormatError};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const VALID: &[&str] = &[
    include_str!("../findings/good/full.kdl"),
    include_str!("../findings/good/comments.kdl"),
    include_str!("../findings/good/running.kdl"),
    include_str!("../../examples/web-company/ops.kdl"),
    STRANGE,
];

/// What a person seldom writes, and KDL takes.
const STRANGE: &str = "\u{feff}/- kdl-version 2\r\n\n\na  \"b\"\\ // c\r\n   k = 1 /* d\n e */ { f;g  {h;} ; /- i\n /-\n\nj\n\
    text \"\"\"\n      one  \n    two \\\n  \n    three\n    \"\"\"  // x\n  raw #\"a \"b\"  \"# ; (t)k ; (t)\"v\" \n }\n\n\n\
    class \"a\"   keep=1  // y\nclass \"bbbb\"  keep=2 //z\n // w  \nl { }\nm {\n\n} ; n /-{ o; }\n";

fn form(text: &str) -> Result<String, FormatError> {
    config::format(Path::new("ops.kdl"), text.as_bytes().to_vec())
}

/// Everything but white space, and but the white space at the end of a comment, in order. A string keeps its own.
fn bare(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{feff}')
        .collect()
}

/// Names, types, values, properties and children; not how they are written.
fn meaning(node: &KdlNode) -> String {
    let mut text = format!(
        "{:?}{:?}",
        node.ty().map(|ty| ty.value().to_owned()),
        node.name().value()
    );
    for entry in node.entries() {
        let ty = entry.ty().map(|ty| ty.value().to_owned());
        let name = entry.name().map(|name| name.value().to_owned());
        text = text + " " + &format!("{ty:?}{name:?}{:?}", entry.value());
    }
    if let Some(block) = node.children() {
        text = text + "{" + &whole(block) + "}";
    }
    text
}

fn whole(document: &KdlDocument) -> String {
    let nodes: Vec<String> = document.nodes().iter().map(meaning).collect();
    nodes.join(";")
}

/// Holds for every text. True when it has a form.
fn holds(text: &str) -> bool {
    let formed = match form(text) {
        Ok(formed) => formed,
        // The parser takes `/-` behind a continued line now for this and now for that, as blanks stand around it. Such a
        // text is left alone; any other may not be.
        Err(FormatError::Changed) => {
            assert!(
                text.contains("/-") && text.contains('\\'),
                "came to mean something else: {text:?}"
            );
            return false;
        }
        Err(FormatError::Invalid(loaded)) => {
            assert!(loaded.errors() > 0 && loaded.model.is_none(), "{text:?}");
            assert!(!loaded.render(false, 80).is_empty());
            return false;
        }
        Err(FormatError::TooLarge | FormatError::Oversized) => return false,
    };
    assert_eq!(form(&formed).unwrap(), formed, "{text:?}");
    assert_eq!(bare(&formed), bare(text), "{text:?}");
    let (old, new) = (KdlDocument::parse_v2(text), KdlDocument::parse_v2(&formed));
    match (old, new) {
        (Ok(old), Ok(new)) => assert_eq!(whole(&old), whole(&new), "{text:?}\n{formed:?}"),
        // The reader takes some texts that the parser alone does not, such as one with deeply nested comments.
        (Err(_), _) => {}
        (Ok(_), Err(error)) => panic!("{error:?}\n{text:?}\n{formed:?}"),
    }
    let lines: Vec<&str> = formed.split('\n').collect();
    assert!(
        matches!(formed.as_str(), "" | "\u{feff}") || formed.ends_with('\n'),
        "{formed:?}"
    );
    assert!(!formed.starts_with('\n') && !formed.ends_with("\n\n"), "{formed:?}");
    let strings = formed.contains("\"\"\"") || formed.contains("/*") || formed.contains('\\') || formed.contains("#\"");
    if !strings {
        assert!(lines.windows(3).all(|three| three != ["", "", ""]), "{formed:?}");
        assert!(
            lines
                .iter()
                .all(|line| line.trim_end_matches('\r').trim_end() == line.trim_end_matches('\r')),
            "{formed:?}"
        );
    }
    true
}

fn files(dir: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "kdl"))
        .collect();
    files.sort();
    files
}

#[test]
fn what_stands_here_is_in_its_usual_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut ask = |name: String, text: &str| {
        seen += 1;
        match form(text) {
            Ok(formed) if formed == text => {}
            Ok(formed) => wrong.push(format!("{name} should be:\n{formed}")),
            Err(error) => wrong.push(format!("{name}: {error:?}")),
        }
    };
    for example in ["databases", "files", "home-server", "observer", "web-company"] {
        let name = format!("examples/{example}/ops.kdl");
        ask(name.clone(), &std::fs::read_to_string(root.join(name)).unwrap());
    }
    let documents = std::fs::read_dir(root.join("docs")).unwrap();
    let documents = documents.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    for document in documents.chain(["README.md".to_owned()]) {
        let text = std::fs::read_to_string(root.join(&document)).unwrap();
        for block in text.split("```kdl\n").skip(1) {
            ask(document.clone(), block.split("```").next().unwrap());
        }
    }
    ask("the starter".to_owned(), config::init::STARTER);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 7, "{seen}");
}

#[test]
fn the_corpus_has_a_form_where_it_is_kdl() {
    let mut formed = 0;
    for path in [files("tests/findings"), files("tests/findings/good")].concat() {
        let bytes = std::fs::read(&path).unwrap();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            formed += usize::from(holds(text));
        } else {
            assert!(matches!(config::format(&path, bytes), Err(FormatError::Invalid(_))));
        }
    }
    assert!(formed > 60, "{formed}");
    for text in VALID {
        assert!(holds(text), "{text}");
    }
}

#[test]
fn a_form_is_what_it_was_before() {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("format-strange", form(STRANGE).unwrap());
    });
}

fn bits() -> impl Strategy<Value = String> {
    let bits = vec![
        "a",
        "bb",
        "class",
        "\"c d\"",
        "key=",
        "key = ",
        "1",
        "#true",
        "{",
        "}",
        " { ",
        " }",
        "{\n",
        "\n}",
        ";",
        " ; ",
        "\n",
        "\n",
        "\n\n\n",
        "\r\n",
        " ",
        " ",
        "  ",
        "    ",
        "\t",
        "// e",
        " // e  \n",
        "          // e\n",
        "/* f */",
        "/* g\n h */",
        "/-",
        "/- ",
        "\\\n",
        "\\ // i\n",
        "(t)",
        "\"\"\"\n  j\n  \"\"\"",
        "#\"k\"#",
        "\u{feff}",
        "\u{2028}",
        "é",
        "x 1   // l\n",
        "class \"a\"   keep=1\n",
        "class \"bbb\" keep=2\n",
    ];
    prop::collection::vec(prop::sample::select(bits), 0..40).prop_map(|parts| parts.concat())
}

/// Lines of sound KDL with any white space, so that most have a form.
fn sound() -> impl Strategy<Value = String> {
    let lines = vec![
        "a 1",
        "class \"a\"   keep=1",
        "class \"bbbb\"  keep=\"x\" // y",
        "b { c; d 2 }",
        "e {",
        "}",
        "}  // z",
        "// own",
        "",
        "    ",
        "/-f \"g\"",
        "h \\",
        "i   j=1  // k",
        "              // l",
        "m; n",
        "/- // o",
        "p {  // q",
        "/* r */",
        "s \"\"\"\n  t\n  \"\"\"",
    ];
    let line = (
        prop::sample::select(vec!["", " ", "    ", "\t", "        "]),
        prop::sample::select(lines),
    );
    prop::collection::vec(line, 0..25).prop_map(|lines| {
        let mut text = String::new();
        let mut open = 0;
        for (indent, line) in lines {
            let closes = line.starts_with('}');
            if closes && open == 0 {
                continue;
            }
            open += usize::from(line.contains('{') && !line.contains('}'));
            open -= usize::from(closes);
            text = text + indent + line + "\n";
        }
        text + &"}\n".repeat(open)
    })
}

fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        prop::sample::select(vec![
            "", " ", "   ", "\n", "\n\n", "\t", "\r\n", "\\\n", "// x\n", "/* y */", "/-", ";", "}", "{", "\"",
        ]),
        0_usize..3,
    );
    (
        prop::sample::select(VALID.to_vec()),
        prop::collection::vec(change, 1..5),
    )
        .prop_map(|(base, changes)| {
            let mut chars: Vec<char> = base.chars().collect();
            for (at, new, gone) in changes {
                let at = at.index(chars.len() + 1);
                let end = (at + gone).min(chars.len());
                chars.splice(at..end, new.chars());
            }
            chars.into_iter().collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn pieces_of_kdl(text in bits()) {
        holds(&text);
    }

    #[test]
    fn lines_of_kdl(text in sound()) {
        holds(&text);
    }

    #[test]
    fn mutations_of_valid_files(text in mutated()) {
        holds(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = config::format(Path::new("ops.kdl"), bytes);
    }
}
