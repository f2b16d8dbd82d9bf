//! The state of an ops file below `/etc`, in a mount namespace with `/etc` and `/var/lib` of its own.

use crate::support::workspace::{OPSRUN, Workspace, is_root, output_of};
use std::process::Command;

#[test]
#[ignore = "needs root, for a mount namespace"]
fn the_state_of_a_file_below_etc_is_found_where_earlier_versions_kept_it() {
    assert!(is_root(), "this test must run as root");
    let world = Workspace::with_data(
        "ops version=1 { name \"t\"; }\nbackup \"b\" { source \"DIR/data\"; to \"DIR/backup\"; }\n",
    );
    let ops = std::fs::read_to_string(world.at("ops.kdl")).unwrap();
    let ops = ops.replace("DIR", world.path().to_str().unwrap());
    std::fs::remove_file(world.at("ops.kdl")).unwrap();
    std::fs::write(world.at("below-etc.kdl"), ops).unwrap();
    world.file("a", 1);
    let script = r#"
        set -eu
        mount -t tmpfs none /etc
        mount -t tmpfs none /var/lib
        mkdir /etc/opsrun
        cp below-etc.kdl /etc/opsrun/ops.kdl
        say() { code=0; "$0" "$@" 2>&1 || code=$?; echo "= $code"; }
        say apply --yes
        ls -d /var/lib/opsrun/t
        say check
        # Where the units of earlier versions kept it.
        mv /var/lib/opsrun/t /var/lib/earlier && rm -r /var/lib/opsrun && mv /var/lib/earlier /var/lib/opsrun
        say check
        say status
        ls -d /var/lib/opsrun/t || true
        # Of other ops: not ours.
        sed -i 's/name "t"/name "u"/' /etc/opsrun/ops.kdl
        say check
        sed -i 's/name "u"/name "t"/' /etc/opsrun/ops.kdl
        mkdir -p /etc/opsrun/.opsrun && cp -a /var/lib/opsrun /etc/opsrun/.opsrun/t
        say check
        say status
    "#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, OPSRUN]);
    command
        .env("NO_COLOR", "1")
        .env_remove("OPSRUN_STATE_DIR")
        .env_remove("OPSRUN_FILE");
    let text = output_of(&command.current_dir(world.path()).output().unwrap(), 0);
    let steps: Vec<String> = text
        .split("\n= ")
        .map(|step| step.lines().skip(1).collect::<Vec<_>>().join("\n"))
        .collect();
    let codes: Vec<&str> = text.split("\n= ").skip(1).map(|rest| &rest[..1]).collect();
    assert_eq!(codes, ["0", "0", "0", "0", "0", "0", "3"], "{text}");
    let earlier = "/var/lib/opsrun`, where earlier versions kept it";
    for (step, says) in [(1, false), (2, true), (3, true), (4, false)] {
        assert_eq!(steps[step].contains(earlier), says, "{step}: {text}");
    }
    assert!(steps[3].contains("backup:b"), "{text}");
    for step in [5, 6] {
        let both = ["/var/lib/opsrun`", "/etc/opsrun/.opsrun/t`", "state-dir"];
        assert!(both.iter().all(|part| steps[step].contains(part)), "{step}: {text}");
    }
}
