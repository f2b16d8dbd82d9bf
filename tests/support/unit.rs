//! A program under the restrictions of a systemd unit, without systemd: its filters of system calls, capabilities and mounts.
//!
//! Only what the units in `examples/` set is known. Everything else is a failure: a setting that no test applies is not added.

use super::confinement::Confinement;
use super::sandbox::{Rule, calls, numbers, refusal};
use super::workspace::OPSRUN;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Settings of `[Service]` that restrict nothing.
const WITHOUT_EFFECT: [&str; 11] = [
    "Type",
    "ExecReload",
    "Restart",
    "RestartSec",
    "RestartPreventExitStatus",
    "SuccessExitStatus",
    "KillMode",
    "TimeoutStopSec",
    "WatchdogSec",
    "StateDirectoryMode",
    "SystemCallErrorNumber",
];

/// The settings of a unit, in its order, comments removed.
pub struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    pub fn read(path: &Path) -> Self {
        let mut unit = Self { settings: Vec::new() };
        unit.add(path);
        unit
    }

    /// Adds the settings of a drop-in.
    pub fn add(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap();
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if section == "Service" {
                assert!(!line.ends_with('\\'), "{line}: continued lines are not read");
                let (name, value) = line.split_once('=').unwrap();
                self.settings.push((name.to_owned(), value.to_owned()));
            } else {
                assert!(matches!(section, "Unit" | "Install" | "Timer"), "[{section}]");
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter().rev();
        settings.find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// The words of `ExecStart`.
    pub fn arguments(&self) -> Vec<&str> {
        self.get("ExecStart").unwrap().split_ascii_whitespace().collect()
    }

    /// Has the command start under all restrictions of the unit. `root` has directories that are mounted over those of the host:
    /// `root/srv` over `/srv`. One of them is `/usr/local/bin`, with an empty file in the place of opsrun.
    pub fn restrict(&self, command: &mut Command, root: &Path) {
        let mut limits = UnitLimits::default();
        mount_over(&mut limits.confinement, root);
        let errno = match self.get("SystemCallErrorNumber") {
            None => libc::SECCOMP_RET_KILL_PROCESS,
            Some("EPERM") => refusal(libc::EPERM),
            Some(other) => panic!("SystemCallErrorNumber={other}"),
        };
        for (name, value) in &self.settings {
            match (name.as_str(), value.as_str()) {
                (name, _) if WITHOUT_EFFECT.contains(&name) => {}
                ("ExecStart" | "EnvironmentFile", _) | ("SystemCallArchitectures", "native") => {}
                ("StateDirectory", dir) => {
                    let mode = u32::from_str_radix(self.get("StateDirectoryMode").unwrap_or("0755"), 8).unwrap();
                    limits.state_directory(root, dir, mode);
                }
                ("Environment", variable) => {
                    let (name, value) = variable.split_once('=').unwrap();
                    command.env(name, value);
                }
                ("CapabilityBoundingSet", names) => limits.confinement.keep_capabilities(names),
                ("NoNewPrivileges", "yes") => limits.confinement.no_new_privileges = true,
                ("SystemCallFilter", names) => limits.allow_calls(names, errno),
                ("LockPersonality", "yes") => {
                    limits.confinement.rules.push(Rule::unless(
                        "personality",
                        0,
                        &[0, 0xFFFF_FFFF],
                        refusal(libc::EPERM),
                    ));
                }
                ("RestrictNamespaces", "yes") => limits.confinement.no_namespaces(),
                ("RestrictRealtime", "yes") => {
                    limits.confinement.rules.push(Rule::unless(
                        "sched_setscheduler",
                        1,
                        &[0, 3, 5],
                        refusal(libc::EPERM),
                    ));
                }
                ("RestrictAddressFamilies", names) => {
                    let families: Vec<u32> = names.split(' ').map(address_family).collect();
                    limits
                        .confinement
                        .rules
                        .push(Rule::unless("socket", 0, &families, refusal(libc::EAFNOSUPPORT)));
                }
                ("PrivateDevices", "yes") => {
                    limits.confinement.private_devices("/dev");
                    limits.deny_calls("@raw-io");
                    limits.confinement.drop_capabilities("CAP_MKNOD CAP_SYS_RAWIO");
                }
                ("ProtectClock", "yes") => {
                    limits.deny_calls("@clock");
                    limits.confinement.drop_capabilities("CAP_SYS_TIME CAP_WAKE_ALARM");
                }
                ("ProtectKernelLogs", "yes") => {
                    limits.deny_calls("syslog");
                    limits.confinement.drop_capabilities("CAP_SYSLOG");
                }
                ("ProtectKernelModules", "yes") => {
                    limits.deny_calls("@module");
                    limits.confinement.drop_capabilities("CAP_SYS_MODULE");
                    limits.hide("/usr/lib/modules");
                }
                // Its flags are in memory, where a filter cannot look: systemd takes the whole call away.
                ("RestrictSUIDSGID", "yes") => {
                    let rule = Rule::always("openat2", refusal(libc::ENOSYS));
                    limits.confinement.rules.push(rule);
                }
                ("ProtectHostname", "yes") => limits.deny_calls("sethostname setdomainname"),
                ("ProtectControlGroups", "yes") => limits.read_only("/sys/fs/cgroup"),
                ("ProtectKernelTunables", "yes") => {
                    limits.read_only("/proc/sys");
                    limits.read_only("/sys");
                }
                ("ProtectSystem", "strict") => limits.all_read_only(),
                ("ProtectHome", "read-only") => {
                    limits.read_only("/home");
                    limits.read_only("/root");
                }
                ("PrivateTmp", "yes") => limits.hide("/tmp"),
                ("ReadWritePaths", paths) => limits.writable.extend(paths.split(' ').map(str::to_owned)),
                _ => panic!("{name}={value}: the test cannot apply this setting"),
            }
        }
        limits.apply(command);
    }
}

fn address_family(name: &str) -> u32 {
    let family = match name {
        "AF_UNIX" => libc::AF_UNIX,
        "AF_INET" => libc::AF_INET,
        "AF_INET6" => libc::AF_INET6,
        "AF_NETLINK" => libc::AF_NETLINK,
        _ => panic!("{name}"),
    };
    u32::try_from(family).unwrap()
}

fn mount_over(confinement: &mut Confinement, root: &Path) {
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let target = format!("/{}", entry.file_name().to_str().unwrap().replace('-', "/"));
        confinement.bind(entry.path().to_str().unwrap(), &target);
    }
    confinement.bind(OPSRUN, "/usr/local/bin/opsrun");
}

