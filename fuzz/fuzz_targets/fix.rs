//! Any bytes, fixed as `check --fix` does it: no panic, never more errors than before, and a second fix changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opsrun::config::CheckOptions;
use opsrun::config::findings::apply_fixes::fix;
use std::path::Path;

const LOOK: CheckOptions = CheckOptions {
    now: chrono::DateTime::UNIX_EPOCH,
    host: false,
};

fuzz_target!(|bytes: &[u8]| {
    let name = Path::new("/nowhere/ops.kdl");
    let fixed = fix(name, bytes.to_vec(), false, LOOK);
    assert!(fixed.after.errors() <= fixed.before.errors());
    for file in &fixed.files {
        assert_ne!(file.old, file.new);
        let again = fix(name, file.new.clone().into_bytes(), false, LOOK);
        assert!(again.files.is_empty(), "a second time changes something");
    }
});
