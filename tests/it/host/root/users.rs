//! Commands that run as another user: who they are, what they get, and what is said when they cannot.

use crate::support::workspace::{OPSRUN, Workspace, is_root, opsrun, output_of};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A workspace that every user may enter.
fn open_to_all(ops: &str) -> Workspace {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::with_data(ops);
    mode(world.path(), 0o755);
    world
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// In a mount namespace, so that `nobody` has a second group and a home of its own.
#[test]
#[ignore = "needs root, to change the user"]
fn a_command_is_its_user_and_nothing_more() {
    let world = open_to_all(
        r#"ops version=1 { name "t"; }
        target "who" {
            shell "id -u; id -g; id -G; env | sort; grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status; pwd"
            user "nobody"
            cwd "/"
            env "MODE" "live"
        }
        target "group" { shell "id -u; id -g"; group "daemon"; }
        target "both" { shell "id -u; id -g; id -G"; user "65534"; group "adm"; }
        "#,
    );
    let script = r#"
        set -eu
        sed 's/^daemon:x:1:.*/daemon:x:1:nobody/' /etc/group > group
        sed 's/^nobody:.*/nobody:x:65534:65534:nobody:\/home\/none:\/bin\/sh/' /etc/passwd > passwd
        mount --bind group /etc/group
        mount --bind passwd /etc/passwd
        "$0" apply --yes --json
    "#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, OPSRUN]);
    command
        .env("A_SECRET", "of-opsrun")
        .env("LC_TIME", "C")
        .env("XDG_RUNTIME_DIR", "/run/user/0");
    command.env_remove("OPSRUN_STATE_DIR").env_remove("OPSRUN_FILE");
    let events = output_of(&command.current_dir(world.path()).output().unwrap(), 0);
    let printed = |job: &str| {
        let events = events
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut attempts = events.filter(|event| event["event"] == "attempted");
        let found = attempts.find(|event| event["step"] == format!("target:{job}")).unwrap();
        found["output"]["head"].as_str().unwrap().to_owned()
    };
    let who = printed("who");
    let lines: Vec<&str> = who.lines().collect();
    assert_eq!(lines[..2], ["65534", "65534"], "{who}");
    assert_eq!(
        lines[2].split(' ').collect::<std::collections::BTreeSet<_>>(),
        ["1", "65534"].into(),
        "{who}"
    );
    for line in [
        "HOME=/home/none",
        "USER=nobody",
        "LOGNAME=nobody",
        "SHELL=/bin/sh",
        "MODE=live",
        "LC_TIME=C",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "/",
    ] {
        assert!(lines.contains(&line), "{line} in\n{who}");
    }
    assert!(!who.contains("of-opsrun") && !who.contains("XDG_RUNTIME_DIR"), "{who}");
    assert_eq!(printed("group"), "0\n1\n");
    // Its second group stays, its own does not.
    assert_eq!(printed("both"), "65534\n4\n4 1\n");
}

#[test]
#[ignore = "needs root, to change the user"]
fn what_another_user_may_not_do_is_said_with_its_name() {
    let world = open_to_all(
        r#"ops version=1 { name "t"; }
        target "closed" { shell "true"; user "nobody"; cwd "closed"; }
        target "script" { command "bin/report"; user "nobody"; cwd "/"; }
        target "gone" { shell "true"; user "no-such-user"; }
        target "no-group" { shell "true"; user "nobody"; group "no-such-group"; }
        "#,
    );
    std::fs::create_dir(world.at("closed")).unwrap();
    mode(&world.at("closed"), 0o700);
    std::fs::create_dir(world.at("bin")).unwrap();
    std::fs::write(world.at("bin/report"), "#!/bin/sh\ntrue\n").unwrap();
    mode(&world.at("bin/report"), 0o700);
    let run = |args: &[&str]| opsrun(world.path(), args).output().unwrap();
    let text = output_of(&run(&["apply", "--yes"]), 1);
    for (first, second) in [
        ("as user `nobody`", "the directory may not be entered"),
        ("as user `nobody`", "it is not executable"),
        ("as user `no-such-user`", "the user `no-such-user` does not exist"),
        ("group `no-such-group`", "the group `no-such-group` does not exist"),
    ] {
        assert!(
            text.lines().any(|line| line.contains(first) && line.contains(second)),
            "{second}:\n{text}"
        );
    }
    let text = output_of(&run(&["check", "--host"]), 0);
    assert!(text.contains("the user `no-such-user` does not exist"), "{text}");
    assert!(text.contains("the group `no-such-group` does not exist"), "{text}");
    let text = output_of(&run(&["check"]), 0);
    assert!(!text.contains("does not exist"), "{text}");

    // Without the rights to change the user, nothing is run as somebody else.
    let mut unprivileged = Command::new("setpriv");
    unprivileged.args(["--reuid=65534", "--regid=65534", "--clear-groups", OPSRUN]);
    unprivileged
        .args(["check", "--host"])
        .current_dir(world.path())
        .env("NO_COLOR", "1");
    let ops = r#"ops version=1 { name "t"; }
        target "other" { shell "true"; user "daemon"; cwd "/"; }
        target "own" { shell "true"; user "nobody"; cwd "/"; }
        "#;
    std::fs::write(world.at("ops.kdl"), ops).unwrap();
    let text = output_of(&unprivileged.output().unwrap(), 0);
    assert!(text.contains("opsrun may not run commands as user `daemon`"), "{text}");
    assert!(!text.contains("user `nobody`"), "{text}");
}

/// Also its children: they are another user's, and ended all the same.
#[test]
#[ignore = "needs root, to change the user"]
fn a_command_of_another_user_is_ended() {
    let world = open_to_all(
        r#"ops version=1 { name "t"; }
        target "deaf" {
            shell "trap '' TERM; sleep 1000 & wait; wait"
            user "nobody"
            cwd "/"
            timeout "300ms" kill-after="200ms"
        }
        "#,
    );
    let text = output_of(&opsrun(world.path(), &["apply", "--yes"]).output().unwrap(), 1);
    assert!(text.contains("the group was ended with KILL"), "{text}");
}

/// Whoever owns a directory on the way chooses by a symlink where it leads.
#[test]
#[ignore = "needs root, to change the user"]
fn another_user_does_not_choose_where_a_dump_is_written() {
    let world = open_to_all(
        r#"ops version=1 { name "t"; }
        target "a" { shell "echo x"; user "nobody"; cwd "/"; stdout "theirs/dumps/deep/a-{run}"; }
        "#,
    );
    for dir in ["theirs", "elsewhere"] {
        std::fs::create_dir(world.at(dir)).unwrap();
    }
    let link = world.at("theirs/dumps");
    std::os::unix::fs::symlink(world.at("elsewhere"), &link).unwrap();
    for owner in [world.at("theirs"), link.clone()] {
        std::os::unix::fs::lchown(owner, Some(65534), Some(65534)).unwrap();
    }
    let text = output_of(&opsrun(world.path(), &["apply", "--yes"]).output().unwrap(), 1);
    assert!(text.contains("`dumps` in it is a symlink of the user 65534"), "{text}");
    assert_eq!(std::fs::read_dir(world.at("elsewhere")).unwrap().count(), 0);
    // A link of root is root's own decision.
    std::os::unix::fs::lchown(&link, Some(0), Some(0)).unwrap();
    output_of(&opsrun(world.path(), &["apply", "--yes"]).output().unwrap(), 0);
    assert_eq!(std::fs::read_dir(world.at("elsewhere/deep")).unwrap().count(), 1);
}

/// With opsrun's terminal, it could type commands there.
#[test]
#[ignore = "needs root, to change the user"]
fn a_command_of_another_user_has_a_session_of_its_own() {
    let world = open_to_all(
        r#"ops version=1 { name "t"; }
        target "other" { shell "read -r pid name state above group session rest </proc/$$/stat; test $session = $$ && test $group = $$"; user "nobody"; cwd "/"; }
        "#,
    );
    output_of(&opsrun(world.path(), &["apply", "--yes"]).output().unwrap(), 0);
}
