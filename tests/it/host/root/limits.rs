//! How many processes and threads a user may have. Root has no such limit.

use crate::host::EXPIRED;
use crate::support::workspace::{Workspace, is_root, run_with_input};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::os::unix::process::CommandExt;

/// A user of whom nothing else runs.
const USER: u32 = 54_321;

#[test]
#[ignore = "needs root, to run as a user of its own"]
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
fn with_few_threads_it_works_or_names_the_limit() {
    assert!(is_root(), "this test must run as root");
    let ops = format!("{EXPIRED}target \"t\" {{ command \"true\"; }}\nchannel \"c\" {{ command \"true\"; }}\n");
    let mut done = 0;
    for limit in 1..12 {
        let world = Workspace::with_data(&ops);
        world.file("old", 30);
        for item in walkdir::WalkDir::new(world.path()) {
            std::os::unix::fs::lchown(item.unwrap().path(), Some(USER), Some(USER)).unwrap();
        }
        let mut command = world.command(&["apply", "--yes"]);
        command.uid(USER).gid(USER);
        let limits = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        // SAFETY: one system call.
        unsafe { command.pre_exec(move || setrlimit(Resource::Nproc, limits).map_err(std::io::Error::from)) };
        let output = run_with_input(&mut command, "");
        let text = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            code => assert!(
                code == Some(1) && text.contains("`ulimit -u`"),
                "{limit}: {code:?} {text}"
            ),
        }
        assert!(!text.contains("internal error"), "{limit}: {text}");
    }
    assert!((1..11).contains(&done), "{done}");
}
