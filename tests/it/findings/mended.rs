//! What `--fix` makes of the corpus: never more errors than before, and nothing left to do for a second time.

use super::{corpus, files, look};
use opsrun::config::findings::apply_fixes::{FixResult, fix};
use opsrun::config::load_text;
use opsrun::report::findings::diff::unified;
use opsrun::report::shared::style::Style;
use proptest::prelude::*;
use std::path::Path;

fn fixed(path: &Path) -> FixResult {
    fix(path, std::fs::read(path).unwrap(), false, look(path))
}

/// What changes, as people are shown it.
pub fn diff(path: &Path) -> String {
    let files = fixed(path).files;
    let shown = files.iter().map(|file| {
        let (old, new) = &file.shown;
        unified(&file.name, old, new, Style::PLAIN)
    });
    shown.collect()
}

#[test]
fn the_corpus_is_mended_as_the_snapshot_says() {
    let mut all = String::new();
    for path in corpus() {
        let fixed = fixed(&path);
        let shown = path.display();
        assert!(fixed.after.errors() <= fixed.before.errors(), "{shown}");
        assert_eq!(fixed.files.is_empty(), fixed.done.is_empty(), "{shown}");
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if let [file] = fixed.files.as_slice() {
            let again = fix(&path, file.new.clone().into_bytes(), false, look(Path::new("")));
            assert!(again.files.is_empty(), "{shown}: {:?}", again.done);
            if !stem.starts_with("many") {
                all += &diff(&path);
            }
        }
    }
    insta::with_settings!({ snapshot_path => "../../findings/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("mended", all);
    });
}

#[test]
fn good_files_stay_as_they_are() {
    for path in files("tests/findings/good") {
        let fixed = fixed(&path);
        assert!(fixed.files.is_empty() && fixed.done.is_empty(), "{}", path.display());
    }
}

#[test]
fn each_slip_is_mended_as_meant() {
    let target = |inside: &str| format!("target \"a\" {{\n    {inside}\n}}\n");
    for (wrong, right) in [
        ("command \"x\"; timeout 5m", "command \"x\"; timeout \"5m\""),
        ("command \"x\"; paused true", "command \"x\"; paused #true"),
        ("command \"x\" # why", "command \"x\" // why"),
        ("command [\"x\", \"y\"]", "command \"x\" \"y\""),
        ("command = \"x\"", "command \"x\""),
        ("command: [a/**, \"y\"]", "command \"a/**\" \"y\""),
        (
            "command \"x\"; timeout \"5m\"// long",
            "command \"x\"; timeout \"5m\" // long",
        ),
        ("command \"x\"; ;", "command \"x\";"),
        ("command: /bin/x", "command \"/bin/x\""),
        ("command https://x/y", "command \"https://x/y\""),
        ("command \"x\"; timeuot \"5m\"", "command \"x\"; timeout \"5m\""),
        ("command \"chmod\" 0755", "command \"chmod\" \"0755\""),
        ("command \"x\" 0x10 1_000 +5", "command \"x\" \"0x10\" \"1_000\" \"+5\""),
        ("command \"x\" 1.10 0o17", "command \"x\" \"1.10\" \"0o17\""),
        (
            "command \"x\"; env \"UMASK\" 022",
            "command \"x\"; env \"UMASK\" \"022\"",
        ),
        ("command \"x\" true null", "command \"x\" \"true\" \"null\""),
        (
            "command \"x\"; env \"DEBUG\" true",
            "command \"x\"; env \"DEBUG\" \"true\"",
        ),
        ("command \"x\", \"y\" # c, d", "command \"x\" \"y\" // c, d"),
        ("command 'a\"b'", "command \"a\\\"b\""),
        (
            "command \"x\"; timeout \"5m\" kill-after \"9s\"",
            "command \"x\"; timeout \"5m\" kill-after=\"9s\"",
        ),
        ("command 'x y'", "command \"x y\""),
        ("command \u{201c}x\u{201d}", "command \"x\""),
        (
            "command \"x\"; timeout \"5m\" kill-aftr=\"9s\"",
            "command \"x\"; timeout \"5m\" kill-after=\"9s\"",
        ),
        ("command \"x\" 4", "command \"x\" \"4\""),
        (
            "command \"x\"; env \"A\" { from-command \"y\" } paused",
            "command \"x\"; env \"A\" { from-command \"y\" }; paused",
        ),
        ("; first\n    command \"x\"", "// first\n    command \"x\""),
        (
            "command \"x\"\n    allow \"no-max-delete\" reason=\"y\"  // gone",
            "command \"x\"\n      // gone",
        ),
        (
            "command \"x\"\n    allow \"no-max-delete\" reason=\"y\"",
            "command \"x\"",
        ),
    ] {
        let fixed = fix(
            Path::new("ops.kdl"),
            target(wrong).into_bytes(),
            false,
            look(Path::new("")),
        );
        let [file] = fixed.files.as_slice() else {
            panic!("{wrong}: not mended: {:?}", fixed.before.findings)
        };
        assert_eq!(file.new, target(right), "{wrong}");
    }
}

#[test]
fn a_backup_that_was_named_is_taken() {
    let text = |sign: &str| {
        format!(
            "backup \"db\" {{ source \"/a\"; to \"/b\"; }}\nbackup \"other\" {{ source \"/c\"; to \"/d\"; }}\n\
             retention \"y\" backup{sign}\"other\" {{ class \"a\" \"**\" keep=\"30d\"; max-delete files=5; }}\n"
        )
    };
    for sign in [" ", ": "] {
        let fixed = fix(
            Path::new("ops.kdl"),
            text(sign).into_bytes(),
            false,
            look(Path::new("")),
        );
        assert_eq!(fixed.before.findings.len(), 1, "{:?}", fixed.before.findings);
        assert_eq!(fixed.files[0].new, text("="));
        assert_eq!(fixed.after.errors(), 0);
    }
}

