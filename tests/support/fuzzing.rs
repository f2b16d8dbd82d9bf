//! What the fuzzers in `fuzz/` ask of any bytes. The tests ask it of the corpus, so that this compiles and holds without
//! a fuzzer.

use opsrun::config::findings::apply_fixes::fix;
use opsrun::config::{CheckOptions, load_text};
use std::path::Path;

const LOOK: CheckOptions = CheckOptions {
    now: chrono::DateTime::UNIX_EPOCH,
    host: false,
};

/// Read as an ops file: no panic, no hang, findings in order, spans inside the text and on its characters.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let loaded = load_text(Path::new("/nowhere/ops.kdl"), bytes.to_vec());
    assert_eq!(loaded.model.is_some(), loaded.errors() == 0);
    let mut last = 0;
    for finding in &loaded.findings {
        assert!(finding.span().start >= last, "out of order");
        last = finding.span().start;
        for label in &finding.labels {
            let (start, end) = (label.span.start, label.span.end);
            assert!(text.get(start..end).is_some(), "{start}..{end} {finding:?}");
            assert!(loaded.location(label.span).is_some());
        }
    }
    for (color, width) in [(false, 100), (true, 40)] {
        let shown = loaded.render(color, width);
        assert_eq!(shown.is_empty(), loaded.findings.is_empty());
        assert!(color || !shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
}

/// Fixed as `check --fix` does it: no panic, never more errors than before, and a second fix changes nothing.
pub fn fixed(bytes: &[u8]) {
    let name = Path::new("/nowhere/ops.kdl");
    let fixed = fix(name, bytes.to_vec(), false, LOOK);
    assert!(fixed.after.errors() <= fixed.before.errors());
    for file in &fixed.files {
        assert_ne!(file.old, file.new);
        let again = fix(name, file.new.clone().into_bytes(), false, LOOK);
        assert!(again.files.is_empty(), "a second time changes something");
    }
}
