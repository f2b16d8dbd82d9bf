//! The units in `examples/systemd` back up, delete and restore under their own restrictions.

use crate::support::unit::Unit;
use crate::support::workspace::{Workspace, files, is_root, output_of, run_with_input, set_age};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);

const OPS: &str = r#"
ops version=1 { name "night"; }
backup "data" { source "/srv/data"; to "/mnt/backup"; every "300ms"; }
retention "old" backup="data" { class "old" "**" keep="7d"; max-delete files=100; }
target "other-user" { command "setpriv" "--reuid=65534" "--clear-groups" "id" "-u"; every "300ms"; }
target "network" { shell "exec 3<>/dev/null; hostname >/dev/null"; every "300ms"; }
check "space" { disk-space "/srv/data" warn="1B"; }
channel "quiet" { command "/bin/sh" "-c" "cat >/dev/null"; }
"#;

/// A host with sources, destinations and an ops file of its own.
struct Host {
    world: Workspace,
    unit: Unit,
}

impl Host {
    fn new(unit: &Path, drop_in: Option<&str>) -> Self {
        assert!(is_root(), "this test must run as root");
        let world = Workspace::new("");
        for dir in [
            "srv",
            "srv/data",
            "srv/data/d",
            "mnt",
            "mnt/backup",
            "var-lib",
            "usr-local-bin",
        ] {
            fs::create_dir_all(world.at("host").join(dir)).unwrap();
        }
        let copied = Command::new("cp")
            .args(["-a", "/etc"])
            .arg(world.at("host/etc"))
            .status()
            .unwrap();
        assert!(copied.success());
        world.touch("host/usr-local-bin/opsrun");
        fs::create_dir_all(world.at("host/etc/opsrun")).unwrap();
        fs::write(world.at("host/etc/opsrun/ops.kdl"), OPS).unwrap();
        let mut unit = Unit::read(unit);
        if let Some(name) = drop_in {
            unit.add(Path::new(name));
        }
        Self { world, unit }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.world.at("host/srv/data").join(name)
    }