#[test]
fn what_may_be_meant_otherwise_is_left_to_people() {
    for wrong in [
        "target \"a\" { comand \"x\"; }",
        "check \"a\" { comment \"reboot\"; }",
        "backup \"a\" { source \"/a\"; to \"/b\"; exlude \"x\"; }",
        "backup \"db\" { source \"/a\"; to \"/b\"; }\nretention \"y\" backup=\"db\" { include \"*.log\"; class \"a\" \"**\" keep=\"30d\"; }",
        "backup \"db\" { source \"/a\"; to \"/b\"; }\nretention \"y\" \"backup\" \"other\" { class \"a\" \"**\" keep=\"30d\"; }",
        "target \"a\" { command \"x\" 1,000; }",
        "target \"a\" { command 'it''s'; }",
        "target \"a\" { cmd \"x\"; }",
        "target \"a\" { code 1; command \"x\"; }",
        "check \"a\" { glob \"x\"; }",
        "check \"a\" { tpc \"h:1\"; }",
        "alert \"a\" { command \"x\"; }",
        "target \"a\" { command \"x\"; timeout \"5 m\" \"6m\"; }",
        "target \"a\" { command app//the; }",
        "target \"a\" { command \"x\"; comand \"y\"; }",
        // What a program is called with.
        "target \"a\" { command \"x\" timeout \"5m\"; }",
        "target \"a\" { command \"x\" timeout: \"5m\"; }",
        "target \"a\" { command \"x\" user=\"app\"; }",
        "target \"a\" { command \"x\" user = \"app\"; }",
        "target \"a\" { command \"x\" usr=\"app\"; }",
        "target \"a\" { command \"x\" tiemout=\"5m\"; }",
        "target \"a\" { command \"x\" env=\"A=b\"; }",
        "target \"a\" { command \"x\" MODE=\"live\"; }",
        "target \"a\" { command \"x\" if=\"/dev/zero\"; }",
        "target \"a\" { shell \"x\" user=\"app\"; }",
        "target \"a\" { usr \"app\"; command \"x\"; }",
        "check \"a\" { command \"x\" timeout=\"5s\"; }",
        "check \"a\" { command \"x\" usre=\"app\"; }",
        "channel \"a\" { command \"x\" timeout=\"5s\"; }",
        "target \"a\" { command \"x\"; env \"A\" { from-command \"y\" user=\"app\"; }; }",
        "target \"a\" { command \"x\"; cpu #treu; }",
        "backup \"a\" { source host:/data; to \"/b\"; }",
    ] {
        let fixed = fix(
            Path::new("ops.kdl"),
            wrong.as_bytes().to_vec(),
            false,
            look(Path::new("")),
        );
        assert!(fixed.before.errors() > 0, "{wrong}");
        assert!(fixed.files.is_empty(), "{wrong}: {:?}", fixed.files);
    }
}

#[test]
fn a_fix_that_would_do_harm_is_left_out_and_hinders_no_other() {
    // What the `;` would bring to light are more mistakes than there were.
    let hidden = "one; two; three; ".repeat(10);
    let harmful = format!("target \"h\" {{ env \"A\" {{ from-command \"y\" }} paused; {hidden}}}\n");
    let slip = |name: usize| format!("target \"t{name}\" {{ command 'x'; }}\n");
    let mut text: String = (0..5).map(slip).collect();
    text += &harmful;
    text.extend((5..20).map(slip));
    let fixed = fix(
        Path::new("ops.kdl"),
        text.clone().into_bytes(),
        false,
        look(Path::new("")),
    );
    let wanted = text.replace("'x'", "\"x\"");
    assert_eq!(fixed.files.first().map(|file| file.new.as_str()), Some(wanted.as_str()));
    assert_eq!(fixed.done.len(), 20);
    assert_eq!(fixed.after.errors(), 1);
}

/// Lines, good and bad, of which files are put together.
const LINES: &[&str] = &[
    "target \"a\" {",
    "backup \"b\" {",
    "retention \"b\" {",
    "}",
    "command \"x\" 5 [a, b]",
    "comand 'x'",
    "timeout 5m",
    "paused true",
    "source = data/**/x",
    "to: \u{201c}/b\u{201d} é",
    "include *.csv, \"a\"; exclude /x/**",
    "class \"r\" \"/r/**\" keep=7d",
    "allow \"no-max-delete\" reason=\"r\"",
    "env \"PASSWORD\" hunter2",
    "# note }",
    "; note {",
    "x /* y",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_gets_worse(lines in prop::collection::vec(0..LINES.len(), 0..12)) {
        let text: String = lines.iter().flat_map(|at| [LINES[*at], "\n"]).collect();
        let fixed = fix(Path::new("ops.kdl"), text.clone().into_bytes(), false, look(Path::new("")));
        let errors = |text: &str| load_text(Path::new("ops.kdl"), text.as_bytes().to_vec()).errors();
        let new = fixed.files.first().map_or(text.as_str(), |file| file.new.as_str());
        prop_assert!(errors(new) <= errors(&text), "{text}\n---\n{new}");
        // Nothing but signs, quotes, names and blanks is taken out or put in: every number stays.
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        prop_assert_eq!(digits(new), digits(&text));
    }
}
