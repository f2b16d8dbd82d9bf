//! Any bytes, read as an ops file: no panic, no hang, findings in order, spans inside the text and on its characters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsrun::config::load_text;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
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
            assert!(loaded.place(label.span).is_some());
        }
    }
    for (color, width) in [(false, 100), (true, 40)] {
        let shown = loaded.render(color, width);
        assert_eq!(shown.is_empty(), loaded.findings.is_empty());
        assert!(color || !shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
});
