//! What the system allows too little of: open files, the size of files.

use crate::support::workspace::{Workspace, output_of, run_with_input};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

const OPS: &str = r#"
ops version=1 { name "t"; }
channel "c" { command "true"; }
backup "b" { source "data"; to "backup"; contents "expired"; notify "c"; }
retention "r" backup="b" { class "old" "*.log" keep="7d"; max-delete files=100; }
target "t" { shell "ulimit -n >limit"; notify "c"; }
check "k" { disk-space "data" warn="1B"; }
"#;

/// The command starts with this limit.
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
fn limited(command: &mut Command, what: Resource, current: u64, maximum: u64) {
    let limits = Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    // SAFETY: one system call.
    unsafe { command.pre_exec(move || setrlimit(what, limits).map_err(std::io::Error::from)) };
}

/// With so few open files it works, or names the limit.
fn text_of(output: &Output, limit: u64) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let code = output.status.code();
    assert!(
        code.is_some_and(|code| code != 70 && code < 128),
        "{limit}: {code:?} {text}"
    );
    assert!(!text.contains("internal error"), "{limit}: {text}");
    let known = text.contains("`ulimit -n`") || text.contains("cannot open shared object");
    assert!(matches!(code, Some(0 | 4)) || known, "{limit}: {code:?} {text}");
    text
}

#[test]
fn with_few_open_files_it_works_or_names_the_limit() {
    let mut done = 0;
    for limit in (5..=30).chain((32..100).step_by(3)) {
        let world = Workspace::with_data(OPS);
        world.file("a.log", 30);
        let mut command = world.command(&["apply", "--yes"]);
        limited(&mut command, Resource::Nofile, limit, limit);
        let output = run_with_input(&mut command, "");
        let text = text_of(&output, limit);
        // Whatever else goes wrong, it is not blamed on the file.
        assert!(!text.contains("changed"), "{limit}: {text}");
        done += u64::from(output.status.success());
    }
    assert!(done > 5, "it works with fewer than 100");
}

#[test]
fn every_command_names_the_limit_of_open_files() {
    let world = Workspace::with_data(OPS);
    world.file("a.log", 30);
    world.apply(0);
    for args in [
        &["plan"][..],
        &["serve"],
        &["apply", "--due", "--yes"],
        &["verify"],
        &["restore", "**", "--to", "back"],
        &["alerts", "test", "c"],
    ] {
        let mut command = world.command(args);
        limited(&mut command, Resource::Nofile, 12, 12);
        let output = run_with_input(&mut command, "");
        let text = output_of(&output, 1);
        assert!(
            text.contains("open files are limited to 12 (`ulimit -n`"),
            "{args:?} {text}"
        );
    }
}

/// Its own limit is raised as far as the system allows; commands start with the one that was set.
#[test]
fn a_low_limit_of_open_files_is_raised_for_opsrun_alone() {
    let world = Workspace::with_data(OPS);
    world.file("a.log", 30);
    let mut command = world.command(&["apply", "--yes"]);
    limited(&mut command, Resource::Nofile, 20, 2000);
    output_of(&command.output().unwrap(), 0);
    assert_eq!(std::fs::read_to_string(world.at("limit")).unwrap().trim(), "20");
}

/// As on a full disk: what SQLite maps beside the state cannot grow, and a run that failed on it left that behind.
#[test]
fn a_state_that_cannot_grow_can_be_read() {
    let world = Workspace::with_data("ops version=1 { name \"t\"; }\ntarget \"t\" { command \"true\"; }\n");
    world.apply(0);
    for (code, args) in [
        (0, &["status"][..]),
        (73, &["apply", "--yes"]),
        (0, &["status"]),
        (0, &["history", "last"]),
    ] {
        let mut command = world.command(args);
        limited(&mut command, Resource::Fsize, 0, 0);
        output_of(&command.output().unwrap(), code);
    }
    world.apply(0);
}

/// The system answers a write beyond the limit by a signal that ends a program that does not expect it.
#[test]
fn a_limit_of_file_sizes_is_named() {
    let world =
        Workspace::with_data("ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"backup\"; }\n");
    world.file("seed", 1);
    world.apply(0);
    let noise: Vec<u8> = (0..1_000_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    world.file_with("large".as_ref(), 1, &noise);
    let mut command = world.command(&["apply", "--yes"]);
    limited(&mut command, Resource::Fsize, 500_000, 500_000);
    let text = output_of(&command.output().unwrap(), 73);
    assert!(
        text.contains("files are limited to 500000 bytes (`ulimit -f`"),
        "{text}"
    );
    std::fs::write(world.at("ugly.kdl"), "ops   version=1 {   name \"t\"; }\n").unwrap();
    for args in [&["apply", "--yes"][..], &["init", "new.kdl"], &["fmt", "ugly.kdl"]] {
        let mut command = world.command(args);
        limited(&mut command, Resource::Fsize, 16, 16);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(1..=73))
                && output.status.code() != Some(70)
                && text.contains("`ulimit -f`"),
            "{args:?} {:?} {text}",
            output.status
        );
    }
}
