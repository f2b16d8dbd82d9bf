//! JSON is read at terminals too: no command prints control characters, or such as change the direction of writing.

use crate::support::workspace::Workspace;
use std::fs;

/// Right-to-left override, an isolate, delete, a control of ISO 6429, and one that JSON escapes anyway.
const HOSTILE: &str = "gpj.\u{202e}exe \u{2067}a\u{7f}b\u{9b}2J\u{1b}[2J";

#[test]
fn no_json_controls_a_terminal() {
    let ops = r#"
        ops version=1 { name "t"; }
        backup "b" { source "data"; to "DIR"; }
        target "say" { command "printf" "TEXT"; }
        retention "r" backup="b" { class "all" "**" keep="7d"; max-delete files=10; }
    "#;
    let escaped: Vec<String> = HOSTILE.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect();
    let escaped = escaped.concat();
    let world = Workspace::with_data(&ops.replace("DIR", &format!("to {escaped}")).replace("TEXT", &escaped));
    world.file(HOSTILE, 30);
    world.file("young", 1);
    let mut hostile = 0;
    let mut look = |args: &[&str]| {
        let output = world.run(args);
        let text = String::from_utf8(output.stdout).unwrap();
        let hidden =
            |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        assert!(!text.contains(hidden), "{args:?}: {text:?}");
        // One document, or one on each line.
        let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
        let values: Vec<serde_json::Value> = values.map(Result::unwrap).collect();
        assert!(
            !values.is_empty(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        hostile += usize::from(values.iter().any(|value| value.to_string().contains('\u{202e}')));
        values
    };
    look(&["plan", "--json", "--files"]);
    look(&["check", "--format", "json"]);
    look(&["check", "--format", "sarif"]);
    let events = look(&["apply", "--yes", "--json"]);
    let run = events
        .iter()
        .find_map(|event| event["run"].as_str())
        .unwrap()
        .to_owned();
    for args in [
        &["list", "--json"][..],
        &["status", "--json"],
        &["history", "--json"],
        &["history", &run, "--json"],
        &["why", "target:say", "--json"],
        &["plan", "--next", "3", "--json"],
        &["simulate", "--from", "2026-11-01", "--to", "2026-11-02", "--json"],
        &["schema"],
    ] {
        look(args);
    }
    assert!(hostile >= 3, "the names reach {hostile} outputs only");
    assert!(fs::read_dir(world.at(&format!("to {HOSTILE}"))).unwrap().count() > 0);
}