/// The restrictions of a unit, some of which are complete only when all settings were read.
#[derive(Default)]
struct UnitLimits {
    confinement: Confinement,
    read_only: Vec<String>,
    /// Mount points.
    remounted: Vec<String>,
    hidden: Vec<String>,
    writable: Vec<String>,
    allowed: Option<(BTreeSet<String>, u32)>,
}

impl UnitLimits {
    fn state_directory(&mut self, root: &Path, name: &str, mode: u32) {
        let dir = root.join("var-lib").join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        self.writable.push(format!("/var/lib/{name}"));
    }

    fn allow_calls(&mut self, names: &str, otherwise: u32) {
        assert!(
            !names.starts_with('~'),
            "{names}: only lists of allowed calls are applied"
        );
        let allowed = self.allowed.get_or_insert_with(|| (calls("@default"), otherwise));
        allowed.0.extend(calls(names));
    }

    fn deny_calls(&mut self, names: &str) {
        for call in calls(names).iter().filter_map(|call| numbers().get(call)) {
            let rule = Rule::of_number(*call, refusal(libc::EPERM));
            self.confinement.rules.push(rule);
        }
    }

    fn read_only(&mut self, path: &str) {
        self.read_only.push(path.to_owned());
    }

    fn hide(&mut self, path: &str) {
        self.hidden.push(path.to_owned());
    }

    /// All but `/dev`, `/proc` and `/sys`.
    fn all_read_only(&mut self) {
        let own = ["/srv", "/mnt", "/var/lib", "/etc", "/usr/local/bin"];
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let targets = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let below = |target: &str, tops: &[&str]| tops.iter().any(|top| target.starts_with(top));
        let others = targets.filter(|target| !below(target, &["/dev", "/proc", "/sys"]) && !below(target, &own));
        self.remounted.extend(others.chain(own).map(str::to_owned));
    }

    fn apply(self, command: &mut Command) {
        let mut confinement = self.confinement;
        let exists = |path: &&String| Path::new(path).exists();
        for path in self.read_only.iter().filter(exists) {
            confinement.bind(path, path);
            confinement.remount(path, true);
        }
        for path in &self.remounted {
            confinement.remount(path, true);
        }
        for path in &self.writable {
            confinement.bind(path, path);
            confinement.remount(path, false);
        }
        for path in self.hidden.iter().filter(exists) {
            confinement.tmpfs(path, "mode=1777");
        }
        if let Some((allowed, otherwise)) = &self.allowed {
            let known = calls("@known");
            for (name, number) in numbers() {
                // What systemd does not know yet is answered as an older kernel would answer it.
                match (allowed.contains(name), known.contains(name)) {
                    (true, _) => {}
                    (false, true) => confinement.rules.push(Rule::of_number(*number, *otherwise)),
                    (false, false) => confinement.rules.push(Rule::of_number(*number, refusal(libc::ENOSYS))),
                }
            }
        }
        confinement.apply(command);
    }
}
