use super::*;

fn shown(text: &str) -> String {
    let once = format(text).unwrap_or_else(|why| panic!("{why:?}: {text:?}"));
    assert_eq!(format(&once).unwrap(), once, "not stable: {text:?}");
    once
}

#[test]
fn blanks_and_levels() {
    assert_eq!(
        shown("a   1  k = 2\t/* c */ (t)3{\n\tb\n  c  {\n d ;\n}\n }\n"),
        "a 1 k=2 /* c */ (t)3 {\n    b\n    c {\n        d;\n    }\n}\n"
    );
    assert_eq!(shown(""), "");
    assert_eq!(shown(" \n\n"), "");
    assert_eq!(shown("a   "), "a\n");
}

#[test]
fn braces() {
    assert_eq!(shown("a{b;c}\nd { }\ne {\n\n}"), "a { b; c }\nd {}\ne {}\n");
    assert_eq!(shown("a { b\n c }"), "a {\n    b\n    c\n}\n");
    assert_eq!(shown("a { b{c;} ; d\n}; e"), "a {\n    b { c; }; d\n}; e\n");
    assert_eq!(shown("a {// x\nb}"), "a { // x\n    b\n}\n");
    assert_eq!(shown("a { /* x */ b\n}"), "a {\n    /* x */ b\n}\n");
    assert_eq!(shown("a { /* x */  // y\n b\n}"), "a { /* x */ // y\n    b\n}\n");
    assert_eq!(
        shown("a { b \"\"\"\n  x\n  \"\"\"; }"),
        "a {\n    b \"\"\"\n  x\n  \"\"\";\n}\n"
    );
}

#[test]
fn blank_lines() {
    assert_eq!(
        shown("\n\n// x\n\n\n\na {\n\n  b\n\n\n  c\n\n}\n\n\nd\n\n"),
        "// x\n\na {\n    b\n\n    c\n}\n\nd\n"
    );
}

#[test]
fn what_is_commented_out_stays_attached() {
    assert_eq!(shown("/- kdl-version 2\na"), "/- kdl-version 2\na\n");
    assert_eq!(
        shown("/-\n a  /- \"b\" /-k=1 {\n/- c\n} "),
        "/-a /-\"b\" /-k=1 {\n    /-c\n}\n"
    );
    assert_eq!(shown("/- // why\n\n  // and\n  a\nb"), "/- // why\n// and\na\nb\n");
    assert_eq!(shown("a /-  { b; }"), "a /-{ b; }\n");
}

#[test]
fn continued_lines() {
    assert_eq!(
        shown("a {\n  command \"x\"\\\n \"y\"  \\  // z  \n\"w\" {\nb\n}\n}"),
        "a {\n    command \"x\" \\\n        \"y\" \\ // z\n        \"w\" {\n        b\n    }\n}\n"
    );
    // The line after `\` ends the node.
    assert_eq!(shown("a \\\n\n\n\nb"), "a \\\n\nb\n");
    assert_eq!(shown("a {\nb \\\n\n}"), "a {\n    b \\\n}\n");
    assert_eq!(shown("a \\\n// x\nb"), "a \\\n    // x\nb\n");
}

#[test]
fn strings_and_comments_keep_their_bytes() {
    let text = "a #\"x  y\"# \"\"\"\n      b  \n\tc\\\n  \n  \"\"\"\n/* d  \n   e */\n";
    assert_eq!(format(text), Err(FormatFailure::Invalid));
    let text = "a #\"x  y\"# \"\"\"\n      b  \n    c \\\n  \n    d\n  \"\"\"\n/* d  \n   e */\n";
    assert_eq!(shown(text), text);
    assert_eq!(shown("a // x  \n // y\t\nb"), "a // x\n// y\nb\n");
}

#[test]
fn line_ends_and_marks() {
    assert_eq!(
        shown("\u{feff}a  1\r\n\r\n\r\nb {\r\nc }\r\n"),
        "\u{feff}a 1\r\n\r\nb {\r\n    c\r\n}\r\n"
    );
    assert_eq!(shown("a\r\nb\nc"), "a\nb\nc\n");
    assert_eq!(shown("a\u{2028}b\rc\u{85}"), "a\nb\nc\n");
}