    /// Files with what only root can keep.
    fn fill(&self) {
        for (name, uid, mode) in [
            ("set-id", 1234, 0o6755),
            ("d/private", 4321, 0o600),
            ("young", 0, 0o644),
        ] {
            let path = self.data(name);
            fs::write(&path, name).unwrap();
            std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if name != "young" {
                set_age(&path, 30);
            }
        }
        // CAP_NET_RAW, permitted: cap_net_raw+p.
        let mut capability = vec![0, 0, 0, 2, 0, 0x20, 0, 0];
        capability.resize(20, 0);
        xattr::set(self.data("d/private"), "security.capability", &capability).unwrap();
        std::os::unix::fs::chown(self.data("d"), Some(4321), Some(4321)).unwrap();
        fs::set_permissions(self.data("d"), fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// This program of the unit, or its own.
    fn command(&self, arguments: Option<&[&str]>) -> Command {
        let own = self.unit.arguments();
        let mut command = Command::new("/usr/local/bin/opsrun");
        command
            .args(arguments.unwrap_or(&own[1..]))
            .current_dir("/")
            .env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        self.unit.restrict(&mut command, &self.world.at("host"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run_with_input(&mut self.command(Some(arguments)), "")
    }

    fn gone(&self) -> bool {
        !self.data("set-id").exists() && !self.data("d/private").exists()
    }
}

fn until(there: impl Fn() -> bool, what: &str) {
    let since = Instant::now();
    while !there() {
        assert!(since.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

/// Owner, group, mode and capabilities by path: what must come back.
type Facts = BTreeMap<String, (u32, u32, u32, Option<Vec<u8>>)>;

fn facts(root: &Path) -> Facts {
    let paths = files(root).into_keys().chain(["d".to_owned()]);
    paths
        .map(|path| {
            let at = root.join(&path);
            let meta = fs::metadata(&at).unwrap();
            let capability = xattr::get(&at, "security.capability").unwrap();
            (path, (meta.uid(), meta.gid(), meta.mode() & 0o7777, capability))
        })
        .collect()
}

fn works_under(unit: &Path, drop_in: Option<&str>) {
    let host = Host::new(unit, drop_in);
    host.fill();
    let before = facts(&host.world.at("host/srv/data"));
    if host.unit.get("Type") == Some("oneshot") {
        // The first round only begins the schedules.
        let since = Instant::now();
        while !host.gone() {
            let text = output_of(&run_with_input(&mut host.command(None), ""), 0);
            // On a busy machine a round takes longer than the period, and says which instants it skips.
            let said = text.lines().find(|line| !line.contains("skipped"));
            assert_eq!(said, None, "{}", unit.display());
            assert!(since.elapsed() < DEADLINE, "{}: it deletes nothing", unit.display());
        }
    } else {
        let log = host.world.at("log");
        let mut command = host.command(None);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        until(|| host.gone() || child_has_ended(child.id()), "it deletes nothing");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
        let code = child.wait().unwrap().code();
        let text = fs::read_to_string(log).unwrap();
        assert_eq!(code, Some(143), "{text}");
        for word in ["failed", "partial", "warning", "sandbox", "error"] {
            assert!(!text.contains(word), "{text}");
        }
    }
    assert!(host.gone() && host.data("young").exists(), "{}", unit.display());

    for args in [
        &["apply", "--yes", "/etc/opsrun/ops.kdl"][..],
        &["verify", "/etc/opsrun/ops.kdl"],
    ] {
        output_of(&host.run(args), 0);
    }
    let restore = ["restore", "--file", "/etc/opsrun/ops.kdl", "--force", "**"];
    output_of(&host.run(&restore), 0);
    assert_eq!(facts(&host.world.at("host/srv/data")), before, "{}", unit.display());
}

fn child_has_ended(pid: u32) -> bool {
    crate::support::workspace::is_gone(&pid.to_string())
}

fn services() -> Vec<PathBuf> {
    let found = walkdir::WalkDir::new("examples")
        .into_iter()
        .map(|entry| entry.unwrap().into_path());
    let services: Vec<PathBuf> = found
        .filter(|path| path.extension().is_some_and(|e| e == "service"))
        .collect();
    assert!(services.len() >= 2, "{services:?}");
    services
}

#[test]
#[ignore = "needs root, systemd-analyze and the headers of the kernel"]
fn every_unit_works_under_its_own_restrictions() {
    for service in services() {
        works_under(&service, None);
    }
}

#[test]
#[ignore = "needs root, systemd-analyze and the headers of the kernel"]
fn every_unit_works_with_the_drop_in_for_known_paths() {
    for service in services() {
        works_under(&service, Some("examples/systemd/known-paths.conf"));
    }
}

/// What the units leave out would stop opsrun: these tests see it, and opsrun names it.
#[test]
#[ignore = "needs root, systemd-analyze and the headers of the kernel"]
fn a_restriction_that_takes_a_needed_call_away_is_named() {
    let mut host = Host::new(Path::new("examples/systemd/opsrun-due.service"), None);
    host.fill();
    let more = host.world.at("more.conf");
    fs::write(&more, "[Service]\nRestrictSUIDSGID=yes\n").unwrap();
    host.unit.add(&more);
    let text = output_of(&host.run(&["apply", "--yes", "/etc/opsrun/ops.kdl"]), 3);
    assert!(text.contains("RestrictSUIDSGID=") && !host.gone(), "{text}");
}

/// The figure that systemd gives: less is better. It may only become less.
#[test]
#[ignore = "needs systemd-analyze"]
fn the_exposure_of_the_units_does_not_grow() {
    for service in services() {
        let mut command = Command::new("systemd-analyze");
        command
            .args(["security", "--offline=yes", "--threshold=40", "--no-pager"])
            .arg(&service);
        output_of(&command.output().unwrap(), 0);
    }
}
