//! A container image and its compose file, without docker: read, laid out, and started in namespaces of its own.
//!
//! Only what the files in `examples/container` say is known. Everything else is a failure: a line that no test applies is not
//! added.

use super::confinement::Confinement;
use super::sandbox::{Rule, numbers, refusal};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What docker and podman give to a container that asks for nothing.
pub const DEFAULT_CAPABILITIES: &str = "CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD \
     CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT";

/// Calls that the default filter of docker refuses to a container without more rights, with EPERM.
const REFUSED: [&str; 41] = [
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_madvise",
    "quotactl",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapon",
    "swapoff",
    "umount2",
    "userfaultfd",
];

/// The image, and what the compose file says of its container.
#[derive(Debug, Default)]
pub struct Image {
    /// From the build context to the image.
    copies: Vec<(String, String)>,
    env: Vec<(String, String)>,
    pub entry_point: Vec<String>,
    pub arguments: Vec<String>,
    pub health_check: Vec<String>,
    pub capabilities: Option<String>,
    pub no_new_privileges: bool,
    read_only: bool,
    /// From the host (a path, or the name of a volume) to the container; true when it is read-only.
    pub volumes: Vec<(String, String, bool)>,
}

impl Image {
    pub fn read(container_file: &Path, compose_file: &Path) -> Self {
        let mut image = Self::default();
        image.read_container_file(&fs::read_to_string(container_file).unwrap());
        image.read_compose_file(&fs::read_to_string(compose_file).unwrap());
        image
    }

    fn read_container_file(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (instruction, rest) = line.split_once(' ').unwrap();
            match instruction {
                "FROM" => assert_eq!(rest, "scratch"),
                "COPY" => {
                    let (from, to) = rest.split_once(' ').unwrap();
                    self.copies.push((from.to_owned(), to.to_owned()));
                }
                "ENV" => {
                    let (name, value) = rest.split_once('=').unwrap();
                    self.env.push((name.to_owned(), value.to_owned()));
                }
                "VOLUME" => assert_eq!(rest, "/var/lib/opsrun"),
                "HEALTHCHECK" => self.health_check = words(rest.split_once("CMD ").unwrap().1),
                "STOPSIGNAL" => assert_eq!(rest, "SIGTERM"),
                "ENTRYPOINT" => self.entry_point = words(rest),
                "CMD" => self.arguments = words(rest),
                _ => panic!("{line}: the test cannot apply this instruction"),
            }
        }
    }

    /// One service; lists of one item a line.
    fn read_compose_file(&mut self, text: &str) {
        let mut key = "";
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            match line.len() - line.trim_start().len() {
                0 => key = line,
                2 => assert!(
                    matches!((key, line), ("services:", "  opsrun:") | ("volumes:", "  state: {}")),
                    "{line}"
                ),
                4 => {
                    key = line.trim();
                    match key {
                        "read_only: true" => self.read_only = true,
                        "image: opsrun"
                        | "restart: unless-stopped"
                        | "stop_grace_period: 2m"
                        | "security_opt:"
                        | "cap_drop:"
                        | "cap_add:"
                        | "volumes:" => {}
                        _ => panic!("{line}: the test cannot apply this setting"),
                    }
                }
                _ => self.list_item(key, line.trim().strip_prefix("- ").unwrap()),
            }
        }
    }

    fn list_item(&mut self, key: &str, item: &str) {
        match (key, item) {
            ("security_opt:", "no-new-privileges:true") => self.no_new_privileges = true,
            ("cap_drop:", "ALL") => self.capabilities = Some(String::new()),
            ("cap_add:", name) => {
                let known = self.capabilities.get_or_insert_with(|| DEFAULT_CAPABILITIES.to_owned());
                *known += " CAP_";
                *known += name;
            }
            ("volumes:", item) => {
                let mut parts = item.split(':');
                let (from, to) = (parts.next().unwrap(), parts.next().unwrap());
                let read_only = parts.next().map(|option| assert_eq!(option, "ro")).is_some();
                self.volumes.push((from.to_owned(), to.to_owned(), read_only));
            }
            _ => panic!("{key} {item}: the test cannot apply this setting"),
        }
    }

    /// The layers of the image, below `place`.
    pub fn lay_out(&self, context: &Path, place: &Path) {
        let image = place.join("image");
        for (from, to) in &self.copies {
            let to = image.join(to.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(context.join(from), to).unwrap();
        }
        // The engine makes what is mounted over.
        let mounted = self.volumes.iter().map(|(_, to, _)| to.as_str());
        for dir in mounted.chain(["/proc", "/dev", "/etc", "/var/lib/opsrun"]) {
            fs::create_dir_all(image.join(dir.trim_start_matches('/'))).unwrap();
        }
        for dir in ["upper", "work", "root"] {
            fs::create_dir_all(place.join(dir)).unwrap();
        }
    }

    /// A container of the image: process 1 of its own namespaces. `hosts` are the directories of its volumes, in their order.
    pub fn start(&self, place: &Path, hosts: &[PathBuf], arguments: &[String]) -> Command {
        let mut command = Command::new(&self.entry_point[0]);
        command.args(&self.entry_point[1..]).args(arguments);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let at = |path: &str| place.join(path).to_str().unwrap().to_owned();
        let root = at("root");
        let mut confinement = Confinement::default();
        confinement.process_one = true;
        confinement.overlay(&at("image"), &at("upper"), &at("work"), &root);
        assert_eq!(hosts.len(), self.volumes.len());
        for (host, (_, to, read_only)) in hosts.iter().zip(&self.volumes) {
            let to = format!("{root}{to}");
            confinement.bind(host.to_str().unwrap(), &to);
            if *read_only {
                confinement.remount(&to, true);
            }
        }
        confinement.proc(&format!("{root}/proc"));
        confinement.private_devices(&format!("{root}/dev"));
        if self.read_only {
            confinement.remount(&root, true);
        }
        confinement.root(&root);
        confinement.keep_capabilities(self.capabilities.as_deref().unwrap_or(DEFAULT_CAPABILITIES));
        confinement.no_new_privileges = self.no_new_privileges;
        confinement.no_namespaces();
        for call in REFUSED.iter().filter_map(|call| numbers().get(*call)) {
            confinement.rules.push(Rule::of_number(*call, refusal(libc::EPERM)));
        }
        confinement.apply(&mut command);
        command
    }
}

/// A list of texts, in JSON.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap()
}