#[test]
fn a_table_is_started_by_its_author() {
    let table = "class \"decision\" keyword=\"decision\" keep=\"forever\"\n\
                 class \"pattern\"  keyword=\"pattern\"  keep=\"30d\"\n\
                 class \"raw\"      \"raw/**\"           keep=\"7d\"\n";
    assert_eq!(shown(table), table);
    // A new row is aligned.
    let with = table.to_owned() + "class \"longer-than-all\" keep=\"1d\"\n";
    assert_eq!(
        shown(&with),
        "class \"decision\"        keyword=\"decision\" keep=\"forever\"\n\
         class \"pattern\"         keyword=\"pattern\"  keep=\"30d\"\n\
         class \"raw\"             \"raw/**\"           keep=\"7d\"\n\
         class \"longer-than-all\" keep=\"1d\"\n"
    );
    let list = table.replace("\"raw/**\"           keep", "\"raw/**\" \"*.raw\"   keep");
    assert_eq!(shown(&list), list);
    // One extra blank does not make a table.
    assert_eq!(
        shown("env \"A\"  \"1\"\nenv \"LONGER\" \"2\"\n"),
        "env \"A\" \"1\"\nenv \"LONGER\" \"2\"\n"
    );
    // Nor do lines of several names, or lines apart.
    assert_eq!(shown("a   1\nbb  2\n"), "a 1\nbb 2\n");
    assert_eq!(shown("a 1  x\n\na 22 y\n"), "a 1 x\n\na 22 y\n");
    let blocks = "channel \"ops\"  { a; }; // x\nchannel \"mail\" { b; };\n";
    assert_eq!(shown(blocks), blocks);
}

#[test]
fn a_table_that_is_too_wide_is_not_aligned() {
    let long = "x".repeat(60);
    assert_eq!(
        shown(&format!("a b   c\na dd  e\na {long} f\n")),
        format!("a b c\na dd e\na {long} f\n")
    );
}

#[test]
fn comments_at_the_ends_of_neighbours_are_aligned() {
    assert_eq!(shown("a 1 // x\nbb 22 // y\n"), "a 1   // x\nbb 22 // y\n");
    assert_eq!(shown("a 1 // x\n\nbb 22 // y\n"), "a 1 // x\n\nbb 22 // y\n");
    assert_eq!(shown("a 1 // x\nc\nbb 22 // y\n"), "a 1 // x\nc\nbb 22 // y\n");
    // Those that were aligned stay aligned.
    assert_eq!(
        shown("a {          // x\n  b 2        // y\n  c\n  d 4        // z\n}\n"),
        "a {     // x\n    b 2 // y\n    c\n    d 4 // z\n}\n"
    );
    // One that continues below.
    assert_eq!(
        shown("import 1       // x\n               // y\n// z\na // w\n"),
        "import 1 // x\n         // y\n// z\na // w\n"
    );
    let far = "x".repeat(50);
    assert_eq!(
        shown(&format!("a // x\nb {far} // y\n")),
        format!("a // x\nb {far} // y\n")
    );
}

#[test]
fn invalid_kdl_is_refused() {
    for text in ["a {", "a \"b", "a }", "a 5m", "a b=true", "a \"b\"c", "/* x"] {
        assert_eq!(format(text), Err(FormatFailure::Invalid), "{text:?}");
    }
}

#[test]
fn a_text_that_would_outgrow_a_file_is_refused() {
    let deep = "a {\n".repeat(60) + &"b\n".repeat(30_000) + &"}\n".repeat(60);
    assert_eq!(format(&deep), Err(FormatFailure::TooLarge));
}

/// Forms of `/-` that the grammar of KDL 2 has: before nodes, arguments, properties and blocks, with every end.
#[test]
fn commented_out_parts_are_valid_everywhere() {
    for text in [
        "a { /-b; c }",
        "a { /-b \"x\" }",
        "a { b; /-c \"x\" \"y\"; }",
        "a { /-b { c; }; d }",
        "a { /- b { c }; }",
        "a { /-\n b x; c }",
        "/-a; b",
        "/-a { b; }; c",
        "/-a",
        "a /-b=1 /-c { d }",
        "a /-{ b; } { c; }",
        "a { b /-x; c }",
        "a { /-b { /-c; d; }; e; }",
        "a { /-b /-x y; c; }",
        "/-a\n/-b;/-c; d",
    ] {
        let nodes = nodes(text).unwrap_or_else(|| panic!("{text}"));
        let left = |node: &SyntaxNode| !matches!(node.name.as_str(), "x" | "y");
        assert!(nodes.iter().all(left), "{text}");
        let again = format(text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
        assert_eq!(format(&again).as_deref(), Ok(again.as_str()), "{text}");
    }
    let kept = nodes("a { /-b { c; }; d; /-e; f }").unwrap();
    let names: Vec<&str> = kept[0]
        .children
        .iter()
        .flatten()
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!(names, ["d", "f"]);
}
