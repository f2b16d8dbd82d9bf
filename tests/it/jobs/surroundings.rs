//! What opsrun inherits, and what it passes on: ignored signals, variables of the service manager, a sandbox.

use crate::support::sandbox;
use crate::support::workspace::{Workspace, output_of};
use nix::sys::signal::{SigHandler, Signal};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `nohup` and `&` of a shell start a program with a signal ignored.
#[test]
fn an_ignored_signal_stays_ignored() {
    for (signal, code) in [("HUP", 129), ("INT", 130)] {
        let ops = format!(
            "ops version=1 {{ name \"t\"; }}\ntarget \"a\" {{ shell \"kill -{signal} $PPID; echo x >done\"; }}\n\
             target \"b\" {{ shell \"echo x >next\"; needs \"target:a\"; }}\n"
        );
        let world = Workspace::new(&ops);
        let binary = world.command(&[]).get_program().to_owned();
        let mut ignoring = Command::new("sh");
        let script = format!("trap '' {signal}; exec \"$0\" apply --yes");
        ignoring.args(["-c", &script]).arg(binary).current_dir(world.path());
        output_of(&ignoring.output().unwrap(), 0);
        assert!(world.at("done").exists() && world.at("next").exists());
        world.remove("next");
        output_of(&world.run(&["apply", "--yes"]), code);
        assert!(!world.at("next").exists(), "{signal}");
    }
}

/// A child of a process that ignores SIGCHLD has no exit code.
#[test]
#[expect(unsafe_code, reason = "what happens between fork and exec is unsafe by nature")]
fn exit_codes_are_seen_where_the_end_of_children_is_ignored() {
    let world = Workspace::new(
        "ops version=1 { name \"t\"; }\ntarget \"a\" { shell \"exit 7\"; ok-codes 7; }\ntarget \"b\" { command \"true\"; }\n",
    );
    let mut command = world.command(&["apply", "--yes"]);
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(|| {
            nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigIgn)?;
            Ok(())
        });
    }
    output_of(&command.output().unwrap(), 0);
}

#[test]
fn what_the_service_manager_gives_to_opsrun_is_not_passed_on() {
    let names = "NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID LISTEN_FDS LISTEN_PID LISTEN_FDNAMES";
    let dump = "env >>seen; echo --- >>seen";
    let world = Workspace::new(&format!(
        r#"
ops version=1 {{ name "t"; }}
channel "ops" {{ command "/bin/sh" "-c" "{dump}"; }}
target "a" {{ shell "{dump}; exit 1"; env "KEY" {{ from-command "/bin/sh" "-c" "{dump}; echo key"; }}; notify "ops"; }}
check "b" {{ command "/bin/sh" "-c" "{dump}"; notify "ops"; }}
target "own" {{ shell "echo $NOTIFY_SOCKET >own"; env "NOTIFY_SOCKET" "declared"; notify "ops"; }}
"#
    ));
    let mut command = world.command(&["apply", "--yes"]);
    command.envs(names.split(' ').map(|name| (name, "1")));
    output_of(&command.output().unwrap(), 1);
    let seen = std::fs::read_to_string(world.at("seen")).unwrap();
    assert!(seen.matches("---").count() >= 4, "{seen}");
    for name in names.split(' ') {
        assert!(!seen.contains(&format!("{name}=")), "{seen}");
    }
    assert_eq!(std::fs::read_to_string(world.at("own")).unwrap(), "declared\n");
}

/// A filter answers as if the kernel were old, or as if rights were missing; neither is the cause.
#[test]
fn a_sandbox_that_takes_a_call_away_is_named() {
    let world =
        Workspace::with_data("ops version=1 { name \"t\"; }\nbackup \"b\" { source \"data\"; to \"backup\"; }\n");
    world.file("a", 1);
    for errno in [libc::ENOSYS, libc::EPERM] {
        for (args, code) in [(["apply", "--yes"].as_slice(), 3), (&["plan"], 0)] {
            let mut command = world.command(args);
            sandbox::refuse(&mut command, libc::SYS_openat2, errno);
            let text = output_of(&command.output().unwrap(), code);
            assert!(
                text.contains("a sandbox blocks this system call") && text.contains("openat2"),
                "{text}"
            );
            assert!(!text.contains("Linux 5.6") && !text.contains("readable"), "{text}");
        }
    }
    world.ends(0, &["apply", "--yes"]);
    for args in [["verify"].as_slice(), &["restore", "--to", "back"]] {
        let mut command = world.command(args);
        sandbox::refuse(&mut command, libc::SYS_openat2, libc::ENOSYS);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && text.contains("a sandbox blocks this system call"),
            "{text}"
        );
    }
}
